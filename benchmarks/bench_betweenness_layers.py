"""A year of products (5,000 layers, 200 economies, 11.5 million rows): weighted directed betweenness of every layer."""

import time
from pathlib import Path
from typing import Any

from benchmarks.bench_layers_shares import ITEMS, ROWS, year
from benchmarks.harness import benchmark

SOME = 20  # layers of which networkx is measured


def prepare(folder: Path) -> str:
    return year(folder, ROWS)


def _layers(folder: Path, count: int | None = None) -> Any:
    """(nodes, origin, destination, length) of every layer, from the same file, in order of items."""
    import numpy as np
    import polars as pl

    flows = pl.read_parquet(folder / "flows.parquet", columns=["item", "origin", "destination", "value"])
    items = flows["item"].unique().sort()
    names = pl.concat([flows["origin"].unique(), flows["destination"].unique()]).unique().sort()
    if count is not None:
        flows = flows.filter(pl.col("item").is_in(items.head(count).implode()))
    kinds = {"item": pl.Enum(items), "origin": pl.Enum(names), "destination": pl.Enum(names)}
    coded = flows.with_columns(pl.col(c).cast(t).to_physical() for c, t in kinds.items()).sort("item")
    item, ends, value = coded["item"].to_numpy(), coded["origin", "destination"].to_numpy(), coded["value"].to_numpy()
    first = np.flatnonzero(np.append(True, item[1:] != item[:-1]))
    for a, b in zip(first, np.append(first[1:], len(item)), strict=True):
        nodes, place = np.unique(ends[a:b], return_inverse=True)
        yield len(nodes), place.reshape(-1, 2), value[a:b].max() / value[a:b]


def by_igraph(folder: Path) -> object:
    import igraph
    import numpy as np

    found = [igraph.Graph(n, ends, directed=True).betweenness(weights=length) for n, ends, length in _layers(folder)]
    return np.concatenate(found)


def by_networkx(folder: Path) -> object:
    import networkx as nx

    layers = list(_layers(folder, SOME))
    started = time.perf_counter()
    for _, ends, length in layers:
        graph = nx.DiGraph()
        graph.add_weighted_edges_from(zip(*ends.T.tolist(), length.tolist(), strict=True))
        nx.betweenness_centrality(graph, weight="weight", normalized=False)
    return {"ms a layer": (time.perf_counter() - started) / SOME * 1e3}


def by_rank(folder: Path) -> object:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    scores = rank(pl.scan_parquet(folder / "flows.parquet"), "betweenness", by=("item",))
    return scores.sort("item", "node")["score"].to_numpy()


def loops_alone(folder: Path) -> object:
    import polars as pl

    from weaponized_interdependence.indicators.coded import encode
    from weaponized_interdependence.indicators.routing.least_paths import exact

    columns = ["item", "origin", "destination", "value"]
    coded = encode(pl.read_parquet(folder / "flows.parquet", columns=columns))
    wall, cpu = time.perf_counter(), time.process_time()
    exact(coded)
    return {
        "ms a layer": (time.perf_counter() - wall) / ITEMS * 1e3,
        "CPU ms a layer": (time.process_time() - cpu) / ITEMS * 1e3,
    }


benchmark(
    "betweenness_layers",
    "How long does weighted directed betweenness of every product of a year take, flows in Parquet to ranked scores?",
    prepare=prepare,
    contenders={
        "igraph, layer by layer": by_igraph,
        f"networkx, {SOME} layers only": by_networkx,
        "ours: rank(..., 'betweenness', by=('item',))": by_rank,
        "ours, the loops alone": loops_alone,
    },
    limits={"ours: rank(..., 'betweenness', by=('item',))": {"cpu s": 20.0, "wall": 1.0}},
    agree=1e-9,
    packages=("polars", "numba", "igraph", "networkx"),
    notes=f"networkx is measured on {SOME} of the {ITEMS:,} layers: its row of the table is not the year, and ms a "
    "layer is what compares. igraph's scores stay an array, ours are a table with names, ranks and units. The layers "
    "are random, which is harder than trade: where a few hubs carry most, fewer ties are of use to any path.",
)
