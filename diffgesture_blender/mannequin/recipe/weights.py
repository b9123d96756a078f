# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin weights: each vertex starts with its nearest bone, then the weights diffuse along the surface.

Diffusion runs over the mesh and not through space, so a finger never pulls on its neighbour, however close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ..skeleton import BONES, Bone
from .surface_nets import QuadMesh, neighbour_mean, neighbours

MAX_INFLUENCES: Final = 4
# Half thickness of the body around a bone (m): the nearest bone is that whose flesh is nearest
_FLESH: Final = {
    "spine": 0.130,
    "spine.001": 0.130,
    "spine.002": 0.135,
    "spine.003": 0.130,
    "neck": 0.055,
    "head": 0.085,
    "shoulder": 0.066,
    "upper_arm_twist": 0.054,
    "upper_arm": 0.050,
    "forearm": 0.045,
    "forearm_twist": 0.042,
    "hand": 0.026,
    "thigh": 0.080,
    "shin": 0.060,
    "foot": 0.042,
    "toe": 0.036,
}
_FINGER_FLESH: Final = 0.010


def _base_name(name: str) -> str:
    return name[:-2] if name.endswith((".L", ".R")) else name


def _owned_segment(bone: Bone) -> tuple[np.ndarray, np.ndarray]:
    """The stretch of a bone that is its own: a bone with a twist bone leaves half of its length to that one."""
    for other in BONES:
        if other.twist_of and other.parent == bone.name:
            if np.allclose(other.head, bone.head):
                return other.tail, bone.tail
            return bone.head, other.head
    return bone.head, bone.tail


def _distance(points: np.ndarray, bone: Bone, flesh: Mapping[str, float]) -> np.ndarray:
    """(V,) distance from the flesh around a bone."""
    start, end = _owned_segment(bone)
    axis = end - start
    along = np.clip((points - start) @ axis / (axis @ axis), 0.0, 1.0)
    radius = flesh.get(_base_name(bone.name), _FINGER_FLESH)
    return np.linalg.norm(points - start - along[:, None] * axis, axis=1) - radius


def skin_weights(
    mesh: QuadMesh,
    bone_names: Sequence[str],
    widths: Mapping[str, float] | float,
    flesh: Mapping[str, float] | None = None,
) -> np.ndarray:
    """(V, N) weights of the named bones; each row sums to one and has at most MAX_INFLUENCES entries.

    ``widths``: how far a joint's bend spreads along the surface (m), one number or one per bone's base name
    (``"*"`` for the rest). ``flesh``: half thicknesses (m) by base name that differ in this part of the body.
    """
    bones = [next(bone for bone in BONES if bone.name == name) for name in bone_names]
    thickness = {**_FLESH, **(flesh or {})}
    nearest = np.argmin(np.stack([_distance(mesh.vertices, bone, thickness) for bone in bones], axis=1), axis=1)
    weights = np.eye(len(bones))[nearest]
    if len(bones) == 1:
        return weights
    table = neighbours(mesh.quads, len(mesh.vertices))
    per_bone = widths if isinstance(widths, Mapping) else {"*": widths}
    width = np.array([per_bone.get(_base_name(name), per_bone.get("*", 0.0)) for name in bone_names])[nearest]
    # n steps of a mean over neighbours at distance h spread a step by about h sqrt(n)
    ends = np.concatenate([mesh.quads[:, [0, 1]], mesh.quads[:, [1, 2]]])
    edge = float(np.linalg.norm(np.diff(mesh.vertices[ends], axis=1), axis=2).mean())
    steps = int(np.ceil((width.max() / edge) ** 2))
    rate = ((width / width.max()) ** 2)[:, None]
    for _ in range(20):  # no jump of the rate between neighbours
        rate = 0.5 * rate + 0.5 * neighbour_mean(rate, table)
    for _ in range(steps):
        weights = weights + rate * 0.8 * (neighbour_mean(weights, table) - weights)
    return _strongest(weights)


def _strongest(weights: np.ndarray) -> np.ndarray:
    """Keep the largest MAX_INFLUENCES of each row; the cut fades in, so that no edge shows."""
    if weights.shape[1] > MAX_INFLUENCES:
        next_largest = np.sort(weights, axis=1)[:, -MAX_INFLUENCES - 1][:, None]
        weights = np.maximum(weights - next_largest, 0.0)
    weights = np.where(weights < 2e-3, 0.0, weights)
    return weights / weights.sum(axis=1, keepdims=True)
