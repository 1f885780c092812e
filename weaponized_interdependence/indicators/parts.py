"""FLOWS cut into what indicators are given: the ties of one period and layer, and the unit and basis of each item.

A file may have many millions of rows, so nothing but the ties themselves is kept of it, and these as whole numbers.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.indicators.coded import Coded, encode, over_items
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import check_flows, refuse_overlap
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.terms import Basis, Layer, weakest

Flows = pl.DataFrame | pl.LazyFrame

_COLUMNS = ("period", "layer", "origin", "destination", "item", "value", "unit", "basis")
_KIND = ("period", "layer", "item", "unit", "basis")
_TIE = ("item", "origin", "destination")


class Part(NamedTuple):
    """One period and layer.

    - `ties`: summed, above zero, self-loops among them
    - `labels`: item, unit, basis
    """

    period: str
    layer: str
    ties: Coded
    labels: pl.DataFrame


def cut(flows: Flows | None, by_item: bool, periods: Sequence[str] | None, table: IOTable | None) -> Iterator[Part]:
    """The parts of the flows in order of period and layer; the table's period has a part for inputs, empty or not."""
    lazy, kinds = _checked(FLOWS.empty() if flows is None else flows, periods, table)
    _refuse_unknown(kinds)
    groups = {(str(p), str(la)): rows for (p, la), rows in kinds.partition_by("period", "layer", as_dict=True).items()}
    if table is not None and (periods is None or table.period in periods):
        groups.setdefault((table.period, str(Layer.INPUTS)), kinds.clear())
    for period, layer in sorted(groups):
        kind = groups[period, layer]
        rows = lazy if len(groups) == 1 else lazy.filter(pl.col("period") == period, pl.col("layer") == layer)
        if not by_item:
            refuse_overlap(kind["item"])
            if kind["item"].n_unique() > 1:
                kind = kind.with_columns(item=pl.lit("ALL"))
                yield Part(period, layer, over_items(_ties(rows), "ALL"), _labels(kind, period, layer))
                continue
        yield Part(period, layer, _ties(rows), _labels(kind, period, layer))


def _ties(rows: pl.LazyFrame) -> Coded:
    frame = rows.select(pl.col(_TIE).cast(pl.Categorical), "value").collect()
    positive = frame["value"] > 0
    return encode(frame if positive.all() else frame.filter(positive))


def _checked(flows: Flows, periods: Sequence[str] | None, table: IOTable | None) -> tuple[pl.LazyFrame, pl.DataFrame]:
    """The flows of the periods asked for, and every period, layer, item, unit and basis that stand together, sorted.

    Raises InputError or UsageError with everything wrong about the flows.
    """
    have = flows.collect_schema().names()
    if absent := [c for c in _COLUMNS if c not in have]:
        raise InputError(f"flows lack the column(s) {', '.join(absent)}", mend="give a FLOWS table")
    lazy = flows.lazy().select(_COLUMNS)
    if periods is not None:
        known = {*lazy.select(pl.col("period").unique()).collect()["period"].drop_nulls()}
        known |= {table.period} if table else set()
        if absent := [p for p in periods if p not in known]:
            some = ", ".join(sorted(known)[:10]) or "none"
            raise UsageError(f"no flows of period(s) {', '.join(absent)}", mend=f"the flows have {some}")
        lazy = lazy.filter(pl.col("period").is_in(list(periods)))
    # Mostly all of the kind but the item are one word each, which is seen in passing, at a small part of the cost of
    # telling rows apart by five texts.
    words = [c for c in _KIND if c != "item"]
    least, most = pl.col(words).min(), pl.col(words).max().name.suffix(" most")
    seen = check_flows(lazy, least, most)
    if any(seen[c] != seen[f"{c} most"] for c in words):
        return lazy, lazy.select(_KIND).unique().collect(engine="streaming").sort(_KIND)
    items = lazy.select(pl.col("item").unique()).collect(engine="streaming").sort("item")
    return lazy, items.select(c if c == "item" else pl.lit(seen[c], dtype=pl.String).alias(c) for c in _KIND)


def _refuse_unknown(kinds: pl.DataFrame) -> None:
    words = {"layer": (set(kinds["layer"]), Layer), "basis": (set(kinds["basis"]), Basis)}
    faults = [
        Fault(f"unknown {column}: {', '.join(unknown)}", mend=f"one of {', '.join(vocabulary)}")
        for column, (found, vocabulary) in words.items()
        if (unknown := sorted(found - {None} - {str(word) for word in vocabulary}))
    ]
    if faults:
        raise InputError("flows use words that no vocabulary has", faults=faults)


def _labels(kind: pl.DataFrame, period: str, layer: str) -> pl.DataFrame:
    """item, unit, basis; UsageError where an item is in several units."""
    united = kind.group_by("item", maintain_order=True).agg(
        pl.col("unit").unique().sort(), pl.col("basis").unique().sort()
    )
    if (mixed := united.filter(pl.col("unit").list.len() > 1)).height:
        raise UsageError(
            f"flows of {period} {layer} are in several units, which cannot be summed",
            faults=[Fault(f"{item}: {', '.join(unit)}") for item, unit in mixed.head(20).select("item", "unit").rows()],
            mend="bring them to one unit, or keep one",
        )
    rows = [
        (item, unit[0], str(weakest(*basis))) for item, unit, basis in united.select("item", "unit", "basis").rows()
    ]
    return pl.DataFrame(rows, schema={"item": pl.String, "unit": pl.String, "basis": pl.String}, orient="row")
