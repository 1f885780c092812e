"""Who can observe: the share of routed value that touches a jurisdiction."""

import polars as pl

from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.routing.routes import CITATION, TOUCH, WEIGHTS, lost_share

_OBSERVE = TOUCH + " To observe a flow does not by itself cost the target anything."


@register(
    title="Panopticon",
    formula="Pan(J) = sum_f v_f P[route(f) touches J] / sum_f v_f",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_OBSERVE,
    needs=frozenset({"jurisdiction", "controls", "capacity", "table", "ties"}),
    routed=True,
)
def panopticon(context: Context) -> pl.DataFrame:
    """Share of all routed value that touches the jurisdiction: what it can observe.

    Examples
    --------
    Of 10, only the 1 from A to C keeps clear of B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("panopticon", [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)])["B"]
    0.9

    As payments, even that one goes through B: 1/4 + 1/5 is shorter than 1/1.

    >>> worked("panopticon", [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)], layer="payments")["B"]
    1.0
    """
    return lost_share(context, "all")


@register(
    title="Panopticon, extraterritorial",
    formula="Pan_ext(J) = sum_f v_f P[route(f) touches J] / sum_f v_f, over flows f with neither end in J",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_OBSERVE + " Not defined (null) where all flows, but for a trillionth of their value, have an end in J. On "
    "direct routes it is the legal reach alone: zero without CONTROLS.",
    needs=frozenset({"jurisdiction", "controls", "capacity", "table", "ties"}),
    routed=True,
)
def panopticon_extraterritorial(context: Context) -> pl.DataFrame:
    """Share of other parties' routed value that touches the jurisdiction.

    Examples
    --------
    The payment from A to C (1) goes by B; it is the only one with no end in B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("panopticon_extraterritorial", flows, layer="payments")
    {'A': 0.0, 'B': 1.0, 'C': 0.0}
    """
    return lost_share(context, "extraterritorial")


@register(
    title="Panopticon over a target",
    formula="Pan(J -> t) = sum_f v_f P[route(f) touches J] / sum_f v_f, over flows f with an end in t",
    weight_meaning=WEIGHTS,
    unit="share, 0 to 1",
    citation=CITATION,
    notes=_OBSERVE
    + " On production paths the flows of t are the chains that cross a border and end in its final demand. Pairs with "
    "a target inside J have no row; with neither jurisdictions nor targets named, nor have pairs with a score of zero.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls", "capacity", "table", "ties"}),
    routed=True,
)
def panopticon_target(context: Context) -> pl.DataFrame:
    """Share of a target's routed value that touches the jurisdiction (node) and so can be observed by it.

    Examples
    --------
    Of C's 6, 5 comes from B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("panopticon_target", [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)], target=["C"])["B", "C"]
    0.833333333333
    """
    return lost_share(context, "target")
