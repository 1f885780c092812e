"""The OECD services reader: directions, totals, units, published totals, bad files."""

import gzip
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.sources.oecd_services import read_oecd_services
from weaponized_interdependence.sources.registry import read

HEADER = (
    "COU,Country,SER,Service,EXP,Expression,MEASURE,Measure,PAR,Partner,YEA,Year,Unit Code,Unit,PowerCode Code,"
    "PowerCode,Reference Period Code,Reference Period,Value,Flag Codes,Flags\n"
)


def line(
    reporter: str, partner: str, value: str, *, year: str = "2018", service: str = "S", way: str = "EXP",
    measure: str = "USD", power: str = "6",
) -> str:  # fmt: skip
    return f'{reporter},x,{service},x,{way},x,{measure},x,{partner},x,{year},{year},USD,x,{power},x,,,{value},"",""\n'


def save(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text(header + "".join(lines))
    return path


def values(flows: pl.DataFrame | None) -> dict[tuple[str, str, str], float]:
    assert flows is not None
    return {(r["origin"], r["destination"], r["item"]): r["value"] for r in flows.iter_rows(named=True)}


LINES = (
    line("AUT", "DEU", "10.5"),
    line("AUT", "WLD", "20"),
    line("AUT", "EU28", "15"),
    line("AUT", "USA", "3000", power="3"),
    line("AUT", "DEU", "4", service="SC"),
    line("AUT", "DEU", "7", way="IMP"),
    line("AUT", "DEU", "9", measure="NCU"),
    line("AUT", "CHN", "-1"),
    line("AUT", "JPN", ""),
    line("AUT", "QQQ", "1"),
    line("AUT", "FRA", "2", year="2099"),
    line("AUT", "DEU", "10.5"),
    line("AUT", "DEU", "11"),
    line("AUT", "ITA", "0"),
)


def test_exports_go_from_reporter_to_partner(tmp_path: Path) -> None:
    reading = read_oecd_services([save(tmp_path / "s.csv", *LINES)])
    assert values(reading.flows) == {("AUT", "DEU", "EBOPS:S"): 10.5e6, ("AUT", "USA", "EBOPS:S"): 3e6}
    assert reading.rejected_counts == {
        "partner is World (a total)": 1, "partner is a group": 1, "outside the selection": 1,
        "reported by the other side": 1, "unit differs": 1, "negative value": 1, "missing value": 1,
        "unknown destination code": 1, "future period": 1, "repeated row": 1, "conflicting row": 1,
    }  # fmt: skip
    assert reading.flows is not None
    assert reading.flows.height + reading.rejected.height + 1 == len(LINES)
    assert reading.notes == ("1 cells are zero (nothing, or not reported) and make no flow",)


def test_imports_go_the_other_way_and_services_are_items(tmp_path: Path) -> None:
    path = save(tmp_path / "s.csv", *LINES)
    assert values(read_oecd_services([path], expression="IMP").flows) == {("DEU", "AUT", "EBOPS:S"): 7e6}
    assert values(read_oecd_services([path], service="SC").flows) == {("AUT", "DEU", "EBOPS:SC"): 4e6}
    assert values(read_oecd_services([path], service=None).flows) == {("AUT", "DEU", "EBOPS:SC"): 4e6}
    assert values(read_oecd_services([path], measure="NCU").flows) == {("AUT", "DEU", "EBOPS:S"): 9e6}
    with pytest.raises(UsageError, match="no expression 'BOTH'"):
        read_oecd_services([path], expression="BOTH")


def test_partners_beyond_the_world_total_fail_the_check(tmp_path: Path) -> None:
    fine = read_oecd_services([save(tmp_path / "a.csv", line("AUT", "DEU", "10"), line("AUT", "WLD", "20"))])
    assert (fine.checks[0].ok, fine.checks[0].found) == (True, "50.0% in all")
    over = read_oecd_services([save(tmp_path / "b.csv", line("AUT", "DEU", "30"), line("AUT", "WLD", "20"))])
    assert not over.checks[0].ok
    assert "AUT 2018 150.0%" in over.checks[0].found
    none = read_oecd_services([save(tmp_path / "c.csv", line("AUT", "DEU", "30"))])
    assert none.checks[0].ok


def test_other_orders_line_ends_and_gzip(tmp_path: Path) -> None:
    plain = save(tmp_path / "s.csv", *LINES)
    frame = pd.read_csv(plain, dtype=str, keep_default_na=False)
    turned = tmp_path / "t.csv"
    frame[frame.columns[::-1]].rename(columns={"YEA": "TIME"}).to_csv(turned, index=False, lineterminator="\r\n")
    packed = tmp_path / "s.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    expected = values(read_oecd_services([plain]).flows)
    assert values(read_oecd_services([turned]).flows) == expected
    assert values(read_oecd_services([packed]).flows) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (HEADER.replace("PAR,", "TO,"), "no column 'PAR'"),
        (HEADER.replace(",", ";"), "semicolon"),
        (HEADER.replace("Value", "COU"), "comes twice"),
        (HEADER + LINES[0].strip()[:-20], "cut off"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_oecd_services([path])
    assert words in str(caught.value)


def test_a_file_without_one_good_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row could be taken"):
        read("oecd_services", save(tmp_path / "s.csv", line("AUT", "WLD", "20")))


def test_services_of_2018_as_published(shared_data: Path) -> None:
    path = shared_data / "finance" / "oecd_total_services_exports_2000_2019.csv.gz"
    reading = read("oecd_services", path)
    flows = reading.flows
    assert flows is not None
    raw = pd.read_csv(path, keep_default_na=False, dtype=str)
    world = raw[(raw.PAR == "WLD") & (raw.YEA == "2018")].set_index("COU").Value.astype(float) / 1e3
    assert world["USA"] == pytest.approx(866, abs=1)
    assert world["GBR"] == pytest.approx(432, abs=1)
    by_partner = flows.filter(period="2018").group_by("origin").agg(pl.col("value").sum() / 1e9)
    summed = dict(by_partner.iter_rows())
    assert 0.85 * 866 < summed["USA"] < 866.5
    assert 0.85 * 432 < summed["GBR"] < 432.5
    assert "WLD" not in set(flows["destination"])
    assert reading.rejected_counts["partner is World (a total)"] == int((raw.PAR == "WLD").sum())
    assert flows.height + reading.rejected.height + 296 == 43_206
    assert reading.failed == ()


@pytest.mark.parametrize("power", ["", "x", "2.5", "99", "NaN"])
def test_a_power_of_ten_that_cannot_be_read_is_no_unit(tmp_path: Path, power: str) -> None:
    path = save(tmp_path / "s.csv", line("AUT", "DEU", "10.5", power=power), line("AUT", "USA", "2", power="6.0"))
    reading = read_oecd_services([path])
    assert values(reading.flows) == {("AUT", "USA", "EBOPS:S"): 2e6}
    assert reading.rejected_counts == {"unit differs": 1}
    assert reading.rejected["file"].to_list() == [str(path)]
