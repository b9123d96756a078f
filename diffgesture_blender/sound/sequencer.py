# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound in Blender's time: strips of the video sequencer and speakers."""

from __future__ import annotations  # Blender 4.2 calls a strip by another type name

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import bpy

from .. import compat
from ..errors import DiffGestureError
from ..timing import frame_rate

# Custom property of a strip that the add-on has added: the character whose voice it is.
OWNER: Final = "diffgesture_voice"
_SAME_RATE: Final = 1e-4


@dataclass(frozen=True)
class StripSpan:
    """What a strip lets one hear: seconds ``start`` to ``end`` of its file, from frame ``frame`` on."""

    start: float
    end: float
    frame: float


def sound_strips(scene: bpy.types.Scene) -> list[bpy.types.Strip]:
    """Every sound strip, those in meta strips too."""
    editor = scene.sequence_editor
    return [] if editor is None else [strip for strip in compat.all_strips(editor) if strip.type == "SOUND"]


def find_sound_strip(scene: bpy.types.Scene, name: str) -> bpy.types.Strip | None:
    """The sound strip of that name; without a name the active one, or the only one."""
    strips = sound_strips(scene)
    if name:
        return next((strip for strip in strips if strip.name == name), None)
    active = scene.sequence_editor.active_strip if scene.sequence_editor else None
    if active is not None and active.type == "SOUND":
        return active
    return strips[0] if len(strips) == 1 else None


def strip_span(strip: bpy.types.Strip, scene: bpy.types.Scene, seconds: float | None = None) -> StripSpan:
    """Which part of its file the strip plays and when, as far as the meta strips around it let it be heard.

    ``seconds``: the length of the file, if it is known. Raises DiffGestureError for a strip that is retimed or
    that a meta strip hides.
    """
    rate = frame_rate(scene)
    if compat.is_retimed(strip, None if seconds is None else seconds * rate):
        raise DiffGestureError(
            f"The strip {strip.name} is retimed, and speech at another speed cannot be read from its file. "
            "Save it with Render > Render Audio and choose that file."
        )
    left, right = compat.strip_ends(strip)
    # Blender's own rule (sound.cc): the file is entered this late; if negative, it is heard that much later.
    entered = compat.skipped_frames(strip) - compat.sound_offset(strip) * rate
    begin = left + max(0.0, -entered)
    for meta in _metas(strip):
        ends = compat.strip_ends(meta)
        begin, right = max(begin, ends[0]), min(right, ends[1])
    if right <= begin:
        raise DiffGestureError(f"Nothing of the strip {strip.name} is heard: it lies outside of its meta strip.")
    start = (begin - left + entered) / rate
    return StripSpan(start, start + (right - begin) / rate, begin)


def silence_of(strip: bpy.types.Strip, scene: bpy.types.Scene) -> str | None:
    """Why the strip is not heard; None if it is."""
    muted = next((item for item in (strip, *_metas(strip)) if item.mute), None)
    if muted is not None:
        return f"The strip {muted.name} is muted, so the speech is not heard with the gestures."
    outermost = next(reversed([strip, *_metas(strip)]))
    channels = scene.sequence_editor.channels
    if outermost.channel < len(channels) and channels[outermost.channel].mute:
        return f"The channel of the strip {strip.name} is muted, so the speech is not heard with the gestures."
    return None


def _metas(strip: bpy.types.Strip) -> Iterator[bpy.types.Strip]:
    """The meta strips around it, the innermost first."""
    meta = strip.parent_meta()
    while meta is not None:
        yield meta
        meta = meta.parent_meta()


def frame_in_shot(frame: float, edit: bpy.types.Scene, shot: bpy.types.Scene) -> float:
    """The frame of ``shot`` that is seen at ``frame`` of ``edit``, through the scene strip that shows it.

    Raises DiffGestureError where no strip shows the shot, or not frame for frame.
    """
    editor = edit.sequence_editor
    strips = (
        [] if editor is None else [s for s in compat.all_strips(editor) if s.type == "SCENE" and s.scene == shot]
    )
    if not strips:
        raise DiffGestureError(
            f"The strip is in the sequencer of the scene {edit.name}, which has no strip that shows {shot.name}: "
            "add one (Add > Scene), or set a start frame in the settings."
        )
    if abs(frame_rate(edit) - frame_rate(shot)) > _SAME_RATE:
        raise DiffGestureError(
            f"The scenes {edit.name} and {shot.name} have different frame rates, so sound and gestures would "
            "drift apart; give both the same."
        )

    def distance(strip: bpy.types.Strip) -> float:
        left, right = compat.strip_ends(strip)
        return max(left - frame, 0.0, frame - right + 1)

    strip = min(strips, key=distance)
    if compat.is_retimed(strip):
        raise DiffGestureError(
            f"The strip {strip.name} shows {shot.name} at another speed; take its retiming away."
        )
    return shot.frame_start + frame - compat.strip_ends(strip)[0] + compat.skipped_frames(strip)


def speaker_start(speaker: bpy.types.Object) -> float | None:
    """The first frame at which a speaker is heard: its first sound strip in the NLA; None without one."""
    animation = speaker.animation_data
    if animation is None:
        return None
    starts = [s.frame_start for track in animation.nla_tracks for s in track.strips if s.type == "SOUND"]
    return min(starts, default=None)


def strips_of(scene: bpy.types.Scene, path: str, sound: bpy.types.Sound | None) -> list[bpy.types.Strip]:
    """The strips that play this sound or this file, the earliest first."""
    wanted = _same_file(bpy.path.abspath(sound.filepath, library=sound.library) if sound is not None else path)
    found = [
        strip
        for strip in sound_strips(scene)
        if strip.sound is not None
        and (
            strip.sound == sound
            or _same_file(bpy.path.abspath(strip.sound.filepath, library=strip.sound.library)) == wanted
        )
    ]
    return sorted(found, key=lambda strip: compat.strip_ends(strip)[0])


def _same_file(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def first_heard(scene: bpy.types.Scene, path: str, sound: bpy.types.Sound | None) -> float | None:
    """The frame at which the sequencer plays the first moment of this file; None where it does not play it."""
    for strip in strips_of(scene, path, sound):
        try:
            span = strip_span(strip, scene)
        except DiffGestureError:
            continue
        return span.frame - span.start * frame_rate(scene)
    return None


def put_sound(
    scene: bpy.types.Scene, path: str, sound: bpy.types.Sound | None, frame: int, owner: str
) -> tuple[str | None, str | None]:
    """Let the sequencer play the sound from ``frame`` on, once.

    What was added before for the same ``owner`` (a character's name) is replaced; a strip of the user's own that
    plays the file already stays as it is. Returns the name of a new strip, and what to tell of a strip elsewhere.
    Raises RuntimeError when this Blender was built without audio.
    """
    known = strips_of(scene, path, sound)
    own = [strip for strip in sound_strips(scene) if strip.get(OWNER) == owner]
    there = [strip for strip in known if strip not in own or round(compat.strip_ends(strip)[0]) == frame]
    for strip in own:
        if strip not in there:
            _remove(strip, scene)
    if there:
        heard = first_heard(scene, path, sound)
        if heard is None or round(heard) == frame:
            return None, None
        return None, (
            f"The sequencer plays the speech from frame {heard:g}, the gestures begin at {frame}; "
            "move one of them."
        )
    editor = scene.sequence_editor or scene.sequence_editor_create()
    top = compat.top_strips(editor)
    channel = min(128, 1 + max((strip.channel for strip in top), default=0))
    name = sound.name if sound is not None else bpy.path.basename(path)
    strip = top.new_sound(name=name, filepath=path, channel=channel, frame_start=frame)
    strip[OWNER] = owner
    if sound is not None and strip.sound != sound:
        loaded = strip.sound
        strip.sound = sound
        if loaded is not None and loaded.users == 0:
            bpy.data.sounds.remove(loaded)
    return strip.name, None


def _remove(strip: bpy.types.Strip, scene: bpy.types.Scene) -> None:
    """Take a strip out, and its sound if nothing else uses it."""
    sound, meta = strip.sound, strip.parent_meta()
    (compat.top_strips(meta) if meta is not None else compat.top_strips(scene.sequence_editor)).remove(strip)
    if sound is not None and sound.users == 0:
        bpy.data.sounds.remove(sound)
