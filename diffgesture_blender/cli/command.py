# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``blender -b CHARACTER.blend --command diffgesture generate --audio SPEECH.wav ...``

Exit codes: 0 done; 3 done, but the character does not show the gestures (the report says why); 2 usage or bad
input, 1 internal error, 130 interrupted; each but 0 with one line on stderr. Where
the extension is not installed, ``blender -b CHARACTER.blend --python diffgesture_blender/__main__.py -- generate``
does the same from a checkout.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from ..errors import DiffGestureError
from ..identity import VERSION
from ..settings import controls
from ..writing import write_file

COMMAND: Final = "diffgesture"
# Exit code of a generation that wrote all keys, of which the character shows not all.
NOT_SHOWN: Final = 3
PROGRAM: Final = "blender -b FILE.blend --command diffgesture"


class UsageError(Exception):
    """The command line cannot be understood."""


class _Parser(argparse.ArgumentParser):
    """Argparse that raises instead of ending the process, which here is Blender."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """All options; ``--help`` prints them."""
    parser = _Parser(prog=PROGRAM, description="Speech audio to gesture keyframes on an armature.")
    parser.add_argument("--version", action="version", version=f"DiffGesture {VERSION}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="{generate,scene,batch,take,check}", parser_class=_Parser
    )
    generate = commands.add_parser(
        "generate",
        help="generate gestures for one recording and save the .blend",
        description="Generate gestures.",
    )
    what = generate.add_argument_group("what")
    speech = what.add_mutually_exclusive_group(required=True)
    speech.add_argument("--audio", metavar="FILE", help="speech: wav, flac, ogg, mp3 and more")
    speech.add_argument("--strip", metavar="NAME", help="speech of a sound strip of the sequencer")
    speech.add_argument("--sound", metavar="NAME", help="speech of a sound in the file, packed or not")
    speech.add_argument("--speaker", metavar="NAME", help="speech of a speaker object")
    what.add_argument("--strip-scene", metavar="NAME", help="whose sequencer has the strip (default: the scene's)")
    what.add_argument("--armature", metavar="NAME", help="the character (default: the only armature of the scene)")
    what.add_argument("--scene", metavar="NAME", help="the scene (default: the file's active one)")
    what.add_argument("--frame-start", type=int, metavar="N", help="first key (default: the scene's first frame)")
    what.add_argument("--bone-map", metavar="FILE.json", help="the character's bone map, if it is not recognised")
    what.add_argument("--blend", metavar="FILE", help="the .blend to open, if none was given before --command")
    _add_how(generate)
    generate.add_argument(
        "--cues",
        default="",
        metavar="SECONDS:CUE,...",
        help="gestures asked for beside the file's cue markers, 1.2:you,3.4:negation, or a .json or .csv file",
    )
    generate.add_argument(
        "--transcript",
        metavar="FILE",
        help="what is said (srt, vtt, ass, json, TextGrid, txt): its words bring gestures",
    )
    generate.add_argument(
        "--word-table", metavar="FILE.json", help="your own words and phrases, before those of the language"
    )
    part = generate.add_argument_group("a part of the character's present animation")
    part.add_argument(
        "--regenerate", type=float, nargs=2, metavar=("START", "END"), help="only these frames, keeping the rest"
    )
    part.add_argument(
        "--keep-poses",
        type=float,
        nargs="+",
        metavar="FRAME",
        help="keep the poses at these frames, all else is new",
    )
    _add_keys(generate)
    _add_results(generate)
    generate.add_argument("--no-sound", action="store_true", help="do not add the speech to the sequencer")
    _add_scene(commands)
    _add_batch(commands)
    _add_take(commands)
    check = commands.add_parser("check", help="start the backend and report", description="Check the backend.")
    for command in (generate, check):
        _add_backend(command)
    return parser


def _add_how(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how")
    controls.add_arguments(how)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    keying = parser.add_argument_group("keys")
    keying.add_argument(
        "--keys",
        choices=("model", "every-frame", "few"),
        default="model",
        help="a key for each frame of the model, of the scene, or few to edit by hand (default: model)",
    )
    keying.add_argument(
        "--max-error",
        type=float,
        default=1.0,
        metavar="DEG",
        help="the most that few keys may be off (default: 1)",
    )
    keying.add_argument(
        "--layer",
        choices=("action", "strip", "additive"),
        default="action",
        help="a new action, a strip above the present animation, or one that adds to it (default: action)",
    )


def _add_backend(parser: argparse.ArgumentParser) -> None:
    backend = parser.add_argument_group("backend")
    backend.add_argument("--python", metavar="FILE", help="the backend's Python (default: the preferences')")
    backend.add_argument("--checkpoint", metavar="FILE", help="other weights than the bundled ones")
    backend.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, mps (default: the preferences')")


def _add_scene(commands: Any) -> None:
    scene = commands.add_parser(
        "scene",
        help="generate gestures for all characters of a scene",
        description="Gestures for every character of a scene over its frame range: each speaks in its own turns "
        "and listens in the others'. Voices and settings are those of the file; options given here hold for all. "
        "Of motions and exports each character has its own file, named after it.",
    )
    scene.add_argument("--scene", metavar="NAME", help="the scene (default: the file's active one)")
    scene.add_argument(
        "--character", action="append", metavar="NAME", help="only this one; repeated, these (default: all)"
    )
    scene.add_argument(
        "--strip-scene", metavar="NAME", help="whose sequencer has the speech (default: the scene's)"
    )
    scene.add_argument("--blend", metavar="FILE", help="the .blend to open, if none was given before --command")
    _add_how(scene)
    _add_keys(scene)
    own = ("keys", "max_error", "layer", *controls.table())
    scene.set_defaults(**{action.dest: None for action in scene._actions if action.dest in own})
    _add_results(scene)
    _add_backend(scene)


def _add_results(parser: Any) -> None:
    where = parser.add_argument_group("results")
    where.add_argument("--output", metavar="OUT.blend", help="save the .blend with the keys here")
    where.add_argument("--motion-output", metavar="M.npz", help="bone directions (default: beside OUT.blend)")
    where.add_argument("--bvh", metavar="FILE.bvh", help="also save the model's skeleton as BVH")
    where.add_argument("--export-fbx", metavar="FILE.fbx", help="the character with its new animation as FBX")
    where.add_argument("--export-glb", metavar="FILE.glb", help="the same as glTF")
    where.add_argument("--film", metavar="FILE.mp4", help="a small film of the character with the speech")
    where.add_argument("--report", metavar="R.json", help="what was done, or why not, as JSON")
    where.add_argument("--json", action="store_true", help="print the report as one line on standard output")


def _add_batch(commands: Any) -> None:
    batch = commands.add_parser(
        "batch",
        help="generate gestures for many recordings",
        description="Generate gestures for a folder of recordings or a list of jobs (.csv with header, or .json) "
        "with one backend. A job is named by what generate can be told, for instance audio, name, armature, seed; "
        "options given here hold for jobs that have none of their own. One line of JSON a job on standard output; "
        "run again, and what is done is not done again.",
    )
    batch.add_argument("source", nargs="?", metavar="FOLDER|JOBS.csv|JOBS.json", help="the recordings or jobs")
    what = batch.add_argument_group("what")
    what.add_argument(
        "--whole-scene",
        action="store_true",
        help="the folder holds .blend files; each is a job for all characters of its scene",
    )
    for kind, text in (("strip", "sound strip"), ("sound", "sound"), ("speaker", "speaker object")):
        what.add_argument(
            f"--{kind}",
            action="append",
            metavar="NAME",
            help=f"instead of files, speech of a {text} of the .blend; repeated, a job for each",
        )
    what.add_argument(
        "--armature",
        action="append",
        metavar="NAME",
        help="the character; repeated, each recording is done for each of them",
    )
    what.add_argument("--scene", metavar="NAME", help="the scene (default: the file's active one)")
    what.add_argument("--frame-start", type=int, metavar="N", help="first key (default: the scene's first frame)")
    what.add_argument("--bone-map", metavar="FILE.json", help="the character's bone map, if it is not recognised")
    what.add_argument("--blend", metavar="FILE", help="the .blend to open, if none was given before --command")
    what.add_argument("--range", metavar="A-B", help="only these jobs of the list, counted from 1 (for a farm)")
    _add_how(batch)
    _add_keys(batch)
    what.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="how many Blenders work side by side (default: 1)"
    )
    what.add_argument("--share", help=argparse.SUPPRESS)  # K/N: of the Blender that --jobs has started
    where = batch.add_argument_group("results")
    where.add_argument(
        "--output", required=True, metavar="FOLDER", help="where the files go, named after their job"
    )
    where.add_argument(
        "--formats",
        default="blend,npz",
        metavar="LIST",
        help="what is written for each job, of blend, npz, bvh, fbx, glb, mp4 (default: blend,npz)",
    )
    where.add_argument("--again", action="store_true", help="also do what is done already")
    where.add_argument("--stop-on-error", action="store_true", help="end at the first job that fails")
    where.add_argument("--no-sound", action="store_true", help="do not add the speech to the sequencer")
    where.add_argument("--report", metavar="R.json", help="the summary, as JSON")
    where.add_argument("--json", action="store_true", help="print the summary as the last line on standard output")
    _add_backend(batch)


def _add_take(commands: Any) -> None:
    take = commands.add_parser(
        "take",
        help="save an animation and its sound as a take to train on",
        description="Save the character's animation, or a BVH file, and its sound as NAME.bvh and NAME.wav, for "
        "backend/prepare.py bvh FOLDER.",
    )
    take.add_argument("--audio", required=True, metavar="FILE", help="the sound of the animation")
    take.add_argument("--bvh", metavar="FILE", help="take this motion instead of the character's own")
    take.add_argument("--armature", metavar="NAME", help="the character (default: the only armature of the scene)")
    take.add_argument("--scene", metavar="NAME", help="the scene (default: the file's active one)")
    take.add_argument("--bone-map", metavar="FILE.json", help="the character's bone map, if it is not recognised")
    take.add_argument(
        "--frame-start", type=float, metavar="N", help="where the sound begins (default: the scene's first frame)"
    )
    take.add_argument("--blend", metavar="FILE", help="the .blend to open, if none was given before --command")
    take.add_argument("--output", required=True, metavar="FOLDER", help="folder of the takes of one speaker")
    take.add_argument("--name", metavar="NAME", help="of the take (default: the sound file's)")
    take.add_argument("--report", metavar="R.json", help="what was done, or why not, as JSON")
    take.add_argument("--json", action="store_true", help="print the report as one line on standard output")


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; prints no traceback."""
    from ..state.session import Problem, session

    started = time.monotonic()
    report: dict[str, Any] = {"status": "error", "error": None, "version": VERSION}
    reporting = _reporting(arguments)
    try:
        options = build_parser().parse_args(list(arguments))
        if options.command == "check":
            return _check(options)
        if options.report:
            _check_report(options, reporting)
        from . import batch, generate, scene

        if options.command == "batch":
            options.arguments = list(arguments)
            exit_code = batch.batch(options, report)
            if exit_code:
                _print_error(report["error"])
        else:
            commands = {"take": generate.save_training_take, "scene": scene.generate_scene}
            commands.get(options.command, generate.generate)(options, report)
            shown = report.get("follows", True)
            report["status"], exit_code = ("ok", 0) if shown else ("not shown", NOT_SHOWN)
    except SystemExit as end:  # --help and --version
        return end.code if isinstance(end.code, int) else 0
    except UsageError as error:
        exit_code = _fail(report, Problem(str(error), kind="usage"))
    except KeyboardInterrupt:
        exit_code = _fail(report, Problem("Interrupted.", kind="cancelled", exit_code=130))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that nothing written later fails again
        text = "The program that read the output has ended, so the rest was not done."
        exit_code = _fail(report, Problem(text, kind="cancelled", exit_code=130))
    except Exception as error:
        exit_code = _fail(report, Problem.of(error))
    finally:
        session.shutdown()
    report["seconds"] = round(time.monotonic() - started, 3)
    report_error = _write_report(reporting, report)
    return exit_code or report_error


def _fail(report: dict[str, Any], problem: Any) -> int:
    report.update(error=problem.message, error_type=problem.kind, hint=problem.hint, command=problem.command)
    _print_error(" ".join(text for text in (problem.message, problem.hint, problem.command) if text))
    return problem.exit_code


def _print_error(text: str) -> None:
    print(f"diffgesture: error: {' '.join(text.split())}", file=sys.stderr, flush=True)


def _reporting(arguments: Sequence[str]) -> argparse.Namespace:
    """Whether and where to report, even for a command line that cannot be understood otherwise."""
    parser = _Parser(add_help=False)
    parser.add_argument("--report")
    parser.add_argument("--json", action="store_true")
    try:
        reporting, _ = parser.parse_known_args(list(arguments))
    except UsageError:  # --report without a file
        return argparse.Namespace(report=None, json="--json" in arguments)
    if reporting.report and not reporting.report.lower().endswith(".json"):
        reporting.report = None
    return reporting


def _check_report(options: argparse.Namespace, reporting: argparse.Namespace) -> None:
    """Raise before anything is done, and write no report, where it would overwrite something else."""
    from .outputs import check_report

    target, reporting.report = reporting.report, None
    check_report(options)
    reporting.report = target


def _write_report(reporting: argparse.Namespace, report: dict[str, Any]) -> int:
    """The report to its file and to standard output, as asked; 2 if it cannot be written."""
    if reporting.json:
        print(json.dumps(report), flush=True)
    if reporting.report:
        try:
            write_file(reporting.report, json.dumps(report, indent=2) + "\n")
        except DiffGestureError as error:
            _print_error(f"The report: {error}")
            return 2
    return 0


def _check(options: argparse.Namespace) -> int:
    """``check``: print the backend's report."""
    from ..jobs import runner
    from ..jobs.backend_check import BackendCheck

    report = runner.run(BackendCheck(machine_of(options)))
    print(report.text, flush=True)
    if report.problem is not None:
        _print_error(report.problem.message)
        return report.problem.exit_code
    return 0 if report.ok else 1


def machine_of(options: argparse.Namespace) -> Any:
    """The preferences with the command line's choices on top."""
    from dataclasses import replace

    from ..settings.machine import machine_settings

    machine = machine_settings()
    if options.python:
        machine = replace(machine, python=os.path.abspath(os.path.expanduser(options.python)))
    if options.checkpoint:
        machine = replace(machine, checkpoint=os.path.abspath(os.path.expanduser(options.checkpoint)))
    if options.device:
        machine = replace(machine, device=options.device)
    return machine
