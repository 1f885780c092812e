"""Who is sent much by those who are sent much: PageRank."""

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, by_network, register
from weaponized_interdependence.network import Attribute, Floats, Network, to_igraph


@register(
    title="PageRank",
    formula="p = d P' p + (d * sum of p over nodes that send nothing + 1 - d) / n, with P_ij = v_ij / sum_k v_ik, "
    "sum_i p_i = 1 and d the damping (0.85 unless set)",
    weight_meaning="flow value is the strength of a tie; a walker follows a tie with probability proportional to it; "
    "self-loops are kept",
    unit="share of the walker's time, 0 to 1",
    citation="Brin and Page (1998), The anatomy of a large-scale hypertextual web search engine, Computer Networks and "
    "ISDN Systems 30(1-7): 107-117",
    orientation="imports",
    notes="A node that sends nothing passes the walker on to every node alike. Descriptive: no route is implied.",
    knobs=frozenset({"damping"}),
)
def pagerank(context: Context) -> pl.DataFrame:
    """Share of time that a walker who follows the flows, and now and then jumps anywhere, spends at the node.

    Examples
    --------
    Two nodes that send all to each other share the time; so do three in a circle.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("pagerank", [("A", "B", 7), ("B", "A", 2)])
    {'A': 0.5, 'B': 0.5}
    >>> worked("pagerank", [("A", "B", 7), ("B", "C", 2), ("C", "A", 5)])["C"]
    0.333333333333
    """
    return by_network(context, lambda net: _pagerank(net, context.knobs["damping"]), self_loops="keep")


def _pagerank(net: Network, damping: float) -> Floats:
    read: tuple[Attribute, ...] = ("strength",)
    graph = to_igraph(net, read)
    return np.array(graph.pagerank(damping=damping, weights="strength", directed=True), dtype=np.float64)
