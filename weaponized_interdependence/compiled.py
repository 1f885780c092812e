"""Loops compiled to machine code (numba), and how work is spread over threads without changing any result.

Compiling takes a second or two the first time a function is called on a machine; the outcome is cached beside the
module or, where that folder cannot be written, in the user's cache folder.
"""

import inspect
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from weaponized_interdependence.errors import UsageError

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
    if not _stamp_with_siblings(made, function):
        return cast("F", numba.njit(function, nogil=True))
    return cast("F", made)


def _stamp_with_siblings(made: Any, function: Callable[..., Any]) -> bool:
    """Let a cached function be compiled anew when any file of its folder has changed; False where that cannot be done.

    numba stamps a cached function with its own file alone. A kernel that calls one in another file would go on calling
    the old one, whose arguments may have changed: that ends in a crash of the process, not in an error. The stamp is no
    public part of numba: where a version keeps it elsewhere, a cache is not to be trusted, and there is none.
    """
    file: Any = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if not hasattr(file, "_source_stamp"):
        return False
    folder = Path(inspect.getfile(function)).parent
    stamp = tuple(sorted((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in folder.glob("*.py")))
    file._source_stamp = (file._source_stamp, stamp)
    return True


def threads() -> int:
    """How many threads to use: WI_THREADS where it is set, else the processors this process may run on.

    Raises UsageError where WI_THREADS is anything but a whole number above zero.
    """
    asked = os.environ.get("WI_THREADS", "").strip()
    if asked:
        if not (asked.isascii() and asked.isdecimal() and int(asked) > 0):
            raise UsageError(
                f"WI_THREADS is {asked!r}, which is no number of threads",
                where="environment",
                mend="set it to a whole number from 1 up, or unset it to use every processor",
            )
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


class _OneBlasThread:
    """While anyone is inside, linear algebra runs on one thread: the first in sets that, the last out restores.

    The limit is mostly one for the whole process. If each thread set and restored its own, one that came while another
    was inside would take the limit of that other for the original, and leave it behind for good; or, as threadpoolctl
    3.8 has it, only one thread's word would count. So the libraries are told directly. Those on OpenMP have a limit for
    each thread, which each sets and restores for itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, int]] = []
        self._own = threading.local()

    def __enter__(self) -> None:
        shared, each = _blas_libraries()
        self._own.before = [*getattr(self._own, "before", []), _limited(each)]
        with self._lock:
            if not self._inside:
                self._before = _limited(shared)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _restored(self._before)
        _restored(self._own.before.pop())


@cache
def _blas_libraries() -> tuple[list[Any], list[Any]]:
    """The libraries loaded whose limit is one for the process, and those on OpenMP."""
    import scipy.linalg  # noqa: F401  it has a library of its own beside numpy's
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    each = [library for library in found if getattr(library, "threading_layer", "") == "openmp"]
    return [library for library in found if library not in each], each


def _limited(libraries: list[Any]) -> list[tuple[Any, int]]:
    before = [(library, library.num_threads) for library in libraries]
    _restored([(library, 1) for library in libraries])
    return before


def _restored(limits: list[tuple[Any, int]]) -> None:
    for library, limit in limits:
        getattr(library, "_real_set_num_threads", library.set_num_threads)(limit)


_ONE_BLAS_THREAD = _OneBlasThread()


def on_one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function's matrix products, factorisations and solves on one thread.

    How many threads share a product decides in which order its terms are added, and so the last digits. On one thread
    they are the same on every machine of one kind; nor do idle threads burn processor time waiting for each other.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _ONE_BLAS_THREAD:
            return function(*args, **kwargs)

    return alone
