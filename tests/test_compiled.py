"""Compiled loops: a change in one file of a folder reaches the functions of the others; threads change nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from weaponized_interdependence.compiled import in_threads, threads

HEAD = "from weaponized_interdependence.compiled import compiled\n"


def run(folder: Path, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from kernels.outer import outer; print(outer(2.0))"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_a_changed_kernel_is_not_answered_from_the_cache(tmp_path: Path, root: Path) -> None:
    """numba by itself looks at the file of the calling function only, and would go on with the old inner one."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    inner = folder / "inner.py"
    inner.write_text(f"{HEAD}@compiled\ndef inner(x):\n    return x + 1.0\n")
    (folder / "outer.py").write_text(
        f"{HEAD}from kernels.inner import inner\n@compiled\ndef outer(x):\n    return inner(x)\n"
    )
    assert run(tmp_path, root) == "3.0"
    assert list((folder / "__pycache__").glob("*.nbc")), "the outcome is cached"
    inner.write_text(f"{HEAD}@compiled\ndef inner(x):\n    return x + 10.0\n")
    assert run(tmp_path, root) == "12.0"


def test_parts_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", number)
        assert threads() == int(number)
        assert in_threads(lambda k: k * k, range(20)) == [k * k for k in range(20)]
    monkeypatch.setenv("WI_THREADS", "many")
    assert threads() >= 1
