# SPDX-License-Identifier: GPL-3.0-or-later
"""Arms posed by where the hand is and how it is turned: for rest poses and cues that no clip shows."""

from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from ..motion import canonical, rotation

FloatArray = np.ndarray

_UPPER: Final = float(np.linalg.norm(canonical.OFFSETS[canonical.joint("left_forearm")]))
_FORE: Final = float(np.linalg.norm(canonical.OFFSETS[canonical.joint("left_hand")]))


def _unit(vector: FloatArray) -> FloatArray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _quaternion(columns: list[FloatArray]) -> FloatArray:
    x, y, z, w = Rotation.from_matrix(np.stack(columns, axis=1)).as_quat()
    return np.array([w, x, y, z])


def shoulder(side: str) -> FloatArray:
    """Place (3,) of the shoulder joint in the frame of the chest joint, metres."""
    names = ("neck", f"{side}_clavicle", f"{side}_upper_arm")
    return np.sum([canonical.OFFSETS[canonical.joint(name)] for name in names], axis=0)


def reach(
    local: FloatArray,
    side: str,
    wrist: FloatArray,
    palm: FloatArray,
    fingers: FloatArray | None = None,
    elbow_out: float = 0.35,
) -> None:
    """Poses one arm of ``local`` (J, 4) in place: ``wrist`` (3,) metres and directions in the chest's frame.

    ``palm`` is where the palm faces, ``fingers`` where they point (default: on from the forearm). ``elbow_out``
    0 lets the elbow hang under the line from shoulder to wrist, 1 lifts it to the side. Wrists out of reach are
    brought nearer.
    """
    sign = 1.0 if side == "left" else -1.0
    start = shoulder(side)
    way = np.asarray(wrist, dtype=float) - start
    distance = float(np.clip(np.linalg.norm(way), 0.12, 0.985 * (_UPPER + _FORE)))
    axis = _unit(way)
    along = (_UPPER**2 - _FORE**2 + distance**2) / (2.0 * distance)
    off = np.sqrt(max(_UPPER**2 - along**2, 0.0))
    hint = np.array([sign * elbow_out, -1.0, -0.25])
    aside = _unit(hint - np.dot(hint, axis) * axis)
    elbow = along * axis + off * aside
    upper, fore = _unit(elbow), _unit(distance * axis - elbow)
    # The forearm bends in the plane of the upper arm's x and z axes, towards +z.
    bend = _unit(fore - np.dot(fore, upper) * upper)
    upper_q = _quaternion([sign * upper, np.cross(bend, sign * upper), bend])
    flexion = float(np.arccos(np.clip(np.dot(upper, fore), -1.0, 1.0)))
    fore_q = rotation.about(np.array([0.0, 1.0, 0.0]), -sign * flexion)
    normal = _unit(np.asarray(palm, dtype=float))
    pointing = fore if fingers is None else np.asarray(fingers, dtype=float)
    pointing = _unit(pointing - np.dot(pointing, normal) * normal)
    hand_world = _quaternion([sign * pointing, -normal, np.cross(sign * pointing, -normal)])
    joints = canonical.arm_joints(side)[:3]
    local[joints[0]], local[joints[1]] = upper_q, fore_q
    local[joints[2]] = rotation.mul(rotation.inv(rotation.mul(upper_q, fore_q)), hand_world)


def palm_direction(local: FloatArray, side: str) -> FloatArray:
    """Where the palm faces (..., 3) in the chest's frame, of local rotations (..., J, 4)."""
    upper, fore, hand = canonical.arm_joints(side)[:3]
    world = rotation.mul(rotation.mul(local[..., upper, :], local[..., fore, :]), local[..., hand, :])
    return rotation.rotate(world, np.broadcast_to([0.0, -1.0, 0.0], (*world.shape[:-1], 3)))
