"""One step of trade: orders summed, output made, deliveries shared out, stocks kept. Two passes, no table of orders.

An order is a share times a total: supplier n of sector s gets of buyer k the part kept[s, n, k] of total[s, k]. So
no matrix of orders or deliveries is ever made. `kept` is sector-major, the suppliers of one sector one after the other,
and is read once a step from its first cell to its last, while the totals of the sector stay near the processor.

Sizes: m industries (economy-major), j sectors, n economies, b = m + n buyers: every industry, then the final demand
of every economy.
"""

from typing import Any, NamedTuple

import numpy as np

from weaponized_interdependence.compiled import compiled

PROPORTIONAL, FINAL_FIRST, FINAL_LAST = 0, 1, 2
_NONE_LEFT = 1e-9  # below this share of a sector's suppliers nobody is left to redirect orders to
_ROUNDING = 1e-13  # a share below this is what rounding leaves


class Base(NamedTuple):
    """What stands still: per day, before anything is denied."""

    deliveries: Any  # (m, m), of a year: the table's own
    final_by_row: Any  # (m, n)
    inverse: Any  # (j, b): one over what a buyer gets of a sector, of a year for industries
    output: Any  # (m,)
    need: Any  # (j, m): input per output
    final: Any  # (j, n)
    days: Any  # (j,): target stock in days of use; infinite where an input never stops anyone
    drawn: Any  # (m,): delivered beyond output
    unnamed: Any  # (m,): made beyond deliveries


class Orders(NamedTuple):
    """Who orders what of whom, and how orders of a standing are served."""

    kept: Any  # (j, n, b): share of each supplier in what a buyer got of its sector, less what is denied
    share: Any  # (j, b): sum of kept over the suppliers of a sector
    free: Any  # (j, b): sum of kept over those of them that are denied nothing; only these take redirected orders
    starts: Any  # (m + 1,): where the economies begin that a row is denied to, in part or whole
    economies: Any  # the economies a row is denied to, row after row, in order
    moved: Any  # (j, b): part of the base order that has gone from denied suppliers to others
    regular: Any  # (j, b): totals of standing orders, to be multiplied by kept
    redirected: Any  # (j, b): totals of redirected orders, to be multiplied by kept of those denied nothing
    any_redirected: Any  # (j,)
    served: Any  # (j, b): sum over suppliers of kept times the part of standing orders that is served
    served_redirected: Any  # (j, b)
    weights: Any  # (j, b): sum over suppliers of kept times weight


class Firms(NamedTuple):
    """The industries."""

    output: Any  # (m,)
    desired: Any  # (m,): what orders and capacity allow
    limit: Any  # (m,): what stocks allow
    over: Any  # (m,): overproduction factor
    weight: Any  # (m,): weight of a supplier among those of its sector
    lost_capacity: Any  # (m,): share
    stock: Any  # (j, m)


class Rules(NamedTuple):
    """Rules, and the numbers of one step."""

    priority: int  # among standing orders
    by_capacity: bool  # orders are shared out by trade times capacity
    incoming: bool  # scarcity is of orders that came in after output was made
    made: bool  # orders follow output made, not desired
    together: bool  # redirected orders stand with all others
    step: float  # days
    overproduction: float
    overproduction_pace: float  # step over adaptation time
    restock_days: float
    stock_alarm: float
    negligible: float
    reroute_pace: float  # part of what is not yet redirected that is within a step


@compiled
def _add(total: Any, row: Any, factor: float) -> None:
    for k in range(len(total)):
        total[k] += factor * row[k]


# Arrays are handed over one by one here: handing over all of them together costs more than the work on one row.


@compiled
def _asked_instead(row: Any, redirected: Any, denied: Any, m: int, j: int) -> tuple[float, float]:
    """Redirected orders on a supplier, of industry and of final demand, but of the economies it is `denied` to."""
    industry, final = 0.0, 0.0
    first = 0
    for economy in denied:
        last = economy * j
        if last > first:
            industry += np.dot(row[first:last], redirected[first:last])
        for k in range(m + first // j, m + economy):
            final += row[k] * redirected[k]
        first = last + j
    industry += np.dot(row[first:m], redirected[first:m])
    for k in range(m + first // j, len(row)):
        final += row[k] * redirected[k]
    return industry, final


@compiled
def _serve_instead(served: Any, row: Any, denied: Any, part: float, part_final: float, m: int, j: int) -> None:
    """Add what those orders are served with."""
    first = 0
    for economy in denied:
        last = economy * j
        _add(served[first:last], row[first:last], part)
        _add(served[m + first // j : m + economy], row[m + first // j : m + economy], part_final)
        first = last + j
    _add(served[first:m], row[first:m], part)
    _add(served[m + first // j :], row[m + first // j :], part_final)


@compiled
def _served(available: float, industry: float, final: float, priority: int) -> tuple[float, float]:
    """The parts of the orders of industry and of final demand that are served with what is available."""
    asked = industry + final
    if asked <= available:
        return 1.0, 1.0
    if priority == PROPORTIONAL:
        return available / asked, available / asked
    if priority == FINAL_FIRST:
        to_final = min(available, final)
        to_industry = available - to_final
    else:
        to_industry = min(available, industry)
        to_final = available - to_industry
    return to_industry / industry if industry > 0 else 1.0, to_final / final if final > 0 else 1.0


@compiled
def _adapted(over: float, own: float, made: float, rules: Any) -> Any:
    """The overproduction factor a step on: up with scarcity, else back to one."""
    scarcity = (own - made) / own if own > 0 else 0.0
    if abs(scarcity) < _ROUNDING:
        return max(over + (1.0 - over) * rules.overproduction_pace, 1.0)
    return max(over + (rules.overproduction - over) * scarcity * rules.overproduction_pace, 1.0)


@compiled
def _make(i: int, asked: float, base: Any, firms: Any, rules: Any, first: bool) -> Any:
    """Output of one industry that is asked for so much; what it has to deliver."""
    own = max(asked - base.drawn[i], 0.0)
    if rules.incoming and not first:
        firms.over[i] = _adapted(firms.over[i], own, firms.output[i], rules)
    capacity = base.output[i] * firms.over[i] * (1.0 - firms.lost_capacity[i])
    firms.desired[i] = min(own, capacity)
    firms.output[i] = min(firms.desired[i], firms.limit[i])
    if rules.by_capacity:
        firms.weight[i] = capacity / base.output[i] if base.output[i] > 0 else 1.0
    if not rules.incoming:
        firms.over[i] = _adapted(firms.over[i], own, firms.output[i], rules)
    return min(firms.output[i] + base.drawn[i], asked)


@compiled
def trade(base: Any, orders: Any, firms: Any, rules: Any, first: bool) -> None:
    """Orders in, output made, deliveries out, for every industry: fills the served sums and weights of `orders`.

    `first`: nothing has been made yet.
    """
    m, j = len(firms.output), len(orders.regular)
    kept, starts, economies = orders.kept, orders.starts, orders.economies
    for s in range(j):
        served, served2 = orders.served[s], orders.served_redirected[s]
        regular, redirected, weights = orders.regular[s], orders.redirected[s], orders.weights[s]
        two = orders.any_redirected[s]
        served[:] = 0.0
        served2[:] = 0.0
        if rules.by_capacity:
            weights[:] = 0.0
        for i in range(s, m, j):
            row, weight, denied = kept[s, i // j], firms.weight[i], economies[starts[i] : starts[i + 1]]
            industry = weight * np.dot(row[:m], regular[:m])
            final = np.dot(row[m:], regular[m:]) + base.unnamed[i]
            industry2, final2 = 0.0, 0.0
            if two:
                industry2, final2 = _asked_instead(row, redirected, denied, m, j)
            available = _make(i, industry + final + industry2 + final2, base, firms, rules, first)
            if rules.together:
                part, part_final = _served(available, industry + industry2, final + final2, rules.priority)
            else:
                part, part_final = _served(available, industry, final, rules.priority)
            _add(served[:m], row[:m], weight * part)
            _add(served[m:], row[m:], part_final)
            if two:
                if not rules.together:
                    left = max(available - part * industry - part_final * final, 0.0)
                    part, part_final = _served(left, industry2, final2, rules.priority)
                _serve_instead(served2, row, denied, part, part_final, m, j)
            if rules.by_capacity:
                _add(weights[:m], row[:m], firms.weight[i])
                _add(weights[m:], row[m:], 1.0)


@compiled
def restock(base: Any, orders: Any, firms: Any, rules: Any, routed: bool, received: Any) -> None:
    """Deliveries into stock, output out of it; the most the stocks allow next, and the next orders.

    `received` (j, n) grows by what final demand gets; `routed`: something is or was denied.
    """
    j, m = base.need.shape
    output, desired, limit, before = firms.output, firms.desired, firms.limit, base.output
    limit[:] = np.inf
    for s in range(j):
        regular, redirected, weights, share = (
            orders.regular[s],
            orders.redirected[s],
            orders.weights[s],
            orders.share[s],
        )
        served, served2, need, stock = orders.served[s], orders.served_redirected[s], base.need[s], firms.stock[s]
        days, two = base.days[s], orders.any_redirected[s]
        for k in range(len(share)):
            got = regular[k] * served[k] + (redirected[k] * served2[k] if two else 0.0)
            if k >= m:
                received[s, k - m] += rules.step * got
                want = base.final[s, k - m]
            elif need[k] == 0.0:
                continue
            elif days == np.inf:
                want = need[k] * output[k]
            else:
                stock[k] = max(stock[k] + rules.step * (got - need[k] * output[k]), 0.0)
                if need[k] > rules.negligible:
                    limit[k] = min(limit[k], stock[k] / (rules.stock_alarm * days * need[k]))
                want = _wanted(need[k], days, stock[k], output[k], desired[k], before[k], rules)
            if rules.by_capacity and weights[k] > 0:
                regular[k] = want * (share[k] / weights[k])
            else:
                regular[k] = want
            if routed:
                redirected[k] = want
        if routed:
            orders.any_redirected[s] = _redirect(redirected, orders.moved[s], share, orders.free[s], rules.reroute_pace)


@compiled
def _wanted(need: float, days: float, stock: float, output: float, desired: float, before: float, rules: Any) -> Any:
    """What an industry orders of an input, for use and for its stock."""
    goal = days * need * desired
    gap = max(goal - stock, 0.0) / rules.restock_days
    if rules.made:
        return need * output + gap
    # Held against the target of the base and not that of the day: a goal that fell with demand would have each tier of
    # suppliers lose more orders than the one before it.
    excess = max(stock - max(goal, days * need * before), 0.0) / rules.restock_days
    return max(need * desired + gap - excess, 0.0)


@compiled
def _redirect(wanted: Any, moved: Any, share: Any, free: Any, pace: float) -> Any:
    """Place a little more of the orders that denied suppliers do not get with those that are free to deliver.

    `wanted` (b,), the orders for one sector, becomes those that are redirected; True where there are any.
    """
    found = False
    for k in range(len(wanted)):
        gone = 1.0 - share[k]
        if gone < _ROUNDING or free[k] < _NONE_LEFT:
            moved[k], wanted[k] = 0.0, 0.0
            continue
        moved[k] = min(moved[k], gone)
        moved[k] += (gone - moved[k]) * pace
        wanted[k] *= moved[k] / free[k]
        found |= wanted[k] > 0
    return found


@compiled
def fill_totals(deliveries: Any, final_by_row: Any, totals: Any) -> None:
    """Fill `totals` (j, b): what every buyer gets of every sector; cells below zero count as none."""
    m = len(deliveries)
    j, b = totals.shape
    totals[:] = 0.0
    for i in range(m):
        s = i % j
        for k in range(m):
            totals[s, k] += max(deliveries[i, k], 0.0)
        for k in range(m, b):
            totals[s, k] += final_by_row[i, k - m]


@compiled
def fill_kept(base: Any, kept: Any) -> None:
    """Fill `kept` (j, n, b): each supplier's share of what a buyer gets of its sector."""
    m, b = len(base.deliveries), kept.shape[2]
    j = len(base.inverse)
    for i in range(m):
        s = i % j
        row = kept[s, i // j]
        for k in range(m):
            row[k] = max(base.deliveries[i, k], 0.0) * base.inverse[s, k]
        for k in range(m, b):
            row[k] = base.final_by_row[i, k - m] * base.inverse[s, k]


@compiled
def fill_share(orders: Any) -> None:
    """Fill `share` and `free` (j, b): the sums of `kept` over the suppliers of a sector, and over the free ones."""
    j, suppliers, _ = orders.kept.shape
    m = j * suppliers
    orders.share[:] = 0.0
    orders.free[:] = 0.0
    for s in range(j):
        for n in range(suppliers):
            i = n * j + s
            denied = orders.economies[orders.starts[i] : orders.starts[i + 1]]
            _add(orders.share[s], orders.kept[s, n], 1.0)
            _serve_instead(orders.free[s], orders.kept[s, n], denied, 1.0, 1.0, m, j)


@compiled
def let_through(base: Any, orders: Any, firms: Any, rows: Any, economies: Any, parts: Any, free: Any) -> None:
    """Set what the buyers of `economies` order from `rows` to `parts` of the base; the sums of kept follow.

    `free`: the row is denied nothing any longer to that economy.
    """
    deliveries, final, inverse = base.deliveries, base.final_by_row, base.inverse
    kept, share, open_share, weights = orders.kept, orders.share, orders.free, orders.weights
    m, j = len(deliveries), len(inverse)
    for p in range(len(rows)):
        i, n = rows[p], economies[p]
        s = i % j
        row = kept[s, i // j]
        weight, opened = firms.weight[i], 1.0 if free[p] else 0.0
        for k in range(n * j, n * j + j):
            now = max(deliveries[i, k], 0.0) * inverse[s, k] * parts[p]
            change = now - row[k]
            row[k] = now
            share[s, k] += change
            open_share[s, k] += change * opened
            weights[s, k] += change * weight
        now = final[i, n] * inverse[s, m + n] * parts[p]
        change = now - row[m + n]
        row[m + n] = now
        share[s, m + n] += change
        open_share[s, m + n] += change * opened
        weights[s, m + n] += change
