"""Deliveries that stop, and the Leontief system without them: solved by correcting the factors there are.

A cut takes a share out of cells of the table: C = A - A_S. It touches few rows and columns (those of a target, or of
what is taken out), so C = U V of low rank, and by Sherman, Morrison and Woodbury

    (I - A_S)^-1 b = (I - A + U V)^-1 b = L [b - U (I + V L U)^-1 V L b]

which costs a few solves with the factors of I - A, or a few cells of L. The rank is the fewest rows and columns that
hold every cell of the cut: a minimum vertex cover, found as a minimum cut (König). Where even that is many, the system
is solved by GMRES with L as preconditioner instead. Neither ever makes a new factorisation.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError, ModelError
from weaponized_interdependence.io_table.container import Array, IOTable

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Sparse: TypeAlias = "csr_array[Any, tuple[int, int]]"
Places = npt.NDArray[np.int64]

MOST_RANK = 256  # corrections up to this rank, or an eighth of the rows, are direct; above, iterative
_ROUNDING = 1e-9  # shares are ratios of sums: this much beyond 0 and 1 is no fault
_CLOSE = 1e-12  # relative residual of the iterative way


class Cells(NamedTuple):
    """Shares taken out: of what a seller (row) delivers to a buyer, which is `width` columns from buyer * width on."""

    seller: Places
    buyer: Places
    share: Array
    width: int

    def taken(self, deliveries: Array) -> Sparse:
        """share * deliveries, cell by cell."""
        from scipy.sparse import coo_array

        rows = np.repeat(self.seller, self.width)
        columns = (self.buyer[:, None] * self.width + np.arange(self.width)).ravel()
        values = deliveries[rows, columns] * np.repeat(self.share, self.width)
        return coo_array((values, (rows, columns)), shape=deliveries.shape).tocsr()


@dataclass(frozen=True, eq=False)
class Cut:
    """Deliveries that stop: `inputs` to industries, `final` to final demand. Make one with `cut_of`."""

    inputs: Cells
    final: Cells


def cut_of(table: IOTable, inputs: Array | None = None, final: Array | None = None) -> Cut:
    """A cut from arrays of shares between 0 (nothing) and 1 (all of it).

    Parameters
    ----------
    table
        Whose deliveries stop.
    inputs
        Share of what each row delivers to industries: (rows, economies), to all industries of an economy alike, or
        (rows, rows), to each industry. Default none.
    final
        Share of what each row delivers to final demand, (rows, economies). Default none.

    Raises
    ------
    InputError
        Shapes that are not the table's, shares outside 0 to 1: every fault.
    """
    check_shares(table, inputs, final)
    n, j, f = table.size
    none = np.zeros((0, n))
    first, second = none if inputs is None else inputs, none if final is None else final
    return Cut(_cells(first, j if first.shape[1] == n else 1), _cells(second, f))


def check_shares(table: IOTable, inputs: Array | None = None, final: Array | None = None) -> None:
    """Raise InputError, with every fault, unless these are shares of the table's deliveries, as in `cut_of`."""
    n, j, _ = table.size
    wide, square = (n * j, n), (n * j, n * j)
    faults = []
    for name, array, shapes in (("inputs", inputs, {wide, square}), ("final", final, {wide})):
        if array is None:
            continue
        if array.shape not in shapes:
            said = " or ".join(map(str, sorted(shapes)))
            faults.append(Fault(f"shares of {name} have shape {array.shape}", mend=f"the table asks for {said}"))
        elif not ((array >= -_ROUNDING) & (array <= 1 + _ROUNDING)).all():
            faults.append(Fault(f"shares of {name} are not all between 0 and 1", mend="1 is all, 0 nothing"))
    if faults:
        raise InputError("not shares of this table's deliveries", faults=faults)


def _cells(shares: Array, width: int) -> Cells:
    seller, buyer = np.nonzero(shares)
    return Cells(seller, buyer, np.clip(np.asarray(shares[seller, buyer], dtype=np.float64), 0.0, 1.0), width)


def unsold(table: IOTable, cut: Cut) -> tuple[Array, Sparse]:
    """What each row can no longer deliver, (rows,), and C, the coefficients that are gone (rows, rows)."""
    gone = cut.inputs.taken(table.Z)
    lost: Array = np.asarray(gone.sum(axis=1), dtype=np.float64) + cut.final.taken(table.Y).sum(axis=1)
    made = table.x[gone.indices]
    gone.data = np.divide(gone.data, made, out=np.zeros_like(made), where=made > 0)
    return lost, gone


# ---- the system without what is cut -----------------------------------------------------------------------------


class Solver(Protocol):
    """L = (I - A)^-1, or its transpose."""

    def solve(self, right: Array) -> Array:
        """L @ right."""

    def solve_at(self, places: Places, right: Array) -> Array:
        """L[places] @ right."""


def corrected(gone: Sparse, cover: tuple[Places, Places], right: Array, solver: Solver) -> Array:
    """b - C z for z = (I - A + C)^-1 b, so that z = L (b - C z): the right-hand side (rows, k) the factors can take.

    `cover` are rows and columns that hold all of C = C_:K E_K' + E_R C_R. With what stands in K and what R no longer
    gets known, all is known; these two follow from a system of as many equations.
    """
    rows, columns = cover
    if len(rows) + len(columns) == 0:
        return right
    if len(rows) + len(columns) > max(MOST_RANK, len(right) // 8):
        return _iterated(gone, right, solver)
    width = right.shape[1]
    unit = np.zeros((len(right), len(rows)))
    unit[rows, np.arange(len(rows))] = 1.0
    sources = np.hstack([right, gone[:, columns].toarray(), unit])
    rest = gone[rows]
    rest.data[np.isin(rest.indices, columns)] = 0.0  # they are held by the columns
    read = np.union1d(columns, rest.indices)
    spread = solver.solve_at(read, sources)
    known = np.vstack([spread[np.searchsorted(read, columns)], rest[:, read] @ spread])
    small = known[:, width:]
    small[np.diag_indices_from(small)] += 1.0
    return np.asarray(right - sources[:, width:] @ np.linalg.solve(small, known[:, :width]))


def _iterated(gone: Sparse, right: Array, solver: Solver) -> Array:
    """The same by GMRES on (I + L C) z = L b."""
    from scipy.sparse.linalg import LinearOperator, gmres

    def step(z: Array) -> Array:
        return np.asarray(z + solver.solve(gone @ z))

    operator = LinearOperator((len(right), len(right)), matvec=step, dtype=np.float64)
    base = solver.solve(right)
    found = np.empty_like(base)
    for k, wanted in enumerate(base.T):
        found[:, k], left = gmres(operator, wanted, x0=wanted, rtol=_CLOSE, atol=0.0, restart=60, maxiter=10)
        if left:
            off = float(np.linalg.norm(step(found[:, k]) - wanted) / np.linalg.norm(wanted))
            raise ModelError(
                f"the system without the cut was not solved: relative residual {off:.1e} after 600 steps",
                mend="look for industries whose inputs reach their output (value added zero or below)",
            )
    return np.asarray(right - gone @ found)


def cover_of(cells: Cells, size: int) -> tuple[Places, Places]:
    """Rows and columns, fewest in number, that together hold every cell; a buyer counts for its `width` columns.

    >>> some = Cells(np.array([0, 1, 2, 2]), np.array([1, 1, 0, 1]), np.ones(4), 1)
    >>> [held.tolist() for held in cover_of(some, 3)]
    [[2], [1]]
    """
    if not len(cells.seller):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    sellers, s = np.unique(cells.seller, return_inverse=True)
    buyers, b = np.unique(cells.buyer, return_inverse=True)
    first, last = 1 + len(sellers), 1 + len(sellers) + len(buyers)
    starts = [np.zeros(len(sellers)), 1 + s, first + np.arange(len(buyers))]
    ends = [1 + np.arange(len(sellers)), first + b, np.full(len(buyers), last)]
    room = [np.ones(len(sellers)), np.full(len(s), size + 1), np.full(len(buyers), cells.width)]
    start, end = (np.concatenate(part).astype(np.int32) for part in (starts, ends))
    capacity = coo_array((np.concatenate(room).astype(np.int32), (start, end)), shape=(last + 1, last + 1)).tocsr()
    left: Any = capacity - maximum_flow(capacity, 0, last).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = np.zeros(last + 1, dtype=bool)
    reached[breadth_first_order(left, 0, return_predecessors=False)] = True
    held = buyers[reached[first:last]]
    return sellers[~reached[1:first]], (held[:, None] * cells.width + np.arange(cells.width)).ravel()
