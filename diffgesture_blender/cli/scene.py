# SPDX-License-Identifier: GPL-3.0-or-later
"""``scene`` on the command line: gestures for all characters of the open file's scene, and a report.

The .blend and the film hold all of them; of motions and exports each character has its own file.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from ..animation.key_writing import KeyOptions
from ..errors import DiffGestureError
from ..export import bvh, film
from ..export.character import export_character
from ..jobs import playback, runner
from ..jobs.generate import JobResult
from ..jobs.scene_job import SceneJob, SceneResult
from ..jobs.scene_plan import ScenePlan, plan_scene
from ..settings import controls
from ..state import character
from ..state.session import new_job_folder, remove_folder
from ..writing import file_name, written
from .command import machine_of
from .generate import ProgressPrinter, find_armature, find_scene, key_options, named, open_blend, save_blend
from .outputs import check, inputs_of, output_paths

# One file for all characters.
_SHARED: Final = ("blend", "film")


@dataclass(frozen=True)
class _File:
    """A file to write, and the character that it is of (None: all)."""

    kind: str
    path: Path
    armature: bpy.types.Object | None = None


def generate_scene(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Do it all and fill ``report``; raises DiffGestureError. Nothing is saved unless all characters succeeded."""
    report.update(scene=None, blend=None, characters=[])
    given = {name: value for name, value in controls.of_arguments(options).items() if value is not None}
    keys = _keys(options)
    open_blend(options)
    outputs = output_paths(options)
    scene = find_scene(options)
    edit = named(bpy.data.scenes, options.strip_scene, "scene") if options.strip_scene else scene
    only = [find_armature(name, scene) for name in options.character or ()]
    report["scene"] = scene.name
    folder = new_job_folder()
    try:
        plan = plan_scene(scene, edit, machine_of(options), folder, only=only, keys=keys, controls=given)
        files = _files(outputs, [part.armature for part in plan.parts])
        check({str(number): item.path for number, item in enumerate(files)}, inputs_of(options))
        if "film" in outputs:
            film.check_film(scene, [part.armature for part in plan.parts])
        made = runner.run(SceneJob(plan, folder), ProgressPrinter())
        _describe(plan, made, report)
        if made.problems:
            name, problem = made.problems[0]
            raise DiffGestureError(f"{name}: {problem.message}")
        _save(files, scene, plan, made)
        for kind in outputs:
            paths = [str(item.path) for item in files if item.kind == kind]
            report[kind] = paths[0] if kind in _SHARED else paths
    finally:
        remove_folder(folder)
    for line in report["characters"]:
        if not line["follows"]:
            print(f"diffgesture: warning: {' '.join(line['warnings'])}", file=sys.stderr, flush=True)


def _keys(options: argparse.Namespace) -> KeyOptions | None:
    """How keys are written, if the command line says anything of it; each character's own else."""
    usual = {"keys": "model", "max_error": 1.0, "layer": "action"}
    told = {name: getattr(options, name) for name in usual if getattr(options, name) is not None}
    return key_options(argparse.Namespace(**{**usual, **told})) if told else None


def _files(outputs: Mapping[str, Path], cast: Iterable[bpy.types.Object]) -> list[_File]:
    """Every file to write; those of one character are called after it."""
    files = []
    for kind, path in outputs.items():
        if kind in _SHARED:
            files.append(_File(kind, path))
        else:
            files += [
                _File(kind, path.with_name(f"{path.stem}_{file_name(item.name)}{path.suffix}"), item)
                for item in cast
            ]
    return files


def _save(files: Sequence[_File], scene: bpy.types.Scene, plan: ScenePlan, made: SceneResult) -> None:
    """All results or none."""
    results = {result.armature_name: result for result in made.results}
    request = plan.requests[0]
    with written(*(item.path for item in files)) as parts:
        for item, part in zip(files, parts, strict=True):
            if item.kind == "blend":
                save_blend(part)
            elif item.armature is None:
                cast, frames = [each.armature for each in plan.parts], (scene.frame_start, scene.frame_end)
                film.write_film(part, cast, scene, *frames, request.audio, request.frame_start, scene.camera)
            elif item.kind == "motion":
                shutil.copyfile(results[item.armature.name].motion_path, part)
            elif item.kind == "bvh":
                bvh.write_bvh(part, results[item.armature.name].motion_path, request.machine)
            else:
                result = results[item.armature.name]
                export_character(part, item.armature, scene, result.frame_start, result.frame_end)


def _describe(plan: ScenePlan, made: SceneResult, report: dict[str, Any]) -> None:
    results = {result.armature_name: result for result in made.results}
    problems = dict(made.problems)
    lines = []
    for request in plan.requests:
        result = results.get(request.armature_name)
        lines.append(
            {
                "armature": request.armature_name,
                "error": None if result else problems[request.armature_name].message,
                "turns": [[round(start, 3), round(end, 3)] for start, end in request.turns or ()],
                "looks_at": list(dict.fromkeys(glance.target for glance in request.glances)),
                **(_of_result(result) if result else {"follows": True, "warnings": list(request.notes)}),
            }
        )
    report.update(
        characters=lines,
        follows=all(line["follows"] for line in lines),
        not_following=[limb for line in lines for limb in line.get("not_following", ())],
        frame_start=min((result.frame_start for result in made.results), default=None),
        frame_end=max((result.frame_end for result in made.results), default=None),
        warnings=[*made.notes, *_range_notes(made)],
    )


def _of_result(result: JobResult) -> dict[str, Any]:
    return {
        "action": result.action_name,
        "family": result.family,
        "seed": result.seed,
        "frame_start": result.frame_start,
        "frame_end": result.frame_end,
        "keys": result.keys.total,
        "missing": list(result.missing),
        "follows": result.look.follows,
        "not_following": list(result.look.behind),
        "warnings": list(result.warnings),
        "seconds": round(result.seconds, 3),
    }


def _range_notes(made: SceneResult) -> list[str]:
    notes = []
    for result in made.results:
        scene = character.find_scene(result.scene_uid)
        if scene is not None:
            notes.append(playback.range_note(scene, result.frame_start, result.frame_end - 1))
    return list(dict.fromkeys(filter(None, notes)))
