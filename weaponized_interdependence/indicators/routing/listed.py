"""Routes written out one by one: the k shortest chains of every flow, and who is on each of them.

The rule of k shortest chains. A flow is shared over its k simple chains (no node twice) of least length, with
probabilities in proportion to 1 / length. Whole lengths within a relative 1e-12 are equal. Where more chains are
equally long than there are places left, all of them are let in and share those places: with k = 3 and lengths 1, 2, 2,
2 the three of length 2 share two places, so each weighs 2/3 of 1/2. So the order in which chains are found changes
nothing.

k = 1 is what `chains` has, by its rule: all chains of least distance, where steps, not whole lengths, are compared, in
equal parts. The two rules differ only where one tie is so long that differences beside it are below 1e-12 of the whole.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.base import Context
from weaponized_interdependence.indicators.routing.chains import EQUAL
from weaponized_interdependence.network import Floats, Ints, Network, to_sparse

# Chains that one network may have in all: about a gigabyte. One flow may have up to this many divided by the flows.
MOST_CHAINS = 10_000_000
# Ties to walk over, destinations x ties: some ten minutes.
MOST_STEPS = 10_000_000_000


@dataclass(frozen=True, eq=False)
class KChains:
    """The k shortest chains of every flow of a network. Made for the same uses as `chains.Chains`.

    - `flow` (R,): which flow a chain belongs to; `length`, `probability` (R,)
    - `stops[first[r]:first[r + 1]]`: the nodes of chain r, ends included
    - `origin`, `destination` (F,): ends of every flow, positions in the nodes of `net`; `least` (F,): least distance
    """

    net: Network
    origin: Ints
    destination: Ints
    least: Floats
    flow: Ints
    length: Floats
    probability: Floats
    first: Ints
    stops: Ints

    @classmethod
    def of(cls, net: Network, origin: Ints, destination: Ints, paths: int) -> "KChains":
        """Find the chains of each pair (origin, destination) over the ties of a network; some may have none."""
        _refuse(len(origin), paths, _steps(net, origin if paths == 1 else destination), len(net.strength))
        if not len(origin):
            none, no = np.zeros(0, dtype=np.int64), np.zeros(0)
            return cls(net, origin, destination, no, none, no, no, np.zeros(1, dtype=np.int64), none)
        if paths == 1:
            flow, least, first, stops = _search_least(net, origin, destination)
            length, probability = least[flow], 1.0 / np.bincount(flow, minlength=len(origin))[flow]
        else:
            flow, length, first, stops = _search(net, origin, destination, paths)
            least, probability = np.full(len(origin), np.inf), _shared(flow, length, paths)
            np.minimum.at(least, flow, length)
        return cls(net, origin, destination, least, flow, length, probability, first, stops)

    @cached_property
    def distance(self) -> Floats:
        """Least distance (n, n) of the pairs asked for; infinite for others, and where there is no chain."""
        n = len(self.net.nodes)
        found = np.full((n, n), np.inf)
        found[self.origin, self.destination] = self.least
        return found

    @cached_property
    def on(self) -> Any:
        """Which nodes are on each chain: sparse (R, n) of ones."""
        shape = (len(self.flow), len(self.net.nodes))
        return sparse.csr_array((np.ones(len(self.stops)), self.stops, self.first), shape=shape)

    def untouched(self, grip: Floats) -> Floats:
        """Probability (n, n) that the chain taken from row to column escapes every grip; 1 where none was asked for."""
        escapes = np.multiply.reduceat(1.0 - grip[self.stops], self.first[:-1]) if len(self.flow) else np.zeros(0)
        parts, every = (
            np.bincount(self.flow, weights=self.probability * part, minlength=len(self.origin))
            for part in (escapes, np.ones_like(escapes))
        )
        found = np.ones((len(self.net.nodes),) * 2)
        listed = np.unique(self.flow)
        # By their sum, which is one but for rounding: else a trace of what nobody touches would be lost.
        found[self.origin[listed], self.destination[listed]] = parts[listed] / every[listed]
        return found

    def carried(self, demand: Floats) -> Floats:
        """Demand (n, n) that passes strictly through each node (n,)."""
        value = demand[self.origin[self.flow], self.destination[self.flow]] * self.probability
        inner = np.ones(len(self.stops), dtype=bool)
        inner[self.first[:-1]] = inner[self.first[1:] - 1] = False
        weights = np.repeat(value, np.diff(self.first)) * inner
        return np.asarray(np.bincount(self.stops, weights=weights, minlength=len(self.net.nodes)), dtype=float)


def _refuse(flows: int, paths: int, steps: int, ties: int) -> None:
    """Raise UsageError, before any work, where there is too much of it."""
    if flows * paths > MOST_CHAINS or steps > MOST_STEPS:
        raise UsageError(
            f"{paths} chains for each of {flows:,} flows over {ties:,} ties are too many",
            mend=f"lower the knob paths, rank fewer items at a time, or aggregate: at most {MOST_CHAINS:,} chains in "
            f"all, and {MOST_STEPS:,} destinations (origins, if paths is 1) times ties",
        )


def _steps(net: Network, ends: Ints) -> int:
    return len(np.unique(ends)) * len(net.strength)


def _search_least(net: Network, origin: Ints, destination: Ints) -> tuple[Ints, Floats, Ints, Ints]:
    """Flow of every chain, least distance of every flow, where the nodes of each chain begin, and these."""
    from weaponized_interdependence.indicators.kernels.distances import Ties
    from weaponized_interdependence.indicators.kernels.k_shortest import least_chains

    matrix = to_sparse(net, "distance")
    start = matrix.indptr.astype(np.int64)
    ties = Ties(start[:-1], start[1:], matrix.indices.astype(np.int32), matrix.data.astype(np.float64))
    order = np.lexsort((destination, origin))
    ends = np.append(np.flatnonzero(np.diff(origin[order], prepend=-1)), len(order))
    most = max(MOST_CHAINS // len(origin), 1)

    def of_one(part: int) -> tuple[Ints, Any]:
        flows = order[ends[part] : ends[part + 1]]
        return flows, least_chains(ties, int(origin[flows[0]]), destination[flows], most)

    least, flow, count, stops = np.full(len(origin), np.inf), [], [], []
    for flows, (place, reached, begins, nodes, failed) in in_threads(of_one, range(len(ends) - 1)):
        if failed >= 0:
            raise _too_equal(net, int(origin[flows[failed]]), int(destination[flows[failed]]), most)
        least[flows] = reached
        flow.append(flows[np.array(place, dtype=np.int64)])
        count.append(np.diff(np.array(begins, dtype=np.int64)))
        stops.append(np.array(nodes, dtype=np.int64))
    first = np.append(0, np.cumsum(np.concatenate(count))).astype(np.int64)
    return np.concatenate(flow), least, first, np.concatenate(stops)


def _too_equal(net: Network, origin: int, destination: int, most: int) -> ModelError:
    return ModelError(
        f"more than {most:,} chains from {net.nodes[origin]} to {net.nodes[destination]} are equally long, or were "
        "asked for",
        mend="lower the knob paths (1 is the panopticon), or give ties whose strengths differ",
    )


def _search(net: Network, origin: Ints, destination: Ints, paths: int) -> tuple[Ints, Floats, Ints, Ints]:
    from weaponized_interdependence.indicators.kernels.k_shortest import chains_to

    forward = to_sparse(net, "distance")
    backward = forward.tocsc()
    ties, reverse = (
        (m.indptr.astype(np.int64), m.indices.astype(np.int64), m.data.astype(np.float64)) for m in (forward, backward)
    )
    order = np.lexsort((origin, destination))
    ends = np.append(np.flatnonzero(np.diff(destination[order], prepend=-1)), len(order))
    most = max(MOST_CHAINS // len(origin), paths)

    def of_one(part: int) -> tuple[Ints, Any]:
        flows = order[ends[part] : ends[part + 1]]
        return flows, chains_to(int(destination[flows[0]]), origin[flows], paths, most, ties, reverse)

    flow, length, count, stops = [], [], [], []
    for flows, (place, reached, begins, nodes, failed) in in_threads(of_one, range(len(ends) - 1)):
        if failed >= 0:
            raise _too_equal(net, int(origin[flows[failed]]), int(destination[flows[failed]]), most)
        flow.append(flows[np.array(place, dtype=np.int64)])
        length.append(np.array(reached, dtype=np.float64))
        count.append(np.diff(np.array(begins, dtype=np.int64)))
        stops.append(np.array(nodes, dtype=np.int64))
    first = np.append(0, np.cumsum(np.concatenate(count))).astype(np.int64)
    return np.concatenate(flow), np.concatenate(length), first, np.concatenate(stops)


def _shared(flow: Ints, length: Floats, paths: int) -> Floats:
    """Probability of every chain; those of one flow stand together, from short to long."""
    found = np.zeros(len(flow))
    begins = np.flatnonzero(np.diff(flow, prepend=-1))
    for begin, end in zip(begins, np.append(begins[1:], len(flow)), strict=True):
        if end - begin == 1:
            found[begin] = 1.0
            continue
        order = begin + np.argsort(length[begin:end], kind="stable")
        sorted_, left, place = length[order], paths, 0
        while left > 0 and place < len(order):
            equal = int(np.searchsorted(sorted_, sorted_[place] * (1 + EQUAL), side="right"))
            filled = min(left, equal - place)
            found[order[place:equal]] = filled / (equal - place) / sorted_[place]
            left, place = left - filled, equal
        found[begin:end] /= found[begin:end].sum()
    return found


@dataclass(frozen=True, eq=False)
class Listed:
    """The routes of one item: `on` sparse (R, n) of ones, the `value` (R,) each carries, and its ends (R,)."""

    nodes: tuple[str, ...]
    on: Any
    value: Floats
    origin: Ints
    destination: Ints

    def touched(self, held: Any) -> Any:
        """Probability that each party touches each route: sparse (R, parties), only entries above zero.

        `held` is sparse (n, parties): the grip of every party. Certain grips count as such, to the last bit.
        """
        wholly, partly = held.copy(), held.copy()
        wholly.data = (held.data >= 1).astype(np.float64)
        partly.data = np.log1p(-np.where(held.data < 1, held.data, 0.0))
        slips, sure = (self.on @ partly).tocsr(), (self.on @ wholly).tocsr()
        slips.data, sure.data = -np.expm1(slips.data), np.minimum(sure.data, 1.0)
        found = slips.maximum(sure).tocsr()
        found.eliminate_zeros()
        found.sort_indices()
        return found


def listed_direct(net: Network) -> Listed:
    """The routes of flows that go directly: each touches its two ends."""
    m = len(net.strength)
    stops = np.column_stack((net.origin, net.destination)).ravel()
    on = sparse.csr_array((np.ones(2 * m), stops, np.arange(0, 2 * m + 1, 2)), shape=(m, len(net.nodes)))
    return Listed(net.nodes, on, net.strength, net.origin, net.destination)


def k_chains(context: Context, net: Network, paths: int) -> KChains:
    """The chains of one item's flows over the ties of the context, or over the flows themselves."""
    if context.ties is None:
        context.keep(("k_chains refused", paths), lambda: _refuse_all(context, paths))
        return KChains.of(net, net.origin, net.destination, paths)

    def of_all() -> KChains:
        ties, edges = context.ties, context.edges.select("origin", "destination").unique()
        assert ties is not None
        position = {name: i for i, name in enumerate(ties.nodes)}
        ends = [(position.get(o, -1), position.get(d, -1)) for o, d in edges.rows()]
        known = np.array(sorted(e for e in ends if min(e) >= 0), dtype=np.int64).reshape(-1, 2)
        return KChains.of(ties, known[:, 0].copy(), known[:, 1].copy(), paths)

    return context.keep(("k_chains", paths), of_all)


def _refuse_all(context: Context, paths: int) -> None:
    """Raise UsageError, before any work, where all items together are too much."""
    coded = context.coded_edges
    ties = np.diff(coded.first).astype(np.int64)
    item = np.repeat(np.arange(len(ties)), ties)
    end = coded.origin if paths == 1 else coded.destination
    roots = np.unique(item * len(coded.nodes) + end) // max(len(coded.nodes), 1)
    steps = int(np.bincount(roots, minlength=len(ties)) @ ties)
    _refuse(len(coded.origin), paths, steps, len(coded.origin))
