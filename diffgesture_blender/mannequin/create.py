# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the mannequin into a Blender scene: armature, twist drivers, skinned mesh and materials."""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np
from mathutils import Vector

from .body import Body, load_body
from .materials import create_material
from .skeleton import BONES, Bone

_COLLECTIONS: Final = {
    "Torso": ("spine", "neck", "head", "shoulder"),
    "Arms": ("upper_arm", "forearm", "hand"),
    "Fingers": ("f_", "thumb"),
    "Legs": ("thigh", "shin", "foot", "toe"),
}
_TWIST_COLLECTION: Final = "Twist"


def create_mannequin(context: bpy.types.Context, name: str = "Mannequin") -> bpy.types.Object:
    """Add the mannequin to the context's scene at the world's origin and return its armature object.

    The armature becomes the active and only selected object, in object mode. Bones are named as in Blender's
    human metarig (``upper_arm.L``, ``f_index.01.L`` …); it is about 1.75 m tall, stands in an A-pose and faces
    -Y.
    """
    view_layer = context.view_layer
    if view_layer.objects.active is not None and view_layer.objects.active.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    body = load_body()
    armature = _create_armature(context, name)
    mesh_object = _create_mesh(context, f"{name} body", body)
    mesh_object.parent = armature
    modifier = mesh_object.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    # Linear blending: dual quaternions swell at the shoulder, and the twist bones keep the limbs from wringing
    modifier.use_deform_preserve_volume = False
    for other in view_layer.objects:
        other.select_set(other == armature)
    view_layer.objects.active = armature
    return armature


def _create_armature(context: bpy.types.Context, name: str) -> bpy.types.Object:
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    context.scene.collection.objects.link(armature)
    context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in BONES:
        edit_bone = data.edit_bones.new(bone.name)
        edit_bone.head, edit_bone.tail = Vector(bone.head), Vector(bone.tail)
        edit_bone.align_roll(Vector(bone.z_axis))
        if bone.parent:
            edit_bone.parent = data.edit_bones[bone.parent]
            edit_bone.use_connect = bone.connected
    bpy.ops.object.mode_set(mode="OBJECT")
    _sort_into_collections(data)
    for bone in BONES:
        if bone.twist_of:
            _drive_twist(armature, bone)
    data.display_type = "STICK"
    armature.show_in_front = True
    return armature


def _sort_into_collections(data: bpy.types.Armature) -> None:
    for title, prefixes in _COLLECTIONS.items():
        collection = data.collections.new(title)
        for bone in BONES:
            if not bone.twist_of and bone.name.startswith(prefixes):
                collection.assign(data.bones[bone.name])
    twist = data.collections.new(_TWIST_COLLECTION)
    for bone in BONES:
        if bone.twist_of:
            twist.assign(data.bones[bone.name])
    twist.is_visible = False  # deformation only: nothing for the animator to touch


def _drive_twist(armature: bpy.types.Object, bone: Bone) -> None:
    """Give a twist bone its share of another bone's turn about its own axis (swing-twist, local space)."""
    pose_bone = armature.pose.bones[bone.name]
    pose_bone.rotation_mode = "XYZ"
    driver = pose_bone.driver_add("rotation_euler", 1).driver
    variable = driver.variables.new()
    variable.name = "twist"
    variable.type = "TRANSFORMS"
    target = variable.targets[0]
    target.id = armature
    target.bone_target = bone.twist_of
    target.transform_type = "ROT_Y"
    target.rotation_mode = "SWING_TWIST_Y"
    target.transform_space = "LOCAL_SPACE"
    # A product is a "simple expression": Blender evaluates it even where scripts are not allowed to run
    driver.expression = f"twist * {bone.twist_share}"


def _create_mesh(context: bpy.types.Context, name: str, body: Body) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(body.vertices))
    mesh.vertices.foreach_set("co", body.vertices.astype(np.float32).ravel())
    mesh.loops.add(body.quads.size)
    mesh.loops.foreach_set("vertex_index", body.quads.astype(np.int32).ravel())
    mesh.polygons.add(len(body.quads))
    mesh.polygons.foreach_set("loop_start", np.arange(0, body.quads.size, 4, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(body.quads), dtype=bool))
    mesh.polygons.foreach_set("material_index", body.material_index.astype(np.int32))
    for part in body.materials:
        mesh.materials.append(create_material(part))
    mesh.update(calc_edges=True)
    mesh_object = bpy.data.objects.new(name, mesh)
    context.scene.collection.objects.link(mesh_object)
    for bone, weights in zip(BONES, body.weights.T, strict=True):
        add = mesh_object.vertex_groups.new(name=bone.name).add
        whole = np.flatnonzero(weights == 1.0)  # most of the body hangs on one bone
        add(whole.tolist(), 1.0, "REPLACE")
        shared = np.flatnonzero((weights > 0.0) & (weights < 1.0))
        for vertex, weight in zip(shared.tolist(), weights[shared].tolist(), strict=True):
            add((vertex,), weight, "REPLACE")
    return mesh_object
