"""How soon and how often walkers come by: random-walk centrality and counting betweenness, of flows and industries."""

from collections.abc import Callable

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.finance.sinkrank import OFF
from weaponized_interdependence.indicators.finance.walks import (
    Inverse,
    alike,
    by_walks,
    chain_on,
    inverse,
    passage,
    passages,
)
from weaponized_interdependence.indicators.value_chains.leontief import industry_rows, node_rows, table_of
from weaponized_interdependence.network import Floats
from weaponized_interdependence.terms import Basis

_CITATION = (
    "Blochl, Theis, Vega-Redondo and Fisher (2011), Vertex centralities in input-output networks reveal the structure "
    "of modern economies, Physical Review E 83: 046127"
)
_WEIGHTS = (
    "flow value is the strength of a tie; a walker follows a tie with probability proportional to it; self-loops are "
    "kept, and cost a step"
)
_INDUSTRY_WEIGHTS = (
    "value of intermediate deliveries: a walker goes from an industry to its users in proportion to what they buy of "
    "it, to itself included; final demand is not walked to, and deliveries below zero are none"
)
_CLOSENESS = "C(t) = n / sum_s H_st, H_st the mean number of steps from s until t is first reached, H_tt = 0"
_COUNTING = (
    "B(i) = [ sum_{t != i} (V_ti (1 - P_it) + V_ti - 1) / 2 + 2 (n - 1) ] / (n (n - 1)), V_ti the mean number of times "
    "walkers, one from each s != t, are at i before they reach t"
)
_PASSAGES = (
    "Half the steps that enter and leave i, those into t left out, and one for each pair that starts or ends at i. A "
    "step from i to itself both leaves and enters. Walkers look longest for targets that are rarely reached, and those "
    "weigh most. "
)
_LIMIT = "One matrix of nodes squared: at most 8,000 nodes. Scores within a relative 1e-10 are equal."
_BY_ITEM = (
    "By item the nodes of an item are the economies, and the score is that of the industry; all industries of the "
    "table are walked in either case. "
)
_KNOBS = frozenset({"teleport"})


@register(
    title="Random-walk centrality",
    formula=_CLOSENESS,
    weight_meaning=_WEIGHTS,
    unit="per step",
    citation=_CITATION,
    orientation="imports",
    notes=OFF + "Ranks nodes as sinkrank does: n / (n - 1) times it. " + _LIMIT,
    knobs=_KNOBS,
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def random_walk_centrality(context: Context) -> pl.DataFrame:
    """How soon a walker who follows the flows comes by, from a start at any node alike.

    Examples
    --------
    In a circle A is one step from C and two from B: 3 / (0 + 1 + 2).

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("random_walk_centrality", [("A", "B", 1), ("B", "C", 1), ("C", "A", 1)])
    {'A': 1.0, 'B': 1.0, 'C': 1.0}
    """
    return by_walks(context, _closeness)


@register(
    title="Counting betweenness",
    formula=_COUNTING,
    weight_meaning=_WEIGHTS,
    unit="passages a pair of nodes",
    citation=_CITATION,
    notes=_PASSAGES + OFF + _LIMIT,
    knobs=_KNOBS,
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def counting_betweenness(context: Context) -> pl.DataFrame:
    """How often a walker passes the node on the way from one node to another, on average over all ordered pairs.

    Examples
    --------
    Circle of three, i one step before t: both walkers enter or start at i and leave only into t: (0 + 2 - 1) / 2. Two
    steps before t: one walker, (1 + 1 - 1) / 2. With 2 (3 - 1) for its own pairs, 5 over 3 x 2.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("counting_betweenness", [("A", "B", 1), ("B", "C", 1), ("C", "A", 1)])
    {'A': 0.833333333333, 'B': 0.833333333333, 'C': 0.833333333333}
    """
    return by_walks(context, _counting)


@register(
    title="Random-walk centrality of industries",
    formula=_CLOSENESS + "; an economy is reached with the first of its industries",
    weight_meaning=_INDUSTRY_WEIGHTS,
    unit="per step",
    citation=_CITATION,
    orientation="imports",
    notes=_BY_ITEM
    + "Otherwise the economy is one set T: C = n / sum over industries s outside T of H_sT. "
    + OFF
    + _LIMIT,
    needs=frozenset({"table"}),
    knobs=_KNOBS,
    reads="table",
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def industry_random_walk_centrality(context: Context) -> pl.DataFrame:
    """How soon a shock that is handed on to users of what it hits reaches an industry, or an economy's first one.

    Examples
    --------
    Two industries that sell all to each other: 2 / (0 + 1).

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("industry_random_walk_centrality", [[0, 5], [2, 0]], [[1, 0], [0, 1]], economies=["A", "B"])
    {'A': 2.0, 'B': 2.0}
    """
    walks = _industry_walks(context)
    if walks is None or context.by_item:
        return _of_industries(context, walks, _closeness)
    n, j, _ = table_of(context).size
    owner, start = walks.chain.nodes // j, np.ones(walks.chain.size)
    scores = np.full(n, np.nan)
    for economy in range(n):
        members = np.flatnonzero(owner == economy)
        if 0 < len(members) < walks.chain.size:
            scores[economy] = walks.chain.size / passage(walks, members, start)
    return node_rows(context, table_of(context).economies, alike(scores))


@register(
    title="Counting betweenness of industries",
    formula=_COUNTING + "; an economy's is the sum over its industries",
    weight_meaning=_INDUSTRY_WEIGHTS,
    unit="passages a pair of industries",
    citation=_CITATION,
    notes=_BY_ITEM + "Otherwise the sum over the economy's industries: passages from one of them to the next count "
    "for both. " + _PASSAGES + OFF + _LIMIT,
    needs=frozenset({"table"}),
    knobs=_KNOBS,
    reads="table",
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def industry_counting_betweenness(context: Context) -> pl.DataFrame:
    """How often a shock handed on from industry to industry passes this one, or those of an economy.

    Examples
    --------
    Three industries in a circle, two of them in A: 5/6 each, as in counting_betweenness.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z = [[0, 2, 0, 0], [0, 0, 3, 0], [4, 0, 0, 0], [0, 0, 0, 0]]
    >>> Y = [[1, 0]] * 4
    >>> sectors = ["s1", "s2"]
    >>> worked_table("industry_counting_betweenness", Z, Y, economies=["A", "B"], sectors=sectors)
    {'A': 1.666666666667, 'B': 0.833333333333}
    """
    return _of_industries(context, _industry_walks(context), _counting)


def _closeness(walks: Inverse) -> Floats:
    n = walks.chain.size
    return n / passages(walks, np.ones(n))


def _counting(walks: Inverse) -> Floats:
    """Counting betweenness of every node of the chain.

    With K_t = sum_s H_st and C = 1'G, V_ti = C_i - n G_ti + pi_i K_t. G1 = 1 and C = n pi make sum_t V_ti = pi_i sum_t
    K_t, and V_ti P_it is wanted only where i sends to t: beyond the inverse the cost is that of the flows.
    """
    chain = walks.chain
    n, pi = chain.size, walks.stationary
    K = passages(walks, np.ones(n))
    steps = chain.matrix.tocoo()
    at, to = steps.row, steps.col
    before = n * (pi[at] - walks.G[to, at]) + pi[at] * K[to]
    left = np.bincount(at, before * steps.data, minlength=n)
    # Jumps go to every t alike: sum_t V_ti / n.
    visits = pi * K.sum()
    left += visits * chain.jump / n
    return np.asarray((visits - (left + n - 1) / 2 + 2 * (n - 1)) / (n * (n - 1)))


def _industry_walks(context: Context) -> Inverse | None:
    """The walks over intermediate deliveries, kept for the next indicator."""
    from scipy import sparse

    def make() -> Inverse | None:
        chain = chain_on(sparse.csr_array(np.maximum(table_of(context).Z, 0.0)), context.knobs["teleport"])
        return None if chain is None else inverse(chain)

    return context.keep(("industry walks", context.knobs["teleport"]), make)


def _of_industries(context: Context, walks: Inverse | None, score: Callable[[Inverse], Floats]) -> pl.DataFrame:
    """One score an industry, or the sum over each economy's; not defined off the chain."""
    values = np.full(len(table_of(context).x), np.nan)
    if walks is not None:
        values[walks.chain.nodes] = alike(score(walks))
    return industry_rows(context, values, None)
