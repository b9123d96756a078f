# SPDX-License-Identifier: GPL-3.0-or-later
"""The character's present animation, the user's edits included, as directions of the model's skeleton.

The inverse of the retargeting. Arms and fingers are where their joints are. Trunk, collarbones and head were given
turns away from the model's neutral pose, not directions, so their turns are read back; a character's own posture
is not taken for a gesture. All is seen from the pelvis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import bpy
import numpy as np

from ..motion import Motion, motion_from_fields
from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.slots import BoneMap
from .evaluate import joint_bones, set_frame

FloatArray = np.ndarray

_SIDES: Final = {"left": "L", "right": "R"}
# The retargeting eases a collarbone's turn to this limit (retarget/torso.py); reading it back undoes that.
_CLAVICLE_LIMIT: Final = np.radians(30)


def model_skeleton(card: dict[str, Any]) -> Motion:
    """One frame of the model's neutral pose, from the card that the backend greets with (KeyError without)."""
    skeleton = card["skeleton"]
    return motion_from_fields({
        "directions": np.asarray(skeleton["neutral_directions"])[None],
        "fps": card["fps"],
        "layout": card["layout"],
        "joint_names": np.asarray(skeleton["joint_names"]),
        "bone_pairs": np.asarray(skeleton["bone_pairs"]),
        "neutral_directions": skeleton["neutral_directions"],
    })  # fmt: skip


def model_rest(card: dict[str, Any]) -> Motion:
    """One frame of the pose that the model rests in (KeyError where the card does not tell it)."""
    rest = np.asarray(card["skeleton"]["rest_directions"], dtype=float)
    return replace(model_skeleton(card), directions=quat.normalize(rest)[None])


def sample_directions(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    scene: bpy.types.Scene,
    frames: Sequence[float],
    skeleton: Motion,
) -> FloatArray:
    """(F, B, 3) directions at scene frames that need not be whole; NaN for bones that the rig cannot tell.

    The scene's current frame is put back.
    """
    joints = joint_bones(armature_object, bone_map)
    turned = _turned_bones(armature_object, bone_map)
    bones = armature_object.data.bones
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in bones}
    to_world = np.array(armature_object.matrix_world.to_3x3(), dtype=float)
    to_public = body_frame(heads, bone_map.slots, to_world)
    rest = {name: np.array(bones[name].matrix_local.to_3x3(), dtype=float) for name in turned.values()}
    now = scene.frame_current + scene.frame_subframe
    positions: dict[str, list[FloatArray]] = {joint: [] for joint in joints}
    turns: dict[str, list[FloatArray]] = {part: [] for part in turned}
    try:
        for frame in frames:
            set_frame(scene, frame)
            pose = armature_object.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
            matrices = {
                part: np.array(pose[name].matrix.to_quaternion().to_matrix(), dtype=float) @ rest[name].T
                for part, name in turned.items()
            }
            from_pelvis = matrices.get("pelvis", np.eye(3)).T
            for part, matrix in matrices.items():
                turns[part].append(to_public @ from_pelvis @ matrix @ to_public.T)
            for joint, name in joints.items():
                positions[joint].append(to_public @ from_pelvis @ np.array(pose[name].head, dtype=float))
    finally:
        set_frame(scene, now)
    quaternions = {part: quat.from_matrix(np.array(items)) for part, items in turns.items() if items}
    return _directions({joint: np.array(items) for joint, items in positions.items()}, quaternions, skeleton)


def _turned_bones(armature_object: bpy.types.Object, bone_map: BoneMap) -> dict[str, str]:
    """Part -> the bone that shows its turn: the one that follows the control which gestures key."""
    names = {"pelvis": bone_map.bone("pelvis")}
    for part, control in {
        "chest": bone_map.bone("spine", -1),
        "head": bone_map.bone("head") or bone_map.bone("neck", -1),
        "clavicle.L": bone_map.bone("clavicle.L"),
        "clavicle.R": bone_map.bone("clavicle.R"),
    }.items():
        names[part] = follower(armature_object, bone_map, control)
    return {part: name for part, name in names.items() if name is not None}


def follower(armature_object: bpy.types.Object, bone_map: BoneMap, control: str | None) -> str | None:
    """The bone that shows what a control does: the one that follows it, or itself."""
    if control is None:
        return None
    deform = bone_map.deform.bone_for(control)
    return deform if deform in armature_object.data.bones else control


def _directions(positions: dict[str, FloatArray], turns: dict[str, FloatArray], skeleton: Motion) -> FloatArray:
    """Joint positions (F, 3) and turns from rest (F, 4), in the public frame, to directions (F, B, 3)."""
    frames = len(next(iter(positions.values())))
    neutral = skeleton.neutral_directions
    chest = turns.get("chest", np.broadcast_to(quat.identity(), (frames, 4)))
    result = np.full((frames, len(skeleton.bone_pairs), 3), np.nan)
    for bone, pair in enumerate(skeleton.bone_pairs):
        parent, child = (skeleton.joint_names[index] for index in pair)
        side, _, part = child.partition("_")
        if child == "neck":
            turn = chest
        elif part == "shoulder":
            turn = quat.mul(chest, _shoulder_arc(chest, turns.get(f"clavicle.{_SIDES[side]}"), neutral[bone]))
        elif child in ("nose", "head") or part in ("eye", "ear"):
            if "head" not in turns:
                continue
            turn = turns["head"]
        else:
            if parent in positions and child in positions:
                result[:, bone] = quat.normalize(positions[child] - positions[parent])
            continue
        result[:, bone] = quat.rotate(turn, np.broadcast_to(neutral[bone], (frames, 3)))
    return result


def _shoulder_arc(chest: FloatArray, clavicle: FloatArray | None, neutral: FloatArray) -> FloatArray:
    """(F, 4) turn that takes the neutral neck-to-shoulder to the present one, seen from the chest."""
    if clavicle is None:
        return np.broadcast_to(quat.identity(), chest.shape)
    start = np.broadcast_to(neutral, (len(chest), 3))
    arc = quat.between(start, quat.rotate(quat.mul(quat.inv(chest), clavicle), start))
    size = quat.angle(arc)
    whole = _CLAVICLE_LIMIT * np.arctanh(np.minimum(size / _CLAVICLE_LIMIT, 0.95))
    return quat.power(arc, whole / np.maximum(size, 1e-9))
