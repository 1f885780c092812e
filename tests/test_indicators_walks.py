"""Random walks: against one solve a target, exact fractions, closed forms, PageRank of another library, real flows."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from scipy import sparse
from scipy.sparse.linalg import spsolve

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.finance import sinkrank as sinkrank_module
from weaponized_interdependence.indicators.finance import walks
from weaponized_interdependence.indicators.rank import rank, worked, worked_table
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import build_network, to_networkx
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.registry import read

Floats = npt.NDArray[np.float64]
FAMILY = ["sinkrank", "sinkrank_weighted", "random_walk_centrality", "counting_betweenness"]


def connected(seed: int, n: int, *, loops: bool = True, density: float = 0.3) -> Floats:
    """Flows of a strongly connected network with values over several orders of magnitude."""
    rng = np.random.default_rng(seed)
    W = np.exp(rng.normal(0, 2, (n, n))) * (rng.random((n, n)) < density)
    W += np.roll(np.eye(n), 1, axis=1)
    if not loops:
        np.fill_diagonal(W, 0.0)
    return np.asarray(W)


def flows_of(W: Floats, names: list[str] | None = None) -> pl.DataFrame:
    called = names or [f"N{k:03d}" for k in range(len(W))]
    rows = [
        ("2020", "payments", called[i], called[j], "TOTAL", float(W[i, j]), None, None, "USD", "observed")
        for i, j in zip(*np.nonzero(W), strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def got(W: Floats, name: str, **options: Any) -> list[float | None]:
    return rank(flows_of(W), name, **options).sort("node")["score"].to_list()


def stepping(W: Floats, teleport: float = 0.0) -> Floats:
    """P of every node, written down plainly."""
    n = len(W)
    P = np.full((n, n), 1.0 / n)
    for i in range(n):
        if W[i].sum() > 0:
            P[i] = (1 - teleport) * W[i] / W[i].sum() + teleport / n
    return P


def first_passage(P: Floats) -> Floats:
    """H_st by one linear system a target: the textbook form."""
    n = len(P)
    H = np.zeros((n, n))
    for t in range(n):
        rest = np.arange(n) != t
        H[rest, t] = np.linalg.solve(np.eye(n - 1) - P[np.ix_(rest, rest)], np.ones(n - 1))
    return H


def counted(P: Floats) -> Floats:
    """Counting betweenness by counting: expected steps over every tie, for every start and every target."""
    n = len(P)
    passes = np.zeros(n)
    for t in range(n):
        rest = np.flatnonzero(np.arange(n) != t)
        visits = np.linalg.inv(np.eye(n - 1) - P[np.ix_(rest, rest)])
        for s in range(n - 1):
            steps = visits[s][:, None] * P[np.ix_(rest, rest)]  # between nodes other than t
            passes[rest] += (steps.sum(axis=0) + steps.sum(axis=1)) / 2
            passes[rest[s]] += 1
            passes[t] += 1
    return passes / (n * (n - 1))


def plain(P: Floats, W: Floats) -> dict[str, Floats]:
    n, H, sent = len(P), first_passage(P), W.sum(axis=1)
    return {
        "sinkrank": (n - 1) / H.sum(axis=0),
        "sinkrank_weighted": (sent.sum() - sent) / (sent @ H),
        "random_walk_centrality": n / H.sum(axis=0),
        "counting_betweenness": counted(P),
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [2, 3, 9, 25])
def test_one_inverse_equals_one_solve_a_target(n: int, seed: int) -> None:
    W = connected(seed, n)
    for name, want in plain(stepping(W), W).items():
        assert got(W, name) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("teleport", [0.05, 0.5])
def test_with_a_teleport_all_are_scored(teleport: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = rng.exponential(1, (12, 12)) * (rng.random((12, 12)) < 0.12)
    W[0, 1] = 1.0
    used = np.flatnonzero(W.sum(axis=0) + W.sum(axis=1))
    W = W[np.ix_(used, used)]
    assert (W.sum(axis=1) == 0).any()  # a sink
    for name, want in plain(stepping(W, teleport), W).items():
        assert got(W, name, teleport=teleport) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_stationary_law_is_pagerank_of_networkx(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = np.exp(rng.normal(0, 2, (40, 40))) * (rng.random((40, 40)) < 0.05)
    W[3] = 0.0
    chain = walks.chain_on(sparse.csr_array(W), 0.15)
    assert chain is not None
    theirs = nx.pagerank(nx.from_numpy_array(W, create_using=nx.DiGraph), alpha=0.85, tol=1e-14, max_iter=1000)
    whole = walks.inverse(chain)
    assert whole is not None
    for law in (whole.stationary, walks.stationary(chain)):
        assert law == pytest.approx([theirs[k] for k in range(40)], rel=1e-8)


def test_the_circle_of_three_as_worked_out_by_hand(shared_reference: Path) -> None:
    cases = json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))
    (case,) = (c for c in cases if c["id"] == "rw_cycle3")
    W = np.array(case["graph"]["W"], dtype=float)
    want = case["expected"]["float"]
    assert got(W, "sinkrank") == pytest.approx(want["sinkrank"], rel=1e-14)
    assert got(W, "random_walk_centrality") == pytest.approx(want["rwc"], rel=1e-14)
    assert got(W, "counting_betweenness") == pytest.approx(want["cbet"], rel=1e-14)
    assert first_passage(W).tolist() == [
        [float(h) for h in row] for row in case["expected"]["mean_first_passage_H[s][t]"]
    ]


def test_closed_forms() -> None:
    n = 9
    alone = got(np.ones((n, n)) - np.eye(n), "sinkrank")
    assert alone == pytest.approx([1 / (n - 1)] * n)  # everyone is found with chance 1/(n-1) at each step
    with_loops = got(np.ones((n, n)), "sinkrank")
    assert with_loops == pytest.approx([1 / n] * n)  # and with 1/n where one may stay
    star = np.zeros((n, n))
    star[0, 1:] = star[1:, 0] = 5.0
    hub, *leaves = got(star, "sinkrank")
    assert hub == pytest.approx(1.0)
    # From the hub to a given leaf: 1 + (n-2)/(n-1) (1 + H) steps, so H = 2n - 3; from another leaf one more.
    assert leaves == pytest.approx([(n - 1) / (2 * n - 3 + (n - 2) * (2 * n - 2))] * (n - 1))


def test_what_is_the_same_by_symmetry_has_one_rank() -> None:
    n = 23
    circle = np.roll(np.eye(n), 1, axis=1) + 0.3 * np.roll(np.eye(n), 4, axis=1)
    for name in FAMILY:
        scores = rank(flows_of(circle), name)
        assert scores["score"].n_unique() == 1
        assert set(scores["rank"]) == {1}


@given(st.integers(0, 10_000), st.integers(3, 12))
@settings(max_examples=30)
def test_the_mean_steps_to_a_node_drawn_by_the_stationary_law_are_the_same_from_anywhere(seed: int, n: int) -> None:
    """Kemeny's constant, by formulas that know nothing of it."""
    chain = walks.chain_on(sparse.csr_array(connected(seed, n)))
    assert chain is not None
    whole = walks.inverse(chain)
    assert whole is not None
    steps = [float(walks.passages(whole, start) @ whole.stationary) for start in np.eye(n)]
    assert steps == pytest.approx([steps[0]] * n, rel=1e-8)


@given(st.integers(0, 10_000), st.integers(3, 10), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_nodes_changes_nothing(seed: int, n: int, random: Any) -> None:
    W = np.round(connected(seed, n, density=0.2))  # many equal values, and parts that are not connected
    order = list(range(n))
    random.shuffle(order)
    names = [f"N{k}" for k in range(n)]
    moved = [names[k] for k in order]
    for name in FAMILY:
        here = {r["node"]: r for r in rank(flows_of(W, names), name).iter_rows(named=True)}
        there = {r["node"]: r for r in rank(flows_of(W, moved), name).iter_rows(named=True)}
        for old, new in zip(names, moved, strict=True):
            if old in here:
                assert there[new]["rank"] == here[old]["rank"]
                want = here[old]["score"]
                assert there[new]["score"] == (None if want is None else pytest.approx(want, rel=1e-9))


def test_a_group_is_one_sink() -> None:
    W = connected(3, 12)
    P, sent = stepping(W), W.sum(axis=1)
    names = [f"N{k:03d}" for k in range(12)]
    for members in ([2], [2, 5], [0, 1, 4, 7, 11]):
        rest = np.setdiff1d(np.arange(12), members)
        H = np.linalg.solve(np.eye(len(rest)) - P[np.ix_(rest, rest)], np.ones(len(rest)))
        group = "+".join(names[k] for k in members)
        assert got(W, "sinkrank", jurisdiction=[group]) == pytest.approx([len(rest) / H.sum()])
        assert got(W, "sinkrank_weighted", jurisdiction=[group]) == pytest.approx([sent[rest].sum() / (sent[rest] @ H)])
    assert got(W, "sinkrank", jurisdiction=["+".join(names)]) == [None]
    one = worked("sinkrank", [("A", "B", 2), ("B", "A", 1), ("B", "C", 1)], jurisdiction=["A", "C", "A+C"])
    assert one == {"A": 1.0, "C": None, "A+C": 1.0}  # C is off the walk, alone or in company


@pytest.mark.parametrize("teleport", [0.0, 0.1])
def test_named_nodes_by_iteration_equal_the_inverse(monkeypatch: pytest.MonkeyPatch, teleport: float) -> None:
    W = connected(8, 60, density=0.05)
    W[:, 7] *= 1e-9  # hardly ever visited
    parties = ["N003", "N007", "N010+N011+N012"]
    options = {"jurisdiction": parties, "teleport": teleport}
    want = {name: got(W, name, **options) for name in FAMILY[:2]}
    monkeypatch.setattr(sinkrank_module, "_SMALL", 1)
    monkeypatch.setattr(walks, "inverse", lambda chain: pytest.fail("the whole inverse was made"))
    for name, scores in want.items():
        assert got(W, name, **options) == pytest.approx(scores, rel=1e-8)


def test_a_large_network_is_refused_whole_and_served_for_named_nodes() -> None:
    n = walks.MOST_NODES + 1
    around, hub = np.arange(1, n), np.zeros(n - 1, dtype=np.int64)
    ends = (np.concatenate([around, hub, around]), np.concatenate([hub, around, np.roll(around, 1)]))
    value = np.exp(np.random.default_rng(1).normal(0, 1, 3 * (n - 1)))
    names = pl.Series([f"N{k:05d}" for k in range(n)])
    labels = {"period": "2020", "layer": "payments", "item": "TOTAL", "unit": "USD", "basis": "observed"}
    columns = {"origin": names.gather(ends[0]), "destination": names.gather(ends[1]), "value": value}
    flows = pl.DataFrame(columns).with_columns(pl.lit(v).alias(k) for k, v in labels.items())
    for name in FAMILY:
        with pytest.raises(ModelError, match=r"8001 nodes are too many(.|\n)*named as jurisdictions"):
            rank(flows, name)
    got = dict(rank(flows, "sinkrank", jurisdiction=["N00000", "N00017"]).select("node", "score").rows())
    # Against a sparse elimination of the system of each target: few fill-ins in a ring around a hub.
    W = sparse.csr_array((value, ends), shape=(n, n))
    P = sparse.diags_array(1 / W.sum(axis=1)) @ W
    for t in (0, 17):
        rest = np.flatnonzero(np.arange(n) != t)
        steps = spsolve(sparse.csc_array(sparse.eye_array(n - 1) - P[rest][:, rest]), np.ones(n - 1))
        assert got[names[t]] == pytest.approx((n - 1) / steps.sum(), rel=1e-8)


def test_who_is_off_the_walk_has_no_score() -> None:
    flows = [("A", "B", 1), ("B", "A", 1), ("B", "sink", 8), ("source", "A", 3), ("far", "far", 9), ("far", "A", 1)]
    for name in FAMILY:
        scores = worked(name, flows)
        assert {node for node, score in scores.items() if score is None} == {"sink", "source", "far"}
        assert None not in worked(name, flows, teleport=0.1).values()
    # Two classes of two: that in which more flows is walked, and none where they are equal.
    two = [("A", "B", 1), ("B", "A", 1), ("C", "D", 1), ("D", "C", 2)]
    assert worked("sinkrank", two) == {"A": None, "B": None, "C": 1.0, "D": 1.0}
    assert set(worked("sinkrank", [*two, ("A", "A", 1)]).values()) == {None}
    assert worked("sinkrank", [("A", "B", 1)]) == {"A": None, "B": None}


def test_a_chain_that_is_nearly_in_pieces_is_not_scored_rather_than_wrong() -> None:
    pieces = [("A", "B", 1), ("B", "A", 1), ("C", "D", 1), ("D", "C", 1), ("A", "C", 1e-14), ("C", "A", 1e-14)]
    for name in FAMILY:
        assert set(worked(name, pieces).values()) == {None}
        assert None not in worked(name, pieces, teleport=0.01).values()
    near = [(o, d, max(v, 1e-6)) for o, d, v in pieces]
    assert None not in worked("sinkrank", near).values()


def test_rare_nodes_keep_their_digits() -> None:
    """A node with one part in 10^12 of the visits, against exact fractions."""
    W = connected(2, 8)
    W[:, 5] *= 1e-12
    n, t = len(W), 5
    exact = [[Fraction(float(x)) for x in row] for row in W]
    P = [[x / sum(row) for x in row] for row in exact]
    rest = [k for k in range(n) if k != t]
    rows = [[(i == j) - P[i][j] for j in rest] + [Fraction(1)] for i in rest]
    for k in range(n - 1):  # Gauss and Jordan
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for m in range(n - 1):
            if m != k:
                factor = rows[m][k]
                rows[m] = [a - factor * b for a, b in zip(rows[m], rows[k], strict=True)]
    want = float((n - 1) / sum((row[-1] for row in rows), Fraction(0)))
    assert got(W, "sinkrank")[t] == pytest.approx(want, rel=1e-11)


def test_a_teleport_is_refused_out_of_range_and_where_nobody_reads_it() -> None:
    with pytest.raises(UsageError, match="teleport is 1"):
        worked("sinkrank", [("A", "B", 1)], teleport=1.0)
    with pytest.raises(UsageError, match="teleport is given, but no indicator"):
        worked("export_share", [("A", "B", 1)], teleport=0.5)


_RANKED = """
import sys; sys.path.insert(0, sys.argv[1])
from test_indicators_walks import connected, flows_of, FAMILY
from weaponized_interdependence.indicators.rank import rank
rank(flows_of(connected(4, 250)), FAMILY).write_parquet(sys.argv[2])
"""


def test_threads_change_no_rank(root: Path, tmp_path: Path) -> None:
    frames = []
    for count in ("1", "3"):
        out = tmp_path / f"{count}.parquet"
        env = {**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": count, "WI_THREADS": count}
        subprocess.run([sys.executable, "-c", _RANKED, str(root / "tests"), str(out)], env=env, check=True)
        frames.append(pl.read_parquet(out))
    one, three = frames
    assert one.drop("score").equals(three.drop("score"))
    assert one["score"].to_numpy() == pytest.approx(three["score"].to_numpy(), rel=1e-11)


SECTORS = ("s1", "s2", "s3")


def small_table(seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    Z = rng.exponential(5, (9, 9)) * (rng.random((9, 9)) < 0.6) + np.roll(np.eye(9), 1, axis=1)
    return Z, rng.exponential(10, (9, 3))


def test_industries_and_economies_of_a_table() -> None:
    Z, Y = small_table()
    P, kwargs = stepping(Z), {"economies": ("A", "B", "C"), "sectors": SECTORS}
    places = [(f"EXAMPLE:{s}", e) for e in "ABC" for s in SECTORS]
    counting = counted(P)
    by_item = worked_table("industry_counting_betweenness", Z, Y, by=("item",), **kwargs)
    assert by_item == pytest.approx(dict(zip(places, counting, strict=True)))
    sums = dict(zip("ABC", counting.reshape(3, 3).sum(axis=1), strict=True))
    assert worked_table("industry_counting_betweenness", Z, Y, **kwargs) == pytest.approx(sums)
    H = first_passage(P)
    closeness = worked_table("industry_random_walk_centrality", Z, Y, by=("item",), **kwargs)
    assert closeness == pytest.approx(dict(zip(places, 9 / H.sum(axis=0), strict=True)))
    whole = worked_table("industry_random_walk_centrality", Z, Y, **kwargs)
    for k, economy in enumerate("ABC"):
        rest = np.setdiff1d(np.arange(9), np.arange(3 * k, 3 * k + 3))
        steps = np.linalg.solve(np.eye(6) - P[np.ix_(rest, rest)], np.ones(6))
        assert whole[economy] == pytest.approx(9 / steps.sum())


def test_industries_that_sell_nothing_to_others_are_off_the_walk() -> None:
    Z, Y = small_table()
    Z[4] = 0.0
    Z[0, 1] = -3.0  # stocks drawn down: no delivery
    keep = np.arange(9) != 4
    W = np.maximum(Z, 0)[np.ix_(keep, keep)]
    kwargs = {"economies": ("A", "B", "C"), "sectors": SECTORS}
    got = worked_table("industry_counting_betweenness", Z, Y, by=("item",), **kwargs)
    assert [key for key, score in got.items() if score is None] == [("EXAMPLE:s2", "B")]
    places = [(f"EXAMPLE:{s}", e) for e in "ABC" for s in SECTORS if (s, e) != ("s2", "B")]
    want = dict(zip(places, counted(stepping(W)), strict=True))
    assert {k: v for k, v in got.items() if v is not None} == pytest.approx(want)


def test_counting_betweenness_of_wiod_2011(shared_data: Path) -> None:
    table = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert isinstance(table, IOTable)
    names = ["industry_counting_betweenness", "industry_random_walk_centrality"]
    scores = rank(None, names, table=table, by=("item",))
    # Spot checks by the textbook form, one target at a time, over industries that sell and buy.
    flows = np.maximum(table.Z, 0)
    _, label = sparse.csgraph.connected_components(sparse.csr_array(flows), connection="strong")
    inside = np.flatnonzero(label == np.bincount(label).argmax())
    P = stepping(flows[np.ix_(inside, inside)])
    n = len(P)
    assert n > 1_300
    j = len(table.sectors)
    places = [(f"{table.classification}:{table.sectors[k % j]}", table.economies[k // j]) for k in inside]
    close = {(i, e): s for i, e, s in scores.filter(indicator=names[1]).select("item", "node", "score").rows()}
    for t in (0, 400, n - 1):
        rest = np.arange(n) != t
        steps = np.linalg.solve(np.eye(n - 1) - P[np.ix_(rest, rest)], np.ones(n - 1))
        assert close[places[t]] == pytest.approx(n / steps.sum(), rel=1e-8)
    assert sum(s is not None for s in close.values()) == n
    economies = rank(None, names, table=table)
    counted_by = economies.filter(indicator=names[0])
    assert counted_by["node"][0] == "CHN"  # the largest deliveries between industries
    assert set(counted_by["node"].head(3)) == {"CHN", "ROW", "USA"}
    total = scores.filter(indicator=names[0])["score"].sum()
    assert counted_by["score"].sum() == pytest.approx(total)


@pytest.fixture(scope="module")
def money(shared_data: Path) -> Callable[[str], pl.DataFrame]:
    def named(which: str) -> pl.DataFrame:
        if which == "claims":
            raw = pl.read_csv(shared_data / "finance/bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv")
            long = raw.unpivot(index="country", variable_name="destination", value_name="value")
            frame = long.select(origin="country", destination="destination", value=pl.col("value") * 1e6)
        else:
            frame = read("remittances", shared_data / "finance/knomad_bilateral_remittance_2017.xlsx").flows
            return frame
        labels = {"period": "2022-Q4", "layer": "claims", "item": "TOTAL", "unit": "USD", "basis": "observed"}
        return frame.with_columns(pl.lit(v).alias(k) for k, v in labels.items())

    return named


def test_claims_and_remittances(money: Callable[[str], pl.DataFrame]) -> None:
    claims = rank(money("claims"), FAMILY)
    for name in FAMILY:
        assert claims.filter(indicator=name)["node"].head(2).to_list() == ["US", "GB"]
    assert claims["score"].null_count() == 0
    sent = rank(money("remittances"), FAMILY)
    assert sent["score"].drop_nulls().is_finite().all()
    assert (sent["score"].drop_nulls() > 0).all()
    graph = to_networkx(build_network(money("remittances")))
    largest = max(nx.strongly_connected_components(graph), key=len)
    for name in FAMILY:
        assert set(sent.filter(pl.col("score").is_not_null(), indicator=name)["node"]) == largest
    assert sent.filter(indicator="sinkrank")["node"][0] == "CHN"  # 64 bn come in, and little goes out
