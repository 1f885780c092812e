"""Many counterfactuals of one baseline: solved together, one by one, and by the textbook's nested algorithm."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import benchmark

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual
    from weaponized_interdependence.simulation.equilibrium.economy import Baseline

FIELDS = (
    "share", "value_added_share", "input_share", "consumption_share", "value_added", "tariff", "deficit", "theta",
)  # fmt: skip
TOL = 1e-9


def counterfactuals(world: "Baseline", many: int) -> "Iterator[Counterfactual]":
    """Embargoes of one economy by coalitions that grow, bans on three sectors, and tariffs both ways, in turn."""
    import numpy as np

    from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual

    rng = np.random.default_rng(1400)
    J, N = world.shape
    largest = np.argsort(-world.value_added)
    for k in range(many):
        target = largest[k % 8]
        others = [n for n in largest if n != target]
        kind, size = k % 4, 1 + (k // 8) % (N // 2)
        ban = np.zeros((J, N, N), dtype=bool)
        if kind < 2:
            ban[:, others[:size], target] = ban[:, target, others[:size]] = True
            yield Counterfactual(banned=ban)
        elif kind == 2:
            cells = np.ix_(rng.choice(J, 3, replace=False), others[:size])
            ban[cells[0], cells[1], target] = ban[cells[0], target, cells[1]] = True
            yield Counterfactual(banned=ban)
        else:
            tariff = world.tariff.copy()
            against = rng.choice(others, 1 + k % 5, replace=False)
            tariff[:, target, against] += rng.uniform(0.05, 0.5)
            tariff[:, against, target] += rng.uniform(0.0, 0.3)
            yield Counterfactual(tariff=tariff)


def prepare(economies: int, sectors: int) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        import numpy as np

        from benchmarks.economies import economy

        world = economy(sectors, economies, 23, theta=(1.0, 12.0), deficits=0.03)
        np.savez(folder / "world.npz", **{name: getattr(world, name) for name in FIELDS})
        return (
            f"generated world of {economies} economies and {sectors} sectors with inputs, tariffs everywhere and "
            "deficits; embargoes of eight targets by coalitions of growing size (half), bans on three sectors, tariffs."
        )

    return write


def _read(folder: Path) -> "Baseline":
    import numpy as np

    from weaponized_interdependence.simulation.equilibrium.economy import Baseline

    found = np.load(folder / "world.npz")
    return Baseline(**{name: found[name] for name in FIELDS})


def together(many: int, beside: int, threads: int | None = None) -> Callable[[Path], dict[str, float]]:
    """All at once; then some of them one by one, for the ratio and the difference."""

    def run(folder: Path) -> dict[str, float]:
        import os

        import numpy as np

        if threads:
            os.environ["WI_THREADS"] = str(threads)

        from weaponized_interdependence.simulation.equilibrium.batch import solve_many
        from weaponized_interdependence.simulation.equilibrium.solver import solve

        world = _read(folder)
        # compiled, or read from the cache, before the clock starts
        small = _small()
        solve_many(small, counterfactuals(small, 8))
        solve(small)
        asked: Any = list(counterfactuals(world, many)) if many <= 500 else counterfactuals(world, many)
        started, clock = time.process_time(), time.perf_counter()
        found = solve_many(world, asked, tol=TOL)
        spent, wall = time.process_time() - started, time.perf_counter() - clock
        sample = range(0, many, many // beside)
        wanted = {k: each for k, each in enumerate(counterfactuals(world, many)) if k in sample}
        solve(world, tol=TOL)  # what the baseline implies is found once here too
        alone = alone_wall = apart = 0.0
        for k, each in wanted.items():
            started, clock = time.process_time(), time.perf_counter()
            one = solve(world, banned=each.banned, tariff=each.tariff, tol=TOL)
            alone += time.process_time() - started
            alone_wall += time.perf_counter() - clock
            apart = max(apart, float(np.abs(found.real_income[k] / one.real_income - 1).max()))
        return {
            "CPU s for all": spent,
            "wall s for all": wall,
            "CPU over that of solve": spent / many / (alone / len(wanted)),
            "wall over that of solve": wall / many / (alone_wall / len(wanted)),
            "passes, mean": float(found.iterations.mean()),
            "real income apart from solve": apart,
        }

    return run


def one_by_one(many: int, some: int) -> Callable[[Path], dict[str, float]]:
    def run(folder: Path) -> dict[str, float]:
        from weaponized_interdependence.simulation.equilibrium.solver import solve

        world = _read(folder)
        solve(world)
        return _scaled(world, many, some, lambda each: solve(world, banned=each.banned, tariff=each.tariff, tol=TOL))

    return run


def textbook(many: int, some: int) -> Callable[[Path], dict[str, float]]:
    def run(folder: Path) -> dict[str, float]:
        import numpy as np

        from benchmarks.bench_equilibrium_single import nested

        world = _read(folder)
        J, N = world.shape

        def solve(each: "Counterfactual") -> None:
            banned = np.zeros((J, N, N), dtype=bool) if each.banned is None else each.banned
            tariff = world.tariff if each.tariff is None else each.tariff
            nested(world, {"banned": banned, "tariff": tariff, "cost_change": np.ones((J, N, N))}, 1e-8)

        return _scaled(world, many, some, solve)

    return run


def _scaled(world: "Baseline", many: int, some: int, solve: Callable[["Counterfactual"], object]) -> dict[str, float]:
    """Some of the counterfactuals, evenly chosen, and what all would take."""
    spent = wall = 0.0
    sample = range(0, many, many // some)
    for k, each in enumerate(counterfactuals(world, many)):
        if k in sample:
            started, clock = time.process_time(), time.perf_counter()
            solve(each)
            spent += time.process_time() - started
            wall += time.perf_counter() - clock
    return {"CPU s for all": spent * many / len(sample), "wall s for all": wall * many / len(sample)}


def _small() -> "Baseline":
    from benchmarks.economies import economy

    return economy(4, 10, 1)


NOTES = """\
"CPU s for all" and "wall s for all" are of the solutions alone, in one process; solve_many uses as many threads as
there are unless said, the others one. Of the textbook's algorithm (at a tolerance of 1e-8) and, in the large world,
of `solve` some counterfactuals are run and scaled to all. "CPU over that of solve" is CPU time a counterfactual
together, over CPU time one by one, in the same process, and "wall over" the same of wall time. In the large world
counterfactuals are made while they are read, and that is timed too: their dense arrays would not fit in memory side
by side.
"""
PACKAGES = ("numpy", "numba")
IMPORTS = ("numpy", "weaponized_interdependence.simulation.equilibrium.batch")

TEXTBOOK, ALONE = "textbook in numpy: nested, damped, tol 1e-8", "ours: solve, one by one"
LARGE, SMALL, ONE = "ours: solve_many, 1,400", "ours: solve_many, 200", "ours: solve_many, 200, one thread"

benchmark(
    "equilibrium_batch",
    "What do 1,400 counterfactuals of one baseline cost, solved together?",
    prepare=prepare(160, 40),
    contenders={TEXTBOOK: textbook(1_400, 2), ALONE: one_by_one(1_400, 28), LARGE: together(1_400, 14)},
    limits={LARGE: {"CPU s for all": 120.0, "real income apart from solve": 1e-7}},
    imports=IMPORTS,
    notes=NOTES,
    packages=PACKAGES,
)

benchmark(
    "equilibrium_sweep",
    "How much faster are 200 counterfactuals of a 41 x 35 world together than one by one?",
    prepare=prepare(41, 35),
    contenders={
        TEXTBOOK: textbook(200, 4),
        ALONE: one_by_one(200, 200),
        ONE: together(200, 200, threads=1),
        SMALL: together(200, 200),
    },
    limits={
        ONE: {"CPU over that of solve": 1 / 3, "real income apart from solve": 1e-7},
        SMALL: {"wall over that of solve": 1 / 3, "real income apart from solve": 1e-7},
    },
    imports=IMPORTS,
    notes=NOTES,
    packages=PACKAGES,
)
