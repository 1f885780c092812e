"""Dynamic adaptive input-output: what denied deliveries do from day to day, through stocks, rationing and rerouting."""

from weaponized_interdependence.simulation.dynamics.answer import dynamic_answer
from weaponized_interdependence.simulation.dynamics.engine import run
from weaponized_interdependence.simulation.dynamics.parameters import PARAMETERS, Parameter, Parameters
from weaponized_interdependence.simulation.dynamics.path import Path, off_ramp
from weaponized_interdependence.simulation.dynamics.schedule import Stage

__all__ = ["PARAMETERS", "Parameter", "Parameters", "Path", "Stage", "dynamic_answer", "off_ramp", "run"]
