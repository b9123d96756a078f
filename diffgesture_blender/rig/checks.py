# SPDX-License-Identifier: GPL-3.0-or-later
"""What geometry says against a bone map: sides exchanged, arms of two lengths, a head below the chest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from .body_frame import body_frame, facing_evidence, shoulder_middle
from .names import split_sides
from .skeleton import Skeleton

_SWAPPED_EVIDENCE: Final = -1.2
_MOST_UNEQUAL: Final = 1.25
_SLIMMEST: Final = 0.12
# Slots by whose names a side is told, and how many of them must say it.
_TELLING: Final = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "foot")
_FEWEST_VOTES: Final = 4


def wrong_sides(skeleton: Skeleton, slots: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether toes, thumbs and elbows agree that what is called left lies on the character's right."""
    return facing_evidence(skeleton.heads, slots) < _SWAPPED_EVIDENCE


def named_sides(skeleton: Skeleton, slots: Mapping[str, tuple[str, ...]]) -> int:
    """1 where the names of arms and legs agree with the slots' sides, -1 where they contradict, 0 if neither."""
    read = dict(zip(skeleton.parents, split_sides(skeleton.parents), strict=True))
    votes = [
        1 if read[names[0]][1] == slot[-1] else -1
        for slot, names in slots.items()
        if slot.partition(".")[0] in _TELLING and read[names[0]][1]
    ]
    return 0 if len(votes) < _FEWEST_VOTES or abs(sum(votes)) < len(votes) else int(np.sign(votes[0]))


def swap_sides(slots: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The slots with left and right exchanged."""
    return {_other_side(slot): names for slot, names in slots.items()}


def _other_side(slot: str) -> str:
    return {"L": f"{slot[:-1]}R", "R": f"{slot[:-1]}L"}[slot[-1]] if slot[-2:] in (".L", ".R") else slot


def doubts(skeleton: Skeleton, slots: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Sentences about what is missing or cannot be right; empty for a sound map."""
    found = []
    for part in ("spine", "head"):
        if part not in slots:
            found.append(f"No bone was found for the {part}; it stays still.")
    for side, name in (("L", "left"), ("R", "right")):
        if f"upper_arm.{side}" not in slots:
            found.append(f"No {name} arm was found; only the other one gestures.")
        elif f"hand.{side}" not in slots:
            found.append(f"No bone was found for the {name} hand; the motion ends at the wrist.")
    found += _unequal_arms(skeleton, slots)
    up = body_frame(skeleton.heads, slots)[1]
    if "head" in slots:
        shoulders = shoulder_middle(skeleton.heads, slots)
        if (skeleton.heads[slots["head"][0]] - shoulders) @ up < 0 and "spine" in slots:
            found.append(f"{slots['head'][0]} was taken for the head but lies below the shoulders; check the map.")
    return found


def _unequal_arms(skeleton: Skeleton, slots: Mapping[str, tuple[str, ...]]) -> list[str]:
    found = []
    for start, end in (("upper_arm", "forearm"), ("forearm", "hand")):
        if not all(f"{slot}.{side}" in slots for slot in (start, end) for side in "LR"):
            continue
        left, right = (skeleton.distance(slots[f"{start}.{s}"][0], slots[f"{end}.{s}"][0]) for s in "LR")
        if min(left, right) < 1e-6 * skeleton.size:
            found.append(f"The bone of the {start} has no length: {slots[f'{start}.L'][0]}; check the map.")
        elif max(left, right) > _MOST_UNEQUAL * min(left, right):
            factor = max(left, right) / min(left, right)
            found.append(
                f"The {start.replace('_', ' ')}s differ in length by a factor of {factor:.1f}"
                f" ({slots[f'{start}.L'][0]}, {slots[f'{start}.R'][0]}); check the map."
            )
    if all(f"{slot}.{side}" in slots for slot in ("upper_arm", "forearm", "hand") for side in "LR"):
        upper, fore = (
            skeleton.distance(slots[f"{a}.L"][0], slots[f"{b}.L"][0])
            for a, b in (("upper_arm", "forearm"), ("forearm", "hand"))
        )
        if min(upper, fore) < _SLIMMEST * max(upper, fore) and np.isfinite(upper + fore):
            found.append("Upper arm and forearm are of very different length; check the map.")
    return found
