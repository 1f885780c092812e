"""What a coalition does to its target, against what it could do, and what each member is worth.

After Chowdhry, Hinz, Kamin and Wanner (2024, Economic Policy), whose questions these are:

    loss[n]        income[n] (1 - real income hat[n]), money: what n would give to be spared
    actual         the measures as they are, by the coalition
    horizontal     the same measures by every economy          what a wider coalition could do
    vertical       an embargo by the coalition                 what deeper measures could do
    autarky        an embargo by every economy                 the most that trade measures can do
    realised       target's loss under actual over its loss under the benchmark
    multilateral   loss(S) - loss(S without j), what member j adds to the others
    unilateral     loss({j}), what j does alone
    payoff         money the target loses for each unit of money that the senders lose

Every evaluation is one counterfactual of `solve_many`. Full employment: these are results for the long run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual, solve_many
from weaponized_interdependence.simulation.equilibrium.batch_cells import changed
from weaponized_interdependence.simulation.equilibrium.economy import SUMS_TO_ZERO, Array, Baseline
from weaponized_interdependence.simulation.equilibrium.solver import levels
from weaponized_interdependence.terms import Benchmark

Bools = npt.NDArray[np.bool_]

NOISE = 10.0  # tolerances: a smaller change of real income is not told from none


@dataclass(frozen=True, eq=False)
class Case:
    """A coalition, its target and its measures, on a baseline without deficits (`balance` makes one).

    - `target`, `coalition`: positions of economies, apart from each other
    - `measures`: what is laid on trade between each member and the target, all members at once; of its arrays only the
      cells between a target and another economy count. Its `theta`, where given, holds for every evaluation
    - `incomes` [n]: income before in which losses are counted, where that is not the baseline's own: that of a table
      whose trade was balanced for the baseline

    InputError lists every fault.
    """

    baseline: Baseline
    target: tuple[int, ...]
    coalition: tuple[int, ...]
    measures: Counterfactual
    incomes: Array | None = None

    def __post_init__(self) -> None:
        N = self.baseline.shape[1]
        faults = []
        for name in ("target", "coalition"):
            places = tuple(int(n) for n in getattr(self, name))
            object.__setattr__(self, name, tuple(sorted(set(places))))
            if not places:
                faults.append(Fault(f"{name} is empty", name))
            if wrong := [n for n in places if not 0 <= n < N]:
                faults.append(Fault(f"{name} names {wrong}, of {N} economies", name, "positions count from 0"))
        if both := sorted({*self.target} & {*self.coalition}):
            names = [self.baseline.economy(n) for n in both if 0 <= n < N]
            faults.append(Fault(f"target and coalition share {', '.join(names)}", "coalition", "leave the target out"))
        if np.abs(self.baseline.deficit).max() > SUMS_TO_ZERO * self.baseline.value_added.max():
            faults.append(
                Fault("has deficits, which an economy without trade cannot have", "baseline", "give balance(baseline)")
            )
        off = np.abs(levels(self.baseline).imbalance)
        if off.max() > SUMS_TO_ZERO:
            name = self.baseline.economy(int(off.argmax()))
            faults.append(
                Fault(
                    f"value added does not agree with the shares: the trade of {name} is off balance by "
                    f"{off.max():.1e} of it, and losses would hold that",
                    "baseline",
                    "take shares, and value added times wage, of solve(baseline)",
                )
            )
        faults += changed(self.baseline, self.measures, "measures")[1]
        if self.measures.deficit is not None:
            faults.append(Fault("hold deficits, which are no measure", "measures", "leave them out"))
        if self.incomes is not None and (np.shape(self.incomes) != (N,) or not (np.asarray(self.incomes) > 0).all()):
            faults.append(Fault(f"incomes are not {N} numbers above zero", "incomes"))
        if faults:
            raise InputError("no coalition to evaluate", faults=faults)

    @property
    def everyone(self) -> tuple[int, ...]:
        """All economies but the target."""
        return tuple(n for n in range(self.baseline.shape[1]) if n not in self.target)

    @cached_property
    def theta(self) -> Array:
        """Trade elasticities [j] of every evaluation."""
        theta = self.baseline.theta if self.measures.theta is None else self.measures.theta
        return np.broadcast_to(np.asarray(theta, dtype=np.float64), self.baseline.theta.shape)

    @cached_property
    def income(self) -> Array:
        """Income before [n], of the baseline."""
        return levels(self.baseline).income

    @cached_property
    def worth(self) -> Array:
        """Income before [n] that losses are counted in."""
        return self.income if self.incomes is None else np.asarray(self.incomes, dtype=np.float64)

    @cached_property
    def by_everyone(self) -> Counterfactual:
        """The measures with every economy in the coalition: those outside do what its members do on average.

        The mean over members is taken sector by sector and by direction, weighted with what each trades there with
        that target: of what a measure leaves, cost^-theta (0 for a ban), and of duties added. Where no member trades
        they do nothing, unless members ban all they do trade. Members keep their own.
        """
        return _by_everyone(self)

    def laid(self, members: Iterable[int], *, embargo: bool = False) -> Counterfactual:
        """What a coalition of `members` does: the measures, or an embargo of all trade with the target.

        A member of `coalition` keeps its own measures; another takes the mean of `by_everyone`.
        """
        J, N = self.baseline.shape
        pair = np.zeros((N, N), dtype=bool)
        senders, targets = np.array(sorted(set(members)), dtype=np.intp), np.array(self.target)
        pair[np.ix_(senders, targets)] = pair[np.ix_(targets, senders)] = True
        if embargo:
            return Counterfactual(banned=np.broadcast_to(pair, (J, N, N)), theta=self.measures.theta)
        inside = {*senders.tolist()} <= {*self.coalition}
        chosen = self.measures if inside else self.by_everyone

        def on(array: Array | None, otherwise: Array | float) -> Array | None:
            return None if array is None else np.where(pair, array, otherwise)

        return Counterfactual(
            cost_change=on(chosen.cost_change, 1.0),
            tariff=on(chosen.tariff, self.baseline.tariff),
            banned=None if chosen.banned is None else np.asarray(chosen.banned) & pair,
            export_tax=on(chosen.export_tax, 0.0),
            theta=self.measures.theta,
        )


def _by_everyone(case: Case) -> Counterfactual:
    world, asked = case.baseline, case.measures
    shape = world.share.shape
    theta = case.theta[:, None]
    members, rest = list(case.coalition), [n for n in case.everyone if n not in case.coalition]
    banned = np.zeros(shape, dtype=bool) if asked.banned is None else np.array(np.broadcast_to(asked.banned, shape))
    cost = np.array(np.broadcast_to(1.0 if asked.cost_change is None else asked.cost_change, shape))
    tariff = np.array(np.broadcast_to(world.tariff if asked.tariff is None else asked.tariff, shape))
    tax = np.array(np.broadcast_to(0.0 if asked.export_tax is None else asked.export_tax, shape))
    value = levels(world).expenditure[:, :, None] * world.share

    def mean(of: Array, weight: Array, otherwise: float) -> Array:
        """Over members, for each sector; `otherwise` in sectors where no member trades."""
        total = weight.sum(axis=1, keepdims=True)
        part = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
        return np.where(total > 0, (of * part).sum(axis=1, keepdims=True), otherwise)

    for t in case.target:
        for mine, others in (
            ((slice(None), t, members), (slice(None), t, rest)),
            ((slice(None), members, t), (slice(None), rest, t)),
        ):
            weight = value[mine]
            all_banned = bool(weight.any() and banned[mine][weight > 0].all())
            kept = mean(np.where(banned[mine], 0.0, cost[mine] ** -theta), weight, 0.0 if all_banned else 1.0)
            banned[others] = kept <= 0
            cost[others] = np.where(kept > 0, np.where(kept > 0, kept, 1.0) ** (-1.0 / theta), 1.0)
            tariff[others] = world.tariff[others] + mean(tariff[mine] - world.tariff[mine], weight, 0.0)
            tax[others] = mean(tax[mine], weight, 0.0)
    return Counterfactual(
        cost_change=cost if (cost != 1.0).any() else None,
        tariff=tariff if asked.tariff is not None else None,
        banned=banned if banned.any() else None,
        export_tax=tax if asked.export_tax is not None else None,
        theta=asked.theta,
    )


@dataclass(frozen=True, eq=False)
class Losses:
    """Losses under several coalitions, money of `Case.worth`, negative where an economy gains.

    - `money` [s, n]; 0 where the tolerance does not tell it from none; NaN where there is no equilibrium, for the
      reason in `unsolved`
    - `target`, `senders`, `others`, `world` [s]: sums over the target, the members of that coalition, and the rest
    - `target_share` [s]: of the target's income before
    """

    money: Array
    target: Array
    senders: Array
    others: Array
    world: Array
    target_share: Array
    unsolved: dict[int, str]


def losses(case: Case, coalitions: Sequence[tuple[Iterable[int], bool]], *, tol: float = 1e-9) -> Losses:
    """Losses of everyone under each coalition: its members, and whether they lay an embargo; no members, no measure."""
    listed = [(tuple(members), embargo) for members, embargo in coalitions]
    found = solve_many(
        case.baseline, (case.laid(members, embargo=embargo) for members, embargo in listed), tol=tol, skip=True
    )
    money = case.worth * told(1.0 - found.real_income, tol)
    target = money[:, list(case.target)].sum(axis=1)
    senders = np.array([money[s, list(members)].sum() for s, (members, _) in enumerate(listed)])
    world = money.sum(axis=1)
    return Losses(
        money=money,
        target=target,
        senders=senders,
        others=world - target - senders,
        world=world,
        target_share=target / case.worth[list(case.target)].sum(),
        unsolved={s: fault.what for s, fault in found.unsolved.items()},
    )


def told(shares: Array, tol: float) -> Array:
    """Shares of income, 0 where solutions to this tolerance do not tell them from none.

    What rounding leaves of a loss that is none would otherwise be divided by another such.
    """
    known: Array = np.where(np.abs(shares) <= NOISE * tol, 0.0, shares)
    return known


def autarky(baseline: Baseline, n: int, theta: Array | None = None) -> float:
    """Real income hat of an economy that nobody trades with, in closed form; 0 where it cannot do without imports.

        ln(w/P) = -a' (I - G')^-1 (-ln(pi_nn) / theta),    times value added over income: tariff revenue is lost

    with a the consumption shares and G[k, j] the input shares of n, over the sectors that its own consumption needs.
    Needs a baseline without deficits, and without duties on sales at home. Source:
    Arkolakis, Costinot and Rodriguez-Clare (2012, American Economic Review 102(1)), with inputs as in Caliendo and
    Parro (2015).

    >>> import numpy as np
    >>> world = Baseline(
    ...     share=np.array([[[0.8, 0.2], [0.2, 0.8]]]), value_added_share=np.ones((1, 2)),
    ...     input_share=np.zeros((1, 1, 2)), consumption_share=np.ones((1, 2)), value_added=np.ones(2),
    ...     tariff=np.zeros((1, 2, 2)), deficit=np.zeros(2), theta=np.array([4.0]))
    >>> round(autarky(world, 0), 9) == round(0.8 ** 0.25, 9)
    True
    """
    home = baseline.share[:, n, n]
    inputs = baseline.input_share[:, :, n]
    needed = baseline.consumption_share[:, n] > 0
    for _ in home:
        needed = needed | (inputs[:, needed] > 0).any(axis=1)
    if (needed & (home <= 0)).any():
        return 0.0
    elasticity = baseline.theta if theta is None else theta
    own = np.where(needed, -np.log(np.where(needed, home, 1.0)), 0.0) / elasticity
    prices = np.linalg.solve(np.eye(len(home)) - inputs.T, own)
    dearer = float(np.exp(baseline.consumption_share[:, n] @ prices))
    return float(baseline.value_added[n] / levels(baseline).income[n]) / dearer


def benchmarks(case: Case, *, tol: float = 1e-9) -> pl.DataFrame:
    """Actual measures against the most that a wider or a deeper coalition could do.

    Returns, by benchmark: target_loss, coalition_loss, others_loss, world_loss (money, of the same economies
    throughout: `coalition` is that of the case even where more join), target_loss_share (of income before), payoff
    (target's loss over that of all who lay the measures, of everyone where everyone does; null where they do not lose),
    realised (target's loss under actual over that under the benchmark; null where the benchmark does not hurt), why (a
    benchmark without an equilibrium: then its numbers are null).
    """
    asked = [
        (case.coalition, False),
        (case.everyone, False),
        (case.coalition, True),
        (case.everyone, True),
    ]
    found = losses(case, asked, tol=tol)
    loss = found.target
    members = found.money[:, list(case.coalition)].sum(axis=1)
    rest = [n for n in case.everyone if n not in case.coalition]
    with np.errstate(invalid="ignore", divide="ignore"):
        realised = np.where(loss > 0, loss[0] / loss, np.nan)
    return pl.DataFrame(
        {
            "benchmark": list(map(str, Benchmark)),
            "target_loss": loss,
            "target_loss_share": found.target_share,
            "coalition_loss": members,
            "others_loss": found.money[:, rest].sum(axis=1),
            "world_loss": found.world,
            "payoff": [payoff(a, b) for a, b in zip(loss, found.senders, strict=True)],
            "realised": realised,
            "why": [found.unsolved.get(s) for s in range(4)],
        },
        schema_overrides={"why": pl.String, "payoff": pl.Float64},
    ).with_columns(pl.selectors.float().fill_nan(None))


def marginal_values(case: Case, *, embargo: bool = False, tol: float = 1e-9) -> pl.DataFrame:
    """What every member is worth to the coalition, and what it costs the member, one row each.

    - multilateral, unilateral: money the target loses because the member takes part; _share, of its income before.
      Either may be negative: some who join take trade from others who had sold dearer
    - own_loss (and _share of its own income): in the coalition as it is; alone_loss: when it acts alone
    - payoff_alone: money the target loses for each unit the member loses, acting alone; null where the member does not
      lose
    - why: which evaluation has no equilibrium, and for what reason; what hangs on it is null
    """
    whole = set(case.coalition)
    asked = [(case.coalition, embargo)]
    asked += [(tuple(sorted(whole - {m})), embargo) for m in case.coalition]
    asked += [((m,), embargo) for m in case.coalition]
    found = losses(case, asked, tol=tol)
    k = len(case.coalition)
    size = case.worth[list(case.target)].sum()
    adds = told(found.target_share[0] - found.target_share[1 : 1 + k], tol)
    own = found.money[0, list(case.coalition)]
    alone = found.senders[1 + k :]
    evaluated = ["all together", *["without it"] * k, *["alone"] * k]
    rows = {
        "member": [case.baseline.economy(m) for m in case.coalition],
        "multilateral": adds * size,
        "multilateral_share": adds,
        "unilateral": found.target[1 + k :],
        "unilateral_share": found.target_share[1 + k :],
        "own_loss": own,
        "own_loss_share": own / case.worth[list(case.coalition)],
        "alone_loss": alone,
        "payoff_alone": [payoff(a, b) for a, b in zip(found.target[1 + k :], alone, strict=True)],
        "why": [
            "; ".join(f"{evaluated[s]}: {found.unsolved[s]}" for s in (0, 1 + m, 1 + k + m) if s in found.unsolved)
            or None
            for m in range(k)
        ],
    }
    types = {"member": pl.String, "payoff_alone": pl.Float64, "why": pl.String}
    return pl.DataFrame(rows, schema_overrides=types).with_columns(pl.selectors.float().fill_nan(None))


def payoff(imposed: float, incurred: float) -> float | None:
    """Money imposed on the target for each unit that the senders lose; None where they do not lose: there is no ratio.

    >>> payoff(3.0, 2.0), payoff(3.0, -1.0)
    (1.5, None)
    """
    return imposed / incurred if incurred > 0 and np.isfinite(imposed) else None


def gini(values: npt.ArrayLike) -> float | None:
    """Gini coefficient: 0 where all bear the same, towards 1 where one bears all; None where someone gains.

    Mean absolute difference over twice the mean [Gini 1912]. Where some gain it may leave 0 to 1 and means nothing.

    >>> gini([1.0, 1.0, 1.0]), gini([0.0, 0.0, 0.0, 1.0]), gini([1.0, -1.0])
    (0.0, 0.75, None)
    """
    sorted_ = np.sort(np.asarray(values, dtype=np.float64))
    if not sorted_.size or not np.isfinite(sorted_).all() or sorted_[0] < 0 or sorted_.sum() <= 0:
        return None
    rank = np.arange(1, sorted_.size + 1)
    n = sorted_.size
    return float((2.0 * (rank * sorted_).sum() / sorted_.sum() - (n + 1)) / n)
