"""The WIOD 2013 reader: the publisher's workbook and the long form, openpyxl as an independent reader, real totals."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import polars as pl
import pytest
import xlsxwriter

from weaponized_interdependence.errors import CheckError, InputError, UsageError
from weaponized_interdependence.io_table import IOTable, balance, review, to_flows
from weaponized_interdependence.sources.icio import read_icio
from weaponized_interdependence.sources.registry import read
from weaponized_interdependence.sources.wiod import read_wiod, rounding_of, year_of

ECONOMIES, INDUSTRIES, FINALS = ("AUS", "ROM", "RoW"), ("c1", "c2", "c3"), ("c37", "c38", "c39", "c41", "c42")
BELOW = (
    ("Total intermediate consumption", "r60"),
    ("taxes less subsidies on products", "r99"),
    ("Cif/ fob adjustments on exports", "r61"),
    ("Direct purchases abroad by residents", "r62"),
    ("Purchases on the domestic territory by non-residents", "r63"),
    ("Value added at basic prices", "r64"),
    ("International Transport Margins", None),
    ("Output at basic prices", "r69"),
)


def numbers(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, f = len(ECONOMIES) * len(INDUSTRIES), len(ECONOMIES) * len(FINALS)
    Z, Y = rng.lognormal(3, 1, (n, n)), rng.lognormal(4, 1, (n, f))
    Y[2, 4] = -3.5
    x = Z.sum(1) + Y.sum(1)
    taxes, cif, margins = rng.normal(0, 1, n), rng.normal(0, 1, n), rng.lognormal(0, 1, n)
    return {"Z": Z, "Y": Y, "x": x, "r99": taxes, "r61": cif, "margins": margins} | {
        "r64": x - Z.sum(0) - taxes - cif - margins
    }


def workbook(path: Path, *, seed: int = 0, spoil: dict[tuple[int, int], Any] | None = None, drop: str = "") -> Path:
    """The publisher's sheet: four header rows, four label columns, rows below, output in the last column."""
    data = numbers(seed)
    sellers = [(e, c) for e in ECONOMIES for c in INDUSTRIES]
    finals = [(e, c) for e in ECONOMIES for c in FINALS]
    rows: list[list[Any]] = [
        ["Intercountry Input-Output Table"],
        ["3 countries, in current prices"],
        ["(industry-by-industry)", None, None, None, *["AtB"] * len(sellers)],
        ["(millions of US$)", None, None, None, *["name"] * (len(sellers) + len(finals)), "Total output"],
        [None, None, None, None, *[e for e, _ in (*sellers, *finals)]],
        [None, None, None, None, *[c for _, c in (*sellers, *finals)]],
    ]
    for i, (e, c) in enumerate(sellers):
        rows.append(["AtB", f"Industry {c}", e, c, *data["Z"][i], *data["Y"][i], data["x"][i]])
    rows += [[None, name, "TOT", code, *below(data, name, code)] for name, code in BELOW if code != drop]
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("WIOT_2009")
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                sheet.write(r, c, (spoil or {}).get((r, c), value))
    return path


def below(data: dict[str, np.ndarray], name: str, code: str | None) -> list[float]:
    values = {
        "r60": data["Z"].sum(0), "r99": data["r99"], "r61": data["r61"], "r64": data["r64"], "r69": data["x"],
        None: data["margins"],
    }.get(code, np.zeros(9))  # fmt: skip
    return [float(v) for v in values] + ([0.5] * 15 if code == "r99" else [])


def table_of(path: Path, **options: Any) -> IOTable:
    table = read_wiod([path], **options).table
    assert table is not None
    return table


def test_the_workbook_cell_by_cell(tmp_path: Path) -> None:
    reading = read_wiod([workbook(tmp_path / "wiot09_row_sep12.xlsx")])
    table, data = reading.table, numbers()
    assert table is not None
    assert (table.period, table.classification, table.unit) == ("2009", "WIOD13", "USD")
    assert (table.economies, table.sectors, table.demands) == (("AUS", "ROU", "ROW"), INDUSTRIES, FINALS)
    assert table.sector_names == ("Industry c1", "Industry c2", "Industry c3")
    for name, row in (("Z", "Z"), ("Y", "Y"), ("x", "x"), ("VA", "r64")):
        # the writer of this test file keeps sixteen digits
        np.testing.assert_allclose(getattr(table, name), data[row] * 1e6, rtol=1e-15)
    np.testing.assert_allclose(table.other, (data["r99"] + data["r61"] + data["margins"]) * 1e6)
    assert balance(table).columns.total < 1e-12
    assert balance(table).rows.total < 1e-12
    assert review(table).negative_final == (1, -3.5e6)
    assert "7.5e+06 USD in all, are not part of the table" in " ".join(reading.notes)
    assert reading.failed == ()


@pytest.mark.parametrize(
    ("name", "year"), [("WIOT95_ROW_Apr12", "1995"), ("wiot11_row_sep12", "2011"), ("WIOT_2003", "2003")]
)
def test_the_year_stands_in_the_name(name: str, year: str) -> None:
    assert year_of(name) == year


def test_the_year_of_the_sheet_or_the_option_wins_over_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path / "table.xlsx")
    assert table_of(path).period == "2009"
    assert table_of(path, period="2010").period == "2010"
    with pytest.raises(UsageError, match="no year"):
        year_of("table", "Sheet1")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({(7, 5): "n/a", (9, 6): "#REF!"}, ["2 cell(s) of text", "'n/a' in sheet row 8 column 6"]),
        ({(7, 5): None}, ["1 intermediate cell(s) empty or not finite: row AUS_c2 column AUS_c2"]),
        ({(21, 4): -4.0}, ["negative output of 1 industry(ies): AUS_c1 (-4)"]),
        ({(7, 3): "c1"}, ["row label(s) that stand twice: AUS_c1", "column(s) without a row: AUS_c2"]),
        ({(20, 3): "r77"}, ["row(s) not understood: r77"]),
        ({(5, 5): "c99"}, ["column(s) not understood: AUS_c99"]),
    ],
)
def test_bad_workbooks_are_refused(tmp_path: Path, spoil: dict[tuple[int, int], Any], words: list[str]) -> None:
    # row 21 is `Output at basic prices`: 6 header rows, 9 industries, the eighth row below
    spoil = {(22, c) if r == 21 else (r, c): v for (r, c), v in spoil.items()}
    with pytest.raises(InputError) as caught:
        table_of(workbook(tmp_path / "wiot09.xlsx", spoil=spoil))
    for part in words:
        assert part in str(caught.value)


@pytest.mark.parametrize("drop", ["r64", "r69"])
def test_a_workbook_cut_at_the_bottom_is_refused(tmp_path: Path, drop: str) -> None:
    with pytest.raises(InputError, match=f"no row {drop}"):
        table_of(workbook(tmp_path / "wiot09.xlsx", drop=drop))


def test_files_that_are_no_workbook_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = workbook(tmp_path / "wiot09.xlsx")
    cut, empty, page, archive = (tmp_path / f"wiot0{i}.xlsx" for i in range(4))
    cut.write_bytes(good.read_bytes()[:2000])
    empty.write_bytes(b"")
    page.write_text("<html>login</html>")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.csv", "1")
    for path, words in ((cut, "not a whole Excel"), (empty, "empty"), (page, "web page"), (archive, "zip archive")):
        with pytest.raises(InputError, match=words):
            read_wiod([path])
    other = tmp_path / "WIOT05.xlsx"
    with xlsxwriter.Workbook(str(other)) as book:
        book.add_worksheet("Sheet1").write(0, 0, "something else")
    with pytest.raises(InputError, match="no header row with industry codes"):
        read_wiod([other], period="2005")
    monkeypatch.setenv("WI_MAX_UNPACKED_GB", "0.000001")
    with pytest.raises(InputError, match="zip bomb"):
        read_wiod([good])


# --- the long form ----------------------------------------------------------------------------------------------------


def long_files(folder: Path, *, whole: bool = False, csv: bool = False) -> tuple[Path, Path]:
    data = numbers()
    sellers = [f"{e}_{c}" for e in ECONOMIES for c in INDUSTRIES]
    columns = [*sellers, *[f"{e}_{c}" for e in ECONOMIES for c in FINALS]]
    cells = np.hstack([data["Z"], data["Y"]])
    cells = np.round(cells) if whole else cells
    cells[4, 3] = 0.0
    rows = [
        (2011, sellers[i], columns[k], float(cells[i, k]))
        for i in range(len(sellers))
        for k in range(len(columns))
        if cells[i, k]
    ]
    frame = pl.DataFrame(rows, schema=["year", "row", "col", "value"], orient="row")
    path = folder / ("t_long.csv" if csv else "t_long.parquet")
    if csv:
        frame.write_csv(path)
    else:
        frame.with_columns(pl.col("row", "col").cast(pl.Categorical)).write_parquet(path)
    x = np.round(data["x"]) if whole else data["x"]
    text = "year,row,output\n" + "".join(f"2011,{s},{v!r}\n" for s, v in zip(sellers, x.tolist(), strict=True))
    companion = folder / "t_output.csv.gz"
    companion.write_bytes(gzip.compress(text.encode()))
    return path, companion


@pytest.mark.parametrize("csv", [False, True])
def test_the_long_form(tmp_path: Path, csv: bool) -> None:
    path, companion = long_files(tmp_path, csv=csv)
    (tmp_path / "industries.csv").write_text('code,industry\nc1,"Agriculture, Hunting"\nc2,Mining\nc3,Food\n')
    reading = read_wiod([path])
    table, data = reading.table, numbers()
    assert table is not None
    Z = data["Z"].copy()
    Z[4, 3] = 0.0
    np.testing.assert_array_equal(table.Z, Z * 1e6)
    np.testing.assert_array_equal(table.Y, data["Y"] * 1e6)
    np.testing.assert_allclose(table.VA, (data["x"] - Z.sum(0)) * 1e6)
    assert table.sector_names[0] == "Agriculture, Hunting"
    assert table.period == "2011"
    assert [Path(f.path).name for f in reading.files] == [path.name, companion.name, "industries.csv"]
    assert balance(table).columns.total < 1e-12


def test_a_long_file_cut_off_is_not_read(tmp_path: Path) -> None:
    path, _ = long_files(tmp_path)
    whole = {c.name: c for c in read("wiod", path).checks}
    assert [whole[f"{side} add up to output"].severity for side in ("columns", "rows")] == ["info", "soft"]
    frame = pl.read_parquet(path)
    # a seller of the last economy loses its buyers; the columns still add up, for value added is the remainder
    frame.head(int(frame.height * 0.9)).write_parquet(path)
    with pytest.raises(CheckError, match="rows add up to output") as caught:
        read("wiod", path)
    assert "above 2%, or 10% of one economy, the table is not read" in str(caught.value)


def test_glob_characters_in_names_are_just_characters(tmp_path: Path) -> None:
    (tmp_path / "a[1]*").mkdir()
    path, _ = long_files(tmp_path / "a[1]*")
    assert table_of(path).size == (3, 3, 5)


def test_long_form_rounding_is_seen(tmp_path: Path) -> None:
    path, companion = long_files(tmp_path, whole=True)
    from weaponized_interdependence.sources.wiod import cut_long

    assert rounding_of(cut_long(path, companion, None)[0]) == 1e6
    (tmp_path / "exact").mkdir()
    path, companion = long_files(tmp_path / "exact")
    assert rounding_of(cut_long(path, companion, None)[0]) == 0.0


def test_the_companion_is_found_named_or_asked_for(tmp_path: Path) -> None:
    path, companion = long_files(tmp_path)
    elsewhere = tmp_path / "x.csv.gz"
    companion.rename(elsewhere)
    with pytest.raises(UsageError, match=r"no file with gross output beside t_long\.parquet"):
        read_wiod([path])
    assert table_of(path, output=elsewhere).size == (3, 3, 5)
    with pytest.raises(UsageError, match="leave output and names out"):
        read_wiod([workbook(tmp_path / "wiot09.xlsx")], output=elsewhere)


def spoil_long(folder: Path, change: Any, *, of_output: bool = False) -> tuple[Path, Path]:
    path, companion = long_files(folder, csv=True)
    frame = pl.read_csv(companion if of_output else path, infer_schema=False)
    frame = change(frame)
    target = folder / "t_output.csv" if of_output else path
    frame.write_csv(target)
    if of_output:
        companion.unlink()
    return path, target


@pytest.mark.parametrize(
    ("change", "of_output", "words"),
    [
        (lambda d: d.with_columns(value=pl.lit("x")), False, "cell(s) text, in row 1, 2, 3"),
        (lambda d: d.with_columns(value=pl.lit("NaN")), False, "cell(s) not finite"),
        (lambda d: d.with_columns(value=pl.lit(None, pl.String)), False, "cell(s) empty"),
        (lambda d: pl.concat([d, d.head(2)]), False, "4 cell(s) repeated"),
        (lambda d: d.with_columns(col=pl.lit("AUS_c36")), False, "col label(s) without gross output, or unknown: AUS_"),
        (lambda d: d.head(4), True, "row label(s) without gross output, or unknown"),
        (lambda d: d.with_columns(year=pl.lit("2010")), True, "not one year: 2010, 2011"),
        (lambda d: d.with_columns(output=pl.lit("-1")), True, "negative output of 9"),
        (lambda d: d.rename({"output": "x"}), True, "no column 'output'"),
    ],
)
def test_bad_long_files_are_refused(tmp_path: Path, change: Any, of_output: bool, words: str) -> None:
    path, _ = spoil_long(tmp_path, change, of_output=of_output)
    with pytest.raises(InputError) as caught:
        read_wiod([path])
    assert words in str(caught.value)


def test_a_long_file_without_a_year_asks_for_it(tmp_path: Path) -> None:
    path, companion = long_files(tmp_path, csv=True)
    pl.read_csv(path).drop("year").write_csv(path)
    pl.read_csv(companion).drop("year").write_csv(tmp_path / "o.csv")
    with pytest.raises(UsageError, match="does not say its year"):
        read_wiod([path], output=tmp_path / "o.csv")
    assert table_of(path, output=tmp_path / "o.csv", period="1999").period == "1999"
    with pytest.raises(InputError, match="not one year"):
        read_wiod([path], period="1999")


# --- real numbers and the publisher's own layout ----------------------------------------------------------------------


def test_the_mock_workbook_against_openpyxl(shared_data: Path) -> None:
    path = shared_data / "mrio" / "layout_fixtures" / "wiod_mock" / "wiot09_row_sep12.xlsx"
    table = table_of(path)
    sheet = openpyxl.load_workbook(path, data_only=True).worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    economies, codes = rows[4], rows[5]
    body = [r for r in rows if r[2] in set(economies) - {None} and str(r[3]).startswith("c")]
    inner = [k for k, c in enumerate(codes) if c in {r[3] for r in body}]
    assert table.Z.shape == (len(body), len(inner))
    Z = np.array([[r[k] for k in inner] for r in body], dtype=float)
    np.testing.assert_array_equal(table.Z, Z * 1e6)
    bottom = next(r for r in rows if r[3] == "r69")
    np.testing.assert_array_equal(table.x, np.array([bottom[k] for k in inner], dtype=float) * 1e6)
    assert table.economies[-1] == "ROW"
    assert balance(table).columns.total < 1e-9


@pytest.mark.parametrize(
    ("year", "output", "rows"), [(2000, 60.8e12, 0.0009), (2007, 109.4e12, 0.0006), (2011, 141.8e12, 0.0005)]
)
def test_published_totals(shared_data: Path, year: int, output: float, rows: float) -> None:
    reading = read("wiod", shared_data / "mrio" / "wiod13" / f"wiod13_{year}_long.parquet")
    table = reading.table
    assert table is not None
    assert table.x.sum() == pytest.approx(output, rel=1e-3)
    assert balance(table).rows.total < rows
    assert balance(table, step=1e6).rows.allowed
    assert balance(table).columns.total < 1e-12
    assert review(table).negative_value_added == (0, 0.0)
    assert reading.failed == ()
    assert len(table.sector_names) == 35


def test_both_2011_layouts_are_one_table(shared_data: Path) -> None:
    folder = shared_data / "mrio" / "wiod13"
    a = table_of(folder / "wiod13_2011_long.parquet")
    b = read_icio([folder / "wiod13_2011_in_ICIO_csv_layout.csv.gz"]).table
    assert b is not None
    assert (a.economies, a.sectors) == (b.economies, b.sectors)
    for name in ("Z", "Y", "x"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_allclose(a.VA, b.VA, atol=1.0)
    assert a.VA[a.rows_of("USA")].sum() == pytest.approx(15.2e12, rel=5e-3)
    assert a.VA[a.rows_of("CHN")].sum() == pytest.approx(7.4e12, rel=5e-3)
    assert review(a).spectral_radius == pytest.approx(0.61, abs=5e-3)
    flows = to_flows(a)
    goods = flows.filter(layer="goods", origin="CHN", destination="USA")["value"].sum()
    assert goods == pytest.approx(360e9, rel=5e-3)
    assert flows["origin"].n_unique() == 41
