# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured takes of the shared folder as motions, for tests only."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from motion_builders import EXPRESSIVE_JOINTS, build_motion, neutral

from diffgesture_blender.motion import Motion
from diffgesture_blender.rig import quaternion as quat

REAL_TAKES = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "real"
_CENTRE = {"spine": ("Spine2", "spine2"), "neck": ("Neck", "Spine3", "neck")}
_ARM = {"shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand"}


@dataclass(frozen=True)
class Take:
    """Joint positions (T, 3) in metres by the names of the expressive layout, and their rate."""

    joints: dict[str, np.ndarray]
    fps: float


def _source_names(name: str) -> tuple[str, ...]:
    """What the takes call a joint: Mixamo's names or SMPL-X's, which are ours."""
    side, _, part = name.partition("_")
    if name in _CENTRE:
        return _CENTRE[name]
    if part in _ARM:
        return f"{side.title()}{_ARM[part]}", name
    return (f"{side.title()}Hand{part.title()}", name) if part[-1:].isdigit() else ()


def read_take(name: str, seconds: float = 20.0, step: int = 2, start: float = 0.0) -> Take:
    """Every ``step``-th frame of a stretch of a take, of those joints that it has."""
    with np.load(REAL_TAKES / f"{name}.npz", allow_pickle=False) as archive:
        names = [str(joint) for joint in archive["joint_names"]]
        fps = json.loads(str(archive["meta"]))["clips"][0]["fps"]
        stretch = slice(round(start * fps), round((start + seconds) * fps), step)
        if "0/positions" in archive.files:
            positions = archive["0/positions"][stretch].astype(float)
        else:
            local = quat.normalize(archive["0/rotations"][stretch].astype(float))
            positions = _positions(local, archive["parents"], archive["rest_offsets"].astype(float))
    found = {joint: next((n for n in _source_names(joint) if n in names), None) for joint in EXPRESSIVE_JOINTS}
    joints = {joint: positions[:, names.index(source)] for joint, source in found.items() if source is not None}
    return Take(joints, fps / step)


def _positions(local: np.ndarray, parents: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(T, J, 3) joints of local rotations (T, J, 4) and rest offsets (J, 3)."""
    world, positions = np.empty_like(local), np.zeros((*local.shape[:2], 3))
    for joint, parent in enumerate(parents):
        world[:, joint] = local[:, joint] if parent < 0 else quat.mul(world[:, parent], local[:, joint])
        if parent >= 0:
            positions[:, joint] = positions[:, parent] + quat.rotate(world[:, parent], offsets[joint])
    return positions


def motion_of(take: Take) -> Motion:
    """The take's bone directions; the face stays neutral, and what the take lacks."""
    directions = {pair: value[None] for pair, value in neutral().items()}
    for start, end in directions:
        if start in take.joints and end in take.joints:
            directions[(start, end)] = quat.normalize(take.joints[end] - take.joints[start])
    return build_motion(directions, "ted_expressive", take.fps)


def load_take(name: str, seconds: float = 20.0, step: int = 2) -> Motion:
    """The first seconds of a take as a motion."""
    return motion_of(read_take(name, seconds, step))
