"""Makes the tables of data/sample again from the publishers' own files, so that nothing there has to be believed.

    python -m weaponized_interdependence.estimation --help

Every function takes what a reader gives (FLOWS, IOTable) and returns one small table as it stands in data/sample.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.estimation.gravity import COVARIATES, GravityFit, covariates, fit_gravity
from weaponized_interdependence.estimation.production import FINAL
from weaponized_interdependence.estimation.services import Filled, fill_margins
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.terms import Basis

Array = npt.NDArray[np.float64]

ROW = "ROW"
SERVICES = "SERVICES"
GOODS_ITEMS = tuple(f"SITC:{section}" for section in range(10))
ITEMS = (*GOODS_ITEMS, SERVICES)
# Too few rows know an embargoed pair in services data for the effect to be estimated there.
SERVICE_COVARIATES = COVARIATES[:-1]
# A reporter's partner detail is used when it names this many regions and this share of its total.
PARTNERS_NEEDED, SHARE_NEEDED = 20, 0.6
# Services are given to a tenth of a million USD, as publishers do; finer digits would hang on the linear algebra used.
STEP = 1e5
# Customs unions of the 1990s whose codes some copies of BACI keep for the largest member.
UNIONS = {"BLX": "BEL", "SACU": "ZAF"}


def regions_of(places: pl.DataFrame) -> list[str]:
    """The regions of the estimated world: economies in order, the rest of the world last."""
    return [*sorted(set(places["region"]) - {ROW}), ROW]


def matrix(flows: pl.DataFrame, regions: Sequence[str]) -> Array:
    """Flows summed over items into (n, n), row sells to column; whoever is not a region counts as ROW.

    Without ROW among the regions, others are left out. The diagonal (trade inside ROW) is zero.
    """

    def region(column: str) -> pl.Expr:
        name = pl.col(column).replace(UNIONS)
        return pl.when(name.is_in(list(regions))).then(name).otherwise(pl.lit(ROW)).alias(column)

    place = {name: k for k, name in enumerate(regions)}
    summed = flows.select(region("origin"), region("destination"), "value").group_by("origin", "destination").sum()
    table = np.zeros((len(regions), len(regions)))
    for origin, destination, value in summed.iter_rows():
        if origin in place and destination in place and origin != destination:
            table[place[origin], place[destination]] = value
    return table


def goods_margins(flows: pl.DataFrame, regions: Sequence[str]) -> pl.DataFrame:
    """Exports and imports by SITC section of every region, in whole USD, from a full trade matrix in USD.

    Both margins come from the same cells, so that the world's exports equal its imports item by item.
    """
    parts = []
    for item in GOODS_ITEMS:
        cells = np.rint(matrix(flows.filter(pl.col("item") == item), regions))
        parts += [
            _rows(regions, item, "exports", cells.sum(axis=1)),
            _rows(regions, item, "imports", cells.sum(axis=0)),
        ]
    return pl.concat(parts).with_columns(basis=pl.lit(str(Basis.OBSERVED)), source=pl.lit("unctad_matrix"))


def service_margins(
    flows: pl.DataFrame,
    reporters: Mapping[str, float],
    totals: pl.DataFrame,
    gdp: pl.DataFrame,
    goods: pl.DataFrame,
    places: pl.DataFrame,
    pairs: pl.DataFrame,
) -> tuple[pl.DataFrame, Filled]:
    """Services exports and imports of every region in USD; what no publisher gives is filled by gravity.

    Parameters
    ----------
    flows, reporters : FLOWS of bilateral services exports of some reporters, and these reporters' totals, both in USD
    totals : economy, flow (exports or imports), value (million USD), source
    gdp : economy, gdp (million USD)
    goods : margins of goods; exports other than of fuels and crude materials are the second measure of size
    """
    regions = regions_of(places)
    sold, bought = (_totals(totals, regions, flow) for flow in ("exports", "imports"))
    known = reported(flows, reporters, regions)
    manufactures = goods.filter((pl.col("flow") == "exports") & ~pl.col("item").is_in(["SITC:2", "SITC:3", "SITC:9"]))
    size = np.column_stack(
        [
            _by_region(gdp, regions, "gdp"),
            _by_region(manufactures.group_by("economy").agg(pl.col("value").sum()), regions),
        ]
    )
    table = covariates(places, pairs, regions)[..., : len(SERVICE_COVARIATES)]
    filled = fill_margins(known, sold, bought, table, SERVICE_COVARIATES, size)
    exports, imports = (np.rint(side / STEP) * STEP for side in (filled.exports, filled.imports))
    imports[regions.index(ROW)] += exports.sum() - imports.sum()
    names = dict(totals.select(pl.concat_str("economy", "flow", separator=" "), "source").iter_rows())
    rows = pl.concat(
        [_rows(regions, SERVICES, "exports", exports), _rows(regions, SERVICES, "imports", imports)]
    ).with_columns(
        source=pl.concat_str("economy", "flow", separator=" ").replace_strict(
            names, default="gravity", return_dtype=pl.String
        )
    )
    basis = (
        pl.when(pl.col("source") == "gravity").then(pl.lit(str(Basis.ESTIMATED))).otherwise(pl.lit(str(Basis.OBSERVED)))
    )
    return rows.with_columns(basis=basis).select("economy", "item", "flow", "value", "basis", "source"), filled


def reported(flows: pl.DataFrame, totals: Mapping[str, float], regions: Sequence[str]) -> Array:
    """Bilateral exports (n, n), NaN where unknown; what a reporter gives no partner for is its ROW cell.

    `totals` are the reporters' own exports to the world. Only reporters with a total and enough partner detail count
    (PARTNERS_NEEDED, SHARE_NEEDED).
    """
    place = {name: k for k, name in enumerate(regions)}
    cells = np.full((len(regions), len(regions)), np.nan)
    for origin, destination, value in flows.select("origin", "destination", "value").iter_rows():
        if origin in place and destination in place and origin != destination:
            cells[place[origin], place[destination]] = value
    whole = np.array([totals.get(name, np.inf) for name in regions])
    named, given = np.nansum(cells, axis=1), np.isfinite(cells).sum(axis=1)
    good = (given >= PARTNERS_NEEDED) & (named >= SHARE_NEEDED * whole)
    cells[~good] = np.nan
    cells[good, place[ROW]] = np.maximum(whole[good] - named[good], 0.0)
    return cells


def reporter_totals(rejected: pl.DataFrame, year: int) -> dict[str, float]:
    """Reporters' exports to the world in USD: rows that the OECD services reader sets aside because they are sums."""
    found = {}
    for record in map(json.loads, rejected.filter(pl.col("reason").str.contains("World"))["record"]):
        if record["period"] == str(year):
            found[record["origin"]] = float(record["text"]) * 1e6
    return found


def gravity_goods(flows: pl.DataFrame, places: pl.DataFrame, pairs: pl.DataFrame) -> GravityFit:
    """Gravity coefficients of goods trade among the economies of the estimated world that `flows` knows."""
    known = set(flows["origin"].replace(UNIONS)) & set(flows["destination"].replace(UNIONS))
    regions = [r for r in regions_of(places) if r != ROW and r in known]
    return fit_gravity(matrix(flows, regions), covariates(places, pairs, regions))


def gravity_services(
    flows: pl.DataFrame, reporters: Mapping[str, float], places: pl.DataFrame, pairs: pl.DataFrame
) -> GravityFit:
    """Gravity coefficients of services trade from the reporters with partner detail."""
    regions = regions_of(places)
    cells = reported(flows, reporters, regions)
    cells[:, regions.index(ROW)] = np.nan
    table = covariates(places, pairs, regions)[..., : len(SERVICE_COVARIATES)]
    return fit_gravity(np.nan_to_num(cells), table, SERVICE_COVARIATES, known=np.isfinite(cells))


def world_technology(table: IOTable, split: pl.DataFrame) -> pl.DataFrame:
    """World deliveries between the items of the estimated world, in million USD: input, user, value.

    `split` says what part of an industry's output is which item: industry, item, share (shares of an industry add up
    to one). An industry buys in the same composition for all its items.
    """
    sums = split.group_by("industry").agg(pl.col("share").sum())
    wrong = sums.filter((pl.col("share") - 1).abs() > 1e-9)["industry"].to_list() + sorted(
        set(table.sectors) ^ set(split["industry"])
    )
    if wrong:
        raise InputError(f"shares do not add up to one for {', '.join(wrong)}")
    n, j, f = table.size
    share = np.zeros((len(ITEMS), j))
    for industry, item, part in split.select("industry", "item", "share").iter_rows():
        share[ITEMS.index(item), table.sectors.index(industry)] = part
    inputs = share @ table.Z.reshape(n, j, n, j).sum(axis=(0, 2)) @ share.T
    final = share @ table.Y.reshape(n, j, n, f).sum(axis=(0, 2, 3))
    rows = [
        {"input": item, "user": user, "value": round(value / 1e6, 1)}
        for item, row in zip(ITEMS, np.column_stack([inputs, final]), strict=True)
        for user, value in zip([*ITEMS, FINAL], row, strict=True)
    ]
    return pl.DataFrame(rows)


def margin_table(goods: pl.DataFrame, services: pl.DataFrame) -> pl.DataFrame:
    """margins_2015.csv: both kinds together, whole USD."""
    together = pl.concat([goods, services.select(goods.columns)])
    return together.with_columns(pl.col("value").cast(pl.Int64)).sort("economy", "item", "flow")


def coefficient_table(goods: GravityFit, services: GravityFit, year: int) -> pl.DataFrame:
    """gravity.csv; the effect of an embargo on services cannot be estimated and is assumed to be that on goods."""
    rows = [
        {"group": group, "covariate": name, "coefficient": round(value, 4), "error": round(fit.errors[name], 4)}
        | {"basis": str(Basis.ESTIMATED), "sample": f"{sample} {year}"}
        for group, sample, fit in (("goods", "baci_totals", goods), ("services", "oecd_services", services))
        for name, value in fit.coefficients.items()
    ]
    embargo = {"group": "services", "covariate": "embargo", "coefficient": round(goods.coefficients["embargo"], 4)}
    assumed = {"error": None, "basis": str(Basis.ASSUMED), "sample": "as for goods"}
    return pl.DataFrame([*rows, embargo | assumed])


def _rows(regions: Sequence[str], item: str, flow: str, values: Array) -> pl.DataFrame:
    return pl.DataFrame({"economy": list(regions), "value": values}).select(
        "economy", pl.lit(item).alias("item"), pl.lit(flow).alias("flow"), "value"
    )


def _totals(totals: pl.DataFrame, regions: Sequence[str], flow: str) -> Array:
    values = dict(totals.filter(pl.col("flow") == flow).select("economy", "value").iter_rows())
    return np.array([values.get(r, np.nan) for r in regions]) * 1e6


def _by_region(frame: pl.DataFrame, regions: Sequence[str], column: str = "value") -> Array:
    values = dict(frame.select("economy", column).iter_rows())
    return np.array([values[r] for r in regions], dtype=np.float64)
