"""The JSON Schema of scenario files, for editors that check and complete TOML while it is written."""

from typing import Any

from weaponized_interdependence.scenario.model import Scenario
from weaponized_interdependence.scenario.parts import KINDS
from weaponized_interdependence.scenario.problems import SINGULAR
from weaponized_interdependence.terms import Layer, MeasureKind, Term


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file, made from the models.

    It has descriptions, closed words and what each kind needs. It knows the form only; what compares fields with each
    other or with reference lists is found by `check_scenario`.
    """
    made = Scenario.model_json_schema(mode="validation")
    definitions: dict[str, Any] = made.pop("$defs")
    for word in (MeasureKind, Layer):
        definitions[word.__name__] = _vocabulary(word)
    _say_kinds(definitions["Measure"])
    for plural, singular in SINGULAR.items():
        # Either spelling is read; the singular is the one to write.
        made["properties"][singular] = made["properties"].pop(plural)
    made["required"] = [SINGULAR.get(name, name) for name in made["required"]]
    _tidy(made)
    for definition in definitions.values():
        _tidy(definition)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "weaponized_interdependence scenario",
        "$defs": definitions,
    }


def _vocabulary(words: type[Term]) -> dict[str, Any]:
    meanings = [f"{word.value}: {word.meaning}" for word in words]
    return {
        "type": "string",
        "enum": [word.value for word in words],
        "description": "; ".join(meanings),
        "x-taplo": {"docs": {"enumValues": [word.meaning for word in words]}},
    }


def _say_kinds(measure: dict[str, Any]) -> None:
    every = list(measure["properties"])
    measure["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": kind.value}}, "required": ["kind"]},
            "then": {
                **({"required": list(rule.required)} if rule.required else {}),
                "properties": {key: False for key in every if key not in rule.fields},
            },
        }
        for kind, rule in KINDS.items()
    ]


def _tidy(node: Any) -> None:
    # pydantic titles every property with its own name again: noise in an editor's tooltip. TOML has no null.
    for schema in node.get("properties", {}).values():
        if isinstance(schema, dict):
            schema.pop("title", None)
            if {"type": "null"} in schema.get("anyOf", ()):
                schema["anyOf"].remove({"type": "null"})
                schema.pop("default", None)
            if "description" in schema:
                schema["description"] = " ".join(schema["description"].split())
    if "description" in node:
        node["description"] = node["description"].split("\n\n")[0].replace("\n", " ")
