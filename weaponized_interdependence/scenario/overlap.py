"""Measures that reach the same flows in the same phase: the same denial would be counted twice.

Two measures overlap when they are in force together, act on a common layer in a common direction, through a common
sender, and on a common item. Items are compared within one classification only: a file may describe one measure in
HS and in SITC, and the data have one of them. Where an overlap is meant, one of the two says `overlaps = ["other"]`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from weaponized_interdependence.errors import WiError
from weaponized_interdependence.harmonize.products import CLASSIFICATIONS, item_faults, product_list, split_item
from weaponized_interdependence.scenario.locator import Path
from weaponized_interdependence.scenario.parts import KINDS, MOST_MEASURES
from weaponized_interdependence.scenario.problems import Problem
from weaponized_interdependence.scenario.raw import Raw, kind_of, tables, text_of, texts
from weaponized_interdependence.terms import MeasureKind

Codes = dict[str, frozenset[str]]  # classification -> codes, one or more; TOTAL and the like have the code ""


@dataclass(frozen=True)
class _Reach:
    """What one measure acts on."""

    path: Path
    id: str
    declared: frozenset[str]
    layers: frozenset[str]
    directions: frozenset[str]
    actors: frozenset[str]
    codes: Codes | None  # None: everything
    pays: bool  # denies trade its payment route


def overlaps(raw: Raw, members: Callable[[str], tuple[str, ...]]) -> Iterator[Problem]:
    """A problem for each pair of measures that overlap and do not say so. `members`: name of a party -> its codes."""
    reaches = [reach for base, measure in tables(raw, "measures") if (reach := _reach(raw, base, measure, members))]
    if len(reaches) > MOST_MEASURES:
        return  # a fault of its own; comparing every pair would take long
    phases = [
        (text_of(phase, "name") or "", {name for _, name in texts(phase, "measures")})
        for _, phase in tables(raw, "phases")
    ] or [("", {reach.id for reach in reaches})]
    for first, second in combinations(reaches, 2):
        if first.id in second.declared or second.id in first.declared or first.id == second.id:
            continue
        together = [name for name, ids in phases if {first.id, second.id} <= ids]
        if together and (common := _common(first, second)):
            when = f" in phase {together[0]}" if together[0] else ""
            yield Problem(
                second.path,
                f"{second.id} overlaps {first.id}{when}: both reach {common}",
                "take it out of one, or put them in different phases; if both are meant, write "
                f'overlaps = ["{first.id}"] and the denied shares combine as 1 - (1 - a)(1 - b)',
            )


def _reach(raw: Raw, base: Path, measure: Raw, members: Callable[[str], tuple[str, ...]]) -> _Reach | None:
    kind, name = kind_of(measure), text_of(measure, "id")
    if kind is None or not name:
        return None
    actors = texts(measure, "third_parties") if kind is MeasureKind.SECONDARY else texts(measure, "senders")
    named = [party for _, party in actors] or [party for _, party in texts(raw, "coalition")]
    return _Reach(
        base,
        name,
        frozenset(text for _, text in texts(measure, "overlaps")),
        frozenset(text for _, text in texts(measure, "layers")) or frozenset(map(str, KINDS[kind].layers)),
        frozenset(KINDS[kind].stops),
        frozenset(code for party in named for code in members(party)),
        _codes(measure),
        measure.get("trade_share") is not None,
    )


def _codes(measure: Raw) -> Codes | None:
    items = [text for _, text in texts(measure, "items")]
    lists = [text for _, text in texts(measure, "lists")]
    if not items and not lists:
        return None
    found: dict[str, set[str]] = {}
    for item in items:
        if not item_faults([item]):  # those are reported where they stand
            head, code = split_item(item)
            found.setdefault(head, set()).add(code)
    for name in lists:
        with contextlib.suppress(WiError):
            # Listed codes are looked for in whatever edition the data have.
            found.setdefault("HS", set()).update(product_list(name).codes["code"])
    return {head: frozenset(codes) for head, codes in found.items()}


def _common(first: _Reach, second: _Reach) -> str:
    """What both reach, in words; empty where they do not meet."""
    actors = sorted(first.actors & second.actors)
    if not actors:
        return ""
    by = f"by {', '.join(actors[:3])}{' and others' if len(actors) > 3 else ''}"
    if first.pays and second.pays:
        return f"the payment routes of the same trade (trade_share) {by}"
    layers, directions = first.layers & second.layers, first.directions & second.directions
    item = _common_item(first.codes, second.codes)
    if not layers or not directions or not item:
        return ""
    return f"{item} ({', '.join(sorted(layers))}; {' and '.join(sorted(directions))} {by})"


def _common_item(first: Codes | None, second: Codes | None) -> str:
    if first is None or second is None:
        held = second if first is None else first
        return "everything" if held is None else next((_item(head, min(codes)) for head, codes in held.items()), "")
    for head, codes in first.items():
        for other, theirs in second.items():
            if _compatible(head, other):
                common = _common_codes(head, codes, theirs)
            elif _family(head) == _family(other) == "SITC":
                # Revisions differ, but the sections (one digit) are the same in all of them.
                common = _common_codes(head, _sections(codes), theirs) | _common_codes(head, codes, _sections(theirs))
            else:
                continue
            if common:
                return _item(head, min(common))
    return ""


def _common_codes(head: str, codes: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
    known = CLASSIFICATIONS.get(head)
    if known is None or not known.prefix:
        return codes & theirs
    return frozenset(
        code
        for some, others in ((codes, theirs), (theirs, codes))
        for code in some
        if any(code[:length] in others for length in range(1, len(code) + 1))
    )


def _compatible(head: str, other: str) -> bool:
    # A family's own name (HS) means any edition; two named editions never apply to the same data.
    return head == other or (_family(head) == _family(other) and _family(head) in (head, other))


def _family(head: str) -> str:
    known = CLASSIFICATIONS.get(head)
    return known.family if known else head


def _sections(codes: frozenset[str]) -> frozenset[str]:
    return frozenset(code for code in codes if len(code) == 1)


def _item(head: str, code: str) -> str:
    return f"{head}:{code}" if code else head
