# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig shows, measured from its evaluated pose bones alone: nothing of the retargeting is used here.

``slots`` say which bone is which part of the body: the truth where it is known, else the map that was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from family_names import FINGERS

Slots = Mapping[str, Sequence[str]]
SIDES = {"L": "left", "R": "right"}
# Rows: the character's left, up and facing in an armature that faces -Y.
FACING_FRONT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def joint_bones(slots: Slots) -> dict[str, str]:
    """Joint of the motion layouts -> bone at whose head it lies."""
    joints: dict[str, str] = {}
    for side, name in SIDES.items():
        for joint, slot in (("shoulder", "upper_arm"), ("elbow", "forearm"), ("wrist", "hand")):
            if slots.get(f"{slot}.{side}"):
                joints[f"{name}_{joint}"] = slots[f"{slot}.{side}"][0]
        for finger in FINGERS:
            for index, bone in enumerate(slots.get(f"{finger}.{side}", ())[:3]):
                joints[f"{name}_{finger}{index + 1}"] = bone
    return joints


def pose_at(rig: bpy.types.Object, frame: float) -> bpy.types.bpy_prop_collection:
    """Evaluated pose bones at a frame of the scene, which need not be whole."""
    whole = int(np.floor(frame))
    bpy.context.scene.frame_set(whole, subframe=min(frame - whole, 0.999999))
    return rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones


def direction_errors(
    rig: bpy.types.Object,
    slots: Slots,
    to_public: np.ndarray,
    frames: Sequence[float],
    requested: np.ndarray,
    pairs: Sequence[tuple[str, str]],
    followers: Mapping[str, str] | None = None,
) -> np.ndarray:
    """(F, B) degrees between requested directions (F, B, 3) of joint pairs and those of the evaluated pose.

    Arms, the hand's middle metacarpal and two phalanges of each finger count; NaN elsewhere and where the rig has
    no joint. ``followers``: bone that shows what a control does.
    """
    joints = joint_bones(slots)
    if followers:
        joints = {joint: followers.get(bone, bone) for joint, bone in joints.items()}
    errors = np.full(requested.shape[:2], np.nan)
    for row, frame in enumerate(frames):
        bones = pose_at(rig, frame)
        places = {joint: to_public @ np.array(bones[bone].head, dtype=float) for joint, bone in joints.items()}
        for column, (start, end) in enumerate(pairs):
            if start in places and end in places and _is_aimed(end):
                step = places[end] - places[start]
                cosine = step @ requested[row, column] / max(np.linalg.norm(step), 1e-12)
                errors[row, column] = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return errors


def _is_aimed(end: str) -> bool:
    part = end.partition("_")[2]
    return part in ("elbow", "wrist", "middle1") or part[-1:] in ("2", "3")


def arm_twists(rig: bpy.types.Object, slots: Slots, frames: Sequence[float]) -> dict[str, np.ndarray]:
    """(F, 2 sides) degrees: twist about the forearm of its last bone against the upper arm, and of the hand.

    As differences from the rest pose. A large one between two neighbours wrings the skin like a sweet's wrapper.
    """
    found: dict[str, list[list[float]]] = {"forearm": [], "wrist": []}
    for frame in frames:
        bones = pose_at(rig, frame)
        row: dict[str, list[float]] = {"forearm": [], "wrist": []}
        for side in SIDES:
            if f"hand.{side}" not in slots:
                continue
            upper, fore, hand = (slots[f"{slot}.{side}"] for slot in ("upper_arm", "forearm", "hand"))
            parts = [*fore, *slots.get(f"forearm_twist.{side}", ())]
            row["forearm"].append(_twist(bones, upper[-1], parts[-1], (fore[0], hand[0])))
            row["wrist"].append(_twist(bones, parts[-1], hand[0], (fore[0], hand[0])))
        for name, values in row.items():
            found[name].append(values)
    return {name: np.array(values) for name, values in found.items()}


def _twist(bones: bpy.types.bpy_prop_collection, above: str, below: str, axis: tuple[str, str]) -> float:
    """Degrees that ``below`` is turned against ``above`` about a line between two bones' heads, from rest.

    Swing and twist of the relative rotation; the sign follows the line.
    """
    turn = {}
    for name in (above, below):
        bone = bones[name]
        turn[name] = bone.matrix.to_quaternion() @ bone.bone.matrix_local.to_quaternion().inverted()
    line = (bones[axis[1]].bone.head_local - bones[axis[0]].bone.head_local).normalized()
    between = turn[above].inverted() @ turn[below]
    along = between.x * line.x + between.y * line.y + between.z * line.z
    angle = np.degrees(2.0 * np.arctan2(along, between.w))
    return float((angle + 180.0) % 360.0 - 180.0)


def feet_motion(rig: bpy.types.Object, to_public: np.ndarray, frames: Sequence[float]) -> float:
    """Per cent of the body's height that its lowest bones move over the frames, at most.

    Lowest: heads in the lowest tenth. Hands that hang so low count, so the arms' own bones must not.
    """
    rest = {bone.name: to_public @ np.array(bone.head_local, dtype=float) for bone in rig.data.bones}
    up = np.array([place[1] for place in rest.values()])
    height = float(up.max() - up.min()) or 1.0
    low = [name for name, place in rest.items() if place[1] < up.min() + 0.1 * height]
    moved = 0.0
    for frame in frames:
        bones = pose_at(rig, frame)
        for name in low:
            step = to_public @ np.array(bones[name].head, dtype=float) - rest[name]
            moved = max(moved, float(np.linalg.norm(step)) / height)
    return 100.0 * moved
