# SPDX-License-Identifier: GPL-3.0-or-later
"""Resampling of speech by NumPy: a band-limited spectrum, block by block, in constant memory."""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

_BLOCK_SECONDS: Final = 20.0
_MARGIN_SECONDS: Final = 0.25
_PASS: Final = 0.92
"""Share of the lower Nyquist frequency that passes unchanged; above it a raised cosine falls to zero."""


def resample(samples: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """(N,) float32 at ``rate`` to (round(N target_rate / rate),) at ``target_rate``."""
    if rate == target_rate:
        return samples
    blocks = list(resampled([samples], rate, target_rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)


def resampled(blocks: Iterable[np.ndarray], rate: int, target_rate: int) -> Iterator[np.ndarray]:
    """Blocks of any length at ``rate`` to blocks of 20 s at ``target_rate``.

    Blocks overlap by a quarter of a second on both sides, which is cut off again, so that no seam is left.
    """
    if rate == target_rate:
        yield from blocks
        return
    divisor = math.gcd(rate, target_rate)
    up, down = target_rate // divisor, rate // divisor
    # Whole periods of the common grid: every block starts on a sample of both rates.
    periods = max(1, round(_BLOCK_SECONDS * rate / down))
    margin = max(1, math.ceil(_MARGIN_SECONDS * rate / down))
    window = _Window(blocks)
    first = 0
    while True:
        start, stop = (first - margin) * down, (first + periods + margin) * down
        block = window.cut(start, stop)
        length = None if window.length is None else round(window.length * target_rate / rate)
        if window.length is not None and first >= math.ceil(window.length / down):
            return
        out = _whole(block, up, down)[margin * up : (margin + periods) * up].astype(np.float32)
        yield out if length is None else out[: max(0, min(length, (first + periods) * up) - first * up)]
        first += periods


class _Window:
    """A moving part of a stream of blocks; before and behind them are zeros."""

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self.length: int | None = None
        """Samples in all, as soon as the end has been seen."""
        self._blocks, self._held, self._begin = iter(blocks), np.zeros(0, dtype=np.float32), 0

    def cut(self, start: int, stop: int) -> np.ndarray:
        """Samples ``start`` to ``stop``; ``start`` never falls."""
        new = []
        have = self._begin + len(self._held)
        while self.length is None and have < stop:
            block = next(self._blocks, None)
            if block is None:
                self.length = have
            else:
                new.append(block)
                have += len(block)
        drop = min(max(0, start - self._begin), len(self._held))
        self._held = np.concatenate([self._held[drop:], *new]) if new or drop else self._held
        self._begin += drop
        inside = self._held[max(0, start - self._begin) : max(0, stop - self._begin)]
        before = min(max(0, -start), stop - start)
        return np.pad(inside, (before, stop - start - before - len(inside)))


def _whole(block: np.ndarray, up: int, down: int) -> np.ndarray:
    """A block of a multiple of ``down`` samples, taken as periodic."""
    count = len(block) // down * up
    spectrum = np.fft.rfft(block)
    lower = min(len(block), count) // 2
    kept = np.zeros(count // 2 + 1, dtype=spectrum.dtype)
    place = np.arange(lower + 1) / lower
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((place - _PASS) / (1 - _PASS), 0, 1))
    kept[: lower + 1] = spectrum[: lower + 1] * fade
    return np.fft.irfft(kept, count) * (count / len(block))
