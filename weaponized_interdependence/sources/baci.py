"""BACI (CEPII): yearly bilateral trade by HS product, columns t,i,j,k,v,q in any order.

v is thousand USD and q metric tons; FLOWS gets USD and t. Codes k that lost their leading zeros get them back (10121 is
010121); `TOTAL` in place of a product is the sum over products. A year of eleven million rows goes through polars'
streaming engine: `stream_baci` never holds the rows, only one eight-byte key for each.

The rows are run through once: taken rows to the output, and beside it their summary, their keys and the count of rejected
rows by reason. Only if something is wrong are they run through again, to say where.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from weaponized_interdependence import exports
from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.schemas import FLOWS, REJECTED
from weaponized_interdependence.sources.baci_files import sort_files, wanted_member
from weaponized_interdependence.sources.baci_rows import LEVELS, TOTAL, Job, name_of
from weaponized_interdependence.sources.files import mended, opened, scan
from weaponized_interdependence.sources.reading import Check, FileStamp, Reading, Reason, summary_of
from weaponized_interdependence.sources.streaming import MOST_REJECTED, as_text, repeated, sink_flows

Level = Literal["hs6", "hs4", "hs2", "total"]
Finish = Callable[[Reading], Reading]
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
        Keep only these; members of a zip that are named for another year are not unpacked.
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
    keys: pl.Series


def _load(paths: Sequence[Path], asked: _Asked, out: Path | None, finish: Finish) -> Reading:
    level = _level(asked.aggregate)
    with opened(paths, wanted=wanted_member(asked.years)) as files:
        found = sort_files(
            files, edition=asked.edition, country_codes=asked.country_codes, product_codes=asked.product_codes
        )
        strict_list = asked.product_codes is not None
        job = Job(found, level, asked.years, strict_list, typed=found.edition is not None)
        stamps = _Stamps(lambda: (*dict.fromkeys(f.stamp for f in files), *found.dictionaries))
        job, run = _run_as_it_can(job, out, _footer(Reading("baci", notes=found.notes), stamps))
        if TOTAL in run.products and len(run.products) > 1:
            # the sum over products beside the products: taking both would count everything twice
            job = replace(job, totals_are_extra=True)
            run = _run(job, out, _footer(Reading("baci", notes=found.notes), stamps))
        again, taken_back = _repeats(job, repeated(run.keys))
        if not again.is_empty():
            run = _run(job, out, _footer(Reading("baci", notes=found.notes), stamps), without=again)
        counts = {**run.counts, **taken_back}
        reading = finish(
            Reading(
                "baci",
                flows=run.flows,
                rejected=_rejected(job, again) if counts else REJECTED.empty(),
                files=stamps(),
                checks=_product_check(job, run),
                notes=(*found.notes, *_notes(counts, asked)),
                scope=_scope(job, run),
                summary=run.summary,
                counts=tuple(sorted(counts.items(), key=lambda pair: -pair[1])),
                written=out,
            )
        )
        if out is not None and (counts or reading.failed):
            # the file's own metadata must tell of rejections and failed checks, known only now
            _run(job, out, _footer(reading, stamps), without=again)
    return reading
