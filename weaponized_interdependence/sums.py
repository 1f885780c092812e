"""Sums that are the same to the last bit in every run: one input gives one set of bytes."""

import polars as pl


def steady_sum(*names: str) -> pl.Expr:
    """Sum of columns, whatever the order of the rows and the number of threads.

    Floating-point sums depend on the order of what is added, and polars adds up groups in parallel. Smallest first is
    one order, and the most accurate. Only for eager frames: the streaming engine splits even sorted groups.

    >>> frame = pl.DataFrame({"value": [0.1, 0.2, 0.3]})
    >>> frame.select(steady_sum("value")).item() == frame.reverse().select(steady_sum("value")).item()
    True
    """
    return pl.col(*names).sort().sum()
