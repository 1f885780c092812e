"""Sampled betweenness with a stated error, up to 1,000,000 nodes and 10,000,000 ties."""

from pathlib import Path

from benchmarks.harness import benchmark

SIZES = (20_000, 100_000, 1_000_000)
TIES = 10  # for each node
ERROR, COARSE = 0.001, 0.01


def prepare(folder: Path, size: int) -> str:
    import numpy as np
    import polars as pl

    from weaponized_interdependence.schemas import FLOWS

    rng = np.random.default_rng(size)
    keys = np.unique(rng.integers(0, size * (size - 1), size=size * TIES))
    origin, destination = np.divmod(keys, size - 1)
    destination += destination >= origin
    names = pl.Series([f"F{k:07d}" for k in range(size)])
    frame = pl.DataFrame(
        {
            "origin": names.gather(origin),
            "destination": names.gather(destination),
            "value": np.exp(rng.normal(0, 2, len(keys))),
        }
    ).with_columns(
        period=pl.lit("2023"),
        layer=pl.lit("payments"),
        item=pl.lit("TOTAL"),
        quantity=pl.lit(None, dtype=pl.Float64),
        quantity_unit=pl.lit(None, dtype=pl.String),
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )
    frame.select(FLOWS.schema.keys()).write_parquet(folder / "flows.parquet", compression_level=1)
    return f"FLOWS of a random network of {size:,} nodes and {len(keys):,} ties, values log-normal (sigma 2)."


def _scores(folder: Path, error: float) -> object:
    import os

    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    os.environ["WI_THREADS"] = "2"
    scores = rank(pl.scan_parquet(folder / "flows.parquet"), "betweenness_sampled", error=error).sort("node")
    assert (scores["high"] - scores["score"]).max() <= error * (1 + 1e-9)
    return scores["score"].to_numpy()


def fine(folder: Path) -> object:
    return _scores(folder, ERROR)


def coarse(folder: Path) -> object:
    return _scores(folder, COARSE)


def exactly(folder: Path) -> object:
    import os

    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    os.environ["WI_THREADS"] = "2"
    scores = rank(pl.scan_parquet(folder / "flows.parquet"), "betweenness").sort("node")["score"].to_numpy()
    return scores / (len(scores) * (len(scores) - 1.0))


FINE = f"ours: rank(..., 'betweenness_sampled', error={ERROR:g})"
ROUGH = f"the same, error={COARSE:g}"
EXACT = "ours: rank(..., 'betweenness') / (n (n - 1))"
benchmark(
    "betweenness_sampled",
    "How long does betweenness with a stated error take on networks too large for an exact answer, on two processors?",
    prepare=prepare,
    contenders={EXACT: exactly, FINE: fine, ROUGH: coarse},
    sizes=SIZES,
    upto={EXACT: 20_000},
    limits={FINE: {"wall s": 600.0}},
    within={FINE: ERROR, ROUGH: COARSE},
    packages=("polars", "numpy", "numba"),
    notes="Errors are absolute, of betweenness over n (n - 1), for all nodes at once with probability 0.95; where the "
    "exact answer ran, the largest difference from it, which the table gives as a part of the largest score, is the "
    "error that was made. There is no peer: networkit's KADABRA and its other estimates refuse directed networks, and "
    "igraph's cutoff changes what is measured instead of bounding an error. Two threads do the sampling; reading and "
    "sorting use what polars takes.",
)
