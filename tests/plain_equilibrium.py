"""The trade equilibrium in changes, solved plainly: the slow reference that fast code is held against.

Caliendo and Parro (2015, Review of Economic Studies 82(1): 1-44) in hats, with iceberg costs, tariffs, export taxes,
bans and deficits. Nested: a fixed point for prices, one dense linear system for spending, a root finder for wages.
Nothing here is shared with the code under test but the two containers.

Axes: sector, importer n, exporter i; input_share[k, j, n] has k the input and j the user. A purchase of v at the
factory costs v(1 + e) at the border (e to the exporter's government) and v(1 + e)(1 + t) at home (t to the importer's).
"""

from typing import Any

import numpy as np
from scipy.optimize import root

from weaponized_interdependence.simulation.equilibrium.economy import Baseline, Equilibrium

Array = np.ndarray


def random_economy(
    rng: np.random.Generator,
    n: int,
    j: int,
    *,
    theta: tuple[float, float] = (0.5, 12.0),
    tariffs: bool = True,
    deficits: bool = True,
    zeros: float = 0.0,
    nontraded: int = 0,
    home: float = 2.0,
    scale: float = 100.0,
) -> Baseline:
    """A baseline drawn at random that is an exact equilibrium.

    Final spending is chosen first (the incomes that spend themselves, moved by up to 15 per cent where there are
    deficits); output follows through the linear system, value added and deficits are what is left: nothing has to be
    made to fit.

    theta is drawn evenly in logs; `zeros` is the share of cells abroad without trade; the last `nontraded` sectors sell
    at home only; `home` is how much likelier spending is at home.
    """
    share = rng.gamma(0.7, 1.0, (j, n, n)) + 1e-3
    kept = rng.random((j, n, n)) >= zeros
    kept[0, np.arange(n), (np.arange(n) + 1) % n] = True  # a ring of trade, so that no part of the world is closed
    share *= kept
    share[:, np.arange(n), np.arange(n)] = rng.gamma(3.0, 1.0, (j, n)) * home + 0.1
    for k in range(j - nontraded, j):
        share[k] = np.eye(n)
    share /= share.sum(axis=2, keepdims=True)
    tariff = rng.choice([0.0, 0.05, 0.1, 0.3], (j, n, n)) if tariffs else np.zeros((j, n, n))
    tariff[:, np.arange(n), np.arange(n)] = 0.0
    value_added_share = rng.uniform(0.25, 0.8, (j, n))
    input_share = rng.dirichlet(np.full(j, 0.8), (j, n)).transpose(2, 0, 1) * (1.0 - value_added_share)
    alpha = rng.dirichlet(np.full(j, 2.0), n).T

    def accounts(final: Array) -> tuple[Array, Array]:
        """Value added and tariff revenue, by country, that final spending [j, n] calls for."""
        paid = share / (1.0 + tariff)
        size = j * n
        flow = np.zeros((size, size))  # output (j, i) <- output (u, m) through spending of m
        for made in range(j):
            for seller in range(n):
                for user in range(j):
                    for buyer in range(n):
                        flow[made * n + seller, user * n + buyer] = (
                            paid[made, buyer, seller] * input_share[made, user, buyer]
                        )
        start = np.einsum("jni,jn->ji", paid, final).reshape(size)
        output = np.linalg.solve(np.eye(size) - flow, start).reshape(j, n)
        spent = final + np.einsum("kjn,jn->kn", input_share, output)
        revenue = np.einsum("jni,jn->n", tariff * paid, spent)
        return (value_added_share * output).sum(axis=0), revenue

    # The incomes that spend themselves belong to the root 1; their sum is what `scale` says.
    earned = np.column_stack([np.add(*accounts(alpha * unit)) for unit in np.eye(n)])
    values, vectors = np.linalg.eig(earned)
    income = np.abs(np.real(vectors[:, np.argmin(np.abs(values - 1.0))]))
    if deficits:
        income *= np.exp(rng.uniform(-0.15, 0.15, n))
    income *= scale / income.sum()
    added, revenue = accounts(alpha * income)
    deficit = income - added - revenue if deficits else np.zeros(n)
    return Baseline(
        share=share,
        value_added_share=value_added_share,
        input_share=input_share,
        consumption_share=alpha,
        value_added=added,
        tariff=tariff,
        deficit=deficit - deficit.mean(),
        theta=np.exp(rng.uniform(np.log(theta[0]), np.log(theta[1]), j)),
    )


def random_shocks(rng: np.random.Generator, baseline: Baseline, *, bans: int = 2) -> dict[str, Any]:
    """Shocks of every kind at once, none at home: costs, tariffs, export taxes, `bans` banned cells."""
    j, n, _ = baseline.share.shape
    abroad = ~np.eye(n, dtype=bool)
    cost = np.where(abroad, np.exp(rng.normal(0.0, 0.2, (j, n, n))), 1.0)
    tariff = np.where(abroad, rng.choice([0.0, 0.1, 0.4], (j, n, n)), 0.0)
    tax = np.where(abroad & (rng.random((j, n, n)) < 0.2), 0.15, 0.0)
    banned = np.zeros((j, n, n), dtype=bool)
    for _ in range(bans):
        a, b = rng.choice(n, 2, replace=False)
        banned[rng.integers(j), a, b] = True
    return {"cost_change": cost, "tariff": tariff, "export_tax": tax, "banned": banned}


def _shocks(b: Baseline, shocks: dict[str, Any]) -> tuple[Array, Array, Array, Array, Array]:
    """Cost hat (infinite where banned), tariff, export tax, deficit of the counterfactual."""
    shape = b.share.shape
    tariff = b.tariff if shocks.get("tariff") is None else np.broadcast_to(shocks["tariff"], shape)
    tax = np.zeros(shape) if shocks.get("export_tax") is None else np.broadcast_to(shocks["export_tax"], shape)
    cost = np.ones(shape) if shocks.get("cost_change") is None else np.broadcast_to(shocks["cost_change"], shape)
    kappa = cost * (1.0 + tariff) / (1.0 + b.tariff) * (1.0 + tax)
    if shocks.get("banned") is not None:
        kappa = np.where(shocks["banned"], np.inf, kappa)
    deficit = b.deficit if shocks.get("deficit") is None else np.asarray(shocks["deficit"], dtype=float)
    return kappa, tariff, tax, deficit, cost


def _cost(b: Baseline, wage: Array, price: Array) -> Array:
    """Equation (1): the hat of unit costs [j, n]."""
    return np.exp(b.value_added_share * np.log(wage) + np.einsum("kjn,kn->jn", b.input_share, np.log(price)))


def _price(b: Baseline, kappa: Array, cost: Array) -> Array:
    """Equation (2): the hat of sectoral prices [j, n]; one where nobody ever supplied."""
    theta = b.theta[:, None, None]
    total = np.sum(b.share * (kappa * cost[:, None, :]) ** -theta, axis=2)
    supplied = b.share.sum(axis=2) > 0
    if (supplied & (total <= 0)).any():
        raise ValueError("a sector has lost every supplier")
    return np.where(supplied, np.where(supplied, total, 1.0) ** (-1.0 / b.theta[:, None]), 1.0)


def _shares(b: Baseline, kappa: Array, cost: Array, price: Array) -> Array:
    """Equation (3): the new shares [j, n, i]."""
    return b.share * (kappa * cost[:, None, :] / price[:, :, None]) ** -b.theta[:, None, None]


def _spending(b: Baseline, wage: Array, share: Array, tariff: Array, tax: Array, deficit: Array) -> tuple[Array, Array]:
    """Equations (4) and (5) as one dense linear system: spending [j, n] and income [n]."""
    j, n = b.value_added_share.shape
    sold = share / (1.0 + tariff) / (1.0 + tax)  # of a unit of spending, what reaches the producer
    taxed = sold * tax
    duty = share * tariff / (1.0 + tariff)
    matrix = np.zeros((j, n, j, n))  # spending (k, n) <- spending (s, m)
    for k in range(j):
        for s in range(j):
            for m in range(n):
                matrix[k, :, s, m] += b.input_share[k, s, :] * sold[s, m, :]  # n sells s to m, and buys k to make it
                matrix[k, :, s, m] += b.consumption_share[k, :] * taxed[s, m, :]
                matrix[k, m, s, m] += b.consumption_share[k, m] * duty[s, m].sum()
    earned = wage * b.value_added + deficit
    flat = np.linalg.solve(np.eye(j * n) - matrix.reshape(j * n, j * n), (b.consumption_share * earned).reshape(j * n))
    spent = flat.reshape(j, n)
    income = earned + np.einsum("jni,jn->n", duty, spent) + np.einsum("jni,jn->i", taxed, spent)
    return spent, income


def _trade_gap(share: Array, spent: Array, tariff: Array, tax: Array, deficit: Array) -> Array:
    """Equation (6): exports less imports plus the deficit [n], at border values, export taxes inside them."""
    border = share / (1.0 + tariff) * spent[:, :, None]
    return border.sum(axis=(0, 1)) - border.sum(axis=(0, 2)) + deficit


def base_accounts(b: Baseline) -> tuple[Array, Array]:
    """Spending [j, n] and income [n] of the baseline itself."""
    zero = np.zeros_like(b.share)
    return _spending(b, np.ones(b.share.shape[1]), b.share, b.tariff, zero, b.deficit)


def plain_solve(b: Baseline, *, tol: float = 1e-12, start: Array | None = None, **shocks: Any) -> Equilibrium:
    """The equilibrium under the shocks that `solve` takes, in the same words. ArithmeticError where it fails."""
    kappa, tariff, tax, deficit, _ = _shocks(b, shocks)
    n = b.share.shape[1]

    def prices(wage: Array) -> Array:
        price = np.ones_like(b.consumption_share)
        for _ in range(5000):
            new = _price(b, kappa, _cost(b, wage, price))
            if np.max(np.abs(np.log(new / price))) < 1e-15:
                return new
            price = new
        return price

    def everything(wage: Array) -> tuple[Array, Array, Array, Array, Array]:
        price = prices(wage)
        share = _shares(b, kappa, _cost(b, wage, price), price)
        spent, income = _spending(b, wage, share, tariff, tax, deficit)
        return price, share, spent, income, _trade_gap(share, spent, tariff, tax, deficit) / b.value_added

    def scaled(log_wage: Array) -> Array:
        wage = np.exp(np.clip(np.append(log_wage, 0.0), -50.0, 50.0))
        return wage * b.value_added.sum() / (wage * b.value_added).sum()

    guess = np.zeros(n) if start is None else np.log(start)
    calls = 0
    gap = np.inf
    for step in (0.0, 0.3, 0.1, 0.03, 0.01):
        wage = np.exp(guess)
        for _ in range(60 if step else 0):  # tatonnement brings a far start near; the root finder finishes
            wage = wage * np.clip(1.0 + step * everything(wage)[4] / (1.0 + np.median(b.theta)), 0.5, 2.0)
            wage *= b.value_added.sum() / (wage * b.value_added).sum()
        found = root(lambda x: everything(scaled(x))[4][:-1], np.log(wage[:-1] / wage[-1]), tol=1e-15)
        calls += int(found.nfev)
        gap = float(np.max(np.abs(everything(scaled(found.x))[4])))
        if gap < tol:
            break
    else:
        raise ArithmeticError(f"the plain solver stopped at a gap of {gap:.1e}")
    wage = scaled(found.x)
    price, share, spent, income, _ = everything(wage)
    index = np.exp((b.consumption_share * np.log(price)).sum(axis=0))
    return Equilibrium(
        wage=wage,
        price=price,
        price_index=index,
        share=share,
        expenditure=spent,
        income=income,
        real_income=income / base_accounts(b)[1] / index,
        real_wage=wage / index,
        iterations=calls,
        residual=gap,
    )


def residuals(b: Baseline, e: Equilibrium, **shocks: Any) -> dict[str, float]:
    """By how much an equilibrium misses each equation, relative to the size of what stands in it."""
    kappa, tariff, tax, deficit, _ = _shocks(b, shocks)
    cost = _cost(b, e.wage, e.price)
    sold = e.share / (1.0 + tariff) / (1.0 + tax)
    output = np.einsum("jni,jn->ji", sold, e.expenditure)
    spent = np.einsum("kjn,jn->kn", b.input_share, output) + b.consumption_share * e.income
    duty = np.einsum("jni,jn->n", e.share * tariff / (1.0 + tariff), e.expenditure)
    taxed = np.einsum("jni,jn->i", sold * tax, e.expenditure)
    income = e.wage * b.value_added + duty + taxed + deficit
    gap = _trade_gap(e.share, e.expenditure, tariff, tax, deficit)
    index = np.exp((b.consumption_share * np.log(e.price)).sum(axis=0))
    world = b.value_added.sum()
    return {
        "price": float(np.max(np.abs(_price(b, kappa, cost) / e.price - 1.0))),
        "share": float(np.max(np.abs(_shares(b, kappa, cost, e.price) - e.share))),
        "spending": float(np.max(np.abs(spent - e.expenditure) / e.income)),
        "income": float(np.max(np.abs(income / e.income - 1.0))),
        "trade": float(np.max(np.abs(gap) / b.value_added)),
        "labour": float(
            np.max(np.abs((b.value_added_share * output).sum(axis=0) - e.wage * b.value_added) / b.value_added)
        ),
        "index": float(np.max(np.abs(index / e.price_index - 1.0))),
        "real_income": float(np.max(np.abs(e.income / base_accounts(b)[1] / index / e.real_income - 1.0))),
        "real_wage": float(np.max(np.abs(e.wage / index / e.real_wage - 1.0))),
        "numeraire": float(abs((e.wage * b.value_added).sum() / world - 1.0)),
    }
