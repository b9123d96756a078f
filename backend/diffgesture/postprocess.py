# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator may change about a finished motion without generating it again."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .skeletons import normalize

_MAX_ANGLE = np.radians(150.0)
SMOOTHING_SECONDS = 0.25


def scale_intensity(directions: np.ndarray, rest: np.ndarray, intensity: float) -> np.ndarray:
    """Scale how far each direction (T, B, 3) swings from its rest direction (B, 3), along the same arc.

    0 gives the rest pose, 1 the motion as it is. Beyond 1 the angle grows but saturates towards 150 degrees, so
    that no bone is turned over.
    """
    if intensity == 1.0:
        return directions
    cosine = np.clip((directions * rest).sum(-1, keepdims=True), -1, 1)
    angle = np.arccos(cosine)
    target = angle * intensity
    if intensity > 1:
        room = np.maximum(_MAX_ANGLE - angle, 1e-6)
        extra = target - angle
        target = angle + room * np.tanh(extra / room) * (angle < _MAX_ANGLE)
    across = normalize(directions - cosine * rest)
    return normalize(np.cos(target) * rest + np.sin(target) * across).astype(directions.dtype)


def smooth(directions: np.ndarray, fps: float, smoothing: float) -> np.ndarray:
    """Gaussian smoothing in time, (T, B, 3); ``smoothing`` 1 is a standard deviation of 0.25 s."""
    if smoothing <= 0 or len(directions) < 2:
        return directions
    sigma = smoothing * SMOOTHING_SECONDS * fps
    return normalize(gaussian_filter1d(directions, sigma, axis=0, mode="nearest"))
