# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the character's left, up and front are, told from its joints at rest and not from the axes' names.

An armature may lie on its side, stand in a rotated or scaled object, or be built with another axis up, so the
public frame (+X left, +Y up, +Z facing) is derived from the shoulders and the trunk.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from .quaternion import normalize

FloatArray = np.ndarray
Slots = Mapping[str, tuple[str, ...]]

# A body stands upright though the line from these joints to its neck leans a little at rest (degrees).
_STANDING: Final = (("foot", 8.0), ("thigh", 12.0))
_SPINE_LEAN: Final = 15.0


def joint(heads: Mapping[str, FloatArray], slots: Slots, slot: str, index: int = 0) -> FloatArray | None:
    """The joint at the root of a slot's bone, or None where the rig has none."""
    names = slots.get(slot, ())
    return heads[names[index]] if names else None


def body_frame(heads: Mapping[str, FloatArray], slots: Slots) -> FloatArray:
    """(3, 3) matrix that takes armature space to the public frame (its rows: left, up, facing).

    Up is kept and left made level, so that a character who rests with one shoulder low still points straight up
    when the motion does. Needs both upper arms.
    """
    left, right = heads[slots["upper_arm.L"][0]], heads[slots["upper_arm.R"][0]]
    shoulder_line = normalize(left - right)
    up = _up(heads, slots, (left + right) / 2, shoulder_line)
    level = normalize(shoulder_line - (shoulder_line @ up) * up)
    return np.stack([level, up, np.cross(level, up)])


def _up(heads: Mapping[str, FloatArray], slots: Slots, chest: FloatArray, shoulder_line: FloatArray) -> FloatArray:
    """Up from the ankles (without legs: the hips, the spine) to the neck, or the axis that nearly points there."""
    top = next((j for j in (joint(heads, slots, s) for s in ("neck", "head")) if j is not None), chest)
    for slot, lean in _STANDING:
        left, right = (joint(heads, slots, f"{slot}.{side}") for side in "LR")
        if left is not None and right is not None:
            return _nearest_axis(normalize(top - (left + right) / 2), lean)
    root = joint(heads, slots, "spine")
    if root is not None and np.linalg.norm(top - root) > 1e-6:
        return _nearest_axis(normalize(top - root), _SPINE_LEAN)
    # Arms alone: Z is up in Blender unless the shoulders lie along it.
    return min((np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])), key=lambda axis: abs(axis @ shoulder_line))


def _nearest_axis(direction: FloatArray, lean: float) -> FloatArray:
    """The axis of the armature within ``lean`` degrees of the direction, or the direction itself."""
    strongest = int(np.argmax(np.abs(direction)))
    if abs(direction[strongest]) >= np.cos(np.radians(lean)):
        return np.eye(3)[strongest] * np.sign(direction[strongest])
    return direction


def facing_evidence(heads: Mapping[str, FloatArray], slots: Slots) -> float:
    """Above zero where the body agrees that the slots named left are on its left, below zero where it does not.

    With left and right exchanged, the frame's front points backwards; toes, thumbs and the bend of the elbows
    tell where the front is. Each witness speaks with a value from -1 to 1; toes count most.
    """
    facing = body_frame(heads, slots)[2]
    evidence = 0.0
    for side in "LR":
        ankle, toe = joint(heads, slots, f"foot.{side}"), joint(heads, slots, f"toe.{side}")
        if ankle is not None and toe is not None:
            evidence += 2.0 * float(normalize(toe - ankle) @ facing)
        shoulder, elbow, wrist = (joint(heads, slots, f"{s}.{side}") for s in ("upper_arm", "forearm", "hand"))
        if shoulder is not None and elbow is not None and wrist is not None:
            length = np.linalg.norm(wrist - shoulder)
            evidence += float(np.clip(((shoulder + wrist) / 2 - elbow) @ facing / (0.1 * length), -1, 1))
        thumb, pinky = joint(heads, slots, f"thumb.{side}"), joint(heads, slots, f"pinky.{side}")
        if thumb is not None and pinky is not None:
            evidence += float(normalize(thumb - pinky) @ facing)
    return evidence
