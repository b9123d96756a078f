# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion files other than BVH: SMPL-X parameters (BEAT2) and the archives of the corpora."""

from pathlib import Path
from typing import Final

import numpy as np

from ...errors import DataError
from ...motion import rotation
from ...motion.armature import Armature, forward_kinematics
from ...motion.clip_archive import ClipArchive, load_archive, numbers, rate
from ...motion.joint_names import FINGERS, SIDES

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
    archive = load_archive(path, ("poses", "mocap_frame_rate"))
    poses = numbers(path, archive, "poses")
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
    return forward_kinematics(_SMPLX_NAMES, parents, rest, rest, local, rate(path, archive["mocap_frame_rate"]))


def read_clips(path: Path) -> list[tuple[Armature, str | None]]:
    """Clips of an archive, each with the name of its audio. Raises DataError naming file and field."""
    archive = ClipArchive(path)
    return [(archive.armature(clip), clip.get("audio")) for clip in archive.clips]
