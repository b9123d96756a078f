# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""The controls of the panel: what reaches the worker, and parts generated anew by button and command line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

bpy = pytest.importorskip("bpy")

from diffgesture_blender import compat
from diffgesture_blender.animation.layers import mark_generated
from diffgesture_blender.animation.splice import key_frames_of
from diffgesture_blender.jobs.reasons import regenerate_disabled_reason
from diffgesture_blender.jobs.request import request_from_scene
from diffgesture_blender.settings.machine import machine_settings
from diffgesture_blender.state.session import new_job_folder, session

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills processes by signal")


def test_amounts_and_rest_reach_the_worker(scene: Any) -> None:
    settings = scene.diffgesture
    settings.amount_left_arm, settings.amount_fingers = 0.5, 2.0
    settings.rest_in, settings.rest_out = 0.75, 1.5
    params = request_from_scene(bpy.context, machine_settings(), new_job_folder()).worker_params()
    assert (params["amount_left_arm"], params["amount_head"], params["amount_fingers"]) == (0.5, 1.0, 2.0)
    assert (params["rest_in"], params["rest_out"]) == (0.75, 1.5)
    assert "constraints" not in params
    json.dumps(params)


def test_a_disabled_regenerate_says_why(worker_mode: Callable[[str], None], scene: Any) -> None:
    settings = scene.diffgesture
    assert "no action yet" in (regenerate_disabled_reason(bpy.context) or "")
    worker_mode("motion")
    bpy.ops.diffgesture.generate()
    settings.regenerate_start, settings.regenerate_end = 30, 20
    assert "ends before" in (regenerate_disabled_reason(bpy.context) or "")
    settings.regenerate = "PREVIEW"
    assert "no preview range" in (regenerate_disabled_reason(bpy.context) or "")
    scene.use_preview_range = True
    assert regenerate_disabled_reason(bpy.context) is None
    settings.use_reference = True
    assert "reference" in (regenerate_disabled_reason(bpy.context) or "")
    settings.use_reference = False
    settings.audio_path = ""
    assert "audio file" in (regenerate_disabled_reason(bpy.context) or "")


def test_regenerate_says_beforehand_of_which_strip_no_part_can_be_replaced(scene: Any) -> None:
    settings, rig = scene.diffgesture, scene.diffgesture.armature
    action = bpy.data.actions.new("Gestures")
    mark_generated(action)
    strip = rig.animation_data_create().nla_tracks.new().strips.new("Gestures", 1, action)
    settings.regenerate_start, settings.regenerate_end = 1, 20
    assert regenerate_disabled_reason(bpy.context) is None
    strip.blend_type = "COMBINE"
    assert "additive strip" in (regenerate_disabled_reason(bpy.context) or "")
    strip.mute = True
    assert "no action yet" in (regenerate_disabled_reason(bpy.context) or "")


def test_regenerate_writes_a_new_action_and_keeps_the_old_one(
    worker_mode: Callable[[str], None], scene: Any
) -> None:
    worker_mode("motion")
    settings = scene.diffgesture
    bpy.ops.diffgesture.generate()
    assert session.result is not None
    first = session.result.action_name
    sounds = len(bpy.data.sounds)
    settings.regenerate_start, settings.regenerate_end = 20, 32
    assert bpy.ops.diffgesture.regenerate() == {"FINISHED"}
    assert session.result is not None
    assert settings.armature.diffgesture.seed == 1
    assert session.result.action_name == "spéech one seed 1 frames 20 to 32"
    assert (session.result.frame_start, session.result.frame_end) == (20, 32)
    assert settings.armature.animation_data.action.name == session.result.action_name
    assert bpy.data.actions[first].use_fake_user
    assert len(bpy.data.sounds) == sounds
    with np.load(session.result.folder / "constraints.npz", allow_pickle=False) as archive:
        known = archive["mask"].any(axis=1)
        assert known[0]
        assert not known[13:20].any()
    frames = key_frames_of(next(iter(compat.curves_of(compat.current_action(settings.armature)))))
    assert {20.0, 32.0} <= set(np.round(frames, 3).tolist())


def test_keeping_selected_keys_needs_a_selection(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    settings = scene.diffgesture
    bpy.ops.diffgesture.generate()
    settings.regenerate = "KEYS"
    for curve in compat.curves_of(compat.current_action(settings.armature)):
        for point in curve.keyframe_points:
            point.select_control_point = False
    with pytest.raises(RuntimeError, match="Select the keyframes"):
        bpy.ops.diffgesture.regenerate()
    curve.keyframe_points[4].select_control_point = True
    assert bpy.ops.diffgesture.regenerate() == {"FINISHED"}
    assert session.result is not None
    assert session.result.action_name.endswith("around a pose")


def test_a_range_outside_of_the_speech_changes_nothing(worker_mode: Callable[[str], None], scene: Any) -> None:
    worker_mode("motion")
    settings = scene.diffgesture
    bpy.ops.diffgesture.generate()
    action = settings.armature.animation_data.action
    actions = len(bpy.data.actions)
    settings.regenerate_start, settings.regenerate_end = 2000, 2100
    with pytest.raises(RuntimeError, match="outside of the speech"):
        bpy.ops.diffgesture.regenerate()
    assert settings.armature.animation_data.action == action
    assert len(bpy.data.actions) == actions
    assert settings.armature.diffgesture.seed == 0


def test_a_control_that_is_switched_on_shows_the_models_own_value(scene: Any) -> None:
    settings = scene.diffgesture
    card = json.loads((ROOT / "backend" / "checkpoints" / "default.json").read_text(encoding="utf-8"))
    sampler = {**card, **card.get("sampler", {})}
    settings.use_guidance = settings.use_steps = True
    assert settings.guidance == pytest.approx(sampler["guidance"])
    assert settings.steps == sampler.get("steps", 8)


def command(blend: Path, *arguments: object) -> int:
    from diffgesture_blender.cli import command as cli

    bpy.ops.wm.open_mainfile(filepath=str(blend))
    return cli.main([str(part) for part in arguments])


def test_the_command_line_regenerates(
    worker_mode: Callable[[str], None],
    scene: Any,
    speech: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker_mode("motion")
    source, first, second = (tmp_path / f"{name}.blend" for name in ("source", "first", "second"))
    bpy.ops.wm.save_as_mainfile(filepath=str(source))
    common = ("generate", "--audio", speech)
    assert command(source, *common, "--output", first, "--amount", "head=0.5", "--rest-in", 1) == 0
    worker_mode("motion")
    report = tmp_path / "r.json"
    done = command(first, *common, "--output", second, "--regenerate", 20, 32, "--seed", 5, "--report", report)
    assert done == 0
    assert json.loads(report.read_text(encoding="utf-8"))["action"] == "spéech one seed 5 frames 20 to 32"
    assert len(bpy.data.actions) == 2
    capsys.readouterr()
    for blend, wrong, sentence in (
        (source, ("--regenerate", 20, 32), "no action"),
        (first, ("--regenerate", 32, 20), "empty"),
        (first, ("--regenerate", 20, 32, "--keep-poses", 20), "not both"),
        (first, ("--keep-poses", 20, "--preset", "reference"), "reference"),
        (first, ("--amount", "head"), "NAME=NUMBER"),
    ):
        assert command(blend, *common, "--output", second, *wrong) == 2
        assert sentence in capsys.readouterr().err
