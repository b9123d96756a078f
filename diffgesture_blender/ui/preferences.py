# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the add-on in Blender's preferences."""

from typing import Final

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..identity import ADDON_ID
from ..state.session import session
from . import setup_panel

ENGINES: Final = (
    ("auto", "Automatic", "PyTorch where its Python is chosen or something needs it, else the built-in engine"),
    ("numpy", "Built-in", "Runs on Blender's own Python and needs no installation; the CPU only"),
    ("torch", "PyTorch", "A Python of its own with PyTorch: for graphics cards and official checkpoints"),
)
DEVICES: Final = (
    ("auto", "Automatic", "The GPU if the backend finds one it can use, else the CPU"),
    ("cpu", "CPU", "Always works"),
    ("cuda", "CUDA / ROCm", "NVIDIA or AMD graphics card; needs PyTorch"),
    ("mps", "Metal", "Apple graphics; needs PyTorch"),
)


def _forget_report(_self: "DiffGesturePreferences", _context: bpy.types.Context) -> None:
    session.report = None


class DiffGesturePreferences(bpy.types.AddonPreferences):
    """Preferences > Add-ons > DiffGesture."""

    bl_idname = ADDON_ID

    engine: EnumProperty(
        name="Engine",
        description="What computes the gestures",
        items=ENGINES,
        default="auto",
        update=_forget_report,
    )
    python_path: StringProperty(
        name="PyTorch's Python",
        description=(
            "The python program of an environment with PyTorch, for graphics cards and official checkpoints. "
            "Empty: the environment variable DIFFGESTURE_PYTHON. Not needed for the built-in engine"
        ),
        subtype="FILE_PATH",
        update=_forget_report,
    )
    device: EnumProperty(name="Device", description="Where the network runs", items=DEVICES, default="auto")
    checkpoint_path: StringProperty(
        name="Checkpoint",
        description="A trained model (.safetensors with its card). Empty: the one that comes with the add-on",
        subtype="FILE_PATH",
        update=_forget_report,
    )
    idle_minutes: FloatProperty(
        name="Stop When Idle (Minutes)",
        description="Minutes without work after which the backend is stopped and its memory is free again",
        min=0.0,
        soft_max=60.0,
        default=10.0,
        precision=0,
        step=100,
    )

    def draw(self, _context: bpy.types.Context) -> None:
        setup_panel.draw_preferences(self.layout, self)
