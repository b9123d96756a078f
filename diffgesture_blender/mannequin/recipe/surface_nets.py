# SPDX-License-Identifier: GPL-3.0-or-later
"""A closed quad mesh from a distance field.

Naive surface nets (Gibson 1998: one vertex per cell that the surface crosses, one quad per crossed grid edge),
then a few steps that even out the quads along the surface and pull every vertex exactly onto it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .distance_fields import Field

_CORNERS: Final = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES: Final = np.array(
    [(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]
)

_BLOCK: Final = 4


@dataclass(frozen=True)
class QuadMesh:
    """Vertices (V, 3) in metres and quads (F, 4), wound counter-clockwise seen from outside."""

    vertices: np.ndarray
    quads: np.ndarray

    def placed(self, origin: np.ndarray, frame: np.ndarray) -> QuadMesh:
        """The mesh moved from a right-handed frame (rows: its axes) at ``origin`` into the outer space."""
        return QuadMesh(origin + self.vertices @ frame, self.quads)

    def mirrored(self) -> QuadMesh:
        """The mesh on the other side of the plane x = 0."""
        return QuadMesh(self.vertices * (-1.0, 1.0, 1.0), self.quads[:, ::-1].copy())


def extract_surface(
    field: Field,
    lower: tuple[float, float, float],
    upper: tuple[float, float, float],
    cell: float,
    relax_steps: int = 4,
    symmetric: bool = False,
) -> QuadMesh:
    """Mesh of the zero level of ``field`` in a box, with quads about ``cell`` metres wide.

    The surface must lie inside the box, or the mesh is not closed. ``symmetric``: the field is even in x, so
    only the half with x >= 0 is evaluated and the mesh is exactly symmetric (``lower[0]`` is ignored).
    """
    axes = [
        np.arange(np.floor(lo / cell), np.ceil(hi / cell) + 1) * cell for lo, hi in zip(lower, upper, strict=True)
    ]
    if symmetric:
        axes[0] = axes[0][axes[0] > -0.5 * cell]
    values = _sample(field, axes, cell)
    if symmetric:
        axes[0] = np.concatenate([-axes[0][:0:-1], axes[0]])
        values = np.concatenate([values[:0:-1], values])
    # A sample exactly on the surface would make quads of no area
    values = np.where(np.abs(values) < 1e-4 * cell, 1e-4 * cell, values)
    values = _well_composed(values, cell)
    origin = np.array([axis[0] for axis in axes])
    vertices, quads = _surface_nets(values)
    vertices = origin + vertices * cell
    return QuadMesh(_relax(field, vertices, quads, cell, relax_steps), quads)


def _sample(field: Field, axes: list[np.ndarray], cell: float) -> np.ndarray:
    """Field values (X, Y, Z) on a grid, exact near the surface and only right in sign far from it.

    The field is first sampled once per block of cells; blocks that lie clear of the surface keep that value.
    """
    size = [len(axis) for axis in axes]
    coarse_axes = [axis[np.minimum(np.arange(0, len(axis) + _BLOCK - 1, _BLOCK), len(axis) - 1)] for axis in axes]
    coarse = np.stack(np.meshgrid(*coarse_axes, indexing="ij"), axis=-1)
    coarse_values = field(coarse.reshape(-1, 3)).reshape(coarse.shape[:3])
    nearest = np.ix_(
        *[
            np.minimum((np.arange(n) + _BLOCK // 2) // _BLOCK, len(c) - 1)
            for n, c in zip(size, coarse_axes, strict=True)
        ]
    )
    values = coarse_values[nearest]
    # Fields are distances only to first order, hence the generous margin around half a block's diagonal
    near = np.argwhere(np.abs(values) < 1.4 * np.sqrt(3) * (_BLOCK / 2 + 1) * cell)
    points = np.stack([axis[column] for axis, column in zip(axes, near.T, strict=True)], axis=1)
    values[tuple(near.T)] = field(points)
    return values


def _well_composed(values: np.ndarray, cell: float) -> np.ndarray:
    """Fill samples that would make edges with four faces: two inside samples that touch only corner to corner.

    The outside sample nearest to the surface is moved just inside, until every face of the grid is clear.
    """
    values = values.copy()
    for _ in range(8):
        changed = False
        for axis in range(3):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            moved = np.moveaxis(values, (axis, u, v), (0, 1, 2))  # a view: filling it fills ``values``
            inside = moved < 0
            a, b, c, d = inside[:, :-1, :-1], inside[:, 1:, :-1], inside[:, :-1, 1:], inside[:, 1:, 1:]
            for i, j, k in np.argwhere((a == d) & (b == c) & (a != b)):
                square = moved[i, j : j + 2, k : k + 2]
                outside = np.where(square < 0, np.inf, square)
                place = np.unravel_index(np.argmin(outside), (2, 2))
                square[place] = -1e-3 * cell
                changed = True
        if not changed:
            break
    return values


def _surface_nets(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in cell units and quads from grid values (X, Y, Z)."""
    inside = values < 0
    shape = np.array(values.shape) - 1
    count = np.zeros(shape, dtype=np.int8)
    for i, j, k in _CORNERS:
        count += inside[i : i + shape[0], j : j + shape[1], k : k + shape[2]]
    cells = np.argwhere((count > 0) & (count < 8))
    number = np.full(shape, -1, dtype=np.int64)
    number[tuple(cells.T)] = np.arange(len(cells))

    corners = cells[:, None, :] + _CORNERS
    corner_values = values[corners[..., 0], corners[..., 1], corners[..., 2]]
    a, b = corner_values[:, _EDGES[:, 0]], corner_values[:, _EDGES[:, 1]]
    crossed = (a < 0) != (b < 0)
    t = np.where(crossed, a / np.where(crossed, a - b, 1.0), 0.0)[..., None]
    ends_a, ends_b = _CORNERS[_EDGES[:, 0]], _CORNERS[_EDGES[:, 1]]
    points = (ends_a + t * (ends_b - ends_a)) * crossed[..., None]
    vertices = cells + points.sum(axis=1) / crossed.sum(axis=1, keepdims=True)

    quads = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        first, second = np.delete(inside, -1, axis), np.delete(inside, 0, axis)
        edges = np.argwhere(first != second)
        edges = edges[(edges[:, u] > 0) & (edges[:, v] > 0) & (edges[:, u] < shape[u]) & (edges[:, v] < shape[v])]
        step_u, step_v = np.eye(3, dtype=np.int64)[u], np.eye(3, dtype=np.int64)[v]
        ring = [edges - step_u - step_v, edges - step_v, edges, edges - step_u]
        faces = np.stack([number[tuple(cell.T)] for cell in ring], axis=1)
        outward = first[tuple(edges.T)]
        quads.append(np.where(outward[:, None], faces, faces[:, ::-1]))
    return vertices, np.concatenate(quads)


def neighbours(quads: np.ndarray, num_vertices: int) -> np.ndarray:
    """(V, K) neighbours of each vertex along edges; unused places hold ``num_vertices``."""
    edges = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    start = np.searchsorted(edges[:, 0], np.arange(num_vertices))
    place = np.arange(len(edges)) - start[edges[:, 0]]
    table = np.full((num_vertices, place.max() + 1), num_vertices, dtype=np.int64)
    table[edges[:, 0], place] = edges[:, 1]
    return table


def neighbour_mean(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Mean of ``values`` (V, C) over each vertex's neighbours."""
    padded = np.concatenate([values, np.zeros((1, values.shape[1]), values.dtype)])
    total = np.zeros_like(values)
    for column in table.T:
        total += padded[column]
    return total / (table < len(values)).sum(axis=1, keepdims=True)


def _value_and_gradient(field: Field, points: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Values (N, 1) and forward differences (N, 3) of a field."""
    value = field(points)
    return value[:, None], np.stack([(field(points + step * axis) - value) / step for axis in np.eye(3)], axis=1)


def _relax(field: Field, vertices: np.ndarray, quads: np.ndarray, cell: float, steps: int) -> np.ndarray:
    """Alternate a Newton step onto the surface with a Laplacian step along it."""
    table = neighbours(quads, len(vertices))
    for step in range(steps + 1):
        value, slope = _value_and_gradient(field, vertices, 0.02 * cell)
        square = np.maximum((slope**2).sum(axis=1, keepdims=True), 0.05)
        vertices = vertices + np.clip(-value / square, -0.5 * cell, 0.5 * cell) * slope
        if step < steps:
            move = 0.5 * (neighbour_mean(vertices, table) - vertices)
            vertices = vertices + move - (move * slope).sum(axis=1, keepdims=True) / square * slope
    return vertices
