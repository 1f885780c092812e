"""Two rankings beside each other, against a plain dictionary, scipy, and what must not be compared."""

import doctest
import json
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from scipy import stats

from weaponized_interdependence import comparison, exports
from weaponized_interdependence.comparison import Ranking, alike, compare, read_ranking
from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.schemas import FLOWS, MOVES, SCORES


def ranking(scores: dict[str, float | None], period: str = "2020", metadata: Any = None, **more: Any) -> Ranking:
    """A ranking of nodes by score, ties sharing the smallest rank."""
    rows = [
        {"period": period, "layer": "goods", "item": "ALL", "node": node, "indicator": "export_share", "score": score}
        | {"unit": "share, 0 to 1", "basis": "observed"}
        | more
        for node, score in scores.items()
    ]
    schema = {k: t for k, t in SCORES.schema.items() if k not in ("rank",) or "rank" in more}
    frame = pl.DataFrame(rows, schema=schema)
    if "rank" not in more:
        frame = frame.with_columns(rank=pl.col("score").rank("min", descending=True).cast(pl.Int64))
    about = {k: json.dumps(v) for k, v in (metadata or {"options": {"by": []}}).items()}
    return Ranking(SCORES.conform(frame), about, f"{period}.parquet")


def joined(*rankings: Ranking) -> Ranking:
    return Ranking(pl.concat([r.scores for r in rankings]), rankings[0].metadata, "both.parquet")


nodes = st.dictionaries(st.sampled_from("ABCDEFGHIJ"), st.one_of(st.none(), st.integers(0, 6).map(float)), min_size=1)


@given(nodes, nodes, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_moves_are_what_two_dictionaries_say(old: dict[str, Any], new: dict[str, Any], top: int) -> None:
    before, after = ranking(old, "2000"), ranking(new, "2010")
    moves, warnings = compare(before, after)
    assert not warnings
    assert MOVES.conform(moves).equals(moves)
    ranks = [dict(r.scores.drop_nulls("rank").select("node", "rank").rows()) for r in (before, after)]
    assert set(moves["node"]) == {*ranks[0], *ranks[1]}
    for row in moves.to_dicts():
        a, b = (r.get(row["node"]) for r in ranks)
        assert (row["rank_before"], row["rank_after"]) == (a, b)
        assert row["rank_change"] == (None if a is None or b is None else a - b)
        word = "entered" if a is None else "left" if b is None else {1: "up", 0: "same", -1: "down"}[np.sign(a - b)]
        assert row["move"] == word
        assert row["score_before"] == (None if a is None else old[row["node"]])
        if a is not None and b is not None:
            assert row["score_change"] == new[row["node"]] - old[row["node"]]
    assert moves["rank_after"].drop_nulls().is_sorted()
    if moves.is_empty():
        return
    told = alike(moves, top).row(0, named=True)
    first = {n for n, r in ranks[0].items() if r <= top}
    kept = {n for n in first if ranks[1].get(n, math.inf) <= top}
    assert told["top_kept"] == (pytest.approx(len(kept) / len(first)) if first else None)
    assert told["both"] == len({*ranks[0]} & {*ranks[1]})
    assert told["entered"] + told["left"] + told["both"] == moves.height
    assert told["up"] == (moves["move"] == "up").sum()
    assert told["apart"] is None


@pytest.mark.parametrize("seed", range(3))
def test_correlations_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"N{k:02d}" for k in range(30)]
    old, new = rng.integers(0, 12, 30).astype(float), rng.integers(0, 12, 30).astype(float)
    first = ranking(dict(zip(names, old.tolist(), strict=True)), "2000")
    second = ranking(dict(zip(names, new.tolist(), strict=True)), "2010")
    told = alike(compare(first, second)[0]).row(0, named=True)
    assert told["spearman"] == pytest.approx(stats.spearmanr(old, new).statistic)
    assert told["kendall"] == pytest.approx(stats.kendalltau(old, new).statistic)


def test_items_and_pairs_are_kept_apart() -> None:
    def of(period: str, *rows: tuple[str, str, str | None, float]) -> Ranking:
        parts = [ranking({n: s}, period, item=item, counterpart=c, rank=1) for item, n, c, s in rows]
        return joined(*parts)

    before = of("2000", ("HS17:1001", "A", "T", 0.5), ("HS17:2709", "A", "T", 0.4), ("HS17:8542", "A", "T", 0.1))
    after = of("2010", ("HS17:1001", "A", "T", 0.6), ("HS17:1001", "A", "U", 0.2), ("HS17:2709", "B", "T", 0.3))
    moves, _ = compare(before, after)
    # An item that only one ranking has is no news about its nodes.
    assert moves.select("item", "node", "counterpart", "move").rows() == [
        ("HS17:1001", "A", "T", "same"),
        ("HS17:1001", "A", "U", "entered"),
        ("HS17:2709", "B", "T", "entered"),
        ("HS17:2709", "A", "T", "left"),
    ]
    assert alike(moves).height == 2


def test_intervals_of_ranks_that_do_not_touch_are_apart() -> None:
    one = {"A": 0.5}
    before = ranking(one, "2000", rank=3, rank_low=2, rank_high=4)
    for low, high, apart in [(5, 6, True), (4, 6, False), (1, 1, True), (1, 2, False), (3, 3, False)]:
        moves, _ = compare(before, ranking(one, "2010", rank=3, rank_low=low, rank_high=high))
        assert moves["apart"].to_list() == [apart]
        assert alike(moves)["apart"].to_list() == [int(apart)]
    assert compare(before, ranking(one, "2010"))[0]["apart"].to_list() == [None]


def test_the_weaker_basis_is_told() -> None:
    moves, _ = compare(ranking({"A": 1.0}, basis="assumed"), ranking({"A": 1.0}, "2021", basis="estimated"))
    assert moves["basis"].to_list() == ["assumed"]


# Periods


def test_periods_find_each_other() -> None:
    a, b, c = (ranking({"A": 1.0, "B": 2.0}, period) for period in ("2000", "2007", "2011"))

    def pairs(*args: Any) -> list[tuple[str, str]]:
        moves = compare(*args)[0].select("period_before", "period_after").unique().sort("period_before")
        return list(moves.rows())

    assert pairs(a, c) == [("2000", "2011")]
    assert pairs(joined(a, c)) == [("2000", "2011")]
    assert pairs(joined(a, b, c), None, ("2011", "2007")) == [("2011", "2007")]
    assert pairs(joined(a, b), joined(a, b)) == [("2000", "2000"), ("2007", "2007")]
    assert pairs(joined(a, b), joined(b, c), ("2000", "2011")) == [("2000", "2011")]
    with pytest.raises(UsageError, match=r"3 periods: 2000, 2007, 2011.*--periods BEFORE AFTER"):
        compare(joined(a, b, c))
    with pytest.raises(UsageError, match=r"ranks 2000 only.*give a second ranking"):
        compare(a)
    with pytest.raises(UsageError, match=r"(?s)different periods.*2000, 2007.*2007, 2011"):
        compare(joined(a, b), joined(b, c))
    with pytest.raises(UsageError, match=r"(?s)no scores of period 1999.*no scores of period 1998"):
        compare(a, b, ("1999", "1998"))
    with pytest.raises(UsageError, match="both periods are 2000"):
        compare(joined(a, b), None, ("2000", "2000"))


# What must not be compared, and what must be told


def test_all_that_forbids_a_comparison_is_said_at_once() -> None:
    told = {"definitions": {"export_share": {"formula": "a / b", "unit": "share, 0 to 1"}}, "options": {"by": []}}
    other = {"definitions": {"export_share": {"formula": "a / c", "unit": "share, 0 to 1"}}, "options": {"by": []}}
    with pytest.raises(UsageError) as caught:
        compare(ranking({"A": 1.0}, metadata=told), ranking({"A": 1.0}, "2021", metadata=other, unit="USD"))
    for part in ("export_share is in share, 0 to 1 before and in USD after", "not defined alike: formula", "rank both"):
        assert part in str(caught.value)


def test_nothing_in_common_is_told_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="no indicator in common: export_share / strength"):
        compare(ranking({"A": 1.0}), ranking({"A": 1.0}, "2021", indicator="strength"))
    with pytest.raises(UsageError, match="no layer and item in common for export_share: goods ALL / claims SITC:3"):
        compare(ranking({"A": 1.0}), ranking({"A": 1.0}, "2021", item="SITC:3", layer="claims"))


def test_options_that_differ_are_one_warning() -> None:
    first = ranking({"A": 1.0}, metadata={"options": {"jurisdiction": ["USA"], "periods": ["2020"], "names": ["x"]}})
    second = ranking({"A": 1.0}, "2021", metadata={"options": {"jurisdiction": ["EU"], "max_detour": 0.5}})
    _, warnings = compare(first, second)
    assert warnings == [
        'the rankings were made with different options: jurisdiction ["USA"] / ["EU"]; max_detour not set / 0.5'
    ]
    cut = ranking({"A": 1.0}, "2021", metadata={"options": {"top": 5, "jurisdiction": ["USA"]}})
    assert "top not set / 5" in compare(first, cut)[1][0]
    silent = Ranking(second.scores, {}, "b.csv")
    assert compare(first, silent)[1] == ["definitions and options were not checked, for b.csv does not say them"]
    assert not compare(joined(first, second))[1]


def test_an_indicator_of_one_ranking_alone_is_told() -> None:
    more = joined(ranking({"A": 1.0}), ranking({"A": 1.0}, indicator="strength"))
    moves, warnings = compare(more, ranking({"A": 1.0}, "2021"))
    assert set(moves["indicator"]) == {"export_share"}
    assert "left out" in warnings[0]
    assert "strength" in warnings[0]


# Files


@pytest.mark.parametrize("extension", ["parquet", "arrow", "json", "csv"])
def test_rankings_are_read_with_what_they_say_of_themselves(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"r.{extension}"
    made = ranking({"A": 1.0, "B": None}, metadata={"options": {"target": ["RUS"]}})
    exports.write(made.scores, path, table=SCORES, metadata=dict(made.metadata))
    read = read_ranking(path)
    assert read.scores.equals(made.scores)
    assert read.about("options") == ({} if extension == "csv" else {"target": ["RUS"]})


def test_what_is_no_ranking_is_refused(tmp_path: Path) -> None:
    flows = tmp_path / "flows.parquet"
    exports.write(FLOWS.empty(), flows, table=FLOWS)
    with pytest.raises(InputError, match="is a FLOWS table, not a ranking"):
        read_ranking(flows)
    good = ranking({"A": 1.0, "B": 2.0}).scores
    for name, frame, match in [
        ("empty.csv", good.clear(), "holds no scores"),
        ("twice.csv", pl.concat([good, good]), "repeat the key"),
        ("unranked.csv", good.with_columns(rank=pl.lit(None, dtype=pl.Int64)), r"2 score.s. have no rank"),
        ("other.csv", pl.DataFrame({"a": [1]}), "not a SCORES table"),
    ]:
        frame.write_csv(tmp_path / name)
        with pytest.raises(InputError, match=match):
            read_ranking(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_ranking(tmp_path / "absent.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not quite")
    (tmp_path / "broken.arrow").write_bytes(b"ARROW1 not quite")
    (tmp_path / "broken.json").write_text("[1, 2", encoding="utf-8")
    for broken in ("broken.parquet", "broken.arrow", "broken.json"):
        with pytest.raises(InputError, match="cannot be read"):
            read_ranking(tmp_path / broken)


def test_examples_are_true() -> None:
    found = doctest.testmod(comparison)
    assert (found.failed, found.attempted > 0) == (0, True)
