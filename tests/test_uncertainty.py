"""Draws, their quantiles, common random numbers, and Sobol indices against functions whose indices are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.simulation.uncertainty import Factor, draw, sensitivity, spread_of
from weaponized_interdependence.simulation.uncertainty.draws import SIDES, points
from weaponized_interdependence.simulation.uncertainty.factors import TAIL

UNIFORM: dict[str, Any] = {"kind": "uniform"}


# ---- factors ----------------------------------------------------------------------------------------------------


@given(
    value=st.floats(0.2, 60),
    down=st.floats(1.01, 5),
    up=st.floats(1.01, 5),
)
def test_a_band_without_an_error_is_the_5th_and_95th_percentile(value: float, down: float, up: float) -> None:
    factor = Factor("theta", value / down, value, value * up)
    assert factor.quantile(np.array([0.05, 0.5, 0.95])) == pytest.approx([value / down, value, value * up])


def test_an_error_alone_gives_the_lognormal_of_that_relative_error() -> None:
    factor = Factor("theta", 8.0, 8.0, 8.0, error=0.4)
    u = np.linspace(0.02, 0.98, 49)
    assert factor.quantile(u) == pytest.approx(stats.lognorm(np.sqrt(np.log(1.16)), scale=8.0).ppf(u))


def test_error_and_band_join_as_independent_errors() -> None:
    low, high = Factor("theta", 4.0, 8.0, 16.0, error=0.4).spreads
    assert low == high == pytest.approx(np.sqrt(np.log(1.16) + (np.log(2) / stats.norm.ppf(0.95)) ** 2))


def test_tails_are_cut_and_the_range_of_the_model_holds() -> None:
    factor = Factor("theta", 8.0, 8.0, 60.0, error=0.5, floor=0.1, ceiling=65.0)
    ends = factor.quantile(np.array([0.0, TAIL, 1 - TAIL, 1.0]))
    assert ends[0] == ends[1] > 0.1
    assert ends[2] == ends[3] == 65.0


def test_shares_are_split_uniform_and_reach_zero() -> None:
    share = Factor("share", 0.0, 0.25, 0.5, kind="split uniform")
    assert share.quantile(np.array([0.0, 0.25, 0.5, 1.0])) == pytest.approx([0.0, 0.125, 0.25, 0.5])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"low": 2.0, "value": 1.0, "high": 3.0}, "low 2, value 1"),
        ({"low": 0.0, "value": 1.0, "high": 3.0}, "above zero"),
        ({"low": 1.0, "value": 1.0, "high": np.nan}, "not finite"),
        ({"low": 1.0, "value": 1.0, "high": 1.0, "error": -0.1}, "below zero"),
        ({"low": 0.0, "value": 0.5, "high": 1.0, "error": 0.1, **UNIFORM}, "no place"),
        ({"low": 1.0, "value": 1.0, "high": 2.0, "ceiling": 0.5}, "outside"),
        ({"low": 1.0, "value": 1.0, "high": 2.0, "kind": "lognormal"}, "no kind 'lognormal'"),
    ],
)
def test_what_is_no_distribution_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="not a distribution") as caught:
        Factor("x", **wrong)
    assert said in str(caught.value)


# ---- draws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sobol", "lhs"])
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(method: Any) -> None:
    factors = [Factor(f"x{k}", 1.0, 2.0, 4.0) for k in range(5)]
    one, two = (draw(factors, 64, seed=3, method=method).values for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert not (draw(factors, 64, seed=4, method=method).values == one).all(axis=0).any()


@pytest.mark.parametrize("method", ["sobol", "lhs"])
def test_what_follows_changes_no_earlier_draw(method: Any) -> None:
    factors = [Factor(f"x{k}", 1.0, 2.0, 4.0) for k in range(6)]
    few, many = (draw(factors[:n], 32, seed=1, method=method).values for n in (3, 6))
    assert (few == many[:, :3]).all()


@pytest.mark.parametrize("method", ["sobol", "lhs"])
def test_every_side_is_even(method: Any) -> None:
    """Of n points one lies in each n-th of every side: the mark of a Latin hypercube, and of a Sobol net's sides."""
    made = points(40, 256, seed=9, method=method)
    counts = np.stack([np.bincount((made[:, k] * 256).astype(int), minlength=256) for k in range(40)])
    assert (counts == 1).all()


def test_the_second_cube_is_independent_of_the_first() -> None:
    one, other = (points(30, 1024, seed=5, second=c) for c in (False, True))
    correlation = np.corrcoef(one.T, other.T)[:30, 30:]
    assert np.abs(correlation).max() < 5 / np.sqrt(1024)


def test_a_quasi_random_mean_beats_a_random_one() -> None:
    def miss(u: Any) -> float:
        return float(np.abs(np.exp(u).prod(axis=1).mean() - (np.e - 1) ** 4))

    quasi = np.mean([miss(points(4, 1024, seed=s, method="sobol")) for s in range(20)])
    random = np.mean([miss(np.random.default_rng(s).random((1024, 4))) for s in range(20)])
    assert quasi < random / 5


def test_draws_that_cannot_be_made_are_refused_with_every_fault() -> None:
    twice = [Factor("x", 1.0, 1.0, 2.0)] * (SIDES + 1)
    with pytest.raises(UsageError) as caught:
        draw(twice, 100, seed=1, method="sobol")
    for said in ("named twice", "power of two", "at most"):
        assert said in str(caught.value)
    with pytest.raises(UsageError, match="cannot be made"):
        draw([], 64, seed=1)
    with pytest.raises(UsageError, match="ask for 2 to"):
        draw(twice[:1], 1 << 20, seed=1)  # of both cubes: more than ten gigabytes


def test_a_spread_leaves_out_draws_without_an_answer() -> None:
    answers = np.column_stack([np.arange(101.0), np.full(101, np.nan)])
    answers[50:, 0] = np.nan
    made = spread_of(answers)
    assert (made.low[0], made.high[0]) == pytest.approx((2.45, 46.55))
    assert made.median[0] == 24.5
    assert np.isnan([made.low[1], made.median[1], made.high[1]]).all()


# ---- sensitivity ------------------------------------------------------------------------------------------------


def ishigami(x: Any) -> Any:
    return (np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))[:, None]


def test_ishigami_has_its_known_indices() -> None:
    """Closed form with a = 7, b = 0.1 (Sobol' and Levitan 1999)."""
    x = [Factor(f"x{k}", -np.pi, 0.0, np.pi, **UNIFORM) for k in (1, 2, 3)]
    a, b = 7.0, 0.1
    v1, v2, v13 = 0.5 * (1 + b * np.pi**4 / 5) ** 2, a**2 / 8, b**2 * np.pi**8 * (1 / 18 - 1 / 50)
    v = v1 + v2 + v13
    made = sensitivity(ishigami, x, 4096, seed=2)
    assert made.first[0] == pytest.approx([v1 / v, v2 / v, 0.0], abs=0.04)
    assert made.total[0] == pytest.approx([(v1 + v13) / v, v2 / v, v13 / v], abs=0.04)
    assert (made.first_low <= made.first).all()
    assert (made.first <= made.first_high).all()
    assert (made.total_low <= made.total).all()
    assert (made.total <= made.total_high).all()
    assert made.runs == 5 * 4096
    assert made.left_out == 0


def test_indices_are_those_of_scipy() -> None:
    law: Any = stats.uniform(-np.pi, 2 * np.pi)
    theirs = stats.sobol_indices(func=lambda x: ishigami(x.T).T, n=4096, dists=[law] * 3, rng=np.random.default_rng(0))
    x = [Factor(f"x{k}", -np.pi, 0.0, np.pi, **UNIFORM) for k in (1, 2, 3)]
    ours = sensitivity(ishigami, x, 4096, seed=2)
    assert ours.first[0] == pytest.approx(theirs.first_order.ravel(), abs=0.04)
    assert ours.total[0] == pytest.approx(theirs.total_order.ravel(), abs=0.04)


def test_a_group_is_moved_together() -> None:
    """y = x1 x2 + x3: of the group (x1, x2) the interaction is its own, so first and total agree."""
    groups = ("pair", "pair", "")
    x = [Factor(f"x{k}", 0.0, 0.5, 1.0, group=g, **UNIFORM) for k, g in enumerate(groups)]
    made = sensitivity(lambda v: (v[:, 0] * v[:, 1] + v[:, 2])[:, None], x, 4096, seed=1)
    pair = 1 / 9 - 1 / 16  # variance of a product of two uniforms
    share = pair / (pair + 1 / 12)
    assert made.groups == ("pair", "x2")
    assert made.first[0] == pytest.approx([share, 1 - share], abs=0.04)
    assert made.total[0] == pytest.approx([share, 1 - share], abs=0.04)


def test_what_is_known_is_held_and_what_does_not_move_has_no_index() -> None:
    x = [Factor("known", 2.0, 2.0, 2.0), Factor("open", 1.0, 2.0, 3.0, **UNIFORM)]
    made = sensitivity(lambda v: np.column_stack([v[:, 0], v.sum(axis=1)]), x, 256, seed=1)
    assert made.groups == ("open",)
    assert np.isnan(made.first[0]).all()
    assert made.first[1] == pytest.approx([1.0], abs=0.05)
    with pytest.raises(UsageError, match="nothing to vary"):
        sensitivity(lambda v: v, x[:1], 256, seed=1)


def test_a_shifted_and_scaled_answer_has_the_same_indices() -> None:
    x = [Factor(f"x{k}", -np.pi, 0.0, np.pi, **UNIFORM) for k in (1, 2, 3)]
    made = sensitivity(lambda v: np.column_stack([ishigami(v), 1e6 + 1e3 * ishigami(v)]), x, 512, seed=1)
    assert made.first[0] == pytest.approx(made.first[1], rel=1e-6)
    assert made.total[0] == pytest.approx(made.total[1], rel=1e-6)


def test_draws_without_an_answer_are_counted_and_too_many_refused() -> None:
    x = [Factor("x", 0.0, 0.5, 1.0, **UNIFORM), Factor("y", 0.0, 0.5, 1.0, **UNIFORM)]
    few = sensitivity(lambda v: np.where(v[:, :1] > 0.97, np.nan, v.sum(axis=1)[:, None]), x, 512, seed=1)
    assert 0 < few.left_out < 512 * 0.15
    with pytest.raises(UsageError, match="8 draws are too few"):
        sensitivity(lambda v: v[:, :1], x, 8, seed=1)
    with pytest.raises(ModelError, match="have an answer"):
        sensitivity(lambda v: np.where(v[:, :1] > 0.3, np.nan, v[:, :1]), x, 512, seed=1)
