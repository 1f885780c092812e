"""How the tests run the command line: in this process (fast), or as the real program (pipes, signals, streams)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parent.parent


def wi(*args: object, env: dict[str, str | None] | None = None, **more: Any) -> Result:
    """Run `wi args` in this process, as a pipe would see it: no terminal, 80 columns unless COLUMNS says otherwise."""
    from weaponized_interdependence.cli.app import app

    fresh = {"COLUMNS": "80", "TERM": "xterm", "WI_DEBUG": None, **(env or {})}
    return CliRunner(env=fresh).invoke(app, [str(a) for a in args], prog_name="wi", **more)


def good(*args: object, **more: Any) -> Result:
    """`wi`, and it must succeed."""
    result = wi(*args, **more)
    assert result.exit_code == 0, f"wi {' '.join(map(str, args))}\n{result.stdout}\n{result.stderr}"
    return result


def real(*args: object, env: dict[str, str] | None = None, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run the real program in a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80", **(env or {})},
        timeout=120,
        check=False,
        **more,
    )
