# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a training run on disk: tensors as safetensors, the rest as JSON, written atomically."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, OutputError
from ..writing import copy_link, written

STATE: Final = "state.safetensors"
PREVIOUS: Final = "state.previous.safetensors"


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
    """Write ``state.safetensors`` with its progress inside; the one before is kept beside it.

    A crash while writing leaves both as they were.
    """
    tensors: dict[str, Tensor] = {}
    tensors.update({f"network/{name}": value for name, value in network.state_dict().items()})
    if ema.decay:
        tensors.update({f"ema/{name}": value for name, value in ema.shadow.items()})
    for index, values in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer/{index}/{name}": value for name, value in values.items()})
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {"progress": json.dumps(progress), "checksum": _checksum(tensors)}
    target, before = folder / STATE, folder / PREVIOUS
    try:
        with written(target) as (part,):
            try:
                safetensors.torch.save_file(tensors, part, metadata=metadata)
            except safetensors.SafetensorError as error:
                raise OSError(str(error)) from error
            if target.is_file():
                copy_link(target, before)
    except OutputError as error:
        raise OutputError(f"The training state cannot be written. {error}") from error


def read_state(folder: Path, report: Callable[[str], None]) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """The newest state that is whole: its file, tensors and progress; ``report`` is told of a damaged one.

    CheckpointError where there is none.
    """
    paths = [path for path in (folder / STATE, folder / PREVIOUS) if path.is_file()]
    if not paths:
        raise CheckpointError(f"There is nothing to resume in {folder}: {STATE} is missing.")
    for number, path in enumerate(paths, 1):
        try:
            return path, *_read(path)
        except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            if number == len(paths):
                raise CheckpointError(f"The training state {path} is damaged: {error}.") from error
            report(f"{path.name} is damaged ({error}); going on from the state before it.")
    raise AssertionError


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        progress = json.loads(metadata["progress"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if metadata.get("checksum", _checksum(tensors)) != _checksum(tensors):
        raise ValueError("its numbers are not those that were written")
    if not isinstance(progress.get("step"), int):
        raise ValueError("it does not say how far it was")
    return tensors, progress


def _checksum(tensors: dict[str, Tensor]) -> str:
    """CRC-32 of all numbers, in the order of their names."""
    value = 0
    for name in sorted(tensors):
        content = tensors[name].reshape(-1).view(torch.uint8) if tensors[name].numel() else tensors[name]
        value = zlib.crc32(content.numpy(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"


def load_state(
    folder: Path,
    network: nn.Module,
    ema: ExponentialMovingAverage,
    optimizer: torch.optim.Optimizer,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Put the saved state back and return its progress; ``report`` is told where it is not the newest."""
    path, tensors, progress = read_state(folder, report)
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
