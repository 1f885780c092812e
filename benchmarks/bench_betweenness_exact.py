"""Exact weighted betweenness of one sparse directed network, up to 10,000 nodes and 100,000 ties."""

from pathlib import Path
from typing import Any

from benchmarks.harness import benchmark

SIZES = (1_000, 3_000, 10_000)
TIES = 10  # for each node


def prepare(folder: Path, size: int) -> str:
    import numpy as np

    rng = np.random.default_rng(size)
    keys = np.unique(rng.integers(0, size * (size - 1), size=size * TIES))
    origin, destination = np.divmod(keys, size - 1)
    destination += destination >= origin
    strength = np.exp(rng.normal(0, 2, len(keys)))
    np.savez(folder / "ties.npz", n=size, origin=origin, destination=destination, strength=strength)
    return f"a random network of {size:,} nodes and {len(keys):,} ties, strengths log-normal (sigma 2)."


def _ties(folder: Path) -> Any:
    import numpy as np

    ties = np.load(folder / "ties.npz")
    strength = ties["strength"]
    return int(ties["n"]), ties["origin"], ties["destination"], strength, strength.max() / strength


def _part_by_igraph(given: tuple[Path, int, int]) -> object:
    import igraph
    import numpy as np

    folder, part, parts = given
    n, origin, destination, _, length = _ties(folder)
    graph = igraph.Graph(n, np.column_stack((origin, destination)), directed=True)
    # betweenness(sources=) counts pairs from these only; parts add up
    return np.array(graph.betweenness(weights=length, sources=list(range(part, n, parts)), targets=None))


def by_igraph_split(folder: Path) -> object:
    import os
    from concurrent.futures import ProcessPoolExecutor

    parts = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ProcessPoolExecutor(parts) as pool:
        return sum(pool.map(_part_by_igraph, [(folder, k, parts) for k in range(parts)]))


def by_igraph(folder: Path) -> object:
    import igraph
    import numpy as np

    n, origin, destination, _, length = _ties(folder)
    return igraph.Graph(n, np.column_stack((origin, destination)), directed=True).betweenness(weights=length)


def by_networkit(folder: Path) -> object:
    import networkit as nk

    n, origin, destination, _, length = _ties(folder)
    graph = nk.GraphFromCoo((length, (origin, destination)), n=n, weighted=True, directed=True)
    return nk.centrality.Betweenness(graph).run().scores()


def by_graph_tool(folder: Path) -> object:
    import graph_tool
    import graph_tool.centrality
    import numpy as np

    n, origin, destination, _, length = _ties(folder)
    graph = graph_tool.Graph(directed=True)
    graph.add_vertex(n)
    weights = graph.new_edge_property("double")
    graph.add_edge_list(np.column_stack((origin, destination, length)), eprops=[weights])
    return graph_tool.centrality.betweenness(graph, weight=weights, norm=False)[0].a


def by_ours(folder: Path) -> object:
    from weaponized_interdependence.indicators.routing.least_paths import betweenness_of
    from weaponized_interdependence.network import Network

    n, origin, destination, strength, _ = _ties(folder)
    return betweenness_of(Network(tuple(map(str, range(n))), origin, destination, strength))


OURS = "ours: betweenness_of(network)"
benchmark(
    "betweenness_exact",
    "How long does exact weighted betweenness of one large sparse directed network take, all processors used?",
    prepare=prepare,
    contenders={
        "igraph, sources split over processes": by_igraph_split,
        "igraph": by_igraph,
        "networkit": by_networkit,
        "graph-tool": by_graph_tool,
        OURS: by_ours,
    },
    sizes=SIZES,
    requires={"networkit": ("networkit",), "graph-tool": ("graph_tool",)},
    limits={OURS: {"wall of fastest": 1.0}},
    agree=1e-9,
    packages=("numpy", "numba", "igraph"),
    notes="igraph by itself uses one processor; peak memory of split processes is not in that of their parent. "
    "rustworkx is no contender: its betweenness takes no lengths. Ours drops ties that no least-distance path can use "
    "before it starts (about half of these), and works out 64 sources at a time; no digit depends on either.",
)
