"""Measures on an input-output table: which share of each sector's deliveries they stop, and which duty they lay on it.

A table knows sectors, most measures name products. A measure that names the table's own sectors, or that names nothing
and so means everything, is laid on the table's deliveries as on any flows. One that names products reaches a sector
through observed product flows:

    share of (origin, sector, destination) = sum of value * denied over the sector's products / sum of value

and a duty in the same way (its trade-weighted mean over those of the sector's products that may still be traded),
so it needs HS flows beside the table. Where these are there, every measure goes through them, and they carry the
exemptions of goods into the table. Flows that show less than the table delivers speak only for what they show.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.harmonize.products import match_items, translate
from weaponized_interdependence.io_table import IOTable, goods_sectors, to_flows
from weaponized_interdependence.scenario import Measure, Phase, Scenario
from weaponized_interdependence.simulation.input_output import items_of
from weaponized_interdependence.simulation.references import concordance_of
from weaponized_interdependence.simulation.shock import CASES, Parties, build_shock, humanitarian_imports, trade_layers
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Basis, weakest

Floats = npt.NDArray[np.float64]

_CELL = ["origin", "destination", "item"]
_TOUCHED = (pl.col("denied_high") > 0) | (pl.col("tariff") > 0)
_LAID = (*CASES, "tariff")
_STEMS = {"low": "denied_low", "value": "denied", "high": "denied_high"}


@dataclass(frozen=True)
class SectorShares:
    """What measures do to the cells of a table that they touch.

    `shares`: origin, destination, item, low, value, high (denied share, above zero). `duties`: origin, destination,
    item, tariff (ad valorem, added).
    """

    shares: pl.DataFrame
    duties: pl.DataFrame
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
    # Who names a sector, but nobody that the table holds or nothing that is delivered, names no product for that.
    by_product = [m for m in measures if _names(m) and m.id in shock.unmatched and not _names_sector(m, table)]
    # That a measure names no sector is said below, with the mend; its own remark would only repeat it.
    chosen = [m for m in measures if m not in by_product]
    whole = build_shock(scenario, _only(phase, chosen), deliveries, parties)
    notes = [f"on the input-output table: {note}" for note in whole.notes if chosen]
    stopped = whole.table.filter(_TOUCHED)
    basis = [table.basis, *stopped["basis"].unique()]
    shares = _shares(stopped)
    if products is None:
        notes += [
            f"on the input-output table: measure {m.id} names no sector of it ({table.classification}) and is not "
            "counted: give HS flows beside the table, or name its sectors"
            for m in by_product
        ]
    else:
        fine = build_shock(scenario, phase, products.flows, parties, wider=products.sector)
        notes += [f"through product flows: {note}" for note in fine.notes]
        sector = pl.col("item").replace_strict(products.sector, return_dtype=pl.String)
        cells = fine.table.filter(_TOUCHED).with_columns(sector).filter(pl.col("item").is_not_null())
        seen = _shares(cells, products.traded)
        shares = _blended(seen, shares, products.traded, deliveries, length, notes)
        if seen.height:
            basis += [Basis.ESTIMATED.value, *cells["basis"].unique()]
            reaching = [m for m in measures if m.id not in fine.unmatched]
            notes.append(
                f"on the input-output table: {_ids(reaching)} reach a goods sector through the share of each pair's "
                f"products that is denied, or the mean duty on them (HS flows of {products.period})"
            )
    stopping = shares.filter(pl.col("high") > 0).select(*_CELL, *CASES).sort(_CELL)
    duties = shares.filter(pl.col("tariff") > 0).select(*_CELL, "tariff").sort(_CELL)
    return SectorShares(stopping, duties, weakest(*basis).value, tuple(dict.fromkeys(notes)))


def humanitarian_bundles(
    flows: pl.DataFrame, table: IOTable, parties: Parties
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """Each target's imports of goods on the humanitarian list by sector of the table [j]; a note where there are none.

    Needs flows of six-digit HS goods and a classification that products can be carried to. A table says nothing of
    products: without such flows there is no bundle, for a sector's whole trade is none.
    """
    goods = humanitarian_imports(flows, parties)
    to = concordance_of(table)
    if goods.is_empty() or to is None:
        why = "no product goes into its sectors" if to is None else "the flows hold no such goods by product"
        return {}, (f"equilibrium: the price of humanitarian imports is not computed: {why}",)
    place = {name: k for k, name in enumerate(items_of(table))}
    items = goods["item"].unique().sort()
    sector = dict(zip(items, translate(items, to).items, strict=True))
    made: dict[str, Floats] = {}
    for party, item, value in goods.select("destination", "item", "value").iter_rows():
        if (found := sector[item]) in place and party in table.economies:
            made.setdefault(party, np.zeros(len(place)))[place[found]] += value
    return made, ()


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


def _names_sector(measure: Measure, table: IOTable) -> bool:
    return bool(match_items(pl.Series(items_of(table), dtype=pl.String), measure.items).mask.any())


def _only(phase: Phase, measures: list[Measure]) -> Phase:
    return phase.model_copy(update={"measures": tuple(m.id for m in measures)})


def _shares(shock: pl.DataFrame, traded: pl.DataFrame | None = None) -> pl.DataFrame:
    """Denied share and duty of each cell: of the shock's own rows, or of all that the pair trades of the sector.

    The duty is the mean over what may still be traded: on what is banned nobody pays it.
    """
    value, left = pl.col("value"), 1 - pl.col("denied")
    stopped = shock.with_columns(
        value.alias("traded"),
        *((value * pl.col(_STEMS[case])).alias(case) for case in CASES),
        (value * pl.col("tariff")).alias("tariff"),
        (value * left * pl.col("tariff")).alias("paid"),
    )
    denied = stopped.group_by(_CELL).agg(steady_sum("traded", *_LAID, "paid"))
    if traded is not None:
        denied = denied.drop("traded").join(traded, on=_CELL)
    shares = denied.with_columns(*(pl.col(case) / pl.col("traded") for case in (*_LAID, "paid")))
    duty = _mean(pl.col("paid"), 1 - pl.col("value"), pl.col("tariff"))
    return shares.select(*_CELL, *CASES, duty.alias("tariff"))


def _mean(paid: pl.Expr, left: pl.Expr, plain: pl.Expr) -> pl.Expr:
    """What is paid on what is left, over its share of all; the plain mean where (but for rounding) nothing is left."""
    return pl.when(left > 1e-9).then(paid / left).otherwise(plain)


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
    both = both.with_columns(pl.col(name).fill_null(0.0) for case in _LAID for name in (case, f"{case}_whole"))
    part = pl.col("shown")
    left, rest = part * (1 - pl.col("value")), (1 - part) * (1 - pl.col("value_whole"))
    paid = left * pl.col("tariff") + rest * pl.col("tariff_whole")
    duty = _mean(paid, left + rest, part * pl.col("tariff") + (1 - part) * pl.col("tariff_whole"))
    blended = both.select(
        *_CELL,
        "delivery",
        "shown",
        *((part * pl.col(case) + (1 - part) * pl.col(f"{case}_whole")).alias(case) for case in CASES),
        duty.alias("tariff"),
    ).filter((pl.col("high") > 0) | (pl.col("tariff") > 0))
    value = pl.col("delivery")
    seen_value = (value * pl.col("shown")).alias("seen")
    total, shown = blended.select(value, seen_value).select(steady_sum("delivery", "seen")).row(0)
    if total and shown < 0.5 * total:
        notes.append(
            f"on the input-output table: the product flows show {shown / total:.0%} of what it delivers in the "
            "sectors reached; the rest is stopped only by measures that name the sector or everything"
        )
    return blended.drop("delivery", "shown")
