"""What holds for every registered indicator alike, and the page that documents them."""

import doctest
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import FLOW_UNIT, register
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.indicators.registry import INDICATORS, explain, find, page
from weaponized_interdependence.indicators.routing.routes import ROUTES, Route
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import FLOWS, MACRO, SCORES
from weaponized_interdependence.terms import Layer, weakest

EVERY = sorted(INDICATORS)
OF_FLOWS = [name for name in EVERY if INDICATORS[name].reads == "flows"]
OF_TABLES = [name for name in EVERY if INDICATORS[name].reads == "table"]
LAYERS = ("goods", "payments")

Key = tuple[str, str, str | None]


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


def beside(name: str, codes: Sequence[str], factor: float = 1.0) -> dict[str, Any]:
    """What an indicator must be given beyond flows or a table."""
    if "macro" not in INDICATORS[name].needs:
        return {}
    rows = [("2020", code, "gdp", factor * (1000.0 + 10 * k), "USD", "observed") for k, code in enumerate(codes)]
    return {"macro": pl.DataFrame(rows, schema=dict(MACRO.schema), orient="row")}


def ranked(flows: pl.DataFrame, name: str, factor: float = 1.0, codes: Sequence[str] | None = None) -> pl.DataFrame:
    named = codes if codes is not None else [f"N{k}" for k in range(8)]
    return rank(flows, name, **beside(name, named, factor))


def keyed(scores: pl.DataFrame) -> dict[Key, tuple[float | None, ...]]:
    columns = scores.select("item", "node", "counterpart", "score", "low", "high").rows()
    assert len({row[:3] for row in columns}) == len(columns)
    return {row[:3]: row[3:] for row in columns}


def scored(flows: pl.DataFrame, name: str, factor: float = 1.0) -> dict[Key, tuple[float | None, ...]]:
    return keyed(ranked(flows, name, factor))


def alike(got: tuple[float | None, ...], want: tuple[float | None, ...], factor: float = 1.0) -> bool:
    return all(
        g is w is None if g is None or w is None else g == pytest.approx(factor * w, rel=1e-8, abs=1e-11)
        for g, w in zip(got, want, strict=True)
    )


def table(seed: int = 0, economies: int = 4, sectors: int = 3) -> IOTable:
    """A dense table with an industry that makes and uses nothing."""
    rng = np.random.default_rng(seed)
    n = economies * sectors
    Z, Y = rng.integers(1, 20, (n, n)).astype(float), rng.integers(5, 60, (n, economies)).astype(float)
    Z[1, :] = Z[:, 1] = Y[1] = 0.0
    x = Z.sum(axis=1) + Y.sum(axis=1)
    x = np.maximum(x, 1.25 * Z.sum(axis=0))  # every industry adds value
    Y[:, 0] += x - Z.sum(axis=1) - Y.sum(axis=1)
    return build_table(Z, Y, [f"N{k}" for k in range(economies)], [f"s{k}" for k in range(sectors)])


def build_table(Z: Any, Y: Any, economies: list[str], sectors: list[str]) -> IOTable:
    x = Z.sum(axis=1) + Y.sum(axis=1)
    return IOTable(
        period="2020",
        economies=tuple(economies),
        sectors=tuple(sectors),
        demands=("final",),
        Z=Z,
        Y=Y,
        VA=x - Z.sum(axis=0),
        x=x,
        other=np.zeros(len(x)),
        classification="EXAMPLE",
        basis="observed",
    )


def of_table(table: IOTable, name: str, by: tuple[str, ...] = (), factor: float = 1.0) -> pl.DataFrame:
    return rank(None, name, table=table, by=by, **beside(name, table.economies, factor))


@pytest.mark.parametrize("name", EVERY)
def test_every_indicator_says_what_it_means(name: str) -> None:
    indicator = INDICATORS[name]
    for text in (indicator.title, indicator.formula, indicator.weight_meaning, indicator.unit, indicator.citation):
        assert text
        assert text == text.strip()
    assert indicator.summary.endswith(".")
    assert list(inspect.signature(indicator.function).parameters) == ["context"]
    assert inspect.signature(indicator.function).return_annotation is pl.DataFrame
    assert "worked(" in indicator.example or "worked_table(" in indicator.example
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


def check_scores(scores: pl.DataFrame, name: str) -> None:
    """A SCORES table whose numbers are finite and inside their band, and whose basis is no better than it may be."""
    assert SCORES.conform(scores).equals(scores)
    assert scores.height > 0
    assert set(scores["indicator"]) == {name}
    assert scores["counterpart"].is_null().all() != INDICATORS[name].pair
    assert set(scores["unit"]) == {"USD" if INDICATORS[name].unit == FLOW_UNIT else INDICATORS[name].unit}
    assert set(scores["basis"]) == {str(weakest("observed", INDICATORS[name].best, *_routed(scores, name)))}
    banded = scores.filter(pl.col("score").is_not_null(), pl.col("low").is_not_null())
    assert (banded["low"] <= banded["score"] + 1e-12).all()
    assert (banded["score"] <= banded["high"].fill_null(float("inf")) + 1e-12).all()


def _routed(scores: pl.DataFrame, name: str) -> list[str]:
    routed = INDICATORS[name].routed and ROUTES[Layer(scores["layer"][0])] is not Route.DIRECT
    return ["estimated"] if routed or INDICATORS[name].reads == "table" else []


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", OF_FLOWS)
def test_scores_are_a_scores_table(name: str, layer: str) -> None:
    check_scores(ranked(sample(layer), name), name)


@pytest.mark.parametrize("by", [(), ("item",)])
@pytest.mark.parametrize("name", OF_TABLES)
def test_scores_of_a_table_are_a_scores_table(name: str, by: tuple[str, ...]) -> None:
    scores = of_table(table(), name, by)
    check_scores(scores, name)
    assert set(scores["layer"]) == {"inputs"}
    assert set(scores["item"]) <= ({f"EXAMPLE:s{k}" for k in range(3)} | {"ALL"} if by else {"ALL"})


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", OF_FLOWS)
def test_names_carry_no_meaning(name: str, layer: str) -> None:
    """Calling nodes otherwise, in another order, calls the scores otherwise and changes nothing else."""
    flows = sample(layer)
    names = sorted({*flows["origin"], *flows["destination"]})
    other = {name: f"Z{(3 * k) % len(names)}" for k, name in enumerate(names)}
    renamed = flows.with_columns(pl.col("origin", "destination").replace_strict(other)).reverse()
    want, got = scored(flows, name), keyed(ranked(renamed, name, codes=[other[n] for n in names]))
    assert len(got) == len(want)
    for (item, node, counterpart), numbers in want.items():
        assert alike(got[item, called(node, other), called(counterpart, other) if counterpart else None], numbers)


def called(label: str, other: dict[str, str]) -> str:
    """The other name of a node, of several joined by plus, or of all together."""
    return label if label == "ALL" else "+".join(sorted(other[part] for part in label.split("+")))


@pytest.mark.parametrize("by", [(), ("item",)])
@pytest.mark.parametrize("name", OF_TABLES)
def test_names_in_a_table_carry_no_meaning(name: str, by: tuple[str, ...]) -> None:
    """Neither the order of the economies nor that of the sectors matters."""
    first = table()
    n, j, _ = first.size
    economies, sectors = np.array([2, 0, 3, 1]), np.array([1, 2, 0])
    rows = (economies[:, None] * j + sectors).ravel()
    second = build_table(
        first.Z[np.ix_(rows, rows)],
        first.Y[np.ix_(rows, economies)],
        [first.economies[k] for k in economies],
        [first.sectors[k] for k in sectors],
    )
    assert n == len(economies)
    want, got = keyed(of_table(first, name, by)), keyed(of_table(second, name, by))
    assert set(want) == set(got)
    assert all(alike(got[key], numbers) for key, numbers in want.items())


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", OF_FLOWS)
def test_the_unit_of_flows_matters_only_where_it_is_said_to(name: str, layer: str) -> None:
    flows = sample(layer)
    factor = 1.0 if INDICATORS[name].scale_invariant else 1000.0
    want, got = scored(flows, name), scored(flows.with_columns(pl.col("value") * 1000), name, factor=1000.0)
    for key, numbers in want.items():
        assert alike(got[key], numbers, factor)
    assert INDICATORS[name].scale_invariant == (INDICATORS[name].unit != FLOW_UNIT)


@pytest.mark.parametrize("name", OF_TABLES)
def test_the_unit_of_a_table_matters_only_where_it_is_said_to(name: str) -> None:
    first = table()
    factor = 1.0 if INDICATORS[name].scale_invariant else 1000.0
    second = build_table(1000 * first.Z, 1000 * first.Y, list(first.economies), list(first.sectors))
    want, got = keyed(of_table(first, name)), keyed(of_table(second, name, factor=1000.0))
    assert all(alike(got[key], numbers, factor) for key, numbers in want.items())


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", OF_FLOWS)
def test_the_same_flows_give_the_same_numbers(name: str, layer: str) -> None:
    flows = sample(layer, seed=2)
    assert ranked(flows, name).equals(ranked(flows, name))
    again = ranked(flows.sample(fraction=1.0, shuffle=True, seed=1), name)
    assert again.equals(ranked(flows, name))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", OF_FLOWS)
def test_empty_and_smallest_networks_are_defined(name: str, layer: str) -> None:
    flows = sample(layer)
    assert ranked(flows.clear(), name).schema == dict(SCORES.schema)
    assert ranked(flows.clear(), name).is_empty()
    assert ranked(flows.filter(pl.col("value") == 0), name).is_empty()
    only_loop = ranked(flows.filter(pl.col("origin") == pl.col("destination")), name)
    assert set(only_loop["node"]) <= {"N0", "ALL"}
    one_tie = ranked(flows.head(1), name)
    assert one_tie["score"].drop_nulls().is_finite().all()
    assert set(one_tie["node"]) <= {*flows.head(1)["origin"], *flows.head(1)["destination"], "ALL"}


@pytest.mark.parametrize("name", OF_TABLES)
def test_an_economy_alone_is_defined(name: str) -> None:
    scores = of_table(table(economies=1), name)
    assert set(scores["node"]) <= {"N0", "ALL"}
    assert scores["score"].drop_nulls().is_finite().all()


@pytest.mark.parametrize("name", [n for n in OF_FLOWS if INDICATORS[n].unit.startswith("share")])
@pytest.mark.parametrize("layer", LAYERS)
def test_shares_lie_between_0_and_1(name: str, layer: str) -> None:
    scores = ranked(sample(layer, seed=5), name)["score"].drop_nulls()
    assert scores.is_between(0, 1).all()


@pytest.mark.parametrize("name", [n for n in OF_TABLES if INDICATORS[n].unit.startswith("share")])
def test_shares_of_a_table_lie_between_0_and_1(name: str) -> None:
    assert of_table(table(seed=3), name)["score"].drop_nulls().is_between(0, 1 + 1e-12).all()


@pytest.mark.parametrize("name", OF_TABLES)
def test_an_indicator_of_tables_says_so_without_one(name: str) -> None:
    with pytest.raises(UsageError, match="read an input-output table"):
        ranked(sample("goods"), name)


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
