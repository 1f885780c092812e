from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import InputError, UsageError
from weaponized_interdependence.harmonize.products import (
    CLASSIFICATIONS,
    HS_EDITIONS,
    TARGETS,
    editions_of,
    hs_chapters,
    hs_parent,
    hs_sections,
    item_faults,
    item_matches,
    list_coverage,
    match_items,
    match_list,
    product_list,
    product_lists,
    sitc_sections,
    split_item,
    translate,
    wiod13_industries,
)
from weaponized_interdependence.settings import data_dir

MODEST = settings(deadline=None, max_examples=60)
HS6 = st.from_regex(r"\A(0[1-9]|[1-6][0-9]|7[0-68-9]|8[0-9]|9[0-7])[0-9]{4}\Z")
EDITIONS = st.sampled_from(HS_EDITIONS)


def series(*items: str | None) -> pl.Series:
    return pl.Series("item", list(items), dtype=pl.String)


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        ("HS17:270900", ("HS17", "270900")),
        ("WIOD13:c2", ("WIOD13", "c2")),
        ("TOTAL", ("TOTAL", "")),
        ("ALL", ("ALL", "")),
        ("SERVICES", ("SERVICES", "")),
        ("MINE:a:b", ("MINE", "a:b")),
    ],
)
def test_items_split(item: str, parts: tuple[str, str]) -> None:
    assert split_item(item) == parts


@pytest.mark.parametrize("item", ["", "HS", "HS:", ":27", "oil", "total"])
def test_what_is_no_item(item: str) -> None:
    with pytest.raises(UsageError, match="write CLASSIFICATION:code"):
        split_item(item)


def test_item_faults_lists_all_and_spares_the_users_own() -> None:
    wrong = ["HS:27090", "HS23:27", "H5:2709", "oil", "WIOD13:c36", "SITC:x"]
    faults = item_faults([*wrong, "HS:27", "GTAP:oil", "TOTAL", "BEC:41", "ISIC4:C", "HS92:9999AA"], "s.toml")
    assert len(faults) == len(wrong)
    assert "did you mean HS17" in str(faults[2])
    assert all("s.toml" in str(f) for f in faults)


def test_hs_parents() -> None:
    items = series("HS17:270900", "HS17:27", "HS92:0101", "SITC:33", "TOTAL", None)
    cut = items.to_frame().select(hs_parent(pl.col("item"), 4)).to_series()
    assert cut.to_list() == ["HS17:2709", "HS17:27", "HS92:0101", "SITC:33", "TOTAL", None]
    with pytest.raises(UsageError):
        hs_parent(pl.col("item"), 3)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("HS:2709", ["HS17:270900", "HS92:270900"]),
        ("HS:27", ["HS17:270900", "HS17:271012", "HS92:270900"]),
        ("HS:270900", ["HS17:270900", "HS92:270900"]),
        ("WIOD13:c2", ["WIOD13:c2"]),
        ("SITC:3", ["SITC:3"]),
        ("SITC3:3", ["SITC:3"]),
        ("TOTAL", ["TOTAL"]),
        ("MINE:oil", ["MINE:oil"]),
    ],
)
def test_patterns_name_what_their_code_begins(pattern: str, named: list[str]) -> None:
    items = series("HS17:270900", "HS92:270900", "HS17:271012", "WIOD13:c2", "WIOD13:c20", "SITC:3", "TOTAL", None)
    items = pl.concat([items, series("MINE:oil", "MINE:oils")])
    assert items.filter(item_matches(items, [pattern])).to_list() == sorted(named, key=items.to_list().index)


def test_all_names_everything_but_nothing() -> None:
    assert item_matches(series("HS:27", "x:y", None), ["ALL"]).to_list() == [True, True, False]
    assert item_matches(series("HS:27"), []).to_list() == [False]


def test_another_edition_is_reported_never_ignored() -> None:
    items = series("HS92:854140", "HS92:270900")
    with pytest.raises(InputError, match=r"HS22:854140 names edition HS22, the data are in HS92"):
        item_matches(items, ["HS22:854140", "HS:2709"])
    match = match_items(items, ["HS22:854140", "HS:2709"])
    assert match.mask.to_list() == [False, True]
    assert len(match.edition_faults) == 1
    assert match.found == {"HS22:854140": 0, "HS:2709": 1}


def test_an_edition_not_said_is_no_edition() -> None:
    assert match_items(series("HS:270900"), ["HS17:2709"]).edition_faults


def test_what_names_nothing_says_why() -> None:
    items = series("HS17:27", "HS17:01")
    texts = [str(f) for f in match_items(items, ["HS:2709", "SITC:3", "HS:99"]).faults]
    assert "finer than the data" in texts[0]
    assert "the data are in HS17" in texts[1]
    assert "names no item" in texts[2]


@given(st.lists(st.tuples(EDITIONS, HS6), min_size=1, max_size=12), st.lists(HS6, min_size=1, max_size=5), st.data())
@MODEST
def test_matching_agrees_with_the_plain_definition(
    traded: list[tuple[str, str]], wanted: list[str], data: st.DataObject
) -> None:
    items = [f"{e}:{c}" for e, c in traded]
    wanted = [c[: data.draw(st.sampled_from([2, 4, 6]))] for c in [*wanted, traded[0][1]]]
    patterns = [f"HS:{c}" for c in wanted]
    slow = [any(item.split(":")[1].startswith(c) for c in wanted) for item in items]
    assert item_matches(series(*items), patterns).to_list() == slow


@given(st.lists(st.tuples(EDITIONS, HS6), min_size=1, max_size=12), st.tuples(EDITIONS, HS6))
@MODEST
def test_no_pattern_with_an_edition_is_lost(traded: list[tuple[str, str]], pattern: tuple[str, str]) -> None:
    """An item that the code names is either matched or in the faults."""
    items = [f"{e}:{c}" for e, c in traded]
    match = match_items(series(*items), [f"{pattern[0]}:{pattern[1][:2]}"])
    for (edition, code), hit in zip(traded, match.mask, strict=True):
        named = code.startswith(pattern[1][:2])
        assert hit == (named and edition == pattern[0])
        if named and not hit:
            assert match.edition_faults


def test_tables_of_classifications_are_whole() -> None:
    chapters = hs_chapters()
    expected = {f"{n:02d}" for n in range(1, 98)} - {"77"} | {"99"}
    assert set(chapters["chapter"]) == expected
    assert set(chapters["section"]) == set(hs_sections()["section"])
    assert hs_sections().height == 21
    assert sitc_sections()["section"].to_list() == [str(n) for n in range(10)]
    assert wiod13_industries()["industry"].to_list() == [f"c{n}" for n in range(1, 36)]
    divisions = " ".join(wiod13_industries()["isic3_divisions"]).split()
    assert len(divisions) == len(set(divisions)) == 60  # the 59 of ISIC Rev. 3 that make things, and 99


# Well-known places of goods, from the texts of the classifications themselves.
PLACES = {
    "010121": ("0", "c1"),
    "030489": ("0", "c3"),
    "100199": ("0", "c1"),
    "120190": ("2", "c1"),
    "151190": ("4", "c3"),
    "220300": ("1", "c3"),
    "240220": ("1", "c3"),
    "252329": ("6", "c11"),
    "260111": ("2", "c2"),
    "270112": ("3", "c2"),
    "270900": ("3", "c2"),
    "271012": ("3", "c8"),
    "271111": ("3", "c2"),
    "271600": ("3", "c17"),
    "284410": ("5", "c8"),
    "300490": ("5", "c9"),
    "310420": ("5", "c9"),
    "390110": ("5", "c9"),
    "392690": ("8", "c10"),
    "400110": ("2", "c1"),
    "401110": ("6", "c10"),
    "440320": ("2", "c1"),
    "440710": ("2", "c6"),
    "470321": ("2", "c7"),
    "490199": ("8", "c7"),
    "520100": ("2", "c1"),
    "520811": ("6", "c4"),
    "610910": ("8", "c4"),
    "640399": ("8", "c5"),
    "710239": ("6", "c16"),
    "710812": ("9", "c12"),
    "711319": ("8", "c16"),
    "720410": ("2", "c16"),
    "720839": ("6", "c12"),
    "740311": ("6", "c12"),
    "847130": ("7", "c14"),
    "848620": ("7", "c14"),
    "854231": ("7", "c14"),
    "870323": ("7", "c15"),
    "880240": ("7", "c15"),
    "890120": ("7", "c15"),
    "901812": ("7", "c14"),
    "930690": ("8", "c13"),
    "940360": ("8", "c16"),
    "970110": ("8", "c34"),
}


@pytest.mark.parametrize("code", list(PLACES))
def test_goods_stand_where_the_classifications_put_them(code: str) -> None:
    section, industry = PLACES[code]
    item = series(f"HS17:{code}")
    assert translate(item, "SITC").items.item() == f"SITC:{section}"
    assert translate(item, "WIOD13").items.item() == f"WIOD13:{industry}"


def test_coarse_items_are_translated_by_most_of_their_codes_and_reported() -> None:
    told = translate(series("HS17:2709", "HS17:27", "HS:98", "SITC:3", None), "SITC")
    assert told.items.to_list() == ["SITC:3", "SITC:3", None, "SITC:3", None]
    texts = sorted(str(f) for f in told.faults)
    assert len(texts) == 3
    assert any("HS17:27 is taken as SITC:3" in t and "2714 -> 2" in t for t in texts)


@pytest.mark.parametrize("to", ["BEC", "ISIC4", "NAICS"])
def test_what_is_not_kept_is_refused_with_a_reason(to: str) -> None:
    with pytest.raises(UsageError, match="translate to one of HS_SECTION, SITC, ISIC3, WIOD13"):
        translate(series("HS:27"), to)


def test_sections_of_sitc_have_no_way_to_industries() -> None:
    told = translate(series("SITC:3"), "WIOD13")
    assert told.items.to_list() == [None]
    assert "no shares are published" in str(told.faults[0])


@given(HS6, st.sampled_from(sorted(TARGETS)))
@MODEST
def test_every_six_digit_code_has_one_exact_answer(code: str, to: str) -> None:
    told = translate(series(f"HS17:{code}"), to)
    assert told.items.null_count() == 0
    assert not told.faults


def test_lists_are_as_published() -> None:
    assert product_lists() == ("common_high_priority", "humanitarian")
    high = product_list("common_high_priority")
    assert high.edition == "HS22"
    sizes = dict(high.codes["tier"].value_counts().iter_rows())
    assert sizes == {"1": 4, "2": 5, "3.A": 16, "3.B": 9, "4.A": 11, "4.B": 5}
    relief = product_list("humanitarian")
    assert relief.codes.height == relief.codes["code"].n_unique() == 978
    assert relief.provenance["basis"] == "assumed"
    for name in product_lists():
        provenance = product_list(name).provenance
        assert {"title", "publisher", "source", "basis", "note"} <= set(provenance)
        assert not item_faults(product_list(name).patterns)


def test_lists_by_tier() -> None:
    assert product_list("humanitarian", tiers=["1"]).codes.height == 421
    with pytest.raises(UsageError, match="its tiers are 1, 2, 3"):
        product_list("humanitarian", tiers=["9"])
    with pytest.raises(UsageError, match="did you mean humanitarian"):
        product_list("humanitarain")


NEW_IN_2022 = {"854149", "854151", "854159", "852589", "880730", "854800"}


@pytest.mark.parametrize("edition", ["HS17", "HS12"])
def test_codes_that_older_data_lack_are_named(edition: str) -> None:
    high = product_list("common_high_priority")
    items = series(*(f"{edition}:{c}" for c in high.codes["code"] if c not in NEW_IN_2022))
    coverage = list_coverage(high, items)
    assert set(coverage.not_in_edition["code"]) == NEW_IN_2022
    assert coverage.present.height == 44
    assert coverage.unseen.height == 0
    text = "\n".join(map(str, coverage.faults))
    assert f"the data in {edition}: 44 of 50" in text
    for code in NEW_IN_2022:
        assert code in text
    old = dict(coverage.not_in_edition.select("code", "predecessor").iter_rows())
    assert old == {
        "854149": "854140",
        "854151": "854150",
        "854159": "854150",
        "852589": "852580",
        "880730": "880330",
        "854800": "854890",
    }


def test_the_lists_own_edition_needs_no_remark() -> None:
    high = product_list("common_high_priority")
    coverage = list_coverage(high, series(*high.patterns))
    assert coverage.faults == ()
    assert coverage.present.height == 50
    match = match_list(high, series(*high.patterns, "HS22:270900"))
    assert match.mask.to_list() == [True] * 50 + [False]
    assert match.faults == ()


def test_predecessors_only_when_asked_and_always_told() -> None:
    high = product_list("common_high_priority")
    items = series("HS17:854140", "HS17:854231", "HS17:270900")
    plain = match_list(high, items)
    assert plain.mask.to_list() == [False, True, False]
    asked = match_list(high, items, predecessors=True)
    assert asked.mask.to_list() == [True, True, False]
    assert any("older editions are taken" in str(f) for f in asked.faults)
    assert plain.faults
    assert plain.edition_faults


def test_a_number_that_meant_other_goods_before_does_not_count() -> None:
    # 854800 was in HS 1992 what 854890 became; the number was free from 1996 to 2021.
    high = product_list("common_high_priority")
    assert not match_list(high, series("HS92:854800")).mask.any()


def test_data_that_are_not_in_hs_or_too_coarse_say_so() -> None:
    relief = product_list("humanitarian")
    assert "not in HS" in str(match_list(relief, series("SITC:0", "TOTAL")).faults[-1])
    coarse = match_list(relief, series("HS17:30", "HS17:10"))
    assert not coarse.mask.any()
    assert any("coarser than six digits" in str(f) for f in coarse.faults)


def test_unseen_codes_are_told_from_missing_ones() -> None:
    coverage = list_coverage(product_list("common_high_priority"), series("HS22:854231"))
    assert coverage.present["code"].to_list() == ["854231"]
    assert coverage.unseen.height == 49
    assert coverage.not_in_edition.height == 0


def test_lists_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("code,tier\n270900,a\n2711,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="the HS edition of the codes is not said"):
        product_list(str(path))
    assert product_list(str(path), edition="HS17").patterns == ("HS17:270900", "HS17:2711")
    (tmp_path / "mine.toml").write_text('edition = "HS17"\nsource = "a decree"\n', encoding="utf-8")
    mine = product_list(str(path), tiers=["b"])
    assert mine.name == "mine"
    assert mine.provenance["source"] == "a decree"
    assert match_list(mine, series("HS17:271111", "HS17:270900")).mask.to_list() == [True, False]
    older = list_coverage(product_list(str(path)), series("HS92:270900"))
    assert any("is not known" in str(f) for f in older.faults)
    told = list_coverage(product_list(str(path)), series("HS92:270900"), edition_codes=pl.Series([270900, 10111]))
    assert told.not_in_edition["code"].to_list() == ["2711"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hs\n27\n", ["no column code"]),
        ("code\n27090\n270900\n270900\nx\n", ["row 1: '27090'", "row 3: 270900 stands twice", "row 4: 'x'"]),
        ("", ["cannot be read"]),
    ],
)
def test_faults_of_a_list_file_are_told_at_once(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        product_list(str(path), edition="HS17")
    for part in parts:
        assert part in str(caught.value)


def test_predecessors_are_well_formed() -> None:
    table = pl.read_csv(data_dir() / "reference" / "products" / "predecessors.csv", infer_schema=False)
    rank = {e: n for n, e in enumerate(HS_EDITIONS)}
    since: dict[str, str] = {}
    for name in product_lists():
        since.update(product_list(name).codes.select("code", "since").iter_rows())
    assert set(table["relation"]) == {"renumbered", "wider", "approximate", "none"}
    assert table.filter(pl.col("relation") == "none")["predecessor"].is_null().all()
    assert table.filter(pl.col("relation") != "none")["predecessor"].str.contains(r"^\d{6}$").all()
    told: dict[str, set[int]] = {}
    for code, first, last in table.select("code", "first_edition", "last_edition").iter_rows():
        span = set(range(rank[first], rank[last] + 1))
        assert span
        assert not told.setdefault(code, set()) & span
        told[code] |= span
    # Told for every edition before the code began, and for no other.
    assert told == {c: set(range(rank[s])) for c, s in since.items() if rank[s]}


def test_editions_in_order() -> None:
    assert editions_of(series("HS22:01", "HS92:01", "TOTAL", "HS:27")) == ("HS", "HS92", "HS22")
    assert [c.name for c in CLASSIFICATIONS.values() if c.family == "HS"] == ["HS", *HS_EDITIONS]


def test_glob_characters_in_the_name_of_a_list_are_just_characters(tmp_path: Path) -> None:
    (tmp_path / "l1.csv").write_text("code\n270900\n")
    (tmp_path / "l[1].csv").write_text("code\n854231\n")
    assert product_list(str(tmp_path / "l[1].csv"), edition="HS22").patterns == ("HS22:854231",)


def test_what_is_said_needs_no_python() -> None:
    high = product_list("common_high_priority")
    said = [str(f) for f in match_list(high, series("HS92:854140", "HS92:854231")).faults]
    said += [str(f) for f in match_items(series("SITC:3"), ["HS:2709"]).faults]
    assert any("not in the data's edition" in text for text in said)
    assert any("name items of that classification" in text for text in said)
    assert not [text for text in said if "=True" in text or "harmonize" in text or "()" in text]
