"""How much one node's trade is trade with one other: pair indicators, node on counterpart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.coded import margins, result
from weaponized_interdependence.network import Floats, Ints

_MEANING = (
    "Pairs with no flow in either direction have no row. Descriptive: ignores whether the partner can be replaced."
)
_HIRSCHMAN: dict[str, Any] = {
    "weight_meaning": "flow value; a node's flows to itself are left out",
    "citation": "Hirschman (1945), National Power and the Structure of Foreign Trade, University of California Press",
    "pair": True,
}
_SHARE: dict[str, Any] = {**_HIRSCHMAN, "unit": "share, 0 to 1"}


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Every ordered pair that trades, in either direction, in order of item, node and counterpart.

    - `node`, `counterpart`: rows of `margins`
    - `to`, `back`: what the node sends to the counterpart and receives from it
    """

    node: Ints
    counterpart: Ints
    to: Floats
    back: Floats


def _pairs(context: Context) -> _Pairs:
    def make() -> _Pairs:
        coded = context.coded_edges
        m = margins(coded)
        sent: Any = sparse.coo_array((coded.value, (m.at_origin, m.at_destination)), shape=(len(m), len(m))).tocsr()
        # One sum finds the pairs of either direction: what is sent is the real part of it, what is received the other.
        both = (sent + 1j * sent.T).tocsr()
        both.sort_indices()
        node = np.repeat(np.arange(len(m)), np.diff(both.indptr))
        return _Pairs(node, both.indices.astype(np.int64), both.data.real, both.data.imag)

    return context.keep("pairs", make)


def _scored(context: Context, score: Floats) -> pl.DataFrame:
    m, p = margins(context.coded_edges), _pairs(context)
    return result(context.coded_edges, m.item[p.node], m.node[p.node], score, counterpart=m.node[p.counterpart])


def _share(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


@register(
    title="Import dependence", formula="d_M(n, i) = v_in / sum_k v_kn", orientation="imports", notes=_MEANING, **_SHARE
)
def import_dependence(context: Context) -> pl.DataFrame:
    """Share of a node's imports that comes from the counterpart.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("import_dependence", [("RUS", "FIN", 3), ("SWE", "FIN", 1)])["FIN", "RUS"]
    0.75
    """
    p = _pairs(context)
    return _scored(context, _share(p.back, margins(context.coded_edges).received[p.node]))


@register(
    title="Export dependence", formula="d_X(n, i) = v_ni / sum_k v_nk", orientation="exports", notes=_MEANING, **_SHARE
)
def export_dependence(context: Context) -> pl.DataFrame:
    """Share of a node's exports that goes to the counterpart.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("export_dependence", [("CAN", "USA", 9), ("CAN", "GBR", 1)])["CAN", "USA"]
    0.9
    """
    p = _pairs(context)
    return _scored(context, _share(p.to, margins(context.coded_edges).sent[p.node]))


@register(
    title="Bilateral trade dependence",
    formula="d(n, i) = (v_ni + v_in) / (sum_k v_nk + sum_k v_kn)",
    notes=_MEANING + " The scores of a node sum to one.",
    **_SHARE,
)
def trade_dependence(context: Context) -> pl.DataFrame:
    """Share of a node's whole trade, exports and imports, that is with the counterpart.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 30), ("B", "A", 20), ("A", "W", 450), ("B", "W", 50)]
    >>> found = worked("trade_dependence", flows)
    >>> found["A", "B"], found["B", "A"]
    (0.1, 0.5)
    """
    m, p = margins(context.coded_edges), _pairs(context)
    return _scored(context, (p.to + p.back) / (m.sent + m.received)[p.node])


@register(
    title="Bilateral asymmetry",
    formula="a(n, i) = d(i, n) - d(n, i), with d the bilateral trade dependence; a(n, i) = -a(i, n)",
    unit="difference of shares, -1 to 1",
    notes=_MEANING + " Above zero: the counterpart depends more on the node than the node on it, which is Hirschman's "
    "influence effect. Scaling by GDP instead of by own trade is the other convention: trade_asymmetry_gdp.",
    **_HIRSCHMAN,
)
def trade_asymmetry(context: Context) -> pl.DataFrame:
    """How much more the counterpart depends on the node than the node on the counterpart.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "B", 30), ("B", "A", 20), ("A", "W", 450), ("B", "W", 50)]
    >>> found = worked("trade_asymmetry", flows)
    >>> found["A", "B"], found["B", "A"]
    (0.4, -0.4)
    """
    m, p = margins(context.coded_edges), _pairs(context)
    traded, whole = p.to + p.back, m.sent + m.received
    return _scored(context, traded / whole[p.counterpart] - traded / whole[p.node])


@register(
    title="Bilateral asymmetry, scaled by GDP",
    formula="a(n, i) = T / GDP(i) - T / GDP(n), T = v_ni + v_in; a(n, i) = -a(i, n)",
    unit="difference of shares of GDP",
    notes=_MEANING + " Above zero: the trade of the two is more of the counterpart's GDP than of the node's. GDP is "
    "MACRO's of the flows' period or, where it has none, of the year it lies in; flows must be in the money of the "
    "GDP. Where either GDP is missing the score is not defined (null). A share of GDP can exceed one: trade is gross, "
    "GDP is value added. The ratio of the two shares is that of the two GDPs whoever trades, so the difference is "
    "scored.",
    needs=frozenset({"macro"}),
    **_HIRSCHMAN,
)
def trade_asymmetry_gdp(context: Context) -> pl.DataFrame:
    """How much more the trade of the two is of the counterpart's GDP than of the node's.

    Examples
    --------
    Trade of 50 is a tenth of a GDP of 500 and half of one of 100.

    >>> import polars as pl
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> figures = {"period": "2020", "economy": ["A", "B"], "indicator": "gdp", "value": [500.0, 100.0]}
    >>> gdp = pl.DataFrame({**figures, "unit": "USD", "basis": "assumed"})
    >>> found = worked("trade_asymmetry_gdp", [("A", "B", 30), ("B", "A", 20)], macro=gdp)
    >>> found["A", "B"], found["B", "A"]
    (0.4, -0.4)
    """
    p, gdp = _pairs(context), _gdp(context)[margins(context.coded_edges).node]
    traded = p.to + p.back
    return _scored(context, traded / gdp[p.counterpart] - traded / gdp[p.node])


def _gdp(context: Context) -> Floats:
    """GDP of every node of the coded flows, NaN where there is none."""
    if context.macro is None:
        raise UsageError(
            "trade_asymmetry_gdp needs GDP",
            mend="give MACRO with indicator gdp (macro=); macro.gdp_reference() is one that ships with the tool",
        )
    year = context.period[:4]
    known = context.macro.filter(
        pl.col("indicator") == "gdp", pl.col("period").is_in([context.period, year]), pl.col("value") > 0
    )
    # The period's own figure after the year's, so that it is the one kept.
    figures = dict(known.sort("period").select("economy", "value").rows())
    if not figures:
        raise UsageError(
            f"MACRO has no gdp of {context.period} nor of {year}", mend="add it, or leave the period out (periods=)"
        )
    return np.array([figures.get(node, np.nan) for node in context.coded_edges.nodes], dtype=np.float64)
