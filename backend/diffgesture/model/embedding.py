# SPDX-License-Identifier: GPL-3.0-or-later
"""Autoencoders for the Fréchet gesture distance on disk: safetensors and a card, like checkpoints.

The card's ``format`` is ``diffgesture-autoencoder``; other fields are ``name``, ``network`` (``embedding_net`` or
``motion_ae``), ``layout``, ``frame`` (axes of the poses it was trained on), ``fps``, ``window``, ``latent_dim``,
``mean`` (D numbers that are subtracted from directions), ``licence`` and ``training``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ..errors import CheckpointError
from ..motion.skeletons import SKELETONS, Skeleton
from ..reading import check_file, understood
from .autoencoder import AUTOENCODERS, WINDOW, EmbeddingNet, MotionAE
from .card import AUTOENCODER_FORMAT as CARD_FORMAT
from .card import CARD_FORMAT as CHECKPOINT_FORMAT
from .card import number, read_table, vector
from .saving import write_weights
from .weights import read_weights

CARD_VERSION: Final = 1
_REQUIRED: Final = ("layout", "network", "latent_dim", "mean", "frame", "fps", "window")


@dataclass(frozen=True, eq=False)
class AutoencoderCard:
    """What is known of an autoencoder beside its weights; ``mean`` (D,) is subtracted from poses in ``frame``."""

    name: str
    skeleton: Skeleton
    network: str
    latent_dim: int
    mean: np.ndarray
    frame: str
    fps: float
    licence: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], stem: str = "") -> "AutoencoderCard":
        """The card that JSON describes; ValueError, TypeError or KeyError where it does not."""
        if data["layout"] not in SKELETONS or data["network"] not in AUTOENCODERS or data["window"] != WINDOW:
            raise ValueError(
                f"its layout, network or window is unknown: {data['layout']}, {data['network']}, {data['window']}"
            )
        if data["frame"] not in ("public", "native"):
            raise ValueError(f"frame must be public or native, not {data['frame']!r:.40}")
        skeleton = SKELETONS[data["layout"]]
        training = data.get("training", {})
        return cls(
            name=str(data.get("name", stem)),
            skeleton=skeleton,
            network=data["network"],
            latent_dim=int(number(data["latent_dim"], "latent_dim", 1, 4096)),
            mean=vector(data["mean"], "mean", skeleton.pose_dim),
            frame=data["frame"],
            fps=float(number(data["fps"], "fps", 1, 240)),
            licence=str(data.get("licence", "")),
            training=training if isinstance(training, dict) else {},
        )


@dataclass(frozen=True)
class Autoencoder:
    """A frozen autoencoder in evaluation mode."""

    path: Path
    card: AutoencoderCard
    network: EmbeddingNet | MotionAE

    @property
    def skeleton(self) -> Skeleton:
        return self.card.skeleton

    def features(self, poses: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """(N, 34, D) mean-subtracted directions in the card's frame to features (N, latent)."""
        if len(poses) == 0:
            return np.zeros((0, self.card.latent_dim), dtype=np.float32)
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            batches = torch.from_numpy(np.ascontiguousarray(poses, dtype=np.float32)).split(batch_size)
            return torch.cat([self.network.features(batch.to(device)).cpu() for batch in batches]).numpy()

    def poses(self, directions: np.ndarray) -> np.ndarray:
        """Public directions (..., B, 3) to mean-subtracted poses (..., D) in the card's frame."""
        if self.card.frame == "native":
            directions = self.skeleton.to_native(directions)
        return directions.reshape(*directions.shape[:-2], -1) - self.card.mean.astype(directions.dtype)


def save_autoencoder(path: str | Path, network: EmbeddingNet | MotionAE, card: dict[str, Any]) -> None:
    """Write the weights (single precision) to ``path`` and the card beside them."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_weights(Path(path), state, {"format": CARD_FORMAT, "version": CARD_VERSION, **card})


def load_autoencoder(path: str | Path, device: torch.device | str = "cpu") -> Autoencoder:
    """Read an autoencoder. Raises CheckpointError with what is wrong."""
    path = Path(path)
    card = _read_card(path)
    network = AUTOENCODERS[card.network](pose_dim=card.skeleton.pose_dim, latent_dim=card.latent_dim)
    weights = read_weights(path)
    try:
        network.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"The weights in {path.name} do not fit its card.") from error
    return Autoencoder(path, card, network.eval().requires_grad_(False).to(device))


def _read_card(path: Path) -> AutoencoderCard:
    check_file(path, "autoencoder", CheckpointError)
    card_path = path.with_suffix(".json")
    data = read_table(card_path, "card", beside="the autoencoder")
    if data.get("format") == CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path.name} is a gesture model, not an autoencoder: give it as --checkpoint, and as"
            " --autoencoder one"
            " that was trained with configs/autoencoder_*.toml or converted by backend/convert.py."
        )
    if data.get("format") != CARD_FORMAT:
        raise CheckpointError(
            f"{card_path.name} is not an autoencoder's card. Official ones are converted by backend/convert.py."
        )
    if data.get("version") != CARD_VERSION:
        raise CheckpointError(f"{card_path.name} has version {data.get('version')}; {CARD_VERSION} is supported.")
    if missing := [name for name in _REQUIRED if name not in data]:
        raise CheckpointError(f"The card {card_path.name} lacks {', '.join(missing)}.")
    with understood(f"The card {card_path.name} is not as it must be", CheckpointError):
        return AutoencoderCard.from_data(data, path.stem)
