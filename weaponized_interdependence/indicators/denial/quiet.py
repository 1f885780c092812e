"""Keep what compiled libraries print out of standard output, where it would stand among the rows of a table."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOCK = threading.Lock()
_OUT, _ERR = 1, 2
# How many threads are inside, and where standard output leads to once the last has left.
_INSIDE = {"threads": 0, "saved": -1}


@contextmanager
def printed_to_stderr() -> Iterator[None]:
    """Let whatever is written to file descriptor 1 within go to standard error: nothing is lost, and pipes stay clean.

    A file descriptor belongs to the whole process, so threads that are inside at a time share one change, and the last
    to leave undoes it. The C library's own buffer is emptied before either change; else a line would come out later.
    """
    with _LOCK:
        if _INSIDE["threads"] == 0:
            _flush()
            _INSIDE["saved"] = _redirected()
        _INSIDE["threads"] += 1
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE["threads"] -= 1
            if _INSIDE["threads"] == 0 and _INSIDE["saved"] >= 0:
                _flush()
                os.dup2(_INSIDE["saved"], _OUT)
                os.close(_INSIDE["saved"])


def _redirected() -> int:
    """Point standard output to standard error; a copy of where it led to, or -1 where the process lacks either."""
    try:
        saved = os.dup(_OUT)
    except OSError:
        return -1
    try:
        os.dup2(_ERR, _OUT)
    except OSError:
        os.close(saved)
        return -1
    return saved


def _flush() -> None:
    """Empty the buffers of Python's standard output and of the C library."""
    with suppress(AttributeError, OSError, ValueError):  # there is none, its reader is gone, or it is closed
        sys.stdout.flush()
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    library.fflush(None)
