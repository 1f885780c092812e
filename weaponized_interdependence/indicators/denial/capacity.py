"""Who can deny when flows are rerouted as far as capacity allows, and how much of the flow between others hangs on a
node: largest flows with and without it.

What can be lost is bounded by where things come from. Let every node hand on a mixture of its own supply and of what it
receives, and trace what t receives back, R in all, until it is found in a supply or was t's own. No more is traced back
over a tie than its flow, step by step: what is traced to u is at most what u sends, and the tie from i to u carries the
share v_iu / max(sent_u, received_u) of it, so at most v_iu; and u's supply takes its own share, so at most all of it.
The part that never touched J (or, with partial grips, escaped each node it passed) is therefore a flow that the
network without J admits: chokepoint_capacity never exceeds the share of R that touched J on its way, at any spare.
"""

import numpy as np
import polars as pl
from scipy.sparse.csgraph import connected_components

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import Context, by_network, refuse_long, register
from weaponized_interdependence.indicators.denial.delivery import (
    MOST,
    Columns,
    Delivery,
    Holdings,
    arcs_of,
    score_pairs,
)
from weaponized_interdependence.network import Floats, Network, to_sparse
from weaponized_interdependence.terms import Basis

# Nodes x nodes x ties of all items, some 0.6 microseconds each, for the search is repeated without each node: about
# 40 minutes of one processor.
MOST_STEPS = 4_000_000_000


@register(
    title="Chokepoint over a target, with rerouting by capacity",
    formula="Choke_c(J -> t) = 1 - V_t(G without J) / V_t(G); V_t(G) = largest flow into t, at most R = received_t, "
    "from supplies max(0, sent_s - received_s) of nodes s other than t, over ties of capacity strength (1 + spare)",
    weight_meaning="flow value is the capacity of a tie, times 1 + spare; sums of it give supplies and R; flows to "
    "itself are left out",
    unit="share, 0 to 1",
    citation="Ford and Fulkerson (1956), Maximal flow through a network, Canadian Journal of Mathematics 8: 399-404 "
    "(largest flow); Farrell and Newman (2019), International Security 44(1): 42-79 (concept); the formula is this "
    "project's",
    notes="One commodity: whatever reaches t counts, from whomever. For goods of one item that is substitution between "
    "suppliers; for payments and claims it says that money is money: what counts is how much arrives, not whether a "
    "given payer's payment does (chokepoint_rerouted asks that). "
    "Everyone stands back for t: what suppliers send others may go to t, as far as ties allow. What t sends may come "
    "back to it. A node in J's territory is removed with its ties; with a grip g below 1 (CONTROLS, capacity) every "
    "tie and the supply of the node keep 1 - g. low: ties without limit (only supplies and who reaches whom bind); "
    "high: no spare. Only the value lost is a score: which nodes a largest flow takes is not unique. Where neither "
    "jurisdictions nor targets are named, pairs that would score 0 are left out. Not defined (null) for a target that "
    "receives nothing.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity"}),
    knobs=frozenset({"spare"}),
    best=Basis.ASSUMED,
)
def chokepoint_capacity(context: Context) -> pl.DataFrame:
    """Share of what a target receives that cannot reach it without the jurisdiction (node), by any route with room.

    Falls as `spare` grows. Never more than the share of what t receives that has passed J if every node hands on a
    mixture of what it gets: for that mixture without the part that touched J is itself a flow that avoids J.

    Examples
    --------
    T gets 6 from A and 4 from B; a half more of B's 4 may go over its tie, which B can supply since it sells 4 to C.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "T", 6), ("B", "T", 4), ("B", "C", 4)]
    >>> worked("chokepoint_capacity", flows, jurisdiction=["A"], target=["T"])
    {('A', 'T'): 0.6}
    >>> worked("chokepoint_capacity", flows, jurisdiction=["A"], target=["T"], spare=0.5)
    {('A', 'T'): 0.4}
    """
    spare = context.knobs["spare"]

    def score(delivery: Delivery, held: Holdings) -> Columns:
        lost = delivery.denied(held)
        tight = lost if spare == 0 else delivery.again(0.0).denied(held)
        some = np.flatnonzero(lost)  # where nothing is lost, more room changes nothing
        slack = np.zeros_like(lost)
        slack[some] = np.maximum(delivery.value - delivery.unlimited(held, some), 0)
        # Capacities are rounded to whole units anew for every spare: the ends may cross the score by a unit or two.
        low, high = np.minimum(slack, lost), np.maximum(tight, lost)
        return lost / delivery.value, low / delivery.value, high / delivery.value

    return score_pairs(context, spare, score)


@register(
    title="Flow betweenness, as loss",
    formula="F(i) = sum_{s,t != i} (M_st - M_st(G without i)) / sum_{s,t != i} M_st, M_st = largest flow from s to t",
    weight_meaning="flow value is the capacity of a tie; a node's flows to itself are left out",
    unit="share, 0 to 1",
    citation="Freeman, Borgatti and White (1991), Centrality in valued graphs: a measure of betweenness based on "
    "network flow, Social Networks 13: 141-154; in the form of what is lost without the node, which is unique",
    notes="Which nodes a largest flow takes is not unique, so flow through a node is no score; what is lost without it "
    "is. All ordered pairs of other nodes count. Unlike chokepoint_capacity it asks what could be sent between two "
    "nodes, not what is. Capacities are rounded to 2^-52 of the most that a node of the same component receives; a "
    "flow that would be rounded to none is refused. Not defined (null) where no two other nodes are connected.",
)
def flow_betweenness(context: Context) -> pl.DataFrame:
    """Share of the largest flows between all pairs of other nodes that is lost when the node is gone.

    Examples
    --------
    A can send C 3 over B and 1 directly; without B, 1 is left. B and C's own pairs do not count for them.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("flow_betweenness", [("A", "B", 3), ("B", "C", 4), ("A", "C", 1)])
    {'A': 0.0, 'B': 0.75, 'C': 0.0}
    """
    refuse_long(
        ((item, float(len(net.nodes)) ** 2 * len(net.strength)) for item, net in context.networks()),
        MOST_STEPS,
        "largest flows between all pairs",
        f"aggregate, or rank fewer items at a time, until the sum of nodes x nodes x ties is at most {MOST_STEPS:,}, "
        "or ask for chokepoint_capacity of named targets",
    )
    return by_network(context, _flow_betweenness)


def _flow_betweenness(net: Network) -> Floats:
    """Capacities are whole numbers, in units of 2^-52 of what the best supplied node of their component receives."""
    from weaponized_interdependence.indicators.kernels.flows import between_all

    n = len(net.nodes)
    arcs = arcs_of(n, net.origin, net.destination)
    _, piece = connected_components(to_sparse(net), directed=False)
    widest = np.zeros(n)
    np.maximum.at(widest, piece, np.bincount(net.destination, net.strength, minlength=n))
    cap = np.rint(net.strength / widest[piece[net.origin]] * MOST).astype(np.int64)
    if not cap.all():
        raise ModelError(
            f"{int((cap == 0).sum())} flow(s) are less than 1e-16 of what others of their network are, and would count "
            "as none",
            mend="leave out the smallest flows",
        )
    unit = widest[piece] / widest.max()
    parts = [np.arange(first, min(first + 8, n)) for first in range(0, n, 8)]
    found = in_threads(lambda sources: between_all(arcs, cap, unit, sources), parts)
    lost, others = (np.sum([part[k] for part in found], axis=0) for k in range(2))
    return np.asarray(np.divide(lost, others, out=np.full(n, np.nan), where=others > 0))
