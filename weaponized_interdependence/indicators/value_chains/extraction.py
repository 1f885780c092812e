"""Hypothetical extraction: what the world, and each economy, would lose if a producer were no longer there.

Taken out are the rows R of the producer (what they sell, to industries and to final demand) and their columns (what
they buy). With L = (I - A)^-1 and its block L_RR, output falls by

    x - x* = L_:R z,   L_RR z = x_R

in the extracted rows themselves by x_R, all of it. One factorisation serves every producer; for a single industry k
this is L_:k x_k / L_kk. Consumers stay: final demand of the economy for what others make goes on.
"""

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import Context, Party, register
from weaponized_interdependence.indicators.value_chains.leontief import (
    node_rows,
    pair_rows,
    parties,
    places,
    ratio,
    snapped,
    system_of,
)
from weaponized_interdependence.network import Floats
from weaponized_interdependence.terms import Basis

_CITATION = (
    "Dietzenbacher, van der Linden and Steenge (1993), The Regional Extraction Method: EC Input-Output Comparisons, "
    "Economic Systems Research 5(2): 185-206; Miller and Blair (2022), Input-Output Analysis, 3rd edition"
)
_WEIGHTS = "deliveries of the table as input coefficients"
_BOUND = (
    "Nobody substitutes and prices stand still: a bound of the linkage and no forecast. The jurisdiction is its "
    "territory; grip beyond it is not counted. A coalition is extracted together. "
)


def _lost(context: Context, party: Party, weights: Floats) -> Floats:
    """Weighted output lost with the party, whole or sector by sector: (k, items), for weights @ L (k, rows).

    NaN where what is extracted makes nothing.
    """
    system = system_of(context)
    _, j, _ = system.table.size
    rows = (np.array(places(context, party), dtype=np.int64)[:, None] * j + np.arange(j)).T  # (sectors, members)
    if not context.by_item:
        rows = rows.reshape(1, -1)
    made = np.maximum(system.table.x, 0.0)[rows]
    lost = (weights[:, rows] * system.taken_out(rows)).sum(axis=2)
    return np.asarray(np.where(made.sum(axis=1) > 0, lost, np.nan))


@register(
    title="Extraction loss",
    formula="1'L_:R L_RR^-1 x_R / 1'x; for one industry k: (1'L)_k x_k / L_kk / 1'x",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_CITATION,
    needs=frozenset({"table", "jurisdiction"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes=_BOUND + "Gross output of the whole table, the extracted producer's own included; times the table's output "
    "it is money. An industry without output has no score.",
)
@on_one_blas_thread
def extraction_loss(context: Context) -> pl.DataFrame:
    """Share of the world's gross output that disappears with a producer: its own, and what was made for it.

    Examples
    --------
    Two industries of Miller and Blair; of their output of 3,000, 23,000/19 and 44,000/17 would be lost.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z, Y = [[150, 500], [200, 100]], [[350, 0], [0, 1700]]
    >>> worked_table("extraction_loss", Z, Y, economies="AB")
    {'A': 0.40350877193, 'B': 0.862745098039}
    """
    system = system_of(context)
    scored = parties(context, context.jurisdictions)
    world = np.maximum(system.table.x, 0.0).sum()
    lost = np.stack([_lost(context, party, system.stages[None, :])[0] for party in scored])
    return node_rows(context, [party.label for party in scored], snapped(ratio(lost, world), 0.0, 1.0))


@register(
    title="Extraction loss of a target",
    formula="v_t L_tR L_RR^-1 x_R / sum of value added of t",
    weight_meaning=_WEIGHTS + ", and value added per output",
    unit="share, 0 to 1",
    citation=_CITATION + "; Los, Timmer and de Vries (2016), American Economic Review 106(7): 1958-1966 (in GDP)",
    pair=True,
    needs=frozenset({"table", "jurisdiction", "target"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes=_BOUND + "What a target loses here are sales: its deliveries to the extracted producer, and to those who "
    "made for it. Inputs that it no longer gets are no loss in this model; see foreign_input_reliance. Pairs that "
    "overlap have no row.",
)
@on_one_blas_thread
def extraction_loss_target(context: Context) -> pl.DataFrame:
    """Share of the counterpart's GDP that hangs on sales to a producer and its suppliers, and goes when it does.

    Examples
    --------
    A sells inputs of 4 to B and 1 to its own consumers; B uses them for what it sells to its own.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("extraction_loss_target", [[0, 4], [0, 0]], [[1, 0], [0, 10]], economies="AB")
    {('A', 'B'): 0.0, ('B', 'A'): 0.8}
    """
    system = system_of(context)
    holders, losers = parties(context, context.jurisdictions), parties(context, context.targets)
    n, j, _ = system.table.size
    added = np.zeros((len(losers), n, j))
    for k, party in enumerate(losers):
        added[k, places(context, party)] = system.value_added_share.reshape(n, j)[places(context, party)]
    weights = added.reshape(len(losers), n * j)
    held = system.leontief_left(weights)
    lost = np.stack([_lost(context, party, held) for party in holders])
    apart = np.array([[float(not {*h.codes} & {*t.codes}) for t in losers] for h in holders])
    gdp = (weights * np.maximum(system.table.x, 0.0)).sum(axis=1)
    names = [party.label for party in holders], [party.label for party in losers]
    return pair_rows(context, *names, apart, score=snapped(ratio(lost, gdp[None, :, None]), 0.0, 1.0))
