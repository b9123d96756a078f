# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluated pose of real rigs points where the motion points, however the rig was built."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from mathutils import Euler, Matrix, Vector
from motion_builders import gestures
from real_takes import REAL_TAKES, load_take

from diffgesture_blender.animation.key_writing import KeyOptions
from diffgesture_blender.motion import Motion
from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import RetargetReport, retarget
from diffgesture_blender.retarget.armature import hierarchy_links, read_rest
from diffgesture_blender.retarget.evaluate import angular_errors, evaluate_directions, set_frame
from diffgesture_blender.retarget.solve import solve_turns
from diffgesture_blender.rig import quaternion as quat
from diffgesture_blender.rig.body_frame import body_frame
from diffgesture_blender.rig.bone_map import BoneMap

needs_shared_rigs = pytest.mark.skipif(not rig_builders.SHARED_RIGS.is_dir(), reason="no shared skeletons")
START = 3.0
SCENE_FPS = 24.0


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


@pytest.fixture(scope="module")
def rigify_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rigify") / "rigify.blend"
    rig_builders.write_rigify(path)
    return path


def build(rig_name: str, rigify_file: Path) -> bpy.types.Object:
    if rig_name == "rigify":
        return rig_builders.open_rigify(rigify_file)
    if rig_name.startswith("human"):
        return rig_builders.build_armature(rig_builders.human_bones(float(rig_name[5:])))
    return rig_builders.build_shared_rig(rig_name)


def frames_of(motion: Motion, step: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Motion frames to look at, and the scene frames of their keys."""
    chosen = np.arange(0, motion.num_frames, step)
    return chosen, START + chosen * SCENE_FPS / motion.fps


def apply_and_measure(
    rig: bpy.types.Object, motion: Motion, step: int = 6, **options: object
) -> tuple[RetargetReport, np.ndarray]:
    """The report and the evaluated directions (F, B, 3) of every ``step``-th motion frame."""
    report = retarget(rig, motion, frame_start=START, **options)
    return report, evaluate_directions(rig, find_bone_map(rig), frames_of(motion, step)[1], motion)


def aimed_bones(motion: Motion) -> list[int]:
    """Upper arms, forearms, the hands' middle metacarpals and the two free phalanges of every finger."""
    names = [motion.bone_name(bone) for bone in range(len(motion.bone_pairs))]
    free = [n.split("_")[0] != n and ("wrist>" not in n or "middle" in n) and "neck" not in n for n in names]
    return [
        bone for bone, yes in enumerate(free) if yes and "_eye" not in names[bone] and "nose" not in names[bone]
    ]


def evaluated_turns(
    rig: bpy.types.Object, bone_map: BoneMap, names: list[str], frame: float
) -> dict[str, np.ndarray]:
    """Bone -> (4,) turn from rest in the public frame."""
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in rig.data.bones}
    to_public = quat.from_matrix(body_frame(heads, bone_map.slots))
    set_frame(bpy.context.scene, frame)
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    turns = {}
    for name in names:
        now = np.array(evaluated.pose.bones[name].matrix.to_quaternion())
        rest = np.array(rig.data.bones[name].matrix_local.to_quaternion())
        turns[name] = quat.mul(quat.mul(to_public, quat.mul(now, quat.inv(rest))), quat.inv(to_public))
    return turns


RIGS = [
    *(pytest.param(name, marks=needs_shared_rigs) for name in rig_builders.SHARED_RIG_NAMES),
    "human0",
    "human45",
    "human90",
    "rigify",
]


@pytest.mark.parametrize("rig_name", RIGS)
@pytest.mark.parametrize("layout", ["ted", "ted_expressive"])
def test_arms_and_fingers_point_where_the_motion_points(rig_name: str, layout: str, rigify_file: Path) -> None:
    motion = gestures(1, 45, layout)
    rig = build(rig_name, rigify_file)
    report, measured = apply_and_measure(rig, motion)
    assert report.missing == ()
    bones = aimed_bones(motion)
    errors = angular_errors(measured, motion.directions[frames_of(motion)[0]])[:, bones]
    assert errors.shape[1] == (4 if layout == "ted" else 26)
    assert errors.mean() < 0.05
    assert errors.max() < 0.2


@pytest.mark.parametrize("rig_name", RIGS)
def test_every_bone_is_turned_as_solved_from_chest_to_head(rig_name: str, rigify_file: Path) -> None:
    """Whatever constraints and parents do on the way; for a control rig the deforming bones are looked at too."""
    motion = gestures(2, 30)
    rig = build(rig_name, rigify_file)
    bone_map = find_bone_map(rig)
    report = retarget(rig, motion, frame_start=START)
    wanted = solve_turns(read_rest(rig, hierarchy_links(rig, bone_map)), bone_map, motion)
    for index, frame in zip(*frames_of(motion, 9), strict=True):
        turned = evaluated_turns(rig, bone_map, list(report.bones), frame)
        for name, turn in turned.items():
            assert np.degrees(quat.angle(quat.mul(quat.inv(turn), wanted[name][index]))) < 0.1, name
        if rig_name == "rigify":
            pairs = {"DEF-spine.003": "spine_fk.003", "DEF-spine.006": "head", "DEF-hand.L": "hand_fk.L"}
            for deform, turn in evaluated_turns(rig, bone_map, list(pairs), frame).items():
                # The deforming chest bone is stretched to the neck, which a rotated chest moves slightly.
                limit = 3.0 if deform == "DEF-spine.003" else 0.2
                apart = quat.mul(quat.inv(turn), wanted[pairs[deform]][index])
                assert np.degrees(quat.angle(apart)) < limit, deform


@pytest.mark.parametrize("follow", [(0.5, 0.0), (0.3, 0.6)])
def test_a_rigify_head_is_right_whatever_it_is_set_to_follow(
    follow: tuple[float, float], rigify_file: Path
) -> None:
    motion = gestures(3, 20)
    rig = rig_builders.open_rigify(rigify_file)
    torso = rig.pose.bones["torso"]
    torso["neck_follow"], torso["head_follow"] = follow
    bone_map = find_bone_map(rig)
    report = retarget(rig, motion, frame_start=START)
    assert (torso["neck_follow"], torso["head_follow"]) == pytest.approx(follow)
    assert report.warnings == ()
    wanted = solve_turns(read_rest(rig, hierarchy_links(rig, bone_map)), bone_map, motion)
    for index, frame in zip(*frames_of(motion, 9), strict=True):
        for name, turn in evaluated_turns(rig, bone_map, ["neck", "head"], frame).items():
            assert np.degrees(quat.angle(quat.mul(quat.inv(turn), wanted[name][index]))) < 0.1, name


@pytest.mark.parametrize("rig_name", ["human45", "rigify"])
def test_gestures_turn_with_a_body_that_is_posed(rig_name: str, rigify_file: Path) -> None:
    """Hips that are turned carry the gestures along; other unkeyed bones on the way are made up for."""
    motion = gestures(11, 20)
    rig = build(rig_name, rigify_file)
    bone_map = find_bone_map(rig)
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION" if bone.name in bone_map.keyed_bones else "XYZ"
    pelvis = bone_map.bone("pelvis")
    rig.pose.bones[pelvis].rotation_euler = (0.2, 0.1, 0.7)
    if rig_name == "rigify":
        rig.pose.bones["chest"].rotation_euler = (0.3, 0.2, 0.0)
        rig.pose.bones["hips"].rotation_euler = (-0.2, 0.0, 0.3)
    report = retarget(rig, motion, frame_start=START)
    assert report.warnings == ()
    wanted = solve_turns(read_rest(rig, hierarchy_links(rig, bone_map)), bone_map, motion)
    for index, frame in zip(*frames_of(motion, 9), strict=True):
        turned = evaluated_turns(rig, bone_map, [pelvis, *report.bones], frame)
        body = turned.pop(pelvis)
        assert np.degrees(quat.angle(body)) > 30
        for name, turn in turned.items():
            seen = quat.mul(quat.inv(body), turn)
            assert np.degrees(quat.angle(quat.mul(quat.inv(seen), wanted[name][index]))) < 0.2, name


def test_rigify_arms_are_switched_to_fk_by_the_action(rigify_file: Path) -> None:
    rig = rig_builders.open_rigify(rigify_file)
    assert rig.pose.bones["upper_arm_parent.L"]["IK_FK"] == 0.0
    retarget(rig, gestures(1, 10))
    bpy.context.scene.frame_set(5)
    assert rig.pose.bones["upper_arm_parent.L"]["IK_FK"] == 1.0
    assert rig.pose.bones["upper_arm_parent.R"]["IK_FK"] == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_bone_rolls_do_not_matter(seed: int) -> None:
    motion = gestures(4, 30)
    _, plain = apply_and_measure(rig_builders.build_armature(rig_builders.human_bones(45)), motion)
    rig_builders.reset()
    generator = random.Random(seed)
    rig = rig_builders.build_armature(
        rig_builders.human_bones(45), roll=lambda: generator.uniform(-math.pi, math.pi)
    )
    _, rolled = apply_and_measure(rig, motion)
    assert np.nanmax(angular_errors(rolled, plain)) < 0.05


@pytest.mark.parametrize("scale", [1.0, 0.01, -1.0])
def test_the_objects_transform_does_not_matter(scale: float) -> None:
    motion = gestures(5, 30)
    bones = rig_builders.human_bones(45)
    _, plain = apply_and_measure(rig_builders.build_armature(bones), motion)
    rig_builders.reset()
    matrix = Matrix.LocRotScale((3, -2, 1), Euler((1.1, -0.4, 2.5)), (scale, abs(scale), abs(scale)))
    rig = rig_builders.build_armature(bones, object_matrix=matrix)
    before = rig.matrix_world.copy()
    _, moved = apply_and_measure(rig, motion)
    assert np.nanmax(angular_errors(moved, plain)) < 0.05
    assert rig.matrix_world == before


@pytest.mark.parametrize("up", ["y", "slanted"])
def test_the_axes_of_the_armature_do_not_matter(up: str) -> None:
    motion = gestures(6, 30)
    bones = rig_builders.human_bones(45)
    _, plain = apply_and_measure(rig_builders.build_armature(bones), motion)
    rig_builders.reset()
    turn = Euler((-math.pi / 2, 0, 0) if up == "y" else (0.6, 0.5, 2.0)).to_matrix()
    for bone in bones:
        bone["head"], bone["tail"] = turn @ Vector(bone["head"]), turn @ Vector(bone["tail"])
    _, turned = apply_and_measure(rig_builders.build_armature(bones), motion)
    # The straight line from ankles to neck stands in for "up" where no axis is near.
    limit = 0.05 if up == "y" else 2.0
    assert np.nanmax(angular_errors(turned, plain)[:, aimed_bones(motion)]) < limit


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "YZX", "AXIS_ANGLE"])
def test_rotation_modes_do_not_matter_and_stay(mode: str) -> None:
    motion = gestures(7, 30)
    bones = rig_builders.human_bones(45)
    _, plain = apply_and_measure(rig_builders.build_armature(bones), motion)
    rig_builders.reset()
    rig = rig_builders.build_armature(bones)
    for pose_bone in rig.pose.bones:
        pose_bone.rotation_mode = mode
    _, measured = apply_and_measure(rig, motion)
    assert np.nanmax(angular_errors(measured, plain)) < 0.05
    assert {pose_bone.rotation_mode for pose_bone in rig.pose.bones} == {mode}


def test_bones_that_inherit_no_rotation_come_out_right() -> None:
    motion = gestures(8, 30)
    rig = rig_builders.build_armature(rig_builders.human_bones(45))
    for name in ("upper_arm.L", "hand.R", "head"):
        rig.data.bones[name].use_inherit_rotation = False
    _, measured = apply_and_measure(rig, motion)
    errors = angular_errors(measured, motion.directions[frames_of(motion)[0]])[:, aimed_bones(motion)]
    assert errors.max() < 0.2


def test_a_posed_bone_between_mapped_ones_is_allowed_for() -> None:
    """A twist bone in the middle of the forearm keeps its pose, and the hand still points right."""
    motion = gestures(9, 30)
    bones = rig_builders.human_bones(45)
    for bone in bones:
        if bone["name"] == "hand.L":
            fore = next(b for b in bones if b["name"] == "forearm.L")
            twist = {"name": "forearm_twist.L", "parent": "forearm.L", "head": fore["head"], "tail": fore["tail"]}
            bone["parent"] = "forearm_twist.L"
    rig = rig_builders.build_armature([*bones, twist])
    pose_bone = rig.pose.bones["forearm_twist.L"]
    pose_bone.rotation_mode = "XYZ"
    pose_bone.rotation_euler = (0.0, 0.9, 0.0)
    _, measured = apply_and_measure(rig, motion)
    errors = angular_errors(measured, motion.directions[frames_of(motion)[0]])[:, aimed_bones(motion)]
    assert errors.max() < 0.2


def test_whole_frame_keys_follow_the_same_motion() -> None:
    motion = gestures(10, 45)
    rig = rig_builders.build_armature(rig_builders.human_bones(45))
    report, measured = apply_and_measure(rig, motion, keys=KeyOptions(mode="WHOLE_FRAMES"))
    errors = angular_errors(measured, motion.directions[frames_of(motion)[0]])[:, aimed_bones(motion)]
    # A key of the motion that falls between two frames is cut off a little.
    assert errors.mean() < 1.5
    assert report.keys.longest == int(report.frame_end) - int(report.frame_start) + 1


@pytest.mark.skipif(not REAL_TAKES.is_dir(), reason="no captured takes")
@pytest.mark.parametrize("rig_name", ["mixamo_xbot", "rigify"])
def test_a_captured_take_is_followed_without_twist_flips(rig_name: str, rigify_file: Path) -> None:
    motion = load_take("zeggs_067", 10.0)
    rig = build(rig_name, rigify_file)
    bone_map = find_bone_map(rig)
    _, measured = apply_and_measure(rig, motion, step=15)
    errors = angular_errors(measured, motion.directions[frames_of(motion, 15)[0]])[:, aimed_bones(motion)]
    assert errors.max() < 0.3
    turns = solve_turns(read_rest(rig, hierarchy_links(rig, bone_map)), bone_map, motion)
    for slot in ("upper_arm.L", "upper_arm.R", "forearm.L", "forearm.R"):
        turn = turns[bone_map.bone(slot)]
        steps = np.degrees(quat.angle(quat.mul(quat.inv(turn[1:]), turn[:-1])))
        name = {"L": "left", "R": "right"}[slot[-1]]
        joints = ("shoulder", "elbow") if slot.startswith("upper") else ("elbow", "wrist")
        direction = motion.directions[:, motion.bone(f"{name}_{joints[0]}", f"{name}_{joints[1]}")]
        swings = angular_errors(direction[1:], direction[:-1])
        assert (steps - swings).max() < 40.0, slot


def test_an_exported_rigify_is_played_by_its_deform_bones(rigify_file: Path) -> None:
    """FBX and glTF leave all the names and nothing that ties the deforming bones to the controls."""
    rig = rig_builders.open_rigify(rigify_file)
    rig.animation_data_clear()
    for bone in rig.pose.bones:
        for constraint in list(bone.constraints):
            bone.constraints.remove(constraint)
    assert find_bone_map(rig).family == "Rigify deform bones"
    report, measured = apply_and_measure(rig, gestures(6, 30))
    assert report.look.looked
    assert report.look.follows
    assert "DEF-forearm.L" in report.bones
    errors = angular_errors(measured, gestures(6, 30).directions[frames_of(gestures(6, 30))[0]])
    assert np.nanmax(errors[:, aimed_bones(gestures(6, 30))]) < 0.2
