# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a scene from showing the gestures with their sound: its frame range and how it plays."""

import bpy


def range_note(scene: bpy.types.Scene, first: int, last: int) -> str | None:
    """What to say where gestures from frame ``first`` to ``last`` lie outside of the scene's range."""
    if last > scene.frame_end:
        return f"The scene ends at frame {scene.frame_end}, the gestures at {last}."
    if first < scene.frame_start:
        return f"The scene starts at frame {scene.frame_start}, the gestures at {first}."
    return None


def fit_range(scene: bpy.types.Scene, first: int, last: int) -> None:
    """Widen the scene's range so that frames ``first`` to ``last`` lie in it."""
    scene.frame_start = min(scene.frame_start, max(0, first))
    scene.frame_end = max(scene.frame_end, last)


def sync_note(scene: bpy.types.Scene) -> str | None:
    """What to say where a slow viewport would let the gestures lag behind the sound."""
    if scene.sync_mode == "AUDIO_SYNC":
        return None
    return "Playback shows every frame, so the gestures may lag behind the sound."
