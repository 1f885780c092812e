"""The engine: stocks, orders, output, rationing, rerouting, step after step.

Of one day, for supplier i of sector s(i), buyer k (an industry, or the final demand of an economy):

    share[i,k]   = Z[i,k] / sum of Z over the suppliers of s(i)        fixed, from the table
    orders[i,k]  = total[s,k] * kept[i,n(k)] * share[i,k] * (1 + moved[s,k] / free[s,k] where i is denied nothing)
    goal[s,k]    = days[s] * need[s,k] * desired[k]
    total[s,k]   = need[s,k] * desired[k] + max(0, goal[s,k] - stock[s,k]) / restock_days
                   - max(0, stock[s,k] - max(goal[s,k], days[s] * need[s,k] * base[k])) / restock_days, at least 0
    desired[i]   = min(orders on i, base[i] * over[i])
    output[i]    = min(desired[i], stock[s,i] / (alarm * days[s] * need[s,i]) over all s)
    deliveries   = orders * part[i], the same part of all orders of one standing
    stock'       = deliveries - need * output
    over'        = (max - over) * scarcity / overproduction_days, or (1 - over) / overproduction_days without scarcity

`kept` falls to 1 - denied at once and returns in `return_days`. The sum over suppliers of kept * share is `reached`;
that over suppliers that are denied nothing is `free`. `moved` goes to 1 - reached in `reroute_days`, never exceeds it,
and is zero where nobody is free. A supplier that is denied in part sells what is left, and no more in its place.

Sources: Hallegatte (2008, Risk Analysis; 2014, Risk Analysis), Henriet, Hallegatte and Tabourier (2012, Journal of
Economic Dynamics and Control), Guan et al. (2020, Nature Human Behaviour); denial and rerouting are this tool's own.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.simulation.dynamics.parameters import Parameters
from weaponized_interdependence.simulation.dynamics.path import Path
from weaponized_interdependence.simulation.dynamics.schedule import Stage, Step, check_schedule, steps_of
from weaponized_interdependence.simulation.dynamics.world import World, world_of

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.dynamics.kernels.trade import Rules

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

_PRIORITY = {"proportional": 0, "final_first": 1, "final_last": 2}
_WHOLE = 1e-9  # this near to what is let through, orders have returned


@on_one_blas_thread
def run(
    system_or_table: LeontiefSystem | IOTable,
    schedule: Sequence[Stage],
    parameters: Parameters | None = None,
    *,
    step: float = 1.0,
    until: float | None = None,
) -> Path:
    """Follow an economy from day to day while deliveries are denied, and after.

    Parameters
    ----------
    system_or_table
        The table of a year, any unit. Industries without output, negative final demand and a discrepancy are lawful.
    schedule
        Stages in the order of time, days counted from zero; between and after them nothing is denied.
    parameters
        How the economy behaves; the defaults are in PARAMETERS, all of them assumed.
    step
        Days of one step of the path, from a fraction of a day to a quarter. The arithmetic goes in steps of a day at
        most (`longest_step`), so that long steps sum up what short ones show.
    until
        Last day of the path; by default the end of the last stage.

    Returns
    -------
    Path
        Output and final demand not met of every step, in the table's unit.

    Raises
    ------
    InputError
        The schedule (one error with every fault and its mend), or parameters that name unknown sectors.

    Examples
    --------
    Country A makes ore, B makes goods of it; A's ore is denied to B for half a year. B has stock for 90 days, of which
    it uses a fifth before it makes less.

    >>> import numpy as np
    >>> from weaponized_interdependence.io_table import IOTable
    >>> Z, Y = np.zeros((4, 4)), np.zeros((4, 2))
    >>> Z[0, 3], Y[0, 0], Y[3, 1] = 365.0, 365.0, 1095.0
    >>> x = Z.sum(1) + Y.sum(1)
    >>> t = IOTable("2020", ("A", "B"), ("ore", "goods"), ("f",), Z, Y, x - Z.sum(0), x, 0 * x, "X")
    >>> denied = np.zeros((4, 2))
    >>> denied[0, 1] = 1.0
    >>> path = run(t, [Stage("ban", 0, 180, denied)])
    >>> lost = path.output_lost()  # (steps, economies): a day's output of A is 2, of B 3
    >>> [round(float(b), 2) for b in lost[[0, 17, 30, 179], 1]]
    [0.0, 0.0, 0.46, 2.68]
    """
    table = system_or_table.table if isinstance(system_or_table, LeontiefSystem) else system_or_table
    parameters = parameters or Parameters()
    n, j, _ = table.size
    check_schedule(schedule, step, until, n * j, n)
    world = world_of(table, parameters)
    steps = steps_of(schedule, step, until)
    output = np.zeros((len(steps), n * j))
    unmet = np.zeros((len(steps), j, n))
    state = _State(table, world, parameters)
    # Stocks that run down take the alarm times their target days: in longer steps more would be used than there is.
    emptied = parameters.stock_alarm * world.base.days.min(initial=math.inf)
    longest = min(parameters.longest_step, min(parameters.quickest, emptied) / 4)
    before = -1
    for t, part in enumerate(steps):
        if part.stage != before:
            state.enter(schedule[part.stage] if part.stage >= 0 else None)
            before = part.stage
        state.advance(part, longest, output[t], unmet[t])
    return Path(
        table=table,
        stages=tuple(schedule),
        steps=tuple(steps),
        output=output,
        unmet=unmet,
        base=world.base.output,
        final=world.base.final,
        value_share=world.value_share,
        notes=world.notes,
    )


class _State:
    """What changes from step to step; written in place, so that a step makes no arrays."""

    def __init__(self, table: IOTable, world: World, parameters: Parameters) -> None:
        from weaponized_interdependence.simulation.dynamics.kernels import trade as loops

        n, j, _ = table.size
        m = n * j
        self.loops, self.base, self.parameters = loops, world.base, parameters
        base = world.base
        kept = np.empty((j, n, m + n))
        share, free, moved, redirected, served, served_redirected, weights = (np.zeros((j, m + n)) for _ in range(7))
        self.orders = loops.Orders(
            kept=kept, share=share, free=free,
            starts=np.zeros(m + 1, dtype=np.int64), economies=np.zeros(0, dtype=np.int64),
            moved=moved, regular=np.hstack([base.need * base.output, base.final]), redirected=redirected,
            any_redirected=np.zeros(j, dtype=np.bool_),
            served=served, served_redirected=served_redirected, weights=weights,
        )  # fmt: skip
        loops.fill_kept(base, kept)
        loops.fill_share(self.orders)
        used = base.need * base.output
        stock = np.multiply(used, base.days[:, None], out=np.zeros((j, m)), where=used > 0)
        self.firms = loops.Firms(
            output=base.output.copy(), desired=base.output.copy(), limit=np.full(m, np.inf), over=np.ones(m),
            weight=np.ones(m), lost_capacity=np.zeros(m), stock=stock,
        )  # fmt: skip
        self.let = np.ones((m, n))  # part of its base orders that a row still gets from an economy
        self.aim = self.let
        self.returning: tuple[Ints, ...] = np.nonzero(self.aim > self.let)
        self.routed = False
        self.first = True

    def enter(self, stage: Stage | None) -> None:
        """What is denied stops being ordered at once; what no longer is returns bit by bit."""
        lost = stage.lost_capacity if stage else None
        self.firms.lost_capacity[:] = 0.0 if lost is None else lost
        denied = stage.denied if stage else None
        self.aim = np.ones_like(self.let) if denied is None else 1.0 - np.asarray(denied, dtype=np.float64)
        rows, economies = np.nonzero(self.aim < 1)
        starts = np.searchsorted(rows, np.arange(len(self.aim) + 1)).astype(np.int64)
        self.orders = self.orders._replace(starts=starts, economies=economies.astype(np.int64))
        rows, economies = np.nonzero(self.aim < self.let)
        self._let(rows, economies, self.aim[rows, economies])
        self.returning = np.nonzero(self.aim > self.let)
        if self.routed:
            free = self.orders.free.copy()
            self.loops.fill_share(self.orders)
            # what has been redirected is shared out anew among those that are free now
            now = self.orders.free
            self.orders.redirected[:] *= np.divide(free, now, out=np.zeros_like(now), where=now > 0)

    def _let(self, rows: Ints, economies: Ints, parts: Floats) -> None:
        if len(rows):
            self.routed = True
            free = self.aim[rows, economies] == 1
            self.loops.let_through(self.base, self.orders, self.firms, rows, economies, parts, free)
            self.let[rows, economies] = parts

    def _return(self, days: float) -> None:
        """Orders come back to suppliers that may deliver again."""
        rows, economies = self.returning
        now, aim = self.let[rows, economies], self.aim[rows, economies]
        now += (aim - now) * -math.expm1(-days / self.parameters.return_days)
        whole = aim - now < _WHOLE
        self._let(rows, economies, np.where(whole, aim, now))
        if whole.any():
            self.returning = rows[~whole], economies[~whole]

    def advance(self, part: Step, longest: float, output: Floats, unmet: Floats) -> None:
        """One step of the path, in as many equal steps of the arithmetic as it takes; fills `output` and `unmet`."""
        count = max(math.ceil(part.days / longest - 1e-9), 1)
        days = part.days / count
        rules = self._rules(days)
        received = np.zeros_like(unmet)
        for _ in range(count):
            self.loops.trade(self.base, self.orders, self.firms, rules, self.first)
            self.first = False
            if len(self.returning[0]):
                self._return(days)
            self.loops.restock(self.base, self.orders, self.firms, rules, self.routed, received)
            output += days * self.firms.output
        wanted = part.days * self.base.final
        np.subtract(wanted, received, out=unmet)
        unmet[np.abs(unmet) < 1e-12 * wanted] = 0.0  # what rounding leaves is no lack

    def _rules(self, days: float) -> "Rules":
        p = self.parameters
        return self.loops.Rules(
            priority=_PRIORITY[p.rationing],
            by_capacity=p.orders == "capacity",
            incoming=p.scarcity == "incoming",
            made=p.follow == "made",
            together=p.redirected == "equal",
            step=float(days),
            overproduction=float(p.overproduction),
            overproduction_pace=days / p.overproduction_days,
            restock_days=float(p.restock_days),
            stock_alarm=float(p.stock_alarm),
            negligible=float(p.negligible),
            reroute_pace=-math.expm1(-days / p.reroute_days),
        )
