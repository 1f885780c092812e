"""The World Bank reader: preamble and BOM, groups of economies, published totals, bad files."""

import zipfile
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from weaponized_interdependence.errors import CheckError, InputError
from weaponized_interdependence.harmonize.economies import economies
from weaponized_interdependence.schemas import MACRO
from weaponized_interdependence.sources.registry import read
from weaponized_interdependence.sources.wdi import read_wdi

PREAMBLE = '\ufeff"Data Source","World Development Indicators",\n\n"Last Updated Date","2025-03-24",\n\n'
HEADER = '"Country Name","Country Code","Indicator Name","Indicator Code","2019","2020","2021",\n'


def line(name: str, code: str, *values: str, indicator: str = "NY.GDP.MKTP.CD") -> str:
    return ",".join(f'"{c}"' for c in (name, code, "x", indicator, *values)) + ",\n"


ROWS = (
    line("United States", "USA", "10", "", "12.5"),
    line("Kosovo", "XKX", "1", "2", "3"),
    line("Korea, Rep.", "KOR", "", "", ""),
    line("World", "WLD", "15", "20", "30"),
    line("Africa Eastern and Southern", "AFE", "2", "2", "2"),
    line("Atlantis", "QQQ", "5", "5", ""),
    line("Namibia", "NAM", "n/a", "-1", "4"),
)


def save(path: Path, *rows: str, preamble: str = PREAMBLE, header: str = HEADER) -> Path:
    path.write_text(preamble + header + "".join(rows), encoding="utf-8")
    return path


def values(macro: pl.DataFrame | None) -> dict[tuple[str, str, str], float]:
    assert macro is not None
    assert macro.columns == list(MACRO.schema)
    return {(r["economy"], r["period"], r["indicator"]): r["value"] for r in macro.iter_rows(named=True)}


def test_the_download_layout(tmp_path: Path) -> None:
    reading = read_wdi([save(tmp_path / "API_NY.GDP.MKTP.CD_DS2_en_csv_v2_1.csv", *ROWS)])
    assert values(reading.macro) == {
        ("USA", "2019", "gdp"): 10, ("USA", "2021", "gdp"): 12.5, ("XKX", "2019", "gdp"): 1, ("XKX", "2020", "gdp"): 2,
        ("XKX", "2021", "gdp"): 3, ("NAM", "2021", "gdp"): 4,
    }  # fmt: skip
    assert reading.rejected_counts == {
        "a sum over several economies": 2, "unknown origin code": 2, "not a number": 1, "negative value": 1,
    }  # fmt: skip
    assert reading.checks[0].ok
    assert reading.flows is None
    assert reading.summary is not None


def test_without_preamble_and_with_other_indicators(tmp_path: Path) -> None:
    path = save(
        tmp_path / "WDICSV.csv",
        line("Chile", "CHL", "1", "2", "3", indicator="SP.POP.TOTL"),
        line("Chile", "CHL", "4", "5", "6", indicator="NE.IMP.GNFS.CD"),
        line("Chile", "CHL", "7", "8", "9", indicator="AG.LND.ARBL.ZS"),
        preamble="",
    )
    reading = read_wdi([path], years=[2021])
    assert values(reading.macro) == {("CHL", "2021", "population"): 3, ("CHL", "2021", "imports"): 6}
    assert reading.macro is not None
    assert dict(reading.macro.select("indicator", "unit").iter_rows()) == {"population": "persons", "imports": "USD"}
    assert reading.notes[0] == "1 other indicators in WDICSV.csv are left alone"
    assert reading.rejected_counts == {"outside the selection": 4}
    with pytest.raises(InputError, match="holds 2019, 2020, 2021; asked for 1999") as caught:
        read("wdi", path, years=[1999])
    assert "6 row(s): outside the selection" in str(caught.value)


def test_the_zip_holds_metadata_too(tmp_path: Path) -> None:
    plain = save(tmp_path / "API_NY.GDP.MKTP.CD_DS2_en_csv_v2_1.csv", *ROWS)
    path = tmp_path / "API_NY.GDP.MKTP.CD.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(plain, plain.name)
        archive.writestr("Metadata_Country_API_NY.GDP.MKTP.CD_DS2.csv", '"Country Code","Region"\n"ABW","x"\n')
    assert values(read_wdi([path]).macro) == values(read_wdi([plain]).macro)


def test_economies_above_the_world_row_fail_the_check(tmp_path: Path) -> None:
    rows = (line("Chile", "CHL", "30", "2", "3"), line("World", "WLD", "20", "2", "3"))
    check = read_wdi([save(tmp_path / "API_a.csv", *rows)]).checks[0]
    assert (check.ok, check.found) == (False, "100.0% to 150.0%")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no line names Country Name, Country Code and Indicator Code"),
        (PREAMBLE + HEADER + line("Chile", "CHL", "1", "2", "3", indicator="X"), "holds none of the indicators read"),
        (PREAMBLE + HEADER.replace("2019", "a").replace("2020", "b").replace("2021", "c") + ROWS[0], "no column of a"),
        (PREAMBLE + HEADER + ROWS[0] + '"Chile","CHL","x","NY.GDP.MKTP.CD","1', "cut off"),
        (PREAMBLE + HEADER + ROWS[0] + '"Chile","CHL","x","NY.GDP.MKTP.CD","1",', "cut off"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "API_x.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_wdi([path])
    assert words in str(caught.value)


def test_a_last_line_without_its_end_may_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "API_x.csv"
    path.write_text((PREAMBLE + HEADER + ROWS[1] + ROWS[0]).rstrip("\n"), encoding="utf-8")
    assert values(read_wdi([path]).macro)["USA", "2021", "gdp"] == 12.5
    path.write_text((PREAMBLE + HEADER + ROWS[1] + ROWS[0]).rstrip(",\n"), encoding="utf-8")
    assert values(read_wdi([path]).macro)["USA", "2021", "gdp"] == 12.5


def test_a_repeated_economy_is_reported(tmp_path: Path) -> None:
    reading = read_wdi([save(tmp_path / "API_x.csv", ROWS[1], ROWS[1], line("Kosovo", "XKX", "9", "2", "3"))])
    assert reading.rejected_counts == {"repeated row": 5, "conflicting row": 1}
    assert values(reading.macro)["XKX", "2019", "gdp"] == 1


def test_published_totals(shared_data: Path) -> None:
    folder = shared_data / "country"
    reading = read("wdi", str(folder / "API_*.csv"))
    got = values(reading.macro)
    assert got["USA", "2023", "gdp"] == pytest.approx(27.7e12, rel=5e-3)
    raw = {
        path.name.split("_")[1]: pd.read_csv(path, skiprows=4, keep_default_na=False).set_index("Country Code")
        for path in folder.glob("API_*.csv")
    }
    assert float(raw["NY.GDP.MKTP.CD"].loc["WLD", "2023"]) == pytest.approx(106.2e12, rel=1e-3)
    assert float(raw["SP.POP.TOTL"].loc["WLD", "2021"]) == pytest.approx(7.888e9, rel=1e-3)
    for code, name in (("NY.GDP.MKTP.CD", "gdp"), ("SP.POP.TOTL", "population")):
        column = raw[code]["2020"].replace("", None).dropna().astype(float)
        ours = {e: v for (e, p, i), v in got.items() if p == "2020" and i == name}
        for economy, value in ours.items():
            assert value == column[economy]
        assert 0.98 * column["WLD"] < sum(ours.values()) < column["WLD"]
    assert not {"WLD", "AFE", "EUU"} & {e for e, _, _ in got}
    assert reading.rejected_counts == {"a sum over several economies": 96}
    assert reading.failed == ()


def test_one_economy_is_an_extract_and_the_world_a_whole(tmp_path: Path) -> None:
    one = save(tmp_path / "API_one.csv", line("Namibia", "NAM", "1.2e10", "1.1e10", ""))
    assert read("wdi", one).scope == "extract"
    assert any("1 economies at most: read as an extract" in n for n in read_wdi([one]).notes)
    codes = economies().filter(pl.col("kind") == "state")["iso3"].head(180)
    world = save(tmp_path / "API_all.csv", *[line(c, c, "5e11", "", "") for c in codes])
    assert read("wdi", world).scope == "whole"
    low = save(tmp_path / "API_low.csv", *[line(c, c, "5e8", "", "") for c in codes])
    with pytest.raises(CheckError, match="total value"):
        read("wdi", low)
    # population of one economy beside the GDP of all: the whole is no whole
    both = [one_line for c in codes for one_line in [line(c, c, "5e11", "", "")]]
    both.append(line("Chile", "CHL", "1.9e7", "", "", indicator="SP.POP.TOTL"))
    assert read("wdi", save(tmp_path / "API_both.csv", *both)).scope == "extract"
