"""The k shortest simple chains to one destination, with all that tie for the last place; and all the very shortest.

Yen (1971) with Lawler's (1972) split: the chains not yet found are divided into sets "begins with this root and does
not go on to these nodes"; the shortest of every set waits in a heap, and the set of the one taken out is split at each
node of it. The shortest of a set is searched by A*, with the distances to the destination in the whole network as the
bound on what is left: exact, because leaving nodes out never shortens a way.
"""

from heapq import heappop, heappush

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.indicators.kernels.distances import Ties, make_room, search
from weaponized_interdependence.indicators.kernels.paths import steps
from weaponized_interdependence.indicators.kernels.tie_rule import EQUAL
from weaponized_interdependence.network import Floats, Ints

# Lengths within EQUAL of each other are equal; here twice as much, so that no equal one is lost.
_WIDER = 1 + 2 * EQUAL


@compiled
def distances_to(target: int, start: Ints, tails: Ints, lengths: Floats) -> Floats:
    """Least distance (n,) of every node to `target`; `start` and `tails` say which ties come in to each node."""
    distance = np.full(len(start) - 1, np.inf)
    distance[target] = 0.0
    heap = [(0.0, target)]
    while len(heap) > 0:
        reached, node = heappop(heap)
        if reached > distance[node]:
            continue
        for tie in range(start[node], start[node + 1]):
            longer = reached + lengths[tie]
            if longer < distance[tails[tie]]:
                distance[tails[tie]] = longer
                heappush(heap, (longer, tails[tie]))
    return distance


@compiled
def _spur(
    root: Ints,
    length: float,
    banned: Ints,
    target: int,
    ties: tuple[Ints, Ints, Floats],
    left: Floats,
    bound: float,
    work: tuple[Ints, Floats, Ints],
) -> tuple[float, Ints]:
    """Shortest chain that begins with `root` and goes on to no banned node: (length, chain), or (inf, root).

    `length` is that of the root, `left` the least distance to the target, `bound` what is too long to be of use.
    `work` holds arrays of n that are not cleared but stamped: state, reached so far, node before.
    """
    start, heads, lengths = ties
    state, reached, before = work
    state[0] += 3
    seen, closed = state[0] + 1, state[0] + 2  # state[1 + v] is one of these, or of an earlier search
    for node in root:
        state[1 + node] = closed
    heap = [(0.0, np.int64(0))]
    heap.pop()
    node, here = root[-1], length
    first = True
    while True:
        for tie in range(start[node], start[node + 1]):
            head = heads[tie]
            if state[1 + head] == closed or left[head] == np.inf:
                continue
            if first:
                skip = False
                for other in banned:
                    skip = skip or other == head
                if skip:
                    continue
            longer = here + lengths[tie]
            if longer + left[head] <= bound and (state[1 + head] != seen or longer < reached[head]):
                state[1 + head], reached[head], before[head] = seen, longer, node
                heappush(heap, (longer + left[head], head))
        first = False
        while True:
            if len(heap) == 0:
                return np.inf, root
            node = heappop(heap)[1]
            if state[1 + node] != closed:
                break
        here = reached[node]
        if node == target:
            break
        state[1 + node] = closed
    steps = 1
    while before[node] != root[-1]:
        node, steps = before[node], steps + 1
    chain = np.empty(len(root) + steps, np.int64)
    chain[: len(root)] = root
    node = target
    for place in range(len(chain) - 1, len(root) - 1, -1):
        chain[place], node = node, before[node]
    return here, chain


@compiled
def chains_to(
    target: int,
    sources: Ints,
    paths: int,
    most: int,
    ties: tuple[Ints, Ints, Floats],
    reverse: tuple[Ints, Ints, Floats],
) -> tuple[list[np.int64], list[float], list[np.int64], list[np.int64], int]:
    """The `paths` shortest simple chains from each source to `target`, and those as long as the last of them.

    Parameters
    ----------
    target, sources
        Positions of nodes; a source is not the target and can reach it.
    paths, most
        How many to find; how many a source may have with ties.
    ties
        (start, heads, lengths): the ties out of v are start[v] to start[v + 1].
    reverse
        (start, tails, lengths): the same by destination.

    Returns
    -------
    (flow, length, first, stops, failed)
        flow: place in `sources` of each chain; stops[first[r]:first[r + 1]]: its nodes; failed: place of the first
        source with more than `most`, else -1.
    """
    start, heads, lengths = ties
    left = distances_to(target, reverse[0], reverse[1], reverse[2])
    n = len(left)
    work = (np.zeros(n + 1, np.int64), np.zeros(n), np.zeros(n, np.int64))
    flow, length, first, stops = [np.int64(0)], [0.0], [np.int64(0)], [np.int64(0)]
    flow.pop()
    length.pop()
    stops.pop()
    for place in range(len(sources)):
        best = np.full(paths, np.inf)  # the shortest lengths known: none longer than the last is of use
        root = sources[place : place + 1].copy()
        found = _spur(root, 0.0, root[:0], target, ties, left, np.inf, work)
        waiting, chains, splits, bans = [(found[0], np.int64(0))], [found[1]], [np.int64(0)], [root[:0]]
        best[0] = found[0]
        taken = 0
        while len(waiting) > 0:
            reached, which = heappop(waiting)
            if reached > best[-1] * _WIDER:
                break
            if taken == most:
                return flow, length, first, stops, place
            taken += 1
            chain = chains[which]
            flow.append(np.int64(place))
            length.append(reached)
            stops.extend(chain)
            first.append(np.int64(len(stops)))
            so_far = 0.0
            for split in range(len(chain) - 1):
                if split >= splits[which]:
                    before = len(bans[which]) if split == splits[which] else 0
                    banned = np.empty(before + 1, np.int64)
                    banned[:before] = bans[which][:before]
                    banned[before] = chain[split + 1]
                    bound = best[-1] * _WIDER
                    longer, other = _spur(chain[: split + 1], so_far, banned, target, ties, left, bound, work)
                    if longer <= bound and longer < np.inf:
                        heappush(waiting, (longer, np.int64(len(chains))))
                        chains.append(other)
                        splits.append(np.int64(split))
                        bans.append(banned)
                        slot = paths - 1
                        while slot > 0 and best[slot - 1] > longer:
                            best[slot] = best[slot - 1]
                            slot -= 1
                        best[slot] = min(best[slot], longer)
                for tie in range(start[chain[split]], start[chain[split] + 1]):
                    if heads[tie] == chain[split + 1]:
                        so_far += lengths[tie]
    return flow, length, first, stops, -1


@compiled
def least_chains(
    ties: Ties, source: int, targets: Ints, most: int
) -> tuple[list[np.int64], Floats, list[np.int64], list[np.int64], int]:
    """All least-distance chains from `source` to each of the targets, by the tie rule, step by step.

    Returns (flow, distance, first, stops, failed) as `chains_to` does; but `distance` is that of each target, infinite
    where it is not reached.
    """
    n = len(ties.start)
    room, paths = make_room(n), np.zeros(n)
    search(ties, source, n + 1, room)
    tail, head = np.zeros(len(ties.head), dtype=np.int32), np.zeros(len(ties.head), dtype=np.int32)
    found = steps(ties, source, room.distance, paths, tail, head)
    begin = np.zeros(n + 1, dtype=np.int64)
    for i in range(found):
        begin[head[i] + 1] += 1
    begin = np.cumsum(begin)
    filled, before = begin[:-1].copy(), np.zeros(found, dtype=np.int64)
    for i in range(found):
        before[filled[head[i]]] = tail[i]
        filled[head[i]] += 1
    flow, first, stops = [np.int64(0)], [np.int64(0)], [np.int64(0)]
    flow.pop()
    stops.pop()
    chain, at = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for place in range(len(targets)):
        if paths[targets[place]] > most:
            return flow, room.distance[targets], first, stops, place
        depth = 0
        chain[0], at[0] = targets[place], begin[targets[place]]
        while depth >= 0:
            node = chain[depth]
            if node == source:
                flow.append(np.int64(place))
                stops.extend(chain[depth::-1])
                first.append(np.int64(len(stops)))
                depth -= 1
            elif at[depth] == begin[node + 1]:
                depth -= 1
            else:
                previous = before[at[depth]]
                at[depth] += 1
                if paths[previous] > 0:
                    depth += 1
                    chain[depth], at[depth] = previous, begin[previous]
    return flow, room.distance[targets], first, stops, -1
