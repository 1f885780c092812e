"""The equilibrium after a measure, in exact changes.

Caliendo & Parro (2015), Review of Economic Studies 82(1), with export taxes as in Chowdhry, Hinz, Kamin & Wanner
(2024), Economic Policy, bans that are exact, and deficits. With hats for ratios to the baseline, primes for new levels,
n the importer, i the exporter, k an input of j, kappa = cost (1 + tariff) (1 + export tax):

    c[j,n]  = w[n]^g[j,n] prod_k P[k,n]^g[k,j,n]                                unit cost
    P[j,n]  = (sum_i pi[j,n,i] (kappa[j,n,i] c[j,i])^-theta)^(-1/theta)         price
    pi'     = pi (kappa c / P)^-theta                                           trade share
    X'[j,n] = sum_k g[j,k,n] Y'[k,n] + a[j,n] I'[n]                             expenditure
    I'[n]   = w[n] V[n] + tariff and export tax revenue + D'[n]                 income
    exports'[n] - imports'[n] + D'[n] = 0                                       trade balance

where Y' are the receipts of producers, pi' X' / ((1 + tariff) (1 + export tax)) summed over importers. Solved for
costs, expenditure and wages at once by an accelerated fixed point (Anderson's), in which a wage follows its gap by
1 / (1 + elasticity of the economy's sales), after Alvarez & Lucas (2007), Journal of Monetary Economics 54(6). No
matrix of economies times sectors squared is formed. Single-threaded: the same digits every time.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from weaponized_interdependence.errors import Fault, InputError, ModelError
from weaponized_interdependence.simulation.equilibrium.economy import (
    SUMS_TO_ZERO,
    Array,
    Baseline,
    Equilibrium,
    outside,
)
from weaponized_interdependence.simulation.equilibrium.problem import (
    NAMED,
    DeficitRule,
    Flags,
    one_way,
    problem_of,
)

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.equilibrium.kernels.sweep import Problem, Scratch

SETTLED = 1e-13  # relative gap of expenditure at the baseline, which only rounding limits
# Steps remembered, sweeps in which the residual must halve, and how far wages follow: the next where one stalls.
ATTEMPTS = ((8, 100, 1.0), (20, 150, 0.3), (40, 300, 0.1), (40, 600, 0.03))
LEAST_TOL = 1e-13  # below it, rounding decides


class Levels(NamedTuple):
    """What the baseline's shares imply: spending [j, n], income [n] and the imbalance [n] of its trade."""

    expenditure: Array
    income: Array
    imbalance: Array


def solve(
    baseline: Baseline,
    *,
    cost_change: Array | None = None,
    tariff: Array | None = None,
    banned: Flags | None = None,
    export_tax: Array | None = None,
    deficit: Array | None = None,
    deficit_rule: DeficitRule = "absolute",
    tol: float = 1e-9,
    max_iterations: int = 5000,
    start: Equilibrium | None = None,
) -> Equilibrium:
    """Equilibrium after the measures given, relative to the baseline.

    - `cost_change` [j, n, i]: iceberg cost of n's imports of j from i as a ratio to before (1.1 = ten per cent dearer)
    - `tariff` [j, n, i]: new ad valorem level; None keeps the baseline's. Revenue goes to n; a ban loses it
    - `banned` [j, n, i]: true where the trade stops; the new share is exactly 0
    - `export_tax` [j, n, i]: ad valorem, levied by i on what it sells to n, revenue to i; before, there is none
    - `deficit` [n]: new spending beyond income, in the unit of value_added; None keeps the baseline's
    - `deficit_rule`: "absolute" keeps that money, in units of the value added of the world (the numeraire); "share"
      keeps its ratio to the economy's own value added, and takes the sum, no longer zero, from all that still trade
      with each other, in proportion to their value added
    - `tol`: largest relative gap allowed in any equation: in unit costs (times theta where that is above 1, for shares
      feel it so), in expenditure, and in trade balances over value added
    - `start`: the solution of a case near to this one, to start from; it moves results only within tol

    A share of zero stays zero, for there is no entry. A sector that an economy has no use for and nobody to buy from
    has price 1. Where bans split the world into groups that do not trade, each keeps its own value added: only real
    quantities compare between groups.

    Full employment and free movement between sectors make this a result for the long run.

    Errors: InputError lists every fault of the arguments. ModelError where a sector loses its last supplier though it
    is demanded, where deficits cannot be paid because trade has stopped, where a surplus leaves an economy less than
    nothing to spend, and where the solution does not converge; it says what to try.

    Examples
    --------
    Two like economies that spend a fifth abroad close the border: real income of both falls by 1 - 0.8 ** (1 / theta).

    >>> import numpy as np
    >>> world = Baseline(
    ...     share=np.array([[[0.8, 0.2], [0.2, 0.8]]]), value_added_share=np.ones((1, 2)),
    ...     input_share=np.zeros((1, 1, 2)), consumption_share=np.ones((1, 2)), value_added=np.ones(2),
    ...     tariff=np.zeros((1, 2, 2)), deficit=np.zeros(2), theta=np.array([4.0]))
    >>> closed = solve(world, banned=np.array([[[False, True], [True, False]]]))
    >>> np.round(100 * (1 - closed.real_income), 3).tolist()
    [5.426, 5.426]
    """
    from weaponized_interdependence.simulation.equilibrium.kernels.joint import scratch_of, shares

    _refuse(baseline, cost_change, tariff, banned, export_tax, deficit, deficit_rule, tol, max_iterations, start)
    before = levels(baseline)
    problem = problem_of(
        baseline,
        cost_change=cost_change,
        tariff=tariff,
        banned=banned,
        export_tax=export_tax,
        deficit=deficit,
        deficit_rule=deficit_rule,
        expenditure=before.expenditure,
    )
    J, N = baseline.shape
    z, scratch = _start(problem, start), scratch_of(J, N)
    sweeps, residual = _accelerated(problem, z, scratch, tol, max_iterations)
    if not residual <= tol:
        raise _stuck(baseline, problem, scratch.income, sweeps, residual, tol)
    if poor := _without_income(baseline, scratch.income):
        raise ModelError(
            "the equations hold, but with spending below zero: there is no equilibrium that anybody could live in",
            where="deficit",
            mend="give surpluses that value added can pay",
            faults=poor,
        )
    share = np.empty((J, N, N))
    shares(problem.A, problem.traded, problem.theta, z[: J * N].reshape(J, N), scratch.u, share)
    wage, price = np.exp(z[2 * J * N :]), np.exp(scratch.log_price)
    index = np.exp((baseline.consumption_share * scratch.log_price).sum(axis=0))
    return Equilibrium(
        wage=wage,
        price=price,
        price_index=index,
        share=share,
        expenditure=z[J * N : 2 * J * N].reshape(J, N) * problem.scale,
        income=scratch.income,
        real_income=scratch.income / before.income / index,
        real_wage=wage / index,
        iterations=sweeps,
        residual=residual,
    )


def _accelerated(problem: "Problem", z: Array, scratch: "Scratch", tol: float, most: int) -> tuple[int, float]:
    """Solve from `z` in place, more cautiously each time that it stalls; sweeps in all and the residual.

    Caution, with a longer memory, is what helps: in a world of high elasticities wages overshoot when each is moved as
    if the others stood still.
    """
    from weaponized_interdependence.simulation.equilibrium.kernels.joint import joint

    total, residual = 0, np.inf
    for steps, patience, caution in ATTEMPTS:
        used, residual = joint(problem, z, scratch, tol, most - total, steps, patience, caution)
        total += used
        if residual <= tol or total >= most:
            break
    return total, residual


_LEVELS: "WeakKeyDictionary[Baseline, Levels]" = WeakKeyDictionary()


def levels(baseline: Baseline) -> Levels:
    """Spending [j, n] and income [n] that the baseline's shares imply, and how far its trade is from balance [n].

    Computed once for a baseline. The imbalance is (exports - imports + deficit) / value added: where it is not zero to
    rounding, value added does not agree with the shares, and a solution without any measure is not all ones.
    """
    from weaponized_interdependence.simulation.equilibrium.kernels.joint import joint, scratch_of

    known = _LEVELS.get(baseline)
    if known is None:
        J, N = baseline.shape
        problem, scratch = problem_of(baseline), scratch_of(J, N)
        z = _start(problem, None)
        _, gap = joint(problem, z, scratch, SETTLED, 400, 8, 100, 0.0)
        if not gap <= 1e3 * SETTLED:
            raise ModelError(
                f"expenditure at the baseline does not settle (relative gap {gap:.1e})",
                where="baseline",
                mend="see that every sector pays some value added, or sells to one that does",
                faults=_without_income(baseline, scratch.income),
            )
        if poor := _without_income(baseline, scratch.income):
            raise ModelError(
                "the baseline has spending below zero",
                where="baseline",
                mend="give surpluses that value added can pay",
                faults=poor,
            )
        balance = scratch.sales.sum(axis=0) - scratch.imports + baseline.deficit
        known = Levels(
            z[J * N : 2 * J * N].reshape(J, N) * problem.scale, scratch.income.copy(), balance / baseline.value_added
        )
        for array in known:
            array.flags.writeable = False
        _LEVELS[baseline] = known
    return known


def _start(problem: "Problem", start: Equilibrium | None) -> Array:
    """Log unit costs, expenditure over scale and log wages to begin with, one after the other."""
    from weaponized_interdependence.simulation.equilibrium.kernels.joint import costs

    J, N = problem.scale.shape
    z = np.zeros(2 * J * N + N)
    z[J * N : 2 * J * N] = problem.used.ravel()
    if start is not None:
        z[2 * J * N :] = np.log(start.wage)
        log_price = np.log(np.ascontiguousarray(start.price))
        costs(problem.inputs, problem.added, log_price, z[2 * J * N :], z[: J * N].reshape(J, N))
        ratio = start.expenditure / problem.scale
        np.copyto(z[J * N : 2 * J * N].reshape(J, N), ratio, where=problem.used & (ratio > 0))
    return z


def _refuse(
    baseline: Baseline,
    cost_change: Array | None,
    tariff: Array | None,
    banned: Flags | None,
    export_tax: Array | None,
    deficit: Array | None,
    deficit_rule: str,
    tol: float,
    max_iterations: int,
    start: Equilibrium | None,
) -> None:
    """Every fault of the arguments in one error."""
    J, N = baseline.shape
    faults = [*_start_faults(start, J, N)]
    given = (("cost_change", cost_change, 0.0), ("tariff", tariff, -1.0), ("export_tax", export_tax, -1.0))
    for name, array, least in (*given, ("banned", banned, None), ("deficit", deficit, -np.inf)):
        if array is None:
            continue
        shape = (N,) if name == "deficit" else (J, N, N)
        if np.shape(array) != shape:
            faults.append(Fault(f"{name} has shape {np.shape(array)}; that of the baseline asks for {shape}", name))
        elif least is None:
            if np.asarray(array).dtype != np.bool_:
                faults.append(Fault(f"banned holds {np.asarray(array).dtype}, not true and false", name))
        elif np.asarray(array).dtype.kind not in "fiu":
            faults.append(Fault(f"{name} is not an array of numbers", name, "give float64"))
        else:
            faults += outside(name, np.asarray(array, dtype=np.float64), least, np.inf, least_allowed=False)
    if deficit is not None and np.shape(deficit) == (N,) and np.asarray(deficit).dtype.kind in "fiu":
        gap = float(np.sum(deficit))
        if abs(gap) > SUMS_TO_ZERO * float(baseline.value_added.sum()):
            faults.append(Fault(f"deficits add up to {gap:g}, and must to zero", "deficit", "spread the remainder"))
    if deficit_rule not in ("absolute", "share"):
        faults.append(Fault(f"deficit_rule is {deficit_rule!r}", "deficit_rule", "use 'absolute' or 'share'"))
    if not LEAST_TOL <= tol < 1:
        faults.append(Fault(f"tol is {tol:g}", "tol", f"give a number from {LEAST_TOL:g} up to 1"))
    if max_iterations < 1:
        faults.append(Fault(f"max_iterations is {max_iterations}", "max_iterations", "give at least 1"))
    if faults:
        raise InputError("the equilibrium cannot be asked for with these arguments", faults=faults)


def _start_faults(start: Equilibrium | None, J: int, N: int) -> Iterator[Fault]:
    if start is None:
        return
    for name, shape in (("wage", (N,)), ("price", (J, N)), ("expenditure", (J, N))):
        array = np.asarray(getattr(start, name))
        if array.shape != shape:
            yield Fault(
                f"start has {name} of shape {array.shape}; that of the baseline asks for {shape}",
                "start",
                "give a solution of the same sectors and economies",
            )
        elif name != "expenditure":
            yield from outside(f"start.{name}", array, 0.0, np.inf, least_allowed=False)


def _without_income(baseline: Baseline, income: Array) -> list[Fault]:
    return [
        Fault(f"{baseline.economy(n)} is left without income ({income[n]:.3g})", mend="a smaller surplus of its trade")
        for n in np.flatnonzero(~(income > 0))[:NAMED]
    ]


def _stuck(
    baseline: Baseline, problem: "Problem", income: Array, sweeps: int, residual: float, tol: float
) -> ModelError:
    """What is known of why there is no solution: economies without income, and those that trade one way alone."""
    from weaponized_interdependence.simulation.equilibrium.kernels.building import in_use

    _, N = baseline.shape
    used, link = np.zeros_like(problem.used), np.zeros((N, N), dtype=np.bool_)
    in_use(problem.A, problem.inputs, problem.final, problem.traded, used, link)
    faults = _without_income(baseline, income)
    faults += [fault for fault, *_ in one_way(baseline, link)[:NAMED]]
    return ModelError(
        f"the equilibrium has not converged: residual {residual:.2e} after {sweeps} sweeps, asked for {tol:.0e}",
        where="equilibrium",
        mend="try deficit_rule='share' or deficits of zero (a fixed deficit may be more than the trade left can pay); "
        "start= the solution of a milder case; a larger max_iterations; a tol of 1e-7",
        faults=faults,
    )
