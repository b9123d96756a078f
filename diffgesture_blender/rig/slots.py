# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bone map is: the bones of one armature that fill the slots of the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .families import KEYED_SLOTS, SPARE_SLOTS, DeformRule, Switch

SLOTS: Final = KEYED_SLOTS
CUSTOM: Final = "Custom"
SHAPE_ONLY: Final = "Unrecognised bone names; mapped by shape"


@dataclass(frozen=True)
class BoneMap:
    """Slots of the body and the bones of one armature that fill them; see the module's text."""

    family: str
    slots: Mapping[str, tuple[str, ...]]
    switches: tuple[Switch, ...] = ()
    deform: DeformRule = field(default_factory=DeformRule)
    missing: tuple[str, ...] = ()
    score: float = 0.0
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    source: str = "names"
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def bone(self, slot: str, index: int = 0) -> str | None:
        """Name of a slot's bone, or None."""
        names = self.slots.get(slot, ())
        return names[index] if -len(names) <= index < len(names) else None

    @property
    def keyed_bones(self) -> tuple[str, ...]:
        """The bones that gestures may turn, from the trunk to the finger tips, then spare twist bones."""
        return tuple(name for slot in (*KEYED_SLOTS, *SPARE_SLOTS) for name in self.slots.get(slot, ()))
