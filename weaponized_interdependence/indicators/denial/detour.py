"""Who can deny when flows are rerouted at a cost: the cheapest other delivery, and the longer way round.

Both ask how much of a *reservation cost* is used up, the cost beyond which one does without. It is 1 + `reservation`
times what is paid now, a stated convention: nobody reports it.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import Context, refuse_long, register
from weaponized_interdependence.indicators.denial.delivery import (
    MOST,
    Arcs,
    Columns,
    Delivery,
    Holdings,
    arcs_of,
    score_pairs,
    sizes,
)
from weaponized_interdependence.indicators.routing.chains import Chains, within
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.reach import grips, targets
from weaponized_interdependence.indicators.routing.routes import (
    MOST_NODES,
    TALLY,
    TOUCH,
    WEIGHTS,
    Route,
    Row,
    chains_of,
    demand_over,
    lost_share,
    quotient,
    route_of,
    scoped,
    target_masks,
    ways_around,
)
from weaponized_interdependence.network import Floats, Ints
from weaponized_interdependence.terms import Basis

# A shortest path costs about as much as there are ties, and every node needs some: 200 nodes with all ties are 1.6e9.
# All items together, at some 25 ns each, are 40 minutes of one processor.
MOST_STEPS = 100_000_000_000
_NOTHING = 1e-12


@register(
    title="Chokepoint over a target, with rerouting by cost",
    formula="Choke_m(J -> t) = (C(G without J) - C(G)) / (R r - C(G)); C = least cost of bringing R = received_t to t, "
    "over ties of capacity strength (1 + spare) and cost distance, from supplies max(0, sent_s - received_s), a unit "
    "left undelivered costing r = (1 + reservation) C*(G) / R, C* the least cost of delivering all",
    weight_meaning="flow value is the capacity of a tie, times 1 + spare, and gives its cost a unit, the distance "
    "(largest strength / strength); sums of it give supplies and R",
    unit="share, 0 to 1",
    citation="Ahuja, Magnanti and Orlin (1993), Network Flows, Prentice Hall, chapter 9 (least-cost flow); Farrell and "
    "Newman (2019), International Security 44(1): 42-79 (concept); the formula is this project's",
    notes="The share of what delivery is worth to t beyond its cost, with r as its worth, that J can take; 1 where "
    "nothing that is left is worth its cost. Units that already cost more than r are left out of both C: the weakest "
    "ties are the dearest. Capacities, supplies, partial grips and groups as in chokepoint_capacity, which it "
    "approaches as reservation grows. Neither spare nor reservation moves it in one direction only, so it has no band: "
    "compare several values. Where neither jurisdictions nor targets are named, pairs that would score 0 are left out. "
    "Not defined (null) for a target that receives nothing, or to which no unit is worth more than it costs.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity"}),
    knobs=frozenset({"spare", "reservation"}),
    best=Basis.ASSUMED,
)
@on_one_blas_thread
def chokepoint_cost(context: Context) -> pl.DataFrame:
    """Share of a target's gain from delivery that is lost to dearer ways and to doing without, once J refuses.

    Examples
    --------
    T gets 4 from H at cost 1 and 2 from B at cost 2, so 4 + 4 = 8 for 6. Doing without costs twice 8/6, 8/3 a unit, and
    16 in all: T gains 8. Without H the 4 are done without: 4 x 8/3 + 4 = 44/3, which is 20/3 more than 8.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("H", "T", 4), ("B", "T", 2)]
    >>> worked("chokepoint_cost", flows, jurisdiction=["H", "B"], target=["T"])  # 20/3 of 8; 4/3 of 8
    {('B', 'T'): 0.166666666667, ('H', 'T'): 0.833333333333}
    """
    refuse_long(
        ((item, float(receiving) * n * m) for item, n, m, receiving in sizes(context)),
        MOST_STEPS,
        "cheapest deliveries to targets",
        f"name targets, or rank fewer items at a time, until the sum of targets x nodes x ties is at most "
        f"{MOST_STEPS:,}, or ask for chokepoint_capacity",
    )
    score = partial(_dearer, reservation=context.knobs["reservation"])
    return score_pairs(context, context.knobs["spare"], score)


def _dearer(delivery: Delivery, held: Holdings, reservation: float) -> Columns:
    from weaponized_interdependence.indicators.kernels.flows import dearer

    # One arc more, from source to sink, is what is not delivered. Those that leave the source come last.
    tail, head = (
        np.append(ends, end) for ends, end in zip(delivery.arcs, (delivery.source, delivery.sink), strict=False)
    )
    arcs = arcs_of(delivery.sink + 1, tail, head)
    raw = np.append(delivery.raw, float(MOST))
    cost = np.append(np.where(delivery.tie >= 0, delivery.net.distance[delivery.tie], 0.0), 0.0)
    present = float(cost[:-1] @ _cheapest(delivery, arcs, np.append(delivery.cap, 0), cost)[0][:-1]) / delivery.value
    cost[-1] = (1 + reservation) * present
    cap = np.append(delivery.cap, MOST)
    flow, potential = _cheapest(delivery, arcs, cap, cost)
    gain = MOST * cost[-1] - float(cost @ flow)
    if not gain > _NOTHING * MOST * cost[-1]:
        return None, None, None
    both = held.with_twins(delivery.twin)
    more = dearer(arcs, raw, MOST, cap, flow, cost, potential, both.first, both.node, both.grip)
    return np.clip(more / gain, 0.0, 1.0), None, None


def _cheapest(delivery: Delivery, arcs: Arcs, cap: Ints, cost: Floats) -> tuple[Ints, Floats]:
    from weaponized_interdependence.indicators.kernels.flows import fill_cheaply, state_of

    state, potential = state_of(delivery.sink + 1, cap, np.zeros_like(cap)), np.zeros(delivery.sink + 1)
    state[2][delivery.source], state[2][delivery.sink] = MOST, -MOST
    fill_cheaply(arcs, state, cost, potential)
    return state[1], potential


@register(
    title="Chokepoint over a target, by the length of the way round",
    formula="Choke_d(J -> t) = sum_f v_f p_f / sum_f v_f over flows f with an end in t; p_f = e_f + (P[route(f) "
    "touches J] - e_f) min(1, (d_J(f) - d(f)) / (reservation d(f))), e_f the grip on the two ends, d and d_J the "
    "distance of the chain and of the shortest through nodes wholly outside J's grip; 0 <= Choke_d <= Choke <= 1",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation="Farrell and Newman (2019), International Security 44(1): 42-79 (concept); the formula is this project's",
    notes="Ties have no limit: what is lost is the longer way. "
    + TOUCH
    + " Where an equally long chain avoids J nothing "
    "but the ends is lost. low: any way round will do (reservation without limit), as chokepoint_rerouted; high: none "
    "that is longer. Direct layers: no other way between the same two ends, so it equals chokepoint. Layer inputs: a "
    "supplier outside reach that serves the same cell already costs no more, so it equals chokepoint_rerouted.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity", "table", "ties"}),
    knobs=frozenset({"reservation"}),
    best=Basis.ASSUMED,
    routed=True,
)
def chokepoint_detour(context: Context) -> pl.DataFrame:
    """Share of a target's routed value that the jurisdiction can take by forcing it onto longer chains.

    Examples
    --------
    S pays T over H (1 + 1 = 2 long); its own tie is 10/4 = 2.5 long, a quarter more. Of S's 14 all touch H, 10 end
    there, and 4 lose a quarter.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("S", "H", 10), ("H", "T", 10), ("S", "T", 4)]
    >>> told = {"layer": "payments", "jurisdiction": ["H"], "target": ["S"]}
    >>> worked("chokepoint_detour", flows, **told)  # 11 of 14
    {('H', 'S'): 0.785714285714}
    >>> worked("chokepoint_detour", flows, **told, reservation=0.125)
    {('H', 'S'): 1.0}
    """
    route = route_of(context.layer)
    if route is not Route.CHAIN:
        return lost_share(context, "target", rerouting=route is Route.PRODUCTION)
    rows = list(_detours(context, context.knobs["reservation"]))
    score, low, high = (
        quotient(context, "target", pl.DataFrame([row[k] for row in rows], schema=TALLY, orient="row"))
        for k in range(3)
    )
    keys = ["item", "node", "counterpart"]
    joined = score.join(low.rename({"score": "low"}), on=keys, how="left").join(
        high.rename({"score": "high"}), on=keys, how="left"
    )
    # Where nobody was named, pairs of which nothing is lost have no row: a bound of zero.
    return joined.with_columns(low=pl.when(pl.col("score").is_not_null()).then(pl.col("low").fill_null(0.0)))


def _detours(context: Context, reservation: float) -> Iterator[tuple[Row, Row, Row]]:
    """Rows of a tally three times: with the reservation asked for, with none but infinite ways lost, and with all."""
    items = context.edges["item"].n_unique()
    for item, net in context.networks():
        over = net if context.ties is None else context.ties
        nodes = list(over.nodes)
        if len(nodes) > MOST_NODES:
            raise ModelError(
                f"{len(nodes)} nodes are too many for chains over all pairs",
                mend=f"aggregate to at most {MOST_NODES} nodes, or ask for chokepoint_capacity of named targets",
            )
        everyone = list(grips(context, nodes))
        refuse_many(items * len(everyone) * len(targets(context, nodes)))
        chains = chains_of(context, over)
        demand, masks = demand_over(net, chains), target_masks(context, nodes)
        for held, around in ways_around(chains, everyone):
            ends = 1.0 - np.outer(1.0 - held.grip, 1.0 - held.grip)
            between = np.maximum(1.0 - chains.untouched(held.grip) - ends, 0.0)
            lost = (demand * (ends + between * part) for part in _longer(chains, around, reservation))
            yield from zip(*(scoped(item, held, demand, gone, "target", masks) for gone in lost), strict=True)


def _longer(chains: Chains, around: Floats, reservation: float) -> tuple[Floats, Floats, Floats]:
    """How much of what is still paid the way round takes, 0 to 1: as asked, at no end of paying, and at none."""
    endless = np.where(np.isfinite(around), 0.0, 1.0)
    longer = np.where(within(around, chains.distance), 0.0, 1.0)
    if reservation == 0:
        return longer, endless, longer
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (around - chains.distance) / (reservation * chains.distance)
    known = np.isfinite(around) & (chains.distance > 0)
    return np.where(known, np.clip(share, 0.0, 1.0), 1.0) * longer, endless, longer
