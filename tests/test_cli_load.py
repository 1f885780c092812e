"""`wi load` and `wi sources`: what was read is told in full, what cannot be is an error, nothing is half-written."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from cli_support import good, wi

from weaponized_interdependence import exports
from weaponized_interdependence.io_table import read_table
from weaponized_interdependence.schemas import FLOWS, MACRO, REJECTED
from weaponized_interdependence.sources.declaration import declared
from weaponized_interdependence.sources.registry import READERS

BACI = """t,i,j,k,v,q
2021,842,276,270900,1000.5,12
2021,156,276,010121,200,NA
2021,276,842,300490,-5,1
2021,9999,842,300490,7,1
"""


@pytest.fixture
def baci(tmp_path: Path) -> Path:
    path = tmp_path / "BACI_HS17_Y2021_V202501.csv"
    path.write_text(BACI, encoding="utf-8")
    return path


def test_good_rows_and_rejected_rows_both_come_out(baci: Path, tmp_path: Path) -> None:
    out, rejected = tmp_path / "flows.parquet", tmp_path / "rejected.csv"
    result = good("load", "baci", baci, "-o", out, "--rejected", rejected)
    flows = FLOWS.conform(pl.read_parquet(out))
    assert dict(flows.select("origin", "value").iter_rows()) == {"USA": 1_000_500.0, "CHN": 200_000.0}
    assert sorted(flows["item"]) == ["HS17:010121", "HS17:270900"]
    refused = REJECTED.conform(exports.read_frame(rejected, REJECTED))
    assert sorted(refused["row"]) == [3, 4]
    for shown in ("rows", "1.200 mn USD", "2021", "goods", "negative value", "Checks", "Wrote", "flows.parquet"):
        assert shown in result.stdout


def test_the_file_says_where_it_came_from(baci: Path, tmp_path: Path) -> None:
    out = tmp_path / "flows.parquet"
    read = json.loads(good("load", "baci", baci, "-o", out, "--json").stdout)
    about = exports.read_metadata(out)
    assert about["reader"] == "baci"
    assert json.loads(about["inputs"])[0]["sha256"] == read["files"][0]["sha256"]
    assert read["rows"] == 2
    assert read["economies"] == 3
    assert sum(read["rejected"].values()) == 2
    assert read["written"]["bytes"] == out.stat().st_size


def test_strict_writes_nothing(baci: Path, tmp_path: Path) -> None:
    result = wi("load", "baci", baci, "-o", tmp_path / "f.parquet", "--strict")
    assert result.exit_code == 1
    assert "negative value" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [baci.name]


@pytest.mark.parametrize(("level", "items"), [("hs4", {"HS17:2709", "HS17:0101"}), ("total", {"TOTAL"})])
def test_aggregate_and_options(baci: Path, tmp_path: Path, level: str, items: set[str]) -> None:
    out = tmp_path / "f.parquet"
    good("load", "baci", baci, "-o", out, "--aggregate", level)
    assert set(pl.read_parquet(out)["item"]) == items
    same = tmp_path / "g.parquet"
    good("load", "baci", baci, "-o", same, "--option", f"aggregate={level}")
    assert pl.read_parquet(same).equals(pl.read_parquet(out))


def test_period_and_edition(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress((BACI + "2020,842,276,270900,1,1\n").replace("\n", "\r\n").encode()))
    out = tmp_path / "f.parquet"
    good("load", "baci", path, "-o", out, "--edition", "HS12", "--period", "2020")
    assert pl.read_parquet(out).select("period", "item").rows() == [("2020", "HS12:270900")]


@pytest.mark.parametrize("extension", ["csv", "json", "arrow", "xlsx"])
def test_other_formats(baci: Path, tmp_path: Path, extension: str) -> None:
    out = tmp_path / f"f.{extension}"
    good("load", "baci", baci, "-o", out)
    assert out.stat().st_size > 0
    if extension in ("csv", "json", "arrow"):
        assert exports.read_frame(out, FLOWS).height == 2


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["bacci", "f.csv", "-o", "x.parquet"], 2, "did you mean baci"),
        (["baci", "no_such.csv", "-o", "x.parquet"], 1, "no_such.csv"),
        (["baci", "f.csv", "-o", "x.doc"], 2, ".parquet"),
        (["baci", "f.csv", "-o", "no/folder/x.parquet"], 1, "mkdir"),
        (["baci", "f.csv", "-o", "."], 1, "folder"),
        (["baci", "f.csv", "-o", "x.parquet", "--rejected", "r.doc"], 2, "r.doc"),
        (["baci", "f.csv", "-o", "-"], 2, "stdout"),
        (["baci", "f.csv", "-o", "f.csv"], 2, "is an input"),
        (["baci", "f.csv", "-o", "x.parquet", "--rejected", "f.csv"], 2, "is an input"),
        (["baci", "f.csv", "-o", "x.parquet", "--option", "colour=red"], 2, "colour"),
        (["baci", "f.csv", "-o", "x.parquet", "--option", "edition"], 2, "key=value"),
        (["baci", "f.csv", "-o", "x.parquet", "--option", "edition=HS17", "--option", "edition=HS12"], 2, "twice"),
        (["baci", "f.csv", "-o", "x.parquet", "--period", "soon"], 2, "period"),
        (["baci", "f.csv", "-o", "x.parquet", "--edition", "HS17", "--option", "edition=HS12"], 2, "twice"),
        (["cow", "f.csv", "-o", "x.parquet", "--aggregate", "hs2"], 2, "aggregate"),
        (["icio", "f.csv", "-o", "x.csv"], 2, ".parquet"),
        (["baci", "-o", "x.parquet"], 2, "PATH"),
        (["baci", "f.csv"], 2, "--out"),
    ],
)
def test_errors(
    baci: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    baci.rename("f.csv")
    result = wi("load", *args)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert result.stdout == ""
    assert "unexpected" not in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.csv"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"t,i,j,k,v,q\n", b"a;b;c\n1;2;3\n", b"\xff\xfe\x00\x01", b"t,i,j,k,v,q\n2021,842,276,270900,inf,1\n"],
)
def test_a_file_that_is_no_baci_is_one_readable_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "BACI_HS17_Y2021_V202501.csv"
    path.write_bytes(content)
    result = wi("load", "baci", path, "-o", tmp_path / "f.parquet")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "unexpected" not in result.stderr
    assert not (tmp_path / "f.parquet").exists()


def test_hints_are_options_of_the_command_line_and_they_work(tmp_path: Path) -> None:
    path, out = tmp_path / "own.csv", tmp_path / "f.parquet"
    path.write_text("Year,from,to,usd\n2020,USA,DEU,5\n", encoding="utf-8")
    said = wi("load", "table", path, "-o", out).stderr
    assert "--option columns=period:" in said
    assert "{" not in said
    columns = "columns=period:Year,origin:from,destination:to,value:usd"
    fixed = "constants=layer:goods,item:TOTAL,unit:USD,basis:observed"
    good("load", "table", path, "-o", out, "--option", columns, "--option", fixed)
    assert pl.read_parquet(out)["value"].to_list() == [5.0]


def test_checks_that_do_not_apply_are_only_in_the_document(baci: Path, tmp_path: Path) -> None:
    assert "not asked" not in good("load", "baci", baci, "-o", tmp_path / "f.parquet").stdout
    assert "not asked" in good("load", "baci", baci, "-o", tmp_path / "f.parquet", "--json").stdout


def test_what_load_wrote_rank_reads(baci: Path, tmp_path: Path) -> None:
    good("load", "baci", baci, "-o", tmp_path / "f.parquet")
    out = good("rank", tmp_path / "f.parquet", "-i", "export_share", "-o", "-").stdout
    assert "USA" in out


# ---- sources ------------------------------------------------------------------------------------------------------


def test_every_reader_is_listed() -> None:
    said = good("sources", "list").stdout
    read = json.loads(good("sources", "list", "--json").stdout)["sources"]
    assert {r["name"] for r in read} >= set(READERS)
    assert all(name in said for name in READERS)


@pytest.mark.parametrize("name", declared())
def test_every_source_is_shown_with_licence_and_citation(name: str) -> None:
    said = " ".join(good("sources", "show", name, env={"COLUMNS": "400"}).stdout.split())
    read = json.loads(good("sources", "show", name, "--json").stdout)
    for key in ("publisher", "licence", "citation", "cadence"):
        assert " ".join(read[key].split()) in said
    for option in read["reader_options"]:
        assert option in said


def test_an_unknown_source_names_the_nearest() -> None:
    for command in ("show", "fetch"):
        result = wi("sources", command, "bacci")
        assert result.exit_code == 2
        assert "baci" in result.stderr


# ---- real files ---------------------------------------------------------------------------------------------------


def test_crude_oil_as_published(shared_data: Path, tmp_path: Path) -> None:
    """SOURCES.md: 1,425 rows, 926.8 bn USD."""
    path = shared_data / "trade" / "baci" / "BACI_HS92_270900_Y2021.csv.gz"
    said = good("load", "baci", path, "-o", tmp_path / "f.parquet").stdout
    assert "1,425" in said
    assert "926.8 bn USD" in said


def test_an_input_output_table_becomes_a_table_file(shared_data: Path, tmp_path: Path) -> None:
    """SOURCES.md: output of 2011 is 141.8 tn USD; 41 economies by 35 industries."""
    path = shared_data / "mrio" / "wiod13" / "wiod13_2011_in_ICIO_csv_layout.csv.gz"
    out = tmp_path / "t.parquet"
    said = good("load", "icio", path, "-o", out).stdout
    assert "141.8 tn USD" in said
    assert read_table(out).size == (41, 35, 5)
    ranked = good("rank", out, "-i", "export_share", "--top", 1).stdout
    assert "services" in ranked


def test_gdp_becomes_macro(shared_data: Path, tmp_path: Path) -> None:
    path = next((shared_data / "country").glob("API_NY.GDP*.csv"))
    out = tmp_path / "gdp.parquet"
    said = good("load", "wdi", path, "-o", out).stdout
    assert MACRO.conform(pl.read_parquet(out))["indicator"].unique().to_list() == ["gdp"]
    assert "the last 30 of 64 periods" in said
    result = wi("rank", out)
    assert result.exit_code == 1
    assert "MACRO" in result.stderr


def test_a_summary_of_many_units_is_not_said_to_be_of_periods(tmp_path: Path) -> None:
    """Every input of the chip explorer has a unit of its own, so a line is an input and not a period."""
    shares = "".join(f"USA,P1,Input {k},N{k},{k}%,\n" for k in range(1, 41))
    header = "provider_name,provider_id,provided_name,provided_id,share_provided,negligible_market_share\n"
    (tmp_path / "provision.csv").write_text(header + shares)
    (tmp_path / "providers.csv").write_text("provider_id,provider_type,country\nP1,country,USA\n")
    files = [tmp_path / name for name in ("provision.csv", "providers.csv")]
    said = good("load", "eto", *files, "--period", 2021, "-o", tmp_path / "f.parquet", env={"COLUMNS": "160"}).stdout
    assert "the 30 largest of 40 lines (period, layer and unit)" in said
    assert "of 40 periods" not in said
    shown = [line.split()[3] for line in said.splitlines() if line.startswith("  2021 ")]
    assert shown == [f"{k}.00" for k in range(40, 10, -1)]
