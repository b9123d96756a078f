# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's stage: a curved backdrop, three-point lighting, a camera and render settings for few samples."""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np
from mathutils import Vector

BACKDROP_COLOUR: Final = (0.60, 0.50, 0.41)
TARGET: Final = Vector((0.0, 0.0, 1.20))
CAMERA: Final = Vector((0.95, -3.95, 1.36))
LENS_MM: Final = 104.0


def create_stage(context: bpy.types.Context) -> bpy.types.Object:
    """Add backdrop, lights and camera around a character that stands at the origin and faces -Y.

    Returns the camera, which becomes the scene's camera. Replaces the scene's world.
    """
    scene = context.scene
    stage = bpy.data.collections.new("Stage")
    scene.collection.children.link(stage)
    stage.objects.link(_backdrop())
    # Key from the character's right front, large and warm; weak cool fill; two rims that part arms from ground
    stage.objects.link(_area_light("Key", (-1.9, -2.6, 2.7), (0.0, 0.0, 1.25), 1.1, 135.0, (1.0, 0.93, 0.84)))
    stage.objects.link(_area_light("Fill", (2.6, -2.6, 1.5), (0.0, 0.0, 1.15), 1.8, 34.0, (0.82, 0.91, 1.0)))
    stage.objects.link(_area_light("Rim left", (1.9, 1.3, 2.3), (0.0, 0.0, 1.25), 0.8, 95.0, (1.0, 0.95, 0.90)))
    stage.objects.link(_area_light("Rim right", (-1.7, 1.5, 1.9), (0.0, 0.0, 1.2), 0.8, 45.0, (0.86, 0.93, 1.0)))
    world = bpy.data.worlds.new("Stage")
    world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.72, 0.78, 0.88, 1.0)
    background.inputs["Strength"].default_value = 0.22
    scene.world = world
    data = bpy.data.cameras.new("Camera")
    data.lens = LENS_MM
    data.sensor_fit = "VERTICAL"
    data.sensor_height = 36.0
    camera = bpy.data.objects.new("Camera", data)
    _look(camera, CAMERA, TARGET)
    stage.objects.link(camera)
    scene.camera = camera
    return camera


def set_render(scene: bpy.types.Scene, width: int, height: int, samples: int) -> None:
    """Cycles on the CPU, tuned for small pictures in few samples."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.use_persistent_data = True  # keeps the backdrop's and the body's data between frames
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_quality = "FAST"
    cycles.denoising_prefilter = "NONE"
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 1
    cycles.transmission_bounces = cycles.volume_bounces = cycles.transparent_max_bounces = 0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"


def frame_points(camera: bpy.types.Object, points: np.ndarray, aspect: float) -> np.ndarray:
    """(N, 2) places of world points (N, 3) in the camera's picture: 0 to 1 from left and from the bottom.

    ``aspect`` is width / height; for a perspective camera with vertical sensor fit.
    """
    view = np.array(camera.matrix_world.inverted())
    local = points @ view[:3, :3].T + view[:3, 3]
    depth = np.maximum(-local[:, 2:], 1e-6)
    scale = camera.data.lens / camera.data.sensor_height
    return 0.5 + local[:, :2] / depth * scale / np.array([aspect, 1.0])


def _backdrop() -> bpy.types.Object:
    """Floor, quarter round and wall in one strip."""
    radius, depth, front, height, half_width = 1.6, 2.6, -7.0, 6.0, 9.0
    angles = np.linspace(0, np.pi / 2, 25)
    profile = [(front, 0.0)]
    profile += [(depth + radius * np.sin(a), radius * (1 - np.cos(a))) for a in angles]
    profile += [(depth + radius, height)]
    vertices = [(side * half_width, y, z) for y, z in profile for side in (-1, 1)]
    faces = [(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(len(profile) - 1)]
    mesh = bpy.data.meshes.new("Backdrop")
    mesh.from_pydata(vertices, [], faces)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), dtype=bool))
    material = bpy.data.materials.new("Backdrop")
    material.use_nodes = True
    material.diffuse_color = (*BACKDROP_COLOUR, 1.0)
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*BACKDROP_COLOUR, 1.0)
    shader.inputs["Roughness"].default_value = 1.0
    shader.inputs["Specular IOR Level"].default_value = 0.0
    mesh.materials.append(material)
    return bpy.data.objects.new("Backdrop", mesh)


def _area_light(
    name: str,
    location: tuple[float, float, float],
    target: tuple[float, float, float],
    size: float,
    watts: float,
    colour: tuple[float, float, float],
) -> bpy.types.Object:
    data = bpy.data.lights.new(name, "AREA")
    data.shape = "DISK"
    data.size, data.energy, data.color = size, watts, colour
    light = bpy.data.objects.new(name, data)
    _look(light, Vector(location), Vector(target))
    return light


def _look(thing: bpy.types.Object, location: Vector, target: Vector) -> None:
    thing.location = location
    thing.rotation_euler = (target - location).to_track_quat("-Z", "Y").to_euler()
