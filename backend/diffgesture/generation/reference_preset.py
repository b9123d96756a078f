# SPDX-License-Identifier: GPL-3.0-or-later
"""Preset ``reference``: the official algorithm, one seeded window after another, operation for operation.

With an official network this is the published chain; our own network can be asked in the same way, its clean
estimate being turned into the noise that it implies.
"""

from collections.abc import Callable

import numpy as np

from ..model.checkpoint import Checkpoint
from ..sampling.denoiser import Guidance, seeded_denoiser
from ..sampling.noise import NoiseSource
from ..sampling.reference import (
    PUBLISHED,
    PredictNoise,
    ReferenceSampling,
    Schedule,
    sample_ddpm,
)
from ..sampling.solver import Denoise
from ..sampling.windows import count_sequential_windows, official_audio_window, sequential_windows
from ..speech.audio import Heard
from ..speech.features import SAMPLE_RATE
from .conditions import condition_clip


def sample_windows(
    audio: np.ndarray | Heard,
    checkpoint: Checkpoint,
    num_frames: int,
    noise: NoiseSource,
    *,
    sampling: ReferenceSampling = PUBLISHED,
    first_seed: np.ndarray | None = None,
    on_step: Callable[[int, int, int, int], None] | None = None,
) -> np.ndarray:
    """(samples,) of 16 kHz speech to standardised poses (num_frames, D) by the official long-form rule.

    ``first_seed`` (S, D): standardised poses that the first window begins with. ``on_step(window, windows, step,
    steps)`` is called before each step.
    """
    card = checkpoint.card
    schedule, scale = sampling.schedule_of(card.diffusion), sampling.scale
    count = count_sequential_windows(num_frames / card.fps, card.fps, card.window, card.seed_frames)
    predictor = _window_predictor(audio, checkpoint, num_frames)

    def sample_window(index: int, seed: np.ndarray | None) -> np.ndarray:
        def step_done(step: int, steps: int) -> None:
            if on_step:
                on_step(index, count, step, steps)

        x_T = noise.own(schedule.num_steps + 1, (1, card.window, len(card.mean)))
        return sample_ddpm(
            predictor(index, None if seed is None else seed[None], schedule, scale),
            x_T,
            schedule,
            noise,
            stabilizer=sampling.stabilizer,
            t0=sampling.t0,
            on_step=step_done,
        )[0]

    return sequential_windows(sample_window, count, card.seed_frames, first_seed)[:num_frames]


def seeded_windows(
    audio: np.ndarray,
    seeds: np.ndarray,
    checkpoint: Checkpoint,
    schedule: Schedule,
    guidance: float,
    batch_statistics: bool = False,
) -> PredictNoise:
    """Many unrelated windows at once, each with its own speech (W, samples) and its own seed (W, S, D).

    ``batch_statistics``: a published network normalises as the official test scripts let it, by the batch.
    """
    if checkpoint.is_official:
        return _official_noise(audio, seeds, checkpoint, schedule, guidance, batch_statistics)
    return noise_of_clean(seeded_clean_windows(audio, seeds, checkpoint, Guidance(guidance)), schedule)


def seeded_clean_windows(
    audio: np.ndarray, seeds: np.ndarray | None, checkpoint: Checkpoint, guidance: Guidance
) -> Denoise:
    """The same for our own network: (W, N, D) noisy windows at a log-SNR to clean ones."""
    card = checkpoint.card
    clips = [condition_clip(card, {"audio": samples}, card.window) for samples in audio]
    conditions = np.stack([clip.values for clip in clips])
    without = {"speech": (np.stack([clip.without("speech") for clip in clips]), guidance)}
    return seeded_denoiser(checkpoint.network, conditions, without, seeds)


def noise_of_clean(denoise: Denoise, schedule: Schedule) -> PredictNoise:
    """What a clean estimate says about the noise at step t."""

    def predict(noisy: np.ndarray, t: int) -> np.ndarray:
        alpha_bar = schedule.alpha_bars[t]
        return (noisy - np.sqrt(alpha_bar) * denoise(noisy, schedule.log_snr(t))) / np.sqrt(1 - alpha_bar)

    return predict


def _window_predictor(
    audio: np.ndarray | Heard, checkpoint: Checkpoint, num_frames: int
) -> Callable[[int, np.ndarray | None, Schedule, float], PredictNoise]:
    """For the official window ``index`` with seed (1, S, D) or none."""
    card = checkpoint.card
    if checkpoint.is_official:

        def official(index: int, seed: np.ndarray | None, schedule: Schedule, guidance: float) -> PredictNoise:
            samples, _ = official_audio_window(
                audio,
                index,
                fps=card.fps,
                window=card.window,
                seed_frames=card.seed_frames,
                sample_rate=SAMPLE_RATE,
            )
            return _official_noise(samples[None], seed, checkpoint, schedule, guidance)

        return official
    conditioning = condition_clip(card, {"audio": audio}, num_frames)
    lacking = conditioning.without("speech")

    def own(index: int, seed: np.ndarray | None, schedule: Schedule, guidance: float) -> PredictNoise:
        start = index * (card.window - card.seed_frames)
        places = np.minimum(np.arange(start, start + card.window), conditioning.num_frames - 1)
        without = {"speech": (lacking[places][None], Guidance(guidance))}
        clean = seeded_denoiser(checkpoint.network, conditioning.values[places][None], without, seed)
        return noise_of_clean(clean, schedule)

    return own


def _official_noise(
    samples: np.ndarray,
    seeds: np.ndarray | None,
    checkpoint: Checkpoint,
    schedule: Schedule,
    guidance: float,
    batch_statistics: bool = False,
) -> PredictNoise:
    """The published network for windows with samples (W, S) and seed poses (W, 4, D)."""
    card = checkpoint.card
    pre_seq = np.zeros((len(samples), card.window, len(card.mean) + 1), dtype=np.float32)
    if seeds is not None:
        pre_seq[:, : seeds.shape[1], :-1], pre_seq[:, : seeds.shape[1], -1] = seeds, 1
    noise = checkpoint.network.bind(pre_seq, samples, batch_statistics)
    return lambda noisy, t: noise(noisy, schedule.trained_beta(t), guidance)
