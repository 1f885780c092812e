"""The worked scenarios act on both kinds of data they are written for: by product, and by section as in the sample."""

from functools import cache
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.harmonize.products import product_list
from weaponized_interdependence.sample import Sample, load_sample
from weaponized_interdependence.scenario import Scenario, load_scenario
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.simulation.simulate import simulate
from weaponized_interdependence.terms import Basis, Layer

NAMES = sorted(file.stem for file in (Path(__file__).resolve().parent.parent / "data" / "scenarios").glob("*.toml"))
NEEDS_CLAIMS = {"investment_ban_russia", "lending_stop_hypothetical", "reserve_freeze_russia"}
NOT_IN_SAMPLE = {
    "investment_ban_russia",
    "reserve_freeze_russia",
}  # its claims hold no Russia; data/scenarios/README.md says so


@cache
def sample() -> Sample:
    return load_sample()


def phases_hit(scenario: Scenario, flows: pl.DataFrame) -> set[str]:
    """The phases in which something is denied or taxed."""
    shock = simulate(scenario, flows=flows, models=["exposure"]).shock
    return set(shock.filter((pl.col("denied") > 0) | (pl.col("tariff") > 0))["phase"])


@pytest.mark.parametrize("name", NAMES)
def test_on_the_data_that_come_with_the_tool(name: str) -> None:
    scenario = load_scenario(name)
    flows = sample().claims if name in NEEDS_CLAIMS else sample().flows
    if name in NOT_IN_SAMPLE:
        with pytest.raises(ModelError):
            simulate(scenario, flows=flows, models=["exposure"])
        return
    assert phases_hit(scenario, flows) == {phase.name for phase in scenario.phase_list() if phase.measures}


def by_product(scenario: Scenario) -> pl.DataFrame:
    """One flow each way between each sender or third party and each target, in every six-digit good a measure names."""
    codes = {"010121", "270900"}  # something humanitarian and something that is not, for measures that name nothing
    for measure in scenario.measures:
        codes |= {item.split(":")[1].ljust(6, "0") for item in measure.items if item.startswith("HS")}
        codes |= {code for name in measure.lists for code in product_list(name).codes["code"]}
    partners = set(scenario.senders()) | {p for m in scenario.measures for p in scenario.third_parties(m)}
    rows = [
        (layer, origin, destination, item)
        for partner in sorted(partners)
        for target in scenario.targets()
        for origin, destination in ((partner, target), (target, partner))
        for layer, items in ((Layer.GOODS, [f"HS22:{code}" for code in sorted(codes)]), (Layer.CLAIMS, ["TOTAL"]))
        for item in items
    ]
    frame = pl.DataFrame(rows, schema=["layer", "origin", "destination", "item"], orient="row")
    return FLOWS.conform(
        frame.with_columns(
            pl.lit("2010").alias("period"),
            pl.lit(1.0).alias("value"),
            pl.lit("USD").alias("unit"),
            pl.lit(Basis.ASSUMED.value).alias("basis"),
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_on_data_by_product(name: str) -> None:
    scenario = load_scenario(name)
    result = simulate(scenario, flows=by_product(scenario), models=["exposure"])
    found = {measure for row in result.shock["measures"] for measure in row.split(",")}
    meant = {m.id for m in scenario.measures if not m.items or any(item.startswith("HS") for item in m.items)}
    assert found == meant
    assert set(result.shock["phase"]) == {phase.name for phase in scenario.phase_list() if phase.measures}
