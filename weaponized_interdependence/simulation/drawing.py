"""Draws in a simulation: which model has them, what they replace, and what the run says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.schemas import SENSITIVITY
from weaponized_interdependence.simulation.impact import Answer
from weaponized_interdependence.simulation.models import MODELS, Setting
from weaponized_interdependence.simulation.sectors import humanitarian_bundles
from weaponized_interdependence.simulation.uncertainty.draws import MOST_DRAWS
from weaponized_interdependence.simulation.uncertainty.sensitivity import LEAST_DRAWS
from weaponized_interdependence.terms import Horizon

DRAWN = "equilibrium"  # the model whose assumptions can be drawn
DRAWS = 64  # where nothing else is said: the ends of a band then rest on some three draws each, and cost a second
ENOUGH = 20  # from here on an end of a band (a twentieth of the draws) holds a draw
_ADD = f"--model {DRAWN}"


@dataclass(frozen=True)
class Drawing:
    """How many draws, from which seed, and whether the indices of sensitivity are asked for."""

    draws: int
    seed: int
    sensitivity: bool


def drawing_of(
    draws: int | None, seed: int, sensitivity: bool, models: Sequence[str] | None, *, table: bool
) -> Drawing | None:
    """What is to be drawn: `draws` of them, DRAWS by default, none for 0; UsageError says everything wrong with it.

    `models` are those named (None: all that can run), `table` says whether there is one.
    """
    faults = []
    # Where a name is not known, which model was meant is not known either.
    runs = table if models is None else DRAWN in models or any(name not in MODELS for name in models)
    if (draws or sensitivity) and not runs:
        what = " and ".join(name for name, given in (("draws", draws), ("sensitivity", sensitivity)) if given)
        mends = ["" if table else "give an input-output table (--table)", "" if models is None else f"add {_ADD}"]
        faults.append(Fault(f"{what}: only the model {DRAWN} is drawn", mend=" and ".join(filter(None, mends))))
    if draws is not None and draws > MOST_DRAWS:
        faults.append(Fault(f"{draws} draws", mend=f"give at most {MOST_DRAWS:,}"))
    if draws is not None and (draws < 0 or draws == 1):
        faults.append(
            Fault(f"{draws} draws", mend="give at least 2 (a few hundred for ends to rest on), or 0 for none")
        )
    if sensitivity and draws is not None and 0 < draws < LEAST_DRAWS:
        faults.append(Fault(f"sensitivity of {draws} draws", mend=f"give at least {LEAST_DRAWS}, such as 128"))
    if sensitivity and draws == 0:
        faults.append(Fault("sensitivity needs draws", mend="say how many, such as 128"))
    if seed < 0:
        faults.append(Fault(f"a seed of {seed}", mend="give a whole number from 0 up"))
    if faults:
        raise UsageError("these draws cannot be made", faults=faults)
    many = DRAWS if draws is None else draws
    return Drawing(many, seed, sensitivity) if many and runs else None


def drawn(
    rows: pl.DataFrame, answer: Answer, setting: Setting, drawing: Drawing
) -> tuple[pl.DataFrame, pl.DataFrame, tuple[str, ...]]:
    """IMPACTS rows of one phase with the bands of the draws, SENSITIVITY, and what is to be said of them.

    A quota has no draws (its duty is searched for in every equilibrium): a phase with one keeps its corners.
    """
    from weaponized_interdependence.simulation.bands import (
        Asked,
        equilibrium_bands,
        equilibrium_sensitivity,
        with_bands,
    )

    phase = setting.phase.name
    if setting.quotas is not None:
        return (
            rows,
            SENSITIVITY.empty(),
            (f"{DRAWN}: phase {phase} has a quota and is not drawn: its bands are corners",),
        )
    assert setting.base.table is not None
    bundles, _ = humanitarian_bundles(setting.base.flows, setting.base.table, setting.parties)
    world, asked = setting.shared.world, Asked(setting.parties, answer.gdp or {}, bundles)
    horizons = rows["horizon"].unique(maintain_order=True).to_list()
    bands, unsolved = equilibrium_bands(world, setting.cells, asked, horizons, draws=drawing.draws, seed=drawing.seed)
    moved = [SENSITIVITY.empty()]
    if drawing.sensitivity:
        moved += [
            equilibrium_sensitivity(
                world,
                setting.cells,
                asked,
                scenario=setting.scenario.name,
                phase=phase,
                horizon=horizon,
                draws=drawing.draws,
                seed=drawing.seed,
            )
            for horizon in (Horizon.NONE.value, *horizons)
        ]
    said = (
        f"{DRAWN}: low and high are the 5th and 95th percentile of {drawing.draws} draws of its elasticities and of "
        f"the denied shares (seed {drawing.seed}); those of other models are corners of what they assume"
    )
    few = (
        ""
        if drawing.draws >= ENOUGH
        else (
            f"{DRAWN}: the 5th and 95th percentile of {drawing.draws} draws rest on fewer than one draw each: ask for "
            f"{ENOUGH} at least, better some hundreds (--draws)"
        )
    )
    left = f"{DRAWN}: phase {phase}: {unsolved} draws (of all horizons) have no solution and are left out of its bands"
    return with_bands(rows, bands), pl.concat(moved), tuple(filter(None, (said, few, left if unsolved else "")))
