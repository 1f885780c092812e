"""BIS consolidated banking statistics: claims of the banks of one nationality on the residents of another economy.

Three layouts are read; codes are the BIS's reference areas (ISO2 and its own, such as 5A for all reporting countries):

- a matrix: first column the nationality of the banks (creditor), one column for each counterparty (debtor)
- the bulk file with a column for each quarter (WS_CBS_PUB_csv_col): code columns L_REP_CTY, L_CP_COUNTRY ... and the
  same in words
- the bulk file with a row for each quarter (WS_CBS_PUB_csv_flat): `L_REP_CTY:Reporting country`, cells `US: United
  States`, TIME_PERIOD, OBS_VALUE

A flow of layer `claims` goes from creditor to debtor; it is an amount outstanding at the end of the quarter. Values are
million USD in the file and USD in FLOWS. Out of a bulk file the series are those of the BIS's own tables of foreign
claims: amounts outstanding (S), domestic banks without domestic positions (4R), total claims (C), all instruments,
maturities, currencies and sectors, on the immediate-counterparty basis (F) or that of the guarantor (U).

Source: Bank for International Settlements, Consolidated banking statistics, https://data.bis.org/topics/CBS
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.harmonize.economies import lookup
from weaponized_interdependence.schemas import FLOWS, PERIOD_PATTERN
from weaponized_interdependence.sources.bilateral import (
    flows_of,
    holds,
    malformed_rows,
    matrix_cells,
    not_asked,
    power_of_ten,
    zero_note,
)
from weaponized_interdependence.sources.files import Opened, mended, opened, require, scan, text_frame
from weaponized_interdependence.sources.reading import Reading, count_reasons
from weaponized_interdependence.terms import Layer

MILLION = 1e6
QUARTER = re.compile(r"(\d{4})-?(Q[1-4])")
# The dimensions of the publisher's data structure other than the two economies, and the code that is read.
SERIES = {
    "FREQ": "Q",
    "L_MEASURE": "S",
    "CBS_BANK_TYPE": "4R",
    "CBS_BASIS": "F",
    "L_POSITION": "C",
    "L_INSTR": "A",
    "REM_MATURITY": "A",
    "CURR_TYPE_BOOK": "TO1",
    "L_CP_SECTOR": "A",
}
BASES = {"F": "CBS:foreign_claims", "U": "CBS:foreign_claims_guarantor"}


def read_bis(
    paths: Sequence[Path], *, period: str | int | None = None, basis: str = "F", bank_type: str = "4R"
) -> Reading:
    """Read BIS consolidated claims (matrix or bulk file; CSV, .gz, .zip) into FLOWS of layer `claims`.

    Parameters
    ----------
    period
        Of a matrix: its quarter or year, where the file's name does not say it (2022Q4). Of a bulk file: the only
        period to take; by default all.
    basis
        F, immediate counterparty: where the debtor lives. U, guarantor: where the debt is guaranteed. A matrix does not
        say which it is: state U if it is.
    bank_type
        Of a bulk file: 4R, domestic banks without domestic positions, or 4B, with them.

    Raises
    ------
    UsageError
        The period of a matrix cannot be told, or no such basis.
    InputError
        The file has neither layout.
    """
    period = None if period is None else str(period)
    if basis not in BASES:
        raise UsageError(f"no basis {basis!r}", mend="F (immediate counterparty) or U (guarantor)")
    frames, rejected, notes, zeros, bulk = [], [], [], 0, False
    held: list[str] = []
    unasked = 0
    with opened(paths, delimiters=(",", ";")) as files:
        for file in files:
            if any(plain(c) == "L_REP_CTY" for c in file.columns):
                series = SERIES | {"CBS_BASIS": basis, "CBS_BANK_TYPE": bank_type}
                cells, malformed, note = bulk_cells(file, series)
                notes.append(note)
                if period:
                    held.extend(cells["period"].unique())
                    chosen = cells.filter(pl.col("period") == period_of(file.name, period))
                    unasked += cells.height - chosen.height
                    cells = chosen
                bulk = True
            else:
                cells, malformed = matrix_of(file, period)
            cells = cells.with_columns(item=pl.lit(BASES[basis]))
            flows, refused, none = flows_of(
                cells, file=file.name, scheme="bis", layer=Layer.CLAIMS, scale=pl.col("scale")
            )
            frames.append(flows)
            rejected += [malformed_rows(file.name, malformed), refused]
            zeros += none
        stamps = tuple(dict.fromkeys(f.stamp for f in files))
    refused_rows = pl.concat(rejected)
    return Reading(
        name="bis",
        flows=FLOWS.conform(pl.concat(frames), where=", ".join(map(str, paths))),
        rejected=refused_rows,
        files=stamps,
        notes=(*notes, *zero_note(zeros)),
        scope="whole" if bulk else "extract",
        nothing=holds(held, str(period)) if unasked else "",
        counts=not_asked(count_reasons(refused_rows), unasked),
    )


def plain(name: str) -> str:
    """`L_REP_CTY` of `L_REP_CTY:Reporting country`; `US` of `US: United States`."""
    return name.split(":", 1)[0].strip()


def matrix_of(file: Opened, period: str | None) -> tuple[pl.DataFrame, dict[int, list[str]]]:
    """The cells of a matrix, and its malformed rows."""
    if not lookup(pl.Series(file.columns[1:], dtype=pl.String), "bis").iso3.is_not_null().any():
        raise InputError(
            "is neither a matrix of claims (first column creditor, then one column a debtor) nor a BIS bulk file",
            where=file.name,
            mend="download WS_CBS_PUB_csv_col.zip or _flat.zip from https://data.bis.org/bulkdownload",
        )
    frame, malformed = text_frame(file)
    frame = frame.filter(~pl.col("row").is_in(list(malformed)))
    cells = matrix_cells(frame, origins_in="rows", period=period_of(file.name, period))
    return cells.with_columns(scale=pl.lit(MILLION)), malformed


def period_of(name: str, period: str | None) -> str:
    """The period given, else the quarter in the file's name.

    >>> period_of("bis_cbs_2022Q4_musd.csv", None), period_of("x.csv", "2019")
    ('2022-Q4', '2019')
    """
    if period is None:
        found = QUARTER.search(Path(name).name)
        if found is None:
            raise UsageError(f"{name} does not say its quarter", mend="give it: period=2022-Q4")
        return f"{found.group(1)}-{found.group(2)}"
    spelled = QUARTER.fullmatch(period)
    period = f"{spelled.group(1)}-{spelled.group(2)}" if spelled else period
    if not re.match(PERIOD_PATTERN, period):
        raise UsageError(f"{period!r} is not a period", mend="write 2022-Q4 or 2022")
    return period


def bulk_cells(file: Opened, series: Mapping[str, str]) -> tuple[pl.DataFrame, dict[int, list[str]], str]:
    """The cells of the series asked for, the malformed rows, and what was chosen from how many."""
    names = {plain(c): c for c in file.columns}
    require(file, [names.get(d, d) for d in (*series, "L_REP_CTY", "L_CP_COUNTRY")])
    fixed, malformed = mended(file) if file.layout is not None else (file, {})
    lines = scan(fixed, row="row").rename({c: k for k, c in names.items()})
    lines = lines.filter(~pl.col("row").is_in(list(malformed)))
    asked = pl.all_horizontal(code(d) == value for d, value in series.items())
    chosen, count = pl.collect_all([lines.filter(asked), lines.select(pl.len())])
    if chosen.is_empty():
        raise InputError(
            "holds none of the series read",
            where=file.name,
            mend=f"they are {', '.join(f'{d} {v}' for d, v in series.items())}; another basis or bank type?",
        )
    if "OBS_VALUE" in names:
        long = chosen.select("row", *ends(names), period=pl.col("TIME_PERIOD"), text=pl.col("OBS_VALUE"))
    else:
        quarters = [c for c in chosen.columns if QUARTER.fullmatch(c)]
        if not quarters:
            raise InputError("has no column of a quarter, such as 2022-Q4", where=file.name)
        long = chosen.select("row", *ends(names), *quarters).unpivot(
            on=quarters, index=["row", "origin", "destination", "scale"], variable_name="period", value_name="text"
        )
    # the publisher writes NaN, or nothing, where a series has no value in a quarter
    said = long.filter(pl.col("text").is_not_null() & (pl.col("text").str.to_lowercase() != "nan"))
    note = f"{chosen.height:,} of {count.item():,} lines are the series read: " + ", ".join(
        f"{d} {v}" for d, v in series.items()
    )
    return said.with_columns(pl.col("row").cast(pl.Int64)), malformed, note


def code(column: str) -> pl.Expr:
    """The code of a cell, with or without its text behind a colon."""
    return pl.col(column).str.split(":").list.first().str.strip_chars()


def ends(names: Mapping[str, str]) -> list[pl.Expr]:
    """Creditor, debtor, and USD for one of the line's unit (million USD where the file does not say)."""
    scale: pl.Expr = pl.lit(MILLION)
    if "UNIT_MULT" in names:
        scale = power_of_ten(code("UNIT_MULT"))
    return [code("L_REP_CTY").alias("origin"), code("L_CP_COUNTRY").alias("destination"), scale.alias("scale")]
