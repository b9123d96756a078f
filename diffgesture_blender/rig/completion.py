# SPDX-License-Identifier: GPL-3.0-or-later
"""What names leave open and the hierarchy answers: hands, fingers from their roots, the bones that carry the legs.

Names of the same bone differ without end (``Index0``, ``Index``, ``Index_01a``), but a finger hangs on a hand and
runs from its knuckle to its tip, and a bone with a thigh below it is pelvis whatever it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from .families import FINGERS, SIDES
from .hand_shape import finger_slots, from_knuckle
from .names import name_words
from .skeleton import Skeleton

Slots = dict[str, tuple[str, ...]]

_FINGER_WORDS: Final = {
    "thumb": ("thumb", "pollex"),
    "index": ("index", "pointer", "fore", "forefinger"),
    "middle": ("middle", "mid"),
    "ring": ("ring", "third"),
    "pinky": ("pinky", "pinkie", "little", "small"),
}
# What is no phalanx though it hangs in a finger's line: its end, and the bone inside the palm.
_END: Final = re.compile(r"tip|end|nub|effector|leaf|top|goal|target")
_PALM: Final = re.compile(r"meta|carpal|palm|inhand|base|start|cup")
_NOT_FINGER: Final = re.compile(
    r"twist|roll|muscle|helper|corrective|ik|pole|master|drv|tweak|slot|weapon|prop|attach"
)
_SPINE: Final = re.compile(r"spine|chest|torso|abdomen|waist|stomach|belly|back|thorax|rib|trunk|lumbar|body")
_NECK: Final = re.compile(r"neck|cervical")
_ZERO: Final = 1e-4
# Two bones are in one place where their heads lie within this part of the body's size.
SAME_PLACE: Final = 0.002


def completed(slots: Mapping[str, tuple[str, ...]], skeleton: Skeleton) -> Slots:
    """The slots with what hangs together filled in; what is filled already is only lengthened."""
    found = {slot: names for slot, names in slots.items() if names}
    for side in SIDES:
        if f"forearm.{side}" in found and f"upper_arm.{side}" in found:
            _add_hand(found, side, skeleton)
            _add_fingers(found, side, skeleton)
            _add_clavicle(found, side, skeleton)
    _lengthen_trunk(found, skeleton)
    return found


def _used(slots: Slots) -> set[str]:
    return {name for names in slots.values() for name in names}


def _add_hand(slots: Slots, side: str, skeleton: Skeleton) -> None:
    """The hand of a forearm: what its fingers hang on, or the child that goes on from it."""
    if f"hand.{side}" in slots:
        return
    forearm = slots[f"forearm.{side}"][-1]
    for finger in FINGERS:
        if f"{finger}.{side}" not in slots:
            continue
        way = skeleton.path(forearm, slots[f"{finger}.{side}"][0])[1:-1]
        hands = [name for name in way if not set(name_words(name)) & set(_FINGER_WORDS[finger])]
        if hands and hands[0] not in _used(slots):
            slots[f"hand.{side}"] = (hands[0],)
            return
    length = skeleton.distance(slots[f"upper_arm.{side}"][0], slots[f"forearm.{side}"][0])
    below = [
        child
        for child in skeleton.children[forearm]
        if skeleton.distance(forearm, child) > 0.4 * length and not _NOT_FINGER.search(" ".join(name_words(child)))
    ]
    named = [child for child in below if re.search(r"hand|wrist|palm|fist", " ".join(name_words(child)))]
    carrying = [child for child in below if skeleton.children[child]]
    best = named or (carrying if len(carrying) == 1 else below if len(below) == 1 else [])
    if best and not any(word in name_words(best[0]) for words in _FINGER_WORDS.values() for word in words):
        slots[f"hand.{side}"] = (max(best, key=lambda name: (skeleton.height[name], name)),)


def _add_fingers(slots: Slots, side: str, skeleton: Skeleton) -> None:
    """Fingers that words name below the hand, and every finger from its root in the palm down to its tip."""
    hand = slots.get(f"hand.{side}", slots[f"forearm.{side}"])[-1]
    for finger in FINGERS:
        slot = f"{finger}.{side}"
        for root in (hand, *_in_its_place(hand, skeleton)):
            chain = _named_finger(finger, root, skeleton) if slot not in slots else []
            if chain and not set(chain) & _used(slots):
                slots[slot] = tuple(chain)
    for finger in FINGERS:
        slot = f"{finger}.{side}"
        if slot in slots:
            others = _used({s: n for s, n in slots.items() if s != slot})
            chain, tip = _whole_finger(list(slots[slot]), finger, hand, skeleton, others)
            slots[slot] = tuple(chain)
            if tip is not None and f"{finger}_tip.{side}" not in slots:
                slots[f"{finger}_tip.{side}"] = (tip,)
    if not any(f"{finger}.{side}" in slots for finger in FINGERS) and f"hand.{side}" in slots:
        by_shape = finger_slots(hand, side, skeleton)
        if len([slot for slot in by_shape if "_tip" not in slot]) >= 4 and not _used(by_shape) & _used(slots):
            slots.update(by_shape)


def _in_its_place(hand: str, skeleton: Skeleton) -> list[str]:
    """Other bones where the hand is, that carry something: control rigs have a hand for each of their chains."""
    return [name for name in skeleton.near(hand, SAME_PLACE * skeleton.size) if skeleton.height[name] >= 2]


def _named_finger(finger: str, hand: str, skeleton: Skeleton) -> list[str]:
    """The longest line of bones below the hand whose names have a word for the finger in them."""
    chains: list[list[str]] = []
    for name in skeleton.descendants(hand):
        if name in skeleton.constrained:  # moved by a finger's control, which is meant
            continue
        words = name_words(name)
        if not _says(words, finger):
            continue
        text = " ".join(words)
        if _NOT_FINGER.search(text) or _END.search(text) or _PALM.search(text):
            continue
        parents = [chain for chain in chains if skeleton.is_below(name, chain[-1])]
        if parents:
            parents[-1].append(name)
        else:
            chains.append([name])
    return max(chains, key=len, default=[])


@lru_cache(maxsize=1 << 14)
def _says(words: tuple[str, ...], finger: str) -> bool:
    joined = "".join(words)
    if finger == "middle" and any(word in joined for word in ("thumb", "index", "ring", "pink", "little")):
        return False
    return any(word in words or (len(word) > 4 and word in joined) for word in _FINGER_WORDS[finger])


def _whole_finger(
    chain: list[str], finger: str, hand: str, skeleton: Skeleton, others: set[str]
) -> tuple[list[str], str | None]:
    """A finger from the first bone that is its own up to its last, and its tip if the rig has one."""
    hands = (hand, *_in_its_place(hand, skeleton), skeleton.parents[hand] or hand)
    top = next((name for name in hands if skeleton.is_below(chain[0], name)), hand)
    above = [name for name in skeleton.path(top, chain[0])[1:-1] if name not in others and len(chain) < 3]
    while above and (_shared(above[0], chain[0], skeleton) or _PALM.search(" ".join(name_words(above[0])))):
        above.pop(0)
    inside = _between(chain, skeleton)
    chain = [*above, *(name for name in inside if name not in others)]
    while len(chain) < 3 and len(skeleton.children[chain[-1]]) == 1:
        child = skeleton.children[chain[-1]][0]
        if child in others or skeleton.distance(child, chain[-1]) < _ZERO * skeleton.size:
            break
        if _END.search(" ".join(name_words(child))):
            return _phalanges(chain, finger, hand, skeleton), child
        if not _leads_on(chain, child, skeleton):
            break
        chain.append(child)
    after = skeleton.children[chain[-1]]
    tip = after[0] if len(after) == 1 and after[0] not in others and len(chain) >= 3 else None
    return _phalanges(chain, finger, hand, skeleton), tip


def _between(chain: list[str], skeleton: Skeleton) -> list[str]:
    """The chain with bones that lie between two of its own and have a length."""
    path = skeleton.path(chain[0], chain[-1])
    if not path or len(path) > len(chain) + 2:
        return chain
    return [name for name in path if name in chain or not _NOT_FINGER.search(" ".join(name_words(name)))]


def _leads_on(chain: list[str], child: str, skeleton: Skeleton) -> bool:
    """Whether a last child is a phalanx and not the finger's end: named like one, or with a child of its own."""
    if skeleton.children[child]:
        return True
    alike = [word for word in name_words(chain[-1]) if not word.isdigit()]
    return [word for word in name_words(child) if not word.isdigit()] == alike


def _shared(name: str, below: str, skeleton: Skeleton) -> bool:
    """Whether a bone carries more than the one finger (a palm)."""
    return any(child != below and not skeleton.is_below(below, child) for child in skeleton.children[name])


def _phalanges(chain: list[str], finger: str, hand: str, skeleton: Skeleton) -> list[str]:
    if finger == "thumb" or len(chain) < 3:
        return chain[:3]
    return from_knuckle(chain, skeleton.heads[hand], skeleton, shortest=3)[:3]


def _add_clavicle(slots: Slots, side: str, skeleton: Skeleton) -> None:
    """The bone that carries an upper arm to the side, where the names did not tell it."""
    slot = f"clavicle.{side}"
    if slot in slots:
        return
    arm = slots[f"upper_arm.{side}"][0]
    other = slots.get(f"upper_arm.{'R' if side == 'L' else 'L'}", ())
    way: list[str] = []
    for name in skeleton.ancestors(arm):
        if name in _used(slots) or name in skeleton.constrained or (other and skeleton.is_below(other[0], name)):
            break
        way.append(name)
    if not other or not way:
        return
    length = {name: skeleton.distance(name, below) for name, below in zip(way, [arm, *way], strict=False)}
    best = max(way, key=lambda name: length[name])
    upper = skeleton.distance(arm, slots[f"forearm.{side}"][0])
    if 0.1 * upper < length[best] < 1.2 * upper:
        slots[slot] = (best,)


def _lengthen_trunk(slots: Slots, skeleton: Skeleton) -> None:
    """Bones of the spine and neck that the names missed, on the way from the pelvis to arms and head."""
    arms = [slots[f"upper_arm.{side}"][0] for side in SIDES if f"upper_arm.{side}" in slots]
    if not arms:
        return
    thighs = [slots[f"thigh.{side}"][0] for side in SIDES if f"thigh.{side}" in slots]
    way = [
        name for name in reversed(skeleton.ancestors(arms[0])) if all(skeleton.is_below(arm, name) for arm in arms)
    ]
    taken = _used({slot: names for slot, names in slots.items() if slot not in ("spine", "pelvis")})
    chain = slots.get("spine", ())
    named = [
        name
        for name in way
        if name not in taken
        and not any(skeleton.is_below(thigh, name) for thigh in thighs)
        and (name in chain or (name not in slots.get("pelvis", ()) and _is_spine(name, thighs, way, skeleton)))
        and (name in chain or name not in skeleton.constrained)
    ]
    if named and set(chain) <= set(named):
        slots["spine"] = tuple(named)
    head = slots.get("head", ())
    if head:
        top = slots["spine"][-1] if slots.get("spine") else next(iter(reversed(way)), None)
        between = skeleton.path(top, head[0])[1:-1] if top is not None else []
        between = [name for name in between if name not in taken or name in slots.get("neck", ())]
        neck = slots.get("neck", ())
        necks = [name for name in between if name in neck or _is_neck(name, skeleton)]
        if necks and set(neck) <= set(necks):
            slots["neck"] = tuple(necks)


def _is_neck(name: str, skeleton: Skeleton) -> bool:
    return bool(_NECK.search(" ".join(name_words(name)))) and name not in skeleton.constrained


def _is_spine(name: str, thighs: list[str], way: list[str], skeleton: Skeleton) -> bool:
    """Whether a bone on the way to the arms is spine: named so, with legs elsewhere or something before it."""
    if not _SPINE.search(" ".join(name_words(name))):
        return False
    return bool(thighs) or skeleton.parents[name] in way


def without_leg_carriers(slots: Mapping[str, tuple[str, ...]], skeleton: Skeleton, thighs: Iterable[str]) -> Slots:
    """The slots with every bone that carries a leg taken out of what is turned: it is the pelvis.

    ``thighs``: roots of the legs.
    """
    carriers = {above for thigh in thighs for above in (thigh, *skeleton.ancestors(thigh))}
    found = dict(slots)
    for slot in ("spine", "neck", "head"):
        names = found.get(slot, ())
        kept = tuple(name for name in names if name not in carriers)
        if kept == names:
            continue
        if slot == "spine":
            found["pelvis"] = (next(name for name in reversed(names) if name in carriers),)
        if kept:
            found[slot] = kept
        else:
            del found[slot]
    return found


def leg_roots(slots: Mapping[str, tuple[str, ...]], skeleton: Skeleton) -> list[str]:
    """Roots of the legs: named thighs, else the branches beside the trunk that reach far away from the head."""
    named = [slots[f"thigh.{side}"][0] for side in SIDES if slots.get(f"thigh.{side}")]
    named += [slots[f"foot.{side}"][0] for side in SIDES if slots.get(f"foot.{side}") and not named]
    if named:
        return named
    arms = [slots[f"upper_arm.{side}"][0] for side in SIDES if slots.get(f"upper_arm.{side}")]
    spine = slots.get("spine", ())
    if not arms or not spine:
        return []
    top = np.mean([skeleton.heads[arm] for arm in arms], axis=0)
    up = top - skeleton.heads[spine[0]]
    height = float(np.linalg.norm(up))
    if height < 1e-6 * skeleton.size:
        return []
    up = up / height
    reach = min(skeleton.reach[arm] for arm in arms)
    found = []
    for name in spine:
        for child in skeleton.children[name]:
            if child in _used(dict(slots)) or any(arm == child or skeleton.is_below(arm, child) for arm in arms):
                continue
            lowest = min(
                (float((skeleton.heads[n] - skeleton.heads[name]) @ up) for n in skeleton.descendants(child)),
                default=0.0,
            )
            if lowest < -0.5 * reach:
                found.append(child)
    return found if len(found) >= 2 else []
