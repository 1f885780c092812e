"""What a ranking was asked for: whom the names mean, and everything that cannot be, said at once."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from weaponized_interdependence.errors import Fault, UnknownCodeError, UsageError
from weaponized_interdependence.harmonize.groups import canonical, expand
from weaponized_interdependence.indicators.base import Context, Indicator, Party
from weaponized_interdependence.indicators.knobs import faults as knob_faults
from weaponized_interdependence.indicators.parts import Flows
from weaponized_interdependence.indicators.registry import INDICATORS
from weaponized_interdependence.indicators.routing.reach import jurisdictions
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
        asked = by if isinstance(by, str) else ", ".join(by)
        faults.append(Fault(f"cannot rank by {asked}", mend="item ranks each by itself; without it they are summed"))
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
    weights = options.get("capacity")
    if isinstance(weights, Mapping):
        faults += [
            Fault(f"capacity of {label} is {w}", mend="0 to 1") for label, w in weights.items() if not 0 <= w <= 1
        ]
    if top is not None and top < 1:
        faults.append(Fault(f"top is {top}", mend="ranks begin at 1"))
    if faults:
        raise UsageError("the ranking cannot be made as asked", faults=faults)


def refuse_inside(context: Context, chosen: Sequence[Indicator]) -> None:
    """Raise UsageError where a jurisdiction or a target shares members with all that it would be scored with.

    Of several, the pairs that share none are scored, and those that do have no row. Indicators that read only one of
    the two do not score them with each other, and those of territory score a jurisdiction with its own members.
    """
    if not any({"jurisdiction", "target"} <= i.needs and not i.territorial for i in chosen):
        return
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
    grips: pl.DataFrame,
    table: IOTable | None,
    ties: Flows | None,
) -> None:
    """Raise UsageError where something was given that no part of the flows has any use for."""
    seen = frozenset[str]().union(*(c.nodes for c in contexts))
    gripping = set(grips.filter(pl.col("node").is_in(sorted(seen)))["jurisdiction"])
    faults = []
    if contexts and table is None and (unread := [i.name for i in chosen if i.reads == "table"]):
        message = f"{', '.join(unread)} read an input-output table, and none is given"
        raise UsageError(message, mend="give one with --table (table=): what `wi load wiod` or `wi load icio` wrote")
    if seen:
        for kind, named in (("jurisdiction", "jurisdictions"), ("target", "targets")):
            asked = {party.label: party for c in contexts for party in getattr(c, named) or ()}
            met = seen | gripping if kind == "jurisdiction" else seen
            faults += [Fault(f"{kind} {p.label} has no flows here") for p in asked.values() if met.isdisjoint(p.codes)]
    if seen and grips.height and seen.isdisjoint(grips["node"]):
        some = ", ".join(sorted(seen)[:5])
        faults.append(Fault("the controls grip no node of the flows", mend=f"column node must hold ids such as {some}"))
    if ties is not None and contexts and not any(c.ties for c in contexts):
        faults.append(Fault("ties are given, but the flows have no layer that is routed over them"))
    if table is not None and not any(c.table for c in contexts):
        faults.append(Fault(f"the table is of {table.period}, which is not among the periods asked for"))
    if faults:
        raise UsageError("something given is of no use here", faults=faults, mend="mend it or leave it out")


def weights(context: Context, groups: Path | None) -> dict[str, float]:
    """Institutional capacity by label of the jurisdictions scored; UsageError where one has none: it has no default."""
    if context.capacity is None:
        return {}
    given: dict[str, float] = {}
    for name, weight in context.capacity.items():
        (party,) = parties([name], context.period, {*context.nodes}, context.controls, groups) or ()
        given[party.label] = weight
    scored = jurisdictions(context, sorted(context.nodes))
    if lacking := [party.label for party in scored if party.label not in given]:
        raise UsageError(
            f"no capacity is given for {len(lacking)} of the jurisdictions scored",
            faults=[Fault(label) for label in lacking[:10]],
            mend="give one, 0 to 1, for each, groups and coalitions under their own name (EU=0.8); "
            "with --jurisdiction fewer are scored",
        )
    return given


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
    """The nodes behind each name, under its one spelling: Germany is DEU, and so is deu.

    A node stands for itself; any other name for the economies of its group on the period's last day, and for the
    controls it holds (the EU may hold the euro's clearing).
    """
    if not names:
        return None
    holders, day = set(controls["jurisdiction"]), last_day(period)

    def known(name: str) -> tuple[str, list[str]]:
        if name in nodes:
            return name, [name]
        try:
            codes = expand([name], day, extra=groups)
        except UnknownCodeError:
            if name in holders:
                return name, [name]
            raise
        own = canonical(name, day, extra=groups)
        return own, [*([own] if own in holders else []), *codes]

    found: dict[str, Party] = {}
    faults: list[Fault] = []
    for label in names:
        spelt, members = [], []
        for name in [label] if label in nodes else label.split("+"):
            try:
                if not name.strip():
                    raise UnknownCodeError(f"{label!r} joins a name that is not there", mend="write USA+EU")
                own, codes = known(name.strip())
                spelt.append(own)
                members += codes
            except UnknownCodeError as error:
                faults += error.faults or (Fault(error.message),)
        joined = "+".join(spelt)
        found.setdefault(joined, Party(joined, tuple(dict.fromkeys(members))))
    if faults:
        raise UnknownCodeError(
            "unknown jurisdiction or target", faults=faults, mend="name a node, an economy or a group"
        )
    return tuple(found.values())
