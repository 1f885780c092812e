"""Interdiction: against trying every set, the bound against the optimum, and the worked example of Wood's arcs."""

import json
import subprocess
import sys
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.denial import interdiction
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.schemas import FLOWS

Flows = list[tuple[str, str, float]]
NAMES = "ABCDEF"


@st.composite
def networks(draw: st.DrawFn) -> Flows:
    pairs = list(permutations(NAMES, 2))
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=2, max_size=18, unique=True))
    return [(o, d, float(draw(st.integers(1, 12)))) for o, d in chosen]


def table(flows: Flows) -> pl.DataFrame:
    rows = [("2020", "goods", o, d, "TOTAL", v, None, None, "USD", "assumed") for o, d, v in flows]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def tried(flows: Flows, target: str, budget: int, spare: float) -> dict[tuple[str, ...], float]:
    """What every set of at most `budget` other nodes denies, by chokepoint_capacity of the coalition."""
    others = sorted({x for *ends, _ in flows for x in ends} - {target})
    sets = [c for k in range(1, budget + 1) for c in combinations(others, k)]
    named = ["+".join(c) for c in sets]
    found = worked("chokepoint_capacity", flows, jurisdiction=named, target=[target], spare=spare)
    return {c: found[name, target] or 0.0 for c, name in zip(sets, named, strict=True)}


def told(flows: Flows, target: str, **options: object) -> tuple[tuple[str, ...], float, float, float] | None:
    scores = rank(table(flows), "interdiction", target=[target], **options)  # type: ignore[arg-type]
    for node, score, low, high in scores.select("node", "score", "low", "high").rows():
        return tuple(node.split("+")), score, low, high
    return None


@given(networks(), st.integers(1, 3), st.sampled_from([0.0, 0.5]))
@settings(max_examples=30)
def test_the_programme_finds_the_worst_set(flows: Flows, budget: int, spare: float) -> None:
    target = flows[0][1]
    every = tried(flows, target, budget, spare)
    worst = max(every.values())
    found = told(flows, target, budget=budget, spare=spare)
    if worst == 0:
        assert found is None
        return
    assert found is not None
    chosen, score, low, high = found
    assert score == low == high == pytest.approx(worst, abs=1e-11)
    assert score == pytest.approx(every[chosen], abs=1e-11)
    equal = [c for c, lost in every.items() if lost > worst - 1e-9]
    assert len(chosen) == min(map(len, equal))
    traded = {x: sum(v for *ends, v in flows if x in ends) for x in NAMES}
    assert sum(traded[x] for x in chosen) == max(sum(traded[x] for x in c) for c in equal if len(c) == len(chosen))


@given(networks(), st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0]), st.sets(st.sampled_from(NAMES)))
@settings(max_examples=40)
def test_the_greedy_bound_holds(flows: Flows, budget: int, spare: float, named: set[str]) -> None:
    target = flows[0][1]
    present = {x for *ends, _ in flows for x in ends}
    candidates = sorted(named & present - {target})
    every = {c: lost for c, lost in tried(flows, target, budget, spare).items() if named == set() or named >= {*c}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interdiction, "EXACT_TIES", 0)
        asked = {"budget": budget, "spare": spare, "jurisdiction": candidates}
        found = told(flows, target, **asked) if candidates or not named else None
    if found is None:
        assert max(every.values(), default=0.0) == 0
        return
    chosen, score, low, high = found
    assert score == low == pytest.approx(every[chosen], abs=1e-11)
    assert low <= max(every.values()) + 1e-11
    assert max(every.values()) <= high + 1e-11
    assert high <= 1


def test_two_that_deny_only_together_are_found() -> None:
    """Either of two ways carries all of it; the other ties make the network too large to be solved exactly."""
    flows = [("S", "H1", 5.0), ("S", "H2", 5.0), ("H1", "T", 5.0), ("H2", "T", 5.0)]
    others = [f"X{k:02d}" for k in range(21)]
    flows += [(o, d, 1.0) for o, d in permutations(others, 2)][:400]
    told_of = {"jurisdiction": ["H1", "H2"], "spare": 1.0}
    assert told(flows, "T", **told_of, budget=2) == (("H1", "H2"), 1.0, 1.0, 1.0)
    found = told(flows, "T", **told_of, budget=1)  # neither does alone, which the bound cannot tell
    assert found is None or (found[1] == 0.0 and found[3] > 0)


def test_what_is_equally_good_is_said_to_be_so_within_a_millionth() -> None:
    found = told([("A", "T", 1.0), ("B", "T", 1.0000005), ("A", "Z", 5.0)], "T", budget=1)
    assert found is not None
    assert found[0] == ("A",)
    assert found[1] == found[2] == pytest.approx(1 / 2.0000005, abs=1e-12)
    assert found[2] <= found[3] <= found[2] + 1e-6


def test_where_the_solver_runs_out_of_time_the_search_is_greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = [("A", "T", 6.0), ("B", "C", 3.0), ("C", "T", 3.0), ("D", "T", 1.0)]
    monkeypatch.setattr(interdiction, "EXACT_TIES", 0)
    greedy = told(flows, "T", budget=2)
    monkeypatch.undo()
    monkeypatch.setattr(interdiction, "SECONDS", 0.0)
    assert told(flows, "T", budget=2) == greedy
    assert greedy is not None
    assert greedy[1] == pytest.approx(0.9)


def test_steps_of_all_items_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = table([("A", "T", 6.0), ("B", "T", 4.0)])
    both = pl.concat([flows.with_columns(item=pl.lit(f"HS17:0{k}")) for k in (1, 2)])
    monkeypatch.setattr(interdiction, "EXACT_TIES", 0)
    monkeypatch.setattr(interdiction, "MOST_STEPS", 30)  # 1 target x 3 candidates x budget of 2 x (3 nodes + 2 ties)
    assert rank(flows, "interdiction", target=["T"]).height == 1
    with pytest.raises(ModelError, match="too long -> "):
        rank(both, "interdiction", target=["T"], by=("item",))


NOISY = """
import ctypes, os, sys, threading
from weaponized_interdependence.indicators.denial.quiet import printed_to_stderr
libc = ctypes.CDLL(None)
ready, done = threading.Barrier(2), threading.Barrier(2)
def inner(k):
    with printed_to_stderr():
        ready.wait()
        libc.printf(b"noise\\n")  # in the C library's buffer
        os.write(1, b"noise\\n")
        done.wait()
print("before", flush=False)
threads = [threading.Thread(target=inner, args=(k,)) for k in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
print("after")
"""


def test_what_the_solver_prints_does_not_reach_standard_output() -> None:
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=True)
    assert done.stdout == "before\nafter\n"
    assert done.stderr.count("noise") == 4


SOLVED = """
import polars as pl, ctypes, scipy.optimize
from weaponized_interdependence.indicators.rank import worked
real = scipy.optimize.milp
def loud(*args, **options):
    ctypes.CDLL(None).printf(b"noise\\n")
    return real(*args, **options)
scipy.optimize.milp = loud
print(worked("interdiction", [("A", "T", 6), ("B", "T", 4), ("B", "U", 1)], budget=1))
"""


def test_a_ranking_written_to_a_pipe_is_clean() -> None:
    done = subprocess.run([sys.executable, "-c", SOLVED], capture_output=True, text=True, check=True)
    assert done.stdout == "{('A', 'T'): 0.6, ('B', 'U'): 1.0}\n"
    assert done.stderr.count("noise") == 4


def test_greedy_is_near_the_optimum_on_a_dense_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    names = [f"N{k:02d}" for k in range(16)]
    flows = [(o, d, float(rng.lognormal(3, 2))) for o in names for d in names if o != d]
    best = told(flows, names[0], spare=0.3)
    monkeypatch.setattr(interdiction, "EXACT_TIES", 0)
    greedy = told(flows, names[0], spare=0.3)
    assert best is not None
    assert greedy is not None
    assert greedy[1] <= best[1] + 1e-12 <= greedy[3] + 1e-11
    assert greedy[1] > 0.9 * best[1]


def test_one_alone_is_not_missed_where_there_is_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """With half as much to spare, neither of two thirds denies anything; both together do."""
    flows = [(x, t, 1.0) for x in "ABC" for t in ("T", "U")]
    monkeypatch.setattr(interdiction, "EXACT_TIES", 0)
    found = told(flows, "T", budget=2, spare=0.5)
    assert found is not None
    assert found[1] == pytest.approx(0.5)
    assert found[3] == pytest.approx(0.5)


@pytest.mark.parametrize("exact", [0, 100])
def test_arcs_of_the_worked_example(shared_reference: Path, monkeypatch: pytest.MonkeyPatch, exact: int) -> None:
    """An arc is a node in its middle, and only those are candidates."""
    known = {e["id"]: e for e in json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))}
    example = known["maxflow_interdiction"]
    arcs = example["graph"]["edges_capacity"]
    flows = [pair for o, d, v in arcs for pair in ((o, o + d, float(v)), (o + d, d, float(v)))]
    whole = example["expected"]["maxflow_st"]
    monkeypatch.setattr(interdiction, "EXACT_TIES", exact)
    for budget, left in example["expected"]["min_over_k_arcs_removed_of_maxflow"].items():
        if int(budget):
            found = told(flows, "t", jurisdiction=[o + d for o, d, _ in arcs], budget=int(budget))
            assert found is not None
            assert found[1] == pytest.approx(1 - left / whole)
    nodes = [(o, d, float(v)) for o, d, v in arcs]
    for node, lost in example["expected"]["relative"].items():
        assert told(nodes, "t", jurisdiction=[node], budget=1) == ((node,), *[pytest.approx(lost)] * 3)


def test_jurisdictions_act_with_all_they_hold() -> None:
    flows = [("A", "T", 4.0), ("B", "T", 3.0), ("C", "T", 3.0)]
    found = worked("interdiction", flows, jurisdiction=["A", "B+C"], target=["T"], budget=1)
    assert found == {("B+C", "T"): 0.6}


def test_capacity_that_another_indicator_weighs_changes_nothing() -> None:
    flows = table([("A", "T", 4.0), ("B", "T", 3.0), ("C", "T", 3.0)])
    told = {"jurisdiction": ["A", "B"], "target": ["T"]}
    alone = rank(flows, "interdiction", **told)
    beside = rank(flows, ["interdiction", "chokepoint_capacity"], **told, capacity={"A": 0.5, "B": 0.5})
    columns = ["node", "score", "low", "high"]
    assert beside.filter(indicator="interdiction").select(columns).equals(alone.select(columns))
    assert beside.filter(indicator="chokepoint_capacity")["score"].to_list() == pytest.approx([0.2, 0.15])


def test_a_budget_is_a_whole_number() -> None:
    with pytest.raises(UsageError, match="a whole number from 1"):
        rank(table([("A", "B", 1.0)]), "interdiction", budget=1.5)
