"""Who can deny: the share of routed value that cannot be delivered once a jurisdiction refuses passage."""

import polars as pl

from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.routing.routes import CITATION, TOUCH, WEIGHTS, lost_share

_LOST = "p_f = grip on the two ends of f where an admissible way around J is left, P[route(f) touches J] where none is"
_REROUTED = (
    "Chain layers: an admissible way around J is a chain through nodes wholly outside its grip, no longer than "
    "(1 + max_detour) times the flow's own chain (max_detour is infinite unless set: any chain will do). Where flows "
    "are their own ties, a pair that trades always has its direct tie left, so with no limit on the detour only flows "
    "with an end in reach are lost: set max_detour, or give the ties apart. "
    "Production paths: a purchase from within reach goes to the best supplier outside it that already serves that cell "
    "(input sector x using industry, or x final demand of an economy), without limit on capacity; cells with none are "
    "lost. Tables whose imports were split over users in proportion have hardly any such cell. "
    "With a grip between 0 and 1 on the target's own economy the score is an upper bound. "
    "Direct routes: there is no other way between the same two ends, so this equals the score without rerouting; "
    "finding another partner is substitution, which the simulation answers."
)


@register(
    title="Chokepoint over a target, without rerouting",
    formula="Choke(J -> t) = sum_f v_f P[route(f) touches J] / sum_f v_f, over flows f with an end in t; = Pan(J -> t)",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=TOUCH + " The same number as panopticon_target: without rerouting, what can be seen can be stopped.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity", "table", "ties"}),
    routed=True,
)
def chokepoint(context: Context) -> pl.DataFrame:
    """Share of a target's routed value that the jurisdiction (node) can deny if nothing is rerouted.

    Examples
    --------
    Russia and Japan deny jointly what each denies alone: 3 + 2 of 10.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("RUS", "CHN", 3), ("JPN", "CHN", 2), ("BRA", "CHN", 5)]
    >>> worked("chokepoint", flows, jurisdiction=["RUS", "RUS+JPN"], target=["CHN"])
    {('RUS', 'CHN'): 0.3, ('RUS+JPN', 'CHN'): 0.5}
    """
    return lost_share(context, "target")


@register(
    title="Chokepoint over a target, with rerouting",
    formula=f"Choke_r(J -> t) = sum_f v_f p_f / sum_f v_f over flows f with an end in t, {_LOST}; "
    "0 <= Choke_r <= Choke = Pan <= 1",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_REROUTED,
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity", "table", "ties"}),
    knobs=frozenset({"max_detour"}),
    routed=True,
)
def chokepoint_rerouted(context: Context) -> pl.DataFrame:
    """Share of a target's routed value that stays undelivered when flows may take another admissible route.

    Examples
    --------
    S pays T 1 by way of H (1/10 + 1/10, against 1/1 on its own tie): a way five times as long avoids H.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("S", "H", 10), ("H", "T", 10), ("S", "T", 1)]
    >>> told = {"layer": "payments", "jurisdiction": ["H"], "target": ["S"]}
    >>> worked("chokepoint", flows, **told)["H", "S"]  # all 11 of S touches H
    1.0
    >>> worked("chokepoint_rerouted", flows, **told)["H", "S"]  # 1 of 11 takes the direct tie
    0.909090909091
    >>> worked("chokepoint_rerouted", flows, **told, max_detour=1.0)["H", "S"]  # too long a way round
    1.0
    """
    return lost_share(context, "target", rerouting=True)


@register(
    title="Chokepoint over all flows, with rerouting",
    formula=f"Choke_r(J) = sum_f v_f p_f / sum_f v_f, {_LOST}",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes="Without rerouting this is the panopticon. " + _REROUTED,
    needs=frozenset({"jurisdiction", "controls", "capacity", "table", "ties"}),
    knobs=frozenset({"max_detour"}),
    routed=True,
)
def chokepoint_all(context: Context) -> pl.DataFrame:
    """Share of all routed value, of any party, that the jurisdiction can deny when flows may be rerouted.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("S", "H", 10), ("H", "T", 10), ("S", "T", 1)]
    >>> worked("chokepoint_all", flows, layer="payments", jurisdiction=["H"], max_detour=5.0)["H"]  # 20 of 21
    0.952380952381
    """
    return lost_share(context, "all", rerouting=True)
