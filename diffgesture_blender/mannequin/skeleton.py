# SPDX-License-Identifier: GPL-3.0-or-later
"""The mannequin's skeleton as data: bones with the names of Blender's human metarig, in a relaxed A-pose.

Blender axes: +X is the character's left, it faces -Y, Z is up; metres. About 1.75 m tall. The left side is
stated, the right side is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Bone:
    """One bone at rest.

    ``z_axis`` fixes its roll: a positive turn about the bone's x swings it towards z, which bends elbow, knee and
    fingers the natural way. ``twist_of``: the bone whose twist about y it shares.
    """

    name: str
    parent: str | None
    head: np.ndarray
    tail: np.ndarray
    z_axis: np.ndarray
    connected: bool = False
    twist_of: str | None = None
    twist_share: float = 0.0


def _unit(vector: np.ndarray | tuple[float, ...]) -> np.ndarray:
    array = np.asarray(vector, float)
    return array / np.linalg.norm(array)


def _turn(direction: np.ndarray, axis: np.ndarray, degrees: float) -> np.ndarray:
    """``direction`` turned about the unit vector ``axis`` (Rodrigues)."""
    angle = np.radians(degrees)
    return (
        direction * np.cos(angle)
        + np.cross(axis, direction) * np.sin(angle)
        + axis * (axis @ direction) * (1 - np.cos(angle))
    )


# Joints of the trunk (y is measured towards the back)
PELVIS: Final = np.array([0.0, 0.012, 0.945])
WAIST: Final = np.array([0.0, 0.010, 1.045])
RIBS: Final = np.array([0.0, 0.012, 1.165])
CHEST: Final = np.array([0.0, 0.016, 1.295])
NECK: Final = np.array([0.0, 0.022, 1.450])
HEAD: Final = np.array([0.0, 0.004, 1.545])
CROWN: Final = np.array([0.0, 0.004, 1.755])
# Joints of the left limbs
COLLAR: Final = np.array([0.022, -0.012, 1.415])
SHOULDER: Final = np.array([0.176, 0.020, 1.400])
UPPER_ARM_LENGTH: Final = 0.285
FOREARM_LENGTH: Final = 0.250
UPPER_ARM_AXIS: Final = _unit((np.cos(np.radians(56)), 0.05, -np.sin(np.radians(56))))
FOREARM_AXIS: Final = _unit((np.cos(np.radians(60)), -0.14, -np.sin(np.radians(60))))
ELBOW: Final = SHOULDER + UPPER_ARM_LENGTH * UPPER_ARM_AXIS
WRIST: Final = ELBOW + FOREARM_LENGTH * FOREARM_AXIS
HIP: Final = np.array([0.092, 0.012, 0.925])
KNEE: Final = np.array([0.102, 0.000, 0.500])
ANKLE: Final = np.array([0.108, 0.025, 0.085])
BALL: Final = np.array([0.120, -0.105, 0.022])
TOE: Final = np.array([0.127, -0.175, 0.022])

# The hand's own frame (rows): along the middle finger, towards the little finger, out of the back of the hand
_LITTLE_SIDE = _unit(np.array([0.0, 1.0, 0.0]) - FOREARM_AXIS[1] * FOREARM_AXIS)
HAND_FRAME: Final = np.stack([FOREARM_AXIS, _LITTLE_SIDE, np.cross(FOREARM_AXIS, _LITTLE_SIDE)])
FINGERS: Final = ("index", "middle", "ring", "pinky")
# Knuckle in the hand's frame (m), lengths of the three phalanges (m), spread towards the thumb (degrees)
_FINGER_SHAPE: Final = {
    "index": ((0.094, -0.0285, 0.003), (0.046, 0.029, 0.024), 6.0),
    "middle": ((0.097, -0.0070, 0.006), (0.051, 0.033, 0.026), 1.0),
    "ring": ((0.091, 0.0140, 0.004), (0.047, 0.031, 0.025), -4.5),
    "pinky": ((0.082, 0.0335, -0.001), (0.037, 0.024, 0.022), -11.0),
}
_FINGER_CURL: Final = (9.0, 13.0, 9.0)
_THUMB: Final = (
    (0.022, -0.022, -0.010),
    (0.056, -0.047, -0.022),
    (0.089, -0.063, -0.030),
    (0.118, -0.071, -0.036),
)


def hand_point(local: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    """A point of the left hand's frame in the mannequin's space."""
    return WRIST + np.asarray(local, float) @ HAND_FRAME


def finger_joints(finger: str) -> np.ndarray:
    """(4, 3) knuckle, the two finger joints and the tip of a finger or thumb of the left hand."""
    if finger == "thumb":
        return np.array([hand_point(point) for point in _THUMB])
    knuckle, lengths, spread = _FINGER_SHAPE[finger]
    back, little_side = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    direction = _turn(np.array([1.0, 0.0, 0.0]), back, -spread)
    hinge = _turn(little_side, back, -spread)
    joints = [np.asarray(knuckle)]
    for length, curl in zip(lengths, _FINGER_CURL, strict=True):
        direction = _turn(direction, hinge, curl)  # towards the palm
        joints.append(joints[-1] + length * direction)
    return np.array([hand_point(joint) for joint in joints])


def _trunk() -> list[Bone]:
    back = np.array([0.0, 1.0, 0.0])
    names = ("spine", "spine.001", "spine.002", "spine.003", "neck", "head")
    joints = (PELVIS, WAIST, RIBS, CHEST, NECK, HEAD, CROWN)
    return [
        Bone(name, names[i - 1] if i else None, joints[i], joints[i + 1], -back, connected=i > 0)
        for i, name in enumerate(names)
    ]


def _left_arm() -> list[Bone]:
    front = np.array([0.0, -1.0, 0.0])
    palm = -HAND_FRAME[2]
    middle_upper, middle_fore = (SHOULDER + ELBOW) / 2, (ELBOW + WRIST) / 2
    bones = [
        Bone("shoulder.L", "spine.003", COLLAR, SHOULDER - np.array([0.008, 0.0, 0.0]), front),
        Bone("upper_arm.L", "shoulder.L", SHOULDER, ELBOW, front),
        # The deltoid must not wring when the arm rolls, so the upper half takes most of the roll back
        Bone("upper_arm_twist.L", "upper_arm.L", SHOULDER, middle_upper, front, False, "upper_arm.L", -0.6),
        Bone("forearm.L", "upper_arm.L", ELBOW, WRIST, front, connected=True),
        # Turning the palm turns the far half of the forearm, as radius and ulna do
        Bone("forearm_twist.L", "forearm.L", middle_fore, WRIST, front, False, "hand.L", 0.6),
        Bone("hand.L", "forearm.L", WRIST, hand_point((0.095, -0.004, 0.004)), palm, connected=True),
    ]
    for finger in (*FINGERS, "thumb"):
        joints = finger_joints(finger)
        prefix = finger if finger == "thumb" else f"f_{finger}"
        # The thumb bends across the palm
        inward = palm + HAND_FRAME[1] if finger == "thumb" else palm
        for i in range(3):
            parent = f"{prefix}.{i:02d}.L" if i else "hand.L"
            bones.append(
                Bone(f"{prefix}.{i + 1:02d}.L", parent, joints[i], joints[i + 1], inward, connected=i > 0)
            )
    return bones


def _left_leg() -> list[Bone]:
    back, up = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    return [
        Bone("thigh.L", "spine", HIP, KNEE, back),
        Bone("shin.L", "thigh.L", KNEE, ANKLE, back, connected=True),
        Bone("foot.L", "shin.L", ANKLE, BALL, up, connected=True),
        Bone("toe.L", "foot.L", BALL, TOE, up, connected=True),
    ]


def _mirrored(bone: Bone) -> Bone:
    def other(name: str | None) -> str | None:
        return name[:-1] + "R" if name and name.endswith(".L") else name

    flip = np.array([-1.0, 1.0, 1.0])
    return Bone(
        bone.name[:-1] + "R",
        other(bone.parent),
        bone.head * flip,
        bone.tail * flip,
        bone.z_axis * flip,
        bone.connected,
        other(bone.twist_of),
        bone.twist_share,
    )


def _all_bones() -> tuple[Bone, ...]:
    left = _left_arm() + _left_leg()
    return tuple(_trunk() + left + [_mirrored(bone) for bone in left])


BONES: Final = _all_bones()
