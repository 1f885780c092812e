"""Regimes over time: phases that tighten, lift and snap back, through scenario, model, run folder and screen."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cli_support import good, wi
from simulation_support import cell
from test_simulate_equilibrium import made

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.io_table import IOTable, write_table
from weaponized_interdependence.runs import read_run, write_run
from weaponized_interdependence.scenario import Scenario, load_scenario, scenario_hash
from weaponized_interdependence.schemas import PATHS
from weaponized_interdependence.simulation.simulate import Result, simulate
from weaponized_interdependence.terms import PhaseChange


def regime(*phases: tuple[str, str, list[str]], **more: Any) -> Scenario:
    """A scenario of the two bans a and b in these phases: (name, start, measures)."""
    measures = [
        {"id": "a", "kind": "import_ban", "items": ["WIOD13:c2"]},
        {"id": "b", "kind": "export_ban", "items": ["WIOD13:c14"]},
        {"id": "c", "kind": "export_ban", "items": ["WIOD13:c28"]},
    ]
    named = {name for *_, names in phases for name in names}
    return Scenario(
        name="regime",
        title="A regime",
        coalition=("USA",),
        target=("RUS",),
        date=date(2021, 1, 1),
        measures=[m for m in measures if m["id"] in named],
        phases=[{"name": n, "start": s, "measures": m} for n, s, m in phases],
        **more,
    )


FOUR: tuple[tuple[str, str, list[str]], ...] = (
    ("on", "2021-01-01", ["a"]),
    ("tight", "2021-04-11", ["a", "b"]),
    ("off", "2021-07-20", []),
    ("back", "2021-10-28", ["a", "b"]),
)


@pytest.fixture(scope="module")
def table() -> IOTable:
    return made()


@pytest.fixture(scope="module")
def result(table: IOTable) -> Result:
    return simulate(regime(*FOUR, end="2022-02-04"), table=table, models=["dynamic", "equilibrium"], horizons=["short"])


# ---- the scenario -----------------------------------------------------------------------------------------------


def test_phases_have_days() -> None:
    scenario = regime(*FOUR, end="2022-02-04")
    assert [(phase.name, first, days) for phase, first, days in scenario.timeline()] == [
        ("on", 0, 100),
        ("tight", 100, 100),
        ("off", 200, 100),
        ("back", 300, 100),
    ]
    open_ended = regime(*FOUR)
    assert open_ended.timeline()[-1][2] == 365
    assert scenario_hash(open_ended) != scenario_hash(scenario)


@pytest.mark.parametrize(
    ("phases", "changes"),
    [
        ([["a"], ["a", "b"], [], ["a", "b"]], ["impose", "tighten", "lift", "snap_back"]),
        ([["a", "b"], ["a"], ["a", "b"]], ["impose", "ease", "snap_back"]),
        ([["a"], ["b"]], ["impose", "replace"]),
        ([["a"], ["a"]], ["impose", "prolong"]),
        ([["a"], [], ["b"]], ["impose", "lift", "impose"]),
        ([["a"], [], ["a", "c"]], ["impose", "lift", "impose"]),
        ([["a"], ["b"], ["a"]], ["impose", "replace", "snap_back"]),
    ],
)
def test_what_a_phase_does_to_the_one_before(phases: list[list[str]], changes: list[str]) -> None:
    scenario = regime(*((f"p{k}", f"2021-0{k + 1}-01", names) for k, names in enumerate(phases)))
    assert [scenario.change_of(phase) for phase in scenario.phase_list()] == [PhaseChange(c) for c in changes]


def test_the_worked_regime_is_one() -> None:
    scenario = load_scenario("off_ramp_russia")
    assert [str(scenario.change_of(p)) for p in scenario.phase_list()] == ["impose", "tighten", "lift", "snap_back"]


# ---- the model --------------------------------------------------------------------------------------------------


def test_the_path_goes_through_all_phases(result: Result, table: IOTable) -> None:
    path = PATHS.conform(result.paths)
    assert path.filter(pl.col("party") == "RUS")["step"].max() == 300 + 98  # weeks within each phase of 100 days
    starts = path.group_by("phase").agg(pl.col("step").min()).sort("step")
    assert starts.rows() == [("on", 0), ("tight", 100), ("off", 200), ("back", 300)]
    lost = path.filter((pl.col("party") == "RUS") & (pl.col("metric") == "loss_gdp")).sort("step")
    by_phase = {phase: frame["value"].to_list() for (phase,), frame in lost.group_by("phase", maintain_order=True)}
    assert by_phase["off"][-1] < by_phase["tight"][-1] / 2  # it fades once all is lifted
    # Beside the same regime that is not tightened: the same before; from that day on the senders sell less, and the
    # target at once lacks what it bought (later it may make more itself, and so lose less value added).
    mild = regime(FOUR[0], ("tight", "2021-04-11", ["a"]), end="2021-07-19")
    other = simulate(mild, table=table, models=["dynamic"]).paths.filter(pl.col("metric") == "loss_gdp")
    both = other.join(path, on=["phase", "step", "party", "metric"], suffix="_tightened").sort("step")
    both = both.with_columns((pl.col("value_tightened") - pl.col("value")).alias("more"))
    assert both.filter(pl.col("phase") == "on")["more"].to_list() == [0.0] * both.filter(pl.col("phase") == "on").height
    tight = {party: frame["more"].to_list() for (party,), frame in both.filter(phase="tight").group_by("party")}
    assert tight["RUS"][0] > 0
    assert sum(tight["COALITION"]) > 0
    assert (lost["low"] <= lost["value"]).all()
    assert (lost["value"] <= lost["high"]).all()


def test_a_phase_of_the_path_sums_to_its_impact(result: Result) -> None:
    steps = result.paths.filter((pl.col("party") == "RUS") & (pl.col("metric") == "loss"))
    for phase in ("on", "tight", "off", "back"):
        told = cell(result.impacts, phase=phase, model="dynamic", party="RUS")
        assert told["value"] == pytest.approx(steps.filter(pl.col("phase") == phase)["value"].sum(), rel=1e-9)
        assert told["horizon"] == "short"


def test_a_model_without_time_has_nothing_to_say_of_a_lifted_phase(result: Result) -> None:
    still = result.impacts.filter(pl.col("model") == "equilibrium")
    assert set(still["phase"]) == {"on", "tight", "back"}
    same = [cell(still, phase=p, party="RUS")["value"] for p in ("tight", "back")]
    assert same[0] == same[1]
    moving = result.impacts.filter(pl.col("model") == "dynamic")
    assert set(moving["phase"]) == {"on", "tight", "off", "back"}


def test_the_step_is_as_asked_or_refused(table: IOTable) -> None:
    scenario = regime(("on", "2021-01-01", ["a"]), end="2021-03-31")
    daily = simulate(scenario, table=table, models=["dynamic"], step=1)
    assert daily.paths["step"].unique().sort().to_list() == list(range(90))
    assert daily.options["step"] == 1
    weekly = simulate(scenario, table=table, models=["dynamic"])
    assert weekly.paths["step"].unique().sort().to_list() == list(range(0, 90, 7))
    losses = [cell(r.impacts, party="RUS")["value"] for r in (daily, weekly)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    for wrong in (0, 91):
        with pytest.raises(UsageError, match=r"use 1 to 90.*on"):
            simulate(scenario, table=table, models=["dynamic"], step=wrong)


# ---- kept and shown ---------------------------------------------------------------------------------------------


def test_a_run_keeps_its_paths(result: Result, tmp_path: Path) -> None:
    back = read_run(write_run(result, tmp_path / "run"))
    assert back.paths.equals(result.paths)
    assert back.sensitivity.is_empty()
    assert "paths.parquet" in back.manifest["files"]
    assert "sensitivity.parquet" not in back.manifest["files"]  # nothing was drawn
    assert back.manifest["rows"]["paths"] == result.paths.height
    assert back.scenario == result.scenario
    kept = json.loads((tmp_path / "run" / "panels.json").read_text("utf-8"))
    assert {"panels", "limits", "side_by_side", "disagreement", "top_sectors"} == set(kept)


def test_the_screen_follows_the_phases(table: IOTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(table, tmp_path / "table.parquet")
    first = good("simulate", "off_ramp_russia", "--table", "table.parquet", "--step", "30", "-o", "run")
    said = " ".join(first.stdout.split())
    assert "snap back, in force: oil" in said  # the last phase in which something is in force
    assert "OVER TIME" in said
    for label in ("imposed (impose)", "tightened (tighten)", "lifted (lift)"):
        assert label in said
    off = good("runs", "show", "run", "--phase", "lifted").stdout
    assert "lift, in force: nothing" in off
    told = json.loads(good("runs", "show", "run", "--json").stdout)
    assert {row["party"] for row in told["paths"]} == {"RUS", "COALITION", "THIRD_PARTIES", "WORLD"}
    assert told["manifest"]["options"]["step"] == 30
    wrong = wi("simulate", "off_ramp_russia", "--table", "table.parquet", "--step", "500")
    assert wrong.exit_code == 2
    assert "shortest phase" in wrong.stderr
    assert wi("simulate", "off_ramp_russia", "--table", "table.parquet", "--horizon", "soon").exit_code == 2
    still = json.loads(
        good("simulate", "off_ramp_russia", "--table", "table.parquet", "--horizon", "long", "--json").stdout
    )
    assert still["paths"] == []
    assert {row["horizon"] for row in still["side_by_side"]} == {"long", "none"}


def test_draws_from_the_command_line(table: IOTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(table, tmp_path / "table.parquet")
    asked = ("simulate", "off_ramp_russia", "--table", "table.parquet", "--model", "equilibrium", "--horizon", "long")
    said = " ".join(good(*asked, "--draws", "20", "--seed", "3", "--sensitivity", "-o", "run").stdout.split())
    assert "5th and 95th percentile of 20 draws" in said
    assert "WHICH ASSUMPTION MOVES IT" in said
    assert "WHICH ASSUMPTION MOVES IT" in good("runs", "show", "run").stdout
    told = json.loads(good("runs", "show", "run", "--json").stdout)
    assert {row["phase"] for row in told["sensitivity"]} == {"imposed", "tightened", "snapped_back"}
    assert told["manifest"]["seed"] == 3
    assert "WHICH ASSUMPTION" not in good(*asked).stdout
    assert wi(*asked, "--draws", "0", "--sensitivity").exit_code == 2
