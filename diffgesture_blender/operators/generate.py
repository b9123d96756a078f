# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of the sidebar do."""

import math
import os
import random
from pathlib import Path
from typing import Final

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper
from mathutils import Vector

from ..errors import DiffGestureError
from ..export import bvh as export_bvh
from ..export.training_take import save_take
from ..jobs.generate import GenerateJob
from ..jobs.reasons import generate_disabled_reason, regenerate_disabled_reason
from ..jobs.regenerate import plan_from_scene
from ..jobs.request import check_armature, request_from_scene, start_frame
from ..settings import controls
from ..settings.machine import machine_settings
from ..settings.of_character import settings_of
from ..sound import sequencer
from ..sound import source as audio_source
from ..state import character
from ..state.session import new_job_folder, redraw, remove_folder, session
from ..writing import copy_file
from .driving import Waits, drive_request, offered


class _StartsJob(Waits):
    """Mixed into an operator. Starts a job."""

    def start(self, context: bpy.types.Context, part: bool, seed: int | None = None) -> set[str]:
        """``part``: generate what the settings name as the part to regenerate; ``seed`` in place of theirs."""

        def make(folder: Path) -> GenerateJob:
            plan = plan_from_scene(context) if part else None
            return GenerateJob(request_from_scene(context, machine_settings(context), folder, plan, seed))

        def said() -> str:
            assert session.result is not None
            return f"Wrote the action {session.result.action_name}"

        return drive_request(self, make, said, wait=self.wait)


class DIFFGESTURE_OT_generate(_StartsJob, bpy.types.Operator):
    """Turn the speech into gesture keyframes, in a new action of the character"""

    bl_idname = "diffgesture.generate"
    bl_label = "Generate Gestures"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return offered(cls, generate_disabled_reason(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.start(context, part=False)


class DIFFGESTURE_OT_regenerate(_StartsJob, bpy.types.Operator):
    """Regenerate a part of the character's animation and keep the rest with your edits, in a new action"""

    bl_idname = "diffgesture.regenerate"
    bl_label = "Regenerate"

    next_seed: BoolProperty(
        name="Next Seed",
        description="Increment the seed first, so that pressing the button again gives something new",
        default=True,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return offered(cls, regenerate_disabled_reason(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        seed = settings_of(context).seed
        if self.next_seed:  # the settings take it over when the part is there
            seed = controls.later_seed(seed, 1)
        return self.start(context, part=True, seed=seed)


class DIFFGESTURE_OT_cancel(bpy.types.Operator):
    """Stop generating; nothing is changed"""

    bl_idname = "diffgesture.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return offered(cls, None if session.busy else "Nothing is being generated")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if session.task is not None:
            session.task.cancel()
        redraw()
        return {"FINISHED"}


# Where mannequins stand, one after the other: x and y in metres, turn; so that people look at each other.
_PLACES: Final = (
    (0.0, 0.0, 0.0),
    (0.0, -1.4, math.pi),
    (0.9, -0.7, -0.5 * math.pi),
    (-0.9, -0.7, 0.5 * math.pi),
)
_ROOM: Final = 0.5


class DIFFGESTURE_OT_add_mannequin(bpy.types.Operator):
    """Add a human figure to gesture with, when no character is at hand"""

    bl_idname = "diffgesture.add_mannequin"
    bl_label = "Add Mannequin"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..mannequin import create_mannequin

        there = [item.matrix_world.translation for item in context.scene.objects if item.type == "ARMATURE"]
        armature = create_mannequin(context)
        for x, y, turn in _PLACES:
            if all((Vector((x, y, 0.0)) - other).length > _ROOM for other in there):
                armature.location, armature.rotation_euler.z = (x, y, 0.0), turn
                break
        context.scene.diffgesture.armature = armature
        return {"FINISHED"}


class DIFFGESTURE_OT_randomize_seed(bpy.types.Operator):
    """Take another seed: another performance of the same speech"""

    bl_idname = "diffgesture.randomize_seed"
    bl_label = "Random Seed"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings_of(context).seed = random.randint(0, 999_999)
        return {"FINISHED"}


class DIFFGESTURE_OT_set_style(bpy.types.Operator):
    """Set all style sliders at once, as a beginning"""

    bl_idname = "diffgesture.set_style"
    bl_label = "Style Preset"
    bl_options = {"UNDO", "INTERNAL"}

    style: EnumProperty(
        name="Style", items=[(name, name.replace("_", " ").title(), "") for name in controls.styles()]
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        for key, value in controls.styles()[self.style].items():
            setattr(settings_of(context), f"style_{key}", value)
        return {"FINISHED"}


class DIFFGESTURE_OT_dismiss(bpy.types.Operator):
    """Hide this message"""

    bl_idname = "diffgesture.dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.clear_messages()
        return {"FINISHED"}


def _result_missing_reason() -> str | None:
    return None if session.result is not None else "Nothing has been generated yet"


class DIFFGESTURE_OT_show_action(bpy.types.Operator):
    """Make the character active and give it the generated action, if it has another one now"""

    bl_idname = "diffgesture.show_action"
    bl_label = "Show Action"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return offered(cls, _result_missing_reason())

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = session.result
        assert result is not None
        armature = character.find_armature(result.armature_uid, context.scene)
        action = bpy.data.actions.get(result.action_name)
        if armature is None or action is None:
            missing = "armature" if armature is None else "action"
            self.report({"ERROR"}, f"The {missing} of the last result is not in this scene any more")
            return {"CANCELLED"}
        if not character.plays_as_strip(armature, action):
            character.assign_action(armature, action)
        if context.view_layer.objects.get(armature.name) is not None:
            if context.active_object is not None and context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            for item in context.selected_objects:
                item.select_set(False)
            armature.select_set(True)
            context.view_layer.objects.active = armature
        context.scene.frame_set(result.frame_start)
        return {"FINISHED"}


class DIFFGESTURE_OT_add_sound(bpy.types.Operator):
    """Put the chosen speech into the scene's sequencer where the gestures start"""

    bl_idname = "diffgesture.add_sound"
    bl_label = "Add Sound to Sequencer"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        settings = settings_of(context)
        if settings.audio_source == "STRIP":
            return offered(cls, "The sound is in the sequencer already")
        if settings.audio_source == "SPEAKER":
            return offered(cls, "The speaker is heard already")
        return offered(cls, audio_source.missing_reason(settings))

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings, scene = settings_of(context), context.scene
        folder = new_job_folder()
        try:
            clip = audio_source.resolve(settings, context, folder)
            frame = start_frame(settings.chosen_frame_start(), scene, clip)
            sound = bpy.data.sounds.get(clip.sound) if clip.sound is not None else None
            armature = character.chosen_armature(scene.diffgesture, context)
            owner = armature.name if armature is not None else ""
            name, told = sequencer.put_sound(scene, str(clip.original), sound, frame, owner)
        except (DiffGestureError, RuntimeError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            remove_folder(folder)
        self.report({"INFO"}, told or (f"Added the strip {name}" if name else "The sound is there already"))
        return {"FINISHED"}


class DIFFGESTURE_OT_export_motion(bpy.types.Operator, ExportHelper):
    """Save the last result as it came from the model: bone directions (NPZ) or a skeleton animation (BVH)"""

    bl_idname = "diffgesture.export_motion"
    bl_label = "Export Motion"

    filename_ext = ""
    check_extension = None
    file_format: EnumProperty(
        name="Format",
        items=(
            ("NPZ", "NPZ", "Bone directions with their frame rate, layout and joint names, for NumPy"),
            ("BVH", "BVH", "A skeleton animation that other 3D programs read"),
        ),
        default="BVH",
    )
    filter_glob: StringProperty(default="*.bvh;*.npz", options={"HIDDEN"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return offered(cls, _result_missing_reason())

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath and session.result is not None:
            name = bpy.path.clean_name(session.result.action_name)
            folder = os.path.dirname(bpy.data.filepath) or os.path.expanduser("~")
            self.filepath = os.path.join(folder, f"{name}.{self.file_format.lower()}")
        return ExportHelper.invoke(self, context, event)

    def check(self, _context: bpy.types.Context) -> bool:
        """Keep the file name's ending in step with the format."""
        wanted = str(self._target())
        changed, self.filepath = wanted != self.filepath, wanted
        return changed

    def _target(self) -> Path:
        path = Path(self.filepath)
        stem = path.stem if path.suffix.lower() in {".npz", ".bvh"} else path.name
        return path.with_name(f"{stem}.{self.file_format.lower()}")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        assert session.result is not None
        target = self._target()
        try:
            if self.file_format == "NPZ":
                copy_file(session.result.motion_path, target)
            else:
                export_bvh.save_bvh(target, session.result.motion_path)
        except (OSError, DiffGestureError) as error:
            self.report({"ERROR"}, f"The motion cannot be saved: {error}")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {target}")
        return {"FINISHED"}


class DIFFGESTURE_OT_save_take(bpy.types.Operator):
    """Save the character's own animation and its sound as a take to train on, for backend/prepare.py"""

    bl_idname = "diffgesture.save_take"
    bl_label = "Save Training Take"

    directory: StringProperty(name="Folder", description="Folder of one speaker's takes", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    take_name: StringProperty(name="Name", description="Of the take; empty for the sound's name")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return offered(cls, generate_disabled_reason(context))

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene, settings = context.scene, settings_of(context)
        folder = new_job_folder()
        try:
            armature = check_armature(character.chosen_armature(scene.diffgesture, context), scene)
            clip = audio_source.resolve(settings, context, folder)
            frame = start_frame(settings.chosen_frame_start(), scene, clip)
            target = Path(bpy.path.abspath(self.directory))
            take = save_take(armature, scene, clip, frame, target, self.take_name or clip.name)
        except DiffGestureError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            remove_folder(folder)
        self.report({"INFO"}, f"Saved {take.seconds:.1f} s to {take.motion}")
        return {"FINISHED"}


CLASSES = (
    DIFFGESTURE_OT_generate,
    DIFFGESTURE_OT_regenerate,
    DIFFGESTURE_OT_cancel,
    DIFFGESTURE_OT_add_mannequin,
    DIFFGESTURE_OT_randomize_seed,
    DIFFGESTURE_OT_set_style,
    DIFFGESTURE_OT_dismiss,
    DIFFGESTURE_OT_show_action,
    DIFFGESTURE_OT_add_sound,
    DIFFGESTURE_OT_export_motion,
    DIFFGESTURE_OT_save_take,
)
