"""Exposure: the flows that the measures stop, at their value before the measures. Nothing substitutes.

    denied_n = sum over flows with an end at n of value * denied share

Flow channels (imports, exports) add up to `all`. Claims are stocks and payments are the money side of the same trade:
both are shown apart and are never added to flows. Every flow stands at both its ends: WORLD counts it twice.

Exposure is value, not welfare: what cannot be replaced may be worth more than it costs. It is what the measures reach;
Keohane and Nye call the loss before substitution sensitivity, after it vulnerability.
"""

import polars as pl

from weaponized_interdependence.simulation.impact import Answer, answer_rows
from weaponized_interdependence.simulation.shock import CASES, trade_layers, weakest_basis
from weaponized_interdependence.terms import Channel, Horizon, Layer, Metric

ADDITIVE = (Channel.IMPORTS, Channel.EXPORTS)


def exposure(shock: pl.DataFrame, flows: pl.DataFrame) -> Answer:
    """Baseline, denied value and loss (= denied value) of every party, by item and channel.

    Parameters: `shock` (SHOCK), `flows` (FLOWS of the same periods). Units: those of the flows.

    Imports count for the destination, exports for the origin, on goods and services (on inputs where both are absent).
    Claims that are blocked are a loss of the creditor; the debtor's side, a source of funds that dries up, is shown as
    denied value only. Payments that lose their route are denied value only: the loss is in the trade they pay for.
    """
    layers = trade_layers(flows)
    trade = pl.col("layer").is_in(layers)
    sides = [
        (Channel.IMPORTS, "destination", trade, True),
        (Channel.EXPORTS, "origin", trade, True),
        (Channel.CLAIMS, "origin", pl.col("layer") == Layer.CLAIMS.value, True),
        (Channel.CLAIMS, "destination", pl.col("layer") == Layer.CLAIMS.value, False),
        (Channel.PAYMENTS, "origin", pl.col("layer") == Layer.PAYMENTS.value, False),
        (Channel.PAYMENTS, "destination", pl.col("layer") == Layer.PAYMENTS.value, False),
    ]
    hit = shock.filter(pl.col("denied_high") > 0)
    frames = []
    for channel, end, chosen, loses in sides:
        denied = _denied(hit.filter(chosen), end, channel)
        frames.append(denied)
        if loses:
            frames.append(denied.with_columns(pl.lit(Metric.LOSS.value).alias("metric")))
        frames.append(_baseline(flows.filter(chosen), end, channel, set(denied["party"])))
    # A claim has two ends that may both be a party's own: one row a party and channel.
    rows = answer_rows(frames)
    keys = [c for c in rows.columns if c not in (*CASES, "basis")]
    rows = rows.group_by(keys, maintain_order=True).agg(*(pl.col(c).sum() for c in CASES), weakest_basis())
    notes = [
        "exposure: value of what stops, before anyone finds another seller or buyer. What cannot be replaced may be "
        "worth more than it costs: the welfare loss in substitution can be larger. Each stopped flow stands at both "
        "its ends, so WORLD counts it twice"
    ]
    if shock["tariff"].max() or 0:
        notes.append("exposure: a tariff denies nothing by itself; see the substitution model")
    return Answer("exposure", rows.select(answer_rows([]).columns), ADDITIVE, tuple(notes))


def _denied(hit: pl.DataFrame, end: str, channel: Channel) -> pl.DataFrame:
    return (
        hit.group_by(end, "item", maintain_order=True)
        .agg(
            (pl.col("value") * pl.col("denied_low")).sum().alias("low"),
            (pl.col("value") * pl.col("denied_high")).sum().alias("high"),
            # `value` last: it is also the name of the flow's own column
            (pl.col("value") * pl.col("denied")).sum().alias("value"),
            weakest_basis(),
        )
        .rename({end: "party"})
        .with_columns(_fixed(channel, Metric.DENIED_VALUE))
    )


def _baseline(flows: pl.DataFrame, end: str, channel: Channel, parties: set[str]) -> pl.DataFrame:
    base = (
        flows.filter(pl.col(end).is_in(sorted(parties)) & (pl.col("origin") != pl.col("destination")))
        .group_by(end, maintain_order=True)
        .agg(pl.col("value").sum(), weakest_basis())
        .rename({end: "party"})
    )
    return base.with_columns(
        pl.col("value").alias("low"), pl.col("value").alias("high"), pl.lit("ALL").alias("item"),
        *_fixed(channel, Metric.BASELINE_VALUE),
    )  # fmt: skip


def _fixed(channel: Channel, metric: Metric) -> list[pl.Expr]:
    return [
        pl.lit(Horizon.NONE.value).alias("horizon"),
        pl.lit(channel.value).alias("channel"),
        pl.lit(metric.value).alias("metric"),
    ]
