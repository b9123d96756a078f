# SPDX-License-Identifier: GPL-3.0-or-later
"""Simple characters for tests: the bones that Mixamo names, facing -Y with the arms held out."""

import bpy

# name, parent, head, tail
_CENTRE = (
    ("Hips", None, (0, 0, 1.0), (0, 0, 1.1)),
    ("Spine", "Hips", (0, 0, 1.1), (0, 0, 1.2)),
    ("Spine1", "Spine", (0, 0, 1.2), (0, 0, 1.3)),
    ("Spine2", "Spine1", (0, 0, 1.3), (0, 0, 1.45)),
    ("Neck", "Spine2", (0, 0, 1.45), (0, 0, 1.55)),
    ("Head", "Neck", (0, 0, 1.55), (0, 0, 1.75)),
)
_SIDE = (
    ("Shoulder", "Spine2", (0.03, 0, 1.42), (0.15, 0, 1.42)),
    ("Arm", "{}Shoulder", (0.15, 0, 1.42), (0.43, 0, 1.42)),
    ("ForeArm", "{}Arm", (0.43, 0, 1.42), (0.68, 0, 1.42)),
    ("Hand", "{}ForeArm", (0.68, 0, 1.42), (0.77, 0, 1.42)),
)
_LEGS = (
    ("UpLeg", "Hips", (0.1, 0, 0.98), (0.1, 0, 0.5)),
    ("Leg", "{}UpLeg", (0.1, 0, 0.5), (0.1, 0.01, 0.08)),
    ("Foot", "{}Leg", (0.1, 0.01, 0.08), (0.1, -0.12, 0.02)),
)


def mixamo_character(name: str = "Character", arms: bool = True, scene: object = None) -> bpy.types.Object:
    """An armature object linked to the scene; its left is +X."""
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    (scene or bpy.context.scene).collection.objects.link(armature)
    previous = bpy.context.view_layer.objects.active
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bones = list(_CENTRE)
    for side, sign in (("Left", 1), ("Right", -1)):
        for bone, parent, head, tail in (*(_SIDE if arms else ()), *_LEGS):
            mirrored = tuple((sign * point[0], *point[1:]) for point in (head, tail))
            bones.append((side + bone, parent.format(side), *mirrored))
    for bone, parent, head, tail in bones:
        edit_bone = data.edit_bones.new(f"mixamorig:{bone}")
        edit_bone.head, edit_bone.tail = head, tail
        if parent:
            edit_bone.parent = data.edit_bones[f"mixamorig:{parent}"]
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = previous
    return armature
