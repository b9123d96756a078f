# SPDX-License-Identifier: GPL-3.0-or-later
"""The card of a checkpoint: read once, checked once, a value with names from then on (docs/CHECKPOINT.md)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import CheckpointError
from ..motion.skeletons import SKELETONS, Skeleton, neutral_directions
from ..reading import Items, Real, Table, Text, Whole, check_file, read_json, understood
from .conditioning import Stream, condition_dim

CARD_FORMAT: Final = "diffgesture-checkpoint"
CARD_VERSION: Final = 1
AUTOENCODER_FORMAT: Final = "diffgesture-autoencoder"
NETWORKS: Final = ("masked_pose_transformer", "official", "trimodal", "ha2g")
_MAX_CARD_BYTES: Final = 4 << 20
_LIMITS: Final[dict[str, tuple[float, float]]] = {
    "fps": (1, 240),
    "window": (2, 4096),
    "overlap": (0, 4096),
    "seed_frames": (0, 4096),
}
# What a network may be asked to be: more than any has, and little enough to be made.
_HYPERPARAMETERS: Final = {
    "masked_pose_transformer": Table(
        optional={
            "hidden_dim": Whole(8, 4096),
            "depth": Whole(1, 64),
            "num_heads": Whole(1, 64),
            "mlp_ratio": Real(0.25, 16),
            "condition_dim": Whole(0, 20_000),
            "dropout": Real(0, 0.99),
            "reach": Whole(0, 4096),
        }
    ),
    "official": Table(
        needed={"hidden_dim": Whole(8, 4096)},
        optional={"block_depth": Whole(2, 128), "window": Whole(2, 4096), "seed_frames": Whole(0, 4096)},
    ),
}


@dataclass(frozen=True)
class SamplerSettings:
    """How the preset ``default`` samples: see ``sampling.solver``.

    ``guidance`` acts at log-SNRs within ``guidance_log_snr``. ``eta`` 0 is deterministic, 1 adds as much fresh
    noise as the process itself. ``time_exponent`` 1 spaces the noise times evenly. ``style_guidance`` acts in
    every step where a style is asked for, and costs an evaluation each.
    """

    steps: int = 8
    guidance: float = 1.0
    guidance_log_snr: tuple[float, float] = (-math.inf, math.inf)
    time_exponent: float = 1.0
    eta: float = 0.0
    style_guidance: float = 1.0

    _RANGES = {
        "steps": (1, 1000),
        "guidance": (0.0, 10.0),
        "time_exponent": (0.2, 5.0),
        "eta": (0.0, 1.0),
        "style_guidance": (0.0, 10.0),
    }

    @classmethod
    def from_card(cls, values: Mapping[str, Any]) -> "SamplerSettings":
        """From the card's ``sampler`` (or, in older cards, its own fields). ValueError for strange values."""
        source = {**values, **values.get("sampler", {})}
        given = {f.name: source[f.name] for f in fields(cls) if f.name in source}
        for name, (low, high) in cls._RANGES.items():
            if name in values:  # where older programs look, even if newer ones do not
                number(values[name], name, low, high)
            if name in given:
                given[name] = number(given[name], name, low, high)
        given["steps"] = int(given.get("steps", cls.steps))
        if "guidance_log_snr" in given:
            low, high = (float(value) for value in given["guidance_log_snr"])
            given["guidance_log_snr"] = (low, high)
        return cls(**given)


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of a checkpoint beside its weights.

    ``mean`` and ``std`` (D,) turn the network's numbers into directions: ``direction = mean + std * x``, in the
    ``frame`` "public" or "native" (the official axes). ``streams``: what the network is conditioned on, in the
    order of its inputs. ``rest`` (B, 3): the rest pose in the public frame. ``data`` is the JSON as it was read.
    """

    name: str
    skeleton: Skeleton
    frame: str
    fps: float
    window: int
    overlap: int
    seed_frames: int
    network: str
    hyperparameters: Mapping[str, Any]
    mean: np.ndarray
    std: np.ndarray
    streams: tuple[Stream, ...]
    sampler: SamplerSettings
    rest: np.ndarray
    licence: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_official(self) -> bool:
        return self.network == "official"

    @property
    def is_recurrent(self) -> bool:
        """Whether it gives a window at once, from seeds, speech, words and a speaker: ``trimodal``, ``ha2g``."""
        return self.network in ("trimodal", "ha2g")

    @property
    def is_published(self) -> bool:
        """Whether it is a network of a paper, which runs in PyTorch and window by window."""
        return self.is_official or self.is_recurrent

    @property
    def reach(self) -> int:
        """Frames that attention reaches to each side; 0: over a whole window."""
        return int(self.hyperparameters.get("reach", 0))

    @property
    def diffusion(self) -> Mapping[str, Any]:
        """``steps``, ``beta_start`` and ``beta_end`` of a published network's noise schedule; absent: as
        published.
        """
        values = self.data.get("diffusion", {})
        return values if isinstance(values, dict) else {}

    def to_directions(self, poses: np.ndarray) -> np.ndarray:
        """The network's poses (..., T, D) as vectors (..., T, B, 3) in the public frame, not normalised."""
        vectors = (poses * self.std + self.mean).reshape(*poses.shape[:-1], -1, 3)
        return self.skeleton.to_public(vectors) if self.frame == "native" else vectors

    def to_poses(self, directions: np.ndarray) -> np.ndarray:
        """Directions (..., T, B, 3) in the public frame as the network's poses (..., T, D) float32."""
        vectors = self.skeleton.to_native(directions) if self.frame == "native" else directions
        flat = vectors.reshape(*vectors.shape[:-2], -1)
        return ((flat - self.mean) / self.std).astype(np.float32)


def read_card(path: Path) -> Card:
    """The card of the checkpoint at ``path``; CheckpointError with what is wrong."""
    check_file(path, "checkpoint", CheckpointError)
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path.name} is not a .safetensors file. Official .bin checkpoints are converted by"
            " backend/convert.py first."
        )
    card_path = path.with_suffix(".json")
    data = read_table(card_path, "card", beside="the checkpoint")
    if data.get("format") == AUTOENCODER_FORMAT:
        raise CheckpointError(
            f"{path.name} is an autoencoder for the Fréchet gesture distance, not a gesture model: give it to"
            " evaluate.py --legacy as --autoencoder."
        )
    if data.get("format") != CARD_FORMAT:
        raise CheckpointError(f"{card_path.name} is not a checkpoint card.")
    if data.get("version") != CARD_VERSION:
        raise CheckpointError(f"{card_path.name} has version {data.get('version')}; {CARD_VERSION} is supported.")
    required = ("layout", "network", "hyperparameters", "normalisation", "frame", *_LIMITS)
    if missing := [name for name in required if name not in data]:
        raise CheckpointError(f"The card {card_path.name} lacks {', '.join(missing)}.")
    if not isinstance(data["layout"], str) or data["layout"] not in SKELETONS:
        raise CheckpointError(
            f"The checkpoint {path.name} is made for the layout '{data['layout']}'; known are"
            f" {' and '.join(SKELETONS)}."
        )
    if not isinstance(data["network"], str) or data["network"] not in NETWORKS:
        raise CheckpointError(f"The checkpoint {path.name} holds an unknown network '{data['network']}'.")
    with understood(f"The card {card_path.name} is not as it must be", CheckpointError):
        return card_from_data(data, path.stem)


def read_table(path: Path, what: str, beside: str) -> dict[str, Any]:
    """A small JSON file that holds a table; CheckpointError if it does not."""
    if not path.is_file():
        raise CheckpointError(f"The {what} {path.name} beside {beside} cannot be read: it is not there.")
    data = read_json(path, what, CheckpointError, _MAX_CARD_BYTES)
    if not isinstance(data, dict):
        raise CheckpointError(f"{path.name} is not a {what}.")
    return data


def card_from_data(data: Mapping[str, Any], stem: str = "") -> Card:
    """The card that JSON describes; ValueError, TypeError or KeyError where it does not."""
    skeleton = SKELETONS[data["layout"]]
    if data["frame"] not in ("public", "native"):
        raise ValueError(f"frame must be public or native, not {data['frame']}")
    numbers = {name: number(data[name], name, low, high) for name, (low, high) in _LIMITS.items()}
    window, overlap, seed_frames = (int(numbers[name]) for name in ("window", "overlap", "seed_frames"))
    if overlap >= window or seed_frames >= window:
        raise ValueError("overlap and seed_frames must be less than window")
    hyperparameters = _hyperparameters(data)
    normalisation = data["normalisation"]
    Table(dict.fromkeys(("mean", "std"), Items(Real(-1e6, 1e6), 10_000)), open=True)(
        normalisation, "normalisation"
    )
    mean, std = (vector(normalisation[name], name, skeleton.pose_dim) for name in ("mean", "std"))
    if (std <= 0).any():
        raise ValueError("a standard deviation is not positive")
    neutral = neutral_directions(skeleton)
    rest = np.asarray(data.get("rest_directions", neutral), dtype=np.float64)
    if rest.shape != neutral.shape or not np.isfinite(rest).all():
        raise ValueError(f"rest_directions must be {neutral.shape[0]} vectors")
    streams = () if data["network"] != "masked_pose_transformer" else Stream.all_of_card(data)
    if streams and hyperparameters.get("condition_dim", 29) != condition_dim(streams):
        raise ValueError(f"its streams have {condition_dim(streams)} columns, which the network does not take")
    training = data.get("training", {})
    return Card(
        name=Text()(data.get("name", stem), "name"),
        skeleton=skeleton,
        frame=data["frame"],
        fps=float(numbers["fps"]),
        window=window,
        overlap=overlap,
        seed_frames=seed_frames,
        network=data["network"],
        hyperparameters=hyperparameters,
        mean=mean,
        std=std,
        streams=streams,
        sampler=SamplerSettings.from_card(data),
        rest=rest,
        licence=Text(20_000)(data.get("licence", ""), "licence"),
        training=training if isinstance(training, dict) else {},
        data=data,
    )


def check_hyperparameters(network: str, values: Any) -> dict[str, Any]:
    """A network's constructor arguments; ValueError where one is unknown or beyond what any network has."""
    kinds = _HYPERPARAMETERS.get(network)
    return dict(values) if kinds is None else kinds(values, "hyperparameters")


def _hyperparameters(data: Mapping[str, Any]) -> dict[str, Any]:
    values = check_hyperparameters(data["network"], data["hyperparameters"])
    heads = values.get("num_heads", 6 if data["network"] == "masked_pose_transformer" else 8)
    if values.get("hidden_dim", 192) % (2 * heads):
        raise ValueError(f"hidden_dim cannot be divided among {heads} heads")
    for name in ("window", "seed_frames"):
        if values.get(name, data[name]) != data[name]:
            raise ValueError(f"{name} is not that of the network")
    return values


def number(value: Any, name: str, low: float, high: float) -> float:
    """``value`` of a card's field, a number between ``low`` and ``high``; ValueError if it is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number between {low:g} and {high:g}, not {value!r:.40}")
    return value


def vector(values: Any, name: str, dim: int) -> np.ndarray:
    """``values`` of a card's field as a finite float32 array (``dim``,); ValueError if they are not."""
    vector = np.asarray(values, dtype=np.float32)
    if vector.shape != (dim,):
        raise ValueError(f"{name} belongs to another layout")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name} contains NaN or infinity")
    return vector
