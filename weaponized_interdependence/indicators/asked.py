"""What a ranking was asked for: whom the names mean, and everything that cannot be, said at once."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, UnknownCodeError, UsageError
from weaponized_interdependence.harmonize.groups import expand
from weaponized_interdependence.indicators.base import Context, Indicator, Party
from weaponized_interdependence.indicators.knobs import faults as knob_faults
from weaponized_interdependence.indicators.parts import Flows
from weaponized_interdependence.indicators.registry import INDICATORS
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.periods import last_day
from weaponized_interdependence.schemas import CONTROLS
from weaponized_interdependence.terms import Layer


def refuse(
    chosen: Sequence[Indicator],
    by: Sequence[str],
    options: Mapping[str, object],
    knobs: Mapping[str, float],
    top: int | None,
) -> None:
    """Raise UsageError with everything that is wrong about the options."""
    faults = []
    if not chosen:
        faults.append(Fault("no indicator named", mend=f"choose from {', '.join(INDICATORS)}"))
    if isinstance(by, str) or set(by) - {"item"}:
        faults.append(Fault(f"cannot rank by {by!r}", mend='by=("item",) ranks each item by itself; () sums the items'))
    read = {need for indicator in chosen for need in indicator.needs}
    given = {k: v for k, v in options.items() if v is not None and not (isinstance(v, Sequence) and not v)}
    faults += [
        Fault(
            f"{name} is given, but no indicator asked for reads it", mend="leave it out, or add an indicator that does"
        )
        for name in given
        if name not in read
    ]
    faults += [
        Fault(f"{name} is the text {value!r}", mend=f"give a list: [{value!r}]")
        for name, value in options.items()
        if isinstance(value, str)
    ]
    faults += knob_faults(knobs, frozenset[str]().union(*(i.knobs for i in chosen)))
    if top is not None and top < 1:
        faults.append(Fault(f"top is {top}", mend="ranks begin at 1"))
    if faults:
        raise UsageError("the ranking cannot be made as asked", faults=faults)


def refuse_inside(context: Context) -> None:
    """Raise UsageError where a jurisdiction or a target shares members with all that it would be scored with.

    Of several, the pairs that share none are scored, and those that do have no row.
    """
    ours, theirs = context.jurisdictions or (), context.targets or ()
    shared = {(j.label, t.label): sorted({*j.codes} & {*t.codes}) for j in ours for t in theirs}
    idle = [(j.label, t.label) for j in ours for t in theirs if all(shared[j.label, other.label] for other in theirs)]
    idle += [(j.label, t.label) for t in theirs for j in ours if all(shared[other.label, t.label] for other in ours)]
    if idle:
        raise UsageError(
            "a target lies inside a jurisdiction that is scored against it",
            faults=[Fault(f"{t} and {j} share {', '.join(shared[j, t])}") for j, t in dict.fromkeys(idle)],
            mend="name members one by one, or another target",
        )


def refuse_other_money(context: Context, labels: pl.DataFrame) -> None:
    """Raise UsageError where flows cannot be held against GDP: in another unit, or of a part of GDP's year.

    Stocks (claims, ownership) of a quarter stand beside a year's GDP as they are.
    """
    gdp = context.macro
    assert gdp is not None
    gdp = gdp.filter(pl.col("indicator") == "gdp")
    faults = [
        Fault(f"flows of {context.period} {context.layer} are in {unit}, GDP is in {', '.join(gdp['unit'].unique())}")
        for unit in labels["unit"].unique().sort()
        if gdp.height and unit not in set(gdp["unit"])
    ]
    is_flow = context.layer not in (Layer.CLAIMS, Layer.OWNERSHIP)
    if is_flow and len(context.period) > 4 and gdp.filter(pl.col("period") == context.period).is_empty():
        faults.append(Fault(f"flows of {context.period} are a part of a year, GDP is of whole years"))
    if faults:
        raise UsageError(
            "flows cannot be scaled by this GDP",
            faults=faults,
            mend="sum the flows to years, bring both to one money, or give a MACRO of these periods and units",
        )


def refuse_unmet(
    contexts: Sequence[Context],
    chosen: Sequence[Indicator],
    target: Sequence[str],
    grips: pl.DataFrame,
    table: IOTable | None,
    ties: Flows | None,
) -> None:
    """Raise UsageError where something was given that no part of the flows has any use for."""
    seen = frozenset[str]().union(*(c.nodes for c in contexts))
    met = {party.label for c in contexts for party in c.targets or () if not c.nodes.isdisjoint(party.codes)}
    faults = []
    if contexts and table is None and (unread := [i.name for i in chosen if i.reads == "table"]):
        faults.append(Fault(f"{', '.join(unread)} read an input-output table", mend="give one (table=, --table)"))
    if seen:
        faults += [Fault(f"target {t} has no flows here") for t in dict.fromkeys(target) if t not in met]
    if seen and grips.height and seen.isdisjoint(grips["node"]):
        some = ", ".join(sorted(seen)[:5])
        faults.append(Fault("the controls grip no node of the flows", mend=f"column node must hold ids such as {some}"))
    if ties is not None and contexts and not any(c.ties for c in contexts):
        faults.append(Fault("ties are given, but the flows have no layer that is routed over them"))
    if table is not None and not any(c.table for c in contexts):
        faults.append(Fault(f"the table is of {table.period}, which is not among the periods asked for"))
    if faults:
        raise UsageError("something given is of no use here", faults=faults, mend="mend it or leave it out")


def absent_members(
    nodes: Iterable[str], names: Sequence[str], period: str, groups: Path | None = None
) -> dict[str, tuple[str, ...]]:
    """Which members of the groups named are not among the nodes: a score of EU is that of the members that are there.

    >>> absent_members(["DEU", "FRA", "USA"], ["USA", "DEU+FRA", "USMCA"], "2021")
    {'USMCA': ('CAN', 'MEX')}
    """
    there = {*nodes}
    found = parties(names, period, there, CONTROLS.empty(), groups) or ()
    lacking = {party.label: tuple(code for code in party.codes if code not in there) for party in found}
    return {label: codes for label, codes in lacking.items() if codes}


def parties(
    names: Sequence[str], period: str, nodes: set[str], controls: pl.DataFrame, groups: Path | None
) -> tuple[Party, ...] | None:
    """The nodes behind each name. A node stands for itself; any other name for the economies of its group on the
    period's last day, and for the controls it holds (the EU may hold the euro's clearing).
    """
    if not names:
        return None
    holders, day = set(controls["jurisdiction"]), last_day(period)

    def codes(name: str) -> list[str]:
        if name in nodes:
            return [name]
        try:
            return [*([name] if name in holders else []), *expand([name], day, extra=groups)]
        except UnknownCodeError:
            if name in holders:
                return [name]
            raise

    found: list[Party] = []
    faults: list[Fault] = []
    for label in dict.fromkeys(names):
        members: list[str] = []
        for name in label.split("+"):
            try:
                members += codes(name.strip())
            except UnknownCodeError as error:
                faults += error.faults or (Fault(error.message),)
        found.append(Party(label, tuple(dict.fromkeys(members))))
    if faults:
        raise UnknownCodeError(
            "unknown jurisdiction or target", faults=faults, mend="name a node, an economy or a group"
        )
    return tuple(found)
