"""What a route is on each layer, and how much value on it a jurisdiction touches or can deny: one tally for all layers.

A tally has, for every item, jurisdiction (and target), `routed`: the value that has a route, and `lost`: the part of it
that the jurisdiction touches or, when rerouting is allowed, can deny. Panopticon and chokepoint are quotients of these.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.indicators.base import RESULT, Context
from weaponized_interdependence.indicators.routing.chains import Chains, within
from weaponized_interdependence.indicators.routing.direct import Scope, refuse_many, tally_direct
from weaponized_interdependence.indicators.routing.listed import KChains, Listed, k_chains, listed_direct
from weaponized_interdependence.indicators.routing.production import Production
from weaponized_interdependence.indicators.routing.reach import Grip, grips, jurisdictions, targets
from weaponized_interdependence.network import Floats, Network
from weaponized_interdependence.terms import Layer, Term

Masks = tuple[list[str], Any]
Row = tuple[str, str, str | None, float, float, float]

# What panopticon and chokepoint say alike about themselves.
WEIGHTS = (
    "flow value is what is routed; on chain layers the ties' strength also gives their distance (max strength / "
    "strength), by which routes are found"
)
CITATION = (
    "Farrell and Newman (2019), Weaponized Interdependence: How Global Economic Networks Shape State Coercion, "
    "International Security 44(1): 42-79, doi:10.1162/isec_a_00351 (concept); the formula is this project's"
)
TOUCH = (
    "A route touches J when a node on it, end or between, is in J's territory or, with probability equal to the grip "
    "in CONTROLS (shares taken as independent draws), within its legal reach. A jurisdiction may be a group or a "
    "coalition (USA+EU): its members count jointly, once."
)

# Chains keep several n x n matrices of float64: 4,000 nodes are about a gigabyte.
MOST_NODES = 4_000
# Sums in another order differ in their last digits; a larger contradiction is a fault of this program.
_ROUNDING = 1e-9
# What is left of the total after subtracting nearly all of it is noise below this.
_NOTHING = 1e-12
TALLY = pl.Schema(
    {
        "item": pl.String,
        "jurisdiction": pl.String,
        "counterpart": pl.String,
        "total": pl.Float64,  # value of all flows of the item
        "routed": pl.Float64,  # value of those in scope
        "lost": pl.Float64,
    }
)


class Route(Term):
    """The way a flow takes from origin to destination."""

    DIRECT = (
        "direct",
        "from origin to destination and nowhere between: only the two ends and the legal reach over them count",
    )
    CHAIN = (
        "correspondent chain",
        "along ties of least total distance (distance = largest strength / strength); equal chains share the flow",
    )
    PRODUCTION = (
        "production path",
        "from value added through every using industry to final demand, as an input-output table traces it; only paths "
        "that cross a border, as on the other layers: those that begin, pass and end in one economy are left out",
    )


ROUTES: dict[Layer, Route] = {
    Layer.GOODS: Route.DIRECT,
    Layer.SERVICES: Route.DIRECT,
    Layer.PAYMENTS: Route.CHAIN,
    Layer.CLAIMS: Route.CHAIN,
    Layer.INPUTS: Route.PRODUCTION,
}


def route_of(layer: str) -> Route:
    """The route of a layer; UsageError where none is defined (ownership is a tie, not a flow)."""
    try:
        return ROUTES[Layer(layer)]
    except (ValueError, KeyError):
        raise UsageError(
            f"no route is defined on layer {layer!r}",
            mend=f"panopticon and chokepoint are defined on {', '.join(ROUTES)}",
        ) from None


def lost_share(context: Context, scope: Scope, *, rerouting: bool = False, paths: int | None = None) -> pl.DataFrame:
    """Score of an indicator: lost / routed, null where nothing is routed.

    - scope "all": every flow; "extraterritorial": flows with no end in the jurisdiction; "target": flows of a target
    - rerouting: what the jurisdiction can deny when flows may go another way, instead of what it touches
    - paths: route over so many shortest chains instead of the shortest (chain layers)
    """
    if paths is None:
        return quotient(context, scope, context.keep((scope, rerouting), lambda: _tally(context, scope, rerouting)))
    kept = context.keep((scope, "paths", paths), lambda: _tally(context, scope, rerouting, paths))
    return quotient(context, scope, kept)


def quotient(context: Context, scope: Scope, made: pl.DataFrame) -> pl.DataFrame:
    """Score of a tally: lost / routed, null where nothing is routed."""
    if scope == "target":
        made = made.filter(pl.col("routed") > 0)  # a target without flows of the item has no row
        if context.jurisdictions is None and context.targets is None:
            made = made.filter(pl.col("lost") > 0)  # nobody was named: all pairs would mostly be rows of zeros
    slack = _ROUNDING * pl.col("total")
    wrong = made.filter((pl.col("lost") < -slack) | (pl.col("lost") > pl.col("routed") + slack))
    if wrong.height:
        raise AssertionError(f"more is lost than routed, which is a fault of this program: {wrong.row(0)}")
    some = pl.col("routed") > _NOTHING * pl.col("total")
    score = pl.when(some).then(pl.col("lost") / pl.col("routed")).clip(0.0, 1.0)  # rounding only: checked above
    return made.select("item", pl.col("jurisdiction").alias("node"), "counterpart", score.alias("score")).cast(RESULT)


def _tally(context: Context, scope: Scope, rerouting: bool, paths: int | None = None) -> pl.DataFrame:
    match route_of(context.layer):
        case Route.DIRECT:  # no other way to the same end: what is touched is what can be denied
            return tally_direct(context, scope).cast(TALLY)
        case Route.CHAIN:
            if scope == "target":
                nodes = sorted(context.nodes)
                items = context.edges["item"].n_unique()
                refuse_many(items * len(jurisdictions(context, nodes)) * len(targets(context, nodes)))
            rows: Iterable[Row] = (
                row
                for item, net in context.networks()
                for row in _tally_chains(context, item, net, scope, rerouting, paths)
            )
        case Route.PRODUCTION:
            if paths is not None:
                raise UsageError(
                    "production paths are without number, so the shortest of them are not listed",
                    mend="ask for panopticon, which follows all of them, or filter the flows to other layers",
                )
            rows = _tally_production(context, scope, rerouting)
    return pl.DataFrame(list(rows), schema=TALLY, orient="row")


def _tally_chains(
    context: Context, item: str, net: Network, scope: Scope, rerouting: bool, paths: int | None
) -> Iterator[Row]:
    chains = chains_of(context, net) if paths is None else _k_chains_of(context, net, paths)
    demand = demand_over(net, chains)
    nodes = list(chains.net.nodes)
    masks = target_masks(context, nodes)
    everyone = list(grips(context, nodes))
    if scope != "target" and not rerouting:
        yield from _tally_through(item, chains, demand, [g for g in everyone if g.single is not None], scope)
        everyone = [g for g in everyone if g.single is None]
    for held, lost in _losses(context, chains, demand, everyone, rerouting):
        yield from scoped(item, held, demand, lost, scope, masks)


def listed_routes(context: Context) -> Iterator[tuple[str, Listed]]:
    """(item, its routes one by one) on layers where flows go directly or along shortest chains."""
    direct = route_of(context.layer) is Route.DIRECT
    for item, net in context.networks():
        if direct:
            yield item, listed_direct(net)
        else:
            chains = _k_chains_of(context, net, 1)
            origin, destination = chains.origin[chains.flow], chains.destination[chains.flow]
            value = demand_over(net, chains)[origin, destination] * chains.probability
            yield item, Listed(chains.net.nodes, chains.on, value, origin, destination)


def _few_nodes(context: Context, net: Network) -> Network:
    """The ties that the flows of an item take; ModelError where they have too many nodes."""
    ties = net if context.ties is None else context.ties
    if len(ties.nodes) > MOST_NODES:
        raise ModelError(
            f"{len(ties.nodes)} nodes are too many for chains over all pairs",
            mend=f"aggregate to at most {MOST_NODES} nodes, or score single items",
        )
    return ties


def _k_chains_of(context: Context, net: Network, paths: int) -> KChains:
    _few_nodes(context, net)
    return k_chains(context, net, paths)


def chains_of(context: Context, net: Network) -> Chains:
    """Shortest chains over the ties that the flows of an item take."""
    ties = _few_nodes(context, net)
    # Kept for the next indicator when there is one network; thousands of them would fill the memory.
    one = context.ties is not None or context.edges["item"].n_unique() == 1
    return context.keep("chains", lambda: Chains.of(ties)) if one else Chains.of(ties)


def _tally_through(
    item: str, chains: Chains | KChains, demand: Floats, singles: list[Grip], scope: Scope
) -> Iterator[Row]:
    """All plain one-node jurisdictions at once: value through the node, and value that starts or ends there."""
    if not singles:
        return
    through, ends = chains.carried(demand), demand.sum(axis=0) + demand.sum(axis=1)
    total = float(demand.sum())
    for held in singles:
        v = int(held.single or 0)
        own = float(ends[v])
        if scope == "all":
            yield item, held.label, None, total, total, own + float(through[v])
        else:
            yield item, held.label, None, total, total - own, float(through[v])


def _losses(
    context: Context, chains: Chains | KChains, demand: Floats, everyone: list[Grip], rerouting: bool
) -> Iterator[tuple[Grip, Floats]]:
    """(jurisdiction, value lost of every flow (n, n)): touched, and with rerouting not deliverable another way.

    A flow that finds an admissible chain around (through nodes wholly outside reach, no longer than 1 + max_detour
    times its own) still loses what the grip on its two ends takes; one that finds none loses all that is touched.
    """
    if not rerouting or isinstance(chains, KChains):
        yield from ((held, demand * (1.0 - chains.untouched(held.grip))) for held in everyone)
        return
    detour = context.knobs["max_detour"]
    limit = chains.distance * (1 + detour) if np.isfinite(detour) else np.full_like(chains.distance, np.inf)
    for held, around in ways_around(chains, everyone):
        ends = 1.0 - np.outer(1.0 - held.grip, 1.0 - held.grip)
        touched = 1.0 - chains.untouched(held.grip)
        yield held, demand * np.where(within(around, limit), np.minimum(ends, touched), touched)


def ways_around(chains: Chains, everyone: list[Grip]) -> Iterator[tuple[Grip, Floats]]:
    """(jurisdiction, length of the shortest chain past all it grips, (n, n)), infinite where there is none."""
    singles: dict[int, list[Grip]] = {}
    for held in everyone:
        if held.single is None:
            yield held, chains.around(held.grip == 0)
        else:
            singles.setdefault(held.single, []).append(held)
    for node, distance in chains.around_each(singles):
        yield from ((held, distance) for held in singles[node])


def production_of(context: Context) -> Production:
    """The production paths of the context's table; UsageError where none is given."""
    table = context.table
    if table is None:
        raise UsageError(
            "routes of layer inputs are production paths, which need an input-output table",
            mend="give one with --table (or table=), or filter the flows to other layers",
        )
    return context.keep("production", lambda: Production(table))


def _tally_production(context: Context, scope: Scope, rerouting: bool) -> Iterator[Row]:
    production = production_of(context)
    nodes = list(production.table.economies)
    masks = target_masks(context, nodes)
    # An economy's flows are the chains that end in its demand, so a diagonal of column sums does for all but the
    # extraterritorial scope, which must also know where chains begin.
    domestic = production.domestic(np.zeros(len(nodes)))
    abroad = production.demand.sum(axis=0) - domestic
    for held in grips(context, nodes):
        outside = ~held.member
        if scope == "extraterritorial":  # chains that begin in a member are left out
            escaping = production.untouched(held.grip, outside) - production.domestic(held.grip)
            routed = float(production.value[np.ix_(outside, outside)].sum() - domestic[outside].sum())
            lost = float(_settled(routed - escaping[outside].sum(), production.demand.sum()))
            yield "ALL", held.label, None, float(abroad.sum()), routed, lost
            continue
        gone = abroad - (production.untouched(held.grip) - production.domestic(held.grip))
        if rerouting:  # what stays undeliverable of all chains is no less than of those that cross a border
            gone = np.minimum(gone, abroad + domestic - production.deliverable(held.grip))
        gone = _settled(gone, production.demand.sum(axis=0))
        yield from scoped("ALL", held, np.diag(abroad), np.diag(gone), scope, masks)


def _settled(lost: Any, whole: Any) -> Floats:
    """What is lost, told as a difference of sums up to `whole`: zero where rounding alone is left of it."""
    return np.where(np.abs(lost) <= _NOTHING * whole, 0.0, lost)


def scoped(item: str, held: Grip, value: Floats, lost: Floats, scope: Scope, masks: Masks) -> Iterator[Row]:
    """Sum the flows (n, n) of the scope. A target's flows have it at either end; none has a target within J itself."""
    total = float(value.sum())
    if scope == "all":
        yield item, held.label, None, total, total, float(lost.sum())
    elif scope == "extraterritorial":
        outside = np.ix_(~held.member, ~held.member)
        yield item, held.label, None, total, float(value[outside].sum()), float(lost[outside].sum())
    else:
        labels, ends = masks
        routed, gone = (
            ends @ (m.sum(axis=0) + m.sum(axis=1)) - np.ravel((ends * (ends @ m)).sum(axis=1))  # both ends in t: once
            for m in (value, lost)
        )
        inside = ends @ held.member > 0
        for k in np.flatnonzero(~inside):
            yield item, held.label, labels[k], total, float(routed[k]), float(gone[k])


def target_masks(context: Context, nodes: list[str]) -> Masks:
    """Labels of the targets, and which nodes each holds: sparse (targets, nodes), 1 or 0."""
    named = targets(context, nodes)
    held = [np.isin(nodes, party.codes) for party in named]
    return [party.label for party in named], sparse.csr_array(
        np.array(held, dtype=np.float64).reshape(len(named), len(nodes))
    )


def demand_over(net: Network, chains: Chains | KChains) -> Floats:
    """The flows (n, n) over the nodes of the ties; ModelError where a flow has no chain to take."""
    position = {name: i for i, name in enumerate(chains.net.nodes)}
    ends = np.array([position.get(name, -1) for name in net.nodes], dtype=np.int64)
    origin, destination = ends[net.origin], ends[net.destination]
    known = (origin >= 0) & (destination >= 0)
    routed = known & np.isfinite(chains.distance[origin * known, destination * known])
    if not routed.all():
        first = ", ".join(
            f"{net.nodes[o]} -> {net.nodes[d]}"
            for o, d in zip(net.origin[~routed][:5], net.destination[~routed][:5], strict=True)
        )
        raise ModelError(
            f"{int((~routed).sum())} flow(s) worth {net.strength[~routed].sum():.6g}, in their unit, "
            "have no chain of ties",
            mend=f"add the missing ties, or leave those flows out: {first}",
        )
    demand = np.zeros((len(position), len(position)))
    np.add.at(demand, (origin, destination), net.strength)
    return demand
