# SPDX-License-Identifier: GPL-3.0-or-later
"""Gesture cues on the timeline: add, switch, remove. The markers themselves are dragged as any marker is."""

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty

from ..settings import cues
from ..state import character
from ..state.session import session
from ..timing import frame_rate

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


class _OnMarker:
    """What is done to one cue of the list."""

    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    def _marker(self, context: bpy.types.Context) -> bpy.types.TimelineMarker | None:
        found = context.scene.timeline_markers
        marker = found[self.index] if 0 <= self.index < len(found) else None
        if marker is None or cues.cue_of(marker) is None:
            self.report({"WARNING"}, "That marker is no gesture cue any more.")
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
        marker.name = cues.marker_name(cue.name, cue.character, not cue.on)
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


class DIFFGESTURE_OT_cues_to_markers(bpy.types.Operator):
    """Put the gestures that the words of the last result brought on the timeline, to move or remove them"""

    bl_idname = "diffgesture.cues_to_markers"
    bl_label = "Words to Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        result = session.result
        usable = result is not None and result.scene_uid == context.scene.session_uid and result.reply.get("cues")
        if not usable:
            cls.poll_message_set("Generate gestures with a transcript first.")
        return bool(usable)

    def execute(self, context: bpy.types.Context) -> set[str]:
        assert session.result is not None
        scene, result = context.scene, session.result
        rate, added = frame_rate(scene), 0
        armature = character.find_armature(result.armature_uid, scene)
        there = [(cues.class_or_none(cue.name), cue.frame) for _, _, cue in cues.markers(scene, armature)]
        for name, seconds in result.reply["cues"]:
            frame = round(result.frame_start + seconds * rate)
            if all(name != other or abs(frame - place) > 1 for other, place in there):
                scene.timeline_markers.new(cues.marker_name(name, result.armature_name), frame=frame)
                added += 1
        # What is removed from the timeline shall not come back from the words.
        scene.diffgesture.transcript = "NONE"
        self.report({"INFO"}, f"{added} markers added; they are what counts now, so Transcript is set to None.")
        return {"FINISHED"}


def draw_marker_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """The entry in the Marker menus of the animation editors."""
    menu.layout.separator()
    menu.layout.operator_menu_enum("diffgesture.add_cue", "cue", icon="HAND")


CLASSES = (
    DIFFGESTURE_OT_add_cue,
    DIFFGESTURE_OT_switch_cue,
    DIFFGESTURE_OT_remove_cue,
    DIFFGESTURE_OT_go_to_cue,
    DIFFGESTURE_OT_cues_to_markers,
)
MENUS = ("TIME_MT_marker", "DOPESHEET_MT_marker", "GRAPH_MT_marker", "NLA_MT_marker", "SEQUENCER_MT_marker")
