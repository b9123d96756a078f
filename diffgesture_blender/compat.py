# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between Blender 4.2, 4.5, 5.0 and 5.2 in one place: actions, F-curves, bone selection, sequencer.

Actions got slots, layers and channelbags in 4.4; ``Action.fcurves`` is gone since 5.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
from bpy_extras import anim_utils


@dataclass(frozen=True)
class ActionChoice:
    """Which action (and slot) animates a data-block, to be put back later."""

    action: bpy.types.Action | None
    slot: Any = None


def has_slots() -> bool:
    """Whether this Blender's actions have slots (4.4 and later)."""
    return hasattr(bpy.types, "ActionSlot")


def animates(choice: ActionChoice) -> bool:
    """Whether the choice animates anything: an action and, where there are slots, one of them."""
    return choice.action is not None and (choice.slot is not None or not has_slots())


def strip_choice(strip: bpy.types.NlaStrip) -> ActionChoice:
    """The action and slot that a strip plays."""
    return ActionChoice(strip.action, strip.action_slot if has_slots() else None)


def set_strip_slot(strip: bpy.types.NlaStrip, choice: ActionChoice) -> None:
    """Let the strip play the slot of the choice, where there are slots."""
    if has_slots():
        strip.action_slot = choice.slot


def current_action(datablock: bpy.types.ID) -> ActionChoice:
    """The action that animates the data-block now."""
    animation = datablock.animation_data
    if animation is None:
        return ActionChoice(None)
    return ActionChoice(animation.action, animation.action_slot if has_slots() else None)


def assign_action(datablock: bpy.types.ID, choice: ActionChoice) -> None:
    """Let an action (and slot) animate the data-block; None takes the action away."""
    animation = datablock.animation_data or datablock.animation_data_create()
    animation.action = choice.action
    if has_slots() and choice.action is not None and choice.slot is not None:
        animation.action_slot = choice.slot


def choice_for(datablock: bpy.types.ID, action: bpy.types.Action | None) -> ActionChoice:
    """The action with the slot that was made for the data-block, else its first."""
    if action is None or not has_slots():
        return ActionChoice(action)
    slots = list(action.slots)
    mine = (slot for slot in slots if slot.name_display == datablock.name)
    return ActionChoice(action, next(mine, slots[0] if slots else None))


def new_action(datablock: bpy.types.ID, name: str) -> ActionChoice:
    """A new empty action for the data-block, with a slot of the data-block's name; not assigned yet."""
    action = bpy.data.actions.new(name)
    if not has_slots():
        action.id_root = datablock.id_type
        return ActionChoice(action)
    slot = action.slots.new(id_type=datablock.id_type, name=datablock.name)
    action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    return ActionChoice(action, slot)


def curves_of(choice: ActionChoice) -> Any:
    """The collection of F-curves of an action's slot (``ActionFCurves`` or ``ActionChannelbagFCurves``)."""
    if not has_slots():
        return action_of(choice).fcurves
    return _channelbag(choice).fcurves


def action_of(choice: ActionChoice) -> bpy.types.Action:
    """The chosen action (LookupError if none is)."""
    if choice.action is None:
        raise LookupError("no action has been chosen")
    return choice.action


def _channelbag(choice: ActionChoice) -> Any:
    bag = anim_utils.action_get_channelbag_for_slot(action_of(choice), choice.slot)
    if bag is None:
        raise LookupError(f"the action {action_of(choice).name} has no curves for its slot")
    return bag


def copy_action(choice: ActionChoice, name: str) -> ActionChoice:
    """A copy of the action under another name, with the slot that stands for the same data-block."""
    action = action_of(choice).copy()
    action.name = name
    if not has_slots() or choice.slot is None:
        return ActionChoice(action)
    slot = next(item for item in action.slots if item.handle == choice.slot.handle)
    if anim_utils.action_get_channelbag_for_slot(action, slot) is None:
        layer = action.layers[0] if action.layers else action.layers.new("Layer")
        strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
        strip.channelbag(slot, ensure=True)
    return ActionChoice(action, slot)


def frame_range(choice: ActionChoice) -> tuple[float, float]:
    """First and last frame with a key of the slot (LookupError without curves)."""
    ends = [curve.range() for curve in curves_of(choice)]
    if not ends:
        return tuple(action_of(choice).frame_range)
    return min(start for start, _ in ends), max(end for _, end in ends)


def find_curve(choice: ActionChoice, data_path: str, index: int) -> bpy.types.FCurve | None:
    """The F-curve of a property, or None; also None where the slot has no curves at all."""
    if choice.action is None or (has_slots() and choice.slot is None):
        return None
    try:
        return curves_of(choice).find(data_path, index=index)
    except LookupError:
        return None


def new_curve(choice: ActionChoice, data_path: str, index: int, group: str) -> bpy.types.FCurve:
    """A new F-curve in a group of that name."""
    if not has_slots():
        return action_of(choice).fcurves.new(data_path, index=index, action_group=group)
    bag = _channelbag(choice)
    curve = bag.fcurves.new(data_path, index=index)
    curve.group = bag.groups.get(group) or bag.groups.new(group)
    return curve


def _key_type(name: str) -> int:
    types = bpy.types.Keyframe.bl_rna.properties["type"].enum_items
    return types[name].value


# The numbers of the types of keys: one that a program has made, one that a person has set.
GENERATED_KEY: int = _key_type("GENERATED")
OWN_KEY: int = _key_type("KEYFRAME")


# -- the video sequencer: sequences became strips in 4.4, handles and contents got their names in 5.1 ------------

# Paths say whether they may begin with "//" since 4.5.
PATH_OPTIONS: set[str] = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose strips the sequencer shows: since 5.0 it need not be the one in the 3D view."""
    return getattr(context, "sequencer_scene", None) or context.scene


def top_strips(editor: Any) -> Any:
    """The strips of a sequence editor that are in no meta strip, to which one can add."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def new_text_strip(editor: Any, name: str, channel: int, start: int, length: int) -> Any:
    """A text strip in the sequencer; effects are given a length instead of an end since 5.0."""
    place = {"name": name, "type": "TEXT", "channel": channel, "frame_start": start}
    if bpy.app.version >= (5, 0, 0):
        return top_strips(editor).new_effect(**place, length=length)
    return top_strips(editor).new_effect(**place, frame_end=start + length)


def all_strips(editor: Any) -> Any:
    """Every strip of a sequence editor, those in meta strips too."""
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def strip_ends(strip: Any) -> tuple[float, float]:
    """Scene frames of a strip's handles."""
    if hasattr(strip, "left_handle"):
        return strip.left_handle, strip.right_handle
    return strip.frame_final_start, strip.frame_final_end


def skipped_frames(strip: Any) -> float:
    """Frames of a strip's content that lie before its left handle."""
    if hasattr(strip, "left_handle_offset"):
        return strip.left_handle_offset + strip.content_trim_start
    return strip.frame_offset_start + strip.animation_offset_start


def sound_offset(strip: Any) -> float:
    """Seconds by which the sound begins later than its strip (since 4.3)."""
    return getattr(strip, "sound_offset", 0.0)


def tells_retiming() -> bool:
    """Whether sound strips show the keys of their retiming (since 4.5)."""
    kind = getattr(bpy.types, "SoundStrip", None) or bpy.types.SoundSequence
    return "retiming_keys" in kind.bl_rna.properties


def is_retimed(strip: Any, content_frames: float | None = None) -> bool:
    """Whether a strip plays its content at another speed.

    Before 4.5 sound strips do not show the keys of their retiming: there it is seen in the strip's length, if the
    length of the content in frames is known.
    """
    if hasattr(strip, "retiming_keys"):
        return len(strip.retiming_keys) > 0
    if content_frames is None:
        return False
    trimmed = strip.animation_offset_start + strip.animation_offset_end
    return abs(strip.frame_duration - (content_frames - trimmed)) > 2.0


def encode_film(render: Any) -> None:
    """Let a render write one film: H.264 and AAC in MP4, small."""
    image = render.image_settings
    if hasattr(image, "media_type"):  # 5.0 and later ask for the kind of file first
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    ffmpeg = render.ffmpeg
    ffmpeg.format, ffmpeg.codec, ffmpeg.audio_codec = "MPEG4", "H264", "AAC"
    ffmpeg.constant_rate_factor, ffmpeg.ffmpeg_preset = "MEDIUM", "REALTIME"
    ffmpeg.audio_channels, ffmpeg.audio_bitrate, ffmpeg.gopsize = "MONO", 96, 24
