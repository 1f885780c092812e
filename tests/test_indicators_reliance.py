"""Reliance on foreign inputs and markets, and hypothetical extraction: by series, by brute force, on real tables."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from table_support import random_table, summed, table, tables, with_an_idle_industry

from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import SCORES
from weaponized_interdependence.sources.registry import read

QUIET = settings(deadline=None, max_examples=30)
ITEM = ("item",)
RELIANCE = ["foreign_input_reliance", "foreign_input_reliance_face", "hidden_exposure", "foreign_market_reliance"]
EXTRACTION = ["extraction_loss", "extraction_loss_target"]


def pairs(scores: pl.DataFrame) -> dict[tuple[str, str], float | None]:
    return {(n, c): s for n, c, s in scores.select("node", "counterpart", "score").rows()}


@QUIET
@given(tables())
def test_input_reliance_counts_production_behind_inputs(t: IOTable) -> None:
    n, j, _ = t.size
    a = t.Z / t.x
    behind = summed(a, a)  # A + A^2 + ...
    for by in ((), ITEM):
        frames = {name: rank(None, name, table=t, by=by) for name in RELIANCE[:3]}
        for b in range(n):
            for k in range(j):
                users = np.zeros(n * j)
                if by:
                    users[b * j + k] = 1.0
                else:
                    users[b * j : (b + 1) * j] = t.x[b * j : (b + 1) * j]
                item = f"X:{t.sectors[k]}" if by else "ALL"
                here = {name: pairs(f.filter(pl.col("item") == item)) for name, f in frames.items()}
                through = (behind @ users).reshape(n, j).sum(axis=1)
                face = (a @ users).reshape(n, j).sum(axis=1)
                for c in range(n):
                    if b == c:
                        assert (t.economies[b], t.economies[c]) not in here["hidden_exposure"]
                        continue
                    key = (t.economies[b], t.economies[c])
                    if face.sum() == 0:
                        assert here["foreign_input_reliance_face"][key] is None
                        continue
                    want = through[c] / through.sum(), face[c] / face.sum()
                    assert here["foreign_input_reliance"][key] == pytest.approx(want[0], rel=1e-9, abs=1e-12)
                    assert here["foreign_input_reliance_face"][key] == pytest.approx(want[1], rel=1e-9, abs=1e-12)
                    assert here["hidden_exposure"][key] == pytest.approx(want[0] - want[1], rel=1e-9, abs=1e-12)


@QUIET
@given(tables())
def test_market_reliance_follows_output_to_final_demand(t: IOTable) -> None:
    n, j, f = t.size
    got = pairs(rank(None, "foreign_market_reliance", table=t))
    sector = rank(None, "foreign_market_reliance", table=t, by=ITEM)
    for c in range(n):
        ends = summed(t.Z / t.x, t.Y[:, c * f : (c + 1) * f].sum(axis=1))
        for s in range(n):
            if s != c:
                own = slice(s * j, (s + 1) * j)
                want = ends[own].sum() / t.x[own].sum()  # the demands of all economies make all output
                assert got[t.economies[s], t.economies[c]] == pytest.approx(want, rel=1e-9)
                rows = sector.filter(pl.col("node") == t.economies[s], pl.col("counterpart") == t.economies[c])
                assert rows.sort("item")["score"].to_numpy() == pytest.approx(ends[own] / t.x[own], rel=1e-9)


def without(t: IOTable, rows: np.ndarray) -> np.ndarray:
    """Output when rows, columns and final demand of some industries are zero: solved anew."""
    a, y = t.A.copy(), t.Y.sum(axis=1)
    a[rows], a[:, rows], y[rows] = 0.0, 0.0, 0.0
    return np.linalg.solve(np.eye(len(y)) - a, y)


@QUIET
@given(tables())
def test_extraction_against_solving_anew(t: IOTable) -> None:
    n, j, _ = t.size
    v, gdp = t.VA / t.x, t.VA.reshape(n, j).sum(axis=1)
    whole, target = (rank(None, name, table=t) for name in EXTRACTION)
    parts, cells = (rank(None, name, table=t, by=ITEM) for name in EXTRACTION)
    shares = {k: s for *k, s in parts.select("node", "item", "score").rows() for k in [tuple(k)]}
    losses = {k: s for *k, s in cells.select("node", "counterpart", "item", "score").rows() for k in [tuple(k)]}
    for e, economy in enumerate(t.economies):
        rows = np.arange(e * j, (e + 1) * j)
        for gone, item in [(rows, "ALL"), *((rows[k : k + 1], f"X:{t.sectors[k]}") for k in range(j))]:
            lost = t.x - without(t, gone)
            share = dict(whole.select("node", "score").rows())[economy] if item == "ALL" else shares[economy, item]
            assert share == pytest.approx(lost.sum() / t.x.sum(), rel=1e-9)
            for o, other in enumerate(t.economies):
                if o != e:
                    want = (v * lost)[o * j : (o + 1) * j].sum() / gdp[o]
                    got = pairs(target)[economy, other] if item == "ALL" else losses[economy, other, item]
                    assert got == pytest.approx(want, rel=1e-8, abs=1e-12)


def test_miller_and_blair(shared_reference: Path) -> None:
    examples = json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))
    case = next(e for e in examples if e["id"] == "leontief_miller_blair")
    t = table(case["graph"]["Z"], np.diag(case["graph"]["f"]), 2)
    assert t.x.tolist() == case["graph"]["x"]
    losses = [float(np.divide(*map(int, text.split("/")))) for text in case["expected"]["extraction_loss"]]
    scores = dict(rank(None, "extraction_loss", table=t).select("node", "score").rows())
    assert [scores["E0"] * 3000, scores["E1"] * 3000] == pytest.approx(losses, rel=1e-12)
    one = table(case["graph"]["Z"], np.array(case["graph"]["f"])[:, None], 1)  # two industries of one economy
    each = rank(None, "extraction_loss", table=one, by=ITEM).sort("item")["score"].to_numpy()
    assert each * 3000 == pytest.approx(losses, rel=1e-12)


@pytest.mark.parametrize("by", [(), ITEM])
def test_a_coalition_is_extracted_together(by: tuple[str, ...]) -> None:
    t = random_table(4, n=4, j=2)
    n, j, _ = t.size
    scores = rank(None, EXTRACTION, table=t, by=by, jurisdiction=["E0+E2"], target=["E1", "E1+E3"])
    both = scores.filter(pl.col("node") == "E0+E2")
    for k, item in enumerate([f"X:{s}" for s in t.sectors] if by else ["ALL"]):
        rows = np.array([0 * j + k, 2 * j + k] if by else [0, 1, 4, 5])
        lost, here = t.x - without(t, rows), both.filter(pl.col("item") == item)
        world = here.filter(pl.col("indicator") == "extraction_loss")["score"].item()
        assert world == pytest.approx(lost.sum() / t.x.sum(), rel=1e-9)
        added, vlost = t.VA.reshape(n, j).sum(axis=1), (t.VA / t.x * lost).reshape(n, j).sum(axis=1)
        got = {c: s for (_, c), s in pairs(here).items() if c}
        assert got["E1"] == pytest.approx(vlost[1] / added[1], rel=1e-8)
        assert got["E1+E3"] == pytest.approx((vlost[1] + vlost[3]) / (added[1] + added[3]), rel=1e-8)


@pytest.mark.parametrize("by", [(), ITEM])
@pytest.mark.parametrize("name", RELIANCE + EXTRACTION)
def test_scores_order_names_and_unit(name: str, by: tuple[str, ...]) -> None:
    t = random_table(9, n=4, j=3, f=1)
    j = len(t.sectors)
    scores = rank(None, name, table=t, by=by)
    assert SCORES.conform(scores).equals(scores)
    assert set(scores["basis"]) == {"estimated"}
    order = np.array([1, 3, 0, 2])
    rows = (order[:, None] * j + np.arange(j)).ravel()
    other = IOTable(
        t.period, tuple(t.economies[k] for k in order), t.sectors, t.demands, 1000 * t.Z[np.ix_(rows, rows)],
        1000 * t.Y[np.ix_(rows, order)], 1000 * t.VA[rows], 1000 * t.x[rows], t.other[rows], t.classification,
    )  # fmt: skip
    keys = ["item", "node", "counterpart"]
    first, second = scores.sort(keys), rank(None, name, table=other, by=by).sort(keys)
    assert first.select(keys).equals(second.select(keys))
    assert second["score"].to_numpy() == pytest.approx(first["score"].to_numpy(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("by", [(), ITEM])
def test_idle_industries_and_losses_do_not_stop_it(by: tuple[str, ...]) -> None:
    t = with_an_idle_industry(random_table(5, n=3, j=2), 1)
    idle = (pl.col("node") == "E0") & (pl.col("item") == "X:c2")
    scores = rank(None, RELIANCE + EXTRACTION, table=t, by=by)
    assert scores.filter(idle)["score"].is_null().all()
    assert scores.filter(~idle)["score"].is_between(-1, 1).all()
    nothing = with_an_idle_industry(t, 0)
    gone = rank(None, RELIANCE + EXTRACTION, table=nothing, by=by)
    assert gone.filter(pl.col("node") == "E0")["score"].is_null().all()
    assert (
        gone.filter(pl.col("indicator") == "extraction_loss_target", pl.col("counterpart") == "E0")["score"]
        .is_null()
        .all()
    )
    loss = table(t.Z, t.Y, 3, VA=t.VA - 3 * (np.arange(6) == 2), other=3.0 * (np.arange(6) == 2))
    assert rank(None, RELIANCE + EXTRACTION, table=loss, by=by)["score"].drop_nulls().is_finite().all()


def test_wiod_2011(shared_data: Path) -> None:
    t = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert t is not None
    n, j, _ = t.size
    scores = rank(None, RELIANCE + EXTRACTION, table=t)
    found = {name: pairs(scores.filter(pl.col("indicator") == name)) for name in RELIANCE + EXTRACTION}
    # North America hangs on the United States, on both sides, and Taiwan on China's market
    through, market = found["foreign_input_reliance"], found["foreign_market_reliance"]
    for neighbour in ("MEX", "CAN"):
        for reliance in (through, market):
            own = {c: s for (e, c), s in reliance.items() if e == neighbour and c != "ROW"}
            assert max(own, key=own.__getitem__) == "USA"
            assert own["USA"] > 5 * reliance["USA", neighbour]
    # Baldwin and others: reliance on China is larger looked through than at face value, for (nearly) everyone
    hidden = {e: found["hidden_exposure"][e, "CHN"] for e in t.economies if e != "CHN"}
    assert sum(h > 0 for h in hidden.values()) >= 38
    assert hidden["MEX"] > 0.03
    assert through["USA", "CHN"] > 2 * found["foreign_input_reliance_face"]["USA", "CHN"] > 0.005
    world = {e: s for (e, _), s in found["extraction_loss"].items()}
    assert sorted(world, key=world.__getitem__, reverse=True)[:5] == ["USA", "ROW", "CHN", "JPN", "DEU"]
    # against solving anew: Germany out, and what Czech GDP loses
    germany, czech = t.economies.index("DEU"), t.economies.index("CZE")
    a, y = t.A.copy(), t.x - t.A @ t.x  # what is sold to no industry, the publisher's rounding with it
    rows = np.arange(germany * j, (germany + 1) * j)
    a[rows], a[:, rows], y[rows] = 0.0, 0.0, 0.0
    lost = t.x - np.linalg.solve(np.eye(n * j) - a, y)
    assert world["DEU"] == pytest.approx(lost.sum() / t.x.sum(), rel=1e-9)
    own = slice(czech * j, (czech + 1) * j)
    v = np.where(t.x > 0, t.VA / np.where(t.x > 0, t.x, 1), 0)
    want = (v * lost)[own].sum() / t.VA[own].sum()
    assert found["extraction_loss_target"]["DEU", "CZE"] == pytest.approx(want, rel=1e-8)
    assert max((s, e) for (e, c), s in found["extraction_loss_target"].items() if c == "CZE")[1] in ("DEU", "ROW")
