# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of our own network: clean poses from noisy ones, under random masks."""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError
from ..model.checkpoint import Checkpoint
from ..model.conditioning import condition_dim, streams_on_card
from ..model.masked import MaskedPoseTransformer
from ..model.saving import save_checkpoint
from ..motion.skeletons import SKELETONS, Skeleton, normalize
from ..speech.features import LOUDNESS
from .batches import BatchMaker, Normalisation, Takes, bone_groups, collect_takes
from .config import Config, LossConfig
from .recipe import ALL, Batch, Split

Pairs = list[tuple[np.ndarray, np.ndarray]]
SHORTEST_WINDOW: Final = 18
"""Frames that a window needs for its random masks."""
Streams = Mapping[str, Sequence[Mapping[str, np.ndarray]]]


class MaskedRecipe:
    """Pairs are (audio (samples,), directions (T, B, 3) in the public frame).

    ``columns`` names further streams with their columns, and ``streams`` gives them for each take of "train" and
    "val".

    ``start`` is a checkpoint to go on from (fine-tuning): its network, its weights and its normalisation. Streams
    that it lacks are added to its inputs with weights of zero.
    """

    def __init__(
        self,
        config: Config,
        training: Pairs,
        validation: Pairs,
        start: Checkpoint | None = None,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        streams: Streams | None = None,
    ):
        columns, streams = columns or {}, streams or {}
        self._config, self._skeleton, self._start = config, SKELETONS[config.layout], start
        self._takes = collect_takes(training, config.fps, streams.get("train", ()))
        if (self._takes.lengths < config.window).all():
            raise DataError(f"No take is as long as one window of {config.window} frames.")
        if start:
            self._norm = Normalisation.of_card(start.card).with_streams(columns, self._takes)
        else:
            self._norm = Normalisation.measure(self._takes, config.fps, columns)
        model = dict(start.card.hyperparameters) if start else config.model
        self._model = {**model, "condition_dim": condition_dim(self._norm.streams)}
        self.hours = usable_frames(self._takes, config) / config.fps / 3600
        self._makers = {
            "train": BatchMaker(self._takes, self._norm, self._skeleton, config.window, config.augment)
        }
        held_out = collect_takes(validation, config.fps, streams.get("val", ())) if validation else None
        window = validation_window(held_out, config.window)
        self.validates = window > 0
        if held_out is not None and window > 0:
            self._makers["val"] = BatchMaker(held_out, self._norm, self._skeleton, window, config.augment)
        self._weights = bone_weights(self._skeleton, config.loss)

    def make_network(self) -> nn.Module:
        network = MaskedPoseTransformer(pose_dim=self._skeleton.pose_dim, **self._model)
        if self._start:
            state = dict(self._start.network.state_dict())
            # Conditions are the last inputs: new ones begin without any effect.
            weight = state["linear.weight"]
            missing = network.linear.in_features - weight.shape[1]
            state["linear.weight"] = torch.nn.functional.pad(weight, (0, missing))
            network.load_state_dict(state)
        return network

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int, part: slice = ALL) -> Batch:
        maker = self._makers[split]
        batch = maker.draw(rng, size, part)
        # Stratified times: every batch sees all noise levels.
        strata = (np.arange(size) + rng.random(size)) / size
        times = torch.from_numpy(0.001 + 0.998 * strata[part]).float()
        noise = rng.standard_normal((size, maker.window, self._skeleton.pose_dim), dtype=np.float32)
        return (*batch, times, torch.from_numpy(noise[part]))

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted squared error of the clean-pose estimate and of its frame differences.

        Cosine variance-preserving process: ``x_t = cos(pi t / 2) x_0 + sin(pi t / 2) noise``.
        """
        poses, known, mask, conditions, times, noise = batch
        angle = times.view(-1, 1, 1) * (math.pi / 2)
        noisy = torch.cos(angle) * poses + torch.sin(angle) * noise
        log_snr = -2 * torch.log(torch.tan(times * (math.pi / 2)))
        error = network(noisy, log_snr, known, mask, conditions) - poses
        weights = self._weights.to(error.device)
        pose_loss = (error.square() * weights).mean()
        velocity_loss = (error.diff(dim=1).square() * weights).mean()
        loss = pose_loss + self._config.loss.velocity * velocity_loss
        return loss, {"pose": pose_loss.detach(), "velocity": velocity_loss.detach()}

    def save(self, path: Path, state: dict[str, Tensor], training: dict[str, Any]) -> None:
        config, norm = self._config, self._norm
        network = self.make_network()
        network.load_state_dict(state)
        card = {
            "name": config.name,
            "layout": config.layout,
            "frame": "public",
            "fps": config.fps,
            "window": config.window,
            "overlap": config.overlap,
            "seed_frames": config.seed_frames,
            "sampler": {
                "guidance": config.guidance,
                **({"guidance_log_snr": config.guidance_log_snr} if config.guidance_log_snr else {}),
                **config.sampler,
            },
            "network": "masked_pose_transformer",
            "hyperparameters": self._model,
            "normalisation": {"mean": _numbers(norm.pose_mean), "std": _numbers(norm.pose_std)},
            **streams_on_card(norm.streams),
            "rest_directions": rest_pose(self._takes).round(5).tolist(),
            "licence": config.licence,
            "training": training,
        }
        save_checkpoint(path, network, card)


def usable_frames(takes: Takes, config: Config) -> int:
    """Frames of the takes that hold a window; a note tells of those that do not."""
    short = takes.lengths[takes.lengths < config.window]
    if len(short):
        warnings.warn(
            f"{len(short)} of {len(takes.lengths)} training takes ({short.sum() / config.fps:.0f} s) are"
            f" shorter than a window of {config.window} frames and are left out.",
            stacklevel=3,
        )
    return takes.frames - int(short.sum())


def validation_window(takes: Takes | None, window: int) -> int:
    """Frames of the windows that the validation loss is taken on; 0: there is none.

    Where no held-out take is as long as a window, shorter ones are taken: the network knows no fixed length.
    """
    longest = 0 if takes is None else int(takes.lengths.max())
    if longest >= window:
        return window
    if longest < SHORTEST_WINDOW:
        what = "are no validation takes" if takes is None else f"is no validation take of {SHORTEST_WINDOW} frames"
        warnings.warn(f"There {what}, so there is no validation loss.", stacklevel=3)
        return 0
    warnings.warn(
        f"No validation take is as long as a window of {window} frames; the validation loss is taken on windows of"
        f" {longest}.",
        stacklevel=3,
    )
    return longest


def bone_weights(skeleton: Skeleton, config: LossConfig) -> Tensor:
    """(D,) weights with mean 1. Without them three quarters of the loss would be fingers."""
    weights = np.ones(skeleton.num_bones)
    for group, bones in bone_groups(skeleton).items():
        weights[bones] = getattr(config, group.split()[0])
    return torch.from_numpy(np.repeat(weights / weights.mean(), 3)).float()


def rest_pose(takes: Takes) -> np.ndarray:
    """(B, 3) mean unit directions of the frames whose surroundings are quietest (lowest 10 % of loudness)."""
    loudness = takes.features[:, LOUDNESS].mean(axis=1)
    around = np.convolve(loudness, np.ones(15) / 15, mode="same")
    quiet = around <= np.percentile(around, 10)
    return normalize(takes.poses[quiet].reshape(int(quiet.sum()), -1, 3).mean(axis=0).astype(np.float64))


def _numbers(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values.reshape(-1)]
