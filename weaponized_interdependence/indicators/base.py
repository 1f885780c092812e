"""What an indicator is (`Indicator`, `@register`) and what it is given (the `Context` of one period and layer).

Every indicator is one function Context -> frame(item, node, counterpart, score), with `low` and `high` beside the score
where an assumption or a sample moves it. It answers for all items of the context at once. Strength, concentration,
dependence, removal_loss, and panopticon and chokepoint on direct routes are a few grouped sums however many items there
are. Betweenness, pagerank, removal_loss_reach and chain layers make a network of every item and cost that much more:
see `by_network`.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, ModelError
from weaponized_interdependence.indicators.coded import Coded, decode, encode, margins, networks, without_loops
from weaponized_interdependence.indicators.knobs import KNOBS
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import Floats, Network
from weaponized_interdependence.schemas import CONTROLS
from weaponized_interdependence.terms import Basis

# What an indicator reads beyond the flows. `knobs` are numbers with a default (`indicators.knobs`).
Need = Literal["jurisdiction", "target", "controls", "capacity", "table", "ties", "macro", "elasticities"]
Reads = Literal["flows", "table"]
T = TypeVar("T")

# What a function gives; `low` and `high` may stand beside the score.
RESULT = pl.Schema({"item": pl.String, "node": pl.String, "counterpart": pl.String, "score": pl.Float64})
FLOW_UNIT = "unit of the flows"
EVERYONE = "ALL"  # the node of scores that are of an item as a whole (`Indicator.of_item`)


@dataclass(frozen=True)
class Party:
    """One jurisdiction or target: its label in SCORES, and the codes it stands for (the members, if it is a group)."""

    label: str
    codes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Context:
    """The flows of one period and layer, and everything an indicator may ask about them.

    - `given`: the flows, coded or as a frame of item, origin, destination, value; value above zero, self-loops still
      there. Read them as `coded`, `coded_edges` (whole numbers: fast) or as `flows`, `edges`, `totals` (frames)
    - `nodes`: everyone with a flow, an economy of the table or a tie
    - `jurisdictions`, `targets`: who is scored and against whom; None means every node by itself
    - `controls`: CONTROLS, may be empty; `capacity`: institutional capacity by name, None where none is weighed
    - `table`: the input-output table, for production paths and for indicators that
      read it instead of the flows
    - `ties`: the network that flows are routed over on chain layers; None means the flows' own network
    - `macro`: MACRO, for scores that are scaled by GDP; `elasticities`: item, sigma, low, high of the user's own
    - `by_item`: whether each item is scored by itself; `knobs`: the numbers of `indicators.knobs`
    """

    period: str
    layer: str
    given: pl.DataFrame | Coded
    nodes: frozenset[str] = frozenset()
    jurisdictions: tuple[Party, ...] | None = None
    targets: tuple[Party, ...] | None = None
    controls: pl.DataFrame = field(default_factory=CONTROLS.empty)
    capacity: Mapping[str, float] | None = None
    table: IOTable | None = None
    ties: Network | None = None
    macro: pl.DataFrame | None = None
    elasticities: pl.DataFrame | None = None
    by_item: bool = False
    knobs: Mapping[str, float] = field(default_factory=lambda: {name: knob.default for name, knob in KNOBS.items()})
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def keep(self, key: object, make: Callable[[], T]) -> T:
        """The result of `make`, computed once for this context: indicators share their costly parts."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    @property
    def coded(self) -> Coded:
        """The flows as whole numbers: see `indicators.coded`, which has the sums over them."""
        given = self.given
        return given if isinstance(given, Coded) else self.keep("coded", lambda: encode(given))

    @property
    def coded_edges(self) -> Coded:
        """The flows between two different nodes, as whole numbers."""
        return self.keep("coded_edges", lambda: without_loops(self.coded))

    @property
    def flows(self) -> pl.DataFrame:
        """item, origin, destination, value: one row a tie, sorted, self-loops among them."""
        return self.keep("flows", lambda: decode(self.coded))

    @property
    def edges(self) -> pl.DataFrame:
        """The flows between two different nodes."""
        return self.keep("edges", lambda: decode(self.coded_edges))

    @property
    def totals(self) -> pl.DataFrame:
        """item, node, sent, received, world: the margins of `edges`; a node that only sends has received 0."""

        def make() -> pl.DataFrame:
            coded, m = self.coded_edges, margins(self.coded_edges)
            names = {"item": coded.items.gather(m.item), "node": coded.nodes.gather(m.node)}
            return pl.DataFrame({**names, "sent": m.sent, "received": m.received, "world": m.world})

        return self.keep("totals", make)

    def networks(self, self_loops: Literal["drop", "keep"] = "drop") -> Iterator[tuple[str, Network]]:
        """(item, its network), in the order of items; the nodes of a network are those with a flow of the item."""
        return networks(self.coded if self_loops == "keep" else self.coded_edges)


def steady_sums(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Sum the one other column over rows with the same text keys; one row a group, sorted by the keys.

    The same to the last bit in every run and for every order of rows. Floating-point sums depend on the order of what
    is added, and polars adds up groups in parallel; here all rows are sorted once by group and value, and added up in
    that order: smallest first, which is also the most accurate. One number stands for the keys of a row, because
    sorting by several texts takes many times as long.

    >>> frame = pl.DataFrame({"node": ["B", "A", "B"], "value": [1.0, 2.0, 3.0]})
    >>> steady_sums(frame, ["node"]).rows()
    [('A', 2.0), ('B', 4.0)]
    """
    (value,) = (c for c in frame.columns if c not in keys)
    if frame.is_empty():
        return frame.select(*keys, value)
    known = {k: frame[k].unique().sort() for k in keys}
    group = pl.lit(0, dtype=pl.UInt64)
    if math.prod(map(len, known.values())) >= 2**64:
        raise ModelError("too many groups to sum", mend="rank fewer items at a time")
    for k, names in known.items():
        group = group * len(names) + pl.col(k).cast(pl.Enum(names)).to_physical().cast(pl.UInt64)
    ordered = frame.select(group.alias("group"), value).sort("group", value)
    groups = ordered["group"].to_numpy()
    first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    found, columns = groups[first], {value: pl.Series(np.add.reduceat(ordered[value].to_numpy(), first))}
    for k, names in reversed(known.items()):
        columns[k] = names.gather(found % len(names))
        found = found // len(names)
    return pl.DataFrame(columns).select(*keys, value)


def of_everyone(items: pl.Series, score: Floats) -> pl.DataFrame:
    """What an indicator of whole items gives: one score an item; NaN means not defined."""
    return pl.DataFrame(
        {
            "item": items,
            "node": pl.repeat(EVERYONE, len(items), eager=True, dtype=pl.String),
            "counterpart": pl.repeat(None, len(items), eager=True, dtype=pl.String),
            "score": pl.Series(score, dtype=pl.Float64, nan_to_null=True),
        }
    )


def by_network(
    context: Context, score: Callable[[Network], Floats], self_loops: Literal["drop", "keep"] = "drop"
) -> pl.DataFrame:
    """Apply a function from a network to one score a node, item by item, NaN meaning not defined.

    Cost is that of the function on one network times the number of items. To make the networks is the least of it:
    about 0.1 ms each at 200 nodes and 2,000 ties, half a second for 5,000 products.
    """
    items, nodes, sizes, scores = list[str](), list[str](), list[int](), [np.zeros(0)]
    for item, net in context.networks(self_loops):
        items.append(item)
        nodes.extend(net.nodes)
        sizes.append(len(net.nodes))
        scores.append(score(net))
    columns = {
        "item": pl.Series(items, dtype=pl.String).gather(np.repeat(np.arange(len(items)), sizes)),
        "node": pl.Series(nodes, dtype=pl.String),
        "counterpart": pl.repeat(None, len(nodes), eager=True, dtype=pl.String),
        "score": pl.Series(np.concatenate(scores), dtype=pl.Float64, nan_to_null=True),
    }
    return pl.DataFrame(columns, schema=RESULT)


def refuse_long(steps: Iterable[tuple[str, float]], most: float, what: str, mend: str) -> None:
    """Raise ModelError, before any work, where `steps` of (item, how many) are more than `most` for all items together.

    The message is "<what> take too long", with the items that take the most; `mend` says what to do about it.

    >>> refuse_long([("HS17:01", 60.0), ("HS17:02", 40.0)], 100.0, "largest flows", "rank fewer items at a time")
    """
    listed = sorted(steps, key=lambda row: (-row[1], row[0]))
    whole = sum(count for _, count in listed)
    if whole > most:
        raise ModelError(
            f"{what} over {len(listed):,} item(s) are {whole:.2g} steps, and more than {most:.2g} take too long",
            faults=[Fault(f"{item}: {count:.2g} steps") for item, count in listed[:5]],
            mend=mend,
        )


def surplus(sent: npt.NDArray[Any], received: npt.NDArray[Any]) -> Floats:
    """What is sent beyond what is received, (n,): zero where they differ by a relative 1e-12, which is rounding.

    Who only passes on what it received must not become a supplier by the last digit of a sum.

    >>> surplus(np.array([0.1 + 0.2, 1.0]), np.array([0.3, 3.0])).tolist()
    [0.0, -2.0]
    """
    more = sent - received
    return np.asarray(np.where(np.abs(more) <= 1e-12 * np.maximum(sent, received), 0.0, more), dtype=np.float64)


def counted(net: Network, least_tie: float) -> Network:
    """The network with those ties only that are at least this share of all its value; all nodes stay."""
    kept = net.strength >= least_tie * np.sort(net.strength).sum()  # sorted: the same total in whatever order
    ties = {"origin": net.origin[kept], "destination": net.destination[kept], "strength": net.strength[kept]}
    return net if kept.all() else replace(net, **ties)


@dataclass(frozen=True)
class Indicator:
    """A named network statistic, with everything a reader needs to know what its number means."""

    name: str
    family: str
    title: str
    formula: str
    weight_meaning: str
    unit: str
    citation: str
    function: Callable[[Context], pl.DataFrame]
    orientation: Literal["exports", "imports", "both"] = "both"
    notes: str = ""
    pair: bool = False
    needs: frozenset[Need] = frozenset()
    knobs: frozenset[str] = frozenset()  # names of KNOBS it reads
    reads: Reads = "flows"  # "table": reads the input-output table instead of flows, and is scored in its period only
    best: Basis = Basis.OBSERVED  # what its result is at best, whatever the data: estimated by a rule, assumed
    scale_invariant: bool = True
    routed: bool = False
    joint: bool = False  # a routed score that rests on the grips of all players, as in `observation.coalition`
    territorial: bool = False  # asks about the territory of the counterpart, which may lie inside the jurisdiction
    of_item: bool = False  # one score an item, of no node: node is EVERYONE

    @property
    def summary(self) -> str:
        """First sentence of the function's docstring."""
        return " ".join(_docstring(self.function).partition("\n\n")[0].split())

    @property
    def example(self) -> str:
        """The hand-checkable example of the docstring, which the tests run."""
        return re.sub(r"^ {4}", "", _docstring(self.function).partition("Examples\n--------\n")[2].strip(), flags=re.M)

    def definition(self) -> dict[str, str]:
        """What goes into the metadata of a ranking: enough to read the numbers without the program."""
        return {
            "title": self.title,
            "formula": self.formula,
            "weights": self.weight_meaning,
            "unit": self.unit,
            "citation": self.citation,
            **({"notes": self.notes} if self.notes else {}),
        }


REGISTERED: dict[str, Indicator] = {}

Function = Callable[[Context], pl.DataFrame]


def register(**facts: Any) -> Callable[[Function], Function]:
    """Register a function as the indicator of its own name; the keywords are the fields of `Indicator`."""

    def add(function: Function) -> Function:
        name = function.__name__
        if name in REGISTERED:
            raise ValueError(f"indicator {name} is registered twice")
        if unknown := frozenset(facts.get("knobs", ())) - set(KNOBS):
            raise ValueError(f"indicator {name} reads no such knob: {', '.join(unknown)}")
        REGISTERED[name] = Indicator(name=name, function=function, family=function.__module__.rsplit(".")[-1], **facts)
        return function

    return add


def _docstring(function: Function) -> str:
    return inspect.getdoc(function) or ""
