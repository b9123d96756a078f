# SPDX-License-Identifier: GPL-3.0-or-later
"""Gestures from a script: one call, which waits and returns what was made.

    import bl_ext.user_default.diffgesture as diffgesture
    result = diffgesture.generate(bpy.data.objects["Ann"], "speech.wav", seed=3)
    result.action.use_fake_user = True

The backend that the first call starts serves all that follow; it ends when it has been idle for as long as the
preferences say, or with Blender.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy

from .animation.key_writing import KeyOptions
from .errors import DiffGestureError
from .jobs import runner
from .jobs.generate import GenerateJob, JobResult
from .jobs.request import build_request, check_armature
from .jobs.scene_job import SceneJob
from .jobs.scene_plan import plan_scene
from .settings import controls
from .settings.machine import Machine, machine_settings
from .sound import source
from .sound.source import AudioClip
from .state.session import new_job_folder, remove_folder, session
from .writing import copy_file


@dataclass(frozen=True)
class Result:
    """What ``generate`` has made.

    Frames are scene frames; ``seconds`` is the length of the speech; ``missing`` are parts of the body for which
    the character has no bones. The motion file can be saved until the next call.
    """

    armature: bpy.types.Object
    action: bpy.types.Action
    family: str
    frame_start: int
    frame_end: int
    seed: int
    seconds: float
    num_keys: int
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    motion_path: Path

    def save_motion(self, path: str | Path) -> Path:
        """Copy the bone directions to a .npz file; DiffGestureError where that fails.

        FileNotFoundError after another call of ``generate``.
        """
        if not self.motion_path.is_file():
            raise FileNotFoundError(self.motion_path)
        copy_file(self.motion_path, path)
        return Path(path)


def generate(
    armature: bpy.types.Object,
    audio: str | Path | bpy.types.Sound | bpy.types.Strip | bpy.types.Object,
    *,
    scene: bpy.types.Scene | None = None,
    frame_start: int | None = None,
    keys: KeyOptions | None = None,
    add_sound: bool = False,
    cues: str = "",
    transcript: str | Path | None = None,
    word_table: str | Path | None = None,
    engine: str | None = None,
    python: str | None = None,
    checkpoint: str | None = None,
    device: str | None = None,
    on_progress: Callable[[float, str], None] | None = None,
    **values: object,
) -> Result:
    """Gestures for speech as keyframes in a new action of the armature; returns when they are written.

    ``audio``: a file, a sound of the .blend, a sound strip of the sequencer or a speaker object. ``scene``: one
    that has the armature (None: the context's if it has, else any). ``frame_start``: the frame at which the speech
    begins (None: where Blender plays it already, else the scene's first). ``cues``: gestures that are asked for
    beside the scene's cue markers, ``1.2:you,3.4:point Cup``; ``transcript``: a file of what is said, whose words
    bring gestures, by your own ``word_table`` if given. ``engine``, ``python``, ``checkpoint``, ``device``: in
    place of the preferences'. ``on_progress`` is given a fraction and a text. ``values``: any control of
    docs/CONTROLS.md by its name (``seed=3``, ``intensity=1.2``), and ``amounts``: part -> 0 to 2.
    Raises DiffGestureError with a sentence that says what to do; then nothing was changed.
    """
    if session.busy:
        raise DiffGestureError("Gestures are being generated already; wait for them or cancel.")
    scene = scene or _scene_of(armature)
    check_armature(armature, scene)
    machine = _machine(engine, python, checkpoint, device)
    folder = new_job_folder()
    try:
        clip = source.decoded(_clip(audio, scene, folder, needs_place=frame_start is None), folder)
        request = build_request(
            scene,
            armature,
            clip,
            folder=folder,
            machine=machine,
            controls=controls.complete(values),
            frame_start=frame_start,
            keys=keys,
            add_sound=add_sound,
            cues=cues,
            transcript=None if transcript is None else str(Path(transcript).absolute()),
            word_table=None if word_table is None else str(Path(word_table).absolute()),
        )
        job = GenerateJob(request)
    except BaseException:
        remove_folder(folder)
        raise
    result = runner.run(job, on_progress)
    session.forget_result()
    session.result = result  # its motion file lives until the next result
    return _result(armature, result)


def generate_scene(
    scene: bpy.types.Scene | None = None,
    *,
    characters: Sequence[bpy.types.Object] = (),
    edit: bpy.types.Scene | None = None,
    keys: KeyOptions | None = None,
    engine: str | None = None,
    python: str | None = None,
    checkpoint: str | None = None,
    device: str | None = None,
    on_progress: Callable[[float, str], None] | None = None,
    **values: object,
) -> list[Result]:
    """Gestures for every character of a scene, over its frame range: each speaks in its own turns and listens in
    the others'. One result a character; returns when all keys are written.

    ``scene``: None for the context's. ``characters``: only these armatures (none: all that take part).
    ``edit``: the scene whose sequencer has the speech (None: ``scene``). What each says and where it looks are its
    settings, ``armature.diffgesture``: ``voice``, ``look``, docs/DIALOGUE.md. ``keys`` and ``values`` (any
    control, as of ``generate``) hold for all, in place of each character's own. The rest is as of ``generate``.
    Raises DiffGestureError with a sentence that says what to do. Where that names a character, those before it and
    after it have their keys; otherwise nothing was changed.
    """
    if session.busy:
        raise DiffGestureError("Gestures are being generated already; wait for them or cancel.")
    scene = scene or bpy.context.scene
    folder = new_job_folder()
    try:
        given = {name: value for name, value in controls.complete(values).items() if _is_given(name, values)}
        machine = _machine(engine, python, checkpoint, device)
        plan = plan_scene(scene, edit or scene, machine, folder, only=characters, keys=keys, controls=given)
        job = SceneJob(plan, folder)
    except BaseException:
        remove_folder(folder)
        raise
    made = runner.run(job, on_progress)
    session.forget_result()
    session.scene_result, session.result = made, made.results[0]
    if made.problems:
        name, problem = made.problems[0]
        raise DiffGestureError(f"{name}: {problem.message}")
    return [_result(scene.objects[item.armature_name], item) for item in made.results]


def _is_given(name: str, values: Mapping[str, object]) -> bool:
    """Whether ``values`` say something of a control: by its name, or nested under its option (``amounts``)."""
    option = controls.table()[name].get("option")
    return name in values or (option is not None and f"{option}s" in values)


def _machine(*chosen: str | None) -> Machine:
    """The preferences with another engine, Python, checkpoint or device where one is given."""
    names = ("engine", "python", "checkpoint", "device")
    given = {name: value for name, value in zip(names, chosen, strict=True) if value is not None}
    return replace(machine_settings(), **given)


def _result(armature: bpy.types.Object, made: JobResult) -> Result:
    return Result(
        armature=armature,
        action=bpy.data.actions[made.action_name],
        family=made.family,
        frame_start=made.frame_start,
        frame_end=made.frame_end,
        seed=made.seed,
        seconds=float(made.reply.get("audio_seconds", 0.0)),
        num_keys=made.keys.total,
        missing=made.missing,
        warnings=made.warnings,
        motion_path=made.motion_path,
    )


def _scene_of(armature: bpy.types.Object) -> bpy.types.Scene:
    """The context's scene if it has the object, else one that has."""
    scenes = list(armature.users_scene)
    if not scenes:
        raise DiffGestureError(f"{armature.name} is in no scene.")
    return bpy.context.scene if bpy.context.scene in scenes else scenes[0]


def _clip(
    audio: str | Path | bpy.types.Sound | bpy.types.Strip | bpy.types.Object,
    scene: bpy.types.Scene,
    folder: Path,
    needs_place: bool,
) -> AudioClip:
    if isinstance(audio, bpy.types.Sound):
        return source.clip_from_sound(audio, scene, folder)
    if isinstance(audio, bpy.types.Object):
        if audio.type != "SPEAKER":
            raise DiffGestureError(f"{audio.name} is not a speaker object.")
        return source.clip_from_speaker(audio, folder)
    if isinstance(audio, (str, Path)):
        return source.placed(source.clip_from_path(Path(bpy.path.abspath(str(audio))).resolve()), scene)
    if getattr(audio, "type", None) == "SOUND":
        return source.clip_from_strip(audio.name, audio.id_data, scene, folder, needs_place)
    raise DiffGestureError(f"{audio!r} is not audio: give a file, a sound, a sound strip or a speaker object.")
