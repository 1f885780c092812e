"""Rows of a publisher's file to FLOWS, for files that fit in memory: one place for the rules all of them share.

A reader says where each part of a flow stands (expressions over the raw columns); `to_flows` types, maps, judges and
parts good from rejected; `gather` joins files, looks for repeated keys and makes the Reading.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.harmonize.concordances import hs_chapters
from weaponized_interdependence.harmonize.economies import keys_of_kind, lookup
from weaponized_interdependence.harmonize.items import CLASSIFICATIONS, item_faults, split_item
from weaponized_interdependence.schemas import FLOWS, PERIOD_PATTERN, REJECTED
from weaponized_interdependence.sources.files import Opened
from weaponized_interdependence.sources.reading import Check, Reading, Reason, as_rejected, reason_of

Rules = Sequence[tuple[Reason, pl.Expr]]
MOST = 1e15  # USD in one row: ten times world product
MISSING_WORDS = ("NA", "N/A", "NaN", "nan", "null", "NULL", ".", "..", "-", "_")


@dataclass(frozen=True)
class Columns:
    """Where the parts of a flow stand in a file: expressions over its raw columns.

    `origin` and `destination` are codes in `scheme` (None: node ids of the user's own, taken as they are). `value` is
    the raw cell, text or number, and is multiplied by `scale`; so are `quantity` and `quantity_scale`.
    """

    period: pl.Expr
    origin: pl.Expr
    destination: pl.Expr
    item: pl.Expr
    value: pl.Expr
    scheme: str | None
    scale: float = 1.0
    quantity: pl.Expr | None = None
    quantity_scale: float = 1.0
    quantity_unit: pl.Expr | str | None = None
    unit: str = "USD"
    layer: pl.Expr | str = "goods"
    basis: pl.Expr | str = "observed"


@dataclass(frozen=True)
class Part:
    """One file's share of a reading: `flows` has FLOWS' columns and `row`; `raw` the file's own rows."""

    file: Opened
    raw: pl.DataFrame
    flows: pl.DataFrame
    rejected: pl.DataFrame
    notes: tuple[str, ...]


@dataclass
class Years:
    """The years asked for (None: all), and the rows of other years, which are counted and not given back.

    A year that cannot be read is not another year: its row stays, to be rejected.
    """

    asked: Sequence[int] | None
    left: dict[str, int] = field(default_factory=dict)  # year -> rows

    def of(self, raw: pl.DataFrame, period: pl.Expr, *, rows: int = 1) -> pl.DataFrame:
        """`raw` without the rows of other years; each of them counts as `rows`."""
        if not self.asked:
            return raw
        year = period.cast(pl.String).str.strip_chars().str.extract(r"^(\d{4})(?:\D|$)", 1).alias("_year")
        other = (~year.is_in([str(y) for y in self.asked])).fill_null(False)
        for found, n in raw.filter(other).select(year).to_series().value_counts().iter_rows():
            self.left[found] = self.left.get(found, 0) + n * rows
        return raw.filter(~other)

    def applied(self, reading: Reading) -> Reading:
        """`reading` with the count of the rows left out, the note that says so, and what to say if nothing is left."""
        if not self.asked:
            return reading
        asked = ", ".join(map(str, self.asked))
        counts = reading.rejected_counts
        if out := sum(self.left.values()):
            counts[str(Reason.NOT_ASKED)] = counts.get(str(Reason.NOT_ASKED), 0) + out
        held = f"the input holds {', '.join(sorted(self.left))}; asked for {asked}" if self.left else ""
        note = f"only the years {asked} were asked for; {out:,} rows of other years are counted and not given back"
        ordered = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
        return replace(reading, counts=ordered, notes=(*reading.notes, note), nothing=held)


def to_flows(
    file: Opened,
    raw: pl.DataFrame,
    odd: dict[int, list[str]],
    columns: Columns,
    *,
    first_year: int,
    extra: Rules = (),
    sums: Literal["reject", "keep"] = "reject",
) -> Part:
    """Judge the rows of one file. Every row of `raw` is in exactly one of `flows` and `rejected`.

    Parameters
    ----------
    raw, odd
        As `files.text_frame` gives them; helper columns of the reader begin with `_`.
    first_year
        Earlier periods are rejected.
    extra
        The reader's own rules over the raw columns; they are asked before the shared ones.
    sums
        What to do with a World or group partner.
    """
    quantity = columns.quantity if columns.quantity is not None else pl.lit(None, pl.Float64)
    made = raw.with_columns(
        period=columns.period.cast(pl.String),
        item=columns.item.cast(pl.String),
        layer=_text(columns.layer),
        _from=columns.origin.cast(pl.String),
        _to=columns.destination.cast(pl.String),
        _value=columns.value,
        _quantity=quantity,
        _quantity_unit=_text(columns.quantity_unit),
        _basis=_text(columns.basis),
    )
    whole = pl.col("period").str.contains(PERIOD_PATTERN)
    made = made.with_columns(*_numbers(made, columns), period=pl.when(whole).then("period"))
    made, strange = _with_items(made)
    made, notes = _with_economies(made, columns.scheme)
    notes = strange + notes
    judged = made.with_columns(reason=reason_of([*_odd_rule(odd), *extra, *_rules(first_year, sums)]))
    # the record shows the file's own cells, some of whose columns bear the names of ours
    told = judged.filter(pl.col("reason").is_not_null()).select("row", "reason")
    bad = raw.join(told, on="row", how="inner", maintain_order="left")
    rejected = _with_odd_cells(as_rejected(bad, file=file.name, record=_record(raw)), odd)
    flows = judged.filter(pl.col("reason").is_null()).select(
        "period",
        "layer",
        "origin",
        "destination",
        "item",
        "value",
        "quantity",
        pl.col("_quantity_unit").alias("quantity_unit"),
        pl.lit(columns.unit).alias("unit"),
        pl.col("_basis").alias("basis"),
        pl.col("row").cast(pl.Int64),
    )
    return Part(file, raw, flows, rejected, tuple(f"{Path(file.name).name}: {n}" for n in notes))


def gather(
    name: str,
    parts: Sequence[Part],
    files: Sequence[Opened],
    *,
    scope: str,
    notes: Sequence[str] = (),
    checks: Sequence[Check] = (),
    years: Years | None = None,
) -> Reading:
    """Join the files' parts into one Reading. Of a key that comes again the first is kept; nothing is added up."""
    flows = pl.concat(p.flows.with_columns(_part=pl.lit(n)) for n, p in enumerate(parts))
    flows, again = _first_of_each_key(flows, parts)
    rejected = pl.concat([*(p.rejected for p in parts), again])
    annual = flows.select((pl.col("period").str.len_chars() == 4).alias("a"))["a"]
    if annual.any() and not annual.all():
        checks = [*checks, Check("cadence", "years, or parts of years", "both: a year counts its parts again", False)]
    reading = Reading(
        name,
        flows=flows.select(*FLOWS.schema),
        rejected=rejected,
        files=tuple(dict.fromkeys(f.stamp for f in files)),
        notes=(*notes, *(n for p in parts for n in p.notes)),
        checks=tuple(checks),
        scope=scope,
    )
    return years.applied(reading) if years else reading


def one_of(option: str, value: object, allowed: Sequence[object]) -> None:
    """UsageError unless an option has one of its values."""
    if value not in allowed:
        raise UsageError(f"{option}={value!r} is not known", mend=f"one of {', '.join(map(str, allowed))}")


def _numbers(made: pl.DataFrame, columns: Columns) -> list[pl.Expr]:
    """`value`, `quantity` as numbers, and flags for cells that are empty or no number."""
    out: list[pl.Expr] = []
    for name, scale in (("value", columns.scale), ("quantity", columns.quantity_scale)):
        cell = pl.col(f"_{name}")
        if made.schema[f"_{name}"] == pl.String:
            cell = pl.when(~cell.is_in(MISSING_WORDS)).then(cell)
        number = cell.cast(pl.Float64, strict=False)
        if name == "quantity":
            number = number.fill_nan(None)
        out += [
            (number * scale).alias(name),
            cell.is_null().alias(f"_{name}_empty"),
            number.is_null().alias(f"_{name}_odd"),
        ]
    return out


def _text(given: pl.Expr | str | None) -> pl.Expr:
    return given.cast(pl.String) if isinstance(given, pl.Expr) else pl.lit(given, pl.String)


def _with_items(made: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Null for items whose classification or code is none; and what is wrong with them."""
    written = made["item"].drop_nulls().unique()
    said = {item: fault for item in written.filter(written.str.contains(":")).sort() if (fault := strange_item(item))}
    if not said:
        return made, []
    notes = [f"unknown item: {fault}" for fault in list(said.values())[:10]]
    if len(said) > 10:
        notes.append(f"unknown item: and {len(said) - 10} more codes")
    return made.with_columns(item=pl.when(~pl.col("item").is_in(list(said))).then("item")), notes


def strange_item(item: str) -> Fault | None:
    """What is wrong with an item as it is written, if anything; of HS its chapter must exist."""
    if faults := item_faults([item]):
        return faults[0]
    head, code = split_item(item)
    if head.startswith("HS") and head in CLASSIFICATIONS and code[:2] not in chapters():
        return Fault(f"{item!r}: HS has no chapter {code[:2]}", mend="correct the code; were leading zeros lost?")
    return None


@cache
def chapters() -> frozenset[str]:
    """The chapters of the Harmonized System."""
    return frozenset(hs_chapters()["chapter"])


def _with_economies(made: pl.DataFrame, scheme: str | None) -> tuple[pl.DataFrame, list[str]]:
    if scheme is None:
        return made.with_columns(origin=pl.col("_from"), destination=pl.col("_to")), []
    notes: list[str] = []
    for code, end in (("_from", "origin"), ("_to", "destination")):
        found = lookup(made[code], scheme, on=made["period"])
        made = made.with_columns(found.iso3.alias(end))
        notes += [f"unknown {end}: {fault}" for fault in found.faults[:10]]
        if len(found.faults) > 10:
            notes.append(f"unknown {end}: and {len(found.faults) - 10} more codes")
    return made, notes


def _record(raw: pl.DataFrame) -> list[str]:
    """The file's own columns; a reader's helper columns begin with _."""
    return [c for c in raw.columns if c != "row" and not c.startswith("_")]


def _odd_rule(odd: dict[int, list[str]]) -> Rules:
    return [(Reason.MALFORMED, pl.col("row").is_in(list(odd)))] if odd else []


def _rules(first_year: int, sums: str) -> Rules:
    year = pl.col("period").str.slice(0, 4).cast(pl.Int32, strict=False)
    value, quantity = pl.col("value"), pl.col("quantity")
    ends = (pl.col("origin"), pl.col("destination"))
    groups = [k for k in keys_of_kind("aggregate") if k != "WLD"]
    partners: Rules = [
        (Reason.WORLD_PARTNER, (ends[0] == "WLD") | (ends[1] == "WLD")),
        (Reason.GROUP_PARTNER, ends[0].is_in(groups) | ends[1].is_in(groups)),
    ]
    return [
        (Reason.BAD_PERIOD, year.is_null() | (year < first_year)),
        (Reason.FUTURE_PERIOD, year > date.today().year),
        (Reason.UNKNOWN_ORIGIN, ends[0].is_null()),
        (Reason.UNKNOWN_DESTINATION, ends[1].is_null()),
        *(partners if sums == "reject" else ()),
        (Reason.UNKNOWN_ITEM, pl.col("item").is_null()),
        (Reason.MISSING_VALUE, pl.col("_value_empty")),
        (Reason.NOT_A_NUMBER, pl.col("_value_odd") | (pl.col("_quantity_odd") & ~pl.col("_quantity_empty"))),
        (Reason.NOT_FINITE, ~value.is_finite() | ~quantity.is_finite()),
        (Reason.NEGATIVE, (value < 0) | (quantity < 0)),
        (Reason.TOO_LARGE, value > MOST),
    ]


def _with_odd_cells(rejected: pl.DataFrame, odd: dict[int, list[str]]) -> pl.DataFrame:
    if not odd:
        return rejected
    cells = {row: json.dumps({"cells": c}, ensure_ascii=False) for row, c in odd.items()}
    record = pl.col("row").replace_strict(cells, default=pl.col("record"), return_dtype=pl.String)
    return rejected.with_columns(record=record)


def _first_of_each_key(flows: pl.DataFrame, parts: Sequence[Part]) -> tuple[pl.DataFrame, pl.DataFrame]:
    key = list(FLOWS.key)
    twice = flows.select(pl.struct(key).is_duplicated()).to_series()
    if not twice.any():
        return flows, REJECTED.empty()
    numbered = flows.with_row_index("_n")
    same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).first().over(key)) for c in ("value", "quantity"))
    later = (
        numbered.filter(twice).with_columns(_again=pl.int_range(pl.len()).over(key) > 0, _same=same).filter("_again")
    )
    later = later.with_columns(
        reason=pl.when("_same").then(pl.lit(str(Reason.REPEATED))).otherwise(pl.lit(str(Reason.CONFLICTING)))
    )
    rejected = []
    for n, part in enumerate(parts):
        mine = later.filter(pl.col("_part") == n).select("row", "reason")
        raw = part.raw.with_columns(pl.col("row").cast(pl.Int64)).join(mine, on="row", how="inner")
        record = _record(part.raw)
        rejected.append(as_rejected(raw, file=part.file.name, record=record))
    kept = numbered.join(later.select("_n"), on="_n", how="anti", maintain_order="left").drop("_n")
    return kept, pl.concat(rejected)
