# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone map as the user edits it: a text for every slot, changes that wait until they make a whole map.

What is kept is kept by ``rig.bone_map`` with the armature object; this module knows no panels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bpy

from ..errors import DiffGestureError
from ..rig.bone_map import change_bone_map, forget_bone_map, store_bone_map
from ..rig.slots import CUSTOM, SLOTS, BoneMap
from ..state import character
from ..state.session import session

_SEPARATOR: Final = ", "
_NO_MAP: Final = BoneMap(family=CUSTOM, slots={})


def slot_label(slot: str) -> str:
    """``upper_arm.L`` -> ``Upper Arm``."""
    return slot.partition(".")[0].replace("_", " ").title()


def slot_text(armature: bpy.types.Object, slot: str) -> str:
    """The slot's bones from root to tip, separated by commas; changes that wait are shown as made."""
    waiting = session.map_edits.get(armature.session_uid, {})
    if slot in waiting:
        return _SEPARATOR.join(waiting[slot])
    note = character.note_about(armature)
    bone_map = note.bone_map if note is not None else None
    return _SEPARATOR.join(bone_map.slots.get(slot, ())) if bone_map is not None else ""


def set_slot_text(armature: bpy.types.Object, slot: str, text: str) -> None:
    """Give a slot other bones. The map is stored as soon as all changes together make a whole one.

    Until then the reason is kept for the panel.
    """
    uid = armature.session_uid
    waiting = session.map_edits.setdefault(uid, {})
    waiting[slot] = tuple(name for name in (part.strip() for part in text.split(",")) if name)
    session.map_problem = None
    try:
        store(armature, change_bone_map(current_map(armature), armature, waiting))
    except DiffGestureError as error:
        session.map_problem = str(error)


def store(armature: bpy.types.Object, bone_map: BoneMap) -> None:
    """Keep the map with the armature and show it. DiffGestureError where the object cannot be changed."""
    try:
        store_bone_map(armature, bone_map)
    except (AttributeError, TypeError, RuntimeError) as error:  # Blender's ways to say that the object is linked
        raise DiffGestureError(
            f"{armature.name} is linked and cannot keep a bone map; make a library override of it first."
        ) from error
    _forget_edits(armature)


def reset(armature: bpy.types.Object) -> None:
    """Back to the map that is found by itself."""
    forget_bone_map(armature)
    _forget_edits(armature)


def current_map(armature: bpy.types.Object) -> BoneMap:
    """The map in use, or an empty one where none could be found."""
    note = character.note_about(armature)
    return note.bone_map if note is not None and note.bone_map is not None else _NO_MAP


def suggestions(armature: bpy.types.Object, text: str) -> list[str]:
    """Bones that could stand in a slot, for what has been typed so far; more bones follow after a comma."""
    head, comma, last = text.rpartition(",")
    start = f"{head.strip()}{_SEPARATOR}" if comma else ""
    chosen = {name.strip() for name in head.split(",")}
    wanted = last.strip().lower()
    names = [bone.name for bone in armature.data.bones if wanted in bone.name.lower() and bone.name not in chosen]
    found = [start + name for name in names]
    if text.strip() in armature.data.bones:  # one is complete: offer to go on with its children
        found += [
            f"{text.strip()}{_SEPARATOR}{child.name}" for child in armature.data.bones[text.strip()].children
        ]
    return found


def _forget_edits(armature: bpy.types.Object) -> None:
    session.map_edits.pop(armature.session_uid, None)
    session.map_problem = None
    character.inspect(armature)


def property_name(slot: str) -> str:
    """``upper_arm.L`` -> ``upper_arm_L``."""
    return slot.replace(".", "_")


def _slot_property(slot: str) -> object:
    def get(self: bpy.types.PropertyGroup) -> str:
        return slot_text(self.id_data, slot)

    def put(self: bpy.types.PropertyGroup, value: str) -> None:
        set_slot_text(self.id_data, slot, value)

    def search(self: bpy.types.PropertyGroup, _context: bpy.types.Context, text: str) -> list[str]:
        return suggestions(self.id_data, text)

    accessors: dict[str, Callable[..., object]] = {"get": get, "set": put, "search": search}
    return bpy.props.StringProperty(
        name=slot_label(slot),
        description="The bone of this part; several from root to tip, with commas",
        search_options={"SUGGESTION"},
        **accessors,
    )


class DiffGestureBoneMap(bpy.types.PropertyGroup):
    """``armature_object.diffgesture_map``: a text property for each slot; it keeps nothing itself."""

    __annotations__ = {property_name(slot): _slot_property(slot) for slot in SLOTS}
