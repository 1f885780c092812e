"""Direct routes: a flow touches a jurisdiction by its two ends alone. All items at once, as grouped sums.

    P[f touches J] = 1 - (1 - grip_J(s)) (1 - grip_J(t)) = grip_J(s) + grip_J(t) - grip_J(s) grip_J(t)

so the value touched is what leaves nodes in reach, plus what enters them, less what does both. Items are taken some at
a time, so that memory grows with the answer and not with the joins on the way to it.
"""

from typing import Literal

import polars as pl

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import Context, steady_sums
from weaponized_interdependence.indicators.routing.reach import jurisdictions, reach_table, targets

Scope = Literal["all", "extraterritorial", "target"]

_KEYS = ("item", "counterpart")
_PAIR = (*_KEYS, "jurisdiction")
_BATCH = 500_000  # flows joined to whom they touch at a time: some hundred MB

# Rows of scores over pairs that one indicator may have: about a gigabyte, and some more to rank and sort them.
MOST_PAIRS = 10_000_000


def tally_direct(context: Context, scope: Scope) -> pl.DataFrame:
    """item, jurisdiction, counterpart, total, routed, lost; `counterpart` is the target, null in the other scopes."""
    nodes = context.totals["node"].unique().sort().to_list()
    reach = reach_table(context, nodes)
    if scope == "target":
        refuse_many(_pairs_asked(context, reach, nodes))
    sizes = context.edges.group_by("item").len().sort("item")
    batches = sizes.select("item", batch=pl.col("len").cum_sum() // _BATCH).partition_by("batch")
    return pl.concat(
        [_tally_items(context, scope, nodes, reach, rows.select("item")) for rows in batches or [sizes.select("item")]]
    )


def refuse_many(pairs: int) -> None:
    """Raise UsageError, before any work, where so many pairs would be scored that they fill the memory."""
    if pairs > MOST_PAIRS:
        raise UsageError(
            f"up to {pairs:,} pairs of jurisdiction and target would be scored, more than {MOST_PAIRS:,}",
            mend="name jurisdictions or targets, rank fewer items at a time, or sum the items",
        )


def _pairs_asked(context: Context, reach: pl.DataFrame, nodes: list[str]) -> int:
    """How many rows of the target scope there are at most."""
    totals, items = context.totals, context.totals["item"].n_unique()
    if context.jurisdictions is None and context.targets is None:  # both ends of a flow, against whoever holds either
        held = reach.group_by("node").agg(holders=pl.len())
        ends = pl.concat([context.edges.select(node=end) for end in ("origin", "destination")])
        by_node = ends.group_by("node").len().join(held, on="node")
        held_ends = by_node.select((pl.col("len").cast(pl.Int64) * pl.col("holders")).sum()).item()
        return int(2 * held_ends - 2 * context.edges.height)  # less every node against itself
    who = len(jurisdictions(context, nodes))
    if context.targets is None:
        return totals.height * who
    present = totals.height + items * (who - len(nodes)) if context.jurisdictions is None else items * who
    return present * len(context.targets)


def _tally_items(
    context: Context, scope: Scope, nodes: list[str], reach: pl.DataFrame, items: pl.DataFrame
) -> pl.DataFrame:
    edges = context.edges.join(items, on="item", how="semi")
    edges = _of_targets(context, edges, nodes) if scope == "target" else edges.with_columns(counterpart=pl.lit(""))
    touched = _touched(edges, reach, pl.col("grip"))
    grid = _with(_grid(context, scope, edges, touched, nodes), touched, "lost")
    if scope == "target":
        grid = _without_own(grid, context, reach, nodes)
    if scope == "extraterritorial":
        grid = _with(grid, _touched(edges, reach.filter("member"), pl.lit(1.0)), "own")
        grid = grid.with_columns(pl.col("routed", "lost") - pl.col("own"))
    blank = pl.when(pl.col("counterpart") != "").then("counterpart")
    return grid.select("item", "jurisdiction", blank.alias("counterpart"), "total", "routed", "lost").sort(
        "item", "jurisdiction", "counterpart"
    )


def _with(grid: pl.DataFrame, touched: pl.DataFrame, name: str) -> pl.DataFrame:
    """The grid with one more column: the value touched, zero where none is."""
    return grid.join(touched.rename({"touched": name}), on=_PAIR, how="left", maintain_order="left").with_columns(
        pl.col(name).fill_null(0.0)
    )


def _grid(context: Context, scope: Scope, edges: pl.DataFrame, touched: pl.DataFrame, nodes: list[str]) -> pl.DataFrame:
    """Every (item, counterpart, jurisdiction) to answer for, with the value of the flows in question.

    Where no jurisdiction was named, an item's jurisdictions are the nodes it has, and the holders of controls. Where no
    target was named either, only pairs of which something is touched: the others, nearly all, would score zero.
    """
    world = context.totals.select("item", total="world").unique()
    routed = steady_sums(edges.select(*_KEYS, routed="value"), _KEYS).join(world, on="item")
    if scope == "target" and context.jurisdictions is None and context.targets is None:
        return routed.join(touched.select(_PAIR), on=_KEYS)
    names = [party.label for party in jurisdictions(context, nodes)]
    labels = pl.DataFrame({"jurisdiction": names}, schema={"jurisdiction": pl.String})
    if context.jurisdictions is not None:
        return routed.join(labels, how="cross")
    holders = labels.filter(pl.col("jurisdiction").is_in(context.controls["jurisdiction"].unique().to_list()))
    here = routed.select("item").unique()
    scored = context.totals.select("item", jurisdiction="node").join(labels, on="jurisdiction", how="semi")
    present = [scored, here.join(holders, how="cross")]
    return routed.join(pl.concat(present).unique(), on="item")


def _touched(edges: pl.DataFrame, reach: pl.DataFrame, grip: pl.Expr) -> pl.DataFrame:
    """item, counterpart, jurisdiction, touched: the value within reach that is sent, plus received, less both."""
    held = reach.lazy().select("jurisdiction", "node", grip=grip)
    flows = edges.lazy()
    sent = flows.join(held, left_on="origin", right_on="node")
    received = flows.join(held, left_on="destination", right_on="node")
    both = sent.join(
        held.rename({"grip": "other"}), left_on=["destination", "jurisdiction"], right_on=["node", "jurisdiction"]
    ).with_columns(grip=-pl.col("grip") * pl.col("other"))
    parts = [
        part.select(*_KEYS, "jurisdiction", touched=pl.col("value") * pl.col("grip")) for part in (sent, received, both)
    ]
    return steady_sums(pl.concat(parts).collect(), _PAIR)


def _of_targets(context: Context, edges: pl.DataFrame, nodes: list[str]) -> pl.DataFrame:
    """The flows with a target at either end, once for each target they concern."""
    named = _members(context, nodes)
    ends = [edges.join(named, left_on=end, right_on="node") for end in ("origin", "destination")]
    columns = ["item", "origin", "destination", "value", "counterpart"]
    once = ["item", "origin", "destination", "counterpart"]
    return pl.concat([part.select(columns) for part in ends]).unique(once)


def _members(context: Context, nodes: list[str]) -> pl.DataFrame:
    rows = [(party.label, code) for party in targets(context, nodes) for code in party.codes]
    return pl.DataFrame(rows, schema={"counterpart": pl.String, "node": pl.String}, orient="row")


def _without_own(grid: pl.DataFrame, context: Context, reach: pl.DataFrame, nodes: list[str]) -> pl.DataFrame:
    """Drop pairs whose target lies, wholly or partly, inside the jurisdiction."""
    inside = reach.filter("member").join(_members(context, nodes), on="node").select("jurisdiction", "counterpart")
    return grid.join(inside.unique(), on=["jurisdiction", "counterpart"], how="anti")
