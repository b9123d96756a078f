# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the machine, not of a scene: where the backend's Python is, which device and checkpoint to use."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..identity import ADDON_ID
from ..state.session import session
from ..ui import setup_panel as setup_ui
from ..worker import Setup

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


@dataclass(frozen=True)
class Machine:
    """The preferences as plain values; empty paths are None."""

    python: str | None = None
    device: str = "auto"
    checkpoint: str | None = None
    idle_minutes: float = 10.0
    engine: str = "auto"

    @property
    def setup(self) -> Setup:
        """The worker that these settings want."""
        needs_torch = self.device not in ("auto", "cpu") or _is_official(self.checkpoint)
        return Setup(self.python, self.checkpoint, self.engine, needs_torch)


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
        engine=preferences.engine,
    )


def _is_official(checkpoint: str | None) -> bool:
    """Whether the checkpoint's card names an official network; what is wrong with a card the worker will say."""
    if checkpoint is None:
        return False
    try:
        card = json.loads(Path(checkpoint).with_suffix(".json").read_text(encoding="utf-8"))
        return card.get("network") == "official"
    except (OSError, ValueError, AttributeError):
        return False


def absolute_path(text: str) -> str | None:
    """A path typed by the user, absolute; None if empty.

    Links are not resolved: an environment's python is a link that must be called by its own name.
    """
    text = text.strip()
    if not text:
        return None
    return os.path.abspath(os.path.expanduser(bpy.path.abspath(text)))
