"""Help: every command has it, it fits the screen, and it answers at once."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from cli_support import ROOT, good, wi

from weaponized_interdependence.cli.app import app


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    group = group or typer.main.get_command(app)
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name)) if hasattr(command, "commands") else [(*path, name)]


EVERY = list(commands())


def test_the_commands_of_the_contract_are_there() -> None:
    wanted = ["demo", "load", "rank", "reach", "compare", "explain", "simulate", "groups", "codes"]
    wanted += [f"sources {c}" for c in ("list", "show", "fetch")]
    wanted += [f"scenario {c}" for c in ("new", "check", "list", "show", "schema")]
    wanted += [f"runs {c}" for c in ("list", "show")]
    assert {tuple(w.split()) for w in wanted} <= set(EVERY)


@pytest.mark.parametrize("path", EVERY, ids=lambda p: " ".join(p) or "wi")
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help(path: tuple[str, ...], flag: str) -> None:
    said = good(*path, flag).stdout
    assert said.startswith(f"Usage: {' '.join(['wi', *path])}")
    assert "\n\n  " in said, "there is a sentence that says what it does"
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("path", [p for p in EVERY if p], ids=" ".join)
def test_every_option_and_argument_is_explained(path: tuple[str, ...]) -> None:
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    silent = [p.name for p in command.params if not getattr(p, "help", None) and p.name != "help"]
    assert not silent


def test_short_help_is_not_cut() -> None:
    lines = good("--help").stdout.partition("Commands:")[2].splitlines()
    assert lines
    assert not [line for line in lines if line.endswith("...")]


HEAVY = ("polars", "numpy", "scipy", "igraph", "networkx", "pyarrow", "pydantic", "rich", "pooch", "requests")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from weaponized_interdependence.cli.app import app\n"
        "try:\n app(['--help'], prog_name='wi')\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"


def cpu_seconds(*command: str) -> float:
    """Least CPU time of several runs: a busy machine only ever adds to it."""
    least = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, cwd=ROOT, timeout=60, check=True, env={**os.environ})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def test_help_costs_at_most_a_fifth_of_a_second_over_a_bare_start() -> None:
    # Twice the promise: the machine that tests may be slow and may not keep compiled files.
    bare = cpu_seconds(sys.executable, "-c", "pass")
    assert cpu_seconds(sys.executable, "cli.py", "--help") - bare < 0.4


def test_completion_is_offered() -> None:
    said = good("--help").stdout
    assert "--install-completion" in said
    assert "--show-completion" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("wi ra", "rank"),
        ("wi scenario show oil", "oil_embargo_russia"),
        ("wi simulate oil", "oil_embargo_russia"),
        ("wi rank --indicator panop", "panopticon_extraterritorial"),
        ("wi explain chokep", "chokepoint_rerouted"),
        ("wi load ba", "baci"),
        ("wi sources show ba", "baci"),
        ("wi rank sample:cr", "sample:crude_oil"),
    ],
)
def test_names_are_completed(words: str, expected: str) -> None:
    done = wi(env={"_WI_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": words})
    assert expected in done.stdout.replace("\\", ""), done.stdout + done.stderr
    assert done.stderr == ""
