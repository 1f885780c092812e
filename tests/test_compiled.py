"""Compiled loops: a change in one file of a folder reaches the functions of the others; threads change nothing."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from weaponized_interdependence.compiled import compiled, in_threads, on_one_blas_thread, threads
from weaponized_interdependence.errors import UsageError

HEAD = "from weaponized_interdependence.compiled import compiled\n"


def run(folder: Path, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from kernels.outer import outer; print(outer(2.0))"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_a_changed_kernel_is_not_answered_from_the_cache(tmp_path: Path, root: Path) -> None:
    """numba by itself looks at the file of the calling function only, and would go on with the old inner one."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    inner = folder / "inner.py"
    inner.write_text(f"{HEAD}@compiled\ndef inner(x):\n    return x + 1.0\n")
    (folder / "outer.py").write_text(
        f"{HEAD}from kernels.inner import inner\n@compiled\ndef outer(x):\n    return inner(x)\n"
    )
    assert run(tmp_path, root) == "3.0"
    assert list((folder / "__pycache__").glob("*.nbc")), "the outcome is cached"
    inner.write_text(f"{HEAD}@compiled\ndef inner(x):\n    return x + 10.0\n")
    assert run(tmp_path, root) == "12.0"


def test_parts_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("1", "3"):
        monkeypatch.setenv("WI_THREADS", number)
        assert threads() == int(number)
        assert in_threads(lambda k: k * k, range(20)) == [k * k for k in range(20)]
    monkeypatch.setenv("WI_THREADS", "")
    assert threads() >= 1


@pytest.mark.parametrize("asked", ["0", "-1", "many", "2.5", "²"])
def test_a_number_of_threads_that_is_none_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WI_THREADS", asked)
    with pytest.raises(UsageError, match="WI_THREADS") as refused:
        in_threads(str, [1, 2])
    assert "from 1 up" in refused.value.mend


def test_without_numbas_stamp_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of numba that keeps its stamp elsewhere gives right answers still, compiled in every process."""
    real, asked = numba.njit, list[bool]()

    def njit(function: Any, **options: Any) -> Any:
        asked.append("cache" in options)
        return SimpleNamespace(_cache=SimpleNamespace()) if "cache" in options else real(function, **options)

    monkeypatch.setattr(numba, "njit", njit)

    def twice(x: float) -> float:
        return 2 * x

    assert compiled(twice)(4.0) == 8.0
    assert asked[:2] == [True, False]


def limits() -> list[int]:
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]


def test_overlapping_threads_leave_the_limits_as_they_were() -> None:
    """Whoever comes first, goes last or comes again in between: one thread inside, and before and after the same."""
    import scipy.linalg  # noqa: F401  whose library counts too

    with threadpool_limits(limits=3, user_api="blas"):
        before = limits()
        assert set(before) == {3}
        entered, leave = threading.Event(), threading.Event()

        @on_one_blas_thread
        def long() -> list[int]:
            entered.set()
            assert leave.wait(20)
            return limits()

        @on_one_blas_thread
        def short() -> list[int]:
            entered.wait(20)
            return limits()

        @on_one_blas_thread
        def failing() -> None:
            raise ValueError("within")

        seen = []
        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(long)
            assert entered.wait(20)
            seen += short()
            seen += limits()  # one has left, the other is still inside
            later = pool.submit(long)
            with pytest.raises(ValueError, match="within"):
                failing()
            seen += pool.submit(short).result()
            leave.set()
            seen += [*first.result(), *later.result()]
            assert limits() == before  # while the threads of the pool live on
        assert set(seen) == {1}
        assert limits() == before
