# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's clock."""

import bpy


def frame_rate(scene: bpy.types.Scene) -> float:
    """Frames per second, ``fps_base`` included."""
    return scene.render.fps / scene.render.fps_base


def remapped(scene: bpy.types.Scene) -> str | None:
    """What to say of a scene whose animation runs at another speed than its sound; None of any other."""
    old, new = scene.render.frame_map_old, scene.render.frame_map_new
    if old == new:
        return None
    return (
        f"The scene's time stretching (old {old}, new {new}) plays the gestures at another speed than the sound; "
        "set both to the same number in the output properties."
    )
