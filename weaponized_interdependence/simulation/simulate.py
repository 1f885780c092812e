"""The recipe: scenario -> shock -> models -> impacts. Read it from `simulate` downwards.

A model is a function from tables to an Answer, registered in `models.MODELS` with what it needs. A new one (payments,
firms, behaviour) is one file beside this one and one entry there; nothing here changes.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from weaponized_interdependence import __version__
from weaponized_interdependence.errors import Fault, ModelError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.scenario import Scenario, load_scenario
from weaponized_interdependence.schemas import IMPACTS, PATHS, SENSITIVITY
from weaponized_interdependence.simulation import baseline
from weaponized_interdependence.simulation.baseline import Baseline, Input
from weaponized_interdependence.simulation.drawing import DRAWN, drawn
from weaponized_interdependence.simulation.impact import Answer, Assumption, humanitarian_rows, no_answer, to_impacts
from weaponized_interdependence.simulation.models import (
    MODELS,
    Model,
    Setting,
    Shared,
)
from weaponized_interdependence.simulation.references import Reference, references
from weaponized_interdependence.simulation.request import requested
from weaponized_interdependence.simulation.shock import (
    SHOCK,
    Parties,
    Shock,
    band,
    build_shock,
    classifications,
    parties_of,
)
from weaponized_interdependence.terms import Basis, Horizon

__all__ = ["MODELS", "Result", "simulate"]


@dataclass(frozen=True)
class Result:
    """Everything a simulation gave and everything it rests on."""

    scenario: Scenario
    impacts: pl.DataFrame
    shock: pl.DataFrame
    notes: tuple[str, ...]
    inputs: tuple[Input, ...]
    assumptions: tuple[Assumption, ...]
    models: tuple[str, ...]
    started: datetime
    finished: datetime
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None  # of the draws; none where nothing was drawn
    options: Mapping[str, Any] = field(default_factory=dict)  # what was asked for beside the scenario and the data
    periods: Mapping[str, str] = field(default_factory=dict)  # the period chosen of each layer, and of the table
    references: tuple[Reference, ...] = ()
    paths: pl.DataFrame = field(default_factory=PATHS.empty)  # of models that follow time
    sensitivity: pl.DataFrame = field(default_factory=SENSITIVITY.empty)  # of runs with draws


def simulate(
    scenario: Scenario | str | Path,
    *,
    flows: pl.DataFrame | str | Path | Sequence[pl.DataFrame | str | Path] | None = None,
    table: IOTable | str | Path | None = None,
    macro: pl.DataFrame | str | Path | None = None,
    elasticities: str | Path | None = None,
    models: Sequence[str] | None = None,
    horizons: Sequence[str] | None = None,
    period: str | None = None,
    step: int | None = None,
    draws: int | None = None,
    seed: int = 0,
    sensitivity: bool = False,
    inputs: Iterable[Input] = (),
) -> Result:
    """Simulate one scenario over observed flows, an input-output table, or both.

    Parameters
    ----------
    scenario
        A Scenario, the name of one in data/scenarios, or the path of a scenario file.
    flows
        FLOWS, the path of a file of them, or several of either. Of each layer the last period that ends by the
        scenario's date is used, unless `period` says which.
    table
        An IOTable, or the path of one written by `write_table`.
    macro
        MACRO with indicator `gdp`; by default the published figures that come with the tool.
    elasticities
        A set by name or path; by default the scenario's own.
    models
        Names from MODELS; by default every model whose input is there, but those that only run where they are named.
    horizons
        short, medium, long; by default all that a model has. Models without time in them always answer; a model named
        in `models` must have one of them.
    step
        Days of a step of models that follow time; by default a week, or the shortest phase where that is shorter.
    draws
        Draw the assumptions of the `equilibrium` model so many times: `low` and `high` of its rows are then the 5th and
        95th percentile. 64 by default; with 0 they are corners, all assumptions at the low or the high end together.
    seed
        Of the draws: the same seed gives the same numbers, and the same draws for every scenario on one table.
    sensitivity
        Also which assumption moves the answer (Sobol indices; many times as many runs).
    inputs
        What is known of the files that frames came from, so that the run can name them.

    Returns
    -------
    Result
        IMPACTS of target, senders, third parties and their sums, by phase, model, horizon, channel and item: losses
        positive, gains negative; SHOCK; PATHS of models that follow time; SENSITIVITY where it was asked for; notes on
        all that was assumed, left out or did not match.

    Raises
    ------
    ModelError
        No measure matches anything in the data, or no period of the data is as early as the scenario.
    UsageError
        An unknown model or horizon, a model whose input is missing or that has none of the horizons, draws that cannot
        be made: all that is wrong with what is asked, at once.
    """
    started = datetime.now(UTC)
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario)
    request = requested(
        scenario,
        flows=flows is not None,
        table=table is not None,
        models=models,
        horizons=horizons,
        elasticities=elasticities,
        step=step,
        draws=draws,
        seed=seed,
        sensitivity=sensitivity,
    )
    chosen, drawing, elasticity = request.models, request.drawing, request.elasticities
    base = baseline.load(scenario, flows=flows, table=table, macro=macro, period=period, inputs=inputs)
    shared = Shared(base.table, elasticity, request.horizons, request.step)
    parties = parties_of(scenario)

    notes = [*base.notes, *elasticity.notes, *request.notes, *_absent_notes(parties, base)]
    impacts, moved, assumptions = [], [SENSITIVITY.empty()], _scenario_assumptions(scenario)
    # What the text stops is worked out once a phase, whatever number of models then answers to it.
    settings = [
        Setting(scenario, phase, parties, base, build_shock(scenario, phase, base.flows, parties), shared)
        for phase in scenario.phase_list()
    ]
    failed: list[ModelError] = []
    told, paths = _followed(chosen, settings, failed)
    answered: set[str] = set()
    for setting in settings:
        phase, shock = setting.phase, setting.shock
        notes += [*shock.notes, *_unmatched_notes(shock, base)] if base.has_flows else ()
        for model in chosen:
            answer = _answered(model, setting, told, failed)
            notes += answer.notes
            if answer.rows.is_empty():
                continue
            answered.add(model.name)
            assumptions += answer.assumptions
            rows = to_impacts(
                answer, scenario.name, phase.name, parties, base.economies(model.needs), base.gdp, base.length
            )
            if drawing and model.name == DRAWN:
                try:
                    rows, indices, said = drawn(rows, answer, setting, drawing)
                except ModelError as error:  # its own answer stands: only the bands of the draws are missing
                    indices, said = SENSITIVITY.empty(), (f"{DRAWN}: {error.message}: its bands are corners",)
                moved.append(indices)
                notes += said
            impacts.append(rows)
        humane, said = humanitarian_rows(shock.table, base.flows, scenario.name, phase.name, parties)
        impacts.append(humane)
        notes += said
    if failed and (models is not None or not answered):
        raise failed[0]  # who asked for a model gets its answer or its error; of all models, those that can, answer
    if not answered and all(setting.shock.table.is_empty() for setting in settings):
        held = {economy for needs in ("flows", "table") for economy in base.economies(needs)}
        gone = [code for code in parties.target if code not in held]
        if len(gone) == len(parties.target):
            what = f"the data do not hold its target, {', '.join(gone)}"
            within = f"; {ROW} holds many economies and stands for none of them" if ROW in held else ""
            mend = f"give data that tell {', '.join(gone)} apart{within}"
        elif base.table is not None and any(s.cells.shares.height or s.cells.duties.height for s in settings):
            what = "the models asked for have no answer to its measures"
            mend = "ask for other models, or for all (a duty alone needs equilibrium)"
        else:
            what = "no measure matches anything in the data"
            mend = "give flows or a table whose items, layers and economies the measures name"
        raise ModelError(
            f"scenario {scenario.name}: {what}", faults=[Fault(note) for note in dict.fromkeys(notes)], mend=mend
        )
    return Result(
        scenario=scenario,
        impacts=_in_order(scenario, pl.concat([IMPACTS.empty(), *impacts])),  # each part conforms, keys stay apart
        shock=_in_order(scenario, SHOCK.conform(pl.concat([setting.shock.table for setting in settings]))),
        notes=tuple(dict.fromkeys(notes)),
        inputs=(*base.inputs, baseline.stamped("elasticities", elasticity.path, elasticity.rows.height)),
        assumptions=tuple(dict.fromkeys(assumptions)),
        models=tuple(model.name for model in chosen if model.name in answered),
        started=started,
        finished=datetime.now(UTC),
        versions=_versions(),
        options={
            "period": period,
            "models": None if models is None else list(models),
            "horizons": None if horizons is None else list(horizons),
            "elasticities": None if elasticities is None else str(elasticities),
            "step": step,
            "draws": draws,
            "sensitivity": sensitivity,
        },
        seed=seed if drawing else None,
        sensitivity=pl.concat(moved),
        periods=base.periods,
        references=references(scenario, base.flows, base.table),
        paths=paths,
    )


# ---- what the models give ---------------------------------------------------------------------------------------


def _answered(
    model: Model, setting: Setting, told: Mapping[str, Mapping[str, Answer]], failed: list[ModelError]
) -> Answer:
    """The answer of a model for one phase; of one that finds none, a note that says why."""
    if model.run is None:
        return told[model.name].get(setting.phase.name, no_answer(model.name))
    try:
        return model.run(setting)
    except ModelError as error:
        failed.append(error)
        return _without(model, error)


def _followed(
    chosen: Iterable[Model], settings: Sequence[Setting], failed: list[ModelError]
) -> tuple[dict[str, Mapping[str, Answer]], pl.DataFrame]:
    """Answers by model and phase of the models that follow time, and their PATHS."""
    told: dict[str, Mapping[str, Answer]] = {}
    paths = [PATHS.empty()]
    for model in chosen:
        if model.follow is None:
            continue
        try:
            told[model.name], path = model.follow(settings)
        except ModelError as error:
            failed.append(error)
            told[model.name] = {setting.phase.name: _without(model, error) for setting in settings}
        else:
            paths.append(path)
    return told, pl.concat(paths)


def _without(model: Model, error: ModelError) -> Answer:
    return no_answer(model.name, (f"{model.name}: no answer: {error.message}",))


def _in_order(scenario: Scenario, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of their key, the same for any order of the input.

    Phases, models and horizons come as they follow one another, the rest by name.
    """
    orders: dict[str, list[str]] = {
        "phase": [phase.name for phase in scenario.phase_list()],
        "model": [*MODELS, "humanitarian"],
        "horizon": [Horizon.NONE, Horizon.SHORT, Horizon.MEDIUM, Horizon.LONG],
    }
    keys = [c for c in ("phase", "model", "horizon") if c in rows.columns]
    ranks = [pl.col(c).replace_strict({str(v): n for n, v in enumerate(orders[c])}).alias(f"{c}#") for c in keys]
    names = [f"{c}#" for c in keys]
    rest = [c for c in _TIES if c in rows.columns]
    return rows.with_columns(ranks).sort([*names, *rest]).drop(names)


ROW = "ROW"  # the rest of the world, an aggregate that some data have

_TIES = ("role", "party", "channel", "period", "layer", "origin", "destination", "item", "metric")


# ---- what the result says about itself --------------------------------------------------------------------------


def _absent_notes(parties: Parties, base: Baseline) -> list[str]:
    """Senders and targets that the data do not hold: their losses are zero for that reason, which must be said."""
    said = []
    for data, needs in (("flows", base.has_flows), ("input-output table", base.table is not None)):
        if not needs:
            continue
        held = set(base.economies("table" if data != "flows" else "flows"))
        for role, codes in (("target", parties.target), ("senders", parties.senders)):
            if missing := [code for code in codes if code not in held]:
                inside = f"; what is inside {ROW} is not told apart and not guessed" if ROW in held else ""
                who = f"{role} not in the {data}: {', '.join(missing)}"
                said.append(f"{who}; nothing reaches them or comes from them there{inside}")
    return said


def _unmatched_notes(shock: Shock, base: Baseline) -> list[str]:
    if not base.has_flows:
        return []
    held = ", ".join(classifications(base.items)) or "nothing"
    layers = ", ".join(base.layers) or "none"
    return [f"measure {name} matches no flow: the data hold {held} on the layers {layers}" for name in shock.unmatched]


def _scenario_assumptions(scenario: Scenario) -> list[Assumption]:
    low, value, high = band(scenario.assumptions.over_compliance)
    stated = [Assumption("over_compliance", value, low, high, "share", Basis.ASSUMED.value, "the scenario")]
    for measure in scenario.measures:
        for name, unit in (
            ("share", "share"),
            ("compliance", "share"),
            ("trade_share", "share"),
            ("allowed_share", "share"),
            ("rate", "share of the price"),
        ):
            chosen = getattr(measure, name)
            if chosen is None or (name == "share" and chosen == 1.0):
                continue
            low, value, high = band(chosen)
            source = measure.source or measure.note or "the scenario"
            stated.append(Assumption(f"{measure.id}.{name}", value, low, high, unit, Basis.ASSUMED.value, source))
    for number, exemption in enumerate(scenario.exemptions, 1):
        if exemption.share < 1:
            share, source = exemption.share, exemption.note or "the scenario"
            name = f"exemption {number}.share"
            stated.append(Assumption(name, share, share, share, "share", Basis.ASSUMED.value, source))
    return stated


def _versions() -> dict[str, str]:
    packages = ("polars", "numpy", "scipy", "pyarrow", "pydantic")
    return {
        "weaponized_interdependence": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
