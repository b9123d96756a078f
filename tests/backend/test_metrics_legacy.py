# SPDX-License-Identifier: GPL-3.0-or-later
"""The published metrics: the official vectors, and input that makes the official code fail."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import note_error
from diffgesture.evaluation import legacy_metrics as legacy
from diffgesture.evaluation.frechet import bootstrap_frechet, frechet_distance, split_floor
from diffgesture.model.autoencoder import MotionAE, autoencoder_loss
from diffgesture.model.conversion import convert
from diffgesture.model.embedding import load_autoencoder
from diffgesture.motion.skeletons import TED, TED_EXPRESSIVE

SKELETON = {"ted": TED, "expressive": TED_EXPRESSIVE}


def assert_close(name: str, ours, official, tolerance: float = 1e-4) -> None:
    """Largest error relative to the largest official value."""
    official = np.asarray(official, dtype=np.float64)
    error = float(np.abs(np.asarray(ours) - official).max() / max(float(np.abs(official).max()), 1e-12))
    note_error(name, error)
    assert error < tolerance, f"{name} is off by {error:.1e}"


@pytest.fixture(params=SKELETON)
def official(request, parity_folder: Path):
    kind = request.param
    vectors = np.load(parity_folder / f"metrics_{kind}.npz")
    settings = json.loads((parity_folder / f"metrics_{kind}.json").read_text())
    return kind, SKELETON[kind], vectors, settings


def test_parity_of_the_beat_settings(official):
    _, skeleton, _, settings = official
    ours = legacy.BEAT_SETTINGS[skeleton.name]
    assert [list(pair) for pair in ours.angle_pairs] == settings["angle_pair"]
    assert list(ours.change_angle) == settings["change_angle"]
    assert (legacy.SIGMA, ours.threshold) == (settings["sigma"], settings["thres"])


def test_parity_of_the_autoencoder_and_its_distances(official, parity_folder: Path, tmp_path: Path):
    kind, _, vectors, _ = official
    convert(parity_folder / f"official_autoencoder_{kind}.bin", tmp_path / "net.safetensors")
    autoencoder = load_autoencoder(tmp_path / "net.safetensors")
    features = {name: autoencoder.features(vectors[name]) for name in ("real", "generated")}
    for name, values in features.items():
        assert_close(f"{kind} features {name}", values, vectors[f"features_{name}"])
    reconstruction, _ = autoencoder.network(torch.from_numpy(vectors["real"]))
    assert_close(f"{kind} reconstruction", reconstruction.numpy(), vectors["recon_real"])
    assert_close(f"{kind} FGD", legacy.fgd(features["generated"], features["real"]), vectors["fgd"])
    distance = legacy.feature_distance(features["generated"], features["real"])
    assert_close(f"{kind} feature distance", distance, vectors["feat_distance"])
    batch_size, permutation = int(vectors["diversity_batch_size"]), vectors["diversity_permutation"]
    spread = legacy.diversity(features["generated"], batch_size, permutation)
    assert_close(f"{kind} diversity", spread, vectors["diversity"])


@pytest.mark.parametrize("name", ["real", "generated"])
def test_parity_of_beat_consistency(official, name: str):
    kind, skeleton, vectors, _ = official
    directions = vectors[name][:8] + vectors["mean_dir_vec"]
    change = legacy.angle_change(directions, skeleton)
    assert_close(f"{kind} angle change {name}", change, vectors[f"angle_change_{name}"])
    result = legacy.beat_consistency(directions, vectors["audio"].astype(np.float32), skeleton)
    assert_close(f"{kind} BC per clip {name}", result.per_window, vectors[f"bc_per_clip_{name}"])
    assert_close(f"{kind} BC {name}", result.score, vectors[f"bc_{name}"])


def test_parity_of_joint_errors(official):
    kind, skeleton, vectors, _ = official
    generated, real, mean = vectors["generated"], vectors["real"], vectors["mean_dir_vec"]
    ours = legacy.joint_mae(generated, real, mean, skeleton)
    assert_close(f"{kind} joint MAE", ours, vectors["joint_mae"])
    ours = legacy.acceleration_difference(generated, real, mean, skeleton)
    assert_close(f"{kind} acceleration difference", ours, vectors["accel_diff"])


def test_windows_without_beats_or_onsets_do_not_count():
    rng = np.random.default_rng(0)
    still = np.tile(rng.normal(size=27), (34, 1))
    moving = still + 0.1 * rng.normal(size=(34, 27))
    click = np.zeros(36_266, dtype=np.float32)
    click[16_000:16_200] = 0.5
    silence = np.zeros_like(click)
    result = legacy.beat_consistency(np.stack([still, moving, moving]), [click, silence, click], TED)
    assert np.isnan(result.per_window[:2]).all()
    assert result.score == pytest.approx(result.per_window[2])
    nothing = legacy.beat_consistency(np.stack([still, moving]), [click, silence], TED)
    assert nothing.score is None


def test_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(200_000, 3))
    b = 2 * rng.normal(size=(200_000, 3)) + [1, 0, 0]
    # |mu|^2 + sum (sigma_a - sigma_b)^2
    assert frechet_distance(a, b) == pytest.approx(1 + 3, abs=0.03)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="two samples"):
        frechet_distance(a[:1], b)


def test_floor_is_below_a_real_difference():
    rng = np.random.default_rng(1)
    same = [rng.normal(size=(20, 4)) for _ in range(12)]
    other = [1.5 + rng.normal(size=(20, 4)) for _ in range(12)]
    floor = split_floor(same)
    distance, low, high = bootstrap_frechet(other, same)
    assert low <= distance <= high
    assert floor is not None
    assert floor < low
    assert split_floor(same[:3]) is None


def test_autoencoder_learns_its_loss():
    torch.manual_seed(0)
    network = MotionAE(pose_dim=27, latent_dim=8)
    poses = torch.sin(torch.arange(34)[None, :, None] * 0.2 + torch.rand(16, 1, 27) * 6) * 0.3
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(30):
        loss = autoencoder_loss(network(poses)[0], poses, cosine_weight=0.001)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert autoencoder_loss(poses, poses).item() == 0
