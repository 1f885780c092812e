"""What passes through every node, or touches a group of nodes, on least-distance paths, in machine code.

The tie rule is that of `indicators.routing.chains`. Distances come first; then u stands before v when
d(u) + length <= d(v) (1 + 1e-12) and d(u) < d(v). So the order of nodes never decides who is tied. Where no two lengths
are equal the paths from a source make a tree, and shares need not be counted.
"""

from typing import Any, NamedTuple

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.indicators.kernels.distances import (
    Room,
    Ties,
    make_room,
    slack_of,
    spread,
    thin_row,
)
from weaponized_interdependence.indicators.kernels.tie_rule import EQUAL


@compiled
def parents(ties: Ties, count: int, far: Any, before: Any, tied: Any) -> None:
    """A node that stands before each, by source (n, sources), -1 where none does; `tied` where some have several."""
    tied[:] = 0
    for v in range(ties.start.shape[0]):
        for j in range(count):
            before[v, j] = -1
    for u in range(ties.start.shape[0]):
        for e in range(ties.start[u], ties.stop[u]):
            v = ties.head[e]
            mark(u, far[u, :count], ties.length[e], far[v, :count], before[v, :count], tied[:count])


@compiled
def mark(u: int, near: Any, length: float, far: Any, before: Any, tied: Any) -> None:
    """Note u as standing before another node, for those sources for which it does."""
    for j in range(near.shape[0]):
        on = (near[j] + length <= far[j] * (1 + EQUAL)) & (near[j] < far[j]) & (far[j] < np.inf)
        tied[j] |= np.int32(on) & np.int32(before[j] >= 0)
        before[j] = np.int32(u) if on else before[j]


@compiled
def outermost_first(source: int, order: Any, far: Any, before: Any, parent: Any, children: Any, found: Any) -> int:
    """The nodes reached in an order that has every node ahead of its parent, the source left out, and their number.

    -1 where a node has no parent: a tie was too short to be added to the distance. Fills `parent`.
    """
    for v in order:
        p = before[v]
        parent[v] = p
        if p >= 0:
            children[p] += 1
        elif v != source and far[v] < np.inf:
            children[:] = 0
            return -1
    count = 0
    for i in range(order.shape[0] - 1, -1, -1):
        v = order[i]
        while parent[v] >= 0 and children[v] == 0:
            children[v] = -1
            found[count] = v
            count += 1
            v = parent[v]
            children[v] -= 1
    children[:] = 0
    return count


@compiled
def steps(ties: Ties, source: int, distance: Any, paths: Any, tail: Any, head: Any) -> int:
    """All steps of least-distance paths, those to a node ahead of those from it, and how many; counts `paths`.

    A node that no step leads to, being no farther than the node before it in floating point, has no paths.
    """
    n = ties.start.shape[0]
    waiting, queue = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    for u in range(n):
        for e in range(ties.start[u], ties.stop[u]):
            waiting[ties.head[e]] += stands_before(distance[u], ties.length[e], distance[ties.head[e]])
    paths[:] = 0.0
    paths[source] = 1.0
    ready, found = 0, 0
    for v in range(n):
        if waiting[v] == 0 and distance[v] < np.inf:
            queue[ready] = v
            ready += 1
    done = 0
    while done < ready:
        u = queue[done]
        done += 1
        for e in range(ties.start[u], ties.stop[u]):
            v = ties.head[e]
            if stands_before(distance[u], ties.length[e], distance[v]):
                paths[v] += paths[u]
                tail[found], head[found] = u, v
                found += 1
                waiting[v] -= 1
                if waiting[v] == 0:
                    queue[ready] = v
                    ready += 1
    return found


@compiled
def stands_before(near: float, length: float, far: float) -> bool:
    """The tie rule for one step."""
    return (near + length <= far * (1 + EQUAL)) & (near < far) & (far < np.inf)


class Batch(NamedTuple):
    """What paths from up to 64 sources at a time are worked out in."""

    room: Room
    order: Any  # (n,)
    wake: Any
    far: Any  # (n, 64)
    before: Any
    tied: Any  # (64,)
    parent: Any  # (n,), of one source
    children: Any
    outer: Any
    distance: Any
    paths: Any
    tail: Any  # (m,)
    head: Any


@compiled
def make_batch(ties: Ties, sources: int) -> Batch:
    """Room for paths from so many sources, 64 at a time."""
    n, m, wide = ties.start.shape[0], ties.head.shape[0], min(64, sources)
    return Batch(
        make_room(n),
        np.zeros(n, dtype=np.int32),
        np.zeros(n, dtype=np.bool_),
        np.zeros((n, wide)),
        np.zeros((n, wide), dtype=np.int32),
        np.zeros(wide, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.zeros(n),
        np.zeros(n),
        np.zeros(m, dtype=np.int32),
        np.zeros(m, dtype=np.int32),
    )


@compiled
def reach(ties: Ties, sources: Any, slack: float, batch: Batch) -> None:
    """Distances and parents from the sources, whose ties are thinned where `slack` is not negative."""
    spread(ties, sources, batch.room, batch.order, batch.wake, batch.far)
    for j in range(len(sources) if slack >= 0 else 0):
        thin_row(ties, sources[j], batch.far[:, j], slack)
    parents(ties, len(sources), batch.far, batch.before, batch.tied)


@compiled
def unfold(ties: Ties, source: int, j: int, batch: Batch) -> tuple[bool, int]:
    """The paths from source j of the batch: whether they make a tree, and the number of its nodes or of all steps.

    A tree is `outer` and `parent`; otherwise steps are `tail` and `head`, and `paths` says how many lead to each node.
    """
    if batch.tied[j] == 0:
        far, before = batch.far[:, j], batch.before[:, j]
        count = outermost_first(source, batch.order, far, before, batch.parent, batch.children, batch.outer)
        if count >= 0:
            return True, count
    batch.distance[:] = batch.far[:, j]
    return False, steps(ties, source, batch.distance, batch.paths, batch.tail, batch.head)


@compiled
def through(ties: Ties, sources: Any, thin: bool, total: Any) -> None:
    """Add to `total` (n,) the pairs from these sources whose least-distance paths pass strictly through each node."""
    batch, carried = make_batch(ties, len(sources)), np.zeros(len(total))
    slack = slack_of(len(total), ties.length) if thin else -1.0
    for first in range(0, len(sources), 64):
        some = sources[first : first + 64]
        reach(ties, some, slack, batch)
        for j in range(len(some)):
            s = some[j]
            tree, count = unfold(ties, s, j, batch)
            if tree:
                for i in range(count):
                    v = batch.outer[i]
                    total[v] += carried[v]
                    carried[batch.parent[v]] += 1.0 + carried[v]
                    carried[v] = 0.0
            else:
                for i in range(count - 1, -1, -1):
                    u, v = batch.tail[i], batch.head[i]
                    if batch.paths[v] > 0:
                        carried[u] += batch.paths[u] / batch.paths[v] * (1.0 + carried[v])
                carried[s] = 0.0  # a path starts at its source, it does not pass it
                for v in range(len(total)):
                    total[v] += carried[v]
                    carried[v] = 0.0
            carried[s] = 0.0


@compiled
def touching(ties: Ties, sources: Any, thin: bool, held: Any, total: Any) -> None:
    """Add to `total` (64,) the pairs from these sources whose paths touch each group, both ends outside it.

    Bit g of `held` (n,) says that the node is in group g. A pair with several equal paths counts by the part of them
    that touches the group.
    """
    batch, met = make_batch(ties, len(sources)), np.zeros(len(held), dtype=np.int64)
    slack = slack_of(len(held), ties.length) if thin else -1.0
    for first in range(0, len(sources), 64):
        some = sources[first : first + 64]
        reach(ties, some, slack, batch)
        for j in range(len(some)):
            s = some[j]
            tree, count = unfold(ties, s, j, batch)
            if tree:
                met[s] = 0
                for i in range(count - 1, -1, -1):
                    v, u = batch.outer[i], batch.parent[batch.outer[i]]
                    met[v] = met[u] | held[u]
                    new, g = met[v] & ~held[v] & ~held[s], 0
                    while new != 0:
                        if new & 1:
                            total[g] += 1.0
                        new = (new >> 1) & 0x7FFFFFFFFFFFFFFF
                        g += 1
            else:
                touch_shares(s, count, batch, held, total)


@compiled
def touch_shares(source: int, count: int, batch: Batch, held: Any, total: Any) -> None:
    """`touching` from one source with several equal paths: what part of the paths to each node gets past each group."""
    every, past = np.int64(0), np.zeros(len(held))
    for bits in held:
        every |= bits
    for g in range(64):
        if not (every >> g) & 1 or (held[source] >> g) & 1:
            continue
        past[:] = 0.0
        past[source] = 1.0
        for i in range(count):
            if not (held[batch.tail[i]] >> g) & 1:
                past[batch.head[i]] += past[batch.tail[i]]
        for v in range(len(held)):
            if v != source and batch.paths[v] > 0 and not (held[v] >> g) & 1:
                total[g] += 1.0 - past[v] / batch.paths[v]


@compiled
def number(origin: Any, destination: Any, position: Any) -> Any:
    """The nodes of some ties, sorted; writes each one's place among them to `position`, -1 before and for others."""
    found = np.zeros(min(2 * origin.shape[0], position.shape[0]), dtype=np.int32)
    count = 0
    for ends in (origin, destination):
        for code in ends:
            if position[code] < 0:
                position[code] = 0
                found[count] = code
                count += 1
    nodes = np.sort(found[:count])
    for i in range(count):
        position[nodes[i]] = i
    return nodes


@compiled
def ties_among(nodes: Any, origin: Any, destination: Any, length: Any, position: Any) -> Ties:
    """The ties, sorted by origin, of one network by the places of `number`, copied so that they can be thinned."""
    start, head = np.zeros(nodes.shape[0] + 1, dtype=np.int64), np.zeros(origin.shape[0], dtype=np.int32)
    for i in range(origin.shape[0]):
        start[position[origin[i]] + 1] += 1
        head[i] = position[destination[i]]
    start = np.cumsum(start)
    return Ties(start[:-1].copy(), start[1:].copy(), head, length.copy())


@compiled
def senders(ties: Ties) -> Any:
    """The nodes that send, most ties first: thinning these first spares the later ones most."""
    count = 0
    for u in range(ties.start.shape[0]):
        count += ties.stop[u] > ties.start[u]
    return np.argsort(ties.start - ties.stop)[:count]


@compiled
def layers(first: Any, origin: Any, destination: Any, length: Any, begin: int, end: int, names: int) -> Any:
    """Betweenness in each of the networks begin to end: how many nodes each has, the nodes, their scores."""
    position = np.full(names, -1, dtype=np.int32)
    most = 0
    for k in range(begin, end):
        most += min(2 * (first[k + 1] - first[k]), names)
    sizes, node, score = np.zeros(end - begin, dtype=np.int64), np.zeros(most, dtype=np.int32), np.zeros(most)
    done = 0
    for k in range(begin, end):
        ends = slice(first[k], first[k + 1])
        nodes = number(origin[ends], destination[ends], position)
        ties = ties_among(nodes, origin[ends], destination[ends], length[ends], position)
        size = nodes.shape[0]
        through(ties, senders(ties), True, score[done : done + size])
        node[done : done + size] = nodes
        position[nodes] = -1
        sizes[k - begin] = size
        done += size
    return sizes, node[:done], score[:done]


@compiled
def group_layers(first: Any, origin: Any, destination: Any, length: Any, begin: int, end: int, held: Any) -> Any:
    """Pairs that touch each of up to 64 groups in each of the networks begin to end, (networks, 64); see `touching`."""
    position = np.full(held.shape[0], -1, dtype=np.int32)
    total = np.zeros((end - begin, 64))
    for k in range(begin, end):
        ends = slice(first[k], first[k + 1])
        nodes = number(origin[ends], destination[ends], position)
        ties = ties_among(nodes, origin[ends], destination[ends], length[ends], position)
        touching(ties, senders(ties), True, held[nodes], total[k - begin])
        position[nodes] = -1
    return total
