#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""User studies: python backend/study.py make --motions A=FOLDER B=FOLDER --data DATASET -o STUDY"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from diffgesture.command_line import run_command
from diffgesture.errors import ConfigError, DataError
from diffgesture.reading import read_json
from diffgesture.writing import check_folder


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="study.py", description="Material for user studies, and their votes.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="videos with neutral names, a page that collects votes, and the key")
    make.add_argument(
        "--motions", nargs="+", action="extend", default=[], metavar="[NAME=]FOLDER", help="systems' motion files"
    )
    make.add_argument("--data", type=Path, metavar="DATASET", help="speech, and people as a system of their own")
    make.add_argument("--split", default="val", choices=("val", "test", "train"), help="(default: val)")
    make.add_argument("--without-people", action="store_true", help="take the speech of --data alone")
    make.add_argument("--speech", type=Path, metavar="FOLDER", help="speech where it is not beside the motion")
    make.add_argument("--layout", default="ted_expressive", choices=("ted", "ted_expressive"))
    make.add_argument(
        "--kinds",
        nargs="+",
        choices=("rating", "pairs", "mismatched"),
        default=["rating", "pairs", "mismatched"],
        help="what is asked (default: all three)",
    )
    make.add_argument("--clips", type=int, default=10, metavar="N", help="clips of each system (default: 10)")
    make.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of a clip (default: 10)")
    make.add_argument("--seed", type=int, default=0, metavar="N", help="of names, order and sides (default: 0)")
    make.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    make.set_defaults(run=_make)
    count = commands.add_parser("count", help="what participants' files of votes say, by the key")
    count.add_argument("key", type=Path, metavar="key.json")
    count.add_argument("votes", nargs="+", type=Path, metavar="votes.json")
    count.set_defaults(run=_count)
    for command in (make, count):
        command.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    arguments.run(arguments)


def _make(arguments: argparse.Namespace) -> None:
    check_folder(arguments.output)
    from diffgesture.data.dataset import Dataset
    from diffgesture.evaluation import evaluation as ev
    from diffgesture.evaluation.study import make_study
    from diffgesture.evaluation.systems import motions_of, named_paths
    from diffgesture.writing import file_name

    if arguments.clips < 1 or not 1.0 <= arguments.seconds <= 600.0:
        raise ConfigError("--clips must be at least 1, and --seconds between 1 and 600.")
    layout, speech, systems = arguments.layout, [], {}
    if arguments.data:
        dataset = Dataset(arguments.data)
        layout = dataset.layout
        people = ev.takes_of_dataset(dataset, arguments.split)
        speech = [ev.speech_of_take(take) for take in people]
        if not arguments.without_people:
            systems["people"] = people
    elif arguments.speech:
        speech = ev.speech_of_folder(arguments.speech)
    for name, folder in named_paths(arguments.motions, "--motions").items():
        systems[name] = motions_of(folder, layout, speech)
    if not systems:
        raise ConfigError("Give systems: --motions NAME=FOLDER, or --data DATASET for people.")
    # Files cannot be called like every take, so all are told apart by the names of files.
    systems = {
        name: [dataclasses.replace(take, name=file_name(take.name)) for take in takes]
        for name, takes in systems.items()
    }
    files = make_study(
        systems,
        arguments.output,
        kinds=arguments.kinds,
        clips=arguments.clips,
        seconds=arguments.seconds,
        seed=arguments.seed,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if arguments.json:
        print(json.dumps({"files": [str(path) for path in files]}))
    else:
        print(f"{len(files) - 3} videos and index.html in {arguments.output}; key.json is not for participants")


def _count(arguments: argparse.Namespace) -> None:
    from diffgesture.evaluation.study import count_votes

    result = count_votes(_read(arguments.key), [_read(path) for path in arguments.votes])
    if arguments.json:
        print(json.dumps(result))
        return
    print("| question | system | mean [95 %] | median | votes |\n|---|---|---|---|---|")
    for question in ("ratings", "preferences", "matched"):
        for system, values in result[question].items():
            interval = f"{values['mean']:.3g} [{values['low']:.3g}, {values['high']:.3g}]"
            median = f"{values['median']:.3g}" if "median" in values else ""
            print(f"| {question} | {system} | {interval} | {median} | {values['votes']:.0f} |")
    if result["unknown"]:
        print(f"{result['unknown']} votes belong to another key", file=sys.stderr)


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path, "file of a study", DataError)
    if not isinstance(content, dict) or not {"stimuli", "votes"} & set(content):
        raise DataError(f"{path} is neither a key nor a file of votes.")
    return content


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
