from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import InputError, UnknownCodeError
from weaponized_interdependence.harmonize.economies import economies, lookup
from weaponized_interdependence.harmonize.groups import expand, expansion_notes, groups, known_groups

MODEST = settings(deadline=None, max_examples=50)
TODAY = date(2025, 12, 31)
OWN = sorted({g.name for g in known_groups().values()})


def members(name: str, day: str) -> set[str]:
    return set(expand([name], date.fromisoformat(day)))


def iso3(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize(
    ("group", "day", "size"),
    [
        ("EU", "1958-01-01", 6),
        ("EU", "1972-12-31", 6),
        ("EU", "1973-01-01", 9),
        ("EU", "1981-01-01", 10),
        ("EU", "1986-01-01", 12),
        ("EU", "1995-01-01", 15),
        ("EU", "2004-04-30", 15),
        ("EU", "2004-05-01", 25),
        ("EU", "2007-01-01", 27),
        ("EU", "2013-07-01", 28),
        ("EU", "2020-01-31", 28),
        ("EU", "2020-02-01", 27),
        ("Euro area", "1999-01-01", 11),
        ("Euro area", "2022-12-31", 19),
        ("Euro area", "2023-01-01", 20),
        ("Euro area", "2026-01-01", 21),
        ("G7", "1976-01-01", 6),
        ("G7", "2022-01-01", 7),
        ("G20", "2022-01-01", 19),
        ("NATO", "1949-12-31", 12),
        ("NATO", "1982-12-31", 16),
        ("NATO", "1999-12-31", 19),
        ("NATO", "2004-12-31", 26),
        ("NATO", "2020-12-31", 30),
        ("NATO", "2023-12-31", 31),
        ("NATO", "2024-12-31", 32),
        ("OPEC", "2018-12-31", 15),
        ("OPEC", "2019-01-01", 14),
        ("OPEC", "2020-01-01", 13),
        ("OPEC", "2024-01-01", 12),
        ("OPEC+", "2024-06-30", 22),
        ("CPTPP", "2024-12-31", 12),
        ("ASEAN", "1999-12-31", 10),
        ("ASEAN", "2025-10-26", 11),
        ("BRICS", "2010-12-01", 4),
        ("BRICS", "2023-12-31", 5),
        ("BRICS", "2024-01-01", 9),
        ("BRICS", "2025-06-30", 10),
        ("OECD", "1961-12-31", 19),
        ("OECD", "1994-12-31", 25),
        ("OECD", "2021-12-31", 38),
        ("EEA", "2019-12-31", 31),
        ("EEA", "2021-12-31", 30),
        ("EAEU", "2016-01-01", 5),
        ("SCO", "2024-12-31", 10),
        ("GECC", "2022-12-31", 39),
        ("RUSSIA_SANCTIONS_COALITION_2022", "2022-02-24", 40),
    ],
)
def test_published_numbers_of_members(group: str, day: str, size: int) -> None:
    assert len(members(group, day)) == size


# Complete lists as published after the plenary of that day.
FATF = {
    "2020-02-21": "ALB BHS BRB BWA KHM GHA ISL JAM MUS MNG MMR NIC PAK PAN SYR UGA YEM ZWE",
    "2020-10-23": "ALB BHS BRB BWA KHM GHA JAM MUS MMR NIC PAK PAN SYR UGA YEM ZWE",
    "2024-06-28": "BGR BFA CMR COD HRV HTI KEN MLI MCO MOZ NAM NGA PHL SEN ZAF SSD SYR TZA VEN VNM YEM",
    "2025-10-24": "DZA AGO BOL BGR VNM VEN HTI COD YEM CMR KEN CIV LAO LBN MCO NAM NPL SSD SYR VGB",
    "2026-02-13": "DZA AGO BOL BGR CMR CIV COD HTI KEN KWT LAO LBN MCO NAM NPL PNG SSD SYR VEN VNM VGB YEM",
    "2026-06-19": "AGO BOL BIH BGR CMR CIV COD HTI IRQ KEN KWT LAO LBN MCO NPL PNG SSD SYR VEN VNM VGB YEM",
}


@pytest.mark.parametrize("day", list(FATF))
def test_fatf_grey_list_as_published(day: str) -> None:
    assert members("FATF_GREY", day) == iso3(FATF[day])


def test_fatf_black_list_and_no_one_on_both() -> None:
    assert members("FATF_BLACK", "2021-01-01") == iso3("PRK IRN")
    assert members("FATF_BLACK", "2022-10-21") == iso3("PRK IRN MMR")
    for day in FATF:
        assert not members("FATF_GREY", day) & members("FATF_BLACK", day)


def test_single_entries_and_exits() -> None:
    assert members("OPEC", "2018-12-31") - members("OPEC", "2024-06-30") == iso3("QAT ECU AGO")
    assert members("RCEP", "2023-06-02") == iso3("AUS BRN CHN JPN KHM LAO NZL SGP THA VNM KOR MYS IDN PHL")
    assert members("Five Eyes", "2000-01-01") == iso3("USA GBR CAN AUS NZL")
    assert members("QUAD", "2020-01-01") == iso3("USA JPN IND AUS")
    assert members("USMCA", "2021-01-01") == members("NAFTA", "2019-01-01")
    assert {"SGP", "TWN", "KOR", "CHE"} <= members("RUSSIA_SANCTIONS_COALITION_2022", "2022-03-31")
    assert "GNQ" in members("OPEC_PLUS", "2017-01-01")


def test_groups_and_codes_mix() -> None:
    assert expand(["USMCA", "DE", "Türkiye", "842"], TODAY) == ("CAN", "DEU", "MEX", "TUR", "USA")


def test_every_fault_of_a_list_at_once() -> None:
    with pytest.raises(UnknownCodeError) as caught:
        expand(["Nato2", "WLD", "SUN", "FATF_GREY", "USA"], date(2010, 1, 1), where="scenario.toml:4")
    text = str(caught.value)
    for part in (
        "'Nato2'",
        "the group NATO",
        "aggregate WLD",
        "SUN did not exist",
        "FATF_GREY is not tabulated before",
    ):
        assert part in text
    assert len(caught.value.faults) == 4
    assert text.count("scenario.toml:4") == 4


@pytest.mark.parametrize(("name", "day"), [("NAFTA", "2022-01-01"), ("EU", "1950-01-01"), ("SSD", "2005-01-01")])
def test_what_is_empty_or_not_yet_there_is_an_error(name: str, day: str) -> None:
    with pytest.raises(InputError):
        members(name, day)


def test_notes_tell_vintage_and_caveats() -> None:
    notes = expansion_notes(["FATF greylist", "EU", "USA"], date(2030, 1, 1))
    assert any("2026-06-19" in n.what for n in notes)
    assert any("2020-01-31" in n.what for n in notes)
    assert not expansion_notes(["USA"], TODAY)


def test_flat_table_agrees_with_expansion() -> None:
    table = groups()
    assert table["source"].str.len_chars().min() > 0
    for name in OWN:
        for day in (date(2019, 6, 30), date(2022, 6, 30), TODAY):
            held = table.filter(
                (pl.col("group") == name)
                & pl.col("valid_from").fill_null(date.min).le(day)
                & pl.col("valid_to").fill_null(date.max).ge(day)
            )["iso3"]
            try:
                expected = expand([name], day)
            except InputError:
                continue
            assert tuple(held.unique().sort()) == expected


def test_no_group_bears_the_name_of_an_economy() -> None:
    names = list(known_groups())
    found = lookup(pl.Series(names), "any").iso3
    kinds = dict(economies().select("iso3", "kind").iter_rows())
    assert [n for n, i in zip(names, found, strict=True) if i and kinds[i] not in ("aggregate", "residual")] == []


def test_every_own_member_is_a_group_or_a_living_economy() -> None:
    for name in OWN:
        group = known_groups()[name]
        assert group.title
        assert group.complete_from
        assert group.as_of
        for day in (group.complete_from, group.as_of):
            if any(m.holds_on(day) for m in group.members):
                expand([name], day)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_groups_of_the_users_own_in_toml(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "mine.toml",
        """
        ["Chip tools"]
        source = "a press release"
        members = ["USA", "Low lands", { member = "JPN", from = 2023-07-23 }]
        ["Low lands"]
        members = ["Netherlands", { member = "BEL", to = 2020-12-31 }]
        """,
    )
    assert expand(["chip_tools"], date(2020, 1, 1), extra=path) == ("BEL", "NLD", "USA")
    assert expand(["chip_tools"], date(2024, 1, 1), extra=path) == ("JPN", "NLD", "USA")
    assert "a press release" in groups(path)["source"].to_list()


def test_groups_of_the_users_own_in_csv(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.csv", "group,member,valid_from\nBIG,EU,\nBIG,USA,2022-01-01\n")
    assert len(expand(["BIG"], date(2021, 1, 1), extra=path)) == 27
    assert len(expand(["BIG"], date(2022, 1, 1), extra=path)) == 28


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("g.toml", '[A]\nmembers = ["B"]\n[B]\nmembers = ["C"]\n[C]\nmembers = ["A"]', ["A > B > C > A"]),
        ("g.toml", '[A]\nmembers = ["A"]', ["A > A"]),
        (
            "g.toml",
            '[A]\nmembers = ["Frnce", "WLD"]\n[USA]\nmembers = ["EU"]',
            ["France (FRA)", "'WLD'", "an economy (USA)"],
        ),
        ("g.toml", '[EU]\nmembers = ["USA"]', ["group of the tool"]),
        ("g.toml", '["A B"]\nmembers = ["USA"]\n[A_B]\nmembers = ["DEU"]', ["A B and A_B are the same name"]),
        ("g.toml", "[A]\nmembers = 3\n[B]", ["[A]: no members", "[B]: no members"]),
        ("g.toml", '[A]\nmembers = [{member = "USA", since = 1}]', ["not a member"]),
        ("g.toml", '[A]\nmembers = [{member = "USA", from = 2021-01-01, to = 2020-01-01}]', ["before it joins"]),
        ("g.toml", "[A\n", ["line 1"]),
        ("g.toml", "", ["no group in it"]),
        ("g.csv", "group;member\nA;USA\n", ["lacks the column group"]),
        (
            "g.csv",
            "group,member,valid_from\nA,USA,soon\n,USA,\n",
            ["row 1: soon is not a date", "row 2: group or member"],
        ),
        ("g.csv", "", ["cannot be read"]),
        ("g.txt", "A", [".toml or .csv"]),
    ],
)
def test_faults_of_a_group_file_are_told_at_once(tmp_path: Path, name: str, text: str, parts: list[str]) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(InputError) as caught:
        expand(["A"], TODAY, extra=path)
    assert name in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_missing_and_binary_group_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        expand(["A"], TODAY, extra=tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        expand(["A"], TODAY, extra=tmp_path / "b.toml")


@given(st.sampled_from(OWN), st.dates(date(2018, 10, 19), date(2026, 6, 19)))
@MODEST
def test_membership_changes_only_on_its_dates(name: str, day: date) -> None:
    """From one day to the next nobody enters or leaves unless the table says so."""

    def on(d: date) -> set[str]:
        try:
            return set(expand([name], d))
        except InputError:
            return set()

    if day < (known_groups()[name].complete_from or date.min):
        return
    table = groups().filter(pl.col("group") == name)
    entered = set(table.filter(pl.col("valid_from") == day + timedelta(days=1))["iso3"])
    left = set(table.filter(pl.col("valid_to") == day)["iso3"])
    assert on(day + timedelta(days=1)) - on(day) <= entered
    assert on(day) - on(day + timedelta(days=1)) <= left


@given(st.dates(date(2007, 1, 1), date(2019, 12, 31)), st.integers(0, 4000))
@MODEST
def test_accessions_only_add(day: date, later: int) -> None:
    after = min(day + timedelta(days=later), date(2020, 1, 31))
    assert members("EU", day.isoformat()) <= members("EU", after.isoformat())


@given(st.lists(st.sampled_from(["EU", "G7", "USA", "DE", "NATO", "Brazil", "ASEAN"]), min_size=1), st.randoms())
@MODEST
def test_order_and_repetition_do_not_matter(names: list[str], random: object) -> None:
    shuffled = [*names, names[0]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert expand(names, TODAY) == expand(shuffled, TODAY)


@given(st.lists(st.sampled_from(["EU", "G7", "NATO", "BRICS", "JPN"]), min_size=2, max_size=4))
@MODEST
def test_expansion_is_a_union(names: list[str]) -> None:
    assert set(expand(names, TODAY)) == set().union(*(expand([n], TODAY) for n in names))


def test_glob_characters_in_the_name_of_a_group_file_are_just_characters(tmp_path: Path) -> None:
    (tmp_path / "g1.csv").write_text("group,member\nMINE,FRA\n")
    (tmp_path / "g[1].csv").write_text("group,member\nMINE,USA\n")
    assert expand(["MINE"], date(2022, 1, 1), extra=tmp_path / "g[1].csv") == ("USA",)
