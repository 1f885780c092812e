"""The page of a benchmark: what was measured, on what machine, held against its limits."""

import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness import ABSOLUTE, FASTEST, RATIOS, Benchmark, Measured


def page_of(
    bench: Benchmark, measured: Sequence[Measured], absent: Mapping[str, Sequence[str]], repeat: int
) -> tuple[str, bool]:
    """The text of the page, and whether a limit is exceeded or an answer differs."""
    last = measured[-1]
    failures = [*_exceeded(bench, last), *(text for each in measured for text in _apart(bench, each))]
    lines = [
        f"# {bench.name}",
        "",
        bench.question,
        "",
        f"Input: {last.inputs}",
        "",
        f"Machine: {machine()}. {', '.join(map(_versioned, bench.packages))}. "
        f"Measured {datetime.now(UTC):%Y-%m-%d}, load average {os.getloadavg()[0]:.1f} at the end. {threads()}",
        "",
        f"Median of {repeat} runs, each in a process of its own, the contenders in turn; in brackets the fastest.",
        "CPU and peak memory are those of the whole process, imports and mapped input pages included, CPU also that of",
        f"processes it starts{_clock(bench)}.",
        "",
        *_table(last),
        *_figures(last),
        *(_growth(measured) if len(measured) > 1 else []),
        *_left_out(bench, absent, measured),
        *_agreement(bench, measured),
    ]
    if bench.notes:
        lines += ["", " ".join(bench.notes.split())]
    for contender, limits in bench.limits.items():
        lines += ["", f"Asked of {contender}: {', '.join(_asked(k, most) for k, most in limits.items())}."]
    if bench.limits or bench.within or bench.agree is not None:
        lines += ["", f"EXCEEDED: {'; '.join(failures)}." if failures else "Held."]
    return "\n".join([*lines, "", f"Run again: `python -m benchmarks {bench.name}`", ""]), bool(failures)


def _clock(bench: Benchmark) -> str:
    if not bench.imports:
        return ""
    return f";\nbut clock and CPU time start after the import of {', '.join(bench.imports)}"


def _table(measured: Measured) -> list[str]:
    peer = next(iter(measured.runs))
    lines = [
        "| contender | wall s | CPU s | peak MB | wall ratio | CPU ratio | memory ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for contender, runs in measured.runs.items():
        found = {k: measured.median(contender, k) for k in ("wall", "cpu", "peak memory")}
        ratios = {k: found[k] / measured.median(peer, k) for k in found}
        best = min(r["wall"] for r in runs)
        lines.append(
            f"| {contender} | {found['wall']:.2f} ({best:.2f}) | {found['cpu']:.2f} | {found['peak memory']:.0f} | "
            f"{ratios['wall']:.2f} | {ratios['cpu']:.2f} | {ratios['peak memory']:.2f} |"
        )
    return lines


def _figures(measured: Measured) -> list[str]:
    """What contenders told of themselves, the median run by run."""
    rows = [
        f"| {contender} | {name} | {measured.told(contender, name):.4g} |"
        for contender, runs in measured.runs.items()
        for name in runs[0].get("figures", {})
    ]
    return ["", "| contender | figure | median |", "|---|---|---|", *rows] if rows else []


def _growth(measured: Sequence[Measured]) -> list[str]:
    """Wall, CPU and memory at every size; growth is the power of the size, from one to the next."""
    lines = [
        "",
        "Growth with size; the power p says that CPU time, or memory, grew as size to the p since the size before.",
        "",
        "| contender | size | wall s | CPU s | peak MB | power of CPU | power of memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for contender in dict.fromkeys(c for each in measured for c in each.runs):
        before: Measured | None = None
        for each in (m for m in measured if contender in m.runs):
            wall, cpu, peak = (each.median(contender, k) for k in ("wall", "cpu", "peak memory"))
            powers = ["", ""]
            if before is not None and each.size and before.size:
                step = math.log(each.size / before.size)
                powers = [
                    f"{math.log(now / max(before.median(contender, k), 1e-9)) / step:.2f}"
                    for k, now in (("cpu", cpu), ("peak memory", peak))
                ]
            lines.append(
                f"| {contender} | {each.size:,} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {powers[0]} | {powers[1]} |"
            )
            before = each
    return lines


def _left_out(bench: Benchmark, absent: Mapping[str, Sequence[str]], measured: Sequence[Measured]) -> list[str]:
    lines = []
    for contender, modules in absent.items():
        lines += ["", f"Left out: {contender}, for {', '.join(modules)} is not installed here."]
    for contender, most in bench.upto.items():
        if contender not in absent and any(contender not in each.runs for each in measured):
            lines += ["", f"Left out above a size of {most:,}: {contender}, which would take too long."]
    return lines


def _agreement(bench: Benchmark, measured: Sequence[Measured]) -> list[str]:
    lines = []
    for each in measured:
        if len(each.differs) > 1:
            peer, *others = each.differs
            at = f" at size {each.size:,}" if each.size and len(measured) > 1 else ""
            apart = ", ".join(f"{c} by {each.differs[c]:.1e}" for c in others)
            lines += ["", f"Answers{at} differ from those of {peer}, relative to their largest number: {apart}."]
    for contender, most in bench.within.items():
        found = [f"{each.apart[contender]:.2g}" for each in measured if _held_to_peer(bench, each, contender)]
        lines += [
            "",
            f"Asked of {contender}: no number more than {most:g} from {next(iter(bench.contenders))}'s, where "
            f"that ran; the largest difference: {', '.join(found) or 'not measured'}.",
        ]
    if bench.agree is not None:
        lines += ["", f"Asked of all answers: no more than {bench.agree:g} apart."]
    return lines


def _held_to_peer(bench: Benchmark, measured: Measured, contender: str) -> bool:
    """Whether the contender's answer was compared with that of the benchmark's first."""
    return contender in measured.apart and next(iter(measured.apart)) == next(iter(bench.contenders))


def _asked(key: str, most: float) -> str:
    if key == FASTEST:
        return f"wall at most {most:g} times that of the fastest other"
    return f"{key} at most {most:g} times the peer's" if key in RATIOS else f"{key} at most {most:g}"


def _exceeded(bench: Benchmark, measured: Measured) -> list[str]:
    peer, found = next(iter(measured.runs)), []
    for contender, limits in bench.limits.items():
        for key, most in limits.items() if contender in measured.runs else ():
            if key == FASTEST:
                others = [c for c in measured.runs if FASTEST not in bench.limits.get(c, {})]
                fastest = min((measured.median(c, "wall") for c in others), default=math.nan)
                value = measured.median(contender, "wall") / fastest
            elif key in RATIOS:
                value = measured.median(contender, key) / measured.median(peer, key)
            else:
                value = measured.median(contender, ABSOLUTE[key]) if key in ABSOLUTE else measured.told(contender, key)
            if not value <= most:
                found.append(f"{contender}: {key} {value:.2f} > {most:g}")
    return found


def _apart(bench: Benchmark, measured: Measured) -> list[str]:
    found = [
        f"{c} is {measured.apart[c]:.1e} > {most:g} from {next(iter(bench.contenders))}"
        for c, most in bench.within.items()
        if _held_to_peer(bench, measured, c) and not measured.apart[c] <= most
    ]
    if bench.agree is None:
        return found
    return found + [f"{c} differs by {d:.1e} > {bench.agree:g}" for c, d in measured.differs.items() if d > bench.agree]


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"


def threads() -> str:
    """How many processors may be used, and what limits the threads."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [
        f"{k}={os.environ[k]}" for k in ("WI_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS") if k in os.environ
    ]
    return f"{usable} processors usable, {', '.join(limits) or 'no limit set on threads'}."


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
