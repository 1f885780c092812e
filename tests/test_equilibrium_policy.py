"""Bans on part of a sector, estimated costs and quotas, against closed forms and a plain search."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from plain_equilibrium import base_accounts, plain_solve, random_economy
from scipy.optimize import brentq, root

from weaponized_interdependence.errors import InputError, ModelError, UsageError
from weaponized_interdependence.simulation.equilibrium import Baseline, Equilibrium, levels, solve
from weaponized_interdependence.simulation.equilibrium.bans import Ban, ban, banned_shares, estimated_cost
from weaponized_interdependence.simulation.equilibrium.decomposition import decompose, unit_cost
from weaponized_interdependence.simulation.equilibrium.policy import Quota, solve_quotas

SEEDS = st.integers(0, 2**32 - 1)


def world_of(seed: int, **more: object) -> tuple[np.random.Generator, Baseline]:
    rng = np.random.default_rng(seed)
    return rng, random_economy(rng, int(rng.integers(2, 5)), int(rng.integers(1, 4)), theta=(1.0, 12.0), **more)  # type: ignore[arg-type]


def cell_of(rng: np.random.Generator, world: Baseline) -> tuple[int, int, int]:
    j, n = world.shape
    a, b = rng.choice(n, 2, replace=False)
    return int(rng.integers(j)), int(a), int(b)


def one_sector(theta: float, n: int = 2, home: float = 0.8) -> Baseline:
    """Like economies that buy the rest evenly abroad, without inputs."""
    share = np.full((1, n, n), (1 - home) / (n - 1))
    share[0, np.arange(n), np.arange(n)] = home
    return Baseline(
        share=share,
        value_added_share=np.ones((1, n)),
        input_share=np.zeros((1, 1, n)),
        consumption_share=np.ones((1, n)),
        value_added=np.ones(n),
        tariff=np.zeros((1, n, n)),
        deficit=np.zeros(n),
        theta=np.array([theta]),
    )


# ---- bans on part of a sector ----------------------------------------------------------------------------------------


@given(SEEDS, st.floats(0.0, 0.99))
@settings(max_examples=25)
def test_a_banned_share_takes_that_share_of_the_source_at_given_costs(seed: int, banned: float) -> None:
    rng, world = world_of(seed)
    cell = cell_of(rng, world)
    cost, gone = ban(world, banned_shares(world, [Ban(*cell, banned)]))
    after = solve(world, cost_change=cost, banned=gone, tol=1e-11)
    hat = unit_cost(world, after)[cell[0]] ** -world.theta[cell[0]]
    j, n, i = cell
    weights = world.share[j, n] * hat
    weights[i] *= 1 - banned
    assert after.share[j, n] == pytest.approx(weights / weights.sum(), abs=1e-8)
    # A CES bundle that has lost its products.
    assert after.price[j, n] == pytest.approx(weights.sum() ** (-1 / world.theta[j]), rel=1e-7)


@pytest.mark.parametrize("theta", [0.1, 0.76, 4.0, 65.0])
def test_banning_everything_both_ways_is_autarky_in_closed_form(theta: float) -> None:
    world = one_sector(theta)
    bans = banned_shares(world, [Ban(0, 0, 1), Ban(0, 1, 0)])
    cost, gone = ban(world, bans)
    after = solve(world, cost_change=cost, banned=gone)
    assert after.real_income == pytest.approx(0.8 ** (1 / theta))
    partial = [solve(world, cost_change=ban(world, s * bans)[0]).real_income[0] for s in (0.3, 0.9, 1 - 1e-9)]
    assert partial[0] > partial[1] > partial[2] > after.real_income[0] * (1 - 1e-9)
    # Symmetric economies: wages stay, so the loss of a partial ban is a closed form as well.
    assert partial[0] == pytest.approx((0.8 + 0.7 * 0.2) ** (1 / theta))


def test_a_ban_without_a_finite_cost_is_exact() -> None:
    world = one_sector(0.02)
    cost, gone = ban(world, np.array([[[0.0, 1 - 1e-9], [0.5, 0.0]]]))
    assert gone[0].tolist() == [[False, True], [False, False]]
    assert np.isfinite(cost).all()


def test_bans_are_named_by_name_or_place_and_every_fault_is_told() -> None:
    world = one_sector(4.0, 3)
    named = Baseline(**{**world.__dict__, "sectors": ("chips",), "economies": ("USA", "CHN", "NLD")})
    by_name = banned_shares(named, [Ban("chips", "CHN", "NLD", 0.5), Ban(0, 1, 0)])
    assert by_name[0].tolist() == [[0, 0, 0], [1, 0, 0.5], [0, 0, 0]]
    with pytest.raises(InputError) as caught:
        banned_shares(named, [Ban("chip", "CHN", "NLD"), Ban(0, 0, 1, 1.5), Ban(0, 0, 7), Ban(0, 0, 1, float("nan"))])
    for expected in ("'chip'", "chips", "from 0 to 1", "no exporter 7", "more than once", "ban 3"):
        assert expected in str(caught.value)
    with pytest.raises(InputError, match="shape"):
        ban(world, np.zeros((1, 2, 2)))
    with pytest.raises(InputError, match="from 0 to 1"):
        ban(world, np.full((1, 3, 3), 1.1))


def test_estimated_cost_reproduces_the_published_oil_embargo_and_never_lowers_costs() -> None:
    # Chowdhry, Hinz, Kamin and Wanner (2024), section 5: 89 per cent, from -15.93 and 1/epsilon = 0.04.
    assert estimated_cost(-15.93, 1 / 0.04) == pytest.approx(1.89, abs=0.005)
    assert estimated_cost([0.3, 0.0], 4.0).tolist() == [1.0, 1.0]
    # The cost takes trade down by exp(coefficient) at given prices: -0.34 is -28.8 per cent, not -40.5.
    assert estimated_cost(-0.34, 7.0) ** -7.0 - 1 == pytest.approx(-0.288, abs=5e-4)
    for theta in (-5.0, 0.0, np.nan):  # with the sign of a regression it would lower costs
        with pytest.raises(InputError, match="above zero"):
            estimated_cost(-0.34, [4.0, theta])


# ---- quotas ----------------------------------------------------------------------------------------------------------


def quantity(world: Baseline, after: Equilibrium, cell: tuple[int, int, int], wedge: float, tariff: float) -> float:
    """What n buys of j from i at the seller's cost, over the same before, written out again."""
    j, n, i = cell
    before = world.share[cell] * base_accounts(world)[0][j, n] / (1 + world.tariff[cell])
    cost = after.wage[i] ** world.value_added_share[j, i] * np.prod(after.price[:, i] ** world.input_share[:, j, i])
    return float(after.share[cell] * after.expenditure[j, n] / (1 + tariff) / (1 + wedge) / cost / before)


def plainly(world: Baseline, quota: Quota, wedge: float) -> tuple[Equilibrium, float]:
    """The plain equilibrium under one wedge, and the quantity bought."""
    cell = (int(quota.sector), int(quota.importer), int(quota.exporter))
    tariff, tax = world.tariff.copy(), np.zeros_like(world.tariff)
    if quota.rents == "importer":
        tariff[cell] = (1 + tariff[cell]) * (1 + wedge) - 1
    else:
        tax[cell] = wedge
    after = plain_solve(world, tariff=tariff, export_tax=tax, tol=1e-11)
    return after, quantity(world, after, cell, wedge, world.tariff[cell])


@given(SEEDS, st.floats(0.1, 0.9), st.sampled_from(["importer", "exporter"]))
@settings(max_examples=12)
def test_a_quota_is_the_wedge_that_a_plain_search_finds(seed: int, limit: float, rents: str) -> None:
    rng, world = world_of(seed, deficits=False)
    quota = Quota(*cell_of(rng, world), limit, rents)
    found = solve_quotas(world, [quota])
    assert found.quantity[0] == pytest.approx(limit, rel=1e-7)
    searched = brentq(lambda t: plainly(world, quota, t)[1] - limit, 0.0, 2 * found.tariff_equivalent[0], xtol=1e-12)
    assert found.tariff_equivalent[0] == pytest.approx(searched, rel=1e-5)
    assert found.equilibrium.real_income == pytest.approx(plainly(world, quota, searched)[0].real_income, rel=1e-6)


def test_two_quotas_in_one_market_are_found_together() -> None:
    world = random_economy(np.random.default_rng(5), 4, 2, theta=(6.0, 9.0), deficits=False)
    quotas = [Quota(0, 1, 0, 0.4), Quota(0, 1, 2, 0.6, "exporter")]
    found = solve_quotas(world, quotas)

    def missed(log_wedges: np.ndarray) -> np.ndarray:
        wedge = np.expm1(log_wedges)
        tariff, tax = world.tariff.copy(), np.zeros_like(world.tariff)
        tariff[0, 1, 0] = (1 + tariff[0, 1, 0]) * (1 + wedge[0]) - 1
        tax[0, 1, 2] = wedge[1]
        after = plain_solve(world, tariff=tariff, export_tax=tax, tol=1e-11)
        bought = [quantity(world, after, (0, 1, i), wedge[k], world.tariff[0, 1, i]) for k, i in enumerate((0, 2))]
        return np.log(np.array(bought) / [0.4, 0.6])

    searched = root(missed, [0.1, 0.1], tol=1e-10)
    assert searched.success
    assert np.log1p(found.tariff_equivalent) == pytest.approx(searched.x, rel=1e-5)


@given(SEEDS)
@settings(max_examples=40)
def test_wedges_and_slack_are_complements_and_rents_add_up(seed: int) -> None:
    rng, world = world_of(seed)
    cells = {cell_of(rng, world) for _ in range(int(rng.integers(1, 7)))}
    quotas = [
        Quota(*c, float(rng.uniform(0.05, 1.4)), str(rng.choice(["importer", "exporter"]))) for c in sorted(cells)
    ]
    try:
        found = solve_quotas(world, quotas)
    except ModelError as error:  # in about one world of a hundred: all trade of an economy under quotas
        if "do not settle" not in error.message:
            raise
        reject()
    limit = np.array([q.limit for q in quotas])
    assert (found.tariff_equivalent >= 0).all()
    assert (found.quantity <= limit * (1 + 1e-7)).all()
    assert found.quantity[found.binding] == pytest.approx(limit[found.binding], rel=1e-7)
    assert (found.rent[~found.binding] == 0).all()
    # Income is wages, duty of the old tariffs, rents to whom they go, and the deficit.
    after = found.equilibrium
    income = after.wage * world.value_added + world.deficit
    paid = after.share * after.expenditure[:, :, None]
    for k, quota in enumerate(quotas):  # what buyers pay without the wedge; the old tariff is on the border price
        cell = (int(quota.sector), int(quota.importer), int(quota.exporter))
        if quota.rents == "importer":
            paid[cell] /= 1 + found.tariff_equivalent[k]
        income[cell[1] if quota.rents == "importer" else cell[2]] += found.rent[k]
    income += (paid * world.tariff / (1 + world.tariff)).sum(axis=(0, 2))
    assert after.income == pytest.approx(income, rel=1e-7)


def test_a_quota_above_what_is_bought_changes_nothing() -> None:
    _, world = world_of(9)
    found = solve_quotas(world, [Quota(0, 0, 1, 1.01)])
    assert not found.binding.any()
    assert found.equilibrium.real_income == pytest.approx(1.0, abs=1e-9)


def test_quotas_near_zero_on_everything_come_near_the_ban() -> None:
    world = one_sector(4.0)
    found = solve_quotas(world, [Quota(0, 0, 1, 1e-4), Quota(0, 1, 0, 1e-4)])
    assert found.equilibrium.real_income == pytest.approx(0.8**0.25, rel=1e-3)


@pytest.mark.parametrize("seed", range(10))
def test_rents_add_up_beside_export_taxes_on_the_same_cells(seed: int) -> None:
    """Income is wages, duty and export tax as they were set, rents to whom they go, and the deficit."""
    rng = np.random.default_rng(seed)
    world = random_economy(rng, 4, 2, theta=(1.0, 12.0))
    chosen = {cell_of(rng, world) for _ in range(4)}
    quotas = [
        Quota(*c, float(rng.uniform(0.1, 0.4)), str(rng.choice(["importer", "exporter"]))) for c in sorted(chosen)
    ]
    tax = np.where(np.eye(world.shape[1], dtype=bool), 0.0, rng.uniform(0.0, 0.4, world.share.shape))
    found = solve_quotas(world, quotas, export_tax=tax)
    after = found.equilibrium
    border = after.share * after.expenditure[:, :, None] / (1 + world.tariff)
    income = after.wage * world.value_added + world.deficit
    for k, quota in enumerate(quotas):
        cell = (int(quota.sector), int(quota.importer), int(quota.exporter))
        wedge = 1 + found.tariff_equivalent[k]
        border[cell] /= wedge  # what would be paid at the border for as much without the licence
        income[cell[1] if quota.rents == "importer" else cell[2]] += found.rent[k]
        if quota.rents == "exporter":  # whose rent is part of what duty is paid on
            income[cell[1]] += world.tariff[cell] * border[cell] * (wedge - 1)
    income += (world.tariff * border).sum(axis=(0, 2)) + (tax / (1 + tax) * border).sum(axis=(0, 1))
    assert found.binding.any()
    assert after.income == pytest.approx(income, rel=1e-7)


def test_whoever_holds_the_licences_is_better_off_for_it() -> None:
    world = random_economy(np.random.default_rng(12), 3, 2, theta=(3.0, 6.0), deficits=False)
    mine, theirs = (solve_quotas(world, [Quota(0, 1, 2, 0.5, rents)]).equilibrium for rents in ("importer", "exporter"))
    assert mine.real_income[1] > theirs.real_income[1]
    assert mine.real_income[2] < theirs.real_income[2]


def test_quotas_that_trade_cannot_pay_for_are_refused_with_the_reason() -> None:
    """A deficit of a fifth of income cannot be imported through a quota of a thousandth."""
    deficit = 1.45 / 0.75  # at which imports less exports are the deficit, with the shares below
    changed = {
        "share": np.array([[[0.8, 0.2], [0.05, 0.95]]]),
        "value_added": np.array([10.0, 11.0]),
        "deficit": np.array([deficit, -deficit]),
    }
    tilted = Baseline(**{**one_sector(4.0).__dict__, **changed})
    assert np.abs(levels(tilted).imbalance).max() < 1e-12
    with pytest.raises(ModelError, match="do not settle"):
        solve_quotas(tilted, [Quota(0, 0, 1, 1e-3)], max_rounds=15)


def test_what_fails_without_the_quotas_is_not_laid_to_them() -> None:
    world = random_economy(np.random.default_rng(1), 3, 2, theta=(2.0, 6.0))
    banned = np.zeros(world.share.shape, dtype=bool)
    banned[0, 0] = True
    with pytest.raises(ModelError, match="no supplier is left") as caught:
        solve_quotas(world, [Quota(1, 0, 1, 0.5)], banned=banned)
    assert "do not settle" not in str(caught.value)
    for tol in (-1.0, float("nan"), 1e-15):
        with pytest.raises(UsageError, match="tol is"):
            solve_quotas(world, [Quota(1, 0, 1, 0.5)], tol=tol)


def test_a_quota_stands_on_top_of_other_shocks() -> None:
    rng, world = world_of(21)
    cell = cell_of(rng, world)
    tariff = world.tariff.copy()
    tariff[cell] += 0.2
    cost = np.ones_like(tariff)
    cost[cell] = 1.1
    found = solve_quotas(world, [Quota(*cell, 0.3)], tariff=tariff, cost_change=cost)
    assert quantity(world, found.equilibrium, cell, found.tariff_equivalent[0], tariff[cell]) / 1.1 == pytest.approx(
        0.3
    )


def test_every_fault_of_the_quotas_is_told() -> None:
    world = one_sector(4.0, 3)
    share = world.share.copy()
    share[0, 0] = [0.9, 0.1, 0.0]
    sparse = Baseline(**{**world.__dict__, "share": share})
    with pytest.raises(InputError) as caught:
        solve_quotas(sparse, [Quota(0, 0, 0, 0.5), Quota(0, 0, 2, 0.5), Quota(0, 0, 1, 0.5, "nobody")])
    for expected in ("at home", "without trade", "'nobody'"):
        assert expected in str(caught.value)
    with pytest.raises(InputError, match="0 is a ban"):
        solve_quotas(world, [Quota(0, 0, 1, 0.0)])
    with pytest.raises(UsageError, match="no quotas"):
        solve_quotas(world, [])
    with pytest.raises(InputError, match="shape"):
        solve_quotas(world, [Quota(0, 0, 1, 0.5)], tariff=np.zeros((2, 2)))


# ---- decomposition ---------------------------------------------------------------------------------------------------


@given(SEEDS)
@settings(max_examples=20)
def test_terms_and_volume_of_trade_are_the_differential_of_exact_real_income(seed: int) -> None:
    rng, world = world_of(seed, deficits=False)
    direction = rng.uniform(0.0, 1.0, world.share.shape) * ~np.eye(world.shape[1], dtype=bool)
    wanted, ratio = None, []
    for step in (1e-4, 5e-5):
        tariff = world.tariff + step * direction
        after = solve(world, tariff=tariff, tol=1e-13)
        exact = after.real_income - 1
        assume(np.abs(exact).min() > 1e-9)
        ratio.append((decompose(world, after, tariff=tariff).total - exact) / step)
        wanted = exact / step
    # What the first order leaves shrinks with the step.
    assert np.abs(ratio[1]).max() < 0.6 * np.abs(ratio[0]).max() + 1e-6
    assert np.abs(ratio[0]).max() < 1e-2 * max(np.abs(wanted).max(), 0.1)


def test_the_parts_add_up_and_follow_the_formula_cell_by_cell() -> None:
    rng, world = world_of(4, deficits=False)
    j, n = world.shape
    tariff = world.tariff + 0.1 * (rng.random(world.share.shape) < 0.5) * ~np.eye(n, dtype=bool)
    after = plain_solve(world, tariff=tariff)
    split = decompose(world, after, tariff=tariff)
    spent, income = base_accounts(world)
    for a in range(n):
        terms = volume = 0.0
        for k in range(j):
            cost = [
                after.wage[i] ** world.value_added_share[k, i]
                * np.prod(after.price[:, i] ** world.input_share[:, k, i])
                for i in range(n)
            ]
            for i in set(range(n)) - {a}:
                sold = world.share[k, i, a] * spent[k, i] / (1 + world.tariff[k, i, a])
                bought = world.share[k, a, i] * spent[k, a] / (1 + world.tariff[k, a, i])
                later = after.share[k, a, i] * after.expenditure[k, a] / (1 + tariff[k, a, i])
                terms += sold * (cost[a] - 1) - bought * (cost[i] - 1)
                volume += world.tariff[k, a, i] * bought * ((later / bought - 1) - (cost[i] - 1))
        assert split.terms_of_trade[a] == pytest.approx(terms / income[a])
        assert split.volume_of_trade[a] == pytest.approx(volume / income[a])
    for whole, parts in (
        (split.terms_of_trade, (split.by_partner()[0].sum(axis=1), split.by_sector()[0].sum(axis=0))),
        (split.volume_of_trade, (split.by_partner()[1].sum(axis=1), split.by_sector()[1].sum(axis=0))),
    ):
        for part in parts:
            assert part == pytest.approx(whole)
    # What one gains in terms of trade, in money, others lose.
    assert (split.terms_of_trade * income).sum() == pytest.approx(0.0, abs=1e-12 * income.sum())


# ---- coalitions at the limit -----------------------------------------------------------------------------------------


def embargo(world: Baseline, target: int, members: tuple[int, ...]) -> np.ndarray:
    banned = np.zeros(world.share.shape, dtype=bool)
    banned[:, target, list(members)] = banned[:, list(members), target] = True
    return banned


@pytest.mark.parametrize("seed", range(12))
def test_each_member_of_an_embargo_adds_to_the_loss_of_the_target_up_to_autarky(seed: int) -> None:
    world = random_economy(np.random.default_rng(seed), 5, 3, theta=(2.0, 8.0), deficits=False, tariffs=False)
    incomes = [solve(world, banned=embargo(world, 0, tuple(range(1, k)))).real_income[0] for k in range(1, 6)]
    assert all(after < before for before, after in pairwise(incomes))
    # The last one is autarky: the real-wage identity with all spending at home, from the baseline's own shares.
    dearer = np.log(world.share[:, 0, 0]) / world.theta
    loss = world.consumption_share[:, 0] @ np.linalg.solve(np.eye(3) - world.input_share[:, :, 0].T, dearer)
    assert np.log(incomes[-1]) == pytest.approx(loss, rel=1e-6)


def test_third_parties_may_gain_and_are_not_clipped() -> None:
    gains = []
    for seed in range(12):
        world = random_economy(np.random.default_rng(seed), 5, 3, theta=(2.0, 8.0), deficits=False, tariffs=False)
        gains.append(solve(world, banned=embargo(world, 0, (1,))).real_income[2:] - 1)
    assert np.mean(np.array(gains) > 0) > 0.5
    assert (np.array(gains) < 0).any()
