"""Panopticon and chokepoint against slow, plain references that list every route, and the invariants between them."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.base import Context
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.indicators.routing.chains import Chains, shortest
from weaponized_interdependence.indicators.routing.listed import KChains
from weaponized_interdependence.indicators.routing.production import Production
from weaponized_interdependence.indicators.routing.routes import lost_share, route_of
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import Network, build_network
from weaponized_interdependence.schemas import CONTROLS, FLOWS

NODES = "ABCDEF"
Ties = dict[tuple[str, str], int]
FAMILY = (
    "panopticon",
    "panopticon_extraterritorial",
    "panopticon_target",
    "chokepoint",
    "chokepoint_rerouted",
    "chokepoint_all",
)

# Strengths that divide 12, so that lengths 12/strength are small integers and equal lengths are common.
ties_of = st.dictionaries(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1]),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    min_size=1,
    max_size=18,
)
grips_of = st.dictionaries(
    st.sampled_from(NODES), st.sampled_from([Fraction(1, 4), Fraction(1, 2), Fraction(1)]), max_size=3
)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Ties, list[str], list[str], list[str]]:
    """Ties, a coalition, a larger coalition, and the nodes outside both (at least one)."""
    ties = draw(ties_of)
    nodes = draw(st.permutations(sorted({x for pair in ties for x in pair})))
    small = draw(st.integers(1, max(1, len(nodes) - 2)))
    large = draw(st.integers(small, len(nodes) - 1))
    return ties, sorted(nodes[:small]), sorted(nodes[:large]), sorted(nodes[large:])


detour_of = st.sampled_from([0, Fraction(1, 2), 1, 3, None])


def frame(ties: Ties, layer: str) -> pl.DataFrame:
    rows = [("2020", layer, o, d, "TOTAL", float(v), None, None, "USD", "observed") for (o, d), v in ties.items()]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def network(ties: Ties) -> Network:
    return build_network(frame(ties, "payments"))


def controls(holder: str, grips: dict[str, Fraction]) -> pl.DataFrame:
    rows = [(holder, node, "currency", float(share), "observed") for node, share in grips.items()]
    return pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row")


# ---- the references: every simple path, exact fractions


def paths(ties: Ties, s: str, t: str, between: set[str]) -> Iterator[tuple[Fraction, tuple[str, ...]]]:
    """Every simple path from s to t whose inner nodes are in `between`, with its length 12/strength summed."""

    def extend(path: tuple[str, ...], length: Fraction) -> Iterator[tuple[Fraction, tuple[str, ...]]]:
        for (o, d), v in ties.items():
            if o == path[-1] and d not in path:
                longer = length + Fraction(12, v)
                if d == t:
                    yield longer, (*path, d)
                elif d in between:
                    yield from extend((*path, d), longer)

    yield from extend((s,), Fraction(0))


def touched(route: tuple[str, ...], grip: dict[str, Fraction]) -> Fraction:
    escapes = Fraction(1)
    for node in route:
        escapes *= 1 - grip.get(node, Fraction(0))
    return 1 - escapes


def reference(
    ties: Ties, layer: str, members: set[str], legal: dict[str, Fraction], detour: Fraction | int | None = None
) -> dict[tuple[str, str], tuple[int, Fraction, Fraction]]:
    """flow -> (value, probability touched, probability lost with rerouting), by listing routes."""
    grip = {**legal, **dict.fromkeys(members, Fraction(1))}
    found = {}
    for (s, t), value in ties.items():
        if layer == "goods":
            p = touched((s, t), grip)
            found[s, t] = (value, p, p)
            continue
        every = list(paths(ties, s, t, set(NODES)))
        best = min(length for length, _ in every)
        routes = [route for length, route in every if length == best]
        p = sum((touched(route, grip) for route in routes), Fraction(0)) / len(routes)
        free = [length for length, _ in paths(ties, s, t, {n for n in NODES if not grip.get(n)})]
        admissible = any(detour is None or length <= (1 + detour) * best for length in free)
        found[s, t] = (value, p, min(p, touched((s, t), grip)) if admissible else p)
    return found


def share(parts: list[tuple[int, Fraction]]) -> float | None:
    whole = sum(value for value, _ in parts)
    return float(sum(value * p for value, p in parts) / whole) if whole else None


@settings(deadline=None, max_examples=50)
@given(problems(), grips_of, detour_of, st.sampled_from(["goods", "payments"]))
def test_scores_equal_those_of_listing_every_route(
    problem: tuple[Ties, list[str], list[str], list[str]],
    legal: dict[str, Fraction],
    detour: Fraction | int | None,
    layer: str,
) -> None:
    ties, members, _, outside = problem
    legal = {node: grip for node, grip in legal.items() if any(node in pair for pair in ties)}
    scores = rank(
        frame(ties, layer),
        FAMILY,
        jurisdiction=["+".join(members)],
        target=outside,
        controls=controls(members[0], legal),
        max_detour=float("inf") if detour is None else float(detour),
    )
    got = {(name, t): score for name, t, score in scores.select("indicator", "counterpart", "score").rows()}
    flows = reference(ties, layer, set(members), legal, detour)
    want = {
        ("panopticon", None): share([(v, p) for v, p, _ in flows.values()]),
        ("chokepoint_all", None): share([(v, r) for v, _, r in flows.values()]),
        ("panopticon_extraterritorial", None): share(
            [(v, p) for f, (v, p, _) in flows.items() if not {*f} & {*members}]
        ),
    }
    for t in outside:
        seen = share([(v, p) for f, (v, p, _) in flows.items() if t in f])
        want |= {("panopticon_target", t): seen, ("chokepoint", t): seen}
        want["chokepoint_rerouted", t] = share([(v, r) for f, (v, _, r) in flows.items() if t in f])
    assert got.keys() == want.keys()
    for key, value in want.items():
        assert got[key] == (None if value is None else pytest.approx(value, abs=1e-12)), key


@settings(deadline=None, max_examples=10)
@given(ties_of, st.sampled_from(["goods", "payments"]), detour_of)
def test_all_nodes_at_once_equal_each_by_itself(ties: Ties, layer: str, detour: Fraction | int | None) -> None:
    flows = frame(ties, layer)
    far = float("inf") if detour is None else float(detour)
    at_once = rank(flows, FAMILY, max_detour=far).filter((pl.col("score") > 0) | pl.col("counterpart").is_null())
    singly = [
        rank(flows, FAMILY, jurisdiction=[node], max_detour=far) for node in sorted({x for pair in ties for x in pair})
    ]
    one_by_one = pl.concat(singly).filter((pl.col("score") > 0) | pl.col("counterpart").is_null())
    keys = ["indicator", "node", "counterpart"]
    both = at_once.join(one_by_one, on=keys, how="full", nulls_equal=True, suffix="_each")
    assert both["score"].null_count() == both["score_each"].null_count()
    assert both.height == at_once.height == one_by_one.height
    assert both.filter((pl.col("score") - pl.col("score_each")).abs() > 1e-12).is_empty()


@settings(deadline=None, max_examples=50)
@given(problems(), grips_of, detour_of, st.sampled_from(["goods", "payments"]))
def test_the_invariant_holds_and_adding_members_never_lowers_a_score(
    problem: tuple[Ties, list[str], list[str], list[str]],
    legal: dict[str, Fraction],
    detour: Fraction | int | None,
    layer: str,
) -> None:
    ties, members, more, outside = problem
    legal = {node: grip for node, grip in legal.items() if any(node in pair for pair in ties)}
    small, large = "+".join(members), "+".join(more)
    scores = rank(
        frame(ties, layer),
        ("panopticon", "panopticon_target", "chokepoint", "chokepoint_rerouted", "chokepoint_all"),
        jurisdiction=[small, large],
        target=outside,
        controls=controls(members[0], legal),
        max_detour=float("inf") if detour is None else float(detour),
    )
    got = {(n, i, t): s for n, i, t, s in scores.select("node", "indicator", "counterpart", "score").rows()}
    for party, t in product((small, large), outside):
        rerouted, plain, seen = (got[party, i, t] for i in ("chokepoint_rerouted", "chokepoint", "panopticon_target"))
        assert 0 <= rerouted <= plain + 1e-12
        assert plain == seen <= 1
        assert got[small, "chokepoint_rerouted", t] <= got[large, "chokepoint_rerouted", t] + 1e-12
        assert got[small, "chokepoint", t] <= got[large, "chokepoint", t] + 1e-12
    assert 0 <= got[small, "chokepoint_all", None] <= got[small, "panopticon", None] + 1e-12 <= 1 + 1e-12
    assert got[small, "chokepoint_all", None] <= got[large, "chokepoint_all", None] + 1e-12
    assert got[small, "panopticon", None] <= got[large, "panopticon", None] + 1e-12


@pytest.mark.parametrize(("group", "expected"), [([0], 0), ([1], 2), ([2], 2), ([3], 0), ([1, 2], 1), ([0, 2], 1)])
def test_group_betweenness_of_a_path(group: list[int], expected: int) -> None:
    # Directed path 0 -> 1 -> 2 -> 3, by hand: pairs with both ends outside the group whose path touches it.
    chains = Chains.of(network({("A", "B"): 1, ("B", "C"): 1, ("C", "D"): 1}))
    grip = np.isin(np.arange(4), group).astype(float)
    outside = np.outer(grip == 0, grip == 0) & (chains.number > 0)
    assert (1 - chains.untouched(grip))[outside].sum() == expected


def test_a_controlled_end_cannot_be_rerouted_but_a_controlled_middle_can() -> None:
    flows = [("S", "H", 10), ("H", "T", 10), ("S", "T", 2)]
    told = {"layer": "payments", "jurisdiction": ["USA"], "target": ["S"]}
    middle = controls("USA", {"H": Fraction(1, 2)})
    # S -> H (10) has an end in half-gripped H; S -> T (2) goes by H unless rerouted on its own tie.
    assert worked("chokepoint", flows, **told, controls=middle) == {("USA", "S"): 0.5}
    assert worked("chokepoint_rerouted", flows, **told, controls=middle) == {("USA", "S"): round(5 / 12, 12)}
    both = controls("USA", {"S": Fraction(1, 2), "T": Fraction(1, 2)})
    # S -> H loses 1/2, S -> T 1 - 1/2 * 1/2 whichever way it goes.
    assert worked("chokepoint_rerouted", flows, **told, controls=both) == {("USA", "S"): round((5 + 1.5) / 12, 12)}


def test_shares_of_channels_and_members_combine_as_independent_draws() -> None:
    rows = [("USA", "B", "currency", 0.5), ("USA", "B", "technology", 0.5), ("GBR", "B", "ownership", 0.2)]
    held = pl.DataFrame([(*row, "observed") for row in rows], schema=dict(CONTROLS.schema), orient="row")
    found = worked("panopticon", [("A", "B", 1)], jurisdiction=["USA", "USA+GBR"], controls=held)
    assert found == {"USA": 0.75, "USA+GBR": 0.8}


def test_territory_by_control_makes_a_node_a_member() -> None:
    # Banks that stand in a country: their flows are its own, so none is extraterritorial.
    rows = [("USA", "bank1", "territory", 1.0), ("USA", "bank2", "currency", 1.0)]
    held = pl.DataFrame([(*row, "observed") for row in rows], schema=dict(CONTROLS.schema), orient="row")
    flows = [("bank1", "bank3", 3), ("bank2", "bank3", 1), ("bank3", "bank4", 2)]
    assert worked("panopticon", flows, jurisdiction=["USA"], controls=held) == {"USA": round(4 / 6, 12)}
    found = worked("panopticon_extraterritorial", flows, jurisdiction=["USA"], controls=held)
    assert found == {"USA": round(1 / 3, 12)}
    payments = worked("panopticon_extraterritorial", flows, layer="payments", jurisdiction=["USA"], controls=held)
    assert payments == found


def test_flows_can_be_routed_over_ties_of_their_own() -> None:
    flows = pl.concat([frame({("A", "B"): 4, ("C", "D"): 6}, "payments")])
    ties = frame({("A", "H"): 1, ("H", "B"): 1, ("C", "D"): 1}, "payments")
    scores = rank(flows, "chokepoint_all", jurisdiction=["H"], ties=ties)
    assert scores["score"].to_list() == [0.4]
    with pytest.raises(ModelError, match=r"1 flow\(s\) worth 4, in their unit, have no chain") as caught:
        rank(flows, "panopticon", ties=frame({("C", "D"): 1}, "payments"))
    assert "A -> B" in str(caught.value)


def test_no_route_on_ownership_and_none_on_inputs_without_a_table() -> None:
    with pytest.raises(UsageError, match="no route is defined on layer 'ownership'"):
        worked("panopticon", [("A", "B", 1)], layer="ownership")
    with pytest.raises(UsageError, match="need an input-output table"):
        worked("panopticon", [("A", "B", 1)], layer="inputs")
    with pytest.raises(UsageError, match="no route"):
        route_of("gossip")


def test_a_wrong_tally_cannot_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context("2020", "goods", pl.DataFrame())
    context.keep(
        ("all", False),
        lambda: pl.DataFrame(
            {
                "item": ["X"],
                "jurisdiction": ["A"],
                "counterpart": [None],
                "total": [1.0],
                "routed": [1.0],
                "lost": [1.1],
            }
        ),
    )
    with pytest.raises(AssertionError, match="more is lost than routed"):
        lost_share(context, "all")


# ---- production paths


def table(z: list, y: list, economies: str = "ABC", sectors: int = 1) -> IOTable:
    """One final-demand category; output = row sums, value added what is left of the column."""
    Z, Y = np.array(z, dtype=float), np.array(y, dtype=float)
    x = Z.sum(axis=1) + Y.sum(axis=1)
    zero = np.zeros(len(x))
    names = tuple(f"s{k}" for k in range(sectors))
    return IOTable("2020", tuple(economies), names, ("fd",), Z, Y, x - Z.sum(axis=0), x, zero, "X")


@st.composite
def tables(draw: st.DrawFn) -> IOTable:
    n, j = 3, 2
    cells = st.sampled_from([0, 0, 1, 2, 5])
    z = [[draw(cells) for _ in range(n * j)] for _ in range(n * j)]
    y = [[draw(st.sampled_from([0, 1, 4, 20])) for _ in range(n)] for _ in range(n * j)]
    made = table(z, y, "ABC", j)
    return made


def chain_sum(made: IOTable, q: np.ndarray, demander: int) -> float:
    """Value of an economy's final demand whose chain escapes, by walking chains stage by stage to their ends."""
    A = np.maximum(made.A, 0)
    A = A / np.maximum(A.sum(axis=0), 1.0)
    v = 1 - A.sum(axis=0)
    stage = q * made.Y[:, demander]  # dollars asked of each industry, having escaped so far
    total = 0.0
    for _ in range(5000):
        total += float(v @ stage)
        stage = q * (A @ stage)
        if stage.sum() < 1e-15:
            break
    return total


def served(made: IOTable, grip: np.ndarray) -> np.ndarray:
    """Deliverable value by economy when cells are rerouted: plain loops, iterated from above."""
    n, j, _ = made.size
    A = np.maximum(made.A, 0)
    A = A / np.maximum(A.sum(axis=0), 1.0)
    g = np.ones(n * j)

    def cell(purchases: np.ndarray, k: int, g: np.ndarray) -> float:
        rows = [m * j + k for m in range(n)]
        stay = sum(purchases[r] * (1 - grip[r // j]) * g[r] for r in rows)
        others = [g[r] for r in rows if purchases[r] > 0 and grip[r // j] == 0]
        return max(stay, sum(purchases[r] for r in rows) * max(others, default=0.0))

    for _ in range(2000):
        new = np.array([1 - A[:, c].sum() + sum(cell(A[:, c], k, g) for k in range(j)) for c in range(n * j)])
        done = np.abs(new - g).max() < 1e-14
        g = new
        if done:
            break
    return np.array([(1 - grip[t]) * sum(cell(made.Y[:, t], k, g) for k in range(j)) for t in range(n)])


@settings(deadline=None, max_examples=40)
@given(tables(), st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=3, max_size=3))
def test_production_paths_equal_walking_every_chain(made: IOTable, grip: list[float]) -> None:
    held = np.array(grip)
    production = Production(made)
    try:
        got = production.untouched(held)
        rerouted = production.deliverable(held)
    except ModelError:  # a group of industries that only buys from itself: refused, as it must be
        assert (production.primary < 1e-12).any()
        return
    q = np.repeat(1 - held, 2)
    assert got == pytest.approx([(1 - held[t]) * chain_sum(made, q, t) for t in range(3)], abs=1e-8)
    assert rerouted == pytest.approx(served(made, held), abs=1e-8)
    whole = made.Y.sum(axis=0)
    assert production.value.sum(axis=0) == pytest.approx(whole)
    assert (got <= rerouted + 1e-9).all()
    assert (rerouted <= whole + 1e-9).all()
    firmer = np.maximum(held, [0.0, 1.0, 0.25])
    assert (production.untouched(firmer) <= got + 1e-9).all()
    assert (production.deliverable(firmer) <= rerouted + 1e-9).all()


def at_home(made: IOTable, q: np.ndarray, demander: int) -> float:
    """The part of `chain_sum` whose chains never leave the demander's economy."""
    n, j, _ = made.size
    A = np.maximum(made.A, 0)
    A = A / np.maximum(A.sum(axis=0), 1.0)
    v = 1 - A.sum(axis=0)
    own = np.repeat(np.arange(n) == demander, j)
    stage, total = q * own * made.Y[:, demander], 0.0
    for _ in range(5000):
        total += float(v @ stage)
        stage = q * own * (A @ stage)
        if stage.sum() < 1e-15:
            break
    return total


def production_scores(made: IOTable, grip: list[float]) -> dict[tuple[str, str | None], float | None]:
    """Scores of USA, which is no economy of the table and reaches into those by the grip given."""
    held = controls("USA", {e: Fraction(g) for e, g in zip(made.economies, grip, strict=True)})
    scores = rank(None, FAMILY, table=made, jurisdiction=["USA"], controls=held)
    return {(name, t): score for name, t, score in scores.select("indicator", "counterpart", "score").rows()}


@settings(deadline=None, max_examples=40)
@given(tables(), st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=3, max_size=3))
def test_only_production_paths_that_cross_a_border_are_scored(made: IOTable, grip: list[float]) -> None:
    held = np.array(grip)
    try:
        got = production_scores(made, grip)
        firmer = production_scores(made, list(np.maximum(held, [0.0, 1.0, 0.25])))
    except ModelError:
        assert (Production(made).primary < 1e-12).any()
        return
    every, slips = np.ones(6), np.repeat(1 - held, 2)
    routed = np.array([chain_sum(made, every, t) - at_home(made, every, t) for t in range(3)])
    escapes = np.array([(1 - held[t]) * (chain_sum(made, slips, t) - at_home(made, slips, t)) for t in range(3)])
    if routed.sum() > 1e-6:
        assert got["panopticon", None] == pytest.approx(1 - escapes.sum() / routed.sum(), abs=1e-8)
    for t, name in enumerate(made.economies):
        if routed[t] > 1e-6:
            plain, rerouted = got["chokepoint", name], got["chokepoint_rerouted", name]
            assert plain == got["panopticon_target", name] == pytest.approx(1 - escapes[t] / routed[t], abs=1e-8)
            assert 0 <= rerouted <= plain + 1e-9
            assert rerouted <= firmer["chokepoint_rerouted", name] + 1e-8
            assert plain <= firmer["chokepoint", name] + 1e-8


def test_extraction_by_block_inverse_equals_solving_anew() -> None:
    rng = np.random.default_rng(3)
    made = table(rng.random((12, 12)), 4 * rng.random((12, 4)), "ABCD", 3)
    production = Production(made)
    for grip in (np.array([0.0, 1, 0, 0]), np.array([1.0, 0, 1, 0]), np.zeros(4), np.ones(4)):
        nearly = np.clip(grip, 0.0, 1 - 1e-13)  # not quite whole, so that the general formula is taken
        assert production.untouched(grip) == pytest.approx(production.untouched(nearly), rel=1e-9, abs=1e-9)


def test_production_scores_by_hand() -> None:
    # A sells 10 of raw to B; B makes 30 of goods of which 20 go to C and 10 stay; C makes 5 for itself; A keeps 2.
    made = table([[0, 10, 0], [0, 0, 0], [0, 0, 0]], [[2, 0, 0], [0, 10, 20], [0, 0, 5]])
    scores = rank(None, FAMILY, table=made, jurisdiction=["A", "B"], target=["C"])
    got = {(i, n): s for i, n, s in scores.select("indicator", "node", "score").rows()}
    # A third of each of B's dollars is A's. Of C's demand 20 crosses a border, all through B, 20/3 from A.
    assert got["chokepoint", "A"] == pytest.approx(1 / 3)
    assert got["chokepoint", "B"] == pytest.approx(1)
    # C already serves its own demand for that product, so with rerouting it takes over.
    assert got["chokepoint_rerouted", "A"] == pytest.approx(0, abs=1e-12)
    # Of B's own demand only A's third crosses a border, and nobody else sells B that input.
    lost = rank(None, ["chokepoint", "chokepoint_rerouted"], table=made, jurisdiction=["A"], target=["B"])
    assert lost["score"].to_list() == pytest.approx([1, 1])
    # Across borders 10/3 ends in B and 20 in C: A is on a third of B's 30, B on all.
    assert got["panopticon", "A"] == pytest.approx(10 / (10 / 3 + 20))
    assert got["panopticon", "B"] == pytest.approx(1)
    # Chains that neither begin nor end in B: a third of 20, from A through B to C. Without A's: B to C, never A.
    assert got["panopticon_extraterritorial", "B"] == pytest.approx(1)
    assert got["panopticon_extraterritorial", "A"] == 0
    assert set(scores["layer"]) == {"inputs"}
    assert set(scores["item"]) == {"ALL"}


def test_another_supplier_in_place_takes_over_and_a_sole_one_does_not() -> None:
    # C's industry buys the same input from A (9) and B (1): denying A is made good, denying both is not.
    made = table([[0, 0, 9], [0, 0, 1], [0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 20]])
    scores = rank(None, ["chokepoint", "chokepoint_rerouted"], table=made, jurisdiction=["A", "A+B"], target=["C"])
    got = {(i, n): s for i, n, s in scores.select("indicator", "node", "score").rows()}
    assert got["chokepoint", "A"] == pytest.approx(9 / 10)
    assert got["chokepoint_rerouted", "A"] == pytest.approx(0, abs=1e-12)
    assert got["chokepoint_rerouted", "A+B"] == pytest.approx(got["chokepoint", "A+B"]) == pytest.approx(1)


def test_negative_stocks_and_negative_value_added_keep_shares_between_0_and_1() -> None:
    Z = np.array([[0.0, 12.0], [0.0, 0.0]])
    Y = np.array([[3.0, -5.0], [4.0, 6.0]])
    x = np.array([10.0, 10.0])
    made = IOTable("2020", ("A", "B"), ("s",), ("fd",), Z, Y, np.array([10.0, -2.0]), x, np.zeros(2), "X")
    scores = rank(None, ["panopticon", "chokepoint_all"], table=made)
    assert scores["score"].is_between(0, 1).all()
    production = Production(made)
    assert production.value.sum(axis=0) == pytest.approx([7.0, 6.0])  # the stock drawn down carries no chain


def test_a_circle_without_value_added_is_refused() -> None:
    made = table([[0, 5, 0], [5, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 9]])
    with pytest.raises(ModelError, match="never end"):
        rank(None, "panopticon_extraterritorial", table=made)


# ---- the chains themselves


def test_two_lengths_within_a_trillionth_are_equal_and_beyond_it_are_not() -> None:
    def number(shift: float) -> float:
        net = build_network(frame({("A", "B"): 1, ("B", "C"): 1, ("A", "C"): 1}, "claims"))
        strength = np.array(
            [10.0, 10.0 / (2 * (1 + shift)), 10.0]
        )  # A-B, A-C, B-C: lengths 1 + 1 against 2 (1 + shift)
        moved = Network(net.nodes, net.origin.copy(), net.destination.copy(), strength)
        return float(Chains.of(moved).number[0, 2])

    assert [number(s) for s in (0.0, 1e-14, -1e-14, 5e-13, -5e-13)] == [2] * 5
    assert [number(s) for s in (1e-11, -1e-11, 1e-9, -1e-9)] == [1] * 4


def test_ties_far_shorter_than_the_tolerance_close_no_circle() -> None:
    ties = {("A", "B"): 1, ("B", "C"): 12, ("C", "B"): 12, ("A", "C"): 1}
    net = build_network(frame(ties, "claims"))
    strength = np.where(net.strength == 1, 1e-15, 12.0)
    chains = Chains.of(Network(net.nodes, net.origin.copy(), net.destination.copy(), strength))
    assert np.isfinite(chains.number).all()
    assert (chains.untouched(np.array([0.0, 1.0, 0.0])) <= 1).all()


def test_batches_of_sources_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    ties = {(o, d): int(rng.integers(1, 9)) for o in NODES for d in NODES if o != d and rng.random() < 0.6}
    net = network(ties)
    whole = Chains.of(net)
    monkeypatch.setattr("weaponized_interdependence.indicators.routing.chains._BATCH", 1)
    assert len(list(shortest(net))) == len(net.nodes)
    single = Chains.of(net)
    grip = np.linspace(0, 1, len(net.nodes))
    assert (single.untouched(grip) == whole.untouched(grip)).all()
    demand = rng.random(whole.distance.shape) * np.isfinite(whole.distance)
    assert single.carried(demand) == pytest.approx(whole.carried(demand))


@settings(deadline=None, max_examples=60)
@given(ties_of)
def test_ways_around_each_node_equal_the_network_without_it(ties: Ties) -> None:
    net = network(ties)
    chains = Chains.of(net)
    found = dict(chains.around_each(range(len(net.nodes))))
    for v, name in enumerate(net.nodes):
        others = {n for n in net.nodes if n != name}
        for s, t in product(range(len(net.nodes)), repeat=2):
            if s != t:
                lengths = [length for length, _ in paths(ties, net.nodes[s], net.nodes[t], others)]
                want = float(min(lengths)) * max(ties.values()) / 12 if lengths else float("inf")
                assert found[v][s, t] == pytest.approx(want)


@pytest.mark.slow
def test_more_equal_chains_than_can_be_counted_are_refused() -> None:
    """Two nodes a stage, all joined: 2^1100 chains, beyond the largest number in floating point."""
    ties = [(f"n{k:04}{i}", f"n{k + 1:04}{j}", 1.0) for k in range(1100) for i in "ab" for j in "ab"]
    rows = [("2020", "payments", o, d, "TOTAL", v, None, None, "USD", "observed") for o, d, v in ties]
    made = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
    with pytest.raises(ModelError, match="paths of equal length"):
        rank(made, "panopticon", jurisdiction=["n0001a+n0020b"])


def test_who_never_meets_touches_nothing_at_all() -> None:
    """Two blocs that do not trade: shares across are zero, not a rest of rounding with a rank of its own."""
    rng = np.random.default_rng(0)
    apart = np.kron(np.eye(2), np.ones((3, 3)))
    z = np.kron(apart, np.ones((9, 9))) * np.exp(2 * rng.normal(size=(54, 54)))
    y = np.kron(apart, np.ones((9, 1))) * 90 * rng.random((54, 6))
    y += np.kron(np.eye(6), np.ones((9, 1))) * np.maximum(1.1 * z.sum(axis=0) - z.sum(axis=1), 0.0)[:, None]
    made = table(z, y, economies="ABCDEF", sectors=9)
    for name in ("chokepoint", "chokepoint_rerouted", "observation_overlap", "shapley_chokepoint"):
        scores = rank(None, name, table=made, jurisdiction=list("ABCDEF"))
        within = pl.col("node").is_in(list("ABC")) == pl.col("counterpart").is_in(list("ABC"))
        assert set(scores.filter(~within)["score"]) == {0.0}, name
        assert rank(None, name, table=made).filter(~within).is_empty(), name


@pytest.mark.parametrize("paths", [2, 3, 5])
def test_chains_that_nobody_touches_slip_through_whole(paths: int) -> None:
    """Probabilities in proportion to 1 / length add up to one but for rounding, which must not become a score."""
    rng = np.random.default_rng(3)
    names = [f"N{k}" for k in range(12)]
    ties = {(o, d): float(np.exp(rng.normal() * 2)) for o in names for d in names if o != d and rng.random() < 0.4}
    chains = KChains.of(made := network(ties), made.origin, made.destination, paths)
    assert (chains.untouched(np.zeros(12)) == 1.0).all()
