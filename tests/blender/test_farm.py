# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The farm templates: an Open Job Description run by openjd, a Flamenco job type compiled by Node."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SCRIPTED_WORKER
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

from characters import mixamo_character
from motions import swinging_arms, write_motion

FARM = ROOT / "docs" / "farm"
TEMPLATE, JOB_TYPE = FARM / "batch.template.yaml", FARM / "diffgesture_batch.js"

# Blender as the templates call it: opens the file and hands the words behind the command's name to it.
BLENDER = """#!{python}
import sys
sys.path.insert(0, {root!r})
import bpy
assert sys.argv[1] == "-b" and sys.argv[3:5] == ["--command", "diffgesture"], sys.argv
bpy.ops.wm.open_mainfile(filepath=sys.argv[2])
from diffgesture_blender.cli import command
sys.exit(command.main(sys.argv[5:]))
"""

# What a Flamenco Manager offers a job type, as far as ours uses it; prints the tasks.
FLAMENCO = """
const author = {
    Task: (name, type) => ({name, type, commands: [], addCommand(command) { this.commands.push(command); }}),
    Command: (name, parameters) => ({name, parameters}),
};
const tasks = [];
const settings = JSON.parse(process.argv[2]);
for (const setting of JOB_TYPE.settings) {
    if (!(setting.key in settings)) {
        if (setting.required) throw new Error("missing " + setting.key);
        settings[setting.key] = setting.default;
    }
}
compileJob({settings, addTask(task) { tasks.push(task); }});
console.log(JSON.stringify(tasks));
"""


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A folder with a ``blender``, ``ann.blend`` and five ``clips``."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mixamo_character("Ann")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "ann.blend"))
    (tmp_path / "clips").mkdir()
    for name in "abcde":
        write_wav(tmp_path / "clips" / f"{name}.wav", babble(1.0))
    motion = write_motion(tmp_path / "scripted.npz", swinging_arms(1.0))
    probe = '{"version": [3, 11, 0], "executable": "x", "missing": []}'
    programs = {
        "blender": BLENDER.format(python=sys.executable, root=str(ROOT)),
        "python": "#!/bin/sh\n"
        f"""if [ "$1" = -c ]; then echo 'diffgesture-probe {probe}'; exit 0; fi\n"""
        f"""exec "{sys.executable}" -u "{SCRIPTED_WORKER}" motion "{motion}"\n""",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def made(stage: Path) -> list[str]:
    return sorted(path.name for path in (stage / "out").glob("*.npz"))


def openjd(*arguments: str) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec("openjd") is None or importlib.util.find_spec("openjd.cli") is None:
        pytest.skip("openjd-cli is not installed")
    command = [sys.executable, "-c", "import sys; from openjd.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def test_the_template_is_valid() -> None:
    done = openjd("check", str(TEMPLATE))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the template's script is for a POSIX shell")
def test_the_template_does_every_job_once(stage: Path) -> None:
    parameters = {
        "BlendFile": stage / "ann.blend",
        "Jobs": stage / "clips",
        "OutputFolder": stage / "out",
        "Count": 5,
        "Parts": 2,
        "Formats": "npz",
        "Options": f"--python {stage / 'python'}",
        "Blender": stage / "blender",
    }
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    run = ("run", str(TEMPLATE), "--step", "Check", "--run-dependencies", *words)
    (stage / "clips" / "b.wav").write_bytes(b"")
    done = openjd(*run)
    assert done.returncode != 0, done.stdout + done.stderr
    assert made(stage) == [f"{name}.npz" for name in "acde"]  # the parts after the bad one, too
    assert done.stdout.count('"status": "ok", "error": null') == 4
    assert "1 of 5 jobs failed: b." in done.stdout
    write_wav(stage / "clips" / "b.wav", babble(1.0))
    done = openjd(*run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert made(stage) == [f"{name}.npz" for name in "abcde"]
    again = openjd(*run)
    assert again.stdout.count('"status": "skipped", "error": null') >= 10  # all parts, then all again by Check


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_the_job_type_makes_commands_that_run(stage: Path) -> None:
    script = stage / "compile.js"
    script.write_text(JOB_TYPE.read_text(encoding="utf-8") + FLAMENCO, encoding="utf-8")
    settings = {
        "blendfile": str(stage / "ann.blend"),
        "jobs": str(stage / "clips"),
        "output": str(stage / "out"),
        "count": 5,
        "chunk_size": 3,
        "options": f"--python {stage / 'python'}",
    }
    compiled = subprocess.run(
        ["node", str(script), json.dumps(settings)], capture_output=True, text=True, check=False, timeout=60
    )
    assert compiled.returncode == 0, compiled.stderr
    tasks = json.loads(compiled.stdout)
    assert [task["name"] for task in tasks] == ["gestures-1-3", "gestures-4-5"]
    for task in tasks:
        (command,) = task["commands"]
        assert command["name"] == "exec"
        program = [word.replace("{blender}", str(stage / "blender")) for word in [command["parameters"]["exe"]]]
        done = subprocess.run(
            [*program, *command["parameters"]["args"]], capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert made(stage) == [f"{name}.npz" for name in "abcde"]
