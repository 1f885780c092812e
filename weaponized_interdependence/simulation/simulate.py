"""The recipe: scenario -> shock -> models -> impacts. Read it from `simulate` downwards.

A model is a function from tables to an Answer, registered in MODELS with what it needs. A new one (general equilibrium,
payments, firms, behaviour) is one file beside this one and one entry there; nothing else here changes.
"""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from weaponized_interdependence import __version__
from weaponized_interdependence.errors import Fault, ModelError, UsageError, nearest
from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.scenario import Phase, Scenario, load_scenario
from weaponized_interdependence.schemas import IMPACTS
from weaponized_interdependence.simulation import baseline, sectors
from weaponized_interdependence.simulation.baseline import Baseline, Input
from weaponized_interdependence.simulation.elasticities import Elasticities, load
from weaponized_interdependence.simulation.exposure import exposure
from weaponized_interdependence.simulation.impact import Answer, Assumption, humanitarian_rows, no_answer, to_impacts
from weaponized_interdependence.simulation.input_output import denied_shares, input_output
from weaponized_interdependence.simulation.references import Reference, references
from weaponized_interdependence.simulation.shock import (
    SHOCK,
    Parties,
    Shock,
    band,
    build_shock,
    classifications,
    parties_of,
)
from weaponized_interdependence.simulation.substitution import market_of, substitution
from weaponized_interdependence.terms import Basis, Horizon, weakest


@dataclass(frozen=True)
class Setting:
    """What a model may look at: one phase of one scenario over one baseline."""

    scenario: Scenario
    phase: Phase
    parties: Parties
    base: Baseline
    shock: Shock
    elasticities: Elasticities
    system: LeontiefSystem | None


@dataclass(frozen=True)
class Model:
    """A registered model: what it needs (flows, table), what it means, and the function that runs it."""

    name: str
    needs: str
    meaning: str
    run: Callable[[Setting], Answer]


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
    seed: int | None = None  # nothing is random yet
    options: Mapping[str, Any] = field(default_factory=dict)  # what was asked for beside the scenario and the data
    periods: Mapping[str, str] = field(default_factory=dict)  # the period chosen of each layer, and of the table
    references: tuple[Reference, ...] = ()


def simulate(
    scenario: Scenario | str | Path,
    *,
    flows: pl.DataFrame | str | Path | Sequence[pl.DataFrame | str | Path] | None = None,
    table: IOTable | str | Path | None = None,
    macro: pl.DataFrame | str | Path | None = None,
    elasticities: str | Path | None = None,
    models: Sequence[str] | None = None,
    period: str | None = None,
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
        Names from MODELS; by default every model whose input is there.
    inputs
        What is known of the files that frames came from, so that the run can name them.

    Returns
    -------
    Result
        IMPACTS of target, senders, third parties and their sums, by phase, model, horizon, channel and item: losses
        positive, gains negative; SHOCK; notes on all that was assumed, left out or did not match.

    Raises
    ------
    ModelError
        No measure matches anything in the data, or no period of the data is as early as the scenario.
    UsageError
        An unknown model, or one whose input is missing.
    """
    started = datetime.now(UTC)
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario)
    chosen = _choose(models, flows=flows is not None, table=table is not None)
    elasticity = load(elasticities or scenario.assumptions.elasticities)
    base = baseline.load(scenario, flows=flows, table=table, macro=macro, period=period, inputs=inputs)
    system = LeontiefSystem(base.table) if base.table is not None else None
    parties = parties_of(scenario)

    notes = [*base.notes, *elasticity.notes, *_absent_notes(parties, base)]
    shocks, impacts, assumptions = [], [], _scenario_assumptions(scenario)
    answered: set[str] = set()
    matched = False
    for phase in scenario.phase_list():
        # What the text stops is worked out once, whatever number of models then answers to it.
        shock = build_shock(scenario, phase, base.flows, parties)
        setting = Setting(scenario, phase, parties, base, shock, elasticity, system)
        shocks.append(shock.table)
        notes += [*shock.notes, *_unmatched_notes(shock, base)]
        matched |= not shock.table.is_empty()
        for model in chosen:
            answer = model.run(setting)
            notes += answer.notes
            if answer.rows.is_empty():
                continue
            matched = True
            answered.add(model.name)
            assumptions += answer.assumptions
            impacts.append(
                to_impacts(
                    answer, scenario.name, phase.name, parties, base.economies(model.needs), base.gdp, base.length
                )
            )
        humane, said = humanitarian_rows(shock.table, base.flows, scenario.name, phase.name, parties)
        impacts.append(humane)
        notes += said if base.has_flows else ()
    if not matched:
        raise ModelError(
            f"scenario {scenario.name}: no measure matches anything in the data",
            faults=[Fault(note) for note in dict.fromkeys(notes)],
            mend="give flows or a table whose items, layers and economies the measures name",
        )
    return Result(
        scenario=scenario,
        impacts=_in_order(scenario, pl.concat([IMPACTS.empty(), *impacts])),  # each part conforms, keys stay apart
        shock=_in_order(scenario, SHOCK.conform(pl.concat(shocks))),
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
            "elasticities": None if elasticities is None else str(elasticities),
        },
        periods=base.periods,
        references=references(scenario, base.flows, base.table),
    )


def _in_order(scenario: Scenario, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of their key, the same for any order of the input.

    Phases, models and horizons come as they follow one another, the rest by name.
    """
    orders: dict[str, list[str]] = {
        "phase": [phase.name for phase in scenario.phase_list()],
        "model": [*MODELS, "humanitarian"],
        "horizon": [Horizon.NONE, Horizon.SHORT, Horizon.LONG],
    }
    keys = [c for c in ("phase", "model", "horizon") if c in rows.columns]
    ranks = [pl.col(c).replace_strict({str(v): n for n, v in enumerate(orders[c])}).alias(f"{c}#") for c in keys]
    names = [f"{c}#" for c in keys]
    rest = [c for c in _TIES if c in rows.columns]
    return rows.with_columns(ranks).sort([*names, *rest]).drop(names)


_TIES = ("role", "party", "channel", "period", "layer", "origin", "destination", "item", "metric")


# ---- models -----------------------------------------------------------------------------------------------------


def _exposure(setting: Setting) -> Answer:
    if setting.shock.table.is_empty():
        return no_answer("exposure")
    return exposure(setting.shock.table, setting.base.flows)


def _substitution(setting: Setting) -> Answer:
    trade, shock = setting.base.trade, setting.shock.table
    hit = shock.filter(pl.col("layer").is_in(setting.base.trade_layers))
    if hit.is_empty():
        return no_answer("substitution")
    market = market_of(trade, hit)
    items = pl.Series(market.items, dtype=pl.String)
    sigmas = {h.value: setting.elasticities.of(items, h.value) for h in (Horizon.SHORT, Horizon.LONG)}
    basis = weakest(*trade["basis"].unique()).value
    return substitution(market, sigmas, setting.base.expenditure, basis)


def _input_output(setting: Setting) -> Answer:
    assert setting.system is not None
    found = sectors.sector_shares(
        setting.scenario, setting.phase, setting.system.table, setting.base.flows, setting.parties, setting.base.length
    )
    if found.shares.is_empty():
        return no_answer("input_output", found.notes)
    # Losses along chains are worked out, not reported, however well the table is known.
    basis = weakest(found.basis, Basis.ESTIMATED)
    answer = input_output(setting.system, denied_shares(setting.system.table, found.shares), basis)
    return Answer(
        answer.model, answer.rows, answer.additive, (*found.notes, *answer.notes), answer.assumptions, answer.gdp
    )


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("exposure", "flows", "value of the flows that stop; nothing substitutes", _exposure),
        Model(
            "substitution",
            "flows",
            "loss of buyers and sellers after CES substitution, each market in equilibrium by itself",
            _substitution,
        ),
        Model("input_output", "table", "value added lost along production chains; nobody substitutes", _input_output),
    )
}


def _choose(models: Sequence[str] | None, *, flows: bool, table: bool) -> list[Model]:
    given = {name for name, there in (("flows", flows), ("table", table)) if there}
    if not given:
        raise UsageError("nothing to simulate on", mend="give flows, an input-output table, or both")
    if models is None:
        return [model for model in MODELS.values() if model.needs in given]
    faults = []
    for name in models:
        if name not in MODELS:
            faults.append(Fault(f"no model {name!r}", mend=f"use {', '.join(nearest(name, list(MODELS)) or MODELS)}"))
        elif MODELS[name].needs not in given:
            faults.append(Fault(f"model {name} needs {MODELS[name].needs}", mend=f"give {MODELS[name].needs}"))
    if faults or not models:
        raise UsageError("these models cannot be run", faults=faults, mend=f"models are {', '.join(MODELS)}")
    return [MODELS[name] for name in dict.fromkeys(models)]


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
                said.append(
                    f"{role} not in the {data}: {', '.join(missing)}; nothing reaches them or comes from them there"
                )
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
