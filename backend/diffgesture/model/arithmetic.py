# SPDX-License-Identifier: GPL-3.0-or-later
"""Products of matrices in float32, fast with and without BLAS.

Official Blender builds compile NumPy without BLAS. There ``@`` is a slow loop, while ``einsum`` adds whole rows of
the second operand, which is vectorised: up to eight times as fast. Results differ in rounding only.
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
def has_blas() -> bool:
    """Whether this NumPy multiplies matrices by a fast BLAS library, measured (2 ms).

    What it was built with does not tell: Debian's NumPy is linked to a reference BLAS that is two to five times
    slower than ``einsum``.
    """
    rng = np.random.default_rng(0)
    a, b = rng.random((96, 192), dtype=np.float32), rng.random((192, 192), dtype=np.float32)

    def seconds(product: Callable[[], np.ndarray]) -> float:
        started = time.perf_counter()
        product()
        return time.perf_counter() - started

    by_matmul, by_einsum = (
        min(seconds(product) for _ in range(7))
        for product in (lambda: np.matmul(a, b), lambda: np.einsum("ik,kj->ij", a, b))
    )
    return by_matmul <= by_einsum


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., N, K) and (..., K, M) to (..., N, M), float32."""
    return np.matmul(a, b) if has_blas() else np.einsum("...ik,...kj->...ij", a, b)


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
