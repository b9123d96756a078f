# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as F-curves: every rotation mode, continuity, timing, the four ways Blender stores curves."""

import itertools

import numpy as np
import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from mathutils import Euler, Quaternion

from diffgesture_blender import compat
from diffgesture_blender.animation import keyframes
from diffgesture_blender.rig import quaternion as quat

EULER_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
MODES = ("QUATERNION", "AXIS_ANGLE", *EULER_ORDERS)


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


def tumbling(frames: int = 240, seed: int = 0) -> np.ndarray:
    """A smooth tour of rotations with many turns."""
    generator = np.random.default_rng(seed)
    result = quat.identity()
    speed = generator.normal(size=3) * 0.1
    path = []
    for _ in range(frames):
        speed = 0.97 * speed + 0.02 * generator.normal(size=3)
        size = float(np.linalg.norm(speed))
        result = quat.mul(quat.from_axis_angle(speed / size, size), result)
        path.append(result)
    return np.array(path)


def apart(a: Quaternion, b: np.ndarray) -> float:
    """Angle between two rotations, whatever their signs."""
    return float(quat.angle(quat.mul(quat.inv(np.array(a)), b)))


def to_quaternion(channels: np.ndarray, mode: str) -> Quaternion:
    if mode == "QUATERNION":
        return Quaternion(channels)
    if mode == "AXIS_ANGLE":
        return Quaternion(channels[1:], channels[0])
    return Euler(channels, mode).to_quaternion()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", [0, 1])
def test_channels_are_the_rotation_in_the_bones_mode(mode: str, seed: int) -> None:
    turns = tumbling(seed=seed)
    channels = keyframes.rotation_channels(turns, mode)
    for row, turn in zip(channels, turns, strict=True):
        assert apart(to_quaternion(row, mode), turn) < 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_channels_do_not_jump_by_half_turns(mode: str) -> None:
    turns = tumbling(600, seed=2)
    channels = keyframes.rotation_channels(turns, mode)
    largest = max(float(np.abs(b - a).max()) for a, b in itertools.pairwise(channels))
    assert largest < (0.5 if mode == "QUATERNION" else 2.2)


@pytest.mark.parametrize("order", EULER_ORDERS)
def test_small_motions_give_small_euler_angles(order: str) -> None:
    angles = 0.3 * np.sin(np.linspace(0, 9, 100))
    turns = quat.from_axis_angle(np.array([0.6, 0.8, 0.0]), angles)
    assert np.abs(keyframes.rotation_channels(turns, order)).max() < 0.35


@pytest.mark.parametrize("order", EULER_ORDERS)
def test_gimbal_lock_still_gives_the_rotation(order: str) -> None:
    middle = "XYZ".index(order[1])
    axis = np.eye(3)[middle]
    turns = quat.mul(
        quat.from_axis_angle(np.broadcast_to(axis, (3, 3)), np.full(3, np.pi / 2)),
        quat.from_axis_angle(np.broadcast_to(np.eye(3)[(middle + 1) % 3], (3, 3)), np.array([0.0, 0.4, 0.8])),
    )
    for row, turn in zip(keyframes.rotation_channels(turns, order), turns, strict=True):
        assert apart(to_quaternion(row, order), turn) < 2e-3


def test_key_frames_follow_the_scene_rate() -> None:
    np.testing.assert_allclose(keyframes.key_frames(4, 15.0, 30.0, 10.0), [10, 12, 14, 16])
    np.testing.assert_allclose(keyframes.key_frames(3, 15.0, 24.0, 1.0), [1, 2.6, 4.2])
    np.testing.assert_allclose(keyframes.key_frames(31, 15.0, 30000 / 1001, 0.0)[-1], 2 * 30000 / 1001)


def test_whole_frames_lie_between_first_and_last_key_and_keep_the_motion() -> None:
    turns = quat.from_axis_angle(np.broadcast_to([0.0, 0, 1], (20, 3)), np.linspace(0, 1.9, 20))
    keys = keyframes.key_frames(20, 15.0, 24.0, 1.5)
    frames, whole = keyframes.whole_frames(keys, turns)
    assert frames[0] == 2
    assert frames[-1] == np.floor(keys[-1])
    assert (np.diff(frames) == 1).all()
    np.testing.assert_allclose(2 * np.arcsin(whole[:, 3]), (frames - 1.5) / 1.6 * 0.1, atol=1e-9)


def test_one_frame_can_be_resampled() -> None:
    frames, whole = keyframes.whole_frames(np.array([3.0]), quat.identity(1))
    assert frames.tolist() == [3.0]
    np.testing.assert_allclose(whole, quat.identity(1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("interpolation", ["BEZIER", "LINEAR"])
def test_written_keys_play_back_on_the_bone(mode: str, interpolation: str) -> None:
    rig = rig_builders.build_armature(rig_builders.human_bones())
    bone = rig.pose.bones["head"]
    bone.rotation_mode = mode
    turns = tumbling(40, seed=3)
    frames = keyframes.key_frames(40, 15.0, 24.0, 5.0)
    choice = compat.new_action(rig, "Test")
    channels = keyframes.rotation_channels(turns, bone.rotation_mode)
    keyframes.write_channels(choice, bone, frames, channels, interpolation)
    compat.assign_action(rig, choice)
    curves = list(compat.curves_of(choice))
    assert len(curves) == (4 if mode in ("QUATERNION", "AXIS_ANGLE") else 3)
    assert all(curve.group is not None and curve.group.name == "head" for curve in curves)
    assert {key.interpolation for curve in curves for key in curve.keyframe_points} == {interpolation}
    assert {key.handle_left_type for curve in curves for key in curve.keyframe_points} == {"AUTO_CLAMPED"}
    for index in (0, 7, 20, 39):
        whole = int(np.floor(frames[index]))
        bpy.context.scene.frame_set(whole, subframe=float(frames[index] - whole))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["head"]
        played = evaluated.matrix_basis.to_quaternion()
        assert apart(played, turns[index]) < 2e-3


def test_a_new_action_is_not_assigned_until_asked() -> None:
    rig = rig_builders.build_armature(rig_builders.human_bones())
    choice = compat.new_action(rig, "Test")
    assert compat.current_action(rig).action is None
    compat.assign_action(rig, choice)
    assert compat.current_action(rig) == choice
    compat.assign_action(rig, compat.ActionChoice(None))
    assert compat.current_action(rig).action is None


def test_bones_with_quotes_in_their_names_have_valid_paths() -> None:
    bones = [{"name": 'od"d\\bone', "parent": None, "head": (0, 0, 0), "tail": (0, 0, 1)}]
    rig = rig_builders.build_armature(bones)
    path = keyframes.bone_path('od"d\\bone', "rotation_quaternion")
    assert rig.path_resolve(path) == rig.pose.bones[0].rotation_quaternion
