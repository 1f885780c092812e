"""The registered models: what each needs, what it means, over which horizons, and the function that runs it.

A model answers for one phase (a `Setting`) or, where it follows time, for all of them at once (a list of settings in
the order of time). What several models need of one input is computed once: `Setting.cells` a phase, `Shared` a run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from weaponized_interdependence.errors import Fault, UsageError, nearest
from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.scenario import Phase, Scenario
from weaponized_interdependence.schemas import PATHS
from weaponized_interdependence.simulation.baseline import Baseline
from weaponized_interdependence.simulation.elasticities import Elasticities
from weaponized_interdependence.simulation.exposure import exposure
from weaponized_interdependence.simulation.impact import Answer, no_answer
from weaponized_interdependence.simulation.input_output import Floats, denied_shares, input_output
from weaponized_interdependence.simulation.sectors import SectorShares, humanitarian_bundles, sector_shares
from weaponized_interdependence.simulation.shock import Parties, Shock
from weaponized_interdependence.simulation.substitution import market_of, substitution
from weaponized_interdependence.terms import HORIZONS, Basis, Horizon, MeasureKind, weakest

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.general_equilibrium import World

WEEK = 7  # days of a step of PATHS where nothing else is asked for


@dataclass(frozen=True, eq=False)
class Shared:
    """What is made once a run, when a model first asks for it."""

    table: IOTable | None
    elasticities: Elasticities
    horizons: tuple[str, ...] = HORIZONS
    step: int = WEEK

    @cached_property
    def system(self) -> LeontiefSystem:
        """The table's Leontief system."""
        assert self.table is not None
        return LeontiefSystem(self.table)

    @cached_property
    def world(self) -> "World":
        """The table calibrated for general equilibrium."""
        from weaponized_interdependence.simulation.general_equilibrium import world_of

        assert self.table is not None
        return world_of(self.table, self.elasticities)


@dataclass(frozen=True, eq=False)
class Setting:
    """What a model may look at: one phase of one scenario over one baseline."""

    scenario: Scenario
    phase: Phase
    parties: Parties
    base: Baseline
    shock: Shock
    shared: Shared

    @cached_property
    def cells(self) -> SectorShares:
        """What the measures of the phase do to the cells of the table."""
        assert self.base.table is not None
        return sector_shares(
            self.scenario, self.phase, self.base.table, self.base.flows, self.parties, self.base.length
        )

    @cached_property
    def quotas(self) -> tuple[SectorShares, SectorShares] | None:
        """The measures but for quotas, and the quotas alone, where there are any: a quota is no denied share only."""
        measures = self.scenario.measures_in(self.phase)
        if not any(m.kind is MeasureKind.QUOTA for m in measures):
            return None
        parts = [[m.id for m in measures if (m.kind is MeasureKind.QUOTA) == quota] for quota in (False, True)]
        made = [replace(self, phase=self.phase.model_copy(update={"measures": tuple(part)})).cells for part in parts]
        return made[0], made[1]

    def horizons(self, model: str) -> tuple[str, ...]:
        """Those asked for among the model's own."""
        return tuple(h for h in MODELS[model].horizons if h in self.shared.horizons)


@dataclass(frozen=True)
class Model:
    """A registered model: what it needs (flows, table), what it means, what it assumes, and the function that runs it.

    `run` answers for one phase; `follow` for all of them, in the order of time, with the PATHS between them: a model
    has one of the two. `assumes`: in a few words, shown where models stand side by side. `horizons`: those it answers
    for; none where it has no time in it. `asked`: it runs only where it is named. `explained`: the module below
    simulation/ whose docstring is the method; left out: that of the model's name.
    """

    name: str
    needs: str
    meaning: str
    assumes: str
    run: Callable[[Setting], Answer] | None = None
    horizons: tuple[str, ...] = (Horizon.NONE,)
    asked: bool = False
    explained: str = ""
    follow: Callable[[Sequence[Setting]], tuple[Mapping[str, Answer], pl.DataFrame]] | None = None

    @property
    def module(self) -> str:
        """The module below simulation/ that says how it works."""
        return self.explained or self.name


def chosen_models(models: Sequence[str] | None, *, flows: bool, table: bool) -> list[Model]:
    """The models named, or every one whose input is there; UsageError names all that cannot be run."""
    given = {name for name, there in (("flows", flows), ("table", table)) if there}
    if not given:
        raise UsageError("nothing to simulate on", mend="give flows, an input-output table, or both")
    if models is None:
        return [model for model in MODELS.values() if model.needs in given and not model.asked]
    faults = []
    for name in models:
        if name not in MODELS:
            faults.append(Fault(f"no model {name!r}", mend=f"use {', '.join(nearest(name, list(MODELS)) or MODELS)}"))
        elif MODELS[name].needs not in given:
            faults.append(Fault(f"model {name} needs {MODELS[name].needs}", mend=f"give {MODELS[name].needs}"))
    if faults or not models:
        raise UsageError("these models cannot be run", faults=faults, mend=f"models are {', '.join(MODELS)}")
    return [MODELS[name] for name in dict.fromkeys(models)]


def refuse_without_horizon(models: Sequence[str], asked: Sequence[str]) -> None:
    """UsageError naming every one of these models that has horizons, but none of those asked for."""
    faults = [
        Fault(f"{name} has {held} only", mend="ask for one of its horizons too, or leave the model out")
        for name, held in _without_any(dict.fromkeys(models), asked).items()
    ]
    if faults:
        raise UsageError(f"models without the {_several(asked)} asked for", faults=faults)


def at_horizons(models: Sequence[Model], asked: Sequence[str]) -> tuple[list[Model], tuple[str, ...]]:
    """The models that have no time in them or one of these horizons.

    Beside them what to say of the others, where no model that has time is left.
    """
    gone = _without_any([model.name for model in models], asked)
    left = [model for model in models if model.name not in gone]
    if any(model.horizons != (Horizon.NONE,) for model in left):
        return left, ()
    return left, tuple(f"{name}: no answer: it has {held} only" for name, held in gone.items())


def _without_any(names: Iterable[str], asked: Sequence[str]) -> dict[str, str]:
    """Those of the models that have none of these horizons, each with the horizons it has."""
    known = {name: MODELS[name].horizons for name in names if name in MODELS}
    return {n: _several(own) for n, own in known.items() if own != (Horizon.NONE,) and not set(own) & set(asked)}


def _several(horizons: Sequence[str]) -> str:
    return f"horizon{'s' if len(horizons) > 1 else ''} {' and '.join(horizons)}"


def chosen_horizons(horizons: Sequence[str] | None) -> tuple[str, ...]:
    """The horizons named, in the order of time; by default all."""
    if horizons is None:
        return HORIZONS
    wrong = [h for h in horizons if h not in HORIZONS]
    if wrong or not horizons:
        named = ", ".join(map(repr, wrong)) or "none is named"
        raise UsageError(f"no such horizon: {named}", mend=f"use {', '.join(HORIZONS)}")
    return tuple(h for h in HORIZONS if h in horizons)


# ---- models on flows --------------------------------------------------------------------------------------------


def _exposure(setting: Setting) -> Answer:
    if setting.shock.table.is_empty():
        return no_answer("exposure")
    return exposure(setting.shock.table, setting.base.flows)


def _substitution(setting: Setting) -> Answer:
    trade, shock = setting.base.trade, setting.shock.table
    hit = shock.filter(pl.col("layer").is_in(setting.base.trade_layers))
    wanted = setting.horizons("substitution")
    if hit.is_empty() or not wanted:
        return no_answer("substitution")
    market = market_of(trade, hit)
    items = pl.Series(market.items, dtype=pl.String)
    sigmas = {str(h): setting.shared.elasticities.of(items, h) for h in wanted}
    basis = weakest(*trade["basis"].unique()).value
    return substitution(market, sigmas, setting.base.expenditure, basis)


# ---- models on the table ----------------------------------------------------------------------------------------


def _input_output(setting: Setting) -> Answer:
    return _of_chains(setting, "input_output", input_output)


def _of_chains(
    setting: Setting, model: str, answer: Callable[[LeontiefSystem, Mapping[str, Floats], str], Answer]
) -> Answer:
    """The answer of a model of production chains to the shares denied, or why there is none."""
    found = setting.cells
    if found.shares.is_empty():
        return _idle(setting, model)
    # Losses along chains are worked out, not reported, however well the table is known.
    basis = weakest(found.basis, Basis.ESTIMATED)
    system = setting.shared.system
    return _noted(answer(system, denied_shares(system.table, found.shares), basis), found.notes)


def _idle(setting: Setting, model: str) -> Answer:
    """No answer of a model of production chains: what the measures do not reach, and why."""
    said = f"{model}: the measures stop no delivery of the table (duties and claims do not enter it)"
    return no_answer(model, (*setting.cells.notes, *((said,) if setting.phase.measures else ())))


def _equilibrium(setting: Setting) -> Answer:
    found, wanted = setting.cells, setting.horizons("equilibrium")
    assert setting.base.table is not None
    if not wanted or (found.shares.is_empty() and found.duties.is_empty()):
        return no_answer("equilibrium", found.notes)
    from weaponized_interdependence.simulation.general_equilibrium import equilibrium

    bundles, said = humanitarian_bundles(setting.base.flows, setting.base.table, setting.parties)
    others, quotas = setting.quotas or (found, None)
    answer = equilibrium(setting.shared.world, others, wanted, bundles, quotas)
    return _noted(answer, (*found.notes, *said))


def _terms_of_trade(setting: Setting) -> Answer:
    from weaponized_interdependence.simulation.terms_of_trade import terms_of_trade

    found, wanted = setting.cells, setting.horizons("terms_of_trade")
    if not wanted or (found.shares.is_empty() and found.duties.is_empty()):
        return no_answer("terms_of_trade", found.notes)
    others, quotas = setting.quotas or (found, None)
    return _noted(terms_of_trade(setting.shared.world, others, wanted, quotas), found.notes)


def _inoperability(setting: Setting) -> Answer:
    from weaponized_interdependence.simulation.production import inoperability

    def answer(system: LeontiefSystem, denied: Mapping[str, Floats], basis: str) -> Answer:
        return inoperability.answer(system, denied, basis)

    return _of_chains(setting, "inoperability", answer)


def _bottleneck(setting: Setting) -> Answer:
    from weaponized_interdependence.simulation.production import bottleneck

    def answer(system: LeontiefSystem, denied: Mapping[str, Floats], basis: str) -> Answer:
        return bottleneck.answer(system, denied)

    return _of_chains(setting, "bottleneck", answer)


def _dynamic(settings: Sequence[Setting]) -> tuple[Mapping[str, Answer], pl.DataFrame]:
    """All phases as stages of one path: a phase begins with the stocks and habits that the one before left."""
    stopped = [setting.cells.shares for setting in settings]
    first = settings[0]
    if all(shares.is_empty() for shares in stopped) or not first.horizons("dynamic"):
        return {setting.phase.name: _idle(setting, "dynamic") for setting in settings}, PATHS.empty()
    from weaponized_interdependence.simulation.dynamics import dynamic_answer

    system = first.shared.system
    times = {phase.name: (start, start + days) for phase, start, days in first.scenario.timeline()}
    schedule = [
        (setting.phase.name, *times[setting.phase.name], denied_shares(system.table, shares))
        for setting, shares in zip(settings, stopped, strict=True)
    ]
    basis = weakest(*(setting.cells.basis for setting in settings)).value
    step = min(first.shared.step, *(end - start for start, end in times.values()))
    told, paths = dynamic_answer(system, schedule, first.parties, scenario=first.scenario.name, basis=basis, step=step)
    return {setting.phase.name: _noted(told[setting.phase.name], setting.cells.notes) for setting in settings}, paths


def _noted(answer: Answer, notes: Sequence[str]) -> Answer:
    return replace(answer, notes=(*notes, *answer.notes))


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            "exposure",
            "flows",
            "value of the flows that stop; nothing substitutes",
            "nobody finds another partner",
            _exposure,
        ),
        Model(
            "substitution",
            "flows",
            "loss of buyers and sellers after CES substitution, each market in equilibrium by itself",
            "each market by itself; supply and spending fixed",
            _substitution,
            (Horizon.SHORT, Horizon.LONG),
        ),
        Model(
            "equilibrium",
            "table",
            "real income lost once all markets, wages and prices have moved; full employment",
            "full employment, prices move everywhere, production chains",
            _equilibrium,
            HORIZONS,
            explained="general_equilibrium",
        ),
        Model(
            "input_output",
            "table",
            "value added lost along production chains; nobody substitutes",
            "nobody substitutes, no prices: a bound",
            _input_output,
        ),
        Model(
            "dynamic",
            "table",
            "value added lost day by day while stocks run down and orders are rerouted; no prices",
            "stocks, rationing, rerouting; no prices",
            None,
            (Horizon.SHORT,),
            explained="dynamics.engine",
            follow=_dynamic,
        ),
        Model(
            "inoperability",
            "table",
            "input_output with a ceiling: no industry loses more than all it makes",
            "nobody substitutes, no prices; at most all of an industry stops",
            _inoperability,
            asked=True,
            explained="production.inoperability",
        ),
        Model(
            "bottleneck",
            "table",
            "value added each industry loses to its worst missing input; first round only",
            "inputs hardly replace each other, no other origin steps in; first round",
            _bottleneck,
            asked=True,
            explained="production.bottleneck",
        ),
        Model(
            "terms_of_trade",
            "table",
            "first-order account of an equilibrium's gains and losses; not the exact loss",
            "as equilibrium, to first order",
            _terms_of_trade,
            HORIZONS,
            asked=True,
        ),
    )
}
