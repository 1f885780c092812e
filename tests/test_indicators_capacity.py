"""Rerouting limited by capacity and by cost: against networkx, scipy's linear programmes, and what must always hold."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import permutations
from typing import Any

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.denial import capacity, delivery, detour
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.network import build_network
from weaponized_interdependence.schemas import CONTROLS, FLOWS

Flows = list[tuple[str, str, int]]
NAMES = "ABCDEF"


@st.composite
def networks(draw: st.DrawFn, nodes: int = 6) -> Flows:
    pairs = list(permutations(NAMES[:nodes], 2))
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=2, max_size=18, unique=True))
    return [(o, d, draw(st.integers(1, 12))) for o, d in chosen]


def table(flows: Iterable[tuple[str, str, float]], layer: str = "goods") -> pl.DataFrame:
    rows = [("2020", layer, o, d, "TOTAL", float(v), None, None, "USD", "assumed") for o, d, v in flows]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def controls(rows: Iterable[tuple[str, str, float]]) -> pl.DataFrame:
    names = list(CONTROLS.schema)
    made = [{"jurisdiction": j, "node": x, "channel": "currency", "share": g, "basis": "assumed"} for j, x, g in rows]
    return CONTROLS.conform(pl.DataFrame(made).select(c for c in names if c in made[0]))


def margins(flows: Flows, end: int) -> dict[str, int]:
    return {x: sum(v for *ends, v in flows if ends[end] == x) for x in NAMES}


def deliverable(flows: Flows, target: str, spare: Fraction, grip: Mapping[str, Fraction]) -> Fraction:
    """V_t as it is defined, in exact fractions, by networkx. `target` may be several letters."""
    kept = [(o, d, v) for o, d, v in flows if not (o in target and d in target)]
    sent, received = margins(kept, 0), margins(kept, 1)
    keep = {x: 1 - grip.get(x, Fraction(0)) for x in NAMES}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(("S", "T"))
    for o, d, v in kept:
        graph.add_edge(o.lower() if o in target else o, d, capacity=v * (1 + spare) * keep[o] * keep[d])
    for x in NAMES:
        if x in target:
            graph.add_edge("S", x.lower(), capacity=sent[x] * keep[x])
            graph.add_edge(x, "t", capacity=sum(received[m] for m in target) * keep[x])
        elif sent[x] > received[x]:
            graph.add_edge("S", x, capacity=(sent[x] - received[x]) * keep[x])
    graph.add_edge("t", "T", capacity=Fraction(sum(received[m] for m in target)))
    found: Fraction = nx.maximum_flow_value(graph, "S", "T", flow_func=nx.algorithms.flow.edmonds_karp)
    return found


def share(flows: Flows, target: str, spare: Fraction, grip: Mapping[str, Fraction]) -> float:
    return float(1 - deliverable(flows, target, spare, grip) / deliverable(flows, target, spare, {}))


@given(networks(), st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(2)]))
@settings(max_examples=30)
def test_capacity_is_what_networkx_says(flows: Flows, spare: Fraction) -> None:
    scores = rank(table(flows), "chokepoint_capacity", spare=float(spare))
    got = {(j, t): s for j, t, s in scores.select("node", "counterpart", "score").rows()}
    present = {x for *ends, _ in flows for x in ends}
    for j, t in permutations(sorted(present), 2):
        if margins(flows, 1)[t]:
            assert got.get((j, t), 0.0) == pytest.approx(share(flows, t, spare, {j: Fraction(1)}), abs=1e-12)
        assert (j, t) not in got or got[j, t] > 0


@given(networks(), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=25)
def test_partial_grips_scale_ties_and_supplies(flows: Flows, first: int, second: int) -> None:
    grip = {"B": Fraction(first, 4), "C": Fraction(second, 4), "A": Fraction(1, 2)}  # A is the target itself
    assume(margins(flows, 1)["A"])
    held = controls((("J", x, float(g)) for x, g in grip.items()))
    for spare in (Fraction(0), Fraction(1, 2)):
        found = worked(
            "chokepoint_capacity", flows, jurisdiction=["J"], target=["A"], controls=held, spare=float(spare)
        )
        assert found["J", "A"] == pytest.approx(share(flows, "A", spare, grip), abs=1e-11)


@given(networks(), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=25)
def test_a_group_is_one_receiver(flows: Flows, spare: float) -> None:
    assume(deliverable(flows, "AB", Fraction(0), {}))
    assume({"A", "B", "C"} <= {x for *ends, _ in flows for x in ends})
    found = worked("chokepoint_capacity", flows, jurisdiction=["C"], target=["A+B"], spare=spare)
    assert found["C", "A+B"] == pytest.approx(share(flows, "AB", Fraction(spare), {"C": Fraction(1)}), abs=1e-11)


def walked(flows: Flows, target: str, held: str) -> float:
    """Share of what the target receives that has passed `held` when every node hands on a mixture of what it has."""
    sent, received = margins(flows, 0), margins(flows, 1)
    escape, start = np.eye(len(NAMES)), np.zeros(len(NAMES))
    for k, x in enumerate(NAMES):
        if x in held:
            continue
        supply = max(0, sent[x] - received[x])
        start[k] = 1.0 if x == target else supply / max(1, supply + received[x])
        for o, d, v in flows:
            if d == x != target:
                escape[k, NAMES.index(o)] -= v / (supply + received[x])
    clean = np.linalg.lstsq(escape, start, rcond=None)[0]
    return 1 - sum(v * float(clean[NAMES.index(o)]) for o, d, v in flows if d == target) / received[target]


ROUNDING = 1e-14


@given(networks())
@settings(max_examples=30)
def test_what_must_always_hold(flows: Flows) -> None:
    present = {x for *ends, _ in flows for x in ends}
    assume({"A", "B", "C"} <= present and margins(flows, 1)["A"])
    found = {}
    for spare in (0.0, 0.2, 1.0, float("inf")):
        scores = rank(table(flows), "chokepoint_capacity", jurisdiction=["B", "B+C"], target=["A"], spare=spare)
        rows = {j: (s, low, high) for j, s, low, high in scores.select("node", "score", "low", "high").rows()}
        found[spare] = rows
        assert 0 <= rows["B"][0] <= rows["B+C"][0] <= 1
        for score, low, high in rows.values():
            assert low <= score <= high
    for j in ("B", "B+C"):
        falling = [found[spare][j][0] for spare in sorted(found)]
        # Capacities are whole numbers of 2^-52 of what the target receives, rounded anew for every spare.
        assert np.diff(falling).max() <= ROUNDING
        assert [rows[j][1] for rows in found.values()] == pytest.approx([falling[-1]] * len(found), abs=ROUNDING)
        assert [rows[j][2] for rows in found.values()] == pytest.approx([falling[0]] * len(found), abs=ROUNDING)
        assert falling[0] <= walked(flows, "A", j) + 1e-9


def test_a_dense_layer_is_what_scipy_says() -> None:
    rng = np.random.default_rng(7)
    names = [f"N{k:02d}" for k in range(30)]
    flows = [(o, d, int(rng.lognormal(4, 2)) + 1) for o in names for d in names if o != d and rng.random() < 0.8]
    for spare in (0, 1):
        scores = rank(table(flows), "chokepoint_capacity", target=names[:3], spare=spare)
        got = {(j, t): s for j, t, s in scores.select("node", "counterpart", "score").rows()}
        for j in names[3:]:
            for t in names[:3]:
                want = [_scipy(flows, names, t, gone, spare) for gone in ("", j)]
                assert got[j, t] == pytest.approx(1 - want[1] / want[0], abs=1e-12)


def _scipy(flows: Flows, names: list[str], target: str, gone: str, spare: int) -> int:
    n = len(names)
    cap = np.zeros((n + 3, n + 3), dtype=np.int32)  # then the target's sending side, the source and the sink
    for o, d, v in flows:
        cap[names.index(o), names.index(d)] = v
    net, t = cap.sum(axis=1) - cap.sum(axis=0), names.index(target)
    wanted, own = cap[:, t].sum(), cap[t].sum()
    cap *= 1 + spare
    cap[n], cap[t] = cap[t], 0
    cap[n + 1, :n], cap[n + 1, t], cap[n + 1, n] = np.maximum(net[:n], 0), 0, own
    cap[t, n + 2] = wanted
    if gone:
        cap[names.index(gone), :] = cap[:, names.index(gone)] = 0
    return int(maximum_flow(csr_array(cap), n + 1, n + 2).flow_value)


def test_maxflow_loss_of_the_worked_example() -> None:
    flows = [("s", "a", 3), ("s", "b", 2), ("a", "t", 2), ("b", "t", 3), ("a", "b", 1)]
    found = worked("chokepoint_capacity", flows, target=["t"])
    assert found == {("a", "t"): 0.6, ("b", "t"): 0.6, ("s", "t"): 1.0}
    assert worked("flow_betweenness", flows)["a"] == pytest.approx((3 + 1) / (5 + 3 + 3))  # s to t and to b, b to t


def test_a_target_that_receives_nothing_has_no_score() -> None:
    flows = [("A", "B", 2), ("B", "C", 1)]
    assert worked("chokepoint_capacity", flows, jurisdiction=["B"], target=["A", "C"]) == {
        ("B", "A"): None,
        ("B", "C"): 1.0,
    }
    assert worked("chokepoint_capacity", flows) == {("A", "B"): 1.0, ("A", "C"): 1.0, ("B", "C"): 1.0}


def test_own_sales_may_come_back() -> None:
    """U processes what T sends it and adds nothing of its own."""
    assert worked("chokepoint_capacity", [("T", "U", 5), ("U", "T", 5)], target=["T"]) == {("U", "T"): 1.0}
    assert build_network(table([("T", "U", 5), ("U", "T", 5)])).size == (2, 2)


def test_items_are_scored_by_themselves() -> None:
    one, two = table([("A", "T", 6), ("B", "T", 4)]), table([("A", "T", 1)])
    both = pl.concat([one.with_columns(item=pl.lit("HS17:01")), two.with_columns(item=pl.lit("HS17:02"))])
    scores = rank(both, "chokepoint_capacity", by=("item",), jurisdiction=["A"], target=["T"])
    assert dict(scores.select("item", "score").rows()) == pytest.approx({"HS17:01": 0.6, "HS17:02": 1.0})


def test_results_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    names = [f"N{k:02d}" for k in range(20)]
    flows = table([(o, d, float(rng.lognormal(2, 2))) for o in names for d in names if o != d and rng.random() < 0.5])
    asked = ["chokepoint_capacity", "chokepoint_cost", "flow_betweenness", "minimum_cut", "interdiction"]
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", threads)
        found.append(rank(flows, asked))
    assert found[0].equals(found[1])


@given(networks(5))
@settings(max_examples=15)
def test_flow_betweenness_is_what_networkx_says(flows: Flows) -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_weighted_edges_from(flows, weight="capacity")
    for i, score in worked("flow_betweenness", flows).items():
        rest = graph.subgraph(set(graph) - {i})
        pairs = list(permutations(rest, 2))
        whole = sum(nx.maximum_flow_value(graph, *pair) for pair in pairs)
        left = sum(nx.maximum_flow_value(rest, *pair) for pair in pairs)
        assert score == (None if not whole else pytest.approx(1 - left / whole, abs=1e-11))


def cheapest(flows: Flows, target: str, gone: str, spare: float, reservation: float | None) -> tuple[float, float]:
    """(least cost, reservation cost of all) by a linear programme; without a reservation all must be delivered."""
    sent, received = margins(flows, 0), margins(flows, 1)
    widest, wanted = max(v for *_, v in flows), received[target]
    arcs = [
        (o.lower() if o == target else o, d, v * (1 + spare), widest / v) for o, d, v in flows if not {o, d} & {*gone}
    ]
    supply = {x: max(0, sent[x] - received[x]) for x in NAMES if x != target} | {target.lower(): sent[target]}
    arcs += [("S", x, v, 0.0) for x, v in supply.items() if v and x not in gone]
    price = 0.0
    if reservation is not None:
        price = (1 + reservation) * cheapest(flows, target, "", spare, None)[0] / wanted
        arcs.append(("S", target, wanted, price))
    ends = [*NAMES, target.lower()]
    balance = np.zeros((len(ends), len(arcs)))
    for k, (o, d, _, _) in enumerate(arcs):
        balance[ends.index(d), k] += 1
        if o != "S":
            balance[ends.index(o), k] -= 1
    demand = np.array([wanted if x == target else 0 for x in ends])
    solved = linprog([c for *_, c in arcs], A_eq=balance, b_eq=demand, bounds=[(0, cap) for _, _, cap, _ in arcs])
    assert solved.status == 0
    return float(solved.fun), price * wanted


@given(networks(5), st.sampled_from([0.0, 0.5]), st.sampled_from([0.2, 1.0]))
@settings(max_examples=25)
def test_cost_is_what_a_linear_programme_says(flows: Flows, spare: float, reservation: float) -> None:
    present = {x for *ends, _ in flows for x in ends}
    assume({"A", "B", "C"} <= present and margins(flows, 1)["A"])
    knobs = {"spare": spare, "reservation": reservation}
    found = worked("chokepoint_cost", flows, jurisdiction=["B", "B+C"], target=["A"], **knobs)
    base, worth = cheapest(flows, "A", "", spare, reservation)
    for gone in ("B", "B+C"):
        want = (cheapest(flows, "A", gone, spare, reservation)[0] - base) / (worth - base)
        assert found[gone, "A"] == pytest.approx(want, abs=1e-7)
    assert 0 <= found["B", "A"] <= found["B+C", "A"] <= 1


@given(networks(5))
@settings(max_examples=25)
def test_cost_nears_capacity_when_nothing_is_too_dear(flows: Flows) -> None:
    assume({"A", "B"} <= {x for *ends, _ in flows for x in ends} and margins(flows, 1)["A"])
    told = {"jurisdiction": ["B"], "target": ["A"]}
    want = worked("chokepoint_capacity", flows, **told)["B", "A"]
    assert worked("chokepoint_cost", flows, **told, reservation=1e6)["B", "A"] == pytest.approx(want, abs=1e-4)


@given(networks(), st.sampled_from([0.25, 1.0, 4.0]))
@settings(max_examples=25)
def test_detour_is_what_shortest_paths_say(flows: Flows, reservation: float) -> None:
    present = {x for *ends, _ in flows for x in ends}
    assume({"A", "B"} <= present and margins(flows, 0)["A"] + margins(flows, 1)["A"])
    graph: nx.DiGraph[str] = nx.DiGraph()
    widest = max(v for *_, v in flows)
    graph.add_weighted_edges_from((o, d, widest / v) for o, d, v in flows)
    rest, lost, whole = graph.subgraph(set(graph) - {"B"}), 0.0, 0.0
    for o, d, v in flows:
        if "A" in (o, d):
            whole += v
            if "B" in (o, d):
                lost += v
            else:
                far, around = (nx.shortest_path_length(g, o, d, weight="weight") for g in (graph, rest))
                lost += v * min(1.0, (around - far) / (reservation * far))
    told = {"layer": "payments", "jurisdiction": ["B"], "target": ["A"]}
    score = worked("chokepoint_detour", flows, **told, reservation=reservation)["B", "A"]
    assert score == pytest.approx(lost / whole, abs=1e-9)
    assert 0 <= score <= worked("chokepoint", flows, **told)["B", "A"] + 1e-12
    assert score >= worked("chokepoint_rerouted", flows, **told)["B", "A"] - 1e-12


@given(networks(), st.floats(0.05, 1.0))
@settings(max_examples=25)
def test_detour_lies_between_its_neighbours_for_partial_grips(flows: Flows, grip: float) -> None:
    present = {x for *ends, _ in flows for x in ends}
    assume({"A", "B"} <= present and margins(flows, 0)["A"] + margins(flows, 1)["A"])
    held = controls([("J", x, grip) for x in sorted(present - {"C"})])
    told = {"jurisdiction": ["J"], "target": ["A"], "controls": held}
    flowing = table(flows, "payments")
    (found,) = rank(flowing, "chokepoint_detour", **told).select("score", "low", "high").rows()
    (most,) = rank(flowing, "chokepoint", **told)["score"]
    (least,) = rank(flowing, "chokepoint_rerouted", **told)["score"]
    score, low, high = found
    assert low <= score <= high <= most + 1e-12
    assert low == pytest.approx(least, abs=1e-9)


def test_detour_on_direct_layers_is_the_chokepoint() -> None:
    flows = [("RUS", "CHN", 3), ("JPN", "CHN", 2)]
    told = {"jurisdiction": ["RUS"], "target": ["CHN"]}
    assert worked("chokepoint_detour", flows, **told) == worked("chokepoint", flows, **told) == {("RUS", "CHN"): 0.6}


# B passes on all it gets; in decimal fractions the sums differ in their last digit, by unit now this way, now that.
PASSED_ON = [("A", "B", 0.9), *(("B", x, 0.3) for x in "CDE")]
PASSED_ON += [("C", "T", 0.1), ("C", "U", 0.2), ("D", "T", 0.1), ("D", "U", 0.2)]


@pytest.mark.parametrize(
    "name", ["chokepoint_capacity", "chokepoint_cost", "interdiction", "minimum_cut", "minimum_cut_member"]
)
def test_no_score_depends_on_the_unit_of_decimal_fractions(name: str) -> None:
    units = (1.0, 3.0, 7.0, 10.0, 100.0, 1 / 3)
    found = [worked(name, [(o, d, v * unit) for o, d, v in PASSED_ON], target=["T"]) for unit in units]
    for scores in found[1:]:
        assert scores.keys() == found[0].keys()
        assert [*scores.values()] == pytest.approx([*found[0].values()], rel=1e-9)
    if name == "minimum_cut":
        assert found[0] == {"T": 1.0}
    if name == "chokepoint_capacity":
        assert {j: s for (j, _), s in found[0].items() if s and s > 1e-9} == pytest.approx(
            {"A": 1.0, "B": 1.0, "C": 0.5, "D": 0.5}
        )


@pytest.mark.parametrize(
    "name", ["chokepoint_capacity", "chokepoint_cost", "interdiction", "minimum_cut", "minimum_cut_member"]
)
def test_a_supply_lost_in_rounding_is_refused(name: str) -> None:
    flows = [("A", "B", 1e17), ("B", "A", 1e17), ("A", "T", 1.0)]
    with pytest.raises(ModelError, match="lost in rounding -> net the flows"):
        worked(name, flows, target=["T"])
    flows[:2] = [("A", "B", 1e6), ("B", "A", 1e6)]
    assert next(iter(worked(name, flows, target=["T"]).values())) == 1.0


@pytest.mark.parametrize("scale", [1e-290, 1e-300, 1.0, 1e290])
def test_small_and_large_units_are_like_any_other(scale: float) -> None:
    flows = [("A", "B", 3 * scale), ("B", "C", 4 * scale), ("A", "C", scale)]
    assert worked("flow_betweenness", flows) == pytest.approx({"A": 0.0, "B": 0.75, "C": 0.0})
    assert worked("chokepoint_capacity", flows, jurisdiction=["A"], target=["C"])["A", "C"] == pytest.approx(0.8)


def test_flow_betweenness_is_defined_wherever_others_are_connected() -> None:
    for large in (1.0, 1e12, 1e15, 1e200):
        found = worked("flow_betweenness", [("A", "B", large), ("C", "D", 1.0), ("D", "E", 1.0)])
        assert (found["A"], found["B"]) == (0.0, 0.0)
        assert found["D"] == pytest.approx(1 / (1 + large))
    assert worked("flow_betweenness", [("A", "B", 1e12), ("B", "C", 1e12), ("C", "D", 1.0)])["B"] == pytest.approx(1.0)
    with pytest.raises(ModelError, match=r"1 flow.* leave out the smallest"):
        worked("flow_betweenness", [("A", "B", 1e17), ("B", "C", 1.0)])


@pytest.mark.parametrize(
    ("module", "name", "one"),
    [
        (delivery, "chokepoint_capacity", 15),  # 3 targets x (3 nodes + 2 ties)
        (delivery, "minimum_cut", 15),
        (capacity, "flow_betweenness", 18),
        (detour, "chokepoint_cost", 18),
    ],
)
def test_steps_of_all_items_are_added_up(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, one: int) -> None:
    flows = table([("A", "B", 1), ("B", "C", 1)])
    both = pl.concat([flows.with_columns(item=pl.lit(f"HS17:0{k}")) for k in (1, 2)])
    monkeypatch.setattr(module, "MOST_STEPS", one)
    assert rank(flows, name).height
    with pytest.raises(ModelError, match=r"too long -> .*\n  - HS17:01: "):
        rank(both, name, by=("item",))


def test_too_much_is_refused_with_a_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = table([("A", "B", 1), ("B", "C", 1)])
    for module, name, asked in (
        (delivery, "MOST_STEPS", "chokepoint_capacity"),
        (delivery, "MOST_STEPS", "minimum_cut"),
        (capacity, "MOST_STEPS", "flow_betweenness"),
        (detour, "MOST_STEPS", "chokepoint_cost"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, 1)
            with pytest.raises(ModelError, match="too long -> "):
                rank(flows, asked)
    with pytest.raises(UsageError, match="spare is -1"):
        rank(flows, "chokepoint_capacity", spare=-1.0)
