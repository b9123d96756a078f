# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator may change about a finished motion without generating it again.

Directions that were given (``Constraints``) are never changed; next to them every change fades out, so that the
motion stays smooth where it meets them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .amplitude import Scale, gaussian, part_bones, scale_amplitude
from .constraints import Constraints
from .easing import minimum_jerk
from .skeletons import Skeleton, normalize

FloatArray = np.ndarray

SMOOTHING_SECONDS: Final = 0.25
# Below this intensity the hands come down to rest with the strokes.
LOWERS_BELOW: Final = 0.5
# How long before its end a motion begins to slow down.
SETTLE_SECONDS: Final = 0.8
# How far from a given direction a change is in full effect.
FADE_SECONDS: Final = 0.6


@dataclass(frozen=True)
class Shaping:
    """The animator's wishes.

    ``intensity`` scales all strokes about the motion's slow mean, and below 0.5 the way from rest, too;
    ``amounts`` scale the swings of left_arm, right_arm, head, torso and fingers about the rest pose;
    ``smoothing`` 1 is strong;
    ``rest_in`` and ``rest_out`` are the seconds over which the motion leaves the rest pose at its start and
    returns to it at its end.
    """

    intensity: float = 1.0
    smoothing: float = 0.0
    amounts: Mapping[str, float] = field(default_factory=dict)
    rest_in: float = 0.0
    rest_out: float = 0.0


def shape_motion(
    directions: FloatArray,
    rest: FloatArray,
    skeleton: Skeleton,
    fps: float,
    shaping: Shaping,
    constraints: Constraints | None = None,
) -> FloatArray:
    """Directions (T, B, 3) as the animator wants them; swings are scaled about the pose ``rest`` (B, 3)."""
    known = np.zeros(directions.shape[:2], dtype=bool) if constraints is None else constraints.mask
    if shaping.smoothing > 0:
        freedom, calm = _freedom(known, fps), np.empty_like(directions)
        for bone in range(directions.shape[1]):  # one by one: a copy of hours of motion is large
            own = freedom[:, bone, None]
            smoothed = smooth(directions[:, bone], fps, shaping.smoothing)
            calm[:, bone] = normalize(own * smoothed + (1 - own) * directions[:, bone])
        directions = calm
    scales = part_scales(len(directions), skeleton, fps, shaping, known)
    if any(np.any(scale.swing != 1) or np.any(scale.stroke != 1) for scale in scales.values()):
        directions = scale_amplitude(directions, rest, skeleton, scales)
    if constraints is not None:
        directions = np.where(known[..., None], constraints.directions, directions)
    return directions


def settle(directions: FloatArray, fps: float, known: FloatArray | None = None) -> FloatArray:
    """Directions (T, B, 3) that come to a halt at their end: a recording may stop in the middle of a stroke.

    Over the last ``SETTLE_SECONDS`` time slows down to a stop. What is ``known`` (T, B) there leaves all as it is.
    """
    frames = len(directions)
    length = min(round(SETTLE_SECONDS * fps), frames - 1)
    if length < 2 or (known is not None and known[-length - 1 :].any()):
        return directions
    passed = np.arange(1, length + 1) / length
    times = frames - 1 - length + length * (passed - 0.5 * passed**2)
    before = times.astype(int)
    share = (times - before)[:, None, None]
    slowed = (1 - share) * directions[before] + share * directions[np.minimum(before + 1, frames - 1)]
    return np.concatenate([directions[: frames - length], normalize(slowed)])


def part_scales(
    num_frames: int, skeleton: Skeleton, fps: float, shaping: Shaping, known: FloatArray
) -> dict[str, Scale]:
    """How each part is scaled: nothing changes where ``known`` (T, B) has a say.

    The torso carries everything and an arm its fingers, so what is known of those counts for them, too.
    """
    envelope = rest_envelope(num_frames, fps, shaping.rest_in, shaping.rest_out)
    bones = part_bones(skeleton)
    lowered = float(minimum_jerk(np.array(shaping.intensity / LOWERS_BELOW)))
    scales = {}
    for part, own in bones.items():
        side = part.partition("_")[0]
        amount = shaping.amounts.get("fingers" if part.endswith("fingers") else part, 1.0)
        carried = own if part != "torso" else [bone for others in bones.values() for bone in others]
        if part.endswith("_arm"):
            carried = own + bones[f"{side}_fingers"]
        wanted = lowered * amount * envelope
        freedom = (
            _freedom(np.asarray(known[:, carried].any(axis=1))[:, None], fps)[:, 0]
            if carried
            else np.ones(num_frames)
        )
        scales[part] = Scale(1 + freedom * (wanted - 1), 1 + freedom * (shaping.intensity - 1), fps)
    return scales


def rest_envelope(num_frames: int, fps: float, rest_in: float, rest_out: float) -> FloatArray:
    """(T,) from 0 at the first frame to 1 after ``rest_in`` seconds, and back to 0 at the last frame.

    Speed and acceleration are zero where it starts and ends.
    """
    seconds = np.arange(num_frames) / fps
    envelope = np.ones(num_frames)
    for length, passed in ((rest_in, seconds), (rest_out, seconds[-1:] - seconds)):
        if length > 0:
            envelope = envelope * minimum_jerk(passed / length)
    return envelope


def smooth(directions: FloatArray, fps: float, smoothing: float) -> FloatArray:
    """Gaussian smoothing in time, (T, B, 3); ``smoothing`` 1 is a standard deviation of 0.25 s."""
    if smoothing <= 0 or len(directions) < 2:
        return directions
    sigma = smoothing * SMOOTHING_SECONDS * fps
    return normalize(gaussian(directions, sigma))


def _freedom(known: FloatArray, fps: float) -> FloatArray:
    """(T, K): 0 where known (T, K) is true, rising to 1 within ``FADE_SECONDS`` of it."""
    result = np.ones(known.shape)
    for column in np.flatnonzero(known.any(axis=0)):
        frames_away = _frames_away(known[:, column])
        result[:, column] = minimum_jerk(frames_away / (FADE_SECONDS * fps))
    return result


def _frames_away(known: FloatArray) -> FloatArray:
    """(T,) frames to the nearest one where ``known`` (T,) is true; some is."""
    frames, places = np.arange(len(known)), np.flatnonzero(known)
    behind = np.searchsorted(places, frames).clip(0, len(places) - 1)
    return np.minimum(np.abs(places[behind] - frames), np.abs(places[(behind - 1).clip(0)] - frames))
