# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processor computes."""

import torch

from ..errors import DeviceError


def available_devices() -> list[str]:
    """Names that ``pick_device`` takes, best first, ``cpu`` always last."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` (best there is), ``cpu``, ``cuda``, ``cuda:1``, ``mps``; DeviceError when it is not there."""
    devices = available_devices()
    if name == "auto":
        return torch.device(devices[0])
    if name == "cuda" and "cuda:0" in devices:
        return torch.device("cuda:0")
    if name not in devices:
        raise DeviceError(f"The device '{name}' is not available here; there is {', '.join(devices)}.")
    return torch.device(name)
