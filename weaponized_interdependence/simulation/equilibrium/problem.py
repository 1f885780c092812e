"""One counterfactual as the compiled loops read it: shares after the measures, who uses what, who still trades."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import Fault, ModelError
from weaponized_interdependence.simulation.equilibrium.economy import SUMS_TO_ZERO, Array, Baseline

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.equilibrium.kernels.sweep import Problem

DeficitRule = Literal["absolute", "share"]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

NAMED = 5  # that a message names before it counts the rest


def problem_of(
    baseline: Baseline,
    *,
    cost_change: Array | None = None,
    tariff: Array | None = None,
    banned: Flags | None = None,
    export_tax: Array | None = None,
    deficit: Array | None = None,
    deficit_rule: DeficitRule = "absolute",
    expenditure: Array | None = None,
) -> "Problem":
    """What the compiled loops solve; arguments as in `solve`, taken to be good.

    `expenditure` [j, n] is that of the baseline, for a start; without it, one as if economies were closed.
    """
    from weaponized_interdependence.simulation.equilibrium.kernels import building
    from weaponized_interdependence.simulation.equilibrium.kernels.sweep import Problem

    J, N = baseline.shape
    blocks = _blocks(baseline, cost_change, tariff, banned, export_tax)
    used, link = np.zeros((J, N), dtype=np.bool_), np.zeros((N, N), dtype=np.bool_)
    building.in_use(blocks.A, baseline.input_share, baseline.consumption_share, blocks.traded, used, link)
    _refuse_unsupplied(baseline, used & ~blocks.supplied)
    absolute = deficit_rule == "absolute"
    amount = baseline.deficit if deficit is None else np.asarray(deficit, dtype=np.float64)
    group = groups(baseline, link, amount if absolute else None)
    scale = np.where(used, _as_if_closed(baseline) if expenditure is None else expenditure, 1.0)
    scale = np.where(scale > 0, scale, 1e-12 * baseline.value_added)
    problem = Problem(
        A=blocks.A,
        net=blocks.net,
        producer=blocks.producer,
        taxed=blocks.taxed,
        levied=blocks.levied,
        traded=blocks.traded,
        shift=blocks.shift,
        theta=baseline.theta,
        inputs=baseline.input_share,
        added=baseline.value_added_share,
        final=baseline.consumption_share,
        value_added=baseline.value_added,
        deficit=fixed(amount if absolute else amount / baseline.value_added),
        proportional=int(not absolute),
        group=group,
        size=np.bincount(group, baseline.value_added).astype(np.float64),
        ease=np.empty(N),
        scale=scale,
        used=used,
    )
    building.easing(
        blocks.A, blocks.net, blocks.taxed, blocks.traded, baseline.theta, baseline.value_added_share, scale * used,
        problem.ease,
    )  # fmt: skip
    return problem


def _as_if_closed(baseline: Baseline) -> Array:
    """Expenditure [j, n] if every economy made all that it uses, four rounds of inputs deep."""
    final = baseline.consumption_share * baseline.value_added
    found = final
    for _ in range(4):
        found = final + np.einsum("kjn,jn->kn", baseline.input_share, found)
    return found


class Blocks(NamedTuple):
    """Trade shares after a measure, as `kernels.sweep.Problem` has them, and where [j, n] a supplier is left."""

    A: Array
    net: Array
    producer: Array
    taxed: Places
    levied: Places
    traded: Places
    shift: Array
    supplied: Flags


def _blocks(
    baseline: Baseline, cost_change: Array | None, tariff: Array | None, banned: Flags | None, export_tax: Array | None
) -> Blocks:
    from weaponized_interdependence.simulation.equilibrium.kernels import building

    J, N = baseline.shape
    none, new = np.empty((0, 0, 0)), fixed(baseline.tariff if tariff is None else tariff)
    rates = fixed(none if export_tax is None else export_tax)
    bans = flags(none > 0 if banned is None else banned)
    costs = fixed(none if cost_change is None else cost_change)
    A, shift, supplied = np.empty((J, N, N)), np.empty((J, N)), np.empty((J, N), dtype=np.bool_)
    traded, taxed, levied = (np.empty(J, dtype=np.int64) for _ in range(3))
    building.weights(
        baseline.share, baseline.tariff, baseline.theta, costs, new, rates, bans,
        A, shift, traded, taxed, levied, supplied,
    )  # fmt: skip
    A = fixed(A)
    chosen, places = np.flatnonzero(taxed), np.where(taxed, np.cumsum(taxed) - 1, -1)
    net = np.empty((len(chosen), N, N))
    building.divided(A, new, chosen, np.arange(J), net)
    chosen, levies = np.flatnonzero(levied), np.where(levied, np.cumsum(levied) - 1, -1)
    net, producer = fixed(net), np.empty((len(chosen), N, N))
    if len(chosen):
        building.divided(net, rates, chosen, places, producer)
    return Blocks(A, net, fixed(producer), places, levies, traded, shift, supplied)


def fixed(array: npt.ArrayLike) -> Array:
    """A contiguous read-only view; every array comes to the compiled loops as one, so that they compile once."""
    view: Array = np.ascontiguousarray(array, dtype=np.float64).view()
    view.flags.writeable = False
    return view


def flags(array: npt.ArrayLike) -> Flags:
    """The same of true and false."""
    view: Flags = np.ascontiguousarray(array, dtype=np.bool_).view()
    view.flags.writeable = False
    return view


def _refuse_unsupplied(baseline: Baseline, lost: Flags) -> None:
    if not lost.any():
        return
    at = np.argwhere(lost)
    named = [f"{baseline.sector(j)} in {baseline.economy(n)}" for j, n in at[:NAMED]]
    more = f" and {len(at) - NAMED} more" if len(at) > NAMED else ""
    raise ModelError(
        f"no supplier is left, though it is demanded, of {', '.join(named)}{more}",
        where="banned",
        mend="leave it one supplier (a small share of its own will do), merge the sector with one that has a supplier, "
        "or take it out of consumption_share and input_share",
    )


def groups(baseline: Baseline, link: Flags, deficit: Array | None) -> Places:
    """The set of economies that each one trades with, by number; money of `deficit` must be payable within it.

    `link[n, i]` is whether n may buy of i.
    """
    N = len(link)
    if _all_reached(link) and _all_reached(link.T):
        return np.zeros(N, dtype=np.int64)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    group = connected_components(csr_array(link.astype(np.float64)), directed=True, connection="weak")[1].astype(
        np.int64
    )
    if deficit is not None:
        _refuse_unpayable(baseline, link, deficit, group)
    return group


def _refuse_unpayable(baseline: Baseline, link: Flags, deficit: Array, group: Places) -> None:
    """Groups cut off with a deficit, and economies that may trade one way alone and have no deficit to go with it."""
    least, largest = SUMS_TO_ZERO * baseline.value_added.sum(), np.bincount(group).argmax()
    mend = "give deficits that add up to zero within each group that trades, or use deficit_rule='share'"
    faults = []
    for g in range(group.max() + 1):
        inside = group == g
        if g != largest and abs(owed := float(deficit[inside].sum())) > least:
            faults.append(Fault(f"{_some(baseline, inside)}: cut off from all others, with a deficit of {owed:g}"))
    if not faults:
        mend = "ban the other direction too, or give a deficit that pays for it"
        faults = [fault for fault, inside, sign in one_way(baseline, link) if sign * deficit[inside].sum() <= 0]
    if faults:
        raise ModelError("trade that is left cannot balance", where="banned", mend=mend, faults=faults)


def one_way(baseline: Baseline, link: Flags) -> list[tuple[Fault, Flags, int]]:
    """Economies that may only buy from the others, or only sell to them; who, and the sign of deficit it takes.

    `link[n, i]` is whether n may buy of i. Taken together are those that trade with each other in both directions,
    directly or through others.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    core = connected_components(csr_array(link.astype(np.float64)), directed=True, connection="strong")[1]
    found = []
    for c in range(core.max() + 1):
        inside = core == c
        buys, sells = link[inside][:, ~inside].any(), link[~inside][:, inside].any()
        if buys != sells:
            says = "buy from others but sell them nothing" if buys else "sell to others but buy nothing of them"
            found.append((Fault(f"{_some(baseline, inside)}: may {says}"), inside, 1 if buys else -1))
    return found


def _some(baseline: Baseline, members: Flags) -> str:
    at = np.flatnonzero(members)
    return ", ".join(baseline.economy(n) for n in at[:NAMED]) + (
        f" and {len(at) - NAMED} more" if len(at) > NAMED else ""
    )


def _all_reached(link: Flags) -> bool:
    """Whether there is a way from the first economy to every other."""
    reached = link[0].copy()
    reached[0] = True
    while True:
        following = reached | link[reached].any(axis=0)
        if (following == reached).all():
            return bool(reached.all())
        reached = following
