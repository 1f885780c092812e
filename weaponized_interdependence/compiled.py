"""Loops compiled to machine code (numba), and how work is spread over threads without changing any result.

Compiling takes a second or two the first time a function is called on a machine; the outcome is cached beside the
module or, where that folder cannot be written, in the user's cache folder.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
R = TypeVar("R")


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers; it lets other threads run while it does.

    Keeps the arithmetic that is written (no fast-math), so that results agree to the last bit between machines of one
    kind.

    >>> import numpy as np
    >>> @compiled
    ... def total(values):
    ...     found = 0.0
    ...     for value in values:
    ...         found += value
    ...     return found
    >>> float(total(np.array([1.0, 2.0])))
    3.0
    """
    import numba

    try:
        return cast("F", numba.njit(function, cache=True, nogil=True))
    except RuntimeError:  # no folder that a cache could be kept in: compile anew in every process
        return cast("F", numba.njit(function, nogil=True))


def threads() -> int:
    """How many threads to use: WI_THREADS where it is set, else the processors this process may run on."""
    asked = os.environ.get("WI_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[T], R], parts: Sequence[T] | Iterable[T]) -> list[R]:
    """`work` of every part, in the order of the parts whatever thread did it.

    Choose the parts by the data and never by the number of threads; then adding up the results in this order gives the
    same digits on every machine.

    >>> in_threads(lambda part: sum(part), [[1, 2], [3]])
    [3, 3]
    """
    listed = list(parts)
    if threads() == 1 or len(listed) < 2:
        return [work(part) for part in listed]
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(work, listed))
