# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig really does: joint-to-joint directions of the evaluated pose, to hold against the model's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy
import numpy as np

from ..motion import Motion
from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.slots import BoneMap

FloatArray = np.ndarray


def joint_bones(armature_object: bpy.types.Object, bone_map: BoneMap) -> dict[str, str]:
    """Joint of the layouts -> the bone at whose head it lies; where controls are keyed, the bone they move."""

    def follower(slot: str, index: int = 0) -> str | None:
        control = bone_map.bone(slot, index)
        if control is None:
            return None
        deform = bone_map.deform.bone_for(control)
        return deform if deform in armature_object.data.bones else control

    joints = {"spine": follower("spine", -1), "neck": follower("neck")}
    for side, name in (("L", "left"), ("R", "right")):
        joints[f"{name}_shoulder"] = follower(f"upper_arm.{side}")
        joints[f"{name}_elbow"] = follower(f"forearm.{side}")
        joints[f"{name}_wrist"] = follower(f"hand.{side}")
        for finger in ("thumb", "index", "middle", "ring", "pinky"):
            for index in range(3):
                joints[f"{name}_{finger}{index + 1}"] = follower(f"{finger}.{side}", index)
    return {joint: bone for joint, bone in joints.items() if bone is not None}


def evaluate_directions(
    armature_object: bpy.types.Object,
    bone_map: BoneMap,
    frames: Iterable[float],
    motion: Motion,
    scene: bpy.types.Scene | None = None,
) -> FloatArray:
    """(F, B, 3) unit directions of the evaluated pose in the public frame, in the order of the motion's bones.

    The object's own transform does not count. A bone whose joints the rig lacks is NaN. The current frame of the
    scene is put back.
    """
    shown: Any = scene or bpy.context.scene
    bones = joint_bones(armature_object, bone_map)
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in armature_object.data.bones}
    to_world = np.array(armature_object.matrix_world.to_3x3(), dtype=float)
    to_public = body_frame(heads, bone_map.slots, to_world)
    now = shown.frame_current + shown.frame_subframe
    result = []
    try:
        for frame in frames:
            set_frame(shown, frame)
            evaluated = armature_object.evaluated_get(bpy.context.evaluated_depsgraph_get())
            joints = {
                joint: to_public @ np.array(evaluated.pose.bones[bone].head, dtype=float)
                for joint, bone in bones.items()
            }
            result.append(_directions(joints, motion))
    finally:
        set_frame(shown, now)
    return np.array(result).reshape(-1, len(motion.bone_pairs), 3)


def set_frame(scene: bpy.types.Scene, frame: float) -> None:
    """Go to a frame that need not be whole."""
    whole = int(np.floor(frame))
    scene.frame_set(whole, subframe=float(np.clip(frame - whole, 0.0, np.nextafter(np.float32(1), np.float32(0)))))


def _directions(joints: dict[str, FloatArray], motion: Motion) -> FloatArray:
    directions = np.full((len(motion.bone_pairs), 3), np.nan)
    for bone, pair in enumerate(motion.bone_pairs):
        parent, child = (motion.joint_names[index] for index in pair)
        if parent in joints and child in joints:
            directions[bone] = quat.normalize(joints[child] - joints[parent])
    return directions


def angular_errors(measured: FloatArray, requested: FloatArray) -> FloatArray:
    """(...) angles in degrees between unit vectors; NaN where one is NaN."""
    return np.degrees(2.0 * np.arcsin(np.clip(0.5 * np.linalg.norm(measured - requested, axis=-1), 0.0, 1.0)))
