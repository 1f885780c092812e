"""Run folders: whole or absent, whatever happens in between; and nothing reads back that was not written so."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from simulation_support import flows, gdp, scenario

from weaponized_interdependence import runs
from weaponized_interdependence.errors import CheckError, InputError, OutputError, UsageError
from weaponized_interdependence.exports import read_metadata
from weaponized_interdependence.runs import list_runs, read_run, write_run
from weaponized_interdependence.simulation.simulate import Result, simulate

ROWS = [("USA", "RUS", "HS17:854231", 100.0), ("RUS", "USA", "HS17:270900", 50.0), ("SAU", "USA", "HS17:270900", 50.0)]


@pytest.fixture(scope="module")
def result() -> Result:
    sizes = gdp({"USA": 2e4, "RUS": 2e3, "SAU": 8e2})
    return simulate(scenario({"kind": "comprehensive_embargo"}), flows=flows(ROWS), macro=sizes)


def runs_in(folder: Path) -> list[str]:
    return list_runs(folder)["run"].to_list()


def test_a_run_reads_back_as_it_was_written(result: Result, tmp_path: Path) -> None:
    back = read_run(write_run(result, tmp_path / "run"))
    assert back.impacts.equals(result.impacts)
    assert back.shock.equals(result.shock)
    assert back.scenario == result.scenario
    manifest = back.manifest
    assert manifest["status"] == "complete"
    assert set(manifest["files"]) == {"impacts.parquet", "shock.parquet", "scenario.toml", "panels.json"}
    assert manifest["seed"] is None
    unasked = dict.fromkeys(("period", "models", "horizons", "elasticities", "step", "draws"))
    assert manifest["options"] == {**unasked, "sensitivity": False}
    assert manifest["periods"] == {"goods": "2021"}
    assert all(r["path"].startswith("reference/") and len(r["sha256"]) == 64 for r in manifest["references"])
    assert manifest["models"] == ["exposure", "substitution"]
    assert {i["name"] for i in manifest["inputs"]} == {"flows", "macro", "elasticities"}
    assert all(len(i["sha256"]) == 64 for i in manifest["inputs"])
    assert {"python", "polars", "weaponized_interdependence"} <= set(manifest["versions"])
    assert manifest["assumptions"][0].keys() == {"name", "value", "low", "high", "unit", "basis", "source"}
    assert manifest["notes"] == list(result.notes)
    assert read_metadata(tmp_path / "run" / "impacts.parquet")["scenario"] == "test"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_two_writes_of_one_result_are_the_same_bytes(result: Result, tmp_path: Path) -> None:
    manifests = [json.loads((write_run(result, tmp_path / n) / "manifest.json").read_text("utf-8")) for n in ("a", "b")]
    assert manifests[0] == manifests[1]


def test_a_folder_that_is_there_is_refused_or_swapped(result: Result, tmp_path: Path) -> None:
    place = write_run(result, tmp_path / "run")
    with pytest.raises(UsageError, match="there already"):
        write_run(result, place)
    (place / "impacts.parquet").write_bytes(b"spoilt")
    write_run(result, place, overwrite=True)
    assert read_run(place).impacts.equals(result.impacts)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_what_is_not_a_run_is_never_replaced(result: Result, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="not a run"):
        write_run(result, tmp_path / "thesis", overwrite=True)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="not a run"):
        write_run(result, tmp_path / "file", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text("utf-8") == "years of work"


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("where", ["_write_files", "_manifest", "_seal", "_flush"])
def test_an_interruption_leaves_nothing(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, where: str
) -> None:
    real = getattr(runs, where)

    def breaks(*given: object) -> object:
        if where == "_write_files":
            real(*given)  # everything but the manifest is there when it breaks
        raise error

    monkeypatch.setattr(runs, where, breaks)
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        write_run(result, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_keeps_the_old_run(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_run(result, tmp_path / "run")
    before = (place / "manifest.json").read_bytes()
    real = os.rename

    def fails_on_the_new(source: object, target: object) -> None:
        if ".part-" in str(source) and "old" not in str(source):
            raise OSError(28, "No space left on device")
        real(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(runs.os, "rename", fails_on_the_new)
    with pytest.raises(OutputError):
        write_run(result, place, overwrite=True)
    monkeypatch.undo()
    assert (place / "manifest.json").read_bytes() == before
    read_run(place)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_around_a_rename_keeps_one_whole_run(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, number: int, after: bool
) -> None:
    place = write_run(result, tmp_path / "run")
    before = (place / "manifest.json").read_bytes()
    newer = replace(result, notes=("newer",))
    real, calls = os.rename, [0]

    def breaks(source: object, target: object) -> None:
        calls[0] += 1
        if calls[0] == number and not after:
            raise error
        real(source, target)  # type: ignore[arg-type]
        if calls[0] == number:
            raise error

    monkeypatch.setattr(runs.os, "rename", breaks)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        write_run(newer, place, overwrite=True)
    monkeypatch.undo()
    whole = read_run(place)
    # only a new run that stood in its place already may be there instead of the old
    assert ((place / "manifest.json").read_bytes() == before) == (not (number == 2 and after))
    assert whole.impacts.equals(result.impacts)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_old_run_that_cannot_go_back_is_kept_and_named(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write_run(result, tmp_path / "run")
    real, calls = os.rename, [0]

    def works_once(source: object, target: object) -> None:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(5, "Input/output error")
        real(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(runs.os, "rename", works_once)
    with pytest.raises(OutputError, match="is whole in"):
        write_run(result, place, overwrite=True)
    monkeypatch.undo()
    kept = list(tmp_path.glob(".run.part-old-*/run"))
    assert len(kept) == 1
    assert read_run(kept[0]).impacts.equals(result.impacts)
    with pytest.raises(InputError, match="moved aside") as caught:
        read_run(place)
    assert str(kept[0]) in str(caught.value)
    with pytest.raises(UsageError, match="there already"):  # and it is there again
        write_run(result, place)
    assert read_run(place).impacts.equals(result.impacts)


def test_kill_9_between_the_renames_loses_no_run(result: Result, tmp_path: Path) -> None:
    place = write_run(result, tmp_path / "old")
    program = textwrap.dedent(
        KILLED.format(
            path=[str(Path(__file__).parent), *sys.path], rows=ROWS, where="os.rename", place=str(place)
        ).replace("setattr(runs, 'os.rename', lambda *given: os.kill(os.getpid(), signal.SIGKILL))", KILL_AFTER_RENAME)
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not place.exists()
    with pytest.raises(InputError, match="moved aside"):
        read_run(place)
    write_run(result, place, overwrite=True)
    assert read_run(place).impacts.equals(result.impacts)
    assert not list(tmp_path.glob(".old.part-old-*/old"))


KILL_AFTER_RENAME = "real = os.rename; os.rename = lambda a, b: (real(a, b), os.kill(os.getpid(), signal.SIGKILL))"

KILLED = """
    import os, signal, sys
    sys.path[:0] = {path!r}
    from simulation_support import flows, gdp, scenario
    from weaponized_interdependence import runs
    from weaponized_interdependence.simulation.simulate import simulate
    rows = {rows!r}
    result = simulate(scenario({{"kind": "export_ban"}}), flows=flows(rows), macro=gdp({{"USA": 1e4, "RUS": 1e3}}))
    setattr(runs, {where!r}, lambda *given: os.kill(os.getpid(), signal.SIGKILL))
    runs.write_run(result, {place!r}, overwrite=True)
"""


@pytest.mark.parametrize("where", ["_manifest", "_flush"])
def test_kill_9_in_the_middle_leaves_nothing_that_looks_finished(result: Result, tmp_path: Path, where: str) -> None:
    write_run(result, tmp_path / "old")
    for name in ("new", "old"):
        program = textwrap.dedent(
            KILLED.format(
                path=[str(Path(__file__).parent), *sys.path], rows=ROWS, where=where, place=str(tmp_path / name)
            )
        )
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (tmp_path / "new").exists()
    assert runs_in(tmp_path) == ["old"]
    assert read_run(tmp_path / "old").impacts.equals(result.impacts)
    remains = [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert remains
    for left in remains:
        with pytest.raises(InputError, match="interrupted"):
            read_run(left)


def test_a_full_disk_is_one_readable_error(result: Result, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(OutputError, match="cannot write"):
            write_run(result, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(result: Result, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="parent folder"):
        write_run(result, tmp_path / "no" / "such" / "run")


def test_a_changed_or_missing_file_is_found(result: Result, tmp_path: Path) -> None:
    place = write_run(result, tmp_path / "run")
    (place / "panels.json").unlink()
    with (place / "impacts.parquet").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(CheckError) as caught:
        read_run(place)
    assert "panels.json" in str(caught.value)
    assert "impacts.parquet" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "complete"}', '{"status": "writing"}'])
def test_a_broken_manifest_is_not_a_run(result: Result, tmp_path: Path, text: str) -> None:
    place = write_run(result, tmp_path / "run")
    (place / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_run(place)
    assert runs_in(tmp_path) == []


def test_runs_are_listed_newest_first(result: Result, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(result, tmp_path / name)
    (tmp_path / "notes").mkdir()
    listed = list_runs(tmp_path)
    assert listed["run"].to_list() == ["a", "b"]
    assert listed["scenario"].to_list() == ["test", "test"]
    assert listed["bytes"].min() > 1000  # type: ignore[operator]
