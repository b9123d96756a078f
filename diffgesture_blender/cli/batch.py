# SPDX-License-Identifier: GPL-3.0-or-later
"""``batch`` on the command line: many recordings, one Blender, one backend; several with ``--jobs``.

Jobs come from a folder of recordings, a .csv table or a .json list; a job is what ``generate`` can be told, by the
names of its options. Each begins with the .blend as it is on disk and ends with a record, NAME.json beside its
other results, which is written last. A job whose record fits is done: a run that was broken off goes on.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from ..errors import DiffGestureError
from ..identity import VERSION
from ..reading import parse_json, read_json, read_text, understood
from ..sound.source import AUDIO_ENDINGS
from ..state.session import Problem
from ..writing import write_file
from . import side_by_side
from .command import NOT_SHOWN, UsageError, build_parser
from .generate import generate
from .outputs import KINDS
from .scene import generate_scene

# Ending of a result's file -> the kind of result.
FORMATS: Final = {"blend": "blend", "npz": "motion", "bvh": "bvh", "fbx": "fbx", "glb": "glb", "mp4": "film"}

# Options of ``generate`` that a job does not choose, for they follow from its name and --formats.
_NOT_A_JOBS: Final = {*(option for option, _ in KINDS.values()), "report", "json", "help"}
_PATHS: Final = ("audio", "blend", "bone_map", "transcript", "word_table")
_IN_THE_BLEND: Final = ("strip", "sound", "speaker")
_SPEECH: Final = ("audio", *_IN_THE_BLEND)


@dataclass(frozen=True)
class Job:
    """One call of ``generate`` or ``scene``: a name that is a file's, and its options by name."""

    name: str
    values: Mapping[str, Any]
    command: str = "generate"


def batch(options: argparse.Namespace, report: dict[str, Any]) -> int:
    """Do all jobs, one after the other, and fill ``report``; the exit code, 0 where all are done.

    A job that fails does not stop the others. Raises DiffGestureError before the first where the jobs themselves
    cannot be understood.
    """
    folder = Path(os.path.abspath(options.output))
    if options.jobs < 1:
        raise UsageError(f"--jobs wants the number of Blenders that work side by side, not {options.jobs}.")
    jobs = _chosen(expand(_rows(options), options), options.range)
    jobs = side_by_side.share_of(jobs, options.share)
    formats = _formats(options.formats)
    prepared = [(job, _arguments(job, folder, formats)) for job in jobs]
    for job in jobs:
        _check_record(folder / f"{job.name}.json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiffGestureError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error
    if options.jobs > 1 and len(jobs) > 1:
        lines, exit_code = _do_side_by_side(jobs, options)
    else:
        lines, exit_code = _do(prepared, folder, options)
    counts = Counter(line["status"] for line in lines)
    report.update(
        status="ok" if exit_code == 0 else "interrupted" if exit_code == 130 else "error",
        jobs_total=len(jobs),
        jobs_done=counts["ok"],
        jobs_skipped=counts["skipped"],
        jobs_failed=counts["error"],
        jobs_not_shown=counts["not shown"],
        jobs=lines,
    )
    if exit_code:
        failed = [line["job"] for line in lines if line["status"] in ("error", "not shown")]
        what = "failed" if counts["error"] else "are not shown by the character"
        report["error"] = f"{len(failed)} of {len(jobs)} jobs {what}: {', '.join(failed[:5])}" + (
            ", ..." if len(failed) > 5 else "."
        )
    return exit_code


def _do(
    prepared: Sequence[tuple[Job, list[str]]], folder: Path, options: argparse.Namespace
) -> tuple[list[dict[str, Any]], int]:
    """All jobs here, one after the other: what to tell of each, and the exit code."""
    exit_code, lines = 0, []
    for job, arguments in prepared:
        line, code = _run(job, arguments, folder, options.again)
        lines.append(line)
        _tell(line, len(lines), len(prepared))
        if code:
            print(f"diffgesture: {job.name}: {line['error']}", file=sys.stderr, flush=True)
            exit_code = _graver(exit_code, code)
        if code == 130 or (code and options.stop_on_error):
            break
    return lines, exit_code


def _do_side_by_side(jobs: Sequence[Job], options: argparse.Namespace) -> tuple[list[dict[str, Any]], int]:
    """All jobs in several Blenders: what to tell of each, and the exit code."""
    children = side_by_side.Children(options.arguments, [job.name for job in jobs], min(options.jobs, len(jobs)))
    lines, exit_code = [], 0
    try:
        for line in children:
            lines.append(line)
            _tell(line, len(lines), len(jobs))
            if options.stop_on_error and line["status"] not in ("ok", "skipped"):
                exit_code = NOT_SHOWN if line["status"] == "not shown" else 2
                break
    except KeyboardInterrupt:
        exit_code = 130
    finally:
        children.stop()
    for code in children.exit_codes:
        exit_code = _graver(exit_code, code)
    return lines, exit_code


def _tell(line: Mapping[str, Any], number: int, of: int) -> None:
    print(json.dumps({"number": number, "of": of, **line}), flush=True)


def _rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The jobs of the list, or one for each strip, sound and speaker that the command line names."""
    named = [{kind: name} for kind in _IN_THE_BLEND for name in getattr(options, kind) or ()]
    if bool(named) == bool(options.source):
        raise UsageError("Give a folder or a list of jobs, or name strips, sounds or speakers: one of both.")
    if named:
        return named
    source = Path(os.path.abspath(options.source))
    return read_scenes(source) if options.whole_scene and source.is_dir() else read_jobs(source)


def read_scenes(folder: Path) -> list[dict[str, Any]]:
    """A job for each .blend of a folder: the whole scene that it opens with."""
    found = sorted(path for path in folder.glob("*.blend") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise DiffGestureError(f"There are no .blend files in {folder}.")
    return [{"name": path.stem, "blend": str(path), "whole_scene": True} for path in found]


def read_jobs(source: Path) -> list[dict[str, Any]]:
    """The jobs of a folder, a .csv table or a .json list, as options of ``generate`` by name and a ``name``."""
    if source.is_dir():
        found = sorted(
            path
            for path in source.iterdir()
            if path.suffix.lower() in AUDIO_ENDINGS and path.is_file() and not path.name.startswith(".")
        )
        if not found:
            raise DiffGestureError(f"There are no recordings in {source}.")
        stems = Counter(path.stem for path in found)
        return [
            {"name": path.stem if stems[path.stem] == 1 else path.name.replace(".", "_"), "audio": str(path)}
            for path in found
        ]
    with understood(f"{source} cannot be read"):
        text = read_text(source, "list of jobs")
        if source.suffix.lower() == ".csv":
            table = csv.DictReader(io.StringIO(text))
            rows: Any = [{key: cell for key, cell in row.items() if cell not in (None, "")} for row in table]
        elif source.suffix.lower() == ".json":
            rows = parse_json(text, f"{source} cannot be read: it")
            rows = rows.get("jobs") if isinstance(rows, dict) else rows
        else:
            raise DiffGestureError(
                f"{source} is neither a folder of recordings nor a .csv table or .json list of jobs."
            )
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DiffGestureError(f'{source} lists no jobs, for instance [{{"audio": "speech.wav", "seed": 3}}].')
    return [_placed(row, source.parent) for row in rows]


def _placed(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job with its files found from the folder of the list."""
    here = {key: str(folder / str(row[key])) for key in _PATHS if row.get(key)}
    cues = str(row.get("cues") or "").strip()
    if cues.casefold().endswith((".json", ".csv")):
        here["cues"] = str(folder / cues)
    return {**{str(key).strip().replace("-", "_"): value for key, value in row.items()}, **here}


def expand(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> list[Job]:
    """Every row for every character, with the command line's options where the row has none of its own."""
    shared = set(_options_of("generate")) - _NOT_A_JOBS
    common = {name: value for name, value in vars(options).items() if name in shared}
    for name in ("armature", *_IN_THE_BLEND):
        common.pop(name, None)
    common["blend"] = options.blend or bpy.data.filepath
    jobs = []
    for row in rows:
        if str(row.get("whole_scene") or "no").lower() not in ("0", "no", "false"):
            jobs.append(_scene_job(row, options, common))
            continue
        own = {key: value for key, value in row.items() if key not in ("name", "whole_scene")}
        speech = next((str(own[key]) for key in _SPEECH if own.get(key)), None)
        if speech is None:
            raise DiffGestureError(
                f"The job {row} names no speech: give audio, strip, sound or speaker, or whole_scene."
            )
        name = str(row.get("name") or Path(speech).stem)
        armatures = [own.pop("armature")] if own.get("armature") else (options.armature or [None])
        for armature in armatures:
            full = name if len(armatures) == 1 else f"{name}_{armature}"
            jobs.append(Job(bpy.path.clean_name(full), {**common, **own, "armature": armature}))
    twice = [name for name, count in Counter(job.name.casefold() for job in jobs).items() if count > 1]
    if twice:
        raise DiffGestureError(f"More than one job is called {twice[0]}; give them names of their own.")
    if any(not job.values.get("blend") for job in jobs):
        raise DiffGestureError("Open the character's .blend before --command, or give --blend.")
    return jobs


def _scene_job(row: Mapping[str, Any], options: argparse.Namespace, common: Mapping[str, Any]) -> Job:
    """The job of a whole scene: what the command line says holds for it where that says more than usual."""
    known, usual = _options_of("scene"), _options_of("batch")
    told = {name: value for name, value in common.items() if name in known and value != usual[name].default}
    own = {key: value for key, value in row.items() if key not in ("name", "whole_scene")}
    if options.armature:
        told["character"] = options.armature
    if "armature" in own:
        own["character"] = own.pop("armature")
    values = {**told, "blend": common["blend"], **own}
    name = str(row.get("name") or Path(str(values["blend"])).stem)
    return Job(bpy.path.clean_name(name), values, "scene")


def _options_of(command: str) -> dict[str, argparse.Action]:
    """The options of a command by name."""
    parser = build_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {action.dest: action for action in commands.choices[command]._actions}


def _arguments(job: Job, folder: Path, formats: Sequence[str]) -> list[str]:
    """The command line for the job; UsageError where it makes no sense."""
    known = _options_of(job.command)
    arguments = [job.command]
    for name, value in job.values.items():
        if name not in known or name in _NOT_A_JOBS:
            allowed = ", ".join(sorted(set(known) - _NOT_A_JOBS))
            raise UsageError(f"The job {job.name} has an unknown option {name}; there are: {allowed}.")
        arguments += _option(known[name], value)
    for ending in formats:
        option, _ = KINDS[FORMATS[ending]]
        arguments += [f"--{option.replace('_', '-')}", str(folder / f"{job.name}.{ending}")]
    try:
        build_parser().parse_args(arguments)
    except UsageError as error:
        raise UsageError(f"The job {job.name}: {error}") from None
    return arguments


def _option(action: argparse.Action, value: Any) -> list[str]:
    """An option and its value as a command line has them; nothing for one that is not set."""
    flag = action.option_strings[-1]
    if value is None or value is False or value in ("", []):
        return []
    if action.nargs == 0:
        return [] if str(value).lower() in ("0", "no", "false") else [flag]
    values = value if isinstance(value, (list, tuple)) else [value]
    if action.nargs is not None:
        words = [str(item) for item in values] if isinstance(value, (list, tuple)) else str(value).split()
        return [flag, *words]
    return [f"{flag}={item}" for item in values]


def _run(job: Job, arguments: list[str], folder: Path, again: bool) -> tuple[dict[str, Any], int]:
    """Do one job unless its record says that it is done; what to tell of it, and the exit code."""
    started = time.monotonic()
    path = folder / f"{job.name}.json"
    record: dict[str, Any] = {"job": job.name, "status": "error", "error": None, "version": VERSION}
    code = 0
    try:
        record["fingerprint"] = _fingerprint(arguments)
        if not again and _is_done(path, record["fingerprint"]):
            return {"job": job.name, "status": "skipped", "error": None, "record": str(path)}, 0
        options = build_parser().parse_args(arguments)
        path.unlink(missing_ok=True)
        (generate_scene if job.command == "scene" else generate)(options, record)
        record["status"] = "ok"
        if not record.get("follows", True):
            limbs = ", ".join(record["not_following"])
            record.update(status="not shown", error=f"The character does not show the gestures: {limbs}.")
            code = NOT_SHOWN
    except KeyboardInterrupt:
        record["error"], code = "Interrupted.", 130
    except Exception as error:
        problem = Problem.of(error)
        record.update(error=problem.message, error_type=problem.kind, hint=problem.hint, command=problem.command)
        code = problem.exit_code
    record["seconds"] = round(time.monotonic() - started, 3)
    if code != 130:
        _write(path, record)
    told = {key: record.get(key) for key in ("job", "status", "error", "seconds", "frame_start", "frame_end")}
    return {**told, "record": str(path)}, code


def _fingerprint(arguments: list[str]) -> str:
    """Of what the job is told and of the files it reads: another recording under the same name is another job."""
    options = build_parser().parse_args(arguments)
    read = []
    for name in (*_PATHS, "checkpoint", "cues"):
        path = getattr(options, name, None)
        if path and os.path.isfile(path):
            status = os.stat(path)
            read.append([name, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([arguments, read, VERSION]).encode()).hexdigest()[:16]


def _is_done(path: Path, fingerprint: str) -> bool:
    """Whether the record is that of the same job, done, and all its files are still there."""
    try:
        record = read_json(path, "record")
    except DiffGestureError:
        return False
    if not isinstance(record, dict) or record.get("status") != "ok" or record.get("fingerprint") != fingerprint:
        return False
    made = [record[kind] for kind in KINDS if record.get(kind)]
    files = [path for paths in made for path in ([paths] if isinstance(paths, str) else paths)]
    return all(os.path.isfile(str(path)) for path in files)


def _check_record(path: Path) -> None:
    """DiffGestureError where a job's record would take the place of something else, such as a transcript."""
    if not path.exists():
        return
    try:
        found = read_json(path, "record")
    except DiffGestureError:  # no JSON at all: what an older version broke off
        return
    if not isinstance(found, dict) or "job" not in found or "status" not in found:
        raise DiffGestureError(
            f"{path} is not the record of a job and would be overwritten; choose another folder for --output."
        )


def _write(path: Path, record: dict[str, Any]) -> None:
    """The record in one piece, or not at all."""
    write_file(path, json.dumps(record, indent=2) + "\n")


def _formats(text: str) -> list[str]:
    wanted = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in FORMATS]
    if unknown or not wanted:
        raise UsageError(f"--formats wants some of {', '.join(FORMATS)}, not {text}.")
    return list(dict.fromkeys(wanted))


def _chosen(jobs: list[Job], text: str | None) -> list[Job]:
    """The jobs of a range such as 1-50, counted from 1; all without one."""
    if text is None:
        return jobs
    first, _, last = text.partition("-")
    try:
        start, end = int(first), int(last or first)
    except ValueError:
        start = end = 0
    if not 1 <= start <= end:
        raise UsageError(f"--range wants two numbers such as 1-50, not {text}.")
    return jobs[start - 1 : end]


def _graver(one: int, other: int) -> int:
    """Of two exit codes the one to end with: interrupted, internal error, bad input, gestures that do not show."""
    known = next((code for code in (130, 1, 2, NOT_SHOWN) if code in (one, other)), None)
    return known if known is not None else one or other
