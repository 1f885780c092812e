"""What every reader gives back, and the words it may use for a row it did not take.

A reader is one function `read_NAME(paths, *, option=..., ...) -> Reading` in a file of its own. It returns the good
rows *and* the rejected rows; `registry.read` then holds the result against the source's declaration.

The helpers here are all a reader of moderate files needs:

>>> import polars as pl
>>> raw = pl.DataFrame({"a": ["x", "y"], "v": [1.0, -2.0]}).with_row_index("row", offset=1)
>>> good, rejected = split(raw, [(Reason.NEGATIVE, pl.col("v") < 0)], file="f.csv", record=["a", "v"])
>>> good.height, rejected.row(0)
(1, ('f.csv', 2, 'negative value', '{"a":"y","v":-2.0}'))
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence.errors import CheckError, Fault, InputError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import REJECTED
from weaponized_interdependence.terms import Term

Severity = Literal["hard", "soft", "info"]


class Reason(Term):
    """Why a row was not taken. Closed: a reader that needs another word adds it here, with its meaning."""

    MALFORMED = "wrong number of cells", "the line has more or fewer cells than the header"
    NOT_A_NUMBER = "not a number", "the value (or quantity) is text where a number is due"
    MISSING_VALUE = "missing value", "the value is empty"
    NOT_REPORTED = "not reported", "the publisher's own mark for no data, such as -9"
    NOT_FINITE = "not finite", "the value is NaN or infinite"
    NEGATIVE = "negative value", "a flow cannot be negative"
    TOO_LARGE = (
        "impossibly large value",
        "one row above ten times world product (1e15 USD): a slip of unit or a bad cell",
    )
    BAD_PERIOD = "not a period", "the year, quarter or month cannot be read, or lies before the source begins"
    FUTURE_PERIOD = "future period", "the period has not come yet"
    UNKNOWN_ORIGIN = "unknown origin code", "no reference list knows the code of the origin"
    UNKNOWN_DESTINATION = "unknown destination code", "no reference list knows the code of the destination"
    UNKNOWN_ITEM = "unknown item code", "the product or sector code does not belong to the classification"
    REPEATED = "repeated row", "the same key with the same numbers came earlier; the first is kept"
    CONFLICTING = (
        "conflicting row",
        "the same key with other numbers came earlier; the first is kept, and which is right cannot be known",
    )
    WORLD_PARTNER = (
        "partner is World (a total)",
        "the sum over all partners; beside the partners it counts twice (comtrade reads it with option partner=world)",
    )
    AGGREGATE = "a sum over several economies", "the row is a group (World, income group); its members have their own"
    GROUP_PARTNER = "partner is a group", "a sum over several economies; beside its members it counts twice"
    SUBTOTAL = "item is a subtotal", "the sum of items that stand in the same file; beside them it counts twice"
    BREAKDOWN = "part of a breakdown", "a part (second partner, transport, customs) of a total in the same file"
    RE_TRADE = "re-export or re-import", "goods that only passed through; already inside total exports or imports"
    OTHER_SIDE = "reported by the other side", "the same flow as its partner reports it; mirrors are never added up"
    OTHER_CLASSIFICATION = (
        "in another classification",
        "the same goods in another classification or edition; one is read, see option classification",
    )
    OTHER_FLOW = "not a flow of this layer", "a kind of record the reader does not turn into a flow"
    MIXED_UNIT = "unit differs", "the row is in a unit other than the one asked for or found in the rest of the file"
    NOT_ASKED = "outside the selection", "left out by an option of the reader"


# Rows that are sound but no flow of this reading: taking them would count something twice, or nobody asked for them.
# They are given back with the others, and `strict` does not mind them.
PASSED_OVER = frozenset(
    {
        Reason.NOT_REPORTED,
        Reason.WORLD_PARTNER,
        Reason.GROUP_PARTNER,
        Reason.SUBTOTAL,
        Reason.BREAKDOWN,
        Reason.RE_TRADE,
        Reason.OTHER_SIDE,
        Reason.OTHER_CLASSIFICATION,
        Reason.OTHER_FLOW,
        Reason.NOT_ASKED,
    }
)


@dataclass(frozen=True)
class FileStamp:
    """Which bytes were read."""

    path: str
    sha256: str
    bytes: int


def stamp(path: str | Path, name: str | None = None) -> FileStamp:
    """Path (or `name`), SHA-256 and size of a file, read in blocks so that size does not matter."""
    path = Path(path)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return FileStamp(name or str(path), digest.hexdigest(), path.stat().st_size)


@dataclass(frozen=True)
class Check:
    """One expectation and how the input answered it.

    `hard`: if it fails the numbers are not what they claim to be, and reading stops. `soft`: worth a look; an error
    under `strict`. `info`: said for the record (a check that does not apply, or a figure worth knowing), always ok.
    """

    name: str
    expected: str
    found: str
    ok: bool
    severity: Severity = "soft"


@dataclass(frozen=True)
class Reading:
    """The result of a reader.

    - `flows` (FLOWS), `table` (IOTable), `macro` (MACRO): what was read; None where the source has no such thing, or
      where it was streamed to the file `written`
    - `rejected` (REJECTED) and `rejected_counts` (reason -> rows): when streaming, the table holds only the first
      rows, the counts are always complete. Rows of years nobody asked for are only counted (`outside the selection`)
    - `nothing`: why there may be no flows, such as "the input holds 2021; asked for 2020"; said if there are none
    - `scope`: what the input claims to be, in the words of the declaration (`whole`, `total`, `extract` ...)
    - `summary`: one row a period and layer with rows, value, origins, destinations, items: what expectations look at
    """

    name: str
    flows: pl.DataFrame | None = None
    table: IOTable | None = None
    macro: pl.DataFrame | None = None
    rejected: pl.DataFrame = field(default_factory=REJECTED.empty)
    files: tuple[FileStamp, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    scope: str = "extract"
    nothing: str = ""
    summary: pl.DataFrame | None = None
    counts: tuple[tuple[str, int], ...] | None = None
    written: Path | None = None

    @property
    def rejected_counts(self) -> dict[str, int]:
        """Reason -> rejected rows, most first."""
        if self.counts is not None:
            return dict(self.counts)
        return count_reasons(self.rejected)

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks that do not hold."""
        return tuple(c for c in self.checks if not c.ok)

    def adding(self, *, checks: Iterable[Check] = (), notes: Iterable[str] = ()) -> "Reading":
        """The same reading with more checks and notes."""
        return replace(self, checks=(*self.checks, *checks), notes=(*self.notes, *notes))


def count_reasons(rejected: pl.DataFrame) -> dict[str, int]:
    """Reason -> rows of a REJECTED table, most first."""
    counted = rejected.group_by("reason").len().sort("len", "reason", descending=[True, False])
    return {str(reason): int(rows) for reason, rows in counted.iter_rows()}


def reason_of(rules: Sequence[tuple[Reason, pl.Expr]]) -> pl.Expr:
    """The first rule a row breaks, as text; null for a good row. A null condition counts as not broken."""
    return pl.coalesce(
        *(pl.when(broken).then(pl.lit(str(reason))) for reason, broken in rules), pl.lit(None, pl.String)
    )


def as_rejected(frame: pl.DataFrame, *, file: str, record: Sequence[str], row: str | None = "row") -> pl.DataFrame:
    """REJECTED from a frame with a `reason` column; `record` names the raw columns that go into the JSON."""
    return frame.select(
        file=pl.lit(file),
        row=pl.col(row).cast(pl.Int64) if row else pl.lit(None, pl.Int64),
        reason=pl.col("reason"),
        record=pl.struct(record).struct.json_encode(),
    )


def split(
    frame: pl.DataFrame, rules: Sequence[tuple[Reason, pl.Expr]], *, file: str, record: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(good rows, REJECTED): every row of `frame` is in exactly one of them.

    `frame` has a column `row` (file row, first is 1: `with_row_index("row", offset=1)`). The first rule that holds
    names the reason.
    """
    judged = frame.with_columns(reason=reason_of(rules))
    bad = judged.filter(pl.col("reason").is_not_null())
    return judged.filter(pl.col("reason").is_null()).drop("reason"), as_rejected(bad, file=file, record=record)


def reject_repeats(
    flows: pl.DataFrame, *, key: Sequence[str], same: Sequence[str], file: str | None, record: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the first row of each `key`; later ones are REPEATED (equal in `same`) or CONFLICTING.

    Values are never added up here: a key that comes twice is either a copy or a contradiction, not two flows.
    `flows` has columns `row` and, if `file` is None, `file`.
    """
    twice = pl.struct(key).is_duplicated()
    if not flows.select(twice.any()).item():
        return flows, REJECTED.empty()
    marked = flows.with_row_index("_n").with_columns(_first=pl.col("_n").min().over(key))
    equal = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).sort_by("_n").first().over(key)) for c in same)
    marked = marked.with_columns(
        reason=pl.when(pl.col("_n") == pl.col("_first"))
        .then(None)
        .when(equal)
        .then(pl.lit(str(Reason.REPEATED)))
        .otherwise(pl.lit(str(Reason.CONFLICTING)))
    )
    bad = marked.filter(pl.col("reason").is_not_null())
    rejected = bad.select(
        file=pl.col("file") if file is None else pl.lit(file),
        row=pl.col("row").cast(pl.Int64),
        reason=pl.col("reason"),
        record=pl.struct(record).struct.json_encode(),
    )
    return marked.filter(pl.col("reason").is_null()).drop("_n", "_first", "reason"), rejected


def summary_of(flows: pl.LazyFrame) -> pl.LazyFrame:
    """One row a period, layer and unit: rows, value, distinct origins, destinations and items; lazily."""
    measured = flows.group_by("period", "layer", "unit").agg(
        rows=pl.len(),
        value=pl.col("value").sum(),
        origins=pl.col("origin").n_unique(),
        destinations=pl.col("destination").n_unique(),
        items=pl.col("item").n_unique(),
    )
    return measured.with_columns(pl.col("period", "layer", "unit").cast(pl.String)).sort("period", "layer", "unit")


def summarise(flows: pl.DataFrame) -> pl.DataFrame:
    """`summary_of` for a frame in memory."""
    return summary_of(flows.lazy()).collect()


def demand(reading: Reading, *, strict: bool) -> Reading:
    """Give `reading` back, or raise: nothing usable in it, a hard check failed, or (strict) anything at all is wrong.

    Raises
    ------
    InputError
        No row could be taken; or, under `strict`, at least one is faulty (rejected for a reason not in PASSED_OVER).
    CheckError
        A hard check failed; or, under `strict`, any check failed.
    """
    counts = reading.rejected_counts
    total = sum(counts.values())
    where = ", ".join(Path(f.path).name for f in reading.files)
    rows = None if reading.summary is None else int(reading.summary["rows"].sum())
    nothing = not rows and reading.table is None and (reading.macro is None or reading.macro.is_empty())
    meanings = {str(r): r.meaning for r in Reason}
    faults = [Fault(f"{rows} row(s): {reason} ({meanings.get(reason, '')})") for reason, rows in counts.items()]
    first = [
        Fault(f"{r['reason']}: {r['record'][:160]}", f"{Path(r['file']).name}:row {r['row'] or '?'}")
        for r in reading.rejected.head(3).to_dicts()
    ]
    if nothing:
        message = "no row could be taken" if total else "there is not one row of data"
        mend = "the reasons below say what to change" if total else "is the file whole, and is this its reader?"
        if reading.nothing:
            message, mend = f"no row could be taken: {reading.nothing}", "ask for what it holds"
        raise InputError(message, where=where, mend=mend, faults=faults + first)
    faulty = sum(rows for reason, rows in counts.items() if reason not in PASSED_OVER)
    wrong = [c for c in reading.failed if strict or c.severity == "hard"]
    if wrong:
        raise CheckError(
            f"what {reading.name} promises does not hold",
            where=where,
            mend="a wrong unit, a cut file or another source? the `table` reader takes a unit scale and any columns",
            faults=[Fault(f"{c.name}: found {c.found}, expected {c.expected}") for c in wrong]
            + (faults + first if strict and faulty else []),
        )
    if strict and faulty:
        raise InputError(
            f"{faulty} row(s) are faulty and --strict allows none",
            where=where,
            mend="mend the rows, or read without --strict and look at the rejected table",
            faults=faults + first,
        )
    return reading
