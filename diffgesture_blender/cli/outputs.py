# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results go, checked before minutes are spent: endings, folders, and that no recording is overwritten."""

import argparse
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import bpy

from ..errors import DiffGestureError
from ..writing import check_outputs

# Kind of result -> the option that names its file, and the endings that such a file may have.
KINDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "blend": ("output", (".blend",)),
    "motion": ("motion_output", (".npz",)),
    "bvh": ("bvh", (".bvh",)),
    "fbx": ("export_fbx", (".fbx",)),
    "glb": ("export_glb", (".glb", ".gltf")),
    "film": ("film", (".mp4",)),
}
REPORT_ENDINGS: Final = (".json",)
# Options that name files to be read.
_INPUTS: Final = ("audio", "blend", "bone_map", "checkpoint", "python", "transcript")


def output_paths(options: argparse.Namespace) -> dict[str, Path]:
    """Kind of result -> its file, as ``generate`` was told; DiffGestureError where one cannot be written."""
    outputs = {}
    for kind, (option, endings) in KINDS.items():
        name = getattr(options, option)
        if name:
            outputs[kind] = _path(name, _flag(option), endings)
    if not outputs:
        raise DiffGestureError(
            "Nothing to write: give --output, --motion-output, --bvh, --export-fbx, --export-glb or --film."
        )
    if "blend" in outputs and "motion" not in outputs and options.command == "generate":
        outputs["motion"] = outputs["blend"].with_suffix(KINDS["motion"][1][0])
    written = {**outputs, **({"report": Path(os.path.abspath(options.report))} if options.report else {})}
    check(written, inputs_of(options))
    return outputs


def check_report(options: argparse.Namespace) -> None:
    """DiffGestureError where the report would overwrite what is read or is not a .json file."""
    path = _path(options.report, "--report", REPORT_ENDINGS)
    check({"report": path}, inputs_of(options))


def inputs_of(options: argparse.Namespace) -> list[Path]:
    """The files that a command reads: those it names and the open one."""
    named = [getattr(options, name, None) for name in _INPUTS]
    return [Path(os.path.abspath(os.path.expanduser(name))) for name in (*named, bpy.data.filepath) if name]


def check(outputs: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """DiffGestureError where an output is an input, another output, or cannot be written."""
    check_outputs(outputs.values(), inputs)


def _path(name: str, flag: str, endings: tuple[str, ...]) -> Path:
    path = Path(os.path.abspath(name))
    if path.suffix.lower() not in endings:
        raise DiffGestureError(f"{flag} must be a {endings[0]} file, not {name}.")
    return path


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")
