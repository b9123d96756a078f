# SPDX-License-Identifier: GPL-3.0-or-later
"""The plane that divides a body into left and right, and the pairs of branches that leave it on both sides."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np

from .quaternion import normalize
from .skeleton import Skeleton

FloatArray = np.ndarray

# How far from its mirrored place a twin may lie, against the size of the skeleton.
_OFF_TWIN: Final = 0.03
# Bones this near to the plane, against the size, lie in it.
_IN_PLANE: Final = 0.02
# A body of which a plane mirrors less than this rests in an uneven pose: pairs may lie farther from their places.
_LEAST_MIRRORED: Final = 0.35
# How unlike two branches of a pair may be: in reach as far as they are alike, in the length of a bone, in all.
_UNLIKE_REACH: Final = 0.12
_UNLIKE_LENGTH: Final = 0.15
_LEAST_LIKE_REACH: Final = 0.35
# Branches with this many like bones are a pair though one of them goes on.
_MANY_TWINS: Final = 4
# Joints that are compared at most; the largest skeletons are sampled.
_MOST_JOINTS: Final = 500


@dataclass(frozen=True)
class Plane:
    """Points with ``p @ across == middle`` lie in it; ``mirrored``: how much of the body it mirrors, 0 to 1."""

    across: FloatArray
    middle: float
    mirrored: float

    def side(self, point: FloatArray) -> float:
        """Distance of a point, with its sign."""
        return float(point @ self.across) - self.middle


@dataclass(frozen=True)
class Pair:
    """Two like branches: their roots and the bone they leave (None: both are roots).

    ``twins``: bones that have their like in the other branch, without the sword in one hand; ``ends``: the
    farthest of them on each side; ``reach``: length of the way there.
    """

    left: str
    right: str
    parent: str | None
    twins: tuple[tuple[str, str], ...]
    ends: tuple[str, str]
    reach: float


def like_pairs(skeleton: Skeleton) -> list[Pair]:
    """Siblings whose branches are alike in the lengths of their bones, as far down as they are."""
    found = []
    families: dict[str | None, list[str]] = {}
    for name, parent in skeleton.parents.items():
        if skeleton.reach[name] > 0.02 * skeleton.size:
            families.setdefault(parent, []).append(name)
    for parent, children in families.items():
        for a, b in itertools.combinations(children, 2):
            less, more = sorted((skeleton.reach[a], skeleton.reach[b]))
            if less < _LEAST_LIKE_REACH * more:
                continue
            twins = _twins(a, b, skeleton)
            reach = {a: 0.0}
            for one, _ in twins[1:]:
                above = str(skeleton.parents[one])
                reach[one] = reach[above] + skeleton.distance(above, one)
            ends = max(twins, key=lambda pair: reach[pair[0]])
            if reach[ends[0]] >= (1.0 - _UNLIKE_REACH) * less or len(twins) >= _MANY_TWINS:
                found.append(Pair(a, b, parent, tuple(twins), ends, reach[ends[0]]))
    return found


def _twins(a: str, b: str, skeleton: Skeleton) -> list[tuple[str, str]]:
    """Bones of two branches that are each other's like: as long, as far down, with as much below them."""
    found = [(a, b)]
    for one, other in found:
        costs = []
        for child, twin in itertools.product(skeleton.children[one], skeleton.children[other]):
            lengths = skeleton.distance(one, child), skeleton.distance(other, twin)
            apart = abs(lengths[0] - lengths[1])
            if apart <= _UNLIKE_LENGTH * max(lengths) + 0.01 * skeleton.size:
                below = abs(skeleton.reach[child] - skeleton.reach[twin])
                costs.append((apart + 0.5 * below, child, twin))
        taken: set[str] = set()
        for _, child, twin in sorted(costs):
            if child not in taken and twin not in taken:
                taken |= {child, twin}
                found.append((child, twin))
    return found


def find_plane(skeleton: Skeleton, pairs: list[Pair]) -> Plane | None:
    """The plane that mirrors most of the body; None where nothing is mirrored."""
    points = np.array(list(skeleton.heads.values()))
    if len(points) > _MOST_JOINTS:
        points = points[np.linspace(0, len(points) - 1, _MOST_JOINTS).astype(int)]
    best: Plane | None = None
    for across in _directions(skeleton, pairs):
        for middle in _middles(skeleton, pairs, across):
            plane = _rated(points, across, middle, skeleton.size)
            if best is None or plane.mirrored > best.mirrored + 1e-6:
                best = plane
    return best if best is not None and best.mirrored > 0 else None


def _directions(skeleton: Skeleton, pairs: list[Pair]) -> list[FloatArray]:
    """Directions from one side to the other worth trying: the armature's axes, and those that many pairs share."""
    found = list(np.eye(3))
    steps = np.array([skeleton.heads[pair.left] - skeleton.heads[pair.right] for pair in pairs]).reshape(-1, 3)
    lengths = np.linalg.norm(steps, axis=1)
    steps = normalize(steps[lengths > 0.02 * skeleton.size])
    if not len(steps):
        return found
    agreement = np.abs(steps @ steps.T) > 0.995
    for index in np.argsort(-agreement.sum(axis=1))[:6]:
        direction = steps[index]
        same = steps[agreement[index]]
        mean = normalize((same * np.sign(same @ direction)[:, None]).sum(axis=0))
        if all(abs(mean @ other) < 0.9995 for other in found):
            found.append(mean)
    return found


def _middles(skeleton: Skeleton, pairs: list[Pair], across: FloatArray) -> list[float]:
    """Where the middle may lie along a direction: at the trunk, or half-way between the pairs."""
    count: dict[str, int] = {}
    for name in skeleton.bottom_up:
        count[name] = 1 + sum(count[child] for child in skeleton.children[name])
    trunk = [name for name, number in count.items() if number >= 0.4 * len(count)]
    found = [float(np.median([skeleton.heads[name] @ across for name in trunk]))] if trunk else []
    halves = [float((skeleton.heads[p.left] + skeleton.heads[p.right]) @ across) / 2 for p in pairs]
    if halves:
        found.append(float(np.median(halves)))
    return found


def _rated(points: FloatArray, across: FloatArray, middle: float, size: float) -> Plane:
    """The plane with how much it mirrors: the part of the joints' distances from it for which there is a twin."""
    side = points @ across - middle
    off = np.abs(side) > _IN_PLANE * size
    if not off.any():
        return Plane(across, middle, 0.0)
    mirrored = points[off] - 2.0 * side[off, None] * across
    gaps = np.linalg.norm(mirrored[:, None] - points[off][None], axis=2).min(axis=1)
    weights = np.minimum(np.abs(side[off]), 0.2 * size)
    whole = weights.sum() + 0.1 * size
    # A plane through the thin side of a T-pose mirrors all that is off it, which is little: distance counts, too.
    return Plane(across, middle, float(weights[gaps < _OFF_TWIN * size].sum() / whole) * _breadth(side, size))


def _breadth(side: FloatArray, size: float) -> float:
    """How far the joints reach to both sides, up to 1 for an eighth of the size."""
    return float(min(1.0, min(side.max(), -side.min()) / (0.125 * size))) if len(side) else 0.0


def limb_pairs(skeleton: Skeleton, pairs: list[Pair], plane: Plane) -> list[Pair]:
    """Pairs that straddle the plane and leave a bone in it: one hand's fingers and one leg's skirt do not."""
    limit = (1.5 if plane.mirrored > _LEAST_MIRRORED else 4.0) * _OFF_TWIN * skeleton.size
    found = []
    for pair in pairs:
        left, right = plane.side(skeleton.heads[pair.left]), plane.side(skeleton.heads[pair.right])
        ends = [plane.side(skeleton.heads[end]) for end in pair.ends]
        apart = left * right < 0 or (
            abs(left) + abs(right) < 2 * _IN_PLANE * skeleton.size and ends[0] * ends[1] < 0
        )
        even = abs(left + right) < limit and abs(ends[0] + ends[1]) < 3 * limit
        central = pair.parent is None or abs(plane.side(skeleton.heads[pair.parent])) < limit
        step = skeleton.heads[pair.left] - skeleton.heads[pair.right]
        level = np.linalg.norm(step - (step @ plane.across) * plane.across) < 2 * limit
        if (
            apart
            and even
            and central
            and level
            and max(abs(end) for end in ends) > 0.25 * _IN_PLANE * skeleton.size
        ):
            found.append(pair)
    return found


def longest_way(root: str, skeleton: Skeleton) -> list[str]:
    """The bones from a root to the joint farthest down its branch."""
    way = [root]
    while skeleton.children[way[-1]]:
        last = way[-1]
        way.append(max(skeleton.children[last], key=lambda c: skeleton.distance(last, c) + skeleton.reach[c]))
    return way
