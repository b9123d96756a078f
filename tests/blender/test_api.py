# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Gestures from a script."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

import diffgesture_blender
from diffgesture_blender.sound import sequencer
from diffgesture_blender.state.session import session


@pytest.fixture
def ann(worker_mode: Callable[[str], None], scene: Any) -> Any:
    worker_mode("motion")
    return scene.diffgesture.armature


def test_a_call_returns_what_was_made(ann: Any, speech: Path, tmp_path: Path) -> None:
    told = []
    keys = diffgesture_blender.KeyOptions(mode="REDUCED", max_error=2.0)
    result = diffgesture_blender.generate(
        ann, speech, seed=7, frame_start=31, keys=keys, on_progress=lambda fraction, text: told.append(text)
    )
    assert ann.animation_data.action == result.action
    assert (result.armature, result.seed, result.frame_start, result.family) == (ann, 7, 31, "Mixamo")
    assert result.num_keys > 0
    assert result.save_motion(tmp_path / "m.npz").stat().st_size > 0
    assert told
    assert sequencer.sound_strips(bpy.context.scene) == []  # a script asks for the sound if it wants it


def test_ten_calls_need_one_backend(ann: Any, speech: Path) -> None:
    pids = set()
    for seed in range(3):
        diffgesture_blender.generate(ann, str(speech), seed=seed)
        pids.add(session.backend._client.pid)
    assert len(pids) == 1


def test_the_armature_may_be_in_another_scene(ann: Any, speech: Path) -> None:
    other = bpy.data.scenes.new("Other")
    bpy.context.scene.collection.objects.unlink(ann)
    other.collection.objects.link(ann)
    other.frame_start = 77
    assert diffgesture_blender.generate(ann, speech).frame_start == 77


def test_sounds_and_speakers_speak(ann: Any, speech: Path) -> None:
    sound = bpy.data.sounds.load(str(speech))
    assert diffgesture_blender.generate(ann, sound).action.name.startswith("spéech one")
    bpy.ops.object.speaker_add()
    speaker = bpy.context.object
    speaker.data.sound = sound
    assert diffgesture_blender.generate(ann, speaker).warnings == ()


@pytest.mark.parametrize("audio", ["nothing.wav", 7, None])
def test_bad_audio_is_a_sentence(ann: Any, audio: object) -> None:
    with pytest.raises(diffgesture_blender.DiffGestureError, match=r"There is no audio file|is not audio"):
        diffgesture_blender.generate(ann, audio)
    assert ann.animation_data is None


@pytest.mark.parametrize(
    ("settings", "words"), [({"colour": 1}, "no control colour"), ({"intensity": 9}, "must be from 0")]
)
def test_bad_settings_are_a_sentence(ann: Any, speech: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(diffgesture_blender.DiffGestureError, match=words):
        diffgesture_blender.generate(ann, speech, **settings)
    assert ann.animation_data is None


def test_a_failing_backend_is_a_sentence(ann: Any, worker_mode: Callable[[str], None], speech: Path) -> None:
    worker_mode("refuse")
    with pytest.raises(diffgesture_blender.DiffGestureError, match="too short") as caught:
        diffgesture_blender.generate(ann, speech)
    assert caught.value.hint == "Record more."
    assert ann.animation_data is None
