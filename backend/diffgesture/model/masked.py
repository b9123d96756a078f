# SPDX-License-Identifier: GPL-3.0-or-later
"""Our denoiser: the published token layout with the remedies that the field has agreed on.

As in DiffGesture, a token is one frame: ``[noisy pose, known pose, which bones are known, speech features]``.
What differs, and why:

- The noise level enters through log-SNR, sinusoids and adaptive layer norm (Peebles & Xie 2023); the published
  step input is nearly constant.
- The network predicts the clean pose (Ramesh et al. 2022, Tevet et al. 2023): less jitter, few-step solvers.
- Known poses carry one bit per bone, not one per frame: seeds, end poses and an animator's keyframes are all
  the same mechanism.
- Rotary positions (Su et al. 2021) instead of a random table: only distance matters.
- Attention reaches ``reach`` frames to each side (banded, as in Longformer, Beltagy et al. 2020), so the network
  is the same at every frame and a whole clip of any length is one sequence: no windows, hence no seams.
- Speech and known poses are dropped independently in training, so each may be absent.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TIME_DIM: Final = 64
_WINDOWS_PER_BATCH: Final = 64

Denoise = Callable[[np.ndarray, float], np.ndarray]


def rotary_table(frames: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (frames, head_dim) of rotary positions, base 1,000."""
    frequencies = 1000.0 ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.arange(frames)[:, None] * frequencies
    return angles.cos().repeat(1, 2).float().to(device), angles.sin().repeat(1, 2).float().to(device)


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate (..., frames, head_dim) queries or keys by their position."""
    cos, sin = table
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def band_mask(frames: int, reach: int, device: torch.device) -> Tensor:
    """(blocks, 1, reach, 3 reach) additive mask: each block of ``reach`` queries over itself and its neighbours.

    Query ``i`` sees key ``j`` of the same clip where ``|i - j| <= reach``.
    """
    blocks = -(-frames // reach)
    first = torch.arange(blocks, device=device)[:, None] * reach
    queries = (first + torch.arange(reach, device=device))[:, :, None]
    keys = (first - reach + torch.arange(3 * reach, device=device))[:, None, :]
    seen = ((queries - keys).abs() <= reach) & (keys >= 0) & (keys < frames)
    # Queries behind the clip's end are cut off later; they must only not be empty.
    seen |= queries >= frames
    return torch.zeros(seen.shape, device=device).masked_fill_(~seen, -torch.inf).unsqueeze(1)


def banded_attention(q: Tensor, k: Tensor, v: Tensor, reach: int, mask: Tensor) -> Tensor:
    """(B, H, N, C) queries, keys and values; each query attends to the keys at most ``reach`` frames away."""
    frames = q.shape[2]
    blocks = -(-frames // reach)
    padding = (0, 0, reach, reach + blocks * reach - frames)
    q = F.pad(q, (0, 0, 0, blocks * reach - frames)).unflatten(2, (blocks, reach))
    k, v = (F.pad(x, padding).unflatten(2, (blocks + 2, reach)) for x in (k, v))
    k, v = (torch.cat([x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]], dim=3) for x in (k, v))
    heads_last = [x.transpose(1, 2).flatten(0, 1) for x in (q, k, v)]
    out = F.scaled_dot_product_attention(*heads_last, attn_mask=mask.repeat(q.shape[0], 1, 1, 1))
    return out.unflatten(0, (-1, blocks)).transpose(1, 2).flatten(2, 3)[:, :, :frames]


class AdaptiveBlock(nn.Module):
    """Pre-norm transformer block whose norms are scaled, shifted and gated by the noise level.

    The six modulation vectors come from one projection shared by all blocks plus a learned offset per block
    (adaLN-single, Chen et al. 2023).
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, dropout: float, reach: int):
        super().__init__()
        self.num_heads, self.reach = num_heads, reach
        self.dropout = dropout
        self.offset = nn.Parameter(torch.zeros(6, dim))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.fc1 = nn.Linear(dim, int(dim * mlp_ratio))
        self.fc2 = nn.Linear(int(dim * mlp_ratio), dim)

    def forward(
        self, x: Tensor, modulation: Tensor, positions: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> Tensor:
        """X (B, N, C), modulation (B, 6, C), mask of ``band_mask`` or None for attention to all frames."""
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.offset).unsqueeze(2).unbind(1)
        batch, frames, dim = x.shape
        h = F.layer_norm(x, (dim,)) * (1 + scale1) + shift1
        q, k, v = self.qkv(h).view(batch, frames, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, positions), rotate(k, positions)
        if mask is None:
            h = F.scaled_dot_product_attention(q, k, v)
        else:
            h = banded_attention(q, k, v, self.reach, mask)
        h = self.proj(h.transpose(1, 2).reshape(batch, frames, dim))
        x = x + gate1 * F.dropout(h, self.dropout, self.training)
        h = F.layer_norm(x, (dim,)) * (1 + scale2) + shift2
        h = self.fc2(F.gelu(self.fc1(h)))
        return x + gate2 * F.dropout(h, self.dropout, self.training)


class MaskedPoseTransformer(nn.Module):
    """Clean-pose estimate from noisy poses, known poses and speech.

    All poses are standardised (zero mean, unit variance per number).
    """

    def __init__(
        self,
        *,
        pose_dim: int,
        hidden_dim: int = 192,
        depth: int = 5,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        condition_dim: int = 29,
        dropout: float = 0.0,
        reach: int = 0,
    ):
        """``condition_dim``: columns of all streams with their bits; ``reach`` in frames, 0: all of them."""
        super().__init__()
        self.pose_dim, self.hidden_dim, self.num_heads, self.reach = pose_dim, hidden_dim, num_heads, reach
        self.depth = depth
        self.linear = nn.Linear(2 * pose_dim + pose_dim // 3 + condition_dim, hidden_dim)
        self.time = nn.Sequential(
            nn.Linear(_TIME_DIM, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, hidden_dim), nn.SiLU()
        )
        self.modulation = nn.Linear(hidden_dim, 6 * hidden_dim)
        self.blocks = nn.ModuleList(
            [AdaptiveBlock(hidden_dim, num_heads, mlp_ratio, dropout, reach) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(hidden_dim)
        self.out = nn.Linear(hidden_dim, pose_dim)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.zeros_(self.out.weight)
        for block in self.blocks:
            # Gates open at 1: with so few blocks this trains faster than starting from the identity.
            with torch.no_grad():
                block.offset[2].fill_(1.0)
                block.offset[5].fill_(1.0)
        nn.init.normal_(self.modulation.weight, std=0.01)

    def forward(self, x: Tensor, log_snr: Tensor, known: Tensor, mask: Tensor, conditions: Tensor) -> Tensor:
        """Estimate the clean poses.

        x (B, N, D) noisy poses; log_snr (B,); known (B, N, D) and mask (B, N, D/3) the given bones, zero
        elsewhere; conditions (B, N, C) of ``Conditioning``. Returns (B, N, D).
        """
        time = self.time(_sinusoids(log_snr))
        modulation = self.modulation(time).view(-1, 6, self.hidden_dim)
        h = self.linear(torch.cat([x, known, mask, conditions], dim=-1))
        positions = rotary_table(x.shape[1], self.hidden_dim // self.num_heads, x.device)
        mask = band_mask(x.shape[1], self.reach, x.device) if self.reach else None
        for block in self.blocks:
            h = block(h, modulation, positions, mask)
        return self.out(self.norm(h))

    def bind(self, conditions: np.ndarray, known: np.ndarray, mask: np.ndarray) -> Denoise:
        """The network with its conditions given: NumPy's (W, N, D) noisy poses and a log-SNR to clean ones."""
        device = self.out.weight.device
        given = [torch.from_numpy(np.asarray(x, dtype=np.float32)).to(device) for x in (known, mask, conditions)]

        def evaluate(noisy: np.ndarray, log_snr: float) -> np.ndarray:
            x = torch.from_numpy(np.asarray(noisy, dtype=np.float32)).to(device)
            batches = zip(*(part.split(_WINDOWS_PER_BATCH) for part in (x, *given)), strict=True)
            with torch.inference_mode():
                clean = []
                for part, *rest in batches:
                    clean.append(self(part, torch.full((len(part),), log_snr, device=device), *rest))
            return torch.cat(clean).cpu().numpy()

        return evaluate


def _sinusoids(log_snr: Tensor) -> Tensor:
    """(B,) to (B, 64): sinusoids of log-SNR/4 at octave-spaced frequencies."""
    frequencies = torch.exp(torch.linspace(math.log(0.25), math.log(64.0), _TIME_DIM // 2, device=log_snr.device))
    angles = log_snr[:, None] / 4 * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
