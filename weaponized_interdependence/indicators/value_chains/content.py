"""Whose value added is in whose exports: what is earned at home, what comes from abroad, and from whom."""

import numpy as np
import polars as pl

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.indicators.base import Context, Party, register
from weaponized_interdependence.indicators.value_chains.leontief import (
    node_rows,
    pair_rows,
    parties,
    places,
    ratio,
    snapped,
    system_of,
)
from weaponized_interdependence.io_table.content import (
    deliveries,
    in_exports,
    leaving,
    technology_divisions_known,
    technology_sectors,
    value_content,
)
from weaponized_interdependence.network import Floats
from weaponized_interdependence.terms import Basis

_WEIGHTS = "deliveries of the table as input coefficients, and value added per output"
_KWW = (
    "Koopman, Wang and Wei (2014), Tracing Value-Added and Double Counting in Gross Exports, American Economic Review "
    "104(2): 459-494"
)
_EXPORTS = (
    "Exports are intermediate and final; sectors are weighted by them for a whole economy. Not defined (null) where "
    "nothing is exported."
)


def _scored(context: Context, content: Floats) -> pl.DataFrame:
    """One content an industry (rows,), per economy or by item, in exports."""
    table = system_of(context).table
    found = in_exports(table, content)[0]
    return node_rows(context, table.economies, snapped(found[:, 1:] if context.by_item else found[:, :1], 0.0, 1.0))


@register(
    title="Domestic value added in exports",
    formula="v_s (I - A_ss)^-1 e_s / sum e_s: GDP that would be gone if economy s exported nothing, over its exports",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation="Los, Timmer and de Vries (2016), Tracing Value-Added and Double Counting in Gross Exports: Comment, "
    "American Economic Review 106(7): 1958-1966",
    orientation="exports",
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes=_EXPORTS + " Hypothetical extraction of the exports: GDP less GDP without them, so nothing is counted twice. "
    "With foreign_content it makes one less taxes, margins and the domestic value added that returns in imported "
    "inputs (counted once here, and not there).",
)
@on_one_blas_thread
def value_added_in_exports(context: Context) -> pl.DataFrame:
    """Share of exports that is value added of the exporting economy itself.

    Examples
    --------
    A sells inputs of 4 to B, which exports 10 to A and sells 2 at home: a third of B's output is A's.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("value_added_in_exports", [[0, 4], [0, 0]], [[0, 0], [10, 2]], economies="AB")
    {'A': 1.0, 'B': 0.666666666667}
    """
    system = system_of(context)
    n, j, _ = system.table.size
    local = np.zeros(n * j)
    for k in range(n):
        own = slice(k * j, (k + 1) * j)
        local[own] = np.linalg.solve(np.eye(j) - system.table.A[own, own].T, system.value_added_share[own])
    return _scored(context, local)


@register(
    title="Foreign value added in exports",
    formula="sum over economies r other than s of v_r L_rs e_s / sum e_s",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_KWW + " (their vertical specialisation share, after Hummels, Ishii and Yi 2001)",
    orientation="exports",
    needs=frozenset({"table"}),
    reads="table",
    best=Basis.ESTIMATED,
    notes=_EXPORTS + " The look-through of Koopman, Wang and Wei and not the extraction of Los, Timmer and de Vries: "
    "foreign value added that crosses the exporter's border several times counts each time. The sum of "
    "foreign_technology_content over all other economies.",
)
@on_one_blas_thread
def foreign_content(context: Context) -> pl.DataFrame:
    """Share of exports that is value added of other economies, at any stage of the chain.

    Examples
    --------
    A sells inputs of 4 to B, which exports 10 to A and sells 2 at home.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("foreign_content", [[0, 4], [0, 0]], [[0, 0], [10, 2]], economies="AB")
    {'A': 0.0, 'B': 0.333333333333}
    """
    system = system_of(context)
    n, j, _ = system.table.size
    held = value_content(system).reshape(n, n, j)
    return _scored(context, np.asarray(held.sum(axis=0) - held[np.arange(n), np.arange(n)]).ravel())


@register(
    title="Foreign technology content of exports",
    formula="t(J, s) = sum over industries i of J of v_i (L e_s)_i / sum e_s, e_s the exports of s by sector; all "
    "industries of J, or those of high R&D intensity",
    weight_meaning=_WEIGHTS,
    unit="share, 0 to 1",
    citation=_KWW + "; sectors by R&D intensity: OECD (2011), ISIC Rev. 3 Technology Intensity Definition, and "
    "Galindo-Rueda and Verger (2016), OECD Taxonomy of Economic Activities Based on R&D Intensity",
    orientation="exports",
    pair=True,
    needs=frozenset({"table", "jurisdiction", "target"}),
    reads="table",
    best=Basis.ASSUMED,
    knobs=frozenset({"rd_intensity"}),
    notes=_EXPORTS + " node is the jurisdiction whose value added counts, counterpart the exporter; of a coalition the "
    "members' sum; exports of a group are what leaves it, not what its members sell each other. This is what de "
    "minimis thresholds (25, 10, 0 per cent) are held against; the rules themselves "
    "count controlled items in single products, so a sector's mean is an assumption about each of them. low and high "
    "are the smallest and largest of three readings: high R&D intensity only, medium-high too, all value added; null "
    "where the R&D intensity of the table's sectors is not known.",
)
@on_one_blas_thread
def foreign_technology_content(context: Context) -> pl.DataFrame:
    """Share of the counterpart's exports that is value added of the node: counterpart exports, node's content counts.

    Examples
    --------
    A sells inputs of 4 to B, which exports 10 to A and sells 2 at home.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("foreign_technology_content", [[0, 4], [0, 0]], [[0, 0], [10, 2]], economies="AB")
    {('A', 'B'): 0.333333333333, ('B', 'A'): 0.0}
    """
    table, system = system_of(context).table, system_of(context)
    level = int(context.knobs["rd_intensity"])
    holders, sellers = parties(context, context.jurisdictions), parties(context, context.targets)
    known = technology_divisions_known(table)
    readings = {0: _party_content(context, value_content(system), holders, sellers)}
    for high in (False, True) if known or level else ():
        part = value_content(system, technology_sectors(table, high=high))
        readings[2 if high else 1] = _party_content(context, part, holders, sellers)
    every = np.stack(list(readings.values()))
    band = {"low": every.min(axis=0), "high": every.max(axis=0)} if known else {}
    apart = np.array([[float(not {*j.codes} & {*s.codes}) for s in sellers] for j in holders])
    names = [party.label for party in holders], [party.label for party in sellers]
    return pair_rows(context, *names, apart.reshape(len(holders), len(sellers)), score=readings[level], **band)


def _party_content(context: Context, content: Floats, holders: tuple[Party, ...], sellers: tuple[Party, ...]) -> Floats:
    """content (N, rows) of every economy's dollar, in exports: (holders, sellers, items)."""
    table = system_of(context).table
    n, j, _ = table.size
    held = (_members(context, holders) @ content).reshape(len(holders), n, j)
    found = np.empty((len(holders), len(sellers), j if context.by_item else 1))
    every = deliveries(table)
    for k, seller in enumerate(sellers):
        own = places(context, seller)
        sold = leaving(every, own)
        carried, whole = (held[:, own] * sold).sum(axis=1), sold.sum(axis=0)
        if not context.by_item:
            carried, whole = carried.sum(axis=1, keepdims=True), whole.sum(keepdims=True)
        found[:, k] = snapped(ratio(carried, whole), 0.0, 1.0)
    found[[not places(context, party) for party in holders]] = np.nan  # no economy of the table
    return found


def _members(context: Context, some: tuple[Party, ...]) -> Floats:
    held = np.zeros((len(some), len(system_of(context).table.economies)))
    for k, party in enumerate(some):
        held[k, places(context, party)] = 1.0
    return held
