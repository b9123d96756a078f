#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official .bin files to safetensors, checkpoints to ONNX: python backend/convert.py FILE.bin -o
OUT.safetensors
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from diffgesture.command_line import run_command
from diffgesture.errors import ConfigError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="convert.py",
        description="Convert an official checkpoint (DiffGesture, Trimodal, HA2G) or one of the two official"
        " autoencoders for FGD; the pickle inside is parsed, never executed. Or export a checkpoint's"
        " network to ONNX, a motion to SMPL-X or BVH.",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="FILE",
        help="a .bin of the official code; a .safetensors of ours for ONNX; a motion .npz for SMPL-X or BVH",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="the result: .safetensors; .onnx; of a motion .npz (SMPL-X at 30 fps) or .bvh",
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
    if arguments.source.suffix == ".npz":
        summary = _convert_motion(arguments.source, arguments.output)
        print(f"{summary['kind']}, {summary['frames']} frames: {summary['output']}", file=sys.stderr)
    elif arguments.output.suffix == ".onnx":
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


def _convert_motion(source: Path, output: Path) -> dict[str, Any]:
    """A motion file as SMPL-X parameters at 30 fps (.npz) or BVH at its own rate."""
    from diffgesture.motion.bvh import save_bvh
    from diffgesture.motion.motion_file import load_motion
    from diffgesture.motion.smplx import save_smplx
    from diffgesture.writing import check_outputs

    kinds = {".npz": ("SMPL-X parameters", save_smplx), ".bvh": ("BVH", save_bvh)}
    if output.suffix not in kinds:
        raise ConfigError(f"A motion becomes SMPL-X parameters (.npz) or BVH (.bvh), not {output.name}.")
    motion = load_motion(source)
    check_outputs([output], [source])
    kind, save = kinds[output.suffix]
    save(output, motion)
    return {"kind": kind, "frames": len(motion.directions), "output": str(output)}


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
