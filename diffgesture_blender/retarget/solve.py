# SPDX-License-Identifier: GPL-3.0-or-later
"""From bone directions to the local rotations of a rig's bones. NumPy only."""

from dataclasses import dataclass

import numpy as np

from ..motion import Motion
from ..rig import quaternion as quat
from ..rig.families import FINGERS, SIDES
from ..rig.slots import BoneMap
from .arm import solve_arm
from .finger import solve_finger
from .limb import solve_limbs
from .rest import RestBody, RestSkeleton
from .torso import solve_torso

FloatArray = np.ndarray


@dataclass(frozen=True)
class SolveOptions:
    """How chains share the turn: for each bone the part of the whole that it has reached, root to tip.

    None: the weights of the rig's family; without any, or if their number does not fit the chain, evenly.
    ``fingers``: whether to turn them.
    """

    spine_weights: tuple[float, ...] | None = None
    neck_weights: tuple[float, ...] | None = None
    fingers: bool = True


def solve(
    rest: RestSkeleton, bone_map: BoneMap, motion: Motion, options: SolveOptions | None = None
) -> dict[str, FloatArray]:
    """Bone -> (T, 4) local rotations (the rotation of ``matrix_basis``; w, x, y, z), signs continuous in time."""
    turns = solve_turns(rest, bone_map, motion, options)
    to_public = RestBody.of(rest, bone_map).to_public
    return {
        bone: quat.continuous(_local(bone, turns, rest, to_public))
        for bone in bone_map.keyed_bones
        if bone in turns
    }


def solve_turns(
    rest: RestSkeleton, bone_map: BoneMap, motion: Motion, options: SolveOptions | None = None
) -> dict[str, FloatArray]:
    """Bone -> (T, 4) rotation from the rest pose in the public frame, whatever its parents do."""
    options = options or SolveOptions()
    body = RestBody.of(rest, bone_map)
    weights = bone_map.weights
    turns = solve_torso(
        body,
        motion,
        options.spine_weights or weights.get("spine"),
        options.neck_weights or weights.get("neck"),
    )
    for side in SIDES:
        if f"upper_arm.{side}" not in body.bone_map.slots:  # a character with one arm
            continue
        arm = solve_arm(body, motion, side)
        turns.update(solve_limbs(body, arm, side))
        if f"hand.{side}" not in bone_map.slots:
            continue
        turns.update(dict.fromkeys(bone_map.slots[f"hand.{side}"], arm.hand))
        for finger in FINGERS:
            if options.fingers and f"{finger}.{side}" in bone_map.slots:
                turns.update(solve_finger(body, motion, arm, finger, side))
    return turns


def _local(bone: str, turns: dict[str, FloatArray], rest: RestSkeleton, to_public: FloatArray) -> FloatArray:
    """(T, 4) rotation of the bone against what carries it, in the bone's own axes.

    With D the turn from rest in armature space, R the rest rotation: D = D_parent R basis R^-1.
    """
    link = rest.parents[bone]
    carried = turns[link.parent] if link.parent in turns else quat.identity(1)
    carried = quat.mul(quat.inv(to_public), quat.mul(carried, to_public))
    if link.weight != 1.0:
        carried = quat.power(carried, link.weight)
    carried = quat.mul(carried, link.offset)
    turn = quat.mul(quat.inv(to_public), quat.mul(turns[bone], to_public))
    axes = rest.rotations[bone]
    local = quat.mul(quat.inv(axes), quat.mul(quat.mul(quat.inv(carried), turn), axes))
    return np.broadcast_to(local, turn.shape)
