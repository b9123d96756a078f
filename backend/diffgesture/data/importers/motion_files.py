# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion files other than BVH: SMPL-X parameters (BEAT2) and the archives of the corpora."""

from pathlib import Path

import numpy as np

from ...errors import DataError
from ...motion import rotation
from ...motion.armature import Armature, forward_kinematics
from ...motion.clip_archive import ClipArchive, load_archive, numbers, rate
from ...motion.smplx import SMPLX_JOINTS, SMPLX_OFFSETS, SMPLX_PARENTS

FloatArray = np.ndarray


def read_smplx(path: Path) -> Armature:
    """SMPL-X parameters (``poses`` (T, 165) axis-angle, ``mocap_frame_rate``). Raises DataError."""
    archive = load_archive(path, ("poses", "mocap_frame_rate"))
    poses = numbers(path, archive, "poses")
    if poses.ndim != 2 or poses.shape[1] != 3 * len(SMPLX_JOINTS):
        raise DataError(
            f"{path}: field 'poses' has the shape {poses.shape}, SMPL-X needs (T, {3 * len(SMPLX_JOINTS)})."
        )
    local = rotation.exp(poses.reshape(len(poses), -1, 3))
    rest = SMPLX_OFFSETS
    return forward_kinematics(
        SMPLX_JOINTS, SMPLX_PARENTS, rest, rest, local, rate(path, archive["mocap_frame_rate"])
    )


def read_clips(path: Path) -> list[tuple[Armature, str | None]]:
    """Clips of an archive, each with the name of its audio. Raises DataError naming file and field."""
    archive = ClipArchive(path)
    return [(archive.armature(clip), clip.get("audio")) for clip in archive.clips]
