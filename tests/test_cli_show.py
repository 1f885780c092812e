"""Screens: numbers are never cut, units are right, nothing of someone's file reaches the terminal raw."""

import json
import math
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.cli import show
from weaponized_interdependence.cli.show import Column

WORDS = st.text(alphabet="abcdef ", max_size=60)
NUMBERS = st.floats(-1e14, 1e14, allow_nan=False, allow_subnormal=False)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(WORDS, NUMBERS), min_size=1, max_size=8), st.integers(1, 160))
def test_every_number_is_whole_on_one_line_at_any_width(rows: list[tuple[str, float]], width: int) -> None:
    cells = show.numbers([v for _, v in rows])
    lines = show.layout([Column("what it is", [w for w, _ in rows]), Column("loss USD bn", cells, True)], width)
    text = "\n".join(lines)
    seen = re.findall(r"\S+", text)
    for cell in cells:
        assert cell in seen


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(WORDS, NUMBERS), min_size=1, max_size=8), st.integers(60, 160))
def test_lines_fit_where_they_can(rows: list[tuple[str, float]], width: int) -> None:
    cells = show.numbers([v for _, v in rows])
    lines = show.layout([Column("what", [w for w, _ in rows]), Column("loss", cells, True)], width)
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@settings(deadline=None, max_examples=200)
@given(st.lists(NUMBERS, min_size=1, max_size=6), st.sampled_from(["USD", "share", "ratio"]))
def test_a_shown_number_is_the_number(values: list[float], unit: str) -> None:
    divisor, _ = show.scale(values, unit)
    for value, text in zip(values, show.numbers(values, divisor), strict=True):
        bare = text.replace(",", "")
        if bare.startswith(("<", ">-")):
            assert 0 < abs(value / divisor) < float(bare.lstrip("<>-"))
            assert bare.startswith("<") == (value > 0)
            continue
        decimals = len(bare.partition(".")[2])
        assert math.isclose(float(bare), value / divisor, abs_tol=0.5 * 10**-decimals + 1e-9 * abs(value / divisor))
        assert (float(bare) == 0) == (value == 0), "a number that is not zero never reads 0"


def test_all_numbers_of_a_column_share_their_decimals() -> None:
    assert show.numbers([1234.5, 0.25, -3.0]) == ["1,234.50", "0.25", "-3.00"]
    assert show.numbers([55.301, 13.71, 1.6712, 0.1]) == ["55.3", "13.7", "1.7", "0.1"]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (17.48e12, "USD", "17.48 tn USD"),
        (999.96e9, "USD", "1.000 tn USD"),
        (926_800_000_000, "USD", "926.8 bn USD"),
        (-112_700_000, "USD", "-112.7 mn USD"),
        (0.0, "USD", "0 USD"),
        (None, "USD", "n/d"),
        (math.nan, "USD", "n/d"),
    ],
)
def test_money_in_words(value: float | None, unit: str, expected: str) -> None:
    assert show.money(value, unit) == expected


def test_infinity_is_named_not_printed_as_a_number() -> None:
    assert show.numbers([math.inf, 1.5, -math.inf]) == ["unbounded", "1.50", "-unbounded"]


def test_control_characters_do_not_reach_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    show.say("a\x1b[31mred\x07")
    show.table([Column("node", ["\x1b]0;title\x07X"])])
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "X" in said


def test_json_has_only_what_json_has(capsys: pytest.CaptureFixture[str]) -> None:
    show.json_document(
        {
            "nan": math.nan,
            "inf": [math.inf],
            "path": Path("a/b"),
            "day": date(2022, 12, 5),
            "frame": pl.DataFrame({"x": [1.5, None]}),
            "column": Column("n", ("1",)),
            "set": {3},
        }
    )
    read = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert read["nan"] is None
    assert read["inf"] == [None]
    assert read["frame"] == [{"x": 1.5}, {"x": None}]
    assert read["day"] == "2022-12-05"
    assert read["column"]["name"] == "n"


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with show.working("counting"):
        pass
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_colour_only_where_wanted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show.heading("Title")
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    show.heading("Title")
    show.basis_lines(["assumed"])
    assert "\x1b" not in capsys.readouterr().out
