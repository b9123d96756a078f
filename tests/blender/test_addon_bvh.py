# SPDX-License-Identifier: GPL-3.0-or-later

"""BVH export: an independent reader gets the motion's bone directions back."""

from pathlib import Path

import numpy as np
import pytest
from motions import LENGTHS, NEUTRAL, PAIRS, swinging_arms, write_motion

pytest.importorskip("bpy")

from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.export.bvh import bvh_text, save_bvh
from diffgesture_blender.motion import Motion, load_motion

# Bones whose joint turns for them alone; the neck carries three and takes a compromise.
OWN = [bone for bone, (parent, _) in enumerate(PAIRS) if parent != 1]


@pytest.fixture
def motion(tmp_path: Path) -> Motion:
    return load_motion(write_motion(tmp_path / "m.npz", swinging_arms()))


def read_bvh(text: str) -> tuple[list[str], list[int], np.ndarray, np.ndarray, float]:
    """Names, parents, offsets (J, 3), channel values (T, C) and seconds per frame, by the book."""
    head, data = text.split("MOTION")
    names, parents, offsets, stack = [], [], [], []
    end_site = False
    for line in head.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in {"ROOT", "JOINT"}:
            names.append(words[1])
            parents.append(stack[-1] if stack else -1)
        elif words[0] == "End":
            end_site = True
        elif words[0] == "{":
            stack.append(-1 if end_site else len(names) - 1)
        elif words[0] == "}":
            end_site = False
            stack.pop()
        elif words[0] == "OFFSET" and not end_site:
            offsets.append([float(word) for word in words[1:]])
        elif words[0] == "CHANNELS":
            assert words[-3:] == ["Zrotation", "Xrotation", "Yrotation"]
    lines = data.strip().splitlines()
    frames, seconds = int(lines[0].split()[1]), float(lines[1].split()[2])
    values = np.array([[float(word) for word in line.split()] for line in lines[2:]])
    assert len(values) == frames
    return names, parents, np.array(offsets), values, seconds


def turn(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) about a coordinate axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrices = np.tile(np.eye(3), (len(degrees), 1, 1))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrices[:, a, a] = matrices[:, b, b] = cos
    matrices[:, b, a], matrices[:, a, b] = sin, -sin
    return matrices


def positions(text: str) -> dict[str, np.ndarray]:
    """World positions (T, 3) of each joint."""
    names, parents, offsets, values, _ = read_bvh(text)
    world, place = [], []
    for joint, parent in enumerate(parents):
        z, x, y = values[:, 3 + 3 * joint : 6 + 3 * joint].T
        local = turn(2, z) @ turn(0, x) @ turn(1, y)
        if parent < 0:
            world.append(local)
            place.append(values[:, :3] + offsets[joint])
        else:
            world.append(world[parent] @ local)
            place.append(place[parent] + world[parent] @ offsets[joint])
    return dict(zip(names, place, strict=True))


def test_joints_point_where_the_motion_says(motion: Motion) -> None:
    place = positions(bvh_text(motion))
    for bone in OWN:
        parent, child = (motion.joint_names[joint] for joint in PAIRS[bone])
        bones = place[child] - place[parent]
        lengths = np.linalg.norm(bones, axis=1)
        assert np.allclose(lengths, 100 * LENGTHS[bone], atol=0.01)
        cosine = (bones / lengths[:, None] * motion.directions[:, bone]).sum(-1)
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 0.05


def test_the_neck_takes_the_best_compromise_of_its_bones(motion: Motion) -> None:
    place = positions(bvh_text(motion))
    for bone in (1, 3, 6):
        child = motion.joint_names[PAIRS[bone][1]]
        bones = place[child] - place["neck"]
        cosine = (bones / np.linalg.norm(bones, axis=1)[:, None] * motion.directions[:, bone]).sum(-1)
        assert np.degrees(np.arccos(cosine)).max() < 1.0


def test_rest_pose_and_time(motion: Motion) -> None:
    names, parents, offsets, values, seconds = read_bvh(bvh_text(motion))
    assert set(names) == set(motion.joint_names)
    assert len(values) == 30
    assert seconds == pytest.approx(1 / 15)
    for bone, (parent, child) in enumerate(PAIRS):
        joint = names.index(motion.joint_names[child])
        assert names[parents[joint]] == motion.joint_names[parent]
        expected = 100 * LENGTHS[bone] * NEUTRAL[bone] / np.linalg.norm(NEUTRAL[bone])
        assert np.allclose(offsets[joint], expected, atol=1e-3)


def test_a_bone_turned_right_round_stays_finite(tmp_path: Path) -> None:
    directions = np.tile(-NEUTRAL, (3, 1, 1)).astype(np.float64)
    motion = load_motion(write_motion(tmp_path / "m.npz", directions))
    place = positions(bvh_text(motion))
    bones = place["left_wrist"] - place["left_elbow"]
    assert np.allclose(bones / np.linalg.norm(bones, axis=1)[:, None], directions[:, 5], atol=1e-4)


def test_an_unwritable_place_is_an_error_for_the_user(motion: Motion, tmp_path: Path) -> None:
    with pytest.raises(DiffGestureError, match="cannot be written"):
        save_bvh(tmp_path / "none" / "m.bvh", motion)
