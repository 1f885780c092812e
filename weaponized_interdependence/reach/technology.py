"""Technology: foreign-made goods answer to the state whose content or technology is in them.

Two readings of export-control law, both on industry averages of an input-output table, where the law looks at single
articles (Export Administration Regulations of the USA, 15 CFR 734.3, 734.4 and 734.9):

de minimis        all exports of an industry answer to J when the part of them that is J's value added is above a
                  threshold: 25 per cent in general, 10 per cent for exports to a few destinations, and none (0) for
                  named technologies
direct product    all exports of a named industry answer to J when it buys any input directly from J's named technology
                  industries, whatever the part

An industry a little above the threshold holds many articles below it, and the other way round: a share of a node is a
statement on its mix of industries, not on any article.
"""

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from weaponized_interdependence.errors import Fault, UsageError
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.io_table.content import technology_content
from weaponized_interdependence.schemas import CONTROLS
from weaponized_interdependence.sums import steady_sum
from weaponized_interdependence.terms import Basis, ReachKind, Term, weakest

GENERAL = 0.25


class Rule(Term):
    """How foreign-made goods come within reach."""

    DE_MINIMIS = "de_minimis", "content above a threshold brings all exports of the industry within reach"
    DIRECT_PRODUCT = "direct_product", "any direct input of named technology brings a named industry within reach"


def technology(
    table: IOTable,
    jurisdictions: Sequence[str] | None = None,
    *,
    rule: str = Rule.DE_MINIMIS,
    threshold: float = GENERAL,
    sources: Collection[str] | None = None,
    products: Collection[str] | None = None,
) -> pl.DataFrame:
    """CONTROLS of channel technology: the part of a node's exports that answers to a jurisdiction.

    share(J, n) = exports of n's industries within J's reach / all exports of n

    Parameters
    ----------
    table
        Input-output table; content is value added that ends in the exports (see `io_table.content`).
    jurisdictions
        Whose technology; default every economy of the table.
    rule, threshold
        `de_minimis`: content must be above `threshold` (0 to 1). `direct_product` has no threshold.
    sources
        Industries whose value added, or deliveries, count as technology. Default for de minimis: all (controlled
        content is not told apart from other content, so shares are upper bounds). direct_product must be told.
    products
        Industries whose exports can come within reach; default all.

    Raises
    ------
    UsageError
        Unknown rule, economies or industries, a threshold out of range, all at once.
    """
    sources, products = (
        None if codes is None else [code.removeprefix(f"{table.classification}:") for code in codes]
        for codes in (sources, products)
    )
    _refuse(table, jurisdictions, rule, threshold, sources, products)
    held = list(jurisdictions) if jurisdictions is not None else list(table.economies)
    exports = exports_of(table)
    inside = _above(table, threshold, sources) if rule == Rule.DE_MINIMIS else _supplied(table, sources or ())
    if products is not None:
        inside = inside.filter(pl.col("sector").is_in(list(products)))
    whole = exports.group_by("node").agg(whole=steady_sum("value"))
    shares = (
        inside.filter(pl.col("jurisdiction").is_in(held), pl.col("jurisdiction") != pl.col("node"))
        .join(exports, on=["node", "sector"])
        .group_by("jurisdiction", "node")
        .agg(part=steady_sum("value"))
        .join(whole, on="node")
        .filter(pl.col("part") > 0)
    )
    basis = str(weakest(table.basis, Basis.ESTIMATED))
    return CONTROLS.conform(
        shares.select(
            "jurisdiction",
            "node",
            pl.lit(str(ReachKind.TECHNOLOGY)).alias("channel"),
            (pl.col("part") / pl.col("whole")).clip(0.0, 1.0).alias("share"),
            pl.lit(basis).alias("basis"),
        ).sort("jurisdiction", "node")
    )


def exports_of(table: IOTable) -> pl.DataFrame:
    """node, sector, value: what each industry sells abroad, to industries and to final demand, where above zero."""
    n, j, f = table.size
    sold = table.Z.reshape(n * j, n, j).sum(axis=2) + table.Y.reshape(n * j, n, f).sum(axis=2)
    sold[np.arange(n * j), np.arange(n * j) // j] = 0.0
    frame = pl.DataFrame(
        {"node": np.repeat(table.economies, j), "sector": list(table.sectors) * n, "value": sold.sum(axis=1)}
    )
    return frame.filter(pl.col("value") > 0)


def _above(table: IOTable, threshold: float, sources: Collection[str] | None) -> pl.DataFrame:
    content = technology_content(table, sectors=sources)
    sector = pl.col("item").str.strip_prefix(f"{table.classification}:")
    return content.filter(pl.col("share") > threshold).select("jurisdiction", "node", sector=sector)


def _supplied(table: IOTable, sources: Collection[str]) -> pl.DataFrame:
    """Industries that buy anything from the technology industries of a jurisdiction."""
    n, j, _ = table.size
    told = np.isin(table.sectors, list(sources))
    bought = table.Z.reshape(n, j, n * j)[:, told, :].sum(axis=1)  # (supplying economy, buying industry)
    supplier, buyer = np.nonzero(bought > 0)
    names, sectors = np.array(table.economies), np.array(table.sectors)
    return pl.DataFrame(
        {"jurisdiction": names[supplier], "node": names[buyer // j], "sector": sectors[buyer % j]},
        schema={"jurisdiction": pl.String, "node": pl.String, "sector": pl.String},
    )


def _refuse(
    table: IOTable,
    jurisdictions: Sequence[str] | None,
    rule: str,
    threshold: float,
    sources: Collection[str] | None,
    products: Collection[str] | None,
) -> None:
    faults = [
        Fault(f"no economy {name} in the table", mend=f"it has {', '.join(table.economies)}")
        for name in jurisdictions or ()
        if name not in table.economies
    ]
    faults += [
        Fault(f"no industry {name} in the table", mend=f"it has {', '.join(table.sectors)}")
        for name in [*(sources or ()), *(products or ())]
        if name not in table.sectors
    ]
    if rule not in list(Rule):
        faults.append(Fault(f"no rule {rule!r}", mend=f"choose from {', '.join(Rule)}"))
    if rule == Rule.DIRECT_PRODUCT and not sources:
        faults.append(Fault("direct_product needs the industries that are technology", mend="name them as sources"))
    if rule == Rule.DIRECT_PRODUCT and threshold != GENERAL:
        faults.append(Fault(f"a threshold of {threshold} is given, but direct_product has none"))
    if not 0 <= threshold < 1:
        faults.append(Fault(f"threshold is {threshold}", mend="0.25, 0.1 or 0, or another from 0 to below 1"))
    if faults:
        raise UsageError("technology content cannot be computed as asked", faults=faults)
