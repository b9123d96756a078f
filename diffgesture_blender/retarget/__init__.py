# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone directions onto any armature: find its bones, solve their rotations, write them as keyframes.

``apply.retarget`` does the whole of it. This module itself needs no Blender.
"""

from .bone_map import BoneMap, find_bone_map
from .solve import SolveOptions, solve

__all__ = ["BoneMap", "SolveOptions", "find_bone_map", "solve"]
