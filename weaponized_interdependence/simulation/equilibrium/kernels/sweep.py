"""One pass over every equation of the equilibrium, each block of trade shares read once.

The unknowns are the logs of unit costs c[j, n], expenditure X[j, n] over its scale, and the logs of wages w[n], one
after the other in one vector. Given them, prices and the sales of producers need one reading of a sector's block
A[j, n, i] = share * trade cost ** -theta: with u = c ** -theta,

    P[j, n] ** -theta = sum_i A[j, n, i] u[j, i]         sales[j, i] = u[j, i] sum_n A[j, n, i] X[j, n] P[j, n] ** theta

and one row serves both while it is in the cache. Powers are taken of vectors, never of matrices.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UNDERFLOW = 1e-250  # sums below it have lost digits; they are taken again in logs
BOUND = 0.7  # most that a log wage moves in one step


class Problem(NamedTuple):
    """All that a pass reads; axes as everywhere: sector or input and user, importer, exporter."""

    A: Floats  # [j, n, i] share * trade cost ** -theta, divided by exp(shift) where it would underflow
    net: Floats  # [., n, i] A / (1 + tariff) of the sectors that have one
    producer: Floats  # [., n, i] net / (1 + export tax) of the sectors that have one
    taxed: Ints  # [j] place in `net`, or -1
    levied: Ints  # [j] place in `producer`, or -1
    traded: Ints  # [j] 0 where every economy supplies only itself
    shift: Floats  # [j, n]
    theta: Floats  # [j]
    inputs: Floats  # [k, j, n]
    added: Floats  # [j, n] value added share
    final: Floats  # [j, n] consumption share
    value_added: Floats  # [n]
    deficit: Floats  # [n] in money, or over value added
    proportional: int  # 1 where deficit is over value added
    group: Ints  # [n] which set of economies that trade with each other
    size: Floats  # [group] value added of a group, its numeraire
    ease: Floats  # [n] how far wages follow the gap in log value added
    scale: Floats  # [j, n] of expenditure
    used: npt.NDArray[np.bool_]  # [j, n] whether there is any expenditure


class Scratch(NamedTuple):
    """What a pass finds beside the new unknowns."""

    u: Floats  # [j, i]
    log_price: Floats  # [j, n]
    sales: Floats  # [j, i] receipts of producers
    imports: Floats  # [n] spending net of tariffs, own goods included
    levy: Floats  # [n] revenue of export taxes
    spent: Floats  # [n] spending
    income: Floats  # [n]
    earned: Floats  # [n] value added out of sales


@compiled
def dot(a: Floats, b: Floats) -> float:
    """Sum of products in eight interleaved sums, which the machine adds side by side; one order on every machine."""
    n = len(a)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = n - n % 8
    for i in range(0, whole, 8):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
        s4 += a[i + 4] * b[i + 4]
        s5 += a[i + 5] * b[i + 5]
        s6 += a[i + 6] * b[i + 6]
        s7 += a[i + 7] * b[i + 7]
    for i in range(whole, n):
        s0 += a[i] * b[i]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))


@compiled
def copied(to: Floats, values: Floats) -> None:
    """Fill one vector from another; as a loop it compiles in a tenth of the time of a slice."""
    for d in range(len(to)):
        to[d] = values[d]


@compiled
def in_logs(row: Floats, logc: Floats, power: float, terms: Floats) -> float:
    """Log of sum_i row[i] c[i] ** -power; `terms` gets each part of the sum, adding up to 1, or all zero.

    For sums that underflow; of a row of zeros it is minus infinity.
    """
    most = -np.inf
    for i in range(len(row)):
        terms[i] = 0.0
        if row[i] > 0:
            terms[i] = math.log(row[i]) - power * logc[i]
            most = max(most, terms[i])
    if most == -np.inf:
        return most
    total = 0.0
    for i in range(len(row)):
        terms[i] = math.exp(terms[i] - most) if row[i] > 0 else 0.0
        total += terms[i]
    for i in range(len(row)):
        terms[i] /= total
    return most + math.log(total)


# Rows and blocks are handed over one by one below: all that a pass reads, handed over together, is slow to compile.


@compiled
def stray(
    row: Floats, net: Floats, kept: Floats, power: float, shift: float, logc: Floats, X: float,
    levy: Floats, lost: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Log price of one importer of one sector where the sum over exporters underflows, and its imports net of tariffs.

    `row`, `net` and `kept` are shares [i] with nothing, tariffs, and export taxes too taken off. Adds export taxes to
    `levy` [i] and what producers get to `lost` [i].
    """
    terms = np.empty(len(lost))
    total = in_logs(row, logc, power, terms)
    if total == -np.inf:
        return 0.0, 0.0
    bought = 0.0
    for i in range(len(lost)):
        if row[i] > 0:
            border = X * terms[i] * (net[i] / row[i])
            got = border * (kept[i] / net[i])
            bought += border
            levy[i] += border - got
            lost[i] += got
    return -(total + shift) / power, bought


@compiled
def at_home(
    A: Floats, power: float, shift: Floats, logc: Floats, X: Floats, log_price: Floats, sold: Floats, imports: Floats
) -> None:
    """Prices and sales of a sector that does not cross borders."""
    for n in range(len(logc)):
        own = A[n, n]
        log_price[n] = logc[n] - (math.log(own) + shift[n]) / power if own > 0 else 0.0
        sold[n] = X[n]
        imports[n] += X[n]


@compiled
def abroad(
    A: Floats, net: Floats, producer: Floats, tariffs: bool, taxing: bool, power: float, shift: Floats, logc: Floats,
    X: Floats, u: Floats, log_price: Floats, sold: Floats, imports: Floats, levy: Floats, lost: Floats, taxes: Floats,
) -> None:  # fmt: skip
    """Prices and sales of a sector that crosses borders. `lost` and `taxes` [i] are room to work in."""
    N = len(logc)
    least = logc[0]
    for i in range(1, N):
        least = min(least, logc[i])
    for i in range(N):
        u[i] = math.exp(power * (least - logc[i]))
        sold[i] = lost[i] = taxes[i] = 0.0
    for n in range(N):
        row, kept = net[n], producer[n]
        phi = dot(A[n], u)
        if phi < UNDERFLOW:
            log_price[n], bought = stray(A[n], row, kept, power, shift[n], logc, X[n], levy, lost)
            imports[n] += bought
            continue
        log_price[n] = least - (math.log(phi) + shift[n]) / power
        y = X[n] / phi
        imports[n] += y * dot(row, u) if tariffs else X[n]
        for i in range(N):
            sold[i] += kept[i] * y
        if taxing:
            for i in range(N):
                taxes[i] += (row[i] - kept[i]) * y
    for i in range(N):
        sold[i] = sold[i] * u[i] + lost[i]
        levy[i] += taxes[i] * u[i]


@compiled
def deficits(
    given: Floats, proportional: int, value_added: Floats, group: Ints, size: Floats, logw: Floats, found: Floats
) -> None:
    """What each economy spends beyond its income, at these wages."""
    if proportional == 0:
        copied(found, given)
        return
    gap = np.zeros(len(size))
    for n in range(len(logw)):
        found[n] = math.exp(logw[n]) * value_added[n]
        gap[group[n]] += given[n] * found[n]
    for n in range(len(logw)):
        found[n] *= given[n] - gap[group[n]] / size[group[n]]


@compiled
def wages(
    added: Floats, sales: Floats, value_added: Floats, spent: Floats, imports: Floats, levy: Floats, deficit: Floats,
    ease: Floats, caution: float, logw: Floats, income: Floats, earned: Floats, new: Floats,
) -> float:  # fmt: skip
    """Income, and the log wages that would pay each economy what it earned; the largest imbalance of trade.

    The imbalance is exports less imports and deficit, over value added.
    """
    J, N = added.shape
    sold = np.zeros(N)
    for n in range(N):
        earned[n] = 0.0
    for j in range(J):
        for n in range(N):
            earned[n] += added[j, n] * sales[j, n]
            sold[n] += sales[j, n]
    worst = 0.0
    for n in range(N):
        paid = math.exp(logw[n]) * value_added[n]
        income[n] = paid + (spent[n] - imports[n]) + levy[n] + deficit[n]
        worst = max(worst, abs(sold[n] + levy[n] - imports[n] + deficit[n]) / paid)
        gap = caution * ease[n] * math.log(max(earned[n], 1e-9 * paid) / paid)
        new[n] = logw[n] + min(max(gap, -BOUND), BOUND)
    return worst


@compiled
def normalised(logw: Floats, value_added: Floats, group: Ints, size: Floats) -> None:
    """Move log wages in place so that each group has the value added it had."""
    total = np.zeros(len(size))
    for n in range(len(logw)):
        total[group[n]] += math.exp(logw[n]) * value_added[n]
    for n in range(len(logw)):
        logw[n] += math.log(size[group[n]] / total[group[n]])


@compiled
def required(
    inputs: Floats, added: Floats, final: Floats, log_price: Floats, sales: Floats, logw: Floats, income: Floats,
    cost: Floats, demand: Floats,
) -> None:  # fmt: skip
    """Log unit costs and spending [j, n] that follow from prices and wages, sales and income."""
    J, N = added.shape
    for j in range(J):
        for n in range(N):
            cost[j, n] = added[j, n] * logw[n]
            demand[j, n] = final[j, n] * income[n]
    for k in range(J):  # inputs are read once for both
        wanted, price = demand[k], log_price[k]
        for j in range(J):
            share, paid, sold = inputs[k, j], cost[j], sales[j]
            for n in range(N):
                wanted[n] += share[n] * sold[n]
                paid[n] += share[n] * price[n]


@compiled
def sweep(p: Problem, z: Floats, new: Floats, s: Scratch, caution: float) -> float:
    """The unknowns that follow from the unknowns `z`, into `new`; gives the largest relative gap of any equation.

    Wages follow what was earned by `caution` times their ease; where that is 0, trade need not balance.
    """
    J, N = p.shift.shape
    cells = J * N
    logc, ratio, logw = z[:cells].reshape((J, N)), z[cells : 2 * cells].reshape((J, N)), z[2 * cells :]
    new_c, new_r = new[:cells].reshape((J, N)), new[cells : 2 * cells].reshape((J, N))
    new_w = new[2 * cells :]
    added, scale, theta, value_added = p.added, p.scale, p.theta, p.value_added
    imports, levy, spent, income = s.imports, s.levy, s.spent, s.income
    X, lost, taxes, deficit = np.empty(N), np.empty(N), np.empty(N), np.empty(N)
    for n in range(N):
        imports[n] = levy[n] = spent[n] = 0.0
    for j in range(J):
        for n in range(N):
            X[n] = ratio[j, n] * scale[j, n]
            spent[n] += X[n]
        A, price, sales = p.A[j], s.log_price[j], s.sales[j]
        if p.traded[j] == 0:
            at_home(A, theta[j], p.shift[j], logc[j], X, price, sales, imports)
            continue
        tariffs, taxing = p.taxed[j] >= 0, p.levied[j] >= 0
        net = p.net[p.taxed[j]] if tariffs else A
        producer = p.producer[p.levied[j]] if taxing else net
        abroad(
            A, net, producer, tariffs, taxing, theta[j], p.shift[j], logc[j], X, s.u[j], price, sales, imports, levy,
            lost, taxes,
        )  # fmt: skip
    deficits(p.deficit, p.proportional, value_added, p.group, p.size, logw, deficit)
    residual = wages(
        added, s.sales, value_added, spent, imports, levy, deficit, p.ease, caution, logw, income, s.earned, new_w
    )
    normalised(new_w, value_added, p.group, p.size)
    if caution == 0.0:
        residual = 0.0
    required(p.inputs, added, p.final, s.log_price, s.sales, logw, income, new_c, new_r)
    total = residual
    for j in range(J):
        weight = max(1.0, theta[j])
        for n in range(N):
            gap = weight * abs(new_c[j, n] - logc[j, n])
            had = ratio[j, n] * scale[j, n]
            if new_r[j, n] != had:
                gap = max(gap, abs(1.0 - had / new_r[j, n]) if new_r[j, n] != 0.0 else 1.0)
            residual = max(residual, gap)
            total += gap
            new_r[j, n] /= scale[j, n]
            new_c[j, n] += added[j, n] * (new_w[n] - logw[n])
    return residual if math.isfinite(total) else np.inf  # a maximum may forget a NaN, a sum never does
