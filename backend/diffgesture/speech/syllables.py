# SPDX-License-Identifier: GPL-3.0-or-later
"""Where syllables and accents are, by NumPy alone: peaks of the loudness between 250 and 3000 Hz.

``prosody`` finds accents with pitch too, for composing and measuring; this is what generation needs.
"""

import bisect
from typing import Final

import numpy as np

from .features import WithMel, power_of

RATE: Final = 100.0
_BANDS: Final = slice(2, 15)
_SMOOTH: Final = 0.03
_PROMINENCE_DB: Final = 2.0
_APART: Final = 0.09


def loudness_db(audio: np.ndarray | WithMel) -> np.ndarray:
    """(T,) dB of the vowels' bands at 100 Hz of 16 kHz ``audio`` (samples,), smoothed over a phoneme."""
    level = 10.0 * np.log10(power_of(audio)[_BANDS].sum(axis=0).astype(np.float64) + 1e-8)
    offsets = np.arange(-9, 10) / RATE
    kernel = np.exp(-0.5 * (offsets / _SMOOTH) ** 2)
    return np.convolve(np.pad(level, 9, mode="edge"), kernel / kernel.sum(), mode="valid")


def nuclei(audio: np.ndarray | WithMel) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (N,) of the loudest point of each syllable, and its strength (N,) in dB over the median syllable."""
    level = loudness_db(audio)
    floor = max(np.percentile(level, 95) - 30.0, np.percentile(level, 5) + 3.0) if len(level) else 0.0
    inside = np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:]) & (level[1:-1] > floor)) + 1
    kept: list[int] = []
    # Strongest first: a peak counts if the loudness falls on the way to every stronger one.
    for peak in sorted(inside.tolist(), key=lambda k: -level[k]):
        place = bisect.bisect(kept, peak)
        # Where it falls on the way to the nearest on each side, it does on the way to those behind.
        if all(
            abs(peak - other) >= _APART * RATE
            and level[min(peak, other) : max(peak, other)].min() <= level[peak] - _PROMINENCE_DB
            for other in kept[max(0, place - 1) : place + 1]
        ):
            kept.insert(place, peak)
    times = np.array(kept, dtype=int)
    strength = level[times] - np.median(level[times]) if len(times) else np.zeros(0)
    return times / RATE, strength


def nearest_accent(accents: tuple[np.ndarray, np.ndarray], time: float, low: float, high: float) -> float:
    """The strongest syllable from ``low`` to ``high`` s, the nearer the better; ``time`` if there is none."""
    times, strength = accents
    among = np.flatnonzero((times >= low) & (times <= high))
    if not len(among):
        return time
    return float(times[among[np.argmax(strength[among] - 20.0 * np.abs(times[among] - time))]])
