# SPDX-License-Identifier: GPL-3.0-or-later
"""Plausible skeletons of every family in several rest poses, with the truth about which bone is which.

Metres; the character faces -Y, Z is up, its left is +X. Joints are a human's; what differs is how a family names,
splits and hangs its bones, where bone tails go, and how the arms are held at rest.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from family_names import FAMILIES, FINGERS, Names
from mathutils import Quaternion, Vector

# Degrees: arms below the horizontal, arms forwards, bend of the elbow, twist of the hand from palm down.
REST_POSES = {
    "T": (0.0, 0.0, 0.0, 0.0),
    "A": (42.0, 8.0, 18.0, 25.0),
    "I": (78.0, 4.0, 8.0, 60.0),
}
_SHOULDER, _UPPER, _FORE = (0.17, 0.0, 1.42), 0.28, 0.25
_KNUCKLES = {"index": -0.030, "middle": -0.010, "ring": 0.012, "pinky": 0.032}
_PHALANX = {"index": 0.030, "middle": 0.033, "ring": 0.030, "pinky": 0.024}


@dataclass(frozen=True)
class FamilySkeleton:
    """Bones as dictionaries (name, parent, head, tail) and the slots that a right map gives them."""

    names: Names
    bones: list[dict]
    slots: dict[str, tuple[str, ...]]


def family_skeleton(key: str, pose: str = "T", *, proportions: float = 1.0, seed: int = 0) -> FamilySkeleton:
    """The skeleton of a family in a rest pose. ``proportions``: length of the arms against a human's."""
    return _Builder(FAMILIES[key], REST_POSES[pose], proportions, seed).build()


class _Builder:
    def __init__(self, names: Names, pose: tuple[float, ...], arms: float, seed: int) -> None:
        self.names, self.pose, self.arms = names, pose, arms
        self.random = random.Random(seed)
        self.joints: dict[str, Vector] = {}
        self.parents: dict[str, str | None] = {}
        self.slots: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, parent: str | None, head: Vector) -> str:
        assert name not in self.joints, name
        self.joints[name], self.parents[name] = Vector(head), parent
        return name

    def build(self) -> FamilySkeleton:
        names = self.names
        parent: str | None = None
        for index, root in enumerate(names.roots):
            parent = self.add(root, parent, Vector((0, 0, 0.3 * index)))
        self.root = names.roots[0] if names.roots else None
        pelvis = self.add(names.pelvis, parent, Vector((0, 0, 0.95)))
        self.slots["pelvis"] = (pelvis,)
        chest = self._column("spine", names.spine, pelvis, 1.02, 1.40)
        neck = self._column("neck", names.neck, chest, 1.46, 1.56)
        self.head = self.add(names.head, neck, Vector((0, -0.01, 1.56)))
        self.slots["head"] = (self.head,)
        hips = pelvis
        if names.legs_on.startswith("+"):
            hips = self.add(names.legs_on[1:], pelvis, Vector((0, 0, 0.96)))
        elif names.legs_on == "spine":  # what carries the legs is pelvis, whatever it is called
            hips = names.spine[0]
            self.slots["pelvis"], self.slots["spine"] = (hips,), names.spine[1:]
        for side, word, sign in (("L", names.sides[0], 1.0), ("R", names.sides[1], -1.0)):
            self._arm(side, word, sign, neck if names.arms_on == "neck" else chest)
            self._leg(side, word, sign, hips)
        self._loose(chest)
        return FamilySkeleton(names, self._with_tails(), self.slots)

    def _column(self, slot: str, names: tuple[str, ...], parent: str, low: float, high: float) -> str:
        for index, name in enumerate(names):
            height = low + (high - low) * index / max(len(names), 1)
            parent = self.add(name, parent, Vector((0, 0.01 * (1 - index), height)))
        self.slots[slot] = names
        return parent

    def _name(self, pattern: str, side: str, word: str) -> str:
        return pattern.replace("{s}", word).replace("{1}", side)

    def _arm(self, side: str, word: str, sign: float, parent: str) -> None:
        names = self.names
        down, forwards, bend, twist = (math.radians(angle) for angle in self.pose)
        shoulder = Vector((sign * _SHOULDER[0], _SHOULDER[1], _SHOULDER[2]))
        upper = Quaternion((0, 0, 1), -sign * forwards) @ Quaternion((0, 1, 0), sign * down)
        fore = upper @ Quaternion((0, 0, 1), -sign * bend)
        hand = fore @ Quaternion((1, 0, 0), -twist)
        x = Vector((sign * self.arms, 0, 0))
        elbow = shoulder + upper @ (x * _UPPER)
        wrist = elbow + fore @ (x * _FORE)
        clavicle = self.add(self._name(names.clavicle, side, word), parent, Vector((sign * 0.025, 0.0, 1.41)))
        self.slots[f"clavicle.{side}"] = (clavicle,)
        above = self._limb("upper_arm", side, word, names.upper_arm, clavicle, shoulder, elbow)
        below = self._limb("forearm", side, word, names.forearm, above, elbow, wrist)
        root = self.add(self._name(names.hand, side, word), below, wrist)
        self.slots[f"hand.{side}"] = (root,)

        def at(along: float, across: float, up: float) -> Vector:
            return wrist + hand @ Vector((sign * self.arms * along, across, up))

        for finger in FINGERS:
            if finger in names.fingers:
                self._finger(finger, side, word, root, at)

    def _limb(
        self,
        slot: str,
        side: str,
        word: str,
        parts: tuple[tuple[str, float], ...],
        parent: str,
        start: Vector,
        end: Vector,
    ) -> str:
        chain: list[str] = []
        spare: list[str] = []
        for pattern, place in parts:
            beside = pattern.startswith("+")
            name = self._name(pattern.removeprefix("+"), side, word)
            self.add(name, chain[0] if beside else (chain[-1] if chain else parent), start.lerp(end, place))
            (spare if beside else chain).append(name)
        self.slots[f"{slot}.{side}"] = tuple(chain)
        if spare:
            self.slots[f"{slot}_twist.{side}"] = tuple(spare)
        return chain[-1]

    def _finger(self, finger: str, side: str, word: str, hand: str, at: object) -> None:
        names = self.names
        if finger == "thumb":
            points = [at(0.022 + 0.030 * j, -0.022 - 0.016 * j, -0.008 - 0.004 * j) for j in range(4)]
        else:
            step = _PHALANX[finger]
            points = [at(0.09 + step * j, _KNUCKLES[finger] * (1 + 0.1 * j), -0.002 * j * j) for j in range(4)]
        parent = hand
        if finger in names.metacarpals:
            near = at(0.012, -0.012, -0.004) if finger == "thumb" else at(0.022, 0.5 * _KNUCKLES[finger], 0.0)
            parent = self.add(self._name(names.metacarpals[finger], side, word), parent, near)
        chain = []
        for pattern, point in zip(names.fingers[finger], points, strict=False):
            parent = self.add(self._name(pattern, side, word), parent, point)
            chain.append(parent)
        self.slots[f"{finger}.{side}"] = tuple(chain)
        if finger in names.tips:
            self.add(self._name(names.tips[finger], side, word), parent, points[3])

    def _leg(self, side: str, word: str, sign: float, parent: str) -> None:
        points = ((0.10, 0.0, 0.91), (0.10, -0.01, 0.50), (0.10, 0.02, 0.09), (0.10, -0.11, 0.02))
        for pattern, (x, y, z) in zip(self.names.legs, points, strict=True):
            parent = self.add(self._name(pattern, side, word), parent, Vector((sign * x, y, z)))

    def _loose(self, chest: str) -> None:
        for pattern, part in self.names.loose:
            sides = (("L", 1.0), ("R", -1.0)) if "{s}" in pattern else (("", 0.0),)
            for side, sign in sides:
                word = self.names.sides[side == "R"] if side else ""
                on = {"spine": chest, "head": self.head, "pelvis": self.names.pelvis, "root": self.root}.get(part)
                if part in ("upper_arm", "forearm", "hand", "clavicle"):
                    on = self.slots[f"{part}.{side}"][0]
                place = self.joints[on] if on is not None else Vector((0, 0, 0.1))
                self.add(self._name(pattern, side, word), on, place + Vector((sign * 0.03, -0.05, 0.02)))

    def _with_tails(self) -> list[dict]:
        """Tails to the only child, all upwards, or anywhere: what importers of bones without tails leave."""
        bones = []
        for name, head in self.joints.items():
            children = [child for child, parent in self.parents.items() if parent == name]
            step = Vector((0, 0, 0.03))
            if self.names.tails == "random":
                step = Vector([self.random.gauss(0, 1) for _ in range(3)]).normalized() * 0.04
            elif self.names.tails == "child" and children:
                ends = [self.joints[child] - head for child in children]
                longest = max(ends, key=lambda end: end.length)
                step = longest if longest.length > 1e-3 else step
            elif self.names.tails == "child" and self.parents[name] is not None:
                before = head - self.joints[self.parents[name]]
                step = before * 0.8 if before.length > 1e-3 else step
            bones.append({"name": name, "parent": self.parents[name], "head": head, "tail": head + step})
        return bones
