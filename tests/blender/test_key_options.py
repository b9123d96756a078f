# SPDX-License-Identifier: GPL-3.0-or-later
"""How many keys, and on which layer: baked, few with a stated error, strips that replace or add."""

import numpy as np
import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from motion_builders import build_motion, gestures, neutral

from diffgesture_blender import compat
from diffgesture_blender.animation import keyframes
from diffgesture_blender.animation.key_reduction import _solve_tridiagonal, reduce_keys, write_reduced
from diffgesture_blender.animation.key_writing import KeyOptions
from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.rig import quaternion as quat

MOTION = gestures(0, 60)
FRAMES = np.arange(2, 95.0)


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


@pytest.fixture
def rig() -> bpy.types.Object:
    return rig_builders.build_armature(rig_builders.human_bones(45))


def local(rig: bpy.types.Object, frames: np.ndarray = FRAMES) -> np.ndarray:
    """(F, bones, 4) rotations of each bone against its parent, evaluated."""
    result = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame), subframe=float(frame % 1))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        result.append([tuple(bone.matrix_basis.to_quaternion()) for bone in evaluated.pose.bones])
    return np.array(result)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees between rotations (..., 4)."""
    sine = np.minimum(np.linalg.norm(one - other, axis=-1), np.linalg.norm(one + other, axis=-1)) / 2
    return np.degrees(4 * np.arcsin(np.clip(sine, 0, 1)))


def set_modes(rig: bpy.types.Object, mode: str) -> None:
    for bone in rig.pose.bones:
        bone.rotation_mode = mode


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "ZXY", "AXIS_ANGLE"])
@pytest.mark.parametrize("tolerance", [0.5, 3.0])
def test_few_keys_stay_within_the_tolerance(rig: bpy.types.Object, mode: str, tolerance: float) -> None:
    set_modes(rig, mode)
    baked = retarget(rig, MOTION, frame_start=1, keys=KeyOptions("WHOLE_FRAMES"))
    wanted = local(rig)
    few = retarget(rig, MOTION, frame_start=1, keys=KeyOptions("REDUCED", max_error=tolerance))
    error = apart(local(rig), wanted).max()
    assert error < tolerance + 0.1
    assert few.keys.error <= tolerance
    assert error < few.keys.error + 0.1
    assert few.keys.total < baked.keys.total / (2 if tolerance < 1 else 4)
    frames = {
        point.co[0] for curve in compat.curves_of(compat.current_action(rig)) for point in curve.keyframe_points
    }
    assert all(frame == round(frame) for frame in frames)


def test_a_wider_tolerance_needs_fewer_keys(rig: bpy.types.Object) -> None:
    totals = [
        retarget(rig, MOTION, keys=KeyOptions("REDUCED", max_error=tolerance)).keys.total
        for tolerance in (0.25, 1.0, 4.0)
    ]
    assert totals[0] > totals[1] > totals[2]


def test_a_still_bone_gets_two_keys_and_one_frame_one() -> None:
    still = np.tile([1.0, 0.0, 0.0, 0.0], (40, 1))
    reduced = reduce_keys(np.arange(40.0), still, "QUATERNION", 1.0)
    assert reduced.frames.tolist() == [0.0, 39.0]
    assert reduced.error < 1e-6
    assert len(reduce_keys(np.array([3.0]), still[:1], "QUATERNION", 1.0).frames) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 8, 65])
def test_the_tridiagonal_solution_is_that_of_the_full_matrix(count: int) -> None:
    rng = np.random.default_rng(count)
    beside = rng.normal(size=count - 1)
    diagonal = 1e-3 + np.abs(np.append(beside, 0.0)) + np.abs(np.append(0.0, beside))
    right = rng.normal(size=(count, 4))
    full = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    assert _solve_tridiagonal(diagonal, beside, right) == pytest.approx(np.linalg.solve(full, right), rel=1e-6)


def test_five_minutes_need_no_matrix_of_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise AssertionError("the cost would grow with the cube of the length")

    monkeypatch.setattr(np.linalg, "solve", full)
    times = np.arange(300 * 24.0)
    turns = quat.from_axis_angle(np.array([0.6, 0.8, 0.0]), np.sin(times / 7) + 0.3 * np.sin(times / 3))
    reduced = reduce_keys(times, keyframes.rotation_channels(turns, "QUATERNION"), "QUATERNION", 1.0)
    assert reduced.error <= 1.0
    assert len(reduced.frames) < len(times) / 2


def test_written_handles_give_the_fitted_curve(rig: bpy.types.Object) -> None:
    times = np.arange(0, 60.0)
    turns = quat.from_axis_angle(np.array([0.6, 0.8, 0.0]), np.sin(times / 7) + 0.3 * np.sin(times / 3))
    channels = keyframes.rotation_channels(turns, "XYZ")
    reduced = reduce_keys(times, channels, "XYZ", 1.0)
    bone = rig.pose.bones["head"]
    bone.rotation_mode = "XYZ"
    choice = compat.new_action(rig, "Few")
    write_reduced(choice, bone, reduced)
    played = np.array([[curve.evaluate(t) for curve in compat.curves_of(choice)] for t in times])
    errors = np.degrees(quat.angle(quat.mul(quat.inv(turns), keyframes.to_quaternions(played, "XYZ"))))
    assert errors.max() == pytest.approx(reduced.error, abs=0.02)


def test_a_strip_replaces_what_lies_below_for_its_duration(rig: bpy.types.Object) -> None:
    retarget(rig, gestures(1, 120), frame_start=1, action_name="Below")
    old = compat.current_action(rig)
    below = local(rig, np.arange(1, 180.0))
    plain = retarget(rig, MOTION, frame_start=41)
    alone = local(rig, np.arange(1, 180.0))
    compat.assign_action(rig, old)
    bpy.data.actions.remove(bpy.data.actions[plain.action_name])
    report = retarget(rig, MOTION, frame_start=41, action_name="Above", keys=KeyOptions(layer="STRIP"))
    layered = local(rig, np.arange(1, 180.0))
    assert rig.animation_data.action is None
    assert [track.name for track in rig.animation_data.nla_tracks] == ["Below", "Above"]
    assert apart(layered[:39], below[:39]).max() < 0.1
    assert apart(layered[140:], below[140:]).max() < 0.1
    assert apart(layered[60:115], alone[60:115]).max() < 0.1
    usual = max(apart(part[1:], part[:-1]).max() for part in (below, alone))
    assert apart(layered[1:], layered[:-1]).max() < 2 * usual
    assert report.action_name == "Above"


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_an_additive_strip_turns_on_from_what_lies_below(rig: bpy.types.Object, mode: str) -> None:
    set_modes(rig, mode)
    rest = build_motion(neutral(), "ted_expressive")
    retarget(rig, rest, frame_start=1, action_name="Rest")
    at_rest = compat.current_action(rig)
    frames = np.arange(16, 80.0)
    retarget(rig, MOTION, frame_start=1)
    alone = local(rig, frames)
    compat.assign_action(rig, at_rest)
    retarget(rig, MOTION, frame_start=1, action_name="Added", keys=KeyOptions(layer="ADDITIVE"), rest_motion=rest)
    # Over the pose that it is measured from, the sum is the motion itself.
    assert apart(local(rig, frames), alone).max() < 0.5
    rig.animation_data.nla_tracks["Added"].mute = True
    still = local(rig, frames)
    rig.animation_data.nla_tracks["Added"].mute = False
    if mode == "QUATERNION":
        # Over another pose each bone turns on from there.
        for curve in compat.curves_of(at_rest):
            for point in curve.keyframe_points:
                point.co.y += 0.2
            curve.update()
        turned = local(rig, frames)
        rig.animation_data.nla_tracks["Added"].mute = True
        base = local(rig, frames)
        keyed = [rig.pose.bones.find(name) for name in ("upper_arm.L", "forearm.R", "head")]
        gesture = quat.mul(quat.inv(still), alone)
        assert apart(quat.mul(base, gesture), turned)[:, keyed].max() < 0.5


def test_without_old_animation_a_strip_is_alone(rig: bpy.types.Object) -> None:
    retarget(rig, MOTION, frame_start=10.4, keys=KeyOptions(layer="STRIP"))
    (track,) = rig.animation_data.nla_tracks
    (strip,) = track.strips
    assert strip.frame_start == pytest.approx(10.4, abs=1e-3)
    assert (strip.action_frame_start, strip.action_frame_end) == (
        pytest.approx(strip.frame_start, abs=1e-3),
        pytest.approx(strip.frame_end, abs=1e-3),
    )
    assert strip.scale == pytest.approx(1.0)


@pytest.mark.parametrize("layer", ["STRIP", "ADDITIVE"])
def test_a_second_run_takes_the_place_of_the_first(rig: bpy.types.Object, layer: str) -> None:
    rest = build_motion(neutral(), "ted_expressive")
    for start in (1, 20, 500):
        retarget(rig, MOTION, frame_start=start, keys=KeyOptions(layer=layer), rest_motion=rest)
    strips = [track.strips[0] for track in rig.animation_data.nla_tracks]
    assert [strip.mute for strip in strips] == [True, False, False]  # the third plays at another time
    frames = np.arange(30, 90.0)
    both = local(rig, frames)
    rig.animation_data.nla_tracks.remove(rig.animation_data.nla_tracks[0])
    assert apart(local(rig, frames), both).max() < 1e-3


def test_an_additive_layer_needs_a_rest_pose(rig: bpy.types.Object) -> None:
    actions = len(bpy.data.actions)
    with pytest.raises(DiffGestureError, match="rest pose"):
        retarget(rig, MOTION, keys=KeyOptions(layer="ADDITIVE"))
    assert len(bpy.data.actions) == actions


def test_arms_in_ik_are_told_of(rig: bpy.types.Object) -> None:
    constraint = rig.pose.bones["forearm.L"].constraints.new("IK")
    constraint.target = rig
    report = retarget(
        rig, MOTION, keys=KeyOptions(layer="ADDITIVE"), rest_motion=build_motion(neutral(), "ted_expressive")
    )
    assert any("follow IK" in text for text in report.warnings)
    assert constraint.influence == 1.0
