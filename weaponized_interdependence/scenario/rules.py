"""Rules that compare the fields of a scenario with each other and with the reference lists.

They work on the plain mapping read from the file, and skip what is not of its type (`parts.py` reports that), so that
one pass over a bad file finds everything that is wrong with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path as FilePath

from weaponized_interdependence.errors import Fault, WiError, nearest
from weaponized_interdependence.harmonize.products import item_faults, product_list, product_lists
from weaponized_interdependence.scenario.locator import Path
from weaponized_interdependence.scenario.overlap import overlaps
from weaponized_interdependence.scenario.parties import members
from weaponized_interdependence.scenario.parts import KINDS, Measure
from weaponized_interdependence.scenario.problems import Problem
from weaponized_interdependence.scenario.raw import Raw, day_of, kind_of, looks_like_path, tables, text_of, texts
from weaponized_interdependence.settings import data_dir
from weaponized_interdependence.terms import MeasureKind


def rule_problems(raw: Raw) -> list[Problem]:
    """Everything that is wrong with how the fields of `raw` fit together."""
    parties = _Parties(day_of(raw, "date"))
    return [
        *_repeats(raw),
        *_party_problems(raw, parties),
        *_kind_problems(raw),
        *_phase_problems(raw),
        *_item_problems(raw),
        *_exemption_problems(raw),
        *_elasticity_problems(raw),
        *overlaps(raw, parties.members),
    ]


# ---- who --------------------------------------------------------------------------------------------------------


@dataclass
class _Parties:
    """Codes and groups expanded on one day, each name once."""

    on: date | None
    known: dict[str, tuple[str, ...] | Problem] = field(default_factory=dict)

    def members(self, name: str) -> tuple[str, ...]:
        """The economies a name stands for; none where it is unknown (that is reported where the name stands)."""
        found = self.look_up(name)
        return () if isinstance(found, Problem) else found

    def look_up(self, name: str) -> tuple[str, ...] | Problem:
        if name not in self.known:
            try:
                # Without a date (that is reported too) names can still be checked, as of today.
                self.known[name] = members(name, self.on or date.today())
            except WiError as error:
                fault = error.faults[0] if error.faults else None
                what, mend = (fault.what, fault.mend) if fault else (error.message, error.mend)
                self.known[name] = Problem((), what, mend or error.mend)
        return self.known[name]


def _party_problems(raw: Raw, parties: _Parties) -> Iterator[Problem]:
    coalition = {code: name for _, name in texts(raw, "coalition") for code in parties.members(name)}
    target = {code for _, name in texts(raw, "target") for code in parties.members(name)}
    for path, name in _party_names(raw):
        found = parties.look_up(name)
        if isinstance(found, Problem):
            yield found._replace(path=path)
            continue
        match path:
            case ("target", _):
                yield from _own_goal(path, name, found, coalition)
            case (*_, "senders", _):
                yield from _outsiders(path, name, found, coalition)
            case (*_, "third_parties", _):
                yield from _not_third(path, name, found, {*coalition}, target)
            case ("exemption", *_) if target and target <= {*found}:
                yield Problem(
                    path, f"parties names {name}, the target itself", "name the senders whose flows stay allowed"
                )


def _party_names(raw: Raw) -> Iterator[tuple[Path, str]]:
    yield from texts(raw, "coalition")
    yield from texts(raw, "target")
    for base, measure in tables(raw, "measures"):
        yield from texts(measure, "senders", base)
        yield from texts(measure, "third_parties", base)
    for base, exemption in tables(raw, "exemptions"):
        yield from texts(exemption, "parties", base)


def _own_goal(path: Path, name: str, found: tuple[str, ...], coalition: dict[str, str]) -> Iterator[Problem]:
    for code in sorted({*found} & {*coalition}):
        group = coalition[code]
        through = "" if group == code else f" (a member of {group} on that date)"
        mend = (
            "take it out of coalition or of target"
            if group == code
            else f"name the other members of {group} one by one"
        )
        yield Problem(path, f"{code} is a target inside its own coalition{through}", mend)


def _outsiders(path: Path, name: str, found: tuple[str, ...], coalition: dict[str, str]) -> Iterator[Problem]:
    if coalition and (outside := sorted({*found} - {*coalition})):
        yield Problem(
            path,
            f"senders names {_some(outside)}, outside the coalition on that date",
            "add to coalition, or take out of senders",
        )


def _not_third(path: Path, name: str, found: tuple[str, ...], senders: set[str], target: set[str]) -> Iterator[Problem]:
    if wrong := sorted({*found} & (senders | target)):
        left = sorted({*found} - senders - target)
        instead = f"write the others one by one: {', '.join(left)}" if left else "name economies outside both"
        yield Problem(path, f"third_parties names {_some(wrong)}, of the coalition or the target", instead)


def _some(codes: list[str]) -> str:
    return ", ".join(codes[:8]) + (f" and {len(codes) - 8} more" if len(codes) > 8 else "")


# ---- what -------------------------------------------------------------------------------------------------------

_INSTEAD = {
    (MeasureKind.TARIFF, "share"): "a tariff that falls on a part only: scale the rate",
    (MeasureKind.QUOTA, "share"): "allowed_share says what is still let in",
    (MeasureKind.SECONDARY, "share"): "compliance says what stops",
    (MeasureKind.COMPREHENSIVE_EMBARGO, "items"): "use export_ban and import_ban for a part of trade",
    (MeasureKind.COMPREHENSIVE_EMBARGO, "lists"): "use export_ban and import_ban for a part of trade",
}


def _kind_problems(raw: Raw) -> Iterator[Problem]:
    for base, measure in tables(raw, "measures"):
        kind = kind_of(measure)
        if kind is None:
            continue
        rule = KINDS[kind]
        for key in rule.required:
            if measure.get(key) in (None, []):
                yield Problem((*base, key), f"{kind} needs {key}, which has no default", _EXAMPLES[key])
        for key in measure:
            if key in _FIELDS and key not in rule.fields and _says_something(key, measure[key]):
                takes = f"leave it out; {kind} takes {', '.join(rule.fields[2:])}"
                yield Problem((*base, key), f"{key} has no meaning for {kind}", _INSTEAD.get((kind, key), takes))
        for path, layer in texts(measure, "layers", base):
            if layer in _LAYERS and layer not in rule.allowed:
                yield Problem(path, f"{kind} does not act on the layer {layer}", f"one of {', '.join(rule.allowed)}")


def _says_something(key: str, value: object) -> bool:
    # A scenario written out in full holds every field; what equals its default says nothing.
    default = Measure.model_fields[key].default
    return value != (list(default) if isinstance(default, tuple) else default)


_FIELDS = frozenset(name for rule in KINDS.values() for name in rule.fields)
_LAYERS = frozenset(layer for rule in KINDS.values() for layer in rule.allowed)
_EXAMPLES = {
    "rate": "rate = 0.25 is a duty of 25 per cent",
    "allowed_share": "allowed_share = 0.4 lets 40 per cent of the baseline in",
    "third_parties": 'third_parties = ["CHN", "TUR"]: who is threatened',
    "compliance": "compliance = { low = 0.1, value = 0.3, high = 0.6 }: the part that stops, yours to assume",
}


def _item_problems(raw: Raw) -> Iterator[Problem]:
    for base, table in [*tables(raw, "measures"), *tables(raw, "exemptions")]:
        for path, item in texts(table, "items", base):
            yield from (Problem(path, fault.what, fault.mend) for fault in item_faults([item]))
        for path, name in texts(table, "lists", base):
            if not looks_like_path(name) and name not in product_lists():
                close = nearest(name, product_lists()) or product_lists()
                yield Problem(path, f"no product list {name!r}", f"one of {', '.join(close)}, or the path of a CSV")
                continue
            try:
                product_list(name)
            except WiError as error:
                faults = error.faults or (Fault(error.message, mend=error.mend),)
                yield from (Problem(path, f"{name}: {fault.what}", fault.mend or error.mend) for fault in faults)


def _exemption_problems(raw: Raw) -> Iterator[Problem]:
    for base, exemption in tables(raw, "exemptions"):
        if not any(exemption.get(key) for key in ("items", "lists", "parties", "layers")):
            yield Problem(
                base, "an exemption that names nothing exempts everything", "name items, lists, parties or layers"
            )


def _elasticity_problems(raw: Raw) -> Iterator[Problem]:
    assumptions = raw.get("assumptions")
    name = text_of(assumptions, "elasticities") if isinstance(assumptions, dict) else None
    path = ("assumptions", "elasticities")
    if name is None:
        return
    if looks_like_path(name):
        if not _is_file(name):
            yield Problem(path, f"no elasticity file {name}", "the path is relative to the scenario file")
        return
    known = sorted({file.stem for file in (data_dir() / "reference" / "elasticities").glob("*.csv")})
    if name not in known:
        close = nearest(name, known)
        yield Problem(path, f"no elasticity set {name!r}", f"one of {', '.join(close or known)}, or the path of a file")


def _is_file(name: str) -> bool:
    try:
        return "\0" not in name and FilePath(name).is_file()
    except OSError:
        return False


# ---- when -------------------------------------------------------------------------------------------------------


def _phase_problems(raw: Raw) -> Iterator[Problem]:
    ids = [name for _, measure in tables(raw, "measures") if (name := text_of(measure, "id"))]
    begin, before = day_of(raw, "date"), None
    phases = list(tables(raw, "phases"))
    for base, phase in phases:
        start, said = day_of(phase, "start"), text_of(phase, "name") or "phase"
        if start and begin and start < begin:
            yield Problem(
                (*base, "start"), f"{said} starts {start}, before the scenario's date {begin}", "correct one of them"
            )
        if start and before and start <= before[0]:
            yield Problem(
                (*base, "start"),
                f"{said} starts {start}, not after {before[1]} ({before[0]})",
                "list phases in the order they start, each on its own day",
            )
        before = (start, said) if start else before
        if base[-1] == 0 and phase.get("measures") == []:
            mend = "name what is in force; only a later phase, with an empty list, lifts everything"
            yield Problem((*base, "measures"), f"{said} is the first phase and has nothing in force", mend)
        for path, name in texts(phase, "measures", base):
            if name not in ids:
                close = nearest(name, ids, most=1) or ids
                yield Problem(
                    path, f"{said} names no known measure: {name!r}", f"the ids are {', '.join(close)}" if ids else ""
                )
    last = before or ((begin, "the scenario") if begin else None)
    if (end := day_of(raw, "end")) and last and end < last[0]:
        yield Problem(("end",), f"end {end} is before {last[1]} starts ({last[0]})", "correct one of them")
    named = {name for _, phase in phases for _, name in texts(phase, "measures")}
    if phases:
        for base, measure in tables(raw, "measures"):
            if (own := text_of(measure, "id")) and own not in named:
                yield Problem(base, f"measure {own!r} is in no phase", "name it in the phases in which it is in force")
    for base, measure in tables(raw, "measures"):
        for path, name in texts(measure, "overlaps", base):
            if name not in ids or name == text_of(measure, "id"):
                yield Problem(path, f"overlaps names no other measure: {name!r}", f"the ids are {', '.join(ids)}")


# ---- twice ------------------------------------------------------------------------------------------------------


def _repeats(raw: Raw) -> Iterator[Problem]:
    for key, own in (("measures", "id"), ("phases", "name")):
        seen: set[str] = set()
        for base, table in tables(raw, key):
            name = text_of(table, own)
            if name in seen:
                yield Problem((*base, own), f"the {own} {name!r} is used twice", "give each its own")
            elif name:
                seen.add(name)
    lists: list[tuple[Path, Raw, tuple[str, ...]]] = [((), raw, ("coalition", "target"))]
    lists += [
        (base, t, ("layers", "items", "lists", "senders", "third_parties", "overlaps"))
        for base, t in tables(raw, "measures")
    ]
    lists += [(base, t, ("items", "lists", "parties", "layers")) for base, t in tables(raw, "exemptions")]
    lists += [(base, t, ("measures",)) for base, t in tables(raw, "phases")]
    for base, table, keys in lists:
        for key in keys:
            named: set[str] = set()
            for path, text in texts(table, key, base):
                if text in named:
                    yield Problem(path, f"{key} names {text!r} twice", "keep one")
                named.add(text)
