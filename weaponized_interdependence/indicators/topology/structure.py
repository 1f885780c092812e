"""The shape of a whole network, to be followed over time: concentration, rich club, percolation under removal.

What is said of the network as a whole has one row an item, with ALL as its node; rank it by period.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.indicators.base import EVERYONE, RESULT, Context, of_everyone, register
from weaponized_interdependence.indicators.coded import End
from weaponized_interdependence.indicators.dependency.concentration import world_concentration
from weaponized_interdependence.network import Floats, Ints, Network

_SAME = 1e-12  # nodes whose strengths differ by less than this part of them are equally strong

_HHI = "Hirschman (1964), The paternity of an index, American Economic Review 54(5): 761-762"
_OPSAHL = (
    "Opsahl, Colizza, Panzarasa and Ramasco (2008), Prominence and control: the weighted rich-club effect, Physical "
    "Review Letters 101: 168702"
)
_ZHOU = (
    "Zhou and Mondragon (2004), The rich-club phenomenon in the Internet topology, IEEE Communications Letters 8(3): "
    "180-182; here of directed ties"
)
_SCHNEIDER = (
    "Schneider, Moreira, Andrade, Havlin and Herrmann (2011), Mitigation of malicious attacks on networks, PNAS "
    "108(10): 3838-3841; here strengths are not worked out anew after each removal"
)
_ORDER = (
    "nodes go in the order of their strength in the whole network, value sent and received, largest first, not worked "
    "out anew; nodes of equal strength (within 1e-12 of it) go together"
)
_ORDER_WEIGHTS = "flow value decides who goes first; a node's flows to itself are left out"
_CLUB = "Not defined (null) where no two members of the club have a tie, as for the richest node alone."


def _shares_squared(context: Context, end: End) -> pl.DataFrame:
    coded = context.coded_edges
    some = np.diff(coded.first) > 0
    return of_everyone(coded.items.filter(pl.Series(some)), world_concentration(coded, end)[some])


def _of_item(frame: pl.DataFrame) -> pl.DataFrame:
    """One row an item, of the network as a whole."""
    return frame.select(
        "item", pl.lit(EVERYONE).alias("node"), pl.lit(None, dtype=pl.String).alias("counterpart"), pl.exclude("item")
    )


@register(
    title="Network concentration of exports",
    formula="H_x = sum_i (s_out(i) / sum_k s_out(k))^2",
    weight_meaning="flow value gives a node's share of all value sent; a node's flows to itself are left out",
    unit="index, 1/nodes to 1",
    citation=_HHI + "; as a criterion of trade dependence, with the threshold 0.4: CEPII, GeoDep",
    orientation="exports",
    of_item=True,
    notes="Of the whole network, over its exporters; hhi_exports is of one node, over its customers. By item it is the "
    "HHI of world exports of geodep_dependent: high where few could sell it to anyone, whoever buys.",
)
def network_concentration_exports(context: Context) -> pl.DataFrame:
    """How few nodes all value comes from: 1 when one sends everything, 1/k when k send equal parts.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("network_concentration_exports", [("A", "C", 3), ("B", "C", 1)])  # (3/4)^2 + (1/4)^2
    {'ALL': 0.625}
    """
    return _shares_squared(context, "origin")


@register(
    title="Network concentration of imports",
    formula="H_m = sum_i (s_in(i) / sum_k s_in(k))^2",
    weight_meaning="flow value gives a node's share of all value received; a node's flows to itself are left out",
    unit="index, 1/nodes to 1",
    citation=_HHI,
    orientation="imports",
    of_item=True,
    notes="Of the whole network, over its importers; hhi_imports is of one node, over its sources.",
)
def network_concentration_imports(context: Context) -> pl.DataFrame:
    """How few nodes all value goes to: 1 when one receives everything, 1/k when k receive equal parts.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("network_concentration_imports", [("A", "C", 3), ("B", "C", 1)])
    {'ALL': 1.0}
    """
    return _shares_squared(context, "destination")


@register(
    title="Weighted rich club",
    formula="phi(i) = W / (sum of the E largest values of all ties), W and E being the value and the number of ties "
    "among the nodes that send at least as much as i",
    weight_meaning="flow value: it decides who is rich (value sent) and what the club keeps; flows to itself left out",
    unit="share, 0 to 1",
    citation=_OPSAHL,
    notes=f"{_CLUB} Large also where the rich simply trade a lot with everyone: rich_club_ratio says whether the club "
    "keeps more to itself than chance would. The paper counts nodes above a richness; here the node itself belongs.",
)
def rich_club(context: Context) -> pl.DataFrame:
    """What the club of the node and all richer ones exchange, as a share of the most that so many ties could carry.

    Examples
    --------
    A sends 9, B 6, C 1. The club of B is A and B: its two ties carry 8 and 4, the two largest of all carry 8 and 4.
    The club of C is everyone.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("rich_club", [("A", "B", 8), ("A", "C", 1), ("B", "A", 4), ("B", "C", 2), ("C", "A", 1)])
    {'A': None, 'B': 1.0, 'C': 1.0}
    """
    return _by_node(context, "rich_club", _clubs, "phi")


@register(
    title="Weighted rich club, against chance",
    formula="rho(i) = W / E[W], W the value of ties among the nodes that send at least as much as i; E[W] = sum over "
    "members j of s_out(j) k_club(j) / k_out(j), the mean of W when every node's values are dealt anew over its own "
    "outgoing ties",
    weight_meaning="flow value: it decides who is rich (value sent) and what the club keeps; flows to itself left out",
    unit="ratio, 1 is chance",
    citation=_OPSAHL + "; directed null model, its mean in closed form",
    notes=f"{_CLUB} The null model keeps who trades with whom, what each node sends, and so the club and the most its "
    "ties could carry. Its mean needs no drawing, so there is no seed and no sampling error. Above 1 the rich "
    "send each other more than chance; everyone together is 1. It does not keep what nodes receive: where the rich "
    "also buy most, as in trade, the ratio is large for that reason alone.",
)
def rich_club_ratio(context: Context) -> pl.DataFrame:
    """How many times as much the rich send each other as if their values were dealt over their ties by chance.

    Examples
    --------
    The club of B is A and B. By chance A sends B half of its 9, B sends A half of its 6: 7.5 against the 12 it is.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("rich_club_ratio", [("A", "B", 8), ("A", "C", 1), ("B", "A", 4), ("B", "C", 2), ("C", "A", 1)])
    {'A': None, 'B': 1.6, 'C': 1.0}
    """
    return _by_node(context, "rich_club", _clubs, "ratio")


@register(
    title="Weighted rich club, standard score",
    formula="z(i) = (W - E[W]) / sd(W), with E and sd over all ways of dealing every node's values anew over its own "
    "outgoing ties (rich_club_ratio)",
    weight_meaning="flow value: it decides who is rich (value sent) and what the club keeps; flows to itself left out",
    unit="standard deviations",
    citation=_OPSAHL + "; directed null model, its mean and variance in closed form (drawing without replacement)",
    notes="Not defined (null) where dealing cannot change what the club keeps: no ties, all ties inside, equal values. "
    "Values of trade are skewed, so z is a scale and no exact probability.",
)
def rich_club_z(context: Context) -> pl.DataFrame:
    """How far what the rich send each other lies from chance, in standard deviations of chance.

    Examples
    --------
    The club of B: A's tie to B carries 8 or 1, B's to A 4 or 2. Mean 7.5, variance 3.5^2 + 1^2 = 13.25; it carries 12.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("rich_club_z", [("A", "B", 8), ("A", "C", 1), ("B", "A", 4), ("B", "C", 2), ("C", "A", 1)])
    {'A': None, 'B': 1.236245075538, 'C': None}
    """
    return _by_node(context, "rich_club", _clubs, "z")


@register(
    title="Rich club, density of ties",
    formula="phi(i) = E / (N (N - 1)), N the nodes with at least as many customers as i, E the ties among them",
    weight_meaning="none: only whether a tie exists counts, not its strength",
    unit="share of ties, 0 to 1",
    citation=_ZHOU,
    notes="Not defined (null) where the club is one node. Says little on dense networks, where it is near 1 anyway.",
)
def rich_club_density(context: Context) -> pl.DataFrame:
    """Share of all possible ties that exist among the node and all that have at least as many customers.

    Examples
    --------
    A and B have two customers each, C has one: A and B have both their ties, all three have five of six.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("rich_club_density", [("A", "B", 8), ("A", "C", 1), ("B", "A", 4), ("B", "C", 2), ("C", "A", 1)])
    {'A': 1.0, 'B': 1.0, 'C': 0.833333333333}
    """
    return _by_node(context, "rich_club_density", _dense, "density")


@register(
    title="Percolation, nodes left together",
    formula="p(i) = n_giant / n once i and every node at least as strong are removed; n_giant the nodes of the largest "
    "part that is connected when directions are ignored, n the nodes at the start",
    weight_meaning=_ORDER_WEIGHTS,
    unit="share of nodes, 0 to 1",
    citation=_SCHNEIDER,
    notes=f"The curve of robustness, one point a node: rank is the order of removal; {_ORDER}.",
)
def percolation(context: Context) -> pl.DataFrame:
    """Share of nodes still in one connected part once the node and all at least as strong are gone.

    Examples
    --------
    H joins A and C, C also sends to B: without H, B and C stay together; without C too, A and B are alone.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("percolation", [("H", "A", 4), ("C", "H", 3), ("C", "B", 2)])
    {'A': 0.25, 'B': 0.0, 'C': 0.25, 'H': 0.5}
    """
    return _by_node(context, "percolation", _removed, "nodes")


@register(
    title="Percolation, value left",
    formula="q(i) = value of the ties between nodes that are left / value of all ties, once i and every node at least "
    "as strong are removed",
    weight_meaning=f"flow value: what is left, and {_ORDER_WEIGHTS}",
    unit="share, 0 to 1",
    citation=_SCHNEIDER + "; of value instead of nodes",
    notes=f"The curve of robustness_value, one point a node: rank is the order of removal; {_ORDER}.",
)
def percolation_value(context: Context) -> pl.DataFrame:
    """Share of all value that is left once the node and all at least as strong are gone.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("percolation_value", [("H", "A", 4), ("C", "H", 3), ("C", "B", 3)])  # H 7, C 6, A 4, B 3
    {'A': 0.0, 'B': 0.0, 'C': 0.0, 'H': 0.3}
    """
    return _by_node(context, "percolation", _removed, "value")


@register(
    title="Robustness under targeted removal",
    formula="R = 1/n sum over q = 1..n of s(q), s(q) the share of the n nodes in the largest connected part "
    "(directions ignored) once the q strongest are removed",
    weight_meaning=_ORDER_WEIGHTS,
    unit="share of nodes, 0 to 1/2",
    citation=_SCHNEIDER,
    of_item=True,
    notes=f"About 1/n for a star, and near 1/2 where all are tied to all. In R, {_ORDER}: s falls evenly over their "
    "steps, and low and high bound R whatever their order.",
)
def robustness(context: Context) -> pl.DataFrame:
    """How much of the network stays connected while its strongest nodes are taken out one by one, on average.

    Examples
    --------
    H, C, A, B go in this order and leave 2, 1, 1 and 0 of 4 nodes together: (2 + 1 + 1 + 0) / 4 / 4.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("robustness", [("H", "A", 4), ("C", "H", 3), ("C", "B", 2)])
    {'ALL': 0.25}
    """
    return _area(context, "nodes")


@register(
    title="Robustness of value under targeted removal",
    formula="R_v = 1/n sum over q = 1..n of v(q), v(q) the share of all value between nodes that are left once the q "
    "strongest of n are removed",
    weight_meaning=f"flow value: what is left, and {_ORDER_WEIGHTS}",
    unit="share, 0 to 1",
    citation=_SCHNEIDER + "; of value instead of nodes",
    of_item=True,
    notes=f"Small where value hangs on few nodes; about 1/3 where all trade alike with all. Here {_ORDER}: v falls "
    "evenly over their steps, and low and high bound R_v whatever their order.",
)
def robustness_value(context: Context) -> pl.DataFrame:
    """How much value is left while the strongest nodes are taken out one by one, on average.

    Examples
    --------
    H, C, A, B go in this order and leave 3, 0, 0 and 0 of 10: 3 / 10 / 4.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("robustness_value", [("H", "A", 4), ("C", "H", 3), ("C", "B", 3)])
    {'ALL': 0.075}
    """
    return _area(context, "value")


def _by_node(
    context: Context, key: str, of_network: Callable[[Network], Mapping[str, Floats]], score: str
) -> pl.DataFrame:
    """One score a node from a function that gives several; the others are kept for the next indicator."""
    frame = context.keep(("structure", key), lambda: _frame(context, of_network))
    if frame.is_empty():
        return pl.DataFrame(schema=RESULT)
    return frame.select("item", "node", pl.lit(None, dtype=pl.String).alias("counterpart"), score=score)


def _frame(context: Context, of_network: Callable[[Network], Mapping[str, Floats]]) -> pl.DataFrame:
    parts = [
        pl.DataFrame({"item": [item] * len(net.nodes), "node": net.nodes, **of_network(net)})
        for item, net in context.networks()
    ]
    return pl.concat(parts).with_columns(pl.exclude("item", "node").fill_nan(None)) if parts else pl.DataFrame()


def _levels(richness: Floats) -> Ints:
    """Place of every node in the order of richness (n,): 0 the richest, the same for nodes that are equally rich."""
    order = np.argsort(-richness, kind="stable")
    ordered = richness[order]
    level = np.empty(len(richness), dtype=np.int64)
    level[order] = np.cumsum(np.append(False, ordered[1:] < ordered[:-1] * (1 - _SAME)))[: len(order)]
    return level


def _clubs(net: Network) -> dict[str, Floats]:
    """phi, ratio and z (n,) of the club that every node closes; NaN where not defined.

    A tie is in every club from the level of its poorer end on, so what clubs keep are running sums over levels.
    """
    n, m = net.size
    # In the power of two next to the largest tie, which changes no digit: squares must neither vanish nor overflow.
    strength = np.ldexp(net.strength, -int(np.frexp(net.strength.max(initial=0.0))[1]))
    sent, customers = _sums(net.origin, n, strength), np.bincount(net.origin, minlength=n)
    level = _levels(sent)
    enters = np.maximum(level[net.origin], level[net.destination])
    levels = int(level.max(initial=-1)) + 1

    def kept(weights: Floats | None = None) -> Floats:
        return np.cumsum(_sums(enters, levels, weights))

    ties, value = kept(), kept(strength)
    most = np.append(0.0, np.cumsum(np.sort(strength)[::-1]))[ties.astype(np.int64)]
    mean = sent[net.origin] / customers[net.origin]
    chance = kept(mean)
    # A node's k values are dealt over k ties, c of them inside: c (k - c) / (k - 1) times their population variance,
    # and independent of the other nodes. Ties enter one by one, so each adds the difference that its c makes.
    spread = _sums(net.origin, n, (strength - mean) ** 2) / np.maximum(customers, 1)
    first = np.lexsort((enters, net.origin))
    c = np.empty(m)
    c[first] = np.arange(m) - np.searchsorted(net.origin[first], net.origin[first])
    k = customers[net.origin]
    variance = kept(spread[net.origin] * (k - 2 * c - 1) / np.maximum(k - 1, 1))
    some = ties > 0
    varies = some & (variance > _SAME * value**2)
    return {
        "phi": np.minimum(_ratio(value, most, some), 1.0)[level],  # above it by rounding only
        "ratio": _ratio(value, chance, some)[level],
        "z": _ratio(value - chance, np.sqrt(np.maximum(variance, 0.0)), varies)[level],
    }


def _dense(net: Network) -> dict[str, Floats]:
    """density (n,) of ties in the club that every node closes, by number of customers; NaN for a club of one."""
    n, _ = net.size
    level = _levels(_sums(net.origin, n))
    levels = int(level.max(initial=-1)) + 1
    members = np.cumsum(_sums(level, levels))
    ties = np.cumsum(_sums(np.maximum(level[net.origin], level[net.destination]), levels))
    pairs = members * (members - 1)
    return {"density": _ratio(ties, pairs, pairs > 0)[level]}


def _sums(at: Ints, size: int, weights: Floats | None = None) -> Floats:
    """Sum of weights (one each, where none are given) by what `at` names: (size,)."""
    return np.asarray(np.bincount(at, weights, size), dtype=np.float64)


def _ratio(part: Floats, whole: Floats, defined: npt.NDArray[np.bool_]) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=defined))


def _removed(net: Network) -> dict[str, Floats]:
    """nodes and value (n,), shares left once the node and all at least as strong are gone; and R of either, repeated.

    R is the mean over all steps of removal; its low and high are NaN where no two nodes are equally strong.
    """
    from weaponized_interdependence.indicators.kernels.percolation import largest_left

    n, _ = net.size
    level = _levels(_sums(net.origin, n, net.strength) + _sums(net.destination, n, net.strength))
    g = np.bincount(level)
    goes = np.minimum(level[net.origin], level[net.destination])  # with its stronger end
    back = np.argsort(-goes, kind="stable")
    # Summed from the last to go, so that nothing left is exactly nothing.
    value = np.append(np.cumsum(_sums(goes, len(g), net.strength)[::-1])[::-1], 0.0)
    curves = {
        "nodes": largest_left(level, net.origin[back], net.destination[back], len(g)) / n,
        "value": value / value[0],
    }
    found = {}
    for what, left in curves.items():
        found[what] = left[1:][level]
        found |= {f"{what}_{name}": np.full(n, area) for name, area in _areas(left, g).items()}
    return found


def _areas(left: Floats, g: Ints) -> dict[str, float]:
    """Mean of what is left over the steps of removal, and its bounds where equally strong nodes go together.

    Over the g steps of a level it falls evenly from `before` to `after`; whatever the order, no step can leave less
    than `after` or more than `before`, and the last leaves `after`.
    """
    before, after, n = left[:-1], left[1:], float(g.sum())
    found = {"score": float((g * before - (before - after) * (g + 1) / 2).sum()) / n}
    for side, sum_of in (("low", g * after), ("high", (g - 1) * before + after)):
        found[side] = float(sum_of.sum()) / n if (g > 1).any() else np.nan
    return found


def _area(context: Context, what: str) -> pl.DataFrame:
    """R of every item, from the curve of its nodes."""
    frame = context.keep(("structure", "percolation"), lambda: _frame(context, _removed))
    if frame.is_empty():
        return pl.DataFrame(schema=RESULT)
    columns = {name: f"{what}_{name}" for name in ("score", "low", "high")}
    return _of_item(frame.unique("item", keep="first", maintain_order=True).select("item", **columns))
