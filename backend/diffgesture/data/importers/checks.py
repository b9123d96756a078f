# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a take unusable, each said in a sentence that names the place."""

from typing import Final

import numpy as np

from ...errors import DataError
from ...motion.skeletons import Skeleton

FloatArray = np.ndarray

_STILL: Final = 1e-4


def check_lengths(place: str, audio_seconds: float, motion_seconds: float, tolerance: float) -> None:
    """Raises DataError when audio and motion differ by more than ``tolerance`` seconds."""
    if abs(audio_seconds - motion_seconds) > tolerance:
        raise DataError(
            f"{place}: the audio lasts {audio_seconds:.2f} s, but the motion {motion_seconds:.2f} s; "
            f"they may differ by {tolerance:g} s (--tolerance)."
        )


def check_directions(place: str, directions: FloatArray, skeleton: Skeleton) -> None:
    """Raises DataError for directions (T, B, 3) that are not numbers, have no length or never change."""
    if len(directions) == 0:
        raise DataError(f"{place}: there are no frames.")
    if not np.isfinite(directions).all():
        frame, bone = np.argwhere(~np.isfinite(directions).all(axis=2))[0]
        raise DataError(f"{place}: bone '{skeleton.bone_names[bone]}', frame {frame} is not a number.")
    lengths = np.linalg.norm(directions, axis=2)
    if lengths.min() < 0.5:
        frame, bone = np.unravel_index(int(np.argmin(lengths)), lengths.shape)
        raise DataError(f"{place}: bone '{skeleton.bone_names[bone]}', frame {frame} has no length.")
    if np.ptp(directions, axis=0).max() < _STILL:
        raise DataError(f"{place}: the pose is the same in all {len(directions)} frames.")
