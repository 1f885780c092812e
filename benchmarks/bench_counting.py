"""Counting betweenness of an input-output table by one inverse, against the textbook's inverse for every target."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.harness import benchmark

if TYPE_CHECKING:
    from weaponized_interdependence.io_table import IOTable

Z = "Z.npy"
SECTORS = 50
PEER = "numpy: one inverse a target"
OURS = "ours: industry_counting_betweenness"


def prepare(folder: Path, size: int) -> str:
    """A table in which economies buy mostly at home, with nearly every cell filled, as in published ones."""
    rng = np.random.default_rng(2011)
    deliveries = np.exp(rng.normal(0, 3, (size, size))) * (rng.random((size, size)) < 0.9)
    home = np.arange(size) // SECTORS
    deliveries[home[:, None] == home] *= 300
    np.save(folder / Z, deliveries)
    return f"generated table, {size // SECTORS} economies x {SECTORS} sectors = {size:,} industries, 90 per cent filled"


def textbook(folder: Path) -> npt.NDArray[np.float64]:
    """Expected visits of every walk by the inverse of each target's own system."""
    P = np.load(folder / Z)
    P /= P.sum(axis=1, keepdims=True)
    n = len(P)
    passes = np.full(n, 2.0 * (n - 1))
    for t in range(n):
        rest = np.flatnonzero(np.arange(n) != t)
        visits = np.linalg.inv(np.eye(n - 1) - P[np.ix_(rest, rest)]).sum(axis=0)
        passes[rest] += (visits * (1 - P[rest, t]) + visits - 1) / 2
    return passes / (n * (n - 1))


def ours(folder: Path) -> npt.NDArray[np.float64]:
    from weaponized_interdependence.indicators.rank import rank

    given = table(np.load(folder / Z))
    scores = rank(None, "industry_counting_betweenness", table=given, by=("item",)).sort("node", "item")
    return scores["score"].to_numpy()


def table(deliveries: npt.NDArray[np.float64]) -> "IOTable":
    """The deliveries with one final demand, and names that sort as the industries do."""
    from weaponized_interdependence.io_table import IOTable

    n = len(deliveries)
    economies = n // SECTORS
    final = np.ones((n, economies))
    output = deliveries.sum(axis=1) + economies
    return IOTable(
        period="2020",
        economies=tuple(f"E{k:03d}" for k in range(economies)),
        sectors=tuple(f"s{k:02d}" for k in range(SECTORS)),
        demands=("final",),
        Z=deliveries,
        Y=final,
        VA=output - deliveries.sum(axis=0),
        x=output,
        other=np.zeros(n),
        classification="BENCH",
        basis="assumed",
    )


benchmark(
    "counting",
    "What does counting betweenness of all industries cost by one inverse, against the textbook's one a target?",
    prepare=prepare,
    contenders={PEER: textbook, OURS: ours},
    sizes=(200, 3_500),
    upto={PEER: 200},
    agree=1e-8,
    limits={OURS: {"cpu s": 5.0}},
    imports=("numpy", "polars", "weaponized_interdependence.indicators.rank", "scipy.linalg", "scipy.sparse"),
    packages=("numpy", "scipy"),
    notes="The peer's cost grows with the fourth power of the number of industries: at 3,500 it would be hours.",
)
