# SPDX-License-Identifier: GPL-3.0-or-later
"""The training objective of the masked-pose denoiser."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion import cosine_log_snr
from ..skeletons import Skeleton
from .batches import Batch, bone_groups
from .config import LossConfig


def bone_weights(skeleton: Skeleton, config: LossConfig) -> Tensor:
    """(D,) weights with mean 1. Without them three quarters of the loss would be fingers."""
    weights = np.ones(skeleton.num_bones)
    for group, bones in bone_groups(skeleton).items():
        weights[bones] = getattr(config, group.split()[0])
    return torch.from_numpy(np.repeat(weights / weights.mean(), 3)).float()


def diffusion_loss(
    network: nn.Module,
    batch: Batch,
    time: Tensor,
    noise: Tensor,
    *,
    weights: Tensor,
    velocity_weight: float,
) -> tuple[Tensor, dict[str, float]]:
    """Weighted squared error of the clean-pose estimate at ``time`` (B,) and of its frame differences.

    Cosine variance-preserving process: ``x_t = cos(pi t / 2) x_0 + sin(pi t / 2) noise``.
    """
    angle = time.view(-1, 1, 1) * (math.pi / 2)
    noisy = torch.cos(angle) * batch.poses + torch.sin(angle) * noise
    estimate = network(noisy, cosine_log_snr(time), batch.known, batch.mask, batch.speech)
    error = estimate - batch.poses
    pose_loss = (error.square() * weights).mean()
    velocity_loss = (error.diff(dim=1).square() * weights).mean()
    loss = pose_loss + velocity_weight * velocity_loss
    return loss, {"pose": pose_loss.item(), "velocity": velocity_loss.item()}
