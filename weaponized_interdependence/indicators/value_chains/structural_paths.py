"""Who stands in the middle of production chains: betweenness over all paths from value added to final demand."""

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import FLOW_UNIT, Context, register
from weaponized_interdependence.indicators.value_chains.leontief import industry_rows, snapped, system_of
from weaponized_interdependence.terms import Basis


@register(
    title="Structural path betweenness",
    formula="b_i = (v T)_i (T y)_i, T = L A = A + A^2 + ...: the sum over chains s -> ... -> t of v_s A.. ..A y_t "
    "times how often i stands between s and t",
    weight_meaning="deliveries of the table as input coefficients; a chain weighs the value added at its start that "
    "ends in final demand at its end",
    unit=FLOW_UNIT,
    citation="Liang, Qu and Xu (2016), Betweenness-Based Method to Identify Critical Transmission Sectors for Supply "
    "Chain Environmental Pressure Mitigation, Environmental Science & Technology 50(3): 1330-1337",
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    scale_invariant=False,
    notes="The authors weigh chains by emissions per output at the start; here by value added per output. Being the "
    "start or the end of a chain does not count. An economy is the sum of its industries, so a chain that passes it "
    "three times counts three times: betweenness is no share and can exceed world value added. Industries without "
    "output have no score.",
)
@on_one_blas_thread
def structural_path_betweenness(context: Context) -> pl.DataFrame:
    """Value added that passes through an industry on its way from another to final demand, once for every passage.

    Examples
    --------
    A sells 4 to B, B sells 6 to C, C sells 10 to final users. Of the chains only A -> B -> C passes anyone: it carries
    the 4 of A's value added through B.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z = [[0, 4, 0], [0, 0, 6], [0, 0, 0]]
    >>> Y = [[0, 0, 0], [0, 0, 0], [0, 0, 10]]
    >>> worked_table("structural_path_betweenness", Z, Y, economies="ABC")
    {'A': 0.0, 'B': 4.0, 'C': 0.0}
    """
    system = system_of(context)
    share, demand = system.value_added_share, system.table.Y.sum(axis=1)
    money = max(float(np.abs(demand).max(initial=0.0)), np.finfo(float).tiny)
    before = snapped(system.leontief_left(share) - share, 0.0)  # v T = v L - v
    after = snapped((system.leontief(demand) - demand) / money, 0.0)
    return industry_rows(context, before * after * money, None)
