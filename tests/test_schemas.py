"""Declared tables: every fault is found, named with its row, and good frames pass through unchanged."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.periods import last_day, year_of
from weaponized_interdependence.schemas import FLOWS, TABLES
from weaponized_interdependence.terms import Basis, weakest


def flow(**change: object) -> dict[str, object]:
    row: dict[str, object] = {
        "period": "2019", "layer": "goods", "origin": "AAA", "destination": "BBB", "item": "TOTAL",
        "value": 1.0, "quantity": None, "quantity_unit": None, "unit": "USD", "basis": "observed",
    }  # fmt: skip
    return row | change


def test_a_good_frame_comes_back_in_declared_order_and_types() -> None:
    frame = pl.DataFrame([flow()]).select(pl.col("basis"), pl.exclude("basis", "quantity", "quantity_unit"))
    made = FLOWS.conform(frame)
    assert made.schema == pl.Schema(FLOWS.schema)
    assert_frame_equal(FLOWS.conform(made), made)


def test_every_fault_is_named_at_once() -> None:
    rows = [flow(), flow(layer="teleports"), flow(value=float("nan"), destination="CCC"), flow(basis=None, period="19")]
    with pytest.raises(InputError) as caught:
        FLOWS.conform(pl.DataFrame(rows), where="x.parquet")
    text = str(caught.value)
    for part in (
        "not one of goods",
        "row 2",
        "not a finite number",
        "row 3",
        "missing value",
        "does not look like",
        "row 4",
        "x.parquet",
    ):
        assert part in text


def test_missing_and_unknown_columns_are_named() -> None:
    with pytest.raises(InputError, match=r"(?s)lacks period.*has no column colour"):
        FLOWS.conform(pl.DataFrame({"colour": ["red"]}))


def test_repeated_keys_are_counted() -> None:
    with pytest.raises(InputError, match=r"1 row.s. repeat the key"):
        FLOWS.conform(pl.DataFrame([flow(), flow(value=2.0)]))


def test_wrong_types_are_faults_not_crashes() -> None:
    with pytest.raises(InputError, match="column value is not"):
        FLOWS.conform(pl.DataFrame([flow(value="much")]))


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_declared_column_says_what_it_means(table: object) -> None:
    from weaponized_interdependence.schemas import Table

    assert isinstance(table, Table)
    assert all(c.meaning for c in table.columns)
    assert_frame_equal(table.conform(table.empty()), table.empty())


@given(st.lists(st.sampled_from(list(Basis)), min_size=1))
@settings(deadline=None)
def test_the_weakest_basis_wins(bases: list[Basis]) -> None:
    order = ["observed", "estimated", "assumed"]
    assert weakest(*bases) == max(bases, key=lambda b: order.index(b.value))


@given(st.integers(1000, 9998), st.integers(1, 12))
@settings(deadline=None)
def test_last_day_is_followed_by_the_first_of_a_month(year: int, month: int) -> None:
    from datetime import timedelta

    day = last_day(f"{year:04d}-{month:02d}")
    assert (day.year, day.month) == (year, month)
    assert (day + timedelta(days=1)).day == 1
    assert year_of(f"{year:04d}-Q{(month + 2) // 3}") == year


def test_a_flow_is_never_negative_and_a_grip_never_above_one() -> None:
    from weaponized_interdependence.schemas import CONTROLS

    with pytest.raises(InputError, match="value: negative in 1 row"):
        FLOWS.conform(pl.DataFrame([flow(value=-1.0)]))
    with pytest.raises(InputError, match="share: above 1 in 1 row"):
        CONTROLS.conform(
            pl.DataFrame([{"jurisdiction": "A", "node": "B", "channel": "currency", "share": 1.5, "basis": "assumed"}])
        )
