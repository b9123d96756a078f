# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps arms outside the body and elbows within their range."""

from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from ..motion import rotation
from . import canonical

FloatArray = np.ndarray

# The trunk is an upright elliptic cylinder in the frame of the chest joint, rounded off above; metres.
TRUNK_HALF_WIDTH: Final = 0.165
TRUNK_HALF_DEPTH: Final = 0.115
_TRUNK_CENTRE_Z: Final = 0.005
_TRUNK_TOP: Final = 0.21
_TRUNK_BOTTOM: Final = -0.42
_HEAD_RADIUS: Final = 0.115
_HEAD_CENTRE: Final = (0.0, 0.075, 0.035)
_ELBOW_LIMIT: Final = np.deg2rad(150.0)
_WRIST_SIDE: Final = np.deg2rad(40.0)
_WRIST_BEND: Final = np.deg2rad(72.0)


def _probes(side: str) -> list[int]:
    return [canonical.joint(f"{side}_{part}") for part in ("hand", "middle1", "index3", "pinky2", "thumb3")]


def _outward(points: FloatArray, head: FloatArray) -> FloatArray:
    """Displacement (..., 3) that takes points (..., 3), chest frame, out of trunk and head; zeros outside."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2] - _TRUNK_CENTRE_Z
    radius = np.sqrt((x / TRUNK_HALF_WIDTH) ** 2 + (z / TRUNK_HALF_DEPTH) ** 2)
    inside = (radius < 1.0) & (y < _TRUNK_TOP) & (y > _TRUNK_BOTTOM)
    # Push mostly forwards, as a hand in front of the belly slips off in that direction.
    depth = np.sqrt(np.maximum(1.0 - (x / TRUNK_HALF_WIDTH) ** 2, 0.0)) * TRUNK_HALF_DEPTH
    push = np.zeros(points.shape)
    sideways = (np.abs(x) > 0.75 * TRUNK_HALF_WIDTH) | (z < -0.02)
    width = np.sqrt(np.maximum(1.0 - (z / TRUNK_HALF_DEPTH) ** 2, 0.0)) * TRUNK_HALF_WIDTH
    push[..., 2] = np.where(inside & ~sideways, depth - z, 0.0)
    push[..., 0] = np.where(inside & sideways, np.sign(x) * (width - np.abs(x)), 0.0)
    offset = points - head
    distance = np.linalg.norm(offset, axis=-1, keepdims=True)
    lack = np.maximum(_HEAD_RADIUS - distance, 0.0)
    return push + lack * offset / np.maximum(distance, 1e-6)


def _chest_frame(local: FloatArray) -> tuple[FloatArray, FloatArray]:
    world = canonical.to_global(local)
    positions = canonical.forward_kinematics(world)
    chest = canonical.joint("chest")
    back = rotation.inv(world[:, chest, None])
    points = rotation.rotate(back, positions - positions[:, chest, None])
    head = canonical.joint("head")
    centre = points[:, head] + rotation.rotate(
        rotation.mul(back[:, 0], world[:, head]), np.broadcast_to(np.array(_HEAD_CENTRE), (len(local), 3))
    )
    return points, centre


def penetration(local: FloatArray) -> FloatArray:
    """Depth (T, 2) in metres by which the left and the right hand are inside trunk or head."""
    points, head = _chest_frame(local)
    depths = [
        np.linalg.norm(_outward(points[:, _probes(side)], head[:, None]), axis=-1).max(axis=1)
        for side in canonical.SIDES
    ]
    return np.stack(depths, axis=1)


def resolve(local: FloatArray, rounds: int = 4) -> FloatArray:
    """Local rotations (T, J, 4) with hands taken out of trunk and head by turning the upper arms, smoothly."""
    local = local.copy()
    for _ in range(rounds):
        points, head = _chest_frame(local)
        worst = 0.0
        for side in canonical.SIDES:
            probes = _probes(side)
            pushes = _outward(points[:, probes], head[:, None])
            depth = np.linalg.norm(pushes, axis=-1)
            if depth.max() < 1e-3:
                continue
            worst = max(worst, float(depth.max()))
            push = np.take_along_axis(pushes, depth.argmax(axis=1)[:, None, None], axis=1)[:, 0]
            # Keep direction and depth apart so that smoothing does not shrink the push.
            length = depth.max(axis=1)
            envelope = gaussian_filter1d(maximum_filter1d(length, 9), 3.0) * 1.05
            direction = gaussian_filter1d(push, 4.0, axis=0)
            direction /= np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-9)
            shoulder = points[:, canonical.joint(f"{side}_upper_arm")]
            lever = points[:, canonical.joint(f"{side}_hand")] - shoulder
            axis = np.cross(lever, direction)
            norm = np.linalg.norm(axis, axis=-1, keepdims=True)
            angle = envelope * norm[:, 0] / np.maximum(np.sum(lever * lever, axis=-1), 0.02) / 0.8
            angle = np.minimum(angle, 0.5)
            turn = rotation.about(axis / np.maximum(norm, 1e-9), angle)
            upper = canonical.joint(f"{side}_upper_arm")
            local[:, upper] = rotation.mul(turn, local[:, upper])
        if worst < 4e-3:
            break
    return local


def limit_elbows(local: FloatArray) -> FloatArray:
    """Local rotations (T, J, 4) with elbows softly kept between straight and 150 degrees of flexion."""
    local = local.copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        fore = canonical.joint(f"{side}_forearm")
        vector = rotation.log(local[:, fore])
        # Flexion turns a left forearm about -y, a right one about +y.
        flexion = -sign * vector[:, 1]
        straight = np.deg2rad(4.0)
        soft = straight + np.deg2rad(4.0) * np.logaddexp(0.0, (flexion - straight) / np.deg2rad(4.0))
        soft = np.where(flexion > np.deg2rad(40.0), flexion, soft)
        vector[:, 1] = -sign * np.minimum(soft, _ELBOW_LIMIT)
        vector[:, 0] = 0.0
        vector[:, 2] *= 0.5
        local[:, fore] = rotation.exp(vector)
    return local


def limit_wrists(local: FloatArray) -> FloatArray:
    """Local rotations (T, J, 4) with hands softly kept within 40 degrees to the side and 72 of bending."""
    local = local.copy()
    for side in canonical.SIDES:
        hand = canonical.joint(f"{side}_hand")
        q = local[:, hand]
        # The turn about the forearm is free; what is left bends the hand about its own axes.
        twist = q * np.array([1.0, 1.0, 0.0, 0.0])
        norm = np.linalg.norm(twist, axis=-1, keepdims=True)
        twist = np.where(norm > 1e-4, twist / np.maximum(norm, 1e-9), rotation.IDENTITY)
        vector = rotation.log(rotation.mul(rotation.inv(twist), q))
        for axis, limit in ((1, _WRIST_SIDE), (2, _WRIST_BEND)):
            # Linear up to two thirds of the limit, then ever slower.
            free = limit * 2.0 / 3.0
            over = np.maximum(np.abs(vector[:, axis]) - free, 0.0)
            size = np.minimum(np.abs(vector[:, axis]), free) + (limit - free) * np.tanh(over / (limit - free))
            vector[:, axis] = np.sign(vector[:, axis]) * size
        local[:, hand] = rotation.mul(twist, rotation.exp(vector))
    return local
