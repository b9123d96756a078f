# SPDX-License-Identifier: GPL-3.0-or-later
"""A small film of the character with its speech, to look through many results quickly.

Blender's Workbench engine draws it, from the front, in a scene of its own that is taken away again.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import compat
from ..errors import DiffGestureError
from ..rig import quaternion as quat
from ..rig.body_frame import body_frame
from ..rig.bone_map import find_bone_map
from ..sound.source import AudioClip
from ..timing import frame_rate
from .character import members

SIZE: Final = (320, 400)
_GROUND: Final = (0.3, 0.3, 0.3)
_LENS: Final = 85.0
_SENSOR: Final = 36.0
_MARGIN: Final = 1.15  # of the body's height, for hands that are raised
_TRIAL_TIME: Final = 120.0  # seconds, for a slow disk
_TRIAL: Final = """
import bpy
scene, camera = bpy.context.scene, bpy.data.objects.new("trial", bpy.data.cameras.new("trial"))
scene.collection.objects.link(camera)
scene.camera, scene.render.engine = camera, "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 8
bpy.ops.render.render()
print("DREW", flush=True)
"""
_UNSEEN: Final = {"EMPTY", "ARMATURE", "CAMERA", "LIGHT", "SPEAKER"}


def write_film(
    path: Path,
    cast: Sequence[bpy.types.Object],
    scene: bpy.types.Scene,
    first: int,
    last: int,
    clip: AudioClip,
    sound_start: int,
    camera: bpy.types.Object | None = None,
) -> None:
    """An .mp4 of the armatures' meshes from frame ``first`` to ``last``, with ``clip`` from ``sound_start`` on.

    Seen by ``camera``, else from the front of the first of them.

    A character without a mesh cannot be drawn, and a Blender without a graphics driver (software will do) draws
    nothing: DiffGestureError, as where the film cannot be encoded. OSError where the disk is full.
    """
    with _stage(cast, scene, camera) as stage:
        stage.frame_start, stage.frame_end = first, last
        _add_sound(stage, clip, sound_start)
        _set_render(stage, path, scene)
        try:
            bpy.ops.render.render(animation=True, scene=stage.name)
        except RuntimeError as error:
            raise DiffGestureError(
                f"Blender cannot draw the film {path.name}: {' '.join(str(error).split())}"
            ) from error
    if not path.is_file() or not path.stat().st_size:
        raise DiffGestureError(
            f"Blender drew no film {path.name}. It needs a graphics driver (Mesa's software driver will do)."
        )
    if not _is_whole(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_whole(path: Path) -> bool:
    """Whether an MP4 file is complete and has its index: Blender reports no error when the disk is full."""
    names, place, size = set(), 0, path.stat().st_size
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            length, name = struct.unpack(">I4s", file.read(8))
            if length == 1:  # a box of more than 4 GB has its length behind its name
                (length,) = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))
            if length < 8:
                return False
            names.add(name)
            place += length
    return place == size and b"moov" in names


def check_film(scene: bpy.types.Scene, cast: Sequence[bpy.types.Object]) -> None:
    """DiffGestureError, before any work, where there would be nothing to see or nothing to draw it with."""
    bodies_of(scene, cast)
    if bpy.app.background and not _can_draw():
        raise DiffGestureError(
            "Blender cannot draw a film on this machine. It needs a graphics driver (Mesa's software driver "
            "will do)."
        )


@cache
def _can_draw() -> bool:
    """Whether a Blender without a window draws here; tried in another one, for without a driver it ends."""
    program = bpy.app.binary_path
    start = [program, "-b", "--factory-startup", "--python-expr"] if program else [sys.executable, "-I", "-c"]
    try:
        done = subprocess.run(
            [*start, _TRIAL], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TRIAL_TIME
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"DREW" in done.stdout


def bodies_of(scene: bpy.types.Scene, cast: Sequence[bpy.types.Object]) -> list[bpy.types.Object]:
    """What a film shows of the characters; DiffGestureError where that is nothing."""
    parts = [item for armature in cast for item in members(armature, scene)]
    bodies = [item for item in dict.fromkeys(parts) if item.type not in _UNSEEN and not item.hide_render]
    if not bodies:
        raise DiffGestureError(f"{cast[0].name} has no mesh that a film could show.")
    return bodies


@contextmanager
def _stage(
    cast: Sequence[bpy.types.Object], scene: bpy.types.Scene, seen_by: bpy.types.Object | None
) -> Iterator[bpy.types.Scene]:
    """A scene with the characters and a camera before them; at the end neither is there."""
    bodies = bodies_of(scene, cast)
    stage = bpy.data.scenes.new("DiffGesture film")
    lens = bpy.data.cameras.new("DiffGesture film")
    camera = bpy.data.objects.new("DiffGesture film", lens)
    stage.world = bpy.data.worlds.new("DiffGesture film")
    stage.world.color = _GROUND
    try:
        for item in dict.fromkeys((*cast, *bodies, camera, *filter(None, [seen_by]))):
            stage.collection.objects.link(item)
        stage.camera = seen_by or camera
        stage.render.fps, stage.render.fps_base = scene.render.fps, scene.render.fps_base
        lens.lens, lens.sensor_fit, lens.sensor_height = _LENS, "VERTICAL", _SENSOR
        camera.matrix_world, lens.clip_end = _before(cast[0], bodies)
        yield stage
    finally:
        world = stage.world
        bpy.data.scenes.remove(stage)
        bpy.data.worlds.remove(world)
        bpy.data.objects.remove(camera)
        bpy.data.cameras.remove(lens)


def _before(armature: bpy.types.Object, bodies: list[bpy.types.Object]) -> tuple[Matrix, float]:
    """Where a camera stands that sees the whole character from the front, and how far it must see."""
    corners = np.array([item.matrix_world @ Vector(corner) for item in bodies for corner in item.bound_box])
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in armature.data.bones}
    world = np.array(armature.matrix_world.to_3x3(), dtype=float)
    axes = quat.normalize(body_frame(heads, find_bone_map(armature).slots, world) @ np.linalg.inv(world))
    low, high = (corners @ axes.T).min(axis=0), (corners @ axes.T).max(axis=0)
    width, height, depth = high - low
    distance = _MARGIN * max(height, width * SIZE[1] / SIZE[0], 1e-3) * _LENS / _SENSOR + depth / 2
    place = (low + high) / 2 @ axes + distance * axes[2]
    return Matrix.Translation(place.tolist()) @ Matrix(axes.T.tolist()).to_4x4(), float(3.0 * distance + depth)


def _add_sound(stage: bpy.types.Scene, clip: AudioClip, start: int) -> None:
    editor = stage.sequence_editor_create()
    try:
        strip = compat.top_strips(editor).new_sound(
            name="Speech", filepath=str(clip.path), channel=1, frame_start=start
        )
    except RuntimeError:  # a Blender without audio: a silent film
        return
    skipped = round(clip.start * frame_rate(stage))
    strip.frame_start = start - skipped
    strip.frame_offset_start = skipped


def _set_render(stage: bpy.types.Scene, path: Path, scene: bpy.types.Scene) -> None:
    render: Any = stage.render
    render.engine = "BLENDER_WORKBENCH"
    width, height = SIZE
    if stage.camera in scene.objects.values():  # the scene's own, with its picture's shape
        width, height = 480, 2 * round(240 * scene.render.resolution_y / scene.render.resolution_x)
    render.resolution_x, render.resolution_y = width, height
    render.resolution_percentage = 100
    render.use_sequencer = render.use_compositing = False
    render.use_file_extension = False
    render.filepath = str(path)
    compat.encode_film(render)
    shading = stage.display.shading
    shading.light, shading.color_type, shading.show_cavity = "STUDIO", "MATERIAL", False
    stage.display.render_aa = "FXAA"
