"""All unknowns of the equilibrium at once, accelerated."""

import numpy as np

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.simulation.equilibrium.kernels.anderson import memory_of, mixed
from weaponized_interdependence.simulation.equilibrium.kernels.sweep import (
    BOUND,
    UNDERFLOW,
    Floats,
    Ints,
    Problem,
    Scratch,
    copied,
    dot,
    in_logs,
    sweep,
)

FLOOR = 0.2  # a mix may take no expenditure below this part of its image, so that none turns negative
FARTHEST = 200.0  # log wages stay within it, however far a world without equilibrium drives them


def scratch_of(J: int, N: int) -> Scratch:
    """Room for what a sweep finds."""
    return Scratch(
        np.zeros((J, N)), np.zeros((J, N)), np.zeros((J, N)),
        np.zeros(N), np.zeros(N), np.zeros(N), np.zeros(N), np.zeros(N),
    )  # fmt: skip


# In Python, not compiled: a round takes ten microseconds longer, but a loop compiled around a pass would have all of it
# optimised a second time, which takes seconds.
def joint(
    p: Problem, z: Floats, s: Scratch, tol: float, most: int, steps: int, patience: int, caution: float
) -> tuple[int, float]:
    """Solve for the unknowns from the start `z`, in place; sweeps used and the residual of what `z` then holds.

    `steps` are remembered, and wages follow their gaps by `caution` times their ease; 0 leaves wages as they are, and
    trade unbalanced. Gives up, with the best found, after `most` sweeps, or when `patience` sweeps have not halved the
    residual. Gaps of costs count times theta, for so much do shares feel them.
    """
    J, N = p.shift.shape
    cells = J * N
    g, best = np.empty(len(z)), z.copy()
    weight = np.ones(len(z))
    weight[:cells] = np.repeat(np.maximum(p.theta, 1.0), N)
    least, mark, since, used = np.inf, np.inf, 0, 0
    m = memory_of(steps, len(z))
    while True:
        last = used >= most - 1 or since >= patience
        if last:
            z[:] = best
        residual = sweep(p, z, g, s, caution)
        used += 1
        if last or residual <= tol:
            return used, residual
        if residual < least:
            least = residual
            best[:] = z
        since += 1
        if residual < 0.5 * mark:
            mark, since = residual, 0
        mixed(m, z, g, weight)
        restrained(z, g, cells)


@compiled
def restrained(z: Floats, g: Floats, cells: int) -> None:
    """Keep a mix near enough to the image g: expenditure above zero, and wages within a step of it."""
    for d in range(cells, 2 * cells):
        if not z[d] >= FLOOR * g[d]:
            z[d] = FLOOR * g[d]
    for d in range(2 * cells, len(z)):
        if not abs(z[d] - g[d]) <= BOUND:
            z[d] = g[d]
        z[d] = min(max(z[d], -FARTHEST), FARTHEST)


@compiled
def costs(inputs: Floats, added: Floats, log_price: Floats, log_wage: Floats, found: Floats) -> None:
    """Log unit costs from prices and wages."""
    J, N = added.shape
    for j in range(J):
        for n in range(N):
            found[j, n] = added[j, n] * log_wage[n]
        for k in range(J):
            for n in range(N):
                found[j, n] += inputs[k, j, n] * log_price[k, n]


@compiled
def shares(A: Floats, traded: Ints, theta: Floats, logc: Floats, u: Floats, found: Floats) -> None:
    """Trade shares at these unit costs, of which `u` [j, i] are the powers."""
    J, N = logc.shape
    terms = np.empty(N)
    for j in range(J):
        for n in range(N):
            row, to = A[j, n], found[j, n]
            if traded[j] == 0:
                for i in range(N):
                    to[i] = 1.0 if i == n and row[n] > 0 else 0.0
                continue
            phi = dot(row, u[j])
            if phi < UNDERFLOW:
                in_logs(row, logc[j], theta[j], terms)
                copied(to, terms)
                continue
            for i in range(N):
                to[i] = row[i] * u[j, i] / phi
