"""World Bank / KNOMAD bilateral remittance matrix: what migrants of one economy send home to another in a year.

Two layouts are read:

- the publisher's workbook: a title with the year, a header row whose first cell says what runs which way (`receiving
  (across) / sending (down)`, or `sending_country` over the rows), names of economies, a WORLD row and column, notes
- a long file (CSV or Parquet) with the columns sending, receiving and musd (or value), and year if it holds several

A flow of layer `payments` goes from the sending economy (where the money is earned) to the receiving one. Values are
million USD in the file and USD in FLOWS. The matrix is the publisher's *estimate* from migrant stocks and incomes, not
a record of transactions; so is its basis here. WORLD is a sum: it is checked, never a flow.

Source: Ratha, D. and Shaw, W. (2007), South-South Migration and Remittances, World Bank Working Paper 102;
https://www.knomad.org/data/remittances
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.schemas import FLOWS, PERIOD_PATTERN
from weaponized_interdependence.sources.bilateral import (
    flows_of,
    holds,
    malformed_rows,
    matrix_cells,
    not_asked,
    zero_note,
)
from weaponized_interdependence.sources.files import opened, require, text_frame
from weaponized_interdependence.sources.reading import Check, FileStamp, Reading, count_reasons, stamp, summarise
from weaponized_interdependence.sources.workbook import Grid, read_grid
from weaponized_interdependence.terms import Basis, Layer

MILLION = 1e6
# The matrix of 2017 has 210 sending economies. Fewer than this is somebody's extract: world totals are not asked of it.
WHOLE = 150
ITEM = "KNOMAD:remittances"
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb")
BLANKS = ("-", "..", "n.a.")  # the publisher's marks for no estimate
Side = Literal["sending", "receiving"]
NOTE = "bilateral cells are the publisher's estimates from migrant stocks and incomes, not recorded transactions"


def read_remittances(paths: Sequence[Path], *, period: str | int | None = None, rows: Side | None = None) -> Reading:
    """Read bilateral remittances (workbook or long file) into FLOWS of layer `payments`, basis `estimated`.

    Parameters
    ----------
    period
        The year, where neither the title nor the file's name says it; of a long file with a column year, the only one
        to take.
    rows
        `sending` or `receiving`: what the rows of a workbook are, where its first heading does not say it.

    Raises
    ------
    UsageError
        The year, or which way the matrix runs, cannot be told.
    InputError
        The file has neither layout.
    """
    period = None if period is None else str(period)
    frames, rejected, notes, checks, stamps, zeros = [], [], [NOTE], [], [], 0
    held: list[str] = []
    unasked = 0
    for path in paths:
        if path.suffix.lower() in WORKBOOKS:
            grid = read_grid(path, choose_sheet)
            cells, check = workbook_cells(grid, path, period, rows)
            checks.append(check)
            stamps.append(stamp(path))
        else:
            cells, odd, others, stamped = long_cells(path, period)
            stamps.append(stamped)
            held.extend(others.drop_nulls())
            unasked += others.len()
            rejected.append(malformed_rows(str(path), odd))
        cells = cells.with_columns(item=pl.lit(ITEM))
        flows, refused, none = flows_of(
            cells, file=str(path), scheme="name", layer=Layer.PAYMENTS, scale=MILLION, basis=Basis.ESTIMATED
        )
        frames.append(flows)
        rejected.append(refused)
        zeros += none
    flows = FLOWS.conform(pl.concat(frames), where=", ".join(map(str, paths)))
    refused_rows = pl.concat(rejected)
    summary = summarise(flows)
    senders = max(summary["origins"].to_list(), default=0)
    if senders < WHOLE:
        notes.append(f"{senders} sending economies: read as an extract, so world totals are not asked of it")
    return Reading(
        name="remittances",
        flows=flows,
        rejected=refused_rows,
        files=tuple(stamps),
        checks=tuple(checks),
        notes=(*notes, *zero_note(zeros)),
        scope="whole" if senders >= WHOLE else "extract",
        summary=summary,
        nothing=holds(held, str(period)) if unasked else "",
        counts=not_asked(count_reasons(refused_rows), unasked),
    )


def choose_sheet(names: Sequence[str]) -> str:
    """The sheet with the matrix: named for remittances or BRM, else the first."""
    return next((n for n in names if re.search(r"remit\w*_?\d{4}|remittance|brm", n, re.IGNORECASE)), names[0])


def workbook_cells(grid: Grid, path: Path, period: str | None, rows: Side | None) -> tuple[pl.DataFrame, Check]:
    """The bilateral cells of a workbook, and the check of its WORLD totals."""
    at, side = heading_of(grid, path, rows)
    header = grid.row(at)
    year = period or year_of(grid, at, path)
    body = grid.cells[at + 1 :]
    # a column of cells without a heading is told, not dropped: whose they are is unknown
    nameless = {str(i): f"(column {i + 1}, no heading)" for i, name in enumerate(header) if i and not name}
    nameless = {i: name for i, name in nameless.items() if body[i].drop_nulls().cast(pl.Float64, strict=False).count()}
    names = {str(i): name for i, name in enumerate(header) if name and i} | nameless
    if len(set(names.values())) < len(names):
        twice = sorted({n for n in names.values() if list(names.values()).count(n) > 1})
        faults = [Fault(f"column {n!r} stands twice") for n in twice]
        raise InputError("not a matrix of remittances", where=str(path), faults=faults)
    frame = grid.cells.with_row_index("row", offset=1)[at + 1 :].select("row", "0", *names)
    # What has a label but no cell is a heading or a note below the matrix.
    frame = frame.filter(pl.any_horizontal(pl.col(list(names)).is_not_null()))
    frame = frame.rename({"0": "label", **names})
    if frame.is_empty():
        raise InputError("no rows below the header", where=str(path), mend="is it cut off?")
    cells = matrix_cells(frame, origins_in="rows" if side == "sending" else "columns", period=year)
    cells = cells.filter(pl.col("text").is_not_null() & ~pl.col("text").is_in(BLANKS))
    world = [pl.col(side).str.to_uppercase().fill_null("") == "WORLD" for side in ("origin", "destination")]
    return cells.filter(~world[0] & ~world[1]), world_check(cells, *world)


def heading_of(grid: Grid, path: Path, rows: Side | None) -> tuple[int, Side]:
    """(the header row, what the rows are)."""
    for i in range(min(grid.cells.height, 15)):
        cells = grid.row(i)
        if sum(1 for c in cells[1:] if c and not re.fullmatch(r"[-+.\deE]+", c)) < 2:
            continue
        said = (cells[0] or "").lower()
        ways = dict(re.findall(r"(sending|receiving)[^()/]*\((across|down)\)", said))
        sides: tuple[Side, Side] = ("sending", "receiving")
        down = [side for side in sides if ways.get(side) == "down"]
        alone = [side for side in sides if side in said]
        told = down or (alone if len(alone) == 1 else [])
        if rows is not None and told and told[0] != rows:
            raise UsageError(f"{path}: the heading {cells[0]!r} says the rows are {told[0]}", mend="leave rows out")
        if rows is None and not told:
            raise UsageError(
                f"{path}: the heading {cells[0] or ''!r} does not say which way the matrix runs",
                mend="give rows=sending (each row a sending economy) or rows=receiving",
            )
        return i, rows or told[0]
    raise InputError("no header row with names of economies was found", where=str(path), mend="is this the matrix?")


def year_of(grid: Grid, header: int, path: Path) -> str:
    """The year in the title above the header, else in the name of the sheet or the file."""
    titles = [c for i in range(header) for c in grid.row(i) if c]
    for text in (*titles, grid.sheet, path.stem):
        if found := re.search(r"(?<!\d)((?:19|20)\d\d)(?!\d)", text):
            return found.group(1)
    raise UsageError(f"{path} does not say its year", mend="give it: period=2021")


def world_check(cells: pl.DataFrame, origin_is_world: pl.Expr, destination_is_world: pl.Expr) -> Check:
    """Do the WORLD row and column equal the sums of the cells, to half a per cent?"""
    name, expected = "WORLD totals", "equal to the sums of the cells within 0.5%"
    numbers = cells.with_columns(value=pl.col("text").cast(pl.Float64, strict=False))
    inner = numbers.filter(~origin_is_world & ~destination_is_world)
    stated = numbers.filter((origin_is_world ^ destination_is_world) & pl.col("value").is_not_null())
    if stated.is_empty():
        return Check(name, expected, "the file has none", True, "info")
    sums = {
        "origin": dict(inner.group_by("origin").agg(pl.col("value").sum()).iter_rows()),
        "destination": dict(inner.group_by("destination").agg(pl.col("value").sum()).iter_rows()),
    }
    wrong = []
    for side, other, rows in (
        ("destination", "sending", stated.filter(origin_is_world)),
        ("origin", "receiving", stated.filter(destination_is_world)),
    ):
        for economy, total in rows.select(side, "value").iter_rows():
            if abs(sums[side].get(economy, 0.0) - total) > 5e-3 * abs(total) + 1e-3:
                wrong.append(f"{economy} over all {other}: {sums[side].get(economy, 0.0):,.6g}, stated {total:,.6g}")
    found = f"{len(wrong)} of {stated.height} differ: {'; '.join(wrong[:3])}" if wrong else f"all {stated.height} agree"
    return Check(name, expected, found, not wrong)


def long_cells(path: Path, period: str | None) -> tuple[pl.DataFrame, dict[int, list[str]], pl.Series, FileStamp]:
    """The cells of a long file, its malformed rows, the year of every row of another year than `period`, its stamp."""
    with opened([path]) as (file,):
        value = "musd" if "musd" in file.columns else "value"
        require(file, ["sending", "receiving", value])
        frame, odd = text_frame(file)
        stamped = file.stamp
    if period is None and "year" not in frame.columns:
        found = re.search(r"(?<!\d)((?:19|20)\d\d)(?!\d)", path.name)
        if found is None:
            raise UsageError(f"{path} does not say its year", mend="give it: period=2021")
        period = found.group(1)
    year = pl.col("year").cast(pl.String).str.strip_chars() if "year" in frame.columns else pl.lit(period)
    cells = frame.filter(~pl.col("row").is_in(list(odd))).select(
        pl.col("row").cast(pl.Int64),
        year.alias("period"),
        pl.col("sending").alias("origin"),
        pl.col("receiving").alias("destination"),
        pl.col(value).cast(pl.String).alias("text"),
    )
    if period is None or "year" not in frame.columns:
        return cells, odd, pl.Series("period", [], pl.String), stamped
    # a year that cannot be read is no other year: `flows_of` rejects it
    other = (pl.col("period") != period) & pl.col("period").str.contains(PERIOD_PATTERN)
    return cells.filter(~other.fill_null(False)), odd, cells.filter(other)["period"], stamped
