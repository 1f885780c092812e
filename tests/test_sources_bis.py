"""The BIS reader: the matrix, both bulk layouts, published totals, bad files."""

import zipfile
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import CheckError, InputError, UsageError
from weaponized_interdependence.schemas import FLOWS, REJECTED
from weaponized_interdependence.sources.bis import period_of, read_bis
from weaponized_interdependence.sources.registry import read

WIDE = (
    "FREQ,Frequency,L_MEASURE,Measure,L_REP_CTY,Reporting country,CBS_BANK_TYPE,CBS bank type,CBS_BASIS,"
    "CBS reporting basis,L_POSITION,Balance sheet position,L_INSTR,Type of instruments,REM_MATURITY,"
    "Remaining maturity,CURR_TYPE_BOOK,Currency type of booking location,L_CP_SECTOR,Counterparty sector,"
    "L_CP_COUNTRY,Counterparty country,Series,2022-Q3,2022-Q4\n"
)
FLAT = (
    "STRUCTURE,STRUCTURE_ID,ACTION,FREQ:Frequency,L_MEASURE:Measure,L_REP_CTY:Reporting country,"
    "CBS_BANK_TYPE:CBS bank type,CBS_BASIS:CBS reporting basis,L_POSITION:Balance sheet position,"
    "L_INSTR:Type of instruments,REM_MATURITY:Remaining maturity,CURR_TYPE_BOOK:Currency type of booking location,"
    "L_CP_SECTOR:Counterparty sector,L_CP_COUNTRY:Counterparty country,TIME_PERIOD:Time period or range,"
    "OBS_VALUE:Observation Value,UNIT_MEASURE:Unit of measure,UNIT_MULT:Unit Multiplier,OBS_STATUS:Status\n"
)


def wide(creditor: str, debtor: str, q3: str, q4: str, *, bank: str = "4R", basis: str = "F", sector: str = "A") -> str:
    return (
        f'Q,Quarterly,S,Amounts outstanding / Stocks,{creditor},x,{bank},"Domestic banks, excl.",{basis},x,C,Total'
        f",A,All,A,Total,TO1,All,{sector},x,{debtor},x,Q:S:{creditor},{q3},{q4}\n"
    )


def flat(creditor: str, debtor: str, period: str, value: str, *, bank: str = "4R", basis: str = "F") -> str:
    return (
        f"dataflow,BIS:WS_CBS_PUB(1.0): Consolidated,I,Q: Quarterly,S: Amounts,{creditor},"
        f'"{bank}: Domestic banks(4B), excl. domestic positions",{basis}: Immediate,C: Total claims,A: All,'
        f"A: Total (all maturities),TO1: All currencies,A: All sectors,{debtor},{period},{value},USD: US dollar,"
        "6: Millions,A: Normal value\n"
    )


def values(flows: pl.DataFrame) -> dict[tuple[str, str, str], float]:
    return {(r["period"], r["origin"], r["destination"]): r["value"] for r in flows.iter_rows(named=True)}


def test_the_bulk_file_with_a_column_a_quarter(tmp_path: Path) -> None:
    path = tmp_path / "WS_CBS_PUB_csv_col.csv"
    path.write_text(
        WIDE
        + wide("US", "CL", "100.5", "110.25")
        + wide("US", "5J", "9999", "9999")
        + wide("5A", "CL", "300", "310")
        + wide("GB", "1C", "NaN", "7")
        + wide("JP", "US", "", "NaN")
        + wide("US", "CL", "555", "555", bank="4B")
        + wide("US", "CL", "666", "666", basis="U")
        + wide("US", "CL", "777", "777", sector="B")
    )
    reading = read_bis([path])
    assert reading.flows is not None
    assert reading.flows.columns == list(FLOWS.schema)
    got = values(reading.flows)
    # 1C, international organisations, is no sum over economies: it stays
    organisations = next(d for (_, o, d) in got if o == "GBR")
    assert got == {
        ("2022-Q3", "USA", "CHL"): 100.5e6,
        ("2022-Q4", "USA", "CHL"): 110.25e6,
        ("2022-Q4", "GBR", organisations): 7e6,
    }
    assert set(reading.flows["item"]) == {"CBS:foreign_claims"}
    assert set(reading.flows["layer"]) == {"claims"}
    assert reading.rejected_counts == {"partner is a group": 4}
    assert "5 of 8 lines are the series read" in reading.notes[0]
    other = read_bis([path], basis="U").flows
    assert other is not None
    assert values(other) == {("2022-Q3", "USA", "CHL"): 666e6, ("2022-Q4", "USA", "CHL"): 666e6}
    assert set(other["item"]) == {"CBS:foreign_claims_guarantor"}
    last = read_bis([path], period="2022Q4", bank_type="4B").flows
    assert last is not None
    assert values(last) == {("2022-Q4", "USA", "CHL"): 555e6}


def test_the_bulk_file_with_a_row_a_quarter_inside_its_zip(tmp_path: Path) -> None:
    text = (
        FLAT
        + flat("CH: Switzerland", "DE: Germany", "2024-Q4", "12.5")
        + flat("CH: Switzerland", "DE: Germany", "2024-Q3", "NaN")
        + flat("CH: Switzerland", "5J: All countries", "2024-Q4", "99")
        + flat("CH: Switzerland", "XK: Kosovo", "2024-Q4", "-1")
        + flat("US: United States", "KR: Korea", "2024-Q4", "abc")
        + flat("US: United States", "Q9: Nowhere", "2024-Q4", "3")
    )
    path = tmp_path / "WS_CBS_PUB_csv_flat.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("WS_CBS_PUB_csv_flat.csv", text)
    reading = read("bis", path)
    assert reading.flows is not None
    assert values(reading.flows) == {("2024-Q4", "CHE", "DEU"): 12.5e6}
    assert reading.rejected_counts == {
        "partner is a group": 1, "negative value": 1, "not a number": 1, "unknown destination code": 1,
    }  # fmt: skip
    assert reading.rejected["row"].to_list() == [3, 4, 5, 6]


def test_the_matrix(tmp_path: Path) -> None:
    path = tmp_path / "cbs_2022Q4.csv"
    path.write_text("country,US,GB,5A\nUS,0,10.5,5\nGB,2,0,\nQQ,1,1,1\n")
    reading = read_bis([path])
    assert reading.flows is not None
    assert values(reading.flows) == {("2022-Q4", "USA", "GBR"): 10.5e6, ("2022-Q4", "GBR", "USA"): 2e6}
    assert reading.rejected_counts == {"unknown origin code": 3, "partner is a group": 2}
    assert "2 cells are zero" in reading.notes[0]
    assert REJECTED.conform(reading.rejected).height == 5
    with pytest.raises(InputError, match="rejected"):
        read("bis", path, strict=True)


def test_a_row_without_a_label_is_rejected_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "cbs_2022Q4.csv"
    path.write_text("bank,US,DE,NA\nUS,,5,7\n,1,,3\nDE,3,,4\n")
    reading = read_bis([path])
    assert reading.flows is not None
    assert reading.flows.height == 4
    assert reading.rejected_counts == {"unknown origin code": 2, "missing value": 2}
    lost = reading.rejected.filter(reason="unknown origin code")
    assert lost["row"].to_list() == [2, 2]
    assert ['"text":"1"' in r or '"text":"3"' in r for r in lost["record"]] == [True, True]


def test_other_quarters_are_counted_and_an_empty_choice_says_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "WS_CBS_PUB_csv_col.csv"
    path.write_text(WIDE + wide("US", "CL", "1", "2") + wide("US", "5J", "7", "8"))
    reading = read("bis", path, period="2022-Q4")
    assert reading.rejected_counts == {"outside the selection": 2, "partner is a group": 1}
    assert "outside the selection" not in read("bis", path).rejected_counts
    with pytest.raises(InputError, match="holds 2022-Q3, 2022-Q4; asked for 2019-Q1"):
        read("bis", path, period="2019-Q1")


def test_a_unit_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "flat.csv"
    good = flat("CH: Switzerland", "DE: Germany", "2024-Q4", "12.5")
    path.write_text(FLAT + good + flat("CH", "FR", "2024-Q4", "5").replace("6: Millions", "many"))
    reading = read_bis([path])
    assert reading.flows is not None
    assert values(reading.flows) == {("2024-Q4", "CHE", "DEU"): 12.5e6}
    assert reading.rejected_counts == {"unit differs": 1}


@pytest.mark.parametrize(
    ("name", "given", "period"),
    [("a_2022Q4.csv", None, "2022-Q4"), ("x.csv", "2022Q1", "2022-Q1"), ("x.csv", "2019", "2019"),
     ("a_2022-Q3_b.csv", None, "2022-Q3")],
)  # fmt: skip
def test_periods(name: str, given: str | None, period: str) -> None:
    assert period_of(name, given) == period


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("country,US,GB\nUS,0,10.5\n")
    with pytest.raises(UsageError, match="does not say its quarter"):
        read_bis([path])
    with pytest.raises(UsageError, match="'last year' is not a period"):
        read_bis([path], period="last year")
    with pytest.raises(UsageError, match="no basis 'X'"):
        read_bis([path], basis="X")
    future = read_bis([path], period="2099-Q1")
    assert future.rejected_counts == {"future period": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a,b,c\n1,2,3\n", "is neither a matrix of claims"),
        ("<html>", "web page"),
        (WIDE.replace("L_POSITION", "POSITION") + wide("US", "CL", "1", "2"), "L_POSITION"),
        (WIDE + wide("US", "CL", "1", "2", bank="4M"), "holds none of the series read"),
        (WIDE.replace("2022-Q3", "a").replace("2022-Q4", "b") + wide("US", "CL", "1", "2"), "no column of a quarter"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "cbs_2022Q4.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_bis([path])
    assert words in str(caught.value)


def test_lines_with_other_cells_are_rejected_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "cbs_2022Q4.csv"
    path.write_text("country,US,GB\nUS,0,10.5\nGB,2\nJP,1,2,3\nFR,4,5\n")
    reading = read_bis([path])
    assert reading.flows is not None
    assert set(reading.flows["origin"]) == {"USA", "FRA"}
    assert reading.rejected_counts["wrong number of cells"] == 2
    assert '{"cells": ["GB", "2"]}' in reading.rejected["record"].to_list()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(
        st.tuples(
            st.sampled_from(["US", "GB", "5A", "QQ", "JP", "NA"]),
            st.sampled_from(["1.5", "-2", "", "NaN", "inf", "x", "0", "1e30", "7"]),
            st.sampled_from(["3", "0", "?"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_cell_is_a_flow_a_zero_or_a_rejection(tmp_path: Path, cells: list[tuple[str, str, str]]) -> None:
    path = tmp_path / "cbs_2022Q4.csv"
    path.write_text("country,US,NA\n" + "".join(",".join(row) + "\n" for row in cells))
    reading = read_bis([path])
    assert reading.flows is not None
    zeros = sum(int(n.split(" ")[0].replace(",", "")) for n in reading.notes if "zero" in n)
    assert reading.flows.height + reading.rejected.height + zeros == 2 * len(cells)
    # Namibia's code is not a missing value
    assert "unknown destination code" not in reading.rejected_counts


def test_end_2022_as_published(shared_data: Path) -> None:
    path = shared_data / "finance" / "bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv"
    reading = read("bis", path)
    assert reading.flows is not None
    got = values(reading.flows)
    assert sum(got.values()) == pytest.approx(13.82e12, rel=1e-3)
    assert got["2022-Q4", "JPN", "USA"] == pytest.approx(1.83e12, rel=5e-3)
    assert got["2022-Q4", "GBR", "USA"] == pytest.approx(1.13e12, rel=5e-3)
    assert got["2022-Q4", "ESP", "CHL"] == pytest.approx(67e9, rel=1e-2)
    table = pd.read_csv(path, index_col=0, keep_default_na=False)
    assert sum(got.values()) == pytest.approx(table.to_numpy().sum() * 1e6)
    assert reading.rejected.is_empty()


def test_a_slip_of_unit_stops_the_reading(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "finance" / "bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv"
    thousands = tmp_path / "cbs_2022Q4.csv"
    (pd.read_csv(path, index_col=0, keep_default_na=False) * 1000).to_csv(thousands)
    with pytest.raises(CheckError, match="total value"):
        read("bis", thousands)
