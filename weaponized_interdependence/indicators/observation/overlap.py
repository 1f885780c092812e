"""Who sees what others see too, what no other sees, and through whose territory it is seen.

All are parts of what a jurisdiction sees, v(J) = Pan(J), with both, or all, looking at the same routes:

    seen by J and K            v(J) + v(K) - v(J + K), J + K the union
    seen by J alone            v(N) - v(N without J), N all players
    seen by J only through K   v(J) - v(J less K): J with no grip on the nodes in K's territory

The last is about territory and law, not about who tells whom: it asks what J would cease to see if the nodes in K's
territory left its reach, be they members of J or held by CONTROLS, while what it holds elsewhere stays. A route that J
also touches elsewhere goes on being seen, so the parts do not add up to one.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import RESULT, Context, Party, register
from weaponized_interdependence.indicators.observation.games import (
    Holds,
    all_nodes,
    bits,
    contributions,
    gained,
    listable,
    players,
    present,
    refuse_unnamed,
    union_scores,
)
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.listed import Listed
from weaponized_interdependence.indicators.routing.reach import jurisdictions, targets
from weaponized_interdependence.indicators.routing.routes import (
    CITATION,
    TOUCH,
    WEIGHTS,
    Route,
    listed_routes,
    production_of,
    route_of,
)
from weaponized_interdependence.network import Floats

_PLAYERS = (
    "Compares the jurisdictions named; the members of the group, where one group alone is named; every node, where "
    "none is. Not defined (null) for one that sees nothing. "
)
_NEEDS = frozenset({"jurisdiction", "controls", "table", "ties"})


@register(
    title="Overlap of what is seen",
    formula="Overlap(J, K) = (v(J) + v(K) - v(J + K)) / v(J), v = Pan, J + K the union",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_PLAYERS + "Where neither sees what the other sees the score is 0; where nobody is named such pairs have no "
    "row. Not symmetric: the large see much of what the small see. " + TOUCH,
    pair=True,
    needs=_NEEDS,
    routed=True,
    joint=True,
)
def observation_overlap(context: Context) -> pl.DataFrame:
    """Share of the value seen by a jurisdiction (node) that another one (counterpart) sees as well.

    Examples
    --------
    Of the 9 that B sees and the 5 that A sees, 4 goes from A to B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("observation_overlap", flows, jurisdiction=["A", "B"])
    {('A', 'B'): 0.8, ('B', 'A'): 0.444444444444}
    """
    parties = players(context)
    refuse_many(context.edges["item"].n_unique() * len(parties) ** 2)
    holds = Holds.of(context, parties)
    if listable(context, holds):
        parts = list(_overlap_listed(context, holds))
    else:
        refuse_unnamed(context, parties)
        parts = list(_overlap_of_unions(context, parties))
    scores = pl.concat([pl.DataFrame(schema=RESULT), *parts]).with_columns(pl.col("score").fill_nan(None))
    return scores if context.jurisdictions is not None else scores.filter(pl.col("score") > 0)


@register(
    title="Share of what is seen that no other sees",
    formula="Exclusive(J) = (v(N) - v(N without J)) / v(J), v = Pan, N all players",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_PLAYERS + "Times v(J) it is marginal_panopticon: the share of all routed value that J alone sees. " + TOUCH,
    needs=_NEEDS,
    routed=True,
    joint=True,
)
def observation_exclusive(context: Context) -> pl.DataFrame:
    """Share of the value seen by a jurisdiction that none of the others compared sees.

    Examples
    --------
    Of the 9 that B sees, A does not see the 5 that go to C; of the 5 that A sees, B does not see 1.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("observation_exclusive", flows, jurisdiction=["A", "B"])
    {'A': 0.2, 'B': 0.555555555556}
    """
    parties = players(context)
    holds = Holds.of(context, parties)
    parts = [pl.DataFrame(schema=RESULT)]
    if listable(context, holds):
        for item, routes in listed_routes(context):
            touched = routes.touched(holds.over(routes.nodes)[0])
            alone, here = contributions(touched, routes.value, "marginal"), present(context, routes.nodes, holds.labels)
            score = _part(alone, touched.T @ routes.value)
            parts.append(_frame(item, [holds.labels[k] for k in here], None, score[here]))
        return pl.concat(parts).with_columns(pl.col("score").fill_nan(None))
    refuse_unnamed(context, parties)
    single = bits(len(parties))
    everyone = single.sum(keepdims=True)
    worth = union_scores(context, parties, np.concatenate((everyone, single, everyone - single)), "all")
    for item in worth.value:
        seen, rest = worth.at(item, single, 0), worth.at(item, everyone - single, 0)
        score = _part(gained(rest, worth.at(item, everyone, 0)), seen)
        parts.append(_frame(item, list(holds.labels), None, score))
    return pl.concat(parts).with_columns(pl.col("score").fill_nan(None))


@register(
    title="Share of what is seen only through another's territory",
    formula="Through(J, K) = 1 - v(J less K) / v(J), v = Pan, J less K: J without any grip on nodes in K's territory",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes="Every jurisdiction named (or every node), against every target named (or every node), itself among them: "
    "over its own territory it is the part that its legal reach abroad does not see too. Where no target is named, "
    "pairs of zero have no row. Not defined (null, or no row) for a jurisdiction that sees nothing. " + TOUCH,
    pair=True,
    needs=_NEEDS | {"target"},
    routed=True,
    territorial=True,
)
def observation_through(context: Context) -> pl.DataFrame:
    """Share of the value seen by a jurisdiction (node) that it sees only by its grip on another's (counterpart) nodes.

    Examples
    --------
    A+B sees all 10: 4 on both, the 5 to C only as B is a member, and the 1 to C only as A is.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("observation_through", flows, jurisdiction=["A+B"])
    {('A+B', 'A'): 0.1, ('A+B', 'B'): 0.5}
    """
    nodes = all_nodes(context)
    parties, others = jurisdictions(context, nodes), targets(context, nodes)
    holds, theirs = Holds.of(context, parties), Holds.of(context, others)
    refuse_many(_pairs(context, holds, theirs))
    parts = [pl.DataFrame(schema=RESULT), *_through(context, holds, theirs)]
    scores = pl.concat(parts).with_columns(pl.col("score").fill_nan(None))
    return scores if context.targets is not None else scores.filter(pl.col("score") > 0)


def _part(part: Floats, whole: Floats) -> Floats:
    """part / whole; NaN where the whole is nothing."""
    found = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return np.asarray(np.clip(found, 0.0, 1.0), dtype=np.float64)


def _frame(item: str, labels: list[str], others: list[str] | None, score: Floats) -> pl.DataFrame:
    counterpart = pl.Series(others if others is not None else [None] * len(labels), dtype=pl.String)
    columns = {"item": [item] * len(labels), "node": labels, "counterpart": counterpart, "score": score}
    return pl.DataFrame(columns, schema=RESULT)


def _overlap_listed(context: Context, holds: Holds) -> Iterator[pl.DataFrame]:
    for item, routes in listed_routes(context):
        touched = routes.touched(holds.over(routes.nodes)[0])
        seen = touched.T @ routes.value
        both = ((touched * routes.value[:, None]).T @ touched).tocoo()
        if context.jurisdictions is not None:
            first, second = np.indices(both.shape).reshape(2, -1)
            value = both.toarray().ravel()
        else:
            (first, second), value = both.coords, both.data
        pairs = first != second
        first, second, value = first[pairs], second[pairs], value[pairs]
        labels = holds.labels
        score = _part(value, seen[first])
        yield _frame(item, [labels[k] for k in first], [labels[k] for k in second], score)


def _overlap_of_unions(context: Context, parties: tuple[Party, ...]) -> Iterator[pl.DataFrame]:
    single = bits(len(parties))
    either = np.bitwise_or.outer(single, single)
    worth = union_scores(context, parties, either.ravel(), "all")
    first, second = np.nonzero(~np.eye(len(parties), dtype=bool))
    for item in worth.value:
        one, other, union = (worth.at(item, m, 0) for m in (single[first], single[second], either[first, second]))
        labels = [p.label for p in parties]
        score = _part(gained(union, one + other), one)
        yield _frame(item, [labels[k] for k in first], [labels[k] for k in second], score)


def _pairs(context: Context, holds: Holds, theirs: Holds) -> int:
    """At most so many rows: every pair where targets are named, else those of which one reaches the other."""
    production = route_of(context.layer) is Route.PRODUCTION
    items = 1 if production else context.edges["item"].n_unique()
    if context.targets is not None:
        return items * len(holds.labels) * len(theirs.labels)
    reached = items * int((holds.grip.T @ theirs.member).nnz)
    if production:
        return reached
    each = np.diff(holds.grip.tocsr().indptr) * np.diff(theirs.member.tocsr().indptr)
    at_nodes = pl.DataFrame({"node": pl.Series(holds.nodes, dtype=pl.String), "pairs": each})
    by_item = context.totals.select("node").join(at_nodes, on="node")["pairs"].sum()
    return min(reached, int(by_item))


def _through(context: Context, holds: Holds, theirs: Holds) -> Iterator[pl.DataFrame]:
    """Score every pair of which the jurisdiction has a grip in the other's territory; others, if named, with zero."""
    for item, nodes, seen_by in _sights(context):
        grip, territory = holds.over(nodes)[0].tocsc(), theirs.over(nodes)[1].tocsc()
        seen = seen_by(grip)
        here = present(context, nodes, holds.labels)
        for k, other in enumerate(theirs.labels):
            inside = np.zeros(len(nodes), dtype=bool)
            inside[territory.indices[territory.indptr[k] : territory.indptr[k + 1]]] = True
            reaching = np.flatnonzero(inside @ grip > 0)
            if len(reaching):
                less = (grip[:, reaching].tocsr() * ~inside[:, None]).tocsc()
                less.eliminate_zeros()
                part = _part(gained(seen_by(less), seen[reaching]), seen[reaching])
            else:
                part = np.zeros(0)
            if context.targets is None:  # of all the others nearly none is reached: no rows of zeros
                among = np.isin(reaching, here)
                who, score = reaching[among], part[among]
            else:
                every = np.where(seen > 0, 0.0, np.nan)
                every[reaching] = part
                who, score = here, every[here]
            if len(who):
                yield _frame(item, [holds.labels[j] for j in who], [other] * len(who), score)


def _sights(context: Context) -> Iterator[tuple[str, tuple[str, ...], Callable[[Any], Floats]]]:
    """(item, nodes, a function from sparse grips (n, k) to the value seen with each)."""
    if route_of(context.layer) is Route.PRODUCTION:
        production = production_of(context)
        home = production.domestic(np.zeros(len(production.table.economies)))
        abroad = float((production.demand.sum(axis=0) - home).sum())

        def seen(grip: Any) -> Floats:
            escaping = [(production.untouched(g) - production.domestic(g)).sum() for g in grip.toarray().T]
            return np.array([abroad - e for e in escaping])

        yield "ALL", production.table.economies, seen
        return
    for item, routes in listed_routes(context):
        yield item, routes.nodes, partial(_touched_value, routes)


def _touched_value(routes: Listed, grip: Any) -> Floats:
    return np.asarray(routes.touched(grip.tocsr()).T @ routes.value)
