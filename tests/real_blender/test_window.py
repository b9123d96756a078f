# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension in a real Blender with a window: timer, undo, files, quitting, while a job runs."""

from pathlib import Path
from typing import Any

import pytest
from real_blender import RealBlender
from windows import play


@pytest.fixture(scope="module")
def findings(blender: RealBlender, character: Path, speech: Path) -> dict[str, dict[str, Any]]:
    """What the scenario saw, by step."""
    return play(blender, character, "window_scenario.py", "quitting")


def test_generating_does_not_block_the_window(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["not blocking"] == {"running": True}
    assert findings["generated"] == {"action": "speech seed 0", "strips": 1}


def test_the_result_is_one_undo_step(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["undone"] == {"action": None, "actions": 0, "strips": 0}
    assert findings["redone"] == {"action": "speech seed 0"}


def test_a_regenerated_part_is_one_undo_step(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["regenerated"] == {"action": "speech seed 1 frames 15 to 30", "actions": 2}
    assert findings["regeneration undone"] == {"action": "speech seed 0", "actions": 1}


def test_undo_takes_back_an_edit_of_the_bone_map(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["map"] == {
        "edited": "mixamorig:Spine1",
        "undone": "mixamorig:Spine, mixamorig:Spine1, mixamorig:Spine2",
    }


def test_undo_while_a_job_runs_does_not_disturb_it(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["undone meanwhile"] == {"x": 0.0, "running": True}
    assert findings["cancelled"] == {"notice": "The generation was cancelled.", "actions": 1}


def test_keys_wait_for_edit_mode_to_be_left(findings: dict[str, dict[str, Any]]) -> None:
    assert "Edit Mode" in findings["in edit mode"]["text"]
    assert findings["edit mode left"] == {"actions": 2, "problem": False}


def test_a_running_job_leaves_the_view_alone(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["drawn while running"]["times"] <= 1


def test_keys_wait_for_a_render_to_end(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["rendering"] == {"rendering": True, "text": "Done: waiting for the render", "new": 0}
    assert findings["rendered"] == {"rendering": False, "new": 1}


def test_opening_a_file_ends_the_job(findings: dict[str, dict[str, Any]]) -> None:
    opened = findings["file opened"]
    assert "Another file was opened" in opened["notice"]
    assert (opened["running"], opened["action"]) == (False, None)


def test_takes_are_accepted_and_rejected(findings: dict[str, dict[str, Any]]) -> None:
    both = {"names": ["speech seed 1", "speech seed 0"], "action": "speech seed 0"}
    assert findings["takes"] == both
    assert findings["take rejected"] == {"names": ["speech seed 1"], "action": None, "actions": 1}
    assert findings["rejection undone"] == both
    assert findings["take accepted"] == {"own": True, "names": both["names"]}


def test_found_cues_are_markers_and_one_undo_step(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["finding cues"] == {"running": True}
    assert findings["cues found"] == {
        "markers": ["mine", "cue you @Ann", "cue count 3 (three) @Ann"],
        "transcript": "NONE",
    }
    assert findings["cues undone"] == {"markers": ["mine"], "transcript": "FILE"}


def test_quitting_ends_the_worker(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["end"] == {"code": "ENDED 0"}
    assert not Path("/proc", str(findings["quitting"]["worker"])).exists()
