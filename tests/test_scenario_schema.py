"""The JSON Schema for editors says what the models check."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from weaponized_interdependence.scenario import KINDS, new_scenario, scenario_schema
from weaponized_interdependence.terms import Layer, MeasureKind

SHIPPED = sorted((Path(__file__).resolve().parent.parent / "data" / "scenarios").glob("*.toml"))


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def test_every_key_and_word_is_described() -> None:
    schema = scenario_schema()
    assert schema["$schema"].endswith("/2020-12/schema")
    assert {"measure", "phase", "exemption", "assumptions"} <= set(schema["properties"])
    assert set(schema["required"]) == {"name", "title", "coalition", "target", "date", "measure"}
    tables = [schema, *(definition for definition in schema["$defs"].values() if "properties" in definition)]
    assert len(tables) == 6
    for table in tables:
        assert table["additionalProperties"] is False
        for key, value in table["properties"].items():
            assert value.get("description"), key
    for word in (MeasureKind, Layer):
        definition = schema["$defs"][word.__name__]
        assert definition["enum"] == [each.value for each in word]
        assert all(each.meaning in definition["description"] for each in word)
    assert json.loads(json.dumps(schema)) == schema


def test_the_kinds_say_what_they_need() -> None:
    measure = scenario_schema()["$defs"]["Measure"]
    said = {rule["if"]["properties"]["kind"]["const"]: rule["then"] for rule in measure["allOf"]}
    assert set(said) == {kind.value for kind in MeasureKind}
    for kind, rule in KINDS.items():
        assert said[kind.value].get("required", []) == list(rule.required)
        assert set(said[kind.value]["properties"]) == set(measure["properties"]) - set(rule.fields)


def plain(value: Any) -> Any:
    """A parsed TOML document as an editor hands it to a validator: days are texts."""
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_key_of_a_shipped_file_is_in_the_schema(file: Path) -> None:
    schema = scenario_schema()
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert set(document) <= set(schema["properties"])
    for key in ("measure", "phase", "exemption"):
        known = resolve(schema["properties"][key]["items"], schema)["properties"]
        assert all(set(table) <= set(known) for table in document.get(key, ()))


def test_a_validator_agrees() -> None:
    jsonschema = pytest.importorskip(
        "jsonschema", reason="jsonschema is no dependency: installed, it validates the shipped files"
    )
    validator = jsonschema.Draft202012Validator(scenario_schema())
    validator.check_schema(scenario_schema())
    good = plain(tomllib.loads(new_scenario("mine", kind="tariff")))
    for document in (good, *(plain(tomllib.loads(file.read_text(encoding="utf-8"))) for file in SHIPPED)):
        assert list(validator.iter_errors(document)) == []
    for change in (
        {"kind": "tarif"},
        {"share": 0.5},
        {"shares": 0.5},
        {"rate": -1},
        {"rate": None},
        {"layers": ["good"]},
    ):
        assert list(validator.iter_errors({**good, "measure": [{**good["measure"][0], **change}]})), change
    assert list(validator.iter_errors({**good, "measure": []}))
