"""Core and periphery against every possible split, the core profile against its definition, liquidity against sums."""

from itertools import combinations
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.finance import core_periphery
from weaponized_interdependence.indicators.rank import rank, worked
from weaponized_interdependence.schemas import FLOWS

Floats = npt.NDArray[np.float64]


def drawn(seed: int, n: int, density: float) -> Floats:
    rng = np.random.default_rng(seed)
    W = np.exp(rng.normal(0, 2, (n, n))) * (rng.random((n, n)) < density)
    np.fill_diagonal(W, 0.0)
    return np.asarray(W)


def flows_of(W: Floats) -> pl.DataFrame:
    rows = [
        ("2020", "claims", f"N{i:02d}", f"N{j:02d}", "TOTAL", float(W[i, j]), None, None, "USD", "observed")
        for i, j in zip(*np.nonzero(W), strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def used(W: Floats) -> Floats:
    """Without nodes that have no tie."""
    some = np.flatnonzero(W.sum(axis=0) + W.sum(axis=1))
    return np.asarray(W[np.ix_(some, some)])


def errors(ties: npt.NDArray[np.bool_], core: tuple[int, ...], *, penalty: bool) -> int:
    """Errors of a split, counted cell by cell as Craig and von Peter write them down."""
    n = len(ties)
    outer = [k for k in range(n) if k not in core]
    count = sum(not ties[i, j] for i in core for j in core if i != j)
    count += sum(bool(ties[i, j]) for i in outer for j in outer)
    if penalty:
        count += len(outer) * sum(not ties[i, outer].any() for i in core)
        count += len(outer) * sum(not ties[outer, i].any() for i in core)
    return count


@pytest.mark.parametrize("density", [0.1, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("seed", range(4))
def test_no_split_has_fewer_errors(n: int, density: float, seed: int) -> None:
    W = used(drawn(seed, n, density))
    if not len(W):
        return
    ties = W > 0
    splits = [core for size in range(len(W) + 1) for core in combinations(range(len(W)), size)]
    least = min(errors(ties, core, penalty=False) for core in splits)
    theirs = min(errors(ties, core, penalty=True) for core in splits)
    scores = rank(flows_of(W), ["core_member", "core_periphery_error"])
    row = scores.filter(indicator="core_periphery_error").row(0, named=True)
    assert row["node"] == "ALL"
    assert row["score"] * ties.sum() == pytest.approx(least)
    assert row["low"] == row["score"]
    assert row["low"] * ties.sum() <= theirs + 1e-9
    assert theirs <= row["high"] * ties.sum() + 1e-9
    membership = scores.filter(indicator="core_member").sort("node")["score"].to_numpy()
    if np.isin(membership, (0, 1)).all():
        core = tuple(np.flatnonzero(membership))
        assert errors(ties, core, penalty=False) == least
        assert errors(ties, core, penalty=True) == pytest.approx(row["high"] * ties.sum())
        assert not [c for c in splits if len(c) < len(core) and errors(ties, c, penalty=False) == least]


@given(st.integers(0, 10_000), st.integers(3, 9))
@settings(max_examples=25)
def test_where_low_and_high_agree_the_split_is_that_of_craig_and_von_peter(seed: int, n: int) -> None:
    W = used(drawn(seed, n, 0.5))
    ties = W > 0
    scores = rank(flows_of(W), ["core_member", "core_periphery_error"])
    row = scores.filter(indicator="core_periphery_error").row(0, named=True)
    membership = scores.filter(indicator="core_member").sort("node")["score"].to_numpy()
    if row["low"] == row["high"] and np.isin(membership, (0, 1)).all():
        splits = [core for size in range(len(W) + 1) for core in combinations(range(len(W)), size)]
        least = min(errors(ties, core, penalty=True) for core in splits)
        assert errors(ties, tuple(np.flatnonzero(membership)), penalty=True) == least


def test_a_planted_core_is_found() -> None:
    W = np.zeros((20, 20))
    W[:4, :4] = 1.0 - np.eye(4)
    for k in range(4, 20):
        W[k, k % 4] = W[k % 4, k] = 0.1
    scores = rank(flows_of(W), ["core_member", "core_periphery_error"])
    assert scores.filter(indicator="core_member").sort("node")["score"].to_list() == [1.0] * 4 + [0.0] * 16
    assert scores.filter(indicator="core_periphery_error").select("score", "low", "high").row(0) == (0.0, 0.0, 0.0)


def test_nodes_alike_share_what_is_left_of_the_core() -> None:
    circle = [("A", "B", 1), ("B", "C", 1), ("C", "A", 1)]
    assert worked("core_member", circle) == dict.fromkeys("ABC", round(1 / 3, 12))
    # More value decides among equally many ties.
    more = [("A", "B", 1), ("B", "C", 2), ("C", "A", 1)]
    assert worked("core_member", more) == {"A": 0.0, "B": 0.5, "C": 0.5}


def test_only_ties_of_some_size_count_where_that_is_asked() -> None:
    flows = [("A", "B", 50), ("B", "A", 45), ("A", "c", 2), ("d", "B", 2), ("c", "d", 0.5), ("d", "c", 0.5)]
    with_small = worked("core_periphery_error", flows)["ALL"]
    without = worked("core_periphery_error", flows, least_tie=0.01)
    assert with_small is not None
    assert with_small > 0
    assert without == {"ALL": 0.0}
    assert worked("core_member", flows, least_tie=0.01) == {"A": 1.0, "B": 1.0, "c": 0.0, "d": 0.0}
    nothing = worked("core_periphery_error", flows, least_tie=0.9)
    assert nothing == {"ALL": None}
    assert set(worked("core_member", flows, least_tie=0.9).values()) == {0.0}


def profile(W: Floats) -> Floats:
    """Della Rossa, Dercole and Piccardi by definition: every candidate set is summed anew."""
    n = len(W)
    P = W / W.sum(axis=1, keepdims=True)
    system = np.vstack([np.eye(n) - P.T, np.ones(n)])
    law = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]

    def staying(members: list[int]) -> float:
        return float((law[members] @ P[np.ix_(members, members)]).sum() / law[members].sum())

    inside, score = [int(np.argmin(law))], np.zeros(n)
    while len(inside) < n:
        left = (k for k in range(n) if k not in inside)
        best = min(left, key=lambda k: (round(staying([*inside, k]), 11), law[k]))  # of equals the least visited
        inside.append(best)
        score[best] = staying(inside)
    return score


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("density", [0.2, 0.6, 1.0])
def test_the_profile_is_its_definition(seed: int, density: float) -> None:
    W = drawn(seed, 12, density) + np.roll(np.eye(12), 1, axis=1) * np.linspace(1, 2, 12)
    scores = rank(flows_of(W), "core_profile").sort("node")["score"].to_list()
    assert scores == pytest.approx(profile(W), abs=1e-9)
    assert max(scores) == pytest.approx(1.0)


def test_profiles_of_a_star_and_of_equals() -> None:
    star = [(a, b, 1) for k in range(5) for a, b in (("hub", f"N{k}"), (f"N{k}", "hub"))]
    assert worked("core_profile", star) == {**{f"N{k}": 0.0 for k in range(5)}, "hub": 1.0}
    everyone = [(a, b, 3) for a in "ABCD" for b in "ABCD" if a != b]
    assert set(worked("core_profile", everyone).values()) == {1.0}
    assert worked("core_profile", [("A", "B", 1), ("B", "A", 1), ("B", "end", 4)])["end"] is None


@given(st.integers(0, 10_000), st.integers(3, 12))
@settings(max_examples=20)
def test_later_nodes_of_the_profile_are_no_less_central(seed: int, n: int) -> None:
    W = np.ceil(drawn(seed, n, 0.5)) + np.roll(np.eye(n), 1, axis=1)
    scores = rank(flows_of(W), "core_profile")["score"]
    assert scores.is_between(0, 1).all()
    assert scores[0] == pytest.approx(1.0)


def test_a_profile_of_too_many_nodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_periphery, "_MOST_PROFILE", 5)
    with pytest.raises(ModelError, match=r"6 nodes are too many for a core profile(.|\n)*core_member"):
        worked("core_profile", [(f"N{k}", f"N{(k + 1) % 6}", 1) for k in range(6)])


@given(st.integers(0, 10_000), st.integers(2, 9), st.booleans())
@settings(max_examples=25)
def test_liquidity_is_a_sum_over_receivers(seed: int, n: int, whole: bool) -> None:
    W = drawn(seed, n, 0.5)
    W = used(np.ceil(W / 3) if whole else W)  # whole numbers: many main providers at once
    if not len(W):
        return
    total, hubs = W.sum(), np.zeros(len(W))
    for j in range(len(W)):
        main = np.flatnonzero((W[:, j] == W[:, j].max()) & (W[:, j] > 0))
        hubs[main] += W[main, j] / max(len(main), 1)
    scores = rank(flows_of(W), ["liquidity_hub_share", "liquidity_passed_on", "removal_loss"]).sort("node")
    share = scores.filter(indicator="liquidity_hub_share")["score"].to_numpy()
    assert share == pytest.approx(hubs / total)
    assert share.sum() == pytest.approx(W.max(axis=0).sum() / total)
    passed = scores.filter(indicator="liquidity_passed_on")["score"].to_numpy()
    assert passed == pytest.approx(2 * np.minimum(W.sum(axis=0), W.sum(axis=1)) / total)
    assert (passed <= scores.filter(indicator="removal_loss")["score"].to_numpy() + 1e-12).all()


def test_the_federal_reserve_is_the_hub_of_the_lines_of_2009(shared_data: Path) -> None:
    """Lines in force in June 2009 with an amount in dollars; those without limit have none, and are not in it."""
    raw = pl.read_csv(shared_data / "finance/central_bank_liquidity_lines_v19.csv", infer_schema_length=0)
    day = pl.date(2009, 6, 30)
    since, until = (pl.col(c).str.to_date("%d/%m/%Y", strict=False) for c in ("start_date", "end_date"))
    amount = pl.col("USD_amount").cast(pl.Float64, strict=False)
    lines = (
        raw.filter(since <= day, until > day, amount > 0)
        .group_by(origin="ISO_source", destination="ISO_recipient")
        .agg(value=amount.max())
    )
    assert lines.height == 126
    labels = {"period": "2009", "layer": "claims", "item": "TOTAL", "unit": "USD", "basis": "observed"}
    scores = rank(lines.with_columns(pl.lit(v).alias(k) for k, v in labels.items()), "liquidity_hub_share")
    assert scores["node"][0] == "USA"
    assert scores["score"][0] > 0.5


def test_claims_of_2022(shared_data: Path) -> None:
    raw = pl.read_csv(shared_data / "finance/bis_cbs_immediate_counterparty_16x16_2022Q4_musd.csv")
    long = raw.unpivot(index="country", variable_name="destination", value_name="value")
    labels = {"period": "2022-Q4", "layer": "claims", "item": "TOTAL", "unit": "USD", "basis": "observed"}
    flows = long.rename({"country": "origin"}).with_columns(pl.lit(v).alias(k) for k, v in labels.items())
    names = ["core_member", "core_profile", "liquidity_hub_share", "liquidity_passed_on"]
    scores = rank(flows, names, least_tie=0.005)
    core = scores.filter(pl.col("score") == 1, indicator="core_member")["node"].to_list()
    assert core == ["DE", "FR", "GB", "JP", "US"]
    assert scores.filter(indicator="core_profile")["node"].head(3).to_list() == ["US", "FR", "GB"]
    hubs = scores.filter(indicator="liquidity_hub_share")
    assert hubs["node"][0] == "JP"  # first lender to the United States, the largest borrower: 1.83 of 13.82 tn
    assert hubs["score"][0] > 1.83 / 13.82
    assert scores.filter(indicator="liquidity_passed_on")["node"].head(2).to_list() == ["US", "GB"]


def test_on_dense_data_nearly_all_are_core_unless_small_ties_are_left_out() -> None:
    from weaponized_interdependence.indicators.registry import INDICATORS

    names = [f"N{k:02d}" for k in range(16)]
    flows = [(o, d, 1000.0 if o < "N04" and d < "N04" else 1.0) for o in names for d in names if o != d]
    flows = [tie for tie in flows if tie[:2] not in {("N14", "N15"), ("N15", "N14")}]
    assert sum(v or 0.0 for v in worked("core_member", flows).values()) >= 14
    told = worked("core_member", flows, least_tie=0.01)
    assert {name for name, v in told.items() if v} == set(names[:4])
    assert "least_tie must be set" in INDICATORS["core_member"].notes
