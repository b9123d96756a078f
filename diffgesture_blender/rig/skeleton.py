# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones of an armature at rest, as plain data: what the search for a bone map needs, without Blender."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import bpy

FloatArray = np.ndarray

_BONE_PATH: Final = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)*)"\]')


@dataclass(frozen=True)
class Skeleton:
    """Parents and rest joints. ``heads``, ``tails`` (3,) in armature space; ``to_world`` (3, 3) of the object.

    ``constrained``: bones that a constraint or a driver moves; they are never taken for spare twist bones.
    ``deforming``: bones that deform a mesh; empty where all do or nothing tells.
    """

    parents: dict[str, str | None]
    heads: dict[str, FloatArray]
    tails: dict[str, FloatArray]
    to_world: FloatArray = field(default_factory=lambda: np.eye(3))
    constrained: frozenset[str] = frozenset()
    deforming: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """Equal for equal skeletons, hashable."""
        points = np.array([*self.heads.values(), *self.tails.values(), *np.asarray(self.to_world)], dtype=float)
        return (
            tuple(self.parents.items()),
            tuple(self.heads),
            tuple(self.tails),
            points.tobytes(),
            self.constrained,
            self.deforming,
        )

    @cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """Children of every bone, in the armature's order."""
        found: dict[str, list[str]] = {name: [] for name in self.parents}
        for name, parent in self.parents.items():
            if parent is not None:
                found[parent].append(name)
        return {name: tuple(children) for name, children in found.items()}

    @cached_property
    def reach(self) -> dict[str, float]:
        """Longest way down from every bone's head along its descendants' heads."""
        found: dict[str, float] = {}
        for name in self.bottom_up:
            steps = (self.distance(name, child) + found[child] for child in self.children[name])
            found[name] = max(steps, default=0.0)
        return found

    @cached_property
    def height(self) -> dict[str, int]:
        """Number of generations below every bone."""
        found: dict[str, int] = {}
        for name in self.bottom_up:
            found[name] = 1 + max((found[child] for child in self.children[name]), default=-1)
        return found

    @cached_property
    def bottom_up(self) -> tuple[str, ...]:
        """Every bone after all of its children."""
        order: list[str] = []
        waiting = [name for name, parent in self.parents.items() if parent is None]
        while waiting:
            name = waiting.pop()
            order.append(name)
            waiting.extend(self.children[name])
        return tuple(reversed(order))

    @cached_property
    def size(self) -> float:
        """Diagonal of the box around all heads; 1 for a skeleton in one point."""
        points = np.array(list(self.heads.values()))
        return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0))) or 1.0

    def distance(self, a: str, b: str) -> float:
        """Between two heads."""
        return float(np.linalg.norm(self.heads[a] - self.heads[b]))

    @cached_property
    def _ways_up(self) -> dict[str, tuple[str, ...]]:
        return {}

    def ancestors(self, name: str) -> tuple[str, ...]:
        """From the parent to the root."""
        known = self._ways_up
        if name not in known:
            found = []
            parent = self.parents[name]
            while parent is not None:
                found.append(parent)
                parent = self.parents[parent]
            known[name] = tuple(found)
        return known[name]

    def is_below(self, name: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is an ancestor of ``name``."""
        return ancestor in self.ancestors(name)

    @cached_property
    def _places(self) -> tuple[tuple[str, ...], FloatArray]:
        return tuple(self.heads), np.array(list(self.heads.values())).reshape(-1, 3)

    def near(self, name: str, radius: float) -> list[str]:
        """Other bones whose heads lie within a cube of that radius around a bone's."""
        names, places = self._places
        inside = np.flatnonzero((np.abs(places - self.heads[name]) <= radius).all(axis=1))
        return [names[index] for index in inside if names[index] != name]

    def descendants(self, name: str) -> tuple[str, ...]:
        """All bones below one, parents before children."""
        known = self._branches
        if name not in known:
            found = list(self.children[name])
            for each in found:
                found.extend(self.children[each])
            known[name] = tuple(found)
        return known[name]

    @cached_property
    def _branches(self) -> dict[str, tuple[str, ...]]:
        return {}

    def path(self, top: str, bottom: str) -> list[str]:
        """From ``top`` down to ``bottom``, both included; empty if one is not below the other."""
        way = [bottom, *self.ancestors(bottom)]
        return list(reversed(way[: way.index(top) + 1])) if top in way else []


def read_skeleton(armature_object: bpy.types.Object) -> Skeleton:
    """The rest pose of an armature object."""
    from .shown import deforming_bones

    bones = armature_object.data.bones
    driven = driven_bones(armature_object)
    names = [bone.name for bone in bones]
    return Skeleton(
        parents={bone.name: bone.parent.name if bone.parent else None for bone in bones},
        heads=dict(zip(names, rest_points(bones, "head_local"), strict=True)),
        tails=dict(zip(names, rest_points(bones, "tail_local"), strict=True)),
        to_world=np.array(armature_object.matrix_world.to_3x3(), dtype=float),
        constrained=frozenset(
            bone.name for bone in armature_object.pose.bones if len(bone.constraints) or bone.name in driven
        ),
        deforming=deforming_bones(armature_object),
    )


def rest_points(bones: bpy.types.ArmatureBones, attribute: str) -> FloatArray:
    """(N, 3) ``head_local`` or ``tail_local`` of all bones, in their order."""
    points = np.zeros(3 * len(bones), dtype=np.float32)
    bones.foreach_get(attribute, points)
    return points.reshape(-1, 3).astype(float)


def driven_bones(armature_object: bpy.types.Object) -> set[str]:
    """Names of the pose bones of which a driver moves something."""
    animation = armature_object.animation_data
    paths = [driver.data_path for driver in animation.drivers] if animation is not None else []
    found = (_BONE_PATH.match(path) for path in paths)
    return {match.group(1).replace('\\"', '"').replace("\\\\", "\\") for match in found if match}
