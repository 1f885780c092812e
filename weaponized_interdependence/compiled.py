"""Loops compiled to machine code (numba), and how work is spread over threads without changing any result.

Compiling takes a second or two the first time a function is called on a machine; the outcome is cached beside the
module or, where that folder cannot be written, in the user's cache folder.
"""

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
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
        made = numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # no folder that a cache could be kept in: compile anew in every process
        return cast("F", numba.njit(function, nogil=True))
    _stamp_with_siblings(made, function)
    return cast("F", made)


def _stamp_with_siblings(made: Any, function: Callable[..., Any]) -> None:
    """Let a cached function be compiled anew when any file of its folder has changed.

    numba stamps a cached function with its own file alone. A kernel that calls one in another file would go on calling
    the old one, whose arguments may have changed: that ends in a crash of the process, not in an error.
    """
    folder = Path(inspect.getfile(function)).parent
    stamp = tuple(sorted((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in folder.glob("*.py")))
    file = made._cache._cache_file
    file._source_stamp = (file._source_stamp, stamp)


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


def on_one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function's matrix products, factorisations and solves on one thread.

    How many threads share a product decides in which order its terms are added, and so the last digits. On one thread
    they are the same on every machine of one kind; nor do idle threads burn processor time waiting for each other.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return alone
