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
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from weaponized_interdependence.errors import FetchError, OutputError, UsageError
from weaponized_interdependence.settings import cache_dir
from weaponized_interdependence.sources.declaration import Declaration, Download, load_declaration
from weaponized_interdependence.sources.reading import stamp

Trust = Literal["declared", "recorded", "first use"]
Progress = Callable[[int, int | None], None]

BLOCK = 1 << 18
RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class Fetched:
    """One file in its place. `trust`: what its checksum was held against; `first use` means nothing yet."""

    path: Path
    url: str
    sha256: str
    bytes: int
    trust: Trust
    downloaded: bool  # False: it was there already and its checksum fits

    def __str__(self) -> str:
        """One line for the screen."""
        how = {
            "declared": "checksum fits the declared one",
            "recorded": "checksum fits the one recorded at the first download",
            "first use": "no checksum is published: this one is now recorded and later downloads are held against it",
        }[self.trust]
        verb = "downloaded" if self.downloaded else "already there"
        return f"{self.path} ({self.bytes:,} bytes, sha256 {self.sha256[:12]}..., {verb}; {how})"


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
    downloader: "ResumingDownloader | None" = None,
) -> tuple[Fetched, ...]:
    """Download the official file(s) of source `name`, each with its checksum and how far that is to be trusted.

    Parameters
    ----------
    name
        A declared source.
    year, edition, version
        Which file; what the declaration does not need is refused, what it needs and is not given is asked for. Without
        an edition: the first one declared.
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
    return tuple(_fetch_one(d, url, declaration, folder, transfer, refresh=refresh) for d, url in addresses)


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
    transfer: "ResumingDownloader",
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
    there = file.exists()
    before = stamp(file).sha256 if there else ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(file), _aside(file, refresh), _quiet(pooch.get_logger()):
            pooch.retrieve(url, f"sha256:{known}" if known else None, fname=file.name, path=folder, downloader=transfer)
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


def file_name(url: str) -> str:
    """The last part of the address, with nothing in it that a file system could trip over.

    >>> file_name("https://example.org/a/BACI_HS17%20V2.zip?download=1")
    'BACI_HS17_V2.zip'
    """
    last = unquote(urlsplit(url).path).rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^\w.+-]+", "_", last).lstrip(".") or "download"


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


@dataclass
class ResumingDownloader:
    """A pooch downloader that goes on where a broken transfer stopped, and retries with growing pauses.

    A transfer is resumed only if the server says that the file is still the same (If-Range with its ETag or
    Last-Modified date); otherwise it starts anew. Retried: broken and cut connections, time-outs, HTTP 408, 425, 429
    and 5xx (honouring Retry-After). Every other HTTP error ends it at once. Attempts are counted anew after progress.

    Parameters
    ----------
    retries
        How many times in a row to try again without a single new byte.
    pause
        Seconds before the first retry; doubled each time, at most 30.
    timeout
        Seconds to wait for a connection, and for the next bytes.
    """

    retries: int = 4
    pause: float = 1.0
    timeout: tuple[float, float] = (15.0, 60.0)
    progress: Progress | None = None
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, url: str, output_file: Any, pooch: Any = None, check_only: bool = False) -> None:
        """Bring `url` into `output_file` (pooch's temporary file in the folder of the final one)."""
        import requests

        part = _part(Path(output_file).parent, url)
        failures = 0
        with requests.Session() as session:
            while True:
                before = part.size
                try:
                    self._once(session, url, part)
                    break
                except _BrokenError as broken:
                    failures = 1 if part.size > before else failures + 1
                    if failures > self.retries:
                        raise FetchError(
                            f"the transfer broke {failures} times: {broken}",
                            mend=f"try again later: the {part.size:,} bytes that came are kept and not asked for again"
                            if part.size
                            else "try again later",
                        ) from broken
                    wait = min(self.pause * 2 ** (failures - 1), LONGEST_WAIT)
                    self.sleep(broken.wait if broken.wait is not None else wait)
        os.replace(part.path, output_file)
        part.forget()

    def _once(self, session: Any, url: str, part: "_Part") -> None:
        import requests
        import urllib3

        start = part.size if part.validator else 0
        headers = {"Accept-Encoding": "identity", "User-Agent": _user_agent()}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": part.validator}
        try:
            with session.get(url, headers=headers, stream=True, timeout=self.timeout) as answer:
                start = part.begin(answer.headers, answer.status_code, start)
                whole = _expected_size(answer.headers, answer.status_code, start)
                if answer.status_code == 416:
                    if whole == part.size:
                        return
                    part.forget()
                    raise _BrokenError("the server has a smaller file now")
                _refuse(answer, url)
                with open(part.path, "ab" if start else "wb") as sink:
                    for block in answer.iter_content(BLOCK):
                        sink.write(block)
                        if self.progress:
                            self.progress(sink.tell(), whole)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _BrokenError(_plain(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenError(_plain(error)) from error
        except requests.RequestException as error:
            raise FetchError(f"cannot ask for it: {_plain(error)}", mend="check the address and the proxy") from error
        if whole is not None and part.size < whole:
            raise _BrokenError(f"only {part.size:,} of {whole:,} bytes came")
        if whole is not None and part.size > whole:
            part.forget()
            raise _BrokenError("more bytes came than the server announced")


class _BrokenError(Exception):
    """A transfer that may succeed if tried again, after `wait` seconds if the server said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass
class _Part:
    """The bytes that came so far, and the mark by which the server knows the file."""

    path: Path
    about: Path
    url: str
    validator: str = ""

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, headers: Mapping[str, str], status: int, asked: int) -> int:
        """Note the server's mark; give the offset at which its bytes go on (0: anew)."""
        begins = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
        if status == 206 and begins and int(begins.group(1)) == asked:
            return asked
        if status == 200:
            etag = headers.get("ETag", "")
            # a weak ETag may stand for different bytes: RFC 9110 forbids it in If-Range
            self.validator = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
            self.about.write_text(json.dumps({"url": self.url, "validator": self.validator}), encoding="utf-8")
        elif status == 206:
            self.forget()
            raise _BrokenError("the server sent another part than was asked for")
        return 0

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)
        self.validator = ""


def _part(folder: Path, url: str) -> _Part:
    name = f".{file_name(url)}.part"
    part = _Part(folder / name, folder / f"{name}.json", url)
    try:
        noted = json.loads(part.about.read_text(encoding="utf-8"))
        if noted["url"] != url:
            raise ValueError("another address")
        part.validator = str(noted["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        part.forget()
    return part


def _expected_size(headers: Mapping[str, str], status: int, start: int) -> int | None:
    """The size of the whole file, as far as the server says it."""
    if headers.get("Content-Encoding", "identity") != "identity":
        return None
    ranged = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    if ranged:
        return int(ranged.group(1))
    length = headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() and status in (200, 206) else None


def _refuse(answer: Any, url: str) -> None:
    """Raise for every answer that does not carry the file."""
    status = int(answer.status_code)
    if status in RETRIED_STATUS:
        after = answer.headers.get("Retry-After", "")
        raise _BrokenError(f"HTTP {status} {answer.reason}", min(float(after), 120.0) if after.isdigit() else None)
    if status >= 400:
        mend = {
            401: "the publisher asks for a login",
            403: "the publisher turns programs away",
            404: "the publisher has moved the file",
            407: "the proxy asks for a login",
            410: "the publisher has taken the file down",
        }.get(status, "")
        raise FetchError(f"HTTP {status} {answer.reason}", mend=mend)
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind == "text/html" and not file_name(url).lower().endswith((".html", ".htm")):
        raise FetchError("the server sent a web page instead of the file", mend="it may want a browser or a login")


def _plain(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) < 200 else text[:200] + "..."


def _user_agent() -> str:
    from weaponized_interdependence import __version__

    return f"weaponized-interdependence/{__version__}"
