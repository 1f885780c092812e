"""From the answers of models to IMPACTS: sums over items, channels and parties, shares of GDP, ratios, bands.

Sums are made inside each case (low, value, high assumptions taken together) and only then is each row's band put in
order. A party that gains therefore keeps a band with low <= value <= high, while every `value` adds up exactly:
items to ALL, channels to all, parties to COALITION, THIRD_PARTIES and WORLD.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from weaponized_interdependence.schemas import IMPACTS
from weaponized_interdependence.simulation.shock import CASES, Parties, humanitarian_imports, weakest_basis, weakest_of
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Basis, Channel, Horizon, Metric, Role, weakest

ALL = "ALL"
COALITION, TARGETS, THIRD_PARTIES, WORLD = "COALITION", "TARGETS", "THIRD_PARTIES", "WORLD"

NO_HUMANITARIAN = (
    "humanitarian coverage is not computed: a table alone knows no products; give flows of six-digit HS goods too"
)

# Shares of one party's own: they are not money, and no sum over parties or items has a meaning.
SHARES = (
    Metric.REAL_WAGE_LOSS,
    Metric.PRICE_INDEX_CHANGE,
    Metric.HUMANITARIAN_PRICE_CHANGE,
    Metric.OUTPUT_LOSS_SHARE,
)

# What a model gives: one row a party, channel, item and metric, with the three cases side by side.
ANSWER = {
    "horizon": pl.String,
    "party": pl.String,
    "channel": pl.String,
    "item": pl.String,
    "metric": pl.String,
    **dict.fromkeys(CASES, pl.Float64),
    "basis": pl.String,
}


@dataclass(frozen=True)
class Assumption:
    """One number that was chosen or estimated, as the result shows it."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    basis: str
    source: str


@dataclass(frozen=True)
class Answer:
    """What one model says for one phase.

    `additive` names the channels whose losses may be added to one loss of the party; the others are views of the same
    event (or stocks beside flows) and are never summed. `gdp` overrides the economy sizes the shares are taken of;
    where there is `income`, losses are also given as shares of it (real_income_loss).
    `unrated` names the channels in which target and coalition lose the same by construction: no ratio is taken there.
    """

    model: str
    rows: pl.DataFrame
    additive: tuple[Channel, ...] = ()
    notes: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    gdp: Mapping[str, float] | None = None
    unrated: tuple[Channel, ...] = ()
    income: Mapping[str, float] | None = None


def answer_rows(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames with ANSWER's columns in any order as one; rows that are zero in every case are left out."""
    made = [frame.select(pl.col(name).cast(dtype) for name, dtype in ANSWER.items()) for frame in frames]
    rows = pl.concat(made) if made else pl.DataFrame(schema=ANSWER)
    return rows.filter(pl.any_horizontal(pl.col(case) != 0 for case in CASES))


def no_answer(model: str, notes: tuple[str, ...] = ()) -> Answer:
    """The answer of a model that nothing reached."""
    return Answer(model, answer_rows([]), notes=notes)


def to_impacts(
    answer: Answer,
    scenario: str,
    phase: str,
    parties: Parties,
    everyone: Sequence[str],
    gdp: Mapping[str, float],
    length: float = 1.0,
) -> pl.DataFrame:
    """IMPACTS rows of one model and phase.

    `everyone` are the economies the answer is about: each gets its ALL rows, zero where nothing reaches it.
    `gdp` is of a year, `length` the part of a year that the flows last.
    """
    rows = _over_items(answer.rows)
    rows = pl.concat([rows, _over_channels(rows, answer.additive)])
    rows = _with_silent(rows, answer.additive, parties, everyone)
    rows = pl.concat([rows, *_over_parties(rows, parties, everyone)])
    sizes, length = (gdp, length) if answer.gdp is None else (answer.gdp, 1.0)
    shares = [_shares_of(rows, parties, everyone, sizes, length, Metric.LOSS_GDP)]
    if answer.income is not None:
        shares.append(_shares_of(rows, parties, everyone, answer.income, 1.0, Metric.REAL_INCOME_LOSS))
    rows = pl.concat([rows, *shares])
    rows = pl.concat([rows, _ratios(rows, parties, answer.unrated)])
    return finish(rows, answer.model, scenario, phase, parties)


def finish(rows: pl.DataFrame, model: str, scenario: str, phase: str, parties: Parties) -> pl.DataFrame:
    """Roles, units and ordered bands: ANSWER rows as a conforming IMPACTS table."""
    return IMPACTS.conform(
        rows.with_columns(
            pl.lit(scenario).alias("scenario"),
            pl.lit(phase).alias("phase"),
            pl.lit(model).alias("model"),
            role_of(parties).alias("role"),
            unit_of(pl.col("metric")).alias("unit"),
            _bounded(pl.col("value")).alias("value"),
            _bounded(pl.min_horizontal(CASES)).alias("low"),
            _bounded(pl.max_horizontal(CASES)).alias("high"),
        ).select(list(IMPACTS.schema)),
        where=f"impacts of {model}",
    )


def _bounded(end: pl.Expr) -> pl.Expr:
    """The number; null for an end without bound, and in a row without a central answer."""
    return pl.when(~pl.col("value").is_infinite() & ~end.is_infinite()).then(end)


def role_of(parties: Parties) -> pl.Expr:
    """The role of each `party`, sums over parties included."""
    sums = {COALITION: Role.COALITION, THIRD_PARTIES: Role.THIRD_PARTY, WORLD: Role.WORLD, TARGETS: Role.TARGET}
    role = parties.role(pl.col("party"))
    for name, meaning in sums.items():
        role = pl.when(pl.col("party") == name).then(pl.lit(meaning.value)).otherwise(role)
    return role


def unit_of(metric: pl.Expr) -> pl.Expr:
    """USD, share or ratio."""
    share = [
        *SHARES,
        Metric.LOSS_GDP,
        Metric.REAL_INCOME_LOSS,
        Metric.HUMANITARIAN_BANNED_SHARE,
        Metric.HUMANITARIAN_EFFECTIVE_SHARE,
    ]
    ratio = [Metric.LOSS_RATIO, Metric.LOSS_GDP_RATIO]
    return (
        pl.when(metric.is_in([str(m) for m in share]))
        .then(pl.lit("share"))
        .when(metric.is_in([str(m) for m in ratio]))
        .then(pl.lit("ratio"))
        .otherwise(pl.lit("USD"))
    )


# ---- sums -------------------------------------------------------------------------------------------------------

_KEYS = ("horizon", "party", "channel", "item", "metric")


def _sum(rows: pl.DataFrame, keys: Sequence[str], **fixed: str) -> pl.DataFrame:
    """Sum the cases over `keys`; basis is the weakest; `fixed` fills the columns summed over."""
    return (
        rows.group_by(keys, maintain_order=True)
        .agg(steady_sum(*CASES), weakest_basis())
        .with_columns(pl.lit(value).alias(name) for name, value in fixed.items())
        .select(pl.col(name).cast(dtype) for name, dtype in ANSWER.items())
    )


def _over_items(rows: pl.DataFrame) -> pl.DataFrame:
    """Item rows, and their sum as item ALL (a model may give ALL rows of its own where no items exist)."""
    detail = rows.filter(pl.col("item") != ALL)
    share = pl.col("metric").is_in([str(m) for m in SHARES])
    total = _sum(rows.filter(~share | (pl.col("item") == ALL)), ["horizon", "party", "channel", "metric"], item=ALL)
    return pl.concat([detail, total])


def _over_channels(rows: pl.DataFrame, additive: Sequence[Channel]) -> pl.DataFrame:
    named = rows.filter(pl.col("channel").is_in([str(c) for c in additive]) & (pl.col("item") == ALL))
    return _sum(named, ["horizon", "party", "item", "metric"], channel=Channel.ALL.value)


def _with_silent(
    rows: pl.DataFrame, additive: Sequence[Channel], parties: Parties, everyone: Sequence[str]
) -> pl.DataFrame:
    """A party that nothing reaches has a loss of zero, said in a row: absence would read as `not computed`.

    So has a channel of the model that reaches nobody.
    """
    totals = rows.filter((pl.col("item") == ALL) & (pl.col("metric") == Metric.LOSS.value))
    model = [c.value for c in (*additive, Channel.ALL)] if additive else []
    channels = pl.DataFrame({"channel": model}, schema={"channel": pl.String})
    grid = rows.select("horizon").unique(maintain_order=True).join(channels, how="cross", maintain_order="left")
    seen = pl.concat([totals.select("horizon", "channel"), grid]).unique(maintain_order=True)
    seen = seen.with_columns(pl.lit(Metric.LOSS.value).alias("metric"), pl.lit(ALL).alias("item"))
    # A zero is known as well as what else is said at its horizon.
    said = (totals if totals.height else rows).group_by("horizon", maintain_order=True).agg(weakest_basis())
    names = pl.DataFrame({"party": sorted({*everyone, *parties.target, *parties.senders})}, schema={"party": pl.String})
    grid = seen.join(names, how="cross").join(totals, on=_KEYS, how="anti")
    zero = grid.with_columns(pl.lit(0.0).alias(case) for case in CASES).join(said, on="horizon", maintain_order="left")
    return pl.concat([rows, zero.select(rows.columns)])


def _over_parties(rows: pl.DataFrame, parties: Parties, everyone: Sequence[str]) -> list[pl.DataFrame]:
    """Rows of each group; item detail for coalition and target only, or the sums would double the table."""
    keys = ["horizon", "channel", "item", "metric"]
    total = pl.col("item") == ALL
    adds = rows.filter(~pl.col("metric").is_in([str(m) for m in SHARES]))
    return [
        _sum(
            adds.filter(pl.col("party").is_in(list(group)) & (total | (name in (COALITION, TARGETS)))), keys, party=name
        )
        for name, group in groups_of(parties, everyone).items()
    ]


def _shares_of(
    rows: pl.DataFrame,
    parties: Parties,
    everyone: Sequence[str],
    gdp: Mapping[str, float],
    length: float,
    metric: Metric,
) -> pl.DataFrame:
    """LOSS / GDP (or income); null where it is unknown. For a group, both of the same members: those that have one.

    GDP is cut to the length of the flows, but for claims: a stock stands against a year's.
    """
    losses = rows.filter(pl.col("metric") == Metric.LOSS.value)
    known = [name for name in {*everyone, *parties.target, *parties.senders} if name in gdp]
    sized = losses.filter(pl.col("party").is_in(known))
    sums = _over_parties(sized, parties, everyone)
    base = {name: gdp[name] for name in known}
    for name, group in groups_of(parties, everyone).items():
        base[name] = sum(gdp[m] for m in group if m in gdp)
    bases = pl.DataFrame(
        {"party": list(base), "gdp": list(base.values())}, schema={"party": pl.String, "gdp": pl.Float64}
    )
    unknown = losses.filter(~pl.col("party").is_in([*known, *groups_of(parties, everyone)]))
    shares = pl.concat([sized, *sums, unknown]).join(bases, on="party", how="left", maintain_order="left")
    stock = pl.col("channel") == Channel.CLAIMS.value
    gdp_then = pl.when(stock).then(pl.col("gdp")).otherwise(length * pl.col("gdp"))
    return (
        shares.with_columns(gdp_then.alias("gdp"))
        .with_columns(
            *(pl.when(pl.col("gdp") > 0).then(pl.col(case) / pl.col("gdp")).alias(case) for case in CASES),
            pl.lit(metric.value).alias("metric"),
        )
        .select(rows.columns)
    )


def groups_of(parties: Parties, everyone: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Sums over parties, and who is in them; the target has one where it is more than one economy."""
    principals = {*parties.target, *parties.senders}
    return {
        COALITION: parties.senders,
        **({TARGETS: parties.target} if len(parties.target) > 1 else {}),
        THIRD_PARTIES: tuple(sorted(set(everyone) - principals)),
        WORLD: tuple(sorted({*everyone, *principals})),
    }


def _ratios(rows: pl.DataFrame, parties: Parties, unrated: Sequence[Channel]) -> pl.DataFrame:
    """Target over coalition, of LOSS and of LOSS_GDP; none at all in `unrated` channels.

    In a case in which the coalition does not lose there is no ratio: what the target loses then costs nothing, and the
    ratio counts as without bound, above where the target loses, below where it gains (`over`).
    """
    target = TARGETS if len(parties.target) > 1 else parties.target[0]
    ways = {Metric.LOSS: Metric.LOSS_RATIO, Metric.LOSS_GDP: Metric.LOSS_GDP_RATIO}
    keys = ["horizon", "channel", "item", "metric"]
    rated = (pl.col("item") == ALL) & ~pl.col("channel").is_in([str(c) for c in unrated])
    chosen = rows.filter(rated & pl.col("metric").is_in([str(m) for m in ways]))
    pair = chosen.filter(pl.col("party") == target).join(
        chosen.filter(pl.col("party") == COALITION), on=keys, suffix="_by", maintain_order="left"
    )
    return pair.with_columns(
        *(over(pl.col(case), pl.col(f"{case}_by")).alias(case) for case in CASES),
        pl.col("metric").replace_strict({str(a): str(b) for a, b in ways.items()}),
        weakest_of("basis", "basis_by").alias("basis"),
    ).select(rows.columns)


def over(target: pl.Expr, coalition: pl.Expr) -> pl.Expr:
    """Target's loss over the coalition's; where that is not above zero, infinity with the sign of the target's loss."""
    free = pl.when(target > 0).then(float("inf")).when(target < 0).then(float("-inf"))
    return pl.when(coalition > 0).then(target / coalition).when(coalition <= 0).then(free)


# ---- humanitarian rows ------------------------------------------------------------------------------------------


def humanitarian_rows(
    shock: pl.DataFrame, flows: pl.DataFrame, scenario: str, phase: str, parties: Parties
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Share of the target's humanitarian imports that the text bans, and that stops in fact.

    Both are values over the target's imports of listed goods from everyone. Empty, with a note, where the data have
    no six-digit HS goods: the list cannot be looked up there, and a guess would be a number without a source.
    """
    if flows.is_empty():
        return IMPACTS.empty(), (NO_HUMANITARIAN,)
    base = humanitarian_imports(flows, parties)
    if base.is_empty():
        return IMPACTS.empty(), (
            "humanitarian coverage is not computed: the flows hold no import of the target that can be looked up in "
            "the humanitarian list (six-digit HS goods)",
        )
    hit = shock.filter(pl.col("humanitarian") & pl.col("destination").is_in(list(parties.target)))
    stems = {Metric.HUMANITARIAN_BANNED_SHARE: "denied", Metric.HUMANITARIAN_EFFECTIVE_SHARE: "effective"}
    frames = []
    for party in parties.target:
        total = base.filter(pl.col("destination") == party).select(steady_sum("value")).item()
        mine = hit.filter(pl.col("destination") == party)
        for metric, stem in stems.items():
            columns = {case: stem if case == "value" else f"{stem}_{case}" for case in CASES}
            shares = {
                case: mine.select(pl.col("value") * pl.col(column)).select(steady_sum("value")).item() / total
                if total
                else None
                for case, column in columns.items()
            }
            chosen = mine.filter(pl.col(f"{stem}_high") > 0)["basis"].unique()
            basis = weakest(*base["basis"].unique(), *chosen, *([Basis.ASSUMED] if stem == "effective" else []))
            frames.append({"party": party, "metric": metric.value, **shares, "basis": basis.value})
    rows = pl.DataFrame(frames).with_columns(
        pl.lit(Horizon.NONE.value).alias("horizon"),
        pl.lit(Channel.IMPORTS.value).alias("channel"),
        pl.lit(ALL).alias("item"),
    )
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in ANSWER.items())
    return finish(rows, "humanitarian", scenario, phase, parties), ()
