# SPDX-License-Identifier: GPL-3.0-or-later
"""Nod, shake and tilt as turns of the head: the same in composed training data and on a finished motion."""

from typing import Final

import numpy as np

from .easing import minimum_jerk

HEAD_CUES: Final = ("nod", "shake", "tilt")


def head_turn(name: str, t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotation vectors (T, 3) for seconds ``t`` (T,) from the cue, whose main extreme is at 0."""
    vectors = np.zeros((len(t), 3))
    if name == "tilt":
        held = minimum_jerk((t + 0.45) / 0.45) * (1.0 - minimum_jerk((t - rng.uniform(0.4, 1.0)) / 0.6))
        vectors[:, 2] = rng.choice([-1.0, 1.0]) * np.deg2rad(rng.uniform(9.0, 15.0)) * held
        return vectors
    frequency = rng.uniform(1.7, 2.3)
    cycles = rng.integers(2, 4) if name == "shake" else rng.integers(1, 3)
    phase = 2.0 * np.pi * frequency * t
    window = minimum_jerk((t + 0.30) / 0.25) * (1.0 - minimum_jerk((t - (cycles - 0.6) / frequency) / 0.3))
    if name == "shake":
        vectors[:, 1] = rng.choice([-1.0, 1.0]) * np.deg2rad(rng.uniform(12.0, 18.0)) * np.cos(phase) * window
    else:
        # A nod goes down from where the head is, and comes up again.
        vectors[:, 0] = np.deg2rad(rng.uniform(9.0, 14.0)) * (0.35 + 0.65 * np.cos(phase)) * window
    return vectors
