# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion file: what the generator writes and every other part reads (``.npz``, see docs/MOTION.md)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import OutputError
from .skeletons import SKELETONS, Skeleton


@dataclass(frozen=True)
class Motion:
    """Unit bone directions (T, B, 3) in the public frame, with where they came from."""

    directions: np.ndarray
    fps: float
    layout: str
    seed: int
    audio_seconds: float
    preset: str
    checkpoint: str
    neutral_directions: np.ndarray

    @property
    def skeleton(self) -> Skeleton:
        return SKELETONS[self.layout]


def num_motion_frames(audio_seconds: float, fps: float) -> int:
    """Frames of a motion that is exactly as long as its speech."""
    return round(audio_seconds * fps)


def save_motion(path: str | Path, motion: Motion) -> None:
    """Write the motion file; OutputError when the place cannot be written."""
    skeleton = motion.skeleton
    try:
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                directions=motion.directions.astype(np.float32),
                fps=np.float64(motion.fps),
                layout=np.str_(motion.layout),
                bone_pairs=np.asarray(skeleton.bone_pairs, dtype=np.int32),
                joint_names=np.asarray(skeleton.joint_names),
                seed=np.int64(motion.seed),
                audio_seconds=np.float64(motion.audio_seconds),
                preset=np.str_(motion.preset),
                checkpoint=np.str_(motion.checkpoint),
                neutral_directions=motion.neutral_directions.astype(np.float32),
                bone_lengths=np.asarray(skeleton.bone_lengths, dtype=np.float32),
            )
    except OSError as error:
        raise OutputError(f"The motion cannot be written to {path}: {error.strerror or error}.") from error
