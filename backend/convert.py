#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official .bin files to safetensors, checkpoints to ONNX: python backend/convert.py FILE.bin -o
OUT.safetensors
"""

import argparse
import json
import sys
from pathlib import Path

from diffgesture.command_line import run_command
from diffgesture.errors import ConfigError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="convert.py",
        description="Convert an official checkpoint (DiffGesture, Trimodal, HA2G) or one of the two official"
        " autoencoders for FGD; the pickle inside is parsed, never executed. Or export a checkpoint's"
        " network to ONNX.",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="FILE",
        help="a .bin of the official code, or a .safetensors of ours to export",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="the result: .safetensors, or .onnx to export",
    )
    parser.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="with .onnx: frames of a sequence of our own network (default: window)",
    )
    parser.add_argument("--name", help="name in the card (default: that of OFFICIAL.bin)")
    parser.add_argument("--licence", help="terms of the weights, for the card (the file does not state them)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    if arguments.output.suffix == ".onnx":
        from diffgesture.model.checkpoint import load_checkpoint
        from diffgesture.model.onnx_export import export_onnx

        if arguments.frames is not None and arguments.frames < 2:
            raise ConfigError("--frames must be at least 2.")
        summary = export_onnx(load_checkpoint(arguments.source), arguments.output, arguments.frames)
        told = f"differs by {summary['difference']:.1e} of the largest output"
        print(f"{summary['output']}: {told}; inputs {summary['inputs']}", file=sys.stderr)
    else:
        from diffgesture.model.conversion import convert

        summary = convert(arguments.source, arguments.output, name=arguments.name, licence=arguments.licence)
        print(
            f"{summary['kind']} for {summary['layout']}, {summary['parameters']:,} numbers: {summary['output']}",
            file=sys.stderr,
        )
    if arguments.json:
        print(json.dumps(summary))


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
