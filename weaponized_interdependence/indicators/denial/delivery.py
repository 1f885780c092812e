"""How much can reach a target when flows may be sent another way: what capacity, cost, cuts and interdiction share.

One commodity: a unit is as good from anyone. Every node other than the target may supply what it sends beyond what it
receives; a tie may carry its strength, and `spare` times that on top; the target wants what it receives now, R. What
the target itself sends may come back to it, since part of what it receives may be just that. A target of several nodes
is one receiver, and what its members send each other is left out.

R can be delivered at any spare >= 0, because it is: the observed flows, with every node's surplus as its supply and
every deficit as its demand, are a feasible flow, and split into paths from supplies to demands and cycles (flow
decomposition). The paths that end in the target carry R, and no path begins anywhere but at a supply or at the target.

Arithmetic. Capacities are whole numbers, in units of R / 2^52, so a score is exact up to the rounding of capacities: at
most half a unit for each tie of a cut. The largest flow in whole numbers is exact, whatever the order of nodes. Sent
and received that differ by a relative 1e-12 are equal (`surplus`). Where flows are so far apart that a supply of t is
lost in the sums of larger ones, R no longer arrives: that is refused (`refuse_unsettled`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import RESULT, Context, refuse_long, surplus
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.reach import jurisdictions, reach_table, targets
from weaponized_interdependence.network import Floats, Ints, Network

Arcs = tuple[Ints, Ints, Ints, Ints, Ints]
Bools = npt.NDArray[np.bool_]
Columns = tuple[Floats | None, Floats | None, Floats | None]
BANDED = pl.Schema([*RESULT.items(), ("low", pl.Float64()), ("high", pl.Float64())])

# R in whole numbers; sums over a node's arcs stay far below 2^63, because no flow carries more than R through a node.
MOST = 2**52
_HUGE = 1e300
# Less of R than this arrives only where supplies are lost in rounding.
_SETTLED = 1e-6
# Targets x (nodes + ties) of all items: with all jurisdictions a step takes some 2 microseconds of one processor.
MOST_STEPS = 3_000_000_000


def arcs_of(n: int, tail: Ints, head: Ints) -> Arcs:
    """Arcs sorted by tail, as the compiled loops read them: tail, head, out_first, in_first, in_arc."""
    nodes = np.arange(n + 1)
    in_arc = np.argsort(head, kind="stable").astype(np.int64)
    return (
        tail,
        head,
        np.searchsorted(tail, nodes).astype(np.int64),
        np.searchsorted(head[in_arc], nodes).astype(np.int64),
        in_arc,
    )


@dataclass(frozen=True, eq=False)
class Delivery:
    """The flow network into one target of a network of n nodes.

    Nodes are 0 to n-1 (members of the target only receive), then the sending sides of the members, then `source` and
    `sink`. Arcs are sorted by tail: ties, supplies (from the source) and what members want (to the sink).
    """

    net: Network
    label: str
    members: Bools  # (n,)
    twin: Ints  # (n,): the sending side of a member, -1 for others
    spare: float
    received: float  # R, in the unit of the flows
    wanted: float  # what is asked for: R, or more when it is to be seen how much there is
    arcs: Arcs
    raw: Floats  # capacity in units of wanted / MOST, not rounded
    tie: Ints  # position in the network's ties, -1 for supplies and wants
    source: int
    sink: int

    @classmethod
    def to(cls, net: Network, label: str, members: Bools, spare: float, beyond: bool = False) -> "Delivery | None":
        """The network into the members, who want what they receive or, with `beyond`, all they can get; None where they
        receive nothing from others.
        """
        n = len(net.nodes)
        tie = np.flatnonzero(~(members[net.origin] & members[net.destination]))
        tail, head, value = net.origin[tie], net.destination[tie], net.strength[tie]
        sent = np.bincount(tail, value, minlength=n)
        received = np.bincount(head, value, minlength=n)
        now = float(received[members].sum())
        if not now > 0:
            return None
        inside = np.flatnonzero(members)
        twin = np.full(n, -1, dtype=np.int64)
        twin[inside] = n + np.arange(len(inside))
        source, sink = n + len(inside), n + len(inside) + 1
        supply = np.where(members, sent, surplus(sent, received))
        suppliers = np.flatnonzero(supply > 0)
        wanted = max(now, min(now * (1 + spare), float(supply[suppliers].sum()))) if beyond else now
        tail = np.concatenate((np.where(members[tail], twin[tail], tail), np.full(len(suppliers), source), inside))
        head = np.concatenate(
            (head, np.where(members[suppliers], twin[suppliers], suppliers), np.full(len(inside), sink))
        )
        with np.errstate(over="ignore"):
            raw = np.concatenate((value * (1 + spare), supply[suppliers], np.full(len(inside), wanted)))
            raw = np.minimum(raw / wanted * MOST, _HUGE)
        tie = np.concatenate((tie, np.full(len(suppliers) + len(inside), -1)))
        order = np.argsort(tail, kind="stable")
        arcs = arcs_of(sink + 1, tail[order], head[order])
        return cls(net, label, members, twin, spare, now, wanted, arcs, raw[order], tie[order], source, sink)

    @cached_property
    def cap(self) -> Ints:
        """Capacity of the arcs in whole numbers."""
        return np.rint(np.minimum(self.raw, MOST)).astype(np.int64)

    @cached_property
    def flow(self) -> Ints:
        """A largest flow."""
        return self._filled(self.cap)

    @cached_property
    def value(self) -> int:
        """What can be delivered, in units of wanted / MOST; of R it is MOST, up to the rounding of capacities."""
        return int(self.flow[self.arcs[1] == self.sink].sum())

    def refuse_unsettled(self) -> None:
        """Raise ModelError where R does not arrive, as it must: supplies are lost in the rounding of larger sums."""
        if self.value < (1 - _SETTLED) * MOST:
            raise ModelError(
                f"only {self.value / MOST:.6g} of what {self.label} receives can be traced to a supplier: the flows of "
                "those before it are so much larger that what they add is lost in rounding",
                mend="net the flows that go both ways, leave out circles of the largest, or name other targets",
            )

    def again(self, spare: float, beyond: bool = False) -> "Delivery":
        """The same with another spare, or asking for more."""
        found = Delivery.to(self.net, self.label, self.members, spare, beyond)
        assert found is not None
        return found

    def denied(self, held: "Holdings") -> Ints:
        """What each of the holdings takes of `value`."""
        from weaponized_interdependence.indicators.kernels.flows import denied

        both = held.with_twins(self.twin)
        return denied(self.arcs, self.raw, MOST, self.cap, self.flow, self.source, both.first, both.node, both.grip)

    def past(self, held: "Holdings") -> Ints:
        """A largest flow past the nodes of the first of the holdings, which are gripped wholly."""
        gone = np.zeros(self.sink + 1, dtype=bool)
        gone[held.node[: held.first[1]]] = True
        return self._filled(np.where(gone[self.arcs[0]] | gone[self.arcs[1]], 0, self.cap))

    def _filled(self, cap: Ints) -> Ints:
        from weaponized_interdependence.indicators.kernels.flows import fill, state_of

        state = state_of(self.sink + 1, cap, np.zeros_like(cap))
        state[2][self.source], state[2][self.sink] = MOST, -MOST
        fill(self.arcs, state)
        return state[1]

    def unlimited(self, held: "Holdings", which: Ints) -> Ints:
        """What could be delivered in spite of some of the holdings if ties had no limit, in units of R / MOST."""
        from weaponized_interdependence.indicators.kernels.flows import within_reach

        both = held.with_twins(self.twin)
        found = [
            within_reach(self.arcs, self.raw, MOST, self.source, self.sink, both.node[a:b], both.grip[a:b])
            for a, b in zip(both.first[which], both.first[which + 1], strict=True)
        ]
        return np.array(found, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Holdings:
    """What jurisdictions hold of the nodes of a network: list j is node[first[j]:first[j+1]], with its grip."""

    labels: tuple[str, ...]
    first: Ints
    node: Ints
    grip: Floats
    member: Bools

    @classmethod
    def of(cls, context: Context, net: Network) -> "Holdings":
        """Holdings of all jurisdictions of the context, also of those that hold nothing here."""
        nodes = list(net.nodes)
        labels = tuple(party.label for party in jurisdictions(context, nodes))
        table = reach_table(context, nodes).filter(pl.col("grip") > 0)
        who = pl.DataFrame(
            {"jurisdiction": labels, "list": range(len(labels))}, schema_overrides={"jurisdiction": pl.String}
        )
        where = pl.DataFrame({"node": nodes, "position": range(len(nodes))}, schema_overrides={"node": pl.String})
        rows = table.join(who, on="jurisdiction").join(where, on="node").sort("list", "position")
        first = np.searchsorted(rows["list"].to_numpy(), np.arange(len(labels) + 1)).astype(np.int64)
        return cls(
            labels,
            first,
            rows["position"].to_numpy().astype(np.int64),
            rows["grip"].to_numpy().astype(np.float64),
            rows["member"].to_numpy().astype(bool),
        )

    @cached_property
    def which(self) -> Ints:
        """Which list each entry is of."""
        return np.repeat(np.arange(len(self.labels)), np.diff(self.first))

    def wholly(self) -> list[Ints]:
        """The nodes that each jurisdiction grips wholly."""
        all_of = self.grip >= 1
        return [
            self.node[a:b][all_of[a:b]] for a, b in zip(self.first[:-1].tolist(), self.first[1:].tolist(), strict=True)
        ]

    def meet(self, nodes: Bools) -> Bools:
        """Which jurisdictions have one of these nodes as a member."""
        return np.bincount(self.which[self.member & nodes[self.node]], minlength=len(self.labels)) > 0

    def with_twins(self, twin: Ints) -> "Holdings":
        """Where a node has a sending side of its own, hold that too, as firmly."""
        also = np.flatnonzero(twin[self.node] >= 0)
        if not also.size:
            return self
        first = self.first + np.searchsorted(also, self.first)
        node: Ints = np.insert(self.node, also, twin[self.node[also]])
        grip: Floats = np.insert(self.grip, also, self.grip[also])
        return Holdings(self.labels, first, node, grip, np.insert(self.member, also, self.member[also]))


def refuse_many_flows(context: Context) -> None:
    """Raise ModelError, before any work, where so many deliveries over so many ties would take hours."""
    refuse_long(
        ((item, float(receiving * (n + m))) for item, n, m, receiving in sizes(context)),
        MOST_STEPS,
        "largest flows to targets",
        "name targets, or rank fewer items at a time, until the sum of targets x (nodes + ties) is at most "
        f"{MOST_STEPS:,}, or aggregate",
    )


def sizes(context: Context) -> Iterator[tuple[str, int, int, int]]:
    """(item, nodes, ties, how many targets have a node here) of every item."""
    for item, net in context.networks():
        here = frozenset(net.nodes)
        yield item, *net.size, sum(not here.isdisjoint(party.codes) for party in targets(context, list(net.nodes)))


def score_pairs(context: Context, spare: float, score: Callable[[Delivery, Holdings], Columns]) -> pl.DataFrame:
    """Frame of (jurisdiction, target) scores: `score` gives score, low and high of all holdings against one target.

    No row for a target without flows of the item, and none for a jurisdiction with a member in the target; null for a
    named target that receives nothing; where nobody was named, no rows of zero.
    """
    nodes = sorted(context.nodes)
    items = context.edges["item"].n_unique()
    refuse_many(items * len(jurisdictions(context, nodes)) * len(targets(context, nodes)))
    refuse_many_flows(context)
    unasked = context.jurisdictions is None and context.targets is None
    parts = []
    for item, net in context.networks():
        held = Holdings.of(context, net)

        def rows(
            target: tuple[str, Bools], item: str = item, net: Network = net, held: Holdings = held
        ) -> pl.DataFrame:
            delivery = Delivery.to(net, *target, spare)
            if delivery is None and context.targets is None:
                return pl.DataFrame(schema=BANDED)
            if delivery is not None:
                delivery.refuse_unsettled()
            columns = (None, None, None) if delivery is None else score(delivery, held)
            named = {"item": item, "node": pl.Series(held.labels, dtype=pl.String), "counterpart": target[0]}
            frame = pl.DataFrame({**named, **dict(zip(("score", "low", "high"), columns, strict=True))})
            return frame.cast(BANDED).filter(pl.Series(~held.meet(target[1])))

        parts += in_threads(rows, receivers(context, net))
    found = pl.concat(parts) if parts else pl.DataFrame(schema=BANDED)
    return found.filter(pl.col("score") > 0) if unasked else found


def receivers(context: Context, net: Network) -> Iterator[tuple[str, Bools]]:
    """(label, which nodes) of every target that has a node here."""
    position = {name: i for i, name in enumerate(net.nodes)}
    for party in targets(context, list(net.nodes)):
        inside = [position[code] for code in party.codes if code in position]
        if inside:
            members = np.zeros(len(net.nodes), dtype=bool)
            members[inside] = True
            yield party.label, members
