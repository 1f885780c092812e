"""How much a node sends and receives."""

import polars as pl

from weaponized_interdependence.indicators.base import FLOW_UNIT, RESULT, Context, register

_WEIGHTS = "flow value is the strength of a tie; a node's flows to itself are left out"
_CITATION = (
    "Barrat, Barthelemy, Pastor-Satorras and Vespignani (2004), The architecture of complex weighted networks, "
    "PNAS 101(11): 3747-3752, doi:10.1073/pnas.0400087101"
)


def _of_totals(context: Context, score: pl.Expr) -> pl.DataFrame:
    return context.totals.select(
        "item", "node", pl.lit(None, dtype=pl.String).alias("counterpart"), score.cast(RESULT["score"]).alias("score")
    )


@register(
    title="Out-strength (value sent)",
    formula="s_out(i) = sum_j v_ij",
    weight_meaning=_WEIGHTS,
    unit=FLOW_UNIT,
    citation=_CITATION,
    orientation="exports",
    scale_invariant=False,
)
def out_strength(context: Context) -> pl.DataFrame:
    """Value a node sends to all others: exports, claims held, payments made.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("out_strength", [("A", "B", 3), ("A", "C", 1), ("B", "A", 2)])
    {'A': 4.0, 'B': 2.0, 'C': 0.0}
    """
    return _of_totals(context, pl.col("sent"))


@register(
    title="In-strength (value received)",
    formula="s_in(i) = sum_j v_ji",
    weight_meaning=_WEIGHTS,
    unit=FLOW_UNIT,
    citation=_CITATION,
    orientation="imports",
    scale_invariant=False,
)
def in_strength(context: Context) -> pl.DataFrame:
    """Value a node receives from all others: imports, debts owed, payments received.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("in_strength", [("A", "B", 3), ("A", "C", 1), ("B", "A", 2)])
    {'A': 2.0, 'B': 3.0, 'C': 1.0}
    """
    return _of_totals(context, pl.col("received"))


@register(
    title="Strength (value sent and received)",
    formula="s(i) = s_out(i) + s_in(i)",
    weight_meaning=_WEIGHTS,
    unit=FLOW_UNIT,
    citation=_CITATION,
    scale_invariant=False,
)
def strength(context: Context) -> pl.DataFrame:
    """Value a node exchanges with all others, in both directions.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("strength", [("A", "B", 3), ("A", "C", 1), ("B", "A", 2)])
    {'A': 6.0, 'B': 5.0, 'C': 1.0}
    """
    return _of_totals(context, pl.col("sent") + pl.col("received"))


@register(
    title="Net strength (balance)",
    formula="s_net(i) = s_out(i) - s_in(i); the scores of all nodes sum to zero",
    weight_meaning=_WEIGHTS,
    unit=FLOW_UNIT,
    citation=_CITATION,
    scale_invariant=False,
)
def net_strength(context: Context) -> pl.DataFrame:
    """Value sent less value received: the trade balance, or the net creditor position.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("net_strength", [("A", "B", 3), ("A", "C", 1), ("B", "A", 2)])
    {'A': 2.0, 'B': -1.0, 'C': -1.0}
    """
    return _of_totals(context, pl.col("sent") - pl.col("received"))


@register(
    title="Export share of the world",
    formula="x(i) = s_out(i) / sum_k s_out(k)",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    orientation="exports",
)
def export_share(context: Context) -> pl.DataFrame:
    """Share of all value sent that comes from the node.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("export_share", [("A", "B", 3), ("C", "B", 1)])
    {'A': 0.75, 'B': 0.0, 'C': 0.25}
    """
    return _of_totals(context, pl.col("sent") / pl.col("world"))


@register(
    title="Import share of the world",
    formula="m(i) = s_in(i) / sum_k s_in(k)",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    orientation="imports",
)
def import_share(context: Context) -> pl.DataFrame:
    """Share of all value received that goes to the node.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("import_share", [("A", "B", 3), ("A", "C", 1)])
    {'A': 0.0, 'B': 0.75, 'C': 0.25}
    """
    return _of_totals(context, pl.col("received") / pl.col("world"))


@register(
    title="Trade share of the world",
    formula="t(i) = (s_out(i) + s_in(i)) / (2 sum_k s_out(k)); the scores of all nodes sum to one",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
)
def trade_share(context: Context) -> pl.DataFrame:
    """Share of all exchange, exports and imports together, that is the node's.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("trade_share", [("A", "B", 3), ("A", "C", 1)])
    {'A': 0.5, 'B': 0.375, 'C': 0.125}
    """
    return _of_totals(context, (pl.col("sent") + pl.col("received")) / (2 * pl.col("world")))
