"""World Bank World Development Indicators: GDP, population and trade totals of each economy and year.

The layout of the publisher's download is read (API_NY.GDP.MKTP.CD_DS2_en_csv_v2_....csv, alone or in its zip): four
lines of preamble, then Country Name, Country Code, Indicator Name, Indicator Code and a column for each year; also the
same without preamble (WDICSV.csv of the bulk download). Empty cells are years without a figure. Groups of economies
(WLD, EUU, AFE ...) are rejected by name.

Source: World Bank, World Development Indicators (CC BY 4.0), https://datatopics.worldbank.org
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.harmonize.economies import keys_of_kind, lookup
from weaponized_interdependence.schemas import MACRO, REJECTED
from weaponized_interdependence.sources.bilateral import holds, not_asked
from weaponized_interdependence.sources.files import Opened, opened
from weaponized_interdependence.sources.reading import Check, Reading, Reason, count_reasons, reject_repeats, split

# publisher's code -> (indicator of MACRO, unit)
INDICATORS = {
    "NY.GDP.MKTP.CD": ("gdp", "USD"),
    "SP.POP.TOTL": ("population", "persons"),
    "NE.IMP.GNFS.CD": ("imports", "USD"),
    "NE.EXP.GNFS.CD": ("exports", "USD"),
}
# Every release has about 215 economies. Fewer than this is an extract: world totals are not asked of it.
WHOLE = 150
NAME, CODE, INDICATOR = "Country Name", "Country Code", "Indicator Code"
RECORD = (NAME, CODE, INDICATOR, "period", "text")


def read_wdi(paths: Sequence[Path], *, years: Sequence[int] | None = None) -> Reading:
    """Read World Bank indicator downloads (CSV, .gz, .zip) into MACRO.

    Parameters
    ----------
    years
        Keep only these; by default all. Figures of other years are counted as outside the selection.

    Raises
    ------
    InputError
        Not this layout, or none of the indicators known here.
    """
    frames, rejected, notes, checks = [], [], [], []
    held: list[str] = []
    unasked = 0
    asked = None if years is None else [str(year) for year in years]
    with opened(paths, wanted=lambda name: Path(name).name.startswith(("API_", "WDI"))) as files:
        for file in files:
            cells, others = cells_of(file)
            if asked is not None:
                held.extend(cells["period"].unique())
                chosen = cells.filter(pl.col("period").is_in(asked))
                unasked += cells.height - chosen.height
                cells = chosen
            if others:
                notes.append(f"{others} other indicators in {Path(file.name).name} are left alone")
            macro, refused = macro_of(cells, file.name)
            frames.append(macro)
            rejected.append(refused)
            checks.append(world_check(cells, macro))
        stamps = tuple(dict.fromkeys(f.stamp for f in files))
    macro = MACRO.conform(pl.concat(frames).sort("indicator", "period", "economy"), where=", ".join(map(str, paths)))
    refused_rows = REJECTED.conform(pl.concat(rejected))
    summary = summary_of(macro)
    most = summary.group_by("layer").agg(pl.col("origins").max())["origins"].to_list()
    whole = min(most, default=0) >= WHOLE
    if most and not whole:
        notes.append(f"{min(most)} economies at most: read as an extract, so world totals are not asked of it")
    return Reading(
        name="wdi",
        macro=macro,
        rejected=refused_rows,
        files=stamps,
        checks=tuple(checks),
        notes=tuple(notes),
        scope="whole" if whole else "extract",
        summary=summary,
        nothing=holds(held, ", ".join(asked or ())) if unasked else "",
        counts=not_asked(count_reasons(refused_rows), unasked),
    )


def cells_of(file: Opened) -> tuple[pl.DataFrame, int]:
    """One row an economy, indicator and year with a figure (row, text and the label columns); indicators left alone."""
    if file.layout is None:
        raise InputError("is not CSV", where=file.name, mend="give the publisher's CSV or zip")
    skip, header = header_of(file)
    refuse_cut_end(file, header)
    names = [name or f"blank {i}" for i, name in enumerate(header)]
    try:
        frame = pl.read_csv(
            file.path, has_header=False, skip_rows=skip, schema=dict.fromkeys(names, pl.String), glob=False
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"is not a table: {str(error).splitlines()[0][:200]}", where=file.name, mend="is it cut off?"
        ) from error
    frame = frame.with_row_index("row", offset=1).with_columns(pl.col(pl.String).str.strip_chars())
    wanted = [n for n in names if re.fullmatch(r"\d{4}", n)]
    if not wanted:
        raise InputError("has no column of a year, such as 2020", where=file.name, mend="is this the download's table?")
    known = frame.filter(pl.col(INDICATOR).is_in(list(INDICATORS)))
    others = frame.filter(~pl.col(INDICATOR).is_in(list(INDICATORS)))[INDICATOR].n_unique()
    if known.is_empty():
        listed = ", ".join(INDICATORS)
        raise InputError("holds none of the indicators read", where=file.name, mend=f"they are {listed}")
    long = known.unpivot(on=wanted, index=["row", NAME, CODE, INDICATOR], variable_name="period", value_name="text")
    return long.filter(pl.col("text").is_not_null() & (pl.col("text") != "")), others


def header_of(file: Opened) -> tuple[int, list[str]]:
    """(lines to skip, the names of the columns); InputError if no line is the header."""
    with file.path.open(encoding="utf-8-sig", newline="") as stream:
        for number, line in enumerate(stream, 1):
            cells = next(csv.reader([line]), [])
            if {NAME, CODE, INDICATOR} <= set(cells):
                return number, [c.strip() for c in cells]
            if number == 20:
                break
    raise InputError(
        f"no line names {NAME}, {CODE} and {INDICATOR}",
        where=file.name,
        mend="this reads World Bank downloads, API_..._DS2_en_csv_v2_....csv",
    )


def refuse_cut_end(file: Opened, header: Sequence[str]) -> None:
    """InputError for a last line without its end and with fewer cells than the header (the preamble has only three)."""
    with file.path.open("rb") as stream:
        stream.seek(max(0, file.path.stat().st_size - (1 << 16)))
        tail = stream.read()
    last = tail.rsplit(b"\n", 1)[-1].decode("utf-8", "replace")
    if last and len(next(csv.reader([last]), [])) < len(header) - (header[-1] == ""):
        raise InputError("the last line has no end: the file was cut off", where=file.name, mend="fetch it again")


def macro_of(cells: pl.DataFrame, file: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(MACRO, REJECTED). A group of economies is rejected once, not once a year."""
    codes = cells[CODE].unique(maintain_order=True)
    told = cells.join(pl.DataFrame({CODE: codes, "economy": lookup(codes, "iso3").iso3}), on=CODE, how="left")
    told = told.with_columns(value=pl.col("text").cast(pl.Float64, strict=False))
    group = pl.col("economy").is_in(keys_of_kind("aggregate"))
    once = pl.col("period") == pl.col("period").last().over("row")
    good, rejected = split(
        told.filter(~group.fill_null(False) | once),
        [
            (Reason.AGGREGATE, group),
            (Reason.UNKNOWN_ORIGIN, pl.col("economy").is_null()),
            (Reason.NOT_A_NUMBER, pl.col("value").is_null()),
            (Reason.NOT_FINITE, ~pl.col("value").is_finite()),
            (Reason.NEGATIVE, pl.col("value") < 0),
        ],
        file=file,
        record=RECORD,
    )
    good, twice = reject_repeats(good, key=(CODE, INDICATOR, "period"), same=["value"], file=file, record=RECORD)
    named = {code: name for code, (name, _) in INDICATORS.items()}
    units = {code: unit for code, (_, unit) in INDICATORS.items()}
    macro = good.select(
        "period",
        "economy",
        "value",
        indicator=pl.col(INDICATOR).replace_strict(named),
        unit=pl.col(INDICATOR).replace_strict(units),
        basis=pl.lit("observed"),
    )
    return macro, pl.concat([rejected, twice])


def world_check(cells: pl.DataFrame, macro: pl.DataFrame) -> Check:
    """Do the economies together stay below the publisher's World row? Below it they may: some have no figures."""
    name, expected = "economies against the World row", "at most 100.5% in any year"
    stated = cells.filter(pl.col(CODE) == "WLD").select(
        "period",
        indicator=pl.col(INDICATOR).replace_strict({code: name for code, (name, _) in INDICATORS.items()}),
        stated=pl.col("text").cast(pl.Float64, strict=False),
    )
    summed = macro.group_by("period", "indicator").agg(pl.col("value").sum())
    both = stated.join(summed, on=["period", "indicator"]).filter(pl.col("stated") > 0)
    if both.is_empty():
        return Check(name, expected, "the file has no World row", True, "info")
    both = both.with_columns(part=pl.col("value") / pl.col("stated")).sort("part")
    low, high = both["part"][0], both["part"][-1]
    return Check(name, expected, f"{low:.1%} to {high:.1%}", high <= 1.005)


def summary_of(macro: pl.DataFrame) -> pl.DataFrame:
    """What the declaration's expectations look at: one row a period and indicator, GDP and population only."""
    return (
        macro.filter(pl.col("indicator").is_in(["gdp", "population"]))
        .group_by("period", layer=pl.col("indicator"), unit=pl.col("unit"))
        .agg(rows=pl.len(), value=pl.col("value").sum(), origins=pl.col("economy").n_unique())
        .with_columns(destinations=pl.col("origins"), items=pl.lit(1))
        .sort("period", "layer")
    )
