"""Scenarios: who coerces whom, with what, when, with which exemptions and assumptions.

A scenario is a TOML file (`files.py` reads it, `locator.py` knows its lines) or is built from the parts in Python
(`parts.py`, `model.py`); either way everything that is wrong is reported at once (`rules.py`, `overlap.py`).
"""

from weaponized_interdependence.scenario.files import (
    check_scenario,
    list_scenarios,
    load_scenario,
    read_scenario,
    scenario_overrides,
    scenario_path,
)
from weaponized_interdependence.scenario.json_schema import scenario_schema
from weaponized_interdependence.scenario.model import Scenario, scenario_hash
from weaponized_interdependence.scenario.parts import (
    KINDS,
    Assumptions,
    Band,
    Exemption,
    KindRule,
    Measure,
    Phase,
    Share,
    as_band,
)
from weaponized_interdependence.scenario.template import new_scenario, scenario_text

__all__ = [
    "KINDS",
    "Assumptions",
    "Band",
    "Exemption",
    "KindRule",
    "Measure",
    "Phase",
    "Scenario",
    "Share",
    "as_band",
    "check_scenario",
    "list_scenarios",
    "load_scenario",
    "new_scenario",
    "read_scenario",
    "scenario_hash",
    "scenario_overrides",
    "scenario_path",
    "scenario_schema",
    "scenario_text",
]
