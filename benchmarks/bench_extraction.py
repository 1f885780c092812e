"""Hypothetical extraction of every industry of a table with 3,000: one inverse against solving anew without each."""

from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

ECONOMIES, SECTORS = 75, 40
ROWS = ECONOMIES * SECTORS
FEW = 10  # solving anew takes a factorisation each: ten of the 3,000 are enough to see it


def prepare(folder: Path) -> str:
    """A dense table whose industries use four tenths to seven tenths of their output as inputs."""
    import numpy as np

    rng = np.random.default_rng(2012)
    output = rng.lognormal(3.0, 1.5, ROWS)
    near = np.kron(np.eye(ECONOMIES), np.ones((SECTORS, SECTORS))) * 30 + 1  # most inputs come from at home
    shares = rng.gamma(0.3, 1.0, (ROWS, ROWS)) * near * output[:, None]
    shares *= rng.uniform(0.4, 0.7, ROWS) / shares.sum(axis=0)
    deliveries = shares * output
    # nobody delivers more than nine tenths of what it makes to others
    deliveries *= np.minimum(1.0, 0.9 * output / deliveries.sum(axis=1))[:, None]
    final = np.zeros((ROWS, ECONOMIES))
    final[np.arange(ROWS), np.arange(ROWS) // SECTORS] = output - deliveries.sum(axis=1)
    for name, array in (("Z", deliveries), ("Y", final), ("x", output)):
        np.save(folder / f"{name}.npy", array)
    return f"generated table of {ECONOMIES} economies by {SECTORS} sectors, every cell above zero."


def inverted(folder: Path) -> Any:
    import numpy as np

    deliveries, output = np.load(folder / "Z.npy"), np.load(folder / "x.npy")
    inverse = np.linalg.inv(np.eye(ROWS) - deliveries / output)
    return inverse.sum(axis=0) * output / np.diag(inverse) / output.sum()


def with_pymrio(folder: Path) -> Any:
    import numpy as np
    import pymrio

    deliveries, output = np.load(folder / "Z.npy"), np.load(folder / "x.npy")
    inverse = pymrio.calc_L(pymrio.calc_A(deliveries, output))
    return inverse.sum(axis=0) * output / np.diag(inverse) / output.sum()


def anew(folder: Path) -> dict[str, float]:
    import time

    import numpy as np

    deliveries, final, output = (np.load(folder / f"{name}.npy") for name in ("Z", "Y", "x"))
    coefficients, demand = deliveries / output, final.sum(axis=1)
    started = time.process_time()
    for k in range(0, ROWS, ROWS // FEW):
        left, wanted = np.eye(ROWS) - coefficients, demand.copy()
        left[k], left[:, k], wanted[k] = 0.0, 0.0, 0.0
        left[k, k] = 1.0
        _ = (output - np.linalg.solve(left, wanted)).sum() / output.sum()
    return {"CPU s an industry": (time.process_time() - started) / FEW}


def ours(folder: Path) -> Any:
    import numpy as np

    from weaponized_interdependence.indicators.rank import rank
    from weaponized_interdependence.io_table import IOTable

    deliveries, final, output = (np.load(folder / f"{name}.npy") for name in ("Z", "Y", "x"))
    table = IOTable(
        period="2020",
        economies=tuple(f"E{k:02}" for k in range(ECONOMIES)),
        sectors=tuple(f"s{k:02}" for k in range(SECTORS)),
        demands=("final",),
        Z=deliveries,
        Y=final,
        VA=output - deliveries.sum(axis=0),
        x=output,
        other=np.zeros(ROWS),
        classification="MADE",
        basis="assumed",
    )
    return rank(None, "extraction_loss", table=table, by=("item",)).sort("node", "item")["score"].to_numpy()


OURS = f"ours: rank('extraction_loss'), all {ROWS:,}"
PYMRIO = f"pymrio: calc_L, closed form, all {ROWS:,}"

benchmark(
    "extraction",
    "What does the output lost without each of 3,000 industries cost, from one factorisation?",
    prepare=prepare,
    contenders={
        f"numpy: one inv(), closed form, all {ROWS:,}": inverted,
        PYMRIO: with_pymrio,
        f"numpy: solve() anew for {FEW} of {ROWS:,}": anew,
        OURS: ours,
    },
    requires={PYMRIO: ("pymrio",)},
    imports=("numpy", "scipy.linalg", "polars", "weaponized_interdependence.indicators.rank"),
    agree=1e-9,
    limits={OURS: {"cpu": 1.0, "cpu s": 2.6}},
    notes="The closed form is (1'L)_k x_k / L_kk; libraries of input-output analysis give L and leave the rest to the "
    "user. The peers leave their matrices to as many threads as there are, which spin while they wait: on a busy "
    "machine their CPU time is several times what it is on a quiet one. Ours takes one thread.",
    packages=("numpy", "scipy", "polars"),
)
