"""Two rankings beside each other: SCORES before and after to MOVES, and how alike they are.

Where both rankings have intervals of ranks, `apart` says whether they overlap. That is a strict test: intervals may
overlap where the change itself is certain, because a tie errs alike in both periods; `rank_changes` of
`indicators.stability` perturbs both together and puts the interval around the change.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.exports import read_frame, read_metadata
from weaponized_interdependence.indicators.stability import correlations
from weaponized_interdependence.schemas import MOVES, SCORES
from weaponized_interdependence.terms import Basis, Move

_GROUP = ["layer", "item", "indicator"]
_KEY = [*_GROUP, "node", "counterpart"]
_PAIR = ["period_before", "period_after"]
# What a definition must agree in for two numbers to mean the same; titles and notes may be put better.
_MEANING = ("formula", "weights", "unit")
# Options that say which data was ranked or is shown, and not what a score means.
_HARMLESS = frozenset({"periods", "names", "top"})


@dataclass(frozen=True)
class Ranking:
    """SCORES, what their file says about them (empty where it says nothing, as CSV), and its name."""

    scores: pl.DataFrame
    metadata: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @property
    def periods(self) -> list[str]:
        """Periods it ranks, sorted."""
        return list(self.scores["period"].unique().sort())

    def of(self, period: str) -> pl.DataFrame:
        """The scores of one period."""
        return self.scores.filter(pl.col("period") == period)

    def about(self, what: str) -> dict[str, Any]:
        """One JSON entry of the metadata; empty where there is none."""
        found = json.loads(self.metadata.get(what, "{}"))
        return found if isinstance(found, dict) else {}


def read_ranking(path: str | Path) -> Ranking:
    """A ranking from a file of `wi rank -o`, or of what `wi rank --json` prints; InputError where it is none."""
    path = Path(path)
    metadata = _metadata(path)
    kind = metadata.get("table", "SCORES")
    if kind != "SCORES":
        raise InputError(f"is a {kind} table, not a ranking", where=str(path), mend="make one with wi rank -o FILE")
    scores = read_frame(path, SCORES)
    faults = []
    if scores.is_empty():
        faults.append(Fault("holds no scores", str(path)))
    if unranked := scores.filter(pl.col("rank").is_null() & pl.col("score").is_not_null()).height:
        faults.append(Fault(f"{unranked} score(s) have no rank", str(path)))
    if faults:
        raise InputError("not a ranking", where=str(path), faults=faults, mend="make one with wi rank -o FILE")
    return Ranking(scores, metadata, str(path))


def compare(
    before: Ranking, after: Ranking | None = None, periods: tuple[str, str] | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """Set two rankings, or two periods of one, beside each other.

    Parameters
    ----------
    before, after
        Rankings of the same indicators. Without `after`, two periods of `before`.
    periods
        Period of the first and of the second. Default: the only ones; period by period where both have the same; the
        two of a single ranking of two.

    Returns
    -------
    MOVES, warnings
        Sorted by periods, layer, item, indicator, rank after, rank before, node, counterpart. Rows that have a rank in
        neither are left out. A warning is one sentence on what differs besides the flows, or could not be checked.

    Raises
    ------
    UsageError
        Periods that are not there or not said; nothing in common; units or definitions that differ: all at once.

    Examples
    --------
    >>> def ranking(period, *nodes):
    ...     rows = [(period, "goods", "ALL", n, "export_share", 1 / r, r, "share", "observed") for r, n in nodes]
    ...     names = ["period", "layer", "item", "node", "indicator", "score", "rank", "unit", "basis"]
    ...     return Ranking(SCORES.conform(pl.DataFrame(rows, schema=names, orient="row")))
    >>> moves, _ = compare(ranking("2007", (1, "USA"), (2, "DEU")), ranking("2011", (1, "CHN"), (2, "USA")))
    >>> moves.select("node", "rank_before", "rank_after", "rank_change", "move").rows()
    [('CHN', None, 1, None, 'entered'), ('USA', 1, 2, -1, 'down'), ('DEU', 2, None, None, 'left')]
    """
    pairs = _periods(before, after, periods)
    second = before if after is None else after
    both = [(a, b, before.of(a), second.of(b)) for a, b in pairs]
    warnings = _check(before, second, [(old, new) for _, _, old, new in both])
    moves = pl.concat([_moves(a, b, old, new) for a, b, old, new in both])
    return MOVES.conform(moves), warnings


def alike(moves: pl.DataFrame, top: int = 10) -> pl.DataFrame:
    """How alike two rankings are, for every pair of periods, layer, item and indicator of MOVES.

    - `both`, `entered`, `left`: rows ranked in both, only after, only before
    - `up`, `down`: of those in both
    - `top_kept`: share of those with rank `top` or better before that have it after; null where there are none
    - `spearman`, `kendall`: correlation of the scores of those in both (tau-b); null where fewer than two are or one
      side is constant
    - `apart`: those whose intervals of ranks do not overlap; null where no flows were perturbed
    """
    keys = [*_PAIR, *_GROUP]
    first = pl.col("rank_before") <= top
    words = [m for m in Move if m is not Move.SAME]
    counts = moves.group_by(keys, maintain_order=True).agg(
        both=pl.col("rank_change").is_not_null().sum(),
        **{str(m): (pl.col("move") == str(m)).sum() for m in words},
        top_kept=(first & (pl.col("rank_after") <= top)).sum() / first.sum(),
        apart=pl.when(pl.col("apart").is_not_null().any()).then(pl.col("apart").sum()),
    )
    numbers = [
        correlations(group["score_before"].to_numpy(), group["score_after"].to_numpy())
        for _, group in moves.select(*keys, pl.col("score_before", "score_after").fill_null(np.nan)).group_by(
            keys, maintain_order=True
        )
    ]
    columns = np.array(numbers).reshape(-1, 2)
    return counts.with_columns(
        pl.col("both", *map(str, words), "apart").cast(pl.Int64),
        pl.col("top_kept").fill_nan(None),
        pl.Series("spearman", columns[:, 0], nan_to_null=True),
        pl.Series("kendall", columns[:, 1], nan_to_null=True),
    )


def _metadata(path: Path) -> dict[str, str]:
    """What a file says about its rows; empty for CSV, which has no room for it, and for what cannot be read."""
    # What is wrong with the file is `read_frame`'s to say.
    try:
        return read_metadata(path)
    except (OSError, ValueError, TypeError, AttributeError, pl.exceptions.PolarsError):
        return {}


def _periods(before: Ranking, after: Ranking | None, asked: tuple[str, str] | None) -> list[tuple[str, str]]:
    """Which period goes with which."""
    second = before if after is None else after
    old, new = before.periods, second.periods
    if asked is not None:
        faults = [
            Fault(f"no scores of period {period}", ranking.where, f"it has {', '.join(ranking.periods)}")
            for period, ranking in zip(asked, (before, second), strict=True)
            if period not in ranking.periods
        ]
        if after is None and asked[0] == asked[1]:
            faults.append(Fault(f"both periods are {asked[0]}", before.where, "name two, or a second ranking"))
        if faults:
            raise UsageError("cannot compare these periods", faults=faults)
        return [asked]
    if after is None:
        if len(old) == 2:
            return [(old[0], old[1])]
        if len(old) == 1:
            raise UsageError(
                f"ranks {old[0]} only", where=before.where, mend="give a second ranking to compare it with"
            )
        raise UsageError(
            f"ranks {len(old)} periods: {', '.join(old)}",
            where=before.where,
            mend="say which two to compare with --periods BEFORE AFTER",
        )
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    if old == new:
        return [(period, period) for period in old]
    raise UsageError(
        "the rankings are of different periods",
        faults=[Fault(", ".join(r.periods), r.where) for r in (before, after)],
        mend="say which to compare with --periods BEFORE AFTER",
    )


def _check(before: Ranking, after: Ranking, both: Sequence[tuple[pl.DataFrame, pl.DataFrame]]) -> list[str]:
    """Raise UsageError where numbers cannot be set beside each other; what else is worth knowing, one sentence each."""
    warnings: list[str] = []
    faults: list[Fault] = []
    names = [frame["indicator"].unique().sort().to_list() for frame in (before.scores, after.scores)]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        faults.append(Fault(f"no indicator in common: {', '.join(names[0])} / {', '.join(names[1])}"))
    elif not any(old.join(new, on=_GROUP, how="semi").height for old, new in both):
        shown = f"{_groups_of(before.scores)} / {_groups_of(after.scores)}"
        faults.append(
            Fault(
                f"no layer and item in common for {', '.join(common)}: {shown}",
                mend="rank both by item, or both summed",
            )
        )
    faults += _differing_units(both)
    faults += _differing_meanings(before, after, common)
    if faults:
        raise UsageError("these rankings cannot be compared", faults=faults, mend="rank both alike")
    alone = [
        f"only in {ranking.where or 'one'}: {', '.join(lacking)}"
        for ranking, own in zip((before, after), names, strict=True)
        if (lacking := [name for name in own if name not in common])
    ]
    if alone:
        warnings.append(f"indicators that only one ranking has are left out ({'; '.join(alone)})")
    for side, frames in (("before", both), ("after", [(new, old) for old, new in both])):
        own = [mine.filter(pl.col("indicator").is_in(common)).select(_GROUP).unique() for mine, _ in frames]
        alone_there = sum(
            o.join(other, on=_GROUP, how="anti").height for o, (_, other) in zip(own, frames, strict=True)
        )
        if alone_there:
            warnings.append(f"{alone_there} ranking(s) of an item and indicator stand only {side}, and are left out")
    if before is not after:
        warnings += _differing_options(before, after)
    return warnings


def _groups_of(scores: pl.DataFrame, most: int = 5) -> str:
    groups = scores.select("layer", "item").unique().sort("layer", "item")
    shown = ", ".join(f"{layer} {item}" for layer, item in groups.head(most).rows())
    return f"{shown} and {groups.height - most:,} more" if groups.height > most else shown


def _differing_units(both: Sequence[tuple[pl.DataFrame, pl.DataFrame]]) -> list[Fault]:
    """Scores of one name in two units, each once."""
    frames = [
        old.select(*_GROUP, "unit").unique().join(new.select(*_GROUP, "unit").unique(), on=_GROUP, suffix="_after")
        for old, new in both
    ]
    wrong = pl.concat(frames).filter(pl.col("unit") != pl.col("unit_after"))
    pairs = wrong.group_by("indicator", "unit", "unit_after").len().sort("indicator", "unit", "unit_after")
    return [
        Fault(f"{name} is in {unit} before and in {other} after", mend="bring the flows to one unit")
        for name, unit, other, _ in pairs.rows()
    ]


def _differing_meanings(before: Ranking, after: Ranking, common: Sequence[str]) -> list[Fault]:
    old, new = before.about("definitions"), after.about("definitions")
    faults = []
    for name in common:
        told = [of[name] for of in (old, new) if isinstance(of.get(name), dict)]
        if len(told) == 2 and (parts := [p for p in _MEANING if told[0].get(p) != told[1].get(p)]):
            faults.append(Fault(f"{name} is not defined alike: {', '.join(parts)}", mend="made by other versions"))
    return faults


def _differing_options(before: Ranking, after: Ranking) -> list[str]:
    """What differs besides the flows, or could not be checked."""
    silent = [r.where or "one" for r in (before, after) if not r.metadata.get("options")]
    if silent:
        return [f"definitions and options were not checked, for {' and '.join(silent)} does not say them"]
    found = []
    old, new = ({**r.about("options"), **r.about("knobs")} for r in (before, after))
    differing = [
        f"{name} {_told(old.get(name))} / {_told(new.get(name))}"
        for name in sorted({*old, *new} - _HARMLESS)
        if old.get(name) != new.get(name)
    ]
    if differing:
        found.append(f"the rankings were made with different options: {'; '.join(differing)}")
    if old.get("top") or new.get("top"):
        cut = f"{_told(old.get('top'))} / {_told(new.get('top'))}"
        found.append(f"the rankings were cut (top {cut}): entered and left are in and out of what was kept")
    tools = [r.metadata.get("tool", "") for r in (before, after)]
    if tools[0] != tools[1]:
        found.append(f"they were made by {tools[0]} and {tools[1]}")
    return found


def _told(value: Any) -> str:
    return "not set" if value in (None, [], {}, "") else json.dumps(value, ensure_ascii=False).strip('"')


def _moves(period_before: str, period_after: str, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """MOVES of one pair of periods, over the layers, items and indicators that both rank."""
    kept = ["rank", "score", "rank_low", "rank_high", "unit", "basis"]
    sides = [
        mine.drop_nulls("rank").join(other, on=_GROUP, how="semi").select(*_KEY, pl.col(kept).name.suffix(f"_{side}"))
        for mine, other, side in ((old, new, "before"), (new, old, "after"))
    ]
    joined = sides[0].join(sides[1], on=_KEY, how="full", nulls_equal=True, coalesce=True)
    place = {str(b): k for k, b in enumerate(Basis)}
    bases = [pl.col(f"basis_{side}").replace_strict(place, return_dtype=pl.Int64) for side in ("before", "after")]
    change = pl.col("rank_change")
    word = (
        pl.when(pl.col("rank_before").is_null())
        .then(pl.lit(str(Move.ENTERED)))
        .when(pl.col("rank_after").is_null())
        .then(pl.lit(str(Move.LEFT)))
        .when(change > 0)
        .then(pl.lit(str(Move.UP)))
        .when(change < 0)
        .then(pl.lit(str(Move.DOWN)))
        .otherwise(pl.lit(str(Move.SAME)))
    )
    made = joined.with_columns(
        period_before=pl.lit(period_before),
        period_after=pl.lit(period_after),
        rank_change=pl.col("rank_before") - pl.col("rank_after"),
        score_change=pl.col("score_after") - pl.col("score_before"),
        apart=(pl.col("rank_low_after") > pl.col("rank_high_before"))
        | (pl.col("rank_low_before") > pl.col("rank_high_after")),
        unit=pl.coalesce("unit_before", "unit_after"),
        basis=pl.max_horizontal(bases).replace_strict({k: b for b, k in place.items()}, return_dtype=pl.String),
    ).with_columns(move=word)
    order = [*_PAIR, *_GROUP, "rank_after", "rank_before", "node", "counterpart"]
    return made.select(MOVES.schema.keys()).sort(order, nulls_last=[False] * 5 + [True, True, False, False])
