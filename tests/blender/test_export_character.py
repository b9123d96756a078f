# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The character with its new action as FBX and glTF, read back by Blender's own importers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import addon_utils
import rig_builders
from motion_builders import gestures

from diffgesture_blender.animation.key_writing import KeyOptions
from diffgesture_blender.export.character import export_character, members
from diffgesture_blender.retarget.apply import retarget

MOTION = gestures(0, 45)
BONES = ("hand.L", "hand.R", "forearm.L", "head")


@pytest.fixture
def rig(addon: object) -> Any:
    rig = rig_builders.build_armature(rig_builders.human_bones(45))
    mesh = bpy.data.meshes.new("Body")
    mesh.from_pydata([(0, 0, 1), (0.1, 0, 1), (0, 0.1, 1.5)], [], [(0, 1, 2)])
    body = bpy.data.objects.new("Body", mesh)
    bpy.context.scene.collection.objects.link(body)
    body.modifiers.new("Armature", "ARMATURE").object = rig
    body.vertex_groups.new(name="head").add([0, 1, 2], 1.0, "REPLACE")
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Elsewhere", None))
    retarget(rig, gestures(1, 45), frame_start=1, action_name="Old")
    retarget(rig, MOTION, frame_start=1, action_name="New")
    return rig


def places(rig: Any, frames: range) -> np.ndarray:
    """(F, bones, 3) world positions of some joints."""
    result = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        result.append([tuple(posed.matrix_world @ posed.pose.bones[name].head) for name in BONES])
    return np.array(result)


def imported(path: Path) -> Any:
    """The armature of an exported file, alone in a new scene."""
    fps = bpy.context.scene.render.fps
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = fps
    if path.suffix == ".fbx":
        addon_utils.enable("io_scene_fbx")
        bpy.ops.import_scene.fbx(filepath=str(path))
    else:
        addon_utils.enable("io_scene_gltf2")
        bpy.ops.import_scene.gltf(filepath=str(path))
    (armature,) = [item for item in bpy.context.scene.objects if item.type == "ARMATURE"]
    return armature


@pytest.mark.parametrize("layer", ["ACTION", "STRIP"])
@pytest.mark.parametrize("suffix", [".fbx", ".glb"])
def test_the_exported_character_moves_as_the_one_in_blender(
    rig: Any, tmp_path: Path, suffix: str, layer: str
) -> None:
    if layer == "STRIP":
        retarget(rig, MOTION, frame_start=1, action_name="Layer", keys=KeyOptions(layer="STRIP"))
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 5, 9
    frames = range(20, 60, 5)
    wanted = places(rig, frames)
    scene.frame_set(7)
    path = tmp_path / f"cháracter{suffix}"
    export_character(path, rig, scene, 1, 72)
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (5, 9, 7)
    other = imported(path)
    assert {item.type for item in bpy.context.scene.objects} == {"ARMATURE", "MESH"}
    # Importers may place the first key at frame 0 or 1; the motion must be the same.
    found = {shift: np.abs(places(other, range(20 + shift, 60 + shift, 5)) - wanted).max() for shift in (-1, 0, 1)}
    assert min(found.values()) < 0.01, found


def test_only_the_character_is_exported(rig: Any) -> None:
    assert sorted(item.name for item in members(rig, bpy.context.scene)) == sorted([rig.name, "Body"])


def test_selection_and_visibility_are_put_back(rig: Any, tmp_path: Path) -> None:
    other = bpy.data.objects["Elsewhere"]
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    bpy.data.objects["Body"].hide_set(True)
    export_character(tmp_path / "c.glb", rig, bpy.context.scene, 1, 20)
    assert [item.name for item in bpy.context.selected_objects] == ["Elsewhere"]
    assert bpy.context.view_layer.objects.active == other
    assert bpy.data.objects["Body"].hide_get()


def test_the_command_line_exports(
    worker_mode: Callable[[str], None],
    scene: Any,
    speech: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from diffgesture_blender.cli import command as cli

    worker_mode("motion")
    arguments = ["generate", "--audio", str(speech), "--keys", "few"]
    exports = ["--export-fbx", str(tmp_path / "c.fbx"), "--export-glb", str(tmp_path / "c.glb")]
    assert cli.main([*arguments, *exports]) == 0
    assert (tmp_path / "c.fbx").stat().st_size > 1000
    assert (tmp_path / "c.glb").stat().st_size > 1000
    capsys.readouterr()
    assert cli.main([*arguments, "--export-fbx", str(tmp_path / "c.obj")]) == 2
    assert ".fbx" in capsys.readouterr().err
    assert cli.main(arguments) == 2
    assert "--export-glb" in capsys.readouterr().err
