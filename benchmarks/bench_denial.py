"""Chokepoint with rerouting by capacity on a dense layer: one flow a target, mended, against a largest flow a pair."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness import benchmark

FLOWS = "flows.parquet"
NODES, TARGETS, SPARE = 200, 10, 0.5
PEER = f"scipy: maximum_flow, {TARGETS} targets"
SAME = f"ours: chokepoint_capacity, {TARGETS} targets"
ALL = "ours: chokepoint_capacity and removal_loss, all targets"
SLOW = "networkx: maximum_flow, 3 pairs"

Floats = npt.NDArray[np.float64]


def prepare(folder: Path) -> str:
    """Even whole numbers, so that half as much again is whole too and the peers' whole numbers are exact."""
    import polars as pl

    rng = np.random.default_rng(2019)
    names = [f"N{k:03d}" for k in range(NODES)]
    pairs = [(o, d) for o in names for d in names if o != d and rng.random() < 0.9]
    value = 2.0 * np.ceil(np.exp(rng.normal(3, 2.5, len(pairs))))
    frame = pl.DataFrame(pairs, schema=["origin", "destination"], orient="row").with_columns(value=pl.Series(value))
    columns = {"period": "2020", "layer": "goods", "item": "TOTAL", "unit": "USD", "basis": "assumed"}
    frame.with_columns(pl.lit(v).alias(k) for k, v in columns.items()).write_parquet(folder / FLOWS)
    return f"generated trade of one item, {NODES} nodes, {len(pairs):,} ties, log-normal values; spare {SPARE}"


def deliveries(folder: Path) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """(target, capacities) of the flow network into each of the targets.

    Nodes are those of the layer, then the target's sending side, the source and the sink.
    """
    import polars as pl

    frame = pl.read_parquet(folder / FLOWS)
    ends = frame.select(pl.col("origin", "destination").str.slice(1).cast(pl.Int64))
    value = np.zeros((NODES, NODES))
    value[ends["origin"].to_numpy(), ends["destination"].to_numpy()] = frame["value"].to_numpy()
    sent, received = value.sum(axis=1), value.sum(axis=0)
    for t in range(TARGETS):
        cap = np.zeros((NODES + 3, NODES + 3))
        cap[:NODES, :NODES] = value * (1 + SPARE)
        cap[NODES], cap[t] = cap[t], 0
        cap[NODES + 1, :NODES] = np.maximum(sent - received, 0)
        cap[NODES + 1, [t, NODES]] = 0, sent[t]
        cap[t, NODES + 2] = received[t]
        yield t, cap.astype(np.int32)


def scipy_flows(folder: Path) -> Floats:
    """A largest flow for every pair, its matrix made by zeroing the cells of the node that is gone."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    found = np.zeros((TARGETS, NODES))
    for t, cap in deliveries(folder):
        matrix = csr_array(cap)
        row, column, data = np.repeat(np.arange(NODES + 3), np.diff(matrix.indptr)), matrix.indices, matrix.data
        whole = cap[t, NODES + 2]
        for j in range(NODES):
            if j != t:
                matrix.data = np.where((row == j) | (column == j), np.int32(0), data)
                found[t, j] = 1 - maximum_flow(matrix, NODES + 1, NODES + 2).flow_value / whole
    return found


def networkx_flows(folder: Path) -> dict[str, float]:
    import networkx

    _, cap = next(deliveries(folder))
    graph = networkx.from_numpy_array(cap, create_using=networkx.DiGraph, edge_attr="capacity")
    graph = networkx.DiGraph((o, d, {"capacity": int(c)}) for o, d, c in graph.edges(data="capacity"))
    started = time.perf_counter()
    for j in (1, 2, 3):
        rest = graph.subgraph(set(graph) - {j})
        networkx.maximum_flow_value(rest, NODES + 1, NODES + 2)
    return {"ms a pair": (time.perf_counter() - started) / 3 * 1000}


def scored(folder: Path, indicators: list[str], **named: Any) -> Floats:
    import polars as pl

    from weaponized_interdependence.indicators.rank import rank

    scores = rank(pl.read_parquet(folder / FLOWS), indicators, spare=SPARE, **named)
    rows = scores.filter(pl.col("indicator") == "chokepoint_capacity").select("counterpart", "node", "score").rows()
    found = np.zeros((TARGETS, NODES))  # where nobody is named, pairs that score zero have no row
    for t, j, score in rows:
        if int(t[1:]) < TARGETS:
            found[int(t[1:]), int(j[1:])] = score
    return found


def ours_same(folder: Path) -> Floats:
    return scored(folder, ["chokepoint_capacity"], target=[f"N{t:03d}" for t in range(TARGETS)])


def ours_all(folder: Path) -> Floats:
    return scored(folder, ["removal_loss", "chokepoint_capacity"])


benchmark(
    "denial",
    "What does a rerouted chokepoint of every (jurisdiction, target) pair cost, against a largest flow for each pair?",
    prepare=prepare,
    contenders={PEER: scipy_flows, SAME: ours_same, ALL: ours_all, SLOW: networkx_flows},
    limits={SAME: {"cpu": 1.0, "wall": 1.0}, ALL: {"wall s": 60.0, "cpu s": 60.0}},
    agree=1e-9,
    imports=("polars", "scipy.sparse.csgraph", "weaponized_interdependence.indicators.rank"),
    packages=("scipy", "networkx", "numba"),
    notes=f"Ten targets are {TARGETS * (NODES - 1):,} pairs, all targets {NODES * (NODES - 1):,}; the wall time of "
    "networkx is for three. Ours finds three numbers a pair, the score and its band, by up to two flows.",
)
