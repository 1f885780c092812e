"""The line of every value of a TOML document, against documents whose lines are known and against tomllib."""

import time
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.scenario.locator import MAX_DEPTH, Path, TooDeepError, line_of, locate


def flatten(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every path of a parsed document, tables and arrays included."""
    found = {path: value} if path else {}
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found |= flatten(child, (*path, key))
    return found


def test_all_forms_of_toml_are_located() -> None:
    text = "\n".join(
        [
            "# comment = 1",
            'title = "a # b = [c]"',
            "\"quoted key\".'and.dots' = 2  # end",
            'note = """first',
            "second = 3",
            'end"""',
            "raw = '''it's [[not]] a",
            "table'''",
            "day = 1979-05-27 07:32:00",
            "list = [ # open",
            "  1, { a = 2, b.c = [3,",
            "  4] },",
            "  'x',",
            "]",
            "[t]",
            "k = { }",
            "[t.sub.deep]",
            'k = "\\u0041 \\" [x]"',
            "[[m]]",
            "id = 1",
            "[[m.n]]",
            "id = 2",
            "[[m.n]]",
            "id = 3",
            "[[m]]",
            "[m.one]",
            "id = 4",
        ]
    )
    lines = locate(text)
    assert set(lines) == set(flatten(tomllib.loads(text)))
    for path, line in {
        ("title",): 2,
        ("quoted key", "and.dots"): 3,
        ("note",): 4,
        ("raw",): 7,
        ("day",): 9,
        ("list", 0): 11,
        ("list", 1, "b", "c", 0): 11,
        ("list", 1, "b", "c", 1): 12,
        ("list", 2): 13,
        ("t",): 15,
        ("t", "sub", "deep", "k"): 18,
        ("m", 0): 19,
        ("m", 0, "n", 1, "id"): 24,
        ("m", 1): 25,
        ("m", 1, "one", "id"): 27,
    }.items():
        assert lines[path] == line, path
    assert locate(text.replace("\n", "\r\n")) == lines


def test_a_missing_key_is_placed_at_its_table() -> None:
    lines = locate("a = 1\n[[m]]\nid = 2\n")
    assert line_of(lines, ("m", 0, "kind")) == 2
    assert line_of(lines, ("b",)) is None


# Generated documents: each leaf is a number used nowhere else, so its line can be found by looking for the number.

keys = st.sampled_from(["a", "b", "key-1", '"q k"', "'l.k'", '"\\u0041"'])
fillers = st.sampled_from(["", "\n", "# c = [1\n", "  \t", '# """\n\n'])


@st.composite
def values(draw: st.DrawFn, numbers: list[int], depth: int = 0) -> str:
    kind = draw(st.sampled_from(["leaf", "leaf", "string", "array", "table"] if depth < 3 else ["leaf", "string"]))
    if kind == "leaf":
        numbers.append(len(numbers) + 1000)
        return f"{numbers[-1]}"
    if kind == "string":
        numbers.append(len(numbers) + 1000)
        form = draw(st.sampled_from(['"{} # ]}}"', "'{} = [['", '"""{}\n" [x]\n\\""""', "'''{}\n]\n'''"]))
        return form.format(numbers[-1])
    if kind == "array":
        parts = [
            draw(fillers) + draw(values(numbers, depth + 1)) + draw(fillers) for _ in range(draw(st.integers(0, 3)))
        ]
        return "[" + ",".join(parts) + draw(fillers) + "]"
    names = draw(st.lists(keys, max_size=3, unique=True))
    return "{" + ", ".join(f"{name} = {draw(values(numbers, 3))}" for name in names) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    numbers: list[int] = []
    out = []
    for _ in range(draw(st.integers(1, 6))):
        names = draw(st.lists(keys, min_size=1, max_size=3))
        out.append(draw(st.sampled_from(["", "", "[{}]\n", "[[{}]]\n"])).format(" . ".join(names)))
        for name in draw(st.lists(keys, max_size=3, unique=True)):
            tail = draw(st.sampled_from(["", ".x", " . 'y z'"]))
            out.append(f"{name}{tail} = {draw(values(numbers))} # end\n" + draw(st.sampled_from(["", "\n", "# [x]\n"])))
    return "".join(out)


@settings(max_examples=400, deadline=None)
@given(documents())
def test_the_lines_are_those_of_the_text(text: str) -> None:
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        locate(text)  # malformed (such as a table declared twice): it must stop, not fail
        return
    lines = locate(text)
    leaves = flatten(parsed)
    assert set(lines) == set(leaves)
    for path, value in leaves.items():
        if isinstance(value, int | str):
            number = str(value)[:4]
            assert number in text.split("\n")[lines[path] - 1], path


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab\"'[]{}=.,# \n\\1\r", max_size=60))
def test_any_text_is_scanned_without_an_error(text: str) -> None:
    lines = locate(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
    try:
        parsed = tomllib.loads(text)
    except ValueError:
        return
    assert set(lines) == set(flatten(parsed))


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "a." * 100_000 + "b = 1", "a = " + "{b=" * 50_000, "[" + "a." * 9999]
)
def test_nesting_bombs_are_refused_before_the_parser_sees_them(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(TooDeepError) as caught:
        locate("# first line\n" + text)
    assert caught.value.line == 2
    assert time.perf_counter() - started < 1


def test_honest_nesting_is_not_refused() -> None:
    depth = MAX_DEPTH - 1
    assert ("a", *[0] * (depth - 1)) in locate("a = " + "[" * depth + "]" * depth)


@pytest.mark.parametrize(
    "text",
    [
        "[[m]]\n" * 150_000,
        "a = [" + "1,\n" * 300_000 + "]",
        "a = '''" + "x\n" * 400_000 + "'''",
        '"' * 900_000,
        "#" * 900_000,
    ],
)
def test_a_large_document_takes_time_in_proportion(text: str) -> None:
    started = time.perf_counter()
    locate(text)
    assert time.perf_counter() - started < 8
