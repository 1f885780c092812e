"""Concentration, bilateral dependence, core dependency indicators: hand-checked values, plain sums, real trade."""

import time
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weaponized_interdependence.errors import UsageError
from weaponized_interdependence.harmonize.economies import code_map
from weaponized_interdependence.harmonize.groups import expand
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.schemas import FLOWS

CDI = ["cdi1", "cdi2", "cdi3", "cdi_dependent", "geodep_dependent"]

Tie = tuple[str, str, str, float]


def flows_of(ties: Sequence[Tie], period: str = "2020") -> pl.DataFrame:
    """FLOWS of (item, origin, destination, value)."""
    rows = [(period, "goods", o, d, item, float(v), None, None, "USD", "observed") for item, o, d, v in ties]
    return pl.DataFrame(rows, schema=dict(FLOWS.schema), orient="row")


def table_of(scores: pl.DataFrame) -> dict[tuple[str, str, str], float | None]:
    """{(indicator, item, node): score}."""
    return {(i, k, n): s for i, k, n, s in scores.select("indicator", "item", "node", "score").rows()}


# ---- hand-checked ------------------------------------------------------------------------------------------------


def test_the_worked_example_of_a_bloc() -> None:
    """Extra-bloc imports 60, 30, 10; intra-bloc imports 40; exports 50: 23/50, 5/7 and 2, dependent."""
    ties = [("X", "CHN", "M1", 60.0), ("X", "USA", "M2", 30.0), ("X", "VNM", "M1", 10.0)]
    ties += [("X", "M1", "M2", 40.0), ("X", "M2", "BRA", 50.0)]
    scores = table_of(rank(flows_of(ties), CDI, jurisdiction=["M1+M2"]))
    want = {"cdi1": Fraction(23, 50), "cdi2": Fraction(5, 7), "cdi3": 2, "cdi_dependent": 1}
    for name, value in want.items():
        assert scores[name, "X", "M1+M2"] == pytest.approx(float(value), rel=1e-14)


def test_the_worked_example_of_world_exports() -> None:
    """World exports 50, 25, 25 give 3/8, not above 0.4: not dependent by CEPII, though imports are all from one."""
    ties = [("X", "CHN", "FRA", 50.0), ("X", "USA", "DEU", 25.0), ("X", "VNM", "DEU", 25.0)]
    scores = table_of(rank(flows_of(ties), ["network_concentration_exports", "geodep_dependent"]))
    assert scores["network_concentration_exports", "X", "ALL"] == 0.375
    assert scores["geodep_dependent", "X", "FRA"] == 0
    low = table_of(rank(flows_of(ties), "geodep_dependent", hhi_threshold=0.37))
    assert low["geodep_dependent", "X", "FRA"] == 1


def test_every_node_is_its_own_area_where_none_is_named() -> None:
    ties = [
        ("X", "A", "B", 2.0),
        ("X", "C", "B", 1.0),
        ("X", "B", "C", 4.0),
        ("Y", "A", "C", 1.0),
        ("Y", "A", "A", 9.0),
    ]
    scores = rank(flows_of(ties), ["hhi_imports", *CDI], by=("item",))
    found = table_of(scores)
    nodes = {(item, node) for _, item, node in found}
    assert nodes == {("X", "A"), ("X", "B"), ("X", "C"), ("Y", "A"), ("Y", "C")}
    for item, node in nodes:
        assert found["cdi1", item, node] == found["hhi_imports", item, node]
        assert found["cdi2", item, node] == (None if found["hhi_imports", item, node] is None else 1.0)
    assert found["cdi3", "X", "B"] == 0.75
    assert found["cdi3", "X", "A"] == 0.0


def test_without_exports_the_ratio_is_infinite_and_counts_as_dependent() -> None:
    found = table_of(rank(flows_of([("X", "A", "B", 2.0)]), [*CDI, "hhi_imports"]))
    assert found["cdi3", "X", "B"] is None
    assert found["cdi_dependent", "X", "B"] == found["geodep_dependent", "X", "B"] == 1
    assert found["cdi1", "X", "A"] is None
    assert found["cdi_dependent", "X", "A"] == found["geodep_dependent", "X", "A"] == 0


def test_exactly_at_a_threshold_is_not_above_it() -> None:
    ties = [("X", f"S{k}", "A", 0.1) for k in range(10)]  # HHI is 0.1 but for a rounding
    for threshold, want in ((0.1, 0.0), (0.0999, 1.0)):
        found = table_of(rank(flows_of(ties), "cdi_dependent", hhi_threshold=threshold))
        assert found["cdi_dependent", "X", "A"] == want


# ---- against plain sums ------------------------------------------------------------------------------------------

_TIES = st.lists(
    st.tuples(st.sampled_from("XYZ"), st.sampled_from("ABCDEF"), st.sampled_from("ABCDEF"), st.integers(1, 50)),
    min_size=1,
    max_size=40,
    unique_by=lambda tie: tie[:3],
)


@settings(max_examples=40)
@given(_TIES, st.sets(st.sampled_from("ABCDEF"), min_size=1, max_size=4), st.sampled_from([0.0, 1.0]))
def test_areas_against_plain_sums(ties: list[Tie], members: set[str], inside_exports: float) -> None:
    names = {name for _, o, d, _ in ties for name in (o, d)}
    members &= names
    if not members or all(o == d for _, o, d, _ in ties):
        return
    label = "+".join(sorted(members))
    scores = rank(flows_of(ties), CDI, by=("item",), jurisdiction=[label], inside_exports=inside_exports)
    found = table_of(scores)
    for item in "XYZ":
        own = [(o, d, v) for k, o, d, v in ties if k == item and o != d]
        outside: dict[str, float] = {}
        for o, d, v in own:
            if d in members and o not in members:
                outside[o] = outside.get(o, 0.0) + v
        extra = sum(outside.values())
        inside = sum(v for o, d, v in own if d in members and o in members)
        sold = sum(v for o, d, v in own if o in members and d not in members)
        if extra + inside + sold == 0:
            assert ("cdi1", item, label) not in found
            continue
        exports = sold + inside_exports * inside
        hhi = sum((v / extra) ** 2 for v in outside.values()) if extra else None
        by_seller: dict[str, float] = {}
        for o, _, v in own:
            by_seller[o] = by_seller.get(o, 0.0) + v
        world = sum((v / sum(by_seller.values())) ** 2 for v in by_seller.values())
        assert found["cdi1", item, label] == (None if hhi is None else pytest.approx(hhi))
        assert found["cdi2", item, label] == (pytest.approx(extra / (extra + inside)) if extra + inside else None)
        assert found["cdi3", item, label] == (pytest.approx(extra / exports) if exports else None)
        slack = 1 + 1e-12
        three = hhi is not None and hhi > 0.4 * slack and extra > 0.5 * slack * (extra + inside)
        assert found["cdi_dependent", item, label] == float(three and extra > slack * exports)
        geodep = hhi is not None and hhi > 0.4 * slack and world > 0.4 * slack and extra > slack * exports
        assert found["geodep_dependent", item, label] == float(geodep)


@settings(max_examples=25)
@given(_TIES)
def test_pairs_against_plain_sums(ties: list[Tie]) -> None:
    names = ["import_dependence", "export_dependence", "trade_dependence", "trade_asymmetry"]
    scores = rank(flows_of(ties), names, by=("item",))
    value = {(k, o, d): v for k, o, d, v in ties if o != d}
    sent: dict[tuple[str, str], float] = {}
    got: dict[tuple[str, str], float] = {}
    for (k, o, d), v in value.items():
        sent[k, o] = sent.get((k, o), 0.0) + v
        got[k, d] = got.get((k, d), 0.0) + v

    def dependence(k: str, n: str, i: str) -> float:
        both = value.get((k, n, i), 0.0) + value.get((k, i, n), 0.0)
        return both / (sent.get((k, n), 0.0) + got.get((k, n), 0.0))

    pairs = {(k, *pair) for k, o, d in value for pair in ((o, d), (d, o))}
    assert scores.height == len(names) * len(pairs)
    for indicator, k, n, i, score in scores.select("indicator", "item", "node", "counterpart", "score").rows():
        want = {
            "import_dependence": value.get((k, i, n), 0.0) / got[k, n] if (k, n) in got else None,
            "export_dependence": value.get((k, n, i), 0.0) / sent[k, n] if (k, n) in sent else None,
            "trade_dependence": dependence(k, n, i),
            "trade_asymmetry": dependence(k, i, n) - dependence(k, n, i),
        }[indicator]
        assert score == (None if want is None else pytest.approx(want, abs=1e-12))


# ---- asymmetry over GDP ------------------------------------------------------------------------------------------


def macro(rows: Sequence[tuple[str, str, float]]) -> pl.DataFrame:
    named = [(period, economy, "gdp", value, "USD", "observed") for period, economy, value in rows]
    return pl.DataFrame(named, schema=["period", "economy", "indicator", "value", "unit", "basis"], orient="row")


def test_asymmetry_over_gdp_takes_the_place_of_own_trade() -> None:
    """The worked example, T_AB 50 with 500 and 100, read as GDP: 1/10 against 1/2."""
    flows = flows_of([("X", "A", "B", 30.0), ("X", "B", "A", 20.0), ("X", "A", "Z", 5.0)])
    scores = rank(flows, "trade_asymmetry_gdp", macro=macro([("2020", "A", 500.0), ("2020", "B", 100.0)]))
    found = {(n, c): s for n, c, s in scores.select("node", "counterpart", "score").rows()}
    assert found["A", "B"] == pytest.approx(0.4, rel=1e-14)
    assert found["B", "A"] == -found["A", "B"]  # type: ignore[operator]
    assert found["A", "Z"] is None  # no GDP of Z
    assert found["Z", "A"] is None


def test_gdp_is_of_the_period_or_of_its_year() -> None:
    flows = flows_of([("X", "A", "B", 10.0)], period="2020-Q2")
    figures = [("2020", "A", 100.0), ("2020", "B", 50.0), ("2020-Q2", "A", 20.0), ("2019", "B", 1.0)]
    scores = rank(flows, "trade_asymmetry_gdp", macro=macro(figures))
    assert scores.filter(pl.col("node") == "A")["score"].item() == pytest.approx(10 / 50 - 10 / 20)


def test_asymmetry_over_gdp_asks_for_gdp() -> None:
    flows = flows_of([("X", "A", "B", 10.0)])
    with pytest.raises(UsageError, match="gdp_reference"):
        rank(flows, "trade_asymmetry_gdp")
    with pytest.raises(UsageError, match="no gdp of 2020"):
        rank(flows, "trade_asymmetry_gdp", macro=macro([("2019", "A", 1.0)]))


# ---- real trade --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unctad(shared_data: Path) -> pl.DataFrame:
    raw = pl.read_parquet(shared_data / "trade/unctad/unctad_merchandise_trade_matrix_SITC1_2015.parquet")
    named = raw.select(
        item=pl.col("sitc").cast(pl.String), origin="exporter", destination="importer", value=pl.col("value_kusd") * 1e3
    ).filter(pl.col("item") != "TOTAL")
    return named.with_columns(
        item="SITC:" + pl.col("item"),
        period=pl.lit("2015"),
        layer=pl.lit("goods"),
        unit=pl.lit("USD"),
        basis=pl.lit("observed"),
    )


def test_the_european_union_by_section_2015(unctad: pl.DataFrame) -> None:
    scores = table_of(rank(unctad, [*CDI, "network_concentration_exports"], by=("item",), jurisdiction=["EU"]))
    members = expand(["EU"], date(2015, 12, 31))
    assert len(members) == 28
    for section in range(10):
        item = f"SITC:{section}"
        own = unctad.filter(pl.col("item") == item, pl.col("origin") != pl.col("destination"))
        buys, sells = own["destination"].is_in(members), own["origin"].is_in(members)
        extra = own.filter(buys & ~sells).group_by("origin").agg(pl.col("value").sum())["value"].to_numpy()
        inside = own.filter(buys & sells)["value"].sum()
        sold = own.filter(sells & ~buys)["value"].sum()
        assert scores["cdi1", item, "EU"] == pytest.approx(float(((extra / extra.sum()) ** 2).sum()))
        assert scores["cdi2", item, "EU"] == pytest.approx(extra.sum() / (extra.sum() + inside))
        assert scores["cdi3", item, "EU"] == pytest.approx(extra.sum() / sold)
        assert scores["cdi_dependent", item, "EU"] == 0  # whole sections come from many
    # Fuels are what the Union buys abroad most and sells least; machines the reverse.
    assert scores["cdi2", "SITC:3", "EU"] > 0.5 > scores["cdi2", "SITC:7", "EU"]  # type: ignore[operator]
    assert scores["cdi3", "SITC:3", "EU"] > 1 > scores["cdi3", "SITC:7", "EU"]  # type: ignore[operator]


def test_crude_oil_of_the_european_union_2021(shared_data: Path) -> None:
    raw = pl.read_csv(
        shared_data / "trade/baci/BACI_HS92_270900_Y2021.csv.gz", schema_overrides={"k": pl.String, "i": int, "j": int}
    )
    codes = code_map("baci").select(code=pl.col("code").cast(pl.Int64), iso="iso3").unique("code")
    named = raw.join(codes.rename({"code": "i", "iso": "origin"}), on="i").join(
        codes.rename({"code": "j", "iso": "destination"}), on="j"
    )
    flows = flows_of([("HS92:270900", o, d, v * 1e3) for o, d, v in named.select("origin", "destination", "v").rows()])
    flows = flows.with_columns(period=pl.lit("2021"))
    found = table_of(rank(flows, [*CDI, "network_concentration_exports"], jurisdiction=["EU"]))
    members = expand(["EU"], date(2021, 12, 31))
    assert len(members) == 27
    extra = flows.filter(pl.col("destination").is_in(members) & ~pl.col("origin").is_in(members))
    by_source = extra.group_by("origin").agg(pl.col("value").sum()).sort("value", descending=True)
    shares = (by_source["value"] / by_source["value"].sum()).to_numpy()
    assert by_source["origin"][0] == "RUS"
    item = "HS92:270900"
    assert found["cdi1", item, "EU"] == pytest.approx(float((shares**2).sum()))
    assert found["cdi2", item, "EU"] > 0.95  # type: ignore[operator]
    assert found["cdi3", item, "EU"] > 10  # type: ignore[operator]
    # Nearly all from outside, nothing to put in its place, and yet not concentrated: two criteria of three.
    assert found["cdi1", item, "EU"] < 0.4  # type: ignore[operator]
    assert found["cdi_dependent", item, "EU"] == 0
    assert found["network_concentration_exports", item, "ALL"] < 0.1  # type: ignore[operator]


def test_concentration_of_many_items_is_that_of_each() -> None:
    rng = np.random.default_rng(7)
    ties = [
        (item, o, d, float(rng.integers(1, 100)))
        for item in ("HS:01", "HS:02", "HS:03")
        for o in "ABCDE"
        for d in "ABCDE"
        if o != d and rng.random() < 0.7
    ]
    names = ["hhi_imports", "hhi_exports", "hirschman_imports", "hirschman_exports", *CDI]
    names.append("network_concentration_exports")
    together = rank(flows_of(ties), names, by=("item",), jurisdiction=["A+B", "C"])
    apart = pl.concat(
        [
            rank(flows_of([t for t in ties if t[0] == item]), names, by=("item",), jurisdiction=["A+B", "C"])
            for item in ("HS:01", "HS:02", "HS:03")
        ]
    )
    assert table_of(together) == table_of(apart)


def test_areas_named_together_are_those_named_alone_also_where_they_overlap() -> None:
    rng = np.random.default_rng(3)
    names = "ABCDEFGH"
    ties = [
        (item, o, d, float(rng.integers(1, 100)))
        for item in ("HS:01", "HS:02", "HS:03")
        for o in names
        for d in names
        if rng.random() < 0.4
    ]
    areas = ["A+B", "B+C+D", "D", "E+F+G+H", "H", "A", "C+A+H", "B"]
    together = table_of(rank(flows_of(ties), CDI, by=("item",), jurisdiction=areas))
    apart: dict[tuple[str, str, str], float | None] = {}
    for area in areas:
        apart |= table_of(rank(flows_of(ties), CDI, by=("item",), jurisdiction=[area]))
    assert together == apart
    assert len({node for *_, node in together}) == len(areas)


def test_two_hundred_areas_cost_little_more_than_one() -> None:
    rng = np.random.default_rng(4)
    names = pl.Series([f"N{k:03d}" for k in range(200)])
    rows = 600_000
    frame = pl.DataFrame(
        {
            "period": pl.repeat("2020", rows, eager=True),
            "layer": "goods",
            "origin": names.gather(rng.integers(0, 200, rows)),
            "destination": names.gather(rng.integers(0, 200, rows)),
            "item": pl.Series([f"HS:{k:04d}" for k in range(400)]).gather(rng.integers(0, 400, rows)),
            "value": rng.random(rows),
            "unit": "USD",
            "basis": "observed",
        }
    )
    seconds = {}
    rank(frame, "cdi1", by=("item",), top=1)  # what is made once for the process
    for areas in (["N000+N001"], names.to_list()):
        started = time.process_time()
        rank(frame, "cdi1", by=("item",), jurisdiction=areas, top=1)
        seconds[len(areas)] = time.process_time() - started
    assert seconds[200] < 6 * seconds[1]  # 1.5 times was measured, coding of the flows included
