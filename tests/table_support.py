"""Small input-output tables for tests, and their coefficients by plain formulas."""

import numpy as np
from hypothesis import strategies as st

from weaponized_interdependence.io_table import IOTable


def table(z: np.ndarray, y: np.ndarray, economies: int, classification: str = "X", **more: np.ndarray) -> IOTable:
    """A table that balances: output is what is sold, value added what is left of it."""
    z, y = np.array(z, dtype=float), np.array(y, dtype=float)
    x = z.sum(axis=1) + y.sum(axis=1)
    parts = {"x": x, "VA": x - z.sum(axis=0), "other": np.zeros(len(x)), **more}
    return IOTable(
        period="2020",
        economies=tuple(f"E{n}" for n in range(economies)),
        sectors=tuple(f"c{k + 1}" for k in range(len(z) // economies)),
        demands=tuple(f"f{k + 1}" for k in range(y.shape[1] // economies)),
        Z=z,
        Y=y,
        classification=classification,
        **parts,
    )


def random_table(seed: int, n: int = 3, j: int = 3, f: int = 2, classification: str = "X") -> IOTable:
    """Sparse where chance has it, value added above zero in every industry."""
    rng = np.random.default_rng(seed)
    z = rng.gamma(0.5, 1.0, (n * j, n * j)) * (rng.random((n * j, n * j)) < 0.8)
    y = rng.gamma(1.0, 2.0, (n * j, n * f))
    z *= 0.8 * y.sum(axis=1).min() / max(z.sum(axis=0).max(), 1e-9)
    return table(z, y, n, classification)


@st.composite
def tables(draw: st.DrawFn) -> IOTable:
    n, j, f = draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return random_table(draw(st.integers(0, 2**32 - 1)), n, j, f)


def with_an_idle_industry(t: IOTable, row: int) -> IOTable:
    """The same table without the deliveries, purchases and output of one industry."""
    z, y = t.Z.copy(), t.Y.copy()
    z[row], z[:, row], y[row] = 0.0, 0.0, 0.0
    return table(z, y, len(t.economies), t.classification)


def summed(a: np.ndarray, start: np.ndarray, steps: int = 3000) -> np.ndarray:
    """start + a start + a^2 start + ..., term by term."""
    total, term = np.zeros_like(start), start
    for _ in range(steps):
        total = total + term
        term = a @ term
        if np.abs(term).max() < 1e-17 * max(np.abs(total).max(), 1e-300):
            break
    return total
