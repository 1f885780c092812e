"""Fragility of an item's trade: against networkx, numpy and plain loops."""

from collections.abc import Sequence
from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.dependency import fragility
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.schemas import FLOWS

NAMES = ["fragility_central_players", "fragility_clustering", "fragility_substitutability"]
Tie = tuple[str, str, str, float]


def flows_of(ties: Sequence[Tie]) -> pl.DataFrame:
    rows = [("2020", "goods", o, d, item, float(v), None, None, "USD", "observed") for item, o, d, v in ties]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def scores_of(flows: pl.DataFrame) -> dict[tuple[str, str], float]:
    scores = rank(flows, NAMES, by=("item",))
    assert set(scores["node"]) <= {"ALL"}
    return {(name, item): score for name, item, score in scores.select("indicator", "item", "score").rows()}


def plain(ties: Sequence[Tie]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for item in {tie[0] for tie in ties}:
        graph = nx.DiGraph()
        graph.add_weighted_edges_from((o, d, v) for k, o, d, v in ties if k == item and o != d)
        if not graph:
            continue
        sold = np.array([weight for _, weight in graph.out_degree(weight="weight")], dtype=float)
        found["fragility_central_players", item] = float(np.std(sold / sold.sum()))
        found["fragility_clustering", item] = nx.average_clustering(graph, weight="weight")
        largest = sum(max((v for *_, v in graph.in_edges(n, data="weight")), default=0.0) for n in graph)
        found["fragility_substitutability", item] = 1 - largest / sold.sum()
    return found


_TIES = st.lists(
    st.tuples(st.sampled_from("XYZ"), st.sampled_from("ABCDEF"), st.sampled_from("ABCDEF"), st.integers(1, 50)),
    min_size=1,
    max_size=60,
    unique_by=lambda tie: tie[:3],
)


@settings(max_examples=40)
@given(_TIES)
def test_against_networkx_and_plain_loops(ties: list[Tie]) -> None:
    got, want = scores_of(flows_of(ties)), plain(ties)
    assert set(got) == set(want)
    for key, score in want.items():
        assert got[key] == pytest.approx(score, rel=1e-10, abs=1e-12)


def random_ties(nodes: int, ties: int, seed: int) -> list[Tie]:
    rng = np.random.default_rng(seed)
    ends = {tuple(pair) for pair in rng.integers(0, nodes, (ties, 2)).tolist()}
    return [("X", f"N{o:04}", f"N{d:04}", float(rng.lognormal(3, 2))) for o, d in sorted(ends) if o != d]


def test_more_nodes_than_are_counted_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and threads change nothing, and a sparse network of a thousand nodes is networkx's."""
    ties = random_ties(1000, 8000, 3)
    want = nx.DiGraph()
    want.add_weighted_edges_from((o, d, v) for _, o, d, v in ties)
    whole = scores_of(flows_of(ties))
    assert whole["fragility_clustering", "X"] == pytest.approx(nx.average_clustering(want, weight="weight"))
    monkeypatch.setattr(fragility, "_ROWS", 37)
    for threads in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", threads)
        assert scores_of(flows_of(ties)) == whole


def test_one_seller_is_the_most_central_and_the_least_substitutable() -> None:
    one = [("X", "A", n, 1.0) for n in "BCDE"]
    all_alike = [("Y", o, d, 1.0) for o in "ABCDE" for d in "ABCDE" if o != d]
    found = scores_of(flows_of(one + all_alike))
    assert found["fragility_central_players", "X"] == pytest.approx(0.4)  # sqrt(1/5 - 1/25)
    assert found["fragility_central_players", "Y"] == pytest.approx(0.0, abs=1e-15)
    assert found["fragility_substitutability", "X"] == 0.0
    assert found["fragility_substitutability", "Y"] == pytest.approx(0.75)
    assert found["fragility_clustering", "X"] == 0.0
    assert found["fragility_clustering", "Y"] == pytest.approx(1.0)


def test_too_much_work_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragility, "MOST_STEPS", 10)
    with pytest.raises(UsageError, match="clustering would take"):
        rank(flows_of(random_ties(20, 60, 1)), "fragility_clustering")


def test_sections_of_2015(shared_data: Path) -> None:
    raw = pl.read_parquet(shared_data / "trade/unctad/unctad_merchandise_trade_matrix_SITC1_2015.parquet")
    ties = [
        ("SITC:" + k, o, d, v)
        for k, o, d, v in raw.with_columns(pl.col("sitc").cast(pl.String))
        .filter(pl.col("sitc") != "TOTAL", pl.col("value_kusd") > 0)
        .select("sitc", "exporter", "importer", "value_kusd")
        .rows()
    ]
    found = scores_of(flows_of(ties))
    assert len(found) == 3 * 10
    for item in ("SITC:4", "SITC:7"):
        frame = pl.DataFrame(
            [t[1:] for t in ties if t[0] == item and t[1] != t[2]], schema=["o", "d", "v"], orient="row"
        )
        nodes = sorted({*frame["o"], *frame["d"]})
        W = np.zeros((len(nodes), len(nodes)))
        W[[nodes.index(o) for o in frame["o"]], [nodes.index(d) for d in frame["d"]]] = frame["v"].to_numpy()
        sold, A, U = W.sum(axis=1) / W.sum(), (W > 0).astype(float), np.cbrt(W / W.max())
        degree = A.sum(axis=0) + A.sum(axis=1)
        allowed = 2 * (degree * (degree - 1) - 2 * (A * A.T).sum(axis=1))
        walks = np.diag(np.linalg.matrix_power(U + U.T, 3))
        assert found["fragility_central_players", item] == pytest.approx(float(np.std(sold)))
        assert found["fragility_substitutability", item] == pytest.approx(1 - W.max(axis=0).sum() / W.sum())
        want = float(np.mean(np.where(allowed > 0, walks / np.maximum(allowed, 1), 0)))
        assert found["fragility_clustering", item] == pytest.approx(want)
    # Vegetable oils (palm: Indonesia, Malaysia) have more outstanding sellers than machines have, or food.
    central = {item: score for (name, item), score in found.items() if name == "fragility_central_players"}
    assert central["SITC:4"] > central["SITC:0"]
