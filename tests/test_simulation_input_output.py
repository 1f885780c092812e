"""Input-output models against the textbook, plain inverses and accounting identities."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.simulation.input_output import (
    CHANNELS,
    LeontiefSystem,
    denied_shares,
    input_output,
    items_of,
)

QUIET = settings(deadline=None, max_examples=40)


def table(z: np.ndarray, y: np.ndarray, economies: int, classification: str = "WIOD13") -> IOTable:
    """A table that balances: value added is what is left of output."""
    x = z.sum(axis=1) + y.sum(axis=1)
    return IOTable(
        period="2011",
        economies=tuple(f"E{n}" for n in range(economies)),
        sectors=tuple(f"c{k + 1}" for k in range(len(z) // economies)),
        demands=tuple(f"f{k + 1}" for k in range(y.shape[1] // economies)),
        Z=z, Y=y, VA=x - z.sum(axis=0), x=x, other=np.zeros(len(z)), classification=classification,
    )  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[IOTable, np.ndarray]:
    """A productive random table and denied shares that have economy 0 at one end."""
    n, j, f = draw(st.integers(2, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    z, y = rng.gamma(0.5, 1.0, (n * j, n * j)), rng.gamma(1.0, 2.0, (n * j, n * f))
    # scaled down until every column leaves value added
    z *= 0.8 * (y.sum(axis=1).min() / z.sum(axis=0).max())
    share = np.zeros((n * j, n))
    kind = draw(st.sampled_from(["target_buys", "target_sells", "both"]))
    if kind != "target_sells":
        share[j:, 0] = rng.choice([0, 0.4, 1], (n - 1) * j)
    if kind != "target_buys":
        share[:j, 1:] = rng.choice([0, 0.4, 1], (j, n - 1))
    return table(z, y, n), share


def slow(t: IOTable, share: np.ndarray) -> dict[str, np.ndarray]:
    """Everything by explicit inverses."""
    n, j, f = t.size
    a = t.Z / t.x
    b = t.Z / t.x[:, None]
    keep = 1 - share
    a_cut, y_cut = a * np.repeat(keep, j, axis=1), t.Y * np.repeat(keep, f, axis=1)
    eye = np.eye(n * j)
    missing = (t.Z * np.repeat(share, j, axis=1)).sum(axis=0)
    unsold = (t.Z * np.repeat(share, j, axis=1)).sum(axis=1) + (t.Y * np.repeat(share, f, axis=1)).sum(axis=1)
    return {
        "extraction": t.x - np.linalg.inv(eye - a_cut) @ y_cut.sum(axis=1),
        "upstream": np.linalg.inv(eye - a) @ unsold,
        "downstream": missing @ np.linalg.inv(eye - b),
    }


def test_miller_and_blair() -> None:
    z = np.array([[150.0, 500.0], [200.0, 100.0]])
    y = np.array([[350.0], [1700.0]])
    system = LeontiefSystem(table(z, y, 1))
    assert system.leontief(np.eye(2)).round(3).tolist() == [[1.254, 0.330], [0.264, 1.122]]
    assert system.leontief(np.array([350.0, 1700.0])) == pytest.approx([1000, 2000])


def test_the_published_example_and_the_closed_form_of_extraction(shared_reference: Path) -> None:
    examples = json.loads((shared_reference / "worked_examples.json").read_text(encoding="utf-8"))
    example = next(e for e in examples if e["id"] == "leontief_miller_blair")
    z, f = np.array(example["graph"]["Z"], dtype=float), np.array(example["graph"]["f"], dtype=float)
    system = LeontiefSystem(table(z, f[:, None], 1))
    assert system.leontief(np.eye(2)) == pytest.approx(np.array(example["expected"]["L_float"]))
    lf = system.leontief(np.eye(2))
    for k, said in enumerate(example["expected"]["extraction_loss"]):
        top, bottom = map(float, said.split("/"))
        assert lf.sum(axis=0)[k] * (lf @ f)[k] / lf[k, k] == pytest.approx(top / bottom)


def test_extracting_a_whole_economy_is_the_closed_form() -> None:
    # Two economies of one sector: cutting all trade with economy 0, both ways, leaves each with its own demand.
    z, y = np.array([[150.0, 500.0], [200.0, 100.0]]), np.array([[300.0, 50.0], [100.0, 1600.0]])
    t = table(z, y, 2)
    lost = LeontiefSystem(t).extraction(np.array([[0.0, 1.0], [1.0, 0.0]]))
    alone = [300 / (1 - t.A[0, 0]), 1600 / (1 - t.A[1, 1])]
    assert lost == pytest.approx(t.x - np.array(alone))


@QUIET
@given(tables())
def test_fast_equals_explicit_inverses(drawn: tuple[IOTable, np.ndarray]) -> None:
    t, share = drawn
    system, expected = LeontiefSystem(t), slow(t, share)
    scale = t.x.max()
    assert system.extraction(share) == pytest.approx(expected["extraction"], abs=1e-9 * scale)
    assert system.leontief(system.denied_sales(share)) == pytest.approx(expected["upstream"], abs=1e-9 * scale)
    assert system.ghosh(system.denied_inputs(share)) == pytest.approx(expected["downstream"], abs=1e-9 * scale)


@QUIET
@given(tables())
def test_leontief_bounds_the_extraction_and_nobody_gains(drawn: tuple[IOTable, np.ndarray]) -> None:
    t, share = drawn
    system = LeontiefSystem(t)
    extraction, upstream = system.extraction(share), system.leontief(system.denied_sales(share))
    scale = t.x.max()
    assert (extraction >= -1e-9 * scale).all()
    assert (upstream >= extraction - 1e-9 * scale).all()


@QUIET
@given(tables())
def test_value_added_lost_is_final_demand_lost(drawn: tuple[IOTable, np.ndarray]) -> None:
    # v is 1 - the column sums of A where nothing but inputs and value added stands in a column. What the world no
    # longer earns is then the final deliveries that stopped, and the inputs that those who still produce go without.
    t, share = drawn
    _, j, f = t.size
    system = LeontiefSystem(t)
    lost = system.extraction(share)
    unsold_final = (t.Y * np.repeat(share, f, axis=1)).sum()
    cut = t.A * np.repeat(share, j, axis=1)
    gone_without = (cut.sum(axis=0) * (t.x - lost)).sum()
    assert (system.value_added_share * lost).sum() == pytest.approx(unsold_final + gone_without, abs=1e-8 * t.x.sum())


@QUIET
@given(tables())
def test_ghosh_reproduces_output_from_value_added(drawn: tuple[IOTable, np.ndarray]) -> None:
    t, _ = drawn
    assert LeontiefSystem(t).ghosh(t.VA) == pytest.approx(t.x)


def test_nothing_denied_costs_nothing_and_more_costs_more() -> None:
    rng = np.random.default_rng(1)
    z, y = rng.random((6, 6)), 10 * rng.random((6, 3))
    system = LeontiefSystem(table(z, y, 3))
    none, some, more = (np.zeros((6, 3)) for _ in range(3))
    some[:2, 1] = 0.5
    more[:2, 1], more[2:, 0] = 1.0, 0.5
    assert system.extraction(none) == pytest.approx(np.zeros(6))
    assert (system.extraction(more) >= system.extraction(some)).all()


def test_idle_industries_neither_lose_nor_break() -> None:
    z, y = np.array([[1.0, 0, 2], [0, 0, 0], [1, 0, 1]]), np.array([[5.0], [0.0], [4.0]])
    system = LeontiefSystem(table(z, y, 1))
    share = np.ones((3, 1))
    assert system.extraction(share)[1] == 0
    assert np.isfinite(system.ghosh(system.denied_inputs(share))).all()


def test_a_table_that_eats_its_own_output_is_refused() -> None:
    z, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0], [0.0]])
    with pytest.raises(ModelError, match="singular"):
        LeontiefSystem(table(z, y, 1)).leontief(np.ones(2))


def test_shares_land_in_their_cells() -> None:
    t = table(np.ones((4, 4)), 10 * np.ones((4, 2)), 2)
    rows = [("E0", "E1", "WIOD13:c2", 0.1, 0.2, 0.3), ("E9", "E1", "WIOD13:c2", 1.0, 1.0, 1.0)]
    frame = pl.DataFrame(rows, schema=["origin", "destination", "item", "low", "value", "high"], orient="row")
    made = denied_shares(t, frame)
    assert made["value"].tolist() == [[0, 0], [0, 0.2], [0, 0], [0, 0]]
    assert made["high"].sum() == 0.3


def test_the_answer_has_every_economy_sector_and_channel() -> None:
    rng = np.random.default_rng(2)
    t = table(rng.random((6, 6)), 10 * rng.random((6, 3)), 3)
    share = np.zeros((6, 3))
    share[2:, 0] = 0.5
    answer = input_output(LeontiefSystem(t), {"low": share / 2, "value": share, "high": share}, "observed")
    assert set(answer.rows["channel"]) == {str(c) for c in CHANNELS}
    assert set(answer.rows["item"]) == set(items_of(t))
    assert answer.additive == ()  # views of one event are never added
    losses = answer.rows.filter(pl.col("metric") == "loss")
    assert (losses["low"] <= losses["value"] + 1e-12).all()
    assert sum((answer.gdp or {}).values()) == pytest.approx(t.VA.sum())
