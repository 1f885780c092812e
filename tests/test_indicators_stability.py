"""Perturbed rankings: the random numbers, what a draw is, intervals with a closed form, and what is refused."""

import doctest
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators import perturbation, stability
from weaponized_interdependence.indicators.perturbation import _mix, factors, tie_ids, uniforms
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.indicators.stability import (
    agreement,
    bootstrap,
    correlations,
    intervals,
    rank_changes,
    resample,
)
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import FLOWS, SCORES

Row = tuple[str, str, float]


def flows(ties: list[Row], period: str = "2020", layer: str = "goods", item: str = "TOTAL") -> pl.DataFrame:
    rows = [(period, layer, o, d, item, v, None, None, "USD", "observed") for o, d, v in ties]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def random_ties(seed: int, nodes: int = 10, density: float = 0.4) -> list[Row]:
    rng = np.random.default_rng(seed)
    names = [f"N{k}" for k in range(nodes)]
    return [(o, d, float(np.exp(rng.normal(0, 2)))) for o in names for d in names if o != d and rng.random() < density]


def names_of(count: int) -> pl.DataFrame:
    return pl.DataFrame({"layer": "goods", "origin": [f"O{k}" for k in range(count)], "destination": "D"})


# The random numbers


def test_mixing_is_splitmix64() -> None:
    """First outputs of the generator for seed 1234567, as its implementations in other languages give them."""
    state = np.array([1234567], dtype=np.uint64)
    found = []
    for _ in range(5):
        found.append(int(_mix(state)[0]))
        state = state + np.uint64(0x9E3779B97F4A7C15)
    assert found == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_uniforms_are_uniform_and_do_not_hang_together() -> None:
    ids = tie_ids(names_of(2_000))
    by_draw = np.array([uniforms(ids, draw, 0, 7) for draw in range(200)])
    assert ((by_draw > 0) & (by_draw < 1)).all()
    for sample in (by_draw[0], by_draw[:, 0], by_draw.ravel(), uniforms(ids, 0, 1, 7), uniforms(ids, 0, 0, 8)):
        assert stats.kstest(sample, "uniform").pvalue > 0.001
    # Neighbouring draws, ties, streams and seeds: correlations of 2,000 (or 400,000) pairs stay within 4 deviations.
    pairs = [
        (by_draw[:-1].ravel(), by_draw[1:].ravel()),
        (by_draw[:, :-1].ravel(), by_draw[:, 1:].ravel()),
        (by_draw[0], uniforms(ids, 0, 1, 7)),
        (by_draw[0], uniforms(ids, 0, 0, 8)),
    ]
    for a, b in pairs:
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(len(a))


def test_factors_have_mean_one_and_the_spread_asked_for() -> None:
    ids = tie_ids(names_of(200_000))
    noise, missing = 0.4, 0.3
    found = factors(ids, 3, noise=noise, missing=missing, seed=1)
    there = found[found > 0]
    assert 1 - len(there) / len(found) == pytest.approx(missing, abs=4 * math.sqrt(0.3 * 0.7 / len(found)))
    assert np.log(there).std() == pytest.approx(noise, rel=0.01)
    assert found.mean() == pytest.approx(1.0, abs=4 * found.std() / math.sqrt(len(found)))
    assert (factors(ids, 0, noise=0.0, missing=0.0, seed=1) == 1).all()


def test_a_tie_has_its_own_numbers_whatever_stands_beside_it() -> None:
    names = names_of(50)
    some = names.sample(fraction=0.5, shuffle=True, seed=1)
    all_of = dict(zip(names["origin"], tie_ids(names).tolist(), strict=True))
    assert [all_of[o] for o in some["origin"]] == tie_ids(some).tolist()
    ends = names.select("layer", origin="destination", destination="origin")
    assert not set(tie_ids(ends).tolist()) & set(all_of.values()), "the direction of a tie counts"
    assert len(set(all_of.values())) == 50


# What a draw is


@pytest.mark.parametrize("by", [(), ("item",)])
def test_a_draw_is_a_ranking_of_perturbed_ties(by: tuple[str, ...]) -> None:
    """Against flows multiplied one by one; items that are summed err together."""
    items = {"HS17:1001": random_ties(1), "HS17:2709": random_ties(2)}
    given = pl.concat([flows(ties, item=item) for item, ties in items.items()])
    made = resample(given, ["export_share", "hhi_imports"], draws=40, noise=0.5, missing=0.2, seed=5, by=by)
    key = ["layer", "origin", "destination", *(["item"] if by else [])]
    for draw in (0, 17, 39):
        value = [
            row["value"]
            * factors(tie_ids(pl.DataFrame([{k: row[k] for k in key}])), draw, noise=0.5, missing=0.2, seed=5)[0]
            for row in given.to_dicts()
        ]
        plain = rank(given.with_columns(value=pl.Series(value)), ["export_share", "hhi_imports"], by=by)
        want = {row[:3]: row[3:] for row in plain.select("item", "node", "indicator", "score", "rank").rows()}
        for k, (item, node, indicator, score) in enumerate(
            made.scores.select("item", "node", "indicator", "score").rows()
        ):
            theirs, place = want.get((item, node, indicator), (None, None))
            if theirs is None:
                assert math.isnan(made.low[k, draw])
                assert math.isnan(made.rank[k, draw]) == (score is None)
            else:
                assert made.low[k, draw] == made.high[k, draw] == pytest.approx(theirs)
                assert made.rank[k, draw] == place


def test_scores_are_those_of_the_flows_as_they_are() -> None:
    given = flows(random_ties(3))
    plain = rank(given, ["strength", "hhi_exports"])
    found = bootstrap(given, ["strength", "hhi_exports"], draws=40, noise=0.3)
    assert SCORES.conform(found).equals(found)
    columns = [c for c in SCORES.schema if c not in ("low", "high", "rank_low", "rank_high")]
    assert found.select(columns).equals(plain.select(columns))
    assert bootstrap(given, ["strength", "hhi_exports"], draws=40, noise=0.3, top=3).equals(
        found.filter(pl.col("rank") <= 3)
    )


def test_the_same_seed_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    given = pl.concat([flows(random_ties(4), item="SITC:1"), flows(random_ties(5), item="SITC:2")])
    asked: dict[str, Any] = {
        "indicators": ["trade_share", "percolation"],
        "draws": 10,
        "noise": 0.3,
        "missing": 0.1,
        "confidence": 0.8,
    }
    one = bootstrap(given, seed=9, **asked)
    assert bootstrap(given.sample(fraction=1.0, shuffle=True, seed=2), seed=9, **asked).equals(one)
    assert bootstrap(given.lazy(), seed=9, **asked).equals(one)
    monkeypatch.setenv("WI_THREADS", "1")
    assert bootstrap(given, seed=9, **asked).equals(one)
    assert not bootstrap(given, seed=10, **asked).equals(one)


def test_a_tie_errs_alike_in_every_period() -> None:
    ties = random_ties(6)
    both = pl.concat([flows(ties, "2000"), flows([(o, d, 3 * v) for o, d, v in ties], "2010")])
    made = resample(both, "hhi_imports", draws=40, noise=0.5, missing=0.2)
    half = made.scores.height // 2
    assert made.scores["period"].to_list() == ["2000"] * half + ["2010"] * half
    assert made.low[:half] == pytest.approx(made.low[half:], nan_ok=True)
    changes = rank_changes(both, "hhi_imports", "2000", "2010", draws=40, noise=0.5, missing=0.2)
    assert changes.height
    assert set(changes["change"]) == set(changes["change_low"]) == set(changes["change_high"]) == {0}
    assert not changes["moved"].any()


@pytest.mark.parametrize("name", ["panopticon", "chokepoint", "betweenness", "robustness_value"])
def test_chains_pairs_and_whole_networks_are_perturbed_too(name: str) -> None:
    given = flows(random_ties(7, nodes=6, density=0.6), layer="payments")
    found = bootstrap(given, name, draws=40, noise=0.8)
    assert SCORES.conform(found).equals(found)
    defined = found.drop_nulls("score")
    assert defined["low"].is_not_null().all()
    assert (defined["low"] <= defined["high"]).all()
    assert (defined["rank_low"] <= defined["rank_high"]).all()
    assert (defined["low"] < defined["high"]).any()


def test_a_band_of_the_indicators_own_is_inside_the_interval() -> None:
    # In a cycle of equal ties all nodes are equally strong: the score has a band without any noise.
    cycle = [(f"N{k}", f"N{(k + 1) % 6}", 1.0) for k in range(6)]
    score, low, high = rank(flows(cycle), "robustness").select("score", "low", "high").row(0)
    assert low < score < high
    # Only whole ties go missing: the equally strong stay so in many draws.
    made = resample(flows(cycle), "robustness", draws=100, noise=0.0, missing=0.1)
    assert (made.low <= made.high).all()
    assert (made.low < made.high).any()
    found = intervals(made).row(0, named=True)
    assert found["low"] <= np.quantile((made.low + made.high) / 2, 0.025)


def test_a_band_that_only_some_draws_have_is_kept() -> None:
    # Nodes of unlike strength, until a tie is missing and the ends of the other are equally strong.
    path = flows([("A", "B", 1.0), ("B", "C", 2.0)])
    assert rank(path, "robustness")["low"].to_list() == [None]
    made = resample(path, "robustness", draws=60, noise=0.0, missing=0.3)
    alone = np.flatnonzero(made.low[0] < made.high[0])
    assert 0 < len(alone) < 60
    # One tie of two nodes: 0 and then 0 of 2 at worst, 2 and then 0 of 2 at best.
    assert set(made.low[0, alone]) == {0.0}
    assert set(made.high[0, alone]) == {0.5}


def test_a_score_without_bound_has_no_upper_end() -> None:
    low = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    high = np.array([[2.0, np.inf, np.inf, np.inf], [2.0, 3.0, 4.0, 5.0]])
    scores = rank(flows([("A", "B", 1.0)]), "strength")
    made = stability.Draws(scores, low, high, np.ones((2, 4), dtype=np.float32))
    assert intervals(made, 0.5)["low"].to_list() == [1.75, 1.75]
    assert intervals(made, 0.5)["high"].to_list() == [None, 4.25]


@pytest.mark.parametrize("module", [stability, perturbation])
def test_examples_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


# Intervals


def test_intervals_have_their_closed_form() -> None:
    """Two exporters: the log of the ratio of their sales is normal, so share and rank have known laws."""
    a, b, noise = 120.0, 100.0, 0.2
    given = flows([("A", "Z", a), ("B", "Z", b)])
    draws = 400
    made = resample(given, "export_share", draws=draws, noise=noise, seed=3, confidence=0.9)
    found = intervals(made, 0.9).row(0, named=True)
    assert found["node"] == "A"
    law = stats.norm(math.log(a / b), noise * math.sqrt(2))
    for side, q in (("low", 0.05), ("high", 0.95)):
        share = 1 / (1 + math.exp(-law.ppf(q)))
        density = law.pdf(law.ppf(q)) / (share * (1 - share))
        assert found[side] == pytest.approx(share, abs=4 * math.sqrt(q * (1 - q) / draws) / density)
    first = float((made.rank[0] == 1).mean())
    assert first == pytest.approx(1 - law.cdf(0), abs=4 * math.sqrt(0.25 / draws))
    assert (found["rank_low"], found["rank_high"]) == (1, 2)


def test_sums_are_right_on_average_also_where_ties_are_missing() -> None:
    given = flows([(f"O{k}", "Z", 1.0) for k in range(400)])
    made = resample(given, "in_strength", draws=150, noise=0.3, missing=0.25)
    drawn = made.low[made.scores["node"].to_list().index("Z")]
    assert drawn.mean() == pytest.approx(400, abs=4 * drawn.std() / math.sqrt(150))


def test_a_node_that_loses_all_its_ties_comes_last_and_is_told() -> None:
    given = flows([("A", "Z", 100.0), ("B", "Z", 10.0), ("C", "Y", 1.0)])
    made = resample(given, "export_share", draws=150, noise=0.0, missing=0.5)
    row = made.scores["node"].to_list().index("B")
    gone = np.isnan(made.low[row])
    assert gone.mean() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 150))
    ranked = np.isfinite(made.low).sum(axis=0)
    alive = ranked > 0
    assert (made.rank[row, gone & alive] == ranked[gone & alive] + 1).all()
    assert np.isnan(made.rank[:, ~alive]).all(), "where nothing is left nobody is ranked"
    told = agreement(made).row(0, named=True)
    assert told["lost"] == pytest.approx(np.isnan(made.low).mean())
    assert intervals(made).filter(pl.col("node") == "B")["rank_high"][0] > 2


def test_an_item_of_which_nothing_flows_does_not_rename_the_sum() -> None:
    """The sum of two items is called ALL, in every draw too, though one of them has but a zero."""
    given = pl.concat(
        [flows([("A", "B", 4.0), ("B", "C", 5.0)], item="SITC:1"), flows([("A", "B", 0.0)], item="SITC:2")]
    )
    found = bootstrap(given, "export_share", draws=40, noise=0.1)
    assert found["item"].unique().to_list() == ["ALL"]
    assert found.select("low", "high", "rank_low", "rank_high").null_count().row(0) == (0, 0, 0, 0)


def test_a_draw_that_loses_the_target_is_no_crash() -> None:
    given = flows([("A", "T", 1.0), ("A", "B", 5.0), ("B", "A", 5.0)])
    found = bootstrap(given, "chokepoint", draws=60, noise=0.1, missing=0.5, target=["T"])
    assert found.filter(pl.col("node") == "A")["score"].to_list() == [1.0]


def test_agreement_is_that_of_scipy() -> None:
    made = resample(flows(random_ties(8)), ["out_strength", "hhi_imports"], draws=50, noise=1.0)
    told = agreement(made, 0.9)
    assert told["indicator"].to_list() == ["hhi_imports", "out_strength"] or told.height == 2
    for facts in told.to_dicts():
        mine = (made.scores["indicator"] == facts["indicator"]).to_numpy() & made.scores[
            "score"
        ].is_not_null().to_numpy()
        base, drawn = made.scores["score"].to_numpy()[mine], made.low[mine]
        for name, of in (("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
            all_of = [of(base, column, nan_policy="omit").statistic for column in drawn.T]
            assert facts[name] == pytest.approx(np.median(all_of))
            assert facts[f"{name}_low"] == pytest.approx(np.quantile(all_of, 0.05))
        assert facts["scores"] == mine.sum()
        assert facts["draws"] == 50


def test_correlations_of_nothing_are_not_defined() -> None:
    assert all(math.isnan(c) for c in correlations(np.array([1.0]), np.array([2.0])))
    assert all(math.isnan(c) for c in correlations(np.array([1.0, 1.0]), np.array([2.0, 3.0])))
    assert all(math.isnan(c) for c in correlations(np.array([1.0, np.nan]), np.array([2.0, 3.0])))
    assert correlations(np.array([1.0, 2.0, np.nan]), np.array([2.0, 3.0, 0.0])) == pytest.approx((1.0, 1.0))


def test_changes_that_noise_can_explain_are_told_from_those_it_cannot() -> None:
    # A and B change places by a hair, which one factor for both periods rarely turns; C and D change by far.
    before = [("A", "Z", 1000.0), ("B", "Z", 999.0), ("C", "Z", 10.0), ("D", "Z", 1.0)]
    after = [("A", "Z", 999.0), ("B", "Z", 1000.0), ("C", "Z", 1.0), ("D", "Z", 10.0)]
    both = pl.concat([flows(before, "2000"), flows(after, "2010"), flows(before, "2020")])
    found = rank_changes(both, "export_share", "2000", "2010", draws=60, noise=0.3)
    rows = found.select("node", "rank_before", "rank_after", "change", "change_low", "change_high", "moved").rows()
    assert rows[:4] == [
        ("A", 1, 2, -1, 0, 0, False),
        ("B", 2, 1, 1, 0, 0, False),
        ("C", 3, 4, -1, -1, -1, True),
        ("D", 4, 3, 1, 1, 1, True),
    ]
    with pytest.raises(UsageError, match="both periods are 2000"):
        rank_changes(both, "export_share", "2000", "2000", draws=40, noise=0.1)
    with pytest.raises(UsageError, match="no flows of period"):
        rank_changes(both, "export_share", "2000", "1999", draws=40, noise=0.1)


# What is refused


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        resample(flows(random_ties(1)), "strength", draws=3, noise=-1.0, missing=1.0, seed=-1, top=3)
    for part in ("noise is -1.0", "missing is 1.0", "seed is -1", "3 draws have no 0.95 interval", "40 or more", "top"):
        assert part in str(caught.value)
    with pytest.raises(UsageError, match="nothing is perturbed"):
        bootstrap(flows(random_ties(1)), "strength", draws=40, noise=0.0)
    with pytest.raises(UsageError, match="confidence is 1"):
        bootstrap(flows(random_ties(1)), "strength", draws=40, noise=0.1, confidence=1.0)
    with pytest.raises(UsageError, match="noise is nan"):
        bootstrap(flows(random_ties(1)), "strength", draws=40, noise=math.nan)


def test_noise_has_no_default() -> None:
    loose: Callable[..., pl.DataFrame] = bootstrap
    with pytest.raises(TypeError, match="noise"):
        loose(flows(random_ties(1)), "strength", draws=40)


def test_tables_are_not_perturbed() -> None:
    one = np.ones((1, 1))
    table = IOTable(
        period="2020", economies=("A",), sectors=("s",), demands=("final",), Z=one, Y=one, VA=np.ones(1),
        x=2 * np.ones(1), other=np.zeros(1), classification="X", basis="assumed",
    )  # fmt: skip
    with pytest.raises(UsageError, match="table is not perturbed"):
        bootstrap(flows(random_ties(1)), "panopticon", draws=40, noise=0.1, table=table)


def test_more_than_fits_is_refused_before_any_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "MOST_CELLS", 500)
    with pytest.raises(UsageError, match=r"10 scores times 60 draws.*at most 50 times"):
        bootstrap(flows(random_ties(1)), "strength", draws=60, noise=0.1)


def test_empty_flows_give_an_empty_ranking() -> None:
    empty = flows(random_ties(1)).clear()
    assert bootstrap(empty, "strength", draws=40, noise=0.1).equals(SCORES.empty())
    assert agreement(resample(empty, "strength", draws=40, noise=0.1)).is_empty()
