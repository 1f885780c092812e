"""Betweenness of one network from random pairs, until every node's interval is as narrow as asked."""

import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.indicators.coded import Codes
from weaponized_interdependence.indicators.routing.least_paths import Edges, countable
from weaponized_interdependence.network import Floats, Ints

_GROWTH = 1.5  # of the sample between looks
_PART = 512  # pairs a thread draws at a time
# Pairs that may be drawn in all. At some 0.1 ms each among a million nodes it is half an hour of one processor.
MOST_PAIRS = 20_000_000


def sampled(edges: Edges, *, error: float, confidence: float, seed: int) -> tuple[Floats, Floats, Floats]:
    """Share of the n (n - 1) pairs that pass through each node: estimate, low, high, each (n,).

    How pairs are drawn and why the interval holds: `paths.betweenness_sampled`.
    """
    n, (senders, receivers, part) = edges.n, _ends(edges)
    draw = _drawing(edges, senders, receivers, seed)
    hits, done = np.zeros(n, dtype=np.int64), 0
    sizes, log_term = plan(n, error / part, confidence)
    for size in sizes:
        draw(done, size, hits)
        done = size
        counts, where = np.unique(hits, return_inverse=True)
        low, high = interval(counts, done, log_term)
        if max((high - counts / done).max(), (counts / done - low).max()) <= error / part:
            break
    return part * (counts / done)[where], part * low[where], part * high[where]


def _ends(edges: Edges) -> tuple[Codes, Codes, float]:
    """Who sends, who receives, and which part of all pairs are a sender and another that receives."""
    senders, receivers = np.unique(edges.origin), np.unique(edges.destination)
    pairs = len(senders) * len(receivers) - len(np.intersect1d(senders, receivers, assume_unique=True))
    return senders, receivers, pairs / (edges.n * (edges.n - 1))


def refuse_many(networks: Iterable[tuple[str, Edges]], error: float, confidence: float) -> None:
    """Raise UsageError, before any pair is drawn, where the samples of all networks may become too large together."""
    sizes = {}
    for name, edges in networks:
        n, (*_, part) = edges.n, _ends(edges)
        sizes[name] = plan(n, error / part, confidence)[0][-1]
    if sum(sizes.values()) > MOST_PAIRS:
        worst = sorted(sizes, key=lambda name: -sizes[name])[:5]
        # The last size of a plan is up to half more than what its error needs.
        enough = error * math.sqrt(1.6 * sum(sizes.values()) / MOST_PAIRS)
        raise UsageError(
            f"up to {sum(sizes.values()):,} pairs of nodes would be drawn, more than {MOST_PAIRS:,}",
            faults=[Fault(f"{name}: up to {sizes[name]:,} pairs") for name in worst],
            mend=f"take a larger error (error={float(f'{enough:.1e}'):g} will do), or rank fewer periods or items at a "
            "time",
        )


def plan(n: int, error: float, confidence: float) -> tuple[list[int], float]:
    """Sizes of the sample to look at, and log(2 n looks / (1 - confidence)).

    At the last size no interval reaches farther than `error` from its estimate, as log term <= 2 size error^2.

    >>> sizes, log_term = plan(1000, 0.1, 0.9)
    >>> sizes[-1] >= log_term / (2 * 0.1**2)
    True
    """
    first, looks = math.ceil(10 / error), 1

    def enough() -> float:
        return math.log(2 * n * looks / (1 - confidence)) / (2 * error**2)

    while first * _GROWTH ** (looks - 1) < enough():
        looks += 1
    return [math.ceil(first * _GROWTH**k) for k in range(looks)], math.log(2 * n * looks / (1 - confidence))


def interval(hits: Ints, size: int, log_term: float) -> tuple[Floats, Floats]:
    """The least and largest p with size * KL(hits / size, p) <= log term, found by halving, rounded outward.

    >>> low, high = interval(np.array([0, 10]), 10, 3.0)
    >>> low.round(6).tolist(), high.round(6).tolist()  # 1 - exp(-0.3) and exp(-0.3)
    ([0.0, 0.740818], [0.259182, 1.0])
    """
    share = hits / size

    def inside(p: Floats) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            yes = np.where(share > 0, share * np.log(share / p), 0.0)
            no = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - p)), 0.0)
        return size * (yes + no) <= log_term

    ends = []
    for outer in (np.zeros(len(share)), np.ones(len(share))):
        inner = share.copy()
        for _ in range(60):
            middle = (inner + outer) / 2
            within = inside(middle)
            inner, outer = np.where(within, middle, inner), np.where(within, outer, middle)
        ends.append(outer)
    return ends[0], ends[1]


def _drawing(edges: Edges, senders: Codes, receivers: Codes, seed: int) -> Callable[[int, int, Ints], None]:
    """The function (first, last, hits) that adds to `hits` (n,) how often the pairs first to last hit each node."""
    from weaponized_interdependence.indicators.kernels.distances import Ties
    from weaponized_interdependence.indicators.kernels.path_samples import make_meeting, sample

    def by(end: Codes, other: Codes) -> Ties:
        order = np.lexsort((edges.length, end))
        start = np.searchsorted(end[order], np.arange(edges.n + 1)).astype(np.int64)
        return Ties(start[:-1], start[1:], other[order], edges.length[order])

    ties, back = by(edges.origin, edges.destination), by(edges.destination, edges.origin)
    own = threading.local()

    counting = threading.Lock()

    def run(first: int, last: int, hits: Ints) -> None:
        if not hasattr(own, "meeting"):
            own.meeting = make_meeting(edges.n)
        found: Codes = sample(ties, back, senders, receivers, seed, first, last, own.meeting)
        countable(np.where(found < 0, np.inf, 0.0))
        with counting:  # whole numbers: whoever comes first, the sum is the same
            np.add.at(hits, found, 1)

    def draw(first: int, last: int, hits: Ints) -> None:
        spans = [(k, min(k + _PART, last)) for k in range(first, last, _PART)]
        in_threads(lambda span: run(*span, hits), spans)

    return draw
