# SPDX-License-Identifier: GPL-3.0-or-later
"""Training configuration: a TOML file, checked field by field."""

import dataclasses
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from ..model.card import check_hyperparameters
from ..motion.skeletons import SKELETONS
from ..reading import Items, Real, Whole, read_text, understood

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class LossConfig:
    """Weights of the bones (by group) and of the velocity term."""

    arms: float = 4.0
    hands: float = 1.5
    fingers: float = 0.5
    body: float = 2.0
    velocity: float = 1.0


@dataclass(frozen=True)
class AdversarialConfig:
    """Weights of the losses of trimodal and hierarchical networks (Yoon et al. 2020), and the discriminator's
    rate.
    """

    regression: float = 500.0
    discriminator: float = 5.0
    style: float = 0.05
    divergence: float = 0.1
    discriminator_rate: float = 0.2


@dataclass(frozen=True)
class AugmentConfig:
    """Chances and strengths of what is varied in a batch."""

    mirror: float = 0.5
    drop_speech: float = 0.1
    drop_streams: float = 0.12
    unknown: float = 0.7
    noise_floor: float = 0.5
    feature_noise: float = 0.05


@dataclass(frozen=True)
class DiffusionConfig:
    """Noise schedule of a published network: betas in equal steps from ``beta_start`` to ``beta_end``."""

    steps: int = 500
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.beta_start <= self.beta_end < 1:
            raise ConfigError("'diffusion' needs at least one step, and betas between 0 and 1 that do not fall.")


@dataclass(frozen=True)
class Config:
    """One training run.

    ``window``, ``overlap``, ``seed_frames`` and ``window_stride`` are in frames; ``overlap``, ``seed_frames``
    and the guidance also go onto the card for synthesis; ``guidance_log_snr`` (lowest, highest) are the noise
    levels with guidance, empty means all; ``sampler`` holds further settings of the sampler for the card.
    ``model`` holds the network's constructor arguments. ``ema_decay`` 0 switches averaging off; ``schedule`` is
    ``cosine`` (with warm-up), ``constant`` or ``step`` (a tenth every ``decay_steps``). ``mean_direction`` fixes
    the mean that the official network's data are reduced by; empty means measured. The loss curve gets a point
    every ``log_steps``. Every ``panel_steps`` (0: never) ``panel_clips`` held-out clips are generated and
    measured, and the checkpoint with the lowest ``best_by`` (a row of the panel) is kept. Every ``keep_steps`` (0:
    never) the checkpoint is kept beside the last one. ``amp``: ``off``, ``bf16`` or ``fp16`` (mixed precision).
    ``adversarial_from``: first step whose generator is judged by a discriminator. ``word_vectors``: a fastText
    text file for networks that hear words, empty: they learn their own; words that occur fewer than
    ``least_words`` times are unknown to them. ``wandb``: a project of Weights & Biases that the curves go to as
    well. ``in_memory``: the data set is read through once at the start, as network drives like it.
    """

    layout: str
    network: str = "masked_pose_transformer"
    fps: float = 15.0
    window: int = 90
    overlap: int = 18
    seed_frames: int = 4
    guidance: float = 1.0
    guidance_log_snr: list = field(default_factory=list)
    sampler: dict = field(default_factory=dict)
    window_stride: int = 10
    name: str = "diffgesture"
    licence: str = ""
    steps: int = 20_000
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 5e-4
    betas: list = field(default_factory=lambda: [0.9, 0.99])
    schedule: str = "cosine"
    warmup_steps: int = 300
    decay_steps: int = 0
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    null_probability: float = 0.1
    cosine_weight: float = 0.0
    mean_direction: list = field(default_factory=list)
    amp: str = "off"
    seed: int = 0
    save_minutes: float = 5.0
    log_steps: int = 20
    panel_steps: int = 0
    panel_clips: int = 4
    best_by: str = "gesture_distance"
    keep_steps: int = 0
    wandb: str = ""
    in_memory: bool = False
    adversarial_from: int = 0
    word_vectors: str = ""
    least_words: int = 1
    model: dict = field(default_factory=dict)
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)

    def __post_init__(self) -> None:
        if self.layout not in SKELETONS:
            raise ConfigError(f"'layout' must be one of {', '.join(SKELETONS)}, not {self.layout!r}.")
        for name, allowed in (
            ("optimizer", ("adam", "adamw", "muon")),
            ("schedule", ("cosine", "constant", "step")),
            ("amp", ("off", "bf16", "fp16")),
        ):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"'{name}' must be {' or '.join(allowed)}, not {getattr(self, name)!r}.")
        for name in ("fps", "window", "window_stride", "steps", "batch_size", "learning_rate", "save_minutes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"'{name}' must be positive, not {getattr(self, name)}.")
        for name in ("log_steps", "panel_clips"):
            if getattr(self, name) < 1:
                raise ConfigError(f"'{name}' must be at least 1, not {getattr(self, name)}.")
        for name in ("panel_steps", "keep_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"'{name}' must be 0 (never) or more, not {getattr(self, name)}.")
        if len(self.betas) != 2 or not all(isinstance(beta, float) and 0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"'betas' must be two numbers from 0 to below 1, not {self.betas}.")
        if not 0 <= self.overlap < self.window or not 0 < self.seed_frames < self.window:
            raise ConfigError("'overlap' and 'seed_frames' must be shorter than 'window'.")


_MAX_TOML: Final = 1 << 20
# What fits into some machine: a larger number is a slip of the pen.
_LIMITS: Final = {
    "fps": (0, 240),
    "window": (0, 4096),
    "overlap": (0, 4096),
    "seed_frames": (0, 4096),
    "window_stride": (0, 100_000),
    "steps": (0, 100_000_000),
    "batch_size": (0, 65_536),
    "learning_rate": (0.0, 100.0),
    "warmup_steps": (0, 100_000_000),
    "decay_steps": (0, 100_000_000),
    "gradient_clip": (1e-9, 1e9),
    "ema_decay": (0.0, 1.0),
    "null_probability": (0.0, 1.0),
    "seed": (0, 2**31 - 1),
    "save_minutes": (0.0, 1e6),
    "log_steps": (0, 100_000_000),
    "panel_steps": (0, 100_000_000),
    "panel_clips": (0, 100_000),
    "guidance": (0.0, 10.0),
    "diffusion.steps": (0, 10_000),
    "keep_steps": (0, 100_000_000),
    **dict.fromkeys(
        (
            "augment.mirror",
            "augment.drop_speech",
            "augment.drop_streams",
            "augment.unknown",
            "augment.noise_floor",
        ),
        (0.0, 1.0),
    ),
    **dict.fromkeys((f"loss.{name}" for name in ("arms", "hands", "fingers", "body", "velocity")), (0.0, 1e6)),
}


def _checked(kind: Any, value: Any, source: str, name: str) -> Any:
    try:
        return kind(value, f"'{name}'")
    except ValueError as error:
        raise ConfigError(f"{source}: {error}.") from error


def load_config(path: str | Path, changes: Sequence[str] = ()) -> Config:
    """Read a TOML file; ``changes`` such as "batch_size=32" or "model.depth=4" come on top of it.

    ConfigError names the file (or the change) and the unknown or ill-typed key.
    """
    path = Path(path)
    text = read_text(path, "configuration", ConfigError, _MAX_TOML)
    with understood(f"The configuration {path} is not valid TOML", ConfigError):
        values = tomllib.loads(text)
    for change in changes:
        _change(values, change)
    return _build(Config, values, f"{path.name} with --set" if changes else path.name, "")


def _change(values: dict[str, Any], change: str) -> None:
    """``key=value`` or ``section.key=value``; the value as in TOML, where text may lack its quotation marks."""
    name, equals, text = change.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not key or not all(sections):
        raise ConfigError(f"--set wants KEY=VALUE, such as batch_size=32 or model.depth=4, not '{change}'.")
    table: Any = values
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {change}: '{section}' is no section.")
    try:
        table[key] = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        table[key] = text.strip()


def _build(cls: type, values: dict[str, Any], source: str, prefix: str) -> Any:
    fields = {item.name: item for item in dataclasses.fields(cls)}
    known: dict[str, Any] = {}
    for key, given in values.items():
        value = given
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f" Did you mean '{prefix}{near[0]}'?" if near else ""
            raise ConfigError(f"{source}: unknown key '{prefix}{key}'.{hint}")
        kind = fields[key].type
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            value = _build(kind, value, source, f"{key}.")  # type: ignore[arg-type]
        elif kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif kind is list and isinstance(value, list):
            value = _checked(Items(Real(), 1000), value, source, prefix + key)
        elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):  # type: ignore[arg-type]
            raise ConfigError(
                f"{source}: '{prefix}{key}' must be {getattr(kind, '__name__', kind)}, not {value!r}."
            )
        if prefix + key in _LIMITS and kind in (int, float):
            low, high = _LIMITS[prefix + key]
            value = _checked((Whole if kind is int else Real)(low, high), value, source, prefix + key)
        elif kind is float:
            value = _checked(Real(), value, source, prefix + key)
        known[key] = value
    try:
        built = cls(**known)
        if isinstance(built, Config):
            check_hyperparameters(built.network, built.model)
        return built
    except ValueError as error:
        raise ConfigError(f"{source}: [model] does not describe the network: {error}.") from error
    except TypeError as error:
        raise ConfigError(f"{source}: {error}.") from error
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
