"""What is wrong with a scenario, in the words of its file: pydantic's findings re-told with the mend."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from weaponized_interdependence.errors import nearest
from weaponized_interdependence.scenario.locator import Path
from weaponized_interdependence.terms import MeasureKind

# field of the model -> key of the file, where they differ: [[measure]] reads as what it is, one measure
SINGULAR = {"measures": "measure", "phases": "phase", "exemptions": "exemption"}
PLURAL = {singular: plural for plural, singular in SINGULAR.items()}

Models = Mapping[str, type[BaseModel]]  # key of each table of the file ("" is the top) -> its model


class Problem(NamedTuple):
    """One fault, with the key path of the value at fault (as the file spells it)."""

    path: Path
    what: str
    mend: str = ""


def dotted(path: Path) -> str:
    """A key path as a reader says it; list elements are counted from 1.

    >>> dotted(("measure", 0, "share", "low"))
    'measure 1, share.low'
    """
    said = ""
    for before, part in zip(("", *path), path, strict=False):
        if isinstance(part, int):
            said += f" {part + 1}"
        else:
            said += f", {part}" if isinstance(before, int) else f".{part}" if said else part
    return said


def translate(error: ValidationError, models: Models) -> list[Problem]:
    """pydantic's findings as problems."""
    return [_translate(detail, models) for detail in error.errors(include_url=False) if not _follows(detail)]


def _follows(detail: ErrorDetails) -> bool:
    # pydantic calls a list too short when its elements failed; they are reported themselves.
    given: Any = detail.get("input")
    return detail["type"] == "too_short" and isinstance(given, Sequence) and len(given) > 0


def _translate(detail: ErrorDetails, models: Models) -> Problem:
    # The tags of the union number-or-band are pydantic's, not the file's; the top tables are spelt in the singular.
    path: Path = tuple(part for part in detail["loc"] if part not in ("<number>", "<band>"))
    path = (SINGULAR.get(str(path[0]), path[0]), *path[1:]) if path else path
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if detail["type"] == "extra_forbidden":
        return unknown_key(path, models)
    if key in models and (detail["type"] in ("tuple_type", "dict_type") or detail["type"].startswith("model_")):
        return Problem(path, f"{dotted(path)} is not a table", f"write its keys under {_header(key)}")
    name = f"{key} {path[-1] + 1}" if path and isinstance(path[-1], int) else key
    finding = _Finding(name, key, detail.get("input"), detail.get("ctx", {}), detail["msg"])
    said = _SAID.get(detail["type"], _other)(finding)
    return Problem(path, *said)


class _Finding(NamedTuple):
    name: str  # "items 2": what a reader calls the value
    key: str
    given: Any
    context: Mapping[str, Any]
    message: str


def unknown_key(path: Path, models: Models) -> Problem:
    """The fault of a key that has no meaning where it stands, with the nearest known key or the table it belongs to."""
    key = str(path[-1])
    table = next((str(part) for part in path[:-1] if part in models), "")
    if len(path) > 1 and isinstance(path[-2], str) and path[-2] not in models:
        return Problem(path, f"unknown key {key!r}", _BAND)
    known = _keys_of(models, table)
    close = nearest(key, known, most=1)
    elsewhere = [name for name in models if name != table and key in _keys_of(models, name)]
    if close:
        mend = f"did you mean {close[0]}?"
    elif "" in elsewhere:
        mend = "it belongs to the top of the file, before the first [table] or [[table]]"
    elif elsewhere:
        mend = f"it belongs under {' or '.join(_header(name) for name in elsewhere)}"
    else:
        mend = f"the keys here are {', '.join(known)}"
    return Problem(path, f"unknown key {key!r}", mend)


def _keys_of(models: Models, table: str) -> list[str]:
    return [name if table else SINGULAR.get(name, name) for name in models[table].model_fields]


def _header(table: str) -> str:
    return f"[[{table}]]" if table in PLURAL else f"[{table}]"


def _closed_word(finding: _Finding) -> tuple[str, str]:
    words = [word.strip(" '") for word in str(finding.context.get("expected", "")).replace(" or ", ", ").split(",")]
    close = nearest(finding.given, words, most=1) if isinstance(finding.given, str) else []
    mend = f"did you mean {close[0]}?" if close else f"one of {', '.join(words)}"
    return f"{finding.name} = {_show(finding.given)} is not a known word", mend


def _outside(finding: _Finding) -> tuple[str, str]:
    if finding.key == "rate":
        return f"rate = {_show(finding.given)} is negative", "a duty is 0 or more; 0.25 is 25 per cent"
    return f"{finding.name} = {_show(finding.given)} is outside 0 to 1", "a share is a part; 0.25 is 25 per cent"


def _not_number(finding: _Finding) -> tuple[str, str]:
    if isinstance(finding.given, bool):
        mend = "write 1.0 for all or 0.0 for none"
    elif isinstance(finding.given, str):
        mend = "write the number without quotes; 25 per cent is 0.25"
    else:
        mend = f"write a number; where the key takes one, {_BAND}"
    return f"{finding.name} = {_show(finding.given)} is not a number that can be used", mend


def _bad_pattern(finding: _Finding) -> tuple[str, str]:
    if not str(finding.given).strip():
        return f"{finding.name} is blank", "write something, or take it out"
    return f"{finding.name} = {_show(finding.given)} is not a short name", "use small letters, digits and underscores"


def _too_short(finding: _Finding) -> tuple[str, str]:
    if isinstance(finding.given, str):
        return f"{finding.name} is empty", "write something, or take it out"
    return f"{finding.name} is empty", _how(finding.key)


def _too_long(finding: _Finding) -> tuple[str, str]:
    return f"{finding.name} is longer than {finding.context.get('max_length')}", "shorten it, or split the scenario"


def _not_list(finding: _Finding) -> tuple[str, str]:
    example = '"...", "..."'
    if isinstance(finding.given, str):
        example = ", ".join(_quoted(each.strip()) for each in finding.given.split(",") if each.strip()) or example
    return f"{finding.name} = {_show(finding.given)} is not a list", f"write {finding.key} = [{example}]"


def _own_words(finding: _Finding) -> tuple[str, str]:
    what, _, mend = str(finding.context.get("error", finding.message)).partition("; ")
    return f"{finding.name}: {what}", mend


def _other(finding: _Finding) -> tuple[str, str]:
    return f"{finding.name} = {_show(finding.given)}: {finding.message}", _how(finding.key)


_SAID: Mapping[str, Callable[[_Finding], tuple[str, str]]] = {
    "missing": lambda f: (f"{f.key} is missing", _how(f.key)),
    "enum": _closed_word,
    "literal_error": lambda f: (f"{f.name} = {_show(f.given)} is not known here", "this version of the tool reads 1"),
    "greater_than_equal": _outside,
    "less_than_equal": _outside,
    "finite_number": lambda f: (f"{f.name} = {_show(f.given)} is not a finite number", "give a number"),
    "float_type": _not_number,
    "bool_type": lambda f: (f"{f.name} = {_show(f.given)} is neither true nor false", "write true or false, no quotes"),
    "string_type": lambda f: (f"{f.name} = {_show(f.given)} is not text", f"put it in quotes: {_quoted(f.given)}"),
    "string_pattern_mismatch": _bad_pattern,
    "string_too_short": _too_short,
    "too_short": _too_short,
    "string_too_long": _too_long,
    "too_long": _too_long,
    "tuple_type": _not_list,
    "value_error": _own_words,
}

_BAND = "a band is { low = 0.2, value = 0.5, high = 0.8 }"
_HOW = {
    "coalition": 'name the senders: coalition = ["USA", "EU"]',
    "target": 'name whom the measures are aimed at: target = ["RUS"]',
    "measure": "add a [[measure]] with id and kind",
    "measures": 'name the ids in force: measures = ["crude"]',
    "date": "date = 2022-12-05 is the day on which groups such as EU are expanded",
    "start": "start = 2022-12-05 is the first day of the phase",
    "id": 'id = "crude": phases and results use it',
    "kind": f"one of {', '.join(MeasureKind)}",
    "name": 'name = "oil_embargo": small letters, digits, underscores',
    "title": 'title = "what a reader sees"',
    **dict.fromkeys(("low", "value", "high"), _BAND),
}


def _how(key: str) -> str:
    return _HOW.get(key, "see docs/scenarios.md")


def _show(given: Any) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    text = given.isoformat() if isinstance(given, date) else repr(given)
    return text if len(text) <= 60 else text[:57] + "..."


def _quoted(given: Any) -> str:
    return '"' + str(given).replace("\\", "\\\\").replace('"', '\\"')[:60] + '"'
