# SPDX-License-Identifier: GPL-3.0-or-later
"""What is scored beside what: checkpoints, motion files of other systems and trivial baselines, by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..errors import ConfigError, DataError
from ..motion.skeletons import SKELETONS
from ..writing import file_name
from .evaluation import Speech
from .legacy import WINDOW, Windows
from .motion_folders import load_motions
from .side_by_side import motion_of_take
from .takes import Take


def named_paths(texts: Sequence[str], what: str) -> dict[str, Path]:
    """``NAME=PATH`` or ``PATH`` (named after its last part); ConfigError for a name that is given twice."""
    named: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        name, path = (name, path) if equals else (Path(text).stem, text)
        if not name or not path:
            raise ConfigError(f"{what} wants PATH or NAME=PATH, not '{text}'.")
        if name in named:
            raise ConfigError(f"Two of {what} are called '{name}': give one of them another name (NAME=PATH).")
        named[name] = Path(path)
    return named


def motions_of(folder: Path, layout: str, speech: Sequence[Speech]) -> list[Take]:
    """The takes of a folder of motion files; see ``motion_folders.load_motions``."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    return load_motions(folder, layout, {item.name: item.audio for item in speech})


def windows_of_takes(takes: Sequence[Take], windows: Windows, dataset: Dataset) -> np.ndarray:
    """(N, 34, B, 3): from the motion of each window's take, by its name, the frames of that window."""
    by_name = {file_name(take.name): take for take in takes}
    cut: dict[str, np.ndarray] = {}
    parts = []
    for index, first, _ in windows.rows:
        name = file_name(dataset.takes[index].name)
        if name not in by_name:
            raise DataError(
                f"There is no motion for the take '{dataset.takes[index].name}': call its file {name}.npz or .bvh."
            )
        if name not in cut:
            cut[name] = motion_of_take(by_name[name], dataset.layout, dataset.fps).directions
        motion = cut[name]
        parts.append(motion[np.minimum(np.arange(first, first + WINDOW), len(motion) - 1)])
    return np.stack(parts).reshape(-1, WINDOW, SKELETONS[dataset.layout].num_bones, 3)


def per_system(metrics: dict[str, dict[str, Any]]) -> str:
    """A Markdown table: one row for each published metric, one column for each system."""
    names = list(next(iter(metrics.values())))
    lines = [f"| published metric | {' | '.join(metrics)} |", "|---" * (len(metrics) + 1) + "|"]
    for name in names:
        cells = [values[name] for values in metrics.values()]
        shown = ["undefined" if cell is None else f"{cell:.5g}" for cell in cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"
