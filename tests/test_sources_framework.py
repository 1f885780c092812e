"""Registry, declarations and expectations: what holds for all sources."""

import inspect
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from weaponized_interdependence.errors import CheckError, InputError, UsageError
from weaponized_interdependence.sources.declaration import (
    declared,
    describe,
    load_declaration,
    parse_declaration,
)
from weaponized_interdependence.sources.expectations import band_of, check_expectations
from weaponized_interdependence.sources.reading import (
    PASSED_OVER,
    Check,
    Reading,
    Reason,
    demand,
    reject_repeats,
    summarise,
)
from weaponized_interdependence.sources.registry import READERS, read, reader


def test_readers_and_declarations_are_the_same_set() -> None:
    assert set(READERS) == set(declared())


@pytest.mark.parametrize("name", sorted(READERS))
def test_each_reader_follows_the_contract(name: str) -> None:
    found = reader(name)
    assert found.declaration.name == name
    assert inspect.getdoc(found.function)
    parameters = list(inspect.signature(found.function).parameters.values())
    assert parameters[0].name == "paths"
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[1:])
    doc = inspect.getdoc(found.function) or ""
    assert [o for o in found.options if o not in doc] == []
    if found.streamer is not None:
        assert set(inspect.signature(found.streamer).parameters) == {"paths", "out", "finish", *found.options}


@pytest.mark.parametrize("name", sorted(declared()))
def test_each_declaration_says_what_a_user_needs(name: str) -> None:
    shown = describe(name)
    assert shown["publisher"]
    assert shown["licence"]
    assert shown["citation"]
    for expectation in load_declaration(name).expectations:
        assert expectation.source, "no number without a source"
        assert expectation.low <= expectation.high
        assert all(low <= high for _, low, high in expectation.by_year)


def test_a_wrong_name_or_option_is_met_with_the_right_one() -> None:
    with pytest.raises(UsageError, match="did you mean baci"):
        read("bacy", "x.csv")
    with pytest.raises(UsageError, match=r"options: aggregate, country_codes(.|\n)*did you mean edition"):
        read("baci", "x.csv", editon="HS17")
    with pytest.raises(UsageError, match="no source is called"):
        load_declaration("nothing")


def test_a_bad_declaration_lists_all_its_faults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ncolour = "red"\n')
    with pytest.raises(InputError, match=r"lacks title(.|\n)*lacks publisher(.|\n)*unknown key colour"):
        parse_declaration(path)
    path.write_text("name = ")
    with pytest.raises(InputError, match="not TOML"):
        parse_declaration(path)


def reading_of(value: float, *, period: str = "2019", scope: str = "total") -> Reading:
    flows = pl.DataFrame(
        {
            "period": [period],
            "layer": "goods",
            "origin": "USA",
            "destination": "CHN",
            "item": "TOTAL",
            "value": value,
            "unit": "USD",
        }
    )
    return Reading("baci", flows=flows, summary=summarise(flows), scope=scope)


@pytest.mark.parametrize(
    ("value", "scope", "ok", "severity"),
    [
        (17.5e12, "total", True, "soft"),
        (40e12, "total", False, "soft"),
        (5e12, "total", False, "soft"),
        (17.5e15, "total", False, "hard"),  # USD taken for thousand USD
        (17.5e9, "total", False, "hard"),  # thousand USD taken for USD
        (5e9, "extract", True, "soft"),  # an extract may be small
        (926e12, "extract", False, "hard"),  # but not larger than the world
    ],
)
def test_total_band(value: float, scope: str, ok: bool, severity: str) -> None:
    checks = check_expectations(load_declaration("baci"), reading_of(value, scope=scope))
    total = next(c for c in checks if c.name == "total value")
    assert (total.ok, total.severity) == (ok, severity)


def test_bands_between_and_beyond_their_years() -> None:
    expectation = replace(load_declaration("baci").expectations[0], by_year=((2000, 1.0, 4.0), (2002, 4.0, 16.0)))
    assert band_of(expectation, 2001) == pytest.approx((2.0, 8.0))
    assert band_of(expectation, 2002) == (4.0, 16.0)
    assert band_of(expectation, 2004) == pytest.approx((4.0 / 1.21, 16.0 * 1.21))


def test_future_and_too_early_periods_are_hard() -> None:
    for period in ("2999", "1950"):
        checks = check_expectations(load_declaration("baci"), reading_of(17e12, period=period))
        assert [c.severity for c in checks if not c.ok and c.name == "periods"] == ["hard"]


def test_demand() -> None:
    good = reading_of(17e12)
    assert demand(good, strict=True) is good
    soft = good.adding(checks=[Check("a", "1", "2", ok=False)])
    assert demand(soft, strict=False) is soft
    with pytest.raises(CheckError, match="a: found 2, expected 1"):
        demand(soft, strict=True)
    with pytest.raises(CheckError):
        demand(good.adding(checks=[Check("a", "1", "2", False, "hard")]), strict=False)
    for reason in Reason:
        told = replace(good, counts=((str(reason), 3),))
        if reason in PASSED_OVER:
            assert demand(told, strict=True) is told
        else:
            with pytest.raises(InputError, match=r"3 row\(s\) are faulty"):
                demand(told, strict=True)
    with pytest.raises(InputError, match="there is not one row"):
        demand(Reading("baci"), strict=False)


def test_reasons_are_told_apart_and_explained() -> None:
    assert len({str(r) for r in Reason}) == len(Reason)
    assert all(r.meaning for r in Reason)


def test_repeats_keep_the_first() -> None:
    flows = pl.DataFrame({"row": [1, 2, 3, 4], "k": ["a", "a", "b", "a"], "v": [1.0, 1.0, None, 2.0]})
    good, rejected = reject_repeats(flows, key=["k"], same=["v"], file="f", record=["k", "v"])
    assert good["row"].to_list() == [1, 3]
    assert rejected.select("row", "reason").rows() == [(2, "repeated row"), (4, "conflicting row")]
