# SPDX-License-Identifier: GPL-3.0-or-later
"""``scene`` on the command line: gestures for all characters of the open file's scene, and a report."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import bpy

from ..errors import DiffGestureError
from ..jobs import playback, runner
from ..jobs.generate import JobResult
from ..jobs.scene_job import SceneJob, SceneResult
from ..jobs.scene_plan import ScenePlan, plan_scene
from ..settings import controls
from ..state import character
from ..state.session import new_job_folder, remove_folder
from ..writing import written
from .command import machine_of
from .generate import ProgressPrinter, find_armature, find_scene, named, open_blend, save_blend
from .outputs import check, inputs_of


def generate_scene(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Do it all and fill ``report``; raises DiffGestureError. Nothing is saved unless all characters succeeded."""
    report.update(scene=None, blend=None, characters=[])
    given = {} if options.seed is None else {"seed": options.seed}
    controls.check_limits(given)
    open_blend(options)
    target = Path(os.path.abspath(options.output))
    if target.suffix.lower() != ".blend":
        raise DiffGestureError(f"--output must be a .blend file, not {options.output}.")
    check({"blend": target}, inputs_of(options))
    scene = find_scene(options)
    edit = named(bpy.data.scenes, options.strip_scene, "scene") if options.strip_scene else scene
    only = [find_armature(name, scene) for name in options.character or ()]
    report["scene"] = scene.name
    folder = new_job_folder()
    try:
        plan = plan_scene(scene, edit, machine_of(options), folder, only=only, controls=given)
        made = runner.run(SceneJob(plan, folder), ProgressPrinter())
        _describe(plan, made, report)
        if made.problems:
            name, problem = made.problems[0]
            raise DiffGestureError(f"{name}: {problem.message}")
        with written(target) as (part,):
            save_blend(part)
        report["blend"] = str(target)
    finally:
        remove_folder(folder)
    for line in report["characters"]:
        if not line["follows"]:
            print(f"diffgesture: warning: {' '.join(line['warnings'])}", file=sys.stderr, flush=True)


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
