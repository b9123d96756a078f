# SPDX-License-Identifier: GPL-3.0-or-later
"""Resampling of speech by NumPy: a band-limited spectrum, block by block, in constant memory."""

import math
from typing import Final

import numpy as np

_BLOCK_SECONDS: Final = 20.0
_MARGIN_SECONDS: Final = 0.25
_PASS: Final = 0.92
"""Share of the lower Nyquist frequency that passes unchanged; above it a raised cosine falls to zero."""


def resample(samples: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """(N,) float32 at ``rate`` to (round(N target_rate / rate),) at ``target_rate``.

    Blocks overlap by a quarter of a second on both sides, which is cut off again, so that no seam is left.
    """
    if rate == target_rate:
        return samples
    divisor = math.gcd(rate, target_rate)
    up, down = target_rate // divisor, rate // divisor
    length = round(len(samples) * target_rate / rate)
    # Whole periods of the common grid: every block starts on a sample of both rates.
    periods = max(1, round(_BLOCK_SECONDS * rate / down))
    margin = max(1, math.ceil(_MARGIN_SECONDS * rate / down))
    result = np.zeros(length, dtype=np.float32)
    for first in range(0, math.ceil(len(samples) / down), periods):
        start, stop = (first - margin) * down, (first + periods + margin) * down
        block = samples[max(0, start) : stop]
        block = np.pad(block, (max(0, -start), max(0, stop - start - len(block) - max(0, -start))))
        out = _whole(block, up, down)[margin * up : (margin + periods) * up]
        place = slice(first * up, min(length, (first + periods) * up))
        result[place] = out[: place.stop - place.start]
    return result


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
