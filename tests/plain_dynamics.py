"""The dynamic model written out with whole matrices of orders and deliveries, slowly, straight from its equations."""

import math
from collections.abc import Sequence

import numpy as np

from weaponized_interdependence.io_table import IOTable
from weaponized_interdependence.simulation.dynamics import Parameters, Stage


class Plain:
    """One economy; `step` moves it, and checks on the way that nothing is made of nothing."""

    def __init__(self, table: IOTable, p: Parameters, days: np.ndarray) -> None:
        n, j, f = table.size
        m = n * j
        self.p, self.n, self.j, self.m, self.days = p, n, j, m, days
        x = np.maximum(table.x, 0) / 365
        z = np.where(x > 0, np.maximum(table.Z, 0) / 365, 0.0)
        y = np.maximum(table.Y.reshape(m, n, f).sum(axis=2), 0) / 365
        self.flows = np.hstack([z, y])  # (m, m + n): who buys what of whom
        self.of = np.tile(np.eye(j), n)  # (j, m): sums rows by sector
        self.got = self.of @ self.flows
        self.share = np.divide(self.flows, self.got[np.arange(m) % j], out=np.zeros_like(self.flows),
                               where=self.flows > 0)  # fmt: skip
        self.need = np.divide(self.got[:, :m], x, out=np.zeros((j, m)), where=x > 0)
        self.x0, self.rest = x, self.flows.sum(axis=1) - x
        self.buyer = np.append(np.repeat(np.arange(n), j), np.arange(n))  # economy of each buyer
        used = self.got[:, :m]
        self.stock = np.where(used > 0, used * np.where(np.isinf(days), 0, days)[:, None], 0.0)
        self.over, self.let, self.aim = np.ones(m), np.ones((m, n)), np.ones((m, n))
        self.loss = np.zeros(m)
        self.moved = np.zeros((j, m + n))
        self.regular, self.redirected = self.flows.copy(), np.zeros_like(self.flows)
        self.made = x.copy()
        self.first = True

    def enter(self, stage: Stage) -> None:
        self.aim = 1 - (stage.denied if stage.denied is not None else np.zeros_like(self.aim))
        cut = np.minimum(self.let, self.aim)
        keep = np.divide(cut, self.let, out=np.zeros_like(cut), where=self.let > 0)[:, self.buyer]
        self.regular, self.let = self.regular * keep, cut
        self.redirected = self.spread_over_free(self.of @ self.redirected)
        self.loss = stage.lost_capacity if stage.lost_capacity is not None else np.zeros(self.m)

    def overproduce(self, asked: np.ndarray, h: float) -> None:
        own = np.maximum(asked - np.maximum(self.rest, 0), 0)
        scarcity = np.divide(own - self.made, own, out=np.zeros(self.m), where=own > 0)
        pace = h / self.p.overproduction_days
        calm = np.abs(scarcity) < 1e-13
        change = np.where(calm, 1 - self.over, (self.p.overproduction - self.over) * scarcity)
        self.over = np.maximum(self.over + change * pace, 1)

    def shares_served(self, available: np.ndarray, orders: np.ndarray, extra: np.ndarray) -> np.ndarray:
        """(m, m + n): what of the orders is delivered; `extra` (m,) is asked for by nobody named, as final demand."""
        m = self.m
        kinds = [orders[:, :m], np.column_stack([orders[:, m:], extra])]
        asked = [kind.sum(axis=1) for kind in kinds]
        given = []
        if self.p.rationing == "proportional":
            part = np.minimum(
                np.divide(available, asked[0] + asked[1], out=np.ones(m), where=asked[0] + asked[1] > 0), 1
            )
            given = [kind * part[:, None] for kind in kinds]
        else:
            left = available.copy()
            made: dict[int, np.ndarray] = {}
            for k in (1, 0) if self.p.rationing == "final_first" else (0, 1):
                part = np.minimum(np.divide(left, asked[k], out=np.ones(m), where=asked[k] > 0), 1)
                made[k] = kinds[k] * part[:, None]
                left = np.maximum(left - made[k].sum(axis=1), 0)
            given = [made[0], made[1]]
        return np.hstack(given)

    def step(self, h: float) -> tuple[np.ndarray, np.ndarray]:
        """Output of the step (m,) and what final demand got in it (j, n)."""
        p, m, j = self.p, self.m, self.j
        unnamed, drawn = np.maximum(-self.rest, 0), np.maximum(self.rest, 0)
        regular, redirected = self.regular, self.redirected
        if p.redirected == "equal":  # one queue
            regular, redirected = regular + redirected, np.zeros_like(redirected)
        asked = regular.sum(axis=1) + redirected.sum(axis=1) + unnamed
        if p.scarcity == "incoming" and not self.first:
            self.overproduce(asked, h)
        capacity = self.x0 * self.over * (1 - self.loss)
        desired = np.minimum(np.maximum(asked - drawn, 0), capacity)
        limits = np.full((j, m), np.inf)
        tight = (self.need > p.negligible) & ~np.isinf(self.days)[:, None]
        goal = np.where(np.isinf(self.days), 0, self.days)[:, None] * self.need
        limits[tight] = (self.stock / np.where(tight, p.stock_alarm * goal, 1))[tight]
        self.made = np.minimum(desired, limits.min(axis=0))
        if p.scarcity == "standing":
            self.overproduce(asked, h)
        self.first = False
        available = np.minimum(self.made + drawn, asked)
        served = self.shares_served(available, regular, unnamed)
        left = np.maximum(available - served.sum(axis=1), 0)
        served2 = self.shares_served(left, redirected, np.zeros(m))[:, :-1]
        delivered = served[:, :-1] + served2
        # deliveries out are what was made, drawn from elsewhere, and what nobody named took
        assert np.allclose(delivered.sum(axis=1) + served[:, -1], available, rtol=1e-9, atol=1e-15)
        assert (self.made <= capacity * (1 + 1e-12)).all()
        assert (self.made <= asked + 1e-12).all()
        came = self.of @ delivered
        self.stock += h * (came[:, :m] - self.need * self.made)
        assert (self.stock[tight] >= -1e-12 * goal.max()).all()
        self.stock = np.maximum(self.stock, 0)
        grown = self.let + (self.aim - self.let) * -math.expm1(-h / p.return_days)
        self.let = np.where(self.aim - grown < 1e-9, self.aim, grown)
        self.order(capacity, desired, goal, h)
        return self.made, came[:, m:]

    def order(self, capacity: np.ndarray, desired: np.ndarray, goal: np.ndarray, h: float) -> None:
        p, m = self.p, self.m
        gap = np.maximum(goal * desired - self.stock, 0) / p.restock_days
        excess = np.maximum(self.stock - goal * np.maximum(desired, self.x0), 0) / p.restock_days
        made = self.need * self.made
        want = made + gap if p.follow == "made" else np.maximum(self.need * desired + gap - excess, 0)
        want = np.where(np.isinf(self.days)[:, None], made, want)  # what is not stored is ordered as it is used
        want = np.hstack([want, self.got[:, m:]])
        kept = self.share * self.let[:, self.buyer]
        reached = self.of @ kept
        weighed = kept.copy()
        if p.orders == "capacity":
            weighed[:, :m] *= np.divide(capacity, self.x0, out=np.ones(m), where=self.x0 > 0)[:, None]
        total = self.of @ weighed
        spread = np.divide(weighed, np.tile(total, (self.n, 1)), out=np.zeros_like(kept), where=weighed > 0)
        gone = np.where(1 - reached < 1e-13, 0.0, 1 - reached)
        self.moved = np.minimum(self.moved, gone)
        self.moved += (gone - self.moved) * -math.expm1(-h / p.reroute_days)
        self.moved[self.of @ (kept * (self.aim == 1)[:, self.buyer]) < 1e-9] = 0
        self.regular = spread * np.tile(want * reached, (self.n, 1))
        self.redirected = self.spread_over_free(want * self.moved)

    def spread_over_free(self, total: np.ndarray) -> np.ndarray:
        """Redirected orders (j, m + n) as orders on each supplier that is denied nothing."""
        free = (self.share * self.let[:, self.buyer]) * (self.aim == 1)[:, self.buyer]
        among = np.tile(self.of @ free, (self.n, 1))
        return np.divide(free, among, out=np.zeros_like(free), where=free > 0) * np.tile(total, (self.n, 1))


def plain(table: IOTable, stages: Sequence[Stage], p: Parameters, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Output (days, m) and final demand served (days, j, n), day by day, of stages that follow each other."""
    economy = Plain(table, p, days)
    output, served = [], []
    for stage in stages:
        economy.enter(stage)
        for _ in range(int(stage.end - stage.start)):
            made, came = economy.step(1.0)
            output.append(made.copy())
            served.append(came)
    return np.array(output), np.array(served)
