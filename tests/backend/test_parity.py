# SPDX-License-Identifier: GPL-3.0-or-later
"""Vectors computed with the official algorithm are reproduced (the largest errors end the report)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import note_error
from diffgesture.model.official import OfficialNetwork
from diffgesture.motion.skeletons import (
    TED,
    TED_EXPRESSIVE,
    directions_to_joints,
    joints_to_directions,
)
from diffgesture.sampling.reference import linear_schedule, sample_ddpm
from diffgesture.sampling.windows import (
    count_sequential_windows,
    official_audio_window,
    official_fade_out,
    sequential_windows,
)

KINDS = ("ted", "expressive")
SKELETON = {"ted": TED, "expressive": TED_EXPRESSIVE}


def assert_close(name: str, ours: np.ndarray, official: np.ndarray, tolerance: float = 1e-4) -> None:
    """Largest error relative to the official value's spread."""
    error = float(np.abs(np.asarray(ours) - official).max() / max(float(np.std(official)), 1e-12))
    note_error(name, error)
    assert error < tolerance, f"{name} is off by {error:.1e} of its spread"


class RecordedNoise:
    def __init__(self, vectors):
        self._own = vectors["sample_own_noise"].astype(np.float32)
        self._shared = vectors["sample_shared_noise"].astype(np.float32)

    def own(self, t, shape):
        return np.broadcast_to(self._own[t], shape)

    def shared(self, t, shape):
        return np.broadcast_to(self._shared[t], shape)


@pytest.fixture(params=KINDS)
def denoiser(request, parity_folder: Path):
    kind = request.param
    vectors = np.load(parity_folder / f"denoiser_{kind}.npz")
    settings = json.loads((parity_folder / f"denoiser_{kind}.json").read_text())
    network = OfficialNetwork(
        pose_dim=settings["pose_dim"],
        hidden_dim=settings["diff_hidden_dim"],
        block_depth=settings["block_depth"],
    )
    names = [name for name in vectors.files if name.startswith("state/") and "var_sched" not in name]
    network.load_state_dict({name[6:]: torch.from_numpy(vectors[name]) for name in names})
    audio = torch.from_numpy(vectors["audio"].astype(np.float32))
    seeds = torch.from_numpy(vectors["pre_seq"]).float()
    return kind, vectors, network, audio, seeds


def test_parity_of_the_schedule(denoiser):
    kind, vectors, *_ = denoiser
    for name, table in vars(linear_schedule()).items():
        assert_close(f"{kind} {name}", table, vectors[f"schedule_{name}"])


@torch.no_grad()
def test_parity_of_the_networks(denoiser):
    kind, vectors, network, audio, seeds = denoiser
    assert_close(
        f"{kind} audio, batch statistics", network.train().audio_encoder(audio), vectors["audio_feat_train_mode"]
    )
    assert_close(
        f"{kind} audio, as published",
        network.batch_context(seeds, audio)[..., -32:],
        vectors["audio_feat_train_mode"],
    )
    # Running the encoder in training mode has moved its running statistics: put the recorded ones back.
    for name, buffer in network.named_buffers():
        buffer.copy_(torch.from_numpy(vectors[f"state/{name}"]))
    network.eval()
    assert_close(f"{kind} audio, eval", network.audio_encoder(audio), vectors["audio_feat_eval"])
    beta = torch.from_numpy(linear_schedule().betas[vectors["t"]])
    x_t = torch.from_numpy(vectors["x_t"])
    context = network.context(seeds, audio)
    assert_close(f"{kind} eps_cond", network.noise(x_t, beta, context), vectors["eps_cond"])
    null = network.null_cond_emb.expand_as(context)
    assert_close(f"{kind} eps_uncond", network.noise(x_t, beta, null), vectors["eps_uncond"])


@torch.no_grad()
def test_parity_of_the_loss(denoiser):
    kind, vectors, network, audio, seeds = denoiser
    schedule, t = linear_schedule(), vectors["t"]
    alpha_bars, betas = torch.from_numpy(schedule.alpha_bars), torch.from_numpy(schedule.betas)
    noise, target = torch.from_numpy(vectors["loss_noise"]), torch.from_numpy(vectors["target"])
    alpha_bar = alpha_bars[t].view(-1, 1, 1)
    noisy = alpha_bar.sqrt() * target + (1 - alpha_bar).sqrt() * noise
    estimate = network.eval()(noisy, betas[t], seeds=seeds, audio=audio)
    loss = torch.nn.functional.mse_loss(estimate, noise).item()
    note_error(f"{kind} loss", abs(loss / float(vectors["loss"]) - 1))
    assert loss == pytest.approx(float(vectors["loss"]), rel=1e-4)


@torch.no_grad()
def test_parity_of_a_whole_chain(denoiser):
    kind, vectors, network, audio, seeds = denoiser
    schedule = linear_schedule(int(vectors["sample_num_steps"]))
    noise = network.eval().bind(seeds[:1].numpy(), audio[:1].numpy())
    result = sample_ddpm(
        lambda x, t: noise(x, schedule.betas[t], 1.15),
        vectors["sample_x_T"].astype(np.float32),
        schedule,
        RecordedNoise(vectors),
    )
    assert_close(f"{kind} chain of {schedule.num_steps}", result, vectors["sample_x_0"], 1e-3)


@pytest.mark.parametrize("case", "abcd")
@pytest.mark.parametrize("kind", KINDS)
def test_parity_of_long_synthesis(kind: str, case: str, parity_folder: Path):
    vectors = np.load(parity_folder / f"longform_{kind}.npz")
    audio, expected = vectors[f"{case}/audio"].astype(np.float32), vectors[f"{case}/output"]
    dims = expected.shape[1]
    count = count_sequential_windows(len(audio) / 16_000, 15, 34, 4)
    assert count == int(vectors[f"{case}/num_windows"])
    time, ramp = np.arange(34)[:, None] / 34, np.linspace(-1, 1, dims)
    padding = 0

    def sample_window(index, seed):
        nonlocal padding
        samples, padding = official_audio_window(
            audio, index, fps=15, window=34, seed_frames=4, sample_rate=16_000
        )
        pre_seq = np.zeros((34, dims + 1))
        if seed is not None:
            pre_seq[:4, :-1], pre_seq[:4, -1] = seed, 1
        level = np.abs(samples[: 34 * 1066]).reshape(34, 1066).mean(axis=1)[:, None]
        y = 0.3 * np.sin(6.283 * (time + 0.1 * ramp)) + level * ramp + 0.5 * pre_seq[3, :-1]
        return (y + 0.05 * pre_seq[:, -1].sum()).astype(np.float32)

    seed = vectors[f"{case}/seed"] if f"{case}/seed" in vectors.files else None
    clip = sequential_windows(sample_window, count, 4, seed)
    if vectors[f"{case}/fade_out"]:
        clip = official_fade_out(clip, padding, 15, 4, 16_000)
    assert_close(f"{kind} long form {case}", clip, expected, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_parity_of_directions_and_joints(kind: str, parity_folder: Path):
    skeleton = SKELETON[kind]
    vectors = np.load(parity_folder / f"metrics_{kind}.npz")
    directions = (vectors["generated"][:8] + vectors["mean_dir_vec"]).reshape(8, 34, -1, 3)
    joints = directions_to_joints(directions, skeleton)
    assert_close(f"{kind} joints", joints, vectors["joints_generated"], 1e-5)
    back = joints_to_directions(vectors["joints_generated"], skeleton)
    assert_close(f"{kind} directions", back, vectors["dir_vec_roundtrip"], 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_public_frame_is_left_up_forward(kind: str, parity_folder: Path):
    """The mean official pose, turned to the public frame: left shoulder at +x, spine up, nose forward."""
    skeleton = SKELETON[kind]
    mean = np.load(parity_folder / f"data_{kind}.npz")["mean_dir_vec"].reshape(-1, 3)
    public = skeleton.to_public(mean)
    assert public[skeleton.bone("neck", "left_shoulder"), 0] > 0.8
    assert public[skeleton.bone("neck", "right_shoulder"), 0] < -0.8
    assert public[skeleton.bone("spine", "neck"), 1] > 0.8
    assert public[skeleton.bone("neck", "nose"), 2] > 0.3
    assert np.allclose(skeleton.to_native(public), mean)
