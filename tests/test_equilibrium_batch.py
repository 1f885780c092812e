"""Many counterfactuals at once: the numbers of `solve`, of the plain reference, and of closed forms."""

import doctest
import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_equilibrium import plain_solve, random_economy, random_shocks, residuals

from weaponized_interdependence.errors import InputError, ModelError
from weaponized_interdependence.simulation.equilibrium import batch, batch_cells, batch_linear
from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual, Equilibria, solve_many
from weaponized_interdependence.simulation.equilibrium.economy import Baseline, Equilibrium
from weaponized_interdependence.simulation.equilibrium.solver import solve

FIELDS = ("wage", "price", "price_index", "expenditure", "income", "real_income", "real_wage")


def economy(seed: int = 1, n: int = 12, j: int = 5, **more: Any) -> Baseline:
    return random_economy(np.random.default_rng(seed), n, j, **{"theta": (1.0, 12.0), **more})


def embargo(world: Baseline, target: int, members: Any, sectors: Any = slice(None)) -> np.ndarray:
    ban = np.zeros(world.share.shape, dtype=bool)
    for m in members:
        ban[sectors, target, m] = ban[sectors, m, target] = True
    return ban


def mixed(world: Baseline) -> list[Counterfactual]:
    """Growing embargoes, bans on sectors, tariffs, costs, export taxes, deficits, elasticities; no two alike."""
    J, N = world.shape
    rng = np.random.default_rng(7)
    asked = [Counterfactual(banned=embargo(world, 0, range(1, 1 + k))) for k in range(1, N - 2)]
    asked += [Counterfactual(banned=embargo(world, 3, [0, 1, 2], [j])) for j in range(J)]
    for k in range(4):
        tariff = np.array(world.tariff)
        tariff[:, k, k + 1] += 0.1 * (k + 1)
        tax = np.zeros(world.share.shape)
        tax[:, k + 1, k] = 0.2
        cost = np.ones(world.share.shape)
        cost[:, k, k + 2] = 1.5
        asked += [Counterfactual(tariff=tariff), Counterfactual(export_tax=tax, tariff=tariff)]
        asked += [Counterfactual(cost_change=cost, theta=world.theta * (0.5 + k / 2))]
    gap = rng.normal(size=N) * 0.02 * world.value_added
    asked += [Counterfactual(), Counterfactual(deficit=world.deficit + gap - gap.mean())]
    return asked


def one_by_one(world: Baseline, asked: Counterfactual, **more: Any) -> Equilibrium:
    given = {k: v for k, v in vars(asked).items() if k != "theta"}
    return solve(world if asked.theta is None else replace(world, theta=asked.theta), **given, **more)


def furthest(found: Any, expected: Equilibrium) -> float:
    return max(
        float(np.max(np.abs(getattr(found, f) - getattr(expected, f)) / np.abs(getattr(expected, f)))) for f in FIELDS
    )


def test_same_numbers_as_solve_one_by_one() -> None:
    world = economy()
    asked = mixed(world)
    found = solve_many(world, asked)
    assert len(found) == len(asked)
    for each, counterfactual in zip(found, asked, strict=True):
        expected = one_by_one(world, counterfactual)
        assert furthest(each, expected) < 1e-7
        np.testing.assert_allclose(each.share, expected.share, rtol=1e-6, atol=1e-10)
        if counterfactual.banned is not None:
            assert (each.share[counterfactual.banned] == 0).all()
        np.testing.assert_allclose(each.share.sum(axis=2), 1.0, rtol=0, atol=1e-13)


def test_most_are_solved_together(monkeypatch: pytest.MonkeyPatch) -> None:
    world = economy()
    alone: list[int] = []
    monkeypatch.setattr(batch, "_alone", lambda world, several, chosen, *rest: alone.extend(chosen))
    solve_many(world, mixed(world))
    assert alone == []


def test_every_equation_holds() -> None:
    world = economy(2)
    asked = mixed(world)
    for each, counterfactual in zip(solve_many(world, asked), asked, strict=True):
        shocks = {k: v for k, v in vars(counterfactual).items() if k != "theta" and v is not None}
        own = world if counterfactual.theta is None else replace(world, theta=counterfactual.theta)
        assert max(residuals(own, each, **shocks).values()) < 1e-7


def test_against_the_plain_reference() -> None:
    world = economy(3, 6, 3)
    asked = mixed(world)[::3]
    for each, counterfactual in zip(solve_many(world, asked), asked, strict=True):
        shocks = {k: v for k, v in vars(counterfactual).items() if k != "theta" and v is not None}
        own = world if counterfactual.theta is None else replace(world, theta=counterfactual.theta)
        assert furthest(each, plain_solve(own, **shocks)) < 1e-7


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_random_economies_with_shocks_of_every_kind(seed: int) -> None:
    """Every cell changes here: the corrections alone must carry the whole matrix."""
    rng = np.random.default_rng(seed)
    n, j = int(rng.integers(3, 9)), int(rng.integers(1, 6))
    world = random_economy(rng, n, j, theta=(0.5, 40.0), nontraded=int(j > 2), zeros=0.2)
    asked = [Counterfactual(**random_shocks(rng, world, bans=0)) for _ in range(4)]
    many, batch.MANY_CELLS = batch.MANY_CELLS, 2.0
    try:
        found = solve_many(world, asked)
    finally:
        batch.MANY_CELLS = many
    for each, counterfactual in zip(found, asked, strict=True):
        assert furthest(each, one_by_one(world, counterfactual)) < 1e-6


def test_no_change_gives_hats_of_one() -> None:
    world = economy(4)
    found = solve_many(world, [Counterfactual()] * 4)
    for field in ("wage", "price", "real_income", "real_wage"):
        np.testing.assert_allclose(getattr(found, field), 1.0, rtol=0, atol=1e-9)


def test_an_embargo_by_all_is_autarky_in_closed_form() -> None:
    world = economy(5, deficits=False)
    _, N = world.shape
    found = solve_many(world, [Counterfactual(banned=embargo(world, t, set(range(N)) - {t})) for t in range(4)])
    for t in range(4):
        home = world.share[:, t, t]
        prices = np.linalg.solve(np.eye(len(home)) - world.input_share[:, :, t].T, -np.log(home) / world.theta)
        assert found.real_wage[t, t] == pytest.approx(np.exp(-world.consumption_share[:, t] @ prices), rel=1e-8)


def test_the_start_changes_nothing_beyond_the_tolerance() -> None:
    """Alone, in company, and in another order: other leaders, other blocks."""
    world = economy()
    asked = mixed(world)
    found, turned = solve_many(world, asked), solve_many(world, asked[::-1])
    few = solve_many(world, asked[:5])
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(turned, field)[::-1], rtol=1e-7)
        np.testing.assert_allclose(getattr(found, field)[:5], getattr(few, field), rtol=1e-7)


def test_a_generator_is_read_once_and_items_make_their_own_shares() -> None:
    world = economy()

    def one_at_a_time() -> Iterator[Counterfactual]:
        yield from mixed(world)

    found = solve_many(world, one_at_a_time())
    kept = solve_many(world, mixed(world), keep_share=True)
    assert found.share is None
    assert kept.share is not None
    for s in range(len(kept)):
        assert np.array_equal(kept.share[s], found.share_of(s))
    assert isinstance(found[-1], Equilibrium)
    assert [e.iterations for e in found[:3]] == found.iterations[:3].tolist()
    with pytest.raises(IndexError):
        found[len(found)]


def test_deficits_as_shares_of_value_added() -> None:
    world = economy(6)
    asked = mixed(world)[:6]
    for each, counterfactual in zip(solve_many(world, asked, deficit_rule="share"), asked, strict=True):
        assert furthest(each, one_by_one(world, counterfactual, deficit_rule="share")) < 1e-7


def test_a_price_that_keeps_next_to_nothing_of_its_row_keeps_its_digits() -> None:
    """A ban on a supplier of all but 1e-9 of a sector: taken off the shared product, rounding would be left."""
    world = economy(8, 6, 2)
    share = np.array(world.share)
    share[0, 0] = [1e-9, 1.0 - 2e-9, 1e-9, 0.0, 0.0, 0.0]
    world = replace(world, share=share)
    ban = np.zeros(share.shape, dtype=bool)
    ban[0, 0, 1] = True
    asked = [Counterfactual(banned=ban, theta=world.theta * k) for k in (1.0, 1.2, 1.5)]
    for each, counterfactual in zip(solve_many(world, asked), asked, strict=True):
        assert furthest(each, one_by_one(world, counterfactual)) < 1e-7


def test_what_cannot_be_solved_together_goes_to_solve() -> None:
    world = economy(9, 6, 3, deficits=False)
    everyone = embargo(world, 0, range(1, 6))
    dear = np.where(np.eye(6, dtype=bool), 1.0, 1.3) * np.ones((3, 1, 1))
    asked = [Counterfactual(banned=everyone), Counterfactual(cost_change=dear), *mixed(world)[:4]]
    cells = [batch_cells.changed(world, each, "")[0] for each in asked]
    links = (world.share > 0).sum(axis=0)
    assert [batch._for_one(world, links, each) for each in cells if each] == [True, True, False, False, False, False]
    for each, counterfactual in zip(solve_many(world, asked), asked, strict=True):
        assert furthest(each, one_by_one(world, counterfactual)) < 1e-7


def test_every_fault_of_every_counterfactual_at_once() -> None:
    world = economy(1, 4, 2)
    with pytest.raises(InputError) as raised:
        solve_many(
            world,
            [
                Counterfactual(tariff=np.full((2, 4, 4), -1.5)),
                Counterfactual(),
                Counterfactual(cost_change=np.zeros((2, 4, 4)), theta=np.ones(3), banned=np.ones((2, 4, 4))),
                Counterfactual(deficit=np.ones(4)),
            ],
        )
    said = [str(fault) for fault in raised.value.faults]
    expected = [(0, "tariff"), (2, "theta has shape"), (2, "cost_change"), (2, "banned holds"), (3, "deficits add")]
    assert len(said) == len(expected)
    for (place, part), line in zip(expected, said, strict=True):
        assert line.startswith(f"counterfactual {place}: ")
        assert part in line


def test_a_tolerance_or_a_rule_that_solve_refuses_is_refused() -> None:
    """Each counterfactual would converge at once at a tolerance of two; an unknown rule would be the absolute one."""
    world = economy(1, 4, 2)
    for many in (0, 4):
        with pytest.raises(InputError) as raised:
            solve_many(world, [Counterfactual()] * many, tol=2.0, deficit_rule="shares", skip=True)  # type: ignore[arg-type]
        assert [fault.where for fault in raised.value.faults] == ["tol", "deficit_rule"]


def test_those_without_a_solution_are_all_named_or_left_out() -> None:
    world = economy(1, 4, 2, home=0.0)
    share = np.array(world.share)
    share[0, 0] = [0.0, 1.0, 0.0, 0.0]
    world = replace(world, share=share)
    ban = np.zeros(share.shape, dtype=bool)
    ban[0, 0, 1] = True
    asked = [Counterfactual(banned=ban), Counterfactual(), Counterfactual(banned=ban)]
    with pytest.raises(ModelError) as raised:
        solve_many(world, asked)
    assert [fault.where for fault in raised.value.faults] == ["counterfactual 0", "counterfactual 2"]
    found = solve_many(world, asked, skip=True)
    assert sorted(found.unsolved) == [0, 2]
    assert np.isnan(found.real_income[[0, 2]]).all()
    np.testing.assert_allclose(found.wage[1], solve(world).wage, rtol=1e-7)


def test_nothing_to_solve() -> None:
    found = solve_many(economy(1, 3, 2), [])
    assert len(found) == 0
    assert isinstance(found, Equilibria)


def test_what_is_prepared_goes_with_its_baseline() -> None:
    world = economy(11, 5, 2)
    solve_many(world, [Counterfactual()] * 3)
    assert world in batch_linear._PREPARED
    watched = weakref.ref(world)
    del world
    gc.collect()
    assert watched() is None


def test_bytes_do_not_depend_on_threads(root: Path) -> None:
    """Blocks are cut by the data; each process has its own number of threads."""
    program = (
        "import hashlib, sys; sys.path.insert(0, 'tests')\n"
        "import test_equilibrium_batch as t\n"
        "from weaponized_interdependence.simulation.equilibrium import batch\n"
        "batch.BLOCK, batch.LEAST = 500, 4\n"
        "w = t.economy(); f = batch.solve_many(w, t.mixed(w) * 2)\n"
        "print(hashlib.sha256(f.real_income.tobytes() + f.price.tobytes()).hexdigest())\n"
    )
    said = set()
    for threads in ("1", "3"):
        env = {**os.environ, "WI_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=root, env=env, capture_output=True, text=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1


def test_examples() -> None:
    assert doctest.testmod(batch).failed == 0
