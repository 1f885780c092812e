"""`wi scenario`, `wi groups`, `wi codes`, `wi explain`: what is shown is what the library holds, and it can be used."""

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from cli_support import good, wi

from weaponized_interdependence.harmonize.groups import expand
from weaponized_interdependence.indicators.registry import INDICATORS
from weaponized_interdependence.scenario import KINDS, load_scenario
from weaponized_interdependence.simulation.simulate import MODELS
from weaponized_interdependence.terms import MeasureKind

NAMES = [r["name"] for r in json.loads(good("scenario", "list", "--json").stdout)["scenarios"]]


# ---- scenario -----------------------------------------------------------------------------------------------------


def test_at_least_eight_worked_scenarios_are_listed_on_the_screen_too() -> None:
    said = good("scenario", "list").stdout
    assert len(NAMES) >= 8
    assert all(name in said for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_worked_scenario_is_good_and_shown(name: str) -> None:
    assert good("scenario", "check", name).stdout == f"{name}: good\n"
    said = good("scenario", "show", name).stdout
    loaded = load_scenario(name)
    for measure in loaded.measures:
        assert f"{measure.id} ({measure.kind})" in said
    assert max(map(len, said.splitlines())) <= 80 or any(len(w) > 60 for w in said.split())


def test_show_as_toml_is_the_file_and_as_json_the_model(tmp_path: Path) -> None:
    text = good("scenario", "show", NAMES[0], "--toml").stdout
    assert tomllib.loads(text)["name"] == NAMES[0]
    (tmp_path / "copy.toml").write_text(text, encoding="utf-8")
    assert load_scenario(tmp_path / "copy.toml") == load_scenario(NAMES[0])
    assert json.loads(good("scenario", "show", NAMES[0], "--json").stdout)["name"] == NAMES[0]


@pytest.mark.parametrize("kind", [str(k) for k in MeasureKind])
def test_new_makes_a_good_file_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    good("scenario", "new", "my_case", "--kind", kind, "-c", "G7", "-t", "IRN", "-o", "my_case.toml")
    assert good("scenario", "check", "my_case.toml").exit_code == 0
    loaded = load_scenario("my_case.toml")
    assert (loaded.coalition, loaded.target, str(loaded.measures[0].kind)) == (("G7",), ("IRN",), kind)


def test_new_replaces_nothing_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text("mine")
    result = wi("scenario", "new", "a", "-o", "a.toml")
    assert result.exit_code == 1
    assert (tmp_path / "a.toml").read_text() == "mine"
    good("scenario", "new", "a", "-o", "a.toml", "--overwrite")
    assert load_scenario("a.toml").name == "a"


def test_new_names_the_argument_that_is_wrong(tmp_path: Path) -> None:
    result = wi("scenario", "new", "My Case", "-o", tmp_path / "x.toml")
    assert result.exit_code == 2
    assert "NAME 'My Case'" in result.stderr
    assert "my_case" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_list_knows_what_the_embedded_default_can_run(name: str) -> None:
    row = next(r for r in json.loads(good("scenario", "list", "--json").stdout)["scenarios"] if r["name"] == name)
    assert row["needs"]
    assert row["on_embedded_default"] == (name not in ("reserve_freeze_russia", "investment_ban_russia"))


def test_new_to_stdout_can_be_checked_from_stdin() -> None:
    text = good("scenario", "new", "piped").stdout
    assert good("scenario", "new", "piped", "-o", "-").stdout == text
    assert good("scenario", "check", "-", input=text).stdout == "-: good\n"


def test_check_says_every_fault_with_its_line(tmp_path: Path) -> None:
    bad = good("scenario", "new", "bad", "-o", "-").stdout
    bad = bad.replace("coalition =", "coaltion =").replace("share = 1.0", "share = 1.5")
    (tmp_path / "bad.toml").write_text(bad, encoding="utf-8")
    result = wi("scenario", "check", tmp_path / "bad.toml")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = bad.splitlines()
    for key in ("coaltion", "share = 1.5"):
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(key))
        assert f"bad.toml:{number}: " in result.stderr
    assert "did you mean coalition?" in result.stderr


def test_check_of_several_goes_on_after_a_bad_one(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = 3\n")
    result = wi("scenario", "check", tmp_path / "bad.toml", NAMES[0])
    assert result.exit_code == 1
    assert f"{NAMES[0]}: good" in result.stdout
    read = json.loads(wi("scenario", "check", tmp_path / "bad.toml", NAMES[0], "--json").stdout)
    assert [s["ok"] for s in read["scenarios"]] == [False, True]
    assert read["scenarios"][0]["faults"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"= = =", b"[" * 5000, b"name = 'x'\r\nname = 'y'\r\n"])
def test_a_file_that_is_no_scenario_is_one_readable_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.toml").write_bytes(content)
    for command in (("scenario", "check"), ("scenario", "show"), ("simulate",)):
        result = wi(*command, tmp_path / "s.toml")
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
        assert "unexpected" not in result.stderr


@pytest.mark.parametrize("command", [("scenario", "check"), ("scenario", "show"), ("simulate",)])
def test_a_mistyped_name_is_a_usage_error_with_the_nearest(command: tuple[str, ...]) -> None:
    result = wi(*command, "oil_embargo_rusia")
    assert result.exit_code == 2
    assert "oil_embargo_russia" in result.stderr


def test_schema_is_json_and_goes_to_a_file(tmp_path: Path) -> None:
    read = json.loads(good("scenario", "schema").stdout)
    assert read["properties"]["coalition"]
    good("scenario", "schema", "-o", tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == read
    assert wi("scenario", "schema", "-o", tmp_path / "s.yaml").exit_code == 2


def test_kinds_name_every_key() -> None:
    said = good("scenario", "kinds").stdout
    read = json.loads(good("scenario", "kinds", "--json").stdout)["kinds"]
    assert {k["kind"] for k in read} == {str(k) for k in KINDS}
    assert all(k["kind"] in said for k in read)
    assert "allowed_share" in said


# ---- groups and codes ---------------------------------------------------------------------------------------------


def test_members_change_with_the_day() -> None:
    read = json.loads(good("groups", "EU", "--date", "2019-12-31", "--json").stdout)
    assert read["members"] == list(expand(["EU"], date(2019, 12, 31)))
    assert len(read["members"]) == 28
    said = good("groups", "EU", "--date", "2020-12-31").stdout
    assert "27 members" in said
    assert "GBR" not in said


def test_all_groups_are_listed() -> None:
    said = good("groups").stdout
    assert {"EU", "G7", "OPEC", "NATO"} <= set(said.split())
    groups = json.loads(good("groups", "--json").stdout)["groups"]
    assert len(said.splitlines()) == len(groups) + 1, "one line a group"
    assert "source: " in good("groups", "EU").stdout
    assert json.loads(good("groups", "--json").stdout)["groups"]


def test_groups_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("group,member,valid_from,valid_to,source\nMINE,USA,,,me\nMINE,JPN,,,me\n")
    assert json.loads(good("groups", "MINE", "--file", tmp_path / "own.csv", "--json").stdout)["members"] == [
        "JPN",
        "USA",
    ]


@pytest.mark.parametrize(
    ("args", "iso3"),
    [
        (["842", "--scheme", "baci"], "USA"),
        (["490", "--scheme", "baci"], "TWN"),
        (["2", "--scheme", "cow"], "USA"),
        (["Korea, Rep."], "KOR"),
        (["NA", "--scheme", "iso2"], "NAM"),
        (["365", "--scheme", "cow", "--date", "1985-06-30"], "SUN"),
        (["DEUTDEFF", "--scheme", "bic"], "DEU"),
    ],
)
def test_codes(args: list[str], iso3: str) -> None:
    assert json.loads(good("codes", *args, "--json").stdout)["codes"][0]["iso3"] == iso3
    assert iso3 in good("codes", *args).stdout


def test_unknown_codes_are_all_named_with_what_comes_near() -> None:
    result = wi("codes", "Germny", "Frannce", "USA")
    assert result.exit_code == 1
    for said in ("Germny", "Germany", "Frannce", "France"):
        assert said in result.stderr


def test_unknown_group_scheme_and_date() -> None:
    assert wi("groups", "Atlantis").exit_code == 1
    assert wi("codes", "USA", "--scheme", "iso9").exit_code == 2
    assert wi("groups", "EU", "--date", "yesterday").exit_code == 2


def test_all_codes_can_be_piped() -> None:
    assert len(json.loads(good("codes", "--json").stdout)["codes"]) > 200


# ---- explain ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INDICATORS)
def test_every_indicator_is_explained(name: str) -> None:
    said = " ".join(good("explain", name, env={"COLUMNS": "400"}).stdout.split())
    indicator = INDICATORS[name]
    for text in (indicator.title, indicator.formula, indicator.weight_meaning, indicator.unit, indicator.citation):
        assert " ".join(text.split()) in said


@pytest.mark.parametrize(
    "name", [*MODELS, "FLOWS", "SCORES", "IMPACTS", "observed", "MeasureKind", "secondary", "loss_gdp"]
)
def test_models_tables_and_words_are_explained(name: str) -> None:
    assert name in good("explain", name).stdout
    assert json.loads(good("explain", name, "--json").stdout)["entries"]


def test_a_word_of_two_vocabularies_is_explained_twice() -> None:
    said = good("explain", "claims").stdout
    assert "Layer" in said
    assert "Channel" in said


def test_explain_lists_everything_and_knows_what_was_meant() -> None:
    said = good("explain").stdout
    assert all(name in said for name in (*INDICATORS, *MODELS))
    assert "hhi_exports or hhi_imports" in wi("explain", "HHI").stderr
    result = wi("explain", "panoptcon")
    assert result.exit_code == 2
    assert "panopticon" in result.stderr
