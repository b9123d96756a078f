# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of the preferences do: check the backend, copy what helps, open the log."""

import os

import bpy
from bpy.props import EnumProperty

from ..identity import ADDON_ID
from ..jobs import runner as pump
from ..jobs.backend_check import BackendCheck
from ..settings.machine import machine_settings
from ..state.copyable import copyable
from ..state.session import log_folder, session
from ..translations import tr


class DIFFGESTURE_OT_check_backend(bpy.types.Operator):
    """Start the backend and report its versions, devices and checkpoint, or what is wrong with it"""

    bl_idname = "diffgesture.check_backend"
    bl_label = "Check Backend"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.busy:
            cls.poll_message_set(tr("The backend is at work."))
        return not session.busy

    def execute(self, context: bpy.types.Context) -> set[str]:
        check = BackendCheck(machine_settings(context))
        if not bpy.app.background:
            pump.start(check)
            return {"FINISHED"}
        ready = pump.run_and_show(check)
        if session.report is not None:
            print(session.report)
        if not ready and session.report_problem is not None:
            self.report({"ERROR"}, session.report_problem.message)
        return {"FINISHED"} if ready else {"CANCELLED"}


class DIFFGESTURE_OT_copy(bpy.types.Operator):
    """Copy this text to the clipboard"""

    bl_idname = "diffgesture.copy"
    bl_label = "Copy"
    bl_options = {"INTERNAL"}

    what: EnumProperty(
        items=(
            ("REPORT", "Report", "The report of Check Backend"),
            ("COMMAND", "Command", "The command that solves the problem shown"),
            ("MESSAGE", "Message", "The message shown"),
        ),
        options={"SKIP_SAVE"},
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        text = copyable(self.what)
        if not text:
            self.report({"WARNING"}, tr("There is nothing to copy"))
            return {"CANCELLED"}
        context.window_manager.clipboard = text
        self.report({"INFO"}, tr("Copied"))
        return {"FINISHED"}


class DIFFGESTURE_OT_open_log(bpy.types.Operator):
    """Open the backend's log, or the folder of the logs if there is none yet"""

    bl_idname = "diffgesture.open_log"
    bl_label = "Open Log"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        path = session.backend.log_path
        target = str(path) if path is not None and path.is_file() else str(log_folder())
        try:
            bpy.ops.wm.path_open(filepath=target)
        except RuntimeError as error:
            self.report({"ERROR"}, f"Cannot open {target}: {error}")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Opened {os.path.basename(target)}")
        return {"FINISHED"}


class DIFFGESTURE_OT_open_preferences(bpy.types.Operator):
    """Show the add-on's preferences, where the backend is set up"""

    bl_idname = "diffgesture.open_preferences"
    bl_label = "Set Up Backend"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=ADDON_ID)
        return {"FINISHED"}


CLASSES = (
    DIFFGESTURE_OT_check_backend,
    DIFFGESTURE_OT_copy,
    DIFFGESTURE_OT_open_log,
    DIFFGESTURE_OT_open_preferences,
)
