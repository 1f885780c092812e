"""Scheduled job: real embargoes on real input-output tables; fills the tables of a page that says what they mean.

python pipelines/real_input.py wiod13_2007_long.parquet wiod13_2011_long.parquet -o docs/real_input.md

Files of the reader `wiod` (the 2013 release). Between the lines `<!-- table NAME -->` and `<!-- end -->` of the page
everything is replaced; the words around them stay. The page is written whole or not at all.
"""

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import weaponized_interdependence as wi
from weaponized_interdependence.errors import WiError
from weaponized_interdependence.harmonize.item_names import item_name
from weaponized_interdependence.io_table import IOTable, aggregate
from weaponized_interdependence.scenario import Scenario, load_scenario, scenario_overrides
from weaponized_interdependence.schemas import FLOWS
from weaponized_interdependence.simulation.coalition_study import Study, coalition_study
from weaponized_interdependence.simulation.dynamics.engine import run as follow
from weaponized_interdependence.simulation.dynamics.parameters import Parameters
from weaponized_interdependence.simulation.dynamics.schedule import Stage
from weaponized_interdependence.simulation.elasticities import load
from weaponized_interdependence.simulation.equilibrium.calibration import balance, calibrate, thetas
from weaponized_interdependence.simulation.equilibrium.economy import Baseline
from weaponized_interdependence.simulation.equilibrium.solver import solve
from weaponized_interdependence.simulation.general_equilibrium import counterfactual_of
from weaponized_interdependence.simulation.input_output import denied_shares
from weaponized_interdependence.simulation.sectors import SectorShares, sector_shares
from weaponized_interdependence.simulation.shock import parties_of

ON = "2012-01-01"  # the last day before is the last that WIOD 2011 knows; the European Union has 27 members
ALLIES = ["EU", "USA", "JPN", "CAN", "AUS", "KOR"]
MAKERS = ["USA", "JPN", "KOR", "TWN", "NLD"]
YEARS = {"phase.oil_and_gas.start": "2012-01-01", "phase.with_refined_products.start": "2013-01-01"}
MOST = 5
ONE_THETA = 5.0
LAST_GOODS = 16  # WIOD industries c1 to c16 make goods

# run -> scenario and what is changed in it
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "embargo_coalition": ("embargo_russia_coalition", {"coalition": ALLIES}),
    "embargo_usa": ("embargo_russia_usa_alone", {}),
    "energy_coalition": ("energy_embargo_russia", {"coalition": ALLIES, **YEARS}),
    "energy_usa": ("energy_embargo_russia", {"coalition": ["USA"], **YEARS}),
    "electronics_usa": ("electronics_ban_china", {"coalition": ["USA"]}),
    "electronics_makers": ("electronics_ban_china", {"coalition": MAKERS}),
}

# of these, which assumption moves the answer
ASKED = {"embargo_coalition": "RUS", "electronics_makers": "CHN"}

# what the tables call it, run, phase, target
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("Russia, all trade, 32 senders", "embargo_coalition", "all", "RUS"),
    ("Russia, all trade, USA alone", "embargo_usa", "all", "RUS"),
    ("Russia, mining (c2), 32 senders", "energy_coalition", "oil_and_gas", "RUS"),
    ("Russia, mining and refining (c2, c8), 32 senders", "energy_coalition", "with_refined_products", "RUS"),
    ("Russia, mining (c2), USA alone", "energy_usa", "oil_and_gas", "RUS"),
    ("China, electronics (c14), USA alone", "electronics_usa", "all", "CHN"),
    ("China, electronics (c14), 5 senders", "electronics_makers", "all", "CHN"),
)
# model, horizon, channel, heading
ANSWERS = (
    ("equilibrium", "short", "all", "equilibrium, short"),
    ("equilibrium", "medium", "all", "medium"),
    ("equilibrium", "long", "all", "long"),
    ("dynamic", "short", "all", "dynamic, year"),
    ("input_output", "none", "extraction", "extraction"),
    ("input_output", "none", "upstream", "upstream"),
    ("input_output", "none", "downstream", "downstream"),
)


def scenario_of(run: str) -> Scenario:
    """The scenario of a run, dated to the end of the last table."""
    name, changes = RUNS[run]
    return scenario_overrides(load_scenario(name), {"date": ON, **changes})


@dataclass(frozen=True, eq=False)
class Year:
    """Everything computed on one table."""

    table: IOTable
    impacts: Mapping[str, pl.DataFrame]  # by run
    study: Study
    eu: pl.DataFrame  # input-output models, European Union alone
    sensitivity: Mapping[str, pl.DataFrame]  # by run, of those in ASKED

    def row(self, run: str, **where: str) -> dict[str, Any]:
        """The one row of IMPACTS; item ALL, channel all, shares of GDP where nothing else is said."""
        wanted = {"item": "ALL", "channel": "all", "metric": "loss_gdp", **where}
        impacts = self.eu if run == "eu" else self.impacts[run]
        found = impacts.filter(pl.all_horizontal(pl.col(k) == v for k, v in wanted.items()))
        if found.height != 1:
            raise WiError(f"{run}: {found.height} rows fit {wanted}")
        return found.row(0, named=True)

    def value(self, run: str, horizon: str, party: str, metric: str = "loss_gdp", phase: str = "all") -> float:
        """A central answer of the equilibrium."""
        found = self.row(run, model="equilibrium", horizon=horizon, party=party, metric=metric, phase=phase)
        return float(found["value"])


def year_of(table: IOTable) -> Year:
    """Run everything on one table."""
    found = {run: wi.simulate(scenario_of(run), table=table, sensitivity=run in ASKED) for run in RUNS}
    embargo = scenario_of("embargo_coalition")
    alone = scenario_overrides(embargo, {"coalition": ["EU"]})
    return Year(
        table,
        {run: result.impacts for run, result in found.items()},
        coalition_study(embargo, table, greedy=True),
        wi.simulate(alone, table=table, models=["input_output"]).impacts,
        {run: found[run].sensitivity for run in ASKED},
    )


# ---- words of a table -------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """A share as per cent, three digits."""
    return digits(100 * share)


def digits(number: float) -> str:
    """Three significant digits, but none beyond the third after the point; a minus only where something is left."""
    size = abs(number)
    places = 1 if size >= 10 else 2 if size >= 0.1 else 3
    shown = f"{number:,.{places}f}"
    return shown.lstrip("-") if not shown.strip("-0.") else shown


def banded(row: Mapping[str, Any]) -> str:
    """Central (low to high), per cent; the central alone where nothing moves it."""
    low, value, high = (percent(row[c]) for c in ("low", "value", "high"))
    return value if low == high else f"{value} ({low} to {high})"


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


# ---- tables -----------------------------------------------------------------------------------------------------


def side_by_side(years: Mapping[str, Year], party: str = "") -> str:
    """Loss of one party in per cent of GDP in every model; of the target where no party is named."""
    rows = []
    for words, run, phase, target in ROWS:
        for period, year in years.items():
            told = [
                banded(year.row(run, phase=phase, model=m, horizon=h, channel=c, party=party or target))
                for m, h, c, _ in ANSWERS
            ]
            rows.append([words, period, *told])
    return grid(["case", "table", *(a[3] for a in ANSWERS)], rows)


def money(years: Mapping[str, Year]) -> str:
    """Who loses how much in USD bn in the long run, and what the target loses for each unit of the coalition."""
    rows = []
    for words, run, phase, target in ROWS:
        for period, year in years.items():
            sums = [
                digits(year.value(run, "long", party, "loss", phase) / 1e9)
                for party in (target, "COALITION", "THIRD_PARTIES", "WORLD")
            ]
            ratios = [
                digits(found) if (found := _ratio(year, run, phase, target, metric, horizon)) is not None else "-"
                for metric in ("loss_ratio", "loss_gdp_ratio")
                for horizon in ("short", "long")
            ]
            rows.append([words, period, *sums, *ratios])
    return grid(
        ["case", "table", "target", "coalition", "third parties", "world", "USD for USD, short", "long",
         "per cent for per cent, short", "long"],
        rows,
    )  # fmt: skip


def _ratio(year: Year, run: str, phase: str, target: str, metric: str, horizon: str) -> float | None:
    where = {"model": "equilibrium", "horizon": horizon, "party": target, "metric": metric, "phase": phase}
    found: float | None = year.row(run, **where)["value"]
    return found


def extremes(years: Mapping[str, Year]) -> str:
    """The five senders and third parties that lose most of GDP, and the third parties that gain most; long run."""
    rows = []
    for words, run, phase, _ in ROWS:
        for period, year in years.items():
            each = year.impacts[run].filter(
                (pl.col("model") == "equilibrium") & (pl.col("horizon") == "long") & (pl.col("phase") == phase)
                & (pl.col("metric") == "loss_gdp") & (pl.col("item") == "ALL")
                & ~pl.col("party").is_in(["COALITION", "THIRD_PARTIES", "WORLD"])
            )  # fmt: skip
            told = [
                _listed(each.filter((pl.col("role") == role) & (sign * pl.col("value") > 0)), sign)
                for role, sign in (("sender", 1), ("third_party", 1), ("third_party", -1))
            ]
            rows.append([words, period, *told])
    return grid(["case", "table", "senders that lose most", "third parties that lose most", "that gain most"], rows)


def _listed(rows: pl.DataFrame, sign: int) -> str:
    ranked = rows.sort(sign * pl.col("value"), "party", descending=[True, False]).head(MOST)
    return ", ".join(f"{r['party']} {percent(r['value'])}" for r in ranked.iter_rows(named=True)) or "none"


def sectors(years: Mapping[str, Year]) -> str:
    """The sectors that lose most output in the long run: the target's, with the share of it, and the senders'."""
    rows = []
    for words, run, phase, target in ROWS:
        for period, year in years.items():
            mine = year.impacts[run].filter(
                (pl.col("model") == "equilibrium") & (pl.col("horizon") == "long") & (pl.col("phase") == phase)
                & (pl.col("item") != "ALL")
            )  # fmt: skip
            share = {
                r["item"]: r["value"]
                for r in mine.filter(
                    (pl.col("party") == target) & (pl.col("metric") == "output_loss_share")
                ).iter_rows(named=True)
            }  # fmt: skip
            told = []
            for party in (target, "COALITION"):
                lost = mine.filter(
                    (pl.col("party") == party) & (pl.col("metric") == "output_loss") & (pl.col("value") > 0)
                )
                ranked = lost.sort("value", "item", descending=[True, False]).head(MOST)
                told.append(
                    ", ".join(
                        f"{_sector(r['item'])} {digits(r['value'] / 1e9)}"
                        + (f" ({percent(share[r['item']])} %)" if party == target else "")
                        for r in ranked.iter_rows(named=True)
                    )
                )
            rows.append([words, period, *told])
    return grid(["case", "table", "target: USD bn (of the sector's output)", "senders together: USD bn"], rows)


def _sector(item: str) -> str:
    return f"{(item_name(item) or '').lower()} {item.split(':')[1]}".strip()


# ---- beside what has been published -----------------------------------------------------------------------------

CHKW = "Chowdhry, Hinz, Kamin, Wanner 2024"


def published(years: Mapping[str, Year]) -> str:
    """Published numbers, and ours on each table."""

    def three(run: str, party: str, phase: str = "all") -> Callable[[Year], str]:
        return lambda y: " / ".join(percent(y.value(run, h, party, phase=phase)) for h in ("short", "medium", "long"))

    def share(of: Callable[[Year], float]) -> Callable[[Year], str]:
        return lambda y: percent(of(y))

    def ratio(of: Callable[[Year], float]) -> Callable[[Year], str]:
        return lambda y: digits(of(y))

    told: list[tuple[str, str, str, Callable[[Year], str]]] = [
        (
            "Russia loses, embargo by the coalition, per cent; here short / medium / long",
            "8.81; 7.9; above 4",
            f"{CHKW}; FIW 2023 (measures of 2022); Flach et al. 2024",
            three("embargo_coalition", "RUS"),
        ),
        (
            "Russia loses, embargo by everyone, per cent; here long",
            "15.24",
            f"{CHKW}, table 2",
            lambda y: _band(y, "autarky"),
        ),
        (
            "of that, the part that an embargo by the coalition imposes",
            "0.58 (8.81 of 15.24)",
            CHKW,
            ratio(lambda y: _benchmark(y, "vertical") / _benchmark(y, "autarky")),
        ),
        (
            "imposed by a member alone, mean of members, per cent of Russia's income",
            "0.0359",
            f"{CHKW}, table 3 (measures of 2014)",
            share(lambda y: _mean(y, "unilateral_share")),
        ),
        (
            "incurred by a member alone, mean of members, per cent of its own income",
            "0.1254",
            f"{CHKW}, table 3 (measures of 2014)",
            share(_alone),
        ),
        (
            "imposed over incurred, of these two means",
            "0.29",
            f"{CHKW}, table 3",
            ratio(lambda y: _mean(y, "unilateral_share") / _alone(y)),
        ),
        (
            "part of the equalising transfers that the USA pays",
            "0.55 (2.7 of 4.9 bn)",
            f"{CHKW}, section 6.5 (measures of 2014)",
            ratio(lambda y: _paid_by(y, "USA")),
        ),
        (
            "members of the greedy coalition, and of the actual one",
            "43, 37",
            CHKW,
            lambda y: f"{_needed(y)}, {len(y.study.coalition)}",
        ),
        (
            "Germany loses, no energy from Russia, per cent; here short / medium / long, all senders",
            "0.5 to 3",
            "Bachmann et al. 2022",
            three("energy_coalition", "DEU", "with_refined_products"),
        ),
        (
            "Russia's loss over the EU's, trade with the EU cut, per cent for per cent; here extraction",
            "about 15",
            "Imbs and Pauwels",
            ratio(_high_order),
        ),
    ]
    rows = [[words, value, by, *(of(year) for year in years.values())] for words, value, by, of in told]
    return grid(["", "published", "by", *(f"here, {period}" for period in years)], rows)


def _benchmark(year: Year, name: str, case: str = "value") -> float:
    return float(year.study.benchmarks[case].filter(pl.col("benchmark") == name)["target_loss_share"].item())


def _band(year: Year, name: str) -> str:
    return banded({case: _benchmark(year, name, case) for case in ("low", "value", "high")})


def _mean(year: Year, column: str) -> float:
    return float(year.study.members["value"][column].to_numpy().mean())


def _alone(year: Year) -> float:
    """Unweighted mean of what members lose acting alone, of their own income (as the paper's table does)."""
    members = year.study.members["value"]
    income = members["own_loss"] / members["own_loss_share"]
    return float((members["alone_loss"] / income).to_numpy().mean())


def _paid_by(year: Year, member: str) -> float:
    assert year.study.transfers is not None
    rows = year.study.transfers.rows
    paid = -rows.filter(pl.col("transfer") < 0)["transfer"].sum()
    return float(-rows.filter(pl.col("member") == member)["transfer"].item() / paid)


def _needed(year: Year) -> str:
    found = year.study.greedy
    assert found is not None
    return str(found.steps.height) if found.stopped == "reached" else f"more than {found.steps.height}"


def _high_order(year: Year) -> float:
    found = year.row("eu", model="input_output", channel="extraction", party="RUS", metric="loss_gdp_ratio")
    return float(found["value"])


# ---- what the numbers rest on -----------------------------------------------------------------------------------


def why(years: Mapping[str, Year]) -> str:
    """The embargo by the coalition in the long run under other assumptions: losses of Russia and of the coalition."""
    rows = []
    for period, year in years.items():
        table = year.table
        scenario = scenario_of("embargo_coalition")
        told = {"as above": [percent(year.value("embargo_coalition", "long", p)) for p in ("RUS", "COALITION")]}
        other = wi.simulate(
            scenario, table=table, models=["equilibrium"], horizons=["long"], elasticities="caliendo_parro"
        ).impacts
        told["elasticities of Caliendo and Parro 2015 alone"] = [
            percent(other.filter(_headline(party))["value"].item()) for party in ("RUS", "COALITION")
        ]
        theta = thetas(table, load(), "long")["theta"].to_numpy()
        told["deficits left as they are, each the same money"] = _solved(scenario, calibrate(table, theta), table)
        for words, merged in _merged(table).items():
            base = balance(calibrate(merged, np.full(len(merged.sectors), ONE_THETA)))
            told[f"elasticity {ONE_THETA:g} everywhere (assumed), {words}"] = _solved(scenario, base, merged)
        rows += [[words, period, *losses] for words, losses in told.items()]
    return grid(["", "table", "Russia, per cent of GDP", "coalition"], rows)


def ties(years: Mapping[str, Year]) -> str:
    """What members buy of Russian mining, USD bn and as a part of all they use of mining, home produce included."""
    bought = []
    for year in years.values():
        n, j, f = year.table.size
        sold = year.table.Z.reshape(n, j, n, j)[:, 1].sum(axis=2) + year.table.Y.reshape(n, j, n, f)[:, 1].sum(axis=2)
        bought.append((sold[year.table.economies.index("RUS")], sold.sum(axis=0)))
    rows = []
    for name in ("LTU", "HUN", "SVK", "FIN", "POL", "ITA", "FRA", "NLD", "DEU", "JPN", "USA"):
        at = next(iter(years.values())).table.economies.index(name)
        told = [(digits(russian[at] / 1e9), percent(russian[at] / total[at])) for russian, total in bought]
        rows.append([name, *(cell for pair in told for cell in pair)])
    headings = [f"{words}, {period}" for period in years for words in ("USD bn", "per cent of use")]
    return grid(["buyer", *headings], rows)


def sensitivity(years: Mapping[str, Year]) -> str:
    """The three assumptions that move a loss most: total Sobol indices with their band."""
    words = {run: label for label, run, _, _ in ROWS}
    whens = {"long": "long run", "none": "any time, first year to long run"}
    rows = []
    for run, target in ASKED.items():
        for period, year in years.items():
            for horizon, when in whens.items():
                told = []
                for party in (target, "COALITION", "THIRD_PARTIES"):
                    mine = year.sensitivity[run].filter((pl.col("party") == party) & (pl.col("horizon") == horizon))
                    most = mine.sort("total", "assumption", descending=[True, False]).head(3)
                    told.append(
                        ", ".join(
                            f"{r['assumption'].replace('WIOD13:', '')} {r['total']:.2f}"
                            f" ({r['total_low']:.2f} to {r['total_high']:.2f})"
                            for r in most.iter_rows(named=True)
                        )
                    )
                rows.append([words[run], period, when, *told])
    return grid(["case", "table", "when", "target", "coalition", "third parties"], rows)


def _headline(party: str) -> pl.Expr:
    return (pl.col("party") == party) & (pl.col("metric") == "loss_gdp") & (pl.col("item") == "ALL")


def _cells(scenario: Scenario, table: IOTable) -> SectorShares:
    return sector_shares(scenario, scenario.phase_list()[0], table, FLOWS.empty(), parties_of(scenario))


def _merged(table: IOTable) -> dict[str, IOTable]:
    """The table as it is, and with its sectors merged to three and to one."""
    made = {sector: "other goods" if int(sector[1:]) <= LAST_GOODS else "services" for sector in table.sectors}
    made |= {"c1": "raw", "c2": "raw"}
    return {
        f"{len(table.sectors)} sectors": table,
        "3 sectors": aggregate(table, sectors=made),
        "1 sector": aggregate(table, sectors=dict.fromkeys(table.sectors, "all")),
    }


def _solved(scenario: Scenario, base: Baseline, table: IOTable) -> list[str]:
    """What target and coalition lose of GDP under an embargo on a baseline."""
    banned = counterfactual_of(_cells(scenario, table), table, base.theta).banned
    lost = base.value_added * (1.0 - solve(base, banned=banned).real_income)
    told = []
    for party in (scenario.targets(), scenario.senders()):
        places = [table.economies.index(e) for e in party if e in table.economies]
        told.append(percent(float(lost[places].sum() / base.value_added[places].sum())))
    return told


def critical(years: Mapping[str, Year]) -> str:
    """The embargo by the coalition in the dynamic model, where machines, electronics and vehicles stop nobody."""
    never = {"c13": math.inf, "c14": math.inf, "c15": math.inf}
    variants = {
        "every good that is lacking stops who uses it (default)": Parameters(),
        "vehicles and their parts (c15) stop nobody": Parameters(stocks={"c15": math.inf}),
        "machinery, electronics, vehicles (c13 to c15) stop nobody": Parameters(stocks=never),
        "stocks of 180 days": Parameters(stock_days=180.0),
    }
    scenario = scenario_of("embargo_coalition")
    rows = []
    for period, year in years.items():
        table = year.table
        russia = table.economies.index("RUS")
        denied = denied_shares(table, _cells(scenario, table).shares)["value"]
        for words, parameters in variants.items():
            path = follow(table, [Stage("all", 0, 365, denied)], parameters, step=73)
            base = path.base_value_added()[russia] * path.days
            lost = path.value_added_lost()[:, russia]
            steps = (percent(float(part)) for part in lost / base)
            rows.append([words, period, percent(float(lost.sum() / base.sum())), *steps])
    return grid(["", "table", "year", "days 0-72", "73-145", "146-218", "219-291", "292-364"], rows)


# ---- coalition --------------------------------------------------------------------------------------------------


def benchmarks(years: Mapping[str, Year]) -> str:
    """Actual measures against a wider and a deeper coalition."""
    rows = []
    for period, year in years.items():
        frame = year.study.benchmarks["value"]
        for name in ("vertical", "autarky"):  # an embargo is complete already: actual and horizontal are these two
            row = frame.filter(pl.col("benchmark") == name).row(0, named=True)
            words = {"vertical": "embargo by the 32", "autarky": "embargo by everyone"}[name]
            sums = [digits(row[c] / 1e9) for c in ("target_loss", "coalition_loss", "others_loss")]
            rows.append([words, period, _band(year, name), *sums, percent(row["realised"])])
    headings = ["", "table", "target, per cent of income", "USD bn", "the 32, USD bn", "others, USD bn"]
    return grid([*headings, "reached by the 32, per cent"], rows)


def members(years: Mapping[str, Year]) -> str:
    """The members that add most and those that lose most, with transfers."""
    rows = []
    for period, year in years.items():
        found = year.study.members["value"]
        assert year.study.transfers is not None
        given = dict(year.study.transfers.rows.select("member", "transfer").rows())
        top = found.sort("multilateral", descending=True).head(8)["member"].to_list()
        top += [m for m in found.sort("own_loss_share", descending=True).head(4)["member"].to_list() if m not in top]
        for name in top:
            row = found.filter(pl.col("member") == name).row(0, named=True)
            shares = [percent(row[c]) for c in ("multilateral_share", "unilateral_share", "own_loss_share")]
            alone = "-" if row["payoff_alone"] is None else digits(row["payoff_alone"])
            rows.append([name, period, *shares, alone, digits(given[name] / 1e9)])
    headings = ["member", "table", "adds, per cent of Russia's income", "alone", "loses, per cent of its income"]
    return grid([*headings, "payoff alone, USD for USD", "receives, USD bn"], rows)


def greedy(years: Mapping[str, Year]) -> str:
    """The greedy coalition, a step a column: who joins, and what the target loses by then."""
    rows = []
    for period, year in years.items():
        found = year.study.greedy
        assert found is not None
        steps = found.steps.iter_rows(named=True)
        told = ", ".join(f"{r['member']} {percent(r['target_loss_share'])}" for r in steps)
        rows.append([period, told, digits(found.goal / 1e9), found.stopped])
    return grid(["table", "joins, and what Russia then loses, per cent of income", "goal, USD bn", "stopped"], rows)


def iran(years: Mapping[str, Year]) -> str:
    """What the tool says when it is asked about Iran."""
    year = list(years.values())[-1]
    said = []
    for run in (
        lambda: wi.simulate("embargo_iran_humanitarian", table=year.table),
        lambda: coalition_study("embargo_iran_humanitarian", year.table),
    ):
        try:
            run()
        except WiError as error:
            said.append(str(error))
    if len(said) != 2:
        raise WiError("an embargo on Iran has an answer on a table that does not hold it")
    kept = [line for text in said for line in text.splitlines() if "SITC" not in line and "exemption" not in line]
    return "\n".join(["    " + line for line in kept])


TABLES: dict[str, Callable[[Mapping[str, Year]], str]] = {
    "target": side_by_side,
    "coalition": lambda years: side_by_side(years, "COALITION"),
    "third_parties": lambda years: side_by_side(years, "THIRD_PARTIES"),
    "money": money,
    "extremes": extremes,
    "sectors": sectors,
    "published": published,
    "why": why,
    "sensitivity": sensitivity,
    "critical": critical,
    "ties": ties,
    "benchmarks": benchmarks,
    "members": members,
    "greedy": greedy,
    "iran": iran,
}

_BLOCK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def check(page: str) -> None:
    """WiError where the page lacks a table or names one that is not made."""
    named = sorted(found[2] for found in _BLOCK.finditer(page))
    if named != sorted(TABLES):
        raise WiError(
            f"the page has the tables {', '.join(named) or 'none'}, and should have {', '.join(sorted(TABLES))}",
            mend="write <!-- table NAME --> and <!-- end --> on lines of their own, once a name",
        )


def filled(page: str, years: Mapping[str, Year]) -> str:
    """The page with every table made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]](years)}\n{found[3]}", page)


def main(argv: list[str] | None = None) -> int:
    """Run the job; 1 where a table or the page cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path, help="files of the WIOD 2013 release, one a year")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the page, with its markers")
    options = parser.parse_args(argv)
    try:
        page = options.out.read_text(encoding="utf-8")
        check(page)
        years = {}
        for path in options.tables:
            table = wi.read("wiod", path).table
            if table is None:
                raise WiError(f"{path} is no input-output table")
            years[table.period] = year_of(table)
            print(f"{path}: {table.period} done", file=sys.stderr)
        text = filled(page, dict(sorted(years.items())))
        beside = options.out.with_suffix(".part")
        beside.write_text(text, encoding="utf-8")
        beside.replace(options.out)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except WiError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
