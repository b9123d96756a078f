#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a gesture model: python backend/train.py --config backend/configs/default.toml --data DATASET -o RUN"""

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from diffgesture.command_line import run_command
from diffgesture.errors import ConfigError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train.py", description="Train a gesture model on a prepared dataset.")
    parser.add_argument("--config", required=True, type=Path, metavar="TOML", help="what to train")
    parser.add_argument("--data", required=True, type=Path, metavar="DATASET", help="a folder made by prepare.py")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="RUN", help="where state and model go")
    parser.add_argument("--resume", action="store_true", help="go on where the run in RUN was stopped")
    parser.add_argument("--overwrite", action="store_true", help="give up the run that is in RUN and begin anew")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="FILE",
        help="fine-tune this checkpoint instead of starting from scratch",
    )
    parser.add_argument(
        "--max-steps",
        type=int,
        metavar="N",
        help="stop after N steps in all; the learning rate's plan stays as it is",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="change the configuration, such as batch_size=32 model.depth=4 amp=bf16",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    from diffgesture.data.dataset import Dataset
    from diffgesture.model.checkpoint import load_checkpoint
    from diffgesture.training.config import load_config
    from diffgesture.training.distributed import join_group
    from diffgesture.training.loop import train
    from diffgesture.training.memory import keep_freed_memory
    from diffgesture.training.recipes import make_recipe
    from diffgesture.training.run_folder import check_run_folder
    from diffgesture.training.scorecard import make_panel

    keep_freed_memory()
    config = load_config(arguments.config, arguments.set)
    if arguments.max_steps is not None and arguments.max_steps < 1:
        raise ConfigError("--max-steps must be at least 1.")
    check_run_folder(arguments.output, resume=arguments.resume, overwrite=arguments.overwrite)
    dataset = Dataset(arguments.data, config.layout, config.in_memory)
    if dataset.fps != config.fps:
        raise ConfigError(
            f"The dataset {arguments.data} has {dataset.fps:g} fps, the configuration {config.fps:g}."
        )
    start = load_checkpoint(arguments.start_from) if arguments.start_from else None
    provenance: dict[str, Any] = {"dataset": dataset.card.get("provenance", {})}
    if arguments.set:
        provenance["set"] = arguments.set
    if start:
        provenance["started_from"] = start.card.name
    group = join_group(arguments.device)
    if not group.is_main:
        warnings.simplefilter("ignore")  # one process tells
    try:
        train(
            config,
            make_recipe(config, dataset, start),
            arguments.output,
            group,
            provenance=provenance,
            panel=make_panel(config, dataset) if group.is_main else None,
            resume=arguments.resume,
            max_steps=arguments.max_steps,
            overwrite=arguments.overwrite,
            report=lambda line: print(line, file=sys.stderr, flush=True),
        )
    finally:
        group.leave()


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
