"""The remittance reader: which way the matrix runs, WORLD totals, the long form, published totals, bad files."""

from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import xlsxwriter

from weaponized_interdependence.errors import CheckError, InputError, UsageError
from weaponized_interdependence.harmonize.economies import economies
from weaponized_interdependence.sources.registry import read
from weaponized_interdependence.sources.remittances import read_remittances

NAMES = ("United States", "Mexico", "Korea, Rep.")
CELLS = ((0, 30.5, 2), (1, 0, 0.25), (4, 0, 0))
TITLE = "Bilateral Remittance Estimates for 2021 (millions of US$)"
HEAD = "receiving (across) / sending (down) "


def workbook(
    path: Path,
    *,
    head: str = HEAD,
    title: str = TITLE,
    cells: Any = CELLS,
    names: tuple[str, ...] = NAMES,
    world: bool = True,
    sheet: str = "Bilateral_Remittances_2021",
) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet(sheet)
        page.write(0, 0, title)
        page.write_row(1, 0, [head, *names, *(["WORLD"] if world else [])])
        for i, (name, row) in enumerate(zip(names, cells, strict=True)):
            total = [sum(v for v in row if isinstance(v, (int, float)))] if world else []
            page.write_row(2 + i, 0, [name, *row, *total])
        if world:
            sums = [sum(r[k] for r in cells if isinstance(r[k], (int, float))) for k in range(len(names))]
            page.write_row(2 + len(names), 0, ["WORLD", *sums, sum(sums)])
        page.write(4 + len(names), 0, "Notes:")
        page.write(5 + len(names), 0, "These are analytical estimates.")
        book.add_worksheet("remshare").write(0, 0, "# Income share")
    return path


def values(flows: pl.DataFrame | None) -> dict[tuple[str, str], float]:
    assert flows is not None
    return {(r["origin"], r["destination"]): r["value"] for r in flows.iter_rows(named=True)}


def test_money_goes_from_sender_to_receiver(tmp_path: Path) -> None:
    reading = read_remittances([workbook(tmp_path / "m.xlsx")])
    expected = {("USA", "MEX"): 30.5e6, ("USA", "KOR"): 2e6, ("MEX", "USA"): 1e6, ("MEX", "KOR"): 0.25e6}
    assert values(reading.flows) == expected | {("KOR", "USA"): 4e6}
    assert reading.flows is not None
    for column, value in (
        ("layer", "payments"), ("period", "2021"), ("basis", "estimated"), ("item", "KNOMAD:remittances"),
    ):  # fmt: skip
        assert reading.flows[column].unique().to_list() == [value]
    assert reading.rejected.is_empty()
    assert any("4 cells are zero" in n for n in reading.notes)
    assert reading.checks[0].found == "all 6 agree"


@pytest.mark.parametrize(
    ("head", "rows", "turned"),
    [
        ("sending_country", None, False),
        ("Receiving country", None, True),
        ("receiving (down) / sending (across)", None, True),
        ("Remittance-receiving country (across) - Remittance-sending country (down)", None, False),
        ("country", "receiving", True),
        ("country", "sending", False),
    ],
)
def test_the_heading_says_which_way(tmp_path: Path, head: str, rows: Any, turned: bool) -> None:
    got = values(read_remittances([workbook(tmp_path / "m.xlsx", head=head)], rows=rows).flows)
    assert got["MEX", "USA" if turned else "KOR"] == (30.5e6 if turned else 0.25e6)


def test_a_silent_heading_is_asked_about_and_a_contradiction_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not say which way"):
        read_remittances([workbook(tmp_path / "m.xlsx", head="country")])
    with pytest.raises(UsageError, match="says the rows are sending"):
        read_remittances([workbook(tmp_path / "n.xlsx")], rows="receiving")


def test_world_totals_are_checked_and_never_flows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "m.xlsx")
    book = openpyxl.load_workbook(path)
    book.worksheets[0]["B6"] = 99.0  # WORLD to the United States; the cells say 5
    book.save(path)
    reading = read_remittances([path])
    assert not reading.checks[0].ok
    assert "United States over all sending: 5, stated 99" in reading.checks[0].found
    assert not {"WLD"} & {end for pair in values(reading.flows) for end in pair}
    without = read_remittances([workbook(tmp_path / "n.xlsx", world=False)])
    assert (without.checks[0].found, without.checks[0].ok) == ("the file has none", True)


def test_the_year_of_title_sheet_name_or_option(tmp_path: Path) -> None:
    no_title = {"title": "Remittances"}
    assert read_remittances([workbook(tmp_path / "a.xlsx", **no_title)]).flows["period"][0] == "2021"  # type: ignore[index, arg-type]
    named = workbook(tmp_path / "brm_2018.xlsx", sheet="BRM", **no_title)  # type: ignore[arg-type]
    assert read_remittances([named]).flows["period"][0] == "2018"  # type: ignore[index]
    silent = workbook(tmp_path / "matrix.xlsx", sheet="BRM", **no_title)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="does not say its year"):
        read_remittances([silent])
    assert read_remittances([silent], period="2016").flows["period"][0] == "2016"  # type: ignore[index]


def test_bad_cells_and_names_are_rejected_with_reasons(tmp_path: Path) -> None:
    cells = ((0, "secret", -3), ("-", None, 0.25), (4, 2, 0))
    reading = read_remittances(
        [workbook(tmp_path / "m.xlsx", cells=cells, names=("United States", "Atlantis", "Korea, Rep."), world=False)]
    )
    assert values(reading.flows) == {("KOR", "USA"): 4e6}
    assert reading.rejected_counts == {
        "unknown destination code": 2, "unknown origin code": 1, "negative value": 1,
    }  # fmt: skip
    assert any("Atlantis" in r for r in reading.rejected["record"])


def test_bad_workbooks_are_refused(tmp_path: Path) -> None:
    twice = workbook(tmp_path / "m.xlsx", names=("Mexico", "Mexico", "Korea, Rep."))
    with pytest.raises(InputError, match="'Mexico' stands twice"):
        read_remittances([twice])
    empty = tmp_path / "e.xlsx"
    with xlsxwriter.Workbook(str(empty)) as book:
        book.add_worksheet()
    with pytest.raises(InputError):
        read_remittances([empty])
    with pytest.raises(InputError, match="no rows below the header"):
        read_remittances([workbook(tmp_path / "h.xlsx", cells=((), (), ()), world=False)])
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(workbook(tmp_path / "g.xlsx").read_bytes()[:1500])
    with pytest.raises(InputError, match="not a whole Excel"):
        read_remittances([cut])


def test_the_long_form(tmp_path: Path) -> None:
    path = tmp_path / "rem.csv"
    path.write_text("year,sending,receiving,musd\n2017,United States,Mexico,30.5\n2018,France,Mali,2\n2017,X,Mali,\n")
    reading = read_remittances([path])
    assert reading.flows is not None
    assert reading.flows.select("period", "origin", "destination", "value").rows() == [
        ("2017", "USA", "MEX", 30.5e6), ("2018", "FRA", "MLI", 2e6),
    ]  # fmt: skip
    assert reading.rejected_counts == {"unknown origin code": 1}
    other = tmp_path / "rem_2016.csv"
    other.write_text("receiving,value,sending\nMexico,1,France\n")
    assert read_remittances([other]).flows["period"][0] == "2016"  # type: ignore[index]
    with pytest.raises(InputError, match="no column 'receiving'"):
        read_remittances([_text(tmp_path / "x_2016.csv", "sending,value\nFrance,1\n")])
    with pytest.raises(UsageError, match="does not say its year"):
        read_remittances([_text(tmp_path / "x.csv", "sending,receiving,value\nFrance,Mali,1\n")])


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_matrix_of_2017_as_published(shared_data: Path) -> None:
    path = shared_data / "finance" / "knomad_bilateral_remittance_2017.xlsx"
    reading = read("remittances", path)
    flows = reading.flows
    assert flows is not None
    assert flows.height == 11_901
    assert flows["value"].sum() == pytest.approx(613.5e9, rel=1e-3)

    def top(side: str) -> list[tuple[str, float]]:
        return flows.group_by(side).agg(pl.col("value").sum()).sort("value", descending=True).head(2).rows()

    assert [(e, round(v / 1e9)) for e, v in top("origin")] == [("USA", 148), ("SAU", 47)]
    assert [(e, round(v / 1e9)) for e, v in top("destination")] == [("IND", 69), ("CHN", 64)]
    assert reading.failed == ()
    assert reading.rejected.is_empty()


def test_workbook_and_long_file_of_2017_are_one_matrix(shared_data: Path) -> None:
    folder = shared_data / "finance"
    a = values(read_remittances([folder / "knomad_bilateral_remittance_2017.xlsx"]).flows)
    long = folder / "knomad_bilateral_remittance_2017_long.parquet"
    b = values(read_remittances([long]).flows)
    assert a.keys() == b.keys()
    # the long file keeps six decimals of a million
    assert max(abs(a[k] - b[k]) for k in a) <= 0.51
    # the orientation does not hang on our own reading of the heading: the long file names its columns
    raw = pl.read_parquet(long).filter((pl.col("sending") == "United States") & (pl.col("receiving") == "Mexico"))
    assert a["USA", "MEX"] == pytest.approx(raw["musd"][0] * 1e6)


def test_a_long_file_of_one_economy_is_an_extract(tmp_path: Path) -> None:
    path = _text(tmp_path / "usa_2017.csv", "sending,receiving,musd\nUSA,Mexico,30000\nUSA,India,11000\n")
    reading = read("remittances", path)
    assert (reading.scope, reading.failed) == ("extract", ())
    assert "1 sending economies: read as an extract, so world totals are not asked of it" in reading.notes


def test_the_matrix_of_the_world_is_whole(tmp_path: Path) -> None:
    codes = economies().filter(pl.col("kind") == "state")["name"].head(180).to_list()
    rows = "".join(f'"{o}","{d}",20\n' for o in codes for d in codes if o != d)
    reading = read("remittances", _text(tmp_path / "all_2017.csv", "sending,receiving,musd\n" + rows))
    assert (reading.scope, reading.failed) == ("whole", ())
    cents = rows.replace(",20", ",0.02")
    with pytest.raises(CheckError, match="total value"):
        read("remittances", _text(tmp_path / "low_2017.csv", "sending,receiving,musd\n" + cents))


def test_a_period_chooses_among_the_years_of_a_long_file(tmp_path: Path) -> None:
    text = "year,sending,receiving,musd\n2017,USA,Mexico,3\n2018,USA,Mexico,4\n20x8,USA,Mexico,5\n"
    path = _text(tmp_path / "rem.csv", text)
    reading = read("remittances", path, period=2018)
    assert reading.flows is not None
    assert reading.flows.select("period", "value").rows() == [("2018", 4e6)]
    assert reading.rejected_counts == {"not a period": 1, "outside the selection": 1}
    with pytest.raises(InputError, match="holds 2017, 2018; asked for 2016"):
        read("remittances", path, period=2016)


def test_cells_without_an_economy_are_rejected_not_lost(tmp_path: Path) -> None:
    path = workbook(tmp_path / "m.xlsx", names=("United States", "", "Korea, Rep."), world=False)
    reading = read_remittances([path])
    assert values(reading.flows) == {("USA", "KOR"): 2e6, ("KOR", "USA"): 4e6}
    # the row without a label (3 cells) and the other two cells of the column without a heading
    assert reading.rejected_counts == {"unknown origin code": 3, "unknown destination code": 2}
