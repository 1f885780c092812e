"""How far a ranking can be trusted when the flows are noisy or incomplete: perturb them, rank again, compare.

Each draw multiplies every tie by a factor of its own whose mean is one:

    factor = exp(noise z - noise^2 / 2)                      z standard normal
             / (1 - missing), or 0 with probability missing

so that sums are right on average, whether or not ties are missing. A tie is what the indicators see: (layer, origin,
destination), and the item too where each item is ranked by itself. Where items are summed their sum is one tie: errors
of its items are taken to go together, for were they independent, thousands of them would cancel out and the interval
would shrink to nothing.

The factor hangs on the tie, the number of the draw and the seed, and on nothing else (`perturbation`). So a tie errs
alike in every period, and what a reporter always gets wrong does not pass for a change; and neither the order of rows
nor other ties matter.

How noisy flows are no source says: `noise` is assumed, has no default, and the interval is no better than it. What
indicators read beside the flows (a network of ties, controls, GDP) stays as it is.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, UnknownCodeError, UsageError
from weaponized_interdependence.indicators.base import steady_sums
from weaponized_interdependence.indicators.parts import Flows
from weaponized_interdependence.indicators.perturbation import factors, tie_ids
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.network import Floats
from weaponized_interdependence.schemas import SCORES
from weaponized_interdependence.terms import Basis

MOST_CELLS = 50_000_000  # scores times draws that are kept, 12 to 20 bytes each
_BLOCK = 50_000  # rows whose quantiles are worked out at a time

_GROUP = ["period", "layer", "item", "indicator"]
_KEY = [*_GROUP, "node", "counterpart"]
_TIE = ["period", "layer", "item", "origin", "destination"]
Ranks = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Draws:
    """A ranking of the flows as they are, and what became of each of its rows in every draw.

    - `scores`: SCORES of the unperturbed flows (rows)
    - `low`, `high` (rows, draws): the score of each draw, or its own band where the indicator gives one (infinite
      where that has no `high`); NaN where the draw leaves it undefined
    - `rank` (rows, draws): its rank; one below all others for a row that has no score in the draw though it has one
      without; NaN where the draw leaves the whole ranking empty, or the row has no score anyway
    """

    scores: pl.DataFrame
    low: Floats
    high: Floats
    rank: Ranks


def bootstrap(
    flows: Flows,
    indicators: str | Iterable[str],
    *,
    draws: int,
    noise: float,
    missing: float = 0.0,
    seed: int = 0,
    confidence: float = 0.95,
    top: int | None = None,
    **options: Any,
) -> pl.DataFrame:
    """Rank, with intervals of scores and ranks from perturbed flows.

    Parameters
    ----------
    flows, indicators, **options
        As of `indicators.rank.rank`, but for `table`: input-output tables are not perturbed.
    draws
        How often to perturb; at least 2 / (1 - confidence).
    noise
        Standard deviation of the log of a flow's error: 0.1 is about 10 per cent. An assumption, so it has no default.
    missing
        Probability that a tie is not there, from 0 to below 1; what stays counts 1 / (1 - missing) times.
    seed
        Same seed, same numbers.
    confidence
        Part of the draws that the intervals hold: from the (1 - confidence) / 2 to the (1 + confidence) / 2 quantile.
    top
        Keep ranks up to this one; ranks are among all.

    Returns
    -------
    SCORES
        As of `rank`, scores and ranks being those of the flows as they are, with `low`, `high`, `rank_low` (best) and
        `rank_high` (worst) from the draws; where an indicator gives a band of its own, the interval holds that of every
        draw. A score may lie outside its interval: noise by itself makes shares less even. Draws that
        leave a score undefined (a node without ties) count in its ranks, as below all others, and not in low and high.

    Raises
    ------
    UsageError
        As `rank`, and for numbers out of range, a table, or more scores times draws than fit.

    Notes
    -----
    Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7(1): 1-26, for the quantiles;
    ties are perturbed and not drawn with replacement, for there is one of each.

    Examples
    --------
    B is 10 per cent behind A, which noise of 30 per cent can turn; C is far behind.

    >>> sent = {"A": 100.0, "B": 90.0, "C": 1.0}
    >>> rows = [("2020", "goods", node, "Z", "TOTAL", value, "USD", "assumed") for node, value in sent.items()]
    >>> names = ["period", "layer", "origin", "destination", "item", "value", "unit", "basis"]
    >>> flows = pl.DataFrame(rows, schema=names, orient="row")
    >>> scores = bootstrap(flows, "export_share", draws=200, noise=0.3)
    >>> scores.select("node", "rank", "rank_low", "rank_high").rows()[:3]
    [('A', 1, 1, 2), ('B', 2, 1, 2), ('C', 3, 3, 3)]
    """
    made = resample(
        flows, indicators, draws=draws, noise=noise, missing=missing, seed=seed, confidence=confidence, **options
    )
    found = intervals(made, confidence)
    return found if top is None else found.filter(pl.col("rank") <= top)


def resample(
    flows: Flows,
    indicators: str | Iterable[str],
    *,
    draws: int,
    noise: float,
    missing: float = 0.0,
    seed: int = 0,
    confidence: float = 0.95,
    **options: Any,
) -> Draws:
    """Rank the flows as they are, and again in every draw; parameters as of `bootstrap`."""
    _refuse(flows, draws, noise, missing, seed, confidence, options)
    names = [indicators] if isinstance(indicators, str) else list(indicators)
    periods = options.pop("periods", None)
    periods = None if periods is None else list(periods)
    base = rank(flows, names, periods=periods, **options)
    if base.height * draws > MOST_CELLS:
        raise UsageError(
            f"{base.height:,} scores times {draws:,} draws are too many to keep",
            mend=f"rank fewer items, periods or indicators, or draw at most {MOST_CELLS // base.height:,} times",
        )
    by_item = "item" in options.get("by", ())
    ties = _ties(flows, by_item, periods)
    ids = tie_ids(ties.select("layer", "origin", "destination", *(["item"] if by_item else [])))
    rows = base.select(_KEY).with_row_index("row")
    low = np.full((base.height, draws), np.nan)
    high = low  # one array does until an indicator gives a band
    place = np.full((base.height, draws), np.nan, dtype=np.float32)  # exact for whole numbers to 16 million
    for draw in range(draws):
        value = ties["value"].to_numpy() * factors(ids, draw, noise=noise, missing=missing, seed=seed)
        drawn = _ranked(ties.with_columns(value=value).filter(pl.col("value") > 0), names, options)
        found = rows.join(drawn, on=_KEY, nulls_equal=True)
        row, banded = found["row"].to_numpy(), found["low"].is_not_null()
        low[row, draw] = found["low"].fill_null(found["score"]).fill_null(np.nan).to_numpy()
        if banded.any():
            high = low.copy() if high is low else high
            unbounded = banded & found["high"].is_null()
            high[row, draw] = found["high"].fill_null(found["score"]).fill_null(np.nan).to_numpy()
            high[row[unbounded.to_numpy()], draw] = np.inf
        elif high is not low:
            high[row, draw] = low[row, draw]
        place[row, draw] = found["rank"].cast(pl.Float32).fill_null(np.nan).to_numpy()
    _rank_the_lost(base, place)
    return Draws(base, low, high, place)


def intervals(made: Draws, confidence: float = 0.95) -> pl.DataFrame:
    """SCORES with low, high, rank_low and rank_high from the draws, as `bootstrap` gives them."""
    tail = (1 - confidence) / 2
    some = made.scores["score"].is_not_null()
    columns = {
        "low": _quantile(made.low, tail),
        "high": _quantile(made.high, 1 - tail),
        "rank_low": _quantile(made.rank, tail, "lower"),
        "rank_high": _quantile(made.rank, 1 - tail, "higher"),
    }
    return made.scores.with_columns(
        pl.when(some).then(pl.Series(values, nan_to_null=True).cast(SCORES.schema[name])).alias(name)
        for name, values in columns.items()
    )


def agreement(made: Draws, confidence: float = 0.95) -> pl.DataFrame:
    """How much the draws rank like the flows as they are, for every period, layer, item and indicator.

    - `scores`: rows that have a score; `draws`: how often flows were perturbed
    - `spearman`, `kendall`: median over draws of the correlation (tau-b) with the unperturbed scores, over the rows
      that have both; null where fewer than two have, or all are equal
    - `spearman_low`, `kendall_low`: the (1 - confidence) / 2 quantile, so what all but a few draws reach
    - `lost`: share of those scores that are undefined in a draw, on average
    """
    tail = (1 - confidence) / 2
    middle = made.low if made.high is made.low else (made.low + made.high) / 2
    parts = made.scores.select(*_GROUP, "score").with_row_index("row")
    found = []
    for key, group in parts.group_by(_GROUP, maintain_order=True):
        defined = group.drop_nulls("score")
        base, drawn = defined["score"].to_numpy(), middle[defined["row"].to_numpy()]
        alike = np.array([correlations(base, column) for column in drawn.T]).reshape(-1, 2)
        numbers = [f(alike[:, side]) for side in (0, 1) for f in (_median, lambda x: _quantile(x[None], tail)[0])]
        lost = float(np.isnan(drawn).mean()) if drawn.size else math.nan
        found.append((*key, defined.height, drawn.shape[1], *numbers, lost))
    names = ["spearman", "spearman_low", "kendall", "kendall_low", "lost"]
    schema = {
        **dict.fromkeys(_GROUP, pl.String),
        "scores": pl.Int64,
        "draws": pl.Int64,
        **dict.fromkeys(names, pl.Float64),
    }
    return pl.DataFrame(found, schema=schema, orient="row").with_columns(pl.col(names).fill_nan(None))


def rank_changes(
    flows: Flows,
    indicators: str | Iterable[str],
    before: str,
    after: str,
    *,
    draws: int,
    noise: float,
    missing: float = 0.0,
    seed: int = 0,
    confidence: float = 0.95,
    **options: Any,
) -> pl.DataFrame:
    """Who moved up or down between two periods, and whether the move exceeds what noise in the flows can do.

    A tie errs alike in both periods, so only what differs between them moves ranks; were errors of two periods not
    related, intervals would be wider. Parameters as of `bootstrap`.

    Returns
    -------
    layer, item, indicator, node, counterpart, rank_before, rank_after, change, change_low, change_high, moved
        `change` = rank_before - rank_after: places gained, positive is up. `change_low` and `change_high` are its
        quantiles over draws; `moved` is true where both are on the side of 0 that the change is on. Nodes ranked in
        one period only are left out.

    Examples
    --------
    >>> names = ["period", "layer", "origin", "destination", "item", "value", "unit", "basis"]
    >>> sent = {"2000": {"A": 9.0, "B": 5.0, "C": 1.0}, "2010": {"A": 3.0, "B": 5.0, "C": 9.0}}
    >>> rows = [(p, "goods", o, "Z", "TOTAL", v, "USD", "assumed") for p, of in sent.items() for o, v in of.items()]
    >>> flows = pl.DataFrame(rows, schema=names, orient="row")
    >>> moves = rank_changes(flows, "export_share", "2000", "2010", draws=100, noise=0.1)
    >>> moves.filter(pl.col("node") != "Z").select("node", "change", "change_low", "change_high", "moved").rows()
    [('A', -2, -2, -2, True), ('B', 0, 0, 0, False), ('C', 2, 2, 2, True)]
    """
    if before == after:
        raise UsageError(f"both periods are {before}", mend="name two different ones")
    made = resample(
        flows,
        indicators,
        draws=draws,
        noise=noise,
        missing=missing,
        seed=seed,
        confidence=confidence,
        **{**options, "periods": [before, after]},
    )
    rows = made.scores.select(*_KEY, "rank").with_row_index("row").drop_nulls("rank")
    key = [k for k in _KEY if k != "period"]
    first, second = (rows.filter(pl.col("period") == period).drop("period") for period in (before, after))
    both = first.join(second, on=key, nulls_equal=True, suffix="_after", maintain_order="left")
    change = made.rank[both["row"].to_numpy()] - made.rank[both["row_after"].to_numpy()]
    tail = (1 - confidence) / 2
    ends = {
        "change_low": pl.Series(_quantile(change, tail, "lower"), nan_to_null=True).cast(pl.Int64),
        "change_high": pl.Series(_quantile(change, 1 - tail, "higher"), nan_to_null=True).cast(pl.Int64),
    }
    return both.select(
        *key, rank_before="rank", rank_after="rank_after", change=pl.col("rank") - pl.col("rank_after"), **ends
    ).with_columns(
        moved=((pl.col("change") > 0) & (pl.col("change_low") > 0))
        | ((pl.col("change") < 0) & (pl.col("change_high") < 0))
    )


def correlations(a: Floats, b: Floats) -> tuple[float, float]:
    """Spearman's rho and Kendall's tau-b of two rows of scores where both are defined.

    NaN where fewer than two pairs are, or one side is constant. Spearman (1904), American Journal of Psychology 15:
    72-101; Kendall (1945), The treatment of ties in ranking problems, Biometrika 33(3): 239-251.

    >>> [round(c, 6) for c in correlations(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 2.5, 2.25]))]
    [0.8, 0.666667]
    """
    from scipy.stats import kendalltau, rankdata

    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both], b[both]
    if len(x) < 2 or (x == x[0]).all() or (y == y[0]).all():
        return math.nan, math.nan
    u, v = (r - r.mean() for r in (rankdata(x), rankdata(y)))
    rho = float(u @ v / math.sqrt(float((u @ u) * (v @ v))))
    return max(-1.0, min(1.0, rho)), float(kendalltau(x, y).statistic)


def _ties(flows: Flows, by_item: bool, periods: list[str] | None) -> pl.DataFrame:
    """The ties that a ranking sees, as FLOWS: items summed unless ranked by themselves. Checked by `rank` before."""
    lazy = flows.lazy()
    if periods is not None:
        lazy = lazy.filter(pl.col("period").is_in(periods))
    frame = lazy.select(*_TIE, "value", "unit").collect()
    on = ["period", "layer", *(["item"] if by_item else [])]
    labels = frame.select(*on, "unit").unique(on, keep="any")  # one unit each, or `rank` would have refused
    if not by_item:  # items of which nothing flows count too, as in `rank`: they decide what the sum is called
        several = pl.col("item").n_unique().over("period", "layer") > 1
        frame = frame.with_columns(item=pl.when(several).then(pl.lit("ALL")).otherwise("item"))
    frame = frame.filter(pl.col("value") > 0)
    summed = steady_sums(frame.select(*_TIE, "value"), _TIE).join(labels, on=on, how="left", maintain_order="left")
    # The basis does not matter: scores keep that of the flows as they are.
    return summed.with_columns(basis=pl.lit(str(Basis.ASSUMED)))


def _ranked(ties: pl.DataFrame, names: list[str], options: dict[str, Any]) -> pl.DataFrame:
    try:
        return rank(ties, names, **options)
    except (UsageError, UnknownCodeError):
        # The flows as they are passed with the same options, so this draw has lost every tie of a party that was named:
        # nothing asked for is defined in it. It counts as such: see `Draws.rank` and `lost` of `agreement`.
        return SCORES.empty()


def _rank_the_lost(base: pl.DataFrame, place: Ranks) -> None:
    """Set the rank of rows that a draw leaves without a score: one below all that have one, if any have."""
    for group in base.with_row_index("row").drop_nulls("score").group_by(_GROUP, maintain_order=True):
        rows = group[1]["row"].to_numpy()
        block = place[rows]
        ranked = np.isfinite(block).sum(axis=0)
        place[rows] = np.where(np.isnan(block) & (ranked > 0), ranked + 1.0, block)


def _quantile(values: Ranks | Floats, q: float, method: Any = "linear") -> Floats:
    """Quantile of every row over what is defined of it; NaN where nothing is, or where it is without bound."""
    found = np.full(len(values), np.nan)
    for start in range(0, len(values), _BLOCK):
        block, into = values[start : start + _BLOCK], found[start : start + _BLOCK]
        some = (~np.isnan(block)).sum(axis=1)
        whole, part = some == block.shape[1], (some > 0) & (some < block.shape[1])
        with np.errstate(invalid="ignore"):  # between two values without bound
            if whole.any():  # much faster where nothing is missing
                into[whole] = np.quantile(block[whole], q, axis=1, method=method)
            if part.any():
                into[part] = np.nanquantile(block[part], q, axis=1, method=method)
    return np.where(np.isfinite(found), found, np.nan)


def _median(values: Floats) -> float:
    return float(_quantile(values[None], 0.5)[0])


def _refuse(
    flows: Flows | None, draws: int, noise: float, missing: float, seed: int, confidence: float, options: dict[str, Any]
) -> None:
    """Raise UsageError with everything that is wrong about the numbers."""
    faults = []
    if flows is None or options.get("table") is not None:
        faults.append(Fault("an input-output table is not perturbed", mend="give flows, and no table"))
    if "top" in options:
        faults.append(Fault("top cuts ranks off that draws may bring up", mend="cut the result"))
    if not (math.isfinite(noise) and noise >= 0):
        faults.append(Fault(f"noise is {noise}", mend="0.1 means flows that are off by about 10 per cent"))
    if not 0 <= missing < 1:
        faults.append(Fault(f"missing is {missing}", mend="the probability that a tie is not there: 0 to below 1"))
    if noise == 0 and missing == 0:
        faults.append(Fault("neither noise nor missing is above 0", mend="then nothing is perturbed: rank the flows"))
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        faults.append(Fault(f"seed is {seed!r}", mend="a whole number from 0 to below 2^64"))
    if not 0 < confidence < 1:
        faults.append(Fault(f"confidence is {confidence}", mend="0.95 leaves 2.5 per cent of draws out at either end"))
    elif draws < (least := math.ceil(round(2 / (1 - confidence), 6))):
        faults.append(
            Fault(
                f"{draws} draws have no {confidence:g} interval: less than one lies outside",
                mend=f"draw {least} or more",
            )
        )
    if faults:
        raise UsageError("the ranking cannot be perturbed as asked", faults=faults)
