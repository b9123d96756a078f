# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone map in the sidebar: what was found, what is doubtful, every bone editable."""

from typing import Final

import bpy

from ..rig.bone_map import has_stored_map
from ..rig.slots import SLOTS, BoneMap
from ..settings import bone_map as rig_map
from ..state import character
from ..state.session import session
from ..translations import CONTEXT, tr
from . import setup_panel as setup_ui

_SOURCES: Final = {
    "names": "by the bones' names",
    "vrm": "as the VRM file says",
    "shape": "by the skeleton's shape",
    "custom": "set by you",
}


class DIFFGESTURE_PT_bone_map(bpy.types.Panel):
    """Which bone is which."""

    bl_idname = "DIFFGESTURE_PT_bone_map"
    bl_label = "Bone Map"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffGesture"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.diffgesture
        width = setup_ui.columns(context)
        armature = character.chosen_armature(settings, context)
        if armature is None:
            layout.label(text="Choose the character first", icon="INFO")
            return
        layout.enabled = session.job is None
        note = character.note_about(armature)
        if note is None:
            layout.operator("diffgesture.map_inspect", icon="VIEWZOOM")
            return
        _draw_summary(layout, note.bone_map, width)
        if note.refused is not None:
            layout.operator("diffgesture.map_use_anyway")
        row = layout.row(align=True)
        row.operator("diffgesture.map_family", text="Family", icon="PRESET")
        row.operator("diffgesture.map_inspect", text="", icon="FILE_REFRESH")
        row.operator("diffgesture.map_load", text="", icon="FILEBROWSER")
        row.operator("diffgesture.map_save", text="", icon="FILE_TICK")
        reset = row.row(align=True)
        reset.enabled = has_stored_map(armature) or bool(session.map_edits.get(armature.session_uid))
        reset.operator("diffgesture.map_reset", text="", icon="LOOP_BACK")
        if session.map_problem is not None:
            box = layout.box()
            box.alert = True
            setup_ui.draw_text(box, session.map_problem, width - 4, icon="ERROR")
        _draw_slots(layout, armature)


def _draw_summary(layout: bpy.types.UILayout, bone_map: BoneMap | None, width: int) -> None:
    column = layout.column(align=True)
    if bone_map is None:
        setup_ui.draw_text(column, "No arms were found; choose their bones below.", width - 4, icon="ERROR")
        return
    source = tr(_SOURCES[bone_map.source]) if bone_map.source in _SOURCES else ""
    setup_ui.draw_text(column, f"{bone_map.family} ({source})", width - 4, icon="ARMATURE_DATA")
    found = tr("{count} of {all} parts found").format(count=len(SLOTS) - len(bone_map.missing), all=len(SLOTS))
    column.label(text=found, translate=False)
    for text in bone_map.problems:
        setup_ui.draw_text(column, text, width - 4, icon="ERROR")
    for text in bone_map.notes:
        setup_ui.draw_text(column, text, width - 4, icon="INFO")


def _draw_slots(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    """Rows of the middle, then those of each side; an empty slot is red."""
    texts = armature.diffgesture_map
    column = layout.column(align=True)
    for slot in SLOTS:
        if "." not in slot:
            _draw_slot(column, texts, slot, rig_map.slot_label(slot))
    for side, name in (("L", "Left"), ("R", "Right")):
        column = layout.column(align=True)
        column.label(text=name)
        for slot in SLOTS:
            if slot.endswith(f".{side}"):
                _draw_slot(column, texts, slot, rig_map.slot_label(slot))


def _draw_slot(layout: bpy.types.UILayout, texts: bpy.types.PropertyGroup, slot: str, label: str) -> None:
    split = layout.split(factor=0.3, align=True)
    split.alert = not getattr(texts, rig_map.property_name(slot))
    split.label(text=label, text_ctxt=CONTEXT)
    split.prop(texts, rig_map.property_name(slot), text="", icon="BONE_DATA")


CLASSES = (DIFFGESTURE_PT_bone_map,)
