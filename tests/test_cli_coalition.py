"""`wi coalition`: screens, files, refusals."""

import json
from pathlib import Path

import polars as pl
import pytest
from cli_support import good, real, wi

from weaponized_interdependence import exports
from weaponized_interdependence.sample import load_sample
from weaponized_interdependence.schemas import COALITIONS
from weaponized_interdependence.simulation.coalition_study import coalition_study
from weaponized_interdependence.simulation.simulate import simulate

SCENARIO = """
schema_version = 1
name = "two_on_one"
title = "Two on one"
coalition = ["USA", "JPN"]
target = ["CHN"]
date = "2016-01-01"
humanitarian_exemption = false

[[measure]]
id = "all"
kind = "comprehensive_embargo"

[[measure]]
id = "duty"
kind = "tariff"
rate = 0.25

[[phase]]
name = "duties"
start = "2016-01-01"
measures = ["duty"]

[[phase]]
name = "embargo"
start = "2017-01-01"
measures = ["all"]
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "two.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_screen_and_file(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    said = good("coalition", scenario, "--table", "sample", "--greedy", "-o", out).stdout
    flat = " ".join(said.split())
    for part in (
        "Two on one (two_on_one)",
        "phase embargo",
        "vertical an embargo, by the coalition",
        "What each member adds",
        "Transfers after which",
        "built greedily, one member at a time: not the best",
        "Losses are positive",
        "basis estimated",
        "basis assumed",  # what those outside would do in the horizontal benchmark
        "trade elasticities theta: set default, long horizon",
        "full employment",
        "Wrote",
    ):
        assert part in flat, part
    rows = pl.read_parquet(out)
    assert COALITIONS.faults(rows) == []
    assert set(rows["part"]) == {"benchmarks", "members", "transfers", "greedy"}
    banded = rows.filter(pl.col("low").is_not_null())
    assert (banded["low"] <= banded["value"]).all()
    assert (banded["value"] <= banded["high"]).all()
    assert set(rows["unit"]) == {"USD", "share", "ratio"}
    losses = dict(rows.filter(part="benchmarks", metric="target_loss").select("name", "value").iter_rows())
    assert losses["actual"] == pytest.approx(losses["vertical"], rel=1e-6)  # the measures are an embargo
    assert losses["horizontal"] == pytest.approx(losses["autarky"], rel=1e-5)
    assert 0 < losses["vertical"] < losses["autarky"]
    moved = rows.filter(part="transfers", metric="transfer")["value"]
    assert abs(moved.sum()) < 1e-6 * moved.abs().sum()
    assert json.loads(exports.read_metadata(out)["notes"])


def test_json_says_what_the_screen_says(scenario: Path) -> None:
    told = json.loads(good("coalition", scenario, "--table", "sample", "--phase", "duties", "--json").stdout)
    assert told["phase"] == "duties"
    assert told["target"] == ["CHN"]
    assert told["coalition"] == ["JPN", "USA"]
    assert told["greedy"] is None
    shares = {(r["part"], r["name"], r["metric"]): r["value"] for r in told["rows"]}
    actual = shares["benchmarks", "actual", "target_loss_share"]
    assert 0 < actual < shares["benchmarks", "vertical", "target_loss_share"]
    assert shares["benchmarks", "actual", "realised"] == pytest.approx(1.0)
    # what a member adds to the other is what both do less what the other does alone
    both = actual - shares["members", "USA", "multilateral_share"]
    assert both == pytest.approx(shares["members", "JPN", "unilateral_share"], rel=1e-5)


def test_a_shorter_horizon_costs_more_and_stdout_takes_the_rows(scenario: Path) -> None:
    found = {}
    for horizon in ("short", "medium", "long"):
        text = good("coalition", scenario, "--table", "sample", "--horizon", horizon, "-o", "-").stdout
        rows = pl.read_csv(text.encode())
        assert set(rows["horizon"]) == {horizon}
        found[horizon] = rows.filter(name="actual", metric="target_loss_share")["value"].item()
    assert found["short"] > found["medium"] > found["long"] > 0


def test_set_changes_the_scenario(scenario: Path) -> None:
    def share(*more: str) -> float:
        text = good("coalition", scenario, "--table", "sample", "--phase", "duties", "-o", "-", *more).stdout
        return float(pl.read_csv(text.encode()).filter(name="actual", metric="target_loss_share")["value"].item())

    assert share("--set", "measure.duty.rate=0.5") > share()


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        (["--phase", "nowhen"], "choose one of duties, embargo", 2),
        (["--horizon", "never"], "use short, medium, long", 2),
        (["--json", "-o", "-"], "both want stdout", 2),
        (["-o", "rows.doc"], "do not know the format", 2),
        (["--set", 'target=["ISL"]'], "must not stand for one economy", 1),
    ],
)
def test_refusals_name_the_mend(scenario: Path, more: list[str], said: str, code: int) -> None:
    result = wi("coalition", scenario, "--table", "sample", *more)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())


def test_losses_are_those_of_wi_simulate(scenario: Path) -> None:
    """One question, one answer: that of the equilibrium model, in the same money; bands are its corners."""
    table = load_sample().table
    found = coalition_study(scenario, table, phase="duties").rows
    told = simulate(scenario, table=table, models=["equilibrium"], horizons=["long"], draws=0).impacts
    for party, metric in (("CHN", "target_loss"), ("COALITION", "coalition_loss"), ("THIRD_PARTIES", "others_loss")):
        theirs = told.filter(phase="duties", party=party, metric="loss").row(0, named=True)
        ours = found.filter(part="benchmarks", name="actual", metric=metric).row(0, named=True)
        assert ours["unit"] == theirs["unit"]
        for case in ("low", "value", "high"):
            assert ours[case] == pytest.approx(theirs[case], rel=1e-6)


BAN = """
schema_version = 1
name = "ban"
title = "Ban"
coalition = ["USA", "JPN"]
target = ["CHN"]
date = "2016-01-01"
humanitarian_exemption = false

[[measure]]
id = "sales"
kind = "export_ban"
layers = ["goods", "services"]
share = {share}
"""


def test_a_case_without_an_equilibrium_leaves_no_band(tmp_path: Path) -> None:
    """In the high case nobody sells the target anything, though it may sell: its trade cannot balance."""
    path = tmp_path / "ban.toml"
    path.write_text(BAN.format(share="{ low = 0.5, value = 0.9, high = 1.0 }"), encoding="utf-8")
    study = coalition_study(path, load_sample().table)
    rows = {r["name"]: r for r in study.rows.filter(part="benchmarks", metric="target_loss").to_dicts()}
    assert rows["horizontal"]["value"] > rows["actual"]["value"] > 0
    assert rows["horizontal"]["low"] is rows["horizontal"]["high"] is None
    assert rows["actual"]["low"] < rows["actual"]["value"] < rows["actual"]["high"]
    assert any(note.startswith("horizontal: no equilibrium in the high case, so no band") for note in study.notes)


def test_measures_that_do_nothing_in_the_central_case_leave_no_goal(tmp_path: Path) -> None:
    path = tmp_path / "ban.toml"
    path.write_text(BAN.format(share="{ low = 0.0, value = 0.0, high = 0.5 }"), encoding="utf-8")
    study = coalition_study(path, load_sample().table, greedy=True)
    assert study.greedy is None
    assert any("greedy coalition: the goal is 0" in note for note in study.notes)
    lost = study.rows.filter(name="actual", metric="target_loss").row(0, named=True)
    assert lost["value"] == 0 < lost["high"]


def test_what_others_do_under_threat_is_said_to_be_left_out() -> None:
    table = load_sample().table
    notes = coalition_study("secondary_sanctions_russia", table, phase="threat").notes
    assert any(note.startswith("left out:") and "CHN" in note for note in notes)
    assert not any(note.startswith("left out:") for note in coalition_study("embargo_russia_coalition", table).notes)


def test_without_a_table_it_says_what_is_missing(scenario: Path) -> None:
    result = wi("coalition", scenario)
    assert result.exit_code == 2
    assert "--table" in result.stderr


def test_bytes_are_the_same_for_any_number_of_threads(scenario: Path) -> None:
    said = {
        real("coalition", str(scenario), "--table", "sample", "-o", "-", env={"WI_THREADS": threads}).stdout
        for threads in ("1", "3")
    }
    assert len(said) == 1
    assert "target_loss" in said.pop()
