"""`wi explain`: knobs, draws, columns and items beside indicators and vocabularies; what is offered for a slip."""

import json

import pytest
from cli_support import good, wi

from weaponized_interdependence.harmonize.products import TARGETS, item_name, sitc_sections, wiod13_industries
from weaponized_interdependence.indicators.knobs import KNOBS
from weaponized_interdependence.indicators.registry import INDICATORS


def told(*args: str) -> str:
    return " ".join(good("explain", *args, env={"COLUMNS": "400"}).stdout.split())


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_with_its_range_and_who_reads_it(name: str) -> None:
    entry = next(e for e in json.loads(good("explain", name, "--json").stdout)["entries"] if e["what"] == "knob")
    assert entry["range"] == KNOBS[name].span
    assert float(entry["default"]) == KNOBS[name].default
    readers = entry["read by"].split(", ")
    assert readers
    assert all(name in INDICATORS[reader].knobs for reader in readers)
    assert sum(name in i.knobs for i in INDICATORS.values()) == len(readers)


@pytest.mark.parametrize("name", ["draws", "noise", "missing", "seed", "confidence"])
def test_options_of_draws(name: str) -> None:
    assert "(option of draws)" in told(name)


@pytest.mark.parametrize("name", ["draws", "seed", "band", "sensitivity"])
def test_draws_of_a_simulation_too(name: str) -> None:
    assert "wi simulate" in told(name)


def test_ends_of_a_band_are_told_for_drawn_models_too() -> None:
    for table in ("impacts", "paths"):
        for end in ("5th", "95th"):
            assert end in told(table), (table, end)


def test_intervals_name_their_confidence() -> None:
    for name in ("low", "rank_low", "confidence"):
        assert "95 per cent" in told(name), name
    assert "user's assumption" in told("noise")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("reach", "ReachKind (vocabulary)"),
        ("route", "correspondent chain"),
        ("counterpart", "column of SCORES, MOVES"),
        ("correspondent chain", "word of Route"),
        ("foreign_technology_content", "value added of the node"),
    ],
)
def test_words_one_would_type(name: str, part: str) -> None:
    assert part in told(name)


def test_none_is_not_what_was_meant() -> None:
    for name in ("noise_", "non", "nonee", "nones"):
        result = wi("explain", name)
        assert result.exit_code == 2
        assert "none?" not in result.stderr
        assert " none or" not in result.stderr
    assert "Horizon" in told("none")


def test_items_by_name() -> None:
    assert "Machinery and transport equipment" in told("SITC:7")
    assert "Electrical and optical equipment" in told("WIOD13:c14")
    oil = told("HS17:270900")
    assert "part of HS chapter 27" in oil
    for elsewhere in ("SITC:3", "ISIC3:11", "WIOD13:c2"):
        assert elsewhere in oil
    assert "most of it, not all" in told("HS17:27")
    assert "not this tool's" in told("ETO:N19")
    assert wi("explain", "HS17:27x").exit_code == 2
    assert "did you mean" in wi("explain", "HS18:27").stderr


def test_names_are_those_of_the_reference_tables() -> None:
    for head, frame in (("SITC", sitc_sections()), ("WIOD13", wiod13_industries())):
        for code, title in frame.select(frame.columns[0], "title").iter_rows():
            assert item_name(f"{head}:{code}") == title
    assert item_name("SITC4:784") == item_name("SITC:7")
    assert [item_name(i) for i in ("TOTAL", "ALL", "EBOPS:SA", "ETO:N1", "HS17:9999AA", "")][:4] == [""] * 4
    assert "SITC" in TARGETS


def test_an_indicator_tells_what_it_reads_and_which_knobs() -> None:
    """The help of --set sends the reader here; and what reads the table alone reads no flows."""
    for name, i in INDICATORS.items():
        entry = next(
            e for e in json.loads(good("explain", name, "--json").stdout)["entries"] if e["what"] == "indicator"
        )
        assert set(entry["knobs"]) == i.knobs
        assert ("flows" in entry["reads"]) == (i.reads == "flows")
        assert (entry["scores"] == "items as a whole") == i.of_item
    assert "knobs damping (0.85 unless set)" in told("pagerank")
