"""Biproportional fitting (RAS, iterative proportional fitting): the matrix closest to a prior with given margins."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError, ModelError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """The fitted matrix, how many rounds it took and the largest margin error left, as a share of the total."""

    matrix: Array
    iterations: int
    error: float


def fit_margins(
    prior: Array, rows: Array, columns: Array, *, tolerance: float = 1e-12, max_iterations: int = 20_000
) -> Fitted:
    """Scale the rows and columns of `prior` until they add up to `rows` and `columns`.

    The answer is M = diag(r) P diag(c), the only matrix with these margins that minimises the relative entropy
    sum M ln(M / P) (Deming & Stephan 1940; Csiszar 1975); zeros of the prior stay zero and nothing becomes negative.

    Parameters
    ----------
    prior : (n, m) array, not negative
        Any scale. A zero says that the cell must be zero (the diagonal of a trade matrix).
    rows, columns : (n,) and (m,) arrays, not negative
        Targets, same unit, same total (to a relative 1e-9).
    tolerance : float
        Largest margin error at which to stop, as a share of the total.
    max_iterations : int
        Rounds after which the margins are declared out of reach.

    Raises
    ------
    InputError
        Shapes, signs, not-finite numbers, unequal totals, a target without any cell that could fill it: all at once.
    ModelError
        The zeros of the prior make the margins impossible (or so nearly so that the rounds ran out).

    Examples
    --------
    >>> fit_margins(np.ones((2, 2)), np.array([3.0, 1.0]), np.array([2.0, 2.0])).matrix.tolist()
    [[1.5, 1.5], [0.5, 0.5]]
    """
    prior, rows, columns = (np.asarray(a, dtype=np.float64) for a in (prior, rows, columns))
    if faults := _faults(prior, rows, columns):
        raise InputError("margins cannot be fitted", faults=faults)
    total = rows.sum()
    if total == 0:
        return Fitted(np.zeros_like(prior), 0, 0.0)
    # Only ratios matter; scaling by the largest cell of each row keeps products away from under- and overflow.
    peak = prior.max(axis=1, keepdims=True)
    seed = prior / np.where(peak > 0, peak, 1.0)
    by_column, error = np.ones_like(columns), np.inf
    # Margins that need further cells at zero drive the factors out of range: that ends the rounds, it is no answer.
    with np.errstate(over="ignore", invalid="ignore"):
        for iteration in range(1, max_iterations + 1):
            by_row = _ratio(rows, seed @ by_column)
            by_column = _ratio(columns, by_row @ seed)
            reached = by_row * (seed @ by_column)
            error = float(np.abs(reached - rows).max() / total)
            if error <= tolerance:
                return Fitted(by_row[:, None] * seed * by_column, iteration, error)
            if not np.isfinite(error):
                break
    raise ModelError(
        f"margins not reached after {iteration} rounds: the worst row is off by {error:.2g} of the total",
        mend=_diagnosis(prior, rows, columns),
    )


def _ratio(target: Array, reached: Array) -> Array:
    return np.divide(target, reached, out=np.zeros_like(target), where=reached > 0)


def _faults(prior: Array, rows: Array, columns: Array) -> list[Fault]:
    if prior.shape != (rows.size, columns.size) or rows.ndim != 1 or columns.ndim != 1:
        return [Fault(f"prior has shape {prior.shape}, the margins say ({rows.size}, {columns.size})")]
    faults = []
    for name, values in (("prior", prior), ("row targets", rows), ("column targets", columns)):
        if not np.isfinite(values).all():
            faults.append(Fault(f"{name}: {int((~np.isfinite(values)).sum())} not finite"))
        elif (values < 0).any():
            faults.append(Fault(f"{name}: {int((values < 0).sum())} negative", mend="split gains and losses first"))
    if faults:
        return faults
    if abs(rows.sum() - columns.sum()) > 1e-9 * max(rows.sum(), columns.sum()):
        faults.append(
            Fault(
                f"rows add up to {rows.sum():.12g}, columns to {columns.sum():.12g}", mend="balance the margins first"
            )
        )
    for name, targets, support in (("row", rows, prior.sum(axis=1)), ("column", columns, prior.sum(axis=0))):
        empty = np.flatnonzero((targets > 0) & (support == 0))
        faults += [Fault(f"{name} {i} must reach {targets[i]:.6g}, but its prior is all zero") for i in empty]
    return faults


def _diagnosis(prior: Array, rows: Array, columns: Array) -> str:
    """Whether any matrix with these zeros has these margins: a transport problem, solved only when fitting fails."""
    from scipy.optimize import linprog

    i, j = np.nonzero(prior)
    ones = np.ones(i.size)
    sums = np.zeros((rows.size + columns.size, i.size))
    sums[i, np.arange(i.size)] = sums[rows.size + j, np.arange(i.size)] = 1.0
    limits = np.concatenate([rows, columns]) / rows.sum()
    placed = linprog(-ones, A_ub=sums, b_ub=limits, method="highs")
    missing = 1.0 + (placed.fun or 0.0)
    if missing > 1e-9:
        return (
            f"no matrix with these zeros has these margins: {missing:.3g} of the total finds no cell; free some zeros"
        )
    return "the margins can be met only with further cells at zero; raise max_iterations or free some zeros"
