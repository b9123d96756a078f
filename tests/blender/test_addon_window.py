# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension in a real Blender with a window: timer, undo, files, quitting, while a job runs.

Needs the workshop's ``real-blender`` (a whole Blender in a folder of its own); elsewhere it is skipped.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SCRIPTED_WORKER, babble, write_wav
from motions import swinging_arms, write_motion

TOOL = ROOT.parent / "shared" / "tools" / "real-blender"
SUITE = os.environ.get("REAL_BLENDER_SUITE", "sid")
_DEFAULT_ROOT = Path(os.environ.get("TMPDIR", "/tmp"), f"real-blender-{SUITE}")
BLENDER_ROOT = Path(os.environ.get("REAL_BLENDER_ROOT", _DEFAULT_ROOT))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not TOOL.is_file() or not (BLENDER_ROOT / "usr" / "bin" / "blender").exists(),
        reason="there is no real Blender set up here",
    ),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Path]:
    """A folder that Blender, in its own root, sees as /tmp/NAME."""
    folder = BLENDER_ROOT / "tmp" / f"diffgesture-window-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def inside(path: Path) -> str:
    """The path as Blender sees it."""
    return "/" + str(path.relative_to(BLENDER_ROOT))


def tool(stage: Path, *arguments: str, timeout: float = 500) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BLENDER_USER_RESOURCES": inside(stage / "profile")}
    command = [str(TOOL), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=ROOT,
        env=environment,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def findings(stage: Path) -> dict[str, dict[str, Any]]:
    """What the scenario saw, by step."""
    tests = Path(__file__).parent
    (stage / "profile").mkdir()
    write_wav(stage / "speech.wav", babble(2.0))
    motion = write_motion(stage / "scripted.npz", swinging_arms())
    shutil.copy(SCRIPTED_WORKER, stage / "scripted_worker.py")
    python = stage / "python"
    probe = '{"version": [3, 11, 0], "executable": "x", "missing": []}'
    python.write_text(
        "#!/bin/sh\n"
        f"""if [ "$1" = -c ]; then echo 'diffgesture-probe {probe}'; exit 0; fi\n"""
        f"""exec python3 -u {inside(stage)}/scripted_worker.py $(cat {inside(stage)}/mode) {inside(motion)}\n"""
    )
    python.chmod(0o755)

    built = tool(stage, "run", "-b", "--command", "extension", "build", "--output-dir", inside(stage))
    (archive,) = stage.glob("*.zip")
    installed = tool(
        stage, "run", "-b", "--command", "extension", "install-file", "-r", "user_default", "-e", inside(archive)
    )
    assert "Installed" in installed.stdout, built.stdout + built.stderr + installed.stdout + installed.stderr
    make = (
        f"import sys; sys.path.insert(0, {str(tests)!r}); import bpy; from characters import mixamo_character; "
        "bpy.ops.wm.read_homefile(use_empty=True); mixamo_character('Ann'); "
        f"bpy.ops.wm.save_as_mainfile(filepath={inside(stage / 'character.blend')!r})"
    )
    tool(stage, "run", "-b", "--python-expr", make)
    script = stage / "window.sh"
    script.write_text(
        f"timeout 400 blender --window-geometry 0 0 1600 900 {inside(stage / 'character.blend')} "
        f"--python {tests / 'window_scenario.py'} -- {inside(stage)} {inside(python)}\n"
        "echo ENDED $?\n"
    )
    done = tool(stage, "window", inside(script))
    lines = [line.removeprefix("FOUND ") for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    found = {facts.pop("step"): facts for facts in map(json.loads, lines)}
    found["end"] = {"code": next((line for line in done.stdout.splitlines() if line.startswith("ENDED")), None)}
    assert "failed" not in found, found["failed"]["error"]
    assert "quitting" in found, done.stdout[-3000:] + done.stderr[-3000:]
    return found


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


def test_opening_a_file_ends_the_job(findings: dict[str, dict[str, Any]]) -> None:
    opened = findings["file opened"]
    assert "Another file was opened" in opened["notice"]
    assert (opened["running"], opened["action"]) == (False, None)


def test_quitting_ends_the_worker(findings: dict[str, dict[str, Any]]) -> None:
    assert findings["end"] == {"code": "ENDED 0"}
    assert not Path("/proc", str(findings["quitting"]["worker"])).exists()
