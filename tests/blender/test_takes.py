# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Takes: recorded, shown, accepted, rejected; what the user has made stays in every case."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from diffgesture_blender import compat
from diffgesture_blender.animation import takes

HEAD = 'pose.bones["mixamorig:Head"].rotation_quaternion'


@pytest.fixture
def ann(worker_mode: Callable[[str], None], scene: Any) -> Any:
    worker_mode("motion")
    return scene.diffgesture.armature


def generate(seed: int = 0, **settings: object) -> Any:
    """The action of a new take."""
    bpy.context.scene.diffgesture.seed = seed
    for name, value in settings.items():
        setattr(bpy.context.scene.diffgesture, name, value)
    assert bpy.ops.diffgesture.generate() == {"FINISHED"}
    armature = bpy.context.scene.diffgesture.armature
    return takes.active_take(armature).action


def curves(armature: Any, action: Any) -> Any:
    return compat.curves_of(compat.choice_for(armature, action))


def names(armature: Any) -> list[str]:
    return [take.name for take in armature.diffgesture_takes]


def playing(armature: Any) -> Any:
    return compat.current_action(armature).action


@pytest.mark.parametrize("mode", ["MOTION", "WHOLE_FRAMES", "REDUCED"])
def test_every_key_is_of_the_type_generated(ann: Any, mode: str) -> None:
    action = generate(key_mode=mode)
    assert {point.type for curve in curves(ann, action) for point in curve.keyframe_points} == {"GENERATED"}


def test_keys_of_a_part_generated_anew_are_generated(ann: Any) -> None:
    first = generate()
    takes.accept(ann, takes.active_take(ann))
    settings = bpy.context.scene.diffgesture
    settings.regenerate_start, settings.regenerate_end = 15, 30
    bpy.ops.diffgesture.regenerate()
    take = takes.active_take(ann)
    assert (take.previous, take.action) == (first, playing(ann))
    types = {
        (point.type, 15 < point.co.x < 30) for curve in curves(ann, take.action) for point in curve.keyframe_points
    }
    assert ("GENERATED", True) in types
    assert ("GENERATED", False) not in types


def test_a_take_survives_saving(ann: Any, tmp_path: Path) -> None:
    generate(3)
    generate(4, intensity=0.5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "takes.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "takes.blend"))
    ann = bpy.context.scene.diffgesture.armature
    assert names(ann) == ["spéech one seed 3", "spéech one seed 4"]
    take = takes.active_take(ann)
    assert (take.seed, take.speech, take.action.name) == (4, "spéech one", "spéech one seed 4")
    assert json.loads(take.settings)["intensity"] == 0.5
    assert take.frame_end > take.frame_start


def test_accepted_keys_are_the_users_own(ann: Any) -> None:
    action = generate()
    before = [point.co.copy() for curve in curves(ann, action) for point in curve.keyframe_points]
    assert bpy.ops.diffgesture.take_accept() == {"FINISHED"}
    points = [point for curve in curves(ann, action) for point in curve.keyframe_points]
    assert {point.type for point in points} == {"KEYFRAME"}
    assert [point.co for point in points] == before
    assert takes.active_take(ann).accepted
    assert not bpy.ops.diffgesture.take_reject.poll()


def test_rejecting_brings_back_what_was_before(ann: Any) -> None:
    mine = compat.new_action(ann, "Mine")
    compat.new_curve(mine, HEAD, 0, "Head").keyframe_points.insert(1, 1.0)
    compat.assign_action(ann, mine)
    generate(1)
    generate(2)
    assert bpy.ops.diffgesture.take_reject() == {"FINISHED"}
    assert (names(ann), playing(ann).name) == (["spéech one seed 1"], "spéech one seed 1")
    bpy.ops.diffgesture.take_reject()
    assert (names(ann), playing(ann).name) == ([], "Mine")
    assert [action.name for action in bpy.data.actions] == ["Mine"]
    assert not bpy.ops.diffgesture.take_reject.poll()


def test_rejecting_keeps_the_keys_that_the_user_has_set(ann: Any) -> None:
    action = generate()
    curve = next(item for item in curves(ann, action) if item.data_path == HEAD and item.array_index == 1)
    point = curve.keyframe_points.insert(17.5, 0.25)
    point.type = "KEYFRAME"
    bpy.ops.diffgesture.take_reject()
    (left,) = curves(ann, action)
    assert (left.data_path, left.array_index) == (HEAD, 1)
    assert [tuple(point.co) for point in left.keyframe_points] == [(17.5, 0.25)]
    assert playing(ann) == action
    assert names(ann) == []


def test_takes_are_shown_in_turn(ann: Any) -> None:
    first, second = generate(1), generate(2)
    assert playing(ann) == second
    ann.diffgesture_take = 0
    assert bpy.ops.diffgesture.take_show() == {"FINISHED"}
    assert playing(ann) == first
    assert [takes.is_shown(ann, take) for take in ann.diffgesture_takes] == [True, False]


def test_strips_are_shown_and_rejected(ann: Any) -> None:
    first, second = generate(1, layer="STRIP"), generate(2)

    def heard() -> dict[str, bool]:
        strips = [track.strips[0] for track in ann.animation_data.nla_tracks]
        return {strip.action.name: not strip.mute for strip in strips}

    assert heard() == {first.name: False, second.name: True}
    ann.diffgesture_take = 0
    bpy.ops.diffgesture.take_show()
    assert heard() == {first.name: True, second.name: False}
    ann.diffgesture_take = 1
    bpy.ops.diffgesture.take_show()
    bpy.ops.diffgesture.take_reject()
    assert heard() == {"spéech one seed 1": True}
    assert len(bpy.data.actions) == 1


def test_others_are_rejected_but_accepted_ones_stay(ann: Any) -> None:
    for seed in range(4):
        generate(seed)
    ann.diffgesture_take = 0
    bpy.ops.diffgesture.take_accept()
    ann.diffgesture_take = 2
    bpy.ops.diffgesture.take_reject_others()
    assert names(ann) == ["spéech one seed 0", "spéech one seed 2"]
    assert playing(ann).name == "spéech one seed 2"
    assert len(bpy.data.actions) == 2


def test_an_action_deleted_by_hand_is_forgotten(ann: Any) -> None:
    first = generate(1)
    generate(2)
    bpy.data.actions.remove(first)
    ann.diffgesture_take = 0
    assert takes.active_take(ann) is None
    assert not bpy.ops.diffgesture.take_show.poll()
    generate(3)
    assert names(ann) == ["spéech one seed 2", "spéech one seed 3"]


def test_variations_are_takes_of_one_job(ann: Any) -> None:
    generate(5, variations=3)
    assert names(ann) == ["spéech one seed 7", "spéech one seed 6", "spéech one seed 5"]
    assert playing(ann).name == "spéech one seed 5"
    assert {take.previous for take in ann.diffgesture_takes} == {None}
    assert np.unique([take.frame_end for take in ann.diffgesture_takes]).size == 1


def test_a_copy_of_the_character_keeps_its_animation(ann: Any) -> None:
    action = generate()
    copy = ann.copy()
    bpy.context.scene.collection.objects.link(copy)
    bpy.ops.diffgesture.take_reject()
    assert playing(ann) is None
    assert playing(copy) == action
    assert len(list(curves(copy, action))) > 0
