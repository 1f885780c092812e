"""Games of coalitions and overlaps of what is seen, against their definitions computed union by union."""

from itertools import combinations, pairwise, permutations
from math import factorial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.observation import games, overlap
from weaponized_interdependence.indicators.observation.games import shapley
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.indicators.routing import direct
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import CONTROLS, FLOWS

NODES = "ABCDEF"
Ties = dict[tuple[str, str], int]
Worth = dict[frozenset[str], float]

ties_of = st.dictionaries(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1]),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    min_size=2,
    max_size=18,
)
held_of = st.lists(
    st.tuples(st.sampled_from("ABX"), st.sampled_from(NODES), st.sampled_from([0.25, 0.5, 1.0])), max_size=4
)


def frame(ties: Ties, layer: str) -> pl.DataFrame:
    rows = [("2020", layer, o, d, "TOTAL", float(v), None, None, "USD", "observed") for (o, d), v in ties.items()]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def controls(held: list[tuple[str, str, float]], ties: Ties) -> dict[str, pl.DataFrame]:
    nodes = {x for pair in ties for x in pair}
    first = {(holder, node): share for holder, node, share in held if node in nodes}
    rows = [(holder, node, "currency", share, "observed") for (holder, node), share in first.items()]
    return {"controls": pl.DataFrame(rows, schema=dict(CONTROLS.schema), orient="row")} if rows else {}


def table(seed: int, economies: str = "ABCD") -> IOTable:
    rng, n = np.random.default_rng(seed), 2 * len(economies)
    Z, Y = rng.integers(0, 6, (n, n)).astype(float), rng.integers(1, 40, (n, len(economies))).astype(float)
    x, zero = Z.sum(axis=1) + Y.sum(axis=1), np.zeros(n)
    return IOTable("2020", tuple(economies), ("s0", "s1"), ("fd",), Z, Y, x - Z.sum(axis=0), x, zero, "X")


def worth(
    players: list[str], name: str, flows: pl.DataFrame | None, target: str | None = None, **told: object
) -> Worth:
    """The registered score of every union of players, each asked for by name."""
    unions = [s for size in range(1, len(players) + 1) for s in combinations(players, size)]
    over = {} if target is None else {"target": [target]}
    scores = rank(flows, name, jurisdiction=["+".join(u) for u in unions], **over, **told)  # type: ignore[arg-type]
    found = dict(scores.select("node", "score").rows())
    return {frozenset(): 0.0} | {frozenset(u): found["+".join(u)] for u in unions}


def by_orders(players: list[str], v: Worth) -> dict[str, float]:
    """Shapley values as the mean gain over every order of joining."""
    gains = dict.fromkeys(players, 0.0)
    for order in permutations(players):
        for k, player in enumerate(order):
            gains[player] += v[frozenset(order[: k + 1])] - v[frozenset(order[:k])]
    return {p: gain / factorial(len(players)) for p, gain in gains.items()}


def scores_of(scores: pl.DataFrame) -> dict[str, float]:
    return dict(scores.select("node", "score").rows())


@settings(deadline=None, max_examples=15)
@given(ties_of, held_of, st.sampled_from(["goods", "payments"]))
def test_values_are_means_over_all_orders_of_joining(
    ties: Ties, held: list[tuple[str, str, float]], layer: str
) -> None:
    """Certain and partial grips, closed form or union by union: the definition holds for all."""
    flows, told = frame(ties, layer), controls(held, ties)
    players = sorted({x for pair in ties for x in pair})[:4]
    if any(h == "X" for h, *_ in held) and told and "X" in {*told["controls"]["jurisdiction"]}:
        players = [*players[:3], "X"]
    v = worth(players, "panopticon", flows, **told)
    scores = rank(flows, ["shapley_panopticon", "marginal_panopticon"], jurisdiction=players, **told)
    values = scores_of(scores.filter(pl.col("indicator") == "shapley_panopticon"))
    assert values == pytest.approx(by_orders(players, v), abs=1e-9)
    assert sum(values.values()) == pytest.approx(v[frozenset(players)], abs=1e-9)  # efficiency
    everyone = frozenset(players)
    marginal = scores_of(scores.filter(pl.col("indicator") == "marginal_panopticon"))
    assert marginal == pytest.approx({p: v[everyone] - v[everyone - {p}] for p in players}, abs=1e-9)


@settings(deadline=None, max_examples=20)
@given(ties_of, held_of, st.sampled_from(["goods", "payments"]), st.sampled_from([0.0, 1.0, float("inf")]))
def test_denial_over_a_target_is_shared_by_its_definition(
    ties: Ties, held: list[tuple[str, str, float]], layer: str, detour: float
) -> None:
    flows, told = frame(ties, layer), controls(held, ties)
    nodes = sorted({x for pair in ties for x in pair})
    players, target = nodes[1:4], nodes[0]
    if len(players) < 2:
        return
    v = worth(players, "chokepoint_rerouted", flows, target, max_detour=detour, **told)
    both = ["shapley_chokepoint", "marginal_chokepoint", "chokepoint_rerouted"]
    scores = rank(flows, both, jurisdiction=players, target=[target], max_detour=detour, **told)
    values = scores_of(scores.filter(pl.col("indicator") == "shapley_chokepoint"))
    assert values == pytest.approx(by_orders(players, v), abs=1e-9)
    everyone = frozenset(players)
    marginal = scores_of(scores.filter(pl.col("indicator") == "marginal_chokepoint"))
    assert marginal == pytest.approx({p: v[everyone] - v[everyone - {p}] for p in players}, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_production_paths_are_shared_union_by_union(seed: int) -> None:
    made, players = table(seed), ["A", "B", "C"]
    v = worth(players, "panopticon", None, table=made)
    got = scores_of(rank(None, "shapley_panopticon", table=made, jurisdiction=players))
    assert got == pytest.approx(by_orders(players, v))
    denied = worth(players, "chokepoint_rerouted", None, "D", table=made)
    got = scores_of(rank(None, "shapley_chokepoint", table=made, jurisdiction=players, target=["D"]))
    assert got == pytest.approx(by_orders(players, denied))
    all_play = rank(None, "shapley_panopticon", table=made)
    assert all_play["score"].sum() == pytest.approx(1)  # together they are on every path


def test_members_of_one_group_are_its_players() -> None:
    flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    together = worked("shapley_panopticon", flows, jurisdiction=["A+B"])
    assert together == worked("shapley_panopticon", flows, jurisdiction=["A", "B"]) == {"A": 0.3, "B": 0.7}
    groups = worked("shapley_panopticon", flows, jurisdiction=["A+B", "C"])  # 4 is the group's, 6 is shared
    assert groups == {"A+B": 0.7, "C": 0.3}
    with pytest.raises(UsageError, match="a coalition needs two players"):
        worked("shapley_panopticon", flows, jurisdiction=["A"])


def test_overlapping_groups_and_partial_grips_are_scored_union_by_union() -> None:
    ties: Ties = {("A", "B"): 4, ("B", "C"): 5, ("A", "C"): 1, ("C", "D"): 3}
    held = [("A", "C", 0.5), ("B", "D", 0.25)]
    told = controls(held, ties)
    players = ["A+B", "B", "C"]
    names = ["+".join(sorted({*u.split("+")})) for u in ("A+B", "A+B", "A+B+C", "A+B+C", "B+C")]
    v = dict(
        rank(frame(ties, "goods"), "panopticon", jurisdiction=[*names, *players], **told).select("node", "score").rows()
    )
    pair = {frozenset(): 0.0, frozenset(players): v["A+B+C"], frozenset(["A+B", "B"]): v["A+B"]}
    pair |= {
        frozenset(["A+B", "C"]): v["A+B+C"],
        frozenset(["B", "C"]): v["B+C"],
        **{frozenset([p]): v[p] for p in players},
    }
    got = scores_of(rank(frame(ties, "goods"), "shapley_panopticon", jurisdiction=players, **told))
    assert got == pytest.approx(by_orders(players, pair))


def test_dummies_get_nothing_and_equals_the_same() -> None:
    flows = [("H", "T", 3), ("K", "T", 3), ("D", "E", 1)]
    told = {"jurisdiction": ["H", "K", "D"], "target": ["T"]}
    assert worked("shapley_chokepoint", flows, **told) == {("D", "T"): 0.0, ("H", "T"): 0.5, ("K", "T"): 0.5}
    assert worked("marginal_chokepoint", flows, **told) == {("D", "T"): 0.0, ("H", "T"): 0.5, ("K", "T"): 0.5}


def test_every_node_plays_where_none_is_named_and_routes_can_be_listed() -> None:
    rng = np.random.default_rng(3)
    names = [f"N{k:02d}" for k in range(40)]
    flows = [(o, d, rng.lognormal()) for o in names for d in names if o != d and rng.random() < 0.2]
    for layer in ("goods", "payments"):
        values = worked("shapley_panopticon", flows, layer=layer)
        assert sum(v or 0 for v in values.values()) == pytest.approx(1)
    halves = worked("trade_share", flows)  # two on each direct route: half each
    assert worked("shapley_panopticon", flows) == pytest.approx(halves)
    with pytest.raises(UsageError, match="40 nodes are too many players"):
        worked("shapley_chokepoint", flows, layer="payments")


def test_a_sampled_game_is_near_the_exact_one_and_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    ties: Ties = {(o, d): int(rng.integers(1, 30)) for o in NODES for d in NODES if o != d and rng.random() < 0.7}
    told = {"jurisdiction": list("ABCDE"), "target": ["F"], "max_detour": 0.2}
    exact = rank(frame(ties, "claims"), "shapley_chokepoint", **told)
    assert exact["low"].is_null().all()
    monkeypatch.setattr(games, "MOST_EXACT", 3)
    drawn = rank(frame(ties, "claims"), "shapley_chokepoint", samples=400, seed=1, **told)
    assert drawn["score"].sum() == pytest.approx(exact["score"].sum())
    both = exact.join(drawn, on="node", suffix="_drawn")
    error = (both["high_drawn"] - both["score_drawn"]) / 1.96
    assert ((both["score_drawn"] - both["score"]).abs() <= 4 * error + 1e-12).all()
    assert (both["low_drawn"] < both["high_drawn"]).any()
    again = rank(frame(ties, "claims"), "shapley_chokepoint", samples=400, seed=1, **told)
    assert again.equals(drawn)
    other = rank(frame(ties, "claims"), "shapley_chokepoint", samples=400, seed=2, **told)
    assert not other.equals(drawn)
    # Four times the orders, half the error.
    more = rank(frame(ties, "claims"), "shapley_chokepoint", samples=6400, seed=1, **told)
    narrower = (more["high"] - more["low"]).sum() / (drawn["high"] - drawn["low"]).sum()
    assert narrower == pytest.approx(0.25, rel=0.2)


def test_too_large_games_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(games, "MOST_UNIONS", 5)
    flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1), ("C", "D", 1)]
    with pytest.raises(UsageError, match="8 unions of players would be scored"):
        worked("shapley_chokepoint", flows, layer="claims", jurisdiction=["A", "B", "C"], target=["D"])
    with pytest.raises(UsageError, match="61 players are too many"):
        games.bits(61)


def test_the_weights_of_a_known_game() -> None:
    # Glove game: one left glove, two right; Shapley 2/3, 1/6, 1/6 (textbook).
    left, first, second = 1, 2, 4
    v = [1.0 if s & left and s & (first | second) else 0.0 for s in range(8)]
    assert shapley(np.array(v)) == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    # United Nations Security Council: a permanent member's power is 421/2145 (Straffin 1983).
    members = 15
    sets = np.arange(2**members)
    yes = sum((sets >> k & 1 for k in range(members)), np.zeros_like(sets))
    passes = ((sets & 31) == 31) & (yes >= 9)
    values = shapley(passes.astype(float))
    assert values[:5] == pytest.approx([421 / 2145] * 5)
    assert values[5:] == pytest.approx([4 / 2145] * 10)


def test_basis_is_the_weakest_of_any_player_of_the_game() -> None:
    flows = frame({("A", "B"): 4, ("B", "C"): 5}, "goods")
    held = pl.DataFrame([("A", "C", "ownership", 1.0, "assumed")], schema=dict(CONTROLS.schema), orient="row")
    alone = rank(flows, "panopticon", jurisdiction=["A", "B"], controls=held)
    assert dict(alone.select("node", "basis").rows()) == {"A": "assumed", "B": "observed"}
    for named in (["A", "B"], ["A+B"]):
        joint = rank(flows, ["shapley_panopticon", "observation_overlap"], jurisdiction=named, controls=held)
        assert {*joint["basis"]} == {"assumed"}
    assert {*rank(flows, "shapley_panopticon", jurisdiction=["A", "B"])["basis"]} == {"observed"}


# ---- overlap


@settings(deadline=None, max_examples=20)
@given(ties_of, held_of, st.sampled_from(["goods", "payments"]))
def test_overlap_and_what_one_alone_sees_by_their_definitions(
    ties: Ties, held: list[tuple[str, str, float]], layer: str
) -> None:
    flows, told = frame(ties, layer), controls(held, ties)
    players = sorted({x for pair in ties for x in pair})[:3]
    if len(players) < 2:
        return
    v = worth(players, "panopticon", flows, **told)
    both = rank(flows, "observation_overlap", jurisdiction=players, **told)
    for one, other, score in both.select("node", "counterpart", "score").rows():
        a, b, either = (v[frozenset(s)] for s in ([one], [other], [one, other]))
        assert score == (pytest.approx((a + b - either) / a, abs=1e-9) if a > 0 else None)
    assert both.height == len(players) * (len(players) - 1)
    alone = rank(flows, "observation_exclusive", jurisdiction=players, **told)
    everyone = frozenset(players)
    for node, score in alone.select("node", "score").rows():
        seen = v[frozenset([node])]
        assert score == (pytest.approx((v[everyone] - v[everyone - {node}]) / seen, abs=1e-9) if seen > 0 else None)


def test_overlap_of_all_nodes_equals_that_of_those_named() -> None:
    rng = np.random.default_rng(6)
    ties: Ties = {(o, d): int(rng.integers(1, 30)) for o in NODES for d in NODES if o != d and rng.random() < 0.5}
    for layer in ("goods", "payments"):
        every = rank(frame(ties, layer), "observation_overlap").select("node", "counterpart", "score").sort(pl.all())
        named = rank(frame(ties, layer), "observation_overlap", jurisdiction=list(NODES))
        named = named.select("node", "counterpart", "score").filter(pl.col("score") > 0).sort(pl.all())
        assert every.equals(named)


def test_overlap_on_production_paths() -> None:
    made, players = table(2), ["A", "B", "C"]
    v = worth(players, "panopticon", None, table=made)
    got = rank(None, "observation_overlap", table=made, jurisdiction=players)
    for one, other, score in got.select("node", "counterpart", "score").rows():
        a, b, either = (v[frozenset(s)] for s in ([one], [other], [one, other]))
        assert score == pytest.approx((a + b - either) / a)
    alone = scores_of(rank(None, "observation_exclusive", table=made, jurisdiction=players))
    everyone = frozenset(players)
    assert alone == pytest.approx({p: (v[everyone] - v[everyone - {p}]) / v[frozenset([p])] for p in players})
    through = rank(None, "observation_through", table=made, jurisdiction=["A+B"], target=["C", "D"])
    assert through["score"].to_list() == [0.0, 0.0]
    leaving = rank(None, "observation_through", table=made, jurisdiction=["A+B"])
    want = {"A": 1 - v[frozenset("B")] / v[frozenset("AB")], "B": 1 - v[frozenset("A")] / v[frozenset("AB")]}
    assert dict(leaving.select("counterpart", "score").rows()) == pytest.approx(want)


def test_what_is_seen_only_through_another_territory() -> None:
    # USA grips half of H and all of K; it has no other way to see S -> H, one to see its own payment to K.
    flows = [("S", "H", 2), ("S", "K", 4), ("USA", "K", 6), ("USA", "S", 3)]
    held = [("USA", "H", 0.5), ("USA", "K", 1.0)]
    told = {
        "controls": pl.DataFrame(
            [(*h[:2], "currency", h[2], "observed") for h in held], schema=dict(CONTROLS.schema), orient="row"
        )
    }
    seen = 2 * 0.5 + 4 + 6 + 3
    found = worked("observation_through", flows, jurisdiction=["USA"], **told)
    assert found == {
        ("USA", "H"): round(1 / seen, 12),
        ("USA", "K"): round(4 / seen, 12),  # of 10 touching K, 6 has an end in USA itself
        ("USA", "USA"): round(3 / seen, 12),  # the 6 to K is still seen there
    }
    both = worked("observation_through", flows, jurisdiction=["USA"], target=["H+K", "S"], **told)
    assert both == {("USA", "H+K"): round(5 / seen, 12), ("USA", "S"): 0.0}


def test_bis_claims_and_remittances_are_quick_and_add_up(shared_data: Path) -> None:
    raw = pl.read_csv(shared_data / "finance/bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv")
    long = raw.unpivot(index="country", variable_name="destination", value_name="value")
    labels = {"period": "2022-Q4", "layer": "claims", "unit": "USD", "basis": "observed", "item": "TOTAL"}
    claims = long.rename({"country": "origin"}).with_columns(
        pl.col("value") * 1e6, *(pl.lit(v).alias(k) for k, v in labels.items())
    )
    flows = pl.read_parquet(shared_data / "finance/knomad_bilateral_remittance_2017_long.parquet")
    labels |= {"period": "2017", "layer": "payments"}
    remittances = flows.rename({"sending": "origin", "receiving": "destination", "musd": "value"}).with_columns(
        *(pl.lit(v).alias(k) for k, v in labels.items())
    )
    names = ["panopticon", "panopticon_k", "panopticon_walk", "shapley_panopticon"]
    for frame_, first in ((claims, "US"), (remittances, "United States")):
        scores = rank(frame_, names, top=1)
        assert {*scores["node"]} == {first}
        values = rank(frame_, "shapley_panopticon")
        assert values["score"].sum() == pytest.approx(1)
    coalition = rank(
        claims, ["shapley_chokepoint"], jurisdiction=["US", "GB", "FR", "JP"], target=["CL"], max_detour=0.5
    )
    together = rank(claims, "chokepoint_rerouted", jurisdiction=["US+GB+FR+JP"], target=["CL"], max_detour=0.5)
    assert coalition["score"].sum() == pytest.approx(together["score"].item())


@pytest.mark.parametrize("size", [600])
def test_what_is_seen_through_others_takes_rows_of_those_reached_only(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every node reaches itself only: as many rows as nodes are made and counted, and no row of zeros on the way."""
    made, asked = list[int](), list[int]()
    real = overlap._frame

    def counted(item: str, labels: list[str], others: list[str] | None, score: Any) -> pl.DataFrame:
        made.append(len(labels))
        return real(item, labels, others, score)

    monkeypatch.setattr(overlap, "_frame", counted)
    monkeypatch.setattr(overlap, "refuse_many", asked.append)
    names = [f"N{k:04d}" for k in range(size)]
    rows = [("2020", "goods", a, b, "TOTAL", 1.0, None, None, "USD", "observed") for a, b in pairwise(names)]
    flows = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
    found = rank(flows, "observation_through")
    assert found.height == size
    assert sum(made) == size
    assert asked == [size]


def test_the_rows_of_what_is_seen_through_others_are_counted_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    want = worked("observation_through", flows, jurisdiction=["A+B", "C"])
    assert set(want) == {("A+B", "A"), ("A+B", "B"), ("C", "C")}
    monkeypatch.setattr(direct, "MOST_PAIRS", 3)
    assert worked("observation_through", flows, jurisdiction=["A+B", "C"]) == want
    monkeypatch.setattr(direct, "MOST_PAIRS", 2)
    with pytest.raises(UsageError, match="up to 3 pairs"):
        worked("observation_through", flows, jurisdiction=["A+B", "C"])
