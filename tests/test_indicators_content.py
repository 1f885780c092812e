"""Value added in exports and technology content: identities, hypothetical extraction by brute force, real tables."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from table_support import random_table, summed, table, tables, with_an_idle_industry

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.io_table import IOTable, aggregate, technology_content
from weaponized_interdependence.io_table.content import technology_sectors
from weaponized_interdependence.schemas import SCORES
from weaponized_interdependence.sources.registry import read

QUIET = settings(deadline=None, max_examples=30)
ITEM = ("item",)


def nodes(t: IOTable, name: str) -> dict[str, float | None]:
    return dict(rank(None, name, table=t).select("node", "score").rows())


def sold_abroad(t: IOTable, s: int) -> np.ndarray:
    """Exports of the industries of one economy, by plain loops."""
    n, j, f = t.size
    found = np.zeros(n * j)
    for i in range(s * j, (s + 1) * j):
        found[i] = sum(t.Z[i, c] for c in range(n * j) if c // j != s)
        found[i] += sum(t.Y[i, c] for c in range(n * f) if c // f != s)
    return found


@QUIET
@given(tables())
def test_domestic_content_is_the_gdp_lost_without_exports(t: IOTable) -> None:
    n, j, f = t.size
    v, found = t.VA / t.x, nodes(t, "value_added_in_exports")
    for s, economy in enumerate(t.economies):
        # Los, Timmer and de Vries: the world in which s sells nothing abroad
        own = np.arange(n * j) // j == s
        a, y = t.Z / t.x, t.Y.copy()
        a[np.ix_(own, ~own)] = 0.0
        y[np.ix_(own, np.arange(n * f) // f != s)] = 0.0
        without = np.linalg.solve(np.eye(n * j) - a, y.sum(axis=1))
        lost = (v * (t.x - without))[own].sum()
        assert found[economy] == pytest.approx(lost / sold_abroad(t, s).sum(), rel=1e-9)


@QUIET
@given(tables())
def test_foreign_content_by_following_exports_upstream(t: IOTable) -> None:
    n, j, _ = t.size
    v, foreign = t.VA / t.x, nodes(t, "foreign_content")
    share = {
        (a, b): s
        for a, b, s in rank(None, "foreign_technology_content", table=t).select("node", "counterpart", "score").rows()
    }
    assert len(share) == n * (n - 1)
    for s, economy in enumerate(t.economies):
        sold = sold_abroad(t, s)
        made = (v * summed(t.Z / t.x, sold)).reshape(n, j).sum(axis=1) / sold.sum()
        assert made.sum() == pytest.approx(1)  # no taxes in this table: all of it is somebody's value added
        for k, holder in enumerate(t.economies):
            if k != s:
                assert share[holder, economy] == pytest.approx(made[k], rel=1e-9)
        assert foreign[economy] == pytest.approx(made.sum() - made[s], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_technology_content_is_the_indicator_and_adds_up(seed: int) -> None:
    t = random_table(seed, n=4, j=3, classification="WIOD13")
    n, j, _ = t.size
    frame = technology_content(t)
    assert frame.columns == ["jurisdiction", "node", "item", "share"]
    assert frame.height == n * n * (j + 1)
    assert frame.group_by("node", "item").agg(pl.col("share").sum())["share"].to_numpy() == pytest.approx(1)
    # the sum over disjoint sets of sectors is the whole
    keys = ["jurisdiction", "node", "item"]
    parts = [technology_content(t, sectors=[s]).rename({"share": s}) for s in t.sectors]
    joined = frame.join(parts[0], on=keys).join(parts[1], on=keys).join(parts[2], on=keys)
    assert joined.select(pl.sum_horizontal(t.sectors)).to_series().to_numpy() == pytest.approx(
        frame["share"].to_numpy()
    )
    # every sector by itself: v L of the definition
    L = np.linalg.inv(np.eye(n * j) - t.Z / t.x)
    plain = (np.diag(t.VA / t.x) @ L).reshape(n, j, n, j).sum(axis=1)
    cells = frame.filter(pl.col("item") != "ALL")["share"].to_numpy().reshape(n, n, j)
    assert cells == pytest.approx(plain)
    for by, kept in (((), pl.col("item") == "ALL"), (ITEM, pl.col("item") != "ALL")):
        scores = rank(None, "foreign_technology_content", table=t, by=by)
        pairs = frame.filter(kept).rename({"jurisdiction": "node", "node": "counterpart"})
        both = scores.join(pairs, on=["node", "counterpart", "item"])
        assert both.height == scores.height == pairs.filter(pl.col("node") != pl.col("counterpart")).height
        assert both["score"].to_numpy() == pytest.approx(both["share"].to_numpy())


def test_coalitions_of_holders_add_up() -> None:
    t = random_table(2, n=4)
    two = rank(None, "foreign_technology_content", table=t, jurisdiction=["E0", "E1", "E0+E1"], target=["E2", "E2+E3"])
    share = {(a, b): s for a, b, s in two.select("node", "counterpart", "score").rows()}
    for target in ("E2", "E2+E3"):
        assert share["E0+E1", target] == pytest.approx(share["E0", target] + share["E1", target])
    # a jurisdiction without an economy in the table has no number, and not a zero
    with pytest.raises(UsageError, match="jurisdiction USA has no flows here"):
        rank(None, "foreign_technology_content", table=t, jurisdiction=["USA"], target=["E3"])


def test_sectors_that_count_as_technology() -> None:
    t = random_table(1, n=2, j=14, classification="WIOD13")
    assert technology_sectors(t) == {"c9", "c13", "c14"}  # chemicals, machinery, electronics; c15 is not in this table
    assert technology_sectors(t, high=True) == {"c14"}
    high, medium, every = (
        rank(None, "foreign_technology_content", table=t, rd_intensity=level).sort("node") for level in (2, 1, 0)
    )
    for frame in (high, medium, every):
        assert frame["low"].to_numpy() == pytest.approx(high["score"].to_numpy())
        assert frame["high"].to_numpy() == pytest.approx(every["score"].to_numpy())
    assert (high["score"] < medium["score"]).all()
    assert (medium["score"] < every["score"]).all()
    by_hand = technology_content(t, sectors={"c9", "c13", "c14"}).filter(
        pl.col("item") == "ALL", pl.col("jurisdiction") != pl.col("node")
    )
    assert medium["score"].to_numpy() == pytest.approx(by_hand.sort("jurisdiction")["share"].to_numpy())
    assert set(every["basis"]) == {"assumed"}


@pytest.mark.parametrize(
    ("classification", "sectors", "medium", "high"),
    [
        ("ICIO2023", ("A01_02", "C20", "C21", "C26", "C29", "J62_63", "M", "D"),
         {"C20", "C21", "C26", "C29", "J62_63"}, {"C21", "C26"}),
        ("ICIO2018", ("01T03", "20T21", "26", "69T82", "84"), {"20T21", "26"}, {"26"}),
        ("ICIO2025", ("A01", "C301", "C302T309", "C24A"), {"C301", "C302T309"}, set()),
        ("ICIO2016", ("C01T05AGR", "C24CHM", "C30T33XCEQ", "C31ELQ", "C36T37OTM"),
         {"C24CHM", "C30T33XCEQ", "C31ELQ"}, {"C30T33XCEQ"}),
    ],
)  # fmt: skip
def test_technology_sectors_of_the_editions(
    classification: str, sectors: tuple[str, ...], medium: set[str], high: set[str]
) -> None:
    size = len(sectors)
    t = IOTable(
        "2018", ("A",), sectors, ("fd",), np.zeros((size, size)), np.ones((size, 1)), np.ones(size), np.ones(size),
        np.zeros(size), classification,
    )  # fmt: skip
    assert technology_sectors(t) == medium
    assert technology_sectors(t, high=True) == high


def test_unknown_sectors_are_refused_with_the_nearest() -> None:
    t = random_table(1, classification="WIOD13")
    with pytest.raises(UsageError, match="no such sector") as error:
        technology_content(t, sectors=["C1", "x"])
    for said in ("no sector 'C1'", "no sector 'x'", "did you mean c1"):
        assert said in str(error.value)
    other = random_table(1)
    with pytest.raises(UsageError, match="X are technology is not known") as error:
        rank(None, "foreign_technology_content", table=other, rd_intensity=1)
    assert "sectors=" in str(error.value)
    scores = rank(None, "foreign_technology_content", table=other)
    assert scores["low"].is_null().all()
    assert scores["score"].is_not_null().all()


@pytest.mark.parametrize("by", [(), ITEM])
def test_nothing_exported_is_not_defined(by: tuple[str, ...]) -> None:
    names = ["value_added_in_exports", "foreign_content", "foreign_technology_content"]
    t = with_an_idle_industry(random_table(5, n=2, j=2), 1)
    scores = rank(None, names, table=t, by=by)
    assert SCORES.conform(scores).equals(scores)
    exporter = pl.coalesce("counterpart", "node")
    idle = (exporter == "E0") & (pl.col("item") == "X:c2")
    assert scores.filter(idle)["score"].is_null().all()
    assert scores.filter(~idle)["score"].is_between(0, 1).all()
    alone = table([[1.0]], [[3.0]], 1)
    assert rank(None, names, table=alone, by=by)["score"].to_list() == [None, None]
    # cells below zero: stocks drawn down abroad are no exports, and a loss is no reason to stop
    odd = table([[1, 2], [3, 0]], [[3, -2], [-3, 9]], 2)
    assert rank(None, names, table=odd, by=by)["score"].drop_nulls().is_finite().all()


def test_wiod_2011_foreign_content_of_exports(shared_data: Path) -> None:
    t = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert t is not None
    foreign, own = nodes(t, "foreign_content"), nodes(t, "value_added_in_exports")
    # Wide windows round what WIOD and TiVA studies say for these years: Germany a quarter to a third, China a fifth to
    # a third, the United States and Russia little, Taiwan and Luxembourg most.
    assert 0.25 < foreign["DEU"] < 0.34
    assert 0.18 < foreign["CHN"] < 0.33
    assert 0.10 < foreign["USA"] < 0.18
    assert foreign["RUS"] < 0.10
    assert sorted(foreign, key=foreign.__getitem__, reverse=True)[:3] == ["LUX", "TWN", "CZE"]
    for economy in t.economies:
        assert 0.9 < foreign[economy] + own[economy] <= 1.0  # the rest: taxes, margins, what returns
    # no table from the paper is at hand: the split by source is held against a plain inverse
    n, j, _ = t.size
    L = np.linalg.inv(np.eye(n * j) - t.A)
    v = np.where(t.x > 0, t.VA / np.where(t.x > 0, t.x, 1), 0)
    usa, chn = t.economies.index("USA"), t.economies.index("CHN")
    sold = sold_abroad(t, chn)
    want = (v * (L @ sold))[usa * j : (usa + 1) * j].sum() / sold.sum()
    pair = rank(None, "foreign_technology_content", table=t, jurisdiction=["USA"], target=["CHN"])
    assert pair["score"].item() == pytest.approx(want, rel=1e-9)
    assert 0.01 < pair["score"].item() < 0.05
    # electronics hold more foreign technology than the mean of exports
    parts = rank(None, "foreign_technology_content", table=t, by=ITEM, jurisdiction=["USA"], target=["CHN"])
    electronics = parts.filter(pl.col("item") == "WIOD13:c14")["score"].item()
    assert electronics > pair["score"].item()


def test_wiod_fragmentation_grew(shared_data: Path) -> None:
    """Timmer and others: the foreign part of exports rose in most economies from 2000 to 2007."""
    found = []
    for year in ("2000", "2007"):
        t = read("wiod", shared_data / f"mrio/wiod13/wiod13_{year}_long.parquet").table
        assert t is not None
        found.append(nodes(t, "foreign_content"))
    rose = [e for e in found[0] if found[1][e] > found[0][e]]
    assert len(rose) > 2 / 3 * len(found[0])
    assert {"DEU", "JPN", "POL", "CZE", "USA"} <= set(rose)


def test_aggregated_sectors_have_no_declared_technology() -> None:
    t = aggregate(random_table(1, classification="WIOD13"), sectors={"c1": "c2"})
    with pytest.raises(UsageError, match="not known"):
        technology_sectors(t)


def test_exports_of_a_group_are_what_leaves_it() -> None:
    t = random_table(2, n=4)
    n, j, f = t.size
    L = np.linalg.inv(np.eye(n * j) - t.Z / t.x)
    content = (t.VA / t.x)[:j] @ L[:j]  # value added of E0 in a dollar of every industry
    group = {2, 3}
    sold = np.zeros(n * j)
    for i in range(2 * j, 4 * j):
        sold[i] = sum(t.Z[i, c] for c in range(n * j) if c // j not in group)
        sold[i] += sum(t.Y[i, c] for c in range(n * f) if c // f not in group)
    options = {"table": t, "jurisdiction": ["E0"], "target": ["E2+E3"]}
    assert rank(None, "foreign_technology_content", **options)["score"].item() == pytest.approx(
        content @ sold / sold.sum()
    )
    parts = rank(None, "foreign_technology_content", by=ITEM, **options).sort("item")["score"].to_numpy()
    grid, weight = content.reshape(n, j), sold.reshape(n, j)
    assert parts == pytest.approx((grid * weight).sum(axis=0) / weight.sum(axis=0))


def test_wiod_2011_content_of_what_leaves_the_european_union(shared_data: Path) -> None:
    t = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert t is not None
    found = rank(None, "foreign_technology_content", table=t, jurisdiction=["USA"], target=["EU"])
    # 0.0298 would be the content of what members sell anyone, each other included
    assert found["score"].item() == pytest.approx(0.0328, abs=5e-5)
