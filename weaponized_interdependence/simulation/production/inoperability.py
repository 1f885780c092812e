"""Inoperability: the part of each industry's output that stops, from nothing (0) to all of it (1).

    demand-driven   q = min(1, A* q + c*)    A* = x^-1 A x, c* = s / x, s the sales denied
    supply-driven   q = min(1, A' q + z*)    z* = m / x, m the inputs denied

Without the ceiling these are Leontief and Ghosh divided by output: q = x^-1 L s, and q = x^-1 (m G)'. The ceiling is
what inoperability adds: an industry can lose no more than all it makes, and calls for no more to be lost at its
suppliers. The demand-driven one lies between the hypothetical extraction and Leontief's bound:

    x - x_S <= x q <= L s

A table of several economies makes it the multi-region model. It is the linear complementarity problem of an M-matrix;
its answer is unique and found in few steps, each of which drops industries from those at the ceiling (Howard).

References: Haimes and Jiang (2001), Journal of Infrastructure Systems 7(1); Santos and Haimes (2004), Modeling the
Demand Reduction Input-Output (I-O) Inoperability Due to Terrorism of Interconnected Infrastructures, Risk Analysis
24(6); Leung, Haimes and Santos (2007) on the supply side; Crowther and Haimes (2010) on several regions. The ceiling
inside the system is ours.
"""

from collections.abc import Callable, Mapping

import numpy as np

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table import Array, IOTable, LeontiefSystem
from weaponized_interdependence.simulation.impact import Answer, answer_rows
from weaponized_interdependence.simulation.input_output import gdp_of, in_each_case, rows_of
from weaponized_interdependence.simulation.production.linkages import GHOSH_WARNING
from weaponized_interdependence.terms import Channel, Metric

_AT = 1e-12  # relative: what exceeds the ceiling by less is at it
_SLACK = 1e-9  # of the largest ceiling: rounding of the solves


def interdependency(table: IOTable) -> Array:
    """A* = x^-1 A x = Z_ij / x_i, (rows, rows): inoperability of i for each unit of inoperability of j.

    Zero in rows and columns of industries without output.

    >>> from weaponized_interdependence.simulation.production.examples import two_industries
    >>> interdependency(two_industries()).tolist()
    [[0.15, 0.5], [0.1, 0.05]]
    """
    made = table.x > 0
    both = made[:, None] & made
    return np.divide(table.Z, table.x[:, None], out=np.zeros_like(table.Z), where=both)


def demand_inoperability(system: LeontiefSystem, unsold: Array, *, ceiling: bool = True) -> Array:
    """q of every industry, (rows,), when demand for its products falls by `unsold` (rows,), in the table's unit.

    For a sanction: `system.denied_sales(shares)`, final and intermediate sales that stop. An industry without output
    has q = 0. `ceiling=False` gives the linear model, x^-1 L s. ModelError where chains never end, or where deliveries
    below zero hide the ceiling.

    Examples
    --------
    Final demand for the first of Miller and Blair's industries falls by 303: it makes 380 of its 1,000 less.

    >>> from weaponized_interdependence.simulation.production.examples import two_industries
    >>> demand_inoperability(LeontiefSystem(two_industries()), np.array([303.0, 0.0])).round(9).tolist()
    [0.38, 0.04]
    """
    system.require_ending()
    x = np.maximum(system.table.x, 0.0)
    lost = system.leontief(unsold)
    if ceiling:
        lost = _under(lost, x, system.leontief)
    return np.divide(lost, x, out=np.zeros_like(x), where=x > 0)


def supply_inoperability(system: LeontiefSystem, missing: Array, *, ceiling: bool = True) -> Array:
    """q of every industry, (rows,), when inputs worth `missing` (rows,) do not reach it, in the table's unit.

    For a sanction: `system.denied_inputs(shares)`. `ceiling=False` gives Ghosh, x^-1 (m G)'. GHOSH_WARNING holds.
    """
    system.require_ending()
    x = np.maximum(system.table.x, 0.0)
    share = np.divide(missing, x, out=np.zeros_like(x), where=x > 0)

    def transposed(right: Array) -> Array:
        return system.leontief_left(right.T).T

    stopped = transposed(share)
    return _under(stopped, (x > 0).astype(np.float64), transposed) if ceiling else np.where(x > 0, stopped, 0.0)


def _under(free: Array, most: Array, solve: Callable[[Array], Array]) -> Array:
    """w = min(most, M w + c), from free = (I - M)^-1 c and `solve`, which is (I - M)^-1.

    With w_P = most_P for those at the ceiling, w = free - (I - M)^-1 e_P mu, mu what P would lose beyond it. The first
    P is too large or right; those with mu below zero leave it, and w only falls.
    """
    at = np.flatnonzero(free > most * (1 + _AT))
    unit = np.zeros((len(free), len(at)))
    unit[at, np.arange(len(at))] = 1.0
    spread = solve(unit)
    held = np.ones(len(at), dtype=bool)
    while held.any():
        beyond = np.linalg.solve(spread[np.ix_(at[held], np.flatnonzero(held))], (free - most)[at[held]])
        if (beyond >= 0).all():
            bounded = np.asarray(free - spread[:, held] @ beyond)
            bounded[at[held]] = most[at[held]]
            break
        held[np.flatnonzero(held)[beyond < 0]] = False
    else:
        bounded = free
    if (bounded > most + _SLACK * most.max(initial=0.0)).any():  # w has not only fallen: M has cells below zero
        raise ModelError(
            "the ceiling of inoperability is not found: the table has deliveries below zero that matter",
            mend="set negative cells of Z to zero, or give ceiling=False",
        )
    return bounded


def answer(system: LeontiefSystem, denied: Mapping[str, Array], basis: str) -> Answer:
    """Value added and output lost by every economy and sector, none losing more than all it makes, as a model.

    `denied`: case (low, value, high) -> (rows, economies) shares, as `denied_shares` makes them. Channels: upstream
    (demand-driven) and downstream (supply-driven), views of one event that are never added. Units: the table's.
    """
    table = system.table

    def lost(share: Array) -> tuple[Array, Array]:
        q = demand_inoperability(system, system.denied_sales(share))
        return q * table.x, supply_inoperability(system, system.denied_inputs(share)) * table.x

    outputs = in_each_case(denied, lost)
    v = system.value_added_share
    frames = []
    for channel, cases in zip((Channel.UPSTREAM, Channel.DOWNSTREAM), zip(*outputs, strict=True), strict=True):
        frames.append(rows_of(table, channel, Metric.OUTPUT_LOSS, cases, basis))
        frames.append(rows_of(table, channel, Metric.LOSS, [made * v for made in cases], basis))
    notes = (
        "inoperability: Leontief (upstream) and Ghosh (downstream) with a ceiling: nobody loses more than all it "
        "makes; nobody substitutes and prices stand still",
        f"inoperability: {GHOSH_WARNING}",
    )
    return Answer("inoperability", answer_rows(frames), (), notes, gdp=gdp_of(table))
