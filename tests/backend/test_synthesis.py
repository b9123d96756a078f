# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech to motion, with a tiny network: length, unit norm, determinism, controls, both presets."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import ROOT, babble
from diffgesture.errors import ConfigError
from diffgesture.generation.synthesis import Settings, generate, noise_seed
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.official import OfficialNetwork
from diffgesture.model.saving import save_checkpoint
from diffgesture.motion.bvh import bvh_text
from diffgesture.motion.skeletons import TED, TED_EXPRESSIVE, directions_to_joints, neutral_directions


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path):
    return load_checkpoint(tiny_checkpoint)


@pytest.mark.parametrize("preset", ["default", "reference"])
@pytest.mark.parametrize("seconds", [0.2, 1.99, 2.0, 5.03, 13.7])
def test_motion_is_as_long_as_the_speech_and_of_unit_directions(checkpoint, preset: str, seconds: float):
    result = generate(babble(seconds), checkpoint, Settings(preset=preset, steps=3))
    assert result.motion.directions.shape == (round(seconds * 15), 42, 3)
    lengths = np.linalg.norm(result.motion.directions, axis=-1)
    assert np.abs(lengths - 1).max() < 1e-5


def test_same_seed_same_motion_other_seed_other_motion(checkpoint):
    speech = babble(4.0)
    first, again, other = (
        generate(speech, checkpoint, Settings(seed=seed, steps=4)).motion.directions for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.05


def test_motion_depends_on_the_speech(checkpoint):
    first, second = (
        generate(babble(4.0, seed), checkpoint, Settings(steps=4)).motion.directions for seed in (1, 2)
    )
    assert np.abs(first - second).max() > 0.01


def test_one_seed_gives_two_recordings_different_noise_and_an_addition_none():
    speech, other = babble(6.0), babble(6.0, seed=1)

    def draw(audio: np.ndarray, seed: int = 3) -> int:
        return noise_seed(audio, seed)

    assert draw(speech) == draw(speech) == draw(np.concatenate([speech, other]))
    assert len({draw(speech), draw(other), draw(speech, 4)}) == 3


def test_silence_is_a_note_and_not_an_error(checkpoint):
    result = generate(np.zeros(32_000, dtype=np.float32), checkpoint, Settings(steps=2))
    assert "rests" in result.warnings[0]


def test_guidance_one_is_the_conditional_estimate_and_more_changes_it(checkpoint):
    speech = babble(3.0)
    plain, one, two = (
        generate(speech, checkpoint, Settings(steps=3, guidance=w)).motion.directions for w in (None, 1.0, 2.0)
    )
    assert np.array_equal(plain, one)
    assert np.abs(one - two).max() > 1e-3


@pytest.mark.parametrize(
    "wrong", [{"preset": "fast"}, {"steps": 0}, {"steps": 5000}, {"guidance": -1.0}, {"intensity": 9.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict):
    with pytest.raises(ConfigError):
        Settings(**wrong)


def test_official_network_runs_in_both_presets_and_comes_out_upright(tmp_path: Path):
    """A TED network whose estimates are zero noise ends near the data mean: spine up in the public frame."""
    torch.manual_seed(0)
    hyper = {"hidden_dim": 16, "block_depth": 2}
    network = OfficialNetwork(pose_dim=27, **hyper)
    mean = TED.to_native(neutral_directions(TED)).ravel()
    card = {
        "layout": "ted",
        "frame": "native",
        "fps": 15.0,
        "window": 34,
        "overlap": 8,
        "seed_frames": 4,
        "network": "official",
        "hyperparameters": hyper,
        "normalisation": {"mean": (mean * 50).tolist(), "std": [1.0] * 27},
    }
    save_checkpoint(tmp_path / "o.safetensors", network, card)
    official = load_checkpoint(tmp_path / "o.safetensors")
    for preset in ("default", "reference"):
        motion = generate(babble(5.0), official, Settings(preset=preset, steps=3)).motion
        assert motion.directions.shape == (75, 9, 3)
        assert motion.directions[:, TED.bone("spine", "neck"), 1].mean() > 0.7


def read_bvh(text: str):
    """A second reader: joint positions (T, J, 3) in centimetres by plain forward kinematics, and joint names."""
    from scipy.spatial.transform import Rotation

    head, motion = text.split("MOTION")
    names, parents, offsets, stack = [], [], [], []
    for line in head.splitlines():
        words = line.split()
        if words[:1] in (["ROOT"], ["JOINT"]):
            names.append(words[1])
            parents.append(stack[-1] if stack else -1)
            pending = len(names) - 1
        elif words[:1] == ["End"]:
            pending = -2
        elif words[:1] == ["{"]:
            stack.append(pending)
        elif words[:1] == ["}"]:
            stack.pop()
        elif words[:1] == ["OFFSET"] and stack[-1] >= 0:
            offsets.append([float(word) for word in words[1:]])
    rows = np.array([[float(w) for w in line.split()] for line in motion.strip().splitlines()[2:]])
    angles = rows[:, 3:].reshape(len(rows), -1, 3)
    turns, positions = {}, np.zeros((len(rows), len(names), 3))
    for joint, parent in enumerate(parents):
        local = Rotation.from_euler("ZXY", angles[:, joint], degrees=True)
        turns[joint] = local if parent < 0 else turns[parent] * local
        if parent >= 0:
            positions[:, joint] = positions[:, parent] + turns[parent].apply(offsets[joint])
    return names, positions


def test_bvh_shows_the_same_arms_in_another_reader(checkpoint):
    motion = generate(babble(3.0), checkpoint, Settings(steps=4)).motion
    names, positions = read_bvh(bvh_text(motion))
    assert sorted(names) == sorted(TED_EXPRESSIVE.joint_names)
    expected = directions_to_joints(motion.directions.astype(float), TED_EXPRESSIVE) * 100
    for bone in (("left_shoulder", "left_elbow"), ("right_elbow", "right_wrist"), ("left_index1", "left_index2")):
        ours = [positions[:, names.index(name)] for name in bone]
        theirs = [expected[:, TED_EXPRESSIVE.joint_names.index(name)] for name in bone]
        assert np.abs((ours[1] - ours[0]) - (theirs[1] - theirs[0])).max() < 0.05


def run_generate(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "backend" / "generate.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_command_line_writes_the_motion_file(tiny_checkpoint: Path, speech_file: Path, tmp_path: Path):
    output = tmp_path / "m.npz"
    run = run_generate(
        *(str(speech_file), "-o", str(output), "--bvh", str(tmp_path / "m.bvh")),
        *("--checkpoint", str(tiny_checkpoint), "--variations", "2", "--seed", "3", "--json"),
    )
    assert run.returncode == 0, run.stderr
    summary = json.loads(run.stdout)
    assert summary["seeds"] == [3, 4]
    motion = np.load(tmp_path / "m_2.npz", allow_pickle=False)
    assert motion["directions"].shape == (round(7.3 * 15), 42, 3)
    assert motion["directions"].dtype == np.float32
    assert float(motion["fps"]) == 15
    assert str(motion["layout"]) == "ted_expressive"
    assert int(motion["seed"]) == 4
    assert float(motion["audio_seconds"]) == pytest.approx(7.3)
    assert motion["bone_pairs"].shape == (42, 2)
    assert len(motion["joint_names"]) == 43
    assert (tmp_path / "m_1.bvh").read_text().startswith("HIERARCHY")


@pytest.mark.parametrize("wrong", ["audio", "checkpoint", "folder", "option", "device"])
def test_command_line_refuses_bad_input_with_one_line(wrong: str, tiny_checkpoint: Path, tmp_path: Path):
    speech = tmp_path / "s.wav"
    soundfile.write(speech, babble(1.0), 16_000)
    arguments = {
        "audio": ["nothing.wav", "-o", str(tmp_path / "m.npz")],
        "checkpoint": [str(speech), "-o", str(tmp_path / "m.npz"), "--checkpoint", "nothing.safetensors"],
        "folder": [str(speech), "-o", str(tmp_path / "no" / "m.npz"), "--checkpoint", str(tiny_checkpoint)],
        "option": [str(speech), "-o", str(tmp_path / "m.npz"), "--steps", "0"],
        "device": [str(speech), "-o", str(tmp_path / "m.npz"), "--device", "cuda:9"],
    }[wrong]
    run = run_generate(*arguments)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert len(run.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "m.npz").exists()


def test_guidance_costs_only_the_steps_it_is_used_in(checkpoint, monkeypatch: pytest.MonkeyPatch):
    """One call of the network in a step, two where guidance acts."""
    calls = []
    original = type(checkpoint.network).forward
    monkeypatch.setattr(
        type(checkpoint.network), "forward", lambda self, *given: (calls.append(1), original(self, *given))[1]
    )

    def count(limits: tuple[float, float] | None, guidance: float) -> int:
        calls.clear()
        sampler = checkpoint.card.sampler
        if limits:
            sampler = dataclasses.replace(sampler, guidance_log_snr=limits)
        generate(babble(2.0), checkpoint.with_card(sampler=sampler), Settings(steps=10, guidance=guidance))
        return len(calls)

    assert count(None, 1.0) == 10
    assert count(None, 1.5) == 20
    assert 10 < count((-2.0, 2.0), 1.5) < 20
    assert count((50.0, 60.0), 1.5) == 10


def test_a_closed_pipe_is_no_error(tiny_checkpoint: Path, speech_file: Path, tmp_path: Path) -> None:
    """``generate.py --json | head -c 1``: the reader has gone when the result is printed."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, ROOT / "backend" / "generate.py", speech_file, "-o", tmp_path / "m.npz"]
    command += ["--checkpoint", tiny_checkpoint, "--steps", "2", "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, "internal error" in done.stderr) == (0, False), done.stderr
