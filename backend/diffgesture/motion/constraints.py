# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a motion is given and stays as it is, while the rest is generated to fit.

A constraints file is a NumPy archive with ``directions`` (T, B, 3), ``mask`` (T, B), ``fps`` and ``layout``: a
motion file (docs/MOTION.md) that also says which bones of which frames are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import ConfigError
from ..reading import understood
from .motion_file import one_number, one_text, read_archive
from .skeletons import SKELETONS, Skeleton, normalize

_UNIT_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Constraints:
    """Known bones of known frames.

    ``directions`` (T, B, 3) float32 unit vectors in the public frame where ``mask`` (T, B) is true, zeros
    elsewhere, at ``fps`` frames a second of the layout ``layout``. ``whole``: they must be exactly as long as the
    speech, being a motion made for it.
    """

    directions: np.ndarray
    mask: np.ndarray
    fps: float
    layout: str
    whole: bool = False

    def fitted(self, skeleton: Skeleton, fps: float, num_frames: int) -> "Constraints":
        """The same for ``num_frames`` frames: what lies beyond is dropped, what is lacking is free.

        ConfigError if they belong to another model, or are ``whole`` and of another length.
        """
        if self.layout != skeleton.name:
            raise ConfigError(f"The constraints are of the layout {self.layout}, the model of {skeleton.name}.")
        if abs(self.fps - fps) > 1e-3:
            raise ConfigError(f"The constraints have {self.fps:g} frames a second, the model has {fps:g}.")
        if self.whole and len(self.mask) != num_frames:
            raise ConfigError(
                f"The motion to keep has {len(self.mask)} frames, but {num_frames} belong to this speech; "
                "take one that was made for the same recording."
            )
        length = min(num_frames, len(self.mask))
        directions = np.zeros((num_frames, *self.directions.shape[1:]), dtype=np.float32)
        mask = np.zeros((num_frames, self.mask.shape[1]), dtype=bool)
        directions[:length], mask[:length] = self.directions[:length], self.mask[:length]
        return replace(self, directions=directions, mask=mask)


def load_constraints(path: str | Path) -> Constraints:
    """Read a constraints file; ConfigError, with what is wrong, if it is not one."""
    fields = read_archive(Path(path), ("directions", "mask", "fps", "layout"))
    return _constraints(Path(path), fields, np.asarray(fields["mask"]))


def keep_motion(path: str | Path, regenerate: Sequence[tuple[float, float]]) -> Constraints:
    """A motion file as constraints: all known except from START to END seconds, for each such pair.

    ConfigError if the file is no motion or a range lies outside of it.
    """
    fields = read_archive(Path(path), ("directions", "fps", "layout"))
    directions = np.asarray(fields["directions"])
    if directions.ndim != 3:
        raise ConfigError(f"{Path(path).name} is not a motion: its directions have the shape {directions.shape}.")
    constraints = _constraints(Path(path), fields, np.ones(directions.shape[:2], dtype=bool))
    constraints = replace(constraints, whole=True)
    seconds = np.arange(len(directions)) / constraints.fps
    for start, end in regenerate:
        chosen = (seconds >= start - 1e-6) & (seconds <= end + 1e-6)
        if end <= start or not chosen.any():
            raise ConfigError(
                f"There is nothing to regenerate from {start:g} s to {end:g} s; the motion lasts "
                f"{len(directions) / constraints.fps:.2f} s."
            )
        constraints.mask[chosen] = False
        constraints.directions[chosen] = 0
    return constraints


def _constraints(path: Path, fields: dict[str, Any], mask: np.ndarray) -> Constraints:
    with understood(f"{path.name} is no motion", ConfigError):
        directions, layout = fields["directions"], one_text(fields, "layout")
    skeleton = SKELETONS.get(layout)
    if skeleton is None:
        raise ConfigError(f"{path.name} is of an unknown layout, {layout}; known are {', '.join(SKELETONS)}.")
    if directions.ndim != 3 or directions.shape[1:] != (skeleton.num_bones, 3) or not len(directions):
        raise ConfigError(
            f"The directions of {path.name} have the shape {directions.shape}; {layout} needs "
            f"(frames, {skeleton.num_bones}, 3)."
        )
    if mask.shape != directions.shape[:2] or mask.dtype != bool:
        raise ConfigError(
            f"The mask of {path.name} must be true or false for each frame and bone, {directions.shape[:2]}, and "
            f"not {mask.dtype} of the shape {mask.shape}."
        )
    with understood(f"{path.name} has no frame rate that makes sense", ConfigError):
        fps = one_number(fields, "fps", 1, 1000)
    if not np.issubdtype(directions.dtype, np.floating):
        raise ConfigError(f"The directions of {path.name} must be floating-point numbers.")
    known = directions[mask].astype(np.float64)
    lengths = np.linalg.norm(known, axis=-1)
    if not np.all(np.abs(lengths - 1) <= _UNIT_TOLERANCE):
        raise ConfigError(f"{path.name} holds known directions that are not of unit length.")
    kept = np.zeros(directions.shape, dtype=np.float32)
    kept[mask] = normalize(known)
    return Constraints(kept, mask.copy(), fps, layout)
