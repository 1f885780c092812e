"""What a scenario's coalition does to its target against what it could do, member by member: `wi coalition`.

The measures of one phase become the arrays of one counterfactual, as for the `equilibrium` model, in three cases: low
(high elasticities, low shares), central, high. The questions are those of `equilibrium.coalition`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, ModelError, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.scenario import Phase, Scenario, load_scenario
from weaponized_interdependence.schemas import COALITIONS
from weaponized_interdependence.simulation import baseline
from weaponized_interdependence.simulation.baseline import Input
from weaponized_interdependence.simulation.elasticities import load
from weaponized_interdependence.simulation.equilibrium.coalition import Case, benchmarks, gini, marginal_values
from weaponized_interdependence.simulation.equilibrium.coalition_choice import (
    Greedy,
    Transfers,
    equalising_transfers,
    greedy_coalition,
)
from weaponized_interdependence.simulation.general_equilibrium import World, counterfactual_of, world_of
from weaponized_interdependence.simulation.sectors import SectorShares, sector_shares
from weaponized_interdependence.simulation.shock import CASES, parties_of
from weaponized_interdependence.terms import Basis, Benchmark, CoalitionPart, Horizon, MeasureKind, weakest

REST = "ROW"  # the rest of the world in one row: it trades, but nobody can invite it to join

_SHARES = ("_share", "_share_before", "_share_after", "realised")
_RATIOS = ("payoff", "payoff_alone", "gini")


@dataclass(frozen=True)
class Study:
    """The answers, and what they rest on. Losses are positive, gains negative.

    - `rows`: one number a row with unit and basis (`schemas.COALITIONS`), and with a band but for transfers, greedy and
      gini. A number that is not defined is null: a ratio to senders who do not lose, a benchmark without an
      equilibrium; a band is null where one of its three cases is
    - `benchmarks`, `members` [case]: the tables of `equilibrium.coalition`, by low, value, high
    - `transfers` (None where they do not settle) and `greedy` (None where not asked for) of the central case
    - `gini`: of the members' losses as shares of their incomes, in the central case; None where one gains
    """

    scenario: Scenario
    phase: str
    horizon: str
    target: tuple[str, ...]
    coalition: tuple[str, ...]
    rows: pl.DataFrame
    benchmarks: Mapping[str, pl.DataFrame]
    members: Mapping[str, pl.DataFrame]
    transfers: Transfers | None
    gini: float | None
    greedy: Greedy | None
    unit: str
    basis: str
    notes: tuple[str, ...]
    inputs: tuple[Input, ...]


def coalition_study(
    scenario: Scenario | str | Path,
    table: IOTable | str | Path,
    *,
    flows: Any = None,
    phase: str | None = None,
    horizon: str = Horizon.LONG,
    elasticities: str | Path | None = None,
    period: str | None = None,
    greedy: bool = False,
) -> Study:
    """Benchmarks, members' values, equalising transfers and, if asked, a greedy coalition for one phase of a scenario.

    Parameters
    ----------
    scenario, table, flows, elasticities, period
        As `simulate` takes them. HS flows carry measures on products into the table's sectors.
    phase
        Name of a phase; by default the last.
    horizon
        short, medium or long: which trade elasticities.
    greedy
        Also build a coalition from scratch, among all economies of the table, until the target loses what the
        scenario's coalition makes it lose. One equilibrium a candidate and step: slow on large tables.

    Raises
    ------
    ModelError
        Target or coalition are not in the table, or the measures touch no trade between them there.
    UsageError
        An unknown phase or horizon.
    """
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario)
    chosen = _phase(scenario, phase)
    if str(horizon) not in (Horizon.SHORT, Horizon.MEDIUM, Horizon.LONG):
        raise UsageError(f"no such horizon: {horizon!r}", mend="use short, medium, long")
    base = baseline.load(scenario, flows=flows, table=table, macro=None, period=period, inputs=())
    assert base.table is not None
    parties = parties_of(scenario)
    found = _in_table(base.table, parties.target, parties.senders)
    target, senders, absent = found
    used = elasticities or scenario.assumptions.elasticities
    world = world_of(base.table, load(used), (horizon,))
    cells = sector_shares(scenario, chosen, base.table, base.flows, parties, base.length)
    cases = {case: _case(world, cells, horizon, case, target, senders) for case in CASES}
    if not any(_touches(case) for case in cases.values()):
        raise ModelError(
            f"phase {chosen.name}: the measures touch no trade between coalition and target in the table",
            faults=[Fault(note) for note in cells.notes],
            mend="give HS flows beside the table, choose another phase, or name sectors of the table",
        )
    tables = {case: benchmarks(each) for case, each in cases.items()}
    members = {case: marginal_values(each) for case, each in cases.items()}
    notes = [
        *base.notes,
        *absent,
        *_readings(scenario, chosen, base.table, cells),
        _theta(world, str(used), str(horizon)),
    ]
    notes += [*_left_out(cells, target, senders), *_without_band(tables), *cells.notes, *world.notes]
    transfers = _transfers(cases["value"], notes)
    joined = _greedy(cases["value"], base.table, notes) if greedy else None
    basis = weakest(world.basis, cells.basis, *world.theta[str(horizon)]["basis"].unique(), Basis.ESTIMATED).value
    burden = gini(members["value"]["own_loss_share"].to_numpy())
    study = Study(
        scenario=scenario,
        phase=chosen.name,
        horizon=str(horizon),
        target=target,
        coalition=senders,
        rows=COALITIONS.empty(),
        benchmarks=tables,
        members=members,
        transfers=transfers,
        gini=burden,
        greedy=joined,
        unit=base.table.unit,
        basis=basis,
        notes=tuple(dict.fromkeys(notes)),
        inputs=base.inputs,
    )
    return replace(study, rows=_rows(study))


def _phase(scenario: Scenario, name: str | None) -> Phase:
    phases = scenario.phase_list()
    if name is None:
        return max(phases, key=lambda p: p.start)
    if name not in [p.name for p in phases]:
        names = ", ".join(p.name for p in phases)
        raise UsageError(f"scenario {scenario.name} has no phase {name!r}", mend=f"choose one of {names}")
    return next(p for p in phases if p.name == name)


def _in_table(
    table: IOTable, target: Sequence[str], senders: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Target and coalition as far as the table has them, and a note on the rest."""
    notes, there = [], {*table.economies}
    for role, codes in (("target", target), ("senders", senders)):
        missing = [code for code in codes if code not in there]
        if len(missing) == len(codes):
            hidden = f" ({REST} may hold it)" if REST in there else ""
            raise ModelError(
                f"no {role} of the scenario is in the input-output table: {', '.join(missing)}{hidden}",
                mend="take a table that shows it; the rest of the world must not stand for one economy",
            )
        if missing:
            notes.append(f"{role} not in the input-output table: {', '.join(missing)}; they take no part")
    return tuple(c for c in target if c in there), tuple(c for c in senders if c in there), notes


def _case(
    world: World, cells: SectorShares, horizon: str, case: str, target: Iterable[str], senders: Iterable[str]
) -> Case:
    names = list(world.table.economies)
    theta = world.thetas(horizon, case)
    laid = counterfactual_of(cells, world.table, theta, case=case, members=senders, target=target)
    on, by = tuple(map(names.index, target)), tuple(map(names.index, senders))
    return Case(world.base, on, by, laid, incomes=world.income)


def _touches(case: Case) -> bool:
    return any(array is not None for array in (case.measures.cost_change, case.measures.tariff, case.measures.banned))


def _transfers(case: Case, notes: list[str]) -> Transfers | None:
    if len(case.coalition) < 2:
        notes.append("transfers: a coalition of one has nobody to share with")
        return None
    try:
        return equalising_transfers(case)
    except ModelError as error:
        notes.append("; ".join([f"transfers: {error.message}", *map(str, error.faults)]))
        return None


def _greedy(case: Case, table: IOTable, notes: list[str]) -> Greedy | None:
    able = tuple(n for n in case.everyone if table.economies[n] != REST)
    try:
        found = greedy_coalition(case, candidates=able)
    except (InputError, ModelError) as error:  # a goal of zero too: the central case need not hurt
        notes.append(f"greedy coalition: {error.message}: {error.mend}")
        return None
    notes.append(
        "greedy coalition: each step takes whoever makes the coalition's payoff highest and never looks back; another "
        f"coalition may do better. {found.evaluated} equilibria; it stopped: {found.stopped}"
    )
    return found


def _readings(scenario: Scenario, phase: Phase, table: IOTable, cells: SectorShares) -> list[str]:
    notes = [
        f"calibrated on the table of {table.period}, every trade balance closed first; losses are money of the table "
        "as it is, transfers of the balanced world",
        "full employment, one wage an economy: results for the long run, whatever the elasticities; no GDP forecast",
        "low and high are corners: every elasticity at its high end with the lowest shares, and the reverse; those of "
        "`wi simulate` are of joint draws, unless --draws 0",
        "horizontal benchmark, greedy coalition: economies outside the coalition do what its members do on average, "
        "sector by sector, weighted with what each member trades there with the target (assumed)",
    ]
    if REST in table.economies:
        notes.append(
            f"{REST} is many economies in one row: in `horizontal` and `autarky` it joins, alone it is not asked"
        )
    if any(m.kind is MeasureKind.QUOTA for m in scenario.measures_in(phase)):
        notes.append(
            "a quota is read here as the share of trade it denies, without rents; `wi simulate` takes ceilings"
        )
    if cells.shares.height and (cells.shares["low"] < 1.0).any():
        notes.append(
            "a denied share s of a sector enters as a cost (1 - s)^(-1/theta): products replace each other (assumed)"
        )
    return notes


def _theta(world: World, used: str, horizon: str) -> str:
    rows = world.theta[horizon]
    low, middle, high = (rows[c].to_numpy() for c in ("theta_low", "theta", "theta_high"))
    basis = weakest(*rows["basis"].unique()).value
    return (
        f"trade elasticities theta: set {used}, {horizon} horizon, {basis}: {np.median(middle):.2g} in the median "
        f"sector, from {low.min():.2g} to {high.max():.2g} over low and high ends of all sectors"
    )


def _left_out(cells: SectorShares, target: Sequence[str], senders: Sequence[str]) -> list[str]:
    """What is laid on trade of the target by others than the coalition, which is no part of the questions."""
    places = pl.concat([frame.select("origin", "destination") for frame in (cells.shares, cells.duties)])
    ends = [
        pl.col(a).is_in(senders) & pl.col(b).is_in(target)
        for a, b in (("origin", "destination"), ("destination", "origin"))
    ]
    others = places.filter(~(ends[0] | ends[1]))
    if others.is_empty():
        return []
    names = sorted({*others["origin"].to_list(), *others["destination"].to_list()} - {*target, *senders})
    return [
        f"left out: what the measures make {len(names)} economies outside the coalition do, for instance under threat "
        f"of secondary sanctions ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''}); `wi simulate` has it"
    ]


def _without_band(tables: Mapping[str, pl.DataFrame]) -> list[str]:
    solved = tables["value"].filter(pl.col("why").is_null())["benchmark"].to_list()
    return [
        f"{row['benchmark']}: no equilibrium in the {case} case, so no band: {row['why']}"
        for case in ("low", "high")
        for row in tables[case].filter(pl.col("why").is_not_null()).to_dicts()
        if row["benchmark"] in solved
    ]


# ---- one number a row -------------------------------------------------------------------------------------------


def _rows(study: Study) -> pl.DataFrame:
    parts = [
        _long(CoalitionPart.BENCHMARKS, "benchmark", study.benchmarks, study.unit),
        _long(CoalitionPart.MEMBERS, "member", study.members, study.unit),
        _central(
            CoalitionPart.MEMBERS, "member", pl.DataFrame({"member": ["COALITION"], "gini": [study.gini]}), study.unit
        ),
    ]
    if study.transfers is not None:
        parts.append(_central(CoalitionPart.TRANSFERS, "member", study.transfers.rows, study.unit))
    if study.greedy is not None:
        parts.append(_central(CoalitionPart.GREEDY, "member", study.greedy.steps, study.unit))
    # What those outside the coalition would do is chosen, not known.
    chosen = (pl.col("name") == Benchmark.HORIZONTAL.value) | (pl.col("part") == CoalitionPart.GREEDY.value)
    assumed = weakest(study.basis, Basis.ASSUMED).value
    return COALITIONS.conform(
        pl.concat(parts).with_columns(
            pl.lit(study.scenario.name).alias("scenario"),
            pl.lit(study.phase).alias("phase"),
            pl.lit(study.horizon).alias("horizon"),
            pl.when(chosen).then(pl.lit(assumed)).otherwise(pl.lit(study.basis)).alias("basis"),
        )
    )


def _long(part: str, named: str, frames: Mapping[str, pl.DataFrame], money: str) -> pl.DataFrame:
    """Tables of the three cases as rows; the band is put in order."""
    index = [named, *(["step"] if "step" in frames["value"].columns else [])]
    melted = [
        frame.drop("why", strict=False)
        .unpivot(index=index, variable_name="metric", value_name=case)
        .with_row_index("row")
        for case, frame in frames.items()
    ]
    joined = melted[0]
    for other in melted[1:]:
        joined = joined.join(other.drop(*index, "metric"), on="row", maintain_order="left")
    metric = pl.col("metric")
    whole = pl.all_horizontal(pl.col(case).is_not_null() for case in CASES)
    shares = pl.any_horizontal(metric.str.ends_with(word) for word in _SHARES)
    return joined.select(
        pl.lit(str(part)).alias("part"),
        (pl.col("step") if "step" in index else pl.lit(None)).cast(pl.Int64).alias("step"),
        pl.col(named).alias("name"),
        "metric",
        pl.when(whole).then(pl.min_horizontal(CASES)).alias("low"),
        pl.col("value"),
        pl.when(whole).then(pl.max_horizontal(CASES)).alias("high"),
        pl.when(shares)
        .then(pl.lit("share"))
        .when(metric.is_in(_RATIOS))
        .then(pl.lit("ratio"))
        .otherwise(pl.lit(money))
        .alias("unit"),
    )


def _central(part: str, named: str, frame: pl.DataFrame, money: str) -> pl.DataFrame:
    """A table that exists in the central case alone: no band."""
    found = frame.with_columns(pl.selectors.by_dtype(pl.Null).cast(pl.Float64))
    rows = _long(part, named, dict.fromkeys(CASES, found), money)
    return rows.with_columns(low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
