"""Fragility of an item's trade to a shock at one supplier: central players, clustering, substitutability.

The three components are those of Korniyenko, Pinat and Dew (2017), who classify products by them. Their paper was not
at hand: the definitions here are this project's, from flows alone, and each says so. They are not joined into one
index, for its weights would be ours.
"""

from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import EVERYONE, Context, of_everyone, register
from weaponized_interdependence.indicators.coded import Coded, grouped, margins
from weaponized_interdependence.network import Floats

_PAPER = (
    "after Korniyenko, Pinat and Dew (2017), Assessing the Fragility of Global Trade: The Impact of Localized Supply "
    "Shocks Using Network Analysis, IMF Working Paper 17/30"
)
_ONE = f"One score an item, under node {EVERYONE}: rank by item. "
_FACTS: dict[str, Any] = {"of_item": True}

# Steps to a neighbour of a neighbour, some nanoseconds each: a minute or two.
MOST_STEPS = 30_000_000_000
_ROWS = 1 << 15  # nodes whose triangles are counted at a time


def _by_item(coded: Coded, score: Floats) -> pl.DataFrame:
    """Rows of the items that have a tie."""
    some = np.diff(coded.first) > 0
    return of_everyone(coded.items.filter(pl.Series(some, dtype=pl.Boolean)), score[some])


def _mean(coded: Coded, values: Floats) -> Floats:
    """Mean over the nodes of every item; NaN for an item without any."""
    m = margins(coded)
    size = np.bincount(m.item, minlength=len(coded.items))
    sums = grouped(m.item, values, len(size))
    return np.asarray(np.divide(sums, size, out=np.full(len(size), np.nan), where=size > 0))


@register(
    title="Fragility: presence of central players",
    formula="sd over nodes i of x_i = s_out(i) / sum_k s_out(k): sqrt( sum_i (x_i - 1/n)^2 / n )",
    weight_meaning="flow value; a node's flows to itself are left out",
    unit="standard deviation of shares",
    citation=_PAPER,
    orientation="exports",
    notes=_ONE
    + "High: few sellers stand out, whose failure everyone feels. As in the paper, the standard deviation of "
    "weighted outdegree; that it is taken of shares, over the n nodes that trade the item, with n and not n - 1 in the "
    "denominator, is chosen here. It falls with n: compare items traded by about as many.",
    **_FACTS,
)
def fragility_central_players(context: Context) -> pl.DataFrame:
    """How unequal the nodes that trade an item are in what they sell of it.

    Examples
    --------
    One of four sells all: the shares 1, 0, 0, 0 are 3/4 and three times 1/4 from their mean.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("fragility_central_players", [("A", "B", 5), ("A", "C", 5), ("A", "D", 5)])  # sqrt(3/16)
    {'ALL': 0.433012701892}
    """
    coded = context.coded_edges
    m = margins(coded)
    share = m.sent / m.world
    return _by_item(coded, np.sqrt(_mean(coded, (share - _mean(coded, share)[m.item]) ** 2)))


@register(
    title="Fragility: tendency to cluster",
    formula="mean over nodes i of [ (U + U')^3 ]_ii / ( 2 [ d_i (d_i - 1) - 2 b_i ] ), U_ij = (v_ij / max v)^(1/3), "
    "d_i the number of flows of i, out and in, b_i that of partners with flows both ways; 0 where no triangle can be",
    weight_meaning="flow value over the largest of the item, the cube root of it in each side of a triangle; a node's "
    "flows to itself are left out",
    unit="mean clustering coefficient, 0 to 1",
    citation=_PAPER + "; coefficient: Fagiolo (2007), Clustering in complex directed networks, Physical Review E 76: "
    "026107, doi:10.1103/PhysRevE.76.026107",
    notes=_ONE
    + "High: partners of a node trade with each other, so that a shock comes round again. The paper takes an "
    "average clustering coefficient; which of the weighted and directed ones could not be checked. Exact: work grows "
    "with the sum of squared degrees.",
    **_FACTS,
)
def fragility_clustering(context: Context) -> pl.DataFrame:
    """How much partners of a node trade among themselves, on average over the nodes that trade the item.

    Examples
    --------
    A ring of three equal flows closes one triangle of the two that two flows at a node allow.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("fragility_clustering", [("A", "B", 2), ("B", "C", 2), ("C", "A", 2)])
    {'ALL': 0.5}
    """
    coded = context.coded_edges
    return _by_item(coded, _mean(coded, _clustering(coded)))


def _clustering(coded: Coded) -> Floats:
    """Clustering coefficient of every row of the margins: the networks of all items as one, no tie between them."""
    from weaponized_interdependence.indicators.kernels.triangles import closed_walks

    m, items = margins(coded), np.diff(coded.first)
    some = np.flatnonzero(items)
    largest = np.zeros(len(items))
    largest[some] = np.maximum.reduceat(coded.value, coded.first[some]) if len(some) else 0.0
    side = np.cbrt(coded.value / largest[coded.item])
    ends = (np.append(m.at_origin, m.at_destination), np.append(m.at_destination, m.at_origin))
    both = sparse.coo_array((np.append(side, side), ends), shape=(len(m), len(m))).tocsr()
    both.sum_duplicates()
    first, neighbour = both.indptr.astype(np.int64), both.indices.astype(np.int64)
    partners = np.diff(first)
    if (steps := int((partners**2).sum())) > MOST_STEPS:
        raise UsageError(
            f"clustering would take {steps:.2g} steps, more than {MOST_STEPS:.2g}",
            mend="leave out the smallest flows, or rank fewer items at a time",
        )
    walks = in_threads(
        lambda start: closed_walks(first, neighbour, both.data, start, min(start + _ROWS, len(m))),
        range(0, len(m), _ROWS),
    )
    ties = m.customers + m.sources
    allowed = 2.0 * (ties * (ties - 1) - 2 * (ties - partners))
    found = np.concatenate([np.zeros(0), *walks])
    return np.asarray(np.divide(found, allowed, out=np.zeros(len(m)), where=allowed > 0))


@register(
    title="Fragility: substitutability in place",
    formula="1 - sum_n max_i v_in / sum_n sum_i v_in",
    weight_meaning="flow value; a node's flows to itself are left out",
    unit="share, 0 to 1",
    citation=_PAPER,
    orientation="imports",
    notes=_ONE + "Low is fragile: each buyer has one source. The paper's component is international substitutability; "
    "how it measures it could not be checked, and this is not claimed to be it. Here: how much of what is bought comes "
    "from a buyer's other sources than its largest, who are known already. Whether they could sell more is not asked.",
    **_FACTS,
)
def fragility_substitutability(context: Context) -> pl.DataFrame:
    """Share of all purchases of an item that do not come from the buyer's largest source.

    Examples
    --------
    C buys 6 of 10 from A, D all of 2 from A: 4 of 12 come from another than the largest source.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("fragility_substitutability", [("A", "C", 6), ("B", "C", 4), ("A", "D", 2)])
    {'ALL': 0.333333333333}
    """
    coded = context.coded_edges
    m = margins(coded)
    largest = np.zeros(len(m))
    np.maximum.at(largest, m.at_destination, coded.value)
    items = len(coded.items)
    bought = grouped(m.item, m.received, items)
    first = grouped(m.item, largest, items)
    return _by_item(coded, np.divide(bought - first, bought, out=np.full(items, np.nan), where=bought > 0))
