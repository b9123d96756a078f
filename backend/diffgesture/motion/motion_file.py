# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion file: what the generator writes and every other part reads (``.npz``, see docs/MOTION.md)."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..reading import Real, Text, read_arrays, understood
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
    path = Path(path)
    fields = read_archive(path, ("directions", "fps", "layout"))
    with understood(f"{path.name} is not a motion", ConfigError):
        layout = one_text(fields, "layout")
        skeleton = SKELETONS.get(layout)
        directions = fields["directions"]
        if skeleton is None or directions.ndim != 3 or directions.shape[1:] != (skeleton.num_bones, 3):
            raise ValueError("its layout is not known")
        if directions.dtype.kind != "f" or not np.isfinite(directions).all():
            raise ValueError("its directions contain NaN, infinity or no numbers")
        fps = one_number(fields, "fps", 1, 1000)
        return Motion(
            directions=directions.astype(np.float32),
            fps=fps,
            layout=layout,
            seed=int(one_number(fields, "seed", 0, 2**63, 0)),
            audio_seconds=one_number(fields, "audio_seconds", 0, 1e6, len(directions) / fps),
            preset=one_text(fields, "preset", ""),
            checkpoint=one_text(fields, "checkpoint", ""),
            neutral_directions=neutral_directions(skeleton),
        )


def read_archive(path: Path, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """The fields of a NumPy archive without pickled objects; ConfigError where it cannot be read or lacks some."""
    fields = read_arrays(path, "motion archive", ConfigError)
    if missing := [name for name in needed if name not in fields]:
        raise ConfigError(f"{path.name} lacks {', '.join(missing)}; see docs/MOTION.md for what it must hold.")
    return fields


def one_number(
    fields: Mapping[str, np.ndarray], name: str, low: float, high: float, default: float = 0.0
) -> float:
    """A field that is a single number; ValueError where it is none within the limits."""
    value = fields.get(name)
    if value is None:
        return float(default)
    if value.size != 1 or value.dtype.kind not in "iuf":
        raise ValueError(f"{name} is not a number")
    return Real(low, high)(value.reshape(-1)[0].item(), name)


def one_text(fields: Mapping[str, np.ndarray], name: str, default: str = "") -> str:
    """A field that is a single text; ValueError where it is none."""
    value = fields.get(name)
    if value is None:
        return default
    if value.size != 1 or value.dtype.kind != "U":
        raise ValueError(f"{name} is not a text")
    return Text()(value.reshape(-1)[0].item(), name)
