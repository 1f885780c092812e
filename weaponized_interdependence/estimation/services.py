"""Services trade margins where publishers leave gaps: gravity fills what no one reports.

Few economies publish services trade by partner, more publish totals, some neither. The published totals stay as they
are; the rest follows the idea of balanced services matrices (OECD-WTO BaTIS; Fortanier et al. 2017) in a simple form.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.estimation.gravity import fit_gravity

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Filled:
    """Margins with equal totals, which of them are published, and how well the published exports are explained."""

    exports: Array
    imports: Array
    exports_published: Mask
    imports_published: Mask
    exports_r2: float
    balancing: float  # factor on the imports that are not published


def fill_margins(
    trade: Array, exports: Array, imports: Array, table: Array, names: tuple[str, ...], size: Array
) -> Filled:
    """Exports and imports of every economy from partial bilateral data and partial totals.

    1. Gravity on the known pairs gives every importer an effect.
    2. An exporter's effect is what its published total implies; without one it is predicted from `size` and its own
       importer effect by least squares over those with one (in logs).
    3. Known pairs are kept in proportion, the others are as gravity says, rows add up to the totals of step 2.
    4. Imports are the published totals; the others are the column sums, scaled by one factor so that the world's
       imports equal its exports.

    Parameters
    ----------
    trade : (n, n) bilateral exports, NaN where unknown
    exports, imports : (n,) totals, NaN where not published
    table, names : covariates as in `fit_gravity`
    size : (n, k) positive measures of size, such as GDP
    """
    n = len(exports)
    known = np.isfinite(trade)
    fit = fit_gravity(np.nan_to_num(trade), table, names, known=known)
    buyer = fit.importer_effects
    if not np.isfinite(buyer).all():
        raise ModelError(f"no known imports at position {', '.join(map(str, np.flatnonzero(~np.isfinite(buyer))))}")
    pull = np.exp(table @ np.array([fit.coefficients[name] for name in names]) + buyer)
    np.fill_diagonal(pull, 0.0)

    published = np.isfinite(exports)
    effect = np.full(n, np.nan)
    effect[published] = np.log(exports[published] / pull[published].sum(axis=1))
    design = np.column_stack([np.ones(n), np.log(size), buyer])
    weights = np.linalg.lstsq(design[published], effect[published], rcond=None)[0]
    residual = effect[published] - design[published] @ weights
    effect[~published] = design[~published] @ weights

    full = np.where(known, np.nan_to_num(trade), np.exp(effect)[:, None] * pull)
    sold = np.where(published, exports, full.sum(axis=1))
    bought = (full * (sold / full.sum(axis=1))[:, None]).sum(axis=0)
    given = np.isfinite(imports)
    factor = (sold.sum() - imports[given].sum()) / bought[~given].sum()
    if factor <= 0:
        raise ModelError("published imports exceed all exports", mend="check units")
    return Filled(
        sold,
        np.where(given, imports, bought * factor),
        published,
        given,
        float(1 - residual.var() / effect[published].var()),
        float(factor),
    )
