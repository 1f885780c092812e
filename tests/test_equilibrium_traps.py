"""Known ways to get this model wrong, each with the test that a wrong one fails."""

import numpy as np
import polars as pl
import pytest
from plain_equilibrium import random_economy
from table_support import table

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.simulation.elasticities import load
from weaponized_interdependence.simulation.equilibrium import Baseline, solve
from weaponized_interdependence.simulation.equilibrium.bans import estimated_cost
from weaponized_interdependence.simulation.equilibrium.calibration import calibrate, thetas
from weaponized_interdependence.simulation.equilibrium.decomposition import decompose


def test_trap_elasticity_against_its_inverse_against_sigma() -> None:
    """Petroleum is printed as 0.12, one over the trade elasticity: theta is 8.333 and sigma 9.333."""
    t = table(np.zeros((2, 2)), np.array([[8.0, 2.0], [2.0, 8.0]]), 2, "WIOD13")
    t = type(t)(**{**t.__dict__, "sectors": ("c8",)})
    theta = thetas(t, load(), "long")["theta"].to_numpy()
    assert theta.tolist() == pytest.approx([1 / 0.12], rel=1e-4)
    closed = solve(calibrate(t, theta), banned=~np.eye(2, dtype=bool)[None])
    assert closed.real_income == pytest.approx(0.8**0.12, rel=1e-4)  # not 0.8^(1/0.12), nor 0.8^(1/9.333)
    assert load().of(pl.Series(["WIOD13:c8"]), "long")["sigma"][0] == pytest.approx(1 / 0.12 + 1, rel=1e-4)


def test_trap_welfare_as_decomposition_is_not_exact_real_income() -> None:
    world = random_economy(np.random.default_rng(1), 4, 3, theta=(3.0, 8.0), deficits=False)
    tariff = world.tariff.copy()
    tariff[:, 1, 0] += 0.5
    after = solve(world, tariff=tariff)
    split = decompose(world, after, tariff=tariff)
    assert np.abs(split.total - (after.real_income - 1)).max() > 1e-3
    assert not hasattr(after, "terms_of_trade")
    assert not hasattr(split, "real_income")


def test_trap_a_ban_loses_the_tariff_revenue() -> None:
    world = random_economy(np.random.default_rng(2), 3, 2, theta=(4.0, 8.0), deficits=False, tariffs=False)
    tariff = world.tariff.copy()
    tariff[:, 0, 1] = 0.5
    taxed = solve(world, tariff=tariff)
    banned = np.zeros(tariff.shape, dtype=bool)
    banned[:, 0, 1] = True
    after = solve(world, tariff=tariff, banned=banned)
    assert taxed.income[0] > taxed.wage[0] * world.value_added[0] * (1 + 1e-6)
    assert after.income[0] == pytest.approx(after.wage[0] * world.value_added[0], rel=1e-9)
    # A prohibitive tariff ends where the ban does, revenue included.
    tariff[:, 0, 1] = 1e6
    assert solve(world, tariff=tariff).real_income == pytest.approx(after.real_income, rel=1e-7)


def test_trap_deficits_add_up_to_zero_and_are_money_or_shares_as_said() -> None:
    world = random_economy(np.random.default_rng(3), 4, 2, theta=(3.0, 8.0), tariffs=False)
    assert world.deficit.sum() == pytest.approx(0.0, abs=1e-12)
    cost = np.where(np.eye(4, dtype=bool), 1.0, 1.5) * np.ones((2, 1, 1))
    money = solve(world, cost_change=cost, tol=1e-12)
    share = solve(world, cost_change=cost, deficit_rule="share", tol=1e-12)
    held = money.income - money.wage * world.value_added
    assert held == pytest.approx(world.deficit, rel=1e-9)
    ratio = (share.income - share.wage * world.value_added) / (share.wage * world.value_added)
    moved = ratio - world.deficit / world.value_added
    assert moved == pytest.approx(np.full(4, moved[0]), abs=1e-10)  # all the same, so that the sum is zero again
    assert (ratio * share.wage * world.value_added).sum() == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(InputError, match="must to zero"):
        solve(world, deficit=world.deficit + 1.0)
    with pytest.raises(InputError, match="must to zero"):
        Baseline(**{**world.__dict__, "deficit": world.deficit + 1.0})


def test_trap_the_sign_of_an_estimated_effect() -> None:
    """-0.34 log points are -28.8 per cent of trade; 40.5 is exp(+0.34) - 1."""
    cost = estimated_cost(-0.34, 5.0)
    assert cost > 1
    assert cost**-5.0 - 1 == pytest.approx(np.exp(-0.34) - 1)


def one_way() -> Baseline:
    """B buys from A and pays with a deficit that A's surplus gives; A buys nothing abroad."""
    return calibrate(table(np.zeros((2, 2)), np.array([[9.0, 3.0], [0.0, 5.0]]), 2), 4.0)


def test_trap_importer_and_exporter_are_not_transposed_in_calibration() -> None:
    base = one_way()
    assert base.share[0].tolist() == [[1.0, 0.0], [0.375, 0.625]]  # [importer, exporter]
    assert base.value_added.tolist() == [12.0, 5.0]
    assert base.deficit.tolist() == pytest.approx([-3.0, 3.0])


def test_trap_importer_and_exporter_are_not_transposed_in_measures() -> None:
    base = one_way()
    tariff = np.zeros((1, 2, 2))
    tariff[0, 0, 1] = 0.3  # on what A buys from B: nothing
    assert solve(base, tariff=tariff).real_income == pytest.approx(1.0, abs=1e-9)
    tariff = np.zeros((1, 2, 2))
    tariff[0, 1, 0] = 0.3  # on what B buys from A: the duty is B's income
    after = solve(base, tariff=tariff)
    duty = 0.3 / 1.3 * after.share[0, 1, 0] * after.expenditure[0, 1]
    assert after.income[1] == pytest.approx(after.wage[1] * 5.0 + duty + 3.0, rel=1e-8)
    assert after.income[0] == pytest.approx(after.wage[0] * 12.0 - 3.0, rel=1e-8)


def test_trap_input_shares_are_not_scaled_by_value_added_twice() -> None:
    """input_share adds up to 1 - value_added_share; times that again, spending on inputs would be too small."""
    z = np.array([[2.0, 1.0], [3.0, 1.0]])
    base = calibrate(table(z, np.array([[7.0], [6.0]]), 1), 4.0)
    after = solve(base)
    # One closed economy: spending on a sector is its output.
    assert after.expenditure[:, 0] == pytest.approx([10.0, 10.0])
    assert base.input_share[:, :, 0] == pytest.approx(z / 10.0)
