"""Measures on an input-output table: which share of each sector's deliveries they stop.

A table knows sectors, most measures name products. A measure that names the table's own sectors, or that names nothing
and so means everything, is laid on the table's deliveries as on any flows. One that names products reaches a sector
through observed product flows:

    share of (origin, sector, destination) = sum of value * denied over the sector's products / sum of value

so it needs HS flows beside the table. Where these are there, every measure goes through them, and they carry the
exemptions of goods into the table. Flows that show less than the table delivers speak only for what they show.
"""

from dataclasses import dataclass

import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.harmonize.products import translate
from weaponized_interdependence.io_table import IOTable, goods_sectors, to_flows
from weaponized_interdependence.scenario import Measure, Phase, Scenario
from weaponized_interdependence.simulation.input_output import items_of
from weaponized_interdependence.simulation.references import concordance_of
from weaponized_interdependence.simulation.shock import CASES, Parties, build_shock, trade_layers
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Basis, MeasureKind, weakest

_CELL = ["origin", "destination", "item"]
_STOPPED = pl.col("denied_high") > 0
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
    scenario: Scenario, phase: Phase, table: IOTable, flows: pl.DataFrame, parties: Parties, length: float = 1.0
) -> SectorShares:
    """Lay the measures of a phase on a table, through product flows where there are any.

    `length`: the part of a year that the flows last. Measures combine as in the shock, one minus the product of what
    each lets through; a measure that names a sector and products in it reaches these once.
    """
    deliveries = table_flows(table)
    products = _products(flows, table, parties)
    measures = scenario.measures_in(phase)
    shock = build_shock(scenario, phase, deliveries, parties)
    by_product = [m for m in measures if _names(m) and m.id in shock.unmatched]
    # That a measure names no sector is said below, with the mend; its own remark would only repeat it.
    chosen = [m for m in measures if m not in by_product]
    whole = build_shock(scenario, _only(phase, chosen), deliveries, parties)
    notes = [f"on the input-output table: {note}" for note in whole.notes if chosen]
    stopped = whole.table.filter(_STOPPED)
    basis = [table.basis, *stopped["basis"].unique()]
    shares = _shares(stopped)
    if products is None:
        notes += [
            f"input_output: measure {m.id} names no sector of the table ({table.classification}) and is not counted: "
            "give HS flows beside the table, or name its sectors"
            for m in by_product
        ]
    else:
        fine = build_shock(scenario, phase, products.flows, parties, wider=products.sector)
        notes += [f"through product flows: {note}" for note in fine.notes]
        sector = pl.col("item").replace_strict(products.sector, return_dtype=pl.String)
        cells = fine.table.filter(_STOPPED).with_columns(sector).filter(pl.col("item").is_not_null())
        seen = _shares(cells, products.traded)
        shares = _blended(seen, shares, products.traded, deliveries, length, notes)
        if seen.height:
            basis += [Basis.ESTIMATED.value, *cells["basis"].unique()]
            reaching = [m for m in measures if m.id not in fine.unmatched and m.kind is not MeasureKind.TARIFF]
            notes.append(
                f"input_output: {_ids(reaching)} reach a goods sector through the share of each pair's products that "
                f"is denied (HS flows of {products.period})"
            )
    shares = shares.filter(pl.col("high") > 0).sort(_CELL)
    if shares.is_empty():
        notes.append("input_output: the measures stop no delivery of the table (duties and claims do not enter it)")
    return SectorShares(shares, weakest(*basis).value, tuple(dict.fromkeys(notes)))


@dataclass(frozen=True)
class _Products:
    """HS flows of the target, the sector each item belongs to, and what every pair trades of each sector in them."""

    flows: pl.DataFrame
    sector: dict[str, str | None]
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
    if (to := concordance_of(table)) is None:
        return None
    items = goods["item"].unique().sort()
    known = set(items_of(table))
    sector = {
        item: found if found in known else None for item, found in zip(items, translate(items, to).items, strict=True)
    }
    traded = (
        goods.with_columns(
            pl.col("item").replace_strict(sector, return_dtype=pl.String), pl.col("value").alias("traded")
        )
        .filter(pl.col("item").is_not_null())
        .group_by(_CELL)
        .agg(steady_sum("traded"))
    )
    return _Products(goods, sector, traded, ", ".join(goods["period"].unique().sort()))


def _ids(measures: list[Measure]) -> str:
    return ", ".join(measure.id for measure in measures)


def _names(measure: Measure) -> bool:
    return bool(measure.items or measure.lists)


def _only(phase: Phase, measures: list[Measure]) -> Phase:
    return phase.model_copy(update={"measures": tuple(m.id for m in measures)})


def _shares(shock: pl.DataFrame, traded: pl.DataFrame | None = None) -> pl.DataFrame:
    """Denied share of each cell: of the shock's own rows, or of all that the pair trades of the sector."""
    value = pl.col("value")
    stopped = shock.with_columns(
        value.alias("traded"), *((value * pl.col(stem)).alias(case) for case, stem in _STEMS.items())
    )
    denied = stopped.group_by(_CELL).agg(steady_sum("traded", *CASES))
    if traded is not None:
        denied = denied.drop("traded").join(traded, on=_CELL)
    return denied.select(*_CELL, *(pl.col(case) / pl.col("traded") for case in CASES))


def _blended(
    seen: pl.DataFrame,
    whole: pl.DataFrame,
    traded: pl.DataFrame,
    deliveries: pl.DataFrame,
    length: float,
    notes: list[str],
) -> pl.DataFrame:
    """Product shares for the part of a delivery that the product flows show, whole-sector shares for the rest.

    Product flows may be an extract (one product, some partners): what they say holds for what they show. The rest is
    stopped by measures that name the sector or everything, and by no other.
    """
    cells = deliveries.select(*_CELL, pl.col("value").alias("delivery")).join(traded, on=_CELL, how="left")
    cells = cells.with_columns(
        (pl.col("traded") / (length * pl.col("delivery"))).fill_null(0.0).clip(0.0, 1.0).alias("shown")
    )
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
    seen_value = (value * pl.col("shown")).alias("seen")
    total, shown = blended.select(value, seen_value).select(steady_sum("delivery", "seen")).row(0)
    if total and shown < 0.5 * total:
        notes.append(
            f"input_output: the product flows show {shown / total:.0%} of what the table delivers in the sectors "
            "reached; the rest is stopped only by measures that name the sector or everything"
        )
    return blended.drop("delivery", "shown")
