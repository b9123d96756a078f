# SPDX-License-Identifier: GPL-3.0-or-later
"""Gestures from trimodal context (Yoon et al. 2020): speech, words and a speaker's style into a recurrent network.

Written from the paper's shapes; parameters carry the published names, so that published weights can be converted.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from .official import AUDIO_DIM, WavEncoder

TEXT_DIM: Final = 32
STYLE_DIM: Final = 16


class Generated(NamedTuple):
    """Poses (B, N, D) and the style they were made in: sample, mean and log-variance (B, 16)."""

    poses: Tensor
    style: Tensor
    mean: Tensor
    log_variance: Tensor


class _CausalBlock(nn.Module):
    """Two dilated convolutions that see the past alone, with a residual (Bai et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, dilation: int, dropout: float):
        super().__init__()
        self.reach, self.dropout = dilation, dropout
        self.conv1 = weight_norm(nn.Conv1d(inputs, outputs, 2, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(outputs, outputs, 2, dilation=dilation))
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for convolution in (self.conv1, self.conv2):
            h = F.dropout(F.relu(convolution(F.pad(h, (self.reach, 0)))), self.dropout, self.training)
        return F.relu(h + (x if self.downsample is None else self.downsample(x)))


class _CausalNet(nn.Module):
    def __init__(self, inputs: int, hidden: int, layers: int, dropout: float):
        super().__init__()
        blocks = [_CausalBlock(inputs if k == 0 else hidden, hidden, 2**k, dropout) for k in range(layers)]
        self.network = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


class TextEncoder(nn.Module):
    """Word indices of each frame (B, N), 0 for none, to (B, N, 32)."""

    def __init__(self, words: int, embedding_dim: int, hidden: int, layers: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(words, embedding_dim)
        self.tcn = _CausalNet(embedding_dim, hidden, layers, dropout)
        self.decoder = nn.Linear(hidden, TEXT_DIM)
        nn.init.normal_(self.decoder.weight, std=0.01)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, words: Tensor) -> Tensor:
        embedded = F.dropout(self.embedding(words), 0.1, self.training)
        return self.decoder(self.tcn(embedded.transpose(1, 2)).transpose(1, 2))


class PoseGenerator(nn.Module):
    """Seed poses with their bit (B, N, D + 1), audio features (B, N, 32), words and speakers to poses (B, N,
    D).
    """

    def __init__(
        self,
        *,
        pose_dim: int,
        words: int,
        speakers: int,
        hidden_dim: int = 300,
        layers: int = 4,
        embedding_dim: int = 300,
        dropout: float = 0.3,
    ):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.text_encoder = TextEncoder(words, embedding_dim, hidden_dim, layers, dropout)
        self.speaker_embedding = nn.Sequential(nn.Embedding(speakers, STYLE_DIM), nn.Linear(STYLE_DIM, STYLE_DIM))
        self.speaker_mu = nn.Linear(STYLE_DIM, STYLE_DIM)
        self.speaker_logvar = nn.Linear(STYLE_DIM, STYLE_DIM)
        inputs = pose_dim + 1 + AUDIO_DIM + TEXT_DIM + STYLE_DIM
        self.gru = nn.GRU(inputs, hidden_dim, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.out = nn.Sequential(
            nn.Linear(hidden_dim, hidden_dim // 2),
            nn.LeakyReLU(self._slope()),
            nn.Linear(hidden_dim // 2, pose_dim),
        )

    @staticmethod
    def _slope() -> float:
        """``LeakyReLU(True)`` as published, which is the identity."""
        return 1.0

    def decode(
        self, pre_seq: Tensor, features: Tensor, words: Tensor, speakers: Tensor, noise: Tensor | None = None
    ) -> Generated:
        """``noise`` (B, 16) draws the style about its mean; without it the mean is taken."""
        embedded = self.speaker_embedding(speakers)
        mean, log_variance = self.speaker_mu(embedded), self.speaker_logvar(embedded)
        style = mean if noise is None else mean + noise * torch.exp(0.5 * log_variance)
        everywhere = style.unsqueeze(1).expand(-1, pre_seq.shape[1], -1)
        inputs = torch.cat([pre_seq, features, self.text_encoder(words), everywhere], dim=2)
        both = self.gru(inputs)[0]
        hidden = both[..., : self.hidden_dim] + both[..., self.hidden_dim :]
        return Generated(self.out(hidden), style, mean, log_variance)


class TrimodalNetwork(PoseGenerator):
    """The whole generator: raw speech through the convolutional encoder that DiffGesture took over from it."""

    def __init__(self, *, pose_dim: int, window: int = 34, seed_frames: int = 4, **settings: int | float):
        super().__init__(pose_dim=pose_dim, **settings)  # type: ignore[arg-type]
        self.pose_dim, self.window, self.seed_frames = pose_dim, window, seed_frames
        self.audio_encoder = WavEncoder()

    @staticmethod
    def prepare_audio(samples: np.ndarray) -> np.ndarray:
        """(B, samples) as the network takes them."""
        return np.asarray(samples, dtype=np.float32)

    def forward(
        self, pre_seq: Tensor, audio: Tensor, words: Tensor, speakers: Tensor, noise: Tensor | None = None
    ) -> tuple[Generated, list[Tensor]]:
        """What was generated; and the poses of coarser levels, of which there are none."""
        return self.decode(pre_seq, self.audio_encoder(audio), words, speakers, noise), []


class Discriminator(nn.Module):
    """Poses (B, N, D) to the chance (B, 1) that a person made them."""

    def __init__(self, pose_dim: int, window: int = 34):
        super().__init__()
        self.pre_conv = nn.Sequential(
            nn.Conv1d(pose_dim, 16, 3),
            nn.BatchNorm1d(16),
            nn.LeakyReLU(1.0),
            nn.Conv1d(16, 8, 3),
            nn.BatchNorm1d(8),
            nn.LeakyReLU(1.0),
            nn.Conv1d(8, 8, 3),
        )
        self.hidden_dim = 64
        self.gru = nn.GRU(8, self.hidden_dim, 4, batch_first=True, bidirectional=True, dropout=0.3)
        self.out = nn.Linear(self.hidden_dim, 1)
        self.out2 = nn.Linear(window - 6, 1)

    def forward(self, poses: Tensor) -> Tensor:
        both = self.gru(self.pre_conv(poses.transpose(1, 2)).transpose(1, 2))[0]
        hidden = both[..., : self.hidden_dim] + both[..., self.hidden_dim :]
        return torch.sigmoid(self.out2(self.out(hidden).squeeze(2)))


def seeded(poses: Tensor, seed_frames: int) -> Tensor:
    """(B, N, D + 1): the first frames with their bit, zeros after."""
    seeds = poses.new_zeros(*poses.shape[:2], poses.shape[2] + 1)
    seeds[:, :seed_frames, :-1], seeds[:, :seed_frames, -1] = poses[:, :seed_frames], 1
    return seeds
