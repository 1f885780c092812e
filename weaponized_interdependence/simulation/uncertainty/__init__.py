"""How sure are we: assumptions as distributions, draws of them, and which of them moves the answer."""

from weaponized_interdependence.simulation.uncertainty.draws import Draws, Spread, draw, spread_of
from weaponized_interdependence.simulation.uncertainty.factors import Factor
from weaponized_interdependence.simulation.uncertainty.sensitivity import Sensitivity, sensitivity

__all__ = ["Draws", "Factor", "Sensitivity", "Spread", "draw", "sensitivity", "spread_of"]
