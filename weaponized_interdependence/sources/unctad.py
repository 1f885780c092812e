"""UNCTADstat merchandise trade matrix: country x country x SITC (revision 3) product, yearly, in thousand USD.

Two layouts: UNCTADstat's own CSV (Year, Economy, Partner, Flow, SitcRev3Product, value; economies by number, reports of
both sides) and a long form year, exporter, importer, sitc, value_kusd with ISO3 codes. Items are SITC:0 ... SITC:9 or
TOTAL, never both: the total is the sum of the sections.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Check, Reading, Reason
from weaponized_interdependence.sources.rows import Columns, Part, Rules, Years, gather, one_of, to_flows

_LONG = ("year", "exporter", "importer", "sitc", "value_kusd")
_OFFICIAL = ("Year", "Economy", "Partner", "Flow", "SitcRev3Product")
# The publisher has renamed the value column more than once.
_VALUES = ("US dollars at current prices in thousands", "US$ at current prices in thousands")
_KUSD = 1000.0
_TOTAL = ("TOTAL", "TOTAL ALL PRODUCTS")
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
    asked = Years(years)
    with opened(paths, encoding=encoding) as files:
        parts, sums = [], []
        for file in files:
            raw, odd = text_frame(file)
            layout = _long_form() if set(_LONG) <= set(file.columns) else _official_form(file, reporter_side)
            raw = asked.of(raw, layout.columns.period)
            sums.append(_sums(raw, layout))
            parts.append(_part(file, raw, odd, layout, items))
        whole = max(p.flows["origin"].n_unique() for p in parts) >= _WHOLE_ORIGINS
        scope, checks = items if whole else "extract", _sections_against_total(pl.concat(sums))
        return gather("unctad", parts, files, scope=scope, checks=checks, years=asked)


@dataclass(frozen=True)
class _Layout:
    columns: Columns
    sitc: pl.Expr
    extra: Rules


def _long_form() -> _Layout:
    columns = Columns(
        period=pl.col("year").cast(pl.String),
        origin=pl.col("exporter"),
        destination=pl.col("importer"),
        item=pl.col("sitc"),
        value=pl.col("value_kusd"),
        scheme="iso3",
        scale=_KUSD,
    )
    return _Layout(columns, pl.col("sitc").cast(pl.String), ())


def _official_form(file: Opened, side: str) -> _Layout:
    value = next((c for c in _VALUES if c in file.columns), _VALUES[0])
    require(file, [*_OFFICIAL, value])
    flow = pl.col("Flow").cast(pl.String).str.strip_chars_start("0")
    ends = ("Economy", "Partner") if side == "exporter" else ("Partner", "Economy")
    columns = Columns(
        period=pl.col("Year").cast(pl.String),
        origin=pl.col(ends[0]).cast(pl.String),
        destination=pl.col(ends[1]).cast(pl.String),
        item=pl.col("SitcRev3Product"),
        value=pl.col(value),
        scheme="baci",
        scale=_KUSD,
    )
    asked, other = ("2", "1") if side == "exporter" else ("1", "2")
    extra = [(Reason.OTHER_SIDE, flow == other), (Reason.OTHER_FLOW, (flow != asked).fill_null(True))]
    return _Layout(columns, pl.col("SitcRev3Product").cast(pl.String), extra)


def _part(file: Opened, raw: pl.DataFrame, odd: dict[int, list[str]], layout: _Layout, items: Items) -> Part:
    section, total = _is_section(layout.sitc), _is_total(layout.sitc)
    item = pl.when(section).then(pl.format("SITC:{}", layout.sitc)).when(total).then(pl.lit("TOTAL"))
    wanted = section if items == "sections" else total
    rules = [*layout.extra, (Reason.SUBTOTAL, layout.sitc.is_not_null() & ~wanted)]
    first = load_declaration("unctad").first_year
    return to_flows(file, raw, odd, replace(layout.columns, item=item), first_year=first, extra=rules)


def _sums(raw: pl.DataFrame, layout: _Layout) -> pl.DataFrame:
    """Per year: the sum over sections and the sum over TOTAL rows, without World and the other side's reports."""
    world = [
        e.str.strip_chars_start("0").is_in(["", "WLD"]) for e in (layout.columns.origin, layout.columns.destination)
    ]
    turned_away = pl.any_horizontal(*world, *(broken for _, broken in layout.extra))
    number = layout.columns.value.cast(pl.Float64, strict=False).fill_nan(None) * _KUSD
    rows = raw.filter(~turned_away).select(
        period=layout.columns.period,
        sections=pl.when(_is_section(layout.sitc)).then(number),
        total=pl.when(_is_total(layout.sitc)).then(number),
    )
    return rows.group_by("period").agg(pl.col("sections", "total").sum())


def _sections_against_total(sums: pl.DataFrame) -> list[Check]:
    """One check for all years in which both stand; none if there is no such year."""
    both = sums.group_by("period").sum().filter((pl.col("sections") > 0) & (pl.col("total") > 0)).sort("period")
    if both.is_empty():
        return []
    off = both.with_columns(ratio=pl.col("sections") / pl.col("total"))
    worst = off.sort((pl.col("ratio") - 1).abs(), descending=True).row(0, named=True)
    found = f"{worst['sections'] / 1e12:.3f} of {worst['total'] / 1e12:.3f} tn USD in {worst['period']}"
    ok = abs(worst["ratio"] - 1) <= _TOLERANCE
    return [Check("sections add up", f"to TOTAL within {_TOLERANCE:.1%}", found, ok)]


def _is_section(sitc: pl.Expr) -> pl.Expr:
    return sitc.str.contains(r"^\d$")


def _is_total(sitc: pl.Expr) -> pl.Expr:
    return sitc.str.to_uppercase().is_in(_TOTAL)
