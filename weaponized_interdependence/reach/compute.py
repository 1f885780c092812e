"""The recipe: every channel that there is input for, joined into one CONTROLS table."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.harmonize.groups import canonical, expand
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.periods import last_day
from weaponized_interdependence.reach.currency import currency
from weaponized_interdependence.reach.ownership import ownership
from weaponized_interdependence.reach.technology import technology
from weaponized_interdependence.reach.territory import territory
from weaponized_interdependence.schemas import CONTROLS


class Reach(NamedTuple):
    """CONTROLS, and what a reader of it must know."""

    controls: pl.DataFrame
    notes: tuple[str, ...]


def compute_reach(
    *,
    entities: pl.DataFrame | None = None,
    owned: pl.DataFrame | None = None,
    by_currency: pl.DataFrame | None = None,
    table: IOTable | None = None,
    given: pl.DataFrame | None = None,
    jurisdictions: Sequence[str] | None = None,
    threshold: float | None = None,
    clears: Mapping[str, str] | None = None,
    technology_options: Mapping[str, Any] | None = None,
) -> Reach:
    """CONTROLS from everything given: seats, stakes, flows by currency, an input-output table, controls of one's own.

    Parameters
    ----------
    entities, owned, by_currency, table, given
        ENTITIES, OWNERSHIP, FLOWS by currency, an input-output table, CONTROLS. A grip that is given and computed as
        well, for the same jurisdiction, node and channel, is a contradiction and refused.
    jurisdictions
        Keep these holders only: states, or groups, which stand for themselves (the EU clears the euro) and for their
        members on the last day of the table's or the flows' period, else today. A group's members are never summed.
    threshold, clears, technology_options
        Options of `ownership`, `currency` and `technology`; None leaves theirs.

    Raises
    ------
    UsageError
        Nothing to compute from, options of a channel that there is no input for, unknown jurisdictions.
    InputError
        Tables that are not what they should be; grips given twice.
    """
    _refuse_idle(entities, owned, by_currency, table, given, threshold, clears, technology_options)
    held = None if jurisdictions is None else _holders(jurisdictions, _day(table, by_currency))
    parts, notes = [], []
    if entities is not None:
        parts.append(territory(entities))
        if owned is not None:
            parts.append(ownership(owned, entities, **({} if threshold is None else {"threshold": threshold})))
            seated = {*entities["id"]}
            if unseated := sorted({*owned["owner"]} - seated - {*entities["jurisdiction"]}):
                notes.append(
                    f"{len(unseated)} owner(s) have no seat, and pass no grip on unless they are states: "
                    f"{', '.join(unseated[:10])}"
                )
    if by_currency is not None:
        parts.append(currency(by_currency, clears=clears))
        notes.append(
            "currency: a payment is taken to clear with the issuer of its currency; what is settled in the books of "
            "one bank, or offshore, does not"
        )
    if table is not None:
        known = None if held is None else [name for name in table.economies if name in held]
        parts.append(technology(table, known, **(technology_options or {})))
        notes.append(
            "technology: industry averages, and all content where no source industries are named; the law looks at "
            "single articles and at controlled content only"
        )
    if given is not None:
        parts.append(CONTROLS.conform(given, where="controls"))
    joined = pl.concat(parts)
    if held is not None:
        joined = joined.filter(pl.col("jurisdiction").is_in(sorted(held)))
    _refuse_twice(joined)
    return Reach(joined.sort("jurisdiction", "node", "channel"), tuple(notes))


def _refuse_idle(
    entities: pl.DataFrame | None,
    owned: pl.DataFrame | None,
    by_currency: pl.DataFrame | None,
    table: IOTable | None,
    given: pl.DataFrame | None,
    threshold: float | None,
    clears: Mapping[str, str] | None,
    technology_options: Mapping[str, Any] | None,
) -> None:
    if all(part is None for part in (entities, owned, by_currency, table, given)):
        raise UsageError(
            "nothing to compute reach from",
            mend="give entities, ownership, flows by currency, an input-output table or controls",
        )
    faults = []
    if owned is not None and entities is None:
        faults.append(Fault("ownership needs to know where owners are seated", mend="give entities"))
    if owned is None and threshold is not None:
        faults.append(Fault("a threshold of ownership is given, but no ownership"))
    if by_currency is None and clears:
        faults.append(Fault("who clears a currency is given, but no flows by currency"))
    if table is None and technology_options:
        faults.append(Fault(f"{', '.join(technology_options)} of technology given, but no input-output table"))
    if faults:
        raise UsageError("reach cannot be computed as asked", faults=faults, mend="leave it out, or add what it needs")


def _day(table: IOTable | None, by_currency: pl.DataFrame | None) -> date:
    periods = [table.period] if table is not None else []
    if by_currency is not None and "period" in by_currency.columns:
        periods += by_currency["period"].drop_nulls().unique().to_list()
    return max(map(last_day, periods), default=date.today())


def _holders(names: Sequence[str], day: date) -> set[str]:
    """The names in their one spelling, and members of groups; UnknownCodeError for what is neither state nor group."""
    return {*expand(names, day), *(canonical(name, day) for name in names)}


def _refuse_twice(joined: pl.DataFrame) -> None:
    keys = list(CONTROLS.key)
    twice = joined.filter(pl.struct(keys).is_duplicated()).select(keys).unique().sort(keys)
    if twice.height:
        raise InputError(
            f"{twice.height} grip(s) are given and computed, or given twice",
            faults=[Fault(" ".join(row)) for row in twice.head(20).rows()],
            mend="leave one of the two out",
        )
