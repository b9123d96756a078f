# SPDX-License-Identifier: GPL-3.0-or-later
"""Products of matrices in float32, fast with and without BLAS.

Official Blender builds compile NumPy without BLAS. There ``@`` is a slow loop, while ``einsum`` over the last axis
of both operands is vectorised; results differ in rounding only. Which one this NumPy wants is measured once.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import numpy as np

_MAX_THREADS: Final = 8


@cache
def has_fast_matmul() -> bool:
    """Whether ``@`` is at least as fast as ``einsum`` here, measured once on a product of typical size (1 ms)."""
    rng = np.random.default_rng(0)
    a, b = rng.random((96, 192), dtype=np.float32), rng.random((192, 192), dtype=np.float32)

    def seconds(product: Callable[[], np.ndarray]) -> float:
        product()
        started = time.perf_counter()
        product()
        return time.perf_counter() - started

    return min(seconds(lambda: a @ b.T) for _ in range(3)) <= min(
        seconds(lambda: np.einsum("ik,jk->ij", a, b)) for _ in range(3)
    )


def times_transposed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., N, K) and (..., M, K) to (..., N, M): ``a @ b^T`` for every pair of matrices."""
    if has_fast_matmul():
        return np.matmul(a, np.swapaxes(b, -1, -2))
    return np.einsum("...ik,...jk->...ij", a, b)


def num_threads() -> int:
    """Threads that computing may use: the processors that this process may run on, eight at most."""
    try:
        available = len(os.sched_getaffinity(0))  # type: ignore[attr-defined]
    except AttributeError:
        available = os.cpu_count() or 1
    return max(1, min(_MAX_THREADS, available))


class Workers:
    """A pool of threads for work on rows; NumPy lets other threads run while it computes."""

    def __init__(self, count: int | None = None) -> None:
        self.count = num_threads() if count is None else count
        self._pool = ThreadPoolExecutor(self.count, "diffgesture") if self.count > 1 else None

    def each(self, work: Callable[[slice], None], parts: Sequence[slice]) -> None:
        """Call ``work`` for every part; returns when all are done, raises the first error."""
        if self._pool is None or len(parts) == 1:
            for part in parts:
                work(part)
            return
        for _ in self._pool.map(work, parts):
            pass


def row_blocks(rows: int, size: int) -> list[slice]:
    """``rows`` rows in blocks of at most ``size``."""
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
