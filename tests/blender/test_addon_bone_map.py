# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The bone map in the panel: shown, edited slot by slot, kept with the character, saved and loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from characters import mixamo_character

from diffgesture_blender.rig.bone_map import find_bone_map, has_stored_map
from diffgesture_blender.rig.slots import SLOTS
from diffgesture_blender.settings import bone_map as rig_map
from diffgesture_blender.state import character
from diffgesture_blender.state.session import session


@pytest.fixture
def rig(scene: Any) -> Any:
    return scene.diffgesture.armature


def nameless(names: dict[str, str] | None = None) -> Any:
    """A character whose bones say nothing, lying in a heap so that its shape says nothing, too."""
    armature = mixamo_character("Heap", arms=False)
    data = armature.data
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for side, x in (("q", 0.2), ("z", 0.23)):
        parent = None
        for index in range(3):
            bone = data.edit_bones.new(f"{side}{index}")
            bone.head, bone.tail = (x, 0.1 * index, 1.0), (x, 0.1 * index + 0.1, 1.0)
            bone.parent, parent = parent, bone
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def test_every_slot_shows_its_bones(rig: Any) -> None:
    found = find_bone_map(rig)
    texts = rig.diffgesture_map
    for slot in SLOTS:
        assert getattr(texts, rig_map.property_name(slot)) == ", ".join(found.slots.get(slot, ()))
    assert texts.forearm_L == "mixamorig:LeftForeArm"
    assert texts.spine == "mixamorig:Spine, mixamorig:Spine1, mixamorig:Spine2"


def test_an_edit_is_kept_with_the_character_and_used(rig: Any, worker_mode: Callable[[str], None]) -> None:
    rig.diffgesture_map.spine = "mixamorig:Spine1, mixamorig:Spine2"
    assert session.map_problem is None
    assert has_stored_map(rig)
    assert find_bone_map(rig).slots["spine"] == ("mixamorig:Spine1", "mixamorig:Spine2")
    assert rig.diffgesture_map.spine == "mixamorig:Spine1, mixamorig:Spine2"
    rig.diffgesture_map.head = ""
    assert "head" in find_bone_map(rig).missing
    worker_mode("motion")
    bpy.ops.diffgesture.generate()
    assert session.result is not None
    assert "head" in session.result.missing
    assert any("head" in text for text in session.result.warnings)
    bpy.ops.diffgesture.map_reset()
    assert not has_stored_map(rig)
    assert rig.diffgesture_map.head == "mixamorig:Head"


def test_a_wrong_edit_waits_and_says_why(rig: Any) -> None:
    rig.diffgesture_map.hand_L = "nonsense"
    assert "no bone nonsense" in (session.map_problem or "")
    assert rig.diffgesture_map.hand_L == "nonsense"
    assert not has_stored_map(rig)
    rig.diffgesture_map.hand_L = "mixamorig:RightHand"
    assert "is set for" in (session.map_problem or "")
    rig.diffgesture_map.hand_R = "mixamorig:LeftHand"
    # Both hands are exchanged now, which no arm allows.
    rig.diffgesture_map.hand_L = "mixamorig:LeftHand"
    assert session.map_problem is not None
    rig.diffgesture_map.hand_R = "mixamorig:RightHand"
    assert session.map_problem is None
    assert find_bone_map(rig).slots["hand.R"] == ("mixamorig:RightHand",)


def test_a_map_can_be_made_from_nothing(scene: Any) -> None:
    heap = nameless()
    scene.diffgesture.armature = heap
    note = character.note_about(heap)
    assert note is not None
    assert not note.usable
    texts = heap.diffgesture_map
    texts.upper_arm_L = "z0"
    assert "An arm needs both" in (session.map_problem or "")
    texts.forearm_L = "z1"  # one arm is enough
    assert session.map_problem is None
    texts.upper_arm_R = "q0"
    assert "An arm needs both" in (session.map_problem or "")
    texts.forearm_R = "q1"
    assert session.map_problem is None
    note = character.note_about(heap)
    assert note is not None
    assert note.usable
    assert note.bone_map is not None
    assert note.bone_map.source == "custom"


def test_suggestions_complete_a_chain(rig: Any) -> None:
    assert rig_map.suggestions(rig, "leftfore") == ["mixamorig:LeftForeArm"]
    chain = rig_map.suggestions(rig, "mixamorig:Spine, spine1")
    assert chain == ["mixamorig:Spine, mixamorig:Spine1"]
    assert "mixamorig:Neck, mixamorig:Head" in rig_map.suggestions(rig, "mixamorig:Neck")


def test_a_map_is_saved_and_loaded_for_another_character(rig: Any, scene: Any, tmp_path: Path) -> None:
    rig.diffgesture_map.spine = "mixamorig:Spine1"
    path = tmp_path / "studio.json"
    assert bpy.ops.diffgesture.map_save(filepath=str(path)) == {"FINISHED"}
    assert json.loads(path.read_text(encoding="utf-8"))["family"] == "studio"
    other = mixamo_character("Other")
    scene.diffgesture.armature = other
    assert bpy.ops.diffgesture.map_load(filepath=str(path)) == {"FINISHED"}
    assert find_bone_map(other).slots["spine"] == ("mixamorig:Spine1",)
    (tmp_path / "bad.json").write_text("{}")
    for wrong in ("bad.json", "missing.json"):
        with pytest.raises(RuntimeError, match=wrong):
            bpy.ops.diffgesture.map_load(filepath=str(tmp_path / wrong))
    assert find_bone_map(other).slots["spine"] == ("mixamorig:Spine1",)


def test_a_family_can_be_chosen(rig: Any) -> None:
    assert bpy.ops.diffgesture.map_family(family="Mixamo") == {"FINISHED"}
    note = character.note_about(rig)
    assert note is not None
    assert note.bone_map is not None
    assert note.bone_map.family == "Mixamo"
    with pytest.raises(RuntimeError, match="Kinect"):
        bpy.ops.diffgesture.map_family(family="Kinect")


def test_without_a_character_the_buttons_say_why(addon: object) -> None:
    assert not bpy.ops.diffgesture.map_reset.poll()
    assert not bpy.ops.diffgesture.map_save.poll()


def test_the_command_line_takes_a_map(
    worker_mode: Callable[[str], None],
    scene: Any,
    speech: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from diffgesture_blender.cli import command as cli

    scene.diffgesture.armature.diffgesture_map.spine = "mixamorig:Spine1"
    bpy.ops.diffgesture.map_save(filepath=str(tmp_path / "m.json"))
    bpy.ops.diffgesture.map_reset()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "in.blend"))
    worker_mode("motion")
    arguments = ["generate", "--audio", str(speech), "--output", str(tmp_path / "out.blend"), "--bone-map"]
    assert cli.main([*arguments, str(tmp_path / "m.json")]) == 0
    armature = next(item for item in bpy.context.scene.objects if item.type == "ARMATURE")
    assert find_bone_map(armature).slots["spine"] == ("mixamorig:Spine1",)
    capsys.readouterr()
    arguments[4] = str(tmp_path / "other.blend")  # the first one is open now
    assert cli.main([*arguments, str(tmp_path / "nothing.json")]) == 2
    assert "nothing.json" in capsys.readouterr().err


def quadruped() -> bpy.types.Object:
    """Four legs under a level trunk, with a head."""
    data = bpy.data.armatures.new("Dog")
    armature = bpy.data.objects.new("Dog", data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    places = {f"b{i}": ((0, -0.2 * i, 0.6 + 0.05 * max(i - 4, 0)), f"b{i - 1}" if i else None) for i in range(7)}
    for name, on, y in (("r", "b0", 0.0), ("f", "b4", -0.8)):
        for side, x in (("l", 0.1), ("r", -0.1)):
            for i, z in enumerate((0.55, 0.35, 0.15, 0.05)):
                parent = f"{name}{side}{i - 1}" if i else on
                places[f"{name}{side}{i}"] = ((x, y + 0.03 * (i % 2), z), parent)
    for name, (head, parent) in places.items():
        bone = data.edit_bones.new(name)
        bone.head, bone.tail = head, (head[0], head[1], head[2] + 0.03)
        if parent:
            bone.parent = data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def test_an_animal_is_refused_until_it_is_to_be_used_anyway(scene: Any) -> None:
    dog = quadruped()
    scene.diffgesture.armature = dog
    note = character.note_about(dog)
    assert note is not None
    assert not note.usable
    assert "does not look like a person" in note.text
    assert bpy.ops.diffgesture.map_use_anyway() == {"FINISHED"}
    note = character.note_about(dog)
    assert note is not None
    assert note.usable
    assert find_bone_map(dog).source == "custom"
    bpy.ops.diffgesture.map_reset()
    note = character.note_about(dog)
    assert note is not None
    assert not note.usable


def test_what_does_not_follow_is_mended_with_a_button(rig: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    track = rig.animation_data_create().nla_tracks.new()
    track.is_solo = True
    bpy.ops.diffgesture.generate()
    assert session.result is not None
    assert not session.result.look.follows
    index = next(i for i, each in enumerate(session.result.look.findings) if each.mend == "solo")
    assert bpy.ops.diffgesture.mend(index=index) == {"FINISHED"}
    assert not track.is_solo
    assert session.result.look.follows
    assert not any("solo" in text for text in session.result.warnings)
