"""Terms of trade and volume of trade: where a gain or loss comes from, to first order.

An output of its own. The sum of the two is NOT the change of real income of `Equilibrium`: it is the differential of
welfare at the baseline, evaluated at changes that are not small. The two differ in size, and can differ in sign; they
agree only in the limit of small changes from balanced trade.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import InputError
from weaponized_interdependence.simulation.equilibrium.economy import Array, Baseline, Equilibrium
from weaponized_interdependence.simulation.equilibrium.solver import levels


@dataclass(frozen=True, eq=False)
class Decomposition:
    """First-order welfare effects as shares of income before (0.01 = 1 per cent), all additive.

    - `terms_of_trade_of` [j, n, i]: what n gains in sector j in its trade with i, as the price of what it sells to i
      rises against the price of what it buys from i
    - `volume_of_trade_of` [j, n, i]: what n gains in tariff revenue as its imports of j from i grow in volume
    - `income` [n]: income before, in the baseline's unit, that the shares are of
    """

    terms_of_trade_of: Array
    volume_of_trade_of: Array
    income: Array

    @property
    def terms_of_trade(self) -> Array:
        """By economy [n]."""
        return _summed(self.terms_of_trade_of, (0, 2))

    @property
    def volume_of_trade(self) -> Array:
        """By economy [n]."""
        return _summed(self.volume_of_trade_of, (0, 2))

    @property
    def total(self) -> Array:
        """Both, by economy [n]: what Caliendo and Parro (2015) print as the welfare effect; not exact real income."""
        return self.terms_of_trade + self.volume_of_trade

    def by_partner(self) -> tuple[Array, Array]:
        """Terms and volume of trade of n with partner i: two arrays [n, i]."""
        return _summed(self.terms_of_trade_of, 0), _summed(self.volume_of_trade_of, 0)

    def by_sector(self) -> tuple[Array, Array]:
        """Terms and volume of trade of n in sector j: two arrays [j, n]."""
        return _summed(self.terms_of_trade_of, 2), _summed(self.volume_of_trade_of, 2)


def unit_cost(baseline: Baseline, equilibrium: Equilibrium) -> Array:
    """Hat of the cost of a bundle of inputs [j, n]: wage^value_added_share times prices^input_share."""
    inputs = np.einsum("kjn,kn->jn", baseline.input_share, np.log(equilibrium.price))
    cost: Array = np.exp(baseline.value_added_share * np.log(equilibrium.wage) + inputs)
    return cost


def decompose(baseline: Baseline, equilibrium: Equilibrium, *, tariff: npt.ArrayLike | None = None) -> Decomposition:
    """Terms-of-trade and volume-of-trade effects of going from the baseline to an equilibrium.

    With E[j, i, n] what n sells to i and M[j, n, i] what n buys from i, at border values before; c the hat of unit
    costs; M' imports after, at border values:

        terms of trade of n  = 1/I_n sum over j, i of   E[j, i, n] (c[j, n] - 1) - M[j, n, i] (c[j, i] - 1)
        volume of trade of n = 1/I_n sum over j, i of   tariff[j, n, i] M[j, n, i] ((M'/M - 1) - (c[j, i] - 1))

    Parameters
    ----------
    baseline
        Ideally with balanced trade (`balance`), as in the source: a deficit has an effect of its own, not told here.
    equilibrium
        The solution of a counterfactual of this baseline.
    tariff
        Tariffs after [j, n, i], those that were given to `solve`; by default the baseline's.

    Returns
    -------
    Decomposition
        Shares of income before; gains are positive.

    Raises
    ------
    InputError
        Tariffs of another shape.

    Notes
    -----
    Source: Caliendo and Parro (2015), Review of Economic Studies 82(1): 1-44, who print these sums for NAFTA: 1.31
    (Mexico), -0.06 (Canada), 0.08 (United States) per cent. Export taxes, iceberg costs and the resources that a ban
    wastes are no part of the formula.

    Examples
    --------
    >>> from weaponized_interdependence.simulation.equilibrium.solver import solve
    >>> world = Baseline(
    ...     share=np.array([[[0.8, 0.2], [0.2, 0.8]]]), value_added_share=np.ones((1, 2)),
    ...     input_share=np.zeros((1, 1, 2)), consumption_share=np.ones((1, 2)), value_added=np.array([10.0, 10.0]),
    ...     tariff=np.zeros((1, 2, 2)), deficit=np.zeros(2), theta=np.array([4.0]))
    >>> tariff = np.array([[[0.0, 0.1], [0.0, 0.0]]])
    >>> split = decompose(world, solve(world, tariff=tariff), tariff=tariff)
    >>> bool(split.terms_of_trade[0] > 0 > split.terms_of_trade[1]), split.volume_of_trade.tolist()
    (True, [0.0, 0.0])
    """
    duty = baseline.tariff if tariff is None else np.asarray(tariff, dtype=np.float64)
    if duty.shape not in ((), baseline.share.shape):
        raise InputError(f"tariff has shape {duty.shape}, the baseline says {baseline.share.shape}")
    start = levels(baseline)
    bought = baseline.share * start.expenditure[:, :, None] / (1.0 + baseline.tariff)
    after = equilibrium.share * equilibrium.expenditure[:, :, None] / (1.0 + duty)
    home = np.arange(bought.shape[1])
    bought[:, home, home] = after[:, home, home] = 0.0
    dearer = unit_cost(baseline, equilibrium) - 1.0
    sold = bought.transpose(0, 2, 1)  # [j, n, i]: what n sells to i
    terms = sold * dearer[:, :, None] - bought * dearer[:, None, :]
    volume = baseline.tariff * ((after - bought) - bought * dearer[:, None, :])
    return Decomposition(terms / start.income[:, None], volume / start.income[:, None], start.income)


def _summed(array: Array, axis: int | tuple[int, ...]) -> Array:
    total: Array = array.sum(axis=axis)
    return total
