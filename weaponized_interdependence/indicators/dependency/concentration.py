"""How few partners a node's flows are spread over."""

from typing import Any

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.coded import Coded, End, grouped, margins, result, sum_of_squares
from weaponized_interdependence.network import Floats

_WEIGHTS = "flow value gives the partner's share; a node's flows to itself are left out"
_HHI: dict[str, Any] = {
    "weight_meaning": _WEIGHTS,
    "unit": "index, 1/partners to 1",
    "citation": "Hirschman (1964), The paternity of an index, American Economic Review 54(5): 761-762; "
    "threshold 0.4 of the EU's dependency screen: SWD(2021) 352 final",
}
_HIRSCHMAN: dict[str, Any] = {
    "weight_meaning": _WEIGHTS,
    "unit": "index, 100/sqrt(partners) to 100",
    "citation": "Hirschman (1945), National Power and the Structure of Foreign Trade, University of California Press",
}


def _sum_of_squares(context: Context, end: End) -> pl.DataFrame:
    """Sum of squared partner shares of every node at this end of its flows; null where the node has no such flows."""
    coded = context.coded_edges
    m = margins(coded)
    return result(coded, m.item, m.node, sum_of_squares(coded, end))


def world_concentration(coded: Coded, end: End) -> Floats:
    """Sum of the squared shares of nodes in all that is sent ("origin") or received, (items,); 0 where nothing is.

    Added up smallest first, so that it does not depend on the names of nodes.
    """
    m = margins(coded)
    squares = ((m.sent if end == "origin" else m.received) / m.world) ** 2
    order = np.lexsort((squares, m.item))
    return grouped(m.item[order], squares[order], len(coded.items))


def _root(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(score=100 * pl.col("score").sqrt())


@register(
    title="Herfindahl-Hirschman index of import sources",
    formula="HHI(n) = sum_i (v_in / sum_k v_kn)^2",
    orientation="imports",
    notes="Not defined (null) for a node that receives nothing. Says nothing about whether sources can be replaced.",
    **_HHI,
)
def hhi_imports(context: Context) -> pl.DataFrame:
    """Concentration of a node's sources: 1 when all comes from one, 1/k when it comes from k in equal parts.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("hhi_imports", [("CHN", "EU", 60), ("USA", "EU", 30), ("VNM", "EU", 10)])
    {'CHN': None, 'EU': 0.46, 'USA': None, 'VNM': None}
    """
    return _sum_of_squares(context, "destination")


@register(
    title="Herfindahl-Hirschman index of export destinations",
    formula="HHI(n) = sum_i (v_ni / sum_k v_nk)^2",
    orientation="exports",
    notes="Not defined (null) for a node that sends nothing.",
    **_HHI,
)
def hhi_exports(context: Context) -> pl.DataFrame:
    """Concentration of a node's customers: 1 when all goes to one, 1/k when it goes to k in equal parts.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("hhi_exports", [("SAU", "CHN", 1), ("SAU", "JPN", 1)])
    {'CHN': None, 'JPN': None, 'SAU': 0.5}
    """
    return _sum_of_squares(context, "origin")


@register(
    title="Hirschman concentration of import sources",
    formula="C(n) = 100 sqrt( sum_i (v_in / sum_k v_kn)^2 )",
    orientation="imports",
    notes="100 times the square root of hhi_imports, so it ranks nodes alike.",
    **_HIRSCHMAN,
)
def hirschman_imports(context: Context) -> pl.DataFrame:
    """Hirschman's own index of how much a node's imports hang on few sources.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("hirschman_imports", [("A", "N", 3), ("B", "N", 4), ("C", "N", 5)])["N"]  # 100 sqrt(50) / 12
    58.925565098879
    """
    return _root(hhi_imports(context))


@register(
    title="Hirschman concentration of export destinations",
    formula="C(n) = 100 sqrt( sum_i (v_ni / sum_k v_nk)^2 )",
    orientation="exports",
    notes="100 times the square root of hhi_exports, so it ranks nodes alike.",
    **_HIRSCHMAN,
)
def hirschman_exports(context: Context) -> pl.DataFrame:
    """Hirschman's own index of how much a node's exports hang on few customers.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("hirschman_exports", [("N", "A", 1), ("N", "B", 1), ("N", "C", 1), ("N", "D", 1)])["N"]
    50.0
    """
    return _root(hhi_exports(context))
