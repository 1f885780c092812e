"""Models beside one another, on impacts written by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from simulation_support import scenario

from weaponized_interdependence.assessment.side_by_side import as_json, disagreement, side_by_side, top_sectors
from weaponized_interdependence.cli import beside, panels
from weaponized_interdependence.schemas import IMPACTS, SENSITIVITY
from weaponized_interdependence.simulation.models import MODELS

SCENARIO = scenario({"kind": "comprehensive_embargo"}, on=date(2022, 1, 1))


def row(model: str, value: float | None, **change: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "scenario": "test", "phase": "all", "model": model, "horizon": "none", "role": "target", "party": "RUS",
        "channel": "all", "item": "ALL", "metric": "loss_gdp", "value": value, "unit": "share", "basis": "estimated",
        "low": None if value is None else value / 2, "high": None if value is None else value * 2,
    }  # fmt: skip
    return made | change


def impacts(*rows: dict[str, Any]) -> pl.DataFrame:
    return IMPACTS.conform(pl.DataFrame(list(rows), infer_schema_length=None))


@pytest.fixture
def several() -> pl.DataFrame:
    return impacts(
        row("exposure", 0.9),
        row("substitution", 0.04, horizon="short"),
        row("substitution", 0.02, horizon="long"),
        row("equilibrium", 0.05, horizon="short"),
        row("equilibrium", 0.03, horizon="medium"),
        row("equilibrium", 0.01, horizon="long"),
        row("input_output", 0.06, channel="extraction"),
        row("input_output", 0.002, channel="downstream"),
        row("equilibrium", -0.01, horizon="long", party="THIRD_PARTIES", role="third_party"),
        row("equilibrium", 0.5, horizon="long", party="CHN", role="third_party"),
        row("exposure", 0.7, channel="claims"),
        row("equilibrium", 1e9, horizon="long", metric="loss", unit="USD"),
    )


def test_every_answer_stands_with_what_its_model_assumes(several: pl.DataFrame) -> None:
    shown = side_by_side(several, SCENARIO)
    assert shown["party"].unique(maintain_order=True).to_list() == ["RUS", "THIRD_PARTIES"]  # no single third party
    assert set(shown["metric"]) == {"loss_gdp"}
    assert not shown.filter(pl.col("channel") == "claims").height  # a stock is no loss of income
    assert all(MODELS[m].assumes == a for m, a in shown.select("model", "assumes").iter_rows())
    assert shown.filter((pl.col("party") == "RUS") & (pl.col("model") == "equilibrium"))["value"].to_list() == [
        0.05,
        0.03,
        0.01,
    ]


def test_the_range_between_models_is_named_and_holds_all_bands(several: pl.DataFrame) -> None:
    apart = disagreement(side_by_side(several, SCENARIO))
    found = {r["horizon"]: r for r in apart.to_dicts()}
    assert list(found) == ["short", "medium", "long"]
    short = found["short"]
    assert (short["least"], short["least_model"]) == (0.002, "input_output, downstream")
    assert (short["most"], short["most_model"]) == (0.06, "input_output, extraction")
    assert (short["low"], short["high"]) == (0.001, 0.12)
    assert found["medium"]["models"] == 2  # those without time stand beside every horizon
    assert set(apart["party"]) == {"RUS"}  # one model alone cannot disagree
    assert not {"exposure"} & {r["most_model"] for r in found.values()}  # what stops is not what is lost


def test_models_without_time_are_compared_by_themselves() -> None:
    apart = disagreement(
        side_by_side(impacts(row("input_output", 0.1, channel="upstream"), row("bottleneck", 0.3)), SCENARIO)
    )
    assert apart.select("horizon", "least", "most").rows() == [("none", 0.1, 0.3)]
    assert disagreement(side_by_side(impacts(row("equilibrium", None)), SCENARIO)).is_empty()
    assert disagreement(side_by_side(IMPACTS.empty(), SCENARIO)).is_empty()


def test_one_line_for_horizons_that_disagree_alike(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("input_output", 0.1, channel="upstream"), row("bottleneck", 0.3)]
    rows += [row("equilibrium", v, horizon=h) for h, v in (("short", 0.9), ("medium", 0.2), ("long", 0.15))]
    beside.side_by_side(impacts(*rows), SCENARIO, "all", set(), {})
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("models disagree") == 2
    assert "short: models disagree, 10.0 (input-output, upstream) to 90.0 (equilibrium)" in said
    assert "medium, long: models disagree, 10.0 (input-output, upstream) to 30.0 (bottleneck)" in said


def test_who_is_not_in_the_data_of_a_model_is_no_zero_there(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("input_output", 0.1), row("bottleneck", 0.3), row("substitution", 0.0, horizon="short")]
    beside.side_by_side(impacts(*rows), SCENARIO, "all", {("substitution", "RUS")}, {})
    said = " ".join(capsys.readouterr().out.split())
    assert "models disagree, 10.0 (input-output) to 30.0 (bottleneck)" in said
    assert "(substitution)" not in said


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((1.0, 2.0, 3.0), ""),
        ((1.0, 2.0, None), "n/d: at an end without bound, because"),
        ((None, None, None), "n/d: not defined, because"),
    ],
)
def test_a_ratio_without_bound_is_said_once(
    ends: tuple[float | None, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row("equilibrium", 0.1), row("equilibrium", None, metric="loss_ratio", unit="ratio")]
    rows[1] |= dict(zip(("low", "value", "high"), ends, strict=True))
    panels.pressure(rows, (1.0, "USD"))
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("n/d:") == bool(said)
    assert said in told


def test_lists_are_of_equilibrium_at_its_longest_horizon() -> None:
    both = [row("exposure", 0.9), row("substitution", 0.1, horizon="short"), row("substitution", 0.1, horizon="long")]
    assert beside.reference(both) == ("substitution", "short", "all")
    full = [row("equilibrium", 0.1, horizon=h) for h in ("medium", "long", "short")]
    assert beside.reference([*both, *full]) == ("equilibrium", "long", "all")
    assert beside.reference([row("exposure", 0.9), row("input_output", 0.1)]) == ("exposure", "none", "all")
    assert beside.reference([]) is None


@pytest.mark.parametrize(("low", "said"), [(0.1, False), (-0.2, True)])
def test_an_interval_beyond_a_share_is_explained(low: float, said: bool, capsys: pytest.CaptureFixture[str]) -> None:
    one = {
        "scenario": "test", "phase": "all", "model": "equilibrium", "horizon": "long", "party": "RUS",
        "metric": "loss_gdp", "assumption": "theta", "first": 0.5, "first_low": low, "first_high": 0.9, "total": 0.6,
        "total_low": 0.2, "total_high": 0.95, "basis": "assumed",
    }  # fmt: skip
    beside.moved_by(SENSITIVITY.conform(pl.DataFrame([one])), "all")
    assert ("sampling error" in capsys.readouterr().out) == said


def test_sectors_that_lose_most_come_first_and_gainers_not_at_all() -> None:
    at = {"metric": "output_loss", "unit": "USD", "horizon": "long"}
    frame = impacts(
        row("equilibrium", 5.0, item="WIOD13:c2", **at),
        row("equilibrium", 9.0, item="WIOD13:c14", **at),
        row("equilibrium", -3.0, item="WIOD13:c1", **at),
        row("equilibrium", 7.0, item="WIOD13:c28", **at),
        row("equilibrium", 11.0, **at),
        row("equilibrium", 0.25, item="WIOD13:c14", metric="output_loss_share", horizon="long"),
        row("equilibrium", 99.0, item="WIOD13:c2", party="COALITION", role="coalition", **at),
    )
    top = top_sectors(frame, SCENARIO, most=2)
    assert top.select("party", "item", "value", "share").rows() == [
        ("RUS", "WIOD13:c14", 9.0, 0.25),
        ("RUS", "WIOD13:c28", 7.0, None),
        ("COALITION", "WIOD13:c2", 99.0, None),
    ]
    assert set(as_json(frame, SCENARIO)) == {"side_by_side", "disagreement", "top_sectors"}
