"""Where in the chain an industry stands: how far from final use, how far from primary inputs."""

import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.value_chains.leontief import industry_rows, ratio, snapped, system_of
from weaponized_interdependence.terms import Basis

_MEAN = (
    "An economy is the output-weighted mean of its industries. The output-weighted world means of upstreamness and "
    "downstreamness are equal, whatever the table. Industries without output have no score. "
)


@register(
    title="Upstreamness",
    formula="U = (I - B)^-1 1, B_ij = Z_ij / x_i: U_i = 1 + sum_j B_ij U_j",
    weight_meaning="deliveries of the table, as the part of a seller's output that each buyer takes",
    unit="stages, 1 or more",
    citation="Antras, Chor, Fally and Hillberry (2012), Measuring the Upstreamness of Production and Trade Flows, "
    "American Economic Review 102(3): 412-416; Antras and Chor (2018), On the Measurement of Upstreamness and "
    "Downstreamness in Global Value Chains",
    orientation="exports",
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes=_MEAN + "In a table of the world no correction for exports and imports is needed: buyers abroad are in it. "
    "Changes in inventories count as final use here; the authors spread them over all uses in proportion, dividing by "
    "output less inventory change instead of output. In WIOD 2011 that moves the median industry by 0.01 stages and "
    "one in ten by more than 0.06.",
)
@on_one_blas_thread
def upstreamness(context: Context) -> pl.DataFrame:
    """Mean number of stages from an industry's output to final use: 1 where all of it is used up at once.

    Examples
    --------
    A sells 4 to B, which sells 10 to final users: A is two stages from them, B one.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("upstreamness", [[0, 4], [0, 0]], [[0, 0], [5, 5]], economies="AB")
    {'A': 2.0, 'B': 1.0}
    """
    system = system_of(context)
    x = system.table.x
    # (I - B)^-1 1 = x^-1 L x: the factors of I - A serve.
    return industry_rows(context, snapped(ratio(system.leontief(x), x), 1.0), x)


@register(
    title="Downstreamness",
    formula="D = (I - A')^-1 1, A_ij = Z_ij / x_j: D_j = 1 + sum_i A_ij D_i, the column sums of the Leontief inverse",
    weight_meaning="deliveries of the table, as the part of a buyer's output that each input is worth",
    unit="stages, 1 or more",
    citation="Fally (2012), Production Staging: Measurement and Facts; Antras and Chor (2018), On the Measurement of "
    "Upstreamness and Downstreamness in Global Value Chains; also the total backward linkage of Rasmussen (1956)",
    orientation="imports",
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes=_MEAN + "Taxes and margins in a column count as primary inputs, with value added.",
)
@on_one_blas_thread
def downstreamness(context: Context) -> pl.DataFrame:
    """Mean number of stages from primary inputs to an industry's output: 1 where it buys no inputs.

    Examples
    --------
    A uses nothing; B adds 6 to inputs of 4, which have been through one stage: 1 + 0.4 * 1.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("downstreamness", [[0, 4], [0, 0]], [[0, 0], [5, 5]], economies="AB")
    {'A': 1.0, 'B': 1.4}
    """
    system = system_of(context)
    return industry_rows(context, snapped(system.stages, 1.0), system.table.x)
