# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: weights as safetensors, everything else in a JSON card beside them.

``name.safetensors`` holds tensors only and ``name.json`` the card; nothing is ever unpickled. The card's fields
are documented in ``docs/CHECKPOINT.md``.
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, OutputError
from ..motion.skeletons import SKELETONS, Skeleton
from .masked import MaskedPoseTransformer
from .official import OfficialNetwork

CARD_FORMAT: Final = "diffgesture-checkpoint"
CARD_VERSION: Final = 1
# Beside the library in a checkout and in the extension, inside it when installed by pip.
_FOLDERS: Final = [Path(__file__).resolve().parents[level] / "checkpoints" for level in (2, 1)]
DEFAULT_CHECKPOINT: Final = next((f for f in _FOLDERS if f.is_dir()), _FOLDERS[0]) / "default.safetensors"
NETWORKS: Final[dict[str, type[nn.Module]]] = {
    "masked_pose_transformer": MaskedPoseTransformer,
    "official": OfficialNetwork,
}


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode with what is needed to run it.

    ``mean`` and ``std`` (D,) turn the network's numbers into directions: ``direction = mean + std * x``.
    """

    path: Path
    card: dict[str, Any]
    network: nn.Module
    mean: np.ndarray
    std: np.ndarray

    @property
    def skeleton(self) -> Skeleton:
        return SKELETONS[self.card["layout"]]

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def is_official(self) -> bool:
        return self.card["network"] == "official"


def save_checkpoint(path: str | Path, network: nn.Module, card: dict[str, Any], *, half: bool = True) -> None:
    """Write ``path`` (safetensors) and the card beside it; floating tensors in half precision by default.

    Raises OutputError when they cannot be written; those that were there stay as they are.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        name: tensor.detach().cpu().to(dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }
    write_weights(Path(path), state, {"format": CARD_FORMAT, "version": CARD_VERSION, **card})


def write_weights(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Weights and the card beside them, both complete or neither (OutputError)."""
    card_path = path.with_suffix(".json")
    partial, partial_card = path.with_suffix(".partial"), card_path.with_suffix(".card.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(state, partial)
        partial_card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
        partial_card.replace(card_path)
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError):
            for file in (partial, partial_card):
                file.unlink(missing_ok=True)
        raise OutputError(f"The checkpoint {path} cannot be written: {error}.") from error


def load_checkpoint(path: str | Path | None = None, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint (the bundled one by default) onto ``device``.

    Raises CheckpointError with what is wrong: missing file or card, truncated weights, unknown layout, weights
    that do not fit the card.
    """
    path = DEFAULT_CHECKPOINT if path is None else Path(path)
    card = read_card(path)
    try:
        state = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"The checkpoint {path.name} is damaged or incomplete ({error}). Copy or download it again."
        ) from error
    skeleton = SKELETONS[card["layout"]]
    try:
        network = NETWORKS[card["network"]](pose_dim=skeleton.pose_dim, **card["hyperparameters"])
    except TypeError as error:
        raise CheckpointError(f"The card of {path.name} does not describe its network: {error}.") from error
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"The weights in {path.name} do not fit its card (layout {card['layout']}, network"
            f" {card['network']}): the two files do not belong together."
        ) from error
    mean, std = (np.asarray(card["normalisation"][name], dtype=np.float32) for name in ("mean", "std"))
    if mean.shape != (skeleton.pose_dim,) or std.shape != mean.shape:
        raise CheckpointError(f"The card of {path.name} has a normalisation of another layout.")
    return Checkpoint(path, card, network.eval().requires_grad_(False).to(device), mean, std)


def read_card(path: Path) -> dict[str, Any]:
    """The card of the checkpoint at ``path``, checked."""
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path.name} is not a .safetensors file. Official .bin checkpoints are converted by"
            " backend/convert.py first."
        )
    card_path = path.with_suffix(".json")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"The card {card_path.name} beside the checkpoint cannot be read.") from error
    except ValueError as error:
        raise CheckpointError(f"The card {card_path.name} is not valid JSON: {error}.") from error
    if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
        raise CheckpointError(f"{card_path.name} is not a checkpoint card.")
    if card.get("version") != CARD_VERSION:
        raise CheckpointError(f"{card_path.name} has version {card.get('version')}; {CARD_VERSION} is supported.")
    required = (
        "layout",
        "fps",
        "network",
        "hyperparameters",
        "normalisation",
        "frame",
        "window",
        "overlap",
        "seed_frames",
    )
    if missing := [name for name in required if name not in card]:
        raise CheckpointError(f"The card {card_path.name} lacks {', '.join(missing)}.")
    if card["layout"] not in SKELETONS:
        raise CheckpointError(
            f"The checkpoint {path.name} is made for the layout '{card['layout']}'; known are"
            f" {' and '.join(SKELETONS)}."
        )
    if card["network"] not in NETWORKS:
        raise CheckpointError(f"The checkpoint {path.name} holds an unknown network '{card['network']}'.")
    return card
