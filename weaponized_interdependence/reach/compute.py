"""The recipe: every channel that there is input for, joined into one CONTROLS table."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from weaponized_interdependence.errors import Fault, InputError, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.reach.currency import currency
from weaponized_interdependence.reach.ownership import ownership
from weaponized_interdependence.reach.technology import technology
from weaponized_interdependence.reach.territory import territory
from weaponized_interdependence.schemas import CONTROLS


class Reach(NamedTuple):
    """CONTROLS, and what a reader of it must know."""

    controls: pl.DataFrame
    notes: tuple[str, ...]


def compute(
    *,
    entities: pl.DataFrame | None = None,
    owned: pl.DataFrame | None = None,
    by_currency: pl.DataFrame | None = None,
    table: IOTable | None = None,
    given: pl.DataFrame | None = None,
    jurisdictions: Sequence[str] | None = None,
    threshold: float = 0.5,
    clears: Mapping[str, str] | None = None,
    technology_options: Mapping[str, Any] | None = None,
) -> Reach:
    """CONTROLS from everything given: seats, stakes, flows by currency, an input-output table, controls of one's own.

    A grip the user gives stands as it is; one that is computed as well, for the same jurisdiction, node and channel, is
    a contradiction and refused. `jurisdictions` keeps these holders only.
    """
    if all(part is None for part in (entities, owned, by_currency, table, given)):
        raise UsageError(
            "nothing to compute reach from",
            mend="give entities, ownership, flows by currency, an input-output table or controls",
        )
    if owned is not None and entities is None:
        raise UsageError("ownership needs to know where owners are seated", mend="give entities")
    parts, notes = [], []
    if entities is not None:
        parts.append(territory(entities))
        if owned is not None:
            parts.append(ownership(owned, entities, threshold=threshold))
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
        parts.append(technology(table, jurisdictions, **(technology_options or {})))
        notes.append(
            "technology: industry averages, and all content where no source industries are named; the law looks at "
            "single articles and at controlled content only"
        )
    if given is not None:
        parts.append(CONTROLS.conform(given, where="controls"))
    joined = pl.concat(parts)
    if jurisdictions is not None:
        joined = joined.filter(pl.col("jurisdiction").is_in(list(jurisdictions)))
    _refuse_twice(joined)
    return Reach(joined.sort("jurisdiction", "node", "channel"), tuple(notes))


def _refuse_twice(joined: pl.DataFrame) -> None:
    keys = list(CONTROLS.key)
    twice = joined.filter(pl.struct(keys).is_duplicated()).select(keys).unique().sort(keys)
    if twice.height:
        raise InputError(
            f"{twice.height} grip(s) are given and computed, or given twice",
            faults=[Fault(" ".join(row)) for row in twice.head(20).rows()],
            mend="leave one of the two out",
        )
