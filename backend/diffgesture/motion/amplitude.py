# SPDX-License-Identifier: GPL-3.0-or-later
"""Larger or smaller gestures: joints scaled one by one, as an animator would with FK.

Swings are scaled about the rest pose, strokes about the slow mean of the motion: larger strokes do not lift the
hands.

Bone directions are absolute, so scaling each on its own would bend hands out of shape and leave fingers behind.
Here every joint's rotation against the joint that carries it is scaled instead: what hangs on it goes along.
Torso carries head and arms, upper arm carries forearm, forearm carries hand (with its twist), hand the fingers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from . import rotation
from .skeletons import Skeleton, normalize

FloatArray = np.ndarray

# Where growing swings saturate, in degrees; a swing that is beyond already stays as it is.
_LIMITS: Final = {
    "torso": 40.0,
    "head": 70.0,
    "shoulder": 30.0,
    "upper_arm": 150.0,
    "forearm": 120.0,
    "hand": 95.0,
    "finger": 90.0,
}
# The slow mean of a joint: a Gaussian of this standard deviation in seconds.
_SLOW_SECONDS: Final = 1.0
# An arm joint this far from rest (degrees) takes part in a stroke; a hanging arm does not.
_RAISED: Final = 20.0
_NEVER_HANGS: Final = ("torso", "head", "shoulder")
_FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")


def part_bones(skeleton: Skeleton) -> dict[str, list[int]]:
    """Bones of each part: torso, head, left_arm, right_arm (without fingers), left_fingers, right_fingers."""
    parts: dict[str, list[int]] = {"torso": [skeleton.bone("spine", "neck")], "head": []}
    for side in ("left", "right"):
        parts[f"{side}_arm"], parts[f"{side}_fingers"] = [], []
    for bone, name in enumerate(skeleton.bone_names):
        child = name.split(">")[1]
        side, _, joint = child.partition("_")
        if joint in ("shoulder", "elbow", "wrist"):
            parts[f"{side}_arm"].append(bone)
        elif joint.startswith(_FINGERS):
            parts[f"{side}_fingers"].append(bone)
        elif bone not in parts["torso"]:
            parts["head"].append(bone)
    return parts


@dataclass(frozen=True)
class Scale:
    """How one part's joints are scaled, each (T,).

    ``swing`` times the way from rest: 0 gives the rest pose. ``stroke`` times the way from the slow mean; ``fps``
    of both.
    1 leaves the motion as it is; beyond 1 both saturate short of the joint's limit.
    """

    swing: FloatArray
    stroke: FloatArray
    fps: float

    def __call__(self, turn: FloatArray, part: str) -> FloatArray:
        """The joint's rotations (T, 4) against rest, scaled."""
        vector = rotation.log(turn)
        angle = np.linalg.norm(vector, axis=-1)
        wanted = vector
        if np.any(self.stroke != 1):
            weight = 1.0 if part in _NEVER_HANGS else 1.0 - np.exp(-((angle / np.radians(_RAISED)) ** 2))
            away = vector - gaussian(vector, _SLOW_SECONDS * self.fps)
            wanted = vector + ((self.stroke - 1) * weight)[:, None] * away
        wanted = wanted * self.swing[:, None]
        target = np.linalg.norm(wanted, axis=-1)
        room = np.radians(_LIMITS[part]) - angle
        grown = np.where(room > 0, angle + room * np.tanh((target - angle) / np.where(room > 0, room, 1.0)), angle)
        size = np.where(target > angle, grown, target)
        return rotation.exp(wanted * (size / np.where(target > 0, target, 1.0))[:, None])


def scale_amplitude(
    directions: FloatArray, rest: FloatArray, skeleton: Skeleton, scales: Mapping[str, Scale]
) -> FloatArray:
    """Directions (T, B, 3) with every part's joints scaled; ``rest`` (B, 3), parts as in ``part_bones``."""
    directions, rest = np.asarray(directions, dtype=np.float64), np.asarray(rest, dtype=np.float64)
    result = np.empty_like(directions)
    torso = rotation.mul(_torso_frame(directions, skeleton), rotation.inv(_torso_frame(rest[None], skeleton)))
    new_torso = scales["torso"](torso, "torso")
    trunk = skeleton.bone("spine", "neck")
    result[:, trunk] = rotation.rotate(rotation.mul(new_torso, rotation.inv(torso)), directions[:, trunk])
    bones = part_bones(skeleton)["head"]
    head = rotation.fit(rest[bones], directions[:, bones])
    turned = scales["head"](rotation.mul(rotation.inv(torso), head), "head")
    new_head = rotation.mul(new_torso, turned)
    for bone in bones:
        _, _, result[:, bone] = _swing(head, new_head, rest[bone], directions[:, bone], scales["head"], "head")
    for side in ("left", "right"):
        _scale_arm(result, directions, rest, skeleton, side, (torso, new_torso), scales)
    return normalize(result)


def _scale_arm(
    result: FloatArray,
    directions: FloatArray,
    rest: FloatArray,
    skeleton: Skeleton,
    side: str,
    torso: tuple[FloatArray, FloatArray],
    scales: Mapping[str, Scale],
) -> None:
    """Fill in one side's arm, hand and fingers; ``torso`` is the chest's turn before and after."""
    scale = scales[f"{side}_arm"]
    shoulder, elbow, wrist = (f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist"))
    old, new = torso
    bone = skeleton.bone("neck", shoulder)
    _, _, result[:, bone] = _swing(old, new, rest[bone], directions[:, bone], scale, "shoulder")
    for part, bone in (
        ("upper_arm", skeleton.bone(shoulder, elbow)),
        ("forearm", skeleton.bone(elbow, wrist)),
    ):
        old, new, result[:, bone] = _swing(old, new, rest[bone], directions[:, bone], scale, part)
    chains = _finger_chains(skeleton, side)
    if not chains:
        return
    palm = [chain[0] for finger, chain in chains.items() if finger != "thumb"]
    hand = rotation.fit(rest[palm], directions[:, palm])
    turned = scale(rotation.mul(rotation.inv(old), hand), "hand")
    new_hand = rotation.mul(new, turned)
    fingers = scales[f"{side}_fingers"]
    for chain in chains.values():
        before, after = hand, new_hand
        for bone in chain:
            before, after, result[:, bone] = _swing(
                before, after, rest[bone], directions[:, bone], fingers, "finger"
            )


def _swing(
    old: FloatArray, new: FloatArray, rest: FloatArray, direction: FloatArray, scale: Scale, part: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One bone carried by ``old``, from now on by ``new``.

    Gives the bone's own turn before and after (without twist) and its new direction (T, 3).
    """
    local = rotation.between(rest, rotation.rotate(rotation.inv(old), direction))
    turned = rotation.mul(new, scale(local, part))
    return rotation.mul(old, local), turned, rotation.rotate(turned, rest)


def _torso_frame(directions: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T,) frame of the chest: up the spine, and left along the shoulder line as far as it is across."""
    up = directions[:, skeleton.bone("spine", "neck")]
    line = (
        directions[:, skeleton.bone("neck", "left_shoulder")]
        - directions[:, skeleton.bone("neck", "right_shoulder")]
    )
    left = normalize(line - (line * up).sum(-1, keepdims=True) * up)
    return rotation.from_matrix(np.stack([left, up, np.cross(left, up)], axis=-1))


def _finger_chains(skeleton: Skeleton, side: str) -> dict[str, list[int]]:
    """Finger -> its bones from the wrist on; empty where the layout has no fingers."""
    chains = {}
    for finger in _FINGERS:
        if f"{side}_{finger}1" in skeleton.joint_names:
            joints = [f"{side}_wrist", *(f"{side}_{finger}{number}" for number in (1, 2, 3))]
            chains[finger] = [skeleton.bone(a, b) for a, b in pairwise(joints)]
    return chains


def gaussian(values: FloatArray, sigma: float) -> FloatArray:
    """(T, ...) smoothed along the first axis by a Gaussian of ``sigma`` frames, cut at four; ends are repeated."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.concatenate([values[:1].repeat(radius, 0), values, values[-1:].repeat(radius, 0)])
    result = np.zeros(values.shape)
    for offset, weight in enumerate(weights):
        result += weight * padded[offset : offset + len(values)]
    return result
