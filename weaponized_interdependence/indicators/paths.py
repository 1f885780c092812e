"""Who stands between: betweenness."""

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, by_network, register
from weaponized_interdependence.indicators.chains import shortest
from weaponized_interdependence.network import Floats, Network


@register(
    title="Weighted betweenness",
    formula="b(v) = sum over ordered pairs s, t other than v of sigma_st(v) / sigma_st, not normalised; sigma_st "
    "counts the least-distance paths from s to t, sigma_st(v) those through v",
    weight_meaning="distance of a tie = largest strength / strength; lengths equal within a relative 1e-12 are equal, "
    "and equal paths share the credit",
    unit="ordered pairs of nodes",
    citation="Freeman (1977), A set of measures of centrality based on betweenness, Sociometry 40(1): 35-41; "
    "Brandes (2001), A faster algorithm for betweenness centrality, Journal of Mathematical Sociology 25(2): 163-177",
    notes="A descriptive proxy. Bilateral trade is not routed through third countries because their trade is large: on "
    "goods and services a high score is no power to deny or observe. Use panopticon and chokepoint for that.",
)
def betweenness(context: Context) -> pl.DataFrame:
    """How many pairs of other nodes have the node on their least-distance path, whatever the pair exchanges.

    Examples
    --------
    The strong ties make the way by Hub 1 + 1 long, that by Weak 100 + 100.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("betweenness", [("A", "Hub", 100), ("Hub", "B", 100), ("A", "Weak", 1), ("Weak", "B", 1)])
    {'A': 0.0, 'B': 0.0, 'Hub': 1.0, 'Weak': 0.0}
    """
    return by_network(context, _betweenness)


def _betweenness(net: Network) -> Floats:
    n, _ = net.size
    total = np.zeros(n)
    for dag in shortest(net):
        total += dag.carried(np.isfinite(dag.distance).astype(np.float64))
    return total
