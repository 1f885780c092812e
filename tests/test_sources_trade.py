"""Comtrade, UNCTAD, COW, OEC and table readers on small files in their publishers' layouts."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.reading import Reading
from weaponized_interdependence.sources.registry import read, stream

# --- Comtrade -------------------------------------------------------------------------------------------------------

OLD = (
    "Classification,Year,Period,Period Desc.,Aggregate Level,Is Leaf Code,Trade Flow Code,Trade Flow,Reporter Code,"
    "Reporter,Reporter ISO,Partner Code,Partner,Partner ISO,2nd Partner Code,2nd Partner,2nd Partner ISO,"
    "Customs Proc. Code,Customs,Mode of Transport Code,Mode of Transport,Commodity Code,Commodity,Qty Unit Code,"
    "Qty Unit,Qty,Alt Qty Unit Code,Alt Qty Unit,Alt Qty,Netweight (kg),Gross weight (kg),Trade Value (US$),"
    "CIF Trade Value (US$),FOB Trade Value (US$),Flag"
)
NEW = (
    "typeCode,freqCode,refPeriodId,refYear,refMonth,period,reporterCode,reporterISO,reporterDesc,flowCode,flowDesc,"
    "partnerCode,partnerISO,partnerDesc,partner2Code,partner2ISO,partner2Desc,classificationCode,"
    "classificationSearchCode,isOriginalClassification,cmdCode,cmdDesc,aggrLevel,isLeaf,customsCode,customsDesc,"
    "mosCode,motCode,motDesc,qtyUnitCode,qtyUnitAbbr,qty,isQtyEstimated,altQtyUnitCode,altQtyUnitAbbr,altQty,"
    "isAltQtyEstimated,netWgt,isNetWgtEstimated,grossWgt,isGrossWgtEstimated,cifvalue,fobvalue,primaryValue,"
    "legacyEstimationFlag,isReported,isAggregate"
)


def old(flow: int, reporter: int, partner: int, code: str, value: object, weight: object = "", **more: str) -> str:
    cells = dict.fromkeys(OLD.split(","), "")
    cells |= {"Classification": "H5", "Year": "2019", "Period": "2019", "Aggregate Level": str(len(code))}
    cells |= {"Trade Flow Code": str(flow), "Reporter Code": str(reporter), "Partner Code": str(partner)}
    cells |= {"Commodity Code": code, "Commodity": '"Goods, other"', "Trade Value (US$)": str(value)}
    cells |= {"Netweight (kg)": str(weight)} | {k.replace("_", " "): v for k, v in more.items()}
    return ",".join(cells[c] for c in OLD.split(","))


def new(flow: str, reporter: int, partner: int, code: str, value: object, weight: object = "", **more: str) -> str:
    cells = dict.fromkeys(NEW.split(","), "")
    cells |= {"typeCode": "C", "freqCode": "A", "refYear": "2021", "period": "2021", "classificationCode": "H6"}
    cells |= {"reporterCode": str(reporter), "partnerCode": str(partner), "flowCode": flow, "partner2Code": "0"}
    cells |= {"cmdCode": code, "customsCode": "C00", "motCode": "0", "mosCode": "0", "primaryValue": str(value)}
    cells |= {"netWgt": str(weight)} | more
    return ",".join(cells[c] for c in NEW.split(","))


def comtrade(folder: Path, lines: list[str], name: str = "c.csv", **options: object) -> Reading:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    reading = read("comtrade", path, **options)
    assert reading.flows is not None
    FLOWS.conform(reading.flows)
    assert reading.flows.height + reading.rejected.height == len(lines) - 1
    return reading


def rows(reading: Reading) -> list[tuple[object, ...]]:
    assert reading.flows is not None
    return reading.flows.select("period", "origin", "destination", "item", "value", "quantity").rows()


def test_old_layout_directions_weights_and_classification(tmp_path: Path) -> None:
    lines = [OLD, old(1, 842, 156, "848620", 100, 2500), old(2, 392, 842, "848620", 70, 0)]
    assert rows(comtrade(tmp_path, lines)) == [
        ("2019", "CHN", "USA", "HS17:848620", 100.0, 2.5),
        ("2019", "JPN", "USA", "HS17:848620", 70.0, None),
    ]


def test_new_layout_months_and_editions(tmp_path: Path) -> None:
    lines = [NEW, new("M", 842, 156, "010121", 100, 2500, period="202107"), new("X", 842, 490, "854231", 7.5)]
    reading = comtrade(tmp_path, lines)
    assert rows(reading) == [
        ("2021-07", "CHN", "USA", "HS22:010121", 100.0, 2.5),
        ("2021", "USA", "TWN", "HS22:854231", 7.5, None),
    ]
    assert [c.name for c in reading.failed] == ["cadence"]


def test_website_dress_of_comtrade_plus(tmp_path: Path) -> None:
    """A separator after each line's last cell, names in Latin-1, or tabs in the bulk files."""
    lines = [NEW, new("M", 842, 384, "010121", 100, partnerDesc="C\u00f4te d'Ivoire")]
    expected = rows(comtrade(tmp_path, lines))
    latin = tmp_path / "latin.csv"
    latin.write_bytes("\n".join([lines[0], *(line + "," for line in lines[1:]), ""]).encode("latin-1"))
    assert rows(read("comtrade", latin, encoding="latin-1")) == expected
    with pytest.raises(InputError, match="not UTF-8"):
        read("comtrade", latin)
    bulk = tmp_path / "bulk.txt.gz"
    bulk.write_bytes(gzip.compress(("\n".join(lines) + "\n").replace(",", "\t").encode()))
    assert rows(read("comtrade", bulk)) == expected


def test_mirrors_are_never_added_up(tmp_path: Path) -> None:
    lines = [
        NEW,
        new("M", 842, 156, "010121", 110),  # USA says it imports 110 from China
        new("X", 156, 842, "010121", 100),  # China says it exports 100 to the USA
        new("X", 156, 276, "010121", 50),  # Germany says nothing
    ]
    assert [(o, d, v) for _, o, d, _, v, _ in rows(comtrade(tmp_path, lines))] == [
        ("CHN", "USA", 110.0),
        ("CHN", "DEU", 50.0),
    ]
    importer = comtrade(tmp_path, lines, reporter_side="importer")
    exporter = comtrade(tmp_path, lines, reporter_side="exporter")
    assert [v for *_, v, _ in rows(importer)] == [110.0]
    assert [v for *_, v, _ in rows(exporter)] == [100.0, 50.0]
    assert importer.rejected_counts == {"reported by the other side": 2}


def test_mirrors_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "usa.csv").write_text("\n".join([NEW, new("M", 842, 156, "010121", 110)]) + "\n")
    (tmp_path / "chn.csv").write_text("\n".join([NEW, new("X", 156, 842, "010121", 100)]) + "\n")
    reading = read("comtrade", tmp_path / "chn.csv", tmp_path / "usa.csv")
    assert [v for *_, v, _ in rows(reading)] == [110.0]
    said = [(str(tmp_path / "chn.csv"), 1, "reported by the other side")]
    assert reading.rejected.select("file", "row", "reason").rows() == said


def test_what_would_count_twice_is_passed_over(tmp_path: Path) -> None:
    lines = [
        NEW,
        new("M", 842, 156, "010121", 100),
        new("M", 842, 0, "010121", 900),
        new("M", 842, 97, "010121", 800),
        new("M", 842, 156, "01", 100),
        new("M", 842, 156, "TOTAL", 100),
        new("RX", 842, 156, "010121", 5),
        new("RM", 842, 156, "010121", 5),
        new("MIP", 842, 156, "010121", 5),
        new("M", 842, 156, "010121", 60, partner2Code="276"),
        new("M", 842, 156, "010121", 60, motCode="1000"),
        new("M", 842, 156, "010121", 60, customsCode="C01"),
        new("M", 842, 156, "010121", 60, typeCode="S"),
    ]
    reading = comtrade(tmp_path, lines, strict=True)
    assert [v for *_, v, _ in rows(reading)] == [100.0]
    assert reading.rejected_counts == {
        "part of a breakdown": 3,
        "item is a subtotal": 2,
        "re-export or re-import": 2,
        "not a flow of this layer": 2,
        "partner is World (a total)": 1,
        "partner is a group": 1,
    }
    assert [i for _, _, _, i, _, _ in rows(comtrade(tmp_path, lines, level=2))] == ["HS22:01"]
    assert [i for _, _, _, i, _, _ in rows(comtrade(tmp_path, lines, level=0))] == ["TOTAL"]
    world = comtrade(tmp_path, lines, partner="world")
    assert [(o, d, v) for _, o, d, _, v, _ in rows(world)] == [("WLD", "USA", 900.0)]


def test_comtrade_options_and_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(OLD + "\n" + old(1, 842, 156, "848620", 100) + "\n")
    with pytest.raises(UsageError, match="both, importer, exporter"):
        read("comtrade", tmp_path / "c.csv", reporter_side="reporter")
    with pytest.raises(UsageError, match="bilateral, world"):
        read("comtrade", tmp_path / "c.csv", partner="all")
    (tmp_path / "none.csv").write_text(OLD + "\n")
    with pytest.raises(InputError, match="no row names a product"):
        read("comtrade", tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("t,i,j,k,v,q\n2021,4,8,010121,1,1\n")
    with pytest.raises(InputError, match="reader baci"):
        read("comtrade", tmp_path / "t.csv")


# --- UNCTAD ---------------------------------------------------------------------------------------------------------

OFFICIAL = (
    "Year,Economy,Economy Label,Partner,Partner Label,Flow,Flow Label,SitcRev3Product,SitcRev3Product Label,"
    "US dollars at current prices in thousands,US dollars at current prices in thousands Footnote\n"
)


def test_unctad_own_layout(tmp_path: Path) -> None:
    path = tmp_path / "US_TradeMatrix.csv"
    path.write_text(
        OFFICIAL
        + "2015,842,United States,156,China,02,Exports,7,Machinery,10,\n"
        + "2015,842,United States,156,China,2,Exports,0,Food,5,\n"
        + "2015,842,United States,156,China,2,Exports,TOTAL,Total,15,\n"
        + "2015,842,United States,156,China,2,Exports,71,Power,4,\n"
        + "2015,842,United States,0000,World,2,Exports,7,Machinery,99,\n"
        + "2015,156,China,842,United States,1,Imports,7,Machinery,11,\n"
    )
    exporter = read("unctad", path, strict=True)
    assert rows(exporter) == [
        ("2015", "USA", "CHN", "SITC:7", 10_000.0, None),
        ("2015", "USA", "CHN", "SITC:0", 5_000.0, None),
    ]
    assert exporter.rejected_counts == {
        "item is a subtotal": 2,
        "partner is World (a total)": 1,
        "reported by the other side": 1,
    }
    importer = read("unctad", path, reporter_side="importer")
    assert [v for *_, v, _ in rows(importer)] == [11_000.0]
    assert [i for _, _, _, i, _, _ in rows(read("unctad", path, items="total"))] == ["TOTAL"]


def test_unctad_sections_that_do_not_add_up(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("year,exporter,importer,sitc,value_kusd\n2015,USA,CHN,7,10\n2015,USA,CHN,TOTAL,20\n")
    check = next(c for c in read("unctad", path).checks if c.name == "sections add up")
    assert not check.ok


# --- COW ------------------------------------------------------------------------------------------------------------

COW = "ccode1,ccode2,year,importer1,importer2,flow1,flow2,smoothflow1,smoothflow2,smoothtotrade,version\n"


def test_cow_directions_missing_and_dates(tmp_path: Path) -> None:
    path = tmp_path / "Dyadic_COW_4.0.csv"
    path.write_text(
        COW
        + "2,365,1985,United States,Russia,3,5,3.5,5,8.5,4\n"
        + "2,365,1995,United States,Russia,-9,7,1,7,8,4\n"
        + "2,40,1963,United States,Cuba,0,,0,6,6,4\n"
    )
    reading = read("cow", path, strict=True)
    assert rows(reading) == [
        ("1985", "SUN", "USA", "TOTAL", 3e6, None),
        ("1963", "CUB", "USA", "TOTAL", 0.0, None),
        ("1985", "USA", "SUN", "TOTAL", 5e6, None),
        ("1995", "USA", "RUS", "TOTAL", 7e6, None),
    ]
    assert reading.rejected_counts == {"not reported": 2}
    smooth = read("cow", path, smooth=True)
    assert smooth.flows is not None
    assert set(smooth.flows["basis"]) == {"estimated"}
    assert smooth.flows["value"].sum() == 3.5e6 + 5e6 + 1e6 + 7e6 + 0 + 6e6


def test_cow_both_orders_count_once_and_contradictions_are_told(tmp_path: Path) -> None:
    path = tmp_path / "cow.csv"
    path.write_text(
        COW
        + "2,20,1950,A,B,1,2,1,2,3,4\n20,2,1950,B,A,2,1,2,1,3,4\n"
        + "2,70,1950,A,C,5,6,5,6,11,4\n70,2,1950,C,A,6,7,6,7,13,4\n"
    )
    reading = read("cow", path)
    assert sorted(v for *_, v, _ in rows(reading)) == [1e6, 2e6, 5e6, 6e6]
    assert reading.rejected_counts == {"conflicting row": 2, "reported by the other side": 2}
    assert any("both orders" in note and "1 mirrored" in note for note in reading.notes)


# --- OEC ------------------------------------------------------------------------------------------------------------


def test_oec_year_and_ids(tmp_path: Path) -> None:
    text = "exporter_id,importer_id,value\nasidn,nausa,5\nchn,usa,7\nxxq,usa,1\n"
    (tmp_path / "oec.csv").write_text(text)
    with pytest.raises(UsageError, match="year of the flows"):
        read("oec", tmp_path / "oec.csv")
    reading = read("oec", tmp_path / "oec.csv", year=2020)
    assert [(p, o, v) for p, o, _, _, v, _ in rows(reading)] == [("2020", "IDN", 5.0), ("2020", "CHN", 7.0)]
    assert reading.rejected_counts == {"unknown origin code": 1}
    assert any("xxq" in note for note in reading.notes)
    (tmp_path / "trade_2019_v2.csv").write_text(text)
    assert {p for p, *_ in rows(read("oec", tmp_path / "trade_2019_v2.csv"))} == {"2019"}


# --- table ----------------------------------------------------------------------------------------------------------


def test_table_maps_any_columns(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("when;from;to;usd_m;good\n2021;Germany;842;1.5;2709\n2021-Q4;TWN;Korea, Rep.;2;HS92:8542\n")
    options = {
        "columns": {"period": "when", "origin": "from", "destination": "to", "value": "usd_m", "item": "good"},
        "constants": {"layer": "inputs", "basis": "estimated"},
        "scale": 1e6,
        "prefix": "HS17:",
        "delimiter": ";",
    }
    reading = read("table", path, **options)
    assert rows(reading) == [
        ("2021", "DEU", "USA", "HS17:2709", 1.5e6, None),
        ("2021-Q4", "TWN", "KOR", "HS92:8542", 2e6, None),
    ]
    assert reading.flows is not None
    assert reading.flows.select("layer", "basis", "unit").unique().rows() == [("inputs", "estimated", "USD")]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_table_reads_what_we_write(tmp_path: Path, suffix: str) -> None:
    flows = pl.DataFrame(
        {
            "period": ["2021", "2021"],
            "layer": "claims",
            "origin": ["bank-1", "bank-2"],
            "destination": ["bank-2", "bank-1"],
            "item": "TOTAL",
            "value": [1.0, 2.5],
            "quantity": [None, 3.0],
            "quantity_unit": None,
            "unit": "EUR",
            "basis": "assumed",
        },
        schema_overrides=FLOWS.schema,
    )
    path = tmp_path / f"flows{suffix}"
    flows.write_parquet(path) if suffix == ".parquet" else flows.write_ipc(path)
    assert FLOWS.conform(flows).equals(read("table", path, scheme="none", strict=True).flows)


def test_table_dates_categories_and_spreadsheet_years(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"period": ["2021-07-15", "2020-01-01"], "origin": "USA", "destination": "CHN", "value": [1, 2]}
    )
    frame = frame.with_columns(pl.col("period").str.to_date(), pl.col("origin").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "a.parquet")
    assert [p for p, *_ in rows(read("table", tmp_path / "a.parquet"))] == ["2021-07", "2020-01"]
    (tmp_path / "b.csv").write_text("period,origin,destination,value\n2021.0,USA,CHN,1\n")
    assert [p for p, *_ in rows(read("table", tmp_path / "b.csv"))] == ["2021"]


def test_table_mixed_units(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        "period,origin,destination,value,unit\n2021,USA,CHN,1,USD\n2021,USA,DEU,1,USD\n2021,USA,FRA,1,EUR\n"
    )
    reading = read("table", path)
    assert reading.rejected_counts == {"unit differs": 1}
    assert json.loads(reading.rejected["record"][0])["unit"] == "EUR"


def test_the_record_shows_the_cells_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(" period ,origin,destination,value,item,row\n2021,USA,CHN, 12x ,TOTAL,a\n2021,USA,DEU,1,TOTAL,b\n")
    reading = read("table", path)
    assert json.loads(reading.rejected["record"][0]) == {
        "period": "2021",
        "origin": "USA",
        "destination": "CHN",
        "value": "12x",
        "item": "TOTAL",
        "row_2": "a",
    }
    with pytest.raises(UsageError, match="called 'row'"):
        read("table", path, columns={"item": "row"})


def test_table_sums(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("period,origin,destination,value\n2021,USA,World,9\n2021,USA,CHN,1\n")
    assert read("table", path).rejected_counts == {"partner is World (a total)": 1}
    assert len(rows(read("table", path, keep_sums=True))) == 2


def test_table_says_what_it_misses(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("jahr,origin,destination,value\n2021,USA,CHN,1\n")
    with pytest.raises(UsageError, match="where to find period; the file has jahr"):
        read("table", path)
    with pytest.raises(UsageError, match=r"no column 'orign'(.|\n)*origin\?(.|\n)*no code scheme(.|\n)*no layer"):
        read("table", path, columns={"orign": "a"}, scheme="isoo", constants={"layer": "money"})
    with pytest.raises(InputError, match="no column 'year'"):
        read("table", path, columns={"period": "year"})


def test_every_reader_streams_to_any_format(tmp_path: Path) -> None:
    path = tmp_path / "oec_2020.csv"
    path.write_text("exporter_id,importer_id,value\nidn,usa,5\n")
    for suffix in (".parquet", ".csv", ".json"):
        reading = stream("oec", [path], tmp_path / f"out{suffix}")
        assert reading.flows is None
        assert (tmp_path / f"out{suffix}").stat().st_size > 0
