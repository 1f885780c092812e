"""Models and horizons side by side: what each says of one party, and how far apart they are. Never an average.

A dynamic model, a general equilibrium and a bound of linkages answer different questions under assumptions that exclude
each other; a mean of them would be the answer to none. What can be shown is each with what it assumes, and the range
between the smallest and the largest, by name.
"""

from typing import Any

import polars as pl

from weaponized_interdependence.assessment.panels import headlines
from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.simulation.models import MODELS
from weaponized_interdependence.terms import Channel, Horizon, Metric

_COLUMNS = ("phase", "party", "metric", "horizon", "model", "channel", "value", "low", "high", "unit", "basis")
# A claim frozen is a stock and no loss of income; what stops is not yet what is lost.
_APART = pl.col("channel") == Channel.CLAIMS.value


def side_by_side(impacts: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Loss as a share of GDP of target, coalition and third parties: one row a phase, party, horizon, model, channel.

    With `assumes`, the model's assumptions in a few words. Rows stand in the order of IMPACTS (phase, model, horizon).
    """
    parties = [*scenario.targets(), "TARGETS", "COALITION", "THIRD_PARTIES"]
    rows = headlines(impacts).filter(
        (pl.col("metric") == Metric.LOSS_GDP.value) & pl.col("party").is_in(parties) & ~_APART
    )
    order = {name: k for k, name in enumerate(parties)}
    ranked = rows.with_columns(pl.col("party").replace_strict(order, return_dtype=pl.Int64).alias("party#"))
    words = {name: model.assumes for name, model in MODELS.items()}
    return (
        ranked.sort("party#", maintain_order=True)
        .select(_COLUMNS)
        .with_columns(pl.col("model").replace_strict(words, default="", return_dtype=pl.String).alias("assumes"))
    )


def disagreement(compared: pl.DataFrame) -> pl.DataFrame:
    """The `ranges` over two or more models: how far they are apart."""
    return ranges(compared).filter(pl.col("models") > 1)


def ranges(compared: pl.DataFrame) -> pl.DataFrame:
    """The smallest and the largest central answer, and the ends of all bands, for each phase, party and horizon.

    Models without time stand beside every horizon. Exposure is left out: what stops is no loss. Columns: phase, party,
    horizon, models (how many), least, least_model, most, most_model, low, high.
    """
    there = compared.filter((pl.col("model") != "exposure") & pl.col("value").is_not_null())
    timeless = pl.col("horizon") == Horizon.NONE.value
    named = there.with_columns(
        pl.when(pl.col("channel") == Channel.ALL.value)
        .then(pl.col("model"))
        .otherwise(pl.col("model") + ", " + pl.col("channel"))
        .alias("view")
    )
    keys = ["phase", "party", "horizon"]
    horizons = named.filter(~timeless).select(keys).unique(maintain_order=True)
    beside = named.filter(timeless).drop("horizon").join(horizons, on=["phase", "party"], how="inner")
    alone = named.filter(timeless).join(horizons, on=["phase", "party"], how="anti")
    every = pl.concat([named.filter(~timeless), beside.select(named.columns), alone])
    ranked = every.sort("value", "view", maintain_order=True)
    return (
        ranked.group_by(keys, maintain_order=True)
        .agg(
            pl.col("model").n_unique().alias("models"),
            pl.col("value").first().alias("least"),
            pl.col("view").first().alias("least_model"),
            pl.col("value").last().alias("most"),
            pl.col("view").last().alias("most_model"),
            pl.col("low").min(),
            pl.col("high").max(),
        )
        .join(_ranks(compared), on=keys, how="left", maintain_order="left")
        .sort("rank", maintain_order=True)
        .drop("rank")
    )


def _ranks(compared: pl.DataFrame) -> pl.DataFrame:
    """The order in which the rows of `side_by_side` name phases, parties and horizons."""
    order = {str(h): k for k, h in enumerate((Horizon.SHORT, Horizon.MEDIUM, Horizon.LONG, Horizon.NONE))}
    seen = compared.select("phase", "party").unique(maintain_order=True).with_row_index("at")
    keys = compared.select("phase", "party", "horizon").unique(maintain_order=True)
    time = pl.col("horizon").replace_strict(order, return_dtype=pl.Int64)
    return keys.join(seen, on=["phase", "party"]).select(
        "phase", "party", "horizon", (pl.col("at").cast(pl.Int64) * len(order) + time).alias("rank")
    )


def top_sectors(impacts: pl.DataFrame, scenario: Scenario, *, most: int = 5) -> pl.DataFrame:
    """The sectors of target and coalition that lose most output, by model and horizon: output_loss and its share.

    One row a phase, model, horizon, channel, party and item, largest first; `share` is of the sector's own output,
    where the model says it. Sectors that gain are not shown here; IMPACTS has them.
    """
    parties = [*scenario.targets(), "COALITION"]
    keys = ["phase", "model", "horizon", "channel", "party", "item"]
    rows = impacts.filter((pl.col("item") != "ALL") & pl.col("party").is_in(parties))
    lost = rows.filter((pl.col("metric") == Metric.OUTPUT_LOSS.value) & (pl.col("value") > 0))
    parts = rows.filter(pl.col("metric") == Metric.OUTPUT_LOSS_SHARE.value)
    order = {name: k for k, name in enumerate(parties)}
    return (
        lost.select(*keys, "value", "low", "high", "unit", "basis")
        .with_columns(pl.col("party").replace_strict(order, return_dtype=pl.Int64).alias("party#"))
        .sort("party#", "value", "item", descending=[False, True, False], maintain_order=True)
        .drop("party#")
        .group_by(keys[:-1], maintain_order=True)
        .head(most)
        .join(parts.select(*keys, pl.col("value").alias("share")), on=keys, how="left", maintain_order="left")
    )


def as_json(impacts: pl.DataFrame, scenario: Scenario, *, most: int = 5) -> dict[str, Any]:
    """The three frames ready for JSON."""
    compared = side_by_side(impacts, scenario)
    return {
        "side_by_side": compared.to_dicts(),
        "disagreement": disagreement(compared).to_dicts(),
        "top_sectors": top_sectors(impacts, scenario, most=most).to_dicts(),
    }
