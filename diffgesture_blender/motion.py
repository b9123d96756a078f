# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion file (.npz) that the backend writes: bone directions over time in the public frame."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DiffGestureError
from .reading import read_arrays, understood

FloatArray = np.ndarray

_REQUIRED = ("directions", "fps", "bone_pairs", "joint_names")
_ZERO_LENGTH = 1e-6


@dataclass(frozen=True)
class Motion:
    """Unit bone directions over time.

    ``directions`` (T, B, 3) float64 in the public frame (+X the character's left, +Y up, +Z facing);
    ``neutral_directions`` (B, 3) are those of a T-pose with palms down and the head looking straight ahead;
    ``bone_pairs`` (B, 2) joint indices, ``joint_names`` (J,), ``bone_lengths`` (B,) metres.
    """

    directions: FloatArray
    fps: float
    layout: str
    joint_names: tuple[str, ...]
    bone_pairs: tuple[tuple[int, int], ...]
    neutral_directions: FloatArray
    bone_lengths: FloatArray
    seed: int = 0
    audio_seconds: float = 0.0
    preset: str = ""
    checkpoint: str = ""

    @property
    def num_frames(self) -> int:
        return len(self.directions)

    def bone(self, parent: str, child: str) -> int | None:
        """Index of the bone between two named joints, or None where the layout has none."""
        names = self.joint_names
        if parent not in names or child not in names:
            return None
        pair = (names.index(parent), names.index(child))
        return self.bone_pairs.index(pair) if pair in self.bone_pairs else None

    def bone_name(self, bone: int) -> str:
        """``parent>child``."""
        parent, child = self.bone_pairs[bone]
        return f"{self.joint_names[parent]}>{self.joint_names[child]}"


def load_motion(path: str | Path) -> Motion:
    """Read a motion file. DiffGestureError, with what is wrong, if it is not one."""
    path = Path(path)
    if not path.is_file():
        raise DiffGestureError(f"The motion file {path} does not exist; generate the gestures again.")
    fields = read_arrays(path, "motion file")
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise DiffGestureError(f"{path.name} is not a gesture motion file: it lacks {', '.join(missing)}.")
    with understood(f"The motion file {path.name} is damaged"):
        return motion_from_fields(fields)


def motion_from_fields(fields: dict[str, Any]) -> Motion:
    """A Motion from the fields of a motion file (ValueError if they do not fit together)."""
    directions = np.asarray(fields["directions"], dtype=np.float64)
    joint_names = tuple(str(name) for name in np.asarray(fields["joint_names"]))
    pairs = np.asarray(fields["bone_pairs"])
    if directions.ndim != 3 or directions.shape[2] != 3 or not len(directions):
        raise ValueError(f"directions have the shape {directions.shape} instead of (frames, bones, 3)")
    if pairs.shape != (directions.shape[1], 2):
        raise ValueError(f"{directions.shape[1]} directions but bone pairs of the shape {pairs.shape}")
    if pairs.min(initial=0) < 0 or pairs.max(initial=0) >= len(joint_names):
        raise ValueError("a bone pair names a joint that is not there")
    if not np.isfinite(directions).all():
        raise ValueError("directions contain numbers that are not finite")
    fps = float(fields["fps"])
    if not 0 < fps < 1000:
        raise ValueError(f"{fps} frames per second")
    bone_pairs = tuple((int(parent), int(child)) for parent, child in pairs)
    neutral = fields.get("neutral_directions")
    neutral = neutral_directions(joint_names, bone_pairs) if neutral is None else np.asarray(neutral, float)
    lengths = np.asarray(fields.get("bone_lengths", np.ones(len(pairs))), dtype=np.float64)
    if neutral.shape != (len(pairs), 3) or lengths.shape != (len(pairs),):
        raise ValueError("neutral directions or bone lengths do not fit the bone pairs")
    return Motion(
        directions=_unit_directions(directions, neutral),
        fps=fps,
        layout=str(fields.get("layout", "")),
        joint_names=joint_names,
        bone_pairs=bone_pairs,
        neutral_directions=neutral,
        bone_lengths=lengths,
        seed=int(fields.get("seed", 0)),
        audio_seconds=float(fields.get("audio_seconds", len(directions) / fps)),
        preset=str(fields.get("preset", "")),
        checkpoint=str(fields.get("checkpoint", "")),
    )


def _unit_directions(directions: FloatArray, neutral: FloatArray) -> FloatArray:
    """Directions of length one; a vector of no length says nothing, so the neutral direction stands in."""
    length = np.linalg.norm(directions, axis=-1, keepdims=True)
    unit = directions / np.where(length < _ZERO_LENGTH, 1.0, length)
    return np.where(length < _ZERO_LENGTH, neutral[None], unit)


def neutral_directions(joint_names: tuple[str, ...], bone_pairs: tuple[tuple[int, int], ...]) -> FloatArray:
    """(B, 3) directions of a T-pose, palms down, looking straight ahead, for a file that brings none.

    The values are the backend's (``skeletons.neutral_directions``) as far as the retargeting looks at them;
    a bone that is not named here points along the arm.
    """
    neutral = np.zeros((len(bone_pairs), 3))
    to_nose = (0.0, 0.68, 0.73) if "right_ear" in joint_names else (0.0, 0.87, 0.43)
    for bone, (parent, child) in enumerate(bone_pairs):
        start, end = joint_names[parent], joint_names[child]
        side = -1.0 if end.startswith("right_") else 1.0
        part = end.removeprefix("left_").removeprefix("right_")
        x, y, z = {
            "neck": (0.0, 1.0, 0.0),
            "shoulder": (0.963, -0.267, -0.027),
            "nose": to_nose,
            "head": (0.0, 0.90, -0.42),
            "eye": (0.51, 0.69, -0.51),
            "ear": (0.37, 0.17, -0.91),
        }.get(part, (1.0, 0.0, 0.0))
        if part.startswith("thumb"):
            x, y, z = (1.0, -0.40, 1.0) if start.endswith("wrist") else (1.0, -0.54, 0.73)
        elif start.endswith("wrist"):
            z = {"index1": 0.28, "middle1": 0.06, "ring1": -0.14, "pinky1": -0.37}.get(part, 0.0)
        neutral[bone] = np.array([side * x, y, z]) / np.sqrt(x * x + y * y + z * z)
    return neutral
