"""Who stands between: betweenness of every node, exact or from a sample."""

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.coded import result
from weaponized_interdependence.indicators.routing.least_paths import (
    MOST_STEPS,
    exact,
    lengths,
    refuse_long,
    segment,
    steps_of,
)
from weaponized_interdependence.terms import Basis

# Up to so many steps (some ten seconds) all pairs are gone through: a sample would hardly cost less.
_EXACT_STEPS = 1_000_000_000

WEIGHTS = (
    "distance of a tie = largest strength / strength; lengths equal within a relative 1e-12 are equal, and equal paths "
    "share the credit"
)
PROXY = (
    "A descriptive proxy. Bilateral trade is not routed through third countries because their trade is large: on goods "
    "and services a high score is no power to deny or observe. Use panopticon and chokepoint for that."
)


@register(
    title="Weighted betweenness",
    formula="b(v) = sum over ordered pairs s, t other than v of sigma_st(v) / sigma_st, not normalised; sigma_st "
    "counts the least-distance paths from s to t, sigma_st(v) those through v",
    weight_meaning=WEIGHTS,
    unit="ordered pairs of nodes",
    citation="Freeman (1977), A set of measures of centrality based on betweenness, Sociometry 40(1): 35-41; "
    "Brandes (2001), A faster algorithm for betweenness centrality, Journal of Mathematical Sociology 25(2): 163-177",
    notes=f"{PROXY} Exact: the work is nodes that send times ties, and more than {MOST_STEPS:.0e} of it is refused; "
    "betweenness_sampled is for larger networks.",
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
    coded = context.coded_edges
    refuse_long(coded, "take betweenness_sampled, which has a stated error, or rank fewer periods or items at a time")
    return result(coded, *exact(coded))


@register(
    title="Weighted betweenness, sampled",
    formula="b(v) / (n (n - 1)), n the nodes of the network: estimated by the share of random pairs (s, t), each with "
    "one of its least-distance paths drawn at random, whose path passes through v. With probability `confidence` all "
    "nodes at once lie within [low, high], and no end is farther than `error` from the score",
    weight_meaning=WEIGHTS,
    unit="share of ordered pairs, 0 to 1",
    citation="Riondato and Kornaropoulos (2016), Fast approximation of betweenness centrality through sampling, Data "
    "Mining and Knowledge Discovery 30(2): 438-475 (path sampling); Hoeffding (1963), Probability inequalities for "
    "sums of bounded random variables, Journal of the American Statistical Association 58(301): 13-30 (the bound)",
    knobs=frozenset({"error", "confidence", "seed"}),
    best=Basis.ESTIMATED,
    notes=f"{PROXY} Times n (n - 1) it is betweenness. A network whose exact answer takes at most "
    f"{_EXACT_STEPS:.0e} steps (nodes that send times ties) is worked out exactly, with low = high = score: use "
    "betweenness there. Larger ones give the same numbers for the same seed and flows, on any number of threads; if "
    "the nodes are called otherwise, other pairs are drawn. The sample grows with the largest score / error^2, and "
    "with 1 / error where all scores are small; where 20 million pairs might not be enough it is refused.",
)
def betweenness_sampled(context: Context) -> pl.DataFrame:
    """Share of pairs of nodes with the node on their least-distance path, from a sample with a stated error.

    Each pair is drawn with equal probability among those that can have a path (s sends, t receives), and its path among
    all that are least by the tie rule. So pair i hits node v with probability b(v) / pairs, whatever the ties, and the
    hits k of r pairs are binomial. The interval is all p with r KL(k/r, p) <= log(2 n looks / (1 - confidence)), KL
    being the relative entropy of two coins: by Hoeffding's theorem 1 either end fails with probability at most
    (1 - confidence) / (2 n looks). Adding up over both ends, all nodes and all looks at the growing sample, the whole
    holds with probability `confidence`, also where sampling stops early. As KL >= 2 (k/r - p)^2, it stops in the end.

    Examples
    --------
    So few ties are worked out exactly: of 12 ordered pairs one passes through Hub.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("betweenness_sampled", [("A", "Hub", 9), ("Hub", "B", 9), ("A", "Weak", 1), ("Weak", "B", 1)])
    {'A': 0.0, 'B': 0.0, 'Hub': 0.083333333333, 'Weak': 0.0}
    """
    from weaponized_interdependence.indicators.topology.path_sampling import refuse_many, sampled

    coded, length = context.coded_edges, lengths(context.coded_edges)
    steps, knobs = steps_of(coded), context.knobs
    small, large = np.flatnonzero(steps <= _EXACT_STEPS), np.flatnonzero(steps > _EXACT_STEPS).tolist()
    refuse_long(coded, "rank fewer periods or items at a time", steps <= _EXACT_STEPS)
    networks = ((coded.items[k], segment(coded, length, k)[1]) for k in large)
    refuse_many(networks, knobs["error"], knobs["confidence"])
    item, node, score = exact(coded, small)
    nodes = np.bincount(item, minlength=len(steps))[item]
    parts = [(item, node, *[score / (nodes * (nodes - 1.0))] * 3)]
    for k in large:
        here, edges = segment(coded, length, k)
        found = sampled(edges, error=knobs["error"], confidence=knobs["confidence"], seed=int(knobs["seed"]))
        parts.append((np.full(len(here), k, dtype=np.int32), here, *found))
    item, node, score, low, high = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return result(coded, item, node, score, low=low, high=high)
