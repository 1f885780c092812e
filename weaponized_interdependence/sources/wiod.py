"""World Input-Output Database, 2013 release: 40 economies and the rest of the world, 35 industries, 1995 to 2011.

Two layouts are read:

- the publisher's workbook (WIOT09_ROW_Sep12.xlsx): four header rows (codes, names, economies, c-codes), four label
  columns, industries c1-c35, final demand c37, c38, c39, c41, c42, output last; below: r99 taxes less subsidies,
  r61-r63 adjustments, r64 value added, transport margins, r69 output
- the long form (a row for every cell that is not zero: year, row, col, value) with output in a companion file
  (year, row, output). Value added is then output less intermediate inputs: taxes and margins are inside it

Cells are million USD; the table comes back in USD. Romania is ROU (the workbook says ROM), RoW is ROW.

Source: Timmer, M. P., Dietzenbacher, E., Los, B., Stehrer, R. and de Vries, G. J. (2015), An Illustrated User Guide to
the World Input-Output Database, Review of International Economics 23(3): 575-605.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.io_table import Array
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
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
)
from weaponized_interdependence.sources.reading import Reading
from weaponized_interdependence.sources.workbook import Grid, read_grid

CLASSIFICATION = "WIOD13"
FINAL = ("c37", "c38", "c39", "c41", "c42")
INDUSTRY = re.compile(r"c([1-9]|[12]\d|3[0-5])")
VALUE_ADDED, OUTPUT, INTERMEDIATE = "r64", "r69", "r60"
# taxes less subsidies; cif/fob, purchases abroad and by non-residents; transport margins (the one row without a code)
OTHER = ("r99", "r61", "r62", "r63", "r65", "international transport margins")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls")


def read_wiod(
    paths: Sequence[Path],
    *,
    period: str | int | None = None,
    output: str | Path | None = None,
    names: str | Path | None = None,
) -> Reading:
    """Read one WIOD 2013 table, workbook or long form, into an IOTable in USD.

    Parameters
    ----------
    period
        The year, where neither the name nor the file says it.
    output
        Long form: the file with gross output (columns row, output). By default NAME_output.csv.gz or .csv beside
        NAME_long.parquet.
    names
        Long form: a file with the industries' names (columns code, industry). By default industries.csv beside it, if
        there is one.

    Raises
    ------
    InputError
        The file is not such a table, with every fault.
    UsageError
        The year cannot be told, or the long form has no companion with output.
    """
    path, period = one_path(paths, "wiod"), None if period is None else str(period)
    if path.suffix.lower() in WORKBOOKS:
        if output is not None or names is not None:
            raise UsageError("a workbook holds output and names itself", mend="leave output and names out")
        grid = read_grid(path, lambda sheets: next((s for s in sheets if "wiot" in s.lower()), sheets[0]))
        parts, titles = cut_workbook(grid, str(path))
        year, files, step, remainder = period or year_of(path.stem, grid.sheet), [path], 0.0, False
    else:
        companion = Path(output) if output is not None else companion_of(path)
        listed = Path(names) if names is not None else path.with_name("industries.csv")
        titles = read_names(listed) if names is not None or listed.exists() else {}
        parts, year = cut_long(path, companion, period)
        files, step = [path, companion, *([listed] if titles else [])], rounding_of(parts)
        remainder = True
    table = assemble(
        parts,
        economies=iso3_of([e for e, _ in (*parts.sellers, *parts.finals)], "iso3", {}, where=str(path)),
        period=year,
        classification=CLASSIFICATION,
        publisher="WIOD",
        sector_names=titles,
        where=str(path),
    )
    return table_reading("wiod", table, files, step=step, remainder=remainder, checks=output_check(parts))


def year_of(*names: str) -> str:
    """The year from names such as wiot09_row_sep12 or WIOT_2009.

    >>> year_of("wiot09_row_sep12"), year_of("WIOT95_ROW_Apr12"), year_of("table", "WIOT_2009")
    ('2009', '1995', '2009')
    """
    for name in names:
        if found := re.search(r"wiot[_-]?(\d{4}|\d{2})(?!\d)", name, re.IGNORECASE):
            digits = found.group(1)
            return digits if len(digits) == 4 else f"{'19' if int(digits) > 50 else '20'}{digits}"
    raise UsageError(f"no year in {' or '.join(map(repr, names))}", mend="give it: period=2011")


# --- the workbook -----------------------------------------------------------------------------------------------------


def cut_workbook(grid: Grid, where: str) -> tuple[Parts, dict[str, str]]:
    """The parts of the workbook and the industries' names."""
    columns = column_keys(grid, where)
    width = grid.cells.width
    body = [i for i, code in enumerate(grid.cells["3"]) if code and INDUSTRY.fullmatch(code) and grid.cells["2"][i]]
    sellers = [(str(grid.cells["2"][i]), str(grid.cells["3"][i])) for i in body]
    titles = {str(grid.cells["3"][i]): str(grid.cells["1"][i] or "") for i in body}
    last = max(body, default=grid.cells.height)
    under = enumerate(grid.cells.select("1", "3").iter_rows())
    below = {str(code or name).strip().lower(): i for i, (name, code) in under if i > last and (code or name)}
    uses = [k for k, key in columns.items() if INDUSTRY.fullmatch(key[1])]
    finals = [k for k, key in columns.items() if key[1] in FINAL]
    unknown = [f"{'_'.join(columns[k])}" for k in columns if k not in uses and k not in finals]
    faults = [Fault(f"column(s) not understood: {some(unknown)}", where)] if unknown else []
    for row, what in ((VALUE_ADDED, "value added"), (OUTPUT, "output")):
        if row not in below:
            faults.append(Fault(f"no row {row} ({what})", where, "is it cut off?"))
    cells = numbers(grid, [str(k) for k in range(4, width)], [*body, *below.values()], faults, where)
    at = {k: k - 4 for k in (*uses, *finals)}
    order = {row: i for i, row in enumerate([*body, *below.values()])}

    def part(rows: Sequence[int], chosen: Sequence[int]) -> Array:
        return cells[np.ix_([order[r] for r in rows], [at[k] for k in chosen])]

    if odd := [r for r in below if re.fullmatch(r"r\d+", r) and r not in (*OTHER, VALUE_ADDED, OUTPUT, INTERMEDIATE)]:
        faults.append(Fault(f"row(s) not understood: {some(odd)}", where))
    other = [i for name, i in below.items() if name in OTHER]
    value_added, output = ([below[r]] if r in below else [] for r in (VALUE_ADDED, OUTPUT))
    parts = Parts(
        sellers=sellers,
        buyers=[columns[k] for k in uses],
        finals=[columns[k] for k in finals],
        Z=part(body, uses),
        Y=part(body, finals),
        VA=part(value_added, uses).sum(axis=0),
        other=np.nan_to_num(part(other, uses)).sum(axis=0),
        x=np.zeros(len(sellers)),
    )
    faults += label_faults(parts, where)
    if faults:
        raise InputError("not a WIOD 2013 workbook", where=where, faults=faults)
    seat = {key: i for i, key in enumerate(parts.buyers)}
    parts.x = part(output, uses)[0][[seat[key] for key in sellers]]
    if total := last_column(grid):
        at[total] = total - 4
        parts.output_of_sellers = part(body, [total])[:, 0]
    apart = float(np.nansum(part(other, finals)))
    if apart:
        parts.notes.append(
            f"taxes, adjustments and margins on final demand, {apart * 1e6:,.4g} USD in all, are not part of the table"
        )
    return parts, titles


def column_keys(grid: Grid, where: str) -> dict[int, Key]:
    """Column position -> (economy, c-code), from the two header rows; the last column (output) is left out."""
    for i in range(1, min(grid.cells.height, 12)):
        codes, economies = grid.row(i), grid.row(i - 1)
        if sum(1 for c in codes[4:] if c and INDUSTRY.fullmatch(c)) >= 2:
            total = last_column(grid)
            return {
                k: (str(economies[k]), str(codes[k]))
                for k in range(4, len(codes))
                if k != total and (codes[k] or economies[k])
            }
    raise InputError(
        "no header row with industry codes c1, c2 ... was found",
        where=where,
        mend="this reads the WIOD 2013 release (industry by industry, c1-c35), not the one of 2016",
    )


def last_column(grid: Grid) -> int:
    """The position of the column `Total output`, 0 if there is none."""
    for i in range(min(grid.cells.height, 12)):
        for k, text in enumerate(grid.row(i)):
            if k > 3 and text and text.strip().lower() in ("total output", "output"):
                return k
    return 0


def numbers(grid: Grid, columns: Sequence[str], rows: Sequence[int], faults: list[Fault], where: str) -> Array:
    """The cells of `columns` in `rows` as numbers, NaN where blank; text adds a fault."""
    frame = grid.cells.select(columns)[list(rows)]
    cast = frame.select(pl.all().cast(pl.Float64, strict=False))
    text = [
        f"{frame[c][i]!r} in sheet row {rows[i] + 1} column {int(c) + 1}"
        for c in columns
        for i in (frame[c].is_not_null() & cast[c].is_null()).arg_true()
    ]
    if text:
        faults.append(Fault(f"{len(text)} cell(s) of text where a number is due: {some(text)}", where))
    return cast.fill_null(np.nan).to_numpy()


# --- the long form ----------------------------------------------------------------------------------------------------


def companion_of(path: Path) -> Path:
    """The file with gross output beside a long file; UsageError if there is none."""
    stem = re.sub(r"_long$", "", path.name.split(".")[0])
    tried = [path.with_name(f"{stem}_output{end}") for end in (".csv.gz", ".csv", ".parquet")]
    for candidate in tried:
        if candidate.exists():
            return candidate
    raise UsageError(
        f"no file with gross output beside {path.name}",
        mend=f"give it with output=PATH (columns row, output), or name it {tried[1].name}",
    )


def cut_long(path: Path, companion: Path, period: str | None) -> tuple[Parts, str]:
    """The parts of a table in long form, and its year."""
    faults: list[Fault] = []
    with opened([path, companion]) as (cells, totals):
        flows = labelled(cells, ("row", "col"), "value", faults)
        outputs = labelled(totals, ("row",), "output", faults)
    keys = outputs["row"].to_list()
    economies = dict.fromkeys(k.partition("_")[0] for k in keys)
    demands = [f"{e}_{d}" for e in economies for d in FINAL]
    if odd := [k for k in keys if not INDUSTRY.fullmatch(k.partition("_")[2])]:
        faults.append(Fault(f"label(s) that are not CCC_c1 to CCC_c35: {some(odd)}", str(companion)))
    for side, due in (("row", set(keys)), ("col", {*keys, *demands})):
        if odd := [k for k in flows[side].unique(maintain_order=True) if k not in due]:
            faults.append(Fault(f"{side} label(s) without gross output, or unknown: {some(odd)}", str(path)))
    year = the_year(flows, outputs, period, str(path), faults)
    if faults:
        raise InputError("not a WIOD table in long form", where=str(path), faults=faults)
    return place(flows, outputs, keys, demands), year


def labelled(file: Opened, labels: Sequence[str], value: str, faults: list[Fault]) -> pl.DataFrame:
    """The label columns as text, `value` as number, and `year` if there is one; adds what is wrong to `faults`."""
    require(file, [*labels, value])
    try:
        if file.layout is not None:
            frame = pl.read_csv(file.path, separator=file.layout.delimiter, infer_schema=False, glob=False)
        else:
            frame = pl.read_parquet(file.path, glob=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"is not a table: {str(error).splitlines()[0][:200]}", where=file.name) from error
    kept = [*labels, *(["year"] if "year" in frame.columns else [])]
    number = frame[value].cast(pl.Float64, strict=False)
    for what, wrong in (
        ("empty", frame[value].is_null()),
        ("text", frame[value].is_not_null() & number.is_null()),
        ("not finite", number.is_not_null() & ~number.is_finite()),
        ("without a label", frame.select(pl.any_horizontal(pl.col(labels).is_null())).to_series()),
        ("repeated", frame.select(pl.struct(labels).is_duplicated()).to_series()),
    ):
        if count := int(wrong.sum()):
            first = some((str(i + 1) for i in wrong.arg_true()), 3)
            faults.append(Fault(f"{count} cell(s) {what}, in row {first}", file.name))
    return frame.select(pl.col(kept).cast(pl.String)).with_columns(number)


def the_year(flows: pl.DataFrame, outputs: pl.DataFrame, period: str | None, where: str, faults: list[Fault]) -> str:
    """The one year of both files, which `period` may state but not contradict."""
    years = sorted({y for f in (flows, outputs) if "year" in f.columns for y in f["year"].drop_nulls().unique()})
    if not years and period is None:
        raise UsageError(f"{where} does not say its year", mend="give it: period=2011")
    if len({*years, *([period] if period else [])}) > 1:
        given = f", and period={period}" if period else ""
        faults.append(Fault(f"not one year: {some(years)}{given}", where, "one table and its output, one year"))
    return period or years[0]


def place(flows: pl.DataFrame, outputs: pl.DataFrame, keys: list[str], demands: list[str]) -> Parts:
    """The parts from cells in long form; a cell that does not stand there is zero."""
    seat = pl.Series(keys + demands, dtype=pl.Enum(keys + demands))
    row, column = (flows[c].cast(seat.dtype).to_physical().to_numpy() for c in ("row", "col"))
    cells = np.zeros((len(keys), len(keys) + len(demands)))
    cells[row, column] = flows["value"].to_numpy()
    Z, Y = cells[:, : len(keys)], cells[:, len(keys) :]
    x = outputs["output"].to_numpy().astype(np.float64)
    split = [tuple(k.split("_", 1)) for k in (*keys, *demands)]
    sellers: list[Key] = [(e, s) for e, s in split[: len(keys)]]
    return Parts(
        sellers=sellers,
        buyers=sellers,
        finals=[(e, d) for e, d in split[len(keys) :]],
        Z=Z,
        Y=Y,
        VA=x - Z.sum(axis=0),
        x=x,
        other=np.zeros(len(keys)),
        notes=["value added is output less intermediate inputs: taxes, adjustments and margins are inside it"],
    )


def rounding_of(parts: Parts) -> float:
    """The publisher's rounding in USD: a million where every cell is a whole million, else none."""
    whole = all(bool((a == np.round(a)).all()) for a in (parts.Z, parts.Y, parts.x))
    return 1e6 if whole else 0.0


def read_names(path: Path) -> dict[str, str]:
    """Industry code -> name."""
    with opened([path]) as (file,):
        require(file, ["code", "industry"])
        frame, _ = text_frame(file)
    return dict(frame.select("code", "industry").drop_nulls().iter_rows())
