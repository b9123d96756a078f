# SPDX-License-Identifier: GPL-3.0-or-later
"""Real takes, whatever their skeleton, to directions of the layouts.

A take holds ``joint_names`` and either ``0/positions`` (T, J, 3) or ``0/rotations`` (T, J, 4) with ``parents`` and
``rest_offsets``; +X is left, +Y up, +Z forward, rest frames are world aligned.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

from ..motion import rotation
from ..motion.skeletons import SKELETONS, Skeleton, neutral_directions, normalize

FloatArray = np.ndarray

_FINGERS: Final = ("index", "middle", "pinky", "ring", "thumb")


def _names(joint: str) -> tuple[str, ...]:
    """Names under which real takes hold a joint of the layouts, SMPL-X or motion-capture style."""
    side, _, part = joint.partition("_")
    if side not in ("left", "right"):
        return {
            "spine": ("spine2", "Spine1", "Spine2"),
            "neck": ("neck", "Neck", "Spine3"),
            "head_joint": ("head", "Head"),
        }.get(joint, ())
    if part[:-1] in _FINGERS:
        return (joint, f"{side.capitalize()}Hand{part.capitalize()}")
    capture = {"shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand"}.get(part)
    return (joint, side.capitalize() + capture) if capture else ()


def _pose(archive: Mapping[str, Any]) -> tuple[list[str], FloatArray, FloatArray | None]:
    """(joint names, positions (T, J, 3), global rotations (T, J, 4) or None)."""
    names = [str(name) for name in archive["joint_names"]]
    if "0/positions" in archive:
        return names, archive["0/positions"].astype(np.float64), None
    local = rotation.unit(archive["0/rotations"].astype(np.float64))
    offsets, parents = archive["rest_offsets"].astype(np.float64), archive["parents"]
    world, positions = local.copy(), np.zeros((*local.shape[:2], 3))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            world[:, joint] = rotation.mul(world[:, parent], local[:, joint])
            positions[:, joint] = positions[:, parent] + rotation.rotate(world[:, parent], offsets[joint])
    return names, positions, world


def _find(names: list[str], joint: str) -> int | None:
    return next((names.index(name) for name in _names(joint) if name in names), None)


def arm_directions_of_real(archive: Mapping[str, Any]) -> FloatArray:
    """(T, 6, 3) unit directions of shoulders, upper arms and forearms; ValueError when a joint is missing."""
    names, positions, _ = _pose(archive)

    def at(joint: str) -> FloatArray:
        index = _find(names, joint)
        if index is None:
            raise ValueError(f"it has no joint for '{joint}'")
        return positions[:, index]

    bones = []
    for side in ("left", "right"):
        chain = ["neck", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"]
        bones += [at(b) - at(a) for a, b in pairwise(chain)]
    return normalize(np.stack(bones, axis=1))


def layout_directions_of_real(archive: Mapping[str, Any], layout: str) -> FloatArray | None:
    """(T, B, 3) directions of all bones of a layout, or None when the take lacks head or fingers.

    Nose, eyes and ears are carried by the head joint's rotation from where they are in the neutral pose.
    """
    skeleton = SKELETONS[layout]
    names, positions, world = _pose(archive)
    head = _find(names, "head_joint")
    if head is None or world is None:
        return None
    neutral = neutral_directions(skeleton)
    bones = []
    for bone, (parent, child) in enumerate(skeleton.bone_pairs):
        ends = [_find(names, skeleton.joint_names[joint]) for joint in (parent, child)]
        if _is_face(skeleton, child):
            bones.append(rotation.rotate(world[:, head], np.broadcast_to(neutral[bone], (len(world), 3))))
        elif ends[0] is None or ends[1] is None:
            return None
        else:
            bones.append(positions[:, ends[1]] - positions[:, ends[0]])
    return normalize(np.stack(bones, axis=1))


def _is_face(skeleton: Skeleton, joint: int) -> bool:
    return skeleton.joint_names[joint].endswith(("nose", "head", "eye", "ear"))
