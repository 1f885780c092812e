"""Who can observe when flows are spread over their k shortest chains instead of taking the very shortest."""

import polars as pl

from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.routing.direct import Scope
from weaponized_interdependence.indicators.routing.routes import TOUCH, WEIGHTS, lost_share

_ROUTE = (
    "P[r] = (1/d_r) / sum_q 1/d_q over the k simple chains of least distance d from origin to destination (k: knob "
    "paths)"
)
_WEIGHTS = WEIGHTS + " and their probabilities"
_CITATION = (
    "Farrell and Newman (2019), International Security 44(1): 42-79, doi:10.1162/isec_a_00351 (concept); Yen (1971), "
    "Finding the K shortest loopless paths in a network, Management Science 17(11): 712-716, and Lawler (1972), "
    "Management Science 18(7): 401-405 (the chains); sharing by inverse distance is this project's convention"
)
_NOTES = (
    TOUCH + " Distances within a relative 1e-12 are equal; where more chains are equally long than there are places "
    "left of the k, all of them share those places. With paths=1 it is the panopticon, whose rule compares chains step "
    "by step. A flow with fewer than k chains "
    "is shared over those it has. Inverse distance is a stated convention, with no estimate behind it: compare "
    "several values of paths. Direct layers: there is one route, so it equals the panopticon whatever k. Layer inputs: "
    "refused, for the panopticon follows every production path. To observe a flow does not by itself cost the target "
    "anything."
)
_NEEDS = frozenset({"jurisdiction", "controls", "capacity", "ties"})
_KNOBS = frozenset({"paths"})


@register(
    title="Panopticon over k shortest chains",
    formula=f"Pan_k(J) = sum_f v_f sum_r P[r] P[r touches J] / sum_f v_f, {_ROUTE}",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    notes=_NOTES,
    needs=_NEEDS,
    knobs=_KNOBS,
    routed=True,
)
def panopticon_k(context: Context) -> pl.DataFrame:
    """Share of all routed value that touches the jurisdiction when flows spread over their k shortest chains.

    Examples
    --------
    A pays C 1 by way of B (5/4 + 5/5 = 2.25 long) or on its own tie (5/1 = 5): by B with probability
    (1/2.25) / (1/2.25 + 1/5) = 20/29. The other two flows have an end in B.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("panopticon_k", flows, layer="payments")["B"] == round((9 + 20 / 29) / 10, 12)
    True
    >>> worked("panopticon_k", flows, layer="payments", paths=1)["B"]
    1.0
    """
    return _score(context, "all")


@register(
    title="Panopticon over k shortest chains, extraterritorial",
    formula=f"Pan_k,ext(J) = sum_f v_f sum_r P[r] P[r touches J] / sum_f v_f over flows f with neither end in J, "
    f"{_ROUTE}",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    notes=_NOTES + " Not defined (null) where all flows, but for a trillionth of their value, have an end in J.",
    needs=_NEEDS,
    knobs=_KNOBS,
    routed=True,
)
def panopticon_k_extraterritorial(context: Context) -> pl.DataFrame:
    """Share of other parties' routed value that touches the jurisdiction when flows spread over k shortest chains.

    Examples
    --------
    The payment from A to C is the only one with no end in B; 20/29 of it goes by B (see panopticon_k).

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> worked("panopticon_k_extraterritorial", flows, layer="payments")["B"] == round(20 / 29, 12)
    True
    """
    return _score(context, "extraterritorial")


@register(
    title="Panopticon over a target, k shortest chains",
    formula=f"Pan_k(J -> t) = sum_f v_f sum_r P[r] P[r touches J] / sum_f v_f over flows f with an end in t, {_ROUTE}",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    notes=_NOTES + " Pairs with a target inside J have no row; with neither jurisdictions nor targets named, nor have "
    "pairs with a score of zero.",
    pair=True,
    needs=_NEEDS | {"target"},
    knobs=_KNOBS,
    routed=True,
)
def panopticon_k_target(context: Context) -> pl.DataFrame:
    """Share of a target's routed value that touches the jurisdiction (node) when flows spread over k shortest chains.

    Examples
    --------
    Of A's 5, 4 go to B and 20/29 of the 1 to C goes by B (see panopticon_k).

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 4), ("B", "C", 5), ("A", "C", 1)]
    >>> found = worked("panopticon_k_target", flows, layer="payments", target=["A"])
    >>> found["B", "A"] == round((4 + 20 / 29) / 5, 12)
    True
    """
    return _score(context, "target")


def _score(context: Context, scope: Scope) -> pl.DataFrame:
    return lost_share(context, scope, paths=int(context.knobs["paths"]))
