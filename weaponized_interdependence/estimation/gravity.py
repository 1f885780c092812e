"""The gravity prior: how much two economies would trade if size were no matter, from distance and shared ties.

The prior of a pair is exp(x'b): x are its covariates, b coefficients that are published or estimated here by Poisson
pseudo-maximum likelihood with an effect for every exporter and importer (Santos Silva & Tenreyro 2006). Size needs no
coefficient: biproportional fitting to the margins puts in what the exporter and importer effects would (Fally 2015).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.errors import Fault, InputError, ModelError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int_]

EARTH_RADIUS_KM = 6371.0088  # mean radius R1, IUGG
COVARIATES = ("log_distance", "contiguity", "language", "agreement", "single_market", "embargo")


def great_circle(latitude: Array, longitude: Array) -> Array:
    """Kilometres between all pairs of points given in degrees, by the haversine formula on a sphere.

    >>> np.round(great_circle(np.array([0.0, 0.0]), np.array([0.0, 180.0])), 0)[0, 1]
    np.float64(20015.0)
    """
    phi, lam = np.radians(latitude), np.radians(longitude)
    half = (
        np.sin((phi[:, None] - phi) / 2) ** 2
        + np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def covariates(places: pl.DataFrame, pairs: pl.DataFrame, regions: Sequence[str], *, by: str = "region") -> Array:
    """The covariates of every pair of regions, in the order of COVARIATES: shape (n, n, 6).

    Parameters
    ----------
    places : frame: economy, region, latitude, longitude, weight, languages, blocs
        One row a place; an economy may have several, a region several economies. `languages` and `blocs` are
        space-separated tokens. Weights count within their region.
    pairs : frame: relation, economy, counterpart
        Undirected facts between economies: relation is `contiguity` or `embargo`.
    regions : the regions wanted, in order
    by : column of `places` that groups them: `region`, or `economy` to keep the members of a region apart

    Distance is the weighted harmonic mean over pairs of places (Mayer & Zignago 2011, theta = -1); the others are
    weighted means of 0/1 ties, so that a region of many economies shares a tie in part. `agreement` is membership in
    a common bloc, `single_market` adds the European single market's own effect. The diagonal is zero.
    """
    missing = sorted(set(regions) - set(places[by]))
    if missing:
        raise InputError("regions without a place", faults=[Fault(r, mend="add its main city") for r in missing])
    places = places.filter(pl.col(by).is_in(list(regions)))
    owner = np.array([regions.index(r) for r in places[by]])
    share = np.zeros((len(regions), places.height))
    share[owner, np.arange(places.height)] = places["weight"].to_numpy()
    share /= share.sum(axis=1, keepdims=True)

    apart = np.maximum(great_circle(places["latitude"].to_numpy(), places["longitude"].to_numpy()), 1.0)
    spoken = [set((text or "").split()) for text in places["languages"]]
    joined = [set((text or "").split()) for text in places["blocs"]]
    ties = {
        "contiguity": _related(places, pairs, "contiguity"),
        "language": _shared(spoken),
        "agreement": _shared(joined),
        "single_market": _shared([bloc & {"SM"} for bloc in joined]),
        "embargo": _related(places, pairs, "embargo"),
    }
    table = np.stack(
        [-np.log(share @ (1 / apart) @ share.T)] + [share @ ties[name] @ share.T for name in COVARIATES[1:]], axis=-1
    )
    table[np.arange(len(regions)), np.arange(len(regions))] = 0.0
    return table


def _shared(tokens: Sequence[set[str]]) -> Array:
    table = np.zeros((len(tokens), len(tokens)))
    for a, b in combinations(range(len(tokens)), 2):
        table[a, b] = table[b, a] = float(bool(tokens[a] & tokens[b]))
    return table


def _related(places: pl.DataFrame, pairs: pl.DataFrame, relation: str) -> Array:
    rows = pairs.filter(pl.col("relation") == relation)
    known = set(zip(rows["economy"], rows["counterpart"], strict=True))
    names = places["economy"].to_list()
    table = np.zeros((len(names), len(names)))
    for a, b in combinations(range(len(names)), 2):
        table[a, b] = table[b, a] = float((names[a], names[b]) in known or (names[b], names[a]) in known)
    return table


def prior(table: Array, coefficients: Mapping[str, float]) -> Array:
    """exp(x'b) for every pair, zero on the diagonal; a covariate without a coefficient counts zero."""
    unknown = sorted(set(coefficients) - set(COVARIATES))
    if unknown:
        raise InputError(f"no covariate named {', '.join(unknown)}", mend=f"name some of {', '.join(COVARIATES)}")
    b = np.array([coefficients.get(name, 0.0) for name in COVARIATES])
    attraction = np.exp(table @ b)
    np.fill_diagonal(attraction, 0.0)
    return np.asarray(attraction)


@dataclass(frozen=True)
class GravityFit:
    """Coefficients with heteroskedasticity-robust standard errors, the effects of every economy and the fit."""

    coefficients: dict[str, float]
    errors: dict[str, float]
    exporter_effects: Array  # NaN for an economy without a known export
    importer_effects: Array  # likewise; 0 for the first importer of each connected part of the known pairs
    pairs: int
    pseudo_r2: float  # squared correlation of observed and fitted


def fit_gravity(
    trade: Array,
    table: Array,
    names: Sequence[str] = COVARIATES,
    *,
    known: npt.NDArray[np.bool_] | None = None,
    tolerance: float = 1e-13,
    max_iterations: int = 200,
) -> GravityFit:
    """Estimate gravity coefficients by Poisson pseudo-maximum likelihood with exporter and importer effects.

    Solves sum x (T - mu) = 0 with mu = exp(x'b + a_i + c_j) by iteratively reweighted least squares, zeros kept.
    The fitted matrix has the margins of the known trade: fitting its own prior to its own margins gives it again.
    Standard errors are the sandwich of Huber and White (HC0).

    Parameters
    ----------
    trade : (n, n) array, row sells to column, any one unit, not negative
    table : (n, n, k) array of covariates
    names : k names
    known : (n, n) mask of the cells to learn from; by default all but the diagonal

    Raises
    ------
    InputError
        Negative or not-finite trade among the known cells.
    ModelError
        A known row or column of zeros only, collinear covariates, or no convergence.
    """
    n = trade.shape[0]
    i, j = np.nonzero(~np.eye(n, dtype=bool) if known is None else known)
    y, x = trade[i, j].astype(np.float64), table[i, j]
    if not np.isfinite(y).all() or (y < 0).any():
        raise InputError("trade has negative or not-finite cells", mend="leave them out with `known`")
    sellers, seller = np.unique(i, return_inverse=True)
    buyers, buyer = np.unique(j, return_inverse=True)
    for direction, index, members in (("exports", seller, sellers), ("imports", buyer, buyers)):
        silent = members[np.bincount(index, weights=y) == 0]
        if silent.size:
            raise ModelError(f"no {direction} at position {', '.join(map(str, silent))}", mend="leave them out")
    effects = np.zeros((y.size, sellers.size + buyers.size))
    effects[np.arange(y.size), seller] = 1.0
    effects[np.arange(y.size), sellers.size + buyer] = 1.0
    # In every connected part of the known pairs one importer effect is the yardstick of the others: without that the
    # exporter and importer effects could shift against each other. (A panel is one part a year.)
    yardsticks = _first_of_each_part(seller, buyer)
    k, free = len(names), np.setdiff1d(np.arange(buyers.size), yardsticks)
    design = np.hstack([x, effects[:, : sellers.size], effects[:, sellers.size + free]])

    beta, mean = _poisson(y, design, names, tolerance, max_iterations)
    bread = np.linalg.inv(design.T @ (mean[:, None] * design))
    meat = design.T @ (((y - mean) ** 2)[:, None] * design)
    spread = np.sqrt(np.diag(bread @ meat @ bread))
    exporter, importer = np.full(n, np.nan), np.full(n, np.nan)
    exporter[sellers] = beta[k : k + sellers.size]
    importer[buyers[yardsticks]] = 0.0
    importer[buyers[free]] = beta[k + sellers.size :]
    return GravityFit(
        dict(zip(names, map(float, beta[:k]), strict=True)),
        dict(zip(names, map(float, spread[:k]), strict=True)),
        exporter,
        importer,
        int(y.size),
        float(np.corrcoef(y, mean)[0, 1] ** 2),
    )


def _first_of_each_part(seller: Index, buyer: Index) -> Index:
    """The first buyer of every connected part of the graph of known seller-buyer pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sellers, size = int(seller.max()) + 1, int(seller.max() + buyer.max()) + 2
    links = coo_array((np.ones(seller.size), (seller, sellers + buyer)), shape=(size, size))
    part = connected_components(links, directed=False)[1][sellers:]
    return np.asarray(np.unique(part, return_index=True)[1])


def _poisson(
    y: Array, design: Array, names: Sequence[str], tolerance: float, max_iterations: int
) -> tuple[Array, Array]:
    """Coefficients and fitted means of a Poisson regression with log link."""
    mean = (y + y.mean()) / 2
    deviance = np.inf
    for _ in range(max_iterations):
        working = np.log(mean) + (y - mean) / mean
        weighted = design * mean[:, None]
        gram = design.T @ weighted
        scale = 1 / np.sqrt(np.diag(gram))
        gram *= scale[:, None] * scale
        spectrum, axes = np.linalg.eigh(gram)
        if spectrum[0] <= 1e-11 * spectrum[-1]:
            raise ModelError(
                "the covariates cannot be told apart from each other or from the exporter and importer effects",
                mend="drop one of " + ", ".join(names),
            )
        beta = scale * (axes @ (axes.T @ (scale * (working @ weighted)) / spectrum))
        mean = np.exp(design @ beta)
        last, deviance = deviance, _deviance(y, mean)
        if abs(last - deviance) <= tolerance * (deviance + y.sum()):
            return beta, mean
    raise ModelError(f"Poisson regression did not settle in {max_iterations} rounds")


def _deviance(y: Array, mean: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(y > 0, y * np.log(y / mean), 0.0)
    return float(2 * (part - (y - mean)).sum())
