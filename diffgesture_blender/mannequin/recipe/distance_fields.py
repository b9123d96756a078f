# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distance fields from which the mannequin's body is modelled.

Every field takes points (N, 3) in metres and gives distances (N,), negative inside. Exact distances are not
needed: the surface extraction only uses the zero level and the gradient near it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Field = Callable[[np.ndarray], np.ndarray]
Vector = Sequence[float] | np.ndarray


def shifted(point: Vector, x: float, y: float, z: float) -> np.ndarray:
    """A point moved by (x, y, z)."""
    return np.asarray(point, float) + np.array([x, y, z])


def round_cone(points: np.ndarray, start: Vector, end: Vector, radius: float, end_radius: float) -> np.ndarray:
    """Distance to a limb segment: spheres of changing radius swept from ``start`` to ``end``."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    axis = b - a
    local = points - a
    dot, square = local @ axis, axis @ axis
    along = np.clip(dot / square, 0.0, 1.0)
    distance = _dot(local, local) - 2.0 * along * dot + along**2 * square
    return np.sqrt(np.maximum(distance, 0.0)) - (radius + along * (end_radius - radius))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)


def sphere(points: np.ndarray, centre: Vector, radius: float) -> np.ndarray:
    """Distance to a sphere."""
    local = points - np.asarray(centre, float)
    return np.sqrt(_dot(local, local)) - radius


def ellipsoid(points: np.ndarray, centre: Vector, radii: Vector, axes: np.ndarray | None = None) -> np.ndarray:
    """Approximate distance to an ellipsoid; the rows of ``axes`` (3, 3) are its unit axes."""
    local = points - np.asarray(centre, float)
    if axes is not None:
        local = local @ np.asarray(axes, float).T
    size = np.asarray(radii, float)
    scaled = local / size
    level = np.sqrt(_dot(scaled, scaled))
    scaled /= size
    slope = np.sqrt(_dot(scaled, scaled))
    return np.where(slope > 1e-9, level * (level - 1.0) / np.maximum(slope, 1e-9), -size.min())


def torus(points: np.ndarray, centre: Vector, normal: Vector, radii: Vector, tube: float) -> np.ndarray:
    """Distance to a ring around ``normal``; ``radii`` are its half axes across (x) and along the depth (y)."""
    n = np.asarray(normal, float) / np.linalg.norm(np.asarray(normal, float))
    side = np.array([1.0, 0.0, 0.0])
    depth = np.cross(n, side)
    local = points - np.asarray(centre, float)
    u, v, w = local @ side / radii[0], local @ depth / radii[1], local @ n
    level = np.hypot(u, v)
    slope = np.hypot(u / radii[0], v / radii[1])
    around = level * (level - 1.0) / np.maximum(slope, 1e-9)
    return np.hypot(around, w) - tube


def half_space(points: np.ndarray, origin: Vector, normal: Vector) -> np.ndarray:
    """Distance to the half space behind the plane through ``origin`` (``normal`` points out of it)."""
    n = np.asarray(normal, float) / np.linalg.norm(np.asarray(normal, float))
    return (points - np.asarray(origin, float)) @ n


def loft(points: np.ndarray, sections: np.ndarray, exponent: float = 2.0, blunt: float = 0.02) -> np.ndarray:
    """Approximate distance to a trunk given by horizontal sections.

    ``sections`` (S, 4): height, half width, half depth, and the y of the centre, with rising heights, joined by
    a cubic that keeps the table's shape. ``exponent`` 2 gives ellipses, more gives squarer sections. Above and
    below the trunk ends are flat and rounded by ``blunt`` metres.
    """
    z = points[:, 2]
    low, high = sections[0, 0], sections[-1, 0]
    width, depth, centre = (_interpolate(np.clip(z, low, high), sections[:, 0], sections[:, i]) for i in (1, 2, 3))
    u, v = np.abs(points[:, 0]) / width, np.abs(points[:, 1] - centre) / depth
    level = (u**exponent + v**exponent + 1e-12) ** (1.0 / exponent)
    # |gradient| of level, so that (level - 1) / gradient is a distance to first order
    gradient = np.hypot(u ** (exponent - 1) / width, v ** (exponent - 1) / depth) / level ** (exponent - 1)
    side = np.maximum((level - 1.0) / np.maximum(gradient, 1e-6), -np.minimum(width, depth))
    cap = np.maximum(low - z, z - high)
    return smooth_maximum(side, cap, blunt)


def _interpolate(x: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Monotone cubic (Fritsch-Carlson) through (knots, values): smooth, without overshoot."""
    steps = np.diff(knots)
    slopes = np.diff(values) / steps
    tangents = np.zeros_like(values)
    same = slopes[:-1] * slopes[1:] > 0
    tangents[1:-1][same] = (2 * slopes[:-1] * slopes[1:])[same] / (slopes[:-1] + slopes[1:])[same]
    i = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(steps) - 1)
    t = (x - knots[i]) / steps[i]
    return (
        values[i] * (1 + 2 * t) * (1 - t) ** 2
        + tangents[i] * steps[i] * t * (1 - t) ** 2
        + values[i + 1] * t**2 * (3 - 2 * t)
        + tangents[i + 1] * steps[i] * t**2 * (t - 1)
    )


def smooth_minimum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two fields with a fillet about ``width`` metres wide (polynomial smooth minimum)."""
    overlap = np.maximum(width - np.abs(a - b), 0.0) / width
    return np.minimum(a, b) - overlap**3 * width / 6.0


def smooth_maximum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Intersection of two fields with a rounded edge."""
    return -smooth_minimum(-a, -b, width)


def union(*fields: np.ndarray, width: float) -> np.ndarray:
    """Smooth union of several fields, in the given order."""
    result = fields[0]
    for field in fields[1:]:
        result = smooth_minimum(result, field, width)
    return result
