# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirrored part of a skeleton: a body without the sword in one hand and the lock of hair on one side."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from .skeleton import Skeleton

FloatArray = np.ndarray

# How far from its mirrored place a twin may lie, against the size of the skeleton.
_OFF_TWIN: Final = 0.03


def mirrored_part(skeleton: Skeleton, across: FloatArray, middle: float) -> Skeleton:
    """Only the bones that have a twin on the other side, or lie in the middle; ``across`` (3,) points sidewards.

    ``middle``: where the middle lies along it.
    """
    twins: dict[str, str] = {}
    roots = [name for name, parent in skeleton.parents.items() if parent is None]
    waiting = _matched(roots, roots, skeleton, across, middle)
    while waiting:
        a, b = waiting.pop()
        twins[a], twins[b] = b, a
        waiting += _matched(skeleton.children[a], skeleton.children[b], skeleton, across, middle)
    kept = [name for name in skeleton.parents if name in twins]
    return replace(
        skeleton,
        parents={name: skeleton.parents[name] for name in kept},
        heads={name: skeleton.heads[name] for name in kept},
        tails={name: skeleton.tails[name] for name in kept},
    )


def _matched(
    some: tuple[str, ...] | list[str],
    others: tuple[str, ...] | list[str],
    skeleton: Skeleton,
    across: FloatArray,
    middle: float,
) -> list[tuple[str, str]]:
    """Pairs of bones that mirror each other, nearest first; the two lists may be one."""
    limit = _OFF_TWIN * skeleton.size
    costs = sorted(
        (cost, a, b) for a in some for b in others if (cost := _apart(a, b, skeleton, across, middle)) < limit
    )
    left, right = set(some), set(others)
    one_list = left == right
    pairs = []
    for _, a, b in costs:
        if a in left and b in right:
            pairs.append((a, b))
            left -= {a, b} if one_list else {a}
            right -= {a, b} if one_list else {b}
    return pairs


def _apart(a: str, b: str, skeleton: Skeleton, across: FloatArray, middle: float) -> float:
    """Distance of a bone from another's mirror image, by their joints and the nearest of the next ones."""

    def mirror(point: FloatArray) -> FloatArray:
        return point - 2.0 * (point @ across - middle) * across

    here = float(np.linalg.norm(mirror(skeleton.heads[a]) - skeleton.heads[b]))
    nexts = [
        float(np.linalg.norm(mirror(skeleton.heads[c]) - skeleton.heads[d]))
        for c in skeleton.children[a]
        for d in skeleton.children[b]
    ]
    if bool(skeleton.children[a]) != bool(skeleton.children[b]):
        return 2.0 * here + 0.5 * _OFF_TWIN * skeleton.size
    return here + min(nexts, default=here)
