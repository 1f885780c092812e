"""Substitution: buyers turn to other sellers, sellers to other buyers, as far as published elasticities say.

Buyers. Within item p economy n spends M on sources i with shares s_i; a share d_i of each is denied, a duty t_i added:

    P = [ sum_i s_i (1 - d_i) (p_i (1 + t_i))^(1 - sigma) ]^(1 / (1 - sigma))

With source prices p_i = 1 and no duty this is the cut-off power of Clayton, Maggiori and Schreger in nested CES,
ln P = -ln(1 - omega) / (sigma - 1), omega the denied share of imports.

Sellers. Buyers keep what they spend on the item and spread it over the sources they have left. At old prices seller i
would sell Y'; its supply is fixed, so its price moves to p_i = (Y' / Y)^(1 / sigma), its revenue by the same factor.
Sellers who are not denied sell more and dearer: third parties may gain. One round, not iterated to an equilibrium.

Across items, spending shares a_j of total spending E, the rest an outside good, elasticity rho:

    P^(1 - rho) = 1 - sum_j a_j (1 - P_j^(1 - rho)),     loss of buyer = E (1 - 1/P)

which splits exactly over items in proportion to a_j (1 - P_j^(1 - rho)). Losses positive, gains negative, none clipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.simulation.impact import Answer, Assumption, answer_rows
from weaponized_interdependence.simulation.shock import CASES
from weaponized_interdependence.terms import Basis, Channel, Horizon, Metric, weakest

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

ADDITIVE = (Channel.IMPORTS, Channel.EXPORTS, Channel.REVENUE)

RHO = Assumption(
    "rho: elasticity of substitution between items",
    value=1.36,
    low=1.2,
    high=2.0,
    unit="elasticity",
    basis=Basis.ASSUMED.value,
    source=(
        "chosen. 1.36 is remembered as the across-sector estimate of Redding & Weinstein, Accounting for Trade "
        "Patterns (2018; Journal of International Economics 2024); the paper exists, the number in it was not "
        "re-verified; at 2 a complete cut of a small item costs its "
        "own value, at 1.2 five times that; at 1 or below no finite answer exists for a complete cut"
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


# ---- one round of one market set --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Market:
    """Flows of the items that a measure touches, as arrays of one length, with positions instead of names.

    `origin`, `destination` point into `economies`, `item` into `items`; `value` is spending before the measures;
    `denied` (3, flows) the denied share in the cases low, value, high; `tariff` the duty added.
    """

    economies: tuple[str, ...]
    items: tuple[str, ...]
    origin: Index
    destination: Index
    item: Index
    value: Floats
    denied: Floats
    tariff: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(items, economies)."""
        return len(self.items), len(self.economies)

    def sum(self, end: Index, weights: Floats) -> Floats:
        """Sum of `weights` over the flows of each (item, economy at `end`), flat."""
        n = len(self.economies)
        total: Floats = np.bincount(self.item * n + end, weights, minlength=len(self.items) * n).astype(np.float64)
        return total


@dataclass(frozen=True)
class Round:
    """What one round does, each (items, economies): price factors, revenue and duty, before and after."""

    power: Floats  # P_j^(1 - sigma) of buyers: 1 with no shock, 0 with everything denied
    spending: Floats  # of buyers, before
    sales: Floats  # of sellers, before
    price: Floats  # of sellers: p_i, 1 with no shock
    revenue: Floats  # duty collected by buyers


def one_round(market: Market, denied: Floats, sigma: Floats) -> Round:
    """Denial and duties at old source prices, then each seller's price, then each buyer's index at the new prices.

    `denied` (flows,), `sigma` (items,). Conservation: where no buyer loses every source, the sellers' sales at old
    prices plus the duty add up to what buyers spent before.
    """
    shape, n = market.shape, len(market.economies)
    buyer, seller = market.item * n + market.destination, market.item * n + market.origin
    power = 1 - sigma[market.item]
    spending, sales = market.sum(market.destination, market.value), market.sum(market.origin, market.value)
    share = market.value / spending[buyer]
    duty = 1 + market.tariff
    weight = share * (1 - denied)
    if market.tariff.any():
        weight *= duty**power
    left = market.sum(market.destination, weight)
    # A buyer left with no source spends nothing on the item; its own loss is in its index, not in anyone's sales.
    bought = np.divide(weight, left[buyer], out=np.zeros_like(weight), where=left[buyer] > 0) * spending[buyer]
    demand = market.sum(market.origin, bought / duty)
    ratio = np.divide(demand, sales, out=np.ones_like(sales), where=sales > 0)
    price = ratio ** (1 / np.repeat(sigma, n))
    # A seller denied everywhere has price 0, and no buyer to meet it: its weight is 0 and stays out of the power.
    factor = np.ones_like(weight)
    np.power(price[seller], power, out=factor, where=weight > 0)
    after = weight * factor
    index = market.sum(market.destination, after)
    paid = np.divide(after, index[buyer], out=np.zeros_like(after), where=index[buyer] > 0) * spending[buyer]
    return Round(
        np.where(spending > 0, index, 1.0).reshape(shape),
        spending.reshape(shape),
        sales.reshape(shape),
        price.reshape(shape),
        market.sum(market.destination, paid * market.tariff / duty).reshape(shape),
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
    frames, notes = [], []
    for horizon, rows in sigmas.items():
        ordered = pl.DataFrame({"item": market.items}, schema={"item": pl.String}).join(
            rows, on="item", how="left", maintain_order="left"
        )
        columns = {"low": "sigma_high", "value": "sigma", "high": "sigma_low"}
        rhos = {"low": rho.high, "value": rho.value, "high": rho.low}
        cases = [
            _case(market, market.denied[k], ordered[columns[case]].to_numpy(), rhos[case], expenditure)
            for k, case in enumerate(CASES)
        ]
        worst = weakest(basis, rho.basis, *rows["basis"].unique()).value
        frames += [_long(market, channel, [case[channel] for case in cases], horizon, worst) for channel in ADDITIVE]
        unmatched = rows.filter(pl.col("pattern") == "*").height
        if horizon == Horizon.LONG.value and unmatched:
            notes.append(
                f"substitution: {unmatched} of {rows.height} items have no elasticity of their own at the long "
                "horizon and take the default row *"
            )
    notes += [
        "substitution: one round of adjustment, not an equilibrium; supply is fixed, spending on each item is kept",
        "substitution: channel imports is the welfare loss of buyers, exports the change of sellers' revenue, revenue "
        "the duty collected (a gain, hence negative); duties in force before, lost with banned imports, are not known",
    ]
    notes += _near_cuts(market)
    poor = sorted(set(market.economies) - set(expenditure))
    if poor:
        notes.append(
            f"substitution: no GDP for {len(poor)} economies ({_some(poor)}); their loss is that of items "
            "small in all they spend"
        )
    if not (market.origin == market.destination).any():
        notes.append(
            "substitution: the flows hold no domestic sales, so imports are taken as the only source of an item; where "
            "a party makes the item itself its loss is overstated"
        )
    return Answer("substitution", answer_rows(frames), ADDITIVE, tuple(notes), (rho,))


def _near_cuts(market: Market) -> list[str]:
    """Where almost nothing is left to substitute between, sigma no longer decides the loss: rho does."""
    n = len(market.economies)
    spending = market.sum(market.destination, market.value)
    stopped = market.sum(market.destination, market.value * market.denied[CASES.index("value")])
    near = stopped >= 0.9 * np.where(spending > 0, spending, np.inf)
    if not near.any():
        return []
    buyers = np.unique(np.flatnonzero(near) % n)
    names = _some([market.economies[k] for k in buyers])
    return [
        f"substitution: {int(near.sum())} pairs of buyer and item ({names}; {spending[near].sum():.3g} USD) lose nine "
        "tenths or more of the sources in the data: their loss rests on rho, and on what they make themselves"
    ]


def _case(
    market: Market, denied: Floats, sigma: Floats, rho: float, expenditure: Mapping[str, float]
) -> dict[Channel, Floats]:
    """Losses (items, economies) by channel in one case."""
    after = one_round(market, denied, sigma)
    fall = np.where(after.spending > 0, 1 - after.power ** ((1 - rho) / (1 - sigma))[:, None], 0.0)
    spent = after.spending.sum(axis=0)
    # A party of unknown size is given one so large that its items are small in it: the limit, not a guess.
    total = np.array([expenditure.get(name, np.inf) for name in market.economies])
    total = np.where(np.isfinite(total), total, 1e15 * np.maximum(spent, 1.0))
    _, parts = spending_loss((after.spending / total).T, fall.T, rho)
    buyers = parts.T * total
    return {
        Channel.IMPORTS: buyers,
        Channel.EXPORTS: after.sales * (1 - after.price),
        Channel.REVENUE: -after.revenue,
    }


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
    """Every flow of the items that the shock touches, with the denied shares and duties laid on.

    `flows` are trade flows of one period; rows with origin = destination are domestic sales, a source like any other
    that no measure denies. Items that no measure touches are left out: nothing happens in them.
    """
    hit = shock.select("item").unique()
    shares = shock.select("layer", "origin", "destination", "item", "denied_low", "denied", "denied_high", "tariff")
    frame = (
        flows.filter(pl.col("value") > 0)
        .select("layer", "origin", "destination", "item", "value")
        .join(hit, on="item", how="semi")
        .join(shares, on=["layer", "origin", "destination", "item"], how="left")
    )
    items = frame["item"].unique().sort()
    economies = pl.concat([frame["origin"], frame["destination"]]).unique().sort()
    at_item, at_economy = pl.Enum(items), pl.Enum(economies)
    position = frame.select(
        pl.col("origin", "destination").cast(at_economy).to_physical().cast(pl.Int64),
        pl.col("item").cast(at_item).to_physical().cast(pl.Int64),
    )
    numbers = frame.select(pl.col("denied_low", "denied", "denied_high", "tariff").fill_null(0.0), "value")
    return Market(
        tuple(economies),
        tuple(items),
        position["origin"].to_numpy(),
        position["destination"].to_numpy(),
        position["item"].to_numpy(),
        numbers["value"].to_numpy(),
        np.stack([numbers[name].to_numpy() for name in ("denied_low", "denied", "denied_high")]),
        numbers["tariff"].to_numpy(),
    )


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
