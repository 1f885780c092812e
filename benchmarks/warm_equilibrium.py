"""Solves a world of three economies at import, so that compiled loops are there before any clock starts."""

from benchmarks.economies import economy, measures
from weaponized_interdependence.simulation.equilibrium import solve

_WORLD = economy(2, 3, 0, deficits=0.0)
solve(_WORLD, cost_change=measures(_WORLD, 0)["cost_change"])
