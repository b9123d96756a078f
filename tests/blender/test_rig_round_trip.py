# SPDX-License-Identifier: GPL-3.0-or-later
"""Real human takes as directions onto each rig: its hands go where the human's went, scaled to its arms."""

from pathlib import Path

import pytest

pytest.importorskip("bpy")

import bpy
import numpy as np
import rig_builders
from family_names import FAMILIES
from family_skeletons import family_skeleton
from mathutils import Matrix
from real_takes import REAL_TAKES, motion_of, read_take
from rig_measure import FACING_FRONT, arm_twists, joint_bones, pose_at

from diffgesture_blender.retarget import find_bone_map
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.rig.body_frame import body_frame

pytestmark = pytest.mark.skipif(not REAL_TAKES.is_dir(), reason="no captured takes")

TAKES = ("zeggs_067", "beat2_scott_0_1_1", "zeggs_001")
SECONDS = 8.0
# In lengths of the arm.
WRIST_LIMIT = 0.03


@pytest.fixture(scope="module")
def rigify_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rigify") / "rigify.blend"
    rig_builders.write_rigify(path)
    return path


def build(name: str, rigify_file: Path) -> tuple[bpy.types.Object, np.ndarray | None]:
    """The rig and, where it is known, the matrix to the public frame."""
    rig_builders.reset()
    if name == "rigify":
        return rig_builders.open_rigify(rigify_file), None
    if name in FAMILIES:
        matrix = Matrix.Rotation(0.7, 4, "Z") @ Matrix.Scale(0.01, 4)
        return rig_builders.build_armature(family_skeleton(name, "A").bones, name, matrix), FACING_FRONT
    return rig_builders.build_shared_rig(name), None


RIGS = ["rigify", *FAMILIES]
if rig_builders.SHARED_RIGS.is_dir():
    RIGS += rig_builders.SHARED_RIG_NAMES


@pytest.mark.parametrize("rig_name", RIGS)
def test_wrists_follow_the_scaled_original(rig_name: str, rigify_file: Path) -> None:
    for take_name in TAKES:
        take = read_take(take_name, SECONDS)
        motion = motion_of(take)
        rig, to_public = build(rig_name, rigify_file)
        bone_map = find_bone_map(rig)
        retarget(rig, motion, bone_map, frame_start=1.0)
        if to_public is None:
            heads = {bone.name: np.array(bone.head_local, dtype=float) for bone in rig.data.bones}
            to_public = body_frame(heads, bone_map.slots)
        follow = {b: each for b in bone_map.keyed_bones if (each := bone_map.deform.bone_for(b)) in rig.data.bones}
        joints = {joint: follow.get(bone, bone) for joint, bone in joint_bones(bone_map.slots).items()}
        chosen = np.arange(0, motion.num_frames, 12)
        shown = []
        for index in chosen:
            bones = pose_at(rig, 1.0 + index * 24.0 / motion.fps)
            shown.append({joint: to_public @ np.array(bones[bone].head) for joint, bone in joints.items()})
        for side in ("left", "right"):
            apart = wrist_errors(take.joints, shown, chosen, side)
            assert apart.max() < WRIST_LIMIT, (take_name, side, apart.mean(), apart.max())
        twists = arm_twists(rig, bone_map.slots, [1.0 + i * 24.0 / motion.fps for i in chosen])
        wrist, forearm = np.abs(twists["wrist"]), np.abs(twists["forearm"])
        # One take's hands are tracked turned farther than a forearm can; the others' twist is a human's.
        assert np.median(wrist) < 80.0, (take_name, np.median(wrist))
        if take_name != "zeggs_067":
            assert wrist.max() < 80.0, (take_name, wrist.max())
            assert forearm.max() < 110.0, (take_name, forearm.max())


def wrist_errors(joints: dict[str, np.ndarray], shown: list[dict], chosen: np.ndarray, side: str) -> np.ndarray:
    """(F,) distance of the wrist from the original's, in arm lengths, both seen from between the shoulders.

    The original is scaled bone by bone: shoulder line, upper arm and forearm to the rig's lengths.
    """
    other = {"left": "right", "right": "left"}[side]
    names = [f"{other}_shoulder", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"]
    original = np.diff(np.stack([joints[name][chosen] for name in names], axis=1), axis=1)
    rig = np.diff(np.array([[pose[name] for name in names] for pose in shown]), axis=1)
    lengths = np.linalg.norm(rig, axis=-1).mean(axis=0)
    wanted = original / np.linalg.norm(original, axis=-1, keepdims=True) * lengths[:, None]
    half = np.array([0.5, 1.0, 1.0])[:, None]
    return np.linalg.norm(((rig - wanted) * half).sum(axis=1), axis=-1) / lengths[1:].sum()
