# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps as data: one JSON file for each rig family in the folder ``rigs``; docs/RIGS.md explains every field.

``family``: name for the user. ``bones``: slot -> bone names from root to tip, of which a rig may lack some; in a
name, ``{side}`` stands for the words of ``sides`` (left, right) and ``|`` separates spellings of the same bone. A
slot may also be given for one side (``hand.L``). ``marks``: names that tell this family from one with the same arm
names. ``switches``: custom properties that turn IK limbs to FK. ``deform``: how a control's name becomes that of
the bone that follows it. ``weights``: how spine and neck share a turn. ``priority``: 1 for control rigs, which go
before the deform bones that they contain; -1 for words so common that any other family goes before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..reading import Either, Items, Named, Real, Table, Text, Whole, read_json, understood

RIGS_FOLDER: Final = Path(__file__).resolve().parents[2] / "rigs"

FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")
CENTRE_SLOTS: Final = ("spine", "neck", "head")
ARM_SLOTS: Final = ("clavicle", "upper_arm", "forearm", "hand", *FINGERS)
# Spare bones beside the arm's chain that spread its twist over the skin; keyed, but nobody misses them.
TWIST_SLOTS: Final = ("upper_arm_twist", "forearm_twist")
# Slots that only tell where the body is; they are never keyed.
REFERENCE_CENTRE_SLOTS: Final = ("pelvis",)
REFERENCE_SIDE_SLOTS: Final = ("thigh", "foot", "toe", *(f"{finger}_tip" for finger in FINGERS))
SIDES: Final = ("L", "R")
KEYED_SLOTS: Final = (*CENTRE_SLOTS, *(f"{slot}.{side}" for side in SIDES for slot in ARM_SLOTS))
SPARE_SLOTS: Final = tuple(f"{slot}.{side}" for side in SIDES for slot in TWIST_SLOTS)
ALL_SLOTS: Final = (
    *REFERENCE_CENTRE_SLOTS,
    *KEYED_SLOTS,
    *SPARE_SLOTS,
    *(f"{slot}.{side}" for side in SIDES for slot in REFERENCE_SIDE_SLOTS),
)
_CENTRE: Final = (*REFERENCE_CENTRE_SLOTS, *CENTRE_SLOTS)
_SIDED: Final = (*ARM_SLOTS, *TWIST_SLOTS, *REFERENCE_SIDE_SLOTS)


@dataclass(frozen=True)
class Switch:
    """A property of a pose bone (or, without a bone, of the object) and the value that hands a limb to FK."""

    bone: str
    property: str
    value: float


@dataclass(frozen=True)
class DeformRule:
    """The bone that follows a control: by ``names``, else ``prefix`` + the control's name without ``remove``."""

    prefix: str = ""
    remove: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def bone_for(self, control: str) -> str:
        """Name of the bone that follows ``control``."""
        if control in self.names:
            return self.names[control]
        return self.prefix + (control.replace(self.remove, "") if self.remove else control)


@dataclass(frozen=True)
class RigFamily:
    """Bone names of a kind of rig: ``slots`` such as ``spine`` or ``hand.L`` -> spellings from root to tip.

    Every name is a tuple of spellings, each without its side: the side is the slot's.
    """

    name: str
    slots: dict[str, tuple[tuple[str, ...], ...]]
    marks: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()
    deform: DeformRule = field(default_factory=DeformRule)
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    priority: int = 0


_MAX_BYTES: Final = 4 << 20
_PAIR: Final = Items(Text(), 2, 2)
_FAMILY: Final = Table(
    {"family": Text(), "bones": Named(Items(Text(), 1000), 1000)},
    {
        "sides": Either((_PAIR, Items(_PAIR, 100, 1))),
        "marks": Items(Text(), 1000),
        "switches": Items(Table({"bone": Text(), "property": Text(), "value": Real()}), 1000),
        "deform": Table(optional={"prefix": Text(), "remove": Text(), "names": Named(Text())}),
        "weights": Named(Items(Real(), 1000), 1000),
        "priority": Whole(-10, 10),
    },
    open=True,
)
"""What a bone map holds; other fields are for people."""


def family_from_data(data: Mapping[str, Any]) -> RigFamily:
    """The family that the contents of a file describe (ValueError when they do not)."""
    data = _FAMILY(data, "the map")
    sides = data.get("sides", SIDES)
    # A family may have several words for its sides; the search for names knows them all.
    pairs = [tuple(sides)] if isinstance(sides[0], str) else [tuple(pair) for pair in sides]
    slots: dict[str, tuple[tuple[str, ...], ...]] = {}
    for slot, names in data["bones"].items():
        part, _, side = slot.partition(".")
        spellings = tuple(tuple(name.split("|")) for name in names)
        if (part in _CENTRE and not side) or (part in _SIDED and side in SIDES):
            slots[slot] = spellings
        elif part in _SIDED and not side:
            slots.update({f"{part}.{each}": spellings for each in SIDES})
        else:
            raise ValueError(f"unknown slot {slot}")
    switches = [
        Switch(
            item["bone"].replace("{side}", word), item["property"].replace("{side}", word), float(item["value"])
        )
        for item in data.get("switches", ())
        for pair in pairs
        for word in pair
    ]
    deform = dict(data.get("deform", {}))
    deform["names"] = {
        control.replace("{side}", word): bone.replace("{side}", word)
        for control, bone in deform.get("names", {}).items()
        for pair in pairs
        for word in pair
    }
    return RigFamily(
        name=str(data["family"]),
        slots=slots,
        marks=tuple(data.get("marks", ())),
        switches=tuple(dict.fromkeys(switches)),
        deform=DeformRule(**deform),
        weights={slot: tuple(float(w) for w in weights) for slot, weights in data.get("weights", {}).items()},
        priority=int(data.get("priority", 0)),
    )


def read_family(path: Path) -> RigFamily:
    """The family of a file. DiffGestureError, with what is wrong, if it is no bone map."""
    with understood(f"The bone map {path.name} cannot be used", hint=" See docs/RIGS.md for its form."):
        return family_from_data(read_json(path, "bone map", limit=_MAX_BYTES))


@cache
def load_families(folder: Path = RIGS_FOLDER) -> tuple[RigFamily, ...]:
    """Every family of a folder, in the order of the file names."""
    return tuple(read_family(path) for path in sorted(folder.glob("*.json")))
