# SPDX-License-Identifier: GPL-3.0-or-later
"""From speech samples to a motion: the two presets.

``reference`` is the official algorithm: 500 DDPM steps with the smooth stabilizer and guidance 1.15, windows one
after another, cross-fade. ``default`` denoises the clip at once in a few DPM-Solver++ steps. Both presets run
with both networks; only with an official network and preset ``reference`` is the whole chain the published one.
"""

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..model.checkpoint import Checkpoint
from ..motion.amplitude import Amounts
from ..motion.constraints import Constraints
from ..motion.motion_file import Motion, num_motion_frames
from ..motion.shaping import Shaping, shape_motion
from ..motion.skeletons import neutral_directions, normalize
from ..sampling.noise import GaussianNoise
from ..sampling.reference import REFERENCE_STEPS, Stabilizer
from ..speech.audio import is_silent
from ..speech.features import SAMPLE_RATE
from .default_preset import sample_clip, sampler_of
from .reference_preset import sample_windows

Preset = Literal["default", "reference"]
PRESETS: Final = ("default", "reference")
MAX_STEPS: Final = 1000
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
    num_frames = num_motion_frames(seconds, card.fps)
    warnings = []
    if settings.constraints is not None:
        fitted = settings.constraints.fitted(skeleton, card.fps, num_frames)
        settings = replace(settings, constraints=fitted)
    if is_silent(audio):
        warnings.append("The audio is silent, so the character rests.")
    progress("audio", 0.0, "Listening")
    noise = GaussianNoise(noise_seed(audio, settings.seed))
    if settings.preset == "reference":
        steps = settings.steps or REFERENCE_STEPS

        def on_window(index: int, count: int, step: int, total: int) -> None:
            progress("sampling", (index + step / total) / count, f"Window {index + 1} of {count}")

        poses = sample_windows(
            audio,
            checkpoint,
            num_frames,
            noise,
            steps=steps,
            guidance=settings.guidance,
            stabilizer=settings.stabilizer,
            on_step=on_window,
        )
    else:
        steps = sampler_of(card, settings.steps, None).steps
        poses = sample_clip(
            audio,
            checkpoint,
            num_frames,
            noise,
            steps=settings.steps,
            guidance=settings.guidance,
            constraints=settings.constraints,
            on_step=lambda done, total: progress("sampling", done / total, "Denoising"),
        )
    sampled = time.perf_counter()
    if not np.isfinite(poses).all():
        raise CheckpointError(
            f"The network of {checkpoint.path.name} gave NaN or infinity for this speech. Take another checkpoint."
        )
    directions = normalize(card.to_directions(poses.astype(np.float64)))
    directions = shape_motion(directions, card.rest, skeleton, card.fps, settings.shaping, settings.constraints)
    ended = time.perf_counter()
    motion = Motion(
        directions=directions.astype(np.float32),
        fps=card.fps,
        layout=skeleton.name,
        seed=settings.seed,
        audio_seconds=seconds,
        preset=settings.preset,
        checkpoint=card.name,
        neutral_directions=neutral_directions(skeleton),
    )
    timings = {"sampling": sampled - started, "shaping": ended - sampled, "total": ended - started}
    return Result(motion, steps, timings, warnings)


def noise_seed(audio: np.ndarray, seed: int) -> int:
    """Where the randomness of one clip begins: the same seed does not give two recordings the same gestures.

    Only the beginning of the speech counts, so that a sentence added at the end leaves the rest as it was.
    """
    beginning = np.round(audio[: 5 * SAMPLE_RATE] * 32767).astype("<i2").tobytes()
    state = np.random.SeedSequence([seed, zlib.crc32(beginning)]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
