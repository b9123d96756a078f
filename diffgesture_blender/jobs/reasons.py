# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a button cannot be pressed now, in a sentence's beginning; cheap, since panels ask while drawing."""

import bpy

from .. import compat
from ..animation.layers import own_strips
from ..settings.of_character import settings_for, settings_of
from ..sound import source as audio_source
from ..state import character
from ..state.session import session
from .scene_plan import candidates


def _busy_reason(context: bpy.types.Context) -> str | None:
    if session.job is not None:
        return "Gestures are being generated"
    if session.check is not None:
        return "The backend is being checked or installed"
    return "There is no scene" if context.scene is None else None


def generate_scene_disabled_reason(context: bpy.types.Context) -> str | None:
    """Why Generate Scene cannot be pressed now; None if it can."""
    reason = _busy_reason(context)
    if reason is not None:
        return reason
    scene = context.scene
    if not any(settings_for(armature, scene).take_part for armature in candidates(scene)):
        return "The scene has no character"
    return None


def generate_disabled_reason(context: bpy.types.Context) -> str | None:
    """Why Generate cannot be pressed now; None if it can. Cheap: panels ask it while drawing."""
    busy = _busy_reason(context)
    if busy is not None:
        return busy
    reason = audio_source.missing_reason(settings_of(context))
    if reason is not None:
        return reason
    armature = character.chosen_armature(context.scene.diffgesture, context)
    return "Choose the character's armature" if armature is None else character.unusable_reason(armature)


def regenerate_disabled_reason(context: bpy.types.Context) -> str | None:
    """Why a part cannot be regenerated now; None if it can."""
    return generate_disabled_reason(context) or _part_disabled_reason(context)


def regenerate_in_scene_disabled_reason(context: bpy.types.Context) -> str | None:
    """Why a part of the chosen character's dialogue cannot be regenerated now; None if it can."""
    return generate_scene_disabled_reason(context) or _part_disabled_reason(context)


def _part_disabled_reason(context: bpy.types.Context) -> str | None:
    scene, settings = context.scene, settings_of(context)
    armature = character.chosen_armature(scene.diffgesture, context)
    if armature is None or compat.current_action(armature).action is None:
        strips = [] if armature is None else [strip for strip in own_strips(armature) if not strip.mute]
        if not strips:
            return "The character has no action yet; generate gestures first"
        if strips[0].blend_type != "REPLACE":
            return "An additive strip plays, of which no part can be regenerated"
    if settings.use_reference:
        return "The reference algorithm cannot keep a part of a motion"
    if settings.regenerate == "PREVIEW" and not scene.use_preview_range:
        return "The timeline shows no preview range"
    if settings.regenerate == "FRAMES" and settings.regenerate_end <= settings.regenerate_start:
        return "The range ends before it starts"
    return None
