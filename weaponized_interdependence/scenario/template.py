"""Writing scenario files: a commented one to start from, and the plain TOML of any scenario."""

import contextlib
from collections.abc import Iterable, Sequence
from datetime import date
from string import Template
from typing import Any

from weaponized_interdependence.errors import UsageError, WiError, nearest
from weaponized_interdependence.scenario.files import read_scenario
from weaponized_interdependence.scenario.model import Scenario
from weaponized_interdependence.scenario.parties import members
from weaponized_interdependence.scenario.parts import KINDS
from weaponized_interdependence.scenario.problems import SINGULAR
from weaponized_interdependence.terms import MeasureKind

_FILLED = {
    "items": 'items = ["HS:2709"]                # CLASSIFICATION:code; left out, with no lists: everything',
    "share": "share = 1.0                        # part denied, or a band { low = 0.6, value = 0.8, high = 1.0 }",
    "rate": "rate = 0.25                        # 25 per cent",
    "allowed_share": "allowed_share = 0.5                # part of the baseline value still let in",
    "third_parties": "third_parties = $threatened  # who is threatened",
    "compliance": "compliance = { low = 0.1, value = 0.3, high = 0.6 }  # part that stops: yours to assume",
    "trade_share": "trade_share = { low = 0.1, value = 0.2, high = 0.4 }  # trade not paid for: yours to assume",
}


_TEMPLATE = Template("""\
# A scenario: who coerces whom, with what, when. Lines that begin with # are comments.
# Check it with `wi scenario check $name.toml`, run it with `wi simulate $name.toml -o run/`.
schema_version = 1
name = $quoted_name
title = $title
description = \"\"\"
What the scenario asks, and what it leaves out.
\"\"\"
coalition = $coalition  # ISO3 codes or groups (EU, G7, OPEC ...), expanded on `date`
target = $target
date = $day
humanitarian_exemption = true      # goods on the humanitarian list stay allowed
objective = ""                     # what the senders want; shown beside the results
legal_basis = ""
mandate = ""
off_ramp = ""                      # what would lift the measures
sources = []                       # legal acts and publications

[assumptions]
elasticities = "default"
over_compliance = { low = 0.0, value = 0.25, high = 0.5 }  # part of exempt flows that stops all the same

# One [[measure]] for each instrument. The kinds:
$kinds
[[measure]]
id = "first"
kind = $kind
$fields
note = ""                          # what is assumed, and why
source = ""

# Without phases all measures are in force from `date` on. With them, each names all that is in force (a later one with
# an empty list lifts everything; `end`, beside `date`, is the last day of the last one):
# [[phase]]
# name = "start"
# start = $day
# measures = ["first"]

# Flows that the measures leave alone, beside the humanitarian list:
# [[exemption]]
# items = ["HS:30"]
# note = "medicines"
""")


def new_scenario(
    name: str,
    *,
    title: str = "",
    coalition: Sequence[str] = ("USA", "EU"),
    target: Sequence[str] = ("RUS",),
    kind: str = "import_ban",
    on: date | None = None,
) -> str:
    """The text of a commented scenario file with one measure of `kind`, to be edited. It passes the check as it is.

    `on` is the scenario's date, today by default. UsageError for an unknown kind, ScenarioError for bad parties.
    """
    if kind not in list(MeasureKind):
        close = nearest(kind, list(MeasureKind)) or list(MeasureKind)
        raise UsageError(f"no kind of measure {kind!r}", mend=f"one of {', '.join(close)}")
    rule = KINDS[MeasureKind(kind)]
    day = on or date.today()
    threatened = _outside([*coalition, *target], day)
    fields = [_FILLED[key].replace("$threatened", _toml(threatened)) for key in _FILLED if key in rule.fields]
    text = _TEMPLATE.substitute(
        name=name,
        quoted_name=_toml(name),
        title=_toml(title or name.replace("_", " ")),
        coalition=_toml(coalition),
        target=_toml(target),
        day=day.isoformat(),
        kinds="\n".join(f"#   {word.value + ':':26}{word.meaning}" for word in MeasureKind),
        kind=_toml(kind),
        fields="\n".join(fields),
    )
    read_scenario(text.encode(), f"{name}.toml")
    return text


def _outside(names: Sequence[str], on: date) -> list[str]:
    """Two large economies that are none of those named, to stand as third parties in the template."""
    inside: set[str] = set()
    for name in names:
        with contextlib.suppress(WiError):  # unknown names are reported by the check of the whole text
            inside |= {*members(name, on)}
    return [code for code in ("CHN", "TUR", "IND", "BRA", "MEX", "IDN") if code not in inside][:2]


def scenario_text(scenario: Scenario) -> str:
    """The scenario as TOML that reads back equal. Comments of the file it came from are not kept."""
    document = scenario.model_dump(mode="python", exclude_unset=True)
    parts = {key: document.pop(key, ()) for key in SINGULAR}
    assumptions = document.pop("assumptions", None)
    lines = [f"{key} = {_toml(value)}" for key, value in document.items()]
    if assumptions is not None:
        lines += ["", "[assumptions]", *_pairs(assumptions)]
    for key, tables in parts.items():
        for table in tables:
            lines += ["", f"[[{SINGULAR[key]}]]", *_pairs(table)]
    return "\n".join(lines) + "\n"


def _pairs(table: dict[str, Any]) -> Iterable[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, float | int):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return "[" + ", ".join(_toml(each) for each in value) + "]"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if ord(c) >= 32 and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
