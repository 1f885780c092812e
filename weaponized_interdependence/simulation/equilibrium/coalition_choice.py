"""Sharing a coalition's burden, and choosing who should join: transfers that equalise losses, and a greedy coalition.

After Chowdhry, Hinz, Kamin and Wanner (2024, Economic Policy).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from weaponized_interdependence.errors import InputError, ModelError
from weaponized_interdependence.simulation.equilibrium.batch import solve_many
from weaponized_interdependence.simulation.equilibrium.coalition import NOISE, Case, gini, losses, payoff, told
from weaponized_interdependence.simulation.equilibrium.economy import Array

Stop = Literal["reached", "exhausted", "no gain"]

_ROUNDS = 60
_EQUAL = 1e-8  # largest difference left between the changes of real income of two members


@dataclass(frozen=True)
class Transfers:
    """Transfers inside a coalition after which all members lose the same share of income.

    - `rows`: member, transfer (money received, in money of the equilibrium, whose numeraire is the value added of the
      world; they add up to zero), loss_share_before, loss_share_after
    - `loss_share`: the common loss as a share of income before; negative is a gain
    - `gini_before`: of members' loss shares before transfers; None where a member gains
    - `target_loss_share_before`, `target_loss_share_after`: transfers move the target's loss a little
    - `rounds`: equilibria solved
    """

    rows: pl.DataFrame
    loss_share: float
    gini_before: float | None
    target_loss_share_before: float
    target_loss_share_after: float
    rounds: int


def equalising_transfers(case: Case, *, embargo: bool = False, tol: float = 1e-10) -> Transfers:
    """Transfers that equalise the change of real income of all members, found in general equilibrium.

        c   = sum(I'[d] - T[d]) / sum(I[d] P[d])        over members d: the common change of real income
        T[d] = c I[d] P[d] - (I'[d] - T[d])              with I' income after, I before, P the price index hat

    A transfer is a deficit, which moves prices and wages, so that transfers are taken anew until all members' changes
    agree. ModelError where they do not.
    """
    members = list(case.coalition)
    asked = case.laid(case.coalition, embargo=embargo)
    transfer = np.zeros(case.baseline.shape[1])
    before: Array | None = None
    for rounds in range(1, _ROUNDS + 1):
        found = solve_many(case.baseline, [replace(asked, deficit=case.baseline.deficit + transfer)], tol=tol)
        hats = found.real_income[0]
        if before is None:
            before = hats
        if np.ptp(hats[members]) <= _EQUAL:
            return _transfers(case, transfer, before, hats, rounds)
        cost = case.income[members] * found.price_index[0, members]
        earned = found.income[0, members] - transfer[members]
        transfer[members] = earned.sum() / cost.sum() * cost - earned
        transfer[members] -= transfer[members].mean()
    raise ModelError(
        f"transfers do not settle: changes of real income still differ by {np.ptp(hats[members]):.1e}",
        mend="try milder measures or a smaller coalition",
    )


def _transfers(case: Case, transfer: Array, before: Array, after: Array, rounds: int) -> Transfers:
    members, target = list(case.coalition), list(case.target)
    weight = case.income[target] / case.income[target].sum()
    return Transfers(
        rows=pl.DataFrame(
            {
                "member": [case.baseline.economy(m) for m in members],
                "transfer": transfer[members],
                "loss_share_before": 1.0 - before[members],
                "loss_share_after": 1.0 - after[members],
            }
        ),
        loss_share=float(1.0 - after[members].mean()),
        gini_before=gini(told(1.0 - before[members], _EQUAL / NOISE)),
        target_loss_share_before=float(weight @ (1.0 - before[target])),
        target_loss_share_after=float(weight @ (1.0 - after[target])),
        rounds=rounds,
    )


@dataclass(frozen=True)
class Greedy:
    """A coalition built one member at a time; not the best there is, for no step looks past itself.

    - `steps`: step, member (who joined), target_loss, coalition_loss (money, of those in it by then), payoff (null
      where they do not lose), target_loss_share (of income before)
    - `goal`: the target's loss that was to be reached, money; `stopped`: reached, exhausted (nobody is left), or no
      gain (nobody left adds to the target's loss)
    - `evaluated`: equilibria solved
    """

    steps: pl.DataFrame
    goal: float
    stopped: Stop
    evaluated: int


def greedy_coalition(
    case: Case,
    *,
    goal: float | None = None,
    candidates: tuple[int, ...] | None = None,
    embargo: bool = False,
    tol: float = 1e-8,
) -> Greedy:
    """Add, each time, whoever makes the payoff of the coalition highest, until the target loses as much as the goal.

    The payoff is the money that the target loses over the money that the members lose, at the coalition they then form;
    a coalition that does not lose comes before any that does, by the target's loss. Those who would not add to the
    target's loss, by more than the tolerance tells, are passed over. Greedy is not optimal: another coalition of the
    same size may do better.

    - `goal`: money the target is to lose; by default what the actual measures of `case.coalition` impose
    - `candidates`: who may join; by default every economy but the target. Outside `case.coalition` they take the mean
      of its measures (`Case.by_everyone`)
    - `embargo`: members lay an embargo instead of the measures

    Errors: InputError where the goal is not above zero; ModelError where the actual measures, or all evaluations of a
    step, have no solution.
    """
    left = list(case.everyone if candidates is None else dict.fromkeys(candidates))
    if wrong := [case.baseline.economy(n) for n in left if n in case.target]:
        raise InputError("the target cannot join", where=", ".join(wrong), mend="leave it out of the candidates")
    evaluated = 0
    if goal is None:
        actual = losses(case, [(case.coalition, False)], tol=tol)
        if actual.unsolved:
            raise ModelError("the actual measures have no equilibrium to take the goal from", mend=actual.unsolved[0])
        goal, evaluated = float(actual.target[0]), 1
    if not goal > 0:
        raise InputError(f"the goal is {goal:g}; the target must lose something", mend="give a goal above zero")
    chosen: list[int] = []
    steps: list[tuple[int, str, float, float, float | None, float]] = []
    share, stopped = 0.0, "exhausted"
    while left:
        found = losses(case, [((*chosen, n), embargo) for n in left], tol=tol)
        evaluated += len(left)
        if len(found.unsolved) == len(left):
            raise ModelError("no candidate has an equilibrium", mend=next(iter(found.unsolved.values())))
        able = np.flatnonzero(found.target_share > share + NOISE * tol)
        if not able.size:
            stopped = "no gain"
            break
        best = max(able.tolist(), key=lambda k: _merit(float(found.target[k]), float(found.senders[k])))
        imposed, incurred = float(found.target[best]), float(found.senders[best])
        share = float(found.target_share[best])
        chosen.append(left.pop(best))
        name = case.baseline.economy(chosen[-1])
        steps.append((len(chosen), name, imposed, incurred, payoff(imposed, incurred), share))
        if imposed >= goal:
            stopped = "reached"
            break
    schema = {
        "step": pl.Int64, "member": pl.String, "target_loss": pl.Float64, "coalition_loss": pl.Float64,
        "payoff": pl.Float64, "target_loss_share": pl.Float64,
    }  # fmt: skip
    return Greedy(pl.DataFrame(steps, schema=schema, orient="row"), goal, stopped, evaluated)  # type: ignore[arg-type]


def _merit(imposed: float, incurred: float) -> tuple[int, float]:
    """Senders that do not lose first, by what they impose; then by payoff."""
    ratio = payoff(imposed, incurred)
    return (1, imposed) if ratio is None else (0, ratio)
