# SPDX-License-Identifier: GPL-3.0-or-later
"""Control rigs: the deforming bones follow what is keyed, or it is said that they do not."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from control_rigs import STYLES, build_control_rig
from motion_builders import gestures

from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import RetargetReport, retarget

MOTION = gestures(4, 30)


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


def turned(rig: bpy.types.Object, name: str) -> float:
    """Most degrees that a bone turns from its rest over the motion."""
    rest = rig.data.bones[name].matrix_local.to_quaternion()
    angles = []
    for frame in range(1, 40, 6):
        bpy.context.scene.frame_set(frame)
        bones = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
        angle = math.degrees(rest.rotation_difference(bones[name].matrix.to_quaternion()).angle)
        angles.append(min(angle, 360 - angle))
    return max(angles)


@pytest.mark.parametrize("mesh", [True, False])
@pytest.mark.parametrize("key", sorted(STYLES))
def test_the_arms_follow_fk_whoever_made_the_rig(key: str, mesh: bool) -> None:
    style = STYLES[key]
    rig = build_control_rig(style, mesh=mesh)
    if style.family is not None:
        assert find_bone_map(rig).family == style.family
    report = retarget(rig, MOTION)
    assert report.look.follows, report.warnings
    if mesh or key != "blenrig":
        assert report.look.looked
    deform = style.deform.format(n=style.parts[1], s="L")
    assert turned(rig, deform) > 25
    control = style.fk.format(n=style.parts[1], s="L")
    assert control in report.bones


def test_free_constraints_are_turned_off_for_the_controls() -> None:
    rig = build_control_rig(STYLES["studio"], switches="free")
    report = retarget(rig, MOTION)
    assert report.look.follows, report.warnings
    assert turned(rig, "DEF-forearm.L") > 25


def test_arms_that_nothing_can_switch_are_named() -> None:
    report = retarget(build_control_rig(STYLES["studio"], switches="locked"), MOTION)
    assert _arms_behind(report)
    assert any("left arm" in text and "not show" in text for text in report.warnings)


@pytest.mark.parametrize("key", ["cloudrig", "studio"])
def test_an_exported_control_rig_is_played_by_its_deform_bones(key: str) -> None:
    """All names are there and nothing ties them: what FBX and glTF leave."""
    rig = build_control_rig(STYLES[key])
    rig.animation_data_clear()
    for bone in rig.pose.bones:
        for constraint in list(bone.constraints):
            bone.constraints.remove(constraint)
    report = retarget(rig, MOTION)
    deform = STYLES[key].deform.format(n=STYLES[key].parts[1], s="L")
    assert turned(rig, deform) > 25
    assert report.look.follows, report.warnings


def _arms_behind(report: RetargetReport) -> bool:
    return {"left arm", "right arm"} <= set(report.look.behind)
