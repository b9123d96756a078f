#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a gesture model: python backend/train.py --config backend/configs/default.toml --data DATASET -o RUN"""

import argparse
import dataclasses
import sys
from pathlib import Path

from diffgesture.command_line import run_command
from diffgesture.errors import ConfigError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train.py", description="Train a gesture model on a prepared dataset.")
    parser.add_argument("--config", required=True, type=Path, metavar="TOML", help="what to train")
    parser.add_argument("--data", required=True, type=Path, metavar="DATASET", help="a folder made by prepare.py")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="RUN", help="where state and model go")
    parser.add_argument("--resume", action="store_true", help="go on where the run in RUN was stopped")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop after N steps in all")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    from diffgesture.data.dataset import Dataset
    from diffgesture.devices import pick_device
    from diffgesture.training.config import load_config
    from diffgesture.training.loop import train

    config = load_config(arguments.config)
    if arguments.max_steps is not None:
        config = dataclasses.replace(config, steps=arguments.max_steps)
    dataset = Dataset(arguments.data)
    if dataset.layout != config.layout:
        raise ConfigError(
            f"The dataset {arguments.data} has the layout '{dataset.layout}', the configuration '{config.layout}'."
        )
    splits = {"train": [], "val": []}
    for index, take in enumerate(dataset.takes):
        splits[take.split].append(dataset.take(index))
    train(
        config,
        splits["train"],
        splits["val"],
        arguments.output,
        provenance={"dataset": dataset.name, "sources": dataset.sources},
        resume=arguments.resume,
        device=pick_device(arguments.device),
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
