# SPDX-License-Identifier: GPL-3.0-or-later
"""Gestures as a layer of the nonlinear animation: a strip above what animates the character now.

The action in use goes down to a strip of its own, at the same frames, and keeps its keys. An additive layer turns
each bone on from wherever the layers below have put it: its keys are the gestures' difference from the rest pose.
"""

from __future__ import annotations

from typing import Final, Literal

import bpy
import numpy as np

from .. import compat
from ..rig import quaternion as quat
from . import keyframes

FloatArray = np.ndarray

Layer = Literal["ACTION", "STRIP", "ADDITIVE"]

# Custom property of an action that the add-on has written.
GENERATED: Final = "diffgesture_generated"

# Scene seconds over which a strip fades in and out at its ends.
FADE_SECONDS: Final = 0.5


def push_layers(
    armature: bpy.types.Object, old: compat.ActionChoice, new: compat.ActionChoice, layer: Layer, fps: float
) -> None:
    """Make the old action a strip and the new one a strip above all others; no action stays active.

    Strips of gestures generated before that play at the same time are muted, so that gestures do not add up.
    """
    earlier = [strip for strip in own_strips(armature) if not strip.mute]
    animation = armature.animation_data or armature.animation_data_create()
    blend, influence = animation.action_blend_type, animation.action_influence
    animation.action = None
    tracks = animation.nla_tracks
    added = []
    try:
        if old.action is not None:
            track, strip = _new_strip(tracks, armature, old)
            added.append(track)
            strip.blend_type, strip.influence = blend, influence
            strip.extrapolation = animation.action_extrapolation
        track, strip = _new_strip(tracks, armature, new)
        added.append(track)
    except BaseException:
        for track in added:
            tracks.remove(track)
        raise
    for other in earlier:
        if other.frame_start < strip.frame_end and strip.frame_start < other.frame_end:
            other.mute = True
    mark_generated(compat.action_of(new))
    strip.extrapolation = "NOTHING"
    strip.blend_type = "COMBINE" if layer == "ADDITIVE" else "REPLACE"
    fade = min(FADE_SECONDS * fps, (strip.frame_end - strip.frame_start) / 2)
    strip.blend_in = strip.blend_out = fade


def mark_generated(action: bpy.types.Action) -> None:
    """Let the action be known as one that the add-on has written."""
    action[GENERATED] = True


def is_generated(action: bpy.types.Action | None) -> bool:
    """Whether the add-on has written the action."""
    return action is not None and bool(action.get(GENERATED))


def own_strips(armature: bpy.types.Object) -> list[bpy.types.NlaStrip]:
    """The strips of generated gestures, the topmost first."""
    animation = armature.animation_data
    tracks = reversed(animation.nla_tracks[:]) if animation is not None else ()
    return [strip for track in tracks for strip in track.strips if is_generated(strip.action)]


def plays_own_frames(strip: bpy.types.NlaStrip) -> bool:
    """Whether the strip plays its action's keys at their own scene frames: it was neither moved nor scaled."""
    apart = abs(strip.frame_start - strip.action_frame_start) + abs(strip.scale - 1.0) + abs(strip.repeat - 1.0)
    return apart < 1e-3


def _new_strip(
    tracks: bpy.types.NlaTracks, armature: bpy.types.Object, choice: compat.ActionChoice
) -> tuple[bpy.types.NlaTrack, bpy.types.NlaStrip]:
    """A track on top with one strip that plays the action at its own frames."""
    action = compat.action_of(choice)
    start, end = compat.frame_range(choice)
    track = tracks.new(prev=tracks[-1] if len(tracks) else None)
    track.name = action.name
    strip = track.strips.new(action.name, int(np.floor(start)), action)
    compat.set_strip_slot(strip, choice)
    end = max(end, start + 1.0)
    strip.action_frame_start, strip.action_frame_end = start, end
    strip.frame_start, strip.frame_end = start, end
    # Set again: each end keeps the strip from growing over the other while it is set.
    strip.frame_start = start
    return track, strip


def additive_channels(turns: FloatArray, rest: FloatArray, rotation_mode: str) -> FloatArray:
    """Channels (T, C) that, added by a Combine strip onto the rotation ``rest`` (4,), give ``turns`` (T, 4).

    Combine multiplies quaternions from the right and adds all other channels.
    """
    if rotation_mode == "QUATERNION":
        return keyframes.rotation_channels(quat.mul(quat.inv(rest), turns), rotation_mode)
    base = keyframes.rotation_channels(rest[None], rotation_mode)[0]
    return keyframes.aligned(keyframes.rotation_channels(turns, rotation_mode), base, rotation_mode) - base
