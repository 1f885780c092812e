"""Downloads against a server on this machine that misbehaves in every way a publisher's does."""

import hashlib
import http.server
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from weaponized_interdependence.errors import FetchError, OutputError, UsageError
from weaponized_interdependence.sources import fetch as module
from weaponized_interdependence.sources import transfer
from weaponized_interdependence.sources.declaration import Declaration, Download, load_declaration
from weaponized_interdependence.sources.fetch import (
    ResumingDownloader,
    address,
    choose,
    fetch,
    fetch_files,
    file_name,
)


def packed(content: bytes) -> bytes:
    """A zip archive with one member, stored as it is."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("data.csv", content)
    return held.getvalue()


BODY = packed(bytes(range(256)) * 8000)  # 2 MB
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Behaviour:
    """What the server does next, and what it was asked."""

    body: bytes = BODY
    etag: str = '"one"'
    statuses: list[int] = field(default_factory=list)  # answered first, one a request
    cut_after: list[int] = field(default_factory=list)  # bytes sent before the line breaks, one a request
    ranges: bool = True
    announce: bool = True
    stall: float = 0.0
    kind: str = "application/zip"
    location: str = ""
    retry_after: str = ""
    asked: list[str] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    behaviour: Behaviour
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        b = self.behaviour
        b.asked.append(self.headers.get("Range", ""))
        if b.statuses and (status := b.statuses.pop(0)) != 200:
            self.send_response(status)
            if b.retry_after:
                self.send_header("Retry-After", b.retry_after)
            if b.location:
                self.send_header("Location", b.location)
            self.end_headers()
            return
        start = 0
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if b.ranges and wanted and self.headers.get("If-Range") == b.etag:
            start = int(wanted.group(1))
            if start >= len(b.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(b.body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(b.body) - 1}/{len(b.body)}")
        else:
            self.send_response(200)
        if b.etag:
            self.send_header("ETag", b.etag)
        self.send_header("Content-Type", b.kind)
        rest = b.body[start:]
        if b.announce:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if b.stall:
            time.sleep(b.stall)
        if b.cut_after:
            rest = rest[: b.cut_after.pop(0)]
        self.wfile.write(rest)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass  # the client hung up: some tests want that


@pytest.fixture
def server() -> Iterator[tuple[str, Behaviour]]:
    behaviour = Behaviour()
    handler = type("Bound", (Handler,), {"behaviour": behaviour})
    with Server(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}", behaviour
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def declare(monkeypatch: pytest.MonkeyPatch, *downloads: Download) -> Declaration:
    made = Declaration(
        name="demo", title="Demo data", publisher="P", homepage="https://example.org/data", licence="L", citation="C",
        cadence="yearly", layer="goods", unit="USD", accepts=(), first_year=1900, notes=(), downloads=downloads,
        columns=(), expectations=(),
    )  # fmt: skip
    monkeypatch.setattr(module, "load_declaration", lambda name: made)
    return made


def quick(**options: Any) -> tuple[ResumingDownloader, list[float]]:
    """A downloader that records its pauses instead of taking them."""
    pauses: list[float] = []
    return ResumingDownloader(sleep=pauses.append, timeout=(2.0, 2.0), **options), pauses


def one(url: str, **more: Any) -> Download:
    return Download(name="main", url=url, parameters={}, **more)


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("."))


def test_declared_checksum(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA))
    (done,) = fetch_files("demo", dest=tmp_path / "new")
    assert done.path == tmp_path / "new" / "data.zip"
    assert done.path.read_bytes() == BODY
    assert (done.trust, done.downloaded, done.sha256) == ("declared", True, SHA)
    assert leftovers(tmp_path / "new") == []
    assert done.path.stat().st_mode & 0o777 == 0o644
    (again,) = fetch_files("demo", dest=tmp_path / "new")
    assert (again.downloaded, len(behaviour.asked)) == (False, 1)


def test_first_use_is_recorded_and_said(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    declare(monkeypatch, one(f"{base}/data.zip"))
    (done,) = fetch_files("demo", dest=tmp_path)
    assert done.trust == "first use"
    assert "no checksum is published" in str(done)
    record = json.loads((tmp_path / "data.zip.source.json").read_text())
    assert (record["sha256"], record["source"]) == (SHA, "demo")
    (again,) = fetch_files("demo", dest=tmp_path)
    assert (again.trust, again.downloaded) == ("recorded", False)

    done.path.unlink()
    behaviour.body = BODY + b"revised"
    with pytest.raises(FetchError, match="checksum differs from that of the first download") as caught:
        fetch_files("demo", dest=tmp_path)
    assert "--refresh" in caught.value.mend
    assert not done.path.exists()
    (fresh,) = fetch_files("demo", dest=tmp_path, refresh=True)
    assert fresh.path.read_bytes() == behaviour.body
    assert fresh.trust == "first use"


def test_refresh_keeps_the_old_file_when_the_new_one_fails(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, behaviour = server
    declare(monkeypatch, one(f"{base}/data.zip"))
    fetch("demo", dest=tmp_path)
    behaviour.statuses = [404]
    with pytest.raises(FetchError, match="404"):
        fetch_files("demo", dest=tmp_path, refresh=True)
    assert (tmp_path / "data.zip").read_bytes() == BODY
    assert leftovers(tmp_path) == []


def test_a_damaged_file_in_place_is_replaced(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, _ = server
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA))
    (tmp_path / "data.zip").write_bytes(b"half")
    (done,) = fetch_files("demo", dest=tmp_path)
    assert done.downloaded
    assert done.path.read_bytes() == BODY


def test_a_file_of_unknown_origin_is_never_taken_for_the_publishers(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, behaviour = server
    declare(monkeypatch, one(f"{base}/data.zip"))
    (tmp_path / "data.zip").write_bytes(b"mine")
    with pytest.raises(FetchError, match="no checksum is known for it"):
        fetch_files("demo", dest=tmp_path)
    assert (tmp_path / "data.zip").read_bytes() == b"mine"
    assert behaviour.asked == []


def test_wrong_declared_checksum_leaves_nothing(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, _ = server
    declare(monkeypatch, one(f"{base}/data.zip", sha256="0" * 64))
    with pytest.raises(FetchError, match="checksum differs from that of the declaration") as caught:
        fetch_files("demo", dest=tmp_path)
    assert "https://example.org/data" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_line_is_resumed_not_restarted(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    behaviour.cut_after = [600_000, 500_000]
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA))
    downloader, pauses = quick()
    fetch_files("demo", dest=tmp_path, downloader=downloader)
    assert (tmp_path / "data.zip").read_bytes() == BODY
    offsets = [int(r.removeprefix("bytes=").rstrip("-")) if r else 0 for r in behaviour.asked]
    assert offsets[0] == 0
    assert 0 < offsets[1] < offsets[2]
    assert len(pauses) == 2


def test_a_later_call_goes_on_where_the_last_one_stopped(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, behaviour = server
    behaviour.cut_after = [1_000_000]
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader, _ = quick(retries=0)
    with pytest.raises(FetchError, match="transfer broke") as caught:
        fetch_files("demo", dest=tmp_path, downloader=downloader)
    assert "are kept" in caught.value.mend
    assert "by hand from https://example.org/data" in caught.value.mend
    assert not (tmp_path / "data.zip").exists()
    fetch_files("demo", dest=tmp_path)
    assert (tmp_path / "data.zip").read_bytes() == BODY
    assert behaviour.asked[-1].startswith("bytes=")
    assert leftovers(tmp_path) == []


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, behaviour = server
    behaviour.cut_after = [1_000_000]
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader, _ = quick(retries=0)
    with pytest.raises(FetchError):
        fetch_files("demo", dest=tmp_path, downloader=downloader)
    behaviour.body, behaviour.etag = packed(bytes(range(255, -1, -1)) * 8000), '"two"'
    fetch("demo", dest=tmp_path)
    assert (tmp_path / "data.zip").read_bytes() == behaviour.body


def test_all_bytes_had_come_before_the_break(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, _ = server
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA))
    (tmp_path / ".data.zip.part").write_bytes(BODY)
    (tmp_path / ".data.zip.part.json").write_text(json.dumps({"url": f"{base}/data.zip", "validator": '"one"'}))
    fetch("demo", dest=tmp_path)
    assert (tmp_path / "data.zip").read_bytes() == BODY


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"one"'), (True, ""), (True, 'W/"weak"')])
def test_servers_that_cannot_resume(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ranges: bool, etag: str
) -> None:
    base, behaviour = server
    behaviour.ranges, behaviour.etag, behaviour.cut_after = ranges, etag, [700_000]
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader, _ = quick()
    fetch_files("demo", dest=tmp_path, downloader=downloader)
    assert (tmp_path / "data.zip").read_bytes() == BODY


def test_fails_first_then_serves(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    behaviour.statuses = [503, 500, 429]
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader, pauses = quick()
    fetch_files("demo", dest=tmp_path, downloader=downloader)
    assert pauses == [1.0, 2.0, 4.0]


def test_retry_after_is_honoured(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    behaviour.statuses, behaviour.retry_after = [503], "7"
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader, pauses = quick()
    fetch_files("demo", dest=tmp_path, downloader=downloader)
    assert pauses == [7.0]


def test_gives_up_in_the_end(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    behaviour.statuses = [502] * 9
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader, pauses = quick(retries=2)
    with pytest.raises(FetchError, match="HTTP 502"):
        fetch_files("demo", dest=tmp_path, downloader=downloader)
    assert len(behaviour.asked) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize(("status", "word"), [(404, "moved"), (403, "turns programs away"), (401, "login")])
def test_refusals_are_final_and_say_what_to_do(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, word: str
) -> None:
    base, behaviour = server
    behaviour.statuses = [status]
    declare(monkeypatch, one(f"{base}/data.zip"))
    with pytest.raises(FetchError, match=f"HTTP {status}") as caught:
        fetch_files("demo", dest=tmp_path)
    assert word in caught.value.mend
    assert "by hand" in caught.value.mend
    assert len(behaviour.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_is_not_the_file(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    behaviour.kind, behaviour.body = "text/html; charset=utf-8", b"<html>are you a robot?</html>"
    declare(monkeypatch, one(f"{base}/data.zip"))
    with pytest.raises(FetchError, match="web page"):
        fetch_files("demo", dest=tmp_path)
    assert not (tmp_path / "data.zip").exists()


@pytest.mark.parametrize(
    ("file", "body", "words"),
    [
        ("data.zip", b"<html>login</html>", "web page"),
        ("data.csv", b"\xef\xbb\xbf \n<!DOCTYPE html>", "web page"),
        ("data.zip", b'{"error": 1}', "no whole .zip"),
        ("data.zip", BODY[:100_000], "no whole .zip"),
        ("table.xlsx", b"period,value\n", "no whole .xlsx"),
        ("data.csv", b"", "empty file"),
    ],
)
def test_junk_is_never_trusted_on_first_use(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, body: bytes, words: str
) -> None:
    base, behaviour = server
    behaviour.body, behaviour.kind = body, "application/octet-stream"
    declare(monkeypatch, one(f"{base}/get", file=file))
    with pytest.raises(FetchError, match=words) as caught:
        fetch_files("demo", dest=tmp_path)
    assert "by hand" in caught.value.mend
    assert list(tmp_path.iterdir()) == []
    behaviour.body = b"a,b\n1,2\n" if file.endswith("csv") else BODY
    (done,) = fetch_files("demo", dest=tmp_path)
    assert done.path.read_bytes() == behaviour.body


@pytest.mark.parametrize("status", [201, 202, 204, 304])
def test_only_an_answer_with_the_file_counts(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
) -> None:
    base, behaviour = server
    behaviour.statuses = [status]
    declare(monkeypatch, one(f"{base}/data.csv"))
    with pytest.raises(FetchError, match=f"HTTP {status}.*without the file"):
        fetch_files("demo", dest=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_followed_but_never_from_https_to_http(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, behaviour = server
    behaviour.statuses, behaviour.location = [302], f"{base}/other.zip"
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA))
    fetch("demo", dest=tmp_path)
    assert len(behaviour.asked) == 2

    # a connection that is encrypted as far as the client can tell, and whose server sends it to the plain one
    class Encrypted(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            request.url = base + "/data.zip"
            answer = super().send(request, *args, **options)
            answer.url = "https://publisher.invalid/data.zip"
            return answer

    plain = transfer.session_without_downgrade

    def encrypted() -> Any:
        session = plain()
        session.mount("https://", Encrypted())
        return session

    monkeypatch.setattr(transfer, "session_without_downgrade", encrypted)
    behaviour.statuses = [302]
    declare(monkeypatch, one("https://publisher.invalid/data.zip"))
    with pytest.raises(FetchError, match="redirects from https to http://127"):
        fetch_files("demo", dest=tmp_path / "b")
    assert len(behaviour.asked) == 3
    assert [p.name for p in (tmp_path / "b").iterdir() if not p.name.startswith(".")] == []


def test_a_year_that_the_file_cannot_follow_is_said(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, _ = server
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA))
    (done,) = fetch_files("demo", dest=tmp_path, year=2021)
    assert "no file of 2021 alone: this one holds all its years; choose 2021 when you read it" in str(done)
    assert "alone" not in str(fetch_files("demo", dest=tmp_path)[0])
    declare(monkeypatch, one(f"{base}/data_{{year}}.zip", sha256=SHA))
    assert "alone" not in str(fetch_files("demo", dest=tmp_path, year=2021)[0])
    declare(monkeypatch, one(f"{base}/data.zip", sha256=SHA, years=(2020, 2022)))
    assert "holds 2020 to 2022" in str(fetch_files("demo", dest=tmp_path, year=2021)[0])


def test_a_slow_server_times_out(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    behaviour.stall = 0.8
    declare(monkeypatch, one(f"{base}/data.zip"))
    downloader = ResumingDownloader(retries=1, sleep=lambda _: None, timeout=(0.3, 0.3))
    with pytest.raises(FetchError, match=r"transfer broke 2 times.*timed out"):
        fetch_files("demo", dest=tmp_path, downloader=downloader)


def test_no_server_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    declare(monkeypatch, one("http://127.0.0.1:9/data.zip"))
    downloader, _ = quick(retries=1)
    with pytest.raises(FetchError, match="transfer broke"):
        fetch_files("demo", dest=tmp_path, downloader=downloader)


def test_the_proxy_of_the_environment_is_used(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, behaviour = server
    monkeypatch.setenv("http_proxy", base)  # this server answers as the proxy would
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    declare(monkeypatch, one("http://data.publisher.invalid/data.zip", sha256=SHA))
    fetch("demo", dest=tmp_path)
    assert len(behaviour.asked) == 1


def test_progress_is_told(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, _ = server
    declare(monkeypatch, one(f"{base}/data.zip"))
    told: list[tuple[int, int | None]] = []
    fetch("demo", dest=tmp_path, progress=lambda done, whole: told.append((done, whole)))
    assert told[-1] == (len(BODY), len(BODY))
    assert [d for d, _ in told] == sorted(d for d, _ in told)


def test_unwritable_place(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, _ = server
    declare(monkeypatch, one(f"{base}/data.zip"))
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OutputError, match="cannot write"):
        fetch_files("demo", dest=blocked / "sub")


def test_default_place_is_the_cache(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, _ = server
    monkeypatch.setenv("WI_CACHE", str(tmp_path / "cache"))
    declare(monkeypatch, one(f"{base}/data.zip"))
    assert fetch("demo") == (tmp_path / "cache" / "sources" / "demo" / "data.zip",)


def test_manual_sources_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    declare(monkeypatch, one("", manual="Register at the site and save the CSV."))
    with pytest.raises(FetchError, match="no address that a program can use") as caught:
        fetch_files("demo", dest=tmp_path)
    assert caught.value.mend == "Register at the site and save the CSV."


def test_choosing_by_edition_and_year(monkeypatch: pytest.MonkeyPatch) -> None:
    new_a = Download("a", "https://x/{year}.zip", {}, edition="2023", years=(1995, 2000))
    new_b = Download("b", "https://x/b.zip", {}, edition="2023", years=(2001, 2005))
    old = Download("c", "https://x/c_{version}.zip", {"version": ""}, edition="2021")
    demo = declare(monkeypatch, new_a, new_b, old)
    with pytest.raises(UsageError, match="comes in 2 files, by year") as caught:
        choose(demo)
    assert "2023 (1995 to 2000), 2023 (2001 to 2005)" in caught.value.mend
    assert choose(demo, year=2003) == (new_b,)
    assert choose(demo, edition="2021") == (old,)
    assert choose(demo, edition="B") == (new_b,)
    assert address(new_a, demo, year=1999) == "https://x/1999.zip"
    with pytest.raises(UsageError, match="covers 2030"):
        choose(demo, year=2030)
    with pytest.raises(UsageError, match="no edition '1066'"):
        choose(demo, edition="1066")
    with pytest.raises(UsageError, match="needs version"):
        address(old, demo)
    with pytest.raises(UsageError, match="has no versions"):
        address(new_b, demo, version="V3")
    with pytest.raises(UsageError, match="declares no download"):
        choose(declare(monkeypatch))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x/a/b.zip?download=1", "b.zip"),
        ("https://x/a/b%20c.csv", "b_c.csv"),
        ("https://x/..%2f..%2fetc", "etc"),
        ("https://x/", "download"),
    ],
)
def test_file_names_are_safe(url: str, name: str) -> None:
    assert file_name(url) == name


# --- what is declared -------------------------------------------------------------------------------------------------

OURS = ("bis", "icio", "oecd_services", "remittances", "wdi", "wiod")


@pytest.mark.parametrize("name", OURS)
def test_every_declared_download_has_an_address_or_says_what_to_do(name: str) -> None:
    declaration = load_declaration(name)
    assert declaration.downloads
    for download in declaration.downloads:
        assert download.url.startswith("https://") or (not download.url and len(download.manual) > 40)
        assert download.verified or not download.url or "not verified from here" in download.note
        assert not download.years or 1990 < download.years[0] <= download.years[1] < 2030
    names = [d.name for d in declaration.downloads]
    assert len(set(names)) == len(names)


def test_the_right_chunk_of_icio() -> None:
    icio = load_declaration("icio")
    (chunk,) = choose(icio, edition="2023", year=2018)
    assert address(chunk, icio, year=2018, edition="2023").endswith("/2023/2016-2020_SML.zip")
    (latest,) = choose(icio, year=2022)
    assert address(latest, icio, year=2022).endswith("/2025/2016-2022_SML.zip")
    with pytest.raises(UsageError, match="covers 1990"):
        choose(icio, year=1990)


@pytest.mark.parametrize(("name", "edition"), [("remittances", None), ("wiod", None), ("icio", "2016")])
def test_what_only_a_person_can_get_says_how(name: str, edition: str | None, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no address that a program can use") as caught:
        fetch(name, edition=edition, dest=tmp_path)
    assert caught.value.mend
    assert list(tmp_path.iterdir()) == []


def test_an_edition_can_be_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = declare(
        monkeypatch, Download("b", "https://x/B_{edition}_V{version}.zip", {"version": "1", "edition": "HS92"})
    )
    assert address(demo.downloads[0], demo, edition="HS17") == "https://x/B_HS17_V1.zip"
    assert address(demo.downloads[0], demo) == "https://x/B_HS92_V1.zip"
    assert choose(demo, edition="HS17") == demo.downloads
