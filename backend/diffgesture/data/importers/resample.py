# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of frame rate."""

import numpy as np

FloatArray = np.ndarray


def resample_published(poses: FloatArray, seconds: float, fps: float) -> FloatArray:
    """Poses (T, ...) that last ``seconds`` to ``fps``, as published (``resample_pose_seq``).

    Linear between frames. Frame k of the result lies at frame ``k * T / (seconds * fps)`` of the source, so the
    last ones can lie beyond the source's last frame: there its last step is continued. The type stays the same.
    """
    frames = len(poses)
    places = np.arange(0, frames, frames / (seconds * fps))
    return sample_linear(poses.astype(np.float64), places).astype(poses.dtype)


def sample_linear(values: FloatArray, places: FloatArray) -> FloatArray:
    """Values (T, ...) at fractional frames (N,), linear, the first and last step continued beyond the ends."""
    if len(values) < 2:
        return np.repeat(values, len(places), axis=0)
    low = np.clip(np.floor(places).astype(int), 0, len(values) - 2)
    weight = (places - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] + (values[low + 1] - values[low]) * weight
