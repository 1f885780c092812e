"""Scenario files: found by path or name, read with every fault at its line, listed, and changed key by key."""

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, ScenarioError, UsageError, nearest
from weaponized_interdependence.scenario.locator import Path, TooDeepError, line_of, locate
from weaponized_interdependence.scenario.model import Scenario
from weaponized_interdependence.scenario.problems import PLURAL, SINGULAR
from weaponized_interdependence.settings import data_dir

MOST_BYTES = 1_000_000  # the largest shipped file has a few thousand; anything near this is not a scenario

LISTING = {
    "name": pl.String,
    "title": pl.String,
    "date": pl.Date,
    "target": pl.String,
    "senders": pl.Int64,
    "kinds": pl.String,
    "measures": pl.Int64,
    "phases": pl.Int64,
    "file": pl.String,
}


def load_scenario(path_or_name: str | FilePath) -> Scenario:
    """Read a scenario file, or one of the worked scenarios by name; `-` reads standard input.

    Raises UsageError for a name that is not there, InputError for a file that cannot be read, ScenarioError with every
    fault and its line for one that is wrong.

    >>> load_scenario("oil_embargo_russia").target
    ('RUS',)
    """
    if str(path_or_name) == "-":
        return read_scenario(sys.stdin.buffer.read(MOST_BYTES + 1), "stdin", FilePath.cwd())
    path = scenario_path(path_or_name)
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), mend="check the path") from error
    return read_scenario(content, str(path), path.parent)


def check_scenario(path_or_name: str | FilePath) -> list[Fault]:
    """Every fault of a scenario file, each with file:line and the mend; none means it can be simulated.

    A file that is not there, or is no file, raises as in `load_scenario`: that is no fault of the scenario.
    """
    try:
        load_scenario(path_or_name)
    except ScenarioError as error:
        return list(error.faults)
    return []


def scenario_path(path_or_name: str | FilePath) -> FilePath:
    """The file meant: the path as given, or the worked scenario of that name. UsageError with the nearest names."""
    given = str(path_or_name)
    if "\0" in given or not given:
        raise UsageError(f"{given!r} is not a path", mend="give a file, or a name that `wi scenario list` shows")
    path = FilePath(given)
    named = _folder() / f"{given}.toml"
    try:
        if path.is_file():
            return path
        if re.fullmatch(r"[a-z0-9_]+", given) and named.is_file():
            return named
        there = path.exists()
    except OSError as error:
        raise UsageError(f"{given[:80]!r} cannot be looked up: {error.strerror}", mend="check the path") from error
    if there:
        raise InputError("is not a regular file", where=given, mend="give the path of a .toml file")
    known = sorted(file.stem for file in _folder().glob("*.toml"))
    close = nearest(path.stem, known)
    also = f"did you mean {' or '.join(close)}?" if close else f"the worked scenarios are {', '.join(known)}"
    raise UsageError(f"no scenario {given!r}: no such file and no worked scenario of that name", mend=also)


def read_scenario(content: bytes, file: str = "", folder: FilePath | None = None) -> Scenario:
    """Parse and check the bytes of a scenario file. Paths in it are relative to `folder`; faults name `file`:line."""
    text = _text(content, file)
    if not re.sub(r"(?m)#.*$", "", text).strip():
        raise _fault(file, 1, "the file is empty", "`wi scenario new NAME` writes one to start from")
    try:
        lines = locate(text)
        data = tomllib.loads(text)
    except TooDeepError as error:
        raise _fault(
            file, error.line, "tables or arrays are nested too deep", "a scenario needs three levels"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, file) from error
    except (ValueError, RecursionError, MemoryError) as error:
        # tomllib lets int() refuse a number of thousands of digits, without a line.
        long = next(
            (n for n, line in enumerate(text.split("\n"), 1) if re.search(r"\d{1000}", line.replace("_", ""))), 1
        )
        raise _fault(file, long, "a number has too many digits", "no key takes such a number") from error

    def place(path: Path) -> str:
        line = line_of(lines, path) or (
            line_of(lines, (PLURAL.get(str(path[0]), path[0]), *path[1:])) if path else None
        )
        return f"{file}:{line or 1}"

    try:
        return Scenario.model_validate(data, context={"place": place, "folder": folder, "file": file})
    except ScenarioError as error:
        in_order = sorted(error.faults, key=lambda fault: int(fault.where.rsplit(":", 1)[-1]))
        raise ScenarioError(error.message, where=error.where, mend=error.mend, faults=in_order) from None


def list_scenarios(folder: FilePath | None = None) -> pl.DataFrame:
    """The scenarios of a folder, the worked ones by default, one row each, by name.

    Columns: name, title, date, target, senders (number of economies on the date), kinds, measures and phases (numbers),
    file. Raises ScenarioError if one of the files is wrong.
    """
    rows = []
    for file in sorted((folder or _folder()).glob("*.toml")):
        scenario = load_scenario(file)
        rows.append(
            {
                "name": scenario.name,
                "title": scenario.title,
                "date": scenario.date,
                "target": ", ".join(scenario.target),
                "senders": len(scenario.senders()),
                "kinds": ", ".join(dict.fromkeys(str(measure.kind) for measure in scenario.measures)),
                "measures": len(scenario.measures),
                "phases": len(scenario.phase_list()),
                "file": str(file),
            }
        )
    return pl.DataFrame(rows, schema=LISTING)


def scenario_overrides(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """The scenario with some keys changed, checked anew: what `--set key=value` does.

    Keys: `assumptions.over_compliance`, `humanitarian_exemption`, `measure.ID.share`, `phase.NAME.start`,
    `exemption.N.share` (N counts from 1). A value given as text is read as TOML where it can be (`0.5`, `true`,
    `["USA", "EU"]`, `{ low = 0.1, value = 0.2, high = 0.4 }`), else as it stands. ScenarioError lists every fault.
    """
    document = scenario.model_dump(exclude_unset=True)
    faults: list[Fault] = []
    for key, value in settings.items():
        if fault := _set(document, key, _value(value)):
            faults.append(fault)

    def place(path: Path) -> str:
        # measure 1, share -> measure.crude.share, as the key is written
        named = [part + 1 if isinstance(part, int) else part for part in path]
        if len(path) > 1 and path[0] in ("measure", "phase") and isinstance(path[1], int):
            at = path[1]
            named[1] = scenario.measures[at].id if path[0] == "measure" else scenario.phases[at].name
        return ".".join(map(str, named))

    try:
        changed = Scenario.model_validate(document, context={"place": place})
    except ScenarioError as error:
        faults += error.faults
    if faults:
        raise ScenarioError(f"scenario {scenario.name} cannot be changed so", where="--set", faults=faults)
    return changed


def _set(document: dict[str, Any], key: str, value: Any) -> Fault | None:
    first, *rest = key.split(".")
    plural = PLURAL.get(first, first)
    table: Any = document
    if plural in SINGULAR:
        own = {"measures": "id", "phases": "name"}.get(plural)
        held = {str(each[own]) if own else str(n): each for n, each in enumerate(document.get(plural, ()), 1)}
        if len(rest) < 2 or rest[0] not in held:
            close = nearest(rest[0], list(held)) if rest else []
            return Fault(
                f"no such {SINGULAR[plural]}", key, f"write {SINGULAR[plural]}.{(close or list(held) or ['1'])[0]}.KEY"
            )
        table, rest = held[rest[0]], rest[1:]
    elif first == "assumptions" and rest:
        table = document.setdefault("assumptions", {})
    else:
        rest = [first, *rest]
    if len(rest) == 2 and rest[1] in ("low", "value", "high") and isinstance(table.get(rest[0]), dict):
        table, rest = table[rest[0]], rest[1:]
    if len(rest) != 1:
        return Fault(
            "no such key", key, "write KEY, assumptions.KEY, measure.ID.KEY, phase.NAME.KEY or exemption.N.KEY"
        )
    table[rest[0]] = value
    return None


def _value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        locate(f"v = {value}")  # refuses nesting that would break the parser
        document = tomllib.loads(f"v = {value}")
    except (ValueError, RecursionError):
        return value
    return document["v"] if len(document) == 1 else value


def _folder() -> FilePath:
    return data_dir() / "scenarios"


def _text(content: bytes, file: str) -> str:
    if len(content) > MOST_BYTES:
        raise _fault(
            file,
            1,
            f"the file is larger than {MOST_BYTES} bytes",
            "a scenario is a page of text: is this the right file?",
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _fault(file, 1, "the file is UTF-16", "save it as UTF-8")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _fault(file, line, f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8") from error


def _fault(file: str, line: int, what: str, mend: str) -> ScenarioError:
    return ScenarioError("not a scenario file", where=file, faults=[Fault(what, f"{file}:{line}", mend)])


_SYNTAX = (
    ("Cannot overwrite a value", "a key stands twice, or is both a value and a table", "keep one of the two"),
    ("twice", "a table is declared twice", "put its keys under one header; repeated tables are written [[measure]]"),
    ("Invalid date", "a date is not in the calendar", "write the day as 2022-12-05"),
    ("Invalid statement", "not a key = value line", "quote keys with odd characters; start comments with #"),
    ("Expected '='", "a key without =", "write key = value"),
    ("Invalid value", "a value is not TOML", 'texts stand in "quotes"; booleans are true and false'),
    ("Expected newline", "something follows the value on its line", "one key = value a line; texts stand in quotes"),
    ("Unclosed array", "a list is not closed", "end it with ]"),
    ("Unclosed inline table", "an inline table is not closed", "end it with }, on the same line"),
    ("Unterminated string", "a text is not closed", 'end it with "'),
    (
        "Illegal character",
        "a character that texts may not hold, or an unclosed text",
        'end texts with "; write \\n for a new line',
    ),
    ("", "not valid TOML", "see docs/scenarios.md for the form"),
)


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, file: str) -> ScenarioError:
    said = str(error)
    found = re.search(r"at line (\d+), column (\d+)", said)
    line = int(found.group(1)) if found else text.rstrip("\n").count("\n") + 1
    what, mend = next((what, mend) for sign, what, mend in _SYNTAX if sign in said)
    detail = re.sub(r"\s*\(at .*\)$", "", said)
    return _fault(file, line, f"{what} ({detail})", f"{mend}; the rest of the file is checked once this is right")
