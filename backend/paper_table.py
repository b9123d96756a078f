#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The papers' comparison table: python backend/paper_table.py --data DATASET --autoencoder A.safetensors"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from diffgesture.command_line import run_command
from diffgesture.controls import parse_controls
from diffgesture.errors import ConfigError
from diffgesture.writing import check_outputs, write_file


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="paper_table.py",
        description="People, trivial baselines, checkpoints and motion files of other systems in one table of the"
        " published metrics, with the spread over runs.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DATASET", help="made by prepare.py")
    parser.add_argument("--autoencoder", type=Path, metavar="FILE", help="for FGD and Diversity")
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]FILE[,FILE...]",
        help="a method; several files are several training runs of it (default: the bundled one, if it fits)",
    )
    parser.add_argument(
        "--motions",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]FOLDER",
        help="a method's motion files for the takes of the data",
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="seeds 0 … N-1 a checkpoint (default: 3)")
    parser.add_argument("--split", default="val", choices=("val", "test", "train"), help="(default: val)")
    parser.add_argument("--windows", choices=("filtered", "all"), help="see evaluate.py")
    parser.add_argument("--as-published", action="store_true", help="see evaluate.py")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N windows, evenly spread")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the preset's)")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="CONTROL=VALUE", help="see evaluate.py"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--latex", action="store_true", help="print the body of a LaTeX table")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.json", help="also write all runs")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    from diffgesture.data.dataset import Dataset
    from diffgesture.evaluation import evaluation as ev
    from diffgesture.evaluation.baselines import BASELINES, baseline_windows
    from diffgesture.evaluation.legacy import cut_windows, generate_windows, published_metrics, whole_batches
    from diffgesture.evaluation.paper_table import Method, as_latex, as_markdown, people
    from diffgesture.evaluation.systems import motions_of, named_paths, windows_of_takes
    from diffgesture.generation.synthesis import Settings
    from diffgesture.model.checkpoint import load_checkpoint
    from diffgesture.model.devices import pick_device
    from diffgesture.model.embedding import load_autoencoder

    if arguments.runs < 1:
        raise ConfigError("--runs must be at least 1.")
    if arguments.output:
        check_outputs([arguments.output])
    dataset = Dataset(arguments.data)
    autoencoder = load_autoencoder(arguments.autoencoder) if arguments.autoencoder else None
    windows = cut_windows(dataset, arguments.split, arguments.limit, arguments.windows)
    if arguments.as_published:
        windows = whole_batches(windows)
    _say(f"{len(windows.rows)} windows of the split '{arguments.split}', {windows.kind}")

    def score(motion: Any, seed: int = 0) -> dict[str, float | None]:
        return published_metrics(motion, windows, dataset, autoencoder, seed)

    methods = [Method("people", [people(windows, dataset, autoencoder)])]
    for name in BASELINES:
        methods.append(Method(name, [score(baseline_windows(name, windows, dataset))]))
    speech = [ev.speech_of_take(take) for take in ev.takes_of_dataset(dataset, arguments.split)]
    for name, folder in named_paths(arguments.motions, "--motions").items():
        takes = motions_of(folder, dataset.layout, speech)
        methods.append(Method(name, [score(windows_of_takes(takes, windows, dataset))]))
    controls = {"steps": arguments.steps, **parse_controls(arguments.set)}
    for name, files in _checkpoints(arguments.checkpoint, dataset.layout).items():
        method = Method(name)
        for file in files:
            checkpoint = load_checkpoint(file, pick_device(arguments.device))
            if checkpoint.skeleton.name != dataset.layout:
                raise ConfigError(
                    f"{checkpoint.path.name} is made for {checkpoint.skeleton.name}, the data are"
                    f" {dataset.layout}."
                )
            for seed in range(arguments.runs):
                _say(f"{name}: {checkpoint.path.name}, seed {seed}")
                sampling = Settings(**controls, seed=seed).reference
                motion = generate_windows(
                    checkpoint, windows, sampling=sampling, seed=seed, batch_statistics=arguments.as_published
                )
                method.runs.append(score(motion, seed))
        methods.append(method)
    result = {
        "data": str(arguments.data),
        "split": arguments.split,
        "windows": {"kind": windows.kind, "count": len(windows.rows)},
        "methods": {method.name: {"summary": method.summary(), "runs": method.runs} for method in methods},
    }
    if arguments.output:
        write_file(arguments.output, json.dumps(result, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(result))
    else:
        print(as_latex(methods) if arguments.latex else as_markdown(methods), end="")
    if autoencoder is None:
        _say("FGD, feature distance and Diversity need --autoencoder FILE.")


def _checkpoints(texts: list[str], layout: str) -> dict[str, list[Path | None]]:
    """Files of each method; without any, the bundled checkpoint where it is of the layout."""
    if not texts:
        return {"ours": [None]} if layout == "ted_expressive" else {}
    methods: dict[str, list[Path | None]] = {}
    for text in texts:
        name, equals, paths = text.partition("=")
        files = [Path(path) for path in (paths if equals else text).split(",")]
        methods.setdefault(name if equals else files[0].stem, []).extend(files)
    return methods


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
