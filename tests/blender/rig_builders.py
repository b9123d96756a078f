# SPDX-License-Identifier: GPL-3.0-or-later
"""Armatures to test on: real skeletons rebuilt from data, a Rigify human, and the same in other rest poses."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bpy
from mathutils import Matrix, Quaternion, Vector

SHARED_RIGS = Path(__file__).resolve().parents[3] / "shared" / "rigs"
SHARED_RIG_NAMES = (
    "mixamo_xbot",
    "mpfb_mixamo",
    "readyplayerme",
    "biped_rocketbox",
    "mpfb_default",
    "mpfb_game_engine",
)


def reset() -> None:
    """An empty file at 24 frames per second."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def build_armature(
    bones: list[dict],
    name: str = "Rig",
    object_matrix: Matrix | None = None,
    roll: Callable[[], float] | None = None,
) -> bpy.types.Object:
    """An armature object from bones with ``name``, ``parent``, ``head``, ``tail``, ``matrix``, ``connected``.

    ``roll``: if given, called for each bone for a roll (radians) to add.
    """
    armature = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, armature)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for data in bones:
        bone = armature.edit_bones.new(data["name"])
        bone.head, bone.tail = (0, 0, 0), (0, 1, 0)
        if "matrix" in data:
            bone.matrix = Matrix(data["matrix"])
            bone.length = (Vector(data["tail"]) - Vector(data["head"])).length
        else:
            bone.head, bone.tail = data["head"], data["tail"]
        if roll is not None:
            bone.roll += roll()
    for data in bones:
        if data["parent"] is not None:
            armature.edit_bones[data["name"]].parent = armature.edit_bones[data["parent"]]
    bpy.ops.object.mode_set(mode="OBJECT")
    if object_matrix is not None:
        rig.matrix_world = object_matrix
    bpy.context.view_layer.update()
    return rig


def read_shared_rig(name: str) -> dict:
    """The file of a skeleton of the shared folder."""
    return json.loads((SHARED_RIGS / f"{name}.json").read_text(encoding="utf-8"))


def build_shared_rig(name: str, roll: Callable[[], float] | None = None) -> bpy.types.Object:
    """An armature of the shared folder, in its object transform."""
    data = read_shared_rig(name)
    return build_armature(data["bones"], name, Matrix(data["object_matrix"]), roll)


def build_rigify() -> bpy.types.Object:
    """A generated Rigify human (takes some seconds)."""
    import addon_utils  # there only once bpy has been loaded

    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.data.objects.remove(metarig)
    return rig


def write_rigify(path: Path) -> None:
    """A file with a Rigify human named ``rig``, made by another process.

    After generating a rig, the bpy module of Blender 4.5 does not end: it waits for a lock when it unloads.
    """
    subprocess.run([sys.executable, __file__, str(path)], check=True, timeout=300, capture_output=True)


def open_rigify(path: Path) -> bpy.types.Object:
    """Open the file that ``write_rigify`` made."""
    bpy.ops.wm.open_mainfile(filepath=str(path), use_scripts=False)
    return bpy.data.objects["rig"]


def human_bones(arm_angle: float = 0.0) -> list[dict]:
    """A plain human with metarig names, arms lowered by ``arm_angle`` degrees (0: T-pose, 90: I-pose), palms down.

    Metres; the character faces -Y, Z is up.
    """
    trunk = ("spine", "spine.001", "spine.002", "spine.003", "neck", "head")
    heights = (0.95, 1.05, 1.17, 1.30, 1.46, 1.54, 1.75)
    bones = [
        {
            "name": n,
            "parent": trunk[i - 1] if i else None,
            "head": (0, 0, heights[i]),
            "tail": (0, 0, heights[i + 1]),
        }
        for i, n in enumerate(trunk)
    ]
    for side, sign in (("L", 1.0), ("R", -1.0)):
        shoulder = Vector((0.17 * sign, 0.0, 1.42))
        lower = Quaternion((0, 1, 0), sign * math.radians(arm_angle))

        def at(x: float, y: float, z: float, *, sign: float = sign, turn: Quaternion = lower) -> Vector:
            return Vector((0.17 * sign, 0.0, 1.42)) + turn @ Vector((x * sign, y, z))

        def bone(name: str, parent: str, head: Vector, tail: Vector, *, side: str = side) -> None:
            bones.append({"name": f"{name}.{side}", "parent": parent, "head": head, "tail": tail})

        bone("shoulder", "spine.003", Vector((0.02 * sign, -0.02, 1.42)), shoulder)
        bone("upper_arm", f"shoulder.{side}", at(0, 0, 0), at(0.28, 0, 0))
        bone("forearm", f"upper_arm.{side}", at(0.28, 0, 0), at(0.53, 0, 0))
        bone("hand", f"forearm.{side}", at(0.53, 0, 0), at(0.62, 0, 0))
        for finger, y in (("f_index", -0.03), ("f_middle", -0.01), ("f_ring", 0.012), ("f_pinky", 0.032)):
            for i in range(3):
                parent = f"{finger}.{i:02d}.{side}" if i else f"hand.{side}"
                bone(f"{finger}.{i + 1:02d}", parent, at(0.62 + 0.03 * i, y, 0), at(0.65 + 0.03 * i, y, 0))
        for i in range(3):
            parent = f"thumb.{i:02d}.{side}" if i else f"hand.{side}"
            start, end = (at(0.55 + 0.03 * j, -0.02 - 0.02 * j, -0.01) for j in (i, i + 1))
            bone(f"thumb.{i + 1:02d}", parent, start, end)
        bone("thigh", "spine", Vector((0.1 * sign, 0, 0.92)), Vector((0.1 * sign, 0, 0.5)))
        bone("shin", f"thigh.{side}", Vector((0.1 * sign, 0, 0.5)), Vector((0.1 * sign, 0.02, 0.08)))
        bone("foot", f"shin.{side}", Vector((0.1 * sign, 0.02, 0.08)), Vector((0.1 * sign, -0.1, 0.02)))
        bone("toe", f"foot.{side}", Vector((0.1 * sign, -0.1, 0.02)), Vector((0.1 * sign, -0.16, 0.02)))
    return bones


def generate(kind: str, made: str) -> None:
    """A ``human_metarig`` or ``basic_human_metarig`` in an empty file, or the ``rig`` generated from it."""
    import addon_utils  # there only once bpy has been loaded

    addon_utils.enable("rigify", default_set=True)
    getattr(bpy.ops.object, f"armature_{kind}_add")()
    if made == "rig":
        metarig = bpy.context.object
        bpy.ops.pose.rigify_generate()
        bpy.ops.object.mode_set(mode="OBJECT")
        bpy.data.objects.remove(metarig)


if __name__ == "__main__":
    reset()
    if len(sys.argv) == 4:
        generate(sys.argv[1], sys.argv[2])
    else:
        build_rigify()
    bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
    os._exit(0)
