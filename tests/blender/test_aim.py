# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The finger's ray meets the target on many rigs, the head looks, and what is out of reach is told."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import rig_builders
from mathutils import Matrix, Vector
from motion_builders import gestures

from diffgesture_blender.motion import Motion
from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.aim_measure import Target, aim_at
from diffgesture_blender.retarget.apply import RetargetReport, retarget
from diffgesture_blender.retarget.evaluate import joint_bones, set_frame
from diffgesture_blender.rig.body_frame import body_frame

START, AT = 3.0, 1.2
RIGS = ["human0", "human45", *rig_builders.SHARED_RIG_NAMES]
AHEAD = [(0, 0), (45, 0), (90, 0), (110, 0), (-45, 0), (-90, 0), (20, 50), (-20, -40)]
"""Azimuth to the character's left and height, degrees."""


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


def build(name: str) -> bpy.types.Object:
    if name.startswith("human"):
        return rig_builders.build_armature(rig_builders.human_bones(float(name[5:])))
    if not rig_builders.SHARED_RIGS.is_dir():
        pytest.skip("no shared skeletons")
    return rig_builders.build_shared_rig(name)


def frame_of_body(rig: bpy.types.Object) -> tuple[np.ndarray, np.ndarray, float]:
    """World axes (left, up, front), the middle of the shoulders, and an arm's length, at rest."""
    slots = find_bone_map(rig).slots
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in rig.data.bones}
    to_world = np.array(rig.matrix_world.to_3x3(), dtype=float)
    axes = body_frame(heads, slots, to_world) @ np.linalg.inv(to_world)
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    world = {name: np.array(rig.matrix_world @ Vector(head)) for name, head in heads.items()}
    shoulders = [world[slots[f"upper_arm.{side}"][0]] for side in "LR"]
    arm = np.linalg.norm(world[slots["hand.L"][0]] - shoulders[0])
    return axes, np.mean(shoulders, axis=0), float(arm)


def empty_at(place: np.ndarray, name: str = "Cup") -> bpy.types.Object:
    thing = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(thing)
    thing.location = place
    bpy.context.view_layer.update()
    return thing


def aim(rig: bpy.types.Object, *targets: Target) -> RetargetReport:
    return show(rig, gestures(3), targets)


def show(rig: bpy.types.Object, motion: Motion, targets: Sequence[Target]) -> RetargetReport:
    """Write the motion with its targets, as a job does."""
    aimed, told = aim_at(rig, motion, targets, frame_start=START, scene=bpy.context.scene)
    report = retarget(rig, aimed, frame_start=START)
    return replace(report, warnings=(*told, *report.warnings))


def ray_error(rig: bpy.types.Object, thing: bpy.types.Object, side: str) -> float:
    """Degrees between the index finger and the way from its root to the thing, as shown at the arrival."""
    scene = bpy.context.scene
    set_frame(scene, START + AT * scene.render.fps)
    graph = bpy.context.evaluated_depsgraph_get()
    evaluated = rig.evaluated_get(graph)
    name = {"L": "left", "R": "right"}[side]
    bones = joint_bones(rig, find_bone_map(rig))
    first, second = (
        evaluated.matrix_world @ evaluated.pose.bones[bones[f"{name}_index{k}"]].head.copy() for k in (1, 2)
    )
    way = thing.evaluated_get(graph).matrix_world.translation - first
    return math.degrees((second - first).angle(way))


@pytest.mark.parametrize("direction", AHEAD, ids=str)
@pytest.mark.parametrize("name", RIGS)
def test_the_finger_points_at_the_target(name: str, direction: tuple[int, int]) -> None:
    rig = build(name)
    axes, middle, arm = frame_of_body(rig)
    azimuth, height = (math.radians(angle) for angle in direction)
    way = np.array([math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)])
    thing = empty_at(middle + 2.5 * arm * way @ axes)
    report = aim(rig, Target("point", "Cup", AT, "cue point Cup"))
    assert not [text for text in report.warnings if "cue point" in text]
    assert ray_error(rig, thing, "L" if azimuth > 0.05 else "R") <= 3.0


@pytest.mark.parametrize("name", ["human0", "mixamo_xbot"])
def test_a_character_that_moves_and_turns_points_at_a_thing_that_moves(name: str) -> None:
    rig = build(name)
    axes, middle, arm = frame_of_body(rig)
    thing = empty_at(middle + 3.0 * arm * axes[2])
    for frame, aside in ((1, -2.0), (80, 2.0)):
        thing.location = middle + arm * (3.0 * axes[2] + aside * axes[0])
        thing.keyframe_insert("location", frame=frame)
    rig.matrix_world = Matrix.Translation((0.3, -0.2, 0.1)) @ Matrix.Rotation(0.4, 4, "Z") @ rig.matrix_world
    bpy.context.view_layer.update()
    aim(rig, Target("point", "Cup", AT, "cue point Cup"))
    assert min(ray_error(rig, thing, side) for side in "LR") <= 3.0


def test_behind_the_body_is_told_and_what_is_gone_too() -> None:
    rig = build("human0")
    axes, middle, arm = frame_of_body(rig)
    empty_at(middle - 3.0 * arm * axes[2], "Behind")
    report = aim(
        rig, Target("point", "Behind", AT, "cue point Behind"), Target("look", "Gone", AT, "cue look Gone")
    )
    told = " ".join(report.warnings)
    assert "cue point Behind: the target is behind the body" in told
    assert "cue look Gone: the scene has no object Gone" in told
    assert len(bpy.data.actions) == 1, "what was made for measuring is gone"


def test_the_head_looks_at_the_camera() -> None:
    rig = build("human0")
    axes, middle, arm = frame_of_body(rig)
    camera = bpy.data.objects.new("Shot", bpy.data.cameras.new("Shot"))
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    camera.location = middle + arm * (4.0 * axes[2] + 4.0 * axes[0])
    bone_map = find_bone_map(rig)
    motion, turned = gestures(3), {}
    still = replace(motion, directions=motion.directions[:1].repeat(motion.num_frames, axis=0))
    for targets in ((), (Target("look", "camera", AT, "cue look camera"),)):
        show(rig, still, targets)
        set_frame(bpy.context.scene, START + (AT + 0.3) * bpy.context.scene.render.fps)
        pose = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[bone_map.bone("head")]
        rest = rig.data.bones[bone_map.bone("head")].matrix_local
        turned[bool(targets)] = np.array((pose.matrix @ rest.inverted()).to_3x3() @ Vector(axes[2]))
    yaw = {key: math.degrees(math.atan2(face @ axes[0], face @ axes[2])) for key, face in turned.items()}
    assert abs(yaw[True] - 45.0) < 12.0
    assert abs(yaw[True] - 45.0) < abs(yaw[False] - 45.0)
