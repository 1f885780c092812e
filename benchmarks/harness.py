"""What a benchmark is, and how it is measured.

A benchmark is one file `bench_NAME.py` that ends in a call of `benchmark(...)`; nothing else needs to know of it. Each
contender is a function of the inputs' folder that is run in a child process of its own, several times, the contenders
in turn; measured are wall time inside the child after its imports, CPU time and peak memory of the whole child.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "benchmarks"


@dataclass(frozen=True)
class Benchmark:
    """One comparison: the first contender is the peer that the others are held against."""

    name: str
    question: str
    prepare: Callable[[Path], str]
    contenders: Mapping[str, Callable[[Path], object]]
    limits: Mapping[str, Mapping[str, float]]
    packages: tuple[str, ...]


_PREPARE = "prepare"
REGISTERED: dict[str, Benchmark] = {}


def benchmark(
    name: str,
    question: str,
    *,
    prepare: Callable[[Path], str],
    contenders: Mapping[str, Callable[[Path], object]],
    limits: Mapping[str, Mapping[str, float]] | None = None,
    packages: tuple[str, ...] = ("polars",),
) -> None:
    """Register a benchmark.

    `prepare` writes the inputs into a folder and says in one sentence what they are. `limits` says for a
    contender the most that its ratios to the peer may be (`wall`, `cpu`, `peak memory`); a run that exceeds one ends
    with exit code 1.
    """
    REGISTERED[name] = Benchmark(name, question, prepare, dict(contenders), dict(limits or {}), packages)


def discover() -> None:
    """Import every bench_*.py beside this file."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        importlib.import_module(f"benchmarks.{path.stem}")


def main() -> int:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="benchmarks to run; all if none is named")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each contender (5)")
    parser.add_argument("--list", action="store_true", help="only name them")
    parser.add_argument("--child", nargs=2, metavar=("CONTENDER", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    discover()
    if asked.list:
        print("\n".join(f"{b.name}: {b.question}" for b in REGISTERED.values()))
        return 0
    if unknown := [n for n in asked.names if n not in REGISTERED]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(REGISTERED)}", file=sys.stderr)
        return 2
    if asked.child:
        _be_the_child(REGISTERED[asked.names[0]], *asked.child)
        return 0
    return max((run(REGISTERED[n], asked.repeat) for n in asked.names or REGISTERED), default=0)


def run(bench: Benchmark, repeat: int) -> int:
    """Measure one benchmark, write its page, and give 1 if a limit is exceeded."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{bench.name}-"))
    try:
        print(f"{bench.name}: preparing", file=sys.stderr)
        # Not in this process: a child's peak memory starts at its parent's.
        inputs = _in_a_child(bench, _PREPARE, folder)["inputs"]
        measured: dict[str, list[dict[str, float]]] = {c: [] for c in bench.contenders}
        # in turn, so that a machine that gets busier or warmer does so for all of them
        for n in range(repeat + 1):
            for contender in bench.contenders:
                result = _in_a_child(bench, contender, folder)
                if n:  # the first round only fills the page cache
                    measured[contender].append(result)
                    print(f"  {contender}: {result}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    medians = {c: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for c, rows in measured.items()}
    page, exceeded = _page(bench, inputs, medians, measured, repeat)
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{bench.name}.md").write_text(page, encoding="utf-8")
    print(page)
    return int(exceeded)


def _in_a_child(bench: Benchmark, contender: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", bench.name, "--child", contender, str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{bench.name}: {contender} failed (see above); nothing was measured")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _be_the_child(bench: Benchmark, contender: str, folder: str) -> None:
    import resource

    if contender == _PREPARE:
        print(json.dumps({"inputs": bench.prepare(Path(folder))}))
        return
    started = time.perf_counter()
    bench.contenders[contender](Path(folder))
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    # ru_maxrss is kilobytes on Linux, bytes on macOS
    peak = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak memory": peak}))


def _page(
    bench: Benchmark,
    inputs: str,
    medians: Mapping[str, Mapping[str, float]],
    measured: Mapping[str, list[dict[str, float]]],
    repeat: int,
) -> tuple[str, bool]:
    peer = next(iter(medians))
    lines = [
        f"# {bench.name}",
        "",
        bench.question,
        "",
        f"Input: {inputs}",
        "",
        f"Machine: {machine()}. {', '.join(f'{p} {version(p)}' for p in bench.packages)}. "
        f"Measured {datetime.now(UTC):%Y-%m-%d}, load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        f"Median of {repeat} runs, each in a process of its own, the contenders in turn; in brackets the fastest.",
        "CPU and peak memory are those of the whole process, imports and mapped input pages included.",
        "",
        "| contender | wall s | CPU s | peak MB | wall ratio | CPU ratio | memory ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    exceeded = []
    for contender, found in medians.items():
        ratios = {k: found[k] / medians[peer][k] for k in found}
        best = min(r["wall"] for r in measured[contender])
        lines.append(
            f"| {contender} | {found['wall']:.2f} ({best:.2f}) | {found['cpu']:.2f} | {found['peak memory']:.0f} | "
            f"{ratios['wall']:.2f} | {ratios['cpu']:.2f} | {ratios['peak memory']:.2f} |"
        )
        limits = bench.limits.get(contender, {})
        exceeded += [f"{contender}: {k} {ratios[k]:.2f} > {most:g}" for k, most in limits.items() if ratios[k] > most]
    for contender, limits in bench.limits.items():
        asked = ", ".join(f"{k} at most {most:g} times the peer's" for k, most in limits.items())
        lines += ["", f"Asked of {contender}: {asked}."]
    if bench.limits:
        lines += ["", f"EXCEEDED: {'; '.join(exceeded)}." if exceeded else "Held."]
    return "\n".join([*lines, "", f"Run again: `python -m benchmarks {bench.name}`", ""]), bool(exceeded)


def machine() -> str:
    """Processor, cores, memory and Python, as far as the system tells."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB memory"
    return f"{processor}, {os.cpu_count()} cores{memory}, {platform.system()}, Python {platform.python_version()}"
