# SPDX-License-Identifier: GPL-3.0-or-later
"""The one button beside a reason why gestures do not show: does what the sentence asks for, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bpy

from . import switches
from .look import Finding


def mend(armature_object: bpy.types.Object, scene: bpy.types.Scene, finding: Finding) -> bool:
    """Whether the finding's mend was done. Linked data refuse it by raising what Blender raises."""
    act = _MENDS.get(finding.mend)
    if act is None:
        return False
    act(armature_object, scene, finding.names)
    armature_object.update_tag()
    scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    return True


def _solo(armature_object: bpy.types.Object, _scene: bpy.types.Scene, names: tuple[str, ...]) -> None:
    for track in armature_object.animation_data.nla_tracks:
        if track.name in names:
            track.is_solo = False


def _influence(armature_object: bpy.types.Object, _scene: bpy.types.Scene, _names: tuple[str, ...]) -> None:
    armature_object.animation_data.action_influence = 1.0


def _blend(armature_object: bpy.types.Object, _scene: bpy.types.Scene, _names: tuple[str, ...]) -> None:
    armature_object.animation_data.action_blend_type = "REPLACE"


def _use_nla(armature_object: bpy.types.Object, _scene: bpy.types.Scene, _names: tuple[str, ...]) -> None:
    armature_object.animation_data.use_nla = True


def _strip(armature_object: bpy.types.Object, _scene: bpy.types.Scene, names: tuple[str, ...]) -> None:
    track = armature_object.animation_data.nla_tracks[names[0]]
    strip = track.strips[names[1]]
    track.mute = strip.mute = False
    if not strip.use_animated_influence:
        strip.influence = 1.0


def _remap(_armature_object: bpy.types.Object, scene: bpy.types.Scene, _names: tuple[str, ...]) -> None:
    scene.render.frame_map_old = scene.render.frame_map_new = 100


def _bone_scale(armature_object: bpy.types.Object, _scene: bpy.types.Scene, names: tuple[str, ...]) -> None:
    for name in names:
        armature_object.pose.bones[name].scale = (1.0, 1.0, 1.0)


def _drivers(armature_object: bpy.types.Object, _scene: bpy.types.Scene, names: tuple[str, ...]) -> None:
    for curve in armature_object.animation_data.drivers:
        if ".rotation" in curve.data_path and switches.bone_of_path(curve.data_path) in names:
            curve.mute = True


def _constraints(armature_object: bpy.types.Object, _scene: bpy.types.Scene, names: tuple[str, ...]) -> None:
    for name in names:
        bone, _, constraint = name.partition("\n")
        armature_object.pose.bones[bone].constraints[constraint].mute = True


_MENDS: Final[dict[str, Callable[[bpy.types.Object, bpy.types.Scene, tuple[str, ...]], None]]] = {
    "solo": _solo,
    "influence": _influence,
    "blend": _blend,
    "use_nla": _use_nla,
    "unmute": _strip,
    "strip_influence": _strip,
    "remap": _remap,
    "bone_scale": _bone_scale,
    "drivers": _drivers,
    "constraints": _constraints,
}
# What the button says.
MEND_LABELS: Final = {
    "solo": "Turn Solo Off",
    "influence": "Set Influence to 1",
    "blend": "Set to Replace",
    "use_nla": "Turn Animation On",
    "unmute": "Unmute Strip",
    "strip_influence": "Set Influence to 1",
    "remap": "Reset Time Stretching",
    "bone_scale": "Reset Bone Scale",
    "drivers": "Mute Drivers",
    "constraints": "Mute Constraints",
}
