# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the published network as published: noise prediction, 10 % null condition, seeds always given."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.dataset import Dataset
from ..errors import ConfigError, DataError
from ..model.official import OfficialNetwork
from ..model.saving import save_checkpoint
from ..motion.skeletons import SKELETONS
from ..sampling.reference import linear_schedule
from ..speech.features import SAMPLE_RATE
from .config import Config
from .recipe import Batch, Split


class WindowedData:
    """Windows of a dataset at a fixed stride, in the official axes, mean-subtracted.

    For training they are visited in a new random order every epoch.
    """

    def __init__(self, config: Config, dataset: Dataset):
        self.skeleton, self.dataset = SKELETONS[config.layout], dataset
        self._config = config
        self._orders: dict[tuple[int, int], np.ndarray] = {}
        self._windows = {split: self._list_windows(split, dataset.windows) for split in ("train", "val")}
        if not len(self._windows["train"]) and dataset.windows is not None:
            warnings.warn(f"The filters left no training window of {dataset.folder}: all are used.", stacklevel=2)
            self._windows = {split: self._list_windows(split, None) for split in ("train", "val")}
        if not len(self._windows["train"]):
            raise DataError(f"No take of {dataset.folder} holds a window of {config.window} frames.")
        if not len(self._windows["val"]):
            self._windows["val"] = self._windows["train"]
        frames = sum(dataset.takes[index].frames for index in dataset.indices("train"))
        self.hours = frames / config.fps / 3600
        # A dataset in the public frame is turned back: official networks live in the official axes.
        public = dataset.card["frame"] == "public"
        self._signs = np.asarray(self.skeleton.native_to_public if public else (1, 1, 1), dtype=np.float32)
        self.mean = self._mean_direction()

    def _mean_direction(self) -> np.ndarray:
        """(D,) the configured mean, or that of up to 200,000 frames."""
        config, directions = self._config, self.dataset.directions
        if config.mean_direction:
            mean = np.asarray(config.mean_direction, dtype=np.float32)
        else:
            picks = np.random.default_rng(0).permutation(len(directions))[:200_000]
            mean = (directions[np.sort(picks)].mean(axis=0) * self._signs).astype(np.float32).ravel()
        if mean.shape != (self.skeleton.pose_dim,):
            raise ConfigError(f"mean_direction needs {self.skeleton.pose_dim} numbers for {config.layout}.")
        return mean

    def _list_windows(self, split: str, picked: np.ndarray | None) -> np.ndarray:
        """(windows, 3): take, first frame and first audio sample in the take.

        ``picked`` is the list that an importer's filters have left; without it, every ``window_stride`` frames.
        """
        config, takes, rows = self._config, self.dataset.takes, [np.zeros((0, 3), dtype=int)]
        if picked is not None:
            inside = np.array([take.split == split for take in takes])
            frames = np.array([take.frames for take in takes])
            index, firsts = picked[:, 0], picked[:, 1]
            return np.asarray(picked[inside[index] & (firsts + config.window <= frames[index])])
        for index in self.dataset.indices(split):
            firsts = np.arange(0, takes[index].frames - config.window + 1, config.window_stride)
            samples = np.round(firsts / config.fps * SAMPLE_RATE).astype(int)
            rows.append(np.stack([np.full(len(firsts), index), firsts, samples], axis=1))
        return np.concatenate(rows)

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
        window = self._config.window
        firsts = [self.dataset.takes[take].frame_offset + first for take, first, _ in rows]
        directions = np.stack([self.dataset.directions[first : first + window] for first in firsts])
        if not np.isfinite(directions).all():
            row = int(np.flatnonzero(~np.isfinite(directions).all(axis=(1, 2, 3)))[0])
            take = self.dataset.takes[rows[row][0]].name
            raise DataError(f"{self.dataset.folder / 'directions.npy'}: take '{take}' contains NaN or infinity.")
        return (directions * self._signs).reshape(len(rows), window, -1).astype(np.float32) - self.mean


class OfficialRecipe:
    """The published training step."""

    def __init__(self, config: Config, dataset: Dataset):
        self._config, self._data = config, WindowedData(config, dataset)
        schedule = linear_schedule()
        self._steps = schedule.num_steps
        self._betas, self._alpha_bars = (torch.from_numpy(x) for x in (schedule.betas, schedule.alpha_bars))
        if config.window != (frames := config.model.get("window", 34)):
            raise ConfigError(f"'window' is {config.window}, but the network's ([model] window) {frames}.")
        self.hours = self._data.hours
        # Rounded, unlike in long synthesis: as the official loader does.
        self._samples = round(config.window / config.fps * SAMPLE_RATE)

    def make_network(self) -> nn.Module:
        return OfficialNetwork(pose_dim=self._data.skeleton.pose_dim, **self._config.model)

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int) -> Batch:
        rows = self._data.rows(split, size, step)
        poses = self._data.poses(rows)
        audio = np.stack([self._window_audio(int(take), int(sample)) for take, _, sample in rows])
        t = rng.integers(1, self._steps + 1, size)
        noise = rng.standard_normal(poses.shape, dtype=np.float32)
        null = rng.random(size) < self._config.null_probability
        return tuple(torch.from_numpy(array) for array in (poses, audio, t, noise, null))

    def _window_audio(self, take_index: int, first_sample: int) -> np.ndarray:
        take = self._data.dataset.takes[take_index]
        start = take.sample_offset + first_sample
        samples = self._data.dataset.audio[start : min(start + self._samples, take.sample_offset + take.samples)]
        # The official preprocessor mirrors what is missing at the end of a take.
        missing = self._samples - len(samples)
        return np.pad(samples.astype(np.float32) / 32768, (0, missing), mode="symmetric")

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
            "normalisation": {"mean": self._data.mean.tolist(), "std": [1.0] * len(self._data.mean)},
            "licence": config.licence,
            "training": training,
        }
        save_checkpoint(path, network, card, half=False)
