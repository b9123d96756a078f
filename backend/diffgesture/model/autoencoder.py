# SPDX-License-Identifier: GPL-3.0-or-later
"""The two published motion autoencoders whose features the Fréchet gesture distance is measured in.

``EmbeddingNet`` (Yoon et al. 2020, pose mode) belongs to TED Gesture, ``MotionAE`` (Liu et al. 2022) to TED
Expressive. Parameter names are the official ones, so official weights load. Kept as published: the fully connected
layers are joined by ``LeakyReLU(True)``, whose slope is 1, so they compose to one linear map.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW: Final = 34
_CONV_OUTPUTS: Final = 12 * 32
"""34 frames leave 12 time steps after the encoder's convolutions."""


def _identity() -> nn.Module:
    return nn.LeakyReLU(1.0)


def _conv_block(inputs: int, outputs: int, *, downsample: bool = False) -> nn.Sequential:
    kernel, stride = (4, 2) if downsample else (3, 1)
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, kernel, stride=stride), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.2)
    )


class _Encoder(nn.Module):
    """(N, 34, D) to (N, outputs)."""

    def __init__(self, pose_dim: int, outputs: int):
        super().__init__()
        self.net = nn.Sequential(
            _conv_block(pose_dim, 32),
            _conv_block(32, 64),
            _conv_block(64, 64, downsample=True),
            nn.Conv1d(64, 32, 3),
        )
        self.out_net = nn.Sequential(
            nn.Linear(_CONV_OUTPUTS, 256),
            nn.BatchNorm1d(256),
            _identity(),
            nn.Linear(256, 128),
            nn.BatchNorm1d(128),
            _identity(),
            nn.Linear(128, outputs),
        )

    def forward(self, poses: Tensor) -> Tensor:
        return self.out_net(self.net(poses.transpose(1, 2)).flatten(1))


class _VariationalEncoder(_Encoder):
    """The encoder of ``EmbeddingNet``: mean and log-variance on top of 32 outputs; the mean is the feature."""

    def __init__(self, pose_dim: int, latent_dim: int):
        super().__init__(pose_dim, 32)
        self.fc_mu = nn.Linear(32, latent_dim)
        self.fc_logvar = nn.Linear(32, latent_dim)

    def forward(self, poses: Tensor) -> Tensor:
        return self.fc_mu(super().forward(poses))


class _Decoder(nn.Module):
    """(N, latent) to (N, 34, D)."""

    def __init__(self, pose_dim: int, latent_dim: int):
        super().__init__()
        self.pre_net = nn.Sequential(
            nn.Linear(latent_dim, 64), nn.BatchNorm1d(64), _identity(), nn.Linear(64, 4 * WINDOW)
        )
        self.net = nn.Sequential(
            nn.ConvTranspose1d(4, 32, 3),
            nn.BatchNorm1d(32),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose1d(32, 32, 3),
            nn.BatchNorm1d(32),
            nn.LeakyReLU(0.2),
            nn.Conv1d(32, 32, 3),
            nn.Conv1d(32, pose_dim, 3),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.net(self.pre_net(features).view(len(features), 4, -1)).transpose(1, 2)


class EmbeddingNet(nn.Module):
    """The TED Gesture autoencoder in pose mode (32 features), official names ``pose_encoder`` and ``decoder``.

    Speech and text branches of the official class take no part in the metric and are left out.
    """

    def __init__(self, *, pose_dim: int, latent_dim: int = 32):
        super().__init__()
        self.pose_encoder = _VariationalEncoder(pose_dim, latent_dim)
        self.decoder = _Decoder(pose_dim, latent_dim)

    def features(self, poses: Tensor) -> Tensor:
        """(N, 34, D) mean-subtracted directions to (N, latent)."""
        return self.pose_encoder(poses)

    def forward(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction (N, 34, D) and features (N, latent)."""
        features = self.features(poses)
        return self.decoder(features), features


class MotionAE(nn.Module):
    """The TED Expressive autoencoder (128 features), official names ``encoder`` and ``decoder``."""

    def __init__(self, *, pose_dim: int, latent_dim: int = 128):
        super().__init__()
        self.encoder = _Encoder(pose_dim, latent_dim)
        self.decoder = _Decoder(pose_dim, latent_dim)

    def features(self, poses: Tensor) -> Tensor:
        """(N, 34, D) mean-subtracted directions to (N, latent)."""
        return self.encoder(poses)

    def forward(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction (N, 34, D) and features (N, latent)."""
        features = self.features(poses)
        return self.decoder(features), features


AUTOENCODERS: Final[dict[str, type[EmbeddingNet] | type[MotionAE]]] = {
    "embedding_net": EmbeddingNet,
    "motion_ae": MotionAE,
}


def autoencoder_loss(reconstruction: Tensor, poses: Tensor, *, cosine_weight: float = 0.0) -> Tensor:
    """The published training loss of both: L1 of poses plus L1 of frame differences, summed over the batch.

    Both arguments are (N, 34, D). ``cosine_weight`` is 0 for TED and 0.001 for TED Expressive, where one minus the
    cosine of every direction is added (Yoon et al. 2020, ``train_feature_extractor.py``; Liu et al. 2022).
    """
    pose_error = (reconstruction - poses).abs().mean(dim=(1, 2))
    speed_error = (reconstruction.diff(dim=1) - poses.diff(dim=1)).abs().mean(dim=(1, 2))
    loss = (pose_error + speed_error).sum()
    if cosine_weight:
        cosine = F.cosine_similarity(reconstruction.unflatten(-1, (-1, 3)), poses.unflatten(-1, (-1, 3)), dim=-1)
        loss = loss + cosine_weight * torch.sum(1 - cosine)
    return loss
