"""Economy-level reference figures that ship with the tool."""

import polars as pl

from weaponized_interdependence import settings
from weaponized_interdependence.schemas import MACRO
from weaponized_interdependence.terms import Basis

MILLION = 1e6


def gdp_reference() -> pl.DataFrame:
    """Gross domestic product of 213 economies, 1990 to 2023, current USD, as MACRO with indicator `gdp`.

    World Bank, World Development Indicators, NY.GDP.MKTP.CD, vintage of 24 March 2025, CC BY 4.0; re-told from
    data/reference/gdp.csv, which keeps million USD to one decimal. A year that the World Bank leaves empty has no row:
    Taiwan and North Korea have none at all, Venezuela none after 2014.

    >>> gdp_reference().filter((pl.col("economy") == "USA") & (pl.col("period") == "2023"))["value"].item() > 27e12
    True
    """
    path = settings.data_dir() / "reference" / "gdp.csv"
    wide = pl.read_csv(path, infer_schema=False)
    long = wide.unpivot(index="economy", variable_name="period", value_name="value").drop_nulls("value")
    return MACRO.conform(
        long.select(
            "period",
            "economy",
            pl.lit("gdp").alias("indicator"),
            (pl.col("value").cast(pl.Float64) * MILLION).alias("value"),
            pl.lit("USD").alias("unit"),
            pl.lit(str(Basis.OBSERVED)).alias("basis"),
        ).sort("economy", "period"),
        where=path.name,
    )
