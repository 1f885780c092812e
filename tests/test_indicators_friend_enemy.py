"""Friend-enemy exposure against the numerical derivative of an exact solver written here, and on real data."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from scipy.optimize import root

from weaponized_interdependence.indicators.dependency.friend_enemy import World, balanced
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.sources.registry import read

Floats = npt.NDArray[np.float64]
THETA = 5.0


def world_flows(n: int, seed: int, *, balanced: bool = False) -> Floats:
    """What the row sells to the column, mostly at home."""
    rng = np.random.default_rng(seed)
    flows = rng.uniform(0.2, 3.0, (n, n)) + np.diag(rng.uniform(5, 15, n))
    return (flows + flows.T) / 2 if balanced else flows


def exact(flows: Floats, z: Floats, tau: Floats, theta: float = THETA) -> tuple[Floats, Floats, Floats]:
    """Log wage, log price index and flows of the exact model with balanced trade, world income the unit.

    `flows`: seller by buyer, balanced or not. z (N,): log productivity; tau (N, N): log trade cost by buyer and seller.
    """
    income = flows.sum(axis=1)
    share = (flows / flows.sum(axis=0)).T

    def after(log_w: Floats) -> tuple[Floats, Floats, Floats]:
        log_w = log_w - np.log((income * np.exp(log_w)).sum() / income.sum())
        demand = share * np.exp(-theta * (log_w - z + tau))
        index = -np.log(demand.sum(axis=1)) / theta
        sales = (demand / demand.sum(axis=1, keepdims=True)).T * (income * np.exp(log_w))
        return log_w, index, sales

    def excess(free: Floats) -> Floats:
        log_w, _, sales = after(np.append(0.0, free))
        return np.asarray((sales.sum(axis=1) / (income * np.exp(log_w)) - 1)[1:])

    found = root(excess, np.zeros(len(income) - 1), tol=1e-13)
    assert np.abs(excess(found.x)).max() < 1e-10
    return after(np.append(0.0, found.x))


def base_of(flows: Floats, theta: float = THETA) -> Floats:
    """The equilibrium without imbalances."""
    n = len(flows)
    return exact(flows, np.zeros(n), np.zeros((n, n)), theta)[2]


def derivative(flows: Floats, z: Floats, tau: Floats, step: float = 1e-4) -> tuple[Floats, Floats]:
    """Central differences of log wage and log welfare in the direction (z, tau), from balanced flows."""
    (up, dearer, _), (down, cheaper, _) = (exact(flows, k * step * z, k * step * tau) for k in (1, -1))
    wage, index = (up - down) / (2 * step), (dearer - cheaper) / (2 * step)
    return wage, wage - index


def barrier(n: int, target: list[int], senders: list[int]) -> Floats:
    tau = np.zeros((n, n))
    for t in target:
        tau[t, senders] = tau[senders, t] = 1.0
    return tau


def table_of(flows: Floats, names: str = "ABCDEFGH") -> IOTable:
    """A table without inputs, all of it final."""
    n = len(flows)
    x, none = flows.sum(axis=1), np.zeros((n, n))
    return IOTable("2020", tuple(names[:n]), ("s",), ("f",), none, flows, x, x, np.zeros(n), "EXAMPLE")


def flows_in(table: IOTable) -> Floats:
    """What `table_of` was made of."""
    return np.array(table.Y)


def pairs_of(name: str, table: IOTable, **options: Any) -> dict[tuple[str, str], tuple[float, float, float]]:
    scores = rank(None, name, table=table, **options)
    return {
        (n, c): (s, lo, hi) for n, c, s, lo, hi in scores.select("node", "counterpart", "score", "low", "high").rows()
    }


@pytest.mark.parametrize("is_balanced", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_exposures_are_the_derivatives_of_the_exact_model(is_balanced: bool, seed: int) -> None:
    flows = world_flows(5, seed, balanced=is_balanced)
    W, U = World(balanced(flows, THETA)).exposure(THETA)
    for i in range(5):
        wage, welfare = derivative(base_of(flows), np.eye(5)[i], np.zeros((5, 5)))
        assert W[:, i] == pytest.approx(wage, abs=1e-6)
        assert U[:, i] == pytest.approx(welfare, abs=1e-6)


def test_the_base_is_the_exact_equilibrium_without_imbalances() -> None:
    for theta in (0.5, 2.5, 5.0, 10.0):
        flows = world_flows(6, 11)
        got = balanced(flows, theta)
        assert got == pytest.approx(base_of(flows, theta), rel=1e-8)
        assert got.sum(axis=0) == pytest.approx(got.sum(axis=1), rel=1e-11)
        assert got.sum() == pytest.approx(flows.sum())
    flows = world_flows(6, 11, balanced=True)
    assert balanced(flows, 5.0) == pytest.approx(flows, rel=1e-12)
    hard = world_flows(5, 5) * np.logspace(-6, 6, 5)[:, None]  # one sells a million million times what another does
    assert balanced(hard, 5.0).sum(axis=0) == pytest.approx(balanced(hard, 5.0).sum(axis=1), rel=1e-10)


def test_where_trade_is_balanced_it_is_the_published_closed_form() -> None:
    flows = world_flows(6, 1, balanced=True)
    spending, income = flows.sum(axis=0), flows.sum(axis=1)
    S = (flows / spending).T
    T = np.diag(1 / income) @ S.T @ np.diag(income)
    Q = np.outer(np.ones(6), income / income.sum())
    M, V = T @ S - np.eye(6), (T + THETA * T @ S) / (THETA + 1) - Q
    W = -THETA / (THETA + 1) * np.linalg.inv(np.eye(6) - V) @ M
    got_W, got_U = World(flows).exposure(THETA)
    assert got_W == pytest.approx(W, abs=1e-12)
    assert got_U == pytest.approx((np.eye(6) - S) @ W + S, abs=1e-12)
    assert income @ W == pytest.approx(np.zeros(6), abs=1e-9)  # world income is the unit
    assert got_U.sum(axis=1) == pytest.approx(np.ones(6))  # growth everywhere is growth for everyone
    table = table_of(flows)
    for name, want in (("exposure_income", W), ("exposure_welfare", got_U)):
        found = pairs_of(name, table)
        assert len(found) == 6 * 5
        for (n, i), (score, low, high) in found.items():
            assert score == pytest.approx(want["ABCDEF".index(n), "ABCDEF".index(i)], abs=1e-12)
            assert low <= score <= high


@pytest.mark.parametrize("is_balanced", [True, False])
def test_barriers_are_the_derivatives_of_the_exact_model(is_balanced: bool) -> None:
    flows = world_flows(5, 8, balanced=is_balanced)
    base = base_of(flows)
    income = base.sum(axis=1)
    for target, senders in (([0], [1]), ([0], [1, 2]), ([0, 3], [1, 4])):
        _, welfare = derivative(base, np.zeros(5), barrier(5, target, senders))
        label, against = ("+".join("ABCDE"[k] for k in who) for who in (senders, target))
        options = {"jurisdiction": [label], "target": [against]}
        for name, who in (("barrier_pressure", target), ("barrier_collateral", senders)):
            want = -(welfare[who] * income[who]).sum() / income[who].sum()
            assert pairs_of(name, table_of(flows), **options)[label, against][0] == pytest.approx(want, abs=1e-6)


def test_first_order_must_not_be_extrapolated() -> None:
    """The warning of these indicators: at one log point the exact loss is less than half the linear one."""
    flows = world_flows(5, 2, balanced=True)
    tau = barrier(5, [0], [1, 2, 3, 4])
    linear = pairs_of("barrier_pressure", table_of(flows), jurisdiction=["B+C+D+E"], target=["A"])["B+C+D+E", "A"][0]
    after = [exact(flows, np.zeros(5), size * tau) for size in (0.001, 1.0)]
    small, large = (-np.expm1((wage - index)[0]) for wage, index, _ in after)
    assert small / 0.001 == pytest.approx(linear, rel=0.01)
    assert large < 0.5 * linear


def test_barriers_of_members_add_up() -> None:
    table = table_of(world_flows(6, 4))
    found = pairs_of("barrier_pressure", table, jurisdiction=["B", "C", "B+C"], target=["A"])
    assert found["B+C", "A"][0] == pytest.approx(found["B", "A"][0] + found["C", "A"][0])


def test_a_partial_grip_is_a_part_of_the_barrier() -> None:
    table = table_of(world_flows(4, 4))
    rows = [("B", "C", "ownership", 0.3, "assumed")]
    controls = pl.DataFrame(rows, schema=["jurisdiction", "node", "channel", "share", "basis"], orient="row")
    own = pairs_of("barrier_pressure", table, jurisdiction=["B", "C"], target=["A"])
    more = pairs_of("barrier_pressure", table, jurisdiction=["B"], target=["A"], controls=controls)
    assert more["B", "A"][0] == pytest.approx(own["B", "A"][0] + 0.3 * own["C", "A"][0])


def test_blocs_that_do_not_trade_are_solved_apart() -> None:
    flows = np.zeros((6, 6))
    flows[:2, :2], flows[2:4, 2:4] = world_flows(2, 1), world_flows(2, 2)
    flows[4, 4] = 3.0  # an autarky
    flows[5, 0] = 0.0  # sells and buys nothing
    found = pairs_of("exposure_welfare", table_of(flows))
    assert set(found) == {("A", "B"), ("B", "A"), ("C", "D"), ("D", "C")}
    alone = pairs_of("exposure_welfare", table_of(flows[:2, :2]))
    assert found["A", "B"] == alone["A", "B"]
    pressure = pairs_of("barrier_pressure", table_of(flows), jurisdiction=["A", "F"], target=["C", "E"])
    assert pressure["A", "C"][0] == 0.0
    assert pressure["F", "E"][0] == 0.0
    collateral = pairs_of("barrier_collateral", table_of(flows), jurisdiction=["F"], target=["C"])
    assert collateral["F", "C"][0] is None


def test_who_only_sells_or_only_buys_is_left_out_and_so_is_who_needs_them() -> None:
    flows = world_flows(4, 3)
    flows[0] = 0.0  # A sells nothing
    found = pairs_of("exposure_income", table_of(flows))
    rest = pairs_of("exposure_income", table_of(flows[1:, 1:], "BCD"))
    assert set(found) == set(rest)
    assert all(found[key] == pytest.approx(rest[key]) for key in rest)


def test_a_grip_on_the_target_bars_nothing() -> None:
    """What a target sells at home crosses no border, whoever holds its currency."""
    table = table_of(np.array([[8.0, 1, 1], [1, 8, 1], [1, 1, 8]]))
    columns = ["jurisdiction", "node", "channel", "share", "basis"]
    for name in ("barrier_pressure", "barrier_collateral"):
        plain = pairs_of(name, table, jurisdiction=["A"], target=["B"])
        for rows in ([("A", "B", "currency", 0.5)], [("A", "B", "ownership", 1.0)]):
            controls = pl.DataFrame([(*r, "observed") for r in rows], schema=columns, orient="row")
            assert pairs_of(name, table, jurisdiction=["A"], target=["B"], controls=controls) == plain
        # and that on a third economy is the barrier of that one
        controls = pl.DataFrame([("A", "C", "currency", 1.0, "observed")], schema=columns, orient="row")
        both = pairs_of(name, table, jurisdiction=["A"], target=["B"], controls=controls)["A", "B"][0]
        want = -derivative(base_of(flows_in(table)), np.zeros(3), barrier(3, [1], [0, 2]))[1]
        assert both == pytest.approx(want[1 if name == "barrier_pressure" else 0], abs=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1e9, 1e-200, 1e200])
def test_no_score_depends_on_the_unit_of_the_table(scale: float) -> None:
    flows = world_flows(5, 6)
    flows[0, 1:] *= 1e-4  # A hardly sells abroad
    for name in ("exposure_income", "exposure_welfare", "barrier_pressure", "barrier_collateral"):
        found, scaled = pairs_of(name, table_of(flows)), pairs_of(name, table_of(flows * scale))
        assert set(scaled) == set(found)
        assert len(found) == 20
        for pair, band in found.items():
            assert scaled[pair] == pytest.approx(band, rel=1e-9, abs=1e-12)


def test_trade_one_way_is_no_zero() -> None:
    flows = np.array([[8.0, 3, 1, 0], [0, 8, 0, 0], [1, 1, 8, 0], [0, 0, 0, 5]])  # B buys and sells nothing, D is alone
    for name in ("barrier_pressure", "barrier_collateral"):
        found = pairs_of(name, table_of(flows))
        for pair in (("A", "B"), ("B", "A"), ("C", "B"), ("B", "C")):
            assert found[pair] == (None, None, None)
        for other in "ABC":
            assert found[other, "D"] == found["D", other] == (0.0, 0.0, 0.0)
        assert found["A", "C"][0] > 0
    joint = pairs_of("barrier_pressure", table_of(flows), jurisdiction=["B+C"], target=["A"])
    assert joint["B+C", "A"] == (None, None, None)
    assert {pair for pair in pairs_of("exposure_welfare", table_of(flows)) if "B" in pair} == set()


def test_the_world_of_2011(shared_data: Path) -> None:
    table = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert table is not None
    n, j, f = table.size
    flows = np.maximum(table.Z, 0).reshape(n, j, n, j).sum(axis=(1, 3))
    flows += np.maximum(table.Y, 0).reshape(n, j, n, f).sum(axis=(1, 3))
    flows = base_of(flows / flows.sum())
    at = {name: k for k, name in enumerate(table.economies)}
    welfare = pairs_of("exposure_welfare", table)
    assert len(welfare) == 41 * 40
    shock = np.eye(n)[at["CHN"]]
    _, want = derivative(flows, shock, np.zeros((n, n)), step=1e-3)
    got = np.array([welfare[name, "CHN"][0] if name != "CHN" else np.nan for name in table.economies])
    others = np.arange(n) != at["CHN"]
    assert got[others] == pytest.approx(want[others], abs=1e-5)
    pressure = pairs_of("barrier_pressure", table)
    collateral = pairs_of("barrier_collateral", table)
    _, want = derivative(flows, np.zeros(n), barrier(n, [at["MEX"]], [at["USA"]]), step=1e-3)
    assert pressure["USA", "MEX"][0] == pytest.approx(-want[at["MEX"]], abs=1e-5)
    assert collateral["USA", "MEX"][0] == pytest.approx(-want[at["USA"]], abs=1e-5)
    # The neighbour that trades with hardly anyone else loses far more than the giant.
    assert pressure["USA", "MEX"][0] > 5 * collateral["USA", "MEX"][0]
    for target, worst in (("MEX", "USA"), ("CAN", "USA"), ("AUT", "DEU"), ("KOR", "CHN")):
        against = {n: band[0] for (n, t), band in pressure.items() if t == target and n != "ROW"}
        assert max(against, key=lambda n: against[n]) == worst
