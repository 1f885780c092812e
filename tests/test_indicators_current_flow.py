"""Current-flow betweenness: against networkx, exact fractions, and one absorbed walk for every pair."""

import json
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.finance import current_flow
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.schemas import FLOWS

Floats = npt.NDArray[np.float64]


def drawn(seed: int, n: int, density: float, *, both: bool = False) -> Floats:
    rng = np.random.default_rng(seed)
    W = np.exp(rng.normal(0, 2, (n, n))) * (rng.random((n, n)) < density)
    if both:
        W = W + W.T
    np.fill_diagonal(W, 0.0)
    return np.asarray(W)


def flows_of(W: Floats) -> pl.DataFrame:
    rows = [
        ("2020", "claims", f"N{i:02d}", f"N{j:02d}", "TOTAL", float(W[i, j]), None, None, "USD", "observed")
        for i, j in zip(*np.nonzero(W), strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def got(W: Floats, name: str = "current_flow_betweenness") -> dict[int, float]:
    return {int(n[1:]): s for n, s in rank(flows_of(W), name).select("node", "score").rows()}


def theirs(W: Floats) -> dict[int, float]:
    """Networkx component by component; pairs of the whole network in the denominator."""
    graph = nx.from_numpy_array(W + W.T)
    graph.remove_nodes_from(list(nx.isolates(graph)))
    n = len(graph)
    found = {}
    for members in nx.connected_components(graph):
        part = graph.subgraph(members)
        k = len(part)
        own = (
            nx.current_flow_betweenness_centrality(part, weight="weight", solver="full")
            if k > 2
            else dict.fromkeys(part, 0.0)
        )
        found |= {v: own[v] * (k - 1) * (k - 2) / ((n - 1) * (n - 2)) for v in part}
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "density"), [(4, 0.6), (12, 0.12), (20, 0.3), (30, 0.05), (15, 1.0)])
def test_equals_networkx(n: int, density: float, seed: int) -> None:
    W = drawn(seed, n, density)
    assert got(W) == pytest.approx(theirs(W), rel=1e-9, abs=1e-12)


def test_the_path_of_four_as_worked_out_by_hand(shared_reference: Path) -> None:
    cases = json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))
    (case,) = (c for c in cases if c["id"] == "cf_path4")
    W = np.zeros((4, 4))
    for i, j in case["graph"]["edges"]:
        W[i, j] = 7.0
    assert list(dict(sorted(got(W).items())).values()) == pytest.approx(case["expected"], abs=1e-15)


def test_all_current_through_a_hub_and_the_rest_past_it() -> None:
    star = [("hub", f"N{k}", k + 1) for k in range(6)]
    assert worked("current_flow_betweenness", star)["hub"] == pytest.approx(1.0)
    # A ring of conductances 3, 3, 1, 1. Past B: of A, C the series 3/2 beside 1/2, 3/4; of A, D the series 3/5 beside
    # 1, 3/8; of C, D alike. Past A: of B, D the ways 3/4 and 3/4, 1/2; of B, C 3/7 beside 3, 1/8; of C, D 3/8.
    ring = [("A", "B", 3), ("B", "C", 3), ("C", "D", 1), ("D", "A", 1)]
    scores = worked("current_flow_betweenness", ring)
    assert scores["B"] == pytest.approx((3 / 4 + 3 / 8 + 3 / 8) / 3)
    assert scores["A"] == pytest.approx((1 / 2 + 1 / 8 + 3 / 8) / 3)


def test_conductances_far_apart_keep_their_digits() -> None:
    """Values over eighteen orders of magnitude, against potentials in exact fractions."""
    rng = np.random.default_rng(5)
    n = 6
    W = np.triu(10.0 ** rng.uniform(-6, 12, (n, n)), 1)
    c = [[Fraction(float(W[min(i, j), max(i, j)])) for j in range(n)] for i in range(n)]
    system = [[-c[i][j] if i != j else sum(c[i], Fraction(0)) for j in range(n - 1)] for i in range(n - 1)]
    rows = [row + [Fraction(i == j) for j in range(n - 1)] for i, row in enumerate(system)]
    for k in range(n - 1):  # Gauss and Jordan
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for m in range(n - 1):
            if m != k:
                factor = rows[m][k]
                rows[m] = [a - factor * b for a, b in zip(rows[m], rows[k], strict=True)]
    T = [[*row[n - 1 :], Fraction(0)] for row in rows] + [[Fraction(0)] * n]
    through = [Fraction(0)] * n
    for s in range(n):
        for t in range(s + 1, n):
            for i in range(n):
                if i not in (s, t):
                    flow = (abs(c[i][j] * ((T[i][s] - T[i][t]) - (T[j][s] - T[j][t]))) for j in range(n) if j != i)
                    through[i] += sum(flow, Fraction(0)) / 2
    pairs = Fraction((n - 1) * (n - 2), 2)
    want = {i: float(x / pairs) for i, x in enumerate(through)}
    assert got(W) == pytest.approx(want, rel=1e-6, abs=1e-12)


def absorbed(W: Floats) -> dict[int, float]:
    """Net passages of the walk of every pair, by one linear system each, inside strongly connected classes."""
    graph = nx.from_numpy_array(W, create_using=nx.DiGraph)
    graph.remove_nodes_from(list(nx.isolates(graph)))
    n = len(graph)
    found = dict.fromkeys(graph, 0.0)
    for members in nx.strongly_connected_components(graph):
        own = sorted(members)
        inside = W[np.ix_(own, own)]
        if len(own) < 2:
            continue
        P = inside / inside.sum(axis=1, keepdims=True)
        for s, t in permutations(range(len(own)), 2):
            rest = np.flatnonzero(np.arange(len(own)) != t)
            visits = np.zeros(len(own))
            unit = (rest == s).astype(float)
            visits[rest] = np.linalg.solve((np.eye(len(rest)) - P[np.ix_(rest, rest)]).T, unit)
            steps = visits[:, None] * P
            for i in range(len(own)):
                if i not in (s, t):
                    found[own[i]] += np.abs(steps[i] - steps[:, i]).sum() / 2
    return {v: x / ((n - 1) * (n - 2)) for v, x in found.items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "density"), [(3, 0.9), (9, 0.2), (12, 0.4), (14, 0.12)])
def test_directed_equals_one_absorbed_walk_a_pair(n: int, density: float, seed: int) -> None:
    W = drawn(seed, n, density)
    assert got(W, "current_flow_betweenness_directed") == pytest.approx(absorbed(W), rel=1e-8, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(3, 14), st.floats(0.1, 0.9))
@settings(max_examples=25)
def test_directed_is_current_where_both_send_the_same(seed: int, n: int, density: float) -> None:
    W = drawn(seed, n, density, both=True)
    if len(np.flatnonzero(W.sum(axis=1))) > 2:
        assert got(W, "current_flow_betweenness_directed") == pytest.approx(got(W), rel=1e-8, abs=1e-11)


def test_loops_change_nothing() -> None:
    W = drawn(2, 10, 0.5)
    with_loops = W + np.diag(np.linspace(0, 50, 10))
    for name in ("current_flow_betweenness", "current_flow_betweenness_directed"):
        assert got(with_loops, name) == got(W, name)


def test_a_directed_circle_passes_half_of_all_pairs() -> None:
    for n in (3, 8):
        scores = got(np.roll(np.eye(n), 1, axis=1), "current_flow_betweenness_directed")
        assert scores == pytest.approx(dict.fromkeys(range(n), 0.5))
    # Directed ties are one way: past A and C nothing leads from B back.
    assert worked("current_flow_betweenness_directed", [("A", "B", 1), ("B", "C", 1)]) == {"A": 0.0, "B": 0.0, "C": 0.0}


def test_fewer_than_three_nodes_have_nobody_between() -> None:
    for name in ("current_flow_betweenness", "current_flow_betweenness_directed"):
        assert worked(name, [("A", "B", 1), ("B", "A", 3)]) == {"A": None, "B": None}


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    W = drawn(7, 40, 0.3)
    monkeypatch.setattr(current_flow, "_TIES", 16)
    monkeypatch.setattr(current_flow, "_CHUNK", 1_000)
    found: dict[str, list[Any]] = {}
    for count in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", count)
        for name in ("current_flow_betweenness", "current_flow_betweenness_directed"):
            found.setdefault(name, []).append(got(W, name))
    for one, three in found.values():
        assert one == three


def test_what_is_too_large_is_refused_with_a_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    W = drawn(1, 12, 0.5)
    monkeypatch.setattr(current_flow, "_MOST_SORTED", 100.0)
    monkeypatch.setattr(current_flow, "_MOST_STEPS", 100.0)
    for name in ("current_flow_betweenness", "current_flow_betweenness_directed"):
        with pytest.raises(ModelError, match="counting_betweenness, which takes one inverse"):
            got(W, name)


def test_claims_of_2022(shared_data: Path) -> None:
    raw = pl.read_csv(shared_data / "finance/bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv")
    names = raw["country"].to_list()
    W = raw.select(names).to_numpy().astype(float) * 1e6
    np.fill_diagonal(W, 0.0)
    want = theirs(W)
    scores = got(W)
    assert scores == pytest.approx(want, rel=1e-9)
    assert names[max(scores, key=lambda k: scores[k])] == "US"
    assert got(W, "current_flow_betweenness_directed") == pytest.approx(absorbed(W), rel=1e-8)


def test_limits_add_up_over_items_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ("2020", "payments", o, d, f"SITC:{k}", 1.0, None, None, "USD", "observed")
        for k in range(3)
        for o in "ABCD"
        for d in "ABCD"
        if o != d
    ]
    flows = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
    # A network of 4 nodes all tied: 6 pairs x 4 nodes to sort, 12 ties x 4^2 steps.
    monkeypatch.setattr(current_flow, "_MOST_SORTED", 2.0 * 6 * 4)
    monkeypatch.setattr(current_flow, "_MOST_STEPS", 2.0 * 12 * 16)

    def never(*_: object) -> None:
        raise AssertionError("work was begun")

    for name, work in (
        ("current_flow_betweenness", "_currents"),
        ("current_flow_betweenness_directed", "_net_passages"),
    ):
        assert rank(flows.filter(pl.col("item") != "SITC:2"), name, by=("item",)).height == 8
        monkeypatch.setattr(current_flow, work, never)
        with pytest.raises(ModelError, match=r"over 3 item\(s\)") as refused:
            rank(flows, name, by=("item",))
        assert len(refused.value.faults) == 3
