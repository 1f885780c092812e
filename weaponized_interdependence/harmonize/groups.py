"""Groups of economies by date: EU, euro area, G7, OPEC, NATO, RCEP, FATF lists ..., and groups of the user's own.

Memberships stand in data/reference/groups/*.csv (group, member, valid_from, valid_to, source); a member can be another
group. What a group is, from when its table is complete and up to when it was brought stands in groups.toml beside them.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import cast

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UnknownCodeError, nearest
from weaponized_interdependence.harmonize.economies import economies, lookup
from weaponized_interdependence.harmonize.group_files import Membership, read_group_file
from weaponized_interdependence.settings import data_dir

GROUPS_SCHEMA = {
    "group": pl.String,
    "iso3": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "source": pl.String,
}


@dataclass(frozen=True)
class Group:
    """A named set of economies whose members come and go."""

    name: str
    members: tuple[Membership, ...]
    title: str = ""
    aliases: tuple[str, ...] = ()
    complete_from: date | None = None  # before this day the membership is not tabulated
    as_of: date | None = None  # up to this day the table was brought
    note: str = ""


@dataclass
class _Walk:
    """One expansion under way: the economies it came to (name -> group it came through) and what was wrong."""

    known: Mapping[str, Group]
    on: date
    where: str
    leaves: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def expand(names: Iterable[str], on: date, *, extra: Path | None = None, where: str = "") -> tuple[str, ...]:
    """The economies that groups and codes stand for on a day, as sorted ISO3.

    Parameters
    ----------
    names : groups (EU, Five Eyes, one from `extra`) and economies in any scheme (USA, DE, Türkiye) mixed. A name that
        is both a group and an aggregate's code (EU) is the group; a group may not bear the name of an economy.
    on : the day on which membership counts
    extra : TOML or CSV file with groups of the user's own, see `read_group_file`
    where : what to name in the error

    Raises
    ------
    UnknownCodeError that lists every name nobody knows with its nearest matches; InputError where a group had no
    members or is not tabulated on that day, an economy did not exist, or a name is an aggregate or a residual.

    >>> expand(["USMCA", "Five Eyes"], date(2022, 2, 24))
    ('AUS', 'CAN', 'GBR', 'MEX', 'NZL', 'USA')
    >>> "GBR" in expand(["EU"], date(2020, 1, 31)), "GBR" in expand(["EU"], date(2020, 2, 1))
    (True, False)
    """
    walk = _Walk(known_groups(extra), on, where)
    for name in names:
        _visit(name, walk)
    found, unknown = _economies(walk)
    if walk.faults:
        kind = UnknownCodeError if unknown else InputError
        raise kind(f"cannot tell which economies are meant on {on}", faults=walk.faults)
    return tuple(sorted(found))


def canonical(name: str, on: date, *, extra: Path | None = None) -> str:
    """The one spelling of a name: a group's own, or the ISO3 key of an economy; raises as `expand` does.

    >>> canonical("Germany", date(2022, 1, 1)), canonical("european union", date(2022, 1, 1))
    ('DEU', 'EU')
    """
    known, key = known_groups(extra), _key(name)
    return known[key].name if key in known else expand([name], on, extra=extra)[0]


def expansion_notes(names: Iterable[str], on: date, *, extra: Path | None = None) -> tuple[Fault, ...]:
    """What a reader of an expansion should know: a table older than the day asked for, and each group's own caveat."""
    known = known_groups(extra)
    notes = []
    for group in dict.fromkeys(known[key] for name in names if (key := _key(name)) in known):
        if group.as_of and on > group.as_of:
            notes.append(
                Fault(f"membership as of {group.as_of} is used for {on}", group.name, "give later changes with a file")
            )
        if group.note:
            notes.append(Fault(group.note, group.name))
    return tuple(notes)


def groups(extra: Path | None = None) -> pl.DataFrame:
    """All memberships, groups within groups resolved: group, iso3, valid_from, valid_to, source."""
    known = known_groups(extra)
    own = {group.name: group for group in known.values()}
    rows = [row for group in own.values() for row in _flat(group, known, None, None)]
    table = pl.DataFrame(rows, schema=GROUPS_SCHEMA, orient="row")
    day = table.select(pl.coalesce("valid_to", "valid_from")).to_series()
    table = table.with_columns(lookup(table["iso3"], "any", on=day).iso3)
    return table.unique().sort("group", "iso3", "valid_from")


def known_groups(extra: Path | None = None) -> Mapping[str, Group]:
    """The groups by name and alias (in capitals, other signs as _), those of a file of the user's own among them."""
    if extra is None:
        return _own_groups()
    written = read_group_file(Path(extra))
    mine = {_key(name): Group(_key(name), tuple(members), title=name) for name, members in written.items()}
    known = {**_own_groups(), **mine}
    if faults := [
        *_twin_faults(written),
        *_name_faults(mine),
        *_member_faults(mine, known),
        *_cycle_faults(mine, known),
    ]:
        raise InputError("the groups cannot be used", where=str(extra), faults=faults)
    return known


@cache
def _own_groups() -> Mapping[str, Group]:
    folder = data_dir() / "reference" / "groups"
    about = tomllib.loads((folder / "groups.toml").read_text(encoding="utf-8"))
    known = {}
    for path in sorted(folder.glob("*.csv")):
        for name, members in read_group_file(path).items():
            facts = about[name] | {"aliases": tuple(about[name].get("aliases", ()))}
            group = Group(name=name, members=tuple(members), **facts)
            known.update({_key(n): group for n in (name, *group.aliases)})
    return known


def _key(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", name.strip().upper().replace("+", "_PLUS")).strip("_")


def _visit(name: str, walk: _Walk, via: str = "") -> None:
    group = walk.known.get(_key(name))
    if group is None:
        walk.leaves.setdefault(name, via)
        return
    if group.complete_from and walk.on < group.complete_from:
        what = f"{group.name} is not tabulated before {group.complete_from}"
        walk.faults.append(Fault(what, walk.where, "choose a later date or name its members"))
        return
    members = [m for m in group.members if m.holds_on(walk.on)]
    if not members:
        what = f"{group.name} has no members on {walk.on}"
        walk.faults.append(Fault(what, walk.where, "choose another date or group"))
    for membership in members:
        _visit(membership.member, walk, via=group.name)


def _economies(walk: _Walk) -> tuple[set[str], bool]:
    """The ISO3 of what a walk came to, and whether a name was unknown; its other faults are added to the walk."""
    names = list(walk.leaves)
    iso3 = lookup(pl.Series(names, dtype=pl.String), "any", on=walk.on).iso3
    found: set[str] = set()
    for name, key in zip(names, iso3, strict=True):
        if key is None:
            walk.faults.append(_unknown(name, walk.leaves[name], walk.known, walk.on, walk.where))
            continue
        _, kind, start, end = _facts()[key]
        if kind in ("aggregate", "residual"):
            mend = "name its members, or a group" + (" (EU, EURO_AREA)" if key in ("EUU", "EMU") else "")
            walk.faults.append(Fault(f"{name!r} is the {kind} {key}, not an economy", walk.where, mend))
        elif (start and walk.on < start) or (end and walk.on > end):
            what = f"{key} did not exist on {walk.on} ({start or '...'} to {end or 'now'})"
            walk.faults.append(Fault(what, walk.where, "name the state of that time, or change the date"))
        else:
            found.add(key)
    return found, iso3.null_count() > 0


def _unknown(name: str, via: str, known: Mapping[str, Group], on: date | None, where: str) -> Fault:
    """What to say of a name that is neither group nor economy."""
    close = nearest(_key(name), list(known))
    faults = lookup(pl.Series([name], dtype=pl.String), "any", on=on).faults
    mend = faults[0].mend if faults else "remove it"
    mend += f" Or the group {', '.join(close)}?" if close else ""
    return Fault(f"no group or economy {name!r}" + (f" (in {via})" if via else ""), where, mend)


@cache
def _one(name: str, on: date | None) -> str | None:
    return cast("str | None", lookup(pl.Series([name], dtype=pl.String), "any", on=on).iso3[0])


@cache
def _facts() -> dict[str, tuple[str, str, date | None, date | None]]:
    return {row[0]: row for row in economies().select("iso3", "kind", "valid_from", "valid_to").iter_rows()}


def _flat(
    group: Group, known: Mapping[str, Group], start: date | None, end: date | None
) -> Iterator[tuple[str, str, date | None, date | None, str]]:
    """Memberships of single economies, each cut to the time the group it comes through was itself a member."""
    for m in group.members:
        first = max((d for d in (start, m.valid_from) if d), default=None)
        last = min((d for d in (end, m.valid_to) if d), default=None)
        if first and last and first > last:
            continue
        if inner := known.get(_key(m.member)):
            for _, member, a, b, source in _flat(inner, known, first, last):
                yield group.name, member, a, b, source
        else:
            yield group.name, m.member, first, last, m.source


def _twin_faults(names: Iterable[str]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for name in names:
        if (twin := first.setdefault(_key(name), name)) != name:
            yield Fault(f"{twin} and {name} are the same name", mend="names differ in letters and digits, not in signs")


def _name_faults(mine: Mapping[str, Group]) -> Iterator[Fault]:
    for key, group in mine.items():
        if key in _own_groups():
            yield Fault(f"{group.title} is the name of a group of the tool", mend="choose another name")
        iso3 = _one(group.title, None)
        if iso3 and _facts()[iso3][1] not in ("aggregate", "residual"):
            yield Fault(f"{group.title} is the name of an economy ({iso3})", mend="choose another name")


def _member_faults(mine: Mapping[str, Group], known: Mapping[str, Group]) -> Iterator[Fault]:
    for group in mine.values():
        for m in group.members:
            if _key(m.member) in known:
                continue
            iso3 = _one(m.member, m.valid_from)
            if iso3 is None:
                yield _unknown(m.member, group.title, known, m.valid_from, m.where)
            elif _facts()[iso3][1] in ("aggregate", "residual"):
                yield Fault(f"{m.member!r} is a sum or a residual, not an economy", m.where, "name its members")


def _cycle_faults(mine: Mapping[str, Group], known: Mapping[str, Group]) -> Iterator[Fault]:
    told: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> Iterator[Fault]:
        if name in path:
            circle = path[path.index(name) :]
            if not told & set(circle):
                told.update(circle)
                yield Fault(f"groups contain each other: {' > '.join((*circle, name))}", mend="break the circle")
            return
        for m in known[name].members:
            if _key(m.member) in known:
                yield from walk(_key(m.member), (*path, name))

    for name in mine:
        yield from walk(name, ())
