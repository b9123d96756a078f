# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's clock."""

import bpy


def frame_rate(scene: bpy.types.Scene) -> float:
    """Frames per second, ``fps_base`` included."""
    return scene.render.fps / scene.render.fps_base
