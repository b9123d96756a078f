# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton of SMPL-X, and a motion as SMPL-X parameters (BEAT2's form) for public leaderboards.

Bone directions tell no twist, and the lower body is not theirs: legs and root rest.
"""

from pathlib import Path
from typing import Final

import numpy as np

from ..errors import OutputError
from ..writing import written
from . import rotation
from .joint_names import FINGERS, SIDES
from .motion_file import Motion, compressed
from .skeletons import normalize

FloatArray = np.ndarray

# The 55 joints of SMPL-X: 22 of the body, jaw and eyes, 15 of each hand.
_SMPLX_BODY: Final = (
    *(
        "pelvis",
        "left_hip",
        "right_hip",
        "spine1",
        "left_knee",
        "right_knee",
        "spine2",
        "left_ankle",
        "right_ankle",
    ),
    *("spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("jaw", "left_eye", "right_eye"),
)
SMPLX_JOINTS: Final = (
    *_SMPLX_BODY,
    *(f"{side}_{finger}{k}" for side in SIDES for finger in FINGERS for k in (1, 2, 3)),
)
# Parent and offset from it in the rest pose, metres, left side. The body model's own numbers depend on the speaker
# and may not be passed on; these are those of an average adult, rounded to half a centimetre. Rotations are exact.
_SMPLX_REST: Final = {
    "pelvis": ("", (0.0, 0.0, 0.0)),
    "hip": ("pelvis", (0.06, -0.09, -0.01)),
    "knee": ("hip", (0.045, -0.375, 0.0)),
    "ankle": ("knee", (-0.015, -0.4, -0.03)),
    "foot": ("ankle", (0.045, -0.06, 0.12)),
    "spine1": ("pelvis", (0.0, 0.11, -0.025)),
    "spine2": ("spine1", (0.0, 0.13, -0.005)),
    "spine3": ("spine2", (0.0, 0.05, 0.025)),
    "neck": ("spine3", (0.0, 0.165, -0.03)),
    "head": ("neck", (0.0, 0.16, 0.02)),
    "jaw": ("head", (0.0, 0.0, 0.02)),
    "eye": ("head", (0.03, 0.055, 0.06)),
    "collar": ("spine3", (0.045, 0.085, -0.01)),
    "shoulder": ("collar", (0.11, 0.055, -0.015)),
    "elbow": ("shoulder", (0.26, -0.055, -0.035)),
    "wrist": ("elbow", (0.25, 0.01, -0.01)),
    "index1": ("wrist", (0.1, 0.0, 0.025)),
    "index2": ("index1", (0.04, 0.0, 0.0)),
    "index3": ("index2", (0.03, 0.0, 0.0)),
    "middle1": ("wrist", (0.095, 0.0, 0.0)),
    "middle2": ("middle1", (0.045, 0.0, 0.0)),
    "middle3": ("middle2", (0.035, 0.0, 0.0)),
    "pinky1": ("wrist", (0.08, 0.0, -0.045)),
    "pinky2": ("pinky1", (0.035, 0.0, 0.0)),
    "pinky3": ("pinky2", (0.03, 0.0, 0.0)),
    "ring1": ("wrist", (0.09, 0.0, -0.025)),
    "ring2": ("ring1", (0.04, 0.0, 0.0)),
    "ring3": ("ring2", (0.035, 0.0, 0.0)),
    "thumb1": ("wrist", (0.04, -0.03, 0.03)),
    "thumb2": ("thumb1", (0.035, -0.005, 0.01)),
    "thumb3": ("thumb2", (0.035, -0.005, 0.01)),
}


def _hierarchy() -> tuple[tuple[int, ...], FloatArray]:
    parents, offsets = [], []
    for name in SMPLX_JOINTS:
        side, _, part = name.rpartition("_")
        parent, offset = _SMPLX_REST[part]
        full = f"{side}_{parent}" if f"{side}_{parent}" in SMPLX_JOINTS else parent
        parents.append(SMPLX_JOINTS.index(full) if parent else -1)
        offsets.append(np.array(offset) * (-1.0 if side == "right" else 1.0, 1.0, 1.0))
    return tuple(parents), np.array(offsets)


SMPLX_PARENTS, SMPLX_OFFSETS = _hierarchy()
"""Parent of each joint (-1: none) and its offset from it in the rest pose, (55, 3) metres."""


def write_smplx(path: Path, motion: Motion, fps: float = 30.0) -> None:
    """The contents of a BEAT2 file: ``poses`` (T, 165) axis-angle, no shape, no face, standing at the origin."""
    poses = smplx_poses(motion, fps)
    frames = len(poses)
    content = compressed(
        poses=poses.reshape(frames, -1).astype(np.float32),
        betas=np.zeros(300, dtype=np.float32),
        expressions=np.zeros((frames, 100), dtype=np.float32),
        trans=np.zeros((frames, 3), dtype=np.float32),
        model=np.str_("smplx2020"),
        gender=np.str_("neutral"),
        mocap_frame_rate=np.int64(round(fps)),
    )
    path.write_bytes(content)


def save_smplx(path: str | Path, motion: Motion, fps: float = 30.0) -> None:
    """Write a motion as SMPL-X parameters; OutputError where it cannot be."""
    with written(path) as (part,):
        write_smplx(part, motion, fps)


def smplx_poses(motion: Motion, fps: float = 30.0) -> FloatArray:
    """(T, 55, 3) local rotation vectors at ``fps``: trunk, head, arms, hands and fingers; all else at rest.

    Every joint turns its bones from the rest pose to their directions by the smallest rotation on top of its
    parent's; trunk, hands and head, which have several bones, by the best fit.
    """
    if not 1.0 <= fps <= 240.0 or abs(fps - round(fps)) > 1e-6:
        raise OutputError(f"SMPL-X files have whole frames a second from 1 to 240, not {fps:g}.")
    directions = _at_rate(motion, fps)
    skeleton = motion.skeleton
    frames, index = len(directions), {name: k for k, name in enumerate(SMPLX_JOINTS)}
    rest = _rest_positions()

    def of(parent: str, child: str) -> FloatArray:
        return directions[:, skeleton.bone(parent, child)]

    def at_rest(parent: str, child: str) -> FloatArray:
        return normalize(rest[index[child]] - rest[index[parent]])

    wanted: dict[str, FloatArray] = {}
    up, across = of("spine", "neck"), of("neck", "left_shoulder") - of("neck", "right_shoulder")
    trunk_rest = np.stack([at_rest("spine1", "neck"), at_rest("right_shoulder", "left_shoulder")])
    wanted["spine1"] = rotation.fit(trunk_rest, np.stack([up, normalize(across)], axis=1))
    wanted["head"] = _head(motion, directions)
    segments = [("collar", "neck", "shoulder"), ("shoulder", "shoulder", "elbow"), ("elbow", "elbow", "wrist")]
    turns = np.tile(rotation.IDENTITY, (frames, len(SMPLX_JOINTS), 1))
    for joint, name in enumerate(SMPLX_JOINTS):
        parent = SMPLX_PARENTS[joint]
        inherited = turns[:, parent] if parent >= 0 else turns[:, joint]
        turns[:, joint] = wanted.get(name, inherited)
        side, _, part = name.rpartition("_")
        for turning, start, end in segments:
            if part == turning:
                begin = start if start == "neck" else f"{side}_{start}"
                seen, was = of(begin, f"{side}_{end}"), at_rest(begin, f"{side}_{end}")
                turns[:, joint] = _carry(inherited, was, seen)
        if part == "wrist" and f"{side}_middle1" in skeleton.joint_names:
            ends = [f"{side}_{finger}1" for finger in FINGERS if finger != "thumb"]
            was = np.stack([at_rest(name, end) for end in ends])
            turns[:, joint] = rotation.fit(was, np.stack([of(name, end) for end in ends], axis=1))
        if part[-1:].isdigit() and side in SIDES and part[-1] in "12" and name in skeleton.joint_names:
            tip = f"{side}_{part[:-1]}{int(part[-1]) + 1}"
            turns[:, joint] = _carry(inherited, at_rest(name, tip), of(name, tip))
    parents = [max(parent, 0) for parent in SMPLX_PARENTS]
    local = rotation.mul(rotation.inv(turns[:, parents]), turns)
    local[:, 0] = turns[:, 0]
    return rotation.log(local)


def _carry(inherited: FloatArray, was: FloatArray, seen: FloatArray) -> FloatArray:
    carried = rotation.rotate(inherited, np.broadcast_to(was, seen.shape))
    return rotation.mul(rotation.between(carried, normalize(seen)), inherited)


def _head(motion: Motion, directions: FloatArray) -> FloatArray:
    """(T, 4) the head's turn, from what is rigid on it and from the neck to the nose."""
    skeleton = motion.skeleton
    face = ("nose", "head", "left_eye", "right_eye", "left_ear", "right_ear")
    bones = [k for k, (_, child) in enumerate(skeleton.bone_pairs) if skeleton.joint_names[child] in face]
    return rotation.fit(np.asarray(motion.neutral_directions)[bones], directions[:, bones])


def _at_rate(motion: Motion, fps: float) -> FloatArray:
    """Unit directions at ``fps``, linear between frames."""
    directions = np.asarray(motion.directions, dtype=np.float64)
    frames = max(1, round(len(directions) / motion.fps * fps))
    places = np.minimum(np.arange(frames) / fps * motion.fps, len(directions) - 1)
    low = np.minimum(places.astype(int), max(len(directions) - 2, 0))
    weight = (places - low)[:, None, None]
    return normalize(
        directions[low] * (1 - weight) + directions[np.minimum(low + 1, len(directions) - 1)] * weight
    )


def _rest_positions() -> FloatArray:
    rest = SMPLX_OFFSETS.copy()
    for joint, parent in enumerate(SMPLX_PARENTS):
        if parent >= 0:
            rest[joint] += rest[parent]
    return rest
