"""Trade that must not be counted twice or vanish: editions, years, mirrors, lost zeros, units told row by row."""

import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import CheckError, InputError, UsageError
from weaponized_interdependence.sources.reading import Reading
from weaponized_interdependence.sources.registry import find_files, read, stream

CT = "period,reporterCode,partnerCode,flowCode,classificationCode,cmdCode,primaryValue,netWgt,aggrLevel\n"
BACI = "t,i,j,k,v,q\n"
FLOWS = "period,origin,destination,value\n"


def put(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def comtrade(folder: Path, text: str, **options: object) -> Reading:
    return read("comtrade", put(folder, CT + text, "c.csv"), **options)


def told(reading: Reading) -> list[tuple[object, ...]]:
    assert reading.flows is not None
    return reading.flows.select("origin", "destination", "item", "value").rows()


def test_a_flow_told_in_two_editions_counts_once(tmp_path: Path) -> None:
    text = "2021,842,124,M,H5,270900,100,1,6\n2021,124,842,X,H6,270900,95,1,6\n2021,842,156,M,H5,270900,7,1,6\n"
    usual = comtrade(tmp_path, text)
    assert told(usual) == [("CAN", "USA", "HS17:270900", 100.0), ("CHN", "USA", "HS17:270900", 7.0)]
    assert usual.rejected_counts == {"in another classification": 1}
    every = comtrade(tmp_path, text, classification="HS")
    assert told(every) == told(usual)
    assert every.rejected_counts == {"reported by the other side": 1}
    later = comtrade(tmp_path, text, classification="H6")
    assert told(later) == [("CAN", "USA", "HS22:270900", 95.0)]
    with pytest.raises(CheckError, match="1 rows in HS17"):
        comtrade(tmp_path, text, classification="HS22", strict=True)
    with pytest.raises(InputError, match="the input is in HS17, HS22; asked for SITC3"):
        comtrade(tmp_path, text, classification="S3")
    with pytest.raises(UsageError, match="classification='HS93'"):
        comtrade(tmp_path, text, classification="HS93")


def test_a_weight_that_is_text_is_told(tmp_path: Path) -> None:
    reading = comtrade(tmp_path, "2021,842,124,M,H5,270900,100,abc,6\n2021,842,156,M,H5,270900,9,0,6\n")
    assert told(reading) == [("CHN", "USA", "HS17:270900", 9.0)]
    assert reading.rejected_counts == {"not a number": 1}


def test_one_reporter_in_two_editions_counts_once(tmp_path: Path) -> None:
    text = "2021,842,124,M,H5,270900,100,1,6\n2021,842,124,M,H6,270900,100,1,6\n2021,842,156,M,H6,270900,7,1,6\n"
    every = comtrade(tmp_path, text, classification="HS")
    assert told(every) == [("CAN", "USA", "HS22:270900", 100.0), ("CHN", "USA", "HS22:270900", 7.0)]
    assert every.rejected_counts == {"in another classification": 1}


def test_two_classifications_are_never_both_taken(tmp_path: Path) -> None:
    text = "2021,842,124,M,H5,27,100,1,2\n2021,842,124,M,S3,33,100,1,2\n"
    assert told(comtrade(tmp_path, text, strict=True)) == [("CAN", "USA", "HS17:27", 100.0)]
    assert told(comtrade(tmp_path, text, classification="SITC3")) == [("CAN", "USA", "SITC3:33", 100.0)]


def test_codes_that_lost_a_zero(tmp_path: Path) -> None:
    text = "2021,842,124,M,H5,270900,100,1,6\n2021,842,124,M,H5,10121,55,1,5\n2021,842,124,M,H5,770110,1,1,6\n"
    reading = comtrade(tmp_path, text)
    assert [row[2:] for row in told(reading)] == [("HS17:270900", 100.0), ("HS17:010121", 55.0)]
    assert reading.rejected_counts == {"unknown item code": 1}
    assert any("no chapter 77" in note for note in reading.notes)
    sitc = comtrade(tmp_path, "2021,842,124,M,S3,33,100,1,2\n2021,842,124,M,S3,1,55,1,2\n")
    assert told(sitc) == [("CAN", "USA", "SITC3:33", 100.0)]
    assert sitc.rejected_counts == {"unknown item code": 1}


YEARS = {
    "baci": ("BACI_HS17_x.csv", BACI, "{},4,8,010121,5,1\n", 1),
    "comtrade": ("c.csv", CT, "{},842,124,M,H5,270900,100,1,6\n", 1),
    "unctad": ("u.csv", "year,exporter,importer,sitc,value_kusd\n", "{},USA,CHN,3,1\n", 1),
    "cow": ("w.csv", "ccode1,ccode2,year,flow1,flow2\n", "2,40,{},5,4\n", 2),
}


@pytest.mark.parametrize("name", YEARS)
def test_rows_of_other_years_are_counted_and_unreadable_years_rejected(tmp_path: Path, name: str) -> None:
    file, head, line, times = YEARS[name]
    path = put(tmp_path, head + "".join(line.format(y) for y in ("2009", "2010", "20x0")), file)
    reading = read(name, path, years=[2009])
    assert reading.flows is not None
    assert reading.flows["period"].to_list() == ["2009"] * times
    assert reading.rejected_counts == {"outside the selection": times, "not a period": times}
    assert set(reading.rejected["reason"]) == {"not a period"}
    with pytest.raises(InputError, match="the input holds 2009, 2010; asked for 2011"):
        read(name, path, years=[2011])


def test_a_year_that_has_only_its_total_keeps_it(tmp_path: Path) -> None:
    text = BACI + "2021,4,8,10121,5,1\n2021,4,8,TOTAL,5,1\n2020,4,8,TOTAL,6,1\n"
    reading = read("baci", put(tmp_path, text, "BACI_HS17_x.csv"))
    assert reading.flows is not None
    assert reading.flows.select("period", "item").rows() == [("2021", "HS17:010121"), ("2020", "TOTAL")]
    assert reading.rejected_counts == {"item is a subtotal": 1}


def test_codes_of_unions_are_noted(tmp_path: Path) -> None:
    lines = "1998,58,8,010121,1,1\n1999,58,8,010121,2,2\n2005,8,711,010121,4,4\n2006,58,711,010121,4,4\n"
    path = put(tmp_path, BACI + lines, "BACI_HS92_x.csv")
    said = [n for n in read("baci", path).notes if "later years" in n]
    assert (
        said
        == [
            "2 rows with code 58 (BLX, until 1998) in later years are read as BEL",
            "1 rows with code 711 (SACU, until 1999) in later years are read as ZAF",
        ]
        or len(said) == 2
    )
    assert stream("baci", [path], tmp_path / "o.parquet").notes == read("baci", path).notes


@pytest.mark.parametrize("end", ["", "\n2021,4,20,10121,x,1\n"])
def test_a_short_line_is_refused_whatever_else_the_file_has(tmp_path: Path, end: str) -> None:
    text = BACI + "2021,4,8,10121,5.0,1\n\n2021,4,12,10121,6.0\n2021,4,16,10121" + (end or ",1,1\n")
    reading = read("baci", put(tmp_path, text, "BACI_HS17_x.csv"))
    assert reading.rejected_counts["wrong number of cells"] == (2 if end else 1)


def test_dictionaries_by_text_and_absent_ones(tmp_path: Path) -> None:
    path = put(tmp_path, BACI + "2021,998,8,10121,5,1\n", "BACI_HS17_x.csv")
    codes = put(tmp_path, "country_code,country_iso3\n998,QQQ\n", "codes.csv")
    reading = read("baci", path, country_codes=str(codes))
    assert told(reading)[0][0] == "QQQ"
    with pytest.raises(InputError, match="no such file"):
        read("baci", path, product_codes=str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="no such file"):
        stream("baci", [path], tmp_path / "o.parquet", country_codes=str(tmp_path / "none.csv"))


@pytest.mark.parametrize("name", ["a[1].{}", "a*.{}", "a?.{}"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_a_name_is_no_pattern(tmp_path: Path, name: str, suffix: str) -> None:
    frame = pl.DataFrame({"period": ["2021"], "origin": ["USA"], "destination": ["CHN"], "value": [1.0]})
    other = frame.with_columns(value=pl.lit(99.0))
    for file, data in ((f"a1.{suffix}", other), (name.format(suffix), frame)):
        with (tmp_path / file).open("wb") as out:
            {"csv": data.write_csv, "parquet": data.write_parquet, "arrow": data.write_ipc}[suffix](out)
    assert told(read("table", tmp_path / name.format(suffix))) == [("USA", "CHN", "TOTAL", 1.0)]


def test_table_carries_basis_and_quantity_unit_row_by_row(tmp_path: Path) -> None:
    text = FLOWS.strip() + ",quantity,quantity_unit,basis\n2021,USA,CHN,1,3,kg,observed\n2021,USA,DEU,1,3,t,estimated\n"
    flows = read("table", put(tmp_path, text, "t.csv")).flows
    assert flows is not None
    assert flows.select("quantity_unit", "basis").rows() == [("kg", "observed"), ("t", "estimated")]


def test_table_decimal_comma(tmp_path: Path) -> None:
    head = FLOWS.replace(",", ";")
    path = put(tmp_path, head + "2021;USA;DEU;1,5\n2021;USA;FRA;2\n", "t.csv")
    assert [v for *_, v in told(read("table", path, delimiter=";", decimal=","))] == [1.5, 2.0]
    point = read("table", path, delimiter=";")
    assert point.rejected_counts == {"not a number": 1}
    assert any("decimal comma" in note for note in point.notes)
    both = put(tmp_path, head + "2021;USA;DEU;1,5\n2021;USA;FRA;1.000\n", "b.csv")
    for decimal in (".", ","):
        with pytest.raises(InputError, match=r"decimal sign(.|\n)*'1.000'"):
            read("table", both, delimiter=";", decimal=decimal)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": float("inf")},
        {"scale": float("nan")},
        {"delimiter": "ab"},
        {"delimiter": ""},
        {"decimal": ","},
        {"decimal": ";"},
    ],
)
def test_table_refuses_signs_that_mean_nothing(tmp_path: Path, options: dict[str, object]) -> None:
    path = put(tmp_path, FLOWS + "2021,USA,CHN,1\n", "t.csv")
    with pytest.raises(UsageError, match="cannot read numbers so"):
        read("table", path, **options)


def test_table_two_files_two_units_and_codes_of_no_product(tmp_path: Path) -> None:
    usd = put(tmp_path, FLOWS.strip() + ",unit\n2021,USA,CHN,1,USD\n2021,USA,FRA,1,USD\n", "a.csv")
    eur = put(tmp_path, FLOWS.strip() + ",unit\n2021,USA,DEU,1,EUR\n", "b.csv")
    assert read("table", eur, usd).rejected_counts == {"unit differs": 1}
    text = FLOWS.strip() + ",item\n2021,USA,CHN,1,27090\n2021,USA,CHN,1,270900\n2021,USA,CHN,1,MINE:1\n"
    reading = read("table", put(tmp_path, text, "c.csv"), prefix="HS17:")
    assert [item for _, _, item, _ in told(reading)] == ["HS17:270900", "MINE:1"]
    assert reading.rejected_counts == {"unknown item code": 1}


def test_stdin_and_pipes(tmp_path: Path) -> None:
    text = FLOWS + "2021,USA,CHN,1\n"
    code = (
        "from weaponized_interdependence.sources.registry import read; r = read('table', '-'); print(r.flows, r.files)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    assert "CHN" in done.stdout
    assert f"bytes={len(text)}" in done.stdout
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(text))
    writer.start()
    assert told(read("table", pipe)) == [("USA", "CHN", "TOTAL", 1.0)]
    writer.join()
    with pytest.raises(InputError, match="is a device"):
        read("table", "/dev/null")


def test_paths_that_cannot_be_and_macos_companions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be a path"):
        find_files(["a" * 5000])
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", FLOWS + "2021,USA,CHN,1\n2021,USA,ZZZ,1\n")
        archive.writestr("__MACOSX/._t.csv", b"\x00\x05\x16\x07")
        archive.writestr("folder/._t.csv", b"\x00\x05\x16\x07")
    reading = read("table", path)
    assert told(reading) == [("USA", "CHN", "TOTAL", 1.0)]
    assert reading.rejected["file"].to_list() == [f"{path}!t.csv"]


@pytest.mark.parametrize("edition", ["HS88", "HS27", "HS2017", "H5"])
def test_only_editions_that_exist(tmp_path: Path, edition: str) -> None:
    with pytest.raises(UsageError, match="HS92, HS96, HS02, HS07, HS12, HS17, HS22"):
        read("baci", put(tmp_path, BACI + "2021,4,8,10121,5,1\n", "b.csv"), edition=edition)
