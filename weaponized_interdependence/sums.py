"""Sums that are the same to the last bit in every run: one input gives one set of bytes."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int32]
Values = npt.NDArray[np.float64]

# Neighbouring keys are sorted in one pass while they have no more values than this together: the counts stay in cache.
_BUCKETS = 1 << 17
_RUN = 16  # rows that a run must have on average to be moved as one
# Rows from which compiled loops are worth loading them, which takes half a second of a process.
_MANY = 2_000_000
_FILL = "\0"
_LONGEST = 32  # bytes of the longest text that is compared as whole numbers; room is taken for it in every row


def steady_sum(*names: str) -> pl.Expr:
    """Sum of columns, whatever the order of the rows and the number of threads.

    Floating-point sums depend on the order of what is added, and polars adds up groups in parallel. Smallest first is
    one order, and the most accurate. Only for eager frames: the streaming engine splits even sorted groups.

    >>> frame = pl.DataFrame({"value": [0.1, 0.2, 0.3]})
    >>> frame.select(steady_sum("value")).item() == frame.reverse().select(steady_sum("value")).item()
    True
    """
    return pl.col(*names).sort().sum()


def collect_texts(
    query: pl.LazyFrame, texts: Sequence[str], others: Sequence[str], *, rows: int, longest: int
) -> pl.DataFrame:
    """Columns of a query, the `texts` (without nulls, of `longest` bytes at most) as `positions` is quickest with them.

    In many rows, short texts are whole numbers of eight letters each, which machine code tells apart faster than
    threads that share one table of categories. They are categories where rows are few or texts long, or one has a
    letter beyond ASCII or ends with the letter that fills up the last number.
    """
    if rows >= _MANY and longest <= _LONGEST:
        from weaponized_interdependence.sums_kernels import ready

        count = max(-(-longest // 8), 1)
        plain = pl.when(~pl.col(texts).str.ends_with(_FILL)).then(pl.col(texts)).str.pad_end(8 * count, _FILL)
        # In letters, so more bytes than are asked for where one takes several: that gives null.
        words = plain.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt64, count), endianness="big")
        with ThreadPoolExecutor(1) as beside:
            loaded = beside.submit(ready)
            frame = query.select(words, *others).collect(engine="streaming")
            loaded.result()
        if not any(frame[name].null_count() for name in texts):
            return frame
    return query.select(pl.col(texts).cast(pl.Categorical), *others).collect()


def positions(*columns: pl.Series) -> tuple[pl.Series, list[Codes]]:
    """The distinct texts of the columns together, sorted, and for each column the position of every row's text in them.

    Columns are text, Categorical or, all of them, as `collect_texts` gives them; without nulls. The texts are numbered
    in whatever order they are met; a small table then gives each its place among the sorted.

    >>> names, (first, second) = positions(pl.Series(["B", "A"]), pl.Series(["C", "B"]))
    >>> names.to_list(), first.tolist(), second.tolist()
    (['A', 'B', 'C'], [1, 0], [2, 1])
    """
    if isinstance(columns[0].dtype, pl.Array):
        return _positions_of_words(columns)
    coded = [c if isinstance(c.dtype, pl.Categorical) else c.cast(pl.Categorical) for c in columns]
    numbers = [c.to_physical().to_numpy().view(np.int32) for c in coded]
    known = np.zeros(max((int(n.max()) + 1 for n in numbers if len(n)), default=0), dtype=np.bool_)
    for number in numbers:
        known[number] = True
    found = np.flatnonzero(known)
    names, place = _places(pl.Series(found.astype(np.uint32)).cat.to(pl.Categorical).cast(pl.String), found)
    return names, [place[number] for number in numbers]


def _positions_of_words(columns: Sequence[pl.Series]) -> tuple[pl.Series, list[Codes]]:
    from weaponized_interdependence import sums_kernels

    words, found, numbers = sums_kernels.number([[piece.to_numpy() for piece in c.get_chunks()] for c in columns])
    texts = words.astype(">u8").view(f"S{8 * words.shape[1]}").ravel().tolist()  # without what fills up the last word
    names, place = _places(pl.Series(texts, dtype=pl.Binary).cast(pl.String), found)
    return names, sums_kernels.renumber(numbers, place)


def _places(names: pl.Series, numbers: npt.NDArray[Any]) -> tuple[pl.Series, Codes]:
    """Names sorted, and by number the place of the name that has it."""
    order = names.arg_sort().to_numpy()
    place = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=np.int32)
    place[numbers[order]] = np.arange(len(names), dtype=np.int32)
    return names.gather(order), place


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

    Neighbouring keys with few values together are made one. Then whole runs of rows are moved, where the last keys
    stand in runs; or many rows are sorted by all keys made one number, in machine code; or by one key after the other.
    """
    parts: list[list[int]] = [[]]  # of each key sorted by: which of `keys` it is made of
    for k, size in enumerate(sizes):
        together = [size, *(sizes[j] for j in parts[-1])]
        if math.prod(together) > max(_BUCKETS, *together):
            parts.append([])
        parts[-1].append(k)
    merged = [_join([keys[k] for k in part], [sizes[k] for k in part]) for part in parts]
    counts = [max(math.prod(sizes[k] for k in part), 1) for part in parts]
    bits = [max(size - 1, 0).bit_length() for size in sizes]
    runs = np.flatnonzero(np.append(True, merged[-1][1:] != merged[-1][:-1]))
    if len(parts) == 2 and len(runs) < len(value) // _RUN:
        merged, value = _sorted_by_runs(merged[0], counts[0], merged[1], runs, value)
    elif len(value) >= _MANY and sum(bits) < 64:
        from weaponized_interdependence.sums_kernels import sort_rows  # not before: numba takes a while to load

        return sort_rows(keys, bits, value)
    else:
        merged, value = _sorted_by_counting(merged, counts, value)
    single = [key for whole, part in zip(merged, parts, strict=True) for key in _split(whole, [sizes[k] for k in part])]
    return single, value


def _sorted_by_runs(
    lead: Codes, count: int, key: Codes, runs: npt.NDArray[np.int64], value: Values
) -> tuple[list[Codes], Values]:
    """Sort by `lead` (below `count`), then by a `key` that is the same in rows that follow each other, from `runs` on.

    Files often stand in the order of the second key, as a publisher numbers it: then whole runs are moved.
    """
    from scipy import sparse

    ends = np.append(runs, len(value)).astype(np.int32)
    turn = np.argsort(key[runs], kind="stable")
    columns = sparse.csr_array((value, lead, ends), shape=(len(runs), count))[turn].tocsc()
    return [_repeated(columns.indptr), key[runs[turn]][columns.indices]], columns.data


def _sorted_by_counting(merged: list[Codes], counts: Sequence[int], value: Values) -> tuple[list[Codes], Values]:
    """Sort by one key after the other, the last one first."""
    from scipy import sparse  # not before it is needed: most that sum do not sort

    ends = np.arange(len(value) + 1, dtype=np.int32)
    for k in reversed(range(len(merged))):
        # scipy turns rows into columns by counting: a stable sort by column, here of one number a row.
        columns = sparse.csr_array((value, merged[k], ends), shape=(len(value), counts[k])).tocsc()
        value = columns.data
        whole = _repeated(columns.indptr)
        merged = [whole if j == k else other[columns.indices] for j, other in enumerate(merged)]
    return merged, value


def _repeated(borders: npt.NDArray[Any]) -> Codes:
    return np.repeat(np.arange(len(borders) - 1, dtype=np.int32), np.diff(borders))


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
