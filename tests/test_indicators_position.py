"""Upstreamness, downstreamness and structural paths: sums over chains, published properties, real tables."""

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_support import random_table, summed, table, tables, with_an_idle_industry

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.schemas import SCORES
from weaponized_interdependence.sources.registry import read

FAMILY = ["upstreamness", "downstreamness", "structural_path_betweenness"]
QUIET = settings(deadline=None, max_examples=30)


def by_industry(t: IOTable, name: str) -> np.ndarray:
    """Scores in the order of the table's rows, NaN where null."""
    found = {(n, i): s for n, i, s in rank(None, name, table=t, by=("item",)).select("node", "item", "score").rows()}
    keys = [(e, f"{t.classification}:{s}") for e in t.economies for s in t.sectors]
    assert set(found) == set(keys)
    return np.array([np.nan if found[k] is None else found[k] for k in keys], dtype=float)


def by_economy(t: IOTable, name: str) -> np.ndarray:
    scores = rank(None, name, table=t)
    assert set(scores["item"]) == {"ALL"}
    found = dict(scores.select("node", "score").rows())
    return np.array([np.nan if found[e] is None else found[e] for e in t.economies], dtype=float)


@QUIET
@given(tables())
def test_stages_are_sums_over_chains(t: IOTable) -> None:
    up, down = by_industry(t, "upstreamness"), by_industry(t, "downstreamness")
    # the definition of Antras et al.: 1 f/x + 2 A f/x + 3 A^2 f/x + ...
    f, term, want = t.Y.sum(axis=1), t.Y.sum(axis=1), np.zeros(len(t.x))
    for stage in range(1, 2000):
        want = want + stage * term
        term = t.Z / t.x @ term
    assert up == pytest.approx(want / t.x, rel=1e-9)
    assert summed(t.Z / t.x, f) == pytest.approx(t.x)
    assert down == pytest.approx(summed((t.Z / t.x).T, np.ones(len(t.x))), rel=1e-9)
    assert (up >= 1).all()
    assert (down >= 1).all()
    # Antras and Chor: the two measures have the same mean over the world
    assert np.average(up, weights=t.x) == pytest.approx(np.average(down, weights=t.x), rel=1e-12)
    n, j, _ = t.size
    for name, each in (("upstreamness", up), ("downstreamness", down)):
        mean = (each * t.x).reshape(n, j).sum(axis=1) / t.x.reshape(n, j).sum(axis=1)
        assert by_economy(t, name) == pytest.approx(mean, rel=1e-12)


def test_a_chain_of_three_counts_its_stages() -> None:
    z = np.zeros((3, 3))
    z[0, 1], z[1, 2] = 4, 6
    chain = table(z, [[0, 0, 0], [0, 0, 0], [0, 0, 10]], 3)
    assert by_economy(chain, "upstreamness") == pytest.approx([3, 2, 1])
    # C buys six tenths of its value at B's 1 + 4/6
    assert by_economy(chain, "downstreamness") == pytest.approx([1, 1 + 4 / 6, 1 + 0.6 * (1 + 4 / 6)])


def walks(a: np.ndarray, v: np.ndarray, y: np.ndarray, longest: int) -> np.ndarray:
    """Chains of up to `longest` stages written out one by one; each counts for i as often as i stands inside it."""
    passed = np.zeros(len(y))
    for length in range(3, longest + 1):
        for walk in product(range(len(y)), repeat=length):
            weight = v[walk[0]] * y[walk[-1]]
            for buyer, seller in zip(walk[1:], walk[:-1], strict=True):
                weight *= a[seller, buyer]
            for inside in walk[1:-1]:
                passed[inside] += weight
    return passed


@pytest.mark.parametrize("seed", range(5))
def test_structural_paths_against_chains_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, y = rng.random((3, 3)), 40 * rng.random((3, 3)) + 10  # chains fade by a factor of ten or more a stage
    t = table(z, y, 3)
    want = walks(t.A, t.VA / t.x, t.Y.sum(axis=1), 9)
    assert by_economy(t, "structural_path_betweenness") == pytest.approx(want, rel=1e-6)
    # no cycle: the chains written out are all there are
    z[np.tril_indices(3)] = 0
    t = table(z, y, 3)
    want = walks(t.A, t.VA / t.x, t.Y.sum(axis=1), 3)
    assert by_economy(t, "structural_path_betweenness") == pytest.approx(want, rel=1e-12)


@QUIET
@given(tables())
def test_structural_paths_of_an_economy_are_the_sum_of_its_industries(t: IOTable) -> None:
    n, j, _ = t.size
    each = by_industry(t, "structural_path_betweenness")
    assert by_economy(t, "structural_path_betweenness") == pytest.approx(each.reshape(n, j).sum(axis=1), rel=1e-12)
    x, v, y = np.diag(t.x), t.VA / t.x, t.Y.sum(axis=1)
    T = t.A @ np.linalg.inv(np.eye(len(x)) - t.A)
    want = [v @ T @ np.diag(np.eye(len(v))[i]) @ T @ y for i in range(len(v))]  # v T J_i T y as written
    assert each == pytest.approx(want, rel=1e-9, abs=1e-12)


def test_pymrio_agrees_on_the_sums_of_both_inverses() -> None:
    pymrio = pytest.importorskip("pymrio", reason="pymrio, an independent library, is not installed")
    import pandas as pd

    t = random_table(3, n=4, j=5)
    Z, x = pd.DataFrame(t.Z), pd.Series(t.x)
    G = pymrio.calc_G(pymrio.calc_B(Z, x))
    assert by_industry(t, "upstreamness") == pytest.approx(G.sum(axis=1).to_numpy(), rel=1e-12)
    L = pymrio.calc_L(pymrio.calc_A(Z, x))
    assert by_industry(t, "downstreamness") == pytest.approx(L.sum(axis=0).to_numpy(), rel=1e-12)
    every = np.arange(len(t.x))[None, :]
    assert LeontiefSystem(t).blocks(every)[0] == pytest.approx(L.to_numpy(), rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("by", [(), ("item",)])
@pytest.mark.parametrize("name", FAMILY)
def test_order_names_and_unit_carry_no_meaning(name: str, by: tuple[str, ...]) -> None:
    t = random_table(11, n=4, j=3, f=1)
    n, j, f = t.size
    order = np.array([2, 0, 3, 1])
    rows, columns = (order[:, None] * j + np.arange(j)).ravel(), (order[:, None] * f + np.arange(f)).ravel()
    other = IOTable(
        t.period, tuple(t.economies[k] for k in order), t.sectors, t.demands, t.Z[np.ix_(rows, rows)],
        t.Y[np.ix_(rows, columns)], t.VA[rows], t.x[rows], t.other[rows], t.classification,
    )  # fmt: skip
    first, second = (rank(None, name, table=made, by=by).sort("item", "node") for made in (t, other))
    assert first["node"].to_list() == second["node"].to_list()
    assert second["score"].to_numpy() == pytest.approx(first["score"].to_numpy(), rel=1e-10)
    thousand = table(1000 * t.Z, 1000 * t.Y, n)
    factor = 1000 if name == "structural_path_betweenness" else 1
    scaled = rank(None, name, table=thousand, by=by).sort("item", "node")
    assert scaled["score"].to_numpy() == pytest.approx(factor * first["score"].to_numpy(), rel=1e-10)


@pytest.mark.parametrize("by", [(), ("item",)])
def test_an_industry_without_output_has_no_score(by: tuple[str, ...]) -> None:
    t = with_an_idle_industry(random_table(5, n=2, j=2), 1)
    scores = rank(None, FAMILY, table=t, by=by)
    assert SCORES.conform(scores).equals(scores)
    assert set(scores["basis"]) == {"estimated"}
    idle = (pl.col("node") == "E0") & (pl.col("item") == "X:c2")
    if by:
        assert scores.filter(idle)["score"].is_null().all()
        assert scores.filter(idle)["rank"].is_null().all()
    assert scores.filter(~idle)["score"].is_not_null().all()
    # nor does an economy of nothing else
    nothing = with_an_idle_industry(t, 0)
    assert rank(None, FAMILY, table=nothing, by=by).filter(pl.col("node") == "E0")["score"].is_null().all()


def test_negative_value_added_is_computed_with_and_chains_without_end_are_refused() -> None:
    t = table([[2, 4], [6, 0]], [[3, 0], [0, 1]], 2)
    loss = table(t.Z, t.Y, 2, VA=t.VA - 3, other=np.array([3.0, 3.0]))
    assert (loss.VA < 0).any()
    assert rank(None, FAMILY, table=loss)["score"].is_not_null().all()
    with pytest.raises(ModelError, match="singular") as error:
        rank(None, "upstreamness", table=table([[0, 5], [5, 0]], [[0, 0], [0, 0]], 2))
    assert "value added" in str(error.value)
    heavy = table([[0, 9], [9, 0]], [[-4, 0], [0, -4]], 2)  # inputs above output: the inverse has negative cells
    with pytest.raises(ModelError, match=r"never end .*E0_c1"):
        rank(None, "upstreamness", table=heavy)


@given(tables(), st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_solves_and_blocks_are_those_of_the_inverse(t: IOTable, column: int) -> None:
    system, plain = LeontiefSystem(t), np.linalg.inv(np.eye(len(t.x)) - t.A)
    some = np.array([[0, len(t.x) - 1], [1, 0]])
    assert system.blocks(some) == pytest.approx(plain[some[:, :, None], some[:, None, :]], rel=1e-9, abs=1e-12)
    assert system.blocks(some[:, :1])[:, 0, 0] == pytest.approx(np.diag(plain)[some[:, 0]], rel=1e-9)
    assert system.leontief_left(t.VA) == pytest.approx(t.VA @ plain, rel=1e-9)
    assert system.leontief_left(np.stack([t.VA, t.x])) == pytest.approx(np.stack([t.VA, t.x]) @ plain, rel=1e-9)
    assert system.stages == pytest.approx(plain.sum(axis=0), rel=1e-9)
    one = np.eye(len(t.x))[column % len(t.x)]
    assert system.leontief(one) == pytest.approx(plain @ one, rel=1e-9, abs=1e-12)


def test_blocks_where_rows_were_swapped() -> None:
    """Inputs above output in one column: the factorisation swaps rows, and the blocks must know."""
    t = table([[1, 9, 1], [8, 1, 2], [1, 3, 1]], [[1, 0, 0], [0, 20, 0], [0, 0, 30]], 3)
    assert t.A.sum(axis=0).max() > 0.8
    x = np.array([2.0, 40.0, 40.0])  # E0 pays five times what it sells
    swapped = IOTable("2020", t.economies, t.sectors, t.demands, t.Z, t.Y, x - t.Z.sum(axis=0), x, t.other, "X")
    system = LeontiefSystem(swapped)
    assert (system._lu[1] != np.arange(3)).any()
    plain = np.linalg.inv(np.eye(3) - swapped.A)
    assert system.blocks(np.array([[0, 1, 2]]))[0] == pytest.approx(plain)
    assert system.blocks(np.array([[2], [0]]))[:, 0, 0] == pytest.approx(plain[[2, 0], [2, 0]])


@pytest.mark.parametrize("year", ["2000", "2007", "2011"])
def test_wiod_mining_is_far_upstream_and_health_is_not(shared_data: Path, year: str) -> None:
    t = read("wiod", shared_data / f"mrio/wiod13/wiod13_{year}_long.parquet").table
    assert t is not None
    n, j, _ = t.size
    up, down = by_industry(t, "upstreamness"), by_industry(t, "downstreamness")
    active = t.x > 0
    assert (np.isnan(up) == ~active).all()
    weight = t.x[active]
    # Antras and Chor: equal world means; about two stages in every year of WIOD
    assert np.average(up[active], weights=weight) == pytest.approx(np.average(down[active], weights=weight), rel=1e-9)
    assert 1.8 < np.average(up[active], weights=weight) < 2.4
    x = t.x.reshape(n, j)
    mean = dict(
        zip(t.sectors, np.nansum(up.reshape(n, j) * x, axis=0) / np.where(x.sum(axis=0) > 0, x.sum(axis=0), 1),
            strict=True)
    )  # fmt: skip
    # mining c2 and metals c12 feed others; construction c18, health c33, education c32, public administration c31 end
    assert min(mean["c2"], mean["c12"]) > 2.7
    assert max(mean[s] for s in ("c18", "c31", "c32", "c33")) < 1.7
    scores = rank(None, "upstreamness", table=t)
    assert scores["node"][0] == "CHN" or year == "2000"
    assert scores["score"].is_between(1.3, 3.2).all()


def test_wiod_the_largest_transmitters_are_large_and_in_the_middle(shared_data: Path) -> None:
    t = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert t is not None
    assert rank(None, "structural_path_betweenness", table=t, top=3)["node"].to_list() == ["CHN", "ROW", "USA"]
    top = rank(None, "structural_path_betweenness", table=t, by=("item",))
    china = top.filter(pl.col("node") == "CHN").sort("score", descending=True)["item"].head(5).to_list()
    assert "WIOD13:c12" in china  # metals
    assert "WIOD13:c33" not in china  # health stands at the end
