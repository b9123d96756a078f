# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones the audience sees: those that deform the mesh, and which of them shows what a mapped bone does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from .families import FINGERS, SIDES
from .skeleton import Skeleton

if TYPE_CHECKING:
    import bpy

# Names of bones that deform, or carry those that do, in rigs of many makes; asked where no mesh tells.
_DEFORM_NAMES: Final = (re.compile(r"^def(orm)?[-_.]", re.I), re.compile(r"[-_.]def(orm)?([-_.]|$)", re.I))
_LEAST_BONES: Final = 6
# A deforming bone shows a control where both begin within this part of an upper arm, and point alike.
_SAME_PLACE: Final = 0.12
_SAME_WAY: Final = 0.8
# Slots whose bones are looked at: what a gesture is seen by.
LOOKED_AT: Final = tuple(
    f"{part}.{side}" for side in SIDES for part in ("upper_arm", "forearm", "hand", "index", "middle")
)


def deforming_bones(armature_object: bpy.types.Object) -> frozenset[str]:
    """Names of the bones that deform something; empty where nothing tells or every bone does."""
    bones = armature_object.data.bones
    groups = _vertex_groups(armature_object)
    carrying = frozenset(bone.name for bone in bones if bone.use_deform and bone.name in groups)
    if len(carrying) >= _LEAST_BONES:
        return carrying
    deforming = frozenset(bone.name for bone in bones if bone.use_deform)
    if not groups and _LEAST_BONES <= len(deforming) < len(bones):
        return deforming
    for pattern in _DEFORM_NAMES:
        named = frozenset(bone.name for bone in bones if pattern.search(bone.name))
        if len(named) >= _LEAST_BONES:
            return named
    return frozenset()


def _vertex_groups(armature_object: bpy.types.Object) -> set[str]:
    """Names of the vertex groups of all meshes that the armature deforms."""
    import bpy

    found: set[str] = set()
    for item in bpy.data.objects:
        if item.type != "MESH" or not item.vertex_groups:
            continue
        bound = item.parent == armature_object and item.parent_type == "ARMATURE"
        if bound or any(m.type == "ARMATURE" and m.object == armature_object for m in item.modifiers):
            found |= {group.name for group in item.vertex_groups}
    return found


def shown_bone(name: str, skeleton: Skeleton, scale: float) -> str | None:
    """The deforming bone that shows what a bone does: itself, or one in its place; None where none is there.

    ``scale``: length of an upper arm.
    """
    deforming = skeleton.deforming
    if not deforming or name in deforming:
        return name
    head, way = skeleton.heads[name], skeleton.tails[name] - skeleton.heads[name]
    near = []
    for other in deforming:
        gap = float(np.linalg.norm(skeleton.heads[other] - head))
        if gap > _SAME_PLACE * scale:
            continue
        other_way = skeleton.tails[other] - skeleton.heads[other]
        lengths = float(np.linalg.norm(way) * np.linalg.norm(other_way))
        if lengths > 0 and way @ other_way / lengths > _SAME_WAY:
            near.append((round(gap / scale, 3), -len(_common_end(name, other)), other))
    return min(near)[2] if near else None


def _common_end(a: str, b: str) -> str:
    """The longest end that two names share: forearm.L of FK-forearm.L and DEF-forearm.L."""
    count = 0
    for one, other in zip(reversed(a.lower()), reversed(b.lower()), strict=False):
        if one != other:
            break
        count += 1
    return a[len(a) - count :]


def shown_bones(
    slots: Mapping[str, tuple[str, ...]], skeleton: Skeleton, stated: Mapping[str, str]
) -> dict[str, str]:
    """Mapped bone -> the deforming bone that shows it, for the bones of arms and hands.

    ``stated``: what the rig's family says.
    """
    scale = arm_length(slots, skeleton)
    found = {}
    for slot in LOOKED_AT:
        for name in slots.get(slot, ())[: 3 if slot.partition(".")[0] in FINGERS else 1]:
            told = stated.get(name, name)
            known = told != name and told in skeleton.parents
            shown = told if known else shown_bone(name, skeleton, scale)
            if shown is not None:
                found[name] = shown
    return found


def arm_length(slots: Mapping[str, tuple[str, ...]], skeleton: Skeleton) -> float:
    """Length of an upper arm; of both the longer."""
    lengths = [
        skeleton.distance(slots[f"upper_arm.{side}"][0], slots[f"forearm.{side}"][0])
        for side in SIDES
        if slots.get(f"upper_arm.{side}") and slots.get(f"forearm.{side}")
    ]
    return max(lengths, default=0.0) or skeleton.size


def severed(shown: Mapping[str, str], skeleton: Skeleton) -> bool:
    """Whether deforming bones cannot follow their controls: no parent and no constraint leads there.

    A control rig that went through FBX or glTF has all its bones, but nothing that ties them.
    """
    cut = 0
    for name, bone in shown.items():
        above = {bone, *skeleton.ancestors(bone)}
        cut += name not in above and not above & skeleton.constrained
    return bool(shown) and cut > len(shown) / 2


def deforming_part(skeleton: Skeleton, *, carriers: bool = False) -> Skeleton:
    """The deforming bones alone, each hung on the nearest of them above it; ``carriers``: with all above them."""
    wanted = set(skeleton.deforming)
    if carriers:
        wanted |= {above for name in skeleton.deforming for above in skeleton.ancestors(name)}
    kept = [name for name in skeleton.parents if name in wanted]
    parents = {name: next((above for above in skeleton.ancestors(name) if above in wanted), None) for name in kept}
    return replace(
        skeleton,
        parents=parents,
        heads={name: skeleton.heads[name] for name in kept},
        tails={name: skeleton.tails[name] for name in kept},
    )
