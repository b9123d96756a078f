# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Whole scenes on the command line: each .blend a job, all its characters, a file for each of some kinds."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import SCRIPTED_WORKER
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

from characters import mixamo_character
from motions import swinging_arms, write_motion

from diffgesture_blender import compat
from diffgesture_blender.cli import command

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses a POSIX script as stand-in interpreter")


@pytest.fixture
def stage(tmp_path: Path, addon: Any) -> Path:
    """A folder with ``shots`` (two dialogues, one in which nobody speaks) and a ``python``."""
    (tmp_path / "shots").mkdir()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 96
    for name in ("Ann", "Bob"):
        mixamo_character(name)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shots" / "silent.blend"))
    top = compat.top_strips(scene.sequence_editor_create())
    speech = write_wav(tmp_path / "speech.wav", babble(2.0))
    for channel, (name, frame) in enumerate((("Ann", 1), ("Bob", 49)), 1):
        top.new_sound(name=name, filepath=str(speech), channel=channel, frame_start=frame)
    for name in ("one", "two"):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shots" / f"{name}.blend"))
    motion = write_motion(tmp_path / "scripted.npz", swinging_arms(4.0))
    probe = '{"version": [3, 11, 0], "executable": "x", "missing": []}'
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        f"""if [ "$1" = -c ]; then echo 'diffgesture-probe {probe}'; exit 0; fi\n"""
        f"""exec "{sys.executable}" -u "{SCRIPTED_WORKER}" motion "{motion}"\n"""
    )
    python.chmod(0o755)
    return tmp_path


def batch(stage: Path, capsys: pytest.CaptureFixture[str], *more: object) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, a line for each job, errors."""
    capsys.readouterr()
    words = [
        "batch",
        stage / "shots",
        "--whole-scene",
        "--output",
        stage / "out",
        "--python",
        stage / "python",
        *more,
    ]
    code = command.main([str(word) for word in words])
    out, errors = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], errors


def test_every_blend_of_a_folder_is_done_with_all_its_characters(
    stage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, errors = batch(stage, capsys, "--formats", "blend,npz,bvh")
    assert code == 2, errors
    assert {line["job"]: line["status"] for line in lines} == {"one": "ok", "silent": "error", "two": "ok"}
    assert "Nobody speaks" in errors
    each = ("one.blend", "one.json", "one_Ann.bvh", "one_Ann.npz", "one_Bob.bvh", "one_Bob.npz")
    expected = [*each, "silent.json", *(name.replace("one", "two") for name in each)]
    assert sorted(path.name for path in (stage / "out").iterdir()) == sorted(expected)
    record = json.loads((stage / "out" / "one.json").read_text(encoding="utf-8"))
    ann, bob = record["characters"]
    assert (ann["armature"], bob["armature"]) == ("Ann", "Bob")
    assert ann["turns"][0][0] < 1.0 < bob["turns"][0][0]
    bpy.ops.wm.open_mainfile(filepath=str(stage / "out" / "one.blend"))
    assert all(bpy.data.objects[name].animation_data.action for name in ("Ann", "Bob"))
    (stage / "out" / "two_Bob.npz").unlink()  # lost
    _, lines, _ = batch(stage, capsys, "--formats", "blend,npz,bvh")
    assert {line["job"]: line["status"] for line in lines} == {"one": "skipped", "silent": "error", "two": "ok"}


def test_a_list_names_whole_scenes(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = stage / "jobs.csv"
    table.write_text("blend,whole_scene,armature\nshots/one.blend,yes,\nshots/two.blend,yes,Bob\n")
    words = [
        "batch",
        stage / "jobs.csv",
        "--output",
        stage / "out",
        "--python",
        stage / "python",
        "--formats",
        "npz",
    ]
    assert command.main([str(word) for word in words]) == 0, capsys.readouterr().err
    made = sorted(path.name for path in (stage / "out").glob("*.npz"))
    assert made == ["one_Ann.npz", "one_Bob.npz", "two_Bob.npz"]


def test_options_hold_for_all_characters_and_unknown_ones_are_refused(
    stage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, errors = batch(stage, capsys, "--formats", "npz", "--seed", 5, "--range", "1", "--keys", "few")
    assert (code, [line["status"] for line in lines]) == (0, ["ok"]), errors
    (stage / "jobs.json").write_text('[{"blend": "shots/one.blend", "whole_scene": true, "cues": "1:you"}]')
    words = ["batch", stage / "jobs.json", "--output", stage / "out", "--python", stage / "python"]
    assert command.main([str(word) for word in words]) == 2
    assert "unknown option cues" in capsys.readouterr().err
