"""From a publisher's labelled cells to an IOTable: what the input-output readers share.

A reader cuts its file into `Parts` (labels still the publisher's, cells in the publisher's unit); `assemble` orders
them economy-major, merges economies that the publisher splits, scales to USD and reports every fault of the labels and
cells at once; `table_checks` and `table_summary` say how the accounts add up.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.harmonize.economies import to_iso3
from weaponized_interdependence.io_table import Array, IOTable, balance, negative_flows, review, sum_into
from weaponized_interdependence.io_table.accounts import USELESS, USELESS_ECONOMY
from weaponized_interdependence.sources.reading import Check, FileStamp, Reading, Severity, stamp

Key = tuple[str, str]

# A published table whose accounts miss output by more than this, summed over all industries, is not read as it should
# be (a column too many, a row left out); publishers' own rounding stays far below (WIOD 2013: 0.04 to 0.09 per cent).
TOLERANCE = 0.005
# A table of fewer economies than any release has is somebody's extract: world totals are not asked of it.
WHOLE = 40


@dataclass
class Parts:
    """A table cut into parts. `sellers` name the rows of Z and Y, `buyers` the columns of Z, `finals` those of Y.

    VA and other follow `buyers`; x and discrepancy follow `sellers`; `output_of_sellers` is the publisher's second
    statement of output (its last column) where there is one.
    """

    sellers: Sequence[Key]
    buyers: Sequence[Key]
    finals: Sequence[Key]
    Z: Array
    Y: Array
    VA: Array
    x: Array
    other: Array
    discrepancy: Array | None = None
    output_of_sellers: Array | None = None
    notes: list[str] = field(default_factory=list)


def label(key: Key) -> str:
    """`ECONOMY_sector`, as publishers write it."""
    return "_".join(key)


def label_faults(parts: Parts, where: str) -> list[Fault]:
    """Labels that stand twice, and rows and columns that do not pair up."""
    faults = []
    for what, keys in (("row", parts.sellers), ("column", parts.buyers), ("final-demand column", parts.finals)):
        twice = [label(k) for k in dict.fromkeys(keys) if keys.count(k) > 1] if len(set(keys)) < len(keys) else []
        if twice:
            faults.append(Fault(f"{what} label(s) that stand twice: {some(twice)}", where, "keep one of each"))
        if not keys:
            faults.append(Fault(f"no {what}", where, "is this the publisher's layout?"))
    rows, columns = set(parts.sellers), set(parts.buyers)
    if odd := [label(k) for k in parts.sellers if k not in columns]:
        faults.append(
            Fault(f"not square: {len(odd)} industry row(s) without a column: {some(odd)}", where, "is it cut off?")
        )
    if odd := [label(k) for k in parts.buyers if k not in rows]:
        mend = "a cut file, or a final-demand category or total this reader does not know"
        faults.append(Fault(f"not square: {len(odd)} industry column(s) without a row: {some(odd)}", where, mend))
    return faults


def one_path(paths: Sequence[Path], reader: str) -> Path:
    """The only path; UsageError otherwise, for a table is of one year."""
    if len(paths) != 1:
        raise UsageError(f"{reader} reads one table at a time, not {len(paths)} files", mend="call it once a year")
    return paths[0]


def year_said(name: str) -> str | None:
    """The year in the name of a file; of several the last, for an edition stands first; None for a span of years.

    >>> year_said("ICIO2018_2010.CSV"), year_said("2019_SML.csv"), year_said("2016-2022_SML.zip")
    ('2010', '2019', None)
    """
    if re.search(r"(?<!\d)\d{4}-\d{4}(?!\d)", name):
        return None
    years = re.findall(r"(?<!\d)((?:19|20)\d\d)(?!\d)", name)
    return years[-1] if years else None


def iso3_of(codes: Iterable[str], scheme: str, aliases: Mapping[str, str], *, where: str) -> dict[str, str]:
    """ISO3 of every publisher's code; UnknownCodeError listing all that no reference knows."""
    distinct = list(dict.fromkeys(codes))
    known = to_iso3(pl.Series("economy", [aliases.get(c, c) for c in distinct], dtype=pl.String), scheme, where=where)
    return dict(zip(distinct, known.to_list(), strict=True))


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few names and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def assemble(
    parts: Parts,
    *,
    economies: Mapping[str, str],
    period: str,
    classification: str,
    publisher: str,
    sector_names: Mapping[str, str] | None = None,
    scale: float = 1e6,
    where: str = "",
) -> IOTable:
    """One IOTable in USD from `parts`; `economies` gives the ISO3 of every publisher's code (several may share one).

    Raises
    ------
    InputError
        With every fault: an economy that lacks a sector another has, cells that are not numbers, negative output.
    """
    new_e = list(dict.fromkeys(economies[e] for e, _ in parts.sellers))
    new_s = list(dict.fromkeys(s for _, s in parts.sellers))
    new_d = list(dict.fromkeys(d for _, d in parts.finals))
    n, j, f = len(new_e), len(new_s), len(new_d)
    row = _places(parts.sellers, economies, new_e, new_s)
    use = _places(parts.buyers, economies, new_e, new_s)
    final = _places(parts.finals, economies, new_e, new_d)
    faults = _grid_faults(parts, economies, new_e, new_s, new_d, where)
    faults += _cell_faults(parts, where)
    if faults:
        raise InputError("not a usable input-output table", where=where, faults=faults)
    notes = list(parts.notes)
    merged = {e: [c for c in dict.fromkeys(k for k, _ in parts.sellers) if economies[c] == e] for e in new_e}
    notes += [f"{' + '.join(codes)} are merged into {e}" for e, codes in merged.items() if len(codes) > 1]
    empty = np.zeros(len(row)) if parts.discrepancy is None else parts.discrepancy
    return IOTable(
        period=period,
        economies=tuple(new_e),
        sectors=tuple(new_s),
        demands=tuple(new_d),
        Z=_place_matrix(parts.Z, row, n * j, use, n * j) * scale,
        Y=_place_matrix(parts.Y, row, n * j, final, n * f) * scale,
        VA=_place_vector(parts.VA, use, n * j) * scale,
        x=_place_vector(parts.x, row, n * j) * scale,
        other=_place_vector(parts.other, use, n * j) * scale,
        discrepancy=_place_vector(empty, row, n * j) * scale,
        classification=classification,
        publisher=publisher,
        notes=tuple(notes),
        sector_names=tuple(sector_names.get(s, s) for s in new_s) if sector_names else (),
    )


def _places(
    keys: Sequence[Key], economies: Mapping[str, str], order: Sequence[str], names: Sequence[str]
) -> npt.NDArray[np.intp]:
    at_e = {e: i for i, e in enumerate(order)}
    at_s = {s: i for i, s in enumerate(names)}
    return np.array([at_e[economies[e]] * len(names) + at_s[s] for e, s in keys], dtype=np.intp)


def _place_vector(values: Array, to: npt.NDArray[np.intp], size: int) -> Array:
    return np.bincount(to, weights=values, minlength=size).astype(np.float64)


def _place_matrix(
    cells: Array, row: npt.NDArray[np.intp], rows: int, column: npt.NDArray[np.intp], columns: int
) -> Array:
    if np.array_equal(row, np.arange(rows)) and np.array_equal(column, np.arange(columns)):
        return cells
    return sum_into(cells, row, rows, column, columns)


def _grid_faults(
    parts: Parts, economies: Mapping[str, str], new_e: list[str], new_s: list[str], new_d: list[str], where: str
) -> list[Fault]:
    faults = []
    for what, keys, names in (("sector", parts.sellers, new_s), ("final demand", parts.finals, new_d)):
        have = {(economies[e], s) for e, s in keys}
        lacking = [label((e, s)) for e in new_e for s in names if (e, s) not in have]
        if lacking:
            mend = "every economy has the same ones in a whole table: is the file cut off?"
            faults.append(Fault(f"{len(lacking)} {what}(s) missing: {some(lacking)}", where, mend))
    if odd := sorted({e for e, _ in parts.finals if economies[e] not in new_e}):
        faults.append(Fault(f"final demand of {some(odd)}, which has no industries", where))
    return faults


def _cell_faults(parts: Parts, where: str) -> list[Fault]:
    faults = []
    for name, array, columns in (("intermediate", parts.Z, parts.buyers), ("final-demand", parts.Y, parts.finals)):
        if bad := np.argwhere(~np.isfinite(array)).tolist():
            listed = some(f"row {label(parts.sellers[i])} column {label(columns[k])}" for i, k in bad)
            faults.append(Fault(f"{len(bad)} {name} cell(s) empty or not finite: {listed}", where, "give a number"))
    named: tuple[tuple[str, Array, Sequence[Key]], ...] = (
        ("value added", parts.VA, parts.buyers),
        ("output", parts.x, parts.sellers),
        ("taxes and margins", parts.other, parts.buyers),
    )
    for name, vector, keys in named:
        if empty := np.flatnonzero(~np.isfinite(vector)).tolist():
            listed = some(label(keys[i]) for i in empty)
            faults.append(
                Fault(f"{len(empty)} cell(s) of {name} empty or not finite: {listed}", where, "give a number")
            )
    if negative := np.flatnonzero(parts.x < 0).tolist():
        listed = some(f"{label(parts.sellers[i])} ({parts.x[i]:,.6g})" for i in negative)
        faults.append(Fault(f"negative output of {len(negative)} industry(ies): {listed}", where, "output cannot be"))
    return faults


def output_check(parts: Parts) -> tuple[Check, ...]:
    """Where the publisher states output twice (last row, last column): do the two agree, to 0.1 per cent?"""
    if parts.output_of_sellers is None:
        return ()
    gap = np.abs(parts.output_of_sellers - parts.x)
    differ = np.flatnonzero(~(gap <= 1e-3 * np.abs(parts.x) + 1.0)).tolist()
    listed = some(
        f"{label(parts.sellers[i])} ({parts.x[i]:,.6g} and {parts.output_of_sellers[i]:,.6g})" for i in differ
    )
    found = f"{len(differ)} differ: {listed}" if differ else "they agree"
    return (Check("output in the last row and in the last column", "equal within 0.1%", found, not differ),)


def table_reading(
    name: str,
    table: IOTable,
    files: Sequence[Path | FileStamp],
    *,
    step: float = 0.0,
    remainder: bool = False,
    checks: Sequence[Check] = (),
) -> Reading:
    """The Reading of a whole table, with its checks, notes and summary. `step`, `remainder`: see `table_checks`."""
    return Reading(
        name=name,
        table=table,
        files=tuple(f if isinstance(f, FileStamp) else stamp(f) for f in files),
        checks=(*checks, *table_checks(table, step=step, remainder=remainder)),
        notes=(*table.notes, *table_notes(table)),
        scope="whole" if len(table.economies) >= WHOLE else "extract",
        summary=table_summary(table),
    )


def table_checks(table: IOTable, *, step: float = 0.0, remainder: bool = False) -> tuple[Check, ...]:
    """How the accounts add up and what is unusual, as checks of a Reading.

    `step` is the publisher's rounding, in USD. `remainder`: value added is output less inputs because the file has
    none, so that the columns add up whatever is missing in them, and their check says only that.
    """
    held, seen = balance(table, step=step), review(table)
    checks = []
    expected = (
        f"within {TOLERANCE:.1%}; above {USELESS:.0%}, or {USELESS_ECONOMY:.0%} of one economy, the table is not read"
    )
    for side, gap in (("columns", held.columns), ("rows", held.rows)):
        if side == "columns" and remainder:
            found = "by construction: value added is the remainder"
            checks.append(Check(f"{side} add up to output", "for the record", found, True, "info"))
            continue
        found = f"{gap.total:.3%} of output"
        if gap.worst:
            name, total, output = gap.worst[0]
            found += f"; worst {name}: {total:,.6g} against {output:,.6g}"
        if not gap.allowed:
            found += "; more than rounding explains" if step else ""
        if gap.economy[1] > USELESS_ECONOMY:
            found += "; of {} {:.1%} of its output".format(*gap.economy)
        severity: Severity = "hard" if gap.useless else "soft"
        adds_up = gap.total <= TOLERANCE and not gap.useless
        checks.append(Check(f"{side} add up to output", expected, found, adds_up, severity))
    radius = seen.spectral_radius
    checks.append(Check("spectral radius of A", "below 1", f"{radius:.4f}", radius < 1))
    # What follows is lawful or the publisher's own doing; whoever computes with the table should know it.
    for what, (count, total) in (
        ("value added", seen.negative_value_added),
        ("intermediate deliveries", seen.negative_intermediate),
        ("final demand", seen.negative_final),
    ):
        found = f"{count} cell(s), {total:,.4g} USD" if count else "none"
        checks.append(Check(f"negative {what}", "for the record", found, True, "info"))
    for what, names in (("zero-output industries", seen.idle), ("zero-output industries that trade", seen.stray)):
        found = f"{len(names)}: {some(names)}" if names else "none"
        checks.append(Check(what, "for the record", found, True, "info"))
    return tuple(checks)


def table_notes(table: IOTable) -> tuple[str, ...]:
    """What someone who turns the table into FLOWS should know."""
    # every sector taken as goods: which layer they fall in does not matter for the count
    low = negative_flows(table, layers=("goods",), goods=table.sectors)
    if low.is_empty():
        return ()
    return (
        f"{low.height} cross-border deliveries are negative in sum ({low['value'].sum():,.4g} USD, inventories drawn "
        "down): a flow cannot be negative, so they stay in the table and make no flow",
    )


def table_summary(table: IOTable) -> pl.DataFrame:
    """One row for the declaration's expectations: value is gross output, origins economies, items sectors."""
    n, j, _ = table.size
    return pl.DataFrame(
        {
            "period": [table.period],
            "layer": ["inputs"],
            "unit": [table.unit],
            "rows": [int(np.count_nonzero(table.Z) + np.count_nonzero(table.Y))],
            "value": [float(table.x.sum())],
            "origins": [n],
            "destinations": [n],
            "items": [j],
        }
    )
