"""The scenario itself: who coerces whom, with what, when, with which exemptions and assumptions."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from weaponized_interdependence.errors import Fault, ScenarioError
from weaponized_interdependence.scenario.locator import Path
from weaponized_interdependence.scenario.parties import all_members
from weaponized_interdependence.scenario.parts import (
    MOST_ITEMS,
    MOST_MEASURES,
    Assumptions,
    Citation,
    Day,
    Exemption,
    Label,
    Measure,
    Name,
    Part,
    Phase,
    Text,
    Version,
)
from weaponized_interdependence.scenario.problems import Problem, dotted, translate
from weaponized_interdependence.scenario.raw import anchored, looks_like_path, plain
from weaponized_interdependence.scenario.rules import rule_problems
from weaponized_interdependence.terms import PhaseChange

YEAR = 365  # days that the last phase lasts where the scenario names no end

Named = Annotated[tuple[Label, ...], Field(min_length=1, max_length=MOST_ITEMS)]


class Scenario(Part):
    """A hypothetical: coalition, target, measures, phases, exemptions, assumptions.

    Building one checks it: ScenarioError lists everything that is wrong. In a file the lists of tables are written
    `[[measure]]`, `[[phase]]`, `[[exemption]]`.

    >>> s = Scenario(name="embargo", title="All trade", coalition=("USA",), target=("CUB",), date="1962-02-07",
    ...              measures=[{"id": "all", "kind": "comprehensive_embargo"}])
    >>> s.phase_list()[0].name
    'all'
    """

    schema_version: Version = 1
    """Version of this file format; always 1 so far."""
    name: Name
    """Short name: small letters, digits, underscores. Results carry it."""
    title: Label
    """What a reader sees, one line."""
    description: Text = ""
    """What the scenario asks, and what it leaves out."""
    coalition: Named
    """The senders: ISO3 codes or groups such as EU or G7, expanded on `date`."""
    target: Named
    """Whom the measures are aimed at: ISO3 codes or groups."""
    date: Day
    """The day on which groups are expanded; no phase starts before it. Written 2022-12-05, without quotes."""
    end: Day | None = None
    """Last day that models which follow time look at; left out: a year after the last phase starts."""
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=MOST_MEASURES)]
    """The instruments."""
    phases: Annotated[tuple[Phase, ...], Field(max_length=MOST_MEASURES)] = ()
    """When which measures are in force; left out: all of them, from `date` on."""
    humanitarian_exemption: bool = Field(default=True, strict=True)
    """Whether goods on the humanitarian list stay allowed."""
    exemptions: Annotated[tuple[Exemption, ...], Field(max_length=MOST_MEASURES)] = ()
    """Further flows that the measures leave alone."""
    assumptions: Assumptions = Assumptions()
    """What is chosen, not known."""
    objective: Text = ""
    """What the senders want the target to do. Shown beside the results, not computed."""
    legal_basis: Text = ""
    """The law that the measures rest on. Shown, not computed."""
    mandate: Text = ""
    """Resolution of the UN Security Council or another body, or a word on its absence. Shown, not computed."""
    off_ramp: Text = ""
    """What would have to happen for the measures to be lifted. Shown, not computed."""
    sources: tuple[Citation, ...] = ()
    """Legal acts and publications the scenario follows."""

    @model_validator(mode="wrap")
    @classmethod
    def _report_everything(cls, data: Any, build: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        # pydantic stops at the fields; the rules run all the same, so that one error names everything.
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise ScenarioError("a scenario is a mapping of keys to values", mend="see docs/scenarios.md")
        context: Mapping[str, Any] = info.context or {}
        raw, problems = plain(data)
        raw = anchored(raw, context.get("folder"))
        scenario = None
        try:
            scenario = build(raw)
        except ValidationError as error:
            problems += translate(error, _TABLES)
        problems += rule_problems(raw)
        if problems or scenario is None:
            raise _error(problems, context.get("place", dotted), str(context.get("file", "")))
        return scenario

    def phase_list(self) -> tuple[Phase, ...]:
        """The phases in force one after the other; a scenario without phases has one, `all`, from `date` on."""
        return self.phases or (Phase(name="all", start=self.date, measures=tuple(m.id for m in self.measures)),)

    def timeline(self) -> tuple[tuple[Phase, int, int], ...]:
        """Each phase with the day on which it starts, counted from the start of the first, and how many days it lasts.

        The last phase runs to `end`, or for a year.

        >>> s = Scenario(name="x", title="X", coalition=("USA",), target=("CUB",), date="2024-01-01", end="2024-12-31",
        ...              measures=[{"id": "all", "kind": "export_ban"}],
        ...              phases=[{"name": "on", "start": "2024-01-01", "measures": ["all"]},
        ...                      {"name": "off", "start": "2024-07-01", "measures": []}])
        >>> [(phase.name, first, days) for phase, first, days in s.timeline()]
        [('on', 0, 182), ('off', 182, 184)]
        """
        phases = self.phase_list()
        starts = [phase.start for phase in phases]
        last = self.end + timedelta(days=1) if self.end else starts[-1] + timedelta(days=YEAR)
        return tuple(
            (phase, (start - starts[0]).days, (after - start).days)
            for phase, start, after in zip(phases, starts, [*starts[1:], last], strict=True)
        )

    def change_of(self, phase: Phase) -> PhaseChange:
        """What a phase does to what was in force before it: impose, tighten, ease, lift, snap back ..."""
        phases = self.phase_list()
        place = [each.name for each in phases].index(phase.name)
        now, before = {*phase.measures}, {*(phases[place - 1].measures if place else ())}
        known = {name for each in phases[: max(place - 1, 0)] for name in each.measures}
        if not now:
            return PhaseChange.LIFT
        if now == before:
            return PhaseChange.PROLONG
        if now < before:
            return PhaseChange.EASE
        if now - before <= known:
            return PhaseChange.SNAP_BACK
        if not before:
            return PhaseChange.IMPOSE
        return PhaseChange.TIGHTEN if now > before else PhaseChange.REPLACE

    def measures_in(self, phase: Phase) -> tuple[Measure, ...]:
        """The measures in force in a phase, in the order of the file."""
        return tuple(measure for measure in self.measures if measure.id in phase.measures)

    def senders(self, measure: Measure | None = None) -> tuple[str, ...]:
        """ISO3 codes of the coalition on `date`, or of the part of it that applies `measure`."""
        return all_members(measure.senders if measure and measure.senders else self.coalition, self.date)

    def targets(self) -> tuple[str, ...]:
        """ISO3 codes of the target on `date`."""
        return all_members(self.target, self.date)

    def third_parties(self, measure: Measure) -> tuple[str, ...]:
        """ISO3 codes of those whom a secondary measure threatens."""
        return all_members(measure.third_parties, self.date)


_TABLES: dict[str, type[BaseModel]] = {
    "": Scenario,
    "measure": Measure,
    "phase": Phase,
    "exemption": Exemption,
    "assumptions": Assumptions,
}


def scenario_hash(scenario: Scenario) -> str:
    """SHA-256 of what the scenario says: the same whatever the layout, comments and order of keys of its file.

    Files it names (product lists, elasticities) count by their content, not by where they lie.
    """
    document = scenario.model_dump(mode="json")
    if scenario.end is None:  # what says nothing weighs nothing: hashes of older scenarios stay what they were
        del document["end"]
    for table in (*document["measures"], *document["exemptions"]):
        table["lists"] = [_content(name) for name in table["lists"]]
    document["assumptions"]["elasticities"] = _content(document["assumptions"]["elasticities"])
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _content(name: str) -> str:
    if not looks_like_path(name):
        return name
    try:
        return "sha256:" + hashlib.sha256(FilePath(name).read_bytes()).hexdigest()
    except OSError as error:
        raise ScenarioError(f"cannot read {name}: {error.strerror}", mend="the scenario names this file") from error


def _error(problems: list[Problem], place: Callable[[Path], str], file: str) -> ScenarioError:
    unique = list(dict.fromkeys(problems))
    faults = [Fault(problem.what, place(problem.path), problem.mend) for problem in unique]
    count = f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
    return ScenarioError(f"the scenario has {count}", where=file, faults=faults)
