# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Generate Scene: who speaks when, what each hears, where each looks, one motion a character."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from characters import mixamo_character
from conftest import blender_has_audio
from mathutils import Vector
from sounds import babble, write_wav

import diffgesture_blender
from diffgesture_blender import compat
from diffgesture_blender.cli import command as cli
from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.jobs.scene_job import SceneJob
from diffgesture_blender.jobs.scene_plan import ScenePlan, plan_scene, voice_in_scene
from diffgesture_blender.retarget.aim_measure import face_of, place_of
from diffgesture_blender.settings.machine import Machine
from diffgesture_blender.sound import mixdown, voices
from diffgesture_blender.state.session import session

pytestmark = pytest.mark.skipif(not blender_has_audio(), reason="this Blender has no audio")

RATE = 16_000


@pytest.fixture
def shot(addon: object, tmp_path: Path) -> Any:
    """Ann and Bob face each other for 6 s at 24 fps; Ann speaks from 0 to 2 s, Bob from 3 to 5 s."""
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.fps = 1, 144, 24
    for name, x, turn in (("Ann", -0.6, 1.5708), ("Bob", 0.6, -1.5708)):
        armature = mixamo_character()
        armature.name, armature.location.x, armature.rotation_euler.z = name, x, turn
    add_strip(scene, tmp_path, "Ann 01", 1, 1, babble(2.0))
    add_strip(scene, tmp_path, "Bob 01", 2, 73, babble(2.0))
    return scene


def add_strip(scene: Any, folder: Path, name: str, channel: int, frame: int, samples: np.ndarray) -> Any:
    path = write_wav(folder / f"{name}.wav", samples)
    top = compat.top_strips(scene.sequence_editor_create())
    return top.new_sound(name=name, filepath=str(path), channel=channel, frame_start=frame)


def strip_of(scene: Any, name: str) -> Any:
    return next(strip for strip in compat.all_strips(scene.sequence_editor) if strip.name == name)


def plan(scene: Any, tmp_path: Path, **options: Any) -> ScenePlan:
    folder = tmp_path / f"plan{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return plan_scene(scene, scene, Machine(), folder, **options)


def requests(made: ScenePlan) -> dict[str, Any]:
    return {request.armature_name: request for request in made.requests}


def near(turns: Any, *expected: tuple[float, float]) -> bool:
    return len(turns) == len(expected) and np.allclose(turns, expected, atol=0.2)


def test_each_speaks_in_its_own_strips_and_hears_everybody(shot: Any, tmp_path: Path) -> None:
    found = requests(plan(shot, tmp_path))
    assert set(found) == {"Ann", "Bob"}
    assert near(found["Ann"].turns, (0.0, 2.0))
    assert near(found["Bob"].turns, (3.0, 5.0))
    params = found["Bob"].worker_params()
    assert near(params["turns"], (3.0, 5.0))
    samples, rate = mixdown.mono_samples(found["Ann"].audio.path)
    assert len(samples) / rate == pytest.approx(6.0, abs=0.01)
    for request in found.values():
        assert request.frame_start == 1
        heard, _ = mixdown.mono_samples(request.audio.path)
        loud = [np.abs(heard[int(a * rate) : int(b * rate)]).max() > 0.05 for a, b in ((0, 2), (2.2, 2.9), (3, 5))]
        assert loud == [True, False, True]


@pytest.mark.parametrize("kind", ["CHANNEL", "channel name", "STRIPS", "TEXT", "SPEAKER", "SPEECH"])
def test_a_voice_may_be_a_channel_strips_captions_a_speaker_or_a_file(
    shot: Any, tmp_path: Path, kind: str
) -> None:
    ann, editor = shot.objects["Ann"], shot.sequence_editor
    strip = strip_of(shot, "Ann 01")
    path = bpy.path.abspath(strip.sound.filepath)
    settings = ann.diffgesture
    settings.voice = kind if kind.isupper() else "AUTO"
    strip.name = "take 7"
    if kind == "CHANNEL":
        settings.voice_channel = 1
    elif kind == "channel name":
        editor.channels[1].name = "ann"
    elif kind == "STRIPS":
        settings.voice_strips = "take 7, nothing"
    elif kind == "TEXT":
        text = compat.new_text_strip(editor, "line", 5, 1, 48)
        text.text = "Ann: Good morning."
    else:
        compat.top_strips(editor).remove(strip)
    if kind == "SPEAKER":
        mouth = bpy.data.objects.new("Mouth", bpy.data.speakers.new("Mouth"))
        mouth.data.sound = bpy.data.sounds.load(path)
        shot.collection.objects.link(mouth)
        settings.voice_speaker = mouth
    elif kind == "SPEECH":
        settings.audio_path = path
    assert near(requests(plan(shot, tmp_path))["Ann"].turns, (0.0, 2.0))


def test_what_is_muted_is_left_out_and_who_says_nothing_listens(shot: Any, tmp_path: Path) -> None:
    strip_of(shot, "Bob 01").mute = True
    bob = requests(plan(shot, tmp_path))["Bob"]
    assert bob.turns == ()
    assert bob.worker_params()["turns"] == []
    assert any("muted" in note for note in bob.notes)
    assert any("listens throughout" in note for note in bob.notes)
    samples, rate = mixdown.mono_samples(bob.audio.path)
    assert np.abs(samples[3 * rate : 5 * rate]).max() < 0.01
    strip_of(shot, "Ann 01").mute = True
    with pytest.raises(DiffGestureError, match="Nobody speaks"):
        plan(shot, tmp_path)


def test_pauses_in_a_whole_track_are_no_turns(shot: Any, tmp_path: Path) -> None:
    compat.top_strips(shot.sequence_editor).remove(strip_of(shot, "Bob 01"))
    quiet = np.zeros(round(1.5 * RATE))
    track = np.concatenate([quiet, babble(1.0), quiet, babble(1.5)])
    add_strip(shot, tmp_path, "Bob track", 2, 1, track)
    assert near(requests(plan(shot, tmp_path))["Bob"].turns, (1.5, 2.5), (4.0, 5.5))


def test_overlaps_and_speech_outside_of_the_shot(shot: Any, tmp_path: Path) -> None:
    add_strip(shot, tmp_path, "Ann 02", 3, 97, babble(4.0))  # from 4 s on, while Bob speaks, beyond the end at 6 s
    found = requests(plan(shot, tmp_path))
    assert near(found["Ann"].turns, (0.0, 2.0), (4.0, 6.0))
    assert near(found["Bob"].turns, (3.0, 5.0))
    shot.frame_start = 25
    assert near(requests(plan(shot, tmp_path))["Ann"].turns, (0.0, 1.0), (3.0, 5.0))


def test_heads_turn_to_who_speaks_and_less_while_speaking(shot: Any, tmp_path: Path) -> None:
    glances = requests(plan(shot, tmp_path))["Ann"].glances
    assert {glance.target for glance in glances} == {"Bob"}
    settings = shot.objects["Ann"].diffgesture
    assert glances[0].weight == settings.look_speaking
    assert glances[1].weight == settings.look_listening
    third = mixamo_character()
    third.name, third.location.y = "Cem", -2.0
    targets = [glance.target for glance in requests(plan(shot, tmp_path))["Cem"].glances]
    assert targets == ["Ann", "Bob"]
    settings.look = "NONE"
    assert requests(plan(shot, tmp_path))["Ann"].glances == ()
    settings.look, settings.look_object = "OBJECT", third
    assert {glance.target for glance in requests(plan(shot, tmp_path))["Ann"].glances} == {"Cem"}
    settings.look = "CAMERA"
    assert {glance.target for glance in requests(plan(shot, tmp_path))["Ann"].glances} == {"camera"}


def test_the_captions_of_others_bring_no_gestures(shot: Any, tmp_path: Path) -> None:
    for number, (text, frame) in enumerate((("Ann: You there.", 1), ("Bob: Me and you?", 73), ("no name", 10))):
        compat.new_text_strip(shot.sequence_editor, f"line {number}", 5 + number, frame, 40).text = text
    shot.diffgesture.transcript = "STRIPS"
    written = Path(requests(plan(shot, tmp_path))["Ann"].transcript).read_text(encoding="utf-8")
    assert "You there." in written
    assert "no name" in written
    assert "Me and you" not in written
    assert "Ann" not in written


def test_who_does_not_take_part_is_left_alone(shot: Any, tmp_path: Path) -> None:
    shot.objects["Bob"].diffgesture.take_part = False
    prop = bpy.data.objects.new("Car", bpy.data.armatures.new("Car"))
    shot.collection.objects.link(prop)
    bpy.context.view_layer.update()
    made = plan(shot, tmp_path)
    assert set(requests(made)) == {"Ann"}
    assert any("Car" in text for text in made.left_out)
    assert set(requests(plan(shot, tmp_path, only=[shot.objects["Bob"]]))) == {"Bob"}


def test_one_button_writes_a_motion_for_each(shot: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    shot.objects["Ann"].diffgesture.seed, shot.objects["Bob"].diffgesture.seed = 3, 4
    assert bpy.ops.diffgesture.generate_scene() == {"FINISHED"}
    made = session.scene_result
    assert [(result.armature_name, result.seed) for result in made.results] == [("Ann", 3), ("Bob", 4)]
    for result in made.results:
        armature = shot.objects[result.armature_name]
        assert armature.animation_data.action.name == result.action_name
        assert len(armature.diffgesture_takes) == 1
    folder = made.results[0].folder
    assert folder.is_dir()
    session.forget_result()
    assert not folder.exists()


def test_one_may_be_cancelled_and_the_others_go_on(
    shot: Any, worker_mode: Callable[[str], None], tmp_path: Path
) -> None:
    from diffgesture_blender.jobs import runner
    from diffgesture_blender.worker import JobCancelled

    worker_mode("motion")
    job = SceneJob(plan(shot, tmp_path), tmp_path / "gone")
    job.seats[0].cancel()
    result = runner.run(job)
    assert [made.armature_name for made in result.results] == ["Bob"]
    assert shot.objects["Ann"].animation_data is None
    worker_mode("slow")
    job = SceneJob(plan(shot, tmp_path), tmp_path / "gone")
    while job.seats[0].job is None or job.seats[0].fraction == 0.0:
        job.poll(0.05)
    job.cancel()
    with pytest.raises(JobCancelled):
        runner.run(job)


def test_a_character_that_is_gone_does_not_stop_the_others(
    shot: Any, worker_mode: Callable[[str], None], tmp_path: Path
) -> None:
    worker_mode("motion")
    job = SceneJob(plan(shot, tmp_path), tmp_path)
    while not job.done:
        job.poll(0.05)
    bpy.data.objects.remove(shot.objects["Ann"])
    for _ in job.steps():
        pass
    result = job.finish()
    assert [made.armature_name for made in result.results] == ["Bob"]
    assert [name for name, _ in result.problems] == ["Ann"]


def test_the_voice_is_told_without_reading_sound(shot: Any) -> None:
    assert voice_in_scene(shot.objects["Ann"], shot, shot).text == "Strips: 1"
    shot.objects["Ann"].diffgesture.voice = "NONE"
    assert voice_in_scene(shot.objects["Ann"], shot, shot).text == "Listens"


def test_a_script_gets_a_result_for_each(shot: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    shot.objects["Ann"].diffgesture.seed = 3
    made = diffgesture_blender.generate_scene()
    assert [(result.armature.name, result.seed) for result in made] == [("Ann", 3), ("Bob", 1)]
    assert all(result.armature.animation_data.action == result.action for result in made)
    assert all(result.motion_path.is_file() for result in made)
    made = diffgesture_blender.generate_scene(shot, characters=[shot.objects["Bob"]], seed=9)
    assert [(result.armature.name, result.seed) for result in made] == [("Bob", 9)]
    with pytest.raises(DiffGestureError, match="no control"):
        diffgesture_blender.generate_scene(loudness=2)


def test_the_command_line_saves_and_reports(
    shot: Any, worker_mode: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker_mode("motion")
    blend, out, report = tmp_path / "shot.blend", tmp_path / "out.blend", tmp_path / "report.json"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    arguments = ["scene", "--blend", str(blend), "--output", str(out), "--report", str(report)]
    assert cli.main(arguments) == 0, capsys.readouterr().err
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["status"] == "ok"
    assert [line["armature"] for line in told["characters"]] == ["Ann", "Bob"]
    assert told["characters"][1]["looks_at"] == ["Ann"]
    assert near(told["characters"][1]["turns"], (3.0, 5.0))
    bpy.ops.wm.open_mainfile(filepath=str(out))
    for line in told["characters"]:
        assert bpy.data.objects[line["armature"]].animation_data.action.name == line["action"]
    assert cli.main([*arguments, "--character", "Eve"]) == 2
    assert "no object Eve" in json.loads(report.read_text(encoding="utf-8"))["error"]
    assert cli.main(["scene", "--blend", str(blend), "--output", str(blend)]) == 2


def head_yaw(armature: Any, frame: int) -> float:
    """Degrees by which the head is turned from straight ahead; positive to the character's left."""
    bpy.context.scene.frame_set(frame)
    bone = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["mixamorig:Head"]
    turn = bone.matrix.to_quaternion() @ bone.bone.matrix_local.to_quaternion().inverted()
    forward = turn @ Vector((0.0, -1.0, 0.0))
    return math.degrees(math.atan2(forward.x, -forward.y))


def test_the_head_is_turned_smoothly_to_the_partner(shot: Any, worker_mode: Callable[[str], None]) -> None:
    """Side by side, both to the front: Bob stands 1.2 m to the left of Ann. The scripted motion lasts 2 s."""
    worker_mode("motion")
    strip_of(shot, "Ann 01").mute = True
    bob = strip_of(shot, "Bob 01")
    compat.top_strips(shot.sequence_editor).remove(bob)
    path = str(write_wav(Path(bpy.app.tempdir) / "line.wav", babble(1.0)))
    compat.top_strips(shot.sequence_editor).new_sound(name="Bob 02", filepath=path, channel=2, frame_start=25)
    for armature in (shot.objects["Ann"], shot.objects["Bob"]):
        armature.rotation_euler.z = 0.0
    ann, found = shot.objects["Ann"], {}
    for look in ("NONE", "PARTNER"):
        ann.diffgesture.look = look
        diffgesture_blender.generate_scene(characters=[ann, shot.objects["Bob"]])
        found[look] = np.array([head_yaw(ann, frame) for frame in range(1, 48)])
    turned = found["PARTNER"] - found["NONE"]
    weight = ann.diffgesture.look_listening
    assert 0.5 * weight * 70.0 < turned.mean() < 70.0 * weight + 5.0
    assert np.abs(np.diff(found["PARTNER"], n=2)).max() < np.abs(np.diff(found["NONE"], n=2)).max() + 1.0
    assert head_yaw(shot.objects["Bob"], 10) < -10.0


def test_an_aim_at_a_character_means_its_head(shot: Any) -> None:
    bob = shot.objects["Bob"]
    bpy.context.view_layer.update()
    face = face_of(bob)
    assert face == "mixamorig:Head"
    assert place_of(bob.evaluated_get(bpy.context.evaluated_depsgraph_get()), face).z == pytest.approx(1.65)
    assert face_of(bpy.data.objects.new("Cup", None)) is None


def test_mannequins_stand_face_to_face(addon: object) -> None:
    for _ in range(3):
        bpy.ops.diffgesture.add_mannequin()
        bpy.context.view_layer.update()
    first, second, third = (item for item in bpy.context.scene.objects if item.type == "ARMATURE")
    for one, other in ((first, second), (second, first)):
        way = one.matrix_world.inverted() @ other.matrix_world.translation
        assert way.normalized().dot(Vector((0.0, -1.0, 0.0))) > 0.99
    assert min((third.location - other.location).length for other in (first, second)) > 0.9


def test_one_alone_still_hears_and_sees_the_others(shot: Any, tmp_path: Path) -> None:
    bob = shot.objects["Bob"]
    bob.diffgesture.take_part = False
    (ann,) = plan(shot, tmp_path).requests
    assert {glance.target for glance in ann.glances} == {"Bob"}
    samples, rate = mixdown.mono_samples(ann.audio.path)
    assert np.abs(samples[3 * rate : 5 * rate]).max() > 0.05
    bob.diffgesture.voice = "SPEAKER"  # and none is chosen
    made = plan(shot, tmp_path)
    assert any("Bob is not heard" in text for text in made.left_out)
    with pytest.raises(DiffGestureError, match="speaker object"):
        plan(shot, tmp_path, only=[bob])


def test_a_part_is_regenerated_within_the_dialogue(shot: Any, worker_mode: Callable[[str], None]) -> None:
    worker_mode("motion")
    ann = shot.diffgesture.armature = shot.objects["Ann"]
    assert not bpy.ops.diffgesture.regenerate_in_scene.poll()
    bpy.ops.diffgesture.generate_scene()
    whole, other = ann.animation_data.action, shot.objects["Bob"].animation_data.action
    ann.diffgesture.regenerate_start, ann.diffgesture.regenerate_end = 10, 30
    assert bpy.ops.diffgesture.regenerate_in_scene() == {"FINISHED"}
    assert ann.animation_data.action not in (None, whole)
    assert ann.diffgesture.seed == 1
    assert shot.objects["Bob"].animation_data.action == other
    assert session.result.frame_start == 10


def test_speech_in_the_sequencer_of_another_scene(shot: Any, tmp_path: Path) -> None:
    """The edit shows the shot from its frame 101 on; Bob's line is heard 72 frames after Ann's there, too."""
    edit = bpy.data.scenes.new("Edit")
    edit.render.fps = 24
    compat.top_strips(edit.sequence_editor_create()).new_scene(name="shot", scene=shot, channel=8, frame_start=101)
    add_strip(edit, tmp_path, "Bob 09", 2, 173, babble(1.0))
    folder = tmp_path / "edit"
    folder.mkdir()
    found = requests(plan_scene(shot, edit, Machine(), folder))
    assert near(found["Bob"].turns, (3.0, 4.0))
    assert found["Ann"].turns == ()


@pytest.mark.parametrize(
    ("strip", "others", "named"),
    [
        ("Ann", (), True),
        ("ann_02.wav", (), True),
        ("Ann.001", (), True),  # a second strip of hers
        ("Anna", (), False),
        ("take of Ann", (), False),
        ("Ann.001 hello", ("Ann.001", "Bob"), False),
        ("Ann 2 hello", ("Ann 2",), False),
    ],
)
def test_strips_are_called_after_one_character(strip: str, others: tuple[str, ...], named: bool) -> None:
    assert voices.is_named(strip, "Ann", others) == named
