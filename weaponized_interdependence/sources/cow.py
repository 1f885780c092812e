"""Correlates of War dyadic trade v4: yearly totals of pairs of states, in million USD.

One row is a dyad and year: flow1 is what state 1 imports from state 2, flow2 what state 2 imports from state 1, so a
row makes two flows. -9 means missing. Some copies list each dyad in both orders; then one order is read.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Reading, Reason
from weaponized_interdependence.sources.rows import Columns, Part, Years, gather, to_flows

_MILLION = 1e6
# States in the system in a year: about 75 in 1950 and 195 today; an extract has fewer.
_WHOLE_ORIGINS = 60


def read_cow(
    paths: Sequence[Path], *, smooth: bool = False, years: Sequence[int] | None = None, encoding: str = "utf-8"
) -> Reading:
    """Read COW dyadic trade (CSV or Parquet) into FLOWS, item TOTAL.

    Parameters
    ----------
    smooth
        Read smoothflow1 and smoothflow2 (the publisher's smoothed series; basis `estimated`) in place of the flows.
    years
        Keep only these.
    encoding
        Of the text, where it is not UTF-8 (`cp1252`).

    Notes
    -----
    A missing flow (-9 or empty) is a row given back with the reason `not reported`, once for each direction. Flows of
    zero are observations and are kept. Where both orders of a dyad stand in the file and agree, the row with the larger
    first code is given back as `reported by the other side`; where they differ, as `conflicting row`.
    """
    values = ("smoothflow1", "smoothflow2") if smooth else ("flow1", "flow2")
    asked = Years(years)
    parts, notes = [], []
    with opened(paths, encoding=encoding) as files:
        for file in files:
            require(file, ["ccode1", "ccode2", "year", *values])
            raw, odd = text_frame(file)
            raw = asked.of(raw, _whole("year"), rows=2)
            marked, mirrored = _mirrors(raw, values)
            if mirrored:
                name = Path(file.name).name
                notes.append(f"{name}: each dyad in both orders; {mirrored} mirrored rows say the same twice")
            parts += [_direction(file, marked, odd, n, values, smooth=smooth) for n in (1, 2)]
        economies = max((p.flows["origin"].n_unique() for p in parts), default=0)
        scope = "total" if economies >= _WHOLE_ORIGINS and not years else "extract"
        return gather("cow", parts, files, scope=scope, notes=notes, years=asked)


def _direction(
    file: Opened, raw: pl.DataFrame, odd: dict[int, list[str]], importer: int, values: tuple[str, str], *, smooth: bool
) -> Part:
    """The flows into state `importer` (1 or 2) of each dyad."""
    exporter, cell = 3 - importer, pl.col(values[importer - 1])
    columns = Columns(
        period=_whole("year").cast(pl.String),
        origin=_whole(f"ccode{exporter}").cast(pl.String),
        destination=_whole(f"ccode{importer}").cast(pl.String),
        item=pl.lit("TOTAL"),
        value=cell,
        scheme="cow",
        scale=_MILLION,
        basis="estimated" if smooth else "observed",
    )
    missing = cell.is_null() | (cell.cast(pl.Float64, strict=False) == -9)
    extra = [
        (Reason.OTHER_SIDE, pl.col("_mirror")),
        (Reason.CONFLICTING, pl.col("_conflict")),
        (Reason.NOT_REPORTED, missing),
    ]
    return to_flows(file, raw, odd, columns, first_year=load_declaration("cow").first_year, extra=extra)


def _mirrors(raw: pl.DataFrame, values: tuple[str, str]) -> tuple[pl.DataFrame, int]:
    """`raw` with `_mirror`, true for the second order of a dyad that says the same as the first, and `_conflict`, true
    for one that says something else; and how many mirrors there are.
    """
    one, two = _whole("ccode1"), _whole("ccode2")
    sides = raw.select("row", year=_whole("year"), one=one, two=two, a=pl.col(values[0]), b=pl.col(values[1]))
    other = sides.filter(pl.col("one") < pl.col("two")).select("year", one="two", two="one", a="b", b="a")
    both = sides.join(other.unique(["year", "one", "two"]), on=["year", "one", "two"], how="inner")
    same = pl.col("a").eq_missing(pl.col("a_right")) & pl.col("b").eq_missing(pl.col("b_right"))
    agree, differ = both.filter(same)["row"], both.filter(~same)["row"]
    row = pl.col("row")
    marked = raw.with_columns(_mirror=row.is_in(agree.implode()), _conflict=row.is_in(differ.implode()))
    return marked, len(agree)


def _whole(name: str) -> pl.Expr:
    """A whole number, also where a program saved it as 2.0."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when(number == number.round()).then(number).cast(pl.Int32, strict=False)
