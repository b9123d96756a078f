# SPDX-License-Identifier: GPL-3.0-or-later
"""Trunk, collarbones, neck and head: absolute rotations in the public frame, as turns away from the neutral pose.

The model's trunk is one bone (spine to neck) and its shoulders hang on the neck, so the trunk's bend is shared
over the rig's spine, and what the shoulders do beyond the chest goes to the collarbones. A character keeps its
own posture: only the difference to the model's neutral pose is passed on.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from ..motion import Motion
from ..rig import quaternion as quat
from .rest import RestBody

FloatArray = np.ndarray

# A collarbone lifts and swings some 30 degrees at most; small turns pass unchanged, large ones are eased to it.
_CLAVICLE_LIMIT: Final = np.radians(30)
# Weights of the bones that the head's orientation is fitted to. The face is rigid; the bone from the neck to the
# nose also bends with the neck. The chest's own axes only decide what the face leaves open.
_FACE_WEIGHT: Final = 1.0
_NOSE_WEIGHT: Final = 0.5
_CHEST_WEIGHT: Final = 0.01
_FACE_BONES: Final = (
    ("nose", "right_eye"),
    ("nose", "left_eye"),
    ("right_eye", "right_ear"),
    ("left_eye", "left_ear"),
    ("nose", "head"),
)
SIDE_NAMES: Final = {"L": "left", "R": "right"}


def chest_rotations(motion: Motion) -> FloatArray:
    """(T, 4) turn of the chest from the neutral pose: spine to neck and the shoulder line."""
    moving = _trunk_frame(motion, motion.directions)
    neutral = _trunk_frame(motion, motion.neutral_directions[None])
    return quat.mul(moving, quat.inv(neutral))


def _trunk_frame(motion: Motion, directions: FloatArray) -> FloatArray:
    """(T, 4) frame along the trunk (first axis) and the shoulder line (second axis)."""
    trunk = motion.bone("spine", "neck")
    up = np.array([[0.0, 1.0, 0.0]]) if trunk is None else directions[:, trunk]
    line = np.zeros(3)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        bone = motion.bone("neck", f"{side}_shoulder")
        line = line + (sign * motion.bone_lengths[bone] * directions[:, bone] if bone is not None else 0.0)
    if not np.any(line):
        line = np.array([[1.0, 0.0, 0.0]])
    return quat.from_two_axes(*np.broadcast_arrays(up, line))


def head_rotations(motion: Motion, chest: FloatArray) -> FloatArray:
    """(T, 4) turn of the head from the neutral pose, fitted to nose, eyes and ears; the chest's without them."""
    pairs = [(bone, _FACE_WEIGHT) for a, b in _FACE_BONES if (bone := motion.bone(a, b)) is not None]
    nose = motion.bone("neck", "nose")
    if nose is not None:
        pairs.append((nose, _NOSE_WEIGHT))
    if not pairs:
        return chest
    bones = [bone for bone, _ in pairs]
    axes = np.eye(3)
    source = np.concatenate([motion.neutral_directions[bones], axes])
    turned_axes = quat.rotate(chest[:, None], axes)
    target = np.concatenate([motion.directions[:, bones], turned_axes], axis=1)
    weights = np.array([weight for _, weight in pairs] + [_CHEST_WEIGHT] * 3)
    return quat.fit(np.broadcast_to(source, target.shape), target, weights)


def clavicle_rotations(motion: Motion, chest: FloatArray, side: str) -> FloatArray:
    """(T, 4) the chest's turn and what neck-to-shoulder does beyond it, eased to the anatomical limit."""
    bone = motion.bone("neck", f"{SIDE_NAMES[side]}_shoulder")
    if bone is None:
        return chest
    seen_from_chest = quat.rotate(quat.inv(chest), motion.directions[:, bone])
    arc = quat.between(np.broadcast_to(motion.neutral_directions[bone], seen_from_chest.shape), seen_from_chest)
    size = quat.angle(arc)
    eased = _CLAVICLE_LIMIT * np.tanh(size / _CLAVICLE_LIMIT)
    return quat.mul(chest, quat.power(arc, eased / np.maximum(size, 1e-9)))


def solve_torso(
    body: RestBody,
    motion: Motion,
    spine_weights: tuple[float, ...] | None = None,
    neck_weights: tuple[float, ...] | None = None,
) -> dict[str, FloatArray]:
    """Bone -> (T, 4) rotation from rest in the public frame, for spine, collarbones, neck and head."""
    chest = chest_rotations(motion)
    head = head_rotations(motion, chest)
    slots: Mapping[str, tuple[str, ...]] = body.bone_map.slots
    turns: dict[str, FloatArray] = {}
    spine = slots.get("spine", ())
    for name, weight in zip(spine, _shares(len(spine), spine_weights, full=True), strict=True):
        turns[name] = quat.power(chest, weight)
    # Some rigs hang the arms on the neck: what carries the shoulders turns with the chest, not with the head.
    carriers = _carriers(body)
    turns.update((name, chest) for name in slots.get("neck", ()) if name in carriers)
    neck = tuple(name for name in slots.get("neck", ()) if name not in carriers)
    for name, weight in zip(neck, _shares(len(neck), neck_weights, full="head" not in slots), strict=True):
        turns[name] = quat.slerp(chest, head, weight)
    turns.update(dict.fromkeys(slots.get("head", ()), head))
    for side in "LR":
        clavicle = slots.get(f"clavicle.{side}", ())
        whole = clavicle_rotations(motion, chest, side) if clavicle else chest
        for index, name in enumerate(clavicle):
            turns[name] = quat.slerp(chest, whole, (index + 1) / len(clavicle))
    return turns


def _carriers(body: RestBody) -> set[str]:
    """Mapped bones that carry the shoulders along."""
    found: set[str] = set()
    for side in "LR":
        name: str | None = body.bone_map.bone(f"upper_arm.{side}")
        while name is not None and name not in found:
            found.add(name)
            name = body.rest.parents[name].parent if name in body.rest.parents else None
    return found


def _shares(count: int, weights: tuple[float, ...] | None, *, full: bool) -> tuple[float, ...]:
    """Share of the whole turn that each bone of a chain has reached; the last has all of it if ``full``."""
    if weights is not None and len(weights) == count:
        return weights
    steps = count if full else count + 1
    return tuple((index + 1) / steps for index in range(count))
