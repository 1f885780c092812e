"""What a benchmark is, and how it is measured.

A benchmark is one file `bench_NAME.py` that ends in a call of `benchmark(...)`; nothing else needs to know of it. Each
contender is a function of the inputs' folder that is run in a child process of its own, several times, the contenders
in turn; measured are wall time inside the child, CPU time and peak memory of the whole child.

    benchmark(
        "name",
        "The question it answers?",
        prepare=prepare,                       # (folder) -> one sentence on the inputs it wrote there
        contenders={"peer": f, "ours": g},     # (folder) -> None, or what it found; the first is the peer
        limits={"ours": {"wall": 1.0, "cpu s": 20.0}},

Keywords to add where they are of use:

- `requires={"peer": ("networkit",)}`: modules a contender needs that are no dependency of ours. Where one is absent,
  the contender is left out and the page says so. Where the peer is absent, the first that runs takes its place.
- `sizes=(1_000, 10_000)`: measure at several sizes. `prepare(folder, size)` then takes the size; contenders do not. The
  page has the table of the last size, to which limits apply, and one of growth. `upto={"peer": 1_000}` leaves a
  contender out above a size that would take too long; it is then no peer for the ratios of the larger.
- `limits`: at most so many times the peer's (`wall`, `cpu`, `peak memory`), or the wall time of the fastest other
  contender for which no such limit is asked (`wall of fastest`), in absolute terms (`wall s`, `cpu s`,
  `peak MB`), or of a figure of the contender's own (below). The medians are held against them; a run that exceeds one
  ends with exit code 1.
- `within={"ours": 0.001}`: how far any number of an answer may be from the first contender's, in absolute terms, at
  every size where both ran; more is a failure.
- What a contender gives: arrays or numbers (anything `numpy.asarray` makes floats of) are compared with the peer's, and
  the page has the largest difference; `agree=1e-9` makes more than that, relative to the peer's largest number, a
  failure. A function without arguments gives them when all is measured. A mapping of text to number
  (`{"kernel s": 1.2}`) is further figures to show. None is neither.
- `imports=("numpy", "igraph")`: modules every child loads before clock and CPU time start, where the work is so short
  that loading them would be most of it. Without it, CPU time is that of the whole child.
- `notes="..."`: a paragraph for the page: what the figures mean and where they are weak.
- `packages=("polars", "numpy")`: whose versions the page names.
"""

import argparse
import importlib
import importlib.util
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "benchmarks"
_PREPARE, _COMPARE = "prepare", "compare"
# What a limit may name: a ratio to the peer, or what was measured; any other name is a figure the contender tells.
RATIOS = ("wall", "cpu", "peak memory")
FASTEST = "wall of fastest"
ABSOLUTE = {"wall s": "wall", "cpu s": "cpu", "peak MB": "peak memory"}


@dataclass(frozen=True)
class Benchmark:
    """One comparison: the first contender is the peer that the others are held against."""

    name: str
    question: str
    prepare: Callable[..., str]
    contenders: Mapping[str, Callable[[Path], object]]
    limits: Mapping[str, Mapping[str, float]]
    packages: tuple[str, ...]
    requires: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    upto: Mapping[str, int] = field(default_factory=dict)
    agree: float | None = None
    imports: tuple[str, ...] = ()
    notes: str = ""
    within: Mapping[str, float] = field(default_factory=dict)

    def absent(self) -> dict[str, list[str]]:
        """Contenders that cannot run here, and the modules they lack."""
        lack = {
            c: [m for m in self.requires.get(c, ()) if importlib.util.find_spec(m) is None] for c in self.contenders
        }
        return {c: modules for c, modules in lack.items() if modules}


@dataclass(frozen=True)
class Measured:
    """One size: what the inputs are, the runs of every contender, and how far its answer is from the peer's.

    `differs` is relative to the peer's largest number; `apart` is absolute.
    """

    size: int | None
    inputs: str
    runs: Mapping[str, Sequence[Mapping[str, Any]]]
    differs: Mapping[str, float]
    apart: Mapping[str, float]

    def median(self, contender: str, figure: str) -> float:
        """Median over the runs of a contender."""
        return statistics.median(run[figure] for run in self.runs[contender])

    def told(self, contender: str, figure: str) -> float:
        """Median of what a contender tells of itself; NaN where it does not."""
        return statistics.median(run.get("figures", {}).get(figure, math.nan) for run in self.runs[contender])


REGISTERED: dict[str, Benchmark] = {}


def benchmark(
    name: str,
    question: str,
    *,
    prepare: Callable[..., str],
    contenders: Mapping[str, Callable[[Path], object]],
    limits: Mapping[str, Mapping[str, float]] | None = None,
    packages: tuple[str, ...] = ("polars",),
    requires: Mapping[str, Sequence[str]] | None = None,
    sizes: Sequence[int] = (),
    upto: Mapping[str, int] | None = None,
    agree: float | None = None,
    imports: Sequence[str] = (),
    notes: str = "",
    within: Mapping[str, float] | None = None,
) -> None:
    """Register a benchmark; the module's docstring says what the keywords mean."""
    limits, requires, upto, within = dict(limits or {}), dict(requires or {}), dict(upto or {}), dict(within or {})
    if unknown := ({*limits} | {*requires} | {*upto} | {*within}) - {*contenders}:
        raise ValueError(f"benchmark {name} has no contender {', '.join(sorted(unknown))}")
    REGISTERED[name] = Benchmark(
        name,
        question,
        prepare,
        dict(contenders),
        limits,
        packages,
        requires,
        tuple(sorted(sizes)),
        upto,
        agree,
        tuple(imports),
        notes,
        within,
    )


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
    parser.add_argument("--child", nargs="+", metavar=("CONTENDER", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    discover()
    if asked.list:
        print("\n".join(f"{b.name}: {b.question}" for b in REGISTERED.values()))
        return 0
    if unknown := [n for n in asked.names if n not in REGISTERED]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(REGISTERED)}", file=sys.stderr)
        return 2
    if asked.child:
        contender, folder, *size = asked.child
        print(json.dumps(_be_the_child(REGISTERED[asked.names[0]], contender, Path(folder), *map(int, size))))
        return 0
    return max((run(REGISTERED[n], max(1, asked.repeat)) for n in asked.names or REGISTERED), default=0)


def run(bench: Benchmark, repeat: int) -> int:
    """Measure one benchmark, write its page, and give 1 if a limit is exceeded."""
    from benchmarks.page import page_of  # which reads this module

    absent = bench.absent()
    if len(absent) == len(bench.contenders):
        print(f"{bench.name}: no contender can run here ({absent})", file=sys.stderr)
        return 1
    page, failed = page_of(bench, [_measure(bench, size, repeat) for size in bench.sizes or (None,)], absent, repeat)
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{bench.name}.md").write_text(page, encoding="utf-8")
    print(page)
    return int(failed)


def _measure(bench: Benchmark, size: int | None, repeat: int) -> Measured:
    able = [c for c in bench.contenders if c not in bench.absent() and not (size and size > bench.upto.get(c, size))]
    sized = () if size is None else (str(size),)
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{bench.name}-"))
    try:
        print(f"{bench.name}: preparing {' '.join(sized)}".rstrip(), file=sys.stderr)
        # Not in this process: a child's peak memory starts at its parent's.
        inputs = _in_a_child(bench, _PREPARE, folder, *sized)["inputs"]
        runs: dict[str, list[dict[str, Any]]] = {c: [] for c in able}
        # in turn, so that a machine that gets busier or warmer does so for all of them
        for n in range(repeat + 1):
            for contender in able:
                result = _in_a_child(bench, contender, folder)
                if n:  # the first round only fills the page cache
                    runs[contender].append(result)
                    print(f"  {contender}: {result}", file=sys.stderr)
        compared = _in_a_child(bench, _COMPARE, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Measured(size, inputs, runs, compared.get("differs", {}), compared.get("apart", {}))


def _in_a_child(bench: Benchmark, contender: str, folder: Path, *size: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", bench.name, "--child", contender, str(folder), *size]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{bench.name}: {contender} failed (see above); nothing was measured")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _be_the_child(bench: Benchmark, contender: str, folder: Path, *size: int) -> dict[str, Any]:
    if contender == _PREPARE:
        return {"inputs": bench.prepare(folder, *size)}
    if contender == _COMPARE:
        return _compare(bench, folder)
    for module in bench.imports:
        importlib.import_module(module)
    before = _cpu() if bench.imports else 0.0
    started = time.perf_counter()
    answer = bench.contenders[contender](folder)
    wall = time.perf_counter() - started
    cpu = _cpu() - before
    # ru_maxrss is kilobytes on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)
    if isinstance(answer, Mapping):
        return {"wall": wall, "cpu": cpu, "peak memory": peak, "figures": {k: float(v) for k, v in answer.items()}}
    answer = answer() if callable(answer) else answer
    if answer is not None:
        import numpy as np

        np.save(_answer(bench, contender, folder), np.asarray(answer, dtype=np.float64))
    return {"wall": wall, "cpu": cpu, "peak memory": peak}


def _cpu() -> float:
    """Of this process and of those it started and waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _answer(bench: Benchmark, contender: str, folder: Path) -> Path:
    return folder / f"answer-{list(bench.contenders).index(contender)}.npy"


def _compare(bench: Benchmark, folder: Path) -> dict[str, dict[str, float]]:
    """Largest difference of every answer from the first: `apart`, and `differs`, which is over the first's largest
    number; infinite if of other shape.

    A number that is not defined (NaN) agrees with one that is not defined either.
    """
    import numpy as np

    given = [c for c in bench.contenders if _answer(bench, c, folder).exists()]
    if not given:
        return {}
    peer = np.load(_answer(bench, given[0], folder))
    differs, apart = {given[0]: 0.0}, {given[0]: 0.0}
    for contender in given[1:]:
        own = np.load(_answer(bench, contender, folder))
        if own.shape != peer.shape or (np.isnan(own) != np.isnan(peer)).any():
            differs[contender] = apart[contender] = float("inf")
            continue
        scale = float(np.nanmax(np.abs(peer), initial=0.0)) or 1.0
        apart[contender] = float(np.nanmax(np.abs(own - peer), initial=0.0))
        differs[contender] = apart[contender] / scale
    return {"differs": differs, "apart": apart}
