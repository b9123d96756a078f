# SPDX-License-Identifier: GPL-3.0-or-later
"""A part generated anew by the bundled network on the mannequin: kept outside, new inside, no jump between."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
bpy = pytest.importorskip("bpy")
pytest.importorskip("torch")

START, END = 100, 180


def poses(rig: object, frames: np.ndarray) -> np.ndarray:
    """(F, bones, 4) rotations of the evaluated pose."""
    result = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        result.append([tuple(bone.matrix.to_quaternion()) for bone in evaluated.pose.bones])
    return np.array(result)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(F,) degrees between the poses, of the bone that differs most."""
    sine = np.minimum(np.linalg.norm(one - other, axis=-1), np.linalg.norm(one + other, axis=-1)) / 2
    return np.degrees(4 * np.arcsin(np.clip(sine, 0, 1))).max(axis=1)


def test_a_range_is_generated_anew_and_joins_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (ROOT / "backend" / "checkpoints" / "default.safetensors").is_file():
        pytest.skip("there is no trained checkpoint in backend/checkpoints")
    import diffgesture_blender

    monkeypatch.setenv("DIFFGESTURE_PYTHON", sys.executable)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    diffgesture_blender.register()
    try:
        from diffgesture_blender.state.session import session

        bpy.ops.diffgesture.add_mannequin()
        settings = bpy.context.scene.diffgesture
        settings.audio_path = str(ROOT / "demo" / "speech.flac")
        bpy.ops.diffgesture.generate()
        frames = np.arange(50, 240)
        before = poses(settings.armature, frames)
        settings.regenerate_start, settings.regenerate_end = START, END
        assert bpy.ops.diffgesture.regenerate() == {"FINISHED"}
        assert session.problem is None
        after = poses(settings.armature, frames)
    finally:
        diffgesture_blender.unregister()
    outside = (frames <= START) | (frames >= END)
    assert apart(after, before)[outside].max() < 0.3
    assert apart(after, before)[~outside].max() > 15
    speed, usual = apart(after[1:], after[:-1]), apart(before[1:], before[:-1])
    seams = [np.flatnonzero(frames == frame)[0] for frame in (START, END)]
    assert max(speed[seam - 2 : seam + 2].max() for seam in seams) < 1.3 * usual.max()
    assert speed.max() < 1.8 * usual.max()
