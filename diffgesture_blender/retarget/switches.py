# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the arms over from IK to the keyed bones, by keys in the new action only.

Rigs of a known family have a property for that. Elsewhere, a constraint that would override the keys of an arm
gets its influence keyed to nothing.
"""

from __future__ import annotations

from typing import Final

import bpy

from .bone_map import BoneMap
from .families import SIDES, Switch

_ARM: Final = ("upper_arm", "forearm", "hand")
# These put their own rotation in the place of the keyed one.
_OVERRIDING: Final = {
    "IK", "COPY_ROTATION", "COPY_TRANSFORMS", "DAMPED_TRACK", "LOCKED_TRACK", "TRACK_TO", "STRETCH_TO",
}  # fmt: skip
# These change what the keys say, but on purpose: they are only named.
_ROTATING: Final = _OVERRIDING | {
    "SPLINE_IK", "TRANSFORM", "LIMIT_ROTATION", "ARMATURE", "CHILD_OF", "ACTION", "PIVOT", "FOLLOW_PATH",
    "CLAMP_TO",
}  # fmt: skip


def present_switches(armature_object: bpy.types.Object, bone_map: BoneMap) -> list[Switch]:
    """The family's switches that this armature has."""
    bones = armature_object.pose.bones
    return [s for s in bone_map.switches if s.bone in bones and s.property in bones[s.bone]]


def overriding_constraints(
    armature_object: bpy.types.Object, bone_map: BoneMap
) -> list[tuple[bpy.types.PoseBone, bpy.types.Constraint]]:
    """Active constraints that would override the keys of an arm and whose influence is free to be keyed."""
    bones = armature_object.pose.bones
    arms = {name for slot in _ARM for side in SIDES if (name := bone_map.bone(f"{slot}.{side}")) is not None}
    animation = armature_object.animation_data
    driven = {driver.data_path for driver in animation.drivers} if animation is not None else set()
    found = []
    for bone in bones:
        for constraint in bone.constraints:
            if not _is_active(constraint) or constraint.type not in _OVERRIDING:
                continue
            moves_arm = bone.name in arms or (constraint.type == "IK" and arms & _ik_chain(bone, constraint))
            if moves_arm and influence_path(bone, constraint) not in driven:
                found.append((bone, constraint))
    return found


def fighting_constraints(
    armature_object: bpy.types.Object, bone_map: BoneMap
) -> list[tuple[bpy.types.PoseBone, bpy.types.Constraint]]:
    """Active constraints on keyed bones that stay on and may change the motion."""
    switched_off = [c for _, c in overriding_constraints(armature_object, bone_map)]
    return [
        (armature_object.pose.bones[name], constraint)
        for name in bone_map.keyed_bones
        for constraint in armature_object.pose.bones[name].constraints
        if _is_active(constraint) and constraint.type in _ROTATING and constraint not in switched_off
    ]


def influence_path(bone: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> str:
    """Data path of a constraint's influence."""
    escape = bpy.utils.escape_identifier
    return f'pose.bones["{escape(bone.name)}"].constraints["{escape(constraint.name)}"].influence'


def _is_active(constraint: bpy.types.Constraint) -> bool:
    return not constraint.mute and constraint.influence > 0


def _ik_chain(bone: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> set[str]:
    """Names of the bones that an IK constraint turns (chain_count 0: up to the root)."""
    chain: set[str] = set()
    current = bone if constraint.use_tail else bone.parent
    while current is not None and (constraint.chain_count == 0 or len(chain) < constraint.chain_count):
        chain.add(current.name)
        current = current.parent
    return chain
