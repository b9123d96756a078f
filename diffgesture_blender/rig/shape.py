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
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from .body_frame import body_frame, facing_evidence
from .checks import named_sides, swap_sides
from .families import FINGERS
from .hand_shape import finger_slots, hand_of, shared_wrist
from .quaternion import normalize
from .skeleton import Skeleton
from .symmetry import Pair, Plane, find_plane, like_pairs, limb_pairs, longest_way

FloatArray = np.ndarray

# The length of an arm and of a leg against the longest limb.
_SHORTEST_ARM, _SHORTEST_LEG = 0.25, 0.1
# Arms and shoulders together span at least this part of the body's height.
_LEAST_SPAN: Final = 1 / 3
_SURE_FACING: Final = 0.3
# A human's upper arm against his forearm, and his clavicle against both.
_UPPER_TO_FORE: Final = 1.1
_CLAVICLE_SHARE: Final = 0.25
# What a hand without fingers goes on for, against the forearm.
_PALM_SHARE: Final = 0.45
# A joint this far above the shoulders, in upper arms, is the top of the head.
_TOP_OF_HEAD: Final = 0.85
_ABOVE_HEAD: Final = 0.58
# Cosine to the way up of what leads to a head.
_RISING: Final = 0.55
# Fingers with a joint at their tip from which on it is the rig's habit.
_MANY_TIPS: Final = 6


@dataclass(frozen=True)
class ShapeMap:
    """Slots as far as the shape tells, and what is not sure about them."""

    slots: dict[str, tuple[str, ...]]
    problems: tuple[str, ...]


def map_by_shape(skeleton: Skeleton) -> ShapeMap | None:
    """The map that the shape tells, or None where there is no pair of arms."""
    pairs = like_pairs(skeleton)
    plane = find_plane(skeleton, pairs)
    if plane is None:
        return None
    limbs = limb_pairs(skeleton, pairs, plane)
    chosen = _arms_and_legs(skeleton, limbs, plane)
    if chosen is None:
        return None
    arms, legs = chosen
    slots = _both_arms(arms, skeleton)
    if slots is None:
        return None
    slots.update(_trunk(arms, legs, plane, slots, skeleton))
    if legs is not None:
        slots.update(_leg_slots(legs, skeleton))
    return _sided(slots, skeleton)


def _both_arms(arms: Pair, skeleton: Skeleton) -> dict[str, tuple[str, ...]] | None:
    """Slots of both arms, told from what they have in common; None if they are none."""
    kept = {name for twins in arms.twins for name in twins}
    alike = replace(
        skeleton,
        parents={
            name: parent if parent in kept else None for name, parent in skeleton.parents.items() if name in kept
        },
        heads={name: skeleton.heads[name] for name in kept},
        tails={name: skeleton.tails[name] for name in kept},
    )
    left, right = arm_slots(arms.left, "L", alike), arm_slots(arms.right, "R", alike)
    if left is None or right is None:
        return None
    twin = dict(arms.twins)
    for slot, names in left.items():  # two arms are built alike; fingers have an order of their own
        if slot.partition(".")[0] in ("clavicle", "upper_arm", "forearm", "hand"):
            right[f"{slot[:-1]}R"] = tuple(twin[name] for name in names)
    slots = {**left, **right}
    for finger in FINGERS:
        if (f"{finger}.L" in slots) != (f"{finger}.R" in slots):
            slots.pop(f"{finger}.L", None)
            slots.pop(f"{finger}.R", None)
    return slots


def _arms_and_legs(skeleton: Skeleton, pairs: Sequence[Pair], plane: Plane) -> tuple[Pair, Pair | None] | None:
    """The pairs of arms and legs that fit best; legs may be missing."""
    longest = max((pair.reach for pair in pairs), default=0.0)
    limbs = [pair for pair in pairs if pair.reach >= _SHORTEST_LEG * longest and len(pair.twins) >= 2]
    best: tuple[float, Pair, Pair | None] | None = None
    for arms in limbs:
        if len(arms.twins) < 3 or arms.reach < _SHORTEST_ARM * longest:
            continue
        slots = _both_arms(arms, skeleton)
        if slots is None:
            continue
        alone = _arm_likeness(arms, slots, plane, skeleton)
        for legs in (None, *limbs):
            score = _likeness(arms, legs, alone, plane, skeleton)
            if score is not None and (best is None or score > best[0]):
                best = (score, arms, legs)
    return best[1:] if best is not None else None


def _arm_likeness(arms: Pair, slots: dict[str, tuple[str, ...]], plane: Plane, skeleton: Skeleton) -> float:
    """How much a pair is like arms: fingers, length, shoulders apart, a neck beside it."""
    fingers = sum(f"{finger}.L" in slots for finger in FINGERS)
    reach = arms.reach / skeleton.size
    branch = skeleton.heads[arms.ends[0]] - skeleton.heads[arms.left]
    score = reach + 0.25 * min(fingers, 5) + 0.4 * abs(float(normalize(branch) @ plane.across))
    shoulder = skeleton.heads[slots["upper_arm.L"][0]]
    score += 0.4 * min(1.0, abs(plane.side(shoulder)) / (0.05 * skeleton.size))
    if arms.parent is not None:
        beside = [child for child in skeleton.children[arms.parent] if child not in (arms.left, arms.right)]
        score += 0.3 * any(_is_central(child, plane, skeleton) for child in beside)
    return score


def _likeness(arms: Pair, legs: Pair | None, alone: float, plane: Plane, skeleton: Skeleton) -> float | None:
    """How much two pairs are like arms and legs; None if they cannot be. ``alone``: of the arms by themselves."""
    if legs is None:
        fingers = finger_slots(hand_of(arms.left, skeleton), "L", skeleton)
        return alone - 0.5 if fingers or _has_trunk(arms, skeleton) else None
    if legs == arms or {legs.left, legs.right} & {arms.left, arms.right}:
        return None
    if legs.parent is None and arms.parent is not None:  # targets of a leg's IK, which hang on nothing
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
    score = alone + (0.5 if arm_depth > leg_depth else -0.3)
    hips = (skeleton.heads[legs.left] + skeleton.heads[legs.right]) / 2
    trunk = (skeleton.heads[arms.left] + skeleton.heads[arms.right]) / 2 - hips
    legs_down = (skeleton.heads[legs.ends[0]] + skeleton.heads[legs.ends[1]]) / 2 - hips
    opposite = -float(normalize(trunk) @ normalize(legs_down))
    score += 0.6 * opposite + 1.2 * legs.reach / skeleton.size
    height = float(np.linalg.norm(trunk)) + legs.reach
    shoulders = float(np.linalg.norm(skeleton.heads[arms.left] - skeleton.heads[arms.right]))
    span = shoulders + 2 * arms.reach
    if span < _LEAST_SPAN * height or np.linalg.norm(trunk) < 0.05 * height:
        return None
    return score


def _has_trunk(arms: Pair, skeleton: Skeleton) -> bool:
    """Whether bones of some length lead to the one that the arms leave: legs leave the first."""
    if arms.parent is None:
        return False
    way = [arms.parent, *skeleton.ancestors(arms.parent)]
    length = sum(skeleton.distance(a, b) for a, b in itertools.pairwise(way))
    return length > 0.25 * arms.reach


def _is_central(name: str, plane: Plane, skeleton: Skeleton) -> bool:
    return abs(plane.side(skeleton.heads[name])) < 0.02 * skeleton.size


def arm_slots(root: str, side: str, skeleton: Skeleton) -> dict[str, tuple[str, ...]] | None:
    """Clavicle, upper arm, forearm, hand and fingers of the branch, by the lengths of a human arm."""
    hand = hand_of(root, skeleton)
    path = skeleton.path(root, hand)
    fingers = finger_slots(hand, side, skeleton)
    wrist = shared_wrist(hand, skeleton) if fingers else None
    joints = [skeleton.heads[name] for name in path]
    if wrist is not None and len(path) > 1:  # the fingers hang on the forearm: one of their bones is the hand
        joints.append(wrist)
        chain = fingers.get(f"middle.{side}") or fingers[next(slot for slot in fingers if "thumb" not in slot)]
        palm = str(skeleton.parents[chain[0]])
        path.append(palm if palm != hand else chain[0])
        fingers = {slot: names for slot, names in fingers.items() if names != (path[-1],)}
    ends = [len(joints) - 1] if fingers else list(range(2, len(path)))
    best: tuple[float, int, int, int] | None = None
    for end in ends:
        for upper, fore in itertools.combinations(range(max(end, 0)), 2):
            cost = _arm_cost([joints[i] for i in (0, upper, fore, end)], upper, end)
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
        **{slot: names for slot, names in fingers.items() if path[end] not in names},
    }
    if upper:
        # Of several bones before the shoulder, the longest is the clavicle.
        longest = max(range(upper), key=lambda i: float(np.linalg.norm(joints[i + 1] - joints[i])))
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
    return cost + (1.0 if end > 2 else 0.0)


def _trunk(
    arms: Pair, legs: Pair | None, plane: Plane, known: dict[str, tuple[str, ...]], skeleton: Skeleton
) -> dict[str, tuple[str, ...]]:
    """Pelvis, spine, neck and head; ``known``: the slots of the arms."""
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
    chest = (skeleton.heads[known["upper_arm.L"][0]] + skeleton.heads[known["upper_arm.R"][0]]) / 2
    up = normalize(chest - start)
    neck: list[str] = []
    # Some rigs hang the arms on the neck: a bone that begins as high as the shoulders is no part of the spine.
    while len(spine) > 1 and (skeleton.heads[spine[-1]] - chest) @ up > 0.0:
        neck.insert(0, spine.pop())
    if spine:
        slots["spine"] = tuple(spine)
    upper_arm = skeleton.distance(known["upper_arm.L"][0], known["forearm.L"][0])
    slots.update(_neck_and_head(arms, neck, plane, (chest, up, upper_arm), known, skeleton))
    return slots


def _neck_and_head(
    arms: Pair,
    neck: list[str],
    plane: Plane,
    body: tuple[FloatArray, FloatArray, float],
    known: dict[str, tuple[str, ...]],
    skeleton: Skeleton,
) -> dict[str, tuple[str, ...]]:
    """The bones that go on upwards; ``neck``: those that the arms hang on.

    ``body``: middle of the shoulders, direction upwards, length of an upper arm; ``known``: the slots of the arms.
    """
    shoulders, up, upper_arm = body

    def next_up(name: str) -> str | None:
        going = [
            child
            for child in skeleton.children[name]
            if child not in (arms.left, arms.right)
            and _is_central(child, plane, skeleton)
            and skeleton.heads[child] @ up > skeleton.heads[name] @ up - 0.02 * skeleton.size
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
    tips = [slot for slot in known if slot.partition(".")[0].endswith("_tip")]
    if len(chain) > 2 and len(skeleton.children[chain[-1]]) < 2:
        step = skeleton.heads[chain[-1]] - skeleton.heads[chain[-2]]
        last, before = float(np.linalg.norm(step)), skeleton.distance(chain[-3], chain[-2])
        above = (skeleton.heads[chain[-1]] - shoulders) @ up / max(upper_arm, 1e-9)
        # A long last step leads through the skull to its top, a level one to the face; where fingers have tips,
        # heads have tops.
        beyond = above > _TOP_OF_HEAD or (len(tips) >= _MANY_TIPS and above > _ABOVE_HEAD)
        if last > 1.3 * before or beyond or step @ up < _RISING * last:
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


def _leg_slots(legs: Pair, skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """Thigh, ankle and ball of the foot, told by the knee half-way and the turn at the ankle."""
    slots: dict[str, tuple[str, ...]] = {}
    for side, root in (("L", legs.left), ("R", legs.right)):
        path = longest_way(root, skeleton)
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
