# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of an armature is the left forearm: families of names, checked against hierarchy and geometry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import DiffGestureError
from .body_frame import facing_evidence
from .families import KEYED_SLOTS, SIDES, DeformRule, RigFamily, Switch, load_families

if TYPE_CHECKING:
    import bpy

# Without these no gesture can be shown.
_ESSENTIAL: Final = tuple(f"{slot}.{side}" for side in SIDES for slot in ("upper_arm", "forearm"))
# Slot -> the slot that must be among its ancestors.
_BELOW: Final = {
    **{f"forearm.{side}": f"upper_arm.{side}" for side in SIDES},
    **{f"hand.{side}": f"forearm.{side}" for side in SIDES},
}
_SWAPPED_EVIDENCE: Final = -0.5


@dataclass(frozen=True)
class BoneMap:
    """Slots of the body and the bones of one armature that fill them.

    ``slots``: ``spine``, ``neck``, ``head``, ``clavicle.L``, ``upper_arm.L``, ``forearm.L``, ``hand.L``,
    ``thumb.L`` ... ``pinky.L`` and the same with ``.R``, each with its bones from root to tip; ``.L`` is the
    character's own left. Slots of ``pelvis``, ``thigh``, ``foot``, ``toe`` and finger tips only say where the
    body is. ``missing``: slots the rig does not fill. ``score``: share of the slots filled, 0 to 1.
    """

    family: str
    slots: Mapping[str, tuple[str, ...]]
    switches: tuple[Switch, ...] = ()
    deform: DeformRule = field(default_factory=DeformRule)
    missing: tuple[str, ...] = ()
    score: float = 0.0
    notes: tuple[str, ...] = ()

    def bone(self, slot: str, index: int = 0) -> str | None:
        """Name of a slot's bone, or None."""
        names = self.slots.get(slot, ())
        return names[index] if -len(names) <= index < len(names) else None

    @property
    def keyed_bones(self) -> tuple[str, ...]:
        """The bones that gestures may turn, from the trunk to the finger tips."""
        return tuple(name for slot in KEYED_SLOTS for name in self.slots.get(slot, ()))


@dataclass(frozen=True)
class _Bones:
    """What the search needs to know of an armature; ``heads`` (3,) in armature space."""

    parents: dict[str, str | None]
    heads: dict[str, np.ndarray]

    def is_below(self, name: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is an ancestor of ``name``."""
        parent = self.parents[name]
        while parent is not None and parent != ancestor:
            parent = self.parents[parent]
        return parent is not None


def canonical_name(name: str) -> str:
    """Letters and digits only, lower case; zeros that pad a number after a separator go (``_01`` -> ``1``)."""
    text = unicodedata.normalize("NFKC", name).lower()
    text = re.sub(r"[^a-z0-9]+0+(?=[0-9])", " ", text)
    return re.sub(r"[^a-z0-9]+", "", text)


def find_bone_map(armature_object: bpy.types.Object) -> BoneMap:
    """The map of the family that fits best. DiffGestureError if the armature has no arms that can be told."""
    if armature_object is None or armature_object.type != "ARMATURE":
        raise DiffGestureError("Choose an armature: gestures can only be put on the bones of an armature.")
    bones = _Bones(
        parents={b.name: b.parent.name if b.parent else None for b in armature_object.data.bones},
        heads={b.name: np.array(b.head_local, dtype=float) for b in armature_object.data.bones},
    )
    candidates = [
        candidate
        for family in load_families()
        for prefix in _prefixes(family, bones.parents)
        if (candidate := _match(family, prefix, bones)) is not None
    ]
    if not candidates:
        raise DiffGestureError(
            f"No upper arms and forearms were found in the armature {armature_object.name}: its bone names "
            "follow none of the known rig families, or it has no arms. Choose another armature or rename the "
            "arm bones, for instance upper_arm.L, forearm.L, hand.L and the same with .R."
        )
    priority, best = max(candidates, key=lambda item: (item[0], item[1].score))
    del priority
    return best


def _prefixes(family: RigFamily, names: Iterable[str]) -> set[str]:
    """What may stand before every name of the family in this armature (``mixamorig``, ``bip01``, nothing)."""
    endings = {canonical_name(family.slots[slot][0]) for slot in ("upper_arm.L", "upper_arm.R")}
    found = set()
    for name in names:
        canonical = canonical_name(name)
        found |= {canonical.removesuffix(ending) for ending in endings if canonical.endswith(ending)}
    return found


def _match(family: RigFamily, prefix: str, bones: _Bones) -> tuple[int, BoneMap] | None:
    """The family's map with that prefix and the family's priority; None if an arm is missing."""
    by_canonical: dict[str, str] = {}
    for name in bones.parents:
        by_canonical.setdefault(canonical_name(name), name)
    slots: dict[str, tuple[str, ...]] = {}
    for slot, names in family.slots.items():
        present = [by_canonical.get(prefix + canonical_name(name)) for name in names]
        chain = _in_parent_order([name for name in present if name is not None], bones)
        if chain:
            slots[slot] = chain
    for slot, ancestor in _BELOW.items():
        if slot in slots and ancestor in slots and not bones.is_below(slots[slot][0], slots[ancestor][0]):
            del slots[slot]
    if any(slot not in slots for slot in _ESSENTIAL):
        return None
    notes: tuple[str, ...] = ()
    if facing_evidence(bones.heads, slots) < _SWAPPED_EVIDENCE:
        slots = {_other_side(slot): names for slot, names in slots.items()}
        notes = ("The bones named left lie on the character's right; they are used by where they lie.",)
    missing = tuple(slot for slot in KEYED_SLOTS if slot not in slots)
    return family.priority, BoneMap(
        family=family.name,
        slots=slots,
        switches=tuple(switch for switch in family.switches if switch.bone in bones.parents),
        deform=family.deform,
        missing=missing,
        score=1.0 - len(missing) / len(KEYED_SLOTS),
        notes=notes,
    )


def _in_parent_order(names: list[str], bones: _Bones) -> tuple[str, ...]:
    """The bones of a chain that really lie below each other."""
    chain: list[str] = []
    for name in names:
        if not chain or bones.is_below(name, chain[-1]):
            chain.append(name)
    return tuple(chain)


def _other_side(slot: str) -> str:
    return {"L": f"{slot[:-1]}R", "R": f"{slot[:-1]}L"}[slot[-1]] if slot[-2:] in (".L", ".R") else slot
