# SPDX-License-Identifier: GPL-3.0-or-later
"""What real characters carry besides a body: skirts, tails, hair, weapons, heels, palm bones, wings, IK targets.

Each adds bones to a family's skeleton (see family_skeletons) and leaves its slots true.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from family_skeletons import FamilySkeleton
from mathutils import Vector

Bones = list[dict]
_SIDES = (("L", 1.0), ("R", -1.0))


def _chain(bones: Bones, name: str, parent: str | None, start: Vector, step: Vector, count: int) -> None:
    for index in range(count):
        head = start + step * index
        bones.append({"name": f"{name}_{index}", "parent": parent, "head": head, "tail": head + step * 0.9})
        parent = f"{name}_{index}"


def _head_of(bones: Bones, name: str) -> Vector:
    return Vector(next(bone["head"] for bone in bones if bone["name"] == name))


def skirt(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    pelvis = skeleton.slots["pelvis"][0]
    hips = _head_of(bones, pelvis)
    length = dice.uniform(0.08, 0.16)
    for side, sign in _SIDES:
        for index, forwards in enumerate((-0.10, -0.04, 0.04, 0.10)[: dice.randint(2, 4)]):
            start = hips + Vector((sign * 0.14, forwards, 0.0))
            _chain(bones, f"cloth{index}{side}", pelvis, start, Vector((sign * 0.03, 0.3 * forwards, -length)), 4)


def tail(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    pelvis = skeleton.slots["pelvis"][0]
    step = Vector((0, dice.uniform(0.05, 0.12), dice.uniform(-0.08, 0.04)))
    _chain(bones, "whip", pelvis, _head_of(bones, pelvis) + Vector((0, 0.08, 0)), step, dice.randint(3, 8))


def hair(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    head = skeleton.slots["head"][0]
    for side, sign in _SIDES:
        start = _head_of(bones, head) + Vector((sign * 0.08, 0.06, 0.12))
        _chain(bones, f"lock{side}", head, start, Vector((sign * 0.02, 0.03, -dice.uniform(0.06, 0.14))), 6)


def weapon(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    hand = skeleton.slots[f"hand.{dice.choice('LR')}"][0]
    start = _head_of(bones, hand) + Vector((0, -0.03, -0.03))
    _chain(bones, "blade", hand, start, Vector((0, -dice.uniform(0.1, 0.4), 0.05)), dice.randint(1, 4))


def heels(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    for side, word in zip("LR", skeleton.names.sides, strict=True):
        foot = skeleton.names.legs[2].replace("{s}", word).replace("{1}", side)
        start = _head_of(bones, foot) + Vector((0, dice.uniform(0.03, 0.06), -0.07))
        _chain(bones, f"back{side}", foot, start, Vector((0, 0.02, 0)), 1)


def palms(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    """A bone in the palm before every finger that has none, near the wrist."""
    for side in "LR":
        hand = skeleton.slots[f"hand.{side}"][0]
        wrist = _head_of(bones, hand)
        for finger in ("index", "middle", "ring", "pinky"):
            first = next(b for b in bones if b["name"] == skeleton.slots[f"{finger}.{side}"][0])
            if first["parent"] != hand:
                continue
            near = wrist.lerp(Vector(first["head"]), dice.uniform(0.15, 0.3))
            name = f"inner{finger}{side}"
            bones.append({"name": name, "parent": hand, "head": near, "tail": first["head"]})
            first["parent"] = name


def wings(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    chest = skeleton.slots["spine"][-1]
    for side, sign in _SIDES:
        start = _head_of(bones, chest) + Vector((sign * 0.06, 0.12, 0.02))
        step = Vector((sign * dice.uniform(0.12, 0.3), 0.08, dice.uniform(-0.05, 0.12)))
        _chain(bones, f"vane{side}", chest, start, step, 4)


def lower_arms(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    """A second pair of arms, farther down, without fingers."""
    chest = skeleton.slots["spine"][0]
    for side, sign in _SIDES:
        start = _head_of(bones, chest) + Vector((sign * 0.15, 0.0, 0.05))
        step = Vector((sign * dice.uniform(0.16, 0.24), 0.0, dice.uniform(-0.12, 0.0)))
        _chain(bones, f"limb{side}", chest, start, step, 3)


def targets(bones: Bones, skeleton: FamilySkeleton, dice: random.Random) -> None:
    """Targets and poles of an IK, on the root or on nothing."""
    for side, sign in _SIDES:
        for name, place in (("hold", (0.7, -0.1, 1.4)), ("aim", (0.1, -0.9, 0.5)), ("stand", (0.1, 0.0, 0.09))):
            start = Vector((sign * place[0], place[1], place[2]))
            _chain(bones, f"{name}{side}", None, start, Vector((0, 0, 0.08)), dice.randint(1, 2))


ODDITIES: dict[str, Callable[[Bones, FamilySkeleton, random.Random], None]] = {
    each.__name__: each for each in (skirt, tail, hair, weapon, heels, palms, wings, lower_arms, targets)
}
