# SPDX-License-Identifier: GPL-3.0-or-later
"""From the local rotations of all bones to keys: how many, where, and on what layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import bpy
import numpy as np

from .. import compat
from . import keyframes
from .key_reduction import ReducedCurve, reduce_keys, write_reduced
from .layers import Layer, additive_channels

FloatArray = np.ndarray

KeyMode = Literal["MOTION", "WHOLE_FRAMES", "REDUCED"]
KEY_MODES: Final = (
    ("MOTION", "Model Rate", "A key for each frame of the model (15 a second), smooth in between"),
    ("WHOLE_FRAMES", "Every Frame", "A key on every frame of the scene"),
    ("REDUCED", "Few Keys", "Only the keys that are needed to stay within an angle, to edit by hand"),
)
LAYERS: Final = (
    ("ACTION", "New Action", "A new action animates the character; the old one keeps its keys"),
    ("STRIP", "NLA Strip", "A strip above what animates the character now, which replaces it for its duration"),
    ("ADDITIVE", "Additive Strip", "A strip that adds the gestures to what animates the character now"),
)


@dataclass(frozen=True)
class KeyOptions:
    """``max_error`` in degrees, of each bone against its parent, counts for REDUCED keys."""

    mode: KeyMode = "MOTION"
    max_error: float = 1.0
    interpolation: str = "BEZIER"
    layer: Layer = "ACTION"


@dataclass(frozen=True)
class KeyReport:
    """``longest``: keys of the curve with most; ``total``: of all curves; ``error``: degrees lost by reduction."""

    longest: int
    total: int
    error: float


@dataclass(frozen=True)
class BoneKeys:
    """One bone's keys to be: times (K,) in scene frames, channels (K, C) for its rotation mode."""

    mode: str
    times: FloatArray
    channels: FloatArray
    reduced: ReducedCurve | None = None


def bone_keys(
    local: FloatArray, frames: FloatArray, mode: str, options: KeyOptions, rest: FloatArray | None = None
) -> BoneKeys:
    """Keys of local rotations (T, 4) at scene frames (T,); ``rest`` (4,) as in ``write_rotations``. No Blender."""
    times, turns = frames, local
    if options.mode != "MOTION":
        times, turns = keyframes.whole_frames(frames, local)
    plain = rest is None
    channels = keyframes.rotation_channels(turns, mode) if plain else additive_channels(turns, rest, mode)
    if options.mode != "REDUCED":
        return BoneKeys(mode, times, channels)
    return BoneKeys(mode, times, channels, reduce_keys(times, channels, mode, options.max_error))


def write_rotations(
    choice: compat.ActionChoice,
    armature: bpy.types.Object,
    rotations: Mapping[str, FloatArray],
    frames: FloatArray,
    options: KeyOptions,
    rest: Mapping[str, FloatArray] | None = None,
    ready: Mapping[str, BoneKeys] | None = None,
) -> KeyReport:
    """Key every bone's local rotations (T, 4) at scene frames (T,).

    ``rest``: bone -> rotation (4,) from which an additive layer is measured; None for any other. ``ready``: keys
    of bones that have been computed already.
    """
    longest, total, error = 0, 0, 0.0
    for name, local in rotations.items():
        pose_bone = armature.pose.bones[name]
        keys = ready.get(name) if ready is not None else None
        if keys is None or keys.mode != pose_bone.rotation_mode:
            keys = bone_keys(local, frames, pose_bone.rotation_mode, options, rest[name] if rest else None)
        if keys.reduced is not None:
            write_reduced(choice, pose_bone, keys.reduced)
            count, error = len(keys.reduced.frames), max(error, keys.reduced.error)
        else:
            keyframes.write_channels(choice, pose_bone, keys.times, keys.channels, options.interpolation)
            count = len(keys.times)
        longest, total = max(longest, count), total + count * keys.channels.shape[1]
    return KeyReport(longest, total, error)
