"""One uncertain number as a distribution that can be read off a published estimate or a stated band.

Every distribution is given by its quantile function, so that one set of uniform numbers drives all of them:

    split lognormal  x(u) = value exp(s(u) z(u)), z the standard normal quantile, s = s_low below the median and s_high
                     above it. A side's s joins two independent errors: the published relative standard error e of the
                     value, sqrt(ln(1 + e^2)), and the distance to the end of the band, |ln(end / value)| / 1.645: the
                     band's ends are then the 5th and the 95th percentile where no standard error is known.
    split uniform    x(u) linear from low (u = 0) to value (u = 1/2) to high (u = 1), for shares, which may be zero
    uniform          x(u) linear from low to high

The outermost hundredth of each tail of a lognormal is cut off: a normal tail is a convenience there, not knowledge.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.terms import Basis

Floats = npt.NDArray[np.float64]
Kind = Literal["split lognormal", "split uniform", "uniform"]

Z95 = 1.6448536269514722  # the 95th percentile of the standard normal
TAIL = 0.01  # of each side of a lognormal, cut off


@dataclass(frozen=True)
class Factor:
    """An uncertain number.

    `low`, `value`, `high` in the number's own unit; `error` its published relative standard error (0 where none is
    known); `floor` and `ceiling` the range a model can take. `group` names what it is reported under in a sensitivity
    analysis: several factors of one group are moved together there.

    Raises UsageError with everything that is wrong.

    Examples
    --------
    >>> f = Factor("theta of mining", low=4.0, value=8.0, high=16.0)
    >>> [float(round(x, 3)) for x in f.quantile(np.array([0.05, 0.5, 0.95]))]
    [4.0, 8.0, 16.0]
    """

    name: str
    low: float
    value: float
    high: float
    kind: Kind = "split lognormal"
    error: float = 0.0
    floor: float = -np.inf
    ceiling: float = np.inf
    group: str = ""
    basis: str = Basis.ASSUMED.value
    source: str = ""

    def __post_init__(self) -> None:
        numbers = (self.low, self.value, self.high, self.error)
        faults = []
        if self.kind not in get_args(Kind):
            faults.append(Fault(f"{self.name}: no kind {self.kind!r}", mend=f"use {', '.join(get_args(Kind))}"))
        if not np.isfinite(numbers).all():
            faults.append(Fault(f"{self.name}: a number that is not finite"))
        elif not self.low <= self.value <= self.high:
            faults.append(
                Fault(f"{self.name}: low {self.low:g}, value {self.value:g}, high {self.high:g}", mend="order them")
            )
        if self.error < 0:
            faults.append(Fault(f"{self.name}: a standard error below zero"))
        if self.kind == "split lognormal" and self.low <= 0:
            faults.append(Fault(f"{self.name}: a lognormal number must be above zero", mend="use a split uniform one"))
        if self.kind != "split lognormal" and self.error:
            faults.append(Fault(f"{self.name}: a standard error has no place in a {self.kind} number"))
        if not self.floor <= self.value <= self.ceiling:
            faults.append(Fault(f"{self.name}: {self.value:g} is outside {self.floor:g} to {self.ceiling:g}"))
        if faults:
            raise UsageError("not a distribution", faults=faults)

    @property
    def reported_as(self) -> str:
        """The name a sensitivity analysis uses."""
        return self.group or self.name

    @property
    def spreads(self) -> tuple[float, float]:
        """(s_low, s_high) of a split lognormal: standard deviations of the logarithm below and above the median."""
        sampling = np.sqrt(np.log1p(self.error**2))
        low, high = (abs(np.log(end / self.value)) / Z95 for end in (self.low, self.high))
        return float(np.hypot(sampling, low)), float(np.hypot(sampling, high))

    @property
    def is_known(self) -> bool:
        """Whether nothing moves it."""
        return self.low == self.high and not self.error

    def quantile(self, u: Floats) -> Floats:
        """The number at probability `u` (any shape, 0 to 1)."""
        if self.kind == "split lognormal":
            from scipy.special import ndtri

            z = ndtri(np.clip(u, TAIL, 1 - TAIL))
            low, high = self.spreads
            x = self.value * np.exp(np.where(z < 0, low, high) * z)
        elif self.kind == "split uniform":
            x = np.interp(u, (0.0, 0.5, 1.0), (self.low, self.value, self.high))
        else:
            x = self.low + (self.high - self.low) * u
        return np.asarray(np.clip(x, self.floor, self.ceiling), dtype=np.float64)
