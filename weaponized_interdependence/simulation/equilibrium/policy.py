"""Quotas, as the tariff (rent to the importer) or export tax (rent to the exporter) under which they just hold.

Measures that need no search, bans on products and estimated trade costs, are in bans.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError, ModelError, UsageError
from weaponized_interdependence.simulation.equilibrium.bans import Name, cells_of
from weaponized_interdependence.simulation.equilibrium.decomposition import unit_cost
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline, Equilibrium
from weaponized_interdependence.simulation.equilibrium.solver import levels, solve

_HALVINGS = 6
_LONGEST = 3.0  # step of a log wedge in one round
_STAGES = (1, 8, 40)
_LEAST_TOL = 1e-12  # to which equilibria are solved at best


@dataclass(frozen=True)
class Quota:
    """n may buy from i at most `limit` times the quantity of sector j that it bought before.

    Whoever holds the licences takes the gap between what buyers pay and what sellers get: `rents` is `importer`
    (licences auctioned by the importer) or `exporter` (voluntary export restraint).
    """

    sector: Name
    importer: Name
    exporter: Name
    limit: float
    rents: str = "importer"


@dataclass(frozen=True, eq=False)
class QuotaEquilibrium:
    """The world under quotas; arrays [q] in the order of the quotas.

    - `equilibrium`: with the quotas at work; its residual is the solver's
    - `tariff_equivalent`: ad valorem wedge of each quota, on top of tariffs and export taxes; zero where not binding
    - `quantity`: bought after, over bought before
    - `rent`: what the licence holder takes, in the baseline's unit at the numeraire of the equilibrium
    - `gap`: largest breach of a quota, or slack of one with a wedge, as a share of the limit
    - `rounds`: equilibria solved
    """

    equilibrium: Equilibrium
    tariff_equivalent: Array
    quantity: Array
    rent: Array
    gap: float
    rounds: int

    @property
    def binding(self) -> npt.NDArray[np.bool_]:
        """Which quotas bind."""
        return self.tariff_equivalent > 0.0


def solve_quotas(
    baseline: Baseline,
    quotas: Sequence[Quota],
    *,
    tariff: npt.ArrayLike | None = None,
    export_tax: npt.ArrayLike | None = None,
    cost_change: npt.ArrayLike | None = None,
    tol: float = 1e-8,
    max_rounds: int = 60,
    **shocks: Any,
) -> QuotaEquilibrium:
    """The equilibrium under quotas: wedges t >= 0 with quantity <= limit, and t = 0 wherever quantity < limit.

    The quantity that n buys of j from i is what reaches the seller, over the seller's cost, less what melts on the way:

        share' X' / ((1 + tariff')(1 + export_tax')(1 + t)) / (cost hat of i * cost_change),   over the same before

    Wedges are found jointly: each round solves an equilibrium and takes a Newton step in log(1 + t), at first with the
    responses that quantities have within one market (importer and sector) while all else stands still, then with what
    the rounds before have taught of the rest.

    Parameters
    ----------
    baseline, tariff, export_tax, cost_change, shocks
        As for `solve`; other arguments (banned, deficit, deficit_rule) are handed on.
    quotas
        One for each cell at most. A limit of zero is a ban: give it as one.
    tol
        Largest breach, and largest slack under a wedge, as a share of the limit.

    Raises
    ------
    InputError
        Every quota that names nobody, repeats a cell, has no limit above zero, is on sales at home, or is on a cell
        without trade.
    ModelError
        The search does not settle, or `solve` has no answer without the quotas.

    Notes
    -----
    Where all imports and all exports of an economy are under quotas, a wedge on the one side does what one on the other
    does (Lerner's symmetry): which of them binds is not determined, and the search may fail.

    Rent to the importer: tariffs become (1 + tariff)(1 + t) - 1, and t (1 + tariff)(1 + tax) of the seller's value is
    the rent. To the exporter: export taxes become (1 + tax)(1 + t) - 1, and t (1 + tax) of the seller's value is it.

    Examples
    --------
    >>> world = Baseline(
    ...     share=np.array([[[0.8, 0.2], [0.2, 0.8]]]), value_added_share=np.ones((1, 2)),
    ...     input_share=np.zeros((1, 1, 2)), consumption_share=np.ones((1, 2)), value_added=np.array([10.0, 10.0]),
    ...     tariff=np.zeros((1, 2, 2)), deficit=np.zeros(2), theta=np.array([4.0]))
    >>> found = solve_quotas(world, [Quota(0, importer=0, exporter=1, limit=0.5)])
    >>> found.quantity.round(6).tolist(), found.tariff_equivalent.round(4).tolist()
    ([0.5], [0.4462])
    """
    listed = list(quotas)
    if not listed:
        raise UsageError("no quotas are given", mend="use solve")
    if not _LEAST_TOL <= tol < 1:
        raise UsageError(f"tol is {tol:g}", mend=f"give a number from {_LEAST_TOL:g} up to 1")
    cells = cells_of(
        baseline, listed, lambda q: q.limit > 0 and np.isfinite(q.limit), "limit must be above 0 (0 is a ban)"
    )
    _refuse_quotas(baseline, listed, cells)
    given = ((tariff, baseline.tariff), (export_tax, 0.0), (cost_change, 1.0))
    tariffs, taxes, costs = (_array(baseline, array, default) for array, default in given)
    search = _Search(baseline, listed, cells, (tariffs, taxes, costs), shocks, max(tol / 100.0, 1e-12))
    free = search.at(np.zeros(len(listed)))  # what has no solution without the quotas says so itself
    failure: ModelError | None = None
    for stages in _STAGES:
        try:
            return search.tightened(free, stages, tol, max_rounds)
        except ModelError as error:  # far limits are reached by way of nearer ones
            failure = error
    raise ModelError(
        f"the wedges of {len(listed)} quotas do not settle",
        faults=[Fault(failure.message if failure else "")],
        mend="where all trade of an economy is under quotas, in both directions, leave some out: their wedges are "
        "hardly determined one by one; raise limits near zero, or ban those cells; with deficits, see that the trade "
        "allowed can pay for them, or balance the baseline",
    ) from failure


@dataclass(frozen=True, eq=False)
class _State:
    equilibrium: Equilibrium
    quantity: Array
    seller: Array  # what sellers get, in money
    share: Array


class _Search:
    """Quantities at given wedges, and the next wedges."""

    def __init__(
        self,
        baseline: Baseline,
        quotas: list[Quota],
        cells: list[tuple[int, int, int]],
        shocks: tuple[Array, Array, Array],
        handed_on: dict[str, Any],
        tol: float,
    ) -> None:
        self.baseline, self.handed_on, self.tol = baseline, handed_on, tol
        self.tariff, self.tax, self.cost = shocks
        self.at_cell = tuple(np.array(axis) for axis in zip(*cells, strict=True))
        self.wanted = self.limit = np.array([q.limit for q in quotas])
        self.auctioned = np.array([q.rents == "importer" for q in quotas], dtype=bool)
        bought = baseline.share * levels(baseline).expenditure[:, :, None] / (1.0 + baseline.tariff)
        self.before = bought[self.at_cell]
        self.theta = baseline.theta[self.at_cell[0]]
        market = self.at_cell[0] * baseline.shape[1] + self.at_cell[1]
        self.together = market[:, None] == market[None, :]
        self.last: Equilibrium | None = None
        self.solved = 0

    def tightened(self, free: "_State", stages: int, tol: float, max_rounds: int) -> QuotaEquilibrium:
        """The equilibrium under the quotas, their limits closed in stages, from that without them.

        ModelError where it is not found.
        """
        self.last, log_wedge, state = free.equilibrium, np.zeros(len(self.wanted)), free
        loose = np.log(np.maximum(state.quantity, self.wanted))
        for stage in range(1, stages + 1):
            part = stage / stages
            self.limit = np.exp((1.0 - part) * loose + part * np.log(self.wanted))
            aim = tol if stage == stages else max(tol, 1e-4)
            log_wedge, state = self.settled(log_wedge, state, aim, max_rounds)
        wedge, rent, gap = np.expm1(log_wedge), self.rent(log_wedge, state), self.gap(log_wedge, state)
        return QuotaEquilibrium(state.equilibrium, wedge, state.quantity, rent, gap, self.solved)

    def settled(self, log_wedge: Array, state: "_State", tol: float, max_rounds: int) -> tuple[Array, "_State"]:
        """Wedges under which the limits hold, from a start."""
        response = self.response(state)
        for _ in range(max_rounds):
            gap = self.gap(log_wedge, state)
            if gap <= tol:
                return log_wedge, state
            step = self.step(log_wedge, state, response)
            step *= min(1.0, _LONGEST / max(float(np.abs(step).max()), 1e-300))
            for _ in range(_HALVINGS):
                tried = np.maximum(log_wedge + step, 0.0)
                reached = self.at(tried)
                if self.gap(tried, reached) < gap:
                    break
                step = step / 2.0
            else:
                response = self.response(reached)
            moved, change = tried - log_wedge, self.over(reached) - self.over(state)
            if (size := float(moved @ moved)) > 0.0:  # what moved beyond the market is learned (Broyden)
                response = response - np.outer(change + response @ moved, moved) / size
            log_wedge, state = tried, reached
        raise ModelError(f"after {max_rounds} rounds a quota is missed by {gap:.1e} of its limit")

    def at(self, log_wedge: Array) -> _State:
        """The equilibrium at these wedges."""
        wedge = np.exp(log_wedge)
        tariff, tax = self.tariff.copy(), self.tax.copy()
        tariff[self.at_cell] = (1.0 + tariff[self.at_cell]) * np.where(self.auctioned, wedge, 1.0) - 1.0
        tax[self.at_cell] = (1.0 + tax[self.at_cell]) * np.where(self.auctioned, 1.0, wedge) - 1.0
        after = solve(
            self.baseline,
            tariff=tariff,
            export_tax=tax if tax.any() else None,
            cost_change=self.cost,
            start=self.last,
            tol=self.tol,
            **self.handed_on,
        )
        self.last, self.solved = after, self.solved + 1
        share = after.share[self.at_cell]
        paid = share * after.expenditure[self.at_cell[:2]]
        seller = paid / ((1.0 + tariff[self.at_cell]) * (1.0 + tax[self.at_cell]))
        cost = unit_cost(self.baseline, after)[self.at_cell[0], self.at_cell[2]]
        return _State(after, seller / (cost * self.cost[self.at_cell]) / self.before, seller, share)

    def gap(self, log_wedge: Array, state: _State) -> float:
        """Largest breach of the complementarity, relative to the limits."""
        over = state.quantity / self.limit - 1.0
        return float(np.max(np.where(log_wedge > 0.0, np.abs(over), np.maximum(over, 0.0)), initial=0.0))

    def over(self, state: _State) -> Array:
        """Log of quantities over their limits."""
        excess: Array = np.log(np.maximum(state.quantity, 1e-300) / self.limit)
        return excess

    def response(self, state: _State) -> Array:
        """By how much log quantities fall with log wedges where only the market itself moves.

        d log quantity_i = -(1 + theta) du_i + theta sum_k share_k du_k, k the quotas of the same importer and sector.
        """
        fall: Array = np.diag(1.0 + self.theta)
        return fall - np.where(self.together, self.theta[:, None] * state.share[None, :], 0.0)

    def step(self, log_wedge: Array, state: _State, response: Array) -> Array:
        """The Newton step in log wedges of the quotas that bind or are breached.

        A quota that the step would take below zero is set free, and the others are solved for again.
        """
        over = self.over(state)
        active = (log_wedge > 0.0) | (over > 0.0)
        step = np.where(active, 0.0, -log_wedge)
        while active.any():
            held, free = np.flatnonzero(active), np.flatnonzero(~active)
            left = over[held] - response[np.ix_(held, free)] @ step[free]
            step[held] = np.linalg.lstsq(response[np.ix_(held, held)], left, rcond=None)[0]
            freed = held[log_wedge[held] + step[held] < 0.0]
            if not freed.size:
                break
            active[freed] = False
            step[freed] = -log_wedge[freed]
        return step

    def rent(self, log_wedge: Array, state: _State) -> Array:
        """What the licence holders take."""
        taxed = (1.0 + self.tax[self.at_cell]) * state.seller  # at the border, where the importer's tariff begins
        rent: Array = np.expm1(log_wedge) * np.where(self.auctioned, 1.0 + self.tariff[self.at_cell], 1.0) * taxed
        return rent


def _refuse_quotas(baseline: Baseline, quotas: list[Quota], cells: list[tuple[int, int, int]]) -> None:
    faults = [
        Fault(f"quota {k}: rents {q.rents!r}", mend="importer or exporter")
        for k, q in enumerate(quotas)
        if q.rents not in ("importer", "exporter")
    ]
    faults += [Fault(f"quota {k} is on sales at home") for k, (_, n, i) in enumerate(cells) if n == i]
    faults += [
        Fault(f"quota {k} is on a cell without trade", mend="leave it out: what is not bought stays so")
        for k, cell in enumerate(cells)
        if baseline.share[cell] == 0.0
    ]
    if faults:
        raise InputError("the quotas have faults", faults=faults)


def _array(baseline: Baseline, given: npt.ArrayLike | None, default: npt.ArrayLike) -> Array:
    filled = np.asarray(default if given is None else given, dtype=np.float64)
    if filled.shape not in ((), baseline.share.shape):
        raise InputError(f"a shock has shape {filled.shape}, the baseline says {baseline.share.shape}")
    return np.array(np.broadcast_to(filled, baseline.share.shape))
