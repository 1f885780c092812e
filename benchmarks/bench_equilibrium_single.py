"""One counterfactual in general equilibrium: our joint accelerated solver against the textbook's nested one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import benchmark

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.equilibrium import Baseline

SIZES = {800: (40, 20), 3_420: (76, 45), 6_400: (160, 40)}  # economies, sectors
FIELDS = (
    "share", "value_added_share", "input_share", "consumption_share", "value_added", "tariff", "deficit", "theta",
)  # fmt: skip


def prepare(folder: Path, size: int) -> str:
    import numpy as np

    from benchmarks.economies import economy, measures

    N, J = SIZES[size]
    world = economy(J, N, 11, theta=(1.0, 12.0), deficits=0.03)
    asked = measures(world, 11)
    np.savez(
        folder / "world.npz",
        **{name: getattr(world, name) for name in FIELDS},
        **{f"asked {name}": array for name, array in asked.items()},
    )
    return (
        f"generated world of {N} economies and {J} sectors with inputs, tariffs and deficits; a third of the economies "
        "embargo one, trade of another costs more, a third raises its tariffs. Size is economies times sectors."
    )


def _read(folder: Path) -> "tuple[Baseline, dict[str, Any]]":
    import numpy as np

    from weaponized_interdependence.simulation.equilibrium import Baseline

    found = np.load(folder / "world.npz")
    world = Baseline(**{name: found[name] for name in FIELDS})
    return world, {name.removeprefix("asked "): found[name] for name in found.files if name not in FIELDS}


def nested(world: "Baseline", asked: dict[str, Any], tol: float, step: float = 0.1) -> tuple[Any, ...]:
    """The textbook's algorithm: prices to their fixed point, then spending, then a damped step of wages.

    Written for speed in numpy: powers of trade costs are taken once, and each round is a product of matrices a sector.
    Spending is iterated, for the system of all economies and sectors would be dense. Gives wages, log prices, spending
    and the number of rounds of all three.
    """
    import numpy as np

    theta = world.theta[:, None]
    tariff = asked["tariff"]
    cost = asked["cost_change"] * (1 + tariff) / (1 + world.tariff)
    A = np.where(asked["banned"], 0.0, world.share * cost ** -world.theta[:, None, None])
    net = A / (1 + tariff)
    J, N = world.shape
    wage, log_price = np.ones(N), np.zeros((J, N))
    spending = world.consumption_share * world.value_added
    rounds = 0

    def inputs(values: Any) -> Any:
        return np.einsum("kjn,kn->jn", world.input_share, values)

    def uses(values: Any) -> Any:
        return np.einsum("kjn,jn->kn", world.input_share, values)

    while True:
        for _ in range(500):
            log_cost = world.value_added_share * np.log(wage) + inputs(log_price)
            u = np.exp(-theta * log_cost)
            phi = np.matmul(A, u[..., None])[..., 0]
            following = -np.log(phi) / theta
            gap = np.abs(following - log_price).max()
            log_price = following
            rounds += 1
            if gap < 0.1 * tol:
                break
        part = np.matmul(net, u[..., None])[..., 0] / phi
        for _ in range(500):
            sales = np.matmul((spending / phi)[:, None, :], net)[:, 0, :] * u
            income = wage * world.value_added + (spending * (1 - part)).sum(axis=0) + world.deficit
            following = uses(sales) + world.consumption_share * income
            gap = np.abs(following / spending - 1).max()
            spending = following
            rounds += 1
            if gap < 0.1 * tol:
                break
        excess = (sales.sum(axis=0) - (spending * part).sum(axis=0) + world.deficit) / (wage * world.value_added)
        if np.abs(excess).max() < tol or rounds > 50_000:
            return wage, log_price, spending, rounds
        wage = wage * (1 + step * excess)
        wage *= world.value_added.sum() / (wage @ world.value_added)


def textbook(tol: float) -> Any:
    def run(folder: Path) -> dict[str, float]:
        import time

        import numpy as np

        world, asked = _read(folder)
        started = time.process_time()
        wage, log_price, spending, rounds = nested(world, asked, tol)
        spent = time.process_time() - started
        return {
            "CPU s": spent,
            "rounds": rounds,
            "residual": residual(world, asked, wage, np.exp(log_price), spending),
        }

    return run


def ours(tol: float) -> Any:
    def run(folder: Path) -> dict[str, float]:
        import time

        from weaponized_interdependence.simulation.equilibrium import solve

        world, asked = _read(folder)
        started = time.process_time()
        found = solve(world, **asked, tol=tol)
        first = time.process_time() - started
        started = time.process_time()
        solve(world, **asked, tol=tol)
        second = time.process_time() - started
        return {
            "CPU s": first,
            "CPU s over what is asked": first / ASKED[world.shape],
            "CPU s of the next counterfactual": second,
            "rounds": found.iterations,
            "residual": residual(world, asked, found.wage, found.price, found.expenditure),
        }

    return run


ASKED = {(20, 40): 0.010, (45, 76): 0.050, (40, 160): 0.20}


def residual(world: "Baseline", asked: dict[str, Any], wage: Any, price: Any, spending: Any) -> float:
    """Largest relative gap of prices (times theta, as shares feel it), spending and trade, recomputed for all alike."""
    import numpy as np

    cost = asked["cost_change"] * (1 + asked["tariff"]) / (1 + world.tariff)
    log_cost = world.value_added_share * np.log(wage) + np.einsum("kjn,kn->jn", world.input_share, np.log(price))
    terms = (
        np.where(asked["banned"], 0.0, world.share) * (cost * np.exp(log_cost)[:, None]) ** -world.theta[:, None, None]
    )
    phi = terms.sum(axis=2)
    border = terms / phi[..., None] * spending[..., None] / (1 + asked["tariff"])
    income = wage * world.value_added + (asked["tariff"] * border).sum(axis=(0, 2)) + world.deficit
    uses = np.einsum("kjn,jn->kn", world.input_share, border.sum(axis=1)) + world.consumption_share * income
    balance = (border.sum(axis=(0, 1)) - border.sum(axis=(0, 2)) + world.deficit) / (wage * world.value_added)
    prices = np.log(phi) + world.theta[:, None] * np.log(price)
    return float(max(np.abs(gap).max() for gap in (prices, uses / spending - 1, balance)))


TEXTBOOK_6, TEXTBOOK_8 = "textbook in numpy: nested, damped, tol 1e-6", "textbook in numpy: nested, damped, tol 1e-8"
OURS = "ours: solve(tol=1e-8)"

benchmark(
    "equilibrium_single",
    "What does one counterfactual of many economies and sectors cost, from arrays to equilibrium?",
    prepare=prepare,
    contenders={
        TEXTBOOK_8: textbook(1e-8),
        TEXTBOOK_6: textbook(1e-6),
        "ours: solve(tol=1e-6)": ours(1e-6),
        OURS: ours(1e-8),
    },
    sizes=tuple(SIZES),
    limits={OURS: {"CPU s over what is asked": 1.0, "residual": 1e-7}},
    imports=("numpy", "benchmarks.warm_equilibrium"),
    notes=""""CPU s" is the solution alone; columns of wall and CPU time have the reading of arrays, the check of the
    residual and, for ours, a second counterfactual in them. Ours is from a baseline never seen before: what it implies
    for spending is found too, which the textbook starts without. The residual is recomputed from the equations for all
    alike, with prices weighted by theta. Asked of ours, in CPU seconds of one thread at 1e-8: 0.010 for 40 economies by
    20 sectors, 0.050 for 76 x 45, 0.20 for 160 x 40. The textbook's step of wages is one that suits these elasticities
    (1 to 12): at 20 to 65 it goes round in circles for 50,000 rounds, and ours takes no more sweeps than here. Reported
    for others at these sizes, on another machine: the fastest open solver known (numba), at a loose tolerance of 1e-6,
    0.033, 0.22 and 0.72; KITE at 1e-8, 2.45, 9.8 and 21.7; cp2015 for R, 3.0, 25 and over 300. None of them was found
    as a package of Python to install, so that none is run here. The floor of 60 to 100 joint sweeps was put at 0.002,
    0.010 and 0.05.""",
    packages=("numpy", "numba"),
)
