"""The Leontief system of a table, factored once: production chains summed, deliveries taken out.

With A the input coefficients, L = (I - A)^-1 = I + A + A^2 + ...: entry ij is the output of industry i that a dollar of
final demand for j calls for, directly and along the whole chain. Every question here is a solve with the LU factors or
a block of L; L itself is made only where more is asked of it than it costs. All arrays are as dense as the table.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import in_threads, on_one_blas_thread
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table.container import Array, IOTable
from weaponized_interdependence.io_table.cuts import Cut, Places, Solver, corrected, cover_of, cut_of, unsold

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

    def extraction(self, denied: Array) -> Array:
        """Output lost by every row when the denied cells are taken out: (I - A_S)^-1 s, s the denied sales.

        `denied` (rows, economies): share of the deliveries of a row to an economy, to industries and to final demand
        alike, that stops.
        """
        lost: Array = self.extract([cut_of(self.table, denied, denied)])[:, 0]
        return lost

    @on_one_blas_thread
    def extract(self, cuts: Sequence[Cut]) -> Array:
        """Output lost by every row in each of many cuts, (rows, cuts), from the one factorisation.

        x - x_S with x_S = (I - A_S)^-1 y_S, which is (I - A_S)^-1 s, s what can no longer be sold. Where the cuts have
        more rows and columns between them than the table has, L itself is made, once, and serves them all.
        """
        size = len(self.table.x)
        covers = [cover_of(cut.inputs, size) for cut in cuts]
        many = sum(len(rows) + len(columns) for rows, columns in covers) > size
        solver: Solver = _Inverse(self.inverse) if many else _Factors(self)

        @on_one_blas_thread
        def sales(k: int) -> Array:
            lost, gone = unsold(self.table, cuts[k])
            return corrected(gone, covers[k], lost[:, None], solver)

        return solver.solve(np.hstack([np.zeros((size, 0)), *in_threads(sales, range(len(cuts)))]))

    @on_one_blas_thread
    def leontief_without(self, cut: Cut, right: Array, *, transposed: bool = False) -> Array:
        """(I - A_S)^-1 @ right, (rows, k), without the deliveries of the cut; of its transpose where asked."""
        (rows, columns), (_, gone) = cover_of(cut.inputs, len(right)), unsold(self.table, cut)
        cover = (columns, rows) if transposed else (rows, columns)
        solver = _Factors(self, transposed)
        return solver.solve(corrected(gone.T.tocsr() if transposed else gone, cover, right, solver))

    def taken_out(self, rows: npt.NDArray[np.int64]) -> Array:
        """z of L_RR z = x_R for each set R of rows, (k, m): with it L_:R z is the output lost without them.

        Taken out are their rows and columns, all they sell and buy; `rows` (k, m). The demand of final users for what
        others make stays.
        """
        made = np.maximum(self.table.x, 0.0)[rows]
        return np.asarray(np.linalg.solve(self.blocks(rows), made[:, :, None])[:, :, 0])

    @cached_property
    @on_one_blas_thread
    def inverse(self) -> Array:
        """L = (I - A)^-1 in full, as large as the table: for many cuts, and for those who want to see it."""
        from scipy.linalg import get_lapack_funcs

        factors, pivots = self._lu
        functions: Any = get_lapack_funcs(("getri", "getri_lwork"), (factors,))
        room = int(functions[1](len(pivots))[0].real)
        whole, _ = functions[0](factors, pivots, lwork=room)
        made: Array = whole
        return made

    def denied_sales(self, denied: Array) -> Array:
        """s: what each row can no longer deliver, to industries and to final demand."""
        n, j, f = self.table.size
        sold = self.table.Z.reshape(n * j, n, j).sum(axis=2) + self.table.Y.reshape(n * j, n, f).sum(axis=2)
        lost: Array = (sold * denied).sum(axis=1)
        return lost

    def denied_inputs(self, denied: Array) -> Array:
        """m: the inputs each column no longer gets."""
        n, j, _ = self.table.size
        missing = np.einsum("rnj,rn->nj", self.table.Z.reshape(n * j, n, j), denied)
        return np.asarray(missing.ravel())


@dataclass(frozen=True)
class _Factors:
    """L by solves with the factors of I - A."""

    system: LeontiefSystem
    transposed: bool = False

    def solve(self, right: Array) -> Array:
        """L @ right, or L' @ right."""
        return self.system.leontief_left(right.T).T if self.transposed else self.system.leontief(right)

    def solve_at(self, places: Places, right: Array) -> Array:
        """The same at some rows."""
        return self.solve(right)[places]


@dataclass(frozen=True)
class _Inverse:
    """L, held."""

    inverse: Array

    def solve(self, right: Array) -> Array:
        """L @ right."""
        return np.asarray(self.inverse @ right)

    def solve_at(self, places: Places, right: Array) -> Array:
        """L[places] @ right, reading no more of L than it needs."""
        some = np.flatnonzero(right.any(axis=1))
        if 2 * len(places) * len(some) > self.inverse.size:
            return np.asarray((self.inverse @ right)[places])
        return np.asarray(self.inverse[np.ix_(places, some)] @ right[some])
