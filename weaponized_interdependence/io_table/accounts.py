"""Do the accounts of a table add up, and what in it is unusual?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.io_table.container import Array, IOTable

# Beyond this the table is not what it claims to be: with the last hundredth of WIOD's rows cut off, 19 per cent of
# output has no buyer.
USELESS = 0.02
# The same of one economy by itself, for a slip in a small one is lost in the world's output. Publishers come to 6 per
# cent (WIOD 2013: Estonia and Malta in 2000), for they reconcile the small ones last.
USELESS_ECONOMY = 0.10


@dataclass(frozen=True)
class Gap:
    """How far one side of a table is from adding up, in the table's unit.

    `total` is the sum of absolute gaps over total output, `economy` the economy for which that is largest and how large
    it is there (economies with output only), `largest` the largest gap over that line's output (lines with output
    only), `worst` the lines with the largest absolute gap as (label, sum, output). `allowed` says whether every line's
    gap is within what rounding the cells can do, `useless` that nothing should be computed from the table.
    """

    total: float
    economy: tuple[str, float]
    largest: float
    worst: tuple[tuple[str, float, float], ...]
    allowed: bool

    @property
    def useless(self) -> bool:
        """Whether more is amiss than any publisher leaves: 2 per cent of all output, or 10 of one economy's."""
        return self.total > USELESS or self.economy[1] > USELESS_ECONOMY


@dataclass(frozen=True)
class Balance:
    """Column side: Z.sum(0) + VA + other against x. Row side: Z.sum(1) + Y.sum(1) + discrepancy against x."""

    columns: Gap
    rows: Gap
    step: float


def balance(table: IOTable, *, step: float = 0.0, worst: int = 5) -> Balance:
    """Hold both sides of the accounts of every industry against its output.

    Parameters
    ----------
    table
        The table; gaps are in its unit.
    step
        The publisher's rounding unit in the table's unit (1e6 where cells are whole million USD; 0 for none). A line of
        k cells is allowed one step for each: the most that cutting decimals off does, and twice what rounding does. On
        top comes 1e-9 of the line's output, for the order of floating-point addition.
    worst
        How many of the worst lines to name.

    Examples
    --------
    >>> import numpy as np
    >>> t = IOTable("2020", ("AAA",), ("s",), ("f",), np.array([[2.0]]), np.array([[8.0]]), np.array([7.0]),
    ...             np.array([10.0]), np.array([1.0]), "X")
    >>> balance(t).columns.total, balance(t).rows.total
    (0.0, 0.0)
    """
    n, f = len(table.x), table.Y.shape[1]
    columns = table.Z.sum(axis=0) + table.VA + table.other
    rows = table.Z.sum(axis=1) + table.Y.sum(axis=1) + table.discrepancy
    return Balance(
        columns=_gap(table, columns, step * (n + 3), worst),
        rows=_gap(table, rows, step * (n + f + 2), worst),
        step=step,
    )


def refuse_unbalanced(table: IOTable, where: str = "") -> None:
    """Raise InputError where the accounts are off by more than any publisher's are (`Gap.useless`).

    What the table states as `other` (columns) and `discrepancy` (rows) counts in: a table that is meant to leave
    something out says so there.

    Examples
    --------
    >>> t = IOTable("2020", ("AAA",), ("s",), ("f",), np.array([[2.0]]), np.array([[8.0]]), np.array([7.0]),
    ...             np.array([12.0]), np.array([3.0]), "X")
    >>> refuse_unbalanced(t)
    Traceback (most recent call last):
    weaponized_interdependence.errors.InputError: the accounts of this input-output table do not add up...
    """
    held = balance(table)
    faults = []
    for side, gap, parts in (
        ("columns", held.columns, "inputs, value added and `other`"),
        ("rows", held.rows, "intermediate and final sales and `discrepancy`"),
    ):
        if not gap.useless:
            continue
        name, share = gap.economy
        faults.append(
            Fault(
                f"{side} miss {gap.total:.2%} of all output (at most {USELESS:.0%}), and {share:.1%} of that of "
                f"{name} (at most {USELESS_ECONOMY:.0%})"
            )
        )
        most = max(abs(found - x) for _, found, x in gap.worst)
        faults += [
            Fault(f"{side}, {label}: {parts} are {found:,.6g}, output {x:,.6g}")
            for label, found, x in gap.worst
            if abs(found - x) > 0.1 * most
        ]
    if faults:
        raise InputError(
            "the accounts of this input-output table do not add up",
            where=where,
            faults=faults,
            mend="make it anew with `wi load`; where the cells are meant so, state the rest in `other` (columns: "
            "x - Z.sum(0) - VA) or `discrepancy` (rows: x - Z.sum(1) - Y.sum(1)) of the IOTable",
        )


def _gap(table: IOTable, sums: Array, slack: float, worst: int) -> Gap:
    gap = np.abs(sums - table.x)
    output = float(np.abs(table.x).sum())
    some = table.x > 0
    order = np.argsort(-gap, kind="stable")[:worst]
    missed, made = (a.reshape(len(table.economies), -1).sum(axis=1) for a in (gap, np.abs(table.x)))
    shares = np.divide(missed, made, out=np.zeros_like(missed), where=made > 0)
    most = int(shares.argmax()) if shares.size else -1
    return Gap(
        total=float(gap.sum() / output) if output else (0.0 if not gap.any() else float("inf")),
        economy=(table.economies[most], float(shares[most])) if shares.size else ("", 0.0),
        largest=float((gap[some] / table.x[some]).max()) if some.any() else 0.0,
        worst=tuple((table.labels[i], float(sums[i]), float(table.x[i])) for i in order if gap[i] > 0),
        allowed=bool((gap <= slack + 1e-9 * np.maximum(np.abs(table.x), np.abs(sums))).all()),
    )


@dataclass(frozen=True)
class Review:
    """What is unusual in a table.

    Each `negative_*` is (cells below zero, their sum), `negative_output` the industries; `idle` are the industries
    without output, `stray` those of them that nonetheless buy or sell. `spectral_radius` is that of A: the Leontief
    inverse exists and is non-negative when it is below one (Hawkins-Simon) and A has no negative cell.
    """

    negative_output: tuple[str, ...]
    negative_intermediate: tuple[int, float]
    negative_final: tuple[int, float]
    negative_value_added: tuple[int, float]
    idle: tuple[str, ...]
    stray: tuple[str, ...]
    spectral_radius: float


def review(table: IOTable) -> Review:
    """List what other tools stumble over: negative cells, industries without output, an A that does not converge."""

    def below(array: Array) -> tuple[int, float]:
        negative = array[array < 0]
        return int(negative.size), float(negative.sum())

    idle = table.x == 0
    active = (table.Z != 0).any(axis=0) | (table.Z != 0).any(axis=1) | (table.Y != 0).any(axis=1)
    return Review(
        negative_output=_names(table, table.x < 0),
        negative_intermediate=below(table.Z),
        negative_final=below(table.Y),
        negative_value_added=below(table.VA),
        idle=_names(table, idle),
        stray=_names(table, idle & active),
        spectral_radius=spectral_radius(table.A),
    )


def _names(table: IOTable, mask: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(table.labels[i] for i in np.flatnonzero(mask))


def spectral_radius(matrix: Array) -> float:
    """The largest absolute eigenvalue of a square matrix (dense up to 200 rows, ARPACK above; always the same answer).

    >>> spectral_radius(np.array([[0.5, 0.2], [0.1, 0.4]])).__round__(6)
    0.6
    """
    if matrix.shape[0] <= 200:
        return float(np.abs(np.linalg.eigvals(matrix)).max(initial=0.0))
    from scipy.sparse.linalg import eigs

    # a fixed start vector: ARPACK's own is random and would make runs differ in the last digits
    values = eigs(matrix, k=1, which="LM", v0=np.ones(matrix.shape[0]), tol=1e-8, return_eigenvectors=False)
    return float(np.abs(values).max())
