# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured takes of the shared folder as motions, for tests only."""

import json
from pathlib import Path

import numpy as np
from motion_builders import EXPRESSIVE_JOINTS, build_motion, neutral

from diffgesture_blender.motion import Motion
from diffgesture_blender.retarget import quaternion as quat

REAL_TAKES = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "real"
_CENTRE = {"spine": "Spine2", "neck": "Neck"}
_ARM = {"shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand"}


def _source_joint(name: str) -> str | None:
    side, _, part = name.partition("_")
    if name in _CENTRE:
        return _CENTRE[name]
    if part in _ARM:
        return f"{side.title()}{_ARM[part]}"
    return f"{side.title()}Hand{part.title()}" if part[-1:].isdigit() else None


def load_take(name: str, seconds: float = 20.0, step: int = 2) -> Motion:
    """The first seconds of a take with Mixamo joint names, every ``step``-th frame; the face stays neutral."""
    with np.load(REAL_TAKES / f"{name}.npz", allow_pickle=False) as archive:
        names = [str(joint) for joint in archive["joint_names"]]
        parents, offsets = archive["parents"], archive["rest_offsets"].astype(float)
        fps = json.loads(str(archive["meta"]))["clips"][0]["fps"]
        local = quat.normalize(archive["0/rotations"][: round(seconds * fps) : step].astype(float))
    world, positions = np.empty_like(local), np.zeros((*local.shape[:2], 3))
    for joint, parent in enumerate(parents):
        world[:, joint] = local[:, joint] if parent < 0 else quat.mul(world[:, parent], local[:, joint])
        if parent >= 0:
            positions[:, joint] = positions[:, parent] + quat.rotate(world[:, parent], offsets[joint])
    directions = {pair: value[None] for pair, value in neutral().items()}
    joints = {j: names.index(s) for j in EXPRESSIVE_JOINTS if (s := _source_joint(j)) is not None}
    for start, end in directions:
        if start in joints and end in joints:
            step_vector = positions[:, joints[end]] - positions[:, joints[start]]
            directions[(start, end)] = quat.normalize(step_vector)
    return build_motion(directions, "ted_expressive", fps / step)
