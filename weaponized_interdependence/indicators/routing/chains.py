"""Least-distance chains over a network of ties: which nodes lie on them, and what way around a node is left.

The tie rule. Every step of a chain is compared in floating point, and 0.1 + 0.1 + 0.1 is not 0.3 there. Two lengths
count as equal when they differ by at most a relative 1e-12: far above rounding, far below any difference that data can
carry. The rule is applied step by step: u stands before v on a least-distance chain from s when d(u) + length <=
d(v) (1 + 1e-12) and d(u) < d(v), d the least distances from s. So a long last step hides no difference of the steps
before it. All chains of such steps are equal and share a flow equally. (igraph counts lengths equal within about 1e-10,
networkx only when every bit agrees, so near-ties are where the three may differ; elsewhere they are tested to agree.)

Cost, with n nodes and m ties: n m to find the chains, then about n^2 for each jurisdiction (more with many ties of
equal length), and n^3 log n for the ways around all single nodes together. Some matrices are n x n.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import dijkstra

from weaponized_interdependence.indicators.kernels.tie_rule import EQUAL as EQUAL  # for those who ask the rule here
from weaponized_interdependence.indicators.routing.least_paths import countable
from weaponized_interdependence.network import Floats, Ints, Network, to_sparse

_BATCH = 4_000_000  # comparisons held at a time: tens of MB


@dataclass(frozen=True, eq=False)
class Dag:
    """Every least-distance chain from a batch of B sources, as steps (tail -> head) between states (source, node).

    State b*n + v is "at node v, having come from source b". Steps are sorted by level, the largest number of steps any
    chain takes to the head, and by head within a level: when a level is reached, all chains to its tails are known.
    """

    n: int
    sources: Ints
    distance: Floats
    tail: Ints
    head: Ints
    run: Ints  # where the steps of one head begin
    level: Ints  # where the runs of one level begin, and the number of runs

    def count(self, passing: Floats) -> Floats:
        """Sum over chains of the product of `passing` of their nodes, ends included: (B, n).

        With passing = 1 it is the number of chains; with 1 - grip it is the weight of those that slip through.
        ModelError where they are too many to count.
        """
        weight = np.zeros(len(self.sources) * self.n)
        weight[np.arange(len(self.sources)) * self.n + self.sources] = passing[self.sources]
        for steps, runs in self._levels():
            heads = self.head[self.run[runs]]
            with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e308: refused below
                sums = np.add.reduceat(weight[self.tail[steps]], self.run[runs] - steps.start)
                weight[heads] = sums * passing[heads % self.n]
        return countable(weight).reshape(len(self.sources), self.n)

    def carried(self, demand: Floats) -> Floats:
        """Demand (B, n) that passes strictly through each node, with equal chains sharing it: (n,)."""
        chains = self.count(np.ones(self.n)).ravel()
        wanted, through = demand.ravel(), np.zeros(len(self.sources) * self.n)
        for steps, _ in reversed(list(self._levels())):
            tails, heads = self.tail[steps], self.head[steps]
            # No chain leads to a node whose last step is too short to be added to its distance, nor on from there.
            share = np.divide(chains[tails], chains[heads], out=np.zeros(len(heads)), where=chains[heads] > 0)
            np.add.at(through, tails, share * (wanted[heads] + through[heads]))
        states = through.reshape(len(self.sources), self.n)
        states[np.arange(len(self.sources)), self.sources] = 0.0  # a flow starts at its source, it does not pass it
        return np.asarray(states.sum(axis=0), dtype=np.float64)

    def _levels(self) -> Iterator[tuple[slice, slice]]:
        ends = np.append(self.run, len(self.head))
        for first, last in zip(self.level[:-1], self.level[1:], strict=True):
            yield slice(int(ends[first]), int(ends[last])), slice(int(first), int(last))


def shortest(net: Network) -> Iterator[Dag]:
    """The chains from every node of the network, batch by batch."""
    n, m = net.size
    size = max(1, _BATCH // max(n, m, 1))
    matrix = to_sparse(net, "distance")
    for first in range(0, n, size):
        yield _dag(net, matrix, np.arange(first, min(first + size, n), dtype=np.int64))


def _dag(net: Network, matrix: Any, sources: Ints) -> Dag:
    n = len(net.nodes)
    distance = np.atleast_2d(dijkstra(matrix, indices=sources))
    at_tail, at_head = distance[:, net.origin], distance[:, net.destination]
    # A step must also lead away from the source, or a tie far shorter than the tolerance could close a circle.
    batch, tie = np.nonzero((at_tail + net.distance <= at_head * (1 + EQUAL)) & (at_tail < at_head))
    tail, head = batch * n + net.origin[tie], batch * n + net.destination[tie]
    depth = np.zeros(len(sources) * n, dtype=np.int64)
    while (late := depth[head] <= depth[tail]).any():
        np.maximum.at(depth, head[late], depth[tail[late]] + 1)
    order = np.lexsort((head, depth[head]))
    tail, head = tail[order], head[order]
    run = np.flatnonzero(np.diff(head, prepend=-1))
    level = np.append(np.flatnonzero(np.diff(depth[head[run]], prepend=0)), len(run))
    return Dag(n, sources, distance, tail, head, run, level)


@dataclass(frozen=True, eq=False)
class Chains:
    """All least-distance chains of a network that is small enough for n x n matrices."""

    net: Network
    dags: tuple[Dag, ...]

    @classmethod
    def of(cls, net: Network) -> "Chains":
        """Find the chains of a network."""
        return cls(net, tuple(shortest(net)))

    @cached_property
    def distance(self) -> Floats:
        """Least distance (n, n), infinite where there is no chain."""
        return self._stack([dag.distance for dag in self.dags])

    @cached_property
    def number(self) -> Floats:
        """How many chains share a flow, (n, n)."""
        return self._stack([dag.count(np.ones(len(self.net.nodes))) for dag in self.dags])

    def untouched(self, grip: Floats) -> Floats:
        """Probability (n, n) that the chain taken from row to column escapes every node's grip; 1 where there is none.

        A node on the chain, end or between, notices with probability `grip`, each independently of the others.
        """
        passed = self._stack([dag.count(1.0 - grip) for dag in self.dags])
        return np.divide(passed, self.number, out=np.ones_like(passed), where=self.number > 0)

    def carried(self, demand: Floats) -> Floats:
        """Demand (n, n) that passes strictly through each node (n,)."""
        parts = [dag.carried(demand[dag.sources]) for dag in self.dags]
        return np.sum(parts, axis=0) if parts else np.zeros(0)

    def around(self, allowed: npt.NDArray[np.bool_]) -> Floats:
        """Least distance (n, n) when only the allowed nodes may stand between the ends."""
        distance = self._direct()
        _insert(distance, np.flatnonzero(allowed))
        return distance

    def around_each(self, nodes: Iterable[int]) -> Iterator[tuple[int, Floats]]:
        """(v, least distance (n, n) with v not between the ends) for each of `nodes`, in an order of its own.

        Distances grow by letting one more node stand between the ends. Splitting the nodes in two, and letting one
        half in before going into the other, shares that work: n^3 log n instead of n^4 (divide and conquer).
        """
        wanted = sorted(set(nodes))
        distance = self._direct()
        _insert(distance, np.setdiff1d(np.arange(len(distance)), wanted))
        yield from _leave_out(distance, wanted)

    def _direct(self) -> Floats:
        n = len(self.net.nodes)
        distance = np.full((n, n), np.inf)
        distance[self.net.origin, self.net.destination] = self.net.distance
        np.fill_diagonal(distance, 0.0)
        return distance

    def _stack(self, parts: list[Floats]) -> Floats:
        return np.vstack(parts) if parts else np.zeros((0, 0))


def within(length: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
    """Is the length finite and at most the limit, by the tie rule?"""
    return np.isfinite(length) & (length <= limit * (1 + EQUAL))


def _insert(distance: Floats, nodes: Iterable[int]) -> None:
    for k in nodes:
        np.minimum(distance, distance[:, k, None] + distance[None, k, :], out=distance)


def _leave_out(distance: Floats, nodes: list[int]) -> Iterator[tuple[int, Floats]]:
    if len(nodes) <= 1:
        yield from ((v, distance) for v in nodes)
        return
    half = len(nodes) // 2
    for keep, let_in in ((nodes[:half], nodes[half:]), (nodes[half:], nodes[:half])):
        wider = distance.copy()
        _insert(wider, let_in)
        yield from _leave_out(wider, keep)
