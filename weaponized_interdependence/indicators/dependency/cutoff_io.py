"""Cut-off power in an input-output table: denied supplies raise a target's prices directly and through its own inputs.

For a target t, sector k: omega_k is the share of all that t uses of k, from abroad and from itself, that J supplies;
d_k the share that t itself supplies; the rest comes from others, at their old prices. Value added keeps its price. With
gamma_kj the share of input k in the cost of t's sector j (Cobb-Douglas over inputs, CES with sigma_k over sources)

    ln c_j = sum_k gamma_kj ln P_k,        P_k^(1 - sigma_k) = d_k c_k^(1 - sigma_k) + (1 - omega_k - d_k)

whose least solution above zero is the answer. Where all that is not J's is t's own, d = 1 - omega and the solution is
the Leontief inverse of the direct price rises: ln P = (I - Gamma')^-1 [ -ln(1 - omega) / (sigma - 1) ].
"""

from dataclasses import dataclass

import numpy as np

from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import Party
from weaponized_interdependence.indicators.dependency.sigmas import NOTHING, log_price
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import Floats

_STEPS = 10_000
_SETTLED = 1e-13


@dataclass(frozen=True, eq=False)
class Uses:
    """What every economy uses, cells below zero (stocks drawn down) left out; N economies, J sectors.

    - `all` (N, J, N): deliveries of economy and sector to economy, for production and final use
    - `inputs` (J, N, J): what each sector of each economy uses of each sector, from anyone
    - `final` (J, N): final use; `output` (N, J): gross output
    """

    all: Floats
    inputs: Floats
    final: Floats
    output: Floats

    @classmethod
    def of(cls, table: IOTable) -> "Uses":
        """The uses of a table."""
        n, j, f = table.size
        bought = np.maximum(table.Z, 0.0).reshape(n, j, n, j)
        final = np.maximum(table.Y, 0.0).reshape(n, j, n, f).sum(axis=3)
        return cls(bought.sum(axis=3) + final, bought.sum(axis=0), final.sum(axis=0), table.x.reshape(n, j))


@dataclass(frozen=True, eq=False)
class Buyer:
    """One target, its members as one: shares over sources and of inputs, J sectors.

    - `sources` (N, J): share of every economy outside in what it uses; `own` (J,): its own share
    - `gamma` (J, J): share of input (row) in the cost of its sectors; `alpha` (J,): shares in its final use
    """

    sources: Floats
    own: Floats
    gamma: Floats
    alpha: Floats

    @classmethod
    def of(cls, uses: Uses, economies: tuple[str, ...], party: Party) -> "Buyer":
        """The target's uses as shares."""
        member = np.isin(economies, party.codes)
        used = uses.all[:, :, member].sum(axis=2)
        whole = used.sum(axis=0)
        share = np.divide(used, whole, out=np.zeros_like(used), where=whole > 0)
        inputs, final = uses.inputs[:, member].sum(axis=1), uses.final[:, member].sum(axis=1)
        # Columns that cost more than their output are all inputs.
        cost = np.maximum(uses.output[member].sum(axis=0), inputs.sum(axis=0))
        gamma = np.divide(inputs, cost, out=np.zeros_like(inputs), where=cost > 0)
        bought = final.sum()
        alpha = final / bought if bought > 0 else np.full(len(final), np.nan)
        return cls(np.where(member[:, None], 0.0, share), share[member].sum(axis=0), gamma, alpha)

    def prices(self, grips: Floats, sigma: Floats) -> Floats:
        """Log price rise of every sector when each jurisdiction denies what it grips: (jurisdictions, J).

        `grips` (jurisdictions, N), `sigma` (J,); infinite where nothing is left, or for any loss with sigma <= 1.
        """
        omega = np.minimum(grips @ self.sources, 1.0)
        direct = log_price(omega, sigma)
        left = 1.0 - omega
        own = np.divide(self.own, left, out=np.zeros_like(left), where=left > NOTHING)
        own = np.where(own >= 1 - NOTHING, 1.0, own)
        price = direct
        for _ in range(_STEPS):
            new = direct + _passed_on(self._costs(price), own, sigma)
            settled = (new == price) | (new - np.where(np.isfinite(price), price, -np.inf) <= _SETTLED)
            price = new
            if settled.all():
                return price
        raise ModelError("prices after a cut-off do not settle", mend="is value added of some industries zero?")

    def _costs(self, price: Floats) -> Floats:
        """Log cost rise of the target's own sectors; infinite where a needed input is."""
        lost = np.isinf(price)
        cost = np.where(lost, 0.0, price) @ self.gamma
        return np.where(lost.astype(float) @ self.gamma > 0, np.inf, cost)


def _passed_on(cost: Floats, own: Floats, sigma: Floats) -> Floats:
    """Log rise of a composite's price when the part `own` of what is left of it costs more and the rest does not."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        risen = np.log1p(own * np.expm1((1 - sigma) * cost)) / (1 - sigma)
        # The formula has no value at sigma 1, and none in doubles for a high cost where all that is left is own.
        risen = np.where((sigma == 1) | (own == 1), own * cost, risen)
    return np.where((own > 0) & (cost > 0), risen, 0.0)
