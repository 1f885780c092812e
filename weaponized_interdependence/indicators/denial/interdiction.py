"""Which few nodes could together deny a target the most: interdiction of a largest flow for a budget of k.

Small networks are solved exactly. A smallest cut is the dual of a largest flow, so the worst set of nodes and the
smallest cut without them are one minimisation (Wood 1993): with a_v = 1 on the suppliers' side of the cut, z_i = 1 for
the candidates chosen and b_e >= a_tail - a_head - (z over candidates that hold an end of e) for every arc,

    minimise sum_e capacity_e b_e   subject to   sum_i z_i <= k,   a_source = 1, a_sink = 0,   z in {0, 1}

No large constant is needed: capacities stand in the objective, and a chosen end relaxes its arc by 1, the most that a
difference of sides can be. a and b may be fractions: for given z it is the linear programme of a smallest cut, whose
corners are whole.

Large networks are searched greedily: k times the candidate without which, besides those taken, the least could still
arrive, were the target to take all it can get, F >= R. (Where there is spare, R may arrive without any one of them, and
a search that asked for R would not know where to begin.) Where no one candidate takes anything more, though two might,
the one that carries most of what still arrives is taken. The loss is neither sub- nor supermodular (of two links in
series the second adds nothing; of two sources with spare one alone may take nothing), so no share of the optimum is
promised beforehand. Afterwards it is bounded by the flow f of value F: without a set Z at least what f carries past all
of Z still arrives, F less the sum over Z of what f carries through each candidate; so no set of k takes more of R than
the k largest of these, less F - R. f takes few steps where it can, which keeps the bound close where most goods take
one tie. (The programme with fractions for z bounds the loss too, but by more: half a node here and half there cut many
chains that no k nodes do.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from weaponized_interdependence.compiled import in_threads
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import Context, refuse_long, register
from weaponized_interdependence.indicators.denial.delivery import (
    BANDED,
    MOST,
    Bools,
    Delivery,
    Holdings,
    receivers,
    sizes,
)
from weaponized_interdependence.indicators.denial.quiet import printed_to_stderr
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.reach import targets
from weaponized_interdependence.network import Floats, Ints, Network
from weaponized_interdependence.terms import Basis

# A whole-number programme of this many ties is mostly solved within a second; beyond, the search is greedy, and so it
# is where the solver takes longer than SECONDS.
EXACT_TIES = 400
SECONDS = 10.0
# Steps of all items, at some 25 ns each: the most is about an hour of one processor. What a programme takes in the same
# measure: so many steps whatever its size, and so many for each tie.
MOST_STEPS = 150_000_000_000
_PROGRAMME, _PROGRAMME_TIE = 2_000_000, 10_000
# The solver's tolerance, as a share of R: sets that are nearer to each other are equally good.
EQUAL = 1e-6

Row = tuple[str, str, float, float, float]


@register(
    title="Interdiction: the k nodes that could together deny a target the most",
    formula="I_k(t) = max over sets Z of at most k candidates of 1 - V_t(G without Z) / V_t(G), V_t as in "
    "chokepoint_capacity",
    weight_meaning="flow value is the capacity of a tie, times 1 + spare; sums of it give supplies and R; flows to "
    "itself are left out",
    unit="share, 0 to 1",
    citation="Wood (1993), Deterministic network interdiction, Mathematical and Computer Modelling 17(2): 1-18 (the "
    "programme, there for arcs); the bound on the greedy search is proved in this project",
    notes="node holds the members of the set, sorted and joined by +, counterpart the target. Candidates are the "
    "jurisdictions named, else all nodes; they remove the nodes wholly within their reach (a partial grip removes "
    "nothing), and none with a member in the target. "
    f"Up to {EXACT_TIES} ties the set is the best there is (mixed-integer programme, HiGHS) within 1e-6 of R: low = "
    "score, and high is the loss of the best set that was found, at most 1e-6 more. "
    f"Beyond, and where a programme is not solved within {SECONDS:g} seconds, it is found greedily: low = score is its "
    "loss, and no set loses more than high; the score may be 0 where high is not, when the search found no set that "
    "denies anything, and node is then the set that carries most. Of sets equally good (within 1e-6 of R, in a "
    "programme) the one with the fewest members is told, then the one whose members send and receive the most, so a "
    "member that adds nothing is left out. No row where nothing can be denied, or a target receives nothing.",
    pair=True,
    needs=frozenset({"jurisdiction", "target", "controls"}),
    knobs=frozenset({"budget", "spare"}),
    best=Basis.ASSUMED,
)
def interdiction(context: Context) -> pl.DataFrame:
    """Largest share of what a target receives that a set of at most `budget` nodes, which is named, could deny it.

    Examples
    --------
    >>> from weaponized_interdependence.indicators.rank import worked
    >>> flows = [("A", "T", 6), ("B", "C", 3), ("C", "T", 3), ("D", "T", 1)]
    >>> worked("interdiction", flows, target=["T"])  # C as well as B, but C trades more
    {('A+C', 'T'): 0.9}
    >>> worked("interdiction", flows, target=["T"], budget=1)
    {('A', 'T'): 0.6}
    """
    budget, spare = int(context.knobs["budget"]), context.knobs["spare"]
    parts = []
    refuse_long(
        _steps(context, budget),
        MOST_STEPS,
        "searches for the worst set of each target",
        "name targets or jurisdictions, lower the budget, or rank fewer items at a time",
    )
    for item, net in context.networks():
        everyone = Candidates.of(context, net)
        refuse_many(len(targets(context, list(net.nodes))) * len(everyone.labels) * budget)

        def worst(target: tuple[str, Bools], net: Network = net, everyone: Candidates = everyone) -> Row | None:
            return _worst(Delivery.to(net, *target, spare), everyone.outside(target[1]), budget)

        found = in_threads(worst, receivers(context, net))
        parts += [(item, *row) for row in found if row is not None]
    columns = ["item", "node", "counterpart", "score", "low", "high"]
    return pl.DataFrame(parts, schema={c: BANDED[c] for c in columns}, orient="row")


def _steps(context: Context, budget: int) -> Iterator[tuple[str, float]]:
    """Steps of every item: greedily a flow a candidate, member of the set and target; else a programme a target."""
    for item, n, m, receiving in sizes(context):
        candidates = len(context.jurisdictions) if context.jurisdictions is not None else n
        each = _PROGRAMME + _PROGRAMME_TIE * m if m <= EXACT_TIES else candidates * budget * (n + m)
        yield item, float(receiving * each)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Who may be in the set: label, nodes held, and how much these send and receive."""

    labels: tuple[str, ...]
    nodes: tuple[Ints, ...]
    weight: tuple[float, ...]

    @classmethod
    def of(cls, context: Context, net: Network) -> "Candidates":
        """The jurisdictions of the context that hold a node wholly, the heaviest first, then by name."""
        held, n = Holdings.of(context, net), len(net.nodes)
        traded = np.bincount(net.origin, net.strength, n) + np.bincount(net.destination, net.strength, n)
        every = [
            (-float(traded[nodes].sum()), label, nodes)
            for label, nodes in zip(held.labels, held.wholly(), strict=True)
            if len(nodes)
        ]
        every.sort(key=lambda row: row[:2])
        return cls(tuple(r[1] for r in every), tuple(r[2] for r in every), tuple(-r[0] for r in every))

    def outside(self, members: Bools) -> "Candidates":
        """Those that hold no node of the target."""
        kept = [j for j, nodes in enumerate(self.nodes) if not members[nodes].any()]
        return Candidates(
            tuple(self.labels[j] for j in kept),
            tuple(self.nodes[j] for j in kept),
            tuple(self.weight[j] for j in kept),
        )

    def sets(self, chosen: Sequence[Sequence[int]]) -> Holdings:
        """Several sets of candidates as holdings: each grips its nodes wholly."""
        union = [np.unique(np.concatenate([np.empty(0, np.int64), *(self.nodes[j] for j in some)])) for some in chosen]
        node = np.concatenate([np.empty(0, np.int64), *union])
        first = np.cumsum([0, *map(len, union)])
        return Holdings(tuple(map(str, chosen)), first, node, np.ones(len(node)), np.ones(len(node), dtype=bool))


def _worst(delivery: Delivery | None, everyone: Candidates, budget: int) -> Row | None:
    """Label of the set, target, loss and its bounds; None where nothing can be denied."""
    if delivery is None or not everyone.labels:
        return None
    delivery.refuse_unsettled()
    found = _exactly(delivery, everyone, budget) if len(delivery.net.strength) <= EXACT_TIES else None
    chosen, bound = found or _greedily(delivery, everyone, budget)
    lost = int(delivery.denied(everyone.sets([chosen]))[0])
    if lost == 0 and (bound == 0 or not chosen):
        return None
    score, high = lost / delivery.value, max(lost, min(bound, delivery.value)) / delivery.value
    return "+".join(sorted(everyone.labels[j] for j in chosen)), delivery.label, score, score, high


def _exactly(delivery: Delivery, everyone: Candidates, budget: int) -> tuple[list[int], int] | None:
    """The set that denies most, and what it denies: first the value, then the best of the sets that reach it.

    None where the solver takes too long to find the value; where it takes too long to choose, the set found first.
    """
    programme = Programme.of(delivery, everyone, budget)
    solved = programme.solve(programme.capacity)
    if solved is None:
        return None
    least, best = solved
    weight = np.array(everyone.weight)
    price = np.zeros(len(programme.capacity))
    price[-len(weight) :] = 1 - weight / (2 * weight.sum())  # a member more always outweighs what all of them trade
    again = programme.solve(price, most=least + EQUAL)
    chosen = again[1] if again is not None and again[1] else best
    return chosen, int(delivery.denied(everyone.sets([best, chosen])).max())


def _greedily(delivery: Delivery, everyone: Candidates, budget: int) -> tuple[list[int], int]:
    """Candidates taken one by one, each time the one that denies most, and what no set of so many can exceed.

    Where no one denies more, the one that carries most of what still arrives; none where nothing arrives any more.
    """
    wide = delivery.again(delivery.spare, beyond=True)
    chosen: list[int] = []
    gone = 0
    while len(chosen) < min(budget, len(everyone.labels)):
        others = [j for j in range(len(everyone.labels)) if j not in chosen]
        denied = wide.denied(everyone.sets([[*chosen, j] for j in others]))
        best = int(denied.argmax())  # the first of equals: the one that trades more
        if denied[best] <= gone:
            carried = _carried(wide, everyone, wide.past(everyone.sets([chosen])))
            best = int(carried[others].argmax())
            if carried[others[best]] == 0:
                break
        chosen, gone = [*chosen, others[best]], int(denied[best])
    carried = np.sort(_carried(wide, everyone, wide.flow))[::-1][:budget]
    most = (float(carried.sum()) - wide.value) * (wide.wanted / delivery.received) + MOST
    return _needed(delivery, everyone, chosen), int(np.ceil(max(most, 0.0) * (1 + 1e-12)))


def _carried(delivery: Delivery, everyone: Candidates, flow: Ints) -> Floats:
    """What a flow carries through each candidate (k,)."""
    through = np.bincount(delivery.arcs[0], flow.astype(np.float64), minlength=delivery.sink + 1)
    return np.array([float(through[nodes].sum()) for nodes in everyone.nodes])


def _needed(delivery: Delivery, everyone: Candidates, chosen: list[int]) -> list[int]:
    """Those of the set without which it would deny less, the lightest left out first."""
    if not chosen:
        return chosen
    lost = int(delivery.denied(everyone.sets([chosen]))[0])
    for j in sorted(chosen, reverse=True):
        rest = [c for c in chosen if c != j]
        if rest and lost and delivery.denied(everyone.sets([rest]))[0] == lost:
            chosen = rest
    return chosen


@dataclass(frozen=True, eq=False)
class Programme:
    """The mixed-integer programme over (a, b, z): `capacity` is its objective, `matrix` its rows at most `limit`."""

    capacity: Floats
    matrix: Any
    limit: Floats
    lower: Floats
    upper: Floats
    nodes: int  # how many z there are

    @classmethod
    def of(cls, delivery: Delivery, everyone: Candidates, budget: int) -> "Programme":
        """The programme of a delivery, with capacities as shares of R."""
        n, m, k = delivery.sink + 1, len(delivery.cap), len(everyone.labels)
        tail, head = delivery.arcs[:2]
        who = np.repeat(np.arange(k), [len(nodes) for nodes in everyone.nodes])
        held = np.concatenate(everyone.nodes)
        holds = sparse.csr_array((np.ones(len(held)), (held, who)), shape=(n, k))
        sides = sparse.coo_array(
            (np.repeat([1.0, -1.0], m), (np.tile(np.arange(m), 2), np.concatenate((tail, head)))), shape=(m, n)
        )
        ends = (holds[tail] + holds[head]).minimum(1.0)  # once, where a candidate holds both ends
        rows = sparse.hstack([sides, -sparse.eye_array(m), -ends])
        asked = sparse.csr_array(np.concatenate((np.zeros(n + m), np.ones(k)))[None, :])
        lower, upper = np.zeros(n + m + k), np.ones(n + m + k)
        lower[delivery.source], upper[delivery.sink] = 1.0, 0.0
        return cls(
            np.concatenate((np.zeros(n), delivery.cap / MOST, np.zeros(k))),
            sparse.vstack([rows, asked], format="csr"),
            np.append(np.zeros(m), float(budget)),
            lower,
            upper,
            k,
        )

    def solve(self, objective: Floats, most: float = np.inf) -> tuple[float, list[int]] | None:
        """Least value and the candidates chosen, among those whose cut is at most `most`; None where time runs out."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        whole = np.append(np.zeros(len(objective) - self.nodes, np.int64), np.ones(self.nodes, np.int64))
        rules = [LinearConstraint(self.matrix, -np.inf, self.limit)]
        if most < np.inf:
            rules.append(LinearConstraint(self.capacity[None, :], -np.inf, most))
        with printed_to_stderr():  # the solver prints a line of its own now and then
            found = milp(
                objective,
                integrality=whole,
                bounds=Bounds(self.lower, self.upper),
                constraints=rules,
                options={"mip_rel_gap": 0.0, "time_limit": SECONDS},
            )
        if found.status == 1:
            return None
        if found.status != 0:
            raise ModelError(
                f"the interdiction programme was not solved: {found.message}", mend="name fewer candidates"
            )
        return float(found.fun), np.flatnonzero(found.x[-self.nodes :] > 0.5).tolist()
