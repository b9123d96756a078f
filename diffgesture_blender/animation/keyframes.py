# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations over time as F-curves, in whatever rotation mode a bone has."""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np

from .. import compat
from ..rig import quaternion as quat

FloatArray = np.ndarray

_EULER_PROPERTY: Final = "rotation_euler"
_TAU: Final = 2.0 * np.pi


def rotation_property(rotation_mode: str) -> str:
    """Name of the property that a bone of that rotation mode is turned by."""
    return {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(
        rotation_mode, _EULER_PROPERTY
    )


def rotation_channels(quaternions: FloatArray, rotation_mode: str) -> FloatArray:
    """(T, 4) rotations as (T, 4) or (T, 3) channels of a rotation mode, without jumps between frames.

    QUATERNION: w, x, y, z of one hemisphere; AXIS_ANGLE: angle and axis; else Euler angles in that order.
    """
    quaternions = quat.continuous(quat.normalize(quaternions))
    if rotation_mode == "QUATERNION":
        return quaternions
    if rotation_mode == "AXIS_ANGLE":
        return _axis_angles(quaternions)
    return _euler_angles(quaternions, rotation_mode)


def _axis_angles(quaternions: FloatArray) -> FloatArray:
    """(T, 4) angle, x, y, z. The axis keeps to one hemisphere; at rest it stays where it was."""
    result = np.zeros((len(quaternions), 4))
    axis = np.array([0.0, 1.0, 0.0])
    previous_angle = 0.0
    for row, (w, *xyz) in zip(result, quaternions, strict=True):
        sine = float(np.linalg.norm(xyz))
        if sine > 1e-7:
            turned = np.asarray(xyz) / sine
            aligned = float(turned @ axis) >= 0
            axis = turned if aligned else -turned
            angle = 2.0 * np.arctan2(sine if aligned else -sine, w)
        else:
            angle = 0.0 if w > 0 else _TAU
        angle += _TAU * round((previous_angle - angle) / _TAU)
        previous_angle = angle
        row[:] = angle, *axis
    return result


def _euler_angles(quaternions: FloatArray, order: str) -> FloatArray:
    """(T, 3) angles about x, y, z in Blender's meaning of ``order`` (XYZ: first about x, then y, then z).

    Every rotation has two sets of angles, each also with full turns added; the set nearest to the frame before
    is taken, the smaller one in the first frame.
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    parity = 1.0 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
    # With M = R_k R_j R_i, in the order's own axes: M[k, i] = -parity sin(j) and so on.
    m = quat.to_matrix(quaternions)
    cosine = np.hypot(m[:, i, i], m[:, j, i])
    locked = cosine < 1e-6
    first = np.where(
        locked, np.arctan2(-parity * m[:, j, k], m[:, j, j]), np.arctan2(parity * m[:, k, j], m[:, k, k])
    )
    second = np.arctan2(-parity * m[:, k, i], cosine)
    third = np.where(locked, 0.0, np.arctan2(parity * m[:, j, i], m[:, i, i]))
    one = np.zeros((len(m), 3))
    one[:, i], one[:, j], one[:, k] = first, second, third
    other = np.zeros_like(one)
    other[:, i], other[:, j], other[:, k] = first + np.pi, np.pi - second, third + np.pi
    return _nearest(one, other)


def _nearest(one: FloatArray, other: FloatArray) -> FloatArray:
    """Of two equal sets of angles (T, 3), and their full turns, the one nearest to the frame before."""
    both = np.stack([one, other], axis=1)
    from_zero = _wrapped(both[0]).sum(axis=-1)
    steps = _wrapped(both[1:, None, :] - both[:-1, :, None]).sum(axis=-1)  # (T - 1, before, after)
    best = np.argmin(steps, axis=-1).tolist()
    chosen = [int(np.argmin(from_zero))]
    for choices in best:
        chosen.append(choices[chosen[-1]])
    angles = np.take_along_axis(both, np.array(chosen)[:, None, None], axis=1)[:, 0]
    start = np.round(angles[:1] / _TAU) * _TAU
    return np.unwrap(angles, axis=0) - start


def same_rotations(channels: FloatArray, rotation_mode: str) -> list[FloatArray]:
    """The ways (T, C) to write the same rotations, apart from full turns: the given one and its twin."""
    if rotation_mode in ("QUATERNION", "AXIS_ANGLE"):
        return [channels, -channels]
    i, j, k = ("XYZ".index(letter) for letter in rotation_mode)
    twin = channels.copy()
    twin[:, i], twin[:, j], twin[:, k] = channels[:, i] + np.pi, np.pi - channels[:, j], channels[:, k] + np.pi
    return [channels, twin]


def aligned(channels: FloatArray, reference: FloatArray, rotation_mode: str) -> FloatArray:
    """The same rotations (T, C), still continuous, written so that the first is nearest to ``reference`` (C,)."""
    turning = {"QUATERNION": slice(0, 0), "AXIS_ANGLE": slice(0, 1)}.get(rotation_mode, slice(None))
    candidates = []
    for written in same_rotations(channels, rotation_mode):
        candidate = written.copy()
        candidate[:, turning] += _TAU * np.round((reference[turning] - written[0, turning]) / _TAU)
        candidates.append(candidate)
    return min(candidates, key=lambda item: float(np.abs(item[0] - reference).sum()))


def to_quaternions(channels: FloatArray, rotation_mode: str) -> FloatArray:
    """Channels (T, 4) or (T, 3) of a rotation mode to rotations (T, 4)."""
    if rotation_mode == "QUATERNION":
        return quat.normalize(channels)
    if rotation_mode == "AXIS_ANGLE":
        return quat.from_axis_angle(quat.normalize(channels[:, 1:]), channels[:, 0])
    result = np.broadcast_to(quat.identity(), (len(channels), 4))
    for letter in rotation_mode:  # XYZ: first about x, so later turns come from the left
        axis = "XYZ".index(letter)
        result = quat.mul(
            quat.from_axis_angle(np.eye(3)[[axis]].repeat(len(channels), 0), channels[:, axis]), result
        )
    return result


def _wrapped(angles: FloatArray) -> FloatArray:
    """Distance from zero when full turns do not count."""
    return np.abs(angles - _TAU * np.round(angles / _TAU))


def bone_path(bone: str, name: str) -> str:
    """Data path of a pose bone's property."""
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{name}'


def custom_property_path(bone: str, name: str) -> str:
    """Data path of a pose bone's custom property."""
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"]["{bpy.utils.escape_identifier(name)}"]'


def write_channels(
    choice: compat.ActionChoice,
    pose_bone: bpy.types.PoseBone,
    frames: FloatArray,
    channels: FloatArray,
    interpolation: str = "BEZIER",
) -> None:
    """F-curves of a bone's rotation from its channels (T, C)."""
    path = bone_path(pose_bone.name, rotation_property(pose_bone.rotation_mode))
    for index, values in enumerate(channels.T):
        curve = compat.new_curve(choice, path, index, pose_bone.name)
        write_keys(curve, frames, values, interpolation)


def write_keys(curve: bpy.types.FCurve, frames: FloatArray, values: FloatArray, interpolation: str) -> None:
    """Fill an empty F-curve with one key for each frame."""
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    _set_enum(points, "interpolation", interpolation)
    for side in ("handle_left_type", "handle_right_type"):
        _set_enum(points, side, "AUTO_CLAMPED")
    _set_generated(points)
    curve.update()


def write_keys_with_handles(
    curve: bpy.types.FCurve, frames: FloatArray, values: FloatArray, left: FloatArray, right: FloatArray
) -> None:
    """Fill an empty F-curve with Bezier keys whose aligned handles end at ``left`` and ``right`` (K, 2)."""
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    _set_enum(points, "interpolation", "BEZIER")
    for side, places in (("handle_left", left), ("handle_right", right)):
        _set_enum(points, f"{side}_type", "ALIGNED")
        points.foreach_set(side, places.astype(np.float32).ravel())
    _set_generated(points)
    curve.update()


def _set_generated(points: bpy.types.FCurveKeyframePoints) -> None:
    points.foreach_set("type", np.full(len(points), compat.GENERATED_KEY, dtype=np.int32))


def _set_enum(points: bpy.types.FCurveKeyframePoints, name: str, value: str) -> None:
    number = bpy.types.Keyframe.bl_rna.properties[name].enum_items[value].value
    points.foreach_set(name, np.full(len(points), number, dtype=np.int32))


def key_frames(num_frames: int, fps: float, scene_fps: float, frame_start: float) -> FloatArray:
    """(T,) scene frame of each motion frame; not a whole number where the rates do not divide."""
    return frame_start + np.arange(num_frames) * (scene_fps / fps)


def whole_frames(keys: FloatArray, quaternions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations (T, 4) at evenly spaced ``keys`` (T,) resampled to every whole frame that they span.

    Smooth in between: cubic Bezier curves of rotations (Kim, Kim & Shin 1995) whose speed at a key is the mean of
    the speeds on both sides.
    """
    first, last = int(np.ceil(keys[0] - 1e-6)), int(np.floor(keys[-1] + 1e-6))
    frames = np.arange(first, max(first, last) + 1, dtype=float)
    if len(keys) == 1:
        return frames, np.broadcast_to(quaternions, (len(frames), 4))
    before = np.clip(np.searchsorted(keys, frames, side="right") - 1, 0, len(keys) - 2)
    t = np.clip((frames - keys[before]) / (keys[before + 1] - keys[before]), 0.0, 1.0)
    steps = quat.mul(quat.inv(quaternions[:-1]), quaternions[1:])
    padded = np.concatenate([steps[:1], steps, steps[-1:]])
    # A third of the speed at each key, as a turn in the key's own axes.
    thirds = quat.power(quat.slerp(padded[:-1], padded[1:], 0.5), 1 / 3)
    out, back = thirds[:-1], thirds[1:]
    middle = quat.mul(quat.mul(quat.inv(out), steps), quat.inv(back))
    turn = quat.mul(quaternions[before], quat.power(out[before], 1 - (1 - t) ** 3))
    turn = quat.mul(turn, quat.power(middle[before], 3 * t**2 - 2 * t**3))
    return frames, quat.mul(turn, quat.power(back[before], t**3))
