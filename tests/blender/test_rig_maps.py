# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of every family, VRM's own data, maps changed by hand, stored and saved; names without sides."""

from pathlib import Path

import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from family_names import FAMILIES
from family_skeletons import REST_POSES, family_skeleton
from motion_builders import gestures

from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.retarget import (
    bone_map_of_family,
    change_bone_map,
    family_names,
    find_bone_map,
    forget_bone_map,
    has_stored_map,
    load_bone_map,
    save_bone_map,
    store_bone_map,
)
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.rig.families import KEYED_SLOTS, SPARE_SLOTS, load_families
from diffgesture_blender.rig.names import split_side


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


def build(key: str, pose: str = "A") -> bpy.types.Object:
    return rig_builders.build_armature(family_skeleton(key, pose).bones, key)


@pytest.mark.parametrize("pose", sorted(REST_POSES))
@pytest.mark.parametrize("key", sorted(FAMILIES))
def test_every_family_is_found_with_all_its_bones(key: str, pose: str) -> None:
    skeleton = family_skeleton(key, pose)
    bone_map = find_bone_map(rig_builders.build_armature(skeleton.bones, key))
    assert bone_map.family == skeleton.names.family
    assert (bone_map.source, bone_map.problems) == ("names", ())
    for slot in (*KEYED_SLOTS, *SPARE_SLOTS):
        assert bone_map.slots.get(slot, ()) == skeleton.slots.get(slot, ()), slot
    assert bone_map.missing == tuple(slot for slot in KEYED_SLOTS if slot not in skeleton.slots)


@pytest.mark.parametrize(
    ("name", "core", "side"),
    [
        ("LeftForeArm", "forearm", "L"),
        ("forearm.R", "forearm", "R"),
        ("r_forearm", "forearm", "R"),
        ("Forearm -l", "forearm", "L"),
        ("lShldrBend", "shldrbend", "L"),
        ("左ひじ", "ひじ", "L"),
        ("ひじ.R", "ひじ", "R"),
        ("Bip01 L Finger01", "bip01finger01", "L"),
        ("J_Bip_R_UpperArm", "jbipupperarm", "R"),
        ("L5", "l5", ""),
        ("T12", "t12", ""),
        ("lowerarm", "lowerarm", ""),
        ("spine_01", "spine1", ""),
    ],
)
def test_sides_are_read_out_of_names(name: str, core: str, side: str) -> None:
    assert split_side(name) == (core, side)


def test_a_side_without_a_mark_is_told_by_the_twin() -> None:
    assert split_side("lhumerus", ["lhumerus", "rhumerus"]) == ("humerus", "L")
    assert split_side("lhumerus", ["lhumerus"]) == ("lhumerus", "")
    assert split_side("JtElbowRt", ["JtElbowRt", "JtElbowLf"]) == ("jtelbow", "R")


def test_numbers_that_an_exporter_hung_on_every_bone_do_not_matter() -> None:
    skeleton = family_skeleton("mixamo_numbered", "T")
    names = {bone["name"]: f"{bone['name']}_{index:02}" for index, bone in enumerate(skeleton.bones)}
    bones = [{**b, "name": names[b["name"]], "parent": names.get(b["parent"])} for b in skeleton.bones]
    bone_map = find_bone_map(rig_builders.build_armature(bones))
    assert bone_map.family == "Mixamo"
    assert bone_map.missing == ()


VRM_SIDE = {
    "upper_arm": ("upper_arm", 0), "lower_arm": ("forearm", 0), "hand": ("hand", 0), "shoulder": ("clavicle", 0),
    "index_proximal": ("index", 0), "index_intermediate": ("index", 1), "little_distal": ("pinky", 2),
    "thumb_metacarpal": ("thumb", 0), "thumb_proximal": ("thumb", 1), "thumb_distal": ("thumb", 2),
}  # fmt: skip
VRM_CENTRE = {"hips": ("pelvis", 0), "spine": ("spine", 0), "chest": ("spine", 1), "head": ("head", 0)}


def vrm_bones(names: dict[str, str], slots: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """VRM 1 part -> bone of the armature."""
    found = {part: names[slots[slot][index]] for part, (slot, index) in VRM_CENTRE.items()}
    for word, side in (("left", "L"), ("right", "R")):
        for part, (slot, index) in VRM_SIDE.items():
            found[f"{word}_{part}"] = names[slots[f"{slot}.{side}"][index]]
    return found


@pytest.mark.parametrize("version", ["vrm0", "vrm1", "marks"])
def test_a_vrm_files_own_data_go_before_names_and_shape(version: str) -> None:
    skeleton = family_skeleton("vroid", "T")
    names = {bone["name"]: f"b{index:03}" for index, bone in enumerate(skeleton.bones)}
    bones = [{**b, "name": names[b["name"]], "parent": names.get(b["parent"])} for b in skeleton.bones]
    rig = rig_builders.build_armature(bones)
    parts = vrm_bones(names, skeleton.slots)
    if version == "vrm0":
        zero = {"thumb_metacarpal": "ThumbProximal", "thumb_proximal": "ThumbIntermediate"}
        humans = []
        for part, bone in parts.items():
            word, _, rest = part.partition("_")
            camel = zero.get(rest) or "".join(each.title() for each in rest.split("_"))
            humans.append({"bone": word + camel, "node": {"bone_name": bone}})
        rig.data["vrm_addon_extension"] = {"vrm0": {"humanoid": {"human_bones": humans}}}
    elif version == "vrm1":
        humans = {part: {"node": {"bone_name": bone}} for part, bone in parts.items()}
        rig.data["vrm_addon_extension"] = {"vrm1": {"humanoid": {"human_bones": humans}}}
    else:  # as newer versions of the add-on keep it: marks on the bones
        for index, bone in enumerate(rig.data.bones):
            bone["vrm_addon_extension"] = {"uuid": f"mark{index}"}
        mark = {bone.name: bone["vrm_addon_extension"]["uuid"] for bone in rig.data.bones}
        humans = {part: {"node": {"bone_uuid": mark[bone]}} for part, bone in parts.items()}
        rig.data["vrm_addon_extension"] = {"vrm1": {"humanoid": {"human_bones": humans}}}
    bone_map = find_bone_map(rig)
    assert (bone_map.source, bone_map.family) == ("vrm", "VRM humanoid")
    for slot in ("upper_arm.L", "forearm.R", "hand.L", "thumb.R", "head"):
        assert bone_map.slots[slot] == tuple(names[name] for name in skeleton.slots[slot]), slot
    assert bone_map.slots["index.L"] == tuple(names[name] for name in skeleton.slots["index.L"][:2])


def test_a_changed_map_is_checked_stored_and_used() -> None:
    rig = build("vroid")
    found = find_bone_map(rig)
    changed = change_bone_map(found, rig, {"neck": (), "clavicle.L": ""})
    assert (changed.family, changed.source) == ("Custom", "custom")
    assert changed.missing == ("neck", "clavicle.L")
    store_bone_map(rig, changed)
    assert has_stored_map(rig)
    again = find_bone_map(rig)
    assert again.slots == changed.slots
    assert again.source == "custom"
    report = retarget(rig, gestures(0, 5))
    assert "J_Bip_C_Neck" not in report.bones
    forget_bone_map(rig)
    assert find_bone_map(rig) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hand.L": "no such bone"}, "no such bone"),
        ({"paw.L": "J_Bip_L_Hand"}, "paw"),
        ({"hand.L": "J_Bip_R_Hand"}, "J_Bip_R_Hand"),
        ({"forearm.L": ()}, "forearm.L"),
        ({"spine": ("J_Bip_C_Chest", "J_Bip_C_Spine")}, "root to tip"),
    ],
)
def test_a_wrong_change_is_refused_in_words(changes: dict, message: str) -> None:
    rig = build("vroid")
    with pytest.raises(DiffGestureError, match=message):
        change_bone_map(find_bone_map(rig), rig, changes)


def test_a_saved_map_is_a_family_file_and_loads_again(tmp_path: Path) -> None:
    rig = build("daz_genesis8")
    found = find_bone_map(rig)
    path = tmp_path / "mine.json"
    save_bone_map(path, found, "Mine")
    loaded = load_bone_map(path, rig)
    assert loaded.family == "Mine"
    assert loaded.slots == found.slots
    with pytest.raises(DiffGestureError, match="mine"):
        load_bone_map(path, build("vroid"))
    path.write_text('{"family": "x", "bones": {"paw": ["a"]}}')
    with pytest.raises(DiffGestureError, match="paw"):
        load_bone_map(path, rig)


def test_a_damaged_stored_map_says_so() -> None:
    rig = build("vroid")
    rig["diffgesture_bone_map"] = "{"
    with pytest.raises(DiffGestureError, match="damaged"):
        find_bone_map(rig)


def test_a_family_can_be_asked_for_by_name() -> None:
    rig = build("perception_neuron")
    assert find_bone_map(rig).family == "Perception Neuron"
    assert bone_map_of_family(rig, "Mixamo").bone("hand.L") == "Robot_LeftHand"
    assert len(family_names()) == len({family.name for family in load_families()})
    with pytest.raises(DiffGestureError, match="VRoid"):
        bone_map_of_family(rig, "VRM (VRoid)")
    with pytest.raises(DiffGestureError, match="Mixamo"):
        bone_map_of_family(rig, "No such family")


def test_arms_of_unequal_length_are_doubted() -> None:
    rig = build("vroid", "T")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name in ("J_Bip_L_Hand", "J_Bip_L_LowerArm"):
        rig.data.edit_bones[name].head.x += 0.2
    bpy.ops.object.mode_set(mode="OBJECT")
    assert any("length" in problem for problem in find_bone_map(rig).problems)


ARP_CONTROLS = {
    "pelvis": ("c_root_master.x",), "spine": ("c_spine_01.x", "c_spine_02.x"), "neck": ("c_neck.x",),
    "head": ("c_head.x",), "clavicle": ("c_shoulder.{s}",), "upper_arm": ("c_arm_fk.{s}",),
    "forearm": ("c_forearm_fk.{s}",), "hand": ("c_hand_fk.{s}",),
    **{f: tuple(f"c_{f}{n}.{{s}}" for n in "123") for f in ("thumb", "index", "middle", "ring", "pinky")},
}  # fmt: skip


def test_auto_rig_pros_arms_are_switched_to_fk_by_the_action() -> None:
    skeleton = family_skeleton("cats", "A")
    names = {bone["name"]: bone["name"] for bone in skeleton.bones}
    for slot, bones in skeleton.slots.items():
        part, _, side = slot.partition(".")
        for old, new in zip(bones, ARP_CONTROLS.get(part, ()), strict=False):
            names[old] = new.replace("{s}", side.lower())
    bones = [{**b, "name": names[b["name"]], "parent": names.get(b["parent"])} for b in skeleton.bones]
    for side, sign in (("l", 1.0), ("r", -1.0)):
        bones.append({
            "name": f"c_hand_ik.{side}", "parent": None, "head": (sign * 0.6, 0, 1), "tail": (sign * 0.6, 0, 1.1),
        })  # fmt: skip
    rig = rig_builders.build_armature(bones)
    for side in "lr":
        rig.pose.bones[f"c_hand_ik.{side}"]["ik_fk_switch"] = 0.0
    bone_map = find_bone_map(rig)
    assert bone_map.family == "Auto-Rig Pro"
    assert bone_map.missing == ()
    report = retarget(rig, gestures(0, 5), bone_map)
    assert "c_forearm_fk.l" in report.bones
    bpy.context.scene.frame_set(3)
    assert [rig.pose.bones[f"c_hand_ik.{side}"]["ik_fk_switch"] for side in "lr"] == [1.0, 1.0]
