# SPDX-License-Identifier: GPL-3.0-or-later
"""A moving skeleton, whatever file it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import rotation

FloatArray = np.ndarray


@dataclass(frozen=True)
class Armature:
    """Positions (T, J, 3) and global rotations (T, J, 4) of named joints; ``rest`` (J, 3) with no rotations.

    A rotation turns what hangs on the joint from the rest pose to the pose of the frame. Rotations and rest are
    None when only positions are known. Units and axes are those of the file.
    """

    joint_names: tuple[str, ...]
    positions: FloatArray
    rotations: FloatArray | None
    rest: FloatArray | None
    fps: float


def forward_kinematics(
    joint_names: tuple[str, ...],
    parents: Sequence[int],
    rest_offsets: FloatArray,
    offsets: FloatArray,
    local: FloatArray,
    fps: float,
) -> Armature:
    """Poses from local rotations (T, J, 4) and offsets (T, J, 3) or (J, 3) from the parents, which come first."""
    offsets = np.broadcast_to(offsets, (*local.shape[:2], 3))
    rotations, positions = np.empty_like(local), np.array(offsets)
    rest = np.array(rest_offsets, dtype=float)
    for k, parent in enumerate(parents):
        if parent < 0:
            rotations[:, k] = local[:, k]
            continue
        rotations[:, k] = rotation.mul(rotations[:, parent], local[:, k])
        positions[:, k] = positions[:, parent] + rotation.rotate(rotations[:, parent], offsets[:, k])
        rest[k] += rest[parent]
    return Armature(joint_names, positions, rotations, rest, fps)
