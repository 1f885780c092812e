"""The declaration of a source: data/sources/NAME.toml as a frozen dataclass. One place for each fact about a publisher.

A declaration looks like this (`kind`, `unit`, `[[download]]`, `[[columns]]`, `[[expectations]]` may be left out):

    name = "baci"
    title = "BACI: international trade at product level"
    publisher = "CEPII"
    homepage = "https://..."
    licence = "Etalab 2.0, as CEPII states (not re-verified)"
    citation = "Gaulier, G. and Zignago, S. (2010) ..."
    cadence = "yearly, in January or February"
    layer = "goods"                      # layer of the flows; empty for input-output tables and macro figures
    unit = "thousand USD"                # of the file; readers give USD
    accepts = [".csv", ".csv.gz", ".parquet"]
    first_year = 1995
    notes = ["..."]

    [[download]]                         # a file `wi sources fetch` can get
    name = "hs17"
    url = "https://.../BACI_HS17_V{version}.zip"
    parameters = { version = "202401b" } # placeholders with their defaults; "" = the user must give it
    sha256 = ""                          # empty: publisher states none, and the first download's is recorded
    # also edition, years = [first, last], file, note, verified; `manual` (and url = "") where only a person can get it

    [[columns]]
    name = "v"
    meaning = "value of the flow"
    unit = "thousand USD"
    required = true

    [[expectations]]                     # checked by sources.expectations after reading
    measure = "value"                    # of one period: value (total), rows, origins, destinations, items
    scope = ["whole", "total"]           # what the reader must say the input is; [] = any input
    unit = "USD"
    source = "..."                       # where the band comes from
    by_year = { 2000 = [4.8e12, 7.2e12], 2010 = [11e12, 17e12] }   # in between: interpolated
    # or, for any year:  low = 1000   high = 2e6
    slip = 10                            # outside the band by this factor is a hard failure (a slip of unit)
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from weaponized_interdependence.errors import Fault, InputError, UsageError, nearest
from weaponized_interdependence.settings import data_dir


@dataclass(frozen=True)
class Download:
    """A file of the publisher that can be fetched; `url` holds {placeholders}, `parameters` their defaults."""

    name: str
    url: str
    parameters: Mapping[str, str]
    sha256: str = ""
    note: str = ""
    edition: str = ""
    years: Sequence[int] = ()  # first and last year inside the file; empty: any, or by {year}
    file: str = ""  # name to save it under, where the address has none
    manual: str = ""  # no address a program can use: what to do by hand
    verified: str = ""  # day the address was seen to work; empty: not verified from here


@dataclass(frozen=True)
class SourceColumn:
    """A column of the publisher's file."""

    name: str
    meaning: str
    unit: str = ""
    required: bool = True


@dataclass(frozen=True)
class Expectation:
    """A band for one measure of one period; see the module's text."""

    measure: str
    scope: tuple[str, ...]
    unit: str
    source: str
    by_year: tuple[tuple[int, float, float], ...]
    low: float
    high: float
    slip: float


@dataclass(frozen=True)
class Declaration:
    """What is known about a source before any of its files is read."""

    name: str
    title: str
    publisher: str
    homepage: str
    licence: str
    citation: str
    cadence: str
    layer: str
    unit: str
    accepts: tuple[str, ...]
    first_year: int
    notes: tuple[str, ...]
    downloads: tuple[Download, ...]
    columns: tuple[SourceColumn, ...]
    expectations: tuple[Expectation, ...]


_TEXTS = ("name", "title", "publisher", "homepage", "licence", "citation", "cadence")
_OPTIONAL = ("layer", "unit", "accepts", "first_year", "notes", "download", "columns", "expectations")


def declared() -> tuple[str, ...]:
    """The names of all declared sources."""
    return tuple(sorted(p.stem for p in (data_dir() / "sources").glob("*.toml")))


@cache
def load_declaration(name: str) -> Declaration:
    """The declaration of a source; UsageError with the nearest names if there is none."""
    path = data_dir() / "sources" / f"{name}.toml"
    if not path.exists():
        close = nearest(name, declared())
        mend = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(declared())}"
        raise UsageError(f"no source is called {name!r}", mend=mend)
    return parse_declaration(path)


def parse_declaration(path: Path) -> Declaration:
    """Read one declaration file; InputError with every fault of it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not TOML: {error}", where=str(path)) from error
    faults = [Fault(f"lacks {key}") for key in _TEXTS if not isinstance(raw.get(key), str) or not raw[key]]
    faults += [Fault(f"unknown key {key}") for key in raw if key not in _TEXTS + _OPTIONAL]
    if not faults and raw["name"] != path.stem:
        faults.append(Fault(f"name is {raw['name']!r}", mend=f"call it {path.stem!r}, as the file"))
    if faults:
        raise InputError("not a source declaration", where=str(path), faults=faults)
    try:
        return Declaration(
            **{key: raw[key] for key in _TEXTS},
            layer=raw.get("layer", ""),
            unit=raw.get("unit", ""),
            accepts=tuple(raw.get("accepts", ())),
            first_year=int(raw.get("first_year", 1500)),
            notes=tuple(raw.get("notes", ())),
            downloads=tuple(Download(**{"parameters": {}, **d}) for d in raw.get("download", ())),
            columns=tuple(SourceColumn(**c) for c in raw.get("columns", ())),
            expectations=tuple(_expectation(e) for e in raw.get("expectations", ())),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"not a source declaration: {error}", where=str(path)) from error


def describe(name: str) -> dict[str, Any]:
    """Everything `wi sources show NAME` prints, as plain data: the declaration, and the reader's options if any."""
    from dataclasses import asdict

    shown = asdict(load_declaration(name))
    shown["expectations"] = [describe_expectation(e) for e in load_declaration(name).expectations]
    return shown


def describe_expectation(expectation: Expectation) -> str:
    """One expectation in words."""
    what = {"value": "total value"}.get(expectation.measure, expectation.measure)
    bands = [(str(year), low, high) for year, low, high in expectation.by_year] or [
        ("any year", expectation.low, expectation.high)
    ]
    said = "; ".join(f"{when} {low:,.6g} to {high:,.6g}" for when, low, high in bands)
    scope = f" of {' or '.join(expectation.scope)} input" if expectation.scope else ""
    source = f" ({expectation.source})" if expectation.source else ""
    return f"{what} a period{scope}, {expectation.unit or 'count'}: {said}{source}"


def _expectation(raw: Mapping[str, Any]) -> Expectation:
    known = {"measure", "scope", "unit", "source", "by_year", "low", "high", "slip"}
    if unknown := set(raw) - known:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))} in expectations")
    if raw["measure"] not in ("value", "rows", "origins", "destinations", "items"):
        raise ValueError(f"unknown measure {raw['measure']!r}")
    years = sorted((int(y), float(low), float(high)) for y, (low, high) in raw.get("by_year", {}).items())
    return Expectation(
        measure=raw["measure"],
        scope=tuple(raw.get("scope", ())),
        unit=raw.get("unit", ""),
        source=raw.get("source", ""),
        by_year=tuple(years),
        low=float(raw.get("low", 0.0)),
        high=float(raw.get("high", float("inf"))),
        slip=float(raw.get("slip", 10.0)),
    )
