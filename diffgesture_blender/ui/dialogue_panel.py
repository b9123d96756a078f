# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's characters in the sidebar: who speaks, who is looked at, Generate Scene. Drawing does no work."""

from typing import Any

import bpy

from .. import compat
from ..jobs.reasons import generate_scene_disabled_reason, regenerate_in_scene_disabled_reason
from ..jobs.scene_job import SceneJob
from ..jobs.scene_plan import candidates, speech_range, voice_in_scene
from ..settings.of_character import settings_for
from ..state import character
from ..state.session import session
from ..translations import tr
from . import setup_panel as setup_ui


class DIFFGESTURE_PT_dialogue(bpy.types.Panel):
    """All characters of the scene at once."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffGesture"
    bl_idname = "DIFFGESTURE_PT_dialogue"
    bl_label = "Dialogue"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, context.scene
        edit, width = compat.sequencer_scene(context), setup_ui.columns(context)
        if isinstance(session.job, SceneJob):
            _draw_queue(layout, session.job)
            return
        layout.enabled = session.job is None
        chosen = character.chosen_armature(scene.diffgesture, context)
        box = layout.box().column(align=True)
        for armature in candidates(scene):
            _draw_character(box, armature, scene, edit, chosen)
        layout.operator("diffgesture.add_mannequin", icon="OUTLINER_OB_ARMATURE")
        if chosen is not None:
            _draw_part(layout, settings_for(chosen, scene), chosen)
        spoken = speech_range(scene, edit)
        if spoken is not None and (spoken[0] < scene.frame_start or spoken[1] > scene.frame_end + 1):
            text = tr("Speech lies outside of the scene's frames; what is outside is left out.")
            setup_ui.draw_text(layout, text, width, icon="INFO")
            layout.operator("diffgesture.fit_scene_to_speech")
        row = layout.row()
        row.scale_y = 1.3
        row.operator("diffgesture.generate_scene", icon="COMMUNITY")
        reason = generate_scene_disabled_reason(context)
        if reason is not None:
            setup_ui.draw_text(layout, reason, width, icon="INFO")
        if regenerate_in_scene_disabled_reason(context) is None:
            layout.operator("diffgesture.regenerate_in_scene", icon="FILE_REFRESH")
        _draw_results(layout, width)


def _draw_character(
    layout: bpy.types.UILayout,
    armature: bpy.types.Object,
    scene: bpy.types.Scene,
    edit: bpy.types.Scene,
    chosen: bpy.types.Object | None,
) -> None:
    settings = settings_for(armature, scene)
    row = layout.row(align=True)
    row.prop(settings, "take_part", text="")
    name = row.row(align=True)
    name.active = settings.take_part
    shown = name.operator(
        "diffgesture.choose_character", text=armature.name, translate=False, depress=armature == chosen
    )
    shown.name = armature.name
    name.label(text=voice_in_scene(armature, scene, edit).text, translate=False)


def _draw_part(layout: bpy.types.UILayout, settings: Any, armature: bpy.types.Object) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.label(text=armature.name, icon="ARMATURE_DATA", translate=False)
    column.prop(settings, "voice")
    if settings.voice == "CHANNEL":
        column.prop(settings, "voice_channel")
    elif settings.voice == "STRIPS":
        column.prop(settings, "voice_strips")
    elif settings.voice == "SPEAKER":
        column.prop(settings.holder("voice_speaker"), "voice_speaker")
    if settings.voice in ("AUTO", "TEXT"):
        column.prop(settings, "voice_name")
    column.prop(settings, "look")
    if settings.look == "OBJECT":
        column.prop(settings.holder("look_object"), "look_object")
    if settings.look != "NONE":
        column.prop(settings, "look_listening")
        column.prop(settings, "look_speaking")


def _draw_queue(layout: bpy.types.UILayout, job: SceneJob) -> None:
    column = layout.column(align=True)
    for index, seat in enumerate(job.seats):
        row = column.row(align=True)
        row.progress(factor=seat.fraction, text=f"{seat.name}: {tr(seat.text)}", type="BAR", translate=False)
        part = row.row(align=True)
        part.enabled = not seat.cancelled
        part.operator("diffgesture.cancel_part", text="", icon="X").index = index
    layout.operator("diffgesture.cancel", text="Cancel All", icon="X")


def _draw_results(layout: bpy.types.UILayout, width: int) -> None:
    made = session.scene_result
    if made is None:
        return
    box = layout.box().column(align=True)
    for result in made.results:
        setup_ui.draw_text(box, f"{result.armature_name}: {result.action_name}", width - 4, icon="CHECKMARK")
        if result is not session.result:  # whose warnings are above
            for warning in result.warnings:
                setup_ui.draw_text(box, warning, width - 4, icon="ERROR")
    for name, problem in made.problems:
        setup_ui.draw_text(box, f"{name}: {problem.message}", width - 4, icon="CANCEL")
    for note in made.notes:
        setup_ui.draw_text(box, note, width - 4, icon="INFO")


CLASSES = (DIFFGESTURE_PT_dialogue,)
