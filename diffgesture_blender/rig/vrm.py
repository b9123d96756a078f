# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones that a VRM file names itself: the humanoid data that the VRM add-on keeps with an armature.

Read from the add-on's properties where it is running, else from the custom properties it left in the file. VRM 0
and VRM 1 name the same bones; only the thumb's are called differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import bpy

_EXTENSION: Final = "vrm_addon_extension"
_CENTRE: Final = {
    "hips": ("pelvis", 0),
    "spine": ("spine", 0),
    "chest": ("spine", 1),
    "upperchest": ("spine", 2),
    "neck": ("neck", 0),
    "head": ("head", 0),
}
_SIDE: Final = {
    "shoulder": ("clavicle", 0),
    "upperarm": ("upper_arm", 0),
    "lowerarm": ("forearm", 0),
    "hand": ("hand", 0),
    "upperleg": ("thigh", 0),
    "foot": ("foot", 0),
    "toes": ("toe", 0),
    **{
        f"{theirs}{part}": (ours, place)
        for theirs, ours in (("index", "index"), ("middle", "middle"), ("ring", "ring"), ("little", "pinky"))
        for place, part in enumerate(("proximal", "intermediate", "distal"))
    },
}
_THUMB_0: Final = ("thumbproximal", "thumbintermediate", "thumbdistal")
_THUMB_1: Final = ("thumbmetacarpal", "thumbproximal", "thumbdistal")


def humanoid_slots(armature_object: bpy.types.Object) -> dict[str, tuple[str, ...]] | None:
    """Slot -> bones as the file's humanoid data say; None if there are none, or they name bones that are gone."""
    data = armature_object.data
    extension = _get(data, _EXTENSION)
    if extension is None:
        return None
    for bones in (_vrm1_bones(extension, data), _vrm0_bones(extension, data)):
        slots = _slots(bones, set(data.bones.keys()))
        if "upper_arm.L" in slots or "upper_arm.R" in slots:
            return slots
    return None


def _get(owner: Any, name: str) -> Any:
    """An add-on's property of a data-block or group, or the custom property of that name."""
    value = getattr(owner, name, None)
    if value is None and hasattr(owner, "get"):
        try:
            value = owner.get(name)
        except (TypeError, KeyError):
            return None
    return value


def _way(owner: Any, *names: str) -> Any:
    for name in names:
        owner = None if owner is None else _get(owner, name)
    return owner


def _vrm1_bones(extension: Any, data: Any) -> dict[str, str]:
    group = _way(extension, "vrm1", "humanoid", "human_bones")
    if group is None:
        return {}
    parts = [
        *(("upper_chest" if name == "upperchest" else name) for name in _CENTRE),
        *(f"{side}_{part}" for side in ("left", "right") for part in _vrm1_parts()),
    ]
    found = {part: _bone_name(_way(group, part, "node"), data) for part in parts}
    return {part.replace("_", ""): name for part, name in found.items() if name}


def _vrm1_parts() -> Iterator[str]:
    yield from ("shoulder", "upper_arm", "lower_arm", "hand", "upper_leg", "foot", "toes")
    yield from ("thumb_metacarpal", "thumb_proximal", "thumb_distal")
    for finger in ("index", "middle", "ring", "little"):
        yield from (f"{finger}_{part}" for part in ("proximal", "intermediate", "distal"))


def _vrm0_bones(extension: Any, data: Any) -> dict[str, str]:
    bones = _way(extension, "vrm0", "humanoid", "human_bones") or ()
    if not isinstance(bones, Iterable):  # a property of that name that is another's
        return {}
    found = {str(_get(bone, "bone") or "").lower(): _bone_name(_get(bone, "node"), data) for bone in bones}
    return {part: name for part, name in found.items() if part and name}


def _bone_name(node: Any, data: Any) -> str:
    """Name of the bone of a node: stated, or found by the mark that the add-on puts on bones."""
    if node is None:
        return ""
    name = _get(node, "bone_name") or _get(node, "value")
    if isinstance(name, str) and name:
        return name
    mark = _get(node, "bone_uuid")
    if not mark:
        return ""
    return next((bone.name for bone in data.bones if _way(bone, _EXTENSION, "uuid") == mark), "")


def _slots(bones: dict[str, str], present: set[str]) -> dict[str, tuple[str, ...]]:
    places: dict[str, dict[int, str]] = {}
    for part, name in bones.items():
        side = next((side for side in ("left", "right") if part.startswith(side)), "")
        bare = part.removeprefix(side)
        thumb = _THUMB_1 if any(key.endswith("thumbmetacarpal") for key in bones) else _THUMB_0
        slot, place = _CENTRE.get(part) or _SIDE.get(bare) or (None, 0)
        if bare in thumb and side:
            slot, place = "thumb", thumb.index(bare)
        if slot is None or name not in present:
            continue
        places.setdefault(f"{slot}.{side[0].upper()}" if side else slot, {})[place] = name
    return {slot: tuple(names[place] for place in sorted(names)) for slot, names in places.items()}
