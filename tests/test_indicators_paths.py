"""Indicators of a plain network against other libraries, closed forms and facts worked out by hand."""

import math

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.indicators.routing.least_paths import betweenness_of
from weaponized_interdependence.network import Network, build_network, to_igraph, to_networkx, to_sparse
from weaponized_interdependence.schemas import FLOWS


def random_network(seed: int, nodes: int = 12, density: float = 0.4, whole: bool = False) -> Network:
    rng = np.random.default_rng(seed)
    names = [f"N{k:02d}" for k in range(nodes)]
    value = (lambda: float(rng.integers(1, 4))) if whole else (lambda: float(np.exp(rng.normal(0, 2))))
    rows = [(o, d, value()) for o in names for d in names if o != d and rng.random() < density]
    return build_network(pl.DataFrame(rows, schema=["origin", "destination", "value"], orient="row"), nodes=names)


def flows_of(net: Network) -> pl.DataFrame:
    rows = [
        ("2020", "goods", net.nodes[o], net.nodes[d], "TOTAL", s, None, None, "USD", "observed")
        for o, d, s in zip(net.origin, net.destination, net.strength.tolist(), strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("density", [0.05, 0.3, 0.9])
def test_betweenness_equals_networkx_and_igraph(seed: int, density: float) -> None:
    net = random_network(seed, density=density)
    ours = betweenness_of(net)
    theirs = nx.betweenness_centrality(to_networkx(net), weight="distance", normalized=False)
    assert ours == pytest.approx([theirs[n] for n in net.nodes], abs=1e-9)
    assert ours == pytest.approx(to_igraph(net).betweenness(weights="distance"), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_betweenness_shares_credit_among_exact_ties(seed: int) -> None:
    # Strengths 1 or 2 (lengths 2 and 1, exact in binary): many ties, on which both libraries can be trusted.
    rng = np.random.default_rng(seed)
    drawn = random_network(seed, density=0.4)
    net = Network(drawn.nodes, drawn.origin.copy(), drawn.destination.copy(), rng.choice([1.0, 2.0], drawn.size[1]))
    theirs = nx.betweenness_centrality(to_networkx(net), weight="distance", normalized=False)
    assert betweenness_of(net) == pytest.approx([theirs[n] for n in net.nodes], abs=1e-9)


def test_lengths_that_only_rounding_tells_apart_are_a_tie() -> None:
    # 0 -> 1 -> 2 -> 3 of three lengths 1/10 against 0 -> 3 of 3/10: a tie by hand, so 1 and 2 get half a credit of the
    # pair 0, 3 and one each of 0, 2 or 1, 3. In binary 0.1 + 0.1 + 0.1 exceeds 0.3, and networkx sees no tie.
    net = build_network(pl.DataFrame({"origin": list("0012"), "destination": list("1323"), "value": [1.0] * 4}))
    length = {(0, 1): 0.1, (1, 2): 0.1, (2, 3): 0.1, (0, 3): 0.3}
    far = np.array([length[o, d] for o, d in zip(net.origin.tolist(), net.destination.tolist(), strict=True)])
    moved = Network(net.nodes, net.origin.copy(), net.destination.copy(), 1 / far)
    moved.__dict__["distance"] = far  # the lengths of the example to the bit, not max/strength of their inverses
    assert 0.1 + 0.1 + 0.1 != 0.3
    assert betweenness_of(moved).tolist() == [0.0, 1.5, 1.5, 0.0]
    blind = nx.betweenness_centrality(to_networkx(moved), weight="distance", normalized=False)
    assert [blind[n] for n in moved.nodes] == [0.0, 1.0, 1.0, 0.0]


def test_a_star_and_a_circle_have_their_closed_forms() -> None:
    n = 7
    star = [("hub", f"N{k}", 3) for k in range(n)] + [(f"N{k}", "hub", 3) for k in range(n)]
    assert worked("betweenness", star)["hub"] == n * (n - 1)
    circle = [(f"N{k}", f"N{(k + 1) % n}", k + 1) for k in range(n)]
    assert set(worked("betweenness", circle).values()) == {(n - 1) * (n - 2) / 2}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damping", [0.5, 0.85])
def test_pagerank_equals_networkx_and_its_own_formula(seed: int, damping: float) -> None:
    net = random_network(seed, density=0.25)
    names = sorted({net.nodes[k] for k in (*net.origin, *net.destination)})
    options = {} if damping == 0.85 else {"damping": damping}
    scores = rank(flows_of(net), "pagerank", **options).sort("node")
    assert scores["node"].to_list() == names
    theirs = nx.pagerank(to_networkx(net).subgraph(names), alpha=damping, weight="strength", tol=1e-13, max_iter=1000)
    assert scores["score"].to_list() == pytest.approx([theirs[n] for n in names], abs=1e-9)
    kept = [net.nodes.index(n) for n in names]
    W = to_sparse(net).toarray()[np.ix_(kept, kept)]
    out = W.sum(axis=1)
    P = np.divide(W, out[:, None], out=np.zeros_like(W), where=out[:, None] > 0)
    p = scores["score"].to_numpy()
    assert p == pytest.approx(damping * P.T @ p + (damping * p[out == 0].sum() + 1 - damping) / len(p), abs=1e-10)
    assert p.sum() == pytest.approx(1)


def test_pagerank_keeps_self_loops() -> None:
    # By hand, damping 1/2: A keeps 3/4 of its walker, so p_A = .5 (.75 p_A + p_B) + .25 with p_A + p_B = 1.
    found = worked("pagerank", [("A", "A", 3), ("A", "B", 1), ("B", "A", 1)], damping=0.5)
    p_a = (0.5 + 0.25) / (1 - 0.5 * 0.75 + 0.5)
    assert found == {"A": round(p_a, 12), "B": round(1 - p_a, 12)}


@pytest.mark.parametrize("seed", range(8))
def test_reach_lost_equals_taking_the_node_out(seed: int) -> None:
    net = random_network(seed, nodes=9, density=[0.1, 0.15, 0.2, 0.4][seed % 4])
    whole = to_networkx(net)
    whole.remove_nodes_from([n for n in net.nodes if whole.degree(n) == 0])
    got = dict(rank(flows_of(net), "removal_loss_reach").select("node", "score").rows())
    assert got.keys() == set(whole)
    for name in whole:
        others = [n for n in whole if n != name]
        before = {(s, t) for s in others for t in nx.descendants(whole, s) if t != name}
        without = whole.subgraph(others)
        after = {(s, t) for s in others for t in nx.descendants(without, s)}
        want = (len(before) - len(after)) / len(before) if before else None
        assert got[name] == (None if want is None else pytest.approx(want))


def test_value_lost_is_the_panopticon_of_direct_routes() -> None:
    flows = flows_of(random_network(1))
    by_node = {
        i: dict(rank(flows, i).select("node", "score").rows()) for i in ("removal_loss", "panopticon", "trade_share")
    }
    assert by_node["removal_loss"] == pytest.approx(by_node["panopticon"])
    assert by_node["removal_loss"] == pytest.approx({n: 2 * s for n, s in by_node["trade_share"].items()})
    assert sum(by_node["removal_loss"].values()) == pytest.approx(2)


def test_concentration_of_the_eu_screening_example() -> None:
    # Extra-bloc imports CN 60, US 30, VN 10: HHI 23/50; Hirschman's index is 100 times its root.
    flows = [("CHN", "EU", 60), ("USA", "EU", 30), ("VNM", "EU", 10)]
    assert worked("hhi_imports", flows)["EU"] == 23 / 50
    assert worked("hirschman_imports", flows)["EU"] == round(100 * math.sqrt(23 / 50), 12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=8))
def test_concentration_lies_between_even_and_single(values: list[float]) -> None:
    flows = [(f"S{k}", "N", v) for k, v in enumerate(values)]
    hhi = worked("hhi_imports", flows)["N"]
    assert 1 / len(values) - 1e-9 <= hhi <= 1 + 1e-9
    mirrored = worked("hhi_exports", [(d, o, v) for o, d, v in flows])["N"]
    assert mirrored == pytest.approx(hhi)


def test_asymmetry_of_hirschmans_influence_effect() -> None:
    # A -> B 30, B -> A 20; whole trade of A 500, of B 100: A hangs on B with 1/10, B on A with 1/2, difference 2/5.
    flows = [("A", "B", 30), ("B", "A", 20), ("A", "W", 200), ("W", "A", 250), ("B", "W", 50)]
    dependence = worked("trade_dependence", flows)
    assert (dependence["A", "B"], dependence["B", "A"]) == (1 / 10, 1 / 2)
    asymmetry = worked("trade_asymmetry", flows)
    assert (asymmetry["A", "B"], asymmetry["B", "A"]) == (2 / 5, -2 / 5)


def test_dependence_of_a_node_sums_to_one_and_absent_sides_are_null() -> None:
    flows = flows_of(random_network(2, density=0.3))
    for name in ("trade_dependence", "import_dependence", "export_dependence"):
        sums = rank(flows, name).drop_nulls("score").group_by("node").agg(pl.col("score").sum())["score"]
        assert sums.to_list() == pytest.approx([1.0] * len(sums))
    only_sells = worked("import_dependence", [("A", "B", 1)])
    assert only_sells == {("A", "B"): None, ("B", "A"): 1.0}


def test_strengths_without_a_distance_are_no_reason_to_refuse_pagerank() -> None:
    far_apart = [("A", "B", 1e300), ("B", "A", 1e-300)]
    assert worked("pagerank", far_apart) == {"A": 0.5, "B": 0.5}
    assert worked("removal_loss_reach", far_apart) == {"A": None, "B": None}


def test_strength_and_shares_by_hand() -> None:
    flows = [("A", "B", 6), ("B", "A", 2), ("C", "B", 2), ("A", "A", 99)]
    assert worked("out_strength", flows) == {"A": 6, "B": 2, "C": 2}
    assert worked("in_strength", flows) == {"A": 2, "B": 8, "C": 0}
    assert worked("net_strength", flows) == {"A": 4, "B": -6, "C": 2}
    assert worked("export_share", flows) == {"A": 0.6, "B": 0.2, "C": 0.2}
