"""An input-output table that balances exactly, from trade margins, GDP and one world technology.

The steps, for every economy on its own and then together:

1. output     the Leontief output that serves final demand of world composition and net exports, brought above a floor
              and scaled so that value added adds up to GDP;
2. re-exports what is exported beyond a ceiling of output passes through: it is taken off exports and imports alike;
3. use        world input coefficients fitted biproportionally to what the economy absorbs and what its industries buy;
4. sources    every user of an item draws on suppliers in the same proportion (the proportionality assumption of
              multi-regional tables; Dietzenbacher et al. 2013 describe it and its weakness).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, ModelError
from weaponized_interdependence.estimation.biproportional import fit_margins
from weaponized_interdependence.io_table import IOTable

Array = npt.NDArray[np.float64]
FINAL = "FINAL"


@dataclass(frozen=True)
class Technology:
    """Input coefficients (input, user), value added a unit of output, and the composition of final demand."""

    items: tuple[str, ...]
    inputs: Array
    value_added: Array
    final: Array


@dataclass(frozen=True)
class Treatment:
    """What is assumed where margins alone do not say. Shares between 0 and 1.

    - `home`: least output, as a share of what the economy would make of the item if it were closed
    - `export_ceiling`: most of an item's output that leaves the country; exports beyond it are re-exports
    - `reexport_ceiling`: most of an item's imports that leave the country again
    """

    home: float = 0.05
    export_ceiling: float = 0.9
    reexport_ceiling: float = 0.9


def technology(frame: pl.DataFrame, items: Sequence[str]) -> Technology:
    """Coefficients from a table of world deliveries: input, user, value; user is an item or FINAL.

    Output of an item is all that is delivered of it; value added is output less inputs bought.
    """
    users = [*items, FINAL]
    faults = [
        Fault(f"{column} {name!r} is not one of {', '.join(known)}")
        for column, known in (("input", list(items)), ("user", users))
        for name in sorted(set(frame[column]) - set(known))
    ]
    if faults:
        raise InputError("not a technology for these items", faults=faults)
    deliveries = np.zeros((len(items), len(users)))
    for supplied, user, value in frame.select("input", "user", "value").iter_rows():
        deliveries[items.index(supplied), users.index(user)] += value
    output = deliveries.sum(axis=1)
    added = output - deliveries[:, :-1].sum(axis=0)
    poor = [Fault(f"{item} buys more than it makes") for item, left in zip(items, added, strict=True) if left <= 0]
    if poor or (deliveries < 0).any():
        raise InputError("world deliveries make no technology", faults=poor or [Fault("a delivery is negative")])
    return Technology(
        tuple(items), deliveries[:, :-1] / output, added / output, deliveries[:, -1] / deliveries[:, -1].sum()
    )


def outputs(
    tech: Technology, exports: Array, imports: Array, gdp: Array, treatment: Treatment, economies: Sequence[str] = ()
) -> Array:
    """Gross output of every economy and item (n, j) such that value added at world coefficients equals GDP.

    Parameters
    ----------
    exports, imports : (n, j) arrays, gross of re-exports
    gdp : (n,) array, same unit
    economies : n names, for error messages

    Raises
    ------
    ModelError
        An economy's exports need more value added than its GDP, or it spends nothing at home.
    """
    leontief = np.linalg.inv(np.eye(len(tech.items)) - tech.inputs)
    spending = gdp + imports.sum(axis=1) - exports.sum(axis=1)
    wanted = (spending[:, None] * tech.final + exports - imports) @ leontief.T
    closed = np.outer(gdp, leontief @ tech.final)
    floor = np.maximum(
        treatment.home * closed,
        (exports - treatment.reexport_ceiling * np.minimum(imports, exports)) / treatment.export_ceiling,
    )
    least = floor @ tech.value_added
    names = economies or [f"economy {n}" for n in range(len(gdp))]
    faults = [Fault(f"{names[int(n)]} spends nothing at home", mend="check GDP") for n in np.flatnonzero(spending <= 0)]
    faults += [
        Fault(
            f"{names[int(n)]} needs value added of {least[n]:.4g} for its exports, GDP is {gdp[n]:.4g}",
            mend="check units",
        )
        for n in np.flatnonzero(least > gdp)
    ]
    if faults:
        raise ModelError("no output fits trade and GDP", faults=faults)
    return np.stack([_fill(w, f, tech.value_added, g) for w, f, g in zip(wanted, floor, gdp, strict=True)])


def _fill(wanted: Array, floor: Array, weight: Array, total: float) -> Array:
    """max(floor, s * wanted) with the one scale s at which weight @ result = total, found among its breakpoints."""
    positive = np.maximum(wanted, 0.0)
    turns = np.sort(np.divide(floor, positive, out=np.full_like(floor, np.inf), where=positive > 0))
    for k in range(np.isfinite(turns).sum(), 0, -1):
        free = (positive > 0) & (floor <= turns[k - 1] * positive * (1 + 1e-12))
        scale = (total - weight[~free] @ floor[~free]) / (weight[free] @ positive[free])
        if scale >= turns[k - 1]:
            return np.where(free, scale * positive, floor)
    raise ModelError("no item can grow to reach GDP")


def reexports(output: Array, exports: Array, imports: Array, treatment: Treatment) -> Array:
    """Exports beyond the ceiling of output: goods that came in and went out again, never more than either."""
    most = treatment.reexport_ceiling * np.minimum(imports, exports)
    return np.clip(exports - treatment.export_ceiling * output, 0.0, most)


def use_table(tech: Technology, output: Array, absorbed: Array, final: float) -> Array:
    """What the industries and final demand of one economy use of each item: (j, j + 1), exact in both margins.

    Rows add up to `absorbed` (output + imports - exports), columns to the inputs of each industry and to `final`.
    """
    prior = np.column_stack([tech.inputs * output, tech.final * final])
    columns = np.append((1 - tech.value_added) * output, final)
    return fit_margins(prior, absorbed, columns).matrix


def assemble(
    tech: Technology,
    economies: Sequence[str],
    period: str,
    output: Array,
    traded: Array,
    gdp: Array,
    *,
    sectors: tuple[str, ...],
    **labels: Any,
) -> IOTable:
    """Put the economies together.

    Parameters
    ----------
    output : (n, j) gross output
    traded : (j, n, n) trade net of re-exports, row sells to column, zero diagonal
    gdp : (n,) value added of each economy, as `outputs` was given it
    sectors : codes of the items in the table's classification, in the order of `tech.items`
    labels : further fields of IOTable, such as classification, publisher and notes

    The row of economy i, item s and the column of user u in economy n hold use_n[s, u] times the share of i in what n
    absorbs of s. Rows, columns and GDP add up by construction; A has column sums 1 - value added < 1.
    """
    n, j = output.shape
    bought, sold = traded.sum(axis=1).T, traded.sum(axis=2).T
    absorbed = output + bought - sold
    deliveries = np.zeros((n, j, n, j + 1))
    for m in range(n):
        use = use_table(tech, output[m], absorbed[m], float(gdp[m] + bought[m].sum() - sold[m].sum()))
        source = traded[:, :, m].copy()  # (j, n): every item's suppliers to m
        source[:, m] = output[m] - sold[m]
        share = source / absorbed[m][:, None]
        deliveries[:, :, m, :] = share.T[:, :, None] * use
    intermediate = deliveries[..., :j].reshape(n * j, n * j)
    return IOTable(
        period=period,
        economies=tuple(economies),
        sectors=sectors,
        demands=(FINAL,),
        Z=intermediate,
        Y=deliveries[..., j].reshape(n * j, n),
        VA=(output * tech.value_added).ravel(),
        x=output.ravel(),
        other=np.zeros(n * j),
        unit="USD",
        basis="estimated",
        **labels,
    )
