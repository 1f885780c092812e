"""The equilibrium in changes: closed forms, invariances, the equations themselves, and a plain slow solver."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plain_equilibrium import plain_solve, random_economy, random_shocks

from benchmarks.economies import economy, measures
from weaponized_interdependence.errors import InputError, ModelError
from weaponized_interdependence.simulation.equilibrium import Baseline, Equilibrium, levels, solve

HATS = ("wage", "price", "price_index", "real_income", "real_wage")
TIGHT = 1e-11


def gaps(world: Baseline, found: Equilibrium, rule: str = "absolute", **asked: Any) -> dict[str, float]:
    """How far a solution is from each equation, relative; from the numbers it gives alone."""
    shape = world.share.shape
    tariff = asked.get("tariff", world.tariff)
    tax = asked.get("export_tax", np.zeros(shape))
    cost = asked.get("cost_change", np.ones(shape)) * (1 + tariff) / (1 + world.tariff) * (1 + tax)
    alive = world.share * ~asked.get("banned", np.zeros(shape, dtype=bool))
    deficit = asked.get("deficit", world.deficit)
    if rule == "share":
        value = found.wage * world.value_added
        ratio = deficit / world.value_added
        deficit = value * (ratio - (ratio @ value) / value.sum())
    theta = world.theta[:, None, None]
    log_c = world.value_added_share * np.log(found.wage) + np.einsum(
        "kjn,kn->jn", world.input_share, np.log(found.price)
    )
    terms = np.where(
        alive > 0, np.log(np.where(alive > 0, alive, 1.0)) - theta * (np.log(cost) + log_c[:, None, :]), -np.inf
    )
    total = np.logaddexp.reduce(terms, axis=2)
    supplied = np.isfinite(total)
    price = np.where(supplied, np.exp(np.where(supplied, -total / world.theta[:, None], 0.0)), 1.0)
    share = np.where(supplied[..., None], np.exp(terms - np.where(supplied, total, 0.0)[..., None]), 0.0)
    border = found.share * found.expenditure[..., None] / (1 + tariff)
    kept = border / (1 + tax)
    spending = np.einsum("kjn,jn->kn", world.input_share, kept.sum(axis=1)) + world.consumption_share * found.income
    income = found.wage * world.value_added + (tariff * border).sum((0, 2)) + (border - kept).sum((0, 1)) + deficit
    balance = border.sum((0, 1)) - border.sum((0, 2)) + deficit
    index = np.exp((world.consumption_share * np.log(found.price)).sum(0))
    before = levels(world).income
    some = found.expenditure > 0
    return {
        "price": np.abs(price / found.price - 1).max(),
        "share": np.abs(share - found.share).max(),
        "spending": np.abs(spending[some] / found.expenditure[some] - 1).max(),
        "no spending": np.abs(spending[~some]).max(initial=0.0),
        "income": np.abs(income / found.income - 1).max(),
        "trade": np.abs(balance / (found.wage * world.value_added)).max(),
        "labour": np.abs((world.value_added_share * kept.sum(1)).sum(0) / (found.wage * world.value_added) - 1).max(),
        "index": np.abs(index / found.price_index - 1).max(),
        "real income": np.abs(found.income / before / index / found.real_income - 1).max(),
        "real wage": np.abs(found.wage / index / found.real_wage - 1).max(),
        "numeraire": abs(found.wage @ world.value_added / world.value_added.sum() - 1),
    }


def closed_price(world: Baseline, own: np.ndarray) -> np.ndarray:
    """Log of prices over wages [j, n] where the share of own goods changes by the factor `own` [j, n]."""
    J, N = world.shape
    push = np.log(own) / world.theta[:, None]
    return np.stack([np.linalg.solve(np.eye(J) - world.input_share[:, :, n].T, push[:, n]) for n in range(N)], axis=1)


def own_share(share: np.ndarray) -> np.ndarray:
    return np.einsum("jnn->jn", share)


def alone(world: Baseline, n: int) -> np.ndarray:
    """The embargo of one economy by all others, both ways."""
    banned = np.zeros(world.share.shape, dtype=bool)
    banned[:, n, :] = banned[:, :, n] = True
    banned[:, n, n] = False
    return banned


def balanced(seed: int, J: int = 4, N: int = 5, **options: Any) -> Baseline:
    return economy(J, N, seed, **{"theta": (0.5, 12.0), "tariffs": False, "deficits": 0.0, **options})


# --- invariances ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_without_a_shock_nothing_changes(seed: int) -> None:
    world = economy(5, 8, seed, theta=(0.5, 65), zeros=0.3)
    found = solve(world, tol=1e-12)
    for name in HATS:
        np.testing.assert_allclose(getattr(found, name), 1.0, rtol=1e-11)
    np.testing.assert_allclose(found.share, world.share, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(found.expenditure, levels(world).expenditure, rtol=1e-11)
    assert np.abs(levels(world).imbalance).max() < 1e-12


def test_the_unit_of_money_does_not_matter() -> None:
    world = economy(4, 6, 1)
    asked = measures(world, 1)
    larger = replace(world, value_added=1e9 * world.value_added, deficit=1e9 * world.deficit)
    one, other = solve(world, **asked, tol=TIGHT), solve(larger, **asked, tol=TIGHT)
    for name in (*HATS, "share"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-9)
    np.testing.assert_allclose(other.expenditure, 1e9 * one.expenditure, rtol=1e-9)
    np.testing.assert_allclose(other.income, 1e9 * one.income, rtol=1e-9)


def test_the_order_of_economies_does_not_matter() -> None:
    world = economy(4, 7, 2, zeros=0.2)
    asked = measures(world, 2)
    order = np.random.default_rng(0).permutation(7)
    moved = Baseline(
        share=world.share[:, order][:, :, order],
        value_added_share=world.value_added_share[:, order],
        input_share=world.input_share[:, :, order],
        consumption_share=world.consumption_share[:, order],
        value_added=world.value_added[order],
        tariff=world.tariff[:, order][:, :, order],
        deficit=world.deficit[order],
        theta=world.theta,
    )
    one = solve(world, **asked, tol=TIGHT)
    other = solve(moved, **{k: v[:, order][:, :, order] for k, v in asked.items()}, tol=TIGHT)
    np.testing.assert_allclose(other.real_income, one.real_income[order], rtol=1e-9)
    np.testing.assert_allclose(other.price, one.price[:, order], rtol=1e-9)
    np.testing.assert_allclose(other.share, one.share[:, order][:, :, order], rtol=1e-8, atol=1e-14)


def test_the_order_of_sectors_does_not_matter() -> None:
    world = economy(6, 5, 3)
    asked = measures(world, 3)
    order = np.random.default_rng(0).permutation(6)
    moved = Baseline(
        share=world.share[order],
        value_added_share=world.value_added_share[order],
        input_share=world.input_share[order][:, order],
        consumption_share=world.consumption_share[order],
        value_added=world.value_added,
        tariff=world.tariff[order],
        deficit=world.deficit,
        theta=world.theta[order],
    )
    one, other = solve(world, **asked, tol=TIGHT), solve(moved, **{k: v[order] for k, v in asked.items()}, tol=TIGHT)
    np.testing.assert_allclose(other.real_income, one.real_income, rtol=1e-9)
    np.testing.assert_allclose(other.price, one.price[order], rtol=1e-9)


def test_the_numeraire_does_not_matter() -> None:
    world = economy(4, 6, 4)
    asked = measures(world, 4)
    found = solve(world, **asked, tol=TIGHT)
    dearer = replace(
        found, wage=7 * found.wage, price=7 * found.price, price_index=7 * found.price_index,
        expenditure=7 * found.expenditure, income=7 * found.income,
    )  # fmt: skip
    left = gaps(world, dearer, **asked, deficit=7 * world.deficit)
    assert left.pop("numeraire") == pytest.approx(6.0)
    assert max(left.values()) < 1e-9


def test_equal_bytes_whatever_the_memory_of_the_arguments() -> None:
    world = economy(4, 6, 5)
    asked = measures(world, 5)
    one = solve(world, **asked)
    turned = {k: np.asfortranarray(v) for k, v in asked.items()}
    for array in turned.values():
        array.flags.writeable = False
    other = solve(replace(world, share=np.asfortranarray(world.share)), **turned)
    for name in (*HATS, "share", "expenditure", "income"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_a_start_moves_the_answer_only_within_the_tolerance() -> None:
    world = economy(5, 8, 6)
    asked = measures(world, 6)
    cold = solve(world, **asked, tol=TIGHT)
    near = solve(world, **{**asked, "tariff": asked["tariff"] * 1.0001})
    warm = solve(world, **asked, tol=TIGHT, start=near)
    again = solve(world, **asked, tol=1e-9, start=cold)
    assert again.iterations <= 2 < warm.iterations < cold.iterations
    np.testing.assert_allclose(warm.real_income, cold.real_income, rtol=1e-9)


# --- closed forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_real_wage_follows_from_the_share_of_own_goods(seed: int) -> None:
    world = economy(5, 7, seed, theta=(0.5, 20))
    found = solve(world, **measures(world, seed), tol=1e-10)
    price = closed_price(world, own_share(found.share) / own_share(world.share))
    np.testing.assert_allclose(np.log(found.real_wage), -(world.consumption_share * price).sum(axis=0), atol=1e-7)


@pytest.mark.parametrize("theta", [(0.5, 1.0), (4.0, 12.0)])
def test_an_embargo_by_the_whole_world_is_autarky(theta: tuple[float, float]) -> None:
    world = balanced(7, theta=theta)
    expected = np.exp(-(world.consumption_share * closed_price(world, 1 / own_share(world.share))).sum(axis=0))
    for n in range(5):
        found = solve(world, banned=alone(world, n), tol=1e-11)
        assert found.real_income[n] == pytest.approx(expected[n], rel=1e-8)
        assert found.wage[n] == pytest.approx(1.0, abs=1e-12)  # a group of its own keeps its value added
        assert (found.share[:, n, n] == 1.0).all()


def test_a_world_of_closed_economies_is_autarky_for_all() -> None:
    world = balanced(8, theta=(0.1, 2.0))
    found = solve(world, banned=np.broadcast_to(~np.eye(5, dtype=bool), world.share.shape), tol=1e-11)
    expected = np.exp(-(world.consumption_share * closed_price(world, 1 / own_share(world.share))).sum(axis=0))
    np.testing.assert_allclose(found.real_income, expected, rtol=1e-9)


def test_one_sector_gains_from_trade() -> None:
    """Arkolakis, Costinot & Rodriguez-Clare (2012): real income is the share of own goods ** (-1/theta)."""
    world = economy(1, 12, 9, theta=(5.0, 5.001), tariffs=False, deficits=0.0, untraded=0.0)
    world = replace(world, value_added_share=np.ones((1, 12)), input_share=np.zeros((1, 1, 12)))
    world = replace(world, value_added=np.linalg.matrix_power(world.share[0].T, 4000) @ np.ones(12))
    cost = np.exp(np.random.default_rng(9).normal(0.1, 0.2, world.share.shape))
    cost[0, np.arange(12), np.arange(12)] = 1.0
    found = solve(world, cost_change=cost, tol=1e-11)
    own = own_share(found.share)[0] / own_share(world.share)[0]
    np.testing.assert_allclose(found.real_income, own ** (-1 / world.theta[0]), rtol=1e-9)


def test_two_like_economies_and_costlier_trade() -> None:
    foreign, theta, cost = 0.3, 4.0, 1.7
    share = np.array([[[1 - foreign, foreign], [foreign, 1 - foreign]]])
    world = Baseline(
        share=share, value_added_share=np.ones((1, 2)), input_share=np.zeros((1, 1, 2)),
        consumption_share=np.ones((1, 2)), value_added=np.ones(2), tariff=np.zeros((1, 2, 2)), deficit=np.zeros(2),
        theta=np.array([theta]),
    )  # fmt: skip
    found = solve(world, cost_change=np.array([[[1, cost], [cost, 1]]]), tol=1e-12)
    expected = (1 - foreign + foreign * cost**-theta) ** (1 / theta)
    np.testing.assert_allclose(found.real_income, expected, rtol=1e-11)
    # a tariff on top of nothing: spending abroad at the share of new prices, its revenue to be spent again
    tariff = 0.5
    taxed = solve(world, tariff=np.array([[[0, tariff], [tariff, 0]]]), tol=1e-12)
    total = 1 - foreign + foreign * (1 + tariff) ** -theta
    abroad = foreign * (1 + tariff) ** -theta / total
    income = 1 / (1 - abroad * tariff / (1 + tariff))
    np.testing.assert_allclose(taxed.real_income, income * total ** (1 / theta), rtol=1e-11)
    # between like economies an export tax does what a tariff does: only who collects differs
    levied = solve(world, export_tax=np.array([[[0, tariff], [tariff, 0]]]), tol=1e-12)
    np.testing.assert_allclose(levied.real_income, taxed.real_income, rtol=1e-11)


def test_all_suppliers_a_million_times_dearer_at_an_elasticity_of_65() -> None:
    """Beyond the range of a double: (10^6)^-65. Shares stay, the price rises as much, for it is no input."""
    world = balanced(10, theta=(65.0, 65.001), untraded=0.0)
    inputs = world.input_share.copy()
    inputs[0] = 0.0
    inputs *= (1 - world.value_added_share) / inputs.sum(axis=0)
    world = from_final(replace(world, input_share=inputs))
    cost = np.ones(world.share.shape)
    cost[0, 2, :] = 1e6
    found = solve(world, cost_change=cost, tol=1e-11)
    np.testing.assert_allclose(found.wage, 1.0, rtol=1e-9)
    assert found.price[0, 2] == pytest.approx(1e6, rel=1e-9)
    assert found.real_income[2] == pytest.approx(1e6 ** -world.consumption_share[0, 2], rel=1e-8)
    np.testing.assert_allclose(found.share, world.share, atol=1e-8)


def test_zero_shares_stay_zero_where_all_suppliers_that_are_left_become_far_dearer() -> None:
    """Powers are then held apart by e^898, which no double can take: times a share of zero it would be no number."""
    world = economy(2, 4, 3, theta=(65.0, 65.001), tariffs=False, deficits=0.0, untraded=0.0)
    banned = np.zeros(world.share.shape, dtype=bool)
    banned[0, 1, 2] = True
    cost = np.ones(world.share.shape)
    cost[0, 1, :] = 1e6
    asked = {"banned": banned, "cost_change": cost}
    found = solve(world, **asked, tol=1e-10)
    assert found.share[0, 1, 2] == 0.0
    assert found.price[0, 1] > 1e5
    assert max(gaps(world, found, **asked).values()) < 1e-7


def from_final(world: Baseline) -> Baseline:
    """The same shares with the value added, at balanced trade without tariffs, that they imply."""
    income = np.ones(world.shape[1])
    for _ in range(3000):
        spending = world.consumption_share * income
        for _ in range(60):
            sales = np.einsum("jni,jn->ji", world.share, spending)
            spending = np.einsum("kjn,jn->kn", world.input_share, sales) + world.consumption_share * income
        added = (world.value_added_share * sales).sum(0)
        if np.abs(added / added.sum() * income.sum() / income - 1).max() < 1e-14:
            break
        income = added / added.sum()
    return replace(world, value_added=income, deficit=np.zeros(len(income)))


def test_costs_too_far_apart_for_powers() -> None:
    """An importer whose only supplier becomes so dear that its power underflows beside that of a cheap one."""
    share = np.zeros((2, 3, 3))
    share[0] = np.eye(3)  # an input made at home, which a cost of use makes dear
    share[1] = [[0.9, 0.0, 0.1], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9]]
    world = from_final(
        Baseline(
            share=share, value_added_share=np.full((2, 3), 0.5),
            input_share=np.stack([np.stack([np.zeros(3), np.full(3, 0.5)]), np.stack([np.full(3, 0.5), np.zeros(3)])]),
            consumption_share=np.full((2, 3), 0.5), value_added=np.ones(3), tariff=np.zeros((2, 3, 3)),
            deficit=np.zeros(3), theta=np.array([0.5, 65.0]),
        )
    )  # fmt: skip
    cost = np.ones((2, 3, 3))
    cost[0, 1, 1] = 1e40
    found = solve(world, cost_change=cost, tol=1e-9)
    assert found.price[1, 1] > 1e13  # times -65: a power of 1e-845 beside one of 1
    left = gaps(world, found, cost_change=cost)
    assert max(left.values()) < 1e-6
    np.testing.assert_allclose(np.delete(found.real_income, 1), 1.0, rtol=1e-8)


# --- bans, tariffs, deficits ----------------------------------------------------------------------------------------


def test_a_ban_is_the_limit_of_costs() -> None:
    world = balanced(11, theta=(4.0, 12.0), zeros=0.2)
    banned = alone(world, 1)
    banned[:, :, 3] = banned[:, 3, :] = False
    exact = solve(world, banned=banned, tol=1e-11)
    limit = solve(world, cost_change=np.where(banned, 1e3, 1.0), tol=1e-11)
    assert (exact.share[banned] == 0.0).all()
    np.testing.assert_allclose(exact.real_income, limit.real_income, rtol=1e-9)


def test_third_parties_can_gain_and_the_target_loses() -> None:
    gained = 0
    for seed in range(10):
        world = balanced(seed, theta=(2.0, 8.0), untraded=0.0)
        banned = np.zeros(world.share.shape, dtype=bool)
        banned[:, :2, 4] = banned[:, 4, :2] = True
        found = solve(world, banned=banned).real_income
        assert found[4] < 1
        gained += int((found[2:4] > 1).any())
    assert gained > 0


def test_a_ban_loses_the_revenue_of_its_tariffs() -> None:
    world = economy(3, 5, 12, untraded=0.0, deficits=0.0)
    assert levels(world).income[2] > world.value_added[2] * 1.001
    world = replace(world, deficit=np.zeros(5))
    found = solve(world, banned=alone(world, 2), tol=1e-11)
    assert found.income[2] == pytest.approx(world.value_added[2], rel=1e-12)


def test_zeros_stay_and_unused_sectors_have_price_one() -> None:
    world = economy(4, 5, 13, zeros=0.5, tariffs=False)
    share, inputs, final = world.share.copy(), world.input_share.copy(), world.consumption_share.copy()
    share[1, 3, :] = 0.0  # nobody supplies 3 with sector 1, and nobody there wants it
    inputs[1, :, 3] = 0.0
    final[1, 3] = 0.0
    inputs[:, :, 3] *= (1 - world.value_added_share[:, 3]) / inputs[:, :, 3].sum(axis=0)
    final /= final.sum(axis=0)
    world = from_final(replace(world, share=share, input_share=inputs, consumption_share=final))
    asked = {"cost_change": np.where(np.eye(5, dtype=bool), 1.0, 1.2) * np.ones(share.shape)}
    found = solve(world, **asked, tol=1e-11)
    assert found.price[1, 3] == 1.0
    assert found.expenditure[1, 3] == 0.0
    assert (found.share[share == 0] == 0).all()
    assert max(gaps(world, found, **asked).values()) < 1e-9


def test_deficits_in_money_and_as_a_share() -> None:
    world = economy(4, 6, 14, deficits=0.1)
    asked = measures(world, 14)
    kept, scaled = solve(world, **asked, tol=TIGHT), solve(world, **asked, tol=TIGHT, deficit_rule="share")
    assert max(gaps(world, kept, **asked).values()) < 1e-9
    assert max(gaps(world, scaled, "share", **asked).values()) < 1e-9
    assert np.abs(kept.wage - scaled.wage).max() > 1e-5
    assert max(gaps(world, solve(world, deficit=np.zeros(6), tol=TIGHT), deficit=np.zeros(6)).values()) < 1e-9


def test_a_sector_without_any_supplier_is_named() -> None:
    world = replace(balanced(15), sectors=("oil", "chips", "food", "rest"), economies=("A", "B", "C", "D", "E"))
    banned = np.zeros(world.share.shape, dtype=bool)
    banned[1, 2, :] = True
    with pytest.raises(ModelError, match=r"no supplier is left.*chips in C.*leave it one supplier"):
        solve(world, banned=banned)
    with pytest.raises(ModelError, match="sector 1 in economy 2"):
        solve(replace(world, sectors=(), economies=()), banned=banned)


def test_deficits_that_trade_can_no_longer_pay_are_named() -> None:
    world = replace(economy(3, 4, 16, untraded=0.0), economies=("A", "B", "C", "D"))
    with pytest.raises(ModelError, match=r"A: cut off from all others, with a deficit") as refused:
        solve(world, banned=alone(world, 0))
    assert "deficit_rule='share'" in str(refused.value)
    found = solve(world, banned=alone(world, 0), deficit_rule="share", tol=1e-11)
    assert found.income[0] == pytest.approx(found.wage[0] * world.value_added[0], rel=1e-9)


def test_deficits_as_a_share_are_paid_within_each_group_that_trades() -> None:
    world = economy(4, 6, 14, deficits=0.1, untraded=0.0)
    banned = np.zeros(world.share.shape, dtype=bool)
    banned[:, :2, 2:] = banned[:, 2:, :2] = True
    found = solve(world, banned=banned, deficit_rule="share", tol=1e-11)
    border = found.share * found.expenditure[..., None] / (1 + world.tariff)
    deficit = border.sum((0, 2)) - border.sum((0, 1))
    value = found.wage * world.value_added
    ratio = world.deficit / world.value_added
    for group in (slice(0, 2), slice(2, 6)):
        assert deficit[group].sum() == pytest.approx(0.0, abs=1e-10 * value.sum())
        assert value[group].sum() == pytest.approx(world.value_added[group].sum(), rel=1e-10)
        common = (deficit / value - ratio)[group]
        assert common == pytest.approx(np.full(len(common), common[0]), abs=1e-9)
    revenue = (world.tariff * border).sum((0, 2))
    np.testing.assert_allclose(found.income, value + revenue + deficit, rtol=1e-9)


def test_trade_in_one_direction_alone_is_named() -> None:
    world = replace(balanced(17, untraded=0.0), economies=("A", "B", "C", "D", "E"))
    banned = alone(world, 3)
    banned[:, 3, :] = False
    with pytest.raises(ModelError, match="D: may buy from others but sell them nothing"):
        solve(world, banned=banned)
    with pytest.raises(ModelError, match="D: may sell to others but buy nothing of them"):
        solve(world, banned=alone(world, 3) & ~banned)
    with pytest.raises(ModelError, match="not converged") as stuck:  # as shares, deficits follow wages: tried first
        solve(world, banned=banned, deficit_rule="share")
    assert "D: may buy from others but sell them nothing" in str(stuck.value)


@pytest.mark.parametrize("rule", ["absolute", "share"])
def test_a_surplus_beyond_income_is_no_equilibrium(rule: Any) -> None:
    """The equations have a solution with final spending below zero; nobody can live in it."""
    world = economy(3, 4, 5, deficits=0.0, untraded=0.0, home=0.5)
    world = replace(world, deficit=np.zeros(4), economies=("A", "B", "C", "D"))
    deficit = np.zeros(4)
    for part, lives in ((0.9, True), (1.1, False)):
        deficit[1] = -part * world.value_added[1]
        deficit[2] = -deficit[1]
        if lives:
            assert (solve(world, deficit=deficit, deficit_rule=rule).income > 0).all()
            continue
        with pytest.raises(ModelError, match=r"spending below zero(?s:.*)B is left without income"):
            solve(world, deficit=deficit, deficit_rule=rule)
        with pytest.raises(ModelError, match=r"baseline has spending below zero(?s:.*)B is left without income"):
            levels(replace(world, deficit=deficit))


def test_too_few_sweeps_say_so() -> None:
    world = economy(4, 6, 18)
    with pytest.raises(ModelError, match=r"residual \d.*after 5 sweeps.*max_iterations"):
        solve(world, **measures(world, 18), max_iterations=5)


# --- the equations, and a solver that shares nothing with ours -------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_every_equation_holds(seed: int) -> None:
    world = economy(5, 7, seed, theta=(0.5, 65), zeros=0.3)
    rng = np.random.default_rng(seed)
    asked = measures(world, seed)
    asked["export_tax"] = rng.gamma(0.5, 0.2, world.share.shape) * (rng.uniform(size=world.share.shape) < 0.3)
    found = solve(world, **asked, tol=1e-9)
    assert found.residual <= 1e-9
    left = gaps(world, found, **asked)
    assert max(left.values()) < 1e-8, left


@pytest.mark.parametrize("seed", range(8))
def test_the_same_as_a_plain_solver(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = random_economy(rng, 4, 3, theta=(0.5, 15.0), zeros=0.2 * (seed % 2), nontraded=seed % 2)
    asked = random_shocks(rng, world)
    if seed % 3 == 0:
        asked["deficit"] = np.zeros(4)
    ours, plain = solve(world, **asked, tol=1e-11), plain_solve(world, **asked)
    for name in (*HATS, "income"):
        np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(ours.share, plain.share, atol=1e-8)
    np.testing.assert_allclose(ours.expenditure, plain.expenditure, rtol=1e-7)


def at_random(seed: int) -> tuple[Baseline, dict[str, Any]]:
    """Sizes, elasticities of 0.5 to 65, zeros, deficits, openness and measures, all drawn."""
    rng = np.random.default_rng(seed)
    J, N = int(rng.integers(1, 20)), int(rng.integers(4, 30))
    world = economy(
        J, N, seed, theta=(0.5, 65), zeros=rng.uniform(0, 0.5), deficits=rng.uniform(0, 0.1),
        home=rng.uniform(0.5, 3), untraded=rng.uniform(0, 0.4) if J > 1 else 0.0,
    )  # fmt: skip
    asked: dict[str, Any] = measures(world, seed)
    if seed % 4 == 1:
        asked["banned"] = (rng.uniform(size=world.share.shape) < 0.5) & ~np.eye(N, dtype=bool)
    if seed % 4 == 2:
        asked["cost_change"] = np.exp(rng.normal(0.2, 0.5, world.share.shape))
    if seed % 4 == 3:
        asked["export_tax"] = np.abs(rng.normal(0, 0.3, world.share.shape))
        asked["deficit"] = np.zeros(N)
    return world, asked


def test_200_random_economies_converge() -> None:
    sweeps = []
    for seed in range(200):
        world, asked = at_random(seed)
        rule = "share" if seed % 4 == 1 else "absolute"
        found = solve(world, **asked, deficit_rule=rule)
        assert max(gaps(world, found, rule, **asked).values()) < 1e-7, seed
        sweeps.append(found.iterations)
    assert np.median(sweeps) < 45


def test_one_sector_of_120_economies_within_a_tenth_of_a_second() -> None:
    world = economy(1, 120, 19, theta=(4.0, 4.001), untraded=0.0)
    solve(economy(2, 3, 0))  # compiled, or read from the cache
    asked = measures(world, 19)
    started = time.process_time()
    still, moved = solve(world), solve(world, **asked)
    assert time.process_time() - started < 0.2  # two of them
    np.testing.assert_allclose(still.real_income, 1.0, rtol=1e-12)
    assert max(gaps(world, moved, **asked).values()) < 1e-8


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_bad_baseline_gives_every_fault_at_once() -> None:
    world = economy(3, 4, 20)
    share, tariff, theta = world.share.copy(), world.tariff.copy(), world.theta.copy()
    share[0, 1, 2] += 0.1
    share[1, 0, 0] = -0.2
    share[2, 2, 2] = np.nan
    tariff[0, 0, 1] = -1.0
    theta[1] = 0.0
    with pytest.raises(InputError) as refused:
        replace(
            world, share=share, tariff=tariff, theta=theta, deficit=world.deficit + 1, value_added=-world.value_added,
            input_share=world.input_share * 1.1, consumption_share=world.consumption_share * 2,
        )  # fmt: skip
    text = str(refused.value)
    for part in (
        "2 cell(s) of share are not finite and at least 0 and at most 1", "[1, 0, 0] = -0.2", "[2, 2, 2] = nan",
        "share does not add up to 1 (or 0) over exporters", "tariff are not finite and above -1", "[0, 0, 1] = -1",
        "theta are not finite and above 0", "value_added are not finite and above 0", "deficits add up to",
        "input_share does not add up to 1", "consumption_share does not add up to 1",
    ):  # fmt: skip
        assert part in text


def test_shapes_are_checked_together() -> None:
    world = economy(3, 4, 21)
    with pytest.raises(InputError) as refused:
        replace(world, theta=np.ones(4), deficit=np.zeros(3), tariff=np.zeros((4, 4)), economies=("A", "A"))
    assert len(refused.value.faults) == 4
    with pytest.raises(InputError, match=r"share has shape \(3, 4, 3\)"):
        replace(world, share=np.ones((3, 4, 3)))


def test_what_is_no_number_is_a_fault_like_any_other() -> None:
    world = economy(3, 4, 21)
    with pytest.raises(InputError) as refused:
        replace(world, theta=["a", "b", "c"], deficit=[[1.0], [1.0, 2.0]])  # type: ignore[arg-type]
    assert {fault.where for fault in refused.value.faults} == {"theta", "deficit"}
    with pytest.raises(InputError, match="deficit is not an array of numbers"):
        solve(world, deficit=np.array(["a"] * 4))  # type: ignore[arg-type]


def test_a_baseline_does_not_change_with_the_arrays_it_was_made_of() -> None:
    world = economy(3, 4, 21)
    given = world.share.copy()
    made = replace(world, share=given)
    before = solve(made, **measures(world, 21))
    given[:] = 0.25
    assert (made.share == world.share).all()
    assert solve(made, **measures(world, 21)).real_income.tobytes() == before.real_income.tobytes()
    assert replace(made, theta=made.theta * 2).share is not given
    assert np.shares_memory(replace(made, theta=made.theta * 2).share, made.share)  # what nobody can write to is shared


def test_a_start_of_another_world_is_refused() -> None:
    world = balanced(25, 3, 5)
    for other in (balanced(25, 2, 5), balanced(25, 3, 4)):
        with pytest.raises(InputError, match=r"start has .* of shape"):
            solve(world, start=solve(other))
    found = solve(world)
    with pytest.raises(InputError, match=r"start.wage are not finite and above 0"):
        solve(world, start=replace(found, wage=-found.wage))


def test_use_without_any_supplier_is_a_fault_of_the_baseline() -> None:
    world = balanced(22)
    share = world.share.copy()
    share[1, 2, :] = 0.0
    with pytest.raises(InputError, match="economy 2 uses sector 1, which no exporter supplies to it"):
        replace(world, share=share)


def test_bad_arguments_give_every_fault_at_once() -> None:
    world = economy(3, 4, 23)
    cost = np.ones(world.share.shape)
    cost[0, 0, 1] = 0.0
    with pytest.raises(InputError) as refused:
        solve(
            world, cost_change=cost, tariff=np.full((3, 4, 4), -1.0), banned=np.zeros((3, 4, 4)),
            export_tax=np.zeros((4, 4)), deficit=np.array([1.0, 0, 0, np.nan]), deficit_rule="none", tol=0.0,
            max_iterations=0,
        )  # fmt: skip
    named = {fault.where for fault in refused.value.faults}
    assert named == {
        "cost_change",
        "tariff",
        "banned",
        "export_tax",
        "deficit",
        "deficit_rule",
        "tol",
        "max_iterations",
    }
    with pytest.raises(InputError, match="deficits add up to 4, and must to zero"):
        solve(world, deficit=np.ones(4))


def test_a_baseline_out_of_balance_can_be_seen() -> None:
    world = balanced(24)
    assert np.abs(levels(world).imbalance).max() < 1e-12
    value = world.value_added.copy()
    value[0] *= 1.1
    assert np.abs(levels(replace(world, value_added=value)).imbalance).max() > 0.01


def test_shares_off_by_rounding_are_made_to_add_up() -> None:
    """Six printed digits are enough: what rounding leaves is taken out, and the world stands still."""
    world = random_economy(np.random.default_rng(0), 6, 5)
    told = replace(
        world,
        share=world.share * (1 + 9e-7),
        consumption_share=world.consumption_share * (1 - 9e-7),
        value_added_share=world.value_added_share * (1 + 5e-7),
    )
    assert np.abs(told.share.sum(axis=2)[world.share.sum(axis=2) > 0] - 1).max() < 1e-12
    assert np.abs(solve(told).real_income - 1).max() < 1e-5
    with pytest.raises(InputError, match="not usable"):
        replace(world, share=world.share * (1 + 2e-6))
