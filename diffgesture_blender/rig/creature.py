# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a skeleton whose arms were found is a person's at all: animals and machines have limbs, too.

Only the shape is asked. A person's legs go on from the trunk, or he sits; his arms hang or reach to the sides and
end in fingers. A horse's forelegs go where its hind legs go, square to its trunk; an insect has many legs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from .body_frame import body_frame, joint, shoulder_middle
from .families import FINGERS, SIDES
from .quaternion import normalize
from .skeleton import Skeleton
from .symmetry import find_plane, like_pairs, limb_pairs, longest_way

FloatArray = np.ndarray
Slots = Mapping[str, tuple[str, ...]]

# With this many fingers on each hand it is a person, however it rests.
_FINGERS: Final = 3
# Cosine between the way of a foreleg and a hind leg, and the part of both that is square to the trunk.
_ALIKE: Final = 0.7
_SQUARE: Final = 0.55
# Degrees between legs and the trunk's line, from which on nothing that stands is a person.
_LEAST_UPRIGHT: Final = 50.0
# What is this long against the longest limb is one, too, if its ends are this far from the middle plane.
_LIMB: Final = 0.6
_APART: Final = 0.05


def not_a_person(skeleton: Skeleton, slots: Slots, *, named: bool) -> str | None:
    """Why a found map is no person's, as half a sentence, or None. ``named``: the arms are called arms."""
    fingers = min(_fingers(slots, side) for side in SIDES if f"upper_arm.{side}" in slots)
    if fingers >= _FINGERS:
        return None
    legs = _legs(skeleton, slots)
    if named and legs is None:
        return None
    head = joint(skeleton.heads, slots, "head")
    if not named and head is None:
        return "it has no head above its arms"
    if not named and legs is None:
        return "it has neither legs nor hands with fingers"
    up = body_frame(skeleton.heads, slots)[1]
    shoulders = shoulder_middle(skeleton.heads, slots)
    if not named and head is not None and (head - shoulders) @ up < 0:
        return "its head lies below its arms"
    if legs is None:
        return None
    hips = np.mean([skeleton.heads[root] for root, _ in legs], axis=0)
    trunk = normalize(shoulders - hips)
    leg = normalize(np.mean([end - skeleton.heads[root] for root, end in legs], axis=0))
    arms = [longest_way(slots[f"upper_arm.{side}"][0], skeleton) for side in SIDES if f"upper_arm.{side}" in slots]
    arm = np.mean([skeleton.heads[way[-1]] - skeleton.heads[way[0]] for way in arms], axis=0)
    reach = max(float(np.linalg.norm(skeleton.heads[way[-1]] - skeleton.heads[way[0]])) for way in arms)
    square = float(np.linalg.norm(leg - (leg @ trunk) * trunk))
    if square > _SQUARE and arm @ leg > _ALIKE * reach:
        return "it walks on its arms"
    if not named and np.degrees(np.arccos(np.clip(-leg @ trunk, -1.0, 1.0))) > _LEAST_UPRIGHT:
        return "its trunk does not stand on its legs"
    if not named and _more_limbs(skeleton, slots, legs):
        return "it has more than two arms and two legs"
    if not named and _tail(skeleton, slots, [root for root, _ in legs]) > np.linalg.norm(shoulders - hips):
        return "its tail is longer than its trunk"
    return None


def _fingers(slots: Slots, side: str) -> int:
    return sum(f"{finger}.{side}" in slots for finger in FINGERS)


def _legs(skeleton: Skeleton, slots: Slots) -> list[tuple[str, FloatArray]] | None:
    """Root and ankle (or whatever the leg ends in) of both legs."""
    found = []
    for side in SIDES:
        root = slots.get(f"thigh.{side}", ())
        if not root:
            return None
        ankle = joint(skeleton.heads, slots, f"foot.{side}")
        end = skeleton.heads[longest_way(root[0], skeleton)[-1]] if ankle is None else ankle
        found.append((root[0], end))
    return found


def _more_limbs(skeleton: Skeleton, slots: Slots, legs: list[tuple[str, FloatArray]]) -> bool:
    """Whether pairs of limbs are left that are about as long as arms and legs."""
    arms = [slots[f"upper_arm.{side}"][0] for side in SIDES if f"upper_arm.{side}" in slots]
    length = max(skeleton.reach[root] for root in (*arms, *(root for root, _ in legs)))
    pairs = like_pairs(skeleton)
    plane = find_plane(skeleton, pairs)
    if plane is None:
        return False
    used = {*arms, *(root for root, _ in legs)}
    used |= {above for name in tuple(used) for above in skeleton.ancestors(name)}
    above = {name for slot in ("neck", "head") for name in slots.get(slot, ())}
    for pair in limb_pairs(skeleton, pairs, plane):
        # Ears and hair, and the targets of an IK, are no limbs.
        if pair.parent is None or above & {pair.parent, *skeleton.ancestors(pair.parent)}:
            continue
        if skeleton.parents[pair.parent] is None and pair.parent not in slots.get("pelvis", ()):
            continue
        apart = abs(plane.side(skeleton.heads[pair.ends[0]])) > _APART * skeleton.size
        if pair.reach >= _LIMB * length and apart and len(pair.twins) >= 3 and pair.left not in used:
            return True
    return False


def _tail(skeleton: Skeleton, slots: Slots, legs: list[str]) -> float:
    """How far bones go on from where the legs leave, to anywhere but arms and legs."""
    arms = [slots[f"upper_arm.{side}"][0] for side in SIDES if f"upper_arm.{side}" in slots]
    longest = 0.0
    for hips in set(skeleton.ancestors(legs[0])) & set(skeleton.ancestors(legs[1])):
        for child in skeleton.children[hips]:
            if child in legs or any(arm == child or skeleton.is_below(arm, child) for arm in (*arms, *legs)):
                continue
            longest = max(longest, skeleton.reach[child])
    return longest
