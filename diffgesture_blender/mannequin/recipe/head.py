# SPDX-License-Identifier: GPL-3.0-or-later
"""Head, neck and hair. The face is only hinted at: brow, nose, mouth and ears tell where it looks."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..skeleton import HEAD, NECK
from . import distance_fields as df
from .surface_nets import QuadMesh, extract_surface

FACE_CELL: Final = 0.0050
HAIR_CELL: Final = 0.0060
# The head is modelled at life size about z = 1.53, then made a little larger and set lower on the neck
_PIVOT: Final = np.array([0.0, 0.0, 1.530])
_SCALE: Final = 1.10
_DROP: Final = np.array([0.0, 0.0, -0.016])


def _to_model(points: np.ndarray) -> np.ndarray:
    return (points - _PIVOT - _DROP) / _SCALE + _PIVOT


def _both_sides(points: np.ndarray) -> np.ndarray:
    return np.abs(points * (1.0, 0.0, 0.0)) + points * (0.0, 1.0, 1.0)


def _skull(points: np.ndarray) -> np.ndarray:
    cranium = df.ellipsoid(points, (0.0, 0.014, 1.668), (0.0765, 0.0960, 0.0900))
    face = df.ellipsoid(points, (0.0, -0.028, 1.612), (0.0610, 0.0660, 0.0880))
    return df.smooth_minimum(cranium, face, 0.040)


def head_field(points: np.ndarray) -> np.ndarray:
    """Distance to head and neck, down into the collar."""
    head = _face(_to_model(points)) * _SCALE
    return df.smooth_minimum(head, _neck(points), 0.030)


def _face(points: np.ndarray) -> np.ndarray:
    p = _both_sides(points)
    head = _skull(points)
    jaw = df.round_cone(p, (0.043, -0.004, 1.580), (0.008, -0.074, 1.547), 0.020, 0.0170)
    cheek = df.ellipsoid(p, (0.036, -0.058, 1.607), (0.026, 0.024, 0.026))
    muzzle = df.ellipsoid(points, (0.0, -0.052, 1.580), (0.036, 0.037, 0.034))
    head = df.union(head, jaw, cheek, muzzle, width=0.036)
    # Eye sockets with closed, lens-like eyes in them, a brow above, the nose
    socket = df.ellipsoid(p, (0.0345, -0.1060, 1.6385), (0.0250, 0.0215, 0.0165))
    head = -df.smooth_minimum(-head, socket, 0.020)
    eye = df.ellipsoid(p, (0.0330, -0.0735, 1.6375), (0.0185, 0.0150, 0.0125))
    head = df.smooth_minimum(head, eye, 0.004)
    brow = df.round_cone(p, (0.016, -0.0850, 1.6595), (0.044, -0.0730, 1.6630), 0.0055, 0.0040)
    head = df.smooth_minimum(head, brow, 0.026)
    bridge = df.round_cone(points, (0.0, -0.0840, 1.652), (0.0, -0.1050, 1.6110), 0.0070, 0.0115)
    wing = df.sphere(p, (0.0095, -0.0945, 1.6070), 0.0080)
    head = df.smooth_minimum(head, df.smooth_minimum(bridge, wing, 0.012), 0.012)
    # Closed lips, hardly more than a line, and the chin
    upper = df.round_cone(p, (0.0, -0.0925, 1.5840), (0.0210, -0.0825, 1.5805), 0.0070, 0.0040)
    lower = df.round_cone(p, (0.0, -0.0910, 1.5730), (0.0175, -0.0820, 1.5755), 0.0075, 0.0045)
    head = df.smooth_minimum(head, df.smooth_minimum(upper, lower, 0.002), 0.010)
    chin = df.sphere(points, (0.0, -0.0790, 1.5465), 0.0175)
    head = df.smooth_minimum(head, chin, 0.026)
    return df.smooth_minimum(head, _ear(p), 0.009)


def _ear(p: np.ndarray) -> np.ndarray:
    lean = np.radians(24)
    axes = np.array([[np.cos(lean), -np.sin(lean), 0.0], [np.sin(lean), np.cos(lean), 0.22], [0.0, -0.22, 1.0]])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    shell = df.ellipsoid(p, (0.0800, 0.0120, 1.6290), (0.0085, 0.0180, 0.0310), axes)
    lobe = df.sphere(p, (0.0735, 0.0010, 1.6040), 0.0080)
    bowl = df.ellipsoid(p, (0.0900, 0.0050, 1.6310), (0.0080, 0.0100, 0.0190), axes)
    root = df.ellipsoid(p, (0.0700, 0.0100, 1.6290), (0.0120, 0.0140, 0.0250), axes)
    shell = df.smooth_minimum(df.smooth_minimum(shell, lobe, 0.010), root, 0.008)
    return df.smooth_maximum(shell, -bowl, 0.006)


def _neck(points: np.ndarray) -> np.ndarray:
    low, high = df.shifted(NECK, 0.0, 0.000, -0.055), df.shifted(HEAD, 0.0, 0.012, 0.045)
    neck = df.round_cone(points, low, high, 0.0590, 0.0505)
    throat = df.round_cone(points, (0.0, -0.030, 1.545), (0.0, -0.022, 1.43), 0.020, 0.026)
    return df.smooth_minimum(neck, throat, 0.02)


def hair_field(points: np.ndarray) -> np.ndarray:
    """Distance to short hair: a shell over the skull, fuller on top, cut along a soft hairline."""
    points = _to_model(points)
    p = _both_sides(points)
    crown = df.ellipsoid(points, (0.0, 0.020, 1.676), (0.0830, 0.1005, 0.0950))
    nape = df.ellipsoid(points, (0.0, 0.036, 1.624), (0.0700, 0.0640, 0.0700))
    top = df.ellipsoid(points, (-0.008, -0.014, 1.712), (0.0640, 0.0780, 0.0620))
    hair = df.union(crown, nape, top, width=0.030) + _strands(points)
    # Cut away the face: in front of a slanted plane above, of an upright one beside the ears; then the ears
    fringe = df.half_space(p, (0.0, -0.062, 1.694), (0.25, -1.0, -0.80))
    temple = df.half_space(p, (0.0, -0.024, 1.640), (0.0, -1.0, -0.25))
    front = df.smooth_maximum(fringe, df.smooth_minimum(temple, 1.676 - p[:, 2], 0.020), 0.020)
    low = df.half_space(points, (0.0, 0.030, 1.607), (0.0, -0.22, -1.0))
    ear = df.ellipsoid(p, (0.086, 0.000, 1.624), (0.030, 0.028, 0.038))
    cut = df.smooth_maximum(df.smooth_maximum(front, low, 0.014), -ear, 0.012)
    return df.smooth_maximum(hair, cut, 0.020) * _SCALE


def _strands(points: np.ndarray) -> np.ndarray:
    """Shallow grooves (m) that run from a whorl at the back of the crown, a little curved, as combed hair does."""
    x, y, z = (points - np.array([0.018, 0.055, 1.700])).T
    reach = np.sqrt(x**2 + y**2 + z**2)
    turn = np.arctan2(x, -y) + 5.0 * reach
    fade = np.clip((reach - 0.045) / 0.060, 0.0, 1.0)
    return 0.0016 * fade * np.sin(13 * turn) + 0.0008 * fade * np.sin(29 * turn + 1.0)


def build_head() -> QuadMesh:
    """Skin of head and neck."""
    return extract_surface(head_field, (-0.12, -0.15, 1.30), (0.12, 0.15, 1.80), FACE_CELL, symmetric=True)


def build_hair() -> QuadMesh:
    """The hair."""
    return extract_surface(hair_field, (-0.13, -0.14, 1.50), (0.13, 0.17, 1.82), HAIR_CELL)
