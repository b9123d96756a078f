# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands bones over from IK and other constraints to their keys, by keys in the new action only.

Rigs of a known family have a property for that. Elsewhere, a constraint that would override the keys of a bone
gets its influence keyed to nothing.
"""

from __future__ import annotations

import re
from typing import Final

import bpy

from ..rig.families import SIDES, Switch
from ..rig.slots import BoneMap

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


_BONE_PATH: Final = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)*)"\]')
# Data path of a constraint's property that decides whether it acts; its groups: bone and constraint.
CONSTRAINT_PATH: Final = re.compile(
    r'pose\.bones\["((?:[^"\\]|\\.)*)"\]\.constraints\["((?:[^"\\]|\\.)*)"\]\.(?:influence|mute|enabled)$'
)


def present_switches(armature_object: bpy.types.Object, bone_map: BoneMap) -> list[Switch]:
    """The family's switches that this armature has, on a pose bone or (without a bone) on the object itself."""
    return [s for s in bone_map.switches if switch_value(armature_object, s) is not None]


def switch_value(armature_object: bpy.types.Object, switch: Switch) -> float | None:
    """The value that a switch has now; None where the armature lacks it."""
    try:
        value = armature_object.path_resolve(switch_path(armature_object, switch))
    except (ValueError, KeyError):
        return None
    return float(value) if isinstance(value, (bool, int, float)) else None


def switch_path(armature_object: bpy.types.Object, switch: Switch) -> str:
    """Data path of a switch: a custom property, or one that an add-on has registered under that name."""
    escape = bpy.utils.escape_identifier
    owner = f'pose.bones["{escape(switch.bone)}"]' if switch.bone else ""
    bone = armature_object.pose.bones.get(switch.bone) if switch.bone else armature_object
    registered = bone is not None and switch.property in bone.bl_rna.properties
    if registered:
        return f"{owner}.{switch.property}" if owner else switch.property
    return f'{owner}["{escape(switch.property)}"]'


def overriding_constraints(
    armature_object: bpy.types.Object, bone_map: BoneMap
) -> list[tuple[bpy.types.PoseBone, bpy.types.Constraint]]:
    """Active constraints that would override the keys of a bone and whose influence is free to be keyed."""
    bones = armature_object.pose.bones
    arms = {name for slot in _ARM for side in SIDES if (name := bone_map.bone(f"{slot}.{side}")) is not None}
    keyed = set(bone_map.keyed_bones)
    animation = armature_object.animation_data
    driven = {driver.data_path for driver in animation.drivers} if animation is not None else set()
    found = []
    for bone in bones:
        for constraint in bone.constraints:
            if not _is_active(constraint) or constraint.type not in _OVERRIDING:
                continue
            moves = bone.name in arms or (bone.name in keyed and overrides(constraint))
            moves = moves or (constraint.type == "IK" and bool(keyed & _ik_chain(bone, constraint)))
            if moves and influence_path(bone, constraint) not in driven:
                found.append((bone, constraint))
    return found


def overrides(constraint: bpy.types.Constraint) -> bool:
    """Whether a constraint puts its own rotation in the place of the keyed one, not on top of it."""
    if not _is_active(constraint) or constraint.type not in _OVERRIDING or constraint.influence < 0.5:
        return False
    if constraint.type == "COPY_ROTATION":
        return constraint.mix_mode == "REPLACE" and constraint.use_x and constraint.use_y and constraint.use_z
    if constraint.type == "COPY_TRANSFORMS":
        return constraint.mix_mode == "REPLACE"
    return True


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
    return influence_path_of(bone.name, constraint.name)


def influence_path_of(bone: str, constraint: str) -> str:
    """Data path of a constraint's influence, by names."""
    escape = bpy.utils.escape_identifier
    return f'pose.bones["{escape(bone)}"].constraints["{escape(constraint)}"].influence'


def turns(constraint: bpy.types.Constraint) -> bool:
    """Whether an active constraint may turn its bone."""
    return _is_active(constraint) and constraint.type in _ROTATING


def bone_of_path(data_path: str) -> str:
    """Name of the pose bone that a data path is about; empty if it is about none."""
    match = _BONE_PATH.match(data_path)
    return match.group(1).replace('\\"', '"').replace("\\\\", "\\") if match else ""


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
