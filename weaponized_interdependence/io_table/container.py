"""The frozen container of labelled arrays."""

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.schemas import PERIOD_PATTERN
from weaponized_interdependence.terms import Basis

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class IOTable:
    """An inter-country input-output table at basic prices.

    With N economies, J sectors and F final-demand categories (all rows and columns economy-major, so the row of
    economy n and sector j is n*J + j):

    - `Z` (N*J, N*J): intermediate deliveries, row sells to column
    - `Y` (N*J, N*F): final deliveries, column n*F + f is category f of economy n
    - `VA` (N*J,): value added
    - `x` (N*J,): gross output
    - `other` (N*J,): what else stands in a using industry's column (taxes less subsidies, margins, cif/fob), so that
      Z.sum(0) + VA + other = x when the publisher's table balances
    - `discrepancy` (N*J,): what else stands in a selling industry's row, of no economy and no use, so that
      Z.sum(1) + Y.sum(1) + discrepancy = x; zero for most publishers

    Units: `unit` (USD after reading). `basis` is that of every cell. Negative final demand is lawful (inventories drawn
    down), and so is an industry without output: `review` lists both.
    """

    period: str
    economies: tuple[str, ...]
    sectors: tuple[str, ...]
    demands: tuple[str, ...]
    Z: Array
    Y: Array
    VA: Array
    x: Array
    other: Array
    classification: str
    unit: str = "USD"
    basis: str = "observed"
    publisher: str = ""
    notes: tuple[str, ...] = ()
    sector_names: tuple[str, ...] = field(default=())
    discrepancy: Array = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        n, f = len(self.economies) * len(self.sectors), len(self.economies) * len(self.demands)
        if not self.discrepancy.size:
            object.__setattr__(self, "discrepancy", np.zeros(n))
        shapes = {"Z": (n, n), "Y": (n, f), "VA": (n,), "x": (n,), "other": (n,), "discrepancy": (n,)}
        faults = [
            Fault(f"{name} has shape {getattr(self, name).shape}, the labels say {shape}")
            for name, shape in shapes.items()
            if getattr(self, name).shape != shape
        ]
        for name in shapes:
            array = getattr(self, name)
            if array.shape == shapes[name] and not np.isfinite(array).all():
                faults.append(
                    Fault(f"{name} has {int((~np.isfinite(array)).sum())} cell(s) that are not finite numbers")
                )
        for label, names in (("economy", self.economies), ("sector", self.sectors), ("demand", self.demands)):
            if len(set(names)) != len(names):
                faults.append(Fault(f"a {label} is named twice"))
        if both := sorted(set(self.sectors) & set(self.demands)):
            faults.append(Fault(f"{', '.join(both)} names both a sector and a final demand"))
        if self.sector_names and len(self.sector_names) != len(self.sectors):
            faults.append(Fault(f"{len(self.sector_names)} sector names for {len(self.sectors)} sectors"))
        if not re.match(PERIOD_PATTERN, self.period):
            faults.append(Fault(f"{self.period!r} is not a period", mend="write a year, such as 2019"))
        if self.basis not in list(Basis):
            faults.append(Fault(f"{self.basis!r} is not a basis", mend=f"one of {', '.join(Basis)}"))
        if faults:
            raise InputError("not an input-output table", faults=faults)
        for name in shapes:
            getattr(self, name).flags.writeable = False

    @property
    def size(self) -> tuple[int, int, int]:
        """(N economies, J sectors, F final-demand categories)."""
        return len(self.economies), len(self.sectors), len(self.demands)

    @cached_property
    def A(self) -> Array:  # noqa: N802
        """Input coefficients Z / x by column; zero-output columns are zero (they use nothing and sell nothing)."""
        safe = np.where(self.x > 0, self.x, 1.0)
        return np.where(self.x > 0, self.Z / safe, 0.0)

    def rows_of(self, economy: str) -> slice:
        """The rows (and columns) of one economy."""
        n = self.economies.index(economy)
        return slice(n * len(self.sectors), (n + 1) * len(self.sectors))

    def demands_of(self, economy: str) -> slice:
        """The columns of `Y` that belong to one economy."""
        n = self.economies.index(economy)
        return slice(n * len(self.demands), (n + 1) * len(self.demands))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """`ECONOMY_sector` of every row, in order."""
        return tuple(f"{e}_{s}" for e in self.economies for s in self.sectors)
