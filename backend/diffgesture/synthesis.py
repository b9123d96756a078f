# SPDX-License-Identifier: GPL-3.0-or-later
"""From speech samples to a motion: the two presets.

``reference`` is the official algorithm: 500 DDPM steps with the smooth stabilizer and guidance 1.15, windows one
after another, cross-fade. ``default`` denoises all windows at once in a few DPM-Solver++ steps. Both presets run
with both networks; only with an official network and preset ``reference`` is the whole chain the published one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor

from .audio import SAMPLE_RATE, is_silent
from .checkpoint import Checkpoint
from .diffusion import (
    GaussianNoise,
    Stabilizer,
    linear_schedule,
    sample_ddpm,
    sample_dpm_solver_pp_2m,
)
from .errors import ConfigError
from .longform import (
    blend_weights,
    count_sequential_windows,
    cut_windows,
    overlap_add,
    sequential_windows,
    window_starts,
)
from .motion import Motion, num_motion_frames
from .postprocess import scale_intensity, smooth
from .predictors import Predictor, make_predictor
from .skeletons import neutral_directions, normalize

Preset = Literal["default", "reference"]
PRESETS: Final = ("default", "reference")
MAX_STEPS: Final = 1000
DEFAULT_STEPS: Final = 10
REFERENCE_STEPS: Final = 500
REFERENCE_GUIDANCE: Final = 1.15


@dataclass(frozen=True)
class Settings:
    """How to generate. ``None`` takes the preset's (or the checkpoint's) own value.

    guidance 1 trusts the speech-conditioned estimate alone; above 1 exaggerates what speech adds.
    """

    preset: Preset = "default"
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    stabilizer: Stabilizer = "smooth"
    intensity: float = 1.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError(f"There is no preset '{self.preset}'; choose {' or '.join(PRESETS)}.")
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise ConfigError(f"steps must lie between 1 and {MAX_STEPS}, not {self.steps}.")
        for name, low, high in (("guidance", 0.0, 10.0), ("intensity", 0.0, 3.0), ("smoothing", 0.0, 4.0)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"{name} must lie between {low:g} and {high:g}, not {value}.")


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
    if is_silent(audio):
        warnings.append("The audio is silent, so the character rests.")
    progress("audio", 0.0, "Listening")
    predictor = make_predictor(audio, num_frames, checkpoint)
    listened = time.perf_counter()
    reference = settings.preset == "reference"
    steps = settings.steps or (REFERENCE_STEPS if reference else card.get("steps", DEFAULT_STEPS))
    sample = _sample_sequentially if reference else _sample_jointly
    with torch.inference_mode():
        poses = sample(predictor, checkpoint, settings, steps, num_frames, progress)
    poses = poses.cpu().numpy() * checkpoint.std + checkpoint.mean
    directions = normalize(poses.reshape(num_frames, skeleton.num_bones, 3).astype(np.float64))
    if card["frame"] == "native":
        directions = skeleton.to_public(directions)
    rest = np.asarray(card.get("rest_directions", neutral_directions(skeleton)), dtype=np.float64)
    directions = scale_intensity(directions, rest, settings.intensity)
    directions = smooth(directions, card["fps"], settings.smoothing)
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


def _sample_jointly(
    predictor: Predictor,
    checkpoint: Checkpoint,
    settings: Settings,
    steps: int,
    num_frames: int,
    progress: Progress,
) -> Tensor:
    """Preset ``default``: (T, D) by DPM-Solver++(2M) on one trajectory for the whole clip."""
    card, device = checkpoint.card, checkpoint.device
    window = card["window"]
    total = max(num_frames, window)
    starts = window_starts(total, window, card["overlap"])
    weights = blend_weights(total, starts, window).to(device).unsqueeze(-1)
    guidance = card.get("guidance", 1.0) if settings.guidance is None else settings.guidance
    predict_windows = predictor.windows(starts, guidance)
    mean, std = (torch.from_numpy(values).to(device) for values in (checkpoint.mean, checkpoint.std))

    def predict_x0(x: Tensor, log_snr: float) -> Tensor:
        windows = predict_windows(cut_windows(x, starts, window), log_snr)
        return _project_to_unit(overlap_add(windows * weights, starts, total), mean, std)

    noise = GaussianNoise(torch.Generator().manual_seed(settings.seed), device)
    x_T = noise.own(0, (total, len(checkpoint.mean)))
    clip = sample_dpm_solver_pp_2m(
        predict_x0, x_T, predictor.log_snrs(steps), on_step=_on_step(progress, "Denoising")
    )
    return clip[:num_frames]


def _project_to_unit(poses: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Standardised poses (T, D) with every direction brought to unit length."""
    directions = (poses * std + mean).unflatten(-1, (-1, 3))
    unit = directions / directions.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    return (unit.flatten(-2) - mean) / std


def _sample_sequentially(
    predictor: Predictor,
    checkpoint: Checkpoint,
    settings: Settings,
    steps: int,
    num_frames: int,
    progress: Progress,
) -> Tensor:
    """Preset ``reference``: (T, D) by the official sampler and long-form rule, cut to the speech's length."""
    card, device = checkpoint.card, checkpoint.device
    fps, window, seed_frames = card["fps"], card["window"], card["seed_frames"]
    schedule = linear_schedule(steps).to(device)
    guidance = REFERENCE_GUIDANCE if settings.guidance is None else settings.guidance
    count = count_sequential_windows(num_frames / fps, fps, window, seed_frames)
    noise = GaussianNoise(torch.Generator().manual_seed(settings.seed), device)

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
