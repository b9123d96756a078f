# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of motion clips (.npz): what the corpora and the real takes are stored in, read in one place.

An archive holds ``joint_names`` (J,), ``meta`` (JSON with ``clips``: ``fps`` and more of each; ``index``: its
place in the list where it is not given) and for each clip either ``<index>/rotations`` (T, J, 4), quaternions
w x y z relative to the parent, with ``parents`` (J,) and ``rest_offsets`` (J, 3), or ``<index>/positions``
(T, J, 3). +X is left, +Y up, +Z forward; metres.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading import Whole, parse_json, read_arrays, understood
from . import rotation
from .armature import Armature, forward_kinematics

FloatArray = np.ndarray
MAX_JOINTS = 1000


class ClipArchive:
    """One archive in memory; what is asked for is checked, and a DataError names file and field."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values = load_archive(path, ("meta", "joint_names"))
        with understood(f"{path}: field 'joint_names' is not as expected", DataError):
            self.joint_names = tuple(str(name) for name in self._values["joint_names"].reshape(-1))
            if not 1 <= len(self.joint_names) <= MAX_JOINTS:
                raise ValueError(f"there are {len(self.joint_names)} joints")
        with understood(f"{path}: field 'meta' is not as expected", DataError):
            self.meta: dict[str, Any] = parse_json(str(self._values["meta"]), f"{path}: field 'meta'", DataError)
            self.clips: list[dict[str, Any]] = [dict(clip) for clip in self.meta["clips"]]
            for k, clip in enumerate(self.clips):
                clip |= {"index": Whole(0, 1 << 31)(clip.get("index", k), "index"), "fps": rate(path, clip["fps"])}

    def has(self, field: str) -> bool:
        return field in self._values

    def numbers(self, field: str, shape: tuple[int, ...]) -> FloatArray:
        """Finite numbers, float64; ``shape`` without the frames, which may be any number."""
        values = numbers(self.path, self._values, field)
        wanted = "(" + ", ".join(map(str, shape)) + ")"
        if values.ndim == len(shape) + 1:
            wanted, fits = f"(T, {wanted[1:]}", values.shape[1:] == shape and len(values) > 0
        else:
            fits = values.shape == shape
        if not fits:
            raise DataError(f"{self.path}: field '{field}' has the shape {values.shape}, it must be {wanted}.")
        return values

    @property
    def parents(self) -> list[int]:
        """The parent of each joint, which comes before it; -1: none."""
        parents = self._values.get("parents")
        names = self.joint_names
        if (
            parents is None
            or parents.shape != (len(names),)
            or parents.dtype.kind not in "iu"
            or any(not -1 <= p < k for k, p in enumerate(parents))
        ):
            raise DataError(
                f"{self.path}: field 'parents' does not give each joint a parent that comes before it."
            )
        return parents.tolist()

    @property
    def rest_offsets(self) -> FloatArray:
        """(J, 3) from the parent, metres."""
        return self.numbers("rest_offsets", (len(self.joint_names), 3))

    def rotations(self, field: str) -> FloatArray:
        """(T, J, 4) or (J, 4) unit quaternions of a field such as ``3/rotations`` or ``tpose``."""
        values = self.numbers(field, (len(self.joint_names), 4))
        if not np.linalg.norm(values, axis=-1).min() > 0:
            raise DataError(f"{self.path}: field '{field}' holds rotations of length zero.")
        return rotation.unit(values)

    def armature(self, clip: Mapping[str, Any]) -> Armature:
        """The moving skeleton of one of ``clips``."""
        field, fps = f"{clip['index']}/positions", clip["fps"]
        if self.has(field):
            positions = self.numbers(field, (len(self.joint_names), 3))
            return Armature(self.joint_names, self._of_frames(field, positions, 3), None, None, fps)
        field = f"{clip['index']}/rotations"
        local = self._of_frames(field, self.rotations(field), 3)
        offsets = self.rest_offsets
        return forward_kinematics(self.joint_names, self.parents, offsets, offsets, local, fps)

    def _of_frames(self, field: str, values: FloatArray, dims: int) -> FloatArray:
        if values.ndim != dims:
            raise DataError(f"{self.path}: field '{field}' has no frames.")
        return values


def load_archive(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """All arrays of an npz archive. Raises DataError where it is damaged or lacks one of ``needed``."""
    values = read_arrays(path, "archive", DataError)
    for name in needed:
        if name not in values:
            raise DataError(f"{path}: field '{name}' is missing.")
    return values


def numbers(path: Path, archive: Mapping[str, Any], field: str) -> FloatArray:
    """A field as float64. Raises DataError where it is missing, no numbers, or not finite."""
    if field not in archive:
        raise DataError(f"{path}: field '{field}' is missing.")
    values = archive[field]
    if values.dtype.kind not in "fiu":
        raise DataError(f"{path}: field '{field}' does not hold numbers.")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = np.atleast_1d(~np.isfinite(values).reshape(len(np.atleast_1d(values)), -1).all(axis=1))
        raise DataError(f"{path}: field '{field}', frame {int(bad.argmax())} contains NaN or infinity.")
    return values


def rate(path: Path, fps: Any) -> float:
    """Frames a second. Raises DataError where that cannot be."""
    with understood(f"{path}: the frame rate {fps!r:.40} is no number", DataError):
        value = float(np.asarray(fps).reshape(-1)[0]) if np.size(fps) == 1 else float("nan")
    if not 1.0 <= value <= 1000.0:
        raise DataError(f"{path}: the frame rate {value:g} is not between 1 and 1000 frames a second.")
    return value
