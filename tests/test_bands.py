"""Bands of the equilibrium model against one solve at a time, and what draws have in common."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from weaponized_interdependence.errors import Fault, ModelError, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.schemas import SENSITIVITY
from weaponized_interdependence.simulation import bands as bands_module
from weaponized_interdependence.simulation.bands import (
    DENIED,
    HORIZON,
    PLACE,
    SHORT_THETA,
    Asked,
    equilibrium_bands,
    equilibrium_sensitivity,
    factors_of,
    laid,
    with_bands,
)
from weaponized_interdependence.simulation.elasticities import load
from weaponized_interdependence.simulation.general_equilibrium import World, equilibrium, world_of
from weaponized_interdependence.simulation.impact import to_impacts
from weaponized_interdependence.simulation.sectors import SectorShares
from weaponized_interdependence.simulation.shock import Parties
from weaponized_interdependence.simulation.uncertainty import draw
from weaponized_interdependence.terms import Horizon

ECONOMIES, SECTORS = ("CHN", "DEU", "RUS", "USA"), ("c2", "c13", "c20")
PARTIES = Parties(senders=("DEU", "USA"), target=("RUS",))
KEYS = ["horizon", "party", "channel", "item", "metric"]


def a_table() -> IOTable:
    rng = np.random.default_rng(4)
    n = len(ECONOMIES) * len(SECTORS)
    home = np.kron(np.eye(len(ECONOMIES)), np.full((len(SECTORS), len(SECTORS)), 5.0)) + 1
    z = rng.uniform(0.5, 1.5, (n, n)) * home
    y = rng.uniform(0.5, 1.5, (n, len(ECONOMIES))) * (np.kron(np.eye(len(ECONOMIES)), np.full((3, 1), 40.0)) + 5)
    x = z.sum(axis=1) + y.sum(axis=1)
    return IOTable("2011", ECONOMIES, SECTORS, ("f",), z, y, x - z.sum(axis=0), x, np.zeros(n), "WIOD13")


def measures(low: float = 0.5, value: float = 0.7, high: float = 1.0) -> SectorShares:
    at = [("DEU", "RUS", "WIOD13:c13"), ("USA", "RUS", "WIOD13:c13"), ("RUS", "DEU", "WIOD13:c2")]
    ends = {"low": low, "value": value, "high": high}
    shares = pl.DataFrame(at, schema=["origin", "destination", "item"], orient="row").with_columns(
        *(pl.lit(v).alias(c) for c, v in ends.items())
    )
    duties = shares.head(1).select("origin", "destination", "item", tariff=pl.lit(0.25))
    duties = duties.with_columns(origin=pl.lit("RUS"), destination=pl.lit("USA"))
    return SectorShares(shares, duties, "assumed", ())


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(a_table(), load())


@pytest.fixture(scope="module")
def asked(world: World) -> Asked:
    n, j, _ = world.table.size
    added = world.table.VA.reshape(n, j).sum(axis=1)
    return Asked(PARTIES, dict(zip(world.table.economies, added.tolist(), strict=True)))


def known(world: World, theta: dict[str, Any]) -> World:
    """The world with these thetas and no band."""
    frames = {
        h: frame.with_columns(
            *(pl.Series(c, theta[h]) for c in ("theta_low", "theta", "theta_high")), error=pl.lit(0.0)
        )
        for h, frame in world.theta.items()
    }
    return replace(world, theta=frames)


def test_bands_are_quantiles_of_impacts_solved_one_draw_at_a_time(world: World, asked: Asked) -> None:
    """Plain reference: the registered model itself, run for every draw, its IMPACTS collected, then quantiles."""
    cells, draws = measures(), 16
    fast, _ = equilibrium_bands(world, cells, asked, ["short", "long"], draws=draws, seed=3)
    factors = factors_of(world, laid(world, cells))
    values = draw(factors, draws, seed=3).values
    names = [f.name for f in factors]
    sectors = len(SECTORS)
    told = []
    for row in values:
        state = dict(zip(names, row, strict=True))
        place = state[DENIED]
        share = float(np.interp(place, (0.0, 0.5, 1.0), (0.5, 0.7, 1.0)))
        theta = {
            h: np.exp((1 - at) * np.log(state[SHORT_THETA]) + at * np.log(row[:sectors])) for h, at in PLACE.items()
        }
        answer = equilibrium(known(world, theta), measures(share, share, share), ["short", "long"])
        told.append(to_impacts(answer, "s", "p", PARTIES, ECONOMIES, asked.gdp).select(*KEYS, "value"))
    slow = (
        pl.concat(told)
        .group_by(KEYS)
        .agg(
            pl.col("value").quantile(0.05, "linear").alias("low"),
            pl.col("value").quantile(0.95, "linear").alias("high"),
        )
    )
    both = slow.join(fast, on=KEYS, suffix="_fast")
    assert both.height == slow.height
    for end in ("low", "high"):
        assert both[end].to_numpy() == pytest.approx(both[f"{end}_fast"].to_numpy(), rel=1e-5, abs=1e-7)


def test_value_lies_inside_and_bands_of_sums_are_not_sums_of_bands(world: World, asked: Asked) -> None:
    cells = measures()
    impacts = to_impacts(equilibrium(world, cells), "s", "p", PARTIES, ECONOMIES, asked.gdp)
    bands, left_out = equilibrium_bands(world, cells, asked, ["short", "medium", "long"], draws=64, seed=1)
    assert left_out == 0
    made = with_bands(impacts, bands)
    assert made.height == impacts.height
    assert made["value"].equals(impacts["value"])
    there = made.drop_nulls("value")
    assert (there["low"] <= there["value"]).all()
    assert (there["value"] <= there["high"]).all()
    loss = made.filter((pl.col("metric") == "loss") & (pl.col("item") == "ALL") & (pl.col("horizon") == "long"))
    width = {r["party"]: r["high"] - r["low"] for r in loss.iter_rows(named=True)}
    assert width["COALITION"] < width["DEU"] + width["USA"]


def test_without_any_band_low_value_and_high_are_one(world: World, asked: Asked) -> None:
    theta = {h: frame["theta"].to_numpy() for h, frame in world.theta.items()}
    held, cells = known(world, theta), measures(0.7, 0.7, 0.7)
    impacts = to_impacts(equilibrium(held, cells), "s", "p", PARTIES, ECONOMIES, asked.gdp)
    made = with_bands(impacts, equilibrium_bands(held, cells, asked, ["long"], draws=8, seed=1)[0])
    long = made.filter(pl.col("horizon") == "long").drop_nulls("value")
    spread = (long["high"] - long["low"]).abs().to_numpy()
    assert (spread <= 1e-6 * long["value"].abs().to_numpy() + 1e-7).all()


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads() -> None:
    program = (
        "import hashlib, test_bands as t\n"
        "from weaponized_interdependence.simulation.bands import *\n"
        "from weaponized_interdependence.simulation.general_equilibrium import world_of\n"
        "from weaponized_interdependence.simulation.elasticities import load\n"
        "w = world_of(t.a_table(), load())\n"
        "a = Asked(t.PARTIES, dict.fromkeys(t.ECONOMIES, 100.0))\n"
        "b, _ = equilibrium_bands(w, t.measures(), a, ['long'], draws=64, seed=5)\n"
        "print(hashlib.sha256(b['low'].to_numpy().tobytes() + b['high'].to_numpy().tobytes()).hexdigest())\n"
    )
    made = set()
    for threads in ("1", "3"):
        given = {**os.environ, "WI_THREADS": threads, "POLARS_MAX_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        given["PYTHONPATH"] = os.pathsep.join(["tests", ".", given.get("PYTHONPATH", "")])
        done = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
        made.add(done.stdout)
    assert len(made) == 1


def test_two_scenarios_see_the_same_draws(world: World, asked: Asked) -> None:
    """Common random numbers: what scenarios share is drawn alike, whatever the measures leave open."""
    one, two = (factors_of(world, laid(world, cells)) for cells in (measures(), measures(0.6, 0.8, 0.9)))
    same = [draw(f, 32, seed=1).values[:, : len(SECTORS) + 1] for f in (one, two)]
    assert (same[0] == same[1]).all()


def test_first_year_thetas_by_sector_keep_their_ratios(world: World, asked: Asked) -> None:
    """A set may have its own short-run number for every sector: without any band, what is drawn is the value."""
    theta = {h: frame["theta"].to_numpy() for h, frame in world.theta.items()}
    held, cells = known(world, {**theta, "short": np.array([0.5, 2.0, 5.0])}), measures(0.7, 0.7, 0.7)
    impacts = to_impacts(equilibrium(held, cells, ["short"]), "s", "p", PARTIES, ECONOMIES, asked.gdp)
    bands, _ = equilibrium_bands(held, cells, asked, ["short"], draws=4, seed=1)
    both = impacts.join(bands, on=KEYS, suffix="_drawn").drop_nulls("value")
    assert both.height > 50
    for end in ("low_drawn", "high_drawn"):
        assert both[end].to_numpy() == pytest.approx(both["value"].to_numpy(), rel=1e-6, abs=1e-7)


def test_the_published_error_of_the_first_year_widens_its_draws(world: World) -> None:
    short = world.theta["short"].with_columns(error=pl.lit(0.3))
    told = replace(world, theta={**world.theta, "short": short})
    plain, wider = (next(f for f in factors_of(w, laid(w, measures())) if f.name == SHORT_THETA) for w in (world, told))
    assert (plain.error, wider.error) == pytest.approx((0.0, 0.3))
    assert wider.spreads > plain.spreads


def test_a_sensitivity_leaves_out_parties_that_have_no_gdp(world: World, asked: Asked) -> None:
    """Without third parties, or with a target that the table has not, the rest still has its answer."""
    said: Any = {"scenario": "s", "phase": "p", "draws": 16, "seed": 1}
    everyone = Asked(Parties(senders=("CHN", "DEU", "USA"), target=("RUS",)), asked.gdp)
    outside = Asked(Parties(senders=("DEU", "USA"), target=("IRN",)), asked.gdp)
    both = [equilibrium_sensitivity(world, measures(), each, **said) for each in (everyone, outside)]
    assert [set(rows["party"]) for rows in both] == [{"RUS", "COALITION"}, {"COALITION", "THIRD_PARTIES"}]
    assert all(rows["total"].is_not_null().all() for rows in both)
    with pytest.raises(UsageError, match="no party has GDP"):
        equilibrium_sensitivity(world, measures(), Asked(PARTIES, {}), **said)


def test_the_sectors_hit_most_stand_alone(world: World) -> None:
    """Other goods, and services, are moved together."""
    cells = replace(measures(), duties=measures().duties.clear())
    groups = {f.name: f.reported_as for f in factors_of(world, laid(world, cells))}
    assert groups["theta of WIOD13:c2"] == "theta of WIOD13:c2"
    assert groups["theta of WIOD13:c13"] == "theta of WIOD13:c13"
    assert groups["theta of WIOD13:c20"] == "theta of services"
    with pytest.MonkeyPatch.context() as patch:  # only one: that whose trade that stops is worth most
        patch.setattr("weaponized_interdependence.simulation.bands.NAMED_SECTORS", 1)
        small = replace(
            cells,
            shares=cells.shares.with_columns(
                pl.when(pl.col("item") == "WIOD13:c2").then(0.01).otherwise(c).alias(c)
                for c in ("low", "value", "high")
            ),
        )
        groups = {f.name: f.reported_as for f in factors_of(world, laid(world, small))}
    assert groups["theta of WIOD13:c13"] == "theta of WIOD13:c13"
    assert groups["theta of WIOD13:c2"] == "theta of other goods"


def test_sensitivity_names_what_is_open_and_the_horizon_matters(world: World, asked: Asked) -> None:
    said: Any = {"scenario": "s", "phase": "p", "draws": 64, "seed": 1}
    rows = equilibrium_sensitivity(world, measures(0.7, 0.7, 0.7), asked, **said)
    SENSITIVITY.conform(rows)
    assert set(rows["party"]) == {"RUS", "COALITION", "THIRD_PARTIES"}
    of_target = rows.filter(pl.col("party") == "RUS")
    assert of_target.filter(pl.col("assumption") == HORIZON)["total"].item() > 0.05
    assert DENIED not in of_target["assumption"]
    assert (of_target["total"] >= of_target["first"] - 0.15).all()
    at_long = equilibrium_sensitivity(world, measures(), asked, horizon=Horizon.LONG, **said)
    named = at_long.filter(pl.col("party") == "RUS")
    assert HORIZON not in named["assumption"]
    assert DENIED in named["assumption"]
    assert set(rows["basis"]) == {"assumed"}  # the first year's theta is, and every index is a share of all
    assert named.filter(pl.col("assumption") == SHORT_THETA)["total"].item() == pytest.approx(0, abs=1e-9)


def test_bundles_have_bands_too(world: World, asked: Asked) -> None:
    bundles = {"RUS": np.array([0.5, 1.5, 0.0])}
    priced = replace(asked, bundles=bundles)
    impacts = to_impacts(equilibrium(world, measures(), bundles=bundles), "s", "p", PARTIES, ECONOMIES, asked.gdp)
    bands, _ = equilibrium_bands(world, measures(), priced, ["long"], draws=32, seed=1)
    made = with_bands(impacts, bands).filter(
        (pl.col("metric") == "humanitarian_price_change") & (pl.col("horizon") == "long")
    )
    (row,) = made.to_dicts()
    assert row["low"] < row["value"] < row["high"]
    corner = impacts.filter((pl.col("metric") == "humanitarian_price_change") & (pl.col("horizon") == "long"))
    assert (row["low"], row["high"]) != corner.select("low", "high").row(0)


@pytest.mark.parametrize(("free", "open_end"), [(0, False), (1, False), (2, True), (29, True)])
def test_a_ratio_is_open_where_a_twentieth_of_the_draws_cost_the_coalition_nothing(
    world: World, asked: Asked, monkeypatch: pytest.MonkeyPatch, free: int, open_end: bool
) -> None:
    """In some draws the coalition is made to gain: those are above every ratio, and are not left out."""
    impacts = to_impacts(equilibrium(world, measures(), ["long"]), "s", "p", PARTIES, ECONOMIES, asked.gdp)
    real, senders = bands_module._losses, [ECONOMIES.index(s) for s in PARTIES.senders]

    def some_gain(world: World, solved: Any) -> Any:
        lost = np.abs(real(world, solved))
        lost[:free, senders] *= -1
        return lost

    monkeypatch.setattr(bands_module, "_losses", some_gain)
    bands, left_out = equilibrium_bands(world, measures(), asked, ["long"], draws=30, seed=1)
    assert left_out == 0
    rows = with_bands(impacts, bands).filter(pl.col("metric").is_in(["loss_ratio", "loss_gdp_ratio"]))
    assert rows.height == 2
    assert rows["high"].is_null().to_list() == [open_end] * 2
    assert rows["value"].null_count() == 0
    bounded = rows.drop_nulls("low")
    assert (bounded["low"] <= bounded["value"]).all()
    assert (bounded.height == 2) == (free < 29)


def test_draws_without_a_solution_are_counted_and_too_many_refused(
    world: World, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No draw of this world fails by itself, so some are made to."""
    real = bands_module.solve_many

    def failing(every: int) -> Any:
        def some(base: Any, states: Any, **more: Any) -> Any:
            solved = real(base, states, **more)
            bad = range(0, len(solved), every)
            for name in ("wage", "price", "price_index", "expenditure", "income", "real_income", "real_wage"):
                getattr(solved, name)[list(bad)] = np.nan
            return replace(solved, unsolved={s: Fault("no solution") for s in bad})

        return some

    monkeypatch.setattr(bands_module, "solve_many", failing(8))
    bands, left_out = equilibrium_bands(world, measures(), asked, ["short", "long"], draws=32, seed=1)
    assert left_out == 8
    assert bands.filter(pl.col("metric") == "loss")["low"].is_nan().sum() == 0
    monkeypatch.setattr(bands_module, "solve_many", failing(1))
    with pytest.raises(ModelError, match="32 of 32 draws at the long horizon"):
        equilibrium_bands(world, measures(), asked, ["long"], draws=32, seed=1)
