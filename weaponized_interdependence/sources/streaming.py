"""FLOWS straight into Parquet: what a reader of files larger than memory needs besides its own rules."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from weaponized_interdependence.schemas import FLOWS

# Rows of the rejected table that a streaming reader keeps; its counts are complete all the same.
MOST_REJECTED = 1_000_000


def sink_flows(flows: pl.LazyFrame, path: Path, metadata: Callable[[], Mapping[str, str]]) -> pl.LazyFrame:
    """A lazy sink of FLOWS that reads back exactly as `exports.write` would have written it.

    Text columns may be pl.Enum on the way, which the writer packs several times faster; the file says plain text, with
    each column's meaning and unit. `metadata` is asked when the last row is written, so it may wait for hashes.
    """

    def footer(_context: object) -> dict[str, str]:
        return {"table": FLOWS.name, **metadata(), "ARROW:schema": _schema()}

    return flows.select(*FLOWS.schema).sink_parquet(path, compression_level=1, metadata=footer, lazy=True)


def as_text(flows: pl.DataFrame) -> pl.DataFrame:
    """FLOWS with its Enum columns as plain text, in the declared order."""
    return flows.select(pl.col(name).cast(dtype) for name, dtype in FLOWS.schema.items())


def _schema() -> str:
    import pyarrow as pa

    kinds = {pl.String: pa.large_string(), pl.Float64: pa.float64(), pl.Int64: pa.int64()}
    fields = [
        pa.field(c.name, kinds[c.dtype], metadata={"description": c.meaning, "unit": c.unit}) for c in FLOWS.columns
    ]
    return base64.b64encode(pa.schema(fields).serialize().to_pybytes()).decode()
