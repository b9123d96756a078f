# SPDX-License-Identifier: GPL-3.0-or-later
"""The character that is to gesture: which armature, and what is known about its bones."""

import bpy

from .. import compat
from ..errors import DiffGestureError
from ..translations import tr
from .session import RigNote, session


def chosen_armature(settings: bpy.types.PropertyGroup, context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature of the settings; if none is chosen, the active object if it is one."""
    if settings.armature is not None:
        return settings.armature
    active = context.active_object
    return active if active is not None and active.type == "ARMATURE" else None


def inspect(armature: bpy.types.Object | None) -> None:
    """Note what kind of rig it is, for the panel. Done when it is chosen, never while drawing."""
    if armature is None:
        return
    from ..retarget import find_bone_map

    bones = _bone_names(armature)
    try:
        bone_map = find_bone_map(armature)
        text = tr("Recognised as {family}").format(family=bone_map.family)
        if bone_map.problems:
            text = tr("Recognised as {family}, but: {problem}").format(
                family=bone_map.family, problem=bone_map.problems[0]
            )
        note = RigNote(True, text, bone_map, bones)
    except DiffGestureError as error:
        note = RigNote(False, str(error), None, bones, getattr(error, "bone_map", None))
    session.armature_notes[armature.session_uid] = note


def note_about(armature: bpy.types.Object) -> RigNote | None:
    """What ``inspect`` found, if it has been asked and the armature still has the same bones."""
    note = session.armature_notes.get(armature.session_uid)
    return note if note is not None and note.bones == _bone_names(armature) else None


def unusable_reason(armature: bpy.types.Object) -> str | None:
    """Why no gestures can be put on it, if that is known."""
    note = note_about(armature)
    return None if note is None or note.usable else note.text.rstrip(".")


def inspect_shown() -> None:
    """Look at the armatures chosen in the scenes that windows show, when a file has been opened."""
    manager = bpy.context.window_manager
    for scene in {window.scene for window in (manager.windows if manager is not None else ())}:
        inspect(scene.diffgesture.armature)


def _bone_names(armature: bpy.types.Object) -> tuple[str, ...]:
    return tuple(bone.name for bone in armature.data.bones)


def inspect_again() -> None:
    """Look anew at all armatures that were looked at: an undo may have changed their bones or their bone maps."""
    known = list(session.armature_notes)
    session.forget_rigs()
    for item in bpy.data.objects:
        if item.session_uid in known and item.type == "ARMATURE":
            inspect(item)


def find_scene(uid: int) -> bpy.types.Scene | None:
    """The scene of that session uid, whatever it is called by now."""
    return next((scene for scene in bpy.data.scenes if scene.session_uid == uid), None)


def find_armature(uid: int, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The armature of that session uid if it is still an object of ``scene``."""
    return next((item for item in scene.objects if item.session_uid == uid and item.type == "ARMATURE"), None)


def plays_as_strip(armature: bpy.types.Object, action: bpy.types.Action) -> bool:
    """Whether the action is on a layer of the armature's nonlinear animation."""
    animation = armature.animation_data
    tracks = animation.nla_tracks if animation is not None else ()
    return any(strip.action == action for track in tracks for strip in track.strips)


def assign_action(armature: bpy.types.Object, action: bpy.types.Action) -> None:
    """Let the action animate the armature, through the slot that was made for it."""
    compat.assign_action(armature, compat.choice_for(armature, action))
