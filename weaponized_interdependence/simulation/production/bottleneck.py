"""The bound of a critical input: what an industry loses when a part of one input is missing and hard to replace.

An industry makes Y of the input E, of cost share a, and of all else; sigma is the elasticity of substitution between
them. When the share d of E is missing, and all else is there,

    dY/Y = [a (1 - d)^((sigma - 1)/sigma) + 1 - a]^(sigma/(sigma - 1)) - 1

    sigma -> 0  -d (Leontief: the bottleneck)      sigma = 1  (1 - d)^a - 1 (Cobb-Douglas)      sigma -> inf  -a d

With several inputs missing at once the a (1 - d)^... are summed. This is the production function that Bachmann et al.
(2022) put Germany's energy into; sigma is an assumption, so every answer is a band. Geerolf (2023) objects that such
models of supply in equilibrium leave out demand and what happens in the short run: the band is no ceiling of the loss.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, UsageError, nearest
from weaponized_interdependence.io_table import Array, IOTable, LeontiefSystem
from weaponized_interdependence.io_table.cuts import check_shares
from weaponized_interdependence.simulation.impact import Answer, Assumption, answer_rows
from weaponized_interdependence.simulation.input_output import gdp_of, items_of, rows_of
from weaponized_interdependence.terms import Basis, Channel, Metric

_NONE = 1e-12  # an elasticity below this is none: the formula is then within 1e-9 of its limit
_TIE = 1e-12  # losses nearer to each other, relatively, are equal: the first sector of the table is named


class Sigma(NamedTuple):
    """Elasticity of substitution between a critical input and all else; a low one makes a high loss.

    0.04 and 0.10 are the values of the application to German energy as recalled (they give the published 1.5 and 2.3
    per cent); 0.5 is a choice, for inputs that are not as hard to replace as gas. All are assumptions.
    """

    low: float = 0.04
    value: float = 0.10
    high: float = 0.50


@dataclass(frozen=True, eq=False)
class Bottlenecks:
    """Losses are shares of output, 0 to 1.

    `cost_share` and `missing` (sectors, rows): of each input sector in an industry's costs, and how much of it is
    denied, whatever its origin; `loss` (rows,): of the worst input alone; `worst` (rows,): which sector, -1 for none;
    `joint` (rows,): all critical inputs missing at once, never less than `loss`.
    """

    cost_share: Array
    missing: Array
    loss: Array
    worst: npt.NDArray[np.int64]
    joint: Array


def ces_loss(cost_share: Array | float, missing: Array | float, sigma: float, *, joint: bool = False) -> Array:
    """Share of output lost, 0 to 1, when the share `missing` of an input of cost share `cost_share` is not there.

    Parameters
    ----------
    cost_share, missing
        Shares, 0 to 1, of one shape (broadcast): one answer each; where `joint`, the first axis holds the inputs of one
        producer, missing at the same time, and is gone in the answer.
    sigma
        Elasticity of substitution, 0 to infinity, both included.

    Raises
    ------
    UsageError
        Shares outside 0 to 1, inputs that together cost more than all, a sigma below zero: every fault.

    Examples
    --------
    Energy 4 per cent of costs, a tenth missing; gas 1 per cent, three tenths missing; and the limits.

    >>> float(ces_loss(0.04, 0.10, 0.04).round(4)), float(ces_loss(0.01, 0.30, 0.10).round(4))
    (0.0157, 0.0234)
    >>> [float(ces_loss(0.25, 0.5, sigma).round(6)) for sigma in (0.0, 1.0, np.inf)]
    [0.5, 0.159104, 0.125]
    """
    share, gone = np.broadcast_arrays(np.asarray(cost_share, dtype=np.float64), np.asarray(missing, dtype=np.float64))
    faults = [
        Fault(f"{name} is outside 0 to 1")
        for name, array in (("cost_share", share), ("missing", gone))
        if not ((array >= 0) & (array <= 1)).all()
    ]
    if joint and not faults and (share.sum(axis=0) > 1 + 1e-9).any():
        faults.append(Fault("cost shares of one producer's inputs add up to more than 1"))
    if not sigma >= 0:
        faults.append(Fault(f"sigma is {sigma}", mend="give an elasticity of substitution, 0 or above"))
    if faults:
        raise UsageError("no CES loss of these numbers", faults=faults)
    if not joint:
        share, gone = share[None], gone[None]
    gone = np.where(share > 0, gone, 0.0)  # what costs nothing is not needed
    if sigma < _NONE:
        return np.asarray(gone.max(axis=0, initial=0.0))
    power = -1.0 if np.isinf(sigma) else (1.0 - sigma) / sigma
    with np.errstate(divide="ignore"):
        left = np.log1p(-gone)  # ln(1 - d), -inf where all is missing
    if power == 0:
        weighed = np.multiply(share, left, out=np.zeros(share.shape), where=share > 0)
        return np.asarray(-np.expm1(weighed.sum(axis=0)))
    return np.asarray(-np.expm1(-_log_of_mean(share, np.where(gone > 0, -power * left, 0.0)) / power))


def _log_of_mean(share: Array, power: Array) -> Array:
    """ln(1 - sum a + sum a e^t) over the first axis, for t small, large and infinite."""
    top = power.max(axis=0, initial=0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        near = np.log1p((share * np.expm1(power)).sum(axis=0))
        rest = np.maximum(1.0 - share.sum(axis=0), 0.0)
        far = top + np.log(rest * np.exp(-top) + (share * np.exp(power - top)).sum(axis=0))
    return np.asarray(np.where(np.isinf(top), np.inf, np.where(top < 1.0, near, far)))


def bottlenecks(
    table: IOTable, denied: Array, sigma: float = Sigma().value, critical: Collection[str] | None = None
) -> Bottlenecks:
    """The bound for every industry of a table when shares of its inputs are denied.

    Parameters
    ----------
    table
        Cost shares are deliveries of a sector, from everywhere, over all costs: output, or the sum of inputs where
        value added is below zero. Cells below zero are none.
    denied
        Share of the deliveries of a row that stops: (rows, economies), or (rows, rows) for each using industry. Of a
        sector's deliveries to an industry that part is missing: other origins do not step in, which is the short run.
    sigma
        Elasticity of substitution between an input and all else; one for all industries, an assumption.
    critical
        Sectors whose products cannot be done without. Default all: the bound is then at its highest, for it takes
        paper and advertising for as hard to replace as gas. Those left out cost nothing when missing.

    Notes
    -----
    First round only: that an industry which makes less delivers less to others is not in it.

    Examples
    --------
    Gas (s1) of A is a tenth of the costs of B's industry (s2), which gets half of its gas from A.

    >>> from weaponized_interdependence.simulation.production.examples import small
    >>> gas, none = [0, 0, 0, 5], [0, 0, 0, 0]
    >>> t = small([gas, none, gas, none], [[1, 0], [1, 0], [0, 1], [0, 100]], ("A", "B"))
    >>> found = bottlenecks(t, np.array([[0.0, 1.0], [0, 0], [0, 0], [0, 0]]), sigma=0.0)
    >>> found.cost_share[0, 3].round(3).item(), found.missing[0, 3].item(), found.loss.tolist()
    (0.1, 0.5, [0.0, 0.0, 0.0, 0.5])
    """
    check_shares(table, denied)
    n, j, _ = table.size
    needed = np.ones(j) if critical is None else _among(table, critical)
    bought = (table.Z if table.Z.min(initial=0.0) >= 0 else np.maximum(table.Z, 0.0)).reshape(n, j, n, j)
    inputs = bought.sum(axis=0)  # (sector, economy, industry)
    gone = np.einsum("ikml,ikml->kml", bought, denied.reshape(n, j, n, -1))  # one share for all l, or each its own
    cost = np.where(table.x.reshape(n, j) > 0, np.maximum(table.x.reshape(n, j), inputs.sum(axis=0)), 0.0)
    share = np.divide(inputs, cost, out=np.zeros_like(inputs), where=cost > 0).reshape(j, n * j)
    missing = np.divide(gone, inputs, out=np.zeros_like(inputs), where=inputs > 0).reshape(j, n * j)
    missing = np.clip(missing, 0.0, 1.0)  # a ratio of sums of the same numbers: rounding alone
    felt = missing * needed[:, None]
    each = ces_loss(share, felt, sigma)
    loss = each.max(axis=0)
    first = (each >= (1 - _TIE) * loss).argmax(axis=0)
    worst = np.where(loss > 0, first, -1).astype(np.int64)
    return Bottlenecks(share, missing, loss, worst, ces_loss(share, felt, sigma, joint=True))


def _names(critical: Collection[str]) -> list[str]:
    return [critical] if isinstance(critical, str) else sorted(set(critical))


def _among(table: IOTable, critical: Collection[str]) -> Array:
    """1 for each critical sector, by its name in the table or as an item (CLASSIFICATION:name)."""
    asked = _names(critical)
    words = {name: k for names in (items_of(table), table.sectors) for k, name in enumerate(names)}
    if unknown := [name for name in asked if name not in words]:
        faults = [
            Fault(f"no sector {name!r}", mend=f"did you mean {', '.join(close)}?" if close else "")
            for name in unknown
            for close in [nearest(name, list(words))]
        ]
        raise UsageError(
            "the table has no such sector", faults=faults, mend=f"its sectors are {', '.join(table.sectors)}"
        )
    chosen = np.zeros(len(table.sectors))
    chosen[[words[name] for name in asked]] = 1.0
    return chosen


def worst_inputs(table: IOTable, found: Bottlenecks) -> pl.DataFrame:
    """Which input is the bottleneck of which industry: one row for each industry that loses.

    Columns: economy, item (the industry), input (the worst sector), cost_share and missing of it, loss (share of
    output), value_added_loss (the table's unit); largest loss of value added first.
    """
    j = len(table.sectors)
    items = pl.Series(items_of(table), dtype=pl.String)
    rows = np.flatnonzero(found.worst >= 0)
    worst = found.worst[rows]
    return pl.DataFrame(
        {
            "economy": pl.Series(table.economies, dtype=pl.String).gather(rows // j),
            "item": items.gather(rows % j),
            "input": items.gather(worst),
            "cost_share": found.cost_share[worst, rows],
            "missing": found.missing[worst, rows],
            "loss": found.loss[rows],
            "value_added_loss": found.loss[rows] * table.VA[rows],
        }
    ).sort(["value_added_loss", "economy", "item"], descending=[True, False, False])


def _dearest(table: IOTable, found: Bottlenecks) -> list[str]:
    """One note on the three industries whose bottleneck costs most value added; none where nobody loses."""
    rows = worst_inputs(table, found).head(3).iter_rows(named=True)
    told = [f"{r['item']} of {r['economy']} lacks {r['missing']:.0%} of its {r['input']}" for r in rows]
    return [f"bottleneck: dearest in value added: {'; '.join(told)}"] if told else []


def answer(
    system: LeontiefSystem,
    denied: Mapping[str, Array],
    *,
    sigma: Sigma | None = None,
    critical: Collection[str] | None = None,
) -> Answer:
    """Value added and output each industry would lose to its worst missing input, as a model of a scenario.

    `denied`: case (low, value, high) -> (rows, economies) shares, as `denied_shares` makes them; low loss takes the
    high sigma, high loss the low one. `basis` is not asked for: sigma makes the answer assumed. Units: the table's.
    """
    sigma = sigma or Sigma()
    if not 0 <= sigma.low <= sigma.value <= sigma.high:
        raise UsageError(f"sigma is {tuple(sigma)}", mend="give low, value and high in order, 0 or above")
    table = system.table
    cases = ((denied["low"], sigma.high), (denied["value"], sigma.value), (denied["high"], sigma.low))
    lost = [bottlenecks(table, share, elasticity, critical) for share, elasticity in cases]
    weak = Basis.ASSUMED.value
    frames = [
        rows_of(table, Channel.DOWNSTREAM, metric, [found.loss * size for found in lost], weak)
        for metric, size in ((Metric.OUTPUT_LOSS, table.x), (Metric.LOSS, table.VA))
    ]
    named = (
        "every sector counts as critical (highest bound)"
        if critical is None
        else f"critical: {', '.join(_names(critical))}"
    )
    notes = (
        "bottleneck: each industry loses what its worst missing input costs it, first round only: no passing on, no "
        f"other origin steps in; {named}",
        f"bottleneck: the elasticity between an input and all else is assumed, {sigma.value:g} ({sigma.low:g} to "
        f"{sigma.high:g}); Geerolf (2023) objects that equilibrium models of supply leave out demand and the short "
        "run: read the band, and not as a ceiling",
        "bottleneck: who is denied sales and no inputs loses nothing here; see input_output",
        *_dearest(table, lost[1]),
    )
    assumed = Assumption(
        "bottleneck.sigma",
        sigma.value,
        sigma.low,
        sigma.high,
        "elasticity of substitution",
        weak,
        "Bachmann et al. (2022) for the lower two, as recalled; the upper is a choice",
    )
    return Answer("bottleneck", answer_rows(frames), (), notes, (assumed,), gdp=gdp_of(table))
