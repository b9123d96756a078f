# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH export of a motion, without Blender.

Directions carry no twist; each joint's rotation is the shortest arc from the T-pose, relative to its parent, so
any BVH reader gets the same joint positions. Rest pose: T-pose, y up, facing +z, centimetres.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import OutputError
from .motion_file import Motion

_CENTIMETRES = 100.0


def save_bvh(path: str | Path, motion: Motion) -> None:
    """Write ``motion`` as a BVH file at its own frame rate."""
    try:
        Path(path).write_text(bvh_text(motion), encoding="ascii", newline="\n")
    except OSError as error:
        raise OutputError(f"The BVH file cannot be written to {path}: {error.strerror or error}.") from error


def bvh_text(motion: Motion) -> str:
    """The whole file as text."""
    skeleton = motion.skeleton
    children: dict[int, list[int]] = {joint: [] for joint in range(skeleton.num_joints)}
    for bone, (parent, _) in enumerate(skeleton.bone_pairs):
        children[parent].append(bone)
    lengths = np.asarray(skeleton.bone_lengths)[:, None] * _CENTIMETRES
    offsets = np.asarray(motion.neutral_directions, dtype=np.float64) * lengths
    turns = _global_rotations(motion, children)
    lines, order = ["HIERARCHY"], []

    def write(joint: int, offset: np.ndarray, depth: int) -> None:
        pad = "  " * depth
        name = skeleton.joint_names[joint]
        lines.append(f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {name}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}  OFFSET {_numbers(offset)}")
        position = "Xposition Yposition Zposition " if depth == 0 else ""
        lines.append(f"{pad}  CHANNELS {6 if depth == 0 else 3} {position}Zrotation Xrotation Yrotation")
        order.append(joint)
        for bone in children[joint]:
            child = skeleton.bone_pairs[bone][1]
            if children[child]:
                write(child, offsets[bone], depth + 1)
            else:
                lines.append(f"{pad}  JOINT {skeleton.joint_names[child]}")
                lines.append(f"{pad}  {{")
                lines.append(f"{pad}    OFFSET {_numbers(offsets[bone])}")
                lines.append(f"{pad}    CHANNELS 3 Zrotation Xrotation Yrotation")
                lines.append(f"{pad}    End Site")
                lines.append(f"{pad}    {{")
                lines.append(f"{pad}      OFFSET {_numbers(offsets[bone] * 0.4)}")
                lines.append(f"{pad}    }}")
                lines.append(f"{pad}  }}")
                order.append(child)
        lines.append(f"{pad}}}")

    write(0, np.zeros(3), 0)
    parents = {child: parent for parent, child in skeleton.bone_pairs}
    frames = len(motion.directions)
    columns = [np.zeros((frames, 3))]
    for joint in order:
        turn = turns[joint] if joint not in parents else turns[parents[joint]].inv() * turns[joint]
        columns.append(turn.as_euler("ZXY", degrees=True))
    values = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / motion.fps:.8f}"]
    lines += [" ".join(f"{value:.4f}" for value in row) for row in values]
    return "\n".join(lines) + "\n"


def _global_rotations(motion: Motion, children: dict[int, list[int]]) -> list[Rotation]:
    """Per joint the rotation (T,) that carries its rest bones onto the motion's.

    A joint with several bones (neck, wrist) takes the best fit (Kabsch); where the fit leaves a bone off, the
    child cannot correct it, as BVH bones are rigid. One bone: the shortest arc on top of the parent's turn.
    """
    skeleton, directions = motion.skeleton, np.asarray(motion.directions, dtype=np.float64)
    neutral = np.asarray(motion.neutral_directions, dtype=np.float64)
    identity = Rotation.identity(len(directions))
    turns: list[Rotation] = [identity] * skeleton.num_joints
    parents = {child: parent for parent, child in skeleton.bone_pairs}
    for joint in _depth_first(children, skeleton.bone_pairs):
        inherited = turns[parents[joint]] if joint in parents else identity
        bones = children[joint]
        if not bones:
            turns[joint] = inherited
        elif len(bones) == 1:
            turns[joint] = _shortest_arc(inherited.apply(neutral[bones[0]]), directions[:, bones[0]]) * inherited
        else:
            turns[joint] = _fit(neutral[bones], directions[:, bones])
    return turns


def _depth_first(children: dict[int, list[int]], pairs: tuple[tuple[int, int], ...]) -> list[int]:
    order, stack = [], [0]
    while stack:
        joint = stack.pop()
        order.append(joint)
        stack += [pairs[bone][1] for bone in children[joint]]
    return order


def _shortest_arc(start: np.ndarray, end: np.ndarray) -> Rotation:
    """(T, 3) unit vectors to the smallest rotations between them."""
    w = 1 + (start * end).sum(-1, keepdims=True)
    axis = np.cross(start, end)
    # Opposite vectors: any perpendicular axis will do.
    helper = np.where(np.abs(start[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    flipped = np.concatenate([np.cross(start, helper), np.zeros_like(w)], axis=1)
    return Rotation.from_quat(np.where(w < 1e-8, flipped, np.concatenate([axis, w], axis=1)))


def _fit(rest: np.ndarray, directions: np.ndarray) -> Rotation:
    """Rest directions (K, 3) onto directions (T, K, 3): Kabsch 1976, per frame."""
    covariance = np.einsum("tki,kj->tij", directions, rest)
    u, _, vt = np.linalg.svd(covariance)
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    return Rotation.from_matrix(u @ vt)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.4f}" for value in values)
