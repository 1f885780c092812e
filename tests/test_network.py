"""FLOWS -> Network and its views."""

import math
import re
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import InputError, ModelError, UsageError
from weaponized_interdependence.network import (
    build_network,
    distance_of,
    overlapping_items,
    to_igraph,
    to_networkx,
    to_sparse,
)


def flows(*rows: tuple, **columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(
        rows, schema={"origin": pl.String, "destination": pl.String, "value": pl.Float64}, orient="row"
    )
    return frame.with_columns(pl.lit(v).alias(k) for k, v in columns.items())


def test_ties_are_summed_sorted_and_labelled() -> None:
    rows = flows(
        ("B", "A", 1.0), ("A", "B", 2.0), ("A", "B", 3.0), period="2020", layer="goods", unit="USD", item="X:1"
    )
    net = build_network(rows.with_columns(basis=pl.Series(["observed", "estimated", "observed"])))
    assert net.nodes == ("A", "B")
    assert list(zip(net.origin, net.destination, net.strength, strict=True)) == [(0, 1, 5.0), (1, 0, 1.0)]
    assert (net.period, net.layer, net.unit, net.item, net.basis) == ("2020", "goods", "USD", "X:1", "estimated")
    assert net.merged == 1
    assert net.total == 6.0


def test_zeros_and_self_loops_are_left_out_and_counted() -> None:
    rows = flows(("A", "B", 1.0), ("A", "C", 0.0), ("B", "B", 7.0), ("C", "C", 0.0))
    net = build_network(rows)
    assert net.nodes == ("A", "B")
    assert dict(net.dropped) == {"zero_value": 2, "self_loop": 1}
    kept = build_network(rows, self_loops="keep")
    assert kept.strength.tolist() == [1.0, 7.0]
    assert kept.dropped["self_loop"] == 0
    with pytest.raises(UsageError, match="drop or keep"):
        build_network(rows, self_loops="maybe")  # type: ignore[arg-type]


def test_every_bad_value_is_reported_at_once() -> None:
    rows = flows(
        ("A", "B", -1.0), (None, "B", 1.0), ("A", "", 1.0), ("A", "B", None), ("A", "B", math.nan), ("A", "B", math.inf)
    )
    with pytest.raises(InputError) as caught:
        build_network(rows)
    text = str(caught.value)
    for fault in (
        "value is negative in 1 row(s), first at row 1",
        "origin is missing in 1 row(s), first at row 2",
        "destination is missing in 1 row(s), first at row 3",
        "value is missing in 1 row(s), first at row 4",
        "value is not a finite number in 2 row(s), first at row 5, 6",
    ):
        assert fault in text
    odd = pl.DataFrame(
        {"origin": [1], "destination": ["B"], "item": pl.Series(["x"], dtype=pl.Categorical), "value": "1"}
    )
    with pytest.raises(InputError) as caught:
        build_network(odd)
    for said in ("origin is Int64, not text", "item is Categorical, not text", "value is String, not floating"):
        assert said in str(caught.value)
    with pytest.raises(InputError, match="lack the column"):
        build_network(rows.drop("value"))


def test_mixed_periods_layers_and_units_are_refused_unless_summed() -> None:
    rows = pl.concat(
        [flows(("A", "B", 1.0), period=p, layer=la, unit="USD") for p, la in (("2019", "goods"), ("2020", "claims"))]
    )
    with pytest.raises(UsageError) as caught:
        build_network(rows)
    assert "2 periods: 2019, 2020" in str(caught.value)
    assert "2 layers: claims, goods" in str(caught.value)
    net = build_network(rows, sum_over=("period", "layer"))
    assert (net.period, net.layer, net.strength.tolist()) == ("2019+2020", "claims+goods", [2.0])
    with pytest.raises(UsageError, match="units: EUR, USD"):
        build_network(pl.concat([flows(("A", "B", 1.0), unit=u) for u in ("USD", "EUR")]), sum_over=("period",))
    with pytest.raises(UsageError, match="cannot sum over unit"):
        build_network(rows, sum_over=("unit",))  # type: ignore[arg-type]


def test_items_that_hold_each_other_are_not_summed() -> None:
    with pytest.raises(UsageError, match="TOTAL stands beside SITC:3"):
        build_network(pl.concat([flows(("A", "B", 1.0), item=i) for i in ("TOTAL", "SITC:3")]))
    assert build_network(pl.concat([flows(("A", "B", 1.0), item=i) for i in ("SITC:2", "SITC:3")])).item == "ALL"
    assert overlapping_items(["HS17:27", "HS17:270900", "HS17:28"]) == ["HS17:27 holds HS17:270900"]
    assert overlapping_items(["HS17:27", "SITC:3"]) == ["items of several classifications: HS17, SITC"]
    assert overlapping_items(["WIOD13:c2", "WIOD13:c20"]) == []  # codes of industries are no prefixes of each other
    assert overlapping_items(["TOTAL"]) == overlapping_items([]) == []
    assert overlapping_items(["HS:TOTAL", "TOTAL"]) != []


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (["EBOPS:S", "EBOPS:SA"], "EBOPS:S holds EBOPS:SA"),
        (["EBOPS:SC", "EBOPS:SC1"], "EBOPS:SC holds EBOPS:SC1"),
        (["EBOPS:SA", "EBOPS:SOX"], "EBOPS:SOX, a sum of several headings, stands beside EBOPS:SA"),
        (["EBOPS:SA", "SERVICES"], "SERVICES stands beside EBOPS:SA"),
        (["ISIC4:C", "ISIC4:10"], "ISIC4:C holds ISIC4:10"),
        (["BEC:1", "BEC:111"], "BEC:1 holds BEC:111"),
        (["WIOD13:TOTAL", "WIOD13:c1"], "WIOD13:TOTAL stands beside WIOD13:c1"),
        (["EBOPS:TOTAL", "EBOPS:SA"], "EBOPS:TOTAL stands beside EBOPS:SA"),
        (["OWN:TOTAL", "OWN:steel"], "OWN:TOTAL stands beside OWN:steel"),
        (["ALL", "OWN:steel"], "ALL stands beside OWN:steel"),
    ],
)
def test_every_classification_says_how_its_codes_nest(items: list[str], reason: str) -> None:
    assert overlapping_items(reversed(items)) == [reason]
    with pytest.raises(UsageError, match=re.escape(reason)):
        build_network(pl.concat([flows(("A", "B", 1.0), item=item) for item in items]))


@pytest.mark.parametrize(
    "items",
    [
        ["WIOD13:c1", "WIOD13:c10"],
        ["OWN:c1", "OWN:c10"],
        ["EBOPS:SA", "EBOPS:SB", "EBOPS:SC1", "EBOPS:SC2"],
        ["ISIC4:C", "ISIC4:35", "ISIC4:01"],
        ["SITC:0", "SITC:1", "SERVICES"],
    ],
)
def test_parts_that_do_not_hold_each_other_can_be_summed(items: list[str]) -> None:
    assert overlapping_items(items) == []


def test_the_nodes_can_be_given() -> None:
    net = build_network(flows(("B", "A", 1.0)), nodes=["C", "A", "B"])
    assert net.nodes == ("A", "B", "C")
    assert to_igraph(net).degree() == [1, 1, 0]
    with pytest.raises(InputError, match="not among the nodes given: B"):
        build_network(flows(("B", "A", 1.0)), nodes=["A"])


@pytest.mark.parametrize("nodes", [None, ["A"]])
def test_empty_and_single_node_networks_are_defined_in_every_view(nodes: list[str] | None) -> None:
    net = build_network(flows(), nodes=nodes)
    n = len(nodes or [])
    assert net.size == (n, 0)
    assert net.distance.tolist() == []
    assert to_sparse(net).shape == (n, n)
    assert (to_igraph(net).vcount(), to_igraph(net).ecount()) == (n, 0)
    assert len(to_networkx(net)) == n


def test_disconnected_parts_stay_apart() -> None:
    graph = to_igraph(build_network(flows(("A", "B", 1.0), ("C", "D", 1.0))))
    assert len(graph.connected_components(mode="weak")) == 2


def test_flow_taken_for_distance_turns_the_ranking_upside_down() -> None:
    # By hand: A -> Hub -> B carries 100, A -> Weak -> B carries 1.
    net = build_network(flows(("A", "Hub", 100.0), ("Hub", "B", 100.0), ("A", "Weak", 1.0), ("Weak", "B", 1.0)))
    graph = to_igraph(net)
    right = dict(zip(net.nodes, graph.betweenness(weights="distance"), strict=True))
    wrong = dict(zip(net.nodes, graph.betweenness(weights="strength"), strict=True))
    assert (right["Hub"], right["Weak"]) == (1, 0)
    assert (wrong["Hub"], wrong["Weak"]) == (0, 1)


def test_distance_is_made_in_one_place_and_refuses_what_it_cannot_turn() -> None:
    assert distance_of(np.array([4.0, 1.0, 8.0])).tolist() == [2.0, 8.0, 1.0]
    for bad in ([1.0, 0.0], [1e300, 1e-300], [1.0, -1.0], [math.nan]):
        with pytest.raises(ModelError, match="cannot be turned into a distance"):
            distance_of(np.array(bad))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("ABCDE"), st.integers(0, 9)), max_size=30),
    st.randoms(),
)
def test_all_views_agree_with_a_plain_sum_whatever_the_order_of_rows(rows: list, random: object) -> None:
    plain: dict[tuple[str, str], float] = {}
    for o, d, v in rows:
        if v and o != d:
            plain[o, d] = plain.get((o, d), 0) + v
    random.shuffle(rows)  # type: ignore[attr-defined]
    net = build_network(flows(*((o, d, float(v)) for o, d, v in rows)))
    assert net.nodes == tuple(sorted({x for pair in plain for x in pair}))
    ties = zip(net.origin, net.destination, net.strength, strict=True)
    assert {(net.nodes[o], net.nodes[d]): s for o, d, s in ties} == plain
    matrix, graph, other = to_sparse(net).toarray(), to_igraph(net), to_networkx(net)
    far = to_sparse(net, "distance").toarray()
    for edge in graph.es:
        o, d = net.nodes[edge.source], net.nodes[edge.target]
        assert edge["strength"] == matrix[edge.source, edge.target] == other[o][d]["strength"] == plain[o, d]
        assert edge["distance"] == far[edge.source, edge.target] == other[o][d]["distance"]
        assert edge["distance"] == max(plain.values()) / plain[o, d]
    assert (matrix != 0).sum() == graph.ecount() == other.number_of_edges() == len(plain)


def test_sums_of_repeated_ties_are_the_same_to_the_last_bit_in_any_order() -> None:
    rng = np.random.default_rng(2)
    many = 5_000
    ends = {end: [f"N{k}" for k in rng.integers(0, 12, many)] for end in ("origin", "destination")}
    frame = pl.DataFrame({**ends, "value": np.exp(rng.normal(0, 5, many))})
    first = build_network(frame)
    assert first.merged == frame.filter(pl.col("origin") != pl.col("destination")).height - 132
    for seed in range(3):
        again = build_network(frame.sample(fraction=1.0, shuffle=True, seed=seed).lazy())
        assert again.nodes == first.nodes
        assert again.strength.tobytes() == first.strength.tobytes()


def test_nodes_that_only_have_flows_left_out_are_no_nodes() -> None:
    rows = flows(("A", "A", 1.0), ("C", "D", 2.0), ("E", "F", 0.0))
    assert build_network(rows).nodes == ("C", "D")
    assert build_network(rows, self_loops="keep").nodes == ("A", "C", "D")
    assert build_network(rows, nodes="DCB").destination.tolist() == [2]


def test_lazy_flows_and_frames_give_the_same_network() -> None:
    rows = flows(("A", "B", 1.0), ("B", "C", 2.0))
    assert build_network(rows.lazy()).strength.tolist() == build_network(rows).strength.tolist()


def test_only_the_edge_attributes_that_are_read_are_made() -> None:
    net = build_network(flows(("A", "B", 1e300), ("B", "A", 1e-300)))
    assert to_igraph(net, ("strength",)).es.attributes() == ["strength"]
    assert to_igraph(net, ()).es.attributes() == []
    with pytest.raises(ModelError, match="cannot be turned into a distance"):
        to_igraph(net)


def test_arrays_cannot_be_changed() -> None:
    net = build_network(flows(("A", "B", 1.0)))
    with pytest.raises(ValueError, match="read-only"):
        net.strength[0] = 2.0


def test_igraph_is_imported_in_one_module_only(root: Path) -> None:
    found = [
        path.relative_to(root).as_posix()
        for path in (root / "weaponized_interdependence").rglob("*.py")
        if re.search(r"^\s*(import|from) igraph", path.read_text(encoding="utf-8"), flags=re.M)
    ]
    assert found == ["weaponized_interdependence/network.py"]
