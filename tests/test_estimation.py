"""Biproportional fitting, gravity, production and closeness, each against something that was not written here."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from weaponized_interdependence.errors import InputError, ModelError
from weaponized_interdependence.estimation.biproportional import fit_margins
from weaponized_interdependence.estimation.closeness import closeness
from weaponized_interdependence.estimation.gravity import COVARIATES, covariates, fit_gravity, great_circle, prior
from weaponized_interdependence.estimation.production import (
    Treatment,
    assemble,
    outputs,
    reexports,
    technology,
    use_table,
)
from weaponized_interdependence.estimation.services import fill_margins
from weaponized_interdependence.io_table import balance, review

RNG = np.random.default_rng(20150101)
QUICK = settings(deadline=None, max_examples=60)


def entropy(matrix: np.ndarray, prior_: np.ndarray) -> float:
    inside = matrix > 0
    return float((matrix[inside] * np.log(matrix[inside] / prior_[inside])).sum())


# --- biproportional fitting -------------------------------------------------------------------------------------------


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A prior with zeros and margins that some matrix with the same zeros really has."""
    shape = (draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    cells = st.floats(0.1, 100)
    made = draw(arrays(float, shape, elements=cells))
    weights = draw(arrays(float, shape, elements=cells))
    holes = draw(arrays(bool, shape, elements=st.booleans()))
    made, weights = np.where(holes, 0, made), np.where(holes, 0, weights)
    return weights, made.sum(axis=1), made.sum(axis=0)


@QUICK
@given(problems())
def test_fitting_meets_the_margins_keeps_zeros_and_stays_positive(problem):
    weights, rows, columns = problem
    fitted = fit_margins(weights, rows, columns, tolerance=1e-10)
    total = max(rows.sum(), 1e-300)
    assert np.abs(fitted.matrix.sum(axis=1) - rows).max() <= 1e-9 * total
    assert np.abs(fitted.matrix.sum(axis=0) - columns).max() <= 1e-9 * total
    assert (fitted.matrix >= 0).all()
    assert (fitted.matrix[weights == 0] == 0).all()


@QUICK
@given(problems(), st.integers(0, 2**32 - 1))
def test_fitting_does_not_see_row_and_column_factors_of_the_prior(problem, seed):
    weights, rows, columns = problem
    factors = np.random.default_rng(seed)
    scaled = factors.uniform(0.1, 10, len(rows))[:, None] * weights * factors.uniform(0.1, 10, len(columns))
    # Not the default 1e-12: where a cell is nearly pressed out, rounding alone keeps the rounds above it.
    first, second = (fit_margins(p, rows, columns, tolerance=1e-10).matrix for p in (weights, scaled))
    assert np.abs(first - second).max() <= 1e-8 * max(rows.sum(), 1e-300)


@pytest.mark.parametrize("seed", range(5))
def test_fitting_is_the_entropy_minimum_of_an_independent_optimiser(seed):
    draw = np.random.default_rng(seed)
    n = 4
    weights = draw.uniform(0.2, 3, (n, n))
    np.fill_diagonal(weights, 0)
    truth = np.where(weights > 0, draw.uniform(0.5, 2, (n, n)), 0)
    rows, columns = truth.sum(axis=1), truth.sum(axis=0)
    free = np.flatnonzero(weights)

    def full(x):
        matrix = np.zeros(n * n)
        matrix[free] = x
        return matrix.reshape(n, n)

    found = minimize(
        lambda x: float((x * np.log(x / weights.ravel()[free]) - x).sum()),
        truth.ravel()[free],
        jac=lambda x: np.log(x / weights.ravel()[free]),
        bounds=[(1e-9, None)] * free.size,
        constraints=[
            {"type": "eq", "fun": lambda x: full(x).sum(axis=1) - rows},
            {"type": "eq", "fun": lambda x: full(x).sum(axis=0)[:-1] - columns[:-1]},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    fitted = fit_margins(weights, rows, columns).matrix
    np.testing.assert_allclose(fitted, full(found.x), atol=2e-6)
    assert entropy(fitted, weights) <= entropy(full(found.x), weights) + 1e-9


def test_fitting_equals_the_textbook_loop():
    weights = RNG.uniform(0.1, 5, (7, 5))
    truth = RNG.uniform(0.1, 5, (7, 5))
    slow = weights.copy()
    for _ in range(3000):
        for i in range(7):
            slow[i] *= truth[i].sum() / slow[i].sum()
        for j in range(5):
            slow[:, j] *= truth[:, j].sum() / slow[:, j].sum()
    np.testing.assert_allclose(fit_margins(weights, truth.sum(1), truth.sum(0)).matrix, slow, rtol=1e-9)


def test_fitting_survives_huge_and_tiny_priors():
    weights = np.array([[1e-280, 1e-290], [1e290, 1e280]])
    fitted = fit_margins(weights, np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(fitted.matrix.sum(axis=0), 1)


def test_every_fault_of_the_margins_is_named_at_once():
    weights = np.array([[0.0, 0.0], [1.0, 1.0]])
    with pytest.raises(InputError) as caught:
        fit_margins(weights, np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    said = str(caught.value)
    assert "rows add up to 3" in said
    assert "row 0 must reach 1" in said
    with pytest.raises(InputError) as caught:
        fit_margins(np.array([[np.nan, 1.0]]), np.array([-1.0]), np.array([1.0, np.inf]))
    assert len(caught.value.faults) == 3
    with pytest.raises(InputError, match="shape"):
        fit_margins(np.ones((2, 2)), np.ones(3), np.ones(2))


def test_margins_that_no_zero_diagonal_matrix_has_are_refused_with_the_missing_share():
    # Economy 0 sells 8 and buys 4 of 10: the others can take only 6 of its 8.
    weights = np.ones((3, 3)) - np.eye(3)
    with pytest.raises(ModelError, match=r"0\.2 of the total finds no cell"):
        fit_margins(weights, np.array([8.0, 1.0, 1.0]), np.array([4.0, 3.0, 3.0]), max_iterations=500)


def test_nothing_to_trade_is_an_empty_matrix():
    assert not fit_margins(np.ones((2, 2)), np.zeros(2), np.zeros(2)).matrix.any()


# --- gravity ----------------------------------------------------------------------------------------------------------


@QUICK
@given(arrays(float, (6, 2), elements=st.floats(-80, 80)))
def test_great_circle_is_the_angle_between_the_vectors(points):
    phi, lam = np.radians(points[:, 0]), np.radians(points[:, 1] * 2)
    unit = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
    chord = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    angle = 2 * np.arcsin(np.clip(chord / 2, 0, 1))
    np.testing.assert_allclose(great_circle(points[:, 0], points[:, 1] * 2), 6371.0088 * angle, atol=1e-3)


def test_covariates_of_regions_are_weighted_means_over_places():
    places = pl.DataFrame(
        {
            "economy": ["AAA", "AAA", "BBB", "CCC"],
            "region": ["AAA", "AAA", "BBB", "ROW"],
            "latitude": [0.0, 0.0, 0.0, 10.0],
            "longitude": [0.0, 20.0, 10.0, 10.0],
            "weight": [3.0, 1.0, 1.0, 7.0],
            "languages": ["x y", "x", "y", None],
            "blocs": ["SM", "SM", "SM Z", "Z"],
        }
    )
    pairs = pl.DataFrame(
        {"relation": ["contiguity", "embargo"], "economy": ["BBB", "CCC"], "counterpart": ["AAA", "AAA"]}
    )
    table = covariates(places, pairs, ["AAA", "BBB", "ROW"])
    ten_degrees = 6371.0088 * np.pi / 18
    np.testing.assert_allclose(table[0, 1, 0], np.log(ten_degrees))  # both places of AAA are ten degrees from BBB
    np.testing.assert_allclose(table[0, 1, 1:], [1, 0.75, 1, 1, 0])  # three quarters of AAA shares y
    np.testing.assert_allclose(table[1, 2], [np.log(ten_degrees), 0, 0, 1, 0, 0])
    np.testing.assert_allclose(table[0, 2, 1:], [0, 0, 0, 0, 1])
    assert not table[np.arange(3), np.arange(3)].any()
    np.testing.assert_array_equal(table, table.transpose(1, 0, 2))
    with pytest.raises(InputError, match="DDD"):
        covariates(places, pairs, ["AAA", "DDD"])


def test_prior_refuses_unknown_covariates():
    with pytest.raises(InputError, match="distance"):
        prior(np.zeros((2, 2, 6)), {"distance": -1.0})


def simulated(n: int, names: tuple[str, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(n, n, len(names)))
    mean = np.exp(table @ draw.normal(scale=0.4, size=len(names)) + draw.normal(size=n)[:, None] + draw.normal(size=n))
    trade = draw.poisson(3 * mean).astype(float)
    np.fill_diagonal(trade, 0)
    return trade, table


def test_gravity_equals_an_independent_maximiser_of_the_poisson_likelihood():
    names = ("a", "b")
    trade, table = simulated(6, names, 5)
    i, j = np.nonzero(~np.eye(6, dtype=bool))
    effects = np.hstack([np.eye(6)[i], np.eye(6)[j][:, 1:]])
    design = np.hstack([table[i, j], effects])
    y = trade[i, j]
    best = minimize(
        lambda b: float(np.exp(design @ b).sum() - y @ design @ b),
        np.zeros(design.shape[1]),
        jac=lambda b: design.T @ (np.exp(design @ b) - y),
        hess=lambda b: design.T @ (np.exp(design @ b)[:, None] * design),
        method="trust-exact",
        options={"gtol": 1e-10},
    )
    fit = fit_gravity(trade, table, names)
    np.testing.assert_allclose(list(fit.coefficients.values()), best.x[:2], atol=1e-7)
    mean = np.exp(design @ best.x)
    bread = np.linalg.inv(design.T @ (mean[:, None] * design))
    robust = np.sqrt(np.diag(bread @ (design.T @ ((y - mean)[:, None] ** 2 * design)) @ bread))
    np.testing.assert_allclose(list(fit.errors.values()), robust[:2], rtol=1e-5)


def test_fitted_gravity_is_its_own_prior_fitted_to_the_margins():
    # Fally (2015): Poisson regression with both effects reproduces the margins, so biproportional fitting adds nothing.
    names = COVARIATES[:3]
    trade, table = simulated(8, names, 9)
    fit = fit_gravity(trade, table, names)
    pull = np.exp(table @ np.array(list(fit.coefficients.values())))
    np.fill_diagonal(pull, 0)
    by_effects = np.exp(fit.exporter_effects)[:, None] * pull * np.exp(fit.importer_effects)
    by_margins = fit_margins(pull, trade.sum(1), trade.sum(0)).matrix
    np.testing.assert_allclose(by_effects, by_margins, rtol=1e-6)


def test_gravity_finds_the_coefficients_that_made_exact_data():
    draw = np.random.default_rng(2)
    table = draw.normal(size=(7, 7, 2))
    truth = np.array([-0.9, 0.5])
    trade = np.exp(table @ truth + draw.normal(size=7)[:, None] + draw.normal(size=7))
    np.fill_diagonal(trade, 0)
    known = ~np.eye(7, dtype=bool)
    known[0, 1:4] = False
    for mask in (None, known):
        fit = fit_gravity(trade, table, ("a", "b"), known=mask)
        np.testing.assert_allclose(list(fit.coefficients.values()), truth, atol=1e-9)
        assert fit.pseudo_r2 == pytest.approx(1)


def test_gravity_refuses_what_it_cannot_tell_apart():
    trade, table = simulated(6, ("a", "b"), 3)
    table[..., 1] = 2 * table[..., 0]
    with pytest.raises(ModelError, match="cannot be told apart"):
        fit_gravity(trade, table, ("a", "b"))
    silent = trade.copy()
    silent[2] = 0
    with pytest.raises(ModelError, match="no exports at position 2"):
        fit_gravity(silent, simulated(6, ("a", "b"), 3)[1], ("a", "b"))
    negative = trade.copy()
    negative[0, 1] = -1
    with pytest.raises(InputError, match="negative"):
        fit_gravity(negative, table, ("a", "b"))


@pytest.mark.slow
def test_gravity_reproduces_the_published_traditional_estimates(shared_data):
    """Yotov, Piermartini, Monteiro and Larch (2016), An Advanced Guide to Trade Policy Analysis, ch. 1, application 1.

    Published Poisson estimates with exporter-time and importer-time effects, 28,152 observations: log distance -0.841,
    contiguity 0.437, common language 0.247, colony -0.222.
    """
    rows = pl.read_parquet(shared_data / "trade/gravity/agtpa_manufacturing_1986_2006.parquet").filter(
        pl.col("year").cast(pl.Int64).is_in([1986, 1990, 1994, 1998, 2002, 2006])
        & (pl.col("exporter") != pl.col("importer"))
    )
    nodes = {key: k for k, key in enumerate(sorted(set(rows.select("exporter", "year").iter_rows())))}
    size = len(nodes)
    trade, table, known = np.zeros((size, size)), np.zeros((size, size, 4)), np.zeros((size, size), dtype=bool)
    for seller, buyer, year, value, *x in rows.select(
        "exporter", "importer", "year", "trade", pl.col("dist").log(), "cntg", "lang", "clny"
    ).iter_rows():
        cell = nodes[seller, year], nodes[buyer, year]
        trade[cell], table[cell], known[cell] = value, x, True
    fit = fit_gravity(trade, table, ("distance", "contiguity", "language", "colony"), known=known, tolerance=1e-10)
    assert fit.pairs == 28_152
    assert [round(v, 3) for v in fit.coefficients.values()] == [-0.841, 0.437, 0.247, -0.222]


# --- services gaps ----------------------------------------------------------------------------------------------------


def test_gap_filling_finds_margins_of_a_world_that_is_gravity():
    draw = np.random.default_rng(11)
    n = 12
    table = draw.normal(size=(n, n, 2))
    size = np.exp(draw.normal(size=n))
    truth = np.exp(table @ [-0.5, 0.3]) * np.outer(size**0.9, size)
    np.fill_diagonal(truth, 0)
    known = truth.copy()
    known[7:] = np.nan
    np.fill_diagonal(known, np.nan)
    exports, imports = truth.sum(1), truth.sum(0)
    given = np.where(np.arange(n) < 9, exports, np.nan)
    bought = np.where(np.arange(n) < 4, imports, np.nan)
    filled = fill_margins(known, given, bought, table, ("a", "b"), size[:, None])
    np.testing.assert_allclose(filled.exports, exports, rtol=1e-6)
    np.testing.assert_allclose(filled.imports, imports, rtol=1e-6)
    assert filled.exports_published.sum() == 9
    assert filled.balancing == pytest.approx(1)
    assert filled.exports.sum() == pytest.approx(filled.imports.sum())


# --- production -------------------------------------------------------------------------------------------------------

ITEMS = ("a", "b", "c")


@pytest.fixture(scope="module")
def tech():
    made = np.array([[10.0, 20, 5, 15], [8, 30, 12, 40], [6, 25, 60, 200]])
    users = [*ITEMS, "FINAL"]
    rows = [(s, u, made[i, k]) for i, s in enumerate(ITEMS) for k, u in enumerate(users)]
    return technology(pl.DataFrame(rows, schema=["input", "user", "value"], orient="row"), ITEMS)


def test_technology_is_column_shares_of_output(tech):
    np.testing.assert_allclose(tech.inputs[:, 0], [10 / 50, 8 / 50, 6 / 50])
    np.testing.assert_allclose(tech.inputs.sum(axis=0) + tech.value_added, 1)
    np.testing.assert_allclose(tech.final, [15 / 255, 40 / 255, 200 / 255])
    bad = pl.DataFrame({"input": ["a", "x"], "user": ["y", "a"], "value": [1.0, 1.0]})
    with pytest.raises(InputError) as caught:
        technology(bad, ITEMS)
    assert len(caught.value.faults) == 2


def test_closed_economy_is_the_leontief_solution(tech):
    made = outputs(tech, np.zeros((1, 3)), np.zeros((1, 3)), np.array([255.0]), Treatment())
    np.testing.assert_allclose(made[0], np.linalg.solve(np.eye(3) - tech.inputs, 255.0 * tech.final))
    np.testing.assert_allclose(made[0], [50, 90, 291])  # the world table itself


@st.composite
def worlds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Trade between four economies in three items, and GDP large enough to make the exports."""
    trade = draw(arrays(float, (3, 4, 4), elements=st.floats(0.01, 10)))
    for item in trade:
        np.fill_diagonal(item, 0)
    slack = draw(arrays(float, 4, elements=st.floats(1.5, 20)))
    return trade, trade.sum(axis=(0, 2)) * slack + trade.sum(axis=(0, 1))


@QUICK
@given(worlds())
def test_any_world_gives_a_table_that_balances(tech, world):
    trade, gdp = world
    exports, imports = trade.sum(axis=2).T, trade.sum(axis=1).T
    rule = Treatment()
    made = outputs(tech, exports, imports, gdp, rule)
    np.testing.assert_allclose(made @ tech.value_added, gdp, rtol=1e-9)
    passing = reexports(made, exports, imports, rule)
    assert (passing >= 0).all()
    assert (passing <= np.minimum(exports, imports)).all()
    assert (exports - passing <= rule.export_ceiling * made * (1 + 1e-9)).all()
    try:
        net = np.stack(
            [
                fit_margins(t, (exports - passing)[:, k], (imports - passing)[:, k], max_iterations=2000).matrix
                for k, t in enumerate(trade)
            ]
        )
    except ModelError:  # what is left after re-exports may need the diagonal; that is said, not fudged
        assume(False)
    table = assemble(tech, ("A", "B", "C", "D"), "2015", made, net, gdp, sectors=ITEMS, classification="X")
    accounts = balance(table)
    assert accounts.columns.largest < 1e-8
    assert accounts.rows.largest < 1e-8
    assert review(table).spectral_radius < 1
    assert (table.Z >= 0).all()
    assert table.Y.min() >= -1e-12 * gdp.max()
    np.testing.assert_allclose(table.VA.reshape(4, 3).sum(axis=1), gdp, rtol=1e-9)
    abroad = (table.Z.reshape(4, 3, 4, 3).sum(axis=3) + table.Y.reshape(4, 3, 4, 1).sum(axis=3)).transpose(1, 0, 2)
    for k, seller, buyer in itertools.product(range(3), range(4), range(4)):
        if seller != buyer:
            assert abroad[k, seller, buyer] == pytest.approx(net[k, seller, buyer], rel=1e-6, abs=1e-9)
    assert table.basis == "estimated"


def test_hub_passes_through_what_it_cannot_make(tech):
    exports = np.array([[90.0, 0, 0], [0, 0, 90]])
    imports = np.array([[100.0, 0, 0], [0, 90, 0]])
    made = outputs(tech, exports, imports, np.array([40.0, 1000.0]), Treatment())
    passing = reexports(made, exports, imports, Treatment())
    assert passing[0, 0] > 60
    assert passing[1].sum() == 0


def test_exports_beyond_gdp_are_refused_with_every_economy(tech):
    exports, imports = np.array([[50.0, 50, 50], [0, 0, 100]]), np.array([[1.0, 1, 1], [60, 0, 0]])
    with pytest.raises(ModelError) as caught:
        outputs(tech, exports, imports, np.array([100.0, 50.0]), Treatment())
    assert "economy 0 spends nothing at home" in str(caught.value)
    assert "economy 1 needs value added of 82" in str(caught.value)


def test_use_table_is_exact_in_both_margins(tech):
    made = np.array([30.0, 60, 200])
    final = 150.0
    share = np.array([0.2, 0.3, 0.5])
    absorbed = ((1 - tech.value_added) @ made + final) * share
    use = use_table(tech, made, absorbed, final)
    np.testing.assert_allclose(use.sum(axis=1), absorbed)
    np.testing.assert_allclose(use.sum(axis=0), [*((1 - tech.value_added) * made), final])


# --- closeness --------------------------------------------------------------------------------------------------------


def test_closeness_of_a_matrix_to_itself_and_to_half_of_itself():
    matrix = RNG.uniform(1, 9, (5, 5))
    same = closeness(matrix, matrix)
    assert (same.pearson, same.spearman, same.within_two) == (pytest.approx(1), pytest.approx(1), 1.0)
    assert closeness(matrix / 2, matrix).within_two == 1.0
    assert closeness(matrix / 2.01, matrix).within_two == 0.0
    assert same.cells == 20
    with pytest.raises(InputError):
        closeness(matrix, matrix[:4])


def test_closeness_counts_values_and_leaves_zeros_out_of_ratios():
    truth = np.array([[0.0, 4, 1], [0, 0, 5], [2, 8, 0]])
    guess = np.array([[7.0, 4, 9], [3, 0, 0], [1, 3, 7]])
    found = closeness(guess, truth)
    assert found.positive == 4
    assert found.within_two == pytest.approx(2 / 4)
    assert found.within_two_by_value == pytest.approx(6 / 15)
