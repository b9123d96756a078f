# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a motion on an armature as a new action; everything else in the file stays as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import bpy
import numpy as np

from .. import compat, keyframes
from ..errors import DiffGestureError
from ..motion import Motion
from ..sequencer import frame_rate
from .armature import hierarchy_links, needs_probing, probe_links, read_rest
from .bone_map import BoneMap, find_bone_map
from .rest import ParentLink
from .solve import SolveOptions, solve

KeyMode = Literal["MOTION", "WHOLE_FRAMES"]

# Constraints that only pass something on to others or restrict scale do not fight with rotation keys.
_ROTATING_CONSTRAINTS: Final = {
    "IK", "SPLINE_IK", "COPY_ROTATION", "COPY_TRANSFORMS", "TRANSFORM", "DAMPED_TRACK", "LOCKED_TRACK", "TRACK_TO",
    "STRETCH_TO", "LIMIT_ROTATION", "ARMATURE", "CHILD_OF", "ACTION", "PIVOT", "FOLLOW_PATH", "CLAMP_TO",
}  # fmt: skip


@dataclass(frozen=True)
class RetargetReport:
    """What was written: the action, the keyed bones, scene frames of the first and last key, and warnings."""

    action_name: str
    slot_name: str | None
    family: str
    bones: tuple[str, ...]
    missing: tuple[str, ...]
    key_count: int
    frame_start: float
    frame_end: float
    warnings: tuple[str, ...]


def retarget(
    armature_object: bpy.types.Object,
    motion: Motion,
    bone_map: BoneMap | None = None,
    *,
    frame_start: float = 1.0,
    action_name: str | None = None,
    key_mode: KeyMode = "MOTION",
    interpolation: str = "BEZIER",
    options: SolveOptions | None = None,
    scene: bpy.types.Scene | None = None,
) -> RetargetReport:
    """Write the motion as keyframes of the mapped bones into a new action and let it animate the armature.

    The first motion frame falls on ``frame_start``; the scene's frame rate and range stay. ``key_mode``: a key
    for each motion frame (between scene frames where the rates do not divide) or one on every whole scene frame.
    The old action keeps its keys (with a fake user). Raises DiffGestureError, before anything is changed, if
    nothing can be done.
    """
    scene = scene or bpy.context.scene
    bone_map = bone_map or find_bone_map(armature_object)
    _check_writable(armature_object)
    frames = keyframes.key_frames(motion.num_frames, motion.fps, frame_rate(scene), frame_start)

    had_animation_data = armature_object.animation_data is not None
    previous = compat.current_action(armature_object)
    choice = compat.new_action(armature_object, action_name or f"Gestures {armature_object.name}")
    try:
        for switch in bone_map.switches:
            path = keyframes.custom_property_path(switch.bone, switch.property)
            curve = compat.new_curve(choice, path, 0, switch.bone)
            keyframes.write_keys(curve, frames[:1], np.array([switch.value]), "BEZIER")
        compat.assign_action(armature_object, choice)
        links, warnings = _links(armature_object, bone_map, scene)
        rotations = solve(read_rest(armature_object, links), bone_map, motion, options)
        key_count = 0
        for name, local in rotations.items():
            times = frames
            if key_mode == "WHOLE_FRAMES":
                times, local = keyframes.whole_frames(frames, local)  # noqa: PLW2901
            key_count = len(times)
            pose_bone = armature_object.pose.bones[name]
            keyframes.write_rotation(choice, pose_bone, times, local, interpolation)
    except BaseException:
        compat.assign_action(armature_object, previous)
        bpy.data.actions.remove(choice.action)
        if not had_animation_data:
            armature_object.animation_data_clear()
        raise
    if previous.action is not None and previous.action.library is None:
        previous.action.use_fake_user = True
    # Shows the new pose at the current frame.
    armature_object.update_tag()
    return RetargetReport(
        action_name=choice.action.name,
        slot_name=getattr(choice.slot, "name_display", None),
        family=bone_map.family,
        bones=tuple(rotations),
        missing=bone_map.missing,
        key_count=key_count,
        frame_start=float(frames[0]),
        frame_end=float(frames[-1]),
        warnings=(*bone_map.notes, *_warnings(armature_object, bone_map), *warnings),
    )


def _check_writable(armature_object: bpy.types.Object) -> None:
    if armature_object.library is not None:
        raise DiffGestureError(
            f"{armature_object.name} is linked from another file and cannot be animated here; "
            "make a library override of it first (Object > Library Override > Make)."
        )
    animation = armature_object.animation_data
    if animation is not None and getattr(animation, "use_tweak_mode", False):
        raise DiffGestureError("Leave the tweak mode of the nonlinear animation editor first (Tab there).")


def _links(
    armature_object: bpy.types.Object, bone_map: BoneMap, scene: bpy.types.Scene
) -> tuple[dict[str, ParentLink], list[str]]:
    """What carries each mapped bone, measured where constraints or drivers have a say."""
    if not needs_probing(armature_object, bone_map):
        return hierarchy_links(armature_object, bone_map), []
    view_layer = bpy.context.view_layer
    if bpy.context.scene != scene or armature_object.name not in view_layer.objects:
        view_layer = next((layer for layer in scene.view_layers if armature_object.name in layer.objects), None)
    if view_layer is None or armature_object.hide_viewport:
        warning = (
            f"{armature_object.name} is not shown, so the effect of its constraints could not be measured; "
            "show it and generate again if the motion looks wrong."
        )
        return hierarchy_links(armature_object, bone_map), [warning]
    return probe_links(armature_object, bone_map, view_layer)


def _warnings(armature_object: bpy.types.Object, bone_map: BoneMap) -> list[str]:
    """What may keep the character from showing the keys."""
    warnings = []
    if armature_object.data.pose_position == "REST":
        warnings.append(f"{armature_object.name} shows its rest position; switch it to Pose Position.")
    fighting = [
        f"{name} ({constraint.name})"
        for name in bone_map.keyed_bones
        for constraint in armature_object.pose.bones[name].constraints
        if constraint.type in _ROTATING_CONSTRAINTS and not constraint.mute and constraint.influence > 0
    ]
    if fighting:
        warnings.append(f"Constraints may change the motion; mute them if it looks wrong: {', '.join(fighting)}.")
    hands = [slot for slot in bone_map.missing if slot.startswith("hand")]
    if hands:
        warnings.append("The rig has no bones for the hands; the motion ends at the wrists.")
    return warnings
