# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Gesture cues as timeline markers, for each character, and on the command line."""

from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from diffgesture_blender import compat
from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.jobs.request import request_from_scene
from diffgesture_blender.settings import cues
from diffgesture_blender.settings.machine import machine_settings
from diffgesture_blender.state.session import new_job_folder, session
from diffgesture_blender.timing import frame_rate


def request() -> Any:
    return request_from_scene(bpy.context, machine_settings(), new_job_folder())


def test_markers_ask_for_gestures_at_their_time(scene: Any) -> None:
    start, rate = scene.frame_start, frame_rate(scene)
    scene.timeline_markers.new("door slams", frame=start + 5)
    assert "cues" not in request().worker_params()
    scene.frame_set(start + 24)
    bpy.ops.diffgesture.add_cue(cue="you")
    scene.timeline_markers.new("Cue count-3", frame=start + 48)
    scene.timeline_markers.new("cue no @Somebody Else", frame=start + 60)
    scene.timeline_markers.new("cue off me", frame=start + 60)
    expected = [["you", round(24 / rate, 4)], ["count_3", round(48 / rate, 4)]]
    assert request().worker_params()["cues"] == expected
    assert scene.timeline_markers[0].name == "door slams"
    assert scene.timeline_markers[1].name == f"cue you @{scene.diffgesture.armature.name}"


def test_an_unknown_marker_is_told_and_the_rest_used(scene: Any) -> None:
    scene.timeline_markers.new("cue yuo", frame=scene.frame_start)
    scene.timeline_markers.new("cue nod", frame=scene.frame_start)
    made = request()
    assert made.worker_params()["cues"] == [["nod", 0.0]]
    assert "cue yuo" in made.notes[0]
    assert "did you mean you" in made.notes[0]


def test_list_buttons_touch_only_their_marker(scene: Any) -> None:
    for name in ("cue you", "mine"):
        scene.timeline_markers.new(name, frame=scene.frame_start)
    bpy.ops.diffgesture.switch_cue(index=0)
    assert [marker.name for marker in scene.timeline_markers] == ["cue off you", "mine"]
    bpy.ops.diffgesture.remove_cue(index=1)
    bpy.ops.diffgesture.remove_cue(index=9)
    assert len(scene.timeline_markers) == 2
    bpy.ops.diffgesture.remove_cue(index=0)
    assert [marker.name for marker in scene.timeline_markers] == ["mine"]


def test_the_reference_algorithm_says_that_it_takes_no_cues(scene: Any) -> None:
    scene.timeline_markers.new("cue you", frame=scene.frame_start)
    scene.diffgesture.use_reference = True
    with pytest.raises(DiffGestureError, match="gesture cues"):
        request()


def test_every_icon_exists_and_names_are_read_back(addon: object) -> None:
    icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items
    for name, row in cues.vocabulary().items():
        assert row["icon"] in icons, row["icon"]
        assert cues.class_of(cues.label(name)) == name


def test_text_strips_are_the_transcript(scene: Any) -> None:
    editor = scene.sequence_editor_create()
    begin = scene.frame_start + 24
    strip = compat.new_text_strip(editor, "a caption", 1, begin, 48)
    strip.text = "Please\nhelp me."
    scene.diffgesture.transcript = "STRIPS"
    path = request().worker_params()["transcript"]
    first = 24 / frame_rate(scene)
    with open(path, encoding="utf-8") as file:
        written = file.read()
    assert f"00:00:0{first:.3f} --> ".replace(".", ",") in written
    assert "Please help me." in written
    scene.diffgesture.transcript = "FILE"
    with pytest.raises(DiffGestureError, match="transcript"):
        request()


def test_cues_are_found_before_anything_was_generated(scene: Any, worker_mode: Any, tmp_path: Any) -> None:
    worker_mode("motion")
    with pytest.raises(RuntimeError, match="transcript"):
        bpy.ops.diffgesture.find_cues()
    script = tmp_path / "script.txt"
    script.write_text("You, and three of them.", encoding="utf-8")
    scene.timeline_markers.new("mine", frame=1)
    name, settings = scene.diffgesture.armature.name, scene.diffgesture.armature.diffgesture
    settings.transcript_path = str(script)
    expected = ["mine", f"cue you @{name}", f"cue count 3 (three) @{name}"]
    for _ in range(2):  # nothing is proposed beside a marker that is there
        settings.transcript = "FILE"
        assert bpy.ops.diffgesture.find_cues() == {"FINISHED"}
        assert [marker.name for marker in scene.timeline_markers] == expected
    assert scene.timeline_markers[1].frame == scene.frame_start + round(0.1 * frame_rate(scene))
    for marker in list(scene.timeline_markers)[1:]:
        scene.timeline_markers.remove(marker)
    bpy.ops.diffgesture.find_cues()
    assert settings.transcript == "NONE", "from now on the markers count"
    assert session.result is None


def test_a_table_of_words_that_is_gone_is_told(scene: Any, tmp_path: Any) -> None:
    script = tmp_path / "script.txt"
    script.write_text("You.", encoding="utf-8")
    scene.diffgesture.transcript, scene.diffgesture.transcript_path = "FILE", str(script)
    scene.diffgesture.word_table = str(tmp_path / "none.json")
    with pytest.raises(DiffGestureError, match="table of words"):
        request()
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    assert request().words_params()["word_table"] == str(tmp_path / "none.json")


def test_markers_and_cues_of_a_command_line_aim_at_objects(scene: Any, tmp_path: Any) -> None:
    start, rate = scene.frame_start, frame_rate(scene)
    cup = bpy.data.objects.new("Coffee Cup", None)
    scene.collection.objects.link(cup)
    scene.frame_set(start + 24)
    assert bpy.ops.diffgesture.add_aim(kind="point", target="Coffee Cup") == {"FINISHED"}
    scene.timeline_markers.new("cue Look camera", frame=start + 48)
    made = request()
    assert [(t.kind, t.name, round(t.time, 3)) for t in made.targets] == [
        ("point", "Coffee Cup", round(24 / rate, 3)),
        ("look", "camera", round(48 / rate, 3)),
    ]
    assert "cues" not in made.worker_params()
    bpy.ops.diffgesture.switch_cue(index=0)
    assert scene.timeline_markers[0].name == f"cue off point Coffee Cup @{scene.diffgesture.armature.name}"
    assert len(request().targets) == 1
    targets, rest = cues.aims_of_scene(scene, scene.diffgesture.armature, start, "1.5:point Coffee Cup,2:you")
    assert (targets[-1].name, targets[-1].time, rest) == ("Coffee Cup", 1.5, "2:you")
    table = tmp_path / "cues.csv"
    table.write_text("time,cue\n1.5,point Coffee Cup\n2,you\n", encoding="utf-8")
    targets, rest = cues.aims_of_scene(scene, scene.diffgesture.armature, start, str(table))
    assert (targets[-1].name, rest) == ("Coffee Cup", "2:you")
    table.write_text("1.5,you\n", encoding="utf-8")
    assert cues.aims_of_scene(scene, scene.diffgesture.armature, start, str(table))[1] == str(table)
    with pytest.raises(RuntimeError, match="Choose an object"):
        bpy.ops.diffgesture.add_aim(kind="look", target="nothing there")


def test_markers_and_text_strips_of_an_edit_count_where_it_shows_the_scene(scene: Any) -> None:
    edit = bpy.data.scenes.new("Edit")
    edit.render.fps, edit.render.fps_base = scene.render.fps, scene.render.fps_base
    edit.timeline_markers.new("cue you", frame=110)
    armature, start = scene.diffgesture.armature, scene.frame_start
    found, told = cues.cues_of_scene(scene, armature, start, edit)
    assert found == []
    assert "no strip that shows" in told[0]
    strip = compat.top_strips(edit.sequence_editor_create()).new_scene(
        name="Shot", scene=scene, channel=1, frame_start=100
    )
    first = compat.strip_ends(strip)[0]
    found, told = cues.cues_of_scene(scene, armature, start, edit)
    assert found == [("you", round((110 - first) / frame_rate(scene), 4))]
    assert told == []


def test_a_draft_becomes_text_strips(scene: Any, worker_mode: Any) -> None:
    worker_mode("motion")
    assert bpy.ops.diffgesture.draft_transcript() == {"FINISHED"}
    strips = [s for s in compat.all_strips(scene.sequence_editor) if s.type == "TEXT"]
    assert [strip.text for strip in strips] == ["hello you", "no"]
    start = scene.frame_start + round(0.5 * frame_rate(scene))
    assert compat.strip_ends(strips[0]) == (start, start + round(frame_rate(scene)))
    assert scene.diffgesture.armature.diffgesture.transcript == "STRIPS"
    with open(request().worker_params()["transcript"], encoding="utf-8") as file:
        assert "hello you" in file.read()


def test_a_job_aims_and_tells_what_is_gone(scene: Any, worker_mode: Any) -> None:
    worker_mode("motion")
    cup = bpy.data.objects.new("Cup", None)
    scene.collection.objects.link(cup)
    cup.location = (3.0, -3.0, 1.4)  # to the character's left, in front
    scene.timeline_markers.new("cue point Cup", frame=scene.frame_start + 20)
    scene.timeline_markers.new("cue point Saucer", frame=scene.frame_start + 40)
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}
    assert session.result is not None
    told = [text for text in session.result.warnings if "cue point" in text]
    assert told == ["The marker 'cue point Saucer': the scene has no object Saucer, so nothing is aimed at it."]
    scene.frame_set(scene.frame_start + 22)
    rig = scene.diffgesture.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    arm = rig.pose.bones["mixamorig:LeftForeArm"]
    way = rig.matrix_world.inverted() @ cup.location - arm.head
    assert (arm.tail - arm.head).angle(way) < 0.1


def test_words_in_a_marker_are_shown_and_kept_but_ask_for_nothing(scene: Any) -> None:
    assert cues.marker_name("count_3", "Ana", said="three (3) @home") == "cue count 3 (three 3 home) @Ana"
    assert cues.marker_name("you", "Ana", said="you") == "cue you @Ana"
    assert cues.marker_name("you", "A" * 40, said="each and every one of you") == f"cue you @{'A' * 40}"
    for name in ("cue count 3 (three)", "cue point (look at this)"):
        scene.timeline_markers.new(name, frame=scene.frame_start)
    assert sorted(request().worker_params()["cues"]) == [["count_3", 0.0], ["point", 0.0]]
    assert request().targets == ()
    assert cues.aim_of("point Cup (left)") == ("point", "Cup (left)")
    bpy.ops.diffgesture.switch_cue(index=0)
    assert scene.timeline_markers[0].name == "cue off count 3 (three)"


def test_a_character_with_a_long_name_finds_its_markers(scene: Any) -> None:
    armature = scene.diffgesture.armature
    armature.name = "The Grand Duchess of Gerolstein and her whole court, singing"
    bpy.ops.diffgesture.add_cue(cue="uncertainty")
    assert len(cues.markers(scene, armature)) == 1
