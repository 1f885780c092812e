"""The cells of trade that counterfactuals change, and what they become."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault
from weaponized_interdependence.simulation.equilibrium.economy import SUMS_TO_ZERO, Array, Baseline, outside

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KEPT = 0.01  # of a row of trade shares: where less is left, the row is added up anew instead of being corrected


@dataclass(frozen=True)
class Counterfactual:
    """What changes in one counterfactual, as `solve` takes it; None leaves what is in the baseline.

    - `cost_change` [j, n, i]: factor on the iceberg cost of selling j from i to n, above zero
    - `tariff` [j, n, i]: NEW ad valorem level (0.1 = 10 per cent)
    - `banned` [j, n, i]: bool; nothing is sold there, exactly
    - `export_tax` [j, n, i]: ad valorem level that exporter i takes on sales to n
    - `deficit` [n]: new levels, in the unit of value_added; add up to zero
    - `theta` [j]: other trade elasticities than the baseline's, for a draw or a horizon

    Arrays may have any shape that numpy broadcasts to the one given.
    """

    cost_change: Array | None = None
    tariff: Array | None = None
    banned: Bools | None = None
    export_tax: Array | None = None
    deficit: Array | None = None
    theta: Array | None = None


@dataclass(frozen=True)
class Changed:
    """A counterfactual as the list of cells it changes, which is short where the arrays are long.

    `at` are flat positions in [j, n, i] where the baseline trades, ascending; the others are one number a cell, or one
    for all (no axis). A banned cell has an infinite `cost`.
    """

    at: npt.NDArray[np.int32]
    cost: Array
    tariff: Array | None
    export_tax: Array
    deficit: Array | None
    theta: Array | None

    def tariffs(self, world: Baseline) -> Array:
        """The new tariff of each cell."""
        level = world.tariff.reshape(-1)[self.at] if self.tariff is None else self.tariff
        return np.broadcast_to(level, self.at.shape)

    def kept(self, world: Baseline) -> Array:
        """Share of each cell times the change of its trade cost to the power -theta: what takes the share's place."""
        if np.isinf(self.cost).all():
            return np.zeros(self.at.size)
        N = world.shape[1]
        theta = (world.theta if self.theta is None else self.theta)[self.at // (N * N)]
        dearer = (1.0 + self.tariffs(world)) / (1.0 + world.tariff.reshape(-1)[self.at])
        share: Array = world.share.reshape(-1)[self.at]
        return share * (self.cost * dearer * (1.0 + self.export_tax)) ** -theta

    def dense(self, world: Baseline) -> Counterfactual:
        """The arrays again; cells where the baseline has no trade are as in the baseline."""

        def filled(base: Array, values: Array) -> Array:
            array = np.array(np.broadcast_to(base, world.share.shape), dtype=np.float64)
            array.reshape(-1)[self.at] = values
            return array

        cost = np.broadcast_to(self.cost, self.at.shape)
        banned = np.zeros(world.share.shape, dtype=bool)
        banned.reshape(-1)[self.at] = np.isinf(cost)
        return Counterfactual(
            cost_change=filled(np.ones(1), np.where(np.isinf(cost), 1.0, cost)) if np.isfinite(cost).any() else None,
            tariff=filled(world.tariff, self.tariff) if self.tariff is not None else None,
            banned=banned if banned.any() else None,
            export_tax=filled(np.zeros(1), self.export_tax) if self.export_tax.any() else None,
            deficit=self.deficit,
            theta=self.theta,
        )


def changed(world: Baseline, asked: Counterfactual, where: str) -> tuple[Changed | None, list[Fault]]:
    """The cells that a counterfactual changes, or every fault of its arrays."""
    J, N = world.shape
    shapes = {
        "cost_change": (J, N, N), "tariff": (J, N, N), "banned": (J, N, N), "export_tax": (J, N, N),
        "deficit": (N,), "theta": (J,),
    }  # fmt: skip
    faults, given = [], {}
    for name, shape in shapes.items():
        if (value := getattr(asked, name)) is None:
            continue
        array = np.asarray(value) if name == "banned" else np.asarray(value, dtype=np.float64)
        try:
            given[name] = np.broadcast_to(array, shape)
        except ValueError:
            faults.append(Fault(f"{name} has shape {array.shape}; with the baseline's it is {shape}", where))
    for name, least, allowed in (
        ("cost_change", 0.0, False),
        ("tariff", -1.0, False),
        ("export_tax", -1.0, False),
        ("deficit", -np.inf, True),
        ("theta", 0.0, False),
    ):
        if name in given:
            wrong = outside(name, given[name], least, np.inf, least_allowed=allowed)
            faults += [Fault(fault.what, where) for fault in wrong]
    if "banned" in given and given["banned"].dtype != np.bool_:
        faults.append(Fault(f"banned holds {given['banned'].dtype}", where, "give True where nothing may be sold"))
    if "deficit" in given and not faults:
        gap = float(given["deficit"].sum())
        if abs(gap) > SUMS_TO_ZERO * float(world.value_added.sum()):
            faults.append(Fault(f"deficits add up to {gap:g}, and must to zero", where))
    return (None, faults) if faults else (_listed(world, given), [])


def _listed(world: Baseline, given: dict[str, Array]) -> Changed:
    before = {"banned": False, "cost_change": 1.0, "tariff": world.tariff, "export_tax": 0.0}
    touched = [given[name] != none for name, none in before.items() if name in given]
    at = np.flatnonzero(np.logical_or.reduce(touched)) if touched else np.zeros(0, dtype=np.int64)
    at = at[world.share.reshape(-1)[at] > 0]
    cells = np.unravel_index(at, world.share.shape)
    cost = given["cost_change"][cells] if "cost_change" in given else np.ones(at.size)
    if "banned" in given:
        cost = np.where(given["banned"][cells], np.inf, cost)
    return Changed(
        at=at.astype(np.int32),
        cost=_short(cost),
        tariff=_short(given["tariff"][cells]) if "tariff" in given else None,
        export_tax=_short(given["export_tax"][cells]) if "export_tax" in given else np.zeros(()),
        deficit=np.array(given["deficit"]) if "deficit" in given else None,
        theta=np.array(given["theta"]) if "theta" in given else None,
    )


def _short(values: Array) -> Array:
    """One number for all where all are equal."""
    return values[0].reshape(()) if values.size and (values == values[0]).all() else np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class Rows:
    """The changed cells of several counterfactuals, by sector: what the compiled loops of `kernels.batched` read.

    Rows of sector j are `sector[j]` to `sector[j + 1]`; cells of row r are `first[r]` to `first[r + 1]`.
    """

    sector: Ints
    first: Ints
    n: Ints
    s: Ints
    own: Ints
    i: Ints
    da: Array  # what is kept less the share (in a row of its own: what is kept)
    dp: Array  # the same net of tariffs
    db: Array  # what producers get of what is kept, less what they got
    tax: Array  # what exporters' governments get of it
    gap: Ints  # [j] whether value at the border differs from value paid, in any counterfactual
    bare: Bools  # [s] whether some importer loses every supplier of a sector

    @property
    def taxing(self) -> bool:
        """Whether there is any export tax."""
        return bool(self.tax.any())


def rows_of(world: Baseline, net: Array, several: Sequence[Changed]) -> Rows:
    """The cells of several counterfactuals together, sorted by sector, counterfactual and importer."""
    from weaponized_interdependence.simulation.equilibrium.kernels.batched import arranged

    J, N = world.shape
    found = [_cells(world, net, one) for one in several]
    bare = [each[6] for each in found]
    parts = [tuple(a[:0] if each[6] else a for a in each[:6]) for each in found]  # of what is bare, nothing
    at, own, da, dp, db, tax = (np.concatenate(each) for each in zip(*parts, strict=True))
    sizes = np.array([len(part[0]) for part in parts])
    order = arranged(at, np.append(0, np.cumsum(sizes)), N * N, J)
    at = at[order]
    row: Ints = at // N
    s = np.repeat(np.arange(len(several)), sizes)[order]
    starts = np.flatnonzero((np.diff(row, prepend=-1) != 0) | (np.diff(s, prepend=-1) != 0))
    da, dp = da[order], dp[order]
    gap = np.any(world.tariff != 0.0, axis=(1, 2))
    gap[row[da != dp] // N] = True
    return Rows(
        sector=np.searchsorted(row[starts], np.arange(J + 1) * N),
        first=np.append(starts, at.size),
        n=row[starts] % N,
        s=s[starts],
        own=own[order][starts],
        i=at % N,
        da=da,
        dp=dp,
        db=db[order],
        tax=tax[order],
        gap=gap.astype(np.int64),
        bare=np.array(bare),
    )


def _cells(world: Baseline, net: Array, one: Changed) -> tuple[Ints, Ints, Array, Array, Array, Array, bool]:
    """Position, whether in a row of its own, da, dp, db and tax of a counterfactual's cells, ascending; and `bare`."""
    N = world.shape[1]
    share, border = world.share.reshape(-1), net.reshape(-1)
    at = one.at.astype(np.int64)
    kept = one.kept(world)
    paid = kept / (1.0 + one.tariffs(world))
    got = paid / (1.0 + one.export_tax)
    before = border[at]
    da, dp, db, tax = kept - share[at], paid - before, got - before, got * one.export_tax
    line = at // N
    few = line[_starts(line)][_row_sums(line, da) < KEPT - 1.0]
    own = np.zeros(at.size, dtype=np.int64)
    if not few.size:
        return at, own, da, dp, db, tax, False
    own[np.isin(line, few)] = 1
    da[own == 1], dp[own == 1] = kept[own == 1], paid[own == 1]
    every = (few[:, None] * N + np.arange(N)).reshape(-1)
    rest = every[~np.isin(every, at) & (share[every] > 0)]
    zero = np.zeros(rest.size)
    joined = [at, own, da, dp, db, tax]
    more = [rest, np.ones(rest.size, dtype=np.int64), share[rest], border[rest], zero, zero]
    order = np.argsort(np.concatenate([at, rest]), kind="stable")
    at, own, da, dp, db, tax = (np.concatenate(each)[order] for each in zip(joined, more, strict=True))
    bare = bool((np.add.reduceat(da[own == 1], _starts(at[own == 1] // N)) <= 0).any())
    return at, own, da, dp, db, tax, bare


def _row_sums(row: Ints, values: Array) -> Array:
    """Sums over each run of equal rows."""
    return np.add.reduceat(values, _starts(row)) if row.size else np.zeros(0)


def _starts(row: Ints) -> Ints:
    """Where each run of equal rows begins."""
    return np.flatnonzero(np.diff(row, prepend=-1))


def split(world: Baseline, links: Ints, one: Changed) -> bool:
    """Whether bans leave the world in groups of economies that do not trade with each other.

    `links` [n, i]: in how many sectors n buys of i before.
    """
    N = world.shape[1]
    banned = np.isinf(np.broadcast_to(one.cost, one.at.shape))
    if not banned.any():
        return False
    pair = one.at[banned] % (N * N)
    traded = links > np.bincount(pair, minlength=N * N).reshape(N, N)
    traded |= traded.T
    reached = traded[0].copy()
    while True:
        further = reached | traded[reached].any(axis=0)
        if (further == reached).all():
            return not reached.all()
        reached = further
