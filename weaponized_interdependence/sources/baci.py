"""BACI (CEPII): yearly bilateral trade by HS product, columns t,i,j,k,v,q in any order.

v is thousand USD and q metric tons; FLOWS gets USD and t. Codes k that lost their leading zeros get them back (10121 is
010121); `TOTAL` in place of a product is the sum over products. A year of eleven million rows goes through polars'
streaming engine: `stream_baci` never holds the rows, and of a file that is not sorted only eight bytes for each.

The rows are run through once: taken rows to the output, and on their way they are summed, their keys looked at, the
rejected ones counted by reason. Only if something is wrong are they run through again, to say where.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence import exports
from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.harmonize.economies import to_iso3
from weaponized_interdependence.schemas import FLOWS, REJECTED
from weaponized_interdependence.sources.baci_files import sort_files, wanted_member
from weaponized_interdependence.sources.baci_rows import AFTER_UNION, LEVELS, TOTAL, Job, union_end
from weaponized_interdependence.sources.baci_tally import Tally, repeated
from weaponized_interdependence.sources.csv_text import even
from weaponized_interdependence.sources.files import mended, opened, parse_error, scan
from weaponized_interdependence.sources.provenance import metadata_of
from weaponized_interdependence.sources.reading import (
    Check,
    FileStamp,
    Reading,
    Reason,
    count_reasons,
    summary_of,
)
from weaponized_interdependence.sources.streaming import MOST_REJECTED, as_text, sink_flows

Level = Literal["hs6", "hs4", "hs2", "total"]
Finish = Callable[[Reading], Reading]
_PUBLISHED = re.compile(r"BACI_HS\d\d_Y\d{4}_V\d{6}[a-z]?\.csv(\.\w+)?$", re.IGNORECASE)
# A full year has about 200 exporters and 5,000 products; an extract by country or product has few of one of them.
_WHOLE_PRODUCTS, _WHOLE_ORIGINS = 4000, 150


def read_baci(
    paths: Sequence[Path],
    *,
    edition: str | None = None,
    years: Sequence[int] | None = None,
    aggregate: Level = "hs6",
    country_codes: Path | None = None,
    product_codes: Path | None = None,
) -> Reading:
    """Read BACI files (CSV, .gz, .zst, the publisher's .zip, Parquet) into FLOWS in memory.

    Parameters
    ----------
    edition
        `HS92`, `HS17` ...; taken from the file name where it stands there (BACI_HS17_Y2021_V202301.csv).
    years
        Keep only these; rows of other years are counted and not given back, members of a zip that are named for
        another year are not unpacked.
    aggregate
        `hs6` as published, or summed to `hs4`, `hs2` or `total`. A sum has a quantity only if each part has one.
    country_codes, product_codes
        The publisher's dictionaries; looked for among `paths`, inside the zip and beside the data if not given.
        Country codes that the tool does not know are looked up in the first. Products that are not in a
        `product_codes` given here are rejected; if it was only found, a check reports them.

    Notes
    -----
    A key (year, exporter, importer, product) that comes again is rejected and the first is kept: `repeated row` if its
    numbers are the same, `conflicting row` if not. Two codes of one economy (840 and 842) are one key.
    """
    asked = _Asked(edition, years, aggregate, country_codes, product_codes)
    return _load(paths, asked, None, lambda reading: reading)


def stream_baci(
    paths: Sequence[Path],
    out: Path,
    *,
    finish: Finish,
    edition: str | None = None,
    years: Sequence[int] | None = None,
    aggregate: Level = "hs6",
    country_codes: Path | None = None,
    product_codes: Path | None = None,
) -> Reading:
    """As `read_baci`, but the rows go to the Parquet file `out`; `finish` checks the reading before `out` appears."""
    asked = _Asked(edition, years, aggregate, country_codes, product_codes)
    with exports.atomic(out) as temporary:
        return replace(_load(paths, asked, temporary, finish), written=out)


def scan_baci(
    paths: Sequence[str | Path],
    *,
    edition: str | None = None,
    years: Sequence[int] | None = None,
    aggregate: Level = "hs6",
) -> pl.LazyFrame:
    """The good rows of plain (not packed) BACI CSV or Parquet files as lazy FLOWS, for queries of one's own.

    Rejected rows are left out uncounted, repeats of a key are not looked for, and a cell that is not a number makes
    collect() raise: use `read_baci` or `stream_baci` to be told.
    """
    with opened([Path(p) for p in paths]) as files:
        if packed := [f.name for f in files if str(f.path) != f.name]:
            raise UsageError(f"{', '.join(packed)}: packed files cannot be scanned", mend="unpack, or use stream()")
        found = sort_files(files, edition=edition, country_codes=None, product_codes=None)
    job = Job(found, _level(aggregate), years, typed=found.edition is not None)
    flows = job.flows(job.judged().filter("good"))
    return flows.select(pl.col(name).cast(dtype) for name, dtype in FLOWS.schema.items())


@dataclass(frozen=True)
class _Asked:
    edition: str | None
    years: Sequence[int] | None
    aggregate: Level
    country_codes: Path | None
    product_codes: Path | None


@dataclass(frozen=True)
class _Run:
    """What one run over the rows gave."""

    flows: pl.DataFrame | None
    summary: pl.DataFrame
    products: pl.Series
    counts: dict[str, int]
    repeated: pl.Series
    unions: dict[int, int]  # code of a union after its end -> rows read as its member


def _load(paths: Sequence[Path], asked: _Asked, out: Path | None, finish: Finish) -> Reading:
    with opened(paths, wanted=wanted_member(asked.years)) as files:
        found = sort_files(
            files, edition=asked.edition, country_codes=asked.country_codes, product_codes=asked.product_codes
        )
        job = Job(
            found,
            _level(asked.aggregate),
            asked.years,
            reject_products=asked.product_codes is not None,
            typed=found.edition is not None,
        )

        def footer(reading: Reading) -> Callable[[], dict[str, str]]:
            return lambda: metadata_of(replace(reading, files=stamps()))

        def stamps() -> tuple[FileStamp, ...]:
            return (*dict.fromkeys(f.stamp for f in files), *found.dictionaries)

        draft = Reading("baci", notes=(*found.notes, *_notes(asked)))
        job, run = _run_or_mend(job, out, footer(draft))
        if TOTAL in run.products and len(run.products) > 1 and (twice := job.years_told_twice()):
            # The sum over products stands beside the products: taking both would count everything twice. A year that
            # has only its total keeps it.
            job = replace(job, totals_are_extra=twice)
            run = _run(job, out, footer(draft))
        again = _repeats(job, run.repeated)
        if not again.is_empty():
            run = _run(job, out, footer(draft), without=again)
        counts = run.counts | count_reasons(again)
        draft = draft.adding(notes=_union_notes(run))
        if sum(counts.values()) > MOST_REJECTED:
            note = f"only the first {MOST_REJECTED:,} rejected rows are given back; the counts are of all"
            draft = draft.adding(notes=[note])
        refused = bool(counts)
        if other := job.other_years():
            counts[str(Reason.NOT_ASKED)] = sum(other.values())
            held, wanted = ", ".join(other), ", ".join(map(str, asked.years or ()))
            draft = replace(draft, nothing=f"the input holds {held}; asked for {wanted}")
        reading = finish(
            replace(
                draft,
                flows=run.flows,
                rejected=_rejected(job, again) if refused else REJECTED.empty(),
                counts=tuple(sorted(counts.items(), key=lambda pair: -pair[1])),
                files=stamps(),
                checks=(*_product_check(job, run), *_whole_check(job, run)),
                scope=_scope(job, run),
                summary=run.summary,
            )
        )
        if out is not None and (counts or reading.failed):
            # The metadata of the file must tell of rejections and failed checks, and they are known only now.
            _run(job, out, footer(reading), without=again)
    return reading


def _run_or_mend(job: Job, out: Path | None, footer: Callable[[], dict[str, str]]) -> tuple[Job, _Run]:
    """Run; if a cell or a line is not as it should be, run again over mended copies, cells read as text."""
    try:
        # A typed scan takes a line that ends early for one whose last cells are empty.
        if all(even(f.layout) for f in job.files.data if f.layout is not None):
            return job, _run(job, out, footer)
        fixed = [mended(f) if f.layout is not None else (f, {}) for f in job.files.data]
    except pl.exceptions.PolarsError as error:
        if out is not None and "os error" in str(error):
            raise  # the output cannot be written: `exports.atomic` says so
        fixed = [mended(f) if f.layout is not None else (f, {}) for f in job.files.data]
    data = tuple(file for file, _ in fixed)
    odd = {n: rows for n, (_, rows) in enumerate(fixed)}
    job = replace(job, files=replace(job.files, data=data), typed=False, odd=odd)
    try:
        return job, _run(job, out, footer)
    except pl.exceptions.PolarsError as error:
        if out is not None and "os error" in str(error):
            raise
        raise parse_error(data, error) from error


def _run(
    job: Job, out: Path | None, footer: Callable[[], dict[str, str]], *, without: pl.DataFrame | None = None
) -> _Run:
    """One run over all rows: the good ones less those in `without` to `out`, or into memory; and their sums."""
    judged = job.judged(numbered=without is not None)
    tally = Tally(job)
    if without is not None:
        known = without.lazy().select("file", "row", again=pl.lit(True))
        judged = judged.join(known, on=["file", "row"], how="left", maintain_order="left")
        judged = judged.filter(pl.col("again").is_null()).drop("again")
    unions: list[pl.Series] = []

    def take(part: pl.DataFrame) -> pl.DataFrame:
        good = tally.take(part)
        if good["union"].null_count() < good.height:
            unions.append(good["union"].drop_nulls())
        return good

    good = judged.map_batches(take, streamable=True, schema=judged.collect_schema())
    flows = job.flows(good)
    taken = None
    if out is None:
        taken = as_text(flows.collect(engine="streaming"))
        written = taken.lazy()
    else:
        sink_flows(flows, out, footer).collect(engine="streaming")
        written = pl.scan_parquet(out)
    # before products are summed it is all counted; afterwards the result is small enough to look at again
    summary = tally.summary() if job.level == "hs6" else summary_of(written).collect()
    keys = tally.repeated_keys()
    if keys is None:
        keys = repeated(job.judged().filter("good").select(job.key()).collect(engine="streaming").to_series())
    after = dict(pl.concat(unions).value_counts().sort("union").iter_rows()) if unions else {}
    return _Run(taken, summary, tally.products, tally.counts, keys, after)


def _repeats(job: Job, keys: pl.Series) -> pl.DataFrame:
    """file, row and reason of every good row whose key came before."""
    if keys.is_empty():
        return pl.DataFrame(schema={"file": pl.Int32, "row": pl.Int64, "reason": pl.String})
    rows = job.judged(numbered=True).filter("good").select("file", "row", "v", "q", job.key())
    rows = rows.join(keys.to_frame().lazy(), on="key", how="semi").sort("file", "row")
    first = [pl.col(c).first().over("key") for c in "vq"]
    same = pl.col("v").eq_missing(first[0]) & pl.col("q").eq_missing(first[1])
    reason = pl.when(same).then(pl.lit(str(Reason.REPEATED))).otherwise(pl.lit(str(Reason.CONFLICTING)))
    later = pl.int_range(pl.len()).over("key") > 0
    return rows.with_columns(reason=reason).filter(later).select("file", "row", "reason").collect()


def _rejected(job: Job, again: pl.DataFrame) -> pl.DataFrame:
    """REJECTED: the rows no rule lets through and the repeats, each as it stands in its file; at most MOST_REJECTED."""
    text = replace(job, typed=False)
    bad = text.bad(text.judged(numbered=True)).select("file", "row", "reason")
    rows = pl.concat([bad, again.lazy()]).sort("file", "row").head(MOST_REJECTED).collect(engine="streaming")
    parts = [REJECTED.empty()]
    for n, file in enumerate(job.files.data):
        mine = rows.filter(pl.col("file") == n).select("row", "reason")
        raw = scan(file, row="row").with_columns(pl.col("row").cast(pl.Int64))
        record = pl.struct(file.columns).struct.json_encode()
        odd = {row: json.dumps({"cells": cells}, ensure_ascii=False) for row, cells in job.odd.get(n, {}).items()}
        if odd:
            record = pl.col("row").replace_strict(odd, default=record, return_dtype=pl.String)
        found = raw.join(mine.lazy(), on="row", how="inner", maintain_order="left").select(
            file=pl.lit(file.name), row="row", reason="reason", record=record
        )
        parts.append(found.collect(engine="streaming"))
    return pl.concat(parts)


def _product_check(job: Job, run: _Run) -> tuple[Check, ...]:
    """Are the products in the dictionary that was found? (One that was given rejects them.)"""
    if job.files.products is None or job.reject_products:
        return ()
    codes = [k for k in run.products if k != TOTAL]
    strange = sorted(set(codes) - set(job.files.products))
    found = (
        f"{len(strange)} of {len(codes)} are not: {', '.join(f'{k:06d}' for k in strange[:5])}" if strange else "all"
    )
    return (Check("products", "all in the product_codes file", found, not strange),)


def _scope(job: Job, run: _Run) -> str:
    if _exporters(run) < _WHOLE_ORIGINS:
        return "extract"
    if TOTAL in run.products:
        return "total"
    if len(run.products) < _WHOLE_PRODUCTS:
        return "extract"
    return "hs6" if job.level == "hs6" else "aggregated"


def _exporters(run: _Run) -> int:
    """Exporters in the year that has most."""
    return max(run.summary["origins"].to_list(), default=0)


def _whole_check(job: Job, run: _Run) -> tuple[Check, ...]:
    """A file that bears the publisher's own name says it is a whole year; one cut at the end of a line would not be."""
    claims = [f.name for f in job.files.data if _PUBLISHED.search(f.name)]
    if not claims:
        return ()
    found = f"{_exporters(run)} exporters, {len(run.products)} products"
    whole = _scope(job, run) != "extract"
    return (Check("whole year, as the file name says", "about 200 exporters, 5,000 products", found, whole),)


def _union_notes(run: _Run) -> list[str]:
    said = []
    for code, rows in run.unions.items():
        iso3, member = AFTER_UNION[code]
        reader = to_iso3(pl.Series([str(member)]), "baci").item()
        end = union_end(iso3)
        said.append(f"{rows:,} rows with code {code} ({iso3}, until {end}) in later years are read as {reader}")
    return said


def _notes(asked: _Asked) -> list[str]:
    notes = []
    if asked.years:
        years = ", ".join(map(str, asked.years))
        notes.append(f"only the years {years} were asked for; rows of others are counted and not given back")
    if asked.aggregate != "hs6":
        notes.append(f"products are summed to {asked.aggregate}; a sum has a quantity only where each part has one")
    return notes


def _level(aggregate: str) -> str:
    if aggregate not in LEVELS:
        raise UsageError(f"aggregate={aggregate!r} is no level", mend=f"one of {', '.join(LEVELS)}")
    return aggregate
