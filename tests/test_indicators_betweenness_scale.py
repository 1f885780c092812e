"""Betweenness at every scale: tie rule, threads, sampling error and groups, against slower and other people's code."""

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.coded import encode
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.indicators.routing import least_paths
from weaponized_interdependence.indicators.routing.chains import shortest
from weaponized_interdependence.indicators.routing.least_paths import Edges, betweenness_of, refuse_long, steps_of
from weaponized_interdependence.indicators.topology import path_sampling, paths
from weaponized_interdependence.indicators.topology.path_sampling import interval, plan, sampled
from weaponized_interdependence.network import Floats, Network, build_network, to_igraph, to_networkx
from weaponized_interdependence.schemas import CONTROLS, FLOWS


def drawn(seed: int, nodes: int, ties: int, lengths: str = "far apart") -> Network:
    """A random network whose tie lengths are far apart, or few whole numbers, or sums of tenths."""
    rng = np.random.default_rng(seed)
    keys = rng.choice(nodes * nodes, size=min(ties, nodes * (nodes - 1) // 2), replace=False)
    origin, destination = np.divmod(np.sort(keys), nodes)
    keep = origin != destination
    m = int(keep.sum())
    length = {
        "far apart": np.exp(rng.normal(0, 3, m)),
        "whole": rng.integers(1, 4, m).astype(float),
        "tenths": rng.integers(1, 4, m) / 10,
    }[lengths]
    net = Network(tuple(f"N{k:05d}" for k in range(nodes)), origin[keep], destination[keep], 1 / length)
    if lengths == "tenths":
        net.__dict__["distance"] = length
    return net


def slowly(net: Network) -> Floats:
    """The numpy engine of chains, which holds all pairs."""
    total = np.zeros(net.size[0])
    for dag in shortest(net):
        total += dag.carried(np.isfinite(dag.distance).astype(np.float64))
    return total


def edges_of(net: Network) -> Edges:
    return Edges(net.size[0], net.origin.astype(np.int32), net.destination.astype(np.int32), net.distance)


def flows_of(net: Network, item: str = "TOTAL") -> pl.DataFrame:
    rows = [
        ("2020", "goods", net.nodes[o], net.nodes[d], item, s, None, None, "USD", "observed")
        for o, d, s in zip(net.origin.tolist(), net.destination.tolist(), net.strength.tolist(), strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


@pytest.mark.parametrize("lengths", ["far apart", "whole", "tenths"])
@pytest.mark.parametrize(("nodes", "ties"), [(15, 40), (70, 700), (200, 2300), (300, 600)])
def test_the_compiled_engine_equals_the_slow_one(nodes: int, ties: int, lengths: str) -> None:
    net = drawn(nodes, nodes, ties, lengths)
    assert betweenness_of(net) == pytest.approx(slowly(net), rel=1e-9, abs=1e-9)


@settings(max_examples=60)
@given(
    st.integers(2, 9).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.dictionaries(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)),
                # Lengths that tie, that tie but for rounding, and that are lost when added to others.
                st.sampled_from([0.1, 0.2, 0.3, 0.6, 1.0, 1 + 1e-13, 1 + 1e-11, 3.0, 1e6, 1e15, 1e18]),
                min_size=1,
            ),
        )
    )
)
def test_any_lengths_give_what_the_slow_engine_gives(drawing: tuple[int, dict[tuple[int, int], float]]) -> None:
    n, ties = drawing
    pairs = sorted(pair for pair in ties if pair[0] != pair[1])
    length = np.array([ties[pair] for pair in pairs])
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    net = Network(tuple(map(str, range(n))), ends[:, 0].copy(), ends[:, 1].copy(), 1 / length)
    net.__dict__["distance"] = length
    assert betweenness_of(net) == pytest.approx(slowly(net), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("ties", [1500, 12_000])
def test_a_larger_network_equals_igraph_and_networkx(ties: int) -> None:
    net = drawn(3, 600, ties)
    ours = betweenness_of(net)
    assert ours == pytest.approx(to_igraph(net).betweenness(weights="distance"), rel=1e-9, abs=1e-9)
    if ties < 2000:
        theirs = nx.betweenness_centrality(to_networkx(net), weight="distance", normalized=False)
        assert ours == pytest.approx([theirs[n] for n in net.nodes], rel=1e-9, abs=1e-9)


def test_worked_examples(shared_reference: Path) -> None:
    known = {e["id"]: e for e in json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))}
    flow = known["bet_flow_is_not_distance"]
    found = worked("betweenness", [tuple(edge) for edge in flow["graph"]["edges_flow"]])
    assert {k: found[k] for k in ("Hub", "Weak")} == flow["expected"]["correct"]
    assert worked("betweenness_sampled", flow["graph"]["edges_flow"])["Hub"] == pytest.approx(1 / 12)
    tie = known["bet_float_tie"]
    edges = tie["graph"]["edges_length"]
    net = build_network(pl.DataFrame([(str(o), str(d), 1 / x) for o, d, x in edges], orient="row", schema=_ENDS))
    lengths = {(o, d): x for o, d, x in edges}
    net.__dict__["distance"] = np.array([lengths[o, d] for o, d in zip(net.origin, net.destination, strict=True)])
    assert betweenness_of(net).tolist() == tie["expected"]["betweenness"]
    group = known["group_bet_path4"]
    path = [(str(o), str(d), 1) for o, d in group["graph"]["edges"]]
    asked = {"+".join(map(str, json.loads(key))): float(value) for key, value in group["expected"].items()}
    assert worked("group_betweenness", path, jurisdiction=list(asked)) == asked


_ENDS = ["origin", "destination", "value"]


def many_items(seed: int) -> pl.DataFrame:
    """Layers of different sizes, one of only a self-loop and one with a gap in the names."""
    nets = [drawn(seed + k, nodes, ties) for k, (nodes, ties) in enumerate([(5, 9), (60, 500), (150, 1500), (30, 60)])]
    layers = [flows_of(net, f"SITC:{k}") for k, net in enumerate(nets)]
    loop = flows_of(nets[0], "SITC:7").head(1).with_columns(destination=pl.col("origin"))
    return pl.concat([*layers, loop])


@pytest.mark.parametrize("large", [False, True])
def test_items_are_scored_each_by_itself_whatever_their_size(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_paths, "_PART", 1000 if large else 10**9)  # cut by sources, or all in one run
    flows = many_items(1)
    found = rank(flows, "betweenness", by=("item",))
    assert set(found["item"]) == {f"SITC:{k}" for k in range(4)}
    for item in set(found["item"]):
        net = build_network(flows.filter(pl.col("item") == item))
        got = found.filter(pl.col("item") == item).sort("node")
        assert got["node"].to_list() == list(net.nodes)
        assert got["score"].to_list() == pytest.approx(to_igraph(net).betweenness(weights="distance"), abs=1e-9)


@pytest.mark.parametrize("lengths", ["far apart", "whole"])
def test_threads_change_no_bit(lengths: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_paths, "_PART", 20_000)
    monkeypatch.setattr(paths, "_EXACT_STEPS", 0)
    flows = pl.concat([many_items(4), flows_of(drawn(9, 400, 4000, lengths), "SITC:9")])
    names = ["betweenness", "betweenness_sampled", "group_betweenness"]
    found = []
    for threads in ("1", "4"):
        monkeypatch.setenv("WI_THREADS", threads)
        found.append(rank(flows, names, by=("item",), error=0.05, jurisdiction=["N00001+N00002", "N00003"]))
    assert found[0].equals(found[1])


@settings(max_examples=15)
@given(st.permutations(range(40)), st.sampled_from(["far apart", "tenths"]))
def test_the_order_of_nodes_changes_nothing_but_rounding(order: list[int], lengths: str) -> None:
    net = drawn(5, 40, 300, lengths)
    new = np.array(order)
    ends = np.column_stack((new[net.origin], new[net.destination]))
    by = np.lexsort((ends[:, 1], ends[:, 0]))
    moved = Network(net.nodes, ends[by, 0], ends[by, 1], net.strength[by])
    moved.__dict__["distance"] = net.distance[by]
    assert betweenness_of(moved)[new] == pytest.approx(betweenness_of(net), rel=1e-12, abs=1e-12)


def test_thinning_drops_ties_and_changes_no_bit() -> None:
    edges = edges_of(drawn(2, 200, 5000))
    start, head, length = least_paths.thinned(edges)
    assert len(head) < 0.5 * len(edges.length)
    origin = np.repeat(np.arange(edges.n, dtype=np.int32), np.diff(start))
    kept = Network(tuple(map(str, range(edges.n))), origin.astype(np.int64), head.astype(np.int64), 1 / length)
    kept.__dict__["distance"] = length
    assert (betweenness_of(kept) == least_paths._through(edges)).all()


def test_too_many_paths_to_count_are_refused() -> None:
    # 1,100 diamonds in a row have 2^1100 shortest paths from end to end.
    rows = [(f"A{k:04d}", f"{side}{k:04d}", 1.0) for k in range(1100) for side in "BC"] + [
        (f"{side}{k:04d}", f"A{k + 1:04d}", 1.0) for k in range(1100) for side in "BC"
    ]
    net = build_network(pl.DataFrame(rows, schema=_ENDS, orient="row"))
    with pytest.raises(ModelError, match="paths of equal length"):
        betweenness_of(net)
    with pytest.raises(ModelError, match="paths of equal length"):
        sampled(edges_of(net), error=0.1, confidence=0.9, seed=0)


def test_work_beyond_the_limit_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = flows_of(drawn(1, 60, 500))
    coded = encode(flows.select("item", "origin", "destination", "value"))
    assert steps_of(coded).tolist() == [flows["origin"].n_unique() * flows.height]
    monkeypatch.setattr(least_paths, "MOST_STEPS", 1000)
    with pytest.raises(ModelError, match="senders times ties") as refused:
        rank(flows, "betweenness")
    assert "betweenness_sampled" in str(refused.value.mend)
    assert refused.value.faults
    refuse_long(coded, "", times=0)


# --- sampled -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", ["far apart", "whole", "tenths"])
@pytest.mark.parametrize(("nodes", "ties"), [(40, 90), (300, 2500)])
def test_the_sample_holds_its_stated_error(nodes: int, ties: int, lengths: str) -> None:
    net = drawn(11, nodes, ties, lengths)
    true = betweenness_of(net) / (nodes * (nodes - 1))
    outside = 0
    for seed in range(10):
        score, low, high = sampled(edges_of(net), error=0.02, confidence=0.9, seed=seed)
        assert (low <= score).all()
        assert (score <= high).all()
        assert max((high - score).max(), (score - low).max()) <= 0.02 * (1 + 1e-9)
        outside += bool(((true < low) | (true > high)).any())
    assert outside <= 1  # the bound allows one in ten, and is generous


def test_pairs_hit_each_node_as_often_as_betweenness_says() -> None:
    # Far narrower than the bound: five standard deviations of the binomial for each of 60 nodes, equal paths and all.
    for lengths in ("far apart", "whole"):
        net = drawn(12, 60, 400, lengths)
        true = betweenness_of(net) / (60 * 59)
        score, *_ = sampled(edges_of(net), error=0.004, confidence=0.9, seed=3)
        size = 10_000  # no fewer were drawn
        assert (np.abs(score - true) <= 5 * np.sqrt(true / size) + 1e-12).all()


def test_the_same_seed_draws_the_same_bytes_and_another_draws_others() -> None:
    edges = edges_of(drawn(13, 300, 2500))
    one, again, other = (sampled(edges, error=0.02, confidence=0.9, seed=s) for s in (5, 5, 6))
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert (one[0] != other[0]).any()


@pytest.mark.parametrize("hits", [0, 1, 17, 500, 999, 1000])
def test_the_interval_covers_as_it_says(hits: int) -> None:
    # At its ends, the chance of so many hits or more (fewer) is at most exp(-log term), as summed exactly.
    from scipy.stats import binom

    low, high = (float(x[0]) for x in interval(np.array([hits]), 1000, 6.0))
    assert 0 <= low <= hits / 1000 <= high <= 1
    assert low == 0 or math.exp(-12) < binom.sf(hits - 1, 1000, low) <= math.exp(-6) * (1 + 1e-9)
    assert high == 1 or math.exp(-12) < binom.cdf(hits, 1000, high) <= math.exp(-6) * (1 + 1e-9)
    assert max(high - hits / 1000, hits / 1000 - low) <= math.sqrt(6 / 2000) + 1e-12  # Pinsker


@settings(max_examples=30)
@given(st.integers(2, 10**7), st.floats(1e-4, 0.9), st.floats(0.5, 0.999))
def test_the_plan_ends_where_the_error_is_met_whatever_is_drawn(n: int, error: float, confidence: float) -> None:
    sizes, log_term = plan(n, error, confidence)
    assert sizes == sorted(sizes)
    assert log_term == pytest.approx(math.log(2 * n * len(sizes) / (1 - confidence)))
    assert math.sqrt(log_term / (2 * sizes[-1])) <= error


def test_small_networks_are_not_sampled_and_large_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    net = drawn(14, 80, 600)
    true = betweenness_of(net)
    linked = np.union1d(net.origin, net.destination)
    pairs = len(linked) * (len(linked) - 1)
    found = rank(flows_of(net), "betweenness_sampled").sort("node")
    assert found["score"].to_numpy() * pairs == pytest.approx(true[linked])
    assert found["low"].equals(found["score"].rename("low"))
    monkeypatch.setattr(paths, "_EXACT_STEPS", 0)
    found = rank(flows_of(net), "betweenness_sampled", error=0.05).sort("node")
    assert (found["low"] <= found["high"]).all()
    assert (found["high"] - found["score"]).max() <= 0.05
    assert (found["high"] - found["low"]).min() > 0
    assert set(found["basis"]) == {"estimated"}
    with pytest.raises(UsageError, match="error is 0"):
        rank(flows_of(net), "betweenness_sampled", error=0)


# --- groups --------------------------------------------------------------------------------------------------------


def by_brute_force(net: Network, members: set[str]) -> float:
    """All shortest paths of all pairs, listed one by one."""
    graph = to_networkx(net)
    total = 0.0
    for s, t in itertools.permutations(set(net.nodes) - members, 2):
        if nx.has_path(graph, s, t):
            listed = list(nx.all_shortest_paths(graph, s, t, weight="distance"))
            total += sum(not members.isdisjoint(path) for path in listed) / len(listed)
    return total


@pytest.mark.parametrize("lengths", ["far apart", "whole"])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_groups_equal_brute_force(seed: int, large: bool, lengths: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_paths, "_PART", 10 if large else 10**9)
    net = drawn(seed + 20, 14, 60, lengths)
    names = sorted({net.nodes[k] for k in (*net.origin, *net.destination)})
    groups = ["+".join(names[k : k + 1 + k % 4]) for k in range(0, 12, 2)]
    found = dict(rank(flows_of(net), "group_betweenness", jurisdiction=groups).select("node", "score").rows())
    assert found == pytest.approx({g: by_brute_force(net, set(g.split("+"))) for g in groups})


def test_groups_equal_rustworkx() -> None:
    rx = pytest.importorskip("rustworkx", reason="rustworkx is not installed")
    net = drawn(30, 25, 120, "whole")
    net = Network(net.nodes, net.origin.copy(), net.destination.copy(), np.ones(net.size[1]))  # it takes no lengths
    graph = rx.PyDiGraph()
    graph.add_nodes_from(list(net.nodes))
    graph.add_edges_from_no_data(list(zip(net.origin.tolist(), net.destination.tolist(), strict=True)))
    for group in ([1], [1, 2], [0, 5, 9, 20]):
        ours = rank(flows_of(net), "group_betweenness", jurisdiction=["+".join(net.nodes[k] for k in group)])
        theirs = rx.digraph_group_betweenness_centrality(graph, group, normalized=False)
        assert ours["score"].item() == pytest.approx(theirs)


def test_every_node_by_itself_has_its_betweenness() -> None:
    flows = many_items(2)
    one, every = (rank(flows, name, by=("item",)).drop("indicator") for name in ("betweenness", "group_betweenness"))
    assert every.equals(one)


def test_more_groups_than_one_word_holds() -> None:
    net = drawn(31, 90, 700)
    groups = [f"{a}+{b}" for a, b in itertools.pairwise(net.nodes)]
    together = rank(flows_of(net), "group_betweenness", jurisdiction=groups).sort("node")["score"].to_list()
    alone = [rank(flows_of(net), "group_betweenness", jurisdiction=[g])["score"].item() for g in sorted(groups)[::11]]
    assert together[::11] == alone


def test_territory_makes_members_and_other_controls_do_not() -> None:
    path = [("A", "X", 1), ("X", "B", 1), ("B", "C", 1)]
    rows = [("X", "B", "territory", 1.0), ("C", "A", "ownership", 1.0)]
    controls = pl.DataFrame(
        [
            {"node": node, "jurisdiction": j, "channel": channel, "share": share, "basis": "observed"}
            for node, j, channel, share in rows
        ]
    )
    held = CONTROLS.conform(controls.select(c for c in CONTROLS.schema if c in controls.columns), where="controls")
    found = worked("group_betweenness", path, controls=held)
    assert found == {"A": 0.0, "B": 1.0, "C": 0.0, "X": 2.0}  # B with X: only A to C lies outside, and passes both
    assert worked("group_betweenness", path, controls=held, jurisdiction=["B", "A"]) == {"A": 0.0, "B": 1.0}


def test_one_group_of_everyone_and_an_empty_one() -> None:
    circle = [(f"N{k}", f"N{(k + 1) % 6}", 1) for k in range(6)]
    assert set(worked("group_betweenness", circle, jurisdiction=["+".join(f"N{k}" for k in range(6))]).values()) == {0}
    rows = [("2020", "goods", a, b, "SITC:0", 1.0, None, None, "USD", "observed") for a, b, _ in circle]
    rows.append(("2020", "goods", "USA", "N0", "SITC:1", 1.0, None, None, "USD", "observed"))
    flows = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
    found = rank(flows, "group_betweenness", by=("item",), jurisdiction=["USA"])
    assert found.select("item", "score").rows() == [("SITC:0", 0.0), ("SITC:1", 0.0)]  # no node of it in the first


# --- memory --------------------------------------------------------------------------------------------------------


def test_memory_grows_with_ties_and_not_with_nodes_squared() -> None:
    # Arrays made in machine code are hidden from tracemalloc, so it is the peak of a process of its own that counts.
    code = """
import resource, numpy as np
from weaponized_interdependence.indicators.kernels.distances import Ties
from weaponized_interdependence.indicators.kernels.paths import through
from weaponized_interdependence.indicators.routing.least_paths import Edges, thinned

def peak(n):
    rng = np.random.default_rng(1)
    origin = np.sort(rng.integers(0, n, 4 * n)).astype(np.int32)
    destination = ((origin + rng.integers(1, n, 4 * n)) % n).astype(np.int32)
    start, head, far = thinned(Edges(n, origin, destination, np.exp(rng.normal(0, 3, 4 * n))))
    through(Ties(start[:-1], start[1:], head, far), np.arange(64), False, np.zeros(n))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

print(peak(200), peak(20_000), peak(40_000))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
    )
    base, one, two = (int(kilobytes) for kilobytes in done.stdout.split())
    assert two - base < 3 * (one - base) + 20_000  # squared it would be four times
    assert two - base < 40_000 * 40_000 * 8 / 1024 / 50  # far from a matrix of all pairs


# --- limits --------------------------------------------------------------------------------------------------------


def test_a_sample_that_may_become_too_large_is_refused_before_a_pair_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_EXACT_STEPS", 0)
    flows = pl.concat([flows_of(drawn(k, 60, 500), f"SITC:{k}") for k in range(3)])
    one = flows.filter(pl.col("item") == "SITC:0")
    most = plan(60, 0.05, 0.95)[0][-1]
    monkeypatch.setattr(path_sampling, "MOST_PAIRS", 2 * most)
    rank(one, "betweenness_sampled", error=0.05)

    def never(*_: object) -> None:
        raise AssertionError("pairs were drawn")

    monkeypatch.setattr(path_sampling, "_drawing", never)
    with pytest.raises(UsageError, match="pairs of nodes would be drawn") as refused:
        rank(flows, "betweenness_sampled", by=("item",), error=0.05)  # each by itself would do
    assert len(refused.value.faults) == 3
    monkeypatch.undo()
    monkeypatch.setattr(paths, "_EXACT_STEPS", 0)
    monkeypatch.setattr(path_sampling, "MOST_PAIRS", 2 * most)
    enough = float(refused.value.mend.partition("error=")[2].partition(" ")[0])
    assert rank(flows, "betweenness_sampled", by=("item",), error=enough).height
    with pytest.raises(UsageError, match="larger error"):
        rank(one, "betweenness_sampled", error=1e-4)


def test_the_target_sample_of_a_million_nodes_is_within_the_limit() -> None:
    assert plan(10**6, 1e-3, 0.95)[0][-1] <= path_sampling.MOST_PAIRS < plan(10**6, 1e-4, 0.95)[0][-1]


def test_rings_cost_a_step_about_what_random_networks_do() -> None:
    """Long ways, sources far apart: rounds over all nodes would take a ring of 3,000 some 40 times the looks."""
    from weaponized_interdependence.indicators.kernels import distances
    from weaponized_interdependence.indicators.kernels.distances import Ties, make_room

    n = 3000
    name = np.random.default_rng(1).permutation(n)
    origin, destination = np.concatenate((name, np.roll(name, 1))), np.concatenate((np.roll(name, 1), name))
    order = np.argsort(origin, kind="stable")
    start = np.arange(0, 2 * n + 1, 2)
    looks = 0

    class Counted:
        def __init__(self, nodes: np.ndarray[Any, Any]) -> None:
            self.nodes = nodes

        def __setitem__(self, at: int, node: int) -> None:
            self.nodes[at] = node

        def __iter__(self) -> Iterator[int]:
            nonlocal looks
            looks += len(self.nodes)
            return iter(self.nodes)

    ties = Ties(start[:-1], start[1:], destination[order].astype(np.int32), np.ones(2 * n))
    far, wake = np.zeros((n, 8)), np.zeros(n, dtype=np.bool_)
    spread = distances.spread.py_func  # type: ignore[attr-defined]
    spread(ties, np.arange(8), make_room(n), Counted(np.zeros(n, dtype=np.int32)), wake, far)
    place = np.argsort(name)
    apart = np.abs(place[:, None] - place[None, :8])
    assert (far == np.minimum(apart, n - apart)).all()
    assert looks <= 20 * n
    assert not wake.any()


def test_near_ties_of_thousands_of_steps_are_all_drawn() -> None:
    """From S to each of a row of nodes goes a direct tie, and one from the node before, longer by 0.9e-12 of the whole:
    tied step by step, though from the first node to the last these add up to far more than 1e-9 of the way.
    """
    from weaponized_interdependence.indicators.kernels.distances import Ties
    from weaponized_interdependence.indicators.kernels.path_samples import make_meeting, sample

    count = 4000
    far = np.arange(1.0, count + 1)
    row = [(k, k + 1, 1.0 + 0.9e-12 * (k + 1)) for k in range(1, count)]
    ends = np.array([(0, k, far[k - 1]) for k in range(1, count + 1)] + row)

    def by(end: int) -> Ties:
        order = np.lexsort((ends[:, 2], ends[:, end]))
        start = np.searchsorted(ends[order, end], np.arange(count + 2))
        return Ties(start[:-1], start[1:], ends[order, 1 - end].astype(np.int32), ends[order, 2].copy())

    last = np.array([count])
    hits = sample(by(0), by(1), np.array([0]), last, 1, 0, 60, make_meeting(count + 1))
    # Every one of the 4,000 paths, by the node at which it joins the row, is equally probable.
    assert np.bincount(hits, minlength=count + 1)[: count // 4].sum() > 0
