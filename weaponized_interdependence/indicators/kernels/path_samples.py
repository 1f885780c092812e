"""Least-distance paths between pairs of nodes drawn at random, in machine code.

A pair's distance is found by two searches of Dijkstra's method, forward from one end and backward from the other, that
stop once no way shorter than the best can be left (the least keys of both sides add up to more). Every path that could
be least lies in what they settled. The few nodes on such paths are then searched once more, from the first end alone
and by the tie rule of `routing.chains`, so that paths are the same as in the exact indicator; and among equal paths
each is drawn with the same probability.
"""

from typing import Any, NamedTuple

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.indicators.kernels.distances import (
    Queue,
    Ties,
    forget,
    least,
    lower,
    make_queue,
    make_room,
    search,
    take,
)
from weaponized_interdependence.indicators.kernels.paths import steps
from weaponized_interdependence.indicators.kernels.tie_rule import EQUAL


class Meeting(NamedTuple):
    """Room for searches from both ends: column 0 and `queue` are of the forward one, column 1 and `other` of the other.

    `far` (n, 2) distances, `seen` (n, 2) which nodes were reached, in order; `place` (n,) of a node on a path, else -1;
    `traced` (n,) on which sides a node was found to be on a way. Ways up to `near` times the best are looked at: by the
    tie rule every one of fewer than n steps may add a relative EQUAL, and rounding far less.
    """

    far: Any
    seen: Any
    queue: Queue
    other: Queue
    place: Any
    traced: Any
    near: float


@compiled
def make_meeting(n: int) -> Meeting:
    """Room for searches among n nodes."""
    seen, place = np.zeros((n, 2), dtype=np.int32), np.full(n, -1, dtype=np.int32)
    near, traced = 1.0 + 2 * EQUAL * max(n, 500), np.zeros(n, dtype=np.int8)
    return Meeting(np.full((n, 2), np.inf), seen, make_queue(n), make_queue(n), place, traced, near)


@compiled
def appended(values: Any, count: int, value: int) -> Any:
    """The array with one more value, made twice as long where it is full."""
    if count == values.shape[0]:
        longer = np.zeros(2 * count, dtype=values.dtype)
        longer[:count] = values
        values = longer
    values[count] = value
    return values


@compiled
def top(queue: Queue) -> Any:
    """The least key that waits."""
    root = queue.level[queue.level.shape[0] - 2]
    found = queue.key[root]
    for i in range(root + 1, root + 16):
        found = min(found, queue.key[i])
    return found


@compiled
def meet(ties: Ties, back: Ties, s: int, t: int, m: Meeting) -> Any:
    """The least length of a way from s to t, the ties in the middle of near-least ways (tails, heads, number), and how
    many nodes either side has reached. `back` are the ties by head; both are sorted by length.
    """
    best, crossings = np.inf, 0
    tails, heads = np.zeros(16, dtype=np.int32), np.zeros(16, dtype=np.int32)
    reached, waiting = np.ones(2, dtype=np.int64), np.ones(2, dtype=np.int64)
    m.far[s, 0] = m.far[t, 1] = 0.0
    m.seen[0, 0], m.seen[0, 1] = s, t
    lower(m.queue, s, 0.0)
    lower(m.other, t, 0.0)
    while True:
        ahead, behind = top(m.queue), top(m.other)
        if ahead == np.inf or behind == np.inf or ahead + behind > best * m.near:
            break
        side = 0 if waiting[0] <= waiting[1] else 1
        mine, own, rest = (m.queue, ties, behind) if side == 0 else (m.other, back, ahead)
        u = take(mine, least(mine))
        waiting[side] -= 1
        for e in range(own.start[u], own.stop[u]):
            v = own.head[e]
            far = m.far[u, side] + own.length[e]
            if far > best * m.near:
                break
            whole = far + m.far[v, 1 - side]
            if whole < np.inf and whole <= best * m.near:
                if whole * m.near < best:
                    crossings = 0
                best = min(best, whole)
                tails = appended(tails, crossings, u if side == 0 else v)
                heads = appended(heads, crossings, v if side == 0 else u)
                crossings += 1
            known = m.far[v, side]
            # A node that the other side has not settled is at least `rest` from the other end.
            if far < known and (far + rest <= best * m.near or m.far[v, 1 - side] < rest):
                if known == np.inf:
                    m.seen[reached[side], side] = v
                    reached[side] += 1
                    waiting[side] += 1
                m.far[v, side] = far
                lower(mine, v, far)
    return best, tails[:crossings], heads[:crossings], reached


@compiled
def trace(own: Ties, m: Meeting, side: int, best: float, nodes: Any, first: int, count: int) -> Any:
    """Add to `nodes` those on near-least ways from nodes[first:count], which one side settled, to that side's end.

    `own` are the ties that lead there. A node settled by both sides is traced on either.
    """
    bit, queue = np.int8(1 + side), m.queue if side == 0 else m.other
    while first < count:
        u = nodes[first]
        first += 1
        for e in range(own.start[u], own.stop[u]):
            x = own.head[e]
            # Not settled: no part of a near-least way on this side.
            near = m.far[x, side] + own.length[e] <= m.far[u, side] + best * (m.near - 1)
            if near and m.far[x, side] < np.inf and queue.key[x] == np.inf and not m.traced[x] & bit:
                m.traced[x] |= bit
                nodes = appended(nodes, count, x)
                count += 1
            if own.length[e] > best * m.near:
                break
    return nodes, count


@compiled
def on_ways(ties: Ties, back: Ties, m: Meeting, s: int, best: float, tails: Any, heads: Any) -> Any:
    """The nodes on ways from s that are near the least, s first; writes their `place` in this list."""
    nodes, count = np.zeros(64, dtype=np.int32), 0
    for u in tails:
        if not m.traced[u] & 1:
            m.traced[u] |= 1
            nodes = appended(nodes, count, u)
            count += 1
    nodes, count = trace(back, m, 0, best, nodes, 0, count)
    forward = count
    for v in heads:
        if not m.traced[v] & 2:
            m.traced[v] |= 2
            nodes = appended(nodes, count, v)
            count += 1
    nodes, count = trace(ties, m, 1, best, nodes, forward, count)
    found, m.place[s] = 1, 0
    once = np.zeros(count + 1, dtype=np.int32)
    once[0] = s
    for i in range(count):
        u = nodes[i]
        m.traced[u] = 0
        if m.place[u] < 0:
            m.place[u] = found
            once[found] = u
            found += 1
    return once[:found]


@compiled
def among(ties: Ties, nodes: Any, place: Any, longest: float) -> Ties:
    """The ties between these nodes, by their places, as far as a way no longer than this can have them."""
    size = 0
    for u in nodes:
        size += ties.stop[u] - ties.start[u]
    count = len(nodes)
    start, stop = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    head, length = np.zeros(size, dtype=np.int32), np.zeros(size)
    found = 0
    for i in range(count):
        start[i] = found
        for e in range(ties.start[nodes[i]], ties.stop[nodes[i]]):
            if ties.length[e] > longest:
                break
            if place[ties.head[e]] >= 0:
                head[found], length[found] = place[ties.head[e]], ties.length[e]
                found += 1
        stop[i] = found
    return Ties(start, stop, head[:found], length[:found])


@compiled
def scrambled(state: np.uint64) -> np.uint64:
    """A number that looks random, from one that counts up (splitmix64: Steele, Lea and Flood 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@compiled
def uniform(key: np.uint64, number: int) -> float:
    """The number-th draw from [0, 1) of the stream that `key` names."""
    step = np.uint64(0x9E3779B97F4A7C15)
    return float(scrambled(key + np.uint64(number + 1) * step) >> np.uint64(11)) * 2.0**-53


@compiled
def between(ties: Ties, back: Ties, s: int, t: int, key: np.uint64, draws: int, m: Meeting) -> Any:
    """The nodes strictly between s and t on one of their least-distance paths, each path being equally probable.

    `draws` have been taken from the stream already. A single -1 where there are more paths than floats can count.
    """
    best, tails, heads, reached = meet(ties, back, s, t, m)
    path, count = np.zeros(16, dtype=np.int32), 0
    if best < np.inf:
        nodes = on_ways(ties, back, m, s, best, tails, heads)
        own = among(ties, nodes, m.place, best * m.near)
        end, n = m.place[t], len(nodes)
        for u in nodes:
            m.place[u] = -1
        room, paths = make_room(n), np.zeros(n)
        search(own, 0, n + 1, room)
        tail, head = np.zeros(len(own.head), dtype=np.int32), np.zeros(len(own.head), dtype=np.int32)
        found = steps(own, 0, room.distance, paths, tail, head)
        at = end if paths[end] > 0 else 0
        if paths[end] == np.inf:
            path, count, at = appended(path, count, -1), 1, 0
        while at != 0:
            left = uniform(key, draws) * paths[at]
            draws += 1
            before = 0
            for i in range(found):
                if head[i] == at:
                    before = tail[i]
                    left -= paths[before]
                    if left < 0:
                        break
            at = before
            if at != 0:
                path = appended(path, count, nodes[at])
                count += 1
    for side in range(2):
        queue = m.queue if side == 0 else m.other
        for i in range(reached[side]):
            v = m.seen[i, side]
            m.far[v, side] = np.inf
            if queue.key[v] < np.inf:
                forget(queue, v)
    return path[:count]


@compiled
def sample(ties: Ties, back: Ties, senders: Any, receivers: Any, seed: int, first: int, last: int, m: Meeting) -> Any:
    """Nodes between the ends of the pairs first to last, one after another; pair i depends on the seed and i alone.

    A pair is a sender and another node that receives, each such pair being equally probable.
    """
    hits, count = np.zeros(1024, dtype=np.int32), 0
    for i in range(first, last):
        key = scrambled(scrambled(np.uint64(seed)) + np.uint64(i))
        s = t = draws = 0
        while s == t:
            s = senders[int(uniform(key, draws) * len(senders))]
            t = receivers[int(uniform(key, draws + 1) * len(receivers))]
            draws += 2
        for node in between(ties, back, s, t, key, draws, m):
            hits = appended(hits, count, node)
            count += 1
    return hits[:count]
