# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the machine, not of a scene: which engine, Python, device and checkpoint; as plain values."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from ..identity import ADDON_ID
from ..worker import Setup
from ..worker.torch_environment import TorchEnvironment
from .card import read_card

_OLDER_SAMPLER: Final = {"steps": 8, "guidance": 1.0}
"""What a card that says nothing means."""


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
        official = self.checkpoint is not None and read_card(self.checkpoint).get("network") == "official"
        needs_torch = self.device not in ("auto", "cpu") or official
        return Setup(self.python, self.checkpoint, self.engine, needs_torch)

    def has_stream(self, name: str) -> bool:
        """Whether the checkpoint was trained with that condition beside speech: style, cues or role."""
        return name in read_card(self.checkpoint).get("streams", {})

    def sampler_value(self, name: str) -> Any:
        """The card's own ``steps`` or ``guidance``; None where the card cannot be read or has no such value."""
        card = read_card(self.checkpoint)
        sampler = card.get("sampler", {})
        return (
            {**_OLDER_SAMPLER, **card, **(sampler if isinstance(sampler, dict) else {})}.get(name)
            if card
            else None
        )


def machine_settings(context: bpy.types.Context | None = None) -> Machine:
    """The preferences, or the defaults when the add-on was registered without them (scripts, tests)."""
    addon = (context or bpy.context).preferences.addons.get(ADDON_ID)
    preferences = addon.preferences if addon is not None else None
    if preferences is None:
        return Machine(python=private_python())
    return Machine(
        python=absolute_path(preferences.python_path) or private_python(),
        device=preferences.device,
        checkpoint=absolute_path(preferences.checkpoint_path),
        idle_minutes=preferences.idle_minutes,
        engine=preferences.engine,
    )


def torch_environment() -> TorchEnvironment:
    """The private environment with PyTorch, in the extension's user folder, whether it is there or not."""
    try:
        return TorchEnvironment(Path(bpy.utils.extension_path_user(ADDON_ID, path="torch", create=False)))
    except (ValueError, OSError):  # registered by a script, not installed
        return TorchEnvironment(Path(bpy.utils.user_resource("DATAFILES"), "diffgesture", "torch"))


def private_python() -> str | None:
    """The Python of the private environment, if that is complete."""
    environment = torch_environment()
    return str(environment.python) if environment.ready() is not None else None


def absolute_path(text: str) -> str | None:
    """A path typed by the user, absolute; None if empty.

    Links are not resolved: an environment's python is a link that must be called by its own name.
    """
    text = text.strip()
    if not text:
        return None
    return os.path.abspath(os.path.expanduser(bpy.path.abspath(text)))
