"""Production networks on an input-output table: what travels along chains when deliveries stop.

demand_pull, supply_push    Leontief and Ghosh, from one factorisation                      linkages.py
multipliers                 output, value added and supply multipliers of every industry
extract, extract_economies  hypothetical extraction: complete, partial, of named deliveries extraction.py
economy_cut, edge_cut       the scenarios it takes (cut_of of io_table: arrays of shares)
high_order_exposure         share of production that hangs on what is cut                   high_order.py
bottlenecks                 CES bound of a critical input that is missing                   bottleneck.py
demand_inoperability        part of output that stops, never more than all of it            inoperability.py

bottleneck.answer and inoperability.answer are models of a scenario, as simulation/input_output.py is one.
"""

from weaponized_interdependence.simulation.production.bottleneck import (
    Bottlenecks,
    Sigma,
    bottlenecks,
    ces_loss,
    worst_inputs,
)
from weaponized_interdependence.simulation.production.extraction import (
    Edge,
    by_economy,
    economy_cut,
    edge_cut,
    extract,
    extract_economies,
)
from weaponized_interdependence.simulation.production.high_order import HighOrderExposure, high_order_exposure
from weaponized_interdependence.simulation.production.inoperability import (
    demand_inoperability,
    interdependency,
    supply_inoperability,
)
from weaponized_interdependence.simulation.production.linkages import (
    GHOSH_WARNING,
    Multipliers,
    demand_pull,
    multipliers,
    supply_push,
)

__all__ = [
    "GHOSH_WARNING",
    "Bottlenecks",
    "Edge",
    "HighOrderExposure",
    "Multipliers",
    "Sigma",
    "bottlenecks",
    "by_economy",
    "ces_loss",
    "demand_inoperability",
    "demand_pull",
    "economy_cut",
    "edge_cut",
    "extract",
    "extract_economies",
    "high_order_exposure",
    "interdependency",
    "multipliers",
    "supply_inoperability",
    "supply_push",
    "worst_inputs",
]
