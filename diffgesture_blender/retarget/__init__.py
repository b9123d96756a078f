# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone directions onto any armature: find its bones, solve their rotations, write them as keyframes.

``bone_map`` tells how to get, change, keep, save and load bone maps; ``apply.retarget`` does the whole of it. This
module itself needs no Blender.
"""

from ..rig.bone_map import (
    BoneMap,
    bone_map_of_family,
    change_bone_map,
    family_names,
    find_bone_map,
    forget_bone_map,
    has_stored_map,
    load_bone_map,
    save_bone_map,
    store_bone_map,
)
from .solve import SolveOptions, solve

__all__ = [
    "BoneMap",
    "SolveOptions",
    "bone_map_of_family",
    "change_bone_map",
    "family_names",
    "find_bone_map",
    "forget_bone_map",
    "has_stored_map",
    "load_bone_map",
    "save_bone_map",
    "solve",
    "store_bone_map",
]
