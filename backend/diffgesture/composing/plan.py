# SPDX-License-Identifier: GPL-3.0-or-later
"""What the composer plays with and what it decides: plain values between ``composer`` and ``performer``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .corpora import Clip
from .cues import CueEvent
from .idle import IdleMotion, RestPose, idle_motions, rest_poses
from .units import Unit, build_library

FloatArray = np.ndarray


@dataclass(frozen=True)
class Library:
    """What the composer plays with: gesture units, units that show cues, rest poses and idle motion."""

    units: tuple[Unit, ...]
    rests: tuple[RestPose, ...]
    idles: tuple[IdleMotion, ...]
    cues: Mapping[str, tuple[Unit, ...]] = field(default_factory=dict)

    @classmethod
    def from_clips(cls, clips: list[Clip], cues: Mapping[str, tuple[Unit, ...]] | None = None) -> "Library":
        return cls(tuple(build_library(clips)), tuple(rest_poses(clips)), tuple(idle_motions(clips)), cues or {})

    @property
    def families(self) -> list[str]:
        return sorted({unit.family for unit in self.units})


@dataclass(frozen=True)
class Placement:
    """A unit whose hand arrives at ``arrival`` seconds; played ``tempo`` times as fast by the arms ``sides``.

    ``swing`` (2, 3) are rotation vectors by which the upper arms differ from the unit's, ``bow`` (2, 3) those by
    which they leave the straight way half-way, ``lift`` (rad) more flexion of shoulder and elbow; ``palm_up`` 0..1
    how far the palms are turned up, ``fingers`` (rad) how much more the fingers are bent.
    """

    unit: Unit
    arrival: float
    tempo: float
    amplitude: float
    sides: tuple[str, ...]
    swing: FloatArray = field(default_factory=lambda: np.zeros((2, 3)))
    bow: FloatArray = field(default_factory=lambda: np.zeros((2, 3)))
    lift: float = 0.0
    palm_up: float = 0.0
    fingers: float = 0.0


@dataclass(frozen=True)
class Beat:
    """A small stroke at ``time``, on top of what the arms do; ``left`` and ``right`` are its sizes."""

    time: float
    left: float
    right: float


@dataclass(frozen=True)
class GesturePhrase:
    """A stretch (s) of gesture by the same ``hands``; ``lift``, ``palm_up`` and ``fingers`` as in Placement."""

    start: float
    end: float
    hands: tuple[str, ...]
    lift: float
    palm_up: float
    fingers: float


@dataclass(frozen=True)
class Plan:
    """``runs`` are stretches (start, end) of speech without a pause that lets the hands rest.

    ``drops`` (side, s) are when a hand that takes no part in the next phrase goes down; ``cues`` what was asked.
    """

    placements: tuple[Placement, ...]
    beats: tuple[Beat, ...]
    runs: tuple[tuple[float, float], ...]
    phrases: tuple[GesturePhrase, ...] = ()
    drops: tuple[tuple[str, float], ...] = ()
    cues: tuple[CueEvent, ...] = ()
