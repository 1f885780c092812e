"""The run folder: everything a simulation gave, everything it rests on, whole or absent.

    RUN/
      manifest.json      what was read, assumed and run, and the hash of every other file; written last, read first
      impacts.parquet    IMPACTS
      shock.parquet      SHOCK
      paths.parquet      PATHS, where a model that follows time answered
      sensitivity.parquet  SENSITIVITY, where the assumptions were drawn
      scenario.toml      the scenario as it was run
      panels.json        the three panels, models side by side, and what they cannot say

A run is written in a hidden folder beside its place, flushed to the disk and renamed. An old run moves aside before
that and is removed only after the new one stands in its place; an interruption puts it back. After a kill the old run
is whole, at its place or, if the kill fell between the two renames, in `.NAME.part-old-*/NAME`: `read_run` says so, and
the next `write_run` to that place puts it back before anything else. Other remains are hidden folders `.NAME.part-*`
that no function here takes for a run.
"""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from weaponized_interdependence.assessment import side_by_side
from weaponized_interdependence.assessment.panels import panels, panels_as_json
from weaponized_interdependence.errors import CheckError, Fault, InputError, OutputError, UsageError
from weaponized_interdependence.exports import read_frame, umask, write
from weaponized_interdependence.scenario import Scenario, load_scenario, scenario_hash, scenario_text
from weaponized_interdependence.schemas import IMPACTS, PATHS, SENSITIVITY
from weaponized_interdependence.simulation.shock import SHOCK
from weaponized_interdependence.simulation.simulate import Result

MANIFEST = "manifest.json"
VERSION = 2  # of the run folder's layout; 2: SHOCK has `blocked`, the manifest options, periods and references
_ASIDE = ".part-old-"  # where an old run waits while the new one takes its place


_WHERE_THERE = {"paths": PATHS, "sensitivity": SENSITIVITY}  # files that only some runs have


@dataclass(frozen=True)
class Run:
    """A run read back from its folder, its hashes checked."""

    folder: Path
    manifest: Mapping[str, Any]
    impacts: pl.DataFrame
    shock: pl.DataFrame
    scenario: Scenario
    paths: pl.DataFrame = field(default_factory=PATHS.empty)
    sensitivity: pl.DataFrame = field(default_factory=SENSITIVITY.empty)


def write_run(result: Result, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a run folder, whole or not at all.

    Raises UsageError when the folder is there and `overwrite` is not given (or it is there and is not a run: nothing
    else is ever replaced), OutputError when it cannot be written; then nothing new is left.
    """
    folder = Path(os.path.abspath(folder))
    if aside := _set_aside(folder):
        _bring_back(aside, folder)
    _may_take(folder, overwrite)
    with _whole(folder) as made:
        _write_files(result, made)
        manifest = _manifest(result)
        manifest["files"] = {path.name: _seal(path) for path in sorted(made.iterdir())}
        manifest["status"] = "complete"
        # The manifest comes last: a folder without one is not a run, whatever else it holds.
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (made / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return folder


def read_run(folder: str | Path) -> Run:
    """Read a run back, after checking that it is complete and that no file changed since it was written.

    Raises InputError where there is no complete run, CheckError naming every file that is missing or differs.
    """
    folder = Path(folder)
    if aside := _set_aside(folder):
        raise InputError(
            "was moved aside by an overwrite that was killed",
            where=str(folder),
            mend=f"it is whole in {aside}: move it back, or write to {folder} again",
        )
    manifest = _read_manifest(folder)
    faults = []
    for name, sealed in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            faults.append(Fault("is missing", str(path)))
        elif _seal(path) != sealed:
            faults.append(Fault("is not the file that was written (its hash differs)", str(path)))
    if faults:
        raise CheckError("the run is damaged", where=str(folder), faults=faults, mend="simulate it again")
    impacts = read_frame(folder / "impacts.parquet", IMPACTS)
    shock = read_frame(folder / "shock.parquet", SHOCK)
    more = {
        name: read_frame(folder / f"{name}.parquet", table)
        for name, table in _WHERE_THERE.items()
        if f"{name}.parquet" in manifest["files"]
    }
    return Run(folder, manifest, impacts, shock, load_scenario(folder / "scenario.toml"), **more)


def list_runs(parent: str | Path) -> pl.DataFrame:
    """The complete runs in a folder: name, scenario, started, finished, models, bytes; newest first.

    What is not a complete run (other folders, remains of an interrupted one) is passed over.
    """
    rows = []
    for folder in sorted(path for path in Path(parent).iterdir() if path.is_dir()):
        try:
            manifest = _read_manifest(folder)
        except InputError:
            continue
        rows.append(
            {
                "run": folder.name,
                "scenario": manifest["scenario"]["name"],
                "started": manifest["started"],
                "finished": manifest["finished"],
                "models": ", ".join(manifest["models"]),
                "bytes": sum(file["bytes"] for file in manifest["files"].values()),
            }
        )
    text = dict.fromkeys(("run", "scenario", "started", "finished", "models"), pl.String)
    return pl.DataFrame(rows, schema={**text, "bytes": pl.Int64}).sort("finished", "run", descending=[True, False])


# ---- contents ---------------------------------------------------------------------------------------------------


def _write_files(result: Result, folder: Path) -> None:
    about = {"scenario": result.scenario.name, "tool_version": result.versions["weaponized_interdependence"]}
    write(result.impacts, folder / "impacts.parquet", table=IMPACTS, metadata=about)
    write(result.shock, folder / "shock.parquet", table=SHOCK, metadata=about)
    for name, table in _WHERE_THERE.items():
        frame: pl.DataFrame = getattr(result, name)
        if frame.height:
            write(frame, folder / f"{name}.parquet", table=table, metadata=about)
    (folder / "scenario.toml").write_text(scenario_text(result.scenario), encoding="utf-8")
    shown = {
        **panels_as_json(panels(result.impacts, result.scenario)),
        **side_by_side.as_json(result.impacts, result.scenario),
    }
    (folder / "panels.json").write_text(
        json.dumps(shown, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def _manifest(result: Result) -> dict[str, Any]:
    return {
        "layout": VERSION,
        "scenario": {
            "name": result.scenario.name,
            "title": result.scenario.title,
            "date": result.scenario.date.isoformat(),
            "sha256": scenario_hash(result.scenario),
        },
        "started": result.started.isoformat(timespec="milliseconds"),
        "finished": result.finished.isoformat(timespec="milliseconds"),
        "versions": dict(result.versions),
        "models": list(result.models),
        "options": dict(result.options),
        "periods": dict(result.periods),
        "seed": result.seed,
        "inputs": [asdict(given) for given in result.inputs],
        "references": [asdict(reference) for reference in result.references],
        "assumptions": [asdict(assumption) for assumption in result.assumptions],
        "notes": list(result.notes),
        "rows": {name: getattr(result, name).height for name in ("impacts", "shock", *_WHERE_THERE)},
    }


def _seal(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return {"sha256": digest.hexdigest(), "bytes": path.stat().st_size}


def _read_manifest(folder: Path) -> dict[str, Any]:
    mend = "name the folder that `wi simulate -o` made"
    if folder.name.startswith(".") and ".part-" in folder.name:
        raise InputError("is what an interrupted run left, not a run", where=str(folder), mend="delete it")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"is not a run: it has no {MANIFEST}", where=str(folder), mend=mend) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{MANIFEST} cannot be read: {error}", where=str(folder), mend=mend) from error
    needed = {"layout", "status", "scenario", "started", "finished", "models", "files"}
    if not isinstance(manifest, dict) or not needed <= manifest.keys() or manifest["status"] != "complete":
        raise InputError("is not a complete run", where=str(folder), mend="simulate it again")
    if manifest["layout"] != VERSION:
        raise InputError(
            f"has layout {manifest['layout']}, this version reads {VERSION}",
            where=str(folder),
            mend="simulate it again",
        )
    return manifest


# ---- whole or absent --------------------------------------------------------------------------------------------


def _may_take(folder: Path, overwrite: bool) -> None:
    if not os.path.lexists(folder):
        return
    if not overwrite:
        raise UsageError(f"{folder} is there already", mend="choose another folder, or say --overwrite")
    try:
        _read_manifest(folder)
    except InputError as error:
        raise UsageError(
            f"{folder} is not a run and will not be replaced", mend="choose another folder, or clear it yourself"
        ) from error


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Give a hidden folder beside `folder`; on leaving well, put it in place; on any failure remove it."""
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror}", mend="make the parent folder or choose another place"
        ) from error
    try:
        made.chmod(0o777 & ~umask())
        yield made
        _flush(made)
        _put(made, folder)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}",
            mend="free room or choose another place; nothing was left there",
        ) from error
    finally:
        # Also on KeyboardInterrupt; after a kill the hidden folder stays, and nothing takes it for a run.
        shutil.rmtree(made, ignore_errors=True)


def _put(made: Path, folder: Path) -> None:
    """Rename into place. An old run moves aside whole first, and comes back if the new one cannot take its place."""
    if not os.path.lexists(folder):
        os.rename(made, folder)
        _flush_entry(folder.parent)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}{_ASIDE}", dir=folder.parent)) / folder.name
    try:
        os.rename(folder, aside)
        os.rename(made, folder)
        _flush_entry(folder.parent)
    except BaseException:
        _bring_back(aside, folder)
        raise
    _discard(aside)


def _bring_back(aside: Path, folder: Path) -> None:
    """Undo a swap that broke off. What was set aside is removed only where something whole stands in its place."""
    if not os.path.lexists(folder):
        try:
            os.rename(aside, folder)
        except OSError as error:
            raise OutputError(
                f"cannot write {folder}: {error.strerror}",
                mend=f"the run that was there is whole in {aside}: move it back",
            ) from error
    _discard(aside)


def _discard(aside: Path) -> None:
    # The manifest goes first: what is half removed must not pass for a run.
    with contextlib.suppress(OSError):
        (aside / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(aside.parent, ignore_errors=True)


def _set_aside(folder: Path) -> Path | None:
    """The run that a killed overwrite moved out of `folder` and could not replace, if there is one."""
    if os.path.lexists(folder):
        return None
    for aside in sorted(folder.parent.glob(f".{glob.escape(folder.name)}{_ASIDE}*/{glob.escape(folder.name)}")):
        with contextlib.suppress(InputError):
            _read_manifest(aside)
            return aside
    return None


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        _flush_entry(path)
    _flush_entry(folder)


def _flush_entry(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
