"""Made-up worlds for benchmarks and tests of the equilibrium: gravity, home bias, inputs, exactly in equilibrium."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weaponized_interdependence.simulation.equilibrium import Baseline


def economy(
    sectors: int,
    economies: int,
    seed: int,
    *,
    theta: tuple[float, float] = (0.5, 20.0),
    tariffs: bool = True,
    deficits: float = 0.05,
    zeros: float = 0.0,
    untraded: float = 0.25,
    home: float = 1.5,
) -> "Baseline":
    """A baseline whose levels agree with its shares to rounding.

    Shares are of gravity: sizes lognormal, costs rising with distance on a sphere and with any border, a product term
    for every pair and sector. Elasticities are log-uniform within `theta`. `deficits` is their standard deviation over
    value added, `zeros` the part of foreign shares that are zero, `untraded` the part of sectors that stay at home and
    `home` the log of the cost of a border, in units of shares.

    Final spending is chosen; spending, value added and deficits follow from the accounts. It is moved until value added
    and deficits are what is wanted.
    """
    import numpy as np

    from weaponized_interdependence.simulation.equilibrium import Baseline

    rng = np.random.default_rng(seed)
    J, N = sectors, economies
    size = rng.lognormal(0.0, 1.5, N)
    place = rng.normal(size=(N, 3))
    place /= np.linalg.norm(place, axis=1, keepdims=True)
    apart = np.arccos(np.clip(place @ place.T, -1, 1))
    strength = size ** rng.uniform(0.6, 1.0, (J, 1)) * rng.lognormal(0.0, 0.7, (J, N))
    foreign = np.exp(-home - np.log1p(3 * apart)) * rng.lognormal(0.0, 0.8, (J, N, N)) * strength[:, None, :]
    own = np.eye(N, dtype=bool)
    foreign[:, own] = 0.0
    foreign[rng.uniform(size=foreign.shape) < zeros] = 0.0
    foreign[rng.permutation(J)[: int(untraded * J)]] = 0.0
    # at home, shares between a quarter and nearly all, more in large economies
    part = foreign.sum(axis=2)
    domestic = rng.uniform(0.25, 0.95, (J, N)) * np.clip(1 - 0.3 / (1 + size), 0.5, 1)
    share = np.where(part[..., None] > 0, foreign * ((1 - domestic) / np.where(part > 0, part, 1))[..., None], 0.0)
    share[:, own] = np.where(part > 0, domestic, 1.0)
    share /= share.sum(axis=2, keepdims=True)

    value_added_share = rng.uniform(0.25, 0.8, (J, N))
    inputs = rng.gamma(0.5, 1.0, (J, J, 1)) * rng.lognormal(0.0, 0.5, (J, J, N)) + 3.0 * np.eye(J)[..., None]
    inputs *= (1 - value_added_share) / inputs.sum(axis=0)
    final = rng.gamma(1.0, 1.0, (J, 1)) * rng.lognormal(0.0, 0.3, (J, N)) + 1e-3
    final /= final.sum(axis=0)
    tariff = rng.gamma(1.0, 0.05, (J, N, N)) * (share > 0) if tariffs else np.zeros((J, N, N))
    tariff[:, own] = 0.0

    net = share / (1 + tariff)
    wanted = np.clip(rng.normal(0.0, deficits, N), -0.5, 0.5) if deficits else np.zeros(N)
    income = size / size.sum()
    spending = final * income
    for step in range(2000):
        sales = np.einsum("jni,jn->ji", net, spending, optimize=True)
        added = (value_added_share * sales).sum(axis=0)
        revenue = spending.sum(axis=0) - np.einsum("jni,jn->n", net, spending, optimize=True)
        deficit = income - added - revenue
        if step < 150:  # afterwards income stays, and spending settles to rounding
            income = added + revenue + wanted * added - (wanted @ added) * added / added.sum()
            income /= income.sum()
        following = np.einsum("kjn,jn->kn", inputs, sales, optimize=True) + final * income
        settled = step > 150 and np.abs(following / spending - 1).max() < 1e-15
        spending = following
        if settled:
            break
    low, high = np.log(theta)
    return Baseline(
        share=share,
        value_added_share=value_added_share,
        input_share=inputs,
        consumption_share=final,
        value_added=added,
        tariff=tariff,
        deficit=deficit,
        theta=np.exp(rng.uniform(low, high, J)),
    )


def measures(world: "Baseline", seed: int) -> dict[str, Any]:
    """An embargo of one economy by a third of the others, costlier trade of another, and new tariffs of a third."""
    import numpy as np

    rng = np.random.default_rng(seed)
    J, N = world.shape
    target, hampered, taxing = rng.permutation(N)[:3]
    senders = [n for n in rng.permutation(N)[: max(1, N // 3)] if n != target]
    banned = np.zeros((J, N, N), dtype=bool)
    banned[:, senders, target] = banned[:, target, senders] = True
    cost = np.ones((J, N, N))
    cost[:, hampered, :] = cost[:, :, hampered] = rng.uniform(1.0, 1.3)
    cost[:, hampered, hampered] = 1.0
    tariff = world.tariff.copy()
    tariff[:, taxing, :] += rng.uniform(0.0, 0.3, (J, 1))
    tariff[:, np.arange(N), np.arange(N)] = 0.0
    return {"banned": banned, "cost_change": cost, "tariff": tariff}
