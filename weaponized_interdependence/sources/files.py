"""Open publishers' files safely: what is wrong with a file is said here, before any reader sees a row.

`opened` unpacks .gz, .zst and .zip into a temporary folder (so that a cut archive or a bomb is found out first and
with a limit), and refuses, with the mend: empty files, web pages saved in place of data, workbooks, other encodings,
another delimiter than the reader's, a last line that was cut off. `text_frame` reads a CSV whole as text and puts
lines with the wrong number of cells aside; a typed, lazy scan is `scan`.
"""

import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.sources.csv_text import Layout, look_at_text, repair
from weaponized_interdependence.sources.reading import FileStamp, stamp
from weaponized_interdependence.sources.unpack import spool, unpack, unzip

_INDEX = "\x00row"
STDIN = "-"
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".arrow", ".feather")


@dataclass(frozen=True)
class Opened:
    """A file ready to be scanned: `name` as the user gave it, `path` the plain bytes, `stamp` of the file as given."""

    name: str
    path: Path
    kind: str  # csv, parquet or arrow
    columns: tuple[str, ...]
    layout: Layout | None  # of a CSV
    _stamp: Future[FileStamp]

    @property
    def stamp(self) -> FileStamp:
        """Hash and size of the file as given; computed beside the reading, so ask late."""
        return self._stamp.result()


@contextmanager
def opened(
    paths: Sequence[Path],
    *,
    delimiters: Sequence[str] = (",",),
    encoding: str = "utf-8",
    wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[list[Opened]]:
    """Open every file (and every wanted member of a zip); all faults of all files are raised together.

    Parameters
    ----------
    delimiters
        Cell separators the format may use; a file that plainly uses another is an InputError that names it.
    encoding
        Of the text; anything but UTF-8 is re-coded on the way.
    wanted
        Which members of a zip are data, by their name.

    The temporary copies live as long as the `with` block.
    """
    with tempfile.TemporaryDirectory(prefix="wi-") as folder, ThreadPoolExecutor(1) as hashing:
        files: list[Opened] = []
        faults: list[Fault] = []
        for path in map(Path, paths):
            regular = path
            try:
                regular = _regular(path, Path(folder))
                hashed = hashing.submit(stamp, regular, str(path))
                for name, plain in _plain(regular, Path(folder), wanted):
                    name = name.replace(str(regular), str(path), 1)
                    files.append(_look_at(name, plain, Path(folder), hashed, delimiters, encoding))
            except InputError as error:
                where = (error.where or str(path)).replace(str(regular), str(path), 1)
                faults.append(Fault(error.message, where, error.mend))
                faults.extend(error.faults)
            except FileNotFoundError:
                faults.append(Fault("no such file", str(path), "check the path"))
            except IsADirectoryError:
                faults.append(Fault("is a folder", str(path), "name a file in it"))
            except PermissionError as error:
                faults.append(Fault("may not be read", str(path), f"give yourself the right to: {error.strerror}"))
        if faults:
            raise InputError("cannot be read", faults=faults)
        yield files


def _regular(path: Path, folder: Path) -> Path:
    """`path`, or a copy of what comes through it where it is a pipe: a pipe has no size and can be read only once."""
    if str(path) == STDIN and not path.exists():
        return spool(lambda: nullcontext(sys.stdin.buffer), folder, "standard input")
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return spool(lambda: path.open("rb"), folder, str(path))
    if not stat.S_ISREG(mode):
        raise InputError("is a device, not a file", where=str(path), mend="name a file, a pipe, or - for stdin")
    return path


def _plain(path: Path, folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    if path.stat().st_size == 0:
        raise InputError("the file is empty", where=str(path), mend="was the download cut off? fetch it again")
    if zipfile.is_zipfile(path):
        yield from unzip(path, folder, lambda name: name.lower().endswith(DATA_SUFFIXES) and wanted(name))
    else:
        yield str(path), unpack(path, folder)


def _look_at(
    name: str, path: Path, scratch: Path, hashed: Future[FileStamp], delimiters: Sequence[str], encoding: str
) -> Opened:
    with path.open("rb") as stream:
        magic = stream.read(8)
    if not magic:
        raise InputError("the file is empty once unpacked", where=name, mend="was it cut off? fetch it again")
    if magic.startswith((b"PAR1", b"ARROW1")):
        kind = "parquet" if magic.startswith(b"PAR1") else "arrow"
        return Opened(name, path, kind, _columns(name, path, kind), None, hashed)
    layout = look_at_text(name, path, scratch, delimiters, encoding)
    return Opened(name, layout.path, "csv", layout.columns, layout, hashed)


def _columns(name: str, path: Path, kind: str) -> tuple[str, ...]:
    try:
        with path.open("rb") as stream:  # a path with [ or * in it would be taken for a pattern
            schema = pl.read_parquet_schema(stream) if kind == "parquet" else pl.read_ipc_schema(stream)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"not a whole {kind} file: {reason}", where=name, mend="was it cut off? fetch it again") from (
            error
        )
    return tuple(schema)


def require(file: Opened, columns: Sequence[str]) -> None:
    """InputError unless the file has every one of `columns`, once; the message names a reader that would fit."""
    missing = [c for c in columns if c not in file.columns]
    twice = sorted({c for c in columns if file.columns.count(c) > 1})
    faults = [Fault(f"no column {c!r}") for c in missing] + [Fault(f"column {c!r} comes twice") for c in twice]
    if not faults:
        return
    fitting = _readers_fitting(file.columns)
    mend = f"its columns are those of the reader {' or '.join(fitting)}" if fitting else ""
    have = ", ".join(file.columns[:12]) + (" ..." if len(file.columns) > 12 else "")
    mend = mend or "is this the right reader? `table` maps any columns: option columns: value=YOUR_COLUMN, ..."
    if not fitting:
        mend += " (on the command line: --option columns=value:YOUR_COLUMN,...)"
    raise InputError(f"does not have the columns needed; it has {have}", where=file.name, mend=mend, faults=faults)


def _readers_fitting(columns: Sequence[str]) -> list[str]:
    from weaponized_interdependence.sources.declaration import declared, load_declaration

    fitting = []
    for name in declared():
        needed = [c.name for c in load_declaration(name).columns if c.required]
        if needed and set(needed) <= set(columns):
            fitting.append(name)
    return fitting


def scan(
    file: Opened,
    schema: Mapping[str, type[pl.DataType]] | None = None,
    *,
    row: str | None = None,
    missing: Sequence[str] = (),
) -> pl.LazyFrame:
    """A lazy scan; `row` names a column for the file row, of which the first is 1 (the file's own is then `row_2`).

    Cells equal to one of `missing` are null.

    Of a CSV the columns in `schema` have that type and the others are text; a cell that does not fit makes polars raise
    on collect, so ask for pl.String where that can be. Parquet and Arrow keep their own types (categories as text).
    """
    if file.layout is None:
        frame = (pl.scan_parquet if file.kind == "parquet" else pl.scan_ipc)(file.path, glob=False)
        frame = frame.rename(_own_names(file.columns, file.columns, row))
        frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        return frame.with_row_index(row, offset=1) if row else frame
    names = _own_names(file.layout.header, file.layout.columns, row)
    frame = pl.scan_csv(
        file.path,
        schema={raw: (schema or {}).get(name, pl.String) for raw, name in names.items()},
        separator=file.layout.delimiter,
        row_index_name=_INDEX if row else None,
        row_index_offset=1,
        null_values=list(missing) or None,
        glob=False,
    )
    return frame.rename(names | ({_INDEX: row} if row else {}))


def text_frame(file: Opened) -> tuple[pl.DataFrame, dict[int, list[str]]]:
    """The whole file with a column `row`, and the odd rows: those with the wrong number of cells, with
    their cells (in the frame these rows are null).

    Cells of a CSV are text, stripped of blanks, null when empty; Parquet and Arrow keep their types. Lines with
    nothing in them are left out.
    """
    if file.layout is None:
        return collected(file, scan(file, row="row")), {}
    fixed, odd = mended(file)
    frame = collected(file, scan(fixed, row="row"))
    cells = pl.col(pl.String).str.strip_chars()
    frame = frame.with_columns(pl.when(cells != "").then(cells))
    nothing = pl.all_horizontal(pl.exclude("row").is_null())
    return frame.filter(~nothing | pl.col("row").is_in(list(odd))), odd


def collected(file: Opened, frame: pl.LazyFrame) -> pl.DataFrame:
    """`frame.collect()`, with what polars says against the file as an InputError."""
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise parse_error([file], error) from error


def parse_error(files: Sequence[Opened], error: Exception) -> InputError:
    """The InputError for a file that turned out to be damaged inside."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    where = ", ".join(f.name for f in files)
    return InputError(f"cannot be parsed: {reason}", where=where, mend="is it damaged? fetch or write it again")


def mended(file: Opened) -> tuple[Opened, dict[int, list[str]]]:
    """`file` as it is when every line has the header's number of cells; else a copy where the odd ones are blank.

    Gives those rows' cells too. The copy lies beside the temporary files of `opened`, and dies with them.
    """
    assert file.layout is not None
    layout, odd = repair(file.name, file.layout)
    return replace(file, path=layout.path, layout=layout), odd


def _own_names(header: Sequence[str], columns: Sequence[str], row: str | None) -> dict[str, str]:
    """Name in the file as polars has it -> name in our frames: no two the same, and none that of the row numbers."""
    seen = {row: 0} if row else {}
    names = {}
    for raw, name in zip(header, columns, strict=True):
        seen[name] = seen.get(name, -1) + 1
        names[raw] = name if not seen[name] else f"{name}_{seen[name] + 1}"
    return names
