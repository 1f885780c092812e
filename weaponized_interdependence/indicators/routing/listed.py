"""Routes written out one by one: the k shortest chains of every flow, and who is on each of them.

The rule of k shortest chains. A flow is shared over its k simple chains (no node twice) of least length, with
probabilities in proportion to 1 / length. Lengths within a relative 1e-12 are equal. Where more chains are equally long
than there are places left, all of them are let in and share those places: with k = 3 and lengths 1, 2, 2, 2 the three
of length 2 share two places, so each weighs 2/3 of 1/2. So the order in which chains are found changes nothing, and
k = 1 is what `chains` has: all chains of least length, in equal parts.
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
    - `origin`, `destination` (F,): ends of every flow, positions in the nodes of `net`
    """

    net: Network
    origin: Ints
    destination: Ints
    flow: Ints
    length: Floats
    probability: Floats
    first: Ints
    stops: Ints

    @classmethod
    def of(cls, net: Network, origin: Ints, destination: Ints, paths: int) -> "KChains":
        """Find the chains of each pair (origin, destination) over the ties of a network; some may have none."""
        if len(origin) * paths > MOST_CHAINS or len(np.unique(destination)) * len(net.strength) > MOST_STEPS:
            raise UsageError(
                f"{paths} chains for each of {len(origin):,} flows over {len(net.strength):,} ties are too many",
                mend=f"lower the knob paths, or aggregate: at most {MOST_CHAINS:,} chains in all, and {MOST_STEPS:,} "
                "destinations times ties",
            )
        if not len(origin):
            none, no = np.zeros(0, dtype=np.int64), np.zeros(0)
            return cls(net, origin, destination, none, no, no, np.zeros(1, dtype=np.int64), none)
        flow, length, first, stops = _search(net, origin, destination, paths)
        return cls(net, origin, destination, flow, length, _shared(flow, length, paths), first, stops)

    @cached_property
    def distance(self) -> Floats:
        """Least distance (n, n) of the pairs asked for; infinite for others, and where there is no chain."""
        n = len(self.net.nodes)
        found = np.full((n, n), np.inf)
        np.minimum.at(found, (self.origin[self.flow], self.destination[self.flow]), self.length)
        return found

    @cached_property
    def on(self) -> Any:
        """Which nodes are on each chain: sparse (R, n) of ones."""
        shape = (len(self.flow), len(self.net.nodes))
        return sparse.csr_array((np.ones(len(self.stops)), self.stops, self.first), shape=shape)

    def untouched(self, grip: Floats) -> Floats:
        """Probability (n, n) that the chain taken from row to column escapes every grip; 1 where none was asked for."""
        escapes = np.multiply.reduceat(1.0 - grip[self.stops], self.first[:-1]) if len(self.flow) else np.zeros(0)
        parts = np.bincount(self.flow, weights=self.probability * escapes, minlength=len(self.origin))
        found = np.ones((len(self.net.nodes),) * 2)
        listed = np.unique(self.flow)
        found[self.origin[listed], self.destination[listed]] = parts[listed]
        return found

    def carried(self, demand: Floats) -> Floats:
        """Demand (n, n) that passes strictly through each node (n,)."""
        value = demand[self.origin[self.flow], self.destination[self.flow]] * self.probability
        inner = np.ones(len(self.stops), dtype=bool)
        inner[self.first[:-1]] = inner[self.first[1:] - 1] = False
        weights = np.repeat(value, np.diff(self.first)) * inner
        return np.asarray(np.bincount(self.stops, weights=weights, minlength=len(self.net.nodes)), dtype=float)


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
            o, d = (net.nodes[end[flows[failed]]] for end in (origin, destination))
            raise ModelError(
                f"more than {most:,} chains from {o} to {d} are equally long, or were asked for",
                mend="lower the knob paths (1 is the panopticon), or give ties whose strengths differ",
            )
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
        return KChains.of(net, net.origin, net.destination, paths)

    def of_all() -> KChains:
        ties, edges = context.ties, context.edges.select("origin", "destination").unique()
        assert ties is not None
        position = {name: i for i, name in enumerate(ties.nodes)}
        ends = [(position.get(o, -1), position.get(d, -1)) for o, d in edges.rows()]
        known = np.array(sorted(e for e in ends if min(e) >= 0), dtype=np.int64).reshape(-1, 2)
        return KChains.of(ties, known[:, 0].copy(), known[:, 1].copy(), paths)

    return context.keep(("k_chains", paths), of_all)
