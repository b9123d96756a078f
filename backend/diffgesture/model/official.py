# SPDX-License-Identifier: GPL-3.0-or-later
"""The published network (Zhu et al. 2023), parameter names included, oddities kept.

Official files: ``pose_diffusion.py``, ``diffusion_util.py``. The transformer block is that of timm's
``vision_transformer.Block`` without dropout.
"""

import copy
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

AUDIO_DIM: Final = 32

_WINDOWS_PER_BATCH: Final = 64


class _FirstConv(nn.Conv1d):
    """A convolution of one channel as a product with its windows: a third of the time on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        padding, stride = int(self.padding[0]), self.stride[0]
        windows = F.pad(input[:, 0], (padding, padding)).unfold(1, self.kernel_size[0], stride).contiguous()
        kernels = self.weight[:, 0].expand(input.shape[0], -1, -1)
        assert self.bias is not None
        return torch.baddbmm(self.bias[:, None], kernels, windows.transpose(1, 2))


class WavEncoder(nn.Module):
    """(B, samples) raw 16 kHz speech to (B, 34, 32) for 36,266 samples."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_FirstConv(1, 16, 15, stride=5, padding=1600)]
        for inputs, outputs in ((16, 32), (32, 64), (64, 32)):
            layers += [nn.BatchNorm1d(inputs), nn.LeakyReLU(0.3, inplace=True)]
            layers.append(nn.Conv1d(inputs, outputs, 15, stride=6))
        self.feat_extractor = nn.Sequential(*layers)

    def forward(self, audio: Tensor) -> Tensor:
        return self.feat_extractor(audio.unsqueeze(1)).transpose(1, 2)


def encoder_frames(samples: int) -> int:
    """Frames that ``WavEncoder`` gives for so many samples (34 for 36,266 or 36,267)."""
    frames = (samples + 2 * 1600 - 15) // 5 + 1
    for _ in range(3):
        frames = (frames - 15) // 6 + 1
    return max(0, frames)


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"hidden_dim {dim} cannot be divided among {num_heads} heads")
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, dim = x.shape
        q, k, v = self.qkv(x).view(batch, frames, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        if q.requires_grad and q.device.type == "cpu":
            # The fused kernel's gradient is slow for windows as short as these.
            mixed = (q @ k.transpose(2, 3)).mul_(q.shape[-1] ** -0.5).softmax(dim=-1) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(batch, frames, dim))


class _Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block: ``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float = 4.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = _Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TransformerModel(nn.Module):
    """Noise estimate (B, 34, D) from noisy poses, beta_t (B,) and context (B, 34, D + 33).

    The step enters as ``[beta, sin beta, cos beta]`` alone, and ``LeakyReLU(True)`` (slope 1) is the identity:
    both as published.
    """

    def __init__(self, num_pose: int, pose_dim: int, hidden_dim: int, depth: int, decoder_depth: int):
        super().__init__()
        self.linear = nn.Linear(2 * pose_dim + 4 + AUDIO_DIM, hidden_dim)
        self.pos_embedding = nn.Parameter(torch.randn(1, num_pose, hidden_dim))
        self.blocks = nn.ModuleList([Block(hidden_dim, 8) for _ in range(depth)])
        self.norm = nn.LayerNorm(hidden_dim)
        self.decoder_blocks = nn.ModuleList([Block(hidden_dim, 8) for _ in range(decoder_depth)])
        self.decoder_norm = nn.LayerNorm(hidden_dim)
        self.out = nn.Sequential(
            nn.Linear(hidden_dim, hidden_dim // 2), nn.LeakyReLU(1.0), nn.Linear(hidden_dim // 2, pose_dim)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, beta: Tensor, context: Tensor) -> Tensor:
        step = torch.stack([beta, torch.sin(beta), torch.cos(beta)], dim=-1)
        step = step.unsqueeze(1).expand(-1, x.shape[1], -1)
        x = self.linear(torch.cat([x, step, context], dim=2)) + self.pos_embedding
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        for block in self.decoder_blocks:
            x = block(x)
        return self.out(self.decoder_norm(x))


class _DiffusionNet(nn.Module):
    def __init__(self, net: TransformerModel):
        super().__init__()
        self.net = net


class OfficialNetwork(nn.Module):
    """Audio encoder, denoiser and the learned null condition under the official parameter names.

    The schedule tables that official state dicts carry (``diffusion_net.var_sched.*``) are constants and are
    not parameters here.
    """

    def __init__(
        self, *, pose_dim: int, hidden_dim: int, block_depth: int = 8, window: int = 34, seed_frames: int = 4
    ):
        super().__init__()
        self.pose_dim, self.window, self.seed_frames = pose_dim, window, seed_frames
        self.audio_encoder = WavEncoder()
        self.null_cond_emb = nn.Parameter(torch.randn(1, AUDIO_DIM + pose_dim + 1))
        half = block_depth // 2
        self.diffusion_net = _DiffusionNet(TransformerModel(window, pose_dim, hidden_dim, half, half))

    def context(self, pre_seq: Tensor, audio: Tensor) -> Tensor:
        """Seed poses with their bit (B, 34, D + 1) and samples (B, 36266) to the context (B, 34, D + 33)."""
        return torch.cat([pre_seq, self.audio_encoder(audio)], dim=2)

    def forward(
        self, x: Tensor, beta: Tensor, *, seeds: Tensor, audio: Tensor, null: Tensor | None = None
    ) -> Tensor:
        """Noise estimate from seeds and samples; rows where ``null`` (B,) get the null condition instead."""
        context = self.context(seeds, audio)
        if null is not None:
            context = torch.where(null.view(-1, 1, 1), self.null_cond_emb, context)
        return self.noise(x, beta, context)

    def noise(self, x: Tensor, beta: Tensor, context: Tensor) -> Tensor:
        """Noise estimate (B, 34, D) for a ready context."""
        return self.diffusion_net.net(x, beta, context)

    def guided_noise(self, x: Tensor, beta: Tensor, context: Tensor, guidance_scale: float = 1.15) -> Tensor:
        """Classifier-free guidance, official form: ``e_u + s (e_c - e_u)`` in one batch of twice the size."""
        null = self.null_cond_emb.expand(context.shape[0], context.shape[1], -1)
        unconditional, conditional = self.noise(
            torch.cat([x, x]), torch.cat([beta, beta]), torch.cat([null, context])
        ).chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    def batch_context(self, pre_seq: Tensor, audio: Tensor) -> Tensor:
        """The context with the encoder's batch normalisation on the statistics of this batch, which nothing keeps.

        So do the official test scripts, which leave the network in training mode.
        """
        encoder = copy.deepcopy(self.audio_encoder).train()
        return torch.cat([pre_seq, encoder(audio)], dim=2)

    def bind(
        self, pre_seq: np.ndarray, audio: np.ndarray, batch_statistics: bool = False
    ) -> Callable[[np.ndarray, float, float], np.ndarray]:
        """The network with its conditions given: seeds with their bit (W, 34, D + 1) and samples (W, 36266).

        ``batch_statistics``: see ``batch_context``; the batch are all windows.
        Returns ``noise(x, beta, guidance_scale)``: NumPy's (W, 34, D) noisy poses to their guided noise.
        """
        device = self.null_cond_emb.device
        tensors = [torch.from_numpy(np.asarray(x, dtype=np.float32)).to(device) for x in (pre_seq, audio)]
        with torch.inference_mode():
            batches = zip(*(x.split(_WINDOWS_PER_BATCH) for x in tensors), strict=True)
            if batch_statistics:
                contexts = list(self.batch_context(tensors[0], tensors[1]).split(_WINDOWS_PER_BATCH))
            else:
                contexts = [self.context(*batch) for batch in batches]

        def noise(x: np.ndarray, beta: float, guidance_scale: float) -> np.ndarray:
            parts = torch.from_numpy(np.asarray(x, dtype=np.float32)).to(device).split(_WINDOWS_PER_BATCH)
            with torch.inference_mode():
                estimates = []
                for part, context in zip(parts, contexts, strict=True):
                    level = torch.full((len(part),), float(beta), device=device)
                    estimates.append(self.guided_noise(part, level, context, guidance_scale))
            return torch.cat(estimates).cpu().numpy()

        return noise
