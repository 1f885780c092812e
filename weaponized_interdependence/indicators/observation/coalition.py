"""How much each member adds to what a coalition sees or can deny: Shapley values and marginal contributions."""

from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from weaponized_interdependence.indicators.base import RESULT, Context, Party, register
from weaponized_interdependence.indicators.observation.games import (
    Game,
    Holds,
    Measure,
    Scope,
    all_nodes,
    contributions,
    listable,
    players,
    present,
    refuse_unnamed,
    union_scores,
)
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.reach import targets
from weaponized_interdependence.indicators.routing.routes import (
    CITATION,
    TOUCH,
    WEIGHTS,
    Route,
    listed_routes,
    route_of,
)
from weaponized_interdependence.network import Floats

_GAME = (
    "Players: the jurisdictions named; the members of the group, where one group alone is named; every node, where "
    "none is. v(S) is the score of the union of S. "
)
_SAMPLED = (
    "Exact in closed form where routes can be listed and the players' grips are certain or independent; else exact "
    "over all unions up to 14 players (who must be named where there are more), and beyond that the mean over random "
    "orders of joining (knobs samples, seed), with low and high 1.96 standard errors away. "
)
_CITE = (
    "Shapley (1953), A value for n-person games, Contributions to the Theory of Games II: 307-317; Owen (1972), "
    "Multilinear extensions of games, Management Science 18(5): P64-P79; Castro, Gomez and Tejada (2009), Polynomial "
    "calculation of the Shapley value based on sampling, Computers and Operations Research 36(5): 1726-1730; coverage: "
)
_NEEDS = frozenset({"jurisdiction", "controls", "table", "ties"})
_CHOKE = (
    "v(S) is chokepoint_rerouted of the union over t (with no limit on the detour unless max_detour is set); players "
    "with a member in the target do not play against it. Direct routes have no other way round, so there it is what "
    "the union touches of t's flows. Where neither jurisdictions nor targets are named, pairs of zero have no row. "
)


@register(
    title="Shapley value of the panopticon",
    formula="Sh(i) = sum over S without i of |S|! (m - |S| - 1)! / m! (v(S + i) - v(S)), v(S) = Pan(union of S)",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITE + CITATION,
    notes=_GAME + _SAMPLED + "The values of all players add up to Pan of all together. " + TOUCH,
    needs=_NEEDS,
    knobs=frozenset({"samples", "seed"}),
    routed=True,
    joint=True,
)
def shapley_panopticon(context: Context) -> pl.DataFrame:
    """Share of routed value that a player adds to what a coalition sees, averaged over all orders of joining.

    Examples
    --------
    A and B both see the 4 between them, and get 2 each; the 5 from B to C is B's alone, the 1 from A to C is A's.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("shapley_panopticon", flows, jurisdiction=["A", "B"])
    {'A': 0.3, 'B': 0.7}
    """
    return _over_all(context, "shapley")


@register(
    title="Marginal contribution to the panopticon",
    formula="M(i) = v(N) - v(N without i), v(S) = Pan(union of S), N all players",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_GAME + "It is the share of all routed value that i alone of the players sees. Small where the "
    "players see the same (zero where every node plays, for a flow has two ends); it does not add up to v(N). " + TOUCH,
    needs=_NEEDS,
    routed=True,
    joint=True,
)
def marginal_panopticon(context: Context) -> pl.DataFrame:
    """Share of routed value that a coalition would no longer see if this one player left it.

    Examples
    --------
    What A and B see of each other remains with the other; 1 of 10 is lost with A, 5 with B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("marginal_panopticon", flows, jurisdiction=["A", "B"])
    {'A': 0.1, 'B': 0.5}
    """
    return _over_all(context, "marginal")


@register(
    title="Shapley value of the chokepoint over a target",
    formula="Sh(i -> t) = sum over S without i of |S|! (m - |S| - 1)! / m! (v(S + i) - v(S)), "
    "v(S) = Choke_r(union of S -> t)",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITE + CITATION,
    notes=_GAME + _CHOKE + _SAMPLED + "Substitutes add little alone and much together: the values share that out.",
    pair=True,
    needs=_NEEDS | {"target"},
    knobs=frozenset({"samples", "seed", "max_detour"}),
    routed=True,
    joint=True,
)
def shapley_chokepoint(context: Context) -> pl.DataFrame:
    """Share of a target's flows that a player adds to what a coalition can deny, averaged over all orders of joining.

    Examples
    --------
    Of S's 21, 10 goes to H and 10 to K. The 1 to T goes by either of them, or round by the other: only together can
    they deny it, for S's own tie to T is five times as long and no admissible way. Each gets 10 and half of the 1.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("S", "H", 10), ("H", "T", 10), ("S", "K", 10), ("K", "T", 10), ("S", "T", 1)]
    >>> told = {"layer": "payments", "jurisdiction": ["H", "K"], "target": ["S"]}
    >>> worked("shapley_chokepoint", flows, **told, max_detour=1.0)
    {('H', 'S'): 0.5, ('K', 'S'): 0.5}
    """
    return _over_targets(context, "shapley")


@register(
    title="Marginal contribution to the chokepoint over a target",
    formula="M(i -> t) = v(N) - v(N without i), v(S) = Choke_r(union of S -> t), N all players",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_GAME + _CHOKE + "Players that can replace each other have small ones; those that are only strong together "
    "have large ones, which add up to more than v(N).",
    pair=True,
    needs=_NEEDS | {"target"},
    knobs=frozenset({"max_detour"}),
    routed=True,
    joint=True,
)
def marginal_chokepoint(context: Context) -> pl.DataFrame:
    """Share of a target's flows that a coalition could no longer deny if this one player left it.

    Examples
    --------
    With K's leaving the coalition loses the 10 that S pays K, and the 1 to T that now goes round H, of 21.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("S", "H", 10), ("H", "T", 10), ("S", "K", 10), ("K", "T", 10), ("S", "T", 1)]
    >>> told = {"layer": "payments", "jurisdiction": ["H", "K"], "target": ["S"]}
    >>> worked("marginal_chokepoint", flows, **told, max_detour=1.0)["K", "S"] == round(11 / 21, 12)
    True
    """
    return _over_targets(context, "marginal")


def _over_all(context: Context, measure: Measure) -> pl.DataFrame:
    parties = players(context)
    holds = Holds.of(context, parties)
    if not listable(context, holds):
        return _by_unions(context, parties, holds, measure, "all")
    parts = [pl.DataFrame(schema=RESULT)]
    for item, routes in listed_routes(context):
        grip, _ = holds.over(routes.nodes)
        score = contributions(routes.touched(grip), routes.value, measure) / routes.value.sum()
        here = present(context, routes.nodes, holds.labels)
        parts.append(_frame(item, [holds.labels[k] for k in here], None, score[here]))
    return pl.concat(parts)


def _over_targets(context: Context, measure: Measure) -> pl.DataFrame:
    parties = players(context)
    holds = Holds.of(context, parties)
    named = targets(context, all_nodes(context))
    refuse_many(context.edges["item"].n_unique() * len(parties) * len(named))
    if route_of(context.layer) is not Route.DIRECT or not holds.independent:
        return _by_unions(context, parties, holds, measure, "target")
    parts = [pl.DataFrame(schema=RESULT)]
    for item, routes in listed_routes(context):
        grip, member = holds.over(routes.nodes)
        touched, here = routes.touched(grip), present(context, routes.nodes, holds.labels)
        for target in named:
            ends = np.isin(np.array(routes.nodes), target.codes)
            flows = np.flatnonzero(ends[routes.origin] | ends[routes.destination])
            if len(flows):
                plays = np.asarray(member[ends].sum(axis=0) == 0).ravel()
                kept = (touched[flows] @ sparse.diags_array(plays * 1.0)).tocsr()
                kept.eliminate_zeros()
                score = contributions(kept, routes.value[flows], measure) / routes.value[flows].sum()
                who = here[plays[here]]
                parts.append(_frame(item, [holds.labels[k] for k in who], target.label, score[who]))
    return _without_zeros(context, pl.concat(parts))


def _frame(item: str, labels: list[str], counterpart: str | None, score: Floats) -> pl.DataFrame:
    made = pl.DataFrame({"node": labels, "score": score}, schema={"node": pl.String, "score": pl.Float64})
    other = pl.lit(counterpart, dtype=pl.String)
    return made.select(pl.lit(item).alias("item"), "node", other.alias("counterpart"), "score")


def _without_zeros(context: Context, scores: pl.DataFrame) -> pl.DataFrame:
    """Where nobody was named, nearly all pairs would be zero."""
    if context.jurisdictions is None and context.targets is None:
        return scores.filter(pl.col("score") > 0)
    return scores


def _by_unions(
    context: Context, parties: tuple[Party, ...], holds: Holds, measure: Measure, scope: Scope
) -> pl.DataFrame:
    refuse_unnamed(context, parties)
    m = len(parties)
    named = targets(context, all_nodes(context)) if scope == "target" else ()
    plays: dict[str | None, int] = {None: 2**m - 1}
    for target in named:
        ends = np.isin(np.array(holds.nodes), target.codes)
        free = np.asarray(holds.member[ends].sum(axis=0) == 0).ravel()
        plays[target.label] = sum(1 << int(k) for k in np.flatnonzero(free))
    games = {mask: Game.of(context, mask, measure) for mask in {plays[p.label] for p in named} or {plays[None]}}
    masks = np.unique(np.concatenate([game.masks.ravel() for game in games.values()]))
    worth = union_scores(context, parties, masks, scope)
    rows: list[tuple[Any, ...]] = []
    for item in worth.value:
        for k, label in enumerate(worth.targets):
            game = games[plays[label]]
            solved = game.solve(worth.at(item, game.masks, k))
            rows += [
                (item, parties[who].label, label, *numbers) for who, numbers in zip(game.members, solved, strict=True)
            ]
    schema = pl.Schema([*RESULT.items(), ("low", pl.Float64), ("high", pl.Float64)])
    made = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("score").fill_nan(None).clip(0.0),  # more players see no less: a loss is rounding
        pl.col("low", "high").fill_nan(None),
    )
    if made["low"].is_null().all():
        made = made.drop("low", "high")
    # Where nobody is named, an item's players are its own nodes and the holders; with ties or a table, all of theirs.
    if context.jurisdictions is None and context.ties is None and context.table is None:
        known = context.totals.select("item", "node", here=pl.lit(True))
        holder = pl.col("node").is_in(context.controls["jurisdiction"].unique().to_list())
        made = made.join(known, on=["item", "node"], how="left", maintain_order="left")
        made = made.filter(pl.col("here") | holder).drop("here")
    return _without_zeros(context, made) if scope == "target" else made
