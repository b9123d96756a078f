# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes of a character: recorded with each generation, shown, accepted or rejected.

Generated keys carry Blender's key type *Generated*. To accept a take makes them keys like the user's own; to
reject it removes them and leaves what the user has added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import bpy
import numpy as np

from .. import compat
from .layers import own_strips


def record(
    armature: bpy.types.Object,
    action: bpy.types.Action,
    previous: bpy.types.Action | None,
    *,
    speech: str,
    seed: int,
    frames: tuple[int, int],
    settings: Mapping[str, Any],
) -> None:
    """Add a take to the character's list and make it the active one.

    Where the add-on runs without being registered (the command line from a checkout) there are no lists.
    """
    if not hasattr(bpy.types.Object, "diffgesture_takes"):
        return
    forget_deleted(armature)
    take = armature.diffgesture_takes.add()
    take.action, take.previous = action, previous
    take.name, take.speech, take.seed = action.name, speech, seed
    take.frame_start, take.frame_end = frames
    take.settings = json.dumps(settings, sort_keys=True, default=str)
    armature.diffgesture_take = len(armature.diffgesture_takes) - 1


def forget_deleted(armature: bpy.types.Object) -> None:
    """Drop the takes whose actions are gone."""
    takes = armature.diffgesture_takes
    for index in reversed(range(len(takes))):
        if takes[index].action is None:
            takes.remove(index)
    armature.diffgesture_take = min(armature.diffgesture_take, max(len(takes) - 1, 0))


def active_take(armature: bpy.types.Object) -> bpy.types.PropertyGroup | None:
    """The take that is chosen in the list; None without one or where its action is gone."""
    takes, index = armature.diffgesture_takes, armature.diffgesture_take
    return takes[index] if 0 <= index < len(takes) and takes[index].action is not None else None


def is_shown(armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> bool:
    """Whether the take animates the character now, as its action or as a strip that is heard."""
    if compat.current_action(armature).action == take.action:
        return True
    return any(strip.action == take.action and not strip.mute for strip in own_strips(armature))


def show(armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> None:
    """Let the take animate the character in place of the other takes, the way it did when it was made."""
    strips = own_strips(armature)
    mine = [strip for strip in strips if strip.action == take.action]
    if mine:
        takes = {item.action for item in armature.diffgesture_takes}
        for strip in strips:
            if strip.action in takes and _overlap(strip, mine[0]):
                strip.mute = strip.action != take.action
        return
    assign(armature, take.action)


def assign(armature: bpy.types.Object, action: bpy.types.Action | None) -> None:
    """Let the action animate the armature, through the slot that was made for it."""
    compat.assign_action(armature, compat.choice_for(armature, action))


def accept(armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> int:
    """Make the generated keys the user's own; how many there were."""
    generated = 0
    for curve in _curves(armature, take.action):
        types = key_types(curve)
        mine = types == compat.GENERATED_KEY
        generated += int(mine.sum())
        types[mine] = compat.OWN_KEY
        curve.keyframe_points.foreach_set("type", types)
        curve.update()
    take.accepted = True
    return generated


def reject(armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> bool:
    """Remove what was generated, and the take from the list; True where keys of the user's own remain.

    Where nothing remains, the action goes too, and what animated the character before does so again.
    """
    action, previous = take.action, take.previous
    shared = _animates_others(armature, action)  # a copy of the character has the same takes
    kept = not shared and _remove_generated(armature, action)
    index = next(i for i, item in enumerate(armature.diffgesture_takes) if item == take)
    armature.diffgesture_takes.remove(index)
    armature.diffgesture_take = max(0, min(index, len(armature.diffgesture_takes) - 1))
    if kept:
        return True
    was_shown = compat.current_action(armature).action == action
    _remove_strips(armature, action)
    if not shared:
        bpy.data.actions.remove(action)
    if was_shown:
        assign(armature, previous)
    armature.update_tag()
    return False


def key_types(curve: bpy.types.FCurve) -> np.ndarray:
    """(K,) numbers of the types of a curve's keys."""
    types = np.zeros(len(curve.keyframe_points), dtype=np.int32)
    curve.keyframe_points.foreach_get("type", types)
    return types


def _curves(armature: bpy.types.Object, action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All curves of the action that are the armature's."""
    choice = compat.choice_for(armature, action)
    if not compat.animates(choice):
        return []
    try:
        return list(compat.curves_of(choice))
    except LookupError:
        return []


def _remove_generated(armature: bpy.types.Object, action: bpy.types.Action) -> bool:
    """Take the generated keys out of the action; whether any key is left. Nothing is touched if none would be."""
    curves = _curves(armature, action)
    own = [key_types(curve) != compat.GENERATED_KEY for curve in curves]
    if not any(keys.any() for keys in own):
        return False
    collection = compat.curves_of(compat.choice_for(armature, action))
    for curve, keep in zip(curves, own, strict=True):
        if not keep.any():
            collection.remove(curve)
            continue
        for index in np.flatnonzero(~keep)[::-1]:
            curve.keyframe_points.remove(curve.keyframe_points[int(index)], fast=True)
        curve.update()
    return True


def _animates_others(armature: bpy.types.Object, action: bpy.types.Action) -> bool:
    """Whether another object plays the action."""
    for item in bpy.data.objects:
        animation = item.animation_data
        if item == armature or animation is None:
            continue
        strips = (strip for track in animation.nla_tracks for strip in track.strips)
        if animation.action == action or any(strip.action == action for strip in strips):
            return True
    return False


def _remove_strips(armature: bpy.types.Object, action: bpy.types.Action) -> None:
    """Take the action's strips and their empty tracks away; the topmost other take at their time plays again."""
    animation = armature.animation_data
    if animation is None:
        return
    for track in reversed(animation.nla_tracks[:]):
        for strip in [strip for strip in track.strips if strip.action == action]:
            heard = not strip.mute
            others = [item for item in own_strips(armature) if item.action != action and _overlap(item, strip)]
            track.strips.remove(strip)
            if heard and others:
                others[0].mute = False
        if not len(track.strips):
            animation.nla_tracks.remove(track)


def _overlap(one: bpy.types.NlaStrip, other: bpy.types.NlaStrip) -> bool:
    return one.frame_start < other.frame_end and other.frame_start < one.frame_end
