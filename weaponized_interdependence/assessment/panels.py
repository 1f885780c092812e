"""Three panels over impacts: pressure on the target, collateral to senders and civilians, cost to third parties.

A panel shows; it does not judge. There is no probability of success here: no data known to us could calibrate one
(`limits`). Every figure keeps its band and its basis, and the three sides stand on the same models and units.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.terms import Channel, Metric, Panel, Role

_COLUMNS = ("phase", "model", "horizon", "party", "channel", "item", "metric", "value", "low", "high", "unit", "basis")
_HUMANITARIAN = (
    Metric.HUMANITARIAN_BANNED_SHARE,
    Metric.HUMANITARIAN_EFFECTIVE_SHARE,
    Metric.HUMANITARIAN_PRICE_CHANGE,
)
_LOSSES = (Metric.LOSS, Metric.LOSS_GDP)
_RATIOS = (Metric.LOSS_RATIO, Metric.LOSS_GDP_RATIO)


def panels(impacts: pl.DataFrame, scenario: Scenario, *, most: int = 10) -> dict[Panel, pl.DataFrame]:
    """The panels as frames of headline rows, with `low`, `value`, `high`, `unit` and `basis` of each.

    - pressure: loss of the target, in money and of GDP, and loss of the target for each unit the coalition loses
    - collateral: loss of the coalition and of the `most` members that lose most of their GDP; humanitarian shares
    - third_parties: their sum and the world's, the `most` that lose most and the `most` that gain most

    Headline rows are item ALL in the channels a model sums (`all`), or each channel where a model's channels are views
    of one event that must not be added (input_output). IMPACTS keeps everything else.
    """
    head = headlines(impacts)
    loss = pl.col("metric").is_in([str(m) for m in _LOSSES])
    ratio = pl.col("metric").is_in([str(m) for m in _RATIOS])
    role, party = pl.col("role"), pl.col("party")
    target = head.filter((role == Role.TARGET.value) & (loss | ratio))
    coalition = head.filter((party == "COALITION") & loss)
    members = _extremes(head.filter((role == Role.SENDER.value) & loss), most, losers=True)
    humane = impacts.filter(pl.col("metric").is_in([str(m) for m in _HUMANITARIAN]))
    sums = head.filter(party.is_in(["THIRD_PARTIES", "WORLD"]) & loss)
    each = head.filter((role == Role.THIRD_PARTY.value) & (party != "THIRD_PARTIES") & loss)
    others = [_extremes(each, most, losers=True), _extremes(each, most, losers=False)]
    return {
        Panel.PRESSURE: _shown([target]),
        Panel.COLLATERAL: _shown([coalition, members, humane]),
        Panel.THIRD_PARTIES: _shown([sums, *others]),
    }


def limits(models: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """What the panels cannot say, first in general, then for each model used."""
    general = _ALWAYS if "dynamic" in models else (*_ALWAYS, _NO_TIME)
    return (*general, *(text for model in models for text in _BY_MODEL.get(model, ())))


def panels_as_json(shown: Mapping[Panel, pl.DataFrame]) -> dict[str, Any]:
    """Panels with their meaning, and the limits of the models in them, ready for JSON."""
    used = sorted({model for frame in shown.values() for model in frame["model"].unique()})
    return {
        "panels": {panel.value: {"meaning": panel.meaning, "rows": frame.to_dicts()} for panel, frame in shown.items()},
        "limits": list(limits(used)),
    }


def headlines(impacts: pl.DataFrame) -> pl.DataFrame:
    """Rows of item ALL in the channel a model sums (`all`), or in each channel where they must not be added."""
    rows = impacts.filter(pl.col("item") == "ALL")
    summed = rows.filter(pl.col("channel") == Channel.ALL.value).select("model").unique()
    return pl.concat(
        [
            rows.filter(pl.col("channel") == Channel.ALL.value),
            rows.join(summed, on="model", how="anti"),
            # Frozen claims are a stock: beside the flows of the same model, never in their sum.
            rows.join(summed, on="model", how="semi").filter(pl.col("channel") == Channel.CLAIMS.value),
        ]
    )


def _extremes(rows: pl.DataFrame, most: int, *, losers: bool) -> pl.DataFrame:
    """Rows of the `most` parties that lose (or gain) the largest share of GDP; by money where no GDP is known."""
    keys = ["phase", "model", "horizon", "channel"]
    wide = rows.pivot(on="metric", index=[*keys, "party"], values="value", aggregate_function="first")
    for metric in _LOSSES:
        if metric.value not in wide.columns:
            wide = wide.with_columns(pl.lit(None, dtype=pl.Float64).alias(metric.value))
    sign = 1 if losers else -1
    ranked = wide.filter(sign * pl.col(Metric.LOSS.value) > 0).sort(
        sign * pl.col(Metric.LOSS_GDP.value), sign * pl.col(Metric.LOSS.value), "party",
        descending=[True, True, False], nulls_last=True,
    )  # fmt: skip
    chosen = (
        ranked.group_by(keys, maintain_order=True).head(most).with_row_index("place").select("place", *keys, "party")
    )
    return rows.join(chosen, on=[*keys, "party"], how="inner").sort("place", "metric").drop("place")


def _shown(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([frame.select(_COLUMNS) for frame in frames])


_ALWAYS = (
    "No probability of success is given. Published success rates run from under one twentieth to over a half of cases, "
    "by definition and selection, and threats that worked were never imposed and are not in the data.",
    "Resolve, credibility and intention of either side, rallying round the flag, elite politics and bargaining are not "
    "in these numbers.",
    "How a loss is shared inside an economy, who bears it, and deaths or illness are not computed.",
    "Measures are taken as written: evasion, transshipment and retaliation are not modelled here.",
)

_NO_TIME = "Losses of a year are set beside one another; lasting damage and recovery are not followed over time."

_BY_MODEL = {
    "exposure": (
        "exposure: what is stopped, not what is lost; nobody looks for another partner.",
        "exposure: of claims only what is blocked counts, as access lost to a stock; new claims are not in the data.",
    ),
    "substitution": (
        "substitution: each market by itself, supply and spending fixed; wages, exchange rates, capital do not move.",
        "substitution: products inside one item are taken as alike within each source; a unique machine inside a "
        "replaceable item is not seen.",
    ),
    "input_output": (
        "input_output: no substitution and no prices: an upper bound of how far a stop travels, in which nobody gains.",
    ),
    "equilibrium": (
        "equilibrium: full employment, and workers and capital that move at once: what remains once all has settled, "
        "no forecast of GDP. The short horizon has low elasticities, not idle factories.",
        "equilibrium: trade that is zero in the table stays zero; products inside a sector replace each other as its "
        "sources do; no capital flows, exchange rates, debt or money.",
        "equilibrium: where almost all trade stops, the answer is that of an economy alone, and rests on its home "
        "shares and on theta: orders of magnitude only.",
    ),
    "dynamic": (
        "dynamic: no prices, so nothing becomes dear and nobody saves; final demand waits or is lost. Stocks, "
        "rationing and rerouting times are assumed, and the band is wide for that reason. Not for more than a year.",
        "dynamic: every stored input an industry buys stops it once stocks are gone, and no other stands in: an upper "
        "bound where inputs can replace one another. Only the low case takes machinery, electronics, vehicles out.",
    ),
    "inoperability": (
        "inoperability: no substitution and no prices, as input_output; the ceiling is all that is added.",
    ),
    "bottleneck": (
        "bottleneck: every sector counts as critical and only the first round is counted; no other origin steps in. "
        "Who is denied sales, and no inputs, loses nothing here.",
    ),
    "terms_of_trade": (
        "terms_of_trade: an account to first order; with bans it leaves out most of what is lost. Never add it to a "
        "loss, nor compare it with one.",
    ),
    "humanitarian": (
        "humanitarian: shares of import value, not of need; what is made at home, stocks and aid are not counted.",
        "humanitarian: which goods are humanitarian is a judgement; the list can be replaced.",
    ),
}
