"""What holds together only through a few: nodes that cut a target off, nodes that split the network, what is left."""

from functools import partial
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.indicators.base import RESULT, Context, by_network, counted, refuse_long, register
from weaponized_interdependence.indicators.denial.delivery import (
    Bools,
    Delivery,
    Holdings,
    arcs_of,
    receivers,
    refuse_many_flows,
)
from weaponized_interdependence.indicators.routing.reach import jurisdictions
from weaponized_interdependence.network import Floats, Ints, Network, to_igraph, to_sparse

_ENOUGH = "a tie of at least least_tie of the item's value (any, unless set)"
_UNDIRECTED = f"none: only whether two nodes have {_ENOUGH} in either direction counts"
_SUPPLIER = f"flow value tells who is a supplier, who sends more than it receives, and what is {_ENOUGH}"
_BORGATTI = (
    "Borgatti (2006), Identifying sets of key players in a social network, Computational and Mathematical Organization "
    "Theory 12: 21-34, doi:10.1007/s10588-006-7084-x"
)
_REMOVED = (
    "A jurisdiction removes the nodes that are wholly within its reach (its territory, and CONTROLS with a share of "
    "1); a partial grip removes nothing. "
)
# Steps of the distances between all pairs without each jurisdiction: 200 nodes with all ties are 3.2e9. All items
# together, at some 3 ns each, are 50 minutes of one processor.
MOST_STEPS = 1_000_000_000_000


@register(
    title="Smallest cut between a target and its suppliers",
    formula="k(t) = least number of nodes other than t without which no path of ties of at least least_tie is left "
    "from any supplier (sent > received), nor from t's own sales back to it",
    weight_meaning=_SUPPLIER,
    unit="nodes",
    citation="Menger (1927), Zur allgemeinen Kurventheorie, Fundamenta Mathematicae 10: 96-115; Even and Tarjan "
    "(1975), Network flow and testing graph connectivity, SIAM Journal on Computing 4: 507-518",
    notes="Suppliers may be in the cut, so there always is one: at most as many as the target's direct sources. Its "
    "members are in minimum_cut_member. Counted in nodes, whatever they carry: in value the smallest cut at spare 0 is "
    "what the target receives, for all its ties are in use (chokepoint_capacity says what parts of it are worth). "
    "Large means that many would have to act together. A tie of any size counts, so that a large number may rest on "
    "trifles: least_tie leaves ties below a share of the item's value out (who is a supplier is still told by all of "
    "them), and 0 says that no such path was there. Sent and received that differ by a relative 1e-12 are equal. Not "
    "defined (null) for a target that receives nothing.",
    needs=frozenset({"target"}),
    knobs=frozenset({"least_tie"}),
)
def minimum_cut(context: Context) -> pl.DataFrame:
    """How many nodes, at the least, must refuse together to cut the target (node) off from every supplier.

    Examples
    --------
    T has two sources, but both have all they sell from B. Had C something of its own to sell, C would be needed too.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 8), ("B", "C", 4), ("B", "D", 4), ("C", "T", 4), ("D", "T", 4)]
    >>> worked("minimum_cut", flows, target=["T"]), worked("minimum_cut", [*flows, ("C", "E", 1)], target=["T"])
    ({'T': 1.0}, {'T': 2.0})
    """
    rows = [(item, t, None, None if cut is None else float(len(cut))) for item, t, cut in _smallest_cuts(context)]
    return pl.DataFrame(rows, schema=RESULT, orient="row")


@register(
    title="Members of the smallest cut between a target and its suppliers",
    formula="1 / k(t) for the k(t) nodes of the smallest cut that is nearest to t",
    weight_meaning=_SUPPLIER,
    unit="share of a cut, 0 to 1",
    citation="Menger (1927), Fundamenta Mathematicae 10: 96-115; that there is one smallest cut nearest to the sink: "
    "Ford and Fulkerson (1962), Flows in Networks, Princeton University Press",
    notes="1 is a node that alone can cut the target off. Where several cuts are as small, the one nearest to the "
    "target is told: no node of it can be exchanged for one nearer. Who is in no such cut has no row. least_tie as "
    "in minimum_cut: where it leaves no path there is no cut, and no row.",
    pair=True,
    needs=frozenset({"target"}),
    knobs=frozenset({"least_tie"}),
)
def minimum_cut_member(context: Context) -> pl.DataFrame:
    """Which nodes form the smallest cut between a target (counterpart) and its suppliers, each with an equal share.

    Examples
    --------
    A or B alone cuts T off; B is the nearer.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 8), ("B", "C", 4), ("B", "D", 4), ("C", "T", 4), ("D", "T", 4)]
    >>> worked("minimum_cut_member", flows, target=["T"])
    {('B', 'T'): 1.0}
    """
    rows = [(item, node, t, 1 / len(cut)) for item, t, cut in _smallest_cuts(context) if cut for node in cut]
    return pl.DataFrame(rows, schema=RESULT, orient="row")


def _smallest_cuts(context: Context) -> list[tuple[str, str, list[str] | None]]:
    """(item, target, members of the smallest cut nearest to it), None for a target that receives nothing."""

    def make() -> list[tuple[str, str, list[str] | None]]:
        found = []
        refuse_many_flows(context)
        for item, net in context.networks():
            counts = counted(net, context.knobs["least_tie"]).strength
            least = float(counts.min(initial=np.inf))
            cuts = in_threads(partial(_smallest_cut, net, least), receivers(context, net))
            found += [(item, label, cut) for label, cut in cuts]
        return found

    return context.keep("smallest cuts", make)


def _smallest_cut(net: Network, least: float, target: tuple[str, Bools]) -> tuple[str, list[str] | None]:
    """Every node other than the target's is split in two, with an arc of capacity one between its halves.

    Ties below `least` are left out.
    """
    from weaponized_interdependence.indicators.kernels.flows import smallest_cut

    label, members = target
    delivery = Delivery.to(net, label, members, 0.0)
    if delivery is None:
        return label, None
    delivery.refuse_unsettled()
    size, others = delivery.sink + 1, np.flatnonzero(~members)
    counts = (delivery.tie < 0) | (net.strength[delivery.tie] >= least)
    tail, head = delivery.arcs[0][counts], delivery.arcs[1][counts]
    halved = np.arange(size)
    halved[others] = size + np.arange(len(others))  # where what a node sends leaves it
    tail, head = np.concatenate((halved[tail], others)), np.concatenate((head, halved[others]))
    cap = np.concatenate((np.full(int(counts.sum()), len(others) + 1), np.ones(len(others), dtype=np.int64)))
    order = np.argsort(tail, kind="stable")
    arcs = arcs_of(size + len(others), tail[order], head[order])
    _, near = smallest_cut(arcs, cap[order], len(others) + 1, delivery.source, delivery.sink)
    return label, [net.nodes[v] for v in others if near[halved[v]] and not near[v]]


@register(
    title="Articulation: pairs that only hang together through the node",
    formula="A(v) = 1 - c(G without v) / c(G), c counting the pairs of nodes other than v with a path between them in "
    "the undirected graph",
    weight_meaning=_UNDIRECTED,
    unit="share of pairs, 0 to 1",
    citation="Hopcroft and Tarjan (1973), Efficient algorithms for graph manipulation, Communications of the ACM 16: "
    "372-378 (articulation points in linear time)",
    notes="Above zero exactly for the articulation points. The loosest question of its kind: removal_loss_reach asks "
    "for paths along the direction of flows, strong_articulation for paths both ways. Time grows with nodes and ties "
    "only. Not defined (null) where no two other nodes are connected.",
    knobs=frozenset({"least_tie"}),
)
def articulation(context: Context) -> pl.DataFrame:
    """Share of connected pairs of other nodes that fall apart, whatever the direction of flows, without the node.

    Examples
    --------
    A - B - C - D: without B, A is cut off from C and D, and C and D still hang together.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("articulation", [("A", "B", 1), ("C", "B", 1), ("C", "D", 1)])
    {'A': 0.0, 'B': 0.666666666667, 'C': 0.666666666667, 'D': 0.0}
    """

    def score(net: Network) -> Floats:
        joined, left, own = _without_each(counted(net, context.knobs["least_tie"]))
        others = joined - own
        return np.asarray(np.divide(others - left, others, out=np.full(len(own), np.nan), where=others > 0))

    return by_network(context, score)


@register(
    title="Strong articulation point",
    formula="1 where the strongly connected component of v falls apart without v, else 0",
    weight_meaning=f"none: only whether {_ENOUGH} exists counts",
    unit="1 or 0",
    citation="Italiano, Laura and Santaroni (2012), Finding strong bridges and strong articulation points in linear "
    "time, Theoretical Computer Science 447: 74-84",
    notes="Without it some two nodes that reach each other no longer do so both ways. removal_loss_reach says how many "
    "pairs that concerns, at a cost of nodes times ties; this is told in nearly linear time. 0 for a node that is in "
    "no cycle, and where the rest of its component is one node.",
    knobs=frozenset({"least_tie"}),
)
def strong_articulation(context: Context) -> pl.DataFrame:
    """Whether some nodes reach each other both ways only as long as the node is there.

    Examples
    --------
    Two triangles that share C: without C neither is a cycle, and without any other node C is left with one triangle.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> ring = [("A", "B", 1), ("B", "C", 1), ("C", "A", 1)]
    >>> worked("strong_articulation", [*ring, ("B", "A", 1), ("C", "B", 1), ("A", "C", 1)])  # each two trade both ways
    {'A': 0.0, 'B': 0.0, 'C': 0.0}
    >>> worked("strong_articulation", [*ring, ("C", "B", 1)])  # without C, B does not reach A
    {'A': 0.0, 'B': 1.0, 'C': 1.0}
    """
    return by_network(context, lambda net: _strong_points(counted(net, context.knobs["least_tie"])))


def _strong_points(net: Network) -> Floats:
    """From any root: the nodes that dominate another going out, or coming in; and the root by trying."""
    graph, found = to_igraph(net, ()), np.zeros(len(net.nodes))
    for nodes in graph.connected_components(mode="strong"):
        if len(nodes) < 3:
            continue
        part = graph.induced_subgraph(nodes)
        for mode in ("out", "in"):
            above = {int(v) for v in part.dominator(0, mode=mode) if v >= 1}  # neither the root nor NaN
            found[[nodes[v] for v in above]] = 1.0
        found[nodes[0]] = float(not part.induced_subgraph(range(1, len(nodes))).is_connected(mode="strong"))
    return found


@register(
    title="Fragmentation without the node",
    formula="F(J) = 1 - sum_k s_k (s_k - 1) / (n (n - 1)), s_k the sizes of the components of the undirected graph "
    "without J, n the number of nodes that are left",
    weight_meaning=_UNDIRECTED,
    unit="share of pairs, 0 to 1",
    citation=_BORGATTI + " (KPP-NEG)",
    notes=_REMOVED
    + "It describes what is left, so in a network that was in pieces before it is above zero for everyone; "
    "articulation is the loss alone. Not defined (null) where fewer than two nodes are left.",
    needs=frozenset({"jurisdiction", "controls"}),
    knobs=frozenset({"least_tie"}),
)
def fragmentation(context: Context) -> pl.DataFrame:
    """Share of pairs of the remaining nodes with no path between them once the node, or jurisdiction, is gone.

    Examples
    --------
    A path of five nodes without its middle: two pairs of two, and 4 of 6 pairs are apart.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> path = [("A", "B", 1), ("B", "C", 1), ("C", "D", 1), ("D", "E", 1)]
    >>> worked("fragmentation", path, jurisdiction=["C", "A+E"])
    {'A+E': 0.0, 'C': 0.666666666667}
    """

    def score(net: Network, held: Holdings) -> Floats:
        joined, left, _ = _without_each(net)
        whole, matrix = held.wholly(), None
        found = np.empty(len(whole))
        for j, nodes in enumerate(whole):
            if len(nodes) == 1:
                found[j] = left[nodes[0]]
            elif len(nodes) == 0:
                found[j] = joined
            else:
                matrix = to_sparse(net) if matrix is None else matrix
                rest = np.setdiff1d(np.arange(len(net.nodes)), nodes)
                sizes = np.bincount(connected_components(matrix[rest][:, rest], directed=False)[1])
                found[j] = (sizes * (sizes - 1)).sum()
        return found

    return _fragments(context, score)


@register(
    title="Distance-weighted fragmentation without the node",
    formula="DF(J) = 1 - sum_{i != j} (1 / d_ij) / (n (n - 1)), d_ij the steps between the n nodes left in the "
    "undirected graph without J, 1 / d_ij = 0 where there is no path",
    weight_meaning=_UNDIRECTED,
    unit="share, 0 to 1",
    citation=_BORGATTI + " (distance-weighted)",
    notes=_REMOVED + "Above zero unless all that are left trade with all; never below fragmentation. Time grows with "
    "jurisdictions x nodes x ties.",
    needs=frozenset({"jurisdiction", "controls"}),
    knobs=frozenset({"least_tie"}),
)
def distance_fragmentation(context: Context) -> pl.DataFrame:
    """How far apart the remaining nodes are, 0 all adjacent to 1 all cut off, once the node, or jurisdiction, is gone.

    Examples
    --------
    A path of five nodes without its middle: 2 of 6 pairs are adjacent, the others apart. Without an end, a path of
    four: 3 pairs at 1, 2 at 2, 1 at 3 steps.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> path = [("A", "B", 1), ("B", "C", 1), ("C", "D", 1), ("D", "E", 1)]
    >>> worked("distance_fragmentation", path, jurisdiction=["A", "C"])  # 1 - (3 + 1 + 1/3) / 6
    {'A': 0.277777777778, 'C': 0.666666666667}
    """

    refuse_long(
        (
            (item, 2.0 * len(jurisdictions(context, list(net.nodes))) * len(net.nodes) * len(net.strength))
            for item, net in context.networks()
        ),
        MOST_STEPS,
        "distances between all pairs without each jurisdiction",
        "name jurisdictions, or rank fewer items at a time, until the sum of jurisdictions x nodes x ties is at most "
        f"{MOST_STEPS // 2:,}, or ask for fragmentation",
    )

    def score(net: Network, held: Holdings) -> Floats:
        from weaponized_interdependence.indicators.kernels.cuts import nearness

        first, other = _undirected(net)

        def left(nodes: Ints) -> float:
            gone = np.zeros(len(net.nodes), dtype=bool)
            gone[nodes] = True
            return float(nearness(first, other, gone))

        return np.array(in_threads(left, held.wholly()))

    return _fragments(context, score)


def _fragments(context: Context, score: Any) -> pl.DataFrame:
    """1 - score / (n (n - 1)) of every jurisdiction, n being the nodes that it leaves."""
    parts = []
    for item, net in context.networks():
        held = Holdings.of(context, net)
        n = len(net.nodes) - np.array([len(nodes) for nodes in held.wholly()])
        pairs = n * (n - 1)
        net = counted(net, context.knobs["least_tie"])
        found = 1 - np.divide(score(net, held), pairs, out=np.full(len(n), np.nan), where=pairs > 0)
        columns = {"item": item, "node": held.labels, "counterpart": None, "score": found}
        parts.append(pl.DataFrame(columns, schema=RESULT).with_columns(pl.col("score").fill_nan(None)))
    return pl.concat(parts) if parts else pl.DataFrame(schema=RESULT)


def _without_each(net: Network) -> tuple[float, Floats, Floats]:
    """Ordered connected pairs of all nodes; those left without each node (n,); those it is itself an end of (n,)."""
    from weaponized_interdependence.indicators.kernels.cuts import pieces

    within, whole = pieces(*_undirected(net))
    joined = float((whole - 1).sum())
    own = 2.0 * (whole - 1)
    return joined, np.asarray(joined - whole * own / 2 + within), np.asarray(own)


def _undirected(net: Network) -> tuple[Ints, Ints]:
    """Neighbours of every node whatever the direction: first (n+1,), other."""
    n, m = net.size
    ends = (np.append(net.origin, net.destination), np.append(net.destination, net.origin))
    matrix = sparse.csr_array((np.ones(2 * m, dtype=bool), ends), shape=(n, n))
    matrix.sum_duplicates()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
