# SPDX-License-Identifier: GPL-3.0-or-later
from .diffgesture_blender import register, unregister

__all__ = ["register", "unregister"]
