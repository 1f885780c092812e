"""How much one node's trade is trade with one other: pair indicators, node on counterpart."""

import polars as pl

from weaponized_interdependence.indicators.base import Context, register

_WEIGHTS = "flow value; a node's flows to itself are left out"
_HIRSCHMAN = "Hirschman (1945), National Power and the Structure of Foreign Trade, University of California Press"
_MEANING = (
    "Pairs with no flow in either direction have no row. Descriptive: ignores whether the partner can be replaced."
)


def _pairs(context: Context) -> pl.DataFrame:
    """item, node, counterpart, to, back: what node sends and receives, for every pair that trades; and its margins."""

    def make() -> pl.DataFrame:
        keys = ["item", "node", "counterpart"]
        forth = context.edges.select("item", node="origin", counterpart="destination", to="value")
        back = context.edges.select("item", node="destination", counterpart="origin", back="value")
        both = forth.join(back, on=keys, how="full", coalesce=True).with_columns(pl.col("to", "back").fill_null(0.0))
        margins = context.totals.select("item", "node", "sent", "received")
        return both.join(margins, on=["item", "node"]).sort(keys)

    return context.keep("pairs", make)


def _share(context: Context, part: pl.Expr, whole: pl.Expr) -> pl.DataFrame:
    score = pl.when(whole > 0).then(part / whole)
    return _pairs(context).select("item", "node", "counterpart", score.alias("score"))


@register(
    title="Import dependence",
    formula="d_M(n, i) = v_in / sum_k v_kn",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_HIRSCHMAN,
    orientation="imports",
    pair=True,
    notes=_MEANING,
)
def import_dependence(context: Context) -> pl.DataFrame:
    """Share of a node's imports that comes from the counterpart.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("import_dependence", [("RUS", "FIN", 3), ("SWE", "FIN", 1)])["FIN", "RUS"]
    0.75
    """
    return _share(context, pl.col("back"), pl.col("received"))


@register(
    title="Export dependence",
    formula="d_X(n, i) = v_ni / sum_k v_nk",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_HIRSCHMAN,
    orientation="exports",
    pair=True,
    notes=_MEANING,
)
def export_dependence(context: Context) -> pl.DataFrame:
    """Share of a node's exports that goes to the counterpart.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("export_dependence", [("CAN", "USA", 9), ("CAN", "GBR", 1)])["CAN", "USA"]
    0.9
    """
    return _share(context, pl.col("to"), pl.col("sent"))


@register(
    title="Bilateral trade dependence",
    formula="d(n, i) = (v_ni + v_in) / (sum_k v_nk + sum_k v_kn)",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_HIRSCHMAN,
    pair=True,
    notes=_MEANING + " The scores of a node sum to one.",
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
    return _share(context, pl.col("to") + pl.col("back"), pl.col("sent") + pl.col("received"))


@register(
    title="Bilateral asymmetry",
    formula="a(n, i) = d(i, n) - d(n, i), with d the bilateral trade dependence; a(n, i) = -a(i, n)",
    weight_meaning=_WEIGHTS,
    unit="difference of shares, -1 to 1",
    citation=_HIRSCHMAN,
    pair=True,
    notes=_MEANING + " Above zero: the counterpart depends more on the node than the node on it, which is Hirschman's "
    "influence effect. Scaling by GDP instead of by own trade is the other convention and gives other numbers.",
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
    own = trade_dependence(context)
    theirs = own.select("item", node="counterpart", counterpart="node", theirs="score")
    keys = ["item", "node", "counterpart"]
    return own.join(theirs, on=keys, how="left", maintain_order="left").select(*keys, score=pl.col("theirs") - "score")
