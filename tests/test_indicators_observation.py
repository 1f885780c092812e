"""Panopticon by k shortest chains and by provenance, and reach with limited capacity, against slow plain references."""

from fractions import Fraction
from itertools import groupby, islice, pairwise
from operator import itemgetter

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.observation import provenance
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.indicators.routing import listed
from weaponized_interdependence.indicators.routing.listed import KChains
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import Network, build_network, to_networkx
from weaponized_interdependence.schemas import CONTROLS, FLOWS

NODES = "ABCDEF"
Ties = dict[tuple[str, str], int]
K_FAMILY = ("panopticon_k", "panopticon_k_extraterritorial", "panopticon_k_target")
WALKS = ("panopticon_walk", "panopticon_walk_extraterritorial", "panopticon_walk_target")

# Strengths that divide 12: lengths 12/strength are small whole numbers, and equal lengths are common.
ties_of = st.dictionaries(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1]),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    min_size=1,
    max_size=18,
)
grips_of = st.dictionaries(st.sampled_from(NODES), st.sampled_from([0.25, 0.5, 1.0]), max_size=3)


def frame(ties: Ties, layer: str = "payments") -> pl.DataFrame:
    rows = [("2020", layer, o, d, "TOTAL", float(v), None, None, "USD", "observed") for (o, d), v in ties.items()]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def controls(grips: dict[str, float], holder: str = "X") -> pl.DataFrame:
    rows = [(holder, node, "currency", share, "observed") for node, share in grips.items()]
    return pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row")


def random_network(seed: int, n: int, density: float) -> Network:
    rng = np.random.default_rng(seed)
    rows = [(f"{o:03d}", f"{d:03d}", rng.lognormal(0, 2)) for o in range(n) for d in range(n) if o != d]
    kept = [row for row in rows if rng.random() < density]
    return build_network(pl.DataFrame(kept, schema=["origin", "destination", "value"], orient="row"))


# ---- k shortest chains


@pytest.mark.parametrize(("seed", "n", "density"), [(0, 8, 0.4), (1, 14, 0.3), (2, 25, 0.25)])
@pytest.mark.parametrize("paths", [1, 3, 12])
def test_the_chains_are_those_of_networkx(seed: int, n: int, density: float, paths: int) -> None:
    net = random_network(seed, n, density)
    graph = to_networkx(net)
    found = KChains.of(net, net.origin, net.destination, paths)
    for flow in range(0, len(net.origin), 4):
        ends = net.nodes[net.origin[flow]], net.nodes[net.destination[flow]]
        want = [tuple(p) for p in islice(nx.shortest_simple_paths(graph, *ends, weight="distance"), paths)]
        rows = np.flatnonzero(found.flow == flow)
        got = [tuple(net.nodes[v] for v in found.stops[found.first[r] : found.first[r + 1]]) for r in rows]
        assert got == want
        assert found.length[rows] == pytest.approx([nx.path_weight(graph, p, "distance") for p in want])
        inverse = 1 / found.length[rows]
        assert found.probability[rows] == pytest.approx(inverse / inverse.sum())


def shared(ties: Ties, s: str, t: str, paths: int) -> dict[tuple[str, ...], Fraction]:
    """Probability of every chain used, by listing all simple paths with exact lengths."""
    graph = nx.DiGraph([*ties])
    every = sorted(
        (sum(Fraction(12, ties[step]) for step in pairwise(p)), tuple(p)) for p in nx.all_simple_paths(graph, s, t)
    )
    weight: dict[tuple[str, ...], Fraction] = {}
    for length, group in groupby(every, key=itemgetter(0)):
        chains, left = [p for _, p in group], paths - len(weight)
        if left > 0:
            weight |= {p: Fraction(min(left, len(chains)), len(chains)) / length for p in chains}
    whole = sum(weight.values())
    return {p: w / whole for p, w in weight.items()}


@settings(deadline=None, max_examples=40)
@given(ties_of, grips_of, st.integers(1, 5), st.sampled_from([1.0, 0.5, 0.0]))
def test_k_scores_equal_those_of_listing_every_chain(
    ties: Ties, legal: dict[str, float], paths: int, able: float
) -> None:
    nodes = sorted({x for pair in ties for x in pair})
    member = nodes[0]
    held = controls({n: g for n, g in legal.items() if n in nodes}, holder=member)
    scores = rank(frame(ties), K_FAMILY, jurisdiction=[member], controls=held, capacity={member: able}, paths=paths)
    got = {(i, t): s for i, t, s in scores.select("indicator", "counterpart", "score").rows()}
    grip = legal | {member: 1.0}
    seen = {}
    for s, t in ties:
        escapes = sum(
            p * Fraction(np.prod([1 - grip.get(n, 0.0) for n in chain])).limit_denominator(10**9)
            for chain, p in shared(ties, s, t, paths).items()
        )
        seen[s, t] = ties[s, t] * (1 - escapes)
    for name, target in got:
        flows = [f for f in ties if name != "panopticon_k_extraterritorial" or member not in f]
        flows = [f for f in flows if target is None or target in f]
        value = sum(ties[f] for f in flows)
        want = able * float(sum(seen[f] for f in flows) / value) if value else None
        assert got[name, target] == (None if want is None else pytest.approx(want, abs=1e-9)), (name, target)


@settings(deadline=None, max_examples=25)
@given(ties_of)
def test_one_path_is_the_panopticon(ties: Ties) -> None:
    flows = frame(ties)
    for suffix in ("", "_extraterritorial", "_target"):
        want = rank(flows, f"panopticon{suffix}").sort("node", "counterpart")
        got = rank(flows, f"panopticon_k{suffix}", paths=1).sort("node", "counterpart")
        assert got.select("node", "counterpart").equals(want.select("node", "counterpart"))
        assert got["score"].null_count() == want["score"].null_count()
        assert (got["score"].fill_null(0) - want["score"].fill_null(0)).abs().max() < 1e-12


def test_chains_that_tie_for_the_last_place_share_it() -> None:
    # S to T: directly (length 1), or over H, K or L (2 each): with 3 places the three share two.
    sides = [edge for n in "HKL" for edge in ((("S", n), 1), ((n, "T"), 1))]
    net = build_network(frame(dict([(("S", "T"), 1), *sides])))
    at = {n: k for k, n in enumerate(net.nodes)}
    found = KChains.of(net, np.array([at["S"]]), np.array([at["T"]]), 3)
    assert found.probability == pytest.approx([3 / 6, 1 / 6, 1 / 6, 1 / 6])
    two = KChains.of(net, np.array([at["S"]]), np.array([at["T"]]), 2)
    assert two.probability == pytest.approx([6 / 9, 1 / 9, 1 / 9, 1 / 9])


def test_three_tenths_in_three_steps_tie_with_three_tenths_in_one() -> None:
    net = build_network(frame({("A", "B"): 1, ("B", "C"): 1, ("C", "D"): 1, ("A", "D"): 1}))
    strength = np.where((net.origin == 0) & (net.destination == 3), 1 / 0.3, 1 / 0.1)
    net = Network(net.nodes, net.origin.copy(), net.destination.copy(), strength)
    found = KChains.of(net, np.array([0]), np.array([3]), 1)
    assert found.probability.tolist() == [0.5, 0.5]


def test_k_on_direct_layers_is_the_panopticon_and_on_inputs_is_refused() -> None:
    flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    assert worked("panopticon_k", flows) == worked("panopticon", flows)
    with pytest.raises(UsageError, match="without number"):
        worked("panopticon_k", flows, layer="inputs")


def test_too_many_chains_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = [(o, d, 1) for o in NODES for d in NODES if o != d]
    monkeypatch.setattr(listed, "MOST_CHAINS", 100)
    with pytest.raises(UsageError, match="lower the knob paths"):
        worked("panopticon_k", everyone, layer="claims", paths=10)
    with pytest.raises(ModelError, match="are equally long"):  # 30 flows, 3 each, and each has four of length 2
        worked("panopticon_k", everyone, layer="claims", paths=2)


def test_k_over_ties_of_their_own_and_by_item() -> None:
    ties = frame({("A", "H"): 2, ("H", "B"): 2, ("A", "K"): 1, ("K", "B"): 1, ("C", "B"): 1})
    flows = pl.concat([frame({("A", "B"): 4, ("C", "B"): 6})])
    items = pl.concat([flows.with_columns(item=pl.lit("EBOPS:SF")), flows.with_columns(item=pl.lit("EBOPS:SG"))])
    got = rank(items, "panopticon_k", by=("item",), jurisdiction=["H", "K"], ties=ties, paths=2)
    want = {"H": 0.4 * 2 / 3, "K": 0.4 * 1 / 3}  # lengths 2 and 4
    assert {(i, n): s for i, n, s in got.select("item", "node", "score").rows()} == {
        (i, n): pytest.approx(s) for i in ("EBOPS:SF", "EBOPS:SG") for n, s in want.items()
    }


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = random_network(5, 20, 0.4)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", threads)
        found.append(KChains.of(net, net.origin, net.destination, 4))
    for name in ("flow", "length", "probability", "first", "stops"):
        assert (getattr(found[0], name) == getattr(found[1], name)).all()


# ---- capacity: the second scope condition, on each of the three routes


@settings(deadline=None, max_examples=25)
@given(ties_of, grips_of, st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(["goods", "payments"]), st.integers(1, 2))
def test_extraterritorial_sight_with_limited_capacity(
    ties: Ties, legal: dict[str, float], able: float, layer: str, size: int
) -> None:
    nodes = sorted({x for pair in ties for x in pair})
    members = nodes[:size]
    held = controls({n: g for n, g in legal.items() if n in nodes}, holder=members[0])
    got = rank(
        frame(ties, layer),
        "panopticon_extraterritorial",
        jurisdiction=["+".join(members)],
        controls=held,
        capacity={"+".join(members): able},
    )
    grip = legal | dict.fromkeys(members, 1.0)
    flows = [f for f in ties if not {*f} & {*members}]
    seen = 0.0
    for s, t in flows:
        chains = {(s, t): Fraction(1)} if layer == "goods" else shared(ties, s, t, 1)
        seen += ties[s, t] * sum(float(p) * (1 - np.prod([1 - grip.get(n, 0.0) for n in c])) for c, p in chains.items())
    want = able * seen / sum(ties[f] for f in flows) if flows else None
    assert got["score"].to_list() == [None if want is None else pytest.approx(want, abs=1e-9)]
    assert {*got["basis"]} == {"assumed"}


@pytest.mark.parametrize("able", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_extraterritorial_sight_on_production_paths_with_limited_capacity(able: float, share: float) -> None:
    rng = np.random.default_rng(7)
    economies = tuple("ABCD")
    Z, Y = rng.integers(0, 6, (8, 8)).astype(float), rng.integers(1, 40, (8, 4)).astype(float)
    x = Z.sum(axis=1) + Y.sum(axis=1)
    made = IOTable("2020", economies, ("s0", "s1"), ("fd",), Z, Y, x - Z.sum(axis=0), x, np.zeros(8), "X")
    told = {"jurisdiction": ["A"], "capacity": {"A": able}}
    if share:
        told["controls"] = controls({"B": share}, holder="A")
    got = rank(None, "panopticon_extraterritorial", table=made, **told)["score"].item()
    coefficients, grip = Z / x, np.array([1.0, share, 0.0, 0.0])
    first, slips = np.repeat([0.0, 1, 1, 1], 2) * (1 - coefficients.sum(axis=0)), np.repeat(1 - grip, 2)
    routed = escaped = 0.0
    for t in range(1, 4):  # whose demand; what begins in A, or never leaves t, is no flow of others
        own = np.repeat(np.arange(4) == t, 2)
        stages = [Y[:, t], slips * Y[:, t], own * Y[:, t], own * slips * Y[:, t]]
        for _ in range(400):
            ends = [float(first @ stage) for stage in stages]
            routed += ends[0] - ends[2]
            escaped += (1 - grip[t]) * (ends[1] - ends[3])
            every, free = stages[0], stages[1]
            stages = [
                coefficients @ every,
                slips * (coefficients @ free),
                own * (coefficients @ stages[2]),
                own * slips * (coefficients @ stages[3]),
            ]
    assert got == pytest.approx(able * (1 - escaped / routed), abs=1e-9)


# ---- provenance


def followed(W: np.ndarray, grip: np.ndarray, begins: np.ndarray | None = None, end: int | None = None) -> np.ndarray:
    """Probability that the walk back from a unit of each pool slips through, by repeating its steps to the end.

    With `end`, the walk also stops there, having slipped through.
    """
    sent, received = W.sum(axis=1), W.sum(axis=0)
    pool = np.maximum(sent, received)
    began = np.maximum(sent - received, 0) / pool * (1 if begins is None else begins)
    chance = np.zeros(len(W))
    for _ in range(200_000):
        new = (1 - grip) * (began + (W / pool).T @ chance)
        if end is not None:
            new[end] = 1.0
        if np.abs(new - chance).max() < 1e-15:
            break
        chance = new
    return chance


def walk_reference(
    ties: Ties, grip: dict[str, float], members: set[str], target: str | None, far: bool
) -> float | None:
    nodes = sorted({x for pair in ties for x in pair})
    W = np.array([[float(ties.get((o, d), 0)) for d in nodes] for o in nodes])
    g = np.array([grip.get(n, 0.0) for n in nodes])
    received, sent = W.sum(axis=0), W.sum(axis=1)
    if target is not None:
        t = nodes.index(target)
        none = np.zeros(len(nodes))
        sourced = followed(W, none)[t] > 0.5
        chance = followed(W, g, end=t)
        return float(1 - (1 - g[t]) * (W[:, t] @ chance) / received[t]) if sourced and received[t] else None
    outside = np.array([n not in members for n in nodes]) if far else np.ones(len(nodes))
    used = np.maximum(received - sent, 0) * outside
    routed = used @ followed(W, np.zeros(len(nodes)), outside)
    return float(1 - used @ followed(W, g, outside) / routed) if routed > 1e-9 else None


@settings(deadline=None, max_examples=40)
@given(ties_of, grips_of, st.sampled_from([1.0, 0.5, 0.0]), st.integers(1, 2), st.booleans())
def test_provenance_equals_walking_back_step_by_step(
    ties: Ties, legal: dict[str, float], able: float, size: int, iterated: bool
) -> None:
    nodes = sorted({x for pair in ties for x in pair})
    members = nodes[:size]
    held = controls({n: g for n, g in legal.items() if n in nodes}, holder=members[0])
    capacity = {"+".join(members): able}
    with pytest.MonkeyPatch.context() as patch:
        if iterated:  # as for networks too large for a dense inverse
            patch.setattr(provenance, "MOST_DENSE", 1)
        party = ["+".join(members)]
        rest = [n for n in nodes if n not in members]
        scores = rank(frame(ties, "goods"), WALKS[:2], jurisdiction=party, controls=held, capacity=capacity)
        if rest:
            over = rank(
                frame(ties, "goods"), WALKS[2], jurisdiction=party, controls=held, capacity=capacity, target=rest
            )
            scores = pl.concat([scores, over])
    grip = legal | dict.fromkeys(members, 1.0)
    for name, target, score in scores.select("indicator", "counterpart", "score").rows():
        want = walk_reference(ties, grip, {*members}, target, name == WALKS[1])
        assert score == (None if want is None else pytest.approx(able * want, abs=1e-8)), (name, target)


@settings(deadline=None, max_examples=25)
@given(ties_of)
def test_targets_of_all_nodes_at_once_equal_each_by_itself(ties: Ties) -> None:
    flows = frame(ties, "goods")
    keys = ["node", "counterpart"]
    at_once = rank(flows, "panopticon_walk_target").select(*keys, "score").sort(keys)
    named = rank(flows, "panopticon_walk_target", target=sorted({x for pair in ties for x in pair}))
    singly = named.filter(pl.col("score") > 0).select(*keys, "score").sort(keys)
    assert at_once.select(keys).equals(singly.select(keys))
    assert at_once["score"].to_list() == pytest.approx(singly["score"].to_list(), abs=1e-12)


def test_a_target_of_several_nodes_is_one_receiver() -> None:
    # H gives T1 6 and T2 2, both pass 1 to each other; A gives H 5 and T2 3. What they pass each other is left out.
    flows = [("A", "H", 5), ("A", "T1", 3), ("H", "T1", 6), ("H", "T2", 2), ("T1", "T2", 1), ("T2", "T1", 1)]
    found = worked("panopticon_walk_target", flows, jurisdiction=["H", "A"], target=["T1+T2"])
    assert found == {("A", "T1+T2"): round((3 + 8 * 5 / 8) / 11, 12), ("H", "T1+T2"): round(8 / 11, 12)}


def test_what_circles_without_a_source_is_not_routed() -> None:
    circle = [("C", "D", 2), ("D", "E", 2), ("E", "C", 2)]
    alone = worked("panopticon_walk", circle)
    assert alone == {"C": None, "D": None, "E": None}
    assert worked("panopticon_walk_target", circle, target=["C"]) == {("D", "C"): None, ("E", "C"): None}
    beside = worked("panopticon_walk", [*circle, ("A", "B", 1)])
    assert beside == {"A": 1.0, "B": 1.0, "C": 0.0, "D": 0.0, "E": 0.0}
    over = worked("panopticon_walk_target", [*circle, ("A", "B", 1)], target=["B", "C"], jurisdiction=["A", "D"])
    assert over == {("A", "B"): 1.0, ("A", "C"): None, ("D", "B"): 0.0, ("D", "C"): None}


def test_a_circle_with_a_trickle_of_supply_is_followed_or_refused() -> None:
    # A unit goes round B and C about a hundred thousand times before it is followed to its source A; it has passed all.
    found = worked("panopticon_walk", [("A", "B", 1e-5), ("B", "C", 1.00001), ("C", "B", 1.0)])
    assert found == {"A": 1.0, "B": 1.0, "C": 1.0}
    for trickle in (1e-9, 1e-11):
        try:
            scores = worked("panopticon_walk", [("A", "B", trickle), ("B", "C", 1 + trickle), ("C", "B", 1.0)])
        except ModelError as error:
            assert "nearly all value circles" in str(error)  # noqa: PT017
        else:
            assert scores["A"] == pytest.approx(1.0, abs=1e-6)


def test_large_networks_are_refused_where_everyone_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "MOST_DENSE", 3)
    monkeypatch.setattr(provenance, "MOST_WORK", 6)
    flows = [("A", "B", 1), ("B", "C", 1), ("C", "D", 1)]
    with pytest.raises(UsageError, match="takes 4 solutions"):
        worked("panopticon_walk", flows)
    assert worked("panopticon_walk", flows, jurisdiction=["B"]) == {"B": 1.0}


@settings(deadline=None, max_examples=30)
@given(ties_of, grips_of)
def test_what_cannot_be_delivered_otherwise_is_no_more_than_what_has_passed(
    ties: Ties, legal: dict[str, float]
) -> None:
    nodes = sorted({x for pair in ties for x in pair})
    held = controls({n: g for n, g in legal.items() if n in nodes})
    told = {"controls": held} if held.height else {}
    for target in nodes[:3]:
        parties = [*(n for n in nodes if n != target), *(["X"] if told else [])]
        names = ["chokepoint_capacity", "panopticon_walk_target"]
        scores = rank(frame(ties, "goods"), names, jurisdiction=parties, target=[target], **told)
        denied, passed = (dict(scores.filter(indicator=n).select("node", "score").rows()) for n in names)
        assert denied.keys() == passed.keys() == {*parties}
        for party, share in passed.items():
            if share is not None:  # a target fed round a circle by itself alone has no source to follow
                assert denied[party] <= share + 1e-9


HIDDEN = {("S", "A"): 1e12, ("A", "V"): 1e12 / 9, ("S", "B"): 1e12, ("B", "V"): 1e12 / 10, ("V", "T"): 1.0}


def test_one_path_follows_the_step_rule_where_a_long_tie_hides_a_difference() -> None:
    # S to V is 10 by A and 11 by B. With the last tie of 1e12 the whole is the same within 1e-12, but A is shorter.
    flows = {("S", "T"): 1.0}
    told = {"layer": "payments", "ties": frame(HIDDEN), "jurisdiction": ["A", "B"]}  # type: ignore[arg-type]
    listed_ = [(o, d, v) for (o, d), v in flows.items()]
    one, whole = worked("panopticon_k", listed_, **told, paths=1), worked("panopticon", listed_, **told)
    assert one == whole == {"A": 1.0, "B": 0.0}
    assert worked("marginal_panopticon", listed_, **told) == {"A": 1.0, "B": 0.0}
    # More than one path shares by whole lengths, and says so.
    assert worked("panopticon_k", listed_, **told, paths=2) == pytest.approx({"A": 0.5, "B": 0.5})


def test_limits_on_chains_add_up_over_items_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    one = frame({("A", "B"): 3, ("B", "C"): 2, ("A", "C"): 1})
    flows = pl.concat([one.with_columns(item=pl.lit(f"SITC:{k}")) for k in range(4)])
    monkeypatch.setattr(listed, "MOST_CHAINS", 6)  # one item has 3 flows, so 6 chains at most
    rank(one, "panopticon_k", paths=2)

    def never(*_: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(listed, "_search", never)
    with pytest.raises(UsageError, match="12 flows"):
        rank(flows, "panopticon_k", by=("item",), paths=2)
    monkeypatch.setattr(listed, "MOST_CHAINS", 10**6)
    monkeypatch.setattr(listed, "MOST_STEPS", 23)  # 2 origins, or destinations, times 3 ties, 4 times
    for paths in (1, 2):
        with pytest.raises(UsageError, match="too many"):
            rank(flows, "panopticon_k", by=("item",), paths=paths)


def test_provenance_takes_no_route_and_its_basis_stays() -> None:
    from weaponized_interdependence.indicators.registry import INDICATORS, explain

    ties: Ties = {("A", "B"): 4, ("B", "C"): 6, ("A", "C"): 1}
    held = pl.DataFrame([("X", "B", "currency", 0.5, "assumed")], schema=dict(CONTROLS.schema), orient="row")
    for name in WALKS:
        assert not INDICATORS[name].routed
        assert "A route is" not in explain(name)
        told = {"target": ["C"]} if name.endswith("target") else {}
        assert set(rank(frame(ties), name, **told)["basis"]) == {"estimated"}
        bases = dict(rank(frame(ties), name, controls=held, **told).select("node", "basis").rows())
        assert bases["X"] == "assumed"
        assert bases["B"] == "estimated"
    assert "A route is" in explain("panopticon")
