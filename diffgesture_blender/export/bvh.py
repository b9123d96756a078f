# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion as BVH, for other 3D programs. Blender's own exporter is an add-on that may be disabled.

Rest pose: the layout's T-pose, +Y up, facing +Z, centimetres. Directions have no twist, so a joint with one bone
turns by the shortest arc on top of its parent; a joint with several (neck, wrist) by the best fit (Kabsch 1976).
"""

from pathlib import Path
from typing import Final

import numpy as np
from mathutils import Quaternion

from ..errors import DiffGestureError
from ..motion import Motion

_CENTIMETRES: Final = 100.0


def save_bvh(path: Path, motion: Motion) -> None:
    """Write ``motion`` at its own frame rate; raises DiffGestureError if the file cannot be written."""
    try:
        path.write_text(bvh_text(motion), encoding="ascii", newline="\n")
    except OSError as error:
        raise DiffGestureError(f"The BVH file cannot be written to {path}: {error.strerror or error}.") from error


def bvh_text(motion: Motion) -> str:
    """The whole file."""
    pairs = [(int(parent), int(child)) for parent, child in motion.bone_pairs]
    bones_of: dict[int, list[int]] = {joint: [] for joint in range(len(motion.joint_names))}
    for bone, (parent, _) in enumerate(pairs):
        bones_of[parent].append(bone)
    order = _depth_first(0, bones_of, pairs)
    offsets = motion.neutral_directions * np.asarray(motion.bone_lengths)[:, None] * _CENTIMETRES
    parent_bone = {child: bone for bone, (_, child) in enumerate(pairs)}

    lines = ["HIERARCHY"]
    _write_joint(lines, 0, 0, motion.joint_names, bones_of, pairs, offsets)
    turns = _world_rotations(motion, order, bones_of, pairs)
    columns = [np.zeros((len(motion.directions), 3))]
    for joint in order:
        turn = turns[joint]
        if joint in parent_bone:
            inverse = turns[pairs[parent_bone[joint]][0]] * [1.0, -1.0, -1.0, -1.0]
            turn = _multiply(inverse, turn)
        columns.append(_euler_zxy(turn))
    values = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1.0 / motion.fps:.8f}"]
    lines += [" ".join(f"{value:.4f}" for value in row) for row in values]
    return "\n".join(lines) + "\n"


def _depth_first(joint: int, bones_of: dict[int, list[int]], pairs: list[tuple[int, int]]) -> list[int]:
    order = [joint]
    for bone in bones_of[joint]:
        order += _depth_first(pairs[bone][1], bones_of, pairs)
    return order


def _write_joint(
    lines: list[str],
    joint: int,
    depth: int,
    names: tuple[str, ...],
    bones_of: dict[int, list[int]],
    pairs: list[tuple[int, int]],
    offsets: np.ndarray,
    offset: np.ndarray | None = None,
) -> None:
    pad = "  " * depth
    position = "6 Xposition Yposition Zposition" if depth == 0 else "3"
    lines += [
        f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {names[joint]}",
        f"{pad}{{",
        f"{pad}  OFFSET {_numbers(np.zeros(3) if offset is None else offset)}",
        f"{pad}  CHANNELS {position} Zrotation Xrotation Yrotation",
    ]
    for bone in bones_of[joint]:
        _write_joint(lines, pairs[bone][1], depth + 1, names, bones_of, pairs, offsets, offsets[bone])
    if not bones_of[joint] and offset is not None:
        lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET {_numbers(0.4 * offset)}", f"{pad}  }}"]
    lines.append(f"{pad}}}")


def _world_rotations(
    motion: Motion, order: list[int], bones_of: dict[int, list[int]], pairs: list[tuple[int, int]]
) -> dict[int, np.ndarray]:
    """Per joint the quaternions (T, 4), wxyz, that carry its rest bones onto the motion's."""
    frames = len(motion.directions)
    directions = np.asarray(motion.directions, dtype=np.float64)
    neutral = np.asarray(motion.neutral_directions, dtype=np.float64)
    parent_of = {child: parent for parent, child in pairs}
    turns: dict[int, np.ndarray] = {}
    for joint in order:
        inherited = turns[parent_of[joint]] if joint in parent_of else np.tile([1.0, 0.0, 0.0, 0.0], (frames, 1))
        bones = bones_of[joint]
        if not bones:
            turns[joint] = inherited
        elif len(bones) == 1:
            start = _rotate(inherited, np.broadcast_to(neutral[bones[0]], (frames, 3)))
            turns[joint] = _multiply(_shortest_arc(start, directions[:, bones[0]]), inherited)
        else:
            turns[joint] = _best_fit(neutral[bones], directions[:, bones])
    return turns


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of quaternions (..., 4), wxyz."""
    aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    scalar = aw * bw - (av * bv).sum(-1, keepdims=True)
    return np.concatenate([scalar, aw * bv + bw * av + np.cross(av, bv)], axis=-1)


def _rotate(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned by unit quaternions (..., 4)."""
    w, v = quaternion[..., :1], quaternion[..., 1:]
    t = 2.0 * np.cross(v, vector)
    return vector + w * t + np.cross(v, t)


def _shortest_arc(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(T, 3) unit vectors to the smallest turns between them (T, 4); opposite ones take any axis."""
    w = 1.0 + (start * end).sum(-1, keepdims=True)
    other = np.where(np.abs(start[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    opposite = np.concatenate([np.zeros_like(w), np.cross(start, other)], axis=1)
    quaternion = np.where(w < 1e-8, opposite, np.concatenate([w, np.cross(start, end)], axis=1))
    return quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)


def _best_fit(rest: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Rest directions (K, 3) onto directions (T, K, 3): the turns (T, 4) with the least squared error."""
    u, _, vt = np.linalg.svd(np.einsum("tki,kj->tij", directions, rest))
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return _from_matrices(u @ vt)


def _from_matrices(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) to quaternions (T, 4)."""
    from mathutils import Matrix

    return np.array([Matrix(matrix.tolist()).to_quaternion() for matrix in matrices])


def _euler_zxy(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (T, 4) to degrees (T, 3) in the order of the channels: Z, X, Y, applied R = Rz Rx Ry."""
    # Blender names Euler orders by application, first to last: R = Rz Rx Ry turns about Y first.
    eulers = np.array([Quaternion(q.tolist()).to_euler("YXZ") for q in quaternions])
    return np.degrees(eulers[:, [2, 0, 1]])


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.4f}" for value in values)
