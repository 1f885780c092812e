"""Who stands between as a group: betweenness of jurisdictions that hold several nodes."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.coded import Coded
from weaponized_interdependence.indicators.routing.least_paths import (
    countable,
    cut,
    exact,
    lengths,
    refuse_long,
    segment,
    summed,
)
from weaponized_interdependence.indicators.routing.reach import jurisdictions, reach_table
from weaponized_interdependence.indicators.topology.paths import PROXY, WEIGHTS
from weaponized_interdependence.network import Floats, Ints

_GROUPS = 64  # worked out together: one bit each

_ROWS = pl.Schema({"item": pl.Int64, "node": pl.String, "score": pl.Float64})  # item by position


@register(
    title="Group betweenness",
    formula="b(J) = sum over ordered pairs s, t outside J of the share of least-distance paths from s to t that pass "
    "at least one node of J, not normalised. J is the nodes in a jurisdiction's territory: itself, the members of a "
    "group or coalition, and nodes that CONTROLS puts wholly in the territory of one of these",
    weight_meaning=WEIGHTS,
    unit="ordered pairs of nodes",
    citation="Everett and Borgatti (1999), The centrality of groups and classes, Journal of Mathematical Sociology "
    "23(3): 181-201; Puzis, Elovici and Dolev (2007), Fast algorithm for successive computation of group betweenness "
    "centrality, Physical Review E 76: 056709",
    needs=frozenset({"jurisdiction", "controls"}),
    notes=f"{PROXY} Not the sum over members: a path that passes two of them counts once, and pairs with an end inside "
    "do not count. A jurisdiction of one node has its betweenness. One named that holds no node has 0: no path meets "
    "it. Exact, and refused like betweenness where that takes too long.",
)
def group_betweenness(context: Context) -> pl.DataFrame:
    """How many pairs of nodes outside a jurisdiction have one of its nodes on their least-distance path.

    Examples
    --------
    On A -> B -> C -> D, only the pair A, D lies outside B and C, and its path meets them.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("group_betweenness", [("A", "B", 1), ("B", "C", 1), ("C", "D", 1)], jurisdiction=["B+C", "B"])
    {'B': 2.0, 'B+C': 1.0}
    """
    coded, names = context.coded_edges, context.coded_edges.nodes.to_list()
    held = _members(context, names)
    one = {label: int(members[0]) for label, members in held.items() if len(members) == 1}
    several = {label: members for label, members in held.items() if len(members) > 1}
    times = bool(one) - (-len(several) // _GROUPS)
    refuse_long(coded, "name fewer jurisdictions, or rank fewer periods or items at a time", times)
    parts = [*_alone(coded, one, named=context.jurisdictions is not None), *_together(coded, several)]
    if context.jurisdictions is not None:
        parts += [_rows(coded, label, 0.0) for label, members in held.items() if not len(members)]
    found = pl.concat([pl.DataFrame(schema=_ROWS), *parts]).sort("item", "node")
    none = pl.lit(None, dtype=pl.String).alias("counterpart")
    return found.select(coded.items.gather(found["item"]).alias("item"), "node", none, "score")


def _members(context: Context, names: list[str]) -> dict[str, Ints]:
    """Positions of the nodes in the territory of each jurisdiction."""
    table = reach_table(context, names).filter("member")
    place = {name: i for i, name in enumerate(names)}
    found: dict[str, list[int]] = {party.label: [] for party in jurisdictions(context, names)}
    for label, node in table.select("jurisdiction", "node").rows():
        found[label].append(place[node])
    return {label: np.array(sorted(positions), dtype=np.int64) for label, positions in found.items()}


def _alone(coded: Coded, one: dict[str, int], named: bool) -> list[pl.DataFrame]:
    """Jurisdictions of one node: where it has flows, and for those that were named also where it has none."""
    if not one:
        return []
    item, node, score = exact(coded)
    scores = pl.DataFrame({"item": item.astype(np.int64), "own": node.astype(np.int64), "score": score})
    owners = pl.DataFrame({"node": list(one), "own": list(one.values())}, schema={"node": pl.String, "own": pl.Int64})
    if not named:
        return [owners.join(scores, on="own").select(_ROWS.names())]
    cells = pl.DataFrame({"item": _items(coded)}).join(owners, how="cross").join(scores, on=["item", "own"], how="left")
    return [cells.select("item", "node", pl.col("score").fill_null(0.0))]


def _rows(coded: Coded, label: str, score: Floats | float) -> pl.DataFrame:
    """One row of a jurisdiction for every item that has a tie."""
    items = _items(coded)
    return pl.DataFrame({"item": items, "node": label, "score": np.zeros(len(items)) + score}, schema=_ROWS)


def _items(coded: Coded) -> Ints:
    return np.flatnonzero(np.diff(coded.first)).astype(np.int64)


def _together(coded: Coded, several: dict[str, Ints]) -> Iterator[pl.DataFrame]:
    """Jurisdictions of several nodes, 64 at a time."""
    listed = list(several.items())
    for some in (listed[k : k + _GROUPS] for k in range(0, len(listed), _GROUPS)):
        held = np.zeros(len(coded.nodes), dtype=np.uint64)
        for bit, (_, members) in enumerate(some):
            held[members] |= np.uint64(1 << bit)
        score = _touching(coded, held.view(np.int64))[_items(coded)]
        yield from (_rows(coded, label, score[:, bit]) for bit, (label, _) in enumerate(some))


def _touching(coded: Coded, held: Ints) -> Floats:
    """Pairs of each item that touch each group (items, 64); bit g of `held` says that a node is in group g."""
    from weaponized_interdependence.indicators.kernels.paths import group_layers, touching

    length, score = lengths(coded), np.zeros((len(coded.items), _GROUPS))
    runs, large = cut(coded)

    def run(ends: tuple[int, int]) -> None:
        score[slice(*ends)] = group_layers(coded.first, coded.origin, coded.destination, length, *ends, held)

    in_threads(run, runs)
    for k in large:
        nodes, edges = segment(coded, length, k)
        score[k] = summed(edges, _GROUPS, touching, held[nodes])
    return countable(score)
