# SPDX-License-Identifier: GPL-3.0-or-later
"""The left hand's shape: palm, five separate fingers, and a wrist that runs up into the sleeve.

All points are in the hand's own frame: x along the middle finger, y towards the little finger, z out of the back
of the hand, origin in the wrist, metres.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from ..skeleton import FINGERS, HAND_FRAME, WRIST, finger_joints
from . import distance_fields as df
from .surface_nets import QuadMesh, extract_surface

CELL: Final = 0.0034
# Radii at knuckle, the two finger joints and the tip (m)
_RADII: Final = {
    "index": (0.0104, 0.0097, 0.0089, 0.0080),
    "middle": (0.0108, 0.0099, 0.0091, 0.0082),
    "ring": (0.0104, 0.0096, 0.0088, 0.0079),
    "pinky": (0.0096, 0.0086, 0.0079, 0.0072),
    "thumb": (0.0150, 0.0124, 0.0115, 0.0094),
}
_METACARPALS: Final = {
    "index": ((0.006, -0.013, -0.002), 0.0128),
    "middle": ((0.006, -0.005, 0.001), 0.0134),
    "ring": ((0.006, 0.005, 0.000), 0.0130),
    "pinky": ((0.008, 0.013, -0.004), 0.0118),
}


@cache
def _local_joints(finger: str) -> np.ndarray:
    return (finger_joints(finger) - WRIST) @ HAND_FRAME.T


def _finger(points: np.ndarray, finger: str) -> np.ndarray:
    joints, radii = _local_joints(finger), _RADII[finger]
    phalanges = [df.round_cone(points, joints[i], joints[i + 1], radii[i], radii[i + 1]) for i in range(3)]
    return df.union(*phalanges, width=0.003)


def _palm(points: np.ndarray) -> np.ndarray:
    bones = [
        df.round_cone(points, start, _local_joints(name)[0] - (0.004, 0.0, 0.0), 0.0145, radius)
        for name, (start, radius) in _METACARPALS.items()
    ]
    knuckles = [df.sphere(points, _local_joints(name)[0] + (0.0, 0.0, 0.0012), 0.0112) for name in FINGERS]
    # Ball of the thumb and the outer edge of the palm
    ball = df.round_cone(points, (0.018, -0.013, -0.009), _local_joints("thumb")[1], 0.0165, 0.0112)
    edge = df.round_cone(points, (0.018, 0.014, -0.008), (0.062, 0.026, -0.008), 0.0140, 0.0115)
    palm = df.union(df.union(*bones, width=0.012), *knuckles, width=0.008)
    return df.union(palm, edge, ball, width=0.018)


def _wrist(points: np.ndarray) -> np.ndarray:
    """An oval wrist, wider than deep, that widens towards the sleeve."""
    x, y, z = points.T
    oval = np.hypot(y / 1.20, (z + 0.002) / 0.80)
    radius = 0.0232 + 0.09 * np.clip(-0.015 - x, 0, 0.1)
    return df.smooth_maximum(oval - radius, np.maximum(-0.070 - x, x - 0.002), 0.012)


def hand_field(points: np.ndarray) -> np.ndarray:
    """Distance to the left hand and the part of the forearm under the sleeve."""
    # Neighbouring fingers hardly blend with each other, or they would grow together
    fingers = df.union(*[_finger(points, name) for name in FINGERS], width=0.002)
    hand = df.smooth_minimum(_palm(points), fingers, 0.008)
    hand = df.smooth_minimum(hand, _finger(points, "thumb"), 0.010)
    return df.smooth_minimum(hand, _wrist(points), 0.022)


def build_hand() -> QuadMesh:
    """The left hand's mesh, in the mannequin's space."""
    corners = np.concatenate([_local_joints(name) for name in (*FINGERS, "thumb")] + [[(-0.07, 0.0, 0.0)]])
    lower, upper = corners.min(axis=0) - 0.04, corners.max(axis=0) + 0.04
    return extract_surface(hand_field, tuple(lower), tuple(upper), CELL).placed(WRIST, HAND_FRAME)
