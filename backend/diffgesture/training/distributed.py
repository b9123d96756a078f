# SPDX-License-Identifier: GPL-3.0-or-later
"""One process or several (``torchrun``): who this one is and how gradients meet."""

import gc
import inspect
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError
from ..model.devices import pick_device

_DDP_OPTIONS = inspect.signature(DistributedDataParallel.__init__).parameters
# Batch statistics are global already, see below. The option has another name from torch 2.13 on.
_SYNC_BUFFERS = next(n for n in ("forward_sync_buffers", "broadcast_buffers") if n in _DDP_OPTIONS)


@dataclass(frozen=True)
class Group:
    """The place of a process among those that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def part(self, rows: int) -> slice:
        """Which rows of a global batch are for this process."""
        if rows % self.size:
            raise ConfigError(f"batch_size {rows} cannot be divided among {self.size} processes.")
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def place(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The batch on the device of this process."""
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in batch)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients (and batch statistics) averaged over all processes."""
        if self.size == 1:
            return network
        replace_batch_norm(network)
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids, **{_SYNC_BUFFERS: False})

    def mean(self, value: float) -> float:
        """Average of a number over all processes."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.item() / self.size

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether it is set in any process; all of them wait for one another."""
        if self.size == 1:
            return flags
        tensor = torch.tensor(flags, dtype=torch.float32, device=self.device)
        dist.all_reduce(tensor)
        return tuple(bool(value) for value in tensor.tolist())

    def leave(self) -> None:
        """End the threads of the group.

        What holds the group (the wrapped network, in circles) must be gone by then: a thread of it that lives on
        when Python ends takes the whole process with it ("terminate called without an active exception").
        """
        if self.size > 1:
            gc.collect()
            dist.destroy_process_group()


def join_group(device_name: str) -> Group:
    """Join the processes that ``torchrun`` started, or stand alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Group(0, 1, pick_device(device_name))
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    use_cuda = device_name in ("auto", "cuda") and torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if use_cuda else torch.device("cpu")
    dist.init_process_group("nccl" if use_cuda else "gloo")
    return Group(rank, size, device)


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class GlobalBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation over the global batch, on any device (torch's own synchronised one needs CUDA)."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        moments = torch.stack([input.mean(dim=(0, 2)), input.square().mean(dim=(0, 2))])
        mean, square = _SumOverProcesses.apply(moments) / dist.get_world_size()
        variance = square - mean.square()
        with torch.no_grad():
            count = input.shape[0] * input.shape[2] * dist.get_world_size()
            momentum = self.momentum or 0.1
            assert self.running_mean is not None
            assert self.running_var is not None
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (input - mean[:, None]) * scale[:, None] + self.bias[:, None]


def replace_batch_norm(network: nn.Module) -> None:
    """Turn every BatchNorm1d of the network into a global one, in place, parameters kept."""
    for module in network.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = GlobalBatchNorm1d
