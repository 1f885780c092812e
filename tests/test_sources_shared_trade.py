"""The trade readers on real files: totals stated by who collected them, and the same data in other dress."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import CheckError, InputError
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.sources.registry import read, stream


def top(flows: pl.DataFrame, period: str, **where: str) -> dict[str, float]:
    """Exporter -> bn USD of one period, largest first."""
    rows = flows.filter(period=period, **where).group_by("origin").agg(pl.col("value").sum() / 1e9)
    return dict(rows.sort("value", descending=True).iter_rows())


@pytest.fixture(scope="module")
def baci_2019(shared_data: Path) -> Path:
    return shared_data / "trade/baci/BACI_HS92_TOTAL_Y2019.csv.gz"


@pytest.fixture(scope="module")
def plain_2019(baci_2019: Path) -> bytes:
    return gzip.decompress(baci_2019.read_bytes())


def test_baci_2019_totals(baci_2019: Path) -> None:
    reading = read("baci", baci_2019, strict=True)
    assert reading.flows is not None
    assert reading.flows.height == 29_156
    assert reading.flows["value"].sum() / 1e12 == pytest.approx(17.48, abs=0.005)
    best = top(reading.flows, "2019")
    assert list(best)[:3] == ["CHN", "USA", "DEU"]
    assert [round(best[c]) for c in ("CHN", "USA", "DEU")] == [2547, 1486, 1415]
    assert reading.scope == "total"
    assert all(c.ok for c in reading.checks)
    FLOWS.conform(reading.flows)


def test_baci_all_years(shared_data: Path) -> None:
    reading = read("baci", shared_data / "trade/baci/BACI_HS92_TOTAL_Y2000_Y2019_16years.parquet", strict=True)
    assert reading.flows is not None
    assert reading.flows.height == 436_097
    assert reading.summary is not None
    totals = {p: round(v / 1e12, 2) for p, v in reading.summary.select("period", "value").iter_rows()}
    assert [totals[y] for y in ("2000", "2010", "2015", "2019")] == [6.03, 14.20, 15.28, 17.48]
    assert "TWN" not in set(reading.flows["origin"])


def test_baci_codes_agree_with_the_iso_columns_of_the_file(shared_data: Path) -> None:
    path = shared_data / "trade/baci/BACI_HS92_TOTAL_Y2000_Y2019_16years.parquet"
    flows = read("baci", path).flows
    raw = pl.read_parquet(path)
    assert flows is not None
    # The file has 58 and 711 (unions dissolved before 2000) for Belgium and South Africa; its ISO3 columns say so.
    assert {58, 711} <= set(raw["i"])
    assert flows["origin"].to_list() == raw["iso_i"].to_list()
    assert flows["destination"].to_list() == raw["iso_j"].to_list()


def test_baci_crude_oil(shared_data: Path) -> None:
    path = shared_data / "trade/baci/BACI_HS92_270900_Y2021.csv.gz"
    flows = read("baci", path, strict=True).flows
    assert flows is not None
    assert flows.height == 1_425
    assert flows["value"].sum() / 1e9 == pytest.approx(926.8, abs=0.05)
    assert flows["quantity"].null_count() == 45
    assert set(flows["item"]) == {"HS92:270900"}
    best = top(flows, "2021")
    assert best["RUS"] == pytest.approx(112.7, abs=0.05)
    assert best["CAN"] == pytest.approx(81.2, abs=0.05)
    # summed here from the file itself, by its own code for Saudi Arabia
    lines = [line.split(",") for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]]
    assert best["SAU"] == pytest.approx(sum(float(v) for _, i, _, _, v, _ in lines if i == "682") / 1e6)


def test_baci_in_other_dress_is_the_same(baci_2019: Path, plain_2019: bytes, tmp_path: Path) -> None:
    expected = read("baci", baci_2019).flows
    assert expected is not None
    columns = [line.split(b",") for line in plain_2019.splitlines()]
    reordered = b"\n".join(b",".join(row[n] for n in (5, 3, 1, 0, 4, 2)) for row in columns) + b"\n"
    dressed = {
        "crlf": plain_2019.replace(b"\n", b"\r\n"),
        "bom": b"\xef\xbb\xbf" + plain_2019,
        "reordered": reordered,
        "no_end": plain_2019.rstrip(b"\n") if not plain_2019.rstrip(b"\n").endswith(b",") else plain_2019,
        "other_year": plain_2019.replace(b"\n2019,", b"\n2018,"),
    }
    for name, data in dressed.items():
        path = tmp_path / f"BACI_HS92_{name}.csv"
        path.write_bytes(data)
        flows = read("baci", path).flows
        year = "2018" if name == "other_year" else "2019"
        assert flows is not None
        assert flows.equals(expected.with_columns(period=pl.lit(year))), name


def test_baci_streams_the_same_rows(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "trade/baci/BACI_HS92_TOTAL_Y2000_Y2019_16years.parquet"
    streamed = stream("baci", [path], tmp_path / "out.parquet")
    assert streamed.flows is None
    written = pl.read_parquet(tmp_path / "out.parquet")
    assert written.schema == pl.Schema(FLOWS.schema)
    assert written.equals(read("baci", path).flows)


def test_unit_slip_is_caught(plain_2019: bytes, tmp_path: Path) -> None:
    rows = [line.split(",") for line in plain_2019.decode().splitlines()]
    usd = "\n".join([",".join(rows[0]), *(",".join([*r[:4], str(float(r[4]) * 1000), r[5]]) for r in rows[1:])]) + "\n"
    path = tmp_path / "BACI_HS92_usd.csv"
    path.write_text(usd)
    with pytest.raises(CheckError, match=r"total value: found 1\.748e\+16"):
        read("baci", path)


def test_unctad_sections_and_total(shared_data: Path) -> None:
    path = shared_data / "trade/unctad/unctad_merchandise_trade_matrix_SITC1_2015.parquet"
    sections, total = read("unctad", path, strict=True), read("unctad", path, items="total", strict=True)
    assert sections.flows is not None
    assert total.flows is not None
    assert sections.flows["value"].sum() / 1e12 == pytest.approx(16.356, abs=0.0005)
    assert total.flows["value"].sum() / 1e12 == pytest.approx(16.357, abs=0.0005)
    assert sections.flows.height + total.flows.height == 193_172
    assert set(sections.flows["item"]) == {f"SITC:{n}" for n in range(10)}
    assert round(top(sections.flows, "2015", item="SITC:7")["CHN"]) == 1067
    fuels = top(sections.flows, "2015", item="SITC:3")
    assert list(fuels)[:2] == ["RUS", "SAU"]
    assert [round(fuels[c]) for c in ("RUS", "SAU")] == [174, 136]
    assert next(c for c in sections.checks if c.name == "sections add up").ok


def test_oec_2022(shared_data: Path) -> None:
    reading = read("oec", shared_data / "trade/baci/OEC_BACI_bilateral_2022_usd.csv.gz", strict=True)
    assert reading.flows is not None
    assert reading.flows.height == 27_313
    assert reading.flows["value"].sum() / 1e12 == pytest.approx(24.17, abs=0.005)
    best = top(reading.flows, "2022")
    assert {c: round(best[c]) for c in ("CHN", "USA", "DEU")} == {"CHN": 3658, "USA": 1982, "DEU": 1604}
    assert "TWN" in best


def test_cow_usa_and_cuba(shared_data: Path) -> None:
    path = shared_data / "trade/cow/cow_dyadic_trade_v4_1950_2014_without_1988_1993.parquet"
    reading = read("cow", path, strict=True)
    assert reading.flows is not None
    cuba = reading.flows.filter(origin="CUB", destination="USA")
    values = dict(cuba.select("period", "value").iter_rows())
    assert values["1959"] == 515e6
    assert values["1963"] == 0.0
    assert reading.flows.filter(period="2010")["value"].sum() / 1e12 == pytest.approx(14.9, abs=0.05)
    # 579,198 rows are 289,599 dyads in both orders; each dyad is two flows
    assert reading.flows.height + reading.rejected_counts["not reported"] == 579_198
    assert set(reading.rejected_counts) == {"not reported", "reported by the other side"}
    assert reading.rejected_counts["reported by the other side"] == 579_198
    ends = reading.flows.filter(pl.col("origin") == "SUN")["period"]
    assert ends.max() < "1992"  # type: ignore[operator]


def test_cow_one_order_is_the_same(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "trade/cow/cow_dyadic_trade_v4_1950_2014_without_1988_1993.parquet"
    raw = pl.read_parquet(path).filter((pl.col("year") >= 2010) & (pl.col("ccode1") < pl.col("ccode2")))
    raw.with_columns(pl.col("^.*flow.$").fill_null(-9.0)).write_csv(tmp_path / "cow.csv")
    key = list(FLOWS.key)
    one = read("cow", tmp_path / "cow.csv").flows
    both = read("cow", path, years=range(2010, 2015)).flows
    assert one is not None
    assert both is not None
    assert one.sort(key).equals(both.sort(key))


@pytest.mark.parametrize(
    ("name", "rows", "total", "taken", "re_trade"),
    [
        ("comtrade_legacy_IDN_export_HS6_2018_2019.csv.gz", 8_857, 347_898_025_042.0, 8_857, 0),
        ("comtrade_legacy_SME_848620_903082_903141_2016_2020.csv.gz", 2_863, None, 2_660, 203),
    ],
)
def test_comtrade_legacy(
    shared_data: Path, name: str, rows: int, total: float | None, taken: int, re_trade: int
) -> None:
    path = shared_data / "trade/comtrade" / name
    # the reporters of the second file write in four editions of HS, each in one a year
    reading = read("comtrade", path, partner="world", classification="HS", strict=True)
    assert reading.flows is not None
    assert reading.flows.height == taken
    assert reading.rejected_counts.get("re-export or re-import", 0) == re_trade
    assert reading.flows.height + reading.rejected.height == rows
    if total is not None:
        assert reading.flows["value"].sum() == pytest.approx(total)
        assert reading.flows["item"].n_unique() == 4_652
    with pytest.raises(InputError, match="partner=world"):
        read("comtrade", path)
