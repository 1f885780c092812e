"""From an input-output table to the world before a measure, as an equilibrium that reproduces itself.

Tables hold what the model has no word for: inventories drawn down, negative deliveries, industries without output,
taxes that are nobody's wage. `calibrate` takes the shares from the table, leaves out what cannot be, and computes
output anew from final spending, so that all accounts hold exactly; how much that moves is said in the notes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import Fault, InputError, ModelError, UsageError, nearest
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.simulation.elasticities import Elasticities
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline
from weaponized_interdependence.simulation.equilibrium.solver import solve
from weaponized_interdependence.simulation.input_output import items_of
from weaponized_interdependence.terms import Basis, weakest

# Changes in inventories, as the publishers read here call them (WIOD 2013; OECD ICIO, two editions).
INVENTORIES = frozenset({"c42", "INVNT", "INV"})

_SWEEPS = 20_000
_SETTLED = 1e-14
_NOTHING = 1e-16  # of the largest output
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Calibration:
    """A baseline, and what was done to the table to get it.

    - `baseline`: see `Baseline`; money is in the table's unit
    - `expenditure` [j, n], `output` [j, i], `income` [n]: levels of the baseline, tariffs included in expenditure
    - `moved`: sum of absolute changes of output against the table, over the table's output
    - `basis`: of the baseline's numbers; `notes`: every treatment, with its size
    """

    baseline: Baseline
    expenditure: Array
    output: Array
    income: Array
    moved: float
    basis: str
    notes: tuple[str, ...]


def calibrate(
    io_table: IOTable,
    theta: float | npt.ArrayLike | Mapping[str, float],
    tariff: npt.ArrayLike | None = None,
    *,
    inventories: str = "net",
) -> Baseline:
    """The baseline of a table, an exact equilibrium; `calibration` gives the notes beside it.

    Shares, with M[j, n, i] what industries and final demand of n together buy of j from i, at the seller's price:

        share = M (1 + tariff) / sum over i          one mix of sources for every use, as Caliendo and Parro have it
        input_share[k, j, n] = what industry j of n pays for input k, tariffs included, over its output
        value_added_share = 1 - sum over k of input_share
        consumption_share = final spending by sector over all final spending, fixed capital and government included

    Value added is thus everything in an industry's column that is no input: wages, profits, and the taxes and margins
    that the table books in `other`, less the duty now counted with inputs. Final spending is kept as the table has it;
    output, value added and deficits follow from it and the shares.

    Parameters
    ----------
    io_table
        The table, with N economies and J sectors.
    theta
        Trade elasticity (sigma - 1) of every sector: one number, an array [j], or a mapping from sector (or
        CLASSIFICATION:sector) to number. `thetas` takes them from a set of elasticities.
    tariff
        Ad valorem tariffs [j, n, i] (0.1 = 10 per cent), or one for all trade abroad; none by default, which a note
        says.
    inventories
        `net`: changes in inventories are final demand like any other, netted with the rest before anything negative
        is dropped. `drop`: they are left out (names in INVENTORIES).

    Returns
    -------
    Baseline
        With the table's names of sectors and economies, in the table's unit of money.

    Raises
    ------
    InputError
        Every sector without a theta, theta or tariff of the wrong shape or size, economies without final demand or
        value added.
    ModelError
        Production chains of the table do not end.

    Notes
    -----
    Pooled sources: tables themselves allot imports to users mostly by proportion. Negative cells are set to zero and
    shares taken anew, as Caliendo and Parro (2015, Review of Economic Studies 82(1): 1-44) do with negative final
    demand; an industry whose inputs exceed its output has them scaled down to it.

    Examples
    --------
    >>> table = IOTable("2020", ("A", "B"), ("s",), ("f",), np.array([[2.0, 1.0], [1.0, 2.0]]),
    ...     np.array([[6.0, 1.0], [1.0, 6.0]]), np.array([7.0, 7.0]), np.array([10.0, 10.0]), np.zeros(2), "X")
    >>> base = calibrate(table, 5.0)
    >>> base.share[0].tolist(), base.value_added.round(9).tolist(), base.value_added_share.round(9).tolist()
    ([[0.8, 0.2], [0.2, 0.8]], [7.0, 7.0], [[0.7, 0.7]])
    """
    return calibration(io_table, theta, tariff, inventories=inventories).baseline


@on_one_blas_thread
def calibration(
    io_table: IOTable,
    theta: float | npt.ArrayLike | Mapping[str, float],
    tariff: npt.ArrayLike | None = None,
    *,
    inventories: str = "net",
) -> Calibration:
    """As `calibrate`, with levels and the notes on what was done to the table. Same arguments, same errors."""
    if inventories not in ("net", "drop"):
        raise UsageError(f"no treatment of inventories {inventories!r}", mend="net or drop")
    notes = [_pooled(io_table)]
    duty, chosen = _arguments(io_table, theta, tariff, notes)
    deliveries, inputs, final = _deliveries(io_table, inventories, notes)
    share, markup = _shares(deliveries, duty)
    input_share = _input_shares(io_table, inputs * markup[:, None, :], notes)
    spent = final * markup  # tariffs included, [k, n]
    _refuse_without("final demand", io_table, spent.sum(axis=0))
    n, j, _ = io_table.size
    start = io_table.x.reshape(n, j).T
    paid = share / (1.0 + duty)
    output = _output(paid, input_share, spent, np.maximum(start, 0.0))
    expenditure = np.einsum("kjn,jn->kn", input_share, output) + spent
    value_added_share = np.maximum(1.0 - input_share.sum(axis=0), 0.0)  # rounding may take it below
    value_added = (value_added_share * output).sum(axis=0)
    _refuse_without("value added", io_table, value_added)
    revenue = np.einsum("jni,jn->n", duty * paid, expenditure)
    deficit = spent.sum(axis=0) - value_added - revenue
    baseline = Baseline(
        share=share,
        value_added_share=value_added_share,
        input_share=input_share,
        consumption_share=spent / spent.sum(axis=0),
        value_added=value_added,
        tariff=duty,
        deficit=deficit - deficit.sum() * value_added / value_added.sum(),  # rounding: deficits add up to zero
        theta=chosen,
        sectors=io_table.sectors,
        economies=io_table.economies,
    )
    moved = float(np.abs(output - start).sum() / np.abs(start).sum())
    notes.append(_moves(io_table, start, output, moved))
    notes.append(_deficits(io_table, baseline))
    basis = weakest(io_table.basis, Basis.ESTIMATED.value)
    return Calibration(baseline, expenditure, output, spent.sum(axis=0), moved, basis, tuple(filter(None, notes)))


def balance(baseline: Baseline, *, tol: float = 1e-12) -> Baseline:
    """The world with every deficit closed: the counterfactual equilibrium without deficits, taken as a new baseline.

    Caliendo and Parro, and Chowdhry, Hinz, Kamin and Wanner (2024), start their counterfactuals there, so that what
    they find is not the closing of deficits. Sectoral and source shares and value added change; technology, tastes,
    tariffs and theta do not. A baseline without deficits comes back as it is.

    >>> share = np.array([[[0.8, 0.2], [0.3, 0.7]]])
    >>> made = dict(value_added_share=np.ones((1, 2)), input_share=np.zeros((1, 1, 2)),
    ...     consumption_share=np.ones((1, 2)), tariff=np.zeros((1, 2, 2)), theta=np.array([5.0]))
    >>> tilted = Baseline(share=share, value_added=np.array([11.0, 9.0]), deficit=np.array([-1.0, 1.0]), **made)
    >>> level = balance(tilted)
    >>> bool(np.isclose(level.value_added[0] * level.share[0, 0, 1], level.value_added[1] * level.share[0, 1, 0]))
    True
    """
    if not baseline.deficit.any():
        return baseline
    after = solve(baseline, deficit=np.zeros_like(baseline.deficit), tol=tol)
    return replace(
        baseline,
        share=after.share,
        value_added=after.wage * baseline.value_added,
        deficit=np.zeros_like(baseline.deficit),
    )


def thetas(io_table: IOTable, elasticities: Elasticities, horizon: str) -> pl.DataFrame:
    """Trade elasticities of a table's sectors from a set, in the table's order.

    Returns sector, item, pattern (the row of the set that was taken), theta_low, theta, theta_high (sigma - 1), error
    (published relative standard error of theta), basis.

    >>> from types import SimpleNamespace
    >>> from weaponized_interdependence.simulation.elasticities import load
    >>> table = SimpleNamespace(classification="WIOD13", sectors=("c8", "c20"))
    >>> thetas(table, load(), "long").select("sector", "theta_low", "theta", "theta_high").rows()
    [('c8', 8.333, 8.333, 64.85), ('c20', 4.0, 5.882, 8.22)]
    """
    items = items_of(io_table)
    found = elasticities.of(pl.Series("item", items, dtype=pl.String), horizon)
    frame = pl.DataFrame({"sector": io_table.sectors, "item": items}).join(
        found, on="item", how="left", maintain_order="left"
    )
    # Through text: 8.333 + 1 - 1 is 8.333 again, not 8.333000000000002.
    ends = [(pl.col(f"sigma{end}") - 1).round(12).alias(f"theta{end}") for end in ("_low", "", "_high")]
    return frame.select("sector", "item", "pattern", *ends, "error", "basis")


# ---- arguments --------------------------------------------------------------------------------------------------


def _arguments(
    table: IOTable, theta: float | npt.ArrayLike | Mapping[str, float], tariff: npt.ArrayLike | None, notes: list[str]
) -> tuple[Array, Array]:
    """Tariffs [j, n, i] and theta [j], or every fault of both."""
    n, j, _ = table.size
    faults: list[Fault] = []
    chosen = _theta(table, theta, faults)
    duty, given = np.zeros((j, n, n)), np.asarray(0.0 if tariff is None else tariff, dtype=np.float64)
    at_home = np.eye(n, dtype=bool)
    if given.shape not in ((), duty.shape):
        faults.append(
            Fault(f"tariff has shape {given.shape}, the table says {duty.shape}", mend="[sector, importer, exporter]")
        )
    elif not (np.isfinite(given).all() and (given > -1).all()):
        faults.append(Fault("tariffs must be finite and above -1", mend="0.1 is 10 per cent"))
    elif given.ndim and given[:, at_home].any():
        faults.append(Fault("there are tariffs on purchases at home", mend="axes are sector, importer, exporter"))
    else:
        duty = np.where(at_home, 0.0, np.broadcast_to(given, duty.shape))
    if not duty.any():
        notes.append("no tariffs are given: they are zero before the measure, and duty paid stays inside value added")
    if faults:
        raise InputError("the equilibrium cannot be calibrated with these arguments", faults=faults)
    return duty, chosen


def _theta(table: IOTable, theta: float | npt.ArrayLike | Mapping[str, float], faults: list[Fault]) -> Array:
    j = len(table.sectors)
    if isinstance(theta, Mapping):
        of = {s: theta.get(s, theta.get(item)) for s, item in zip(table.sectors, items_of(table), strict=True)}
        known = [*table.sectors, *items_of(table)]
        faults += [Fault(f"no theta for sector {s}") for s, value in of.items() if value is None]
        faults += [
            Fault(f"theta for {name!r}, which is no sector of the table", mend=", ".join(nearest(str(name), known)))
            for name in theta
            if name not in known
        ]
        chosen = np.array([1.0 if value is None else value for value in of.values()], dtype=np.float64)
    else:
        chosen = np.asarray(theta, dtype=np.float64)
        if chosen.shape not in ((), (j,)):
            faults.append(Fault(f"theta has shape {chosen.shape}, the table has {j} sectors"))
            return np.ones(j)
        chosen = np.array(np.broadcast_to(chosen, (j,)))
    wrong = [table.sectors[k] for k in np.flatnonzero(~(np.isfinite(chosen) & (chosen > 0)))]
    if wrong:
        faults.append(Fault(f"theta is not a number above zero for {_some(wrong)}", mend="theta = sigma - 1"))
    return chosen


def _refuse_without(what: str, table: IOTable, sizes: Array) -> None:
    if empty := [table.economies[i] for i in np.flatnonzero(sizes <= 0)]:
        raise InputError(
            f"economies without {what}",
            faults=[Fault(f"{name} has no {what} above zero") for name in empty],
            mend="is the table whole? load the publisher's file again (wi load); no option of wi merges economies, in "
            "Python aggregate(table, economies={...}) does",
        )


# ---- the table, cleaned -----------------------------------------------------------------------------------------


def _deliveries(table: IOTable, inventories: str, notes: list[str]) -> tuple[Array, Array, Array]:
    """At the sellers' prices and never negative: all deliveries [k, n, i], inputs [k, j, n], final demand [k, n]."""
    n, j, f = table.size
    active = (table.x > 0).reshape(n, j)
    demands = np.array([not (inventories == "drop" and name in INVENTORIES) for name in table.demands])
    whole = float(np.abs(table.Z).sum() + np.abs(table.Y).sum())
    tally = _Tally(table.unit, whole)
    intermediate, inputs = np.zeros((j, n, n)), np.zeros((j, j, n))
    for i in range(n):  # one seller's rows at a time: a copy of the table would be as large as the table
        rows = table.Z[i * j : (i + 1) * j].reshape(j, n, j)
        sold = np.where(active[i][:, None, None] & active[None], np.maximum(rows, 0.0), 0.0)
        tally.add("negative cells of inputs are set to zero", -np.minimum(rows, 0.0))
        idle = np.maximum(rows, 0.0) - sold
        tally.add("cells of inputs from or to industries without output are left out", idle)
        intermediate[:, :, i] = sold.sum(axis=2)
        inputs += sold.transpose(0, 2, 1)
    tally.add("rows' discrepancies, which nobody buys, are left out", np.abs(table.discrepancy))
    last = table.Y.reshape(n, j, n, f)
    tally.add("cells of changes in inventories are left out", np.abs(last[..., ~demands]))
    last = last[..., demands].sum(axis=3)  # [i, k, n]
    tally.add("cells of final demand from industries without output are left out", np.abs(last[~active]))
    last = np.where(active[:, :, None], last, 0.0).transpose(1, 2, 0)
    both = intermediate + last
    final = last.sum(axis=2)
    tally.add("negative cells of final demand by buyer and sector are set to zero", -np.minimum(final, 0.0))
    tally.add("negative cells of deliveries by buyer, sector and seller are set to zero", -np.minimum(both, 0.0))
    used = (inputs.sum(axis=1) + np.maximum(final, 0.0)) > 0
    gone = used & (np.maximum(both, 0.0).sum(axis=2) == 0)
    both[gone] = (intermediate + np.maximum(last, 0.0))[gone]
    if inventories == "net" and INVENTORIES & set(table.demands):
        notes.append("changes in inventories count as final demand, netted with the rest of it")
    if not active.all():
        names = [f"{table.economies[a]}_{table.sectors[b]}" for a, b in np.argwhere(~active)]
        notes.append(f"{len(names)} industries have no output and stay without: {_some(names)}")
    notes += tally.lines()
    return np.maximum(both, 0.0), inputs, np.maximum(final, 0.0)


class _Tally:
    """What was left out: how many cells, how much money."""

    def __init__(self, unit: str, whole: float) -> None:
        self.unit, self.whole = unit, whole
        self._found: dict[str, tuple[int, float]] = {}

    def add(self, what: str, sizes: Array) -> None:
        cells, money = self._found.get(what, (0, 0.0))
        self._found[what] = cells + int(np.count_nonzero(sizes)), money + float(sizes.sum())

    def lines(self) -> list[str]:
        return [
            f"{cells} {what}: {money:.4g} {self.unit}, {money / self.whole:.2g} of all deliveries"
            for what, (cells, money) in self._found.items()
            if cells
        ]


def _shares(deliveries: Array, duty: Array) -> tuple[Array, Array]:
    """Shares of tariff-inclusive spending [j, n, i], and spending per unit at the sellers' prices [j, n]."""
    paid = deliveries * (1.0 + duty)
    total, bare = paid.sum(axis=2), deliveries.sum(axis=2)
    share = np.divide(paid, total[:, :, None], out=np.zeros_like(paid), where=total[:, :, None] > 0)
    return share, np.divide(total, bare, out=np.ones_like(total), where=bare > 0)


def _input_shares(table: IOTable, paid: Array, notes: list[str]) -> Array:
    """Inputs, tariffs included, in the cost of every industry: [k, j, n], adding up to at most 1 over k."""
    n, j, _ = table.size
    x = np.maximum(table.x.reshape(n, j).T, 0.0)
    share = np.divide(paid, x[None], out=np.zeros_like(paid), where=x[None] > 0)
    cost = share.sum(axis=0)
    over = cost > 1.0
    if over.any():
        names = [f"{table.economies[b]}_{table.sectors[a]}" for a, b in np.argwhere(over)]
        cut = float(((cost - 1.0) * x)[over].sum())
        notes.append(
            f"inputs of {len(names)} industries exceed their output and are scaled down to it, value added zero: "
            f"{cut:.4g} {table.unit} ({_some(names)})"
        )
        share = share / np.maximum(cost, 1.0)
    return share


def _output(paid: Array, input_share: Array, spent: Array, start: Array) -> Array:
    """Output [j, i] that final spending [j, n] calls for along the chains, by going round them until nothing moves.

    `paid` [j, n, i]: of n's spending on j, what reaches producers in i. Every round leaves out value added, so that the
    error shrinks with it; no system as large as the table is ever solved.
    """
    output = start
    for _ in range(_SWEEPS):
        before = output
        expenditure = np.einsum("kjn,jn->kn", input_share, before) + spent
        output = np.asarray(np.einsum("jni,jn->ji", paid, expenditure))
        # What sells to nobody but itself comes to nothing, and takes its time.
        if (np.abs(output - before) <= _SETTLED * np.maximum(output, _NOTHING * output.max())).all():
            return output
    raise ModelError(
        f"output does not settle in {_SWEEPS} rounds: production chains of this table never end",
        mend="look for industries whose inputs reach their output (value added zero or below)",
    )


# ---- what is said -----------------------------------------------------------------------------------------------


def _pooled(table: IOTable) -> str:
    name = f"{table.publisher or 'input-output table'} {table.period}"
    return (
        f"baseline of the equilibrium: {name}, {len(table.economies)} economies, {len(table.sectors)} sectors; every "
        "use of a sector in an economy has the same mix of sources; value added is output less inputs, so taxes and "
        "margins of the table are inside it"
    )


def _moves(table: IOTable, start: Array, output: Array, moved: float) -> str:
    """How far the calibrated world is from the table."""
    size = start.sum(axis=0)
    change = np.divide(output.sum(axis=0) - size, size, out=np.zeros_like(size), where=size > 0)
    worst = int(np.argmax(np.abs(change)))
    return (
        f"output is computed anew from final spending, so that all accounts hold: {moved:.2g} of the table's output "
        f"moves, most in {table.economies[worst]} ({change[worst]:+.2g})"
    )


def _deficits(table: IOTable, baseline: Baseline) -> str:
    share = baseline.deficit / baseline.value_added
    worst = int(np.argmax(np.abs(share)))
    surplus = float(np.maximum(-baseline.deficit, 0.0).sum() / baseline.value_added.sum())
    return (
        f"deficits (final spending less income) come to {surplus:.2g} of world value added, the largest relative to "
        f"its economy in {table.economies[worst]} ({share[worst]:+.2g}); balance(baseline) closes them"
    )


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
