"""FLOWS to one directed network, and its views in igraph, scipy and networkx. The only module that imports igraph.

A tie carries two named attributes. `strength` is the value of the flow. `distance` is made from it in one place,
`distance_of`. Path statistics read distance and everything else reads strength: taking a flow for a distance turns the
ranking upside down without any other sign of trouble.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from weaponized_interdependence.errors import Fault, InputError, ModelError, UsageError
from weaponized_interdependence.harmonize.items import overlapping_codes
from weaponized_interdependence.sums import Codes, collect_texts, positions, sum_by_key
from weaponized_interdependence.terms import weakest

if TYPE_CHECKING:
    import networkx

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Attribute = Literal["strength", "distance"]


@dataclass(frozen=True, eq=False)
class Network:
    """A directed network: one tie for each ordered pair of nodes that has a flow.

    - `nodes` (n,): ids, sorted, so that the same flows in any order give the same network
    - `origin`, `destination` (m,): positions in `nodes`; ties are sorted by (origin, destination)
    - `strength` (m,): value of the tie in `unit`, above zero
    - `dropped`: rows of FLOWS that are not in the network, by reason; `merged`: rows summed into another row's tie
    """

    nodes: tuple[str, ...]
    origin: Ints
    destination: Ints
    strength: Floats
    layer: str = ""
    period: str = ""
    item: str = ""
    unit: str = ""
    basis: str = "observed"
    dropped: Mapping[str, int] = field(default_factory=dict)
    merged: int = 0

    def __post_init__(self) -> None:
        for array in (self.origin, self.destination, self.strength):
            array.flags.writeable = False

    @property
    def size(self) -> tuple[int, int]:
        """(n nodes, m ties)."""
        return len(self.nodes), len(self.strength)

    @property
    def total(self) -> float:
        """Sum of strengths."""
        return float(self.strength.sum())

    @cached_property
    def distance(self) -> Floats:
        """Distance of every tie, from `distance_of`."""
        return distance_of(self.strength)


def distance_of(strength: Floats) -> Floats:
    """Distance of ties: the largest strength over the strength, so the strongest tie has length 1.

    d = max(strength) / strength.  Any common factor leaves every shortest path as it is; this one keeps the numbers
    near 1 and the result free of the unit of the flows. Raises ModelError where a strength is not above zero, or so
    far below the largest that the quotient overflows.

    >>> distance_of(np.array([100.0, 50.0, 1.0])).tolist()
    [1.0, 2.0, 100.0]
    """
    if not len(strength):
        return np.empty(0)
    with np.errstate(all="ignore"):
        distance = np.asarray(strength.max() / strength, dtype=np.float64)
    if not (np.isfinite(distance) & (strength > 0)).all():
        raise ModelError(
            "a tie's strength cannot be turned into a distance",
            mend="strengths must be above zero, finite and within a factor of 1e308 of each other",
        )
    return distance


def build_network(
    flows: pl.DataFrame | pl.LazyFrame,
    *,
    self_loops: Literal["drop", "keep"] = "drop",
    nodes: Iterable[str] | None = None,
    sum_over: Collection[Literal["period", "layer"]] = (),
) -> Network:
    """Make one network of a FLOWS table.

    Rows of the same origin and destination are summed, items included. Zero values, and self-loops unless kept, are
    left out and counted in `dropped`.

    Parameters
    ----------
    flows
        FLOWS of one period, layer and unit; the columns origin, destination and value are needed, the others label.
    self_loops
        "drop" (default) or "keep" the flows of a node to itself.
    nodes
        The ids to have as nodes, also those without a flow. Default: the ends of the flows that are kept.
    sum_over
        "period", "layer" or both: sum several of them instead of refusing. Units are never summed.

    Raises
    ------
    InputError
        Missing, infinite or negative values, missing ids, ids outside `nodes`: all of them at once.
    UsageError
        Several periods, layers or units, or items that hold each other (a total beside its parts).

    Examples
    --------
    >>> flows = pl.DataFrame({"origin": ["A", "A", "B"], "destination": ["B", "B", "B"], "value": [1.0, 2.0, 9.0]})
    >>> net = build_network(flows)
    >>> net.nodes, net.strength.tolist(), net.dropped, net.merged
    (('A', 'B'), [3.0], {'zero_value': 0, 'self_loop': 1}, 1)
    """
    if self_loops not in ("drop", "keep"):
        raise UsageError(f"self_loops is {self_loops!r}", mend="say drop or keep")
    lazy, rows, longest = _read(flows)
    labels = _labels(lazy, sum_over)
    # One pass makes whole numbers of the ids; no text of a row is kept.
    frame = collect_texts(lazy, ("origin", "destination"), ("value",), rows=rows, longest=longest)
    names, (origin, destination) = positions(frame["origin"], frame["destination"])
    value = frame["value"].cast(pl.Float64).to_numpy()
    del frame
    dropped = {"zero_value": int((value == 0).sum()), "self_loop": 0}
    kept = value > 0
    if self_loops == "drop":
        kept &= origin != destination
        dropped["self_loop"] = len(value) - dropped["zero_value"] - int(kept.sum())
    if not kept.all():
        origin, destination, value = origin[kept], destination[kept], value[kept]
    names, (origin, destination) = _among(names, origin, destination, nodes)
    rows = len(value)
    (origin, destination), value = sum_by_key((origin, destination), (len(names), len(names)), value)
    return Network(
        nodes=tuple(names.to_list()),
        origin=origin.astype(np.int64),
        destination=destination.astype(np.int64),
        strength=value,
        dropped=dropped,
        merged=rows - len(value),
        **labels,
    )


def collect_flows(flows: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """The columns of FLOWS that a network reads, checked; raises InputError with every fault."""
    return _read(flows)[0].collect()


def _read(flows: pl.DataFrame | pl.LazyFrame) -> tuple[pl.LazyFrame, int, int]:
    """The columns that a network reads, checked, and what `check_flows` tells of them."""
    wanted = ("period", "layer", "origin", "destination", "item", "value", "unit", "basis")
    have = flows.collect_schema()
    if absent := [c for c in ("origin", "destination", "value") if c not in have]:
        raise InputError(f"flows lack the column(s) {', '.join(absent)}", mend="give a FLOWS table")
    faults = [
        Fault(f"{c} is {have[c]}, not text") for c in wanted if c in have and c != "value" and have[c] != pl.String
    ]
    if not (have["value"].is_float() or have["value"].is_integer()):
        faults.append(Fault(f"value is {have['value']}, not floating-point or whole numbers"))
    if faults:
        raise InputError("flows have columns of another type", faults=faults, mend="cast them as in a FLOWS table")
    lazy = flows.lazy().select(c for c in wanted if c in have)
    length = pl.max_horizontal(pl.col("origin", "destination").str.len_bytes().max())
    seen = check_flows(lazy, length.fill_null(0).alias("longest"))
    return lazy, seen["rows"], seen["longest"]


def check_flows(flows: pl.LazyFrame, *also: pl.Expr) -> dict[str, Any]:
    """Raise InputError with every reason why these flows cannot become a network, and its first rows.

    Gives what was seen in passing, by name: `rows`, and whatever `also` asks of the same pass (one value each).
    """
    texts = [c for c in flows.collect_schema().names() if c != "value"]
    value = pl.col("value")
    # Mostly nothing is wrong, which a few smallest and largest tell at a small part of the cost of every rule.
    smallest = flows.select(
        pl.len().alias("rows"),
        pl.sum_horizontal(pl.col(*texts, "value").null_count()).alias("nulls"),
        pl.min_horizontal(pl.col(texts).str.len_bytes().min()).alias("shortest"),
        value.min().alias("least"),
        value.max().alias("most"),
        value.is_nan().any().alias("odd"),
        *also,
    )
    seen = smallest.collect(engine="streaming").row(0, named=True)
    sound = not seen["nulls"] and not seen["odd"] and seen["shortest"]
    if not seen["rows"] or (sound and 0 <= seen["least"] <= seen["most"] < float("inf")):
        return seen
    rules = {
        **{f"{c} is missing": pl.col(c).is_null() | (pl.col(c) == "") for c in texts},
        "value is missing": value.is_null(),
        "value is not a finite number": value.is_not_null() & ~value.is_finite(),
        "value is negative": value.is_finite() & (value < 0),
    }
    broken = flows.select(expr.sum().alias(reason) for reason, expr in rules.items()).collect().row(0, named=True)
    faults = []
    for reason, count in broken.items():
        if count:
            rows = flows.select(pl.arg_where(rules[reason]).head(3)).collect().to_series()
            faults.append(Fault(f"{reason} in {count} row(s), first at row {', '.join(str(r + 1) for r in rows)}"))
    if faults:
        raise InputError("flows cannot become a network", faults=faults, mend="mend or leave out those rows")
    return seen


def drop_empty(frame: pl.DataFrame, self_loops: Literal["drop", "keep"]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Flows that make a tie, and how many rows do not, by reason: `zero_value`, `self_loop`."""
    if self_loops not in ("drop", "keep"):
        raise UsageError(f"self_loops is {self_loops!r}", mend="say drop or keep")
    positive = frame.filter(pl.col("value") > 0)
    kept = positive if self_loops == "keep" else positive.filter(pl.col("origin") != pl.col("destination"))
    return kept, {"zero_value": frame.height - positive.height, "self_loop": positive.height - kept.height}


def overlapping_items(items: Iterable[str]) -> list[str]:
    """Why these items cannot be summed: a total beside its parts, a heading beside sub-headings, two classifications.

    How codes nest is declared by classification in `harmonize.items`. TOTAL, alone or as a code, and ALL are totals of
    whatever stands beside them.

    >>> overlapping_items(["HS17:2709", "HS17:270900"])
    ['HS17:2709 holds HS17:270900']
    >>> overlapping_items(["SITC:1", "SITC:2"]), overlapping_items(["TOTAL", "SITC:1"])
    ([], ['TOTAL stands beside SITC:1'])
    """
    named = sorted(set(items))
    totals = [i for i in named if i == "ALL" or i.rpartition(":")[2] == "TOTAL"]
    parts = [i for i in named if i not in totals]
    reasons = [f"{total} stands beside {(parts or totals[1:])[0]}" for total in totals[:1] if len(named) > 1]
    codes: dict[str, list[str]] = {}
    for item in parts:
        head, colon, code = item.partition(":")
        if colon:
            codes.setdefault(head, []).append(code)
    if len(codes) > 1:
        reasons.append(f"items of several classifications: {', '.join(codes)}")
    if "SERVICES" in parts and "EBOPS" in codes:
        reasons.append(f"SERVICES stands beside EBOPS:{codes['EBOPS'][0]}")
    return reasons + [reason for head, own in codes.items() for reason in overlapping_codes(head, own)]


def refuse_overlap(items: Iterable[str]) -> None:
    """Raise UsageError where summing these items would count a flow twice."""
    if reasons := overlapping_items(items):
        raise UsageError(
            "summing these items would count flows twice",
            faults=[Fault(r) for r in reasons[:20]],
            mend="keep either the total or its parts, of one classification, or score each item by itself",
        )


def to_sparse(net: Network, attribute: Attribute = "strength") -> Any:
    """The network as scipy CSR array (n, n): rows are origins, columns destinations, cells the named attribute."""
    n, m = net.size
    index = np.int32 if max(n, m) < 2**31 else np.int64  # scipy's graph routines of some versions take no other
    indptr = np.searchsorted(net.origin, np.arange(n + 1)).astype(index)
    return sparse.csr_array((getattr(net, attribute), net.destination.astype(index), indptr), shape=(n, n))


def to_igraph(net: Network, attributes: Collection[Attribute] = ("strength", "distance")) -> Any:
    """The network as a directed igraph graph: vertex attribute `name`, edge attributes as named.

    Name only those that are read: strengths that no distance can be made of are no reason to refuse PageRank.
    """
    import igraph

    graph = igraph.Graph(n=len(net.nodes), edges=np.column_stack((net.origin, net.destination)), directed=True)
    graph.vs["name"] = net.nodes
    for attribute in attributes:
        graph.es[attribute] = getattr(net, attribute)
    return graph


def to_networkx(net: Network) -> "networkx.DiGraph[str]":
    """The network as networkx DiGraph: edge attributes `strength` and `distance`, the labels as graph attributes."""
    import networkx

    labels = {k: getattr(net, k) for k in ("period", "layer", "item", "unit", "basis")}
    graph: networkx.DiGraph[str] = networkx.DiGraph(**labels)
    graph.add_nodes_from(net.nodes)
    ties = zip(net.origin.tolist(), net.destination.tolist(), net.strength.tolist(), net.distance.tolist(), strict=True)
    graph.add_edges_from((net.nodes[o], net.nodes[d], {"strength": s, "distance": x}) for o, d, s, x in ties)
    return graph


def _labels(flows: pl.LazyFrame, sum_over: Collection[str]) -> dict[str, str]:
    """What the network is of: one period, layer and unit, or those named in `sum_over` joined."""
    if unknown := set(sum_over) - {"period", "layer"}:
        raise UsageError(f"cannot sum over {', '.join(sorted(unknown))}", mend="sum_over takes period and layer")
    columns = ("period", "layer", "unit", "item", "basis")
    there = [c for c in columns if c in flows.collect_schema().names()]
    words = flows.select(pl.col(there).unique().sort().implode()).collect(engine="streaming") if there else None
    found: dict[str, list[str]] = {
        c: words[c].item().to_list() if words is not None and c in there else [] for c in columns
    }
    mixed = [c for c in ("period", "layer", "unit") if len(found[c]) > 1 and c not in sum_over]
    if mixed:
        raise UsageError(
            "one network cannot mix these flows",
            faults=[Fault(f"{len(found[c])} {c}s: {', '.join(found[c][:5])}") for c in mixed],
            mend="filter the flows to one of each; periods and layers can be summed with sum_over, units cannot",
        )
    refuse_overlap(found["item"])
    joined = {c: "+".join(found[c]) for c in ("period", "layer", "unit")}
    item = found["item"][0] if len(found["item"]) == 1 else "ALL"
    return {**joined, "item": item, "basis": str(weakest(*found["basis"]))}


def _among(
    names: pl.Series, origin: Codes, destination: Codes, nodes: Iterable[str] | None
) -> tuple[pl.Series, tuple[Codes, Codes]]:
    """The names to have as nodes, and the position of either end among them; a name at no end is none by itself."""
    used = np.zeros(len(names), dtype=np.bool_)
    used[origin] = used[destination] = True
    if nodes is None and used.all():
        return names, (origin, destination)
    ends = names.filter(pl.Series(used, dtype=pl.Boolean))
    given = ends if nodes is None else pl.Series(sorted(set(nodes)), dtype=pl.String)
    outside = ends.filter(~ends.is_in(given.implode()))
    if len(outside):
        raise InputError(
            f"{len(outside)} end(s) of flows are not among the nodes given: {', '.join(outside.head(10))}",
            mend="add them to the nodes, or leave their flows out",
        )
    place = np.zeros(len(names), dtype=np.int32)
    place[used] = given.search_sorted(ends)
    return given, (place[origin], place[destination])
