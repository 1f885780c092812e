"""The numbers of the dynamic model: what each means, its default with low and high, and where it comes from.

The model is that of Hallegatte (2008, 2014), Henriet, Hallegatte and Tabourier (2012) and Guan et al. (2020). Their
parameter values are told here from memory, unverified, and so every number counts as assumed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from weaponized_interdependence.errors import Fault, InputError
from weaponized_interdependence.terms import Basis

Case = Literal["low", "value", "high"]


@dataclass(frozen=True)
class Parameter:
    """One number of the model.

    `low` and `high` bound what is defensible. `worse` says which of the two makes the larger loss and so belongs to the
    high case; where it is empty the number stands still in the band, because which way it works depends on the case.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    meaning: str
    source: str
    worse: Literal["", "low", "high"] = ""
    basis: str = Basis.ASSUMED.value

    def at(self, case: Case) -> float:
        """The number of one case of the band."""
        if case == "value" or not self.worse:
            return self.value
        return self.high if (self.worse == "high") == (case == "high") else self.low


_RECALLED = "recalled from memory, unverified"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "stock_days", 90.0, 45.0, 180.0, "days",
        "target stock of every input that can be stored, in days of use",
        f"Hallegatte 2014: 90 days ({_RECALLED}); halved and doubled", "low",
    ),
    Parameter(
        "restock_days", 60.0, 30.0, 90.0, "days", "time in which a gap in the stock is ordered back",
        f"Hallegatte 2014: 30 to 60 days ({_RECALLED})",
    ),
    Parameter(
        "stock_alarm", 0.8, 0.5, 1.0, "share", "part of the target stock below which output is cut in proportion",
        f"Hallegatte 2014, psi: 0.8 ({_RECALLED})",
    ),
    Parameter(
        "overproduction", 1.25, 1.2, 1.3, "times capacity", "most that an industry can make, over its output before",
        f"Hallegatte 2008: 1.2; Guan et al. 2020: 1.25 ({_RECALLED})",
    ),
    Parameter(
        "overproduction_days", 365.0, 180.0, 365.0, "days",
        "adaptation time of overproduction, reached only where nothing that is ordered is delivered",
        f"Hallegatte 2008: one year ({_RECALLED})",
    ),
    Parameter(
        "reroute_days", 90.0, 40.0, 365.0, "days", "time in which denied orders are placed with other suppliers",
        "assumed; the quick end is Qatar 2017, whose imports were 40, 35 and 8 per cent down in the first three months",
        "high",
    ),
    Parameter(
        "return_days", 90.0, 30.0, 365.0, "days", "time in which orders return to a supplier that may deliver again",
        "assumed; no source is known", "high",
    ),
    Parameter(
        "negligible", 1e-5, 0.0, 1e-3, "input per output", "input so small that a lack of it stops nobody",
        "assumed, as implementations of the model have it",
    ),
)  # fmt: skip
"""Every number of the model that a user may doubt, with its range and source."""

_DEFAULT = {p.name: p.value for p in PARAMETERS}


@dataclass(frozen=True)
class Parameters:
    """How the economy behaves; numbers as in PARAMETERS, and the rules.

    - `stocks`: target days by sector, over `stock_days`; `inf` for an input that never stops anyone
    - `service_days`: target days of what cannot be stored; `inf`: services are put off and stop nobody
    - `storable`: the sectors whose product can be stored; None: those that make goods, where that is known
    - `capital`: whether machinery, electronics and vehicles (ISIC Rev. 3 divisions 29-35, Rev. 4 26-30), where a table
      buys them as inputs, are essential to whoever uses them, or idle: a lack of them stops nobody within the year. The
      low case of the band takes them as idle, for they are much of what a target buys and little of what it runs on
    - `rationing` among standing orders: proportional, final_first or final_last
    - `redirected`: orders that come from a denied supplier are served last, or equal to all others. `last` is the limit
      of capacity: who was a customer before is served first
    - `orders` are shared out among suppliers by trade before, or by that times capacity now (capacity)
    - `follow`: orders follow output desired (what demand and capacity allow), less for an input that piles up because
      another is missing; or output made. With `made`, who lacks an input orders less of it, and so lacks more: a
      lasting denial ends in no output at all where stocks are small
    - `scarcity` that calls for overproduction: of orders standing when output was made, or of those that came in after
    - `year_days`: days of the table's year
    - `longest_step`: longest step of the arithmetic in days; never more than a quarter of the shortest time above, that
      of stocks taken times `stock_alarm`, as stocks would swing or more be used than there is. News travels one tier of
      suppliers a step: the step moves results by about a per cent a day
    """

    stock_days: float = _DEFAULT["stock_days"]
    restock_days: float = _DEFAULT["restock_days"]
    stock_alarm: float = _DEFAULT["stock_alarm"]
    overproduction: float = _DEFAULT["overproduction"]
    overproduction_days: float = _DEFAULT["overproduction_days"]
    reroute_days: float = _DEFAULT["reroute_days"]
    return_days: float = _DEFAULT["return_days"]
    negligible: float = _DEFAULT["negligible"]
    stocks: Mapping[str, float] = field(default_factory=dict)
    service_days: float = math.inf
    storable: frozenset[str] | None = None
    capital: Literal["essential", "idle"] = "essential"
    rationing: Literal["proportional", "final_first", "final_last"] = "proportional"
    redirected: Literal["last", "equal"] = "last"
    orders: Literal["trade", "capacity"] = "trade"
    follow: Literal["desired", "made"] = "desired"
    scarcity: Literal["standing", "incoming"] = "standing"
    year_days: float = 365.0
    longest_step: float = 1.0

    def __post_init__(self) -> None:
        faults = [*self._number_faults(), *self._rule_faults()]
        if faults:
            raise InputError("these parameters of the dynamic model cannot be used", faults=faults)

    def case(self, case: Case) -> "Parameters":
        """The same for one case of the band: numbers left at their default take that of the case, `capital` too.

        >>> Parameters().case("high").stock_days, Parameters(stock_days=30).case("high").stock_days
        (45.0, 30)
        """
        moved = {p.name: p.at(case) for p in PARAMETERS if p.worse and getattr(self, p.name) == p.value}
        capital = "idle" if case == "low" else self.capital
        return replace(self, capital=capital, **moved)  # type: ignore[arg-type]

    @property
    def quickest(self) -> float:
        """The shortest time of the model's reactions, in days, without that of single sectors."""
        return min(self.restock_days, self.overproduction_days, self.reroute_days, self.return_days)

    def _number_faults(self) -> list[Fault]:
        above = ["restock_days", "overproduction_days", "reroute_days", "return_days", "year_days", "longest_step"]
        named = {**{name: getattr(self, name) for name in [*above, "stock_days", "service_days"]}}
        named |= {f"stocks[{sector}]": days for sector, days in self.stocks.items()}
        faults = [
            Fault(f"{name} is {days}", mend="give a number of days above zero; inf for never")
            for name, days in named.items()
            if not days > 0
        ]
        if math.isinf(self.year_days):
            faults.append(Fault("year_days is inf", mend="give the days of the table's year, such as 365"))
        if not 0 < self.stock_alarm <= 1:
            faults.append(Fault(f"stock_alarm is {self.stock_alarm}", mend="give a share above 0, up to 1"))
        if not 1 <= self.overproduction < math.inf:
            faults.append(Fault(f"overproduction is {self.overproduction}", mend="give a factor from 1 up, as 1.25"))
        if not 0 <= self.negligible < 1:
            faults.append(Fault(f"negligible is {self.negligible}", mend="give an input per output from 0 to 1"))
        return faults

    def _rule_faults(self) -> list[Fault]:
        lawful = {
            "rationing": ("proportional", "final_first", "final_last"),
            "capital": ("essential", "idle"),
            "redirected": ("last", "equal"),
            "orders": ("trade", "capacity"),
            "follow": ("desired", "made"),
            "scarcity": ("standing", "incoming"),
        }
        return [
            Fault(f"{name} is {getattr(self, name)!r}", mend=f"use {' or '.join(words)}")
            for name, words in lawful.items()
            if getattr(self, name) not in words
        ]


assert {p.name for p in PARAMETERS} <= {f.name for f in fields(Parameters)}
