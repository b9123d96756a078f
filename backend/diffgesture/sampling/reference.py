# SPDX-License-Identifier: GPL-3.0-or-later
"""The official sampler: 500 ancestral steps (Ho et al. 2020), annealed noise stabilizer (Zhu et al. 2023)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from .noise import NoiseSource

OnStep = Callable[[int, int], None]
"""Called before each step with (steps done, steps in all); raises to stop."""

PredictNoise = Callable[[np.ndarray, int], np.ndarray]
"""(W, N, D) noisy windows at step t to their (guided) noise."""

Stabilizer = Literal["smooth", "threshold", "none"]
STABILIZERS: Final = ("smooth", "threshold", "none")
REFERENCE_STEPS: Final = 500
REFERENCE_GUIDANCE: Final = 1.15


@dataclass(frozen=True)
class Schedule:
    """The discrete tables of a DDPM, entries 1..T, float32; entry 0 is padding (official ``VarianceSchedule``)."""

    betas: np.ndarray
    alphas: np.ndarray
    alpha_bars: np.ndarray
    sigmas_flex: np.ndarray
    sigmas_inflex: np.ndarray

    @property
    def num_steps(self) -> int:
        return len(self.betas) - 1

    def log_snr(self, t: int) -> float:
        """log(alpha_bar / (1 - alpha_bar)) at step ``t``."""
        return float(np.log(self.alpha_bars[t] / (1 - self.alpha_bars[t])))


def linear_schedule(num_steps: int = REFERENCE_STEPS, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """The official schedule: beta from ``beta_1`` to ``beta_T`` in equal steps, posterior variance."""
    betas = np.concatenate([np.zeros(1, dtype=np.float32), _linspace(beta_1, beta_T, num_steps)])
    alphas = 1 - betas
    logs = np.log(alphas.astype(np.float64)).astype(np.float32)
    alpha_bars = np.exp(np.cumsum(logs, dtype=np.float64)).astype(np.float32)
    previous = np.concatenate([np.ones(1, dtype=np.float32), alpha_bars[:-1]])
    posterior = np.zeros_like(betas)
    posterior[1:] = (1 - previous[1:]) / (1 - alpha_bars[1:]) * betas[1:]
    return Schedule(betas, alphas, alpha_bars, np.sqrt(betas), np.sqrt(posterior))


def _linspace(start: float, end: float, count: int) -> np.ndarray:
    """Equal steps from both ends towards the middle, rounded to float32 as ``torch.linspace`` does."""
    first, last = np.float32(start), np.float32(end)
    if count == 1:
        return np.full(1, first)
    step = np.float64((last - first) / np.float32(count - 1))
    places = np.arange(count)
    values = np.where(places < count // 2, first + step * places, last - step * places[::-1])
    return values.astype(np.float32)


def stabilized_noise(
    t: int, shape: tuple[int, int, int], noise: NoiseSource, stabilizer: Stabilizer, t0: int = 25
) -> np.ndarray:
    """Noise of step ``t`` for (batch, frames, dims), with the part that all frames share.

    smooth: weight ``sigma_a = (t - t0)^2 / t0^2`` of one shared draw below ``t0``, ``sqrt(1 - sigma_a^2)`` of
    each frame's own (official ``diffusion_net.py``). threshold: one shared draw alone below ``t0``.
    """
    if t <= 1:
        return np.zeros(shape, dtype=np.float32)
    own = noise.own(t, shape)
    if t >= t0 or stabilizer == "none":
        return own
    shared = noise.shared(t, (shape[0], 1, shape[2]))
    sigma_a = 1.0 if stabilizer == "threshold" else (t - t0) ** 2 / t0**2
    return np.float32(math.sqrt(1 - sigma_a**2)) * own + np.float32(sigma_a) * shared


def sample_ddpm(
    predict_noise: PredictNoise,
    x_T: np.ndarray,
    schedule: Schedule,
    noise: NoiseSource,
    *,
    stabilizer: Stabilizer = "smooth",
    on_step: OnStep | None = None,
) -> np.ndarray:
    """Ancestral sampling, official ``DiffusionNet.sample``: (B, N, D) noise to (B, N, D) data, float32.

    ``predict_noise(x_t, t)`` returns the (guided) noise estimate; the chain has the schedule's length.
    """
    x = x_T
    total = schedule.num_steps
    for done, t in enumerate(range(total, 0, -1)):
        if on_step:
            on_step(done, total)
        z = stabilized_noise(t, x.shape, noise, stabilizer)
        alpha, alpha_bar = schedule.alphas[t], schedule.alpha_bars[t]
        mean = (x - (1 - alpha) / np.sqrt(1 - alpha_bar) * predict_noise(x, t)) / np.sqrt(alpha)
        x = mean + schedule.sigmas_inflex[t] * z
    return x
