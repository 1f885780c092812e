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
from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.harmonize.economies import keys_of_kind
from weaponized_interdependence.indicators.asked import (
    parties,
    refuse,
    refuse_inside,
    refuse_other_money,
    refuse_unmet,
    weights,
)
from weaponized_interdependence.indicators.base import FLOW_UNIT, Context, Indicator
from weaponized_interdependence.indicators.knobs import KNOBS
from weaponized_interdependence.indicators.knobs import chosen as chosen_knobs
from weaponized_interdependence.indicators.observation.games import asked_about, players
from weaponized_interdependence.indicators.parts import Flows, cut
from weaponized_interdependence.indicators.placing import Scored, placed
from weaponized_interdependence.indicators.registry import INDICATORS, find
from weaponized_interdependence.indicators.routing.reach import control_basis, territory_basis
from weaponized_interdependence.indicators.routing.routes import ROUTES, Route, route_of
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import build_network, collect_flows, drop_empty
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
        Newman): it multiplies the score of the jurisdiction, group or coalition of that name. Given for some, it must
        be given for all that are scored.
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
    refuse(chosen, by, options, knobs, top)
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
            jurisdictions=parties(jurisdiction, period, nodes, grips, groups),
            targets=parties(target, period, nodes, grips, groups),
            controls=grips,
            capacity=capacity,
            table=own,
            ties=over,
            macro=gross,
            elasticities=sigmas,
            by_item="item" in by,
            knobs=settled,
        )
        refuse_inside(context, chosen)
        able = weights(context, groups)
        if gross is not None:
            refuse_other_money(context, labels)
        parts = []
        for indicator in chosen:
            if indicator.reads == "table" and own is None:
                continue
            parts.append(_weighed(_scored(indicator, context, labels), indicator, able))
        if parts:
            ranked.append(placed(period, layer, parts, top))
        contexts.append(replace(context, given=pl.DataFrame()))  # what it was asked about, without its flows
    refuse_unmet(contexts, chosen, grips, table, ties)
    return pl.concat(ranked, rechunk=False) if ranked else SCORES.empty()


def ranking_metadata(
    indicators: str | Iterable[str],
    *,
    flows: Flows | None = None,
    inputs: Iterable["Stamp"] = (),
    options: Mapping[str, object] | None = None,
    sources: Mapping[str, Mapping[str, str]] | None = None,
    scores: pl.DataFrame | None = None,
) -> dict[str, str]:
    """What a ranking file says about itself: tool, definitions, inputs with hashes, options, knobs, rows left out.

    Every value but the tool is JSON text. `knobs` has every number that an indicator read, set or not. `inputs` are the
    stamps of the files read, `sources` who published what is in them; `flows`, when given, are counted for rows that no
    indicator uses (zero values) or that only walks use (self-loops); `scores`, when given, are looked through for
    nodes that are ranked and are `no_jurisdiction`.
    """
    names = [indicators] if isinstance(indicators, str) else list(indicators)
    given = {k: v for k, v in (options or {}).items() if v is not None and v not in ((), [], "", {})}
    read = sorted(frozenset[str]().union(*(find(name).knobs for name in names)))
    settled = {name: given.get(name, KNOBS[name].default) for name in read}
    notes: dict[str, object] = {
        "definitions": {name: find(name).definition() for name in names},
        "inputs": [{"path": s.path, "sha256": s.sha256, "bytes": s.bytes} for s in inputs],
        **({"sources": sources} if sources else {}),
        "options": {k: v for k, v in given.items() if k not in KNOBS},
        "knobs": {name: str(value) if value == math.inf else value for name, value in settled.items()},
    }
    if flows is not None:
        notes["left_out"] = drop_empty(collect_flows(flows), "drop")[1]
    if scores is not None and (nobody := no_jurisdiction(scores)):
        notes["no_jurisdiction"] = nobody
    return {
        "tool": f"weaponized_interdependence {__version__}",
        **{k: json.dumps(v, ensure_ascii=False, default=str) for k, v in notes.items()},
    }


def no_jurisdiction(scores: pl.DataFrame) -> list[str]:
    """Nodes scored above zero for what a jurisdiction could do that are sums of many economies, such as ROW.

    They stay in the ranking, for what flows through them is there; but no one government commands it.

    Examples
    --------
    >>> rows = [("2020", "goods", o, d, "TOTAL", 3.0, "USD", "observed") for o, d in (("ROW", "B"), ("B", "ROW"))]
    >>> names = ["period", "layer", "origin", "destination", "item", "value", "unit", "basis"]
    >>> no_jurisdiction(rank(pl.DataFrame(rows, schema=names, orient="row"), ["chokepoint", "export_share"]))
    ['ROW']
    """
    of_power = [n for n in scores["indicator"].unique() if n in INDICATORS and "jurisdiction" in INDICATORS[n].needs]
    above = scores.filter(pl.col("indicator").is_in(of_power) & (pl.col("score") > 0))
    return sorted({*above["node"].unique()} & {*keys_of_kind("residual", "aggregate")})


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
    least, of_node = indicator.best, dict[str, Basis]()
    if indicator.routed:
        # Only a direct route is reported; a chain or a production path is worked out by a stated rule.
        found = Basis.OBSERVED if route_of(context.layer) is Route.DIRECT else Basis.ESTIMATED
        least = weakest(least, found, context.ties.basis if context.ties is not None else Basis.OBSERVED)
    if indicator.territorial:
        least = weakest(least, territory_basis(context))
    if "macro" in indicator.needs and context.macro is not None:
        least = weakest(least, *context.macro["basis"].unique())
    if indicator.routed or "controls" in indicator.needs:
        of_node = control_basis(asked_about(context, players(context)) if indicator.joint else context)
        if indicator.joint:
            least, of_node = weakest(least, *of_node.values()), {}
    weaker = {str(basis): str(weakest(basis, least)) for basis in Basis}
    return Scored(indicator.name, frame, labels.with_columns(pl.col("basis").replace_strict(weaker)), of_node)


def _weighed(scored: Scored, indicator: Indicator, able: Mapping[str, float]) -> Scored:
    """The scores of jurisdictions times their institutional capacity, which is a judgement of the user."""
    if not able or "capacity" not in indicator.needs:
        return scored
    weight = pl.col("node").replace_strict(dict(able), return_dtype=pl.Float64)
    columns = [c for c in ("score", "low", "high") if c in scored.frame.columns]
    return replace(
        scored,
        frame=scored.frame.with_columns(pl.col(columns) * weight),
        labels=scored.labels.with_columns(basis=pl.lit(str(Basis.ASSUMED))),
        of_node={},
    )
