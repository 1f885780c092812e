"""Weighted triangles around every node of an undirected network."""

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.network import Floats, Ints


@compiled
def closed_walks(first: Ints, neighbour: Ints, weight: Floats, start: int, stop: int) -> Floats:
    """(S^3)_uu of the nodes start <= u < stop; S is symmetric, in compressed rows, and has no diagonal."""
    to_u = np.zeros(len(first) - 1)  # S_uw of the node u in hand
    found = np.zeros(stop - start)
    for u in range(start, stop):
        for k in range(first[u], first[u + 1]):
            to_u[neighbour[k]] = weight[k]
        for k in range(first[u], first[u + 1]):
            v, around = neighbour[k], 0.0
            for j in range(first[v], first[v + 1]):
                around += weight[j] * to_u[neighbour[j]]
            found[u - start] += weight[k] * around
        for k in range(first[u], first[u + 1]):
            to_u[neighbour[k]] = 0.0
    return found
