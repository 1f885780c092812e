"""Legal reach: published ownership cases, hand-made tables, and properties of each channel."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaponized_interdependence.errors import InputError, UnknownCodeError, UsageError
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.reach import compute_reach, currency, holders, ownership, technology, territory
from weaponized_interdependence.reach.technology import exports_of
from weaponized_interdependence.schemas import CONTROLS, ENTITIES, FLOWS, OWNERSHIP
from weaponized_interdependence.sources.registry import read


def stakes(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame([(*r, "observed") for r in rows], schema=dict(OWNERSHIP.schema), orient="row")


def seats(**where: str) -> pl.DataFrame:
    rows = [(name, None, None, state, "observed") for name, state in where.items()]
    return pl.DataFrame(rows, schema=dict(ENTITIES.schema), orient="row")


def held(controls: pl.DataFrame, by: str) -> set[str]:
    return set(controls.filter(pl.col("jurisdiction") == by)["node"])


@pytest.mark.parametrize(
    ("owned", "found"),
    [
        ([("X", "A", 0.5), ("A", "B", 0.5)], {"A", "B"}),
        ([("X", "A", 0.5), ("X", "B", 0.5), ("A", "C", 0.25), ("B", "C", 0.25)], {"A", "B", "C"}),
        ([("X", "A", 0.5), ("X", "B", 0.1), ("A", "B", 0.4)], {"A", "B"}),
        ([("X", "A", 0.5), ("X", "B", 0.25), ("A", "C", 0.25), ("B", "C", 0.25)], {"A"}),
        ([("X", "A", 0.25), ("X", "B", 0.25), ("A", "C", 0.5), ("B", "C", 0.5)], set()),
    ],
)
def test_the_published_cases_of_the_fifty_per_cent_rule(owned: list[tuple[str, str, float]], found: set[str]) -> None:
    """US Treasury, OFAC, FAQ 401, examples 1 to 5."""
    assert held(ownership(stakes(*owned), seats(X="RUS")), "RUS") == found


def test_just_below_the_threshold_is_not_held_and_thirds_add_up() -> None:
    assert held(ownership(stakes(("X", "A", 0.4999)), seats(X="RUS")), "RUS") == set()
    thirds = stakes(*((f"X{k}", "A", 1 / 6) for k in range(3)))
    assert held(ownership(thirds, seats(X0="RUS", X1="RUS", X2="RUS")), "RUS") == {"A"}
    assert held(ownership(thirds, seats(X0="RUS", X1="RUS", X2="CHN")), "RUS") == set()


def test_a_state_owns_and_what_is_seated_there_needs_no_grip() -> None:
    found = ownership(stakes(("CHN", "Port", 0.67), ("CHN", "Home", 1.0)), seats(Port="GRC", Home="CHN"))
    assert found.rows() == [("CHN", "Port", "ownership", 1.0, "observed")]


def test_cross_holdings_end() -> None:
    circle = stakes(("A", "B", 0.6), ("B", "C", 0.6), ("C", "A", 0.6))
    assert held(ownership(circle, seats(A="RUS")), "RUS") == {"B", "C"}
    assert ownership(circle, seats(Z="RUS")).is_empty()


def test_stakes_beyond_the_whole_and_other_faults() -> None:
    with pytest.raises(InputError, match="more than the whole"):
        ownership(stakes(("X", "A", 0.7), ("Y", "A", 0.7)), seats(X="RUS"))
    with pytest.raises(UsageError, match="an entity is held"):
        ownership(stakes(("X", "A", 0.7)), seats(X="RUS"), threshold=0.0)
    with pytest.raises(InputError, match="above 1"):
        ownership(stakes(("X", "A", 1.7)), seats(X="RUS"))


EDGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.1, 0.3, 0.5])), max_size=12)


@given(EDGES, st.integers(0, 5))
def test_more_stakes_and_lower_thresholds_never_hold_less(edges: list[tuple[int, int, float]], more: int) -> None:
    unique = {(o, d): s for o, d, s in edges if o != d}
    into: dict[int, float] = {}
    kept = []
    for (o, d), s in unique.items():
        if into.get(d, 0.0) + s <= 1:
            into[d] = into.get(d, 0.0) + s
            kept.append((f"N{o}", f"N{d}", s))
    where = seats(N0="RUS")
    whole = held(ownership(stakes(*kept), where), "RUS")
    assert held(ownership(stakes(*kept[:more]), where), "RUS") <= whole
    assert whole <= held(ownership(stakes(*kept), where, threshold=0.3), "RUS")


def payments(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    made = [("2022", "payments", o, d, f"ISO4217:{c}", v, None, None, "USD", "observed") for o, d, c, v in rows]
    return pl.DataFrame(made, schema=dict(FLOWS.schema), orient="row")


def test_currency_is_a_share_of_what_a_node_pays_and_is_paid() -> None:
    found = currency(payments(("TUR", "RUS", "USD", 60), ("RUS", "TUR", "RUB", 40), ("TUR", "DEU", "EUR", 100)))
    share = {(j, n): s for j, n, _, s, _ in found.rows()}
    assert share == pytest.approx(
        {("USA", "TUR"): 0.3, ("USA", "RUS"): 0.6, ("RUS", "TUR"): 0.2, ("EU", "TUR"): 0.5, ("EU", "DEU"): 1.0}
    )
    assert found.filter(pl.col("jurisdiction") == pl.col("node")).is_empty()


def test_shares_of_all_currencies_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    codes = list(holders())[:6]
    rows = [
        (f"N{o}", f"N{d}", c, float(rng.integers(1, 9))) for o in range(4) for d in range(4) if o != d for c in codes
    ]
    sums = currency(payments(*rows)).group_by("node").agg(pl.col("share").sum())["share"]
    assert sums.to_list() == pytest.approx([1.0] * 4)


def test_currencies_that_nobody_is_known_to_clear_are_named() -> None:
    flows = payments(("A", "B", "XDR", 1), ("A", "B", "XAU", 1))
    with pytest.raises(InputError, match=r"(?s)ISO4217:XAU.*ISO4217:XDR"):
        currency(flows)
    assert held(currency(flows, clears={"XDR": "USA", "XAU": "GBR"}), "USA") == {"A", "B"}
    with pytest.raises(UsageError, match="several periods"):
        currency(pl.concat([flows, flows.with_columns(period=pl.lit("2023"))]))


def chain() -> IOTable:
    """USA sells chips (40) to TWN, which makes goods worth 100 and sells 80 of them to CHN, 20 at home."""
    names = ("USA", "TWN", "CHN")
    Z, Y = np.zeros((3, 3)), np.zeros((3, 3))
    Z[0, 1], Y[1, 2], Y[1, 1] = 40.0, 80.0, 20.0
    Y[2, 2] = Y[0, 0] = 10.0
    x = Z.sum(axis=1) + Y.sum(axis=1)
    return IOTable("2020", names, ("all",), ("final",), Z, Y, x - Z.sum(axis=0), x, np.zeros(3), "EXAMPLE")


def test_content_above_the_threshold_brings_exports_within_reach() -> None:
    """40 of Taiwan's 100 are American value added: above 25 per cent, and not above 40."""
    assert technology(chain(), ["USA"]).rows() == [("USA", "TWN", "technology", 1.0, "estimated")]
    assert technology(chain(), ["USA"], threshold=0.39).height == 1
    assert technology(chain(), ["USA"], threshold=0.41).is_empty()
    assert exports_of(chain()).rows() == [("USA", "all", 40.0), ("TWN", "all", 80.0)]


def test_a_direct_input_is_enough_for_the_direct_product_rule() -> None:
    found = technology(chain(), rule="direct_product", sources=["EXAMPLE:all"])
    assert held(found, "USA") == {"TWN"}
    assert held(found, "TWN") == set()  # sells to final demand only


def test_faults_of_technology_come_together() -> None:
    with pytest.raises(UsageError) as error:
        technology(chain(), ["FRA"], rule="fdp", threshold=1.5, sources=["c14"])
    for part in ("no economy FRA", "no rule 'fdp'", "threshold is 1.5", "no industry c14"):
        assert part in str(error.value)
    with pytest.raises(UsageError, match="needs the industries"):
        technology(chain(), rule="direct_product")


def test_a_lower_threshold_reaches_more(shared_data: Path) -> None:
    table = read("wiod", shared_data / "mrio/wiod13/wiod13_2011_long.parquet").table
    assert table is not None
    levels = [technology(table, ["USA"], threshold=t) for t in (0.25, 0.10, 0.0)]
    for high, low in pairwise(levels):
        both = low.join(high, on=["jurisdiction", "node"], how="left", suffix="_high").fill_null(0.0)
        assert (both["share"] >= both["share_high"] - 1e-12).all()
        assert low.height >= high.height
    # Any American value added at all is in nearly all exports of every economy.
    assert levels[-1]["share"].min() > 0.9
    tenth = dict(levels[1].select("node", "share").rows())
    assert tenth["MEX"] > tenth.get("RUS", 0.0)
    assert tenth["CAN"] > tenth.get("DEU", 0.0)


def test_the_recipe_joins_channels_and_refuses_contradictions() -> None:
    found = compute_reach(
        entities=seats(BANK="USA", FIRM="DEU"),
        owned=stakes(("BANK", "FIRM", 0.6)),
        by_currency=payments(("FIRM", "BANK", "USD", 1.0)),
        jurisdictions=["USA"],
    )
    assert CONTROLS.conform(found.controls).equals(found.controls)
    assert found.controls.select("node", "channel").rows() == [
        ("BANK", "currency"),
        ("BANK", "territory"),
        ("FIRM", "currency"),
        ("FIRM", "ownership"),
    ]
    own = pl.DataFrame([("USA", "FIRM", "ownership", 0.2, "assumed")], schema=dict(CONTROLS.schema), orient="row")
    with pytest.raises(InputError, match="USA FIRM ownership"):
        compute_reach(entities=seats(BANK="USA", FIRM="DEU"), owned=stakes(("BANK", "FIRM", 0.6)), given=own)
    with pytest.raises(UsageError, match="nothing to compute"):
        compute_reach()
    with pytest.raises(UsageError, match="where owners are seated"):
        compute_reach(owned=stakes(("A", "B", 0.5)))
    with pytest.raises(UsageError) as idle:
        compute_reach(
            entities=seats(BANK="USA"), threshold=0.3, clears={"XDR": "USA"}, technology_options={"rule": "de_minimis"}
        )
    for part in ("no ownership", "no flows by currency", "no input-output table"):
        assert part in str(idle.value)
    unseated = compute_reach(entities=seats(FIRM="DEU"), owned=stakes(("NOBODY", "FIRM", 0.6)))
    assert "NOBODY" in unseated.notes[0]


def test_what_is_computed_is_what_rank_takes() -> None:
    flows = payments(("TUR", "RUS", "USD", 60), ("RUS", "TUR", "RUB", 40))
    reach = currency(flows)
    scores = rank(flows, "panopticon", jurisdiction=["USA"], controls=reach)
    assert scores["score"].item() == pytest.approx(1 - (1 - 0.6) ** 2)  # both ends clear 60 of their 100 in dollars
    assert territory(seats(FIRM="DEU")).height == 1


def test_a_group_is_itself_and_its_members() -> None:
    """The euro is the EU's, a firm's seat a member's; technology is asked of those members that the table has."""
    paid = payments(("FIRM", "TUR", "EUR", 1.0), ("FIRM", "TUR", "USD", 1.0))
    found = compute_reach(entities=seats(FIRM="DEU"), by_currency=paid, table=chain(), jurisdictions=["EU", "USA"])
    assert {*found.controls.select("jurisdiction", "node", "channel").rows()} == {
        ("DEU", "FIRM", "territory"),
        ("EU", "FIRM", "currency"),
        ("EU", "TUR", "currency"),
        ("USA", "FIRM", "currency"),
        ("USA", "TUR", "currency"),
        ("USA", "TWN", "technology"),
    }
    with pytest.raises(UnknownCodeError, match="DEUU"):
        compute_reach(entities=seats(FIRM="DEU"), jurisdictions=["DEUU"])


def test_names_may_be_spelt_in_any_way() -> None:
    paid = payments(("FIRM", "TUR", "EUR", 1.0), ("FIRM", "TUR", "XDR", 1.0))
    clears = {"XDR": "United States"}
    told = compute_reach(by_currency=paid, jurisdictions=["EU", "USA"], clears={"XDR": "USA"}).controls
    assert {*told["jurisdiction"]} == {"EU", "USA"}
    assert compute_reach(by_currency=paid, jurisdictions=["eu", "usa"], clears=clears).controls.equals(told)
    with pytest.raises(UnknownCodeError, match="USAA"):
        currency(paid, clears={"XDR": "USAA"})
    with pytest.raises(UsageError, match="who clears QQQ is told, but no flow is in it"):
        currency(paid, clears={"XDR": "USA", "QQQ": "CHN"})


def test_stocks_and_flows_are_not_added_up() -> None:
    mixed = pl.concat(
        [payments(("A", "B", "USD", 3)), payments(("A", "B", "EUR", 9)).with_columns(layer=pl.lit("claims"))]
    )
    with pytest.raises(UsageError, match="several layers"):
        currency(mixed)
