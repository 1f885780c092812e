"""The `equilibrium` model of `wi simulate`: from measures to arrays, and from the solution to impacts."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq
from simulation_support import cell, flows, gdp, scenario

from weaponized_interdependence.errors import ModelError, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.runs import read_run, write_run
from weaponized_interdependence.simulation.elasticities import load
from weaponized_interdependence.simulation.equilibrium import solve
from weaponized_interdependence.simulation.general_equilibrium import (
    World,
    counterfactual_of,
    equilibrium,
    output_lost,
    world_of,
)
from weaponized_interdependence.simulation.sectors import SectorShares, sector_shares, table_flows
from weaponized_interdependence.simulation.shock import parties_of
from weaponized_interdependence.simulation.simulate import Result, simulate
from weaponized_interdependence.sources.registry import read

ON = date(2021, 1, 1)


def made(
    economies: tuple[str, ...] = ("USA", "RUS", "CHN"), sectors: tuple[str, ...] = ("c2", "c14", "c28"), seed: int = 4
) -> IOTable:
    """A table whose industries sell mostly at home."""
    rng = np.random.default_rng(seed)
    n, j = len(economies), len(sectors)
    home = np.kron(np.eye(n), np.ones((j, j)))
    z = rng.gamma(2, 1, (n * j, n * j)) * (1 + 9 * home)
    y = rng.gamma(2, 10, (n * j, n)) * (1 + 9 * np.kron(np.eye(n), np.ones((j, 1))))
    x = z.sum(axis=1) + y.sum(axis=1)
    return IOTable(
        period="2020", economies=economies, sectors=sectors, demands=("f",), Z=z, Y=y, VA=x - z.sum(axis=0), x=x,
        other=np.zeros(n * j), classification="WIOD13",
    )  # fmt: skip


@pytest.fixture(scope="module")
def small() -> IOTable:
    return made()


@pytest.fixture(scope="module")
def world(small: IOTable) -> World:
    return world_of(small, load())


def run(table: IOTable, *measures: dict[str, Any], **more: Any) -> Result:
    """Without draws: what a test holds against a closed form are the corners."""
    with_table: dict[str, Any] = {"models": ["equilibrium"], "draws": 0}
    with_table |= {k: more.pop(k) for k in ("models", "horizons", "flows", "macro") if k in more}
    return simulate(scenario(*measures, on=ON, **more), table=table, **with_table)


def cells_of(table: IOTable, measure: dict[str, Any], **more: Any) -> SectorShares:
    text = scenario(measure, on=ON, **more)
    return sector_shares(text, text.phase_list()[0], table, flows([]), parties_of(text))


# ---- measures as arrays -----------------------------------------------------------------------------------------


def test_a_ban_stands_where_the_buyer_and_the_seller_are(small: IOTable, world: World) -> None:
    theta = world.thetas("long")
    exports = counterfactual_of(cells_of(small, {"kind": "export_ban", "items": ["WIOD13:c14"]}), small, theta)
    assert exports.banned is not None
    # axes are sector, importer, exporter: Russia (1) may not buy c14 (1) from the USA (0)
    assert np.argwhere(exports.banned).tolist() == [[1, 1, 0]]
    imports = counterfactual_of(cells_of(small, {"kind": "import_ban", "items": ["WIOD13:c2"]}), small, theta)
    assert imports.banned is not None
    assert np.argwhere(imports.banned).tolist() == [[0, 0, 1]]
    assert exports.cost_change is exports.tariff is None


def test_a_part_of_a_sector_is_a_cost_at_its_theta(small: IOTable, world: World) -> None:
    band = {"low": 0.2, "value": 0.5, "high": 1.0}
    cells = cells_of(small, {"kind": "export_ban", "items": ["WIOD13:c14"], "share": band})
    theta = world.thetas("long")
    half = counterfactual_of(cells, small, theta)
    assert half.cost_change is not None
    assert half.banned is None
    assert half.cost_change[1, 1, 0] == pytest.approx(0.5 ** (-1 / theta[1]))
    assert (half.cost_change != 1).sum() == 1
    whole = counterfactual_of(cells, small, theta, case="high")
    assert whole.cost_change is None
    assert whole.banned is not None
    assert whole.banned.sum() == 1


def test_members_are_taken_one_by_one(small: IOTable, world: World) -> None:
    cells = cells_of(small, {"kind": "comprehensive_embargo"}, coalition=("USA", "CHN"), humanitarian_exemption=False)
    theta = world.thetas("long")
    every = counterfactual_of(cells, small, theta).banned
    each = [counterfactual_of(cells, small, theta, members=[m], target=["RUS"]).banned for m in ("USA", "CHN")]
    assert every is not None
    assert each[0] is not None
    assert each[1] is not None
    assert (each[0] | each[1]).tolist() == every.tolist()
    assert not (each[0] & each[1]).any()
    assert counterfactual_of(cells, small, theta, members=[], target=["RUS"]).banned is None


def test_duties_reach_the_table_as_their_mean_over_products(small: IOTable) -> None:
    tariff = {"kind": "tariff", "items": ["HS:2709"], "rate": 0.3}
    hs = flows([("RUS", "USA", "HS17:270900", 40e9), ("RUS", "USA", "HS17:260111", 60e9)], period="2020")
    text = scenario(tariff, on=ON)
    found = sector_shares(text, text.phase_list()[0], small, hs, parties_of(text)).duties
    assert found.select("origin", "destination", "item").rows() == [("RUS", "USA", "WIOD13:c2")]
    assert found["tariff"].item() == pytest.approx(0.4 * 0.3)
    whole = cells_of(small, {"kind": "tariff", "items": ["WIOD13:c2"], "rate": 0.3}).duties
    assert whole["tariff"].to_list() == [0.3]


@pytest.mark.parametrize(("banned", "shown", "left"), [(0.7, 1.0, 0.5), (0.2, 1.0, 0.1875), (0.7, 0.5, 0.5 * 3 / 13)])
def test_a_duty_is_paid_on_what_is_not_banned(small: IOTable, banned: float, shown: float, left: float) -> None:
    """Half of the price on c2 goods worth 0.3 of the flows; of the others a part is banned, or all."""
    at = table_flows(small).filter(origin="RUS", destination="USA", item="WIOD13:c2")["value"].item() * shown
    rows = [("270900", 0.3), ("260111", banned), ("260300", 0.7 - banned)]
    hs = flows([("RUS", "USA", f"HS17:{c}", at * part) for c, part in rows if part > 1e-9], period="2020")
    duty = {"kind": "tariff", "items": ["HS:2709"], "rate": 0.5}
    ban = {"kind": "import_ban", "items": ["HS:2601"]}
    text = scenario(duty, ban, on=ON)
    found = sector_shares(text, text.phase_list()[0], small, hs, parties_of(text))
    assert found.shares["value"].item() == pytest.approx(banned * shown)
    assert found.duties["tariff"].item() == pytest.approx(left)


def test_horizons_take_their_thetas(world: World) -> None:
    set_ = load()
    items = pl.Series(["WIOD13:c2", "WIOD13:c14", "WIOD13:c28"])
    for horizon in ("short", "long"):
        sigma = set_.of(items, horizon)
        ordered = {row[0]: row[1] for row in sigma.select("item", "sigma").iter_rows()}
        assert world.thetas(horizon) == pytest.approx([ordered[i] - 1 for i in items])
    for case in ("low", "value", "high"):
        between = np.sqrt(world.thetas("short", case) * world.thetas("long", case))
        assert world.thetas("medium", case) == pytest.approx(between)
        assert (world.thetas("short", "low") >= world.thetas("short", "high")).all()  # a low loss has a high theta
    assert set(world.theta["medium"]["basis"]) == {"assumed"}


# ---- answers ----------------------------------------------------------------------------------------------------


def test_an_embargo_by_everyone_is_autarky_in_closed_form(small: IOTable, world: World) -> None:
    result = run(
        small, {"kind": "comprehensive_embargo"}, coalition=("USA", "CHN"), humanitarian_exemption=False
    ).impacts
    base, n = world.base, 1
    inputs = base.input_share[:, :, n]  # [input, user]
    weights = np.linalg.solve((np.eye(3) - inputs.T).T, base.consumption_share[:, n])
    for horizon in ("short", "medium", "long"):
        row = cell(result, horizon=horizon, party="RUS", metric="real_income_loss")
        for case in ("low", "value", "high"):
            theta = world.thetas(horizon, case)
            # home shares go to one: ln W = -alpha' (I - Gamma')^-1 ln(1 / home) / theta
            gain = weights @ (np.log(1 / base.share[:, n, n]) / theta)
            assert row[case] == pytest.approx(1 - np.exp(-gain), rel=1e-6)


def test_one_sector_against_a_plain_root_search() -> None:
    # Two economies, one sector, no inputs: balanced trade leaves one unknown, the wage of the one over the other.
    y = np.array([[70.0, 30.0], [30.0, 170.0]])
    table = IOTable(
        period="2020", economies=("USA", "RUS"), sectors=("c2",), demands=("f",), Z=np.zeros((2, 2)), Y=y,
        VA=y.sum(axis=1), x=y.sum(axis=1), other=np.zeros(2), classification="WIOD13",
    )  # fmt: skip
    ban = {"kind": "import_ban", "items": ["WIOD13:c2"], "share": 0.6}
    result = run(table, ban, horizons=["long"]).impacts
    theta = float(world_of(table, load()).thetas("long")[0])
    share = y / y.sum(axis=0)  # column n buys from row i
    cost = np.ones((2, 2))
    cost[1, 0] = 0.4 ** (-1 / theta)  # the USA buys from Russia

    def new_shares(w: float) -> tuple[np.ndarray, np.ndarray]:
        terms = share * (np.array([[1.0], [w]]) * cost) ** -theta
        return terms / terms.sum(axis=0), terms.sum(axis=0) ** (-1 / theta)

    added = y.sum(axis=1)

    def gap(w: float) -> float:
        income = added * np.array([1.0, w])
        shares = new_shares(w)[0]
        return float(shares[1, 0] * income[0] - shares[0, 1] * income[1])

    w = brentq(gap, 0.1, 10, xtol=1e-14)
    real = np.array([1.0, w]) / new_shares(w)[1]
    for party, hat in zip(("USA", "RUS"), real, strict=True):
        assert cell(result, party=party, metric="real_income_loss")["value"] == pytest.approx(1 - hat, abs=1e-8)
    assert 1 - real[1] > 0


def test_losses_add_up_and_bands_are_in_order(small: IOTable) -> None:
    band = {"low": 0.3, "value": 0.5, "high": 0.8}
    i = run(small, {"kind": "export_ban", "items": ["WIOD13:c14"], "share": band}).impacts
    assert (i["low"] <= i["value"] + 1e-15).all()
    assert (i["value"] <= i["high"] + 1e-15).all()
    money = i.filter((pl.col("metric") == "loss") & (pl.col("horizon") == "medium"))
    by = dict(money.select("party", "value").iter_rows())
    assert by["WORLD"] == pytest.approx(by["USA"] + by["RUS"] + by["CHN"])
    assert by["COALITION"] == pytest.approx(by["USA"])
    income = small.VA.reshape(3, 3).sum(axis=1)
    share = cell(i, horizon="medium", party="RUS", metric="real_income_loss")["value"]
    assert by["RUS"] == pytest.approx(share * income[1], rel=1e-6)
    assert cell(i, horizon="medium", party="RUS", metric="loss_gdp")["value"] == pytest.approx(share, rel=1e-6)
    # shares of one economy are in no sum over economies
    alone = i.filter(pl.col("metric").is_in(["real_wage_loss", "price_index_change", "output_loss_share"]))
    assert set(alone["party"]) == {"USA", "RUS", "CHN"}
    assert set(i["unit"].unique()) == {"USD", "share", "ratio"}
    assert set(i.filter(pl.col("metric") == "price_index_change")["unit"]) == {"share"}


def test_the_shorter_the_horizon_the_larger_the_loss_of_the_target(small: IOTable) -> None:
    i = run(small, {"kind": "comprehensive_embargo"}, humanitarian_exemption=False).impacts
    lost = [cell(i, horizon=h, party="RUS", metric="loss_gdp")["value"] for h in ("short", "medium", "long")]
    assert lost == sorted(lost, reverse=True)
    assert set(i.filter(pl.col("horizon") != "long")["basis"]) == {"assumed"}
    assert set(i.filter(pl.col("horizon") == "long")["basis"]) == {"estimated"}


def test_output_without_a_measure_is_what_the_table_says(small: IOTable, world: World) -> None:
    nothing = counterfactual_of(cells_of(small, {"kind": "tariff", "rate": 0.0}), small, world.thetas("long"))
    lost = output_lost(world, nothing, solve(world.base))
    assert np.abs(lost).max() < 1e-7 * small.x.max()
    # trade is balanced first, so output differs from the table's; in sum it stays near
    assert world.output.sum() == pytest.approx(small.x.sum(), rel=0.01)


def test_a_quota_is_a_ceiling_whose_rent_the_importer_takes(small: IOTable) -> None:
    def lost(party: str, measure: dict[str, Any]) -> float:
        i = run(small, measure, horizons=["long"]).impacts
        return float(cell(i, party=party, metric="loss_gdp")["value"])

    items = ["WIOD13:c2"]
    quota = {"kind": "quota", "items": items, "allowed_share": 0.5}
    half = {"kind": "import_ban", "items": items, "share": 0.5}
    none = {"kind": "quota", "items": items, "allowed_share": 0.0}
    ban = {"kind": "import_ban", "items": items}
    assert lost("RUS", none) == pytest.approx(lost("RUS", ban), rel=1e-9)
    assert lost("USA", quota) < lost("USA", half)  # the rent is not wasted
    assert 0 < lost("RUS", quota) < lost("RUS", ban)
    result = run(small, quota, horizons=["long"])
    assert any("ceiling on the quantity" in note for note in result.notes)


@pytest.mark.parametrize(("models", "metric"), [(["equilibrium"], "loss"), (["terms_of_trade"], "terms_of_trade_loss")])
def test_a_quota_brings_its_basis(small: IOTable, models: list[str], metric: str) -> None:
    quota = {"kind": "quota", "items": ["WIOD13:c2"], "allowed_share": 0.5}
    let_through = [{"items": ["WIOD13:c2"], "share": 0.5}]  # how much of what is exempt passes is chosen
    plain = run(small, quota, horizons=["long"], models=models).impacts
    chosen = run(small, quota, horizons=["long"], models=models, exemptions=let_through).impacts
    assert cell(plain, party="RUS", metric=metric)["basis"] == "estimated"
    assert cell(chosen, party="RUS", metric=metric)["basis"] == "assumed"


def test_a_tariff_alone_reaches_the_equilibrium_and_not_the_chains(small: IOTable) -> None:
    duty = {"kind": "tariff", "rate": 0.25}
    result = run(small, duty, models=["equilibrium", "input_output", "dynamic"])
    assert result.models == ("equilibrium",)
    assert cell(result.impacts, horizon="long", party="RUS", metric="loss_gdp")["value"] > 0
    for model in ("input_output", "dynamic"):
        assert any(f"{model}: the measures stop no delivery" in note for note in result.notes)
        with pytest.raises(ModelError, match="the models asked for have no answer to its measures") as refused:
            run(small, duty, models=[model])
        assert any(f"{model}: the measures stop no delivery" in fault.what for fault in refused.value.faults)


def test_a_sector_that_nobody_there_sells_is_named_all_the_same(small: IOTable) -> None:
    named = {"kind": "export_ban", "items": ["WIOD13:c14"], "senders": ["NZL"]}
    ban = {"kind": "import_ban", "items": ["WIOD13:c2"], "senders": ["USA"]}
    result = run(small, ban, named, models=["input_output"], coalition=("USA", "NZL"))
    assert not any("names no sector" in note for note in result.notes)
    assert any("not in the input-output table: NZL" in note for note in result.notes)


def test_humanitarian_imports_have_a_price_where_products_are_known(small: IOTable) -> None:
    table = made(sectors=("c9", "c14", "c28"))
    hs = flows([("USA", "RUS", "HS17:300490", 60), ("USA", "RUS", "HS17:854231", 5)], period="2020")
    ban = {"kind": "export_ban", "items": ["WIOD13:c9"]}
    i = run(table, ban, flows=hs, macro=gdp({"USA": 2e4, "RUS": 2e3}), humanitarian_exemption=False).impacts
    row = cell(i, horizon="long", party="RUS", metric="humanitarian_price_change")
    assert row["value"] > 0
    assert row["unit"] == "share"
    alone = run(small, {"kind": "export_ban", "items": ["WIOD13:c14"]})
    assert alone.impacts.filter(pl.col("metric") == "humanitarian_price_change").is_empty()
    assert any("price of humanitarian imports is not computed" in note for note in alone.notes)


def test_who_is_inside_the_rest_of_the_world_is_not_guessed() -> None:
    table = made(economies=("USA", "RUS", "ROW"))
    with pytest.raises(ModelError) as caught:
        run(table, {"kind": "comprehensive_embargo"}, target=("IRN",))
    said = str(caught.value)
    assert "target not in the input-output table: IRN" in said
    assert "inside ROW is not told apart and not guessed" in said


def test_horizons_are_chosen_or_refused(small: IOTable) -> None:
    ban = {"kind": "import_ban", "items": ["WIOD13:c2"]}
    assert set(run(small, ban, horizons=["long"]).impacts["horizon"]) == {"long"}
    with pytest.raises(UsageError, match="no such horizon: 'eternal'"):
        run(small, ban, horizons=["eternal"])
    with pytest.raises(UsageError, match="no such horizon"):
        run(small, ban, horizons=[])
    # a model without time answers at every horizon; the dynamic one only at the short
    both = run(small, ban, horizons=["short", "long"], models=["dynamic", "input_output", "equilibrium"])
    assert both.models == ("dynamic", "input_output", "equilibrium")
    assert "dynamic" not in run(small, ban, horizons=["long"], models=None).models  # not named: left out


def test_models_named_must_have_one_of_the_horizons(small: IOTable) -> None:
    ban = {"kind": "import_ban", "items": ["WIOD13:c2"]}
    goods = flows([("RUS", "USA", "WIOD13:c2", 1.0), ("CHN", "USA", "WIOD13:c2", 1.0)], period="2020")
    named = ["dynamic", "substitution", "equilibrium", "input_output"]
    with pytest.raises(UsageError, match="horizon medium") as caught:
        run(small, ban, flows=goods, horizons=["medium"], models=named)
    assert [f.what for f in caught.value.faults] == [
        "dynamic has horizon short only", "substitution has horizons short and long only",
    ]  # fmt: skip
    alone = simulate(scenario(ban, on=ON), flows=goods, horizons=["medium"], macro=gdp({"USA": 9.0, "RUS": 9.0}))
    assert alone.models == ("exposure",)
    assert "substitution: no answer: it has horizons short and long only" in alone.notes


def test_all_that_is_wrong_with_what_is_asked_comes_at_once(small: IOTable) -> None:
    wrong: dict[str, Any] = {"models": ["dynamic", "oracle"], "horizons": ["soon"], "draws": 1, "step": 10**6}
    with pytest.raises(UsageError) as caught:
        simulate(scenario({"kind": "import_ban"}, on=ON), table=small, elasticities="made_up", seed=-1, **wrong)
    said = str(caught.value)
    for part in ("oracle", "soon", "1 draws", "a seed of -1", "made_up", "shortest phase"):
        assert said.count(part) == 1, part


@pytest.mark.parametrize("more", [{"draws": 10}, {"sensitivity": True}, {"draws": 32, "sensitivity": True}])
def test_draws_belong_to_equilibrium_and_the_mend_fits_what_is_given(small: IOTable, more: dict[str, Any]) -> None:
    ban = scenario({"kind": "import_ban", "items": ["WIOD13:c2"]}, on=ON)
    goods = flows([("RUS", "USA", "WIOD13:c2", 1.0)], period="2020")
    mends = []
    for given in ({"table": small, "models": ["dynamic"]}, {"flows": goods}, {"flows": goods, "models": ["exposure"]}):
        with pytest.raises(UsageError, match="only the model equilibrium is drawn") as caught:
            simulate(ban, **given, **more)
        mends += [fault.mend for fault in caught.value.faults]
    table = "give an input-output table (--table)"
    assert mends == ["add --model equilibrium", table, f"{table} and add --model equilibrium"]


def test_few_draws_are_said_to_be_few(small: IOTable) -> None:
    ban = scenario({"kind": "import_ban", "items": ["WIOD13:c2"]}, on=ON)

    def few(draws: int) -> bool:
        notes = simulate(ban, table=small, models=["equilibrium"], horizons=["long"], draws=draws).notes
        return any("fewer than one draw each" in note for note in notes)

    assert (few(19), few(20)) == (True, False)


def test_no_answer_is_an_error_not_a_zero(world: World, small: IOTable) -> None:
    # Every supplier of c2 is denied, the own industry makes none: nobody can say what that costs.
    z, y = small.Z.copy(), small.Y.copy()
    z[3], y[3] = 0.0, 0.0
    x = z.sum(axis=1) + y.sum(axis=1)
    table = IOTable(
        period="2020", economies=small.economies, sectors=small.sectors, demands=("f",), Z=z, Y=y,
        VA=x - z.sum(axis=0), x=x, other=np.zeros(9), classification="WIOD13",
    )  # fmt: skip
    embargo = {"kind": "comprehensive_embargo"}
    everyone: dict[str, Any] = {"coalition": ("USA", "CHN"), "humanitarian_exemption": False}
    with pytest.raises(ModelError, match="RUS"):
        run(table, embargo, **everyone)
    # among all models, those that have an answer give it, and the run says who has none
    beside = run(table, embargo, models=None, **everyone)
    assert "equilibrium" not in beside.models
    assert "input_output" in beside.models
    assert any(note.startswith("equilibrium: no answer: ") for note in beside.notes)


def test_the_same_measures_give_nothing_where_nothing_is_denied(world: World) -> None:
    none = pl.DataFrame(schema=dict.fromkeys(("origin", "destination", "item"), pl.String))
    empty = SectorShares(none.with_columns(low=0.0, value=0.0, high=0.0), none.with_columns(tariff=0.0), "observed", ())
    assert equilibrium(world, empty).rows.is_empty()


# ---- terms of trade, apart --------------------------------------------------------------------------------------


def test_the_first_order_account_stands_apart_from_every_loss(small: IOTable) -> None:
    tiny = {"kind": "tariff", "rate": 0.001}
    i = run(small, tiny, models=["equilibrium", "terms_of_trade"], horizons=["long"]).impacts
    apart = i.filter(pl.col("model") == "terms_of_trade")
    assert set(apart["metric"]) <= {"terms_of_trade_loss", "volume_of_trade_loss"}
    for party in ("USA", "RUS", "CHN"):
        exact = cell(i, model="equilibrium", party=party)["value"]
        split = apart.filter((pl.col("party") == party) & (pl.col("item") == "ALL"))["value"].sum()
        assert split == pytest.approx(exact, rel=0.05, abs=2e-6)  # they agree where the change is small
    assert "terms_of_trade" not in run(small, tiny, models=None).models  # only where it is asked for


# ---- WIOD -------------------------------------------------------------------------------------------------------

WEST = ("EU", "USA", "JPN", "CAN", "AUS", "KOR")


@pytest.fixture(scope="module")
def wiod(shared_data: Path) -> IOTable:
    table = read("wiod", str(shared_data / "mrio/wiod13/wiod13_2011_long.parquet")).table
    assert table is not None
    return table


def real(wiod: IOTable, *measures: dict[str, Any], **more: Any) -> pl.DataFrame:
    text = scenario(*measures, on=date(2014, 7, 31), humanitarian_exemption=False, **more)
    return simulate(text, table=wiod, models=["equilibrium"], draws=0).impacts


def loss(i: pl.DataFrame, party: str, metric: str = "loss_gdp", horizon: str = "long") -> dict[str, Any]:
    return cell(i, horizon=horizon, party=party, metric=metric)


def test_an_embargo_of_russia_by_many_and_by_one(wiod: IOTable) -> None:
    embargo = {"kind": "comprehensive_embargo"}
    many = real(wiod, embargo, coalition=WEST)
    one = real(wiod, embargo, coalition=("USA",))
    # published, other data and years: -8.81 % (Chowdhry et al. 2024), -7.9 % (FIW 2023), beyond -4 % (Flach et al.)
    row = loss(many, "RUS")
    assert row["low"] < 0.0881
    assert row["high"] > 0.04
    assert 0.01 < row["value"] < 0.0881
    assert loss(one, "RUS")["value"] < row["value"] / 5
    ratio = [loss(i, "RUS", "loss_ratio")["value"] for i in (one, many)]
    assert ratio[0] < ratio[1]  # a coalition imposes more for each unit it loses (ibid., table 3)
    assert loss(many, "THIRD_PARTIES")["value"] < 0  # trade diversion
    assert loss(many, "COALITION")["value"] < row["value"] / 10
    # the most exposed members of the coalition are its neighbours
    members = many.filter(
        (pl.col("role") == "sender") & (pl.col("metric") == "loss_gdp") & (pl.col("horizon") == "long")
    ).sort("value", descending=True)
    assert {"LTU", "EST", "HUN"} <= set(members["party"].head(8))


def test_oil_and_gas_is_where_russia_loses_output(wiod: IOTable) -> None:
    i = real(wiod, {"kind": "import_ban", "items": ["WIOD13:c2"]}, coalition=WEST)
    sectors = i.filter(
        (pl.col("metric") == "output_loss")
        & (pl.col("party") == "RUS")
        & (pl.col("item") != "ALL")
        & (pl.col("horizon") == "long")
    ).sort("value", descending=True)
    assert sectors["item"][0] == "WIOD13:c2"
    assert 0 < loss(i, "RUS")["value"] < loss(real(wiod, {"kind": "import_ban"}, coalition=WEST), "RUS")["value"]


def test_more_senders_of_chips_cost_china_more(wiod: IOTable) -> None:
    ban = {"kind": "export_ban", "items": ["WIOD13:c14"]}
    alone = real(wiod, ban, coalition=("USA",), target=("CHN",))
    joined = real(wiod, ban, coalition=("USA", "JPN", "KOR", "TWN", "NLD"), target=("CHN",))
    for horizon in ("short", "long"):
        lost = [loss(i, "CHN", horizon=horizon)["value"] for i in (alone, joined)]
        assert 0 < 3 * lost[0] < lost[1]


def test_iran_is_inside_the_rest_of_the_world(wiod: IOTable) -> None:
    with pytest.raises(ModelError, match="IRN"):
        real(wiod, {"kind": "comprehensive_embargo"}, coalition=WEST, target=("IRN",))


# ---- draws ------------------------------------------------------------------------------------------------------

HALF = {"kind": "export_ban", "items": ["WIOD13:c14"], "share": {"low": 0.3, "value": 0.5, "high": 0.8}}


def drawn(table: IOTable, *, draws: int = 40, seed: int = 7, sensitivity: bool = False, **more: Any) -> Result:
    text = scenario(HALF, on=ON)
    return simulate(text, table=table, draws=draws, seed=seed, sensitivity=sensitivity, **more)


def test_draws_replace_corners_and_leave_the_central_answer(small: IOTable, tmp_path: Path) -> None:
    still = run(small, HALF, models=["equilibrium", "input_output"])
    moved = drawn(small, models=["equilibrium", "input_output"], sensitivity=True)
    keys = ["model", "horizon", "party", "channel", "item", "metric"]
    both = still.impacts.join(moved.impacts, on=keys, suffix="_drawn", nulls_equal=True)
    assert both.height == still.impacts.height == moved.impacts.height
    assert both["value"].to_list() == both["value_drawn"].to_list()
    loss_ = both.filter((pl.col("metric") == "loss_gdp") & (pl.col("party") == "RUS") & (pl.col("horizon") == "long"))
    # the ends of 40 joint draws lie inside the corners at which everything is at its worst together
    assert (loss_["low"] < loss_["low_drawn"]).all()
    assert (loss_["high_drawn"] < loss_["high"]).all()
    chains = both.filter(pl.col("model") == "input_output")
    assert chains["low"].to_list() == chains["low_drawn"].to_list()
    assert moved.seed == 7
    assert still.seed is None
    assert any("5th and 95th percentile of 40 draws" in note and "seed 7" in note for note in moved.notes)
    assert {"RUS", "COALITION", "THIRD_PARTIES"} == set(moved.sensitivity["party"])
    assert "share denied" in set(moved.sensitivity["assumption"])
    back = read_run(write_run(moved, tmp_path / "run"))
    assert back.sensitivity.equals(moved.sensitivity)
    assert back.manifest["seed"] == 7


def test_the_same_seed_gives_the_same_numbers(small: IOTable) -> None:
    first, again, other = (drawn(small, seed=s, models=["equilibrium"]).impacts for s in (7, 7, 8))
    assert first.equals(again)
    assert not first.equals(other)


def test_by_default_sixty_four_are_drawn_and_the_manifest_says_so(small: IOTable, tmp_path: Path) -> None:
    made = simulate(scenario(HALF, on=ON), table=small, models=["equilibrium"], horizons=["long"])
    assert made.impacts.equals(drawn(small, draws=64, seed=0, models=["equilibrium"], horizons=["long"]).impacts)
    assert any("5th and 95th percentile of 64 draws" in note for note in made.notes)
    assert read_run(write_run(made, tmp_path / "run")).manifest["seed"] == 0
    assert simulate(scenario(HALF, on=ON), table=small, models=["input_output"]).seed is None


def test_corners_stand_where_the_draws_have_no_solution(small: IOTable, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise ModelError("40 of 64 draws at the long horizon have no solution")

    still = run(small, HALF)
    monkeypatch.setattr("weaponized_interdependence.simulation.simulate.drawn", fails)
    moved = simulate(scenario(HALF, on=ON), table=small, models=["equilibrium"])
    assert moved.impacts.equals(still.impacts)
    assert any("have no solution: its bands are corners" in note for note in moved.notes)


def test_draws_that_cannot_be_made(small: IOTable) -> None:
    with pytest.raises(UsageError, match=r"(?s)only the model equilibrium.*1 draws.*seed of -1"):
        drawn(small, draws=1, seed=-1, models=["input_output"])
    with pytest.raises(UsageError, match="sensitivity needs draws"):
        simulate(scenario(HALF, on=ON), table=small, sensitivity=True, draws=0)
    quota = scenario({"kind": "quota", "items": ["WIOD13:c2"], "allowed_share": 0.5}, on=ON)
    kept = simulate(quota, table=small, models=["equilibrium"], horizons=["long"], draws=8)
    assert any("is not drawn" in note for note in kept.notes)
