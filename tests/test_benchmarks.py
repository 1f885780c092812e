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


def written(root: Path, tmp_path: Path, code: str) -> tuple[str, str]:
    """Run code with pages going to the folder; what it printed, and its page."""
    before = "import sys, json, benchmarks.harness as h\nfrom pathlib import Path\nh.PAGES = Path(sys.argv[1])\n"
    env = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", before + code, str(tmp_path)]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (page,) = tmp_path.glob("*.md")
    return done.stdout, page.read_text()


def test_a_run_measures_and_writes_its_page(root: Path, tmp_path: Path) -> None:
    said, page = written(
        root,
        tmp_path,
        "import benchmarks.bench_baci\n"
        "found = {'wall': 2.0, 'cpu': 3.0, 'peak memory': 50.0}\n"
        "three = {k: 3 * v for k, v in found.items()}\n"
        "fixed = {'prepare': {'inputs': 'made up'}, 'compare': {}}\n"
        "h._in_a_child = lambda b, c, f, *size: fixed.get(c, found if c.startswith('polars') else three)\n"
        "print(h.run(h.REGISTERED['baci'], 2))\n",
    )
    assert "made up" in page
    assert "| 6.00 (6.00) | 9.00 | 150 | 3.00 | 3.00 | 3.00 |" in page
    assert "EXCEEDED" in page
    assert said.strip().endswith("1")


MADE_UP = """
def prepare(folder, size):
    (folder / "n").write_text(str(size))
    return f"the number {size}"

def one(folder):
    return [1.0, float((folder / "n").read_text())]

def two(folder):
    return lambda: [1.0, float((folder / "n").read_text()) * (1 + 1e-6)]

def told(folder):
    return {"kernel s": 0.25}

h.benchmark(
    "made_up", "Why?", prepare=prepare, contenders={"gone": one, "peer": one, "ours": two, "slow": one, "told": told},
    requires={"gone": ("no_such_module_anywhere",)}, sizes=(20, 10), upto={"slow": 10}, imports=("math",),
    agree=AGREE, limits={"told": {"kernel s": MOST, "peak MB": 10_000}, "ours": {"cpu s": 60}}, notes="It is made up.",
)
# A child imports the benchmarks beside the harness; this one is only here.
def child(bench, contender, folder, *size):
    return h._be_the_child(bench, contender, folder, *map(int, size))
h._in_a_child = child
print("gives", h.run(h.REGISTERED["made_up"], 1))
"""


def test_absent_packages_growth_figures_and_agreement_are_on_the_page(root: Path, tmp_path: Path) -> None:
    said, page = written(root, tmp_path, MADE_UP.replace("AGREE", "1e-3").replace("MOST", "0.5"))
    assert "Input: the number 20" in page  # the largest size is the one of the table and the limits
    assert "Left out: gone, for no_such_module_anywhere is not installed here." in page
    assert "Left out above a size of 10: slow, which would take too long." in page
    assert "| told | kernel s | 0.25 |" in page
    assert "| peer | 10 |" in page
    assert "| peer | 20 |" in page
    assert "Answers at size 20 differ from those of peer, relative to their largest number: ours by 1.0e-06." in page
    assert "clock and CPU time start after the import of math" in page
    assert "Asked of told: kernel s at most 0.5, peak MB at most 10000." in page
    assert "It is made up." in page
    assert page.rstrip().splitlines()[-3] == "Held."
    assert said.strip().endswith("gives 0")


def test_what_differs_or_exceeds_its_limit_fails_the_run(root: Path, tmp_path: Path) -> None:
    said, page = written(root, tmp_path, MADE_UP.replace("AGREE", "1e-9").replace("MOST", "0.1"))
    assert "EXCEEDED: told: kernel s 0.25 > 0.1; ours differs by 1.0e-06 > 1e-09" in page
    assert said.strip().endswith("gives 1")


HELD = """
import os, subprocess

def prepare(folder):
    return "nothing"

def first(folder):
    return [1.0, 2.0]

def burns(folder):  # in a process of its own
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.5: pass"], check=True)
    return [1.0, 2.02]

h.benchmark("held", "Why?", prepare=prepare, contenders={"slow peer": burns, "library": first, "ours": burns},
    limits={"ours": {"wall of fastest": 1.0, "cpu s": 0.3}})
h.benchmark("near", "Why?", prepare=prepare, contenders={"exact": first, "fine": burns}, within={"fine": MOST})
h._in_a_child = lambda b, c, f, *size: h._be_the_child(b, c, f, *map(int, size))
print("gives", h.run(h.REGISTERED["NAME"], 1))
"""


def test_ours_is_held_against_the_fastest_and_not_only_the_first(root: Path, tmp_path: Path) -> None:
    said, page = written(root, tmp_path, HELD.replace("NAME", "held").replace("MOST", "1"))
    assert "wall at most 1 times that of the fastest other" in page
    assert "EXCEEDED: ours: wall of fastest" in page
    assert "ours: cpu s" in page.split("EXCEEDED")[1]  # burnt by a process it started
    assert said.strip().endswith("gives 1")


def test_an_answer_is_held_to_its_stated_error(root: Path, tmp_path: Path) -> None:
    said, page = written(root, tmp_path, HELD.replace("NAME", "near").replace("MOST", "0.03"))
    assert "no number more than 0.03 from exact's, where that ran; the largest difference: 0.02." in page
    assert "Held." in page
    assert said.strip().endswith("gives 0")
    said, page = written(root, tmp_path, HELD.replace("NAME", "near").replace("MOST", "0.01"))
    assert "EXCEEDED: fine is 2.0e-02 > 0.01 from exact" in page
    assert said.strip().endswith("gives 1")


def test_a_limit_on_what_is_no_contender_is_refused(root: Path) -> None:
    code = (
        "import benchmarks.harness as h\n"
        "h.benchmark('x', '?', prepare=str, contenders={'a': str}, limits={'b': {'wall': 1.0}})\n"
    )
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "has no contender b" in done.stderr
