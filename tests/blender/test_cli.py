# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The command line, run as a Blender of its own: exit codes, one line on stderr, report, files."""

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SCRIPTED_WORKER
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

from motions import swinging_arms, write_motion

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses a POSIX script as stand-in interpreter")

# A Blender as the bpy package gives it: opens the file, then hands the arguments to the command.
RUN = """
import sys
sys.path[:0] = {paths!r}
import bpy
blend, *arguments = sys.argv[1:]
if blend:
    bpy.ops.wm.open_mainfile(filepath=blend)
from diffgesture_blender.cli import command as cli
sys.exit(cli.main(arguments))
"""


@pytest.fixture(scope="module")
def character(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .blend with a character called Ann, a camera, and an armature without arms called Worm."""
    from characters import mixamo_character

    folder = tmp_path_factory.mktemp("character")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mixamo_character("Ann")
    mixamo_character("Worm", arms=False)
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera")))
    bpy.context.scene.frame_start = 5
    path = folder / "character.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


@pytest.fixture
def scripted_python(tmp_path: Path) -> Path:
    """An "interpreter" that passes the probe and then runs the scripted worker."""
    motion = write_motion(tmp_path / "scripted.npz", swinging_arms())
    path = tmp_path / "python"
    probe = '{"version": [3, 11, 0], "executable": "x", "missing": []}'
    path.write_text(
        "#!/bin/sh\n"
        f"""if [ "$1" = -c ]; then echo 'diffgesture-probe {probe}'; exit 0; fi\n"""
        f"""exec "{sys.executable}" -u "{SCRIPTED_WORKER}" "${{SCRIPTED_MODE:-motion}}" "{motion}"\n"""
    )
    path.chmod(0o755)
    return path


def run(blend: Path | str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    script = RUN.format(paths=[str(ROOT), str(Path(__file__).parent)])
    return subprocess.run(
        [sys.executable, "-c", script, str(blend), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


def failure(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The one line on stderr of a run that failed with ``code``."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("diffgesture: error: ")
    assert "Traceback" not in done.stdout
    return lines[0].removeprefix("diffgesture: error: ")


def run_here(
    capsys: pytest.CaptureFixture[str], blend: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """The same in this process: quick, for the many ways to be wrong."""
    from diffgesture_blender.cli import command as cli

    bpy.ops.wm.open_mainfile(filepath=str(blend))
    capsys.readouterr()
    code = cli.main([str(part) for part in arguments])
    return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["check", "--help"], ["--version"]])
def test_help(arguments: list[str]) -> None:
    done = run("", *arguments)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "--audio" in done.stdout or arguments[0] != "generate"


def test_generate_writes_what_was_asked_for(
    character: Path, scripted_python: Path, speech: Path, tmp_path: Path
) -> None:
    before = character.read_bytes()
    out = tmp_path / "öut.blend"
    done = run(
        character, "generate", "--audio", speech, "--armature", "Ann", "--python", scripted_python, "--seed", 3,
        "--output", out, "--report", tmp_path / "r.json", "--motion-output", tmp_path / "m.npz",
        "--bvh", tmp_path / "m.bvh", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = read(tmp_path / "r.json")
    assert json.loads(done.stdout.splitlines()[-1]) == report
    assert report["status"] == "ok"
    assert report["error"] is None
    assert report["armature"] == "Ann"
    assert report["frame_start"] == 5
    assert report["family"] == "Mixamo"
    assert Path(report["blend"]) == out
    assert Path(report["motion"]) == tmp_path / "m.npz"
    assert (tmp_path / "m.npz").is_file()
    assert (tmp_path / "m.bvh").read_text().startswith("HIERARCHY")
    assert character.read_bytes() == before
    bpy.ops.wm.open_mainfile(filepath=str(out))
    animation = bpy.data.objects["Ann"].animation_data
    assert animation.action.name == report["action"]
    assert animation.action.frame_range[0] == pytest.approx(5)
    assert math.ceil(animation.action.frame_range[1]) == report["frame_end"]


def test_the_motion_lies_beside_the_blend_by_default(
    character: Path, scripted_python: Path, speech: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.blend"
    done = run(character, "generate", "--audio", speech, "--armature", "Ann", "--python", scripted_python,
               "--output", out, "--report", tmp_path / "r.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(read(tmp_path / "r.json")["motion"]) == tmp_path / "out.npz"
    assert (tmp_path / "out.npz").is_file()


def test_the_file_can_be_named_after_the_command(
    character: Path, scripted_python: Path, speech: Path, tmp_path: Path
) -> None:
    done = run("", "generate", "--blend", character, "--audio", speech, "--armature", "Ann",
               "--python", scripted_python, "--output", tmp_path / "o.blend")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.blend").is_file()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--audio": "none.wav"}, "There is no audio file"),
        ({"--audio": "empty.wav"}, "empty"),
        ({"--armature": "Bob"}, "has no object Bob. Armatures in the scene: Ann, Worm"),
        ({"--armature": "Camera"}, "Camera is not an armature"),
        ({"--armature": "Worm"}, "arm"),
        ({"--armature": None}, "Choose one with --armature: Ann, Worm"),
        ({"--scene": "Nowhere"}, "no scene Nowhere"),
        ({"--python": "nothing"}, "not there"),
        ({"--output": "folder/that/is/not/out.blend"}, "does not exist"),
        ({"--output": "out.fbx"}, "must be a .blend"),
        ({"--output": None}, "Nothing to write"),
        ({"--motion-output": "speech.wav"}, "must be a .npz"),
        ({"--bvh": "m.npz"}, "must be a .bvh"),
        ({"--bvh": "r.bvh", "--bone-map": "r.bvh"}, "would be overwritten"),
        ({"--output": "character.blend"}, "would be overwritten"),
        ({"--motion-output": "out.npz", "--bvh": "folder.bvh"}, "is a folder"),
        ({"--intensity": "7"}, "--intensity must be from 0 to 3, not 7"),
        ({"--seed": "-1"}, "--seed must be from 0 to 2147483647, not -1"),
        ({"--amount": "left_leg=1"}, "no amount left_leg"),
        ({"--amount": "head=3"}, "--amount head must be from 0 to 2"),
        ({"--strip": "line"}, "not allowed with"),
        ({"--audio": None, "--strip": "line"}, "no sound strip named line"),
        ({"--audio": None, "--sound": "line"}, "The file has no sound line"),
        ({"--audio": None, "--speaker": "Camera"}, "no speaker object Camera"),
        ({"--seed": "many"}, "--seed"),
        ({"--preset": "best"}, "--preset"),
        ({"--colour": "red"}, "--colour"),
        ({"--audio": None}, "--audio"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    character: Path,
    scripted_python: Path,
    speech: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str | None],
    words: str,
) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "folder.bvh").mkdir()
    options: dict[str, object] = {
        "--audio": speech, "--armature": "Ann", "--python": scripted_python, "--output": tmp_path / "out.blend",
        "--report": tmp_path / "r.json",
    }  # fmt: skip
    files = {"--audio", "--output", "--python", "--motion-output", "--bvh", "--bone-map"}
    for name, value in change.items():
        options[name] = tmp_path / value if name in files and value is not None else value
    if change == {"--output": "character.blend"}:
        options["--output"] = character
    arguments = [part for name, value in options.items() if value is not None for part in (name, value)]
    message = failure(run_here(capsys, character, "generate", *arguments))
    assert words in message
    assert not (tmp_path / "out.blend").exists()
    report = read(tmp_path / "r.json")
    assert report["status"] == "error"
    assert report["error"] in message
    assert report.get("action") is None


def test_a_report_never_overwrites_another_file(
    character: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = character.read_bytes()
    arguments = ["generate", "--audio", speech, "--armature", "Ann", "--output", tmp_path / "o.blend", "--report"]
    assert "must be a .json" in failure(run_here(capsys, character, *arguments, character))
    assert character.read_bytes() == before
    assert "--bad" in failure(run_here(capsys, character, *arguments, tmp_path / "r.txt", "--bad"))
    assert not (tmp_path / "r.txt").exists()


def test_a_take_never_overwrites_the_recording(
    character: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = speech.read_bytes()
    message = failure(run_here(capsys, character, "take", "--audio", speech, "--output", speech.parent,
                               "--armature", "Ann"))  # fmt: skip
    assert "is the recording itself" in message
    assert speech.read_bytes() == before


def test_sounds_of_the_file_speak(
    character: Path, scripted_python: Path, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(character))
    bpy.data.sounds.load(str(speech)).use_fake_user = True
    blend = tmp_path / "with a sound.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    done = run_here(capsys, blend, "generate", "--sound", speech.name, "--armature", "Ann", "--python",
                    scripted_python, "--motion-output", tmp_path / "m.npz")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.npz").is_file()


@pytest.mark.parametrize(("mode", "code", "words"), [("die", 1, "exit code 7"), ("refuse", 2, "too short")])
def test_a_failing_worker(
    character: Path, scripted_python: Path, speech: Path, tmp_path: Path, mode: str, code: int, words: str
) -> None:
    done = run(character, "generate", "--audio", speech, "--armature", "Ann", "--python", scripted_python,
               "--output", tmp_path / "o.blend", "--report", tmp_path / "r.json", SCRIPTED_MODE=mode)  # fmt: skip
    assert words in failure(done, code)
    assert read(tmp_path / "r.json")["status"] == "error"
    assert not (tmp_path / "o.blend").exists()


def test_no_command_is_a_usage_error() -> None:
    assert "generate" in failure(run(""))


def test_the_check_tells_what_the_backend_is(scripted_python: Path) -> None:
    done = run("", "check", "--python", scripted_python)
    assert done.returncode == 0
    assert "Backend: READY" in done.stdout


def test_the_check_fails_without_a_backend(tmp_path: Path) -> None:
    assert "not there" in failure(run("", "check", "--python", tmp_path / "none"))


@pytest.mark.parametrize("content", [None, b"", b"\x40" + 7 * b"\x00" + b"{"])
def test_a_checkpoint_that_is_missing_or_damaged(
    character: Path,
    backend_python: str,
    speech: Path,
    tmp_path: Path,
    content: bytes | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = tmp_path / "mine.safetensors"
    if content is not None:
        checkpoint.write_bytes(content)
        checkpoint.with_suffix(".json").write_text("{}")
    message = failure(
        run_here(
            capsys,
            character,
            "generate",
            "--audio",
            speech,
            "--armature",
            "Ann",
            "--python",
            backend_python,
            "--checkpoint",
            checkpoint,
            "--output",
            tmp_path / "o.blend",
        )
    )
    assert "checkpoint" in message.lower()
    assert not (tmp_path / "o.blend").exists()


def test_end_to_end_with_the_real_worker(character: Path, backend_python: str, tmp_path: Path) -> None:
    speech = write_wav(tmp_path / "speech.wav", babble(3.0))
    done = run(character, "generate", "--audio", speech, "--armature", "Ann", "--python", backend_python,
               "--steps", 3, "--output", tmp_path / "o.blend", "--report", tmp_path / "r.json")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = read(tmp_path / "r.json")
    assert report["frames"] == round(3.0 * report["fps"])
    assert report["steps"] == 3
    assert report["audio_seconds"] == pytest.approx(3.0)


@pytest.mark.parametrize("kinds", [("output",), ("export_fbx",), ("export_glb",), ("bvh", "export_fbx")])
def test_a_full_disk_keeps_every_old_file(
    kinds: tuple[str, ...], character: Path, scripted_python: Path, speech: Path, tmp_path: Path, capsys: Any
) -> None:
    endings = {"output": "blend", "export_fbx": "fbx", "export_glb": "glb", "bvh": "bvh"}
    options: list[object] = []
    for kind in kinds:
        path = tmp_path / f"result.{endings[kind]}"
        path.write_text("old")
        options += [f"--{kind.replace('_', '-')}", path]
    before = sorted(path.name for path in tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    arguments = ["generate", "--audio", speech, "--armature", "Ann", "--python", scripted_python, *options]
    with limited_files(24_000):
        done = run_here(capsys, character, *arguments)
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == (soft, hard)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {(tmp_path / f"result.{endings[kind]}").read_text() for kind in kinds} == {"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """What this process writes may not grow beyond ``size`` bytes: a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
