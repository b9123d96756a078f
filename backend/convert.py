#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official .bin files to safetensors: python backend/convert.py OFFICIAL.bin -o OUT.safetensors"""

import argparse
import json
import sys
from pathlib import Path

from diffgesture.command_line import run_command


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="convert.py",
        description="Convert an official DiffGesture checkpoint, or one of the two official autoencoders for FGD."
        " The pickle inside is parsed, never executed.",
    )
    parser.add_argument("source", type=Path, metavar="OFFICIAL.bin", help="file written by the official code")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT.safetensors", help="the result")
    parser.add_argument("--name", help="name in the card (default: that of OFFICIAL.bin)")
    parser.add_argument("--licence", help="terms of the weights, for the card (the file does not state them)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
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
