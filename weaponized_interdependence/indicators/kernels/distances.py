"""Least distances in machine code: from one source, from 64 at a time, and which ties no least-distance path needs.

Distances are the same to the last bit in whatever order nodes are settled, for adding a length never turns the order of
two numbers round: each is the least of the sums along all paths, added up from the source on.

What makes it fast, and changes no digit:

- Dijkstra's queue is a tree of minima over all nodes, sixteen to a block: nothing in it goes stale, and comparing the
  sixteen needs no jumps.
- Distances from 64 sources are found together (`spread`): nodes stand in the order of distance from one of them, and
  lower the distances of their neighbours for all 64 at a time, which a processor does in a few steps. That order is
  nearly right for the others, so a few rounds until little is lowered any more do for all. What still is, as where ways
  are long, is gone after node by node: a round would look at all of them for the sake of a few.
- Ties longer than another way between their ends carry no least-distance path. They are dropped as soon as a search has
  shown it ("thinned"); on dense weighted networks four out of five go. Only ties that are longer by more than any
  rounding could explain are dropped (`slack_of`), so that those within the tie rule all stay.
"""

from typing import Any, NamedTuple

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.indicators.kernels.tie_rule import EQUAL

FEW = 8  # of n nodes, rounds of `spread` go on while more than n / FEW are to be looked at again
FAR = np.int64(0x7FF0000000000000)  # the bits of infinity; positive numbers sort as their bits do


class Ties(NamedTuple):
    """Ties by tail: those of u are start[u] to stop[u] of `head` (int32) and `length` (float64)."""

    start: Any
    stop: Any
    head: Any
    length: Any


class Queue(NamedTuple):
    """Nodes that wait, least key first.

    Level l of `key` begins at level[l]; its entry i is the least of entries 16 i to 16 i + 15 of the level below, and
    level 0 has the key of each node, infinite for those that do not wait. `bits` is the same memory as whole numbers.
    """

    key: Any
    bits: Any
    level: Any


class Room(NamedTuple):
    """What a search writes: distances (inf: not reached), and which nodes it settled and reached, in order."""

    distance: Any
    order: Any
    reached: Any
    queue: Queue


@compiled
def make_queue(n: int) -> Queue:
    """An empty queue for n nodes."""
    level = np.zeros(17, dtype=np.int64)
    count, width = 1, -(-max(n, 1) // 16) * 16
    level[1] = width
    while width > 16:
        width = -(-(width // 16) // 16) * 16
        level[count + 1] = level[count] + width
        count += 1
    key = np.full(level[count], np.inf)
    return Queue(key, key.view(np.int64), level[: count + 1].copy())


@compiled
def make_room(n: int) -> Room:
    """Room for searches among n nodes."""
    return Room(np.full(n, np.inf), np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32), make_queue(n))


@compiled
def lower(queue: Queue, node: int, key: float) -> None:
    """Let a node wait with this key, or a lower one than it has."""
    queue.key[node] = key
    at = node
    for up in range(1, queue.level.shape[0] - 1):
        at >>= 4
        entry = queue.level[up] + at
        if queue.key[entry] <= key:
            return
        queue.key[entry] = key


@compiled
def least(queue: Queue) -> Any:
    """The bits of the least key that waits; those of infinity if none does."""
    root = queue.level[queue.level.shape[0] - 2]
    found = queue.bits[root]
    for i in range(root + 1, root + 16):
        found = min(found, queue.bits[i])
    return found


@compiled
def take(queue: Queue, bits: int) -> int:
    """Take out a node whose key has these bits, the least that wait."""
    top = queue.level.shape[0] - 2
    at = 0
    for down in range(top, -1, -1):
        block, found = queue.level[down] + at * 16, 0
        for i in range(16):
            if queue.bits[block + i] == bits:
                found = i
        at = at * 16 + found
    node, rest = at, FAR
    for up in range(top + 1):
        queue.bits[queue.level[up] + at] = rest
        at >>= 4
        if up < top:
            block = queue.level[up] + at * 16
            rest = queue.bits[block]
            for i in range(block + 1, block + 16):
                rest = min(rest, queue.bits[i])
    return node


@compiled
def forget(queue: Queue, node: int) -> None:
    """Let a node wait no longer. Right only when all that wait are forgotten."""
    for up in range(queue.level.shape[0] - 1):
        queue.key[queue.level[up] + (node >> (4 * up))] = np.inf


@compiled
def search(ties: Ties, source: int, limit: int, room: Room) -> tuple[int, int]:
    """Distances from a source, over the `limit` nearest nodes; how many nodes were settled, and how many reached.

    The room must be clear, and is not left so: see `clear`.
    """
    distance, settled, reached = room.distance, 0, 1
    u, room.reached[0] = source, source
    distance[source] = 0.0
    while True:
        room.order[settled] = u
        settled += 1
        if settled == limit:
            break
        for e in range(ties.start[u], ties.stop[u]):
            v = ties.head[e]
            far, known = distance[u] + ties.length[e], distance[v]
            if far < known:
                if known == np.inf:
                    room.reached[reached] = v
                    reached += 1
                distance[v] = far
                lower(room.queue, v, far)
        bits = least(room.queue)
        if bits == FAR:
            break
        u = take(room.queue, bits)
    return settled, reached


@compiled
def clear(room: Room, reached: int) -> None:
    """Make the room as it was before a search that reached so many nodes."""
    for i in range(reached):
        v = room.reached[i]
        room.distance[v] = np.inf
        if room.queue.key[v] < np.inf:  # still waiting, after a search with a limit
            forget(room.queue, v)


@compiled
def spread(ties: Ties, sources: Any, room: Room, order: Any, wake: Any, far: Any) -> None:
    """Distances (n, sources) from all the sources, at most as many as `far` has columns, and an order of the nodes."""
    n, count = ties.start.shape[0], len(sources)
    settled, reached = search(ties, sources[0], n + 1, room)
    for i in range(settled):
        order[i] = room.order[i]
    for v in range(n):
        if room.distance[v] == np.inf:
            order[settled] = v
            settled += 1
    clear(room, reached)
    for v in range(n):
        for j in range(count):
            far[v, j] = np.inf
    for j in range(count):
        far[sources[j], j] = 0.0
        wake[sources[j]] = True
    awake = n
    while awake > n // FEW:
        for u in order:
            if wake[u]:
                wake[u] = False
                for e in range(ties.start[u], ties.stop[u]):
                    if lowered(far[u, :count], ties.length[e], far[ties.head[e], :count]):
                        wake[ties.head[e]] = True
        awake, line = 0, room.reached
        for u in order:
            if wake[u]:
                line[awake] = u
                awake += 1
    first = 0
    while awake > 0:  # the line begins at `first` and goes on at the front where it meets the end
        u = line[first]
        first, awake = (first + 1) % n, awake - 1
        wake[u] = False
        for e in range(ties.start[u], ties.stop[u]):
            v = ties.head[e]
            if lowered(far[u, :count], ties.length[e], far[v, :count]) and not wake[v]:
                wake[v] = True
                line[(first + awake) % n] = v
                awake += 1


@compiled
def lowered(near: Any, length: float, far: Any) -> Any:
    """Lower each distance to that by the other node, and say whether any was."""
    any_lower = np.int64(0)
    for j in range(near.shape[0]):
        way, known = near[j] + length, far[j]
        any_lower |= np.int64(way < known)
        far[j] = way if way < known else known
    return any_lower


@compiled
def slack_of(n: int, length: Any) -> float:
    """How much longer than another way a tie must be to lie on no path: above the tie rule and all rounding.

    No distance exceeds n times the longest tie, and adding up n lengths in floating point errs by less than n 2^-53
    of the sum; both counted generously.
    """
    longest = 0.0
    for x in length:
        longest = max(longest, x)
    return (4 * EQUAL + 1e-15 * n) * n * longest


@compiled
def thin_row(ties: Ties, u: int, distance: Any, slack: float) -> None:
    """Drop the ties of u that are longer than its least distance to the other end, moving the others together."""
    at = ties.start[u]
    for e in range(ties.start[u], ties.stop[u]):
        if ties.length[e] <= distance[ties.head[e]] + slack:
            ties.head[at], ties.length[at] = ties.head[e], ties.length[e]
            at += 1
    ties.stop[u] = at


@compiled
def balls(back: Ties, first: int, last: int, look: int, near: Any, far: Any) -> None:
    """The nodes from which first to last are reached over the shortest ways: `near`, `far` (n, look); -1 fills up.

    `back` are the ties by head.
    """
    room = make_room(back.start.shape[0])
    for v in range(first, last):
        settled, reached = search(back, v, look, room)
        for i in range(settled):
            near[v, i], far[v, i] = room.order[i], room.distance[room.order[i]]
        clear(room, reached)


@compiled
def needed(ties: Ties, first: int, last: int, look: int, near: Any, far: Any, keep: Any) -> None:
    """Write to `keep` which ties of the nodes first to last no other way beats that a short search finds.

    Searches from both ends meet: from the tail over its `look` nearest nodes, to the head from those of `balls`.
    """
    room, slack = make_room(ties.start.shape[0]), slack_of(ties.start.shape[0], ties.length)
    for u in range(first, last):
        _, reached = search(ties, u, look, room)
        for e in range(ties.start[u], ties.stop[u]):
            v, other = ties.head[e], np.inf
            for i in range(look):
                if near[v, i] < 0:
                    break
                other = min(other, room.distance[near[v, i]] + far[v, i])
            keep[e] = ties.length[e] <= other + slack
        clear(room, reached)
