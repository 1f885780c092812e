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
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Channel, Horizon, Layer, Metric, Role

ADDITIVE = (Channel.IMPORTS, Channel.EXPORTS)


def exposure(shock: pl.DataFrame, flows: pl.DataFrame) -> Answer:
    """Denied value and loss of every party, by item and channel, and what everyone trades or holds before the measures.

    Parameters: `shock` (SHOCK), `flows` (FLOWS of the same periods). Units: those of the flows.

    Imports count for the destination, exports for the origin, on goods and services (on inputs where both are absent):
    the loss is the denied value. Of claims only what is blocked is a loss, of access, and the creditor's; the debtor's
    side, a source of funds that dries up, and measures on new claims are denied value only. Payments that lose their
    route are denied value only: the loss is in the trade they pay for.

    No ratios of target to coalition where every flow that stops is one between them: what one loses the other loses.
    """
    trade, claims, payments = (
        pl.col("layer").is_in(layers) for layers in (trade_layers(flows), [Layer.CLAIMS.value], [Layer.PAYMENTS.value])
    )
    sides = [
        (Channel.IMPORTS, "destination", trade, "denied"),
        (Channel.EXPORTS, "origin", trade, "denied"),
        (Channel.CLAIMS, "origin", claims, "blocked"),
        (Channel.CLAIMS, "destination", claims, None),
        (Channel.PAYMENTS, "origin", payments, None),
        (Channel.PAYMENTS, "destination", payments, None),
    ]
    hit = shock.filter(pl.col("denied_high") > 0)
    notes = [
        "exposure: value of what stops, before anyone finds another seller or buyer. What cannot be replaced may be "
        "worth more than it costs: the welfare loss in substitution can be larger. Each stopped flow stands at both "
        "its ends, so WORLD counts it twice"
    ]
    if shock["tariff"].max() or 0:
        notes.append("exposure: a tariff denies nothing by itself; see the substitution model")
    if hit.filter(claims & (pl.col("blocked_high") > 0)).height:
        notes.append(
            "exposure: loss in channel claims is the creditor's loss of access to claims that are blocked: a stock, "
            "which may be given back, not a destruction of wealth"
        )
    frames = []
    for channel, end, chosen, loses in sides:
        stopped = hit.filter(chosen)
        frames.append(_valued(stopped, end, channel, Metric.DENIED_VALUE, "denied"))
        if loses is not None:
            frames.append(_valued(stopped, end, channel, Metric.LOSS, loses))
        if stopped.height or (channel in ADDITIVE and hit.height):
            frames.append(_baseline(flows.filter(chosen), end, channel))
    # A claim has two ends that may both be a party's own: one row a party and channel.
    rows = answer_rows(frames)
    keys = [c for c in rows.columns if c not in (*CASES, "basis")]
    rows = rows.group_by(keys, maintain_order=True).agg(steady_sum(*CASES), weakest_basis())
    third = Role.THIRD_PARTY.value
    between = hit.filter(trade & ((pl.col("origin_role") == third) | (pl.col("destination_role") == third))).is_empty()
    if between and hit.filter(trade).height:
        notes.append(
            "exposure: no ratio of losses, target to coalition: every flow that stops is one between them, so the "
            "one in money would be 1 and that of GDP shares the ratio of their GDPs, whatever the measures"
        )
    unrated = (*ADDITIVE, Channel.ALL) if between else ()
    return Answer("exposure", rows.select(answer_rows([]).columns), ADDITIVE, tuple(notes), unrated=unrated)


def _valued(hit: pl.DataFrame, end: str, channel: Channel, metric: Metric, stem: str) -> pl.DataFrame:
    """Value times share, summed over the flows with an end at each party, by item."""
    columns = {case: stem if case == "value" else f"{stem}_{case}" for case in CASES}
    return (
        hit.with_columns((pl.col("value") * pl.col(column)).alias(case) for case, column in columns.items())
        .group_by(end, "item", maintain_order=True)
        .agg(steady_sum(*CASES), weakest_basis())
        .rename({end: "party"})
        .with_columns(_fixed(channel, metric))
    )


def _baseline(flows: pl.DataFrame, end: str, channel: Channel) -> pl.DataFrame:
    """What everyone trades or holds, hit or not, so that sums over groups are of whole groups."""
    base = (
        flows.filter(pl.col("origin") != pl.col("destination"))
        .group_by(end, maintain_order=True)
        .agg(steady_sum("value"), weakest_basis())
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
