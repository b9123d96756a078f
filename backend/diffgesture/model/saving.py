# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing checkpoints: weights as safetensors and the card beside them, both or neither."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import OutputError
from ..writing import reason, written
from .card import CARD_FORMAT, CARD_VERSION


def save_checkpoint(path: str | Path, network: nn.Module, card: Mapping[str, Any], *, half: bool = True) -> None:
    """Write ``path`` (safetensors) and the card beside it; floating tensors in half precision by default.

    Raises OutputError when they cannot be written or a weight is not finite; those that were there stay.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        name: tensor.detach().cpu().to(dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }
    write_weights(Path(path), state, {"format": CARD_FORMAT, "version": CARD_VERSION, **card})


def write_weights(path: Path, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Weights and the card beside them, both complete or neither (OutputError)."""
    if not all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point()):
        raise OutputError(f"The weights contain NaN or infinity, so the checkpoint {path.name} is not written.")
    folder_of(path)
    with written(path, path.with_suffix(".json")) as (weights, card_part):
        try:
            safetensors.torch.save_file(dict(state), weights)
        except safetensors.SafetensorError as error:
            raise OSError(str(error)) from error
        card_part.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def folder_of(path: Path) -> None:
    """Make the folder that ``path`` lies in; OutputError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path.parent} cannot be made: {reason(error)}.") from error
