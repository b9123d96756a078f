# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialogue of two in a real Blender: the panel is drawn, one undo step, cancel one or all; --command."""

import json
from pathlib import Path
from typing import Any

import pytest
from real_blender import RealBlender
from sounds import babble, write_wav
from windows import play


@pytest.fixture(scope="module")
def shot(blender: RealBlender) -> Path:
    """A .blend of 6 s with Ann, who speaks from 0 to 2 s, and Bob, who speaks from 3 to 5 s."""
    lines = {name: write_wav(blender.stage / f"{name} line.wav", babble(2.0)) for name in ("Ann", "Bob")}
    path = blender.stage / "shot.blend"
    paths = {name: blender.inside(line) for name, line in lines.items()}
    made = blender.script(
        "from characters import mixamo_character\n"
        "bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)\n"
        "scene = bpy.context.scene\n"
        "scene.frame_start, scene.frame_end, scene.render.fps = 1, 144, 24\n"
        f"paths = {paths!r}\n"
        "editor = scene.sequence_editor_create()\n"
        "strips = editor.strips if hasattr(editor, 'strips') else editor.sequences\n"
        "for number, name in enumerate(paths):\n"
        "    armature = mixamo_character(name)\n"
        "    armature.location.x = 1.2 * number\n"
        "    strips.new_sound(name=f'{name} 1', filepath=paths[name], channel=1, frame_start=1 + 72 * number)\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={blender.inside(path)!r})\n"
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return path


@pytest.fixture(scope="module")
def findings(blender: RealBlender, shot: Path) -> dict[str, dict[str, Any]]:
    return play(blender, shot, "dialogue_scenario.py", "quitting")


def test_the_window_lives_and_cancel_changes_nothing(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["not blocking"] == {"running": True}
    assert findings["running"]["texts"][1] == "Waiting"
    assert findings["cancelled"] == {
        "notice": "The generation was cancelled.",
        "actions": {"Ann": None, "Bob": None},
    }


def test_all_are_one_undo_step(findings: dict[str, dict[str, Any]]) -> None:
    written = {"Ann": "Scene Ann seed 3", "Bob": "Scene Bob seed 1"}
    assert findings["done"] == {"actions": written, "problem": False}
    assert findings["undone"] == {"actions": {"Ann": None, "Bob": None}, "seed": 3}
    assert findings["redone"] == {"actions": written}


def test_one_is_cancelled_alone(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["one cancelled"] == {"takes": [1, 2]}


def test_the_command(blender: RealBlender, shot: Path) -> None:
    out, report = blender.stage / "dialogue.blend", blender.stage / "dialogue.json"
    done = blender.command(shot, "scene", "--output", out, "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text(encoding="utf-8"))
    assert [line["armature"] for line in told["characters"]] == ["Ann", "Bob"]
    assert out.is_file()
