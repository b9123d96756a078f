# SPDX-License-Identifier: GPL-3.0-or-later
"""After writing, the result is looked at: what does not follow is said, with the reason and, if safe, a mend."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from mathutils import Matrix
from motion_builders import gestures

from diffgesture_blender.animation.key_writing import KeyOptions
from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import RetargetReport, retarget
from diffgesture_blender.retarget.look import look_at_result
from diffgesture_blender.retarget.mend import MEND_LABELS, mend

MOTION = gestures(12, 45)


@pytest.fixture
def rig() -> bpy.types.Object:
    rig_builders.reset()
    return rig_builders.build_armature(rig_builders.human_bones(40))


def drivers(rig: bpy.types.Object) -> None:
    bone = rig.pose.bones["upper_arm.L"]
    bone.rotation_mode = "XYZ"
    for index in range(3):
        bone.driver_add("rotation_euler", index).driver.expression = "0.4"


def track(rig: bpy.types.Object) -> bpy.types.NlaTrack:
    """A track whose strip holds the arms still."""
    other = rig_builders.build_armature(rig_builders.human_bones(40), "Other")
    report = retarget(other, gestures(3, 5))
    bpy.context.view_layer.objects.active = rig
    action = bpy.data.actions[report.action_name]
    bpy.data.objects.remove(other)
    new = rig.animation_data_create().nla_tracks.new()
    strip = new.strips.new("Old", 1, action)
    if hasattr(strip, "action_slot"):
        strip.action_slot = action.slots[0]
    return new


def solo(rig: bpy.types.Object) -> None:
    track(rig).is_solo = True


def influence(rig: bpy.types.Object) -> None:
    track(rig)
    rig.animation_data.action_influence = 0.4


def blend(rig: bpy.types.Object) -> None:
    track(rig)
    rig.animation_data.action_blend_type = "ADD"


def bone_scale(rig: bpy.types.Object) -> None:
    rig.pose.bones["shoulder.L"].scale = (1.0, 2.0, 1.0)


def remap(_rig: bpy.types.Object) -> None:
    bpy.context.scene.render.frame_map_new = 50


def constraints(rig: bpy.types.Object) -> None:
    target = bpy.data.objects.new("Target", None)
    bpy.context.scene.collection.objects.link(target)
    for name in ("upper_arm.L", "forearm.L"):
        each = rig.pose.bones[name].constraints.new("LIMIT_ROTATION")
        each.use_limit_x = each.use_limit_y = each.use_limit_z = True


CAUSES: dict[str, Callable[[bpy.types.Object], None]] = {
    each.__name__: each for each in (drivers, solo, influence, blend, bone_scale, remap, constraints)
}


def again(rig: bpy.types.Object, report: RetargetReport) -> object:
    frames = [1.0 + i * 24.0 / MOTION.fps for i in range(MOTION.num_frames)]
    return look_at_result(rig, find_bone_map(rig), MOTION, bpy.context.scene, frames)


def test_a_plain_rig_follows_and_nothing_is_said(rig: bpy.types.Object) -> None:
    bpy.context.scene.frame_set(7)
    report = retarget(rig, MOTION)
    assert report.look.looked
    assert report.look.follows
    assert report.look.largest_error < 0.1
    assert report.warnings == ()
    assert bpy.context.scene.frame_current == 7


@pytest.mark.parametrize("kind", sorted(CAUSES))
def test_what_keeps_arms_from_following_is_said_and_mended(kind: str, rig: bpy.types.Object) -> None:
    CAUSES[kind](rig)
    report = retarget(rig, MOTION)
    if kind != "remap":
        assert "left arm" in report.look.behind
    finding = next(each for each in report.look.findings if each.mend == kind)
    assert finding.text in report.warnings
    assert finding.mend in MEND_LABELS
    assert mend(rig, bpy.context.scene, finding)
    if kind in ("drivers", "constraints"):  # held bones got no keys
        report = retarget(rig, MOTION)
    assert again(rig, report).follows
    assert not again(rig, report).findings


@pytest.mark.parametrize("owner", ["object", "parent", "delta"])
def test_uneven_scale_is_named(owner: str, rig: bpy.types.Object) -> None:
    if owner == "parent":
        parent = bpy.data.objects.new("Parent", None)
        bpy.context.scene.collection.objects.link(parent)
        parent.scale, rig.parent = (1.6, 1.0, 1.0), parent
    elif owner == "delta":
        rig.delta_scale = (1.6, 1.0, 1.0)
    else:
        rig.scale = (1.6, 1.0, 1.0)
    bpy.context.view_layer.update()
    report = retarget(rig, MOTION)
    assert not report.look.follows
    assert any("scaled unevenly" in text for text in report.warnings)


@pytest.mark.parametrize(
    "matrix", [Matrix.Scale(0.01, 4), Matrix.Rotation(2.0, 4, (1, 2, 3)), Matrix.Scale(-1, 4)]
)
def test_even_transforms_are_no_reason(matrix: Matrix, rig: bpy.types.Object) -> None:
    rig.matrix_world = matrix
    bpy.context.view_layer.update()
    assert retarget(rig, MOTION).look.follows


def test_a_strip_is_looked_at_where_it_plays_whole(rig: bpy.types.Object) -> None:
    report = retarget(rig, gestures(2, 90), keys=KeyOptions(layer="STRIP"))
    assert report.look.looked
    assert report.look.follows


def test_bones_that_copy_a_mocap_armature_are_all_freed(rig: bpy.types.Object) -> None:
    source = rig.copy()
    source.data = rig.data.copy()
    bpy.context.scene.collection.objects.link(source)
    for bone in rig.pose.bones:
        constraint = bone.constraints.new("COPY_TRANSFORMS")
        constraint.target, constraint.subtarget = source, bone.name
    bpy.context.view_layer.update()
    report = retarget(rig, MOTION)
    assert report.look.follows
    assert any("turns off constraints" in text for text in report.warnings)


def test_a_spine_that_is_held_is_carried_by_the_others(rig: bpy.types.Object) -> None:
    """A driver holds it, so it gets no key; the arms still point where they should."""
    bone = rig.pose.bones["spine.002"]
    bone.rotation_mode = "XYZ"
    bone.driver_add("rotation_euler", 0).driver.expression = "0.3"
    bone.driver_add("rotation_euler", 1).driver.expression = "0.2"
    bone.driver_add("rotation_euler", 2).driver.expression = "0.1"
    report = retarget(rig, MOTION)
    assert report.look.follows, report.warnings
    assert "spine.002" not in report.bones
    assert any("spine.002" in text for text in report.warnings)


def test_a_limit_that_is_seldom_met_leaves_the_bone_its_keys(rig: bpy.types.Object) -> None:
    limit = rig.pose.bones["forearm.L"].constraints.new("LIMIT_ROTATION")
    limit.use_limit_y, limit.min_y, limit.max_y = True, -0.3, 0.3
    limit.owner_space = "LOCAL"
    assert "forearm.L" in retarget(rig, MOTION).bones
