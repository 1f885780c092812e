"""Bands and sensitivities of the `equilibrium` model: its assumptions drawn jointly, its answers as quantiles.

Every sector's long-run theta, the one-year theta, the denied shares that the scenario gives as a band, and the horizon
are factors (`uncertainty.Factor`), drawn independently of one another:

    theta_j at horizon h    exp((1 - h) ln theta_short,j + h ln theta_long,j), h = 0 short, 1/2 medium, 1 long; all
                            within 0.1 to 65, where the solver is shown to converge
    denied share of a cell  between its low, value and high, all cells at the same place of their bands

`low` and `high` of a row are then the 5th and 95th percentile of that very row over the draws: sums over parties are
made draw by draw before, never of quantiles. `value` stays the answer under the central assumptions. Draws are common
to all scenarios on one table and one set of elasticities, phase by phase and horizon by horizon, so that a difference
between two of them is not noise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, ModelError, UsageError
from weaponized_interdependence.io_table import goods_sectors
from weaponized_interdependence.schemas import SENSITIVITY
from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual, Equilibria, solve_many
from weaponized_interdependence.simulation.general_equilibrium import (
    MODEL,
    World,
    bundle_prices,
    cell_array,
    denial,
    output_lost,
)
from weaponized_interdependence.simulation.impact import ALL, COALITION, TARGETS, THIRD_PARTIES, groups_of
from weaponized_interdependence.simulation.input_output import items_of
from weaponized_interdependence.simulation.sectors import SectorShares
from weaponized_interdependence.simulation.shock import CASES, Parties
from weaponized_interdependence.simulation.uncertainty import Factor, draw, sensitivity, spread_of
from weaponized_interdependence.terms import Basis, Channel, Horizon, Metric, weakest

Floats = npt.NDArray[np.float64]

PLACE = {Horizon.SHORT.value: 0.0, Horizon.MEDIUM.value: 0.5, Horizon.LONG.value: 1.0}
THETA_FLOOR, THETA_CEILING = 0.1, 65.0  # the range that the solver is shown to converge in
NAMED_SECTORS = 5  # sectors the measures hit most get an index of their own
SHORT_THETA, DENIED, HORIZON = "theta in the first year", "share denied", "horizon"
RUNS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Laid:
    """Measures as arrays [j, importer, exporter]: denied shares low, value, high, and the duty added."""

    denied: tuple[Floats, Floats, Floats]
    duty: Floats | None

    def at(self, theta: Floats, place: float) -> Counterfactual:
        """The counterfactual at one theta [j] and one place (0 low, 1/2 value, 1 high) of the shares' bands."""
        low, value, high = self.denied
        down, up = (low, value) if place <= 0.5 else (value, high)
        part = down + (2 * place - (place > 0.5)) * (up - down)
        cost, banned = denial(part, theta)
        some = cost if (cost > 1).any() else None
        return Counterfactual(cost_change=some, tariff=self.duty, banned=banned if banned.any() else None, theta=theta)


def laid(world: World, cells: SectorShares) -> Laid:
    """The measures of a phase as arrays."""
    low, value, high = (cell_array(world.table, cells.shares, case) for case in CASES)
    return Laid((low, value, high), cell_array(world.table, cells.duties, "tariff") if cells.duties.height else None)


# ---- assumptions ------------------------------------------------------------------------------------------------


def factors_of(world: World, measures: Laid) -> tuple[Factor, ...]:
    """The factors of a world: theta of every sector, theta of the first year, and what the scenario itself leaves open.

    Sectors come first and in the table's order, so that every scenario on the table draws the same of them. In a
    sensitivity analysis the sectors hit most stand alone; the rest are reported as other goods and as services.
    """
    long, short = (world.theta[h.value] for h in (Horizon.LONG, Horizon.SHORT))
    hit = _most_hit(world, measures)
    try:
        goods = goods_sectors(world.table)
    except UsageError:
        goods = frozenset(world.table.sectors)
    made = []
    for row in long.iter_rows(named=True):
        kind = "theta of other goods" if row["sector"] in goods else "theta of services"
        made.append(_theta(f"theta of {row['item']}", row, "" if row["sector"] in hit else kind))
    # One factor for all sectors: where each has its own number, they move together and keep their ratios (`_solved`).
    spread = short.select(pl.col("theta_low", "theta", "theta_high").log().mean().exp(), pl.col("error").mean())
    made.append(_theta(SHORT_THETA, {**spread.row(0, named=True), "basis": weakest(*short["basis"].unique())}, ""))
    made.append(Factor(DENIED, 0.0, 0.5, 1.0, "uniform", basis=Basis.ASSUMED.value, source="the scenario's bands"))
    made.append(Factor(HORIZON, 0.0, 0.5, 1.0, "uniform", basis=Basis.ASSUMED.value, source="first year to long run"))
    return tuple(made)


def _theta(name: str, row: Mapping[str, object], group: str) -> Factor:
    low, value, high = (
        min(max(float(str(row[c])), THETA_FLOOR), THETA_CEILING) for c in ("theta_low", "theta", "theta_high")
    )
    error = float(str(row.get("error") or 0.0))
    source = "band of published estimates" + (" and published standard error" if error else "")
    return Factor(
        name, low, value, high, "split lognormal", error, THETA_FLOOR, THETA_CEILING, group, str(row["basis"]), source
    )


def _most_hit(world: World, measures: Laid) -> set[str]:
    """The sectors in which the measures stop the largest value of trade (a duty counts as its rate)."""
    value = world.expenditure[:, :, None] * world.base.share
    touched = value * measures.denied[1]
    if measures.duty is not None:
        touched = touched + value * measures.duty
    stopped = touched.sum(axis=(1, 2))
    order = np.argsort(-stopped, kind="stable")[:NAMED_SECTORS]
    return {world.table.sectors[j] for j in order if stopped[j] > 0}


# ---- draws ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Asked:
    """Whose answers: parties, GDP of each economy (as shares of which losses are given), and bundles [j] to price."""

    parties: Parties
    gdp: Mapping[str, float]
    bundles: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The target, or the name of the sum over targets."""
        return TARGETS if len(self.parties.target) > 1 else self.parties.target[0]

    def groups(self, economies: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Sums over parties and who is in them, as IMPACTS has them; the target always among them."""
        return {self.target: self.parties.target, **groups_of(self.parties, economies)}

    def membership(self, economies: Sequence[str]) -> Floats:
        """(groups, economies): 1 for members."""
        return np.array([[float(e in group) for e in economies] for group in self.groups(economies).values()])


def equilibrium_bands(
    world: World, cells: SectorShares, asked: Asked, horizons: Sequence[str], *, draws: int, seed: int
) -> tuple[pl.DataFrame, int]:
    """5th and 95th percentile of every figure of the model: horizon, party, channel, item, metric, low, high.

    Loss in money, of GDP and of income; real wage, price index; output by sector. For COALITION, TARGETS, THIRD_PARTIES
    and WORLD also, summed draw by draw, and the ratios of target to coalition. The same seed gives the same numbers.

    Beside them the number of draws, over all horizons, that have no solution and are left out. ModelError where that is
    more than half of the draws of a horizon.
    """
    measures = laid(world, cells)
    drawn = draw(factors_of(world, measures), draws, seed=seed).values
    frames, left_out = [], 0
    for horizon in horizons:
        values = drawn.copy()
        values[:, -1] = PLACE[str(horizon)]
        figures: list[Floats] = []
        unsolved: list[Fault] = []
        for part, solved in _solved(world, measures, values):
            figures.append(_figures(world, asked, part, solved))
            unsolved += solved.unsolved.values()
        if 2 * len(unsolved) > draws:
            raise ModelError(
                f"{len(unsolved)} of {draws} draws at the {horizon} horizon have no solution",
                faults=unsolved[:3],
                mend="narrow the bands of the elasticities, or ask for corners with no draws",
            )
        left_out += len(unsolved)
        with np.errstate(invalid="ignore"):  # an end among draws without bound
            spread = spread_of(np.concatenate(figures))
        low, high = (np.where(np.isfinite(end), end, np.nan) for end in (spread.low, spread.high))
        frames.append(_names(world, asked).with_columns(low=low, high=high, horizon=pl.lit(str(horizon))))
    # A single target stands among the economies and among the groups.
    keys = ["horizon", "party", "item", "metric"]
    return pl.concat(frames).unique(subset=keys, keep="first", maintain_order=True), left_out


def with_bands(impacts: pl.DataFrame, bands: pl.DataFrame) -> pl.DataFrame:
    """IMPACTS with the bands put in where there are any; `value` always lies inside its band.

    An end that is NaN there is open: of a ratio where the coalition does not lose in a twentieth of the draws.
    """
    keys = ["horizon", "party", "channel", "item", "metric"]
    found = bands.fill_nan(None).with_columns(drawn=pl.lit(True))
    joined = impacts.join(found, on=keys, how="left", suffix="_drawn", maintain_order="left")
    drawn = pl.col("drawn").fill_null(False) & pl.col("value").is_not_null()
    ends = (("low", pl.min_horizontal), ("high", pl.max_horizontal))
    return joined.with_columns(
        pl.when(~drawn)
        .then(end)
        .when(pl.col(f"{end}_drawn").is_not_null())
        .then(outer(f"{end}_drawn", "value"))
        .alias(end)
        for end, outer in ends
    ).select(impacts.columns)


def equilibrium_sensitivity(
    world: World,
    cells: SectorShares,
    asked: Asked,
    *,
    scenario: str,
    phase: str,
    horizon: str = Horizon.NONE.value,
    draws: int,
    seed: int,
) -> pl.DataFrame:
    """SENSITIVITY rows: which assumption moves the loss of the target, the coalition and third parties (of GDP).

    At one horizon, or, with horizon `none`, over all of them: then how long after is one assumption among the others.
    Parties without GDP in the table have no rows. UsageError where that is all of them.
    """
    measures = laid(world, cells)
    factors = list(factors_of(world, measures))
    if all(np.array_equal(measures.denied[1], d) for d in measures.denied):
        factors[-2] = replace(factors[-2], low=0.5, high=0.5)
    if horizon != Horizon.NONE:
        at = PLACE[str(horizon)]
        factors[-1] = replace(factors[-1], low=at, value=at, high=at)
    economies = world.table.economies
    gdp = np.array([asked.gdp.get(e, 0.0) for e in economies])
    members = asked.membership(economies)
    sizes = members @ gdp
    places = list(asked.groups(economies))
    whose = [k for k in map(places.index, (asked.target, COALITION, THIRD_PARTIES)) if sizes[k] > 0]
    if not whose:
        raise UsageError("no party has GDP in the table", mend="use a table that has the target or the coalition")

    def evaluate(values: Floats) -> Floats:
        lost = [_losses(world, solved) * (gdp > 0) for _, solved in _solved(world, measures, values)]
        return np.asarray(np.concatenate(lost) @ members[whose].T / sizes[whose])

    found = sensitivity(evaluate, factors, draws, seed=seed)
    # Every index is a share of what all that is open does to one answer: no better known than the least of it.
    opened = [f.basis for f in factors if not f.is_known]
    basis = weakest(Basis.ESTIMATED, world.basis, cells.basis, *opened).value
    frames = []
    for k, party in enumerate(places[at] for at in whose):
        numbers = (found.first, found.first_low, found.first_high, found.total, found.total_low, found.total_high)
        columns = ("first", "first_low", "first_high", "total", "total_low", "total_high")
        frames.append(
            pl.DataFrame({"assumption": found.groups, **dict(zip(columns, (n[k] for n in numbers), strict=True))})
            .fill_nan(None)
            .with_columns(
                pl.lit(party).alias("party"),
                pl.lit(basis).alias("basis"),
            )
        )
    return SENSITIVITY.conform(
        pl.concat(frames).with_columns(
            scenario=pl.lit(scenario),
            phase=pl.lit(phase),
            model=pl.lit(MODEL),
            horizon=pl.lit(str(horizon)),
            metric=pl.lit(Metric.LOSS_GDP.value),
        )
    )


# ---- runs and their figures -------------------------------------------------------------------------------------


def _solved(world: World, measures: Laid, values: Floats) -> Iterator[tuple[list[Counterfactual], Equilibria]]:
    """The equilibria of all states of the assumptions (runs, factors), some hundreds at a time; NaN where none is."""
    sectors = len(world.table.sectors)
    own = np.log(world.thetas(Horizon.SHORT))
    own = own - own.mean()
    for first in range(0, len(values), RUNS_AT_ONCE):
        part = values[first : first + RUNS_AT_ONCE]
        long, short, place, horizon = part[:, :sectors], part[:, sectors], part[:, -2], part[:, -1]
        log_short = np.log(short)[:, None] + own
        log_theta = (1 - horizon)[:, None] * log_short + horizon[:, None] * np.log(long)
        theta = np.clip(np.exp(log_theta), THETA_FLOOR, THETA_CEILING)
        middle = replace(world.base, theta=np.exp(np.median(np.log(theta), axis=0)))
        asked = [measures.at(t, float(at)) for t, at in zip(theta, place, strict=True)]
        yield asked, solve_many(middle, asked, skip=True)


def _losses(world: World, solved: Equilibria) -> Floats:
    """Loss in money (runs, economies)."""
    lost: Floats = world.income * (1 - solved.real_income)
    return lost


def _names(world: World, asked: Asked) -> pl.DataFrame:
    """party, channel, item, metric of the columns of `_figures`."""
    economies = list(world.table.economies)
    groups = list(asked.groups(economies))
    both = [*economies, *groups]
    items = list(items_of(world.table))
    plain = {
        Metric.LOSS: both, Metric.LOSS_GDP: both, Metric.REAL_INCOME_LOSS: both, Metric.REAL_WAGE_LOSS: economies,
        Metric.PRICE_INDEX_CHANGE: economies, Metric.LOSS_RATIO: [asked.target], Metric.LOSS_GDP_RATIO: [asked.target],
        Metric.HUMANITARIAN_PRICE_CHANGE: list(asked.bundles), Metric.OUTPUT_LOSS: both,
    }  # fmt: skip
    rows = [(party, ALL, metric.value) for metric, parties in plain.items() for party in parties]
    rows += [(party, item, Metric.OUTPUT_LOSS.value) for party in both for item in items]
    rows += [(party, item, Metric.OUTPUT_LOSS_SHARE.value) for party in economies for item in items]
    named = pl.DataFrame(rows, schema=["party", "item", "metric"], orient="row")
    return named.with_columns(channel=pl.lit(Channel.ALL.value))


def _figures(world: World, asked: Asked, states: Sequence[Counterfactual], solved: Equilibria) -> Floats:
    """Every figure of every run (runs, figures), in the order of `_names`."""
    economies = world.table.economies
    members = asked.membership(economies)
    names = list(asked.groups(economies))
    gdp = np.array([asked.gdp.get(e, 0.0) for e in economies])
    loss = _losses(world, solved)
    sums = loss @ members.T

    def share(size: Floats) -> Floats:
        """Loss over size, for economies and groups; of a group, of the members that have a size."""
        known = size > 0
        one = np.divide(loss, size, out=np.full_like(loss, np.nan), where=known)
        whole = members @ size
        several = np.divide((loss * known) @ members.T, whole, out=np.full_like(sums, np.nan), where=whole > 0)
        return np.concatenate([one, several], axis=1)

    of_gdp = share(gdp)
    target, coalition = names.index(asked.target), names.index(COALITION)
    ratios = [_over(each[:, target], each[:, coalition]) for each in (sums, of_gdp[:, len(economies) :])]
    each = [solved[s] for s in range(len(states))]
    priced = np.stack([bundle_prices(world, one, asked.bundles) for one in each])
    lost = np.stack([output_lost(world, state, one).T for state, one in zip(states, each, strict=True)])  # (runs, n, j)
    grouped = np.einsum("gn,snj->sgj", members, lost)
    everyone = np.concatenate([lost, grouped], axis=1)
    before = world.output.T
    part = np.divide(lost, before, out=np.zeros_like(lost), where=before > 0)
    blocks = [
        loss, sums, of_gdp, share(world.income), 1 - solved.real_wage, solved.price_index - 1,
        *(ratio[:, None] for ratio in ratios), priced, everyone.sum(axis=2),
        everyone.reshape(len(lost), -1), part.reshape(len(lost), -1),
    ]  # fmt: skip
    return np.concatenate(blocks, axis=1)


def _over(target: Floats, coalition: Floats) -> Floats:
    """Target over coalition; where the coalition does not lose, infinity with the sign of the target's loss.

    As `impact.over`: a draw of that kind is beyond every ratio, and is not left out.
    """
    free = np.where(target > 0, np.inf, np.where(target < 0, -np.inf, np.nan))
    without = np.where(np.isnan(coalition), np.nan, free)
    return np.divide(target, coalition, out=without, where=coalition > 0)
