"""The substitution model against closed forms, a plain slow loop, and the properties of cut-off power."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.simulation.impact import Assumption
from weaponized_interdependence.simulation.market_clearing import equilibrium
from weaponized_interdependence.simulation.substitution import (
    RHO,
    Market,
    cutoff_power,
    cutoff_score,
    market_of,
    slices_of,
    spending_loss,
    substitution,
    targeting,
)

QUIET = settings(deadline=None, max_examples=60)
SHARE = st.floats(0, 0.95)
SIGMA = st.floats(1.05, 30)


# ---- cut-off power ----------------------------------------------------------------------------------------------


def test_cutoff_power_at_stated_points() -> None:
    # sigma = 1.76 and omega = .9 give ln P = 3.03, a price twenty times as high
    assert cutoff_power(0.9, 1.76) == pytest.approx(3.03, abs=0.005)
    assert math.exp(cutoff_power(0.9, 1.76)) == pytest.approx(20, rel=0.04)
    assert cutoff_power(0.0, 3.0) == 0
    assert cutoff_power(1.0, 3.0) == math.inf


@QUIET
@given(a=SHARE, b=SHARE, t=st.floats(0, 1), sigma=SIGMA)
def test_cutoff_power_is_convex_in_the_share(a: float, b: float, t: float, sigma: float) -> None:
    between = cutoff_power(t * a + (1 - t) * b, sigma)
    assert between <= t * cutoff_power(a, sigma) + (1 - t) * cutoff_power(b, sigma) + 1e-12


@QUIET
@given(a=st.floats(0, 0.45), b=st.floats(0, 0.45), sigma=SIGMA)
def test_a_coalition_has_more_power_than_its_members_apart(a: float, b: float, sigma: float) -> None:
    assert cutoff_power(a + b, sigma) >= cutoff_power(a, sigma) + cutoff_power(b, sigma) - 1e-12


@QUIET
@given(omega=st.floats(0.01, 0.95), sigma=SIGMA, more=st.floats(0.01, 10))
def test_power_falls_as_sources_become_alike(omega: float, sigma: float, more: float) -> None:
    assert cutoff_power(omega, sigma + more) < cutoff_power(omega, sigma)


def test_the_targeting_score_is_the_published_form() -> None:
    imports, omega, sigma = np.array([10.0, 20.0, 5.0]), np.array([0.5, 0.2, 0.0]), np.array([2.0, 5.0, 3.0])
    expected = imports * ((1 - omega) ** (-1 / (sigma - 1)) - 1)
    assert cutoff_score(imports, omega, sigma) == pytest.approx(expected)


def test_targeting_ranks_items_by_what_their_loss_would_cost() -> None:
    rows = [
        ("USA", "RUS", "chips", 30.0), ("DEU", "RUS", "chips", 45.0), ("CHN", "RUS", "chips", 25.0),
        ("USA", "RUS", "wine", 10.0), ("CHN", "RUS", "wine", 90.0), ("DEU", "RUS", "lace", 1.0),
        ("USA", "CHN", "wine", 5.0), ("RUS", "BLR", "wine", 50.0), ("CHN", "RUS", "rice", 8.0),
    ]  # fmt: skip
    flow = pl.DataFrame(rows, schema=["origin", "destination", "item", "value"], orient="row")
    sigma = pl.DataFrame({"item": ["chips", "wine", "lace", "rice"], "sigma": [2.0, 3.0, 4.0, 5.0]})
    found = targeting(flow, ["USA", "DEU"], ["RUS", "BLR"], sigma)
    assert found["item"].to_list() == ["lace", "chips", "wine", "rice"]
    score = dict(found.select("item", "score").iter_rows())
    assert score["lace"] == math.inf  # no other source
    assert score["chips"] == pytest.approx(100 * (1 / 0.25 - 1))
    assert score["wine"] == pytest.approx(100 * (0.9**-0.5 - 1))  # trade within the target is not a purchase of it
    assert score["rice"] == 0
    with pytest.raises(ModelError, match="lace"):
        targeting(flow, ["USA", "DEU"], ["RUS"], sigma.filter(pl.col("item") != "lace"))


# ---- spending across items --------------------------------------------------------------------------------------

WEIGHTS = st.lists(st.floats(0, 0.2), min_size=1, max_size=5)


@QUIET
@given(weights=WEIGHTS, prices=st.lists(st.floats(0.2, 50), min_size=5, max_size=5), rho=st.floats(1.05, 4))
def test_parts_add_up_and_the_loss_is_the_ces_index(weights: list[float], prices: list[float], rho: float) -> None:
    a, p = np.array(weights), np.array(prices[: len(weights)])
    loss, parts = spending_loss(a[None, :], (1 - p ** (1 - rho))[None, :], rho)
    index = (1 - a.sum() + (a * p ** (1 - rho)).sum()) ** (1 / (1 - rho))
    assert loss[0] == pytest.approx(1 - 1 / index, abs=1e-12)
    assert parts.sum() == pytest.approx(loss[0], abs=1e-12)


def test_cobb_douglas_is_the_limit_at_one() -> None:
    a, p = np.array([[0.3, 0.2]]), np.array([2.0, 1.5])
    loss, parts = spending_loss(a, np.log(p)[None, :], 1.0)
    assert loss[0] == pytest.approx(1 - math.exp(-(0.3 * math.log(2) + 0.2 * math.log(1.5))))
    near, _ = spending_loss(a, (1 - p ** (1 - 1.000001))[None, :], 1.000001)
    assert near[0] == pytest.approx(loss[0], rel=1e-4)
    assert parts.sum() == pytest.approx(loss[0])


def test_a_complete_cut_is_infinite_power_and_a_finite_loss() -> None:
    loss, _ = spending_loss(np.array([[0.05]]), np.array([[1.0]]), 2.0)
    assert loss[0] == pytest.approx(0.05)  # at rho = 2: its own value
    dearer, _ = spending_loss(np.array([[0.05]]), np.array([[1.0]]), 1.36)
    assert dearer[0] == pytest.approx(1 - 0.95 ** (1 / 0.36))


def test_gains_and_losses_that_cancel_leave_parts_that_add_up() -> None:
    _, parts = spending_loss(np.array([[0.1, 0.1]]), np.array([[0.02, -0.02]]), 1.36)
    assert parts[0].tolist() == pytest.approx([0.002 / 0.36, -0.002 / 0.36])


# ---- slices and their equilibrium -------------------------------------------------------------------------------


def market(rows: list[tuple[int, int, int, float, float, float]], economies: int, items: int = 1) -> Market:
    o, d, i, x, s, t = (np.array(column) for column in zip(*rows, strict=True))
    names = tuple(f"E{n}" for n in range(economies))
    cases = np.stack([s, s, s]).astype(float)
    codes = tuple(f"HS:{n:02d}" for n in range(items))
    return Market(names, codes, np.arange(items), o, d, i, x.astype(float), cases, t.astype(float))


def slow_slices(m: Market, sigma: list[float]) -> list[dict[str, dict[int, float]]]:
    """The docstring's formulas, one slice and one cell at a time, prices by plain repetition."""
    answers = []
    for p in range(len(m.item_of)):
        flows = [
            (i, n, x, d, t)
            for i, n, q, x, d, t in zip(m.origin, m.destination, m.market, m.value, m.denied[1], m.tariff, strict=True)
            if q == p
        ]
        levels = sorted({d for *_, d, _ in flows if d > 0} | ({1.0} if any(t for *_, t in flows) else set()))
        for low, high in zip([0.0, *levels], levels, strict=False):
            here = [(i, n, x * (high - low), d >= high, t) for i, n, x, d, t in flows]
            answers.append(slow_equilibrium(here, sigma[p]))
    return answers


def slow_equilibrium(flows: list[tuple[int, int, float, bool, float]], sigma: float) -> dict[str, dict[int, float]]:
    spend: dict[int, float] = {}
    sales: dict[int, float] = {}
    for i, n, x, _, _ in flows:
        spend[n], sales[i] = spend.get(n, 0.0) + x, sales.get(i, 0.0) + x
    price = dict.fromkeys(sales, 1.0)
    for _ in range(20_000):
        power, demand = dict.fromkeys(spend, 0.0), dict.fromkeys(sales, 0.0)
        for i, n, x, denied, t in flows:
            if not denied:
                power[n] += x / spend[n] * (price[i] * (1 + t)) ** (1 - sigma)
        for i, n, x, denied, t in flows:
            if not denied:
                demand[i] += x * (price[i] * (1 + t)) ** (1 - sigma) / power[n] / (1 + t)
        step = {i: (demand[i] / (price[i] * sales[i])) ** (1 / sigma) if demand[i] > 0 else 0.0 for i in price}
        if max(abs(s - 1) for s in step.values() if s > 0) < 1e-13:
            break
        price = {i: price[i] * step[i] if step[i] > 0 else 1.0 for i in price}
    return {"power": power, "price": {i: price[i] if demand[i] > 0 else 0.0 for i in price}, "demand": demand}


@st.composite
def markets(draw: st.DrawFn) -> tuple[Market, list[float]]:
    n, items = draw(st.integers(3, 4)), draw(st.integers(1, 2))
    value = st.floats(0.1, 100)
    denied, duty = st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.0, 0.25])
    rows = [
        (i, j, p, draw(value), draw(denied) if 0 in (i, j) else 0.0, draw(duty) if i == 0 else 0.0)
        for p in range(items)
        for i in range(n)
        for j in range(n)
        if i != j
    ]  # fmt: skip
    return market(rows, n, items), [draw(st.floats(1.3, 8)) for _ in range(items)]


@settings(deadline=None, max_examples=25)
@given(markets())
def test_equilibrium_equals_plain_repetition(drawn: tuple[Market, list[float]]) -> None:
    m, sigma = drawn
    slices = slices_of(m, m.denied[1])
    fast, slow = equilibrium(slices, np.array(sigma)[slices.item_of]), slow_slices(m, sigma)
    assert len(slices) == len(slow)
    for k, one in enumerate(slow):
        for i, price in one["price"].items():
            assert fast.price[k, i] == pytest.approx(price, rel=1e-6, abs=1e-12)
        for n, power in one["power"].items():
            assert np.exp(fast.log_power[k, n]) == pytest.approx(power, rel=1e-6, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(markets())
def test_what_buyers_pay_is_what_sellers_and_duty_receive(drawn: tuple[Market, list[float]]) -> None:
    m, sigma = drawn
    slices = slices_of(m, m.denied[1])
    found = equilibrium(slices, np.array(sigma)[slices.item_of])
    served = np.isfinite(found.log_power)
    paid = np.where(served, slices.spending.reshape(served.shape), 0.0).sum(axis=1)
    earned = (found.price * slices.sales.reshape(served.shape)).sum(axis=1) + found.revenue.sum(axis=1)
    assert earned == pytest.approx(paid, rel=1e-8)


def test_prices_beyond_what_powers_can_hold() -> None:
    # E0 is left with one buyer that has no other source and spends a billionth: p = 1e-9, p^(1 - sigma) = 1e891
    m = market([(0, 1, 0, 1e9, 1, 0), (0, 2, 0, 1, 0, 0), (3, 1, 0, 1e9, 0, 0)], 4)
    found = equilibrium(slices_of(m, m.denied[1]), np.array([100.0]))
    assert found.price[0, [0, 3]] == pytest.approx([1 / (1e9 + 1), 2.0], rel=1e-8)
    assert found.log_power[0, 2] == pytest.approx(-99 * math.log(1 / (1e9 + 1)))
    assert losses(m, 100.0, {})["E2", "imports"] == pytest.approx(1 - (1e9 + 1), rel=1e-6)


def test_markets_that_take_long_and_short_are_solved_together() -> None:
    # The step contracts by 1 - 1/sigma: .23 and .998. Each market must come out as it does by itself.
    draw = np.random.default_rng(7)
    sigma = np.array([1.3, 2.0, 3.0, 5.0, 9.0, 30.0, 120.0, 500.0])
    worlds = [
        [
            (i, j, 0, float(draw.lognormal(0, 2)) * (1 if i != j else 20), float(i == 0 != j), duty * (i == 1 != j))
            for i in range(6)
            for j in range(6)
        ]
        for duty in np.tile([0.0, 0.1], len(sigma) // 2)
    ]
    m = market([(i, j, p, x, d, t) for p, rows in enumerate(worlds) for i, j, _, x, d, t in rows], 6, len(sigma))
    slices = slices_of(m, m.denied[1])
    together = equilibrium(slices, sigma)
    spending, sales = slices.spending.reshape(-1, 6).sum(axis=1), slices.sales.reshape(-1, 6)
    assert (together.price * sales).sum(axis=1) + together.revenue.sum(axis=1) == pytest.approx(spending)
    for p, rows in enumerate(worlds):
        one = market(rows, 6)
        alone = equilibrium(slices_of(one, one.denied[1]), sigma[p : p + 1])
        assert together.price[p] == pytest.approx(alone.price[0], rel=1e-7)


def test_prices_that_are_not_found_are_an_error_with_the_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    m = market([(0, 1, 0, 60, 1, 0), (0, 2, 0, 40, 0, 0), (2, 1, 0, 40, 0, 0)], 3)
    monkeypatch.setattr("weaponized_interdependence.simulation.market_clearing.MOST_STEPS", 2)
    with pytest.raises(ModelError, match=r"1 markets not found in 2 steps; .* factor of up to 2\.15"):
        equilibrium(slices_of(m, m.denied[1]), np.array([6.0]))


@pytest.mark.parametrize("sigma", [1.0, 0.5, math.nan])
def test_an_elasticity_without_a_finite_answer_is_refused(sigma: float) -> None:
    m = market([(0, 1, 0, 60, 1, 0), (2, 1, 0, 40, 0, 0)], 3)
    with pytest.raises(ModelError, match="above 1"):
        equilibrium(slices_of(m, m.denied[1]), np.array([sigma]))


def test_no_shock_changes_nothing() -> None:
    m = market([(0, 1, 0, 5, 0, 0), (1, 2, 0, 7, 0, 0), (2, 0, 0, 3, 0, 0), (2, 1, 0, 4, 0, 0)], 3)
    assert len(slices_of(m, m.denied[1])) == 0
    assert losses(m, 3.0, {}) == {}


def test_shares_are_nested_products_of_the_item() -> None:
    m = market([(0, 1, 0, 60, 0.3, 0), (2, 1, 0, 40, 0.5, 0), (3, 1, 0, 50, 0, 0)], 4)
    slices = slices_of(m, m.denied[1])
    denied = slices.denied.reshape(2, 3)
    assert slices.spending.reshape(2, 4)[:, 1].tolist() == pytest.approx([0.3 * 150, 0.2 * 150])
    assert denied.sum(axis=1).tolist() == [2, 1]  # both in the first .3 of products, one in the next .2


@QUIET
@given(share=st.floats(0, 1), sigma=st.floats(1.2, 12))
def test_loss_runs_evenly_from_nothing_to_that_of_a_ban(share: float, sigma: float) -> None:
    def rows(d: float) -> list[tuple[int, int, int, float, float, float]]:
        return [(0, 1, 0, 60, d, 0), (0, 2, 0, 40, 0, 0), (2, 1, 0, 40, 0, 0)]

    whole, part = (losses(market(rows(d), 3), sigma, {}) for d in (1.0, share))
    for key, value in whole.items():
        assert part.get(key, 0.0) == pytest.approx(share * value, rel=1e-6, abs=1e-9)


def test_a_quota_on_a_sole_supplier_costs_it_what_may_not_be_sold() -> None:
    for share in (0.5, 0.99, 1.0):
        found = losses(market([(0, 1, 0, 100, share, 0)], 2), 3.0, dict.fromkeys(("E0", "E1"), 1e6))
        assert found["E0", "exports"] == pytest.approx(100 * share)


def test_goods_and_services_of_one_code_are_two_markets() -> None:
    columns = ("layer", "origin", "destination", "item", "value")
    goods = [("goods", "USA", "RUS", "TOTAL", 100.0), ("goods", "CHN", "RUS", "TOTAL", 100.0)]
    shock = pl.DataFrame(goods[:1], schema=columns, orient="row").drop("value")
    shock = shock.with_columns(denied_low=1.0, denied=1.0, denied_high=1.0, tariff=0.0)
    alone = market_of(pl.DataFrame(goods, schema=columns, orient="row"), shock)
    beside = [*goods, ("services", "CHN", "RUS", "TOTAL", 1000.0)]
    both = market_of(pl.DataFrame(beside, schema=columns, orient="row"), shock)
    assert losses(alone, 3.0, {}) == pytest.approx(losses(both, 3.0, {}))


# ---- the model --------------------------------------------------------------------------------------------------


def sigmas(m: Market, sigma: float) -> dict[str, pl.DataFrame]:
    row = {"pattern": "HS:0", "sigma_low": sigma, "sigma": sigma, "sigma_high": sigma, "basis": "estimated"}
    return {"long": pl.DataFrame([{"item": item, **row} for item in m.items])}


SURE = Assumption("rho", 2.0, 2.0, 2.0, "elasticity", "assumed", "test")


def losses(m: Market, sigma: float, spending: dict[str, float]) -> dict[tuple[str, str], float]:
    rows = substitution(m, sigmas(m, sigma), spending, "observed", SURE).rows
    return {
        (r["party"], r["channel"]): r["value"]
        for r in rows.group_by("party", "channel").agg(pl.col("value").sum()).iter_rows(named=True)
    }


def test_the_worked_example_of_docs_models() -> None:
    # E0 sells 60 to E1 and 40 to E2; E2 sells 40 to E1. E1 stops buying from E0. sigma = 2, rho = 2, spending 1000.
    m = market([(0, 1, 0, 60, 1, 0), (0, 2, 0, 40, 0, 0), (2, 1, 0, 40, 0, 0)], 3)
    found = losses(m, 2.0, dict.fromkeys(m.economies, 1000.0))
    # E0 is left with E2's 40 for its 100: price .4. E2 gets all of E1's 100 for its 40: price 2.5.
    assert found["E0", "exports"] == pytest.approx(60)
    assert found["E2", "exports"] == pytest.approx(-60)
    # E1's index: .4 of its sources left, at price 2.5, so 1/P = .4/2.5; at rho = 2 its loss is 100 (1 - 1/P)
    assert found["E1", "imports"] == pytest.approx(84)
    # E2 buys from E0 at .4 of the price: a gain, and it is not clipped
    assert found["E2", "imports"] == pytest.approx(40 * (1 - 1 / 0.4))
    assert found["E2", "imports"] < 0 > found["E2", "exports"]


def test_a_seller_shut_out_everywhere_loses_all_its_sales() -> None:
    m = market([(0, 1, 0, 60, 1, 0), (2, 1, 0, 40, 0, 0)], 3)
    assert losses(m, 3.0, dict.fromkeys(m.economies, 1e3))["E0", "exports"] == pytest.approx(60)


def test_a_complete_cut_of_every_source_is_finite() -> None:
    m = market([(0, 1, 0, 60, 1, 0), (2, 1, 0, 40, 1, 0)], 3)
    found = losses(m, 3.0, dict.fromkeys(m.economies, 1e3))
    assert found["E1", "imports"] == pytest.approx(100)


def test_a_duty_hurts_both_sides_and_its_revenue_comes_back() -> None:
    m = market([(0, 1, 0, 50, 0, 0.25), (2, 1, 0, 50, 0, 0), (0, 2, 0, 50, 0, 0)], 3)
    found = losses(m, 3.0, dict.fromkeys(m.economies, 1e6))
    assert found["E0", "exports"] > 0
    assert found["E1", "revenue"] < 0 < found["E1", "imports"]
    # the envelope theorem: to first order in a small duty the buyer's price loss is what it pays in duty
    small = market([(0, 1, 0, 50, 0, 1e-5), (2, 1, 0, 50, 0, 0)], 3)
    fixed = equilibrium(slices_of(small, small.denied[1]), np.array([3.0]))
    assert -losses(small, 3.0, dict.fromkeys(small.economies, 1e6))["E1", "revenue"] == pytest.approx(50e-5, rel=1e-3)
    assert fixed.price[0, 0] < 1


def test_size_of_the_economy_does_not_matter_to_first_order() -> None:
    m = market([(0, 1, 0, 1, 0.2, 0), (2, 1, 0, 99, 0, 0)], 3)
    known = losses(m, 4.0, dict.fromkeys(m.economies, 1e5))["E1", "imports"]
    unknown = losses(m, 4.0, {})["E1", "imports"]
    assert known == pytest.approx(unknown, rel=1e-6)


@QUIET
@given(kept=st.floats(0.05, 0.9), sigma=st.floats(1.2, 10))
def test_lower_elasticities_cost_a_shut_out_seller_more(kept: float, sigma: float) -> None:
    # E0 loses one of two markets; in the other it competes with E2.
    m = market([(0, 1, 0, 100, 1, 0), (2, 1, 0, 100, 0, 0), (0, 3, 0, 100 * kept, 0, 0), (2, 3, 0, 100, 0, 0)], 4)
    hard, easy = losses(m, sigma, {}), losses(m, sigma * 2, {})
    assert hard["E0", "exports"] > easy["E0", "exports"] > 0
    assert hard["E1", "imports"] > easy["E1", "imports"] > 0


def test_bands_run_from_easy_to_hard_substitution() -> None:
    m = market([(0, 1, 0, 60, 1, 0), (0, 2, 0, 40, 0, 0), (2, 1, 0, 40, 0, 0)], 3)
    row = {"item": "HS:00", "pattern": "HS:0", "sigma_low": 2.0, "sigma": 4.0, "sigma_high": 8.0, "basis": "estimated"}
    rows = substitution(m, {"long": pl.DataFrame([row])}, dict.fromkeys(m.economies, 1e3), "observed").rows
    buyer = rows.filter((pl.col("party") == "E1") & (pl.col("channel") == "imports")).row(0, named=True)
    assert buyer["low"] < buyer["value"] < buyer["high"]
    assert set(rows["basis"]) == {"assumed"}  # rho is


def test_rho_without_a_finite_answer_is_refused() -> None:
    m = market([(0, 1, 0, 60, 1, 0), (2, 1, 0, 40, 0, 0)], 3)
    with pytest.raises(ModelError, match="rho"):
        substitution(m, sigmas(m, 3.0), {}, "observed", Assumption("rho", 1.36, 1.0, 2.0, "", "assumed", ""))
    assert RHO.low > 1
