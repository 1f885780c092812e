"""Anderson's acceleration of a fixed-point map, type II: the mix of past images whose gaps cancel best.

Sources: Anderson (1965), Journal of the ACM 12(4); Walker & Ni (2011), SIAM Journal on Numerical Analysis 49(4).
"""

import math
from typing import NamedTuple

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.simulation.equilibrium.kernels.sweep import Floats, Ints, copied, dot

RIDGE = 1e-12  # over the squared length of a difference of gaps: what keeps nearly equal ones from cancelling
GROWTH = 4.0  # a gap that grew more makes it forget


class Memory(NamedTuple):
    """The last steps: differences of images and of gaps, their products, the last image and gap."""

    images: Floats  # [m, d]
    gaps: Floats  # [m, d]
    products: Floats  # [m, m]
    image: Floats  # [d]
    gap: Floats  # [d]
    held: Ints  # how many differences, where the next one goes, and whether there is a last step
    length: Floats  # of the last gap


def memory_of(steps: int, unknowns: int) -> Memory:
    """A memory of nothing yet."""
    return Memory(
        np.empty((steps, unknowns)), np.empty((steps, unknowns)), np.zeros((steps, steps)),
        np.empty(unknowns), np.empty(unknowns), np.zeros(3, dtype=np.int64), np.zeros(1),
    )  # fmt: skip


@compiled
def mixed(m: Memory, z: Floats, g: Floats, weight: Floats) -> None:
    """Replace the unknowns z, whose image is g, by the next ones to try; gaps count by their weight."""
    steps, D = m.images.shape
    held, at = m.held[0], m.held[1]
    f = np.empty(D)
    for d in range(D):
        f[d] = (g[d] - z[d]) * weight[d]
    length = math.sqrt(dot(f, f))
    if m.held[2] and not length <= GROWTH * m.length[0]:
        held, at = 0, 0
    elif m.held[2]:
        image, gap = m.images[at], m.gaps[at]
        for d in range(D):
            image[d] = g[d] - m.image[d]
            gap[d] = f[d] - m.gap[d]
        square = dot(gap, gap)
        if square > 0.0:
            held = min(held + 1, steps)
            for k in range(held):
                m.products[at, k] = m.products[k, at] = square if k == at else dot(gap, m.gaps[k])
            at = (at + 1) % steps
    m.held[0], m.held[1], m.held[2] = held, at, 1
    m.length[0] = length
    copied(m.image, g)
    copied(m.gap, f)
    copied(z, g)
    if held == 0:
        return
    normal, right, scale = np.empty((held, held)), np.empty(held), np.empty(held)
    for k in range(held):
        scale[k] = 1.0 / math.sqrt(m.products[k, k])
    for k in range(held):
        right[k] = dot(m.gaps[k], f) * scale[k]
        for other in range(held):
            normal[k, other] = m.products[k, other] * scale[k] * scale[other]
        normal[k, k] = 1.0 + RIDGE
    solved(normal, right)
    for k in range(held):
        part = right[k] * scale[k]
        image = m.images[k]
        for d in range(D):
            z[d] -= part * image[d]


@compiled
def solved(matrix: Floats, right: Floats) -> None:
    """Solve a small symmetric positive definite system in place, by Cholesky; pivots that vanish drop their unknown."""
    n = len(right)
    for k in range(n):
        for other in range(k):
            matrix[k, k] -= matrix[k, other] * matrix[k, other]
        pivot = math.sqrt(matrix[k, k]) if matrix[k, k] > 1e-15 else np.inf
        matrix[k, k] = pivot
        for r in range(k + 1, n):
            for other in range(k):
                matrix[r, k] -= matrix[r, other] * matrix[k, other]
            matrix[r, k] /= pivot
    for k in range(n):
        for other in range(k):
            right[k] -= matrix[k, other] * right[other]
        right[k] /= matrix[k, k]
    for k in range(n - 1, -1, -1):
        for other in range(k + 1, n):
            right[k] -= matrix[other, k] * right[other]
        right[k] /= matrix[k, k]
