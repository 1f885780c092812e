"""General equilibrium of one sector, as gravity has it: ours with one sector against gegravity and scipy's root()."""

from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

SIGMA = 5.0
DISTANCE, BORDER, BLOC = -1.0, -2.0, 0.6


def prepare(folder: Path, size: int) -> str:
    """Trade that fits gravity exactly, by biproportional scaling; balanced; a new bloc of a quarter of all."""
    import numpy as np

    rng = np.random.default_rng(7)
    output = rng.lognormal(0.0, 1.5, size) * 1e6
    place = rng.normal(size=(size, 2))
    distance = np.log(0.2 + np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1)))
    border = 1.0 - np.eye(size)
    trade = np.exp(DISTANCE * distance + BORDER * border)
    for _ in range(20_000):
        trade *= (output / trade.sum(axis=1))[:, None]
        trade *= output / trade.sum(axis=0)
        if np.abs(trade.sum(axis=1) / output - 1).max() < 1e-14:
            break
    member = rng.permutation(size) < size // 4
    bloc = border * np.outer(member, member)
    np.savez(folder / "world.npz", output=output, distance=distance, border=border, trade=trade, bloc=bloc)
    return f"{size} generated economies, one sector, sigma {SIGMA:g}; a bloc of {size // 4} trades as if nearer."


def _read(folder: Path) -> Any:
    import numpy as np

    return np.load(folder / "world.npz")


def with_gegravity(folder: Path) -> Any:
    """Its real income, from baseline to simulation with its defaults."""
    import gegravity as ge
    import numpy as np
    import pandas as pd

    found = _read(folder)
    n = len(found["output"])
    names = [f"E{k:03}" for k in range(n)]
    first, second = (grid.ravel() for grid in np.meshgrid(range(n), range(n), indexing="ij"))
    frame = pd.DataFrame(
        {
            "exporter": [names[k] for k in first],
            "importer": [names[k] for k in second],
            "year": "2000",
            "trade": found["trade"].ravel(),
            "Y": found["output"][first],
            "E": found["output"][second],
            "distance": found["distance"].ravel(),
            "border": found["border"].ravel(),
            "bloc": 0.0,
        }
    )
    data = ge.BaselineData(
        frame, trade_var_name="trade", expend_var_name="E", output_var_name="Y", year_var_name="year"
    )
    values = pd.DataFrame({"var": ["distance", "border", "bloc"], "coeff": [DISTANCE, BORDER, BLOC]})
    model = ge.OneSectorGE(
        baseline=data,
        year="2000",
        expend_var_name="E",
        output_var_name="Y",
        sigma=SIGMA,
        reference_importer=names[0],
        cost_variables=["distance", "border", "bloc"],
        cost_coeff_values=ge.CostCoeffs(estimates=values, identifier_col="var", coeff_col="coeff"),
        quiet=True,
    )
    model.build_baseline()
    after = frame.copy()
    after["bloc"] = found["bloc"].ravel()
    model.define_experiment(after)
    model.simulate()
    return 1.0 / model.country_results["welfare statistic"].reindex(names).to_numpy(dtype=float)


def with_root(folder: Path) -> Any:
    """The same equations, wages by scipy's hybrid method with a Jacobian by differences."""
    import numpy as np
    from scipy.optimize import root

    found, theta = _read(folder), SIGMA - 1
    output = found["output"] / found["output"].sum()
    bought = found["trade"].T
    weight = bought / bought.sum(axis=1, keepdims=True) * np.exp(BLOC * found["bloc"].T)

    def wages(x: Any) -> Any:
        wage = np.exp(np.append(x, 0.0))
        return wage / (wage @ output)

    def excess(x: Any) -> Any:
        wage = wages(x)
        terms = weight * wage**-theta
        sold = (terms / terms.sum(axis=1, keepdims=True)).T @ (wage * output)
        return (sold / (wage * output) - 1)[:-1]

    wage = wages(root(excess, np.zeros(len(output) - 1), tol=1e-12).x)
    return wage * (weight * wage**-theta).sum(axis=1) ** (1 / theta)


def _ours(folder: Path) -> Any:
    import numpy as np

    from weaponized_interdependence.simulation.equilibrium import Baseline

    found = _read(folder)
    n = len(found["output"])
    bought = found["trade"].T  # [importer, exporter]
    world = Baseline(
        share=(bought / bought.sum(axis=1, keepdims=True))[None],
        value_added_share=np.ones((1, n)),
        input_share=np.zeros((1, 1, n)),
        consumption_share=np.ones((1, n)),
        value_added=found["output"],
        tariff=np.zeros((1, n, n)),
        deficit=np.zeros(n),
        theta=np.array([SIGMA - 1]),
    )
    return world, np.exp(-BLOC * found["bloc"].T / (SIGMA - 1))[None]


def ours(folder: Path) -> Any:
    from weaponized_interdependence.simulation.equilibrium import solve

    world, cost = _ours(folder)
    return solve(world, cost_change=cost, tol=1e-10).real_income


def ours_timed(folder: Path) -> dict[str, float]:
    """CPU seconds of the solution alone, and how far a solution without any change is from ones."""
    import time

    import numpy as np

    from weaponized_interdependence.simulation.equilibrium import solve

    world, cost = _ours(folder)
    started = time.process_time()
    moved = solve(world, cost_change=cost, tol=1e-8)
    spent = time.process_time() - started
    still = solve(world, tol=1e-10)
    return {
        "CPU s": spent,
        "sweeps": moved.iterations,
        "residual": moved.residual,
        "largest change without a shock": float(np.abs(still.real_income - 1).max()),
    }


ROOT = "scipy: root() on wages"
GEGRAVITY = "gegravity: OneSectorGE, its defaults"
OURS, TIMED = "ours: solve(), one sector", "ours: solve() alone, timed within"

benchmark(
    "equilibrium_one_sector",
    "How long does one counterfactual of the one-sector model take, and is the world before reproduced?",
    prepare=prepare,
    contenders={ROOT: with_root, GEGRAVITY: with_gegravity, OURS: ours, TIMED: ours_timed},
    requires={GEGRAVITY: ("gegravity",)},
    sizes=(15, 30, 60, 120),
    imports=("numpy", "scipy.optimize", "benchmarks.warm_equilibrium"),
    within={OURS: 1e-8},
    limits={TIMED: {"CPU s": 0.1, "largest change without a shock": 1e-9}},
    notes="""Compiled loops are there before the clock starts. gegravity (0.3) solves multilateral resistances and
    prices by scipy's hybrid method, to 1e-8 of its own equations; those leave the shares of economies in world output
    and expenditure as they were while prices move, so that its answer is not that of the equilibrium, and differs.
    Real income of it is the inverse of its welfare statistic. Reported elsewhere for 120 economies: 40 s, and a
    baseline that it does not return to.""",
    packages=("numpy", "scipy", "numba", "gegravity"),
)
