"""Prices in many small markets at once: every seller sells its fixed supply, every buyer spends what it spent.

    p_i Y_i = sum_n M_n s_ni (p_i (1 + t_ni))^(1 - sigma) P_n^(sigma - 1) / (1 + t_ni)

With sigma > 1 and spending fixed, sellers are gross substitutes, so each market has one answer. The step
p_i -> p_i (demand / p_i Y_i)^(1 / sigma), taken once from old prices, is one round of adjustment; repeated it closes in
on the answer.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.errors import ModelError

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TOLERANCE = 1e-9  # of what sellers earn against what buyers pay
MOST_STEPS = 5000
MEMORY = 3  # steps that an Anderson step looks back on
BLOCK_ROWS = 100_000  # solved together: few enough to stay in a processor's cache
FAR = 300.0  # exponent beyond which powers are kept as logarithms


@dataclass(frozen=True)
class Slices:
    """Markets in which a flow is denied or not; rows in order of market and buyer.

    `item_of` as in Market. A cell is market * economies + economy: `buyer` and `seller` are cells of each row,
    `spending` and `sales` sums before the measures in each cell.
    """

    economies: int
    item_of: Index
    buyer: Index
    seller: Index
    share: Floats  # of the buyer's spending
    denied: Bools
    tariff: Floats
    spending: Floats
    sales: Floats

    def __len__(self) -> int:
        return len(self.item_of)


@dataclass(frozen=True)
class Equilibrium:
    """After the measures, each (slices, economies)."""

    log_power: Floats  # of buyers: (1 - sigma) ln P; 0 with no shock, -inf with everything denied
    price: Floats  # of sellers: 1 with no shock, 0 with every buyer denied
    revenue: Floats  # duty collected by buyers


def equilibrium(slices: Slices, sigma: Floats) -> Equilibrium:
    """Prices at which every seller sells its fixed supply and every buyer spends what it spent; `sigma` (slices,).

    Where a buyer has a source left, what it pays is what sellers and duty receive, to a relative 1e-9. The step
    ln p -> ln p + r / sigma, r = ln(demand / p Y), is a contraction by (sigma - 1) / sigma in the largest |r|, which
    bounds the error in ln p; Anderson steps are taken where they do better. ModelError, with the residual, if
    MOST_STEPS of them do not do.
    """
    if not (sigma > 1).all():
        raise ModelError("elasticities of substitution must be numbers above 1", mend="look at the set of elasticities")
    n, count = slices.economies, len(slices)
    log_power, log_price, revenue = np.zeros((count, n)), np.zeros((count, n)), np.zeros((count, n))
    starts = np.searchsorted(slices.buyer, np.arange(count + 1) * n)
    at = 0
    while at < count:
        end = max(at + 1, int(np.searchsorted(starts, starts[at] + BLOCK_ROWS, side="right")) - 1)
        block = _Block.of(slices, sigma[at:end], at, slice(int(starts[at]), int(starts[end])))
        found = _solve(block, np.zeros(block.spending.shape), MOST_STEPS)
        log_power[at:end], _ = block.at(found)
        log_price[at:end] = np.where(block.live | (block.sales == 0), found, -np.inf)
        revenue[at:end] = block.duty(found)
        at = end
    return Equilibrium(log_power, np.exp(log_price), revenue)


class _Block:
    """A few slices, with the rows that are not denied as a sparse matrix of buyers by sellers.

    `spending`, `sales` (slices, economies); of each row `buyer` and `seller` (cells of the block, in order of buyers),
    `log_weight` ln [s (1 + t)^(1 - sigma)] and `factor` 1 + t.
    """

    def __init__(
        self, sigma: Floats, spending: Floats, sales: Floats, buyer: Index, seller: Index, *rows: Floats
    ) -> None:
        from scipy.sparse import csr_array

        self.sigma, self.spending, self.sales, self.buyer, self.seller = sigma, spending, sales, buyer, seller
        self.log_weight, self.factor = rows
        cells = spending.size
        self.taxed = bool((self.factor != 1).any())
        pointer = np.searchsorted(buyer, np.arange(cells + 1))
        weight = np.exp(self.log_weight)
        self.buying = csr_array((weight, seller, pointer), shape=(cells, cells))
        earned = weight / self.factor if self.taxed else weight
        self.selling = csr_array((earned, seller, pointer), shape=(cells, cells)).T
        self.live = np.bincount(seller, minlength=cells).reshape(spending.shape) > 0
        self.log_sales = np.log(np.where(self.live, sales, 1.0))

    @classmethod
    def of(cls, slices: Slices, sigma: Floats, first: int, rows: slice) -> "_Block":
        """The slices from `first` on whose rows are `rows`."""
        n, shape = slices.economies, (len(sigma), slices.economies)
        cells = slice(first * n, (first + len(sigma)) * n)
        left = ~slices.denied[rows]
        buyer, seller = slices.buyer[rows][left] - cells.start, slices.seller[rows][left] - cells.start
        factor = 1 + slices.tariff[rows][left]
        weight = np.log(slices.share[rows][left]) + (1 - sigma[buyer // n]) * np.log(factor)
        spending, sales = slices.spending[cells].reshape(shape), slices.sales[cells].reshape(shape)
        return cls(sigma[:, None], spending, sales, buyer, seller, weight, factor)

    def only(self, keep: Bools) -> "_Block":
        """The slices of the block that are to be kept."""
        n = self.spending.shape[1]
        row = keep[self.buyer // n]
        moved = (np.cumsum(keep) - 1 - np.arange(len(keep)))[self.buyer[row] // n] * n
        return _Block(
            self.sigma[keep],
            self.spending[keep],
            self.sales[keep],
            self.buyer[row] + moved,
            self.seller[row] + moved,
            self.log_weight[row],
            self.factor[row],
        )

    def at(self, log_price: Floats) -> tuple[Floats, Floats]:
        """(1 - sigma) ln P of buyers, and what sellers would earn, at these prices."""
        bend = (1 - self.sigma) * log_price
        if np.abs(bend).max() > FAR or self.log_weight.min(initial=0.0) < -FAR:
            shares, log_power = self._shares(bend)
            earned = shares * self.spending.ravel()[self.buyer] / self.factor
            return log_power, _tally(self.seller, earned, self.live.size).reshape(self.spending.shape)
        pull = np.exp(bend).ravel()
        power = (self.buying @ pull).reshape(self.spending.shape)
        served = power > 0
        ratio = np.divide(self.spending, power, out=np.zeros_like(power), where=served)
        demand = pull * (self.selling @ ratio.ravel())
        log_power = np.log(power, out=np.where(self.spending > 0, -np.inf, 0.0), where=served)
        return log_power, demand.reshape(self.spending.shape)

    def _shares(self, bend: Floats) -> tuple[Floats, Floats]:
        """Shares of the rows in what their buyers spend, and (1 - sigma) ln P, where powers would overflow."""
        log_power = np.where(self.spending > 0, -np.inf, 0.0)
        if not len(self.buyer):
            return np.zeros(0), log_power
        buyers, starts, count = np.unique(self.buyer, return_index=True, return_counts=True)
        pull = self.log_weight + bend.ravel()[self.seller]
        top = np.maximum.reduceat(pull, starts)
        shares = np.exp(pull - np.repeat(top, count))
        total = np.add.reduceat(shares, starts)
        log_power.ravel()[buyers] = top + np.log(total)
        return shares / np.repeat(total, count), log_power

    def duty(self, log_price: Floats) -> Floats:
        """Duty that buyers collect at these prices."""
        if not self.taxed:
            return np.zeros(self.spending.shape)
        shares, _ = self._shares((1 - self.sigma) * log_price)
        kept = shares * self.spending.ravel()[self.buyer] * (1 - 1 / self.factor)
        return _tally(self.buyer, kept, self.live.size).reshape(self.spending.shape)


def _tally(at: Index, weights: Floats, cells: int) -> Floats:
    return np.asarray(np.bincount(at, weights, minlength=cells), dtype=np.float64)


def _solve(block: _Block, start: Floats, steps: int) -> Floats:
    """ln p of the sellers of a block, 0 where nobody sells or may buy; slices that take long go on by themselves."""
    sigma = block.sigma
    rate = np.maximum(1 - 1 / sigma[:, 0], 0.5)
    best, excess, move = (np.zeros(block.spending.shape) for _ in range(3))
    x = start
    worst, plain = np.full(len(sigma), np.inf), np.ones(len(sigma), dtype=bool)
    left, past = np.ones(len(sigma), dtype=bool), deque[tuple[Floats, Floats]](maxlen=MEMORY)
    for step in range(steps):
        found, wanted = _excess(block, x)
        largest = np.abs(found).max(axis=1)
        # At least as good as the plain step must be, or the plain step is taken from where we were.
        better = plain | (largest <= rate * worst)
        good = better[:, None]
        if step:
            past.append((np.where(good, x - best, 0.0), np.where(good, wanted - move, 0.0)))
        best, excess, move = np.where(good, x, best), np.where(good, found, excess), np.where(good, wanted, move)
        worst = np.where(better, largest, worst)
        left = ~(worst <= TOLERANCE)
        if not left.any():
            return best
        x = np.where(good, best + _anderson(move, past), best + excess / sigma)
        if 2 * left.sum() <= len(left):
            best[left] = _solve(block.only(left), (best + excess / sigma)[left], steps - step - 1)
            return best
        x, plain = np.where(left[:, None], x, best), ~(left & better)
    raise ModelError(
        f"substitution: prices of {int(left.sum())} markets not found in {MOST_STEPS} steps; what "
        f"sellers earn is off what buyers pay by a factor of up to {np.exp(worst.max()):.3g}",
        mend="look for elasticities beyond a few hundred, or flows of one item that differ by many powers of ten",
    )


def _excess(block: _Block, log_price: Floats) -> tuple[Floats, Floats]:
    """ln(demand / p Y) of live sellers, and the step it asks for, the level of prices set at once."""
    live = block.live
    with np.errstate(all="ignore"):  # an Anderson step may go astray; it is then not taken
        demand = np.where(live, block.at(log_price)[1], 0.0)
        found = np.where(live, np.log(np.where(live, demand, 1.0)) - block.log_sales - log_price, 0.0)
        # Demand does not depend on the level of prices: it is that at which sellers together earn what is paid.
        earned = np.where(live, np.exp(log_price) * block.sales, 0.0).sum(axis=1)
        level = np.where(earned > 0, np.log(demand.sum(axis=1) / earned), 0.0)[:, None]
        return found, np.where(live, level + (found - level) / block.sigma, 0.0)


def _anderson(move: Floats, past: Sequence[tuple[Floats, Floats]]) -> Floats:
    """The step that leaves the smallest next step, if steps change as they have in the past, market by market."""
    if not past:
        return move
    change = np.stack([moved for _, moved in past], axis=1)
    both = np.stack([gone + moved for gone, moved in past], axis=1)
    size = np.sqrt((change**2).sum(axis=2, keepdims=True))
    size = np.where(size > 0, size, 1.0)
    square = (change @ change.transpose(0, 2, 1)) / (size * size.transpose(0, 2, 1)) + 1e-12 * np.eye(len(past))
    weight = np.linalg.solve(square, (change @ move[:, :, None]) / size) / size
    return np.asarray(move - (weight.transpose(0, 2, 1) @ both)[:, 0], dtype=np.float64)
