# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a branch has its hand, and which of the hand's branches is which finger, by shape alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from .quaternion import normalize
from .skeleton import Skeleton

FloatArray = np.ndarray

# A branch at a hand is a finger if it is this long against the longest one there.
_SHORTEST_FINGER: Final = 0.45
# A finger begins at least this far from the wrist, against the longest one; a sleeve begins with its arm.
_NEAREST_ROOT: Final = 0.04
# A finger's joint this near to the wrist, against its last joint, is the root of a metacarpal.
_METACARPAL: Final = 0.4
# What is longer than the longest finger by this factor is held by the hand.
_WEAPON: Final = 1.8
# Fingers of a hand that has fewer, thumb apart.
_FEWER: Final = {
    1: ("index",),
    2: ("index", "ring"),
    3: ("index", "middle", "pinky"),
    4: ("index", "middle", "ring", "pinky"),
}


def hand_of(root: str, skeleton: Skeleton) -> str:
    """The bone of a branch at which most fingers part; without fingers the last bone."""
    way = [root]
    while skeleton.children[way[-1]]:
        way.append(_along(way[-1], skeleton))
    counts = [len(_finger_roots(name, skeleton)) for name in way]
    most = max(counts)
    if most < 2:
        return way[-1]
    return way[len(way) - 1 - counts[::-1].index(most)]


def _along(name: str, skeleton: Skeleton) -> str:
    return max(skeleton.children[name], key=lambda c: (skeleton.distance(name, c) + skeleton.reach[c], -ord(c[0])))


def _finger_roots(name: str, skeleton: Skeleton) -> list[str]:
    """Children that go on about equally far and have joints of their own; what holds several of them is a palm."""
    reach = {child: skeleton.distance(name, child) + skeleton.reach[child] for child in skeleton.children[name]}
    lengths = sorted(reach.values(), reverse=True)
    # A weapon in the hand is longer than any finger.
    while len(lengths) > 2 and lengths[0] > _WEAPON * lengths[1]:
        lengths.pop(0)
    longest = lengths[0] if lengths else 0.0
    return [
        child
        for child, length in reach.items()
        if longest * (1.0 + 1e-6) >= length >= _SHORTEST_FINGER * longest
        and skeleton.distance(name, child) >= _NEAREST_ROOT * longest
        and skeleton.height[child] >= 1
        and skeleton.reach[child] > 0.1 * longest
    ]


def shared_wrist(hand: str, skeleton: Skeleton) -> FloatArray | None:
    """(3,) the point from which all fingers go on where no hand is; None if they have roots of their own."""
    roots = np.array([skeleton.heads[root] for root in _finger_roots(hand, skeleton)])
    if len(roots) < 2:
        return None
    middle = roots.mean(axis=0)
    far = float(np.linalg.norm(middle - skeleton.heads[hand]))
    return middle if np.linalg.norm(roots - middle, axis=1).max() < 0.1 * far else None


def _finger_chains(hand: str, skeleton: Skeleton) -> list[list[str]]:
    """A chain of bones for each finger; fingers that share a palm bone each get one of their own."""
    chains = []
    for root in _finger_roots(hand, skeleton):
        parting = root
        while len(skeleton.children[parting]) == 1:
            parting = skeleton.children[parting][0]
        inner = _finger_roots(parting, skeleton) if len(skeleton.path(root, parting)) <= 2 else []
        if len(inner) >= 2:
            chains += [_chain(each, skeleton) for each in inner]
        else:
            chains.append(_chain(root, skeleton))
    return chains


def finger_slots(hand: str, side: str, skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """Slots of the fingers (and their tips) at a hand; empty if it has fewer than two."""
    chains = _finger_chains(hand, skeleton)
    if len(chains) < 2:
        return {}
    wrist = skeleton.heads[hand]
    thumb = _thumb(chains, wrist, skeleton) if len(chains) > 1 else 0
    others = [chain for index, chain in enumerate(chains) if index != thumb]
    if len(others) > 4:
        others = sorted(others, key=lambda chain: -skeleton.reach[chain[0]])[:4]
    if shared_wrist(hand, skeleton) is not None and min(len(chain) for chain in chains) >= 2:
        # All begin at one point, the wrist: their first bones are those of the palm.
        chains = [chain[1:] if len(chain) > 2 else chain for chain in chains]
        others = [chain[1:] if len(chain) > 2 else chain for chain in others]
    knuckled = [from_knuckle(chain, wrist, skeleton) for chain in others]
    order = _from_thumb(knuckled, chains[thumb], skeleton)
    tipped = sum(len(chain) > 3 for chain in knuckled) > len(knuckled) / 2
    slots = _finger("thumb", chains[thumb], side, short=tipped and len(chains[thumb]) == 3)
    for name, index in zip(_FEWER[len(order)], order, strict=True):
        slots.update(_finger(name, knuckled[index], side))
    return slots


def _chain(root: str, skeleton: Skeleton) -> list[str]:
    chain = [root]
    while skeleton.children[chain[-1]]:
        chain.append(_along(chain[-1], skeleton))
    return chain


def from_knuckle(chain: list[str], wrist: FloatArray, skeleton: Skeleton, shortest: int = 4) -> list[str]:
    """The chain without the metacarpal, whose root lies in the palm; one of less than ``shortest`` is whole."""
    if len(chain) < shortest:
        return chain
    far = float(np.linalg.norm(skeleton.heads[chain[-1]] - wrist))
    near = float(np.linalg.norm(skeleton.heads[chain[0]] - wrist))
    return chain[1:] if near < _METACARPAL * far else chain


def _direction(chain: list[str], skeleton: Skeleton) -> FloatArray:
    return normalize(skeleton.heads[chain[-1]] - skeleton.heads[chain[0]])


def _thumb(chains: list[list[str]], wrist: FloatArray, skeleton: Skeleton) -> int:
    """Index of the thumb: it points away from the others, and its end is nearest to the wrist."""
    if len(chains) == 2:  # each points away from the other: the shorter one, then the one nearer to the wrist
        roots = [float(np.linalg.norm(skeleton.heads[chain[0]] - wrist)) for chain in chains]
        return min((0, 1), key=lambda index: (len(chains[index]), roots[index]))
    directions = [_direction(chain, skeleton) for chain in chains]
    ends = [float(np.linalg.norm(skeleton.heads[chain[-1]] - wrist)) for chain in chains]
    scores = []
    for index, direction in enumerate(directions):
        rest = normalize(np.sum([d for i, d in enumerate(directions) if i != index], axis=0))
        apart = float(np.arccos(np.clip(direction @ rest, -1.0, 1.0)))
        scores.append(apart - 0.8 * ends[index] / max(ends))
    return int(np.argmax(scores))


def _from_thumb(chains: list[list[str]], thumb: list[str], skeleton: Skeleton) -> list[int]:
    """Indices of the fingers in the order of their knuckles, the one next to the thumb first."""
    knuckles = np.array([skeleton.heads[chain[0]] for chain in chains])
    if len(chains) == 1:
        return [0]
    spread = knuckles - knuckles.mean(axis=0)
    along = normalize(np.sum([_direction(chain, skeleton) for chain in chains], axis=0))
    spread = spread - (spread @ along)[:, None] * along
    axis = np.linalg.svd(spread)[2][0]
    thumb_joints = np.mean([skeleton.heads[name] for name in thumb], axis=0)
    if (thumb_joints - knuckles.mean(axis=0)) @ axis > 0:
        axis = -axis
    return [int(index) for index in np.argsort(spread @ axis)]


def _finger(name: str, chain: list[str], side: str, *, short: bool = False) -> dict[str, tuple[str, ...]]:
    """``short``: the finger has two phalanges and a tip."""
    count = 2 if short else 3
    slots = {f"{name}.{side}": tuple(chain[:count])}
    if len(chain) > count:
        slots[f"{name}_tip.{side}"] = (chain[count],)
    return slots
