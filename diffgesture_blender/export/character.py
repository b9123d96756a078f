# SPDX-License-Identifier: GPL-3.0-or-later
"""The character with its new animation as FBX or glTF, by Blender's own exporters."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import addon_utils
import bpy

from ..errors import DiffGestureError
from ..window_context import window_showing

# File ending -> Blender's add-on and its operator.
_EXPORTERS: Final = {
    ".fbx": ("io_scene_fbx", "fbx"),
    ".glb": ("io_scene_gltf2", "gltf"),
    ".gltf": ("io_scene_gltf2", "gltf"),
}


class ExportFailed(DiffGestureError):
    """Blender's exporter broke down: no fault of what it was given."""

    kind, exit_code = "export", 1


def export_character(
    path: Path, armature: bpy.types.Object, scene: bpy.types.Scene, first: float, last: float
) -> None:
    """Write the armature, the meshes that it deforms and its animation from frame ``first`` to ``last``.

    Selection, frame range and frame of the scene are put back. Raises DiffGestureError; ExportFailed
    where the exporter itself fails.
    """
    module, name = _EXPORTERS[path.suffix.lower()]
    operator = _operator(module, name)
    as_strips = armature.animation_data is not None and armature.animation_data.action is None
    with window_showing(scene), _selected(members(armature, scene), armature), _range(scene, first, last):
        options = _fbx_options() if name == "fbx" else _gltf_options(path, as_strips)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # where exporters print their tracebacks
                result = operator(filepath=str(path), **options)
        except (RuntimeError, OSError, TypeError) as error:
            # Blender hands on an exporter's traceback as text; what failed stands in the last line that says so.
            lines = [line.strip() for line in str(error).splitlines() if "Error" in line] or [str(error)]
            if isinstance(error, OSError) or "[Errno" in lines[-1]:  # the disk, not the exporter
                raise OSError(lines[-1].partition("] ")[2].partition(":")[0] or lines[-1]) from error
            raise ExportFailed(f"Blender's exporter could not write {path}: {lines[-1]}") from error
    if "FINISHED" not in result or not path.is_file():
        raise ExportFailed(f"Blender's exporter did not write {path}.")


def members(armature: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The armature and what belongs to it: its children, and the meshes that it deforms."""

    def belongs(item: bpy.types.Object) -> bool:
        deformed = any(m.type == "ARMATURE" and m.object == armature for m in item.modifiers)
        parent = item.parent
        while parent is not None and parent != armature:
            parent = parent.parent
        return item == armature or deformed or parent == armature

    return [item for item in scene.objects if belongs(item)]


def _operator(module: str, name: str) -> Callable[..., set[str]]:
    if name not in dir(bpy.ops.export_scene):
        addon_utils.enable(module)
    if name not in dir(bpy.ops.export_scene):
        raise DiffGestureError(f"This Blender has no exporter for {name}; enable the add-on {module}.")
    return getattr(bpy.ops.export_scene, name)


def _fbx_options() -> dict[str, Any]:
    return {
        "use_selection": True,
        "object_types": {"ARMATURE", "MESH", "EMPTY"},
        "add_leaf_bones": False,
        "bake_anim": True,
        # The scene's own animation over its range: one take, whatever other actions the file has.
        "bake_anim_use_all_actions": False,
        "bake_anim_use_nla_strips": False,
        "bake_anim_simplify_factor": 0.0,
    }


def _gltf_options(path: Path, as_strips: bool) -> dict[str, Any]:
    return {
        "export_format": "GLB" if path.suffix.lower() == ".glb" else "GLTF_SEPARATE",
        "use_selection": True,
        "export_animations": True,
        "export_animation_mode": "SCENE" if as_strips else "ACTIVE_ACTIONS",
        "export_force_sampling": True,
        "export_frame_range": True,
    }


@contextmanager
def _selected(wanted: list[bpy.types.Object], active: bpy.types.Object) -> Iterator[None]:
    layer = bpy.context.view_layer
    before = [item for item in layer.objects if item.select_get()]
    was_active = layer.objects.active
    hidden = [item for item in wanted if item.name in layer.objects and item.hide_get()]
    try:
        for item in layer.objects:
            item.select_set(False)
        for item in hidden:
            item.hide_set(False)
        for item in wanted:
            if item.name in layer.objects:
                item.select_set(True)
        layer.objects.active = active
        yield
    finally:
        for item in layer.objects:
            item.select_set(item in before)
        for item in hidden:
            item.hide_set(True)
        layer.objects.active = was_active


@contextmanager
def _range(scene: bpy.types.Scene, first: float, last: float) -> Iterator[None]:
    before = (scene.frame_start, scene.frame_end, scene.use_preview_range)
    now = scene.frame_current + scene.frame_subframe
    scene.use_preview_range = False
    scene.frame_start, scene.frame_end = math.floor(first), math.ceil(last)
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end, scene.use_preview_range = before
        scene.frame_set(math.floor(now), subframe=now - math.floor(now))
