"""What it would cost a target to lose a jurisdiction as a supplier: market share, and the price rise it makes in CES.

Denied the share omega of what it buys of an item, a buyer turns to the sources left, at their old prices, as far as the
elasticity of substitution sigma lets it: the price index of the item rises by ln P = -ln(1 - omega) / (sigma - 1).
That is zero at omega = 0, convex in omega, superadditive over the members of a coalition that sell the same item,
falling in sigma and infinite at omega = 1.

Flows between nodes hold no domestic sales (a node's flows to itself are left out), so omega here is a share of imports
and power is overstated where the target makes the item itself. `cutoff_power_io` reads a table, which has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import EVERYONE, RESULT, Context, Party, register
from weaponized_interdependence.indicators.coded import Coded
from weaponized_interdependence.indicators.dependency.cutoff_io import Buyer, Uses
from weaponized_interdependence.indicators.dependency.sigmas import (
    Sigmas,
    is_set,
    log_price,
    nested,
    nested_part,
    sigmas,
    spread,
)
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.reach import grips, jurisdictions, reach_table, targets
from weaponized_interdependence.network import Floats, Ints, refuse_overlap
from weaponized_interdependence.terms import Basis

_SOURCE = (
    "in the spirit of Clayton, Maggiori and Schreger, A Framework for Geoeconomics (2024 working paper); the closed "
    "form is this project's, not checked against the paper's notation"
)
_DEFAULTS = (
    "sigma is assumed where no elasticities are given: 6 for goods, services and inputs and 1.76 for claims and "
    "payments are values remembered from that literature, not checked; the score moves by as much as they do. low and "
    "high: sigma - 1 times and divided by elasticity_spread, or the user's own low and high. Elasticities of items "
    "that are not there change nothing; where none is of an item that is, or sigma is set beside them, they are "
    "refused."
)
_IMPORTS = (
    " omega is a share of imports, for flows hold no domestic sales: overstated where the target makes the item itself."
)
_INFINITE = (
    " Null where power is infinite: the jurisdiction is the only source, or sigma is not above 1, so that nothing can "
    "be replaced and every pair is null: set sigma above 1 (a null high is an infinite high). Such pairs have no rank: "
    "supply_share ranks them."
)
_ROWS = (
    " The target's purchases from within itself are left out, and pairs of which one holds a part of the other. Where "
    "no jurisdiction is named, only pairs with a supply have a row. Legal reach over a seller counts with its grip."
)
_FACTS: dict[str, Any] = {
    "weight_meaning": "flow value gives the share of the jurisdiction in what the target buys",
    "orientation": "imports",
    "pair": True,
}
_POWER: dict[str, Any] = {**_FACTS, "unit": "log price index", "best": Basis.ASSUMED}
_NEEDS = frozenset({"jurisdiction", "target", "controls", "capacity"})
_KNOBS = frozenset({"sigma", "sigma_finance", "elasticity_spread"})


@dataclass(frozen=True, eq=False)
class _Supply:
    """What each jurisdiction supplies of what each target imports, by item.

    - `rows`: item, node (jurisdiction), counterpart (target), in order
    - `item`, `pair` (k,): position of the item; one number for each (counterpart, node), rising
    - `omega`, `weight` (k,): its share of the target's imports of the item, and the item's share of all its imports
    """

    rows: pl.DataFrame
    item: Ints
    pair: Ints
    omega: Floats
    weight: Floats


def _supply(context: Context) -> _Supply:
    return context.keep("supply", lambda: _make_supply(context))


def _make_supply(context: Context) -> _Supply:
    coded = context.coded_edges
    names = coded.nodes.to_list()
    sellers, buyers = jurisdictions(context, names), targets(context, names)
    sizes = {"item": len(coded.items), "target": len(buyers), "jurisdiction": len(sellers)}
    who = _members(buyers, names)
    reach = reach_table(context, names).with_columns(
        jurisdiction=pl.col("jurisdiction").cast(pl.Enum([party.label for party in sellers])).to_physical(),
        node=pl.col("node").cast(pl.Enum(names)).to_physical(),
    )
    bought = _bought(coded, who)
    imports = _summed(bought, ["item", "target"], sizes).rename({"value": "imports"})
    whole = _summed(imports, ["target"], sizes).rename({"value": "whole"})
    _refuse_large(context, imports.height * len(sellers), bought, reach)
    held = bought.join(reach, left_on="origin", right_on="node").select(
        "item", "target", "jurisdiction", value=pl.col("value") * pl.col("grip")
    )
    keys = ["item", "target", "jurisdiction"]
    supplied = _summed(held, keys, sizes)
    if context.jurisdictions is not None:
        everyone = pl.DataFrame({"jurisdiction": np.arange(len(sellers))})
        grid = imports.select("item", "target").join(everyone, how="cross")
        supplied = grid.join(supplied, on=keys, how="left").with_columns(pl.col("value").fill_null(0.0))
    inside = reach.filter("member").join(who, on="node").select(pl.col("jurisdiction", "target").cast(pl.Int64))
    found = (
        supplied.join(inside.unique(), on=["jurisdiction", "target"], how="anti")
        .join(imports, on=["item", "target"])
        .join(whole, on="target")
        .sort("target", "jurisdiction", "item")
    )
    rows = pl.DataFrame(
        {
            "item": coded.items.gather(found["item"]),
            "node": pl.Series([p.label for p in sellers], dtype=pl.String).gather(found["jurisdiction"]),
            "counterpart": pl.Series([p.label for p in buyers], dtype=pl.String).gather(found["target"]),
        }
    )
    value, own, every = (found[c].to_numpy() for c in ("value", "imports", "whole"))
    pair = (found["target"] * len(sellers) + found["jurisdiction"]).to_numpy()
    # Supplies are added up in another order than imports: a whole may be more than one by a rounding.
    return _Supply(rows, found["item"].to_numpy(), pair, np.minimum(value / own, 1.0), own / every)


def _members(parties: Sequence[Party], names: list[str]) -> pl.DataFrame:
    """target, node: positions of the nodes that each target holds."""
    place = {name: k for k, name in enumerate(names)}
    rows = [(t, place[code]) for t, party in enumerate(parties) for code in party.codes if code in place]
    return pl.DataFrame(rows, schema={"target": pl.UInt32, "node": pl.UInt32}, orient="row")


def _bought(coded: Coded, who: pl.DataFrame) -> pl.DataFrame:
    """item, origin, target, value: ties into every target from outside it."""
    ends = {"origin": coded.origin.astype(np.uint32), "node": coded.destination.astype(np.uint32)}
    ties = pl.DataFrame({"item": coded.item, **ends, "value": coded.value}).join(who, on="node")
    return ties.join(who, left_on=["target", "origin"], right_on=["target", "node"], how="anti").drop("node")


def _refuse_large(context: Context, asked: int, bought: pl.DataFrame, reach: pl.DataFrame) -> None:
    """Refuse more pairs than fill the memory: all that are asked for, or those with a supply where nobody is named."""
    if context.jurisdictions is None:
        holders = reach.group_by("node").len("holders")
        asked = int(bought.join(holders, left_on="origin", right_on="node")["holders"].sum())
    refuse_many(asked)


def _summed(frame: pl.DataFrame, keys: list[str], sizes: Mapping[str, int]) -> pl.DataFrame:
    """The keys, sorted, and the sum of the one other column as `value`, added up smallest first: it never varies."""
    (value,) = (c for c in frame.columns if c not in sizes and c != "origin")
    group = pl.lit(0, dtype=pl.Int64)
    for key in keys:
        group = group * sizes[key] + pl.col(key).cast(pl.Int64)
    ordered = frame.select(group.alias("group"), value).sort("group", value)
    groups = ordered["group"].to_numpy()
    start = np.flatnonzero(np.diff(groups, prepend=-1))
    sums = np.add.reduceat(ordered[value].to_numpy(), start) if len(start) else np.zeros(0)
    found, columns = groups[start], {"value": pl.Series(sums)}
    for key in reversed(keys):
        found, code = np.divmod(found, sizes[key] or 1)
        columns[key] = pl.Series(code)
    return pl.DataFrame(columns).select(*keys, "value")


def _prices(context: Context, supply: _Supply) -> tuple[Floats, Floats, Floats]:
    """Log price rise (k,) at the central, the high and the low sigma: score, low and high."""
    coded = context.coded_edges
    traded = np.flatnonzero(np.diff(coded.first))  # an item of nothing but flows to itself needs no elasticity
    known: Sigmas = sigmas(context, coded.items.gather(traded).to_list())
    item = np.searchsorted(traded, supply.item)
    score, low, high = (log_price(supply.omega, s[item]) for s in (known.central, known.high, known.low))
    return score, low, high


def _banded(rows: pl.DataFrame, score: Floats, low: Floats, high: Floats) -> pl.DataFrame:
    """The rows with their scores; an infinite one is null."""
    columns = {"score": score, "low": low, "high": high}
    return rows.with_columns(
        pl.Series(name, np.where(np.isfinite(c), c, np.nan), dtype=pl.Float64, nan_to_null=True)
        for name, c in columns.items()
    ).select("item", "node", "counterpart", "score", "low", "high")


@register(
    title="Supply share",
    formula="omega(J -> t) = sum over sellers i outside t of grip_J(i) v_it / sum over them of v_it",
    unit="share, 0 to 1",
    citation="this project's definition; with whole grips the market share of a coalition in a target's imports",
    notes="What cutoff_power is a function of. Ranks alike within a target and item; unlike it, it is finite at 1."
    + _IMPORTS
    + _ROWS,
    needs=_NEEDS,
    **_FACTS,
)
def supply_share(context: Context) -> pl.DataFrame:
    """Share of the target's imports that the jurisdiction supplies.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("USA", "RUS", 3), ("DEU", "RUS", 2), ("CHN", "RUS", 5)]
    >>> worked("supply_share", flows, jurisdiction=["USA", "USA+DEU"], target=["RUS"])
    {('USA', 'RUS'): 0.3, ('USA+DEU', 'RUS'): 0.5}
    """
    supply = _supply(context)
    return supply.rows.select("item", "node", "counterpart").with_columns(score=pl.Series(supply.omega))


@register(
    title="Cut-off power over imports, by item",
    formula="Power(J -> t) = ln P = -ln(1 - omega) / (sigma - 1), omega = supply_share(J -> t)",
    citation=_SOURCE,
    notes=_DEFAULTS + _IMPORTS + _INFINITE + _ROWS,
    needs=_NEEDS | {"elasticities"},
    knobs=_KNOBS,
    **_POWER,
)
def cutoff_power(context: Context) -> pl.DataFrame:
    """Log rise of the price index of the target's imports when the jurisdiction stops selling.

    Examples
    --------
    ln 2 / (2 - 1) with half of the imports gone and sigma 2; a coalition is worth more than its members.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("USA", "RUS", 1), ("DEU", "RUS", 1), ("CHN", "RUS", 2)]
    >>> worked("cutoff_power", flows, jurisdiction=["USA", "USA+DEU"], target=["RUS"], sigma=2)
    {('USA', 'RUS'): 0.287682072452, ('USA+DEU', 'RUS'): 0.69314718056}
    """
    supply = _supply(context)
    return _banded(supply.rows, *_prices(context, supply))


@register(
    title="Cut-off power over imports, nested over items",
    formula="Power(J -> t) = ln [ sum_k a_k P_k^(1 - rho) ]^(1 / (1 - rho)), sum_k a_k ln P_k where rho is 1; a_k the "
    "share of item k in t's imports, ln P_k its cutoff_power",
    citation=_SOURCE,
    notes=_DEFAULTS
    + " rho, between items, is assumed too: 1.36 is remembered as the across-sector estimate of Redding and Weinstein, "
    "Accounting for Trade Patterns, not checked; low has the high sigma and rho - 1 times the spread, high the reverse "
    "(rho never below 0)."
    + _IMPORTS
    + f" Rank by item; the one score of a pair stands under item {EVERYONE}. Without, items are summed before, and it "
    "is cutoff_power, and setting rho is refused. With rho above 1 an item that is wholly cut off is given up, not "
    "waited for: power is infinite, "
    "shown as null, only where all items are; with rho of 1 or below, where any is." + _ROWS,
    needs=_NEEDS | {"elasticities"},
    knobs=_KNOBS | {"rho"},
    **_POWER,
)
def cutoff_power_nested(context: Context) -> pl.DataFrame:
    """Log rise of the price index of all that the target imports when the jurisdiction stops selling anything.

    Examples
    --------
    One item, half of it gone, sigma 2: ln 2, whatever rho.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("USA", "RUS", 1), ("CHN", "RUS", 1)]
    >>> worked("cutoff_power_nested", flows, by=["item"], jurisdiction=["USA"], target=["RUS"], sigma=2, rho=2)
    {('USA', 'RUS'): 0.69314718056}
    """
    if not context.by_item and is_set(context, "rho"):
        raise UsageError("rho is set, but items are summed before", mend="rank by item, or leave rho out")
    supply, items = _supply(context), context.coded_edges.items.to_list()
    _refuse_sum(context)
    start = np.flatnonzero(np.diff(supply.pair, prepend=-1))
    rhos = [1 + e for e in spread(context, context.knobs["rho"] - 1)]
    found = []
    for price, rho in zip(_prices(context, supply), (rhos[0], rhos[2], rhos[1]), strict=True):
        parts = nested_part(supply.weight, price, rho)
        found.append(nested(np.add.reduceat(parts, start) if len(start) else parts, rho))
    label = items[0] if items and not context.by_item else EVERYONE
    return _banded(supply.rows[start].with_columns(item=pl.lit(label)), *found)


@register(
    title="Export-ban score",
    formula="score(J -> t) = m [ (1 - omega)^(-1 / (sigma - 1)) - 1 ], m the share of the item in t's imports, "
    "omega = supply_share(J -> t)",
    citation="after Hausmann, Schetter and Yildirim, On the Design of Effective Sanctions: The Case of Bans on Exports "
    "to Russia (2022 working paper), who target by product; the closed form is this project's",
    unit="price rise times share of imports",
    notes=_DEFAULTS + _IMPORTS + _INFINITE + " Rank by item: without, all items are one and m is 1." + _ROWS,
    needs=_NEEDS | {"elasticities"},
    knobs=_KNOBS,
    best=Basis.ASSUMED,
    **_FACTS,
)
def export_ban_score(context: Context) -> pl.DataFrame:
    """How much banning the jurisdiction's sales of an item would cost the target: weight times price rise.

    Examples
    --------
    Three quarters gone at sigma 2: the price is fourfold.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("export_ban_score", [("USA", "RUS", 3), ("CHN", "RUS", 1)], jurisdiction=["USA"], sigma=2)
    {('USA', 'RUS'): 3.0}
    """
    supply = _supply(context)
    _refuse_sum(context)
    with np.errstate(over="ignore"):
        score, low, high = (supply.weight * np.expm1(price) for price in _prices(context, supply))
    return _banded(supply.rows, score, low, high)


@register(
    title="Cut-off power in the input-output table",
    formula="Power(J -> t) = sum_k alpha_k ln P_k; P_k^(1 - sigma) = d_k c_k^(1 - sigma) + 1 - omega_k - d_k, "
    "ln c_j = sum_k gamma_kj ln P_k; omega_k and d_k the shares of J and of t itself in all that t uses of sector k, "
    "gamma input shares in cost, alpha shares in final use; = alpha' (I - Gamma')^-1 [-ln(1 - omega) / (sigma - 1)] "
    "where all that is not J's is t's own",
    weight_meaning="deliveries of the table, for production and final use, domestic ones too; cells below zero count "
    "as zero",
    unit="log price index",
    citation=_SOURCE,
    notes=_DEFAULTS
    + " Cobb-Douglas over sectors and over inputs, CES over sources. Denied are J's own sales to the target, not what "
    "others make with J's inputs; other sellers keep their prices, and so does the target's value added. A grip on the "
    "target's own sellers denies nothing. One score of the economy: the mean over its final use; by item, the price "
    "rise of each sector (rows CLASSIFICATION:sector; elasticities are looked up under that). Null where power is "
    "infinite (the jurisdiction is the only source of a sector in use, or sigma is not above 1, where every pair is "
    "null: set sigma above 1), or without final use.",
    pair=True,
    orientation="imports",
    needs=_NEEDS | {"table", "elasticities"},
    knobs=frozenset({"sigma", "elasticity_spread"}),
    reads="table",
    best=Basis.ASSUMED,
)
@on_one_blas_thread
def cutoff_power_io(context: Context) -> pl.DataFrame:
    """Log rise of the target's consumer prices when the jurisdiction stops selling to it, inputs and all.

    Examples
    --------
    B uses 8 of itself, 4 of them as inputs, and 8 of A: omega 1/2, direct rise ln 2 at sigma 2; inputs are half of
    B's cost of 16, so ln P = ln 2 / (1 - 1/2).

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z, Y = [[0, 4], [0, 4]], [[9, 4], [8, 4]]
    >>> found = worked_table("cutoff_power_io", Z, Y, economies=["A", "B"], sigma=2)
    >>> found["A", "B"]  # 2 ln 2
    1.38629436112
    """
    table = context.table
    assert table is not None  # reads="table"
    uses, names = Uses.of(table), list(table.economies)
    held, buyers = list(grips(context, names)), targets(context, names)
    sectors = [f"{table.classification}:{s}" for s in table.sectors]
    refuse_many(len(held) * len(buyers) * (len(sectors) if context.by_item else 1))
    known = sigmas(context, sectors)
    parts = []
    for party in buyers:
        buyer, inside = Buyer.of(uses, table.economies, party), np.isin(names, party.codes)
        outside = [grip for grip in held if not (grip.member & inside).any()]
        if not inside.any() or not outside:
            continue
        grip = np.array([g.grip for g in outside])
        prices = [buyer.prices(grip, sigma) for sigma in (known.central, known.high, known.low)]
        if not context.by_item:
            prices = [_mean(price, buyer.alpha) for price in prices]
        rows = pl.DataFrame({"node": [g.label for g in outside], "counterpart": party.label}).join(
            pl.DataFrame({"item": sectors if context.by_item else [EVERYONE]}), how="cross", maintain_order="left_right"
        )
        parts.append(_banded(rows, *(price.ravel() for price in prices)))
    return pl.concat(parts) if parts else pl.DataFrame(schema={**RESULT, "low": pl.Float64, "high": pl.Float64})


def _mean(price: Floats, weight: Floats) -> Floats:
    """Weighted sum over sectors (jurisdictions, J) -> (jurisdictions,); infinite where one in use is."""
    lost = np.isinf(price)
    mean = np.where(lost, 0.0, price) @ weight
    return np.where((lost & (weight > 0)).any(axis=1), np.inf, mean)


def _refuse_sum(context: Context) -> None:
    """Weights of items sum to one, so items must not hold each other (a total beside its parts)."""
    context.keep("no overlap", lambda: refuse_overlap(context.coded_edges.items.to_list()))
