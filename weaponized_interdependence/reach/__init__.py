"""Jurisdictional reach: which state has a legal grip on which node, and on what part of what it sends and receives.

A node answers to several jurisdictions, by channel:

territory    where it is seated                                             territory(entities)
ownership    who owns it, by a fixed share of ownership, through chains     ownership(owned, entities)
currency     in whose currency it trades, and so in whose banks it clears   currency(flows)
technology   whose value added or technology its exports hold               technology(table)

Each gives CONTROLS; `compute_reach` joins what it is given, and the indicators read the outcome.
"""

from weaponized_interdependence.reach.compute import Reach, compute_reach
from weaponized_interdependence.reach.currency import currency, holders
from weaponized_interdependence.reach.ownership import ownership
from weaponized_interdependence.reach.technology import Rule, technology
from weaponized_interdependence.reach.territory import territory

__all__ = ["Reach", "Rule", "compute_reach", "currency", "holders", "ownership", "technology", "territory"]
