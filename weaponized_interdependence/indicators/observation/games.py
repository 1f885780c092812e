"""Games of coalitions: who plays, what every player holds, what unions are worth, and what a player adds to them.

The players of the game are the jurisdictions named; where one group or coalition alone is named (EU, USA+JPN), its
members; where none is, every node. The worth v(S) of a set of players is the score of their union, as if they were one
jurisdiction: members count jointly, once, so v is not additive.

    Shapley(i)  = sum over S without i of |S|! (m - |S| - 1)! / m! (v(S + i) - v(S))        adds up to v(N)
    marginal(i) = v(N) - v(N - i)

Where every player's touch on a route is certain, or drawn independently of the others', v is a sum over routes r of
w_r (1 - prod_i (1 - q_ri)), q_ri the probability that i touches r, and both have a closed form, for any number of
players:

    Shapley(i) = sum_r w_r int_0^1 q_ri prod_{j != i} (1 - x q_rj) dx        (Owen's multilinear extension)

With certain touch it splits every route equally between those on it. The integral is of a polynomial, so Gauss-Legendre
with half as many points as a route has players is exact. Otherwise (production paths, rerouting over chains, grips that
depend on each other) v is computed for unions: all of them up to 14 players, else those along random orders of joining
(Castro, Gomez and Tejada 2009), with low and high two standard errors (1.96) away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.indicators.base import Context, Party
from weaponized_interdependence.indicators.routing.chains import EQUAL
from weaponized_interdependence.indicators.routing.reach import jurisdictions, reach_table
from weaponized_interdependence.indicators.routing.routes import Route, lost_share, route_of
from weaponized_interdependence.network import Floats, Ints

Measure = Literal["shapley", "marginal"]
Scope = Literal["all", "target"]
Masks = npt.NDArray[np.int64]

# All unions of so many players are scored; of more, those along random orders.
MOST_EXACT = 14
# Unions that may be scored in all: over 200 nodes with rerouting, some twenty minutes.
MOST_UNIONS = 100_000
# A set of players is the bits of one whole number.
MOST_PLAYERS = 60
_BATCH = 64
_NORMAL = 1.96  # 95 per cent
# Kept parts of a context that do not depend on who is asked about.
_SHARED = ("coded", "coded_edges", "flows", "edges", "totals", "chains", "production", ("k_chains", 1))


def all_nodes(context: Context) -> list[str]:
    """Every node of the context: with a flow, an economy of its table, on its ties."""
    return sorted({*context.nodes, *context.totals["node"].unique()})


def players(context: Context) -> tuple[Party, ...]:
    """Who plays: those named, the members of the one group named, or every node and holder of controls."""
    named = context.jurisdictions
    if named is None:
        return jurisdictions(context, all_nodes(context))
    if len(named) == 1:
        named = tuple(Party(code, (code,)) for code in named[0].codes)
    if len(named) < 2:
        raise UsageError(
            f"a coalition needs two players, but only {', '.join(p.label for p in named) or 'nobody'} is named",
            mend="name two jurisdictions or more, or one group, whose members are the players",
        )
    return named


def asked_about(context: Context, parties: tuple[Party, ...]) -> Context:
    """The same flows with other jurisdictions; what does not depend on these is not computed again."""
    made = replace(context, jurisdictions=parties)
    made._kept.update({key: context._kept[key] for key in _SHARED if key in context._kept})
    return made


@dataclass(frozen=True, eq=False)
class Holds:
    """What parties hold of some nodes: sparse (n, parties), `grip` above zero and `member` (ones)."""

    labels: tuple[str, ...]
    nodes: tuple[str, ...]
    grip: Any
    member: Any
    independent: bool  # the grip of any union is that of its members drawn independently

    @classmethod
    def of(cls, context: Context, parties: tuple[Party, ...]) -> "Holds":
        """Over all nodes of a context."""
        nodes, labels = tuple(all_nodes(context)), tuple(p.label for p in parties)
        table = reach_table(asked_about(context, parties), list(nodes))
        row, column = (
            np.array([place[name] for name in table[end]], dtype=np.int64)
            for end, place in (
                ("node", {name: k for k, name in enumerate(nodes)}),
                ("jurisdiction", {label: k for k, label in enumerate(labels)}),
            )
        )
        grip, member = table["grip"].to_numpy(), table["member"].to_numpy()
        at = (row, column)
        shape = (len(nodes), len(labels))
        held, inside = (sparse.csr_array((data, at), shape=shape) for data in (grip, member * 1.0))
        held.eliminate_zeros()
        inside.eliminate_zeros()
        codes = [code for p in parties for code in p.codes]
        independent = bool((grip % 1 == 0).all()) or len(codes) == len(set(codes))
        return cls(labels, nodes, held, inside, independent)

    def over(self, nodes: tuple[str, ...]) -> tuple[Any, Any]:
        """(grip, member) over these nodes."""
        at = np.searchsorted(np.array(self.nodes), np.array(nodes)) if nodes else np.zeros(0, dtype=np.int64)
        return self.grip[at], self.member[at]


def listable(context: Context, holds: Holds) -> bool:
    """Whether games have their closed form here."""
    return holds.independent and route_of(context.layer) is not Route.PRODUCTION


def present(context: Context, item_nodes: tuple[str, ...], labels: tuple[str, ...]) -> Ints:
    """Which players an item has: those named, else its nodes and the holders of controls."""
    if context.jurisdictions is not None:
        return np.arange(len(labels))
    here = {*item_nodes, *context.controls["jurisdiction"].unique()}
    return np.array([k for k, label in enumerate(labels) if label in here], dtype=np.int64)


def contributions(touched: Any, value: Floats, measure: Measure) -> Floats:
    """What each player (m,) adds to the value seen, in closed form; `touched` is sparse (R, m), `value` (R,)."""
    some = np.flatnonzero(np.diff(touched.indptr))
    touched, value = touched[some], value[some]
    if not len(some):
        return np.zeros(touched.shape[1])
    q, first, count = touched.data, touched.indptr[:-1], np.diff(touched.indptr)
    each = np.zeros_like(q)
    if measure == "marginal":
        sure = q >= 1
        others = np.repeat(np.add.reduceat(sure.astype(np.int64), first), count) - sure
        left = np.where(sure, 1.0, 1.0 - q)
        escapes = np.repeat(np.multiply.reduceat(left, first), count) / left
        each = np.where(others == 0, q * escapes, 0.0)
    else:
        points, weights = np.polynomial.legendre.leggauss(int(np.ceil(count.max() / 2)))
        for x, weight in zip((points + 1) / 2, weights / 2, strict=True):
            left = 1.0 - x * q
            each += weight * q * np.repeat(np.multiply.reduceat(left, first), count) / left
    return np.asarray(
        np.bincount(touched.indices, weights=each * np.repeat(value, count), minlength=touched.shape[1]), dtype=float
    )


# ---- games whose worth must be computed for unions


@dataclass(frozen=True, eq=False)
class Worth:
    """v of unions, by item: `value[item]` is (unions, targets), NaN where a union has a member in the target."""

    masks: Masks  # sorted, the empty set first
    targets: tuple[str | None, ...]
    value: dict[str, Floats]

    def at(self, item: str, masks: Masks, target: int) -> Floats:
        """Worth of these unions, any shape."""
        return np.asarray(self.value[item][np.searchsorted(self.masks, masks), target])


def union_scores(context: Context, parties: tuple[Party, ...], masks: Masks, scope: Scope) -> Worth:
    """Score the union of every set of players; bit k of a mask stands for player k."""
    if len(masks) > MOST_UNIONS:
        raise UsageError(
            f"{len(masks):,} unions of players would be scored, more than {MOST_UNIONS:,}",
            mend="lower the knob samples, or name fewer players or targets",
        )
    codes = [party.codes for party in parties]
    known = np.unique(np.append(masks, 0))
    if len(known) == 1:
        return Worth(known, (), {})
    warm = asked_about(context, parties[:1])
    lost_share(warm, scope, rerouting=scope == "target")  # makes what the threads share

    def scored(batch: Masks) -> pl.DataFrame:
        unions = tuple(
            Party(str(mask), tuple(dict.fromkeys(c for k, own in enumerate(codes) if mask >> k & 1 for c in own)))
            for mask in batch.tolist()
        )
        return lost_share(asked_about(warm, unions), scope, rerouting=scope == "target")

    found = pl.concat(in_threads(scored, [known[k : k + _BATCH] for k in range(1, len(known), _BATCH)]))
    ends = tuple(found["counterpart"].unique().sort())
    column = {label: k for k, label in enumerate(ends)}
    value = {}
    for (item,), rows in found.group_by("item", maintain_order=True):
        table = np.full((len(known), len(ends)), np.nan)
        table[0] = 0.0
        place = np.searchsorted(known, rows["node"].cast(pl.Int64).to_numpy())
        table[place, [column[label] for label in rows["counterpart"]]] = rows["score"].fill_null(np.nan).to_numpy()
        value[str(item)] = table
    return Worth(known, ends, value)


def bits(players: int) -> Masks:
    """The mask of each player alone; UsageError where they are too many for one number."""
    if players > MOST_PLAYERS:
        raise UsageError(f"{players} players are too many", mend=f"name at most {MOST_PLAYERS}")
    return np.asarray(np.left_shift(np.int64(1), np.arange(players)), dtype=np.int64)


def refuse_unnamed(context: Context, parties: tuple[Party, ...]) -> None:
    """Raise UsageError where a game without closed form would be played by more than can be, or by all nodes."""
    if context.jurisdictions is None and len(parties) > MOST_EXACT:
        raise UsageError(
            f"{len(parties)} nodes are too many players for a game that must be scored union by union",
            mend=f"name the jurisdictions that play (two or more, or one group); up to {MOST_EXACT} nodes all play",
        )
    bits(len(parties))


@dataclass(frozen=True, eq=False)
class Game:
    """Which unions must be scored for the players of one mask, and what follows from their worth."""

    members: Ints
    masks: Masks
    measure: Measure
    sampled: Ints | None  # orders of joining (samples, players)

    @classmethod
    def of(cls, context: Context, mask: int, measure: Measure) -> "Game":
        """The game of the players in `mask`."""
        members = np.array([k for k in range(MOST_PLAYERS) if mask >> k & 1], dtype=np.int64)
        bits = np.left_shift(np.int64(1), members)
        if measure == "marginal":
            return cls(members, np.append(mask, mask - bits), measure, None)
        if len(members) <= MOST_EXACT:
            place = np.arange(2 ** len(members), dtype=np.int64)
            masks = sum((place >> k & 1) * bit for k, bit in enumerate(bits)) + np.zeros_like(place)
            return cls(members, masks, measure, None)
        rng = np.random.default_rng(int(context.knobs["seed"]))
        orders = rng.permuted(np.tile(np.arange(len(members)), (int(context.knobs["samples"]), 1)), axis=1)
        joined = np.cumsum(bits[orders], axis=1)
        return cls(members, np.hstack((np.zeros((len(joined), 1), dtype=np.int64), joined)), measure, orders)

    def solve(self, v: Floats) -> Iterator[tuple[float, float | None, float | None]]:
        """(score, low, high) of every member, from the worth of `masks`."""
        if self.measure == "marginal":
            yield from ((float(gain), None, None) for gain in gained(v[1:], v[0]))
        elif self.sampled is None:
            yield from ((float(s), None, None) for s in shapley(v))
        else:
            gains = np.empty(self.sampled.shape)
            np.put_along_axis(gains, self.sampled, gained(v[:, :-1], v[:, 1:]), axis=1)
            mean, error = gains.mean(axis=0), _NORMAL * gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
            yield from ((float(s), float(s - e), float(s + e)) for s, e in zip(mean, error, strict=True))


def gained(before: Any, after: Any) -> Floats:
    """What a set is worth more than another: nothing where they differ by a relative 1e-12, which is rounding."""
    more = after - before
    return np.where(np.abs(more) <= EQUAL * np.abs(after), 0.0, more)


def shapley(worth: Floats) -> Floats:
    """Shapley values (m,) of a game given by the worth (2^m,) of every set; bit k of a position stands for player k.

    >>> shapley(np.array([0.0, 1.0, 1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    m = len(worth).bit_length() - 1
    sets = np.arange(len(worth))
    size = sum((sets >> k & 1 for k in range(m)), np.zeros_like(sets))
    weight = np.ones(max(m, 1))  # |S|! (m - |S| - 1)! / m!
    for s in range(m):
        weight[s] = 1.0 / m if s == 0 else weight[s - 1] * s / (m - s)
    without = [sets[sets >> k & 1 == 0] for k in range(m)]
    return np.array([(weight[size[s]] * gained(worth[s], worth[s | 1 << k])).sum() for k, s in enumerate(without)])
