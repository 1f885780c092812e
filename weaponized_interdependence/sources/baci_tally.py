"""What is counted while BACI's rows stream by, so that a file is run through once and never held.

polars would rather share a scan between several sinks, but then what one of them has not yet written is kept in memory:
with every further file more of it. Here the rows pass through `Tally.take` on their way to the one sink.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from threading import Lock

import polars as pl

from weaponized_interdependence.sources.baci_rows import USD, Job

_SEEN = ("ni", "nj", "k")


class Tally:
    """Sums over the rows of one run. `take` may be called by several threads at once, with parts of the rows."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lock = Lock()
        self._years: list[tuple[int, int, float, list[pl.Series]]] = []
        self._bad: list[pl.DataFrame] = []
        self._spans: list[tuple[int, int]] = []
        self._loose: list[pl.Series] = []

    def take(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Count `judged` rows and give back the good ones."""
        good = judged
        if not judged["good"].all():
            good = judged.filter("good")
            bad = self._job.bad(judged.lazy()).group_by("reason").agg(rows=pl.len()).collect()
            with self._lock:
                self._bad.append(bad)
        if good.is_empty():
            return good
        found = [self._of_one_year(year) for year in self._by_year(good)]
        keys = good.select(self._job.key()).to_series()
        in_order = bool((keys[1:] > keys[:-1]).all())
        with self._lock:
            self._years += found
            # Once one part is out of order the span of another proves nothing, and the keys themselves are kept.
            if in_order and not self._loose:
                self._spans.append((keys[0], keys[-1]))
            else:
                self._loose.append(keys)
        return good

    @property
    def counts(self) -> dict[str, int]:
        """Reason -> rejected rows."""
        if not self._bad:
            return {}
        counted = pl.concat(self._bad).group_by("reason").agg(pl.col("rows").sum())
        return {str(reason): int(rows) for reason, rows in counted.iter_rows()}

    @property
    def products(self) -> pl.Series:
        """The products seen, as numbers."""
        seen = [distinct[2] for _, _, _, distinct in self._years]
        return pl.concat(seen).unique() if seen else pl.Series("k", dtype=pl.Int32)

    def summary(self) -> pl.DataFrame:
        """As `reading.summary_of`, of the rows as they are in the file."""
        rows = []
        for year in sorted({y for y, *_ in self._years}):
            parts = [(n, v, seen) for y, n, v, seen in self._years if y == year]
            origins, destinations, items = (
                pl.concat([seen[c] for _, _, seen in parts]).n_unique() for c in range(len(_SEEN))
            )
            # exact addition: the sum must not depend on which thread came first
            value = math.fsum(v for _, v, _ in parts) * USD
            total = sum(n for n, _, _ in parts)
            rows.append((str(year), "goods", "USD", total, value, origins, destinations, items))
        names = ("period", "layer", "unit", "rows", "value", "origins", "destinations", "items")
        kinds = (pl.String, pl.String, pl.String, pl.UInt32, pl.Float64, pl.UInt32, pl.UInt32, pl.UInt32)
        return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")

    def repeated_keys(self) -> pl.Series | None:
        """Keys that come more than once; None if that cannot be said without another look at all keys.

        A file sorted by year, exporter, importer and product needs no keys at all: each part is in order, and no two
        parts overlap.
        """
        if not self._spans:
            return repeated(pl.concat(self._loose)) if self._loose else pl.Series("key", dtype=pl.Int64)
        spans = sorted(self._spans)
        apart = all(one[1] < two[0] for one, two in pairwise(spans))
        return pl.Series("key", dtype=pl.Int64) if apart and not self._loose else None

    def _by_year(self, good: pl.DataFrame) -> Iterator[pl.DataFrame]:
        years = good["t"].unique()
        yield from [good] if len(years) == 1 else good.partition_by("t")

    def _of_one_year(self, rows: pl.DataFrame) -> tuple[int, int, float, list[pl.Series]]:
        seen = rows.select(pl.col(c).unique().implode() for c in _SEEN)
        return rows["t"][0], rows.height, float(rows["v"].sum()), [seen[c].explode() for c in _SEEN]


def repeated(keys: pl.Series) -> pl.Series:
    """The keys that come more than once, each once."""
    ordered = keys.sort()
    return ordered[1:].filter(ordered[1:] == ordered[:-1]).unique()
