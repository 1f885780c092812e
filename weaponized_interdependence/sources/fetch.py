"""Download a publisher's file: checksum, resume, retry, proxy, and nothing half-written.

What can be downloaded, and from where, is said in data/sources/NAME.toml; this module knows no address. Bytes arrive in
`.FILE.part` beside the place of the file and stay there when a transfer breaks, so that the next call goes on where the
last one stopped. Only a whole file whose checksum fits is put in place.

The checksum is the declared one; where the publisher gives none, that of the first download is trusted, recorded beside
the file in `FILE.source.json` and held against every later download: `Fetched.trust` says which of the two it was.

Proxies come from the environment (HTTPS_PROXY, NO_PROXY), as for any other tool.
"""

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from weaponized_interdependence.errors import FetchError, OutputError, UsageError
from weaponized_interdependence.settings import cache_dir
from weaponized_interdependence.sources.declaration import Declaration, Download, load_declaration
from weaponized_interdependence.sources.reading import stamp
from weaponized_interdependence.sources.transfer import Progress, ResumingDownloader, file_name, refuse_junk

Trust = Literal["declared", "recorded", "first use"]


@dataclass(frozen=True)
class Fetched:
    """One file in its place. `trust`: what its checksum was held against; `first use` means nothing yet."""

    path: Path
    url: str
    sha256: str
    bytes: int
    trust: Trust
    downloaded: bool  # False: it was there already and its checksum fits
    note: str = ""  # what of the request the file could not follow

    def __str__(self) -> str:
        """One line for the screen."""
        how = {
            "declared": "checksum fits the declared one",
            "recorded": "checksum fits the one recorded at the first download",
            "first use": "no checksum is published: this one is now recorded and later downloads are held against it",
        }[self.trust]
        verb = "downloaded" if self.downloaded else "already there"
        note = f"\n{self.note}" if self.note else ""
        return f"{self.path} ({self.bytes:,} bytes, sha256 {self.sha256[:12]}..., {verb}; {how}){note}"


def fetch(
    name: str,
    *,
    year: int | None = None,
    edition: str | None = None,
    version: str | None = None,
    dest: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Download the official file(s) of source `name` and give their paths. See `fetch_files` for what is checked.

    Examples
    --------
    >>> fetch("icio", edition="2023", year=2018)       # doctest: +SKIP
    (PosixPath('.../2016-2020_SML.zip'),)
    """
    done = fetch_files(name, year=year, edition=edition, version=version, dest=dest, progress=progress)
    return tuple(f.path for f in done)


def fetch_files(
    name: str,
    *,
    year: int | None = None,
    edition: str | None = None,
    version: str | None = None,
    dest: str | Path | None = None,
    refresh: bool = False,
    progress: Progress | None = None,
    downloader: ResumingDownloader | None = None,
) -> tuple[Fetched, ...]:
    """Download the official file(s) of source `name`, each with its checksum and how far that is to be trusted.

    Parameters
    ----------
    name
        A declared source.
    year, edition, version
        Which file; what is needed and not given is asked for. Without an edition: the first one declared.
    dest
        Folder for the files; by default the user's cache, `sources/NAME` in it.
    refresh
        Download again and forget the recorded checksum: for a file the publisher has revised.
    progress
        Called with (bytes so far, bytes in all or None) as the transfer goes on.

    Raises
    ------
    UsageError
        Nothing declared fits year, edition and version.
    FetchError
        The server refuses, the transfer breaks for good, the checksum differs, or the publisher offers no address that
        a program can use; the message says how to get the file by hand.
    OutputError
        `dest` cannot be written.
    """
    declaration = load_declaration(name)
    chosen = choose(declaration, year=year, edition=edition)
    folder = Path(dest) if dest is not None else cache_dir() / "sources" / name
    addresses = [(d, address(d, declaration, year=year, edition=edition, version=version)) for d in chosen]
    by_hand = [d for d in chosen if d.manual and not d.url]
    if by_hand:
        raise FetchError(
            f"{declaration.title} has no address that a program can use",
            where=declaration.homepage,
            mend=" ".join(dict.fromkeys(d.manual for d in by_hand)),
        )
    transfer = downloader or ResumingDownloader(progress=progress)
    done = [_fetch_one(d, url, declaration, folder, transfer, refresh=refresh) for d, url in addresses]
    return tuple(replace(f, note=_all_years(d, year)) for f, d in zip(done, chosen, strict=True))


def _all_years(download: Download, year: int | None) -> str:
    """What to say where a year was asked for and the publisher's file has every one."""
    if year is None or "{year}" in download.url:
        return ""
    span = f"{download.years[0]} to {download.years[1]}" if download.years else "all its years"
    return f"the publisher has no file of {year} alone: this one holds {span}; choose {year} when you read it"


def choose(declaration: Declaration, *, year: int | None = None, edition: str | None = None) -> tuple[Download, ...]:
    """The declared downloads that fit; UsageError listing what there is if none does."""
    offered = declaration.downloads
    if not offered:
        raise UsageError(f"{declaration.name} declares no download", mend=f"get the file from {declaration.homepage}")
    listed = ", ".join(dict.fromkeys(_title(d) for d in offered))
    if edition is not None:
        wanted = edition.casefold()
        fitting = [d for d in offered if wanted in (d.name.casefold(), d.edition.casefold()) or "{edition}" in d.url]
        if not fitting:
            raise UsageError(f"{declaration.name} has no edition {edition!r}", mend=f"choose from {listed}")
    else:
        first = offered[0].edition
        fitting = [d for d in offered if d.edition == first] if first else list(offered)
    if year is None and len({tuple(d.years) for d in fitting}) > 1:
        # several hundred megabytes nobody asked for are no default
        spans = ", ".join(_title(d) for d in fitting)
        raise UsageError(f"{declaration.name} comes in {len(fitting)} files, by year", mend=f"give --year: {spans}")
    if year is not None:
        fitting = [d for d in fitting if not d.years or d.years[0] <= year <= d.years[1]]
        if not fitting:
            raise UsageError(f"no declared file of {declaration.name} covers {year}", mend=f"declared: {listed}")
    return tuple(fitting)


def _title(download: Download) -> str:
    span = f" ({download.years[0]} to {download.years[1]})" if download.years else ""
    return (download.edition or download.name) + span


def address(
    download: Download,
    declaration: Declaration,
    *,
    year: int | None = None,
    edition: str | None = None,
    version: str | None = None,
) -> str:
    """The URL with its placeholders filled; UsageError naming every one that is still open."""
    given = {"year": "" if year is None else str(year), "edition": edition or "", "version": version or ""}
    holes = re.findall(r"{(\w+)}", download.url)
    values = {h: given.get(h) or download.parameters.get(h, "") for h in holes}
    if lacking := [h for h in values if not values[h]]:
        raise UsageError(
            f"{declaration.name} {download.name} needs {', '.join(lacking)}",
            mend=f"give {', '.join('--' + h for h in lacking)}; see {declaration.homepage}",
        )
    if version and "version" not in holes:
        raise UsageError(f"{declaration.name} {download.name} has no versions", mend="leave --version out")
    return download.url.format(**values)


def _fetch_one(
    download: Download,
    url: str,
    declaration: Declaration,
    folder: Path,
    transfer: ResumingDownloader,
    *,
    refresh: bool,
) -> Fetched:
    import pooch

    file = folder / (download.file or file_name(url))
    record = file.with_name(file.name + ".source.json")
    recorded = {} if refresh else _read_record(record)
    known = download.sha256 or (recorded["sha256"] if recorded.get("url") == url else "")
    by_hand = f"download it by hand from {declaration.homepage} and give its path to the reader"
    if file.exists() and not known and not refresh:
        # without a checksum of its own a file found here is of unknown origin: never taken for the publisher's
        raise FetchError(
            f"{file} exists and no checksum is known for it",
            mend="move it away, or give it to the reader as it is; --refresh downloads anew",
        )

    def bring(address: str, output: Any, pooch: Any = None) -> None:
        transfer(address, output, pooch)
        refuse_junk(Path(output), file.name)  # before it is trusted, recorded or put in place

    there = file.exists()
    before = stamp(file).sha256 if there else ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(file), _aside(file, refresh), _quiet(pooch.get_logger()):
            pooch.retrieve(url, f"sha256:{known}" if known else None, fname=file.name, path=folder, downloader=bring)
        os.chmod(file, 0o644)
    except FetchError as error:
        # a 404 or a broken line: say what else can be done, once, here
        mend = f"{error.mend}; or {by_hand}" if error.mend else by_hand
        raise FetchError(error.message, where=url, mend=mend, faults=error.faults) from error
    except ValueError as error:  # pooch's word for a checksum that differs
        source = "the declaration" if download.sha256 else f"the first download ({recorded.get('fetched_at', '?')})"
        raise FetchError(
            f"the checksum differs from that of {source}: expected sha256 {known}",
            where=url,
            mend="try again; if it stays, the publisher has revised the file: compare, then --refresh"
            if not download.sha256
            else f"try again; if it stays, the publisher has revised the file: {by_hand}",
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write {file}: {error.strerror or error}", mend="free room, or name another folder"
        ) from error
    seen = stamp(file)
    trust: Trust = "declared" if download.sha256 else "recorded" if known else "first use"
    done = Fetched(file, url, seen.sha256, seen.bytes, trust, downloaded=not (there and before == seen.sha256))
    if done.downloaded:
        _write_record(record, done, declaration.name)
    return done


def _read_record(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"url", "sha256"} <= found.keys() else {}


def _write_record(path: Path, done: Fetched, source: str) -> None:
    from weaponized_interdependence.exports import atomic

    about = {k: v for k, v in asdict(done).items() if k in ("url", "sha256", "bytes", "trust")}
    about |= {"source": source, "fetched_at": datetime.now(UTC).isoformat(timespec="seconds")}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    # pooch reports on stderr by itself; what is worth saying is said by `Fetched`
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _aside(file: Path, refresh: bool) -> Iterator[None]:
    """Under `refresh`: the old file makes room, and comes back if the new one does not arrive."""
    old = file.with_name(f".{file.name}.old")
    if not refresh or not file.exists():
        yield
        return
    os.replace(file, old)
    try:
        yield
    except BaseException:
        os.replace(old, file)
        raise
    old.unlink()


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep two processes from appending to one partial file (where the system has flock; elsewhere not)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(file.with_name(f".{file.name}.lock"), "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FetchError(f"{file.name} is being downloaded by another process", mend="wait for it") from error
        try:
            yield
        finally:
            Path(handle.name).unlink(missing_ok=True)
