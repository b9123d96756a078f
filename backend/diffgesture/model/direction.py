# SPDX-License-Identifier: GPL-3.0-or-later
"""How cues, style and role look as streams of numbers per frame, the same in training and in generation."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

BUMP: Final = 0.3
"""Seconds in which a cue's column rises from 0 to 1 before the arrival, and falls again after it."""
BEFORE_A_TURN: Final = 0.4
"""Seconds in which a speaker gets ready to speak."""
AFTER_A_TURN: Final = 0.4
"""Seconds in which a speaker's hands come to an end after the last word."""
_DEFAULT_REST: Final = "rest_sides"


def cue_columns(
    events: Sequence[tuple[str, float]], columns: Sequence[str], frames: int, fps: float
) -> np.ndarray:
    """(frames, len(columns)) of events (name, seconds); names that are no column are left out."""
    times = np.arange(frames) / fps
    stream = np.zeros((frames, len(columns)), dtype=np.float32)
    for name, time in events:
        if name in columns:
            column = stream[:, list(columns).index(name)]
            np.maximum(column, 1.0 - np.abs(times - time) / BUMP, out=column)
    return stream


def style_columns(style: Mapping[str, float], columns: Sequence[str], frames: int) -> np.ndarray:
    """(frames, len(columns)) of named numbers; those not named are 0, the hands rest at the sides.

    The rest poses (``rest_…``) exclude each other: naming one takes the place of the default.
    """
    row = np.array([style.get(column, 0.0) for column in columns], dtype=np.float32)
    if _DEFAULT_REST in columns and not any(style.get(c, 0.0) for c in columns if c.startswith("rest_")):
        row[list(columns).index(_DEFAULT_REST)] = 1.0
    return np.tile(row, (frames, 1))


def role_columns(role: str, frames: int) -> np.ndarray:
    """(frames, 1): 1 for a speaker, 0 for a listener."""
    return np.full((frames, 1), 0.0 if role == "listener" else 1.0, dtype=np.float32)


def turn_columns(turns: Sequence[tuple[float, float]], frames: int, fps: float) -> np.ndarray:
    """(frames, 1): 1 in each turn (start, end) in seconds and shortly around it, 0 where somebody else speaks."""
    times = np.arange(frames) / fps
    speaking = np.zeros((frames, 1), dtype=np.float32)
    for start, end in turns:
        speaking[(times >= start - BEFORE_A_TURN) & (times <= end + AFTER_A_TURN)] = 1.0
    return speaking
