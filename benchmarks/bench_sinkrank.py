"""SinkRank of a payment network: all nodes by one inverse, named nodes by iteration, against one solve a target."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import benchmark

FLOWS = "payments.parquet"
TARGETS = 10
PEER = f"scipy: one dense solve a target, {TARGETS} targets"
ALL = "ours: sinkrank, all nodes"
NAMED = f"ours: sinkrank, {TARGETS} named"


def prepare(folder: Path, size: int) -> str:
    """Banks that pay twenty others on average, a few of them nearly all, and values over orders of magnitude."""
    import polars as pl

    rng = np.random.default_rng(2013)
    reach = 1.0 / np.arange(1, size + 1) ** 0.8  # few are paid by many
    origin = np.append(rng.integers(0, size, 20 * size), np.arange(size))
    destination = np.append(rng.choice(size, 20 * size, p=reach / reach.sum()), np.roll(np.arange(size), 1))
    names = pl.Series([f"B{k:05d}" for k in range(size)])
    columns = {"period": "2020", "layer": "payments", "item": "TOTAL", "unit": "USD", "basis": "estimated"}
    ends = {"origin": names.gather(origin), "destination": names.gather(destination)}
    frame = pl.DataFrame({**ends, "value": np.exp(rng.normal(10, 2, len(origin)))})
    frame = frame.group_by("origin", "destination", maintain_order=True).agg(pl.col("value").sum())
    frame.with_columns(pl.lit(v).alias(k) for k, v in columns.items()).write_parquet(folder / FLOWS)
    return f"generated payments, {size:,} nodes, {frame.height:,} ties, strongly connected"


def targets(folder: Path) -> list[str]:
    """The first and nine others, spread over the nodes."""
    import polars as pl

    names = pl.read_parquet(folder / FLOWS, columns=["origin"])["origin"].unique().sort()
    return names.gather(np.linspace(0, len(names) - 1, TARGETS).astype(int)).to_list()


def textbook(folder: Path) -> npt.NDArray[np.float64]:
    """(n - 1) / 1'(I - P without t)^-1 1 for each target."""
    import polars as pl
    from scipy.linalg import solve

    frame = pl.read_parquet(folder / FLOWS)
    names = frame["origin"].unique().sort()
    ends = frame.select(pl.col("origin", "destination").cast(pl.Enum(names)).to_physical())
    n = len(names)
    P = np.zeros((n, n))
    P[ends["origin"].to_numpy(), ends["destination"].to_numpy()] = frame["value"].to_numpy()
    P /= P.sum(axis=1, keepdims=True)
    found = []
    for name in targets(folder):
        rest = np.arange(n) != names.index_of(name)
        steps = solve(np.eye(n - 1) - P[np.ix_(rest, rest)], np.ones(n - 1), overwrite_a=True)
        found.append((n - 1) / steps.sum())
    return np.array(found)


def everyone(folder: Path) -> npt.NDArray[np.float64]:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    scores = dict(rank(pl.read_parquet(folder / FLOWS), "sinkrank").select("node", "score").rows())
    assert None not in scores.values()
    return np.array([scores[name] for name in targets(folder)])


def named(folder: Path) -> npt.NDArray[np.float64]:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    chosen = targets(folder)
    frame = rank(pl.read_parquet(folder / FLOWS), "sinkrank", jurisdiction=chosen)
    scores = dict(frame.select("node", "score").rows())
    return np.array([scores[name] for name in chosen])


benchmark(
    "sinkrank",
    "What does SinkRank of all nodes cost by one inverse, against one solve a node?",
    prepare=prepare,
    contenders={PEER: textbook, ALL: everyone, NAMED: named},
    sizes=(1_000, 3_000),
    agree=1e-8,
    limits={ALL: {"cpu s": 7.0, "cpu": 1.0}},
    imports=("numpy", "scipy.linalg", "polars", "weaponized_interdependence.indicators.rank"),
    packages=("numpy", "scipy"),
    notes=f"The peer solves for {TARGETS} targets only: all of n would take it n / {TARGETS} times as long.",
)
