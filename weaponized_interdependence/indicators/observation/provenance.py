"""Who can observe when every node hands on a mixture of all it has: whose hands a unit passed on its way to its user.

A node's pool is what it received and, where it sent more than that, its own supply on top. Mixing in proportion, a unit
in the pool of t came from u with probability W_ut / pool_t, or began here with a_t = supply_t / pool_t. Following it
back is an absorbing walk, with B_tu = W_ut / pool_t:

    supply_u = max(0, sent_u - received_u)      pool_u = max(sent_u, received_u)      consumption_t = pool_t - sent_t

The walk slips through the hands of J with probability q_v = 1 - grip_J(v) at every visit of v, each independently, ends
included. So the probability that a unit in the pool of t was never touched is E_t = q_t (a_t + sum_u B_tu E_u), that is
E = G_J (q a) with G_J = (I - D_q B)^-1. One G = (I - B)^-1, or those columns of it that are needed, serves every
jurisdiction: with K the nodes that it grips,

    G_J = G - G_K (I + D_g (G - I)_KK)^-1 D_g (G - I)_K.        (Woodbury)

Over a target t the walk ends as well when it returns to t; that changes one row and needs the diagonal of G_J. A target
of several nodes is one receiver: what its members send each other is left out.

Differences of less than a relative 1e-12 between sent and received are none. A group of nodes that only passes value
round, with no supply among them, has no beginning to be followed to: its value is not routed. By conservation such a
group sends nothing to others and consumes nothing, so no other score lacks anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.base import RESULT, Context, register, surplus
from weaponized_interdependence.indicators.routing.chains import EQUAL
from weaponized_interdependence.indicators.routing.direct import Scope, refuse_many
from weaponized_interdependence.indicators.routing.reach import Grip, grips, jurisdictions, reach_table, targets
from weaponized_interdependence.indicators.routing.routes import TALLY, TOUCH, quotient
from weaponized_interdependence.network import Floats, Ints, Network, to_sparse
from weaponized_interdependence.terms import Basis

# Up to so many nodes G is made whole, as a dense matrix of at most 128 MB; beyond, the columns that are needed.
MOST_DENSE = 4_000
# Columns of G (nodes gripped, and targets) times ties: some minutes where supply is a fair part of what is handed on.
MOST_WORK = 1_000_000_000
# Cells (gripped nodes and targets) x targets kept for scores over targets.
MOST_CELLS = 25_000_000
_BLOCK = 32_000_000  # cells solved at a time, 256 MB
_STEPS = 100_000
_NEGLIGIBLE = 1e-16
_SETTLED = 1e-9

_MIX = (
    "the path of a unit followed back by proportional mixing: at t it came from u with probability W_ut / pool_t or "
    "began there with supply_t / pool_t, supply = max(0, sent - received), pool = max(sent, received)"
)
_WEIGHTS = "flow value, as a share of the receiver's pool; a node's flows to itself are left out"
_CITATION = (
    "Farrell and Newman (2019), International Security 44(1): 42-79, doi:10.1162/isec_a_00351 (concept); Bialek "
    "(1996), Tracing the flow of electricity, IEE Proceedings - Generation, Transmission and Distribution 143(4): "
    "313-320 (proportional sharing in flow networks) [from memory]; the formula is this project's"
)
_NOTES = (
    TOUCH
    + " Reads the flows alone, whatever the layer. Mixing in proportion is an assumption: it fits one homogeneous "
    "item or money better than a total of many goods, where re-exports of one are taken for the passing on of another. "
    "At every return to a node chance is drawn anew. Value that circles without any supply is not routed."
)


@register(
    title="Panopticon by provenance (random walk)",
    formula=f"Pan_w(J) = sum_t c_t P[path to t touches J] / sum_t c_t, c_t = max(0, received_t - sent_t), {_MIX}",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    notes=_NOTES + " Weighs by final consumption, which sums to total supply; not defined (null) where there is none.",
    needs=frozenset({"jurisdiction", "controls", "capacity"}),
    best=Basis.ESTIMATED,
)
def panopticon_walk(context: Context) -> pl.DataFrame:
    """Share of all value finally consumed that has passed through the jurisdiction's hands.

    Examples
    --------
    A supplies 5, B 1 (it sends 5 and received 4), and C consumes 6. Of C's 6, 5 came from B, and 4/5 of those from A.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("panopticon_walk", [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)])
    {'A': 0.833333333333, 'B': 0.833333333333, 'C': 1.0}
    """
    return quotient(context, "all", _tally(context, "all"))


@register(
    title="Panopticon by provenance, extraterritorial",
    formula=f"Pan_w,ext(J) = value whose path touches J / all value, of what begins and is consumed outside J, {_MIX}",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    notes=_NOTES + " Not defined (null) where all value, but for a trillionth, begins or is consumed in J.",
    needs=frozenset({"jurisdiction", "controls", "capacity"}),
    best=Basis.ESTIMATED,
)
def panopticon_walk_extraterritorial(context: Context) -> pl.DataFrame:
    """Share of value that others supply and consume that has passed through the jurisdiction's hands.

    Examples
    --------
    Of what C consumes, 1 is B's own; of the 5 from A, 4 came through B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("panopticon_walk_extraterritorial", [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)])
    {'A': 0.0, 'B': 0.8, 'C': None}
    """
    return quotient(context, "extraterritorial", _tally(context, "extraterritorial"))


@register(
    title="Panopticon by provenance over a target",
    formula=f"Pan_w(J -> t) = P[path to t touches J] of a unit that t received, {_MIX}; the path ends too when it "
    "returns to t",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    notes=_NOTES
    + " Weighs by all that t receives, whether it consumes it or hands it on. Pairs with a target inside J "
    "have no row; with neither jurisdictions nor targets named, nor have pairs with a score of zero. Not defined "
    "(null) for a named target that receives nothing with a supply behind it. Never less than chokepoint_capacity.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity"}),
    best=Basis.ESTIMATED,
)
def panopticon_walk_target(context: Context) -> pl.DataFrame:
    """Share of what a target receives that has passed through the jurisdiction's (node's) hands.

    Examples
    --------
    C hands 2 on to D, a mixture of all it has: 5/6 came through B; 4/5 of that, and the other 1/6, came from A.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1), ("C", "D", 2)]
    >>> worked("panopticon_walk_target", flows, target=["D"])
    {('A', 'D'): 0.833333333333, ('B', 'D'): 0.833333333333, ('C', 'D'): 1.0}
    """
    made = _tally(context, "target")
    scores = quotient(context, "target", made)
    if context.targets is None:
        return scores
    nothing = made.filter(pl.col("routed") == 0).select("item", node="jurisdiction", counterpart="counterpart")
    return pl.concat([scores, nothing.with_columns(score=pl.lit(None, dtype=pl.Float64)).cast(RESULT)])


@on_one_blas_thread
def _tally(context: Context, scope: Scope) -> pl.DataFrame:
    if scope == "target":
        nodes = sorted(context.nodes)
        items = context.edges["item"].n_unique()
        refuse_many(items * len(jurisdictions(context, nodes)) * len(targets(context, nodes)))
    rows = (row for item, net in context.networks() for row in _tally_item(context, item, net, scope))
    return pl.DataFrame(list(rows), schema=TALLY, orient="row")


def _tally_item(context: Context, item: str, net: Network, scope: Scope) -> Iterator[tuple[Any, ...]]:
    nodes = list(net.nodes)
    held_rows = reach_table(context, nodes)
    _refuse_large(context, net, scope, held_rows.height)
    mixing = Mixing.of(net)
    if scope == "target":
        yield from _over_targets(context, item, mixing, held_rows["node"].unique().to_list())
        return
    for held, columns in _columns(mixing, grips(context, nodes)):
        outside = ~held.member if scope == "extraterritorial" else np.ones(len(held.grip), dtype=bool)
        used, begun = mixing.consumption * outside, mixing.began * outside
        routed = float(used @ mixing.followed(begun, held, columns))
        lost = routed - float(used @ mixing.escaped((1 - held.grip) * begun, held, columns)[0])
        yield item, held.label, None, float(mixing.consumption.sum()), routed, _noiseless(lost, routed)


def _refuse_large(context: Context, net: Network, scope: Scope, held: int) -> None:
    """Raise UsageError, before any work, where too many systems would be solved one by one."""
    n, m = net.size
    solves = held + (sum(len(p.codes) for p in targets(context, list(net.nodes))) if scope == "target" else 0)
    if n > MOST_DENSE and solves * m > MOST_WORK:
        raise UsageError(
            f"provenance over {n:,} nodes takes {solves:,} solutions of as many equations with {m:,} ties",
            mend=f"name jurisdictions (and targets), at most {MOST_WORK:,} of their nodes times ties, or aggregate to "
            f"at most {MOST_DENSE:,} nodes",
        )


def _held(held: Grip) -> Ints:
    return np.flatnonzero((held.grip > 0) | held.member)


def _noiseless(lost: float, routed: float) -> float:
    """A difference of nearly equal numbers: zero where rounding alone is left; ModelError where rounding is all."""
    if not -_SETTLED * routed <= lost <= (1 + _SETTLED) * routed:
        raise _unsettled()
    return 0.0 if lost <= EQUAL * routed else min(lost, routed)


def _columns(mixing: "Mixing", everyone: Iterable[Grip]) -> Iterator[tuple[Grip, Floats]]:
    """Every jurisdiction with the columns of G of the nodes it grips, solved a block at a time."""
    waiting: list[tuple[Grip, Ints]] = []
    wanted = 0

    def solved() -> Iterator[tuple[Grip, Floats]]:
        nodes = np.unique(np.concatenate([own for _, own in waiting])) if waiting else np.zeros(0, dtype=np.int64)
        columns = mixing.columns(nodes)
        yield from ((held, columns[:, np.searchsorted(nodes, own)]) for held, own in waiting)

    for held in everyone:
        waiting.append((held, _held(held)))
        wanted += len(waiting[-1][1]) + 1
        if wanted * len(held.grip) >= _BLOCK:
            yield from solved()
            waiting, wanted = [], 0
    yield from solved()


@dataclass(frozen=True, eq=False)
class Mixing:
    """The walk back over one network of n nodes.

    - `nodes`: their names
    - `back`: B, sparse (n, n); rows and columns of nodes without a source are empty
    - `pool`, `began` (a), `consumption` (c): (n,), zero where there is no source
    """

    nodes: tuple[str, ...]
    back: Any
    pool: Floats
    began: Floats
    consumption: Floats

    @classmethod
    def of(cls, net: Network) -> "Mixing":
        """Mix in proportion; nodes that no supply reaches are left out."""
        n = len(net.nodes)
        sent, received = (np.bincount(end, net.strength, minlength=n) for end in (net.origin, net.destination))
        pool, more = np.maximum(sent, received), surplus(sent, received)
        known = _reached(net, np.flatnonzero(more > 0))
        kept = known[net.origin] & known[net.destination]
        tail, head = net.origin[kept], net.destination[kept]
        back = sparse.csr_array((net.strength[kept] / pool[head], (head, tail)), shape=(n, n))
        return cls(net.nodes, back, pool * known, np.maximum(more, 0) / pool, np.maximum(-more, 0) * known)

    @cached_property
    def inverse(self) -> Floats:
        """G, dense."""
        try:
            return np.asarray(np.linalg.inv(np.eye(len(self.pool)) - self.back.toarray()), dtype=np.float64)
        except np.linalg.LinAlgError as error:
            raise _unsettled() from error

    def solve(self, right: Floats) -> Floats:
        """G y, for y (n, k) of nothing below zero.

        Beyond MOST_DENSE nodes by y + B y + B^2 y + ..., walk by walk; all terms add, so nothing cancels.
        """
        if len(self.pool) <= MOST_DENSE:
            return self.inverse @ right
        found, step = right.copy(), right
        for _ in range(_STEPS):
            step = self.back @ step
            if step.max(initial=0.0) <= _NEGLIGIBLE:
                return found
            found += step
        raise _unsettled()

    @cached_property
    def whole(self) -> Floats:
        """G a: the probability (n,) that the walk back ends, which is one but for nodes without a source."""
        found = self.solve(self.began[:, None])[:, 0]
        if np.abs(found - (self.pool > 0)).max(initial=0.0) > _SETTLED:
            raise _unsettled()
        return found

    def columns(self, nodes: Ints) -> Floats:
        """G (n, k) of some nodes."""
        if len(self.pool) <= MOST_DENSE:
            return self.inverse[:, nodes]
        right = np.zeros((len(self.pool), len(nodes)))
        right[nodes, np.arange(len(nodes))] = 1.0
        return self.solve(right)

    def followed(self, start: Floats, held: Grip, columns: Floats) -> Floats:
        """G s for s that differs from `began` at nodes held only; `columns` is G of those."""
        own = _held(held)
        return np.asarray(self.whole - columns @ (self.began - start)[own])

    def escaped(self, start: Floats, held: Grip, columns: Floats) -> tuple[Floats, Floats]:
        """G_J s for s as in `followed`, and the matrix (k, k) of Woodbury's formula."""
        own = _held(held)
        grip, before = held.grip[own], self.followed(start, held, columns)
        inner = np.eye(len(own)) + grip[:, None] * (columns[own] - np.eye(len(own)))
        return before - columns @ np.linalg.solve(inner, grip * (before - start)[own]), inner


def _reached(net: Network, sources: Ints) -> npt.NDArray[np.bool_]:
    """Which nodes (n,) some source reaches."""
    n = len(net.nodes)
    first = sparse.csr_array((np.ones(len(sources)), (np.zeros(len(sources), dtype=np.int64), sources)), shape=(1, n))
    graph = sparse.block_array([[to_sparse(net), None], [first, sparse.csr_array((1, 1))]], format="csr")
    known = np.zeros(n + 1, dtype=bool)
    known[breadth_first_order(graph, n, return_predecessors=False)] = True
    return known[:n]


def _over_targets(context: Context, item: str, mixing: Mixing, held_nodes: list[str]) -> Iterator[tuple[Any, ...]]:
    """Rows of every jurisdiction over every target with flows here, less those with a member in the target."""
    position = {name: i for i, name in enumerate(mixing.nodes)}
    parties = [
        (p.label, np.array(sorted(position[c] for c in p.codes if c in position), dtype=np.int64))
        for p in targets(context, list(mixing.nodes))
    ]
    parties = [(label, nodes) for label, nodes in parties if len(nodes)]
    ends = np.unique(np.concatenate([nodes for _, nodes in parties])) if parties else np.zeros(0, dtype=np.int64)
    rows = np.union1d(ends, np.array([position[name] for name in held_nodes], dtype=np.int64))
    if len(rows) * len(ends) > MOST_CELLS:
        raise UsageError(
            f"{len(ends):,} targets and {len(rows):,} nodes gripped or targeted are too many at once",
            mend=f"name fewer: at most {MOST_CELLS:,} of one times the other",
        )
    whole = mixing.whole
    block = max(_BLOCK // len(mixing.nodes), 1)
    kept = [mixing.columns(ends[k : k + block])[rows] for k in range(0, len(ends), block)]
    into = np.hstack(kept) if kept else np.zeros((len(rows), 0))  # G of targets, at the rows of targets and those held
    received = [_received(mixing, nodes) for _, nodes in parties]
    total = float((mixing.pool * (whole > 0)).sum())
    for held, columns in _columns(mixing, grips(context, list(mixing.nodes))):
        own = _held(held)
        left, inner = mixing.escaped((1 - held.grip) * mixing.began, held, columns)
        ahead = into[np.searchsorted(rows, own)] - (own[:, None] == ends)
        change = np.linalg.solve(inner, held.grip[own][:, None] * ahead)  # G_J = G - G_K change
        at = into[np.searchsorted(rows, ends)].diagonal() - np.einsum("tk,kt->t", columns[ends], change)
        for (label, nodes), (routed, inside) in zip(parties, received, strict=True):
            if held.member[nodes].any():
                continue
            place = np.searchsorted(ends, nodes)
            if len(nodes) == 1:
                turned = (1 - left[nodes]) / at[place]
            else:
                among = into[np.ix_(np.searchsorted(rows, nodes), place)] - columns[nodes] @ change[:, place]
                turned = np.linalg.solve(among, 1 - left[nodes])
            slips = 1 - held.grip[nodes]
            escaping = float(mixing.pool[nodes] @ (1 - slips * (mixing.began[nodes] + inside) - turned))
            yield item, held.label, label, total, routed, _noiseless(routed - escaping, routed)


def _received(mixing: Mixing, nodes: Ints) -> tuple[float, Floats]:
    """What the members of a target receive from others, and the share of each one's pool from other members."""
    inside = np.asarray(mixing.back[nodes][:, nodes].sum(axis=1))
    share = np.asarray(mixing.back[nodes].sum(axis=1)) - inside
    return float(mixing.pool[nodes] @ share), inside


def _unsettled() -> ModelError:
    return ModelError(
        "provenance cannot be followed: nearly all value circles, with next to no supply behind it",
        mend="are flows both ways netted or rounded? Leave such circles out, or aggregate their nodes",
    )
