"""Production networks against textbooks, published numbers, pymrio and plain inverses."""

import doctest
import importlib
import itertools
import json
import pkgutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_support import random_table, table, tables, with_an_idle_industry

from weaponized_interdependence.errors import InputError, ModelError, UsageError
from weaponized_interdependence.io_table import IOTable, LeontiefSystem, cut_of, cuts
from weaponized_interdependence.simulation import production
from weaponized_interdependence.simulation.production import (
    Edge,
    Sigma,
    bottleneck,
    bottlenecks,
    by_economy,
    ces_loss,
    demand_inoperability,
    demand_pull,
    economy_cut,
    edge_cut,
    extract,
    extract_economies,
    high_order_exposure,
    inoperability,
    interdependency,
    multipliers,
    supply_inoperability,
    supply_push,
    worst_inputs,
)
from weaponized_interdependence.sources.registry import read

QUIET = settings(deadline=None, max_examples=30)
SEEDS = st.integers(0, 2**32 - 1)


def shares(t: IOTable, seed: int, *, square: bool = False, often: float = 0.4) -> np.ndarray:
    """Denied shares where chance has it, some of them whole."""
    rng = np.random.default_rng(seed)
    shape = t.Z.shape if square else (len(t.x), len(t.economies))
    return np.where(rng.random(shape) < often, rng.choice([0.3, 0.7, 1.0], shape), 0.0)


def plain_loss(t: IOTable, inputs: np.ndarray, final: np.ndarray) -> np.ndarray:
    """x - x_S by an inverse of its own; `inputs` (rows, rows)."""
    f = len(t.demands)
    left = t.Y * (1 - np.repeat(final, f, axis=1))
    return t.x - np.linalg.inv(np.eye(len(t.x)) - t.A * (1 - inputs)) @ left.sum(axis=1)


def turned(t: IOTable, order: list[int]) -> tuple[IOTable, np.ndarray]:
    """The table with its economies in another order, and where each row went."""
    _, j, f = t.size
    rows = (np.array(order)[:, None] * j + np.arange(j)).ravel()
    columns = (np.array(order)[:, None] * f + np.arange(f)).ravel()
    made = IOTable(
        t.period, tuple(t.economies[k] for k in order), t.sectors, t.demands, t.Z[np.ix_(rows, rows)],
        t.Y[np.ix_(rows, columns)], t.VA[rows], t.x[rows], t.other[rows], t.classification,
    )  # fmt: skip
    return made, rows


def scaled(t: IOTable, by: float) -> IOTable:
    return table(t.Z * by, t.Y * by, len(t.economies), t.classification)


# ---- linkages ---------------------------------------------------------------------------------------------------


def test_multipliers_are_those_of_pymrio() -> None:
    pymrio = pytest.importorskip("pymrio", reason="pymrio is not installed")
    t = random_table(7, n=4, j=5)
    a = pymrio.calc_A(t.Z, t.x)
    leontief = np.asarray(pymrio.calc_L(a))
    sales = np.asarray(pymrio.calc_B(t.Z, t.x))
    ghosh = np.asarray(pymrio.calc_G(sales, L=None, x=t.x))
    system, found = LeontiefSystem(t), multipliers(LeontiefSystem(t))
    assert system.inverse == pytest.approx(leontief, rel=1e-10, abs=1e-13)
    assert found.output == pytest.approx(leontief.sum(axis=0))
    assert found.value_added == pytest.approx(np.asarray(pymrio.calc_M((t.VA / t.x)[None, :], leontief)).ravel())
    # pymrio's G is the transpose of the textbook's in some versions: take it by what it must do to value added
    ghosh = ghosh if np.allclose(t.VA @ ghosh, t.x) else ghosh.T
    assert found.supply == pytest.approx(ghosh.sum(axis=1))
    push = np.random.default_rng(1).random(len(t.x))
    assert supply_push(system, push) == pytest.approx(push @ ghosh)
    assert demand_pull(system, push) == pytest.approx(leontief @ push)


def test_a_balanced_dollar_is_all_value_added() -> None:
    assert multipliers(LeontiefSystem(random_table(3))).value_added == pytest.approx(np.ones(9))


def test_an_idle_industry_has_no_multiplier_and_loses_nothing() -> None:
    t = with_an_idle_industry(random_table(5), 4)
    system, share = LeontiefSystem(t), np.ones((9, 3))
    found = multipliers(system)
    for each in (found.output, found.value_added, found.supply):
        assert np.flatnonzero(np.isnan(each)).tolist() == [4]
    assert extract(system, [cut_of(t, share, share)])[4, 0] == 0
    assert demand_inoperability(system, system.denied_sales(share))[4] == 0
    assert supply_inoperability(system, np.ones(9))[4] == 0
    assert bottlenecks(t, share).loss[4] == 0
    exposed = high_order_exposure(system, cut_of(t, share, share))
    assert np.isnan(exposed.sold[4])
    assert np.isnan(exposed.bought[4])
    assert np.isfinite(exposed.economy_sold).all()


def test_a_table_whose_chains_never_end_is_one_error() -> None:
    # every industry buys more than it makes: value added is negative throughout
    t = table(np.array([[6.0, 6.0], [6.0, 6.0]]), np.array([[1.0], [1.0]]), 1, x=np.array([10.0, 10.0]))
    system = LeontiefSystem(t)
    none = np.zeros(2)
    runs: list[Callable[[], object]] = [
        lambda: multipliers(system),
        lambda: demand_pull(system, none),
        lambda: supply_push(system, none),
        lambda: extract(system, [cut_of(t)]),
        lambda: extract_economies(system),
        lambda: high_order_exposure(system, cut_of(t)),
        lambda: demand_inoperability(system, none),
        lambda: supply_inoperability(system, none),
    ]
    for run in runs:
        with pytest.raises(ModelError, match="never end"):
            run()


def test_one_industry_of_negative_value_added_is_lawful() -> None:
    t = table(np.array([[1.0, 4.0], [2.0, 4.0]]), np.array([[20.0], [1.0]]), 1)
    assert t.VA[1] < 0
    found = bottlenecks(t, np.ones((2, 1)), sigma=0.1)
    assert found.cost_share[:, 1].sum() == pytest.approx(1.0)
    assert found.loss[1] == 1.0
    assert np.isfinite(extract(LeontiefSystem(t), [cut_of(t, np.full((2, 1), 0.5))])).all()


# ---- extraction -------------------------------------------------------------------------------------------------


@QUIET
@given(tables(), SEEDS, st.booleans())
def test_any_cut_is_what_a_new_inverse_says(t: IOTable, seed: int, square: bool) -> None:
    inputs, final = shares(t, seed, square=square), shares(t, seed + 1)
    lost = extract(LeontiefSystem(t), [cut_of(t, inputs, final)])[:, 0]
    whole = inputs if inputs.shape == t.Z.shape else np.repeat(inputs, len(t.sectors), axis=1)
    assert lost == pytest.approx(plain_loss(t, whole, final), abs=1e-10 * t.x.max())


@QUIET
@given(tables(), SEEDS)
def test_many_cuts_at_once_are_the_cuts_one_by_one(t: IOTable, seed: int) -> None:
    asked = [cut_of(t, shares(t, seed + k), shares(t, seed + 99 + k)) for k in range(9)]
    together = extract(LeontiefSystem(t), asked)
    for k, cut in enumerate(asked):
        assert together[:, k] == pytest.approx(extract(LeontiefSystem(t), [cut])[:, 0], abs=1e-11 * t.x.max())
    assert extract(LeontiefSystem(t), []).shape == (len(t.x), 0)


@pytest.mark.parametrize("count", [1, 12])
def test_the_iterative_way_gives_the_same(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    t = random_table(11, n=6, j=4)
    asked = [cut_of(t, shares(t, k, often=0.8), shares(t, k)) for k in range(count)]
    direct = extract(LeontiefSystem(t), asked)
    left = LeontiefSystem(t).leontief_without(asked[0], t.x[:, None], transposed=True)
    monkeypatch.setattr(cuts, "MOST_RANK", 0)
    iterated: list[int] = []
    by_steps = cuts._iterated

    def noted(gone: object, right: np.ndarray, solver: cuts.Solver) -> np.ndarray:
        iterated.append(1)
        return by_steps(gone, right, solver)  # type: ignore[arg-type]

    monkeypatch.setattr(cuts, "_iterated", noted)
    assert extract(LeontiefSystem(t), asked) == pytest.approx(direct, rel=1e-10)
    assert LeontiefSystem(t).leontief_without(asked[0], t.x[:, None], transposed=True) == pytest.approx(left)
    assert len(iterated) == count + 1


@QUIET
@given(tables(), SEEDS)
def test_the_transposed_system_without_a_cut(t: IOTable, seed: int) -> None:
    inputs, right = shares(t, seed, square=True), np.random.default_rng(seed).random((len(t.x), 2))
    whole = np.linalg.inv(np.eye(len(t.x)) - t.A * (1 - inputs))
    system, cut = LeontiefSystem(t), cut_of(t, inputs)
    assert system.leontief_without(cut, right) == pytest.approx(whole @ right)
    assert system.leontief_without(cut, right, transposed=True) == pytest.approx(whole.T @ right)


@QUIET
@given(SEEDS, st.integers(1, 3))
def test_the_cover_holds_every_cell_and_is_the_smallest(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    seller, buyer = np.nonzero(rng.random((5, 3)) < 0.4)
    rows, columns = cuts.cover_of(cuts.Cells(seller, buyer, np.ones(len(seller)), width), 5)
    buyers = {int(c) // width for c in columns}
    assert len(columns) == width * len(buyers)
    assert all(s in rows or b in buyers for s, b in zip(seller, buyer, strict=True))
    sizes = [
        width * len(chosen) + len({s for s, b in zip(seller, buyer, strict=True) if b not in chosen})
        for k in range(4)
        for chosen in itertools.combinations(range(3), k)
    ]
    assert len(rows) + len(columns) == min(sizes)


def test_the_published_extraction(shared_reference: Path) -> None:
    examples = json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))
    example = next(e for e in examples if e["id"] == "leontief_miller_blair")
    z, f = np.array(example["graph"]["Z"], dtype=float), np.array(example["graph"]["f"], dtype=float)
    y = np.zeros((2, 2))
    y[[0, 1], [0, 1]] = f
    t = table(z, y, 2)  # each industry an economy, so that extracting an economy extracts it
    system = LeontiefSystem(t)
    said = [eval_fraction(text) for text in example["expected"]["extraction_loss"]]
    assert extract_economies(system).sum(axis=0) == pytest.approx(said)
    assert extract(system, [economy_cut(t, [e]) for e in t.economies]).sum(axis=0) == pytest.approx(said)


def eval_fraction(text: str) -> float:
    top, bottom = map(float, text.split("/"))
    return top / bottom


@QUIET
@given(tables())
def test_a_whole_economy_three_ways(t: IOTable) -> None:
    system, (n, j, _) = LeontiefSystem(t), t.size
    found = extract_economies(system)
    by_cut = extract(system, [economy_cut(t, [e]) for e in t.economies])
    every = [
        edge_cut(
            t,
            _edges(t, name) + [Edge(name, s, d) for s in t.sectors for d in t.economies],
        )
        for name in t.economies
    ]
    by_edges = extract(system, every)
    for k in range(n):
        inputs, final = np.zeros((n * j, n * j)), np.zeros((n * j, n))
        mine = slice(k * j, (k + 1) * j)
        inputs[mine], inputs[:, mine], final[mine] = 1, 1, 1
        expected = plain_loss(t, inputs, final)
        for way in (found, by_cut, by_edges):
            assert way[:, k] == pytest.approx(expected, abs=1e-10 * t.x.max())
    groups = [t.economies[:2], t.economies[1:2]]
    assert extract_economies(system, groups)[:, 1] == pytest.approx(found[:, 1], abs=1e-10 * t.x.max())
    pair = extract(system, [economy_cut(t, groups[0])])[:, 0]
    assert extract_economies(system, groups)[:, 0] == pytest.approx(pair, abs=1e-10 * t.x.max())


def _edges(t: IOTable, buyer: str) -> list[Edge]:
    """Every delivery to the industries of an economy, one by one."""
    return [Edge(o, s, buyer, use) for o in t.economies for s in t.sectors for use in t.sectors]


@QUIET
@given(tables(), SEEDS)
def test_more_denied_loses_more_and_never_more_than_upstream(t: IOTable, seed: int) -> None:
    system, full = LeontiefSystem(t), shares(t, seed)
    asked = [cut_of(t, part * full, part * full) for part in (0.0, 0.25, 0.5, 1.0)]
    lost, slack = extract(system, asked), 1e-10 * t.x.max()
    assert lost[:, 0] == pytest.approx(np.zeros(len(t.x)), abs=slack)
    assert (np.diff(lost, axis=1) >= -slack).all()
    assert (lost[:, -1] <= system.leontief(system.denied_sales(full)) + slack).all()
    assert (lost[:, -1] <= t.x + slack).all()


def test_factors_whose_rows_were_swapped_give_the_same_extraction() -> None:
    """Where an industry buys more of one input than it makes, LU pivots."""
    swapped = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        z = rng.gamma(0.3, 1.0, (9, 9))
        z[4, 0] = 30.0
        t = table(z, rng.gamma(1.0, 2.0, (9, 3)) + 1, 3)
        system = LeontiefSystem(t)
        swapped += int((system._lu[1] != np.arange(9)).any())
        by_cut = extract(system, [economy_cut(t, [e]) for e in t.economies])
        assert extract_economies(system) == pytest.approx(by_cut, abs=1e-9 * t.x.max())
    assert swapped


def test_half_of_an_economy_by_hand() -> None:
    # A sells 4 to B's industry, which makes 10: half of A's sales, half of what B buys and half of what A sells at home
    t = table(np.array([[0.0, 4.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 10.0]]), 2)
    lost = extract(LeontiefSystem(t), [economy_cut(t, ["E0"], 0.5)])
    assert lost[:, 0] == pytest.approx([2.5, 0.0])
    assert by_economy(LeontiefSystem(t), lost).tolist() == [[2.5], [0.0]]
    assert by_economy(LeontiefSystem(t), np.array([1.0, 1.0])) == pytest.approx([1.0, 0.6])
    assert by_economy(LeontiefSystem(t), np.array([1.0, 1.0]), value_added=False) == pytest.approx([1.0, 1.0])


def test_edges_that_overlap_take_the_larger_share() -> None:
    t = random_table(2)
    both = edge_cut(
        t, [Edge("E0", "c1", "E1", None, 0.4), Edge("E0", "c1", "E1", "c2", 0.9), Edge("E0", "c1", "E1", "f1", 0.1)]
    )
    inputs, final = np.zeros((9, 9)), np.zeros((9, 3))
    inputs[0, 3:6], inputs[0, 4], final[0, 1] = 0.4, 0.9, 0.4
    assert extract(LeontiefSystem(t), [both])[:, 0] == pytest.approx(plain_loss(t, inputs, final))


def test_every_fault_of_a_cut_is_said_at_once() -> None:
    t = random_table(2)
    with pytest.raises(InputError) as wrong:
        edge_cut(t, [Edge("E9", "c1", "E1"), Edge("E0", "c9", "E1", "f9"), Edge("E0", "c1", "E1", share=1.5)])
    assert [n for n in ("E9", "c9", "f9", "1.5") if n not in str(wrong.value)] == []
    with pytest.raises(InputError) as wrong:
        cut_of(t, np.full((9, 3), np.nan), np.zeros((2, 2)))
    assert len(wrong.value.faults) == 2
    for run in (lambda: economy_cut(t, ["E7"]), lambda: extract_economies(LeontiefSystem(t), [["E7"]])):
        with pytest.raises(UsageError, match="E7"):
            run()


def test_shares_beyond_one_by_rounding_are_one() -> None:
    t = random_table(2)
    whole = np.ones((9, 3))
    assert (LeontiefSystem(t).extraction(whole * (1 + 1e-15)) == LeontiefSystem(t).extraction(whole)).all()
    with pytest.raises(InputError, match="between 0 and 1"):
        LeontiefSystem(t).extraction(whole * 1.001)


# ---- the same whatever the order, the unit, the threads ---------------------------------------------------------


def everything(t: IOTable, wide: np.ndarray) -> list[np.ndarray]:
    """Shares that every part of the package gives, by industry."""
    system = LeontiefSystem(t)
    exposed = high_order_exposure(system, cut_of(t, wide, wide))
    bound = bottlenecks(t, wide, 0.2)
    return [
        extract(system, [cut_of(t, wide, wide)])[:, 0] / t.x,
        exposed.sold,
        exposed.bought,
        bound.loss,
        bound.joint,
        demand_inoperability(system, system.denied_sales(wide)),
        supply_inoperability(system, system.denied_inputs(wide)),
        multipliers(system).supply,
    ]


@QUIET
@given(tables(), SEEDS, st.randoms(use_true_random=False))
def test_labels_and_units_do_not_matter(t: IOTable, seed: int, chance: object) -> None:
    wide, order = shares(t, seed), list(range(len(t.economies)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    other, rows = turned(t, order)
    before = everything(t, wide)
    for a, b, c in zip(before, everything(other, wide[rows][:, order]), everything(scaled(t, 1e9), wide), strict=True):
        assert a[rows] == pytest.approx(b, abs=1e-10)
        assert a == pytest.approx(c, abs=1e-10)


def test_threads_do_not_change_a_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    t = random_table(4, n=6, j=4)
    asked = [cut_of(t, shares(t, k), shares(t, k)) for k in range(12)]
    found = []
    for count in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", count)
        found.append(extract(LeontiefSystem(t), asked))
    assert (found[0] == found[1]).all()


# ---- high-order exposure ----------------------------------------------------------------------------------------


@QUIET
@given(tables(), SEEDS)
def test_exposure_is_what_two_inverses_differ_by(t: IOTable, seed: int) -> None:
    inputs, final = shares(t, seed, square=True), shares(t, seed)
    found = high_order_exposure(LeontiefSystem(t), cut_of(t, inputs, final))
    v, eye = t.VA / t.x, np.eye(len(t.x))
    whole, cut = v @ np.linalg.inv(eye - t.A), v @ np.linalg.inv(eye - t.A * (1 - inputs))
    assert found.bought == pytest.approx(1 - cut / whole, abs=1e-10)
    assert found.sold == pytest.approx(plain_loss(t, inputs, final) / t.x, abs=1e-10)
    n, j, _ = t.size
    assert found.economy_sold == pytest.approx(
        (found.sold * t.VA).reshape(n, j).sum(axis=1) / t.VA.reshape(n, j).sum(axis=1), abs=1e-10
    )
    for each in (found.bought, found.sold, found.economy_bought, found.economy_sold):
        assert ((each > -1e-9) & (each < 1 + 1e-9)).all()


def test_buyers_are_weighted_by_the_value_added_that_their_output_holds() -> None:
    """Taxes along the chains are no value added, so that it is not all of output."""
    t, part = random_table(6), np.random.default_rng(6).uniform(0.3, 1.0, 9)
    t = table(t.Z, t.Y, 3, VA=t.VA * part, other=t.VA * (1 - part))
    found = high_order_exposure(LeontiefSystem(t), cut_of(t, shares(t, 6)))
    held = (t.VA / t.x) @ np.linalg.inv(np.eye(9) - t.A) * t.x
    assert held.sum() < 0.9 * t.x.sum()
    mean = (found.bought * held).reshape(3, 3).sum(axis=1) / held.reshape(3, 3).sum(axis=1)
    assert found.economy_bought == pytest.approx(mean, abs=1e-10)


def test_value_added_below_zero_takes_exposure_out_of_its_range() -> None:
    """B's industry (E1_c1) makes its product of A's, which costs more than it brings: without A it is worth more."""
    t = table(np.array([[0.0, 12.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 10.0]]), 2)
    assert t.VA.tolist() == [12.0, -2.0]
    found = high_order_exposure(LeontiefSystem(t), cut_of(t, np.array([[0.0, 1.0], [0.0, 0.0]])))
    assert found.bought == pytest.approx([0.0, 1.2])
    assert found.sold == pytest.approx([1.0, 0.0])


def test_russia_and_the_eu_are_as_unequal_as_published(shared_data: Path) -> None:
    """Imbs and Pauwels, working paper: about 15 times; WIOD 2011 here, another table and year than theirs."""
    t = _wiod(shared_data)
    eu = "AUT BEL BGR CYP CZE DEU DNK ESP EST FIN FRA GBR GRC HUN IRL ITA LTU LUX LVA MLT NLD POL PRT ROU SVK SVN SWE"
    members, j = [t.economies.index(e) for e in eu.split()], len(t.sectors)
    russia = t.economies.index("RUS")
    stopped = np.zeros((len(t.economies), j, len(t.economies)))
    stopped[members, :, russia] = 1.0
    stopped[russia][:, members] = 1.0
    wide = stopped.reshape(-1, len(t.economies))
    system = LeontiefSystem(t)
    found = high_order_exposure(system, cut_of(t, wide, wide))
    added = t.VA.reshape(-1, j).sum(axis=1)
    union = (found.economy_sold[members] * added[members]).sum() / added[members].sum()
    assert 10 < found.economy_sold[russia] / union < 20
    # a ceiling can bind nowhere below it, and lies between extraction and Leontief
    lost, upstream = system.extraction(wide), system.leontief(system.denied_sales(wide))
    q = demand_inoperability(system, system.denied_sales(wide)) * t.x
    slack = 1e-9 * t.x.max()
    assert (lost <= q + slack).all()
    assert (q <= upstream + slack).all()


def _wiod(shared_data: Path) -> IOTable:
    found = read("wiod", str(shared_data / "mrio/wiod13/wiod13_2011_long.parquet")).table
    assert found is not None
    return found


# ---- bottlenecks ------------------------------------------------------------------------------------------------


def test_the_published_losses_of_german_energy() -> None:
    """Bachmann et al. (2022) as told by Geerolf (2023): 1.5 and 2.3 per cent; parameters as recalled."""
    assert float(ces_loss(0.04, 0.10, 0.04)) == pytest.approx(0.0157, abs=5e-5)
    assert float(ces_loss(0.01, 0.30, 0.10)) == pytest.approx(0.0234, abs=5e-5)


@given(st.floats(1e-3, 1), st.floats(0, 0.99), st.floats(0.05, 50).filter(lambda s: abs(s - 1) > 1e-3))
def test_the_loss_is_the_formula(share: float, missing: float, sigma: float) -> None:
    power = (sigma - 1) / sigma
    said = 1 - (share * (1 - missing) ** power + 1 - share) ** (1 / power)
    assert float(ces_loss(share, missing, sigma)) == pytest.approx(said, abs=1e-9)


@given(st.floats(1e-3, 1), st.floats(0, 1))
def test_the_limits_of_sigma(share: float, missing: float) -> None:
    assert float(ces_loss(share, missing, 0.0)) == pytest.approx(missing)
    assert float(ces_loss(share, missing, 1.0)) == pytest.approx(1 - (1 - missing) ** share)
    assert float(ces_loss(share, missing, np.inf)) == pytest.approx(share * missing)
    # the formula runs into its limits
    assert float(ces_loss(share, missing, 1e-6)) == pytest.approx(missing, abs=1e-4)
    assert float(ces_loss(share, min(missing, 0.99), 1 + 1e-9)) == pytest.approx(
        1 - (1 - min(missing, 0.99)) ** share, abs=1e-6
    )
    assert float(ces_loss(share, missing, 1e9)) == pytest.approx(share * missing, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 20), st.floats(0, 20))
def test_more_missing_costs_more_and_easier_to_replace_less(
    share: float, a: float, b: float, one: float, other: float
) -> None:
    less, more, hard, easy = min(a, b), max(a, b), min(one, other), max(one, other)
    assert float(ces_loss(share, less, hard)) <= float(ces_loss(share, more, hard)) + 1e-12
    assert float(ces_loss(share, a, easy)) <= float(ces_loss(share, a, hard)) + 1e-9
    assert 0 <= float(ces_loss(share, a, hard)) <= max(a, 0) + 1e-9


@given(st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 1)), min_size=1, max_size=5), st.floats(0, 20))
def test_inputs_missing_together_cost_no_less_than_the_worst(inputs: list[tuple[float, float]], sigma: float) -> None:
    share, missing = np.array(inputs).T
    joint, each = ces_loss(share, missing, sigma, joint=True), ces_loss(share, missing, sigma)
    assert float(joint) >= each.max() - 1e-9
    assert float(joint) <= missing.max() + 1e-9
    assert float(ces_loss(share[:1], missing[:1], sigma, joint=True)) == pytest.approx(each[0], abs=1e-12)


def test_wrong_numbers_are_one_error() -> None:
    with pytest.raises(UsageError) as wrong:
        ces_loss(1.5, -0.1, -1.0)
    assert len(wrong.value.faults) == 3
    with pytest.raises(UsageError, match="add up"):
        ces_loss(np.array([0.7, 0.7]), np.array([0.1, 0.1]), 0.5, joint=True)


@QUIET
@given(tables(), SEEDS, st.sampled_from([0.0, 0.05, 0.5, 1.0, 3.0]), st.booleans())
def test_the_table_by_loops(t: IOTable, seed: int, sigma: float, square: bool) -> None:
    denied = shares(t, seed, square=square)
    found, (n, j, _) = bottlenecks(t, denied, sigma), t.size
    for column in range(n * j):
        losses = []
        for k in range(j):
            cells = [i * j + k for i in range(n)]
            bought = sum(t.Z[r, column] for r in cells)
            gone = sum(t.Z[r, column] * denied[r, column if square else column // j] for r in cells)
            share, missing = bought / t.x[column], gone / bought if bought else 0.0
            assert found.cost_share[k, column] == pytest.approx(share)
            assert found.missing[k, column] == pytest.approx(missing, abs=1e-12)
            losses.append(float(ces_loss(share, min(missing, 1.0), sigma)))
        assert found.loss[column] == pytest.approx(max(losses), abs=1e-12)
        if max(losses) > 0:
            assert losses[found.worst[column]] == pytest.approx(max(losses), abs=1e-9)
        else:
            assert found.worst[column] == -1
    assert (found.joint >= found.loss - 1e-9).all()


def test_what_is_not_critical_costs_nothing_when_missing() -> None:
    t, denied = random_table(9, classification="WIOD13"), shares(random_table(9), 9)
    every = bottlenecks(t, denied, 0.1)
    some = bottlenecks(t, denied, 0.1, critical=["c1", "WIOD13:c2"])
    assert (some.loss <= every.loss + 1e-15).all()
    assert (some.worst < 2).all()
    assert bottlenecks(t, denied, 0.1, critical=[]).loss.max() == 0
    assert bottlenecks(t, denied, 0.1, critical=t.sectors).loss == pytest.approx(every.loss)
    with pytest.raises(UsageError, match="no sector 'c9'"):
        bottlenecks(t, denied, critical=["c9"])
    with pytest.raises(InputError, match="shape"):
        bottlenecks(t, denied[:4])


def test_the_worst_inputs_are_listed_by_what_they_cost() -> None:
    t, denied = random_table(9), shares(random_table(9), 9)
    found = bottlenecks(t, denied, 0.1)
    listed = worst_inputs(t, found)
    assert listed.height == (found.loss > 0).sum()
    assert listed["value_added_loss"].is_sorted(descending=True)
    assert listed["value_added_loss"].sum() == pytest.approx((found.loss * t.VA).sum())


# ---- inoperability ----------------------------------------------------------------------------------------------


@QUIET
@given(tables(), SEEDS)
def test_without_a_ceiling_it_is_leontief_and_ghosh_over_output(t: IOTable, seed: int) -> None:
    system, wide = LeontiefSystem(t), shares(t, seed)
    unsold, missing = system.denied_sales(wide), system.denied_inputs(wide)
    star, eye = interdependency(t), np.eye(len(t.x))
    q = demand_inoperability(system, unsold, ceiling=False)
    assert q == pytest.approx(np.linalg.inv(eye - star) @ (unsold / t.x))  # Santos and Haimes
    assert q == pytest.approx(system.leontief(unsold) / t.x)
    assert star == pytest.approx(np.diag(1 / t.x) @ t.A @ np.diag(t.x))
    supply = supply_inoperability(system, missing, ceiling=False)
    assert supply == pytest.approx(np.linalg.inv(eye - t.A.T) @ (missing / t.x))
    assert supply == pytest.approx(system.ghosh(missing) / t.x)


@QUIET
@given(tables(), SEEDS, st.floats(0.1, 30))
def test_the_ceiling_is_what_small_steps_run_into(t: IOTable, seed: int, strength: float) -> None:
    system = LeontiefSystem(t)
    shock = strength * t.x * np.random.default_rng(seed).random(len(t.x)) ** 4
    for matrix, found in (
        (interdependency(t), demand_inoperability(system, shock)),
        (t.A.T, supply_inoperability(system, shock)),
    ):
        q = np.zeros(len(t.x))
        for _ in range(3000):
            q = np.minimum(1.0, matrix @ q + shock / t.x)
        assert found == pytest.approx(q, abs=1e-9)
        assert found.max() <= 1 + 1e-9


@QUIET
@given(tables(), SEEDS)
def test_it_lies_between_extraction_and_leontief(t: IOTable, seed: int) -> None:
    system, wide = LeontiefSystem(t), shares(t, seed, often=0.9)
    unsold, slack = system.denied_sales(wide), 1e-9 * t.x.max()
    made = demand_inoperability(system, unsold) * t.x
    assert (system.extraction(wide) <= made + slack).all()
    assert (made <= system.leontief(unsold) + slack).all()


def test_a_ceiling_that_negative_deliveries_hide_is_refused() -> None:
    """Below zero, a supplier makes more where its customer makes less: steps from the ceiling down may miss it."""
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        z = rng.gamma(0.5, 1.0, (5, 5))
        z[rng.integers(5), rng.integers(5)] *= -0.5
        t = table(z, rng.gamma(1.0, 2.0, (5, 1)) + 3, 1)
        shock, matrix, q = rng.uniform(0, 6, 5) * t.x, interdependency(t), np.zeros(5)
        for _ in range(3000):
            q = np.minimum(1.0, matrix @ q + shock / t.x)
        try:
            assert demand_inoperability(LeontiefSystem(t), shock) == pytest.approx(q, abs=1e-9)
        except ModelError as error:
            assert "below zero" in str(error)  # noqa: PT017
            wrong += 1
    assert 0 < wrong < 6


# ---- as models --------------------------------------------------------------------------------------------------


def test_answers_have_ordered_bands_and_say_what_they_assume() -> None:
    t = random_table(21, classification="WIOD13")
    full = shares(t, 3)
    denied = {"low": 0.5 * full, "value": full, "high": full}
    system = LeontiefSystem(t)
    bound = bottleneck.answer(system, denied, sigma=Sigma(0.05, 0.2, 0.9))
    limits = inoperability.answer(system, denied, "estimated")
    for found in (bound, limits):
        assert found.rows.height
        assert (found.rows["low"] <= found.rows["value"]).all()
        assert (found.rows["value"] <= found.rows["high"]).all()
        assert found.additive == ()
        assert set(found.rows["metric"]) == {"loss", "output_loss"}
        assert sum((found.gdp or {}).values()) == pytest.approx(t.VA.sum())
    assert set(bound.rows["basis"]) == {"assumed"}
    assert set(limits.rows["basis"]) == {"estimated"}
    assert "Geerolf" in " ".join(bound.notes)
    dearest = worst_inputs(t, bottlenecks(t, full, 0.2)).row(0, named=True)
    assert f"dearest in value added: {dearest['item']} of {dearest['economy']} lacks" in bound.notes[-1]
    assert "Oosterhaven" in " ".join(limits.notes)
    assert [(a.low, a.value, a.high) for a in bound.assumptions] == [(0.05, 0.2, 0.9)]
    high = bound.rows.filter(pl.col("metric") == "loss")["high"].sum()
    assert high == pytest.approx((bottlenecks(t, full, 0.05).loss * t.VA).sum())
    with pytest.raises(UsageError, match="sigma"):
        bottleneck.answer(system, denied, sigma=Sigma(0.5, 0.2, 0.9))


def test_nothing_denied_is_no_answer() -> None:
    t = random_table(21)
    none = dict.fromkeys(("low", "value", "high"), np.zeros((9, 3)))
    assert bottleneck.answer(LeontiefSystem(t), none).rows.is_empty()
    assert inoperability.answer(LeontiefSystem(t), none, "observed").rows.is_empty()


def test_the_examples_of_the_package() -> None:
    for found in pkgutil.iter_modules(production.__path__, production.__name__ + "."):
        assert doctest.testmod(importlib.import_module(found.name)).failed == 0
    assert doctest.testmod(cuts).failed == 0
