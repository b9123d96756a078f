# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sounds are a character's voice: a channel, strips, text strips, a speaker object or its own speech.

Only names are looked at, so panels may ask while drawing; ``mixdown`` reads the sound.
"""

from __future__ import annotations  # Blender 4.2 calls a strip by another type name

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import bpy

from .. import compat
from ..translations import tr
from .sequencer import OWNER, silence_of, sound_strips


@dataclass(frozen=True)
class Voice:
    """``kind`` as in the settings, never AUTO. ``strips`` are heard; ``spans`` are frames (start, end) of the
    sequencer in which its text strips say that it speaks; ``muted`` are strips that were left out.
    """

    kind: str
    strips: tuple[bpy.types.Strip, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    speaker: bpy.types.Object | None = None
    muted: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What it is, for the panel."""
        if self.kind == "SPEAKER" and self.speaker is not None:
            return self.speaker.name
        if self.kind == "SPEECH":
            return tr("Its speech")
        if self.kind == "TEXT" and self.spans:
            return tr("Text strips: {count}").format(count=len(self.spans))
        if self.strips:
            return tr("Strips: {count}").format(count=len(self.strips))
        return tr("Listens")


def voice_of(
    armature: bpy.types.Object,
    settings: Any,
    edit: bpy.types.Scene,
    *,
    own_speech: bool = False,
    others: Collection[str] = (),
) -> Voice:
    """The voice of a character by its settings; ``edit``: the sequencer's scene.

    ``own_speech``: it has a speech of its own, which *Automatic* takes last; ``others``: the names of the other
    characters, so that a strip of ``Ann.001`` is not Ann's.
    """
    kind = settings.voice
    if kind == "AUTO":
        return _found(armature, settings, edit, own_speech, others)
    if kind == "CHANNEL":
        return _of_strips(kind, [s for s in sound_strips(edit) if _channel(s) == settings.voice_channel], edit)
    if kind == "STRIPS":
        wanted = {name.strip() for name in settings.voice_strips.split(",")}
        return _of_strips(kind, [strip for strip in sound_strips(edit) if strip.name in wanted], edit)
    if kind == "TEXT":
        return Voice(kind, spans=_spans(edit, settings.voice_name or armature.name))
    if kind == "SPEAKER":
        return Voice(kind, speaker=settings.voice_speaker)
    return Voice(kind)


def _found(
    armature: bpy.types.Object, settings: Any, edit: bpy.types.Scene, own_speech: bool, others: Collection[str]
) -> Voice:
    name, strips = settings.voice_name or armature.name, sound_strips(edit)
    channels = edit.sequence_editor.channels if edit.sequence_editor is not None else ()
    named = {number for number, channel in enumerate(channels) if channel.name.casefold() == name.casefold()}
    mine = [strip for strip in strips if _channel(strip) in named]
    mine = mine or [s for s in strips if s.get(OWNER) == armature.name or is_named(s.name, name, others)]
    if mine:
        return _of_strips("STRIPS", mine, edit)
    spans = _spans(edit, name)
    if spans:
        return Voice("TEXT", spans=spans)
    speaker = next((item for item in armature.children_recursive if item.type == "SPEAKER"), None)
    if speaker is not None:
        return Voice("SPEAKER", speaker=speaker)
    return Voice("SPEECH" if own_speech else "NONE")


def _of_strips(kind: str, strips: list[bpy.types.Strip], edit: bpy.types.Scene) -> Voice:
    heard = tuple(strip for strip in strips if silence_of(strip, edit) is None and strip.sound is not None)
    return Voice(kind, heard, muted=tuple(strip.name for strip in strips if strip not in heard))


def heard_strips(edit: bpy.types.Scene) -> tuple[bpy.types.Strip, ...]:
    """All sound strips of the sequencer that are heard."""
    return _of_strips("STRIPS", sound_strips(edit), edit).strips


def _channel(strip: bpy.types.Strip) -> int:
    """The channel of the sequencer in which the strip lies, through its meta strips."""
    meta = strip.parent_meta()
    return strip.channel if meta is None else _channel(meta)


def is_named(strip: str, name: str, others: Collection[str] = ()) -> bool:
    """Whether a strip is called after the character: ``Ann``, ``ann_02.wav``, not ``Anna``, nor after another."""
    rest = strip.casefold().removeprefix(name.casefold())
    if rest == strip.casefold() or rest[:1].isalpha():
        return False
    return not any(len(other) > len(name) and is_named(strip, other) for other in others)


def _spans(edit: bpy.types.Scene, name: str) -> tuple[tuple[float, float], ...]:
    """Where text strips that are on say ``name: …``."""
    editor = edit.sequence_editor
    strips = [] if editor is None else [s for s in compat.all_strips(editor) if s.type == "TEXT" and not s.mute]
    mine = [strip for strip in strips if said_by(strip.text) == name.casefold()]
    return tuple(sorted(compat.strip_ends(strip) for strip in mine))


def said_by(text: str) -> str:
    """The name before the colon of a caption, in small letters; empty without one."""
    name, colon, _ = text.partition(":")
    return name.strip().casefold() if colon and "\n" not in name else ""
