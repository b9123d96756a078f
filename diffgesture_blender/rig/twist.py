# SPDX-License-Identifier: GPL-3.0-or-later
"""Split arm bones and spare twist bones: which there are, and how much of the arm's twist each one takes.

A forearm is straight at the elbow and turned at the wrist. Rigs spread that over split bones that lie one behind
the other (Daz, GENEA, MMD) or over spare bones beside the forearm (Unreal, Character Creator).
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from .names import canonical_name
from .skeleton import Skeleton

FloatArray = np.ndarray

_TWIST_WORD: Final = re.compile(r"twist|roll(?!ing)|捩|捻")
_LIMBS: Final = (("upper_arm", "forearm"), ("forearm", "hand"))
_OFF_AXIS: Final = 0.15
_SPLIT_OFF_AXIS: Final = 0.12


def with_twist_bones(slots: dict[str, tuple[str, ...]], skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """The slots with every split bone in its limb's chain and every spare twist bone in a slot of its own."""
    taken = {name for names in slots.values() for name in names}
    for side in "LR":
        for slot, next_slot in ((f"{a}.{side}", f"{b}.{side}") for a, b in _LIMBS):
            spare_slot = f"{slot[:-2]}_twist.{side}"
            given = slots.pop(spare_slot, ())
            if slot not in slots or next_slot not in slots:
                continue
            first, end = slots[slot][0], slots[next_slot][0]
            path = skeleton.path(first, end)[:-1]
            listed = [*slots[slot], *given]
            slots[slot] = tuple(
                name
                for name in path
                if name in listed or (name not in taken and _is_split(name, first, end, skeleton))
            )
            beside = [name for name in listed if name not in path]
            beside += [name for name in _spare(path, skeleton, taken) if name not in beside]
            beside = [n for n in beside if n not in skeleton.constrained and _along(n, first, end, skeleton)]
            if beside:
                place = {n: place_along(*(skeleton.heads[each] for each in (n, first, end)))[0] for n in beside}
                slots[spare_slot] = tuple(sorted(beside, key=lambda n: round(place[n], 3)))
    return slots


def _is_split(name: str, first: str, end: str, skeleton: Skeleton) -> bool:
    """Whether an unmapped bone between two joints is a part of the limb: free and on its line."""
    return name == first or (
        name not in skeleton.constrained and _along(name, first, end, skeleton, _SPLIT_OFF_AXIS)
    )


def _spare(path: list[str], skeleton: Skeleton, taken: set[str]) -> list[str]:
    """Bones named for twist that hang on the limb and carry nothing but their like."""
    found: list[str] = []
    waiting = [child for name in path for child in skeleton.children[name]]
    while waiting:
        name = waiting.pop(0)
        if name in path or name in taken or not _TWIST_WORD.search(canonical_name(name)):
            continue
        found.append(name)
        waiting = [*skeleton.children[name], *waiting]
    return found


def _along(name: str, first: str, end: str, skeleton: Skeleton, tolerance: float = _OFF_AXIS) -> bool:
    """Whether a bone's head lies on the line between two joints."""
    place, off = place_along(skeleton.heads[name], skeleton.heads[first], skeleton.heads[end])
    return -0.1 <= place <= 1.05 and off < tolerance


def place_along(point: FloatArray, start: FloatArray, end: FloatArray) -> tuple[float, float]:
    """Where a point lies between two joints (0 to 1), and how far off the line, in lengths of it."""
    line = end - start
    length = float(np.linalg.norm(line))
    if length < 1e-9:
        return 0.0, np.inf
    place = float((point - start) @ line) / length**2
    return place, float(np.linalg.norm(point - start - place * line)) / length


def shares(places: list[float], *, whole_at_end: bool) -> list[float]:
    """How much of a twist that grows from 0 to 1 along a limb each of its parts takes: that of its middle.

    ``places``: where the parts begin, in ascending order. ``whole_at_end``: the last has all of it.
    """
    starts = [min(max(place, 0.0), 1.0) for place in places]
    ends = [*starts[1:], 1.0]
    found = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    if whole_at_end and found:
        found[-1] = 1.0
    return found
