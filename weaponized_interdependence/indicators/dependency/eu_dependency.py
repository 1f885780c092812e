"""The European Union's core dependency indicators, and CEPII's criteria, for any area: a node, a group, a coalition.

An area is one of the jurisdictions named; its members count as one, and what they sell each other is trade inside it.
Where none is named every node is an area by itself, and all its imports come from outside. Every (item, area) with a
flow of the item has a score.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, Party, register
from weaponized_interdependence.indicators.coded import Coded, grouped, margins, sum_of_squares
from weaponized_interdependence.indicators.dependency.concentration import world_concentration
from weaponized_interdependence.terms import Basis

_AREA = (
    " The area is the jurisdiction named, a group or a coalition as one; where none is named every node is its own "
    "area, with no trade inside."
)
_EU: dict[str, Any] = {
    "weight_meaning": "flow value; a node's flows to itself are left out",
    "citation": "European Commission (2021), Strategic dependencies and capacities, SWD(2021) 352 final (thresholds "
    "as recalled, not checked against the document)",
    "orientation": "imports",
    "needs": frozenset({"jurisdiction"}),
}
# Shares of equal parts may differ in their last digits: what exceeds a threshold exceeds it by more than that.
_ABOVE = 1 + 1e-12


def _areas(context: Context) -> pl.DataFrame:
    """item, node, hhi, extra, inside, sold: imports from outside and their concentration, trade inside, exports."""

    def make() -> pl.DataFrame:
        coded = context.coded_edges
        if context.jurisdictions is not None:
            return pl.concat([_of_areas(coded, some) for some in _disjoint(context.jurisdictions)]).sort("item", "node")
        m = margins(coded)
        return pl.DataFrame(
            {
                "item": coded.items.gather(m.item),
                "node": coded.nodes.gather(m.node),
                "hhi": pl.Series(sum_of_squares(coded, "destination"), nan_to_null=True),
                "extra": m.received,
                "inside": np.zeros(len(m)),
                "sold": m.sent,
            }
        )

    return context.keep("areas", make)


def _disjoint(parties: Sequence[Party]) -> list[list[Party]]:
    """The parties in as few rounds as they take, in order, when no two of a round may share a member."""
    taken, rounds = list[set[str]](), list[list[Party]]()
    for party in parties:
        free = next((k for k, codes in enumerate(taken) if codes.isdisjoint(party.codes)), len(rounds))
        if free == len(rounds):
            taken.append(set())
            rounds.append([])
        taken[free].update(party.codes)
        rounds[free].append(party)
    return rounds


def _of_areas(coded: Coded, parties: Sequence[Party]) -> pl.DataFrame:
    """The rows of areas that share no member, for every item: all of them in one pass over the ties."""
    m, areas = margins(coded), len(parties)
    codes = {code: k for k, party in enumerate(parties) for code in party.codes}
    area = np.array([codes.get(name, -1) for name in coded.nodes.to_list()], dtype=np.int64)
    buyer, seller = area[coded.destination], area[coded.origin]
    into, out, within = buyer >= 0, seller >= 0, buyer == seller
    # Cells are (item, area), kept only where a member has a flow of the item.
    own = area[m.node]
    held = own >= 0
    cells, at_member = np.unique(m.item[held].astype(np.int64) * areas + own[held], return_inverse=True)
    cell = np.full(len(m), -1)
    cell[held] = at_member

    def total(ties: Any, member: Any) -> Any:
        return grouped(cell[member[ties]], coded.value[ties], len(cells))

    bought = into & ~within
    extra = total(bought, m.at_destination)
    # Sources of an area: ties of one origin into several members stand together once sorted by area, and stay in order.
    key = m.at_origin[bought].astype(np.int64) * areas + buyer[bought]
    order = np.argsort(key, kind="stable")
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    value = coded.value[bought][order]
    by_source = np.add.reduceat(value, begins) if len(begins) else value
    source_of = cell[m.at_destination[bought][order][begins]]
    square = grouped(source_of, (by_source / extra[source_of]) ** 2, len(cells))
    item, place = np.divmod(cells, areas)
    labels = pl.Series([party.label for party in parties], dtype=pl.String)
    return pl.DataFrame(
        {
            "item": coded.items.gather(item),
            "node": labels.gather(place),
            "hhi": pl.Series(np.where(extra > 0, square, np.nan), nan_to_null=True),
            "extra": extra,
            "inside": total(into & within, m.at_destination),
            "sold": total(out & ~within, m.at_origin),
        }
    )


def _scored(areas: pl.DataFrame, score: pl.Expr) -> pl.DataFrame:
    none = pl.lit(None, dtype=pl.String).alias("counterpart")
    return areas.select("item", "node", none, score.cast(pl.Float64).alias("score"))


def _exports(context: Context) -> pl.Expr:
    return pl.col("sold") + context.knobs["inside_exports"] * pl.col("inside")


def _above(value: pl.Expr, threshold: float | pl.Expr) -> pl.Expr:
    """Whether it exceeds the threshold; what is not defined does not."""
    return (value > threshold * _ABOVE).fill_null(False)


@register(
    title="Core dependency indicator 1: concentration of imports from outside",
    formula="CDI1(a) = sum over sources i outside a of (m_i / sum_k m_k)^2, m_i what a imports from i",
    unit="index, 1/sources to 1",
    notes="Dependent above 0.4. Not defined (null) where nothing comes from outside. Of a node by itself it is "
    "hhi_imports." + _AREA,
    **_EU,
)
def cdi1(context: Context) -> pl.DataFrame:
    """How few outside sources an area's imports come from: 1 when there is one.

    Examples
    --------
    0.6^2 + 0.3^2 + 0.1^2; what Germany sells France is inside.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("CHN", "DEU", 60), ("USA", "DEU", 20), ("USA", "FRA", 10), ("VNM", "FRA", 10), ("DEU", "FRA", 40)]
    >>> worked("cdi1", flows, jurisdiction=["DEU+FRA"])
    {'DEU+FRA': 0.46}
    """
    return _scored(_areas(context), pl.col("hhi"))


@register(
    title="Core dependency indicator 2: share of imports from outside",
    formula="CDI2(a) = imports of a from outside / imports of its members from anyone",
    unit="share, 0 to 1",
    notes="Dependent above 0.5. Without an area of several members it is 1 wherever anything is imported. Not defined "
    "(null) where nothing is." + _AREA,
    **_EU,
)
def cdi2(context: Context) -> pl.DataFrame:
    """Share of what the members of an area import, from each other or from outside, that comes from outside.

    Examples
    --------
    100 of 140.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("cdi2", [("CHN", "DEU", 100), ("DEU", "FRA", 40)], jurisdiction=["DEU+FRA"])
    {'DEU+FRA': 0.714285714286}
    """
    bought = pl.col("extra") + pl.col("inside")
    return _scored(_areas(context), pl.when(bought > 0).then(pl.col("extra") / bought))


@register(
    title="Core dependency indicator 3: imports from outside over exports",
    formula="CDI3(a) = imports of a from outside / (exports of a to outside + inside_exports x trade inside a)",
    unit="ratio",
    notes="Exports stand in for what the area could make itself; dependent above 1. Exports are read as those that "
    "leave the area; inside_exports=1 counts what members sell each other too (whether the Commission does could not "
    "be checked). Where nothing is exported the ratio is infinite, shown as null, and counts as above 1 in "
    "cdi_dependent." + _AREA,
    knobs=frozenset({"inside_exports"}),
    **_EU,
)
def cdi3(context: Context) -> pl.DataFrame:
    """How many times over an area's imports from outside exceed what it exports.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("CHN", "DEU", 100), ("DEU", "BRA", 50), ("DEU", "FRA", 50)]
    >>> worked("cdi3", flows, jurisdiction=["DEU+FRA"])
    {'DEU+FRA': 2.0}
    >>> worked("cdi3", flows, jurisdiction=["DEU+FRA"], inside_exports=1)
    {'DEU+FRA': 1.0}
    """
    exports = _exports(context)
    return _scored(_areas(context), pl.when(exports > 0).then(pl.col("extra") / exports))


@register(
    title="Dependent by all three core dependency indicators",
    formula="1 if CDI1 > hhi_threshold and CDI2 > extra_import_threshold and CDI3 > import_export_threshold, else 0",
    unit="1 or 0",
    notes="An area that imports nothing from outside is not dependent; one that exports nothing has a CDI3 above any "
    "threshold. Exceeding is by more than a relative 1e-12." + _AREA,
    knobs=frozenset({"hhi_threshold", "extra_import_threshold", "import_export_threshold", "inside_exports"}),
    best=Basis.ESTIMATED,
    **_EU,
)
def cdi_dependent(context: Context) -> pl.DataFrame:
    """1 where an area's imports are concentrated, mostly from outside and more than it exports.

    Examples
    --------
    CDI1 0.46 > 0.4, CDI2 100/140 > 0.5, CDI3 100/50 > 1.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("CHN", "DEU", 60), ("USA", "DEU", 30), ("VNM", "DEU", 10), ("DEU", "FRA", 40), ("DEU", "BRA", 50)]
    >>> worked("cdi_dependent", flows, jurisdiction=["DEU+FRA"])
    {'DEU+FRA': 1.0}
    """
    knobs, extra = context.knobs, pl.col("extra")
    return _scored(
        _areas(context),
        _above(pl.col("hhi"), knobs["hhi_threshold"])
        & _above(extra, knobs["extra_import_threshold"] * (extra + pl.col("inside")))
        & _above(extra, knobs["import_export_threshold"] * _exports(context)),
    )


@register(
    title="Dependent by CEPII's criteria of one year",
    formula="1 if HHI of imports > hhi_threshold and HHI of world exports > hhi_threshold and imports / exports > "
    "import_export_threshold, else 0",
    unit="1 or 0",
    citation="CEPII, GeoDep: trade dependencies (criteria as its page states them)",
    notes="GeoDep's fourth criterion, that the three hold in two years of three, is over time: rank several periods. "
    "World exports are those of every node to every other. What exports nothing has a ratio above any threshold. "
    "Exceeding is by more than a relative 1e-12." + _AREA,
    knobs=frozenset({"hhi_threshold", "import_export_threshold", "inside_exports"}),
    best=Basis.ESTIMATED,
    **{k: v for k, v in _EU.items() if k != "citation"},
)
def geodep_dependent(context: Context) -> pl.DataFrame:
    """1 where imports are concentrated, the world's sellers are few, and imports exceed exports.

    Examples
    --------
    Imports of FRA: 0.64 + 0.04. World exports of 11: (9^2 + 2^2) / 11^2 = 0.70. FRA exports 1 of 10 imported.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("geodep_dependent", [("CHN", "FRA", 8), ("USA", "FRA", 2), ("CHN", "DEU", 1)], jurisdiction=["FRA"])
    {'FRA': 1.0}
    >>> spread = [("CHN", "FRA", 8), ("USA", "FRA", 2), ("USA", "DEU", 7), ("BRA", "DEU", 9)]  # world 9, 9, 8 of 26
    >>> worked("geodep_dependent", spread, jurisdiction=["FRA"])
    {'FRA': 0.0}
    """
    coded, knobs = context.coded_edges, context.knobs
    world = pl.DataFrame({"item": coded.items, "world": world_concentration(coded, "origin")})
    return _scored(
        _areas(context).join(world, on="item", how="left", maintain_order="left"),
        _above(pl.col("hhi"), knobs["hhi_threshold"])
        & _above(pl.col("world"), knobs["hhi_threshold"])
        & _above(pl.col("extra"), knobs["import_export_threshold"] * _exports(context)),
    )
