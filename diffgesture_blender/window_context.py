# SPDX-License-Identifier: GPL-3.0-or-later
"""A window for operators that look at one: under ``blender -b --command`` the context has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import bpy

from .errors import DiffGestureError


@contextmanager
def window_showing(scene: bpy.types.Scene | None = None) -> Iterator[None]:
    """The context inside has a window, which shows ``scene`` (None: whichever it shows) and is put back.

    Raises DiffGestureError where another scene is wanted and Blender has no window at all.
    """
    windows = bpy.context.window_manager.windows
    window = bpy.context.window or (windows[0] if windows else None)
    if window is None:
        if scene is not None and bpy.context.scene != scene:
            raise DiffGestureError(f"Open the file with the scene {scene.name} active to work in it.")
        yield
        return
    with nullcontext() if bpy.context.window is not None else bpy.context.temp_override(window=window):
        before = window.scene
        if scene is not None and before != scene:
            window.scene = scene
        try:
            yield
        finally:
            if window.scene != before:
                window.scene = before
