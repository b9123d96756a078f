# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of gesture cues of the chosen character. The markers on the timeline are the cues."""

import bpy

from ..errors import DiffGestureError
from ..settings import cues
from ..settings.of_character import settings_of
from ..state import character
from ..state.session import session
from ..timing import frame_rate
from ..translations import tr
from . import setup_panel as setup_ui

_SHOWN = 60


class DIFFGESTURE_PT_cues(bpy.types.Panel):
    """Gestures that the animator places."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffGesture"
    bl_idname = "DIFFGESTURE_PT_cues"
    bl_label = "Gesture Cues"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, context.scene
        layout.enabled = session.job is None
        settings = settings_of(context)
        source = layout.column(align=True)
        row = source.row(align=True)
        row.prop(settings, "transcript")
        row.operator("diffgesture.draft_transcript", text="", icon="REC")
        if settings.transcript == "FILE":
            source.prop(settings, "transcript_path", text="")
        if settings.transcript != "NONE":
            source.prop(settings, "language")
            source.prop(settings, "word_table")
            source.prop(settings, "words")
            source.operator("diffgesture.find_cues", icon="MARKER_HLT")
        layout.operator_menu_enum("diffgesture.add_cue", "cue", icon="ADD")
        layout.operator("diffgesture.add_aim", icon="TRACKER")
        found = cues.markers(scene, character.chosen_armature(scene.diffgesture, context))
        column, problems = layout.column(align=True), []
        for index, marker, cue in found[:_SHOWN]:
            row = column.row(align=True)
            row.active = cue.on
            icon = "ERROR"
            try:
                icon = "TRACKER" if cue.aim else cues.vocabulary()[cues.class_of(cue.name)]["icon"]
            except DiffGestureError as error:
                problems.append(str(error))
            switch = "CHECKBOX_HLT" if cue.on else "CHECKBOX_DEHLT"
            row.operator("diffgesture.switch_cue", text="", icon=switch, emboss=False).index = index
            text = f"{cue.frame / frame_rate(scene):.2f} s"
            row.operator("diffgesture.go_to_cue", text=text, emboss=False).index = index
            row.prop(marker, "name", text="", icon=icon)
            row.operator("diffgesture.remove_cue", text="", icon="X", emboss=False).index = index
        width = setup_ui.columns(context)
        for text in dict.fromkeys(problems):
            setup_ui.draw_text(layout, text, width, icon="ERROR")
        if len(found) > _SHOWN:
            layout.label(
                text=tr("{count} more on the timeline").format(count=len(found) - _SHOWN), translate=False
            )
        if found:
            layout.prop(settings, "cue_timing")
        else:
            setup_ui.draw_text(layout, "Markers named cue you, cue no, cue count 3 ask for gestures.", width)


CLASSES = (DIFFGESTURE_PT_cues,)
