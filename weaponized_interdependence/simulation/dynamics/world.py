"""The economy before anything is denied, as the engine needs it: an input-output table per day, by sector and buyer."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.io_table import IOTable, goods_sectors, isic_divisions
from weaponized_interdependence.simulation.dynamics.parameters import Parameters

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.dynamics.kernels.trade import Base

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """A table per day: what stands still (`base`), value added per output (M,), and remarks."""

    base: "Base"
    value_share: Floats
    notes: tuple[str, ...]


def world_of(table: IOTable, parameters: Parameters) -> World:
    """Take a table to pieces; InputError lists the sectors that `stocks` or `storable` name and the table lacks.

    What a row delivers beyond its output (`drawn`), and what it makes beyond its deliveries (`unnamed`), is what
    negative final demand (stocks drawn down), other negative cells, a discrepancy of the table and industries without
    output leave. Both go on as before, so that the base stands still.
    """
    from weaponized_interdependence.simulation.dynamics.kernels.trade import Base, fill_totals

    n, j, f = table.size
    m = n * j
    days, notes = _target_days(table, parameters)
    deliveries = np.ascontiguousarray(table.Z)
    output = np.maximum(table.x, 0.0) / parameters.year_days
    final_by_row = np.maximum(table.Y.reshape(m, n, f).sum(axis=2), 0.0) / parameters.year_days
    bought = np.empty((j, m + n))  # of a year by industries, of a day by final demand
    fill_totals(deliveries, final_by_row, bought)
    bought[:, np.flatnonzero(output <= 0)] = 0.0
    need = np.divide(bought[:, :m], table.x, out=np.zeros((j, m)), where=output > 0)
    delivered = final_by_row.sum(axis=1)
    for i, row in enumerate(deliveries):  # row by row: no second matrix
        delivered[i] += row[(row > 0) & (output > 0)].sum() / parameters.year_days
    drawn, unnamed = np.maximum(delivered - output, 0.0), np.maximum(output - delivered, 0.0)
    if irregular := int((drawn + unnamed > 1e-6 * np.maximum(output, delivered)).sum()):
        share = (drawn + unnamed).sum() / (output.sum() or 1.0)
        notes = (
            *notes,
            f"dynamic: {irregular} rows deliver more or less than they make (stocks drawn down, negative cells, a "
            f"discrepancy, no output), in all {share:.2g} of output; the difference goes on as before",
        )
    base = Base(
        deliveries=deliveries,
        final_by_row=final_by_row,
        inverse=np.divide(1.0, bought, out=np.zeros_like(bought), where=bought > 0),
        output=output,
        need=need,
        final=bought[:, m:].copy(),
        days=days,
        drawn=drawn,
        unnamed=unnamed,
    )
    return World(base, np.divide(table.VA, table.x, out=np.zeros(m), where=table.x > 0), notes)


def _target_days(table: IOTable, parameters: Parameters) -> tuple[Floats, tuple[str, ...]]:
    """Target stock of each sector's product in days of use, and what was assumed about services."""
    named = {*parameters.stocks, *(parameters.storable or ())}
    if unknown := sorted(named - set(table.sectors)):
        faults = [
            Fault(f"no sector {s}", "parameters", f"use {', '.join(nearest(s, table.sectors) or table.sectors[:5])}")
            for s in unknown
        ]
        raise InputError("parameters name sectors that the table does not have", faults=faults)
    notes: tuple[str, ...] = ()
    storable = parameters.storable
    if storable is None:
        try:
            storable = goods_sectors(table)
        except UsageError:
            storable = frozenset(table.sectors)
            notes = (f"dynamic: which sectors of {table.classification} make goods is not known: all are stored",)
    if len(storable) < len(table.sectors) and math.isinf(parameters.service_days):
        notes = ("dynamic: services cannot be stored and are taken to stop nobody who is denied them",)
    capital = [s for s in table.sectors if _is_capital(table.classification, s)]
    if capital and parameters.capital == "essential":
        notes += (
            f"dynamic: a lack of machinery, electronics or vehicles ({', '.join(capital)}) stops every industry that "
            "buys them, but for the low case, where it stops nobody; much of the loss of a target cut off from them "
            "hangs on this",
        )
    idle = frozenset(capital if parameters.capital == "idle" else ())
    usual = {
        s: math.inf if s in idle else parameters.stock_days if s in storable else parameters.service_days
        for s in table.sectors
    }
    return np.array([parameters.stocks.get(s, usual[s]) for s in table.sectors], dtype=np.float64), notes


_CAPITAL = {3: frozenset(range(29, 36)), 4: frozenset(range(26, 31))}  # divisions of ISIC, by revision


def _is_capital(classification: str, sector: str) -> bool:
    """Whether a sector is all machinery, electronics or vehicles, as far as its code tells."""
    revision, divisions = isic_divisions(classification, sector)
    return bool(divisions) and divisions <= _CAPITAL.get(revision, frozenset())
