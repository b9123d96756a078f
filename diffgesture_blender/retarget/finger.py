# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingers: every phalanx is aimed, its roll follows the palm, and the last one curls along with its neighbour."""

from typing import Final

import numpy as np

from ..motion import Motion
from ..rig import quaternion as quat
from .arm import ArmTurns
from .rest import RestBody
from .torso import SIDE_NAMES

FloatArray = np.ndarray

# The last joint of a finger bends by about two thirds of the middle one: one tendon pulls both.
_LAST_JOINT_SHARE: Final = 0.65
# A thumb lacks its first bone if it begins farther out than this part of the way to the index finger's knuckle.
_KNUCKLE_PLACE: Final = 0.55
# Angles towards the palm of a relaxed finger's bones, for layouts without fingers.
_RELAXED_BENDS: Final = np.radians([18.0, 42.0])


def solve_finger(body: RestBody, motion: Motion, arm: ArmTurns, finger: str, side: str) -> dict[str, FloatArray]:
    """Bone -> (T, 4) rotation from rest in the public frame, for the bones of one finger."""
    slot = f"{finger}.{side}"
    names = body.bone_map.slots[slot]
    rest = body.finger_directions(slot)
    name = SIDE_NAMES[side]
    layout = [motion.bone(f"{name}_{finger}{joint}", f"{name}_{finger}{joint + 1}") for joint in (1, 2)]
    aims = [motion.directions[:, bone] for bone in layout if bone is not None]
    if len(aims) < 2:
        if finger == "thumb":  # at rest in the hand
            return dict.fromkeys(names, arm.hand)
        aims = _relaxed(arm, quat.rotate(arm.hand, body.direction(f"hand.{side}", slot)))
    bend = quat.between(aims[0], aims[1])
    aims.append(quat.rotate(quat.power(bend, _LAST_JOINT_SHARE), aims[1]))
    if finger == "thumb" and len(names) == 2 and _begins_at_knuckle(body, side):
        aims = aims[1:]
    turns: dict[str, FloatArray] = {}
    carried = arm.hand
    for bone, rest_direction, aim in zip(names, rest, aims, strict=False):
        carried = quat.mul(quat.between(quat.rotate(carried, rest_direction), aim), carried)
        turns[bone] = carried
    return turns


def _begins_at_knuckle(body: RestBody, side: str) -> bool:
    """Whether the thumb's first joint lies so far out in the hand that it cannot be the one at the wrist."""
    if not body.has(f"index.{side}"):
        return False
    wrist = body.joint(f"hand.{side}")
    thumb, index = (np.linalg.norm(body.joint(f"{finger}.{side}") - wrist) for finger in ("thumb", "index"))
    return bool(thumb > _KNUCKLE_PLACE * index)


def _relaxed(arm: ArmTurns, knuckle: FloatArray) -> list[FloatArray]:
    """Directions of a relaxed finger's first two bones; ``knuckle`` (T, 3) from the wrist to its root."""
    forward = quat.normalize(knuckle + arm.along)
    forward = quat.normalize(forward - np.sum(forward * arm.palm, axis=-1, keepdims=True) * arm.palm)
    return [np.cos(angle) * forward + np.sin(angle) * arm.palm for angle in _RELAXED_BENDS]
