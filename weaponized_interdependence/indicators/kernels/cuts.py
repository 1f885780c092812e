"""What holds a network together: pieces and distances that are left without some nodes, sizes of dominator subtrees."""

from typing import Any

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.network import Ints


@compiled
def pieces(first: Ints, other: Ints) -> tuple[Ints, Ints]:
    """For every node of an undirected graph: ordered pairs still joined within its component without it, (n,), and how
    many nodes the component has, (n,).

    `other[first[v]:first[v+1]]` are the neighbours of v. One depth-first search (Hopcroft and Tarjan): a child's
    subtree from which no edge leads above v is a piece of its own without v; what is outside all of these is the last.
    """
    n = len(first) - 1
    order, low = np.full(n, -1), np.zeros(n, np.int64)
    parent, size = np.full(n, -1), np.ones(n, np.int64)
    step, pairs, cut = first[:-1].copy(), np.zeros(n, np.int64), np.zeros(n, np.int64)
    whole, visited, count = np.zeros(n, np.int64), np.empty(n, np.int64), 0
    for root in range(n):
        if order[root] >= 0:
            continue
        begin, v = count, root
        while v >= 0:
            if order[v] < 0:
                order[v] = low[v] = count
                visited[count] = v
                count += 1
            if step[v] < first[v + 1]:
                w = other[step[v]]
                step[v] += 1
                if order[w] < 0:
                    parent[w] = v
                    v = w
                else:
                    low[v] = min(low[v], order[w])
                continue
            u = parent[v]
            if u >= 0:
                size[u] += size[v]
                low[u] = min(low[u], low[v])
                if low[v] >= order[u]:
                    pairs[u] += size[v] * (size[v] - 1)
                    cut[u] += size[v]
            v = u
        for k in range(begin, count):
            v = visited[k]
            whole[v] = count - begin
            rest = whole[v] - 1 - cut[v]
            pairs[v] += rest * (rest - 1)
    return pairs, whole


@compiled
def nearness(first: Ints, other: Ints, gone: Any) -> float:
    """Sum over ordered pairs of nodes not `gone` of one over their distance in steps, nothing where there is no way."""
    n = len(first) - 1
    found, far, queue = 0.0, np.full(n, -1), np.empty(n, np.int64)
    for source in range(n):
        if gone[source]:
            continue
        far[source], queue[0], size, k = 0, source, 1, 0
        while k < size:
            v = queue[k]
            k += 1
            for p in range(first[v], first[v + 1]):
                w = other[p]
                if far[w] < 0 and not gone[w]:
                    far[w] = far[v] + 1
                    queue[size] = w
                    size += 1
        for k in range(1, size):
            found += 1.0 / far[queue[k]]
        for k in range(size):
            far[queue[k]] = -1
    return found


@compiled
def below(parent: Ints, root: int) -> Ints:
    """How many nodes stand below each in a tree, (n,); `parent` is negative for the root and outside the tree."""
    n = len(parent)
    children, found, queue, size = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.int64), 0
    for v in range(n):
        if parent[v] >= 0:
            children[parent[v]] += 1
    for v in range(n):
        if children[v] == 0 and parent[v] >= 0:
            queue[size] = v
            size += 1
    k = 0
    while k < size:
        v = queue[k]
        k += 1
        u = parent[v]
        found[u] += found[v] + 1
        children[u] -= 1
        if children[u] == 0 and u != root:
            queue[size] = u
            size += 1
    return found
