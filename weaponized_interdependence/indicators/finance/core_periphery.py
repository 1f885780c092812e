"""Who belongs to the core: a block of nodes tied to each other, and a periphery tied only to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import RESULT, Context, by_network, of_everyone, register
from weaponized_interdependence.indicators.finance.sinkrank import OFF
from weaponized_interdependence.indicators.finance.walks import ALIKE, chain_on, scored, stationary
from weaponized_interdependence.indicators.routing.chains import EQUAL
from weaponized_interdependence.network import Floats, Ints, Network, to_sparse
from weaponized_interdependence.terms import Basis

_MOST_PROFILE = 50_000  # n^2 steps: about half a minute
_BLOCKS = (
    "Borgatti and Everett (1999), Models of core/periphery structures, Social Networks 21(4): 375-395; Craig and von "
    "Peter (2014), Interbank tiering and money center banks, Journal of Financial Intermediation 23(3): 322-347; that "
    "the best split goes by degree: Lip (2011), A fast algorithm for the discrete core/periphery bipartitioning problem"
)
_SPLIT = (
    "Errors are ties missing between two core nodes and ties present between two peripheral ones; ties of the core "
    "with the periphery are free. The split is the exact minimum: of c core nodes it has c (c - 1) + m less the "
    "degrees of the core, so the core are the nodes of most ties, and of equally good splits that with the smaller "
    "core. "
)
_TIES = (
    "none beyond which ties count: those of at least least_tie of the item's value (all, unless set); where nodes have "
    "equally many ties, the value they send and receive decides; a node's flows to itself are left out"
)


@dataclass(frozen=True, eq=False)
class Split:
    """The best split of one network.

    `coreness` (n,): 1 core, 0 periphery, r/k for each of k nodes alike of which r are core. `errors`: how many, of
    `ties`; `penalised`: with Craig and von Peter's penalty, at most.
    """

    coreness: Floats
    errors: float
    penalised: float
    ties: int


@register(
    title="Core member",
    formula="argmin over cores C of [ sum of i, j in C of (1 - a_ij) + sum of i, j not in C of a_ij ], with a_ij = 1 "
    "where i has a tie to j, i != j: 1 in C, 0 outside",
    weight_meaning=_TIES,
    unit="membership, 0 or 1",
    citation=_BLOCKS,
    notes=_SPLIT + "Of k nodes alike in ties and value (within a relative 1e-12) of which only r fit, each has r/k. "
    "On dense data least_tie must be set: where nearly everyone has some tie with everyone, however small, nearly all "
    "are core by any such split. How well the split fits is "
    "core_periphery_error.",
    knobs=frozenset({"least_tie"}),
    best=Basis.ESTIMATED,
)
def core_member(context: Context) -> pl.DataFrame:
    """Whether the node belongs to the core of the core-periphery split that fits the ties best.

    Examples
    --------
    Two banks lend to each other and each serves two others: no error.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> ties = [("B1", "B2", 9), ("B2", "B1", 9), ("B1", "x", 1), ("y", "B1", 1), ("B2", "z", 1), ("u", "B2", 1)]
    >>> worked("core_member", ties)
    {'B1': 1.0, 'B2': 1.0, 'u': 0.0, 'x': 0.0, 'y': 0.0, 'z': 0.0}
    """
    return by_network(context, lambda net: _split(net, context.knobs["least_tie"]).coreness)


@register(
    title="Core-periphery error",
    formula="min over cores C of [ sum of i, j in C of (1 - a_ij) + sum of i, j not in C of a_ij ] / sum_ij a_ij",
    weight_meaning=_TIES,
    unit="errors a tie",
    citation=_BLOCKS,
    notes=_SPLIT + "Low fits. Craig and von Peter add a penalty, the size of the periphery, for every core node that "
    "lends to no peripheral one and for every one that borrows from none: the least error with it lies between low "
    "(the score) and high (this split with its penalty), and where they are equal the split is also theirs. Not "
    "defined (null) where no tie counts.",
    knobs=frozenset({"least_tie"}),
    best=Basis.ESTIMATED,
    of_item=True,
)
def core_periphery_error(context: Context) -> pl.DataFrame:
    """How many ties, of those there are, contradict the best split of the network into core and periphery.

    Examples
    --------
    Two banks lend to each other and each serves two others; x -> u is the one tie too many of 7.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> ties = [("B1", "B2", 9), ("B2", "B1", 9), ("B1", "x", 1), ("y", "B1", 1), ("B2", "z", 1), ("u", "B2", 1)]
    >>> worked("core_periphery_error", [*ties, ("x", "u", 1)])
    {'ALL': 0.142857142857}
    """
    found = [(item, _split(net, context.knobs["least_tie"])) for item, net in context.networks()]
    low, high = (
        np.array([e / split.ties if split.ties else np.nan for e, split in pairs], dtype=np.float64)
        for pairs in ([(s.errors, s) for _, s in found], [(s.penalised, s) for _, s in found])
    )
    frame = of_everyone(pl.Series([item for item, _ in found], dtype=pl.String), low)
    return frame.with_columns(low=pl.col("score"), high=pl.Series(high, dtype=pl.Float64, nan_to_null=True))


@register(
    title="Core profile",
    formula="a_k = sum of i, j in S_k of p_i P_ij / sum of i in S_k of p_i, S_k made of S_k-1 and the node that leaves "
    "a_k least; P_ij = v_ij / sum_k v_ik, p its stationary law; the score of a node is the a_k with which it enters",
    weight_meaning="flow value is the strength of a tie; a walker follows a tie with probability proportional to it; "
    "self-loops are left out",
    unit="probability of staying, 0 to 1",
    citation="Della Rossa, Dercole and Piccardi (2013), Profiling core-periphery network structure by random walkers, "
    "Scientific Reports 3: 1467",
    notes=OFF.replace("With a teleport everyone is scored. ", "") + "The first to enter is the node of least p. Nodes "
    "that tie (a_k and p within a relative 1e-10) enter together, where the paper draws one: where all are alike, all "
    "are core. n^2 steps: at most 50,000 nodes.",
    best=Basis.ESTIMATED,
)
@on_one_blas_thread
def core_profile(context: Context) -> pl.DataFrame:
    """How likely a walker stays among the nodes that are no more central than this one: 0 periphery, 1 the last core.

    Examples
    --------
    The leaves of a star have no ties with each other; once the hub is in, the walker cannot leave.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("core_profile", [("hub", "a", 1), ("a", "hub", 2), ("hub", "b", 3), ("b", "hub", 4)])
    {'a': 0.0, 'b': 0.0, 'hub': 1.0}
    """
    parts = []
    for item, net in context.networks():
        chain, scores = chain_on(to_sparse(net)), np.full(len(net.nodes), np.nan)
        if chain is not None:
            if chain.size > _MOST_PROFILE:
                raise ModelError(
                    f"{chain.size} nodes are too many for a core profile",
                    mend=f"aggregate to at most {_MOST_PROFILE} nodes, or use core_member",
                )
            scores[chain.nodes] = _profile(chain.matrix, stationary(chain))
        parts.append(scored(item, net.nodes, scores))
    return pl.concat(parts) if parts else pl.DataFrame(schema=RESULT)


def _split(net: Network, least_tie: float) -> Split:
    """The split of least error, by degree."""
    n, _ = net.size
    counts = net.strength >= least_tie * np.sort(net.strength).sum()  # sorted: the same total in whatever order
    origin, destination = net.origin[counts], net.destination[counts]
    m = len(origin)
    degree = np.bincount(origin, minlength=n) + np.bincount(destination, minlength=n)
    value = _traded(net)
    order = np.lexsort((-value, -degree))
    gain = degree[order] - 2 * np.arange(n)  # errors less by taking one more into the core; falls at every step
    size = int(np.count_nonzero(gain > 0))
    errors = m - int(gain[:size].sum())
    coreness = np.zeros(n)
    coreness[order[:size]] = 1.0
    if 0 < size < n:
        last, close = order[size - 1], EQUAL * value.max()
        kin = (degree == degree[last]) & (np.abs(value - value[last]) <= close)
        coreness[kin] = np.count_nonzero(kin[order[:size]]) / np.count_nonzero(kin)
    return Split(coreness, errors, errors + _penalty(origin, destination, coreness), m)


def _penalty(origin: Ints, destination: Ints, coreness: Floats) -> float:
    """Craig and von Peter's penalty: the size of the periphery for each core node that lends to no peripheral one, and
    for each that borrows from none. Of nodes alike the worst are taken for core.
    """
    n, size = len(coreness), round(float(coreness.sum()))
    outside = coreness == 0
    lends = np.bincount(origin, outside[destination], minlength=n) > 0
    borrows = np.bincount(destination, outside[origin], minlength=n) > 0
    missing = 2 - lends.astype(np.int64) - borrows
    sure, kin = coreness == 1, (coreness > 0) & (coreness < 1)
    places = size - int(np.count_nonzero(sure))
    worst = int(missing[sure].sum()) + places * int(missing[kin].max(initial=0))
    return float((n - size) * worst)


def _traded(net: Network) -> Floats:
    """Value that each node sends and receives, added up smallest first: the same in whatever order nodes come."""
    order = np.argsort(net.strength, kind="stable")
    ends = np.stack((net.origin[order], net.destination[order]), axis=1).ravel()
    summed = np.bincount(ends, np.repeat(net.strength[order], 2), minlength=len(net.nodes))
    return np.asarray(summed, dtype=np.float64)


def _profile(matrix: Any, law: Floats) -> Floats:
    """Probability of staying of the set with which each node enters, (c,)."""
    from scipy import sparse

    n = len(law)
    forth = sparse.csr_array(sparse.diags_array(law) @ matrix)
    flow = sparse.csr_array(forth + forth.T)  # what entering j adds to the flow inside, by those inside
    gained, score = np.zeros(n), np.zeros(n)
    mass, inside = 0.0, 0.0
    left = np.arange(n)
    while len(left):
        staying = (inside + gained[left]) / (mass + law[left])
        best = staying <= staying.min() * (1 + ALIKE) + EQUAL
        least = law[left[best]].min()
        entering = left[best][law[left[best]] <= least * (1 + ALIKE)]
        for j in entering:
            inside += gained[j]
            row = slice(flow.indptr[j], flow.indptr[j + 1])
            gained[flow.indices[row]] += flow.data[row]
            mass += law[j]
        score[entering] = inside / mass
        left = left[~np.isin(left, entering)]
    return np.asarray(np.clip(score, 0.0, 1.0))
