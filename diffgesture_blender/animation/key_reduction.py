# SPDX-License-Identifier: GPL-3.0-or-later
"""Few keys instead of many: Bezier curves that stay within an angle of the rotations they stand for.

Keys lie at the same frames for all channels of a bone, with aligned handles, so that an animator can move them.
Between two keys each channel is a cubic with the slopes that fit best (least squares over the whole curve); a key
is added wherever the fit is worst until all of it is good enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np

from .. import compat
from ..rig import quaternion as quat
from . import keyframes

FloatArray = np.ndarray

_FIRST_STEP: Final = 60.0
# Pulls slopes towards the data's own, so that a segment with no samples inside has one.
_SLOPE_PRIOR: Final = 1e-3


@dataclass(frozen=True)
class ReducedCurve:
    """Keys of one bone: ``frames`` (K,), ``values`` and ``slopes`` (K, C) per frame; ``error`` in degrees."""

    frames: FloatArray
    values: FloatArray
    slopes: FloatArray
    error: float


def reduce_keys(frames: FloatArray, channels: FloatArray, rotation_mode: str, max_error: float) -> ReducedCurve:
    """Few keys for channels (T, C) at ``frames`` (T,), nowhere more than ``max_error`` degrees off."""
    wanted = keyframes.to_quaternions(channels, rotation_mode)
    count = len(frames)
    chosen = np.unique([0, *range(0, count - 1, max(1, int(_FIRST_STEP))), count - 1])
    while True:
        slopes = _best_slopes(frames, channels, chosen)
        errors = _errors(frames, channels, chosen, slopes, wanted, rotation_mode)
        if errors.max(initial=0.0) <= max_error or len(chosen) == count:
            return ReducedCurve(frames[chosen], channels[chosen], slopes, float(errors.max(initial=0.0)))
        # One new key in every segment that is not good enough, where it is worst.
        segment = np.searchsorted(chosen, np.arange(count), side="right") - 1
        order = np.lexsort((errors, segment))
        worst = order[np.append(np.flatnonzero(np.diff(segment)), count - 1)]
        chosen = np.union1d(chosen, worst[errors[worst] > max_error])


def _basis(frames: FloatArray, keys: FloatArray) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Segment (T,) of each frame and the four Hermite functions there: value, slope, next value, next slope."""
    segment = np.clip(np.searchsorted(keys, frames, side="right") - 1, 0, max(len(keys) - 2, 0))
    if len(keys) == 1:
        return segment, (np.ones_like(frames), *(np.zeros_like(frames),) * 3)
    length = keys[segment + 1] - keys[segment]
    t = (frames - keys[segment]) / length
    functions = (
        (1 + 2 * t) * (1 - t) ** 2,
        t * (1 - t) ** 2 * length,
        t**2 * (3 - 2 * t),
        t**2 * (t - 1) * length,
    )
    return segment, functions


def _best_slopes(frames: FloatArray, channels: FloatArray, chosen: FloatArray) -> FloatArray:
    """(K, C) slopes at the keys with the least squared error; the values at the keys are the data's."""
    data = np.gradient(channels, frames, axis=0)[chosen] if len(frames) > 1 else np.zeros_like(channels)
    if len(chosen) < 2:
        return data
    keys = frames[chosen]
    segment, (h0, h1, h2, h3) = _basis(frames, keys)
    rest = channels - h0[:, None] * channels[chosen][segment] - h2[:, None] * channels[chosen][segment + 1]
    # Only neighbours share a segment: the normal equations are tridiagonal.
    diagonal = np.full(len(keys), _SLOPE_PRIOR)
    right = _SLOPE_PRIOR * data
    for function, at in ((h1, segment), (h3, segment + 1)):
        diagonal += np.bincount(at, function * function, len(keys))
        for channel in range(right.shape[1]):
            right[:, channel] += np.bincount(at, function * rest[:, channel], len(keys))
    beside = np.bincount(segment, h1 * h3, len(keys) - 1)
    return _solve_tridiagonal(diagonal, beside, right)


def _solve_tridiagonal(diagonal: FloatArray, beside: FloatArray, right: FloatArray) -> FloatArray:
    """X (K, C) with a symmetric, positive definite matrix of ``diagonal`` (K,) and ``beside`` (K-1,) it.

    Parallel cyclic reduction (Hockney 1965): each round removes the neighbours at twice the distance of all rows
    at once, log2(K) rounds in all.
    """
    count = len(diagonal)
    lower, upper = np.concatenate([[0.0], beside]), np.concatenate([beside, [0.0]])
    step = 1
    while step < count:
        before, after = slice(None, -step), slice(step, None)
        down, up = np.zeros(count), np.zeros(count)
        down[after] = -lower[after] / diagonal[before]
        up[before] = -upper[before] / diagonal[after]
        new_diagonal, new_right = diagonal.copy(), right.copy()
        new_lower, new_upper = np.zeros(count), np.zeros(count)
        new_diagonal[after] += down[after] * upper[before]
        new_diagonal[before] += up[before] * lower[after]
        new_right[after] += down[after, None] * right[before]
        new_right[before] += up[before, None] * right[after]
        new_lower[after] = down[after] * lower[before]
        new_upper[before] = up[before] * upper[after]
        diagonal, right, lower, upper = new_diagonal, new_right, new_lower, new_upper
        step *= 2
    return right / diagonal[:, None]


def _errors(
    frames: FloatArray,
    channels: FloatArray,
    chosen: FloatArray,
    slopes: FloatArray,
    wanted: FloatArray,
    rotation_mode: str,
) -> FloatArray:
    """(T,) degrees between the curves through the keys and the rotations (T, 4) they stand for."""
    values = channels[chosen]
    segment, (h0, h1, h2, h3) = _basis(frames, frames[chosen])
    after = np.minimum(segment + 1, len(chosen) - 1)
    fitted = h0[:, None] * values[segment] + h1[:, None] * slopes[segment]
    fitted = fitted + h2[:, None] * values[after] + h3[:, None] * slopes[after]
    turns = keyframes.to_quaternions(fitted, rotation_mode)
    return np.degrees(quat.angle(quat.mul(quat.inv(wanted), turns)))


def write_reduced(choice: compat.ActionChoice, pose_bone: bpy.types.PoseBone, curve: ReducedCurve) -> None:
    """Write the keys of one bone with handles that give exactly the fitted cubics."""
    path = keyframes.bone_path(pose_bone.name, keyframes.rotation_property(pose_bone.rotation_mode))
    lengths = np.diff(curve.frames)
    before = np.concatenate([lengths[:1], lengths]) / 3 if len(lengths) else np.ones(1)
    after = np.concatenate([lengths, lengths[-1:]]) / 3 if len(lengths) else np.ones(1)
    for index in range(curve.values.shape[1]):
        values, slopes = curve.values[:, index], curve.slopes[:, index]
        left = np.column_stack([curve.frames - before, values - before * slopes])
        right = np.column_stack([curve.frames + after, values + after * slopes])
        fcurve = compat.new_curve(choice, path, index, pose_bone.name)
        keyframes.write_keys_with_handles(fcurve, curve.frames, values, left, right)
