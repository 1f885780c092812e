"""Who is denied what and when: stages one after the other, cut into steps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, InputError

Floats = npt.NDArray[np.float64]

NO_STAGE = "none"  # the phase of a step in which no stage is in force


@dataclass(frozen=True, eq=False)
class Stage:
    """One phase of a regime: from day `start` up to day `end`, days counted from zero.

    - `denied` (rows, economies): share of the deliveries of a row to an economy, to industries and to final demand
      alike, that stops; what `denied_shares` of an input-output table gives. None: nothing is denied (lifted)
    - `lost_capacity` (rows,): share of the capacity of a row that is out of use; None: none
    """

    name: str
    start: float
    end: float
    denied: Floats | None = None
    lost_capacity: Floats | None = None

    @property
    def denies(self) -> bool:
        """Whether it takes anything from anyone."""
        return any(share is not None and bool(np.any(share)) for share in (self.denied, self.lost_capacity))


@dataclass(frozen=True)
class Step:
    """A part of the path: `first` day, number of `days`, and which stage is in force (-1: none)."""

    first: float
    days: float
    stage: int


def steps_of(stages: Sequence[Stage], step: float, until: float | None = None) -> list[Step]:
    """Cut the time from day 0 to the end of the last stage, or to `until`, into steps of `step` days.

    No step straddles the border of a stage: the last one of a stage may be shorter.

    >>> [(s.first, s.days, s.stage) for s in steps_of([Stage("on", 0, 10)], 7, until=14)]
    [(0, 7, 0), (7, 3, 0), (10, 4, -1)]
    """
    made: list[Step] = []
    at: float = 0
    for k, stage in enumerate(stages):
        made += _cut(at, stage.start, step, -1)
        made += _cut(stage.start, stage.end, step, k)
        at = stage.end
    if until is not None:
        made += _cut(at, until, step, -1)
    return made


def _cut(first: float, last: float, step: float, stage: int) -> list[Step]:
    if last <= first:
        return []
    count = max(math.ceil((last - first) / step - 1e-9), 1)
    starts = [first + k * step for k in range(count)]
    ends = [*starts[1:], last]
    return [Step(a, b - a, stage) for a, b in zip(starts, ends, strict=True)]


def check_schedule(
    stages: Sequence[Stage], step: float, until: float | None, rows: int, economies: int, where: str = "schedule"
) -> None:
    """Raise one InputError that lists every fault of a schedule for a table of that size."""
    faults = []
    if not 0 < step < math.inf:
        faults.append(Fault(f"the step is {step} days", where, "give a number of days above zero, such as 1"))
    names = [stage.name for stage in stages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault(f"stages share a name: {', '.join(twice)}", where, "name every stage differently"))
    if NO_STAGE in names:
        faults.append(Fault(f"a stage is named {NO_STAGE}, as the days without any are", where, "name it differently"))
    before, ended = "", 0.0
    for stage in stages:
        place = f"{where}: stage {stage.name}"
        if not (math.isfinite(stage.start) and math.isfinite(stage.end)) or stage.start < 0:
            faults.append(Fault(f"runs from {stage.start} to {stage.end}", place, "give days from 0 on"))
            continue
        length = stage.end - stage.start
        if length <= 0:
            faults.append(Fault(f"ends on day {stage.end:g}, not after its start", place, "give a later end"))
        elif step > length:
            mend = f"take a step of at most {length:g} days, or a longer stage"
            faults.append(Fault(f"lasts {length:g} days, less than a step of {step:g}", place, mend))
        if before and stage.start < ended:
            mend = f"put stages in the order of time, one at a time: start on day {ended:g} or later"
            faults.append(Fault(f"starts on day {stage.start:g}, before stage {before} ends", place, mend))
        before, ended = stage.name, max(ended, stage.end)
        faults += _share_faults("denied", stage.denied, (rows, economies), place)
        faults += _share_faults("lost_capacity", stage.lost_capacity, (rows,), place)
    if until is not None and not ended <= until < math.inf:
        faults.append(Fault(f"the run ends on day {until:g}, before its stages do", where, f"end it on {ended:g}"))
    if not stages and until is None:
        faults.append(Fault("there is no stage, and no day to end on", where, "give stages, or until="))
    if faults:
        raise InputError("this schedule cannot be run", faults=faults)


def _share_faults(name: str, share: Floats | None, shape: tuple[int, ...], place: str) -> list[Fault]:
    if share is None:
        return []
    if np.shape(share) != shape:
        return [Fault(f"{name} has shape {np.shape(share)}, the table says {shape}", place, "one share a cell")]
    if bad := int((~((share >= 0) & (share <= 1))).sum()):
        return [Fault(f"{name} has {bad} cell(s) that are no share", place, "give numbers from 0 to 1")]
    return []
