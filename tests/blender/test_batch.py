# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Many recordings in one run: what is a job, one backend for all, going on after errors and after an end."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SCRIPTED_WORKER
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

from characters import mixamo_character
from motions import swinging_arms, write_motion

from diffgesture_blender.cli import command
from diffgesture_blender.cli.batch import read_jobs
from diffgesture_blender.export import film

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses a POSIX script as stand-in interpreter")


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A folder with ``clips`` (three, one of them empty), ``two.blend`` with Ann and Bob, and a ``python``.

    The interpreter counts its starts in ``starts``.
    """
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mixamo_character("Ann")
    mixamo_character("Bob")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "two.blend"))
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a.wav", "c.wav"):
        write_wav(clips / name, babble(2.0))
    (clips / "b.wav").write_bytes(b"")
    (clips / "notes.txt").write_text("no recording")
    motion = write_motion(tmp_path / "scripted.npz", swinging_arms())
    python = tmp_path / "python"
    probe = '{"version": [3, 11, 0], "executable": "x", "missing": []}'
    python.write_text(
        "#!/bin/sh\n"
        f"""if [ "$1" = -c ]; then echo 'diffgesture-probe {probe}'; exit 0; fi\n"""
        f"""echo x >> "{tmp_path}/starts"\n"""
        f"""exec "{sys.executable}" -u "{SCRIPTED_WORKER}" motion "{motion}"\n"""
    )
    python.chmod(0o755)
    return tmp_path


class Run:
    """One ``batch``: its exit code, a line for each job, the summary and the errors."""

    def __init__(self, stage: Path, capsys: pytest.CaptureFixture[str], source: object, *more: object) -> None:
        bpy.ops.wm.open_mainfile(filepath=str(stage / "two.blend"))
        capsys.readouterr()
        arguments = ["batch", source, "--output", stage / "out", "--python", stage / "python", "--json", *more]
        self.code = command.main([str(word) for word in arguments])
        out, self.errors = capsys.readouterr()
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        self.lines, self.summary = lines[:-1], lines[-1]

    def statuses(self) -> dict[str, str]:
        return {line["job"]: line["status"] for line in self.lines}


def files(stage: Path) -> list[str]:
    return sorted(path.name for path in (stage / "out").iterdir())


def test_a_folder_for_two_characters_with_a_broken_recording(
    stage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ("--armature", "Ann", "--armature", "Bob")
    run = Run(stage, capsys, stage / "clips", *both, "--formats", "npz,bvh,blend")
    assert run.code == 2, run.errors
    assert run.statuses() == {
        **{"a_Ann": "ok", "a_Bob": "ok", "b_Ann": "error", "b_Bob": "error", "c_Ann": "ok", "c_Bob": "ok"}
    }
    assert [(line["number"], line["of"]) for line in run.lines] == [(n, 6) for n in range(1, 7)]
    assert "b.wav is empty" in run.lines[2]["error"]
    counts = [run.summary[f"jobs_{what}"] for what in ("total", "done", "failed", "skipped")]
    assert (run.summary["status"], counts) == ("error", [6, 4, 2, 0])
    assert "2 of 6 jobs failed: b_Ann, b_Bob" in run.errors
    expected = [f"{name}{ending}" for name in ("a_Ann", "a_Bob") for ending in (".blend", ".bvh", ".json", ".npz")]
    assert files(stage)[:8] == expected
    assert (stage / "starts").read_text() == "x\n"  # one backend for all
    bpy.ops.wm.open_mainfile(filepath=str(stage / "out" / "c_Bob.blend"))
    assert bpy.data.objects["Ann"].animation_data is None  # each job begins with the file as it is
    assert bpy.data.objects["Bob"].animation_data.action.name == "c seed 0"
    assert len(bpy.data.actions) == 1


def test_what_is_done_is_not_done_again(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (stage / "clips", "--armature", "Ann", "--formats", "npz")
    assert Run(stage, capsys, *arguments).statuses() == {"a": "ok", "b": "error", "c": "ok"}
    write_wav(stage / "clips" / "b.wav", babble(2.0))  # mended
    (stage / "out" / "c.npz").unlink()  # lost
    run = Run(stage, capsys, *arguments)
    assert run.code == 0
    assert run.statuses() == {"a": "skipped", "b": "ok", "c": "ok"}
    assert run.summary["status"] == "ok"
    assert Run(stage, capsys, *arguments).statuses() == dict.fromkeys("abc", "skipped")
    assert Run(stage, capsys, *arguments, "--seed", 1).statuses() == dict.fromkeys("abc", "ok")  # another job
    assert Run(stage, capsys, *arguments, "--seed", 1, "--again").statuses() == dict.fromkeys("abc", "ok")


def test_a_run_that_was_killed_goes_on(
    stage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffgesture_blender.cli import batch

    write_wav(stage / "clips" / "b.wav", babble(2.0))
    done = []
    generate = batch.generate

    def killed_in_the_second(options: Any, record: dict[str, Any]) -> None:
        done.append(options.audio)
        if len(done) == 2:
            raise KeyboardInterrupt
        generate(options, record)

    arguments = (stage / "clips", "--armature", "Ann", "--formats", "npz")
    monkeypatch.setattr(batch, "generate", killed_in_the_second)
    run = Run(stage, capsys, *arguments)
    assert run.code == 130
    assert run.summary["status"] == "interrupted"
    assert files(stage) == ["a.json", "a.npz"]
    (stage / "out" / "b.json").write_text('{"status": "o')  # a record that was not finished
    assert Run(stage, capsys, *arguments).statuses() == {"a": "skipped", "b": "ok", "c": "ok"}
    assert [Path(path).name for path in done] == ["a.wav", "b.wav", "b.wav", "c.wav"]


@pytest.mark.parametrize("form", ["csv", "json", "json in an object"])
def test_a_list_of_jobs(stage: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    rows = [
        {"audio": "clips/a.wav", "name": "hello", "armature": "Bob", "seed": 7, "frame-start": -20},
        {"audio": "clips/c.wav", "armature": "Ann", "keys": "few", "no_sound": True, "amount": "head=0.5"},
    ]
    if form == "csv":
        source = stage / "jobs.csv"
        source.write_text(
            "audio,name,armature,seed,frame-start,keys,no_sound,amount\n"
            "clips/a.wav,hello,Bob,7,-20,,,\n"
            "clips/c.wav,,Ann,,,few,yes,head=0.5\n"
        )
    else:
        source = stage / "jobs.json"
        source.write_text(json.dumps(rows if form == "json" else {"jobs": rows}))
    run = Run(stage, capsys, source, "--seed", 3, "--formats", "blend")
    assert run.code == 0, run.errors
    assert run.statuses() == {"hello": "ok", "c": "ok"}
    records = [json.loads((stage / "out" / f"{name}.json").read_text()) for name in ("hello", "c")]
    assert [(record["armature"], record["seed"], record["frame_start"]) for record in records] == [
        ("Bob", 7, -20),
        ("Ann", 3, 1),
    ]
    assert records[1]["keys"] < records[0]["keys"]


def test_a_part_of_the_list(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (stage / "clips", "--armature", "Ann", "--formats", "npz", "--range")
    assert Run(stage, capsys, *arguments, "3-9").statuses() == {"c": "ok"}
    assert Run(stage, capsys, *arguments, "1").statuses() == {"a": "ok"}


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ("[]", "lists no jobs"),
        ("{", "cannot be read"),
        ('[{"seed": 3}]', "names no speech"),
        ('[{"audio": "clips/a.wav", "colour": "red"}]', "unknown option colour"),
        ('[{"audio": "clips/a.wav", "output": "x.blend"}]', "unknown option output"),
        ('[{"audio": "clips/a.wav", "seed": "many"}]', "--seed"),
        ('[{"audio": "clips/a.wav"}, {"audio": "A.wav"}]', "More than one job is called a"),
    ],
)
def test_jobs_that_make_no_sense_stop_before_the_first(
    stage: Path, capsys: pytest.CaptureFixture[str], jobs: str, words: str
) -> None:
    (stage / "jobs.json").write_text(jobs)
    run = Run(stage, capsys, stage / "jobs.json", "--armature", "Ann")
    assert run.code == 2
    assert words in run.errors
    assert run.lines == []
    assert not (stage / "starts").exists()


def test_a_folder_without_recordings(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stage / "empty").mkdir()
    run = Run(stage, capsys, stage / "empty")
    assert "There are no recordings" in run.errors


def test_the_backend_dies_and_the_rest_is_done(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_wav(stage / "clips" / "b.wav", babble(2.0))
    python = stage / "python"
    script = python.read_text().replace(" motion ", ' "$(cat mode)" ').replace("exec", f"cd {stage}; exec")
    script = script.replace("; exec", "; [ $(wc -l < starts) = 1 ] && echo die > mode || echo motion > mode; exec")
    python.write_text(script)
    run = Run(stage, capsys, stage / "clips", "--armature", "Ann", "--formats", "npz")
    assert run.code == 1
    assert run.statuses() == {"a": "error", "b": "ok", "c": "ok"}


def test_gestures_that_do_not_show_end_with_an_exit_code_of_their_own(
    stage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(stage / "two.blend"))
    ann = bpy.data.objects["Ann"]
    ann.animation_data_create().nla_tracks.new().is_solo = True
    bpy.ops.wm.save_as_mainfile(filepath=str(stage / "two.blend"))
    (stage / "clips" / "b.wav").unlink()
    run = Run(stage, capsys, stage / "clips", "--armature", "Ann")
    assert run.code == command.NOT_SHOWN
    assert [line["status"] for line in run.lines] == ["not shown", "not shown"]
    record = json.loads((stage / "out" / "a.json").read_text(encoding="utf-8"))
    assert record["follows"] is False
    assert "left arm" in record["not_following"]
    assert any("solo" in text for text in record["warnings"])


def test_files_of_cues_and_words_are_found_from_the_list(tmp_path: Path) -> None:
    table = tmp_path / "jobs.csv"
    table.write_text(
        "audio,cues,transcript,word_table\na.wav,a.csv,a.srt,own.json\nb.wav,1.2:you,,\n", encoding="utf-8"
    )
    first, second = read_jobs(table)
    assert [first[key] for key in ("cues", "transcript", "word_table")] == [
        str(tmp_path / name) for name in ("a.csv", "a.srt", "own.json")
    ]
    assert second["cues"] == "1.2:you"
    assert "transcript" not in second


# Blender's command line as a program: opens a file and does what stands behind the command's name.
BLENDER = """
import os, signal, sys
sys.path.insert(0, {root!r})
import bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
if "--share=2/2" in sys.argv and os.environ.get("KILLED"):
    os.kill(os.getpid(), signal.SIGKILL)
from diffgesture_blender.cli import command
sys.exit(command.main(sys.argv[2:]))
"""


def side_by_side(stage: Path, *more: object, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
    """``batch --jobs 2`` in a process of its own: exit code, lines on standard output, errors."""
    (stage / "blender.py").write_text(BLENDER.format(root=str(ROOT)), encoding="utf-8")
    words = [stage / "blender.py", stage / "two.blend", "batch", stage / "clips", "--output", stage / "out"]
    words += ["--python", stage / "python", "--jobs", 2, "--formats", "npz", "--json", *more]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, lines, done.stderr


@pytest.mark.slow
def test_two_blenders_side_by_side_share_the_jobs(stage: Path) -> None:
    report = stage / "summary.json"
    code, (*lines, summary), errors = side_by_side(
        stage, "--armature", "Ann", "--armature", "Bob", "--report", report
    )
    assert code == 2, errors
    assert {line["job"]: line["status"] for line in lines} == {
        **{"a_Ann": "ok", "a_Bob": "ok", "b_Ann": "error", "b_Bob": "error", "c_Ann": "ok", "c_Bob": "ok"}
    }
    assert [(line["number"], line["of"]) for line in lines] == [(number, 6) for number in range(1, 7)]
    assert (summary["jobs_done"], summary["jobs_failed"]) == (4, 2)
    assert json.loads(report.read_text(encoding="utf-8"))["jobs_total"] == 6
    assert (stage / "starts").read_text() == "x\nx\n"  # a backend each
    _, (*lines, _), _ = side_by_side(stage, "--armature", "Ann", "--armature", "Bob")
    assert sorted(line["status"] for line in lines) == ["error"] * 2 + ["skipped"] * 4


@pytest.mark.slow
def test_a_blender_that_dies_costs_its_own_jobs_and_these_are_named(stage: Path) -> None:
    (stage / "clips" / "b.wav").unlink()
    code, (*lines, summary), errors = side_by_side(stage, "--armature", "Ann", KILLED="1")
    assert code == 1
    assert {line["job"]: line["status"] for line in lines} == {"a": "ok", "c": "error"}
    assert "run the command again" in next(line["error"] for line in lines if line["job"] == "c")
    assert "1 of 2 jobs failed: c" in errors
    assert summary["status"] == "error"
    assert side_by_side(stage, "--armature", "Ann")[0] == 0


def give_bodies(stage: Path) -> None:
    """A triangle for each character; 12 frames a second."""
    bpy.ops.wm.open_mainfile(filepath=str(stage / "two.blend"))
    for name in ("Ann", "Bob"):
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata([(-0.3, 0, 0), (0.3, 0, 0), (0, 0, 1.7)], [], [(0, 1, 2)])
        body = bpy.data.objects.new(f"{name} body", mesh)
        bpy.context.scene.collection.objects.link(body)
        body.modifiers.new("Armature", "ARMATURE").object = bpy.data.objects[name]
    bpy.context.scene.render.fps = 12
    bpy.ops.wm.save_as_mainfile(filepath=str(stage / "two.blend"))


@pytest.mark.slow
def test_a_preview_film_shows_the_character_and_is_heard(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give_bodies(stage)
    run = Run(stage, capsys, stage / "clips", "--armature", "Ann", "--formats", "mp4,npz", "--range", "1")
    if run.code and "graphics driver" in run.errors:
        pytest.skip("there is no graphics driver, not even in software")
    assert run.code == 0, run.errors
    assert files(stage) == ["a.json", "a.mp4", "a.npz"]
    av = pytest.importorskip("av")
    with av.open(str(stage / "out" / "a.mp4")) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio"]
        pictures = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(pictures) == 25
    assert pictures[0].shape == (400, 320)
    assert pictures[0].std() > 1  # something is there
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    assert not [item for item in bpy.data.objects if item.type == "CAMERA"]


def test_a_film_of_a_character_without_a_mesh_is_refused(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(stage, capsys, stage / "clips", "--armature", "Ann", "--formats", "mp4", "--range", "1")
    assert run.code == 2
    assert "has no mesh" in run.lines[0]["error"]
    assert not (stage / "starts").exists()  # told before any work
    assert files(stage) == ["a.json"]


def test_speakers_and_sounds_of_the_blend_are_named_on_the_command_line(
    stage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(stage / "two.blend"))
    sound = bpy.data.sounds.load(str(stage / "clips" / "a.wav"))
    sound.pack()
    data = bpy.data.speakers.new("voice")
    data.sound = sound
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Ann's voice", data))
    bpy.ops.wm.save_as_mainfile(filepath=str(stage / "two.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(stage / "two.blend"))
    named = ("--speaker", "Ann's voice", "--sound", "a.wav", "--armature", "Ann", "--output", stage / "out")
    arguments = ["batch", *named, "--python", stage / "python", "--formats", "npz"]
    assert command.main([str(word) for word in arguments]) == 0, capsys.readouterr().err
    assert files(stage) == ["Ann_s_voice.json", "Ann_s_voice.npz", "a.json", "a.npz"]
    arguments = ["batch", "--output", stage / "out"]
    assert command.main([str(word) for word in arguments]) == 2
    assert "name strips, sounds or speakers" in capsys.readouterr().err


def test_a_record_never_takes_the_place_of_a_transcript(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stage / "out").mkdir()
    (stage / "out" / "a.json").write_text('{"text": "Hello", "segments": []}', encoding="utf-8")
    run = Run(stage, capsys, stage / "clips", "--armature", "Ann")
    assert run.code == 2
    assert "is not the record of a job" in run.errors
    assert (stage / "out" / "a.json").read_text(encoding="utf-8").startswith('{"text"')
    assert not (stage / "starts").exists()


def test_a_film_that_does_not_fit_on_the_disk_is_none(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give_bodies(stage)
    (stage / "out").mkdir()
    (stage / "out" / "a.mp4").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        run = Run(stage, capsys, stage / "clips", "--armature", "Ann", "--formats", "mp4", "--range", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.code == 2
    if "graphics driver" in run.errors:
        pytest.skip("there is no graphics driver, not even in software")
    assert "the disk is full" in run.errors
    assert (stage / "out" / "a.mp4").read_text() == "old"
    assert files(stage) == ["a.json", "a.mp4"]


def test_a_reader_that_ends_is_no_fault(stage: Path) -> None:
    """`batch … | head -1`, or a Blender of --jobs whose first one was killed."""
    (stage / "blender.py").write_text(BLENDER.format(root=str(ROOT)), encoding="utf-8")
    words = [
        stage / "blender.py",
        stage / "two.blend",
        "batch",
        stage / "clips",
        "--output",
        stage / "out",
        "--json",
    ]
    words += ["--python", stage / "python", "--formats", "npz", "--armature", "Ann", "--armature", "Bob"]
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    while '"job"' not in process.stdout.readline():
        pass
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 130, errors
    assert "the rest was not done" in errors
    assert "Internal" not in errors
    assert "Traceback" not in errors


def test_a_machine_that_cannot_draw_is_told_before_the_work(
    stage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blender itself would end there, and the batch with it."""
    give_bodies(stage)
    film._can_draw.cache_clear()
    for name in ("__EGL_VENDOR_LIBRARY_FILENAMES", "LIBGL_DRIVERS_PATH", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, str(stage / "no driver"))
    try:
        drawn = film._can_draw()
        run = Run(stage, capsys, stage / "clips", "--armature", "Ann", "--formats", "mp4", "--range", "1")
    finally:
        film._can_draw.cache_clear()
    if drawn:
        pytest.skip("this machine's driver cannot be hidden")
    assert run.code == 2
    assert "cannot draw a film on this machine" in run.lines[0]["error"]
    assert not (stage / "starts").exists()
