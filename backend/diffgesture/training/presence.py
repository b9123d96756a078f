# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of ``model.speech_presence``: a minute on one core."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.speech_presence import DILATIONS, KERNEL
from ..speech.features import FEATURE_DIM, LEVELS

_WINDOW, _BATCH, _HIDDEN = 180, 24, 32
# To miss speech is worse than to hear some where there is none.
_MISSED_SPEECH: Final = 2.0


class PresenceNet(nn.Module):
    """What ``speech_presence`` computes, to be trained: (N, 28, T) to logits (N, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(FEATURE_DIM if k == 0 else _HIDDEN, _HIDDEN, KERNEL, padding=d * (KERNEL // 2), dilation=d)
            for k, d in enumerate(DILATIONS)
        )
        self.out = nn.Conv1d(_HIDDEN, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            y = F.relu(layer(x))
            x = y if number == 0 else x + y
        return self.out(x)[:, 0]


def train_presence(
    data: Sequence[tuple[np.ndarray, np.ndarray]],
    steps: int,
    seed: int,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Tensor]:
    """``data``: features (T, 28) and labels (T,). Returns what ``speech_presence`` reads, in half precision."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    features = np.concatenate([f for f, _ in data])
    mean, std = features.mean(0).astype(np.float16), (features.std(0) + 0.05).astype(np.float16)
    long = [(f, y) for f, y in data if len(f) >= _WINDOW]
    network = PresenceNet()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for step in range(1, steps + 1):
        x, y = _batch(long, mean.astype(np.float32), std.astype(np.float32), rng)
        weight = torch.tensor(_MISSED_SPEECH)
        loss = F.binary_cross_entropy_with_logits(network(x), y, pos_weight=weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plan.step()
        if step % 500 == 0:
            report(f"step {step}/{steps}  loss {loss.item():.4f}")
    state = {name: value.detach().half() for name, value in network.state_dict().items()}
    return {"mean": torch.from_numpy(mean), "std": torch.from_numpy(std), **state}


def _batch(
    data: Sequence[tuple[np.ndarray, np.ndarray]], mean: np.ndarray, std: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Standardised windows (N, 28, T) with jitter and at times a raised noise floor, and labels (N, T)."""
    windows, labels = [], []
    for _ in range(_BATCH):
        features, label = data[int(rng.integers(len(data)))]
        first = int(rng.integers(len(features) - _WINDOW + 1))
        window = features[first : first + _WINDOW].copy()
        if rng.random() < 0.4:
            window[:, LEVELS] = np.maximum(window[:, LEVELS], rng.uniform(-3.0, -1.5))
        windows.append(((window - mean) / std + rng.normal(0.0, 0.05, window.shape)).T)
        labels.append(label[first : first + _WINDOW])
    return torch.from_numpy(np.array(windows, np.float32)), torch.from_numpy(np.array(labels))
