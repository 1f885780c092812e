"""Net passages of absorbed walks over the ties of a directed chain, summed over all pairs of start and end."""

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@compiled
def net_passages(
    first: Ints, second: Ints, forth: Floats, back: Floats, Z: Floats, H: Floats, law: Floats, through: Floats
) -> None:
    """Add to `through` (n,) half of |net passages| over every tie given, of pairs with no end in the node.

    Net passages over the tie {i, j} of walks from s to t are a_s - a_t + c H_st with a_s = Z_si P_ij - Z_sj P_ji and
    c = pi_i P_ij - pi_j P_ji. `forth` is P_ij and `back` P_ji; `Z` (n, n) is transposed, so that Z[i] is column i.
    """
    n = Z.shape[0]
    a = np.empty(n)
    ended = np.empty(n)  # sums over starts, by end
    for k in range(len(first)):
        i, j = first[k], second[k]
        c = law[i] * forth[k] - law[j] * back[k]
        for s in range(n):
            a[s] = Z[i, s] * forth[k] - Z[j, s] * back[k]
            ended[s] = 0.0
        from_i = 0.0
        from_j = 0.0
        for s in range(n):
            here = a[s]
            if s in (i, j):
                started = 0.0
                for t in range(n):
                    flow = abs(here - a[t] + c * H[s, t])
                    started += flow
                    ended[t] += flow
                if s == i:
                    from_i = started
                else:
                    from_j = started
            else:
                for t in range(n):
                    ended[t] += abs(here - a[t] + c * H[s, t])
        total = 0.0
        for t in range(n):
            total += ended[t]
        through[i] += (total - from_i - ended[i]) / 2
        through[j] += (total - from_j - ended[j]) / 2
