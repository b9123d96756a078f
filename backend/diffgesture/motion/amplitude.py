# SPDX-License-Identifier: GPL-3.0-or-later
"""Larger or smaller gestures: swings from the rest pose scaled joint by joint, as an animator would with FK.

Bone directions are absolute, so scaling each on its own would bend hands out of shape and leave fingers behind.
Here every joint's rotation against the joint that carries it is scaled instead: what hangs on it goes along.
Torso carries head and arms, upper arm carries forearm, forearm carries hand (with its twist), hand the fingers.
"""

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


def scale_amplitude(
    directions: FloatArray, rest: FloatArray, skeleton: Skeleton, factors: dict[str, FloatArray]
) -> FloatArray:
    """Directions (T, B, 3) with every part's swing from ``rest`` (B, 3) taken ``factors[part]`` (T,) times.

    Parts as in ``part_bones``. 0 gives the rest pose, 1 the motion as it is; beyond 1 swings grow but saturate.
    """
    directions, rest = np.asarray(directions, dtype=np.float64), np.asarray(rest, dtype=np.float64)
    result = np.empty_like(directions)
    torso = rotation.mul(_torso_frame(directions, skeleton), rotation.inv(_torso_frame(rest[None], skeleton)))
    new_torso = _scaled(torso, factors["torso"], _LIMITS["torso"])
    trunk = skeleton.bone("spine", "neck")
    result[:, trunk] = rotation.rotate(rotation.mul(new_torso, rotation.inv(torso)), directions[:, trunk])
    bones = part_bones(skeleton)["head"]
    head = rotation.fit(rest[bones], directions[:, bones])
    turned = _scaled(rotation.mul(rotation.inv(torso), head), factors["head"], _LIMITS["head"])
    new_head = rotation.mul(new_torso, turned)
    for bone in bones:
        _, _, result[:, bone] = _swing(head, new_head, rest[bone], directions[:, bone], factors["head"], "head")
    for side in ("left", "right"):
        _scale_arm(result, directions, rest, skeleton, side, (torso, new_torso), factors)
    return normalize(result)


def _scale_arm(
    result: FloatArray,
    directions: FloatArray,
    rest: FloatArray,
    skeleton: Skeleton,
    side: str,
    torso: tuple[FloatArray, FloatArray],
    factors: dict[str, FloatArray],
) -> None:
    """Fill in one side's arm, hand and fingers; ``torso`` is the chest's turn before and after."""
    amount = factors[f"{side}_arm"]
    shoulder, elbow, wrist = (f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist"))
    old, new = torso
    bone = skeleton.bone("neck", shoulder)
    _, _, result[:, bone] = _swing(old, new, rest[bone], directions[:, bone], amount, "shoulder")
    for part, bone in (
        ("upper_arm", skeleton.bone(shoulder, elbow)),
        ("forearm", skeleton.bone(elbow, wrist)),
    ):
        old, new, result[:, bone] = _swing(old, new, rest[bone], directions[:, bone], amount, part)
    chains = _finger_chains(skeleton, side)
    if not chains:
        return
    palm = [chain[0] for finger, chain in chains.items() if finger != "thumb"]
    hand = rotation.fit(rest[palm], directions[:, palm])
    turned = _scaled(rotation.mul(rotation.inv(old), hand), amount, _LIMITS["hand"])
    new_hand = rotation.mul(new, turned)
    fingers = factors[f"{side}_fingers"]
    for chain in chains.values():
        before, after = hand, new_hand
        for bone in chain:
            before, after, result[:, bone] = _swing(
                before, after, rest[bone], directions[:, bone], fingers, "finger"
            )


def _swing(
    old: FloatArray, new: FloatArray, rest: FloatArray, direction: FloatArray, amount: FloatArray, part: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One bone carried by ``old``, from now on by ``new``.

    Gives the bone's own turn before and after (without twist) and its new direction (T, 3).
    """
    local = rotation.between(rest, rotation.rotate(rotation.inv(old), direction))
    turned = rotation.mul(new, _scaled(local, amount, _LIMITS[part]))
    return rotation.mul(old, local), turned, rotation.rotate(turned, rest)


def _scaled(turn: FloatArray, amount: FloatArray, limit: float) -> FloatArray:
    """Rotations about the same axes by ``amount`` (T,) times the angle, which grows at most to about ``limit``."""
    vector = rotation.log(turn)
    angle = np.linalg.norm(vector, axis=-1)
    target = angle * amount
    room = np.radians(limit) - angle
    grown = np.where(room > 0, angle + room * np.tanh((target - angle) / np.where(room > 0, room, 1.0)), angle)
    target = np.where(amount > 1, grown, target)
    return rotation.exp(vector * (target / np.where(angle > 0, angle, 1.0))[:, None])


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
