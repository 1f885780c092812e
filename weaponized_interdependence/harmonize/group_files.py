"""Files that define groups: the tool's own and the user's, TOML or CSV."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from weaponized_interdependence.errors import Fault, InputError

_CSV_COLUMNS = ("group", "member", "valid_from", "valid_to", "source")


@dataclass(frozen=True)
class Membership:
    """One member of a group (an economy, or another group) and the first and last day on which it is one."""

    member: str
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""
    where: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether the member is one on that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


def read_group_file(path: Path) -> dict[str, list[Membership]]:
    """Read groups from a file; raise InputError with every fault.

    A CSV has the columns group, member, valid_from, valid_to, source (the last three may be missing). A TOML file has a
    table a group:

        [CHIP_TOOLS]
        source = "where this comes from"
        members = ["USA", "NLD", { member = "JPN", from = 2023-07-23 }, "FIVE_EYES"]
    """
    faults: list[Fault] = []
    try:
        match path.suffix.lower():
            case ".toml":
                rows = _toml_rows(path, faults)
            case ".csv":
                rows = _csv_rows(path, faults)
            case other:
                raise InputError(
                    f"groups are read from .toml or .csv, not {other or 'a file without ending'}", where=str(path)
                )
        found: dict[str, list[Membership]] = {}
        for name, membership in rows:
            found.setdefault(name, []).append(membership)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), mend="check path and content") from error
    if not found and not faults:
        faults.append(Fault("no group in it", mend="write a table [NAME] with members = [...]"))
    if faults:
        raise InputError("not a file of groups", where=str(path), faults=faults)
    return found


def _csv_rows(path: Path, faults: list[Fault]) -> Iterator[tuple[str, Membership]]:
    frame = pl.read_csv(path, infer_schema=False, glob=False)
    missing = {"group", "member"} - set(frame.columns)
    unknown = set(frame.columns) - set(_CSV_COLUMNS)
    if missing or unknown:
        what = [*(f"lacks the column {c}" for c in sorted(missing)), *(f"unknown column {c}" for c in sorted(unknown))]
        faults.extend(Fault(w, path.name, f"the columns are {', '.join(_CSV_COLUMNS)}") for w in what)
        return
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        where = f"{path.name}: row {number}"
        if not row["group"] or not row["member"]:
            faults.append(Fault("group or member is empty", where, "fill it or remove the row"))
            continue
        start, end = (_day(row.get(c), where, faults) for c in ("valid_from", "valid_to"))
        yield row["group"], _membership(row["member"], start, end, row.get("source") or path.name, where, faults)


def _toml_rows(path: Path, faults: list[Fault]) -> Iterator[tuple[str, Membership]]:
    for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
        where = f"{path.name}: [{name}]"
        members = table.get("members") if isinstance(table, dict) else None
        if not isinstance(members, list) or not members:
            faults.append(Fault("no members", where, 'write members = ["USA", "EU"]'))
            continue
        if unknown := set(table) - {"members", "source", "title"}:
            faults.append(Fault(f"unknown key {', '.join(sorted(unknown))}", where, "keys are members, source, title"))
        for entry in members:
            fields: dict[str, Any] = entry if isinstance(entry, dict) else {"member": entry}
            if not isinstance(fields.get("member"), str) or set(fields) - {"member", "from", "to"}:
                faults.append(
                    Fault(f"not a member: {entry!r}", where, '"USA" or { member = "USA", from = 2020-01-01 }')
                )
                continue
            start, end = (_day(fields.get(k), where, faults) for k in ("from", "to"))
            yield name, _membership(fields["member"], start, end, table.get("source", path.name), where, faults)


def _membership(
    member: str, start: date | None, end: date | None, source: str, where: str, faults: list[Fault]
) -> Membership:
    if start and end and start > end:
        faults.append(Fault(f"{member} leaves ({end}) before it joins ({start})", where, "exchange the dates"))
    return Membership(member, start, end, source, where)


def _day(value: object, where: str, faults: list[Fault]) -> date | None:
    if value is None or value == "":
        return None
    try:
        return value if type(value) is date else date.fromisoformat(str(value))
    except ValueError:
        faults.append(Fault(f"{value} is not a date", where, "write YYYY-MM-DD"))
        return None
