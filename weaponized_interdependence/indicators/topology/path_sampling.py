"""Betweenness of one network from random pairs, until every node's interval is as narrow as asked."""

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.indicators.coded import Codes
from weaponized_interdependence.indicators.routing.least_paths import Edges, countable
from weaponized_interdependence.network import Floats, Ints

_GROWTH = 1.5  # of the sample between looks
_PART = 512  # pairs a thread draws at a time


def sampled(edges: Edges, *, error: float, confidence: float, seed: int) -> tuple[Floats, Floats, Floats]:
    """Share of the n (n - 1) pairs that pass through each node: estimate, low, high, each (n,).

    How pairs are drawn and why the interval holds: `paths.betweenness_sampled`.
    """
    n, senders, receivers = edges.n, np.unique(edges.origin), np.unique(edges.destination)
    pairs = len(senders) * len(receivers) - len(np.intersect1d(senders, receivers, assume_unique=True))
    part = pairs / (n * (n - 1))  # of all pairs; the others have no path
    draw = _drawing(edges, senders, receivers, seed)
    sizes, log_term = plan(n, error / part, confidence)
    hits, done = np.zeros(n, dtype=np.int64), 0
    for size in sizes:
        hits += draw(done, size)
        done = size
        counts, where = np.unique(hits, return_inverse=True)
        low, high = interval(counts, done, log_term)
        if max((high - counts / done).max(), (counts / done - low).max()) <= error / part:
            break
    return part * (counts / done)[where], part * low[where], part * high[where]


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


def _drawing(edges: Edges, senders: Codes, receivers: Codes, seed: int) -> Callable[[int, int], Ints]:
    """The function (first, last) -> how often each node was hit by the pairs first to last, (n,)."""
    from weaponized_interdependence.indicators.kernels.distances import Ties
    from weaponized_interdependence.indicators.kernels.path_samples import make_meeting, sample

    def by(end: Codes, other: Codes) -> Ties:
        order = np.lexsort((edges.length, end))
        start = np.searchsorted(end[order], np.arange(edges.n + 1)).astype(np.int64)
        return Ties(start[:-1], start[1:], other[order], edges.length[order])

    ties, back = by(edges.origin, edges.destination), by(edges.destination, edges.origin)
    own = threading.local()

    def run(first: int, last: int) -> Codes:
        if not hasattr(own, "meeting"):
            own.meeting = make_meeting(edges.n)
        found: Codes = sample(ties, back, senders, receivers, seed, first, last, own.meeting)
        return found

    def draw(first: int, last: int) -> Ints:
        spans = [(k, min(k + _PART, last)) for k in range(first, last, _PART)]
        found = in_threads(lambda span: run(*span), spans)
        hits = np.concatenate([np.zeros(0, dtype=np.int32), *found])
        countable(np.where(hits < 0, np.inf, 0.0))
        return np.bincount(hits, minlength=edges.n)

    return draw
