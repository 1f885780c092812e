"""From FLOWS to SCORES: the one path that every ranking takes."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from weaponized_interdependence import __version__
from weaponized_interdependence.errors import Fault, UnknownCodeError, UsageError
from weaponized_interdependence.harmonize.groups import expand
from weaponized_interdependence.indicators.base import FLOW_UNIT, Context, Indicator, Party
from weaponized_interdependence.indicators.games import asked_about, players
from weaponized_interdependence.indicators.knobs import KNOBS
from weaponized_interdependence.indicators.knobs import chosen as chosen_knobs
from weaponized_interdependence.indicators.knobs import faults as knob_faults
from weaponized_interdependence.indicators.parts import Flows, cut
from weaponized_interdependence.indicators.placing import Scored, placed
from weaponized_interdependence.indicators.reach import control_basis
from weaponized_interdependence.indicators.registry import INDICATORS, find
from weaponized_interdependence.indicators.routes import ROUTES, Route, route_of
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import build_network, collect_flows, drop_empty
from weaponized_interdependence.periods import last_day
from weaponized_interdependence.schemas import CONTROLS, ELASTICITIES, FLOWS, MACRO, SCORES
from weaponized_interdependence.terms import Basis, Layer, weakest


def rank(
    flows: Flows | None,
    indicators: str | Iterable[str],
    *,
    by: Sequence[str] = (),
    periods: Iterable[str] | None = None,
    jurisdiction: Sequence[str] = (),
    target: Sequence[str] = (),
    groups: Path | None = None,
    controls: pl.DataFrame | None = None,
    table: IOTable | None = None,
    ties: Flows | None = None,
    macro: pl.DataFrame | None = None,
    elasticities: pl.DataFrame | None = None,
    capacity: Mapping[str, float] | None = None,
    top: int | None = None,
    **knobs: float,
) -> pl.DataFrame:
    """Score and rank the nodes of every period and layer of a FLOWS table.

    Parameters
    ----------
    flows
        FLOWS; None when only `table` is ranked. Zero values are left out, and self-loops where an indicator says so.
    indicators
        Registered names.
    by
        ("item",): each item by itself. Default: items are summed, which is refused where they hold each other.
    periods
        Which periods; default all.
    jurisdiction, target
        Whom to score, and against whom: nodes, groups by name (as they stood on the period's last day), or coalitions
        joined by a plus (USA+EU). Default: every node by itself.
    groups
        A file with groups of the user's own (see `harmonize.groups`).
    controls
        CONTROLS: legal grip beyond territory.
    table
        Input-output table: the production paths of layer inputs.
    ties
        FLOWS of one period that make the network which chain layers are routed over, in every period of the flows.
        Default: the flows' own network.
    macro
        MACRO, for scores that are scaled by GDP.
    elasticities
        ELASTICITIES: how easily sources of an item replace each other.
    capacity
        Institutional capacity of jurisdictions to use what they hold, 0 to 1 (the second scope condition of Farrell and
        Newman): it multiplies every grip. Given for some, it must be given for all that are scored.
    top
        Keep ranks up to this one.
    **knobs
        Numbers that some indicators read, such as damping=0.5: see `indicators.knobs`.

    Returns
    -------
    SCORES
        Sorted by period, layer, item, indicator (as asked for), rank, node, counterpart. Rank 1 is the largest score;
        ties (equal within a relative 1e-12) share the smallest rank; a score that is not defined is null and has no
        rank.

    Raises
    ------
    UsageError
        Unknown names, options that no indicator reads, mixed units, items that hold each other, inputs without a table.
    InputError
        Flows or controls that are not what their declaration says.

    Examples
    --------
    >>> rows = [("2020", "goods", "A", "B", "TOTAL", 3.0, "USD", "observed")]
    >>> names = ["period", "layer", "origin", "destination", "item", "value", "unit", "basis"]
    >>> rank(pl.DataFrame(rows, schema=names, orient="row"), "export_share").select("node", "score", "rank").rows()
    [('A', 1.0, 1), ('B', 0.0, 2)]
    """
    chosen = [find(name) for name in dict.fromkeys([indicators] if isinstance(indicators, str) else indicators)]
    options = {
        "jurisdiction": jurisdiction,
        "target": target,
        "controls": controls,
        "capacity": capacity,
        "table": table,
        "ties": ties,
        "macro": macro,
        "elasticities": elasticities,
    }
    _refuse(chosen, by, options, knobs, top)
    if flows is None and table is None:
        raise UsageError("nothing to rank", mend="give flows, a table, or both")
    grips = CONTROLS.empty() if controls is None else CONTROLS.conform(controls, where="controls")
    network = None if ties is None else build_network(ties)
    gross = None if macro is None else MACRO.conform(macro, where="macro")
    sigmas = None if elasticities is None else ELASTICITIES.conform(elasticities, where="elasticities")
    settled = chosen_knobs(knobs)
    ranked: list[pl.DataFrame] = []
    contexts: list[Context] = []
    for period, layer, rows, labels in cut(flows, "item" in by, None if periods is None else list(periods), table):
        own = table if table is not None and (period, layer) == (table.period, Layer.INPUTS) else None
        over = network if ROUTES.get(Layer(layer)) is Route.CHAIN else None
        nodes = {*rows.nodes}
        nodes |= {*(own.economies if own else ()), *(over.nodes if over else ())}
        context = Context(
            period,
            layer,
            rows,
            nodes=frozenset(nodes),
            jurisdictions=_parties(jurisdiction, period, nodes, grips, groups),
            targets=_parties(target, period, nodes, grips, groups),
            controls=grips,
            capacity=capacity,
            table=own,
            ties=over,
            macro=gross,
            elasticities=sigmas,
            by_item="item" in by,
            knobs=settled,
        )
        _refuse_inside(context)
        if gross is not None:
            _refuse_other_money(context, labels)
        parts = []
        for indicator in chosen:
            if indicator.reads == "table" and own is None:
                continue
            parts.append(_scored(indicator, context, labels))
        if parts:
            ranked.append(placed(period, layer, parts, top))
        contexts.append(replace(context, given=pl.DataFrame()))  # what it was asked about, without its flows
    _refuse_unmet(contexts, chosen, target, grips, table, ties)
    return pl.concat(ranked, rechunk=False) if ranked else SCORES.empty()


def ranking_metadata(
    indicators: str | Iterable[str],
    *,
    flows: Flows | None = None,
    inputs: Iterable["Stamp"] = (),
    options: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """What a ranking file says about itself: tool, definitions, inputs with hashes, options, knobs, rows left out.

    Every value but the tool is JSON text. `knobs` has every number that an indicator read, set or not. `inputs` are the
    stamps of the files read; `flows`, when given, are counted for rows that no indicator uses (zero values) or that
    only walks use (self-loops).
    """
    names = [indicators] if isinstance(indicators, str) else list(indicators)
    given = {k: v for k, v in (options or {}).items() if v is not None and v not in ((), [], "", {})}
    read = sorted(frozenset[str]().union(*(find(name).knobs for name in names)))
    settled = {name: given.get(name, KNOBS[name].default) for name in read}
    notes: dict[str, object] = {
        "definitions": {name: find(name).definition() for name in names},
        "inputs": [{"path": s.path, "sha256": s.sha256, "bytes": s.bytes} for s in inputs],
        "options": {k: v for k, v in given.items() if k not in KNOBS},
        "knobs": {name: str(value) if value == math.inf else value for name, value in settled.items()},
    }
    if flows is not None:
        notes["left_out"] = drop_empty(collect_flows(flows), "drop")[1]
    return {
        "tool": f"weaponized_interdependence {__version__}",
        **{k: json.dumps(v, ensure_ascii=False, default=str) for k, v in notes.items()},
    }


class Stamp(Protocol):
    """Which bytes were read: a reader's FileStamp."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def bytes(self) -> int: ...  # noqa: D102


def worked(
    name: str, flows: Iterable[tuple[str, str, float]], *, layer: str = "goods", **options: Any
) -> dict[Any, float | None]:
    """Score a handful of (origin, destination, value) by hand: {node: score}, or {(node, counterpart): score}.

    What the example of every indicator uses; scores are rounded to twelve decimals.
    """
    rows = [("2020", layer, o, d, "TOTAL", float(v), None, None, "USD", "assumed") for o, d, v in flows]
    frame = pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")
    scores = rank(frame, name, **options).sort("node", "counterpart")
    keys = ["node", "counterpart"] if INDICATORS[name].pair else ["node"]
    rounded = (s if s is None else round(s, 12) + 0.0 for s in scores["score"])
    found = scores.select(keys).rows() if len(keys) > 1 else scores["node"].to_list()
    return dict(zip(found, rounded, strict=True))


def worked_table(
    name: str,
    Z: Sequence[Sequence[float]],
    Y: Sequence[Sequence[float]],
    *,
    economies: Sequence[str],
    sectors: Sequence[str] = ("all",),
    by: Sequence[str] = (),
    **options: Any,
) -> dict[Any, float | None]:
    """Score a small input-output table by hand: {node: score}, with the item first by=("item",), and the counterpart.

    Rows and columns go economy by economy; Y has one final demand for each economy. Output is what is sold, and value
    added what is left of it after inputs.
    """
    deliveries, final = np.array(Z, dtype=float), np.array(Y, dtype=float)
    output = deliveries.sum(axis=1) + final.sum(axis=1)
    table = IOTable(
        period="2020",
        economies=tuple(economies),
        sectors=tuple(sectors),
        demands=("final",),
        Z=deliveries,
        Y=final,
        VA=output - deliveries.sum(axis=0),
        x=output,
        other=np.zeros(len(output)),
        classification="EXAMPLE",
        basis="assumed",
    )
    scores = rank(None, name, table=table, by=by, **options).sort("item", "node", "counterpart")
    keys = [*(["item"] if by else []), "node", *(["counterpart"] if INDICATORS[name].pair else [])]
    rounded = (s if s is None else round(s, 12) + 0.0 for s in scores["score"])
    found = scores.select(keys).rows() if len(keys) > 1 else scores["node"].to_list()
    return dict(zip(found, rounded, strict=True))


def _refuse(
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


def _refuse_inside(context: Context) -> None:
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


def _refuse_other_money(context: Context, labels: pl.DataFrame) -> None:
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


def _refuse_unmet(
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
    parties = _parties(names, period, there, CONTROLS.empty(), groups) or ()
    lacking = {party.label: tuple(code for code in party.codes if code not in there) for party in parties}
    return {label: codes for label, codes in lacking.items() if codes}


def _parties(
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


def _scored(indicator: Indicator, context: Context, labels: pl.DataFrame) -> Scored:
    """What the indicator finds, with the unit and basis of its rows."""
    frame = indicator.function(context)
    production = indicator.routed and "table" in indicator.needs
    if (production or indicator.reads == "table") and context.table is not None:
        every = ["ALL", *(f"{context.table.classification}:{sector}" for sector in context.table.sectors)]
        labels = pl.DataFrame({"item": every, "unit": context.table.unit, "basis": str(context.table.basis)})
    if indicator.unit != FLOW_UNIT:
        labels = labels.with_columns(unit=pl.lit(indicator.unit))
    if labels.height and "ALL" not in labels["item"]:
        # Of several items at once, such as power nested over them: known no better than the worst of them.
        together = {"item": "ALL", "unit": labels["unit"][0], "basis": str(weakest(*labels["basis"]))}
        labels = pl.concat([labels, pl.DataFrame([together], schema=labels.schema)])
    if context.capacity is not None and "capacity" in indicator.needs:  # a user's judgement
        return Scored(indicator.name, frame, labels.with_columns(basis=pl.lit(str(Basis.ASSUMED))))
    least, of_node = indicator.best, dict[str, Basis]()
    if indicator.routed:
        # Only a direct route is reported; a chain or a production path is worked out by a stated rule.
        found = Basis.OBSERVED if route_of(context.layer) is Route.DIRECT else Basis.ESTIMATED
        least = weakest(least, found, context.ties.basis if context.ties is not None else Basis.OBSERVED)
    if "macro" in indicator.needs and context.macro is not None:
        least = weakest(least, *context.macro["basis"].unique())
    if indicator.routed or "controls" in indicator.needs:
        of_node = control_basis(asked_about(context, players(context)) if indicator.joint else context)
        if indicator.joint:
            least, of_node = weakest(least, *of_node.values()), {}
    weaker = {str(basis): str(weakest(basis, least)) for basis in Basis}
    return Scored(indicator.name, frame, labels.with_columns(pl.col("basis").replace_strict(weaker)), of_node)
