# SPDX-License-Identifier: GPL-3.0-or-later
"""The head in a conversation: turned to one thing after another throughout a motion, by a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import bpy
import numpy as np

from ..animation.keyframes import key_frames
from ..motion import Motion
from ..rig import quaternion as quat
from ..rig.bone_map import find_bone_map
from ..timing import frame_rate
from .aim import averaged, look_towards
from .aim_measure import found_target, measured, shown

_LOOKED: Final = 0.4
_MOST_LOOKS: Final = 12
"""Seconds between two looks at where everything is, and how many there are at most: each evaluates the scene."""
_SHIFT: Final = 0.2
"""Seconds (standard deviation) over which the head goes from one thing to the next."""
_MOSTLY: Final = 0.5


@dataclass(frozen=True)
class Glance:
    """From ``time`` (s of the motion) until the next one the head is turned to ``target``, an object's name, by
    ``weight`` 0..1.
    """

    time: float
    target: str
    weight: float


def gaze_at(
    armature_object: bpy.types.Object,
    motion: Motion,
    glances: Sequence[Glance],
    *,
    frame_start: float,
    scene: bpy.types.Scene,
) -> tuple[Motion, list[str]]:
    """The motion with the head turned as the glances say, and what to say of them."""
    things = {glance.target: found_target(glance.target, scene) for glance in glances if glance.weight > 0.0}
    told = [
        f"{armature_object.name} cannot look at {name}: there is no such object in the scene."
        for name, thing in things.items()
        if thing is None
    ]
    present = {name: thing for name, thing in things.items() if thing is not None and thing != armature_object}
    if not present:
        return motion, told
    bone_map = find_bone_map(armature_object)
    step = max(1, round(_LOOKED * motion.fps), -(-motion.num_frames // _MOST_LOOKS))
    few = replace(motion, directions=motion.directions[::step], fps=motion.fps / step)
    frames = key_frames(few.num_frames, few.fps, frame_rate(scene), frame_start)
    with shown(armature_object, few, bone_map, frame_start, scene):
        looks = np.arange(few.num_frames)
        seen = measured(armature_object, bone_map, few, frames, looks, list(present.values()), scene)
    weights = glance_weights(motion, glances, list(present))
    ways = quat.rotate(quat.inv(seen.chest)[:, None], quat.normalize(seen.targets - seen.head[:, None]))
    ways = quat.normalize(_between(ways, np.arange(motion.num_frames) / step))
    total = np.sum(weights, axis=1)
    mean = np.sum(weights[:, :, None] * ways, axis=1)
    mean[total < 1e-6] = (0.0, 0.0, 1.0)
    wanted = quat.normalize(averaged(quat.normalize(mean), _LOOKED * motion.fps))
    turned, beyond = look_towards(motion, wanted, total)
    looking = total > 0.05
    if looking.any() and np.mean(beyond[looking]) > _MOSTLY:
        told.append(
            f"{armature_object.name} looks at {', '.join(present)} too far aside; the head turns as far as it "
            "can. Turn the character towards it."
        )
    return turned, told


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(T, K, 3) the values (N, K, 3) at places 0..N-1 between them, the last one held."""
    first = np.minimum(places.astype(int), len(values) - 1)
    after = np.minimum(first + 1, len(values) - 1)
    share = (places - first)[:, None, None]
    return (1.0 - share) * values[first] + share * values[after]


def glance_weights(motion: Motion, glances: Sequence[Glance], names: Sequence[str]) -> np.ndarray:
    """(T, K) how far the head is turned to each of ``names``; from one to the next it goes without a jerk."""
    times = np.arange(motion.num_frames) / motion.fps
    weights = np.zeros((motion.num_frames, len(names)))
    ordered = sorted(glances, key=lambda glance: glance.time)
    for number, glance in enumerate(ordered):
        end = ordered[number + 1].time if number + 1 < len(ordered) else np.inf
        if glance.target in names:
            weights[(times >= glance.time) & (times < end), names.index(glance.target)] = glance.weight
    return averaged(weights, _SHIFT * motion.fps)
