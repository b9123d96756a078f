# SPDX-License-Identifier: GPL-3.0-or-later
"""The trainer learns, stops, goes on exactly where it stopped, and refuses wrong configurations."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, babble
from diffgesture.errors import CheckpointError, ConfigError
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.motion.skeletons import TED_EXPRESSIVE, neutral_directions, normalize
from diffgesture.training.batches import mirror_bones, mirror_poses
from diffgesture.training.config import Config, load_config
from diffgesture.training.distributed import Group
from diffgesture.training.loop import train
from diffgesture.training.masked_recipe import MaskedRecipe

SMALL = Config(
    layout="ted_expressive",
    window=30,
    overlap=6,
    steps=6,
    batch_size=4,
    warmup_steps=2,
    model={"hidden_dim": 24, "depth": 1, "num_heads": 2},
)


def take(seed: int, seconds: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Speech and arms that rise with its loudness."""
    audio = babble(seconds, seed)
    frames = round(seconds * 15)
    level = np.abs(audio[: frames * 1066]).reshape(frames, 1066).mean(axis=1)
    swing = np.convolve(level, np.ones(5) / 5, mode="same") * 8
    directions = np.tile(neutral_directions(TED_EXPRESSIVE), (frames, 1, 1))
    directions[:, :, 1] += swing[:, None] - 0.5
    return audio, normalize(directions).astype(np.float32)


def run(config: Config, folder: Path, **options):
    takes = [take(seed) for seed in range(3)]
    recipe = MaskedRecipe(config, takes, takes[:1])
    return train(config, recipe, folder, Group(0, 1, torch.device("cpu")), report=lambda line: None, **options)


def weights(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path / "state.safetensors")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_resumed_run_ends_with_the_same_weights_bit_for_bit(optimizer: str, tmp_path: Path):
    # All six steps lie in the warm-up, so the plan does not depend on where the first run stops.
    config = dataclasses.replace(SMALL, warmup_steps=6, optimizer=optimizer)
    run(config, tmp_path / "whole")
    run(dataclasses.replace(config, steps=3), tmp_path / "parts")
    assert run(config, tmp_path / "parts", resume=True).step == 6
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    other = run(dataclasses.replace(config, seed=1), tmp_path / "other").checkpoint.parent
    assert not all(torch.equal(whole[name], weights(other)[name]) for name in whole)


def test_loss_falls_and_the_checkpoint_speaks(tmp_path: Path):
    config = dataclasses.replace(SMALL, steps=150, batch_size=8, learning_rate=3e-3, warmup_steps=10)
    before = run(dataclasses.replace(config, steps=1), tmp_path / "before").validation_loss
    result = run(config, tmp_path / "after")
    assert result.validation_loss < 0.6 * before
    checkpoint = load_checkpoint(result.checkpoint)
    motion = generate(babble(3.0), checkpoint, Settings()).motion
    assert motion.directions.shape == (45, 42, 3)
    assert checkpoint.card.training["steps"] == 150


def test_fine_tuning_starts_from_the_checkpoint_and_keeps_its_scales(tmp_path: Path):
    first = run(dataclasses.replace(SMALL, steps=40, learning_rate=3e-3), tmp_path / "first")
    start = load_checkpoint(first.checkpoint)
    takes = [take(seed, 4.0) for seed in (7, 8)]
    recipe = MaskedRecipe(dataclasses.replace(SMALL, model={}, steps=1), takes, takes, start)
    result = train(
        dataclasses.replace(SMALL, model={}, steps=1, learning_rate=1e-6, warmup_steps=1),
        recipe,
        tmp_path / "second",
        Group(0, 1, torch.device("cpu")),
        report=lambda line: None,
    )
    tuned = load_checkpoint(result.checkpoint)
    assert tuned.card.data["normalisation"] == start.card.data["normalisation"]
    assert tuned.card.data["streams"] == start.card.data["streams"]
    for name, value in tuned.network.state_dict().items():
        torch.testing.assert_close(value, start.network.state_dict()[name], atol=2e-3, rtol=0)


def test_resume_without_a_state_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(SMALL, tmp_path, resume=True)


def test_shipped_configurations_are_valid():
    for path in (ROOT / "backend" / "configs").glob("*.toml"):
        assert load_config(path).layout in ("ted", "ted_expressive")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('layout = "ted"\nwindows = 3', "unknown key 'windows'"),
        ('layout = "ted"\n[loss]\nwidth = 3', "unknown key 'loss.width'"),
        ('layout = "smpl"', "'layout' must be one of"),
        ('layout = "ted"\nsteps = 0', "'steps' must be positive"),
        ('layout = "ted"\nsteps = "many"', "'steps' must be int"),
        ("steps = 3", "layout"),
        ("layout = ", "not valid TOML"),
    ],
)
def test_wrong_configurations_name_file_and_key(tmp_path: Path, text: str, words: str):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(path)


def test_mirroring_twice_changes_nothing_and_once_swaps_the_arms():
    bones = mirror_bones(TED_EXPRESSIVE)
    poses = np.random.default_rng(0).normal(size=(5, 126)).astype(np.float32)
    assert np.array_equal(mirror_poses(mirror_poses(poses, bones), bones), poses)
    left = TED_EXPRESSIVE.bone("left_shoulder", "left_elbow")
    right = TED_EXPRESSIVE.bone("right_shoulder", "right_elbow")
    mirrored = mirror_poses(poses, bones).reshape(5, 42, 3)
    assert np.array_equal(mirrored[:, right], poses.reshape(5, 42, 3)[:, left] * [-1, 1, 1])
    neutral = neutral_directions(TED_EXPRESSIVE)
    assert np.allclose(mirror_poses(neutral.reshape(1, -1), bones), neutral.reshape(1, -1), atol=1e-6)
