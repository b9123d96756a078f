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

# A spine leans a little at rest though the character stands upright: the nearest axis is "up" within this angle.
_UPRIGHT_COSINE: Final = np.cos(np.radians(20))


def joint(heads: Mapping[str, FloatArray], slots: Slots, slot: str, index: int = 0) -> FloatArray | None:
    """The joint at the root of a slot's bone, or None where the rig has none."""
    names = slots.get(slot, ())
    return heads[names[index]] if names else None


def body_frame(heads: Mapping[str, FloatArray], slots: Slots) -> FloatArray:
    """(3, 3) matrix that takes armature space to the public frame (its rows: left, up, facing).

    Needs both upper arms.
    """
    left, right = heads[slots["upper_arm.L"][0]], heads[slots["upper_arm.R"][0]]
    shoulder_line = normalize(left - right)
    up = _up(heads, slots, (left + right) / 2, shoulder_line)
    up = normalize(up - (up @ shoulder_line) * shoulder_line)
    return np.stack([shoulder_line, up, np.cross(shoulder_line, up)])


def _up(heads: Mapping[str, FloatArray], slots: Slots, chest: FloatArray, shoulder_line: FloatArray) -> FloatArray:
    """Up along the trunk, taken to be an axis of the armature when it nearly is."""
    hips = [joint(heads, slots, f"thigh.{side}") for side in "LR"]
    if hips[0] is not None and hips[1] is not None:
        pelvis = (hips[0] + hips[1]) / 2
    else:
        pelvis = joint(heads, slots, "spine")
    top = next((j for j in (joint(heads, slots, s) for s in ("neck", "head")) if j is not None), chest)
    if pelvis is None or np.linalg.norm(top - pelvis) < 1e-6:
        candidates = [np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])]
        return min(candidates, key=lambda axis: abs(axis @ shoulder_line))
    trunk = normalize(top - pelvis)
    strongest = int(np.argmax(np.abs(trunk)))
    if abs(trunk[strongest]) >= _UPRIGHT_COSINE:
        return np.eye(3)[strongest] * np.sign(trunk[strongest])
    return trunk


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
