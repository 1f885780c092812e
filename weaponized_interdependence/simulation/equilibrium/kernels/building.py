"""Blocks of trade shares after a measure, who still uses and makes what, and how stiff wages are."""

import math

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import compiled
from weaponized_interdependence.simulation.equilibrium.kernels.sweep import Floats, Ints

Flags = npt.NDArray[np.bool_]

FAR = 200.0  # logs of weights beyond it are held apart, so that no weight under- or overflows


@compiled
def weights(
    share: Floats, old: Floats, theta: Floats, cost: Floats, tariff: Floats, export_tax: Floats, banned: Flags,
    A: Floats, shift: Floats, traded: Ints, taxed: Ints, levied: Ints, supplied: Flags,
) -> None:  # fmt: skip
    """Fill A[j, n, i] = share * (change of trade cost) ** -theta; say which sectors are traded, taxed, levied;
    and where a supplier is left.

    `cost`, `export_tax` and `banned` of no size are none. `traded`, `taxed` and `levied` get 1 or 0.
    """
    J, N = shift.shape
    costs, levies, bans = cost.size > 0, export_tax.size > 0, banned.size > 0
    logs = np.empty(N)
    for j in range(J):
        abroad, tariffs, taxes = False, False, False
        for n in range(N):
            moved = False
            most = -np.inf
            for i in range(N):
                weight = share[j, n, i]
                logs[i] = 0.0
                if bans and banned[j, n, i]:
                    weight = 0.0
                A[j, n, i] = weight
                if weight == 0.0:
                    continue
                new = tariff[j, n, i]
                hat = 1.0 if new == old[j, n, i] else (1.0 + new) / (1.0 + old[j, n, i])
                if costs:
                    hat *= cost[j, n, i]
                if levies and export_tax[j, n, i] != 0.0:
                    hat *= 1.0 + export_tax[j, n, i]
                    taxes = True
                if hat != 1.0:
                    moved = True
                    logs[i] = -theta[j] * math.log(hat)
                most = max(most, logs[i])
                tariffs |= new != 0.0
                abroad |= i != n
            supplied[j, n] = most > -np.inf
            shift[j, n] = 0.0
            if moved:
                if abs(most) > FAR:
                    shift[j, n] = most
                for i in range(N):
                    if A[j, n, i] > 0.0 and logs[i] != shift[j, n]:  # zeros stay, where the power would overflow too
                        A[j, n, i] *= math.exp(logs[i] - shift[j, n])
        taxed[j] = tariffs or taxes
        levied[j] = taxes
        traded[j] = abroad or tariffs or taxes


@compiled
def divided(weight: Floats, rate: Floats, chosen: Ints, among: Ints, found: Floats) -> None:
    """weight / (1 + rate) of the chosen sectors, one after the other; a sector's weights are in place `among[j]`."""
    for at in range(len(chosen)):
        j = chosen[at]
        for n in range(weight.shape[1]):
            for i in range(weight.shape[2]):
                found[at, n, i] = weight[among[j], n, i] / (1.0 + rate[j, n, i])


@compiled
def in_use(A: Floats, inputs: Floats, final: Floats, traded: Ints, used: Flags, link: Flags) -> None:
    """Which sectors an economy uses, for final spending or for what it still sells; and who may buy of whom.

    `link[n, i]` is whether n may buy anything of i.
    """
    J, N = used.shape
    makes = np.zeros((J, N), dtype=np.bool_)
    todo_j, todo_n = np.empty(J * N, dtype=np.int64), np.empty(J * N, dtype=np.int64)
    held = 0
    for j in range(J):
        for n in range(N):
            if final[j, n] > 0:
                used[j, n] = True
                todo_j[held], todo_n[held] = j, n
                held += 1
    while held:
        held -= 1
        j, n = todo_j[held], todo_n[held]
        first = 0 if traded[j] else n
        last = N if traded[j] else n + 1
        for i in range(first, last):
            if A[j, n, i] > 0:
                link[n, i] = True
                if not makes[j, i]:
                    makes[j, i] = True
                    for k in range(J):
                        if not used[k, i] and inputs[k, j, i] > 0:
                            used[k, i] = True
                            todo_j[held], todo_n[held] = k, i
                            held += 1


@compiled
def easing(
    A: Floats, net: Floats, taxed: Ints, traded: Ints, theta: Floats, added: Floats, X: Floats, ease: Floats
) -> None:
    """1 / (1 + elasticity of an economy's sales to its own cost), by which its wage follows the gap.

    A supplier with the part pi of a market loses theta (1 - pi) per cent of it when it alone becomes one per cent
    dearer.
    """
    J, N = X.shape
    loss, made = np.zeros(N), np.zeros(N)
    for j in range(J):
        if traded[j] == 0:
            for n in range(N):
                made[n] += added[j, n] * X[j, n]
            continue
        for n in range(N):
            row = A[j, n] if taxed[j] < 0 else net[taxed[j], n]
            total = 0.0
            for i in range(N):
                total += A[j, n, i]
            if total > 0:
                y = X[j, n] / total
                pull = theta[j] / total
                for i in range(N):
                    flow = added[j, i] * row[i] * y
                    made[i] += flow
                    loss[i] += flow * (theta[j] - pull * A[j, n, i])
    for n in range(N):
        ease[n] = 1.0 / (1.0 + (loss[n] / made[n] if made[n] > 0 else 0.0))
