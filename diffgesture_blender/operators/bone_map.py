# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the bone map: look, take a family's, load, save, reset."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..errors import DiffGestureError
from ..rig.bone_map import BoneMap, bone_map_of_family, family_names, load_bone_map, save_bone_map
from ..settings import bone_map as rig_map
from ..state import character
from ..translations import tr

_families: list[tuple[str, str, str]] = []  # Blender does not keep the strings of a dynamic enumeration


def _armature(context: bpy.types.Context) -> bpy.types.Object | None:
    settings = getattr(context.scene, "diffgesture", None)
    return character.chosen_armature(settings, context) if settings is not None else None


class _ArmatureOperator:
    """Works on the character of the panel."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if _armature(context) is None:
            cls.poll_message_set(tr("Choose the character's armature."))
            return False
        return True


class DIFFGESTURE_OT_map_inspect(_ArmatureOperator, bpy.types.Operator):
    """Look at the character's bones again, after bones were added, removed or renamed"""

    bl_idname = "diffgesture.map_inspect"
    bl_label = "Look at Bones"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        character.inspect(_armature(context))
        return {"FINISHED"}


class DIFFGESTURE_OT_map_reset(_ArmatureOperator, bpy.types.Operator):
    """Forget all changes and use the map that is found by itself"""

    bl_idname = "diffgesture.map_reset"
    bl_label = "Reset Bone Map"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = _armature(context)
        assert armature is not None
        rig_map.reset(armature)
        return {"FINISHED"}


class DIFFGESTURE_OT_map_use_anyway(_ArmatureOperator, bpy.types.Operator):
    """Use the limbs that were found for arms, though the character does not look like a person"""

    bl_idname = "diffgesture.map_use_anyway"
    bl_label = "Use Anyway"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = _armature(context)
        assert armature is not None
        note = character.note_about(armature)
        if note is None or note.refused is None:
            self.report(
                {"ERROR"}, tr("No limbs were found that could be used; choose their bones in the bone map")
            )
            return {"CANCELLED"}
        refused = note.refused
        return _store(self, armature, lambda: refused)


class DIFFGESTURE_OT_map_family(_ArmatureOperator, bpy.types.Operator):
    """Use the bone names of one rig family, if the one found is wrong"""

    bl_idname = "diffgesture.map_family"
    bl_label = "Choose Rig Family"
    bl_options = {"REGISTER", "UNDO"}
    bl_property = "family"

    def _items(self, _context: bpy.types.Context) -> list[tuple[str, str, str]]:
        if not _families:
            _families.extend((name, name, "") for name in family_names())
        return _families

    family: EnumProperty(name="Family", items=_items)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.invoke_search_popup(self)
        return {"FINISHED"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = _armature(context)
        assert armature is not None
        return _store(self, armature, lambda: bone_map_of_family(armature, self.family))


class DIFFGESTURE_OT_map_load(_ArmatureOperator, bpy.types.Operator, ImportHelper):
    """Use a saved bone map for this character"""

    bl_idname = "diffgesture.map_load"
    bl_label = "Load Bone Map"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = _armature(context)
        assert armature is not None
        return _store(self, armature, lambda: load_bone_map(self.filepath, armature))


class DIFFGESTURE_OT_map_save(_ArmatureOperator, bpy.types.Operator, ExportHelper):
    """Save the bone map for other characters with the same bone names"""

    bl_idname = "diffgesture.map_save"
    bl_label = "Save Bone Map"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = _armature(context)
        assert armature is not None
        bone_map = rig_map.current_map(armature)
        if not bone_map.slots:
            self.report({"ERROR"}, tr("There is no bone map to save; choose the bones of both arms first"))
            return {"CANCELLED"}
        try:
            save_bone_map(self.filepath, bone_map, Path(self.filepath).stem)
        except DiffGestureError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {self.filepath}")
        return {"FINISHED"}


def _store(operator: bpy.types.Operator, armature: bpy.types.Object, make: Callable[[], BoneMap]) -> set[str]:
    """Store the map that ``make`` gives, or report why there is none."""
    try:
        rig_map.store(armature, make())
    except DiffGestureError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    return {"FINISHED"}


CLASSES = (
    DIFFGESTURE_OT_map_inspect,
    DIFFGESTURE_OT_map_reset,
    DIFFGESTURE_OT_map_use_anyway,
    DIFFGESTURE_OT_map_family,
    DIFFGESTURE_OT_map_load,
    DIFFGESTURE_OT_map_save,
)
