"""A transfer that goes on where it broke: HTTP ranges, retries with growing pauses, no page taken for a file."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from zipfile import is_zipfile

from weaponized_interdependence.errors import FetchError

Progress = Callable[[int, int | None], None]

BLOCK = 1 << 18
RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = 30.0


def file_name(url: str) -> str:
    """The last part of the address, with nothing in it that a file system could trip over.

    >>> file_name("https://example.org/a/BACI_HS17%20V2.zip?download=1")
    'BACI_HS17_V2.zip'
    """
    last = unquote(urlsplit(url).path).rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^\w.+-]+", "_", last).lstrip(".") or "download"


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
        part = _part(Path(output_file).parent, url)
        failures = 0
        with session_without_downgrade() as session:
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
        if not part.size:
            part.forget()
            raise FetchError("the server sent an empty file", mend="try again later")
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


def session_without_downgrade() -> Any:
    """A requests session that follows redirects, but never from https to http, where anyone on the way can answer."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: Any) -> str | None:
            target: str | None = super().get_redirect_target(resp)
            if target and urlsplit(resp.url).scheme == "https":
                whole = urljoin(resp.url, target)
                if urlsplit(whole).scheme == "http":
                    raise FetchError(f"the server redirects from https to {whole}, which is not encrypted")
            return target

    return Session()


def refuse_junk(path: Path, name: str) -> None:
    """FetchError for bytes that cannot be the file called `name`: an error page, or no whole archive."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    suffix = Path(name).suffix.lower()
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" and suffix not in (".html", ".htm", ".xml"):
        raise FetchError("the server sent a web page instead of the file", mend="it may want a browser or a login")
    if suffix in (".zip", ".xlsx", ".xlsm", ".xlsb") and not (head.startswith(b"PK\x03\x04") and is_zipfile(path)):
        raise FetchError(f"what the server sent is no whole {suffix} file", mend="try again later")


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
    if status not in (200, 206):
        raise FetchError(f"HTTP {status} {answer.reason}: an answer without the file", mend="try again later")
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind == "text/html" and not file_name(url).lower().endswith((".html", ".htm")):
        raise FetchError("the server sent a web page instead of the file", mend="it may want a browser or a login")


def _plain(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) < 200 else text[:200] + "..."


def _user_agent() -> str:
    from weaponized_interdependence import __version__

    return f"weaponized-interdependence/{__version__}"
