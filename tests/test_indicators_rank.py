"""The one path from FLOWS to SCORES: options, refusals, ranks and metadata."""

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence import __version__
from weaponized_interdependence.errors import InputError, UnknownCodeError, UsageError
from weaponized_interdependence.exports import read_metadata, write
from weaponized_interdependence.indicators.base import steady_sums
from weaponized_interdependence.indicators.rank import rank, ranking_metadata, worked
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import CONTROLS, FLOWS, MACRO, SCORES


def flows(*rows: tuple, period: str = "2019", layer: str = "goods", unit: str = "USD") -> pl.DataFrame:
    full = [(period, layer, o, d, i, float(v), None, None, unit, "observed") for o, d, i, v in rows]
    return pl.DataFrame(full, schema=dict(FLOWS.schema), orient="row")


TWO_ITEMS = flows(
    ("DEU", "FRA", "SITC:3", 1), ("RUS", "DEU", "SITC:3", 5), ("DEU", "FRA", "SITC:7", 8), ("CHN", "DEU", "SITC:7", 2)
)


def test_items_are_summed_or_ranked_one_by_one() -> None:
    summed = rank(TWO_ITEMS, "export_share")
    assert summed.select("item", "node", "score", "rank").rows() == [
        ("ALL", "DEU", 9 / 16, 1),
        ("ALL", "RUS", 5 / 16, 2),
        ("ALL", "CHN", 2 / 16, 3),
        ("ALL", "FRA", 0.0, 4),
    ]
    apart = rank(TWO_ITEMS, "export_share", by=("item",))
    for item in ("SITC:3", "SITC:7"):
        alone = rank(TWO_ITEMS.filter(pl.col("item") == item), "export_share")
        assert apart.filter(pl.col("item") == item).equals(alone)
        assert set(alone["item"]) == {item}


@pytest.mark.parametrize("layer", ["goods", "payments"])
def test_every_item_at_once_equals_each_by_itself(layer: str) -> None:
    rng = np.random.default_rng(4)
    rows = [
        (o, d, f"HS17:{item:06d}", int(rng.integers(1, 99)))
        for item in range(4)
        for o in "ABCDE"
        for d in "ABCDE"
        if o != d and rng.random() < 0.4
    ]
    frame = flows(*rows, layer=layer)
    names = [
        "hhi_imports",
        "trade_dependence",
        "betweenness",
        "panopticon",
        "panopticon_extraterritorial",
        "chokepoint",
    ]
    at_once = rank(frame, names, by=["item"])
    one_by_one = pl.concat([rank(rows, names) for _, rows in sorted(frame.group_by("item"), key=lambda g: str(g[0]))])
    assert at_once.drop("score").equals(one_by_one.drop("score"))
    assert at_once["score"].to_numpy() == pytest.approx(one_by_one["score"].to_numpy(), nan_ok=True)


def test_ties_share_the_smallest_rank_and_undefined_scores_have_none() -> None:
    scores = rank(flows(("A", "B", "X", 2), ("C", "B", "X", 2), ("D", "B", "X", 1)), ["export_share", "hhi_imports"])
    shares = scores.filter(pl.col("indicator") == "export_share")
    assert dict(shares.select("node", "rank").rows()) == {"A": 1, "C": 1, "D": 3, "B": 4}
    hhi = scores.filter(pl.col("indicator") == "hhi_imports")
    assert dict(hhi.select("node", "rank").rows()) == {"B": 1, "A": None, "C": None, "D": None}
    assert hhi["node"][0] == "B"
    assert rank(flows(("A", "B", "X", 2), ("C", "B", "X", 2)), "export_share", top=1)["node"].to_list() == ["A", "C"]


def test_a_total_is_never_added_to_its_parts() -> None:
    mixed = pl.concat([TWO_ITEMS, flows(("DEU", "FRA", "TOTAL", 9))])
    with pytest.raises(UsageError, match="TOTAL stands beside SITC:3") as caught:
        rank(mixed, "export_share")
    assert "keep either the total or its parts" in str(caught.value)
    assert set(rank(mixed, "export_share", by=("item",))["item"]) == {"TOTAL", "SITC:3", "SITC:7"}
    with pytest.raises(UsageError, match="HS17:27 holds HS17:270900"):
        rank(flows(("A", "B", "HS17:27", 1), ("A", "B", "HS17:270900", 1)), "export_share")


def test_units_are_never_summed() -> None:
    mixed = pl.concat([flows(("A", "B", "X", 1)), flows(("A", "C", "X", 1), unit="EUR")])
    with pytest.raises(UsageError, match="X: EUR, USD"):
        rank(mixed, "out_strength")
    apart = pl.concat([flows(("A", "B", "X", 1)), flows(("A", "C", "Y", 1), unit="EUR")])
    scores = rank(apart, "out_strength", by=("item",))
    assert dict(scores.select("item", "unit").unique().rows()) == {"X": "USD", "Y": "EUR"}
    layers = pl.concat([flows(("A", "B", "X", 1)), flows(("A", "C", "X", 1), unit="EUR", layer="claims")])
    assert set(rank(layers, "out_strength").select("layer", "unit").rows()) == {("goods", "USD"), ("claims", "EUR")}


def test_the_weakest_basis_of_the_flows_is_kept() -> None:
    rows = flows(("A", "B", "X", 1), ("A", "B", "Y", 1)).with_columns(basis=pl.Series(["observed", "estimated"]))
    assert set(rank(rows, "out_strength")["basis"]) == {"estimated"}
    by_item = rank(rows, "out_strength", by=("item",))
    assert dict(by_item.select("item", "basis").unique().rows()) == {"X": "observed", "Y": "estimated"}


def test_periods_and_layers_are_ranked_apart_and_in_order() -> None:
    frame = pl.concat(
        [flows(("A", "B", "X", 1), period=p, layer=la) for p in ("2020", "2019") for la in ("services", "goods")]
    )
    found = rank(frame, ["in_strength", "export_share"])
    order = found.select("period", "layer", "indicator").unique(maintain_order=True).rows()
    assert order == [
        (p, la, i) for p in ("2019", "2020") for la in ("goods", "services") for i in ("in_strength", "export_share")
    ]
    assert set(rank(frame, "export_share", periods=["2020"])["period"]) == {"2020"}
    with pytest.raises(UsageError, match="no flows of period") as caught:
        rank(frame, "export_share", periods=["2021"])
    assert "2019, 2020" in str(caught.value)


def test_lazy_flows_give_the_same_ranking() -> None:
    assert rank(TWO_ITEMS.lazy(), "export_share", periods=["2019"]).equals(rank(TWO_ITEMS, "export_share"))


def test_groups_are_expanded_by_the_last_day_of_the_period() -> None:
    rows = [("GBR", "USA", "X", 1), ("DEU", "USA", "X", 1), ("CAN", "USA", "X", 2)]
    frame = pl.concat([flows(*rows, period=p) for p in ("2019", "2020-Q1", "2021")])
    scores = rank(frame, "chokepoint", jurisdiction=["EU"], target=["USA"])
    # The United Kingdom left on 31 January 2020: it counts at the end of 2019, not of the quarter after.
    assert scores.select("period", "node", "score").rows() == [
        ("2019", "EU", 0.5),
        ("2020-Q1", "EU", 0.25),
        ("2021", "EU", 0.25),
    ]
    joint = rank(frame, "chokepoint", jurisdiction=["EU+CAN", "EU"], target=["USA"], periods=["2019"])
    assert dict(joint.select("node", "score").rows()) == {"EU+CAN": 1.0, "EU": 0.5}
    as_target = rank(frame, "chokepoint", jurisdiction=["USA"], target=["EU"], periods=["2019"])
    assert as_target.select("counterpart", "score").rows() == [("EU", 1.0)]


def test_a_group_can_hold_a_control() -> None:
    held = pl.DataFrame([("EU", "USA", "currency", 0.5, "observed")], schema=dict(CONTROLS.schema), orient="row")
    frame = flows(("USA", "CAN", "X", 3), ("DEU", "CAN", "X", 1))
    scores = rank(frame, "panopticon", jurisdiction=["EU"], controls=held)
    assert scores["score"].to_list() == [(1.5 + 1) / 4]


def test_unknown_parties_are_reported_together() -> None:
    with pytest.raises(UnknownCodeError) as caught:
        rank(TWO_ITEMS, "chokepoint", jurisdiction=["Atlantis", "Germny"], target=["DEU"])
    assert "Atlantis" in str(caught.value)
    assert "Germny" in str(caught.value)


def test_an_economy_without_flows_is_no_zero() -> None:
    """That the data do not have it says nothing about its power."""
    with pytest.raises(UsageError, match="jurisdiction BRA has no flows here"):
        rank(TWO_ITEMS, ["panopticon", "chokepoint"], jurisdiction=["BRA"], target=["DEU"])
    held = pl.DataFrame([("BRA", "DEU", "currency", 0.5, "observed")], schema=dict(CONTROLS.schema), orient="row")
    assert rank(TWO_ITEMS, "panopticon", jurisdiction=["BRA"], controls=held)["score"].to_list() == [0.5]


def test_names_have_one_spelling_in_scores() -> None:
    scores = rank(TWO_ITEMS, "chokepoint", jurisdiction=["russia", "RUS", "China+rus"], target=["Germany"])
    assert scores.select("node", "counterpart").rows() == [("CHN+RUS", "DEU"), ("RUS", "DEU")]
    with pytest.raises(UnknownCodeError, match="joins a name that is not there"):
        rank(TWO_ITEMS, "panopticon", jurisdiction=["DEU+"])


def test_the_world_is_no_jurisdiction() -> None:
    world = TWO_ITEMS.with_columns(destination=pl.lit("WLD"))
    assert "WLD" not in rank(world, "panopticon")["node"]
    assert set(rank(world, "panopticon", jurisdiction=["DEU", "WLD"])["node"]) == {"DEU", "WLD"}


def test_what_is_given_in_vain_is_refused() -> None:
    with pytest.raises(UsageError, match="target BRA has no flows here"):
        rank(TWO_ITEMS, "chokepoint", target=["DEU", "BRA"])
    with pytest.raises(UsageError, match="no layer that is routed over them"):
        rank(TWO_ITEMS, "panopticon", ties=flows(("A", "B", "X", 1), layer="payments"))
    x = np.array([2.0])
    made = IOTable("2018", ("A",), ("s",), ("fd",), np.array([[1.0]]), np.array([[1.0]]), x - 1, x, 0 * x, "X")
    with pytest.raises(UsageError, match="the table is of 2018"):
        rank(TWO_ITEMS, "panopticon", table=made, periods=["2019"])


def many_items(items: int, nodes: int, ties: int) -> pl.DataFrame:
    """So many items with so many random flows each, among these nodes."""
    rng = np.random.default_rng(0)
    key = np.unique(rng.integers(0, items * nodes * nodes, items * ties))
    ends = pl.DataFrame({"k": key // nodes**2, "o": key // nodes % nodes, "d": key % nodes})
    return ends.filter(pl.col("o") != pl.col("d")).select(
        period=pl.lit("2020"),
        layer=pl.lit("goods"),
        origin=pl.format("N{}", "o"),
        destination=pl.format("N{}", "d"),
        item=pl.format("X:{}", "k"),
        value=pl.lit(1.0),
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )


def test_pairs_of_nobody_named_take_memory_by_the_flows_and_not_by_items_times_nodes_squared() -> None:
    # Every node has a flow of nearly every item, so that all pairs would be some 35 million rows.
    pytest.importorskip("resource")
    code = """
import resource, sys
sys.path.insert(0, "tests")
from test_indicators_rank import many_items, rank
frame = many_items(1000, 200, 400)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scores = rank(frame, "chokepoint", by=("item",))
unit = 1 if sys.platform == "darwin" else 1024
print(scores.height, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)
"""
    root = Path(__file__).parents[1]
    env = os.environ | {"PYTHONPATH": str(root)}
    said = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, check=True, capture_output=True, text=True)
    height, grown = map(int, said.stdout.split())
    assert 700_000 < height < 800_000  # two rows for nearly every flow
    assert grown < 1.5e9


def test_pairs_that_would_fill_the_memory_are_refused_with_a_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = many_items(20, 30, 200)
    whole = rank(frame, "chokepoint", by=("item",))
    named = rank(frame, "chokepoint", by=("item",), target=["N1"])
    monkeypatch.setattr("weaponized_interdependence.indicators.routing.direct.MOST_PAIRS", 700)
    for layer in ("goods", "payments"):
        with pytest.raises(UsageError, match=r"pairs of jurisdiction and target would be scored") as caught:
            rank(frame.with_columns(layer=pl.lit(layer)), "chokepoint", by=("item",))
        assert "name jurisdictions or targets" in str(caught.value)
    with pytest.raises(UsageError, match="pairs"):
        rank(frame, "chokepoint", by=("item",), jurisdiction=["N1", "N2"])
    assert rank(frame, "chokepoint", by=("item",), target=["N1"]).equals(named)
    monkeypatch.setattr("weaponized_interdependence.indicators.routing.direct.MOST_PAIRS", whole.height * 2)
    monkeypatch.setattr("weaponized_interdependence.indicators.routing.direct._BATCH", 50)
    assert rank(frame, "chokepoint", by=("item",)).equals(whole)  # item by item gives the same bits


def test_scores_are_never_better_known_than_the_controls_behind_them() -> None:
    def basis(*rows: tuple, jurisdiction: tuple = ("USA", "CHN"), layer: str = "goods") -> dict:
        held = pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row")
        frame = flows(("DEU", "FRA", "X", 3), ("CHN", "FRA", "X", 1), layer=layer)
        scores = rank(frame, ["panopticon", "out_strength"], jurisdiction=jurisdiction, controls=held)
        return dict(scores.filter(pl.col("indicator") == "panopticon").select("node", "basis").rows())

    whole = ("USA", "DEU", "currency", 1.0)
    assert basis((*whole, "observed")) == {"USA": "observed", "CHN": "observed"}
    assert basis((*whole, "assumed")) == {"USA": "assumed", "CHN": "observed"}
    # Which part of a node's flows a share of one half reaches is not known, however well the half is.
    assert basis(("USA", "DEU", "currency", 0.5, "observed")) == {"USA": "estimated", "CHN": "observed"}
    assert basis(("USA", "DEU", "currency", 0.5, "assumed")) == {"USA": "assumed", "CHN": "observed"}
    assert basis((*whole, "observed"), ("USA", "FRA", "technology", 1.0, "estimated"))["USA"] == "estimated"
    assert basis((*whole, "observed"), ("USA", "FRA", "technology", 0.0, "assumed"))["USA"] == "observed"
    assert basis((*whole, "assumed"), jurisdiction=("USA+CHN", "CHN")) == {"USA+CHN": "assumed", "CHN": "observed"}


@pytest.mark.parametrize("layer", ["goods", "payments"])
def test_a_target_without_flows_of_an_item_has_no_row_for_it(layer: str) -> None:
    frame = flows(("A", "B", "HS17:01", 1), ("A", "C", "HS17:02", 1), layer=layer)
    scores = rank(frame, "chokepoint", by=("item",), target=["C"], jurisdiction=["A"])
    assert scores.select("item", "score").rows() == [("HS17:02", 1.0)]


def test_a_target_inside_the_jurisdiction_is_refused() -> None:
    with pytest.raises(UsageError, match="DEU and EU share DEU"):
        rank(TWO_ITEMS, "chokepoint", jurisdiction=["EU"], target=["DEU"])


def test_a_target_inside_is_refused_only_where_it_is_scored_against_the_jurisdiction() -> None:
    """What the EU sees only through Germany is a question; and two indicators may read one of the two each."""
    names = ["panopticon", "minimum_cut"]
    scores = rank(TWO_ITEMS, names, jurisdiction=["EU"], target=["DEU"])
    assert scores.select("indicator", "node").rows() == [("panopticon", "EU"), ("minimum_cut", "DEU")]
    through = rank(TWO_ITEMS, "observation_through", jurisdiction=["EU"], target=["DEU", "FRA"])
    # Of the 16, FRA is an end of the 9 from DEU, which has all of them as well.
    assert {row["counterpart"]: row["score"] for row in through.to_dicts()} == {"DEU": 7 / 16, "FRA": 0.0}
    with pytest.raises(UsageError, match="DEU and EU share DEU"):
        rank(TWO_ITEMS, ["observation_through", "chokepoint"], jurisdiction=["EU"], target=["DEU"])


def test_territory_of_a_counterpart_weakens_the_basis() -> None:
    frame = flows(("A", "B", "TOTAL", 4), ("X", "B", "TOTAL", 3))
    held = pl.DataFrame([("B", "X", "territory", 1.0, "assumed")], schema=dict(CONTROLS.schema), orient="row")
    asked = {"jurisdiction": ["A+X"], "target": ["B"]}
    assert rank(frame, "observation_through", **asked).select("score", "basis").row(0) == (0.0, "observed")
    # Of the 7 seen, 3 are seen only at X, which is B's by an assumption.
    assert rank(frame, "observation_through", **asked, controls=held).select("score", "basis").row(0) == (
        3 / 7,
        "assumed",
    )


def test_a_node_may_have_a_plus_in_its_name() -> None:
    found = worked("panopticon", [("AT+T", "B", 4), ("B", "C", 6)], jurisdiction=["AT+T", "B+C"])
    assert found == {"AT+T": 0.4, "B+C": 1.0}


def test_grips_do_not_hang_on_the_order_of_the_controls() -> None:
    ties = flows(("A", "B", "TOTAL", 4), ("B", "C", "TOTAL", 5), ("A", "C", "TOTAL", 1.3))
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = [
            ("D", node, channel, round(float(rng.random()), 3), "observed")
            for node in "ABC"
            for channel in ("ownership", "currency", "technology")
        ]
        first, second = (
            rank(ties, "panopticon", controls=pl.DataFrame(r, schema=dict(CONTROLS.schema), orient="row"))
            for r in (rows, rows[::-1])
        )
        assert first.equals(second)


def test_everything_wrong_with_the_options_is_said_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        rank(TWO_ITEMS, "export_share", by=("node",), target=["DEU"], max_detour=-1, damping=2, top=0)
    text = str(caught.value)
    for part in ("cannot rank by", "target is given", "max_detour is -1", "damping is 2", "top is 0"):
        assert part in text
    with pytest.raises(UsageError, match="no indicator named"):
        rank(TWO_ITEMS, [])
    with pytest.raises(UsageError, match="jurisdiction is the text 'EU'"):
        rank(TWO_ITEMS, "panopticon", jurisdiction="EU")
    with pytest.raises(UsageError, match="nothing to rank"):
        rank(None, "panopticon")


def test_bad_flows_and_controls_are_refused_with_reasons() -> None:
    with pytest.raises(InputError, match="value is negative in 1"):
        rank(flows(("A", "B", "X", -1)), "export_share")
    with pytest.raises(InputError, match=r"lack the column\(s\) unit"):
        rank(TWO_ITEMS.drop("unit"), "export_share")
    with pytest.raises(InputError, match="unknown layer: smoke"):
        rank(flows(("A", "B", "X", 1), layer="smoke"), "export_share")
    with pytest.raises(InputError, match="unknown basis: heard"):
        rank(TWO_ITEMS.with_columns(basis=pl.lit("heard")), "export_share")
    with pytest.raises(InputError, match="item is missing in 4"):
        rank(TWO_ITEMS.with_columns(item=pl.lit(None, dtype=pl.String)), "export_share")
    held = pl.DataFrame([("USA", "DEU", "currency", 1.5, "observed")], schema=dict(CONTROLS.schema), orient="row")
    with pytest.raises(InputError, match="share: above 1"):
        rank(TWO_ITEMS, "panopticon", controls=held)
    with pytest.raises(UsageError, match="the controls grip no node"):
        rank(TWO_ITEMS, "panopticon", controls=held.with_columns(node=pl.lit("Germany"), share=pl.lit(1.0)))


def test_a_table_gives_production_paths_beside_the_other_layers() -> None:
    Z, Y = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([[5.0, 1.0], [2.0, 6.0]])
    x = Z.sum(axis=1) + Y.sum(axis=1)
    made = IOTable("2019", ("DEU", "FRA"), ("s",), ("fd",), Z, Y, x - Z.sum(axis=0), x, 0 * x, "X", basis="estimated")
    inputs = flows(("DEU", "FRA", "X:s", 2), ("FRA", "DEU", "X:s", 3), layer="inputs")
    scores = rank(pl.concat([TWO_ITEMS, inputs]), ["panopticon", "export_share"], table=made)
    found = {(la, i): set(rows["basis"]) for (la, i), rows in scores.group_by("layer", "indicator")}
    assert found == {
        ("goods", "panopticon"): {"observed"},
        ("goods", "export_share"): {"observed"},
        ("inputs", "panopticon"): {"estimated"},
        ("inputs", "export_share"): {"observed"},
    }
    alone = rank(None, "panopticon", table=made)
    assert alone.equals(scores.filter(pl.col("layer") == "inputs", pl.col("indicator") == "panopticon"))
    # Between two economies every chain that crosses a border touches both.
    assert alone["score"].to_list() == pytest.approx([1, 1])


@dataclass
class FakeStamp:
    path: str
    sha256: str
    bytes: int


def test_metadata_tells_definitions_inputs_options_and_reaches_the_file(tmp_path: object) -> None:
    names = ["panopticon", "chokepoint_rerouted"]
    scores = rank(TWO_ITEMS, names, max_detour=1.0)
    loops = pl.concat([TWO_ITEMS, flows(("DEU", "DEU", "SITC:3", 4), ("DEU", "CHN", "SITC:3", 0))])
    notes = ranking_metadata(
        names, flows=loops, inputs=[FakeStamp("a.csv", "ab" * 32, 7)], options={"max_detour": 1.0, "top": None}
    )
    path = tmp_path / "ranking.parquet"  # type: ignore[operator]
    write(scores, path, table=SCORES, metadata=notes)
    read = read_metadata(path)
    assert read["tool"] == f"weaponized_interdependence {__version__}"
    definitions = json.loads(read["definitions"])
    assert list(definitions) == names
    assert {"formula", "weights", "unit", "citation"} <= set(definitions["panopticon"])
    assert json.loads(read["inputs"]) == [{"path": "a.csv", "sha256": "ab" * 32, "bytes": 7}]
    assert json.loads(read["options"]) == {}
    assert json.loads(read["knobs"]) == {"max_detour": 1.0}
    assert json.loads(ranking_metadata(names)["knobs"]) == {"max_detour": "inf"}
    assert json.loads(read["left_out"]) == {"zero_value": 1, "self_loop": 1}
    assert pl.read_parquet(path).equals(scores)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"), st.sampled_from("xyé"), st.floats(0, 1e12) | st.sampled_from([0.1, 0.2, 1e-9])
        ),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_grouped_sums_are_exact_to_the_last_digits_and_know_no_order(rows: list, random: Random) -> None:
    schema = {"a": pl.String, "b": pl.String, "v": pl.Float64}
    plain: dict[tuple[str, str], list[float]] = {}
    for a, b, v in rows:
        plain.setdefault((a, b), []).append(v)
    found = steady_sums(pl.DataFrame(rows, schema=schema, orient="row"), ["a", "b"])
    assert found.select("a", "b").rows() == sorted(plain)
    assert found["v"].to_list() == pytest.approx([math.fsum(plain[key]) for key in sorted(plain)], rel=1e-14)
    random.shuffle(rows)
    assert steady_sums(pl.DataFrame(rows, schema=schema, orient="row"), ["a", "b"]).equals(found)


def test_numbers_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    code = """
import sys, numpy as np, polars as pl
from weaponized_interdependence.indicators.rank import rank
rng, n = np.random.default_rng(1), 60_000
key = np.unique(rng.integers(0, 40 * 40 * 50, n))
frame = pl.DataFrame({"o": key // 2000, "d": key // 50 % 40, "k": key % 50}).select(
    period=pl.lit("2020"), layer=pl.lit("goods"), origin=pl.format("N{}", "o"), destination=pl.format("N{}", "d"),
    item=pl.format("X:{}", "k"), value=pl.Series(rng.lognormal(8, 3, len(key))), unit=pl.lit("USD"),
    basis=pl.lit("observed"))
names = ["out_strength", "import_share", "hhi_imports", "trade_asymmetry", "panopticon", "chokepoint"]
rank(frame.sample(fraction=1, shuffle=True, seed=int(sys.argv[2])), names, by=("item",)).write_parquet(sys.argv[1])
"""
    made = []
    for threads in ("1", "3"):
        out = tmp_path / f"{threads}.parquet"
        env = os.environ | {"POLARS_MAX_THREADS": threads}
        subprocess.run([sys.executable, "-c", code, str(out), threads], env=env, check=True)
        made.append(pl.read_parquet(out))
    assert made[0].equals(made[1])


def test_worked_gives_minus_zero_no_sign() -> None:
    assert str(worked("net_strength", [("A", "B", 1), ("B", "A", 1)])) == "{'A': 0.0, 'B': 0.0}"


def test_numbers_are_the_same_to_the_last_bit_in_every_run_and_for_every_order_of_rows() -> None:
    # Large enough for grouped sums to be split over threads, which adds floats up in another order every time.
    rng = np.random.default_rng(0)
    ends = [(o, d) for o in range(120) for d in range(120) if o != d]
    items = [f"HS17:{k:06d}" for k in range(4)]
    frame = pl.DataFrame(
        [(f"N{o}", f"N{d}", item) for item in items for o, d in ends],
        schema=["origin", "destination", "item"],
        orient="row",
    ).with_columns(
        value=np.exp(rng.normal(0, 3, len(ends) * len(items))),
        period=pl.lit("2020"),
        layer=pl.lit("goods"),
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )
    names = ["in_strength", "trade_share", "hhi_imports", "panopticon", "trade_asymmetry"]
    for by in ((), ("item",)):
        first = rank(frame, names, by=by)
        for again in (frame, frame.reverse(), frame.sample(fraction=1.0, shuffle=True, seed=3)):
            assert rank(again, names, by=by).equals(first)


def test_what_is_read_beside_the_flows_weakens_the_basis() -> None:
    held = pl.DataFrame([("USA", "CHN", "ownership", 1.0, "assumed")], schema=dict(CONTROLS.schema), orient="row")
    scores = rank(TWO_ITEMS, "supply_share", jurisdiction=["USA"], target=["DEU"], controls=held)
    assert set(scores["basis"]) == {"assumed"}
    gdp = [("2020", code, "gdp", 10.0, "USD", "assumed") for code in ("USA", "DEU", "CHN")]
    macro = pl.DataFrame(gdp, schema=dict(MACRO.schema), orient="row")
    year = TWO_ITEMS["period"][0]
    macro = macro.with_columns(period=pl.lit(year))
    assert set(rank(TWO_ITEMS, "trade_asymmetry_gdp", macro=macro)["basis"]) == {"assumed"}
    for wrong, said in (
        (TWO_ITEMS.with_columns(unit=pl.lit("t")), "are in t, GDP is in USD"),
        (TWO_ITEMS.with_columns(period=pl.lit(f"{year}-Q4")), "part of a year"),
    ):
        with pytest.raises(UsageError, match=said):
            rank(wrong, "trade_asymmetry_gdp", macro=macro)
    stocks = TWO_ITEMS.with_columns(period=pl.lit(f"{year}-Q4"), layer=pl.lit("claims"))
    assert rank(stocks, "trade_asymmetry_gdp", macro=macro).height > 0


def test_pairs_that_share_members_have_no_row_and_the_others_do() -> None:
    scores = rank(TWO_ITEMS, "chokepoint", jurisdiction=["EU", "RUS"], target=["DEU", "CHN"])
    assert ("EU", "DEU") not in scores.select("node", "counterpart").rows()
    assert ("RUS", "DEU") in scores.select("node", "counterpart").rows()
    with pytest.raises(UsageError, match="DEU and EU share DEU"):
        rank(TWO_ITEMS, "chokepoint", jurisdiction=["EU"], target=["DEU"])
