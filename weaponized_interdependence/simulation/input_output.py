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

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.linalg import LinAlgWarning, lu_factor, lu_solve

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.simulation.impact import Answer, answer_rows
from weaponized_interdependence.simulation.shock import CASES
from weaponized_interdependence.terms import Channel, Horizon, Metric

Floats = npt.NDArray[np.float64]

CHANNELS = (Channel.EXTRACTION, Channel.UPSTREAM, Channel.DOWNSTREAM)


@dataclass(frozen=True, eq=False)
class LeontiefSystem:
    """An input-output table with its Leontief system factored once (LU), to be solved for any number of shocks."""

    table: IOTable

    @cached_property
    def _lu(self) -> tuple[Floats, npt.NDArray[np.int32]]:
        system = np.eye(len(self.table.x)) - self.table.A
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LinAlgWarning)  # said below, with the mend
            factors: tuple[Floats, npt.NDArray[np.int32]] = lu_factor(system)
        pivots = np.abs(np.diag(factors[0]))
        if not pivots.all() or pivots.min() < 1e-12 * pivots.max():
            raise ModelError(
                "the table has no Leontief inverse: I - A is singular",
                mend="look for industries whose inputs reach their output (value added zero or below)",
            )
        return factors

    def leontief(self, demand: Floats) -> Floats:
        """L @ demand: the output that `demand` (rows, or rows by k) calls for, directly and along the chain."""
        solved: Floats = lu_solve(self._lu, demand)
        return solved

    def ghosh(self, inputs: Floats) -> Floats:
        """inputs @ G, for primary or missing inputs by column; G = x^-1 L x, so one factorisation serves both."""
        x = self.table.x
        scaled = np.divide(inputs, x, out=np.zeros_like(inputs), where=x > 0)
        solved: Floats = lu_solve(self._lu, scaled, trans=1)
        made: Floats = solved * x
        return made

    @cached_property
    def value_added_share(self) -> Floats:
        """v: value added per unit of output; zero where there is no output."""
        x = self.table.x
        return np.divide(self.table.VA, x, out=np.zeros_like(self.table.VA), where=x > 0)

    def extraction(self, denied: Floats) -> Floats:
        """Output lost by every row when the denied cells are taken out: (I - A_S)^-1 s.

        `denied` (rows, economies): share of the deliveries of a row to an economy, to industries and to final demand
        alike, that stops. I - A_S differs from I - A only in the rows that are denied and in the columns they are
        denied to, so the factorisation of I - A is corrected (Sherman, Morrison and Woodbury) and not repeated.
        """
        lost = self.denied_sales(denied)
        cut = self.table.A * np.repeat(denied, len(self.table.sectors), axis=1)  # A - A_S
        left, right = _factors(cut, len(self.table.sectors))
        solved = self.leontief(np.column_stack([lost, left]))
        base, spread = solved[:, 0], solved[:, 1:]
        small = np.eye(right.shape[0]) + right @ spread
        result: Floats = base - spread @ np.linalg.solve(small, right @ base)
        return result

    def denied_sales(self, denied: Floats) -> Floats:
        """s: what each row can no longer deliver, to industries and to final demand."""
        n, j, f = self.table.size
        sold = self.table.Z.reshape(n * j, n, j).sum(axis=2) + self.table.Y.reshape(n * j, n, f).sum(axis=2)
        lost: Floats = (sold * denied).sum(axis=1)
        return lost

    def denied_inputs(self, denied: Floats) -> Floats:
        """m: the inputs each column no longer gets."""
        missing: Floats = (self.table.Z * np.repeat(denied, len(self.table.sectors), axis=1)).sum(axis=0)
        return missing


def _factors(cut: Floats, sectors: int) -> tuple[Floats, Floats]:
    """cut = left @ right of low rank.

    Every denied cell has the target at one end: the columns of an economy that more rows are denied to than it has
    sectors are taken as columns (the target's), what is left as rows (the target's again, or one sender's).
    """
    size = len(cut)
    blocks = cut.reshape(size, -1, sectors).any(axis=2)  # (rows, economies)
    heavy = np.flatnonzero(np.repeat(blocks.sum(axis=0) > sectors, sectors))
    rest = cut.copy()
    rest[:, heavy] = 0.0
    rows = np.flatnonzero(rest.any(axis=1))
    unit = np.eye(size)
    return np.column_stack([cut[:, heavy], unit[:, rows]]), np.vstack([unit[heavy], rest[rows]])


# ---- the model --------------------------------------------------------------------------------------------------


def input_output(system: LeontiefSystem, denied: Mapping[str, Floats], basis: str) -> Answer:
    """Value added and output lost by every economy and sector, through three channels.

    `denied`: case (low, value, high) -> (rows, economies) shares, as `denied_shares` makes them. Units: the table's.
    The channels are views of one event and are never added. Shares of GDP are of the table's own value added, so that
    loss and base are of one year and one source.
    """
    table = system.table
    lost: dict[Channel, list[Floats]] = {channel: [] for channel in CHANNELS}
    for k, case in enumerate(CASES):
        share = denied[case]
        if k and np.array_equal(share, denied[CASES[k - 1]]):  # a measure without a band
            for answers in lost.values():
                answers.append(answers[-1])
            continue
        lost[Channel.EXTRACTION].append(system.extraction(share))
        lost[Channel.UPSTREAM].append(system.leontief(system.denied_sales(share)))
        lost[Channel.DOWNSTREAM].append(system.ghosh(system.denied_inputs(share)))
    frames = []
    for channel, outputs in lost.items():
        frames.append(_rows(table, channel, Metric.OUTPUT_LOSS, outputs, basis))
        frames.append(_rows(table, channel, Metric.LOSS, [x * system.value_added_share for x in outputs], basis))
    n, j, _ = table.size
    added = table.VA.reshape(n, j).sum(axis=1)
    notes = (
        "input_output: nobody substitutes and prices stand still, so everyone can only lose, third parties too: "
        "bounds, not forecasts",
        "input_output: loss is value added; a target that is denied inputs shows it in downstream (Ghosh), not in "
        "extraction, which counts lost sales; Ghosh lets demand follow supply and is an indication (Oosterhaven 1988)",
        f"input_output: table of {table.period}, {n} economies by {j} sectors ({table.classification}); "
        "shares of GDP are of the table's value added",
    )
    gdp = {e: float(a) for e, a in zip(table.economies, added, strict=True) if a > 0}
    return Answer("input_output", answer_rows(frames), (), notes, gdp=gdp)


def _rows(table: IOTable, channel: Channel, metric: Metric, cases: list[Floats], basis: str) -> pl.DataFrame:
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
