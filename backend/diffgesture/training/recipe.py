# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run trains. The loop knows only this interface."""

from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from torch import Tensor, nn

Split = Literal["train", "val"]
Batch = tuple[Tensor, ...]
ALL: Final = slice(None)


class Recipe(Protocol):
    """A network with its batches, its loss and its file.

    Everything random (which windows, noise, drops) is drawn into the batch from ``rng``. A batch is therefore a
    function of (seed, step) alone: runs can be resumed exactly, and several processes can each take their share
    of the same global batch.
    """

    hours: float
    validates: bool
    """Whether there is held-out data for a validation loss."""

    def make_network(self) -> nn.Module:
        """A freshly initialised network (the caller has seeded torch)."""
        ...

    def draw(self, rng: np.random.Generator, split: Split, size: int, step: int, part: slice = ALL) -> Batch:
        """Tensors on the CPU: the rows ``part`` of the global batch of ``size`` rows.

        Random numbers are drawn for all rows, so that they do not depend on the number of processes; data are read
        and prepared for those of ``part`` alone.
        """
        ...

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss of the batch's rows and its parts, detached, for the progress line."""
        ...

    def save(self, path: Path, state: dict[str, Tensor], training: dict[str, Any]) -> None:
        """Write weights and card so that synthesis (or evaluation) can load them."""
        ...
