# SPDX-License-Identifier: GPL-3.0-or-later
"""The clothed body: a sweater with ribbed edges, trousers and shoes. They are solid: no body lies under them."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..skeleton import ANKLE, BALL, ELBOW, FOREARM_AXIS, HIP, KNEE, SHOULDER, WRIST
from . import distance_fields as df
from .surface_nets import QuadMesh, extract_surface

SWEATER_CELL: Final = 0.0105
TROUSERS_CELL: Final = 0.0140
SHOE_CELL: Final = 0.0075
# Height, half width, half depth, y of the centre (m)
_TORSO: Final = np.array(
    [
        (0.895, 0.1740, 0.1290, 0.014),
        (0.930, 0.1750, 0.1290, 0.013),
        (0.990, 0.1650, 0.1190, 0.010),
        (1.060, 0.1500, 0.1060, 0.006),
        (1.120, 0.1430, 0.1010, 0.003),
        (1.180, 0.1450, 0.1040, 0.001),
        (1.250, 0.1560, 0.1130, 0.000),
        (1.310, 0.1640, 0.1190, 0.002),
        (1.365, 0.1640, 0.1130, 0.009),
        (1.410, 0.1430, 0.0960, 0.017),
        (1.445, 0.1000, 0.0740, 0.022),
        (1.466, 0.0680, 0.0600, 0.024),
    ]
)
_HIPS: Final = np.array(
    [
        (0.840, 0.154, 0.108, 0.016),
        (0.890, 0.155, 0.112, 0.016),
        (0.950, 0.152, 0.106, 0.012),
        (1.020, 0.136, 0.092, 0.008),
        (1.060, 0.128, 0.086, 0.006),
    ]
)
HEM: Final = 0.895
SLEEVE_END: Final = WRIST - 0.012 * FOREARM_AXIS


def _both_sides(points: np.ndarray) -> np.ndarray:
    return np.abs(points * (1.0, 0.0, 0.0)) + points * (0.0, 1.0, 1.0)


def sweater_field(points: np.ndarray) -> np.ndarray:
    """Distance to torso and sleeves."""
    p = _both_sides(points)
    torso = df.loft(points, _TORSO, exponent=2.35, blunt=0.012)
    # Shoulder slope and the deltoid
    slope = df.round_cone(p, (0.045, 0.026, 1.438), df.shifted(SHOULDER, -0.010, 0.0, 0.004), 0.046, 0.050)
    torso = df.smooth_minimum(torso, slope, 0.060)
    upper = df.round_cone(p, SHOULDER, ELBOW, 0.0570, 0.0470)
    fore = df.round_cone(p, ELBOW, SLEEVE_END - 0.035 * FOREARM_AXIS, 0.0475, 0.0420)
    sleeve = df.smooth_minimum(upper, fore, 0.030)
    body = df.smooth_minimum(torso, sleeve, 0.048)
    # Cuff: a tighter band; the sleeve puffs a little above it
    cuff = df.round_cone(p, SLEEVE_END - 0.040 * FOREARM_AXIS, SLEEVE_END, 0.0375, 0.0365)
    cuff = df.smooth_maximum(cuff, df.half_space(p, SLEEVE_END, FOREARM_AXIS), 0.010)
    beyond = df.half_space(p, SLEEVE_END - 0.034 * FOREARM_AXIS, FOREARM_AXIS)
    body = df.smooth_minimum(df.smooth_maximum(body, beyond, 0.012), cuff, 0.006)
    # Waistband
    band = df.loft(points, _TORSO * (1.0, 0.965, 0.955, 1.0), exponent=2.35, blunt=0.012)
    band = df.smooth_maximum(band, points[:, 2] - (HEM + 0.060), 0.010)
    body = df.smooth_minimum(df.smooth_maximum(body, (HEM + 0.046) - points[:, 2], 0.022), band, 0.008)
    collar = df.torus(points, (0.0, 0.014, 1.467), (0.0, -0.24, 1.0), (0.0690, 0.0680), 0.0130)
    return df.smooth_minimum(body, collar, 0.012)


def trousers_field(points: np.ndarray) -> np.ndarray:
    """Distance to hips and legs."""
    p = _both_sides(points)
    hips = df.loft(points, _HIPS, exponent=2.3, blunt=0.030)
    seat = df.ellipsoid(p, (0.075, 0.060, 0.885), (0.080, 0.070, 0.085))
    hips = df.smooth_minimum(hips, seat, 0.050)
    thigh = df.round_cone(p, df.shifted(HIP, -0.010, 0.004, -0.030), KNEE, 0.0790, 0.0620)
    shin = df.round_cone(p, KNEE, df.shifted(ANKLE, 0.0, -0.006, 0.020), 0.0620, 0.0560)
    shin = df.smooth_maximum(shin, df.half_space(p, df.shifted(ANKLE, 0.0, 0.0, 0.002), (0.0, 0.0, -1.0)), 0.012)
    leg = df.smooth_minimum(thigh, shin, 0.030)
    # The legs part: each keeps to its own side of the middle
    leg = df.smooth_maximum(leg, 0.004 - p[:, 0], 0.012)
    return df.smooth_minimum(hips, leg, 0.045)


def shoe_field(points: np.ndarray) -> np.ndarray:
    """Distance to the left shoe."""
    heel = df.ellipsoid(points, df.shifted(ANKLE, 0.000, 0.010, -0.038), (0.043, 0.056, 0.052))
    instep = df.round_cone(
        points, df.shifted(ANKLE, 0.0, -0.010, -0.010), df.shifted(BALL, -0.002, 0.010, 0.018), 0.042, 0.036
    )
    toe = df.ellipsoid(points, df.shifted(BALL, 0.002, -0.022, 0.010), (0.048, 0.066, 0.036))
    upper = df.union(heel, instep, toe, width=0.040)
    ankle = df.round_cone(
        points, df.shifted(ANKLE, 0.0, 0.002, -0.01), df.shifted(ANKLE, 0.0, 0.004, 0.05), 0.042, 0.041
    )
    upper = df.smooth_minimum(upper, ankle, 0.02)
    return df.smooth_maximum(upper, -points[:, 2], 0.010)


def sole_field(points: np.ndarray) -> np.ndarray:
    """Distance to the left shoe's sole: a slab a little wider than the shoe."""
    outline = shoe_field(points * (1.0, 1.0, 0.0) + (0.0, 0.0, 0.022)) - 0.003
    slab = np.maximum(points[:, 2] - 0.024, -points[:, 2])
    return df.smooth_maximum(outline, slab, 0.010)


def build_sweater() -> QuadMesh:
    """Torso and sleeves."""
    reach = float(WRIST[0]) + 0.05
    return extract_surface(sweater_field, (-reach, -0.16, 0.85), (reach, 0.17, 1.54), SWEATER_CELL, symmetric=True)


def build_trousers() -> QuadMesh:
    """Hips and legs."""
    return extract_surface(trousers_field, (-0.23, -0.16, 0.05), (0.23, 0.17, 1.12), TROUSERS_CELL, symmetric=True)


def build_shoe() -> QuadMesh:
    """The left shoe without its sole."""
    return extract_surface(shoe_field, (0.04, -0.24, -0.03), (0.21, 0.12, 0.19), SHOE_CELL)


def build_sole() -> QuadMesh:
    """The left shoe's sole."""
    return extract_surface(sole_field, (0.04, -0.24, -0.03), (0.21, 0.12, 0.06), SHOE_CELL)
