# SPDX-License-Identifier: GPL-3.0-or-later
"""A bone map from the skeleton's shape alone, whatever its bones are called.

A body is mirrored: its limbs are pairs of like branches that leave the middle line at the same bone. Of those the
arms are the pair that leaves nearer to the head, is long, and ends in fingers or a hand; the spine leads
from where the legs leave to where the arms leave, neck and head go on from there. Left is told by toes, thumbs and
elbows, and only where they say nothing by the way characters usually face.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from .body_frame import body_frame, facing_evidence
from .checks import named_sides, swap_sides
from .hand_shape import finger_slots, hand_of
from .mirror import mirrored_part
from .quaternion import normalize
from .skeleton import Skeleton

FloatArray = np.ndarray

# How unlike two mirrored branches may be: in reach, and in place by the size of the skeleton.
_UNLIKE_REACH: Final = 0.12
_OFF_MIRROR: Final = 0.04
# The length of a limb against the longest one.
_SHORTEST_LIMB: Final = 0.3
_SURE_FACING: Final = 0.3
# A human's upper arm against his forearm, and his clavicle against both.
_UPPER_TO_FORE: Final = 1.1
_CLAVICLE_SHARE: Final = 0.25
# What a hand without fingers goes on for, against the forearm.
_PALM_SHARE: Final = 0.45
# A joint this far above the shoulders, in upper arms, is the top of the head.
_TOP_OF_HEAD: Final = 0.85


@dataclass(frozen=True)
class ShapeMap:
    """Slots as far as the shape tells, and what is not sure about them."""

    slots: dict[str, tuple[str, ...]]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Pair:
    """Two like branches: their roots and the bone they leave (None: both are roots)."""

    left: str
    right: str
    parent: str | None


def map_by_shape(skeleton: Skeleton) -> ShapeMap | None:
    """The map that the shape tells, or None where there is no pair of arms.

    First of the part that is mirrored, then, for a body that rests in an uneven pose, of the whole.
    """
    pairs = _pairs(skeleton)
    if not pairs:
        return None
    across = _mirror_axis(skeleton, pairs)
    middle = _middle(skeleton, pairs, across)
    return _map_across(mirrored_part(skeleton, across, middle), across) or _map_across(skeleton, across)


def _map_across(skeleton: Skeleton, across: FloatArray) -> ShapeMap | None:
    pairs = _pairs(skeleton)
    pairs = [pair for pair in pairs if _is_mirrored(pair, across, skeleton)]
    chosen = _arms_and_legs(skeleton, pairs, across)
    if chosen is None:
        return None
    arms, legs = chosen
    slots: dict[str, tuple[str, ...]] = {}
    for side, root in (("L", arms.left), ("R", arms.right)):
        arm = _arm_slots(root, side, skeleton)
        if arm is None:
            return None
        slots.update(arm)
    slots.update(_trunk(arms, legs, across, skeleton))
    if legs is not None:
        slots.update(_leg_slots(legs, skeleton))
    return _sided(slots, skeleton)


def _pairs(skeleton: Skeleton) -> list[_Pair]:
    """Siblings with branches of like reach and number of generations."""
    found = []
    families: dict[str | None, list[str]] = {}
    for name, parent in skeleton.parents.items():
        families.setdefault(parent, []).append(name)
    for parent, children in families.items():
        long = [name for name in children if skeleton.reach[name] > 0.02 * skeleton.size]
        for a, b in itertools.combinations(long, 2):
            more, less = sorted((skeleton.reach[a], skeleton.reach[b]), reverse=True)
            if more - less <= _UNLIKE_REACH * more and abs(skeleton.height[a] - skeleton.height[b]) <= 1:
                found.append(_Pair(a, b, parent))
    return found


def _end(root: str, skeleton: Skeleton) -> FloatArray:
    """The joint farthest down a branch."""
    return skeleton.heads[_longest_way(root, skeleton)[-1]]


def _longest_way(root: str, skeleton: Skeleton) -> list[str]:
    """The bones from a root to the joint farthest down its branch."""
    way = [root]
    while skeleton.children[way[-1]]:
        last = way[-1]
        way.append(max(skeleton.children[last], key=lambda c: skeleton.distance(last, c) + skeleton.reach[c]))
    return way


def _mirror_axis(skeleton: Skeleton, pairs: Sequence[_Pair]) -> FloatArray:
    """(3,) unit vector from one side of the body to the other: the direction that most pairs share.

    The armature's own axis where one is near.
    """
    steps = np.array([_end(pair.left, skeleton) - _end(pair.right, skeleton) for pair in pairs])
    lengths = np.linalg.norm(steps, axis=1)
    steps, weights = steps[lengths > 1e-6], np.array([skeleton.reach[pair.left] for pair in pairs])[lengths > 1e-6]
    if not len(steps):
        return np.eye(3)[0]
    directions = normalize(steps)
    agreement = (np.abs(directions @ directions.T) > 0.98) @ weights
    best = directions[int(np.argmax(agreement))]
    near = np.abs(directions @ best) > 0.98
    signs = np.sign(directions[near] @ best)[:, None]
    mean = normalize((directions[near] * signs * weights[near, None]).sum(axis=0))
    strongest = int(np.argmax(np.abs(mean)))
    return np.eye(3)[strongest] if abs(mean[strongest]) > np.cos(np.radians(6)) else mean


def _middle(skeleton: Skeleton, pairs: Sequence[_Pair], across: FloatArray) -> float:
    """Where the middle of most pairs lies along the mirror axis."""
    places = sorted(
        float((_end(pair.left, skeleton) + _end(pair.right, skeleton)) @ across) / 2
        for pair in pairs
        if _is_mirrored(pair, across, skeleton)
    )
    return places[len(places) // 2] if places else 0.0


def _is_mirrored(pair: _Pair, across: FloatArray, skeleton: Skeleton) -> bool:
    """Whether roots and ends of two branches mirror each other, ends apart."""
    limit = _OFF_MIRROR * skeleton.size
    for a, b in (
        (skeleton.heads[pair.left], skeleton.heads[pair.right]),
        (_end(pair.left, skeleton), _end(pair.right, skeleton)),
    ):
        step = a - b
        if np.linalg.norm(step - (step @ across) * across) > limit:
            return False
    return bool(abs((_end(pair.left, skeleton) - _end(pair.right, skeleton)) @ across) > 0.25 * limit)


def _arms_and_legs(
    skeleton: Skeleton, pairs: Sequence[_Pair], across: FloatArray
) -> tuple[_Pair, _Pair | None] | None:
    """The pairs of arms and legs that fit best; legs may be missing."""
    longest = max((skeleton.reach[pair.left] for pair in pairs), default=0.0)
    limbs = [
        pair
        for pair in pairs
        if skeleton.reach[pair.left] >= _SHORTEST_LIMB * longest and skeleton.height[pair.left] >= 2
    ]
    best: tuple[float, _Pair, _Pair | None] | None = None
    for arms in limbs:
        if _arm_slots(arms.left, "L", skeleton) is None or _arm_slots(arms.right, "R", skeleton) is None:
            continue
        for legs in (None, *limbs):
            score = _likeness(arms, legs, across, skeleton)
            if score is not None and (best is None or score > best[0]):
                best = (score, arms, legs)
    return best[1:] if best is not None else None


def _likeness(arms: _Pair, legs: _Pair | None, across: FloatArray, skeleton: Skeleton) -> float | None:
    """How much two pairs are like arms and legs; None if they cannot be."""
    hand = hand_of(arms.left, skeleton)
    fingers = len(finger_slots(hand, "L", skeleton))
    reach = skeleton.reach[arms.left] / skeleton.size
    branch = _end(arms.left, skeleton) - skeleton.heads[arms.left]
    outwards = abs(float(normalize(branch) @ across))
    score = reach + 0.25 * min(fingers, 5) + 0.4 * outwards
    if arms.parent is not None:
        above = [child for child in skeleton.children[arms.parent] if child not in (arms.left, arms.right)]
        score += 0.3 * any(_is_central(child, across, arms, skeleton) for child in above)
    if legs is None:
        return score - 0.5 if fingers or _has_trunk(arms, skeleton) else None
    if legs == arms or {legs.left, legs.right} & {arms.left, arms.right}:
        return None
    arm_way = [] if arms.parent is None else [arms.parent, *skeleton.ancestors(arms.parent)]
    leg_way = [] if legs.parent is None else [legs.parent, *skeleton.ancestors(legs.parent)]
    if any(limb in arm_way for limb in (legs.left, legs.right)) or any(
        limb in leg_way for limb in (arms.left, arms.right)
    ):
        return None
    shared = next((name for name in leg_way if name in arm_way), None)
    arm_depth = arm_way.index(shared) if shared is not None else len(arm_way)
    leg_depth = leg_way.index(shared) if shared is not None else len(leg_way)
    if arm_depth < leg_depth:
        return None
    # Both from one bone: legs go away from where the arms leave, and have no fingers.
    score += 0.5 if arm_depth > leg_depth else -0.3
    hips = skeleton.heads[legs.left] + skeleton.heads[legs.right]
    trunk = skeleton.heads[arms.left] + skeleton.heads[arms.right] - hips
    down = _end(legs.left, skeleton) + _end(legs.right, skeleton) - hips
    opposite = -float(normalize(trunk) @ normalize(down))
    return score + 0.6 * opposite + 0.8 * skeleton.reach[legs.left] / skeleton.size


def _has_trunk(arms: _Pair, skeleton: Skeleton) -> bool:
    """Whether bones of some length lead to the one that the arms leave: legs leave the first."""
    if arms.parent is None:
        return False
    way = [arms.parent, *skeleton.ancestors(arms.parent)]
    length = sum(skeleton.distance(a, b) for a, b in itertools.pairwise(way))
    return length > 0.25 * skeleton.reach[arms.left]


def _is_central(name: str, across: FloatArray, arms: _Pair, skeleton: Skeleton) -> bool:
    middle = (skeleton.heads[arms.left] + skeleton.heads[arms.right]) / 2
    return abs(float((skeleton.heads[name] - middle) @ across)) < 0.015 * skeleton.size


def _arm_slots(root: str, side: str, skeleton: Skeleton) -> dict[str, tuple[str, ...]] | None:
    """Clavicle, upper arm, forearm, hand and fingers of the branch, by the lengths of a human arm."""
    hand = hand_of(root, skeleton)
    path = skeleton.path(root, hand)
    fingers = finger_slots(hand, side, skeleton)
    ends = [len(path) - 1] if fingers else list(range(2, len(path)))
    best: tuple[float, int, int, int] | None = None
    for end in ends:
        for upper, fore in itertools.combinations(range(max(end, 0)), 2):
            cost = _arm_cost([skeleton.heads[path[i]] for i in (0, upper, fore, end)], upper, end)
            if not fingers:
                palm = skeleton.distance(path[end], path[-1]) / max(skeleton.distance(path[fore], path[end]), 1e-9)
                cost += 0.3 * (palm / _PALM_SHARE - 1.0) ** 2
            if best is None or cost < best[0]:
                best = (cost, upper, fore, end)
    if best is None or best[0] > 6.0:
        return None
    _, upper, fore, end = best
    slots = {
        f"upper_arm.{side}": (path[upper],),
        f"forearm.{side}": (path[fore],),
        f"hand.{side}": (path[end],),
        **fingers,
    }
    if upper:
        # Of several bones before the shoulder, the longest is the clavicle.
        longest = max(range(upper), key=lambda i: skeleton.distance(path[i], path[i + 1]))
        slots[f"clavicle.{side}"] = (path[longest],)
    return slots


def _arm_cost(joints: Sequence[FloatArray], upper: int, end: int) -> float:
    """How unlike a human's the lengths of clavicle, upper arm and forearm are; 0 is his."""
    clavicle, above, below = (float(np.linalg.norm(b - a)) for a, b in itertools.pairwise(joints))
    if min(above, below) < 1e-9:
        return np.inf
    cost = 4.0 * np.log(above / below / _UPPER_TO_FORE) ** 2
    if upper:
        return cost + ((clavicle / (above + below) - _CLAVICLE_SHARE) / _CLAVICLE_SHARE) ** 2
    return cost + (0.5 if end > 2 else 0.0)


def _trunk(arms: _Pair, legs: _Pair | None, across: FloatArray, skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """Pelvis, spine, neck and head."""
    slots: dict[str, tuple[str, ...]] = {}
    if arms.parent is None:
        return slots
    arm_way = [arms.parent, *skeleton.ancestors(arms.parent)]
    leg_way = [] if legs is None or legs.parent is None else [legs.parent, *skeleton.ancestors(legs.parent)]
    shared = next((name for name in leg_way if name in arm_way), None)
    if shared is not None:
        spine = arm_way[: arm_way.index(shared)]
        slots["pelvis"] = (shared,)
    else:
        # Without legs: all that leads to the arms but for the first bone, which carries everything.
        spine = [name for name in arm_way if name == arms.parent or skeleton.parents[name] is not None]
    spine.reverse()
    start = skeleton.heads[shared or arm_way[-1]]
    known = {
        **(_arm_slots(arms.left, "L", skeleton) or {}),
        **(_arm_slots(arms.right, "R", skeleton) or {}),
    }
    chest = (skeleton.heads[known["upper_arm.L"][0]] + skeleton.heads[known["upper_arm.R"][0]]) / 2
    up = normalize(chest - start)
    neck: list[str] = []
    # Some rigs hang the arms on the neck: a bone that begins as high as the shoulders is no part of the spine.
    while len(spine) > 1 and (skeleton.heads[spine[-1]] - chest) @ up > 0.0:
        neck.insert(0, spine.pop())
    if spine:
        slots["spine"] = tuple(spine)
    upper_arm = skeleton.distance(known["upper_arm.L"][0], known["forearm.L"][0])
    slots.update(_neck_and_head(arms, neck, across, (chest, up, upper_arm), skeleton))
    return slots


def _neck_and_head(
    arms: _Pair,
    neck: list[str],
    across: FloatArray,
    body: tuple[FloatArray, FloatArray, float],
    skeleton: Skeleton,
) -> dict[str, tuple[str, ...]]:
    """The bones that go on upwards; ``neck``: those that the arms hang on.

    ``body``: middle of the shoulders, direction upwards, length of an upper arm.
    """
    shoulders, up, upper_arm = body

    def next_up(name: str) -> str | None:
        going = [
            child
            for child in skeleton.children[name]
            if child not in (arms.left, arms.right) and _is_central(child, across, arms, skeleton)
        ]
        return max(going, key=lambda child: _height(child, up, skeleton), default=None)

    chain = list(neck)
    name = next_up(str(arms.parent))
    while name is not None:
        chain.append(name)
        # The head is where the face branches off.
        if len(skeleton.children[name]) > (1 if len(chain) > 1 else 2):
            break
        name = next_up(name)
    if not chain:
        return {}
    if len(chain) > 2 and len(skeleton.children[chain[-1]]) < 2:
        last, before = skeleton.distance(chain[-2], chain[-1]), skeleton.distance(chain[-3], chain[-2])
        above = (skeleton.heads[chain[-1]] - shoulders) @ up / max(upper_arm, 1e-9)
        if last > 1.3 * before or above > _TOP_OF_HEAD:  # a long last step leads through the skull to its top
            chain.pop()
    slots: dict[str, tuple[str, ...]] = {"head": (chain[-1],)}
    if len(chain) > 1:
        slots["neck"] = tuple(chain[:-1])
    return slots


def _height(root: str, up: FloatArray, skeleton: Skeleton) -> float:
    """How high a branch begins and reaches, both counted."""
    branch = [root]
    for name in branch:
        branch.extend(skeleton.children[name])
    return float(skeleton.heads[root] @ up + max(skeleton.heads[name] @ up for name in branch))


def _leg_slots(legs: _Pair, skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """Thigh, ankle and ball of the foot, told by the knee half-way and the turn at the ankle."""
    slots: dict[str, tuple[str, ...]] = {}
    for side, root in (("L", legs.left), ("R", legs.right)):
        path = _longest_way(root, skeleton)
        joints = [skeleton.heads[name] for name in path]
        slots[f"thigh.{side}"] = (path[0],)
        lengths = [skeleton.distance(a, b) for a, b in itertools.pairwise(path)]
        turns = [
            float(normalize(b - a) @ normalize(c - b))
            for a, b, c in zip(joints, joints[1:], joints[2:], strict=False)
        ]
        whole = sum(lengths)
        # The ankle lies far down the leg, where its line turns most.
        low = [i for i in range(1, len(path) - 1) if sum(lengths[:i]) > 0.6 * whole]
        if low:
            ankle = min(low, key=lambda i: turns[i - 1])
            slots[f"foot.{side}"] = (path[ankle],)
            slots[f"toe.{side}"] = (path[ankle + 1],)
    return slots


def _sided(slots: dict[str, tuple[str, ...]], skeleton: Skeleton) -> ShapeMap:
    """Left and right by where the body faces; where it does not tell, by the way characters usually face."""
    problems = ["The bone names are not known: the map was told from the skeleton's shape; check it."]
    named = named_sides(skeleton, slots)
    if named:
        return ShapeMap(slots if named > 0 else swap_sides(slots), tuple(problems))
    evidence = facing_evidence(skeleton.heads, slots)
    if abs(evidence) >= _SURE_FACING:
        return ShapeMap(slots if evidence > 0 else swap_sides(slots), tuple(problems))
    problems.append("Nothing in the skeleton shows where it faces: left and right are a guess.")
    facing = normalize(skeleton.to_world @ body_frame(skeleton.heads, slots)[2])
    # Importers leave characters facing -Y, Blender's front view.
    return ShapeMap(slots if facing[1] <= 0 else swap_sides(slots), tuple(problems))
