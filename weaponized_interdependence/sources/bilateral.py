"""From (origin, destination, value) cells in a publisher's codes to FLOWS: what readers of moderate files share."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from weaponized_interdependence.harmonize.economies import keys_of_kind, lookup
from weaponized_interdependence.schemas import FLOWS, PERIOD_PATTERN, REJECTED
from weaponized_interdependence.sources.reading import Reason, reject_repeats, split
from weaponized_interdependence.terms import Basis, Layer

# One row above ten times world product is a slip of unit.
IMPOSSIBLE = 1e15
RECORD = ("period", "origin", "destination", "item", "text")


def flows_of(
    cells: pl.DataFrame, *, file: str, scheme: str, layer: Layer, scale: float | pl.Expr, basis: Basis = Basis.OBSERVED
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """(FLOWS in USD, REJECTED, zero cells that make no flow).

    Parameters
    ----------
    cells
        Columns row (of the file, first is 1; null where a cell has none), period, origin, destination (codes), item,
        text (the number as it stands in the file). More columns are ignored unless `scale` uses them.
    scheme
        Of the codes, see `harmonize.economies.SCHEMES`.
    scale
        USD for one of the file's unit; a row where it is null is rejected, for its unit is not known.
    """
    told = cells.with_columns(_scale=pl.lit(scale) if isinstance(scale, float) else scale)
    told = told.with_columns(value=pl.col("text").cast(pl.Float64, strict=False) * pl.col("_scale"))
    for side in ("origin", "destination"):
        codes = told[side].unique(maintain_order=True)
        known = pl.DataFrame({side: codes, f"{side}_iso3": lookup(codes, scheme).iso3})
        told = told.join(known, on=side, how="left", maintain_order="left", nulls_equal=True)
    sums = [k for k in keys_of_kind("aggregate") if k != "WLD"]
    ends = (pl.col("origin_iso3"), pl.col("destination_iso3"))
    good, rejected = split(
        told,
        [
            (Reason.BAD_PERIOD, ~pl.col("period").fill_null("").str.contains(PERIOD_PATTERN)),
            (Reason.FUTURE_PERIOD, pl.col("period").str.slice(0, 4).cast(pl.Int64, strict=False) > date.today().year),
            (Reason.UNKNOWN_ORIGIN, ends[0].is_null()),
            (Reason.UNKNOWN_DESTINATION, ends[1].is_null()),
            (Reason.WORLD_PARTNER, (ends[0] == "WLD") | (ends[1] == "WLD")),
            (Reason.GROUP_PARTNER, ends[0].is_in(sums) | ends[1].is_in(sums)),
            (Reason.MISSING_VALUE, pl.col("text").is_null()),
            (Reason.MIXED_UNIT, pl.col("_scale").is_null()),
            (Reason.NOT_A_NUMBER, pl.col("value").is_null()),
            (Reason.NOT_FINITE, ~pl.col("value").is_finite()),
            (Reason.NEGATIVE, pl.col("value") < 0),
            (Reason.TOO_LARGE, pl.col("value") > IMPOSSIBLE),
        ],
        file=file,
        record=RECORD,
    )
    good = good.with_columns(layer=pl.lit(str(layer)), unit=pl.lit("USD"), basis=pl.lit(str(basis)))
    key = ("period", "origin_iso3", "destination_iso3", "item")
    good, twice = reject_repeats(good, key=key, same=["value"], file=file, record=RECORD)
    flows = good.filter(pl.col("value") > 0).select(
        "period", "layer", "item", "value", "unit", "basis", origin="origin_iso3", destination="destination_iso3"
    )
    flows = flows.sort("period", "origin", "destination", "item")
    rejected = pl.concat([rejected, twice]).sort("row", maintain_order=True)
    return FLOWS.conform(flows, where=file), REJECTED.conform(rejected), good.height - flows.height


def power_of_ten(exponent: pl.Expr) -> pl.Expr:
    """10 to the power a file states as text; null where it states none, for 10**0 would be a guess."""
    number = exponent.cast(pl.Float64, strict=False)
    return pl.when(number.abs() <= 15, number == number.round()).then(pl.lit(10.0).pow(number))


def not_asked(counts: dict[str, int], unasked: int) -> tuple[tuple[str, int], ...] | None:
    """Complete counts of a reading where `unasked` rows were left out by an option: these are counted, not listed."""
    if not unasked:
        return None
    total = Counter(counts) + Counter({str(Reason.NOT_ASKED): unasked})
    return tuple(total.most_common())


def holds(held: Iterable[str], asked: str) -> str:
    """What to say if nothing is left: the periods there are, and the one asked for."""
    there = sorted(set(held))
    said = ", ".join(there) if len(there) < 8 else f"{len(there)} periods from {there[0]} to {there[-1]}"
    return f"the input holds {said or 'no period'}; asked for {asked}"


def zero_note(zeros: int) -> tuple[str, ...]:
    """The note on cells that are zero, if there are any."""
    return (f"{zeros:,} cells are zero (nothing, or not reported) and make no flow",) if zeros else ()


def malformed_rows(file: str, odd: Mapping[int, Sequence[str]]) -> pl.DataFrame:
    """REJECTED for the lines with a wrong number of cells, given as row -> cells."""
    records = [json.dumps({"cells": list(cells)}, ensure_ascii=False) for cells in odd.values()]
    return pl.DataFrame({"row": list(odd), "record": records}, schema={"row": pl.Int64, "record": pl.String}).select(
        pl.lit(file).alias("file"), "row", pl.lit(str(Reason.MALFORMED)).alias("reason"), "record"
    )


def matrix_cells(frame: pl.DataFrame, *, origins_in: str, period: str) -> pl.DataFrame:
    """The cells of a square of text (first column and header hold the codes) as row, period, origin, destination, text.

    `origins_in` is "rows" or "columns". A row without a label gives its cells that hold something, with a null code:
    whose they are cannot be known, and `flows_of` says so.
    """
    head, *others = [c for c in frame.columns if c != "row"]
    long = frame.unpivot(on=others, index=["row", head], variable_name="across", value_name="text")
    long = long.filter(pl.col(head).is_not_null() | pl.col("text").is_not_null())
    ends = (pl.col(head).cast(pl.String), pl.col("across"))
    origin, destination = ends if origins_in == "rows" else reversed(ends)
    return long.select(
        pl.col("row").cast(pl.Int64),
        pl.lit(period).alias("period"),
        origin.alias("origin"),
        destination.alias("destination"),
        pl.col("text").cast(pl.String),
    )
