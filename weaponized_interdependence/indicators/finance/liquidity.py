"""Whose liquidity others live on, and through whom it passes on."""

import numpy as np
import polars as pl

from weaponized_interdependence.indicators.base import Context, register
from weaponized_interdependence.indicators.coded import grouped, margins, result

_WEIGHTS = "flow value is what is provided by its origin to its destination; a node's flows to itself are left out"
_EQUAL = 1e-12


@register(
    title="Liquidity hub share",
    formula="L(h) = sum over j with h = main provider of j of v_hj / sum of all v, the main provider of j being the "
    "one with the largest v_ij",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation="The hub and spokes of liquidity provision, as in Bahaj and Reis (2022), Central Bank Swap Lines: "
    "Evidence on the Effects of the Lender of Last Resort, Review of Economic Studies 89(4): 1654-1693; the formula "
    "is this project's",
    orientation="exports",
    notes="Providers within a relative 1e-12 of the largest are all main, and each counts for its part: with k of "
    "them, v / k. Over all nodes it adds up to the share of all funding that comes from main providers. A large "
    "lender that is nobody's first has 0. On claims the provider is the lender, on payments the payer.",
)
def liquidity_hub_share(context: Context) -> pl.DataFrame:
    """Share of all funding that its receivers draw from the node as their main provider.

    Examples
    --------
    FED is first for B and C, ECB for D; what ECB gives B does not count.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("liquidity_hub_share", [("FED", "B", 4), ("ECB", "B", 1), ("FED", "C", 2), ("ECB", "D", 3)])
    {'B': 0.0, 'C': 0.0, 'D': 0.0, 'ECB': 0.3, 'FED': 0.6}
    """
    coded = context.coded_edges
    m = margins(coded)
    largest = np.zeros(len(m))
    np.maximum.at(largest, m.at_destination, coded.value)
    main = coded.value >= largest[m.at_destination] * (1 - _EQUAL)
    receiver, provider = m.at_destination[main], m.at_origin[main]
    shared = coded.value[main] / np.bincount(receiver, minlength=len(m))[receiver]
    return result(coded, m.item, m.node, grouped(provider, shared, len(m)) / m.world)


@register(
    title="Liquidity passed on",
    formula="M(h) = 2 min(s_in(h), s_out(h)) / sum of all v",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation="Intermediation on both sides of the market as the mark of money-centre banks: Craig and von Peter "
    "(2014), Interbank tiering and money center banks, Journal of Financial Intermediation 23(3): 322-347; the "
    "formula is this project's",
    notes="An upper bound on what the node can pass on of what it receives: margins do not say which dollar went "
    "where. Both legs count, in and out, so it is at most removal_loss, and equal to it for a node that sends what it "
    "receives. A node that only lends or only borrows has 0.",
)
def liquidity_passed_on(context: Context) -> pl.DataFrame:
    """Share of all flows that is matched at the node: comes in and can go out again.

    Examples
    --------
    H gets 4 and gives 3: 2 * 3 of 7.

    >>> from weaponized_interdependence.indicators.rank import worked
    >>> worked("liquidity_passed_on", [("A", "H", 4), ("H", "B", 3)])
    {'A': 0.0, 'B': 0.0, 'H': 0.857142857143}
    """
    coded = context.coded_edges
    m = margins(coded)
    return result(coded, m.item, m.node, 2 * np.minimum(m.sent, m.received) / m.world)
