"""Small worlds for the simulation tests."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import polars as pl

from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.schemas import FLOWS, MACRO

Row = tuple[str, str, str, float]


def flows(rows: Iterable[Row], *, layer: str = "goods", period: str = "2021", basis: str = "observed") -> pl.DataFrame:
    """FLOWS of one layer and period from (origin, destination, item, value)."""
    frame = pl.DataFrame(list(rows), schema=["origin", "destination", "item", "value"], orient="row")
    return FLOWS.conform(
        frame.with_columns(
            pl.lit(period).alias("period"),
            pl.lit(layer).alias("layer"),
            pl.lit("USD").alias("unit"),
            pl.lit(basis).alias("basis"),
            pl.col("value").cast(pl.Float64),
        )
    )


def gdp(sizes: dict[str, float], year: str = "2021") -> pl.DataFrame:
    """MACRO with the GDP of each economy."""
    return MACRO.conform(
        pl.DataFrame(
            {"economy": list(sizes), "value": list(sizes.values())},
            schema_overrides={"economy": pl.String, "value": pl.Float64},
        ).with_columns(
            pl.lit(year).alias("period"),
            pl.lit("gdp").alias("indicator"),
            pl.lit("USD").alias("unit"),
            pl.lit("observed").alias("basis"),
        )
    )


def scenario(
    *measures: dict[str, Any],
    coalition: Sequence[str] = ("USA",),
    target: Sequence[str] = ("RUS",),
    on: date = date(2022, 6, 1),
    **more: Any,
) -> Scenario:
    """A scenario of the named measures; ids are given where they lack one."""
    named = [{"id": f"m{n}", **measure} for n, measure in enumerate(measures, 1)]
    return Scenario(
        name="test", title="A test", coalition=tuple(coalition), target=tuple(target), date=on, measures=named, **more
    )


def cell(impacts: pl.DataFrame, **where: str) -> dict[str, Any]:
    """The one row of IMPACTS that fits; item ALL and channel all where nothing else is said."""
    wanted = {"item": "ALL", "channel": "all", "metric": "loss", **where}
    rows = impacts.filter(pl.all_horizontal(pl.col(k) == v for k, v in wanted.items()))
    assert rows.height == 1, f"{rows.height} rows fit {wanted}"
    return rows.row(0, named=True)
