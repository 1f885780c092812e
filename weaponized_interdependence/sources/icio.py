"""OECD Inter-Country Input-Output tables (ICIO): one CSV a year, an industry of an economy in each row and column.

The layout changed from edition to edition; all of these are read:

- rows and columns `CCC_industry`; final demand `CCC_HFCE` (2018 on) or `HFCE_CCC` (2016)
- below the industries: value added (VALU, VA or VA+TAXSUB), taxes less subsidies (TLS, or one row CCC_TAXSUB for each
  taxing economy), output (OUT, OUTPUT); right of final demand: output (OUT, TOTAL) or a discrepancy (DISC)
- China and Mexico split by kind of firm (CN1, CN2, MX1, MX2): added up again to CHN and MEX, exactly

Any table in this layout is read, also one of other numbers; the classification is told from the industry codes.
Cells are million USD at current basic prices; the table comes back in USD.

Source: OECD (2025), Inter-Country Input-Output tables, http://oe.cd/icio
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.io_table import Array
from weaponized_interdependence.sources.files import Opened, opened
from weaponized_interdependence.sources.io_assembly import (
    Key,
    Parts,
    assemble,
    iso3_of,
    label_faults,
    one_path,
    output_check,
    some,
    table_reading,
    year_said,
)
from weaponized_interdependence.sources.reading import Reading

OUTPUT = {"OUT", "OUTPUT", "TOTAL"}
VALUE_ADDED = {"VA", "VALU", "VA+TAXSUB"}
TAXES = {"TLS", "TAXSUB"}
DISCREPANCY = {"DISC"}
# Final-demand categories of all editions: households, non-profit institutions, government, fixed capital, inventories,
# direct purchases abroad (DPABR, DIRP, P33), purchases by non-residents.
DEMANDS = {"HFCE", "NPISH", "NPS", "GGFC", "GFCF", "INVNT", "INV", "DPABR", "DIRP", "P33", "NONRES"}
# The publisher's codes for parts of an economy.
ALIASES = {"CN1": "CHN", "CN2": "CHN", "MX1": "MEX", "MX2": "MEX"}
# An industry code that only this edition has, oldest first: it tells the classification of a file.
MARKERS = (
    ("ICIO2016", r"C\d\d(T\d\d)?[A-Z]{3}"),
    ("ICIO2018", r"01T03"),
    ("ICIO2021", r"01T02"),
    ("ICIO2023", r"A01_02"),
    ("ICIO2025", r"A02"),
    ("WIOD13", r"c\d\d?"),
)


@dataclass
class Sheet:
    """A labelled matrix as it stands in the file. Empty cells are NaN."""

    rows: list[str]
    columns: list[str]
    cells: Array


@dataclass
class Lines:
    """The positions of one side of a sheet (its rows or its columns), by what they hold."""

    industries: dict[int, Key] = field(default_factory=dict)
    finals: dict[int, Key] = field(default_factory=dict)
    output: list[int] = field(default_factory=list)
    value_added: list[int] = field(default_factory=list)
    taxes: list[int] = field(default_factory=list)
    discrepancy: list[int] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def read_icio(paths: Sequence[Path], *, period: str | int | None = None, edition: str | int | None = None) -> Reading:
    """Read one ICIO table (CSV; plain, gzip or zip) into an IOTable in USD.

    Parameters
    ----------
    period
        The year, where the file's name does not say it; in a zip of several years, the one to read.
    edition
        2016, 2018, 2021, 2023 or 2025; by default told from the industry codes.

    Raises
    ------
    UsageError
        The year or the edition cannot be told.
    InputError
        The file is not such a table, with every fault.
    """
    path, period = one_path(paths, "icio"), None if period is None else str(period)
    with opened([path], wanted=lambda name: period in (None, year_said(Path(name).name))) as files:
        if len(files) > 1:
            inside = some((member_name(f) for f in files), 12)
            raise UsageError(f"{path} holds {len(files)} tables: {inside}", mend="choose the year with period=")
        sheet = read_sheet(files[0])
        said, stamped = year_said(member_name(files[0])), files[0].stamp
    if period is None and said is None:
        raise UsageError(f"the name of {path} does not say the year", mend="give it: period=2019")
    parts = cut(sheet, str(path))
    if period is not None and said not in (None, period):
        parts.notes.append(f"the year is {period} as you gave it; the file's name says {said}")
    classification = classify([s for _, s in parts.sellers], None if edition is None else str(edition), str(path))
    table = assemble(
        parts,
        economies=iso3_of([e for e, _ in (*parts.sellers, *parts.finals)], "oecd", ALIASES, where=str(path)),
        period=str(period or said),
        classification=classification,
        publisher="OECD" if classification.startswith("ICIO") else "",
        where=str(path),
    )
    return table_reading("icio", table, [stamped], checks=output_check(parts))


def member_name(file: Opened) -> str:
    """The plain name of a file, or of the member of a zip."""
    return Path(file.name.rsplit("!", 1)[-1]).name


def read_sheet(file: Opened) -> Sheet:
    """The file as labels and numbers; InputError naming every cell that is text."""
    if file.layout is None:
        raise InputError("is not CSV", where=file.name, mend="give the publisher's CSV, plain, .gz or .zip")
    if len(file.columns) < 2:
        raise InputError("has a single column", where=file.name, mend="is this the publisher's CSV?")
    # numbered names: the file's own may stand twice, which `cut` is to report and polars would not take
    names = [str(i) for i in range(len(file.columns))]
    try:
        frame = read_cells(file, {n: pl.String if n == "0" else pl.Float64 for n in names})
    except pl.exceptions.PolarsError as error:
        faults = text_cells(file, names)
        raise InputError(
            "has cells that are no numbers" if faults else f"is not a table: {str(error).splitlines()[0][:200]}",
            where=file.name,
            mend="is it cut off, or in another layout?",
            faults=faults,
        ) from error
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    labels = frame["0"].fill_null("").str.strip_chars().to_list()
    return Sheet(labels, list(file.columns[1:]), frame.drop("0").fill_null(np.nan).to_numpy())


def read_cells(file: Opened, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """The lines below the header, with the names and types of `schema` by position."""
    assert file.layout is not None
    return pl.read_csv(
        file.layout.path,
        has_header=False,
        skip_rows=1,
        schema=dict(schema),
        separator=file.layout.delimiter,
        glob=False,
        truncate_ragged_lines=False,
    )


def text_cells(file: Opened, names: list[str]) -> list[Fault]:
    """The cells that hold text where a number is due, one fault a column (ten columns are named)."""
    try:
        frame = read_cells(file, dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError:
        return []
    faults = []
    for i, name in enumerate(names[1:], 1):
        number = pl.col(name).str.strip_chars().cast(pl.Float64, strict=False)
        wrong = frame.filter(pl.col(name).is_not_null() & number.is_null())
        if wrong.height:
            listed = some((f"{r['0']} {r[name]!r}" for r in wrong.iter_rows(named=True)), 3)
            faults.append(
                Fault(f"column {file.columns[i]}: {wrong.height} cell(s) of text, in row {listed}", file.name)
            )
    more = [Fault(f"and {len(faults) - 10} more columns", file.name)] if len(faults) > 10 else []
    return faults[:10] + more


def sort_labels(labels: Sequence[str]) -> Lines:
    """What each row or column is, told from its label."""
    lines = Lines()
    for i, text in enumerate(labels):
        left, _, right = text.partition("_")
        word = text.upper()
        if word in OUTPUT:
            lines.output.append(i)
        elif word in VALUE_ADDED:
            lines.value_added.append(i)
        elif word in TAXES or right.upper() in TAXES:
            lines.taxes.append(i)
        elif word in DISCREPANCY:
            lines.discrepancy.append(i)
        elif left.upper() in DEMANDS and len(right) == 3:  # before the next: NPS_AUS is no economy NPS
            lines.finals[i] = (right, left)
        elif right.upper() in DEMANDS:
            lines.finals[i] = (left, right)
        elif len(left) == 3 and right:
            lines.industries[i] = (left, right)
        else:
            lines.unknown.append(text)
    return lines


def cut(sheet: Sheet, where: str) -> Parts:
    """Cut a sheet into the parts of a table; InputError with every fault of its labels."""
    rows, columns = sort_labels(sheet.rows), sort_labels(sheet.columns)
    faults = [
        Fault(f"{side} label(s) not understood: {some(map(repr, lines.unknown))}", where, "CCC_industry, or a total")
        for side, lines in (("row", rows), ("column", columns))
        if lines.unknown
    ]
    if rows.finals:
        faults.append(Fault("final demand stands in the rows: is the table turned on its side?", where))
    if not rows.output and not columns.output:
        faults.append(Fault("no output: neither a row nor a column OUT (OUTPUT, TOTAL)", where, "is it cut off?"))
    if not rows.value_added:
        faults.append(Fault("no value added: no row VA (VALU)", where, "is it cut off?"))
    for what, found in (("row OUT", rows.output), ("column OUT", columns.output), ("row VA", rows.value_added)):
        if len(found) > 1:
            faults.append(Fault(f"{len(found)} times {what}", where, "keep one"))
    seller, buyer, final = (list(d) for d in (rows.industries, columns.industries, columns.finals))
    cells, notes = sheet.cells, []
    body = cells[seller]
    # What stands below final demand (taxes that final users pay) has no place in the table: say how much it is.
    apart = np.nansum(cells[np.ix_(rows.taxes, final)])
    if apart:
        notes.append(f"taxes less subsidies on final demand, {apart * 1e6:,.4g} USD in all, are not part of the table")
    if rows.value_added and sheet.rows[rows.value_added[0]].upper() == "VA+TAXSUB":
        notes.append("value added includes taxes less subsidies on products: the edition gives only their sum")
    parts = Parts(
        sellers=list(rows.industries.values()),
        buyers=list(columns.industries.values()),
        finals=list(columns.finals.values()),
        Z=body[:, buyer],
        Y=body[:, final],
        VA=cells[rows.value_added[0], buyer] if rows.value_added else np.zeros(len(buyer)),
        other=np.nan_to_num(cells[np.ix_(rows.taxes, buyer)]).sum(axis=0),
        x=np.zeros(0),
        discrepancy=np.nan_to_num(body[:, columns.discrepancy]).sum(axis=1),
        notes=notes,
    )
    faults += label_faults(parts, where)
    if faults:
        raise InputError("not an ICIO table", where=where, faults=faults)
    right = body[:, columns.output[0]] if columns.output else None
    if rows.output:
        # the last row is the one the input coefficients refer to
        at = {k: i for i, k in enumerate(parts.buyers)}
        bottom = cells[rows.output[0], buyer]
        parts.x, parts.output_of_sellers = bottom[[at[k] for k in parts.sellers]], right
    else:
        assert right is not None
        parts.x = right
    return parts


def classify(sectors: Sequence[str], edition: str | None, where: str) -> str:
    """The classification of a table: that of `edition`, which the codes must not contradict, or the codes' own."""
    found = next((name for name, marker in reversed(MARKERS) if any(re.fullmatch(marker, s) for s in sectors)), None)
    if edition is None:
        if found is None:
            raise UsageError(
                f"{where}: the industry codes ({some(dict.fromkeys(sectors))}) are of no edition known here",
                mend="name the edition: edition=2016, 2018, 2021, 2023 or 2025",
            )
        return found
    wanted = f"ICIO{edition}"
    known = [name for name, _ in MARKERS if name.startswith("ICIO")]
    if wanted not in known:
        editions = ", ".join(n.removeprefix("ICIO") for n in known)
        raise UsageError(f"no ICIO edition {edition!r}", mend=f"choose from {editions}")
    if found not in (None, wanted):
        raise UsageError(f"{where}: the industry codes are those of {found}, not of {wanted}", mend="leave edition out")
    return wanted
