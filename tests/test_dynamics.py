"""The dynamic model against a plain one with whole matrices, closed forms, other models' limits, and BoARIO."""

import dataclasses
import math
import pathlib
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_dynamics import plain
from table_support import random_table, table, tables, with_an_idle_industry

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.harmonize.groups import expand
from weaponized_interdependence.io_table import IOTable, LeontiefSystem, goods_sectors
from weaponized_interdependence.schemas import IMPACTS, PATHS
from weaponized_interdependence.simulation.dynamics import (
    PARAMETERS,
    Parameters,
    Path,
    Stage,
    dynamic_answer,
    off_ramp,
    run,
)
from weaponized_interdependence.simulation.impact import to_impacts
from weaponized_interdependence.simulation.shock import Parties
from weaponized_interdependence.sources.registry import read

FEW = settings(deadline=None, max_examples=15)
NEVER = math.inf
ENDLESS = {"c1": NEVER, "c2": NEVER, "c3": NEVER, "c4": NEVER}


def denied_to(t: IOTable, target: int, share: float = 1.0, senders: list[int] | None = None) -> np.ndarray:
    """What the senders (all others, if none are named) and the target sell to each other, denied."""
    n, j, _ = t.size
    senders = [k for k in range(n) if k != target] if senders is None else senders
    denied = np.zeros((n * j, n))
    for k in senders:
        denied[k * j : k * j + j, target] = share
        denied[target * j : target * j + j, k] = share
    return denied


def chain(share: float = 1.0) -> tuple[IOTable, np.ndarray]:
    """A makes ore, B makes goods of it and of nothing else; `share` of A's ore is denied to B.

    A day's output is 2 of ore (one for B, one at home) and 3 of goods.
    """
    z, y = np.zeros((4, 4)), np.zeros((4, 2))
    z[0, 3], y[0, 0], y[3, 1] = 365.0, 365.0, 1095.0
    denied = np.zeros((4, 2))
    denied[0, 1] = share
    return table(z, y, 2), denied


def lost(path: Path, economy: int) -> np.ndarray:
    return path.output_lost()[:, economy]


# ---- the engine against the plain one -------------------------------------------------------------------------------

RULES = [
    {},
    {"rationing": "final_first", "redirected": "equal"},
    {"rationing": "final_last", "follow": "made", "orders": "capacity"},
    {"orders": "capacity", "scarcity": "incoming", "redirected": "equal", "stock_days": 12.0},
    {"stock_days": 10.0, "restock_days": 20.0, "reroute_days": 8.0, "return_days": 12.0, "stocks": {"c1": NEVER}},
]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_as_with_whole_matrices_of_orders(rules: dict[str, Any], seed: int) -> None:
    t = random_table(seed, n=4, j=3, f=2)
    if seed == 1:
        t = with_an_idle_industry(t, 4)
    if seed == 2:  # stocks drawn down, and a row that does not add up
        y = t.Y.copy()
        y[0, 1] = -3.0
        t = dataclasses.replace(t, Y=y, discrepancy=t.x - t.Z.sum(axis=1) - y.sum(axis=1))
    p = Parameters(**rules)
    rng = np.random.default_rng(seed)
    denied, more = denied_to(t, 0, 0.6, [1, 2]), denied_to(t, 0, 1.0)
    broken = rng.random(12) * 0.3
    stages = [
        Stage("on", 0, 60, denied),
        Stage("tight", 60, 120, more, broken),
        Stage("eased", 120, 150, denied * 0.3),
        Stage("off", 150, 240),
    ]
    days = np.array([p.stocks.get(s, p.stock_days) for s in t.sectors])
    output, served = plain(t, stages, p, days)
    # the plain one goes day by day, and so does ours where nothing is quicker
    path = run(t, stages, p)
    assert p.quickest / 4 >= 1
    assert p.stock_alarm * days.min() / 4 >= 1
    assert np.abs(path.output - output).max() <= 1e-10 * output.max()
    assert np.allclose(path.final - served, path.unmet, rtol=0, atol=1e-10 * path.final.max())
    assert (path.output_lost_by_row[:150] > 0.01 * path.base).any(), "nothing happened: the test shows nothing"


# ---- steady state, lifting ------------------------------------------------------------------------------------------


@FEW
@given(tables(), st.sampled_from([0.25, 1.0, 7.0, 30.0, 91.25]), st.sampled_from(RULES), st.booleans())
def test_nothing_denied_is_nothing_lost(t: IOTable, step: float, rules: dict[str, Any], idle: bool) -> None:
    t = with_an_idle_industry(t, 0) if idle else t
    rules = {k: v for k, v in rules.items() if k != "stocks"}
    path = run(t, [Stage("quiet", 0, 365, np.zeros((len(t.x), len(t.economies))))], Parameters(**rules), step=step)
    assert not path.output_lost_by_row.any()
    assert not path.unmet.any()


def test_the_base_stands_still_whatever_the_table_leaves_open() -> None:
    """Negative final demand and cells, sales without output, a discrepancy, value added below zero."""
    t = random_table(5, n=3, j=3, f=2)
    z, y, x, added = t.Z.copy(), t.Y.copy(), t.x.copy(), t.VA.copy()
    y[2, 3], z[1, 4], x[7], added[3] = -50.0, -0.1, 0.0, -1.0
    t = dataclasses.replace(t, Z=z, Y=y, x=x, VA=added, discrepancy=x - z.sum(axis=1) - y.sum(axis=1))
    path = run(t, [], until=200)
    assert not path.output_lost_by_row.any()
    assert not path.unmet.any()
    assert any("deliver more or less than they make" in note for note in path.notes)
    hurt = run(t, [Stage("on", 0, 200, denied_to(t, 0))])
    assert np.isfinite(hurt.output).all()
    assert (hurt.output >= 0).all()


@pytest.mark.parametrize("seed", [0, 3])
def test_lifting_everything_brings_the_base_back(seed: int) -> None:
    t = random_table(seed)
    path = run(t, [Stage("on", 0, 120, denied_to(t, 0)), Stage("off", 120, 3000)], step=1)
    share = path.output_lost_by_row / path.base
    assert share[:120].max() > 0.05
    assert np.abs(share[-1]).max() < 1e-6
    assert path.unmet[-1].max() < 1e-6 * path.final.max()
    assert np.isfinite(path.recovery_days()).all()
    # a stage that denies nothing is the same as none
    rest = run(t, [Stage("on", 0, 120, denied_to(t, 0))], until=3000)
    assert np.array_equal(rest.output, path.output)


# ---- closed forms ---------------------------------------------------------------------------------------------------


def test_stocks_run_down_as_they_must() -> None:
    """Output stands for the fifth of the stock above the alarm, then falls with the stock: S' = -S / (alarm * days)."""
    t, denied = chain()
    p = Parameters(stock_days=90, stock_alarm=0.8, longest_step=0.05)
    loss = lost(run(t, [Stage("ban", 0, 300, denied)], p, step=0.25), 1) / 0.25 / 3.0
    at = (np.arange(1200) + 0.5) * 0.25
    assert loss == pytest.approx(np.where(at < 18, 0.0, -np.expm1(-(np.maximum(at, 18) - 18) / 72)), abs=1e-3)


@pytest.mark.parametrize(("days", "restock"), [(0.5, 1e6), (20.0, 40.0), (60.0, 60.0)])
def test_a_lasting_denial_without_rerouting_ends_at_the_bottleneck(days: float, restock: float) -> None:
    """With K the suppliers' share that is left, r = days / restock_days, output ends at K (1 + r) / (1 + alarm K r).

    Without stocks that is K: of an input that nothing replaces output falls as much as the input does (Leontief).
    """
    left = 0.4
    t, denied = chain(1 - left)
    # A has capacity to spare: its other customer stops buying
    denied[0, 0] = 1.0
    p = Parameters(stock_days=days, restock_days=restock, reroute_days=NEVER)
    path = run(t, [Stage("ban", 0, 2000, denied)], p, step=10)
    r = days / restock
    made = min(left * (1 + r) / (1 + 0.8 * left * r), 1.0)
    assert 1 - lost(path, 1)[-1] / 30 == pytest.approx(made, rel=1e-6)
    if r < 1e-6:
        assert made == pytest.approx(left, rel=1e-5)


@pytest.mark.parametrize(("alarm", "days"), [(0.1, 2.1), (0.05, 4.3), (0.02, 30.7), (0.8, 90.0)])
def test_no_more_is_used_than_there_was(alarm: float, days: float) -> None:
    """A denied input: in all, what lay in stock (B uses one of ore a day), however low the alarm is set."""
    t, denied = chain()
    path = run(t, [Stage("ban", 0, 1500, denied)], Parameters(stock_days=days, stock_alarm=alarm))
    assert path.output[:, 3].sum() / 3 == pytest.approx(days, rel=1e-6)


def test_who_cannot_use_an_input_stops_ordering_it() -> None:
    """B makes goods of A's ore and of parts of its own. Without ore nobody needs parts, and they do not pile up."""
    z, y = np.zeros((6, 6)), np.zeros((6, 2))  # A, B by goods, ore, parts
    z[1, 3], z[5, 3], y[1, 0], y[3, 1] = 365.0, 365.0, 365.0, 1460.0
    denied = np.zeros((6, 2))
    denied[1, 1] = 1.0
    path = run(table(z, y, 2), [Stage("ban", 0, 900, denied), Stage("off", 900, 2000)])
    parts = path.output[:, 5]
    assert parts[0] == pytest.approx(1.0)
    assert parts[899] < 1e-3
    assert parts[-1] == pytest.approx(1.0, abs=1e-6)
    # once goods are made again, what lies in stock is used up before the target is: parts made fall short of use
    assert parts[900:].sum() < path.output[900:, 3].sum() / 4


def test_a_small_fall_of_demand_is_not_blown_up_from_tier_to_tier() -> None:
    """Five tiers of suppliers and a final demand that falls by a tenth: every tier loses a tenth.

    For a while a little more, for news takes a step of the arithmetic from tier to tier, in which stocks grow.
    """
    z, y = np.zeros((10, 10)), np.zeros((10, 2))
    for tier in range(4):
        z[tier + 1, tier] = 365.0
    y[0, 0], y[0, 1] = 9 * 36.5, 36.5
    denied = np.zeros((10, 2))
    denied[0, 1] = 1.0
    most = []
    for longest in (1.0, 0.25):
        p = Parameters(reroute_days=NEVER, longest_step=longest)
        lost = run(table(z, y, 2), [Stage("ban", 0, 600, denied)], p).output_lost_by_row[:, :5]
        assert lost[-1] == pytest.approx(0.1, rel=1e-4)
        most.append(lost.max() - 0.1)
    assert most[0] < 0.01
    assert most[1] < 0.3 * most[0]


def test_ordering_by_output_made_spirals_down_and_by_output_desired_does_not() -> None:
    t, denied = chain(0.5)
    denied[0, 0] = 1.0
    without = {"stock_days": 2.0, "restock_days": 1e6, "reroute_days": NEVER}
    ends = {
        follow: 1 - lost(run(t, [Stage("ban", 0, 400, denied)], Parameters(follow=follow, **without)), 1)[-1] / 3  # type: ignore[arg-type]
        for follow in ("made", "desired")
    }
    assert ends["made"] < 1e-3
    assert ends["desired"] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_where_no_input_ever_stops_anyone_only_sales_are_lost(seed: int) -> None:
    """The lasting loss is then that of hypothetical extraction: output that the remaining orders call for."""
    t = random_table(seed, n=3, j=4)
    denied = denied_to(t, 1, 0.7)
    p = Parameters(stocks=ENDLESS, reroute_days=NEVER)
    path = run(t, [Stage("ban", 0, 400, denied)], p)
    expected = LeontiefSystem(t).extraction(denied) / 365
    assert path.output_lost_by_row[-1] == pytest.approx(expected, rel=1e-6, abs=1e-9 * path.base.max())


def test_rerouting_closes_the_gap_in_its_time() -> None:
    """Two makers of ore, one with capacity to spare: what is denied goes to it, two thirds of the way in ln 3 times."""
    z, y = np.zeros((6, 6)), np.zeros((6, 3))  # A, B, C by ore and goods; C makes goods of A's and B's ore
    z[0, 5], z[2, 5] = 365.0, 365.0
    y[0, 0], y[2, 1], y[5, 2] = 365.0, 365.0, 1460.0
    t = table(z, y, 3)
    denied = np.zeros((6, 3))
    denied[0, 2] = 1.0
    denied[2, 1] = 1.0  # B's own people do without: capacity to spare
    p = Parameters(stocks={"c1": NEVER, "c2": NEVER}, reroute_days=50, longest_step=0.1)
    path = run(t, [Stage("ban", 0, 400, denied)], p)
    sold = 2 - path.output_lost_by_row[:, 2]  # of B, a day: 1 to C before, and what comes over from A
    at = np.arange(400) + 0.5
    assert sold == pytest.approx(1 - np.expm1(-at / 50), abs=2e-3)
    assert path.output_lost_by_row[-1, 0] == pytest.approx(1.0)


def test_old_customers_come_first_unless_said_otherwise() -> None:
    """No capacity to spare: a supplier that is asked for more serves the newcomer last, or all alike."""
    z, y = np.zeros((6, 6)), np.zeros((6, 3))
    z[0, 5], z[2, 5] = 365.0, 365.0
    y[0, 0], y[2, 1], y[5, 2] = 365.0, 365.0, 1460.0
    t = table(z, y, 3)
    denied = np.zeros((6, 3))
    denied[0, 2] = 1.0
    found = {}
    for redirected in ("last", "equal"):
        p = Parameters(stock_days=20, reroute_days=5, redirected=redirected, overproduction=1.0)  # type: ignore[arg-type]
        found[redirected] = run(t, [Stage("ban", 0, 300, denied)], p).unmet[-1].sum(axis=0)
    last, equal = found["last"], found["equal"]
    assert last[1] < equal[1]
    assert equal[1] > 0.2
    # what C gets of B makes up for part of what it lost, at the cost of B's people
    assert last[2] > equal[2]


# ---- properties -----------------------------------------------------------------------------------------------------


@FEW
@given(st.sampled_from([0.6, 0.7, 0.8, 1.0]), st.sampled_from([10.0, 40.0, 90.0]))
def test_more_stock_is_a_later_and_more_denial_a_larger_loss(share: float, days: float) -> None:
    t, denied = chain(share)
    stage = [Stage("ban", 0, 365, denied)]
    little, much = (lost(run(t, stage, Parameters(stock_days=d)), 1) for d in (days, 2 * days))
    assert np.flatnonzero(little > 1e-9)[0] < np.flatnonzero(much > 1e-9)[0]
    assert little.sum() > much.sum()
    harder = lost(run(t, [Stage("ban", 0, 365, np.minimum(denied * 1.25, 1))], Parameters(stock_days=days)), 1)
    assert harder.sum() >= little.sum()


@FEW
@given(tables(), st.floats(0.1, 1.0))
def test_output_and_stocks_keep_within_bounds(t: IOTable, share: float) -> None:
    path = run(t, [Stage("on", 0, 90, denied_to(t, 0, share)), Stage("off", 90, 200)], Parameters(stock_days=20))
    assert (path.output >= 0).all()
    assert (path.output <= 1.25 * path.base * (1 + 1e-12)).all()
    assert (path.unmet >= 0).all()
    assert (path.unmet <= path.final * (1 + 1e-12)).all()


@FEW
@given(st.integers(0, 1000), st.floats(1e-6, 1e12))
def test_neither_the_order_of_economies_and_sectors_nor_the_unit_matters(seed: int, unit: float) -> None:
    t = random_table(seed, n=4, j=3, f=1)
    rng = np.random.default_rng(seed)
    denied = denied_to(t, 0, 0.8, [1, 2])
    stages = [Stage("on", 0, 60, denied), Stage("off", 60, 100)]
    path = run(t, stages)
    a, b = rng.permutation(4), rng.permutation(3)
    rows = (a[:, None] * 3 + b).ravel()
    other = dataclasses.replace(
        t,
        economies=tuple(t.economies[k] for k in a), sectors=tuple(t.sectors[k] for k in b),
        Z=t.Z[np.ix_(rows, rows)] * unit, Y=t.Y[np.ix_(rows, a)] * unit, x=t.x[rows] * unit, VA=t.VA[rows] * unit,
        other=t.other[rows] * unit, discrepancy=t.discrepancy[rows] * unit,
    )  # fmt: skip
    moved = run(
        other, [dataclasses.replace(s, denied=None if s.denied is None else denied[rows][:, a]) for s in stages]
    )
    assert np.allclose(moved.output / unit, path.output[:, rows], rtol=1e-8, atol=1e-10 * path.base.max())
    assert np.allclose(moved.unmet / unit, path.unmet[:, b][:, :, a], rtol=0, atol=1e-8 * path.final.max())


def test_halving_the_step_of_the_arithmetic_halves_its_error() -> None:
    t = random_table(7, n=3, j=3)
    stages = [Stage("on", 0, 120, denied_to(t, 0)), Stage("off", 120, 365)]
    steps = (5.0, 2.5, 1.25, 0.625)
    found = [run(t, stages, Parameters(stock_days=40, longest_step=h), step=5).output_lost() for h in steps]
    gaps = [np.abs(a - b).sum() for a, b in pairwise(found)]
    assert [later / earlier for earlier, later in pairwise(gaps)] == pytest.approx([0.5, 0.5], abs=0.03)
    assert gaps[-1] < 0.01 * np.abs(found[-1]).sum()


def test_a_quarter_a_step_sums_what_days_tell() -> None:
    t = random_table(7, n=3, j=3)
    stages = [Stage("on", 0, 182, denied_to(t, 0)), Stage("off", 182, 365)]
    daily, quarterly = run(t, stages), run(t, stages, step=91)
    assert quarterly.days.tolist() == [91, 91, 91, 91, 1]
    assert quarterly.phases == ("on", "on", "off", "off", "off")
    for name in ("output", "unmet"):
        whole = getattr(daily, name)
        sums = [whole[at : at + 91].sum(axis=0) for at in range(0, 365, 91)]
        assert np.allclose(getattr(quarterly, name), sums, rtol=1e-12, atol=1e-12 * whole.max())


# ---- BoARIO ---------------------------------------------------------------------------------------------------------


def boario_path(t: IOTable, days: int, *, loss: tuple[int, float] | None = None, denied: np.ndarray | None = None,
                **options: Any) -> np.ndarray:  # fmt: skip
    """Production by day of BoARIO's ARIOPsiModel: capacity taken away by an event, or cells cut by hand from day 0."""
    import logging
    import warnings

    for module in ("pymrio", "progressbar", "boario"):
        pytest.importorskip(module, reason=f"{module} is not installed: no comparison with BoARIO")
    import pandas as pd
    import pymrio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from boario.event import from_series
        from boario.extended_models import ARIOPsiModel
        from boario.simulation import Simulation

        logging.getLogger("boario").setLevel(logging.ERROR)
        rows = pd.MultiIndex.from_product([t.economies, t.sectors], names=["region", "sector"])
        columns = pd.MultiIndex.from_product([t.economies, t.demands], names=["region", "category"])
        system = pymrio.IOSystem(Z=pd.DataFrame(t.Z, rows, rows), Y=pd.DataFrame(t.Y, rows, columns)).calc_all()
        model = ARIOPsiModel(system, **options)
        simulation = Simulation(model, n_temporal_units_to_sim=days)
        if loss is not None:
            impact = pd.Series([loss[1]], index=rows[[loss[0]]])
            simulation.add_event(from_series(impact, event_type="arbitrary", occurrence=5, duration=55, recovery_tau=1))
        if denied is not None:
            _, j, f = t.size
            keep = 1 - np.repeat(denied, j, axis=1)
            model.Z_distrib = model.Z_distrib * keep
            model.intermediate_demand = model.Z_0 * keep
            model.final_demand = model.Y_0 * (1 - np.repeat(denied, f, axis=1))
        simulation.loop()
    return np.asarray(simulation.production_realised, dtype=np.float64)


def peers(order_type: str, **more: Any) -> Parameters:
    """The parameters under which the assumptions of the two coincide."""
    return Parameters(
        orders="capacity" if order_type == "alt" else "trade",
        follow="made",  # BoARIO orders what output made has used up
        scarcity="incoming",  # and holds output against the orders that come in after it
        negligible=1e-5 / 365,  # its threshold is of a year's input over a day's output
        reroute_days=NEVER,
        **more,
    )


def dense_table(seed: int, n: int, j: int, f: int) -> IOTable:
    """Every cell above zero, seven tenths of output used as inputs at most.

    In large numbers: BoARIO leaves stocks alone where all of them change by less than 1e-8 of whatever unit.
    """
    rng = np.random.default_rng(seed)
    z, y = rng.gamma(0.5, 1.0, (n * j, n * j)), rng.gamma(1.0, 2.0, (n * j, n * f))
    x = z.sum(axis=1) + y.sum(axis=1)
    return table(1e12 * z * np.minimum(1, 0.7 * x / z.sum(axis=0)), 1e12 * y, n)


@pytest.mark.parametrize("order_type", ["alt", "noalt"])
@pytest.mark.parametrize(("share", "days"), [(0.3, 90), (0.9, 10)])
def test_boario_with_a_loss_of_capacity(order_type: str, share: float, days: int) -> None:
    t = dense_table(1, 3, 4, 2)
    theirs = boario_path(t, 200, loss=(2, share), order_type=order_type, main_inv_dur=days)
    # its event of days 5 to 60 lowers capacity from day 6 on (the total is taken before the event is) and for three
    # days more (the duration is counted from the day after, and recovery takes one and is seen the day after)
    lossy = np.zeros(12)
    lossy[2] = share
    stage = Stage("broken", 6, 63, None, lossy)
    ours = run(t, [stage], peers(order_type, stock_days=float(days)), until=200)
    assert np.abs(ours.output / ours.base - theirs / ours.base).max() < 1e-8
    assert (ours.output_lost_by_row.max(axis=0) / ours.base).max() > 0.9 * share


def test_boario_on_the_test_table_of_pymrio() -> None:
    pymrio = pytest.importorskip("pymrio", reason="pymrio is not installed: no table of it")
    system = pymrio.load_test().calc_all()
    economies, sectors = sorted(system.get_regions()), sorted(system.get_sectors())
    demands = sorted(system.get_Y_categories())
    rows = [(e, s) for e in economies for s in sectors]
    z = system.Z.loc[rows, rows].to_numpy(dtype=np.float64)
    y = system.Y.loc[rows, [(e, d) for e in economies for d in demands]].to_numpy(dtype=np.float64)
    t = table(z, y, len(economies))
    assert (y >= 0).all(), "negative final demand is not handled alike"
    broken = int(np.argmax(t.x))
    theirs = boario_path(t, 150, loss=(broken, 0.5))
    lossy = np.zeros(len(t.x))
    lossy[broken] = 0.5
    ours = run(t, [Stage("broken", 6, 63, None, lossy)], peers("alt"), until=150)
    used = ours.base > 0
    assert np.abs((ours.output - theirs)[:, used] / ours.base[used]).max() < 1e-8


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_boario_with_denied_cells(share: float) -> None:
    """BoARIO knows no denial; cutting its shares, first orders and final demand by hand says the same as ours."""
    t = dense_table(3, 3, 3, 2)
    denied = denied_to(t, 0, share)
    theirs = boario_path(t, 300, denied=denied, order_type="noalt", main_inv_dur=30)
    ours = run(t, [Stage("ban", 0, 300, denied)], peers("noalt", stock_days=30.0))
    assert np.abs(ours.output / ours.base - theirs / ours.base).max() < 1e-8
    assert (ours.output_lost_by_row[-1] / ours.base).max() > 0.3


# ---- what is read from a path ---------------------------------------------------------------------------------------


def test_an_off_ramp_shows_what_lifting_takes_off() -> None:
    t = random_table(0)
    stages = [
        Stage("on", 0, 100, denied_to(t, 0)),
        Stage("eased", 100, 300, denied_to(t, 0, 0.3)),
        Stage("off", 300, 900),
    ]
    path = run(t, stages)
    ramp = off_ramp(path, ["E0"])
    assert ramp["phase"].to_list() == ["eased", "off"]
    daily = path.value_added_lost()[:, 0]
    assert ramp["before"].to_list() == pytest.approx([daily[99], daily[299]])
    assert ramp["after"].to_list() == pytest.approx([daily[299], daily[899]])
    assert ramp["relief"].to_list() == pytest.approx([daily[99] - daily[299], daily[299] - daily[899]])
    half = int(ramp["half_days"][1])
    assert daily[300 + half - 1] <= (daily[299] + daily[899]) / 2 < daily[300 + half - 2]
    assert ramp["avoided"][0] == pytest.approx(200 * daily[99] - daily[100:300].sum())
    assert path.recovery_days()[0] == 1 + np.flatnonzero(daily[300:] > 0.01 * path.base_value_added()[0])[-1]
    assert np.isnan(run(t, stages[:1]).recovery_days()[0])
    # a path that goes on after its last stage counts from the day on which that ends, or from any that is named
    longer = run(t, stages[:1], until=900)
    assert longer.phases[-1] == "none"
    assert longer.recovery_days()[0] == longer.recovery_days(since=0)[0] - 100 > 0
    with pytest.raises(UsageError, match="no phase 'x'"):
        path.in_phase("x")


def test_answers_and_paths_of_a_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    t = random_table(2, n=4, j=3)
    full, part = denied_to(t, 0, 1.0, [1, 2]), denied_to(t, 0, 0.5, [1, 2])
    nothing = np.zeros_like(full)
    schedule = [
        ("on", 0, 60, {"low": 0.8 * full, "value": full, "high": full}),
        ("eased", 60, 90, {"low": part, "value": part, "high": part}),
        ("off", 90, 120, {"low": nothing, "value": nothing, "high": nothing}),
    ]
    parties = Parties(("E1", "E2"), ("E0",))
    answers, paths = dynamic_answer(t, schedule, parties, scenario="x")
    assert list(answers) == ["on", "eased", "off"]
    assert paths.schema == pl.DataFrame(schema=PATHS.schema).schema
    assert (paths["low"] <= paths["high"]).all()
    assert paths["step"].unique().sort().to_list() == list(range(120))
    path = run(t, [Stage(name, a, b, d["value"]) for name, a, b, d in schedule])
    for name, answer in answers.items():
        impacts = to_impacts(answer, "x", name, parties, t.economies, {})
        IMPACTS.conform(impacts)
        for metric, by_economy in (("loss", path.value_added_lost()), ("unmet_demand", path.unmet_demand())):
            there = pl.col("phase").eq(name) & pl.col("metric").eq(metric)
            for party, members in (("E0", [0]), ("COALITION", [1, 2]), ("THIRD_PARTIES", [3]), ("WORLD", range(4))):
                total = by_economy[path.in_phase(name)][:, list(members)].sum()
                ours = impacts.filter(there, pl.col("party") == party, pl.col("item") == "ALL")
                assert ours["value"].item() == pytest.approx(total, abs=1e-12)
                assert paths.filter(there, pl.col("party") == party)["value"].sum() == pytest.approx(total, abs=1e-12)
        gdp = impacts.filter(pl.col("metric") == "loss_gdp", pl.col("party") == "E0", pl.col("item") == "ALL")
        base = path.base_value_added()[0] * path.days[path.in_phase(name)].sum()
        loss = path.value_added_lost()[path.in_phase(name), 0].sum()
        assert gdp["value"].item() == pytest.approx(loss / base)
        assert set(impacts["basis"]) == {"assumed"}
    first = paths.filter(pl.col("metric") == "loss_gdp", pl.col("party") == "E0", pl.col("step") == 59)
    assert first["low"].item() < first["value"].item() < first["high"].item()
    assert first["value"].item() == pytest.approx(path.value_added_lost()[59, 0] / path.base_value_added()[0])
    monkeypatch.setenv("WI_THREADS", "1")
    alone, same = dynamic_answer(LeontiefSystem(t), schedule, parties, scenario="x")
    assert same.equals(paths)
    assert all(alone[name].rows.equals(answers[name].rows) for name in answers)


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_one_error_lists_every_fault_of_a_schedule() -> None:
    t = random_table(0)
    wrong = np.full((9, 3), 2.0)
    stages = [
        Stage("a", 0, 10, np.zeros((2, 2))),
        Stage("a", 5, 30, wrong),
        Stage("b", 30, 32),
        Stage("c", 40, 40),
        Stage("d", math.nan, 60),
        Stage("e", 60, 90, None, np.zeros(3)),
    ]
    with pytest.raises(InputError) as caught:
        run(t, stages, step=7, until=50)
    said = str(caught.value)
    for text in (
        "share a name: a", "shape (2, 2)", "27 cell(s) that are no share", "before stage a ends",
        "less than a step of 7",
        "take a step of at most 2 days", "not after its start", "runs from nan", "lost_capacity has shape (3,)",
        "before its stages do",
    ):  # fmt: skip
        assert text in said
    with pytest.raises(InputError, match="a stage is named none"):
        run(t, [Stage("none", 0, 10)], until=20)
    with pytest.raises(InputError, match=r"step is nan(?s:.*)runs from 0 to inf"):
        dynamic_answer(t, [("a", 0, math.inf, {})], Parties((), ()), scenario="x", step=math.nan)  # type: ignore[list-item,arg-type]
    with pytest.raises(InputError, match="no stage, and no day to end on"):
        run(t, [])
    with pytest.raises(InputError, match="step is 0"):
        run(t, [Stage("a", 0, 10)], step=0)
    with pytest.raises(InputError, match=r"whole days(?s:.*)no denied shares for low, high"):
        dynamic_answer(t, [("a", 0, 9.5, {"value": np.zeros((9, 3))})], Parties((), ()), scenario="x")  # type: ignore[list-item]


def test_one_error_lists_every_fault_of_the_parameters() -> None:
    with pytest.raises(InputError) as caught:
        Parameters(
            stock_days=-1, restock_days=0, stock_alarm=1.5, overproduction=0.9, negligible=2, year_days=math.inf,
            stocks={"c1": 0}, rationing="fair", orders="x",  # type: ignore[arg-type]
        )  # fmt: skip
    assert len(caught.value.faults) == 9
    with pytest.raises(InputError, match=r"no sector c9(?s:.*)no sector cc"):
        run(random_table(0), [], Parameters(stocks={"c9": 5}, storable=frozenset({"cc"})), until=10)


def test_every_parameter_has_a_range_and_a_source() -> None:
    for p in PARAMETERS:
        assert p.low <= p.value <= p.high
        assert p.source
        assert p.basis == "assumed"
        assert getattr(Parameters(), p.name) == p.value
    low, high = Parameters().case("low"), Parameters().case("high")
    assert (low.stock_days, high.stock_days) == (180.0, 45.0)
    assert low.reroute_days < Parameters().reroute_days < high.reroute_days
    assert low.restock_days == high.restock_days == Parameters().restock_days


def test_services_are_not_stored() -> None:
    t = dataclasses.replace(random_table(0, n=2, j=3), classification="WIOD13", sectors=("c1", "c2", "c20"))
    path = run(t, [], until=5)
    assert any("services cannot be stored" in note for note in path.notes)
    denied = np.zeros((6, 2))
    denied[5, 0] = 1.0  # only services
    quiet = run(t, [Stage("ban", 0, 300, denied)], Parameters(reroute_days=NEVER))
    needed = run(t, [Stage("ban", 0, 300, denied)], Parameters(reroute_days=NEVER, service_days=8.0))
    assert lost(needed, 0).sum() > lost(quiet, 0).sum()


# ---- real data -------------------------------------------------------------------------------------------------------


def test_russia_on_the_table_of_2011(shared_data: pathlib.Path) -> None:
    """An embargo by many bites more than one by the United States alone, and later more than at first."""
    t = read("wiod", str(shared_data / "mrio/wiod13/wiod13_2011_long.parquet")).table
    assert t is not None
    n, j, _ = t.size
    position = {e: k for k, e in enumerate(t.economies)}
    eu = {e for e in expand(["EU"], date(2011, 12, 31)) if e in position}
    many = [position[e] for e in sorted(eu | {"USA", "JPN", "CAN", "AUS", "KOR"})]
    target = position["RUS"]
    shares = {}
    for name, senders in (("many", many), ("USA", [position["USA"]])):
        path = run(t, [Stage("on", 0, 365, denied_to(t, target, 1.0, senders))])
        assert not np.isnan(path.output).any()
        shares[name] = path.value_added_lost() / path.base_value_added()
    assert shares["many"][:, target].mean() > 10 * shares["USA"][:, target].mean() > 0
    # on the first day what is lost is what is sold directly, later what hangs on it, and what stocks no longer feed
    system = LeontiefSystem(t)
    direct = (system.denied_sales(denied_to(t, target, 1.0, many)) * system.value_added_share).reshape(n, j).sum(axis=1)
    assert shares["many"][0] == pytest.approx(direct / t.VA.reshape(n, j).sum(axis=1), rel=1e-6, abs=1e-9)
    assert shares["many"][364, target] > 3 * shares["many"][0, target]
    assert shares["many"][364, target] > shares["many"][364, many].max() * 0.5
    assert (shares["many"][:365].mean(axis=0)[[position[e] for e in ("BGR", "LTU")]] > 0.1).all()  # live off its oil
    assert shares["many"][364, position["USA"]] < 0.01
    # the same as whole matrices give, on a table with empty cells and stocks drawn down
    goods = goods_sectors(t)
    days = np.array([90.0 if s in goods else NEVER for s in t.sectors])
    stages = [Stage("on", 0, 4, denied_to(t, target, 0.7, many)), Stage("off", 4, 6)]
    output, _ = plain(t, stages, Parameters(), days)
    assert np.abs(run(t, stages).output - output).max() < 1e-10 * output.max()
    assert n * j == 1435


def test_capital_goods_stop_nobody_in_the_low_case() -> None:
    """Without machinery an industry runs on in the low case, and stands still once its stock is gone in the others."""
    n = 4
    z = np.array([[0, 0, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    y = np.column_stack([[10.0, 8.0, 0, 0], [0, 0, 10.0, 10.0]])
    x = z.sum(axis=1) + y.sum(axis=1)
    t = IOTable("2011", ("A", "B"), ("c1", "c13"), ("f",), z, y, x - z.sum(axis=0), x, np.zeros(n), "WIOD13")
    denied = np.zeros((4, 2))
    denied[1, 1] = 1.0
    lost = {}
    for case in ("low", "value", "high"):
        made = run(t, [Stage("ban", 0, 720, denied)], Parameters().case(case), until=720)
        lost[case] = 1 - made.output[-1, 2] / made.output[0, 2]
    assert lost["low"] == pytest.approx(0, abs=1e-9)
    assert lost["value"] > 0.5
    assert lost["high"] >= lost["value"]
