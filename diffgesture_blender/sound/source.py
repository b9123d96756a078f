# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the speech comes from: a file, a sound in the .blend, a strip of the sequencer, a speaker.

Each becomes an ``AudioClip``: a file on disk, the seconds of it to use, and the frame at which it is heard.
"""

import os
import wave
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import bpy
import numpy as np

from .. import compat
from ..errors import DiffGestureError
from ..writing import write_file, written
from . import sequencer

SOURCES: Final = (
    ("FILE", "File", "An audio file"),
    ("SOUND", "Sound", "A sound of this .blend, packed or not"),
    ("STRIP", "Strip", "A sound strip of the video sequencer, with its start and its trimming"),
    ("SPEAKER", "Speaker", "The sound of a speaker object"),
)
# What every backend reads. Anything else is first decoded by Blender, when this Blender can.
_READABLE: Final = frozenset({".wav"})
_PLAYLISTS: Final = (b"#extm3u", b"ffconcat", b"[playlist]", b"<?xml", b"<smil", b"<asx", b"<mpd", b"[reference]")
_MOST_RATE: Final = 48_000
# What a folder of recordings may hold.
AUDIO_ENDINGS: Final = frozenset({
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".m4a", ".aac", ".wma"),
    *(".mp4", ".mov", ".mka", ".mkv", ".webm"),
})  # fmt: skip


@dataclass(frozen=True)
class AudioClip:
    """Speech on disk. ``start`` and ``end`` in seconds (None: to the end); ``frame`` where it is heard.

    ``original`` is the user's own file, where ``path`` may be a copy of it made for the backend. ``frame`` is
    None when the source has no place in time; ``sound`` names the datablock it came from. ``heard``: Blender plays
    it already, as a strip or a speaker; ``notes``: what to tell about it.
    """

    path: Path
    name: str
    original: Path
    start: float = 0.0
    end: float | None = None
    frame: float | None = None
    sound: str | None = None
    heard: bool = False
    notes: tuple[str, ...] = ()


def clip_from_path(path: str | Path) -> AudioClip:
    """A file named by the user; raises DiffGestureError if it is not there or empty."""
    path = Path(path)
    if not path.exists():
        raise DiffGestureError(f"There is no audio file at {path}.")
    if path.is_dir():
        raise DiffGestureError(f"{path} is a folder; choose an audio file.")
    if path.stat().st_size == 0:
        raise DiffGestureError(f"The audio file {path.name} is empty.")
    return AudioClip(path=path, name=path.stem, original=path)


def missing_reason(settings: bpy.types.PropertyGroup) -> str | None:
    """Why there is no audio to use yet, cheaply (for polls); None when there may be."""
    if settings.audio_source == "FILE" and not settings.audio_path.strip():
        return "Choose an audio file"
    if settings.audio_source == "SOUND" and settings.sound is None:
        return "Choose a sound"
    if settings.audio_source == "SPEAKER" and settings.speaker is None:
        return "Choose a speaker object"
    return None


def resolve(settings: bpy.types.PropertyGroup, context: bpy.types.Context, folder: Path) -> AudioClip:
    """The clip that the settings name; files that have to be made are written to ``folder``.

    Raises DiffGestureError with a sentence when there is no usable audio.
    """
    return resolve_in(settings, context.scene, compat.sequencer_scene(context), folder)


def resolve_in(
    settings: bpy.types.PropertyGroup, scene: bpy.types.Scene, edit: bpy.types.Scene, folder: Path
) -> AudioClip:
    """``resolve`` for a scene and the scene of its strips, ``edit``."""
    reason = missing_reason(settings)
    if reason:
        raise DiffGestureError(f"{reason} first.")
    if settings.audio_source == "FILE":
        clip = placed(clip_from_path(os.path.abspath(bpy.path.abspath(settings.audio_path))), scene)
    elif settings.audio_source == "SOUND":
        clip = clip_from_sound(settings.sound, scene, folder)
    elif settings.audio_source == "STRIP":
        clip = clip_from_strip(settings.strip_name, edit, scene, folder, not settings.use_frame_start)
    else:
        clip = clip_from_speaker(settings.speaker, folder)
    return decoded(clip, folder)


def placed(clip: AudioClip, scene: bpy.types.Scene) -> AudioClip:
    """The clip with the frame at which the scene's sequencer plays its file already, if it does."""
    sound = bpy.data.sounds.get(clip.sound) if clip.sound is not None else None
    return replace(clip, frame=sequencer.first_heard(scene, str(clip.original), sound))


def mono_samples(path: Path) -> tuple[np.ndarray, int] | None:
    """(N,) samples in -1..1 by Blender's audio library, and their rate; None where that cannot."""
    if is_playlist(path):
        return None
    try:
        import aud

        sound = aud.Sound(str(path))
        rate = int(sound.specs[0])  # first: it raises where data() of an unreadable file would abort
        mono = sound.rechannel(1)
        if rate > _MOST_RATE:  # speech needs no more, and hours of it would need gigabytes
            mono, rate = mono.resample(_MOST_RATE, True), _MOST_RATE
        return np.asarray(mono.data(), dtype=np.float32).reshape(-1), rate
    except Exception:  # aud raises types of its own and may be missing or broken
        return None


def is_playlist(path: Path) -> bool:
    """Whether the file only names others, which a decoder would open: they are not the user's choice."""
    try:
        with open(path, "rb") as file:
            head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    except OSError:
        return False
    return head.startswith(_PLAYLISTS)


def file_seconds(path: Path) -> float | None:
    """How long a sound file lasts; None where neither Blender nor Python can tell."""
    if path.suffix.lower() == ".wav":
        try:
            with wave.open(str(path), "rb") as file:
                return file.getnframes() / file.getframerate()
        except (OSError, EOFError, wave.Error, ZeroDivisionError):
            pass
    sound = mono_samples(path)
    return None if sound is None else len(sound[0]) / sound[1]


def decoded(clip: AudioClip, folder: Path) -> AudioClip:
    """The same clip as WAV if the backend may not read its format; unchanged if Blender cannot either.

    Not every Blender has its audio library (the ``bpy`` package of 4.2 lacks it): then the backend tries.
    """
    if clip.path.suffix.lower() in _READABLE:
        return clip
    sound = mono_samples(clip.path)
    if sound is None or not len(sound[0]):
        return clip
    samples, rate = sound
    target = folder / "speech.wav"
    with written(target) as (part,), wave.open(str(part), "wb") as file:  # aud's own writer would pad the end
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return replace(clip, path=target)


def clip_from_sound(sound: bpy.types.Sound, scene: bpy.types.Scene, folder: Path) -> AudioClip:
    """A sound of the .blend, at the frame where the scene's sequencer plays it already, if it does."""
    return placed(_clip_from_sound(sound, folder), scene)


def _clip_from_sound(sound: bpy.types.Sound, folder: Path) -> AudioClip:
    if sound.packed_file is not None:
        suffix = Path(sound.filepath).suffix
        suffix = suffix if suffix[1:].isalnum() and len(suffix) < 10 else ".wav"
        path = folder / f"packed{suffix}"
        write_file(path, bytes(sound.packed_file.data))
        if path.stat().st_size == 0:
            raise DiffGestureError(f"The packed sound {sound.name} is empty.")
        return AudioClip(path=path, name=Path(sound.name).stem, original=path, sound=sound.name_full)
    path = os.path.abspath(bpy.path.abspath(sound.filepath, library=sound.library))
    if not os.path.isfile(path):
        raise DiffGestureError(f"The file of the sound {sound.name} is missing: there is no {path}.")
    clip = clip_from_path(path)
    return replace(clip, name=Path(sound.name).stem, sound=sound.name_full)


def clip_from_strip(
    name: str, edit: bpy.types.Scene, scene: bpy.types.Scene, folder: Path, needs_place: bool
) -> AudioClip:
    """A strip of the scene ``edit`` for a character in ``scene``; without a name the active or only one.

    ``needs_place``: its frame in ``scene`` is wanted.
    """
    strip = sequencer.find_sound_strip(edit, name)
    if strip is None:
        raise DiffGestureError(
            f"The sequencer has no sound strip named {name}."
            if name
            else "The sequencer has no active sound strip; select one, or choose it by name."
        )
    if strip.sound is None:
        raise DiffGestureError(f"The strip {strip.name} has no sound.")
    clip = _clip_from_sound(strip.sound, folder)
    span = sequencer.strip_span(strip, edit, None if compat.tells_retiming() else file_seconds(clip.path))
    frame: float | None = span.frame
    if edit != scene:
        frame = sequencer.frame_in_shot(span.frame, edit, scene) if needs_place else None
    return replace(
        clip,
        name=Path(strip.name).stem,
        start=span.start,
        end=span.end,
        frame=frame,
        heard=True,
        notes=tuple(filter(None, [sequencer.silence_of(strip, edit)])),
    )


def clip_from_speaker(speaker: bpy.types.Object, folder: Path) -> AudioClip:
    """The sound of a speaker object, from where its strip starts."""
    sound = speaker.data.sound
    if sound is None:
        raise DiffGestureError(f"The speaker {speaker.name} has no sound; give it one in its properties.")
    clip = _clip_from_sound(sound, folder)
    muted = f"The speaker {speaker.name} is muted, so the speech is not heard with the gestures."
    notes = (muted,) if speaker.data.muted else ()
    return replace(clip, frame=sequencer.speaker_start(speaker), heard=True, notes=notes)
