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
    cosine_log_snr,
    few_step_times,
    linear_schedule,
    sample_ddpm,
    sample_dpm_solver_pp_2m,
)
from .errors import ConfigError
from .features import audio_features
from .longform import (
    blend_weights,
    count_sequential_windows,
    cut_windows,
    official_audio_window,
    overlap_add,
    sequential_windows,
    window_starts,
)
from .motion import Motion, num_motion_frames
from .networks.official import SAMPLES_PER_WINDOW
from .postprocess import scale_intensity, smooth
from .skeletons import neutral_directions, normalize

Preset = Literal["default", "reference"]
PRESETS: Final = ("default", "reference")
MAX_STEPS: Final = 1000
_WINDOWS_PER_BATCH: Final = 64


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
    clip = _ClipSampler(audio, num_frames, checkpoint, settings, progress)
    listened = time.perf_counter()
    with torch.inference_mode():
        poses = clip.reference() if settings.preset == "reference" else clip.default()
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
    return Result(motion, clip.steps, timings, warnings)


class _ClipSampler:
    """One clip's conditioning and noise, and the two ways to denoise it."""

    def __init__(
        self, audio: np.ndarray, num_frames: int, checkpoint: Checkpoint, settings: Settings, progress: Progress
    ):
        self.audio, self.num_frames, self.settings, self.progress = audio, num_frames, settings, progress
        self.checkpoint, self.network, card = checkpoint, checkpoint.network, checkpoint.card
        self.fps, self.window, self.seed_frames = card["fps"], card["window"], card.get("seed_frames", 4)
        self.overlap = card.get("overlap", self.window // 6)
        self.device = next(self.network.parameters()).device
        self.mean = torch.from_numpy(checkpoint.mean).to(self.device)
        self.std = torch.from_numpy(checkpoint.std).to(self.device)
        self.noise = GaussianNoise(torch.Generator().manual_seed(settings.seed), self.device)
        reference = settings.preset == "reference"
        self.steps = settings.steps or (500 if reference else card.get("steps", 10))
        default_guidance = 1.15 if reference else card.get("guidance", 1.0)
        self.guidance = default_guidance if settings.guidance is None else settings.guidance
        if not checkpoint.is_official:
            self.features = self._features()

    def _features(self) -> Tensor:
        """(T or window, F + 1): standardised speech features and the bit that says they are given."""
        normalisation = self.checkpoint.card["features"]
        features = audio_features(self.audio, self.num_frames, self.fps)
        features = (features - np.float32(normalisation["mean"])) / np.float32(normalisation["std"])
        short = max(0, self.window - self.num_frames)
        # A clip shorter than a window is followed by silence, the floor of every feature.
        silence = (np.float32(normalisation["silence"]) - np.float32(normalisation["mean"])) / np.float32(
            normalisation["std"]
        )
        features = np.concatenate([features, np.repeat(silence[None], short, axis=0)])
        given = np.ones((len(features), 1), dtype=np.float32)
        return torch.from_numpy(np.concatenate([features, given], axis=1).astype(np.float32)).to(self.device)

    # -- default: all windows at once --------------------------------------------------------------------------

    def default(self) -> Tensor:
        """(T, D) by DPM-Solver++(2M) on one trajectory for the whole clip."""
        total = max(self.num_frames, self.window)
        starts = window_starts(total, self.window, self.overlap)
        weights = blend_weights(total, starts, self.window).to(self.device)
        predict_windows = self._official_x0(starts) if self.checkpoint.is_official else self._masked_x0(starts)

        def predict_x0(x: Tensor, log_snr: float) -> Tensor:
            estimates = predict_windows(cut_windows(x, starts, self.window), log_snr)
            return self._unit(overlap_add(estimates * weights.unsqueeze(-1), starts, total))

        x_T = self.noise.own(0, (total, self.mean.shape[0]))
        log_snrs = self._log_snrs()
        x_T = x_T * (1 / (1 + torch.exp(log_snrs[0]))).sqrt().float()
        clip = sample_dpm_solver_pp_2m(predict_x0, x_T, log_snrs, on_step=self._on_step("Denoising"))
        return clip[: self.num_frames]

    def _log_snrs(self) -> Tensor:
        if self.checkpoint.is_official:
            schedule = linear_schedule()
            t = torch.linspace(schedule.num_steps, 1, self.steps + 1)[:-1].round().long()
            alpha_bar = schedule.alpha_bars[t].double()
            return torch.log(alpha_bar / (1 - alpha_bar))
        return cosine_log_snr(few_step_times(self.steps))

    def _unit(self, x0: Tensor) -> Tensor:
        """Project standardised poses onto unit directions, (T, D)."""
        directions = (x0 * self.std + self.mean).unflatten(-1, (-1, 3))
        unit = directions / directions.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        return (unit.flatten(-2) - self.mean) / self.std

    def _masked_x0(self, starts: list[int]) -> Callable[[Tensor, float], Tensor]:
        speech = cut_windows(self.features, starts, self.window)

        def predict(windows: Tensor, log_snr: float) -> Tensor:
            known, mask = self._nothing_known(windows)
            return torch.cat(
                [
                    self._guided_x0(*parts, log_snr)
                    for parts in zip(
                        *(tensor.split(_WINDOWS_PER_BATCH) for tensor in (windows, known, mask, speech)), strict=True
                    )
                ]
            )

        return predict

    def _nothing_known(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(windows), windows.new_zeros(*windows.shape[:2], windows.shape[2] // 3)

    def _guided_x0(self, x: Tensor, known: Tensor, mask: Tensor, speech: Tensor, log_snr: float) -> Tensor:
        level = torch.full((x.shape[0],), log_snr, device=x.device)
        conditional = self.network(x, level, known, mask, speech)
        if self.guidance == 1.0:
            return conditional
        nothing = torch.zeros_like
        unconditional = self.network(x, level, nothing(known), nothing(mask), nothing(speech))
        return unconditional + self.guidance * (conditional - unconditional)

    def _official_x0(self, starts: list[int]) -> Callable[[Tensor, float], Tensor]:
        """The official network on all windows at once: speech only, no seeds (its bit says so)."""
        schedule = linear_schedule().to(self.device)
        log_snrs = torch.log(schedule.alpha_bars[1:] / (1 - schedule.alpha_bars[1:]))
        contexts = torch.cat([self._official_context(None, self._samples_from(start)) for start in starts])

        def predict(windows: Tensor, log_snr: float) -> Tensor:
            t = int((log_snrs - log_snr).abs().argmin()) + 1
            beta, alpha_bar = schedule.betas[t].expand(len(windows)), schedule.alpha_bars[t]
            noise = self.network.guided_noise(windows, beta, contexts, self.guidance)
            return (windows - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()

        return predict

    # -- reference: one window after another -------------------------------------------------------------------

    def reference(self) -> Tensor:
        """(T, D) by the official sampler and long-form rule, cut to the speech's length."""
        schedule = linear_schedule(self.steps).to(self.device)
        seconds = len(self.audio) / SAMPLE_RATE
        count = count_sequential_windows(seconds, self.fps, self.window, self.seed_frames)

        def sample_window(index: int, seed: Tensor | None) -> Tensor:
            predict = self._official_noise if self.checkpoint.is_official else self._masked_noise
            shape = (1, self.window, self.mean.shape[0])
            on_step = self._on_step(f"Window {index + 1} of {count}", index / count, 1 / count)
            return sample_ddpm(
                predict(index, seed, schedule),
                self.noise.own(schedule.num_steps + 1, shape),
                schedule,
                self.noise,
                stabilizer=self.settings.stabilizer,
                on_step=on_step,
            )[0]

        return sequential_windows(sample_window, count, self.seed_frames)[: self.num_frames]

    def _official_noise(self, index: int, seed: Tensor | None, schedule) -> Callable[[Tensor, int], Tensor]:
        samples, _ = official_audio_window(
            self.audio, index, self.fps, self.window, self.seed_frames, SAMPLE_RATE
        )
        context = self._official_context(seed, samples)
        return lambda x, t: self.network.guided_noise(x, schedule.betas[[t]], context, self.guidance)

    def _masked_noise(self, index: int, seed: Tensor | None, schedule) -> Callable[[Tensor, int], Tensor]:
        start = index * (self.window - self.seed_frames)
        speech = self.features[start : start + self.window]
        speech = torch.cat([speech, speech[-1:].expand(self.window - len(speech), -1)]).unsqueeze(0)
        known, mask = self._nothing_known(speech.new_zeros(1, self.window, self.mean.shape[0]))
        if seed is not None:
            known[0, : self.seed_frames], mask[0, : self.seed_frames] = seed, 1

        def predict(x: Tensor, t: int) -> Tensor:
            alpha_bar = schedule.alpha_bars[t]
            log_snr = float(torch.log(alpha_bar / (1 - alpha_bar)))
            x0 = self._guided_x0(x, known, mask, speech, log_snr)
            return (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()

        return predict

    def _official_context(self, seed: Tensor | None, samples: np.ndarray) -> Tensor:
        pre_seq = torch.zeros(1, self.window, self.mean.shape[0] + 1, device=self.device)
        if seed is not None:
            pre_seq[0, : self.seed_frames, :-1], pre_seq[0, : self.seed_frames, -1] = seed, 1
        return self.network.context(pre_seq, torch.from_numpy(samples)[None].float().to(self.device))

    def _samples_from(self, start_frame: int) -> np.ndarray:
        start = round(start_frame / self.fps * SAMPLE_RATE)
        samples = self.audio[start : start + SAMPLES_PER_WINDOW]
        return np.pad(samples, (0, SAMPLES_PER_WINDOW - len(samples)))

    def _on_step(self, message: str, base: float = 0.0, share: float = 1.0) -> Callable[[int, int], None]:
        return lambda done, total: self.progress("sampling", base + share * done / total, message)
