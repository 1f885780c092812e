"""The declared tables. One declaration drives validation, the docs and the Parquet metadata.

All tables are polars frames. Money is current USD in float64 unless the `unit` column says otherwise. Text is plain
String (never Categorical) so that every reader of the Parquet sees the same thing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.terms import (
    Basis,
    Channel,
    CoalitionMetric,
    CoalitionPart,
    Horizon,
    Layer,
    Metric,
    Move,
    ReachKind,
    Role,
    Term,
)

# 2019, 2019-Q4, 2019-07: sorts as text in time order within one cadence
PERIOD_PATTERN = r"^\d{4}(-Q[1-4]|-(0[1-9]|1[0-2]))?$"


@dataclass(frozen=True)
class Column:
    """One column of a declared table."""

    name: str
    dtype: type[pl.DataType]
    meaning: str
    unit: str = ""
    nullable: bool = False
    key: bool = False
    vocabulary: type[Term] | None = None
    pattern: str | None = None
    finite: bool = True  # floats: NaN and infinity are faults
    least: float | None = None  # smallest and largest number allowed
    most: float | None = None


@dataclass(frozen=True)
class Table:
    """A declared table: its columns in order, and what a row is."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> dict[str, type[pl.DataType]]:
        """Column name -> polars type, in order."""
        return {c.name: c.dtype for c in self.columns}

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that together name a row."""
        return tuple(c.name for c in self.columns if c.key)

    def empty(self) -> pl.DataFrame:
        """The table with no rows."""
        return pl.DataFrame(schema=dict(self.schema))

    def conform(self, frame: pl.DataFrame, where: str = "") -> pl.DataFrame:
        """Bring `frame` to the declared order and types, then check it; raise InputError with every fault.

        Missing nullable columns are added as null; unknown columns are a fault (they would be lost in silence).
        """
        faults: list[Fault] = []
        missing = [c.name for c in self.columns if c.name not in frame.columns and not c.nullable]
        unknown = [c for c in frame.columns if c not in self.schema]
        if missing:
            faults.append(
                Fault(f"{self.name} lacks {', '.join(missing)}", where, f"give the columns {', '.join(self.schema)}")
            )
        if unknown:
            faults.append(Fault(f"{self.name} has no column {', '.join(unknown)}", where, "drop or rename them"))
        if faults:
            raise InputError(f"not a {self.name} table", where=where, faults=faults)
        made: list[pl.Expr | pl.Series] = []
        for c in self.columns:
            if c.name not in frame.columns:
                made.append(pl.lit(None, dtype=c.dtype).alias(c.name))
                continue
            try:
                made.append(frame[c.name].cast(c.dtype, strict=True).alias(c.name))
            except pl.exceptions.PolarsError as error:
                faults.append(
                    Fault(
                        f"column {c.name} is not {c.dtype}: {str(error).splitlines()[0]}",
                        where,
                        f"unit and type: {c.unit} {c.meaning}",
                    )
                )
        if faults:
            raise InputError(f"not a {self.name} table", where=where, faults=faults)
        out = frame.select(made) if made else frame
        if faults := self.faults(out, where):
            raise InputError(f"{self.name} table has {len(faults)} fault(s)", where=where, faults=faults)
        return out

    def faults(self, frame: pl.DataFrame, where: str = "") -> list[Fault]:
        """Every broken rule of a frame that already has the declared columns, with the count and first rows of each."""
        broken = [(f"{name}: {reason}", expr) for name, reason, expr in self.rules()]
        found: list[Fault] = []
        if broken and frame.height:
            counts = frame.select(expr.sum().alias(str(n)) for n, (_, expr) in enumerate(broken)).row(0)
            for (reason, expr), count in zip(broken, counts, strict=True):
                if count:
                    first = frame.select(pl.arg_where(expr)).to_series().head(3).to_list()
                    found.append(
                        Fault(f"{reason} in {count} row(s), first at row {', '.join(str(r + 1) for r in first)}", where)
                    )
        if self.key and frame.height:
            twice = frame.height - frame.select(pl.struct(self.key).n_unique()).item()
            if twice:
                found.append(
                    Fault(
                        f"{twice} row(s) repeat the key ({', '.join(self.key)})", where, "sum or drop the repeats first"
                    )
                )
        return found

    def rules(self) -> Iterable[tuple[str, str, pl.Expr]]:
        """(column, reason, expression true where a row breaks the rule), for every declared rule but the key."""
        for c in self.columns:
            col = pl.col(c.name)
            if not c.nullable:
                yield c.name, "missing value", col.is_null()
            if c.vocabulary is not None:
                yield c.name, f"not one of {', '.join(c.vocabulary)}", ~col.is_in(list(map(str, c.vocabulary)))
            if c.pattern is not None:
                yield c.name, f"does not look like {c.pattern}", ~col.str.contains(c.pattern)
            if c.dtype == pl.Float64 and c.finite:
                yield c.name, "not a finite number", col.is_not_null() & ~col.is_finite()
            if c.least is not None:
                yield c.name, "negative" if c.least == 0 else f"below {c.least:g}", col < c.least
            if c.most is not None:
                yield c.name, f"above {c.most:g}", col.is_finite() & (col > c.most)


_TEXT, _NUMBER, _WHOLE = pl.String, pl.Float64, pl.Int64

FLOWS = Table(
    "FLOWS",
    "one directed flow of one item in one period",
    (
        Column("period", _TEXT, "year (2019), quarter (2019-Q4) or month (2019-07)", key=True, pattern=PERIOD_PATTERN),
        Column("layer", _TEXT, "kind of tie", key=True, vocabulary=Layer),
        Column("origin", _TEXT, "where the flow starts: ISO3 economy, or a node id of the user's own", key=True),
        Column("destination", _TEXT, "where the flow ends", key=True),
        Column("item", _TEXT, "CLASSIFICATION:code, such as HS17:270900, SITC:3, WIOD13:c2, TOTAL", key=True),
        Column("value", _NUMBER, "size of the flow, never negative", unit="see column unit", least=0.0),
        Column(
            "quantity",
            _NUMBER,
            "physical quantity, where the source has one",
            unit="see column quantity_unit",
            nullable=True,
        ),
        Column("quantity_unit", _TEXT, "unit of quantity, such as t", nullable=True),
        Column("unit", _TEXT, "unit of value: USD unless said otherwise"),
        Column("basis", _TEXT, "observed, estimated or assumed", vocabulary=Basis),
    ),
)

REJECTED = Table(
    "REJECTED",
    "one row of an input file that was not taken, with the reason",
    (
        Column("file", _TEXT, "file name as given"),
        Column(
            "row",
            _WHOLE,
            "row number in the file, header not counted, first is 1; null where the reason concerns no one row",
            nullable=True,
        ),
        Column("reason", _TEXT, "why it was not taken, one of the reader's named reasons"),
        Column("record", _TEXT, "the row as JSON, so that nothing is lost"),
    ),
)

MACRO = Table(
    "MACRO",
    "one economy-level figure",
    (
        Column("period", _TEXT, "year", key=True, pattern=PERIOD_PATTERN),
        Column("economy", _TEXT, "ISO3", key=True),
        Column("indicator", _TEXT, "such as gdp, population", key=True),
        Column("value", _NUMBER, "the figure"),
        Column("unit", _TEXT, "USD, persons"),
        Column("basis", _TEXT, "observed, estimated or assumed", vocabulary=Basis),
    ),
)

ENTITIES = Table(
    "ENTITIES",
    "one firm, bank, vessel or person, and where it is seated",
    (
        Column("id", _TEXT, "id of the node", key=True),
        Column("name", _TEXT, "its name", nullable=True),
        Column("kind", _TEXT, "firm, bank, vessel, person ...", nullable=True),
        Column("jurisdiction", _TEXT, "ISO3 of the state where it is seated"),
        Column("basis", _TEXT, "observed, estimated or assumed", vocabulary=Basis),
    ),
)

OWNERSHIP = Table(
    "OWNERSHIP",
    "one stake of an owner in what it owns",
    (
        Column("owner", _TEXT, "id of the owner, or ISO3 of a state", key=True),
        Column("owned", _TEXT, "id of the entity owned", key=True),
        Column("share", _NUMBER, "part that is owned directly", unit="0 to 1", least=0.0, most=1.0),
        Column("basis", _TEXT, "observed, estimated or assumed", vocabulary=Basis),
    ),
)

CONTROLS = Table(
    "CONTROLS",
    "legal grip of a jurisdiction on a node",
    (
        Column("jurisdiction", _TEXT, "ISO3 of the state that holds the grip", key=True),
        Column("node", _TEXT, "id of the node gripped", key=True),
        Column("channel", _TEXT, "how it has the grip", key=True, vocabulary=ReachKind),
        Column(
            "share", _NUMBER, "part of what the node sends or receives within reach", unit="0 to 1", least=0.0, most=1.0
        ),
        Column("basis", _TEXT, "how the share is known: observed, estimated or assumed", vocabulary=Basis),
    ),
)

ELASTICITIES = Table(
    "ELASTICITIES",
    "how easily the sources of an item replace each other",
    (
        Column("item", _TEXT, "item of the flows", key=True),
        Column("sigma", _NUMBER, "elasticity of substitution among sources (trade elasticity plus one)", least=0.0),
        Column("low", _NUMBER, "smallest that is credible", nullable=True, least=0.0),
        Column("high", _NUMBER, "largest that is credible", nullable=True, least=0.0),
    ),
)

SCORES = Table(
    "SCORES",
    "one indicator value for one node (and, for pair indicators, its counterpart)",
    (
        Column("period", _TEXT, "period of the flows scored", key=True),
        Column("layer", _TEXT, "layer of the flows scored", key=True, vocabulary=Layer),
        Column("item", _TEXT, "item scored, or ALL where items are summed", key=True),
        Column("node", _TEXT, "who is scored", key=True),
        Column(
            "counterpart", _TEXT, "for pair indicators: the partner or target; null otherwise", key=True, nullable=True
        ),
        Column("indicator", _TEXT, "registered name; `wi explain NAME` gives the formula", key=True),
        Column("score", _NUMBER, "the value; null where the indicator is not defined for this node", nullable=True),
        Column(
            "low",
            _NUMBER,
            "lower end under what is assumed or sampled; of draws the (1 - confidence) / 2 quantile: 2.5 per cent of "
            "draws lie below at the confidence of 95 per cent that wi rank --draws has",
            nullable=True,
        ),
        Column(
            "high",
            _NUMBER,
            "upper end likewise, 2.5 per cent of draws lying above; both null where nothing is assumed or sampled",
            nullable=True,
        ),
        Column(
            "rank",
            _WHOLE,
            "1 is the largest score within period, layer, item, indicator; ties share the smallest rank",
            nullable=True,
        ),
        Column(
            "rank_low",
            _WHOLE,
            "best rank over draws of perturbed flows, 2.5 per cent of draws being better (confidence 95 per cent)",
            nullable=True,
        ),
        Column(
            "rank_high",
            _WHOLE,
            "worst rank likewise, 2.5 per cent being worse; null where nothing was drawn",
            nullable=True,
        ),
        Column("unit", _TEXT, "unit of the score"),
        Column("basis", _TEXT, "weakest basis of the flows and of all else that was read", vocabulary=Basis),
    ),
)

MOVES = Table(
    "MOVES",
    "one node (or pair) in two rankings of one indicator",
    (
        Column("period_before", _TEXT, "period of the first ranking", key=True, pattern=PERIOD_PATTERN),
        Column("period_after", _TEXT, "period of the second ranking", key=True, pattern=PERIOD_PATTERN),
        Column("layer", _TEXT, "layer of the flows scored", key=True, vocabulary=Layer),
        Column("item", _TEXT, "item scored, or ALL where items are summed", key=True),
        Column("node", _TEXT, "who is scored", key=True),
        Column("counterpart", _TEXT, "for pair indicators: the partner or target", key=True, nullable=True),
        Column("indicator", _TEXT, "registered name; `wi explain NAME` gives the formula", key=True),
        Column("move", _TEXT, "what became of its rank", vocabulary=Move),
        Column("rank_before", _WHOLE, "rank in the first ranking; null where it has none", nullable=True),
        Column("rank_after", _WHOLE, "rank in the second ranking; null where it has none", nullable=True),
        Column("rank_change", _WHOLE, "places gained: rank_before less rank_after; positive is up", nullable=True),
        Column("score_before", _NUMBER, "score in the first ranking", unit="see column unit", nullable=True),
        Column("score_after", _NUMBER, "score in the second ranking", unit="see column unit", nullable=True),
        Column("score_change", _NUMBER, "score_after less score_before", unit="see column unit", nullable=True),
        Column("rank_low_before", _WHOLE, "best rank before, where flows were perturbed", nullable=True),
        Column("rank_high_before", _WHOLE, "worst rank before, where flows were perturbed", nullable=True),
        Column("rank_low_after", _WHOLE, "best rank after, where flows were perturbed", nullable=True),
        Column("rank_high_after", _WHOLE, "worst rank after, where flows were perturbed", nullable=True),
        Column(
            "apart",
            pl.Boolean,
            "true where the two intervals of ranks have no rank in common: noise alone hardly moves it so far",
            nullable=True,
        ),
        Column("unit", _TEXT, "unit of the scores"),
        Column("basis", _TEXT, "weakest basis of the two scores", vocabulary=Basis),
    ),
)

_BAND = (
    "{} of the answers under low, central and high assumptions; of a model that draws them (equilibrium) the {} "
    "percentile of its draws. Null where there is no central answer, or no bound"
)
_LOW_END, _HIGH_END = _BAND.format("smallest", "5th"), _BAND.format("largest", "95th")

IMPACTS = Table(
    "IMPACTS",
    "one answer of one model for one party",
    (
        Column("scenario", _TEXT, "name of the scenario", key=True),
        Column("phase", _TEXT, "name of the phase", key=True),
        Column("model", _TEXT, "exposure, substitution, equilibrium, input_output ...", key=True),
        Column("horizon", _TEXT, "how long after", key=True, vocabulary=Horizon),
        Column("role", _TEXT, "who the party is", key=True, vocabulary=Role),
        Column("party", _TEXT, "ISO3, or COALITION, TARGETS, THIRD_PARTIES, WORLD for sums", key=True),
        Column("channel", _TEXT, "how it reaches the party", key=True, vocabulary=Channel),
        Column("item", _TEXT, "item, or ALL", key=True),
        Column("metric", _TEXT, "what is measured", key=True, vocabulary=Metric),
        Column("value", _NUMBER, "central answer; null where it is not defined", nullable=True),
        Column("low", _NUMBER, _LOW_END, nullable=True),
        Column("high", _NUMBER, _HIGH_END, nullable=True),
        Column("unit", _TEXT, "USD, share, ratio"),
        Column("basis", _TEXT, "weakest basis of what went in", vocabulary=Basis),
    ),
)

PATHS = Table(
    "PATHS",
    "one figure of one party at one step of a model that follows time",
    (
        Column("scenario", _TEXT, "name of the scenario", key=True),
        Column("model", _TEXT, "name of the model, such as dynamic", key=True),
        Column("step", _WHOLE, "day on which the step begins, 0 is the first day", unit="days", key=True, least=0),
        Column("phase", _TEXT, "name of the phase in force on that day"),
        Column("party", _TEXT, "ISO3, or COALITION, TARGETS, THIRD_PARTIES, WORLD for sums", key=True),
        Column("role", _TEXT, "who the party is", key=True, vocabulary=Role),
        Column("metric", _TEXT, "what is measured, over all sectors of the party", key=True, vocabulary=Metric),
        Column("value", _NUMBER, "central answer; null where it is not defined", unit="see column unit", nullable=True),
        Column("low", _NUMBER, _LOW_END, nullable=True),
        Column("high", _NUMBER, _HIGH_END, nullable=True),
        Column("unit", _TEXT, "USD (within the step), share (of what the party had in such a step before)"),
        Column("basis", _TEXT, "weakest basis of what went in", vocabulary=Basis),
    ),
)

SENSITIVITY = Table(
    "SENSITIVITY",
    "how much of the variance of one answer one assumption makes (Sobol indices)",
    (
        Column("scenario", _TEXT, "name of the scenario", key=True),
        Column("phase", _TEXT, "name of the phase", key=True),
        Column("model", _TEXT, "name of the model", key=True),
        Column("horizon", _TEXT, "how long after", key=True, vocabulary=Horizon),
        Column("party", _TEXT, "ISO3, or COALITION, TARGETS, THIRD_PARTIES, WORLD for sums", key=True),
        Column("metric", _TEXT, "whose variance", key=True, vocabulary=Metric),
        Column("assumption", _TEXT, "what was drawn, as it is named among the assumptions", key=True),
        Column("first", _NUMBER, "part of the variance that it makes by itself", unit="share", nullable=True),
        Column("first_low", _NUMBER, "lower end of the confidence interval of `first`", unit="share", nullable=True),
        Column("first_high", _NUMBER, "upper end of the confidence interval of `first`", unit="share", nullable=True),
        Column("total", _NUMBER, "part that it makes with all its interactions", unit="share", nullable=True),
        Column("total_low", _NUMBER, "lower end of the confidence interval of `total`", unit="share", nullable=True),
        Column("total_high", _NUMBER, "upper end of the confidence interval of `total`", unit="share", nullable=True),
        Column("basis", _TEXT, "weakest basis of what went in", vocabulary=Basis),
    ),
)

COALITIONS = Table(
    "COALITIONS",
    "one figure about a coalition, or about one of its members (`wi coalition`)",
    (
        Column("scenario", _TEXT, "name of the scenario", key=True),
        Column("phase", _TEXT, "name of the phase", key=True),
        Column("horizon", _TEXT, "how long after", key=True, vocabulary=Horizon),
        Column("part", _TEXT, "which question it answers", key=True, vocabulary=CoalitionPart),
        Column("step", _WHOLE, "of a greedy coalition: how many have joined", key=True, nullable=True, least=0),
        Column("name", _TEXT, "benchmark, or economy (ISO3), or COALITION", key=True),
        Column("metric", _TEXT, "what is measured", key=True, vocabulary=CoalitionMetric),
        Column("low", _NUMBER, "smallest of low, central and high case; null where one is not defined", nullable=True),
        Column("value", _NUMBER, "central answer; null where it is not defined", nullable=True),
        Column("high", _NUMBER, "largest of low, central and high case; null where one is not defined", nullable=True),
        Column("unit", _TEXT, "that of the table's money (USD), share, ratio"),
        Column("basis", _TEXT, "weakest basis of what went in", vocabulary=Basis),
    ),
)

TABLES = {
    t.name: t
    for t in (
        FLOWS, REJECTED, MACRO, ENTITIES, OWNERSHIP, CONTROLS, ELASTICITIES, SCORES, MOVES, IMPACTS, PATHS, SENSITIVITY,
        COALITIONS,
    )
}  # fmt: skip
