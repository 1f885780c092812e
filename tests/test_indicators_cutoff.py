"""Cut-off power: closed forms, its stated properties, plain repetition in loops, and real trade."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import fsolve

from weaponized_interdependence.errors import InputError, ModelError, UsageError
from weaponized_interdependence.indicators.dependency.sigmas import log_price, nested, nested_part
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.io_table import IOTable, aggregate
from weaponized_interdependence.schemas import CONTROLS, FLOWS
from weaponized_interdependence.sources.registry import read

POWERS = ["supply_share", "cutoff_power", "export_ban_score", "cutoff_power_nested"]
Tie = tuple[str, str, str, float]
Band = tuple[float | None, float | None, float | None]
Floats = npt.NDArray[np.float64]


def flows_of(ties: Sequence[Tie], layer: str = "goods") -> pl.DataFrame:
    rows = [("2020", layer, o, d, item, float(v), None, None, "USD", "observed") for item, o, d, v in ties]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def keyed(scores: pl.DataFrame) -> dict[tuple[str, str, str, str], Band]:
    """{(indicator, item, node, counterpart): (score, low, high)}."""
    columns = scores.select("indicator", "item", "node", "counterpart", "score", "low", "high").rows()
    return {row[:4]: row[4:] for row in columns}


# ---- the closed form and its properties --------------------------------------------------------------------------

_SHARE = st.floats(0.0, 0.999)
_SIGMA = st.floats(1.05, 20.0)


def power(omega: float, sigma: float) -> float:
    return float(log_price(np.array([omega]), np.array([sigma]))[0])


def test_published_arithmetic_of_finance() -> None:
    """At sigma 1.76 and a share of 0.9 prices rise by 3.03 in logs, twentyfold."""
    assert power(0.9, 1.76) == pytest.approx(3.03, abs=0.005)
    assert np.exp(power(0.9, 1.76)) == pytest.approx(20, abs=0.8)


@given(_SHARE, _SHARE, _SIGMA, _SIGMA)
def test_properties_of_power(a: float, b: float, sigma: float, more: float) -> None:
    assert power(0.0, sigma) == 0.0
    middle = power((a + b) / 2, sigma)
    assert middle <= (power(a, sigma) + power(b, sigma)) / 2 * (1 + 1e-12) + 1e-15  # convex
    if a + b < 1:
        assert power(a + b, sigma) >= (power(a, sigma) + power(b, sigma)) * (1 - 1e-9) - 1e-15  # superadditive
    low, high = sorted((sigma, more))
    assert power(a, high) <= power(a, low)  # decreasing in sigma
    assert power(a, 1.0) == (np.inf if a > 0 else 0.0)
    assert power(1.0, sigma) == np.inf


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 5.0)), min_size=1, max_size=6), st.floats(0.2, 4.0))
def test_the_nest_is_the_ces_price_index(items: list[tuple[float, float]], rho: float) -> None:
    weight = np.array([w for w, _ in items])
    weight, price = weight / weight.sum(), np.array([p for _, p in items])
    got = float(nested(nested_part(weight, price, rho).sum(keepdims=True), rho)[0])
    if abs(rho - 1) > 1e-3:
        plain = np.log((weight * np.exp(price) ** (1 - rho)).sum()) / (1 - rho)
        assert got == pytest.approx(plain, rel=1e-8, abs=1e-10)
    assert got <= price.max() + 1e-9
    cobb_douglas = float(nested(nested_part(weight, price, 1.0).sum(keepdims=True), 1.0)[0])
    assert cobb_douglas == pytest.approx(float(weight @ price))
    assert (got - cobb_douglas) * (1 - rho) >= -1e-9  # the harder items replace each other, the more it costs


# ---- over flows, against plain loops -----------------------------------------------------------------------------

_TIES = st.lists(
    st.tuples(st.sampled_from("XYZ"), st.sampled_from("ABCDE"), st.sampled_from("ABCDE"), st.integers(1, 50)),
    min_size=1,
    max_size=40,
    unique_by=lambda tie: tie[:3],
)


def plain(ties: list[Tie], holds: dict[str, float], target: set[str], sigma: float, rho: float) -> dict[str, Any]:
    """omega, power and score by item, and the nested power, for grips on sellers, in the plainest way."""
    imports: dict[str, float] = {}
    denied: dict[str, float] = {}
    for item, o, d, v in ties:
        if d in target and o not in target:
            imports[item] = imports.get(item, 0.0) + v
            denied[item] = denied.get(item, 0.0) + v * holds.get(o, 0.0)
    found: dict[str, Any] = {"items": {}, "nested": None}
    index, whole = 0.0, sum(imports.values())
    for item in sorted(imports):
        omega, weight = denied[item] / imports[item], imports[item] / whole
        cut = omega > 1 - 1e-12
        log = None if cut else -np.log(1 - omega) / (sigma - 1)
        found["items"][item] = (omega, log, None if log is None else weight * (np.exp(log) - 1))
        index += 0.0 if cut else weight * float(np.exp((1 - rho) * log))  # type: ignore[operator]
    if imports:
        found["nested"] = None if index < 1e-12 else np.log(index) / (1 - rho)
    return found


@settings(max_examples=40)
@given(_TIES, st.sampled_from(["A", "B", "A+B"]), st.sampled_from(["C", "D", "C+D"]), st.sampled_from([0.0, 0.4]))
def test_supplies_against_plain_loops(ties: list[Tie], sender: str, target: str, share: float) -> None:
    wanted = {*sender.split("+"), *target.split("+")}
    known = {n for _, o, d, _ in ties for n in (o, d)}
    if not wanted | {"E"} <= known or not any(d in target and o not in target for _, o, d, _ in ties):
        return
    rows = [(sender.split("+")[0], "E", "ownership", share, "assumed")]
    controls = pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row") if share else None
    options = {"jurisdiction": [sender], "target": [target], "controls": controls, "sigma": 3.0, "rho": 1.7}
    found = keyed(rank(flows_of(ties), POWERS, by=("item",), **options))
    holds = {**dict.fromkeys(sender.split("+"), 1.0), "E": share}
    want = plain(ties, holds, set(target.split("+")), 3.0, 1.7)
    assert {item for name, item, *_ in found if name == "cutoff_power"} == set(want["items"])
    for item, numbers in want["items"].items():
        for name, number in zip(POWERS, numbers, strict=False):
            got = found[name, item, sender, target][0]
            assert got == (None if number is None else pytest.approx(number, rel=1e-9, abs=1e-12))
    got = found["cutoff_power_nested", "ALL", sender, target][0]
    assert got == (None if want["nested"] is None else pytest.approx(want["nested"], rel=1e-8, abs=1e-10))


def test_a_coalition_is_worth_more_than_its_members_where_they_sell_the_same() -> None:
    ties = [
        ("X", "A", "T", 3.0),
        ("X", "B", "T", 3.0),
        ("X", "C", "T", 4.0),
        ("Y", "A", "T", 1.0),
        ("Y", "D", "T", 9.0),
    ]
    found = keyed(rank(flows_of(ties), "cutoff_power", by=("item",), jurisdiction=["A", "B", "A+B"], target=["T"]))

    def score(who: str, item: str) -> float:
        return found["cutoff_power", item, who, "T"][0] or 0.0

    assert score("A+B", "X") > score("A", "X") + score("B", "X")
    assert score("A+B", "Y") == score("A", "Y")
    assert score("B", "Y") == 0.0


def test_where_nobody_is_named_only_supplies_have_a_row() -> None:
    ties = [("X", "A", "T", 3.0), ("X", "B", "T", 1.0), ("X", "T", "A", 2.0), ("X", "T", "T", 9.0)]
    found = keyed(rank(flows_of(ties), "supply_share"))
    assert {key[2:]: band[0] for key, band in found.items()} == {("A", "T"): 0.75, ("B", "T"): 0.25, ("T", "A"): 1.0}
    named = keyed(rank(flows_of(ties), "supply_share", jurisdiction=["A+T", "B"]))
    assert {key[2:]: band[0] for key, band in named.items()} == {("B", "A"): 0.0, ("B", "T"): 0.25}


def test_infinite_power_is_null_and_the_share_ranks_it_first() -> None:
    ties = [("X", "A", "T", 3.0), ("Y", "A", "T", 1.0), ("Y", "B", "T", 1.0)]
    options: dict[str, Any] = {"by": ("item",), "jurisdiction": ["A"], "target": ["T"], "sigma": 2}
    found = keyed(rank(flows_of(ties), POWERS, **options))
    assert found["cutoff_power", "X", "A", "T"] == (None, None, None)
    assert found["export_ban_score", "X", "A", "T"] == (None, None, None)
    assert found["supply_share", "X", "A", "T"][0] == 1.0
    # rho 1.36: X is given up, Y, two fifths of imports, doubles
    want = np.log(0.4 * 2**-0.36) / -0.36
    assert found["cutoff_power_nested", "ALL", "A", "T"][0] == pytest.approx(want)
    cobb = keyed(rank(flows_of(ties), "cutoff_power_nested", rho=1, **options))
    assert cobb["cutoff_power_nested", "ALL", "A", "T"] == (None, None, None)
    hard = keyed(rank(flows_of(ties), "cutoff_power", **{**options, "sigma": 1}))
    assert hard["cutoff_power", "Y", "A", "T"] == (None, None, None)


def test_the_band_is_sigma_less_one_halved_and_doubled() -> None:
    ties = [("X", "A", "T", 1.0), ("X", "B", "T", 1.0)]
    for layer, less_one in (("goods", 5.0), ("payments", 0.76), ("claims", 0.76), ("services", 5.0)):
        found = keyed(rank(flows_of(ties, layer), "cutoff_power", jurisdiction=["A"], target=["T"]))
        score, low, high = found["cutoff_power", "X", "A", "T"]
        assert score == pytest.approx(np.log(2) / less_one)
        assert (low, high) == (pytest.approx(score / 2), pytest.approx(score * 2))
    found = keyed(rank(flows_of(ties), "cutoff_power_nested", jurisdiction=["A"], target=["T"], elasticity_spread=1))
    score, low, high = found["cutoff_power_nested", "X", "A", "T"]
    assert score == low == high
    assert rank(flows_of(ties), "cutoff_power")["basis"].unique().to_list() == ["assumed"]


# ---- elasticities of the user's own ------------------------------------------------------------------------------


def test_elasticities_by_item() -> None:
    ties = [(item, o, "T", 1.0) for item in ("X", "Y", "Z") for o in ("A", "B")]
    own = pl.DataFrame(
        {"item": ["X", "Y", "*"], "sigma": [2.0, 3.0, 5.0], "low": [1.5, None, None], "high": [4.0, None, 1e9]}
    )
    options: dict[str, Any] = {"by": ("item",), "jurisdiction": ["A"], "target": ["T"], "elasticities": own}
    found = keyed(rank(flows_of(ties), "cutoff_power", **options))
    bands = {item: found["cutoff_power", item, "A", "T"] for item in "XYZ"}
    log2 = np.log(2)
    assert bands["X"] == pytest.approx((log2, log2 / 3, log2 / 0.5))
    assert bands["Y"] == pytest.approx((log2 / 2, log2 / 4, log2))
    assert bands["Z"] == pytest.approx((log2 / 4, 0.0, log2 / 2), abs=1e-8)


def test_a_number_that_is_set_and_cannot_act_is_refused() -> None:
    ties = [("X", "A", "T", 1.0), ("X", "B", "T", 3.0), ("Y", "A", "T", 1.0)]
    options: dict[str, Any] = {"jurisdiction": ["A"], "target": ["T"]}
    for layer, idle, acts in (
        ("claims", "sigma", "sigma_finance"),
        ("payments", "sigma", "sigma_finance"),
        ("goods", "sigma_finance", "sigma"),
    ):
        flows = flows_of(ties[:2], layer)
        with pytest.raises(UsageError, match=f"{idle} is set, but layer {layer} takes {acts}"):
            rank(flows, "cutoff_power", **options, **{idle: 3.0})
        own = rank(flows, "cutoff_power", **options, **{acts: 3.0})["score"].item()
        assert own == pytest.approx(-np.log(0.75) / 2)
        assert rank(flows, "cutoff_power", **options, **{acts: 3.0, idle: 2.0})["score"].item() == own
    given = pl.DataFrame({"item": ["*"], "sigma": [2.0]})
    for name in ("cutoff_power", "export_ban_score"):
        with pytest.raises(UsageError, match="sigma is set, but elasticities are given for every item"):
            rank(flows_of(ties), name, by=("item",), elasticities=given, sigma=3.0, **options)
    with pytest.raises(UsageError, match="elasticities are given"):
        rank(None, "cutoff_power_io", table=table_of(1), elasticities=given, sigma=3.0)
    with pytest.raises(UsageError, match="rho is set, but items are summed"):
        rank(flows_of(ties), "cutoff_power_nested", rho=3.0, **options)
    scores = [
        rank(flows_of(ties), "cutoff_power_nested", by=("item",), rho=rho, **options)["score"].item()
        for rho in (1.36, 3.0)
    ]
    assert scores[0] > scores[1]


def test_no_elasticity_of_a_band_is_below_zero() -> None:
    """At rho 0 items are used in fixed proportions: there is nothing harder, so the high end is that of sigma alone."""
    ties = [("X", "A", "T", 1.0), ("X", "B", "T", 1.0), ("Y", "B", "T", 2.0)]
    options: dict[str, Any] = {"by": ("item",), "jurisdiction": ["A"], "target": ["T"], "sigma": 3.0}

    def nest(log_price: float, rho: float) -> float:
        return float(np.log(0.5 * np.exp((1 - rho) * log_price) + 0.5) / (1 - rho))

    for rho, hard, soft in ((0.0, 0.0, 0.5), (0.2, 0.0, 0.6), (0.6, 0.2, 0.8)):
        found = keyed(rank(flows_of(ties), "cutoff_power_nested", rho=rho, **options))
        assert found["cutoff_power_nested", "ALL", "A", "T"] == pytest.approx(
            (nest(np.log(2) / 2, rho), nest(np.log(2) / 4, soft), nest(np.log(2) / 1, hard))
        )


def test_an_item_of_nothing_but_flows_to_itself_needs_no_elasticity() -> None:
    flows = flows_of([("Q", "A", "A", 3.0), ("X", "A", "B", 2.0), ("X", "C", "B", 2.0)])
    own = pl.DataFrame({"item": ["X"], "sigma": [2.0]})
    found = keyed(rank(flows, "cutoff_power", by=("item",), elasticities=own))
    assert {key[1:]: band[0] for key, band in found.items()} == {
        ("X", "A", "B"): pytest.approx(np.log(2)),
        ("X", "C", "B"): pytest.approx(np.log(2)),
    }


def test_elasticities_of_other_items_only_are_refused() -> None:
    flows = flows_of([("X", "A", "T", 1.0), ("Y", "B", "T", 1.0)])
    own = pl.DataFrame({"item": ["*", "x"], "sigma": [2.0, 3.0]})
    with pytest.raises(InputError, match="none of the items that have an elasticity is here: x -> items here are X, Y"):
        rank(flows, "cutoff_power", by=("item",), elasticities=own)
    more = pl.DataFrame({"item": ["*", "X", "Z9"], "sigma": [2.0, 3.0, 4.0]})  # a list of all products may hold others
    assert rank(flows, "cutoff_power", by=("item",), elasticities=more).height == 2


def test_every_fault_of_elasticities_is_told_at_once() -> None:
    flows = flows_of([("X", "A", "T", 1.0), ("Y", "A", "T", 1.0)])
    bad = pl.DataFrame({"item": ["X", "Z"], "sigma": [2.0, 3.0], "low": [3.0, 0.5], "high": [1.0, None]})
    with pytest.raises(InputError) as error:
        rank(flows, "cutoff_power", by=("item",), elasticities=bad)
    for part in ("X: low is above sigma", "X: high is below sigma", "no elasticity for 1 item(s): Y"):
        assert part in str(error.value)
    with pytest.raises(InputError, match="lacks sigma"):
        rank(flows, "cutoff_power", by=("item",), elasticities=pl.DataFrame({"item": ["X"]}))


def test_weights_of_a_total_beside_its_parts_are_refused() -> None:
    flows = flows_of([("TOTAL", "A", "T", 2.0), ("HS:01", "A", "T", 1.0), ("HS:02", "B", "T", 1.0)])
    assert rank(flows, "cutoff_power", by=("item",)).height == 3
    for name in ("cutoff_power_nested", "export_ban_score"):
        with pytest.raises(UsageError, match="count flows twice"):
            rank(flows, name, by=("item",))


# ---- over the input-output table ---------------------------------------------------------------------------------


def table_of(seed: int, economies: int = 3, sectors: int = 2) -> IOTable:
    rng = np.random.default_rng(seed)
    n = economies * sectors
    Z, Y = rng.integers(0, 20, (n, n)).astype(float), rng.integers(5, 60, (n, economies)).astype(float)
    Y[:, 0] += np.maximum(1.3 * Z.sum(axis=0) - Z.sum(axis=1) - Y.sum(axis=1), 0)
    x = Z.sum(axis=1) + Y.sum(axis=1)
    names = tuple("ABCDEFG"[:economies])
    VA = x - Z.sum(axis=0)
    return IOTable("2020", names, tuple(f"s{k}" for k in range(sectors)), ("f",), Z, Y, VA, x, np.zeros(n), "EXAMPLE")


def shares(table: IOTable, t: int) -> tuple[Floats, Floats, Floats]:
    """(share of each economy in t's use of a sector (N, J), gamma (J, J), alpha (J,)), in loops over the table."""
    n, j, f = table.size
    Z, Y = np.maximum(table.Z, 0), np.maximum(table.Y, 0)
    used, gamma, alpha = np.zeros((n, j)), np.zeros((j, j)), np.zeros(j)
    for i in range(n):
        for k in range(j):
            inputs, final = Z[i * j + k, t * j : (t + 1) * j], Y[i * j + k, t * f : (t + 1) * f].sum()
            used[i, k] = inputs.sum() + final
            gamma[k] += inputs / table.x[t * j : (t + 1) * j]
            alpha[k] += final
    return used / used.sum(axis=0), gamma, alpha / alpha.sum()


def io_scores(table: IOTable, **options: Any) -> dict[tuple[str, str], float | None]:
    scores = rank(None, "cutoff_power_io", table=table, **options)
    return {(n, c): s for n, c, s in scores.select("node", "counterpart", "score").rows()}


def test_with_two_economies_power_is_the_leontief_inverse_of_the_direct_rise() -> None:
    for seed in range(5):
        table = table_of(seed, economies=2, sectors=3)
        share, gamma, alpha = shares(table, 1)
        direct = -np.log(1 - share[0]) / (6 - 1)
        want = alpha @ np.linalg.solve(np.eye(3) - gamma.T, direct)
        assert io_scores(table)["A", "B"] == pytest.approx(want, rel=1e-10)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(1.2, 9.0))
def test_prices_solve_their_equations(seed: int, sigma: float) -> None:
    table = table_of(seed)
    for t, target in enumerate(table.economies):
        share, gamma, alpha = shares(table, t)
        for s, sender in enumerate(table.economies):
            if s == t:
                continue
            rest = 1 - share[s] - share[t]

            def gap(
                P: Floats, s: int = s, t: int = t, rest: Floats = rest, share: Floats = share, g: Floats = gamma
            ) -> Floats:
                cost = np.exp(g.T @ P)
                return np.asarray(np.log(share[t] * cost ** (1 - sigma) + rest) / (1 - sigma) - P)

            start = -np.log(1 - share[s]) / (sigma - 1)
            root, _, flag, _ = fsolve(gap, start, full_output=True, xtol=1e-13)
            assert flag == 1
            got = io_scores(table, jurisdiction=[sender], target=[target], sigma=sigma)
            assert got[sender, target] == pytest.approx(float(alpha @ root), rel=1e-8)


def test_a_group_is_the_table_with_its_members_merged() -> None:
    table = table_of(3, economies=5)
    merged = aggregate(table, {"A": "G", "B": "G", "D": "H", "E": "H"})
    got = io_scores(table, jurisdiction=["A+B"], target=["D+E"])
    assert got["A+B", "D+E"] == pytest.approx(io_scores(merged)["G", "H"], rel=1e-12)


def test_power_in_the_table_falls_with_sigma_and_is_superadditive() -> None:
    table = table_of(4, economies=4)
    found = io_scores(table, jurisdiction=["A", "B", "A+B"], target=["C"])
    assert found["A+B", "C"] > found["A", "C"] + found["B", "C"]  # type: ignore[operator]
    falling = [io_scores(table, jurisdiction=["A"], target=["C"], sigma=s)["A", "C"] or 0.0 for s in (1.5, 3, 6, 12)]
    assert falling == sorted(falling, reverse=True)
    scores = rank(None, "cutoff_power_io", table=table)
    assert scores.filter(~pl.col("score").is_between("low", "high")).is_empty()
    by_sector = rank(None, "cutoff_power_io", table=table, by=("item",), target=["C"])
    assert by_sector["item"].unique().sort().to_list() == ["EXAMPLE:s0", "EXAMPLE:s1"]


def test_domestic_sales_make_power_smaller_than_over_imports() -> None:
    Z = [[0.0, 0.0], [0.0, 0.0]]
    x = np.array([100.0, 100.0])
    Y = np.array([[90.0, 10.0], [10.0, 90.0]])
    table = IOTable("2020", ("A", "B"), ("s",), ("f",), np.array(Z), Y, x, x, np.zeros(2), "EXAMPLE")
    assert io_scores(table, sigma=2)["A", "B"] == pytest.approx(-np.log(0.9))
    flows = flows_of([("X", "A", "B", 10.0)])
    assert keyed(rank(flows, "cutoff_power", sigma=2))["cutoff_power", "X", "A", "B"][0] is None


def test_a_sector_without_another_source_is_infinite() -> None:
    Z = np.array([[0.0, 0.0, 0.0, 5.0], [0.0] * 4, [0.0] * 4, [0.0] * 4])  # B's s1 needs A's s0, of which B has none
    Y = np.array([[20.0, 0.0], [10.0, 0.0], [0.0, 0.0], [0.0, 20.0]])
    x = Z.sum(axis=1) + Y.sum(axis=1)
    table = IOTable("2020", ("A", "B"), ("s0", "s1"), ("f",), Z, Y, x - Z.sum(axis=0), x, np.zeros(4), "EXAMPLE")
    assert io_scores(table)["A", "B"] is None
    assert io_scores(table)["B", "A"] == 0.0


def test_industries_that_only_buy_from_each_other_are_refused() -> None:
    Z = np.array([[0.0, 1.0], [0.0, 9.0]])  # B's cost is all inputs, and what is left of them is its own
    Y = np.array([[9.0, 0.0], [0.0, 1.0]])
    table = IOTable(
        "2020", ("A", "B"), ("s",), ("f",), Z, Y, np.array([10.0, 0.0]), Z.sum(1) + Y.sum(1), np.zeros(2), "E"
    )
    with pytest.raises(ModelError, match="do not settle"):
        io_scores(table)


# ---- real data ---------------------------------------------------------------------------------------------------


def test_who_could_cut_off_whom_in_2015(shared_data: Path) -> None:
    raw = pl.read_parquet(shared_data / "trade/unctad/unctad_merchandise_trade_matrix_SITC1_2015.parquet")
    flows = raw.filter(pl.col("sitc").cast(pl.String) != "TOTAL").select(
        period=pl.lit("2015"),
        layer=pl.lit("goods"),
        origin="exporter",
        destination="importer",
        item="SITC:" + pl.col("sitc").cast(pl.String),
        value=pl.col("value_kusd") * 1e3,
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )
    scores = rank(flows, POWERS, by=("item",), target=["MEX", "KOR", "BLR"], jurisdiction=["USA", "CHN", "RUS", "EU"])
    over = scores.filter(pl.col("indicator") == "cutoff_power_nested")
    first = dict(
        over.sort("score", descending=True).unique("counterpart", keep="first").select("counterpart", "node").rows()
    )
    assert first == {"MEX": "USA", "KOR": "CHN", "BLR": "RUS"}
    assert over.filter(~pl.col("score").is_between("low", "high")).is_empty()
    # Against plain loops over the same rows.
    ties = [
        (k, o, d, v)
        for k, o, d, v in flows.filter(pl.col("value") > 0).select("item", "origin", "destination", "value").rows()
        if o != d
    ]
    want = plain(ties, {"USA": 1.0}, {"MEX"}, 6.0, 1.36)
    found = keyed(scores)
    assert found["cutoff_power_nested", "ALL", "USA", "MEX"][0] == pytest.approx(want["nested"], rel=1e-9)
    for item, numbers in want["items"].items():
        assert found["export_ban_score", item, "USA", "MEX"][0] == pytest.approx(numbers[2], rel=1e-9)


def test_the_table_of_2011_counts_what_is_made_at_home(shared_data: Path) -> None:
    table = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert table is not None
    found = io_scores(table)
    assert found["USA", "MEX"] > found["CHN", "MEX"]  # type: ignore[operator]
    assert found["CHN", "KOR"] > found["USA", "KOR"]  # type: ignore[operator]
    # A great economy that makes most of what it uses is hit less than a small open one.
    assert 0 < found["CHN", "USA"] < 0.4 * found["USA", "MEX"]  # type: ignore[operator]
    share, gamma, alpha = shares(table, table.economies.index("MEX"))
    usa = share[table.economies.index("USA")]
    own = share[table.economies.index("MEX")]
    direct = -np.log(1 - usa) / 5
    most = float(alpha @ np.linalg.solve(np.eye(len(alpha)) - gamma.T, direct))
    assert float(alpha @ direct) < found["USA", "MEX"] < most  # type: ignore[operator]
    assert ((usa + own) <= 1).all()
