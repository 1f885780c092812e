"""The input-output container against slow loops, closed forms, an SQL engine and published totals."""

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import InputError, OutputError, UsageError
from weaponized_interdependence.io_table import (
    IOTable,
    aggregate,
    balance,
    goods_sectors,
    negative_flows,
    read_table,
    refuse_unbalanced,
    review,
    spectral_radius,
    to_flows,
    write_table,
)
from weaponized_interdependence.schemas import FLOWS

ECONOMIES, SECTORS, DEMANDS = ("USA", "CHN", "NAM"), ("c1", "c2", "c30", "c17"), ("c37", "c42")


def make(seed: int = 0, *, n: int = 3, j: int = 4, f: int = 2, zeros: float = 0.2, **changes: Any) -> IOTable:
    """A random table whose rows and columns balance exactly up to floating point."""
    rng = np.random.default_rng(seed)
    Z = rng.lognormal(0, 1, (n * j, n * j)) * (rng.random((n * j, n * j)) >= zeros)
    Y = rng.lognormal(1, 1, (n * j, n * f)) * (rng.random((n * j, n * f)) >= zeros)
    other = rng.normal(0, 0.1, n * j)
    x = Z.sum(1) + Y.sum(1) + 1.0
    Y[:, 0] += 1.0
    economies = ECONOMIES[:n] if n <= 3 else tuple(f"E{i:02d}" for i in range(n))
    sectors = SECTORS[:j] if j <= 4 else tuple(f"c{i + 1}" for i in range(j))
    fields: dict[str, Any] = {
        "period": "2011",
        "economies": economies,
        "sectors": sectors,
        "demands": DEMANDS[:f],
        "Z": Z,
        "Y": Y,
        "VA": x - Z.sum(0) - other,
        "x": x,
        "other": other,
        "classification": "WIOD13",
    }
    return IOTable(**fields | changes)


# --- the container ----------------------------------------------------------------------------------------------------


def test_every_fault_of_a_container_is_named_at_once() -> None:
    good = make()
    bad = np.array(good.Z)
    bad[0, 0], bad[1, 1] = np.nan, np.inf
    with pytest.raises(InputError) as caught:
        IOTable(
            period="last year", economies=("USA", "USA"), sectors=("c1", "c37"), demands=("c37",), Z=bad,
            Y=np.zeros((4, 2)), VA=np.zeros(4), x=np.zeros(4), other=np.array([1.0, np.nan, 0, 0]), classification="X",
            basis="guessed", sector_names=("one",),
        )  # fmt: skip
    said = str(caught.value)
    for part in (
        "Z has shape (12, 12), the labels say (4, 4)",
        "other has 1 cell(s) that are not finite",
        "a economy is named twice",
        "c37 names both a sector and a final demand",
        "1 sector names for 2 sectors",
        "'last year' is not a period",
        "'guessed' is not a basis",
    ):
        assert part in said


def test_arrays_are_frozen_and_labels_follow_the_rows() -> None:
    table = make()
    with pytest.raises(ValueError, match="read-only"):
        table.Z[0, 0] = 1.0
    assert table.labels[table.rows_of("CHN")] == ("CHN_c1", "CHN_c2", "CHN_c30", "CHN_c17")
    assert table.Y[:, table.demands_of("NAM")].shape == (12, 2)
    assert table.size == (3, 4, 2)
    assert not table.discrepancy.any()


def test_coefficients_are_shares_of_output_and_idle_industries_are_zero() -> None:
    table = make()
    Z, Y, x = np.array(table.Z), np.array(table.Y), np.array(table.x)
    Z[2], Z[:, 2], Y[2], x[2] = 0, 0, 0, 0
    table = replace(table, Z=Z, Y=Y, x=x)
    for i, k in product(range(12), range(12)):
        assert table.A[i, k] == (Z[i, k] / x[k] if x[k] else 0.0)
    assert "USA_c30" in review(table).idle
    assert review(table).stray == ()


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_balance_is_the_largest_and_the_total_gap() -> None:
    table = make()
    assert balance(table).columns.total < 1e-14
    assert balance(table).rows.allowed
    VA = np.array(table.VA)
    VA[5] += 0.5
    held = balance(replace(table, VA=VA))
    assert held.columns.total == pytest.approx(0.5 / table.x.sum())
    assert held.columns.largest == pytest.approx(0.5 / table.x[5])
    name, total, output = held.columns.worst[0]
    assert (name, output) == ("CHN_c2", table.x[5])
    assert total == pytest.approx(output + 0.5)
    assert not held.columns.allowed
    assert held.rows.total < 1e-14


def test_a_table_that_does_not_add_up_is_refused_with_its_worst_lines(tmp_path: Path) -> None:
    Z = np.array(make().Z)
    Z[1, 8:] *= 1000  # what USA_c2 sells to the last economy
    damaged, path = replace(make(), Z=Z), tmp_path / "t.parquet"
    write_table(damaged, path)
    with pytest.raises(InputError) as caught:
        read_table(path)
    said = str(caught.value)
    assert str(path) in said
    assert "wi load" in said  # the mend
    assert "discrepancy" in said
    assert "rows, USA_c2: " in said
    assert "rows, USA_c1: " not in said  # nothing is amiss there
    assert re.search(r"columns, NAM_c\d+: ", said)
    assert same(read_table(path, balanced=False), damaged)


def test_a_slip_in_a_small_economy_is_not_lost_in_the_world() -> None:
    size = np.repeat([1e6, 1e6, 1.0], 4)
    Z, Y = np.diag(size), np.kron(np.diag([1e6, 1e6, 1.0]), np.ones((4, 2)))
    table = make(Z=Z, Y=Y, x=3 * size, VA=2 * size, other=0 * size)
    refuse_unbalanced(table)
    Y = np.array(Y)
    Y[8:, 4] *= 1.2  # 0.2 of 3 of NAM, and less than a millionth of the world
    held = balance(replace(table, Y=Y)).rows
    assert held.economy == ("NAM", pytest.approx(0.2 / 3))
    refuse_unbalanced(replace(table, Y=Y))  # publishers come to that
    more = np.array(Y)
    more[8:, 4] *= 1.2
    assert balance(replace(table, Y=more)).rows.total < 1e-6
    with pytest.raises(InputError, match=r"14\.7% of that of NAM"):
        refuse_unbalanced(replace(table, Y=more))


def test_what_a_table_says_it_leaves_out_is_not_amiss() -> None:
    whole = make()
    part = make(Y=np.zeros_like(whole.Y), VA=0 * whole.VA, x=whole.x)
    with pytest.raises(InputError, match="do not add up"):
        refuse_unbalanced(part)
    stated = replace(part, other=part.x - part.Z.sum(0) - part.VA, discrepancy=part.x - part.Z.sum(1) - part.Y.sum(1))
    refuse_unbalanced(stated)


@pytest.mark.parametrize("cut", [np.round, np.trunc])
def test_rounding_is_allowed_for_and_more_is_not(cut: Any) -> None:
    exact = make(3, n=6, j=5, zeros=0)
    parts = {k: cut(getattr(exact, k) * 10) for k in ("Z", "Y", "VA", "x", "other")}
    table = replace(exact, **parts)
    assert not balance(table).rows.allowed
    assert balance(table, step=1.0).rows.allowed
    assert balance(table, step=1.0).columns.allowed
    x = np.array(table.x)
    x[7] += len(x) + table.Y.shape[1] + 50
    assert not balance(replace(table, x=x), step=1.0).rows.allowed


def test_a_table_without_output_does_not_divide_by_zero() -> None:
    empty = make(Z=np.zeros((12, 12)), Y=np.zeros((12, 6)), VA=np.zeros(12), x=np.zeros(12), other=np.zeros(12))
    assert balance(empty).rows.total == 0.0
    assert len(review(empty).idle) == 12
    assert review(empty).spectral_radius == 0.0
    wrong = replace(empty, VA=np.ones(12))
    assert balance(wrong).columns.total == float("inf")


def test_review_counts_what_is_below_zero() -> None:
    table = make()
    Y, Z, VA, x = (np.array(getattr(table, k)) for k in ("Y", "Z", "VA", "x"))
    Y[0, 1], Y[3, 3], Z[1, 2], VA[4], x[6] = -2.0, -1.0, -0.5, -3.0, -1.0
    seen = review(replace(table, Y=Y, Z=Z, VA=VA, x=x))
    assert seen.negative_final == (2, -3.0)
    assert seen.negative_intermediate == (1, -0.5)
    assert seen.negative_value_added[0] >= 1
    assert seen.negative_output == ("CHN_c30",)


def test_spectral_radius_agrees_with_the_dense_eigenvalues() -> None:
    rng = np.random.default_rng(5)
    big = rng.random((260, 260))
    big /= big.sum(0) / rng.uniform(0.2, 0.8, 260)
    dense = np.abs(np.linalg.eigvals(big)).max()
    assert spectral_radius(big) == pytest.approx(dense, rel=1e-7)
    assert spectral_radius(big) == spectral_radius(big)
    # a matrix of rank one: u v' has the eigenvalue v'u
    u, v = rng.random(300), rng.random(300) / 300
    assert spectral_radius(np.outer(u, v)) == pytest.approx(v @ u, rel=1e-7)


# --- aggregation ------------------------------------------------------------------------------------------------------

MERGE_E = st.dictionaries(st.sampled_from(ECONOMIES), st.sampled_from(["WEST", "EAST", "USA"]))
MERGE_S = st.dictionaries(st.sampled_from(SECTORS), st.sampled_from(["GOODS", "REST", "c1"]))
MERGE_D = st.dictionaries(st.sampled_from(DEMANDS), st.sampled_from(["FINAL", "c37"]))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), economies=MERGE_E, sectors=MERGE_S, demands=MERGE_D)
def test_aggregation_adds_cells_as_a_plain_loop_does(
    seed: int, economies: dict[str, str], sectors: dict[str, str], demands: dict[str, str]
) -> None:
    table = make(seed)
    small = aggregate(table, economies, sectors, demands=demands)
    n, j, f = table.size
    cells: dict[tuple[str, ...], float] = {}
    for e, s in product(range(n), range(j)):
        seller = (economies.get(ECONOMIES[e], ECONOMIES[e]), sectors.get(SECTORS[s], SECTORS[s]))
        for name in ("VA", "x", "other"):
            cells[name, *seller] = cells.get((name, *seller), 0.0) + getattr(table, name)[e * j + s]
        for b in range(n):
            buyer = economies.get(ECONOMIES[b], ECONOMIES[b])
            for kind, names, mapping, width in (("Z", SECTORS, sectors, j), ("Y", DEMANDS, demands, f)):
                for k in range(width):
                    key = (kind, *seller, buyer, mapping.get(names[k], names[k]))
                    cells[key] = cells.get(key, 0.0) + getattr(table, kind)[e * j + s, b * width + k]
    J, F = len(small.sectors), len(small.demands)
    for (kind, *names), value in cells.items():
        row = small.economies.index(names[0]) * J + small.sectors.index(names[1])
        if kind == "Z":
            got = small.Z[row, small.economies.index(names[2]) * J + small.sectors.index(names[3])]
        elif kind == "Y":
            got = small.Y[row, small.economies.index(names[2]) * F + small.demands.index(names[3])]
        else:
            got = getattr(small, kind)[row]
        assert got == pytest.approx(value, rel=1e-12, abs=1e-12)
    for name in ("Z", "Y", "VA", "x", "other"):
        assert getattr(small, name).sum() == pytest.approx(getattr(table, name).sum(), rel=1e-12)
    assert balance(small).columns.total < 1e-12
    assert balance(small).rows.total < 1e-12


def test_aggregation_to_one_cell_and_to_itself() -> None:
    table = make(sector_names=("one", "two", "three", "four"))
    whole = aggregate(table, dict.fromkeys(ECONOMIES, "WLD"), dict.fromkeys(SECTORS, "ALL"))
    assert (whole.economies, whole.sectors, whole.Z.shape) == (("WLD",), ("ALL",), (1, 1))
    assert whole.A[0, 0] == pytest.approx(table.Z.sum() / table.x.sum())
    assert whole.classification == "WIOD13/aggregated"
    assert whole.sector_names == ("ALL",)
    same = aggregate(table)
    assert (same.Z == table.Z).all()
    assert (same.classification, same.sector_names) == ("WIOD13", table.sector_names)


def test_aggregation_refuses_names_it_does_not_have() -> None:
    with pytest.raises(UsageError) as caught:
        aggregate(make(), {"CHM": "X"}, {"c3": "Y"}, demands={"c99": "Z"})
    assert "no economy 'CHM' -> did you mean CHN" in str(caught.value)
    assert "no sector 'c3'" in str(caught.value)
    assert "no demand 'c99'" in str(caught.value)


# --- flows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domestic", [False, True])
def test_flows_are_the_sums_of_a_plain_loop(domestic: bool) -> None:
    table = make(2)
    flows = to_flows(table, layers=("goods", "services", "inputs"), domestic=domestic)
    assert flows.columns == list(FLOWS.schema)
    expected = {}
    for (e, o), (s, sector), (b, d) in product(enumerate(ECONOMIES), enumerate(SECTORS), enumerate(ECONOMIES)):
        if o == d and not domestic:
            continue
        row = e * 4 + s
        inputs = sum(table.Z[row, b * 4 + k] for k in range(4))
        final = sum(table.Y[row, b * 2 + k] for k in range(2))
        layer = "goods" if sector in ("c1", "c2") else "services"
        expected[layer, o, d, f"WIOD13:{sector}"] = inputs + final
        expected["inputs", o, d, f"WIOD13:{sector}"] = inputs
    got = {(r["layer"], r["origin"], r["destination"], r["item"]): r["value"] for r in flows.iter_rows(named=True)}
    assert got.keys() == {k for k, v in expected.items() if v > 0}
    for key, value in got.items():
        assert value == pytest.approx(expected[key], rel=1e-12)
    assert flows["unit"].unique().to_list() == ["USD"]
    assert flows["period"].unique().to_list() == ["2011"]


def test_negative_deliveries_are_set_apart_not_lost() -> None:
    Y = np.array(make().Y)
    table = make(Y=Y)
    Y = np.array(Y)
    Y[1, 2] = -1000.0  # USA c2 to CHN: inventories drawn down
    table = replace(table, Y=Y)
    low = negative_flows(table)
    assert low.select("origin", "destination", "item").row(0) == ("USA", "CHN", "WIOD13:c2")
    whole = to_flows(table)["value"].sum() + low["value"].sum()
    off = sum(
        table.Z[table.rows_of(o), table.rows_of(d)].sum() + table.Y[table.rows_of(o), table.demands_of(d)].sum()
        for o, d in product(ECONOMIES, ECONOMIES)
        if o != d
    )
    assert whole == pytest.approx(off)
    assert (to_flows(table)["value"] > 0).all()


def test_which_sectors_are_goods() -> None:
    assert goods_sectors(make()) == {"c1", "c2"}
    isic = make(classification="ICIO2023", sectors=("A01_02", "C31T33", "D", "H49"))
    assert goods_sectors(isic) == {"A01_02", "C31T33"}
    assert goods_sectors(replace(isic, classification="ICIO2018", sectors=("01T03", "31T33", "35T39", "84"))) == {
        "01T03",
        "31T33",
    }
    old = replace(isic, classification="ICIO2016", sectors=("C01T05AGR", "C36T37OTM", "C40T41EGW", "C45CON"))
    assert goods_sectors(old) == {"C01T05AGR", "C36T37OTM"}
    sample = replace(isic, classification="SITC1S", sectors=("SITC:0", "SITC:9", "SERVICES", "SITC:3"))
    assert goods_sectors(sample) == {"SITC:0", "SITC:9", "SITC:3"}
    with pytest.raises(UsageError, match="name them"):
        to_flows(replace(isic, classification="MINE"))
    assert to_flows(replace(isic, classification="MINE"), layers=("inputs",)).height
    assert set(to_flows(replace(isic, classification="MINE"), goods=["D"])["layer"]) == {"goods", "services"}
    with pytest.raises(UsageError, match="no sector Q"):
        to_flows(isic, goods=["Q"])
    with pytest.raises(UsageError, match="no layer claims"):
        to_flows(isic, layers=("claims",))


def test_a_table_of_one_economy_has_no_flows_across_borders() -> None:
    alone = make(n=1)
    assert to_flows(alone).is_empty()
    assert to_flows(alone, domestic=True).height > 0


# --- the file ---------------------------------------------------------------------------------------------------------


def same(a: IOTable, b: IOTable) -> bool:
    arrays = ("Z", "Y", "VA", "x", "other", "discrepancy")
    texts = ("period", "economies", "sectors", "demands", "classification", "unit", "basis", "publisher", "notes")
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in arrays) and all(
        getattr(a, k) == getattr(b, k) for k in (*texts, "sector_names")
    )


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 3), j=st.integers(1, 4), f=st.integers(0, 2), zeros=st.floats(0, 1)
)
def test_a_table_comes_back_to_the_last_bit(tmp_path: Path, seed: int, n: int, j: int, f: int, zeros: float) -> None:
    rng = np.random.default_rng(seed)
    Z, Y = rng.normal(0, 1e12, (n * j, n * j)), rng.normal(0, 1e-12, (n * j, n * f))
    Z[rng.random(Z.shape) < zeros], Y[rng.random(Y.shape) < zeros] = 0, 0
    vectors = {k: rng.normal(0, 1, n * j) * (rng.random(n * j) > zeros) for k in ("VA", "x", "other", "discrepancy")}
    table = IOTable(
        period="2019-Q4", economies=ECONOMIES[:n], sectors=SECTORS[:j], demands=DEMANDS[:f], Z=Z, Y=Y, **vectors,
        classification="WIOD13", basis="estimated", publisher="Ünïcode & Söhne", notes=("one", 'two "quoted"'),
        sector_names=tuple(f"näme, {s}" for s in SECTORS[:j]),
    )  # fmt: skip
    path = tmp_path / "t.parquet"
    write_table(table, path)
    assert same(read_table(path, balanced=False), table)
    first = path.read_bytes()
    write_table(read_table(path, balanced=False), path)
    assert path.read_bytes() == first


def test_any_sql_engine_can_ask_the_file(tmp_path: Path) -> None:
    table = make(4)
    path = tmp_path / "t.parquet"
    write_table(table, path, metadata={"made_by": "test"})
    with duckdb.connect() as sql:
        rows = sql.execute(
            f"select column_economy, sum(value) from '{path}' where kind = 'VA' group by 1 order by 1"
        ).fetchall()
        trade = sql.execute(
            f"select sum(value) from '{path}' where kind in ('Z', 'Y') and row_economy = 'CHN'"
            " and column_economy = 'NAM'"
        ).fetchone()
        named = sql.execute(f"select row_sector, \"column\", value from '{path}' where kind = 'Y' limit 1").fetchone()
    for economy, value in rows:
        assert value == pytest.approx(table.VA[table.rows_of(economy)].sum())
    expected = (
        table.Z[table.rows_of("CHN"), table.rows_of("NAM")].sum()
        + table.Y[table.rows_of("CHN"), table.demands_of("NAM")].sum()
    )
    assert trade is not None
    assert trade[0] == pytest.approx(expected)
    assert named is not None
    assert (named[0] in SECTORS, named[1] in DEMANDS) == (True, True)


def test_rewritten_by_another_tool_it_still_reads(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = make(6)
    path, other = tmp_path / "t.parquet", tmp_path / "other.parquet"
    write_table(table, path)
    arrow = pq.read_table(path)
    shuffled = (
        pl.read_parquet(path)
        .with_columns(pl.col("kind", "row_economy", "column").cast(pl.String))
        .sample(fraction=1, shuffle=True, seed=1)
    )
    back = shuffled.to_arrow()
    pq.write_table(back.replace_schema_metadata(arrow.schema.metadata), other)
    assert same(read_table(other), table)


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "none.parquet")
    flat = tmp_path / "flat.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(flat)
    with pytest.raises(InputError, match="not an input-output table file"):
        read_table(flat)
    good = tmp_path / "good.parquet"
    write_table(make(), good)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read"):
        read_table(cut)
    with pytest.raises(UsageError, match=r"end it in \.parquet"):
        write_table(make(), tmp_path / "t.csv")
    with pytest.raises(OutputError):
        write_table(make(), tmp_path / "no" / "folder.parquet")

    arrow = pq.read_table(good)
    whole = pl.read_parquet(good)
    frame = whole.with_columns(pl.col("row_economy").cast(pl.String).replace({"CHN": "MARS"}))
    for name, changed, words in (
        ("label", frame, "column row_economy"),
        ("twice", pl.concat([whole, whole.head(3)]), "3 cell(s) stand there twice"),
        ("lack", whole.drop("column"), "lacks the column column"),
        ("null", frame.with_columns(row_economy=pl.lit(None, pl.String)), "without a row or column name"),
    ):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(changed.to_arrow().replace_schema_metadata(arrow.schema.metadata), path)
        with pytest.raises(InputError) as caught:
            read_table(path)
        assert words in str(caught.value)


def test_glob_characters_in_names_are_just_characters(tmp_path: Path) -> None:
    path = tmp_path / "t[1]*.parquet"
    write_table(make(), path)
    assert read_table(path).labels == make().labels


@pytest.mark.parametrize("labels", ["5", "[]", '"x"', "[" * 100_000, '{"economies": 5}'])
def test_damaged_labels_are_refused(tmp_path: Path, labels: str) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    write_table(make(), path)
    arrow = pq.read_table(path)
    broken = {**arrow.schema.metadata, b"labels": labels.encode()}
    if "economies" in labels:
        good = json.loads(arrow.schema.metadata[b"labels"])
        broken[b"labels"] = json.dumps({**good, "economies": 5}).encode()
    pq.write_table(arrow.replace_schema_metadata(broken), path)
    with pytest.raises(InputError, match=r"t\.parquet"):
        read_table(path)
