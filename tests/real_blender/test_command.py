# SPDX-License-Identifier: GPL-3.0-or-later
"""``blender -b FILE --command diffgesture ...`` of the installed extension, with the real backend."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_blender import RealBlender


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def text_of(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout[-3000:] + done.stderr[-3000:]


def test_check(blender: RealBlender) -> None:
    done = blender.command(None, "check", "--python", sys.executable)
    assert done.returncode == 0, text_of(done)
    assert "Backend: READY" in done.stdout


@pytest.fixture(scope="module")
def generated(blender: RealBlender, character: Path, speech: Path) -> Path:
    """The folder with every kind of result."""
    out = blender.stage / "generated"
    out.mkdir()
    done = blender.command(
        character, "generate", "--audio", speech, "--python", sys.executable, "--steps", 2,
        "--output", out / "ann.blend", "--bvh", out / "ann.bvh", "--export-fbx", out / "ann.fbx",
        "--export-glb", out / "ann.glb", "--report", out / "report.json",
    )  # fmt: skip
    assert done.returncode == 0, text_of(done)
    return out


def test_generate_and_every_export(generated: Path) -> None:
    report = read(generated / "report.json")
    assert (report["status"], report["armature"], report["frame_start"]) == ("ok", "Ann", 5)
    names = ["ann.blend", "ann.bvh", "ann.fbx", "ann.glb", "ann.npz", "report.json"]
    assert sorted(path.name for path in generated.iterdir()) == names
    assert (generated / "ann.fbx").read_bytes().startswith(b"Kaydara FBX Binary")
    assert b"AnimationCurve" in (generated / "ann.fbx").read_bytes()
    assert b'"animations"' in (generated / "ann.glb").read_bytes()


def test_a_file_saved_in_edit_mode(blender: RealBlender, character: Path, speech: Path) -> None:
    blend = blender.stage / "editing.blend"
    made = blender.script(
        f"bpy.ops.wm.open_mainfile(filepath={blender.inside(character)!r})\n"
        "bpy.context.view_layer.objects.active = bpy.data.objects['Ann']\n"
        "bpy.ops.object.mode_set(mode='EDIT')\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={blender.inside(blend)!r})\n"
    )
    assert made.returncode == 0, text_of(made)
    done = blender.command(
        blend, "generate", "--audio", speech, "--python", sys.executable, "--steps", 2,
        "--motion-output", blender.stage / "edited.npz",
    )  # fmt: skip
    assert done.returncode == 0, text_of(done)


def test_bad_input_is_one_line_and_exit_code_2(blender: RealBlender, character: Path) -> None:
    done = blender.command(
        character, "generate", "--audio", "nothing.wav", "--output", blender.stage / "never.blend"
    )
    assert done.returncode == 2, text_of(done)
    errors = [line for line in done.stderr.splitlines() if line.startswith("diffgesture: error:")]
    assert len(errors) == 1
    assert "There is no audio file" in errors[0]
    assert not (blender.stage / "never.blend").exists()


def test_take(blender: RealBlender, generated: Path, speech: Path) -> None:
    folder = blender.stage / "takes"
    blend = generated / "ann.blend"
    done = blender.command(blend, "take", "--audio", speech, "--output", folder, "--name", "one")
    assert done.returncode == 0, text_of(done)
    assert sorted(path.name for path in folder.iterdir()) == ["one.bvh", "one.wav"]


def test_batch_of_every_format_and_again(blender: RealBlender, character: Path, speech: Path) -> None:
    clips = blender.stage / "clips"
    clips.mkdir()
    for name in ("one.wav", "two.wav"):
        shutil.copy(speech, clips / name)
    (clips / "broken.wav").write_bytes(b"RIFF")
    arguments = (
        "batch",
        clips,
        "--output",
        blender.stage / "batch",
        "--steps",
        2,
        "--formats",
        "npz,blend,fbx,glb,mp4",
    )
    done = blender.command(character, *arguments, "--report", blender.stage / "batch.json")
    assert done.returncode == 2, text_of(done)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    statuses = {"broken": "error", "one": "ok", "two": "ok"}
    assert {line["job"]: line["status"] for line in lines} == statuses, text_of(done)
    assert "1 of 3 jobs failed: broken." in done.stderr
    written = {path.name for path in (blender.stage / "batch").iterdir()}
    kinds = ("json", "npz", "blend", "fbx", "glb", "mp4")
    assert written == {"broken.json", *(f"{name}.{kind}" for name in ("one", "two") for kind in kinds)}
    again = blender.command(character, *arguments, "--report", blender.stage / "again.json")
    assert read(blender.stage / "again.json")["jobs_skipped"] == 2, text_of(again)


def test_two_blenders_side_by_side(blender: RealBlender, character: Path, speech: Path) -> None:
    clips = blender.stage / "pair"
    clips.mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        shutil.copy(speech, clips / name)
    out = blender.stage / "pair out"
    done = blender.command(
        character, "batch", clips, "--output", out, "--steps", 2, "--formats", "npz", "--jobs", 2, "--json"
    )
    assert done.returncode == 0, text_of(done)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert sorted(line["job"] for line in lines if "job" in line) == ["a", "b", "c"]
    assert lines[-1]["jobs_done"] == 3
    assert {path.name for path in out.glob("*.npz")} == {"a.npz", "b.npz", "c.npz"}
