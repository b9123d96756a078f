# SPDX-License-Identifier: GPL-3.0-or-later
"""How each network is asked: for the whole clip at once (clean poses) or for one seeded window (noise).

Both classes offer the same methods, so that either preset runs with either network.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..model.checkpoint import Checkpoint
from ..model.official import SAMPLES_PER_WINDOW
from ..speech.audio import SAMPLE_RATE
from ..speech.features import audio_features
from .diffusion import Schedule, cosine_log_snr, few_step_times, linear_schedule
from .known_poses import KnownPoses
from .windows import blend_weights, cut_windows, official_audio_window, overlap_add, window_starts

_WINDOWS_PER_BATCH = 64

PredictClip = Callable[[Tensor, float], Tensor]
"""(T, D) noisy clip at a log-SNR to the clean one."""
PredictNoise = Callable[[Tensor, int], Tensor]
"""(W, N, D) noisy windows at step t to their (guided) noise."""


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance towards speech, by ``scale`` between two log-SNRs and not at all outside.

    Guidance everywhere costs twice the time, and at the noisiest steps variety (Kynkäänniemi et al. 2024).
    """

    scale: float
    lowest: float = -math.inf
    highest: float = math.inf

    def at(self, log_snr: float) -> float:
        return self.scale if self.lowest <= log_snr <= self.highest else 1.0


class Predictor(Protocol):
    """One clip's conditioning for one network."""

    num_frames: int
    """Frames to denoise: the clip's, and at least a window's."""

    def log_snrs(self, num_steps: int) -> Tensor:
        """(num_steps,) rising noise levels that suit the network."""
        ...

    def clip(self, guidance: Guidance, known: KnownPoses | None) -> PredictClip:
        """For all ``num_frames`` at once."""
        ...

    def sequential(self, index: int, seed: Tensor | None, schedule: Schedule, guidance: float) -> PredictNoise:
        """For the official window ``index`` with ``seed`` (4, D) or none."""
        ...


def make_predictor(audio: np.ndarray, num_frames: int, checkpoint: Checkpoint) -> Predictor:
    """The predictor of the checkpoint's network for one clip of 16 kHz speech."""
    if checkpoint.is_official:
        return OfficialPredictor(audio, num_frames, checkpoint)
    return MaskedPredictor(audio, num_frames, checkpoint)


def seeded_windows(
    audio: np.ndarray, seeds: Tensor, checkpoint: Checkpoint, schedule: Schedule, guidance: float
) -> PredictNoise:
    """Many unrelated windows at once, each with its own speech (W, samples) and its own seed (W, S, D)."""
    if not checkpoint.is_official:
        clean = seeded_clean_windows(audio, seeds, checkpoint, Guidance(guidance))
        return lambda noisy, t: noise_of_clean(clean, noisy, t, schedule)
    network, count = checkpoint.network, seeds.shape[1]
    pre_seq = seeds.new_zeros(len(seeds), checkpoint.card["window"], seeds.shape[2] + 1)
    pre_seq[:, :count, :-1], pre_seq[:, :count, -1] = seeds, 1
    context = network.context(pre_seq, torch.from_numpy(audio).float().to(checkpoint.device))
    return lambda noisy, t: network.guided_noise(noisy, schedule.betas[t].expand(len(noisy)), context, guidance)


def seeded_clean_windows(
    audio: np.ndarray, seeds: Tensor, checkpoint: Checkpoint, guidance: Guidance
) -> PredictClip:
    """The same for our own network: (W, N, D) noisy windows at a log-SNR to clean ones."""
    window = checkpoint.card["window"]
    predictors = [MaskedPredictor(samples, window, checkpoint) for samples in audio]
    return predictors[0].seeded(torch.stack([predictor.speech for predictor in predictors]), seeds, guidance)


def noise_of_clean(predict_clean: PredictClip, noisy: Tensor, t: int, schedule: Schedule) -> Tensor:
    """What a clean estimate says about the noise at step t."""
    alpha_bar = schedule.alpha_bars[t]
    clean = predict_clean(noisy, float(torch.log(alpha_bar / (1 - alpha_bar))))
    return (noisy - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()


class MaskedPredictor:
    """Ours: features of the whole clip, poses known or not by mask."""

    def __init__(self, audio: np.ndarray, num_frames: int, checkpoint: Checkpoint):
        self._network, card = checkpoint.network, checkpoint.card
        self._window, self._seed_frames, self._overlap = card["window"], card["seed_frames"], card["overlap"]
        self._pose_dim = len(checkpoint.mean)
        self.num_frames = max(num_frames, self._window)
        mean, std, silence = (np.asarray(card["features"][name]) for name in ("mean", "std", "silence"))
        features = audio_features(audio, num_frames, card["fps"])
        # A clip shorter than a window is followed by silence, the floor of every feature.
        padding = np.repeat(silence[None], max(0, self._window - num_frames), axis=0)
        features = (np.concatenate([features, padding]) - mean) / std
        given = np.ones((len(features), 1))
        speech = np.concatenate([features, given], axis=1).astype(np.float32)
        self.speech = torch.from_numpy(speech).to(checkpoint.device)

    def log_snrs(self, num_steps: int) -> Tensor:
        return cosine_log_snr(few_step_times(num_steps))

    def clip(self, guidance: Guidance, known: KnownPoses | None) -> PredictClip:
        """One sequence when the network's attention is banded, else windows that are blended in every step."""
        whole = self._network.reach > 0
        window = self.num_frames if whole else self._window
        windows = Windows(self.num_frames, window, self._overlap)
        speech = windows.cut(self.speech)
        poses, mask = _nothing_known(speech.new_zeros(*speech.shape[:2], self._pose_dim))
        if known is not None:
            poses, mask = windows.cut(known.poses), windows.cut(known.mask[:, ::3])

        def predict(noisy: Tensor, log_snr: float) -> Tensor:
            scale = guidance.at(log_snr)
            batches = zip(
                *(x.split(_WINDOWS_PER_BATCH) for x in (windows.cut(noisy), poses, mask, speech)), strict=True
            )
            return windows.blend(torch.cat([self._clean(x, k, m, s, log_snr, scale) for x, k, m, s in batches]))

        return predict

    def sequential(self, index: int, seed: Tensor | None, schedule: Schedule, guidance: float) -> PredictNoise:
        start = index * (self._window - self._seed_frames)
        speech = self.speech[start : start + self._window]
        speech = torch.cat([speech, speech[-1:].expand(self._window - len(speech), -1)]).unsqueeze(0)
        clean = self.seeded(speech, None if seed is None else seed.unsqueeze(0), Guidance(guidance))
        return lambda noisy, t: noise_of_clean(clean, noisy, t, schedule)

    def seeded(self, speech: Tensor, seeds: Tensor | None, guidance: Guidance) -> PredictClip:
        """(W, N, F + 1) speech and (W, S, D) seeds to clean (W, N, D)."""
        known, mask = _nothing_known(speech.new_zeros(len(speech), self._window, self._pose_dim))
        if seeds is not None:
            known[:, : seeds.shape[1]], mask[:, : seeds.shape[1]] = seeds, 1

        def predict(noisy: Tensor, log_snr: float) -> Tensor:
            scale = guidance.at(log_snr)
            batches = zip(*(x.split(_WINDOWS_PER_BATCH) for x in (noisy, known, mask, speech)), strict=True)
            return torch.cat([self._clean(x, k, m, s, log_snr, scale) for x, k, m, s in batches])

        return predict

    def _clean(
        self, noisy: Tensor, known: Tensor, mask: Tensor, speech: Tensor, log_snr: float, guidance: float
    ) -> Tensor:
        """Clean poses; with guidance, away from what the network says without speech."""
        level = torch.full((len(noisy),), log_snr, device=noisy.device)
        conditional = self._network(noisy, level, known, mask, speech)
        if guidance == 1.0:
            return conditional
        unconditional = self._network(noisy, level, known, mask, torch.zeros_like(speech))
        return unconditional + guidance * (conditional - unconditional)


def _nothing_known(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Empty known poses and mask for (W, N, D) windows."""
    return torch.zeros_like(windows), windows.new_zeros(*windows.shape[:2], windows.shape[2] // 3)


class Windows:
    """A clip (T, D) as windows (W, N, D) that are cut out of it and blended back (``longform``)."""

    def __init__(self, num_frames: int, window: int, overlap: int):
        self.num_frames, self.window = num_frames, window
        self.starts = window_starts(num_frames, window, min(overlap, window - 1))
        self._weights = blend_weights(num_frames, self.starts, window).unsqueeze(-1)

    def cut(self, clip: Tensor) -> Tensor:
        return cut_windows(clip, self.starts, self.window)

    def blend(self, windows: Tensor) -> Tensor:
        return overlap_add(windows * self._weights.to(windows.device), self.starts, self.num_frames)


class OfficialPredictor:
    """The published network: raw samples of one window, seed poses with their bit."""

    def __init__(self, audio: np.ndarray, num_frames: int, checkpoint: Checkpoint):
        self._audio, self._network, self._device = audio, checkpoint.network, checkpoint.device
        card = checkpoint.card
        self._fps, self._window, self._seed_frames = card["fps"], card["window"], card["seed_frames"]
        self._overlap = card["overlap"]
        self.num_frames = max(num_frames, self._window)
        self._pose_dim = len(checkpoint.mean)
        self._schedule = linear_schedule().to(checkpoint.device)

    def log_snrs(self, num_steps: int) -> Tensor:
        steps = torch.linspace(self._schedule.num_steps, 1, num_steps + 1)[:-1].round().long()
        alpha_bar = self._schedule.alpha_bars.cpu()[steps].double()
        return torch.log(alpha_bar / (1 - alpha_bar))

    def clip(self, guidance: Guidance, known: KnownPoses | None) -> PredictClip:
        """Speech only; the seed bit says that no seed is given (never so in official training).

        The published network cannot be told ``known`` poses; the sampler puts them into its estimates.
        """
        windows = Windows(self.num_frames, self._window, self._overlap)
        table = torch.log(self._schedule.alpha_bars[1:] / (1 - self._schedule.alpha_bars[1:]))
        context = torch.cat([self._context(None, self._samples_from(start)) for start in windows.starts])

        def predict(noisy: Tensor, log_snr: float) -> Tensor:
            t = int((table - log_snr).abs().argmin()) + 1
            alpha_bar, scale = self._schedule.alpha_bars[t], guidance.at(log_snr)
            cut = windows.cut(noisy)
            batches = zip(cut.split(_WINDOWS_PER_BATCH), context.split(_WINDOWS_PER_BATCH), strict=True)
            noise = torch.cat(
                [
                    self._network.guided_noise(x, self._schedule.betas[t].expand(len(x)), c, scale)
                    for x, c in batches
                ]
            )
            return windows.blend((cut - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt())

        return predict

    def sequential(self, index: int, seed: Tensor | None, schedule: Schedule, guidance: float) -> PredictNoise:
        samples, _ = official_audio_window(
            self._audio,
            index,
            fps=self._fps,
            window=self._window,
            seed_frames=self._seed_frames,
            sample_rate=SAMPLE_RATE,
        )
        context = self._context(seed, samples)
        return lambda noisy, t: self._network.guided_noise(noisy, schedule.betas[[t]], context, guidance)

    def _context(self, seed: Tensor | None, samples: np.ndarray) -> Tensor:
        pre_seq = torch.zeros(1, self._window, self._pose_dim + 1, device=self._device)
        if seed is not None:
            pre_seq[0, : self._seed_frames, :-1], pre_seq[0, : self._seed_frames, -1] = seed, 1
        return self._network.context(pre_seq, torch.from_numpy(samples)[None].float().to(self._device))

    def _samples_from(self, start_frame: int) -> np.ndarray:
        start = round(start_frame / self._fps * SAMPLE_RATE)
        samples = self._audio[start : start + SAMPLES_PER_WINDOW]
        return np.pad(samples, (0, SAMPLES_PER_WINDOW - len(samples)))
