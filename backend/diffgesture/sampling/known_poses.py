# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses that are given while the rest of a clip is denoised, and how the rest is joined to them."""

from typing import Final

import numpy as np

JOIN_FRAMES: Final = 10


class KnownPoses:
    """Standardised poses (T, D) float32 that are given where ``mask`` (T, D) is 1."""

    def __init__(self, poses: np.ndarray, mask: np.ndarray) -> None:
        self.poses, self.mask = poses, mask
        length = len(mask)
        frames = np.broadcast_to(np.arange(length)[:, None], mask.shape)
        self._given = mask > 0
        before = np.maximum.accumulate(np.where(self._given, frames, -JOIN_FRAMES), axis=0)
        after = np.minimum.accumulate(np.where(self._given, frames, length + JOIN_FRAMES)[::-1], axis=0)[::-1]
        self._before, self._after = before.clip(min=0), after.clip(max=length - 1)
        self._weight_before, self._weight_after = _fade(frames - before), _fade(after - frames)
        self._weights = np.maximum(self._weight_before + self._weight_after, 1.0)

    def impose(self, estimate: np.ndarray) -> np.ndarray:
        """``estimate`` (T, D) with what is given in its place and the frames around led over to it.

        The network knows the given poses but does not meet them exactly. Its miss at the nearest given frame on
        either side is taken from the frames between, less and less over ``JOIN_FRAMES``: what was smooth stays
        smooth.
        """
        miss = (self.poses - estimate) * self.mask
        left, right = (np.take_along_axis(miss, at, axis=0) for at in (self._before, self._after))
        joined = estimate + (self._weight_before * left + self._weight_after * right) / self._weights
        return np.where(self._given, self.poses, joined)


def _fade(distance: np.ndarray) -> np.ndarray:
    """1 at a given frame, 0 from ``JOIN_FRAMES`` away, with level ends."""
    return (0.5 + 0.5 * np.cos(np.pi * (distance / JOIN_FRAMES).clip(0, 1))).astype(np.float32)
