"""Draws of uncertain numbers that are the same for every scenario, and what a model makes of them.

A Latin hypercube, or a scrambled Sobol sequence, fills the unit cube more evenly than random points do. The hypercube
is the default: with some forty factors (a table's sectors) the Sobol sequence needs a thousand draws before its sides
stop resembling each other (two of forty correlate at 0.8 in 64 draws and 0.3 in 256; at 0.4 and 0.2 in the hypercube).

The cube has always the same number of sides and factor k takes side k: two scenarios whose first factors are the same
see the same draws of these, whatever follows (common random numbers), so that the difference of their answers is not
noise. Factors that scenarios share, the elasticities, therefore stand first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.simulation.uncertainty.factors import Factor, Floats

Method = Literal["sobol", "lhs"]
METHODS: tuple[Method, ...] = ("lhs", "sobol")
MOST_DRAWS = 1 << 16  # of all sides of both cubes: the better part of a gigabyte
SIDES = 256  # of the cube: the most factors there can be


@dataclass(frozen=True, eq=False)
class Draws:
    """`values` (draws, factors): row d is one state of the assumptions. `uniform` are the points they come from."""

    factors: tuple[Factor, ...]
    values: Floats
    uniform: Floats
    seed: int
    method: Method


def draw(factors: Sequence[Factor], draws: int, *, seed: int, method: Method = "lhs") -> Draws:
    """Draw all factors jointly and independently of one another.

    Parameters
    ----------
    draws
        How many; of a Sobol sequence a power of two, for others leave it unbalanced and are refused.
    seed
        The same seed gives the same numbers, bit for bit.

    Raises
    ------
    UsageError
        Two factors of one name, no factor, a number of draws that cannot be used.

    Examples
    --------
    >>> theta = Factor("theta", low=2.0, value=4.0, high=8.0)
    >>> share = Factor("share", low=0.0, value=0.5, high=1.0, kind="split uniform")
    >>> alone, beside = draw([theta], 64, seed=1), draw([theta, share], 64, seed=1)
    >>> bool((alone.values[:, 0] == beside.values[:, 0]).all())  # what they share is the same
    True
    """
    _check(factors, draws, method)
    uniform = points(len(factors), draws, seed=seed, method=method)
    values = np.column_stack([factor.quantile(uniform[:, k]) for k, factor in enumerate(factors)])
    return Draws(tuple(factors), values, uniform, seed, method)


def points(sides: int, draws: int, *, seed: int, method: Method = "lhs", second: bool = False) -> Floats:
    """The first `sides` sides of the cube of points: (draws, sides); `second`: of another cube, independent of it.

    Both are halves of one: two scramblings of the same Sobol sequence would not be independent of each other.
    """
    from scipy.stats import qmc

    rng = np.random.default_rng(seed)
    if method == "sobol":
        made = qmc.Sobol(2 * SIDES, scramble=True, rng=rng).random(draws)
    else:
        made = qmc.LatinHypercube(2 * SIDES, rng=rng).random(draws)
    first = SIDES if second else 0
    return np.ascontiguousarray(made[:, first : first + sides])


@dataclass(frozen=True, eq=False)
class Spread:
    """What draws make of an answer: 5th percentile, median and 95th percentile, each (answers,)."""

    low: Floats
    median: Floats
    high: Floats
    draws: int


def spread_of(answers: Floats, *, inner: float = 0.90) -> Spread:
    """Quantiles over draws of `answers` (draws, answers): the middle `inner` of them lies between low and high.

    A draw without an answer (NaN: the model has none there) is not counted; an answer without any draw is NaN.
    """
    there = ~np.isnan(answers)
    low, median, high = np.full((3, answers.shape[1]), np.nan)
    some = there.any(axis=0)
    if some.any():
        ends = ((1 - inner) / 2, 0.5, (1 + inner) / 2)
        low[some], median[some], high[some] = np.nanquantile(answers[:, some], ends, axis=0)
    return Spread(low, median, high, len(answers))


def _check(factors: Sequence[Factor], draws: int, method: str) -> None:
    faults = []
    names = [factor.name for factor in factors]
    if not names:
        faults.append(Fault("no uncertain number", mend="give at least one factor"))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault(f"named twice: {', '.join(twice)}"))
    if not 2 <= draws <= MOST_DRAWS:
        faults.append(Fault(f"{draws} draws", mend=f"ask for 2 to {MOST_DRAWS:,}"))
    elif method == "sobol" and draws & (draws - 1):
        near = 1 << round(np.log2(draws))
        faults.append(Fault(f"{draws} draws of a Sobol sequence", mend=f"use a power of two, such as {near}"))
    if method not in METHODS:
        faults.append(Fault(f"no method {method!r}", mend=f"use {' or '.join(METHODS)}"))
    if len(names) > SIDES:
        faults.append(Fault(f"{len(names)} factors", mend=f"at most {SIDES}: join sectors into groups"))
    if faults:
        raise UsageError("these draws cannot be made", faults=faults)
