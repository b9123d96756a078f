# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Gesture cues as timeline markers, for each character, and on the command line."""

from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.jobs.generate import request_from_scene
from diffgesture_blender.settings import cues
from diffgesture_blender.settings.machine import machine_settings
from diffgesture_blender.state.session import new_job_folder
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
