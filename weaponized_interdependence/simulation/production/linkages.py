"""Demand-pull (Leontief) and supply-push (Ghosh): output along chains, and the multipliers of every industry.

    demand-pull   dx = L dy              L = (I - A)^-1, A_ij = Z_ij / x_j: what customers no longer order
    supply-push   dx' = dm' G            G = (I - B)^-1, B_ij = Z_ij / x_i: what suppliers no longer bring

G = x^-1 L x, so one factorisation of I - A serves both. Both are linear: nobody substitutes and no price moves.
"""

from dataclasses import dataclass

import numpy as np

from weaponized_interdependence.io_table import Array, LeontiefSystem

GHOSH_WARNING = (
    "the supply-driven model passes a missing input on in full and lets demand follow supply, whatever other inputs "
    "are at hand; its plausibility is disputed (Oosterhaven 1988): an indication, no more"
)


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Per industry, (rows,): NaN where it makes nothing."""

    output: Array
    value_added: Array
    supply: Array


def demand_pull(system: LeontiefSystem, demand: Array) -> Array:
    """Output, (rows,) or (rows, k), that a change of final demand for each industry's product calls for: L @ demand.

    Examples
    --------
    Miller and Blair's two industries; demand for the first falls by 303.

    >>> from weaponized_interdependence.simulation.production.examples import two_industries
    >>> demand_pull(LeontiefSystem(two_industries()), np.array([303.0, 0.0])).round(9).tolist()
    [380.0, 80.0]
    """
    system.require_ending()
    return system.leontief(demand)


def supply_push(system: LeontiefSystem, inputs: Array) -> Array:
    """Output, (rows,), that goes with a change of primary or missing inputs of each industry: inputs @ G.

    Read it as the value of what is made of a missing input, no forecast of what will not be made: GHOSH_WARNING.
    Industries without output have none to change.

    References
    ----------
    Ghosh (1958), Input-Output Approach in an Allocation System, Economica 25; Oosterhaven (1988), On the Plausibility
    of the Supply-Driven Input-Output Model, Journal of Regional Science 28.
    """
    system.require_ending()
    return system.ghosh(inputs)


def multipliers(system: LeontiefSystem) -> Multipliers:
    """Output of the world behind a dollar of final demand, value added in it, and output ahead of a dollar of inputs.

    output = 1'L, value_added = v'L (one less the taxes and margins along the chain), supply = G 1.

    Examples
    --------
    >>> from weaponized_interdependence.simulation.production.examples import two_industries
    >>> found = multipliers(LeontiefSystem(two_industries()))
    >>> (found.output * 303).round(9).tolist(), found.value_added.round(9).tolist()
    ([460.0, 440.0], [1.0, 1.0])
    """
    system.require_ending()
    made = system.table.x > 0
    x = np.where(made, system.table.x, 0.0)
    ahead = np.divide(system.leontief(x), x, out=np.full(len(x), np.nan), where=made)  # G 1 = x^-1 L x
    added = system.leontief_left(system.value_added_share)
    return Multipliers(np.where(made, system.stages, np.nan), np.where(made, added, np.nan), ahead)
