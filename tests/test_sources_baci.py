"""The BACI reader on small files made here: dress, dictionaries, faults, sums, streaming."""

import gzip
import json
import os
import random
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weaponized_interdependence import __version__, exports
from weaponized_interdependence.errors import CheckError, InputError, OutputError, UsageError
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.baci import scan_baci
from weaponized_interdependence.sources.reading import stamp, summarise
from weaponized_interdependence.sources.registry import metadata_of, read, stream

HEAD = "t,i,j,k,v,q\n"
ROWS = (
    "2021,842,156,010121,10.5,         3.25\n"
    "2021,842,156,270900,20,           NA\n"
    "2021,156,842,10129,1.5,0.125\n"
    "2020,490,251,854231,7,\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, text: str | bytes, name: str = "BACI_HS17_extract.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def flows_of(path: Path, **options: object) -> pl.DataFrame:
    flows = read("baci", path, **options).flows
    assert flows is not None
    return FLOWS.conform(flows)


def test_units_codes_and_leading_zeros(folder: Path) -> None:
    flows = flows_of(put(folder, HEAD + ROWS))
    assert flows.select("period", "origin", "destination", "item", "value", "quantity").rows() == [
        ("2021", "USA", "CHN", "HS17:010121", 10_500.0, 3.25),
        ("2021", "USA", "CHN", "HS17:270900", 20_000.0, None),
        ("2021", "CHN", "USA", "HS17:010129", 1_500.0, 0.125),
        ("2020", "TWN", "FRA", "HS17:854231", 7_000.0, None),
    ]
    assert flows.select("layer", "unit", "quantity_unit", "basis").unique().rows() == [
        ("goods", "USD", "t", "observed")
    ]


def test_every_packing_reads_the_same(folder: Path) -> None:
    plain = (HEAD + ROWS).encode()
    expected = flows_of(put(folder, plain))
    put(folder, gzip.compress(plain), "BACI_HS17_a.csv.gz")
    with pa.output_stream(str(folder / "BACI_HS17_b.csv.zst"), compression="zstd") as out:
        out.write(plain)
    with zipfile.ZipFile(folder / "BACI_HS17_V202301.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BACI_HS17_Y2021_V202301.csv", plain)
        archive.writestr("Readme.txt", "not data")
        archive.writestr(
            "country_codes_V202301.csv", "country_code,country_name,country_iso2,country_iso3\n4,A,AF,AFG\n"
        )
        archive.writestr("product_codes_HS17_V202301.csv", 'code,description\n010121,"Horses, live"\n')
    for name in ("BACI_HS17_a.csv.gz", "BACI_HS17_b.csv.zst", "BACI_HS17_V202301.zip"):
        assert flows_of(folder / name, edition="HS17").equals(expected), name


def test_parquet_with_numbers_or_text(folder: Path) -> None:
    text = pl.read_csv((HEAD + ROWS).encode(), infer_schema=False)
    text.write_parquet(folder / "BACI_HS17_text.parquet")
    typed = text.select(
        pl.col("t", "i", "j").cast(pl.Int16),
        pl.col("k").cast(pl.Int32),
        pl.col("v").cast(pl.Float64),
        pl.col("q").str.strip_chars().cast(pl.Float64, strict=False),
    )
    typed.write_parquet(folder / "BACI_HS17_typed.parquet")
    expected = flows_of(put(folder, HEAD + ROWS))
    assert flows_of(folder / "BACI_HS17_text.parquet").equals(expected)
    assert flows_of(folder / "BACI_HS17_typed.parquet").equals(expected)


def test_zip_opens_only_the_years_asked(folder: Path) -> None:
    with zipfile.ZipFile(folder / "BACI_HS17_V202301.zip", "w") as archive:
        archive.writestr("BACI_HS17_Y2020_V202301.csv", HEAD + "2020,4,8,010121,1,1\n")
        archive.writestr("BACI_HS17_Y2021_V202301.csv", "not even a table")
    reading = read("baci", folder / "BACI_HS17_V202301.zip", years=[2020])
    assert reading.flows is not None
    assert set(reading.flows["period"]) == {"2020"}
    assert len(reading.files) == 1
    assert any("2020" in note for note in reading.notes)


def test_many_files_and_patterns(folder: Path) -> None:
    put(folder, HEAD + "2020,4,8,010121,1,1\n", "BACI_HS17_Y2020_V202301.csv")
    put(folder, "v,q,k,t,j,i\n2,1,010121,2021,8,4\n", "BACI_HS17_Y2021_V202301.csv")
    flows = read("baci", str(folder / "BACI_HS17_Y*.csv")).flows
    assert flows is not None
    assert flows.select("period", "origin", "value").rows() == [("2020", "AFG", 1000.0), ("2021", "AFG", 2000.0)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2021,842,156,010121", "wrong number of cells"),
        ("2021,842,156,010121,6.0", "wrong number of cells"),
        ("2021,842,156,770110,1,1", "unknown item code"),
        ("2021,842,156,010121,,1", "missing value"),
        ("2021,842,156,010121,abc,1", "not a number"),
        ("2021,842,156,010121,1,abc", "not a number"),
        ("2021,842,156,010121,nan,1", "not finite"),
        ("2021,842,156,010121,inf,1", "not finite"),
        ("2021,842,156,010121,1e400,1", "not finite"),
        ("2021,842,156,010121,-1,1", "negative value"),
        ("2021,842,156,010121,1,-1", "negative value"),
        ("2021,842,156,010121,99999999999999999999999999,1", "impossibly large value"),
        ("99999999999999999999,842,156,010121,1,1", "not a period"),
        ("1875,842,156,010121,1,1", "not a period"),
        ("abc,842,156,010121,1,1", "not a period"),
        (f"{date.today().year + 1},842,156,010121,1,1", "future period"),
        ("2021,5555,156,010121,1,1", "unknown origin code"),
        ("2021,842,XYZ,010121,1,1", "unknown destination code"),
        ("2021,0,156,010121,1,1", "partner is World (a total)"),
        ("2021,842,97,010121,1,1", "partner is a group"),
        ("2021,842,156,2709,1,1", "unknown item code"),
        ("2021,842,156,27090012,1,1", "unknown item code"),
        ("2021,842,156,-1,1,1", "unknown item code"),
        ("2021,842,156,,1,1", "unknown item code"),
        ("2021,842,156,010121,1,1,7", "wrong number of cells"),
        ("2021,842,156,270900,20,NA", "repeated row"),
        ("2021,842,156,270900,21,NA", "conflicting row"),
        ("2021,840,156,270900,21,NA", "conflicting row"),
    ],
)
def test_each_fault_is_rejected_with_its_row(folder: Path, line: str, reason: str) -> None:
    path = put(folder, HEAD + ROWS + line + "\n" + "2021,36,554,010121,5,\n")
    reading = read("baci", path)
    assert reading.flows is not None
    assert reading.flows.height == 5
    assert reading.rejected_counts == {reason: 1}
    row = reading.rejected.row(0, named=True)
    assert (row["file"], row["row"], row["reason"]) == (str(path), 5, reason)
    record = json.loads(row["record"])
    cells = record.get("cells") or [record.get(c) or "" for c in "tijkvq"]
    assert [c.strip() for c in cells if c][: line.count(",") + 1] == [c for c in line.split(",") if c]
    streamed = stream("baci", [path], folder / "out.parquet")
    assert streamed.rejected_counts == {reason: 1}
    assert pl.read_parquet(folder / "out.parquet").equals(reading.flows)
    assert json.loads(exports.read_metadata(folder / "out.parquet")["rejected"]) == {reason: 1}
    if reason not in ("partner is World (a total)", "partner is a group"):
        with pytest.raises(InputError, match="1 row\\(s\\) are faulty"):
            read("baci", path, strict=True)


def test_codes_of_unions_become_the_member_when_the_union_is_over(folder: Path) -> None:
    lines = "1998,58,8,010121,1,1\n1999,58,8,010121,2,2\n1999,8,711,010121,3,3\n2005,8,711,010121,4,4\n"
    flows = flows_of(put(folder, HEAD + lines))
    ends = flows.select("origin", "destination").rows()
    assert ends == [("BLX", "ALB"), ("BEL", "ALB"), ("ALB", "SACU"), ("ALB", "ZAF")]
    doubled = read("baci", put(folder, HEAD + "1999,58,8,010121,2,2\n1999,56,8,010121,2,2\n"))
    assert doubled.rejected_counts == {"repeated row": 1}


def test_a_year_cut_at_the_end_of_a_line_is_seen_by_its_name(folder: Path) -> None:
    path = put(folder, HEAD + ROWS, "BACI_HS17_Y2021_V202301.csv")
    assert [(c.name, c.found) for c in read("baci", path).failed] == [
        ("whole year, as the file name says", "2 exporters, 4 products")
    ]
    with pytest.raises(CheckError, match="2 exporters"):
        read("baci", path, strict=True)


def test_blank_lines_are_no_rows(folder: Path) -> None:
    reading = read("baci", put(folder, HEAD + "\n" + ROWS + "\n\n"), strict=True)
    assert reading.flows is not None
    assert reading.flows.height == 4


def test_totals_beside_products_are_subtotals(folder: Path) -> None:
    reading = read("baci", put(folder, HEAD + ROWS + "2021,842,156,TOTAL,30.5,\n"))
    assert reading.rejected_counts == {"item is a subtotal": 1}
    assert reading.flows is not None
    assert reading.flows["value"].sum() == pytest.approx(39_000)


def test_totals_alone_need_no_edition(folder: Path) -> None:
    flows = flows_of(put(folder, HEAD + "2021,842,156,TOTAL,30.5,\n", "totals.csv"))
    assert flows["item"].to_list() == ["TOTAL"]


def test_edition_is_named_once_and_rightly(folder: Path) -> None:
    nameless = put(folder, HEAD + ROWS, "trade.csv")
    with pytest.raises(UsageError, match="which HS edition"):
        read("baci", nameless)
    assert flows_of(nameless, edition="hs92")["item"][0] == "HS92:010121"
    with pytest.raises(UsageError, match="HS92, HS96"):
        read("baci", nameless, edition="HS93")
    with pytest.raises(UsageError, match="more than one HS edition"):
        read("baci", put(folder, HEAD + ROWS), edition="HS92")
    other = put(folder, HEAD + ROWS, "BACI_HS92_Y2021_V202301.csv")
    with pytest.raises(UsageError, match="one edition at a time"):
        read("baci", other, put(folder, HEAD + ROWS))


@pytest.mark.parametrize("level", ["hs4", "hs2", "total"])
def test_sums_agree_with_plain_addition(folder: Path, level: str) -> None:
    lines = [
        "2021,4,8,010121,1,1",
        "2021,4,8,010129,2,2",
        "2021,4,8,010221,4,NA",
        "2021,4,8,270900,8,8",
        "2021,8,4,010121,16,1",
    ]
    path = put(folder, HEAD + "\n".join(lines) + "\n")
    digits = {"hs4": 4, "hs2": 2, "total": 0}[level]
    expected: dict[tuple[str, str, str], list[float | None]] = {}
    for line in lines:
        _, i, j, k, v, q = line.split(",")
        item = f"HS17:{k[:digits]}" if digits else "TOTAL"
        cell = expected.setdefault((i, j, item), [0.0, 0.0])
        cell[0] = (cell[0] or 0) + float(v) * 1000
        cell[1] = None if q == "NA" or cell[1] is None else cell[1] + float(q)
    codes = {"AFG": "4", "ALB": "8"}
    table = flows_of(path, aggregate=level).select("origin", "destination", "item", "value", "quantity")
    found = {(codes[o], codes[d], item): [v, q] for o, d, item, v, q in table.iter_rows()}
    assert found == expected
    stream("baci", [path], folder / "out.parquet", aggregate=level)
    assert pl.read_parquet(folder / "out.parquet").equals(flows_of(path, aggregate=level))


def test_unknown_level(folder: Path) -> None:
    with pytest.raises(UsageError, match="hs6, hs4, hs2, total"):
        read("baci", put(folder, HEAD + ROWS), aggregate="hs8")


def test_country_dictionary_adds_codes_we_do_not_know(folder: Path) -> None:
    path = put(folder, HEAD + ROWS + "2021,998,156,010121,1,1\n")
    assert read("baci", path).rejected_counts == {"unknown origin code": 1}
    given = put(folder, "country_code,country_iso3\n998,QQQ\n842,ZZZ\n", "codes.csv")
    flows = flows_of(path, country_codes=given)
    assert flows.filter(origin="QQQ").height == 1
    assert flows.filter(origin="USA").height == 2  # what the tool knows is not overruled
    put(folder, "country_code,country_iso3\n998,QQQ\n", "country_codes_V202301.csv")
    beside = read("baci", path)
    assert beside.rejected_counts == {}
    assert len(beside.files) == 2


def test_product_dictionary_rejects_when_given_and_reports_when_found(folder: Path) -> None:
    path = put(folder, HEAD + ROWS)
    listed = "code,description\n10121,a\n270900,b\n10129,c\n"
    given = put(folder, listed, "products.csv")
    assert read("baci", path, product_codes=given).rejected_counts == {"unknown item code": 1}
    put(folder, listed, "product_codes_HS17_V202301.csv")
    found = read("baci", path)
    assert found.rejected_counts == {}
    check = next(c for c in found.checks if c.name == "products")
    assert not check.ok
    assert "854231" in check.found
    with pytest.raises(CheckError, match="854231"):
        read("baci", path, strict=True)


def test_streamed_metadata_and_schema_are_those_of_exports(folder: Path) -> None:
    path = put(folder, HEAD + ROWS)
    reading = read("baci", path)
    assert reading.flows is not None
    exports.write(reading.flows, folder / "memory.parquet", table=FLOWS, metadata=metadata_of(reading))
    stream("baci", [path], folder / "streamed.parquet")
    memory, streamed = pq.read_schema(folder / "memory.parquet"), pq.read_schema(folder / "streamed.parquet")
    assert streamed.names == memory.names
    for one, two in zip(streamed, memory, strict=True):
        assert (one.type, one.metadata) == (two.type, two.metadata)
    told = exports.read_metadata(folder / "streamed.parquet")
    assert told == exports.read_metadata(folder / "memory.parquet")
    assert told["tool_version"] == __version__
    assert json.loads(told["inputs"])[0]["sha256"] == stamp(path).sha256


def test_nothing_is_left_when_the_reading_fails(folder: Path) -> None:
    out = folder / "out.parquet"
    with pytest.raises(InputError, match="no row could be taken"):
        stream("baci", [put(folder, HEAD + "2021,842,156,010121,-1,1\n")], out)
    with pytest.raises(InputError, match="not one row"):
        stream("baci", [put(folder, HEAD)], out)
    with pytest.raises(InputError, match="faulty"):
        stream("baci", [put(folder, HEAD + ROWS + "2021,842,156,010121,-1,1\n")], out, strict=True)
    assert not list(folder.glob("*.parquet*"))
    assert not list(folder.glob(".*"))


def test_unwritable_output(folder: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        stream("baci", [put(folder, HEAD + ROWS)], folder / "absent" / "out.parquet")


def test_output_that_is_full(folder: Path) -> None:
    """A limit on file size, in a process of its own, stands for a full disk."""
    rows = "".join(f"2021,842,156,{10_000 + n:06d},{n / 7},{n / 3}\n" for n in range(100_000))
    code = (
        "import resource, signal, sys\n"
        "from weaponized_interdependence.errors import OutputError\n"
        "from weaponized_interdependence.sources.registry import stream\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n    stream('baci', [sys.argv[1]], sys.argv[2])\n"
        "except OutputError as error:\n    print(error)\n"
    )
    out = folder / "out.parquet"
    command = [sys.executable, "-c", code, str(put(folder, HEAD + rows)), str(out)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    assert done.stdout.startswith(f"cannot write {out}")
    assert [p.name for p in folder.iterdir()] == ["BACI_HS17_extract.csv"]


def test_the_rejected_table_has_a_limit_but_counts_do_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weaponized_interdependence.sources.baci.MOST_REJECTED", 2)
    reading = read("baci", put(folder, HEAD + ROWS + "2021,842,156,010121,-1,\n" * 5))
    assert reading.rejected_counts == {"negative value": 5}
    assert reading.rejected["row"].to_list() == [5, 6]
    assert any("first 2 rejected rows" in note for note in reading.notes)


def test_other_formats_go_through_memory(folder: Path) -> None:
    reading = stream("baci", [put(folder, HEAD + ROWS)], folder / "out.csv")
    assert reading.written == folder / "out.csv"
    assert exports.read_frame(folder / "out.csv", FLOWS).height == 4
    with pytest.raises(UsageError, match="format"):
        stream("baci", [put(folder, HEAD + ROWS)], folder / "out.docx")


def test_scan_gives_the_good_rows_lazily(folder: Path) -> None:
    path = put(folder, HEAD + ROWS + "2021,842,5555,010121,1,1\n")
    scanned = scan_baci([path])
    assert isinstance(scanned, pl.LazyFrame)
    assert scanned.collect().equals(read("baci", path).flows)
    packed = put(folder, gzip.compress((HEAD + ROWS).encode()), "BACI_HS17_x.csv.gz")
    with pytest.raises(UsageError, match="packed"):
        scan_baci([packed])


@pytest.mark.parametrize("order", ["sorted", "random", "by product"])
def test_many_parts_in_any_order(folder: Path, order: str) -> None:
    """Large enough for polars to cut it into parts: sums and repeats must not depend on how it does."""
    codes, products = (4, 8, 12, 36, 156, 276, 392, 490, 842), range(10_000, 10_000 + 2_400)
    keys = [(y, i, j, k) for y in (2019, 2020) for i in codes for j in codes[:6] for k in products]
    lines = [(y, i, j, k, (i * j + k + y) % 997) for y, i, j, k in keys]
    if order == "random":
        random.Random(1).shuffle(lines)
    if order == "by product":
        lines.sort(key=lambda line: line[3])
    again = [lines[n] for n in range(0, len(lines), 40_000)]
    other = [(*line[:4], line[4] + 1) for line in lines[7::50_000]]
    text = "".join(f"{t},{i},{j},{k:06d},{v},\n" for t, i, j, k, v in [*lines, *again, *other])
    reading = read("baci", put(folder, HEAD + text))
    assert reading.flows is not None
    assert reading.flows["value"].to_list() == [v * 1000.0 for *_, v in lines]
    assert reading.rejected_counts == {"repeated row": len(again), "conflicting row": len(other)}
    assert reading.rejected["row"].to_list() == list(range(len(lines) + 1, len(lines) + len(again) + len(other) + 1))
    assert reading.summary is not None
    assert reading.summary.equals(summarise(reading.flows))
    stream("baci", [folder / "BACI_HS17_extract.csv"], folder / "out.parquet")
    assert pl.read_parquet(folder / "out.parquet").equals(reading.flows)


def test_the_same_rows_in_two_files(folder: Path) -> None:
    put(folder, HEAD + ROWS, "BACI_HS17_one.csv")
    put(folder, HEAD + ROWS.replace("10.5,", "11.5,"), "BACI_HS17_two.csv")
    reading = read("baci", folder / "BACI_HS17_one.csv", folder / "BACI_HS17_two.csv")
    assert reading.flows is not None
    assert reading.flows.height == 4
    assert reading.rejected_counts == {"repeated row": 3, "conflicting row": 1}
    assert {Path(f).name for f in reading.rejected["file"]} == {"BACI_HS17_two.csv"}
