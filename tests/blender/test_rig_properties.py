# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties: how a rig was built, turned, ordered or named makes no difference to where its bones point."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

pytest.importorskip("bpy")
pytest.importorskip("hypothesis")

import rig_builders
from family_names import FAMILIES
from family_skeletons import REST_POSES, FamilySkeleton, family_skeleton
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mathutils import Euler, Matrix, Quaternion, Vector
from motion_builders import gestures
from rig_measure import FACING_FRONT, direction_errors

from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.rig.families import KEYED_SLOTS

LIMIT = 0.5  # degrees
MOTION = gestures(21, 16)
LOOK_AT = np.array([0, 7, 15])
FRAMES = [1.0 + index * 24.0 / MOTION.fps for index in LOOK_AT]
PAIRS = [tuple(MOTION.joint_names[joint] for joint in pair) for pair in MOTION.bone_pairs]
SIDED = sorted(key for key, names in FAMILIES.items() if names.fingers and len(names.fingers) == 5)

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
families = st.sampled_from(sorted(FAMILIES))
poses = st.sampled_from(sorted(REST_POSES))
angles = st.floats(-3.1, 3.1)


def largest_error(skeleton: FamilySkeleton, bones: list[dict], slots: dict, **build: object) -> float:
    """Degrees between requested and evaluated directions on a rig of these bones."""
    rig_builders.reset()
    rig = rig_builders.build_armature(bones, **build)
    retarget(rig, MOTION, frame_start=1.0)
    errors = direction_errors(rig, slots, FACING_FRONT, FRAMES, MOTION.directions[LOOK_AT], PAIRS)
    assert np.isfinite(errors).any()
    return float(np.nanmax(errors))


@few
@given(families, poses, st.integers(0, 2**20))
def test_rest_poses_and_rolls_do_not_matter(key: str, pose: str, seed: int) -> None:
    skeleton = family_skeleton(key, pose, seed=seed)
    generator = random.Random(seed)
    roll = lambda: generator.uniform(-3.1, 3.1)  # noqa: E731
    assert largest_error(skeleton, skeleton.bones, skeleton.slots, roll=roll) < LIMIT


@few
@given(families, st.integers(0, 2**20))
def test_arms_may_rest_anywhere_before_the_body(key: str, seed: int) -> None:
    """Each arm in a pose of its own: raised, lowered, forwards, elbow bent, hand turned."""
    skeleton = family_skeleton(key, "T")
    bones = _posed(skeleton, random.Random(seed))
    assert largest_error(skeleton, bones, skeleton.slots) < LIMIT


@few
@given(families, poses, st.tuples(angles, angles, angles), st.sampled_from([0.01, 0.35, 1.0, 100.0]))
def test_the_objects_transform_does_not_matter(key: str, pose: str, turn: tuple, scale: float) -> None:
    skeleton = family_skeleton(key, pose)
    matrix = Matrix.LocRotScale(Vector((3, -2, 7)), Euler(turn), Vector((scale,) * 3))
    assert largest_error(skeleton, skeleton.bones, skeleton.slots, object_matrix=matrix) < LIMIT


@few
@given(families, poses, st.floats(0.55, 1.9), st.sampled_from([0.01, 1.0, 170.0]))
def test_proportions_and_units_do_not_matter(key: str, pose: str, arms: float, unit: float) -> None:
    skeleton = family_skeleton(key, pose, proportions=arms)
    bones = [{**bone, "head": bone["head"] * unit, "tail": bone["tail"] * unit} for bone in skeleton.bones]
    assert largest_error(skeleton, bones, skeleton.slots) < LIMIT


@few
@given(families, poses, st.randoms(use_true_random=False))
def test_the_order_of_bones_does_not_matter(key: str, pose: str, generator: random.Random) -> None:
    skeleton = family_skeleton(key, pose)
    bones = list(skeleton.bones)
    generator.shuffle(bones)
    assert largest_error(skeleton, bones, skeleton.slots) < LIMIT
    bone_map = find_bone_map(rig_builders.build_armature(bones, "Again"))
    assert bone_map.family == skeleton.names.family
    assert {slot: bone_map.slots[slot] for slot in KEYED_SLOTS if slot in skeleton.slots} == {
        slot: names for slot, names in skeleton.slots.items() if slot in KEYED_SLOTS
    }


@few
@given(
    families,
    poses,
    st.sampled_from(["", "Hero:", "rig|", "Armature_", "DEF-", "char01_"]),
    st.sampled_from(["", "_jnt", "_bind", "JNT"]),
    st.sampled_from([str, str.lower, str.upper]),
)
def test_affixes_and_capitals_do_not_matter(key: str, pose: str, prefix: str, suffix: str, case: object) -> None:
    skeleton = family_skeleton(key, pose)
    if case is not str and re.search(r"(^|[a-z_ ])[lr][A-Z]", FAMILIES[key].clavicle.replace("{s}", "l")):
        case = str  # without its capitals nothing marks off the side of lShldrBend
    names = {bone["name"]: f"{prefix}{case(bone['name'])}{suffix}" for bone in skeleton.bones}
    bones, slots = _renamed(skeleton, names)
    assert largest_error(skeleton, bones, slots) < LIMIT


@few
@given(st.sampled_from(SIDED), poses, st.randoms(use_true_random=False))
def test_unknown_names_do_not_matter(key: str, pose: str, generator: random.Random) -> None:
    """bone_001 ... bone_120, in any order: spine, head, arms and fingers are told by shape."""
    skeleton = family_skeleton(key, pose)
    numbers = list(range(1, len(skeleton.bones) + 1))
    generator.shuffle(numbers)
    names = {bone["name"]: f"bone_{n:03}" for bone, n in zip(skeleton.bones, numbers, strict=True)}
    bones, slots = _renamed(skeleton, names)
    # A thumb that is named with a bone before its three cannot be told from one named with its end.
    fingers = {slot: names for slot, names in slots.items() if slot[:-2] != "thumb" or key != "genea"}
    assert largest_error(skeleton, bones, fingers) < LIMIT
    bone_map = find_bone_map(rig_builders.build_armature(bones, "Again"))
    assert bone_map.source == "shape"
    assert bone_map.problems
    for part in ("clavicle", "upper_arm", "forearm", "hand", "index", "middle", "ring", "pinky"):
        for side in "LR":
            assert bone_map.bone(f"{part}.{side}") == slots[f"{part}.{side}"][0], part
    assert bone_map.slots["spine"] == slots["spine"]


@few
@given(families, st.sampled_from(["XYZ", "ZYX", "YXZ", "AXIS_ANGLE", "QUATERNION"]))
def test_rotation_modes_do_not_matter(key: str, mode: str) -> None:
    skeleton = family_skeleton(key, "A")
    rig_builders.reset()
    rig = rig_builders.build_armature(skeleton.bones)
    for pose_bone in rig.pose.bones:
        pose_bone.rotation_mode = mode
    retarget(rig, MOTION, frame_start=1.0)
    errors = direction_errors(rig, skeleton.slots, FACING_FRONT, FRAMES, MOTION.directions[LOOK_AT], PAIRS)
    assert np.nanmax(errors) < LIMIT
    assert {pose_bone.rotation_mode for pose_bone in rig.pose.bones} == {mode}


def _renamed(skeleton: FamilySkeleton, names: dict[str, str]) -> tuple[list[dict], dict[str, tuple[str, ...]]]:
    """Bones and slots under other names."""
    bones = [
        {**bone, "name": names[bone["name"]], "parent": names[bone["parent"]] if bone["parent"] else None}
        for bone in skeleton.bones
    ]
    return bones, {slot: tuple(names[name] for name in its) for slot, its in skeleton.slots.items()}


def _posed(skeleton: FamilySkeleton, generator: random.Random) -> list[dict]:
    """The bones with each arm turned at shoulder, elbow and wrist, within what arms can do."""
    bones = {bone["name"]: dict(bone) for bone in skeleton.bones}

    def below(name: str, root: str) -> bool:
        parent: str | None = name
        while parent is not None and parent != root:
            parent = bones[parent]["parent"]
        return parent is not None

    for side, sign in (("L", 1.0), ("R", -1.0)):
        lower, forwards = generator.uniform(-0.3, 1.4), generator.uniform(-0.2, 0.7)
        bend, twist = generator.uniform(0.0, 1.2), generator.uniform(-0.3, 1.2)
        turns = {
            "upper_arm": Quaternion((0, 0, 1), -sign * forwards) @ Quaternion((0, 1, 0), sign * lower),
            "forearm": Quaternion((0, 0, 1), -sign * bend),
            "hand": Quaternion((1, 0, 0), -twist),
        }
        for slot in ("hand", "forearm", "upper_arm"):
            root = skeleton.slots[f"{slot}.{side}"][0]
            pivot = bones[root]["head"].copy()
            for name, bone in bones.items():
                if below(name, root):
                    for end in ("head", "tail"):
                        bone[end] = pivot + turns[slot] @ (bone[end] - pivot)
    return list(bones.values())
