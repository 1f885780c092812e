"""Flows as whole numbers: names stand once in a table and ties hold positions in it, so a grouped sum is one pass.

`Context.coded` is the flows of a context, `Context.coded_edges` the same without a node's flows to itself. Indicators
that are grouped sums work on these and gather texts only for the rows of their answer:

    coded = context.coded_edges
    m = margins(coded)                               # one row for every (item, node) with a flow, sorted
    m.sent, m.received, m.world                      # its margins, and all flows of the item
    square = sum_of_squares(coded, "destination")    # one number a row of m: HHI of sources; NaN where none
    best = largest_share(coded, "destination")       # share of the largest source; NaN where none
    own = grouped(m.at_origin, weights, len(m))      # any sum of your own over the flows that leave (item, node)
    return result(coded, m.item, m.node, square)     # frame item, node, counterpart, score; NaN becomes null

The steady rule. Ties are sorted by (item, origin, destination), in the order of names; rows with the same key are
summed into one tie, smallest first. Every grouped sum then adds up ties in that order. So a score depends on the ties
and never on the order of the rows that were given, nor on the number of threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import polars as pl

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.network import Floats, Ints, Network
from weaponized_interdependence.sums import Codes as Codes
from weaponized_interdependence.sums import positions, sum_by_key

End = Literal["origin", "destination"]

# Cells that a table is kept of however few the ties (beyond that, four a tie end): some megabytes.
DENSE = 1_000_000


@dataclass(frozen=True, eq=False)
class Coded:
    """Ties of several items: one for each (item, origin, destination) that has a flow, in that order.

    - `items`, `nodes`: texts, sorted
    - `first` (items + 1,): where the ties of an item begin, and their number
    - `origin`, `destination` (m,): positions in `nodes`
    - `value` (m,): above zero
    """

    items: pl.Series
    nodes: pl.Series
    first: Ints
    origin: Codes
    destination: Codes
    value: Floats
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """Number of ties."""
        return len(self.value)

    @property
    def item(self) -> Codes:
        """Position in `items` of every tie (m,)."""
        return np.repeat(np.arange(len(self.items), dtype=np.int32), np.diff(self.first))


@dataclass(frozen=True, eq=False)
class Margins:
    """What every node of every item sends and receives; one row for each (item, node) that has a flow, sorted.

    - `item`, `node` (k,): positions in `Coded.items` and `Coded.nodes`
    - `sent`, `received` (k,): sums of its flows, 0 where it has none; `world` (k,): all flows of the item
    - `customers`, `sources` (k,): how many flows it sends and receives
    - `at_origin`, `at_destination` (m,): the row of either end of every tie
    """

    item: Codes
    node: Codes
    sent: Floats
    received: Floats
    world: Floats
    customers: Ints
    sources: Ints
    at_origin: Codes
    at_destination: Codes

    def __len__(self) -> int:
        """Number of (item, node)."""
        return len(self.node)


def encode(frame: pl.DataFrame) -> Coded:
    """Code a frame of item, origin, destination and value, in any order, rows of one key summed.

    >>> frame = pl.DataFrame({"item": ["X", "X"], "origin": ["B", "A"], "destination": ["A", "B"], "value": [2.0, 1.0]})
    >>> coded = encode(frame)
    >>> coded.nodes.to_list(), coded.origin.tolist(), coded.value.tolist()
    (['A', 'B'], [0, 1], [1.0, 2.0])
    """
    value = frame["value"].cast(pl.Float64).to_numpy()
    if len(value) >= 2**31:
        raise ModelError("more than two thousand million flows at a time", mend="rank fewer items or periods at a time")
    items, (item,) = positions(frame["item"])
    nodes, (origin, destination) = positions(frame["origin"], frame["destination"])
    (item, origin, destination), value = sum_by_key(
        (item, origin, destination), (len(items), len(nodes), len(nodes)), value
    )
    first = np.searchsorted(item, np.arange(len(items) + 1))
    return Coded(items, nodes, first, origin, destination, value)


def over_items(coded: Coded, name: str) -> Coded:
    """The ties with items summed into one of this name; for every pair of nodes in the order of items."""
    n = max(len(coded.nodes), 1)
    pairs, (at,) = _distinct(n * n, coded.origin.astype(np.int64) * n + coded.destination)
    origin, destination = (end.astype(np.int32) for end in np.divmod(pairs, n))
    ends = np.array([0, len(pairs)])
    return Coded(pl.Series([name]), coded.nodes, ends, origin, destination, grouped(at, coded.value, len(pairs)))


def decode(coded: Coded) -> pl.DataFrame:
    """The ties as a frame of item, origin, destination, value."""
    return pl.DataFrame(
        {
            "item": coded.items.gather(coded.item),
            "origin": coded.nodes.gather(coded.origin),
            "destination": coded.nodes.gather(coded.destination),
            "value": coded.value,
        },
        schema={"item": pl.String, "origin": pl.String, "destination": pl.String, "value": pl.Float64},
    )


def without_loops(coded: Coded) -> Coded:
    """The ties between two different nodes. Items and nodes keep their positions, also those without a tie."""
    keep = coded.origin != coded.destination
    if keep.all():
        return coded
    before = np.append(0, np.cumsum(keep))
    ties = (coded.origin[keep], coded.destination[keep], coded.value[keep])
    return Coded(coded.items, coded.nodes, before[coded.first], *ties)


def networks(coded: Coded) -> Iterator[tuple[str, Network]]:
    """(item, its network), in the order of items that have a tie; its nodes are those with a flow of the item."""
    names = coded.nodes.to_list()
    position = np.zeros(len(names), dtype=np.int64)
    for item, (first, last) in zip(coded.items.to_list(), pairwise(coded.first.tolist()), strict=True):
        if first == last:
            continue
        origin, destination = coded.origin[first:last], coded.destination[first:last]
        here = np.unique(np.concatenate((origin, destination)))
        position[here] = np.arange(len(here))
        yield (
            item,
            Network(
                nodes=tuple(names[k] for k in here.tolist()),
                origin=position[origin],
                destination=position[destination],
                strength=coded.value[first:last],
                item=item,
            ),
        )


def grouped(at: Codes, weights: Floats, size: int) -> Floats:
    """Sum of `weights` (m,) by the row that `at` (m,) names, (size,): 0 where nothing is; in the order of ties."""
    return np.asarray(np.bincount(at, weights=weights, minlength=size), dtype=np.float64)


def margins(coded: Coded) -> Margins:
    """The margins of the ties, made once for each `Coded`."""
    if "margins" not in coded._kept:
        coded._kept["margins"] = _margins(coded)
    found: Margins = coded._kept["margins"]
    return found


def _margins(coded: Coded) -> Margins:
    n = max(len(coded.nodes), 1)
    start = coded.item.astype(np.int64) * n
    cells, at = _distinct(len(coded.items) * n, start + coded.origin, start + coded.destination)
    sent, received = (grouped(end, coded.value, len(cells)) for end in at)
    customers, sources = (np.bincount(end, minlength=len(cells)) for end in at)
    item, node = (part.astype(np.int32) for part in np.divmod(cells, n))
    world = grouped(item, sent, len(coded.items))[item]
    return Margins(item, node, sent, received, world, customers, sources, *at)


def _distinct(most: int, *cells: Ints) -> tuple[Ints, list[Codes]]:
    """The distinct numbers (below `most`) in all of the arrays, sorted, and the place of every number among them."""
    if most > 4 * sum(map(len, cells)) + DENSE:  # too few of many to keep a table of all that there might be
        known = np.unique(np.concatenate(cells))
        return known, [np.searchsorted(known, cell).astype(np.int32) for cell in cells]
    there = np.zeros(most, dtype=np.bool_)
    for cell in cells:
        there[cell] = True
    place = np.cumsum(there, dtype=np.int32)
    place -= 1
    return np.flatnonzero(there), [place[cell] for cell in cells]


def whole_of(coded: Coded, end: End) -> tuple[Codes, Floats]:
    """For the node at `end` of every tie: its row of `margins`, and (by row) what it sends or receives in all."""
    m = margins(coded)
    return (m.at_origin, m.sent) if end == "origin" else (m.at_destination, m.received)


def sum_of_squares(coded: Coded, end: End) -> Floats:
    """Sum of squared shares of partners, by row of `margins`; NaN for a node without flows at this `end`.

    "destination": a node's sources of what it receives; "origin": its customers.
    """
    at, whole = whole_of(coded, end)
    found = grouped(at, (coded.value / whole[at]) ** 2, len(whole))
    return np.asarray(np.where(whole > 0, found, np.nan), dtype=np.float64)


def largest_share(coded: Coded, end: End) -> Floats:
    """Share of the largest partner, by row of `margins`; NaN for a node without flows at this `end`."""
    at, whole = whole_of(coded, end)
    most = np.zeros(len(whole))
    np.maximum.at(most, at, coded.value)
    return np.asarray(np.divide(most, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def result(
    coded: Coded,
    item: Codes,
    node: Codes,
    score: Floats,
    *,
    counterpart: Codes | None = None,
    low: Floats | None = None,
    high: Floats | None = None,
) -> pl.DataFrame:
    """What an indicator gives, with names in the place of positions; a score of NaN is null: not defined."""
    bands = {k: v for k, v in (("low", low), ("high", high)) if v is not None}
    return pl.DataFrame(
        {
            "item": coded.items.gather(item),
            "node": coded.nodes.gather(node),
            "counterpart": pl.Series([None], dtype=pl.String).new_from_index(0, len(node))
            if counterpart is None
            else coded.nodes.gather(counterpart),
            "score": pl.Series(score, nan_to_null=True),
            **{k: pl.Series(v, nan_to_null=True) for k, v in bands.items()},
        }
    )
