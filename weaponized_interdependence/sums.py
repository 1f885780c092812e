"""Sums that are the same to the last bit in every run: one input gives one set of bytes."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int32]
Values = npt.NDArray[np.float64]

# Neighbouring keys are sorted in one pass while they have no more values than this together: the counts stay in cache.
_BUCKETS = 1 << 17


def steady_sum(*names: str) -> pl.Expr:
    """Sum of columns, whatever the order of the rows and the number of threads.

    Floating-point sums depend on the order of what is added, and polars adds up groups in parallel. Smallest first is
    one order, and the most accurate. Only for eager frames: the streaming engine splits even sorted groups.

    >>> frame = pl.DataFrame({"value": [0.1, 0.2, 0.3]})
    >>> frame.select(steady_sum("value")).item() == frame.reverse().select(steady_sum("value")).item()
    True
    """
    return pl.col(*names).sort().sum()


def positions(*columns: pl.Series) -> tuple[pl.Series, list[Codes]]:
    """The distinct texts of the columns together, sorted, and for each column the position of every row's text in them.

    Columns are text or Categorical, without nulls. Categories number the texts in one pass, in whatever order threads
    meet them; a small table then gives each its place among the sorted.

    >>> names, (first, second) = positions(pl.Series(["B", "A"]), pl.Series(["C", "B"]))
    >>> names.to_list(), first.tolist(), second.tolist()
    (['A', 'B', 'C'], [1, 0], [2, 1])
    """
    coded = [c if isinstance(c.dtype, pl.Categorical) else c.cast(pl.Categorical) for c in columns]
    numbers = [c.to_physical().to_numpy().view(np.int32) for c in coded]
    known = np.zeros(max((int(n.max()) + 1 for n in numbers if len(n)), default=0), dtype=np.bool_)
    for number in numbers:
        known[number] = True
    found = np.flatnonzero(known)
    names = pl.Series(found.astype(np.uint32)).cat.to(pl.Categorical).cast(pl.String)
    order = names.arg_sort().to_numpy()
    place = np.zeros(len(known), dtype=np.int32)
    place[found[order]] = np.arange(len(found), dtype=np.int32)
    return names.gather(order), [place[number] for number in numbers]


def ascending(keys: Sequence[Codes]) -> bool:
    """Do the rows stand in the order of their keys, the first being the leading one?

    >>> ascending([np.array([0, 0, 1], dtype=np.int32), np.array([1, 2, 0], dtype=np.int32)])
    True
    """
    # Most that do not show it early, so a first look takes few rows.
    return all(_in_order([key[:rows] for key in keys]) for rows in (1 << 12, None))


def sum_by_key(keys: Sequence[Codes], sizes: Sequence[int], value: Values) -> tuple[list[Codes], Values]:
    """Sort rows by several keys (each m whole numbers from 0 to its size), and sum rows of the same keys.

    Sums are smallest first, so they do not depend on the order of the rows. Rows that come sorted are not sorted again;
    the others are by counting, one pass a key, in time and memory that grow with m and the largest size.

    >>> two = [np.array([1, 0, 1], dtype=np.int32), np.array([2, 0, 2], dtype=np.int32)]
    >>> (first, second), value = sum_by_key(two, (2, 3), np.array([3.0, 2.0, 1.0]))
    >>> first.tolist(), second.tolist(), value.tolist()
    ([0, 1], [0, 2], [2.0, 4.0])
    """
    if not ascending(keys):
        keys, value = _sorted(keys, sizes, value)
    same = np.ones(max(len(value) - 1, 0), dtype=np.bool_)
    for key in keys:
        same &= key[1:] == key[:-1]
    if not same.any():
        return list(keys), value
    begins = np.append(True, ~same)
    rows = np.flatnonzero(np.append(same, False) | ~begins)  # those that have a row to be summed with
    group = np.cumsum(begins[rows])
    alike = value[rows[np.lexsort((value[rows], group))]]
    sums = value[begins]
    sums[np.append(same, False)[begins]] = np.add.reduceat(alike, np.flatnonzero(begins[rows]))
    return [key[begins] for key in keys], sums


def _in_order(keys: Sequence[Codes]) -> bool:
    *others, last = keys
    fine = last[1:] >= last[:-1]
    for key in reversed(others):
        fine &= key[1:] == key[:-1]
        fine |= key[1:] > key[:-1]
    return bool(fine.all())


def _sorted(keys: Sequence[Codes], sizes: Sequence[int], value: Values) -> tuple[list[Codes], Values]:
    """Rows in the order of their keys, the first being the leading one; equal rows stay in order.

    Sorted by one key after the other, the last one first. Neighbouring keys with few values together are made one.
    """
    from scipy import sparse  # not before it is needed: most that sum do not sort

    parts: list[list[int]] = [[]]  # of each key sorted by: which of `keys` it is made of
    for k, size in enumerate(sizes):
        together = [size, *(sizes[j] for j in parts[-1])]
        if math.prod(together) > max(_BUCKETS, *together):
            parts.append([])
        parts[-1].append(k)
    merged = [_join([keys[k] for k in part], [sizes[k] for k in part]) for part in parts]
    ends = np.arange(len(value) + 1, dtype=np.int32)
    for k in reversed(range(len(parts))):
        # scipy turns rows into columns by counting: a stable sort by column, here of one number a row.
        size = max(math.prod(sizes[j] for j in parts[k]), 1)
        columns = sparse.csr_array((value, merged[k], ends), shape=(len(value), size)).tocsc()
        value = columns.data
        whole = np.repeat(np.arange(size, dtype=np.int32), np.diff(columns.indptr))
        merged = [whole if j == k else other[columns.indices] for j, other in enumerate(merged)]
    single = [key for whole, part in zip(merged, parts, strict=True) for key in _split(whole, [sizes[k] for k in part])]
    return single, value


def _join(keys: Sequence[Codes], sizes: Sequence[int]) -> Codes:
    whole = keys[0]
    for key, size in zip(keys[1:], sizes[1:], strict=True):
        whole = whole * np.int32(size) + key
    return whole


def _split(whole: Codes, sizes: Sequence[int]) -> list[Codes]:
    """The keys that `_join` made one."""
    found: list[Codes] = []
    for size in reversed(sizes[1:]):
        whole, last = np.divmod(whole, np.int32(size))
        found.insert(0, last)
    return [whole, *found]
