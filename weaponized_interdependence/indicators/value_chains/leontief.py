"""What the indicators of an input-output table share: one factorisation, who is scored, and the frame of the scores.

Industries of the table are rows 0 to N*J - 1, economy by economy. Whole economies are the output-weighted mean of their
industries, or the sum, as each indicator says; an industry without output has no score and no weight.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, Party
from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.network import Floats


def system_of(context: Context) -> LeontiefSystem:
    """The table's Leontief system, factored once for all indicators; ModelError where its chains do not end."""

    def make() -> LeontiefSystem:
        system = LeontiefSystem(table_of(context))
        system.require_ending()
        return system

    return context.keep("leontief", make)


def table_of(context: Context) -> IOTable:
    """The table; indicators that read one are called for no context without."""
    if context.table is None:
        raise ValueError("no table in this context")
    return context.table


def parties(context: Context, asked: Sequence[Party] | None) -> tuple[Party, ...]:
    """Those asked for, else every economy of the table."""
    return tuple(asked) if asked is not None else tuple(Party(e, (e,)) for e in table_of(context).economies)


def places(context: Context, party: Party) -> list[int]:
    """Where the party's economies stand in the table; those it does not have are left out."""
    economies = table_of(context).economies
    return [economies.index(code) for code in dict.fromkeys(party.codes) if code in economies]


def items_of(context: Context) -> list[str]:
    """The items scored: every sector where each item is scored by itself, else ALL."""
    table = table_of(context)
    return [f"{table.classification}:{s}" for s in table.sectors] if context.by_item else ["ALL"]


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN (not defined) where the whole is not above zero."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def snapped(values: Floats, *bounds: float) -> Floats:
    """Values within 1e-12 of a bound as the bound: what a solve leaves of an exact 0 or 1 is no rank of its own."""
    for bound in bounds:
        values = np.where(np.abs(values - bound) <= 1e-12, bound, values)
    return values


def node_rows(context: Context, nodes: Sequence[str], scores: Floats) -> pl.DataFrame:
    """Scores (nodes, items) as a frame, NaN as null."""
    items = items_of(context)
    return _framed(
        item=pl.Series(items, dtype=pl.String).gather(np.tile(np.arange(len(items)), len(nodes))),
        node=pl.Series(nodes, dtype=pl.String).gather(np.repeat(np.arange(len(nodes)), len(items))),
        counterpart=pl.Series([None], dtype=pl.String).gather(np.zeros(len(nodes) * len(items), dtype=np.int64)),
        score=scores,
    )


def pair_rows(
    context: Context, nodes: Sequence[str], counterparts: Sequence[str], apart: Floats, **scores: Floats
) -> pl.DataFrame:
    """Scores (nodes, counterparts, items), by column name, of the pairs that are `apart` (1, 0 where they overlap)."""
    items = items_of(context)
    node, counterpart, item = (
        grid.ravel()
        for grid in np.meshgrid(
            np.arange(len(nodes)), np.arange(len(counterparts)), np.arange(len(items)), indexing="ij"
        )
    )
    keep = apart[node, counterpart] > 0
    return _framed(
        item=pl.Series(items, dtype=pl.String).gather(item[keep]),
        node=pl.Series(nodes, dtype=pl.String).gather(node[keep]),
        counterpart=pl.Series(counterparts, dtype=pl.String).gather(counterpart[keep]),
        **{name: values.ravel()[keep] for name, values in scores.items()},
    )


def _framed(*, item: pl.Series, node: pl.Series, counterpart: pl.Series, **scores: Floats) -> pl.DataFrame:
    columns = {name: pl.Series(values.ravel(), dtype=pl.Float64).fill_nan(None) for name, values in scores.items()}
    return pl.DataFrame({"item": item, "node": node, "counterpart": counterpart, **columns})


def industry_rows(context: Context, values: Floats, weights: Floats | None) -> pl.DataFrame:
    """Frame of one value an industry (rows,): by item as they are, else each economy's mean by weight, or its sum.

    NaN is not defined, and neither counts in a mean nor in a sum; an economy of nothing else is not defined.
    """
    table = table_of(context)
    n, j, _ = table.size
    values = np.where(table.x > 0, values, np.nan).reshape(n, j)
    if context.by_item:
        return node_rows(context, table.economies, values)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    if weights is None:
        whole = np.where(known.any(axis=1), filled.sum(axis=1), np.nan)
    else:
        weight = weights.reshape(n, j) * known
        whole = ratio((weight * filled).sum(axis=1), weight.sum(axis=1))
    return node_rows(context, table.economies, whole)
