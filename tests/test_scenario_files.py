"""Scenario files: the shipped ones, finding, listing, changing, writing, hashing."""

import io
import re
import sys
import tomllib
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from weaponized_interdependence.errors import InputError, ScenarioError, UsageError
from weaponized_interdependence.scenario import (
    KINDS,
    Band,
    Scenario,
    check_scenario,
    list_scenarios,
    load_scenario,
    new_scenario,
    read_scenario,
    scenario_hash,
    scenario_overrides,
    scenario_text,
)
from weaponized_interdependence.terms import MeasureKind

SHIPPED = sorted((Path(__file__).resolve().parent.parent / "data" / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_scenario_is_whole(file: Path) -> None:
    assert check_scenario(file) == []
    scenario = load_scenario(file.stem)
    assert scenario.name == file.stem
    assert scenario == load_scenario(file)
    assert (
        min(
            map(
                len,
                (scenario.description, scenario.objective, scenario.legal_basis, scenario.mandate, scenario.off_ramp),
            )
        )
        > 0
    )
    assert scenario.sources
    assert file.read_text(encoding="utf-8").startswith("# ")
    assert not set(scenario.senders()) & set(scenario.targets())
    for measure in scenario.measures:
        # What is a band is assumed, and the note says so or says where the band comes from.
        assert measure.title
        if any(isinstance(value, Band) for value in (measure.share, measure.compliance, measure.trade_share)):
            assert measure.note, measure.id
    assert max(len(line) for line in file.read_text(encoding="utf-8").splitlines()) < 260


def test_the_shipped_scenarios_cover_what_they_should() -> None:
    scenarios = {file.stem: load_scenario(file) for file in SHIPPED}
    assert len(scenarios) >= 8
    kinds = {measure.kind for scenario in scenarios.values() for measure in scenario.measures}
    assert kinds >= set(MeasureKind) - {MeasureKind.QUOTA}
    alone, many = scenarios["embargo_russia_usa_alone"], scenarios["embargo_russia_coalition"]
    told = {"name", "title", "coalition"}
    assert alone.model_dump(exclude=told) == many.model_dump(exclude=told)
    assert set(alone.senders()) < set(many.senders())
    assert "FRA" in many.senders()
    assert {"CHN"} == {sender for name, s in scenarios.items() if name.startswith("china_") for sender in s.senders()}
    crude, both = scenarios["oil_embargo_russia"].phase_list()
    assert (crude.start, both.start) == (date(2022, 12, 5), date(2023, 2, 5))
    iran = scenarios["embargo_iran_humanitarian"]
    assert iran.humanitarian_exemption
    assert "GBR" in iran.senders()  # a member of the EU on that date
    assert "GBR" not in scenarios["oil_embargo_russia"].model_copy(update={"coalition": ("EU",)}).senders()


def test_the_list_has_a_row_a_file() -> None:
    table = list_scenarios()
    assert table["name"].to_list() == [file.stem for file in SHIPPED]
    row = next(row for row in table.to_dicts() if row["name"] == "chip_export_control_china")
    assert (row["target"], row["senders"], row["phases"], row["kinds"]) == ("CHN", 3, 3, "export_control")
    assert row["date"] == date(2022, 10, 7)


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="did you mean oil_embargo_russia"):
        load_scenario("oil_embargo_rusia")
    with pytest.raises(UsageError, match="no such file"):
        load_scenario(tmp_path / "none.toml")
    for odd in ("", "a\0b", "../oil_embargo_russia", "x" * 5000):
        with pytest.raises(UsageError):
            load_scenario(odd)
    with pytest.raises(InputError, match="not a regular file"):
        load_scenario(tmp_path)
    with pytest.raises(UsageError):
        check_scenario("no_such_scenario")
    text = new_scenario("mine", kind="tariff")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert load_scenario("-").name == "mine"
    file = tmp_path / "x.toml"
    for content in (text, "\ufeff" + text, text.replace("\n", "\r\n")):
        file.write_bytes(content.encode())
        assert load_scenario(file).name == "mine"
    file.write_bytes(text.encode() + b"\ntitle = 7")
    assert [fault.where for fault in check_scenario(file)] == [f"{file}:{text.count(chr(10)) + 2}"]


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("item,sigma\n", encoding="utf-8")
    text = new_scenario("mine").replace('elasticities = "default"', 'elasticities = "./e.csv"')
    file = tmp_path / "x.toml"
    file.write_text(text, encoding="utf-8")
    scenario = load_scenario(file)
    assert scenario.assumptions.elasticities == str(tmp_path / "e.csv")
    before = scenario_hash(scenario)
    (tmp_path / "sub").mkdir()
    for name in ("e.csv", "x.toml"):
        (tmp_path / "sub" / name).write_bytes((tmp_path / name).read_bytes())
    assert scenario_hash(load_scenario(tmp_path / "sub" / "x.toml")) == before  # by content, not by place
    (tmp_path / "e.csv").write_text("item,sigma\nHS:27,3\n", encoding="utf-8")
    assert scenario_hash(scenario) != before
    (tmp_path / "e.csv").unlink()
    with pytest.raises(ScenarioError, match="cannot read"):
        scenario_hash(scenario)


@pytest.mark.parametrize("kind", list(MeasureKind))
def test_a_new_scenario_passes_the_check_as_it_is(kind: MeasureKind) -> None:
    text = new_scenario(
        "mine", title='A "quoted" \\ title\tñ', coalition=["CHN"], target=["JPN"], kind=kind, on=date(2020, 2, 29)
    )
    scenario = read_scenario(text.encode())
    assert scenario.measures[0].kind is kind
    assert scenario.title == 'A "quoted" \\ title\tñ'
    assert scenario.date == date(2020, 2, 29)
    for word in MeasureKind:
        assert f"#   {word.value}:" in text
    for key in KINDS[kind].required:
        assert f"\n{key} = " in text
    # the commented phase and exemption are valid too
    live = re.sub(r"(?m)^# (?=\[\[phase|\[\[exem|name = |start = |measures = |items = |note = )", "", text)
    assert read_scenario(live.encode()).phases


def test_a_new_scenario_refuses_what_would_not_pass() -> None:
    with pytest.raises(UsageError, match="export_ban"):
        new_scenario("mine", kind="export_bans")
    with pytest.raises(ScenarioError, match="inside its own coalition"):
        new_scenario("mine", coalition=["EU"], target=["FRA"])
    assert '["TUR", "MEX"]' in new_scenario(
        "mine", coalition=["BRICS"], target=["UKR"], kind="secondary", on=date(2020, 1, 1)
    )
    with pytest.raises(ScenarioError, match="short name"):
        new_scenario("My scenario")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_scenario_written_and_read_is_equal(file: Path) -> None:
    scenario = load_scenario(file)
    text = scenario_text(scenario)
    again = read_scenario(text.encode())
    assert again == scenario
    assert scenario_text(again) == text
    assert scenario_hash(again) == scenario_hash(scenario)
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


def test_the_hash_is_of_what_is_said() -> None:
    text = new_scenario("mine", on=date(2020, 1, 1))
    scenario = read_scenario(text.encode())
    layout = re.sub(r"(?m)#.*$", "", text).replace("[[measure]]", "\n\n[[measure]]")
    assert scenario_hash(read_scenario(layout.encode())) == scenario_hash(scenario)
    assert scenario_hash(read_scenario(text.replace("share = 1.0", "share = 1").encode())) == scenario_hash(scenario)
    assert scenario_hash(read_scenario(text.replace("share = 1.0", "share = 0.9").encode())) != scenario_hash(scenario)
    assert re.fullmatch(r"[0-9a-f]{64}", scenario_hash(scenario))


def test_overrides_change_what_they_name() -> None:
    scenario = load_scenario("oil_embargo_russia")
    changed = scenario_overrides(
        scenario,
        {
            "assumptions.over_compliance": 0.5,
            "measure.crude.share": "{ low = 0.1, value = 0.2, high = 0.3 }",
            "humanitarian_exemption": "false",
            "phase.crude_and_products.start": "2023-03-01",
            "exemption.1.share": "0.5",
            "coalition": '["USA", "EU"]',
            "title": "Changed: by hand",
        },
    )
    assert changed.assumptions.over_compliance == 0.5
    assert changed.measures[0].share == Band(low=0.1, value=0.2, high=0.3)
    assert changed.humanitarian_exemption is False
    assert changed.phases[1].start == date(2023, 3, 1)
    assert changed.exemptions[0].share == 0.5
    assert changed.coalition == ("USA", "EU")
    assert changed.title == "Changed: by hand"
    untouched = {"measures", "phases", "exemptions", "assumptions", "coalition", "title", "humanitarian_exemption"}
    assert changed.model_dump(exclude=untouched) == scenario.model_dump(exclude=untouched)
    assert scenario.measures[0].share == 1.0
    assert scenario_overrides(changed, {"measure.crude.share.low": "0.05"}).measures[0].share == Band(
        low=0.05, value=0.2, high=0.3
    )


def test_bad_overrides_are_all_reported() -> None:
    scenario = load_scenario("oil_embargo_russia")
    with pytest.raises(ScenarioError) as caught:
        scenario_overrides(
            scenario,
            {
                "measure.crud.share": "0.5",
                "measure.crude": "1",
                "assumptions.overcompliance": "0.1",
                "a.b.c": "1",
                "target": '["FRA"]',
                "nonsense": "[" * 999,
            },
        )
    said = str(caught.value)
    for part in (
        "measure.crud.share: no such measure -> write measure.crude.KEY",
        "over_compliance",
        "FRA is a target inside",
        "a.b.c: no such key",
        "'nonsense'",
    ):
        assert part in said, said
    with pytest.raises(ScenarioError, match=r"measure\.crude\.share: share = 2\.0 is outside"):
        scenario_overrides(scenario, {"measure.crude.share": 2.0})


def test_the_page_on_scenarios_keeps_its_word() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for kind, rule in KINDS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.value}`")]
        for key in rule.required:
            assert f"`{key}`" in row, (kind, key)
    for name in Scenario.model_fields:
        assert f"`{name}`" in page or f"[[{name.removesuffix('s')}]]" in page or f"[{name}]" in page, name
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert blocks
    assert read_scenario(blocks[0].encode()).phases
    for block in blocks[1:]:
        tomllib.loads(block)
    readme = (Path(__file__).resolve().parent.parent / "data" / "scenarios" / "README.md").read_text(encoding="utf-8")
    for file in SHIPPED:
        assert f"`{file.stem}`" in readme, file
