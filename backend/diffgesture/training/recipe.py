# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run trains. The loop knows only this interface."""

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor, nn

Split = Literal["train", "val"]
Batch = tuple[Tensor, ...]


class Recipe(Protocol):
    """A network with its batches, its loss and its file.

    Everything random (which windows, noise, drops) is drawn into the batch from ``rng``. A batch is therefore a
    function of (seed, step) alone: runs can be resumed exactly, and several processes can each take their share
    of the same global batch.
    """

    hours: float

    def make_network(self) -> nn.Module:
        """A freshly initialised network (the caller has seeded torch)."""
        ...

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int) -> Batch:
        """Tensors on the CPU, each with ``size`` rows."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss of the batch's rows and its parts, detached, for the progress line."""
        ...

    def save(self, path: Path, state: dict[str, Tensor], training: dict[str, Any]) -> None:
        """Write weights and card so that synthesis (or evaluation) can load them."""
        ...
