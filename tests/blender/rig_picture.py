# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of one speech on eight rigs, side by side: docs/images/rigs.jpg.

    python backend/generate.py demo/speech.flac -o motion.npz --seed 7
    python tests/blender/rig_picture.py motion.npz docs/images/rigs.jpg [--rigs FOLDER] [--frame N]

The mannequin is drawn with its skin, the others as solids between their evaluated joints. FOLDER: skeletons as
JSON files (see rig_table.py) for those that are not made here. The frame is the one in which the hands are busiest
and well apart, unless given. Needs Pillow.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import bpy  # noqa: E402, I001  (brings bmesh)
import bmesh  # noqa: E402
import numpy as np  # noqa: E402
import rig_builders  # noqa: E402
from family_names import FINGERS  # noqa: E402
from family_skeletons import family_skeleton  # noqa: E402
from mathutils import Matrix, Vector  # noqa: E402
from PIL import Image  # noqa: E402
from rig_measure import pose_at  # noqa: E402

from diffgesture_blender.mannequin.create import create_mannequin  # noqa: E402
from diffgesture_blender.motion import Motion, load_motion  # noqa: E402
from diffgesture_blender.retarget import find_bone_map  # noqa: E402
from diffgesture_blender.retarget.apply import retarget  # noqa: E402
from diffgesture_blender.rig.body_frame import body_frame  # noqa: E402
from diffgesture_blender.rig.bone_map import BoneMap  # noqa: E402

# Title, where the rig comes from, colour.
SUBJECTS: Final = (
    ("Mannequin (skinned)", "mannequin", (0.80, 0.36, 0.16)),
    ("Rigify", "rigify", (0.18, 0.47, 0.52)),
    ("Mixamo", "mixamo_xbot", (0.55, 0.27, 0.45)),
    ("3ds Max Biped", "biped_rocketbox", (0.25, 0.50, 0.28)),
    ("Unreal 5", "unreal5", (0.20, 0.38, 0.62)),
    ("Daz Genesis 8", "daz_genesis8", (0.70, 0.52, 0.16)),
    ("VRoid", "vroid", (0.66, 0.30, 0.32)),
    ("MMD", "mmd", (0.34, 0.32, 0.58)),
)
COLUMNS: Final = 4
SPACING: Final = (1.34, 1.10)  # metres between figures
SIZE: Final = (1760, 760)
WAIST: Final = -0.50  # metres below the shoulders where the skin is cut
ARM: Final = 0.53  # metres that every figure's arm is scaled to


@dataclass
class Figure:
    """Solids of one rig in metres, the middle of its shoulders at the origin, facing -Y, Z up.

    ``bones``: ends and radii of tapered solids; ``balls``: centre, axes (3, 3) scaled; ``mesh``: vertices, faces.
    """

    bones: list[tuple[np.ndarray, np.ndarray, float, float]] = field(default_factory=list)
    balls: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    mesh: tuple[np.ndarray, list[tuple[int, ...]]] | None = None


def busiest_frame(motion: Motion) -> int:
    """The frame in which both hands are up and apart while at least one moves fast."""
    wrists = []
    for side in ("left", "right"):
        upper = motion.directions[:, motion.bone(f"{side}_shoulder", f"{side}_elbow")]
        fore = motion.directions[:, motion.bone(f"{side}_elbow", f"{side}_wrist")]
        wrists.append(0.28 * upper + 0.25 * fore)
    height = sum(np.clip(wrist[:, 1] + 0.30, 0.0, 0.4) for wrist in wrists)
    apart = np.clip(np.linalg.norm(wrists[0] - wrists[1], axis=-1), 0, 0.6)
    reach = sum(np.clip(wrist[:, 2], 0, 0.4) for wrist in wrists)
    return int(np.argmax(height + apart + 0.5 * reach))


def build(kind: str, folder: Path | None, scratch: Path) -> bpy.types.Object:
    """The armature of a subject in an empty file."""
    rig_builders.reset()
    if kind == "mannequin":
        return create_mannequin(bpy.context)
    if kind == "rigify":
        path = scratch / "rigify.blend"
        rig_builders.write_rigify(path)
        return rig_builders.open_rigify(path)
    if folder is not None and (folder / f"{kind}.json").is_file():
        data = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
        return rig_builders.build_armature(data["bones"], kind, Matrix(data["object_matrix"]))
    own = {"mixamo_xbot": "mixamo_numbered", "biped_rocketbox": "biped_twist"}.get(kind, kind)
    return rig_builders.build_armature(family_skeleton(own, "A").bones, kind)


def figure_of(rig: bpy.types.Object, bone_map: BoneMap, frame: float) -> Figure:
    """The evaluated pose as solids."""
    heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in rig.data.bones}
    to_public = body_frame(heads, bone_map.slots)
    # Blender's front view: the public frame's left, facing and up are X, -Y and Z.
    to_front = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=float) @ to_public
    pose = pose_at(rig, frame)
    followers = {b: each for b in bone_map.keyed_bones if (each := bone_map.deform.bone_for(b)) in rig.data.bones}
    middle = np.mean([heads[bone_map.bone(f"upper_arm.{s}")] for s in "LR"], axis=0)
    arm = sum(
        np.linalg.norm(heads[bone_map.bone(f"{a}.L")] - heads[bone_map.bone(f"{b}.L")])
        for a, b in itertools.pairwise(("upper_arm", "forearm", "hand"))
    )
    scale = ARM / arm

    def place(point: np.ndarray) -> np.ndarray:
        return to_front @ (np.asarray(point, dtype=float) - middle) * scale

    def at(slot: str, index: int = 0) -> np.ndarray | None:
        name = bone_map.bone(slot, index)
        return None if name is None else place(pose[followers.get(name, name)].head)

    def turn(slot: str) -> np.ndarray:
        """Axes (3, 3) of a bone's turn from rest; its columns are left, back and up."""
        name = bone_map.bone(slot, -1)
        name = followers.get(name, name)
        now = np.array(pose[name].matrix.to_quaternion().to_matrix())
        rest = np.array(rig.data.bones[name].matrix_local.to_quaternion().to_matrix())
        return to_front @ now @ rest.T @ to_front.T

    figure = Figure()
    body = next((item for item in rig.children if item.type == "MESH"), None)
    if body is not None:
        evaluated = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = evaluated.to_mesh()
        matrix = np.array(rig.matrix_world.inverted() @ body.matrix_world)
        points = np.array([vertex.co for vertex in mesh.vertices]) @ matrix[:3, :3].T + matrix[:3, 3]
        placed = np.array([place(point) for point in points])
        upper = placed[:, 2] > WAIST
        figure.mesh = (placed, [tuple(p.vertices) for p in mesh.polygons if upper[list(p.vertices)].all()])
        evaluated.to_mesh_clear()
        return figure
    _trunk(figure, bone_map, at, turn)
    for side in "LR":
        _arm(figure, bone_map, at, turn, side)
    return figure


def _trunk(figure: Figure, bone_map: BoneMap, at: object, turn: object) -> None:
    spine = [at("spine", i) for i in range(len(bone_map.slots["spine"]))]
    neck = at("neck") if bone_map.bone("neck") else at("head")
    head, chest = at("head"), turn("spine")
    for start, end in itertools.pairwise([*spine, neck]):
        figure.bones.append((start, end, 0.055, 0.05))
    figure.bones.append((neck, head, 0.045, 0.042))
    ribs = neck + chest @ np.array([0.0, -0.01, -0.17])
    figure.balls.append((ribs, chest @ np.diag([0.145, 0.095, 0.165])))
    figure.balls.append((spine[0] + np.array([0, 0, -0.03]), np.diag([0.135, 0.09, 0.075])))
    skull = turn("head")
    centre = head + skull @ np.array([0.0, -0.02, 0.085])
    figure.balls.append((centre, skull @ np.diag([0.075, 0.092, 0.112])))
    nose = centre + skull @ np.array([0.0, -0.085, -0.012])
    figure.bones.append((nose, nose + skull @ np.array([0, -0.03, -0.012]), 0.016, 0.010))


def _arm(figure: Figure, bone_map: BoneMap, at: object, turn: object, side: str) -> None:
    joints = [at(f"{slot}.{side}") for slot in ("clavicle", "upper_arm", "forearm", "hand")]
    radii = (0.035, 0.050, 0.040, 0.026)
    for (start, end), (r0, r1) in zip(itertools.pairwise(joints), itertools.pairwise(radii), strict=True):
        if start is not None:
            figure.bones.append((start, end, r0, r1))
    wrist = joints[-1]
    for finger in FINGERS:
        names = bone_map.slots.get(f"{finger}.{side}", ())
        points = [at(f"{finger}.{side}", i) for i in range(len(names))]
        if not points:
            continue
        width = 0.0115 if finger != "thumb" else 0.0135
        figure.bones.append((wrist, points[0], 0.022, 0.014))
        for start, end in itertools.pairwise(points):
            figure.bones.append((start, end, width, width * 0.9))
        if len(points) > 1:
            step = (points[-1] - points[-2]) * 0.8
            figure.bones.append((points[-1], points[-1] + step, width * 0.9, width * 0.75))


def mesh_of(figure: Figure, name: str) -> bpy.types.Mesh:
    """One mesh of all solids."""
    mesh = bpy.data.meshes.new(name)
    if figure.mesh is not None:
        mesh.from_pydata(figure.mesh[0].tolist(), [], figure.mesh[1])
    else:
        solid = bmesh.new()
        for start, end, r0, r1 in figure.bones:
            step = Vector(end) - Vector(start)
            turn = Vector((0, 0, 1)).rotation_difference(step).to_matrix().to_4x4()
            middle = Matrix.Translation((Vector(start) + Vector(end)) / 2) @ turn
            bmesh.ops.create_cone(
                solid, cap_ends=True, segments=14, radius1=r0, radius2=r1, depth=step.length, matrix=middle
            )
            # Joints lie in several solids: no two surfaces may coincide.
            for centre, radius in ((start, 0.985 * r0), (end, 0.97 * r1)):
                bmesh.ops.create_uvsphere(
                    solid, u_segments=14, v_segments=8, radius=radius, matrix=Matrix.Translation(Vector(centre))
                )
        for centre, axes in figure.balls:
            matrix = Matrix.Translation(Vector(centre)) @ Matrix(axes.tolist()).to_4x4()
            bmesh.ops.create_uvsphere(solid, u_segments=28, v_segments=18, radius=1.0, matrix=matrix)
        solid.to_mesh(mesh)
        solid.free()
    for polygon in mesh.polygons:
        polygon.use_smooth = True
    return mesh


def _material(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = 0.6
    return material


def render(figures: list[tuple[str, tuple, Figure]], path: Path, samples: int) -> None:
    """All figures in rows, seen from the front, rendered by Cycles on the CPU."""
    rig_builders.reset()
    scene = bpy.context.scene
    rows = -(-len(figures) // COLUMNS)
    ink = _material("Ink", (0.05, 0.05, 0.06))
    for index, (title, colour, figure) in enumerate(figures):
        row, column = divmod(index, COLUMNS)
        x, z = (column - (COLUMNS - 1) / 2) * SPACING[0], ((rows - 1) / 2 - row) * SPACING[1]
        item = bpy.data.objects.new(title, mesh_of(figure, title))
        item.data.materials.append(_material(title, colour))
        item.location = (x, 0.0, z)
        scene.collection.objects.link(item)
        text = bpy.data.curves.new(title, "FONT")
        text.body, text.align_x, text.size = title, "CENTER", 0.07
        text.materials.append(ink)
        label = bpy.data.objects.new(f"{title} label", text)
        label.location, label.rotation_euler = (x, -0.75, z - 0.60), (1.5708, 0, 0)
        scene.collection.objects.link(label)
    _stage(scene, rows)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = samples, False
    scene.cycles.max_bounces = 3
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.view_settings.view_transform = "Standard"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "rigs.png")
        bpy.ops.render.render(write_still=True)
        with Image.open(scene.render.filepath) as picture:
            picture.convert("RGB").save(path, quality=88, optimize=True)


def _stage(scene: bpy.types.Scene, rows: int) -> None:
    camera = bpy.data.cameras.new("Camera")
    camera.type, camera.ortho_scale = "ORTHO", COLUMNS * SPACING[0] + 0.1
    holder = bpy.data.objects.new("Camera", camera)
    holder.location, holder.rotation_euler = (0, -8, -0.10), (1.5708, 0, 0)
    scene.collection.objects.link(holder)
    scene.camera = holder
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.93, 0.92, 0.90, 1.0)
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.75
    scene.world = world
    sun = bpy.data.lights.new("Sun", "SUN")
    sun.energy, sun.angle = 2.2, 0.3
    light = bpy.data.objects.new("Sun", sun)
    light.rotation_euler = (0.8, 0.25, 0.5)
    scene.collection.objects.link(light)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("motion", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--rigs", type=Path, default=None, help="folder of skeletons (JSON)")
    parser.add_argument("--frame", type=int, default=None, help="motion frame (default: a strong one)")
    parser.add_argument("--samples", type=int, default=48)
    arguments = parser.parse_args()
    motion = load_motion(arguments.motion)
    frame = busiest_frame(motion) if arguments.frame is None else arguments.frame
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        for title, kind, colour in SUBJECTS:
            rig = build(kind, arguments.rigs, Path(scratch))
            bone_map = find_bone_map(rig)
            retarget(rig, motion, bone_map, frame_start=1.0)
            scene = bpy.context.scene
            fps = scene.render.fps / scene.render.fps_base
            figures.append((title, colour, figure_of(rig, bone_map, 1.0 + frame * fps / motion.fps)))
            print(f"{title}: {bone_map.family}", flush=True)
    render(figures, arguments.picture, arguments.samples)
    print(f"{arguments.picture}: frame {frame}, {arguments.picture.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
