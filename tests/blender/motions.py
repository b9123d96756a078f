# SPDX-License-Identifier: GPL-3.0-or-later
"""A small motion for tests: the ten joints of the ``ted`` layout, arms that swing, two seconds at 15 fps."""

from pathlib import Path

import numpy as np

JOINTS = (
    *("spine", "neck", "nose", "head"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
)
PAIRS = ((0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (5, 6), (1, 7), (7, 8), (8, 9))
LENGTHS = (0.26, 0.18, 0.14, 0.22, 0.36, 0.33, 0.22, 0.36, 0.33)
NEUTRAL = np.array(
    [[0, 1, 0], [0, 0.6, 0.8], [0, 0.8, -0.6], [1, 0, 0], [1, 0, 0], [1, 0, 0], [-1, 0, 0], [-1, 0, 0], [-1, 0, 0]]
)


def swinging_arms(seconds: float = 2.0, fps: float = 15.0) -> np.ndarray:
    """Directions (T, 9, 3): arms hang and swing, forearms bend forward, the body sways."""
    times = np.arange(round(seconds * fps)) / fps
    swing = 0.5 * np.sin(2 * np.pi * times)
    directions = np.tile(NEUTRAL, (len(times), 1, 1)).astype(np.float64)
    directions[:, 0, 0] += 0.2 * swing
    for side, first in ((1.0, 4), (-1.0, 7)):
        directions[:, first] = np.stack([0.3 * side + 0 * swing, -1 + 0 * swing, 0.3 * swing], axis=1)
        directions[:, first + 1] = np.stack([0.2 * side * swing, -0.4 + 0 * swing, 0.8 + swing], axis=1)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def write_motion(path: Path, directions: np.ndarray, fps: float = 15.0) -> Path:
    """The motion file, as the backend writes it."""
    np.savez(
        path,
        directions=directions.astype(np.float32),
        fps=np.float64(fps),
        layout=np.str_("ted"),
        bone_pairs=np.asarray(PAIRS, dtype=np.int32),
        joint_names=np.asarray(JOINTS),
        seed=np.int64(0),
        audio_seconds=np.float64(len(directions) / fps),
        preset=np.str_("default"),
        checkpoint=np.str_("test"),
        neutral_directions=NEUTRAL.astype(np.float32),
        bone_lengths=np.asarray(LENGTHS, dtype=np.float32),
    )
    return path
