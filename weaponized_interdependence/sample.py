"""The embedded default: two small observed networks and one estimated world, see docs/sample.md.

Observed (published facts re-told): crude-oil trade 2021, foreign claims of banks at the end of 2022, GDP.
Estimated (computed here when loaded, from published country totals): trade of 52 regions in 11 items and their
input-output table, 2015. Every row and the table say so in `basis`.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence import settings
from weaponized_interdependence.estimation.biproportional import fit_margins
from weaponized_interdependence.estimation.gravity import covariates, prior
from weaponized_interdependence.estimation.production import Treatment, assemble, outputs, reexports, technology
from weaponized_interdependence.exports import read_frame
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.macro import MILLION, gdp_reference
from weaponized_interdependence.schemas import FLOWS, MACRO
from weaponized_interdependence.terms import Basis, Layer

Array = npt.NDArray[np.float64]

YEAR = "2015"
ROW = "ROW"
SERVICES = "SERVICES"
SECTIONS = {
    "0": "Food and live animals",
    "1": "Beverages and tobacco",
    "2": "Crude materials, inedible, except fuels",
    "3": "Mineral fuels, lubricants and related materials",
    "4": "Animal and vegetable oils, fats and waxes",
    "5": "Chemicals and related products",
    "6": "Manufactured goods classified by material",
    "7": "Machinery and transport equipment",
    "8": "Miscellaneous manufactured articles",
    "9": "Commodities and transactions not classified elsewhere",
}
ITEMS = (*(f"SITC:{section}" for section in SECTIONS), SERVICES)
CLASSIFICATION = "SITC1S"  # SITC sections and services; the table's sectors are its codes
ESTIMATE_NOTE = (
    "estimated: trade and input-output cells of 2015 are computed from published country totals by a gravity prior and "
    "biproportional fitting; they are not statistics (docs/sample.md)"
)


@dataclass(frozen=True)
class Sample:
    """The embedded default.

    - `crude_oil`: FLOWS, HS92:270900, 2021, observed
    - `claims`: FLOWS, bank claims of creditor on debtor, 2022-Q4, observed
    - `flows`: FLOWS, SITC:0 ... SITC:9 and SERVICES, 2015, estimated
    - `table`: input-output table of the same world, net of re-exports, estimated
    - `macro`: MACRO, GDP of all years, with the regions of 2015 that the World Bank lacks
    - `notes`: what every screen that shows the estimates must say
    """

    crude_oil: pl.DataFrame
    claims: pl.DataFrame
    flows: pl.DataFrame
    table: IOTable
    macro: pl.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Margins:
    """Exports, imports (n, 11) and GDP (n,) of the regions, in USD."""

    regions: tuple[str, ...]
    exports: Array
    imports: Array
    gdp: Array


@lru_cache(maxsize=1)
def load_sample() -> Sample:
    """Read the observed parts and compute the estimated world; well under a second, the same numbers every time.

    Examples
    --------
    >>> sample = load_sample()
    >>> sample.crude_oil.height, sample.flows["basis"].unique().to_list(), sample.table.basis
    (1425, ['estimated'], 'estimated')
    """
    margins = read_margins()
    gross = bilateral(margins.exports, margins.imports, margins.regions)
    return Sample(
        crude_oil=read_frame(_path("crude_oil_2021.csv"), FLOWS),
        claims=read_frame(_path("claims_2022q4.csv"), FLOWS),
        flows=_as_flows(gross, margins.regions),
        table=_table(margins),
        macro=_macro(),
        notes=(ESTIMATE_NOTE,),
    )


def sources() -> dict[str, Any]:
    """data/sample/SOURCES.toml: per file its title, basis and note, per source its publisher, licence and citation."""
    with _path("SOURCES.toml").open("rb") as handle:
        return tomllib.load(handle)


def read_margins() -> Margins:
    """The published (and, for some services, gap-filled) totals that the estimate has to meet."""
    gdp = _economies()
    regions = tuple(gdp["economy"])
    rows = pl.read_csv(_path("margins_2015.csv"), schema_overrides={"value": pl.Float64})
    place = {name: k for k, name in enumerate(regions)}
    filled = {flow: np.zeros((len(regions), len(ITEMS))) for flow in ("exports", "imports")}
    for economy, item, flow, value in rows.select("economy", "item", "flow", "value").iter_rows():
        filled[flow][place[economy], ITEMS.index(item)] = value
    return Margins(regions, filled["exports"], filled["imports"], gdp["gdp"].to_numpy() * MILLION)


def bilateral(exports: Array, imports: Array, regions: tuple[str, ...]) -> Array:
    """Estimated trade (item, seller, buyer) with these margins (n, 11): gravity prior, then biproportional fitting."""
    places = pl.read_csv(_path("places_2015.csv"), schema_overrides={"weight": pl.Float64})
    pairs = pl.read_csv(_path("pairs_2015.csv"))
    table = covariates(places, pairs, regions)
    attraction = {group: prior(table, coefficients(group)) for group in ("goods", "services")}
    return np.stack(
        [
            fit_margins(attraction["services" if item == SERVICES else "goods"], exports[:, k], imports[:, k]).matrix
            for k, item in enumerate(ITEMS)
        ]
    )


def coefficients(group: str) -> dict[str, float]:
    """Gravity coefficients of `goods` or `services`, from data/sample/gravity.csv."""
    rows = pl.read_csv(_path("gravity.csv")).filter(pl.col("group") == group)
    return dict(rows.select("covariate", "coefficient").iter_rows())


def _as_flows(trade: Array, regions: tuple[str, ...]) -> pl.DataFrame:
    item, seller, buyer = np.nonzero(trade)
    names, codes = np.array(regions), np.array(ITEMS)
    frame = pl.DataFrame(
        {
            "origin": names[seller],
            "destination": names[buyer],
            "item": codes[item],
            "value": trade[item, seller, buyer],
        }
    )
    layer = pl.when(pl.col("item") == SERVICES).then(pl.lit(str(Layer.SERVICES))).otherwise(pl.lit(str(Layer.GOODS)))
    return FLOWS.conform(
        frame.with_columns(period=pl.lit(YEAR), layer=layer, unit=pl.lit("USD"), basis=pl.lit(str(Basis.ESTIMATED)))
    )


def _table(margins: Margins) -> IOTable:
    tech = technology(pl.read_csv(_path("technology_2011.csv"), schema_overrides={"value": pl.Float64}), ITEMS)
    treatment = Treatment()
    output = outputs(tech, margins.exports, margins.imports, margins.gdp, treatment, margins.regions)
    passing = reexports(output, margins.exports, margins.imports, treatment)
    net = bilateral(margins.exports - passing, margins.imports - passing, margins.regions)
    return assemble(
        tech,
        margins.regions,
        YEAR,
        output,
        net,
        margins.gdp,
        sectors=(*SECTIONS, SERVICES),
        classification=CLASSIFICATION,
        publisher="estimated here",
        notes=(
            ESTIMATE_NOTE,
            f"re-exports ({passing.sum() / margins.exports.sum():.1%} of exports) are taken off both margins",
            "one world technology of 2011; value added is GDP at market prices",
        ),
        sector_names=(*SECTIONS.values(), "Services, utilities and construction"),
    )


def _macro() -> pl.DataFrame:
    known = gdp_reference()
    mine = _economies().select(
        pl.lit(YEAR).alias("period"),
        "economy",
        pl.lit("gdp").alias("indicator"),
        (pl.col("gdp") * MILLION).alias("value"),
        pl.lit("USD").alias("unit"),
        "basis",
    )
    missing = mine.join(known, on=list(MACRO.key), how="anti")
    return MACRO.conform(pl.concat([known, missing]).sort("economy", "period"))


def _economies() -> pl.DataFrame:
    rows = pl.read_csv(_path("economies_2015.csv"), schema_overrides={"gdp": pl.Float64})
    return pl.concat([rows.filter(pl.col("economy") != ROW), rows.filter(pl.col("economy") == ROW)])


def _path(name: str) -> Path:
    return settings.data_dir() / "sample" / name
