"""General equilibrium of world trade in exact changes: many sectors, inputs, tariffs, export taxes and bans.

Baseline                  the world before, as shares and levels               economy.py
Equilibrium               the world after                                      economy.py
solve(baseline, ...)      one counterfactual                                   solver.py
solve_many(baseline, ...) many counterfactuals together                        batch.py
levels(baseline)          expenditure, income and imbalance before             solver.py
calibrate(table, theta)   the world of an input-output table, exactly          calibration.py
balance(baseline)         the same world without deficits                      calibration.py
thetas(table, set, ...)   trade elasticities of a table's sectors              calibration.py
decompose(...)            terms and volume of trade, to first order            decomposition.py
ban, estimated_cost       bans on part of a sector's products, gravity costs   bans.py
solve_quotas(...)         quotas, with rents to either side                    policy.py
benchmarks, marginal_values, payoff, autarky           what a coalition can do  coalition.py
equalising_transfers, greedy_coalition                 who pays, who is needed  coalition_choice.py
"""

from weaponized_interdependence.simulation.equilibrium.bans import Ban, ban, banned_shares, estimated_cost
from weaponized_interdependence.simulation.equilibrium.batch import Counterfactual, Equilibria, solve_many
from weaponized_interdependence.simulation.equilibrium.calibration import Calibration, balance, calibrate, thetas
from weaponized_interdependence.simulation.equilibrium.coalition import (
    Case,
    autarky,
    benchmarks,
    gini,
    losses,
    marginal_values,
    payoff,
)
from weaponized_interdependence.simulation.equilibrium.coalition_choice import equalising_transfers, greedy_coalition
from weaponized_interdependence.simulation.equilibrium.decomposition import Decomposition, decompose, unit_cost
from weaponized_interdependence.simulation.equilibrium.economy import Baseline, Equilibrium
from weaponized_interdependence.simulation.equilibrium.policy import Quota, QuotaEquilibrium, solve_quotas
from weaponized_interdependence.simulation.equilibrium.solver import levels, solve

__all__ = [
    "Ban",
    "Baseline",
    "Calibration",
    "Case",
    "Counterfactual",
    "Decomposition",
    "Equilibria",
    "Equilibrium",
    "Quota",
    "QuotaEquilibrium",
    "autarky",
    "balance",
    "ban",
    "banned_shares",
    "benchmarks",
    "calibrate",
    "decompose",
    "equalising_transfers",
    "estimated_cost",
    "gini",
    "greedy_coalition",
    "levels",
    "losses",
    "marginal_values",
    "payoff",
    "solve",
    "solve_many",
    "solve_quotas",
    "thetas",
    "unit_cost",
]
