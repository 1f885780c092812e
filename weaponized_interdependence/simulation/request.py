"""What is asked of a simulation, checked as a whole before anything is read or computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weaponized_interdependence.errors import Checks, UsageError
from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.simulation.drawing import Drawing, drawing_of
from weaponized_interdependence.simulation.elasticities import Elasticities, load
from weaponized_interdependence.simulation.models import (
    WEEK,
    Model,
    at_horizons,
    chosen_horizons,
    chosen_models,
    refuse_without_horizon,
)
from weaponized_interdependence.terms import HORIZONS


@dataclass(frozen=True)
class Request:
    """The models that will run, the horizons, the days of a step, the draws, the elasticities, what to say of these."""

    models: tuple[Model, ...]
    horizons: tuple[str, ...]
    step: int
    drawing: Drawing | None
    elasticities: Elasticities
    notes: tuple[str, ...]


def requested(
    scenario: Scenario,
    *,
    flows: bool,
    table: bool,
    models: Sequence[str] | None = None,
    horizons: Sequence[str] | None = None,
    elasticities: str | Path | None = None,
    step: int | None = None,
    draws: int | None = None,
    seed: int = 0,
    sensitivity: bool = False,
) -> Request:
    """The request, of the arguments of `simulate`; one UsageError says everything that is wrong with them.

    `flows` and `table` say whether there are any. A model chosen by name must have one of the horizons; of models that
    were not named, those without any are left out.
    """
    checks = Checks("this cannot be simulated as asked")
    asked: tuple[str, ...] = HORIZONS
    with checks:
        asked = chosen_horizons(horizons)
    with checks:
        chosen = chosen_models(models, flows=flows, table=table)
    with checks:
        refuse_without_horizon(models or (), asked)
    with checks:
        drawing = drawing_of(draws, seed, sensitivity, models, table=table)
    with checks:
        set_ = load(elasticities or scenario.assumptions.elasticities)
    with checks:
        days = _step(step, scenario)
    checks.done()
    left, notes = at_horizons(chosen, asked)
    return Request(tuple(left), asked, days, drawing, set_, notes)


def _step(step: int | None, scenario: Scenario) -> int:
    """Days of a step: whole, at least one, and no longer than the shortest phase."""
    if step is None:
        return WEEK
    shortest = min((days, phase.name) for phase, _, days in scenario.timeline())
    if not 1 <= step <= shortest[0]:
        raise UsageError(
            f"a step of {step} days", mend=f"use 1 to {shortest[0]}, the days of the shortest phase, {shortest[1]}"
        )
    return step
