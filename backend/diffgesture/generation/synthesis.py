# SPDX-License-Identifier: GPL-3.0-or-later
"""From speech samples to a motion: the two presets.

``reference`` is the official algorithm: 500 DDPM steps with the smooth stabilizer and guidance 1.15, windows one
after another, cross-fade. ``default`` denoises the clip at once in a few DPM-Solver++ steps. Both presets run
with both networks; only with an official network and preset ``reference`` is the whole chain the published one.
"""

import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError
from ..model.checkpoint import Checkpoint
from ..motion.amplitude import Amounts
from ..motion.constraints import Constraints
from ..motion.motion_file import Motion, num_motion_frames
from ..motion.shaping import Shaping, shape_motion
from ..motion.skeletons import neutral_directions, normalize
from ..sampling.diffusion import GaussianNoise, Stabilizer, linear_schedule, sample_ddpm, sample_dpm_solver_pp_2m
from ..sampling.known_poses import KnownPoses
from ..sampling.predictors import Guidance, Predictor, make_predictor
from ..sampling.windows import count_sequential_windows, sequential_windows
from ..speech.audio import SAMPLE_RATE, is_silent

Preset = Literal["default", "reference"]
PRESETS: Final = ("default", "reference")
MAX_STEPS: Final = 1000
DEFAULT_STEPS: Final = 8
REFERENCE_STEPS: Final = 500
REFERENCE_GUIDANCE: Final = 1.15
_RANGES: Final = (
    ("guidance", 0.0, 10.0),
    ("intensity", 0.0, 3.0),
    ("smoothing", 0.0, 4.0),
    ("rest_in", 0.0, 60.0),
    ("rest_out", 0.0, 60.0),
)


@dataclass(frozen=True)
class Settings:
    """How to generate. ``None`` takes the preset's (or the checkpoint's) own value.

    guidance 1 trusts the speech-conditioned estimate alone; above 1 exaggerates what speech adds. ``amounts``
    may be given as a mapping. ``constraints`` are directions that stay as they are while the rest is generated to
    fit. The other controls are those of ``Shaping``.
    """

    preset: Preset = "default"
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    stabilizer: Stabilizer = "smooth"
    intensity: float = 1.0
    smoothing: float = 0.0
    amounts: Amounts = field(default_factory=Amounts)
    rest_in: float = 0.0
    rest_out: float = 0.0
    constraints: Constraints | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError(f"There is no preset '{self.preset}'; choose {' or '.join(PRESETS)}.")
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise ConfigError(f"steps must lie between 1 and {MAX_STEPS}, not {self.steps}.")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"{name} must lie between {low:g} and {high:g}, not {value}.")
        given: Any = self.amounts
        object.__setattr__(self, "amounts", Amounts.of(given))
        if self.constraints is not None and self.preset == "reference":
            raise ConfigError(
                "The preset 'reference' is the published algorithm, which cannot keep a part of a motion; choose "
                "the preset 'default'."
            )

    @property
    def shaping(self) -> Shaping:
        """What is done to the finished motion."""
        return Shaping(self.intensity, self.smoothing, self.amounts, self.rest_in, self.rest_out)


@dataclass
class Result:
    """A motion with what the user should know about its making."""

    motion: Motion
    steps: int
    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


Progress = Callable[[str, float, str], None]
"""Called with (stage, fraction 0..1, message); may raise to cancel."""


def _no_progress(stage: str, fraction: float, message: str) -> None:
    return None


def generate(
    audio: np.ndarray, checkpoint: Checkpoint, settings: Settings, progress: Progress = _no_progress
) -> Result:
    """(samples,) of 16 kHz speech to a motion exactly as long as the speech."""
    started = time.perf_counter()
    card, skeleton = checkpoint.card, checkpoint.skeleton
    seconds = len(audio) / SAMPLE_RATE
    num_frames = num_motion_frames(seconds, card["fps"])
    warnings = []
    if settings.constraints is not None:
        fitted = settings.constraints.fitted(skeleton, card["fps"], num_frames)
        settings = replace(settings, constraints=fitted)
    if is_silent(audio):
        warnings.append("The audio is silent, so the character rests.")
    progress("audio", 0.0, "Listening")
    predictor = make_predictor(audio, num_frames, checkpoint)
    listened = time.perf_counter()
    reference = settings.preset == "reference"
    steps = settings.steps or (REFERENCE_STEPS if reference else card.get("steps", DEFAULT_STEPS))
    sample = _sample_sequentially if reference else _sample_jointly
    with torch.inference_mode():
        noise = GaussianNoise(noise_generator(audio, settings.seed), checkpoint.device)
        poses = sample(predictor, checkpoint, settings, steps, num_frames, noise, progress)
    poses = poses.cpu().numpy() * checkpoint.std + checkpoint.mean
    directions = normalize(poses.reshape(num_frames, skeleton.num_bones, 3).astype(np.float64))
    if card["frame"] == "native":
        directions = skeleton.to_public(directions)
    rest = np.asarray(card.get("rest_directions", neutral_directions(skeleton)), dtype=np.float64)
    directions = shape_motion(directions, rest, skeleton, card["fps"], settings.shaping, settings.constraints)
    ended = time.perf_counter()
    motion = Motion(
        directions=directions.astype(np.float32),
        fps=float(card["fps"]),
        layout=skeleton.name,
        seed=settings.seed,
        audio_seconds=seconds,
        preset=settings.preset,
        checkpoint=card.get("name", checkpoint.path.stem),
        neutral_directions=neutral_directions(skeleton),
    )
    timings = {"audio": listened - started, "sampling": ended - listened, "total": ended - started}
    return Result(motion, steps, timings, warnings)


def noise_generator(audio: np.ndarray, seed: int) -> torch.Generator:
    """Randomness of one clip: the same seed does not give two recordings the same gestures.

    Only the beginning of the speech counts, so that a sentence added at the end leaves the rest as it was.
    """
    beginning = np.round(audio[: 5 * SAMPLE_RATE] * 32767).astype("<i2").tobytes()
    state = np.random.SeedSequence([seed, zlib.crc32(beginning)]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _sample_jointly(
    predictor: Predictor,
    checkpoint: Checkpoint,
    settings: Settings,
    steps: int,
    num_frames: int,
    noise: GaussianNoise,
    progress: Progress,
) -> Tensor:
    """Preset ``default``: (T, D) by DPM-Solver++(2M) on one trajectory for the whole clip."""
    card, device = checkpoint.card, checkpoint.device
    mean, std = (torch.from_numpy(values).to(device) for values in (checkpoint.mean, checkpoint.std))
    known = _known_poses(settings.constraints, checkpoint, predictor.num_frames)
    predict_clip = predictor.clip(guidance_of(card, settings.guidance), known)

    def predict_x0(x: Tensor, log_snr: float) -> Tensor:
        clean = bound_lengths(predict_clip(x, log_snr), mean, std)
        return clean if known is None else known.impose(clean)

    x_T = noise.own(0, (predictor.num_frames, len(checkpoint.mean)))
    clip = sample_dpm_solver_pp_2m(
        predict_x0, x_T, predictor.log_snrs(steps), on_step=_on_step(progress, "Denoising")
    )
    return clip[:num_frames]


def guidance_of(card: dict[str, Any], scale: float | None) -> Guidance:
    """The preset default's guidance as the card says, with another ``scale`` if given."""
    lowest, highest = card.get("guidance_log_snr", (-math.inf, math.inf))
    return Guidance(card.get("guidance", 1.0) if scale is None else scale, lowest, highest)


def _known_poses(constraints: Constraints | None, checkpoint: Checkpoint, num_frames: int) -> KnownPoses | None:
    """Constraints as the network's standardised poses, continued to ``num_frames``."""
    if constraints is None or not constraints.mask.any():
        return None
    directions, skeleton = constraints.directions.astype(np.float64), checkpoint.skeleton
    if checkpoint.card["frame"] == "native":
        directions = skeleton.to_native(directions)
    mask = np.repeat(constraints.mask, 3, axis=1)
    poses = np.where(mask, (directions.reshape(len(mask), -1) - checkpoint.mean) / checkpoint.std, 0.0)
    behind = ((0, num_frames - len(mask)), (0, 0))
    tensors = (torch.from_numpy(np.pad(x, behind).astype(np.float32)) for x in (poses, mask))
    return KnownPoses(*(tensor.to(checkpoint.device) for tensor in tensors))


def bound_lengths(poses: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Standardised poses (T, D) with no direction longer than 1.

    A clean-pose estimate is a mean of unit vectors, so it is shorter the less is known, and never longer. (Made
    unit length in every step, it would decide too early: the hands of the bundled model then move a quarter less.)
    """
    directions = (poses * std + mean).unflatten(-1, (-1, 3))
    bounded = directions / directions.norm(dim=-1, keepdim=True).clamp(min=1.0)
    return (bounded.flatten(-2) - mean) / std


def _sample_sequentially(
    predictor: Predictor,
    checkpoint: Checkpoint,
    settings: Settings,
    steps: int,
    num_frames: int,
    noise: GaussianNoise,
    progress: Progress,
) -> Tensor:
    """Preset ``reference``: (T, D) by the official sampler and long-form rule, cut to the speech's length."""
    card, device = checkpoint.card, checkpoint.device
    fps, window, seed_frames = card["fps"], card["window"], card["seed_frames"]
    schedule = linear_schedule(steps).to(device)
    guidance = REFERENCE_GUIDANCE if settings.guidance is None else settings.guidance
    count = count_sequential_windows(num_frames / fps, fps, window, seed_frames)

    def sample_window(index: int, seed: Tensor | None) -> Tensor:
        x_T = noise.own(steps + 1, (1, window, len(checkpoint.mean)))
        message = f"Window {index + 1} of {count}"
        return sample_ddpm(
            predictor.sequential(index, seed, schedule, guidance),
            x_T,
            schedule,
            noise,
            stabilizer=settings.stabilizer,
            on_step=_on_step(progress, message, index / count, 1 / count),
        )[0]

    return sequential_windows(sample_window, count, seed_frames)[:num_frames]


def _on_step(
    progress: Progress, message: str, base: float = 0.0, share: float = 1.0
) -> Callable[[int, int], None]:
    return lambda done, total: progress("sampling", base + share * done / total, message)
