"""Least-distance paths in the networks of all items: exact betweenness, and how its work is cut into parts.

The tie rule is that of `routing.chains`: lengths equal within a relative 1e-12 are equal. Parts follow from the data
and are added up in their order, so the number of threads changes no digit. Memory grows with ties: distances are held
from 64 sources at a time.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import Fault, ModelError
from weaponized_interdependence.indicators.coded import Coded, Codes
from weaponized_interdependence.network import Floats, Ints, Network, distance_of

Scored = tuple[Codes, Codes, Floats]  # position of item, position of node, score

# Steps (sources times ties) of one part of the work: some 30 ms. A network of more than four parts is cut by sources.
_PART = 4_000_000
_MOST_PARTS = 256  # of one network: each adds up its own n numbers
_LOOK = 128  # nodes that a short search looks at, to find ties that no path needs
# Steps that an exact answer may take. At some 10 ns each it is half an hour of one processor; measured are 7 to 20 ns
# on random networks and grids, and up to 45 on rings, where ways are as long as can be: then it is some two hours.
MOST_STEPS = 200_000_000_000
_SECONDS = 1e-8


class Edges(NamedTuple):
    """The ties of one network of n nodes, by their positions, sorted by origin."""

    n: int
    origin: Codes
    destination: Codes
    length: Floats


def exact(coded: Coded, which: Ints | None = None) -> Scored:
    """Betweenness of every node of every item, or of the items named by position: item by item, nodes sorted.

    Small networks are spread over the threads whole, large ones by their sources.
    """
    from weaponized_interdependence.indicators.kernels.paths import layers

    length = lengths(coded)
    runs, large = cut(coded, which)

    def run(ends: tuple[int, int]) -> Scored:
        sizes, node, score = layers(coded.first, coded.origin, coded.destination, length, *ends, len(coded.nodes))
        return np.repeat(np.arange(*ends, dtype=np.int32), sizes), node, score

    parts = in_threads(run, runs)
    for k in large:
        nodes, edges = segment(coded, length, k)
        parts.append((np.full(len(nodes), k, dtype=np.int32), nodes, _through(edges)))
    if not parts:
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0)
    item, node, score = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(item, kind="stable")
    return item[order], node[order], countable(score[order])


def betweenness_of(net: Network) -> Floats:
    """Betweenness of every node of one network, (n,)."""
    edges = Edges(len(net.nodes), net.origin.astype(np.int32), net.destination.astype(np.int32), net.distance)
    return countable(_through(edges))


def _through(edges: Edges) -> Floats:
    from weaponized_interdependence.indicators.kernels.paths import through

    return summed(edges, edges.n, through)


def summed(edges: Edges, size: int, add: Callable[..., object], *more: object) -> Floats:
    """What `add(ties, sources, thin, *more, total)` adds up to over all sources of one network, in `total` (size,)."""
    from weaponized_interdependence.indicators.kernels.distances import Ties

    if not len(edges.length):
        return np.zeros(size)
    start, head, far = thinned(edges)
    sources = np.unique(edges.origin).astype(np.int64)
    parts = int(min(_MOST_PARTS, max(1, len(sources) * len(edges.length) // _PART), -(-len(sources) // 64)))

    def part(some: Ints) -> Floats:
        total = np.zeros(size)
        add(Ties(start[:-1], start[1:], head, far), some, False, *more, total)
        return total

    total = np.zeros(size)
    for own in in_threads(part, np.array_split(sources, parts)):
        total += own
    return total


def thinned(edges: Edges) -> tuple[Ints, Codes, Floats]:
    """The ties, sorted by origin, less many that no path needs: where those of a node begin (n + 1,), head, length."""
    from weaponized_interdependence.indicators.kernels.distances import Ties, balls, needed

    n, origin, destination, length = edges
    start, back = np.searchsorted(origin, np.arange(n + 1)).astype(np.int64), np.argsort(destination, kind="stable")
    ends = np.searchsorted(destination[back], np.arange(n + 1)).astype(np.int64)
    ties = Ties(start[:-1], start[1:], np.ascontiguousarray(destination), np.ascontiguousarray(length))
    ties_back = Ties(ends[:-1], ends[1:], origin[back], length[back])
    near, far = np.full((n, _LOOK), -1, dtype=np.int32), np.zeros((n, _LOOK))
    keep = np.ones(len(length), dtype=np.bool_)
    bounds = np.linspace(0, n, 1 + min(64, -(-n // 256))).astype(np.int64).tolist()
    spans = list(itertools.pairwise(bounds))
    in_threads(lambda span: balls(ties_back, *span, _LOOK, near, far), spans)
    in_threads(lambda span: needed(ties, *span, _LOOK, near, far, keep), spans)
    kept = np.append(0, np.cumsum(keep))
    return kept[start], destination[keep], length[keep]


def lengths(coded: Coded) -> Floats:
    """Distance of every tie, from the strengths of its own item."""
    spans = itertools.pairwise(coded.first.tolist())
    return np.concatenate([np.zeros(0), *(distance_of(coded.value[a:b]) for a, b in spans)])


def segment(coded: Coded, length: Floats, k: int) -> tuple[Codes, Edges]:
    """Nodes of one item's network, sorted, and its ties by places among them."""
    ends = slice(int(coded.first[k]), int(coded.first[k + 1]))
    nodes = np.unique(np.concatenate((coded.origin[ends], coded.destination[ends])))
    place = np.zeros(len(coded.nodes), dtype=np.int32)
    place[nodes] = np.arange(len(nodes))
    return nodes, Edges(len(nodes), place[coded.origin[ends]], place[coded.destination[ends]], length[ends])


def steps_of(coded: Coded) -> Floats:
    """Steps that an exact answer takes for each item: nodes that send, times ties."""
    begins = np.zeros(len(coded), dtype=np.int64)
    begins[1:] = coded.origin[1:] != coded.origin[:-1]
    begins[coded.first[:-1][np.diff(coded.first) > 0]] = 1
    before = np.append(0, np.cumsum(begins))
    return np.diff(before[coded.first]) * np.diff(coded.first).astype(np.float64)


def cut(coded: Coded, which: Ints | None = None) -> tuple[list[tuple[int, int]], list[int]]:
    """The items, or those named by position: small ones in runs (first, last + 1) of neighbours, and the large ones."""
    steps = steps_of(coded)
    chosen = np.arange(len(steps)) if which is None else which
    large = steps[chosen] > 4 * _PART
    return list(_runs(chosen[~large].tolist(), steps)), chosen[large].tolist()


def _runs(chosen: list[int], steps: Floats) -> Iterator[tuple[int, int]]:
    begin, done = 0, 0.0
    for i, k in enumerate(chosen):
        done += steps[k]
        if done >= _PART or i + 1 == len(chosen) or chosen[i + 1] != k + 1:
            yield chosen[begin], k + 1
            begin, done = i + 1, 0.0


def refuse_long(coded: Coded, mend: str, times: int | npt.NDArray[np.bool_] = 1) -> None:
    """Raise ModelError where all items together take more than MOST_STEPS, each `times` over."""
    steps = steps_of(coded) * times
    if steps.sum() > MOST_STEPS:
        worst = np.argsort(-steps, kind="stable")[:5].tolist()
        ties = np.diff(coded.first)
        raise ModelError(
            f"an exact answer takes {steps.sum():.1e} steps (senders times ties), about "
            f"{steps.sum() * _SECONDS / 3600:.1f} hours of one processor, or four times that where ways are very long; "
            f"at most {MOST_STEPS:.0e} are done",
            faults=[Fault(f"{coded.items[k]}: {steps[k]:.1e} steps over {ties[k]} ties") for k in worst],
            mend=mend,
        )


def countable(score: Floats) -> Floats:
    """The scores; ModelError where equal paths were too many to count."""
    if not np.isfinite(score).all():
        raise ModelError(
            "some pair of nodes has more than 1e308 paths of equal length",
            mend="leave out ties that only repeat each other, or give them strengths that differ",
        )
    return score
