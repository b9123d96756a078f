# SPDX-License-Identifier: GPL-3.0-or-later
"""One canonical human upper body: its joints, T-pose, forward kinematics and map to the layout ``ted_expressive``.

All motion sources are brought to *global rotations relative to the T-pose* of these joints (the T-pose has
arms along +-X, palms down, fingers straight), and from there to *local* rotations. Upper arms are held
relative to the chest, not to the clavicle, so that the pose of an arm means the same whatever the shoulder
does. The proportions are those of an adult of about 1.74 m, rounded by hand; only directions leave this
module, so they matter for contact tests and for how the torso bends, not for the data format.
"""

from typing import Final

import numpy as np

from ..motion import rotation
from ..motion.skeletons import TED_EXPRESSIVE, joints_to_directions, normalize

FloatArray = np.ndarray

FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")
SIDES: Final = ("left", "right")


def _side(side: str) -> list[tuple[str, str, tuple[float, float, float]]]:
    """(joint, parent, offset from the parent in the T-pose) of one arm; offsets are those of the left."""
    joints = [
        (f"{side}_clavicle", "neck", (0.020, -0.015, 0.020)),
        (f"{side}_upper_arm", f"{side}_clavicle", (0.160, -0.035, -0.025)),
        (f"{side}_forearm", f"{side}_upper_arm", (0.285, 0.0, 0.0)),
        (f"{side}_hand", f"{side}_forearm", (0.255, 0.0, 0.0)),
    ]
    knuckles = {
        "thumb": (0.025, -0.010, 0.025),
        "index": (0.092, 0.000, 0.026),
        "middle": (0.094, 0.002, 0.006),
        "ring": (0.090, 0.000, -0.013),
        "pinky": (0.082, -0.003, -0.030),
    }
    lengths = {
        "thumb": (0.044, 0.034),
        "index": (0.042, 0.025),
        "middle": (0.046, 0.029),
        "ring": (0.042, 0.027),
        "pinky": (0.033, 0.020),
    }
    for finger in FINGERS:
        direction = np.array(THUMB_DIRECTION if finger == "thumb" else (1.0, 0.0, 0.0))
        direction /= np.linalg.norm(direction)
        joints.append((f"{side}_{finger}1", f"{side}_hand", knuckles[finger]))
        for k, length in enumerate(lengths[finger], start=2):
            offset = (float(direction[0]) * length, float(direction[1]) * length, float(direction[2]) * length)
            joints.append((f"{side}_{finger}{k}", f"{side}_{finger}{k - 1}", offset))
    sign = 1.0 if side == "left" else -1.0
    return [(name, parent, (sign * x, y, z)) for name, parent, (x, y, z) in joints]


# Where a relaxed left thumb points in the T-pose: outwards, down and forwards (middle of the motion sources).
THUMB_DIRECTION: Final = (0.74, -0.40, 0.54)

_JOINTS: Final = [
    ("pelvis", "", (0.0, 0.0, 0.0)),
    ("spine", "pelvis", (0.0, 0.16, 0.0)),
    ("chest", "spine", (0.0, 0.12, 0.0)),
    ("neck", "chest", (0.0, 0.22, 0.0)),
    ("head", "neck", (0.0, 0.095, 0.020)),
    *_side("left"),
    *_side("right"),
]

JOINT_NAMES: Final = tuple(name for name, _, _ in _JOINTS)
NUM_JOINTS: Final = len(JOINT_NAMES)
OFFSETS: Final = np.array([offset for _, _, offset in _JOINTS])
_INDEX: Final = {name: j for j, name in enumerate(JOINT_NAMES)}
# Position hangs on this joint ...
PARENTS: Final = tuple(_INDEX[parent] if parent else -1 for _, parent, _ in _JOINTS)
# ... the offset turns with this one (clavicles sit on the rib cage although they are drawn from the neck) ...
_CHEST: Final = _INDEX["chest"]
_OFFSET_FRAME: Final = tuple(
    _CHEST if name.endswith("_clavicle") else parent for name, parent in zip(JOINT_NAMES, PARENTS, strict=True)
)
# ... and the local rotation is relative to this one.
ROTATION_PARENTS: Final = tuple(
    _CHEST if name.endswith(("_clavicle", "_upper_arm")) else parent
    for name, parent in zip(JOINT_NAMES, PARENTS, strict=True)
)

# Face landmark directions of a head that looks straight ahead, public frame, bones in layout order: the
# symmetrised means of the official data, so that official checkpoints and ours agree on "straight ahead".
_FACE: Final = normalize(
    np.array(
        [
            (0.0, 0.68, 0.73),
            (-0.51, 0.69, -0.51),
            (0.51, 0.69, -0.51),
            (-0.37, 0.17, -0.91),
            (0.37, 0.17, -0.91),
        ]
    )
)
_FACE_LENGTHS: Final = (0.21, 0.055, 0.055, 0.105, 0.105)

TORSO: Final = tuple(_INDEX[name] for name in ("pelvis", "spine", "chest", "neck", "head"))


def joint(name: str) -> int:
    """Index of a canonical joint."""
    return _INDEX[name]


def arm_joints(side: str) -> tuple[int, ...]:
    """Upper arm, forearm, hand and the fifteen finger joints of ``side`` ("left" or "right")."""
    names = [f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"]
    return tuple(_INDEX[n] for n in names + [f"{side}_{f}{k}" for f in FINGERS for k in (1, 2, 3)])


def mirror_order() -> tuple[int, ...]:
    """For each joint the joint on the other side."""
    swapped = [
        n.replace("left_", "right_") if n.startswith("left_") else n.replace("right_", "left_")
        for n in JOINT_NAMES
    ]
    return tuple(_INDEX[n] for n in swapped)


def mirror(rotations: FloatArray) -> FloatArray:
    """Rotations (..., J, 4), local or global, reflected in the plane x = 0 with sides swapped."""
    return rotations[..., mirror_order(), :] * np.array([1.0, 1.0, -1.0, -1.0])


def to_global(local: FloatArray) -> FloatArray:
    """Local rotations (..., J, 4) to global rotations relative to the T-pose."""
    result = np.empty_like(local)
    for j, parent in enumerate(ROTATION_PARENTS):
        result[..., j, :] = (
            local[..., j, :] if parent < 0 else rotation.mul(result[..., parent, :], local[..., j, :])
        )
    return result


def to_local(world: FloatArray) -> FloatArray:
    """Inverse of :func:`to_global`."""
    result = world.copy()
    for j, parent in enumerate(ROTATION_PARENTS):
        if parent >= 0:
            result[..., j, :] = rotation.mul(rotation.inv(world[..., parent, :]), world[..., j, :])
    return result


def forward_kinematics(world: FloatArray) -> FloatArray:
    """Global rotations (..., J, 4) to positions (..., J, 3) in metres, pelvis at the origin."""
    positions = np.zeros((*world.shape[:-1], 3))
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            frame = world[..., _OFFSET_FRAME[j], :]
            positions[..., j, :] = positions[..., parent, :] + rotation.rotate(frame, OFFSETS[j])
    return positions


def _layout_sources() -> list[int]:
    alias = {"shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand"}
    sources = []
    for name in TED_EXPRESSIVE.joint_names[:38]:
        side, _, part = name.partition("_")
        sources.append(_INDEX[f"{side}_{alias.get(part, part)}" if part else name])
    return sources


_LAYOUT_SOURCES: Final = _layout_sources()


def layout_joints(world: FloatArray) -> FloatArray:
    """Global rotations (..., J, 4) to the 43 joints of ``ted_expressive`` (..., 43, 3), public frame, metres.

    Finger joint 1 is the knuckle (thumb: the joint at the wrist), 2 and 3 the next ones; the last phalanx is
    not in the layout. Nose, eyes and ears are rigid on the head.
    """
    positions = forward_kinematics(world)
    head = world[..., _INDEX["head"], :]
    neck_base = OFFSETS[_INDEX["head"]]
    nose_from_head = _FACE[0] * _FACE_LENGTHS[0] - neck_base
    result = np.empty((*world.shape[:-2], TED_EXPRESSIVE.num_joints, 3))
    result[..., :38, :] = positions[..., _LAYOUT_SOURCES, :]
    result[..., 38, :] = positions[..., _INDEX["head"], :] + rotation.rotate(head, nose_from_head)
    for bone, (parent, child) in enumerate(TED_EXPRESSIVE.bone_pairs[-4:], start=1):
        offset = rotation.rotate(head, _FACE[bone] * _FACE_LENGTHS[bone])
        result[..., child, :] = result[..., parent, :] + offset
    return result


def directions(local: FloatArray) -> FloatArray:
    """Local rotations (..., J, 4) to bone directions (..., 42, 3) of ``ted_expressive`` in the public frame."""
    return joints_to_directions(layout_joints(to_global(local)), TED_EXPRESSIVE)


def t_pose() -> FloatArray:
    """Local (and global) rotations (J, 4) of the T-pose: all identity."""
    return np.tile(rotation.IDENTITY, (NUM_JOINTS, 1))


def neutral_directions() -> FloatArray:
    """Directions (42, 3) in the T-pose: arms along +-X, palms down, looking straight ahead."""
    return directions(t_pose())


def layout_bone_lengths() -> FloatArray:
    """Lengths (42,) in metres of the layout's bones on this body."""
    joints = layout_joints(t_pose())
    parents, children = np.asarray(TED_EXPRESSIVE.bone_pairs).T
    return np.linalg.norm(joints[children] - joints[parents], axis=-1)
