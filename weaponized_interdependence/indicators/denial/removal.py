"""What is gone when a node is gone, whatever the reason and whoever rules it."""

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, by_network, counted, refuse_long, register
from weaponized_interdependence.network import Floats, Network, to_igraph

# Steps of a dominator tree for every node, of all items: 20,000 nodes with 200,000 ties are 4.4e9.
# At some 0.1 microseconds each, the most is a quarter of an hour.
MOST_STEPS = 10_000_000_000


@register(
    title="Removal loss, value",
    formula="R(i) = (s_out(i) + s_in(i)) / sum_k s_out(k): the share of all flows that have an end in i",
    weight_meaning="flow value; a node's flows to itself are left out",
    unit="share, 0 to 1",
    citation="Latora and Marchiori (2005), Vulnerability and protection of infrastructure networks, Physical Review E "
    "71: 015103, doi:10.1103/PhysRevE.71.015103 (relative drop on removal); here of total value over direct ties",
    notes="Twice trade_share, and on direct routes without legal reach the same number as the panopticon of that node. "
    "Over all nodes it sums to two, for every flow has two ends.",
)
def removal_loss(context: Context) -> pl.DataFrame:
    """Share of all value that disappears when the node and every flow it sends or receives is taken out.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("removal_loss", [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)])
    {'A': 0.5, 'B': 0.9, 'C': 0.6}
    """
    score = (pl.col("sent") + pl.col("received")) / pl.col("world")
    return context.totals.select(
        "item", "node", pl.lit(None, dtype=pl.String).alias("counterpart"), score.alias("score")
    )


@register(
    title="Removal loss, reach",
    formula="C(v) = 1 - r(G without v) / r(G), r counting the ordered pairs s, t, both other than v, with a directed "
    "path from s to t",
    weight_meaning="none: only whether a tie of at least least_tie of the item's value (any, unless set) exists counts",
    unit="share of pairs, 0 to 1",
    citation="Borgatti (2006), Identifying sets of key players in a social network, Computational and Mathematical "
    "Organization Theory 12: 21-34, doi:10.1007/s10588-006-7084-x (fragmentation by removal); directed, and without "
    "the pairs of v itself",
    notes="Zero for every node of a dense trade network; telling on sparse ones, such as a single product or "
    "correspondent ties. A pair is lost when the node dominates its end seen from its start. A node that scores above "
    "zero is a single point of failure for some pair; strong_articulation tells that of pairs that reach each other "
    "both ways, in far less time. Not defined (null) where no two other nodes are connected.",
    knobs=frozenset({"least_tie"}),
)
def removal_loss_reach(context: Context) -> pl.DataFrame:
    """Share of connected pairs of other nodes that no longer reach each other by any path once the node is gone.

    Examples
    --------
    A -> B -> C -> D: without B, A reaches neither C nor D; C still reaches D.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("removal_loss_reach", [("A", "B", 1), ("B", "C", 1), ("C", "D", 1)])
    {'A': 0.0, 'B': 0.666666666667, 'C': 0.666666666667, 'D': 0.0}
    """
    refuse_long(
        ((item, float(len(net.nodes)) * sum(net.size)) for item, net in context.networks()),
        MOST_STEPS,
        "paths between all pairs",
        f"aggregate, or rank fewer items at a time, until the sum of nodes x (nodes + ties) is at most {MOST_STEPS:,}, "
        "or ask for strong_articulation or articulation, whose time grows with the ties only",
    )
    return by_network(context, lambda net: _dominated_pairs(counted(net, context.knobs["least_tie"])))


def _dominated_pairs(net: Network) -> Floats:
    """For every node v, the share of connected ordered pairs of other nodes whose every path runs through v.

    v lies on every path from s to t exactly when v dominates t in the flow graph of s, so the pairs lost with v are the
    nodes below v in the dominator trees of all other s. NaN where no two other nodes are connected.
    """
    from weaponized_interdependence.indicators.kernels.cuts import below

    n = len(net.nodes)
    graph = to_igraph(net, ())
    starting, ending, lost = np.zeros(n), np.zeros(n), np.zeros(n)
    for source in range(n):
        parent = np.array(graph.dominator(source, mode="out"), dtype=np.float64)  # NaN: not reached
        under = parent >= 0
        starting[source] = under.sum()
        ending += under
        dominated = below(np.where(under, parent, -1).astype(np.int64), source)
        dominated[source] = 0  # its own pairs are not between others
        lost += dominated
    pairs = starting.sum() - starting - ending
    return np.asarray(np.divide(lost, pairs, out=np.full(n, np.nan), where=pairs > 0))
