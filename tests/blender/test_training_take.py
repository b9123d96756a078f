# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""A character's animation and its sound, saved as a take and read by the backend's prepare.py."""

import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

import rig_builders
from motion_builders import gestures

from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.export.training_take import copy_take, save_take
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.retarget.evaluate import angular_errors
from diffgesture_blender.sound.source import clip_from_path

SECONDS = 6
MOTION = gestures(0, SECONDS * 15)


@pytest.fixture
def rig(addon: object) -> Any:
    rig = rig_builders.build_armature(rig_builders.human_bones(45))
    bpy.context.scene.render.fps = 30
    retarget(rig, MOTION, frame_start=1)
    return rig


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "spéech.wav", babble(SECONDS), 16_000)


def duration(path: Path) -> float:
    with wave.open(str(path), "rb") as file:
        return file.getnframes() / file.getframerate()


def prepared(python: str, folder: Path, output: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The data set that prepare.py makes of a folder of takes."""
    done = subprocess.run(
        [python, str(ROOT / "backend" / "prepare.py"), "bvh", str(folder), "-o", str(output), "--val", "0"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    card = json.loads((output / "dataset.json").read_text(encoding="utf-8"))
    return card, np.load(output / "directions.npy", allow_pickle=False)


def in_layout_order() -> tuple[np.ndarray, list[str]]:
    """The motion's directions and bone names in the order of the layout, where both shoulders come first."""
    names = [MOTION.bone_name(bone) for bone in range(len(MOTION.bone_pairs))]
    order = list(range(len(names)))
    order.insert(2, order.pop(names.index("neck>right_shoulder")))
    return MOTION.directions[:, order], [names[index] for index in order]


def test_a_take_comes_back_from_prepare_as_the_motion_it_shows(
    rig: Any, sound: Path, tmp_path: Path, backend_python: str
) -> None:
    take = save_take(rig, bpy.context.scene, clip_from_path(sound), 1, tmp_path / "takes" / "ann", "first")
    assert take.sound == tmp_path / "takes" / "ann" / "first.wav"
    assert take.seconds == pytest.approx(SECONDS, abs=0.1)
    card, directions = prepared(backend_python, tmp_path / "takes", tmp_path / "data")
    (entry,) = card["takes"]
    assert entry["speaker"] == "ann"
    assert abs(len(directions) - len(MOTION.directions)) <= 1
    wanted, names = in_layout_order()
    length = min(len(directions), len(wanted))
    errors = angular_errors(directions[:length], wanted[:length])
    # Palm bones are as wide apart as the rig's own, and its shoulders as high.
    exact = [
        i for i, name in enumerate(names) if name.endswith(("_elbow", ">left_wrist", ">right_wrist", "2", "3"))
    ]
    assert errors[:, exact].max() < 0.5
    assert errors.max() < 6.0


def test_only_what_is_animated_and_heard_is_saved(rig: Any, sound: Path, tmp_path: Path) -> None:
    take = save_take(rig, bpy.context.scene, clip_from_path(sound), 31, tmp_path / "a", "late sound")
    assert (take.frame_start, take.frame_end) == (31, 179)
    assert duration(take.sound) == pytest.approx(149 / 30, abs=0.01)
    take = save_take(rig, bpy.context.scene, clip_from_path(sound), -59, tmp_path / "a", "early sound")
    assert (take.frame_start, take.frame_end) == (1, 121)
    with wave.open(str(take.sound), "rb") as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32767
    start = 2 * 16_000
    assert np.abs(heard - babble(SECONDS)[start : start + len(heard)]).max() < 1e-3
    with pytest.raises(DiffGestureError, match="in common"):
        save_take(rig, bpy.context.scene, clip_from_path(sound), 1000, tmp_path / "a", "never")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        *("early sound.bvh", "early sound.wav", "late sound.bvh", "late sound.wav"),
    ]


def test_the_scene_stays_as_it_was(rig: Any, sound: Path, tmp_path: Path) -> None:
    bpy.context.scene.frame_set(17)
    save_take(rig, bpy.context.scene, clip_from_path(sound), 1, tmp_path, "take")
    assert bpy.context.scene.frame_current == 17


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(rig: Any, sound: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DiffGestureError, match="name"):
        save_take(rig, bpy.context.scene, clip_from_path(sound), 1, tmp_path, name)


def test_without_animation_there_is_no_take(rig: Any, sound: Path, tmp_path: Path) -> None:
    rig.animation_data_clear()
    with pytest.raises(DiffGestureError, match="no animation"):
        save_take(rig, bpy.context.scene, clip_from_path(sound), 1, tmp_path, "take")


def test_a_bvh_file_and_a_sound_become_a_take(rig: Any, sound: Path, tmp_path: Path, backend_python: str) -> None:
    first = save_take(rig, bpy.context.scene, clip_from_path(sound), 1, tmp_path / "a", "one")
    copy_take(first.motion, clip_from_path(first.sound), tmp_path / "takes", "two")
    card, _ = prepared(backend_python, tmp_path / "takes", tmp_path / "data")
    assert [entry["name"] for entry in card["takes"]] == ["two"]
    (tmp_path / "no.bvh").write_text("nothing")
    for wrong in ("no.bvh", "missing.bvh"):
        with pytest.raises(DiffGestureError, match=wrong):
            copy_take(tmp_path / wrong, clip_from_path(sound), tmp_path / "takes", "three")


def test_button_and_command_line_save_takes(
    rig: Any, sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from diffgesture_blender.cli import command as cli

    settings = bpy.context.scene.diffgesture
    settings.armature, settings.audio_path = rig, str(sound)
    assert bpy.ops.diffgesture.save_take(directory=str(tmp_path / "panel")) == {"FINISHED"}
    assert (tmp_path / "panel" / "spéech.bvh").is_file()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "rig.blend"))
    arguments = ["take", "--audio", str(sound), "--output", str(tmp_path / "cli"), "--name", "t"]
    assert cli.main([*arguments, "--report", str(tmp_path / "r.json")]) == 0
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (report["status"], report["frame_start"]) == ("ok", 1)
    assert (tmp_path / "cli" / "t.bvh").read_text() == (tmp_path / "panel" / "spéech.bvh").read_text()
    capsys.readouterr()
    assert cli.main([*arguments, "--frame-start", "5000"]) == 2
    assert "in common" in capsys.readouterr().err
