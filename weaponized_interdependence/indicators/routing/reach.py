"""Whom a jurisdiction grips, and how firmly: its own nodes by territory, others by ownership, currency or technology.

The grip of jurisdiction J on node x is 1 where x is J itself (or a member of J, for a group), and otherwise

    grip_J(x) = 1 - prod over rows of CONTROLS for x held by J or a member of J (1 - share)

A share is the part of what the node sends or receives that is within reach. Which part is not known, so shares of
several channels, members and nodes are taken as independent draws. Where reach overlaps more (the same dollars are
cleared in New York and carry the technology), the true figure lies between this and the largest single share.
A node that a CONTROLS row puts wholly in the territory of J (channel territory, share 1) is a member of J.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.harmonize.economies import keys_of_kind
from weaponized_interdependence.indicators.base import Context, Party
from weaponized_interdependence.network import Floats
from weaponized_interdependence.terms import Basis, weakest

_REACH = pl.Schema({"jurisdiction": pl.String, "node": pl.String, "grip": pl.Float64, "member": pl.Boolean})


@dataclass(frozen=True, eq=False)
class Grip:
    """One jurisdiction over a list of nodes: `grip` 0 to 1 and `member` (its own territory)."""

    label: str
    grip: Floats
    member: npt.NDArray[np.bool_]

    @property
    def single(self) -> int | None:
        """The position of the one node it holds wholly, when it is a plain one-node jurisdiction."""
        held = np.flatnonzero(self.grip)
        return int(held[0]) if len(held) == 1 and self.member[held[0]] and self.grip[held[0]] == 1 else None


def jurisdictions(context: Context, nodes: list[str]) -> tuple[Party, ...]:
    """Who is scored: those asked for, else every node and every holder of a control, but for sums such as the world."""
    if context.jurisdictions is not None:
        return context.jurisdictions
    holders = context.controls["jurisdiction"].unique().to_list()
    sums = {*keys_of_kind("aggregate")}
    return tuple(Party(name, (name,)) for name in sorted({*nodes, *holders} - sums))


def targets(context: Context, nodes: list[str]) -> tuple[Party, ...]:
    """Against whom: those asked for, else every node."""
    return context.targets if context.targets is not None else tuple(Party(name, (name,)) for name in sorted(nodes))


def reach_table(context: Context, nodes: list[str]) -> pl.DataFrame:
    """jurisdiction, node, grip, member: one row wherever the grip is above zero."""
    parties = jurisdictions(context, nodes)
    codes = pl.DataFrame(
        [(party.label, code) for party in parties for code in party.codes],
        schema={"jurisdiction": pl.String, "code": pl.String},
        orient="row",
    )
    own = codes.join(pl.DataFrame({"code": nodes}, schema={"code": pl.String}), on="code").select(
        "jurisdiction", node="code", grip=pl.lit(1.0), member=pl.lit(True)
    )
    legal = (
        codes.join(context.controls.rename({"jurisdiction": "code"}), on="code")
        .filter(pl.col("share") > 0, pl.col("node").is_in(nodes))
        .group_by("jurisdiction", "node")
        .agg(
            grip=1 - (1 - pl.col("share")).sort().product(),  # sorted: the same digits for rows in any order
            member=((pl.col("channel") == "territory") & (pl.col("share") >= 1)).any(),
        )
    )
    return (
        pl.concat([own, legal], how="vertical")
        .cast(_REACH)
        .group_by("jurisdiction", "node")
        .agg(pl.col("grip").max(), pl.col("member").any())
        .sort("jurisdiction", "node")
    )


def control_basis(context: Context) -> dict[str, Basis]:
    """Weakest basis of the controls that each jurisdiction grips nodes of the context by; none where it needs none.

    At best estimated where a share is neither none nor all, for which of the node's flows it reaches is not known.
    """
    nodes = context.nodes
    held: dict[str, list[tuple[str, float, str]]] = {}
    columns = ("jurisdiction", "node", "share", "basis")
    for holder, node, share, basis in context.controls.filter(pl.col("share") > 0).select(columns).rows():
        if node in nodes:
            held.setdefault(holder, []).append((node, share, basis))
    found = {}
    for party in jurisdictions(context, sorted(nodes)):
        rows = [row for code in party.codes for row in held.get(code, ()) if row[0] not in party.codes]
        if rows:
            partly = [Basis.ESTIMATED for _, share, _ in rows if share < 1]
            found[party.label] = weakest(*(basis for _, _, basis in rows), *partly)
    return found


def territory_basis(context: Context) -> Basis:
    """Weakest basis of the controls that put nodes of the context in somebody's territory; observed without any."""
    rows = context.controls.filter(
        pl.col("channel") == "territory", pl.col("share") >= 1, pl.col("node").is_in(sorted(context.nodes))
    )
    return weakest(Basis.OBSERVED, *rows["basis"].unique())


def grips(context: Context, nodes: list[str]) -> Iterator[Grip]:
    """The grip of every jurisdiction over these nodes, in order of labels; also of those that hold none of them."""
    position = {name: i for i, name in enumerate(nodes)}
    table = reach_table(context, nodes).partition_by("jurisdiction", as_dict=True)
    for party in jurisdictions(context, nodes):
        grip, member = np.zeros(len(nodes)), np.zeros(len(nodes), dtype=bool)
        if (rows := table.get((party.label,))) is not None:
            held = [position[name] for name in rows["node"]]
            grip[held], member[held] = rows["grip"].to_numpy(), rows["member"].to_numpy()
        yield Grip(party.label, grip, member)
