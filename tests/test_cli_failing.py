"""How commands fail: exit code by class of error, one message on stderr, a traceback only with --debug."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_support import ROOT, good, real, wi
from typer.testing import CliRunner

from weaponized_interdependence import errors
from weaponized_interdependence.cli.failing import CommandGroup

FAILURES: dict[str, tuple[BaseException, int]] = {
    "usage": (errors.UsageError("no such name", mend="choose another"), 2),
    "input": (errors.InputError("bad file", where="f.csv", faults=[errors.Fault("row 1"), errors.Fault("row 9")]), 1),
    "code": (errors.UnknownCodeError("unknown code"), 1),
    "scenario": (errors.ScenarioError("bad scenario", where="s.toml:4"), 1),
    "check": (errors.CheckError("does not hold"), 1),
    "model": (errors.ModelError("cannot"), 1),
    "output": (errors.OutputError("cannot write"), 1),
    "fetch": (errors.FetchError("no answer"), 1),
    "absent": (FileNotFoundError(2, "No such file or directory", "f.csv"), 1),
    "memory": (MemoryError(), 1),
    "bug": (ZeroDivisionError("division by zero"), 1),
    "interrupt": (KeyboardInterrupt(), 130),
}


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer(cls=CommandGroup, rich_markup_mode=None, pretty_exceptions_enable=False)

    @made.callback()
    def root(debug: bool = typer.Option(False, "--debug")) -> None: ...

    @made.command()
    def fail(how: str) -> None:
        print("so far")
        raise FAILURES[how][0]

    return made


def run(app: typer.Typer, *args: str) -> Any:
    return CliRunner().invoke(app, list(args))


@pytest.mark.parametrize("how", FAILURES)
def test_exit_code_and_message(app: typer.Typer, how: str) -> None:
    result = run(app, "fail", how)
    assert result.exit_code == FAILURES[how][1]
    assert result.stdout == "so far\n", "an error never goes to stdout"
    assert "Traceback" not in result.stderr
    if how != "interrupt":
        assert result.stderr.startswith("error: ")


def test_every_class_of_error_has_its_case() -> None:
    classes = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.WiError)}
    assert {type(e) for e, _ in FAILURES.values()} >= classes - {errors.WiError}


def test_every_fault_is_listed(app: typer.Typer) -> None:
    said = run(app, "fail", "input").stderr
    assert said == "error: f.csv: bad file\n  - row 1\n  - row 9\n"


def test_a_bug_says_how_to_see_more(app: typer.Typer) -> None:
    said = run(app, "fail", "bug").stderr
    assert len(said.splitlines()) == 1
    assert "ZeroDivisionError: division by zero" in said
    assert "--debug" in said


@pytest.mark.parametrize("args", [("--debug", "fail", "bug"), ("fail", "bug", "--debug"), ("fail", "--debug", "bug")])
def test_debug_shows_the_traceback_wherever_it_stands(app: typer.Typer, args: tuple[str, ...]) -> None:
    result = run(app, *args)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError" in result.stderr


def test_after_two_dashes_debug_is_an_argument(app: typer.Typer) -> None:
    assert run(app, "fail", "--", "--debug").exception.__class__ is not None
    assert "Traceback" not in run(app, "fail", "--", "bug").stderr


def test_what_a_bad_file_says_does_not_move_the_cursor(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAILURES, "escape", (errors.InputError("code \x1b[2J\x07 unknown"), 1))
    assert "\x1b" not in run(app, "fail", "escape").stderr


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["explain", "a", "b"],
        ["load", "--nonsense"],
        ["rank", "f.parquet", "--top", "many"],
        ["--nonsense"],
    ],
)
def test_usage_errors_are_2_and_on_stderr(args: list[str]) -> None:
    result = wi(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mistyped_command_is_met_with_the_right_one() -> None:
    assert "'rank'" in wi("rnak").stderr


def test_no_arguments_is_help_and_2() -> None:
    result = real()
    assert result.returncode == 2
    assert "Usage: wi" in result.stderr
    assert result.stdout == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    # The output must be larger than a pipe holds, or the writer never notices.
    command = f'"{sys.executable}" "{ROOT / "cli.py"}" codes --json | head -c 10'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.returncode in (0, 141)
    assert len(done.stdout) == 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("args", [["--help"], ["codes"], ["explain", "--json"]])
def test_a_full_disk_behind_stdout_is_one_readable_error(args: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *args],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupt_is_130_and_quiet(tmp_path: Path) -> None:
    fifo = tmp_path / "flows.csv"
    os.mkfifo(fifo)
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), "rank", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(2.5)  # it waits for stdin by then
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in said


def test_python_m_runs_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "weaponized_interdependence", "--version"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == good("--version").stdout


def test_version() -> None:
    import weaponized_interdependence

    assert good("--version").stdout == f"wi {weaponized_interdependence.__version__}\n"
