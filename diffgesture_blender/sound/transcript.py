# SPDX-License-Identifier: GPL-3.0-or-later
"""What is spoken, as a file for the worker: one that a person chose, or the sequencer's text strips as SRT."""

from collections.abc import Sequence
from pathlib import Path

import bpy

from .. import compat
from ..errors import DiffGestureError
from ..timing import frame_rate
from ..writing import write_file
from .sequencer import frame_in_shot
from .voices import said_by


def transcript_file(
    settings: bpy.types.PropertyGroup,
    scene: bpy.types.Scene,
    edit: bpy.types.Scene,
    frame_start: float,
    folder: Path,
    speaker: str = "",
    turns: Sequence[tuple[float, float]] = (),
) -> str | None:
    """The transcript that the settings name, in seconds of the recording; None where none is wanted.

    ``edit``: the scene of the strips; ``frame_start``: where the speech begins; ``folder`` for its file. In a
    dialogue only what ``speaker`` says counts: strips that begin with its name and a colon, and those without any
    name that begin in one of its ``turns`` (start, end in seconds).
    """
    if settings.transcript == "NONE":
        return None
    if settings.transcript == "FILE":
        path = Path(bpy.path.abspath(settings.transcript_path))
        if not settings.transcript_path or not path.is_file():
            raise DiffGestureError("Choose the transcript's file, or set Transcript to None.")
        return str(path)
    editor, rate = edit.sequence_editor, frame_rate(scene)
    strips = [] if editor is None else [s for s in compat.all_strips(editor) if s.type == "TEXT" and not s.mute]
    captions = []
    for strip in strips:
        frames = compat.strip_ends(strip)
        if edit != scene:
            frames = tuple(frame_in_shot(frame, edit, scene) for frame in frames)
        start, end = ((frame - frame_start) / rate for frame in frames)
        text = said_text(strip.text, speaker, start, turns) if speaker else strip.text
        if end > 0.0 and text.strip():
            captions.append((max(start, 0.0), end, " ".join(text.split())))
    if not captions:
        raise DiffGestureError("No text strip lies over the speech; add some, or set Transcript to None.")
    target = folder / "text_strips.srt"
    lines = [f"{n}\n{_clock(a)} --> {_clock(b)}\n{text}\n" for n, (a, b, text) in enumerate(sorted(captions), 1)]
    write_file(target, "\n".join(lines))
    return str(target)


def said_text(text: str, speaker: str, start: float, turns: Sequence[tuple[float, float]]) -> str:
    """What of a caption the speaker says; empty where somebody else says it."""
    name, colon, words = text.partition(":")
    if said_by(text) == speaker.casefold():
        return words
    in_turn = any(first - 0.5 <= start < last for first, last in turns)
    return "" if not in_turn or (colon and len(name.split()) == 1) else text


def word_table_file(settings: bpy.types.PropertyGroup) -> str | None:
    """The person's own table of words, where words count; DiffGestureError where the file is not there."""
    if settings.transcript == "NONE" or not settings.word_table:
        return None
    path = Path(bpy.path.abspath(settings.word_table))
    if not path.is_file():
        raise DiffGestureError(f"There is no table of words {path}; choose another, or clear the field.")
    return str(path)


def _clock(seconds: float) -> str:
    millis = round(1000 * seconds)
    return f"{millis // 3600000:02d}:{millis // 60000 % 60:02d}:{millis // 1000 % 60:02d},{millis % 1000:03d}"
