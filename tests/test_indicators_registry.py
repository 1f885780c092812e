"""What holds for every registered indicator alike, and the page that documents them."""

import doctest
import inspect
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import FLOW_UNIT, RESULT, Context, register
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.indicators.registry import INDICATORS, explain, find, page
from weaponized_interdependence.indicators.routes import ROUTES
from weaponized_interdependence.schemas import FLOWS, SCORES
from weaponized_interdependence.terms import Layer

EVERY = sorted(INDICATORS)
LAYERS = ("goods", "payments")


def sample(layer: str, seed: int = 0, nodes: int = 8) -> pl.DataFrame:
    """A disconnected network of two parts, with a self-loop and a zero."""
    rng = np.random.default_rng(seed)
    names = [f"N{k}" for k in range(nodes)]
    rows = [
        ("2020", layer, o, d, "TOTAL", float(rng.integers(1, 1000)), None, None, "USD", "observed")
        for o in names
        for d in names
        if o != d and (names.index(o) < 5) == (names.index(d) < 5) and rng.random() < 0.6
    ]
    rows += [("2020", layer, "N0", "N0", "TOTAL", 5.0, None, None, "USD", "observed")]
    rows += [("2020", layer, "N1", "N6", "TOTAL", 0.0, None, None, "USD", "observed")]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def scored(flows: pl.DataFrame, name: str) -> dict[tuple[str, str | None], float | None]:
    scores = rank(flows, name)
    return {(n, c): s for n, c, s in scores.select("node", "counterpart", "score").rows()}


@pytest.mark.parametrize("name", EVERY)
def test_every_indicator_says_what_it_means(name: str) -> None:
    indicator = INDICATORS[name]
    for text in (indicator.title, indicator.formula, indicator.weight_meaning, indicator.unit, indicator.citation):
        assert text
        assert text == text.strip()
    assert indicator.summary.endswith(".")
    assert list(inspect.signature(indicator.function).parameters) == ["context"]
    assert inspect.signature(indicator.function).return_annotation is pl.DataFrame
    assert ">>> worked(" in indicator.example or "worked(" in indicator.example
    text = explain(name)
    for part in (indicator.formula, indicator.citation, indicator.weight_meaning, indicator.unit):
        assert part in text


@pytest.mark.parametrize("name", EVERY)
def test_the_example_of_every_indicator_is_true(name: str) -> None:
    function = INDICATORS[name].function
    found = [t for t in doctest.DocTestFinder().find(function, name, globs={}) if t.examples]
    assert found, "no example to run"
    for example in found:
        assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", EVERY)
def test_scores_are_a_scores_table(name: str, layer: str) -> None:
    scores = rank(sample(layer), name)
    assert SCORES.conform(scores).equals(scores)
    assert scores.height > 0
    assert set(scores["indicator"]) == {name}
    assert scores["counterpart"].is_null().all() != INDICATORS[name].pair
    assert set(scores["unit"]) == {"USD" if INDICATORS[name].unit == FLOW_UNIT else INDICATORS[name].unit}
    raw = INDICATORS[name].function(
        Context(
            "2020", layer, sample(layer).select("item", "origin", "destination", "value").filter(pl.col("value") > 0)
        )
    )
    assert raw.schema == RESULT


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", EVERY)
def test_names_carry_no_meaning(name: str, layer: str) -> None:
    """Calling nodes otherwise, in another order, calls the scores otherwise and changes nothing else."""
    flows = sample(layer)
    names = sorted({*flows["origin"], *flows["destination"]})
    other = {name: f"Z{(3 * k) % len(names)}" for k, name in enumerate(names)}
    renamed = flows.with_columns(pl.col("origin", "destination").replace_strict(other)).reverse()
    want, got = scored(flows, name), scored(renamed, name)
    assert len(got) == len(want)
    for (node, counterpart), score in want.items():
        assert got[other[node], other[counterpart] if counterpart else None] == (
            None if score is None else pytest.approx(score, rel=1e-9, abs=1e-12)
        )


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", EVERY)
def test_the_unit_of_flows_matters_only_where_it_is_said_to(name: str, layer: str) -> None:
    flows = sample(layer)
    factor = 1.0 if INDICATORS[name].scale_invariant else 1000.0
    want, got = scored(flows, name), scored(flows.with_columns(pl.col("value") * 1000), name)
    for key, score in want.items():
        assert got[key] == (None if score is None else pytest.approx(factor * score, rel=1e-9, abs=1e-12))
    assert INDICATORS[name].scale_invariant == (INDICATORS[name].unit != FLOW_UNIT)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", EVERY)
def test_the_same_flows_give_the_same_numbers(name: str, layer: str) -> None:
    flows = sample(layer, seed=2)
    assert rank(flows, name).equals(rank(flows, name))
    again = rank(flows.sample(fraction=1.0, shuffle=True, seed=1), name)
    assert again.equals(rank(flows, name))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", EVERY)
def test_empty_and_smallest_networks_are_defined(name: str, layer: str) -> None:
    flows = sample(layer)
    assert rank(flows.clear(), name).schema == dict(SCORES.schema)
    assert rank(flows.clear(), name).is_empty()
    assert rank(flows.filter(pl.col("value") == 0), name).is_empty()
    only_loop = rank(flows.filter(pl.col("origin") == pl.col("destination")), name)
    assert only_loop["node"].to_list() == (["N0"] if name == "pagerank" else [])
    one_tie = rank(flows.head(1), name)
    assert one_tie["score"].drop_nulls().is_finite().all()
    assert set(one_tie["node"]) <= {*flows.head(1)["origin"], *flows.head(1)["destination"]}


@pytest.mark.parametrize("name", [n for n in EVERY if INDICATORS[n].unit.startswith("share")])
@pytest.mark.parametrize("layer", LAYERS)
def test_shares_lie_between_0_and_1(name: str, layer: str) -> None:
    scores = rank(sample(layer, seed=5), name)["score"].drop_nulls()
    assert scores.is_between(0, 1).all()


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean panopticon"):
        explain("panoptikon")
    with pytest.raises(UsageError, match="did you mean hhi_exports, hhi_imports"):
        find("hhi")
    with pytest.raises(UsageError, match="choose from"):
        find("xyzzy")


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        register()(INDICATORS["panopticon"].function)


def test_a_route_is_defined_on_every_layer_that_carries_flows() -> None:
    assert set(Layer) - set(ROUTES) == {Layer.OWNERSHIP}
    text = explain("panopticon")
    for layer, route in ROUTES.items():
        assert f"on {layer}: {route.value}" in text


def test_the_page_is_what_the_registry_says(root: Path) -> None:
    written = (root / "docs" / "indicators.md").read_text(encoding="utf-8")
    assert written == page(), (
        f"run {sys.executable} -m weaponized_interdependence.indicators.registry > docs/indicators.md"
    )
    for name in EVERY:
        assert f"### {name}\n" in written
