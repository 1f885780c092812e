"""Whom an economy's producers rely on, at face value and looked through: inputs it buys, markets it ends in."""

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.value_chains.leontief import pair_rows, ratio, snapped, system_of
from weaponized_interdependence.network import Floats
from weaponized_interdependence.terms import Basis

_CITATION = (
    "Baldwin and Freeman (2022), Risks and Global Supply Chains: What We Know and What We Need to Know, Annual Review "
    "of Economics 14: 153-180; Baldwin, Freeman and Theodorakopoulos (2023), Hidden Exposure: Measuring US Supply "
    "Chain Reliance, Brookings Papers on Economic Activity"
)
_PAIRS = (
    "An economy's reliance on itself is left out; with it the shares of all counterparts make one. Industries are "
    "weighted by output for a whole economy. Not defined (null) where there is nothing to share."
)


def _input_shares(context: Context, looked_through: bool) -> Floats:
    """Share of the inputs of each node's industries that each counterpart makes, (nodes, counterparts, items)."""

    def make() -> Floats:
        system = system_of(context)
        n, j, _ = system.table.size
        if looked_through:
            makers = np.repeat(np.eye(n), j, axis=1)
            made = system.leontief_left(makers) - makers  # of T = L - I: the industry's own output is no input of it
        else:
            made = system.table.A.reshape(n, j, n * j).sum(axis=1)
        return _shares(context, (made * np.maximum(system.table.x, 0.0)).reshape(n, n, j).transpose(1, 0, 2))

    return context.keep(("input_shares", looked_through), make)


def _shares(context: Context, values: Floats) -> Floats:
    """values (nodes, counterparts, sectors) as shares over the counterparts, by sector or of all sectors together."""
    if not context.by_item:
        values = values.sum(axis=2, keepdims=True)
    return snapped(ratio(values, values.sum(axis=1, keepdims=True)), 0.0, 1.0)


def _pairs(context: Context, scores: Floats) -> pl.DataFrame:
    economies = system_of(context).table.economies
    return pair_rows(context, economies, economies, 1.0 - np.eye(len(economies)), score=scores)


@register(
    title="Foreign input reliance",
    formula="sum over industries i of c of T_ij / sum over all i of T_ij, T = L - I = A + A^2 + ...",
    weight_meaning="deliveries of the table as input coefficients; gross output at every stage",
    unit="share, 0 to 1",
    citation=_CITATION,
    orientation="imports",
    pair=True,
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes="Gross output, not value added: it counts all production that stands behind the inputs, at every stage it is "
    "made, because a stop at any stage stops the chain. The authors look through with L as well; that the industry's "
    "own output (the I in L) is taken off and the rest divided by all inputs is done here to make it comparable with "
    "foreign_input_reliance_face. " + _PAIRS,
)
@on_one_blas_thread
def foreign_input_reliance(context: Context) -> pl.DataFrame:
    """Share of all production behind an economy's inputs, direct and indirect, that the counterpart makes.

    Examples
    --------
    A sells 2 to B, B sells 4 to C. Behind C's inputs stand 4 made in B and 2 made in A.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z = [[0, 2, 0], [0, 0, 4], [0, 0, 0]]
    >>> Y = [[0, 0, 0], [0, 0, 0], [0, 0, 9]]
    >>> found = worked_table("foreign_input_reliance", Z, Y, economies="ABC")
    >>> found["C", "A"], found["C", "B"], found["B", "A"], found["A", "B"]
    (0.333333333333, 0.666666666667, 1.0, None)
    """
    return _pairs(context, _input_shares(context, looked_through=True))


@register(
    title="Foreign input reliance, face value",
    formula="sum over industries i of c of A_ij / sum over all i of A_ij",
    weight_meaning="deliveries of the table as input coefficients; direct purchases only",
    unit="share, 0 to 1",
    citation=_CITATION,
    orientation="imports",
    pair=True,
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes="What customs and invoices show: the last seller. " + _PAIRS,
)
@on_one_blas_thread
def foreign_input_reliance_face(context: Context) -> pl.DataFrame:
    """Share of an economy's purchased inputs that it buys from the counterpart itself.

    Examples
    --------
    A sells 2 to B, B sells 4 to C, which thus buys nothing from A.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z = [[0, 2, 0], [0, 0, 4], [0, 0, 0]]
    >>> Y = [[0, 0, 0], [0, 0, 0], [0, 0, 9]]
    >>> found = worked_table("foreign_input_reliance_face", Z, Y, economies="ABC")
    >>> found["C", "A"], found["C", "B"], found["B", "A"]
    (0.0, 1.0, 1.0)
    """
    return _pairs(context, _input_shares(context, looked_through=False))


@register(
    title="Hidden exposure",
    formula="foreign_input_reliance - foreign_input_reliance_face",
    weight_meaning="deliveries of the table as input coefficients; gross output at every stage",
    unit="difference of shares, -1 to 1",
    citation=_CITATION,
    orientation="imports",
    pair=True,
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes="Below zero for a counterpart that stands nearer in the chain than it does in all of it, such as a trading "
    "hub or the last assembler. " + _PAIRS,
)
@on_one_blas_thread
def hidden_exposure(context: Context) -> pl.DataFrame:
    """Reliance on the counterpart's inputs that face-value trade does not show: looked through less face value.

    Examples
    --------
    A sells 2 to B, B sells 4 to C: C buys nothing from A, but a third of the production behind its inputs is A's.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z = [[0, 2, 0], [0, 0, 4], [0, 0, 0]]
    >>> Y = [[0, 0, 0], [0, 0, 0], [0, 0, 9]]
    >>> found = worked_table("hidden_exposure", Z, Y, economies="ABC")
    >>> found["C", "A"], found["C", "B"]
    (0.333333333333, -0.333333333333)
    """
    through, face = (_input_shares(context, looked_through) for looked_through in (True, False))
    return _pairs(context, through - face)


@register(
    title="Foreign market reliance",
    formula="(L y_c)_i / sum over all c of (L y_c)_i, y_c the final demand of economy c",
    weight_meaning="deliveries of the table as input coefficients; final demand in money",
    unit="share, 0 to 1",
    citation=_CITATION,
    orientation="exports",
    pair=True,
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes="The market is where output ends and not who buys it first: inputs sold to a third country that sells the "
    "product on to c count for c. Taking final demand for the market is a choice made here, so that the shares of all "
    "economies make one; sales to foreign producers are another reading of the same name. Cells of final demand below "
    "zero (stocks drawn down) count as none. " + _PAIRS,
)
@on_one_blas_thread
def foreign_market_reliance(context: Context) -> pl.DataFrame:
    """Share of an economy's output that ends, directly or inside other products, in the counterpart's final demand.

    Examples
    --------
    A sells inputs of 4 to B; of what B makes C buys 6 and B itself 2.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> Z = [[0, 4, 0], [0, 0, 0], [0, 0, 0]]
    >>> Y = [[0, 0, 0], [0, 2, 6], [0, 0, 1]]
    >>> found = worked_table("foreign_market_reliance", Z, Y, economies="ABC")
    >>> found["A", "C"], found["A", "B"], found["B", "C"], found["C", "A"]
    (0.75, 0.25, 0.75, 0.0)
    """
    system = system_of(context)
    n, j, f = system.table.size
    demand = np.maximum(system.table.Y.reshape(n * j, n, f).sum(axis=2), 0.0)
    ends = system.leontief(demand) * (system.table.x > 0)[:, None]
    return _pairs(context, _shares(context, ends.reshape(n, j, n).transpose(0, 2, 1)))
