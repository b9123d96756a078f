# SPDX-License-Identifier: GPL-3.0-or-later
"""Render some moments of a .blend to PNG files; run.py starts several of these side by side.

    python demo/render_frames.py FILE.blend FOLDER MOMENTS.json

MOMENTS.json is a list of [name, frame]; frames may lie between whole ones. The name "background" stands for the
stage without the character; all others show the character alone on a transparent ground, because the backdrop
does not change and is rendered once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from demo.stage import frame_points

BACKGROUND: Final = "background"
BACKDROP_OBJECT: Final = "Backdrop"
_BACKGROUND_SAMPLES: Final = 24
_MARGIN: Final = 0.02  # of the picture, around the character


def _bodies(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    return [item for item in scene.objects if item.type == "MESH" and item.name != BACKDROP_OBJECT]


def _limit_to_character(scene: bpy.types.Scene) -> None:
    """Render only the part of the picture that the character covers in this frame."""
    graph = bpy.context.evaluated_depsgraph_get()
    corners = []
    for item in _bodies(scene):
        mesh = item.evaluated_get(graph).data
        points = np.empty((len(mesh.vertices), 3), dtype=np.float32)
        mesh.vertices.foreach_get("co", points.ravel())
        matrix = np.array(item.matrix_world)
        corners.append(points @ matrix[:3, :3].T + matrix[:3, 3])
    render = scene.render
    assert scene.camera is not None
    places = frame_points(scene.camera, np.concatenate(corners), render.resolution_x / render.resolution_y)
    low = np.clip(places.min(axis=0) - _MARGIN, 0.0, 1.0)
    high = np.clip(places.max(axis=0) + _MARGIN, 0.0, 1.0)
    render.use_border, render.use_crop_to_border = True, False
    render.border_min_x, render.border_min_y = map(float, low)
    render.border_max_x, render.border_max_y = map(float, high)


def _render(scene: bpy.types.Scene, path: Path) -> None:
    # Written under another name first: a file of the final name is always complete
    scene.render.filepath = str(path.with_suffix(".part.png"))
    bpy.ops.render.render(write_still=True)
    os.replace(scene.render.filepath, path)


def render_moments(folder: Path, moments: list[tuple[str, float]], threads: int) -> None:
    """Render every (name, frame) of the open file into ``folder``."""
    scene = bpy.context.scene
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.cycles.debug_bvh_type = "DYNAMIC_BVH"  # refitted to the moving body, not built anew for each picture
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    backdrop = scene.objects[BACKDROP_OBJECT]
    for name, frame in moments:
        if name == BACKGROUND:
            samples = scene.cycles.samples
            for item in _bodies(scene):
                item.hide_render = True
            scene.cycles.samples = _BACKGROUND_SAMPLES
            scene.render.film_transparent, scene.render.use_border = False, False
            backdrop.visible_camera = True
            _render(scene, folder / f"{name}.png")
            for item in _bodies(scene):
                item.hide_render = False
            scene.cycles.samples = samples
            continue
        # Light still bounces off the unseen backdrop
        scene.render.film_transparent, backdrop.visible_camera = True, False
        scene.frame_set(int(frame), subframe=frame % 1.0)
        _limit_to_character(scene)
        _render(scene, folder / f"{name}.png")


def main() -> None:
    blend, folder, moments_file, threads = sys.argv[1:5]
    bpy.ops.wm.open_mainfile(filepath=blend)
    render_moments(Path(folder), json.loads(Path(moments_file).read_text("utf-8")), int(threads))


if __name__ == "__main__":
    main()
