# SPDX-License-Identifier: GPL-3.0-or-later
"""Muon (Jordan et al. 2024) for the matrices inside the blocks, AdamW for everything else."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

# Newton-Schulz coefficients of the published implementation: fast, to singular values between 0.7 and 1.2.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_MOMENTUM: Final = 0.95


class MuonAdamW(torch.optim.AdamW):
    """AdamW whose block matrices move by their orthogonalised momentum instead.

    The step of a matrix is scaled to the root mean square that AdamW's steps have (0.2, Liu et al. 2025), so one
    learning rate and one weight decay serve both.
    """

    def __init__(self, network: nn.Module, lr: float, betas: tuple[float, float], weight_decay: float):
        super().__init__(network.parameters(), lr, betas=betas, weight_decay=weight_decay)
        self._matrices = [
            value
            for name, value in network.named_parameters()
            if "blocks." in name and name.endswith(".weight") and value.ndim == 2
        ]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        group = self.param_groups[0]
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for matrix in self._matrices:
            if matrix.grad is None:
                continue
            state = self.state[matrix]
            if not state:
                # AdamW, which loads saved states, wants the step as well.
                state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(matrix)
            state["step"] += 1
            momentum = state["momentum"].lerp_(matrix.grad, 1 - _MOMENTUM)
            update = matrix.grad.lerp(momentum, _MOMENTUM)
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            # Queries, keys and values are three matrices in one.
            parts = matrix.shape[0] // matrix.shape[1] if matrix.shape[0] == 3 * matrix.shape[1] else 1
            for target, part in zip(matrix.chunk(parts), update.chunk(parts), strict=True):
                by_shape[part.shape].append((target, part))
            matrix.grad = None
        for shape, pairs in by_shape.items():
            step = orthogonalize(torch.stack([update for _, update in pairs]))
            scale = 0.2 * max(shape) ** 0.5
            for (target, _), direction in zip(pairs, step, strict=True):
                target.sub_(direction, alpha=group["lr"] * scale)
        super().step(closure)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """(K, m, n) matrices to nearly semi-orthogonal ones by a quintic Newton-Schulz iteration."""
    transpose = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if transpose else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.mT if transpose else x
