# SPDX-License-Identifier: GPL-3.0-or-later
"""New keys between old ones: a copy of an action in which some spans of time are generated anew.

Keys outside of the spans stay. Where a span joins the old animation, the new rotations are bent so that they start
from the old pose, which fades out over half a second: generation aims at the old pose, but a rig's own proportions
and the retargeting leave a small difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np

from .. import compat
from ..rig import quaternion as quat
from . import keyframes
from .key_reduction import ReducedCurve, reduce_keys
from .key_writing import KeyOptions, KeyReport

FloatArray = np.ndarray

JOIN_SECONDS: Final = 0.5
_SAME_FRAME: Final = 1e-3
# A key this near to a join would only fight with it (scene frames, as a part of the step between keys).
_CLEARANCE: Final = 0.25
# Where a rotation continues in another way of writing it, the change takes this long (scene frames).
_REWRITE: Final = 0.01


@dataclass(frozen=True)
class Span:
    """Scene frames to regenerate; ``joins_start`` and ``joins_end``: the old pose there is kept."""

    start: float
    end: float
    joins_start: bool = True
    joins_end: bool = True


def splice(
    armature_object: bpy.types.Object,
    old: compat.ActionChoice,
    new: compat.ActionChoice,
    rotations: Mapping[str, FloatArray],
    frames: FloatArray,
    spans: Sequence[Span],
    fps: float,
    options: KeyOptions | None = None,
) -> KeyReport:
    """Replace the keys of ``new``, a copy of ``old``, inside the spans; what was written.

    ``rotations``: bone -> local rotations (T, 4) at the scene frames ``frames`` (T,); ``fps`` of the scene;
    ``options``: how many keys.
    """
    options = options or KeyOptions()
    longest, total, error = 0, 0, 0.0
    for name, local in rotations.items():
        pose_bone = armature_object.pose.bones[name]
        mode = pose_bone.rotation_mode
        times, turns = (frames, local) if options.mode == "MOTION" else keyframes.whole_frames(frames, local)
        pieces = [_piece(old, pose_bone, turns, times, span, fps) for span in spans]
        slopes: list[FloatArray | None] = [None] * len(spans)
        if options.mode == "REDUCED":
            for place, (piece, span) in enumerate(zip(pieces, spans, strict=True)):
                if len(piece[0]) > 2:
                    reduced, kept = _reduced(piece, span, mode, options.max_error)
                    pieces[place], slopes[place] = (reduced.frames, reduced.values), reduced.slopes
                    error = max(error, kept)
        count = sum(len(piece_times) for piece_times, _ in pieces)
        longest, total = max(longest, count), total + count * pieces[0][1].shape[1]
        path = keyframes.bone_path(name, keyframes.rotation_property(mode))
        for index in range(pieces[0][1].shape[1]):
            curve = compat.find_curve(new, path, index) or compat.new_curve(new, path, index, name)
            for span, (key_times, channels), slope in zip(spans, pieces, slopes, strict=True):
                _replace_keys(
                    curve, span, key_times, channels[:, index], None if slope is None else slope[:, index]
                )
    return KeyReport(longest, total, error)


def _reduced(
    piece: tuple[FloatArray, FloatArray], span: Span, mode: str, max_error: float
) -> tuple[ReducedCurve, float]:
    """Few keys for a piece, and the degrees lost; a key that only rewrites the join at the end stays as it is."""
    times, channels = piece
    rewritten = span.joins_end and len(times) > 2 and times[-1] - times[-2] <= 2 * _REWRITE
    if not rewritten:
        reduced = reduce_keys(times, channels, mode, max_error)
        return reduced, reduced.error
    reduced = reduce_keys(times[:-1], channels[:-1], mode, max_error)
    whole = ReducedCurve(
        np.append(reduced.frames, times[-1]),
        np.concatenate([reduced.values, channels[-1:]]),
        np.concatenate([reduced.slopes, np.zeros((1, channels.shape[1]))]),
        reduced.error,
    )
    return whole, reduced.error


def pose_channels(choice: compat.ActionChoice, pose_bone: bpy.types.PoseBone, frame: float) -> FloatArray:
    """(C,) rotation channels of a bone at a frame: from the action where it has curves, else as posed now."""
    name = keyframes.rotation_property(pose_bone.rotation_mode)
    path = keyframes.bone_path(pose_bone.name, name)
    values = list(getattr(pose_bone, name))
    for index in range(len(values)):
        curve = compat.find_curve(choice, path, index)
        if curve is not None and len(curve.keyframe_points):
            values[index] = curve.evaluate(frame)
    return np.array(values, dtype=float)


def _piece(
    old: compat.ActionChoice,
    pose_bone: bpy.types.PoseBone,
    local: FloatArray,
    frames: FloatArray,
    span: Span,
    fps: float,
) -> tuple[FloatArray, FloatArray]:
    """Key times (K,) and channels (K, C) of one bone in one span, the keys at its joins included."""
    mode = pose_bone.rotation_mode
    clearance = _CLEARANCE * float(np.diff(frames[:2])[0]) if len(frames) > 1 else 0.0
    low = span.start + clearance if span.joins_start else span.start - _SAME_FRAME
    high = span.end - clearance if span.joins_end else span.end + _SAME_FRAME
    inside = (frames >= low) & (frames <= high)
    times, turns = frames[inside], local[inside]
    width = max(min(JOIN_SECONDS * fps, (span.end - span.start) / 2), 1e-6)
    joins = [(span.start, span.joins_start), (span.end, span.joins_end)]
    kept = {at: pose_channels(old, pose_bone, at) for at, joined in joins if joined}
    for at, channels in kept.items():
        wanted = keyframes.to_quaternions(channels[None], mode)[0]
        turns = _bent(turns, times, at, wanted, _at(local, frames, at), width)
    if span.joins_start:
        first = keyframes.to_quaternions(kept[span.start][None], mode)
        times, turns = np.append(span.start, times), np.concatenate([first, turns])
    if span.joins_end:
        last = keyframes.to_quaternions(kept[span.end][None], mode)
        times, turns = np.append(times, span.end), np.concatenate([turns, last])
    if not len(times):
        return times, np.zeros((0, len(pose_channels(old, pose_bone, span.start))))
    channels = keyframes.rotation_channels(turns, mode)
    channels = keyframes.aligned(channels, kept.get(span.start, pose_channels(old, pose_bone, span.start)), mode)
    if span.joins_start:
        channels[0] = kept[span.start]
    if span.joins_end:
        target = kept[span.end]
        if np.abs(channels[-1] - target).max() > 1e-3:
            times = np.insert(times, -1, span.end - _REWRITE)
            channels = np.insert(channels, -1, channels[-1], axis=0)
        channels[-1] = target
    return times, channels


def _bent(
    turns: FloatArray, times: FloatArray, at: float, wanted: FloatArray, present: FloatArray, width: float
) -> FloatArray:
    """Rotations (K, 4) turned by what takes ``present`` to ``wanted`` (4,) at frame ``at``, fading out."""
    x = np.clip(np.abs(times - at) / width, 0.0, 1.0)
    weight = 1.0 - x**3 * (10 - 15 * x + 6 * x**2)
    correction = np.broadcast_to(quat.mul(wanted, quat.inv(present)), turns.shape)
    return quat.mul(quat.power(correction, weight), turns)


def _at(local: FloatArray, frames: FloatArray, at: float) -> FloatArray:
    """(4,) the rotations (T, 4) at a frame between those they are given for; the nearest beyond them."""
    position = float(np.interp(at, frames, np.arange(len(frames))))
    before = min(int(position), max(len(frames) - 2, 0))
    after = min(before + 1, len(frames) - 1)
    return quat.slerp(local[before], local[after], np.array(position - before))


def _replace_keys(
    curve: bpy.types.FCurve, span: Span, times: FloatArray, values: FloatArray, slopes: FloatArray | None
) -> None:
    """Put keys into a span of a curve in the place of those it had there; the curve outside does not change.

    ``slopes`` (K,) per frame at the keys; None lets Blender choose the handles.
    """
    if len(curve.keyframe_points):
        for at, joined in ((span.start, span.joins_start), (span.end, span.joins_end)):
            if joined:
                split_curve(curve, at)
    points = curve.keyframe_points
    frames = key_frames_of(curve)
    at_start = span.joins_start & (np.abs(frames - span.start) <= _SAME_FRAME)
    at_end = span.joins_end & (np.abs(frames - span.end) <= _SAME_FRAME)
    inside = (frames >= span.start - _SAME_FRAME) & (frames <= span.end + _SAME_FRAME)
    for index in np.flatnonzero(at_start):
        points[int(index)].interpolation = "BEZIER"
    gone = inside & ~at_start & ~at_end
    for index in np.flatnonzero(gone)[::-1]:
        points.remove(points[int(index)], fast=True)
    left = frames[~gone]
    free = np.abs(times[:, None] - left[None]).min(axis=1, initial=np.inf) > _SAME_FRAME
    first = len(points)
    points.add(int(free.sum()))
    for offset, (time, value) in enumerate(zip(times[free], values[free], strict=True)):
        point = points[first + offset]
        point.co = (time, value)
        rewrites = span.joins_end and abs(time - (span.end - _REWRITE)) <= _SAME_FRAME
        point.interpolation = "CONSTANT" if rewrites else "BEZIER"
        point.handle_left_type = point.handle_right_type = "AUTO_CLAMPED"
        point.type = "GENERATED"
    curve.update()
    if slopes is not None and len(times) > 1:
        _set_slopes(curve, times, slopes)


def _set_slopes(curve: bpy.types.FCurve, times: FloatArray, slopes: FloatArray) -> None:
    """Handles between the keys at ``times`` (K,) that give the cubics with these slopes; outside none changes."""
    frames = key_frames_of(curve)
    for place, (time, slope) in enumerate(zip(times, slopes, strict=True)):
        point = curve.keyframe_points[int(np.argmin(np.abs(frames - time)))]
        point.handle_left_type = point.handle_right_type = "FREE"
        if place > 0:
            third = (time - times[place - 1]) / 3
            point.handle_left = (point.co[0] - third, point.co[1] - third * slope)
        if place < len(times) - 1:
            third = (times[place + 1] - time) / 3
            point.handle_right = (point.co[0] + third, point.co[1] + third * slope)
    curve.update()


def key_frames_of(curve: bpy.types.FCurve) -> FloatArray:
    """(K,) frames of a curve's keys."""
    coordinates = np.zeros(2 * len(curve.keyframe_points), dtype=np.float32)
    curve.keyframe_points.foreach_get("co", coordinates)
    return coordinates[::2]


def split_curve(curve: bpy.types.FCurve, frame: float) -> None:
    """A key at ``frame`` that leaves the curve's shape as it is and holds it: its handles follow no neighbour.

    The curve must have a key.
    """
    points = curve.keyframe_points
    frames = key_frames_of(curve)
    nearest = int(np.argmin(np.abs(frames - frame)))
    if abs(frames[nearest] - frame) <= _SAME_FRAME:
        _hold(points[nearest])
        return
    value = curve.evaluate(frame)
    after = int(np.searchsorted(frames, frame))
    slopes = None
    if 0 < after < len(frames):
        if points[after - 1].interpolation == "BEZIER":
            slopes = _cut(points[after - 1], points[after], frame)
        _hold(points[after - 1])
        _hold(points[after])
    interpolation = points[max(after - 1, 0)].interpolation
    points.add(1)
    point = points[len(points) - 1]
    point.co = (frame, value)
    point.interpolation = interpolation
    if slopes is None:
        point.handle_left_type = point.handle_right_type = "AUTO_CLAMPED"
    else:
        left, right, before_right, behind_left = slopes
        points[after - 1].handle_right, points[after].handle_left = before_right, behind_left
        point.handle_left_type = point.handle_right_type = "FREE"
        point.handle_left, point.handle_right = left, right
        point.handle_left_type = point.handle_right_type = "ALIGNED"
    curve.update()


def _hold(point: bpy.types.Keyframe) -> None:
    """Handles that Blender would adapt to the neighbours stay where they are."""
    for side in ("handle_left", "handle_right"):
        if getattr(point, f"{side}_type") in ("AUTO", "AUTO_CLAMPED", "VECTOR"):
            place = tuple(getattr(point, side))
            setattr(point, f"{side}_type", "FREE")
            setattr(point, side, place)


def _cut(before: bpy.types.Keyframe, behind: bpy.types.Keyframe, frame: float) -> tuple[FloatArray, ...]:
    """De Casteljau at ``frame``: the new key's left and right handle, and the inner handles of its neighbours."""
    p0, p3 = np.array(before.co), np.array(behind.co)
    out, back = np.array(before.handle_right) - p0, p3 - np.array(behind.handle_left)
    # As Blender does when it evaluates: handles that are longer than the segment are shortened.
    reach, length = abs(out[0]) + abs(back[0]), p3[0] - p0[0]
    shorten = min(1.0, length / reach) if reach > 0 else 1.0
    p1, p2 = p0 + shorten * out, p3 - shorten * back
    low, high = 0.0, 1.0
    for _ in range(50):
        t = 0.5 * (low + high)
        x = (1 - t) ** 3 * p0[0] + 3 * (1 - t) ** 2 * t * p1[0] + 3 * (1 - t) * t**2 * p2[0] + t**3 * p3[0]
        low, high = (t, high) if x < frame else (low, t)
    a, b, c = p0 + t * (p1 - p0), p1 + t * (p2 - p1), p2 + t * (p3 - p2)
    return a + t * (b - a), b + t * (c - b), a, c
