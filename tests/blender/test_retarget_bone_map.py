# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the bones: families, prefixes, sides told by geometry, armatures that have no arms."""

import copy
from collections.abc import Callable

import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders

from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.rig.families import KEYED_SLOTS, load_families
from diffgesture_blender.rig.names import canonical_name


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


def renamed(bones: list[dict], rename: Callable[[str], str]) -> list[dict]:
    result = copy.deepcopy(bones)
    for bone in result:
        bone["name"] = rename(bone["name"])
        bone["parent"] = rename(bone["parent"]) if bone["parent"] else None
    return result


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("mixamorig:LeftArm", "mixamorigleftarm"),
        ("spine_01", "spine1"),
        ("spine.001", "spine1"),
        ("Bip01 L Finger01", "bip01lfinger01"),
        ("Bip01 L Finger1", "bip01lfinger1"),
        ("ｈａｎｄ.L", "handl"),
    ],
)
def test_canonical_names(name: str, canonical: str) -> None:
    assert canonical_name(name) == canonical


def test_every_family_names_its_arms_and_no_bone_twice() -> None:
    for family in load_families():
        assert {f"{slot}.{side}" for slot in ("upper_arm", "forearm") for side in "LR"} <= set(family.slots)
        for side in "LR":
            keyed = [slot for slot in KEYED_SLOTS if slot in family.slots and slot[-2:] != f".{side}"]
            names = [spelling for slot in keyed for spellings in family.slots[slot] for spelling in spellings]
            assert len(names) == len(set(names)), family.name


@pytest.mark.skipif(not rig_builders.SHARED_RIGS.is_dir(), reason="no shared skeletons")
@pytest.mark.parametrize(
    ("rig_name", "family", "hand", "spine"),
    [
        ("mixamo_xbot", "Mixamo", "mixamorig:LeftHand", 3),
        ("mpfb_mixamo", "Mixamo", "mixamorig:LeftHand", 3),
        ("readyplayerme", "Mixamo", "LeftHand", 3),
        ("biped_rocketbox", "3ds Max Biped", "Bip01 L Hand", 2),
        ("mpfb_default", "MPFB default", "wrist.L", 5),
        ("mpfb_game_engine", "Unreal", "hand_l", 3),
    ],
)
def test_real_skeletons_are_recognised_whole(rig_name: str, family: str, hand: str, spine: int) -> None:
    bone_map = find_bone_map(rig_builders.build_shared_rig(rig_name))
    assert bone_map.family == family
    assert bone_map.missing == ()
    assert bone_map.score == 1.0
    assert bone_map.bone("hand.L") == hand
    assert len(bone_map.slots["spine"]) == spine
    assert all(len(bone_map.slots[f"{finger}.R"]) == 3 for finger in ("thumb", "index", "pinky"))
    assert bone_map.notes == ()


@pytest.mark.parametrize("prefix", ["", "DEF-", "Armature|", "hero_01:"])
def test_a_prefix_before_every_name_does_not_matter(prefix: str) -> None:
    bones = renamed(rig_builders.human_bones(), lambda name: prefix + name)
    bone_map = find_bone_map(rig_builders.build_armature(bones))
    assert bone_map.family == "Rigify metarig"
    assert bone_map.bone("forearm.R") == f"{prefix}forearm.R"
    assert bone_map.missing == ()


@pytest.mark.parametrize("arm_angle", [0.0, 45.0, 90.0])
def test_left_is_the_characters_left_whatever_the_names_say(arm_angle: float) -> None:
    swap = {"L": "R", "R": "L"}
    bones = renamed(
        rig_builders.human_bones(arm_angle),
        lambda name: name[:-1] + swap[name[-1]] if name[-2:] in (".L", ".R") else name,
    )
    rig = rig_builders.build_armature(bones)
    bone_map = find_bone_map(rig)
    assert bone_map.bone("hand.L") == "hand.R"
    assert rig.data.bones[bone_map.bone("hand.L")].head_local.x > 0
    assert bone_map.notes


def test_a_rig_without_fingers_or_clavicles_says_what_it_lacks() -> None:
    keep = ("spine", "neck", "head", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")
    bones = [bone for bone in rig_builders.human_bones() if bone["name"].startswith(keep)]
    for bone in bones:
        if bone["name"].startswith("upper_arm"):
            bone["parent"] = "spine.003"
    bone_map = find_bone_map(rig_builders.build_armature(bones))
    assert "clavicle.L" in bone_map.missing
    assert "index.R" in bone_map.missing
    assert "hand.L" not in bone_map.missing
    assert 0.3 < bone_map.score < 1.0


def test_a_forearm_that_is_not_below_its_upper_arm_is_no_arm() -> None:
    """The other arm is one that gestures; with neither, nothing is guessed."""
    bones = rig_builders.human_bones()
    for bone in bones:
        if bone["name"] == "forearm.L":
            bone["parent"] = "spine"
    bone_map = find_bone_map(rig_builders.build_armature(bones))
    assert "upper_arm.L" not in bone_map.slots
    assert bone_map.bone("forearm.R") == "forearm.R"
    assert any("left arm" in problem for problem in bone_map.problems)


def test_an_armature_without_arms_is_refused_with_advice() -> None:
    bones = [bone for bone in rig_builders.human_bones() if "arm" not in bone["name"]]
    for bone in bones:
        if bone["parent"] and "arm" in bone["parent"]:
            bone["parent"] = None
    rig = rig_builders.build_armature(bones, name="Tree")
    with pytest.raises(DiffGestureError, match=r"Tree.*upper_arm\.L"):
        find_bone_map(rig)


def test_something_that_is_no_armature_is_refused() -> None:
    empty = bpy.data.objects.new("Empty", None)
    with pytest.raises(DiffGestureError, match="armature"):
        find_bone_map(empty)
