"""Which assumption moves the answer: first- and total-order Sobol indices, by group of factors.

    first order   S_g = Var(E[y | x_g]) / Var(y)     group g alone
    total order   T_g = E[Var(y | x_~g)] / Var(y)    g alone and with all others

With y_A, y_B from two independent matrices of draws, y_g from A with the columns of g taken from B, V = Var(y) and the
mean taken off y, (groups + 2) n runs of the model give

    T = E[(y_A - y_g)^2] / 2V             (Jansen 1999)
    S = E[y_B (y_g - y_A)] / V            (Saltelli et al. 2010) where T < 1/2: nearly without noise for a small effect
    S = 1 - E[(y_B - y_g)^2] / 2V         (Jansen 1999) elsewhere: nearly without noise for a large one

The S sum to one at most, the T to one at least; T - S is interaction. The intervals are bootstrap intervals of the
estimate: an index whose interval holds zero may be nothing.

I. M. Sobol' (2001), Mathematics and Computers in Simulation 55; M. J. W. Jansen (1999), Computer Physics Communications
117; A. Saltelli et al. (2010), Computer Physics Communications 181.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from weaponized_interdependence.errors import Fault, ModelError, UsageError
from weaponized_interdependence.simulation.uncertainty.draws import draw, points
from weaponized_interdependence.simulation.uncertainty.factors import Factor, Floats

Evaluate = Callable[[Floats], Floats]
RESAMPLES = 200
LEAST_DRAWS = 16  # with an answer: from fewer nothing can be told
STILL = 1e-9  # an answer whose draws differ by less than this part of their size does not move


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Indices (answers, groups) with the ends of their 90 per cent bootstrap intervals.

    An answer that does not move at all has NaN in its row. `runs` counts the runs of the model, `left_out` the draws
    in which it had no answer.
    """

    groups: tuple[str, ...]
    first: Floats
    first_low: Floats
    first_high: Floats
    total: Floats
    total_low: Floats
    total_high: Floats
    runs: int
    left_out: int


def sensitivity(evaluate: Evaluate, factors: Sequence[Factor], draws: int, *, seed: int) -> Sensitivity:
    """Sobol indices of every answer for every group of factors.

    Parameters
    ----------
    evaluate
        (runs, factors) values of the factors -> (runs, answers). A run without an answer is NaN.
    factors
        Factors that share `group` are moved together; those that nothing moves are held and not reported.
    draws
        Rows of A and of B, 16 at least. The model is run (groups + 2) times as often.

    Raises
    ------
    UsageError
        Nothing to vary, or a number of draws that cannot be used.
    ModelError
        Too few runs have an answer.

    Examples
    --------
    y = x1 + 2 x2 with x1, x2 uniform: the variances are as 1 to 4.

    >>> x = [Factor(f"x{k}", 0.0, 0.5, 1.0, kind="uniform") for k in (1, 2)]
    >>> s = sensitivity(lambda v: (v[:, :1] + 2 * v[:, 1:]), x, 1024, seed=1)
    >>> s.groups, s.first.round(1).tolist(), s.total.round(1).tolist()
    (('x1', 'x2'), [[0.2, 0.8]], [[0.2, 0.8]])
    """
    groups = tuple(dict.fromkeys(f.reported_as for f in factors if not f.is_known))
    if not groups:
        raise UsageError("no assumption has a band: there is nothing to vary", mend="give low and high, or errors")
    if draws < LEAST_DRAWS:
        raise UsageError(f"{draws} draws are too few for indices", mend=f"ask for {LEAST_DRAWS} at least")
    one = draw(factors, draws, seed=seed)
    other = points(len(factors), draws, seed=seed, second=True)
    b = np.column_stack([factor.quantile(other[:, k]) for k, factor in enumerate(factors)])
    columns = np.array([groups.index(f.reported_as) if not f.is_known else -1 for f in factors])
    mixed = [np.where(columns == g, b, one.values) for g in range(len(groups))]
    runs = np.concatenate([one.values, b, *mixed])
    answers = np.asarray(evaluate(runs), dtype=np.float64)
    if answers.shape[:1] != (len(runs),) or answers.ndim != 2:
        raise UsageError(f"evaluate gave {answers.shape}, not ({len(runs)}, answers)")
    return _indices(answers.reshape(len(groups) + 2, draws, -1), groups, seed)


def _indices(answers: Floats, groups: tuple[str, ...], seed: int) -> Sensitivity:
    """Indices of answers (A, B, mixed of each group; draws; answers)."""
    whole = np.asarray(
        ~np.isnan(answers).any(axis=(0, 2))
    )  # a draw counts with all its runs, or the estimators lose their pairs
    left_out = int((~whole).sum())
    if whole.sum() < max(LEAST_DRAWS, len(whole) // 2):
        raise ModelError(
            f"only {int(whole.sum())} of {len(whole)} draws have an answer in all their runs",
            faults=[Fault("sensitivity of the rest would speak for half of the assumptions only")],
            mend="narrow the bands that leave the model without an answer",
        )
    kept = answers[:, whole]
    n = kept.shape[1]
    size = np.abs(kept[:2]).max(axis=(0, 1))
    moves = np.ptp(kept[:2], axis=(0, 1)) > STILL * size
    made = np.full((6, answers.shape[2], len(groups)), np.nan)
    if moves.any():
        made[:, moves] = _estimate(kept[:, :, moves], n, seed)
    first, first_low, first_high, total, total_low, total_high = made
    runs = answers.shape[0] * answers.shape[1]
    return Sensitivity(groups, first, first_low, first_high, total, total_low, total_high, runs, left_out)


def _estimate(kept: Floats, n: int, seed: int) -> Floats:
    """(first, low, high, total, low, high) of answers that move, each (answers, groups)."""
    a, b, mixed = kept[0].T, kept[1].T, kept[2:].transpose(0, 2, 1)  # (answers, n), (groups, answers, n)
    first, total = _formula(a, b, mixed)
    rng = np.random.default_rng([seed, 2])
    again = np.empty((RESAMPLES, 2, *first.shape))
    for k in range(RESAMPLES):
        rows = rng.integers(0, n, n)
        again[k] = _formula(a[:, rows], b[:, rows], mixed[:, :, rows], total)
    ends = np.nanquantile(again, (0.05, 0.95), axis=0)
    return np.stack([first, ends[0, 0], ends[1, 0], total, ends[0, 1], ends[1, 1]])


def _formula(a: Floats, b: Floats, mixed: Floats, chosen: Floats | None = None) -> tuple[Floats, Floats]:
    """First and total order (answers, groups); `chosen`: the totals that choose the estimator of the first."""
    variance = np.concatenate([a, b], axis=1).var(axis=1)
    variance = np.where(variance > 0, variance, np.nan)
    middle = np.concatenate([a, b], axis=1).mean(axis=1)[:, None]
    total = 0.5 * ((a - mixed) ** 2).mean(axis=2) / variance
    small = ((b - middle) * (mixed - a)).mean(axis=2) / variance
    large = 1 - 0.5 * ((b - mixed) ** 2).mean(axis=2) / variance
    first = np.where((total if chosen is None else chosen.T) < 0.5, small, large)
    return first.T, total.T
