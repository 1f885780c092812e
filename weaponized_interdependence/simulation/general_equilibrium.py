"""The `equilibrium` model: what the measures of a phase do once wages, prices and all markets have moved.

The table is calibrated once a run (shares of spending, of cost and of sources), its trade balanced, and each case is
one counterfactual of that world, solved in exact changes (Caliendo and Parro 2015):

    denied share s = 1 of a cell    its share is zero, exactly; what it paid in duty is lost with it
    0 < s < 1                       d = (1 - s)^(-1 / theta): s of the products inside the sector are banned, and
                                    products replace each other as sources do, at theta (assumed)
    duty t, mean over products      tariff t, which the importer collects

    loss share  1 - W,  W = (income after / income before) / (price index after / before)
    loss        income before x (1 - W): what the economy would give to be spared the measures, at prices before
    output lost output before x (1 - (output after / output before) / (unit cost after / before)), at prices before

Low and high: the 5th and 95th percentile of joint draws of thetas and shares; without draws (`--draws 0`) corners, low
loss with high theta and low shares, high loss the reverse. Labour and capital are fully employed wherever they end up
and move freely between sectors: the horizons differ in theta alone, none of them has unemployment or idle plants in it,
and none is a forecast of GDP.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.simulation.elasticities import Elasticities
from weaponized_interdependence.simulation.equilibrium.bans import cost_of
from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual
from weaponized_interdependence.simulation.equilibrium.calibration import balance, calibration, thetas
from weaponized_interdependence.simulation.equilibrium.decomposition import unit_cost
from weaponized_interdependence.simulation.equilibrium.economy import Baseline, Equilibrium
from weaponized_interdependence.simulation.equilibrium.policy import Quota, solve_quotas
from weaponized_interdependence.simulation.equilibrium.solver import levels, solve
from weaponized_interdependence.simulation.impact import ALL, Answer, Assumption, answer_rows, no_answer
from weaponized_interdependence.simulation.input_output import gdp_of, items_of
from weaponized_interdependence.simulation.sectors import SectorShares
from weaponized_interdependence.simulation.shock import CASES
from weaponized_interdependence.terms import HORIZONS, Channel, Horizon, Metric, weakest

Floats = npt.NDArray[np.float64]

MODEL = "equilibrium"
WHOLE = 1 - 1e-9  # a share from here on is a ban: sums of products leave a rounding error
# Whether the case takes the low, the central or the high theta: a low loss goes with a high one.
_ENDS = {"low": "theta_high", "value": "theta", "high": "theta_low"}


# ---- the world before -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class World:
    """A table calibrated for counterfactuals: once a run, whatever number of phases and cases follow.

    `base` is the balanced baseline at the central long-run thetas, `expenditure` [j, n] what is spent in it.
    `income` [n]: what each economy earns by producing, as the table has it before trade is balanced, in its unit.
    """

    table: IOTable
    base: Baseline
    expenditure: Floats
    income: Floats
    theta: Mapping[str, pl.DataFrame]
    basis: str
    notes: tuple[str, ...]

    def thetas(self, horizon: str, case: str = "value") -> Floats:
        """Trade elasticity of every sector [j] at a horizon, in one case of the loss (low, value, high)."""
        return self.theta[str(horizon)][_ENDS[case]].to_numpy().astype(np.float64)

    @cached_property
    def output(self) -> Floats:
        """Output before [j, i], at the sellers' prices."""
        return _output(self.base.share, self.expenditure, self.base.tariff)


def world_of(table: IOTable, elasticities: Elasticities, horizons: Sequence[str] = HORIZONS) -> World:
    """Calibrate a table, balance its trade, and look up the thetas of its sectors at each horizon.

    The medium horizon takes the geometric mean of short and long, end by end (assumed: no source has one).

    Raises what `calibrate` raises.
    """
    wanted = dict.fromkeys([*horizons, Horizon.LONG])
    looked_up = {str(h): thetas(table, elasticities, str(h)) for h in wanted}
    made = calibration(table, looked_up[Horizon.LONG.value]["theta"].to_numpy())
    base = balance(made.baseline)
    return World(
        table,
        base,
        levels(base).expenditure,
        made.baseline.value_added,
        {str(h): looked_up[str(h)] for h in horizons},
        made.basis,
        made.notes,
    )


# ---- what the measures are in its terms -------------------------------------------------------------------------


def counterfactual_of(
    cells: SectorShares,
    table: IOTable,
    theta: npt.ArrayLike,
    *,
    case: str = "value",
    members: Iterable[str] | None = None,
    target: Iterable[str] = (),
) -> Counterfactual:
    """The measures of one phase as the arrays of one counterfactual, with its theta.

    Parameters
    ----------
    cells
        What `sector_shares` found: denied shares (low, value, high) and duties by origin, destination, item. A quota
        among them is read as a denied share; `equilibrium` takes its ceiling and rents into account.
    theta
        [j], of the table's sectors; a denied share becomes d = (1 - s)^(-1/theta) at this theta.
    case
        Which of the shares: low, value or high.
    members
        Only what these economies do to the target (one end in `members`, the other in `target`); by default all.

    Examples
    --------
    >>> table = IOTable("2020", ("A", "B"), ("s",), ("f",), np.eye(2), np.full((2, 2), 2.0), np.full(2, 4.0),
    ...                 np.full(2, 5.0), np.zeros(2), "X")
    >>> at = {"origin": ["A"], "destination": ["B"], "item": ["X:s"]}
    >>> half = SectorShares(pl.DataFrame(at | {"low": [0.5], "value": [0.75], "high": [1.0]}),
    ...                     pl.DataFrame(at | {"tariff": [0.1]}), "assumed", ())
    >>> made = counterfactual_of(half, table, [2.0])
    >>> made.cost_change.tolist(), made.tariff.tolist(), made.banned
    ([[[1.0, 1.0], [2.0, 1.0]]], [[[0.0, 0.0], [0.1, 0.0]]], None)
    >>> counterfactual_of(half, table, [2.0], case="high").banned.tolist()
    [[[False, False], [True, False]]]
    """
    theta = np.asarray(theta, dtype=np.float64)
    shares, duties = (_of_members(frame, members, target) for frame in (cells.shares, cells.duties))
    denied = cell_array(table, shares, case)
    cost, banned = denial(denied, theta)
    return Counterfactual(
        cost_change=cost if (cost > 1).any() else None,
        tariff=cell_array(table, duties, "tariff") if duties.height else None,
        banned=banned if banned.any() else None,
        theta=theta,
    )


def counterfactuals(world: World, cells: SectorShares, horizon: str) -> list[Counterfactual]:
    """The three cases of one horizon, each with the shares and the theta that belong together."""
    return [counterfactual_of(cells, world.table, world.thetas(horizon, c), case=c) for c in CASES]


def denial(denied: Floats, theta: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(cost_change, banned) of denied shares [j, n, i]; one that is whole but for rounding is whole."""
    return cost_of(np.where(denied >= WHOLE, 1.0, denied), theta)


def _of_members(frame: pl.DataFrame, members: Iterable[str] | None, target: Iterable[str]) -> pl.DataFrame:
    if members is None:
        return frame
    mine, others = list(members), list(target)
    ends = [pl.col("origin").is_in(a) & pl.col("destination").is_in(b) for a, b in ((mine, others), (others, mine))]
    return frame.filter(ends[0] | ends[1])


def cell_array(table: IOTable, frame: pl.DataFrame, column: str) -> Floats:
    """[j, importer, exporter] from rows of origin, destination, item; cells that the table has not are left out."""
    n, j, _ = table.size
    economy = {name: k for k, name in enumerate(table.economies)}
    item = {name: k for k, name in enumerate(items_of(table))}
    made = np.zeros((j, n, n))
    for origin, destination, name, value in frame.select("origin", "destination", "item", column).iter_rows():
        if origin in economy and destination in economy and name in item:
            made[item[name], economy[destination], economy[origin]] = value
    return made


# ---- the model --------------------------------------------------------------------------------------------------


def equilibrium(
    world: World,
    cells: SectorShares,
    horizons: Sequence[str] = HORIZONS,
    bundles: Mapping[str, Floats] | None = None,
    quotas: SectorShares | None = None,
) -> Answer:
    """Real income, real wage, prices and output of every economy after the measures, at each horizon.

    `bundles`: economy -> weights [j] of a bundle whose price change is asked for (humanitarian imports). `quotas`: the
    quotas alone, as the shares they would deny, where `cells` are the measures without them: each becomes a ceiling on
    the quantity of the cell, by a duty that the importer collects (licences are auctioned: assumed). Channel `all`
    throughout: markets that clear together have no channels that could be added up. `loss` is money of the table's
    year; shares of GDP are of the table's own value added.

    Raises ModelError where the solution is not found at any horizon; where it is missing at one, a note says so.
    """
    if cells.shares.is_empty() and cells.duties.is_empty() and (quotas is None or quotas.shares.is_empty()):
        return no_answer(MODEL)
    frames, failed = [], []
    for horizon in horizons:
        asked = counterfactuals(world, cells, horizon)
        try:
            solved = [solved_case(world, each, quotas, case) for case, each in zip(CASES, asked, strict=True)]
        except ModelError as error:
            failed.append((horizon, error))
            continue
        basis = basis_of(world, cells, quotas, horizon)
        rows = _rows(world, solved, bundles or {})
        frames += [frame.with_columns(horizon=pl.lit(str(horizon)), basis=pl.lit(basis)) for frame in rows]
    if not frames:
        raise failed[0][1]
    notes = [*_readings(world, cells, quotas), *(_failure(h, error) for h, error in failed)]
    without = [horizon for horizon, _ in failed]
    assumptions = tuple(_theta_assumption(world, horizon) for horizon in horizons if horizon not in without)
    income = dict(zip(world.table.economies, world.income.tolist(), strict=True))
    return Answer(MODEL, answer_rows(frames), (), tuple(notes), assumptions, gdp=gdp_of(world.table), income=income)


def solved_case(
    world: World, asked: Counterfactual, quotas: SectorShares | None, case: str
) -> tuple[Counterfactual, Equilibrium]:
    """The equilibrium of one case, with what was laid on it in the end: a quota turns out to be some duty."""
    base = world.base if asked.theta is None else replace(world.base, theta=asked.theta)
    cost, barred, tariff = asked.cost_change, asked.banned, asked.tariff
    cells = np.zeros((0, 3), dtype=np.int64)
    if quotas is not None:
        denied = cell_array(world.table, quotas.shares, case)
        open_ = (base.share > 0) if barred is None else (base.share > 0) & ~barred
        cells = np.argwhere((denied > 0) & (denied < WHOLE) & open_)
        shut = denied >= WHOLE  # a quota of nothing is a ban
        barred = (shut if barred is None else shut | barred) if shut.any() else barred
    if not len(cells):
        return replace(asked, banned=barred), solve(base, cost_change=cost, tariff=tariff, banned=barred)
    ceilings = [Quota(j, n, i, 1.0 - float(denied[j, n, i])) for j, n, i in cells.tolist()]
    found = solve_quotas(base, ceilings, tariff=tariff, cost_change=cost, banned=barred)
    duty = (base.tariff if tariff is None else tariff).copy()
    at = tuple(cells.T)
    duty[at] = (1.0 + duty[at]) * (1.0 + found.tariff_equivalent) - 1.0
    return replace(asked, banned=barred, tariff=duty), found.equilibrium


def basis_of(world: World, cells: SectorShares, quotas: SectorShares | None, horizon: str) -> str:
    """The weakest basis of table, measures (quotas among them) and thetas at a horizon."""
    laid = [cells.basis, *([] if quotas is None else [quotas.basis])]
    return weakest(world.basis, *laid, *world.theta[str(horizon)]["basis"].unique()).value


def _rows(
    world: World, solved: Sequence[tuple[Counterfactual, Equilibrium]], bundles: Mapping[str, Floats]
) -> list[pl.DataFrame]:
    """ANSWER rows (but for horizon and basis) of one horizon from its three cases."""
    cases = [after for _, after in solved]
    names = list(world.table.economies)
    found: dict[Metric, tuple[list[str], list[Floats]]] = {
        Metric.LOSS: (names, [world.income * (1 - case.real_income) for case in cases]),
        Metric.REAL_WAGE_LOSS: (names, [1 - case.real_wage for case in cases]),
        Metric.PRICE_INDEX_CHANGE: (names, [case.price_index - 1 for case in cases]),
        Metric.HUMANITARIAN_PRICE_CHANGE: ([*bundles], [bundle_prices(world, case, bundles) for case in cases]),
    }
    frames = [_frame(parties, [ALL] * len(parties), metric, values) for metric, (parties, values) in found.items()]
    lost = [output_lost(world, asked, after).T.ravel() for asked, after in solved]
    made = world.output.T.ravel()
    parts = [np.divide(each, made, out=np.zeros_like(made), where=made > 0) for each in lost]
    n, j, _ = world.table.size
    parties, items = np.repeat(names, j).tolist(), [*items_of(world.table)] * n
    frames += [_frame(parties, items, m, c) for m, c in ((Metric.OUTPUT_LOSS, lost), (Metric.OUTPUT_LOSS_SHARE, parts))]
    return frames


def _frame(parties: Sequence[str], items: Sequence[str], metric: Metric, cases: Sequence[Floats]) -> pl.DataFrame:
    return pl.DataFrame(
        {"party": parties, "item": items, **dict(zip(CASES, cases, strict=True))},
        schema={"party": pl.String, "item": pl.String, **dict.fromkeys(CASES, pl.Float64)},
    ).with_columns(channel=pl.lit(Channel.ALL.value), metric=pl.lit(metric.value))


def output_lost(world: World, asked: Counterfactual, after: Equilibrium) -> Floats:
    """Output lost [j, i] at prices before: volume is value over unit cost."""
    duty = world.base.tariff if asked.tariff is None else asked.tariff
    tax = 0.0 if asked.export_tax is None else asked.export_tax
    made: Floats = world.output - _output(after.share, after.expenditure, duty, tax) / unit_cost(world.base, after)
    return made


def _output(share: Floats, spent: Floats, tariff: Floats, export_tax: Floats | float = 0.0) -> Floats:
    """Output [j, i]: what everyone pays its sellers, net of duty and export tax."""
    made: Floats = np.einsum("jni,jn->ji", share / ((1.0 + tariff) * (1.0 + export_tax)), spent)
    return made


def bundle_prices(world: World, case: Equilibrium, bundles: Mapping[str, Floats]) -> Floats:
    """Change of the price of each economy's bundle: the geometric mean of its sectors' prices, by weight."""
    place = world.table.economies.index
    changes = [np.expm1(np.log(case.price[:, place(e)]) @ (w / w.sum())) for e, w in bundles.items()]
    return np.array(changes, dtype=np.float64)


# ---- what it says about itself ----------------------------------------------------------------------------------


def _readings(world: World, cells: SectorShares, quotas: SectorShares | None) -> list[str]:
    notes = [
        "equilibrium: every trade balance is closed first: a surplus is no gift that an embargo ends; money is of the "
        f"table of {world.table.period}, shares of GDP of its value added",
        "equilibrium: full employment, one wage an economy, competition; the horizons differ in elasticities alone. "
        "Compare with the models that have no prices or that follow time; do not average",
        *(f"equilibrium: {note.removeprefix('baseline of the equilibrium: ')}" for note in world.notes),
    ]
    if ((cells.shares["high"] > 0) & (cells.shares["low"] < WHOLE)).any():
        notes.append(
            "equilibrium: a denied share s of a sector between 0 and 1 enters as a cost (1 - s)^(-1/theta): its "
            "products replace each other as sources do, at theta (assumed)"
        )
    if cells.duties.height:
        notes.append(
            "equilibrium: a duty on some products of a sector enters as its trade-weighted mean over the sector; the "
            "importer collects it"
        )
    if quotas is not None and quotas.shares.height:
        notes.append(
            "equilibrium: a quota on some products of a sector enters as a ceiling on the quantity of the sector, held "
            "by the duty that does it; the importer collects it (licences are auctioned: assumed)"
        )
    return notes


def _failure(horizon: str, error: ModelError) -> str:
    return f"equilibrium: no answer: {horizon} horizon: {error.message}"


def _theta_assumption(world: World, horizon: str) -> Assumption:
    """One line a horizon: the median sector, between the lowest low and the highest high end."""
    rows = world.theta[str(horizon)]
    middle = float(np.median(rows["theta"].to_numpy()))
    low, high = float(rows["theta_low"].to_numpy().min()), float(rows["theta_high"].to_numpy().max())
    source = {
        Horizon.SHORT.value: "set of elasticities, short horizon",
        Horizon.MEDIUM.value: "geometric mean of the short and the long theta of each sector; no source has one",
        Horizon.LONG.value: "set of elasticities, long horizon: by sector",
    }[str(horizon)]
    name = f"theta_{horizon} (median sector; low and high over all sectors)"
    return Assumption(name, middle, low, high, "trade elasticity", weakest(*rows["basis"].unique()).value, source)
