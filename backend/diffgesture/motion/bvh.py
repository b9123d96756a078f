# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH export of a motion, without Blender.

Directions carry no twist; each joint's rotation is the shortest arc from the T-pose, relative to its parent, so
any BVH reader gets the same joint positions. Rest pose: T-pose, y up, facing +z, centimetres.
"""

from pathlib import Path

import numpy as np

from ..writing import written
from . import rotation
from .motion_file import Motion

_CENTIMETRES = 100.0


def save_bvh(path: str | Path, motion: Motion) -> None:
    """Write ``motion`` as a BVH file at its own frame rate."""
    with written(path) as (part,):
        write_bvh(part, motion)


def write_bvh(part: Path, motion: Motion) -> None:
    """The BVH file into a place of ``writing.written``."""
    part.write_text(bvh_text(motion), encoding="ascii", newline="\n")


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
        turn = turns[joint]
        if joint in parents:
            turn = rotation.mul(rotation.inv(turns[parents[joint]]), turn)
        columns.append(np.degrees(rotation.to_euler_zxy(turn)))
    values = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / motion.fps:.8f}"]
    lines += [" ".join(f"{value:.4f}" for value in row) for row in values]
    return "\n".join(lines) + "\n"


def _global_rotations(motion: Motion, children: dict[int, list[int]]) -> list[np.ndarray]:
    """Per joint the rotation (T,) that carries its rest bones onto the motion's.

    A joint with several bones (neck, wrist) takes the best fit (Kabsch); where the fit leaves a bone off, the
    child cannot correct it, as BVH bones are rigid. One bone: the shortest arc on top of the parent's turn.
    """
    skeleton, directions = motion.skeleton, np.asarray(motion.directions, dtype=np.float64)
    neutral = np.asarray(motion.neutral_directions, dtype=np.float64)
    identity = np.tile(rotation.IDENTITY, (len(directions), 1))
    turns: list[np.ndarray] = [identity] * skeleton.num_joints
    parents = {child: parent for parent, child in skeleton.bone_pairs}
    for joint in _depth_first(children, skeleton.bone_pairs):
        inherited = turns[parents[joint]] if joint in parents else identity
        bones = children[joint]
        if not bones:
            turns[joint] = inherited
        elif len(bones) == 1:
            carried = rotation.rotate(inherited, neutral[bones[0]])
            turns[joint] = rotation.mul(rotation.between(carried, directions[:, bones[0]]), inherited)
        else:
            turns[joint] = rotation.fit(neutral[bones], directions[:, bones])
    return turns


def _depth_first(children: dict[int, list[int]], pairs: tuple[tuple[int, int], ...]) -> list[int]:
    order, stack = [], [0]
    while stack:
        joint = stack.pop()
        order.append(joint)
        stack += [pairs[bone][1] for bone in children[joint]]
    return order


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.4f}" for value in values)
