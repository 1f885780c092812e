"""UNCTADstat merchandise trade matrix: country x country x SITC (revision 3) product, yearly, in thousand USD.

Two layouts: UNCTADstat's own CSV (Year, Economy, Partner, Flow, SitcRev3Product, value; economies by number, both sides'
reports) and a long form year, exporter, importer, sitc, value_kusd with ISO3 codes. Items are SITC:0 ... SITC:9 or TOTAL,
never both: the total is the sum of the sections.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Check, Reading, Reason
from weaponized_interdependence.sources.rows import Columns, Part, gather, one_of, to_flows

_LONG = ("year", "exporter", "importer", "sitc", "value_kusd")
_OFFICIAL = ("Year", "Economy", "Partner", "Flow", "SitcRev3Product")
# The publisher has renamed the value column more than once.
_VALUES = ("US dollars at current prices in thousands", "US$ at current prices in thousands")
_KUSD = 1000.0
_TOTAL = ("TOTAL", "000", "0-9")
_WHOLE_ORIGINS = 150
_TOLERANCE = 0.005
Items = Literal["sections", "total"]


def read_unctad(
    paths: Sequence[Path],
    *,
    items: Items = "sections",
    reporter_side: Literal["exporter", "importer"] = "exporter",
    years: Sequence[int] | None = None,
    encoding: str = "utf-8",
) -> Reading:
    """Read the merchandise trade matrix into FLOWS.

    Parameters
    ----------
    items
        `sections`: SITC:0 ... SITC:9; `total`: TOTAL. The other rows, and finer products or special groups, are
        rejected as `item is a subtotal`, because beside the sections they count twice.
    reporter_side
        UNCTADstat's own CSV holds each flow twice, as exports (Flow 2) and as imports (Flow 1); one is read and the
        other is rejected as `reported by the other side`.
    years
        Keep only these.
    encoding
        Of the text, where it is not UTF-8 (`cp1252`).

    Notes
    -----
    A check compares the sum of the sections with TOTAL, where the input has both.
    """
    one_of("items", items, ("sections", "total"))
    one_of("reporter_side", reporter_side, ("exporter", "importer"))
    with opened(paths, encoding=encoding) as files:
        parts = [_read_file(file, items, reporter_side, years) for file in files]
        taken = pl.concat([p.flows for p in parts])
        whole = taken["origin"].n_unique() >= _WHOLE_ORIGINS
        notes = [f"only the years {', '.join(map(str, years))} were asked for"] if years else []
        checks = _sections_against_total(parts)
        reading = gather("unctad", parts, files, scope=items if whole else "extract", notes=notes, checks=checks)
    return replace(reading, rejected=reading.rejected)


def _read_file(file: Opened, items: Items, side: str, years: Sequence[int] | None) -> Part:
    raw, odd = text_frame(file)
    if set(_LONG) <= set(file.columns):
        columns, sitc, extra = _long_form()
    else:
        columns, sitc, extra = _official_form(file, side)
    if years:
        raw = raw.filter(columns.period.cast(pl.Int32, strict=False).is_in(list(years)))
    section, total = sitc.str.contains(r"^\d$"), sitc.str.to_uppercase().is_in(_TOTAL)
    wanted = section if items == "sections" else total
    item = pl.when(section).then(pl.format("SITC:{}", sitc)).when(total).then(pl.lit("TOTAL"))
    known = sitc.is_not_null()
    rules = [(Reason.SUBTOTAL, known & ~wanted), *extra]
    raw = raw.with_columns(_sitc=sitc, _total=total)
    return to_flows(
        file, raw, odd, replace(columns, item=item), first_year=load_declaration("unctad").first_year, extra=rules
    )
