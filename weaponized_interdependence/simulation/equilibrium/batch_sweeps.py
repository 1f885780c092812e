"""Passes over all equations for many counterfactuals at once, until each has converged.

State of a counterfactual, one column of a block [2J + 1, N, S]: log prices P[j, n], expenditure over value added
X[j, n], log wages w[n]. One pass takes, sector by sector, one product of the trade shares with u = c ** -theta (prices
of every counterfactual) and one of their transpose with X / P ** -theta (sales), and mends the cells each has changed.
The gaps, taken through the response of the baseline (`batch_linear`), are the step; Anderson's acceleration with a
safeguard does the rest, for each counterfactual by its own numbers. Those that have converged drop out.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.simulation.equilibrium.batch_cells import Rows
from weaponized_interdependence.simulation.equilibrium.batch_linear import Shared, Singles, by_economy
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MEMORY = 6  # changes that the acceleration keeps
MOST = 60  # passes before a counterfactual is left to `solve`: most need ten to twenty
_RIDGE = 1e-7  # of the products of changes, scaled to one: single precision leaves no more
_WORSE = 4.0  # growth of the gap that calls for a step back
_SMALLEST = 0.01  # part of a step
_BOUND = 0.7  # most that a log wage moves in one pass
_STRIDE = 3.0  # most that a log price moves
_LEAST = 0.2  # of what the equations say: the least that expenditure may fall to in one pass
_THIN_OUT = 0.75  # of a block left to converge: it is made smaller


@dataclass(frozen=True)
class Solved:
    """Answers of a block, each with the counterfactual last; `good` where converged."""

    wage: Array  # [n, s]
    log_price: Array  # [j, n, s]
    expenditure: Array  # [j, n, s]
    income: Array  # [n, s]
    passes: npt.NDArray[np.int64]  # [s]
    residual: Array  # [s]
    good: Bools  # [s]


@dataclass(frozen=True)
class Block:
    """What a block of counterfactuals differs in; some may have gone."""

    rows: Rows
    place: Ints  # [s] where a counterfactual of `rows` stands among those left, -1 where it has gone
    theta: Array  # [j, s]
    deficit: Array  # [n, s] in money, or over value added
    proportional: bool

    def only(self, chosen: Bools) -> "Block":
        """Some of the counterfactuals that are left."""
        place = np.where(self.place >= 0, np.where(chosen, np.cumsum(chosen) - 1, -1)[self.place], -1)
        theta, deficit = np.ascontiguousarray(self.theta[:, chosen]), np.ascontiguousarray(self.deficit[:, chosen])
        return Block(self.rows, place, theta, deficit, self.proportional)


class _Pass:
    """What one pass over all equations finds, in arrays that the next pass uses again."""

    def __init__(self, J: int, N: int, S: int) -> None:
        self.u, self.phi, self.psi, self.y, self.sales, self.spent = (np.empty((J, N, S)) for _ in range(6))
        self.log_price = self.phi
        self.labour, self.revenue, self.income = (np.empty((N, S)) for _ in range(3))
        self.raw = np.empty((2 * J, N, S), dtype=np.float32)
        self.more = np.empty((J, N, S), dtype=np.float32)
        self.gap = np.empty((2 * J + 1, N, S), dtype=np.float32)  # the step the response of the baseline makes of gaps
        self.residual = np.empty(S)  # infinite where it cannot be told

    def over(self, world: Baseline, shared: Shared, block: Block, state: Array) -> None:
        """All equations once; `residual` is the largest relative gap of any, as in `solve`."""
        from weaponized_interdependence.simulation.equilibrium.kernels.batched import gaps

        J = len(self.sales)
        logw = state[2 * J]
        added = world.value_added[:, None]
        lost = self._trade(world, shared, block, state)
        earned = added * np.exp(logw)
        np.add(earned, self.revenue, out=self.income)
        self.income += _deficits(world, block, earned)
        by_economy(shared.inputs, self.sales, self.spent)
        labour = (self.labour - earned) / added
        self.residual[:] = np.abs(labour * added / earned).max(axis=0)
        np.log(self.phi, out=self.log_price)
        gaps(
            state, self.log_price, self.spent, world.consumption_share, self.income, world.value_added,
            -1.0 / block.theta, block.theta, self.raw, self.residual,
        )  # fmt: skip
        self.residual[~np.isfinite(self.residual) | lost] = np.inf
        level = np.log(earned.sum(axis=0) / world.value_added.sum())
        dw = np.clip(shared.wages @ (level - labour).astype(np.float32), -_BOUND, _BOUND)
        for part, inner, outer in (
            (slice(0, J), shared.prices, shared.price_to_wage),
            (slice(J, 2 * J), shared.demand, shared.demand_to_wage),
        ):
            by_economy(inner, self.raw[part], self.gap[part])
            self.gap[part] += np.matmul(outer, dw, out=self.more)
        self.gap[2 * J] = dw

    def _trade(self, world: Baseline, shared: Shared, block: Block, state: Array) -> Bools:
        """Prices, receipts and revenue; gives the counterfactuals in which a price has lost its digits."""
        from weaponized_interdependence.simulation.equilibrium.kernels.batched import exponents, prices, receipts

        J = len(self.sales)
        rows, u, phi, psi, y = block.rows, self.u, self.phi, self.psi, self.y
        by_economy(shared.inputs.transpose(0, 2, 1), state[:J], u)
        exponents(world.value_added_share, state[2 * J], block.theta, u)
        np.exp(u, out=u)
        for j in np.flatnonzero(shared.traded):
            np.matmul(world.share[j], u[j], out=phi[j])
            if rows.gap[j]:
                np.matmul(shared.net[j], u[j], out=psi[j])
        self.revenue[:], self.labour[:] = 0.0, 0.0
        lost = np.zeros(state.shape[2], dtype=np.int64)
        prices(
            rows.sector, rows.first, rows.n, rows.s, rows.own, rows.i, rows.da, rows.dp, block.place, shared.traded,
            shared.idle, u, phi, psi, lost,
        )  # fmt: skip
        np.multiply(state[J : 2 * J], world.value_added[:, None], out=y)
        np.divide(y, phi, out=y)
        for j in np.flatnonzero(shared.traded):
            np.matmul(shared.net[j].T, y[j], out=self.sales[j])
        receipts(
            rows.sector, rows.first, rows.n, rows.s, rows.i, rows.db, rows.tax, rows.taxing, block.place, shared.traded,
            rows.gap, world.value_added_share, u, phi, psi, y, self.sales, self.revenue, self.labour,
        )  # fmt: skip
        bad: Bools = lost > 0
        return bad


def _deficits(world: Baseline, block: Block, earned: Array) -> Array:
    """What each economy spends beyond its income, at these wages."""
    if not block.proportional:
        return block.deficit
    gap = (block.deficit * earned).sum(axis=0) / world.value_added.sum()
    spent: Array = earned * (block.deficit - gap)
    return spent


class _Memory:
    """Anderson's acceleration: the changes of the last passes, in single precision, and their products.

    Only the way to the solution depends on them, never the solution.
    """

    def __init__(self, weight: Array, economies: int, several: int) -> None:
        # Products are taken over a sample of the unknowns that meets all economies in turn, and over all wages.
        self.every = next(k for k in (5, 7, 11, 1) if math.gcd(k, economies) == 1)
        self.whole = weight.size - economies
        sampled = -(-self.whole // self.every) + economies
        self.weight = np.sqrt(weight).astype(np.float32)
        self.dG = np.zeros((MEMORY, weight.size, several), dtype=np.float32)  # changes of state and gap together
        self.dF = np.zeros((MEMORY, sampled, several), dtype=np.float32)  # changes of gaps
        self.f0, self.moved = (np.zeros((weight.size, several), dtype=np.float32) for _ in range(2))
        self.gram = np.zeros((MEMORY, MEMORY, several))
        self.moves = 0

    def back(self, state: Array, gap: Singles, chosen: Bools) -> None:
        """Undo the last move of some, and forget what led there."""
        z, f = state.reshape(-1, state.shape[2]), gap.reshape(-1, state.shape[2])
        z[:, chosen] -= self.moved[:, chosen]
        f[:, chosen] = self.f0[:, chosen]
        self.moved[:, chosen] = 0.0
        for kept in (self.dG, self.dF, self.gram):
            kept[:, :, chosen] = 0.0

    def move(self, state: Array, gap: Singles, damp: Array) -> None:
        """Step from `state`, in place."""
        from weaponized_interdependence.simulation.equilibrium.kernels.batched import remember, step

        J, S = (len(state) - 1) // 2, state.shape[2]
        z, f = state.reshape(-1, S), gap.reshape(-1, S)
        held, slot = min(self.moves, MEMORY), (self.moves - 1) % MEMORY
        mix, right = np.zeros((held, S), dtype=np.float32), np.zeros((held, S))
        if held:
            remember(
                f, self.f0, self.moved, self.dG, self.dF, held, slot, self.weight, self.every, self.whole, self.gram,
                right,
            )  # fmt: skip
            mix = _least_squares(self.gram[:held, :held], right).astype(np.float32)
        else:
            self.f0[:] = f
        limits = J * state.shape[1], _STRIDE, _LEAST, _BOUND
        step(z, f, self.dG, self.moved, held, mix, damp.astype(np.float32), *limits)
        self.moves += 1

    def thin(self, left: Bools) -> None:
        """Keep some of the counterfactuals."""
        for name in ("dG", "dF", "f0", "moved", "gram"):
            setattr(self, name, _columns(getattr(self, name), left))


def _columns(block: Any, left: Bools) -> Any:
    """Some of the counterfactuals, which are the last axis."""
    from weaponized_interdependence.simulation.equilibrium.kernels.batched import columns

    kept = columns(block.reshape(-1, block.shape[-1]), np.flatnonzero(left))
    return kept.reshape(*block.shape[:-1], -1)


def _least_squares(gram: Array, right: Array) -> Array:
    """Mix [k, s] of the changes that leaves the smallest gap; changes are scaled to one, forgotten ones get none."""
    diagonal = np.asarray(np.einsum("kks->ks", gram))
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    matrix = (gram * scale[:, None] * scale[None, :]).transpose(2, 0, 1)
    k = np.arange(len(scale))
    matrix[:, k, k] = 1.0 + _RIDGE
    matrix[~np.isfinite(matrix).all(axis=(1, 2))] = np.eye(len(scale))
    solved = np.asarray(np.linalg.solve(matrix, (right * scale).T[:, :, None])[:, :, 0].T * scale)
    return np.where(np.isfinite(solved), solved, 0.0)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what is no number is seen in the residual
def iterate(world: Baseline, shared: Shared, block: Block, start: Array, tol: float) -> Solved:
    """Converge a block from `start` [2J + 1, N, S], which is used up."""
    J, N = world.shape
    S = start.shape[2]
    answer = Solved(
        wage=np.full((N, S), np.nan),
        log_price=np.full((J, N, S), np.nan),
        expenditure=np.full((J, N, S), np.nan),
        income=np.full((N, S), np.nan),
        passes=np.zeros(S, dtype=np.int64),
        residual=np.full(S, np.inf),
        good=np.zeros(S, dtype=np.bool_),
    )
    weight = np.ones((2 * J + 1, N))
    weight[:J] = shared.expenditure / world.value_added
    state, here = start, np.arange(S)
    memory, found = _Memory(weight.reshape(-1), N, S), _Pass(J, N, S)
    best, damp, done = np.full(S, np.inf), np.ones(S), block.rows.bare.copy()  # what is bare is for `solve` to judge
    for count in range(1, MOST + 1):
        found.over(world, shared, block, state)
        new = ~done & (found.residual <= tol)
        if new.any():
            _keep(answer, here[new], new, found, state[2 * J], count)
            done |= new
        if done.all():
            break
        if done.mean() > 1.0 - _THIN_OUT:
            left = ~done
            memory.thin(left)
            block, here, damp, best = block.only(left), here[left], damp[left], best[left]
            state, done = _columns(state, left), done[left]
            gap, residual = _columns(found.gap, left), found.residual[left]
            found = _Pass(J, N, len(here))
            found.gap[:], found.residual[:] = gap, residual
        worse = ~(found.residual < _WORSE * best) & ~done
        if worse.any():
            memory.back(state, found.gap, worse)
        best = np.minimum(best, found.residual)
        done |= worse & (damp <= _SMALLEST)  # no step helps: left to `solve`
        damp = np.where(worse, np.maximum(damp / 3.0, _SMALLEST), np.minimum(damp * 1.5, 1.0))
        memory.move(state, found.gap, damp)
    return answer


def _keep(answer: Solved, to: npt.NDArray[np.int64], new: Bools, found: _Pass, logw: Array, count: int) -> None:
    """Copy what has converged; prices and expenditure are those that the equations gave."""
    answer.wage[:, to] = np.exp(logw[:, new])
    answer.log_price[:, :, to] = found.log_price[:, :, new]
    answer.expenditure[:, :, to] = found.spent[:, :, new]
    answer.income[:, to] = found.income[:, new]
    answer.passes[to] = count
    answer.residual[to] = found.residual[new]
    answer.good[to] = True


def at_baseline(shared: Shared, world: Baseline, several: int) -> Array:
    """The state before anything changes, `several` times."""
    J, N = world.shape
    state = np.zeros((2 * J + 1, N, several))
    state[J : 2 * J] = (shared.expenditure / world.value_added)[:, :, None]
    return state
