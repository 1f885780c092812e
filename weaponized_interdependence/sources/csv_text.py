"""What a text file is, seen before it is parsed: encoding, separator, header, an end that was cut off, odd lines."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError

_BLOCK = 1 << 22
_MOST_ODD = 100_000
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_WIDE = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


@dataclass(frozen=True)
class Layout:
    """A CSV as found: where its UTF-8 bytes are, the header's names (and as polars has them), the separator.

    `scratch` is a folder for mended copies.
    """

    path: Path
    columns: tuple[str, ...]
    header: tuple[str, ...]
    delimiter: str
    scratch: Path


def look_at_text(name: str, path: Path, scratch: Path, delimiters: Sequence[str], encoding: str) -> Layout:
    """Find the layout of a CSV, or say why it is none."""
    try:
        if codecs.lookup(encoding).name != "utf-8":
            path = recode(name, path, scratch, encoding)
    except LookupError as error:
        mend = "such as utf-8, cp1252, latin-1, utf-16"
        raise UsageError(f"no encoding is called {encoding!r}", mend=mend) from error
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    _refuse_binary(name, head)
    line = head.removeprefix(codecs.BOM_UTF8).split(b"\n", 1)[0].rstrip(b"\r")
    if b"\r" in line:
        raise InputError("lines end in CR alone (old Macintosh)", where=name, mend="convert: tr '\\r' '\\n' <in >out")
    try:
        header = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise encoding_error(name, path) from error
    if not header.strip():
        raise InputError("the first line is empty, and should be the header", where=name, mend="delete lines above it")
    delimiter = _delimiter_of(name, header, delimiters)
    columns = tuple(c.strip() for c in next(csv.reader([header], delimiter=delimiter)))
    _refuse_cut_end(name, path, delimiter, columns)
    return Layout(path, columns, _polars_header(name, path, delimiter, columns), delimiter, scratch)


def _refuse_binary(name: str, head: bytes) -> None:
    for mark, wide in _WIDE.items():
        if head.startswith(mark):
            mend = f"save as UTF-8: iconv -f {wide} -t UTF-8 {Path(name).name} > utf8.csv"
            raise InputError(f"the text is {wide} (byte order mark at byte 0), not UTF-8", where=name, mend=mend)
    if head.lstrip()[:1] == b"<":
        mend = "the server sent a page (a login, an error?); download again"
        raise InputError("is a web page or XML, not a table", where=name, mend=mend)
    if b"\x00" in head:
        at = head.index(b"\x00")
        mend = "UTF-16 without a mark? then iconv -f UTF-16LE -t UTF-8; else it is another format"
        raise InputError(f"is not text: a zero byte at byte {at}", where=name, mend=mend)


def _delimiter_of(name: str, header: str, delimiters: Sequence[str]) -> str:
    def cells(separator: str) -> int:
        return len(next(csv.reader([header], delimiter=separator)))

    best = max(delimiters, key=cells)
    if cells(best) > 1:
        return best
    seen = max((d for d in _NAMES if d not in delimiters), key=cells)
    if cells(seen) > 1:
        wants = " or ".join(_NAMES.get(d, repr(d)) for d in delimiters)
        said = f"cells are separated by {seen!r} ({_NAMES[seen]}), this reader wants {wants}"
        mend = f"save with that separator, or use the `table` reader with option delimiter={seen}"
        raise InputError(said, where=name, mend=mend, faults=[Fault(f"the header is {header[:120]!r}")])
    return best  # a single column; `files.require` will say what is missing


def _polars_header(name: str, path: Path, delimiter: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The header in polars' reading, which must agree with ours in length: else cells would land in wrong columns."""
    with path.open("rb") as stream:
        line = stream.readline()
    try:
        header = pl.read_csv(line, separator=delimiter, infer_schema=False, n_rows=0).columns
    except pl.exceptions.PolarsError:
        header = []
    if len(header) != len(columns):
        mend = "write plain names, each in one line, quoted if they hold the separator"
        raise InputError(f"the header cannot be read: {line[:80]!r}", where=name, mend=mend)
    return tuple(header)


def _refuse_cut_end(name: str, path: Path, delimiter: str, columns: Sequence[str]) -> None:
    """A last line without its end and with fewer cells than the header was cut off, and its last cell with it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, size - (1 << 16)))
        tail = stream.read()
    if tail.endswith((b"\n", b"\r")) or b"\n" not in tail:
        return
    last = tail.rsplit(b"\n", 1)[1].decode("utf-8", "replace")
    try:
        cells = len(next(csv.reader([last], delimiter=delimiter, strict=True), []))
    except csv.Error:
        cells = 0
    if cells < len(columns):
        what = f"the last line has {cells} of {len(columns)} cells and no end: the file was cut off"
        raise InputError(what, where=name, mend="fetch it again", faults=[Fault(f"it ends {last[-80:]!r}")])


def encoding_error(name: str, path: Path) -> InputError:
    """The error for text that is not UTF-8: the byte and line where it breaks, and what to do."""
    offset = lines = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    pending = 0
    for block in blocks(path):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            # error.start counts from the bytes the decoder had kept back from the block before
            at = error.start - pending
            lines += block[: max(at, 0)].count(b"\n")
            byte = error.object[error.start]
            what = f"the text is not UTF-8: byte 0x{byte:02x} at byte offset {offset + at}, line {lines + 1}"
            mend = (
                "probably Latin-1 or Windows-1252: option encoding=cp1252 where the reader has it "
                "(on the command line: --option encoding=cp1252), or "
                f"iconv -f WINDOWS-1252 -t UTF-8 {Path(name).name} > utf8.csv"
            )
            return InputError(what, where=name, mend=mend)
        pending = len(decoder.getstate()[0])
        offset += len(block)
        lines += block.count(b"\n")
    return InputError("the text ends inside a character", where=name, mend="was it cut off? fetch it again")


def recode(name: str, path: Path, scratch: Path, encoding: str) -> Path:
    """A UTF-8 copy of a text in another encoding."""
    target = scratch / f"utf8-{len(list(scratch.iterdir()))}"
    try:
        with path.open(encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as out:
            while text := source.read(_BLOCK):
                out.write(text)
    except UnicodeError as error:
        raise InputError(
            f"the text is not {encoding}: {error}", where=name, mend="name its true one with option encoding"
        ) from error
    return target


def repair(name: str, layout: Layout) -> tuple[Layout, dict[int, list[str]]]:
    """(layout of a copy whose odd rows are blank, those rows' cells), or the layout itself if no row is odd.

    An odd row has more or fewer cells than the header. Row 1 is the first after the header; a blank line counts as a
    row, for that is how the scan numbers them. Raises InputError for text that is not UTF-8, for a quotation mark that
    is never closed, and for a file that is odd throughout.
    """
    wanted = len(layout.columns)
    if _plainly_regular(layout, wanted):
        return layout, {}
    odd: dict[int, list[str]] = {}
    target = layout.scratch / f"mended-{len(list(layout.scratch.iterdir()))}"
    blank = [""] * wanted
    row = 0
    try:
        with (
            layout.path.open(encoding="utf-8-sig", newline="") as source,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            writer = csv.writer(out, delimiter=layout.delimiter, lineterminator="\n")
            reader = csv.reader(source, delimiter=layout.delimiter, strict=True)
            writer.writerow(next(reader))
            for row, cells in enumerate(reader, start=1):
                if len(cells) == wanted + 1 and not cells[-1]:
                    cells.pop()  # a separator after the last cell of each line, as Comtrade's website writes it
                if cells and len(cells) != wanted:
                    odd[row] = cells
                    if len(odd) > _MOST_ODD:
                        raise _too_odd(name, wanted, odd)
                writer.writerow(cells if len(cells) == wanted else blank)
    except UnicodeDecodeError:
        raise encoding_error(name, layout.path) from None
    except csv.Error as error:
        what = f"a quotation mark is opened and not closed, about row {row + 1} ({error})"
        raise InputError(what, where=name, mend="close or delete the quotation mark") from error
    return replace(layout, path=target), odd


def even(layout: Layout) -> bool:
    """True if no line is short of a cell: seen in a fraction of a second, for a typed scan fills short lines up.

    A file with quotation marks, or whose count is off, is looked at closer: lines with nothing in them are no lines.
    """
    import numpy as np

    wanted, marks, lines, quoted, last = len(layout.columns), 0, 0, False, 10
    for block in blocks(layout.path):
        array = np.frombuffer(block, dtype=np.uint8)
        marks += int(np.count_nonzero(array == ord(layout.delimiter)))
        lines += int(np.count_nonzero(array == 10))
        quoted = quoted or b'"' in block
        last = int(array[-1])
    lines += last != 10
    if marks == (wanted - 1) * lines and not quoted:
        return True
    return _no_short_line(layout)


def _no_short_line(layout: Layout) -> bool:
    wanted = len(layout.columns)
    try:
        with layout.path.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.reader(source, delimiter=layout.delimiter)
            return all(len(cells) >= wanted or not any(c.strip() for c in cells) for cells in reader)
    except (UnicodeDecodeError, csv.Error):
        return False  # `repair` says where


def _too_odd(name: str, wanted: int, odd: dict[int, list[str]]) -> InputError:
    first = [Fault(f"row {row} has {len(cells)} cells") for row, cells in list(odd.items())[:3]]
    what = f"more than {_MOST_ODD} lines do not have the header's {wanted} cells"
    return InputError(what, where=name, mend="is it another format, or are texts with commas not quoted?", faults=first)


def blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, some megabytes at a time."""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _plainly_regular(layout: Layout, wanted: int) -> bool:
    """True if there is no quotation mark and every line has `wanted` cells: the usual, soon seen."""
    import numpy as np  # only here: typed scans of large files never come this way

    carried = 0
    for block in blocks(layout.path):
        if b'"' in block:
            return False
        try:
            block.decode("utf-8")
        except UnicodeDecodeError:
            return False
        array = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(array == 10)
        before = np.cumsum(array == ord(layout.delimiter))
        marks = np.diff(before[ends], prepend=0)
        if len(ends):
            marks[0] += carried
            if (marks != wanted - 1).any():
                return False
            carried = int(before[-1] - before[ends[-1]])
        else:
            carried += int(before[-1])
    return carried in (0, wanted - 1)
