"""Loops over many counterfactuals at once: the last axis of every block is the counterfactual.

What counterfactuals share is a matrix product; what each changes is a list of cells, sorted by row (importer n and
counterfactual s). Row r covers cells first[r] to first[r + 1]; in an `own` row every cell is listed, so that the shared
product, of which it may keep next to nothing, does not enter it.
"""

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import compiled

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

DIGITS_LOST = 1e-8  # a row that keeps less than this of the shared product has lost too many digits


@compiled
def arranged(at: Ints, start: Ints, cells: int, sectors: int) -> Ints:
    """Order of cells by sector and counterfactual, where they stand by counterfactual and position [j, n, i].

    Cells of counterfactual s are start[s] to start[s + 1]; `cells` is the number of positions in a sector.
    """
    several = len(start) - 1
    count = np.zeros((sectors, several), np.int64)
    for s in range(several):
        for k in range(start[s], start[s + 1]):
            count[at[k] // cells, s] += 1
    place = np.zeros((sectors, several), np.int64)
    total = 0
    for j in range(sectors):
        for s in range(several):
            place[j, s] = total
            total += count[j, s]
    order = np.empty(total, np.int64)
    for s in range(several):
        for k in range(start[s], start[s + 1]):
            j = at[k] // cells
            order[place[j, s]] = k
            place[j, s] += 1
    return order


@compiled
def exponents(added: Floats, logw: Floats, theta: Floats, block: Floats) -> None:
    """Log inputs [j, n, s] into the exponents -theta log c, in place; `added` are the value added shares [j, n]."""
    J, N, S = block.shape
    for j in range(J):
        for n in range(N):
            share = added[j, n]
            for s in range(S):
                block[j, n, s] = -theta[j, s] * (block[j, n, s] + share * logw[n, s])


@compiled
def prices(
    sector: Ints, first: Ints, row_n: Ints, row_s: Ints, own: Ints, i: Ints, da: Floats, dp: Floats,
    place: Ints, traded: Ints, idle: Ints, u: Floats, phi: Floats, psi: Floats, lost: Ints,
) -> None:  # fmt: skip
    """Correct phi = P^-theta of buyers, and psi, its part net of tariffs.

    `place`: where a counterfactual stands among those left, -1 where it has gone. Sectors that are not `traded` buy at
    home: there phi = u. `lost`: whose prices have lost their digits.
    """
    J, N, S = u.shape
    for j in range(J):
        for r in range(sector[j], sector[j + 1]):
            n, s = row_n[r], place[row_s[r]]
            if s < 0:
                continue
            a = b = 0.0
            for k in range(first[r], first[r + 1]):
                v = u[j, i[k], s]
                a += da[k] * v
                b += dp[k] * v
            if own[r]:
                phi[j, n, s] = a
                psi[j, n, s] = b
            else:
                before = phi[j, n, s]
                phi[j, n, s] = before + a
                psi[j, n, s] += b
                if not before + a > DIGITS_LOST * before:
                    lost[s] = 1
        for n in range(N):
            if traded[j] == 0:
                for s in range(S):
                    phi[j, n, s] = u[j, n, s]
            if idle[j, n]:
                for s in range(S):
                    phi[j, n, s] = 1.0
                    psi[j, n, s] = 1.0


@compiled
def receipts(
    sector: Ints, first: Ints, row_n: Ints, row_s: Ints, i: Ints, db: Floats, tax: Floats, taxing: bool,
    place: Ints, traded: Ints, gap: Ints, shares: Floats, u: Floats, phi: Floats, psi: Floats, y: Floats,
    sold: Floats, revenue: Floats, labour: Floats,
) -> None:  # fmt: skip
    """Correct what producers receive, multiply it by u, and add up value added and the revenue of taxes.

    `y` is X / phi; sectors with gap[j] 0 pay no tariffs. Those not `traded` sell at home all that is spent.
    """
    J, N, S = u.shape
    for j in range(J):
        for r in range(sector[j], sector[j + 1]):
            s = place[row_s[r]]
            if s < 0:
                continue
            v = y[j, row_n[r], s]
            for k in range(first[r], first[r + 1]):
                sold[j, i[k], s] += db[k] * v
            if taxing:
                for k in range(first[r], first[r + 1]):
                    revenue[i[k], s] += tax[k] * u[j, i[k], s] * v
        for n in range(N):
            share = shares[j, n]
            if traded[j] == 0:
                for s in range(S):
                    got = y[j, n, s] * u[j, n, s]
                    sold[j, n, s] = got
                    labour[n, s] += share * got
                continue
            for s in range(S):
                got = sold[j, n, s] * u[j, n, s]
                sold[j, n, s] = got
                labour[n, s] += share * got
            if gap[j]:
                for s in range(S):
                    revenue[n, s] += y[j, n, s] * (phi[j, n, s] - psi[j, n, s])


@compiled
def gaps(
    state: Floats, log_price: Floats, spent: Floats, final: Floats, income: Floats, added: Floats,
    inverse: Floats, theta: Floats, out: Singles, worst: Floats,
) -> None:  # fmt: skip
    """Gaps of prices and of expenditure over value added into `out` [2J, N, S]; the largest relative one into `worst`.

    `log_price` comes as log phi and goes as log P; `spent` [J, N, S], money, comes without final demand and goes with
    it. `state` is [2J + 1, N, S], `inverse` -1 / theta. Prices count theta times where that is above one, for shares
    feel them so. What is no number makes `worst` infinite. Nothing is divided in the loop: a division that is checked
    for zero is not done several at a time, so the largest ratio is kept as its two parts.
    """
    J, N, S = spent.shape
    check, top, bottom = np.zeros(S), np.zeros(S), np.ones(S)
    for j in range(J):
        for n in range(N):
            unit, part = 1.0 / added[n], final[j, n]
            for s in range(S):
                found = log_price[j, n, s] * inverse[j, s]
                log_price[j, n, s] = found
                price = found - state[j, n, s]
                spending = spent[j, n, s] + part * income[n, s]
                spent[j, n, s] = spending
                money = spending * unit
                more = money - state[J + j, n, s]
                out[j, n, s] = price
                out[J + j, n, s] = more
                weight = theta[j, s] if theta[j, s] > 1.0 else 1.0
                size = abs(price) * weight
                worst[s] = size if size > worst[s] else worst[s]
                base = money if money > 0.0 else 1.0
                larger = abs(more) * bottom[s] > top[s] * base
                top[s] = abs(more) if larger else top[s]
                bottom[s] = base if larger else bottom[s]
                check[s] += price + more
    for s in range(S):
        worst[s] = max(worst[s], top[s] / bottom[s])
        if not np.isfinite(check[s]):
            worst[s] = np.inf


@compiled
def columns(block: Floats, chosen: Ints) -> Floats:
    """Some of the columns of a block [d, s]."""
    D, S = block.shape[0], len(chosen)
    kept = np.empty((D, S), block.dtype)
    for d in range(D):
        for s in range(S):
            kept[d, s] = block[d, chosen[s]]
    return kept


@compiled
def remember(
    f: Singles, f0: Singles, moved: Singles, dG: Singles, dF: Singles, held: int, slot: int, weight: Singles,
    every: int, whole: int, gram: Floats, right: Floats,
) -> None:  # fmt: skip
    """Note the last change of state and gap together in dG[slot], and the weighted products of the changes of gaps.

    `gram` [k, l, s] gets the products with the newest, `right` [k, s] those with the gap itself. They are taken over
    one in `every` unknowns, and over all from `whole` on, which dF keeps: a few hundred equations are enough for a
    handful of coefficients. `f0` becomes the gap.
    """
    D, S = f.shape
    row = np.zeros((held, S))
    right[:held] = 0.0
    newest = np.empty(S, np.float32)
    taken = 0
    for d in range(D):
        for s in range(S):
            newest[s] = f[d, s] - f0[d, s]
            dG[slot, d, s] = moved[d, s] + newest[s]
            f0[d, s] = f[d, s]
        if d % every and d < whole:
            continue
        w = weight[d]
        for s in range(S):
            newest[s] *= w
            dF[slot, taken, s] = newest[s]
        for k in range(held):
            for s in range(S):
                row[k, s] += dF[k, taken, s] * newest[s]
                right[k, s] += dF[k, taken, s] * (w * f[d, s])
        taken += 1
    for k in range(held):
        gram[slot, k] = row[k]
        gram[k, slot] = row[k]


@compiled
def step(
    z: Floats, f: Singles, dG: Singles, moved: Singles, held: int, mix: Singles, damp: Singles, cells: int,
    stride: float, least: float, bound: float,
) -> None:  # fmt: skip
    """Move the states by damp (f - sum_k mix[k] dG[k]), each by its own numbers, and note it in `moved`.

    The first `cells` unknowns, log prices, move by no more than `stride`, log wages by no more than `bound`, and
    expenditure, between them, falls to no less than `least` times what it was.
    """
    D, S = z.shape
    way = np.empty(S, np.float32)
    for d in range(D):
        for s in range(S):
            way[s] = f[d, s]
        for k in range(held):
            for s in range(S):
                way[s] -= mix[k, s] * dG[k, d, s]
        if cells <= d < 2 * cells:
            for s in range(S):
                floor = np.float32((least - 1.0) * z[d, s])
                by = damp[s] * way[s]
                way[s] = by if by > floor else floor
        else:
            most = np.float32(stride if d < cells else bound)
            for s in range(S):
                by = damp[s] * way[s]
                by = by if by < most else most
                way[s] = by if by > -most else -most
        for s in range(S):
            z[d, s] += way[s]
            moved[d, s] = way[s]
