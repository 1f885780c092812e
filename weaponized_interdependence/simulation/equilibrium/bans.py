"""Bans on part of a sector's products, and trade costs that were estimated, as what `solve` takes."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError, nearest
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline

WITHIN_SECTOR = (
    "a ban on a share s of a sector's products raises the cost of the whole sector to (1 - s)^(-1/theta) of itself: "
    "products of a sector are taken to replace each other as easily as its sources do, at the sector's theta"
)

Name = str | int


class OnCell(Protocol):
    """A measure on what one importer buys of one sector from one exporter."""

    @property
    def sector(self) -> Name: ...  # noqa: D102
    @property
    def importer(self) -> Name: ...  # noqa: D102
    @property
    def exporter(self) -> Name: ...  # noqa: D102


_Item = TypeVar("_Item", bound=OnCell)


@dataclass(frozen=True)
class Ban:
    """n may no longer buy a share of sector j's products from i; names, or positions where the baseline has none.

    `share` is of what n spent on j from i before, 0 to 1; 1 is a ban on all of it.
    """

    sector: Name
    importer: Name
    exporter: Name
    share: float = 1.0


def banned_shares(baseline: Baseline, bans: Iterable[Ban]) -> Array:
    """A list of bans as shares banned [j, n, i]. InputError lists every name unknown and every share out of place.

    >>> world = Baseline(
    ...     share=np.full((1, 2, 2), 0.5), value_added_share=np.ones((1, 2)), input_share=np.zeros((1, 1, 2)),
    ...     consumption_share=np.ones((1, 2)), value_added=np.ones(2), tariff=np.zeros((1, 2, 2)),
    ...     deficit=np.zeros(2), theta=np.array([4.0]), sectors=("chips",), economies=("USA", "CHN"))
    >>> banned_shares(world, [Ban("chips", "CHN", "USA", 0.25)]).tolist()
    [[[0.0, 0.0], [0.25, 0.0]]]
    """
    listed = list(bans)
    cells = cells_of(baseline, listed, lambda b: 0.0 <= b.share <= 1.0, "share must be from 0 to 1")
    shares = np.zeros(baseline.share.shape)
    for cell, ban in zip(cells, listed, strict=True):
        shares[cell] = ban.share
    return shares


def ban(baseline: Baseline, shares: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Bans on shares of a sector's products as (cost_change, banned) for `solve`.

    With s the banned share, what is left of the supplier counts for 1 - s of what it did:

        cost_change = (1 - s)^(-1/theta)    for s under 1        banned = (s = 1)

    At unchanged costs the supplier's share of spending falls to (1 - s) of itself, and the buyer's price index rises as
    that of a CES bundle that has lost these products. WITHIN_SECTOR says what is assumed; put it into the run.

    Parameters
    ----------
    baseline
        For theta.
    shares
        Share of the products banned [j, n, i], by what the importer spent on them before; 0 to 1.

    Examples
    --------
    >>> world = Baseline(
    ...     share=np.full((1, 2, 2), 0.5), value_added_share=np.ones((1, 2)), input_share=np.zeros((1, 1, 2)),
    ...     consumption_share=np.ones((1, 2)), value_added=np.ones(2), tariff=np.zeros((1, 2, 2)),
    ...     deficit=np.zeros(2), theta=np.array([0.5]))
    >>> cost, gone = ban(world, np.array([[[0.0, 0.5], [1.0, 0.0]]]))
    >>> cost.tolist(), gone.tolist()
    ([[[1.0, 4.0], [1.0, 1.0]]], [[[False, False], [True, False]]])
    """
    given = np.asarray(shares, dtype=np.float64)
    if given.shape != baseline.share.shape:
        raise InputError(f"shares have shape {given.shape}, the baseline says {baseline.share.shape}")
    if not ((given >= 0) & (given <= 1)).all():
        raise InputError("banned shares must be from 0 to 1", mend="1 is all of the supplier's products")
    return cost_of(given, baseline.theta)


def cost_of(shares: Array, theta: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(cost_change, banned) of shares banned [j, n, i], 0 to 1, at theta [j]; `ban` says what it means."""
    cost, whole = np.ones_like(shares), np.zeros(shares.shape, dtype=bool)
    at = np.nonzero(shares)
    with np.errstate(divide="ignore", over="ignore"):
        dearer = (1.0 - shares[at]) ** (-1.0 / theta[at[0]])
    # All of it, or so much of it at so small a theta that no number holds the cost.
    whole[at] = ~np.isfinite(dearer)
    cost[at] = np.where(whole[at], 1.0, dearer)
    return cost, whole


def estimated_cost(coefficient: npt.ArrayLike, theta: npt.ArrayLike) -> Array:
    """Trade-cost hat of a measure whose effect on trade has been estimated: exp(-coefficient / theta), at least 1.

    `coefficient` is that of the measure in a gravity equation in exponential form: log points of trade, negative where
    trade falls (trade changes by exp(coefficient) - 1, not by the coefficient). Positive ones count as no effect.
    `theta` is the trade elasticity itself, above zero; some tables print its inverse. InputError where it is not.

    Source: Chowdhry, Hinz, Kamin and Wanner (2024), Economic Policy 39(118), equation 5. Such a coefficient already
    holds what finance did to trade: a cost for blocked payments on top would count it twice.

    >>> float(estimated_cost(-15.93, 1 / 0.04).round(3))  # oil from Iran; printed as 89 per cent
    1.891
    """
    elasticity = np.asarray(theta, dtype=np.float64)
    if not (elasticity > 0).all():
        raise InputError("theta must be above zero", mend="drop the sign of an elasticity of trade to costs")
    hat: Array = np.exp(np.maximum(-np.asarray(coefficient, dtype=np.float64), 0.0) / elasticity)
    return hat


def cells_of(
    baseline: Baseline, items: list[_Item], allowed: Callable[[_Item], bool], rule: str
) -> list[tuple[int, int, int]]:
    """Positions [sector, importer, exporter] of bans or quotas, or every fault of the list."""
    faults: list[Fault] = []
    cells: list[tuple[int, int, int]] = []
    sectors = _names(baseline.sectors, baseline.shape[0])
    economies = _names(baseline.economies, baseline.shape[1])
    for k, item in enumerate(items):
        where = f"{type(item).__name__.lower()} {k}"
        if not allowed(item):
            faults.append(Fault(rule, where))
        found = []
        for word, name, known in (
            ("sector", item.sector, sectors),
            ("importer", item.importer, economies),
            ("exporter", item.exporter, economies),
        ):
            if name not in known:
                close = nearest(str(name), [str(n) for n in known if isinstance(n, str)])
                faults.append(Fault(f"no {word} {name!r}", where, f"did you mean {', '.join(close)}?" if close else ""))
            else:
                found.append(known[name])
        if len(found) == 3:
            cells.append((found[0], found[1], found[2]))
    repeated = [cell for cell, times in Counter(cells).items() if times > 1]
    faults += [
        Fault(f"sector {j}, importer {n}, exporter {i} is named more than once", mend="give one for each cell")
        for j, n, i in sorted(repeated)
    ]
    if faults:
        raise InputError("the measures have faults", faults=faults)
    return cells


def _names(names: tuple[str, ...], size: int) -> dict[Name, int]:
    """Names to positions; a position is a name as well."""
    return {**{k: k for k in range(size)}, **{name: k for k, name in enumerate(names)}}
