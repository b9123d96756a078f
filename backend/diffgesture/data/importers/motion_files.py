# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion files other than BVH: SMPL-X parameters (BEAT2) and the archives of the corpora."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...errors import DataError
from ...motion import rotation
from .armature import Armature, forward_kinematics
from .joint_names import FINGERS, SIDES

FloatArray = np.ndarray

# The 55 joints of SMPL-X: 22 of the body, jaw and eyes, 15 of each hand.
_SMPLX_BODY: Final = (
    *(
        "pelvis",
        "left_hip",
        "right_hip",
        "spine1",
        "left_knee",
        "right_knee",
        "spine2",
        "left_ankle",
        "right_ankle",
    ),
    *("spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("jaw", "left_eye", "right_eye"),
)
_SMPLX_NAMES: Final = (
    *_SMPLX_BODY,
    *(f"{side}_{finger}{k}" for side in SIDES for finger in FINGERS for k in (1, 2, 3)),
)
# Parent and offset from it in the rest pose, metres, left side. The body model's own numbers depend on the speaker
# and may not be passed on; these are those of an average adult, rounded to half a centimetre. Rotations are exact.
_SMPLX_REST: Final = {
    "pelvis": ("", (0.0, 0.0, 0.0)),
    "hip": ("pelvis", (0.06, -0.09, -0.01)),
    "knee": ("hip", (0.045, -0.375, 0.0)),
    "ankle": ("knee", (-0.015, -0.4, -0.03)),
    "foot": ("ankle", (0.045, -0.06, 0.12)),
    "spine1": ("pelvis", (0.0, 0.11, -0.025)),
    "spine2": ("spine1", (0.0, 0.13, -0.005)),
    "spine3": ("spine2", (0.0, 0.05, 0.025)),
    "neck": ("spine3", (0.0, 0.165, -0.03)),
    "head": ("neck", (0.0, 0.16, 0.02)),
    "jaw": ("head", (0.0, 0.0, 0.02)),
    "eye": ("head", (0.03, 0.055, 0.06)),
    "collar": ("spine3", (0.045, 0.085, -0.01)),
    "shoulder": ("collar", (0.11, 0.055, -0.015)),
    "elbow": ("shoulder", (0.26, -0.055, -0.035)),
    "wrist": ("elbow", (0.25, 0.01, -0.01)),
    "index1": ("wrist", (0.1, 0.0, 0.025)),
    "index2": ("index1", (0.04, 0.0, 0.0)),
    "index3": ("index2", (0.03, 0.0, 0.0)),
    "middle1": ("wrist", (0.095, 0.0, 0.0)),
    "middle2": ("middle1", (0.045, 0.0, 0.0)),
    "middle3": ("middle2", (0.035, 0.0, 0.0)),
    "pinky1": ("wrist", (0.08, 0.0, -0.045)),
    "pinky2": ("pinky1", (0.035, 0.0, 0.0)),
    "pinky3": ("pinky2", (0.03, 0.0, 0.0)),
    "ring1": ("wrist", (0.09, 0.0, -0.025)),
    "ring2": ("ring1", (0.04, 0.0, 0.0)),
    "ring3": ("ring2", (0.035, 0.0, 0.0)),
    "thumb1": ("wrist", (0.04, -0.03, 0.03)),
    "thumb2": ("thumb1", (0.035, -0.005, 0.01)),
    "thumb3": ("thumb2", (0.035, -0.005, 0.01)),
}


def read_smplx(path: Path) -> Armature:
    """SMPL-X parameters (``poses`` (T, 165) axis-angle, ``mocap_frame_rate``). Raises DataError."""
    archive = _load(path, ("poses", "mocap_frame_rate"))
    poses = _numbers(path, archive, "poses")
    if poses.ndim != 2 or poses.shape[1] != 3 * len(_SMPLX_NAMES):
        raise DataError(
            f"{path}: field 'poses' has the shape {poses.shape}, SMPL-X needs (T, {3 * len(_SMPLX_NAMES)})."
        )
    parents, offsets = [], []
    for name in _SMPLX_NAMES:
        side, _, part = name.rpartition("_")
        parent, offset = _SMPLX_REST[part]
        full = f"{side}_{parent}" if f"{side}_{parent}" in _SMPLX_NAMES else parent
        parents.append(_SMPLX_NAMES.index(full) if parent else -1)
        offsets.append(np.array(offset) * (-1.0 if side == "right" else 1.0, 1.0, 1.0))
    local = rotation.exp(poses.reshape(len(poses), -1, 3))
    rest = np.array(offsets)
    return forward_kinematics(_SMPLX_NAMES, parents, rest, rest, local, _rate(path, archive["mocap_frame_rate"]))


def read_clips(path: Path) -> list[tuple[Armature, str | None]]:
    """Clips of an archive of the corpora (``0/rotations`` or ``0/positions``), each with the name of its audio.

    Raises DataError naming file and field.
    """
    archive = _load(path, ("meta", "joint_names"))
    try:
        meta = json.loads(str(archive["meta"]))
        entries = [(int(e["index"]), float(e["fps"]), e.get("audio")) for e in meta["clips"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: field 'meta' is not as expected: {error}.") from error
    names = tuple(str(name) for name in archive["joint_names"])
    return [(_clip(path, archive, names, index, _rate(path, fps)), audio) for index, fps, audio in entries]


def _clip(path: Path, archive: dict[str, Any], names: tuple[str, ...], index: int, fps: float) -> Armature:
    field = f"{index}/positions"
    if field in archive:
        positions = _numbers(path, archive, field)
        _check_shape(path, field, positions, (len(names), 3))
        return Armature(names, positions, None, None, fps)
    field = f"{index}/rotations"
    local = _numbers(path, archive, field)
    _check_shape(path, field, local, (len(names), 4))
    if not np.linalg.norm(local, axis=-1).min() > 0:
        raise DataError(f"{path}: field '{field}' holds rotations of length zero.")
    offsets, parents = _numbers(path, archive, "rest_offsets"), archive.get("parents")
    _check_shape(path, "rest_offsets", offsets[None], (len(names), 3))
    if parents is None or parents.shape != (len(names),) or any(not -1 <= p < k for k, p in enumerate(parents)):
        raise DataError(f"{path}: field 'parents' does not give each joint a parent that comes before it.")
    return forward_kinematics(names, parents.tolist(), offsets, offsets, rotation.unit(local), fps)


def _check_shape(path: Path, field: str, values: FloatArray, shape: tuple[int, int]) -> None:
    if values.ndim != 3 or values.shape[1:] != shape or len(values) == 0:
        raise DataError(
            f"{path}: field '{field}' has the shape {values.shape}, it must be (T, {shape[0]}, {shape[1]})."
        )


def _load(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read as an npz archive: {error}.") from error
    except Exception as error:  # zipfile and zlib have errors of their own for damaged files
        raise DataError(f"{path} is damaged: {error}.") from error
    for name in needed:
        if name not in values:
            raise DataError(f"{path}: field '{name}' is missing.")
    return values


def _numbers(path: Path, archive: dict[str, Any], field: str) -> FloatArray:
    if field not in archive:
        raise DataError(f"{path}: field '{field}' is missing.")
    values = archive[field]
    if values.dtype.kind not in "fiu":
        raise DataError(f"{path}: field '{field}' does not hold numbers.")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        frame = int(np.nonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0][0])
        raise DataError(f"{path}: field '{field}', frame {frame} contains NaN or infinity.")
    return values


def _rate(path: Path, fps: Any) -> float:
    if not 1.0 <= float(fps) <= 1000.0:
        raise DataError(f"{path}: the frame rate {float(fps):g} is not between 1 and 1000 frames a second.")
    return float(fps)
