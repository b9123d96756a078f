# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Settings belong to the character; what it has none of is the scene's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from characters import mixamo_character
from sounds import babble, write_wav

from diffgesture_blender.jobs.request import request_from_scene
from diffgesture_blender.settings.machine import Machine
from diffgesture_blender.settings.of_character import settings_of


@pytest.fixture
def pair(scene: Any) -> tuple[Any, Any]:
    """Ann, who is chosen, and Bob."""
    ann, bob = scene.diffgesture.armature, mixamo_character()
    ann.name, bob.name = "Ann", "Bob"
    return ann, bob


def test_each_character_keeps_its_own_settings(pair: tuple[Any, Any], scene: Any, tmp_path: Path) -> None:
    ann, bob = pair
    settings_of(bpy.context).seed = 3
    settings_of(bpy.context).quality = "HIGH"
    scene.diffgesture.armature = bob
    assert settings_of(bpy.context).seed == 0
    settings_of(bpy.context).seed = 4
    scene.diffgesture.armature = ann
    request = request_from_scene(bpy.context, Machine(), tmp_path)
    assert (request.armature_name, request.controls["seed"], request.controls["steps"]) == ("Ann", 3, 20)


def test_what_a_character_was_never_told_is_the_scenes(pair: tuple[Any, Any], scene: Any, tmp_path: Path) -> None:
    ann, bob = pair
    speaker = bpy.data.objects.new("Mouth", bpy.data.speakers.new("Mouth"))
    scene.collection.objects.link(speaker)
    scene.diffgesture.seed, scene.diffgesture.quality, scene.diffgesture.speaker = 11, "DRAFT", speaker
    assert (ann.diffgesture.seed, ann.diffgesture.quality, ann.diffgesture.speaker) == (11, "DRAFT", speaker)
    ann.diffgesture.seed = 12
    scene.diffgesture.seed = 13
    assert (ann.diffgesture.seed, bob.diffgesture.seed) == (12, 13)
    ann.diffgesture.own.property_unset("seed")
    assert ann.diffgesture.seed == 13
    assert ann.diffgesture.controls() == scene.diffgesture.controls()


def test_without_a_character_the_scenes_settings_are_shown(addon: object) -> None:
    scene = bpy.context.scene
    assert settings_of(bpy.context) == scene.diffgesture
    settings_of(bpy.context).audio_path = "//speech.wav"
    armature = mixamo_character()
    scene.diffgesture.armature = armature
    assert settings_of(bpy.context).audio_path == "//speech.wav"


def test_they_are_in_the_file(pair: tuple[Any, Any], scene: Any, tmp_path: Path) -> None:
    ann, _ = pair
    ann.diffgesture.seed, scene.diffgesture.variations = 21, 3
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "pair.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "pair.blend"))
    ann, bob = bpy.data.objects["Ann"], bpy.data.objects["Bob"]
    assert (ann.diffgesture.seed, bob.diffgesture.seed) == (21, 0)
    assert (ann.diffgesture.variations, bob.diffgesture.variations) == (3, 3)
    assert not bob.diffgesture.own.is_property_set("variations")


def test_a_library_override_keeps_them(scene: Any, tmp_path: Path) -> None:
    scene.diffgesture.armature.name = "Ann"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "character.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "character.blend"), link=True) as (_, loaded):
        loaded.objects = ["Ann"]
    ann = loaded.objects[0].override_create()
    bpy.context.scene.collection.objects.link(ann)
    bpy.context.scene.diffgesture.seed = 2
    assert ann.diffgesture.seed == 2
    assert not ann.diffgesture.is_property_readonly("seed"), "the panel can change it"
    ann.diffgesture.seed = 5
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    ann = next(item for item in bpy.data.objects if item.override_library)
    assert ann.diffgesture.seed == 5


@pytest.mark.usefixtures("pair")
def test_a_new_part_counts_up_the_characters_own_seed(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    scene.diffgesture.seed = 7
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}
    settings_of(bpy.context).regenerate_end = 40
    assert bpy.ops.diffgesture.regenerate() == {"FINISHED"}
    ann, bob = bpy.data.objects["Ann"], bpy.data.objects["Bob"]
    assert (ann.diffgesture.seed, bob.diffgesture.seed, scene.diffgesture.seed) == (8, 7, 7)


def test_every_setting_of_the_scene_is_the_characters(pair: tuple[Any, Any], tmp_path: Path) -> None:
    ann, _ = pair
    path = write_wav(tmp_path / "other.wav", babble(1.0))
    ann.diffgesture.own.sound = bpy.data.sounds.load(str(path))
    assert ann.diffgesture.sound == ann.diffgesture.own.sound
    for name in ann.diffgesture.own.bl_rna.properties.keys():  # noqa: SIM118 (a Blender collection)
        if name not in ("rna_type", "name", "armature"):
            getattr(ann.diffgesture, name)
