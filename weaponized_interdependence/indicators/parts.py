"""FLOWS cut into what indicators are given: the ties of one period and layer, and the unit and basis of each item."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.indicators.base import steady_sums
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import check_flows, refuse_overlap
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.terms import Basis, Layer, weakest

Flows = pl.DataFrame | pl.LazyFrame

_COLUMNS = ("period", "layer", "origin", "destination", "item", "value", "unit", "basis")
_TIE = ("item", "origin", "destination")


class Part(NamedTuple):
    """One period and layer.

    - `ties`: item, origin, destination, value; summed, above zero, self-loops among them, sorted
    - `labels`: item, unit, basis
    """

    period: str
    layer: str
    ties: pl.DataFrame
    labels: pl.DataFrame


def cut(flows: Flows | None, by_item: bool, periods: Sequence[str] | None, table: IOTable | None) -> Iterator[Part]:
    """The parts of the flows in order of period and layer; the table's period has a part for inputs, empty or not."""
    lazy = _checked(FLOWS.empty() if flows is None else flows, periods, table)
    kinds = (
        lazy.group_by("period", "layer", "item")
        .agg(pl.col("unit").unique().sort(), pl.col("basis").unique().sort())
        .sort("period", "layer", "item")
        .collect()
    )
    _refuse_unknown(kinds)
    groups = {(str(p), str(la)): rows for (p, la), rows in kinds.partition_by("period", "layer", as_dict=True).items()}
    if table is not None and (periods is None or table.period in periods):
        groups.setdefault((table.period, str(Layer.INPUTS)), kinds.clear())
    for period, layer in sorted(groups):
        kind, item = groups[period, layer], pl.col("item")
        if not by_item:
            refuse_overlap(kind["item"])
            if kind.height > 1:
                item = pl.lit("ALL").alias("item")
        rows = lazy.filter(pl.col("period") == period, pl.col("layer") == layer, pl.col("value") > 0)
        ties = rows.select(item, "origin", "destination", "value").collect()
        yield Part(period, layer, steady_sums(ties, _TIE), _labels(kind.with_columns(item), period, layer))


def _checked(flows: Flows, periods: Sequence[str] | None, table: IOTable | None) -> pl.LazyFrame:
    """The flows of the periods asked for; raises InputError or UsageError with everything wrong about them."""
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
    check_flows(lazy)
    return lazy


def _refuse_unknown(kinds: pl.DataFrame) -> None:
    words = {"layer": (set(kinds["layer"]), Layer), "basis": (set(kinds["basis"].explode()), Basis)}
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
        pl.col("unit").explode().unique().sort(), pl.col("basis").explode().unique().sort()
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
