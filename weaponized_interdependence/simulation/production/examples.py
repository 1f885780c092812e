"""Tables small enough to check by hand, for the examples in docstrings."""

from collections.abc import Sequence

import numpy as np

from weaponized_interdependence.io_table import IOTable


def two_industries() -> IOTable:
    """The two industries of Miller and Blair's textbook: Z = [[150, 500], [200, 100]], x = (1000, 2000)."""
    return small([[150.0, 500.0], [200.0, 100.0]], [[350.0], [1700.0]], ("A",))


def small(z: Sequence[Sequence[float]], y: Sequence[Sequence[float]], economies: tuple[str, ...]) -> IOTable:
    """A table that balances: output is what is sold, value added what is left of it; one final demand each."""
    deliveries, final = np.array(z, dtype=float), np.array(y, dtype=float)
    output = deliveries.sum(axis=1) + final.sum(axis=1)
    return IOTable(
        period="2020",
        economies=economies,
        sectors=tuple(f"s{k + 1}" for k in range(len(z) // len(economies))),
        demands=("final",),
        Z=deliveries,
        Y=final,
        VA=output - deliveries.sum(axis=0),
        x=output,
        other=np.zeros(len(output)),
        classification="MADE",
        basis="assumed",
    )
