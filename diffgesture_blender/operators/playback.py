# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons beside the result: let the scene show all of it, in time with the sound."""

import bpy

from ..jobs import playback
from ..state.session import session
from ..translations import tr


class DIFFGESTURE_OT_fit_scene_range(bpy.types.Operator):
    """Widen the scene's frame range so that all of the generated gestures lie in it"""

    bl_idname = "diffgesture.fit_scene_range"
    bl_label = "Fit Scene Range"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.result is None:
            cls.poll_message_set(tr("Nothing has been generated yet."))
        return session.result is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        assert session.result is not None
        playback.fit_range(context.scene, session.result.frame_start, session.result.frame_end)
        return {"FINISHED"}


class DIFFGESTURE_OT_sync_to_audio(bpy.types.Operator):
    """Let playback leave out frames rather than fall behind the sound"""

    bl_idname = "diffgesture.sync_to_audio"
    bl_label = "Sync to Audio"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.sync_mode = "AUDIO_SYNC"
        return {"FINISHED"}


CLASSES = (DIFFGESTURE_OT_fit_scene_range, DIFFGESTURE_OT_sync_to_audio)
