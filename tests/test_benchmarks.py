"""The benchmark runner: benchmarks register themselves, and a run measures each contender in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


def test_every_file_registers_itself(root: Path) -> None:
    done = run(root, "--list")
    assert done.returncode == 0, done.stderr
    names = {line.split(":")[0] for line in done.stdout.splitlines()}
    assert {p.stem.removeprefix("bench_") for p in (root / "benchmarks").glob("bench_*.py")} <= names


def test_an_unknown_name_is_a_usage_error(root: Path) -> None:
    done = run(root, "nothing")
    assert done.returncode == 2
    assert "baci" in done.stderr


def test_a_run_measures_and_writes_its_page(root: Path, tmp_path: Path) -> None:
    code = (
        "import sys, benchmarks.harness as h\n"
        "from pathlib import Path\n"
        "h.PAGES = Path(sys.argv[1])\n"
        "import benchmarks.bench_baci\n"
        "found = {'wall': 2.0, 'cpu': 3.0, 'peak memory': 50.0}\n"
        "h._in_a_child = lambda b, c, f: {'inputs': 'made up'} if c == 'prepare' else "
        "(found if c.startswith('polars') else {k: 3 * v for k, v in found.items()})\n"
        "print(h.run(h.REGISTERED['baci'], 2))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, env=env, capture_output=True, text=True, check=True
    )
    page = (tmp_path / "baci.md").read_text()
    assert "made up" in page
    assert "| 6.00 (6.00) | 9.00 | 150 | 3.00 | 3.00 | 3.00 |" in page
    assert "EXCEEDED" in page
    assert done.stdout.strip().endswith("1")
