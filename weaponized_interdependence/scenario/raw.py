"""Reading a scenario that may be wrong: what is of the expected type is given, the rest is passed over.

The passed-over values are not lost: the field rules of `parts.py` report every one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from weaponized_interdependence.scenario.locator import Path
from weaponized_interdependence.scenario.problems import PLURAL, SINGULAR, Problem
from weaponized_interdependence.terms import MeasureKind

Raw = Mapping[str, Any]

MOST_LETTERS = 4096  # of a name or path; systems refuse to look up longer ones


def plain(data: Raw) -> tuple[dict[str, Any], list[Problem]]:
    """The mapping with the model's field names and no model objects; a table given in both spellings is a problem.

    A file may write `[[measure]]` tables or one `measures = [...]` list; Python callers pass `measures`.
    """
    problems = [
        Problem((singular,), f"both {singular} and {plural} are given", f"keep the [[{singular}]] tables only")
        for plural, singular in SINGULAR.items()
        if singular in data and plural in data
    ]
    return {PLURAL.get(key, key): _plain(value) for key, value in data.items()}, problems


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def looks_like_path(name: str) -> bool:
    """Whether the name of a list or of an elasticity set is meant as a file: `lists/mine.csv`, not `humanitarian`."""
    return "/" in name or "\\" in name or name.lower().endswith((".csv", ".toml", ".parquet"))


def anchored(raw: Raw, folder: FilePath | None) -> dict[str, Any]:
    """The mapping with paths of lists and elasticities made absolute: they are relative to the scenario file."""

    def anchor(name: Any) -> Any:
        if folder is not None and isinstance(name, str) and "\0" not in name and looks_like_path(name):
            return str((folder / name).resolve())
        return name

    def anchor_lists(table: Any) -> Any:
        if isinstance(table, Mapping) and isinstance(table.get("lists"), list):
            return {**table, "lists": [anchor(name) for name in table["lists"]]}
        return table

    out = dict(raw)
    for key in ("measures", "exemptions"):
        if isinstance(out.get(key), list):
            out[key] = [anchor_lists(table) for table in out[key]]
    assumptions = out.get("assumptions")
    if isinstance(assumptions, Mapping) and "elasticities" in assumptions:
        out["assumptions"] = {**assumptions, "elasticities": anchor(assumptions["elasticities"])}
    return out


def tables(raw: Raw, key: str) -> Iterator[tuple[Path, Raw]]:
    """(path in the file, table) of each sub-table under a plural field name."""
    value = raw.get(key)
    if isinstance(value, Sequence) and not isinstance(value, str):
        for number, table in enumerate(value):
            if isinstance(table, Mapping):
                yield (SINGULAR.get(key, key), number), table


def texts(raw: Raw, key: str, base: Path = ()) -> Iterator[tuple[Path, str]]:
    """(path in the file, text) of each text of a list; blank and overlong ones are passed over."""
    value = raw.get(key)
    if isinstance(value, Sequence) and not isinstance(value, str):
        for number, text in enumerate(value):
            if isinstance(text, str) and text.strip() and len(text) <= MOST_LETTERS:
                yield (*base, key, number), text


def text_of(raw: Raw, key: str) -> str | None:
    """The text under a key, if it is one that can be used."""
    value = raw.get(key)
    return value if isinstance(value, str) and value.strip() and len(value) <= MOST_LETTERS else None


def day_of(raw: Raw, key: str) -> date | None:
    """The day under a key, if it is a plausible one."""
    value = raw.get(key)
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) and 1800 <= value.year <= 2200 else None


def kind_of(measure: Raw) -> MeasureKind | None:
    """The kind of a measure, if it is a known one."""
    kind = text_of(measure, "kind")
    return MeasureKind(kind) if kind in list(MeasureKind) else None
