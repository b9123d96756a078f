# SPDX-License-Identifier: GPL-3.0-or-later
"""A part generated anew: what is kept is seen as it is and stays as it is, what is new joins it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from motion_builders import build_motion, gestures, neutral

from diffgesture_blender import compat
from diffgesture_blender.animation import keyframes
from diffgesture_blender.animation.key_writing import KeyOptions
from diffgesture_blender.animation.splice import key_frames_of, split_curve
from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.jobs.regenerate import (
    Plan,
    apply_plan,
    kept_animation,
    selected_key_frames,
    write_constraints,
)
from diffgesture_blender.motion import Motion
from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.retarget.evaluate import angular_errors
from diffgesture_blender.retarget.present_pose import sample_directions

FPS = 24.0
LAST = 96
FRAMES = np.arange(10, 145.0)
OLD, NEW = gestures(0, LAST), gestures(1, LAST)


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


@pytest.fixture
def rig() -> bpy.types.Object:
    return rig_builders.build_armature(rig_builders.human_bones(45))


def poses(rig: bpy.types.Object, frames: np.ndarray) -> np.ndarray:
    """(F, bones, 4) rotations of the evaluated pose."""
    result = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame), subframe=float(frame % 1))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        result.append([tuple(bone.matrix.to_quaternion()) for bone in evaluated.pose.bones])
    return np.array(result)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees between rotations (..., 4)."""
    sine = np.minimum(np.linalg.norm(one - other, axis=-1), np.linalg.norm(one + other, axis=-1)) / 2
    return np.degrees(4 * np.arcsin(np.clip(sine, 0, 1)))


def keys(rig: bpy.types.Object) -> dict[tuple[str, int], np.ndarray]:
    """Curve -> (K, 2) its keys."""
    result = {}
    for curve in compat.curves_of(compat.current_action(rig)):
        coordinates = np.zeros(2 * len(curve.keyframe_points))
        curve.keyframe_points.foreach_get("co", coordinates)
        result[curve.data_path, curve.array_index] = coordinates.reshape(-1, 2)
    return result


def set_modes(rig: bpy.types.Object, mode: str) -> None:
    for bone in rig.pose.bones:
        bone.rotation_mode = mode


def run(rig: bpy.types.Object, plan: Plan, motion: Motion = NEW, options: KeyOptions | None = None) -> Any:
    return apply_plan(plan, rig, motion, bpy.context.scene, 1, "Regenerated", options)


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ"])
def test_a_part_with_few_keys_stays_within_the_tolerance_and_joins(rig: bpy.types.Object, mode: str) -> None:
    set_modes(rig, mode)
    retarget(rig, OLD, frame_start=1)
    before = poses(rig, FRAMES)
    full = run(rig, Plan(60, 100), options=KeyOptions(mode="WHOLE_FRAMES"))
    wanted = poses(rig, FRAMES)
    compat.assign_action(rig, compat.ActionChoice(None))
    retarget(rig, OLD, frame_start=1)
    few = run(rig, Plan(60, 100), options=KeyOptions(mode="REDUCED", max_error=1.0))
    assert few.keys.total < 0.6 * full.keys.total
    assert 0 < few.keys.error <= 1.0
    seen = poses(rig, FRAMES)
    # Errors of bones against their parents add up along an arm.
    assert apart(seen, wanted).max() < 8
    outside = (FRAMES < 59) | (FRAMES > 101)
    assert apart(seen, before)[outside].max() < 0.1


def test_a_part_goes_to_a_strip_or_is_refused_as_wanted(rig: bpy.types.Object) -> None:
    retarget(rig, OLD, frame_start=1, action_name="First")
    report = run(rig, Plan(60, 90), options=KeyOptions(layer="STRIP"))
    assert rig.animation_data.action is None
    assert rig.animation_data.nla_tracks[-1].strips[0].action.name == report.action_name
    with pytest.raises(DiffGestureError, match="cannot be replaced by adding"):
        run(rig, Plan(60, 90), options=KeyOptions(layer="ADDITIVE"))


def test_a_part_of_a_strip_is_generated_anew(rig: bpy.types.Object) -> None:
    retarget(rig, OLD, frame_start=1, action_name="First", keys=KeyOptions(layer="STRIP"))
    before = poses(rig, FRAMES)
    report = run(rig, Plan(60, 90))
    assert rig.animation_data.action is None
    assert [(track.strips[0].action.name, track.strips[0].mute) for track in rig.animation_data.nla_tracks] == [
        ("First", True),
        (report.action_name, False),
    ]
    changed = apart(poses(rig, FRAMES), before).max(axis=1)
    assert changed[(FRAMES < 59) | (FRAMES > 91)].max() < 0.1
    assert changed[(FRAMES > 65) & (FRAMES < 85)].max() > 5


def test_strips_of_which_no_part_can_be_replaced(rig: bpy.types.Object) -> None:
    with pytest.raises(DiffGestureError, match="has no action"):
        kept_animation(rig)
    retarget(rig, OLD, frame_start=1, keys=KeyOptions(layer="STRIP"))
    (strip,) = rig.animation_data.nla_tracks[0].strips
    kept_animation(rig)
    strip.frame_start_ui += 30
    with pytest.raises(DiffGestureError, match="was moved or scaled"):
        kept_animation(rig)
    rest = build_motion(neutral(), "ted_expressive")
    retarget(rig, OLD, frame_start=1, keys=KeyOptions(layer="ADDITIVE"), rest_motion=rest)
    with pytest.raises(DiffGestureError, match="adds to what lies below"):
        kept_animation(rig)


@pytest.mark.parametrize("lean", [0.0, 45.0])
def test_the_present_animation_is_read_back_as_directions(lean: float) -> None:
    rig = rig_builders.build_armature(rig_builders.human_bones(lean))
    retarget(rig, OLD, frame_start=1)
    indices = np.arange(0, LAST, 6)
    seen = sample_directions(rig, find_bone_map(rig), bpy.context.scene, 1 + indices * FPS / 15, OLD)
    errors = angular_errors(seen, OLD.directions[indices])
    names = [OLD.bone_name(bone) for bone in range(len(OLD.bone_pairs))]
    # Palm bones are as wide apart as the rig's own; all else comes back. The neck bends with the chest as well.
    exact = [i for i, name in enumerate(names) if "_wrist>" not in name and name != "neck>nose"]
    assert np.nanmax(errors[:, exact]) < 1.0
    assert np.nanmax(errors) < 12.0
    assert not np.isnan(errors[:, exact]).any()


def test_a_turned_character_is_seen_from_its_own_pelvis(rig: bpy.types.Object) -> None:
    retarget(rig, OLD, frame_start=1)
    straight = sample_directions(rig, find_bone_map(rig), bpy.context.scene, [20.0], OLD)
    pelvis = rig.pose.bones[find_bone_map(rig).slots["pelvis"][0]]
    pelvis.rotation_mode = "XYZ"
    pelvis.rotation_euler = (0.3, 1.0, 0.2)
    rig.rotation_euler = (0.0, 0.0, 2.0)
    turned = sample_directions(rig, find_bone_map(rig), bpy.context.scene, [20.0], OLD)
    assert np.nanmax(angular_errors(turned, straight)) < 0.1


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "ZYX", "YZX", "AXIS_ANGLE"])
def test_outside_of_the_range_nothing_changes_and_inside_is_the_new_motion(
    rig: bpy.types.Object, mode: str
) -> None:
    set_modes(rig, mode)
    retarget(rig, NEW, frame_start=1)
    frames = np.arange(1, 150, 0.5)
    wanted = poses(rig, frames)
    retarget(rig, OLD, frame_start=1)
    before, old_keys = poses(rig, frames), keys(rig)
    old = compat.current_action(rig)
    report = run(rig, Plan(50, 90.3))
    after = poses(rig, frames)
    outside = (frames <= 50) | (frames >= 90.5)
    assert apart(after, before)[outside].max() < 0.2
    middle = (frames >= 63) & (frames <= 77)
    assert apart(after, wanted)[middle].max() < 1.0
    assert apart(after, before)[middle].max() > 10
    speed, usual = apart(after[1:], after[:-1]).max(), max(apart(p[1:], p[:-1]).max() for p in (before, wanted))
    assert speed < 1.6 * usual
    assert report.action_name == "Regenerated"
    assert old.action is not None
    assert old.action.use_fake_user
    compat.assign_action(rig, old)
    assert {name: values.tolist() for name, values in keys(rig).items()} == {
        name: values.tolist() for name, values in old_keys.items()
    }


def test_the_users_edits_outside_are_kept(rig: bpy.types.Object) -> None:
    retarget(rig, OLD, frame_start=1)
    hand = find_bone_map(rig).slots["hand.L"][0]
    choice = compat.current_action(rig)
    curve = compat.new_curve(choice, keyframes.bone_path(hand, "location"), 0, hand)
    keyframes.write_keys(curve, np.array([1.0, 60.0, 140.0]), np.array([0.0, 0.2, 0.1]), "BEZIER")
    arm = compat.find_curve(
        choice, keyframes.bone_path(find_bone_map(rig).slots["forearm.L"][0], "rotation_quaternion"), 1
    )
    assert arm is not None
    arm.keyframe_points[3].co.y += 0.3
    arm.update()
    edited = float(arm.keyframe_points[3].co.y)
    run(rig, Plan(50, 90))
    found = keys(rig)
    assert found[keyframes.bone_path(hand, "location"), 0][:, 0].tolist() == [1.0, 60.0, 140.0]
    assert found[arm.data_path, 1][3, 1] == pytest.approx(edited)


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_chosen_poses_are_kept_and_all_else_is_new(rig: bpy.types.Object, mode: str) -> None:
    set_modes(rig, mode)
    retarget(rig, NEW, frame_start=1)
    frames = np.arange(1, 150.0)
    wanted = poses(rig, frames)
    retarget(rig, OLD, frame_start=1)
    keep = (20.0, 71.0, 110.0)
    before = poses(rig, np.array(keep))
    run(rig, Plan(keep=keep))
    assert apart(poses(rig, np.array(keep)), before).max() < 0.1
    away = np.min(np.abs(frames[:, None] - np.array(keep)), axis=1) > 13
    assert apart(poses(rig, frames), wanted)[away].max() < 1.0


def test_a_few_poses_keyed_by_hand_become_a_motion(rig: bpy.types.Object) -> None:
    """Keys of three poses on the arms only; bones without keys keep the pose that they had where it is kept."""
    retarget(rig, OLD, frame_start=1)
    bones = [find_bone_map(rig).slots[slot][0] for slot in ("upper_arm.L", "forearm.L")]
    posed = {name: keys(rig)[keyframes.bone_path(name, "rotation_quaternion"), 1] for name in bones}
    rig.animation_data.action = None
    choice = compat.new_action(rig, "By hand")
    for name, values in posed.items():
        curve = compat.new_curve(choice, keyframes.bone_path(name, "rotation_quaternion"), 1, name)
        keyframes.write_keys(curve, np.array([10.0, 40.0, 80.0]), values[[5, 20, 40], 1], "LINEAR")
    compat.assign_action(rig, choice)
    frames = np.array([10.0, 40.0, 80.0])
    before = poses(rig, frames)
    for curve in compat.curves_of(choice):
        for point in curve.keyframe_points:
            point.select_control_point = point.co[0] > 20
    assert selected_key_frames(rig) == (40.0, 80.0)
    run(rig, Plan(keep=selected_key_frames(rig)))
    assert apart(poses(rig, frames), before)[1:].max() < 0.1
    assert apart(poses(rig, frames), before)[0].max() > 1.0


def test_splitting_a_curve_leaves_its_shape() -> None:
    rig = rig_builders.build_armature(rig_builders.human_bones(45))
    choice = compat.new_action(rig, "A")
    for number, kind in enumerate(("BEZIER", "LINEAR", "CONSTANT", "SINE")):
        curve = compat.new_curve(choice, "location" if number < 3 else "scale", number % 3, "G")
        keyframes.write_keys(curve, np.array([1.0, 5.0, 9.0, 30.0]), np.array([0.0, 2.0, -1.0, 0.5]), kind)
        frames = np.arange(-2, 35, 0.125)
        before = np.array([curve.evaluate(frame) for frame in frames])
        for frame in (3.3, 5.0, 20.0, 33.0, -1.0):
            if kind != "SINE" or frame == 5.0:  # an easing cannot be cut in two
                split_curve(curve, frame)
        after = np.array([curve.evaluate(frame) for frame in frames])
        assert np.abs(after - before).max() < 2e-3
        assert {5.0} <= set(key_frames_of(curve).tolist())


def test_what_is_known_goes_to_the_model(rig: bpy.types.Object, tmp_path: Path) -> None:
    retarget(rig, OLD, frame_start=1)
    card = {
        "fps": 15.0,
        "layout": "ted_expressive",
        "skeleton": {
            "joint_names": OLD.joint_names,
            "bone_pairs": OLD.bone_pairs,
            "neutral_directions": OLD.neutral_directions,
        },
    }
    path = write_constraints(Plan(60, 90), rig, bpy.context.scene, 1, card, tmp_path)
    with np.load(path, allow_pickle=False) as archive:
        known = archive["mask"].any(axis=1)
        frames = 1 + np.arange(len(known)) * FPS / 15
        assert known[(frames <= 60) & (frames > 60 - 2.9 * FPS)].all()
        assert known[(frames >= 90) & (frames < 90 + 2.9 * FPS)].all()
        assert not known[(frames > 60) & (frames < 90)].any()
        lengths = np.linalg.norm(archive["directions"][archive["mask"]], axis=-1)
        assert np.abs(lengths - 1).max() < 1e-5
    path = write_constraints(Plan(keep=(1.0, 33.0)), rig, bpy.context.scene, 1, card, tmp_path)
    with np.load(path, allow_pickle=False) as archive:
        assert list(np.flatnonzero(archive["mask"].any(axis=1))) == [0, 20]


def test_refusals_are_sentences_and_change_nothing(rig: bpy.types.Object, tmp_path: Path) -> None:
    with pytest.raises(DiffGestureError, match="empty"):
        Plan(90, 60)
    with pytest.raises(DiffGestureError, match="no action"):
        run(rig, Plan(10, 20))
    retarget(rig, OLD, frame_start=1)
    actions = set(bpy.data.actions.keys())
    with pytest.raises(DiffGestureError, match="outside of the speech"):
        run(rig, Plan(1000, 1100))
    with pytest.raises(DiffGestureError, match="No pose to keep"):
        run(rig, Plan(keep=(1000.0,)))
    with pytest.raises(DiffGestureError, match="reinstall"):
        write_constraints(Plan(10, 20), rig, bpy.context.scene, 1, {"fps": 15.0}, tmp_path)
    constraint = rig.pose.bones[find_bone_map(rig).slots["hand.L"][0]].constraints.new("IK")
    constraint.target = rig
    card = {"fps": 15.0, "layout": "x", "skeleton": {
        "joint_names": OLD.joint_names, "bone_pairs": OLD.bone_pairs, "neutral_directions": OLD.neutral_directions,
    }}  # fmt: skip
    with pytest.raises(DiffGestureError, match="follow IK"):
        write_constraints(Plan(10, 20), rig, bpy.context.scene, 1, card, tmp_path)
    assert set(bpy.data.actions.keys()) == actions
