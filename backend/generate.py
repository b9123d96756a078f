#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech to gestures: python backend/generate.py speech.wav -o motion.npz --bvh motion.bvh"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from diffgesture.command_line import run_command
from diffgesture.controls import add_arguments, controls_of

_ENDINGS = {"motions": ".npz", "bvh": ".bvh", "smplx": ".npz", "video": ".mp4"}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="generate.py", description="Generate gestures for a speech recording.")
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="speech: wav, flac, ogg, mp3 at any rate")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="MOTION.npz", help="the motion file")
    parser.add_argument("--bvh", type=Path, metavar="FILE", help="also write a BVH file")
    parser.add_argument(
        "--smplx",
        type=Path,
        metavar="FILE.npz",
        help="also write SMPL-X parameters at 30 fps (BEAT2), legs at rest",
    )
    parser.add_argument("--video", type=Path, metavar="FILE.mp4", help="also draw the skeleton, with the sound")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="other weights than the bundled ones")
    add_arguments(parser.add_argument_group("controls (docs/CONTROLS.md)"))
    parser.add_argument(
        "--keep", type=Path, metavar="MOTION.npz", help="a motion for this speech, kept outside of --regenerate"
    )
    parser.add_argument(
        "--regenerate",
        action="append",
        default=[],
        nargs=2,
        type=float,
        metavar=("START", "END"),
        help="seconds of --keep to regenerate; may be repeated",
    )
    parser.add_argument(
        "--seed-motion",
        type=Path,
        metavar="MOTION.npz",
        help="with --preset reference: the first frames of this motion begin the first window",
    )
    parser.add_argument(
        "--cues",
        default="",
        metavar="SECONDS:CUE,...",
        help="gestures that are asked for, such as 1.2:you,3.4:negation, or a .json or .csv file of them",
    )
    parser.add_argument(
        "--turns",
        metavar="START-END,...",
        help="in a dialogue: the seconds in which this character speaks, such as 0-3.2,7.5-11; else it listens",
    )
    parser.add_argument(
        "--transcript",
        type=Path,
        metavar="FILE",
        help="what is said (srt, vtt, ass, json, TextGrid, txt): its words bring gestures",
    )
    parser.add_argument(
        "--word-table", type=Path, metavar="FILE.json", help="your own words, before those of the language"
    )
    parser.add_argument("--variations", type=int, default=1, metavar="K", help="K motions, seeds N … N+K-1")
    parser.add_argument(
        "--engine", default="auto", choices=("auto", "numpy", "torch"), help="what computes (default: auto)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    from diffgesture.errors import ConfigError
    from diffgesture.generation.engine import Generator, Request
    from diffgesture.generation.synthesis import Settings
    from diffgesture.generation.turns import parse_turns
    from diffgesture.motion.constraints import keep_motion
    from diffgesture.motion.motion_file import load_motion
    from diffgesture.words.vocabulary import parse_cues

    if (arguments.keep is None) != (not arguments.regenerate):
        raise ConfigError("--keep MOTION.npz and --regenerate START END belong together; give both or neither.")
    targets = _targets(arguments)
    constraints = None if arguments.keep is None else keep_motion(arguments.keep, arguments.regenerate)
    seed_motion = None if arguments.seed_motion is None else load_motion(arguments.seed_motion)
    turns = None if arguments.turns is None else parse_turns(arguments.turns)
    settings = Settings(constraints, parse_cues(arguments.cues), seed_motion, turns, **controls_of(arguments))
    request = Request(
        audio=arguments.audio,
        settings=settings,
        checkpoint=arguments.checkpoint,
        device=arguments.device,
        engine=arguments.engine,
        variations=arguments.variations,
        transcript=arguments.transcript,
        word_table=arguments.word_table,
    )
    response = Generator().run(request, _show_progress)
    _write(arguments, targets, response.motions)
    motion = response.motions[0]
    print(
        f"{len(motion.directions)} frames at {motion.fps:g} fps for {motion.audio_seconds:.2f} s of speech in"
        f" {response.timings['total']:.2f} s: {', '.join(map(str, targets['motions']))}",
        file=sys.stderr,
    )
    if arguments.transcript or arguments.cues:
        print(
            f"gestures: {', '.join(f'{time:.2f}:{name}' for name, time in response.cues) or 'none'}",
            file=sys.stderr,
        )
    for warning in response.warnings:
        print(f"note: {warning}", file=sys.stderr)
    if arguments.json:
        paths = {kind: [str(path) for path in paths] for kind, paths in targets.items()}
        seeds = [item.seed for item in response.motions]
        print(json.dumps({**paths, "seeds": seeds, **response.summary()}))


def _targets(arguments: argparse.Namespace) -> dict[str, list[Path]]:
    """Kind of result -> its files, checked before any work is done."""
    from diffgesture.errors import OutputError
    from diffgesture.generation.engine import MAX_VARIATIONS, numbered
    from diffgesture.writing import check_outputs

    given = {"motions": arguments.output, "bvh": arguments.bvh, "smplx": arguments.smplx, "video": arguments.video}
    for kind, path in given.items():
        if path and path.suffix.lower() != _ENDINGS[kind]:
            raise OutputError(f"{path} must end in {_ENDINGS[kind]}.")
    count = min(max(1, arguments.variations), MAX_VARIATIONS)
    targets = {kind: numbered(path, count) for kind, path in given.items() if path}
    named = arguments.checkpoint
    card = named.with_suffix(".json") if named else None
    cues = Path(arguments.cues) if arguments.cues.lower().endswith((".json", ".csv")) else None
    inputs = (arguments.audio, arguments.keep, named, card, arguments.transcript, cues)
    check_outputs([path for paths in targets.values() for path in paths], inputs)
    return targets


def _write(arguments: argparse.Namespace, targets: dict[str, list[Path]], motions: list[Any]) -> None:
    """All results or none."""
    from diffgesture.motion.bvh import write_bvh
    from diffgesture.motion.motion_file import write_motion
    from diffgesture.motion.smplx import write_smplx
    from diffgesture.motion.video import write_video
    from diffgesture.writing import written

    write = {
        "motions": write_motion,
        "bvh": write_bvh,
        "smplx": write_smplx,
        "video": lambda part, motion: write_video(part, {"generated": motion}, arguments.audio),
    }
    pairs = [(kind, *pair) for kind in targets for pair in zip(targets[kind], motions, strict=True)]
    with written(*(path for _, path, _ in pairs)) as parts:
        for (kind, _, motion), part in zip(pairs, parts, strict=True):
            write[kind](part, motion)


def _show_progress(stage: str, fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        print(
            f"\r{message:<28} {fraction:4.0%}",
            end="\r" if fraction < 1 else "\n",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
