"""Cuts, articulation and fragmentation: against networkx, plain removal, and the worked examples."""

import json
from collections import Counter
from itertools import combinations, permutations
from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import Context
from weaponized_interdependence.indicators.denial import cuts, removal
from weaponized_interdependence.indicators.denial.cuts import articulation, strong_articulation
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.schemas import FLOWS

Flows = list[tuple[str, str, int]]
NAMES = "ABCDEFGH"


@st.composite
def networks(draw: st.DrawFn) -> Flows:
    pairs = list(permutations(NAMES, 2))
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=2, max_size=20, unique=True))
    return [(o, d, draw(st.integers(1, 3))) for o, d in chosen]


def directed(flows: Flows) -> "nx.DiGraph[str]":
    return nx.DiGraph((o, d) for o, d, _ in flows)


def table(flows: Flows) -> pl.DataFrame:
    rows = [("2020", "goods", o, d, "TOTAL", float(v), None, None, "USD", "assumed") for o, d, v in flows]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def suppliers(flows: Flows, target: str) -> set[str]:
    net: Counter[str] = Counter()
    for o, d, v in flows:
        net[o] += v
        net[d] -= v
    return {x for x, v in net.items() if v > 0 and x != target}


def cut_off(flows: Flows, target: str, gone: set[str]) -> bool:
    """Whether nothing reaches the target without these: neither from a supplier nor what it sold itself."""
    graph = directed([(f"{o}'" if o == target else o, d, v) for o, d, v in flows])
    graph.remove_nodes_from(gone)
    if target not in graph:
        return True
    return not nx.ancestors(graph, target) & (suppliers(flows, target) | {f"{target}'"})


@given(networks())
@settings(max_examples=30)
def test_the_smallest_cut_is_what_trying_all_sets_says(flows: Flows) -> None:
    sizes = worked("minimum_cut", flows)
    members: dict[str, set[str]] = {}
    for (node, t), score in worked("minimum_cut_member", flows).items():
        members.setdefault(t, set()).add(node)
        assert score == pytest.approx(1 / sizes[t])
    for t, size in sizes.items():
        others = sorted(sizes.keys() - {t})
        if not any(d == t for _, d, _ in flows):
            assert size is None
            continue
        sets = [set(c) for k in range(len(others) + 1) for c in combinations(others, k) if cut_off(flows, t, set(c))]
        best = [s for s in sets if len(s) == len(sets[0])]
        assert size == len(sets[0])
        assert members[t] in best
        # The nearest: what still reaches the target without it is the least.
        left = {frozenset(s): near(flows, t, s) for s in best}
        assert all(left[frozenset(members[t])] <= other for other in left.values())


def near(flows: Flows, target: str, gone: set[str]) -> set[str]:
    graph = directed([f for f in flows if f[0] != target])
    graph.remove_nodes_from(gone)
    return nx.ancestors(graph, target) if target in graph else set()


@given(networks())
@settings(max_examples=30)
def test_nothing_arrives_without_the_smallest_cut(flows: Flows) -> None:
    members: dict[str, list[str]] = {}
    for node, t in worked("minimum_cut_member", flows):
        members.setdefault(t, []).append(node)
    for t, nodes in members.items():
        whole = "+".join(nodes)
        told = {"jurisdiction": [whole], "target": [t], "spare": float("inf")}
        assert worked("chokepoint_capacity", flows, **told)[whole, t] == 1.0


def connected_pairs(graph: "nx.Graph[str]") -> int:
    return sum(len(c) * (len(c) - 1) for c in nx.connected_components(graph))


@given(networks())
@settings(max_examples=40)
def test_articulation_and_fragmentation_are_what_removal_says(flows: Flows) -> None:
    graph = directed(flows).to_undirected()
    loss, left, far = (worked(name, flows) for name in ("articulation", "fragmentation", "distance_fragmentation"))
    points = set(nx.articulation_points(graph))
    for v in graph:
        rest = graph.subgraph(set(graph) - {v})
        before = connected_pairs(graph) - 2 * (len(nx.node_connected_component(graph, v)) - 1)
        want = None if not before else pytest.approx(1 - connected_pairs(rest) / before, abs=1e-12)
        assert loss[v] == want
        assert (loss[v] or 0.0) > 0 if v in points else not loss[v]
        n = len(rest)
        if n < 2:
            assert left[v] is far[v] is None
            continue
        assert left[v] == pytest.approx(1 - connected_pairs(rest) / (n * (n - 1)), abs=1e-12)
        assert far[v] == pytest.approx(1 - nx.global_efficiency(rest), abs=1e-12)
        assert left[v] <= far[v] + 1e-12


@given(networks(), st.sets(st.sampled_from(NAMES), min_size=2, max_size=4))
@settings(max_examples=20)
def test_fragmentation_of_a_group_removes_all_its_members(flows: Flows, group: set[str]) -> None:
    graph = directed(flows).to_undirected()
    assume(group <= set(graph) and len(graph) > len(group) + 1)
    label = "+".join(sorted(group))
    rest = graph.subgraph(set(graph) - group)
    n = len(rest)
    found = [worked(name, flows, jurisdiction=[label])[label] for name in ("fragmentation", "distance_fragmentation")]
    want = [1 - connected_pairs(rest) / (n * (n - 1)), 1 - nx.global_efficiency(rest)]
    assert found == pytest.approx(want, abs=1e-12)


@given(networks())
@settings(max_examples=40)
def test_strong_articulation_points_are_what_removal_says(flows: Flows) -> None:
    graph = directed(flows)
    found = worked("strong_articulation", flows)
    for component in nx.strongly_connected_components(graph):
        for v in component:
            rest = graph.subgraph(component - {v})
            assert found[v] == float(len(rest) > 1 and not nx.is_strongly_connected(rest))


@given(networks())
@settings(max_examples=20)
def test_reach_lost_is_what_removal_says(flows: Flows) -> None:
    graph = directed(flows)
    for v, score in worked("removal_loss_reach", flows).items():
        rest = graph.subgraph(set(graph) - {v})
        before = sum(len(nx.descendants(graph, s) - {v}) for s in rest)
        after = sum(len(nx.descendants(rest, s)) for s in rest)
        assert score == (None if not before else pytest.approx(1 - after / before, abs=1e-12))


def examples(folder: Path) -> dict[str, dict[str, object]]:
    return {e["id"]: e for e in json.loads((folder / "worked_examples.json").read_text(encoding="utf-8"))}


def test_worked_examples(shared_reference: Path) -> None:
    known = examples(shared_reference)
    strong = known["strong_articulation"]
    flows = [(f"{a}", f"{b}", 1) for a, b in strong["graph"]["edges"]]  # type: ignore[index]
    assert not any(worked("articulation", flows).values())
    found = worked("strong_articulation", flows)
    assert [int(v) for v in found if found[v]] == strong["expected"]["strong_articulation_points"]  # type: ignore[index]
    middle = known["kp_path5_mid"]
    flows = [(f"{a}", f"{b}", 1) for a, b in middle["graph"]["edges"]]  # type: ignore[index]
    for name in ("fragmentation", "distance_fragmentation"):
        assert worked(name, flows, jurisdiction=["2"])["2"] == pytest.approx(2 / 3)


def test_a_long_path_needs_no_deep_stack_and_little_memory() -> None:
    """300,000 nodes in a row: the middle parts most pairs."""
    n = 300_000
    names = np.array([f"{k:06d}" for k in range(n)])
    flows = pl.DataFrame({"item": "ALL", "origin": names[:-1], "destination": names[1:], "value": np.ones(n - 1)})
    context = Context("2020", "goods", flows, nodes=frozenset(names.tolist()))
    scores = articulation(context).sort("node")["score"].to_numpy()
    k = np.arange(n)
    assert np.allclose(scores, 2 * k * (n - 1 - k) / ((n - 1) * (n - 2)))
    assert strong_articulation(context)["score"].sum() == 0


def test_too_much_is_refused_with_a_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = table([("A", "B", 1), ("B", "C", 1)])
    for module, name in ((cuts, "distance_fragmentation"), (removal, "removal_loss_reach")):
        monkeypatch.setattr(module, "MOST_STEPS", 1)
        with pytest.raises(ModelError, match="too long -> "):
            rank(flows, name)


def test_steps_of_all_items_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = table([("A", "B", 1), ("B", "C", 1)])
    both = pl.concat([flows.with_columns(item=pl.lit(f"HS17:0{k}")) for k in (1, 2)])
    for module, name, one in ((cuts, "distance_fragmentation", 36), (removal, "removal_loss_reach", 15)):
        monkeypatch.setattr(module, "MOST_STEPS", one)
        assert rank(flows, name).height == 3
        with pytest.raises(ModelError, match="too long -> "):
            rank(both, name, by=("item",))


FAMILY = ["articulation", "strong_articulation", "fragmentation", "distance_fragmentation", "removal_loss_reach"]


@given(networks(), st.sampled_from([0.03, 0.06, 0.1]))
@settings(max_examples=20)
def test_ties_below_the_least_do_not_count(flows: Flows, least: float) -> None:
    whole = sum(v for *_, v in flows)
    kept = [f for f in flows if f[2] >= least * whole]
    present = {x for o, d, _ in flows for x in (o, d)}
    assume({x for o, d, _ in kept for x in (o, d)} == present)
    for name in FAMILY:
        assert worked(name, flows, least_tie=least) == worked(name, kept)
    # Suppliers are told by all flows, so the smallest cut is compared by trying.
    for t, size in worked("minimum_cut", flows, least_tie=least).items():
        if size is not None:
            others = sorted(present - {t})
            sets = (set(c) for k in range(len(others) + 1) for c in combinations(others, k))
            assert size == next(len(s) for s in sets if not counting(flows, kept, t, s))


def counting(flows: Flows, kept: Flows, target: str, gone: set[str]) -> bool:
    graph = directed([(f"{o}'" if o == target else o, d, v) for o, d, v in kept])
    graph.remove_nodes_from(gone)
    return target in graph and bool(nx.ancestors(graph, target) & (suppliers(flows, target) | {f"{target}'"}))


def test_trifles_may_hide_who_alone_cuts_off() -> None:
    flows = [("A", "T", 98.0), ("B", "T", 1.0), ("C", "T", 1.0)]
    assert worked("minimum_cut", flows, target=["T"]) == {"T": 3.0}
    assert worked("minimum_cut", flows, target=["T"], least_tie=0.02) == {"T": 1.0}
    assert worked("minimum_cut_member", flows, target=["T"], least_tie=0.02) == {("A", "T"): 1.0}
    assert worked("minimum_cut", flows, target=["T"], least_tie=0.99) == {"T": 0.0}
    assert worked("minimum_cut_member", flows, target=["T"], least_tie=0.99) == {}
