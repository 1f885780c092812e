"""Unpack .gz, .zst and .zip into a folder of our own, with limits: a few kilobytes may claim to hold a terabyte.

The limits can be raised by who knows the file: WI_MAX_UNPACKED_GB (64) and WI_MAX_UNPACK_RATIO (200, asked only beyond
256 MB, for tables of zeros do pack well).
"""

import errno
import gzip
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from weaponized_interdependence.errors import Fault, InputError, OutputError, UsageError

_BLOCK = 1 << 20
_RATIO_ASKED_FROM = 1 << 28
_FOREIGN = {
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"BZh": ("bzip2", "bunzip2"),
    b"7z\xbc\xaf": ("7-Zip", "7z x"),
    b"Rar!": ("RAR", "unrar x"),
}


def unpack(path: Path, folder: Path) -> Path:
    """The plain bytes of `path`: itself if it is not packed, else a file in `folder`."""
    with path.open("rb") as stream:
        magic = stream.read(6)
    for start, (kind, command) in _FOREIGN.items():
        if magic.startswith(start):
            raise InputError(f"is packed with {kind}", where=str(path), mend=f"unpack it first: {command} {path.name}")
    if magic.startswith(b"\x1f\x8b"):
        return _copy(partial(gzip.open, path, "rb"), path.stat().st_size, _fresh(folder), str(path))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return _copy(partial(_zstd, path), path.stat().st_size, _fresh(folder), str(path))
    return path


def unzip(path: Path, folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    """(name, plain file in `folder`) for every wanted member of a zip archive."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise _cut(str(path), error) from error
    with archive:
        names = [m.filename for m in archive.infolist() if not m.is_dir()]
        if "[Content_Types].xml" in names:
            mend = "save the sheet as CSV (UTF-8) and read that"
            raise InputError("is an Excel workbook, which this reader does not take", where=str(path), mend=mend)
        members = [m for m in archive.infolist() if not m.is_dir() and not _of_macos(m.filename) and wanted(m.filename)]
        if not members:
            inside = ", ".join(names[:8]) or "nothing"
            what = f"no data file of this reader inside; it holds {inside}"
            mend = "another reader, or other years? or unpack it and name the file"
            raise InputError(what, where=str(path), mend=mend)
        for member in members:
            # The member's own name is only shown, never used as a path.
            where = f"{path}!{member.filename}"
            if member.flag_bits & 0x1:
                raise InputError("is encrypted", where=where, mend="unpack it with its password first")
            yield where, _copy(partial(archive.open, member), max(member.compress_size, 1), _fresh(folder), where)


def _of_macos(name: str) -> bool:
    """What the Finder packs beside each file: its icon and tags, under the file's own name."""
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith("._")


def spool(source: Callable[[], Any], folder: Path, where: str) -> Path:
    """Stdin or a pipe, which can be read only once, as a file in `folder`."""
    return _copy(source, 1 << 62, _fresh(folder), where)


def limits() -> tuple[int, float]:
    """(most bytes unpacked, most bytes unpacked for one packed)."""
    try:
        most = float(os.environ.get("WI_MAX_UNPACKED_GB", "64")) * 1e9
        ratio = float(os.environ.get("WI_MAX_UNPACK_RATIO", "200"))
    except ValueError as error:
        raise UsageError("WI_MAX_UNPACKED_GB and WI_MAX_UNPACK_RATIO must be numbers", mend="mend or unset") from error
    return int(most), ratio


def _copy(source: Callable[[], Any], packed: int, target: Path, where: str) -> Path:
    most, ratio = limits()
    written = 0
    try:
        with source() as stream, target.open("wb") as out:
            while block := stream.read(_BLOCK):
                written += len(block)
                if written > most:
                    mend = "if you trust it, raise WI_MAX_UNPACKED_GB"
                    raise InputError(f"unpacks to more than {most / 1e9:g} GB", where=where, mend=mend)
                if written > max(_RATIO_ASKED_FROM, ratio * packed):
                    what = f"unpacks to more than {ratio:g} times its size: a zip bomb, or nearly empty data"
                    raise InputError(what, where=where, mend="if you trust it, raise WI_MAX_UNPACK_RATIO")
                _put(out, block, target)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError) as error:
        raise _cut(where, error) from error
    except OSError as error:
        # pyarrow says OSError, without a number, for a broken zstd stream
        if error.errno is not None:
            raise
        raise _cut(where, error) from error
    return target


def _put(out: IO[bytes], block: bytes, target: Path) -> None:
    try:
        out.write(block)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        mend = "free room, or set TMPDIR to a roomier folder"
        raise OutputError(f"no room to unpack into {target.parent}", mend=mend) from error


def _cut(where: str, error: Exception) -> InputError:
    mend = "the download was probably cut off: fetch it again"
    return InputError("is not a whole archive", where=where, mend=mend, faults=[Fault(str(error) or "it ends early")])


def _fresh(folder: Path) -> Path:
    return folder / f"plain-{len(list(folder.iterdir()))}"


def _zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="zstd")
