"""The ICIO reader: every edition's layout, real numbers in that layout, pandas as an independent reader, bad files."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import CheckError, InputError, UnknownCodeError, UsageError
from weaponized_interdependence.io_table import IOTable, balance, to_flows
from weaponized_interdependence.sources.icio import classify, read_icio
from weaponized_interdependence.sources.io_assembly import year_said
from weaponized_interdependence.sources.registry import read

ECONOMIES, CODES = ("USA", "CHN", "ROW"), ("A01_02", "C10T12", "K")
DEMANDS = ("HFCE", "NPISH", "GGFC", "GFCF", "INVNT", "DPABR")


def layout(
    seed: int = 1,
    *,
    economies: tuple[str, ...] = ECONOMIES,
    codes: tuple[str, ...] = CODES,
    demands: tuple[str, ...] = DEMANDS,
    out_column: str = "OUT",
    reverse_demand: bool = False,
) -> pd.DataFrame:
    """A balanced table as the publisher lays it out (edition 2023 by default)."""
    rng = np.random.default_rng(seed)
    labels = [f"{e}_{c}" for e in economies for c in codes]
    finals = [f"{d}_{e}" if reverse_demand else f"{e}_{d}" for e in economies for d in demands]
    Z = rng.lognormal(2, 1, (len(labels), len(labels)))
    Y = rng.lognormal(3, 1, (len(labels), len(finals)))
    frame = pd.DataFrame(np.hstack([Z, Y]), index=labels, columns=[*labels, *finals])
    frame[out_column] = frame.sum(axis=1)
    taxes = rng.normal(0, 1, frame.shape[1] - 1)
    x = frame[out_column].to_numpy()
    below = pd.DataFrame(0.0, index=["TLS", "VA", "OUT"], columns=frame.columns)
    below.iloc[0, :-1] = taxes
    below.iloc[1, : len(labels)] = x - Z.sum(axis=0) - taxes[: len(labels)]
    below.iloc[2, : len(labels)] = x
    frame = pd.concat([frame, below])
    frame.index.name = "V1"
    return frame


def save(frame: pd.DataFrame, path: Path, **options: Any) -> Path:
    frame.to_csv(path, **options)
    return path


def table_of(path: Path, **options: Any) -> IOTable:
    table = read_icio([path], **options).table
    assert table is not None
    return table


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save(layout(), tmp_path / "2018_SML.csv")


def test_the_2023_layout_in_usd(good: Path) -> None:
    reading = read_icio([good])
    table, frame = reading.table, layout()
    assert table is not None
    assert (table.period, table.classification, table.publisher) == ("2018", "ICIO2023", "OECD")
    assert (table.economies, table.sectors, table.demands) == (ECONOMIES, CODES, DEMANDS)
    np.testing.assert_allclose(table.Z, frame.iloc[:9, :9] * 1e6)
    np.testing.assert_allclose(table.Y, frame.iloc[:9, 9:27] * 1e6)
    np.testing.assert_allclose(table.VA, frame.loc["VA"].iloc[:9] * 1e6)
    np.testing.assert_allclose(table.x, frame.loc["OUT"].iloc[:9] * 1e6)
    np.testing.assert_allclose(table.other, frame.loc["TLS"].iloc[:9] * 1e6)
    assert balance(table).rows.total < 1e-12
    assert balance(table).columns.total < 1e-12
    assert all(c.ok for c in reading.checks)
    apart = frame.loc["TLS"].iloc[9:27].sum() * 1e6
    assert f"{apart:,.4g} USD in all, are not part of the table" in " ".join(reading.notes)


def test_output_is_never_counted_as_an_industry(good: Path) -> None:
    table = table_of(good)
    assert table.Z.shape == (9, 9)
    assert table.Y.shape == (9, 18)
    assert (table.A.sum(axis=0) < 1).all()


def test_the_face_reads_it_too(good: Path) -> None:
    reading = read("icio", good)
    assert reading.table is not None
    assert {c.name for c in reading.checks} >= {"periods", "total value", "rows add up to output"}
    assert reading.files[0].bytes == good.stat().st_size
    assert reading.scope == "extract"
    swollen = layout() * 1e7  # thousand USD taken for million would be such a slip
    with pytest.raises(CheckError, match="total value"):
        read("icio", save(swollen, good.with_name("2018_swollen.csv")))


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        (("01T03", "05T06", "84"), "ICIO2018"),
        (("01T02", "05T06", "84"), "ICIO2021"),
        (("A01_02", "B05_06", "O"), "ICIO2023"),
        (("A01", "A02", "O"), "ICIO2025"),
        (("C01T05AGR", "C23PET", "C75GOV"), "ICIO2016"),
        (("c1", "c2", "c35"), "WIOD13"),
    ],
)
def test_editions_are_told_from_the_codes(tmp_path: Path, codes: tuple[str, ...], name: str) -> None:
    assert table_of(save(layout(codes=codes), tmp_path / "table_2010.csv")).classification == name


def test_edition_as_an_option() -> None:
    assert classify(["X1"], "2021", "f") == "ICIO2021"
    with pytest.raises(UsageError, match="of no edition known here"):
        classify(["X1"], None, "f")
    with pytest.raises(UsageError, match="are those of ICIO2018, not of ICIO2023"):
        classify(["01T03"], "2023", "f")
    with pytest.raises(UsageError, match="no ICIO edition '1999'"):
        classify(["01T03"], "1999", "f")


@pytest.mark.parametrize(
    ("name", "year"),
    [("ICIO2018_2010.CSV", "2010"), ("ICIO2021_2018.csv.gz", "2018"), ("2016_SML.csv", "2016"), ("t2005.csv", "2005"),
     ("table.csv", None), ("2016-2022_SML.zip", None)],
)  # fmt: skip
def test_the_year_stands_in_the_name(name: str, year: str | None) -> None:
    assert year_said(name) == year


def test_the_year_that_is_given_wins_and_a_contradiction_is_said(tmp_path: Path) -> None:
    silent = save(layout(), tmp_path / "table.csv")
    with pytest.raises(UsageError, match="does not say the year"):
        read_icio([silent])
    assert table_of(silent, period=2011).period == "2011"
    reading = read_icio([save(layout(), tmp_path / "2016_SML.csv")], period="2017")
    assert reading.table is not None
    assert reading.table.period == "2017"
    assert "the year is 2017 as you gave it; the file's name says 2016" in reading.notes


def test_the_2016_layout(tmp_path: Path) -> None:
    frame = layout(
        codes=("C01T05AGR", "C23PET"), demands=("HFCE", "NPS", "INV"), out_column="DISC", reverse_demand=True
    )
    frame["DISC"] = 0.0
    frame.loc[frame.index[2], "DISC"] = 7.0
    frame = frame.drop(index="TLS").rename(index={"VA": "VA+TAXSUB"})
    frame.index.name = ""
    table = table_of(save(frame, tmp_path / "ICIO2016_2003.csv"))
    assert table.demands == ("HFCE", "NPS", "INV")
    assert table.discrepancy[2] == 7e6
    np.testing.assert_allclose(table.Y[:, 0], frame["HFCE_USA"].iloc[:6] * 1e6)
    assert any("gives only their sum" in n for n in table.notes)


def test_taxes_by_country_are_added_up(tmp_path: Path) -> None:
    frame = layout(codes=("01T03", "05T06")).rename(index={"TLS": "USA_TAXSUB", "VA": "VALU", "OUT": "OUTPUT"})
    frame = frame.rename(columns={"OUT": "TOTAL"})
    more = frame.loc[["USA_TAXSUB"]].rename(index={"USA_TAXSUB": "CHN_TAXSUB"}) * 2
    frame = pd.concat([frame.iloc[:-2], more, frame.iloc[-2:]])
    table = table_of(save(frame, tmp_path / "ICIO2018_2010.csv"))
    np.testing.assert_allclose(table.other, frame.loc["USA_TAXSUB"].iloc[:6] * 3e6)
    assert table.size == (3, 2, 6)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), parts=st.permutations(["USA", "MEX", "MX1", "MX2", "CN1", "CN2", "ROW"]))
def test_split_economies_are_added_up_exactly(tmp_path: Path, seed: int, parts: list[str]) -> None:
    frame = layout(seed, economies=tuple(parts))
    finals = [c for c in frame.columns if c.split("_")[0] in ("MX1", "MX2", "CN2") and c.split("_")[-1] in DEMANDS]
    renamed = frame.drop(columns=finals).rename(columns={f"CN1_{d}": f"CHN_{d}" for d in DEMANDS})
    table = table_of(save(renamed, tmp_path / "2018_EXT.csv"))
    assert set(table.economies) == {"USA", "MEX", "CHN", "ROW"}
    group = {"MX1": "MEX", "MX2": "MEX", "CN1": "CHN", "CN2": "CHN"}
    labels = [f"{e}_{c}" for e in parts for c in CODES]

    def merged(label: str) -> str:
        return f"{group.get(label[:3], label[:3])}{label[3:]}"

    Z = renamed.loc[labels, labels].groupby(merged).sum().T.groupby(merged).sum().T * 1e6
    np.testing.assert_allclose(table.Z, Z.loc[list(table.labels), list(table.labels)], rtol=1e-12)
    VA = renamed.loc["VA", labels].groupby(merged).sum() * 1e6
    np.testing.assert_allclose(table.VA, VA[list(table.labels)], rtol=1e-9)
    assert balance(table).columns.total < 1e-12
    assert any("CN1" in n and "merged into CHN" in n for n in table.notes)


def test_other_orders_line_ends_and_wrappings_give_the_same_table(tmp_path: Path) -> None:
    frame = layout()
    reference = table_of(save(frame, tmp_path / "2018_a.csv"))
    rng = np.random.default_rng(3)
    columns = [frame.columns[i] for i in rng.permutation(frame.shape[1])]
    rows = [*frame.index[:9], *[frame.index[i] for i in 9 + rng.permutation(3)]]
    variants = [
        save(frame.loc[rows, columns], tmp_path / "2018_order.csv"),
        save(frame, tmp_path / "2018_crlf.csv", lineterminator="\r\n"),
        save(frame, tmp_path / "2018_bom.csv", encoding="utf-8-sig"),
        save(frame, tmp_path / "2018_quoted.csv", quoting=2),
        save(frame, tmp_path / "2018_gzip.csv.gz"),
    ]
    packed = tmp_path / "2016-2020_SML.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "2018_a.csv", "2018_SML.csv")
    for path in [*variants, packed]:
        table = table_of(path, period="2018") if path.suffix == ".zip" else table_of(path)
        assert table.period == "2018"
        order = [table.labels.index(x) for x in reference.labels]
        np.testing.assert_array_equal(table.Z[np.ix_(order, order)], reference.Z)
        np.testing.assert_allclose(table.Y.sum(1)[order], reference.Y.sum(1), rtol=1e-12)
        np.testing.assert_array_equal(table.VA[order], reference.VA)


def test_a_zip_of_several_years_asks_which(tmp_path: Path) -> None:
    packed = tmp_path / "2016-2020_SML.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for seed, year in ((1, 2016), (2, 2017)):
            archive.writestr(f"{year}_SML.csv", layout(seed).to_csv())
        archive.writestr("ReadMe.pdf", b"%PDF")
    with pytest.raises(UsageError, match=r"holds 2 tables: 2016_SML.csv, 2017_SML.csv"):
        read_icio([packed])
    np.testing.assert_allclose(table_of(packed, period="2017").Z, layout(2).iloc[:9, :9] * 1e6)
    with pytest.raises(InputError, match="no data file of this reader inside"):
        read_icio([packed], period="2018")


def test_output_that_is_stated_twice_and_differs_is_a_failed_check(tmp_path: Path) -> None:
    frame = layout()
    frame.loc["USA_K", "OUT"] *= 1.5
    reading = read_icio([save(frame, tmp_path / "2018.csv")])
    failed = {c.name: c.found for c in reading.failed}
    assert "1 differ: USA_K" in failed["output in the last row and in the last column"]


def test_without_a_last_row_output_is_the_last_column(tmp_path: Path) -> None:
    frame = layout()
    table = table_of(save(frame.drop(index="OUT"), tmp_path / "2018.csv"))
    np.testing.assert_allclose(table.x, frame["OUT"].iloc[:9] * 1e6)


# --- bad files --------------------------------------------------------------------------------------------------------


def spoiled(what: str) -> pd.DataFrame:
    frame = layout().astype(object)
    match what:
        case "text":
            frame.iloc[1, 2], frame.iloc[4, 2], frame.iloc[3, 20] = "n/a", "1,5", "confidential"
        case "nan":
            frame.iloc[1, 2], frame.iloc[2, 15] = np.nan, "NaN"
        case "inf":
            frame.iloc[0, 0] = "inf"
        case "negative output":
            frame.loc["OUT", "CHN_K"], frame.loc["CHN_K", "OUT"] = -5.0, -5.0
        case "missing row":
            frame = frame.drop(index="CHN_K")
        case "missing column":
            frame = frame.drop(columns="ROW_A01_02")
        case "twice":
            frame = pd.concat([frame.iloc[:2], frame.iloc[1:]])
        case "no output":
            frame = frame.drop(index="OUT").drop(columns="OUT")
        case "no value added":
            frame = frame.drop(index="VA")
        case "two outputs":
            frame = pd.concat([frame, frame.loc[["OUT"]]])
        case "sector missing":
            frame = frame.drop(index="CHN_K").drop(columns="CHN_K")
        case "demand missing":
            frame = frame.drop(columns="CHN_GFCF")
        case "unknown label":
            frame = frame.rename(index={"USA_K": "total use"})
        case "transposed":
            frame = frame.T
    return frame


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("text", ["column USA_K: 2 cell(s) of text, in row USA_C10T12 'n/a', CHN_C10T12 '1,5'", "'confidential'"]),
        ("nan", ["1 intermediate cell(s) empty or not finite: row USA_C10T12 column USA_K", "1 final-demand cell(s)"]),
        ("inf", ["1 intermediate cell(s) empty or not finite: row USA_A01_02 column USA_A01_02"]),
        ("negative output", ["negative output of 1 industry(ies): CHN_K (-5)"]),
        ("missing row", ["not square: 1 industry column(s) without a row: CHN_K"]),
        ("missing column", ["not square: 1 industry row(s) without a column: ROW_A01_02"]),
        ("twice", ["row label(s) that stand twice: USA_C10T12"]),
        ("no output", ["no output: neither a row nor a column OUT"]),
        ("no value added", ["no value added: no row VA"]),
        ("two outputs", ["2 times row OUT"]),
        ("sector missing", ["1 sector(s) missing: CHN_K"]),
        ("demand missing", ["1 final demand(s) missing: CHN_GFCF"]),
        ("unknown label", ["row label(s) not understood: 'total use'"]),
        ("transposed", ["final demand stands in the rows"]),
    ],
)
def test_bad_files_are_refused_with_every_fault(tmp_path: Path, what: str, words: list[str]) -> None:
    path = save(spoiled(what), tmp_path / "2018.csv")
    with pytest.raises(InputError) as caught:
        read_icio([path])
    for part in words:
        assert part in str(caught.value)
    assert str(path) in str(caught.value)


def test_several_faults_come_at_once(tmp_path: Path) -> None:
    frame = spoiled("missing row").drop(index="VA").drop(index="OUT").drop(columns="OUT")
    with pytest.raises(InputError) as caught:
        read_icio([save(frame, tmp_path / "2018.csv")])
    assert len(caught.value.faults) >= 3


def test_unknown_economies_are_listed(tmp_path: Path) -> None:
    frame = layout(economies=("USA", "XQQ", "ZZY"))
    with pytest.raises(UnknownCodeError) as caught:
        read_icio([save(frame, tmp_path / "2018.csv")])
    assert "XQQ" in str(caught.value)
    assert "ZZY" in str(caught.value)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.995])
def test_truncated_files_are_refused(good: Path, tmp_path: Path, keep: float) -> None:
    whole = good.read_bytes()
    cut = tmp_path / "2018_cut.csv"
    cut.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError):
        read_icio([cut])
    packed = tmp_path / "2018_cut.csv.gz"
    packed.write_bytes(gzip.compress(whole)[: int(len(whole) * 0.2)])
    with pytest.raises(InputError):
        read_icio([packed])


def test_lines_that_end_early_are_refused(good: Path, tmp_path: Path) -> None:
    lines = good.read_text().splitlines(keepends=True)
    lines[4] = ",".join(lines[4].split(",")[:10]) + "\n"
    short = tmp_path / "2018_short.csv"
    short.write_text("".join(lines))
    with pytest.raises(InputError, match="empty or not finite"):
        read_icio([short])
    lines[4] = good.read_text().splitlines()[4] + ",1,2,3\n"
    short.write_text("".join(lines))
    with pytest.raises(InputError):
        read_icio([short])


def test_empty_bombs_and_other_kinds_are_refused(tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "2018.csv"
    empty.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_icio([empty])
    header = tmp_path / "2018_header.csv"
    header.write_text(good.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError):
        read_icio([header])
    page = tmp_path / "2018_page.csv"
    page.write_text("<!DOCTYPE html><html>login</html>")
    with pytest.raises(InputError, match="web page"):
        read_icio([page])
    parquet = tmp_path / "2018.parquet"
    pl.DataFrame({"V1": ["a"]}).write_parquet(parquet)
    with pytest.raises(InputError, match="not CSV"):
        read_icio([parquet])
    bomb = tmp_path / "2018_bomb.csv.gz"
    with gzip.open(bomb, "wb") as out:
        out.write(b"0" * 5_000_000)
    monkeypatch.setenv("WI_MAX_UNPACKED_GB", "0.001")
    with pytest.raises(InputError, match="unpacks to more than"):
        read_icio([bomb])
    with pytest.raises(UsageError, match="one table at a time"):
        read_icio([good, good])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet='AUSC_10,\n"V-.eNaH FCOT', max_size=200))
def test_any_text_gives_a_table_or_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "2018.csv"
    path.write_text(text)
    with pytest.raises((InputError, UsageError)):
        read_icio([path])


# --- real numbers and the publisher's own layouts ---------------------------------------------------------------------


def test_mock_tables_of_both_old_editions_against_pandas(shared_data: Path) -> None:
    folder = shared_data / "mrio" / "layout_fixtures" / "oecd_mock"
    for name, split, economy in (
        ("ICIO2016_2003.csv", ("CHN", "CN1", "CN2"), "CHN"),
        ("ICIO2018_2010.CSV", ("MEX", "MX1"), "MEX"),
    ):
        frame = pd.read_csv(folder / name, index_col=0)
        table = table_of(folder / name)
        industries = [c for c in frame.columns if c in frame.index]
        assert table.Z.sum() == pytest.approx(frame.loc[industries, industries].to_numpy().sum() * 1e6)
        part = [c for c in industries if c[:3] in split]
        others = [c for c in industries if c[:3] == "AUS"]
        rows = table.rows_of(economy)
        inner = table.Z[rows, table.rows_of("AUS")].sum()
        assert inner == pytest.approx(frame.loc[part, others].to_numpy().sum() * 1e6)
        assert table.x[rows].sum() == pytest.approx(frame[part].iloc[-1].sum() * 1e6)
        assert balance(table).columns.total < 1e-9
        assert not any(e in table.economies for e in ("CN1", "CN2", "MX1"))


def test_wiod_2011_in_this_layout(shared_data: Path) -> None:
    path = shared_data / "mrio" / "wiod13" / "wiod13_2011_in_ICIO_csv_layout.csv.gz"
    reading = read("icio", path)
    table = reading.table
    assert table is not None
    assert (table.size, table.period, table.classification) == ((41, 35, 5), "2011", "WIOD13")
    assert {"ROW", "ROU", "TWN"} <= set(table.economies)
    assert table.x.sum() == pytest.approx(141.8e12, rel=1e-3)
    assert table.VA[table.rows_of("USA")].sum() == pytest.approx(15.2e12, rel=5e-3)
    assert table.VA[table.rows_of("CHN")].sum() == pytest.approx(7.4e12, rel=5e-3)
    assert balance(table).columns.total == 0.0
    assert balance(table, step=1e6).rows.allowed
    assert reading.failed == ()
    radius = next(c for c in reading.checks if c.name == "spectral radius of A")
    assert float(radius.found) == pytest.approx(0.61, abs=5e-3)
    goods = to_flows(table, layers=("goods",)).filter(origin="CHN", destination="USA")["value"].sum()
    assert goods == pytest.approx(360e9, rel=5e-3)
