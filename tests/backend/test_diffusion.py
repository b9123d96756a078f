# SPDX-License-Identifier: GPL-3.0-or-later
"""Samplers and windows, checked against what mathematics says they must do."""

import math
from itertools import pairwise

import numpy as np
import pytest
from diffgesture.sampling.noise import GaussianNoise
from diffgesture.sampling.reference import linear_schedule, sample_ddpm, stabilized_noise
from diffgesture.sampling.solver import cosine_log_snr, few_step_times, sample_dpm_solver_pp_2m
from diffgesture.sampling.windows import blend_weights, cut_windows, overlap_add, window_starts
from hypothesis import given
from hypothesis import strategies as st

MEAN, SPREAD = 1.5, 0.4


def ideal_x0(x: np.ndarray, log_snr: float) -> np.ndarray:
    """The exact posterior mean for normally distributed data."""
    alpha2 = 1 / (1 + math.exp(-log_snr))
    alpha, sigma2 = math.sqrt(alpha2), 1 - alpha2
    return MEAN + alpha * SPREAD**2 / (alpha2 * SPREAD**2 + sigma2) * (x - alpha * MEAN)


def noise_source(seed: int = 0) -> GaussianNoise:
    return GaussianNoise(seed)


def test_few_steps_reach_the_data_distribution():
    x_T = noise_source().own(0, (20_000,))
    result = sample_dpm_solver_pp_2m(ideal_x0, x_T, cosine_log_snr(few_step_times(10)))
    assert result.mean() == pytest.approx(MEAN, abs=0.02)
    assert result.std() == pytest.approx(SPREAD, rel=0.05)


def test_fresh_noise_in_every_step_keeps_the_data_distribution():
    noise = noise_source(4)
    levels = cosine_log_snr(few_step_times(16, exponent=1.7))
    result = sample_dpm_solver_pp_2m(ideal_x0, noise.own(0, (20_000,)), levels, noise=noise, eta=1.0)
    assert result.mean() == pytest.approx(MEAN, abs=0.02)
    assert result.std() == pytest.approx(SPREAD, rel=0.08)


def test_an_exponent_takes_smaller_strides_where_there_is_much_noise():
    even, early = few_step_times(9), few_step_times(9, exponent=2.0)
    assert even[[0, -1]] == pytest.approx(early[[0, -1]])
    assert early[1] > even[1]
    assert np.all(np.diff(early) < 0)


def test_more_steps_come_closer_to_the_exact_flow():
    """The flow of normal data is known: it scales the start's deviation to the data's."""
    x_T = np.linspace(-2, 2, 41)

    def error(steps: int) -> float:
        result = sample_dpm_solver_pp_2m(
            ideal_x0, x_T, cosine_log_snr(few_step_times(steps, first=0.9999, last=0.001))
        )
        return float(np.abs(result - (MEAN + SPREAD * x_T)).max())

    assert error(160) < error(80) < error(40) < error(20)
    assert error(10) < 0.01
    assert error(80) < 0.01


def test_ddpm_reaches_the_data_distribution():
    schedule = linear_schedule(200)

    def predict_noise(x, t):
        alpha_bar = float(schedule.alpha_bars[t])
        clean = ideal_x0(x, math.log(alpha_bar / (1 - alpha_bar)))
        return (x - math.sqrt(alpha_bar) * clean) / math.sqrt(1 - alpha_bar)

    noise = noise_source(1)
    result = sample_ddpm(predict_noise, noise.own(0, (4000, 1, 1)), schedule, noise, stabilizer="none")
    # 200 official steps leave some signal in x_T (alpha_bar 0.13), hence the tolerance.
    assert result.std() == pytest.approx(SPREAD, rel=0.1)


@pytest.mark.parametrize(
    ("stabilizer", "correlation"), [("none", 0.0), ("smooth", (20 / 25) ** 4), ("threshold", 1.0)]
)
def test_stabilizer_correlates_frames_and_keeps_the_variance(stabilizer: str, correlation: float):
    source = noise_source(2)
    draws = np.stack([stabilized_noise(5, (1, 2, 500), source, stabilizer)[0] for _ in range(40)])
    first, second = draws[:, 0].ravel(), draws[:, 1].ravel()
    assert first.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(np.stack([first, second]))[0, 1] == pytest.approx(correlation, abs=0.03)


def test_stabilizer_leaves_early_steps_alone_and_the_last_without_noise():
    assert np.array_equal(
        stabilized_noise(25, (1, 2, 3), noise_source(), "smooth"), noise_source().own(25, (1, 2, 3))
    )
    assert not stabilized_noise(1, (1, 2, 3), noise_source(), "smooth").any()


def test_each_step_can_stop_the_chain():
    class Stop(Exception):
        pass

    def on_step(done, total):
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        sample_dpm_solver_pp_2m(ideal_x0, np.zeros(3), cosine_log_snr(few_step_times(10)), on_step=on_step)


@given(st.integers(1, 2000), st.integers(2, 120), st.data())
def test_windows_cover_every_frame_and_weights_sum_to_one(num_frames: int, window: int, data):
    overlap = data.draw(st.integers(0, window - 1))
    starts = window_starts(num_frames, window, overlap)
    total = max(num_frames, window)
    assert starts[0] == 0
    assert starts[-1] == total - window
    assert all(0 < b - a <= window - overlap + 1 for a, b in pairwise(starts))
    weights = blend_weights(total, starts, window)
    assert np.allclose(overlap_add(weights[..., None], starts, total), np.ones((total, 1)), atol=1e-5)
    assert (weights >= 0).all()


def test_windows_that_agree_are_put_back_unchanged():
    clip = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    starts = window_starts(500, 90, 18)
    weights = blend_weights(500, starts, 90)
    assert np.allclose(
        overlap_add(cut_windows(clip, starts, 90) * weights[..., None], starts, 500), clip, atol=1e-5
    )
