# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: weights as safetensors, everything else in a JSON card beside them; nothing is ever unpickled.

``name.safetensors`` holds tensors only and ``name.json`` the card (``card``, docs/CHECKPOINT.md). One checkpoint
serves two engines: ``numpy`` needs NumPy alone and runs our own network on the CPU; ``torch`` runs every network
on every device.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..motion.skeletons import Skeleton
from .card import Card, read_card
from .weights import read_weights

Engine = Literal["numpy", "torch"]
ENGINES: Final = ("auto", "numpy", "torch")
# Beside the library in a checkout and in the extension, inside it when installed by pip.
_FOLDERS: Final = [Path(__file__).resolve().parents[level] / "checkpoints" for level in (2, 1)]
DEFAULT_CHECKPOINT: Final = next((f for f in _FOLDERS if f.is_dir()), _FOLDERS[0]) / "default.safetensors"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network ready to run, with what is needed to run it.

    ``network`` is a ``NumpyPoseNetwork`` (engine numpy), a ``MaskedPoseTransformer`` or an ``OfficialNetwork``.
    """

    path: Path
    card: Card
    network: Any
    engine: Engine
    device: str = "cpu"

    @property
    def skeleton(self) -> Skeleton:
        return self.card.skeleton

    @property
    def mean(self) -> np.ndarray:
        """(D,) of the network's poses; see ``Card``."""
        return self.card.mean

    @property
    def std(self) -> np.ndarray:
        return self.card.std

    @property
    def is_official(self) -> bool:
        return self.card.is_official

    def with_card(self, **changes: Any) -> "Checkpoint":
        """The same network under a card with other values."""
        return replace(self, card=replace(self.card, **changes))


def load_checkpoint(
    path: str | Path | None = None, device: Any = "cpu", engine: Engine = "torch", card: Card | None = None
) -> Checkpoint:
    """Read a checkpoint (the bundled one by default) for an engine, onto ``device``; ``card`` if at hand.

    Raises CheckpointError with what is wrong: missing file or card, truncated weights, unknown layout, weights
    that do not fit the card; ConfigError for a network that the engine numpy does not run.
    """
    path = DEFAULT_CHECKPOINT if path is None else Path(path)
    card = card or read_card(path)
    if engine == "numpy" and card.is_published:
        raise ConfigError(
            f"{path.name} is a published network, which needs PyTorch.",
            "Install the PyTorch backend in the add-on's preferences, or choose the engine torch.",
        )
    weights = read_weights(path)
    try:
        if engine == "numpy":
            from .numpy_network import NumpyPoseNetwork

            network: Any = NumpyPoseNetwork(weights, pose_dim=card.skeleton.pose_dim, **card.hyperparameters)
        else:
            from .torch_network import make_network

            network = make_network(card, weights).to(device)
    except TypeError as error:
        raise CheckpointError(f"The card of {path.name} does not describe its network: {error}.") from error
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"The weights in {path.name} do not fit its card (layout {card.skeleton.name}, network"
            f" {card.network}): the two files do not belong together."
        ) from error
    return Checkpoint(path, card, network, engine, str(device))
