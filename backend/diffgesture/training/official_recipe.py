# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the published network as published: noise prediction, 10 % null condition, seeds always given."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.dataset import Dataset
from ..data.published_windows import (
    all_windows,
    filtered_windows,
    window_audio,
    window_directions,
    window_samples,
)
from ..errors import ConfigError, DataError
from ..model.official import OfficialNetwork, encoder_frames
from ..model.saving import save_checkpoint
from ..motion.skeletons import SKELETONS
from ..sampling.reference import ReferenceSampling
from ..speech.features import SAMPLE_RATE
from .config import Config
from .recipe import ALL, Batch, Split


class WindowedData:
    """Windows of a dataset at a fixed stride, in the official axes, mean-subtracted.

    For training they are visited in a new random order every epoch. ``validates``: whether there are windows of
    validation takes; training windows never stand in for them.
    """

    def __init__(self, config: Config, dataset: Dataset):
        self.skeleton, self.dataset = SKELETONS[config.layout], dataset
        self._config = config
        self._orders: dict[tuple[int, int], np.ndarray] = {}
        windows = {split: filtered_windows(dataset, split, config.window) for split in ("train", "val")}
        if windows["train"] is not None and not len(windows["train"]):
            warnings.warn(f"The filters left no training window of {dataset.folder}: all are used.", stacklevel=2)
            windows = {"train": None, "val": None}
        self._windows = {
            split: all_windows(dataset, split, config.window, config.window_stride) if rows is None else rows
            for split, rows in windows.items()
        }
        if not len(self._windows["train"]):
            raise DataError(f"No training take of {dataset.folder} holds a window of {config.window} frames.")
        self.validates = len(self._windows["val"]) > 0
        if not self.validates:
            warnings.warn(
                f"No validation take of {dataset.folder} holds a window of {config.window} frames, so there is no"
                " validation loss.",
                stacklevel=2,
            )
        self.hours = self._count_hours()
        # A dataset in the public frame is turned back: official networks live in the official axes.
        public = dataset.card["frame"] == "public"
        self._signs = np.asarray(self.skeleton.native_to_public if public else (1, 1, 1), dtype=np.float32)
        self.mean = self._mean_direction()

    def _count_hours(self) -> float:
        """Of the training takes that hold a window; those that do not are told."""
        takes, used = self.dataset.takes, {int(index) for index in self._windows["train"][:, 0]}
        frames = {index: takes[index].frames for index in self.dataset.indices("train")}
        dropped = [count for index, count in frames.items() if index not in used]
        if dropped:
            warnings.warn(
                f"{len(dropped)} of {len(frames)} training takes"
                f" ({sum(dropped) / self._config.fps:.0f} s) hold"
                f" no window of {self._config.window} frames and are left out.",
                stacklevel=2,
            )
        return sum(count for index, count in frames.items() if index in used) / self._config.fps / 3600

    def _mean_direction(self) -> np.ndarray:
        """(D,) the configured mean, or that of up to 200,000 frames of the training takes."""
        config, directions = self._config, self.dataset.directions
        if config.mean_direction:
            mean = np.asarray(config.mean_direction, dtype=np.float32)
        else:
            takes = [self.dataset.takes[index] for index in self.dataset.indices("train")]
            frames = np.concatenate([np.arange(t.frame_offset, t.frame_offset + t.frames) for t in takes])
            picks = np.random.default_rng(0).permutation(frames)[:200_000]
            mean = (directions[np.sort(picks)].mean(axis=0) * self._signs).astype(np.float32).ravel()
        if mean.shape != (self.skeleton.pose_dim,):
            raise ConfigError(f"mean_direction needs {self.skeleton.pose_dim} numbers for {config.layout}.")
        return mean

    def rows(self, split: Split, size: int, step: int) -> np.ndarray:
        """(size, 3) windows of one step, epoch after epoch without repetition."""
        windows = self._windows[split]
        positions = np.arange(step * size, (step + 1) * size)
        epochs = positions // len(windows)
        order = {epoch: self._order(int(epoch), len(windows)) for epoch in np.unique(epochs)}
        return windows[[order[e][position % len(windows)] for e, position in zip(epochs, positions, strict=True)]]

    def _order(self, epoch: int, count: int) -> np.ndarray:
        """The random order of an epoch; the last ones asked for are kept."""
        key = (epoch, count)
        if key not in self._orders:
            order = np.random.default_rng((self._config.seed, 2, epoch)).permutation(count)
            self._orders = {**dict(list(self._orders.items())[-3:]), key: order}
        return self._orders[key]

    def poses(self, rows: np.ndarray) -> np.ndarray:
        """(windows, window, D) mean-subtracted directions in the official axes."""
        directions = window_directions(self.dataset, rows, self._config.window)
        return (directions * self._signs).reshape(len(rows), self._config.window, -1).astype(
            np.float32
        ) - self.mean

    def audio(self, rows: np.ndarray) -> np.ndarray:
        """(windows, samples) float32 speech."""
        return window_audio(self.dataset, rows, window_samples(self._config.window, self._config.fps))


class OfficialRecipe:
    """The published training step."""

    def __init__(self, config: Config, dataset: Dataset):
        self._config, self._data = config, WindowedData(config, dataset)
        schedule = ReferenceSampling().schedule_of(asdict(config.diffusion))
        self._steps = schedule.num_steps
        self._betas, self._alpha_bars = (torch.from_numpy(x) for x in (schedule.betas, schedule.alpha_bars))
        if config.window != (frames := config.model.get("window", 34)):
            raise ConfigError(f"'window' is {config.window}, but the network's ([model] window) {frames}.")
        check_window(config.window, config.fps)
        self.hours, self.validates = self._data.hours, self._data.validates

    def make_network(self) -> nn.Module:
        return OfficialNetwork(pose_dim=self._data.skeleton.pose_dim, **self._config.model)

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int, part: slice = ALL) -> Batch:
        rows = self._data.rows(split, size, step)
        poses, audio = self._data.poses(rows[part]), self._data.audio(rows[part])
        t = rng.integers(1, self._steps + 1, size)[part]
        noise = rng.standard_normal((size, *poses.shape[1:]), dtype=np.float32)[part]
        null = rng.random(size)[part] < self._config.null_probability
        return tuple(torch.from_numpy(array) for array in (poses, audio, t, noise, null))

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the noise estimate over all frames (official ``get_loss``)."""
        poses, audio, t, noise, null = batch
        if self._betas.device != poses.device:
            self._betas, self._alpha_bars = (table.to(poses.device) for table in (self._betas, self._alpha_bars))
        alpha_bar = self._alpha_bars[t].view(-1, 1, 1)
        noisy = alpha_bar.sqrt() * poses + (1 - alpha_bar).sqrt() * noise
        estimate = network(noisy, self._betas[t], seeds=self._seeds(poses), audio=audio, null=null)
        loss = (estimate - noise).square().mean()
        return loss, {"noise": loss.detach()}

    def _seeds(self, poses: Tensor) -> Tensor:
        """(B, N, D + 1): the first frames with their bit, zeros after."""
        seeds = poses.new_zeros(*poses.shape[:2], poses.shape[2] + 1)
        count = self._config.seed_frames
        seeds[:, :count, :-1], seeds[:, :count, -1] = poses[:, :count], 1
        return seeds

    def save(self, path: Path, state: dict[str, Tensor], training: dict[str, Any]) -> None:
        config = self._config
        network = self.make_network()
        network.load_state_dict(state)
        card = {
            "name": config.name,
            "layout": config.layout,
            "frame": "native",
            "fps": config.fps,
            "window": config.window,
            "overlap": config.overlap,
            "seed_frames": config.seed_frames,
            "network": "official",
            "hyperparameters": config.model,
            "diffusion": asdict(config.diffusion),
            "normalisation": {"mean": self._data.mean.tolist(), "std": [1.0] * len(self._data.mean)},
            "licence": config.licence,
            "training": training,
        }
        save_checkpoint(path, network, card, half=False)


def check_window(window: int, fps: float) -> None:
    """ConfigError for a window whose sound the published encoder does not turn into as many frames."""
    if fits(window, fps):
        return
    fitting = [frames for frames in range(2, 1000) if fits(frames, fps)]
    near = sorted(sorted(fitting, key=lambda frames: abs(frames - window))[:3])
    raise ConfigError(
        f"The published audio encoder does not give {window} frames for a window of {window} frames at"
        f" {fps:g} fps;"
        + (f" the nearest lengths that work are {', '.join(map(str, near))}." if near else " use 15 fps.")
    )


def fits(window: int, fps: float) -> bool:
    """In training samples are rounded, in long synthesis rounded down."""
    lengths = {window_samples(window, fps), int(window / fps * SAMPLE_RATE)}
    return all(encoder_frames(samples) == window for samples in lengths)
