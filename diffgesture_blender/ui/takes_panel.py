# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes of the character in the sidebar: a list to choose from, accept and reject."""

import bpy

from ..animation import takes
from ..state import character
from ..state.session import session
from ..translations import tr


class DIFFGESTURE_UL_takes(bpy.types.UIList):
    """A line for each take; its name is its action's and can be changed there."""

    bl_idname = "DIFFGESTURE_UL_takes"

    def draw_item(
        self, _context, layout, armature, take, _icon, _active_data, _active_property, _index=0, _flag=0
    ) -> None:
        row = layout.row(align=True)
        if take.action is None:
            row.label(text=tr("{name} (deleted)").format(name=take.name), icon="ERROR", translate=False)
            return
        shown = takes.is_shown(armature, take)
        row.prop(take.action, "name", text="", emboss=False, icon="HIDE_OFF" if shown else "BLANK1")
        if take.accepted:
            row.label(text="", icon="CHECKMARK")


class DIFFGESTURE_PT_takes(bpy.types.Panel):
    """What has been generated for the character, to compare, accept and reject."""

    bl_idname = "DIFFGESTURE_PT_takes"
    bl_label = "Takes"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffGesture"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_order = -1  # right below the result

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        armature = character.chosen_armature(context.scene.diffgesture, context)
        return armature is not None and len(armature.diffgesture_takes) > 0

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.enabled = session.job is None
        armature = character.chosen_armature(context.scene.diffgesture, context)
        layout.template_list(
            DIFFGESTURE_UL_takes.bl_idname, "", armature, "diffgesture_takes", armature, "diffgesture_take", rows=3
        )
        take = takes.active_take(armature)
        if take is not None:
            text = tr("{speech}, seed {seed}, frames {first} to {last}").format(
                speech=take.speech, seed=take.seed, first=take.frame_start, last=take.frame_end
            )
            layout.label(text=text, translate=False)
        layout.operator("diffgesture.take_show", icon="HIDE_OFF")
        row = layout.row(align=True)
        row.operator("diffgesture.take_accept", icon="CHECKMARK")
        row.operator("diffgesture.take_reject", icon="X")
        layout.operator("diffgesture.take_reject_others", icon="TRASH")


CLASSES = (DIFFGESTURE_UL_takes, DIFFGESTURE_PT_takes)
