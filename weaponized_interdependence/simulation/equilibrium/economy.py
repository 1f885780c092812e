"""The world before a measure and after it, as arrays.

Axes: j, k sectors (k the input, j its user), n importer (or the economy itself), i exporter. Everything is float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError

Array = npt.NDArray[np.float64]

SUMS_TO_ONE = 1e-6  # how far shares may be from adding up, by rounding, which is then taken out
SUMS_TO_ZERO = 1e-9  # how far deficits may be from it, of value added: beyond, no trade balance could close
_EXACT = 1e-12  # what float64 leaves of a sum of shares: left as it is
_NAMED = 5  # cells that a fault names


@dataclass(frozen=True, eq=False)
class Baseline:
    """The world before: who spends what on whom, as shares, with the levels that the shares are of.

    - `share` [j, n, i]: of what n spends on sector j, tariffs included, the part spent on i. Adds up to 1 over i, or is
      zero for every i where n has no use for j and nobody supplies it
    - `value_added_share` [j, n]: value added in the cost of sector j in n, 0 to 1
    - `input_share` [k, j, n]: input k in the cost of sector j in n; adds up over k to 1 - value_added_share[j, n]
    - `consumption_share` [j, n]: sector j in the final spending of n; adds up to 1 over j
    - `value_added` [n]: in any one unit of money, above zero
    - `tariff` [j, n, i]: ad valorem (0.1 = 10 per cent), above -1
    - `deficit` [n]: what n spends beyond its income, in the unit of value_added; adds up to zero
    - `theta` [j]: trade elasticity (sigma - 1), above zero
    - `sectors`, `economies`: names for messages; where absent, positions from 0 are named

    The arrays are kept read-only, and those that could be written to are copied. Shares that add up to within 1e-6 are
    divided by their sum, where that is off by more than 1e-12. InputError lists every fault of the
    arrays at once. Whether value added agrees with the shares (that is, whether the world is in equilibrium before
    anything happens) is for the calibration to see to, and `levels` tells: where it does not, the solution without any
    measure has changes other than 1.

    Source: Caliendo & Parro (2015), Review of Economic Studies 82(1).

    >>> import numpy as np
    >>> world = Baseline(
    ...     share=np.array([[[0.8, 0.2], [0.1, 0.9]]]),
    ...     value_added_share=np.ones((1, 2)),
    ...     input_share=np.zeros((1, 1, 2)),
    ...     consumption_share=np.ones((1, 2)),
    ...     value_added=np.array([1.0, 2.0]),
    ...     tariff=np.zeros((1, 2, 2)),
    ...     deficit=np.zeros(2),
    ...     theta=np.array([5.0]),
    ... )
    >>> world.shape
    (1, 2)
    """

    share: Array
    value_added_share: Array
    input_share: Array
    consumption_share: Array
    value_added: Array
    tariff: Array
    deficit: Array
    theta: Array
    sectors: tuple[str, ...] = ()
    economies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = [fault for field in fields(self)[:8] if (fault := self._keep(field.name))]
        if not faults:
            faults = [*_shape_faults(self)]
        if not faults:
            faults = [*_cell_faults(self), *_sum_faults(self)]
        if not faults:
            faults = [*_supply_faults(self)]
        if faults:
            raise InputError("the baseline of the equilibrium is not usable", faults=faults)
        self._take_out_rounding()

    def _take_out_rounding(self) -> None:
        """Shares that add up to one: what they lack would leak from every market, and none of them would close."""
        cost = self.input_share.sum(axis=0) + self.value_added_share
        sums = {
            "share": self.share.sum(axis=2, keepdims=True),
            "consumption_share": self.consumption_share.sum(axis=0),
            "input_share": cost,
            "value_added_share": cost,
        }
        for name, total in sums.items():
            total = np.where(total > 0, total, 1.0)
            if (abs(total - 1) > _EXACT).any():
                rounded = getattr(self, name) / total
                rounded.flags.writeable = False
                object.__setattr__(self, name, rounded)

    def _keep(self, name: str) -> Fault | None:
        """Hold an array read-only; one that somebody may still write to is copied, for its levels are kept too."""
        given = getattr(self, name)
        try:
            held = np.ascontiguousarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            return Fault(f"{name} is not an array of numbers", name, "give float64")
        if held.flags.writeable and np.may_share_memory(held, given):
            held = held.copy()
        view = held.view()
        view.flags.writeable = False
        object.__setattr__(self, name, view)
        return None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sectors, number of economies."""
        return self.share.shape[0], self.share.shape[1]

    def sector(self, j: int) -> str:
        """Name of a sector, or its position."""
        return self.sectors[j] if self.sectors else f"sector {j}"

    def economy(self, n: int) -> str:
        """Name of an economy, or its position."""
        return self.economies[n] if self.economies else f"economy {n}"


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The world after. Hats are ratios to the baseline (1 = unchanged), levels are in the unit of value added.

    The numeraire is the value added of the world, which stays what it was: prices and wages of one solution compare
    with each other, and between solutions only real quantities do.

    - `wage` [n], `price` [j, n], `price_index` [n]: hats; price is 1 where nobody supplies and nobody demands
    - `share` [j, n, i]: new level; adds up to 1 over i, or is zero
    - `expenditure` [j, n], `income` [n]: new levels, tariffs included in expenditure; income is value added, revenue
      of tariffs and export taxes, and the deficit
    - `real_income` [n], `real_wage` [n]: hats, income and wage over the price index
    - `iterations`: sweeps over all equations; `residual`: the largest relative gap of any equation (see `solve`)
    """

    wage: Array
    price: Array
    price_index: Array
    share: Array
    expenditure: Array
    income: Array
    real_income: Array
    real_wage: Array
    iterations: int
    residual: float


def _shape_faults(world: Baseline) -> Iterator[Fault]:
    share = world.share
    if share.ndim != 3 or share.shape[1] != share.shape[2] or 0 in share.shape:
        yield Fault(
            f"share has shape {share.shape}",
            "share",
            "give it as [sector, importer, exporter], with one list of economies",
        )
        return
    J, N = world.shape
    shapes: dict[str, tuple[int, ...]] = {
        "value_added_share": (J, N), "input_share": (J, J, N), "consumption_share": (J, N), "value_added": (N,),
        "tariff": (J, N, N), "deficit": (N,), "theta": (J,),
    }  # fmt: skip
    for name, shape in shapes.items():
        found = getattr(world, name).shape
        if found != shape:
            yield Fault(f"{name} has shape {found}; with the shape of share it is {shape}", name)
    for name, size in (("sectors", J), ("economies", N)):
        names = getattr(world, name)
        if names and (len(names) != size or len(set(names)) != size):
            yield Fault(f"{name} has {len(set(names))} different names for {size}", name, "name each one, or give none")


def _cell_faults(world: Baseline) -> Iterator[Fault]:
    """Cells that are no number or out of bounds; a comparison with NaN is False, so `not within` finds it."""
    for name, least, open_, most in (
        ("share", 0.0, False, 1.0),
        ("value_added_share", 0.0, False, 1.0),
        ("input_share", 0.0, False, 1.0),
        ("consumption_share", 0.0, False, 1.0),
        ("value_added", 0.0, True, np.inf),
        ("tariff", -1.0, True, np.inf),
        ("deficit", -np.inf, True, np.inf),
        ("theta", 0.0, True, np.inf),
    ):
        yield from outside(name, getattr(world, name), least, most, least_allowed=not open_)


def outside(name: str, array: Array, least: float, most: float, *, least_allowed: bool) -> Iterator[Fault]:
    """The fault that some cells are not finite or not within bounds, naming the first of them, if there are any."""
    low = array >= least if least_allowed else array > least
    wrong = ~(low & (array <= most * (1 + SUMS_TO_ONE)) & np.isfinite(array))
    if wrong.any():
        bound = f"{'at least' if least_allowed else 'above'} {least:g}" if np.isfinite(least) else ""
        top = f"at most {most:g}" if np.isfinite(most) else ""
        must = " and ".join(part for part in ("finite", bound, top) if part)
        yield Fault(f"{int(wrong.sum())} cell(s) of {name} are not {must}: {cells(array, wrong)}", name)


def cells(array: Array, chosen: npt.NDArray[np.bool_]) -> str:
    """The first chosen cells of an array with their positions, for a message."""
    at = np.argwhere(chosen)
    shown = ", ".join(f"[{', '.join(map(str, p))}] = {array[tuple(p)]:g}" for p in at[:_NAMED])
    return shown + (f" and {len(at) - _NAMED} more" if len(at) > _NAMED else "")


def _sum_faults(world: Baseline) -> Iterator[Fault]:
    suppliers = world.share.sum(axis=2)
    costs = world.input_share.sum(axis=0) + world.value_added_share
    final = world.consumption_share.sum(axis=0)
    checks: tuple[tuple[str, Array, Any, str], ...] = (
        ("share", suppliers, (abs(suppliers - 1) <= SUMS_TO_ONE) | (suppliers == 0), "1 (or 0) over exporters"),
        ("input_share", costs, abs(costs - 1) <= SUMS_TO_ONE, "1 over inputs with value_added_share"),
        ("consumption_share", final, abs(final - 1) <= SUMS_TO_ONE, "1 over sectors"),
    )
    for name, sums, right, rule in checks:
        if not right.all():
            yield Fault(
                f"{name} does not add up to {rule}: sums {cells(sums, ~right)}", name, "divide by the sum, in float64"
            )
    with np.errstate(invalid="ignore"):
        gap, scale = world.deficit.sum(), abs(world.value_added).sum()
    if np.isfinite(gap) and abs(gap) > SUMS_TO_ZERO * scale:
        yield Fault(
            f"deficits add up to {gap:g}, and must to zero", "deficit", "spread the remainder, e.g. by value added"
        )


def _supply_faults(world: Baseline) -> Iterator[Fault]:
    """Sectors that are demanded though nobody supplies them: the shares contradict each other."""
    idle = world.share.sum(axis=2) == 0
    if not idle.any():
        return
    makes = world.share.sum(axis=1) > 0  # [j, i]
    wanted = (world.consumption_share > 0) | (np.einsum("kjn,jn->kn", world.input_share, makes) > 0)
    found = np.argwhere(idle & wanted)
    for j, n in found[:_NAMED]:
        yield Fault(
            f"{world.economy(n)} uses {world.sector(j)}, which no exporter supplies to it",
            "share",
            "give it a supplier, or set its consumption_share and input_share to zero",
        )
    if len(found) > _NAMED:
        yield Fault(f"and {len(found) - _NAMED} more uses without a supplier", "share")
