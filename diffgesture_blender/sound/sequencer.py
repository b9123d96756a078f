# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound in Blender's time: strips of the video sequencer and speakers."""

from __future__ import annotations  # Blender 4.2 calls a strip by another type name

from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class StripSpan:
    """What a strip lets one hear: seconds ``start`` to ``end`` of its file, from frame ``frame`` on."""

    start: float
    end: float
    frame: float


def frame_rate(scene: bpy.types.Scene) -> float:
    """Frames per second, ``fps_base`` included."""
    return scene.render.fps / scene.render.fps_base


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose strips the sequencer shows: since Blender 5.0 it need not be the one in the 3D view."""
    return getattr(context, "sequencer_scene", None) or context.scene


def sound_strips(scene: bpy.types.Scene) -> list[bpy.types.Strip]:
    """Every sound strip, those in meta strips too."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    # Blender 5.0 dropped the old name. An empty collection is false, so `or` will not do.
    strips = editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all
    return [strip for strip in strips if strip.type == "SOUND"]


def find_sound_strip(scene: bpy.types.Scene, name: str) -> bpy.types.Strip | None:
    """The sound strip of that name; without a name the active one, or the only one."""
    strips = sound_strips(scene)
    if name:
        return next((strip for strip in strips if strip.name == name), None)
    active = scene.sequence_editor.active_strip if scene.sequence_editor else None
    if active is not None and active.type == "SOUND":
        return active
    return strips[0] if len(strips) == 1 else None


def strip_span(strip: bpy.types.Strip, scene: bpy.types.Scene) -> StripSpan | None:
    """Which part of the file the strip plays and when; None for a retimed strip."""
    if len(strip.retiming_keys) > 0:
        return None
    rate = frame_rate(scene)
    if hasattr(strip, "left_handle"):  # Blender 5.1; the old names go in 6.0
        left, right = strip.left_handle, strip.right_handle
        skipped = strip.left_handle_offset + strip.content_trim_start
    else:
        left, right = strip.frame_final_start, strip.frame_final_end
        skipped = strip.frame_offset_start + strip.animation_offset_start
    # Blender's own rule (sound.cc): the file is entered this late; if negative, it is heard that much later.
    start = skipped / rate - getattr(strip, "sound_offset", 0.0)  # not in Blender 4.2
    delay = max(0.0, -start)
    start = max(0.0, start)
    return StripSpan(start, start + (right - left) / rate - delay, left + delay * rate)


def speaker_start(speaker: bpy.types.Object) -> float | None:
    """The first frame at which a speaker is heard: its first sound strip in the NLA; None without one."""
    animation = speaker.animation_data
    if animation is None:
        return None
    starts = [s.frame_start for track in animation.nla_tracks for s in track.strips if s.type == "SOUND"]
    return min(starts, default=None)


def add_sound_strip(scene: bpy.types.Scene, path: str, sound: bpy.types.Sound | None, frame: int) -> str | None:
    """Put the sound on a free channel at ``frame`` and return the strip's name; None if it is there already.

    Raises RuntimeError when this Blender was built without audio.
    """
    wanted = bpy.path.abspath(sound.filepath, library=sound.library) if sound is not None else path
    for strip in sound_strips(scene):
        if strip.sound is None or round(_left(strip)) != frame:
            continue
        if strip.sound == sound or bpy.path.abspath(strip.sound.filepath) == wanted:
            return None
    editor = scene.sequence_editor or scene.sequence_editor_create()
    top = editor.strips if hasattr(editor, "strips") else editor.sequences
    channel = min(128, 1 + max((strip.channel for strip in top), default=0))
    name = sound.name if sound is not None else bpy.path.basename(path)
    strip = top.new_sound(name=name, filepath=path, channel=channel, frame_start=frame)
    if sound is not None and strip.sound != sound:
        loaded = strip.sound
        strip.sound = sound
        if loaded is not None and loaded.users == 0:
            bpy.data.sounds.remove(loaded)
    return strip.name


def _left(strip: bpy.types.Strip) -> float:
    return strip.left_handle if hasattr(strip, "left_handle") else strip.frame_final_start
