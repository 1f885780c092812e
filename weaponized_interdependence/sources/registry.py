"""The readers by name. A reader's module is imported only when it is used, so that listing them costs nothing.

To add one: write `sources/NAME.py` with `read_NAME(paths, *, options...) -> Reading`, write `data/sources/NAME.toml`,
and add its line to `READERS`. A reader that can stream to Parquet also has `stream_NAME(paths, out, *, options...)`.
"""

import glob
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.sources.declaration import Declaration, load_declaration
from weaponized_interdependence.sources.expectations import check_expectations
from weaponized_interdependence.sources.files import STDIN
from weaponized_interdependence.sources.provenance import metadata_of
from weaponized_interdependence.sources.reading import FileStamp, Reading, demand, summarise


@dataclass(frozen=True)
class Reader:
    """A named reader: where its function is, and what its declaration says."""

    name: str
    module: str

    @property
    def function(self) -> Callable[..., Reading]:
        """`read_NAME(paths, **options)`."""
        found: Callable[..., Reading] = getattr(self._load(), f"read_{self.name}")
        return found

    @property
    def streamer(self) -> Callable[..., Reading] | None:
        """`stream_NAME(paths, out, **options)`, or None if the reader works in memory only."""
        return getattr(self._load(), f"stream_{self.name}", None)

    @property
    def declaration(self) -> Declaration:
        """The source's declaration, data/sources/NAME.toml."""
        return load_declaration(self.name)

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """The keyword options of the reader, with their defaults and types."""
        parameters = inspect.signature(self.function).parameters
        return {k: p for k, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def _load(self) -> Any:
        return import_module(f"weaponized_interdependence.sources.{self.module}")


READERS: Mapping[str, Reader] = {
    name: Reader(name, module)
    for name, module in {
        # name -> module under sources/
        "baci": "baci",
        "comtrade": "comtrade",
        "unctad": "unctad",
        "cow": "cow",
        "oec": "oec",
        "table": "table",
        "icio": "icio",
        "wiod": "wiod",
        "bis": "bis",
        "remittances": "remittances",
        "oecd_services": "oecd_services",
        "wdi": "wdi",
        "eto": "eto",
    }.items()
}


def reader(name: str) -> Reader:
    """The reader of that name; UsageError with the nearest names otherwise."""
    if name in READERS:
        return READERS[name]
    close = nearest(name, list(READERS))
    mend = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(sorted(READERS))}"
    raise UsageError(f"no reader is called {name!r}", mend=mend)


def read(name: str, *paths: str | Path, strict: bool = False, **options: Any) -> Reading:
    """Read files of one publisher's format into declared tables, and check them against the source's declaration.

    Parameters
    ----------
    name
        A reader of READERS: `baci`, `comtrade`, `unctad`, `cow`, `oec`, `table`, `icio`, `wiod`, `bis` ...
    paths
        Files or glob patterns; at least one.
    strict
        Turn rejected rows and failed checks into an error.
    options
        The reader's own options; `wi sources show NAME` lists them.

    Raises
    ------
    UsageError
        No such reader or option, or no path.
    InputError
        A file is not there, is not what the reader reads, or has no usable row.
    CheckError
        The input breaks an expectation that its numbers hang on.

    Examples
    --------
    >>> read("baci", "BACI_HS17_Y2021_V202301.csv", edition="HS17").flows       # doctest: +SKIP
    """
    chosen = reader(name)
    check_options(chosen, options)
    reading = chosen.function(find_files(paths), **options)
    return _checked(chosen, reading, strict=strict)


def stream(name: str, paths: Sequence[str | Path], out: str | Path, *, strict: bool = False, **options: Any) -> Reading:
    """Read files straight into the Parquet file `out`, without holding the rows in memory where the reader can.

    The file has the FLOWS schema and the metadata of `exports.write`. Gives the Reading without flows (`written` is
    the path). A reader that has no streaming form reads into memory first; one that makes no flows is a UsageError.
    `out` is written whole or not at all, and not at all when a hard check (or, under `strict`, anything) fails.
    """
    chosen, out = reader(name), Path(out)
    check_options(chosen, options)
    found = find_files(paths)
    if chosen.streamer is not None and out.suffix.lower() == ".parquet":
        return chosen.streamer(found, out, finish=lambda r: _checked(chosen, r, strict=strict), **options)
    from weaponized_interdependence import exports
    from weaponized_interdependence.schemas import FLOWS

    exports.check_extension(out)
    reading = _checked(chosen, chosen.function(found, **options), strict=strict)
    if reading.flows is None:
        raise UsageError(f"{name} makes no FLOWS", mend="use wi.read, which gives its table")
    exports.write(reading.flows, out, table=FLOWS, metadata=metadata_of(reading))
    return replace(reading, flows=None, written=out)


def check_options(chosen: Reader, options: Mapping[str, Any]) -> None:
    """UsageError naming every option the reader does not have, and those it has."""
    known = chosen.options
    faults = []
    for wrong in (o for o in options if o not in known):
        close = nearest(wrong, list(known))
        faults.append(Fault(f"no option {wrong!r}", mend=f"did you mean {close[0]}?" if close else ""))
    if faults:
        listed = ", ".join(sorted(known)) or "none"
        raise UsageError(f"reader {chosen.name} has the options: {listed}", faults=faults)


def find_files(paths: Sequence[str | Path]) -> tuple[Path, ...]:
    """The files that paths and glob patterns name, in order, none twice; every one that is missing is reported.

    A file that exists is taken as it is, also where its name has *, ? or [ in it. `-` is standard input.
    """
    if not paths:
        raise UsageError("no file was named", mend="give at least one path or pattern")
    found: dict[Path, None] = {}
    faults = []
    for given in map(str, paths):
        path = Path(given)
        try:
            there = path.exists()
        except (OSError, ValueError) as error:  # too long, or with a zero byte in it
            faults.append(Fault(f"cannot be a path: {getattr(error, 'strerror', None) or error}", given[:120]))
            continue
        if path.is_dir():
            faults.append(Fault("is a folder", given, f"name its files, for example {given.rstrip('/')}/*.csv"))
        elif there or given == STDIN:
            found[path] = None
        elif glob.has_magic(given) and (matches := sorted(glob.glob(given, recursive=True))):
            found.update(dict.fromkeys(Path(m) for m in matches if Path(m).is_file()))
        else:
            faults.append(Fault("no such file" if not glob.has_magic(given) else "no file matches", given))
    if faults:
        raise InputError("cannot find the input", mend="check the paths", faults=faults)
    return tuple(found)


def _checked(chosen: Reader, reading: Reading, *, strict: bool) -> Reading:
    if reading.summary is None and reading.flows is not None:
        reading = replace(reading, summary=summarise(reading.flows))
    reading = reading.adding(checks=check_expectations(chosen.declaration, reading))
    return demand(reading, strict=strict)


__all__ = ["READERS", "FileStamp", "Reader", "Reading", "find_files", "metadata_of", "read", "reader", "stream"]
