# SPDX-License-Identifier: GPL-3.0-or-later
"""Gesture cues on the timeline: add, switch, remove. The markers themselves are dragged as any marker is."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ..jobs.asking import Asking
from ..jobs.draft_transcript import DraftTranscriptJob
from ..jobs.find_cues import FindCuesJob
from ..jobs.reasons import generate_disabled_reason
from ..jobs.request import request_from_scene
from ..retarget.aim_measure import found_target
from ..settings import cues
from ..settings.machine import machine_settings
from ..settings.of_character import settings_of
from ..state import character
from ..state.session import session
from ..translations import tr
from .driving import drive_request, offered

_ITEMS = [
    (name, cues.label(name).capitalize(), row["sentence"], row["icon"], number)
    for number, (name, row) in enumerate(cues.vocabulary().items())
]


class DIFFGESTURE_OT_add_cue(bpy.types.Operator):
    """Put a timeline marker at the current frame that asks for a gesture there"""

    bl_idname = "diffgesture.add_cue"
    bl_label = "Add Gesture Cue at Playhead"
    bl_options = {"REGISTER", "UNDO"}

    cue: EnumProperty(name="Gesture", description="What the gesture means", items=_ITEMS)
    everyone: BoolProperty(
        name="For Every Character",
        description="Ask every character of the scene for it instead of the chosen one alone",
        default=False,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        armature = character.chosen_armature(scene.diffgesture, context)
        name = "" if self.everyone or armature is None else armature.name
        scene.timeline_markers.new(cues.marker_name(self.cue, name), frame=scene.frame_current)
        return {"FINISHED"}


class DIFFGESTURE_OT_add_aim(bpy.types.Operator):
    """Put a timeline marker at the current frame that points or looks at an object of the scene"""

    bl_idname = "diffgesture.add_aim"
    bl_label = "Aim at Object"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(
        name="Aim",
        items=(
            ("point", "Point", "The nearer arm and its index finger point at the object"),
            ("look", "Look", "The head turns to the object"),
        ),
    )
    target: StringProperty(name="Object", description="An object of the scene; it may move")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        armature = character.chosen_armature(context.scene.diffgesture, context)
        chosen = [item.name for item in context.selected_objects if item != armature]
        self.target = self.target or (chosen[0] if chosen else "")
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "kind", expand=True)
        self.layout.prop_search(self, "target", context.scene, "objects")

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        armature = character.chosen_armature(scene.diffgesture, context)
        if found_target(self.target, scene) is None:
            self.report({"ERROR"}, tr("Choose an object of the scene to aim at."))
            return {"CANCELLED"}
        owner = "" if armature is None else armature.name
        scene.timeline_markers.new(cues.aim_name(self.kind, self.target, owner), frame=scene.frame_current)
        return {"FINISHED"}


class _OnMarker:
    """What is done to one cue of the list."""

    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    def _marker(self, context: bpy.types.Context) -> bpy.types.TimelineMarker | None:
        found = context.scene.timeline_markers
        marker = found[self.index] if 0 <= self.index < len(found) else None
        if marker is None or cues.cue_of(marker) is None:
            self.report({"WARNING"}, tr("That marker is no gesture cue any more."))
            return None
        return marker


class DIFFGESTURE_OT_switch_cue(_OnMarker, bpy.types.Operator):
    """Leave this cue out, or take it in again; the marker stays"""

    bl_idname = "diffgesture.switch_cue"
    bl_label = "Switch Gesture Cue"

    index: IntProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        marker = self._marker(context)
        cue = None if marker is None else cues.cue_of(marker)
        if marker is None or cue is None:
            return {"CANCELLED"}
        marker.name = cues.switched(cue)
        return {"FINISHED"}


class DIFFGESTURE_OT_remove_cue(_OnMarker, bpy.types.Operator):
    """Remove this cue's marker"""

    bl_idname = "diffgesture.remove_cue"
    bl_label = "Remove Gesture Cue"

    index: IntProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        marker = self._marker(context)
        if marker is None:
            return {"CANCELLED"}
        context.scene.timeline_markers.remove(marker)
        return {"FINISHED"}


class DIFFGESTURE_OT_go_to_cue(_OnMarker, bpy.types.Operator):
    """Go to this cue's frame"""

    bl_idname = "diffgesture.go_to_cue"
    bl_label = "Go to Gesture Cue"

    index: IntProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        marker = self._marker(context)
        if marker is None:
            return {"CANCELLED"}
        context.scene.frame_set(marker.frame)
        return {"FINISHED"}


class _Asks:
    """Mixed into an operator that asks the worker about the speech."""

    wait: BoolProperty(
        name="Wait", description="Return only when it is done", default=False, options={"SKIP_SAVE"}
    )

    def ask(self, context: bpy.types.Context, task: type[Asking]) -> set[str]:
        def make(folder: Path) -> Asking:
            return task(request_from_scene(context, machine_settings(context), folder))

        return drive_request(self, make, lambda: session.notice or "", wait=self.wait)


class DIFFGESTURE_OT_find_cues(_Asks, bpy.types.Operator):
    """Put a marker on the timeline for each gesture that the words bring, to move, remove or switch off"""

    bl_idname = "diffgesture.find_cues"
    bl_label = "Find Cues"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = generate_disabled_reason(context)
        if reason is None and settings_of(context).transcript == "NONE":
            reason = "Choose a transcript first"
        return offered(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.ask(context, FindCuesJob)


class DIFFGESTURE_OT_draft_transcript(_Asks, bpy.types.Operator):
    """Hear what is said and put it into the sequencer as text strips to correct: clean English alone.

    Needs PocketSphinx in the backend's Python
    """

    bl_idname = "diffgesture.draft_transcript"
    bl_label = "Draft Transcript"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return offered(cls, generate_disabled_reason(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.ask(context, DraftTranscriptJob)


def draw_marker_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """The entry in the Marker menus of the animation editors."""
    menu.layout.separator()
    menu.layout.operator_menu_enum("diffgesture.add_cue", "cue", icon="HAND")
    menu.layout.operator("diffgesture.add_aim")


CLASSES = (
    DIFFGESTURE_OT_add_cue,
    DIFFGESTURE_OT_add_aim,
    DIFFGESTURE_OT_switch_cue,
    DIFFGESTURE_OT_remove_cue,
    DIFFGESTURE_OT_go_to_cue,
    DIFFGESTURE_OT_find_cues,
    DIFFGESTURE_OT_draft_transcript,
)
MENUS = ("TIME_MT_marker", "DOPESHEET_MT_marker", "GRAPH_MT_marker", "NLA_MT_marker", "SEQUENCER_MT_marker")
