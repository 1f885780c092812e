"""The Leontief system of a table, factored once: production chains summed, deliveries taken out.

With A the input coefficients, L = (I - A)^-1 = I + A + A^2 + ...: entry ij is the output of industry i that a dollar of
final demand for j calls for, directly and along the whole chain. Every question here is a solve with the LU factors or
a block of L; L itself is never made. All arrays are as dense as the table they come from.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table.container import Array, IOTable

_MEND = "look for industries whose inputs reach their output (value added zero or below)"


@dataclass(frozen=True, eq=False)
class LeontiefSystem:
    """An input-output table with its Leontief system factored once (LU), to be solved for any number of shocks."""

    table: IOTable

    @cached_property
    @on_one_blas_thread
    def _lu(self) -> tuple[Array, npt.NDArray[np.int32]]:
        # Here and not above: scipy takes a third of a second that the rest of this package does not need.
        from scipy.linalg import LinAlgWarning, lu_factor

        system = -self.table.A
        system[np.diag_indices_from(system)] += 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LinAlgWarning)  # said below, with the mend
            factors: tuple[Array, npt.NDArray[np.int32]] = lu_factor(system, overwrite_a=True)
        pivots = np.abs(np.diag(factors[0]))
        if not pivots.all() or pivots.min() < 1e-12 * pivots.max():
            raise ModelError("the table has no Leontief inverse: I - A is singular", mend=_MEND)
        return factors

    def leontief(self, demand: Array) -> Array:
        """L @ demand: the output that `demand` (rows, or rows by k) calls for, directly and along the chain."""
        return self._solve(demand)

    def leontief_left(self, weights: Array) -> Array:
        """weights @ L: what a dollar of each industry's output holds of `weights` per output (rows, or k by rows)."""
        return self._solve(weights.T, transposed=True).T

    def ghosh(self, inputs: Array) -> Array:
        """inputs @ G, for primary or missing inputs by column; G = x^-1 L x, so one factorisation serves both."""
        x = self.table.x
        scaled = np.divide(inputs, x, out=np.zeros_like(inputs), where=x > 0)
        made: Array = self._solve(scaled, transposed=True) * x
        return made

    @on_one_blas_thread
    def _solve(self, right: Array, *, transposed: bool = False) -> Array:
        from scipy.linalg import lu_solve

        solved: Array = lu_solve(self._lu, right, trans=1 if transposed else 0)
        return solved

    @cached_property
    @on_one_blas_thread
    def _halves(self) -> tuple[Array, Array]:
        """U^-1, and L^-1 P' transposed, of the factors I - A = P L U: two thirds of the work of the whole inverse."""
        from scipy.linalg import get_lapack_funcs

        factors, pivots = self._lu
        functions: Any = get_lapack_funcs(("trtri",), (factors,))
        invert = functions[0]
        packed, _ = invert(factors, lower=0)
        packed, _ = invert(packed, lower=1, unitdiag=1, overwrite_c=1)
        upper, lower = np.triu(np.ascontiguousarray(packed)), np.triu(packed.T, 1)  # rows contiguous in both
        np.fill_diagonal(lower, 1.0)
        place = np.arange(len(pivots))  # LAPACK's pivots are swaps, one after the other
        for k in np.flatnonzero(pivots != place):
            place[[k, pivots[k]]] = place[[pivots[k], k]]
        swapped = (place != np.arange(len(place))).any()
        return upper, lower[np.argsort(place)] if swapped else lower

    @on_one_blas_thread
    def blocks(self, rows: npt.NDArray[np.int64]) -> Array:
        """The blocks of L at each set of rows and the same columns: (k, m, m) for k sets of m rows, `rows` (k, m)."""
        upper, lower = self._halves
        if rows.shape[1] == 1:
            return np.asarray(np.einsum("kn,kn->k", upper[rows[:, 0]], lower[rows[:, 0]])[:, None, None])
        return np.asarray(upper[rows] @ lower[rows].transpose(0, 2, 1))

    @cached_property
    def stages(self) -> Array:
        """1'L: output of the whole world behind a dollar of each industry's output, (rows,)."""
        return self.leontief_left(np.ones(len(self.table.x)))

    def require_ending(self) -> None:
        """Raise ModelError unless chains end: I - A invertible with a non-negative inverse (Hawkins and Simon).

        A non-negative A has that exactly where some d > 0 has (I - A') d > 0; the d of (I - A') d = 1 is `stages`.
        """
        if (self.stages <= 0).any():
            worst = ", ".join(self.table.labels[k] for k in np.flatnonzero(self.stages <= 0)[:5])
            raise ModelError(f"production chains of this table never end ({worst} among them)", mend=_MEND)

    @cached_property
    def value_added_share(self) -> Array:
        """v: value added per unit of output; zero where there is no output."""
        x = self.table.x
        return np.divide(self.table.VA, x, out=np.zeros_like(self.table.VA), where=x > 0)

    @on_one_blas_thread
    def extraction(self, denied: Array) -> Array:
        """Output lost by every row when the denied cells are taken out: (I - A_S)^-1 s.

        `denied` (rows, economies): share of the deliveries of a row to an economy, to industries and to final demand
        alike, that stops. I - A_S differs from I - A only in the rows that are denied and in the columns they are
        denied to, so the factorisation of I - A is corrected (Sherman, Morrison and Woodbury) and not repeated.
        """
        lost = self.denied_sales(denied)
        cut = self.table.A * np.repeat(denied, len(self.table.sectors), axis=1)  # A - A_S
        left, right = _factors(cut, len(self.table.sectors))
        solved = self.leontief(np.column_stack([lost, left]))
        base, spread = solved[:, 0], solved[:, 1:]
        small = np.eye(right.shape[0]) + right @ spread
        result: Array = base - spread @ np.linalg.solve(small, right @ base)
        return result

    def denied_sales(self, denied: Array) -> Array:
        """s: what each row can no longer deliver, to industries and to final demand."""
        n, j, f = self.table.size
        sold = self.table.Z.reshape(n * j, n, j).sum(axis=2) + self.table.Y.reshape(n * j, n, f).sum(axis=2)
        lost: Array = (sold * denied).sum(axis=1)
        return lost

    def denied_inputs(self, denied: Array) -> Array:
        """m: the inputs each column no longer gets."""
        missing: Array = (self.table.Z * np.repeat(denied, len(self.table.sectors), axis=1)).sum(axis=0)
        return missing


def _factors(cut: Array, sectors: int) -> tuple[Array, Array]:
    """cut = left @ right of low rank.

    Every denied cell has the target at one end: the columns of an economy that more rows are denied to than it has
    sectors are taken as columns (the target's), what is left as rows (the target's again, or one sender's).
    """
    size = len(cut)
    blocks = cut.reshape(size, -1, sectors).any(axis=2)  # (rows, economies)
    heavy = np.flatnonzero(np.repeat(blocks.sum(axis=0) > sectors, sectors))
    rest = cut.copy()
    rest[:, heavy] = 0.0
    rows = np.flatnonzero(rest.any(axis=1))
    unit = np.eye(size)
    return np.column_stack([cut[:, heavy], unit[:, rows]]), np.vstack([unit[heavy], rest[rows]])
