"""What every counterfactual of one baseline shares: its matrices and its response to small changes.

The equations are written with prices P, expenditure X and wages w as unknowns. Near the baseline their gaps g answer to
the unknowns by a matrix of which three parts are kept, none larger than (sectors x economies) x economies:

- M, K: the inputs that each economy buys from itself, inverted economy by economy (sectors x sectors each). They take
  the chain of domestic inputs out of the prices and out of the demand.
- T = dP/dw, V = dX/dw with all else at rest, found by repeated passes with M and K.
- C, the inverse of the response of the demand for labour to wages (economies x economies), T and V inside it.

A step dw = -C g_w, dP = M g_P + T dw, dX = K g_X + V dw is Newton's where the counterfactual is small and the chain of
inputs that crosses borders short; elsewhere it is a start that Anderson's acceleration mends.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline
from weaponized_interdependence.simulation.equilibrium.solver import levels

Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_PASSES = 5  # of the response: about a hundredth of it is left, which the acceleration does not feel
_ALMOST_ALL = 0.999  # of domestic supply: an economy that buys everything at home has no inverse where it adds no value
_KEPT = 4  # responses of one baseline, at different elasticities
_PREPARED: "WeakKeyDictionary[Baseline, dict[bytes, Shared]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Shared:
    """A baseline made ready for many counterfactuals. It does not hold the baseline, which it must not keep alive."""

    net: Array  # [j, n, i] share / (1 + tariff)
    inputs: Array  # [n, k, j]
    idle: Ints  # [j, n] nobody supplies
    traded: Ints  # [j] whether anyone buys abroad
    expenditure: Array  # [j, n] of the baseline
    income: Array  # [n] of the baseline
    prices: Singles  # M [n, j, j]
    demand: Singles  # K [n, j, j]
    price_to_wage: Singles  # T [j, n, m]
    demand_to_wage: Singles  # V [j, n, m], over the value added of n
    wages: Singles  # C [n, m]

    @property
    def usable(self) -> bool:
        """Whether the response could be found; it cannot where some economies trade only among themselves."""
        return bool(all(np.isfinite(a).all() for a in (self.wages, self.price_to_wage, self.demand_to_wage)))


def shared_by(world: Baseline, theta: Array) -> Shared:
    """The baseline made ready, with its response at these elasticities; the last few stay while the baseline lives."""
    known = _PREPARED.setdefault(world, {})
    key = theta.tobytes()
    if key not in known:
        while len(known) >= _KEPT:
            del known[next(iter(known))]
        known[key] = _prepare(world, theta)
    return known[key]


@on_one_blas_thread
def _prepare(world: Baseline, elasticity: Array) -> Shared:
    J, N = world.shape
    net = world.share / (1.0 + world.tariff)
    inputs = np.ascontiguousarray(world.input_share.transpose(2, 0, 1))
    home = np.arange(N)
    eye = np.eye(J)
    M = np.linalg.inv(eye - _ALMOST_ALL * world.share[:, home, home].T[:, :, None] * inputs.transpose(0, 2, 1))
    K = np.linalg.inv(eye - _ALMOST_ALL * inputs * net[:, home, home].T[:, None, :])
    expenditure, income, _ = levels(world)
    inverses = np.asarray(M, np.float64), np.asarray(K, np.float64)
    T, V, C = _response(world, elasticity, net, inputs, *inverses, expenditure)
    return Shared(
        net=net,
        inputs=inputs,
        idle=(world.share.sum(axis=2) == 0).astype(np.int64),
        traded=np.array([int(share.sum() > np.trace(share)) for share in world.share]),
        expenditure=expenditure,
        income=income,
        prices=M.astype(np.float32),
        demand=K.astype(np.float32),
        price_to_wage=T.astype(np.float32),
        demand_to_wage=(V / world.value_added[:, None]).astype(np.float32),
        wages=C.astype(np.float32),
    )


def by_economy(matrices: Any, block: Any, out: Any = None) -> Any:
    """Matrices [n, a, b] times a block [b, n, s]: [a, n, s], in one call and without copies."""
    if out is None:
        out = np.empty((matrices.shape[1], *block.shape[1:]), dtype=block.dtype)
    np.matmul(matrices, block.transpose(1, 0, 2), out=out.transpose(1, 0, 2))
    return out


def _response(
    world: Baseline, elasticity: Array, net: Array, inputs: Array, M: Array, K: Array, X: Array
) -> tuple[Array, Array, Array]:
    """T, V and C: each column is the answer to one economy's wage."""
    J, N = world.shape
    theta = elasticity[:, None, None]
    added, final = world.value_added_share[:, :, None], world.consumption_share[:, :, None]
    using = inputs.transpose(0, 2, 1)
    buying = net.transpose(0, 2, 1)
    wages = np.eye(N)
    P = np.zeros((J, N, N))
    for _ in range(_PASSES):
        cost = added * wages + by_economy(using, P)
        P += by_economy(M, np.matmul(world.share, cost) - P)
    cost = added * wages + by_economy(using, P)
    sales = np.matmul(buying, X[:, :, None])
    pushed = theta * (np.matmul(buying, X[:, :, None] * P) - sales * cost)
    kept = net.sum(axis=2)[:, :, None]
    revenue = (theta * X[:, :, None] * (np.matmul(net, cost) - kept * P)).sum(axis=0)
    duty = world.share.sum(axis=2)[:, :, None] - kept
    V = np.zeros((J, N, N))
    own = np.diag(world.value_added)
    for _ in range(_PASSES):
        income = own + revenue + (duty * V).sum(axis=0)
        V += by_economy(K, by_economy(inputs, np.matmul(buying, V) + pushed) + final * income - V)
    labour = (added * (np.matmul(buying, V) + pushed)).sum(axis=0) - own
    matrix = labour / world.value_added[:, None] - world.value_added / world.value_added.sum()
    try:
        C = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        C = np.full((N, N), np.nan)
    return P, V, C
