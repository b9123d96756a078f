# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig at rest, as plain arrays: what the solver needs to know of an armature, without Blender."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.slots import BoneMap

FloatArray = np.ndarray


@dataclass(frozen=True)
class ParentLink:
    """What carries a bone along: ``parent``, a mapped bone or None for the body itself.

    ``weight``: share of the parent's rotation that arrives (controls of a rig may follow by half);
    ``offset`` (4,): rotation that unmapped bones in between add.
    """

    parent: str | None
    weight: float = 1.0
    offset: FloatArray = field(default_factory=quat.identity)


@dataclass(frozen=True)
class RestSkeleton:
    """Bones at rest in armature space: ``heads``, ``tails`` (3,), ``rotations`` (4,); parents of mapped bones.

    ``to_world`` (3, 3): the object's own matrix.
    """

    heads: Mapping[str, FloatArray]
    tails: Mapping[str, FloatArray]
    rotations: Mapping[str, FloatArray]
    parents: Mapping[str, ParentLink]
    to_world: FloatArray = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True)
class RestBody:
    """The rig's joints in the public frame; ``to_public`` (4,) turns armature space into it."""

    rest: RestSkeleton
    bone_map: BoneMap
    to_public: FloatArray

    @classmethod
    def of(cls, rest: RestSkeleton, bone_map: BoneMap) -> "RestBody":
        """Joints of a rig seen from the character's own frame."""
        return cls(rest, bone_map, quat.from_matrix(body_frame(rest.heads, bone_map.slots, rest.to_world)))

    def has(self, slot: str) -> bool:
        """Whether the rig fills that slot."""
        return slot in self.bone_map.slots

    def joint(self, slot: str, index: int = 0) -> FloatArray:
        """(3,) root of a slot's bone (KeyError, IndexError where there is none)."""
        return quat.rotate(self.to_public, self.rest.heads[self.bone_map.slots[slot][index]])

    def direction(self, slot: str, end_slot: str, index: int = 0, end_index: int = 0) -> FloatArray:
        """(3,) unit vector from one joint to another."""
        return quat.normalize(self.joint(end_slot, end_index) - self.joint(slot, index))

    def finger_directions(self, slot: str) -> list[FloatArray]:
        """Rest direction of each bone of a finger: joint to joint, the last one to the tip.

        Many importers leave tails that mean nothing; the tail of the last bone counts only if it is about as
        long as the bone before and goes on in about its direction. Otherwise the finger tip is taken as straight.
        """
        names = self.bone_map.slots[slot]
        joints = [self.joint(slot, index) for index in range(len(names))]
        directions = [quat.normalize(b - a) for a, b in itertools.pairwise(joints)]
        finger, side = slot.split(".")
        tip_slot = f"{finger}_tip.{side}"
        tail = quat.rotate(self.to_public, self.rest.tails[names[-1]])
        end = self.joint(tip_slot) if self.has(tip_slot) else tail
        step = end - joints[-1]
        if directions:
            before = np.linalg.norm(joints[-1] - joints[-2])
            sane = 0.25 * before < np.linalg.norm(step) < 3 * before
            straight = quat.normalize(step) @ directions[-1] > 0.5
            if not (sane and straight):
                step = directions[-1]
        directions.append(quat.normalize(step))
        return directions

    def leaf_direction(self, slot: str, before: FloatArray, before_slot: str) -> FloatArray:
        """Rest direction of a bone that ends in nothing: its tail if that goes on from the bone before, else that.

        ``before``: direction of the bone before; ``before_slot``: its slot, for the length to compare with.
        """
        name = self.bone_map.slots[slot][0]
        step = quat.rotate(self.to_public, self.rest.tails[name] - self.rest.heads[name])
        length = np.linalg.norm(self.joint(slot) - self.joint(before_slot))
        sane = 0.05 * length < np.linalg.norm(step) < 2 * length
        return quat.normalize(step) if sane and quat.normalize(step) @ before > 0.5 else before
