# SPDX-License-Identifier: GPL-3.0-or-later
"""Gestures move the upper body alone: feet stay, whatever a family calls what carries the legs."""

from __future__ import annotations

import pytest

pytest.importorskip("bpy")

import rig_builders
from family_names import FAMILIES
from family_skeletons import family_skeleton
from motion_builders import gestures
from rig_measure import FACING_FRONT, feet_motion

from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import retarget

FRAMES = (1.0, 9.0, 17.0, 25.0)
MOTION = gestures(8, 16)


@pytest.mark.parametrize("key", sorted(FAMILIES))
def test_feet_stay_on_the_ground(key: str) -> None:
    rig_builders.reset()
    rig = rig_builders.build_armature(family_skeleton(key, "A").bones)
    report = retarget(rig, MOTION)
    assert feet_motion(rig, FACING_FRONT, FRAMES) < 0.1
    assert report.look.follows


def test_legs_that_hang_on_the_spine_are_found_by_shape_where_names_say_nothing() -> None:
    rig_builders.reset()
    bones = family_skeleton("biped_legs_on_spine", "A").bones
    words = {"Thigh": "Strut", "Calf": "Rod", "Foot": "Pad", "Toe0": "Tip"}
    names = {}
    for bone in bones:
        name = bone["name"]
        for old, new in words.items():
            name = name.replace(old, new)
        names[bone["name"]] = name
    rig = rig_builders.build_armature(
        [{**b, "name": names[b["name"]], "parent": names.get(b["parent"])} for b in bones]
    )
    bone_map = find_bone_map(rig)
    assert bone_map.source == "names"
    assert bone_map.slots["spine"] == ("Bip01 Spine1", "Bip01 Spine2")
    assert bone_map.slots["pelvis"] == ("Bip01 Spine",)
    retarget(rig, MOTION, bone_map)
    assert feet_motion(rig, FACING_FRONT, FRAMES) < 0.1
