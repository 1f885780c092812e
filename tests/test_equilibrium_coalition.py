"""Coalitions against what they could do: closed forms, definitions worked out by hand from `solve`, properties."""

import doctest
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_equilibrium import random_economy

from weaponized_interdependence.errors import InputError, ModelError
from weaponized_interdependence.simulation.equilibrium import coalition
from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual
from weaponized_interdependence.simulation.equilibrium.coalition import (
    Case,
    autarky,
    benchmarks,
    gini,
    losses,
    marginal_values,
    payoff,
)
from weaponized_interdependence.simulation.equilibrium.coalition_choice import equalising_transfers, greedy_coalition
from weaponized_interdependence.simulation.equilibrium.economy import Baseline
from weaponized_interdependence.simulation.equilibrium.solver import levels, solve
from weaponized_interdependence.terms import Benchmark


def world(seed: int = 1, n: int = 7, j: int = 3, **more: object) -> Baseline:
    rng = np.random.default_rng(seed)
    return random_economy(rng, n, j, **{"theta": (1.5, 8.0), "deficits": False, **more})  # type: ignore[arg-type]


def case(base: Baseline, coalition: tuple[int, ...] = (1, 2, 3), target: tuple[int, ...] = (0,)) -> Case:
    """Every member bans sector 0 both ways and lays a duty of 20 per cent on what it buys of sector 1."""
    ban, tariff = np.zeros(base.share.shape, dtype=bool), np.array(base.tariff)
    for m in coalition:
        for t in target:
            ban[0, t, m] = ban[0, m, t] = True
            tariff[1, m, t] += 0.2
    return Case(base, target, coalition, Counterfactual(banned=ban, tariff=tariff))


def settled(base: Baseline) -> Baseline:
    """The same shares, moved until trade balances."""
    after = solve(base, tol=1e-13)
    return replace(base, share=after.share, value_added=after.wage * base.value_added)


def apart(seed: int) -> Baseline:
    """Economies 5 and 6 trade with all but economy 0."""
    share = np.array(world(seed).share)
    share[:, 0, 5:] = share[:, 5:, 0] = 0.0
    return settled(replace(world(seed), share=share / share.sum(axis=2, keepdims=True)))


def lost(base: Baseline, **shocks: np.ndarray) -> np.ndarray:
    return levels(base).income * (1.0 - solve(base, tol=1e-11, **shocks).real_income)


def embargo(base: Baseline, target: int, members: list[int]) -> np.ndarray:
    ban = np.zeros(base.share.shape, dtype=bool)
    for m in members:
        ban[:, target, m] = ban[:, m, target] = True
    return ban


def test_benchmarks_are_what_their_definitions_say() -> None:
    base = world()
    mine = case(base)
    found = {r["benchmark"]: r for r in benchmarks(mine).to_dicts()}
    assert tuple(found) == tuple(Benchmark)
    wide = case(base, (1, 2, 3, 4, 5, 6)).measures
    duty = np.array(base.tariff)
    # those outside lay the mean of the added duties, which is the same for all here
    duty[1, 1:, 0] += 0.2
    assert np.allclose(wide.tariff, duty)
    expected = {
        "actual": lost(base, banned=mine.measures.banned, tariff=mine.measures.tariff),
        "horizontal": lost(base, banned=wide.banned, tariff=duty),
        "vertical": lost(base, banned=embargo(base, 0, [1, 2, 3])),
        "autarky": lost(base, banned=embargo(base, 0, [1, 2, 3, 4, 5, 6])),
    }
    for name, money in expected.items():
        row = found[name]
        assert row["why"] is None
        assert row["target_loss"] == pytest.approx(money[0], rel=1e-6)
        assert row["target_loss_share"] == pytest.approx(money[0] / levels(base).income[0], rel=1e-6)
        assert row["coalition_loss"] == pytest.approx(money[1:4].sum(), rel=1e-5)
        assert row["others_loss"] == pytest.approx(money[4:].sum(), rel=1e-5)
        assert row["world_loss"] == pytest.approx(money.sum(), rel=1e-6)
        assert row["realised"] == pytest.approx(expected["actual"][0] / money[0], rel=1e-6)
        laying = money[1:4] if name in ("actual", "vertical") else money[1:]
        assert row["payoff"] == pytest.approx(money[0] / laying.sum(), rel=1e-5)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_an_embargo_by_all_is_the_closed_form_of_autarky(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = world(seed, int(rng.integers(2, 7)), int(rng.integers(1, 5)))
    for t in range(2):
        everyone = [n for n in range(base.shape[1]) if n != t]
        after = solve(base, banned=embargo(base, t, everyone), tol=1e-11)
        assert autarky(base, t) == pytest.approx(after.real_income[t], rel=1e-8)


def test_autarky_of_one_sector_is_the_home_share_to_one_over_theta() -> None:
    base = replace(world(2, 4, 1, tariffs=False), theta=np.array([4.0]))
    added = float(base.value_added_share[0, 1])
    assert autarky(base, 1) == pytest.approx(float(base.share[0, 1, 1]) ** (1 / 4.0 / added), rel=1e-12)


def test_autarky_without_a_source_at_home_leaves_nothing() -> None:
    base = world(2, 4, 2, home=0.0)
    share = np.array(base.share)
    share[0, 1] = [0.5, 0.0, 0.25, 0.25]
    assert autarky(replace(base, share=share), 1) == 0.0


def test_autarky_asks_only_for_what_consumption_needs() -> None:
    """Economy 0 imports all of sector 2, as an input of sector 1 alone, and sells sector 1 abroad alone."""
    share = np.stack([np.eye(4) * 0.6 + 0.1] * 3)
    share[2] = [[0, 0.4, 0.3, 0.3], [0, 0.8, 0.1, 0.1], [0, 0.1, 0.8, 0.1], [0, 0.1, 0.1, 0.8]]
    share[1, 0] = [1, 0, 0, 0]
    final, inputs, added = np.full((3, 4), 1 / 3), np.zeros((3, 3, 4)), np.ones((3, 4))
    final[:, 0], inputs[2, 1, 0], added[1, 0] = [1, 0, 0], 0.5, 0.5
    base = settled(
        Baseline(share, added, inputs, final, np.ones(4), np.zeros((3, 4, 4)), np.zeros(4), np.array([4.0, 5.0, 6.0]))
    )
    after = solve(base, banned=embargo(base, 0, [1, 2, 3]), tol=1e-11)
    assert autarky(base, 0) == pytest.approx(after.real_income[0], rel=1e-8)
    assert autarky(base, 0) == pytest.approx(share[0, 0, 0] ** (1 / 4.0), rel=0.05)
    final[:, 0] = [0.5, 0, 0.5]
    assert autarky(settled(replace(base, consumption_share=final)), 0) == 0.0


def test_several_targets_are_one() -> None:
    base = world(3)
    mine = case(base, (2, 3), (0, 1))
    row = benchmarks(mine).to_dicts()[0]
    money = lost(base, banned=mine.measures.banned, tariff=mine.measures.tariff)
    assert row["target_loss"] == pytest.approx(money[:2].sum(), rel=1e-6)
    assert row["target_loss_share"] == pytest.approx(money[:2].sum() / levels(base).income[:2].sum(), rel=1e-6)


def test_marginal_values_are_differences_of_coalitions() -> None:
    base = world(4)
    mine = case(base)
    whole = lost(base, banned=mine.measures.banned, tariff=mine.measures.tariff)
    for row, m in zip(marginal_values(mine).to_dicts(), (1, 2, 3), strict=True):
        others = case(base, tuple(k for k in (1, 2, 3) if k != m)).measures
        alone = case(base, (m,)).measures
        without = lost(base, banned=others.banned, tariff=others.tariff)
        single = lost(base, banned=alone.banned, tariff=alone.tariff)
        assert row["member"] == f"economy {m}"
        assert row["multilateral"] == pytest.approx(whole[0] - without[0], rel=1e-5)
        assert row["unilateral"] == pytest.approx(single[0], rel=1e-5)
        assert row["own_loss"] == pytest.approx(whole[m], rel=1e-5, abs=1e-6)
        assert row["alone_loss"] == pytest.approx(single[m], rel=1e-5, abs=1e-6)
        if single[m] > 0:
            assert row["payoff_alone"] == pytest.approx(single[0] / single[m], rel=1e-4)
        else:
            assert row["payoff_alone"] is None


def test_nobody_outside_pays_for_being_asked() -> None:
    """A coalition of members keeps their own measures; without members nothing happens."""
    base = world(5)
    mine = case(base)
    cut = mine.laid((2,))
    assert cut.banned is not None
    assert set(np.argwhere(cut.banned)[:, 1:].ravel()) == {0, 2}
    found = losses(mine, [((), False), ((), False), ((), True)])
    np.testing.assert_allclose(found.money, 0.0, rtol=0, atol=1e-7)


def test_those_outside_do_what_members_do_on_average() -> None:
    base = world(6, tariffs=False)
    cost, theta = np.ones(base.share.shape), base.theta
    kept = np.array([0.2, 0.6])
    cost[0, 0, [1, 2]] = kept ** (-1.0 / theta[0])
    mine = Case(base, (0,), (1, 2), Counterfactual(cost_change=cost))
    wide = mine.laid((1, 2, 3)).cost_change
    assert wide is not None
    value = levels(base).expenditure[0, 0] * base.share[0, 0, 1:3]
    assert wide[0, 0, 3] ** -theta[0] == pytest.approx((kept * value).sum() / value.sum(), rel=1e-12)
    np.testing.assert_allclose(wide[0, 0, [1, 2]], cost[0, 0, [1, 2]], rtol=1e-12)
    assert (wide[1:] == 1).all()
    assert (wide[0, 1:] == 1).all()


def test_members_that_ban_all_they_trade_would_have_others_ban_all() -> None:
    """A sector that no member trades is banned by others only where members ban everything."""
    base = world(7)
    share = np.array(base.share)
    share[1, 0, 1:4] = 0.0
    share[1, 0] /= share[1, 0].sum()
    base = settled(replace(base, share=share))
    whole = embargo(base, 0, [1, 2, 3]) & (base.share > 0)
    wide = Case(base, (0,), (1, 2, 3), Counterfactual(banned=whole)).by_everyone.banned
    assert wide is not None
    assert wide[1, 0, 4:].all()
    whole[2, 0, 1] = False
    wide = Case(base, (0,), (1, 2, 3), Counterfactual(banned=whole)).by_everyone.banned
    assert wide is not None
    assert not wide[1, 0, 4:].any()


def test_a_coalition_of_one_adds_what_it_does_alone() -> None:
    mine = case(world(4), (2,))
    (row,) = marginal_values(mine).to_dicts()
    assert row["multilateral"] == pytest.approx(row["unilateral"], rel=1e-7)
    assert row["own_loss"] == pytest.approx(row["alone_loss"], rel=1e-6)
    assert row["why"] is None
    assert equalising_transfers(mine).rows["transfer"].to_list() == [0.0]


@pytest.mark.parametrize("seed", [1, 3, 4, 7, 24])
def test_who_does_not_trade_with_the_target_is_worth_nothing(seed: int) -> None:
    """What rounding leaves is not divided by what rounding leaves, nor chosen for it."""
    base = apart(seed)
    mine = Case(base, (0,), (1, 2, 5), Counterfactual(banned=embargo(base, 0, [1, 2, 5])))
    row = marginal_values(mine).to_dicts()[2]
    assert (row["multilateral"], row["unilateral"], row["alone_loss"]) == (0.0, 0.0, 0.0)
    assert row["payoff_alone"] is None
    assert not greedy_coalition(mine).steps["member"].is_in(["economy 5", "economy 6"]).any()
    outside = Case(base, (0,), (5, 6), Counterfactual(banned=embargo(base, 0, [5, 6])))
    rows = {r["benchmark"]: r for r in benchmarks(outside).to_dicts()}
    assert rows["vertical"]["target_loss"] == 0.0
    assert rows["vertical"]["realised"] is None
    assert rows["autarky"]["realised"] == 0.0
    with pytest.raises(InputError, match="the target must lose"):
        greedy_coalition(outside)


def test_losses_in_the_money_of_another_income() -> None:
    base = world(5)
    own, other = case(base), replace(case(base), incomes=2.0 * levels(base).income)
    one, two = benchmarks(own), benchmarks(other)
    for column, factor in (("target_loss", 2.0), ("others_loss", 2.0), ("target_loss_share", 1.0), ("payoff", 1.0)):
        np.testing.assert_allclose(two[column], factor * one[column], rtol=1e-9)
    assert marginal_values(other)["own_loss_share"].to_list() == marginal_values(own)["own_loss_share"].to_list()


def test_measures_that_leave_no_equilibrium_say_why_for_every_member() -> None:
    """Nobody buys from the target, who buys from all: its trade cannot balance."""
    base = world(6, 4, 2)
    ban = np.zeros(base.share.shape, dtype=bool)
    ban[:, 1:, 0] = True
    mine = Case(base, (0,), (1, 2, 3), Counterfactual(banned=ban))
    assert "cannot balance" in benchmarks(mine)["why"][0]
    for row in marginal_values(mine).to_dicts():
        assert row["multilateral"] is None
        assert row["unilateral"] > 0
        assert row["why"].startswith("all together: trade that is left cannot balance")
    with pytest.raises(ModelError, match="no equilibrium to take the goal from"):
        greedy_coalition(mine)


def test_transfers_equalise_losses_and_add_up_to_zero() -> None:
    mine = case(world(8))
    found = equalising_transfers(mine)
    rows = found.rows
    assert abs(rows["transfer"].sum()) < 1e-9
    assert np.ptp(rows["loss_share_after"].to_numpy()) < 1e-7
    assert rows["loss_share_after"][0] == pytest.approx(found.loss_share, abs=1e-7)
    assert np.ptp(rows["loss_share_before"].to_numpy()) > 1e-4
    # the equilibrium with these transfers, by the single solver: the same equal losses
    moved = np.zeros(7)
    moved[list(mine.coalition)] = rows["transfer"].to_numpy()
    after = solve(mine.baseline, banned=mine.measures.banned, tariff=mine.measures.tariff, deficit=moved)
    np.testing.assert_allclose(1 - after.real_income[[1, 2, 3]], found.loss_share, atol=1e-7)
    # who loses less than the others pays
    pays = rows["transfer"].to_numpy() < 0
    assert rows["loss_share_before"].to_numpy()[pays].max() < found.loss_share + 1e-3


def test_greedy_steps_are_the_best_of_their_step() -> None:
    mine = case(world(9, 6), (1, 2))
    found = greedy_coalition(mine)
    assert found.goal == pytest.approx(benchmarks(mine)["target_loss"][0], rel=1e-6)
    assert found.steps["target_loss"].is_sorted()
    assert found.stopped == "reached"
    assert found.steps["target_loss"][-1] >= found.goal
    assert (found.steps["target_loss"][:-1] < found.goal).all()
    chosen: list[int] = []
    for row in found.steps.to_dicts():
        tried = {n: losses(mine, [((*chosen, n), False)]) for n in range(1, 6) if n not in chosen}
        ratio = {n: payoff(t.target[0], t.senders[0]) for n, t in tried.items()}
        free = [n for n, r in ratio.items() if r is None]
        best = max(free, key=lambda n: tried[n].target[0]) if free else max(ratio, key=lambda n: ratio[n] or 0.0)
        assert row["member"] == f"economy {best}"
        assert row["target_loss"] == pytest.approx(tried[best].target[0], rel=1e-5)
        chosen.append(best)


def test_greedy_need_not_be_the_best() -> None:
    """Over all coalitions that reach the goal, some pays at least as well as the greedy one."""
    mine = case(world(10, 6), (1, 2, 3))
    found = greedy_coalition(mine, embargo=True)
    sets = [s for k in range(1, 6) for s in combinations(range(1, 6), k)]
    every = losses(mine, [(s, True) for s in sets])
    able = [payoff(t, c) or np.inf for t, c in zip(every.target, every.senders, strict=True) if t >= found.goal]
    assert max(able) >= (found.steps["payoff"][-1] or np.inf) * (1 - 1e-6)


def test_greedy_that_runs_out_says_so() -> None:
    mine = case(world(9, 6), (1, 2))
    assert greedy_coalition(mine, goal=1e9).stopped in ("exhausted", "no gain")
    with pytest.raises(InputError, match="cannot join"):
        greedy_coalition(mine, candidates=(0, 1))
    with pytest.raises(InputError, match="goal"):
        greedy_coalition(mine, goal=-1.0)


def test_a_ratio_only_where_senders_lose() -> None:
    assert payoff(2.0, 4.0) == 0.5
    assert payoff(2.0, 0.0) is None
    assert payoff(2.0, -1.0) is None
    assert payoff(float("nan"), 1.0) is None


@settings(max_examples=50)
@given(values=st.lists(st.floats(0, 1e6), min_size=2, max_size=12))
def test_gini_is_the_mean_absolute_difference_over_twice_the_mean(values: list[float]) -> None:
    array = np.array(values)
    found = gini(values)
    if array.sum() <= 0:
        assert found is None
        return
    direct = np.abs(array[:, None] - array[None]).mean() / (2.0 * array.mean())
    assert found == pytest.approx(direct, abs=1e-9)


def test_one_elasticity_for_all_sectors_may_be_one_number() -> None:
    base = world(1, 4, 2)
    one, each = (
        Case(base, (0,), (1,), replace(case(base, (1,)).measures, theta=t)) for t in (np.array(4.0), np.full(2, 4.0))
    )
    assert benchmarks(one).equals(benchmarks(each))


def test_every_fault_of_a_case_at_once() -> None:
    base = world(1, 4, 2, deficits=True)
    with pytest.raises(InputError) as raised:
        Case(base, (0, 9), (0, 1), Counterfactual())
    said = " ".join(map(str, raised.value.faults))
    assert len(raised.value.faults) == 3
    for part in ("target names [9]", "share economy 0", "balance(baseline)"):
        assert part in said
    base = world(1, 4, 2)
    wrong = Counterfactual(banned=np.zeros((2, 2), dtype=bool), tariff=np.array(-3.0), deficit=np.zeros(4))
    with pytest.raises(InputError) as raised:
        Case(base, (0,), (1,), wrong, incomes=np.ones(3))
    said = " ".join(map(str, raised.value.faults))
    for part in ("banned has shape (2, 2)", "cell(s) of tariff", "hold deficits", "incomes are not 4"):
        assert part in said
    with pytest.raises(InputError, match="does not agree with the shares"):
        Case(replace(base, value_added=base.value_added * [1.0, 1.1, 1.0, 1.0]), (0,), (1,), Counterfactual())
    with pytest.raises(InputError, match="coalition is empty"):
        Case(world(1, 4, 2), (0,), (), Counterfactual())


def test_examples() -> None:
    assert doctest.testmod(coalition).failed == 0
