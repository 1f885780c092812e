"""Production paths in an input-output table: value added -> using industries -> final demand, and who stands on them.

Every dollar of final demand is traced back through the suppliers of its supplier until it becomes value added, or taxes
and margins in the column. With A the input coefficients (columns that cost more than their output scaled to one:
their dollar is traced to their inputs alone), v = 1 - 1'A the part of an industry's dollar that ends in itself,
L = (I - A)^-1 and y_t the final demand of economy t, the chains i <- ... <- j <- t carry v_i (A^k)_ij y_jt, and
v'L = 1': all of y_t.

A stage in economy e escapes a jurisdiction with probability q_e = 1 - grip_e, each stage independently. With
Q = diag(q) over industries, the value of t's chains that escape at every stage and at the demander is

    q_t v'Q (I - A Q)^-1 y_t

which for whole economies (q of 0 or 1) is hypothetical extraction: v_R' (I - A_RR)^-1 y_Rt over the industries R
outside.

Chains that begin, pass and end in one economy t are no ties between economies. Those that escape are worth, with the
industries of t alone, q_t v_t'Q (I - A_tt Q)^-1 y_tt, and are taken off on both sides of every share.

Cells below zero (stocks drawn down, rebates) are no deliveries, so no chain runs through them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import Floats

_STEPS = 10_000
_SETTLED = 1e-13


@dataclass(frozen=True, eq=False)
class Production:
    """Chains of one table; `grip` arrays are (N,), one number an economy in the table's order."""

    table: IOTable

    @cached_property
    def inputs(self) -> Floats:
        """A without negative cells and with no column above one: (R, R), R = N economies x J sectors."""
        coefficients = np.maximum(self.table.A, 0.0)
        return np.asarray(coefficients / np.maximum(coefficients.sum(axis=0), 1.0))

    @cached_property
    def primary(self) -> Floats:
        """v: the part of an industry's dollar that no other industry gets, (R,)."""
        return np.asarray(np.maximum(1.0 - self.inputs.sum(axis=0), 0.0))

    @cached_property
    def demand(self) -> Floats:
        """y: final deliveries to every economy, categories summed, (R, N)."""
        n, j, f = self.table.size
        return np.asarray(np.maximum(self.table.Y.reshape(n * j, n, f).sum(axis=2), 0.0))

    @cached_property
    @on_one_blas_thread
    def inverse(self) -> Floats:
        """L = (I - A)^-1."""
        try:
            return np.asarray(np.linalg.inv(np.eye(len(self.inputs)) - self.inputs), dtype=np.float64)
        except np.linalg.LinAlgError as error:
            raise _endless() from error

    @cached_property
    @on_one_blas_thread
    def value(self) -> Floats:
        """Value of all chains by first economy (row: whose value added) and last (column: whose demand), (N, N)."""
        n, j, _ = self.table.size
        begun = self.primary[:, None] * (self.inverse @ self.demand)
        return np.asarray(begun.reshape(n, j, n).sum(axis=1))

    @on_one_blas_thread
    def untouched(self, grip: Floats, begins: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Value of each economy's final demand whose chain escapes the grip at every stage, (N,).

        `begins` (N,) says in which economies the chains counted may begin; in all of them where it is None.
        """
        begun = np.ones(len(grip), dtype=bool) if begins is None else begins
        if np.isin(grip, (0.0, 1.0)).all() and (begun | (grip == 1)).all():
            escaping = self._extracted(self._industries(grip) == 1)
        else:
            q = 1.0 - self._industries(grip)
            ends = q * self.primary * np.repeat(begun, len(self.table.sectors))
            escaping = np.asarray(np.linalg.solve(np.eye(len(q)) - (self.inputs * q).T, ends), dtype=float)
        return np.asarray((1.0 - grip) * (escaping @ self.demand))

    @on_one_blas_thread
    def domestic(self, grip: Floats) -> Floats:
        """Value of each economy's chains that never leave it and escape the grip at every stage, (N,).

        For a grip of zero: all chains that cross no border.
        """
        n, j, _ = self.table.size
        found = np.zeros(n)
        for t, q in enumerate(1.0 - grip):
            own = slice(t * j, (t + 1) * j)
            left = np.eye(j) - q * self.inputs[own, own]
            try:
                found[t] = q * q * self.primary[own] @ np.linalg.solve(left, self.demand[own, t])
            except np.linalg.LinAlgError as error:
                raise _endless() from error
        return found

    def deliverable(self, grip: Floats) -> Floats:
        """The same when purchases from within reach may go to others that already supply that cell, (N,).

        A cell is one input sector bought by one industry (or by one economy's final demand). g_c, the part of the
        dollar of industry c that can be delivered, is the largest solution of

            g_c = v_c + sum_k max( sum_m a_mkc q_m g_mk ,  a_kc max over m wholly outside reach, a_mkc > 0, of g_mk )

        so the best supplier in place takes over, with no limit on its capacity; a cell with none keeps its loss.
        """
        g = np.ones(len(self.inputs))
        for _ in range(_STEPS):
            new = self.primary + self._served(self.inputs, grip, g)
            moved = np.abs(new - g).max(initial=0.0)
            g = new
            if moved <= _SETTLED:
                return np.asarray((1.0 - grip) * self._served(self.demand, grip, g))
        raise ModelError("rerouted production paths do not settle", mend="is value added of some industries zero?")

    def _served(self, purchases: Floats, grip: Floats, g: Floats) -> Floats:
        """Deliverable part of every buyer's purchases (R, buyers), given what each supplier can deliver of a dollar."""
        n, j, _ = self.table.size
        cells, able = purchases.reshape(n, j, -1), g.reshape(n, j, 1)
        best = np.where(cells > 0, able, 0.0)[grip == 0].max(axis=0, initial=0.0)
        served = cells.sum(axis=0) * best
        if ((grip > 0) & (grip < 1)).any():
            served = np.maximum(served, (cells * able * (1.0 - grip)[:, None, None]).sum(axis=0))
        return np.asarray(served.sum(axis=0))

    def _extracted(self, removed: Floats) -> Floats:
        # Block inverse: (I - A_RR)^-1 = L_RR - L_RJ L_JJ^-1 L_JR, so one inverse serves every jurisdiction.
        rows = np.flatnonzero(removed)
        left = 1.0 - self.primary[rows] @ self.inverse[rows]
        if len(rows):
            block = self.inverse[np.ix_(rows, rows)]
            left = left - np.linalg.solve(block.T, left[rows]) @ self.inverse[rows]
        left[rows] = 0.0
        return np.asarray(left)

    def _industries(self, grip: Floats) -> Floats:
        return np.repeat(grip, len(self.table.sectors))


def _endless() -> ModelError:
    return ModelError(
        "production paths of this table never end: some industries only buy from each other",
        mend="check the table's value added, or aggregate those industries",
    )
