# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of the Dialogue panel do."""

import math
from pathlib import Path

import bpy
from bpy.props import IntProperty, StringProperty

from .. import compat
from ..jobs import playback
from ..jobs.reasons import generate_scene_disabled_reason, regenerate_in_scene_disabled_reason
from ..jobs.regenerate import plan_from_scene
from ..jobs.scene_job import SceneJob
from ..jobs.scene_plan import plan_scene, speech_range
from ..settings import controls
from ..settings.machine import machine_settings
from ..settings.of_character import settings_of
from ..state import character
from ..state.session import redraw, session
from .driving import Waits, drive_request, offered


class DIFFGESTURE_OT_generate_scene(Waits, bpy.types.Operator):
    """Give every character of the scene gestures: each speaks in its own turns and listens in the others'"""

    bl_idname = "diffgesture.generate_scene"
    bl_label = "Generate Scene"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return offered(cls, generate_scene_disabled_reason(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        def make(folder: Path) -> SceneJob:
            edit = compat.sequencer_scene(context)
            return SceneJob(plan_scene(context.scene, edit, machine_settings(context), folder), folder)

        def said() -> str:
            made = session.scene_result
            names = [result.armature_name for result in made.results] if made is not None else []
            return f"Wrote gestures for {', '.join(names)}"

        return drive_request(self, make, said, wait=self.wait)


class DIFFGESTURE_OT_regenerate_in_scene(Waits, bpy.types.Operator):
    """Regenerate the part that is chosen in Regenerate a Part, within the dialogue, with the next seed"""

    bl_idname = "diffgesture.regenerate_in_scene"
    bl_label = "Regenerate Part in Dialogue"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return offered(cls, regenerate_in_scene_disabled_reason(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = character.chosen_armature(context.scene.diffgesture, context)

        def make(folder: Path) -> SceneJob:
            seed = settings_of(context).seed
            plan = plan_scene(
                context.scene,
                compat.sequencer_scene(context),
                machine_settings(context),
                folder,
                only=[armature],
                part=plan_from_scene(context),
                controls={"seed": controls.later_seed(seed, 1)},
            )
            return SceneJob(plan, folder)

        return drive_request(self, make, lambda: f"Wrote gestures for {armature.name}", wait=self.wait)


class DIFFGESTURE_OT_cancel_part(bpy.types.Operator):
    """Leave this character out; the others go on"""

    bl_idname = "diffgesture.cancel_part"
    bl_label = "Cancel Character"
    bl_options = {"INTERNAL"}

    index: IntProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return isinstance(session.task, SceneJob)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        task = session.task
        if isinstance(task, SceneJob) and 0 <= self.index < len(task.seats):
            task.seats[self.index].cancel()
        redraw()
        return {"FINISHED"}


class DIFFGESTURE_OT_choose_character(bpy.types.Operator):
    """Show this character's settings in the panels"""

    bl_idname = "diffgesture.choose_character"
    bl_label = "Choose Character"
    bl_options = {"UNDO", "INTERNAL"}

    name: StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = context.scene.objects.get(self.name)
        if armature is None or armature.type != "ARMATURE":
            return {"CANCELLED"}
        context.scene.diffgesture.armature = armature
        return {"FINISHED"}


class DIFFGESTURE_OT_fit_scene_to_speech(bpy.types.Operator):
    """Lengthen the scene so that all that its characters say lies in its frame range"""

    bl_idname = "diffgesture.fit_scene_to_speech"
    bl_label = "Fit Scene to Speech"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        spoken = speech_range(context.scene, compat.sequencer_scene(context))
        if spoken is None:
            self.report({"ERROR"}, "No strip is the voice of a character")
            return {"CANCELLED"}
        playback.fit_range(context.scene, math.floor(spoken[0]), math.ceil(spoken[1]))
        return {"FINISHED"}


CLASSES = (
    DIFFGESTURE_OT_generate_scene,
    DIFFGESTURE_OT_regenerate_in_scene,
    DIFFGESTURE_OT_cancel_part,
    DIFFGESTURE_OT_choose_character,
    DIFFGESTURE_OT_fit_scene_to_speech,
)
