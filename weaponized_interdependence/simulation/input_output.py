"""Input-output models on an inter-country table: how far a denied delivery travels along production chains.

With A the input coefficients, B the sales coefficients, L = (I - A)^-1, G = (I - B)^-1, v value added per output:

    s           denied deliveries of each row, intermediate and final, before: (A - A_S) x + (y - y_S)
    extraction  x - x_S, with x_S = (I - A_S)^-1 y_S; the same as (I - A_S)^-1 s (hypothetical extraction)
    upstream    L s: sales lost, and the suppliers' sales to those sellers (Leontief); bounds the extraction from above
    downstream  m G, m the inputs each column loses: output that cannot be made, and what is made of it (Ghosh)

Value added lost is v times output lost. Nobody substitutes, prices do not move, and third parties can only lose: these
are bounds of the linkage, to be read beside the substitution model. The Ghosh model passes a missing input on in full
and lets demand follow supply; its joint stability with Leontief is doubtful (Oosterhaven 1988): an indication, no more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.simulation.impact import Answer, answer_rows
from weaponized_interdependence.simulation.shock import CASES
from weaponized_interdependence.terms import Channel, Horizon, Metric

Floats = npt.NDArray[np.float64]
T = TypeVar("T")

CHANNELS = (Channel.EXTRACTION, Channel.UPSTREAM, Channel.DOWNSTREAM)


# ---- the model --------------------------------------------------------------------------------------------------


def input_output(system: LeontiefSystem, denied: Mapping[str, Floats], basis: str) -> Answer:
    """Value added and output lost by every economy and sector, through three channels.

    `denied`: case (low, value, high) -> (rows, economies) shares, as `denied_shares` makes them. Units: the table's.
    The channels are views of one event and are never added. Shares of GDP are of the table's own value added, so that
    loss and base are of one year and one source.
    """
    table = system.table

    def lost(share: Floats) -> tuple[Floats, ...]:
        return (
            system.extraction(share),
            system.leontief(system.denied_sales(share)),
            system.ghosh(system.denied_inputs(share)),
        )

    outputs = in_each_case(denied, lost)
    frames = []
    for channel, cases in zip(CHANNELS, zip(*outputs, strict=True), strict=True):
        frames.append(rows_of(table, channel, Metric.OUTPUT_LOSS, cases, basis))
        frames.append(rows_of(table, channel, Metric.LOSS, [x * system.value_added_share for x in cases], basis))
    n, j, _ = table.size
    notes = (
        "input_output: nobody substitutes and prices stand still, so everyone can only lose, third parties too: "
        "bounds, not forecasts",
        "input_output: loss is value added; a target that is denied inputs shows it in downstream (Ghosh), not in "
        "extraction, which counts lost sales; Ghosh lets demand follow supply and is an indication (Oosterhaven 1988)",
        f"input_output: table of {table.period}, {n} economies by {j} sectors ({table.classification}); "
        "shares of GDP are of the table's value added",
    )
    return Answer("input_output", answer_rows(frames), (), notes, gdp=gdp_of(table))


# ---- what the models of a table share ---------------------------------------------------------------------------


def in_each_case(denied: Mapping[str, Floats], work: Callable[[Floats], T]) -> list[T]:
    """`work` of the shares of every case, in the order of CASES; a case like the one before it is not worked again."""
    found: list[T] = []
    for k, case in enumerate(CASES):
        same = k > 0 and np.array_equal(denied[case], denied[CASES[k - 1]])
        found.append(found[-1] if same else work(denied[case]))
    return found


def rows_of(table: IOTable, channel: Channel, metric: Metric, cases: Sequence[Floats], basis: str) -> pl.DataFrame:
    """ANSWER rows of one channel and metric, from what every row of the table loses in each case."""
    n, j, _ = table.size
    return pl.DataFrame(
        {
            "party": pl.Series(table.economies).gather(np.repeat(np.arange(n), j)),
            "item": pl.Series(items_of(table)).gather(np.tile(np.arange(j), n)),
            **dict(zip(CASES, cases, strict=True)),
        }
    ).with_columns(
        pl.lit(Horizon.NONE.value).alias("horizon"),
        pl.lit(channel.value).alias("channel"),
        pl.lit(metric.value).alias("metric"),
        pl.lit(basis).alias("basis"),
    )


def gdp_of(table: IOTable) -> dict[str, float]:
    """Value added of every economy that has any."""
    n, j, _ = table.size
    added = table.VA.reshape(n, j).sum(axis=1)
    return {e: float(a) for e, a in zip(table.economies, added, strict=True) if a > 0}


# ---- table <-> flows --------------------------------------------------------------------------------------------


def items_of(table: IOTable) -> tuple[str, ...]:
    """The sectors as items: CLASSIFICATION:sector; those of SITC1S in the words of flows, SITC:3 and SERVICES."""
    if table.classification == "SITC1S":
        return tuple(sector if sector == "SERVICES" else f"SITC:{sector}" for sector in table.sectors)
    return tuple(f"{table.classification}:{sector}" for sector in table.sectors)


def denied_shares(table: IOTable, shares: pl.DataFrame) -> dict[str, Floats]:
    """(rows, economies) share arrays, one a case, from a frame of origin, destination, item, low, value, high."""
    n, j, _ = table.size
    economy = {name: k for k, name in enumerate(table.economies)}
    item = {name: k for k, name in enumerate(items_of(table))}
    frame = shares.filter(
        pl.col("origin").is_in(list(economy))
        & pl.col("destination").is_in(list(economy))
        & pl.col("item").is_in(list(item))
    )
    row = (
        frame["origin"].replace_strict(economy, return_dtype=pl.Int64).to_numpy() * j
        + frame["item"].replace_strict(item, return_dtype=pl.Int64).to_numpy()
    )
    column = frame["destination"].replace_strict(economy, return_dtype=pl.Int64).to_numpy()
    made = {}
    for case in CASES:
        share = np.zeros((n * j, n))
        share[row, column] = frame[case].to_numpy()
        made[case] = share
    return made
