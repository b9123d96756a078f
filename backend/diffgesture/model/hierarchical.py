# SPDX-License-Identifier: GPL-3.0-or-later
"""Hierarchical audio to gesture (HA2G, Liu et al. 2022): from the trunk outwards, each level finer than the last.

Written from the paper's shapes. Speech features are taken at three depths of a residual network over the log-mel
spectrogram and blended for each level by the speaker's style; the generator of a level gets the poses of the level
before as the known part of its bones.
"""

from typing import Final

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..motion.skeletons import TED, TED_EXPRESSIVE
from ..speech.features import SAMPLE_RATE
from .official import AUDIO_DIM
from .recurrent import STYLE_DIM, Generated, PoseGenerator

MELS: Final = 128
SPECTRUM_FRAMES: Final = 70
"""Frames of 512 samples that belong to a window of 34 poses."""
_METACARPALS: Final = (5, 8, 11, 14, 17, 22, 25, 28, 31, 34)
_TRUNK: Final = {TED.pose_dim: (0, 1, 2, 3, 6), TED_EXPRESSIVE.pose_dim: (0, 1, 2, 37, 38, 39, 40, 41)}
_ADDED: Final[dict[int, tuple[tuple[int, ...], ...]]] = {
    TED.pose_dim: ((4, 7), (5, 8)),
    TED_EXPRESSIVE.pose_dim: (
        *((3, 20), (4, 21), _METACARPALS),
        *(tuple(bone + joint for bone in _METACARPALS) for joint in (1, 2)),
    ),
}


def levels(pose_dim: int) -> list[list[int]]:
    """Bones of each level, growing: trunk and head, upper arms, forearms and, with fingers, joint after joint."""
    bones = set(_TRUNK[pose_dim])
    result = [sorted(bones)]
    for added in _ADDED[pose_dim]:
        bones |= set(added)
        result.append(sorted(bones))
    return result


class _SqueezeExcitation(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        inner = channels // 8
        self.fc = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.se = _SqueezeExcitation(outputs)
        same = stride == 1 and inputs == outputs
        self.downsample = (
            None
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        # The published block normalises after its first rectifier.
        h = self.bn1(F.relu(self.conv1(x)))
        h = self.se(self.bn2(self.conv2(h)))
        return F.relu(h + (x if self.downsample is None else self.downsample(x)))


class SpectrumEncoder(nn.Module):
    """Log-mel (B, 128, 70) and speakers (B,) to a feature (B, 34, 32) for each level."""

    def __init__(self, speakers: int, num_levels: int):
        super().__init__()
        self.num_levels = num_levels
        self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.layer1, self.layer2 = _stage(32, 32, 3, 1), _stage(32, 64, 4, 2)
        self.layer3, self.layer4 = _stage(64, 128, 6, 2), _stage(128, 256, 3, 2)
        self.conv_low, self.bn_low, self.fc_low = nn.Conv2d(64, 64, 2), nn.BatchNorm2d(64), _head(63 * 64)
        self.conv_mid, self.bn_mid, self.fc_mid = nn.Conv2d(32, 32, 3), nn.BatchNorm2d(32), _head(62 * 32)
        self.conv_high, self.bn_high, self.fc_high = nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), _head(62 * 16)
        self.speaker_embedding = nn.Sequential(nn.Embedding(speakers, STYLE_DIM), nn.Linear(STYLE_DIM, STYLE_DIM))
        self.fc1, self.fc2 = nn.Linear(STYLE_DIM, 32), nn.Linear(32, 3 * num_levels)

    def forward(self, spectrum: Tensor, speakers: Tensor) -> list[Tensor]:
        x = self.layer1(self.bn1(F.relu(self.conv1(spectrum.unsqueeze(1)))))
        low = self.layer2(x)
        mid = self.layer3(low)
        high = self.layer4(mid)
        depths = [
            _tap(low, self.conv_low, self.bn_low, self.fc_low),
            _tap(F.pixel_shuffle(mid, 2), self.conv_mid, self.bn_mid, self.fc_mid),
            _tap(F.pixel_shuffle(high, 4), self.conv_high, self.bn_high, self.fc_high),
        ]
        style = F.elu(self.fc1(F.elu(self.speaker_embedding(speakers))))
        shares = self.fc2(style).view(spectrum.shape[0], 3, self.num_levels).softmax(dim=1)
        return [
            sum(depth * shares[:, k, level, None, None] for k, depth in enumerate(depths))  # type: ignore[misc]
            for level in range(self.num_levels)
        ]


def _stage(inputs: int, outputs: int, count: int, stride: int) -> nn.Sequential:
    blocks = [_Residual(inputs if k == 0 else outputs, outputs, stride if k == 0 else 1) for k in range(count)]
    return nn.Sequential(*blocks)


def _head(inputs: int) -> nn.Linear:
    return nn.Linear(inputs, AUDIO_DIM)


def _tap(x: Tensor, convolution: nn.Module, norm: nn.Module, linear: nn.Module) -> Tensor:
    h = norm(F.relu(convolution(x)))
    return linear(h.flatten(1, 2).transpose(1, 2))


class LevelGenerator(PoseGenerator):
    """The generator of one level, with an ordinary rectifier."""

    @staticmethod
    def _slope() -> float:
        return 0.01


class HierarchicalNetwork(nn.Module):
    """Speech, words and speaker to poses, level by level; the window is 34 frames."""

    def __init__(
        self, *, pose_dim: int, speakers: int, window: int = 34, seed_frames: int = 4, **settings: int | float
    ):
        super().__init__()
        if window != 34:
            raise ValueError(f"the window of a hierarchical network is 34 frames, not {window}")
        self.pose_dim, self.window, self.seed_frames = pose_dim, window, seed_frames
        self.bones = levels(pose_dim)
        self.audio_encoder = nn.ModuleDict({"feat_extractor": SpectrumEncoder(speakers, len(self.bones))})
        self.generators = nn.ModuleList(
            [
                LevelGenerator(pose_dim=3 * len(bones), speakers=speakers, **settings)  # type: ignore[arg-type]
                for bones in self.bones
            ]
        )

    @staticmethod
    def prepare_audio(samples: np.ndarray) -> np.ndarray:
        """(B, samples) to log-mel (B, 128, 70) in decibels below each window's loudest."""
        power = librosa.feature.melspectrogram(
            y=np.asarray(samples, dtype=np.float32), sr=SAMPLE_RATE, n_fft=1024, hop_length=512, n_mels=MELS
        )[..., :SPECTRUM_FRAMES]
        loudest = np.maximum(power.max(axis=(1, 2), keepdims=True), 1e-10)
        decibels = 10 * np.log10(np.maximum(power, 1e-10) / loudest)
        return np.maximum(decibels, -80.0).astype(np.float32)

    def forward(
        self, pre_seq: Tensor, audio: Tensor, words: Tensor, speakers: Tensor, noise: Tensor | None = None
    ) -> tuple[Generated, list[Tensor]]:
        """What the finest level generated, and the poses of the coarser ones."""
        coarse: list[Tensor] = []
        generated = None
        features = self.audio_encoder["feat_extractor"](audio, speakers)
        for level, generator in enumerate(self.generators):
            known = self._known(pre_seq, level, coarse[-1] if coarse else None)
            generated = generator.decode(known, features[level], words, speakers, noise)
            coarse.append(generated.poses)
        assert generated is not None
        return generated, coarse[:-1]

    def _known(self, pre_seq: Tensor, level: int, before: Tensor | None) -> Tensor:
        """The level's bones of the seeds, then those of the level before, and the seeds' bit."""
        columns = columns_of(self.bones[level])
        known = pre_seq[..., columns].clone()
        if before is not None:
            places = [self.bones[level].index(bone) for bone in self.bones[level - 1]]
            known[:, self.seed_frames :, columns_of(places)] = before[:, self.seed_frames :]
        return torch.cat([known, pre_seq[..., -1:]], dim=2)


def columns_of(bones: list[int]) -> list[int]:
    """The columns of some bones in a pose."""
    return [3 * bone + axis for bone in bones for axis in range(3)]
