# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons that make and remove the private environment with PyTorch."""

import bpy
from bpy.props import EnumProperty, StringProperty

from ..jobs.install_torch import InstallTorch
from ..settings.machine import absolute_path, torch_environment
from ..state.session import Problem, session
from ..translations import tr
from ..worker.errors import BackendError
from ..worker.torch_environment import GIGABYTES, Wishes
from .driving import drive

_DEVICES = (
    ("cpu", "CPU", "The smallest; on Linux choose an index of CPU builds, else a CUDA build comes"),
    ("cuda", "CUDA", "NVIDIA graphics cards"),
    ("rocm", "ROCm", "AMD graphics cards on Linux; needs an index of ROCm builds"),
    ("mps", "Apple", "Apple graphics"),
)


class DIFFGESTURE_OT_install_torch(bpy.types.Operator):
    """Make a private environment with PyTorch: for graphics cards, official checkpoints, the reference preset"""

    bl_idname = "diffgesture.install_torch"
    bl_label = "Install PyTorch..."

    device: EnumProperty(name="For", description="What PyTorch is to compute on", items=_DEVICES, default="cpu")
    wheel_folder: StringProperty(
        name="Wheel Folder",
        description="A folder of downloaded wheels, to install offline; empty to download",
        subtype="DIR_PATH",
    )
    index: StringProperty(
        name="Package Index",
        description="Address of another package index, as PyTorch's own page on getting started names them",
    )
    base_python: StringProperty(
        name="Python", description="The Python to make it with; empty for Blender's own", subtype="FILE_PATH"
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.busy:
            cls.poll_message_set(tr("Something is running."))
        return not session.busy

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, _context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        for name in ("device", "wheel_folder", "index", "base_python"):
            column.prop(self, name)
        column.label(text=f"Needs about {GIGABYTES[self.device]:.1f} GB on disk.", icon="DISK_DRIVE")
        if not self.wheel_folder and not bpy.app.online_access:
            column.label(text="Online access is off in Blender's preferences.", icon="ERROR")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if not self.wheel_folder and not bpy.app.online_access:
            self.report(
                {"ERROR"}, tr("Allow online access in Blender's preferences, or choose a folder of wheels.")
            )
            return {"CANCELLED"}
        wishes = Wishes(self.device, absolute_path(self.wheel_folder), self.index.strip() or None)
        try:
            task = InstallTorch(wishes, absolute_path(self.base_python))
        except BackendError as error:
            session.problem = Problem.of(error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return drive(self, task, lambda: session.notice or "PyTorch is ready", wait=False)


class DIFFGESTURE_OT_remove_torch(bpy.types.Operator):
    """Delete the private environment with PyTorch; gestures need it no more than before"""

    bl_idname = "diffgesture.remove_torch"
    bl_label = "Remove PyTorch"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.busy:
            cls.poll_message_set(tr("Something is running."))
            return False
        there = torch_environment().started()
        if not there:
            cls.poll_message_set(tr("PyTorch has not been installed here."))
        return there

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.backend.stop()
        try:
            torch_environment().remove()
        except BackendError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("PyTorch was removed"))
        return {"FINISHED"}


CLASSES = (DIFFGESTURE_OT_install_torch, DIFFGESTURE_OT_remove_torch)
