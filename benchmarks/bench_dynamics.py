"""A year of the dynamic input-output model, day by day: one industry of a table loses a part of its capacity."""

from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

SIZES = {400: (20, 20), 2_000: (50, 40), 3_420: (76, 45)}  # economies, sectors
DAYS = 365
BROKEN, SHARE = 5, 0.5  # which industry, and how much of its capacity


def prepare(folder: Path, size: int) -> str:
    """A dense table whose industries use six tenths of their output as inputs at most."""
    import numpy as np

    economies, sectors = SIZES[size]
    rng = np.random.default_rng(2020)
    near = np.kron(np.eye(economies), np.ones((sectors, sectors))) * 30 + 1  # most inputs come from at home
    deliveries, final = rng.gamma(0.5, 1e6, (size, size)) * near, rng.gamma(1.0, 2e6 * size, (size, economies))
    output = deliveries.sum(axis=1) + final.sum(axis=1)
    deliveries *= np.minimum(1.0, 0.6 * output / deliveries.sum(axis=0))
    np.save(folder / "Z.npy", deliveries)
    np.save(folder / "Y.npy", final)
    return (
        f"generated table of {economies} economies by {sectors} sectors, every cell above zero; {DAYS} steps of a day."
    )


def _names(size: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    economies, sectors = SIZES[size]
    return tuple(f"E{k:02}" for k in range(economies)), tuple(f"s{k:02}" for k in range(sectors))


def boario(folder: Path) -> Any:
    import logging
    import warnings

    import numpy as np
    import pandas as pd
    import pymrio

    warnings.simplefilter("ignore")
    from boario.event import from_series
    from boario.extended_models import ARIOPsiModel
    from boario.simulation import Simulation

    logging.getLogger("boario").setLevel(logging.ERROR)
    deliveries, final = np.load(folder / "Z.npy"), np.load(folder / "Y.npy")
    economies, sectors = _names(len(deliveries))
    rows = pd.MultiIndex.from_product([economies, sectors], names=["region", "sector"])
    columns = pd.MultiIndex.from_product([economies, ["final"]], names=["region", "category"])
    system = pymrio.IOSystem(Z=pd.DataFrame(deliveries, rows, rows), Y=pd.DataFrame(final, rows, columns))
    system.x = pymrio.calc_x(system.Z, system.Y)
    system.A = pymrio.calc_A(system.Z, system.x)
    simulation = Simulation(ARIOPsiModel(system), n_temporal_units_to_sim=DAYS)
    impact = pd.Series([SHARE], index=rows[[BROKEN]])
    simulation.add_event(from_series(impact, event_type="arbitrary", occurrence=5, duration=55, recovery_tau=1))
    simulation.loop()
    return np.asarray(simulation.production_realised, dtype=np.float64)


def _table(folder: Path) -> Any:
    import numpy as np

    from weaponized_interdependence.io_table import IOTable

    deliveries, final = np.load(folder / "Z.npy"), np.load(folder / "Y.npy")
    economies, sectors = _names(len(deliveries))
    output = deliveries.sum(axis=1) + final.sum(axis=1)
    return IOTable(
        period="2020",
        economies=economies,
        sectors=sectors,
        demands=("final",),
        Z=deliveries,
        Y=final,
        VA=output - deliveries.sum(axis=0),
        x=output,
        other=np.zeros(len(output)),
        classification="MADE",
        basis="assumed",
    )


def ours(folder: Path) -> Any:
    import math

    import numpy as np

    from weaponized_interdependence.simulation.dynamics import Parameters, Stage, run

    table = _table(folder)
    lost = np.zeros(len(table.x))
    lost[BROKEN] = SHARE
    # the assumptions of the peer; its event bears on output from the day after until three days after
    same = Parameters(
        orders="capacity", follow="made", scarcity="incoming", negligible=1e-5 / 365, reroute_days=math.inf
    )
    return run(table, [Stage("broken", 6, 63, None, lost)], same, until=DAYS).output


def embargo(folder: Path) -> dict[str, float]:
    import numpy as np

    from weaponized_interdependence.simulation.dynamics import Stage, run

    table = _table(folder)
    n, j, _ = table.size
    denied = np.zeros((n * j, n))
    denied[j : n // 2 * j, 0] = 1.0
    denied[:j, 1 : n // 2] = 1.0
    path = run(table, [Stage("on", 0, 180, denied), Stage("off", 180, DAYS)])
    lost = path.value_added_lost()[180 - 1, 0] / path.base_value_added()[0]
    return {"loss of the target on day 180, per cent": 100 * float(lost)}


PEER = "BoARIO: ARIOPsiModel, capacity lost"
OURS = "ours: run(), capacity lost"

benchmark(
    "dynamics",
    "What does a year of the dynamic input-output model cost, day by day?",
    prepare=prepare,
    contenders={PEER: boario, OURS: ours, "ours: run(), embargo, rerouting, off-ramp": embargo},
    requires={PEER: ("boario", "pymrio", "progressbar")},
    sizes=tuple(SIZES),
    imports=("numpy", "numba", "scipy.linalg", "weaponized_interdependence.simulation.dynamics"),
    agree=1e-8,
    limits={OURS: {"cpu": 1 / 20}},
    notes="Same event, same rules, every day of every industry compared. BoARIO keeps the whole matrix of orders and "
    "works it over many times a step; here orders are shares of totals, and a step reads the shares once. The peer "
    "knows no denial of deliveries: the embargo stands alone, with orders redirected and stocks run down. "
    "At 3,420 industries a run of the peer takes minutes: --repeat 1.",
    packages=("numpy", "scipy", "numba"),
)
