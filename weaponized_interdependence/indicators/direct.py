"""Direct routes: a flow touches a jurisdiction by its two ends alone. All items at once, as grouped sums.

    P[f touches J] = 1 - (1 - grip_J(s)) (1 - grip_J(t)) = grip_J(s) + grip_J(t) - grip_J(s) grip_J(t)

so the value touched is what leaves nodes in reach, plus what enters them, less what does both.
"""

from typing import Literal

import polars as pl

from weaponized_interdependence.indicators.base import Context, steady_sum
from weaponized_interdependence.indicators.reach import jurisdictions, reach_table, targets

_KEYS = ("item", "counterpart")


def tally_direct(context: Context, scope: Literal["all", "extraterritorial", "target"]) -> pl.DataFrame:
    """item, jurisdiction, counterpart, total, routed, lost; `counterpart` is the target, null in the other scopes."""
    nodes = context.totals["node"].unique().sort().to_list()
    reach = reach_table(context, nodes)
    edges = _of_targets(context, nodes) if scope == "target" else context.edges.with_columns(counterpart=pl.lit(""))
    grid = _grid(context, edges, nodes)
    grid = _with(grid, _touched(edges, reach, pl.col("grip")), "lost")
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
    return grid.join(
        touched.rename({"touched": name}), on=[*_KEYS, "jurisdiction"], how="left", maintain_order="left"
    ).with_columns(pl.col(name).fill_null(0.0))


def _grid(context: Context, edges: pl.DataFrame, nodes: list[str]) -> pl.DataFrame:
    """Every (item, counterpart, jurisdiction) to answer for, with the value of the flows in question.

    Where nobody was named, an item's jurisdictions are the nodes it has, and the holders of controls.
    """
    world = context.totals.select("item", total="world").unique()
    routed = edges.group_by(_KEYS).agg(routed=steady_sum("value")).join(world, on="item")
    names = [party.label for party in jurisdictions(context, nodes)]
    labels = pl.DataFrame({"jurisdiction": names}, schema={"jurisdiction": pl.String})
    if context.jurisdictions is not None:
        return routed.join(labels, how="cross")
    holders = labels.filter(pl.col("jurisdiction").is_in(context.controls["jurisdiction"].unique().to_list()))
    present = [context.totals.select("item", jurisdiction="node"), world.select("item").join(holders, how="cross")]
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
    touched = pl.concat(parts).collect()
    return touched.group_by(*_KEYS, "jurisdiction").agg(steady_sum("touched"))


def _of_targets(context: Context, nodes: list[str]) -> pl.DataFrame:
    """The flows with a target at either end, once for each target they concern."""
    named = _members(context, nodes)
    ends = [context.edges.join(named, left_on=end, right_on="node") for end in ("origin", "destination")]
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
