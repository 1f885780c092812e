"""An edge list with text ids in Parquet to a sparse matrix and to an igraph."""

from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

MEAN_TIES = 10  # of a node


def prepare(folder: Path, ties: int) -> str:
    """Random ties between a tenth as many nodes, in no order."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    nodes = ties // MEAN_TIES
    names = pl.Series([f"bank:{k:08x}" for k in rng.permutation(16 * nodes)[:nodes]])
    numbers = rng.integers(0, nodes, (2, ties))
    np.save(folder / "numbers.npy", numbers[:, np.lexsort(numbers[::-1])].T)
    ends = {end: names.gather(number) for end, number in zip(("origin", "destination"), numbers, strict=True)}
    frame = pl.DataFrame({**ends, "value": np.exp(rng.normal(0, 2, ties))})
    frame.write_parquet(folder / "edges.parquet")
    size = (folder / "edges.parquet").stat().st_size / 1e6
    return f"{ties:,} random ties between {nodes:,} nodes with text ids of 13 letters, in Parquet, {size:.0f} MB."


def bare(folder: Path) -> None:
    import numpy as np
    import polars as pl

    frame = pl.read_parquet(folder / "edges.parquet")
    np.sort(frame["value"].to_numpy())


def _network(folder: Path) -> Any:
    import polars as pl

    from weaponized_interdependence.network import build_network

    return build_network(pl.scan_parquet(folder / "edges.parquet"))


def network(folder: Path) -> None:
    _network(folder)


def matrix(folder: Path) -> None:
    from weaponized_interdependence.network import to_sparse

    net = _network(folder)
    assert to_sparse(net).nnz == net.size[1]


def graph(folder: Path) -> None:
    from weaponized_interdependence.network import to_igraph

    net = _network(folder)
    assert to_igraph(net, ("strength",)).ecount() == net.size[1]


def pandas_scipy(folder: Path) -> None:
    import numpy as np
    import pandas as pd
    from scipy import sparse

    frame = pd.read_parquet(folder / "edges.parquet")
    ids, names = pd.factorize(pd.concat([frame["origin"], frame["destination"]]), sort=True)
    origin, destination = np.split(ids, 2)
    sparse.coo_array((frame["value"].to_numpy(), (origin, destination)), shape=(len(names), len(names))).tocsr()


def igraph_alone(folder: Path) -> None:
    import igraph
    import numpy as np

    edges = np.load(folder / "numbers.npy")
    igraph.Graph(n=int(edges.max()) + 1, edges=edges, directed=True)


benchmark(
    "graph",
    "What does it cost to make a network of an edge list with text ids, against reading it and sorting its values?",
    prepare=prepare,
    sizes=(1_000_000, 10_000_000),
    contenders={
        "bare: polars read_parquet, numpy sort of the values": bare,
        "pandas: read_parquet, factorize, scipy CSR": pandas_scipy,
        "igraph: Graph() of the ties as sorted whole numbers": igraph_alone,
        "ours: build_network": network,
        "ours: build_network, to_sparse": matrix,
        "ours: build_network, to_igraph with strengths": graph,
    },
    limits={
        "ours: build_network, to_sparse": {"wall": 3.0, "peak memory": 3.0},
        "ours: build_network, to_igraph with strengths": {"peak memory": 3.0},
    },
    requires={"pandas: read_parquet, factorize, scipy CSR": ("pandas",)},
    packages=("polars", "numpy", "scipy", "igraph", "pandas"),
    imports=("numpy", "polars", "scipy.sparse", "igraph", "weaponized_interdependence.network"),
    notes="""The peer is the least that could be done with such a file: nothing is looked up. An igraph within three
        times its wall time is out of reach, for igraph's own constructor takes longer than that when it is given the
        ties as sorted whole numbers, as its row shows; so the graph is held to memory alone.""",
)
