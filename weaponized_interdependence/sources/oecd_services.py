"""OECD bilateral trade in services, in the CSV layout of OECD.Stat: one row a reporter, partner, service and year.

Columns (any order): COU reporter, PAR partner, SER service, EXP exports or imports, MEASURE currency, YEA year,
PowerCode Code (power of ten), Value. Exports of the reporter go from it to the partner; imports the other way. World
and groups of economies among the partners are sums: they are rejected, and World is held against the partners' sum.

Source: OECD, Trade in services by partner economy (EBOPS), https://data-explorer.oecd.org
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.bilateral import flows_of, malformed_rows, power_of_ten, zero_note
from weaponized_interdependence.sources.files import Opened, opened, require, text_frame
from weaponized_interdependence.sources.reading import Check, Reading, Reason, as_rejected
from weaponized_interdependence.terms import Layer

COLUMNS = {"COU": "reporter", "PAR": "partner", "SER": "service", "EXP": "expression", "MEASURE": "measure"}
POWER = "PowerCode Code"
RECORD = ("COU", "PAR", "SER", "EXP", "MEASURE", "period", "text")


def read_oecd_services(
    paths: Sequence[Path], *, expression: str = "EXP", service: str | None = "S", measure: str = "USD"
) -> Reading:
    """Read OECD.Stat services CSV into FLOWS of layer `services`.

    Parameters
    ----------
    expression
        EXP, what reporters say they sold, or IMP, what they say they bought. Never both: they are the same flows.
    service
        The service to take: S is the total. None takes every item but S (a file may hold sub-totals too: look).
    measure
        USD; rows in another currency are rejected, as are rows whose power of ten cannot be read.

    Raises
    ------
    InputError
        The columns are not those of OECD.Stat.
    """
    if expression not in ("EXP", "IMP"):
        raise UsageError(f"no expression {expression!r}", mend="EXP (exports) or IMP (imports)")
    frames, rejected, checks, zeros = [], [], [], 0
    with opened(paths) as files:
        for file in files:
            rows, odd = rows_of(file)
            rows, refused = select(rows, file.name, expression, service, measure)
            rejected += [malformed_rows(file.name, odd), refused]
            ends = ("COU", "PAR") if expression == "EXP" else ("PAR", "COU")
            cells = rows.with_columns(
                origin=pl.col(ends[0]),
                destination=pl.col(ends[1]),
                item=pl.lit("EBOPS:") + pl.col("SER"),
                scale=power_of_ten(pl.col(POWER)),
            )
            flows, bad, none = flows_of(
                cells, file=file.name, scheme="oecd", layer=Layer.SERVICES, scale=pl.col("scale")
            )
            checks.append(world_check(cells, flows, expression))
            frames.append(flows)
            rejected.append(bad)
            zeros += none
        stamps = tuple(dict.fromkeys(f.stamp for f in files))
    return Reading(
        name="oecd_services",
        flows=FLOWS.conform(pl.concat(frames), where=", ".join(map(str, paths))),
        rejected=pl.concat(rejected),
        files=stamps,
        checks=tuple(checks),
        notes=zero_note(zeros),
        scope="extract",
    )


def rows_of(file: Opened) -> tuple[pl.DataFrame, dict[int, list[str]]]:
    """The rows as text with `period` and `text`, and the malformed ones."""
    year = next((c for c in ("YEA", "TIME", "TIME_PERIOD", "Year") if c in file.columns), "YEA")
    require(file, [*COLUMNS, year, POWER, "Value"])
    frame, odd = text_frame(file)
    frame = frame.filter(~pl.col("row").is_in(list(odd)))
    return frame.select(
        pl.col("row").cast(pl.Int64),
        *COLUMNS,
        POWER,
        pl.col(year).alias("period"),
        pl.col("Value").alias("text"),
    ), odd


def select(
    rows: pl.DataFrame, file: str, expression: str, service: str | None, measure: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows asked for, REJECTED)."""
    other_service = pl.col("SER") != service if service is not None else pl.col("SER") == "S"
    reason = (
        pl.when(pl.col("MEASURE") != measure)
        .then(pl.lit(str(Reason.MIXED_UNIT)))
        .when(pl.col("EXP") != expression)
        .then(pl.lit(str(Reason.OTHER_SIDE)))
        .when(other_service)
        .then(pl.lit(str(Reason.NOT_ASKED if service is not None else Reason.SUBTOTAL)))
    )
    judged = rows.with_columns(reason=reason)
    bad = judged.filter(pl.col("reason").is_not_null())
    return judged.filter(pl.col("reason").is_null()).drop("reason"), as_rejected(bad, file=file, record=RECORD)


def world_check(cells: pl.DataFrame, flows: pl.DataFrame, expression: str) -> Check:
    """How much of the stated World totals the partners add up to: less than all, for reporters do not name everyone."""
    side = "origin" if expression == "EXP" else "destination"
    other = "destination" if side == "origin" else "origin"
    worlds = cells.filter(pl.col(other).is_in(["WLD", "W"])).with_columns(
        stated=pl.col("text").cast(pl.Float64, strict=False) * pl.col("scale")
    )
    name, expected = "partners against the World totals", "at most 101%, reporter by reporter"
    if worlds.is_empty():
        return Check(name, expected, "the file has no World rows", True, "info")
    stated = worlds.group_by("period", pl.col(side), "item").agg(pl.col("stated").sum())
    summed = flows.group_by("period", pl.col(side), "item").agg(pl.col("value").sum())
    both = stated.join(summed, on=["period", side, "item"], how="inner").filter(pl.col("stated") > 0)
    both = both.with_columns(part=pl.col("value") / pl.col("stated")).sort("part", descending=True)
    over = both.filter(pl.col("part") > 1.01)
    part = (
        f"{float(both['value'].sum()) / float(both['stated'].sum()):.1%} in all"
        if both.height
        else "no reporter in common"
    )
    named = "; ".join(f"{r[side]} {r['period']} {r['part']:.1%}" for r in over.head(3).iter_rows(named=True))
    found = f"{part}; {over.height} of {both.height} above: {named}" if over.height else part
    return Check(name, expected, found, over.is_empty())
