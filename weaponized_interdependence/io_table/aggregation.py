"""Fewer economies, sectors or final demands: detail is lost, money never."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, UsageError, nearest
from weaponized_interdependence.io_table.container import Array, IOTable


def aggregate(
    table: IOTable,
    economies: Mapping[str, str] | None = None,
    sectors: Mapping[str, str] | None = None,
    *,
    demands: Mapping[str, str] | None = None,
    classification: str | None = None,
) -> IOTable:
    """Merge economies, sectors or final-demand categories by name; every sum is preserved.

    A name absent from a mapping stays as it is; groups stand in the order in which their first member stands. The
    output of a merged industry is the sum of its members' outputs and their deliveries to each other stay inside it,
    so `A` of the result is the output-weighted mean of the members' columns: aggregation loses detail, never money.

    Parameters
    ----------
    classification
        Name of the new sector classification; required knowledge if items are to be told apart later. By default the
        old name, or the old name with "/aggregated" where sectors were merged.

    Raises
    ------
    UsageError
        A mapping names an economy, sector or demand that the table has not, listing each with its nearest matches.
    """
    parts = (
        ("economy", table.economies, economies or {}),
        ("sector", table.sectors, sectors or {}),
        ("demand", table.demands, demands or {}),
    )
    faults = []
    for kind, names, mapping in parts:
        for wrong in sorted(set(mapping) - set(names)):
            close = nearest(wrong, names)
            faults.append(Fault(f"no {kind} {wrong!r}", mend=f"did you mean {', '.join(close)}?" if close else ""))
    if faults:
        raise UsageError("cannot aggregate: the mapping does not fit the table", faults=faults)
    new_e, to_e = _groups(table.economies, economies or {})
    new_s, to_s = _groups(table.sectors, sectors or {})
    new_d, to_d = _groups(table.demands, demands or {})
    row = (to_e[:, None] * len(new_s) + to_s[None, :]).ravel()
    column = (to_e[:, None] * len(new_d) + to_d[None, :]).ravel()
    n, f = len(new_e) * len(new_s), len(new_e) * len(new_d)
    if classification is None:
        merged = len(new_s) < len(table.sectors)
        classification = f"{table.classification}/aggregated" if merged else table.classification
    return replace(
        table,
        economies=new_e,
        sectors=new_s,
        demands=new_d,
        Z=sum_into(table.Z, row, n, row, n),
        Y=sum_into(table.Y, row, n, column, f),
        VA=_sum_vector(table.VA, row, n),
        x=_sum_vector(table.x, row, n),
        other=_sum_vector(table.other, row, n),
        discrepancy=_sum_vector(table.discrepancy, row, n),
        classification=classification,
        sector_names=_group_names(table, new_s, to_s),
    )


def _sum_vector(values: Array, to: npt.NDArray[np.intp], size: int) -> Array:
    return np.bincount(to, weights=values, minlength=size).astype(np.float64)


def _groups(names: Sequence[str], mapping: Mapping[str, str]) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    targets = [mapping.get(name, name) for name in names]
    order = {group: i for i, group in enumerate(dict.fromkeys(targets))}
    return tuple(order), np.array([order[t] for t in targets], dtype=np.intp)


def _group_names(table: IOTable, groups: Sequence[str], to: npt.NDArray[np.intp]) -> tuple[str, ...]:
    if not table.sector_names:
        return ()
    members: dict[int, list[int]] = {}
    for i, g in enumerate(to):
        members.setdefault(int(g), []).append(i)
    # a group of one that kept its code keeps its text; any other group is called by its new code
    return tuple(
        table.sector_names[members[g][0]] if [table.sectors[i] for i in members[g]] == [name] else name
        for g, name in enumerate(groups)
    )


def sum_into(cells: Array, row: npt.NDArray[np.intp], rows: int, column: npt.NDArray[np.intp], columns: int) -> Array:
    """Add the rows and columns of `cells` into groups: row i goes to row[i], column j to column[j]."""
    from scipy.sparse import csr_array

    left = csr_array((np.ones(len(row)), (row, np.arange(len(row)))), shape=(rows, len(row)))
    right = csr_array((np.ones(len(column)), (np.arange(len(column)), column)), shape=(len(column), columns))
    return np.ascontiguousarray((right.T @ (left @ cells).T).T, dtype=np.float64)
