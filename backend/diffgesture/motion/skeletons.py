# SPDX-License-Identifier: GPL-3.0-or-later
"""The two skeleton layouts of DiffGesture and the public frame.

A pose is a set of unit *bone directions*; joint positions follow from them and fixed bone lengths.
Bone pairs and lengths are those of the official code (``data_utils.py``, ``data_utils_expressive.py``).

Frames. The public frame has +X to the character's left, +Y up and +Z the way the character faces (as in
glTF). The official data have y pointing down, and the two layouts even face opposite ways: ``ted`` faces +z,
``ted_expressive`` faces -z. Both map to the public frame by half a turn, so left and right stay as they are.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

FloatArray = np.ndarray


@dataclass(frozen=True)
class Skeleton:
    """A layout: joints, bones (parent joint, child joint), bone lengths and the official frame.

    ``native_to_public`` holds the three signs that turn official coordinates into public ones; the map is its
    own inverse.
    """

    name: str
    joint_names: tuple[str, ...]
    bone_pairs: tuple[tuple[int, int], ...]
    bone_lengths: tuple[float, ...]
    native_to_public: tuple[float, float, float]

    @property
    def num_bones(self) -> int:
        return len(self.bone_pairs)

    @property
    def num_joints(self) -> int:
        return len(self.joint_names)

    @property
    def pose_dim(self) -> int:
        """Numbers in one frame: three per bone."""
        return 3 * self.num_bones

    @property
    def bone_names(self) -> tuple[str, ...]:
        """One name per bone: ``parent>child``."""
        return tuple(f"{self.joint_names[a]}>{self.joint_names[b]}" for a, b in self.bone_pairs)

    def bone(self, parent: str, child: str) -> int:
        """Index of the bone between two named joints (ValueError if there is none)."""
        return self.bone_pairs.index((self.joint_names.index(parent), self.joint_names.index(child)))

    def to_public(self, native: FloatArray) -> FloatArray:
        """(..., 3) official coordinates to the public frame, or back."""
        return native * np.asarray(self.native_to_public, dtype=native.dtype)

    to_native = to_public


_FINGERS: Final = ("index", "middle", "pinky", "ring", "thumb")
_FINGER_LENGTHS: Final = (
    (0.137, 0.044, 0.031),
    (0.144, 0.042, 0.033),
    (0.127, 0.027, 0.026),
    (0.134, 0.039, 0.033),
    (0.068, 0.042, 0.036),
)


def _hand(wrist: int, first: int) -> tuple[list[tuple[int, int]], list[float]]:
    pairs, lengths = [], []
    for finger, finger_lengths in enumerate(_FINGER_LENGTHS):
        chain = [wrist, *range(first + 3 * finger, first + 3 * finger + 3)]
        pairs += list(pairwise(chain))
        lengths += finger_lengths
    return pairs, lengths


def _ted_expressive() -> Skeleton:
    left_pairs, left_lengths = _hand(6, 8)
    right_pairs, right_lengths = _hand(7, 23)
    fingers = [f"{finger}{joint}" for finger in _FINGERS for joint in (1, 2, 3)]
    return Skeleton(
        name="ted_expressive",
        joint_names=(
            *("spine", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
            *("left_wrist", "right_wrist"),
            *(f"left_{name}" for name in fingers),
            *(f"right_{name}" for name in fingers),
            *("nose", "right_eye", "left_eye", "right_ear", "left_ear"),
        ),
        bone_pairs=(
            *((0, 1), (1, 2), (1, 3), (2, 4), (4, 6)),
            *left_pairs,
            *((3, 5), (5, 7)),
            *right_pairs,
            *((1, 38), (38, 39), (38, 40), (39, 41), (40, 42)),
        ),
        bone_lengths=(
            *(0.26, 0.22, 0.22, 0.36, 0.33),
            *left_lengths,
            *(0.36, 0.33),
            *right_lengths,
            *(0.18, 0.14, 0.14, 0.15, 0.15),
        ),
        native_to_public=(1.0, -1.0, -1.0),
    )


TED: Final = Skeleton(
    name="ted",
    joint_names=(
        *("spine", "neck", "nose", "head"),
        *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
    ),
    bone_pairs=((0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (5, 6), (1, 7), (7, 8), (8, 9)),
    bone_lengths=(0.26, 0.18, 0.14, 0.22, 0.36, 0.33, 0.22, 0.36, 0.33),
    native_to_public=(-1.0, -1.0, 1.0),
)
TED_EXPRESSIVE: Final = _ted_expressive()
SKELETONS: Final = {skeleton.name: skeleton for skeleton in (TED, TED_EXPRESSIVE)}


def directions_to_joints(
    directions: FloatArray, skeleton: Skeleton, lengths: FloatArray | None = None
) -> FloatArray:
    """Directions (..., B, 3) to joint positions (..., J, 3) with the first joint at the origin.

    ``lengths`` (B,) in metres replaces the official bone lengths. Directions are used as they are (official
    ``convert_dir_vec_to_pose``): a vector that is not of unit length stretches its bone.
    """
    bone_lengths = np.asarray(skeleton.bone_lengths if lengths is None else lengths)
    joints = np.zeros((*directions.shape[:-2], skeleton.num_joints, 3), dtype=directions.dtype)
    for bone, (parent, child) in enumerate(skeleton.bone_pairs):
        joints[..., child, :] = joints[..., parent, :] + bone_lengths[bone] * directions[..., bone, :]
    return joints


def joints_to_directions(joints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Joint positions (..., J, 3) to unit directions (..., B, 3); a bone of no length gives zeros."""
    parents, children = np.asarray(skeleton.bone_pairs).T
    return normalize(joints[..., children, :] - joints[..., parents, :])


def neutral_directions(skeleton: Skeleton) -> FloatArray:
    """(B, 3) public-frame directions of a T-pose that looks straight ahead, palms down.

    The head's directions are the symmetrised means of the official data, so a rotation fitted between them and
    a motion's head is the head's turn.
    """
    by_name = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        by_name[f"neck>{side}_shoulder"] = (sign * 0.963, -0.267, -0.027)
        by_name[f"{side}_shoulder>{side}_elbow"] = by_name[f"{side}_elbow>{side}_wrist"] = (sign, 0.0, 0.0)
        by_name[f"nose>{side}_eye"] = (sign * 0.51, 0.69, -0.51)
        by_name[f"{side}_eye>{side}_ear"] = (sign * 0.37, 0.17, -0.91)
        for finger, (metacarpal, phalanges) in _FLAT_HAND.items():
            by_name[f"{side}_wrist>{side}_{finger}1"] = (sign, metacarpal[0], metacarpal[1])
            for joint in (1, 2):
                name = f"{side}_{finger}{joint}>{side}_{finger}{joint + 1}"
                by_name[name] = (sign, phalanges[0], phalanges[1])
    by_name["spine>neck"] = (0.0, 1.0, 0.0)
    by_name["neck>nose"] = (0.0, 0.87, 0.43) if skeleton.name == "ted" else (0.0, 0.68, 0.73)
    by_name["nose>head"] = (0.0, 0.90, -0.42)
    return normalize(np.asarray([by_name[name] for name in skeleton.bone_names], dtype=np.float64))


# Slope in y and z, per metre along the arm, of the metacarpal and of the phalanges of a flat hand.
_FLAT_HAND: Final = {
    "index": ((0.0, 0.283), (0.0, 0.0)),
    "middle": ((0.021, 0.064), (0.0, 0.0)),
    "ring": ((0.0, -0.144), (0.0, 0.0)),
    "pinky": ((-0.037, -0.366), (0.0, 0.0)),
    "thumb": ((-0.40, 1.0), (-0.54, 0.73)),
}


def normalize(vectors: FloatArray) -> FloatArray:
    """(..., 3) scaled to unit length; zero vectors stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length == 0, 1, length)
