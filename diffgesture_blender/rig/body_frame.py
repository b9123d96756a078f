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
_STANDING_LEAN: Final = 8.0
_HIPS_LEAN: Final = 12.0
_SPINE_LEAN: Final = 15.0
# Legs that leave the trunk's line by more than this at rest stand on no ground: the body sits, kneels or crouches.
_SITTING: Final = 20.0


def joint(heads: Mapping[str, FloatArray], slots: Slots, slot: str, index: int = 0) -> FloatArray | None:
    """The joint at the root of a slot's bone, or None where the rig has none."""
    names = slots.get(slot, ())
    return heads[names[index]] if names else None


def body_frame(heads: Mapping[str, FloatArray], slots: Slots, to_world: FloatArray | None = None) -> FloatArray:
    """(3, 3) matrix that takes armature space to the public frame (its rows: left, up, facing).

    Up is kept and left made level, so that a character who rests with one shoulder low still points straight up
    when the motion does. Needs an upper arm. ``to_world`` (3, 3): of the object; it tells where up is for arms
    without a body.
    """
    line = shoulder_line(heads, slots)
    up = _up(heads, slots, shoulder_middle(heads, slots), line, np.eye(3) if to_world is None else to_world)
    level = normalize(line - (line @ up) * up)
    return np.stack([level, up, np.cross(level, up)])


def shoulder_middle(heads: Mapping[str, FloatArray], slots: Slots) -> FloatArray:
    """(3,) the point between the shoulders; of a body with one arm, where the trunk ends."""
    shoulders = [j for j in (joint(heads, slots, f"upper_arm.{side}") for side in "LR") if j is not None]
    if len(shoulders) == 2:
        return (shoulders[0] + shoulders[1]) / 2
    ends = (joint(heads, slots, slot, index) for slot, index in (("neck", 0), ("spine", -1), ("head", 0)))
    return next((end for end in ends if end is not None), shoulders[0])


def shoulder_line(heads: Mapping[str, FloatArray], slots: Slots) -> FloatArray:
    """(3,) unit vector from right to left: between shoulders, else collarbones, hips, or to the one arm."""
    for slot in ("upper_arm", "clavicle", "thigh", "foot"):
        left, right = (joint(heads, slots, f"{slot}.{side}") for side in "LR")
        if left is not None and right is not None and np.linalg.norm(left - right) > 1e-9:
            return normalize(left - right)
    side = "L" if slots.get("upper_arm.L") else "R"
    arm = joint(heads, slots, f"upper_arm.{side}")
    step = arm - shoulder_middle(heads, slots)
    trunk = joint(heads, slots, "spine"), joint(heads, slots, "neck")
    if trunk[0] is not None and trunk[1] is not None:
        along = normalize(trunk[1] - trunk[0])
        step = step - (step @ along) * along
    if np.linalg.norm(step) < 1e-9:
        step = joint(heads, slots, f"forearm.{side}") - arm
    return normalize(step) * (1.0 if side == "L" else -1.0)


def _up(
    heads: Mapping[str, FloatArray], slots: Slots, chest: FloatArray, line: FloatArray, to_world: FloatArray
) -> FloatArray:
    """Up from the ankles (of a body that sits or has no legs: the hips, the spine) to the neck.

    The axis that nearly points there, if one does.
    """
    top = next((j for j in (joint(heads, slots, s) for s in ("neck", "head")) if j is not None), chest)
    hips = _middle(heads, slots, "thigh")
    ankles = _middle(heads, slots, "foot")
    sits = hips is not None and ankles is not None and _angle(hips - ankles, top - hips) > _SITTING
    if ankles is not None and not sits:
        return _nearest_axis(normalize(top - ankles), _STANDING_LEAN)
    if hips is not None:
        return _nearest_axis(normalize(top - hips), _HIPS_LEAN)
    root = joint(heads, slots, "spine")
    if root is None:
        root = joint(heads, slots, "pelvis")
    if root is not None and np.linalg.norm(top - root) > 1e-6:
        return _nearest_axis(normalize(top - root), _SPINE_LEAN)
    # Arms alone: the axis that stands upright in the world, as far as the shoulders do not lie along it.
    upright = (
        np.linalg.solve(to_world, np.array([0.0, 0.0, 1.0])) if abs(np.linalg.det(to_world)) > 1e-12 else None
    )
    upright = np.array([0.0, 0.0, 1.0]) if upright is None else normalize(upright)
    axes = [sign * axis for axis in np.eye(3) for sign in (1.0, -1.0) if abs(axis @ line) < _ACROSS]
    return max(axes, key=lambda axis: float(axis @ upright))


# An axis is across the shoulders where the cosine between them is below this.
_ACROSS: Final = 0.7


def _middle(heads: Mapping[str, FloatArray], slots: Slots, slot: str) -> FloatArray | None:
    left, right = (joint(heads, slots, f"{slot}.{side}") for side in "LR")
    return None if left is None or right is None else (left + right) / 2


def _angle(a: FloatArray, b: FloatArray) -> float:
    """Degrees between two vectors; 0 where one has no length."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(a @ b / lengths, -1.0, 1.0)))) if lengths > 1e-12 else 0.0


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
