"""The recipe end to end on small worlds: sums, shares, phases, periods, notes, sectors, panels."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_support import Row, cell, flows, gdp, scenario

from weaponized_interdependence.assessment.panels import limits, panels, panels_as_json
from weaponized_interdependence.errors import InputError, ModelError, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.sample import load_sample
from weaponized_interdependence.schemas import FLOWS, IMPACTS
from weaponized_interdependence.simulation.impact import ANSWER, Answer, to_impacts
from weaponized_interdependence.simulation.sectors import sector_shares
from weaponized_interdependence.simulation.shock import Parties, parties_of
from weaponized_interdependence.simulation.simulate import MODELS, Result, simulate
from weaponized_interdependence.terms import Metric, Panel

CRUDE, CHIP, DRUG = "HS17:270900", "HS17:854231", "HS17:300490"
WORLD: list[Row] = [
    ("USA", "RUS", CHIP, 100), ("USA", "RUS", DRUG, 20), ("DEU", "RUS", CHIP, 300), ("RUS", "USA", CRUDE, 50),
    ("RUS", "DEU", CRUDE, 500), ("RUS", "CHN", CRUDE, 400), ("CHN", "RUS", CHIP, 200), ("USA", "DEU", CHIP, 70),
    ("SAU", "USA", CRUDE, 300), ("SAU", "DEU", CRUDE, 200), ("CHN", "RUS", DRUG, 30),
]  # fmt: skip
SIZES = {"USA": 20_000.0, "DEU": 4_000.0, "RUS": 2_000.0, "CHN": 15_000.0, "SAU": 800.0}
EMBARGO = {"kind": "comprehensive_embargo"}


def run(
    *measures: dict[str, object], rows: list[Row] = WORLD, sizes: dict[str, float] = SIZES, **more: object
) -> Result:
    text = scenario(*(measures or (EMBARGO,)), **more)  # type: ignore[arg-type]
    return simulate(text, flows=flows(rows), macro=gdp(sizes))


# ---- exposure by hand -------------------------------------------------------------------------------------------


def test_exposure_is_what_stops_at_both_ends() -> None:
    i = run(coalition=("USA", "DEU")).impacts.filter(pl.col("model") == "exposure")
    assert cell(i, party="RUS", channel="imports")["value"] == 400  # chips of both; the drugs of the USA are exempt
    assert cell(i, party="RUS", channel="exports")["value"] == 550
    assert cell(i, party="RUS")["value"] == 950
    assert cell(i, party="RUS", metric="loss_gdp")["value"] == pytest.approx(950 / 2000)
    assert cell(i, party="COALITION")["value"] == 950
    assert cell(i, party="COALITION", metric="loss_gdp")["value"] == pytest.approx(950 / 24_000)
    assert cell(i, party="THIRD_PARTIES")["value"] == 0
    assert cell(i, party="USA", channel="imports", item=CRUDE)["value"] == 50
    assert cell(i, party="RUS", channel="imports", metric="baseline_value")["value"] == 650


def test_exposure_gives_no_ratio_that_is_one_by_construction() -> None:
    ratios = pl.col("metric").is_in(["loss_ratio", "loss_gdp_ratio"])
    result = run(coalition=("USA", "DEU"))
    assert result.impacts.filter(ratios & (pl.col("model") == "exposure")).is_empty()
    assert result.impacts.filter(ratios & (pl.col("model") == "substitution")).height
    assert any("no ratio of losses" in note for note in result.notes)
    # third parties that are made to stop cost the target and not the coalition
    threat = {"id": "t", "kind": "secondary", "third_parties": ["CHN"], "compliance": 0.5, "overlaps": ["e"]}
    wide = run({"id": "e", **EMBARGO, "overlaps": ["t"]}, threat)
    found = cell(wide.impacts, model="exposure", party="RUS", metric="loss_ratio")["value"]
    # chips and drugs of the USA and China, drugs exempt: 100 + 50 with the USA, half of 200 + 400 with China
    assert found == pytest.approx((150 + 300) / 150)


@pytest.mark.parametrize(
    ("target", "coalition", "expected"),
    [
        ((10, 20, 30), (5, 10, 20), (1.5, 2.0, 2.0)),
        ((10, 20, 30), (-1, 10, 20), (1.5, 2.0, None)),  # in one case it costs the coalition nothing
        ((10, 20, 30), (0, 10, 20), (1.5, 2.0, None)),
        ((-10, 20, 30), (-1, 10, 20), (None, 2.0, 2.0)),  # there the target gains
        ((10, 20, 30), (5, -10, 20), (None, None, None)),  # no central answer, no band
        ((10, 20, 30), (-5, -10, -20), (None, None, None)),
        ((0, 20, 30), (-1, 10, 20), (1.5, 2.0, 2.0)),  # nothing for nothing is no ratio
    ],
)
def test_a_ratio_has_no_bound_where_the_coalition_does_not_lose(
    target: tuple[float, ...], coalition: tuple[float, ...], expected: tuple[float | None, ...]
) -> None:
    parties = Parties(senders=("USA",), target=("RUS",))
    rows = [
        ("long", party, "all", "ALL", "loss", *(float(v) for v in cases), "estimated")
        for party, cases in (("RUS", target), ("USA", coalition))
    ]
    answer = Answer("equilibrium", pl.DataFrame(rows, schema=ANSWER, orient="row"))
    i = to_impacts(answer, "s", "p", parties, ["RUS", "USA"], {"RUS": 64.0, "USA": 64.0})
    for metric in ("loss_ratio", "loss_gdp_ratio"):
        found = i.filter(pl.col("metric") == metric).select("low", "value", "high").row(0)
        assert found == expected


def test_the_baseline_of_a_group_is_that_of_all_its_members() -> None:
    rows: list[Row] = [("RUS", "USA", "SITC:3", 100), ("CHN", "DEU", "SITC:3", 900), ("CHN", "USA", "SITC:3", 70)]
    i = run({"kind": "import_ban"}, rows=rows, coalition=("USA", "DEU")).impacts
    base = {p: cell(i, model="exposure", party=p, channel="imports", metric="baseline_value")["value"]
            for p in ("USA", "DEU", "COALITION", "WORLD")}  # fmt: skip
    assert base == {"USA": 170, "DEU": 900, "COALITION": 1070, "WORLD": 1070}
    assert cell(i, model="exposure", party="THIRD_PARTIES", channel="exports", metric="baseline_value")["value"] == 970


def test_a_channel_that_is_zero_for_everyone_is_zero_and_not_absent() -> None:
    rows: list[Row] = [("RUS", "USA", "SITC:3", 100), ("RUS", "CHN", "SITC:3", 20)]
    i = run({"kind": "quota", "allowed_share": 0.5}, rows=rows).impacts
    for horizon in ("short", "long"):
        revenue = i.filter(
            (pl.col("model") == "substitution")
            & (pl.col("horizon") == horizon)
            & (pl.col("channel") == "revenue")
            & (pl.col("metric") == "loss")
        )
        assert {"USA", "RUS", "COALITION", "THIRD_PARTIES", "WORLD"} <= set(revenue["party"])
        assert set(revenue["value"]) == {0.0}


def test_stocks_and_payments_are_never_added_to_flows() -> None:
    claims = flows([("RUS", "USA", "ALL", 90)], layer="claims")
    payments = flows([("RUS", "USA", "ALL", 70)], layer="payments")
    result = simulate(scenario(EMBARGO), flows=[flows(WORLD), claims, payments], macro=gdp(SIZES))
    i = result.impacts.filter(pl.col("model") == "exposure")
    assert cell(i, party="RUS", channel="claims")["value"] == 90
    assert cell(i, party="RUS", channel="payments", metric="denied_value")["value"] == 70
    assert cell(i, party="RUS")["value"] == 100 + 50
    assert i.filter((pl.col("channel") == "payments") & (pl.col("metric") == "loss")).is_empty()
    # the debtor loses a source of funds, not money of its own
    assert cell(i, party="USA", channel="claims", metric="denied_value")["value"] == 90
    assert cell(i, party="USA", channel="claims")["value"] == 0
    assert any("loss of access" in note for note in result.notes)


@pytest.mark.parametrize("kind", ["investment_ban", "messaging_disconnection", "correspondent_denial"])
def test_what_stops_new_claims_is_no_loss_of_the_old(kind: str) -> None:
    claims = flows([("USA", "RUS", "ALL", 90), ("RUS", "USA", "ALL", 40)], layer="claims", period="2021-Q4")
    result = simulate(scenario({"kind": kind}), flows=claims, macro=gdp(SIZES))
    i = result.impacts
    assert cell(i, party="USA", channel="claims", metric="denied_value")["value"] >= 90
    assert i.filter((pl.col("metric") == "loss") & (pl.col("value") != 0)).is_empty()
    assert any("does not take outstanding claims" in note for note in result.notes)


def test_a_freeze_beside_a_disconnection_is_a_loss_of_what_is_frozen() -> None:
    claims = flows([("RUS", "USA", "ALL", 40)], layer="claims", period="2021-Q4")
    freeze = {"id": "f", "kind": "asset_freeze", "share": 0.5, "overlaps": ["s"]}
    text = scenario(freeze, {"id": "s", "kind": "messaging_disconnection", "overlaps": ["f"]})
    i = simulate(text, flows=claims, macro=gdp(SIZES)).impacts
    assert cell(i, party="RUS", channel="claims")["value"] == 20
    assert cell(i, party="RUS", channel="claims", metric="denied_value")["value"] == 40
    assert cell(i, party="RUS", channel="claims", metric="loss_gdp")["value"] == pytest.approx(20 / 2000)


# ---- what must hold for any answer ------------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> list[Row]:
    names, items = ["USA", "DEU", "RUS", "CHN", "IND"], [CRUDE, CHIP, "HS17:100199"]
    value = st.one_of(st.just(0.0), st.floats(1, 500))
    return [(o, d, i, draw(value)) for o in names for d in names for i in items if o != d]


@settings(deadline=None, max_examples=12)
@given(worlds(), st.floats(0.1, 1))
def test_sums_add_up_bands_are_ordered_and_nothing_is_lost(rows: list[Row], share: float) -> None:
    # wheat at the least is traded by all, so that everyone is in the data; repeated keys are summed
    rows = [r for r in rows if r[3] > 0] + [(o, "RUS", "HS17:100111", 1.0) for o in ("USA", "DEU", "CHN", "IND")]
    result = run({"kind": "comprehensive_embargo", "share": share}, rows=rows, coalition=("USA", "DEU"))
    impacts = IMPACTS.conform(result.impacts)
    known = impacts.filter(pl.col("value").is_not_null() & pl.col("low").is_not_null())
    assert (known["low"] <= known["value"] + 1e-9).all()
    assert (known["value"] <= known["high"] + 1e-9).all()
    loss = impacts.filter((pl.col("metric") == "loss") & (pl.col("model") != "humanitarian"))
    for (model, horizon), part in loss.group_by("model", "horizon"):
        for party in ("USA", "RUS", "CHN"):
            mine = part.filter(pl.col("party") == party)
            each = mine.filter((pl.col("item") == "ALL") & (pl.col("channel") != "all"))["value"].sum()
            assert each == pytest.approx(cell(mine)["value"], abs=1e-6), (model, horizon)
            for channel in ("imports", "exports"):
                items = mine.filter((pl.col("channel") == channel) & (pl.col("item") != "ALL"))["value"].sum()
                assert items == pytest.approx(cell(mine, channel=channel)["value"], abs=1e-6)
        groups = [cell(part, party=p)["value"] for p in ("COALITION", "RUS", "THIRD_PARTIES")]
        assert sum(groups) == pytest.approx(cell(part, party="WORLD")["value"], abs=1e-6)


def test_third_parties_may_gain_and_are_not_clipped() -> None:
    i = run({"kind": "import_ban", "items": ["HS:2709"]}, coalition=("USA", "DEU")).impacts
    short = i.filter((pl.col("model") == "substitution") & (pl.col("horizon") == "short"))
    assert cell(short, party="SAU")["value"] < 0  # sells dearer
    assert cell(short, party="CHN")["value"] < 0  # buys cheaper
    assert cell(short, party="RUS")["value"] > 0
    assert cell(short, party="THIRD_PARTIES")["low"] <= cell(short, party="THIRD_PARTIES")["value"] < 0


def test_the_short_run_costs_more_than_the_long() -> None:
    i = run(coalition=("USA", "DEU")).impacts.filter(pl.col("model") == "substitution")
    losses = {h: cell(i, party="RUS", horizon=h)["value"] for h in ("short", "long")}
    assert losses["short"] > losses["long"] > 0


def test_a_larger_coalition_costs_the_target_more_than_its_members_apart() -> None:
    both = run(coalition=("USA", "DEU")).impacts
    apart = [run(coalition=(one,)).impacts for one in ("USA", "DEU")]
    for horizon in ("short", "long"):

        def imports(i: pl.DataFrame, horizon: str = horizon) -> float:
            return float(cell(i, model="substitution", horizon=horizon, party="RUS", channel="imports")["value"])

        assert imports(both) > sum(map(imports, apart))


def test_a_tariff_gives_revenue_back_and_a_ban_does_not() -> None:
    duty = run({"kind": "tariff", "items": ["HS:2709"], "rate": 0.3}).impacts
    assert cell(duty, model="substitution", horizon="long", party="USA", channel="revenue")["value"] < 0
    ban = run({"kind": "import_ban", "items": ["HS:2709"]}).impacts
    assert ban.filter((pl.col("channel") == "revenue") & (pl.col("value") != 0)).is_empty()


def test_target_of_several_is_summed_once() -> None:
    rows: list[Row] = [*WORLD, ("USA", "BLR", CHIP, 11)]
    i = run(target=("RUS", "BLR"), rows=rows, sizes={**SIZES, "BLR": 60.0}).impacts
    e = i.filter(pl.col("model") == "exposure")
    assert cell(e, party="TARGETS")["value"] == cell(e, party="RUS")["value"] + cell(e, party="BLR")["value"]
    s = i.filter((pl.col("model") == "substitution") & (pl.col("horizon") == "long"))
    assert cell(s, party="TARGETS", metric="loss_ratio")["value"] > 0


# ---- humanitarian -----------------------------------------------------------------------------------------------


def test_humanitarian_shares_in_law_and_in_fact() -> None:
    i = run(coalition=("USA", "DEU")).impacts
    share = {
        m: cell(i, model="humanitarian", channel="imports", metric=m)
        for m in ("humanitarian_banned_share", "humanitarian_effective_share")
    }
    assert share["humanitarian_banned_share"]["value"] == 0
    found = share["humanitarian_effective_share"]
    assert [found[c] for c in ("low", "value", "high")] == pytest.approx([0, 0.25 * 20 / 50, 0.5 * 20 / 50])
    off = run(coalition=("USA", "DEU"), humanitarian_exemption=False).impacts
    assert cell(off, model="humanitarian", channel="imports", metric="humanitarian_banned_share")[
        "value"
    ] == pytest.approx(0.4)


# ---- phases and periods -----------------------------------------------------------------------------------------


def test_each_phase_has_the_measures_in_force() -> None:
    text = scenario(
        {"id": "chips", "kind": "export_ban", "items": ["HS:8542"]},
        {"id": "oil", "kind": "import_ban", "items": ["HS:2709"]},
        phases=[
            {"name": "first", "start": date(2022, 6, 1), "measures": ["chips"]},
            {"name": "second", "start": date(2022, 12, 5), "measures": ["chips", "oil"]},
        ],
    )
    i = simulate(text, flows=flows(WORLD), macro=gdp(SIZES)).impacts.filter(pl.col("model") == "exposure")
    assert cell(i, phase="first", party="RUS")["value"] == 100
    assert cell(i, phase="second", party="RUS")["value"] == 150


def test_the_last_period_that_is_over_is_used_for_each_layer() -> None:
    years = [
        flows([(o, d, i, v * k) for o, d, i, v in WORLD], period=p) for k, p in ((1, "2020"), (2, "2021"), (9, "2022"))
    ]
    claims = flows([("RUS", "USA", "ALL", 5)], layer="claims", period="2022-Q1")
    result = simulate(scenario(EMBARGO), flows=[*years, claims], macro=gdp(SIZES))
    assert set(result.shock["period"]) == {"2021", "2022-Q1"}
    assert any("goods: period 2021" in note for note in result.notes)
    older = simulate(scenario(EMBARGO), flows=[*years, claims], macro=gdp(SIZES), period="2020")
    assert set(older.shock["period"]) == {"2020"}
    assert any("claims has no period 2020" in note for note in older.notes)


@pytest.mark.parametrize(("period", "parts"), [("2021", 1), ("2021-Q4", 4), ("2021-12", 12)])
def test_flows_of_part_of_a_year_stand_against_that_part_of_gdp(period: str, parts: int) -> None:
    oil: list[Row] = [("RUS", "USA", "SITC:3", 1200 / parts), ("SAU", "USA", "SITC:3", 1200 / parts)]
    claims = flows([("RUS", "USA", "ALL", 90)], layer="claims", period="2021-Q4")
    text = scenario(EMBARGO)
    result = simulate(text, flows=[flows(oil, period=period), claims], macro=gdp(SIZES))
    year = simulate(text, flows=[flows([(*r[:3], 1200) for r in oil]), claims], macro=gdp(SIZES))
    for where in (
        {"model": "exposure"},
        {"model": "substitution", "horizon": "long"},
        {"model": "exposure", "channel": "claims"},
    ):
        shares = [cell(r.impacts, party="RUS", metric="loss_gdp", **where)["value"] for r in (result, year)]
        assert shares[0] == pytest.approx(shares[1])
    assert any("of one" in note and "GDP" in note for note in result.notes) == (parts > 1)


def test_a_year_is_taken_before_a_later_month_and_lengths_are_not_mixed() -> None:
    rows: list[Row] = [("RUS", "USA", "SITC:3", 1200)]
    months = flows([("RUS", "USA", "SITC:3", 100)], period="2022-04")
    both = simulate(scenario(EMBARGO), flows=[flows(rows), months], macro=gdp(SIZES))
    assert set(both.shock["period"]) == {"2021"}
    asked = simulate(scenario(EMBARGO), flows=[flows(rows), months], macro=gdp(SIZES), period="2022-04")
    assert asked.periods == {"goods": "2022-04"}
    services = flows([("USA", "RUS", "SERVICES", 5)], layer="services")
    with pytest.raises(ModelError, match="different length"):
        simulate(scenario(EMBARGO), flows=[months, services], macro=gdp(SIZES))


def test_periods_that_are_absent_or_later_are_refused() -> None:
    with pytest.raises(UsageError, match="no period 2019"):
        simulate(scenario(EMBARGO), flows=flows(WORLD), macro=gdp(SIZES), period="2019")
    with pytest.raises(UsageError, match="later than the scenario"):
        simulate(scenario(EMBARGO), flows=flows(WORLD, period="2023"), macro=gdp(SIZES), period="2023")
    with pytest.raises(ModelError, match="as early as the scenario"):
        simulate(scenario(EMBARGO), flows=flows(WORLD, period="2023"), macro=gdp(SIZES))


# ---- what is said -----------------------------------------------------------------------------------------------


def test_measures_that_match_nothing_are_named_and_all_of_them_is_an_error() -> None:
    some = run(EMBARGO, {"id": "steel", "kind": "import_ban", "items": ["HS:72"], "overlaps": ["m1"]})
    assert any("steel" in note and "matches no flow" in note and "HS17" in note for note in some.notes)
    with pytest.raises(ModelError, match="no measure matches"):
        run({"id": "steel", "kind": "import_ban", "items": ["HS:72"]})


def test_a_missing_gdp_gives_no_share_and_a_note() -> None:
    sizes = {k: v for k, v in SIZES.items() if k != "RUS"}
    result = run(sizes=sizes)
    assert cell(result.impacts, model="exposure", party="RUS", metric="loss_gdp")["value"] is None
    assert cell(result.impacts, model="substitution", horizon="long", party="RUS")["value"] > 0
    assert any("no GDP" in note and "RUS" in note for note in result.notes)


def test_a_party_absent_from_the_data_is_said() -> None:
    result = run(coalition=("USA", "NZL"))
    assert any("senders not in the flows: NZL" in note for note in result.notes)


def test_totals_beside_their_parts_are_left_out() -> None:
    result = run(rows=[*WORLD, ("USA", "RUS", "TOTAL", 120)])
    assert any("TOTAL (120 USD) are left out" in note for note in result.notes)
    assert cell(result.impacts, model="exposure", party="RUS", channel="imports")["value"] == 100


NESTED = [
    [("RUS", "USA", "HS17:27", 100.0), ("RUS", "USA", "HS17:2709", 100.0), ("RUS", "USA", "HS17:270900", 100.0)],
    [("RUS", "USA", "HS17:270900", 100.0), ("RUS", "USA", "HS22:270900", 100.0), ("RUS", "USA", "SITC:3", 100.0)],
]


@pytest.mark.parametrize("rows", NESTED)
def test_items_that_hold_each_other_are_refused(rows: list[Row]) -> None:
    with pytest.raises(UsageError, match="more than once") as caught:
        run({"kind": "import_ban"}, rows=rows)
    assert "layer goods" in str(caught.value)


def test_the_total_of_a_classification_gives_way_to_its_parts() -> None:
    result = run({"kind": "import_ban"}, rows=[("RUS", "USA", "HS17:TOTAL", 130), ("RUS", "USA", CRUDE, 100)])
    assert cell(result.impacts, model="exposure", party="RUS")["value"] == 100
    assert any("TOTAL (130 USD) are left out, their parts (100 USD)" in note for note in result.notes)


def test_the_same_flows_given_twice_are_refused() -> None:
    with pytest.raises(InputError, match="told again"):
        simulate(scenario(EMBARGO), flows=[flows(WORLD), flows(WORLD)], macro=gdp(SIZES))


def test_faults_of_flows_are_all_named_at_once() -> None:
    bad = flows(WORLD).with_columns(pl.lit("good").alias("layer"), pl.lit(None, pl.String).alias("origin"))
    with pytest.raises(InputError) as caught:
        simulate(scenario(EMBARGO), flows=bad)
    assert "layer: not one of" in str(caught.value)
    assert "origin: missing value" in str(caught.value)


def test_flows_that_would_make_every_number_wrong_are_refused() -> None:
    bad = flows(WORLD).with_columns(pl.lit("EUR").alias("unit"))
    with pytest.raises(InputError, match="EUR"):
        simulate(scenario(EMBARGO), flows=bad)
    with pytest.raises(InputError, match="negative"):
        simulate(scenario(EMBARGO), flows=flows(WORLD).with_columns(value=-pl.col("value")))


def test_models_are_chosen_by_name_and_need_their_input() -> None:
    only = simulate(scenario(EMBARGO), flows=flows(WORLD), macro=gdp(SIZES), models=["exposure"])
    assert set(only.impacts["model"]) == {"exposure", "humanitarian"}
    assert only.models == ("exposure",)
    for wrong, said in ((["exposur"], "exposure"), (["input_output"], "table"), ([], "cannot be run")):
        with pytest.raises(UsageError, match=said):
            simulate(scenario(EMBARGO), flows=flows(WORLD), models=wrong)
    with pytest.raises(UsageError, match="nothing to simulate on"):
        simulate(scenario(EMBARGO))
    assert set(MODELS) >= {"exposure", "substitution", "input_output"}


def test_the_weakest_basis_travels_and_every_input_is_named() -> None:
    result = simulate(scenario(EMBARGO), flows=flows(WORLD, basis="estimated"), macro=gdp(SIZES))
    exposure = result.impacts.filter(pl.col("model") == "exposure")
    assert set(exposure["basis"]) == {"estimated"}
    assert set(result.impacts.filter(pl.col("model") == "substitution")["basis"]) == {"assumed"}
    assert {i.name for i in result.inputs} == {"flows", "macro", "elasticities"}
    assert all(len(i.sha256) == 64 and i.bytes > 0 for i in result.inputs)
    assert {a.name for a in result.assumptions} >= {"over_compliance"}
    again = simulate(scenario(EMBARGO), flows=flows(WORLD, basis="estimated"), macro=gdp(SIZES))
    assert [i.sha256 for i in again.inputs] == [i.sha256 for i in result.inputs]
    assert again.impacts.equals(result.impacts)


@pytest.mark.parametrize(
    ("measure", "basis"),
    [
        ({"kind": "import_ban"}, "observed"),
        ({"kind": "quota", "allowed_share": 0.4}, "observed"),
        ({"kind": "import_ban", "share": 0.5}, "assumed"),
        ({"kind": "import_ban", "share": {"low": 0.1, "value": 0.5, "high": 0.9}}, "assumed"),
        ({"kind": "secondary", "third_parties": ["DEU"], "compliance": 1.0}, "assumed"),
        ({"kind": "messaging_disconnection", "trade_share": 0.3}, "assumed"),
    ],
)
def test_a_chosen_share_makes_the_answer_assumed(measure: dict[str, object], basis: str) -> None:
    result = run(measure)
    answer = result.impacts.filter((pl.col("model") == "exposure") & (pl.col("role") == "target"))
    assert set(answer.filter(pl.col("metric") == "loss")["basis"]) == {basis}
    assert set(answer.filter(pl.col("metric") == "baseline_value")["basis"]) == {"observed"}
    assert set(result.shock["basis"]) == {basis}


def test_a_result_says_what_was_asked_chosen_and_looked_up() -> None:
    import hashlib

    from weaponized_interdependence.settings import data_dir

    measures = (
        {"id": "q", "kind": "quota", "allowed_share": 0.4, "overlaps": ["d"]},
        {"id": "d", "kind": "tariff", "rate": 0.3, "overlaps": ["q"]},
    )
    result = simulate(scenario(*measures), flows=flows(WORLD), macro=gdp(SIZES), period="2021", models=["substitution"])
    unasked = dict.fromkeys(("horizons", "elasticities", "step", "draws"))
    assert result.options == {"period": "2021", "models": ["substitution"], "sensitivity": False, **unasked}
    assert result.periods == {"goods": "2021"}
    stated = {a.name: a.value for a in result.assumptions}
    assert (stated["q.allowed_share"], stated["d.rate"]) == (0.4, 0.3)
    paths = [r.path for r in result.references]
    assert {"reference/products/humanitarian.csv", "reference/groups/eu.csv", "reference/economies.csv"} <= set(paths)
    assert not [p for p in paths if "hs_" in p]  # no table: nothing is carried to sectors
    for file in result.references:
        assert hashlib.sha256((data_dir() / file.path).read_bytes()).hexdigest() == file.sha256
    beside = simulate(scenario(EMBARGO), flows=flows(WORLD), macro=gdp(SIZES), table=small_table())
    assert {"reference/hs_isic3.csv", "reference/wiod13_industries.csv"} <= {r.path for r in beside.references}
    assert beside.periods == {"goods": "2021", "table": "2020"}


def serialised(result: Result) -> bytes:
    sink = io.BytesIO()
    for frame in (result.impacts, result.shock):
        frame.write_ipc(sink)
    return sink.getvalue()


def test_the_same_input_gives_the_same_bytes_in_any_order_of_rows() -> None:
    sample = load_sample()
    text = scenario(EMBARGO, coalition=("USA", "DEU", "FRA", "GBR", "JPN"))

    def once(seed: int | None) -> bytes:
        frames = [sample.flows, sample.claims]
        if seed is not None:
            frames = [f.sample(fraction=1, shuffle=True, seed=seed) for f in frames]
        return serialised(simulate(text, flows=frames, table=sample.table, macro=sample.macro))

    first = once(None)
    for seed in (None, None, None, None, None, None, 1, 2, 3):
        assert once(seed) == first, seed


def test_flows_from_a_file_are_stamped(tmp_path: Path) -> None:
    path = tmp_path / "flows.parquet"
    flows(WORLD).write_parquet(path)
    result = simulate(scenario(EMBARGO), flows=path, macro=gdp(SIZES))
    stamped = next(i for i in result.inputs if i.name == "flows")
    assert (stamped.path, stamped.rows, stamped.periods) == (str(path), len(WORLD), ("2021",))


# ---- tables -----------------------------------------------------------------------------------------------------


def small_table(classification: str = "WIOD13", sectors: tuple[str, ...] = ("c2", "c14", "c28")) -> IOTable:
    rng = np.random.default_rng(4)
    economies = ("USA", "RUS", "CHN")
    n = len(economies) * len(sectors)
    z, y = rng.gamma(2, 1, (n, n)), rng.gamma(2, 30, (n, 3))
    x = z.sum(axis=1) + y.sum(axis=1)
    return IOTable(
        period="2020", economies=economies, sectors=sectors, demands=("f",), Z=z, Y=y, VA=x - z.sum(axis=0), x=x,
        other=np.zeros(n), classification=classification,
    )  # fmt: skip


def test_a_measure_that_names_sectors_reaches_the_table_directly() -> None:
    t = small_table()
    i = simulate(scenario({"kind": "import_ban", "items": ["WIOD13:c2"]}), table=t).impacts
    assert set(i["model"]) == {"equilibrium", "input_output", "dynamic"}
    assert set(i.filter(pl.col("model") == "equilibrium")["channel"]) == {"all"}
    i = i.filter(pl.col("model") == "input_output")
    assert set(i["channel"]) == {"extraction", "upstream", "downstream"}
    row = 3  # RUS_c2
    sold = t.Z[row, 0:3].sum() + t.Y[row, 0]
    output = cell(i, party="WORLD", channel="upstream", metric="output_loss")["value"]
    leontief = np.linalg.inv(np.eye(9) - t.A)
    assert output == pytest.approx(leontief[:, row].sum() * sold)
    assert cell(i, party="CHN", channel="extraction")["value"] > 0  # no substitution: third parties lose too


def test_a_measure_that_names_products_needs_product_flows() -> None:
    t = small_table()
    ban = scenario({"id": "oil", "kind": "import_ban", "items": ["HS:2709"]})
    with pytest.raises(ModelError, match="give HS flows beside the table"):
        simulate(ban, table=t)
    hs = flows([("RUS", "USA", CRUDE, 30), ("RUS", "USA", "HS17:260111", 70), ("USA", "RUS", CHIP, 5)], period="2020")
    through = simulate(ban, flows=hs, table=t, macro=gdp(SIZES)).impacts
    direct = simulate(
        scenario({"id": "oil", "kind": "import_ban", "items": ["WIOD13:c2"], "share": 0.3}), table=t
    ).impacts
    for channel in ("upstream", "extraction", "downstream"):
        got = cell(through, model="input_output", party="RUS", channel=channel)
        assert got["value"] == pytest.approx(cell(direct, party="RUS", channel=channel)["value"])
        assert got["basis"] == "estimated"


def test_measures_on_everything_and_on_a_sector_combine_on_the_table_as_on_flows() -> None:
    t = small_table()
    everything = {"id": "a", "kind": "import_ban", "share": 0.5, "overlaps": ["b"]}
    for items in (["WIOD13:c2"], ["HS:27", "WIOD13:c2"]):
        both = scenario(everything, {"id": "b", "kind": "import_ban", "items": items, "share": 0.5, "overlaps": ["a"]})
        for frame in (FLOWS.empty(), flows([("RUS", "USA", CRUDE, 1e9)], period="2020")):
            found = sector_shares(both, both.phase_list()[0], t, frame, parties_of(both)).shares
            share = dict(found.select("item", "value").iter_rows())
            assert share == pytest.approx({"WIOD13:c2": 0.75, "WIOD13:c14": 0.5, "WIOD13:c28": 0.5})
    # one measure that names a sector and a product in it says the same thing twice
    once = scenario({"id": "b", "kind": "import_ban", "items": ["HS:27", "WIOD13:c2"], "share": 0.5})
    hs = flows([("RUS", "USA", CRUDE, 1e9), ("RUS", "USA", "HS17:260111", 1e9)], period="2020")
    found = sector_shares(once, once.phase_list()[0], t, hs, parties_of(once)).shares
    assert found["value"].to_list() == pytest.approx([0.5])


def test_an_extract_of_products_speaks_only_for_what_it_shows() -> None:
    t = small_table()
    sold = float(t.Z[3, 0:3].sum() + t.Y[3, 0])  # RUS_c2 to the USA
    ban = scenario({"id": "oil", "kind": "import_ban", "items": ["HS:2709"]})
    only_crude = flows([("RUS", "USA", CRUDE, sold / 4)], period="2020")
    result = simulate(ban, flows=only_crude, table=t, macro=gdp(SIZES))
    quarter = scenario({"id": "oil", "kind": "import_ban", "items": ["WIOD13:c2"], "share": 0.25})
    got = cell(result.impacts, model="input_output", party="RUS", channel="extraction")["value"]
    expected = cell(simulate(quarter, table=t).impacts, party="RUS", channel="extraction")["value"]
    assert got == pytest.approx(expected)
    assert any("show 25%" in note for note in result.notes)


def test_products_carry_their_exemptions_into_the_table() -> None:
    t = small_table(sectors=("c9", "c14", "c28"))
    hs = flows([("USA", "RUS", DRUG, 60), ("USA", "RUS", "HS17:281410", 40), ("USA", "RUS", CHIP, 5)], period="2020")
    embargo = {"id": "all", "kind": "comprehensive_embargo"}
    with_list = simulate(scenario(embargo), flows=hs, table=t, macro=gdp(SIZES)).impacts
    without = simulate(scenario(embargo, humanitarian_exemption=False), flows=hs, table=t, macro=gdp(SIZES)).impacts
    losses = [
        cell(i, model="input_output", party="USA", channel="upstream", item="WIOD13:c9")["value"]
        for i in (with_list, without)
    ]
    assert 0 < losses[0] < losses[1]


def test_domestic_sales_of_the_same_year_and_items_soften_the_cut() -> None:
    t = small_table("SITC1S", ("3", "7", "SERVICES"))
    rows: list[Row] = [
        ("USA", "RUS", "SITC:7", 90),
        ("CHN", "RUS", "SITC:7", 10),
        ("RUS", "USA", "SITC:3", 50),
        ("CHN", "USA", "SITC:3", 50),
    ]
    frame = flows(rows, period="2020")
    text = scenario({"kind": "export_ban", "items": ["SITC:7"]})
    alone = simulate(text, flows=frame, macro=gdp(SIZES)).impacts
    beside = simulate(text, flows=frame, table=t, macro=gdp(SIZES))
    assert any("domestic sales" in note and "re-exports" in note for note in beside.notes)
    assert any("may show a gain" in note for note in beside.notes)
    lost = [
        cell(i, model="substitution", horizon="long", party="RUS", channel="imports")["value"]
        for i in (alone, beside.impacts)
    ]
    assert lost[1] < lost[0]


def test_a_table_later_than_the_scenario_is_refused() -> None:
    with pytest.raises(ModelError, match="later than the scenario"):
        simulate(scenario(EMBARGO, on=date(2019, 1, 1)), table=small_table())


# ---- panels -----------------------------------------------------------------------------------------------------


def test_three_panels_show_bands_and_basis_and_no_chance_of_success() -> None:
    result = run(coalition=("USA", "DEU"))
    shown = panels(result.impacts, result.scenario)
    assert list(shown) == [Panel.PRESSURE, Panel.COLLATERAL, Panel.THIRD_PARTIES]
    assert set(shown[Panel.PRESSURE]["party"]) == {"RUS"}
    assert {"COALITION", "DEU", "USA", "RUS"} == set(shown[Panel.COLLATERAL]["party"])
    humane = shown[Panel.COLLATERAL].filter(pl.col("party") == "RUS")["metric"]
    assert set(humane) == {Metric.HUMANITARIAN_BANNED_SHARE.value, Metric.HUMANITARIAN_EFFECTIVE_SHARE.value}
    assert {"THIRD_PARTIES", "WORLD", "CHN", "SAU"} <= set(shown[Panel.THIRD_PARTIES]["party"])
    for frame in shown.values():
        assert {"value", "low", "high", "unit", "basis"} <= set(frame.columns)
        assert frame["basis"].null_count() == 0
    said = panels_as_json(shown)
    assert "No probability of success" in said["limits"][0]
    assert any("each market by itself" in text for text in limits(["substitution"]))


def test_panels_show_the_worst_and_the_best_off() -> None:
    result = run({"kind": "import_ban", "items": ["HS:2709"]}, coalition=("USA", "DEU"))
    third = panels(result.impacts, result.scenario, most=1)[Panel.THIRD_PARTIES]
    each = third.filter(
        ~pl.col("party").is_in(["THIRD_PARTIES", "WORLD"])
        & (pl.col("horizon") == "long")
        & (pl.col("metric") == "loss")
    )
    assert each["value"].to_list()[-1] < 0
