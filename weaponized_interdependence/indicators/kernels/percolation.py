"""Union-find over ties that are added level by level."""

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import compiled

Ints = npt.NDArray[np.int64]


@compiled
def largest_left(level: Ints, origin: Ints, destination: Ints, levels: int) -> Ints:
    """Nodes in the largest weakly connected part while levels of nodes are removed, 0 first: (levels + 1,).

    Entry 0 is of the whole network, entry l + 1 of what is left without levels 0 to l. `level` (n,) is the level of a
    node, no level without one; ties (m,) stand in falling order of the smaller level of their ends, with which they
    go. Union-find cannot take apart, so nodes come back instead, last removed first: near-linear in nodes and ties.
    """
    n, m = len(level), len(origin)
    parent, size = np.arange(n), np.ones(n, dtype=np.int64)
    left = np.zeros(levels + 1, dtype=np.int64)
    tie, largest = 0, 0
    for gone in range(levels, -1, -1):  # levels below `gone` are removed
        if gone < levels and largest == 0:
            largest = 1  # a node by itself
        while tie < m and min(level[origin[tie]], level[destination[tie]]) >= gone:
            a, b = origin[tie], destination[tie]
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a != b:
                if size[a] < size[b]:
                    a, b = b, a
                parent[b] = a
                size[a] += size[b]
                largest = max(largest, size[a])
            tie += 1
        left[gone] = largest
    return left
