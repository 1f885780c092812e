"""From a table to a baseline: shares by hand, accounts that hold exactly, and everything left out said."""

import doctest
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_equilibrium import base_accounts, plain_solve, random_economy, residuals
from table_support import random_table, table, tables, with_an_idle_industry

from weaponized_interdependence.errors import InputError, ModelError, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.sample import load_sample
from weaponized_interdependence.simulation import elasticities
from weaponized_interdependence.simulation.elasticities import load
from weaponized_interdependence.simulation.equilibrium import Baseline, bans, decomposition, policy, solve
from weaponized_interdependence.simulation.equilibrium import calibration as calibration_module
from weaponized_interdependence.simulation.equilibrium.calibration import (
    Calibration,
    balance,
    calibrate,
    calibration,
    thetas,
)
from weaponized_interdependence.sources.registry import read


def reproduces_itself(base: Baseline) -> None:
    """Without shocks nothing changes, and the equations of the reference hold."""
    still = solve(base)
    for name in ("wage", "price", "price_index", "real_income", "real_wage"):
        assert getattr(still, name) == pytest.approx(1.0, abs=1e-10), name
    assert np.abs(still.share - base.share).max() < 1e-10
    found = residuals(base, still)
    assert max(found.values()) < 1e-9, found


def rough_table(seed: int, n: int = 3, j: int = 3) -> IOTable:
    """A table with what publishers' tables have: inventories drawn down, taxes, rows and columns that do not add up."""
    rng = np.random.default_rng(seed)
    whole = random_table(seed, n, j, 2)
    y = whole.Y.copy()
    inventories = rng.normal(0.0, 0.2, (n * j, n)) * y[:, ::2]
    inventories[rng.random((n * j, n)) < 0.05] = -1.5
    y[:, 1::2] = inventories
    x = (whole.Z.sum(axis=1) + np.maximum(y, 0.0).sum(axis=1)) * rng.uniform(0.98, 1.02, n * j)
    other = 0.02 * x
    return IOTable(
        period="2020",
        economies=whole.economies,
        sectors=whole.sectors,
        demands=("c37", "c42"),
        Z=whole.Z,
        Y=y,
        VA=x - whole.Z.sum(axis=0) - other,
        x=x,
        other=other,
        classification="X",
    )


# ---- shares ---------------------------------------------------------------------------------------------------------


def by_hand(t: IOTable, tariff: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of sources, of inputs and of consumption of a table without blemish, cell by cell."""
    n, j, f = t.size
    bought = np.zeros((j, n, n))
    for k in range(j):
        for buyer in range(n):
            for seller in range(n):
                row = seller * j + k
                bought[k, buyer, seller] = t.Z[row, buyer * j : (buyer + 1) * j].sum()
                bought[k, buyer, seller] += t.Y[row, buyer * f : (buyer + 1) * f].sum()
    paid = bought * (1 + tariff)
    markup = paid.sum(axis=2) / bought.sum(axis=2)
    inputs, final = np.zeros((j, j, n)), np.zeros((j, n))
    for k in range(j):
        for economy in range(n):
            rows = [seller * j + k for seller in range(n)]
            final[k, economy] = markup[k, economy] * t.Y[rows, economy * f : (economy + 1) * f].sum()
            for user in range(j):
                column = economy * j + user
                inputs[k, user, economy] = markup[k, economy] * t.Z[rows, column].sum() / t.x[column]
    return paid / paid.sum(axis=2, keepdims=True), inputs, final / final.sum(axis=0)


@given(tables(), st.booleans())
@settings(max_examples=25)
def test_shares_are_those_of_the_table_counted_cell_by_cell(t: IOTable, with_tariffs: bool) -> None:
    n, j, _ = t.size
    tariff = np.zeros((j, n, n))
    if with_tariffs:
        tariff = np.random.default_rng(n * j).choice([0.0, 0.1, 0.25], (j, n, n))
        tariff[:, np.arange(n), np.arange(n)] = 0.0
    base = calibrate(t, 4.0, tariff)
    share, inputs, final = by_hand(t, tariff)
    assert base.share == pytest.approx(share)
    assert base.input_share == pytest.approx(inputs)
    assert base.consumption_share == pytest.approx(final)
    assert base.value_added_share == pytest.approx(1 - inputs.sum(axis=0))
    reproduces_itself(base)


@given(tables())
@settings(max_examples=15)
def test_a_table_that_balances_keeps_its_output_value_added_and_trade_balance(t: IOTable) -> None:
    n, j, f = t.size
    made = calibration(t, 4.0)
    assert made.output.T.ravel() == pytest.approx(t.x)
    assert made.baseline.value_added == pytest.approx(t.VA.reshape(n, j).sum(axis=1))
    bought = t.Z.reshape(n, j, n, j).sum(axis=(1, 3)) + t.Y.reshape(n, j, n, f).sum(axis=(1, 3))  # [seller, buyer]
    imports = bought.sum(axis=0) - np.diag(bought)
    exports = bought.sum(axis=1) - np.diag(bought)
    assert made.baseline.deficit == pytest.approx(imports - exports, abs=1e-9 * t.x.sum())
    assert made.moved < 1e-12


def test_levels_beside_the_baseline_are_its_own() -> None:
    made = calibration(random_table(3), 5.0, np.full((3, 3, 3), 0.1) * (1 - np.eye(3)))
    spent, income = base_accounts(made.baseline)
    assert made.expenditure == pytest.approx(spent)
    assert made.income == pytest.approx(income)
    assert made.basis == "estimated"  # of a table that is observed


# ---- what tables have that the model has not -------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from(["net", "drop"]))
@settings(max_examples=30)
def test_any_blemish_still_gives_an_exact_equilibrium(seed: int, inventories: str) -> None:
    made = calibration(rough_table(seed), 3.0, inventories=inventories)
    reproduces_itself(made.baseline)
    assert made.baseline.deficit.sum() == pytest.approx(0.0, abs=1e-12 * made.baseline.value_added.sum())
    assert 0 < made.moved < 0.3


def test_what_is_left_out_is_said_with_its_size() -> None:
    t = rough_table(5)
    netted, dropped = calibration(t, 3.0), calibration(t, 3.0, inventories="drop")
    below = t.Y.reshape(9, 3, 2).sum(axis=2)  # cells by seller's row and buyer, all uses but inputs
    inputs = t.Z.reshape(9, 3, 3).sum(axis=2)
    lost = -np.minimum(below + inputs, 0.0)
    said = next((n for n in netted.notes if "by buyer, sector and seller" in n), "")
    assert (f"{int((lost > 0).sum())} negative cells" in said and f"{lost.sum():.4g}" in said) == bool(lost.any())
    assert any("changes in inventories are left out" in n for n in dropped.notes)
    assert any("netted" in n for n in netted.notes)
    assert not any("netted" in n for n in dropped.notes)
    assert all(any("no tariffs" in n for n in made.notes) for made in (netted, dropped))


@given(tables(), st.data())
@settings(max_examples=20)
def test_industries_without_output_stay_without(t: IOTable, data: st.DataObject) -> None:
    n, j, _ = t.size
    row = data.draw(st.integers(0, n * j - 1))
    idle = with_an_idle_industry(t, row)
    if j == 1 and idle.x.reshape(n, j)[row // j].sum() == 0:
        return  # the whole economy would be idle: see below
    made = calibration(idle, 4.0)
    base = made.baseline
    assert made.output[row % j, row // j] == 0
    assert not base.share[row % j, :, row // j].any()
    assert not base.input_share[:, row % j, row // j].any()
    assert any(idle.labels[row] in n for n in made.notes)
    reproduces_itself(base)


def test_a_sector_nobody_makes_or_buys_has_no_shares() -> None:
    t = random_table(4, 2, 3, 1)
    for row in (1, 4):
        t = with_an_idle_industry(t, row)
    base = calibrate(t, 4.0)
    assert not base.share[1].any()
    assert not base.consumption_share[1].any()
    reproduces_itself(base)


def test_inputs_above_output_are_scaled_down_and_said() -> None:
    z = np.array([[2.0, 0.0, 1.0, 0.0], [9.0, 1.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0], [0.0, 0.5, 1.0, 1.0]])
    t = table(z, np.array([[5.0, 1.0], [8.0, 2.0], [2.0, 6.0], [1.0, 7.0]]), 2)
    assert t.VA[0] < 0
    made = calibration(t, 4.0)
    assert made.baseline.value_added_share[0, 0] == pytest.approx(0.0, abs=1e-15)
    assert any("E0_c1" in n and "exceed" in n for n in made.notes)
    reproduces_itself(made.baseline)


def test_chains_that_never_end_are_refused() -> None:
    z = np.array([[5.0, 5.0], [5.0, 5.0]])
    t = table(z, np.array([[1.0], [1.0]]), 1, VA=np.zeros(2), x=np.array([10.0, 10.0]))
    with pytest.raises(ModelError, match="never end"):
        calibrate(t, 4.0)


def test_taxes_of_the_table_are_inside_value_added() -> None:
    t = random_table(8)
    taxed = IOTable(
        **{k: getattr(t, k) for k in ("period", "economies", "sectors", "demands", "Z", "Y", "x", "classification")},
        VA=t.VA * 0.9,
        other=t.VA * 0.1,
    )
    assert calibrate(taxed, 4.0).value_added == pytest.approx(calibrate(t, 4.0).value_added)


def test_a_discrepancy_is_nobodys_demand() -> None:
    t = random_table(8)
    odd = table(t.Z, t.Y, 3, discrepancy=np.full(9, 0.5), x=t.x + 0.5)
    made = calibration(odd, 4.0)
    assert any("9 rows' discrepancies" in n and "4.5 USD" in n for n in made.notes)
    assert made.output.sum() < odd.x.sum()
    reproduces_itself(made.baseline)


# ---- arguments -------------------------------------------------------------------------------------------------------


def test_theta_as_number_array_and_mapping_is_one() -> None:
    t = random_table(2)
    made = [calibrate(t, theta).theta for theta in (5.0, [5.0] * 3, {"c1": 5.0, "c2": 5.0, "X:c3": 5})]
    assert all((theta == 5.0).all() for theta in made)
    assert calibrate(t, {"c1": 1, "c2": 2, "c3": 3}).theta.tolist() == [1, 2, 3]


def test_every_fault_of_the_arguments_is_named_at_once() -> None:
    t = random_table(2)
    with pytest.raises(InputError) as caught:
        calibrate(t, {"c1": -1.0, "c2": 2.0, "c4": 3.0}, np.full((3, 3, 3), 0.1))
    for expected in ("no theta for sector c3", "'c4'", "c1", "at home"):
        assert expected in str(caught.value)
    with pytest.raises(InputError) as caught:
        calibrate(t, [1.0, 2.0], np.zeros((3, 3)))
    assert "theta has shape (2,)" in str(caught.value)
    assert "tariff has shape (3, 3)" in str(caught.value)
    with pytest.raises(InputError, match="above -1"):
        calibrate(t, 1.0, np.full((3, 3, 3), np.nan))
    with pytest.raises(UsageError, match="net or drop"):
        calibrate(t, 1.0, inventories="ignore")


def test_an_economy_without_final_demand_is_named() -> None:
    t = random_table(2)
    y = t.Y.copy()
    y[:, 2:4] = 0.0
    with pytest.raises(InputError, match="E1 has no final demand"):
        calibrate(table(t.Z, y, 3), 4.0)


def test_an_economy_without_industries_is_named() -> None:
    t = random_table(2)
    for row in (3, 4, 5):
        t = with_an_idle_industry(t, row)
    with pytest.raises(InputError, match="E1 has no value added") as caught:
        calibrate(t, 4.0)
    assert "wi load" in caught.value.mend  # what can be done on the command line comes before what Python can


@pytest.mark.parametrize("own", [0.5, 0.99])
def test_an_industry_that_sells_to_nobody_but_itself_comes_to_nothing(own: float) -> None:
    """Its other sales were an inventory that is left out; the chain of the rest ends as it did."""
    z = np.array([[10 * own, 0.0], [0.05, 1.0]])
    t = replace(table(z, np.array([[0.0, 10 * (1 - own)], [10.0, 0.0]]), 1), demands=("c37", "c42"))
    made = calibration(t, 4.0, inventories="drop")
    assert made.output[0, 0] < 1e-20
    assert made.output[1, 0] == pytest.approx(10.0 / (1 - 1.0 / 11.05))
    reproduces_itself(made.baseline)


@given(tables(), st.floats(1e-6, 1e9))
@settings(max_examples=15)
def test_the_unit_of_money_does_not_matter(t: IOTable, factor: float) -> None:
    cost = np.where(np.eye(len(t.economies), dtype=bool), 1.0, 1.2) * np.ones((len(t.sectors), 1, 1))
    scaled = table(t.Z * factor, t.Y * factor, len(t.economies))
    one, other = (solve(calibrate(made, 4.0), cost_change=cost, tol=1e-11) for made in (t, scaled))
    assert other.real_income == pytest.approx(one.real_income, rel=1e-8)


@given(tables(), st.data())
@settings(max_examples=15)
def test_the_order_of_economies_and_sectors_does_not_matter(t: IOTable, data: st.DataObject) -> None:
    n, j, f = t.size
    order, sorts = data.draw(st.permutations(range(n))), data.draw(st.permutations(range(j)))
    rows = np.array([a * j + k for a in order for k in sorts])
    columns = np.array([a * f + k for a in order for k in range(f)])
    turned = table(t.Z[np.ix_(rows, rows)], t.Y[np.ix_(rows, columns)], n)
    theta = np.linspace(2.0, 6.0, j)
    cost = np.random.default_rng(n + j).uniform(1.0, 1.5, (j, n, n))
    cost[:, np.arange(n), np.arange(n)] = 1.0
    one = solve(calibrate(t, theta), cost_change=cost, tol=1e-11)
    other = solve(calibrate(turned, theta[list(sorts)]), cost_change=cost[np.ix_(sorts, order, order)], tol=1e-11)
    assert other.real_income == pytest.approx(one.real_income[list(order)], rel=1e-8)
    assert other.price == pytest.approx(one.price[np.ix_(sorts, order)], rel=1e-8)


# ---- balance ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_balance_is_the_counterfactual_without_deficits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = random_economy(rng, int(rng.integers(2, 5)), int(rng.integers(1, 4)), theta=(1.0, 10.0))
    level = balance(world)
    plain = plain_solve(world, deficit=np.zeros_like(world.deficit))
    assert level.share == pytest.approx(plain.share, abs=1e-9)
    assert level.value_added == pytest.approx(plain.wage * world.value_added, rel=1e-9)
    assert not level.deficit.any()
    reproduces_itself(level)
    assert balance(level) is level


@pytest.mark.parametrize("module", [bans, calibration_module, decomposition, elasticities, policy])
def test_the_examples_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


# ---- elasticities ----------------------------------------------------------------------------------------------------


def test_thetas_are_in_the_order_of_the_table() -> None:
    t = load_sample().table
    for horizon in ("short", "long"):
        found = thetas(t, load(), horizon)
        assert found["sector"].to_list() == list(t.sectors)
        sigma = {r["item"]: r["sigma"] for r in load().of(found["item"], horizon).iter_rows(named=True)}
        assert found["theta"].to_list() == pytest.approx([sigma[i] - 1 for i in found["item"]])
        assert found.filter(
            ~((pl.col("theta_low") <= pl.col("theta")) & (pl.col("theta") <= pl.col("theta_high")))
        ).is_empty()
    assert thetas(t, load(), "long")["pattern"].to_list() == [*(f"SITC:{k}" for k in range(9)), "*", "SERVICES"]


# ---- real tables -----------------------------------------------------------------------------------------------------


def test_the_embedded_sample_is_an_equilibrium() -> None:
    t = load_sample().table
    made = calibration(t, thetas(t, load(), "long")["theta"].to_numpy())
    reproduces_itself(made.baseline)
    assert made.moved < 1e-9
    assert made.basis == "estimated"


@pytest.fixture(scope="module", params=["2000", "2007", "2011"])
def wiod(request: pytest.FixtureRequest, shared_data: Path) -> tuple[IOTable, Calibration]:
    t = read("wiod", shared_data / f"mrio/wiod13/wiod13_{request.param}_long.parquet").table
    assert t is not None
    return t, calibration(t, thetas(t, load(), "long")["theta"].to_numpy())


def test_wiod_is_an_equilibrium_at_long_and_short_theta(wiod: tuple[IOTable, Calibration]) -> None:
    t, made = wiod
    still = solve(made.baseline)
    assert np.abs(still.wage - 1).max() < 1e-10
    assert np.abs(still.price - 1).max() < 1e-10
    assert np.abs(still.real_income - 1).max() < 1e-10
    short = calibrate(t, thetas(t, load(), "short")["theta"].to_numpy())
    assert np.abs(solve(short).real_income - 1).max() < 1e-10


def test_wiod_moves_by_less_than_half_a_per_cent(wiod: tuple[IOTable, Calibration]) -> None:
    t, made = wiod
    assert made.moved < 0.005 < calibration(t, 4.0, inventories="drop").moved < 0.02
    n, j, _ = t.size
    world = t.VA.sum()
    assert made.baseline.value_added.sum() == pytest.approx(world, rel=0.005)
    gap = np.abs(made.baseline.value_added - t.VA.reshape(n, j).sum(axis=1))
    assert gap.sum() < 0.005 * world
    idle = int((t.x <= 0).sum())
    assert any(f"{idle} industries have no output" in note for note in made.notes)


def test_wiod_deficits_are_imports_less_exports_of_the_table(wiod: tuple[IOTable, Calibration]) -> None:
    t, made = wiod
    n, j, f = t.size
    bought = t.Z.reshape(n, j, n, j).sum(axis=(1, 3)) + t.Y.reshape(n, j, n, f).sum(axis=(1, 3))
    gap = bought.sum(axis=0) - bought.sum(axis=1)
    assert made.baseline.deficit == pytest.approx(gap, abs=2e-4 * made.baseline.value_added.sum())
