"""Many counterfactuals of one baseline, solved together.

They share the baseline's trade shares, so that the prices of all are one matrix product a sector, and so is the demand;
what each changes is corrected cell by cell (`batch_cells`, `batch_sweeps`). They share the response of the baseline to
small changes (`batch_linear`), which makes ten to twenty passes enough. A few, far apart, are solved first, and every
other starts from the nearest of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args, overload

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import in_threads, on_one_blas_thread
from weaponized_interdependence.errors import Fault, InputError, ModelError, WiError
from weaponized_interdependence.simulation.equilibrium.batch_cells import (
    Changed,
    Counterfactual,
    changed,
    rows_of,
    split,
)
from weaponized_interdependence.simulation.equilibrium.batch_linear import Shared, shared_by
from weaponized_interdependence.simulation.equilibrium.batch_sweeps import Block, Solved, at_baseline, iterate
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline, Equilibrium
from weaponized_interdependence.simulation.equilibrium.problem import DeficitRule
from weaponized_interdependence.simulation.equilibrium.solver import LEAST_TOL, solve

__all__ = ["Counterfactual", "Equilibria", "solve_many"]

Ints = npt.NDArray[np.int64]

BLOCK = 200_000  # sectors x economies x counterfactuals that a thread solves at a time: so much stays in its cache
LEAST, WIDEST = 8, 128  # counterfactuals of a block
FEW = 3  # fewer counterfactuals than this are not worth the baseline's response
MANY_CELLS = 0.4  # of all cells: beyond it, correcting takes longer than solving alone
_LEADERS = 0.2  # of the counterfactuals are solved first, for the others to start from
_NAMED = 20


@dataclass(frozen=True, eq=False)
class Equilibria(Sequence[Equilibrium]):
    """The answers of `solve_many`, in the order of its counterfactuals, side by side: S of them.

    Units as in `Equilibrium`: hats, but for `expenditure` and `income`, which are levels. `equilibria[s]` is the
    Equilibrium of one. Its trade shares are worked out at that moment from the cells the counterfactual changes, so
    that the answers of a thousand counterfactuals fit in memory; `share` keeps them where `keep_share` was asked for.
    """

    wage: Array  # [s, n]
    price: Array  # [s, j, n]
    price_index: Array  # [s, n]
    expenditure: Array  # [s, j, n]
    income: Array  # [s, n]
    real_income: Array  # [s, n]
    real_wage: Array  # [s, n]
    iterations: Ints  # [s]
    residual: Array  # [s]
    share: Array | None  # [s, j, n, i]
    unsolved: dict[int, Fault]  # counterfactuals that have no solution, whose numbers are NaN (`skip`)
    _world: Baseline
    _changed: tuple[Changed, ...]

    def __len__(self) -> int:
        return len(self.wage)

    @overload
    def __getitem__(self, place: int) -> Equilibrium: ...
    @overload
    def __getitem__(self, place: slice) -> list[Equilibrium]: ...
    def __getitem__(self, place: int | slice) -> Equilibrium | list[Equilibrium]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        s = range(len(self))[place]
        return Equilibrium(
            wage=self.wage[s],
            price=self.price[s],
            price_index=self.price_index[s],
            share=self.share_of(s),
            expenditure=self.expenditure[s],
            income=self.income[s],
            real_income=self.real_income[s],
            real_wage=self.real_wage[s],
            iterations=int(self.iterations[s]),
            residual=float(self.residual[s]),
        )

    def share_of(self, s: int) -> Array:
        """New trade shares [j, n, i] of one counterfactual."""
        if self.share is not None:
            kept: Array = self.share[s]
            return kept
        return _shares(self._world, self._changed[s], self.wage[s], self.price[s])


def solve_many(
    baseline: Baseline,
    counterfactuals: Iterable[Counterfactual],
    *,
    tol: float = 1e-9,
    deficit_rule: DeficitRule = "absolute",
    keep_share: bool = False,
    skip: bool = False,
) -> Equilibria:
    """The equilibrium of every counterfactual: the same answers as `solve` one by one, to the tolerance.

    - `counterfactuals`: any iterable; a generator is read once, and only the cells that each changes are kept, so that
      the dense arrays of a thousand need never be in memory together
    - `tol`, `deficit_rule`: as in `solve`
    - `keep_share`: work out all trade shares [s, j, n, i] now, and keep them: 8 bytes a cell and counterfactual.
      Otherwise they are worked out when an item is asked for
    - `skip`: leave a counterfactual without a solution NaN, and say why in `unsolved`, instead of raising

    Counterfactuals that change more than four tenths of all cells, that split the world into groups without trade, or
    that do not converge together are left to `solve`. Memory is that of the answers (16 bytes a sector, economy and
    counterfactual) and of the cells changed (4 bytes each for a ban, at most 28), about 40 MB a thread, and 16 bytes a
    sector and pair of economies for what is shared.

    The answers do not depend on the number of threads (WI_THREADS). They may differ by the tolerance with the company a
    counterfactual is solved in.

    Errors: InputError lists every fault of every counterfactual. ModelError lists every counterfactual that has no
    solution, with the reason (unless `skip`).

    Examples
    --------
    >>> import numpy as np
    >>> world = Baseline(
    ...     share=np.array([[[0.8, 0.2], [0.2, 0.8]]]), value_added_share=np.ones((1, 2)),
    ...     input_share=np.zeros((1, 1, 2)), consumption_share=np.ones((1, 2)), value_added=np.ones(2),
    ...     tariff=np.zeros((1, 2, 2)), deficit=np.zeros(2), theta=np.array([4.0]))
    >>> dearer = [Counterfactual(cost_change=np.array([[[1, d], [d, 1]]])) for d in (1.0, 1.1, 1.5, 2.0)]
    >>> np.round(100 * (1 - solve_many(world, dearer).real_income[:, 0]), 3).tolist()
    [0.0, 1.624, 4.279, 5.059]
    """
    _refuse(tol, deficit_rule)
    several = _read(baseline, counterfactuals)
    answers = _empty(baseline, several)
    links = (baseline.share > 0).sum(axis=0)
    alone = [s for s, one in enumerate(several) if _for_one(baseline, links, one)]
    together = sorted(set(range(len(several))) - set(alone))
    for theta, group in _by_theta(baseline, several, together):
        shared = shared_by(baseline, theta) if len(group) >= FEW else None
        if shared is not None and shared.usable:
            alone += _together(baseline, shared, several, group, answers, tol, deficit_rule)
        else:
            alone += group
    _alone(baseline, several, sorted(alone), answers, tol, deficit_rule)
    if answers.unsolved and not skip:
        listed = list(answers.unsolved.values())
        more = [Fault(f"and {len(listed) - _NAMED} more")] if len(listed) > _NAMED else []
        raise ModelError("counterfactuals without a solution", faults=[*listed[:_NAMED], *more])
    if not keep_share:
        return answers
    shares = np.empty((len(several), *baseline.share.shape))
    for s in range(len(several)):
        shares[s] = answers.share_of(s)
    return replace(answers, share=shares)


def _refuse(tol: float, rule: str) -> None:
    faults = []
    if not LEAST_TOL <= tol < 1:
        faults.append(Fault(f"tol is {tol:g}", "tol", f"give a number from {LEAST_TOL:g} up to 1"))
    if rule not in get_args(DeficitRule):
        faults.append(Fault(f"deficit_rule is {rule!r}", "deficit_rule", f"use {' or '.join(get_args(DeficitRule))}"))
    if faults:
        raise InputError("equilibria cannot be asked for with these arguments", faults=faults)


def _read(world: Baseline, counterfactuals: Iterable[Counterfactual]) -> tuple[Changed, ...]:
    """Every counterfactual as the cells it changes."""
    several: list[Changed] = []
    faults: list[Fault] = []
    for k, asked in enumerate(counterfactuals):
        one, wrong = changed(world, asked, f"counterfactual {k}")
        faults += wrong
        if one is not None:
            several.append(one)
    if faults:
        raise InputError("counterfactuals are not usable", faults=faults)
    return tuple(several)


def _empty(world: Baseline, several: tuple[Changed, ...]) -> Equilibria:
    J, N = world.shape
    S = len(several)
    one, two = (S, N), (S, J, N)
    return Equilibria(
        wage=np.full(one, np.nan),
        price=np.full(two, np.nan),
        price_index=np.full(one, np.nan),
        expenditure=np.full(two, np.nan),
        income=np.full(one, np.nan),
        real_income=np.full(one, np.nan),
        real_wage=np.full(one, np.nan),
        iterations=np.zeros(S, dtype=np.int64),
        residual=np.full(S, np.nan),
        share=None,
        unsolved={},
        _world=world,
        _changed=several,
    )


def _for_one(world: Baseline, links: Ints, one: Changed) -> bool:
    """Whether a counterfactual is of a kind that only `solve` handles."""
    return one.at.size > MANY_CELLS * world.share.size or split(world, links, one)


def _by_theta(world: Baseline, several: Sequence[Changed], chosen: Sequence[int]) -> list[tuple[Array, list[int]]]:
    """Groups with the elasticities their common response is taken at.

    Those of the same elasticities that are many enough to be worth a response of their own; the others together, at
    the geometric mean.
    """
    found: dict[bytes, list[int]] = {}
    thetas: dict[bytes, Array] = {}
    for s in chosen:
        theta = several[s].theta
        theta = world.theta if theta is None else theta
        found.setdefault(theta.tobytes(), []).append(s)
        thetas[theta.tobytes()] = theta
    worth = world.shape[1] // 3 if len(found) > 1 else 1
    groups = [(thetas[key], group) for key, group in found.items() if len(group) >= worth]
    rest = [key for key, group in found.items() if len(group) < worth]
    if rest:
        sizes = np.array([len(found[key]) for key in rest])
        logs = np.stack([np.log(thetas[key]) for key in rest])
        mean = np.exp(sizes @ logs / sizes.sum())
        groups.append((mean, sorted(s for key in rest for s in found[key])))
    return groups


def _alone(
    world: Baseline,
    several: Sequence[Changed],
    chosen: Sequence[int],
    answers: Equilibria,
    tol: float,
    rule: DeficitRule,
) -> None:
    """Solve one by one; those without a solution are noted."""

    def one(s: int) -> Fault | None:
        asked = several[s].dense(world)
        own = world if asked.theta is None else replace(world, theta=asked.theta)
        given = {f.name: getattr(asked, f.name) for f in fields(asked) if f.name != "theta"}
        try:
            found = solve(own, tol=tol, deficit_rule=rule, **given)
        except WiError as error:
            why = "; ".join([error.message, *map(str, error.faults)])
            return Fault(why, f"counterfactual {s}", error.mend)
        for field in fields(Equilibrium):
            if field.name != "share":
                getattr(answers, field.name)[s] = getattr(found, field.name)
        return None

    for s, fault in zip(chosen, in_threads(one, chosen), strict=True):
        if fault is not None:
            answers.unsolved[s] = fault


@on_one_blas_thread
def _together(
    world: Baseline,
    shared: Shared,
    several: Sequence[Changed],
    chosen: Sequence[int],
    answers: Equilibria,
    tol: float,
    rule: DeficitRule,
) -> list[int]:
    """Solve in blocks, leaders first; gives those that did not converge."""
    marks = _marks(world, shared, [several[s] for s in chosen])
    leaders = _far_apart(marks, max(1, round(_LEADERS * len(chosen))))
    followers = [k for k in range(len(chosen)) if k not in set(leaders)]
    left: list[int] = []
    states: dict[int, Array] = {}

    def work(part: Sequence[tuple[int, int | None]]) -> tuple[Sequence[int], Solved]:
        places = [chosen[k] for k, _ in part]
        start = at_baseline(shared, world, len(part))
        for column, (_, near) in enumerate(part):
            if near in states:
                start[:, :, column] = states[near]
        return places, iterate(world, shared, _block(world, shared, [several[s] for s in places], rule), start, tol)

    for wave in (leaders, followers):
        near = _nearest(marks, wave, leaders) if wave is followers else dict.fromkeys(wave)
        for places, solved in in_threads(work, list(_parts(world, [(k, near[k]) for k in wave]))):
            _put(world, shared, answers, places, solved)
            left += [s for s, good in zip(places, solved.good, strict=True) if not good]
        if wave is leaders:
            good = [k for k in leaders if chosen[k] not in left]
            states = {k: _state(world, answers, chosen[k]) for k in good}
    return left


def _parts(world: Baseline, wave: list[tuple[int, int | None]]) -> Iterator[list[tuple[int, int | None]]]:
    """Blocks of neighbours, all about equally large."""
    J, N = world.shape
    most = min(max(BLOCK // (J * N), LEAST), WIDEST)
    several = -(-len(wave) // most)
    for k in range(several):
        yield wave[k * len(wave) // several : (k + 1) * len(wave) // several]


def _block(world: Baseline, shared: Shared, several: Sequence[Changed], rule: DeficitRule) -> Block:
    theta = np.stack([world.theta if one.theta is None else one.theta for one in several], axis=1)
    deficit = np.stack([world.deficit if one.deficit is None else one.deficit for one in several], axis=1)
    proportional = rule == "share"
    if proportional:
        deficit = deficit / world.value_added[:, None]
    return Block(rows_of(world, shared.net, several), np.arange(len(several)), theta, deficit, proportional)


def _state(world: Baseline, answers: Equilibria, s: int) -> Array:
    """The state that an answer stands for, to start others from."""
    ratio = answers.expenditure[s] / world.value_added
    return np.concatenate([np.log(answers.price[s]), ratio, np.log(answers.wage[s])[None]])


def _put(world: Baseline, shared: Shared, answers: Equilibria, places: Sequence[int], solved: Solved) -> None:
    """Answers of a block into their places."""
    to = np.asarray(places)[solved.good]
    chosen = solved.good
    index = np.exp(np.einsum("jn,jns->sn", world.consumption_share, solved.log_price[:, :, chosen]))
    wage, income = solved.wage[:, chosen].T, solved.income[:, chosen].T
    answers.wage[to] = wage
    answers.price[to] = np.exp(solved.log_price[:, :, chosen]).transpose(2, 0, 1)
    answers.price_index[to] = index
    answers.expenditure[to] = solved.expenditure[:, :, chosen].transpose(2, 0, 1)
    answers.income[to] = income
    answers.real_income[to] = income / shared.income / index
    answers.real_wage[to] = wage / index
    answers.iterations[to] = solved.passes[chosen]
    answers.residual[to] = solved.residual[chosen]


def _marks(world: Baseline, shared: Shared, several: Sequence[Changed]) -> Array:
    """A point for each counterfactual; near points mean like counterfactuals.

    The trade that is stopped or made dearer, over value added, by importer, by exporter and by sector, and the change
    of deficits; for elasticities other than the baseline's, their logs, in the size of what is stopped.
    """
    J, N = world.shape
    value = shared.expenditure[:, :, None] * world.share
    flat = value.reshape(-1)
    points = np.zeros((len(several), 3 * N + 2 * J))
    world_value = world.value_added.sum()
    for k, one in enumerate(several):
        at = one.at.astype(np.int64)
        share = world.share.reshape(-1)[at]
        lost = flat[at] * (1.0 - np.minimum(one.kept(world) / share, 2.0))
        sectors, buyers, sellers = at // (N * N), at // N % N, at % N
        points[k, :N] = np.bincount(buyers, lost, N) / world.value_added
        points[k, N : 2 * N] = np.bincount(sellers, lost, N) / world.value_added
        points[k, 2 * N : 2 * N + J] = np.bincount(sectors, lost, J) / world_value
        if one.deficit is not None:
            points[k, 2 * N + J : 3 * N + J] = (one.deficit - world.deficit) / world.value_added
        if one.theta is not None:
            size = np.sqrt((points[k, : 2 * N] ** 2).sum() / J)
            points[k, 3 * N + J :] = np.log(one.theta / world.theta) * size
    return points


def _far_apart(points: Array, many: int) -> list[int]:
    """Some of the points, each as far as can be from those chosen before; the first is the farthest from no change."""
    found: list[int] = []
    distance = (points**2).sum(axis=1)
    for _ in range(min(many, len(points))):
        k = int(np.argmax(distance))
        if found and distance[k] == 0.0:
            break
        found.append(k)
        distance = np.minimum(distance, ((points - points[k]) ** 2).sum(axis=1))
    return found


def _nearest(points: Array, asked: Sequence[int], leaders: Sequence[int]) -> dict[int, int | None]:
    """The leader nearest to each, or None where the baseline is nearer; those of one leader stand together."""
    near: dict[int, int | None] = {}
    for k in asked:
        distance = ((points[list(leaders)] - points[k]) ** 2).sum(axis=1)
        best = int(np.argmin(distance))
        near[k] = leaders[best] if distance[best] < (points[k] ** 2).sum() else None
    return near


def _shares(world: Baseline, one: Changed, wage: Array, price: Array) -> Array:
    """Trade shares from the cells changed, wages and prices; they add up to one exactly."""
    theta = world.theta if one.theta is None else one.theta
    logs = np.log(price)
    cost = world.value_added_share * np.log(wage) + np.einsum("kjn,kn->jn", world.input_share, logs)
    least = cost.min(axis=1, keepdims=True)
    share: Any = np.array(world.share)
    share.reshape(-1)[one.at] = one.kept(world)
    share *= np.exp(-theta[:, None] * (cost - least))[:, None, :]
    total = share.sum(axis=2, keepdims=True)
    np.divide(share, total, out=share, where=total > 0)
    made: Array = share
    return made
