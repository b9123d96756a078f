# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the published autoencoders that the Fréchet gesture distance is measured with."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.dataset import Dataset
from ..errors import ConfigError
from ..model.autoencoder import AUTOENCODERS, WINDOW, autoencoder_loss
from ..model.embedding import save_autoencoder
from .config import Config
from .official_recipe import WindowedData
from .recipe import ALL, Batch, Split


class AutoencoderRecipe:
    """Reconstruction of windows of mean-subtracted directions: L1 of poses and of their frame differences."""

    def __init__(self, config: Config, dataset: Dataset):
        self._config, self._data = config, WindowedData(config, dataset)
        self.hours, self.validates = self._data.hours, self._data.validates
        if config.window != WINDOW:
            raise ConfigError(f"'window' must be {WINDOW} for '{config.network}', not {config.window}.")

    def make_network(self) -> nn.Module:
        return AUTOENCODERS[self._config.network](pose_dim=self._data.skeleton.pose_dim, **self._config.model)

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int, part: slice = ALL) -> Batch:
        return (torch.from_numpy(self._data.poses(self._data.rows(split, size, step)[part])),)

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        (poses,) = batch
        reconstruction, _ = network(poses)
        mean = autoencoder_loss(reconstruction, poses, cosine_weight=self._config.cosine_weight) / len(poses)
        # The published loss is the sum over the (global) batch.
        return mean * self._config.batch_size, {"reconstruction": mean.detach()}

    def save(self, path: Path, state: dict[str, Tensor], training: dict[str, Any]) -> None:
        config = self._config
        network = self.make_network()
        network.load_state_dict(state)
        card = {
            "name": config.name,
            "network": config.network,
            "layout": config.layout,
            "frame": "native",
            "fps": config.fps,
            "window": config.window,
            "mean": self._data.mean.tolist(),
            "licence": config.licence,
            "training": training,
            **config.model,
        }
        save_autoencoder(path, network, card)
