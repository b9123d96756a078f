# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's dialogue as requests: who takes part, who speaks when, where each looks, and what all of them hear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import bpy

from .. import compat
from ..animation.key_writing import KeyOptions
from ..errors import DiffGestureError
from ..retarget import find_bone_map
from ..retarget.aim_measure import CAMERA
from ..retarget.gaze import Glance
from ..settings.controls import later_seed
from ..settings.machine import Machine
from ..settings.of_character import settings_for
from ..sound import mixdown, sequencer
from ..sound import source as audio_source
from ..sound.mixdown import Stretch, Utterance
from ..sound.source import AudioClip
from ..sound.transcript import transcript_file, word_table_file
from ..sound.voices import Voice, heard_strips, voice_of
from ..state import character
from ..timing import frame_rate
from .regenerate import Plan
from .request import JobRequest, build_request

_REACTION: Final = 0.25
"""Seconds after which a listener turns to who has begun to speak."""
# The setting that says what is spoken, by the settings' source.
_SPOKEN: Final = {"FILE": "audio_path", "SOUND": "sound", "STRIP": "strip_name", "SPEAKER": "speaker"}


@dataclass(frozen=True)
class Part:
    """A character's part in the shot: the seconds in which it speaks, and what to tell about it.

    ``missing``: the recording of its own that the sequencer does not play, and the frame where it begins.
    """

    armature: bpy.types.Object
    voice: Voice
    turns: tuple[Stretch, ...]
    notes: tuple[str, ...]
    missing: tuple[AudioClip, int] | None = None


@dataclass(frozen=True)
class ScenePlan:
    """What is to be generated for a scene, one request a character, and what was left out."""

    requests: tuple[JobRequest, ...]
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]


def candidates(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The armatures of the scene that may be characters, for panels: those not known to be something else."""
    armatures = (item for item in scene.objects if item.type == "ARMATURE")
    return [item for item in armatures if character.unusable_reason(item) is None]


def voice_in_scene(armature: bpy.types.Object, scene: bpy.types.Scene, edit: bpy.types.Scene) -> Voice:
    """The sounds that are a character's own; cheap, for panels."""
    settings = settings_for(armature, scene)
    spoken = _SPOKEN[settings.audio_source]
    own_speech = settings.has_own(spoken) and bool(getattr(settings, spoken))
    others = [item.name for item in scene.objects if item.type == "ARMATURE" and item != armature]
    return voice_of(armature, settings, edit, own_speech=own_speech, others=others)


def plan_scene(
    scene: bpy.types.Scene,
    edit: bpy.types.Scene,
    machine: Machine,
    folder: Path,
    *,
    only: Sequence[bpy.types.Object] = (),
    keys: KeyOptions | None = None,
    controls: Mapping[str, Any] | None = None,
    part: Plan | None = None,
) -> ScenePlan:
    """The requests of all characters of the scene that take part, or of ``only`` these.

    ``edit``: the sequencer's scene; ``keys`` and ``controls`` in place of those of each character; ``part``: what
    of their animation is to be new. Each hears all that anybody says in the scene's frame range, and sees
    everybody. Raises DiffGestureError where there is no character or no speech.
    """
    cast, left_out = _cast(scene, only)
    seconds = (scene.frame_end - scene.frame_start + 1) / frame_rate(scene)
    spoken: dict[tuple[str, str], Utterance] = {}
    parts = []
    for item, acts in cast:
        try:
            parts.append(_part(item, scene, edit, folder, seconds, spoken))
        except DiffGestureError as error:
            if acts:
                raise
            left_out.append(f"{item.name} is not heard. {error}")
    if any(part.voice.kind == "TEXT" for part in parts):
        for strip in heard_strips(edit):
            _strip(strip, edit, scene, folder, spoken)
    if not any(part.turns for part in parts):
        raise DiffGestureError(
            f"Nobody speaks in frames {scene.frame_start} to {scene.frame_end}. Give a character a voice: name a "
            "channel or its strips after it, or choose its Voice in the Dialogue panel."
        )
    path = folder / "dialogue.wav"
    mixdown.save_wav(path, *mixdown.mix(spoken.values(), seconds))
    acting = {item.name for item, acts in cast if acts}
    actors = [each for each in parts if each.armature.name in acting]
    how = _How(scene, edit, machine, folder, path, keys, controls or {}, part)
    requests = [_request(each, parts, how) for each in actors]
    return ScenePlan(tuple(requests), tuple(actors), tuple(left_out))


def speech_range(scene: bpy.types.Scene, edit: bpy.types.Scene) -> tuple[float, float] | None:
    """First and last frame of the strips and text strips that are voices; None without any. Cheap."""
    if edit != scene:
        return None
    ends = []
    for armature in candidates(scene):
        voice = voice_in_scene(armature, scene, edit)
        ends += [*voice.spans, *(compat.strip_ends(strip) for strip in voice.strips)]
    return (min(start for start, _ in ends), max(end for _, end in ends)) if ends else None


def _cast(
    scene: bpy.types.Scene, only: Sequence[bpy.types.Object]
) -> tuple[list[tuple[bpy.types.Object, bool]], list[str]]:
    """Every character and whether it is to act, and a sentence for each armature that was meant and is none."""
    cast, told = [], []
    for item in only:
        if scene.objects.get(item.name) != item:
            raise DiffGestureError(f"{item.name} is not in the scene {scene.name}.")
    for item in (item for item in scene.objects if item.type == "ARMATURE"):
        acts = item in only if only else settings_for(item, scene).take_part
        try:
            find_bone_map(item)
            cast.append((item, acts))
        except DiffGestureError as error:
            if only and acts:
                raise
            if acts:
                told.append(f"{item.name} is left out. {error}")
    if not any(acts for _, acts in cast):
        reason = told[0] if told else "Add one, or tick Take Part in the Dialogue panel."
        raise DiffGestureError(f"The scene {scene.name} has no character that takes part. {reason}")
    return cast, told


def _part(
    armature: bpy.types.Object,
    scene: bpy.types.Scene,
    edit: bpy.types.Scene,
    folder: Path,
    seconds: float,
    spoken: dict[tuple[str, str], Utterance],
) -> Part:
    """The part of a character; what it says is added to ``spoken``."""
    voice, settings = voice_in_scene(armature, scene, edit), settings_for(armature, scene)
    notes = [f"The strip {name} is muted, so it is left out." for name in voice.muted]
    own = [_strip(strip, edit, scene, folder, spoken) for strip in voice.strips]
    missing = None
    if voice.kind == "SPEAKER":
        if voice.speaker is None:
            raise DiffGestureError(f"Choose the speaker object that is the voice of {armature.name}.")
        clip = audio_source.clip_from_speaker(voice.speaker, _empty(folder))
        frame = scene.frame_start if clip.frame is None else clip.frame
        if voice.speaker.data.muted:
            notes += clip.notes
        else:
            key = ("speaker", voice.speaker.name)
            own.append(spoken.setdefault(key, mixdown.utterance(clip, frame, scene)))
    elif voice.kind == "SPEECH":
        clip = audio_source.resolve_in(settings, scene, edit, _empty(folder))
        start = settings.chosen_frame_start()
        frame = start if start is not None else scene.frame_start if clip.frame is None else clip.frame
        own.append(spoken.setdefault(("speech", armature.name), mixdown.utterance(clip, frame, scene)))
        if settings.add_sound and not clip.heard:
            missing = (clip, round(frame))
    turns = [turn for item in own for turn in item.turns(seconds)] + _span_turns(voice, scene, edit, seconds)
    if not turns:
        notes.append(f"{armature.name} says nothing in this shot, so it listens throughout.")
    return Part(armature, voice, tuple(mixdown.joined(turns)), tuple(notes), missing)


def _strip(
    strip: bpy.types.Strip,
    edit: bpy.types.Scene,
    scene: bpy.types.Scene,
    folder: Path,
    spoken: dict[tuple[str, str], Utterance],
) -> Utterance:
    key = ("strip", strip.name)
    if key not in spoken:
        spoken[key] = mixdown.of_strip(strip, edit, scene, _empty(folder))
    return spoken[key]


def _span_turns(voice: Voice, scene: bpy.types.Scene, edit: bpy.types.Scene, seconds: float) -> list[Stretch]:
    rate, turns = frame_rate(scene), []
    for span in voice.spans:
        frames = span if edit == scene else [sequencer.frame_in_shot(frame, edit, scene) for frame in span]
        start, end = ((frame - scene.frame_start) / rate for frame in frames)
        if end > 0.0 and start < seconds:
            turns.append((max(0.0, start), min(seconds, end)))
    return turns


def _empty(folder: Path) -> Path:
    """A new folder, for packed sounds all get the same file name."""
    place = folder / f"sound_{sum(1 for _ in folder.iterdir())}"
    place.mkdir()
    return place


@dataclass(frozen=True)
class _How:
    """What all requests of a plan have in common."""

    scene: bpy.types.Scene
    edit: bpy.types.Scene
    machine: Machine
    folder: Path
    audio: Path
    keys: KeyOptions | None
    controls: Mapping[str, Any]
    part: Plan | None


def _request(part: Part, parts: Sequence[Part], how: _How) -> JobRequest:
    """What is asked for one of the ``parts``."""
    scene, edit = how.scene, how.edit
    armature, settings, notes = part.armature, settings_for(part.armature, scene), list(part.notes)
    place = how.folder / f"character_{parts.index(part)}"
    place.mkdir()
    transcript = None
    if settings.transcript == "STRIPS" and part.turns:
        name = settings.voice_name or armature.name
        try:
            transcript = transcript_file(settings, scene, edit, scene.frame_start, place, name, part.turns)
        except DiffGestureError as error:
            notes.append(str(error))
    elif settings.transcript == "FILE":
        notes.append(
            f"The transcript of {armature.name} is left out, for a file does not say who speaks; use text strips."
        )
    values = settings.controls()
    if not settings.has_own("seed"):  # people who are nobody's copies
        values["seed"] = later_seed(values["seed"], parts.index(part))
    clip = AudioClip(how.audio, f"{scene.name} {armature.name}", how.audio, frame=scene.frame_start, heard=True)
    request = build_request(
        scene,
        armature,
        clip,
        folder=place,
        machine=how.machine,
        controls={**values, **how.controls},
        frame_start=scene.frame_start,
        plan=how.part,
        keys=how.keys or settings.keys(),
        transcript=transcript,
        word_table=word_table_file(settings) if transcript else None,
        edit=edit,
        turns=part.turns,
        glances=_glances(part, parts, settings),
        notes=tuple(notes),
    )
    return replace(request, variations=1)


def _glances(part: Part, parts: Sequence[Part], settings: Any) -> tuple[Glance, ...]:
    """Where the head turns: at one thing, or at who speaks or spoke last; less while it speaks itself."""
    others = [other for other in parts if other is not part]
    fixed = {"CAMERA": CAMERA, "OBJECT": settings.look_object.name if settings.look_object else ""}
    if settings.look == "NONE" or (settings.look == "PARTNER" and not others) or fixed.get(settings.look) == "":
        return ()
    edges = sorted({0.0, *(edge for item in parts for turn in item.turns for edge in turn)})
    glances: list[Glance] = []
    for start, end in zip(edges, [*edges[1:], edges[-1] + 1.0], strict=True):
        middle = 0.5 * (start + end)
        target = fixed.get(settings.look) or _partner(part, others, middle).armature.name
        weight = settings.look_speaking if _speaks(part.turns, middle) else settings.look_listening
        if not glances or (glances[-1].target, glances[-1].weight) != (target, weight):
            glances.append(Glance(start + (_REACTION if start else 0.0), target, weight))
    return tuple(glances)


def _partner(part: Part, others: Sequence[Part], time: float) -> Part:
    """Who is looked at: who speaks (of several, the last to begin), else who spoke last or will speak first."""

    def begun(other: Part) -> float:
        return max((start for start, end in other.turns if start <= time < end), default=-1.0)

    def ended(other: Part) -> float:
        return max((end for _, end in other.turns if end <= time), default=-1.0)

    def to_come(other: Part) -> float:
        return min((start for start, _ in other.turns if start > time), default=float("inf"))

    def away(other: Part) -> float:
        return (other.armature.matrix_world.translation - part.armature.matrix_world.translation).length

    return max(others, key=lambda other: (begun(other), ended(other), -to_come(other), -away(other)))


def _speaks(turns: Iterable[Stretch], time: float) -> bool:
    return any(start <= time < end for start, end in turns)
