# SPDX-License-Identifier: GPL-3.0-or-later
"""Preset ``default``: a few DPM-Solver++ steps on one trajectory for the whole clip."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..model.card import Card, SamplerSettings
from ..model.checkpoint import Checkpoint
from ..model.conditioning import Conditioning
from ..motion.constraints import Constraints
from ..sampling.denoiser import Guidance, bounded, clip_denoiser, constrained
from ..sampling.known_poses import KnownPoses
from ..sampling.noise import NoiseSource
from ..sampling.reference import PUBLISHED, OnStep
from ..sampling.solver import Denoise, cosine_log_snr, few_step_times, sample_dpm_solver_pp_2m
from ..sampling.windows import Windows, official_samples
from ..speech.audio import Heard
from .conditions import condition_clip


def sample_clip(
    audio: np.ndarray | Heard,
    checkpoint: Checkpoint,
    num_frames: int,
    noise: NoiseSource,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    constraints: Constraints | None = None,
    direction: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    on_heard: Callable[[Conditioning], None] | None = None,
) -> np.ndarray:
    """(samples,) of 16 kHz speech to standardised poses (num_frames, D); None takes the card's own value.

    ``direction``: what is asked for beside the speech, see ``conditions.condition_clip``. ``on_heard`` is called
    with what a network of streams is conditioned on.
    """
    card = checkpoint.card
    sampler = sampler_of(card, steps, guidance)
    length = max(num_frames, card.window)
    known = known_poses(constraints, card, length)
    at = (0, sampler.steps)

    def tell(step: int, of: int) -> None:
        nonlocal at
        at = (step, of)
        if on_step:
            on_step(step, of)

    if checkpoint.is_official:
        denoise, log_snrs = _official(audio, checkpoint, length, sampler)
    else:
        conditioning = condition_clip(card, {"audio": audio, **(direction or {})}, num_frames)
        if on_heard:
            on_heard(conditioning)
        denoise = clip_denoiser(
            checkpoint.network,
            conditioning,
            stream_guidance(sampler, direction or {}),
            known,
            window=card.window,
            overlap=card.overlap,
            on_part=lambda: tell(*at),
        )
        log_snrs = log_snrs_of(sampler)
    denoise = constrained(bounded(denoise, card.mean, card.std), known)
    x_T = noise.own(0, (length, len(card.mean)))
    clip = sample_dpm_solver_pp_2m(denoise, x_T, log_snrs, noise=noise, eta=sampler.eta, on_step=tell)
    return clip[:num_frames]


def sampler_of(card: Card, steps: int | None, guidance: float | None) -> SamplerSettings:
    """The card's sampler with other steps and guidance where given."""
    changes = {"steps": steps, "guidance": guidance}
    return replace(card.sampler, **{name: value for name, value in changes.items() if value is not None})


def speech_guidance(sampler: SamplerSettings) -> Guidance:
    return Guidance(sampler.guidance, *sampler.guidance_log_snr)


def stream_guidance(sampler: SamplerSettings, direction: Mapping[str, Any]) -> dict[str, Guidance]:
    """The guidance of each stream; a style is guided where one is asked for."""
    guidance = {"speech": speech_guidance(sampler)}
    if "style" in direction:
        guidance["style"] = Guidance(sampler.style_guidance)
    return guidance


def log_snrs_of(sampler: SamplerSettings) -> np.ndarray:
    """(steps,) rising noise levels of our own networks."""
    return cosine_log_snr(few_step_times(sampler.steps, sampler.time_exponent))


def known_poses(constraints: Constraints | None, card: Card, length: int) -> KnownPoses | None:
    """Constraints as the network's standardised poses, continued to ``length`` frames; None if there are none."""
    if constraints is None or not constraints.mask.any():
        return None
    mask = np.repeat(constraints.mask, 3, axis=1)
    poses = np.where(mask, card.to_poses(constraints.directions.astype(np.float64)), 0.0)
    behind = ((0, length - len(mask)), (0, 0))
    return KnownPoses(*(np.pad(x, behind).astype(np.float32) for x in (poses, mask)))


def _official(
    audio: np.ndarray | Heard, checkpoint: Checkpoint, length: int, sampler: SamplerSettings
) -> tuple[Denoise, np.ndarray]:
    """The published network on blended windows, with speech only: the seed bit says that no seed is given.

    It was never so in official training, and the network cannot be told known poses; ``constrained`` puts them
    into its estimates. Levels are those of the official schedule nearest to what is asked.
    """
    card = checkpoint.card
    schedule = PUBLISHED.schedule_of(card.diffusion)
    windows = Windows(length, card.window, card.overlap)
    samples = np.stack(
        [official_samples(audio, start / card.fps, card.window / card.fps) for start in windows.starts]
    )
    noise_of = checkpoint.network.bind(
        np.zeros((len(windows.starts), card.window, len(card.mean) + 1), dtype=np.float32), samples
    )
    table = np.array([schedule.log_snr(t) for t in range(1, schedule.num_steps + 1)])
    guidance = speech_guidance(sampler)

    def denoise(x: np.ndarray, log_snr: float) -> np.ndarray:
        t = int(np.abs(table - log_snr).argmin()) + 1
        alpha_bar = schedule.alpha_bars[t]
        noisy = windows.cut(x)
        noise = noise_of(noisy, schedule.betas[t], guidance.at(log_snr))
        return windows.blend((noisy - np.sqrt(1 - alpha_bar) * noise) / np.sqrt(alpha_bar))

    places = np.linspace(schedule.num_steps, 1, sampler.steps + 1)[:-1].round().astype(int)
    return denoise, table[places - 1]
