"""Substitution: buyers turn to other sellers, sellers to other buyers, as far as published elasticities say.

What a share means. A denied share d of a flow is the first d of the products inside its item, each wholly denied; two
measures that deny .3 and .5 of different flows of one item share the first .3. An item is therefore cut at the denied
shares that occur in it into slices, markets of their own in which a flow is denied or not. Products inside an item do
not replace one another (assumed): a quota is a ceiling, and loss runs on evenly to that of a ban.

Buyers. Within a market p economy n spends M on sources i with shares s_i; those in D are denied, a duty t_i is added:

    P = [ sum_{i not in D} s_i (p_i (1 + t_i))^(1 - sigma) ]^(1 / (1 - sigma))

With source prices p_i = 1 and no duty this is the cut-off power of Clayton, Maggiori and Schreger in nested CES,
ln P = -ln(1 - omega) / (sigma - 1), omega the denied share of imports.

Sellers. Buyers keep what they spend in the market and spread it over the sources they have left; supply Y_i is fixed.
Each market by itself is in equilibrium when every seller earns what buyers pay it, duty taken off:

    p_i Y_i = sum_n M_n s_ni (p_i (1 + t_ni))^(1 - sigma) P_n^(sigma - 1) / (1 + t_ni)

Sellers who are not denied sell dearer: third parties may gain.

Across markets, spending shares a_j of total spending E, the rest an outside good, elasticity rho:

    P^(1 - rho) = 1 - sum_j a_j (1 - P_j^(1 - rho)),     loss of buyer = E (1 - 1/P)

which splits exactly over markets in proportion to a_j (1 - P_j^(1 - rho)). Losses positive, gains negative, never
clipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.simulation.impact import Answer, Assumption, answer_rows
from weaponized_interdependence.simulation.market_clearing import Floats, Index, Slices, equilibrium
from weaponized_interdependence.simulation.shock import CASES
from weaponized_interdependence.terms import Basis, Channel, Horizon, Metric, weakest

ADDITIVE = (Channel.IMPORTS, Channel.EXPORTS, Channel.REVENUE)

RHO = Assumption(
    "rho: elasticity of substitution between items",
    value=1.36,
    low=1.2,
    high=2.0,
    unit="elasticity",
    basis=Basis.ASSUMED.value,
    source=(
        "a choice: 1.36 is remembered, not re-verified, as the across-sector estimate of Redding & Weinstein, "
        "Accounting for Trade Patterns (2018; Journal of International Economics 2024); at 2 a complete cut of a small "
        "item costs its own value, at 1.2 five times that; at 1 or below no finite answer exists for a complete cut"
    ),
)


# ---- closed forms -----------------------------------------------------------------------------------------------


def cutoff_power(omega: npt.ArrayLike, sigma: npt.ArrayLike) -> Any:
    """Log price rise of an item whose sources lose a share `omega`: -ln(1 - omega) / (sigma - 1).

    Zero at omega = 0, convex, superadditive over the members of a coalition that supply the same item, falling in
    sigma, infinite as omega goes to 1. sigma > 1; fixed source prices. In the spirit of Clayton, Maggiori and
    Schreger, A Framework for Geoeconomics (2024).

    >>> round(float(cutoff_power(0.5, 2.0)), 6)
    0.693147
    """
    share, elasticity = np.asarray(omega, dtype=float), np.asarray(sigma, dtype=float)
    with np.errstate(divide="ignore"):
        return -np.log1p(-share) / (elasticity - 1)


def cutoff_score(imports: npt.ArrayLike, omega: npt.ArrayLike, sigma: npt.ArrayLike) -> Any:
    """Score of an item for targeting: imports * [(1 - omega)^(-1 / (sigma - 1)) - 1].

    The weight of the item in the target's imports times the price rise that denial would cause: highly convex in the
    coalition's market share. After Hausmann, Schetter and Yildirim, On the Design of
    Effective Sanctions (2024), who target by products; the closed form is ours.

    >>> float(cutoff_score(10.0, 0.75, 2.0))
    30.0
    """
    return np.asarray(imports, dtype=float) * np.expm1(cutoff_power(omega, sigma))


def spending_loss(weights: Floats, fall: Floats, rho: float) -> tuple[Floats, Floats]:
    """Loss 1 - 1/P as a share of spending, and each item's part of it, which add up exactly.

    `weights` (parties, items): a_j. `fall` (parties, items): 1 - P_j^(1 - rho), or ln P_j when rho is 1. Where the
    total is zero the parts are those of a small shock, a_j fall_j / (rho - 1), so the split has no hole at zero.
    """
    parts = weights * fall
    total = parts.sum(axis=1)
    slope = 1.0 if rho == 1 else 1 / (rho - 1)
    loss, tiny = _loss(total, rho), np.abs(total) < 1e-12
    per_unit = np.where(tiny, slope, loss / np.where(tiny, 1.0, total))
    return loss, parts * per_unit[:, None]


def _loss(total: Floats, rho: float) -> Floats:
    """1 - 1/P from sum a_j fall_j: 1 - (1 - S)^(1/(rho-1)), or 1 - exp(-S) when rho is 1."""
    with np.errstate(divide="ignore", over="ignore"):
        if rho == 1:
            return -np.expm1(-total)
        return -np.expm1(np.log1p(-total) / (rho - 1))


def targeting(
    flows: pl.DataFrame, coalition: Sequence[str], target: Sequence[str], sigmas: pl.DataFrame
) -> pl.DataFrame:
    """Items by what it would cost the target to lose the coalition as a source (`cutoff_score`), highest first.

    `flows`: trade flows of one period; the target's domestic sales, where the data have them, are a source like any
    other. `sigmas`: rows of `Elasticities.of`. Returns item, imports (what the target buys, USD), omega (the
    coalition's share of it), sigma, score (USD; infinite where the coalition is the only source). ModelError for an
    item without sigma.

    >>> flow = pl.DataFrame({"origin": ["USA", "CHN"], "destination": "RUS", "item": "HS:85", "value": [3.0, 1.0]})
    >>> sigma = pl.DataFrame({"item": ["HS:85"], "sigma": [2.0]})
    >>> targeting(flow, ["USA"], ["RUS"], sigma).row(0)
    ('HS:85', 4.0, 0.75, 2.0, 12.0)
    """
    inside = pl.col("origin").is_in(list(target)) & (pl.col("origin") != pl.col("destination"))
    bought = flows.filter(pl.col("destination").is_in(list(target)) & ~inside & (pl.col("value") > 0))
    denied = pl.col("value").filter(pl.col("origin").is_in(list(coalition))).sum()
    table = (
        bought.group_by("item")
        .agg(pl.col("value").sum().alias("imports"), (denied / pl.col("value").sum()).alias("omega"))
        .join(sigmas.select("item", "sigma"), on="item", how="left")
    )
    if missing := sorted(table.filter(pl.col("sigma").is_null())["item"]):
        raise ModelError(f"no elasticity for {_some(missing)}", mend="give a row of sigmas for every item")
    score = cutoff_score(*(table[name].to_numpy() for name in ("imports", "omega", "sigma")))
    return table.with_columns(pl.Series("score", score)).sort("score", "item", descending=[True, False])


# ---- markets and their slices -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Market:
    """Flows of the markets that a measure touches, as arrays of one length, with positions instead of names.

    `origin`, `destination` point into `economies`, `market` into `item_of`, which points into `items`: goods and
    services of one item code are two markets of one item. `value` is spending before the measures; `denied` (3, flows)
    the denied share in the cases low, value, high; `tariff` the duty added.
    """

    economies: tuple[str, ...]
    items: tuple[str, ...]
    item_of: Index
    origin: Index
    destination: Index
    market: Index
    value: Floats
    denied: Floats
    tariff: Floats


def slices_of(market: Market, denied: Floats) -> Slices:
    """The markets cut at the denied shares that occur in them; `denied` (flows,) is one case.

    Slice (lo, hi] has hi - lo of every flow of its market; flows with a share of hi or more are denied in it. Above the
    highest share nothing happens, so that part is left out unless a duty is laid in the market.
    """
    # Shares that are the same but for rounding are one: a slice between them would be empty.
    level = np.round(denied, 12)
    taxed = np.zeros(len(market.item_of), dtype=bool)
    taxed[market.market[market.tariff != 0]] = True
    bounds = np.concatenate([
        np.unique(np.stack([market.market[level > 0], level[level > 0]]), axis=1),
        np.stack([np.flatnonzero(taxed), np.ones(taxed.sum())]),
    ], axis=1)  # fmt: skip
    bounds = np.unique(bounds, axis=1)
    of, high = bounds[0].astype(np.int64), bounds[1]
    low = np.where(np.append(-1, of[:-1]) == of, np.append(0.0, high[:-1]), 0.0)
    count = np.bincount(of, minlength=len(market.item_of))
    first = np.cumsum(count) - count
    # Each row once for every slice of its market; where no share is between 0 and 1 that is the rows as they are.
    times = count[market.market]
    row, at = np.arange(len(market.value)), first[market.market]
    if (count != 1).any():
        row = np.repeat(row, times)
        at = at[row] + np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    n = len(market.economies)
    buyer, seller = at * n + market.destination[row], at * n + market.origin[row]
    if (np.diff(buyer) < 0).any():
        order = np.argsort(buyer, kind="stable")
        row, at, buyer, seller = row[order], at[order], buyer[order], seller[order]
    value = market.value[row] * (high - low)[at]
    cells = len(of) * n
    spending = np.bincount(buyer, value, minlength=cells).astype(np.float64)
    sales = np.bincount(seller, value, minlength=cells).astype(np.float64)
    return Slices(
        n,
        market.item_of[of],
        buyer,
        seller,
        value / spending[buyer],
        level[row] >= high[at],
        market.tariff[row],
        spending,
        sales,
    )


# ---- the model --------------------------------------------------------------------------------------------------


def substitution(
    market: Market,
    sigmas: Mapping[str, pl.DataFrame],
    expenditure: Mapping[str, float],
    basis: str,
    rho: Assumption = RHO,
) -> Answer:
    """Loss of every party as buyer, as seller and as collector of duties, at each horizon.

    `sigmas`: horizon -> rows of `Elasticities.of` for the market's items. `expenditure`: total spending E of a party; a
    party without one is given the limit of a small item, E -> infinity. `basis`: weakest basis of the flows.
    Cases: low loss = high sigma, high rho, low denied share; high loss the reverse.
    """
    if rho.low <= 1:
        raise ModelError(
            f"rho of {rho.low:g} gives no finite loss where every source of an item is denied",
            mend="choose rho above 1",
        )
    cut = slices_of(market, market.denied[CASES.index("value")])
    cuts = [cut if (d == market.denied[CASES.index("value")]).all() else slices_of(market, d) for d in market.denied]
    rhos = {"low": rho.high, "value": rho.value, "high": rho.low}
    columns = {"low": "sigma_high", "value": "sigma", "high": "sigma_low"}
    frames, notes = [], []
    for horizon, rows in sigmas.items():
        ordered = pl.DataFrame({"item": market.items}, schema={"item": pl.String}).join(
            rows, on="item", how="left", maintain_order="left"
        )
        cases = [
            _case(market, slices, ordered[columns[case]].to_numpy(), rhos[case], expenditure)
            for case, slices in zip(CASES, cuts, strict=True)
        ]
        worst = weakest(basis, rho.basis, *rows["basis"].unique()).value
        frames += [_long(market, channel, [case[channel] for case in cases], horizon, worst) for channel in ADDITIVE]
        unmatched = rows.filter(pl.col("pattern") == "*").height
        if horizon == Horizon.LONG.value and unmatched:
            notes.append(
                f"substitution: {unmatched} of {rows.height} items have no elasticity of their own at the long "
                "horizon and take the default row *"
            )
    notes += [*_readings(market), *_near_cuts(market, cut), *_gaps(market, expenditure)]
    return Answer("substitution", answer_rows(frames), ADDITIVE, tuple(notes), (rho,))


def _readings(market: Market) -> list[str]:
    """How the numbers are to be read."""
    notes = [
        "substitution: equilibrium of each item by itself, spending on the item and supply fixed",
        "substitution: channel imports is the welfare loss of buyers, exports the change of sellers' revenue, revenue "
        "the duty collected (a gain, hence negative); duties in force before, lost with banned imports, are not known",
    ]
    if ((market.denied > 0) & (market.denied < 1)).any():
        notes.append(
            "substitution: a denied share between 0 and 1 is read as a share of the products inside the item, each "
            "wholly denied; shares of different flows overlap as far as they go, and products inside an item do not "
            "replace one another (assumed)"
        )
    return notes


def _near_cuts(market: Market, slices: Slices) -> list[str]:
    """Where almost nothing is left to substitute between, sigma no longer decides the loss: rho does."""
    stopped = np.bincount(slices.buyer, slices.share * slices.denied, minlength=len(slices.spending))
    near = np.flatnonzero(stopped >= 0.9)
    if not len(near):
        return []
    n = slices.economies
    pairs = np.unique(slices.item_of[near // n] * n + near % n)
    names = _some([market.economies[k] for k in np.unique(near % n)])
    return [
        f"substitution: {len(pairs)} pairs of buyer and item ({names}; {slices.spending[near].sum():.3g} USD) lose "
        "nine tenths or more of the sources in the data, of the item or of the denied part of it: their loss rests on "
        "rho, and on what they make themselves"
    ]


def _gaps(market: Market, expenditure: Mapping[str, float]) -> list[str]:
    """What the data lack."""
    notes = []
    if poor := sorted(set(market.economies) - set(expenditure)):
        notes.append(
            f"substitution: no GDP for {len(poor)} economies ({_some(poor)}); their loss is that of items "
            "small in all they spend"
        )
    if not (market.origin == market.destination).any():
        notes.append(
            "substitution: the flows hold no domestic sales, so imports are taken as the only source of an item; where "
            "a party makes the item itself its loss is overstated"
        )
    return notes


def _case(
    market: Market, slices: Slices, sigma: Floats, rho: float, expenditure: Mapping[str, float]
) -> dict[Channel, Floats]:
    """Losses (items, economies) by channel in one case; `sigma` (items,)."""
    sigma = sigma[slices.item_of].astype(np.float64)
    after = equilibrium(slices, sigma)
    spending, sales = (cells.reshape(after.price.shape) for cells in (slices.spending, slices.sales))
    fall = -np.expm1(after.log_power * ((1 - rho) / (1 - sigma))[:, None])
    spent = spending.sum(axis=0)
    # A party of unknown size is given one so large that its items are small in it: the limit, not a guess.
    total = np.array([expenditure.get(name, np.inf) for name in market.economies])
    total = np.where(np.isfinite(total), total, 1e15 * np.maximum(spent, 1.0))
    _, parts = spending_loss((spending / total).T, fall.T, rho)
    losses = {
        Channel.IMPORTS: parts.T * total,
        Channel.EXPORTS: sales * (1 - after.price),
        Channel.REVENUE: -after.revenue,
    }
    return {channel: _over_slices(values, slices.item_of, len(market.items)) for channel, values in losses.items()}


def _over_slices(values: Floats, item_of: Index, items: int) -> Floats:
    """Sums (items, economies) of values (slices, economies), whose items are in order."""
    total = np.zeros((items, values.shape[1]))
    if len(values):
        item, first = np.unique(item_of, return_index=True)
        total[item] = np.add.reduceat(values, first, axis=0)
    return total


def _long(market: Market, channel: Channel, cases: list[Floats], horizon: str, basis: str) -> pl.DataFrame:
    """The cells that are not zero in every case, as ANSWER rows."""
    item, economy = np.nonzero(np.any([case != 0 for case in cases], axis=0))
    return pl.DataFrame(
        {
            "horizon": pl.Series([horizon], dtype=pl.String).new_from_index(0, len(item)),
            "party": pl.Series(market.economies, dtype=pl.String).gather(economy),
            "channel": pl.Series([channel.value], dtype=pl.String).new_from_index(0, len(item)),
            "item": pl.Series(market.items, dtype=pl.String).gather(item),
            "metric": pl.Series([Metric.LOSS.value], dtype=pl.String).new_from_index(0, len(item)),
            **{case: values[item, economy] for case, values in zip(CASES, cases, strict=True)},
            "basis": pl.Series([basis], dtype=pl.String).new_from_index(0, len(item)),
        }
    )


def market_of(flows: pl.DataFrame, shock: pl.DataFrame) -> Market:
    """Every flow of the markets (layer and item) that the shock touches, with the denied shares and duties laid on.

    `flows` are trade flows of one period; rows with origin = destination are domestic sales, a source like any other
    that no measure denies. Markets that no measure touches are left out: nothing happens in them.
    """
    hit = shock.select("layer", "item").unique()
    shares = shock.select("layer", "origin", "destination", "item", "denied_low", "denied", "denied_high", "tariff")
    frame = (
        flows.filter(pl.col("value") > 0)
        .select("layer", "origin", "destination", "item", "value")
        .join(hit, on=["layer", "item"], how="semi")
        .join(shares, on=["layer", "origin", "destination", "item"], how="left")
    )
    names = {
        "item": frame["item"].unique().sort(),
        "layer": frame["layer"].unique().sort(),
        "origin": pl.concat([frame["origin"], frame["destination"]]).unique().sort(),
    }
    names["destination"] = names["origin"]
    layers = max(len(names["layer"]), 1)
    coded = frame.with_columns(
        *(pl.col(name).cast(pl.Enum(known)).to_physical().cast(pl.Int64) for name, known in names.items()),
        pl.col("denied_low", "denied", "denied_high", "tariff").fill_null(0.0),
    )
    coded = coded.with_columns((pl.col("item") * layers + pl.col("layer")).alias("market")).sort(
        "market", "destination"
    )
    code = coded["market"].to_numpy()
    present = np.bincount(code, minlength=layers * len(names["item"])) > 0
    return Market(
        tuple(names["origin"]),
        tuple(names["item"]),
        np.flatnonzero(present) // layers,
        coded["origin"].to_numpy(),
        coded["destination"].to_numpy(),
        (np.cumsum(present) - 1)[code],
        coded["value"].to_numpy(),
        np.stack([coded[name].to_numpy() for name in ("denied_low", "denied", "denied_high")]),
        coded["tariff"].to_numpy(),
    )


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
