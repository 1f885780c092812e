"""Concentration, rich club and percolation against networkx, plain definitions and closed forms."""

import itertools
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.schemas import FLOWS

Ties = list[tuple[str, str, float]]


def random_ties(seed: int, nodes: int = 12, density: float = 0.3, whole: bool = False) -> Ties:
    rng = np.random.default_rng(seed)
    names = [f"N{k:03d}" for k in range(nodes)]
    value = (lambda: float(rng.integers(1, 4))) if whole else (lambda: float(np.exp(rng.normal(0, 2))))
    return [(o, d, value()) for o in names for d in names if o != d and rng.random() < density]


def flows(ties: Ties, item: str = "TOTAL", period: str = "2020") -> pl.DataFrame:
    rows = [(period, "goods", o, d, item, v, None, None, "USD", "observed") for o, d, v in ties]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def whole(name: str, ties: Ties) -> tuple[float, float | None, float | None]:
    scores = rank(flows(ties), name)
    assert scores["node"].to_list() == ["ALL"]
    found: tuple[float, float | None, float | None] = scores.select("score", "low", "high").row(0)
    return found


def sums(ties: Ties, *ends: int) -> dict[str, float]:
    found: dict[str, float] = {name: 0.0 for tie in ties for name in tie[:2]}
    for tie in ties:
        for end in ends:
            found[tie[end]] += tie[2]
    return found


def ordered(strength: dict[str, float]) -> list[list[str]]:
    """Nodes by strength, largest first, those equal to nine digits together."""
    falling = sorted(strength, key=lambda n: -strength[n])
    levels: list[list[str]] = []
    for node in falling:
        if levels and math.isclose(strength[node], strength[levels[-1][0]], rel_tol=1e-9):
            levels[-1].append(node)
        else:
            levels.append([node])
    return levels


# Concentration


@pytest.mark.parametrize(("name", "end"), [("network_concentration_exports", 0), ("network_concentration_imports", 1)])
def test_concentration_is_the_sum_of_squared_shares(name: str, end: int) -> None:
    ties = random_ties(3)
    share = np.array(list(sums(ties, end).values())) / sum(v for *_, v in ties)
    assert whole(name, ties)[0] == pytest.approx(float(share @ share))
    everyone = [(o, d, 2.0) for o, d in itertools.permutations("ABCDE", 2)]
    assert whole(name, everyone)[0] == pytest.approx(1 / 5)


def test_concentration_of_world_exports_over_time(shared_data: Path) -> None:
    """Sixteen years of BACI against the same sum made by DuckDB."""
    import duckdb

    file = shared_data / "trade" / "baci" / "BACI_HS92_TOTAL_Y2000_Y2019_16years.parquet"
    world = pl.read_parquet(file).select(
        period=pl.col("t").cast(pl.String),
        layer=pl.lit("goods"),
        origin="iso_i",
        destination="iso_j",
        item=pl.lit("TOTAL"),
        value=pl.col("v") * 1000.0,
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )
    scores = rank(world, "network_concentration_exports")
    theirs = duckdb.sql(
        f"""with s as (select t, i, sum(v) as x from '{file}' where i <> j group by t, i)
        select t, sum(x * x) / sum(x) ** 2 from s group by t order by t"""
    ).fetchall()
    assert dict(scores.select("period", "score").rows()) == pytest.approx({str(t): h for t, h in theirs})
    assert scores["period"].to_list() == sorted(scores["period"])


# Rich club


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("density", [0.1, 0.4])
def test_density_of_the_club_is_that_of_networkx(seed: int, density: float) -> None:
    graph = nx.gnp_random_graph(20, density, seed=seed)
    ties = [(f"N{a:02d}", f"N{b:02d}", 1.0 + a + b) for a, b in [*graph.edges, *((b, a) for a, b in graph.edges)]]
    theirs = nx.rich_club_coefficient(graph, normalized=False)  # of nodes with more than k neighbours
    for node, density_of_club in worked("rich_club_density", ties).items():
        degree = graph.degree[int(node[1:])]
        assert density_of_club == (pytest.approx(theirs[degree - 1]) if degree - 1 in theirs else None)


def clubs(ties: Ties) -> dict[str, set[str]]:
    sent = sums(ties, 0)
    return {n: {k for k in sent if sent[k] >= sent[n] * (1 - 1e-9)} for n in sent}


def inside(ties: Ties, club: set[str]) -> list[float]:
    return [v for o, d, v in ties if o in club and d in club]


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_weighted_club_by_its_definition(seed: int, equal: bool) -> None:
    ties = random_ties(seed, whole=equal)
    largest = sorted((v for *_, v in ties), reverse=True)
    got = worked("rich_club", ties)
    for node, club in clubs(ties).items():
        kept = inside(ties, club)
        assert got[node] == (pytest.approx(sum(kept) / sum(largest[: len(kept)])) if kept else None)


@pytest.mark.parametrize("seed", range(4))
def test_chance_is_every_way_of_dealing_values_over_ones_own_ties(seed: int) -> None:
    """Mean and standard deviation in closed form against all deals, one by one."""
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a, b in itertools.permutations("ABCD", 2) if rng.random() < 0.75]
    ties = [(a, b, float(v)) for (a, b), v in zip(pairs, np.exp(rng.normal(0, 1, len(pairs))), strict=True)]
    own = {o: [t for t in ties if t[0] == o] for o in {t[0] for t in ties}}
    dealt = [
        [(o, d, v) for (o, d, _), v in zip(itertools.chain(*own.values()), itertools.chain(*values), strict=True)]
        for values in itertools.product(*(itertools.permutations([v for *_, v in mine]) for mine in own.values()))
    ]
    assert len(dealt) == math.prod(math.factorial(len(mine)) for mine in own.values())
    ratio, z = worked("rich_club_ratio", ties), worked("rich_club_z", ties)
    for node, club in clubs(ties).items():
        kept = sum(inside(ties, club))
        chance = np.array([sum(inside(deal, club)) for deal in dealt])
        if not inside(ties, club):
            assert ratio[node] is z[node] is None
            continue
        assert ratio[node] == pytest.approx(kept / chance.mean())
        if chance.std() < 1e-9:
            assert z[node] is None
        else:
            assert z[node] == pytest.approx((kept - chance.mean()) / chance.std())


@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
@settings(max_examples=25, deadline=None)
def test_everyone_together_is_what_chance_gives(seed: int, density: float) -> None:
    ties = random_ties(seed, nodes=7, density=density)
    if not ties:
        return
    poorest = ordered(sums(ties, 0))[-1]
    assert {worked("rich_club", ties)[n] for n in poorest} == {1.0}
    assert [worked("rich_club_ratio", ties)[n] for n in poorest] == pytest.approx([1.0] * len(poorest))
    assert {worked("rich_club_z", ties)[n] for n in poorest} == {None}


# Percolation


def share_together(ties: Ties, gone: set[str], n: int) -> float:
    graph = nx.Graph([(o, d) for o, d, _ in ties if not {o, d} & gone])
    graph.add_nodes_from({x for tie in ties for x in tie[:2]} - gone)
    return max(map(len, nx.connected_components(graph)), default=0) / n


def value_left(ties: Ties, gone: set[str]) -> float:
    return sum(v for o, d, v in ties if not {o, d} & gone) / sum(v for *_, v in ties)


@pytest.mark.parametrize(
    ("seed", "nodes", "density", "equal"),
    [(0, 12, 0.3, False), (1, 12, 0.1, True), (2, 40, 0.05, False), (3, 40, 0.03, True), (4, 150, 0.01, False)],
)
def test_what_is_left_is_what_networkx_finds(seed: int, nodes: int, density: float, equal: bool) -> None:
    ties = random_ties(seed, nodes, density, whole=equal)
    strength = sums(ties, 0, 1)
    levels, n = ordered(strength), len(strength)
    together, value = worked("percolation", ties), worked("percolation_value", ties)
    gone: set[str] = set()
    areas = {"robustness": np.zeros(3), "robustness_value": np.zeros(3)}
    before = {"robustness": share_together(ties, gone, n), "robustness_value": 1.0}
    for level in levels:
        gone |= set(level)
        after = {"robustness": share_together(ties, gone, n), "robustness_value": value_left(ties, gone)}
        for node in level:
            assert together[node] == pytest.approx(after["robustness"], abs=1e-12)
            assert value[node] == pytest.approx(after["robustness_value"], abs=1e-12)
        g = len(level)
        for name, area in areas.items():
            a, b = before[name], after[name]
            area += [sum(a + (b - a) * j / g for j in range(1, g + 1)), g * b, (g - 1) * a + b]
        before = after
    for name, area in areas.items():
        score, low, high = whole(name, ties)
        assert score == pytest.approx(area[0] / n)
        if len(levels) == n:
            assert low is high is None
        else:
            assert (low, high) == pytest.approx(tuple(area[1:] / n))


@pytest.mark.parametrize("seed", range(3))
def test_the_bounds_hold_whatever_the_order_of_the_equally_strong(seed: int) -> None:
    ties = [(o, d, 1.0) for o, d, _ in random_ties(seed, nodes=6, density=0.3)]
    levels = ordered(sums(ties, 0, 1))
    n = sum(map(len, levels))
    assert n > len(levels)
    for name, left in (
        ("robustness", lambda gone: share_together(ties, gone, n)),
        ("robustness_value", lambda gone: value_left(ties, gone)),
    ):
        score, low, high = whole(name, ties)
        assert low is not None
        assert high is not None
        for order in itertools.product(*(itertools.permutations(level) for level in levels)):
            nodes = list(itertools.chain(*order))
            area = sum(left(set(nodes[: q + 1])) for q in range(n)) / n
            assert low - 1e-12 <= area <= high + 1e-12
        assert low <= score <= high


@pytest.mark.parametrize("n", [2, 3, 8, 25])
def test_all_tied_to_all_and_a_star_have_their_closed_forms(n: int) -> None:
    names = [f"N{k:02d}" for k in range(n)]
    # Strengths that all differ, so that nodes go one by one: then s(q) = (n - q) / n.
    complete = [(a, b, 1.0 + i + n * j * j) for (i, a), (j, b) in itertools.permutations(enumerate(names), 2)]
    if n > 2:
        assert whole("robustness", complete) == (pytest.approx((n - 1) / (2 * n)), None, None)
    equal = [(a, b, 1.0) for a, b in itertools.permutations(names, 2)]
    assert whole("robustness", equal)[0] == pytest.approx((n - 1) / (2 * n))
    star = [("hub", leaf, 1.0 + k) for k, leaf in enumerate(names)]
    assert whole("robustness", star)[0] == pytest.approx(n / (n + 1) ** 2)
    assert whole("robustness_value", star)[0] == 0.0


def test_the_strongest_go_first() -> None:
    # The bridge is weak: taking it out first would part the network, taking it out last does not matter.
    parts = [("A", "B", 9.0), ("B", "C", 8.0), ("C", "D", 0.1), ("D", "E", 7.0), ("E", "F", 5.0)]
    scores = rank(flows(parts), "percolation")
    falling = sorted(sums(parts, 0, 1).items(), key=lambda pair: -pair[1])
    assert scores.sort("score", descending=True)["node"][0] == falling[0][0] == "B"


@pytest.mark.parametrize("name", ["rich_club", "rich_club_z", "rich_club_density", "percolation", "robustness"])
def test_items_are_scored_as_if_each_were_alone(name: str) -> None:
    one, two = random_ties(1), random_ties(2, nodes=9)
    both = rank(pl.concat([flows(one, "HS17:1001"), flows(two, "HS17:2709")]), name, by=["item"])
    for ties, item in ((one, "HS17:1001"), (two, "HS17:2709")):
        alone = rank(flows(ties, item), name)
        assert both.filter(pl.col("item") == item).equals(alone)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_taking_out_more_never_leaves_more(seed: int) -> None:
    ties = random_ties(seed, nodes=10, density=0.25, whole=seed % 2 == 0)
    if not ties:
        return
    strength = sums(ties, 0, 1)
    for name in ("percolation", "percolation_value"):
        left: dict[Any, float | None] = worked(name, ties)
        falling = [left[n] for n in sorted(strength, key=lambda n: -strength[n])]
        assert all(a is not None and b is not None and b <= a + 1e-9 for a, b in itertools.pairwise(falling))


@pytest.mark.parametrize("scale", [1e200, 1e-300])
def test_rich_clubs_of_values_of_any_size(scale: float) -> None:
    ties = random_ties(5)
    for name in ("rich_club", "rich_club_ratio", "rich_club_z"):
        scaled = worked(name, [(o, d, v * scale) for o, d, v in ties])
        for node, score in worked(name, ties).items():
            assert scaled[node] == (None if score is None else pytest.approx(score, rel=1e-9))
    assert any(score is not None for score in worked("rich_club_z", ties).values())


def test_world_concentration_is_to_the_last_bit_whatever_nodes_are_called() -> None:
    ties = random_ties(8)
    turned = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", reversed("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), strict=True))
    other = [("".join(turned.get(c, c) for c in o), "".join(turned.get(c, c) for c in d), v) for o, d, v in ties]
    for name in ("network_concentration_exports", "network_concentration_imports"):
        assert whole(name, ties) == whole(name, other)
