"""Memory against the number of ties: one sparse network of many nodes, and many products of few."""

from pathlib import Path

from benchmarks.bench_layers_shares import year
from benchmarks.harness import benchmark

INDICATORS = ("export_share", "hhi_imports", "removal_loss", "pagerank")


def prepare(folder: Path, ties: int) -> str:
    """A payment network with a node for every ten ties, and as many ties in products of 200 economies."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(5)
    nodes = ties // 10
    names = pl.Series([f"bank:{k:08x}" for k in rng.permutation(16 * nodes)[:nodes]])
    words = {"period": "2023", "layer": "payments", "item": "MT103", "unit": "USD", "basis": "observed"}
    frame = pl.DataFrame(
        {
            "origin": names.gather(rng.integers(0, nodes, ties)),
            "destination": names.gather(rng.integers(0, nodes, ties)),
            "value": np.exp(rng.normal(0, 2, ties)),
        }
    )
    frame.with_columns(pl.lit(word).alias(c) for c, word in words.items()).write_parquet(folder / "payments.parquet")
    year(folder, ties, items=max(10, ties // 2_000))
    return (
        f"Parquet in random order, {ties:,} ties between {nodes:,} nodes: dense matrices of them would take "
        f"{8 * nodes**2 / 1e9:,.1f} GB; and as many ties in {max(10, ties // 2_000):,} products of 200 economies."
    )


def bare(folder: Path) -> None:
    import polars as pl

    pl.read_parquet(folder / "payments.parquet", columns=["origin", "destination", "value"])


def matrix(folder: Path) -> None:
    import polars as pl

    from weaponized_interdependence.network import build_network, to_sparse

    to_sparse(build_network(pl.scan_parquet(folder / "payments.parquet")))


def one_network(folder: Path) -> None:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    rank(pl.scan_parquet(folder / "payments.parquet"), INDICATORS)


def products(folder: Path) -> None:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    rank(pl.scan_parquet(folder / "flows.parquet"), INDICATORS, by=["item"])


benchmark(
    "memory",
    "Does memory grow with the ties, and never with the square of the nodes?",
    prepare=prepare,
    sizes=(300_000, 1_000_000, 3_000_000, 10_000_000),
    contenders={
        "bare: polars read_parquet": bare,
        "ours: build_network, to_sparse": matrix,
        "ours: rank() of one network": one_network,
        "ours: rank() of products": products,
    },
    limits={
        "ours: build_network, to_sparse": {"peak memory": 3.0},
        "ours: rank() of one network": {"peak MB": 8_000},
        "ours: rank() of products": {"peak MB": 4_000},
    },
    packages=("polars", "numpy", "scipy", "igraph"),
    notes=f"""The indicators are {", ".join(INDICATORS)}; the last goes through igraph. A power of memory of about 1
        says that it grows with the ties; 2 would be the square of the nodes, for there is one to every ten ties. At the
        smallest size most of it is Python with its libraries.""",
)
