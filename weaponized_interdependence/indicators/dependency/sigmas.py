"""Elasticities of substitution for indicators: the user's own by item, or one assumed for all; and their bands.

Low and high are elasticities: the low one makes sources hard to replace, so a band of power has it at its high end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.indicators.base import Context
from weaponized_interdependence.indicators.knobs import KNOBS
from weaponized_interdependence.network import Floats
from weaponized_interdependence.schemas import ELASTICITIES
from weaponized_interdependence.terms import Layer

ANY = "*"  # the row of `elasticities` for every item without one of its own

# 1 - omega, or 1 - S, below this is a rounding error of zero: nothing is left to turn to.
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Sigmas:
    """sigma by item, in the order of the items asked for: central, low and high."""

    central: Floats
    low: Floats
    high: Floats


def spread(context: Context, less_one: float) -> tuple[float, float, float]:
    """An assumed elasticity less one as (it, low, high): divided and multiplied by elasticity_spread.

    No elasticity is below zero, so low is -1 at least.
    """
    factor = context.knobs["elasticity_spread"]
    low, high = sorted((less_one / factor, less_one * factor))
    return less_one, max(low, -1.0), high


def is_set(context: Context, knob: str) -> bool:
    """Whether a knob stands at another number than its default."""
    return context.knobs[knob] != KNOBS[knob].default


def sigmas(context: Context, items: Sequence[str]) -> Sigmas:
    """Elasticities of the items: from the context's `elasticities`, else the knob of the layer with its spread.

    A row of `elasticities` without low and high takes them by elasticity_spread. Raises InputError with every fault of
    theirs, and UsageError where a knob is set that cannot act.
    """
    name = "sigma_finance" if context.layer in (Layer.CLAIMS, Layer.PAYMENTS) else "sigma"
    _refuse_idle(context, name)
    if context.elasticities is None:
        return Sigmas(*(np.full(len(items), 1 + e) for e in spread(context, context.knobs[name] - 1)))
    given = _checked(context.elasticities, items)
    factor = context.knobs["elasticity_spread"]
    less_one = pl.col("sigma") - 1
    ends = pl.min_horizontal, pl.max_horizontal
    by_spread = (end(1 + less_one / factor, 1 + less_one * factor).clip(lower_bound=0.0) for end in ends)
    filled = given.with_columns(
        pl.coalesce(pl.col(c), other).alias(c) for c, other in zip(("low", "high"), by_spread, strict=True)
    )
    rows = {item: place for place, item in enumerate(filled["item"])}
    take = np.array([rows.get(item, rows.get(ANY, -1)) for item in items], dtype=np.int64)
    return Sigmas(*(filled[c].to_numpy()[take] for c in ("sigma", "low", "high")))


def _refuse_idle(context: Context, name: str) -> None:
    """Raise UsageError where an elasticity is set that this layer, whose own is `name`, would not take."""
    given = [knob for knob in ("sigma", "sigma_finance") if is_set(context, knob)]
    faults = []
    if context.elasticities is not None:
        mend = f"leave it out, or put it into the elasticities as the row of item {ANY}"
        faults = [Fault(f"{knob} is set, but elasticities are given for every item", mend=mend) for knob in given]
    elif given and name not in given:
        mend = f"set {name} too, or rank the layers apart"
        faults = [Fault(f"{given[0]} is set, but layer {context.layer} takes {name}", mend=mend)]
    if faults:
        raise UsageError("a number that is set would change nothing", faults=faults)


def _checked(frame: pl.DataFrame, items: Sequence[str]) -> pl.DataFrame:
    """ELASTICITIES, in order and for every item; InputError with everything that is wrong with them."""
    given = ELASTICITIES.conform(frame, where="elasticities")
    sigma, low, high = (pl.col(c) for c in ("sigma", "low", "high"))
    rules = {"low is above sigma": low > sigma, "high is below sigma": high < sigma}
    faults = [Fault(f"{item}: {what}") for what, broken in rules.items() for item in given.filter(broken)["item"]]
    known = set(given["item"])
    if ANY not in known and (missing := sorted(set(items) - known)):
        mend = f"add rows, or one of item {ANY} for the rest; elasticities by item need a ranking by item"
        faults.append(Fault(f"no elasticity for {len(missing)} item(s): {', '.join(missing[:10])}", mend=mend))
    own = sorted(known - {ANY})
    if own and items and known.isdisjoint(items):
        here = ", ".join(sorted(items)[:5])
        mend = f"items here are {here}; elasticities by item need a ranking by item"
        faults.append(Fault(f"none of the items that have an elasticity is here: {', '.join(own[:10])}", mend=mend))
    if faults:
        raise InputError("elasticities have faults", faults=faults)
    return given


def log_price(omega: Floats, sigma: Floats) -> Floats:
    """Log price rise -ln(1 - omega) / (sigma - 1): 0 where nothing is lost, infinite where nothing is left to turn to.

    Also infinite for any loss where sigma <= 1: sources that cannot replace each other.

    >>> log_price(np.array([0.5, 0.0, 1.0, 0.5]), np.array([2.0, 2.0, 2.0, 1.0])).round(6).tolist()
    [0.693147, 0.0, inf, inf]
    """
    open_ = (1 - omega > NOTHING) & (sigma > 1)
    risen = -np.log1p(-np.where(open_, omega, 0.0)) / np.where(open_, sigma - 1, 1.0)
    return np.where(omega > 0, np.where(open_, risen, np.inf), 0.0)


def nested(total: Floats, rho: float) -> Floats:
    """Log price index from the sum over items that `nested_part` gives; infinite where no item is left."""
    if rho == 1:
        return total
    left = 1 - total
    with np.errstate(divide="ignore"):
        return np.where(left > NOTHING, np.log1p(-np.minimum(total, 1 - NOTHING)) / (1 - rho), np.inf)


def nested_part(weight: Floats, price: Floats, rho: float) -> Floats:
    """What an item of this weight and log price adds: w (1 - P^(1 - rho)), or w ln P where rho is 1.

    >>> parts = nested_part(np.array([0.5]), np.array([np.inf]), 2.0)  # half of what is bought is cut off
    >>> float(np.exp(nested(parts, 2.0))[0])
    2.0
    """
    if rho == 1:
        return weight * price
    with np.errstate(over="ignore"):
        return -weight * np.expm1((1 - rho) * price)
