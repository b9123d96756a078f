# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps as data: one JSON file for each rig family in the folder ``rigs``.

Fields of a file: ``family`` (name for the user); ``bones``: slot -> bone names from root to tip, of which a rig
may lack some; ``sides``: what ``{side}`` stands for, left and right; ``switches``: custom properties that turn
IK limbs to FK; ``deform``: how a control's name becomes that of the bone that follows it; ``priority``: control
rigs go before the deform bones they contain.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

RIGS_FOLDER: Final = Path(__file__).resolve().parents[2] / "rigs"

FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")
CENTRE_SLOTS: Final = ("spine", "neck", "head")
ARM_SLOTS: Final = ("clavicle", "upper_arm", "forearm", "hand", *FINGERS)
# Slots that only tell where the body is; they are never keyed.
REFERENCE_CENTRE_SLOTS: Final = ("pelvis",)
REFERENCE_SIDE_SLOTS: Final = ("thigh", "foot", "toe", *(f"{finger}_tip" for finger in FINGERS))
SIDES: Final = ("L", "R")
KEYED_SLOTS: Final = (*CENTRE_SLOTS, *(f"{slot}.{side}" for side in SIDES for slot in ARM_SLOTS))


@dataclass(frozen=True)
class Switch:
    """A custom property of a pose bone and the value that hands the limb to its FK controls."""

    bone: str
    property: str
    value: float


@dataclass(frozen=True)
class DeformRule:
    """The bone that follows a control: ``prefix`` + the control's name without ``remove``."""

    prefix: str = ""
    remove: str = ""

    def bone_for(self, control: str) -> str:
        """Name of the bone that follows ``control``."""
        return self.prefix + (control.replace(self.remove, "") if self.remove else control)


@dataclass(frozen=True)
class RigFamily:
    """Bone names of a kind of rig: ``slots`` such as ``spine`` or ``hand.L`` -> names from root to tip."""

    name: str
    slots: dict[str, tuple[str, ...]]
    switches: tuple[Switch, ...] = ()
    deform: DeformRule = field(default_factory=DeformRule)
    priority: int = 0


def read_family(path: Path) -> RigFamily:
    """The family that a file describes (KeyError or ValueError when it does not)."""
    data = json.loads(path.read_text(encoding="utf-8"))
    side_names = dict(zip(SIDES, data["sides"], strict=True))
    slots: dict[str, tuple[str, ...]] = {}
    for slot, names in data["bones"].items():
        if slot in CENTRE_SLOTS or slot in REFERENCE_CENTRE_SLOTS:
            slots[slot] = tuple(names)
        elif slot in ARM_SLOTS or slot in REFERENCE_SIDE_SLOTS:
            for side, text in side_names.items():
                slots[f"{slot}.{side}"] = tuple(name.replace("{side}", text) for name in names)
        else:
            raise ValueError(f"{path.name}: unknown slot {slot}")
    switches = tuple(
        Switch(item["bone"].replace("{side}", text), item["property"], float(item["value"]))
        for item in data.get("switches", ())
        for text in side_names.values()
    )
    return RigFamily(
        name=data["family"],
        slots=slots,
        switches=switches,
        deform=DeformRule(**data.get("deform", {})),
        priority=int(data.get("priority", 0)),
    )


@cache
def load_families() -> tuple[RigFamily, ...]:
    """Every family of the folder ``rigs``, in the order of the file names."""
    return tuple(read_family(path) for path in sorted(RIGS_FOLDER.glob("*.json")))
