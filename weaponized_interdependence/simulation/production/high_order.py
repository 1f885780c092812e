"""High-order trade: how much of production hangs on deliveries that a measure stops, along whole chains.

After Imbs and Pauwels: the exposure of an industry to a trade flow is the share of its output that would not be called
for in a world where the flow, and all that is made of it, is not. With A_S and y_S the table without what is cut:

    sold    1 - x_S / x, x_S = (I - A_S)^-1 y_S     the industry's sales that hang on it, near or far
    bought  1 - v'L_S / v'L, per column             value added in its product that reaches it through the cut

Valid except where inputs can hardly be replaced at all, say the authors (abstract of the working paper): there what is
missing weighs more than it costs; see `bottleneck`. The second formula is ours, the mirror of the first.
"""

from dataclasses import dataclass

import numpy as np

from weaponized_interdependence.io_table import Array, Cut, LeontiefSystem
from weaponized_interdependence.simulation.production.extraction import by_economy


@dataclass(frozen=True, eq=False)
class HighOrderExposure:
    """Shares: per industry (rows,), NaN where it makes nothing; per economy (N,), NaN likewise.

    0 to 1 in a table without negative cells; where value added is below zero somewhere, all but `sold` may lie outside.

    `economy_sold` is weighted by value added (value added lost over value added), `economy_bought` by the value added
    that output holds, along its chains.
    """

    sold: Array
    bought: Array
    economy_sold: Array
    economy_bought: Array


def high_order_exposure(system: LeontiefSystem, cut: Cut) -> HighOrderExposure:
    """Exposure of every industry and economy to the deliveries of a cut, as a seller and as a buyer.

    Parameters
    ----------
    system
        The table, factored.
    cut
        The deliveries that stop, from `cut_of`, `economy_cut` or `edge_cut`. Cutting final deliveries moves `sold`
        only.

    References
    ----------
    Imbs and Pauwels, An Empirical Approximation of the Effects of Trade Sanctions with an Application to Russia,
    Economic Policy (abstract read; the form of the formula is derived here).

    Examples
    --------
    A sells inputs of 4 to B and 1 at home; B sells 10. The inputs stop: four fifths of A's output hang on them, and
    four tenths of the value added in B's.

    >>> from weaponized_interdependence.io_table import cut_of
    >>> from weaponized_interdependence.simulation.production.examples import small
    >>> t = small([[0.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 10.0]], ("A", "B"))
    >>> found = high_order_exposure(LeontiefSystem(t), cut_of(t, np.array([[0.0, 1.0], [0.0, 0.0]])))
    >>> found.sold.round(9).tolist(), found.bought.round(9).tolist()
    ([0.8, 0.0], [0.0, 0.4])
    """
    system.require_ending()
    table = system.table
    n, j, _ = table.size
    made = np.maximum(table.x, 0.0)
    lost = system.extract([cut])[:, 0]
    v = system.value_added_share
    whole = system.leontief_left(v)
    kept = system.leontief_without(cut, v[:, None], transposed=True)[:, 0]
    gone = whole - kept
    added = by_economy(system, made)
    held = (whole * made).reshape(n, j).sum(axis=1)
    return HighOrderExposure(
        sold=_share(lost, made),
        bought=_share(np.where(made > 0, gone, 0.0), np.where(made > 0, whole, 0.0)),
        economy_sold=_share(by_economy(system, lost), added),
        economy_bought=_share((gone * made).reshape(n, j).sum(axis=1), held),
    )


def _share(part: Array, whole: Array) -> Array:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
