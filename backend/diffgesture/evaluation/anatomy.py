# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a body can do this: bone directions of unit length, joints inside their range, hands outside the trunk.

Ranges are those of healthy adults (American Academy of Orthopaedic Surgeons, 1965) plus a margin, since bone
directions do not tell flexion from other turns of a joint and metacarpals do not point straight at the fingers.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ..motion.canonical import layout_bone_lengths
from ..motion.contact import TRUNK_HALF_DEPTH, TRUNK_HALF_WIDTH
from ..motion.skeletons import SKELETONS, TED_EXPRESSIVE, Skeleton, directions_to_joints, normalize
from .measure import Measure, undefined
from .takes import Take

FloatArray = np.ndarray

TORSO_TOLERANCE: Final = 0.02
"""Metres that a hand may be inside the trunk: skin and clothes give way, and the trunk is a rough ellipse."""
_TRUNK_BELOW_NECK: Final = (0.03, 0.62)
_LARGEST_ANGLES: Final = {"elbow": 155.0, "wrist": 100.0, "finger1": 135.0, "finger2": 125.0, "head": 115.0}
"""Degrees between the two bones that meet at a joint."""
_FINGERS: Final = ("index", "middle", "pinky", "ring", "thumb")
_FURTHEST_BACK: Final = -0.87
_FURTHEST_BACK_RAISED: Final = -0.65
_FURTHEST_ACROSS: Final = -0.80


def unit_norm_error(takes: Sequence[Take]) -> Measure:
    """Largest deviation of a direction's length from 1."""
    errors = [np.abs(np.linalg.norm(t.directions, axis=-1) - 1).max() for t in takes if t.directions is not None]
    return Measure(float(max(errors))) if errors else undefined("only arms are known")


def frames_inside_limits(takes: Sequence[Take]) -> Measure:
    """Share of frames with every joint inside its range."""
    inside = [joint_limits(t.directions, SKELETONS[t.layout]) for t in takes if t.directions is not None]
    return Measure(float(np.concatenate(inside).mean())) if inside else undefined("only arms are known")


def frames_with_hands_outside(takes: Sequence[Take]) -> Measure:
    """Share of frames with both hands outside the trunk."""
    outside = [
        torso_depth(take.directions, SKELETONS[take.layout]) <= TORSO_TOLERANCE
        for take in takes
        if take.directions is not None
    ]
    return Measure(float(np.concatenate(outside).mean())) if outside else undefined("only arms are known")


def human_lengths(skeleton: Skeleton) -> FloatArray:
    """(B,) metres: the common set of bone lengths in the order of a layout's bones."""
    by_name = dict(zip(TED_EXPRESSIVE.bone_names, layout_bone_lengths(), strict=True))
    return np.asarray([by_name.get(name, 0.1) for name in skeleton.bone_names])


def body_frame(directions: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T, 3, 3): rows are the chest's left, up and forward, from the spine and the line of the shoulders."""
    up = directions[:, skeleton.bone("spine", "neck")]
    left = directions[:, skeleton.bone("neck", "left_shoulder")]
    left = left - directions[:, skeleton.bone("neck", "right_shoulder")]
    left = normalize(left - (left * up).sum(-1, keepdims=True) * up)
    return np.stack([left, up, np.cross(left, up)], axis=1)


def torso_depth(directions: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T,) metres by which the deeper hand is inside the trunk, an upright elliptic cylinder below the neck."""
    directions = normalize(directions.astype(np.float64))
    joints = directions_to_joints(directions, skeleton, human_lengths(skeleton))
    neck = joints[:, skeleton.joint_names.index("neck")]
    parts = ("wrist", "middle1", "index3", "pinky2", "thumb3")
    probes = [k for k, name in enumerate(skeleton.joint_names) if name.partition("_")[2] in parts]
    points = np.einsum("tij,tpj->tpi", body_frame(directions, skeleton), joints[:, probes] - neck[:, None])
    radius = np.hypot(points[..., 0] / TRUNK_HALF_WIDTH, points[..., 2] / TRUNK_HALF_DEPTH)
    beside = (-points[..., 1] > _TRUNK_BELOW_NECK[0]) & (-points[..., 1] < _TRUNK_BELOW_NECK[1])
    depth = np.where(beside & (radius < 1), (1 - radius) * TRUNK_HALF_DEPTH, 0.0)
    return depth.max(axis=1)


def joint_limits(directions: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T,) whether elbows, wrists, fingers, head and shoulders are all inside their range."""
    directions = normalize(directions.astype(np.float64))
    inside = np.ones(len(directions), dtype=bool)
    for first, second, largest in _joint_pairs(skeleton):
        cosine = (directions[:, first] * directions[:, second]).sum(-1)
        inside &= cosine >= np.cos(np.radians(largest))
    frame = body_frame(directions, skeleton)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        upper_arm = directions[:, skeleton.bone(f"{side}_shoulder", f"{side}_elbow")]
        across, up, forward = np.einsum("tij,tj->it", frame, upper_arm)
        inside &= forward >= np.where(up > -0.3, _FURTHEST_BACK_RAISED, _FURTHEST_BACK)
        inside &= sign * across >= _FURTHEST_ACROSS
    return inside


def _joint_pairs(skeleton: Skeleton) -> list[tuple[int, int, float]]:
    """(bone, next bone, largest angle in degrees between them)."""
    pairs = [(skeleton.bone("spine", "neck"), skeleton.bone("neck", "nose"), _LARGEST_ANGLES["head"])]
    for side in ("left", "right"):
        forearm = skeleton.bone(f"{side}_elbow", f"{side}_wrist")
        upper_arm = skeleton.bone(f"{side}_shoulder", f"{side}_elbow")
        pairs.append((upper_arm, forearm, _LARGEST_ANGLES["elbow"]))
        if f"{side}_middle1" not in skeleton.joint_names:
            continue
        pairs.append((forearm, skeleton.bone(f"{side}_wrist", f"{side}_middle1"), _LARGEST_ANGLES["wrist"]))
        for finger in (f"{side}_{name}" for name in _FINGERS):
            bones = [
                skeleton.bone(f"{side}_wrist", f"{finger}1"),
                skeleton.bone(f"{finger}1", f"{finger}2"),
                skeleton.bone(f"{finger}2", f"{finger}3"),
            ]
            pairs.append((bones[0], bones[1], _LARGEST_ANGLES["finger1"]))
            pairs.append((bones[1], bones[2], _LARGEST_ANGLES["finger2"]))
    return pairs
