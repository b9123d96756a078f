# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D view. Drawing reads state and does no work."""

import bpy

from ..animation.key_writing import KeyReport
from ..jobs import playback
from ..jobs.generate import JobResult
from ..jobs.reasons import generate_disabled_reason, regenerate_disabled_reason
from ..jobs.warm_up import warm_up_soon
from ..retarget.mend import MEND_LABELS
from ..settings import controls
from ..settings.machine import machine_settings
from ..settings.of_character import settings_of
from ..sound import source as audio_source
from ..state import character
from ..state.session import session
from ..translations import tr
from . import bone_map_panel as map_panel
from . import setup_panel as setup_ui


class _SidebarPanel:
    """Where all panels of the add-on are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffGesture"


class DIFFGESTURE_PT_main(_SidebarPanel, bpy.types.Panel):
    """Audio, character, Generate, and what came of it."""

    bl_idname = "DIFFGESTURE_PT_main"
    bl_label = "DiffGesture"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, settings_of(context)
        if audio_source.missing_reason(settings) is None:
            warm_up_soon()
        width = setup_ui.columns(context)
        inputs = layout.column()
        inputs.enabled = session.job is None
        _draw_audio(inputs, settings, context)
        _draw_character(inputs, context.scene.diffgesture, context, width)
        _draw_settings(inputs, settings)
        _draw_run(layout, context, width)
        if session.problem is not None:
            setup_ui.draw_problem(layout, session.problem, width)
        elif session.notice is not None:
            row = layout.row()
            setup_ui.draw_text(row, session.notice, width, icon="INFO")
            row.operator("diffgesture.dismiss", text="", icon="X", emboss=False)
        if session.result is not None:
            _draw_result(layout, context.scene, session.result, width)


class DIFFGESTURE_PT_amounts(_SidebarPanel, bpy.types.Panel):
    """How much each part of the body moves, and rest at both ends."""

    bl_idname = "DIFFGESTURE_PT_amounts"
    bl_label = "Body"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, settings_of(context)
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = session.job is None
        column = layout.column(align=True)
        for name in controls.names("amount"):
            column.prop(settings, name)
        column = layout.column(align=True)
        for name in controls.names("rest"):
            column.prop(settings, name)


class DIFFGESTURE_PT_style(_SidebarPanel, bpy.types.Panel):
    """How the character moves: another speaker by a few sliders."""

    bl_idname = "DIFFGESTURE_PT_style"
    bl_label = "Style"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return machine_settings().has_stream("style")

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, settings_of(context)
        layout.enabled = session.job is None
        layout.operator_menu_enum("diffgesture.set_style", "style", icon="PRESET")
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        for group in ("style", "rest_pose", "role"):
            for name in controls.names(group):
                column.prop(settings, name)


class DIFFGESTURE_PT_regenerate(_SidebarPanel, bpy.types.Panel):
    """Regenerate a part and keep the rest."""

    bl_idname = "DIFFGESTURE_PT_regenerate"
    bl_label = "Regenerate a Part"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings, scene = self.layout, settings_of(context), context.scene
        layout.use_property_decorate = False
        layout.enabled = session.job is None
        column = layout.column()
        column.prop(settings, "regenerate", text="")
        row = column.row(align=True)
        if settings.regenerate == "FRAMES":
            row.prop(settings, "regenerate_start")
            row.prop(settings, "regenerate_end")
        elif settings.regenerate == "PREVIEW" and scene.use_preview_range:
            row.label(text=_frames(scene.frame_preview_start, scene.frame_preview_end))
        elif settings.regenerate == "SCENE":
            row.label(text=_frames(scene.frame_start, scene.frame_end))
        layout.operator("diffgesture.regenerate", icon="FILE_REFRESH")
        reason = regenerate_disabled_reason(context)
        if reason is not None and session.job is None:
            setup_ui.draw_text(layout, reason, setup_ui.columns(context), icon="INFO")


class DIFFGESTURE_PT_advanced(_SidebarPanel, bpy.types.Panel):
    """Settings that few need."""

    bl_idname = "DIFFGESTURE_PT_advanced"
    bl_label = "Advanced"
    bl_parent_id = "DIFFGESTURE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, settings_of(context)
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.enabled = session.job is None
        column.prop(settings, "key_mode")
        if settings.key_mode == "REDUCED":
            column.prop(settings, "key_error")
        column.prop(settings, "layer")
        for flag, value, heading in (
            ("use_frame_start", "frame_start", "Start Frame"),
            ("use_steps", "steps", "Steps"),
            ("use_guidance", "guidance", "Guidance"),
        ):
            row = column.row(heading=heading)
            row.prop(settings, flag, text="")
            sub = row.row()
            sub.active = getattr(settings, flag)
            sub.prop(settings, value, text="")
        column.prop(settings, "use_reference")
        column.prop(settings, "add_sound")
        layout.operator("diffgesture.save_take", icon="FILE_MOVIE")
        row = layout.row(align=True)
        row.operator("diffgesture.open_preferences", text="Preferences", icon="PREFERENCES")
        row.operator("diffgesture.open_log", icon="TEXT")


def _draw_audio(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    column = layout.column(align=True)
    column.label(text="Speech", icon="SPEAKER")
    _draw_sources(column, settings, setup_ui.columns(context))
    if settings.audio_source == "FILE":
        column.prop(settings, "audio_path", text="")
    elif settings.audio_source == "SOUND":
        column.template_ID(settings.holder("sound"), "sound", open="sound.open")
    elif settings.audio_source == "STRIP":
        column.prop(settings, "strip_name", text="", icon="SEQ_SEQUENCER")
        if not settings.strip_name:
            column.label(text="The sequencer's active strip is used")
    else:
        column.prop(settings.holder("speaker"), "speaker", text="")


def _draw_sources(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, width: int) -> None:
    """The sources side by side, in two rows where one would cut their names."""
    longest = max(setup_ui.text_width(tr(name)) for _, name, _ in audio_source.SOURCES)
    in_row = 4 if 4 * (longest + 1) <= width else 2
    row = layout.row(align=True)
    for index, (source, _, _) in enumerate(audio_source.SOURCES):
        if index and index % in_row == 0:
            row = layout.row(align=True)
        row.prop_enum(settings, "audio_source", source)


def _draw_character(
    layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, context: bpy.types.Context, width: int
) -> None:
    column = layout.column(align=True)
    column.label(text="Character", icon="ARMATURE_DATA")
    column.prop(settings, "armature", text="")
    armature = character.chosen_armature(settings, context)
    if armature is None:
        column.operator("diffgesture.add_mannequin", icon="OUTLINER_OB_ARMATURE")
        return
    if settings.armature is None:
        column.label(text=tr("The active armature is used: {name}").format(name=armature.name), translate=False)
    note = character.note_about(armature)
    if note is not None:
        sound = note.usable and not (note.bone_map is not None and note.bone_map.problems)
        setup_ui.draw_text(column, note.text, width - 4, icon="CHECKMARK" if sound else "ERROR")
        if note.refused is not None:
            column.operator("diffgesture.map_use_anyway")


def _draw_settings(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    row = column.row(align=True)
    row.prop(settings, "seed")
    row.operator("diffgesture.randomize_seed", text="", icon="FILE_REFRESH")
    column.prop(settings, "variations")
    row = column.row()
    row.active = not settings.use_reference and not settings.use_steps
    row.prop(settings, "quality")
    column.prop(settings, "intensity")
    column.prop(settings, "smoothing")


def _draw_run(layout: bpy.types.UILayout, context: bpy.types.Context, width: int) -> None:
    job = session.job
    if job is not None:
        column = layout.column(align=True)
        column.progress(factor=job.fraction, text=job.text, type="BAR")
        column.operator("diffgesture.cancel", icon="X")
        return
    row = layout.row()
    row.scale_y = 1.5
    row.operator("diffgesture.generate", icon="PLAY")
    reason = generate_disabled_reason(context)
    if reason is not None:
        setup_ui.draw_text(layout, reason, width, icon="INFO")


def _draw_result(layout: bpy.types.UILayout, scene: bpy.types.Scene, result: JobResult, width: int) -> None:
    box = layout.box()
    setup_ui.draw_text(box, result.action_name, width - 4, icon="ACTION")
    column = box.column(align=True)
    speech = result.reply.get("audio_seconds", 0.0)
    for line in (
        f"{result.armature_name} ({result.family})",
        _frames(result.frame_start, result.frame_end),
        tr("{speech:.1f} s of speech in {seconds:.1f} s").format(speech=speech, seconds=result.seconds),
        _keys_text(result.keys),
    ):
        setup_ui.draw_text(column, line, width)
    for warning in result.warnings:
        setup_ui.draw_text(box, warning, width, icon="ERROR")
        for index, finding in enumerate(result.look.findings):
            if finding.text == warning and finding.mend:
                mend = box.operator("diffgesture.mend", text=MEND_LABELS[finding.mend])
                mend.index = index
    if result.scene_uid == scene.session_uid:
        for note, operator in (
            (playback.range_note(scene, result.frame_start, result.frame_end), "diffgesture.fit_scene_range"),
            (playback.sync_note(scene), "diffgesture.sync_to_audio"),
        ):
            if note is not None:
                setup_ui.draw_text(box, note, width, icon="INFO")
                box.operator(operator)
    row = box.row(align=True)
    row.operator("diffgesture.show_action", icon="RESTRICT_SELECT_OFF")
    row.operator("diffgesture.export_motion", text="Export", icon="EXPORT")


def _keys_text(keys: KeyReport) -> str:
    if keys.error == 0:
        return tr("{keys} keys").format(keys=keys.total)
    return tr("{keys} keys, at most {error:.2f}° off").format(keys=keys.total, error=keys.error)


def _frames(first: int, last: int) -> str:
    return tr("Frames {first} to {last}").format(first=first, last=last)


CLASSES = (
    DIFFGESTURE_PT_main,
    *map_panel.CLASSES,
    DIFFGESTURE_PT_style,
    DIFFGESTURE_PT_amounts,
    DIFFGESTURE_PT_regenerate,
    DIFFGESTURE_PT_advanced,
)
