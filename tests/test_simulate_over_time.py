"""Regimes over time: phases that tighten, lift and snap back, through scenario, model, run folder and screen."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from cli_support import good, wi
from simulation_support import cell, flows, gdp
from test_simulate_equilibrium import made

from weaponized_interdependence.cli.beside import over_time, side_by_side
from weaponized_interdependence.errors import InputError, UsageError
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


def test_what_the_path_does_not_count_is_said(table: IOTable) -> None:
    base = regime(FOUR[0])
    chips = {"id": "chips", "kind": "export_ban", "items": ["HS:8542"]}
    both = [m.model_dump(exclude_defaults=True) for m in base.measures] + [chips]
    more = Scenario(name="m", title="M", coalition=("USA",), target=("RUS",), date=base.date, measures=both)
    result = simulate(more, table=table, models=["dynamic"])
    assert result.models == ("dynamic",)
    assert any("measure chips names no sector" in note for note in result.notes)


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
    assert "an upper bound where inputs can replace one another" in said
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


def test_the_worst_step_is_that_of_each_case(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    """The central case is worst on one day, the high one on another, and no average is hidden by either."""
    worst = (pl.col("phase") == "back") & (pl.col("party") == "RUS") & (pl.col("metric") == "loss_gdp")
    last = result.paths.filter(worst)["step"].max()
    paths = result.paths.with_columns(
        pl.when(worst & (pl.col("step") == last)).then(0.9).otherwise(pl.col("high")).alias("high"),
        pl.when(worst & (pl.col("step") == 300)).then(0.8).otherwise(pl.col("value")).alias("value"),
    )
    over_time(paths, result.scenario, result.impacts)
    said = capsys.readouterr().out.split("RUS")[1]
    mean = cell(result.impacts, party="RUS", model="dynamic", phase="back", metric="loss_gdp")
    row = next(line.split() for line in said.splitlines() if line.strip().startswith("back"))
    name, first, _, central, high, *worst_steps = row
    assert (name, float(first)) == ("back", 80.0)
    assert [float(v) for v in (central, high)] == pytest.approx([100 * mean[k] for k in ("value", "high")], abs=0.01)
    assert [float(v) for v in worst_steps] == [80.0, 300, 90.0, last]
    assert mean["value"] == pytest.approx(
        _weighed(result.paths.filter(worst)), rel=1e-9
    )  # the same as the path's own, each step for as long as it lasts


def _weighed(path: pl.DataFrame) -> float:
    """The mean of the steps of the last phase, each by its days."""
    ordered = path.sort("step")
    days = [*ordered["step"].diff().drop_nulls(), 400 - ordered["step"][-1]]
    return sum(v * d for v, d in zip(ordered["value"], days, strict=True)) / sum(days)


def test_worlds_of_different_years_are_said_to_be_that(capsys: pytest.CaptureFixture[str]) -> None:
    table, goods = made(), [("RUS", "USA", "WIOD13:c2", 3.0), ("CHN", "USA", "WIOD13:c2", 5.0)]
    sizes = gdp({"USA": 900.0, "RUS": 90.0, "CHN": 500.0})
    for year, apart in (("2020", False), ("2022", False), ("2023", True)):
        both = simulate(
            regime(FOUR[0], end="2024-12-31").model_copy(update={"date": date(2024, 1, 1)}),
            flows=flows(goods, period=year), table=table, macro=sizes, models=["exposure", "input_output"],
        )  # fmt: skip
        side_by_side(both.impacts, both.scenario, "on", set(), both.periods)
        said = " ".join(capsys.readouterr().out.split())
        assert "SIDE BY SIDE" in said
        assert ("GDP and flows are of 2023 for exposure, of 2020 for input-output: shares" in said) == apart
        assert ("two worlds" in said) == apart


def test_a_damaged_table_is_refused_by_path_and_by_hand(table: IOTable, tmp_path: Path) -> None:
    Z = np.array(table.Z)
    Z[3] *= 1000.0
    damaged, path = replace(table, Z=Z), tmp_path / "damaged.parquet"
    write_table(damaged, path)
    for given in (damaged, path):
        with pytest.raises(InputError, match=r"do not add up.*wi load"):
            simulate(regime(FOUR[0]), table=given, models=["input_output"])
    for command in (["simulate", "off_ramp_russia", "--table"], ["rank", "-i", "upstreamness", "--table"], ["rank"]):
        refused = wi(*command, path)
        assert refused.exit_code == 1
        assert "rows, RUS_c2: " in refused.stderr


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
