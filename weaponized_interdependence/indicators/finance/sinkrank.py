"""How soon what is sent anywhere ends up at a node: SinkRank."""

from collections.abc import Callable

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import RESULT, Context, register
from weaponized_interdependence.indicators.finance.walks import (
    Chain,
    Inverse,
    Walks,
    by_walks,
    chain_on,
    columns,
    passage,
    passages,
    scored,
    walked,
    walks_of,
)
from weaponized_interdependence.network import Floats, Network, to_sparse
from weaponized_interdependence.terms import Basis

_WEIGHTS = (
    "flow value is the strength of a tie; a walker follows a tie with probability proportional to it; self-loops are "
    "kept, and cost a step"
)
_CITATION = (
    "Soramaki and Cook (2013), SinkRank: an algorithm for identifying systemically important banks in payment "
    "systems, Economics: The Open-Access, Open-Assessment E-Journal 7 (2013-28)"
)
OFF = (
    "The walk is kept inside the largest strongly connected class (of equally large ones that in which more value "
    "flows), and flows that leave it are left out. Not defined (null) outside, so for nodes that only send or only "
    "receive (sinks), and where two classes are equal or nearly in pieces. With a teleport everyone is scored. "
)
_NOTES = (
    OFF + "A jurisdiction that is a group is one sink: reached when any of its members is. All nodes at once take one "
    "matrix of nodes squared (at most 8,000 nodes); nodes named as jurisdictions on a larger network take one "
    "iterative solution each, and memory of the flows only. Scores within a relative 1e-10 are equal."
)
# Below this one inverse costs no more than solving for a few nodes.
_SMALL = 300
_READS = {"needs": frozenset({"jurisdiction"}), "knobs": frozenset({"teleport"})}


@register(
    title="SinkRank",
    formula="S(t) = (n - 1) / sum_{s != t} H_st, H_st the mean number of steps from s until t is first reached, with "
    "P_ij = v_ij / sum_k v_ik",
    weight_meaning=_WEIGHTS,
    unit="per step, 0 to 1",
    citation=_CITATION,
    orientation="imports",
    notes=_NOTES,
    best=Basis.ESTIMATED,
    **_READS,
)
@on_one_blas_thread
def sinkrank(context: Context) -> pl.DataFrame:
    """Inverse of the mean number of steps a payment takes to end at the node, from a start at any other alike.

    Examples
    --------
    In a circle A is one step from C and two from B: 2 / (1 + 2).

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("sinkrank", [("A", "B", 1), ("B", "C", 1), ("C", "A", 1)])
    {'A': 0.666666666667, 'B': 0.666666666667, 'C': 0.666666666667}
    """
    return _sinkrank(context, _uniform)


@register(
    title="SinkRank, weighted",
    formula="S(t) = sum_{s != t} m_s / sum_{s != t} m_s H_st, H_st the mean number of steps from s until t is first "
    "reached and m_s the value that s sends",
    weight_meaning=f"{_WEIGHTS}; the walk starts with probability proportional to the value a node sends in the class",
    unit="per step, 0 to 1",
    citation=_CITATION,
    orientation="imports",
    notes=_NOTES,
    best=Basis.ESTIMATED,
    **_READS,
)
@on_one_blas_thread
def sinkrank_weighted(context: Context) -> pl.DataFrame:
    """Inverse of the mean number of steps until a payment ends at the node, starts weighted by value sent.

    Examples
    --------
    B and C send all to A, and A sends 3 to B and 1 to C. To B it takes 1 step from C via A and on: from A in 3 of 4
    cases 1 step, else 2 more, so H = 1 + H / 4 + 1 / 4 = 5/3, and 8/3 from C. Starts count 4 for A and 1 for C.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 3), ("A", "C", 1), ("B", "A", 3), ("C", "A", 1)]
    >>> worked("sinkrank_weighted", flows)["B"]  # 5 / (4 * 5/3 + 1 * 8/3)
    0.535714285714
    """
    return _sinkrank(context, _sent)


def _uniform(chain: Chain) -> Floats:
    return np.ones(chain.size)


def _sent(chain: Chain) -> Floats:
    return np.asarray(chain.sent / chain.sent.sum())


def _sinkrank(context: Context, starts: Callable[[Chain], Floats]) -> pl.DataFrame:
    if context.jurisdictions is None:
        return by_walks(context, lambda walks: _all(walks, starts(walks.chain)))
    parts = [_named(context, item, net, starts) for item, net in walked(context)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=RESULT)


def _all(walks: Inverse, start: Floats) -> Floats:
    """Every node by itself; not defined where nothing starts elsewhere."""
    elsewhere = start.sum() - start
    steps = passages(walks, start)
    return np.asarray(np.divide(elsewhere, steps, out=np.full(len(start), np.nan), where=elsewhere > 0))


def _named(context: Context, item: str, net: Network, starts: Callable[[Chain], Floats]) -> pl.DataFrame:
    """The jurisdictions asked for, each as one sink of those of its members that are on the chain."""
    parties = context.jurisdictions or ()
    scores = np.full(len(parties), np.nan)
    chain = chain_on(to_sparse(net), context.knobs["teleport"])
    if chain is not None:
        walks: Walks | None = walks_of(context, item, net) if chain.size <= _SMALL else columns(chain)
        place = {net.nodes[position]: k for k, position in enumerate(chain.nodes)}
        start = starts(chain)
        for p, party in enumerate(parties):
            members = np.array([place[code] for code in party.codes if code in place], dtype=np.int64)
            elsewhere = float(start.sum() - start[members].sum())
            if walks is not None and 0 < len(members) < chain.size and elsewhere > 0:
                scores[p] = elsewhere / passage(walks, members, start)
    return scored(item, [party.label for party in parties], scores)
