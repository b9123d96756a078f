# SPDX-License-Identifier: GPL-3.0-or-later
"""The official sampler: 500 ancestral steps (Ho et al. 2020), annealed noise stabilizer (Zhu et al. 2023)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from ..errors import ConfigError
from .noise import NoiseSource

OnStep = Callable[[int, int], None]
"""Called before each step with (steps done, steps in all); raises to stop."""

PredictNoise = Callable[[np.ndarray, int], np.ndarray]
"""(W, N, D) noisy windows at step t to their (guided) noise."""

Stabilizer = Literal["smooth", "threshold", "none"]
STABILIZERS: Final = ("smooth", "threshold", "none")
REFERENCE_STEPS: Final = 500
REFERENCE_GUIDANCE: Final = 1.15
STABILIZER_START: Final = 25
"""Step below which frames share noise (official ``diffusion_net.py``)."""
ScheduleKind = Literal["respaced", "new"]


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

    def trained_step(self, t: int) -> int:
        """The step of the schedule that the network was trained with."""
        return t

    def trained_beta(self, t: int) -> float:
        """The beta by which the network knows step ``t``."""
        return float(self.betas[t])

    def log_snr(self, t: int) -> float:
        """log(alpha_bar / (1 - alpha_bar)) at step ``t``."""
        return float(np.log(self.alpha_bars[t] / (1 - self.alpha_bars[t])))


@dataclass(frozen=True)
class RespacedSchedule(Schedule):
    """Some steps of a longer schedule: ``places`` are theirs in ``full``, whose alpha_bar and beta they keep."""

    places: np.ndarray
    full: Schedule

    def trained_step(self, t: int) -> int:
        return int(self.places[t])

    def trained_beta(self, t: int) -> float:
        return float(self.full.betas[self.places[t]])


def respaced(full: Schedule, num_steps: int) -> Schedule:
    """``num_steps`` evenly spaced steps of ``full``, from its last to its first (Nichol and Dhariwal 2021).

    The betas of the shorter chain are ``1 - alpha_bar_t / alpha_bar_s`` for neighbours s < t, as in
    guided-diffusion (``respace.py``). All steps are the schedule itself. ConfigError for more steps than it has.
    """
    if num_steps == full.num_steps:
        return full
    if num_steps > full.num_steps:
        raise ConfigError(
            f"The network was trained with {full.num_steps} steps, so there are not {num_steps} to take: choose at"
            " most that many, or the schedule 'new'."
        )
    first = 1 if num_steps > 1 else full.num_steps
    places = np.concatenate([[0], np.linspace(first, full.num_steps, num_steps).round().astype(int)])
    kept = full.alpha_bars[places].astype(np.float64)
    kept[0] = 1.0
    betas = np.concatenate([[0.0], 1 - kept[1:] / kept[:-1]])
    posterior = np.concatenate([[0.0], (1 - kept[:-1]) / (1 - kept[1:]) * betas[1:]])
    tables = [x.astype(np.float32) for x in (betas, 1 - betas, kept, np.sqrt(betas), np.sqrt(posterior))]
    return RespacedSchedule(tables[0], tables[1], tables[2], tables[3], tables[4], places, full)


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


@dataclass(frozen=True)
class ReferenceSampling:
    """How the published sampler is run; None takes the published value.

    ``schedule``: "respaced" takes ``steps`` of those that the network was trained with; "new" spreads the same
    range of betas over ``steps``, so that fewer steps begin where much of the signal is left.
    """

    steps: int | None = None
    guidance: float | None = None
    stabilizer: Stabilizer = "smooth"
    t0: int = STABILIZER_START
    schedule: ScheduleKind = "respaced"

    @property
    def scale(self) -> float:
        return REFERENCE_GUIDANCE if self.guidance is None else self.guidance

    def schedule_of(self, trained: Mapping[str, Any]) -> Schedule:
        """The chain for a network trained with ``steps``, ``beta_start`` and ``beta_end`` (absent: published)."""
        betas = float(trained.get("beta_start", 1e-4)), float(trained.get("beta_end", 0.02))
        total = int(trained.get("steps", REFERENCE_STEPS))
        if self.schedule == "new" and self.steps:
            return linear_schedule(self.steps, *betas)
        return respaced(linear_schedule(total, *betas), self.steps or total)


PUBLISHED: Final = ReferenceSampling()


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
    t: int, shape: tuple[int, int, int], noise: NoiseSource, stabilizer: Stabilizer, t0: int = STABILIZER_START
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
    t0: int = STABILIZER_START,
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
        z = stabilized_noise(schedule.trained_step(t), x.shape, noise, stabilizer, t0)
        alpha, alpha_bar = schedule.alphas[t], schedule.alpha_bars[t]
        mean = (x - (1 - alpha) / np.sqrt(1 - alpha_bar) * predict_noise(x, t)) / np.sqrt(alpha)
        x = mean + schedule.sigmas_inflex[t] * z
    return x
