# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion file: what the generator writes and every other part reads (``.npz``, see docs/MOTION.md)."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..writing import written
from .skeletons import SKELETONS, Skeleton, neutral_directions


@dataclass(frozen=True)
class Motion:
    """Unit bone directions (T, B, 3) in the public frame, with where they came from."""

    directions: np.ndarray
    fps: float
    layout: str
    seed: int
    audio_seconds: float
    preset: str
    checkpoint: str
    neutral_directions: np.ndarray

    @property
    def skeleton(self) -> Skeleton:
        return SKELETONS[self.layout]


def num_motion_frames(audio_seconds: float, fps: float) -> int:
    """Frames of a motion that is exactly as long as its speech."""
    return round(audio_seconds * fps)


def save_motion(path: str | Path, motion: Motion) -> None:
    """Write the motion file; OutputError when the place cannot be written."""
    with written(path) as (part,):
        write_motion(part, motion)


def write_motion(part: Path, motion: Motion) -> None:
    """The motion file into a place of ``writing.written``."""
    skeleton = motion.skeleton
    content = compressed(
        directions=motion.directions.astype(np.float32),
        fps=np.float64(motion.fps),
        layout=np.str_(motion.layout),
        bone_pairs=np.asarray(skeleton.bone_pairs, dtype=np.int32),
        joint_names=np.asarray(skeleton.joint_names),
        seed=np.int64(motion.seed),
        audio_seconds=np.float64(motion.audio_seconds),
        preset=np.str_(motion.preset),
        checkpoint=np.str_(motion.checkpoint),
        neutral_directions=motion.neutral_directions.astype(np.float32),
        bone_lengths=np.asarray(skeleton.bone_lengths, dtype=np.float32),
    )
    part.write_bytes(content)


def compressed(**arrays: Any) -> bytes:
    """A NumPy archive in memory: on a full disk its own writer would print a traceback of its own."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_motion(path: str | Path) -> Motion:
    """Read a motion file; ConfigError where it is none or of a layout that is not known."""
    fields = read_archive(Path(path), ("directions", "fps", "layout"))
    layout, directions = str(fields["layout"]), np.asarray(fields["directions"], dtype=np.float32)
    skeleton = SKELETONS.get(layout)
    if skeleton is None or directions.ndim != 3 or directions.shape[1:] != (skeleton.num_bones, 3):
        raise ConfigError(f"{Path(path).name} is not a motion of a known layout.")
    if not np.isfinite(directions).all():
        raise ConfigError(f"{Path(path).name} contains NaN or infinity.")
    return Motion(
        directions=directions,
        fps=float(fields["fps"]),
        layout=layout,
        seed=int(fields.get("seed", 0)),
        audio_seconds=float(fields.get("audio_seconds", len(directions) / float(fields["fps"]))),
        preset=str(fields.get("preset", "")),
        checkpoint=str(fields.get("checkpoint", "")),
        neutral_directions=neutral_directions(skeleton),
    )


def read_archive(path: Path, needed: Sequence[str]) -> dict[str, Any]:
    """The fields of a NumPy archive without pickled objects; ConfigError where it cannot be read or lacks some."""
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path.name} is not a motion archive (.npz) that can be read.") from error
    if missing := [name for name in needed if name not in fields]:
        raise ConfigError(f"{path.name} lacks {', '.join(missing)}; see docs/MOTION.md for what it must hold.")
    return fields
