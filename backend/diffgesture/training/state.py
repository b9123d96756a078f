# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a training run on disk: tensors as safetensors, the rest as JSON, written atomically."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, OutputError


class ExponentialMovingAverage:
    """A slow copy of a network's state; the decay warms up as ``(1 + n) / (10 + n)``.

    With a decay of 0 there is nothing to average: ``shadow`` is the network's state itself.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        state = network.state_dict()
        self.shadow = {name: value.clone() for name, value in state.items()} if decay else state
        floating = [name for name, value in state.items() if value.is_floating_point()]
        self._slow, self._fast = ([group[name] for name in floating] for group in (self.shadow, state))
        self._counts = [(self.shadow[name], state[name]) for name in state if name not in floating]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the network's present state."""
        if not self.decay:
            return
        torch._foreach_lerp_(self._slow, self._fast, 1 - min(self.decay, (1 + step) / (10 + step)))
        for slow, fast in self._counts:
            slow.copy_(fast)


def save_state(
    folder: Path,
    network: nn.Module,
    ema: ExponentialMovingAverage,
    optimizer: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write ``state.safetensors`` with its progress inside; a crash while writing leaves the old one whole."""
    tensors: dict[str, Tensor] = {}
    tensors.update({f"network/{name}": value for name, value in network.state_dict().items()})
    if ema.decay:
        tensors.update({f"ema/{name}": value for name, value in ema.shadow.items()})
    for index, values in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer/{index}/{name}": value for name, value in values.items()})
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    target, partial = folder / "state.safetensors", folder / "state.partial"
    try:
        safetensors.torch.save_file(tensors, partial, metadata={"progress": json.dumps(progress)})
        os.replace(partial, target)
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(
            f"The training state cannot be written to {folder} ({error}). The last complete one is kept."
        ) from error


def load_state(
    folder: Path, network: nn.Module, ema: ExponentialMovingAverage, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Put the saved state back and return its progress."""
    path = folder / "state.safetensors"
    if not path.is_file():
        raise CheckpointError(f"There is nothing to resume in {folder}: {path.name} is missing.")
    try:
        with safetensors.safe_open(path, "pt") as file:
            progress = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"The training state {path} is damaged: {error}.") from error
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimizer/").items():
        index, slot = name.split("/")
        slots.setdefault(int(index), {})[slot] = value
    try:
        network.load_state_dict(_under(tensors, "network/"))
        for name, value in _under(tensors, "ema/").items():
            ema.shadow[name].copy_(value)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"The training state {path} belongs to another configuration: resume with the one that it was begun"
            " with, or choose another folder."
        ) from error
    return progress


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
