"""Frames to files and back: the format is the file's extension, a write is whole or absent."""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, OutputError, UsageError
from weaponized_interdependence.schemas import Table

FORMATS = (".parquet", ".csv", ".json", ".arrow", ".xlsx")
_CELL = 32_000  # characters of one cell of an Excel sheet; it holds 32,767


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving, put it in place, or remove it if anything failed.

    A link stays a link: what it points to is replaced. The bytes are on the disk before the old ones go.
    Raises OutputError when the place cannot be written or is full, or is a folder or a device.
    """
    path = _final(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part" + path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}", mend="make the folder or choose another with -o"
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        _settle(temporary)
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot write {path}: {reason}", mend="free room or choose another place; nothing was left there"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _final(path: Path) -> Path:
    """Where the bytes of `path` belong: links followed; OutputError for what no file can take the place of."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():
        what = "a link that leads back to itself"
    elif target.is_dir():
        what = "a folder"
    elif target.exists() and not target.is_file():
        what = "a device or pipe, which cannot be replaced by a file"
    else:
        return target
    raise OutputError(f"cannot write {path}: it is {what}", mend="name a file; where tables are printed, - is stdout")


def _settle(path: Path) -> None:
    """Wait until the bytes are on the disk: a rename may get there before them, and a power cut between."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def umask() -> int:
    """The process's umask: temporary files are made closed, what is put in place has the rights of any other file."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(
    frame: pl.DataFrame, path: str | Path, *, table: Table | None = None, metadata: Mapping[str, str] | None = None
) -> None:
    """Write `frame` as Parquet, CSV, JSON, Arrow or XLSX by the extension of `path`; `-` is CSV on stdout.

    Parquet and Arrow carry `metadata` (and each declared column's meaning and unit); so does a second sheet of an
    XLSX, and the `metadata` object of a JSON file. CSV has no room for it: keep the Parquet where provenance matters.
    """
    if table is not None:
        frame = table.conform(frame)
    if str(path) == "-":
        sys.stdout.write(frame.write_csv())
        return
    path = Path(path)
    check_extension(path)
    notes = {str(k): str(v) for k, v in (metadata or {}).items()}
    with atomic(path) as temporary:
        match path.suffix.lower():
            case ".parquet" | ".arrow":
                _write_arrow(frame, temporary, table, notes)
            case ".csv":
                frame.write_csv(temporary)
            case ".json":
                document = {"metadata": notes, "rows": frame.to_dicts()}
                temporary.write_text(
                    json.dumps(document, ensure_ascii=False, allow_nan=False, default=str) + "\n", encoding="utf-8"
                )
            case ".xlsx":
                _write_xlsx(frame, temporary, notes)


def check_extension(path: Path) -> None:
    """Raise UsageError, before any work is done, if `write` would not know the format of `path`."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"do not know the format of {path.name!r}", mend=f"end the name in one of {', '.join(FORMATS)}"
        )


def read_frame(path: str | Path, table: Table) -> pl.DataFrame:
    """Read a declared table back from a file written by `write` (or by anyone, same columns).

    JSON is a list of rows, or a document that has them under `rows` or the name of the table (`scores`, `controls`), as
    the commands' --json prints; XLSX has them on the sheet `data`.
    """
    path = Path(path)
    check_extension(path)
    try:
        match path.suffix.lower():
            case ".parquet":
                frame = pl.read_parquet(path, glob=False)
            case ".arrow":
                frame = _read_arrow(path)
            case ".csv":
                frame = pl.read_csv(path, schema_overrides=table.schema, glob=False)
            case ".json":
                frame = pl.DataFrame(_json_rows(path, table), schema_overrides=table.schema, infer_schema_length=None)
            case _:
                frame = _read_sheet(path, "data", table.schema)
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), mend="check the path") from error
    except (OSError, pl.exceptions.PolarsError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            "cannot be read",
            where=str(path),
            faults=[Fault(str(error).splitlines()[0] if str(error) else type(error).__name__)],
            mend="is it complete, and of the format its name says?",
        ) from error
    # pandas writes its row index as a column; it says nothing about the table.
    return table.conform(frame.select(pl.exclude("^__index_level_\\d+__$")), where=str(path))


def _json_rows(path: Path, table: Table) -> list[dict[str, Any]]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(rows, dict):
        rows = rows.get("rows", rows.get(table.name.lower()))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError('holds no list of rows: write [{"column": value, ...}, ...]')
    return rows


def _read_arrow(path: Path) -> pl.DataFrame:
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
        return cast(pl.DataFrame, pl.from_arrow(reader.read_all()))


def _read_sheet(path: Path, sheet: str, types: Mapping[str, Any]) -> pl.DataFrame:
    import fastexcel

    with path.open("rb"):  # the same errors as of any other file where it cannot be opened
        pass
    try:
        return pl.read_excel(path, sheet_name=sheet, schema_overrides=types, drop_empty_rows=False)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, ValueError) as error:
        raise ValueError(f"has no sheet {sheet!r} with a table: {str(error).splitlines()[0]}") from error


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata that `write` put into a Parquet, Arrow, JSON or XLSX file; of others, CSV among them, nothing."""
    path = Path(path)
    match path.suffix.lower():
        case ".parquet":
            return _parquet_metadata(path)
        case ".arrow":
            import pyarrow as pa

            with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
                raw = reader.schema.metadata or {}
            return {k.decode(): v.decode() for k, v in raw.items()}
        case ".json":
            document = json.loads(path.read_text(encoding="utf-8"))
            return dict(document.get("metadata", {})) if isinstance(document, dict) else {}
        case ".xlsx":
            found: dict[str, str] = {}
            for key, value in (
                _read_sheet(path, "metadata", {"key": pl.String, "value": pl.String})
                .select("key", "value")
                .drop_nulls()
                .iter_rows()
            ):
                found[key] = found.get(key, "") + str(value)
            return found
    return {}


def _parquet_metadata(path: Path) -> dict[str, str]:
    import pyarrow.parquet as pq

    # The file's own metadata, not the schema's: what polars streams into a file stands only there.
    raw = cast(Mapping[bytes, bytes], pq.read_metadata(path).metadata or {})
    return {k.decode(): v.decode() for k, v in raw.items() if not k.startswith((b"ARROW", b"pandas"))}


def _write_arrow(frame: pl.DataFrame, path: Path, table: Table | None, notes: dict[str, str]) -> None:
    # Through pyarrow: only so do the schema's metadata and the columns' descriptions reach every reader.
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    described = {c.name: {"description": c.meaning, "unit": c.unit} for c in table.columns} if table else {}
    fields = [f.with_metadata(described[f.name]) if f.name in described else f for f in arrow.schema]
    arrow = arrow.cast(pa.schema(fields, metadata={"table": table.name, **notes} if table else notes))
    if path.suffix == ".parquet":
        pq.write_table(arrow, path, compression="zstd")
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, arrow.schema) as writer:
            writer.write_table(arrow)


def _write_xlsx(frame: pl.DataFrame, path: Path, notes: dict[str, str]) -> None:
    import xlsxwriter

    if frame.height > 1_048_575:
        raise UsageError(
            f"{frame.height} rows do not fit an Excel sheet", mend="write Parquet or CSV, or rank fewer items"
        )
    # Names that begin with = + - @ must arrive as text, never as a formula.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": False}
    book = xlsxwriter.Workbook(cast(Any, str(path)), options)
    try:
        frame.write_excel(book, worksheet="data", autofit=True, float_precision=6)
        # A longer text is left out by Excel: it goes on in further rows of the same key.
        parts = [(k, v[at : at + _CELL]) for k, v in notes.items() for at in range(0, max(len(v), 1), _CELL)]
        pl.DataFrame(parts, schema={"key": pl.String, "value": pl.String}, orient="row").write_excel(
            book, worksheet="metadata", autofit=True
        )
        book.close()
    except xlsxwriter.exceptions.FileCreateError as error:  # not an OSError, though it stands for one
        raise OSError(str(error)) from error
