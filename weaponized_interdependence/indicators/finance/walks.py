"""Random walks along the flows: the chain a walker makes, its first passages and its visits, all from one inverse.

A walker at i goes to j with probability P_ij = v_ij / sum_k v_ik; flows of a node to itself are kept, unless an
indicator says otherwise. With u any weights that sum to one and

    G = (I - P + 1u')^-1        so that (I - P) G = I - 1 pi',  G1 = 1  and  pi' = u'G is the stationary law,

differences within a column of G are those of the fundamental matrix (I - P + 1 pi')^-1 (Kemeny and Snell 1960), and one
inverse serves all nodes:

    mean first passage          H_st = (G_tt - G_st) / pi_t
    from starts mu to a set T   sum_s mu_s H_sT = (sum mu - (mu'G)_T g) / (pi_T' g),  where G_TT g = 1
    visits to i before t        G_si - G_ti + pi_i H_st

Where walks end. On most trade and payment networks some nodes only send or only receive, and no stationary law reaches
all nodes. Unless a teleport is set, the walk is kept inside the largest strongly connected class (of equally large
ones that in which more value flows; where that is equal too, none): flows that leave it are left out. Nodes outside
have no score, and neither has anyone where the chain is so nearly in pieces that double precision cannot tell. With a
teleport the walker jumps, with that probability and always from a node that sends nothing, to any node alike: all are
scored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import fsum
from typing import Any, Protocol

import numpy as np
import polars as pl

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import RESULT, Context
from weaponized_interdependence.network import Floats, Ints, Network, to_sparse

EQUAL = 1e-12  # values of two classes that differ by less are equal
ALIKE = 1e-10  # scores that differ by less are equal: far above what the order of elimination does to them
MOST_NODES = 8_000  # one matrix of n x n float64: half a gigabyte, and about a minute of CPU
_WORST = 1e-11  # reciprocal condition of I - P + 1u' below which digits that matter are lost
_SWEEPS, _SWEPT = 20, 1e-14
_SOLVED = 1e-12


@dataclass(frozen=True, eq=False)
class Chain:
    """An irreducible chain, P = matrix + jump 1'/c, on c of a network's nodes.

    - `nodes` (c,): their positions in the network
    - `matrix` (c, c): CSR, steps along flows
    - `jump` (c,): probability of going to any node alike instead; zeros without a teleport
    - `sent` (c,): value that each sends within the chain, to itself included
    """

    nodes: Ints
    matrix: Any
    jump: Floats
    sent: Floats

    @property
    def size(self) -> int:
        """How many nodes it is on."""
        return len(self.nodes)


class Walks(Protocol):
    """What first passages are made of, however it is computed."""

    @property
    def chain(self) -> Chain: ...  # noqa: D102
    @property
    def stationary(self) -> Floats: ...  # noqa: D102

    def block(self, members: Ints) -> Floats:
        """G_TT."""

    def gathered(self, start: Floats) -> Floats:
        """mu'G, (c,)."""


@dataclass(frozen=True, eq=False)
class Inverse:
    """`Walks` from the whole of G, (c, c): for all nodes at once."""

    chain: Chain
    G: Floats
    stationary: Floats

    def block(self, members: Ints) -> Floats:
        """G_TT."""
        return np.asarray(self.G[np.ix_(members, members)])

    def gathered(self, start: Floats) -> Floats:
        """mu'G, (c,)."""
        return np.asarray(start @ self.G)


@dataclass(frozen=True, eq=False)
class Columns:
    """`Walks` by an iterative solve for each column of G that is asked for: memory grows with flows."""

    chain: Chain
    stationary: Floats

    def block(self, members: Ints) -> Floats:
        """G_TT."""
        unit = np.zeros(self.chain.size)
        found = np.empty((len(members), len(members)))
        for k, t in enumerate(members):
            unit[t] = 1.0
            found[:, k] = _krylov(self.chain, unit)[members]
            unit[t] = 0.0
        return found

    def gathered(self, start: Floats) -> Floats:
        """mu'G, (c,)."""
        return _krylov(self.chain, start, transposed=True)


def chain_on(flows: Any, teleport: float = 0.0) -> Chain | None:
    """The chain of a sparse matrix of flows (n, n), origins in rows; None where fewer than two nodes can be walked.

    >>> from scipy import sparse
    >>> chain = chain_on(sparse.csr_array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0], [0.0, 0.0, 0.0]]))
    >>> chain.nodes.tolist(), chain.matrix.toarray().tolist()
    ([0, 1], [[0.0, 1.0], [1.0, 0.0]])
    """
    from scipy import sparse

    nodes = np.arange(flows.shape[0]) if teleport else largest_class(flows)
    if len(nodes) < 2:
        return None
    inside = flows if len(nodes) == flows.shape[0] else flows[nodes][:, nodes]
    sent = np.asarray(inside.sum(axis=1), dtype=np.float64).ravel()
    some = sent > 0
    onward = np.where(some, 1.0 - teleport, 0.0)
    scale = np.divide(onward, sent, out=np.zeros(len(sent)), where=some)
    matrix = sparse.csr_array(sparse.diags_array(scale) @ inside)
    return Chain(np.asarray(nodes, dtype=np.int64), matrix, 1.0 - onward, sent)


def largest_class(flows: Any) -> Ints:
    """Positions of the strongly connected class that a walk is kept in; empty where two are equal in all."""
    classes = sorted(strong_classes(flows), key=len)
    largest = [c for c in classes if len(c) == len(classes[-1])] if classes else []
    if len(largest) > 1:
        inside = [fsum(flows[c][:, c].data) for c in largest]  # exact, so that it does not depend on the order
        most = max(inside)
        largest = [c for c, value in zip(largest, inside, strict=True) if value >= most * (1 - EQUAL)]
    return largest[0] if len(largest) == 1 else np.empty(0, dtype=np.int64)


def strong_classes(flows: Any) -> list[Ints]:
    """The strongly connected classes of two nodes and more, as positions."""
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(flows, directed=True, connection="strong")
    order = np.argsort(label, kind="stable").astype(np.int64)
    sizes = np.bincount(label, minlength=count)
    return [c for c in np.split(order, np.cumsum(sizes)[:-1]) if len(c) > 1]


def inverse(chain: Chain) -> Inverse | None:
    """G of a chain by one inverse in place; None where it is too ill-conditioned to be read.

    Raises ModelError above MOST_NODES, before any work.
    """
    from scipy.linalg import lapack

    n = chain.size
    if n > MOST_NODES:
        raise ModelError(
            f"{n} nodes are too many for the walks of all nodes: a matrix of {n} x {n} numbers would be inverted",
            mend=f"aggregate to at most {MOST_NODES} nodes, rank each item by itself, or leave out small flows; "
            "sinkrank needs no such matrix for nodes named as jurisdictions",
        )
    matrix = _system(chain)
    factors, pivots, failed = lapack.dgetrf(matrix, overwrite_a=True)
    # A row of I - P + 1u' adds up to three at most, in absolute values.
    if failed or lapack.dgecon(factors, 3.0, norm="I")[0] < _WORST:
        return None
    G, failed = lapack.dgetri(factors, pivots, lwork=int(lapack.dgetri_lwork(n)[0]), overwrite_lu=True)
    return Inverse(chain, G, _swept(chain, G.mean(axis=0)))


def columns(chain: Chain) -> Columns:
    """G of a chain column by column; ModelError where the solver does not converge."""
    return Columns(chain, stationary(chain))


def stationary(chain: Chain) -> Floats:
    """The stationary law pi of a chain, (c,), with time and memory that grow with flows."""
    return _swept(chain, _krylov(chain, np.full(chain.size, 1.0 / chain.size), transposed=True))


def passage(walks: Walks, members: Ints, start: Floats) -> float:
    """sum_s mu_s H_sT: start weights times the mean number of steps until any of the members is reached."""
    weights = np.linalg.solve(walks.block(members), np.ones(len(members)))
    reached = float(walks.stationary[members] @ weights)
    return (float(start.sum()) - float(walks.gathered(start)[members] @ weights)) / reached


def passages(walks: Inverse, start: Floats) -> Floats:
    """sum_s mu_s H_st for every t by itself, (c,)."""
    own = walks.G.diagonal()
    return np.asarray((own * start.sum() - walks.gathered(start)) / walks.stationary)


def alike(scores: Floats) -> Floats:
    """The scores, those that rounding alone tells apart made equal: the least of each run of neighbours within ALIKE.

    What is the same by symmetry comes out of an elimination a few units of the last place apart, and would be ranked.

    >>> alike(np.array([2 / 3, 0.1, 2 / 3 + 1e-15, np.nan])).tolist()
    [0.6666666666666666, 0.1, 0.6666666666666666, nan]
    """
    known = np.flatnonzero(np.isfinite(scores))
    order = known[np.argsort(scores[known], kind="stable")]
    ranked = scores[order]
    first = np.append(True, np.diff(ranked) > ALIKE * np.abs(ranked[1:]))[: len(ranked)]
    settled = scores.copy()
    settled[order] = ranked[np.flatnonzero(first)][np.cumsum(first) - 1]
    return settled


def walked(context: Context) -> Iterator[tuple[str, Network]]:
    """(item, network with its self-loops) of every item with a flow between two nodes."""
    for item, net in context.networks("keep"):
        if (net.origin != net.destination).any():
            yield item, net


def walks_of(context: Context, item: str, net: Network) -> Inverse | None:
    """The walks of one item; kept for the next indicator where it is the only one."""
    teleport = context.knobs["teleport"]

    def make() -> Inverse | None:
        chain = chain_on(to_sparse(net), teleport)
        return None if chain is None else inverse(chain)

    # Thousands of them would fill the memory.
    return context.keep(("walks", item, teleport), make) if len(context.coded.items) == 1 else make()


def by_walks(context: Context, score: Callable[[Inverse], Floats]) -> pl.DataFrame:
    """One score a node, item by item, from the walks of its network; null off the chain."""
    parts = []
    for item, net in walked(context):
        scores = np.full(len(net.nodes), np.nan)
        if (walks := walks_of(context, item, net)) is not None:
            scores[walks.chain.nodes] = score(walks)
        parts.append(scored(item, net.nodes, scores))
    return pl.concat(parts) if parts else pl.DataFrame(schema=RESULT)


def scored(item: str, nodes: Any, scores: Floats) -> pl.DataFrame:
    """Rows of one item; a score that is not finite is not defined."""
    score = pl.Series(alike(scores), dtype=pl.Float64)
    return pl.DataFrame(
        {"item": [item] * len(score), "node": list(nodes), "counterpart": [None] * len(score), "score": score},
        schema=RESULT,
    ).with_columns(score=pl.when(pl.col("score").is_finite()).then(pl.col("score")))


def _system(chain: Chain) -> Floats:
    """I - P + 1u' with u = 1/c, in the order that LAPACK overwrites without a copy."""
    n = chain.size
    dense = np.empty((n, n), order="F")
    dense[:] = ((1.0 - chain.jump) / n)[:, None]
    steps = chain.matrix.tocoo()
    dense[steps.row, steps.col] -= steps.data
    dense[np.diag_indices(n)] += 1.0
    return dense


def _swept(chain: Chain, law: Floats) -> Floats:
    """A stationary law whose least entries are as exact as its largest.

    An entry of 1e-12 that comes out of an elimination has four good digits. Each sweep makes every entry anew out of
    those of its predecessors by adding up what is not negative, which keeps digits.
    """
    n, own = chain.size, chain.matrix.diagonal()
    onward = chain.matrix.T
    staying = own + chain.jump / n
    law = np.maximum(law, 0.0)
    for _ in range(_SWEEPS):
        arriving = onward @ law - own * law + (chain.jump @ law - chain.jump * law) / n
        swept = np.maximum(arriving, 0.0) / (1.0 - staying)
        swept /= swept.sum()
        settled = (np.abs(swept - law) <= _SWEPT * swept).all()
        law = swept
        if settled:
            break
    return np.asarray(law, dtype=np.float64)


def _krylov(chain: Chain, right: Floats, *, transposed: bool = False) -> Floats:
    """Solve (I - P + 1u') x = b, or its transpose, by GMRES; ModelError where it does not get there."""
    from scipy.sparse.linalg import LinearOperator, gmres

    n = chain.size
    steps = chain.matrix.T.tocsr() if transposed else chain.matrix
    back = (1.0 - chain.jump) / n

    def times(x: Floats) -> Floats:
        x = x.ravel()
        return np.asarray(x - steps @ x + (back @ x if transposed else back * x.sum()))

    scale = 1.0 / (1.0 - chain.matrix.diagonal() + back)
    system = LinearOperator((n, n), matvec=times, dtype=np.float64)
    nearly = LinearOperator((n, n), matvec=lambda x: scale * x.ravel(), dtype=np.float64)
    found, _ = gmres(system, right, M=nearly, rtol=_SOLVED, restart=60, maxiter=50)
    left = float(np.linalg.norm(times(found) - right) / np.linalg.norm(right))
    if not left <= 100 * _SOLVED:
        raise ModelError(
            f"the walk mixes too slowly for an iterative solution (a residual of {left:.1g} is left)",
            mend="set a teleport, or leave out ties that are tiny",
        )
    return np.asarray(found, dtype=np.float64)
