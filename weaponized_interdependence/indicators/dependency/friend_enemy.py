"""Friends and enemies (Kleinman, Liu and Redding): who gains and who loses from another's growth, or from a barrier.

One composite good, labour as the only factor, trade elasticity theta, balanced trade. X_in is what n buys of i,
domestic sales and all sectors together; Y_i = sum_n X_in what i earns and spends; S_ni = X_in / Y_n, T_in = X_in / Y_i,
q = Y / sum Y. Productivities z, iceberg trade costs tau (of n's purchases from i). To first order

    d ln w_i = sum_n T_in [ d ln w_n + theta ( sum_h S_nh c_nh - c_ni ) ],   c_nh = d ln w_h - d ln z_h + d tau_nh
    d ln u_n = d ln w_n - sum_i S_ni c_ni

with world income as the unit of account, q'd ln w = 0. So with V = (T + theta T S) / (theta + 1) - 1 q' and
b = theta / (theta + 1) [ (I - T S) d ln z + sum_n T_in ( sum_m S_nm d tau_nm - d tau_ni ) ],  (I - V) d ln w = b.

Trade in the data is not balanced. The base is the model's own equilibrium without imbalances: `balanced`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse.csgraph import connected_components

from weaponized_interdependence.compiled import on_one_blas_thread
from weaponized_interdependence.errors import ModelError
from weaponized_interdependence.indicators.base import EVERYONE, RESULT, Context, register
from weaponized_interdependence.indicators.dependency.sigmas import spread
from weaponized_interdependence.indicators.routing.direct import refuse_many
from weaponized_interdependence.indicators.routing.reach import grips, targets
from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.network import Floats, Ints
from weaponized_interdependence.terms import Basis

_STEPS = 100
_SETTLED = 1e-12

_WARNING = (
    "First order only, for shocks the size of a tariff: never extrapolate to a ban or an embargo. In the five-economy "
    "world of the tests, one log point of trade cost takes less than half of what this formula would have it. "
)
_MODEL = (
    "Sales for production and for final use count alike, so income is gross output; cells below zero count as zero. "
    "Imbalances of trade are solved away first, by the wages at which everyone spends what it earns: kept as they are, "
    "whoever runs a deficit would gain by all growth abroad. Economies that trade reaches only one way are solved "
    "apart: what one would do to the other is not defined. theta is assumed (5 is remembered as the paper's "
    "baseline, not checked); low and high are the least and the greatest score at theta, theta times and theta divided "
    f"by elasticity_spread. Also when ranked by item there is one score, under item {EVERYONE}: income is of the "
    "whole economy."
)
_FACTS: dict[str, Any] = {
    "weight_meaning": "deliveries of the table summed over sectors and uses, domestic sales among them: a spending "
    "share and an income share",
    "citation": "Kleinman, Liu and Redding, International Friends and Enemies, American Economic Journal: "
    "Macroeconomics 16(4), 2024; balancing and trade costs are this project's derivation",
    "pair": True,
    "knobs": frozenset({"theta", "elasticity_spread"}),
    "reads": "table",
    "best": Basis.ASSUMED,
}


@dataclass(frozen=True, eq=False)
class World:
    """Economies linked by trade; `flows` (N, N): what the row sells to the column, itself included; balanced."""

    flows: Floats

    @cached_property
    def income(self) -> Floats:
        """Y."""
        return np.asarray(self.flows.sum(axis=1))

    @cached_property
    def S(self) -> Floats:  # noqa: N802
        """Share of n's spending (row) on i (column)."""
        return np.asarray(self.flows.T / self.flows.sum(axis=0)[:, None])

    @cached_property
    def T(self) -> Floats:  # noqa: N802
        """Share of i's income (row) from n (column)."""
        return np.asarray(self.flows / self.income[:, None])

    def wages(self, b: Floats, theta: float) -> Floats:
        """Solve (I - V) d ln w = b for every column of b."""
        q = self.income / self.income.sum()
        V = (self.T + theta * self.T @ self.S) / (theta + 1) - q
        return np.asarray(np.linalg.solve(np.eye(len(q)) - V, b))

    def exposure(self, theta: float) -> tuple[Floats, Floats]:
        """W and U: log income and log welfare of the row by the log productivity of the column, (N, N)."""
        n = len(self.income)
        W = self.wages(theta / (theta + 1) * (np.eye(n) - self.T @ self.S), theta)
        return W, W - self.S @ W + self.S

    def barrier(self, target: Floats, grip: Floats, theta: float) -> Floats:
        """D ln u (N, jurisdictions) by the log trade cost, both ways, between a target and what others grip.

        `target` (N,): 1 for its members; `grip` (N, jurisdictions): the part of a node's trade that is made dearer.
        """
        t = target[:, None]
        dearer = t * (self.S @ grip) + grip * (self.S @ t)  # sum_m S_nm d tau_nm
        b = theta / (theta + 1) * (self.T @ dearer - grip * (self.T @ t) - t * (self.T @ grip))
        w = self.wages(b, theta)
        return np.asarray(w - self.S @ w - dearer)


def balanced(flows: Floats, theta: float) -> Floats:
    """Trade of the same economies without imbalances: at the wages w at which everyone spends what it earns.

    Spending shares follow wages, S_ni w_i^-theta / sum_h S_nh w_h^-theta, and labour stays as it is. Trade that is
    balanced already is given back as it is. Newton's steps; raises ModelError where they do not settle.
    """
    income = flows.sum(axis=1)
    share, w = flows / flows.sum(axis=0), np.zeros(len(income))
    for _ in range(_STEPS):
        demand = share * np.exp(-theta * w)[:, None]
        earned = income * np.exp(w)
        sales = demand / demand.sum(axis=0) * earned
        sold = sales.sum(axis=1)
        excess = np.log(sold / earned)
        if np.abs(excess).max(initial=0.0) <= _SETTLED:
            return np.asarray(sales)
        step = World(sales).wages(excess / (theta + 1), theta)
        w = w + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-300))
        w -= np.log((income * np.exp(w)).sum() / income.sum())
    raise ModelError("imbalances of trade cannot be solved away", mend="leave out economies that trade next to nothing")


def _worlds(context: Context) -> list[tuple[Ints, tuple[World, ...]]]:
    """Every set of economies linked both ways: positions, and balanced trade at the central, low and high theta."""

    def make() -> list[tuple[Ints, tuple[World, ...]]]:
        flows = _flows(context)
        # Of ties as yes or no: a dense matrix of values would lose those below 1e-8.
        _, label = connected_components(flows > 0, directed=True, connection="strong")
        sets = [np.flatnonzero(label == k) for k in np.unique(label)]
        parts = [(members, flows[np.ix_(members, members)]) for members in sets]
        return [
            (members, tuple(World(balanced(own, theta)) for theta in _thetas(context)))
            for members, own in parts
            if own.any()
        ]

    return context.keep("worlds", make)


def _flows(context: Context) -> Floats:
    """What the economies of the table sell each other and themselves, (N, N)."""
    return context.keep(
        "deliveries", lambda: _deliveries(context.table) if context.table is not None else np.zeros((0, 0))
    )


def _deliveries(table: IOTable) -> Floats:
    n, j, f = table.size
    inputs = np.maximum(table.Z, 0.0).reshape(n, j, n, j).sum(axis=(1, 3))
    final = np.maximum(table.Y, 0.0).reshape(n, j, n, f).sum(axis=(1, 3))
    return np.asarray(inputs + final)


def _thetas(context: Context) -> tuple[float, float, float]:
    return spread(context, context.knobs["theta"])


def _exposure(context: Context, which: int) -> pl.DataFrame:
    """Rows of W (0) or U (1), but for an economy's exposure to itself."""
    worlds, names = _worlds(context), np.array(context.table.economies if context.table else [], dtype=object)
    refuse_many(sum(len(members) ** 2 for members, _ in worlds))
    parts = []
    for members, bases in worlds:
        found = np.array([world.exposure(t)[which] for world, t in zip(bases, _thetas(context), strict=True)])
        node, counterpart = np.nonzero(~np.eye(len(members), dtype=bool))
        parts.append(_rows(names[members[node]], names[members[counterpart]], found[:, node, counterpart]))
    return _joined(parts)


def _rows(node: Any, counterpart: Any, found: Floats) -> pl.DataFrame:
    """Scores of the central theta, found[0], with the least and greatest of all."""
    return pl.DataFrame(
        {
            "item": pl.repeat(EVERYONE, len(node), eager=True),
            "node": pl.Series(node, dtype=pl.String),
            "counterpart": pl.Series(counterpart, dtype=pl.String),
            "score": found[0],
            "low": found.min(axis=0),
            "high": found.max(axis=0),
        }
    )


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts) if parts else pl.DataFrame(schema={**RESULT, "low": pl.Float64, "high": pl.Float64})


@register(
    title="Income exposure (friends and enemies)",
    formula="d ln w_n / d ln z_i = W_ni, W = theta / (theta + 1) (I - V)^-1 (I - T S), V = (T + theta T S) / "
    "(theta + 1) - 1 q'",
    unit="elasticity",
    notes="Income relative to the world's: growth elsewhere lowers it unless it raises demand for what the node sells. "
    "Above zero: the counterpart is a friend. " + _WARNING + _MODEL,
    needs=frozenset({"table"}),
    **_FACTS,
)
@on_one_blas_thread
def exposure_income(context: Context) -> pl.DataFrame:
    """Per cent by which the node's income, relative to the world's, rises with one per cent more productivity there.

    Examples
    --------
    Two alike that spend a quarter on each other: T S shrinks differences to 1/4, V to (1/2 + 5/4) / 6, so a
    difference in growth becomes one in income of 5/6 (3/4) / (1 - 7/24) = 15/17, half of it on either side.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> found = worked_table("exposure_income", [[0, 0], [0, 0]], [[3, 1], [1, 3]], economies=["A", "B"])
    >>> found["B", "A"], round(-15 / 34, 12)
    (-0.441176470588, -0.441176470588)
    """
    return _exposure(context, 0)


@register(
    title="Welfare exposure (friends and enemies)",
    formula="d ln u_n / d ln z_i = U_ni, U = W - S W + S, W as in exposure_income",
    unit="elasticity",
    notes="Above zero: the counterpart's growth makes what the node buys cheaper by more than it costs it income. "
    + _WARNING
    + _MODEL,
    needs=frozenset({"table"}),
    **_FACTS,
)
@on_one_blas_thread
def exposure_welfare(context: Context) -> pl.DataFrame:
    """Per cent by which the node's real income rises with one per cent more productivity in the counterpart.

    Examples
    --------
    Income falls by 15/34; prices by a quarter of A's growth (1 - 15/34) and, at home, by three quarters of 15/34.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> found = worked_table("exposure_welfare", [[0, 0], [0, 0]], [[3, 1], [1, 3]], economies=["A", "B"])
    >>> found["B", "A"], round(-15 / 34 + (1 - 15 / 34) / 4 + 3 / 4 * 15 / 34, 12)
    (0.029411764706, 0.029411764706)
    """
    return _exposure(context, 1)


def _barrier(context: Context, whose: str) -> pl.DataFrame:
    """Loss of the target, or of the jurisdiction, for every pair of which neither holds a part of the other."""
    table = context.table
    names = list(table.economies) if table is not None else []
    held, buyers = list(grips(context, names)), targets(context, names)
    refuse_many(len(held) * len(buyers))
    parts = []
    for party in buyers:
        target = np.isin(names, party.codes)
        outside = [grip for grip in held if not (grip.member & target).any()]
        if not target.any() or not outside:
            continue
        loser = np.array([grip.member if whose == "sender" else target for grip in outside]).T
        # A grip on the target itself bars nothing: its trade at home crosses no border.
        grip = np.array([np.where(target, 0.0, g.grip) for g in outside]).T
        loss = np.where(_apart(context, target, grip), np.nan, _loss(context, target, grip, loser))
        parts.append(_rows([g.label for g in outside], [party.label] * len(outside), loss))
    return _joined(parts).with_columns(pl.col("score", "low", "high").fill_nan(None))


def _loss(context: Context, target: Any, grip: Floats, loser: Any) -> Floats:
    """Log real income that the losers lose on average, by theta and jurisdiction; NaN where they have none.

    `target` (N,), `grip` and `loser` (N, jurisdictions); where none of the trade barred exists nothing is lost.
    """
    lost, whole = np.zeros((3, grip.shape[1])), np.zeros((3, grip.shape[1]))
    for members, bases in _worlds(context):
        for k, (world, theta) in enumerate(zip(bases, _thetas(context), strict=True)):
            weight = loser[members] * world.income[:, None]
            change = world.barrier(target[members].astype(np.float64), grip[members], theta)
            lost[k] -= (weight * change).sum(axis=0)
            whole[k] += weight.sum(axis=0)
    return np.asarray(np.divide(lost, whole, out=np.full_like(lost, np.nan), where=whole > 0))


def _apart(context: Context, target: Any, grip: Floats) -> Any:
    """Whether trade of the target with what a jurisdiction grips joins economies solved apart, (jurisdictions,)."""
    flows = _flows(context)
    label = -1 - np.arange(len(flows))  # who is in no set is apart from all
    for k, (members, _) in enumerate(_worlds(context)):
        label[members] = k
    trades = (flows > 0) | (flows.T > 0)
    partner = (trades & (label[:, None] != label))[target].any(axis=0)
    return (partner[:, None] & (grip > 0)).any(axis=0)


_BARRIER: dict[str, Any] = {
    **_FACTS,
    "unit": "elasticity",
    "needs": frozenset({"table", "jurisdiction", "target", "controls"}),
}
_BOTH_WAYS = (
    "Per unit of log trade cost, laid on all trade of the two in both directions, times the grip where it is partial; "
    "the cost is of the iceberg kind: it is used up, and no one collects it. A grip on the target itself bars nothing: "
    "its sales at home cross no border. A group's loss is the mean of its members', weighted by income. A loss is "
    "above zero; it is zero only where the two do not trade, and null where any trade of theirs joins economies that "
    "are solved apart. "
)


@register(
    title="Pressure of a trade barrier (first order)",
    formula="- d ln u_t / d ln tau, tau_ti = tau_it = tau for i in J; d ln w = (I - V)^-1 b, b_i = theta / (theta + 1) "
    "sum_n T_in ( sum_m S_nm d tau_nm - d tau_ni ), d ln u = d ln w - S d ln w - diag(S d tau')",
    notes=_BOTH_WAYS + _WARNING + _MODEL,
    **_BARRIER,
)
@on_one_blas_thread
def barrier_pressure(context: Context) -> pl.DataFrame:
    """Per cent of real income the target loses when its trade with the jurisdiction costs one per cent more.

    Examples
    --------
    Two alike that spend a quarter on each other: incomes cannot move apart, prices rise by a quarter.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("barrier_pressure", [[0, 0], [0, 0]], [[3, 1], [1, 3]], economies=["A", "B"])
    {('A', 'B'): 0.25, ('B', 'A'): 0.25}
    """
    return _barrier(context, "target")


@register(
    title="Collateral of a trade barrier (first order)",
    formula="- d ln u_J / d ln tau, the barrier and the model as in barrier_pressure",
    notes="Of two economies, the pressure of the one is the collateral of the other; groups differ. Null for a "
    "jurisdiction with no economy of its own in the table. " + _BOTH_WAYS + _WARNING + _MODEL,
    **_BARRIER,
)
@on_one_blas_thread
def barrier_collateral(context: Context) -> pl.DataFrame:
    """Per cent of real income the jurisdiction itself loses when its trade with the target costs one per cent more.

    Examples
    --------
    Both lose alike, so nothing is won by being the one who imposes it.

    >>> from weaponized_interdependence.indicators.rank import worked_table
    >>> worked_table("barrier_collateral", [[0, 0], [0, 0]], [[3, 1], [1, 3]], economies=["A", "B"])
    {('A', 'B'): 0.25, ('B', 'A'): 0.25}
    """
    return _barrier(context, "sender")
