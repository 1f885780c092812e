"""From the text of a scenario to shares of flows: every kind of measure, exemptions, editions, what matches nothing."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_support import Row, flows, scenario

from weaponized_interdependence.scenario import Scenario
from weaponized_interdependence.simulation.shock import SHOCK, Shock, build_shock, humanitarian_imports, parties_of

CRUDE, CHIP, DRUG = "HS17:270900", "HS17:854231", "HS17:300490"
WORLD: list[Row] = [
    ("USA", "RUS", CHIP, 100), ("USA", "RUS", DRUG, 20), ("DEU", "RUS", CHIP, 300), ("RUS", "USA", CRUDE, 50),
    ("RUS", "DEU", CRUDE, 500), ("RUS", "CHN", CRUDE, 400), ("CHN", "RUS", CHIP, 200), ("USA", "DEU", CHIP, 70),
]  # fmt: skip
CLAIMS: list[Row] = [("RUS", "USA", "ALL", 30), ("USA", "RUS", "ALL", 40), ("RUS", "CHN", "ALL", 5)]


def shock_of(text: Scenario, frame: pl.DataFrame | None = None) -> Shock:
    if frame is None:
        frame = pl.concat([flows(WORLD), flows(CLAIMS, layer="claims")])
    made = build_shock(text, text.phase_list()[0], frame, parties_of(text))
    SHOCK.conform(made.table)
    return made


def stopped(shock: Shock, column: str = "denied") -> dict[tuple[str, str, str], float]:
    rows = shock.table.filter(pl.col(column) > 0)
    return {(o, d, i): s for o, d, i, s in rows.select("origin", "destination", "item", column).iter_rows()}


# ---- kinds ------------------------------------------------------------------------------------------------------


def test_an_embargo_stops_both_directions_on_every_layer_and_nobody_elses() -> None:
    found = stopped(shock_of(scenario({"kind": "comprehensive_embargo"}, humanitarian_exemption=False)))
    assert found == dict.fromkeys(
        [
            ("USA", "RUS", CHIP),
            ("USA", "RUS", DRUG),
            ("RUS", "USA", CRUDE),
            ("RUS", "USA", "ALL"),
            ("USA", "RUS", "ALL"),
        ],
        1.0,
    )


def test_bans_have_a_direction() -> None:
    export = stopped(shock_of(scenario({"kind": "export_ban", "items": ["HS:8542"]})))
    assert export == {("USA", "RUS", CHIP): 1.0}
    imported = stopped(shock_of(scenario({"kind": "import_ban", "items": ["HS:2709"]})))
    assert imported == {("RUS", "USA", CRUDE): 1.0}


def test_an_export_control_refuses_a_share_and_says_what_it_does_not_reach() -> None:
    made = shock_of(scenario({"kind": "export_control", "items": ["HS:8542"], "share": 0.6}))
    assert stopped(made) == {("USA", "RUS", CHIP): pytest.approx(0.6)}
    assert any("foreign-made" in note for note in made.notes)


def test_a_quota_lets_in_what_it_allows_and_a_tariff_denies_nothing() -> None:
    quota = stopped(shock_of(scenario({"kind": "quota", "items": ["HS:27"], "allowed_share": 0.3})))
    assert quota == {("RUS", "USA", CRUDE): pytest.approx(0.7)}
    tariff = shock_of(scenario({"kind": "tariff", "items": ["HS:27"], "rate": 0.25}))
    assert stopped(tariff) == {}
    assert stopped(tariff, "tariff") == {("RUS", "USA", CRUDE): 0.25}


def test_a_freeze_holds_what_the_target_owns_and_an_investment_ban_what_it_borrows() -> None:
    assert stopped(shock_of(scenario({"kind": "asset_freeze"}))) == {("RUS", "USA", "ALL"): 1.0}
    assert stopped(shock_of(scenario({"kind": "investment_ban"}))) == {("USA", "RUS", "ALL"): 1.0}


def test_payment_denial_reaches_trade_only_by_a_stated_share() -> None:
    silent = shock_of(scenario({"kind": "messaging_disconnection"}))
    assert {key[2] for key in stopped(silent)} == {"ALL"}
    assert any("trade_share" in note for note in silent.notes)
    said = shock_of(scenario({"kind": "messaging_disconnection", "trade_share": 0.3}))
    assert stopped(said)["USA", "RUS", CHIP] == pytest.approx(0.3)
    assert stopped(said)["RUS", "USA", CRUDE] == pytest.approx(0.3)
    assert ("CHN", "RUS", CHIP) not in stopped(said)


def test_a_secondary_measure_stops_what_the_threatened_stop() -> None:
    band = {"low": 0.1, "value": 0.3, "high": 0.6}
    made = shock_of(scenario({"kind": "secondary", "third_parties": ["CHN"], "compliance": band}))
    assert stopped(made) == {("CHN", "RUS", CHIP): pytest.approx(0.3), ("RUS", "CHN", CRUDE): pytest.approx(0.3)}
    row = made.table.filter(pl.col("item") == CRUDE).row(0, named=True)
    assert (row["denied_low"], row["denied_high"]) == (pytest.approx(0.1), pytest.approx(0.6))
    assert (row["origin_role"], row["destination_role"]) == ("target", "third_party")


def test_only_the_named_senders_apply_a_measure() -> None:
    text = scenario({"kind": "export_ban", "items": ["HS:85"], "senders": ["DEU"]}, coalition=["USA", "DEU"])
    assert stopped(shock_of(text)) == {("DEU", "RUS", CHIP): 1.0}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_shares_combine_as_what_is_left_of_what_is_left(shares: list[float]) -> None:
    names = [f"m{n + 1}" for n in range(len(shares))]
    measures = [
        {"kind": "export_ban", "items": ["HS:8542"], "share": s, "overlaps": [x for x in names if x != names[n]]}
        for n, s in enumerate(shares)
    ]
    made = shock_of(scenario(*measures))
    left = 1.0
    for s in shares:
        left *= 1 - s
    row = made.table.filter(pl.col("item") == CHIP).row(0, named=True)
    assert row["denied"] == pytest.approx(1 - left)
    assert row["measures"] == ",".join(names)


# ---- exemptions -------------------------------------------------------------------------------------------------


def test_humanitarian_goods_pass_in_law_and_stop_in_part_in_fact() -> None:
    made = shock_of(scenario({"kind": "comprehensive_embargo"}))
    drug = made.table.filter(pl.col("item") == DRUG).row(0, named=True)
    assert (drug["denied"], drug["exempt"], drug["humanitarian"]) == (0, 1, True)
    assert [drug[c] for c in ("effective_low", "effective", "effective_high")] == [0, 0.25, 0.5]
    off = shock_of(scenario({"kind": "comprehensive_embargo"}, humanitarian_exemption=False))
    assert stopped(off)["USA", "RUS", DRUG] == 1


def test_payment_denial_stops_exempt_goods_too_in_fact() -> None:
    bank = {"kind": "correspondent_denial", "trade_share": 0.4}
    made = shock_of(scenario(bank, assumptions={"over_compliance": 0.5}))
    drug = made.table.filter(pl.col("item") == DRUG).row(0, named=True)
    assert drug["denied"] == 0
    assert drug["effective"] == pytest.approx(1 - (1 - 0.4) * (1 - 0.5))


def test_an_untouched_flow_is_not_chilled() -> None:
    made = shock_of(scenario({"kind": "import_ban", "items": ["HS:27"]}))
    assert DRUG not in made.table["item"].to_list()


def test_explicit_exemptions_narrow_by_item_party_and_share() -> None:
    text = scenario(
        {"kind": "import_ban", "items": ["HS:27"]},
        coalition=["USA", "DEU"],
        exemptions=[{"items": ["HS:2709"], "parties": ["DEU"], "share": 0.4, "note": "pipeline"}],
    )
    assert stopped(shock_of(text)) == {("RUS", "USA", CRUDE): 1.0, ("RUS", "DEU", CRUDE): pytest.approx(0.6)}


def test_an_exemption_that_fits_nothing_is_said() -> None:
    text = scenario({"kind": "import_ban", "items": ["HS:27"]}, exemptions=[{"items": ["HS:10"]}])
    assert any("exemption 1 matches no flow" in note for note in shock_of(text).notes)


def test_sections_cannot_be_looked_up_and_that_is_said() -> None:
    frame = flows([("USA", "RUS", "SITC:5", 10), ("RUS", "USA", "SITC:3", 5)])
    made = shock_of(scenario({"kind": "comprehensive_embargo"}), frame)
    assert stopped(made) == {("USA", "RUS", "SITC:5"): 1.0, ("RUS", "USA", "SITC:3"): 1.0}
    assert made.table["humanitarian"].null_count() == 2
    assert any("humanitarian" in note and "nothing is exempted" in note for note in made.notes)


def test_another_edition_of_a_list_is_reported() -> None:
    frame = flows([("USA", "RUS", "HS92:854211", 10), ("USA", "RUS", "HS92:300490", 10)])
    made = shock_of(scenario({"kind": "export_ban", "lists": ["common_high_priority"]}), frame)
    assert any("HS22" in note and "HS92" in note for note in made.notes)


# ---- what matches nothing ---------------------------------------------------------------------------------------


def test_a_measure_that_matches_nothing_is_named() -> None:
    made = shock_of(scenario({"kind": "import_ban", "items": ["SITC:3"]}, {"kind": "export_ban", "items": ["HS:85"]}))
    assert made.unmatched == ("m1",)
    assert any("m1" in note and "SITC:3" in note and "HS17" in note for note in made.notes)


def test_an_item_of_another_edition_is_not_taken_for_the_same() -> None:
    made = shock_of(scenario({"kind": "export_ban", "items": ["HS22:854231"]}))
    assert made.unmatched == ("m1",)
    assert any("HS22" in note and "HS17" in note for note in made.notes)


def test_inputs_stand_in_for_trade_only_where_there_is_none() -> None:
    inputs = flows([("USA", "RUS", "WIOD13:c14", 9)], layer="inputs")
    text = scenario({"kind": "export_ban"})
    assert stopped(shock_of(text, inputs)) == {("USA", "RUS", "WIOD13:c14"): 1.0}
    both = shock_of(text, pl.concat([inputs, flows(WORLD)]))
    assert "WIOD13:c14" not in both.table["item"].to_list()


def test_repeated_rows_count_together_once() -> None:
    twice = pl.concat([flows(WORLD), flows(WORLD)])
    made = shock_of(scenario({"kind": "export_ban", "items": ["HS:85"]}), twice)
    assert made.table.filter(pl.col("item") == CHIP)["value"].to_list() == [200]


def test_the_base_of_the_humanitarian_shares_is_everyones_sales() -> None:
    text = scenario({"kind": "comprehensive_embargo"})
    frame = flows([*WORLD, ("CHN", "RUS", DRUG, 60), ("RUS", "CHN", DRUG, 1)])
    assert humanitarian_imports(frame, parties_of(text))["value"].sum() == 80
