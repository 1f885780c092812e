"""Measures on an input-output table: which share of each sector's deliveries they stop.

A table knows sectors, most measures name products. A measure that names the table's own sectors, or that names nothing
and so means everything, is laid on the table's deliveries as on any flows. One that names products reaches a sector
through observed product flows:

    share of (origin, sector, destination) = sum of value * denied over the sector's products / sum of value

so it needs HS flows beside the table. Where these are there, they also carry the exemptions of goods into the table.
Flows that show less than the table delivers speak only for what they show.
"""

from dataclasses import dataclass

import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.harmonize.products import TARGETS, translate
from weaponized_interdependence.io_table import IOTable, goods_sectors, to_flows
from weaponized_interdependence.scenario import Measure, Phase, Scenario
from weaponized_interdependence.simulation.input_output import items_of
from weaponized_interdependence.simulation.shock import CASES, Parties, build_shock, trade_layers
from weaponized_interdependence.terms import Basis, weakest

_CELL = ["origin", "destination", "item"]
_STEMS = {"low": "denied_low", "value": "denied", "high": "denied_high"}


@dataclass(frozen=True)
class SectorShares:
    """Denied share of each cell of the table that a measure touches: origin, destination, item, low, value, high."""

    shares: pl.DataFrame
    basis: str
    notes: tuple[str, ...]


def table_flows(table: IOTable, *, domestic: bool = False) -> pl.DataFrame:
    """The table's deliveries as FLOWS; where it is not known which sectors make goods, all are taken as goods."""
    try:
        goods = goods_sectors(table)
    except UsageError:
        goods = frozenset(table.sectors)
    words = dict(zip((f"{table.classification}:{s}" for s in table.sectors), items_of(table), strict=True))
    return to_flows(table, goods=goods, domestic=domestic).with_columns(pl.col("item").replace_strict(words))


def sector_shares(
    scenario: Scenario, phase: Phase, table: IOTable, flows: pl.DataFrame, parties: Parties
) -> SectorShares:
    """Lay the measures of a phase on a table, through product flows where they name products."""
    deliveries = table_flows(table)
    products = _products(flows, table, parties)
    measures = scenario.measures_in(phase)
    unmatched = build_shock(scenario, phase, deliveries, parties).unmatched
    everything = [m for m in measures if not _names(m)]
    by_sector = [m for m in measures if _names(m) and m.id not in unmatched]
    by_product = [m for m in measures if _names(m) and m.id in unmatched]
    notes: list[str] = []

    def laid(on: pl.DataFrame, chosen: list[Measure], where: str) -> pl.DataFrame:
        shock = build_shock(scenario, _only(phase, chosen), on, parties)
        notes.extend(f"{where}: {note}" for note in shock.notes if chosen)
        return shock.table

    whole = laid(deliveries, everything, "on the input-output table")
    parts = [_shares(laid(deliveries, by_sector, "on the input-output table"))]
    basis = [table.basis]
    if products is None:
        parts.append(_shares(whole))
        notes += [
            f"input_output: measure {m.id} names no sector of the table ({table.classification}) and is not counted: "
            "give HS flows beside the table, or name its sectors"
            for m in by_product
        ]
    elif by_product or everything:
        fine = laid(products.flows, [*by_product, *everything], "through product flows").join(
            products.sector, on="item"
        )
        seen = _shares(fine.with_columns(pl.col("sector").alias("item")), products.traded)
        parts.append(_blended(seen, _shares(whole), products.traded, deliveries, notes))
        basis.append(Basis.ESTIMATED.value)
        notes.append(
            f"input_output: {_ids([*by_product, *everything])} reach a goods sector through the share of each pair's "
            f"products that is denied (HS flows of {products.period})"
        )
    shares = _combined(parts, notes)
    if shares.is_empty():
        notes.append("input_output: the measures stop no delivery of the table (duties and claims do not enter it)")
    return SectorShares(shares, weakest(*basis).value, tuple(dict.fromkeys(notes)))


@dataclass(frozen=True)
class _Products:
    """HS flows of the target, the sector each item belongs to, and what every pair trades of each sector in them."""

    flows: pl.DataFrame
    sector: pl.DataFrame
    traded: pl.DataFrame
    period: str


def _products(flows: pl.DataFrame, table: IOTable, parties: Parties) -> _Products | None:
    """The HS goods flows that have the target at one end, or None where the flows are of another kind."""
    target = list(parties.target)
    goods = flows.filter(
        pl.col("layer").is_in(trade_layers(flows))
        & pl.col("item").str.starts_with("HS")
        & (pl.col("origin").is_in(target) | pl.col("destination").is_in(target))
    )
    if goods.is_empty():
        return None
    # SITC1S, sections with services, is the target SITC and one sector more.
    to = {"SITC1S": "SITC"}.get(table.classification, table.classification)
    if to not in TARGETS:
        return None
    items = goods["item"].unique().sort()
    known = set(items_of(table))
    sector = pl.DataFrame({"item": items, "sector": translate(items, to).items}).filter(
        pl.col("sector").is_in(list(known))
    )
    cell = ["origin", "destination", pl.col("sector").alias("item")]
    traded = goods.join(sector, on="item").group_by(cell).agg(pl.col("value").sum().alias("traded"))
    return _Products(goods, sector, traded, ", ".join(goods["period"].unique().sort()))


def _ids(measures: list[Measure]) -> str:
    return ", ".join(measure.id for measure in measures)


def _names(measure: Measure) -> bool:
    return bool(measure.items or measure.lists)


def _only(phase: Phase, measures: list[Measure]) -> Phase:
    return phase.model_copy(update={"measures": tuple(m.id for m in measures)})


def _shares(shock: pl.DataFrame, traded: pl.DataFrame | None = None) -> pl.DataFrame:
    """Denied share of each cell: of the shock's own rows, or of all that the pair trades of the sector."""
    denied = shock.group_by(_CELL).agg(
        *((pl.col("value") * pl.col(stem)).sum().alias(case) for case, stem in _STEMS.items() if case != "value"),
        (pl.col("value") * pl.col("denied")).sum().alias("central"),
        pl.col("value").sum().alias("traded"),
    )
    if traded is not None:
        denied = denied.drop("traded").join(traded, on=_CELL)
    each = {"low": "low", "value": "central", "high": "high"}
    return denied.select(*_CELL, *((pl.col(name) / pl.col("traded")).alias(case) for case, name in each.items()))


def _blended(
    seen: pl.DataFrame, whole: pl.DataFrame, traded: pl.DataFrame, deliveries: pl.DataFrame, notes: list[str]
) -> pl.DataFrame:
    """Product shares for the part of a delivery that the product flows show, whole-sector shares for the rest.

    Product flows may be an extract (one product, some partners): what they say holds for what they show. The rest is
    stopped by measures on everything, and by no other.
    """
    cells = deliveries.select(*_CELL, pl.col("value").alias("delivery")).join(traded, on=_CELL, how="left")
    cells = cells.with_columns((pl.col("traded") / pl.col("delivery")).fill_null(0.0).clip(0.0, 1.0).alias("shown"))
    both = cells.join(seen, on=_CELL, how="left").join(whole, on=_CELL, how="left", suffix="_whole")
    part = pl.col("shown")
    blended = both.select(
        *_CELL,
        "delivery",
        "shown",
        *(
            (part * pl.col(case).fill_null(0.0) + (1 - part) * pl.col(f"{case}_whole").fill_null(0.0)).alias(case)
            for case in CASES
        ),
    ).filter(pl.col("high") > 0)
    value = pl.col("delivery")
    total, shown = blended.select(value.sum(), (value * pl.col("shown")).sum().alias("shown")).row(0)
    if total and shown < 0.5 * total:
        notes.append(
            f"input_output: the product flows show {shown / total:.0%} of what the table delivers in the sectors "
            "reached; the rest is stopped only by measures that name the sector or everything"
        )
    return blended.drop("delivery", "shown")


def _combined(parts: list[pl.DataFrame], notes: list[str]) -> pl.DataFrame:
    """The parts as one. A cell that is named both as a sector and through its products is the same thing said twice (a
    file may name several classifications to fit several data sets): the larger share counts.
    """
    schema = {**dict.fromkeys(_CELL, pl.String), **dict.fromkeys(CASES, pl.Float64)}
    rows = pl.concat([part.select(pl.col(name).cast(dtype) for name, dtype in schema.items()) for part in parts])
    merged = rows.group_by(_CELL, maintain_order=True).agg(pl.col(*CASES).max(), pl.len().alias("parts"))
    if twice := merged.filter(pl.col("parts") > 1).height:
        notes.append(
            f"input_output: {twice} deliveries are denied both by sector and through their products; the larger share "
            "is taken"
        )
    return merged.filter(pl.col("high") > 0).drop("parts")
