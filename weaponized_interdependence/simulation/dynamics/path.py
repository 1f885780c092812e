"""The path of an economy through time, and what can be read from it: losses, recovery, the worth of an off-ramp."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.simulation.dynamics.schedule import NO_STAGE, Stage, Step

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Path:
    """Output and unmet final demand by step, with N economies, J sectors, M = N*J rows and T steps; the table's unit.

    - `output` (T, M): made within each step
    - `unmet` (T, J, N): final demand of economy n for sector j not served within each step
    - `base` (M,), `final` (J, N): output and final demand of a day before
    - `value_share` (M,): value added per output
    """

    table: IOTable
    stages: tuple[Stage, ...]
    steps: tuple[Step, ...]
    output: Floats
    unmet: Floats
    base: Floats
    final: Floats
    value_share: Floats
    notes: tuple[str, ...] = ()

    @cached_property
    def first(self) -> Floats:
        """(T,): the day on which each step begins."""
        return np.array([step.first for step in self.steps])

    @cached_property
    def days(self) -> Floats:
        """(T,): the length of each step."""
        return np.array([step.days for step in self.steps])

    @cached_property
    def phases(self) -> tuple[str, ...]:
        """The stage in force in each step, `none` where there is none."""
        return tuple(self.stages[step.stage].name if step.stage >= 0 else NO_STAGE for step in self.steps)

    def in_phase(self, name: str) -> npt.NDArray[np.bool_]:
        """(T,): which steps belong to a stage (or to `none`); UsageError for a name that is not there."""
        found = np.array([phase == name for phase in self.phases], dtype=np.bool_)
        if not found.any():
            raise UsageError(f"the path has no phase {name!r}", mend=f"use {', '.join(dict.fromkeys(self.phases))}")
        return found

    @cached_property
    def output_lost_by_row(self) -> Floats:
        """(T, M): output not made; negative where more is made than before."""
        lost: Floats = np.outer(self.days, self.base) - self.output
        lost[np.abs(lost) < 1e-12 * np.outer(self.days, self.base)] = 0.0  # what rounding leaves is no loss
        return lost

    def output_lost(self) -> Floats:
        """(T, N): output not made, by economy."""
        return self._by_economy(self.output_lost_by_row)

    def value_added_lost(self) -> Floats:
        """(T, N): value added not earned, by economy: output lost times value added per output."""
        return self._by_economy(self.output_lost_by_row * self.value_share)

    def unmet_demand(self) -> Floats:
        """(T, N): final demand not served, by economy."""
        unmet: Floats = self.unmet.sum(axis=1)
        return unmet

    def base_output(self) -> Floats:
        """(N,): output of a day before."""
        return self._by_economy(self.base[None]).ravel()

    def base_value_added(self) -> Floats:
        """(N,): value added of a day before."""
        return self._by_economy((self.base * self.value_share)[None]).ravel()

    def cumulated(self, phase: str) -> dict[str, Floats]:
        """Sums over the steps of one phase: output_loss and loss (value added) by row (M,), unmet_demand (J, N)."""
        steps = self.in_phase(phase)
        lost = self.output_lost_by_row[steps].sum(axis=0)
        return {
            "output_loss": lost,
            "loss": lost * self.value_share,
            "unmet_demand": self.unmet[steps].sum(axis=0),
        }

    def recovery_days(self, since: float | None = None, tolerance: float = 0.01) -> Floats:
        """(N,): days from `since` until value added lost stays within `tolerance` of the base, to the end of the path.

        `since` is by default the day from which nothing is denied any longer, or the start of the last stage where that
        day does not come. NaN where the loss is still larger at the end of the path: whether it goes is not known.
        """
        if since is None:
            since = self._last_start()
        steps = self.first >= since - 1e-9
        lost, days = self.value_added_lost()[steps], self.days[steps]
        base = np.outer(days, self.base_value_added())
        hurt = lost > tolerance * np.abs(base)
        ends = self.first[steps] + days - since
        made = np.zeros(len(self.table.economies))
        for n in range(len(made)):
            late = np.flatnonzero(hurt[:, n])
            if len(late):
                made[n] = np.nan if late[-1] == len(days) - 1 else ends[late[-1]]
        return made

    def _last_start(self) -> float:
        hard = [step for step in self.steps if step.stage >= 0 and self.stages[step.stage].denies]
        if hard and hard[-1] is self.steps[-1]:
            return self.stages[-1].start
        return hard[-1].first + hard[-1].days if hard else 0.0

    def _by_economy(self, rows: Floats) -> Floats:
        n, j, _ = self.table.size
        summed: Floats = rows.reshape(len(rows), n, j).sum(axis=2)
        return summed


OFF_RAMP = {
    "phase": pl.String,
    "day": pl.Float64,
    "party": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "relief": pl.Float64,
    "relief_share": pl.Float64,
    "half_days": pl.Float64,
    "avoided": pl.Float64,
}


def off_ramp(path: Path, economies: Sequence[str] | None = None) -> pl.DataFrame:
    """What each change of phase takes off the loss of value added, read from the path.

    One row for every phase but the first and every economy: `before` and `after`, the loss of a day at the end of the
    phase before and at the end of this one; `relief`, the first less the second (negative: the screw is tightened), and
    its share of `before`; `half_days`, days until half of the relief is there; `avoided`, what the phase would have
    cost at the daily loss before, less what it does cost. Null where not defined.

    The path is compared with itself: without the change the loss would mostly have gone on to move (as stocks run down
    or orders are redirected), so this is no counterfactual. For one, run the schedule without the change beside it.
    """
    names = path.table.economies
    wanted = [names.index(e) for e in (economies if economies is not None else names)]
    lost = path.value_added_lost()
    daily = lost / path.days[:, None]
    starts = [t for t in range(1, len(path.steps)) if path.steps[t].stage != path.steps[t - 1].stage]
    rows = []
    for start, end in zip(starts, [*starts[1:], len(path.steps)], strict=True):
        ends = path.first[start:end] + path.days[start:end] - path.first[start]
        for n in wanted:
            before, after = float(daily[start - 1, n]), float(daily[end - 1, n])
            relief = before - after
            half = np.flatnonzero((before - daily[start:end, n]) * np.sign(relief) >= abs(relief) / 2)
            rows.append(
                {
                    "phase": path.phases[start],
                    "day": float(path.first[start]),
                    "party": names[n],
                    "before": before,
                    "after": after,
                    "relief": relief,
                    "relief_share": relief / before if before > 0 else None,
                    "half_days": float(ends[half[0]]) if relief and len(half) else None,
                    "avoided": float((before * path.days[start:end] - lost[start:end, n]).sum()),
                }
            )
    return pl.DataFrame(rows, schema=OFF_RAMP)
