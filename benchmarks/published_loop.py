# SPDX-License-Identifier: GPL-3.0-or-later
"""The published training loop, re-written from its description, to measure against.

Sources: ``train_ted.py``, ``train_eval/train_diffusion.py``, ``data_loader/lmdb_data_loader.py``,
``model/pose_diffusion.py``, ``model/diffusion_net.py`` of the official repository, and timm's transformer block of
that time. What is done in every step is done here in the same order; nothing is copied.

One thing cannot be run any more: samples lay in an LMDB, each packed by pyarrow 0.14. Here they lie in one
memory-mapped file, each packed by pickle, which unpacks such a list at least as fast.
"""

import mmap
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffgesture.data.dataset import Dataset
from diffgesture.model.official import OfficialNetwork, _Attention
from diffgesture.motion.skeletons import directions_to_joints
from diffgesture.sampling.reference import linear_schedule
from diffgesture.training.config import Config
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

SAMPLE_FRAMES = 42
"""Frames of a stored sample: 34 and a margin of a quarter."""
_SPECTROGRAM_BANDS, _HOP, _BLOCK, _RATE = 128, 512, 1024, 16_000


def spectrogram_frames(frames: int, fps: float) -> int:
    """Columns of the stored (and never used) spectrogram of so many poses."""
    return round((frames / fps * _RATE - _BLOCK) / _HOP + 1)


def write_samples(dataset: Dataset, stride: int, mean: np.ndarray, path: Path) -> None:
    """Every window of 42 frames as the published preprocessing stores it: words, poses, directions, audio, …"""
    rng = np.random.default_rng(0)
    length = int(SAMPLE_FRAMES / dataset.fps * _RATE)
    offsets = [0]
    with path.open("wb") as file:
        for index in dataset.indices("train"):
            audio, directions = dataset.take(index)
            native = dataset.skeleton.to_native(directions.astype(np.float64))
            for first in range(0, len(directions) - SAMPLE_FRAMES + 1, stride):
                start, end = first / dataset.fps, (first + SAMPLE_FRAMES) / dataset.fps
                sample = native[first : first + SAMPLE_FRAMES]
                sound = audio[round(start * _RATE) :][:length]
                columns = spectrogram_frames(SAMPLE_FRAMES, dataset.fps)
                content = [
                    [["word", start + 0.3 * k, start + 0.3 * k + 0.2] for k in range(8)],
                    directions_to_joints(sample, dataset.skeleton),
                    sample - mean.reshape(-1, 3),
                    np.pad(sound, (0, length - len(sound)), mode="symmetric").astype(np.float16),
                    rng.normal(size=(_SPECTROGRAM_BANDS, columns)).astype(np.float16),
                    {
                        "vid": dataset.takes[index].name,
                        "start_frame_no": first,
                        "end_frame_no": first + SAMPLE_FRAMES,
                        "start_time": start,
                        "end_time": end,
                        "is_correct_motion": True,
                        "filtering_message": "PASS",
                    },
                ]
                file.write(pickle.dumps(content, protocol=5))
                offsets.append(file.tell())
    np.save(path.with_suffix(".npy"), np.array(offsets))


class PublishedSamples(torch.utils.data.Dataset):
    """One sample at a time, with all the tensors that the published loader makes of it, needed or not."""

    def __init__(self, path: Path, window: int, fps: float):
        self._path, self._window = path, window
        self._offsets = np.load(path.with_suffix(".npy"))
        self._samples = round(window / fps * _RATE)
        self._columns = spectrogram_frames(window, fps)
        self._vocabulary = {"word": 3}
        self._map: mmap.mmap | None = None

    def __len__(self) -> int:
        """As many as TED Gesture has; the stored ones come again and again."""
        return 199_680

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        index %= len(self._offsets) - 1
        if self._map is None:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        begin, end = self._offsets[index : index + 2]
        words, poses, directions, audio, spectrogram, about = pickle.loads(self._map[begin:end])
        window = self._window
        seconds = (about["end_time"] - about["start_time"]) * window / len(directions)
        audio = np.pad(audio, (0, max(0, self._samples - len(audio))), mode="symmetric")[: self._samples]
        text, timed = [1], np.zeros(window)
        for word, start, _ in words:
            place = max(0, int(np.floor((start - about["start_time"]) / (seconds / window))))
            if place < window:
                timed[place] = self._vocabulary[word]
                text.append(self._vocabulary[word])
        arrays = (poses[:window].reshape(window, -1), directions[:window].reshape(window, -1), audio)
        return (
            torch.Tensor([*text, 2]).long(),
            torch.Tensor(timed).long(),
            *(torch.from_numpy(array.copy()).float() for array in (*arrays, spectrogram[:, : self._columns])),
            about,
        )


def collate(samples: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Everything but the words of unequal length becomes a batch."""
    _, *columns = zip(*samples, strict=True)
    return tuple(default_collate(column) for column in columns)


class _PublishedAttention(_Attention):
    """Attention of timm at that time: scores, softmax, weighted sum, each an operation of its own."""

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, dim = x.shape
        packed = self.qkv(x).reshape(batch, frames, 3, self.num_heads, dim // self.num_heads)
        q, k, v = packed.permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q @ k.transpose(-2, -1)) * (dim // self.num_heads) ** -0.5).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, frames, dim))


def published_network(config: Config, pose_dim: int) -> OfficialNetwork:
    """The same parameters as ours, computed with the published operations."""
    network = OfficialNetwork(pose_dim=pose_dim, **config.model)
    for module in network.modules():
        if isinstance(module, _Attention):
            module.__class__ = _PublishedAttention
        if isinstance(module, nn.Conv1d):
            module.__class__ = nn.Conv1d
    return network


class PublishedLoop:
    """Network, optimiser and loader of the published program."""

    def __init__(self, config: Config, pose_dim: int, samples: Path, workers: int, device: torch.device):
        torch.manual_seed(config.seed)
        self._config, self._device = config, device
        self.network = published_network(config, pose_dim).to(device)
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, betas=(config.betas[0], config.betas[1])
        )
        schedule = linear_schedule()
        self._alpha_bars, self._betas = (
            torch.from_numpy(x).to(device) for x in (schedule.alpha_bars, schedule.betas)
        )
        self._samples, self._workers = samples, workers

    def batches(self, workers: int | None = None) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch."""
        config = self._config
        return iter(
            DataLoader(
                PublishedSamples(self._samples, config.window, config.fps),
                batch_size=config.batch_size,
                shuffle=True,
                drop_last=True,
                num_workers=self._workers if workers is None else workers,
                pin_memory=self._device.type == "cuda",
                collate_fn=collate,
            )
        )

    def step(self, batch: tuple[Any, ...]) -> float:
        """One published training step; its loss."""
        _, _, target, audio, _, _ = batch
        audio, target = audio.to(self._device), target.to(self._device)
        seeds = target.new_zeros(*target.shape[:2], target.shape[2] + 1)
        seeds[:, : self._config.seed_frames, :-1] = target[:, : self._config.seed_frames]
        seeds[:, : self._config.seed_frames, -1] = 1
        self._optimizer.zero_grad()
        self.network.train()
        loss = self._loss(target, seeds, audio)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10)
        self._optimizer.step()
        return loss.item()

    def _loss(self, target: Tensor, seeds: Tensor, audio: Tensor) -> Tensor:
        network = self.network
        context = torch.cat([seeds, network.audio_encoder(audio)], dim=2)
        null = torch.zeros(len(target), device=target.device).uniform_(0, 1) < self._config.null_probability
        nothing = network.null_cond_emb.repeat(context.shape[1], 1).unsqueeze(0)
        context = torch.where(null[:, None, None], nothing, context)
        t = np.random.choice(np.arange(1, len(self._betas)), len(target)).tolist()
        alpha_bar, beta = self._alpha_bars[t].view(-1, 1, 1), self._betas[t]
        noise = torch.randn_like(target)
        noisy = torch.sqrt(alpha_bar) * target + torch.sqrt(1 - alpha_bar) * noise
        return F.mse_loss(network.noise(noisy, beta, context), noise)
