# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the machine, not of a scene: where the backend's Python is, which device and checkpoint to use."""

import os
from dataclasses import dataclass
from typing import Final

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..identity import ADDON_ID
from ..state.session import session
from ..ui import setup_panel as setup_ui

DEVICES: Final = (
    ("auto", "Automatic", "The GPU if the backend finds one it can use, else the CPU"),
    ("cpu", "CPU", "Always works"),
    ("cuda", "CUDA / ROCm", "NVIDIA or AMD graphics card, as the backend's torch supports"),
    ("mps", "Metal", "Apple graphics"),
)


@dataclass(frozen=True)
class Machine:
    """The preferences as plain values; empty paths are None."""

    python: str | None = None
    device: str = "auto"
    checkpoint: str | None = None
    idle_minutes: float = 10.0


def _forget_report(_self: "DiffGesturePreferences", _context: bpy.types.Context) -> None:
    session.report = None


class DiffGesturePreferences(bpy.types.AddonPreferences):
    """Preferences > Add-ons > DiffGesture."""

    bl_idname = ADDON_ID

    python_path: StringProperty(
        name="Backend Python",
        description=(
            "The python program of an environment with torch and librosa. Empty: the environment variable "
            "DIFFGESTURE_PYTHON, else the first python3 found that has them"
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
        setup_ui.draw_preferences(self.layout, self)


def machine_settings(context: bpy.types.Context | None = None) -> Machine:
    """The preferences, or the defaults when the add-on was registered without them (scripts, tests)."""
    addon = (context or bpy.context).preferences.addons.get(ADDON_ID)
    preferences = addon.preferences if addon is not None else None
    if preferences is None:
        return Machine()
    return Machine(
        python=absolute_path(preferences.python_path),
        device=preferences.device,
        checkpoint=absolute_path(preferences.checkpoint_path),
        idle_minutes=preferences.idle_minutes,
    )


def absolute_path(text: str) -> str | None:
    """A path typed by the user, absolute; None if empty.

    Links are not resolved: an environment's python is a link that must be called by its own name.
    """
    text = text.strip()
    if not text:
        return None
    return os.path.abspath(os.path.expanduser(bpy.path.abspath(text)))
