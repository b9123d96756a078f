# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are written whole or not at all, and never over what is read."""

import os
import resource
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT
from diffgesture.errors import OutputError
from diffgesture.writing import check_outputs, file_name, write_file, written

BACKEND = ROOT / "backend"
# Files may grow to this many bytes: what a full disk does, without a disk.
SMALL = 20_000


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".diffgesture-")]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_file(target, "old")
    with suppress(KeyboardInterrupt), written(target) as (part,):
        part.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert left_over(tmp_path) == []


def test_a_set_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (tmp_path / name for name in ("a.txt", "b.txt", "c.txt"))
    write_file(first, "old a")
    write_file(third, "old c")
    replace = os.replace

    def failing(source: str, target: str) -> None:
        if Path(target) == third:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    said = ""
    try:
        with written(first, second, third) as parts:
            for part in parts:
                part.write_text("new")
    except OutputError as error:
        said = str(error)
    assert "Input/output error" in said
    assert (first.read_text(), second.exists(), third.read_text()) == ("old a", False, "old c")
    assert left_over(tmp_path) == []


def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_file(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_the_rights_of_the_old_file_stay(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o640)
    write_file(target, "new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_what_lies_beside_the_result_comes_along(tmp_path: Path) -> None:
    with written(tmp_path / "scene.gltf") as (part,):
        part.write_text("{}")
        part.with_name("scene.bin").write_bytes(b"1")
    assert (tmp_path / "scene.bin").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("folder", "is a folder"),
        ("missing/a.txt", "does not exist"),
        ("x" * 300, "too long"),
        ("readonly.txt", "is read-only"),
        ("pipe", "is not a file"),
        ("nul\0.txt", "cannot be written"),
        ("file.txt/a.txt", "does not exist|Not a directory"),
    ],
)
def test_targets_are_checked_before_the_work(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "readonly.txt").write_text("old")
    (tmp_path / "readonly.txt").chmod(0o444)
    (tmp_path / "file.txt").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match=told):
        check_outputs([tmp_path / name])
    with pytest.raises(OutputError, match=told), written(tmp_path / name) as (part,):
        part.write_text("new")


def test_no_output_is_an_input_or_another_output(tmp_path: Path) -> None:
    speech = tmp_path / "a.wav"
    speech.write_bytes(b"x")
    os.link(speech, tmp_path / "same.wav")
    for name in ("a.wav", "same.wav", "../" + tmp_path.name + "/a.wav"):
        with pytest.raises(OutputError, match="would be overwritten"):
            check_outputs([tmp_path / name], [speech])
    with pytest.raises(OutputError, match="two results"):
        check_outputs([tmp_path / "m.npz", tmp_path / "M.npz"])


@pytest.mark.parametrize(
    "text", ["../../x", "/etc/passwd", "C:\\x", "a\0b", "..", "", "NUL", "com1.txt", "x" * 999]
)
def test_names_from_files_are_no_paths(text: str, tmp_path: Path) -> None:
    name = file_name(text)
    assert Path(name).name == name
    assert name not in ("", ".", "..")
    write_file(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_both_programs_write_in_the_same_way() -> None:
    ours, theirs = (
        (ROOT / folder / "writing.py").read_text(encoding="utf-8")
        for folder in ("backend/diffgesture", "diffgesture_blender")
    )
    assert ours == theirs.replace("import DiffGestureError as OutputError", "import OutputError")


def run_with_small_files(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL)),
    )


def test_a_full_disk_leaves_every_old_result(speech_file: Path, tmp_path: Path) -> None:
    targets = {"-o": "m.npz", "--bvh": "m.bvh", "--video": "m.mp4"}
    for name in targets.values():
        (tmp_path / name).write_text("old")
    options = [word for flag, name in targets.items() for word in (flag, tmp_path / name)]
    done = run_with_small_files(BACKEND / "generate.py", speech_file, *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "What was there before is kept" in done.stderr
    assert {(tmp_path / name).read_text() for name in targets.values()} == {"old"}
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("options", [("-o", "speech.flac"), ("-o", "x.npz", "--bvh", "x.npz"), ("-o", "x.txt")])
def test_generate_refuses_outputs_of_another_kind(
    options: tuple[str, ...], speech_file: Path, tmp_path: Path
) -> None:
    speech = tmp_path / "speech.flac"
    speech.write_bytes(speech_file.read_bytes())
    command = [sys.executable, BACKEND / "generate.py", speech, *options]
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert speech.read_bytes() == speech_file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speech.flac", "speech.wav"]


def test_both_programs_read_in_the_same_way() -> None:
    ours, theirs = (
        (ROOT / folder / "reading.py").read_text(encoding="utf-8")
        for folder in ("backend/diffgesture", "diffgesture_blender")
    )
    assert ours == theirs.replace("import DiffGestureError as GestureError", "import GestureError")
