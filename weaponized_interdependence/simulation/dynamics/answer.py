"""The dynamic model as an answer for every phase of a scenario, and as rows of PATHS."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.io_table import IOTable, LeontiefSystem
from weaponized_interdependence.schemas import PATHS
from weaponized_interdependence.simulation.dynamics.engine import run
from weaponized_interdependence.simulation.dynamics.parameters import PARAMETERS, Case, Parameters
from weaponized_interdependence.simulation.dynamics.path import Path
from weaponized_interdependence.simulation.dynamics.schedule import Stage
from weaponized_interdependence.simulation.impact import (
    COALITION,
    TARGETS,
    THIRD_PARTIES,
    WORLD,
    Answer,
    Assumption,
    answer_rows,
)
from weaponized_interdependence.simulation.input_output import items_of
from weaponized_interdependence.simulation.shock import CASES, Parties
from weaponized_interdependence.terms import Basis, Channel, Horizon, Metric, Role, weakest

Floats = npt.NDArray[np.float64]
MODEL = "dynamic"

Phases = Sequence[tuple[str, int, int, Mapping[str, Floats]]]


def dynamic_answer(
    system_or_table: LeontiefSystem | IOTable,
    schedule: Phases,
    parties: Parties,
    *,
    scenario: str,
    parameters: Parameters | None = None,
    basis: str = Basis.ESTIMATED.value,
    step: int = 1,
) -> tuple[dict[str, Answer], pl.DataFrame]:
    """Losses of every phase of a scenario, and the path to them.

    Parameters
    ----------
    system_or_table
        Table in USD a year.
    schedule
        (phase, first day, last day exclusive, denied shares) in the order of time; denied shares as `denied_shares`
        makes them: case (low, value, high) -> (rows, economies).
    parties
        Who is target and who is sender.
    parameters
        Numbers left at their default move with the case, as PARAMETERS says: the low case has large stocks and quick
        rerouting, the high case small stocks and slow rerouting. Numbers that are set stand still.
    step
        Whole days of a step of PATHS.

    Returns
    -------
    tuple
        Phase -> Answer (output, value added and final demand lost within the phase, USD, by economy and sector), and
        PATHS: for each step and party the same, in USD and as shares of what the party had in such a step before.

    Raises
    ------
    InputError
        A schedule that cannot be run: every fault, with the mend.
    """
    table = system_or_table.table if isinstance(system_or_table, LeontiefSystem) else system_or_table
    parameters = parameters or Parameters()
    _check(schedule, step)

    def path_of(case: Case) -> Path:
        stages = [Stage(name, start, end, denied[case]) for name, start, end, denied in schedule]
        return run(table, stages, parameters.case(case), step=step)

    paths = dict(zip(CASES, in_threads(path_of, CASES), strict=True))  # type: ignore[arg-type]
    basis = weakest(basis, Basis.ASSUMED).value  # every answer rests on the parameters
    answers = {name: _answer(paths, name, basis, parameters) for name, *_ in schedule}
    return answers, _path_rows(paths, parties, scenario, basis)


def _check(schedule: Phases, step: int) -> None:
    """That days are whole and every case is there; the rest is checked when it is run."""
    faults = []
    if not float(step).is_integer():
        faults.append(Fault(f"the step is {step} days", "schedule", "PATHS count whole days: give a whole number"))
    for name, start, end, denied in schedule:
        if not (float(start).is_integer() and float(end).is_integer()):
            faults.append(Fault(f"runs from {start} to {end}", f"schedule: stage {name}", "give whole days"))
        if missing := [case for case in CASES if case not in denied]:
            faults.append(
                Fault(f"no denied shares for {', '.join(missing)}", f"schedule: stage {name}", "give low, value, high")
            )
    if faults:
        raise InputError("this schedule cannot be run", faults=faults)


# ---- answers ----------------------------------------------------------------------------------------------------


def _answer(paths: Mapping[str, Path], phase: str, basis: str, parameters: Parameters) -> Answer:
    path = paths["value"]
    table = path.table
    n, j, _ = table.size
    sums = {case: each.cumulated(phase) for case, each in paths.items()}
    party = pl.Series(table.economies).gather(np.repeat(np.arange(n), j))
    item = pl.Series(items_of(table)).gather(np.tile(np.arange(j), n))
    frames = []
    for metric in (Metric.OUTPUT_LOSS, Metric.LOSS, Metric.UNMET_DEMAND):
        found = {case: each[metric.value] for case, each in sums.items()}
        if metric is Metric.UNMET_DEMAND:
            found = {case: each.T.ravel() for case, each in found.items()}
        frames.append(
            pl.DataFrame({"party": party, "item": item, **found}).with_columns(
                pl.lit(Horizon.SHORT.value).alias("horizon"),
                pl.lit(Channel.ALL.value).alias("channel"),
                pl.lit(metric.value).alias("metric"),
                pl.lit(basis).alias("basis"),
            )
        )
    days = float(path.days[path.in_phase(phase)].sum())
    added = path.base_value_added() * days
    gdp = {e: float(a) for e, a in zip(table.economies, added, strict=True) if a > 0}
    return Answer(MODEL, answer_rows(frames), (), _notes(path, days), _assumptions(parameters), gdp)


def _notes(path: Path, days: float) -> tuple[str, ...]:
    n, j, _ = path.table.size
    notes = (
        "dynamic: prices and wages stand still, technology is fixed, final demand does not shift to other products; "
        "losses are of the days of the phase, shares of GDP of the table's value added in as many days",
        "dynamic: loss is value added not earned; unmet demand is what households, government and investors do not "
        "get, whoever would have made it: never add the two",
        "dynamic: every parameter is assumed; the band moves stocks, rerouting and the return of orders together",
        f"dynamic: table of {path.table.period}, {n} economies by {j} sectors ({path.table.classification})",
        *path.notes,
    )
    if days > 366:
        notes += ("dynamic: a phase of more than a year is beyond what the model is for: read its first year",)
    return notes


def _assumptions(parameters: Parameters) -> tuple[Assumption, ...]:
    made = []
    for p in PARAMETERS:
        value = float(getattr(parameters, p.name))
        chosen = value != p.value
        low, high = (p.low, p.high) if p.worse and not chosen else (value, value)
        source = "set by the user" if chosen else p.source
        made.append(Assumption(f"dynamic.{p.name}", value, low, high, p.unit, p.basis, source))
    return tuple(made)


# ---- paths ------------------------------------------------------------------------------------------------------


def _path_rows(paths: Mapping[str, Path], parties: Parties, scenario: str, basis: str) -> pl.DataFrame:
    """PATHS rows: sums over economies are made inside each case, and only then is each row's band put in order."""
    path = paths["value"]
    names = path.table.economies
    members, labels, roles = _members(names, parties)
    before = {
        Metric.OUTPUT_LOSS: path.base_output(),
        Metric.LOSS: path.base_value_added(),
        Metric.UNMET_DEMAND: path.final.sum(axis=0),
    }
    shares = {Metric.OUTPUT_LOSS: Metric.OUTPUT_LOSS_SHARE, Metric.LOSS: Metric.LOSS_GDP}
    lost = {
        Metric.OUTPUT_LOSS: [each.output_lost() for each in paths.values()],
        Metric.LOSS: [each.value_added_lost() for each in paths.values()],
        Metric.UNMET_DEMAND: [each.unmet_demand() for each in paths.values()],
    }
    frames = []
    for metric, cases in lost.items():
        sums = [case @ members for case in cases]
        frames.append(_long(path, labels, roles, metric, sums, "USD"))
        if metric in shares:
            size = np.outer(path.days, before[metric] @ members)
            parts = [np.divide(s, size, out=np.full_like(s, np.nan), where=size > 0) for s in sums]
            frames.append(_long(path, labels, roles, shares[metric], parts, "share"))
    rows = pl.concat(frames).with_columns(
        pl.lit(scenario).alias("scenario"), pl.lit(MODEL).alias("model"), pl.lit(basis).alias("basis")
    )
    return PATHS.conform(rows.select(list(PATHS.schema)), where=f"paths of {MODEL}")


def _members(names: Sequence[str], parties: Parties) -> tuple[Floats, list[str], list[str]]:
    """(N, parties) zero or one: who is in each party; the parties' names and roles. Sums come last."""
    target, senders = {*parties.target}, {*parties.senders}
    roles = [Role.TARGET if e in target else Role.SENDER if e in senders else Role.THIRD_PARTY for e in names]
    groups = [
        (COALITION, Role.COALITION, [e in senders for e in names]),
        *([(TARGETS, Role.TARGET, [e in target for e in names])] if len(parties.target) > 1 else []),
        (THIRD_PARTIES, Role.THIRD_PARTY, [e not in target and e not in senders for e in names]),
        (WORLD, Role.WORLD, [True] * len(names)),
    ]
    members = np.column_stack([np.eye(len(names)), *(np.array(m, dtype=np.float64) for _, _, m in groups)])
    return members, [*names, *(g[0] for g in groups)], [str(r) for r in (*roles, *(g[1] for g in groups))]


def _long(
    path: Path, labels: list[str], roles: list[str], metric: Metric, cases: list[Floats], unit: str
) -> pl.DataFrame:
    """One row a step and party, of (T, parties) arrays in the order of CASES."""
    steps, count = len(path.steps), len(labels)
    at = np.tile(np.arange(count), steps)
    stacked = np.stack([case.ravel() for case in cases])
    return pl.DataFrame(
        {
            "step": np.repeat(path.first.astype(np.int64), count),
            "phase": pl.Series(path.phases, dtype=pl.String).gather(np.repeat(np.arange(steps), count)),
            "party": pl.Series(labels, dtype=pl.String).gather(at),
            "role": pl.Series(roles, dtype=pl.String).gather(at),
            "metric": metric.value,
            "value": stacked[CASES.index("value")],
            "low": stacked.min(axis=0),
            "high": stacked.max(axis=0),
            "unit": unit,
        }
    ).with_columns(pl.col("value", "low", "high").fill_nan(None))
