# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The add-on in Blender without its window: registration, polls, bad input, and jobs of a scripted worker."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import blender_has_audio
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

from characters import mixamo_character

import diffgesture_blender
from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.jobs import runner as pump
from diffgesture_blender.jobs.generate import GenerateJob
from diffgesture_blender.jobs.request import check_armature, request_from_scene
from diffgesture_blender.settings.machine import machine_settings
from diffgesture_blender.sound import sequencer
from diffgesture_blender.state.session import new_job_folder, session
from diffgesture_blender.worker import interpreter

# The bpy package of Blender 4.2 has no audio; a real Blender has.
HAS_AUDIO = blender_has_audio()

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills processes by signal")


def snapshot() -> dict[str, Any]:
    """Everything that a failed job might have touched."""
    scene = bpy.context.scene
    return {
        "actions": sorted(bpy.data.actions.keys()),
        "sounds": sorted(bpy.data.sounds.keys()),
        "objects": sorted(bpy.data.objects.keys()),
        "animated": sorted(item.name for item in bpy.data.objects if item.animation_data is not None),
        "editor": scene.sequence_editor is not None,
        "range": (scene.frame_start, scene.frame_end, scene.frame_current, scene.render.fps),
        "modes": [bone.rotation_mode for item in scene.objects if item.pose for bone in item.pose.bones],
    }


def failing_generate() -> str:
    """Press Generate, expect failure and an untouched scene, and return the sentence."""
    before = snapshot()
    with pytest.raises(RuntimeError):
        bpy.ops.diffgesture.generate()
    assert snapshot() == before
    assert session.problem is not None
    assert session.job is None
    assert session.result is None
    return session.problem.message


def start_job() -> GenerateJob:
    """Start a job as a window would, without its timer."""
    job = GenerateJob(request_from_scene(bpy.context, machine_settings(), new_job_folder()))
    session.task = job
    return job


def tick_until(condition: Callable[[], bool]) -> None:
    """Do what the timer does until something is true."""
    limit = time.monotonic() + 30
    while not condition():
        pump._tick()
        time.sleep(0.02)
        assert time.monotonic() < limit


# -- registration ----------------------------------------------------------------------------------------------


def test_registering_twice_leaves_nothing_behind() -> None:
    handlers = len(bpy.app.handlers.load_post)
    for _ in range(2):
        diffgesture_blender.register()
        assert hasattr(bpy.types.Scene, "diffgesture")
        assert hasattr(bpy.types, "DIFFGESTURE_PT_main")
        diffgesture_blender.unregister()
        assert not hasattr(bpy.types.Scene, "diffgesture")
        assert not hasattr(bpy.types, "DIFFGESTURE_PT_main")
        assert "DIFFGESTURE_OT_generate" not in dir(bpy.types)
    assert len(bpy.app.handlers.load_post) == handlers


def test_unregistering_ends_the_worker(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("slow")
    job = start_job()
    tick_until(lambda: job._call is not None)
    pid = session.backend._client.pid
    session.shutdown()
    assert session.job is None
    assert not session.backend.running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_new_scenes_have_settings_of_their_own(addon: object) -> None:
    first, second = bpy.context.scene, bpy.data.scenes.new("Second")
    first.diffgesture.seed = 7
    assert second.diffgesture.seed == 0


def test_operators_and_classes_are_described(addon: object) -> None:
    for name in dir(bpy.ops.diffgesture):
        properties = getattr(bpy.ops.diffgesture, name).get_rna_type()
        assert properties.description, name


# -- polls -----------------------------------------------------------------------------------------------------


def test_generate_is_disabled_with_a_reason_until_there_is_audio_and_armature(addon: object, speech: Path) -> None:
    from diffgesture_blender.jobs.reasons import generate_disabled_reason

    settings = bpy.context.scene.diffgesture
    assert generate_disabled_reason(bpy.context) == "Choose an audio file"
    assert not bpy.ops.diffgesture.generate.poll()
    settings.audio_path = str(speech)
    assert generate_disabled_reason(bpy.context) == "Choose the character's armature"
    settings.armature = mixamo_character()
    assert generate_disabled_reason(bpy.context) is None
    assert bpy.ops.diffgesture.generate.poll()
    for source, reason in (("SOUND", "Choose a sound"), ("SPEAKER", "Choose a speaker object")):
        settings.audio_source = source
        assert generate_disabled_reason(bpy.context) == reason


def test_only_armatures_of_the_scene_can_be_chosen(addon: object) -> None:
    from diffgesture_blender.settings.properties import _is_armature

    settings = bpy.context.scene.diffgesture
    other = bpy.data.scenes.new("Other")
    cube = bpy.data.objects.new("Cube", None)
    bpy.context.scene.collection.objects.link(cube)
    here, there = mixamo_character("Here"), bpy.data.objects.new("There", bpy.data.armatures.new("There"))
    other.collection.objects.link(there)
    assert [_is_armature(settings, item) for item in (here, there, cube)] == [True, False, False]


def test_the_active_armature_serves_when_none_is_chosen(addon: object, speech: Path) -> None:
    bpy.context.scene.diffgesture.audio_path = str(speech)
    armature = mixamo_character()
    bpy.context.view_layer.objects.active = armature
    assert bpy.ops.diffgesture.generate.poll()
    request = request_from_scene(bpy.context, machine_settings(), new_job_folder())
    assert request.armature_name == armature.name


def test_choosing_an_armature_notes_its_family(scene: Any) -> None:
    from diffgesture_blender.state import character

    note = character.note_about(scene.diffgesture.armature)
    assert note.usable
    assert "Mixamo" in note.text
    scene.diffgesture.armature = mixamo_character("Worm", arms=False)
    assert not character.note_about(scene.diffgesture.armature).usable


def test_an_armature_known_to_be_unusable_disables_generate(scene: Any) -> None:
    from diffgesture_blender.jobs.reasons import generate_disabled_reason

    worm = mixamo_character("Worm", arms=False)
    scene.diffgesture.armature = worm
    assert "arm" in generate_disabled_reason(bpy.context)
    assert not bpy.ops.diffgesture.generate.poll()
    bpy.context.view_layer.objects.active = worm
    bpy.ops.object.mode_set(mode="EDIT")
    worm.data.edit_bones.new("another").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert generate_disabled_reason(bpy.context) is None  # what was known is out of date


def test_a_file_that_is_opened_brings_its_own_messages(scene: Any, tmp_path: Path) -> None:
    from diffgesture_blender.state import character
    from diffgesture_blender.state.session import Problem

    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    session.problem, session.notice = Problem("of the file before"), "of the file before"
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert (session.problem, session.notice) == (None, None)
    note = character.note_about(bpy.context.scene.diffgesture.armature)
    assert note is not None
    assert "Recognised as Mixamo" in note.text


def test_the_mannequin_is_added_and_chosen(addon: object) -> None:
    assert bpy.ops.diffgesture.add_mannequin() == {"FINISHED"}
    chosen = bpy.context.scene.diffgesture.armature
    assert chosen.type == "ARMATURE"
    request_armature = check_armature(chosen, bpy.context.scene)
    assert request_armature == chosen


# -- a job that goes well ----------------------------------------------------------------------------------------


def test_a_finished_job_leaves_a_new_action_the_sound_and_a_result(
    worker_mode: Callable[[str], None], scene: Any
) -> None:
    worker_mode("motion")
    scene.frame_start, scene.diffgesture.seed = 11, 4
    frames = (scene.frame_start, scene.frame_end, scene.render.fps)
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}
    result, armature = session.result, scene.diffgesture.armature
    assert result is not None
    assert session.problem is None
    assert session.job is None
    action = armature.animation_data.action
    assert action.name == result.action_name
    assert "seed 4" in action.name
    assert "spéech one" in action.name
    assert action.frame_range[0] == pytest.approx(11)
    assert result.frame_start == 11
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == frames
    if HAS_AUDIO:
        assert [round(strip.frame_final_start) for strip in sequencer.sound_strips(scene)] == [11]
    else:
        assert any("not added to the sequencer" in warning for warning in result.warnings)
    assert result.motion_path.is_file()


def test_gestures_beyond_the_end_of_the_scene_are_told(worker_mode: Callable[[str], None], scene: Any) -> None:
    from diffgesture_blender.jobs import playback

    worker_mode("motion")
    scene.frame_start, scene.frame_end = 11, 20
    bpy.ops.diffgesture.generate()
    result = session.result
    ends = (result.frame_start, result.frame_end)
    assert playback.range_note(scene, *ends) == f"The scene ends at frame 20, the gestures at {ends[1]}."
    bpy.ops.diffgesture.fit_scene_range()
    assert (scene.frame_start, scene.frame_end) == ends
    assert playback.range_note(scene, *ends) is None
    scene.frame_start = 15
    assert "starts at frame 15" in playback.range_note(scene, *ends)
    assert "lag behind" in playback.sync_note(scene)
    bpy.ops.diffgesture.sync_to_audio()
    assert playback.sync_note(scene) is None


def test_a_scene_that_stretches_time_is_told(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    scene.render.frame_map_new = 50
    bpy.ops.diffgesture.generate()
    assert any("time stretching (old 100, new 50)" in warning for warning in session.result.warnings)


def test_a_second_job_keeps_the_first_action(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    bpy.ops.diffgesture.generate()
    first = session.result
    scene.diffgesture.seed = 1
    bpy.ops.diffgesture.generate()
    assert session.result.action_name != first.action_name
    assert {first.action_name, session.result.action_name} <= set(bpy.data.actions.keys())
    assert not first.folder.exists()
    assert session.result.folder.exists()
    assert len(sequencer.sound_strips(scene)) == (1 if HAS_AUDIO else 0)


def test_the_start_frame_can_be_chosen(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    scene.diffgesture.use_frame_start, scene.diffgesture.frame_start = True, -20
    bpy.ops.diffgesture.generate()
    assert scene.diffgesture.armature.animation_data.action.frame_range[0] == pytest.approx(-20)


def test_show_action_puts_the_generated_action_back(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    bpy.ops.diffgesture.generate()
    armature = scene.diffgesture.armature
    armature.animation_data.action = None
    assert bpy.ops.diffgesture.show_action() == {"FINISHED"}
    assert armature.animation_data.action.name == session.result.action_name
    assert bpy.context.view_layer.objects.active == armature
    if hasattr(armature.animation_data, "action_slot"):
        assert armature.animation_data.action_slot is not None


@pytest.mark.parametrize("file_format", ["NPZ", "BVH"])
def test_the_last_result_can_be_exported(
    worker_mode: Callable[[str], None], scene: Any, tmp_path: Path, file_format: str
) -> None:
    worker_mode("motion")
    bpy.ops.diffgesture.generate()
    target = tmp_path / "result.v2"
    bpy.ops.diffgesture.export_motion(filepath=str(target), file_format=file_format)
    written = tmp_path / f"result.v2.{file_format.lower()}"
    assert written.read_bytes()[:4] == {"NPZ": b"PK\x03\x04", "BVH": b"HIER"}[file_format]


def test_export_without_a_result_is_disabled(addon: object) -> None:
    assert not bpy.ops.diffgesture.export_motion.poll()
    assert not bpy.ops.diffgesture.show_action.poll()


# -- bad input: a sentence, and nothing changed ------------------------------------------------------------------


def test_a_missing_audio_file(scene: Any, tmp_path: Path) -> None:
    scene.diffgesture.audio_path = str(tmp_path / "none.wav")
    assert "There is no audio file" in failing_generate()


def test_an_empty_audio_file(scene: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    scene.diffgesture.audio_path = str(tmp_path / "empty.wav")
    assert "empty" in failing_generate()


def test_a_folder_as_audio(scene: Any, tmp_path: Path) -> None:
    scene.diffgesture.audio_path = str(tmp_path)
    assert "is a folder" in failing_generate()


def test_an_armature_without_arms(scene: Any) -> None:
    scene.diffgesture.armature = mixamo_character("Worm", arms=False)
    session.forget_rigs()  # nobody has looked at it yet
    assert "arm" in failing_generate().lower()


def test_an_armature_that_left_the_scene(scene: Any) -> None:
    armature = scene.diffgesture.armature
    scene.collection.objects.unlink(armature)
    assert "not in the scene" in failing_generate()


def test_a_missing_interpreter(scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIFFGESTURE_PYTHON", str(tmp_path / "python"))
    assert "not there" in failing_generate()


def test_an_interpreter_without_torch(
    scene: Any, worker_mode: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_mode("motion")
    monkeypatch.setattr(interpreter, "REQUIRED_MODULES", ("json", "torch_of_another_world"))
    message = failing_generate()
    assert "lacks: torch_of_another_world" in message
    assert session.problem.command.endswith("-m pip install json torch_of_another_world")


def test_a_missing_backend(scene: Any, worker_mode: Callable[[str], None], tmp_path: Path) -> None:
    worker_mode("motion")
    session.backend._script = tmp_path / "worker.py"
    assert "backend is missing" in failing_generate()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("exit", "No module named 'torch'"),
        ("die", "exit code 7"),
        ("garbage", "not its protocol"),
        ("version", "protocol 99"),
        ("refuse", "too short"),
        ("ok", "names no motion"),
    ],
)
def test_a_worker_that_fails(scene: Any, worker_mode: Callable[[str], None], mode: str, words: str) -> None:
    worker_mode(mode)
    assert words in failing_generate()


def test_a_motion_file_that_cannot_be_read(scene: Any, worker_mode: Callable[[str], None], tmp_path: Path) -> None:
    worker_mode("motion")
    (tmp_path / "scripted.npz").write_bytes(b"PK\x03\x04 not really")
    assert "no motion file" in failing_generate()


def test_after_a_failure_the_next_job_works(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("die")
    failing_generate()
    worker_mode("motion")
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}
    assert session.problem is None


def test_keys_come_in_steps_between_which_the_user_may_do_anything(
    scene: Any, worker_mode: Callable[[str], None]
) -> None:
    worker_mode("motion")
    job = start_job()
    while not job.done:
        job.poll(0.1)
    before = len(bpy.data.actions)
    steps = job.steps()
    for _ in range(2):
        next(steps)
        assert len(bpy.data.actions) == before  # nothing is written until all is ready
    next(steps)
    assert len(bpy.data.actions) == before + 1
    assert list(steps) == []
    assert job.finish().action_name in bpy.data.actions
    session.task = None

    job = start_job()
    while not job.done:
        job.poll(0.1)
    steps, before = job.steps(), len(bpy.data.actions)
    next(steps)
    armature = scene.diffgesture.armature
    bpy.data.objects.remove(armature)
    with pytest.raises(DiffGestureError, match="is gone from the scene"):
        next(steps)
    assert len(bpy.data.actions) == before
    session.drop_task()


def test_an_internal_error_goes_to_the_log(
    scene: Any, worker_mode: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffgesture_blender.jobs import generate as job

    def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("a bug")

    worker_mode("motion")
    monkeypatch.setattr(job, "Retargeting", broken)
    assert "Internal error: ZeroDivisionError" in failing_generate()
    log = Path(session.problem.hint.split(": ", 1)[1])
    assert "in broken" in log.read_text(encoding="utf-8")


def test_an_idle_backend_is_stopped_and_a_busy_one_is_not(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("slow")
    job = start_job()
    tick_until(lambda: job.fraction > 0)
    pump._stop_idle_backend()
    assert session.backend.running
    job.cancel()
    tick_until(lambda: session.job is None)
    assert session.backend.running
    pump._stop_idle_backend()
    assert not session.backend.running


# -- between request and result ----------------------------------------------------------------------------------


def test_a_cancelled_job_changes_nothing(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("slow")
    before = snapshot()
    job = start_job()
    tick_until(lambda: job.fraction > 0)
    assert bpy.ops.diffgesture.cancel() == {"FINISHED"}
    tick_until(lambda: session.job is None)
    assert session.notice == "The generation was cancelled."
    assert session.problem is None
    assert snapshot() == before
    assert not job.request.folder.exists()


def test_a_worker_killed_mid_job(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("slow")
    before = snapshot()
    job = start_job()
    tick_until(lambda: job.fraction > 0)
    os.kill(session.backend._client.pid, signal.SIGKILL)
    tick_until(lambda: session.job is None)
    assert "signal 9" in session.problem.message
    assert session.problem.kind == "died"
    assert snapshot() == before


def test_an_armature_deleted_meanwhile(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    job = start_job()
    while not job.done:
        job.poll(0.1)
    bpy.data.objects.remove(scene.diffgesture.armature)
    before = snapshot()
    tick_until(lambda: session.job is None)
    assert "is gone from the scene" in session.problem.message
    assert snapshot() == before


def test_an_armature_replaced_by_one_of_the_same_name(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    job = start_job()
    while not job.done:
        job.poll(0.1)
    name = scene.diffgesture.armature.name
    bpy.data.objects.remove(scene.diffgesture.armature)
    other = mixamo_character(name)
    tick_until(lambda: session.job is None)
    assert "is gone" in session.problem.message
    assert other.animation_data is None


def test_an_armature_renamed_meanwhile_is_still_found(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    start_job()
    scene.diffgesture.armature.name = "Somebody Else"
    tick_until(lambda: session.job is None)
    assert session.result is not None
    assert session.result.armature_name == "Somebody Else"


def test_a_scene_deleted_meanwhile(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    job = start_job()
    while not job.done:
        job.poll(0.1)
    bpy.data.scenes.new("Another")
    bpy.data.scenes.remove(scene)
    tick_until(lambda: session.job is None)
    assert "is gone; nothing was changed" in session.problem.message


def test_another_file_opened_meanwhile(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("slow")
    job = start_job()
    tick_until(lambda: job.fraction > 0)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert session.job is None
    assert "Another file was opened" in session.notice
    assert len(bpy.data.actions) == 0
    worker_mode("motion")
    bpy.context.scene.diffgesture.armature = mixamo_character()
    bpy.context.scene.diffgesture.audio_path = str(job.request.audio.path)
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}


def test_the_scene_that_was_asked_for_gets_the_keys(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    scene.render.fps = 30
    start_job()
    other = bpy.data.scenes.new("Other")
    other.render.fps = 60
    tick_until(lambda: session.job is None)
    assert session.result is not None
    assert other.sequence_editor is None
    assert session.result.frame_end - session.result.frame_start == pytest.approx(2.0 * 30, abs=2.1)


def test_keys_wait_until_edit_mode_is_left(scene: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    job = start_job()
    while not job.done:
        job.poll(0.1)
    bpy.context.view_layer.objects.active = scene.diffgesture.armature
    bpy.ops.object.mode_set(mode="EDIT")
    assert pump._tick() is not None
    assert session.job is job
    assert "Edit Mode" in job.text
    bpy.ops.object.mode_set(mode="OBJECT")
    tick_until(lambda: session.job is None)
    assert session.result is not None


# -- the backend's report ----------------------------------------------------------------------------------------


def test_check_backend_reports_what_is_there(addon: object, worker_mode: Callable[[str], None]) -> None:
    worker_mode("ok")
    assert bpy.ops.diffgesture.check_backend() == {"FINISHED"}
    assert session.report_ok
    assert "Backend: READY" in session.report
    assert "scripted" in session.report
    assert sys.executable in session.report
    assert bpy.app.version_string in session.report


def test_check_backend_reports_what_is_wrong(addon: object, worker_mode: Callable[[str], None]) -> None:
    worker_mode("exit")
    with pytest.raises(RuntimeError, match="exit code 3"):
        bpy.ops.diffgesture.check_backend()
    assert not session.report_ok
    assert "NOT READY" in session.report


# -- end to end ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_real_worker_makes_keys(
    scene: Any, backend_python: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIFFGESTURE_PYTHON", backend_python)
    scene.diffgesture.quality = "DRAFT"
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}
    assert session.result.reply["audio_seconds"] == pytest.approx(2.0)
    assert scene.diffgesture.armature.animation_data.action.name == session.result.action_name
    video = tmp_path / "silent.mp4"
    video.write_bytes(b"\x00\x00\x00\x18ftypmp42 no sound in here")
    silent = write_wav(tmp_path / "silence.wav", 0 * babble(1.0))
    short = write_wav(tmp_path / "short.wav", babble(0.1))
    checkpoint = tmp_path / "other.safetensors"
    checkpoint.write_bytes(b"not a checkpoint")
    for path, words in ((video, "not an audio file"), (short, "0.2 s")):
        session.forget_result()
        scene.diffgesture.audio_path = str(path)
        assert words in failing_generate()
    scene.diffgesture.audio_path = str(silent)
    bpy.ops.diffgesture.generate()
    assert any("silent" in warning for warning in session.result.warnings)
