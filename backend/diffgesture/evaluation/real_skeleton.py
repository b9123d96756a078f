# SPDX-License-Identifier: GPL-3.0-or-later
"""Real takes, whatever their skeleton, to directions of the layouts: +X is left, +Y up, +Z forward."""

from itertools import pairwise

import numpy as np

from ..motion import rotation
from ..motion.armature import Armature
from ..motion.joint_names import map_joints
from ..motion.skeletons import SKELETONS, Skeleton, neutral_directions, normalize

FloatArray = np.ndarray


def _joints(armature: Armature, place: str) -> dict[str, int]:
    """Joints of the layouts, by their names there, as far as the skeleton has them."""
    found = map_joints(armature.joint_names, place)
    known = dict(found.parts)
    if found.spine:
        known.setdefault("neck", found.spine[-1])
        known["spine"] = found.spine[len(found.spine) // 2]
    if "head" in known:
        known["head_joint"] = known["head"]
    return known


def arm_directions_of_real(armature: Armature, place: str) -> FloatArray:
    """(T, 6, 3) unit directions of shoulders, upper arms and forearms; DataError when a joint is missing."""
    joints = _joints(armature, place)
    bones = []
    for side in ("left", "right"):
        chain = [joints[name] for name in ("neck", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")]
        bones += [armature.positions[:, b] - armature.positions[:, a] for a, b in pairwise(chain)]
    return normalize(np.stack(bones, axis=1))


def layout_directions_of_real(armature: Armature, layout: str, place: str) -> FloatArray | None:
    """(T, B, 3) directions of all bones of a layout, or None when the take lacks head or fingers.

    Nose, eyes and ears are carried by the head joint's rotation from where they are in the neutral pose.
    """
    skeleton = SKELETONS[layout]
    joints = _joints(armature, place)
    if "head_joint" not in joints or armature.rotations is None:
        return None
    head = armature.rotations[:, joints["head_joint"]]
    neutral = neutral_directions(skeleton)
    bones = []
    for bone, (parent, child) in enumerate(skeleton.bone_pairs):
        ends = [joints.get(skeleton.joint_names[joint]) for joint in (parent, child)]
        if _is_face(skeleton, child):
            bones.append(rotation.rotate(head, np.broadcast_to(neutral[bone], (len(head), 3))))
        elif ends[0] is None or ends[1] is None:
            return None
        else:
            bones.append(armature.positions[:, ends[1]] - armature.positions[:, ends[0]])
    return normalize(np.stack(bones, axis=1))


def _is_face(skeleton: Skeleton, joint: int) -> bool:
    return skeleton.joint_names[joint].endswith(("nose", "head", "eye", "ear"))
