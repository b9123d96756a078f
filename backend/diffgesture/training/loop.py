# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop.

All randomness of step ``n`` is seeded by (seed, n), so a resumed run draws what the uninterrupted one would have
drawn and ends with the same weights.
"""

import dataclasses
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checkpoint import save_checkpoint
from ..errors import DataError
from ..networks.masked import MaskedPoseTransformer
from ..skeletons import SKELETONS, normalize
from .batches import BatchMaker, Normalisation, Takes, collect_takes
from .config import Config
from .loss import bone_weights, diffusion_loss
from .state import ExponentialMovingAverage, load_state, save_state

_VALIDATION_BATCHES = 4


@dataclass
class Run:
    """What a finished (or interrupted) run has to say."""

    step: int
    validation_loss: float
    checkpoint: Path


def train(
    config: Config,
    training: list[tuple[np.ndarray, np.ndarray]],
    validation: list[tuple[np.ndarray, np.ndarray]],
    folder: Path,
    *,
    provenance: dict[str, Any],
    resume: bool = False,
    device: torch.device | str = "cpu",
    report: Callable[[str], None] = print,
) -> Run:
    """Train on (audio, directions (T, B, 3)) pairs; write state and checkpoint into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    skeleton = SKELETONS[config.layout]
    report(f"reading {len(training)} training and {len(validation)} validation takes")
    takes = collect_takes(training, config.fps)
    if (takes.lengths < config.window).all():
        raise DataError(f"No take is as long as one window of {config.window} frames.")
    norm = Normalisation.measure(takes, config.fps)
    batches = BatchMaker(takes, norm, skeleton, config.window, config.augment)
    held_out = BatchMaker(collect_takes(validation, config.fps), norm, skeleton, config.window, config.augment)
    torch.manual_seed(config.seed)
    model = dataclasses.asdict(config.model)
    network = MaskedPoseTransformer(pose_dim=skeleton.pose_dim, **model).to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    ema = ExponentialMovingAverage(network, config.ema_decay)
    step = load_state(folder, network, ema, optimizer)["step"] if resume else 0
    weights = bone_weights(skeleton, config.loss).to(device)
    parameters = sum(value.numel() for value in network.parameters())
    report(f"{takes.frames / config.fps / 3600:.2f} h, {parameters / 1e6:.2f} M parameters, from step {step}")

    def losses(maker: BatchMaker, rng_key: tuple[int, ...], net: torch.nn.Module):
        rng = np.random.default_rng(rng_key)
        batch = maker.draw(rng, config.batch_size)
        # Stratified times: every batch sees all noise levels.
        strata = (np.arange(config.batch_size) + rng.random(config.batch_size)) / config.batch_size
        times = torch.from_numpy(0.001 + 0.998 * strata).float()
        torch.manual_seed(int(rng.integers(2**31)))
        noise = torch.randn(batch.poses.shape)
        batch = type(batch)(*(value.to(device) for value in vars(batch).values()))
        return diffusion_loss(
            net,
            batch,
            times.to(device),
            noise.to(device),
            weights=weights,
            velocity_weight=config.loss.velocity,
        )

    def validate() -> float:
        network_state = {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(ema.shadow)
        network.eval()
        with torch.inference_mode():
            values = [losses(held_out, (config.seed, 1, k), network)[0].item() for k in range(_VALIDATION_BATCHES)]
        network.train()
        network.load_state_dict(network_state)
        return float(np.mean(values))

    def save() -> Run:
        save_state(folder, network, ema, optimizer, {"step": step})
        loss = validate()
        path = folder / "model.safetensors"
        card = checkpoint_card(
            config,
            norm,
            takes,
            step=step,
            loss=loss,
            provenance={**provenance, "parameters": parameters},
        )
        best = MaskedPoseTransformer(pose_dim=skeleton.pose_dim, **model)
        best.load_state_dict({name: value.cpu() for name, value in ema.shadow.items()})
        save_checkpoint(path, best, card)
        report(f"step {step}: saved; validation loss {loss:.4f}")
        return Run(step, loss, path)

    stopping = _StopOnSignal()
    network.train()
    started = saved = reported = time.monotonic()
    averages: dict[str, float] = {}
    reported_step = step
    while step < config.steps and not stopping.requested:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        loss, parts = losses(batches, (config.seed, 0, step), network)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm_value = torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimizer.step()
        step += 1
        ema.update(network, step)
        for name, value in {**parts, "gradient": float(norm_value)}.items():
            averages[name] = value if name not in averages else 0.98 * averages[name] + 0.02 * value
        now = time.monotonic()
        if now - reported > 20 or step == config.steps:
            rate = (step - reported_step) / (now - reported)
            left = (config.steps - step) / max(rate, 1e-9) / 60
            shown = "  ".join(f"{name} {value:.4f}" for name, value in averages.items())
            report(f"step {step}/{config.steps}  {shown}  {rate:.2f} steps/s  {left:.0f} min left")
            reported, reported_step = now, step
        if now - saved > config.save_minutes * 60:
            save()
            saved = time.monotonic()
    result = save()
    report(f"{'stopped' if stopping.requested else 'done'} after {(time.monotonic() - started) / 60:.1f} min")
    return result


def learning_rate(config: Config, step: int) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


def checkpoint_card(
    config: Config, norm: Normalisation, takes: Takes, *, step: int, loss: float, provenance: dict[str, Any]
) -> dict[str, Any]:
    """Everything that synthesis and a reader of the file need to know."""

    def numbers(values: np.ndarray) -> list[float]:
        return [round(float(value), 6) for value in values.reshape(-1)]

    return {
        "name": config.name,
        "layout": config.layout,
        "frame": "public",
        "fps": config.fps,
        "window": config.window,
        "overlap": config.overlap,
        "seed_frames": config.seed_frames,
        "network": "masked_pose_transformer",
        "hyperparameters": dataclasses.asdict(config.model),
        "normalisation": {"mean": numbers(norm.pose_mean), "std": numbers(norm.pose_std)},
        "features": {
            "mean": numbers(norm.feature_mean),
            "std": numbers(norm.feature_std),
            "silence": numbers(norm.silence),
        },
        "rest_directions": rest_pose(takes).round(5).tolist(),
        "licence": config.licence,
        "training": {
            "steps": step,
            "batch_size": config.batch_size,
            "hours": round(takes.frames / config.fps / 3600, 3),
            "validation_loss": round(loss, 5),
            "config": dataclasses.asdict(config),
            **provenance,
        },
    }


def rest_pose(takes: Takes) -> np.ndarray:
    """(B, 3) mean unit directions of the frames whose surroundings are quietest (lowest 10 % of loudness)."""
    loudness = takes.features[:, 20:24].mean(axis=1)
    around = np.convolve(loudness, np.ones(15) / 15, mode="same")
    quiet = around <= np.percentile(around, 10)
    return normalize(takes.poses[quiet].reshape(int(quiet.sum()), -1, 3).mean(axis=0).astype(np.float64))


class _StopOnSignal:
    """Ctrl-C (or a polite kill) ends the run after the current step; a second one ends it at once."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: Any) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
