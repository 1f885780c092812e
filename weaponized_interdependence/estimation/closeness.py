"""How close an estimated matrix is to the one it stands for."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Closeness:
    """Measures over cells off the diagonal; the last three over cells where both are positive."""

    cells: int
    positive: int
    pearson: float
    spearman: float
    log_pearson: float
    within_two: float
    within_two_by_value: float


def closeness(estimate: Array, truth: Array) -> Closeness:
    """Compare two square matrices in the same unit, leaving the diagonal out.

    `within_two` is the share of positive cells e, o with 1/2 <= e/o <= 2, `within_two_by_value` the share of their
    true value in such cells. Rank correlation gives ties their mean rank.

    >>> closeness(np.array([[0.0, 2.0], [9.0, 0.0]]), np.array([[0.0, 3.0], [3.0, 0.0]])).within_two
    0.5
    """
    if estimate.shape != truth.shape or estimate.shape[0] != estimate.shape[1]:
        raise InputError(f"shapes {estimate.shape} and {truth.shape} are not two equal squares")
    off = ~np.eye(len(truth), dtype=bool)
    e, o = estimate[off], truth[off]
    both = (e > 0) & (o > 0)
    log_e, log_o = np.log(e[both]), np.log(o[both])
    near = (e[both] <= 2 * o[both]) & (o[both] <= 2 * e[both])
    return Closeness(
        cells=int(e.size),
        positive=int(both.sum()),
        pearson=_correlation(e, o),
        spearman=_correlation(_ranks(e), _ranks(o)),
        log_pearson=_correlation(log_e, log_o),
        within_two=float(near.mean()) if near.size else float("nan"),
        within_two_by_value=float(o[both][near].sum() / o[both].sum()) if near.size else float("nan"),
    )


def _correlation(a: Array, b: Array) -> float:
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Array) -> Array:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)
