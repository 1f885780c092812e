"""Whose value added is in what an industry makes, and in what an economy exports.

A dollar of output of industry j holds v_i L_ij of the value added of industry i, v being value added per output and
L = (I - A)^-1. Summed over the industries of economy J it is J's content; over all economies the contents make one
dollar less the taxes and margins in the column, which are nobody's.
"""

import csv
import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import polars as pl

from weaponized_interdependence import settings
from weaponized_interdependence.errors import Fault, UsageError, nearest
from weaponized_interdependence.io_table.container import Array, IOTable
from weaponized_interdependence.io_table.leontief import LeontiefSystem

_INTENSITY = {"medium_high": 1, "high": 2}
_ISIC_REVISION = {"WIOD13": 3, "ICIO2016": 3, "ICIO2018": 4, "ICIO2021": 4, "ICIO2023": 4, "ICIO2025": 4}


def technology_content(table: IOTable, *, sectors: Collection[str] | None = None) -> pl.DataFrame:
    """Share of each economy's value added in what each economy exports, by exporting sector and altogether.

    Formula: share(J, s, j) = sum of v_i L_ij over the industries i of J in `sectors`; ALL is the mean over the sectors
    of s weighted by exports, intermediate and final.

    Parameters
    ----------
    table
        The input-output table.
    sectors
        Sectors of J whose value added counts as technology; by default every sector. `technology_sectors` gives those
        of high R&D intensity.

    Returns
    -------
    DataFrame
        jurisdiction (whose value added), node (who exports), item (CLASSIFICATION:sector or ALL), share of the
        exports' value. The exporter's own content is there as well (jurisdiction = node). Null where nothing is
        exported.

    Raises
    ------
    UsageError
        Sectors that the table does not have.
    ModelError
        Production chains of the table do not end.

    Notes
    -----
    Value added is where income is earned; a licence or a design that is not sold does not show. The look-through is
    that of foreign value added in trade statistics: Koopman, Wang and Wei (2014), American Economic Review 104(2).

    Examples
    --------
    A makes 4 of inputs out of nothing; B turns them into exports of 10 to A.

    >>> table = IOTable("2020", ("A", "B"), ("all",), ("final",), np.array([[0.0, 4.0], [0.0, 0.0]]),
    ...                 np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([4.0, 6.0]), np.array([4.0, 10.0]),
    ...                 np.zeros(2), "X")
    >>> technology_content(table).filter(pl.col("node") == "B", pl.col("item") == "ALL").rows()
    [('A', 'B', 'ALL', 0.4), ('B', 'B', 'ALL', 0.6)]
    """
    system = LeontiefSystem(table)
    system.require_ending()
    n, j, _ = table.size
    share = in_exports(table, value_content(system, sectors))
    items = ["ALL", *(f"{table.classification}:{sector}" for sector in table.sectors)]
    economies = pl.Series(table.economies)
    return pl.DataFrame(
        {
            "jurisdiction": economies.gather(np.repeat(np.arange(n), n * (j + 1))),
            "node": economies.gather(np.tile(np.repeat(np.arange(n), j + 1), n)),
            "item": pl.Series(items).gather(np.tile(np.arange(j + 1), n * n)),
            "share": share.ravel(),
        }
    ).with_columns(pl.col("share").fill_nan(None))


def value_content(system: LeontiefSystem, sectors: Collection[str] | None = None) -> Array:
    """Value added of each economy (its `sectors`; default all) in a dollar of each industry's output, (N, rows)."""
    table = system.table
    n, j, _ = table.size
    chosen = np.ones(j) if sectors is None else _indicator_of(table, sectors)
    weights = np.zeros((n, n, j))
    weights[np.arange(n), np.arange(n)] = system.value_added_share.reshape(n, j) * chosen
    return system.leontief_left(weights.reshape(n, n * j))


def exports(table: IOTable) -> Array:
    """What each industry delivers to other economies, to industries and to final demand, (rows,).

    A sum below zero (stocks drawn down abroad) is no export.
    """
    sold = deliveries(table)
    n = len(sold)
    sold[np.arange(n), :, np.arange(n)] = 0.0
    return np.asarray(np.maximum(sold.sum(axis=2), 0.0).ravel())


def leaving(sold: Array, members: Sequence[int]) -> Array:
    """What each industry of a group sells outside it, of `deliveries`: (members, J); of a group of one its `exports`.

    `members` are the positions of the group's economies. What they sell each other is no export of the group.
    """
    outside = np.setdiff1d(np.arange(len(sold)), members)
    return np.asarray(np.maximum(sold[members][:, :, outside].sum(axis=2), 0.0))


def deliveries(table: IOTable) -> Array:
    """What each industry sells to each economy, to industries and to final demand, (N, J, N)."""
    n, j, f = table.size
    return np.asarray(table.Z.reshape(n, j, n, j).sum(axis=3) + table.Y.reshape(n, j, n, f).sum(axis=3))


def in_exports(table: IOTable, content: Array) -> Array:
    """`content` (k, rows) per dollar of output, in what each economy exports: (k, N, 1 + sectors), first all of it.

    NaN where nothing is exported.
    """
    n, j, _ = table.size
    sold, part = exports(table).reshape(n, j), content.reshape(-1, n, j)
    total = sold.sum(axis=1)
    whole = np.divide((part * sold).sum(axis=2), total, out=np.full(part.shape[:2], np.nan), where=total > 0)
    return np.concatenate([whole[:, :, None], np.where(sold > 0, part, np.nan)], axis=2)


def technology_sectors(table: IOTable, *, high: bool = False) -> frozenset[str]:
    """Sectors of the table of medium-high or high R&D intensity; only high where asked.

    A sector counts when more than half of its ISIC divisions do (WIOD13 c14 holds 30 to 33, three of them high). The
    list is data/reference/technology_divisions.csv, after the OECD's taxonomies. Known for WIOD13 and the ICIO
    editions; UsageError for any other classification.

    >>> from types import SimpleNamespace
    >>> sorted(technology_sectors(SimpleNamespace(classification="WIOD13", sectors=("c1", "c9", "c14")), high=True))
    ['c14']
    """
    if not technology_divisions_known(table):
        raise UsageError(
            f"which sectors of {table.classification} are technology is not known here",
            mend="name them: technology_content(table, sectors=[...]), or count every sector (rd_intensity 0)",
        )
    level = 2 if high else 1
    divisions = {s: isic_divisions(table.classification, s)[1] for s in table.sectors}
    revision = _ISIC_REVISION[table.classification]
    reached = {d for r, d, intensity in _declared() if r == revision and _INTENSITY[intensity] >= level}
    return frozenset(s for s, held in divisions.items() if 2 * len(held & reached) > len(held))


def technology_divisions_known(table: IOTable) -> bool:
    """Whether the ISIC divisions of the table's sectors are known, which `technology_sectors` needs."""
    return table.classification in _ISIC_REVISION


def isic_divisions(classification: str, sector: str) -> tuple[int, frozenset[int]]:
    """Revision of ISIC and the divisions of it in a sector; none where its code names a section, or is not known.

    Revision 0 where no ISIC stands behind the classification.

    >>> isic_divisions("ICIO2021", "01T02"), isic_divisions("ICIO2023", "K"), isic_divisions("SITC1S", "3")
    ((4, frozenset({1, 2})), (4, frozenset()), (0, frozenset()))
    """
    revision = _ISIC_REVISION.get(classification, 0)
    if not revision:
        return 0, frozenset()
    return revision, _wiod13().get(sector, frozenset()) if classification == "WIOD13" else _isic_divisions(sector)


def _indicator_of(table: IOTable, sectors: Collection[str]) -> Array:
    asked = [sectors] if isinstance(sectors, str) else sorted(sectors)
    if unknown := [s for s in asked if s not in table.sectors]:
        faults = [
            Fault(f"no sector {s!r}", mend=f"did you mean {', '.join(close)}?" if close else "")
            for s in unknown
            for close in [nearest(s, table.sectors)]
        ]
        raise UsageError("the table has no such sector", faults=faults, mend=f"it has {', '.join(table.sectors)}")
    return np.array([float(s in asked) for s in table.sectors])


@lru_cache(maxsize=1)
def _declared() -> tuple[tuple[int, int, str], ...]:
    path = settings.data_dir() / "reference" / "technology_divisions.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple((int(r["revision"]), int(r["division"]), r["intensity"]) for r in csv.DictReader(lines))


@lru_cache(maxsize=1)
def _wiod13() -> dict[str, frozenset[int]]:
    path = settings.data_dir() / "reference" / "wiod13_industries.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return {r["industry"]: frozenset(map(int, r["isic3_divisions"].split())) for r in csv.DictReader(lines)}


def _isic_divisions(sector: str) -> frozenset[int]:
    """The divisions of an ICIO industry, whose code holds them: 20T21, C302T309, J62_63, A01_02, C29MEQ, 69T82."""
    ends = [int(digits[:2]) for digits in re.findall(r"\d\d+", sector)]
    return frozenset(range(ends[0], ends[-1] + 1)) if ends else frozenset()
