# SPDX-License-Identifier: GPL-3.0-or-later
"""Upper arm and forearm, of one bone, split, or with spare twist bones: the twist shared, the aim exact."""

from __future__ import annotations

import itertools

import numpy as np

from ..rig import quaternion as quat
from ..rig.twist import place_along, shares
from .arm import ArmTurns
from .rest import RestBody

FloatArray = np.ndarray


def solve_limbs(body: RestBody, arm: ArmTurns, side: str) -> dict[str, FloatArray]:
    """Bone -> (T, 4) rotation from rest in the public frame, for every bone of upper arm and forearm."""
    return {
        # What hangs on the upper arm must find the elbow's whole twist in its last bone; the wrist has its own.
        **_limb(body, side, "upper_arm", arm.upper_arm, arm.upper_arm_twist, arm.upper_arm_aim, whole_at_end=True),
        **_limb(body, side, "forearm", arm.forearm, arm.forearm_twist, arm.forearm_aim, whole_at_end=False),
    }


def _limb(
    body: RestBody,
    side: str,
    part: str,
    turn: FloatArray,
    twist: FloatArray,
    aim: FloatArray,
    *,
    whole_at_end: bool,
) -> dict[str, FloatArray]:
    """``turn`` (T, 4) and ``twist`` (T,) about ``aim`` (T, 3), shared out by where each bone begins."""
    slots, heads = body.bone_map.slots, body.rest.heads
    chain, spare = slots[f"{part}.{side}"], slots.get(f"{part}_twist.{side}", ())
    next_slot = {"upper_arm": f"forearm.{side}", "forearm": f"hand.{side}"}[part]
    if next_slot not in slots:
        return dict.fromkeys(chain, quat.mul(quat.from_axis_angle(aim, twist * whole_at_end), turn))
    ends = (heads[chain[0]], heads[slots[next_slot][0]])
    places = {name: place_along(heads[name], *ends)[0] for name in (*chain, *spare)}
    share = dict(zip(chain, shares([places[name] for name in chain], whole_at_end=whole_at_end), strict=True))
    if spare:
        # The skin lies between all of them; the chain's last bone still carries what hangs on it.
        parts = sorted((*chain, *spare), key=lambda name: round(places[name], 3))
        spread = dict(zip(parts, shares([places[name] for name in parts], whole_at_end=False), strict=True))
        share = {**share, **spread, **({chain[-1]: 1.0} if whole_at_end else {})}
    turns = {name: quat.mul(quat.from_axis_angle(aim, part * twist), turn) for name, part in share.items()}
    if len(chain) > 1:
        _aim_exactly(body, chain, next_slot, turns, aim)
    return turns


def _aim_exactly(
    body: RestBody, chain: tuple[str, ...], next_slot: str, turns: dict[str, FloatArray], aim: FloatArray
) -> None:
    """Turn a chain as a whole so that its ends lie along ``aim``: split bones are seldom quite in line."""
    joints = [*(body.rest.heads[name] for name in chain), body.rest.heads[body.bone_map.slots[next_slot][0]]]
    steps = [quat.rotate(body.to_public, end - start) for start, end in itertools.pairwise(joints)]
    reached = sum(quat.rotate(turns[name], step) for name, step in zip(chain, steps, strict=True))
    correction = quat.between(quat.normalize(np.asarray(reached)), aim)
    turns.update({name: quat.mul(correction, turn) for name, turn in turns.items()})
