# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL-X export: read back as BEAT2 files are read, the arms point where they pointed."""

from pathlib import Path

import numpy as np
import pytest
from conftest import babble
from diffgesture.data.importers.body import layout_directions, named_body
from diffgesture.data.importers.motion_files import read_smplx
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.motion.joint_names import map_joints
from diffgesture.motion.smplx import SMPLX_JOINTS, save_smplx


@pytest.fixture(scope="module")
def motion():
    return generate(babble(6.0), load_checkpoint(engine="numpy"), Settings()).motion


def test_what_is_exported_reads_back_as_the_same_gestures(motion, tmp_path: Path):
    save_smplx(tmp_path / "m.npz", motion)
    armature = read_smplx(tmp_path / "m.npz")
    assert armature.fps == 30
    assert len(armature.positions) == 180
    skeleton = motion.skeleton
    body = named_body(armature, map_joints(armature.joint_names, "m"))
    back = layout_directions(body, skeleton, 15.0)
    degrees = np.degrees(np.arccos(np.clip((back * motion.directions).sum(-1), -1, 1)))
    by_name = dict(zip(skeleton.bone_names, degrees.mean(axis=0), strict=True))
    for side in ("left", "right"):
        assert by_name[f"{side}_shoulder>{side}_elbow"] < 3
        assert by_name[f"{side}_elbow>{side}_wrist"] < 3
        assert by_name[f"{side}_index1>{side}_index2"] < 5
    assert by_name["neck>nose"] < 8


def test_legs_and_root_rest_and_the_fields_are_those_of_beat2(motion, tmp_path: Path):
    save_smplx(tmp_path / "m.npz", motion)
    archive = np.load(tmp_path / "m.npz", allow_pickle=False)
    assert archive["poses"].shape == (180, 165)
    assert archive["expressions"].shape == (180, 100)
    assert archive["trans"].shape == (180, 3)
    assert archive["betas"].shape == (300,)
    assert str(archive["model"]) == "smplx2020"
    poses = archive["poses"].reshape(180, 55, 3)
    for name in ("pelvis", "left_hip", "right_knee", "left_foot", "jaw"):
        assert np.abs(poses[:, SMPLX_JOINTS.index(name)]).max() < 1e-6
    assert np.abs(poses[:, SMPLX_JOINTS.index("left_elbow")]).max() > 0.3


def test_a_motion_file_becomes_smplx_or_bvh(motion, tmp_path: Path, capsys):
    import convert as command
    from diffgesture.command_line import run_command
    from diffgesture.motion.motion_file import save_motion

    def run(output: Path) -> int:
        return run_command(
            command.main, lambda: command.parse_arguments([str(tmp_path / "m.npz"), "-o", str(output)])
        )

    save_motion(tmp_path / "m.npz", motion)
    assert run(tmp_path / "s.npz") == 0
    assert np.load(tmp_path / "s.npz")["poses"].shape == (180, 165)
    assert run(tmp_path / "s.bvh") == 0
    assert (tmp_path / "s.bvh").read_text().startswith("HIERARCHY")
    assert run(tmp_path / "s.mp4") == 2
    assert run(tmp_path / "m.npz") == 2
    assert "read by this command" in capsys.readouterr().err
