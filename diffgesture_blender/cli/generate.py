# SPDX-License-Identifier: GPL-3.0-or-later
"""``generate`` on the command line: the open file in, a new file with keys, a motion and a report out."""

import argparse
import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import bpy

from ..animation.key_writing import KeyMode, KeyOptions
from ..errors import DiffGestureError
from ..export import bvh as export_bvh
from ..export import film
from ..export.character import export_character
from ..export.training_take import copy_take, save_take
from ..jobs import playback, runner
from ..jobs.generate import GenerateJob, JobResult
from ..jobs.regenerate import Plan
from ..jobs.request import JobRequest, build_request
from ..rig.bone_map import load_bone_map
from ..settings import bone_map as rig_map
from ..settings import controls
from ..sound import source as audio_source
from ..sound.source import AudioClip
from ..state import character
from ..state.session import new_job_folder, remove_folder
from ..window_context import window_showing
from ..writing import written
from .command import machine_of
from .outputs import output_paths

_KEY_MODES: Final[dict[str, KeyMode]] = {"model": "MOTION", "every-frame": "WHOLE_FRAMES", "few": "REDUCED"}


def generate(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Do it all and fill ``report``; raises DiffGestureError. Nothing is saved unless everything succeeded."""
    spoken = os.path.abspath(options.audio) if options.audio else options.strip or options.sound or options.speaker
    report.update(audio=spoken, seed=options.seed, motion=None, action=None, blend=None)
    check_numbers(options)
    open_blend(options)
    outputs = output_paths(options)
    folder = new_job_folder()
    try:
        request = _request(options, folder)
        if "film" in outputs:
            scene, armature = _scene_and_armature(request.scene_uid, request.armature_uid)
            film.check_film(scene, [armature])
        report.update(scene=request.scene_name, armature=request.armature_name, frame_start=request.frame_start)
        job = GenerateJob(request)
        result = runner.run(job, ProgressPrinter())
        _save(result, outputs, request)
        _describe(result, outputs, report)
        if not result.look.follows:
            print(f"diffgesture: warning: {' '.join(result.look.sentences)}", file=sys.stderr, flush=True)
    finally:
        remove_folder(folder)


def save_training_take(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """``take``: write the two files and fill ``report``; raises DiffGestureError."""
    open_blend(options)
    folder = new_job_folder()
    try:
        path = os.path.abspath(options.audio)
        clip = audio_source.decoded(audio_source.clip_from_path(path), folder)
        name, target = options.name or clip.name, Path(os.path.abspath(options.output))
        _check_take(options, target, name)
        if options.bvh:
            take = copy_take(Path(os.path.abspath(options.bvh)), clip, target, name)
        else:
            scene = find_scene(options)
            armature = find_armature(options.armature, scene)
            _take_bone_map(options, armature)
            start = scene.frame_start if options.frame_start is None else options.frame_start
            take = save_take(armature, scene, clip, start, target, name)
            report.update(armature=armature.name, frame_start=take.frame_start, frame_end=take.frame_end)
    finally:
        remove_folder(folder)
    report.update(motion=str(take.motion), sound=str(take.sound), take_seconds=round(take.seconds, 3))


def _check_take(options: argparse.Namespace, folder: Path, name: str) -> None:
    """DiffGestureError where the take's sound would take the place of the recording."""
    path = folder / f"{name}.wav"
    if os.path.realpath(path) == os.path.realpath(options.audio):
        raise DiffGestureError(f"{path} is the recording itself; give the take another --name or --output.")


def open_blend(options: argparse.Namespace) -> None:
    """Make sure that the file meant is open: Blender runs the command even if it could not read the file."""
    if options.blend:
        path = os.path.abspath(options.blend)
        if not os.path.isfile(path):
            raise DiffGestureError(f"There is no file {path}.")
        try:
            bpy.ops.wm.open_mainfile(filepath=path, load_ui=False)
        except RuntimeError as error:
            raise DiffGestureError(f"Blender cannot open {path}: {error}") from error
    elif not bpy.data.filepath:
        named = [argument for argument in _arguments_before_command() if argument.lower().endswith(".blend")]
        if named:
            raise DiffGestureError(f"Blender could not open {named[-1]}; check its path.")
    with window_showing():  # without a window the context says Object Mode whatever the file was saved in
        if bpy.context.mode.startswith("EDIT"):
            bpy.ops.object.mode_set(mode="OBJECT")


def _arguments_before_command() -> list[str]:
    for flag in ("--command", "-c", "--python", "-P"):
        if flag in sys.argv:
            return sys.argv[1 : sys.argv.index(flag)]
    return []


def _request(options: argparse.Namespace, folder: Path) -> JobRequest:
    scene = find_scene(options)
    armature = find_armature(options.armature, scene)
    _take_bone_map(options, armature)
    return build_request(
        scene,
        armature,
        audio_source.decoded(_clip(options, scene, folder), folder),
        folder=folder,
        machine=machine_of(options),
        controls=controls.of_arguments(options),
        frame_start=options.frame_start,
        plan=_plan(options),
        keys=key_options(options),
        add_sound=not options.no_sound,
        cues=_cues(options.cues),
        transcript=os.path.abspath(options.transcript) if options.transcript else None,
        word_table=os.path.abspath(options.word_table) if options.word_table else None,
    )


def _cues(text: str) -> str:
    """The option for a worker, which runs in another folder."""
    is_file = text.strip().lower().endswith((".json", ".csv"))
    return os.path.abspath(text.strip()) if is_file else text.strip()


def _clip(options: argparse.Namespace, scene: bpy.types.Scene, folder: Path) -> AudioClip:
    """The speech that the options name: a file, or what the panel offers in the open file."""
    if options.sound is not None:
        return audio_source.clip_from_sound(named(bpy.data.sounds, options.sound, "sound"), scene, folder)
    if options.speaker is not None:
        return audio_source.clip_from_speaker(named(bpy.data.objects, options.speaker, "speaker object"), folder)
    if options.strip is not None:
        edit = named(bpy.data.scenes, options.strip_scene, "scene") if options.strip_scene else scene
        return audio_source.clip_from_strip(options.strip, edit, scene, folder, options.frame_start is None)
    return audio_source.placed(audio_source.clip_from_path(os.path.abspath(options.audio)), scene)


def named(items: Any, name: str, what: str) -> Any:
    """The datablock of that name; DiffGestureError where there is none."""
    found = items.get(name)
    if found is None or (what == "speaker object" and found.type != "SPEAKER"):
        raise DiffGestureError(f"The file has no {what} {name}.")
    return found


def check_numbers(options: argparse.Namespace) -> None:
    """DiffGestureError where a number lies outside of the limits that the panel keeps."""
    controls.of_arguments(options)
    key_options(options)


def key_options(options: argparse.Namespace) -> KeyOptions:
    """How the keys are to be written."""
    if options.max_error <= 0:
        raise DiffGestureError(f"--max-error must be more than 0 degrees, not {options.max_error:g}.")
    return KeyOptions(mode=_KEY_MODES[options.keys], max_error=options.max_error, layer=options.layer.upper())


def _plan(options: argparse.Namespace) -> Plan | None:
    """The part to regenerate, if only a part is wanted."""
    if options.regenerate and options.keep_poses:
        raise DiffGestureError("Give --regenerate or --keep-poses, not both.")
    if options.regenerate:
        return Plan(*options.regenerate)
    return Plan(keep=tuple(options.keep_poses)) if options.keep_poses else None


def find_scene(options: argparse.Namespace) -> bpy.types.Scene:
    """The scene that is named, else the active one; DiffGestureError where there is none of that name."""
    if not options.scene:
        return bpy.context.scene
    scene = bpy.data.scenes.get(options.scene)
    if scene is None:
        raise DiffGestureError(f"The file has no scene {options.scene}; it has: {_names(bpy.data.scenes)}.")
    return scene


def _take_bone_map(options: argparse.Namespace, armature: bpy.types.Object) -> None:
    if options.bone_map:
        rig_map.store(armature, load_bone_map(options.bone_map, armature))


def find_armature(name: str | None, scene: bpy.types.Scene) -> bpy.types.Object:
    """The armature of that name in the scene, else its only one; DiffGestureError names those there are."""
    armatures = [item for item in scene.objects if item.type == "ARMATURE"]
    if not armatures:
        raise DiffGestureError(f"The scene {scene.name} has no armature.")
    if name is None:
        if len(armatures) > 1:
            raise DiffGestureError(f"Choose one with --armature: {_names(armatures)}.")
        return armatures[0]
    found = scene.objects.get(name)
    if found is None:
        raise DiffGestureError(
            f"The scene {scene.name} has no object {name}. Armatures in the scene: {_names(armatures)}."
        )
    if found.type != "ARMATURE":
        raise DiffGestureError(f"{name} is not an armature. Armatures in the scene: {_names(armatures)}.")
    return found


def _names(items: Any) -> str:
    return ", ".join(item.name for item in items)


def _save(result: JobResult, outputs: dict[str, Path], request: JobRequest) -> None:
    """All results or none."""
    with written(*outputs.values()) as parts:
        for kind, part in zip(outputs, parts, strict=True):
            if kind == "motion":
                shutil.copyfile(result.motion_path, part)
            elif kind == "bvh":
                export_bvh.write_bvh(part, result.motion_path, request.machine)
            elif kind == "blend":
                save_blend(part)
            else:
                _export(result, part, request)


def save_blend(part: Path) -> None:
    """Save the file as it is now; OSError where that fails."""
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(part), check_existing=False, relative_remap=True, copy=True)
    except RuntimeError as error:
        raise OSError(" ".join(str(error).split())) from error
    if not _is_whole(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_whole(blend: Path) -> bool:
    """Whether a .blend ends as it must: Blender 5.2 reports no error when the disk is full."""
    with blend.open("rb") as file:
        compressed = file.read(4) == b"\x28\xb5\x2f\xfd"  # a Zstandard frame, which a seek table ends
        file.seek(-min(64, blend.stat().st_size), os.SEEK_END)
        end = file.read()
    return end.endswith(b"\xb1\xea\x92\x8f") if compressed else b"ENDB" in end


def _scene_and_armature(scene_uid: int, armature_uid: int) -> tuple[bpy.types.Scene, bpy.types.Object]:
    scene = character.find_scene(scene_uid)
    assert scene is not None
    armature = character.find_armature(armature_uid, scene)
    assert armature is not None
    return scene, armature


def _export(result: JobResult, path: Path, request: JobRequest) -> None:
    scene, armature = _scene_and_armature(result.scene_uid, result.armature_uid)
    if path.suffix.lower() == ".mp4":
        frames = (result.frame_start, result.frame_end)
        film.write_film(path, [armature], scene, *frames, request.audio, request.frame_start)
        return
    export_character(path, armature, scene, result.frame_start, result.frame_end)


def _describe(result: JobResult, outputs: dict[str, Path], report: dict[str, Any]) -> None:
    reply = result.reply
    report.update({name: str(path) for name, path in outputs.items()})
    report.update(
        action=result.action_name,
        family=result.family,
        missing=list(result.missing),
        keys=result.keys.total,
        key_error=round(result.keys.error, 4),
        frame_end=result.frame_end,
        follows=result.look.follows,
        not_following=list(result.look.behind),
        warnings=[*result.warnings, *filter(None, [_range_note(result)])],
    )
    for name in ("frames", "fps", "layout", "audio_seconds", "preset", "steps", "device", "timings"):
        report[name] = reply.get(name)


def _range_note(result: JobResult) -> str | None:
    scene = character.find_scene(result.scene_uid)
    return None if scene is None else playback.range_note(scene, result.frame_start, result.frame_end)


class ProgressPrinter:
    """Progress on standard error: a line each ten percent, and none unless someone is watching."""

    def __init__(self) -> None:
        self._watched = sys.stderr is not None and sys.stderr.isatty()
        self._shown = -1

    def __call__(self, fraction: float, text: str) -> None:
        tenth = int(10 * fraction)
        if self._watched and tenth != self._shown:
            self._shown = tenth
            print(text, file=sys.stderr, flush=True)
